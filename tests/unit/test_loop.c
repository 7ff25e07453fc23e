/* The event loop: descriptors, timers against a naive model, hooks, signals. */
#include "test.h"

#include "os/clock.h"
#include "os/loop.h"
#include "os/loop_heap.h"

#include <signal.h>
#include <sys/socket.h>

static struct loop *loop;

static void stop_now(struct loop_timer *timer) {
    (void)timer;
    loop_stop(loop, 3);
}

/* A test that waits for something that never comes must end as a failure. */
static void give_up(struct loop_timer *timer) {
    (void)timer;
    loop_stop(loop, 99);
}

static struct loop_timer deadline;

static void loop_start(uint32_t watches_max, uint32_t timers_max) {
    enum err err = loop_open(&loop, watches_max, timers_max + 1);
    EXPECT_EQ_INT(err, ERR_OK);
    deadline = (struct loop_timer){.on_due = give_up};
    loop_timer_set(loop, &deadline, clock_monotonic_us() + 5 * 1000000);
}

/* --- the heap against a model --- */

enum { MODEL_TIMERS = 60 };

static struct loop_timer timers[MODEL_TIMERS];

/* The earliest due time among the timers the model knows to be set. */
static int64_t model_first(const int64_t *due) {
    int64_t first = INT64_MAX;
    for (uint32_t index = 0; index < MODEL_TIMERS; index++) {
        first = due[index] < first ? due[index] : first;
    }
    return first;
}

TEST(loop_heap_agrees_with_a_list)
{
    static struct loop_heap_entry entries[MODEL_TIMERS + 1];
    struct loop_heap heap = {.entries = entries, .capacity = MODEL_TIMERS};
    int64_t due[MODEL_TIMERS]; /* INT64_MAX = not set */
    uint32_t count = 0;
    memset(timers, 0, sizeof timers);
    for (uint32_t index = 0; index < MODEL_TIMERS; index++) {
        due[index] = INT64_MAX;
    }
    for (uint32_t round = 0; round < 100000; round++) {
        uint32_t index = (uint32_t)test_random_below(MODEL_TIMERS);
        bool was_set = due[index] != INT64_MAX;
        if (test_random_below(3) == 0) {
            loop_heap_del(&heap, &timers[index]);
            due[index] = INT64_MAX;
            count -= was_set;
        } else {
            due[index] = (int64_t)test_random_below(50) - 25;
            loop_heap_put(&heap, &timers[index], due[index]);
            count += !was_set;
        }
        REQUIRE(heap.count == count);
        REQUIRE((timers[index].heap_slot != 0) == (due[index] != INT64_MAX));
        const struct loop_timer *first = loop_heap_first(&heap);
        REQUIRE((first == NULL) == (count == 0));
        REQUIRE(first == NULL || first->due_us == model_first(due));
    }
}

TEST(loop_heap_has_a_capacity)
{
    struct loop_heap_entry entries[3];
    struct loop_heap heap = {.entries = entries, .capacity = 2};
    struct loop_timer three[3] = {{0}};
    loop_heap_put(&heap, &three[0], 1);
    loop_heap_put(&heap, &three[1], 2);
    loop_heap_put(&heap, &three[0], 3); /* moving takes no room */
    EXPECT_DIES(loop_heap_put(&heap, &three[2], 3));
}

/* --- timers --- */

static uint32_t fired[MODEL_TIMERS];
static uint32_t fired_count;

static void note_firing(struct loop_timer *timer) {
    fired[fired_count] = (uint32_t)(timer - timers);
    fired_count += 1;
    EXPECT(timer->due_us <= loop_now_us(loop));
    EXPECT_EQ_UINT(timer->heap_slot, 0);
}

TEST(loop_timers_fire_in_order)
{
    loop_start(8, MODEL_TIMERS + 1);
    memset(timers, 0, sizeof timers);
    fired_count = 0;
    int64_t start_us = clock_monotonic_us();
    for (uint32_t index = 0; index < 20; index++) {
        timers[index].on_due = note_firing;
        /* 7 and 20 have no common divisor: each of 0..19 once, out of order. */
        loop_timer_set(loop, &timers[index], start_us + (index * 7 % 20) * 500);
    }
    struct loop_timer stop = {.on_due = stop_now};
    loop_timer_set(loop, &stop, start_us + 20 * 500);
    EXPECT_EQ_INT(loop_run(loop), 3);
    EXPECT_EQ_UINT(fired_count, 20);
    for (uint32_t index = 0; index < fired_count; index++) {
        EXPECT_EQ_UINT(fired[index] * 7 % 20, index);
    }
    EXPECT(clock_monotonic_us() >= start_us + 20 * 500);
    loop_close(loop);
}

static void clear_next(struct loop_timer *timer) {
    note_firing(timer);
    loop_timer_clear(loop, timer + 1);
    loop_timer_clear(loop, timer + 1); /* clearing twice is nothing */
}

TEST(loop_timer_cleared_by_another_does_not_fire)
{
    loop_start(8, 4);
    memset(timers, 0, sizeof timers);
    fired_count = 0;
    int64_t now_us = clock_monotonic_us();
    timers[0].on_due = clear_next;
    timers[1].on_due = note_firing;
    timers[2].on_due = stop_now;
    for (uint32_t index = 0; index < 3; index++) {
        loop_timer_set(loop, &timers[index], now_us + index);
    }
    EXPECT_EQ_INT(loop_run(loop), 3);
    EXPECT_EQ_UINT(fired_count, 1);
    loop_close(loop);
}

static uint32_t again_count;

static void set_again(struct loop_timer *timer) {
    again_count += 1;
    loop_timer_set(loop, timer, loop_now_us(loop)); /* due at once, for ever */
}

/* A timer that is always due must not keep the tick from ending. */
TEST(loop_timers_cannot_hold_a_tick)
{
    loop_start(8, 2);
    memset(timers, 0, sizeof timers);
    again_count = 0;
    timers[0].on_due = set_again;
    timers[1].on_due = stop_now;
    loop_timer_set(loop, &timers[0], 0);
    loop_timer_set(loop, &timers[1], clock_monotonic_us() + 2000);
    EXPECT_EQ_INT(loop_run(loop), 3);
    EXPECT(again_count > 1);
    loop_close(loop);
}

/* --- watches --- */

struct peer {
    struct loop_watch watch;
    int other_fd; /* what we write to or close to make watch ready */
    uint32_t calls;
    uint32_t events; /* of the last call */
    struct peer *victim;
};

static void peer_ready(struct loop_watch *watch, uint32_t events) {
    struct peer *peer = (struct peer *)(void *)watch; /* its first member */
    char byte;
    peer->calls += 1;
    peer->events = events;
    if ((events & LOOP_READ) != 0) {
        (void)!read(watch->fd, &byte, 1);
    }
    if (peer->victim != NULL) {
        loop_watch_remove(loop, &peer->victim->watch);
        peer->victim->victim = NULL;
        peer->victim = NULL;
    }
}

static void peer_open(struct peer *peer, uint32_t events) {
    int fds[2];
    int status = socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds);
    EXPECT_EQ_INT(status, 0);
    *peer = (struct peer){.watch = {.fd = fds[0], .on_ready = peer_ready}, .other_fd = fds[1]};
    EXPECT_EQ_INT(loop_watch_add(loop, &peer->watch, events), ERR_OK);
}

static void peer_close(struct peer *peer) {
    close(peer->watch.fd);
    close(peer->other_fd);
}

static void peer_wake(struct peer *peer) {
    EXPECT_EQ_INT(write(peer->other_fd, "x", 1), 1);
}

static void run_for_us(int64_t us) {
    struct loop_timer stop = {.on_due = stop_now};
    loop_timer_set(loop, &stop, clock_monotonic_us() + us);
    EXPECT_EQ_INT(loop_run(loop), 3);
}

TEST(loop_watch_tells_what_was_asked)
{
    loop_start(2, 1);
    struct peer peer;
    peer_open(&peer, LOOP_READ);
    run_for_us(1000);
    EXPECT_EQ_UINT(peer.calls, 0);
    peer_wake(&peer);
    run_for_us(1000);
    EXPECT_EQ_UINT(peer.calls, 1);
    EXPECT_EQ_UINT(peer.events, LOOP_READ);
    loop_watch_change(loop, &peer.watch, 0);
    peer_wake(&peer);
    run_for_us(1000);
    EXPECT_EQ_UINT(peer.calls, 1);
    loop_watch_change(loop, &peer.watch, LOOP_READ | LOOP_WRITE);
    EXPECT_EQ_UINT(peer.watch.events, LOOP_READ | LOOP_WRITE);
    run_for_us(1000);
    EXPECT(peer.calls > 1);
    EXPECT_EQ_UINT(peer.events & LOOP_WRITE, LOOP_WRITE);
    loop_watch_remove(loop, &peer.watch);
    uint32_t calls = peer.calls;
    peer_wake(&peer);
    run_for_us(1000);
    EXPECT_EQ_UINT(peer.calls, calls);
    peer_close(&peer);
    loop_close(loop);
}

TEST(loop_watch_tells_hangup_unasked)
{
    loop_start(2, 1);
    struct peer peer;
    peer_open(&peer, 0);
    shutdown(peer.other_fd, SHUT_WR);
    run_for_us(1000);
    EXPECT_EQ_UINT(peer.calls, 0); /* half shut is not hung up */
    loop_watch_change(loop, &peer.watch, LOOP_HANGUP);
    run_for_us(1000);
    EXPECT(peer.calls > 0);
    EXPECT_EQ_UINT(peer.events & LOOP_HANGUP, LOOP_HANGUP);
    loop_watch_change(loop, &peer.watch, 0);
    peer.calls = 0;
    shutdown(peer.other_fd, SHUT_RDWR);
    close(peer.other_fd);
    run_for_us(1000);
    EXPECT(peer.calls > 0);
    EXPECT_EQ_UINT(peer.events & LOOP_HANGUP, LOOP_HANGUP);
    loop_watch_remove(loop, &peer.watch);
    close(peer.watch.fd);
    loop_close(loop);
}

/* Both are ready in one tick; whichever is called first removes the other. */
TEST(loop_watch_removed_with_pending_event_is_not_called)
{
    loop_start(2, 1);
    struct peer a;
    struct peer b;
    peer_open(&a, LOOP_READ);
    peer_open(&b, LOOP_READ);
    a.victim = &b;
    b.victim = &a;
    peer_wake(&a);
    peer_wake(&b);
    run_for_us(1000);
    EXPECT_EQ_UINT(a.calls + b.calls, 1);
    loop_watch_remove(loop, a.calls == 1 ? &a.watch : &b.watch);
    peer_close(&a);
    peer_close(&b);
    loop_close(loop);
}

TEST(loop_watches_are_bounded)
{
    loop_start(2, 1);
    struct peer a;
    struct peer b;
    peer_open(&a, LOOP_READ);
    peer_open(&b, LOOP_READ);
    struct loop_watch third = {.fd = a.other_fd, .on_ready = peer_ready};
    EXPECT_EQ_INT(loop_watch_add(loop, &third, LOOP_READ), ERR_FULL);
    loop_watch_remove(loop, &b.watch);
    EXPECT_EQ_INT(loop_watch_add(loop, &third, LOOP_READ), ERR_OK);
    loop_watch_remove(loop, &third);
    int closed_fd = dup(a.other_fd);
    close(closed_fd);
    third.fd = closed_fd;
    EXPECT_EQ_INT(loop_watch_add(loop, &third, LOOP_READ), ERR_IO);
    loop_watch_remove(loop, &a.watch);
    peer_close(&a);
    peer_close(&b);
    loop_close(loop);
}

/* More ready descriptors than one tick fetches: all get their turn. */
TEST(loop_serves_more_than_one_tick_holds)
{
    enum { PEERS = 300 };
    static struct peer peers[PEERS];
    loop_start(PEERS, 1);
    for (uint32_t index = 0; index < PEERS; index++) {
        peer_open(&peers[index], LOOP_READ);
        peer_wake(&peers[index]);
    }
    run_for_us(20000);
    for (uint32_t index = 0; index < PEERS; index++) {
        EXPECT_EQ_UINT(peers[index].calls, 1);
        loop_watch_remove(loop, &peers[index].watch);
        peer_close(&peers[index]);
    }
    loop_close(loop);
}

/* --- hooks --- */

struct hook_work {
    uint32_t left;
    uint32_t calls;
    char letter;
};

static char hook_order[16];
static uint32_t hook_order_len;

static bool hook_step(void *ctx) {
    struct hook_work *work = ctx;
    work->calls += 1;
    if (hook_order_len < sizeof hook_order - 1) {
        hook_order[hook_order_len] = work->letter;
        hook_order_len += 1;
    }
    if (work->left == 0) {
        return false;
    }
    work->left -= 1;
    if (work->left == 0) {
        loop_stop(loop, 4);
    }
    return work->left > 0;
}

/* With work left the loop does not sleep, not even before its first tick: it comes to its end
 * before the only timer, the deadline. */
TEST(loop_hooks_run_in_order_and_keep_the_loop_awake)
{
    loop_start(1, 1);
    memset(hook_order, 0, sizeof hook_order);
    hook_order_len = 0;
    struct hook_work a = {.left = 1000, .letter = 'a'};
    struct hook_work b = {.letter = 'b'};
    loop_hook_add(loop, (struct loop_hook){hook_step, &a});
    loop_hook_add(loop, (struct loop_hook){hook_step, &b});
    EXPECT_EQ_INT(loop_run(loop), 4);
    EXPECT_EQ_UINT(a.calls, 1000);
    EXPECT_EQ_UINT(b.calls, 1000);
    EXPECT(strncmp(hook_order, "abababab", 8) == 0);
    loop_close(loop);
}

/* --- signals --- */

static int signals_seen[8];
static uint32_t signals_count;

static void signal_note(void *ctx, int number) {
    EXPECT(ctx == &signals_count);
    signals_seen[signals_count] = number;
    signals_count += 1;
    if (signals_count == 3) {
        loop_stop(loop, 5);
    }
}

TEST(loop_signals_are_events)
{
    loop_start(1, 1);
    signals_count = 0;
    loop_on_signal(loop, signal_note, &signals_count);
    raise(SIGHUP);
    raise(SIGTERM);
    raise(SIGINT);
    raise(SIGPIPE); /* ignored */
    EXPECT_EQ_INT(loop_run(loop), 5);
    bool has_all = true;
    static const int expected[] = {SIGHUP, SIGTERM, SIGINT};
    for (uint32_t index = 0; index < COUNT_OF(expected); index++) {
        bool is_seen = false;
        for (uint32_t seen = 0; seen < signals_count; seen++) {
            is_seen |= signals_seen[seen] == expected[index];
        }
        has_all &= is_seen;
    }
    EXPECT(has_all);
    /* Its descriptor takes no place of the owner's. */
    struct peer peer;
    peer_open(&peer, LOOP_READ);
    loop_watch_remove(loop, &peer.watch);
    peer_close(&peer);
    loop_close(loop);
}
