/*
 * What the store's files share; nobody else includes it.
 *
 *   env.c      open and close           boot.c     a new store appears whole
 *   meta.c     the meta table           migrate.c  from what is stored to what the program has
 *   batch.c    the batch's states       fiber.c    its stack
 *   io.c       system calls, threads    codec.c    records as bytes
 *   view.c     snapshots, get, find     scan.c     range scans
 *   write.c    put, del, write set      key.c      keys of tables and indexes
 *   index.c    rebuilds indexes         fsck.c     proof of everything that is derived
 *   redo.c     the redo log             redo_recover.c  what it says after a crash
 *   backup.c   copy and restore         room.c     space for a batch
 */
#ifndef STORE_INTERNAL_H
#define STORE_INTERNAL_H

#include <lmdb.h>

#include "crypto/hash.h"
#include "store/codec.h"
#include "store/io.h"
#include "store/store.h"

enum {
    STORE_FORMAT = 1, /* of the meta table and everything that is not a record */
    STORE_TABLE_ID_MAX = 1023,
    /* A text as primary key: longer ones end in their hash (key.c). Leaves index keys 256 bytes. */
    STORE_PRIMARY_BYTES_MAX = 255,
    STORE_INDEX_PARTS_MAX = 4,
    /* Indexed texts: their schema must bound them; a key is composed in fixed memory. */
    STORE_INDEXED_TEXT_MAX = 1024,
    STORE_KEY_SCRATCH_BYTES = STORE_INDEX_PARTS_MAX * (STORE_INDEXED_TEXT_MAX * 4 * 2 + 1),
    STORE_CHANGES_BYTES_MAX = 1024,
};

struct store_index {
    const struct table_index *row;
    MDB_dbi dbi;
    uint32_t fields[STORE_INDEX_PARTS_MAX];
    uint32_t values_bytes_max; /* of its key; a primary key may follow */
};

struct store_table {
    const struct table *row;
    MDB_dbi dbi;
    uint32_t key_field;
    struct store_index indexes[STORE_INDEXES_PER_TABLE_MAX];
};

struct store_view {
    struct store *store;
    MDB_txn *txn;
    bool is_open;
    bool is_writing; /* the inside of a batch */
    uint32_t scans_open;
};

/* The row "state" of the meta table: changes with every batch. */
struct store_state {
    uint64_t sequence;
    uint64_t commands;
    uint64_t content;  /* sum over all records of store_content_term */
    struct hash chain; /* of the write sets */
};

struct store_tx {
    struct store_view view;
    struct store_state state;
    struct hash_stream writes; /* previous chain value, sequence, then each write */
    bool is_migrating;         /* indexes are not kept: they are all rebuilt afterwards */
    uint64_t batch_writes;
    uint32_t command_writes;
    uint8_t entropy[32];
    struct buf changes;
    char changes_memory[STORE_CHANGES_BYTES_MAX + 4];
};

/*
 * IDLE --store_batch_start--> RUNNING <--> WAITING (the fiber rests: disk or its turn)
 *   ^                            |
 *   +------ store_batch_step ----+ (run() and commit are through)
 */
enum batch_state { BATCH_IDLE, BATCH_RUNNING, BATCH_WAITING };

struct store_batch {
    enum batch_state state;
    bool is_finished; /* the fiber has committed */
    bool is_stopping; /* the fiber is to end */
    store_batch_run run;
    store_batch_done done;
    void *ctx;
    int64_t start_us;
};

struct store {
    MDB_env *env;
    struct store_options options;
    char folder[STORE_PATH_BYTES];
    int lock_fd;
    int data_fd;
    bool has_seal_key;
    struct seal_key seal;
    struct store_table tables[STORE_TABLES_MAX];
    uint32_t table_count;
    uint16_t table_by_id[STORE_TABLE_ID_MAX + 1]; /* index in tables + 1 */
    MDB_dbi meta;
    struct store_view snapshot;
    struct store_tx tx;
    struct store_state state; /* as last committed */
    struct store_batch batch;
    struct store_io io;
    struct fiber fiber;
    uint64_t commits;
    uint64_t map_bytes;
    uint64_t used_bytes;
    int64_t last_commit_us;
    int64_t last_sync_us;
    /* The batch's: LMDB may yield in the middle of a put, when it writes pages out early. */
    char record[CODEC_HEADER_BYTES + STORE_RECORD_BYTES_MAX + 64 * 1024];
    /* For store_record_fits, which readers may call at that moment. */
    char probe[CODEC_HEADER_BYTES + STORE_RECORD_BYTES_MAX + 64 * 1024];
    char key_scratch[STORE_KEY_SCRATCH_BYTES];
    char index_keys[2][STORE_INDEXES_PER_TABLE_MAX][STORE_KEY_BYTES_MAX];
};

/* ---- env.c ---- */

/* An LMDB call failed where nothing may fail: logs and ends the process with PANIC_EXIT_CODE. */
_Noreturn void store_panic(const char *what, int code);
#define STORE_MUST(call)                                                                           \
    do {                                                                                           \
        int store_must_code = (call);                                                              \
        if (store_must_code != 0) {                                                                \
            store_panic(#call, store_must_code);                                                   \
        }                                                                                          \
    } while (0)

const struct store_table *store_table_of(const struct store *store, const struct table *table);
/* ---- room.c ---- */

/* ERR_STORE_FULL when there is no room; grows the map when that is all. No transaction is open. */
enum err store_room_make(struct store *store);

/* ---- boot.c ---- */

/* "FOLDER/NAME" into `path`; the folder's length was checked in store_open. */
const char *store_path_in(const char *folder, const char *name, char path[STORE_PATH_BYTES]);
/* Makes the folder when it is missing and takes its writer's lock. */
enum err store_folder_claim(const char *folder, int *lock_fd, const char **problem);
/* An empty FOLDER/data.new, whatever an interrupted attempt left there. */
enum err store_new_folder_make(const char *folder);
/* The synced FOLDER/data.new/data.mdb becomes FOLDER/data.mdb; data.new goes. */
enum err store_new_publish(const char *folder);

/* ---- meta.c ---- */

/* Rows of the meta table; each value carries a checksum. ERR_NOT_FOUND, ERR_CORRUPT. */
enum err store_meta_get(const struct store *store, MDB_txn *txn, const char *name, void *value,
                        uint32_t bytes);
void store_meta_put(const struct store *store, MDB_txn *txn, const char *name, const void *value,
                    uint32_t bytes);
enum err store_state_read(const struct store *store, MDB_txn *txn, struct store_state *state);
void store_state_write(const struct store *store, MDB_txn *txn, const struct store_state *state);

/* ---- key.c ---- */

/* The primary key of a record in memory / of its parts. `memory` holds STORE_PRIMARY_BYTES_MAX. */
struct str store_key_of_record(const struct store_table *table, const void *record, char *memory);
bool store_key_of_parts(const struct store_table *table, const struct codec_parts *parts,
                        char *memory, struct str *key);
/* What the caller gave as primary key, shortened if need be. */
struct str store_key_fit(struct str key, uint32_t bytes_max, char *memory);
/* The key of a record in an index, into `memory` (STORE_KEY_BYTES_MAX); STR_NONE when the record is
 * not in that index. ERR_CORRUPT when a part is malformed. */
enum err store_index_key(struct store *store, const struct store_table *table, uint32_t index,
                         const struct codec_parts *parts, struct str primary, char *memory,
                         struct str *key);
static inline MDB_val store_val(struct str s) {
    return (MDB_val){.mv_size = s.len, .mv_data = (void *)(uintptr_t)s.data};
}
static inline struct str store_str(MDB_val value) {
    return (struct str){value.mv_data, (uint32_t)value.mv_size};
}

/* ---- view.c ---- */

/* Checks, scopes and decodes a stored record. ERR_NOT_FOUND when it belongs to somebody else. */
enum err store_record_open(const struct store_view *view, struct store_scope scope,
                           const struct table *table, struct str key, struct str bytes,
                           struct arena *arena, void *record);
/* Opens a read transaction, following a map that another process has grown. */
enum err store_view_open(struct store *store, struct store_view *view);
void store_view_close(struct store_view *view);
void store_corrupt_log(const struct table *table, struct str key, const char *what);

/* ---- write.c ---- */

void store_tx_start(struct store *store, MDB_txn *txn);
/* Ends the write set: the new state, to be written and committed. */
struct store_state store_tx_finish(struct store_tx *tx, uint32_t commands);
/* A record's part of store_state.content. */
uint64_t store_content_term(const struct table *table, struct str bytes);

/* ---- batch.c ---- */

enum err store_batch_open(struct store *store);
void store_batch_close(struct store *store);

/* ---- migrate.c ---- */

/* ---- index.c ---- */

/* Rebuilds indexes whose rows have changed, or all; removes those that the program no longer has.
 * For a read-only store: checks that there is nothing to do. */
enum err store_indexes_prepare(struct store *store, MDB_txn *txn, bool is_all,
                               const char **problem);
enum { STORE_NAME_BYTES = 160 }; /* of a table, an index, a row of the meta table */
/* "TABLE.INDEX" */
void store_index_name(const struct store_table *table, uint32_t index, char name[STORE_NAME_BYTES]);
/* Sets *problem to "what name" in static memory and returns err. */
enum err store_problem(const char **problem, enum err err, const char *what, const char *name);

/* Brings meta table, records and indexes to what the program has; inside the first transaction of
 * store_open. For a read-only store: checks that they agree. */
enum err store_migrate(struct store *store, MDB_txn *txn, const char **problem);

#endif
