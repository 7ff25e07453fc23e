/*
 * void fiber_switch(void **save, void *load)      rdi, rsi
 *
 * System V ABI: callee-saved are rbx, rbp, r12..r15, the control bits of mxcsr and the x87 control
 * word. The frame is described in fiber.c.
 */
#if defined(__x86_64__)

    .text
    .globl  fiber_switch
    .type   fiber_switch, @function
fiber_switch:
    .cfi_startproc
    pushq   %rbp
    pushq   %rbx
    pushq   %r12
    pushq   %r13
    pushq   %r14
    pushq   %r15
    subq    $8, %rsp
    stmxcsr (%rsp)
    fnstcw  4(%rsp)
    movq    %rsp, (%rdi)
    movq    %rsi, %rsp
    ldmxcsr (%rsp)
    fldcw   4(%rsp)
    addq    $8, %rsp
    popq    %r15
    popq    %r14
    popq    %r13
    popq    %r12
    popq    %rbx
    popq    %rbp
    ret
    .cfi_endproc
    .size   fiber_switch, . - fiber_switch

/* r12 holds the fiber; fiber_entry never returns. */
    .globl  fiber_trampoline
    .type   fiber_trampoline, @function
fiber_trampoline:
    .cfi_startproc
    .cfi_undefined rip
    movq    %r12, %rdi
    call    fiber_entry
    ud2
    .cfi_endproc
    .size   fiber_trampoline, . - fiber_trampoline

#endif
    .section .note.GNU-stack, "", %progbits
