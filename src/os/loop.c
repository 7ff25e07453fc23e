/*
 * The loop, see loop.h. Guarantees: a callback is never called for a watch that was removed or a
 * timer that was cleared, not even when its event had already been fetched; one tick handles at
 * most LOOP_READY_MAX descriptors and as many timers as were set when it began, so nobody starves.
 */
#include "os/loop.h"

#include "os/clock.h"
#include "os/loop_heap.h"
#include "os/mem.h"
#include "os/panic.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum {
    /* More than that wait for the next tick: keeps ticks, and so the time to the next batch, short.
     */
    LOOP_READY_MAX = 256,
};

struct loop {
    bool is_open;
    bool is_stopping;
    int epoll_fd;
    int exit_code;
    int64_t now_us;

    uint32_t watch_count;
    uint32_t watches_max;
    struct epoll_event ready[LOOP_READY_MAX];
    uint32_t ready_index; /* the one being called; those behind it are pending */
    uint32_t ready_count;

    struct loop_heap timers;

    struct loop_hook hooks[LOOP_HOOKS_MAX];
    uint32_t hook_count;

    struct loop_watch signals; /* fd -1 = not asked for */
    void (*on_signal)(void *ctx, int signal_number);
    void *signal_ctx;
};

static struct loop the_loop;

static void sigpipe_ignore(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_IGN;
    int status = sigaction(SIGPIPE, &action, NULL);
    CHECK(status == 0);
}

static size_t timers_bytes(uint32_t timers_max) {
    return ((size_t)timers_max + 1) * sizeof(struct loop_heap_entry);
}

enum err loop_open(struct loop **out, uint32_t watches_max, uint32_t timers_max) {
    struct loop *loop = &the_loop;
    CHECK(!loop->is_open);
    CHECK(watches_max > 0);
    memset(loop, 0, sizeof *loop);
    loop->signals.fd = -1;
    loop->watches_max = watches_max;
    loop->timers.capacity = timers_max;
    loop->timers.entries = mem_reserve(timers_bytes(timers_max));
    if (loop->timers.entries == NULL) {
        return ERR_IO;
    }
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0) {
        mem_release(loop->timers.entries, timers_bytes(timers_max));
        return ERR_IO;
    }
    sigpipe_ignore();
    loop->now_us = clock_monotonic_us();
    loop->is_open = true;
    *out = loop;
    return ERR_OK;
}

void loop_close(struct loop *loop) {
    CHECK(loop->is_open);
    if (loop->signals.fd >= 0) {
        (void)close(loop->signals.fd);
    }
    (void)close(loop->epoll_fd);
    mem_release(loop->timers.entries, timers_bytes(loop->timers.capacity));
    loop->is_open = false;
}

/* --- watches --- */

static uint32_t events_to_epoll(uint32_t events) {
    CHECK((events & ~(uint32_t)(LOOP_READ | LOOP_WRITE | LOOP_HANGUP)) == 0);
    uint32_t bits = 0;
    bits |= (events & LOOP_READ) != 0 ? (uint32_t)EPOLLIN : 0;
    bits |= (events & LOOP_WRITE) != 0 ? (uint32_t)EPOLLOUT : 0;
    bits |= (events & LOOP_HANGUP) != 0 ? (uint32_t)EPOLLRDHUP : 0;
    return bits;
}

static uint32_t events_from_epoll(uint32_t bits) {
    uint32_t events = 0;
    events |= (bits & EPOLLIN) != 0 ? (uint32_t)LOOP_READ : 0;
    events |= (bits & EPOLLOUT) != 0 ? (uint32_t)LOOP_WRITE : 0;
    events |= (bits & (EPOLLERR | EPOLLHUP | EPOLLRDHUP)) != 0 ? (uint32_t)LOOP_HANGUP : 0;
    return events;
}

enum err loop_watch_add(struct loop *loop, struct loop_watch *watch, uint32_t events) {
    CHECK(watch->fd >= 0);
    CHECK(watch->on_ready != NULL);
    if (loop->watch_count == loop->watches_max) {
        return ERR_FULL;
    }
    struct epoll_event event = {.events = events_to_epoll(events), .data = {.ptr = watch}};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, watch->fd, &event) != 0) {
        return ERR_IO;
    }
    watch->events = events;
    loop->watch_count += 1;
    return ERR_OK;
}

void loop_watch_change(struct loop *loop, struct loop_watch *watch, uint32_t events) {
    if (watch->events == events) {
        return;
    }
    struct epoll_event event = {.events = events_to_epoll(events), .data = {.ptr = watch}};
    int status = epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event);
    CHECK(status == 0); /* it was added and not closed; MOD allocates nothing */
    watch->events = events;
}

void loop_watch_remove(struct loop *loop, struct loop_watch *watch) {
    CHECK(loop->watch_count > 0);
    int status = epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    CHECK(status == 0);
    loop->watch_count -= 1;
    for (uint32_t index = loop->ready_index; index < loop->ready_count; index++) {
        if (loop->ready[index].data.ptr == watch) {
            loop->ready[index].data.ptr = NULL;
        }
    }
}

/* --- timers, hooks, time --- */

void loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t due_us) {
    CHECK(timer->on_due != NULL);
    loop_heap_put(&loop->timers, timer, due_us);
}

void loop_timer_clear(struct loop *loop, struct loop_timer *timer) {
    loop_heap_del(&loop->timers, timer);
}

void loop_hook_add(struct loop *loop, struct loop_hook hook) {
    CHECK(hook.before_sleep != NULL);
    CHECK(loop->hook_count < LOOP_HOOKS_MAX);
    loop->hooks[loop->hook_count] = hook;
    loop->hook_count += 1;
}

int64_t loop_now_us(const struct loop *loop) {
    return loop->now_us;
}

/* --- signals --- */

static void signals_read(struct loop_watch *watch, uint32_t events) {
    (void)events;
    struct loop *loop = &the_loop;
    CHECK(watch == &loop->signals);
    struct signalfd_siginfo info;
    while (read(watch->fd, &info, sizeof info) == (ssize_t)sizeof info) {
        loop->on_signal(loop->signal_ctx, (int)info.ssi_signo);
    }
}

void loop_on_signal(struct loop *loop, void (*on_signal)(void *ctx, int signal_number), void *ctx) {
    CHECK(on_signal != NULL);
    CHECK(loop->signals.fd < 0);
    sigset_t wanted;
    (void)sigemptyset(&wanted);
    (void)sigaddset(&wanted, SIGTERM);
    (void)sigaddset(&wanted, SIGINT);
    (void)sigaddset(&wanted, SIGHUP);
    int status = sigprocmask(SIG_BLOCK, &wanted, NULL);
    CHECK(status == 0);
    loop->on_signal = on_signal;
    loop->signal_ctx = ctx;
    loop->signals.on_ready = signals_read;
    loop->signals.fd = signalfd(-1, &wanted, SFD_NONBLOCK | SFD_CLOEXEC);
    if (loop->signals.fd < 0 || loop_watch_add(loop, &loop->signals, LOOP_READ) != ERR_OK) {
        panic_exit("loop", "the kernel gives no descriptor for signals");
    }
    /* Ours, not the owner's: it takes no place among watches_max. */
    loop->watches_max += loop->watches_max < UINT32_MAX ? 1 : 0;
}

/* --- running --- */

/* Milliseconds until the first timer, rounded up so that it is due when the wait ends. */
static int wait_ms(const struct loop *loop) {
    const struct loop_timer *first = loop_heap_first(&loop->timers);
    if (first == NULL) {
        return -1;
    }
    int64_t now_us = clock_monotonic_us();
    if (first->due_us <= now_us) {
        return 0;
    }
    int64_t left_ms = (first->due_us - now_us - 1) / 1000 + 1;
    return left_ms > INT_MAX ? INT_MAX : (int)left_ms;
}

static void ready_call(struct loop *loop) {
    for (loop->ready_index = 0; loop->ready_index < loop->ready_count; loop->ready_index++) {
        const struct epoll_event *event = &loop->ready[loop->ready_index];
        struct loop_watch *watch = event->data.ptr;
        if (watch != NULL) {
            watch->on_ready(watch, events_from_epoll(event->events));
        }
    }
    loop->ready_index = 0;
    loop->ready_count = 0;
}

/* A callback may set timers that are due at once; the bound keeps it from holding the tick. */
static void timers_call(struct loop *loop) {
    for (uint32_t left = loop->timers.count; left > 0; left--) {
        struct loop_timer *first = loop_heap_first(&loop->timers);
        if (first == NULL || first->due_us > loop->now_us) {
            return;
        }
        loop_heap_del(&loop->timers, first);
        first->on_due(first);
    }
}

static bool hooks_call(struct loop *loop) {
    bool has_more = false;
    for (uint32_t index = 0; index < loop->hook_count; index++) {
        has_more |= loop->hooks[index].before_sleep(loop->hooks[index].ctx);
    }
    return has_more;
}

int loop_run(struct loop *loop) {
    CHECK(loop->is_open);
    loop->is_stopping = false;
    /* What was queued before the loop ran has no event: the hooks look first, then it may sleep. */
    bool has_more = true;
    while (!loop->is_stopping) {
        int timeout_ms = has_more ? 0 : wait_ms(loop);
        int count = epoll_wait(loop->epoll_fd, loop->ready, LOOP_READY_MAX, timeout_ms);
        CHECK(count >= 0 || errno == EINTR);
        loop->ready_count = count > 0 ? (uint32_t)count : 0;
        loop->now_us = clock_monotonic_us();
        ready_call(loop);
        timers_call(loop);
        has_more = hooks_call(loop);
    }
    return loop->exit_code;
}

void loop_stop(struct loop *loop, int code) {
    loop->is_stopping = true;
    loop->exit_code = code;
}
