/*
 * The event loop: epoll, timers, one tick hook. A tick: wait -> ready descriptors -> due timers ->
 * the before_sleep hooks (the engine starts batches and hash slices there). The loop never blocks
 * anywhere but in epoll_wait.
 */
#ifndef OS_LOOP_H
#define OS_LOOP_H

#include "base/err.h"

struct loop;

/* One loop per process, static inside; opened once at start. Makes room for that many watches and
 * timers set at the same time (address space, 16 bytes per timer); nothing grows later. Ignores
 * SIGPIPE, so that writing to a closed connection is an error and not the end. ERR_IO when the
 * kernel refuses. */
enum err loop_open(struct loop **loop, uint32_t watches_max, uint32_t timers_max);
void loop_close(struct loop *loop);

/* LOOP_HANGUP is always reported, asked for or not, when both directions are shut or the descriptor
 * has an error: whoever gets it must read, remove or close, else it comes again at once. When asked
 * for it also tells that the peer has shut its sending side (which alone is no reason to close). */
enum { LOOP_READ = 1, LOOP_WRITE = 2, LOOP_HANGUP = 4 };

/* Embedded in its owner, which must not move while it is added. */
struct loop_watch {
    int fd;
    uint32_t events; /* LOOP_*, as set; level-triggered */
    void (*on_ready)(struct loop_watch *watch, uint32_t events);
};
/* The owner has set fd and on_ready. ERR_FULL above watches_max, ERR_IO when the kernel refuses. */
enum err loop_watch_add(struct loop *loop, struct loop_watch *watch, uint32_t events);
/* `events` may be 0; changing to what is set already costs nothing. */
void loop_watch_change(struct loop *loop, struct loop_watch *watch, uint32_t events);
/* Safe inside any callback, also for a watch whose event is still pending in this tick. Does not
 * close the descriptor; call it before closing. */
void loop_watch_remove(struct loop *loop, struct loop_watch *watch);

/* A timer fires once. Setting a set timer moves it. Zero-initialised = not set. Timers due in the
 * same tick fire in the order of due_us. Setting more than timers_max is a bug (CHECK): timers sit
 * in bounded pools. The clock of a wait has milliseconds, so a timer may fire 1 ms late. */
struct loop_timer {
    int64_t due_us;     /* monotonic */
    uint32_t heap_slot; /* 0 = not set */
    void (*on_due)(struct loop_timer *timer);
};
void loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t due_us);
void loop_timer_clear(struct loop *loop, struct loop_timer *timer);

/* Called at the end of each tick, in the order of adding (at most LOOP_HOOKS_MAX). Returns true
 * when it has more to do at once: then the next epoll_wait does not sleep. */
enum { LOOP_HOOKS_MAX = 8 };
struct loop_hook {
    bool (*before_sleep)(void *ctx);
    void *ctx;
};
void loop_hook_add(struct loop *loop, struct loop_hook hook);

/* Monotonic time at which this tick's wait ended. */
int64_t loop_now_us(const struct loop *loop);

/* SIGTERM, SIGINT, SIGHUP through a signalfd: the handler runs as an ordinary event. Once per loop,
 * before any thread is made (threads inherit the blocked signals). */
void loop_on_signal(struct loop *loop, void (*on_signal)(void *ctx, int signal_number), void *ctx);

/* Until loop_stop; the tick in which that is called runs to its end. Returns the code given. */
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop, int code);

#endif
