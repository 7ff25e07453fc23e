/*
 * The outbox's rows over time, in a real store, with the clock in the test's hands: what is kept,
 * what is forgotten. The worker is tested from outside, in tests/http/test_mail.py.
 */
#include "test.h"

#include "base/time.h"
#include "engine/outbox.h"
#include "support/store_support.h"

static const int64_t start_us = INT64_C(1700000000) * 1000000;

static const struct table *const tables[] = {&outbox_table, &outbox_dead_table};
static struct store_bench bench;
static struct settings settings;
static struct command command;
static struct outcome outcome;
static char one[] = "one"; /* a label */

static bool start(void) {
    struct store_options options = bench_options();
    options.tables = tables;
    options.table_count = COUNT_OF(tables);
    settings_init(&settings);
    command = (struct command){.settings = &settings, .now_us = start_us, .arena = &bench.arena};
    return bench_open_with(&bench, NULL, options);
}

static uint64_t count_of(const struct table *table) {
    uint64_t count = store_count(store_snapshot(bench.store), table);
    store_tick_end(bench.store);
    return count;
}

static uint32_t put_letter(struct store_tx *tx, void *ctx) {
    store_tx_command(tx, command.entropy);
    struct outbox_letter letter = {.kind = OUTBOX_MAIL,
                                   .label = ctx,
                                   .about = STR("test"),
                                   .recipient = STR("a@example.com"),
                                   .payload = STR("{\"secret\":1}"),
                                   .life_us = TIME_US_PER_HOUR};
    outbox_put(tx, &command, &letter);
    return 1;
}

static uint32_t put_dead(struct store_tx *tx, void *ctx) {
    struct outbox_row row;
    struct id id = command_id(&command, ctx);
    store_tx_command(tx, command.entropy);
    enum err err = store_get(store_tx_view(tx), (struct store_scope){.kind = STORE_SCOPE_SYSTEM},
                             &outbox_table, id_bytes(&id), &bench.arena, &row);
    CHECK(err == ERR_OK);
    store_del(tx, &outbox_table, id_bytes(&id));
    row.failed_at = command.now_us;
    row.attempts = 16;
    SCHEMA_SET(&outbox_row_schema, &row, failed_at);
    store_put(tx, &outbox_dead_table, &row);
    return 1;
}

static uint32_t prune(struct store_tx *tx, void *ctx) {
    (void)ctx;
    store_tx_command(tx, command.entropy);
    outbox_prune_command.apply(tx, &command, &outcome);
    return 1;
}

TEST(what_nobody_sends_is_forgotten_a_day_after_it_expired)
{
    REQUIRE(start());
    bench_batch(&bench, put_letter, one);
    EXPECT_EQ_UINT(count_of(&outbox_table), 1);
    command.now_us = start_us + TIME_US_PER_HOUR + TIME_US_PER_DAY;
    bench_batch(&bench, prune, NULL);
    EXPECT_EQ_UINT(count_of(&outbox_table), 1);
    command.now_us++;
    bench_batch(&bench, prune, NULL);
    EXPECT_EQ_UINT(count_of(&outbox_table), 0);
    EXPECT_EQ_UINT(count_of(&outbox_dead_table), 0);
    bench_close(&bench);
}

TEST(dead_letters_are_kept_for_a_month)
{
    REQUIRE(start());
    bench_batch(&bench, put_letter, one);
    bench_batch(&bench, put_dead, one);
    command.now_us = start_us + OUTBOX_DEAD_DAYS * TIME_US_PER_DAY;
    bench_batch(&bench, prune, NULL);
    EXPECT_EQ_UINT(count_of(&outbox_dead_table), 1);
    command.now_us++;
    bench_batch(&bench, prune, NULL);
    EXPECT_EQ_UINT(count_of(&outbox_dead_table), 0);
    bench_close(&bench);
}

static struct outbox_row revived;

static uint32_t revive(struct store_tx *tx, void *ctx) {
    struct store_scope system = {.kind = STORE_SCOPE_SYSTEM};
    struct id id = command_id(&command, ctx);
    store_tx_command(tx, command.entropy);
    enum err err = store_get(store_tx_view(tx), system, &outbox_dead_table, id_bytes(&id),
                             &bench.arena, &revived);
    CHECK(err == ERR_OK);
    outbox_revive(tx, &command, &revived, TIME_US_PER_DAY);
    err =
        store_get(store_tx_view(tx), system, &outbox_table, id_bytes(&id), &bench.arena, &revived);
    CHECK(err == ERR_OK);
    return 1;
}

TEST(a_dead_letter_begins_anew_under_its_old_name)
{
    REQUIRE(start());
    bench_batch(&bench, put_letter, one);
    bench_batch(&bench, put_dead, one);
    command.now_us = start_us + 5 * TIME_US_PER_DAY;
    bench_batch(&bench, revive, one);
    EXPECT_EQ_UINT(count_of(&outbox_table), 1);
    EXPECT_EQ_UINT(count_of(&outbox_dead_table), 0);
    EXPECT_EQ_INT(revived.attempts, 0);
    EXPECT_EQ_INT(revived.due_at, command.now_us);
    EXPECT_EQ_INT(revived.expires_at, command.now_us + TIME_US_PER_DAY);
    EXPECT_EQ_INT(revived.created_at, start_us); /* the Date of the mail stays */
    EXPECT(!SCHEMA_HAS(&outbox_row_schema, &revived, failed_at));
    EXPECT(str_equal(revived.payload, STR("{\"secret\":1}")));
    bench_close(&bench);
}
