/*
 * Counting failed logins by a rule, with the clock in the test's hands: that of customers, whose
 * failures outlast their lock, and that of users, whose failures end with it. The counts are
 * compared with a naive account of every failure.
 */
#include "test.h"

#include "domain/auth/auth.h"
#include "support/store_support.h"

static const int64_t second_us = 1000000;
static const int64_t start_us = INT64_C(1700000000) * 1000000;

static const struct table *const tables[] = {&user_table, &login_failures_table};
static struct store_bench bench;
static struct settings settings;
static struct command command;

/* As domain/gatekeeper/login.c has them. */
static struct lockout_rules rules;

static bool start(void) {
    struct store_options options = bench_options();
    options.tables = tables;
    options.table_count = COUNT_OF(tables);
    settings_init(&settings);
    command = (struct command){.settings = &settings, .now_us = start_us, .arena = &bench.arena};
    rules = (struct lockout_rules){
        .by_address = {5, 60 * second_us, 86400 * second_us},
        .by_account = {20, 60 * second_us, 60 * second_us},
    };
    return bench_open_with(&bench, NULL, options);
}

static bool is_locked(void) {
    struct lockout lockout;
    lockout_load(store_snapshot(bench.store), &command, STR("customer 1"), &lockout);
    store_tick_end(bench.store);
    return lockout.locked_until != 0;
}

static uint32_t fail_run(struct store_tx *tx, void *ctx) {
    struct lockout lockout;
    (void)ctx;
    store_tx_command(tx, command.entropy);
    lockout_load(store_tx_view(tx), &command, STR("customer 1"), &lockout);
    if (lockout.locked_until == 0) {
        lockout_count_by(tx, &command, &rules, &lockout);
    }
    return 1;
}

static uint32_t succeed_run(struct store_tx *tx, void *ctx) {
    struct lockout lockout;
    (void)ctx;
    store_tx_command(tx, command.entropy);
    lockout_load(store_tx_view(tx), &command, STR("customer 1"), &lockout);
    lockout_clear(tx, &lockout);
    return 1;
}

static void fail(void) {
    bench_batch(&bench, fail_run, NULL);
}

TEST(five_failures_lock_for_a_minute_and_one_more_locks_again)
{
    REQUIRE(start());
    for (uint32_t i = 0; i < 5; i++) {
        EXPECT(!is_locked());
        fail();
    }
    EXPECT(is_locked());
    command.now_us += 60 * second_us - 1;
    EXPECT(is_locked());
    fail(); /* refused and not counted: the lock is no longer for it */
    command.now_us += 1;
    EXPECT(!is_locked());
    fail();
    EXPECT(is_locked());
    command.now_us += 3600 * second_us;
    EXPECT(!is_locked());
    fail();
    EXPECT(is_locked());
    command.now_us += 60 * second_us;
    bench_batch(&bench, succeed_run, NULL);
    for (uint32_t i = 0; i < 4; i++) {
        fail();
        EXPECT(!is_locked());
    }
    fail();
    EXPECT(is_locked());
    command.now_us += 86400 * second_us;
    fail();
    EXPECT(!is_locked());
    bench_close(&bench);
}

TEST(other_addresses_are_locked_by_many_failures_only)
{
    REQUIRE(start());
    for (uint32_t i = 0; i < 19; i++) {
        command.peer.bytes[15] = (uint8_t)(i / 4); /* four of each: no address is locked */
        fail();
        EXPECT(!is_locked());
    }
    command.peer.bytes[15] = 100;
    EXPECT(!is_locked());
    fail();
    EXPECT(is_locked());
    command.peer.bytes[15] = 101;
    EXPECT(is_locked());
    command.now_us += 60 * second_us;
    EXPECT(!is_locked());
    for (uint32_t i = 0; i < 4; i++) {
        fail(); /* the many are forgotten with the lock */
        EXPECT(!is_locked());
    }
    bench_close(&bench);
}

/* One address, random moments: the rule of the contract (5.2) in four lines. */
TEST(random_failures_against_a_naive_account)
{
    REQUIRE(start());
    uint32_t count = 0;
    int64_t last_us = 0;
    rules.by_account.failures_max = 1000000;
    for (uint32_t step = 0; step < 400; step++) {
        command.now_us += (int64_t)test_random_below(90) * second_us;
        bool is_expected = count >= 5 && command.now_us - last_us < 60 * second_us;
        EXPECT_EQ_INT(is_locked(), is_expected);
        if (!is_expected && test_random_below(12) == 0) {
            bench_batch(&bench, succeed_run, NULL);
            count = 0;
        } else {
            fail();
            count += !is_expected;
            last_us = is_expected ? last_us : command.now_us;
        }
    }
    bench_close(&bench);
}
