/* A thread for the disk; see worker.h. */
#include "os/worker.h"

#include "os/panic.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void event_post(int fd) {
    uint64_t one = 1;
    ssize_t wrote;
    do {
        wrote = write(fd, &one, sizeof one);
    } while (wrote < 0 && errno == EINTR);
    CHECK(wrote == (ssize_t)sizeof one);
}

static void *worker_main(void *ctx) {
    struct worker *worker = ctx;
    for (;;) {
        uint64_t count = 0;
        ssize_t got = read(worker->ask_fd, &count, sizeof count);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        CHECK(got == (ssize_t)sizeof count);
        atomic_thread_fence(memory_order_acquire);
        if (worker->is_stopping) {
            return NULL;
        }
        worker->job(worker->ctx);
        atomic_store_explicit(&worker->is_done, true, memory_order_release);
        event_post(worker->done_fd);
    }
}

static bool thread_create(struct worker *worker, pthread_t *thread) {
    enum { STACK_BYTES = 256 * 1024 };
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0) {
        return false;
    }
    bool is_created = pthread_attr_setstacksize(&attributes, STACK_BYTES) == 0 &&
                      pthread_create(thread, &attributes, worker_main, worker) == 0;
    (void)pthread_attr_destroy(&attributes);
    return is_created;
}

static void thread_start(struct worker *worker) {
    sigset_t all;
    sigset_t before;
    pthread_t thread;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    worker->is_running = thread_create(worker, &thread);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!worker->is_running) {
        panic_exit("worker", "no thread to wait for the disk: allow this user more of them");
    }
    _Static_assert(sizeof thread == sizeof worker->thread, "pthread_t is a word");
    memcpy(&worker->thread, &thread, sizeof thread);
}

enum err worker_open(struct worker *worker) {
    CHECK(!worker->is_open);
    *worker = (struct worker){.ask_fd = eventfd(0, EFD_CLOEXEC),
                              .done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    worker->is_open = worker->ask_fd >= 0 && worker->done_fd >= 0;
    if (!worker->is_open) {
        (void)close(worker->ask_fd);
        (void)close(worker->done_fd);
    }
    return worker->is_open ? ERR_OK : ERR_IO;
}

void worker_close(struct worker *worker) {
    pthread_t thread;
    if (!worker->is_open) {
        return;
    }
    if (worker->is_running) {
        memcpy(&thread, &worker->thread, sizeof thread);
        worker->is_stopping = true;
        atomic_thread_fence(memory_order_release);
        event_post(worker->ask_fd);
        (void)pthread_join(thread, NULL);
    }
    (void)close(worker->ask_fd);
    (void)close(worker->done_fd);
    worker->is_running = false;
    worker->is_open = false;
}

void worker_ask(struct worker *worker, void (*job)(void *ctx), void *ctx) {
    CHECK(worker->is_open && !worker->is_asked);
    if (!worker->is_running) {
        thread_start(worker);
    }
    worker->job = job;
    worker->ctx = ctx;
    worker->is_asked = true;
    atomic_store_explicit(&worker->is_done, false, memory_order_release);
    event_post(worker->ask_fd);
}

bool worker_is_done(struct worker *worker) {
    if (!worker->is_asked || !atomic_load_explicit(&worker->is_done, memory_order_acquire)) {
        return false;
    }
    uint64_t count = 0;
    ssize_t got = read(worker->done_fd, &count, sizeof count);
    if (got != (ssize_t)sizeof count) {
        return false; /* between the word and its event: the event will come */
    }
    worker->is_asked = false;
    return true;
}

void worker_wait(const struct worker *worker) {
    struct pollfd event = {.fd = worker->done_fd, .events = POLLIN};
    while (poll(&event, 1, -1) < 0 && errno == EINTR) {
    }
}
