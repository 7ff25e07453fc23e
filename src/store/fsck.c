/*
 * fsck: derives again everything that is derived, from one snapshot.
 *   - every record: checksum, schema, key; keys ascend; LMDB's count of rows is right
 *   - every index: each record is in it with the key that its values give, and nothing else is
 *   - the content sum of the last batch is the sum over the records that are there
 * A secret is opened too when the store was opened with its key.
 */
#include "store/internal.h"

#include "os/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { FSCK_ARENA_BLOCKS = 4 * STORE_RECORD_BYTES_MAX / ARENA_BLOCK_BYTES };

struct fsck {
    struct store *store;
    struct store_view view;
    store_report report;
    void *ctx;
    struct arena arena; /* of one record */
    char *record;       /* room for one decoded record */
    uint32_t record_bytes;
    uint64_t findings;
    uint64_t content;
    uint64_t records;                                 /* of this table */
    uint64_t index_rows[STORE_INDEXES_PER_TABLE_MAX]; /* that its records should have */
};

__attribute__((format(printf, 2, 3))) static void fsck_say(const struct fsck *fsck,
                                                           const char *format, ...) {
    char line[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (fsck->report != NULL) {
        fsck->report(fsck->ctx, line);
    }
}

static void finding(struct fsck *fsck, const char *place, struct str key, const char *what) {
    enum { SHOWN_BYTES_MAX = 64 };
    char memory[2 * SHOWN_BYTES_MAX];
    struct buf hex = buf_over(memory, sizeof memory);
    buf_put_hex(&hex, key.data, key.len < SHOWN_BYTES_MAX ? key.len : SHOWN_BYTES_MAX);
    fsck->findings += 1;
    fsck_say(fsck, "damaged: %s, key %.*s: %s", place, STR_ARG(buf_str(&hex)), what);
}

/* ---- records ---- */

static void fsck_record_indexes(struct fsck *fsck, const struct store_table *table, struct str key,
                                const struct codec_parts *parts) {
    char memory[STORE_KEY_BYTES_MAX];
    for (uint32_t index = 0; index < table->row->index_count; index += 1) {
        const struct store_index *row = &table->indexes[index];
        struct str index_key;
        if (store_index_key(fsck->store, table, index, parts, key, memory, &index_key) != ERR_OK) {
            finding(fsck, table->row->name, key, "a value does not fit its index");
            continue;
        }
        if (str_is_none(index_key)) {
            continue;
        }
        fsck->index_rows[index] += 1;
        uint8_t len[2] = {(uint8_t)(key.len >> 8), (uint8_t)key.len};
        struct str expected = row->row->is_unique ? key : (struct str){(char *)len, sizeof len};
        MDB_val lmdb_key = store_val(index_key);
        MDB_val data;
        int code = mdb_get(fsck->view.txn, row->dbi, &lmdb_key, &data);
        if (code != 0 || !str_equal(store_str(data), expected)) {
            finding(fsck, table->row->name, key, "an index does not have the record");
        }
    }
}

static void fsck_record(struct fsck *fsck, const struct store_table *table, struct str key,
                        struct str bytes) {
    const struct store *store = fsck->store;
    struct codec_place place = {.table = table->row, .key = key};
    struct codec_parts parts;
    char memory[STORE_PRIMARY_BYTES_MAX];
    struct str own_key;
    fsck->records += 1;
    if (codec_split(&place, bytes, &parts) != ERR_OK) {
        finding(fsck, table->row->name, key, "wrong checksum or form");
        return;
    }
    fsck->content += store_content_term(table->row, bytes);
    if (!store_key_of_parts(table, &parts, memory, &own_key) || !str_equal(own_key, key)) {
        finding(fsck, table->row->name, key, "the record says that it has another key");
    }
    CHECK(table->row->schema->struct_bytes <= fsck->record_bytes);
    enum err err = codec_decode(&place, store->has_seal_key ? &store->seal : NULL, &parts,
                                &fsck->arena, fsck->record);
    if (err != ERR_OK) {
        finding(fsck, table->row->name, key,
                err == ERR_NO_MEMORY ? "too large to look at" : "a value is malformed");
    }
    arena_reset(&fsck->arena); /* wipes what secrets it held */
    fsck_record_indexes(fsck, table, key, &parts);
}

/* Walks a tree; keys must ascend. Calls on_row for each. Returns how many there were. */
static uint64_t fsck_walk(struct fsck *fsck, const char *place, MDB_dbi dbi,
                          void (*on_row)(struct fsck *fsck, const void *what, struct str key,
                                         struct str value),
                          const void *what) {
    char last_memory[STORE_KEY_BYTES_MAX];
    struct str last = STR_NONE;
    MDB_cursor *cursor = NULL;
    MDB_val key;
    MDB_val data;
    uint64_t count = 0;
    int code = mdb_cursor_open(fsck->view.txn, dbi, &cursor);
    while (code == 0 && (code = mdb_cursor_get(cursor, &key, &data, MDB_NEXT)) == 0) {
        struct str now = store_str(key);
        if (now.len > STORE_KEY_BYTES_MAX || (!str_is_none(last) && str_compare(last, now) >= 0)) {
            finding(fsck, place, now, "keys do not ascend");
            break;
        }
        memcpy(last_memory, now.data, now.len);
        last = (struct str){last_memory, now.len};
        count += 1;
        on_row(fsck, what, last, store_str(data));
    }
    if (code != 0 && code != MDB_NOTFOUND) {
        finding(fsck, place, last, mdb_strerror(code));
    }
    if (cursor != NULL) {
        mdb_cursor_close(cursor);
    }
    return count;
}

static void fsck_count(struct fsck *fsck, const char *place, MDB_dbi dbi, uint64_t expected,
                       const char *what) {
    MDB_stat stat;
    int code = mdb_stat(fsck->view.txn, dbi, &stat);
    if (code != 0 || stat.ms_entries != expected) {
        finding(fsck, place, STR_NONE, what);
    }
}

static void record_row(struct fsck *fsck, const void *what, struct str key, struct str value) {
    fsck_record(fsck, what, key, value);
}

/* ---- index rows without a record ---- */

struct fsck_index {
    const struct store_table *table;
    uint32_t index;
};

static void index_row(struct fsck *fsck, const void *what, struct str key, struct str value) {
    const struct fsck_index *row = what;
    const struct store_index *index = &row->table->indexes[row->index];
    char memory[STORE_KEY_BYTES_MAX];
    struct codec_parts parts;
    struct str primary = value;
    struct str own_key = STR_NONE;
    if (!index->row->is_unique) {
        uint32_t len =
            value.len == 2 ? (uint32_t)(uint8_t)value.data[0] << 8 | (uint8_t)value.data[1] : 0;
        primary = str_slice(key, key.len - (len < key.len ? len : key.len), key.len);
    }
    struct codec_place place = {.table = row->table->row, .key = primary};
    MDB_val lmdb_key = store_val(primary);
    MDB_val data;
    bool is_known = primary.len > 0 && primary.len <= STORE_PRIMARY_BYTES_MAX &&
                    mdb_get(fsck->view.txn, row->table->dbi, &lmdb_key, &data) == 0 &&
                    codec_split(&place, store_str(data), &parts) == ERR_OK &&
                    store_index_key(fsck->store, row->table, row->index, &parts, primary, memory,
                                    &own_key) == ERR_OK;
    if (!is_known || !str_equal(own_key, key)) {
        finding(fsck, index->row->name, key, "an index row without its record");
    }
}

/* ---- all of it ---- */

static void fsck_table(struct fsck *fsck, const struct store_table *table) {
    const char *name = table->row->name;
    fsck->records = 0;
    memset(fsck->index_rows, 0, sizeof fsck->index_rows);
    uint64_t rows = fsck_walk(fsck, name, table->dbi, record_row, table);
    fsck_count(fsck, name, table->dbi, rows, "the number of records is wrong");
    for (uint32_t index = 0; index < table->row->index_count; index += 1) {
        const struct store_index *row = &table->indexes[index];
        struct fsck_index what = {.table = table, .index = index};
        (void)fsck_walk(fsck, row->row->name, row->dbi, index_row, &what);
        fsck_count(fsck, row->row->name, row->dbi, fsck->index_rows[index],
                   "the number of index rows is wrong");
    }
    fsck_say(fsck, "%s: %llu records, %u indexes", name, (unsigned long long)fsck->records,
             table->row->index_count);
}

static void fsck_state(struct fsck *fsck) {
    struct store_state state;
    if (store_state_read(fsck->store, fsck->view.txn, &state) != ERR_OK) {
        finding(fsck, "_meta", STR("state"), "wrong checksum or form");
    } else if (state.content != fsck->content) {
        finding(fsck, "_meta", STR("state"),
                "the records are not those that the last batch left: some are old or missing");
    }
}

/* Made once: fsck may run again. */
static struct arena_pool *fsck_pool(void) {
    static struct arena_pool pool;
    if (pool.memory == NULL) {
        void *memory = mem_reserve((size_t)FSCK_ARENA_BLOCKS * ARENA_BLOCK_BYTES);
        if (memory == NULL) {
            return NULL;
        }
        arena_pool_init(&pool, memory, FSCK_ARENA_BLOCKS);
    }
    return &pool;
}

static enum err fsck_run(struct fsck *fsck) {
    const struct store *store = fsck->store;
    enum err err = store_view_open(fsck->store, &fsck->view);
    if (err != ERR_OK) {
        return err;
    }
    for (uint32_t index = 0; index < store->table_count; index += 1) {
        fsck_table(fsck, &store->tables[index]);
    }
    fsck_state(fsck);
    store_view_close(&fsck->view);
    mdb_txn_abort(fsck->view.txn);
    return fsck->findings == 0 ? ERR_OK : ERR_CORRUPT;
}

enum err store_fsck(struct store *store, store_report report, void *ctx) {
    struct fsck fsck = {.store = store, .report = report, .ctx = ctx};
    struct arena_pool *pool = fsck_pool();
    fsck.record_bytes = sizeof(struct schema_set);
    for (uint32_t index = 0; index < store->table_count; index += 1) {
        uint32_t bytes = store->tables[index].row->schema->struct_bytes;
        fsck.record_bytes = bytes > fsck.record_bytes ? bytes : fsck.record_bytes;
    }
    fsck.record = mem_reserve(fsck.record_bytes);
    enum err err = ERR_NO_MEMORY;
    if (pool != NULL && fsck.record != NULL) {
        arena_init(&fsck.arena, pool, FSCK_ARENA_BLOCKS * ARENA_BLOCK_BYTES);
        err = fsck_run(&fsck);
    }
    crypto_wipe(fsck.record, fsck.record == NULL ? 0 : fsck.record_bytes);
    mem_release(fsck.record, fsck.record_bytes);
    return err;
}
