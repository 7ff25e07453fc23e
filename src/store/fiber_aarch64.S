/*
 * void fiber_switch(void **save, void *load)      x0, x1
 *
 * AAPCS64: callee-saved are x19..x28, the frame pointer x29, the link register x30 and the low
 * halves of v8..v15. The frame is described in fiber.c.
 */
#if defined(__aarch64__)

    .text
    .globl  fiber_switch
    .type   fiber_switch, %function
fiber_switch:
    .cfi_startproc
    sub     sp, sp, #160
    stp     x19, x20, [sp, #0]
    stp     x21, x22, [sp, #16]
    stp     x23, x24, [sp, #32]
    stp     x25, x26, [sp, #48]
    stp     x27, x28, [sp, #64]
    stp     x29, x30, [sp, #80]
    stp     d8, d9, [sp, #96]
    stp     d10, d11, [sp, #112]
    stp     d12, d13, [sp, #128]
    stp     d14, d15, [sp, #144]
    mov     x9, sp
    str     x9, [x0]
    mov     sp, x1
    ldp     x19, x20, [sp, #0]
    ldp     x21, x22, [sp, #16]
    ldp     x23, x24, [sp, #32]
    ldp     x25, x26, [sp, #48]
    ldp     x27, x28, [sp, #64]
    ldp     x29, x30, [sp, #80]
    ldp     d8, d9, [sp, #96]
    ldp     d10, d11, [sp, #112]
    ldp     d12, d13, [sp, #128]
    ldp     d14, d15, [sp, #144]
    add     sp, sp, #160
    ret
    .cfi_endproc
    .size   fiber_switch, . - fiber_switch

/* x19 holds the fiber; fiber_entry never returns. */
    .globl  fiber_trampoline
    .type   fiber_trampoline, %function
fiber_trampoline:
    .cfi_startproc
    .cfi_undefined x30
    mov     x0, x19
    bl      fiber_entry
    brk     #1
    .cfi_endproc
    .size   fiber_trampoline, . - fiber_trampoline

#endif
    .section .note.GNU-stack, "", %progbits
