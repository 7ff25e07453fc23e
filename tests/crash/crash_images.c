/*
 * Crash images: what may a power cut leave on the disk, and does the store stand it?
 *
 *     crash_images [--images N] [--batches N] [--seed S] [--canary ack|sync|mark|trust]
 *
 * 1. Random batches run on a small store in memory (tmpfs). The observer of store/io.h writes down
 *    every write, every sync and every acknowledgement, in order.
 * 2. The record is replayed. At random points the disk is imagined: of each file (data.mdb and the
 *    two of the redo log) everything up to its last finished sync is there; of the writes behind it
 *    each is whole, missing or torn into sectors of 512 bytes; a checkpoint that was begun has
 *    finished or not. Such an image must open, pass fsck, hold every acknowledged batch, and be
 *    exactly the state behind some batch: nothing half.
 *
 * Assumed of disks: a sector of 512 bytes is written whole or not at all. LMDB needs that: its meta
 * page has no checksum; but what it writes there are 120 bytes within the page's first sector.
 *
 * The store is closed and opened again now and then, so that its first batch arms the log anew;
 * some of the images must lie in the middle of that.
 *
 * Canaries, which must fail: `ack` acknowledges a batch before its sync, `sync` forgets the syncs,
 * `mark` only that of the marks with which the log is armed, `trust` believes data.mdb without
 * looking at the log.
 *
 * Images are checked in a child process, so that one that kills its reader is a finding too.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "store/io.h"
#include "store/redo.h"
#include "support/store_support.h"

enum {
    SECTOR_BYTES = 512,
    PAGE_BYTES = 4096,
    REDO_BYTES_START = 64 << 10, /* small: the log's files change all the time */
    REDO_BYTES_MAX = 256 << 10,
    FILE_BYTES_MAX = 32 << 20,
    EVENTS_MAX = 1 << 18,
    BATCHES_MAX = 2000,
    ITEMS = 40,
    WORDS = 8,
    NOTE_BYTES_MAX = 6000, /* some records need pages of their own */
    COMMANDS_MAX = 10,
#ifdef __SANITIZE_ADDRESS__
    IMAGES_DEFAULT = 1000,
    BATCHES_DEFAULT = 120,
#else
    IMAGES_DEFAULT = 20000,
    BATCHES_DEFAULT = 500,
#endif
};

/* ---- randomness ---- */

static uint64_t seed;
static uint64_t random_state;

static uint64_t random_next(void) {
    random_state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t mixed = random_state;
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ (mixed >> 31);
}

static uint64_t random_below(uint64_t bound) {
    return random_next() % bound;
}

static void die(const char *what) {
    perror(what);
    exit(2);
}

/* ---- the model: what the tables hold behind each sequence number ---- */

struct model {
    int64_t item_versions[ITEMS]; /* 0 = not there; everything else follows from it */
    int64_t word_counts[WORDS];
    int64_t entry_count; /* entries 1..n */
};

static struct model models[BATCHES_MAX + 1]; /* by sequence */
static struct hash chains[BATCHES_MAX + 1];
static uint64_t sequence_last;

static char note_text[NOTE_BYTES_MAX];

static uint32_t note_len(uint32_t number, int64_t version) {
    uint64_t mixed = (uint64_t)version * 2654435761u + number;
    return (uint32_t)(mixed % 7 == 0 ? mixed % NOTE_BYTES_MAX : mixed % 90);
}

static struct item item_make(uint32_t number, int64_t version, char name[64]) {
    struct item item = {.id = id_from_number(number),
                        .owner = id_from_number(900 + (uint64_t)version % 3),
                        .rank = version,
                        .color = (int32_t)(version % 3),
                        .secret = STR("a secret"),
                        .note = {note_text, note_len(number, version)}};
    (void)snprintf(name, 64, "item %u %" PRId64, number, version);
    item.name = str_from_c(name);
    static const size_t members[] = {offsetof(struct item, id),    offsetof(struct item, owner),
                                     offsetof(struct item, name),  offsetof(struct item, rank),
                                     offsetof(struct item, color), offsetof(struct item, secret),
                                     offsetof(struct item, note)};
    for (uint32_t index = 0; index < COUNT_OF(members); index += 1) {
        item.set.present |= schema_bit(&item_schema, members[index]);
    }
    return item;
}

/* ---- commands ---- */

enum op { OP_ITEM_PUT, OP_ITEM_DEL, OP_ENTRY, OP_WORD, OP_COUNT };

struct command {
    enum op op;
    uint32_t number;
    int64_t value;
};

struct batch {
    struct command commands[COMMANDS_MAX];
    uint32_t count;
    bool has_writes;
    bool is_done;
};

static int64_t version_last;

/* Makes a random batch and applies it to the model. */
static struct batch batch_make(struct model *model) {
    struct batch batch = {.count = 1 + (uint32_t)random_below(COMMANDS_MAX)};
    for (uint32_t index = 0; index < batch.count; index += 1) {
        struct command *command = &batch.commands[index];
        command->op = (enum op)random_below(OP_COUNT);
        command->number = (uint32_t)random_below(command->op == OP_WORD ? WORDS : ITEMS);
        version_last += 1;
        command->value = version_last;
        batch.has_writes = batch.has_writes || command->op != OP_ITEM_DEL ||
                           model->item_versions[command->number] != 0;
        switch (command->op) {
        case OP_ITEM_PUT:
            model->item_versions[command->number] = version_last;
            break;
        case OP_ITEM_DEL:
            model->item_versions[command->number] = 0;
            break;
        case OP_ENTRY:
            model->entry_count += 1;
            command->value = model->entry_count;
            break;
        case OP_WORD:
            model->word_counts[command->number] = version_last;
            break;
        case OP_COUNT:
            abort();
        }
    }
    return batch;
}

static struct word word_make(uint32_t number, int64_t count, char text[16]) {
    (void)snprintf(text, 16, "word %u", number);
    return (struct word){.set = {.present = 3}, .word = str_from_c(text), .count = count};
}

static void command_run(struct store_tx *tx, const struct command *command) {
    char text[64];
    struct id id = id_from_number(command->number);
    struct item item;
    struct word word;
    struct entry entry;
    switch (command->op) {
    case OP_ITEM_PUT:
        item = item_make(command->number, command->value, text);
        store_put(tx, &item_table, &item);
        break;
    case OP_ITEM_DEL:
        store_del(tx, &item_table, id_bytes(&id));
        break;
    case OP_ENTRY:
        entry = (struct entry){.set = {.present = 3}, .number = command->value, .text = STR("e")};
        store_put(tx, &entry_table, &entry);
        break;
    case OP_WORD:
        word = word_make(command->number, command->value, text);
        store_put(tx, &word_table, &word);
        break;
    case OP_COUNT:
        abort();
    }
}

static uint32_t batch_run(struct store_tx *tx, void *ctx) {
    static const uint8_t entropy[32] = {42};
    const struct batch *batch = ctx;
    for (uint32_t index = 0; index < batch->count; index += 1) {
        store_tx_command(tx, entropy);
        command_run(tx, &batch->commands[index]);
        store_tx_breathe(tx);
    }
    return batch->count;
}

static void batch_done(void *ctx) {
    ((struct batch *)ctx)->is_done = true;
}

/* ---- what is recorded ---- */

enum file_name { DATA_FILE, REDO_0, REDO_1, FILES, OTHER_FILE };
static const char *const file_names[FILES] = {"data.mdb", "redo.0", "redo.1"};

/* What is on the disk for sure. */
struct file {
    char *base;
    size_t bytes;
    bool is_known;
    int image_fd;
};
static struct file files[FILES];

enum event_kind { EVENT_WRITE, EVENT_SYNC, EVENT_CHECKPOINT, EVENT_CHECKPOINTED, EVENT_ACK };

struct event {
    enum event_kind kind;
    enum file_name file;
    uint32_t bytes;
    int64_t offset;
    uint64_t sequence; /* ACK: of the acknowledged batch; else: of the batch that is running */
    char *data;        /* CHECKPOINTED: the mark of both meta pages */
};

static struct event *events;
static uint32_t event_count;
static bool is_recording; /* the data file has its name */
static uint32_t unsynced_before_name;
static const char *canary = "";

static struct event *event_add(enum event_kind kind, enum file_name file) {
    if (event_count == EVENTS_MAX) {
        fprintf(stderr, "more than %d events\n", EVENTS_MAX);
        exit(2);
    }
    struct event *event = &events[event_count];
    event_count += 1;
    *event = (struct event){.kind = kind, .file = file, .sequence = sequence_last};
    return event;
}

static void ack_add(uint64_t sequence) {
    event_add(EVENT_ACK, OTHER_FILE)->sequence = sequence;
}

static void base_load(enum file_name file, const char *path) {
    struct file *of = &files[file];
    int fd = open(path, O_RDONLY);
    of->base = of->base == NULL ? malloc(FILE_BYTES_MAX) : of->base;
    ssize_t got = fd < 0 ? -1 : read(fd, of->base, FILE_BYTES_MAX);
    if (got < 0) {
        die(path);
    }
    close(fd);
    of->bytes = (size_t)got;
    of->is_known = true;
}

/* The log's files are seen for the first time when they are as they were laid out. */
static enum file_name file_of(int fd) {
    char link[64];
    char path[600];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof path - 1);
    if (len < 0) {
        die(link);
    }
    path[len] = '\0';
    for (int file = 0; file < FILES; file += 1) {
        size_t name_len = strlen(file_names[file]);
        if ((size_t)len > name_len && strcmp(path + len - name_len, file_names[file]) == 0) {
            if (!files[file].is_known) {
                base_load((enum file_name)file, path);
            }
            return (enum file_name)file;
        }
    }
    return OTHER_FILE;
}

static void entry_seen(const struct store_io_event *event) {
    /* The rename of first boot: from here on there is a store. */
    size_t len = strlen(event->path);
    if (len >= 9 && strcmp(event->path + len - 9, "/data.mdb") == 0 &&
        strstr(event->path, "data.new") == NULL) {
        char path[600];
        (void)snprintf(path, sizeof path, "%.*s/data.new/data.mdb", (int)(len - 9), event->path);
        base_load(DATA_FILE, path);
        is_recording = true;
    }
}

/* A mark by which the log is armed; a checkpoint's marks come with CHECKPOINTED. */
static bool is_arming(const struct event *event) {
    return event->kind == EVENT_WRITE && event->file == DATA_FILE &&
           event->offset % PAGE_BYTES == REDO_MARK_AT && event->data[0] != '\0';
}

static bool is_forgotten(enum file_name file, bool is_sync) {
    return is_sync && (strcmp(canary, "sync") == 0 ||
                       (strcmp(canary, "mark") == 0 && file == DATA_FILE && event_count > 0 &&
                        is_arming(&events[event_count - 1])));
}

static int64_t on_event(void *ctx, const struct store_io_event *event) {
    static const enum event_kind kinds[] = {[STORE_OP_WRITE] = EVENT_WRITE,
                                            [STORE_OP_SYNC] = EVENT_SYNC,
                                            [STORE_OP_CHECKPOINT] = EVENT_CHECKPOINT,
                                            [STORE_OP_CHECKPOINTED] = EVENT_CHECKPOINTED};
    (void)ctx;
    if (event->op == STORE_OP_ENTRY) {
        entry_seen(event);
        return 0;
    }
    if (!is_recording) {
        unsynced_before_name = event->op == STORE_OP_SYNC ? 0 : unsynced_before_name + 1;
        return 0;
    }
    enum file_name file = file_of(event->fd);
    bool is_sync = event->op == STORE_OP_SYNC || event->op == STORE_OP_CHECKPOINTED;
    if (file == OTHER_FILE || is_forgotten(file, is_sync)) {
        return 0;
    }
    if (event->op == STORE_OP_WRITE && file != DATA_FILE && strcmp(canary, "ack") == 0) {
        ack_add(sequence_last);
    }
    struct event *added = event_add(kinds[event->op], file);
    added->bytes = (uint32_t)event->bytes;
    added->offset = event->offset;
    if (event->data != NULL) {
        added->data = malloc(event->bytes);
        memcpy(added->data, event->data, event->bytes);
    }
    return 0;
}

static void batch_record(struct store_bench *bench) {
    struct model model = models[sequence_last];
    struct batch batch = batch_make(&model);
    if (batch.has_writes) {
        sequence_last += 1;
        models[sequence_last] = model;
    }
    if (store_batch_start(bench->store, batch_run, batch_done, &batch) != ERR_OK) {
        fprintf(stderr, "store_batch_start refused\n");
        exit(2);
    }
    store_batch_wait(bench->store);
    struct store_stats stats;
    store_stats_read(bench->store, &stats);
    if (!batch.is_done || stats.sequence != sequence_last) {
        fprintf(stderr, "a batch went wrong\n");
        exit(2);
    }
    chains[sequence_last] = stats.chain;
    ack_add(sequence_last);
}

static void record(struct store_bench *bench, uint32_t batches) {
    events = calloc(EVENTS_MAX, sizeof *events);
    memset(note_text, 'n', sizeof note_text);
    store_io_observe((struct store_io_observer){.on_event = on_event});
    struct store_options options = bench_options();
    options.redo_bytes_start = REDO_BYTES_START;
    options.redo_bytes_max = REDO_BYTES_MAX;
    if (!bench_open_with(bench, access("/dev/shm", W_OK) == 0 ? "/dev/shm" : NULL, options)) {
        exit(2);
    }
    if (!is_recording || unsynced_before_name != 0) {
        printf("FAILED: the new store got its name before it was synced\n");
        exit(1);
    }
    for (uint32_t index = 0; index < batches; index += 1) {
        batch_record(bench);
        if (random_below(20) == 0) {
            bench_reopen(bench); /* the next batch arms the log again */
        }
    }
    store_io_observe((struct store_io_observer){0});
    store_close(bench->store);
    bench->store = NULL;
}

/* ---- images ---- */

struct shared {
    uint64_t image; /* being looked at */
    uint64_t passed;
    uint64_t failed;
    uint64_t newer;  /* images that held a batch which was not acknowledged yet */
    uint64_t opened; /* that were also opened for writing */
    uint64_t arming; /* that were taken while the log was being armed */
    uint64_t at_event;
};

static struct shared *shared;

static void image_write(enum file_name file, const char *data, int64_t offset, size_t bytes) {
    if (pwrite(files[file].image_fd, data, bytes, offset) != (ssize_t)bytes) {
        die("pwrite");
    }
}

/* The sectors of a write arrive or not, one by one or up to a point. */
static void image_write_torn(const struct event *event) {
    bool is_prefix = random_below(2) == 0;
    uint32_t cut = (uint32_t)random_below(event->bytes / SECTOR_BYTES + 1);
    uint32_t sector = 0;
    for (uint32_t at = 0; at < event->bytes; sector += 1) {
        int64_t position = event->offset + at;
        uint32_t room = SECTOR_BYTES - (uint32_t)(position % SECTOR_BYTES);
        uint32_t part = event->bytes - at < room ? event->bytes - at : room;
        if (is_prefix ? sector < cut : random_below(2) == 0) {
            image_write(event->file, event->data + at, position, part);
        }
        at += part;
    }
}

/* Takes a file back to what is on the disk for sure. Opening an image may have written to any of
 * its pages. */
static void file_restore(enum file_name file) {
    static char found[FILE_BYTES_MAX];
    const struct file *of = &files[file];
    ssize_t got = pread(of->image_fd, found, sizeof found, 0);
    if (got < 0) {
        die("pread");
    }
    for (size_t at = 0; at < of->bytes; at += PAGE_BYTES) {
        size_t part = of->bytes - at < PAGE_BYTES ? of->bytes - at : PAGE_BYTES;
        if (at + part > (size_t)got || memcmp(found + at, of->base + at, part) != 0) {
            image_write(file, of->base + at, (int64_t)at, part);
        }
    }
    if (ftruncate(of->image_fd, (off_t)of->bytes) != 0) {
        die("ftruncate");
    }
}

static char finding_text[600];

static void on_report(void *ctx, const char *line) {
    (void)ctx;
    if (strncmp(line, "damaged", 7) == 0) {
        (void)snprintf(finding_text, sizeof finding_text, "%s", line);
    }
}

static bool items_match(struct store_bench *bench, const struct model *model) {
    const struct store_view *view = store_snapshot(bench->store);
    uint64_t count = 0;
    for (uint32_t number = 0; number < ITEMS; number += 1) {
        char name[64];
        struct item found;
        struct id id = id_from_number(number);
        enum err err =
            store_get(view, scope_system, &item_table, id_bytes(&id), &bench->arena, &found);
        int64_t version = model->item_versions[number];
        count += version == 0 ? 0 : 1;
        if (version == 0) {
            if (err != ERR_NOT_FOUND) {
                return false;
            }
            continue;
        }
        struct item wanted = item_make(number, version, name);
        if (err != ERR_OK || !item_equal(&found, &wanted)) {
            return false;
        }
    }
    return store_count(view, &item_table) == count;
}

static bool rest_matches(struct store_bench *bench, const struct model *model) {
    const struct store_view *view = store_snapshot(bench->store);
    uint64_t words = 0;
    for (uint32_t number = 0; number < WORDS; number += 1) {
        char text[16];
        struct word wanted = word_make(number, model->word_counts[number], text);
        struct word found;
        enum err err =
            store_get(view, scope_system, &word_table, wanted.word, &bench->arena, &found);
        if (wanted.count == 0 ? err != ERR_NOT_FOUND
                              : err != ERR_OK || found.count != wanted.count) {
            return false;
        }
        words += wanted.count == 0 ? 0 : 1;
    }
    uint8_t memory[8];
    struct entry entry;
    bool has_last = model->entry_count == 0 || store_get(view, scope_system, &entry_table,
                                                         store_key_int(model->entry_count, memory),
                                                         &bench->arena, &entry) == ERR_OK;
    return has_last && store_count(view, &word_table) == words &&
           store_count(view, &entry_table) == (uint64_t)model->entry_count;
}

/* What is wrong with the opened image, or NULL. */
static const char *store_judge(struct store_bench *bench, uint64_t acked, uint64_t newest) {
    struct store_stats stats;
    store_stats_read(bench->store, &stats);
    if (stats.sequence < acked) {
        return "an acknowledged batch is lost";
    }
    if (stats.sequence > newest) {
        return "a batch that was never committed is there";
    }
    if (!hash_equal(stats.chain, chains[stats.sequence])) {
        return "the chain of write sets is another one";
    }
    if (store_fsck(bench->store, on_report, NULL) != ERR_OK) {
        return finding_text;
    }
    const struct model *model = &models[stats.sequence];
    if (!items_match(bench, model) || !rest_matches(bench, model)) {
        return "the records are not those of the batch";
    }
    shared->newer += stats.sequence > acked ? 1 : 0;
    return NULL;
}

static const char *image_open_and_judge(struct store_bench *bench, bool is_read_only,
                                        uint64_t acked, uint64_t newest) {
    static char text[700];
    const char *problem = NULL;
    struct store_options options = bench->options;
    options.is_read_only = is_read_only;
    if (store_open(&bench->store, &options, &problem) != ERR_OK) {
        (void)snprintf(text, sizeof text, "does not open: %s", problem);
        return text;
    }
    problem = store_judge(bench, acked, newest);
    if (problem == NULL && !is_read_only) {
        struct item item = bench_item(bench, 12345, "written after the crash", 1);
        bench_put(bench, &item);
        if (store_fsck(bench->store, on_report, NULL) != ERR_OK) {
            problem = finding_text;
        }
    }
    store_close(bench->store);
    bench->store = NULL;
    arena_reset(&bench->arena);
    return problem;
}

/* ---- what has not reached the disk for sure ---- */

struct pending {
    uint32_t count;
    uint32_t *indexes; /* of writes, in their order */
};
static struct pending pending;
static uint64_t durable_sequence; /* the newest batch of which anything is on the disk */

static void mark_write(const struct event *checkpointed, bool is_base) {
    for (int64_t slot = 0; slot < 2; slot += 1) {
        int64_t offset = slot * checkpointed->offset + REDO_MARK_AT;
        if (is_base) {
            memcpy(files[DATA_FILE].base + offset, checkpointed->data, checkpointed->bytes);
        } else {
            image_write(DATA_FILE, checkpointed->data, offset, checkpointed->bytes);
        }
    }
}

static void base_write(const struct event *event) {
    struct file *of = &files[event->file];
    size_t end = (size_t)event->offset + event->bytes;
    if (end > FILE_BYTES_MAX) {
        fprintf(stderr, "a file is too large\n");
        exit(2);
    }
    if (end > of->bytes) {
        memset(of->base + of->bytes, 0, end - of->bytes);
        of->bytes = end;
    }
    memcpy(of->base + event->offset, event->data, event->bytes);
    durable_sequence = event->sequence > durable_sequence ? event->sequence : durable_sequence;
}

/* The file's writes before `end` have reached the disk. */
static void synced(enum file_name file, uint32_t end) {
    uint32_t kept = 0;
    for (uint32_t index = 0; index < pending.count; index += 1) {
        uint32_t at = pending.indexes[index];
        if (events[at].file == file && at < end) {
            base_write(&events[at]);
        } else {
            pending.indexes[kept] = at;
            kept += 1;
        }
    }
    pending.count = kept;
}

/* Where the checkpoint was begun that is told of at `at`, or that runs then; at = none does. */
static uint32_t checkpoint_begin(uint32_t at) {
    for (uint32_t index = at; index > 0; index -= 1) {
        if (events[index - 1].kind == EVENT_CHECKPOINT) {
            return index - 1;
        }
        if (events[index - 1].kind == EVENT_CHECKPOINTED) {
            break;
        }
    }
    return at;
}

/* Sometimes it has finished, though nobody was told yet. */
static uint32_t checkpoint_maybe(uint32_t at) {
    uint32_t begin = checkpoint_begin(at);
    if (begin == at || random_below(2) == 0) {
        return 0;
    }
    for (uint32_t index = at; index < event_count; index += 1) {
        if (events[index].kind == EVENT_CHECKPOINTED) {
            mark_write(&events[index], false);
            return begin;
        }
        if (events[index].kind == EVENT_CHECKPOINT) {
            break; /* the store was closed meanwhile */
        }
    }
    return 0;
}

/* One image at events[0..at). */
static void image_check(struct store_bench *bench, uint32_t at, uint64_t acked) {
    uint64_t newest = acked > durable_sequence ? acked : durable_sequence;
    uint64_t keep = random_below(101); /* percent: some images lose nearly all, some nothing */
    uint64_t tear = random_below(3) == 0 ? 0 : random_below(101);
    for (int file = 0; file < FILES; file += 1) {
        file_restore((enum file_name)file);
    }
    uint32_t checkpoint = checkpoint_maybe(at);
    bool has_mark_pending = false;
    for (uint32_t index = 0; index < pending.count; index += 1) {
        const struct event *event = &events[pending.indexes[index]];
        newest = event->sequence > newest ? event->sequence : newest;
        has_mark_pending = has_mark_pending || is_arming(event);
        bool is_there = event->file == DATA_FILE && pending.indexes[index] < checkpoint;
        if (!is_there && random_below(100) < tear) {
            image_write_torn(event);
        } else if (is_there || random_below(100) < keep) {
            image_write(event->file, event->data, event->offset, event->bytes);
        }
    }
    bool is_written = random_below(16) == 0;
    shared->at_event = at;
    const char *problem = image_open_and_judge(bench, !is_written, acked, newest);
    shared->opened += is_written ? 1 : 0;
    shared->arming += has_mark_pending ? 1 : 0;
    if (problem == NULL) {
        shared->passed += 1;
    } else {
        shared->failed += 1;
        printf("  FAILED image %" PRIu64 " at event %u, batch %" PRIu64 " acknowledged: %s\n",
               shared->image, at, acked, problem);
    }
    shared->image += 1;
}

static void images_open(const char *folder) {
    for (int file = 0; file < FILES; file += 1) {
        char path[600];
        (void)snprintf(path, sizeof path, "%s/%s", folder, file_names[file]);
        files[file].image_fd = open(path, O_RDWR);
        if (files[file].image_fd < 0) {
            die(path);
        }
    }
}

/* What was issued before events[at] and has finished by now: a sync has, when something comes after
 * it. */
static void event_finish(uint32_t at) {
    const struct event *event = &events[at];
    if (event->kind == EVENT_SYNC) {
        synced(event->file, at);
    } else if (event->kind == EVENT_CHECKPOINTED) {
        synced(DATA_FILE, checkpoint_begin(at));
        mark_write(event, true);
    }
}

static void replay(struct store_bench *bench, uint64_t images) {
    enum { FAILURES_SHOWN_MAX = 20 };
    uint64_t acked = 0;
    uint64_t made = 0;
    pending.indexes = calloc(EVENTS_MAX, sizeof *pending.indexes);
    images_open(bench->folder);
    for (uint32_t at = 0; at <= event_count && shared->failed < FAILURES_SHOWN_MAX; at += 1) {
        if (at >= 2) {
            event_finish(at - 2);
        }
        if (at >= 1 && events[at - 1].kind == EVENT_ACK) {
            acked = events[at - 1].sequence;
        }
        if (at >= 1 && events[at - 1].kind == EVENT_WRITE) {
            pending.indexes[pending.count] = at - 1;
            pending.count += 1;
        }
        while (made * (event_count + 1) < images * (at + 1)) {
            image_check(bench, at, acked);
            made += 1;
        }
    }
}

static void arguments_read(int argc, char **argv, uint64_t *images, uint32_t *batches) {
    for (int index = 1; index + 1 < argc; index += 2) {
        const char *name = argv[index];
        const char *value = argv[index + 1];
        if (strcmp(name, "--images") == 0) {
            *images = strtoull(value, NULL, 0);
        } else if (strcmp(name, "--batches") == 0) {
            *batches = (uint32_t)strtoul(value, NULL, 0);
        } else if (strcmp(name, "--seed") == 0) {
            seed = strtoull(value, NULL, 0);
        } else if (strcmp(name, "--canary") == 0) {
            canary = value;
            store_redo_trust(strcmp(canary, "trust") == 0);
        } else {
            fprintf(stderr, "unknown option %s\n", name);
            exit(2);
        }
    }
    if (*batches == 0 || *batches > BATCHES_MAX) {
        fprintf(stderr, "--batches: 1 to %d\n", BATCHES_MAX);
        exit(2);
    }
}

int main(int argc, char **argv) {
    uint64_t images = IMAGES_DEFAULT;
    uint32_t batches = BATCHES_DEFAULT;
    const char *given = getenv("TEST_SEED");
    seed = given != NULL && given[0] != '\0' ? strtoull(given, NULL, 0)
                                             : (uint64_t)time(NULL) * 1000 + (uint64_t)getpid();
    setvbuf(stdout, NULL, _IOLBF, 0);
    arguments_read(argc, argv, &images, &batches);
    random_state = seed;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        die("mmap");
    }
    struct store_bench bench;
    record(&bench, batches);
    printf("seed %" PRIu64 ", %" PRIu64 " batches, %u events, again: %s --seed %" PRIu64
           " --images %" PRIu64 " --batches %u\n",
           seed, sequence_last, event_count, argv[0], seed, images, batches);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        replay(&bench, images);
        exit(0);
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (status != 0) {
        printf("  FAILED image %" PRIu64 " at event %" PRIu64 ": it ended its reader (status %x)\n",
               shared->image, shared->at_event, status);
        shared->failed += 1;
    }
    bench_close(&bench);
    printf("%" PRIu64 " images, %" PRIu64 " with a batch not acknowledged yet, %" PRIu64
           " written on, %" PRIu64 " while the log was armed\n",
           shared->image, shared->newer, shared->opened, shared->arming);
    if (shared->arming == 0) {
        printf("  FAILED: no image lies in the arming of the log\n");
        shared->failed += 1;
    }
    printf("%" PRIu64 " passed, %" PRIu64 " failed\n", shared->passed, shared->failed);
    return shared->failed == 0 && shared->passed > 0 ? 0 : 1;
}
