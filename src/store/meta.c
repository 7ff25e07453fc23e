/*
 * The meta table "_meta": what the store knows about itself. Rows:
 *   format         STORE_FORMAT
 *   schema         schema version (migrate.c)
 *   seal           a sealed constant: proves that the seal key is the right one
 *   state          struct store_state, changes with every batch
 *   table:NAME     id and version of a table
 *   index:T.NAME   signature of an index; another one means: rebuild
 * Every value ends in a CRC-32 over name and value. Stores from before the redo log was armed late
 * have a row "opened", too, which nobody reads.
 */
#include "store/internal.h"

#include <libdeflate.h>
#include <string.h>

enum { META_VALUE_BYTES_MAX = 128, META_SUM_BYTES = 4 };

static uint32_t meta_sum(const char *name, const void *value, uint32_t bytes) {
    return libdeflate_crc32(libdeflate_crc32(0, name, strlen(name)), value, bytes);
}

enum err store_meta_get(const struct store *store, MDB_txn *txn, const char *name, void *value,
                        uint32_t bytes) {
    CHECK(bytes <= META_VALUE_BYTES_MAX);
    MDB_val key = store_val(str_from_c(name));
    MDB_val found;
    int code = mdb_get(txn, store->meta, &key, &found);
    if (code == MDB_NOTFOUND) {
        return ERR_NOT_FOUND;
    }
    if (code != 0 || found.mv_size != bytes + META_SUM_BYTES) {
        return ERR_CORRUPT;
    }
    uint8_t sum_memory[META_SUM_BYTES];
    struct buf sum = buf_over(sum_memory, sizeof sum_memory);
    buf_put_be32(&sum, meta_sum(name, found.mv_data, bytes));
    if (memcmp((const char *)found.mv_data + bytes, sum_memory, META_SUM_BYTES) != 0) {
        return ERR_CORRUPT;
    }
    memcpy(value, found.mv_data, bytes);
    return ERR_OK;
}

void store_meta_put(const struct store *store, MDB_txn *txn, const char *name, const void *value,
                    uint32_t bytes) {
    char memory[META_VALUE_BYTES_MAX + META_SUM_BYTES];
    struct buf out = buf_over(memory, sizeof memory);
    buf_put(&out, value, bytes);
    buf_put_be32(&out, meta_sum(name, value, bytes));
    CHECK(!out.is_full);
    MDB_val key = store_val(str_from_c(name));
    MDB_val data = store_val(buf_str(&out));
    STORE_MUST(mdb_put(txn, store->meta, &key, &data, 0));
}

enum { STATE_BYTES = 3 * 8 + HASH_BYTES };

static uint64_t be64_at(const uint8_t *at) {
    uint64_t value = 0;
    for (uint32_t index = 0; index < 8; index += 1) {
        value = value << 8 | at[index];
    }
    return value;
}

enum err store_state_read(const struct store *store, MDB_txn *txn, struct store_state *state) {
    uint8_t bytes[STATE_BYTES];
    enum err err = store_meta_get(store, txn, "state", bytes, sizeof bytes);
    if (err == ERR_OK) {
        state->sequence = be64_at(bytes);
        state->commands = be64_at(bytes + 8);
        state->content = be64_at(bytes + 16);
        memcpy(state->chain.bytes, bytes + 24, HASH_BYTES);
    }
    return err;
}

void store_state_write(const struct store *store, MDB_txn *txn, const struct store_state *state) {
    char memory[STATE_BYTES];
    struct buf out = buf_over(memory, sizeof memory);
    buf_put_be64(&out, state->sequence);
    buf_put_be64(&out, state->commands);
    buf_put_be64(&out, state->content);
    buf_put_str(&out, hash_bytes(&state->chain));
    CHECK(!out.is_full);
    store_meta_put(store, txn, "state", memory, out.len);
}
