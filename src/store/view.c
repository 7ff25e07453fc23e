/*
 * Reading: snapshots, records by primary key and by unique index. A snapshot is one LMDB read
 * transaction that is renewed once per tick; it shares nothing with the batch's transaction, so it
 * may be used while a commit waits for the disk. LMDB shows a commit to new snapshots only when
 * its meta page is synced.
 */
#include "store/internal.h"

#include "os/log.h"

#include <string.h>

static int view_begin(struct store *store, struct store_view *view) {
    if (view->txn == NULL) {
        return mdb_txn_begin(store->env, NULL, MDB_RDONLY, &view->txn);
    }
    return mdb_txn_renew(view->txn);
}

enum err store_view_open(struct store *store, struct store_view *view) {
    CHECK(!view->is_open);
    int code = view_begin(store, view);
    if (code == MDB_MAP_RESIZED) {
        /* Another process has grown the map; we have no transaction open. */
        code = mdb_env_set_mapsize(store->env, 0);
        if (code == 0) {
            code = view_begin(store, view);
        }
    }
    if (code != 0) {
        log_error("store", "cannot read: %s", mdb_strerror(code));
        return ERR_IO;
    }
    view->store = store;
    view->is_open = true;
    view->is_writing = false;
    return ERR_OK;
}

void store_view_close(struct store_view *view) {
    CHECK(view->scans_open == 0);
    if (view->is_open) {
        mdb_txn_reset(view->txn);
        view->is_open = false;
    }
}

struct store_view *store_snapshot(struct store *store) {
    if (!store->snapshot.is_open && store_view_open(store, &store->snapshot) != ERR_OK) {
        store_panic("no snapshot", MDB_PANIC);
    }
    return &store->snapshot;
}

void store_tick_end(struct store *store) {
    store_view_close(&store->snapshot);
}

void store_corrupt_log(const struct table *table, struct str key, const char *what) {
    char memory[2 * STORE_KEY_BYTES_MAX];
    struct buf hex = buf_over(memory, sizeof memory);
    buf_put_hex(&hex, key.data, key.len);
    log_error("store", "table %s, key %.*s: %s", table->name, STR_ARG(buf_str(&hex)), what);
}

/* Is this record to be seen? `table` may be an older row than the one at open. */
static bool scope_covers(struct store_scope scope, const struct table *table,
                         const struct codec_parts *parts) {
    if (scope.kind == STORE_SCOPE_SYSTEM || table->scope_offset == 0) {
        return true;
    }
    CHECK(scope.kind == STORE_SCOPE_OWNER);
    uint32_t index = codec_field_index(table->schema, table->scope_offset);
    struct str owner = parts->values[index];
    return (parts->present >> index & 1) != 0 && str_equal(owner, id_bytes(&scope.owner));
}

enum err store_record_open(const struct store_view *view, struct store_scope scope,
                           const struct table *table, struct str key, struct str bytes,
                           struct arena *arena, void *record) {
    const struct store *store = view->store;
    struct codec_place place = {.table = table, .key = key};
    struct codec_parts parts;
    CHECK(scope.kind == STORE_SCOPE_SYSTEM || scope.kind == STORE_SCOPE_OWNER);
    enum err err = codec_split(&place, bytes, &parts);
    if (err == ERR_OK && !scope_covers(scope, table, &parts)) {
        return ERR_NOT_FOUND;
    }
    if (err == ERR_OK) {
        const struct seal_key *seal = store->has_seal_key ? &store->seal : NULL;
        err = codec_decode(&place, seal, &parts, arena, record);
    }
    if (err == ERR_CORRUPT) {
        store_corrupt_log(table, key, "the record fails its checks");
    }
    return err;
}

/* A read that LMDB refuses means pages that make no sense. */
static enum err read_code_err(const struct table *table, struct str key, int code) {
    if (code == MDB_NOTFOUND) {
        return ERR_NOT_FOUND;
    }
    store_corrupt_log(table, key, mdb_strerror(code));
    return ERR_CORRUPT;
}

static enum err record_get(const struct store_view *view, struct store_scope scope,
                           const struct table *table, struct str key, struct arena *arena,
                           void *record) {
    const struct store_table *handle = store_table_of(view->store, table);
    MDB_val lmdb_key = store_val(key);
    MDB_val data;
    int code = mdb_get(view->txn, handle->dbi, &lmdb_key, &data);
    if (code != 0) {
        return read_code_err(table, key, code);
    }
    return store_record_open(view, scope, table, key, store_str(data), arena, record);
}

enum err store_get(const struct store_view *view, struct store_scope scope,
                   const struct table *table, struct str key, struct arena *arena, void *record) {
    char memory[STORE_PRIMARY_BYTES_MAX];
    CHECK(view->is_open);
    if (key.len == 0) {
        return ERR_NOT_FOUND;
    }
    struct str fitted = store_key_fit(key, STORE_PRIMARY_BYTES_MAX, memory);
    return record_get(view, scope, table, fitted, arena, record);
}

enum err store_find(const struct store_view *view, struct store_scope scope,
                    const struct table *table, uint32_t index, struct str key, struct arena *arena,
                    void *record) {
    const struct store_table *handle = store_table_of(view->store, table);
    CHECK(view->is_open);
    CHECK(index < handle->row->index_count);
    const struct store_index *row = &handle->indexes[index];
    CHECK(row->row->is_unique);
    char memory[STORE_KEY_BYTES_MAX];
    if (key.len == 0) {
        return ERR_NOT_FOUND;
    }
    struct str fitted = store_key_fit(key, row->values_bytes_max, memory);
    MDB_val lmdb_key = store_val(fitted);
    MDB_val primary;
    int code = mdb_get(view->txn, row->dbi, &lmdb_key, &primary);
    if (code != 0) {
        return read_code_err(table, fitted, code);
    }
    MDB_val data;
    code = mdb_get(view->txn, handle->dbi, &primary, &data);
    if (code != 0) {
        store_corrupt_log(table, store_str(primary), "an index names a record that is not there");
        return ERR_CORRUPT;
    }
    return store_record_open(view, scope, table, store_str(primary), store_str(data), arena,
                             record);
}

uint64_t store_count(const struct store_view *view, const struct table *table) {
    const struct store_table *handle = store_table_of(view->store, table);
    MDB_stat stat;
    CHECK(view->is_open);
    STORE_MUST(mdb_stat(view->txn, handle->dbi, &stat));
    return stat.ms_entries;
}
