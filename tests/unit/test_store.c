/* The store through its public header: records, scopes, indexes, scans, batches, opening. */
#include "../test.h"

#include "../support/store_support.h"

TEST(store_keeps_a_record_over_reopening) {
    struct store_bench bench;
    REQUIRE(bench_open(&bench, NULL));
    struct item item = bench_item(&bench, 7, "seven", 70);
    bench_put(&bench, &item);
    bench_reopen(&bench);
    struct item found;
    REQUIRE(bench_get(&bench, item.id, &found) == ERR_OK);
    EXPECT(item_equal(&item, &found));
    EXPECT_EQ_UINT(store_count(store_snapshot(bench.store), &item_table), 1);
    bench_close(&bench);
}
