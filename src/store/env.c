/*
 * Open and close. What store_open guarantees:
 *   - one writer per folder, by a lock on the folder;
 *   - a new store appears whole or not at all: it is built in data.new/, synced, and renamed;
 *   - tables and indexes are those of the program (migrate.c);
 *   - when nothing of that is to be done, nothing is written: the redo log is armed by the first
 *     batch (batch.c), and a store that never had one closes as it was opened.
 *
 * The last process may have ended because the disk refused a flush. Then the page cache has what
 * the disk has not, and calls it clean. Why whoever reads it now is not told what a power cut could
 * take back, and why arming may say that data.mdb is on the disk (redo.h):
 *   - A store with a mark was not closed. The log has all entries behind the last flush of data.mdb
 *     that succeeded. Recovery writes each of them again, its meta page at least, flushes, and only
 *     then takes the mark away; should one of these fail, the store does not open.
 *   - A store without a mark was closed, or recovered: data.mdb was flushed, with success, before
 *     the mark went. A failed checkpoint leaves the mark, for it may be that very failure of which
 *     the flush behind it is not told. A flush that fails behind the mark's removal puts it back.
 *   - A new store, or a restored one, was flushed before it got its name. The flush of the name
 *     itself may have failed; arming flushes the folder, before the first answer.
 *   - One kind of commit has no entry: that of tables, indexes and migrations at an opening. LMDB
 *     flushes its pages, and then writes and flushes the meta page; a process that was killed in
 *     between can leave that meta page in the cache alone. A power cut takes the step back, and the
 *     next opening does it again from the same records: nobody's write was in it. If a batch was
 *     committed on top, its entry has a meta page of its own, and pages that refer to none but what
 *     was flushed.
 */
#include "store/internal.h"

#include "os/log.h"
#include "os/mem.h"
#include "os/panic.h"

#include <stdio.h>
#include <string.h>

#define MAP_BYTES_START_DEFAULT (UINT64_C(1) << 30)
/* Address space is 2^47 bytes; one store may have a sixteenth of it. */
#define MAP_BYTES_MAX_DEFAULT (UINT64_C(1) << 43)
/* The largest batch: 256 commands with a record of 1 MiB each, and the pages that move with it. */
#define HEADROOM_BYTES_DEFAULT (UINT64_C(320) << 20)
#define MAP_GRAIN_BYTES (UINT64_C(1) << 20)

_Noreturn void store_panic(const char *what, int code) {
    char text[512];
    (void)snprintf(text, sizeof text, "%s: %s", what, mdb_strerror(code));
    panic_exit("store", text);
}

/* ---- rows ---- */

const struct store_table *store_table_of(const struct store *store, const struct table *table) {
    CHECK(table->id <= STORE_TABLE_ID_MAX);
    uint16_t slot = store->table_by_id[table->id];
    CHECK(slot != 0);
    return &store->tables[slot - 1];
}

static void text_bound_check(const struct table *row, const struct field *field) {
    if (field->max <= 0 || field->max > STORE_INDEXED_TEXT_MAX) {
        log_error("store", "table %s: indexed text %s needs a .max of at most %d", row->name,
                  field->name, STORE_INDEXED_TEXT_MAX);
        CHECK(field->max > 0 && field->max <= STORE_INDEXED_TEXT_MAX);
    }
}

static void index_init(struct store_table *table, uint32_t number) {
    const struct table *row = table->row;
    struct store_index *index = &table->indexes[number];
    index->row = &row->indexes[number];
    CHECK(index->row->name != NULL);
    CHECK(index->row->offset_count >= 1 && index->row->offset_count <= STORE_INDEX_PARTS_MAX);
    for (uint32_t part = 0; part < index->row->offset_count; part += 1) {
        uint32_t at = codec_field_index(row->schema, index->row->offsets[part]);
        const struct field *field = &row->schema->fields[at];
        CHECK(field->type != FIELD_OBJECT && field->type != FIELD_LIST);
        CHECK(field->type != FIELD_JSON);
        CHECK((field->flags & FIELD_SECRET) == 0);
        CHECK(field->tag != 0);
        if (field->type == FIELD_TEXT || field->type == FIELD_BYTES) {
            text_bound_check(row, field);
        }
        index->fields[part] = at;
    }
    enum field_type key_type = row->schema->fields[table->key_field].type;
    uint32_t primary_max = key_type == FIELD_ID    ? (uint32_t)ID_BYTES
                           : key_type == FIELD_INT ? 8
                                                   : (uint32_t)STORE_PRIMARY_BYTES_MAX;
    index->values_bytes_max = STORE_KEY_BYTES_MAX - (index->row->is_unique ? 0 : primary_max);
}

static void table_init(struct store *store, const struct table *row) {
    const char *problem = NULL;
    if (!codec_schema_is_storable(row->schema, &problem)) {
        log_error("store", "table %s: %s", row->name, problem);
        CHECK(false);
    }
    CHECK(row->id > 0 && row->id <= STORE_TABLE_ID_MAX);
    CHECK(store->table_by_id[row->id] == 0);
    CHECK(row->name != NULL && row->name[0] != '_' && strlen(row->name) < 64);
    CHECK(row->index_count <= STORE_INDEXES_PER_TABLE_MAX);
    struct store_table *table = &store->tables[store->table_count];
    table->row = row;
    table->key_field = codec_field_index(row->schema, row->key_offset);
    const struct field *key = &row->schema->fields[table->key_field];
    CHECK(key->tag != 0 && (key->flags & FIELD_SECRET) == 0);
    CHECK(key->type == FIELD_ID || key->type == FIELD_INT || key->type == FIELD_TEXT ||
          key->type == FIELD_BYTES);
    if (row->scope_offset != 0) {
        uint32_t scope = codec_field_index(row->schema, row->scope_offset);
        CHECK(row->schema->fields[scope].type == FIELD_ID);
        CHECK(row->schema->fields[scope].tag != 0);
    }
    for (uint32_t number = 0; number < row->index_count; number += 1) {
        index_init(table, number);
    }
    store->table_count += 1;
    store->table_by_id[row->id] = (uint16_t)store->table_count;
}

/* ---- the environment ---- */

static void problem_say(const char **problem, const char *what, const char *why) {
    static char text[STORE_PATH_BYTES + 256];
    (void)snprintf(text, sizeof text, "%s: %s", what, why);
    *problem = text;
}

static MDB_dbi dbis_max(const struct store *store) {
    uint32_t count = 1;
    for (uint32_t index = 0; index < store->table_count; index += 1) {
        count += 1 + STORE_INDEXES_PER_TABLE_MAX;
    }
    return count + STORE_INDEXES_PER_TABLE_MAX; /* and indexes that are to go */
}

/* LMDB takes the configured map, however large the store has become: the first transaction would
 * find it full. A migration may have to write everything anew beside the old, more than once. */
static int map_prepare(struct store *store) {
    MDB_envinfo info;
    MDB_stat stat;
    int code = mdb_env_info(store->env, &info);
    code = code == 0 ? mdb_env_stat(store->env, &stat) : code;
    if (code != 0 || store->options.is_read_only) {
        return code;
    }
    uint64_t used = ((uint64_t)info.me_last_pgno + 1) * stat.ms_psize;
    uint64_t wanted = used * 4 + store->options.headroom_bytes;
    wanted = (wanted + MAP_GRAIN_BYTES - 1) / MAP_GRAIN_BYTES * MAP_GRAIN_BYTES;
    wanted = wanted < store->options.map_bytes_max ? wanted : store->options.map_bytes_max;
    return wanted <= info.me_mapsize ? 0 : mdb_env_set_mapsize(store->env, (size_t)wanted);
}

static int tree_glance(MDB_txn *txn, MDB_dbi dbi) {
    MDB_cursor *cursor = NULL;
    MDB_val key;
    MDB_val data;
    int code = mdb_cursor_open(txn, dbi, &cursor);
    if (code != 0) {
        return code;
    }
    code = mdb_cursor_get(cursor, &key, &data, MDB_FIRST);
    if (code == 0) {
        code = mdb_cursor_get(cursor, &key, &data, MDB_LAST);
    }
    mdb_cursor_close(cursor);
    return code == MDB_NOTFOUND ? 0 : code;
}

/* Touches both ends of every tree, so that a file that was cut off is found here, at the start,
 * and not by the first request that needs a page behind its end. */
static int env_glance(struct store *store) {
    MDB_txn *txn = NULL;
    int code = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);
    for (uint32_t index = 0; code == 0 && index < store->table_count; index += 1) {
        const struct store_table *table = &store->tables[index];
        code = tree_glance(txn, table->dbi);
        for (uint32_t other = 0; code == 0 && other < table->row->index_count; other += 1) {
            code = tree_glance(txn, table->indexes[other].dbi);
        }
    }
    if (txn != NULL) {
        mdb_txn_abort(txn);
    }
    return code;
}

static int env_open(struct store *store, const char *folder) {
    int flags = MDB_NOTLS | (store->options.is_read_only ? MDB_RDONLY : 0);
    int code = mdb_env_create(&store->env);
    if (code != 0) {
        return code;
    }
    code = mdb_env_set_maxdbs(store->env, dbis_max(store));
    if (code == 0 && !store->options.is_read_only) {
        code = mdb_env_set_mapsize(store->env, store->options.map_bytes_start);
    }
    if (code == 0) {
        code = mdb_env_open(store->env, folder, (unsigned)flags, 0600);
    }
    if (code == 0) {
        code = mdb_env_get_fd(store->env, &store->data_fd);
    }
    if (code == 0) {
        code = map_prepare(store);
    }
    if (code == 0) {
        int dead = 0; /* slots of killed readers would keep old pages from being used again */
        code = mdb_reader_check(store->env, &dead);
    }
    return code;
}

static void env_close(struct store *store) {
    if (store->env != NULL) {
        mdb_env_close(store->env);
        store->env = NULL;
    }
}

/* The first transaction: opens or makes all tables and brings them to the program's state. */
static enum err env_prepare(struct store *store, const char **problem) {
    bool is_read_only = store->options.is_read_only;
    MDB_txn *txn = NULL;
    int code = mdb_txn_begin(store->env, NULL, is_read_only ? MDB_RDONLY : 0, &txn);
    if (code != 0) {
        problem_say(problem, "data.mdb", mdb_strerror(code));
        return ERR_IO;
    }
    enum err err = store_migrate(store, txn, problem);
    if (err != ERR_OK) {
        mdb_txn_abort(txn);
        return err;
    }
    code = mdb_txn_commit(txn);
    if (code != 0) {
        problem_say(problem, "first commit", mdb_strerror(code));
        return ERR_IO;
    }
    code = env_glance(store);
    if (code != 0) {
        problem_say(problem, "data.mdb", mdb_strerror(code));
        return ERR_CORRUPT;
    }
    return ERR_OK;
}

/* LMDB takes an empty file for a new store; ours are never empty. */
static bool file_is_empty(const char *folder) {
    char path[STORE_PATH_BYTES];
    uint64_t bytes = 1;
    int fd = -1;
    if (store_file_open_read(store_path_in(folder, "data.mdb", path), &fd, &bytes) != ERR_OK) {
        return false;
    }
    store_fd_close(fd);
    return bytes == 0;
}

static enum err env_open_prepared(struct store *store, const char *folder, const char **problem) {
    if (file_is_empty(folder)) {
        problem_say(problem, "data.mdb", "the file is empty: restore a backup");
        return ERR_CORRUPT;
    }
    enum err err = store_redo_recover(folder, store->options.is_read_only, problem);
    if (err != ERR_OK) {
        return err;
    }
    panic_on_bad_map("store", "data.mdb is damaged or was cut off: restore a backup");
    int code = env_open(store, folder);
    if (code != 0) {
        problem_say(problem, folder, mdb_strerror(code));
        env_close(store);
        return code == MDB_INVALID || code == MDB_CORRUPTED || code == MDB_VERSION_MISMATCH
                   ? ERR_CORRUPT
                   : ERR_IO;
    }
    err = env_prepare(store, problem);
    if (err != ERR_OK) {
        env_close(store);
    }
    return err;
}

/* ---- first boot ---- */

static enum err new_store_build(struct store *store, const char **problem) {
    char path[STORE_PATH_BYTES];
    enum err err =
        env_open_prepared(store, store_path_in(store->folder, "data.new", path), problem);
    if (err != ERR_OK) {
        return err;
    }
    env_close(store);
    *problem = store_file_problem();
    err = store_file_sync(store_path_in(store->folder, "data.new/data.mdb", path));
    return err == ERR_OK ? store_new_publish(store->folder) : err;
}

static enum err first_boot(struct store *store, const char **problem) {
    *problem = store_file_problem();
    enum err err = store_new_folder_make(store->folder);
    return err == ERR_OK ? new_store_build(store, problem) : err;
}

/* ---- open and close ---- */

static void options_default(struct store_options *options) {
    if (options->map_bytes_max == 0) {
        options->map_bytes_max = MAP_BYTES_MAX_DEFAULT;
    }
    if (options->headroom_bytes == 0) {
        options->headroom_bytes = HEADROOM_BYTES_DEFAULT;
    }
    if (options->map_bytes_start == 0) {
        options->map_bytes_start = MAP_BYTES_START_DEFAULT;
    }
    if (options->redo_bytes_start == 0) {
        options->redo_bytes_start = REDO_SEGMENT_BYTES_START;
    }
    if (options->redo_bytes_max == 0) {
        options->redo_bytes_max = REDO_SEGMENT_BYTES_MAX;
    }
    if (options->map_bytes_start > options->map_bytes_max) {
        options->map_bytes_start = options->map_bytes_max;
    }
}

static void seal_key_take(struct store *store) {
    struct secret_key key;
    static const struct secret_key none;
    memcpy(key.bytes, store->options.seal_key.bytes, sizeof key.bytes);
    store->has_seal_key = !crypto_equal(key.bytes, none.bytes, sizeof key.bytes);
    if (store->has_seal_key) {
        seal_key_open(&store->seal, &key);
    }
    crypto_wipe(&key, sizeof key);
    crypto_wipe(&store->options.seal_key, sizeof store->options.seal_key);
}

static enum err store_open_files(struct store *store, const char **problem) {
    char path[STORE_PATH_BYTES];
    enum err err = ERR_OK;
    if (!store->options.is_read_only) {
        if (!store->has_seal_key) {
            *problem = "writing needs the seal key";
            return ERR_CRYPTO;
        }
        err = store_folder_claim(store->folder, &store->lock_fd, problem);
        if (err == ERR_OK && !store_file_exists(store_path_in(store->folder, "data.mdb", path))) {
            err = first_boot(store, problem);
        }
    } else if (!store_file_exists(store_path_in(store->folder, "data.mdb", path))) {
        *problem = "there is no data.mdb in the folder";
        err = ERR_NOT_FOUND;
    }
    if (err == ERR_OK) {
        err = env_open_prepared(store, store->folder, problem);
    }
    if (err == ERR_OK && !store->options.is_read_only) {
        *problem = "no memory for the batch's stack, or no descriptors";
        err = store_batch_open(store);
    }
    return err;
}

enum err store_open(struct store **out, const struct store_options *options, const char **problem) {
    CHECK(options->table_count <= STORE_TABLES_MAX);
    *out = NULL;
    *problem = "the path of the store is too long";
    if (strlen(options->folder) + sizeof "/data.new/data.mdb" > STORE_PATH_BYTES) {
        return ERR_FULL;
    }
    struct store *store = mem_reserve(sizeof *store);
    if (store == NULL) {
        *problem = "no memory for the store";
        return ERR_NO_MEMORY;
    }
    store->options = *options;
    store->lock_fd = -1;
    options_default(&store->options);
    (void)snprintf(store->folder, sizeof store->folder, "%s", options->folder);
    store->options.folder = store->folder;
    store_redo_init(&store->io.redo, store->folder, store->options.redo_bytes_start,
                    store->options.redo_bytes_max);
    seal_key_take(store);
    for (uint32_t index = 0; index < options->table_count; index += 1) {
        table_init(store, options->tables[index]);
    }
    enum err err = store_open_files(store, problem);
    if (err != ERR_OK) {
        store_close(store);
        return err;
    }
    (void)store_has_room(store); /* for the statistics */
    *problem = NULL;
    *out = store;
    return ERR_OK;
}

void store_close(struct store *store) {
    if (store == NULL) {
        return;
    }
    store_view_close(&store->snapshot);
    if (store->snapshot.txn != NULL) {
        mdb_txn_abort(store->snapshot.txn);
    }
    store_batch_close(store);
    env_close(store);
    store_fd_close(store->lock_fd);
    if (store->has_seal_key) {
        seal_key_close(&store->seal);
    }
    crypto_wipe(store->record, sizeof store->record);
    mem_release(store, sizeof *store);
}
