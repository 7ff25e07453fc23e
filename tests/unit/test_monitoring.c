/* Monitoring: the checks behind /health find what they are there to find; numbers are exact. */
#include "test.h"

#include "domain/auth/auth.h"
#include "domain/monitoring/internal.h"
#include "engine/audit.h"
#include "support/store_support.h"

static const struct table *const tables[] = {&audit_table, &signing_key_table};
static const struct command_row row = {.name = "test.thing", .action = "thing.do"};

static bool store_ready(struct store_bench *bench) {
    struct store_options options = bench_options();
    options.tables = tables;
    options.table_count = COUNT_OF(tables);
    return bench_open_with(bench, NULL, options);
}

/* Appends `count` audit records; then, when asked, spoils the newest or puts a signing key. */
struct work {
    struct store_bench *bench;
    uint32_t count;
    bool puts_key;
    bool spoils_text;
    bool spoils_hash;
};

static void newest_spoil(struct store_tx *tx, const struct work *work) {
    struct audit_event event;
    struct store_scan scan;
    char hash[32];
    if (store_scan_open(&scan, store_tx_view(tx), scope_system, &audit_table, STORE_PRIMARY,
                        STR(""), STR_NONE, true) != ERR_OK) {
        return;
    }
    EXPECT_EQ_INT(store_scan_next(&scan, &work->bench->arena, &event), ERR_OK);
    store_scan_close(&scan);
    if (work->spoils_text) {
        event.action = STR("thing.undo");
    }
    if (work->spoils_hash) {
        memcpy(hash, event.hash.data, sizeof hash);
        hash[31] ^= 1;
        event.hash = str_from(hash, sizeof hash);
    }
    store_put(tx, &audit_table, &event);
}

static uint32_t work_run(struct store_tx *tx, void *ctx) {
    static const uint8_t entropy[32] = {1};
    const struct work *work = ctx;
    struct outcome outcome = {.err = ERR_OK};
    struct audit_chain chain;
    audit_chain_init(&chain, &work->bench->options.seal_key);
    struct command command = {.row = &row,
                              .audit_chain = &chain,
                              .now_us = 1000000,
                              .request_id = STR("r"),
                              .arena = &work->bench->arena};
    store_tx_command(tx, entropy);
    for (uint32_t index = 0; index < work->count; index += 1) {
        audit_append(tx, &command, &outcome, ERR_OK);
    }
    if (work->puts_key) {
        char scalar[32] = {1};
        struct signing_key key = {
            .kid = STR("k"), .scalar = str_from(scalar, sizeof scalar), .created_at = 1};
        SCHEMA_SET(&signing_key_schema, &key, kid);
        SCHEMA_SET(&signing_key_schema, &key, scalar);
        SCHEMA_SET(&signing_key_schema, &key, created_at);
        store_put(tx, &signing_key_table, &key);
    }
    if (work->spoils_text || work->spoils_hash) {
        newest_spoil(tx, work);
    }
    return 1;
}

static struct checks checks_after(struct store_bench *bench, struct work work) {
    struct checks checks;
    work.bench = bench;
    bench_batch(bench, work_run, &work);
    checks_store(store_snapshot(bench->store), &bench->options.seal_key, &bench->arena, &checks);
    return checks;
}

TEST(checks_of_a_good_store) {
    struct store_bench bench;
    REQUIRE(store_ready(&bench));
    for (int64_t events = 0; events < 4; events += 1) {
        struct checks checks =
            checks_after(&bench, (struct work){.count = events > 0, .puts_key = true});
        EXPECT(checks.is_database_ok);
        EXPECT(checks.is_audit_ok);
        EXPECT(checks.is_encryption_ok);
        EXPECT(checks.is_authentication_ok);
        EXPECT(checks_are_ok(&checks));
        EXPECT_EQ_INT(checks.audit_events, events);
    }
    bench_close(&bench);
}

TEST(checks_find_a_missing_signing_key) {
    struct store_bench bench;
    REQUIRE(store_ready(&bench));
    struct checks checks = checks_after(&bench, (struct work){.count = 2});
    EXPECT(checks.is_database_ok);
    EXPECT(checks.is_audit_ok);
    EXPECT(!checks.is_authentication_ok);
    EXPECT(!checks_are_ok(&checks));
    bench_close(&bench);
}

/* A record changed by somebody who can write the store but does not have the audit key. */
TEST(checks_find_a_changed_audit_record) {
    for (uint32_t kind = 0; kind < 2; kind += 1) {
        for (uint32_t count = 1; count < 4; count += 1) {
            struct store_bench bench;
            REQUIRE(store_ready(&bench));
            struct checks checks = checks_after(&bench, (struct work){.count = count,
                                                                      .puts_key = true,
                                                                      .spoils_text = kind == 0,
                                                                      .spoils_hash = kind == 1});
            EXPECT(checks.is_database_ok);
            EXPECT(!checks.is_audit_ok);
            EXPECT(checks.is_authentication_ok);
            EXPECT(!checks_are_ok(&checks));
            bench_close(&bench);
        }
    }
}

TEST(checks_without_memory_are_not_ok) {
    struct store_bench bench;
    struct arena empty;
    struct checks checks;
    REQUIRE(store_ready(&bench));
    (void)checks_after(&bench, (struct work){.count = 2, .puts_key = true});
    arena_init(&empty, &bench.pool, 16);
    checks_store(store_snapshot(bench.store), &bench.options.seal_key, &empty, &checks);
    EXPECT(!checks.is_database_ok);
    EXPECT(!checks_are_ok(&checks));
    arena_reset(&empty);
    bench_close(&bench);
}

TEST(checks_name_the_key) {
    struct store_bench bench;
    struct checks first;
    struct checks second;
    REQUIRE(store_ready(&bench));
    struct store_seal_key key = bench.options.seal_key;
    checks_store(store_snapshot(bench.store), &key, &bench.arena, &first);
    key.bytes[31] ^= 1;
    checks_store(store_snapshot(bench.store), &key, &bench.arena, &second);
    EXPECT(memcmp(first.key_id, second.key_id, sizeof first.key_id) != 0);
    for (uint32_t index = 0; index < sizeof first.key_id; index += 1) {
        EXPECT(strchr("0123456789abcdef", first.key_id[index]) != NULL);
    }
    bench_close(&bench);
}

static void expect_number(struct arena *arena, int64_t value, uint32_t digits, const char *text) {
    struct str number = number_scaled(arena, value, digits);
    if (!str_equal(number, str_from_c(text))) {
        test_fail(__FILE__, __LINE__, "%.*s is not %s", STR_ARG(number), text);
    }
}

TEST(numbers_with_a_point) {
    struct store_bench bench;
    REQUIRE(store_ready(&bench));
    expect_number(&bench.arena, 0, 0, "0");
    expect_number(&bench.arena, 0, 3, "0.000");
    expect_number(&bench.arena, 7, 3, "0.007");
    expect_number(&bench.arena, 1234, 3, "1.234");
    expect_number(&bench.arena, 1000, 1, "100.0");
    expect_number(&bench.arena, INT64_MAX, 6, "9223372036854.775807");
    EXPECT_EQ_INT(number_permille(0, 0), 0);
    EXPECT_EQ_INT(number_permille(1, 3), 333);
    EXPECT_EQ_INT(number_permille(5, 5), 1000);
    EXPECT_EQ_INT(number_permille(INT64_MAX, INT64_MAX), 1000);
    bench_close(&bench);
}
