/*
 * A fiber: one function on its own stack, resumed and left by hand. The store runs its batch on
 * one, so that a commit can wait for the disk in the middle of LMDB without stopping the loop.
 *
 *   fiber_init -> RESTING -> fiber_resume -> RUNNING -> fiber_yield -> RESTING ...
 *                                               \-> run() returns -> ENDED
 *
 * No scheduler, no threads: the resumer gets control back at the next yield. Stacks cannot be
 * given back to the system, so an ended fiber's stack waits for the next fiber.
 */
#ifndef STORE_FIBER_H
#define STORE_FIBER_H

#include "base/check.h"

enum fiber_state { FIBER_NONE, FIBER_RESTING, FIBER_RUNNING, FIBER_ENDED };

struct fiber {
    enum fiber_state state;
    void *own_sp;    /* of the fiber while it rests */
    void *caller_sp; /* of its resumer while it runs */
    void *stack;     /* lowest address */
    void (*run)(void *ctx);
    void *ctx;
    /* AddressSanitizer keeps a shadow of each stack and must be told of every change. */
    void *own_shadow;
    void *caller_shadow;
    const void *caller_stack;
    size_t caller_stack_bytes;
};

/* False when the kernel gives no stack. The fiber must not move until fiber_reset. */
bool fiber_init(struct fiber *fiber, void (*run)(void *ctx), void *ctx);
/* Only for an ended fiber or one that was never initialised. */
void fiber_reset(struct fiber *fiber);
/* Runs it until it yields or ends. Not from inside a fiber. */
void fiber_resume(struct fiber *fiber);
/* Inside the fiber only. */
void fiber_yield(struct fiber *fiber);

#endif
