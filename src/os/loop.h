/*
 * The event loop: epoll, timers, one tick hook. A tick: wait -> ready descriptors -> due timers ->
 * the before_sleep hooks (the engine starts batches and hash slices there). The loop never blocks
 * anywhere but in epoll_wait.
 */
#ifndef OS_LOOP_H
#define OS_LOOP_H

#include "base/err.h"

struct loop;

/* One loop per process, static inside; opened once at start. */
enum err loop_open(struct loop **loop);
void loop_close(struct loop *loop);

enum { LOOP_READ = 1, LOOP_WRITE = 2, LOOP_HANGUP = 4 };

/* Embedded in its owner, which must not move while it is added. */
struct loop_watch {
    int fd;
    uint32_t events; /* LOOP_*, as set; level-triggered */
    void (*on_ready)(struct loop_watch *watch, uint32_t events);
};
enum err loop_watch_add(struct loop *loop, struct loop_watch *watch, uint32_t events);
void loop_watch_change(struct loop *loop, struct loop_watch *watch, uint32_t events);
/* Safe inside any callback, also for a watch whose event is still pending in this tick. Does not
 * close the descriptor. */
void loop_watch_remove(struct loop *loop, struct loop_watch *watch);

/* A timer fires once. Setting a set timer moves it. Zero-initialised = not set. */
struct loop_timer {
    int64_t due_us; /* monotonic */
    uint32_t heap_slot; /* 0 = not set */
    void (*on_due)(struct loop_timer *timer);
};
void loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t due_us);
void loop_timer_clear(struct loop *loop, struct loop_timer *timer);

/* Called at the end of each tick, in the order of adding (at most 8). Returns true when it has more
 * to do at once: then the next epoll_wait does not sleep. */
struct loop_hook {
    bool (*before_sleep)(void *ctx);
    void *ctx;
};
void loop_hook_add(struct loop *loop, struct loop_hook hook);

/* Monotonic time of this tick's start. */
int64_t loop_now_us(const struct loop *loop);

/* SIGTERM, SIGINT, SIGHUP through a signalfd: the handler runs as an ordinary event. */
void loop_on_signal(struct loop *loop, void (*on_signal)(void *ctx, int signal_number), void *ctx);

/* Until loop_stop; returns the code given to it. */
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop, int code);

#endif
