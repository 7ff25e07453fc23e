/*
 * The checks behind /health. Each does the thing itself on a small scale: reads a record, follows
 * the audit chain by one link, seals and opens a text. Nothing is remembered between two answers.
 */
#include "domain/auth/auth.h"
#include "domain/monitoring/internal.h"
#include "engine/audit.h"

#include "crypto/mac.h"
#include "crypto/seal.h"
#include "os/clock.h"

#include <string.h>

enum { PROBE_BYTES_MAX = 64, HASH_PREFIX_BYTES = CHECKS_KEY_ID_LEN / 2 };

static const struct store_scope everybody = {.kind = STORE_SCOPE_SYSTEM};

/* ---- audit ---- */

/* The newest records, newest first. ERR_OK also when there are fewer. */
static enum err audit_newest(const struct store_view *view, struct arena *arena,
                             struct audit_event events[2], uint32_t *count) {
    struct store_scan scan;
    *count = 0;
    enum err err = store_scan_open(&scan, view, everybody, &audit_table, STORE_PRIMARY, STR(""),
                                   STR_NONE, true);
    if (err != ERR_OK) {
        return err;
    }
    while (*count < 2 && err == ERR_OK) {
        err = store_scan_next(&scan, arena, &events[*count]);
        *count += err == ERR_OK;
    }
    store_scan_close(&scan);
    return err == ERR_END ? ERR_OK : err;
}

/* Does the newest record follow from the one before, by the key that only we have? */
static bool audit_follows(const struct store_seal_key *key, const struct audit_event events[2],
                          uint32_t count, struct arena *arena) {
    struct audit_chain chain;
    if (count == 0) {
        return true; /* nothing has happened yet */
    }
    audit_chain_init(&chain, key);
    if (count == 2) {
        if (events[1].hash.len != sizeof chain.hash) {
            return false;
        }
        memcpy(chain.hash, events[1].hash.data, sizeof chain.hash);
        chain.sequence = events[1].sequence;
    }
    bool follows = audit_chain_step(&chain, &events[0], arena) == ERR_OK;
    crypto_wipe(&chain, sizeof chain);
    return follows;
}

static void audit_check(const struct store_view *view, const struct store_seal_key *key,
                        struct arena *arena, struct checks *checks) {
    struct audit_event *events = arena_take(arena, 2 * sizeof *events);
    uint32_t count = 0;
    if (events == NULL) {
        return;
    }
    enum err err = audit_newest(view, arena, events, &count);
    checks->is_database_ok = err == ERR_OK;
    checks->audit_events = count > 0 ? events[0].sequence : 0;
    checks->is_audit_ok = err == ERR_OK && audit_follows(key, events, count, arena);
}

/* ---- keys ---- */

static bool seal_works(const struct secret_key *key) {
    static const char entropy[SEAL_ENTROPY_BYTES_MIN] = "health check";
    struct str purpose = STR("health check");
    struct str probe = STR("what goes in comes out");
    char sealed[PROBE_BYTES_MAX];
    char opened[PROBE_BYTES_MAX];
    struct buf sealed_buf = buf_over(sealed, sizeof sealed);
    struct buf opened_buf = buf_over(opened, sizeof opened);
    struct seal_key seal;
    seal_key_open(&seal, key);
    bool works =
        seal_put(&seal, purpose, str_from(entropy, sizeof entropy), probe, &sealed_buf) == ERR_OK &&
        seal_open(&seal, purpose, buf_str(&sealed_buf), &opened_buf) == ERR_OK &&
        str_equal(buf_str(&opened_buf), probe);
    seal_key_close(&seal);
    return works;
}

/* Names the sealing key without telling anything about it. */
static void key_id_make(const struct secret_key *key, char key_id[CHECKS_KEY_ID_LEN]) {
    struct str secret = str_from((const char *)key->bytes, sizeof key->bytes);
    struct hash hash = mac_of(secret, STR("key id"));
    struct buf out = buf_over(key_id, CHECKS_KEY_ID_LEN);
    buf_put_hex(&out, hash.bytes, HASH_PREFIX_BYTES);
    CHECK(!out.is_full);
}

static void encryption_check(const struct store_seal_key *store_key, struct checks *checks) {
    struct secret_key key;
    _Static_assert(sizeof key.bytes == sizeof store_key->bytes, "the same key");
    memcpy(key.bytes, store_key->bytes, sizeof key.bytes);
    checks->is_encryption_ok = seal_works(&key);
    key_id_make(&key, checks->key_id);
    crypto_wipe(&key, sizeof key);
}

static void authentication_check(const struct store_view *view, struct arena *arena,
                                 struct checks *checks) {
    struct signing_key *key = ARENA_NEW(arena, struct signing_key);
    struct store_scan scan;
    if (key == NULL || store_scan_open(&scan, view, everybody, &signing_key_table, STORE_PRIMARY,
                                       STR(""), STR_NONE, true) != ERR_OK) {
        return;
    }
    checks->is_authentication_ok = store_scan_next(&scan, arena, key) == ERR_OK &&
                                   SCHEMA_HAS(&signing_key_schema, key, scalar);
    store_scan_close(&scan);
}

void checks_store(const struct store_view *view, const struct store_seal_key *key,
                  struct arena *arena, struct checks *checks) {
    memset(checks, 0, sizeof *checks);
    int64_t started_us = clock_monotonic_us();
    audit_check(view, key, arena, checks);
    checks->database_us = clock_monotonic_us() - started_us;
    encryption_check(key, checks);
    authentication_check(view, arena, checks);
}

void checks_run(struct request *request, const struct store_view *view, struct checks *checks) {
    struct server_stats stats;
    checks_store(view, engine_seal_key(request->engine), request->arena, checks);
    server_stats_read(engine_server(request->engine), &stats);
    checks->is_api_ok = stats.connections < stats.connections_max;
}

bool checks_are_ok(const struct checks *checks) {
    /* A full house (is_api_ok) is load, not illness: whoever asks was let in. */
    return checks->is_database_ok && checks->is_audit_ok && checks->is_encryption_ok &&
           checks->is_authentication_ok;
}
