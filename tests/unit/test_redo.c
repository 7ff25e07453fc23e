/* The redo log: what an entry takes, and what is made of the log after a crash. The power cuts
 * themselves are in tests/crash. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "test.h"

#include "os/panic.h"
#include "store/internal.h"
#include "store/redo_parts.h"
#include "support/store_support.h"

enum { PAGE = 4096, FILE_BYTES_MAX = 4 << 20, SEGMENT_BYTES = 128 << 10 };

/* ---- the entry ---- */

static struct store_redo redo;
static const char page_bytes[4 * PAGE] = {7};

static void transaction_begin(void) {
    redo = (struct store_redo){.is_armed = true,
                               .page_bytes = PAGE,
                               .txnid = 8,
                               .settled = 5,
                               .entry_pages_max = REDO_PAGES_MAX};
    store_redo_start(&redo);
}

static bool take(uint64_t page, uint64_t count) {
    return store_redo_take(&redo, page_bytes, count * PAGE, page * PAGE);
}

static struct redo_header entry_header(struct str *entry) {
    char meta[REDO_META_BYTES] = {0};
    uint64_t txnid = 9;
    struct redo_header header;
    memcpy(meta + sizeof meta - sizeof txnid, &txnid, sizeof txnid);
    *entry = store_redo_entry(&redo, meta);
    memcpy(&header, entry->data, sizeof header);
    return header;
}

TEST(redo_entry_takes_pages_in_ascending_order)
{
    struct str entry;
    transaction_begin();
    EXPECT(take(2, 1));
    EXPECT(take(3, 4));
    EXPECT(take(1000000, 1));
    EXPECT_EQ_INT(redo.run_count, 2);
    struct redo_header header = entry_header(&entry);
    EXPECT_EQ_INT(header.kind, REDO_PAGES);
    EXPECT_EQ_INT(header.page_count, 6);
    EXPECT_EQ_INT(header.settled, 5);
    EXPECT_EQ_INT(header.runs_bytes, 1 + 1 + 3 + 1); /* two runs: 2 and 5 pages, then 1 */
    EXPECT_EQ_INT(entry.len, 7 * PAGE);
    EXPECT(memcmp(entry.data + PAGE, page_bytes, PAGE) == 0);
    store_redo_committed(&redo, entry, 9);
    EXPECT_EQ_INT(redo.at, 7 * PAGE);
    EXPECT_EQ_INT(redo.settled, 5);
}

TEST(redo_entry_does_not_take_a_page_twice_backwards_or_in_part)
{
    struct str entry;
    transaction_begin();
    EXPECT(take(5, 2));
    EXPECT(!take(6, 1));
    EXPECT(!take(9, 1)); /* not any more */
    struct redo_header header = entry_header(&entry);
    EXPECT_EQ_INT(header.kind, REDO_OWN);
    EXPECT_EQ_INT(header.page_count, 0);
    EXPECT_EQ_INT(header.settled, 8); /* all before it was flushed with its pages */
    EXPECT_EQ_INT(entry.len, PAGE);
    store_redo_committed(&redo, entry, 9);
    EXPECT_EQ_INT(redo.settled, 9);
    transaction_begin();
    EXPECT(take(5, 1));
    EXPECT(!take(4, 1));
    transaction_begin();
    EXPECT(!store_redo_take(&redo, page_bytes, 100, 5 * PAGE));
    transaction_begin();
    EXPECT(!store_redo_take(&redo, page_bytes, PAGE, 5 * PAGE + 1));
}

TEST(redo_entry_has_a_largest_size)
{
    struct str entry;
    transaction_begin();
    for (uint64_t page = 0; page < REDO_PAGES_MAX; page += 1) {
        EXPECT(take(1000 + page * 1000000, 1)); /* the longest runs */
    }
    struct redo_header header = entry_header(&entry);
    EXPECT_EQ_INT(header.page_count, REDO_PAGES_MAX);
    EXPECT_EQ_INT(entry.len, REDO_ENTRY_BYTES_MAX);
    EXPECT(!take(UINT64_C(1) << 34, 1));
}

/* ---- files ---- */

enum { DATA_FILE, REDO_0, REDO_1, FILES };
static const char *const file_names[FILES] = {"data.mdb", "redo.0", "redo.1"};

struct files {
    char *bytes[FILES];
    size_t counts[FILES];
};

static struct files files_load(const char *folder) {
    struct files files;
    for (int index = 0; index < FILES; index += 1) {
        char path[512];
        (void)snprintf(path, sizeof path, "%s/%s", folder, file_names[index]);
        int fd = open(path, O_RDONLY);
        files.bytes[index] = malloc(FILE_BYTES_MAX);
        ssize_t got = fd < 0 ? -1 : read(fd, files.bytes[index], FILE_BYTES_MAX);
        close(fd);
        EXPECT(got > 0 && got < FILE_BYTES_MAX);
        files.counts[index] = got < 0 ? 0 : (size_t)got;
    }
    return files;
}

static void files_free(struct files *files) {
    for (int index = 0; index < FILES; index += 1) {
        free(files->bytes[index]);
    }
}

/* A store that was killed, or lost its power, while its files were so. */
static void killed_make(const struct store_bench *bench, char folder[300],
                        const struct files *files) {
    char path[512];
    (void)snprintf(folder, 300, "%s.killed", bench->folder);
    (void)mkdir(folder, 0700);
    (void)snprintf(path, sizeof path, "%s/lock.mdb", folder);
    (void)unlink(path);
    for (int index = 0; index < FILES; index += 1) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, file_names[index]);
        int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
        ssize_t wrote = write(fd, files->bytes[index], files->counts[index]);
        EXPECT(fd >= 0 && wrote == (ssize_t)files->counts[index]);
        close(fd);
    }
}

/* The sequence that it opens with; 0 = refused with *err. */
static uint64_t folder_open(const struct store_bench *bench, const char *folder, bool is_read_only,
                            enum err *err, const char **problem) {
    struct store_options options = bench->options;
    struct store *store = NULL;
    struct store_stats stats = {0};
    options.folder = folder;
    options.is_read_only = is_read_only;
    *err = store_open(&store, &options, problem);
    EXPECT(*err == ERR_OK || *problem != NULL);
    if (*err == ERR_OK) {
        store_stats_read(store, &stats);
        EXPECT(store_fsck(store, NULL, NULL) == ERR_OK);
    }
    store_close(store);
    return stats.sequence;
}

static uint64_t killed_open(const struct store_bench *bench, const struct files *files,
                            bool is_read_only, enum err *err) {
    char folder[300];
    const char *problem = NULL;
    killed_make(bench, folder, files);
    return folder_open(bench, folder, is_read_only, err, &problem);
}

static uint64_t sequence_of(const struct store_bench *bench) {
    struct store_stats stats;
    store_stats_read(bench->store, &stats);
    return stats.sequence;
}

static void commits_make(struct store_bench *bench, uint64_t first, uint64_t count) {
    for (uint64_t number = first; number < first + count; number += 1) {
        char name[32];
        (void)snprintf(name, sizeof name, "name %u", (unsigned)number);
        struct item item = bench_item(bench, number % 50, name, (int64_t)number);
        bench_put(bench, &item);
    }
}

static bool bench_begin(struct store_bench *bench) {
    struct store_options options = bench_options();
    options.redo_bytes_start = SEGMENT_BYTES;
    options.redo_bytes_max = SEGMENT_BYTES;
    /* Where a flush costs nothing, if there is such a place: some tests open a hundred times. */
    return bench_open_with(bench, access("/dev/shm", W_OK) == 0 ? "/dev/shm" : NULL, options);
}

static void bench_end(struct store_bench *bench) {
    char folder[300];
    (void)snprintf(folder, sizeof folder, "%s.killed", bench->folder);
    bench_folder_remove(folder);
    bench_close(bench);
}

TEST(redo_log_holds_what_data_mdb_has_not_got)
{
    struct store_bench bench;
    enum err err = ERR_OK;
    REQUIRE(bench_begin(&bench));
    commits_make(&bench, 9, 1); /* arms it */
    struct files files = files_load(bench.folder);
    commits_make(&bench, 1, 5);
    /* Nothing of five commits has reached data.mdb. */
    struct files later = files_load(bench.folder);
    memcpy(later.bytes[DATA_FILE], files.bytes[DATA_FILE], files.counts[DATA_FILE]);
    later.counts[DATA_FILE] = files.counts[DATA_FILE];
    for (int is_read_only = 0; is_read_only < 2; is_read_only += 1) {
        EXPECT_EQ_INT(killed_open(&bench, &later, is_read_only != 0, &err), sequence_of(&bench));
    }
    files_free(&files);
    files_free(&later);
    bench_end(&bench);
}

/* data.mdb as after a power cut: each page is from some time since the last checkpoint. */
TEST(redo_log_mends_any_mixture_of_pages)
{
    enum { KEPT = 8, ROUNDS = 40 };
    struct store_bench bench;
    struct files kept[KEPT];
    uint64_t number = 1;
    enum err err = ERR_OK;
    struct store_options options = bench_options();
    options.redo_bytes_start = options.redo_bytes_max = 4 * SEGMENT_BYTES;
    REQUIRE(bench_open_with(&bench, NULL, options));
    while (bench.store->io.redo.active == 0) {
        commits_make(&bench, number, 1);
        number += 1;
    }
    uint64_t checkpoint = bench.store->io.checkpoint.txnid;
    for (int index = 0; index < KEPT; index += 1) {
        kept[index] = files_load(bench.folder);
        commits_make(&bench, number, 1);
        number += 1;
    }
    EXPECT_EQ_INT(bench.store->io.redo.active, 1);
    struct redo_mark mark = redo_mark_make(bench.store->io.redo.salt, checkpoint);
    for (int round = 0; round < ROUNDS; round += 1) {
        struct files mixed = files_load(bench.folder);
        for (size_t at = 0; at < mixed.counts[DATA_FILE]; at += PAGE) {
            const struct files *from = &kept[test_random() % KEPT];
            if (at < from->counts[DATA_FILE]) {
                memcpy(mixed.bytes[DATA_FILE] + at, from->bytes[DATA_FILE] + at, PAGE);
            }
        }
        for (size_t slot = 0; slot < 2; slot += 1) { /* either has reached the disk, or both */
            if (round % 3 != (int)slot) {
                memcpy(mixed.bytes[DATA_FILE] + slot * PAGE + REDO_MARK_AT, &mark, sizeof mark);
            }
        }
        EXPECT_EQ_INT(killed_open(&bench, &mixed, round % 2 == 1, &err), sequence_of(&bench));
        files_free(&mixed);
    }
    for (int index = 0; index < KEPT; index += 1) {
        files_free(&kept[index]);
    }
    bench_end(&bench);
}

/* The place of the last entry in redo.0. */
static size_t last_entry(const struct files *files, size_t *bytes) {
    size_t at = 0;
    size_t last = 0;
    struct redo_header header;
    uint64_t salt = 0;
    for (;;) {
        memcpy(&header, files->bytes[REDO_0] + at, sizeof header);
        salt = at == 0 ? header.salt : salt;
        if (memcmp(header.magic, redo_magic, 8) != 0 || header.salt != salt) {
            return last;
        }
        last = at;
        *bytes = (size_t)(header.page_count + 1) * PAGE;
        at += *bytes;
    }
}

TEST(redo_entry_that_is_torn_was_never_committed)
{
    struct store_bench bench;
    enum err err = ERR_OK;
    size_t bytes = 0;
    REQUIRE(bench_begin(&bench));
    commits_make(&bench, 1, 2);
    struct files before = files_load(bench.folder);
    commits_make(&bench, 3, 1);
    struct files files = files_load(bench.folder);
    size_t at = last_entry(&files, &bytes);
    REQUIRE(at > 0);
    memcpy(files.bytes[DATA_FILE], before.bytes[DATA_FILE], before.counts[DATA_FILE]);
    files.counts[DATA_FILE] = before.counts[DATA_FILE];
    EXPECT_EQ_INT(killed_open(&bench, &files, false, &err), sequence_of(&bench));
    struct redo_header header;
    memcpy(&header, files.bytes[REDO_0] + at, sizeof header);
    size_t head = sizeof header + header.runs_bytes;
    for (size_t byte = 0; byte < bytes; byte += byte < head ? 1 : 509) {
        if (byte >= head && byte < PAGE) {
            continue; /* of no meaning */
        }
        files.bytes[REDO_0][at + byte] ^= 0x10;
        EXPECT_EQ_INT(killed_open(&bench, &files, byte % 2 == 1, &err), sequence_of(&bench) - 1);
        files.bytes[REDO_0][at + byte] ^= 0x10;
    }
    files_free(&before);
    files_free(&files);
    bench_end(&bench);
}

TEST(redo_log_that_is_damaged_or_missing_is_refused)
{
    struct store_bench bench;
    enum err err = ERR_OK;
    const char *problem = NULL;
    char folder[300];
    char path[512];
    REQUIRE(bench_begin(&bench));
    commits_make(&bench, 1, 3);
    struct files files = files_load(bench.folder);
    files.bytes[REDO_0][0] ^= 1; /* data.mdb's meta page is newer than what can be read */
    EXPECT_EQ_INT(killed_open(&bench, &files, false, &err), 0);
    EXPECT_EQ_INT(err, ERR_CORRUPT);
    files.bytes[REDO_0][0] ^= 1;
    killed_make(&bench, folder, &files);
    (void)snprintf(path, sizeof path, "%s/redo.0", folder);
    EXPECT(unlink(path) == 0);
    EXPECT_EQ_INT(folder_open(&bench, folder, false, &err, &problem), 0);
    EXPECT_EQ_INT(err, ERR_CORRUPT);
    EXPECT(strstr(problem, "missing") != NULL);
    /* As it was, it is still whole: nothing was changed by the refusals. */
    EXPECT_EQ_INT(killed_open(&bench, &files, false, &err), sequence_of(&bench));
    files_free(&files);
    bench_end(&bench);
}

TEST(redo_log_of_a_closed_store_means_nothing)
{
    struct store_bench bench;
    enum err err = ERR_OK;
    const char *problem = NULL;
    char path[512];
    REQUIRE(bench_begin(&bench));
    commits_make(&bench, 1, 3);
    uint64_t sequence = sequence_of(&bench);
    struct files files = files_load(bench.folder);
    EXPECT(memcmp(files.bytes[DATA_FILE] + REDO_MARK_AT, redo_magic, 8) == 0);
    EXPECT(memcmp(files.bytes[DATA_FILE] + PAGE + REDO_MARK_AT, redo_magic, 8) == 0);
    files_free(&files);
    store_close(bench.store);
    bench.store = NULL;
    files = files_load(bench.folder);
    EXPECT(memcmp(files.bytes[DATA_FILE] + REDO_MARK_AT, redo_magic, 8) != 0);
    EXPECT(memcmp(files.bytes[DATA_FILE] + PAGE + REDO_MARK_AT, redo_magic, 8) != 0);
    files_free(&files);
    for (int index = REDO_0; index < FILES; index += 1) {
        (void)snprintf(path, sizeof path, "%s/%s", bench.folder, file_names[index]);
        EXPECT(unlink(path) == 0);
    }
    EXPECT_EQ_INT(folder_open(&bench, bench.folder, true, &err, &problem), sequence);
    EXPECT_EQ_INT(folder_open(&bench, bench.folder, false, &err, &problem), sequence);
    bench_close(&bench);
}

/* ---- arming ---- */

enum { MARKS = 2 };

/* The marks in the meta pages of data.mdb. */
static int marks_count(const struct store_bench *bench) {
    struct files files = files_load(bench->folder);
    int count = 0;
    for (size_t slot = 0; slot < MARKS; slot += 1) {
        const char *at = files.bytes[DATA_FILE] + slot * PAGE + REDO_MARK_AT;
        count += memcmp(at, redo_magic, sizeof redo_magic) == 0 ? 1 : 0;
    }
    files_free(&files);
    return count;
}

/* What the store does with its files, in order: L laid out, s sync, f entry of a folder, M mark,
 * R entry of the log, w any other writes, c and C a checkpoint's begin and end. The n-th fails, or
 * all from there on. */
struct watch {
    char seen[256];
    uint32_t len;
    uint32_t count;
    uint32_t fail_at; /* 0 = none */
    int64_t error;
    bool is_gone;
};

static char event_letter(const struct store_io_event *event) {
    static const char zeros[4 * PAGE];
    switch (event->op) {
    case STORE_OP_WRITE:
        if (event->bytes == sizeof(struct redo_mark) && event->offset % PAGE == REDO_MARK_AT) {
            return 'M';
        }
        if (memcmp(event->data, redo_magic, sizeof redo_magic) == 0) {
            return 'R';
        }
        return event->bytes > sizeof zeros && memcmp(event->data, zeros, sizeof zeros) == 0 ? 'L'
                                                                                            : 'w';
    case STORE_OP_SYNC:
        return 's';
    case STORE_OP_CHECKPOINT:
        return 'c';
    case STORE_OP_CHECKPOINTED:
        return 'C';
    case STORE_OP_ENTRY:
        break;
    }
    return 'f';
}

static int64_t on_event(void *ctx, const struct store_io_event *event) {
    struct watch *watch = ctx;
    char letter = event_letter(event);
    bool is_more = letter == 'w' && watch->len > 0 && watch->seen[watch->len - 1] == 'w';
    if (!is_more && watch->len < sizeof watch->seen - 1) {
        watch->seen[watch->len] = letter;
        watch->len += 1;
    }
    watch->count += 1;
    bool is_due = watch->is_gone ? watch->count >= watch->fail_at : watch->count == watch->fail_at;
    return watch->fail_at != 0 && is_due ? -watch->error : 0;
}

static void watch_begin(struct watch *watch) {
    store_io_observe((struct store_io_observer){.on_event = on_event, .ctx = watch});
}

static void watch_end(void) {
    store_io_observe((struct store_io_observer){0});
}

struct times {
    struct timespec changed[FILES + 1];
    struct timespec touched[FILES + 1];
};

static struct times times_of(const struct store_bench *bench) {
    struct times times = {0};
    for (int index = 0; index <= FILES; index += 1) {
        struct stat status;
        char path[512];
        (void)snprintf(path, sizeof path, "%s/%s", bench->folder,
                       index == FILES ? "." : file_names[index]);
        EXPECT(stat(path, &status) == 0);
        times.changed[index] = status.st_mtim;
        times.touched[index] = status.st_ctim;
    }
    return times;
}

TEST(redo_store_that_is_only_read_stays_as_it_was)
{
    struct store_bench bench;
    struct watch watch = {0};
    struct item item;
    REQUIRE(bench_begin(&bench));
    commits_make(&bench, 1, 3);
    uint64_t sequence = sequence_of(&bench);
    store_close(bench.store);
    bench.store = NULL;
    struct files before = files_load(bench.folder);
    struct times times_before = times_of(&bench);
    watch_begin(&watch);
    for (int round = 0; round < 3; round += 1) {
        const char *problem = NULL;
        REQUIRE(store_open(&bench.store, &bench.options, &problem) == ERR_OK);
        EXPECT_EQ_INT(sequence_of(&bench), sequence);
        if (round > 0) {
            EXPECT(bench_get(&bench, id_from_number(2), &item) == ERR_OK);
            EXPECT(store_fsck(bench.store, NULL, NULL) == ERR_OK);
        }
        EXPECT(!bench.store->io.redo.is_armed);
        EXPECT(!bench.store->io.checkpointer.is_running);
        store_close(bench.store);
        bench.store = NULL;
    }
    watch_end();
    EXPECT_EQ_STR(watch.seen, "fff"); /* each opening's mkdir, which finds the folder there */
    struct files after = files_load(bench.folder);
    struct times times_after = times_of(&bench);
    for (int index = 0; index < FILES; index += 1) {
        EXPECT_EQ_UINT(after.counts[index], before.counts[index]);
        EXPECT(memcmp(after.bytes[index], before.bytes[index], before.counts[index]) == 0);
    }
    EXPECT(memcmp(&times_after, &times_before, sizeof times_after) == 0);
    files_free(&before);
    files_free(&after);
    bench_end(&bench);
}

static uint32_t nothing_run(struct store_tx *tx, void *ctx) {
    (void)tx;
    (void)ctx;
    return 0;
}

TEST(redo_log_is_armed_by_the_first_batch)
{
    static const char arming[] = "LLsLLs" /* both files, */
                                 "s"      /* the folder, */
                                 "MMs";   /* both meta pages */
    struct store_bench bench;
    struct watch watch = {0};
    char path[512];
    REQUIRE(bench_begin(&bench));
    (void)snprintf(path, sizeof path, "%s/redo.0", bench.folder);
    EXPECT(access(path, F_OK) != 0); /* a new store has no log yet */
    watch_begin(&watch);
    bench_batch(&bench, nothing_run, NULL);
    EXPECT_EQ_STR(watch.seen, arming);
    EXPECT(bench.store->io.redo.is_armed);
    EXPECT_EQ_INT(marks_count(&bench), MARKS);
    commits_make(&bench, 1, 1);
    watch_end();
    EXPECT(strncmp(watch.seen + strlen(arming), "Rsw", 3) == 0);
    bench_reopen(&bench);
    EXPECT_EQ_INT(marks_count(&bench), 0);
    watch = (struct watch){0};
    watch_begin(&watch);
    commits_make(&bench, 2, 1);
    watch_end();
    EXPECT(strncmp(watch.seen, "sMMsRsw", 7) == 0); /* the files are laid out already */
    bench_end(&bench);
}

/* Opens the store, and puts one item while the n-th operation behind the opening fails. The child
 * ends with 0 if it was told that the item is durable. */
static int arming_child(const struct store_bench *bench, const struct watch *how) {
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        struct store_bench own = *bench;
        struct watch watch = *how;
        const char *problem = NULL;
        int null = open("/dev/null", O_WRONLY);
        (void)dup2(null, STDERR_FILENO);
        if (store_open(&own.store, &own.options, &problem) != ERR_OK) {
            _exit(1);
        }
        watch_begin(&watch);
        commits_make(&own, 7, 1);
        _exit(0);
    }
    int status = 0;
    EXPECT(waitpid(child, &status, 0) == child && WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* Nothing of the child's write is there; the store is whole and takes it now. */
static void arming_aftermath(struct store_bench *bench) {
    const char *problem = NULL;
    struct item item;
    REQUIRE(store_open(&bench->store, &bench->options, &problem) == ERR_OK);
    EXPECT_EQ_INT(sequence_of(bench), 0);
    EXPECT(bench_get(bench, id_from_number(7), &item) == ERR_NOT_FOUND);
    EXPECT(store_fsck(bench->store, NULL, NULL) == ERR_OK);
    commits_make(bench, 7, 1);
    EXPECT(bench_get(bench, id_from_number(7), &item) == ERR_OK);
    bench_reopen(bench);
    EXPECT(store_fsck(bench->store, NULL, NULL) == ERR_OK);
    EXPECT_EQ_INT(sequence_of(bench), 1);
}

TEST(redo_log_that_cannot_be_armed_ends_the_process_before_any_answer)
{
    enum { STEPS = 10 }; /* see the test before; behind them is the log's entry */
    static const int64_t errors[] = {EIO, ENOSPC};
    for (uint32_t step = 1; step <= STEPS; step += 1) {
        for (uint32_t round = 0; round < 2 * COUNT_OF(errors); round += 1) {
            struct store_bench bench;
            struct watch how = {.fail_at = step,
                                .error = errors[round % COUNT_OF(errors)],
                                .is_gone = round >= COUNT_OF(errors)};
            REQUIRE(bench_begin(&bench));
            store_close(bench.store);
            bench.store = NULL;
            EXPECT_EQ_INT(arming_child(&bench, &how), PANIC_EXIT_CODE);
            arming_aftermath(&bench);
            bench_end(&bench);
        }
    }
    struct store_bench bench;
    REQUIRE(bench_begin(&bench));
    store_close(bench.store);
    bench.store = NULL;
    char path[512];
    (void)snprintf(path, sizeof path, "%s/redo.1", bench.folder);
    REQUIRE(mkdir(path, 0700) == 0); /* no file at all */
    EXPECT_EQ_INT(arming_child(&bench, &(struct watch){0}), PANIC_EXIT_CODE);
    REQUIRE(rmdir(path) == 0);
    arming_aftermath(&bench);
    bench_end(&bench);
}

TEST(redo_mark_that_cannot_be_taken_away_is_put_back)
{
    enum { STEPS = 4 }; /* flush, both marks, flush */
    for (uint32_t step = 1; step <= STEPS; step += 1) {
        struct store_bench bench;
        struct watch watch = {.fail_at = step, .error = EIO};
        const char *problem = NULL;
        REQUIRE(bench_begin(&bench));
        commits_make(&bench, 1, 3);
        uint64_t sequence = sequence_of(&bench);
        watch_begin(&watch);
        store_close(bench.store);
        bench.store = NULL;
        watch_end();
        EXPECT(strncmp(watch.seen, "sMMs", step) == 0);
        EXPECT_EQ_INT(marks_count(&bench), MARKS);
        /* Recovery that meets the same refuses to go on, and keeps the mark, too. */
        enum err err = ERR_IO;
        for (uint32_t operation = 1; err != ERR_OK; operation += 1) {
            watch = (struct watch){.fail_at = operation, .error = EIO};
            watch_begin(&watch);
            err = store_open(&bench.store, &bench.options, &problem);
            watch_end();
            EXPECT_EQ_INT(marks_count(&bench), err == ERR_OK ? 0 : MARKS);
        }
        EXPECT(watch.count >= STEPS);
        EXPECT_EQ_INT(sequence_of(&bench), sequence);
        bench_end(&bench);
    }
}

/* ---- segments ---- */

static uint32_t many_put(struct store_tx *tx, void *ctx) {
    static const uint8_t entropy[32] = {3};
    struct store_bench *bench = ctx;
    store_tx_command(tx, entropy);
    for (uint64_t number = 0; number < 3000; number += 1) {
        char name[32];
        (void)snprintf(name, sizeof name, "many %u", (unsigned)number);
        struct item item = bench_item(bench, 1000 + number, name, 1);
        store_put(tx, &item_table, &item);
    }
    return 1;
}

TEST(redo_transaction_that_is_too_large_goes_its_own_way)
{
    struct store_bench bench;
    enum err err = ERR_OK;
    REQUIRE(bench_begin(&bench));
    commits_make(&bench, 1, 3);
    struct files before = files_load(bench.folder);
    bench_batch(&bench, many_put, &bench);
    EXPECT(!bench.store->io.redo.is_taking);
    /* Its meta page may have got no further than the page cache when its flush failed. */
    struct files files = files_load(bench.folder);
    size_t meta = (bench.store->io.redo.txnid & 1) * PAGE;
    memcpy(files.bytes[DATA_FILE] + meta, before.bytes[DATA_FILE] + meta, REDO_MARK_AT);
    EXPECT_EQ_INT(killed_open(&bench, &files, false, &err), sequence_of(&bench));
    files_free(&before);
    files_free(&files);
    commits_make(&bench, 10, 3);
    files = files_load(bench.folder);
    EXPECT_EQ_INT(killed_open(&bench, &files, false, &err), sequence_of(&bench));
    files_free(&files);
    bench_end(&bench);
}

/* Of two flushes of a file at a time the kernel tells only one that a page was not written. */
TEST(redo_transaction_of_its_own_does_not_flush_beside_a_checkpoint)
{
    struct store_bench bench;
    struct watch watch = {0};
    REQUIRE(bench_begin(&bench));
    watch_begin(&watch);
    for (uint64_t number = 1; strchr(watch.seen, 'c') == NULL; number += 1) {
        watch = (struct watch){0};
        commits_make(&bench, number, 1);
    }
    EXPECT(strchr(watch.seen, 'C') == NULL); /* it is running, or nobody has asked yet */
    watch = (struct watch){0};
    bench_batch(&bench, many_put, &bench);
    watch_end();
    EXPECT_EQ_STR(watch.seen, "wCsRsws");
    bench_end(&bench);
}

TEST(redo_files_grow_while_they_are_used)
{
    struct store_bench bench;
    struct stat status;
    char path[512];
    REQUIRE(bench_begin(&bench));
    bench_close(&bench);
    struct store_options options = bench_options();
    options.redo_bytes_start = SEGMENT_BYTES;
    options.redo_bytes_max = 4 * SEGMENT_BYTES;
    REQUIRE(bench_open_with(&bench, NULL, options));
    commits_make(&bench, 1, 300);
    for (int index = REDO_0; index < FILES; index += 1) {
        (void)snprintf(path, sizeof path, "%s/%s", bench.folder, file_names[index]);
        REQUIRE(stat(path, &status) == 0);
        EXPECT(status.st_size > SEGMENT_BYTES && status.st_size <= 4 * SEGMENT_BYTES);
        EXPECT((uint64_t)status.st_blocks * 512 >= (uint64_t)status.st_size); /* no holes */
    }
    struct files files = files_load(bench.folder);
    enum err err = ERR_OK;
    EXPECT_EQ_INT(killed_open(&bench, &files, false, &err), sequence_of(&bench));
    files_free(&files);
    bench_end(&bench);
}
