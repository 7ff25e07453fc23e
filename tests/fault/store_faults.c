/*
 * Nth-failure loops over the store: for every mode and every n, a child process makes a store and
 * runs batches while its n-th operation fails; n grows until a child comes through untouched.
 *
 *     store_faults [MODE...]     all modes when none is named
 *
 * Modes: io (EIO), full (ENOSPC), short (half of a write), gone (that operation and all later ones
 * fail), kill (SIGKILL just before it), memory (malloc answers NULL; not under sanitizers).
 *
 * A child may: return a clean error from store_open, end with PANIC_EXIT_CODE, or come through.
 * Afterwards the store must open, pass fsck, hold every batch that the child acknowledged, nothing
 * half, and take another batch.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/log.h"
#include "os/panic.h"
#include "store/io.h"
#include "support/store_support.h"

enum { BATCHES = 8, KEYS = 5, OPERATIONS_MAX = 20000, REFUSED_EXIT_CODE = 3, WRONG_EXIT_CODE = 4 };

enum mode { MODE_IO, MODE_FULL, MODE_SHORT, MODE_GONE, MODE_KILL, MODE_MEMORY, MODE_COUNT };
static const char *const mode_names[] = {"io", "full", "short", "gone", "kill", "memory"};

struct shared {
    uint64_t acked;   /* batches that the child was told are durable */
    uint64_t count;   /* operations so far */
    bool has_faulted; /* the n-th one happened */
};
static struct shared *shared;
static enum mode mode;
static uint64_t fault_at; /* 0 = none */

/* ---- faults ---- */

/* Is this the operation that fails? */
static bool fault_is_due(void) {
    if (fault_at == 0) {
        return false;
    }
    shared->count += 1;
    bool is_due = mode == MODE_GONE ? shared->count >= fault_at : shared->count == fault_at;
    shared->has_faulted = shared->has_faulted || is_due;
    return is_due;
}

static int64_t on_event(void *ctx, const struct store_io_event *event) {
    (void)ctx;
    if (mode == MODE_MEMORY || !fault_is_due()) {
        return 0;
    }
    switch (mode) {
    case MODE_SHORT:
        return event->bytes > 1 ? (int64_t)(event->bytes / 2) : -EIO;
    case MODE_FULL:
        return -ENOSPC;
    case MODE_KILL:
        raise(SIGKILL);
        return -EIO;
    case MODE_IO:
    case MODE_GONE:
    case MODE_MEMORY:
    case MODE_COUNT:
        break;
    }
    return -EIO;
}

#ifndef __SANITIZE_ADDRESS__
/* glibc's own names: this program replaces malloc for LMDB and everybody else in it. */
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *old, size_t bytes);

static bool memory_is_refused(void) {
    if (fault_at != 0 && mode == MODE_MEMORY && fault_is_due()) {
        errno = ENOMEM;
        return true;
    }
    return false;
}

void *malloc(size_t bytes) {
    return memory_is_refused() ? NULL : __libc_malloc(bytes);
}
void *calloc(size_t count, size_t bytes) {
    return memory_is_refused() ? NULL : __libc_calloc(count, bytes);
}
void *realloc(void *old, size_t bytes) {
    return memory_is_refused() ? NULL : __libc_realloc(old, bytes);
}
#endif

/* ---- what the child does: batch n puts entry n and version n of one of the items ---- */

static char note_text[9000];

static struct item item_make(uint64_t number) {
    struct item item = {.id = id_from_number(number % KEYS), .rank = (int64_t)number};
    item.note = (struct str){note_text, (uint32_t)(number % 6 * 1500)};
    item.set.present = schema_bit(&item_schema, offsetof(struct item, id)) |
                       schema_bit(&item_schema, offsetof(struct item, rank)) |
                       schema_bit(&item_schema, offsetof(struct item, note));
    return item;
}

static uint32_t batch_run(struct store_tx *tx, void *ctx) {
    static const uint8_t entropy[32] = {7};
    uint64_t number = *(const uint64_t *)ctx;
    struct entry entry = {
        .set = {.present = 3}, .number = (int64_t)number, .text = STR("an entry")};
    struct item item = item_make(number);
    store_tx_command(tx, entropy);
    store_put(tx, &entry_table, &entry);
    store_put(tx, &item_table, &item);
    return 1;
}

static void batch_done(void *ctx) {
    shared->acked = *(const uint64_t *)ctx;
}

static void batch_make(struct store *store, uint64_t number) {
    if (store_batch_start(store, batch_run, batch_done, &number) != ERR_OK) {
        _exit(REFUSED_EXIT_CODE);
    }
    store_batch_wait(store);
}

static _Noreturn void child_main(const struct store_options *options) {
    struct store *store = NULL;
    const char *problem = NULL;
    log_level_set(LOG_ERROR);
    if (freopen("/dev/null", "w", stderr) == NULL) {
        _exit(WRONG_EXIT_CODE);
    }
    store_io_observe((struct store_io_observer){.on_event = on_event});
    shared->count = 0; /* of freopen */
    shared->has_faulted = false;
    if (store_open(&store, options, &problem) != ERR_OK) {
        _exit(problem != NULL && problem[0] != '\0' ? REFUSED_EXIT_CODE : WRONG_EXIT_CODE);
    }
    for (uint64_t number = 1; number <= BATCHES; number += 1) {
        batch_make(store, number);
    }
    store_close(store);
    _exit(0);
}

/* ---- what must be there afterwards ---- */

static bool content_matches(struct store_bench *bench, uint64_t sequence) {
    const struct store_view *view = store_snapshot(bench->store);
    if (store_count(view, &entry_table) != sequence ||
        store_count(view, &item_table) != (sequence < KEYS ? sequence : KEYS)) {
        return false;
    }
    for (uint64_t number = 1; number <= sequence; number += 1) {
        if (number + KEYS <= sequence) {
            continue; /* replaced */
        }
        struct item wanted = item_make(number);
        struct item found;
        if (bench_get(bench, wanted.id, &found) != ERR_OK || !item_equal(&wanted, &found)) {
            return false;
        }
    }
    return true;
}

static const char *aftermath_judge(struct store_bench *bench) {
    struct store_stats stats;
    const char *problem = NULL;
    if (store_open(&bench->store, &bench->options, &problem) != ERR_OK) {
        return problem;
    }
    store_stats_read(bench->store, &stats);
    uint64_t acked = shared->acked;
    if (stats.sequence < acked) {
        problem = "an acknowledged batch is lost";
    } else if (stats.sequence > acked + 1) {
        problem = "more batches than were begun";
    } else if (store_fsck(bench->store, NULL, NULL) != ERR_OK) {
        problem = "fsck";
    } else if (!content_matches(bench, stats.sequence)) {
        problem = "the records are not those of the last batch";
    }
    if (problem == NULL) {
        batch_make(bench->store, stats.sequence + 1);
        problem = content_matches(bench, stats.sequence + 1) ? NULL : "it takes no more batches";
    }
    store_close(bench->store);
    bench->store = NULL;
    arena_reset(&bench->arena);
    return problem;
}

static bool status_is_fine(int status) {
    if (WIFSIGNALED(status)) {
        return mode == MODE_KILL && WTERMSIG(status) == SIGKILL;
    }
    int code = WEXITSTATUS(status);
    return code == 0 || code == PANIC_EXIT_CODE || code == REFUSED_EXIT_CODE;
}

/* One child with the fault at operation n. False when it found nothing to fail any more. */
static bool round_run(struct store_bench *bench, uint64_t n, uint64_t *passed, uint64_t *failed) {
    memset(shared, 0, sizeof *shared);
    bench_folder_remove(bench->folder);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        fault_at = n;
        child_main(&bench->options);
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    bool has_faulted = shared->has_faulted;
    const char *problem = status_is_fine(status) ? NULL : "the child ended in a way of its own";
    if (problem == NULL && !has_faulted && shared->acked != BATCHES) {
        problem = "nothing failed, but not all batches ran";
    }
    if (problem == NULL) {
        problem = aftermath_judge(bench);
    }
    *passed += problem == NULL ? 1 : 0;
    *failed += problem == NULL ? 0 : 1;
    if (problem != NULL) {
        printf("  FAILED mode %s, operation %" PRIu64 ", status %x, %" PRIu64 " acknowledged: %s\n",
               mode_names[mode], n, (unsigned)status, shared->acked, problem);
    }
    return has_faulted;
}

int main(int argc, char **argv) {
    uint64_t passed = 0;
    uint64_t failed = 0;
    struct store_bench bench;
    setvbuf(stdout, NULL, _IOLBF, 0);
    memset(note_text, 'n', sizeof note_text);
    log_level_set(LOG_ERROR);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED ||
        !bench_open(&bench, access("/dev/shm", W_OK) == 0 ? "/dev/shm" : NULL)) {
        perror("setup");
        return 1;
    }
    store_close(bench.store);
    bench.store = NULL;
    for (uint32_t index = 0; index < MODE_COUNT; index += 1) {
        bool is_wanted = argc == 1;
        for (int argument = 1; argument < argc; argument += 1) {
            is_wanted = is_wanted || strcmp(argv[argument], mode_names[index]) == 0;
        }
#ifdef __SANITIZE_ADDRESS__
        is_wanted = is_wanted && index != MODE_MEMORY;
#endif
        mode = (enum mode)index;
        uint64_t n = 1;
        while (is_wanted && n < OPERATIONS_MAX && round_run(&bench, n, &passed, &failed)) {
            n += 1;
        }
        if (is_wanted) {
            printf("mode %s: %" PRIu64 " operations\n", mode_names[index], n - 1);
        }
    }
    bench_close(&bench);
    printf("%" PRIu64 " passed, %" PRIu64 " failed\n", passed, failed);
    return failed == 0 && passed > 0 ? 0 : 1;
}
