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

#include "json/schema.h"

/* ---- table rows ---- */

struct table_index {
    const char *name;                      /* LMDB database name is "TABLE.NAME" */
    uint32_t offsets[4];                   /* struct offsets of the indexed members, in order */
    uint32_t offset_count;
    bool is_unique; /* else the primary key follows the indexed values */
};
/* A record whose first indexed member is absent or null is not in the index. */

struct table {
    const char *name;
    uint16_t id; /* in checksums and write sets: never reused */
    uint16_t version; /* of the schema; stored with each record */
    const struct schema *schema;
    uint32_t key_offset; /* struct offset of the primary key: an ID, INT or TEXT/BYTES member */
    /* Struct offset of the FIELD_ID member that says whose record this is; 0 = belongs to nobody
     * (offset 0 is struct schema_set, so 0 is never a member). */
    uint32_t scope_offset;
    const struct table_index *indexes;
    uint32_t index_count;
    const char *doc;
};

/* ---- opening ---- */

struct store;

struct store_seal_key {
    uint8_t bytes[32];
};

struct store_options {
    const char *folder;                /* DIR/data.mdb; made when missing (first-boot ritual) */
    const struct table *const *tables; /* all tables of the program */
    uint32_t table_count;
    struct store_seal_key seal_key;
    uint64_t map_bytes_start; /* 0 = default; grows by itself */
    bool is_read_only;        /* fsck, backup of a live server */
};

/* On failure *problem is a sentence for the log (constant or static memory). */
enum err store_open(struct store **store, const struct store_options *options,
                    const char **problem);
void store_close(struct store *store);

/* ---- reading ---- */

/* Whose records a view may see. SYSTEM sees all: only for jobs and administrators. */
enum store_scope_kind { STORE_SCOPE_SYSTEM = 1, STORE_SCOPE_OWNER };
struct store_scope {
    enum store_scope_kind kind;
    struct id owner;
};

struct store_view; /* a read snapshot, or the inside of a batch; never kept across a tick */

/* The snapshot of this tick: made at the first call of a tick, dropped by store_tick_end. */
struct store_view *store_snapshot(struct store *store);
void store_tick_end(struct store *store);

/* By primary key: the key member of *record is the input (ID, INT or TEXT); on success *record is
 * the decoded record; texts live in the arena. ERR_NOT_FOUND (also for another owner's record),
 * ERR_CORRUPT (logged once), ERR_NO_MEMORY. */
enum err store_get(const struct store_view *view, struct store_scope scope,
                   const struct table *table, struct str key, struct arena *arena, void *record);
/* The key of a FIELD_ID table: store_get(view, scope, table, id_bytes(&id), ...). INT keys are 8
 * bytes from store_key_int. */
struct str store_key_int(int64_t value, uint8_t memory[8]);

/* By a unique index: `key` from store_key_* of the indexed members. */
enum err store_find(const struct store_view *view, struct store_scope scope,
                    const struct table *table, uint32_t index, struct str key, struct arena *arena,
                    void *record);
/* Composes an index key prefix from parts in index order: IDs (16 bytes), INT/TIME/ENUM/BOOL (8
 * bytes, sign flipped), TEXT/BYTES (NUL-free, terminated by one NUL unless last). */
void store_key_put_id(struct buf *key, struct id id);
void store_key_put_int(struct buf *key, int64_t value);
void store_key_put_text(struct buf *key, struct str text, bool is_last);

/* Range scan over the primary key (index = STORE_PRIMARY) or an index, restricted to a key prefix
 * (may be empty), ascending or descending, starting behind `after` (a key of an earlier row;
 * STR_NONE = from the start). Bounded by the caller. */
enum { STORE_PRIMARY = 0xffffffffu };
struct store_scan {
    const struct store_view *view;
    struct store_scope scope;
    const struct table *table;
    uint32_t index;
    struct str prefix;
    bool is_descending;
    void *cursor; /* MDB_cursor */
    bool is_started;
    char after[STORE_KEY_BYTES_MAX + 1];
    uint32_t after_len;
    struct str row_key; /* key of the row last returned, for the next page */
};
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
 * (nothing was acknowledged). A unique index hit by another record is our bug: check() looked. */
void store_put(struct store_tx *tx, const struct table *table, const void *record);
/* Removes by primary key, with its index rows. Removing what is not there does nothing. */
void store_del(struct store_tx *tx, const struct table *table, struct str key);

/* What the current command changed so far: "users.full_name,users.updated_at", for the audit. Reset
 * by store_tx_command. At most 1,024 bytes, then "...". */
void store_tx_command(struct store_tx *tx, const uint8_t entropy[32]);
struct str store_tx_changes(const struct store_tx *tx);
uint32_t store_tx_write_count(const struct store_tx *tx); /* puts and deletes since tx_command */

/* ---- batches ---- */

/* Runs the commands, on the batch's own stack: no epoll, no waiting. May be called twice for the
 * same batch in test builds (the first run is thrown away and compared): it must be deterministic
 * and reset what it produced. Returns how many commands it has applied. */
typedef uint32_t (*store_batch_run)(struct store_tx *tx, void *ctx);
/* Called from store_batch_step when the batch is durable. */
typedef void (*store_batch_done)(void *ctx);

/* CHECKs that no batch is running. Runs up to the first wait before it returns. ERR_STORE_FULL (and
 * nothing done) when the disk or the map's limit leaves no headroom for a batch of writes. */
enum err store_batch_start(struct store *store, store_batch_run run, store_batch_done done,
                           void *ctx);
bool store_batch_is_busy(const struct store *store);
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
};
void store_stats_read(const struct store *store, struct store_stats *stats);

/* ---- maintenance (separate processes of the same binary) ---- */

typedef void (*store_report)(void *ctx, const char *line); /* progress and findings, no newline */

/* Checks every record's checksum and schema, recomputes every index both ways and the write-set
 * chain. Returns ERR_OK or ERR_CORRUPT; `report` gets one line per finding. */
enum err store_fsck(struct store *store, store_report report, void *ctx);
/* A consistent copy of a live environment into one new file (refuses to overwrite), synced. */
enum err store_backup(struct store *store, const char *file, store_report report, void *ctx);
/* Makes `folder` from a backup file: refuses an existing store; verifies before the rename. */
enum err store_restore(const char *file, const struct store_options *options, store_report report,
                       void *ctx);

#endif
