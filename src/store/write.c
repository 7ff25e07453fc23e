/*
 * Writing: records, their indexes, and the write set. Everything that changes a table passes
 * through write_one, which hashes it into the chain and keeps the content sum; so the write set of
 * a batch cannot miss a change.
 *
 * Nothing here returns an error: check() has refused what can be refused, and what the disk or the
 * map refuses ends the process before anything was acknowledged.
 */
#include "store/internal.h"

#include <string.h>

enum write_op { WRITE_PUT = 1, WRITE_DEL = 2 };

const struct store_view *store_tx_view(const struct store_tx *tx) {
    return &tx->view;
}

/* ---- the write set ---- */

void store_tx_start(struct store *store, MDB_txn *txn) {
    struct store_tx *tx = &store->tx;
    tx->view = (struct store_view){
        .store = store, .txn = txn, .is_open = true, .is_writing = true, .scans_open = 0};
    tx->state = store->state;
    tx->state.sequence += 1;
    tx->batch_writes = 0;
    hash_stream_init(&tx->writes);
    hash_stream_add(&tx->writes, hash_bytes(&store->state.chain));
    uint8_t sequence[8];
    struct buf bytes = buf_over(sequence, sizeof sequence);
    buf_put_be64(&bytes, tx->state.sequence);
    hash_stream_add(&tx->writes, buf_str(&bytes));
    memset(tx->entropy, 0, sizeof tx->entropy);
    tx->command_writes = 0;
    tx->changes = buf_over(tx->changes_memory, STORE_CHANGES_BYTES_MAX);
}

struct store_state store_tx_finish(struct store_tx *tx, uint32_t commands) {
    tx->state.commands += commands;
    tx->state.chain = hash_stream_value(&tx->writes);
    tx->view.is_open = false;
    return tx->state;
}

uint64_t store_content_term(const struct table *table, struct str bytes) {
    /* The checksum covers table, key and contents; splitmix64's finisher spreads it, so that sums
     * of different records do not cancel out. */
    uint64_t mixed = (uint64_t)table->id << 32 | codec_checksum(bytes);
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ (mixed >> 31);
}

static void write_record(struct store_tx *tx, const struct table *table, enum write_op op,
                         struct str key, struct str value) {
    uint8_t memory[3 + 8];
    struct buf head = buf_over(memory, sizeof memory);
    buf_put_be16(&head, table->id);
    buf_put_byte(&head, (uint8_t)op);
    buf_put_be32(&head, key.len);
    buf_put_be32(&head, value.len);
    hash_stream_add(&tx->writes, buf_str(&head));
    hash_stream_add(&tx->writes, key);
    hash_stream_add(&tx->writes, value);
    tx->batch_writes += 1;
    tx->command_writes += 1;
}

/* ---- the command ---- */

void store_tx_command(struct store_tx *tx, const uint8_t entropy[32]) {
    memcpy(tx->entropy, entropy, sizeof tx->entropy);
    tx->command_writes = 0;
    tx->changes = buf_over(tx->changes_memory, STORE_CHANGES_BYTES_MAX);
}

struct str store_tx_changes(const struct store_tx *tx) {
    return buf_str(&tx->changes);
}

uint32_t store_tx_write_count(const struct store_tx *tx) {
    return tx->command_writes;
}

/* Is "table.field" (or "table") one of the names already? */
static bool change_is_noted(struct str changes, struct str name) {
    struct str rest = changes;
    while (!str_is_none(rest)) {
        if (str_equal(str_split(&rest, ','), name)) {
            return true;
        }
    }
    return false;
}

static void change_note(struct store_tx *tx, const char *table, const char *field) {
    char memory[256];
    struct buf name = buf_over(memory, sizeof memory);
    buf_put_c(&name, table);
    if (field != NULL) {
        buf_put_byte(&name, '.');
        buf_put_c(&name, field);
    }
    struct buf *changes = &tx->changes;
    if (changes->is_full || change_is_noted(buf_str(changes), buf_str(&name))) {
        return;
    }
    if (name.len + 1 > buf_room(changes)) {
        changes->is_full = true;
        memcpy(changes->data + changes->len, "...", 3); /* memory for it is behind the limit */
        changes->cap += 3;
        changes->len += 3;
        return;
    }
    if (changes->len > 0) {
        buf_put_byte(changes, ',');
    }
    buf_put_str(changes, buf_str(&name));
}

static void changes_note(struct store_tx *tx, const struct table *table,
                         const struct codec_parts *old, const struct codec_parts *new) {
    static const struct codec_parts nothing;
    const struct codec_parts *before = old == NULL ? &nothing : old;
    for (uint32_t index = 0; index < table->schema->field_count; index += 1) {
        uint64_t bit = UINT64_C(1) << index;
        bool is_same =
            ((before->present ^ new->present) & bit) == 0 &&
            ((before->null ^ new->null) & bit) == 0 &&
            ((new->present &bit) == 0 || str_equal(before->values[index], new->values[index]));
        if (!is_same) {
            change_note(tx, table->name, table->schema->fields[index].name);
        }
    }
}

/* ---- indexes ---- */

/* Keys of all the table's indexes for one record. */
static void index_keys_make(struct store *store, const struct store_table *table, uint32_t side,
                            const struct codec_parts *parts, struct str primary, struct str *keys) {
    for (uint32_t index = 0; index < table->row->index_count; index += 1) {
        keys[index] = STR_NONE;
        if (parts == NULL) {
            continue;
        }
        enum err err = store_index_key(store, table, index, parts, primary,
                                       store->index_keys[side][index], &keys[index]);
        if (err != ERR_OK) {
            store_panic("a record does not fit its index", MDB_CORRUPTED);
        }
    }
}

static void index_row_put(MDB_txn *txn, const struct store_index *index, struct str key,
                          struct str primary) {
    uint8_t len[2] = {(uint8_t)(primary.len >> 8), (uint8_t)primary.len};
    MDB_val lmdb_key = store_val(key);
    MDB_val data = store_val(index->row->is_unique ? primary : (struct str){(char *)len, 2});
    int code = mdb_put(txn, index->dbi, &lmdb_key, &data, MDB_NOOVERWRITE);
    CHECK(code != MDB_KEYEXIST); /* check() did not look, or the index does not agree */
    STORE_MUST(code);
}

static void indexes_move(struct store_tx *tx, const struct store_table *table,
                         const struct str *old_keys, const struct str *new_keys,
                         struct str primary) {
    MDB_txn *txn = tx->view.txn;
    for (uint32_t index = 0; index < table->row->index_count; index += 1) {
        struct str old = old_keys[index];
        struct str new = new_keys[index];
        if (str_is_none(old) == str_is_none(new) && str_equal(old, new)) {
            continue;
        }
        if (!str_is_none(old)) {
            MDB_val key = store_val(old);
            STORE_MUST(mdb_del(txn, table->indexes[index].dbi, &key, NULL));
        }
        if (!str_is_none(new)) {
            index_row_put(txn, &table->indexes[index], new, primary);
        }
    }
}

/* ---- records ---- */

/* The record under this key, split; false when there is none. The parts and *bytes point into the
 * map or a dirty page and die with the next write. A damaged record cannot be replaced safely: its
 * index rows are unknown. */
static bool old_open(struct store_tx *tx, const struct store_table *table, struct str key,
                     struct str *bytes, struct codec_parts *parts) {
    struct codec_place place = {.table = table->row, .key = key};
    MDB_val lmdb_key = store_val(key);
    MDB_val data;
    int code = mdb_get(tx->view.txn, table->dbi, &lmdb_key, &data);
    if (code == MDB_NOTFOUND) {
        return false;
    }
    STORE_MUST(code);
    *bytes = store_str(data);
    if (codec_split(&place, *bytes, parts) != ERR_OK) {
        store_corrupt_log(table->row, key, "the record to be replaced fails its checks");
        store_panic("a damaged record is in the way", MDB_CORRUPTED);
    }
    return true;
}

/* Numbers that only grow go to the end of the tree, whose pages are then filled completely. */
static bool record_append(struct store_tx *tx, const struct store_table *table, struct str key,
                          struct str value) {
    MDB_val lmdb_key = store_val(key);
    MDB_val data = store_val(value);
    int code = mdb_put(tx->view.txn, table->dbi, &lmdb_key, &data, MDB_APPEND);
    if (code == MDB_KEYEXIST) {
        return false; /* not the largest */
    }
    STORE_MUST(code);
    return true;
}

static struct str record_encode(struct store_tx *tx, const struct store_table *table,
                                struct str key, const void *record, const struct codec_parts *old,
                                struct codec_parts *parts) {
    struct store *store = tx->view.store;
    struct codec_place place = {.table = table->row, .key = key};
    struct buf out = buf_over(store->record, sizeof store->record);
    CHECK(store->has_seal_key);
    codec_encode(&place, &store->seal, (struct str){(char *)tx->entropy, sizeof tx->entropy},
                 record, old, &out);
    CHECK(!out.is_full);
    CHECK(out.len <= STORE_RECORD_BYTES_MAX);
    codec_parts_find(table->row, buf_str(&out), parts);
    return buf_str(&out);
}

/* In a migration the record in the way may be of an older schema: it is counted, not understood,
 * and the indexes wait. */
static void content_take_out(struct store_tx *tx, const struct store_table *table, struct str key) {
    MDB_val lmdb_key = store_val(key);
    MDB_val data;
    int code = mdb_get(tx->view.txn, table->dbi, &lmdb_key, &data);
    if (code == MDB_NOTFOUND) {
        return;
    }
    STORE_MUST(code);
    if (data.mv_size < CODEC_HEADER_BYTES) {
        store_panic("a damaged record is in the way", MDB_CORRUPTED);
    }
    tx->state.content -= store_content_term(table->row, store_str(data));
}

static void migration_put(struct store_tx *tx, const struct store_table *table, struct str key,
                          const void *record) {
    struct codec_parts parts;
    struct str bytes = record_encode(tx, table, key, record, NULL, &parts);
    content_take_out(tx, table, key);
    tx->state.content += store_content_term(table->row, bytes);
    write_record(tx, table->row, WRITE_PUT, key, bytes);
    MDB_val lmdb_key = store_val(key);
    MDB_val data = store_val(bytes);
    STORE_MUST(mdb_put(tx->view.txn, table->dbi, &lmdb_key, &data, 0));
}

static void migration_del(struct store_tx *tx, const struct store_table *table, struct str key) {
    MDB_val lmdb_key = store_val(key);
    content_take_out(tx, table, key);
    write_record(tx, table->row, WRITE_DEL, key, STR_NONE);
    int code = mdb_del(tx->view.txn, table->dbi, &lmdb_key, NULL);
    if (code != MDB_NOTFOUND) {
        STORE_MUST(code);
    }
}

void store_put(struct store_tx *tx, const struct table *table, const void *record) {
    struct store *store = tx->view.store;
    const struct store_table *handle = store_table_of(store, table);
    char key_memory[STORE_PRIMARY_BYTES_MAX];
    struct str old_keys[STORE_INDEXES_PER_TABLE_MAX];
    struct str new_keys[STORE_INDEXES_PER_TABLE_MAX];
    struct codec_parts old;
    struct codec_parts new;
    struct str old_bytes = STR_NONE;
    CHECK(tx->view.is_open);
    CHECK(handle->row == table);
    struct str key = store_key_of_record(handle, record, key_memory);
    if (tx->is_migrating) {
        migration_put(tx, handle, key, record);
        return;
    }
    bool is_number = table->schema->fields[handle->key_field].type == FIELD_INT;
    bool is_put = false;
    bool has_old = false;
    struct str bytes = STR_NONE;
    if (is_number) {
        bytes = record_encode(tx, handle, key, record, NULL, &new);
        is_put = record_append(tx, handle, key, bytes);
    }
    if (!is_put) {
        has_old = old_open(tx, handle, key, &old_bytes, &old);
        bytes = record_encode(tx, handle, key, record, has_old ? &old : NULL, &new);
    }
    changes_note(tx, table, has_old ? &old : NULL, &new);
    index_keys_make(store, handle, 0, has_old ? &old : NULL, key, old_keys);
    index_keys_make(store, handle, 1, &new, key, new_keys);
    tx->state.content -= has_old ? store_content_term(table, old_bytes) : 0;
    tx->state.content += store_content_term(table, bytes);
    write_record(tx, table, WRITE_PUT, key, bytes);
    if (!is_put) {
        MDB_val lmdb_key = store_val(key);
        MDB_val data = store_val(bytes);
        STORE_MUST(mdb_put(tx->view.txn, handle->dbi, &lmdb_key, &data, 0));
    }
    indexes_move(tx, handle, old_keys, new_keys, key);
}

void store_del(struct store_tx *tx, const struct table *table, struct str key) {
    struct store *store = tx->view.store;
    const struct store_table *handle = store_table_of(store, table);
    char key_memory[STORE_PRIMARY_BYTES_MAX];
    struct str old_keys[STORE_INDEXES_PER_TABLE_MAX];
    struct str new_keys[STORE_INDEXES_PER_TABLE_MAX];
    struct codec_parts old;
    struct str old_bytes = STR_NONE;
    CHECK(tx->view.is_open);
    CHECK(handle->row == table || tx->is_migrating);
    if (key.len == 0) {
        return;
    }
    struct str fitted = store_key_fit(key, STORE_PRIMARY_BYTES_MAX, key_memory);
    if (tx->is_migrating) {
        migration_del(tx, handle, fitted);
        return;
    }
    if (!old_open(tx, handle, fitted, &old_bytes, &old)) {
        return;
    }
    index_keys_make(store, handle, 0, &old, fitted, old_keys);
    index_keys_make(store, handle, 1, NULL, fitted, new_keys);
    tx->state.content -= store_content_term(table, old_bytes);
    change_note(tx, table->name, NULL);
    write_record(tx, table, WRITE_DEL, fitted, STR_NONE);
    indexes_move(tx, handle, old_keys, new_keys, fitted);
    MDB_val lmdb_key = store_val(fitted);
    STORE_MUST(mdb_del(tx->view.txn, handle->dbi, &lmdb_key, NULL));
}

bool store_record_fits(const struct store_view *view, const struct table *table,
                       const void *record) {
    struct store *store = view->store;
    const struct store_table *handle = store_table_of(store, table);
    static const uint8_t entropy[SEAL_ENTROPY_BYTES_MIN];
    char key_memory[STORE_PRIMARY_BYTES_MAX];
    CHECK(store->has_seal_key);
    struct codec_place place = {.table = table,
                                .key = store_key_of_record(handle, record, key_memory)};
    struct buf out = buf_over(store->probe, sizeof store->probe);
    codec_encode(&place, &store->seal, (struct str){(const char *)entropy, sizeof entropy}, record,
                 NULL, &out);
    return !out.is_full && out.len <= STORE_RECORD_BYTES_MAX;
}
