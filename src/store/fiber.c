/* Fibers: the part in C; the change of stacks itself is in fiber_ARCHITECTURE.S. */
#include "store/fiber.h"

#include "os/mem.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
enum { FIBER_STACK_BYTES = 2 * 1024 * 1024 }; /* its frames are several times as large */
#else
/* LMDB's deepest paths take about 10 KiB; the commands of the engine are the rest. */
enum { FIBER_STACK_BYTES = 256 * 1024 };
#endif

/* Saves the callee-saved registers on the present stack, leaves its pointer in *save and goes on
 * with what lies on the stack `load`. */
void fiber_switch(void **save, void *load);
/* First return address of a new stack: calls fiber_entry with the fiber. */
void fiber_trampoline(void);
void fiber_entry(struct fiber *fiber);

enum {
    FIBER_KEPT_MAX = 8, /* stacks of ended fibers */
#if defined(__x86_64__)
    FIBER_FRAME_WORDS = 8,    /* mxcsr and x87 word, r15 r14 r13 r12 rbx rbp, return address */
    FIBER_FRAME_ARGUMENT = 4, /* r12 */
    FIBER_FRAME_RETURN = 7,
#elif defined(__aarch64__)
    FIBER_FRAME_WORDS = 20,   /* x19..x28, x29, x30, d8..d15 */
    FIBER_FRAME_ARGUMENT = 0, /* x19 */
    FIBER_FRAME_RETURN = 11,  /* x30 */
#else
#error "no fiber_switch for this architecture"
#endif
};

static void *kept_stacks[FIBER_KEPT_MAX];
static uint32_t kept_count;

static void *fiber_stack_take(void) {
    if (kept_count > 0) {
        kept_count -= 1;
        return kept_stacks[kept_count];
    }
    return mem_stack(FIBER_STACK_BYTES);
}

/* Tells the sanitizer; nothing in other builds. */
static void fiber_switch_start(void **shadow, const void *stack, size_t bytes) {
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_start_switch_fiber(shadow, stack, bytes);
#else
    (void)shadow;
    (void)stack;
    (void)bytes;
#endif
}

static void fiber_switch_finish(void *shadow, const void **stack, size_t *bytes) {
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(shadow, stack, bytes);
#else
    (void)shadow;
    (void)stack;
    (void)bytes;
#endif
}

bool fiber_init(struct fiber *fiber, void (*run)(void *ctx), void *ctx) {
    CHECK(run != NULL);
    CHECK(fiber->state == FIBER_NONE);
    void *stack = fiber_stack_take();
    if (stack == NULL) {
        return false;
    }
    /* The frame that fiber_switch will pop. The top stays 16-byte aligned after it, with one word
     * to spare so that the trampoline's call meets the ABI. */
    uintptr_t *top = (uintptr_t *)((char *)stack + FIBER_STACK_BYTES);
    uintptr_t *frame = top - 2 - FIBER_FRAME_WORDS;
    for (uint32_t index = 0; index < FIBER_FRAME_WORDS + 2; index += 1) {
        frame[index] = 0;
    }
#if defined(__x86_64__)
    frame[0] = (UINT64_C(0x037f) << 32) | 0x1f80; /* the ABI's floating-point state at entry */
#endif
    frame[FIBER_FRAME_ARGUMENT] = (uintptr_t)fiber;
    frame[FIBER_FRAME_RETURN] = (uintptr_t)fiber_trampoline;
    *fiber = (struct fiber){
        .state = FIBER_RESTING, .own_sp = frame, .stack = stack, .run = run, .ctx = ctx};
    return true;
}

void fiber_reset(struct fiber *fiber) {
    CHECK(fiber->state == FIBER_NONE || fiber->state == FIBER_ENDED);
    if (fiber->stack != NULL && kept_count < FIBER_KEPT_MAX) {
        kept_stacks[kept_count] = fiber->stack;
        kept_count += 1;
    }
    *fiber = (struct fiber){.state = FIBER_NONE};
}

void fiber_resume(struct fiber *fiber) {
    CHECK(fiber->state == FIBER_RESTING);
    fiber->state = FIBER_RUNNING;
    fiber_switch_start(&fiber->caller_shadow, fiber->stack, FIBER_STACK_BYTES);
    fiber_switch(&fiber->caller_sp, fiber->own_sp);
    fiber_switch_finish(fiber->caller_shadow, NULL, NULL);
    CHECK(fiber->state != FIBER_RUNNING);
}

void fiber_yield(struct fiber *fiber) {
    CHECK(fiber->state == FIBER_RUNNING);
    fiber->state = FIBER_RESTING;
    fiber_switch_start(&fiber->own_shadow, fiber->caller_stack, fiber->caller_stack_bytes);
    fiber_switch(&fiber->own_sp, fiber->caller_sp);
    fiber_switch_finish(fiber->own_shadow, &fiber->caller_stack, &fiber->caller_stack_bytes);
}

void fiber_entry(struct fiber *fiber) {
    fiber_switch_finish(NULL, &fiber->caller_stack, &fiber->caller_stack_bytes);
    fiber->run(fiber->ctx);
    fiber->state = FIBER_ENDED;
    /* NULL: the sanitizer may forget this stack. */
    fiber_switch_start(NULL, fiber->caller_stack, fiber->caller_stack_bytes);
    fiber_switch(&fiber->own_sp, fiber->caller_sp);
    CHECK(false); /* nobody resumes an ended fiber */
}
