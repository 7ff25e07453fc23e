/*
 * From what the store holds to what the program has: tables, schema version, indexes. Runs in the
 * first transaction of every open for writing; all of it is committed together or nothing. Where
 * they agree already nothing is put, and LMDB commits that without a write.
 */
#include "store/internal.h"

#include "os/log.h"

#include <stdio.h>
#include <string.h>

static void report_say(const struct store *store, const char *line) {
    log_info("store", "%s", line);
    if (store->options.report != NULL) {
        store->options.report(store->options.report_ctx, line);
    }
}

enum err store_problem(const char **problem, enum err err, const char *what, const char *name) {
    static char text[STORE_NAME_BYTES + 128];
    (void)snprintf(text, sizeof text, "%s%s", what, name);
    *problem = text;
    return err;
}

/* ---- tables and index databases ---- */

static enum err dbi_open(struct store *store, MDB_txn *txn, const char *name, MDB_dbi *dbi,
                         const char **problem) {
    unsigned flags = store->options.is_read_only ? 0 : MDB_CREATE;
    int code = mdb_dbi_open(txn, name, flags, dbi);
    if (code == MDB_NOTFOUND) {
        return store_problem(problem, ERR_NOT_FOUND,
                             "start the server once to bring the store up to date: no ", name);
    }
    return code == 0 ? ERR_OK : store_problem(problem, ERR_CORRUPT, mdb_strerror(code), "");
}

static enum err dbis_open(struct store *store, MDB_txn *txn, const char **problem) {
    char name[STORE_NAME_BYTES];
    enum err err = dbi_open(store, txn, "_meta", &store->meta, problem);
    for (uint32_t index = 0; index < store->table_count && err == ERR_OK; index += 1) {
        struct store_table *table = &store->tables[index];
        err = dbi_open(store, txn, table->row->name, &table->dbi, problem);
        for (uint32_t row = 0; row < table->row->index_count && err == ERR_OK; row += 1) {
            store_index_name(table, row, name);
            err = dbi_open(store, txn, name, &table->indexes[row].dbi, problem);
        }
    }
    return err;
}

/* ---- the rows "format", "seal", "state", "table:NAME" ---- */

static enum err format_check(struct store *store, MDB_txn *txn, bool *is_new,
                             const char **problem) {
    uint8_t format = 0;
    enum err err = store_meta_get(store, txn, "format", &format, sizeof format);
    *is_new = err == ERR_NOT_FOUND;
    if (*is_new && !store->options.is_read_only) {
        format = STORE_FORMAT;
        store_meta_put(store, txn, "format", &format, sizeof format);
        err = ERR_OK;
    }
    if (err != ERR_OK) {
        return store_problem(problem, ERR_CORRUPT, "the meta table is damaged", "");
    }
    if (format != STORE_FORMAT) {
        return store_problem(problem, ERR_FORMAT, "the store was made by a newer Coffer", "");
    }
    return ERR_OK;
}

static enum err seal_check(struct store *store, MDB_txn *txn, bool is_new, const char **problem) {
    static const char proof[] = "Coffer seal key";
    enum { SEALED_BYTES = sizeof proof - 1 + SEAL_OVERHEAD_BYTES };
    char memory[SEALED_BYTES];
    struct buf sealed = buf_over(memory, sizeof memory);
    if (!store->has_seal_key) {
        return ERR_OK;
    }
    if (is_new) {
        enum err err = seal_put(&store->seal, STR("_meta.seal"), STR("0123456789abcdef"),
                                str_from_c(proof), &sealed);
        CHECK(err == ERR_OK);
        store_meta_put(store, txn, "seal", memory, sealed.len);
        return ERR_OK;
    }
    char opened_memory[sizeof proof];
    struct buf opened = buf_over(opened_memory, sizeof opened_memory);
    if (store_meta_get(store, txn, "seal", memory, SEALED_BYTES) != ERR_OK) {
        return store_problem(problem, ERR_CORRUPT, "the meta table is damaged", "");
    }
    if (seal_open(&store->seal, STR("_meta.seal"), (struct str){memory, SEALED_BYTES}, &opened) !=
        ERR_OK) {
        return store_problem(problem, ERR_CRYPTO, "the seal key is not this store's", "");
    }
    return ERR_OK;
}

static enum err state_load(struct store *store, MDB_txn *txn, bool is_new, const char **problem) {
    if (is_new) {
        store_state_write(store, txn, &store->state);
        return ERR_OK;
    }
    if (store_state_read(store, txn, &store->state) != ERR_OK) {
        return store_problem(problem, ERR_CORRUPT, "the meta table is damaged", "");
    }
    return ERR_OK;
}

static enum err table_check(struct store *store, MDB_txn *txn, const struct table *row,
                            const char **problem) {
    char name[STORE_NAME_BYTES];
    uint16_t stored[2] = {0, 0};
    (void)snprintf(name, sizeof name, "table:%s", row->name);
    enum err err = store_meta_get(store, txn, name, stored, sizeof stored);
    if (err == ERR_CORRUPT) {
        return store_problem(problem, err, "the meta table is damaged at ", name);
    }
    bool is_known = err == ERR_OK;
    if (is_known && stored[0] != row->id) {
        return store_problem(problem, ERR_FORMAT, "the store knows another id for ", name);
    }
    if (is_known && stored[1] > row->version) {
        return store_problem(problem, ERR_FORMAT, "a newer Coffer wrote ", name);
    }
    if (!store->options.is_read_only && (!is_known || stored[1] != row->version)) {
        stored[0] = row->id;
        stored[1] = row->version;
        store_meta_put(store, txn, name, stored, sizeof stored);
    }
    return ERR_OK;
}

static bool table_is_known(const struct store *store, struct str name) {
    for (uint32_t index = 0; index < store->table_count; index += 1) {
        if (str_equal(name, str_from_c(store->tables[index].row->name))) {
            return true;
        }
    }
    return false;
}

/* A table that the program does not have would be left out of fsck, export and erasure. */
static enum err tables_check(struct store *store, MDB_txn *txn, const char **problem) {
    enum err err = ERR_OK;
    for (uint32_t index = 0; index < store->table_count && err == ERR_OK; index += 1) {
        err = table_check(store, txn, store->tables[index].row, problem);
    }
    MDB_cursor *cursor = NULL;
    STORE_MUST(mdb_cursor_open(txn, store->meta, &cursor));
    MDB_val key = store_val(STR("table:"));
    MDB_val data;
    int code = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE);
    while (err == ERR_OK && code == 0 && str_starts(store_str(key), STR("table:"))) {
        struct str name = str_slice(store_str(key), sizeof "table:" - 1, (uint32_t)key.mv_size);
        if (!table_is_known(store, name)) {
            err = store_problem(problem, ERR_FORMAT, "the program lacks a table of the store", "");
        }
        code = mdb_cursor_get(cursor, &key, &data, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return err;
}

/* ---- schema versions ---- */

static enum err steps_run(struct store *store, MDB_txn *txn, uint32_t version,
                          const char **problem) {
    const struct store_options *options = &store->options;
    char line[256];
    store_tx_start(store, txn);
    store->tx.is_migrating = true;
    for (uint32_t from = version; from <= options->migration_count; from += 1) {
        const struct store_migration *step = &options->migrations[from - 1];
        CHECK(step->from == from);
        (void)snprintf(line, sizeof line, "migration %u of %u: %s", from, options->migration_count,
                       step->doc);
        report_say(store, line);
        enum err err = step->run(&store->tx, options->report, options->report_ctx);
        if (err != ERR_OK) {
            return store_problem(problem, err, "a migration failed: ", step->doc);
        }
    }
    store->tx.is_migrating = false;
    bool has_writes = store->tx.batch_writes > 0;
    struct store_state state = store_tx_finish(&store->tx, 0);
    if (has_writes) {
        store->state = state;
        store_state_write(store, txn, &state);
    }
    return ERR_OK;
}

static enum err schema_migrate(struct store *store, MDB_txn *txn, bool is_new, bool *has_migrated,
                               const char **problem) {
    uint32_t current = store->options.migration_count + 1;
    uint32_t version = current;
    enum err err = is_new ? ERR_OK : store_meta_get(store, txn, "schema", &version, sizeof version);
    if (err != ERR_OK || version == 0) {
        return store_problem(problem, ERR_CORRUPT, "the meta table is damaged", "");
    }
    if (version > current) {
        return store_problem(problem, ERR_FORMAT, "the store was made by a newer Coffer", "");
    }
    if (version < current && store->options.is_read_only) {
        return store_problem(problem, ERR_FORMAT,
                             "start the server once to bring the store up to date", "");
    }
    *has_migrated = version < current;
    if (*has_migrated) {
        err = steps_run(store, txn, version, problem);
    }
    if (err == ERR_OK && (is_new || version < current)) {
        store_meta_put(store, txn, "schema", &current, sizeof current);
    }
    return err;
}

enum err store_migrate(struct store *store, MDB_txn *txn, const char **problem) {
    bool is_new = false;
    bool has_migrated = false;
    enum err err = dbis_open(store, txn, problem);
    if (err == ERR_OK) {
        err = format_check(store, txn, &is_new, problem);
    }
    if (err == ERR_OK) {
        err = seal_check(store, txn, is_new, problem);
    }
    if (err == ERR_OK) {
        err = state_load(store, txn, is_new, problem);
    }
    if (err == ERR_OK) {
        err = tables_check(store, txn, problem);
    }
    if (err == ERR_OK) {
        err = schema_migrate(store, txn, is_new, &has_migrated, problem);
    }
    if (err == ERR_OK) {
        err = store_indexes_prepare(store, txn, has_migrated, problem);
    }
    return err;
}
