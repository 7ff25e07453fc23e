/*
 * The keys that sign access tokens: kept sealed in the store, loaded once at start. The newest one
 * signs; all verify.
 */
#include "domain/auth/keys.h"

#include <string.h>

static struct jose_key current;
static struct jose_public_key publics[JOSE_KEYS_MAX];
static uint32_t public_count;

const struct jose_key *keys_current(void) {
    CHECK(public_count > 0);
    return &current;
}

const struct jose_public_key *keys_public(uint32_t *count) {
    *count = public_count;
    return publics;
}

/* ---- making the first one ---- */

static enum err key_check(const struct store_view *view, const struct command *command,
                          struct outcome *outcome) {
    (void)view;
    (void)command;
    (void)outcome;
    return ERR_OK;
}

static void key_apply(struct store_tx *tx, const struct command *command, struct outcome *outcome) {
    (void)outcome;
    struct jose_key key;
    uint8_t entropy[32];
    command_entropy(command, "signing key", entropy);
    jose_key_make(&key, entropy);
    struct signing_key record = {
        .kid = str_from(key.public.kid, JOSE_KID_LEN),
        .scalar = str_from((const char *)key.scalar.bytes, sizeof(key.scalar.bytes)),
        .created_at = command->now_us,
    };
    SCHEMA_SET(&signing_key_schema, &record, kid);
    SCHEMA_SET(&signing_key_schema, &record, scalar);
    SCHEMA_SET(&signing_key_schema, &record, created_at);
    store_put(tx, &signing_key_table, &record);
    jose_key_reset(&key);
    crypto_wipe(entropy, sizeof(entropy));
}

static const struct command_row key_make_command = {
    .name = "signing_key.create",
    .action = "signing_key.create",
    .resource = "signing_key",
    .check = key_check,
    .apply = key_apply,
};

/* ---- loading ---- */

static enum err key_take(const struct signing_key *record, int64_t *newest_us) {
    struct jose_key key;
    struct secret_key scalar;
    if (record->scalar.len != sizeof(scalar.bytes)) {
        return ERR_CORRUPT;
    }
    memcpy(scalar.bytes, record->scalar.data, sizeof(scalar.bytes));
    enum err err = jose_key_load(&key, &scalar);
    crypto_wipe(&scalar, sizeof(scalar));
    if (err != ERR_OK) {
        return ERR_CORRUPT;
    }
    publics[public_count++] = key.public;
    if (record->created_at >= *newest_us) {
        *newest_us = record->created_at;
        current = key;
    }
    jose_key_reset(&key);
    return ERR_OK;
}

static enum err keys_load(struct store *store, struct arena *arena) {
    struct store_scope system = {.kind = STORE_SCOPE_SYSTEM};
    struct store_scan scan;
    int64_t newest_us = INT64_MIN;
    public_count = 0;
    enum err err = store_scan_open(&scan, store_snapshot(store), system, &signing_key_table,
                                   STORE_PRIMARY, STR_NONE, STR_NONE, false);
    while (err == ERR_OK && public_count < JOSE_KEYS_MAX) {
        struct signing_key record;
        err = store_scan_next(&scan, arena, &record);
        if (err == ERR_OK) {
            err = key_take(&record, &newest_us);
        }
    }
    store_scan_close(&scan);
    store_tick_end(store);
    return err == ERR_END ? ERR_OK : err;
}

enum err keys_start(struct engine *engine, const char **problem) {
    static char memory[4 * ARENA_BLOCK_BYTES] __attribute__((aligned(64)));
    struct arena_pool pool;
    struct arena arena;
    arena_pool_init(&pool, memory, 4);
    arena_init(&arena, &pool, sizeof(memory));
    enum err err = keys_load(engine_store(engine), &arena);
    if (err == ERR_OK && public_count == 0) {
        enum err result = ERR_AGAIN;
        err = engine_run_system(engine, &key_make_command, NULL, &result);
        if (err == ERR_OK) {
            engine_settle(engine);
            err = result == ERR_OK ? keys_load(engine_store(engine), &arena) : result;
        }
    }
    arena_reset(&arena);
    *problem = err == ERR_STORE_FULL
                   ? "the disk is too full to begin: the store keeps 320 MiB of it free, so that a "
                     "batch of writes never fails halfway"
                   : "the signing keys cannot be read: is this the sealing key of this store?";
    return err == ERR_OK && public_count == 0 ? ERR_INTERNAL : err;
}
