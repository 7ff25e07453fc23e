/*
 * Indexes as a whole: an index whose row has changed since it was written (other members, other
 * types, other uniqueness, other folding), or that is new while its table is not, is built again
 * from the records. The meta table keeps each index's signature for that, in the row
 * "index:TABLE.NAME".
 */
#include "store/internal.h"

#include "os/log.h"

#include <stdio.h>
#include <string.h>

enum { SIGNATURE_BYTES = 2 + 3 * STORE_INDEX_PARTS_MAX };

void store_index_name(const struct store_table *table, uint32_t index,
                      char name[STORE_NAME_BYTES]) {
    (void)snprintf(name, STORE_NAME_BYTES, "%s.%s", table->row->name,
                   table->indexes[index].row->name);
}

static void signature_make(const struct store_table *table, uint32_t number,
                           uint8_t signature[SIGNATURE_BYTES]) {
    const struct store_index *index = &table->indexes[number];
    memset(signature, 0, SIGNATURE_BYTES);
    struct buf out = buf_over(signature, SIGNATURE_BYTES);
    buf_put_byte(&out, STORE_FORMAT);
    buf_put_byte(&out,
                 (uint8_t)((index->row->is_unique ? 1 : 0) | (index->row->is_folded ? 2 : 0)));
    for (uint32_t part = 0; part < index->row->offset_count; part += 1) {
        const struct field *field = &table->row->schema->fields[index->fields[part]];
        buf_put_be16(&out, field->tag);
        buf_put_byte(&out, (uint8_t)field->type);
    }
    CHECK(!out.is_full);
}

/* One record into one index. */
static enum err row_build(struct store *store, MDB_txn *txn, const struct store_table *table,
                          uint32_t number, struct str key, struct str bytes) {
    const struct store_index *index = &table->indexes[number];
    struct codec_place place = {.table = table->row, .key = key};
    struct codec_parts parts;
    char memory[STORE_KEY_BYTES_MAX];
    struct str index_key;
    enum err err = codec_split(&place, bytes, &parts);
    if (err == ERR_OK) {
        err = store_index_key(store, table, number, &parts, key, memory, &index_key);
    }
    if (err != ERR_OK || str_is_none(index_key)) {
        return err;
    }
    uint8_t len[2] = {(uint8_t)(key.len >> 8), (uint8_t)key.len};
    MDB_val lmdb_key = store_val(index_key);
    MDB_val data = store_val(index->row->is_unique ? key : (struct str){(char *)len, sizeof len});
    int code = mdb_put(txn, index->dbi, &lmdb_key, &data, MDB_NOOVERWRITE);
    if (code == MDB_KEYEXIST) {
        return ERR_CONFLICT;
    }
    STORE_MUST(code);
    return ERR_OK;
}

static enum err index_build(struct store *store, MDB_txn *txn, const struct store_table *table,
                            uint32_t number, const char *name, const char **problem) {
    MDB_cursor *cursor = NULL;
    MDB_val key;
    MDB_val data;
    enum err err = ERR_OK;
    STORE_MUST(mdb_drop(txn, table->indexes[number].dbi, 0));
    STORE_MUST(mdb_cursor_open(txn, table->dbi, &cursor));
    uint64_t count = 0;
    while (err == ERR_OK && mdb_cursor_get(cursor, &key, &data, MDB_NEXT) == 0) {
        err = row_build(store, txn, table, number, store_str(key), store_str(data));
        count += 1;
    }
    mdb_cursor_close(cursor);
    if (err == ERR_CONFLICT) {
        return store_problem(problem, err, "two records have the same value for ", name);
    }
    if (err != ERR_OK) {
        return store_problem(problem, err, "a damaged record stops the index ", name);
    }
    if (count > 0) {
        log_info("store", "index %s is built from %llu records", name, (unsigned long long)count);
    }
    return ERR_OK;
}

static enum err index_prepare(struct store *store, MDB_txn *txn, const struct store_table *table,
                              uint32_t number, bool is_forced, const char **problem) {
    uint8_t wanted[SIGNATURE_BYTES];
    uint8_t stored[SIGNATURE_BYTES];
    char name[STORE_NAME_BYTES];
    char meta_name[STORE_NAME_BYTES + 8];
    store_index_name(table, number, name);
    (void)snprintf(meta_name, sizeof meta_name, "index:%s", name);
    signature_make(table, number, wanted);
    enum err err = store_meta_get(store, txn, meta_name, stored, sizeof stored);
    if (err == ERR_OK && !is_forced && memcmp(wanted, stored, sizeof wanted) == 0) {
        return ERR_OK;
    }
    if (store->options.is_read_only) {
        return store_problem(problem, ERR_FORMAT,
                             "start the server once to bring the store up to date: ", name);
    }
    err = index_build(store, txn, table, number, name, problem);
    if (err == ERR_OK) {
        store_meta_put(store, txn, meta_name, wanted, sizeof wanted);
    }
    return err;
}

/* Without writing each name down (store_index_name): every start asks once per index. */
static bool index_is_known(const struct store *store, struct str name) {
    struct str index_name = name;
    struct str table_name = str_split(&index_name, '.');
    for (uint32_t table = 0; table < store->table_count; table += 1) {
        const struct table *row = store->tables[table].row;
        if (!str_equal(table_name, str_from_c(row->name))) {
            continue;
        }
        for (uint32_t index = 0; index < row->index_count; index += 1) {
            if (str_equal(index_name, str_from_c(row->indexes[index].name))) {
                return true;
            }
        }
    }
    return false;
}

/* An index that came back one day with its old signature must not find its old rows. */
static void index_remove(struct store *store, MDB_txn *txn, const char *meta_name) {
    MDB_dbi dbi;
    MDB_val key = store_val(str_from_c(meta_name));
    if (mdb_dbi_open(txn, meta_name + sizeof "index:" - 1, 0, &dbi) == 0) {
        STORE_MUST(mdb_drop(txn, dbi, 1));
    }
    STORE_MUST(mdb_del(txn, store->meta, &key, NULL));
    log_info("store", "%s is no longer used: removed", meta_name);
}

/* The first index row of the meta table that no index of the program has. */
static bool unknown_find(struct store *store, MDB_txn *txn, char meta_name[STORE_NAME_BYTES + 8]) {
    MDB_cursor *cursor = NULL;
    MDB_val key = store_val(STR("index:"));
    MDB_val data;
    bool is_found = false;
    STORE_MUST(mdb_cursor_open(txn, store->meta, &cursor));
    int code = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE);
    while (code == 0 && !is_found && str_starts(store_str(key), STR("index:"))) {
        struct str name = str_slice(store_str(key), sizeof "index:" - 1, (uint32_t)key.mv_size);
        is_found = !index_is_known(store, name) && key.mv_size < STORE_NAME_BYTES + 8;
        if (is_found) {
            memcpy(meta_name, key.mv_data, key.mv_size);
            meta_name[key.mv_size] = '\0';
        }
        code = mdb_cursor_get(cursor, &key, &data, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return is_found;
}

enum err store_indexes_prepare(struct store *store, MDB_txn *txn, bool is_all,
                               const char **problem) {
    char unknown[STORE_NAME_BYTES + 8];
    enum err err = ERR_OK;
    for (uint32_t table = 0; table < store->table_count; table += 1) {
        for (uint32_t index = 0; index < store->tables[table].row->index_count; index += 1) {
            if (err == ERR_OK) {
                err = index_prepare(store, txn, &store->tables[table], index, is_all, problem);
            }
        }
    }
    while (err == ERR_OK && !store->options.is_read_only && unknown_find(store, txn, unknown)) {
        index_remove(store, txn, unknown);
    }
    return err;
}
