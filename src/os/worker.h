/*
 * A thread that does one job at a time and waits for the disk instead of the loop. Jobs get all
 * they need handed over, touch nothing else, and are never cancelled. The thread starts with the
 * first of them.
 *
 * The end of a job is told by an event on `done_fd`, for a loop to watch.
 */
#ifndef OS_WORKER_H
#define OS_WORKER_H

#include <stdatomic.h>

#include "base/err.h"

struct worker {
    bool is_open;
    bool is_running; /* there is a thread */
    bool is_stopping;
    bool is_asked; /* a job was handed over and its end not yet taken */
    _Atomic bool is_done;
    int ask_fd;
    int done_fd; /* does not block */
    void (*job)(void *ctx);
    void *ctx;
    unsigned long thread; /* pthread_t */
};

/* ERR_IO when the system has no descriptors left. */
enum err worker_open(struct worker *worker);
/* A job that has not begun is not done any more, one that has is waited for. A worker that was
 * never opened is left alone. */
void worker_close(struct worker *worker);
/* It is idle. `ctx` belongs to the job until worker_is_done says so. Signals stay with the calling
 * thread. A system that refuses the thread ends the process: the job would never be done. */
void worker_ask(struct worker *worker, void (*job)(void *ctx), void *ctx);
/* True once, when the job is through; what it wrote is visible then. False when there was none. */
bool worker_is_done(struct worker *worker);
/* Blocks until the job is through; worker_is_done says so afterwards. From any thread. */
void worker_wait(const struct worker *worker);

#endif
