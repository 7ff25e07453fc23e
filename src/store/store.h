/*
 * The store: one LMDB environment in one folder. It guarantees
 *   - a batch is on disk, whole, before store_batch_fn's on_committed is called; or the process
 *     has exited (nothing was acknowledged);
 *   - reads see one consistent snapshot, also while a commit waits for the disk;
 *   - every record carries a checksum over table, key and contents; secret fields are sealed;
 *   - a record of another tenant is not found (scope below), whoever asks;
 *   - indexes, write set and sequence number always agree with the records.
 *
 * Tables are constant rows (struct table): schema, primary key, indexes, scope. The program hands
 * in the list of all tables at open.
 *
 * States of the batch:  IDLE -> RUNNING (on its own stack) <-> PARKED (waiting for the disk or
 * yielding to the loop) -> IDLE. Only store_batch_start and store_batch_step move it.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "crypto/hash.h"
#include "json/schema.h"

/* ---- table rows ---- */

struct table_index {
    const char *name;    /* LMDB database name is "TABLE.NAME" */
    uint32_t offsets[4]; /* struct offsets of the indexed members, in order */
    uint32_t offset_count;
    bool is_unique; /* else the primary key follows the indexed values */
    bool is_folded; /* texts without the case of A-Z: search by a prefix that people type */
};
/* A record whose first indexed member is absent or null is not in the index; a later member that is
 * absent counts as zero or empty. Indexed texts and bytes need a .max of at most 1,024. An index
 * whose row changes is rebuilt at the next open. */

/* What a table's rows are to a person: export and erasure derive from it (engine/person.h). Every
 * table of the program says something; the start refuses one that does not. */
enum table_person_kind {
    PERSON_UNSAID,
    PERSON_NOBODY, /* about no person, or nothing but ids that point to one */
    PERSON_SELF,   /* one row per person: the table that the others are `of` */
    PERSON_APART,  /* of people who are no users: their domain's endpoints show and remove them */
    PERSON_DATA,   /* exported; removed by erasure */
    PERSON_MARKS,  /* hashes and the like that say nothing: not exported; removed by erasure */
    PERSON_KEPT,   /* exported; erasure leaves them, pseudonymous, or to their domain */
};
struct table_person {
    enum table_person_kind kind;
    /* DATA, MARKS, KEPT: the rows of one row of table `of` are those whose index (or STORE_PRIMARY)
     * begins with its primary key, an ID, or with these ID and TEXT fields of it. */
    const char *of;
    uint32_t index;
    const char *by[2];
};

struct table {
    const char *name;
    uint16_t id;      /* in checksums and write sets: never reused */
    uint16_t version; /* of the schema; stored with each record */
    const struct schema *schema;
    uint32_t key_offset; /* struct offset of the primary key: an ID, INT or TEXT/BYTES member.
                          * INT keys that only grow (logs) fill their pages completely. */
    /* Struct offset of the FIELD_ID member that says whose record this is; 0 = belongs to nobody
     * (offset 0 is struct schema_set, so 0 is never a member): every view sees the table. */
    uint32_t scope_offset;
    const struct table_index *indexes;
    uint32_t index_count;
    struct table_person person;
    const char *doc;
};

/* ---- opening ---- */

struct store;
struct store_tx;

struct store_seal_key {
    uint8_t bytes[32];
};

typedef void (*store_report)(void *ctx, const char *line); /* progress and findings, no newline */

/*
 * A step of the schema: brings a store from version `from` to `from` + 1. The list is in order and
 * starts at 1; the program's schema version is its length + 1, and a new store has that from the
 * start. All pending steps run at open, in one transaction: all or nothing.
 *
 * Fields and tables that are only added need no step, nor do indexes (they are rebuilt when their
 * row changes). A step reads old records by a table row of its own (same name and id, the old
 * schema and version) and puts them by the program's row. Inside it indexes do not exist: they are
 * rebuilt behind the last step.
 */
struct store_migration {
    uint32_t from;
    enum err (*run)(struct store_tx *tx, store_report report, void *ctx);
    const char *doc; /* one line, reported before it runs */
};

struct store_options {
    const char *folder;                /* DIR/data.mdb; made when missing (first-boot ritual) */
    const struct table *const *tables; /* all tables of the program */
    uint32_t table_count;
    const struct store_migration *migrations;
    uint32_t migration_count;
    /* All zero: none given. Then nothing can be written and secrets are absent from records; for
     * fsck and backup. A key that is not the store's is refused. */
    struct store_seal_key seal_key;
    uint64_t map_bytes_start; /* 0 = default; grows by itself */
    uint64_t map_bytes_max;   /* 0 = default */
    /* Map and disk that a batch must find free, at least what its commands may write; 0 = default.
     * Below it store_has_room is false, below a quarter of it store_batch_start refuses. */
    uint64_t headroom_bytes;
    /* Of each of the two files of the redo log: at first, and the most it may become; a multiple of
     * the page size. 0 = default. */
    uint64_t redo_bytes_start;
    uint64_t redo_bytes_max;
    bool is_read_only;   /* fsck, backup of a live server */
    store_report report; /* progress of migrations; may be NULL */
    void *report_ctx;
};

/* A folder has one writer at a time: ERR_EXISTS when another process has it open for writing. On
 * failure *problem is a sentence for the log (constant or static memory). The tables' rows are
 * checked: a bad one is our own bug and ends the process. Where there is nothing to recover, make
 * or migrate, nothing is written; nor by store_close if no batch ran. */
enum err store_open(struct store **store, const struct store_options *options,
                    const char **problem);
/* No batch is running (CHECKed). NULL is allowed. */
void store_close(struct store *store);

/* ---- reading ---- */

/* Whose records a view may see. SYSTEM sees all: only for jobs and administrators. */
enum store_scope_kind { STORE_SCOPE_SYSTEM = 1, STORE_SCOPE_OWNER };
struct store_scope {
    enum store_scope_kind kind;
    struct id owner;
};

struct store_view; /* a read snapshot, or the inside of a batch; never kept across a tick */

/* The snapshot of this tick: made at the first call of a tick, dropped by store_tick_end; also by
 * store_batch_start and when a batch becomes durable, so that whoever was answered sees it. */
struct store_view *store_snapshot(struct store *store);
void store_tick_end(struct store *store);

/* By primary key. On success *record is the decoded record; texts live in the arena. ERR_NOT_FOUND
 * (also for another owner's record), ERR_CORRUPT (logged), ERR_NO_MEMORY. */
enum err store_get(const struct store_view *view, struct store_scope scope,
                   const struct table *table, struct str key, struct arena *arena, void *record);
/* The key of a FIELD_ID table: store_get(view, scope, table, id_bytes(&id), ...). INT keys are 8
 * bytes from store_key_int. */
struct str store_key_int(int64_t value, uint8_t memory[8]);

/* By a unique index: `key` from store_key_* of the indexed members. */
enum err store_find(const struct store_view *view, struct store_scope scope,
                    const struct table *table, uint32_t index, struct str key, struct arena *arena,
                    void *record);
/* Composes an index key or a prefix of one, from parts in index order: IDs (16 bytes),
 * INT/TIME/ENUM/BOOL (8 bytes, sign flipped), TEXT/BYTES (any bytes; key.c escapes 00 and 01).
 * `is_last`: true for the last part of a unique index, and where a prefix is to match longer texts
 * too; false everywhere else. */
void store_key_put_id(struct buf *key, struct id id);
void store_key_put_int(struct buf *key, int64_t value);
void store_key_put_text(struct buf *key, struct str text, bool is_last);
/* The same for an index whose is_folded is set. */
void store_key_put_folded(struct buf *key, struct str text, bool is_last);

/* Range scan over the primary key (index = STORE_PRIMARY) or an index, restricted to a key prefix
 * (may be empty), ascending or descending, starting behind `after` (row_key of an earlier row;
 * STR_NONE = from the start). Bounded by the caller. The struct must not move while it is open;
 * `prefix` must live until it is closed. In a batch the rows may be changed while scanning. Where
 * the owner is the first part of the index no other owner's rows are touched. */
enum { STORE_PRIMARY = 0xffffffffu };
struct store_scan {
    const struct store_view *view;
    struct store_scope scope;
    const struct table *table;
    uint32_t index;
    struct str prefix;
    bool is_descending;
    void *cursor; /* MDB_cursor, or NULL: then every step seeks */
    bool is_started;
    char after[STORE_KEY_BYTES_MAX + 1];
    uint32_t after_len;
    struct str row_key; /* key of the row last returned, for the next page; until the next step */
};
/* ERR_CURSOR_INVALID when `after` cannot be a key. */
enum err store_scan_open(struct store_scan *scan, const struct store_view *view,
                         struct store_scope scope, const struct table *table, uint32_t index,
                         struct str prefix, struct str after, bool is_descending);
/* ERR_END when there is no more. Rows of other owners are skipped. */
enum err store_scan_next(struct store_scan *scan, struct arena *arena, void *record);
void store_scan_close(struct store_scan *scan);

uint64_t store_count(const struct store_view *view, const struct table *table);

/* ---- writing: inside a batch only ---- */

struct store_tx; /* also a view */
const struct store_view *store_tx_view(const struct store_tx *tx);

/* Insert or replace; keeps the indexes. Cannot fail: a disk or map error here ends the process
 * (nothing was acknowledged). A unique index hit by another record is our bug: check() looked. So
 * is a record above STORE_RECORD_BYTES_MAX (store_record_fits). Replacing another owner's record
 * is possible: the scope is for reading. */
void store_put(struct store_tx *tx, const struct table *table, const void *record);
/* Removes by primary key, with its index rows. Removing what is not there does nothing. */
void store_del(struct store_tx *tx, const struct table *table, struct str key);

/* For check(): is the record small enough to be put? */
bool store_record_fits(const struct store_view *view, const struct table *table,
                       const void *record);

/* Begins a command: `entropy` feeds the seals of its secrets. Must precede its first write.
 * store_tx_changes: what it changed so far, "users.full_name,users.updated_at", for the audit; a
 * new record counts with all its members, a removed one as "users". At most 1,024 bytes, then
 * "...". */
void store_tx_command(struct store_tx *tx, const uint8_t entropy[32]);
struct str store_tx_changes(const struct store_tx *tx);
uint32_t store_tx_write_count(const struct store_tx *tx); /* puts and deletes since tx_command */

/* ---- batches ---- */

/* Runs the commands, on the batch's own stack: no epoll, no waiting. May be called twice for the
 * same batch in test builds (the first run is thrown away and compared): it must be deterministic
 * and reset what it produced. Returns how many commands it has applied. */
typedef uint32_t (*store_batch_run)(struct store_tx *tx, void *ctx);
/* Called from store_batch_step when the batch is durable; may start the next one. */
typedef void (*store_batch_done)(void *ctx);

/* CHECKs that no batch is running and no scan of the snapshot is open (the map may move). Runs up
 * to the first wait before it returns; that of the first batch is before `run`. ERR_STORE_FULL (and
 * nothing done) when the disk or the map's limit leaves no headroom for a batch of writes. */
enum err store_batch_start(struct store *store, store_batch_run run, store_batch_done done,
                           void *ctx);
bool store_batch_is_busy(const struct store *store);
/* False = refuse all new writes but deletions (507): what is left is for them. Costs a look at the
 * disk: ask once per batch. */
bool store_has_room(struct store *store);
/* Descriptor that becomes readable when the batch can go on; then call store_batch_step. Also call
 * it once per tick while store_batch_wants_cpu(store) (it yields every 200 us). */
int store_wait_fd(const struct store *store);
bool store_batch_wants_cpu(const struct store *store);
void store_batch_step(struct store *store);
/* Inside `run`: gives the loop a turn if this slice has used its time. */
void store_tx_breathe(struct store_tx *tx);

/* ---- facts ---- */

struct store_stats {
    uint64_t sequence; /* of the last committed batch */
    uint64_t commits;
    uint64_t commands;
    uint64_t map_bytes;
    uint64_t used_bytes;
    int64_t last_commit_us; /* begin to durable */
    int64_t last_sync_us;   /* of it, waiting for the disk */
    struct hash chain;      /* of all write sets: SHA-256(chain before, sequence, writes) */
};
void store_stats_read(const struct store *store, struct store_stats *stats);

/* ---- maintenance (separate processes of the same binary) ---- */

/* Checks every record's checksum, key and schema, recomputes every index both ways, the number of
 * rows and the content sum that every batch carries forward (a record that is valid but old, or
 * missing, breaks it). Returns ERR_OK or ERR_CORRUPT; `report` gets one line per finding. Of a
 * read-only store: one snapshot of it. */
enum err store_fsck(struct store *store, store_report report, void *ctx);
/* A consistent, compact copy of a live environment into one new file (ERR_EXISTS rather than
 * overwrite one), synced. A crash leaves FILE.partial at most. */
enum err store_backup(struct store *store, const char *file, store_report report, void *ctx);
/* Makes `folder` from a backup file: refuses an existing store; verifies before the rename. */
enum err store_restore(const char *file, const struct store_options *options, store_report report,
                       void *ctx);

#endif
