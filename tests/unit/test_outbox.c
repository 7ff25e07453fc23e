/* What goes from the outbox by itself, with the clock in the test's hands, the pauses between
 * tries, and dead letters. Sending is tested in tests/http/test_mail.py. */
#include "test.h"

#include "engine/outbox.h"
#include "support/store_support.h"

static const int64_t hour_us = INT64_C(3600) * 1000000;
static const int64_t start_us = INT64_C(1700000000) * 1000000;

static const struct table *const tables[] = {&outbox_table, &outbox_dead_table};
static struct store_bench bench;
static struct settings settings;
static struct command command;

static bool start(void) {
    struct store_options options = bench_options();
    options.tables = tables;
    options.table_count = COUNT_OF(tables);
    settings_init(&settings);
    command = (struct command){.settings = &settings, .now_us = start_us, .arena = &bench.arena};
    return bench_open_with(&bench, NULL, options);
}

/* Letters that are good for 1, 2, 3 hours. */
static uint32_t put_letters(struct store_tx *tx, void *ctx) {
    static const char *const labels[] = {"one", "two", "three"};
    (void)ctx;
    store_tx_command(tx, command.entropy);
    for (uint32_t i = 0; i < COUNT_OF(labels); i++) {
        struct outbox_letter letter = {.kind = OUTBOX_MAIL,
                                       .label = labels[i],
                                       .about = STR("test"),
                                       .recipient = STR("a@example.com"),
                                       .payload = STR("{}"),
                                       .life_us = (i + 1) * hour_us};
        outbox_put(tx, &command, &letter);
    }
    return 1;
}

static uint32_t run_prune(struct store_tx *tx, void *ctx) {
    struct outcome outcome = {.err = ERR_OK};
    (void)ctx;
    store_tx_command(tx, command.entropy);
    outbox_prune_command.apply(tx, &command, &outcome);
    return 1;
}

static uint64_t waiting_after(int64_t now_us) {
    command.now_us = now_us;
    bench_batch(&bench, run_prune, NULL);
    bench_arena_reset(&bench);
    return store_count(store_snapshot(bench.store), &outbox_table);
}

TEST(rows_that_nobody_could_send_go_when_they_have_expired)
{
    int64_t wait_us = (OUTBOX_PAUSE_HOURS_MAX + 1) * hour_us;
    REQUIRE(start());
    bench_batch(&bench, put_letters, NULL);
    EXPECT_EQ_UINT(waiting_after(start_us), 3);
    EXPECT_EQ_UINT(waiting_after(start_us + 3 * hour_us), 3);
    EXPECT_EQ_UINT(waiting_after(start_us + wait_us + hour_us), 3);
    EXPECT_EQ_UINT(waiting_after(start_us + wait_us + hour_us + 1), 2);
    EXPECT_EQ_UINT(waiting_after(start_us + wait_us + 4 * hour_us), 0);
    bench_close(&bench);
}

TEST(pauses_double_up_to_six_hours_give_or_take_a_quarter)
{
    int64_t first_us = 60 * INT64_C(1000000);
    for (int64_t attempts = 1; attempts < 40; attempts++) {
        int64_t middle_us = attempts < 10 ? first_us << (attempts - 1) : 6 * hour_us;
        middle_us = middle_us < 6 * hour_us ? middle_us : 6 * hour_us;
        for (uint64_t random = 0; random < 100; random++) {
            int64_t pause_us = outbox_pause_us(first_us, attempts, random * 982451653);
            EXPECT(pause_us >= middle_us - middle_us / 4);
            EXPECT(pause_us <= middle_us + middle_us / 4 + 1);
        }
    }
}

/* ---- dead letters ---- */

static char one[] = "one"; /* its label */

static uint64_t count_of(const struct table *table) {
    uint64_t count = store_count(store_snapshot(bench.store), table);
    store_tick_end(bench.store);
    return count;
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

TEST(dead_letters_are_kept_for_a_month)
{
    REQUIRE(start());
    bench_batch(&bench, put_letters, NULL);
    bench_batch(&bench, put_dead, one);
    command.now_us = start_us + OUTBOX_DEAD_DAYS * 24 * hour_us;
    bench_batch(&bench, run_prune, NULL);
    EXPECT_EQ_UINT(count_of(&outbox_dead_table), 1);
    command.now_us++;
    bench_batch(&bench, run_prune, NULL);
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
    outbox_revive(tx, &command, &revived, 24 * hour_us);
    err =
        store_get(store_tx_view(tx), system, &outbox_table, id_bytes(&id), &bench.arena, &revived);
    CHECK(err == ERR_OK);
    return 1;
}

TEST(a_dead_letter_begins_anew_under_its_old_name)
{
    REQUIRE(start());
    bench_batch(&bench, put_letters, NULL);
    bench_batch(&bench, put_dead, one);
    command.now_us = start_us + 5 * 24 * hour_us;
    bench_batch(&bench, revive, one);
    EXPECT_EQ_UINT(count_of(&outbox_table), 3);
    EXPECT_EQ_UINT(count_of(&outbox_dead_table), 0);
    EXPECT_EQ_INT(revived.attempts, 0);
    EXPECT_EQ_INT(revived.due_at, command.now_us);
    EXPECT_EQ_INT(revived.expires_at, command.now_us + 24 * hour_us);
    EXPECT_EQ_INT(revived.created_at, start_us); /* the Date of the mail stays */
    EXPECT(!SCHEMA_HAS(&outbox_row_schema, &revived, failed_at));
    EXPECT(str_equal(revived.payload, STR("{}")));
    bench_close(&bench);
}
