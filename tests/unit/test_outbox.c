/* What goes from the outbox by itself, with the clock in the test's hands, and the pauses between
 * tries. Sending is tested in tests/http/test_mail.py. */
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
