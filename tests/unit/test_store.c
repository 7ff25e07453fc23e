/* The store through its public header: records, scopes, indexes, scans, batches. */
#include "test.h"

#include "support/store_support.h"

static const uint8_t entropy[32] = {9, 9, 9};

/* ---- records ---- */

TEST(store_keeps_every_type_over_reopening)
{
    struct store_bench bench;
    REQUIRE(bench_open(&bench, NULL));
    struct item item = bench_item(&bench, 7, "seven", INT64_MIN);
    bench_put(&bench, &item);
    struct item sparse = {.set = {.present = 3, .null = UINT64_C(1) << 8},
                          .id = id_from_number(8),
                          .owner = id_from_number(1000)};
    bench_put(&bench, &sparse);
    bench_reopen(&bench);
    struct item found;
    EXPECT(bench_get(&bench, item.id, &found) == ERR_OK);
    EXPECT(item_equal(&item, &found));
    EXPECT(bench_get(&bench, sparse.id, &found) == ERR_OK);
    EXPECT(item_equal(&sparse, &found));
    EXPECT(SCHEMA_IS_NULL(&item_schema, &found, note));
    EXPECT(!SCHEMA_HAS(&item_schema, &found, name));
    EXPECT(bench_get(&bench, id_from_number(9), &found) == ERR_NOT_FOUND);
    EXPECT_EQ_UINT(store_count(store_snapshot(bench.store), &item_table), 2);
    EXPECT(store_fsck(bench.store, NULL, NULL) == ERR_OK);
    bench_close(&bench);
}

TEST(store_numbers_survive_at_their_edges)
{
    static const int64_t edges[] = {0,   1,    -1,    127,       128,       -128,     255,
                                    256, -256, 65535, INT64_MAX, INT64_MIN, INT32_MIN};
    struct store_bench bench;
    REQUIRE(bench_open(&bench, NULL));
    for (uint32_t index = 0; index < COUNT_OF(edges); index += 1) {
        struct item item = bench_item(&bench, 1, "edge", edges[index]);
        item.place.x = edges[index];
        bench_put(&bench, &item);
        struct item found;
        REQUIRE(bench_get(&bench, item.id, &found) == ERR_OK);
        EXPECT(item_equal(&item, &found));
    }
    bench_close(&bench);
}

struct change {
    struct item item;
    struct str changes; /* what the last command said */
    char memory[1100];
    uint32_t writes;
};

static uint32_t change_run(struct store_tx *tx, void *ctx) {
    struct change *change = ctx;
    store_tx_command(tx, entropy);
    store_put(tx, &item_table, &change->item);
    struct str said = store_tx_changes(tx);
    memcpy(change->memory, said.data, said.len);
    change->changes = (struct str){change->memory, said.len};
    change->writes = store_tx_write_count(tx);
    return 1;
}

TEST(store_names_what_a_command_changed)
{
    struct store_bench bench;
    REQUIRE(bench_open(&bench, NULL));
    struct change change = {.item = bench_item(&bench, 1, "one", 1)};
    bench_batch(&bench, change_run, &change);
    EXPECT(str_starts(change.changes, STR("items.id,items.owner,items.name,")));
    EXPECT_EQ_UINT(change.writes, 1);
    bench_batch(&bench, change_run, &change); /* the same again; the secret keeps its seal */
    EXPECT_EQ_UINT(change.changes.len, 0);
    change.item.rank = 2;
    change.item.secret = STR("other");
    change.item.set.present &= ~(UINT64_C(1) << 8);
    bench_batch(&bench, change_run, &change);
    EXPECT(str_equal(change.changes, STR("items.rank,items.secret,items.note")));
    bench_close(&bench);
}

static uint32_t many_changes_run(struct store_tx *tx, void *ctx) {
    struct change *change = ctx;
    store_tx_command(tx, entropy);
    for (uint32_t round = 0; round < 3; round += 1) {
        store_put(tx, &item_table, &change->item);
        store_del(tx, &item_table, id_bytes(&change->item.id));
        store_del(tx, &item_table, id_bytes(&change->item.id));
    }
    struct str said = store_tx_changes(tx);
    memcpy(change->memory, said.data, said.len);
    change->changes = (struct str){change->memory, said.len};
    change->writes = store_tx_write_count(tx);
    return 1;
}

TEST(store_changes_are_named_once)
{
    struct store_bench bench;
    REQUIRE(bench_open(&bench, NULL));
    struct change change = {.item = bench_item(&bench, 1, "one", 1)};
    bench_batch(&bench, many_changes_run, &change);
    EXPECT(str_ends(change.changes, STR(",items.places,items")));
    EXPECT_EQ_UINT(change.writes, 6); /* removing what is not there is not a write */
    EXPECT_EQ_UINT(store_count(store_snapshot(bench.store), &item_table), 0);
    bench_close(&bench);
}

TEST(store_secrets_are_not_in_the_file)
{
    struct store_bench bench;
    REQUIRE(bench_open(&bench, NULL));
    struct item item = bench_item(&bench, 1, "plainly-visible-name", 1);
    item.secret = STR("an-unusual-secret-text");
    bench_put(&bench, &item);
    char path[512];
    static char file[8 << 20];
    (void)snprintf(path, sizeof path, "%s/data.mdb", bench.folder);
    FILE *stream = fopen(path, "rb");
    REQUIRE(stream != NULL);
    size_t bytes = fread(file, 1, sizeof file, stream);
    fclose(stream);
    EXPECT(memmem(file, bytes, "plainly-visible-name", 20) != NULL);
    EXPECT(memmem(file, bytes, "an-unusual-secret-text", 22) == NULL);
    bench_close(&bench);
}

TEST(store_says_which_records_are_too_large)
{
    struct store_bench bench;
    REQUIRE(bench_open(&bench, NULL));
    char *text = malloc(STORE_RECORD_BYTES_MAX + 1);
    memset(text, 'x', STORE_RECORD_BYTES_MAX + 1);
    struct item item = bench_item(&bench, 1, "large", 1);
    const struct store_view *view = store_snapshot(bench.store);
    item.note = (struct str){text, STORE_RECORD_BYTES_MAX - 1000};
    EXPECT(store_record_fits(view, &item_table, &item));
    bench_put(&bench, &item);
    struct item found;
    EXPECT(bench_get(&bench, item.id, &found) == ERR_OK);
    EXPECT(item_equal(&item, &found));
    item.note = (struct str){text, STORE_RECORD_BYTES_MAX + 1};
    EXPECT(!store_record_fits(store_snapshot(bench.store), &item_table, &item));
    EXPECT_DIES(bench_put(&bench, &item));
    free(text);
    bench_close(&bench);
}

/* ---- scopes ---- */

TEST(store_hides_the_records_of_others)
{
    struct store_bench bench;
    REQUIRE(bench_open(&bench, NULL));
    struct item mine = bench_item(&bench, 3, "mine", 1);
    struct item other = bench_item(&bench, 4, "other", 1);
    struct item nobody = bench_item(&bench, 5, "nobody", 1);
    nobody.set.present &= ~UINT64_C(2); /* no owner */
    REQUIRE(!id_equal(mine.owner, other.owner));
    bench_put(&bench, &mine);
    bench_put(&bench, &other);
    bench_put(&bench, &nobody);
    const struct store_view *view = store_snapshot(bench.store);
    struct store_scope scope = scope_owner(mine.owner);
    struct item found;
    struct arena *arena = &bench.arena;
    EXPECT(store_get(view, scope, &item_table, id_bytes(&mine.id), arena, &found) == ERR_OK);
    EXPECT(store_get(view, scope, &item_table, id_bytes(&other.id), arena, &found) ==
           ERR_NOT_FOUND);
    EXPECT(store_get(view, scope, &item_table, id_bytes(&nobody.id), arena, &found) ==
           ERR_NOT_FOUND);
    EXPECT(store_find(view, scope, &item_table, ITEM_BY_NAME, STR("mine"), arena, &found) ==
           ERR_OK);
    EXPECT(store_find(view, scope, &item_table, ITEM_BY_NAME, STR("other"), arena, &found) ==
           ERR_NOT_FOUND);
    for (uint32_t index = 0; index <= ITEM_BY_COLOR + 1; index += 1) {
        struct store_scan scan;
        uint32_t which = index > ITEM_BY_COLOR ? STORE_PRIMARY : index;
        REQUIRE(store_scan_open(&scan, view, scope, &item_table, which, STR_NONE, STR_NONE,
                                index % 2 == 0) == ERR_OK);
        EXPECT(store_scan_next(&scan, arena, &found) == ERR_OK);
        EXPECT(id_equal(found.id, mine.id));
        EXPECT(store_scan_next(&scan, arena, &found) == ERR_END);
        store_scan_close(&scan);
    }
    struct store_scan scan;
    REQUIRE(store_scan_open(&scan, view, scope, &item_table, ITEM_BY_OWNER_RANK,
                            id_bytes(&other.owner), STR_NONE, false) == ERR_OK);
    EXPECT(store_scan_next(&scan, arena, &found) == ERR_END);
    store_scan_close(&scan);
    struct store_scope unset = {0};
    EXPECT_DIES(store_get(view, unset, &item_table, id_bytes(&mine.id), arena, &found));
    bench_close(&bench);
}

/* ---- indexes ---- */

TEST(store_find_follows_changes)
{
    struct store_bench bench;
    REQUIRE(bench_open(&bench, NULL));
    struct item item = bench_item(&bench, 1, "before", 1);
    struct item found;
    bench_put(&bench, &item);
    item.name = STR("after");
    bench_put(&bench, &item);
    const struct store_view *view = store_snapshot(bench.store);
    EXPECT(store_find(view, scope_system, &item_table, ITEM_BY_NAME, STR("before"), &bench.arena,
                      &found) == ERR_NOT_FOUND);
    EXPECT(store_find(view, scope_system, &item_table, ITEM_BY_NAME, STR("after"), &bench.arena,
                      &found) == ERR_OK);
    EXPECT(store_find(view, scope_system, &item_table, ITEM_BY_NAME, STR(""), &bench.arena,
                      &found) == ERR_NOT_FOUND);
    item.set.present &= ~UINT64_C(4); /* no name: not in that index */
    bench_put(&bench, &item);
    view = store_snapshot(bench.store);
    EXPECT(store_find(view, scope_system, &item_table, ITEM_BY_NAME, STR("after"), &bench.arena,
                      &found) == ERR_NOT_FOUND);
    EXPECT(store_fsck(bench.store, NULL, NULL) == ERR_OK);
    bench_del(&bench, item.id);
    EXPECT(store_fsck(bench.store, NULL, NULL) == ERR_OK);
    bench_close(&bench);
}

TEST(store_refuses_a_second_record_in_a_unique_index)
{
    struct store_bench bench;
    REQUIRE(bench_open(&bench, NULL));
    struct item item = bench_item(&bench, 1, "same", 1);
    bench_put(&bench, &item);
    item = bench_item(&bench, 2, "same", 1);
    EXPECT_DIES(bench_put(&bench, &item));
    bench_close(&bench);
}

static uint32_t word_run(struct store_tx *tx, void *ctx) {
    store_tx_command(tx, entropy);
    store_put(tx, &word_table, ctx);
    return 1;
}

static bool word_is_there(struct store_bench *bench, struct str text) {
    struct word found;
    return store_get(store_snapshot(bench->store), scope_system, &word_table, text, &bench->arena,
                     &found) == ERR_OK &&
           str_equal(found.word, text);
}

TEST(store_keys_may_be_long_or_hold_any_byte)
{
    struct store_bench bench;
    REQUIRE(bench_open(&bench, NULL));
    char text[2000];
    memset(text, 'k', sizeof text);
    uint32_t count = 0;
    for (uint32_t len = 1; len < sizeof text; len = len < 250 ? len + 83 : len + 1 + len / 4) {
        struct word word = {.set = {.present = 3}, .word = {text, len}, .count = -(int64_t)len};
        bench_batch(&bench, word_run, &word);
        count += 1;
    }
    struct word zeros = {.set = {.present = 3}, .word = {"\0\1\0", 3}, .count = 5};
    bench_batch(&bench, word_run, &zeros);
    EXPECT_EQ_UINT(store_count(store_snapshot(bench.store), &word_table), count + 1);
    for (uint32_t len = 1; len < sizeof text; len = len < 250 ? len + 83 : len + 1 + len / 4) {
        EXPECT(word_is_there(&bench, (struct str){text, len}));
        EXPECT(!word_is_there(&bench, (struct str){text, len + 1}));
    }
    EXPECT(word_is_there(&bench, zeros.word));
    struct store_scan scan;
    REQUIRE(store_scan_open(&scan, store_snapshot(bench.store), scope_system, &word_table,
                            WORD_BY_COUNT, STR_NONE, STR_NONE, false) == ERR_OK);
    int64_t last = INT64_MIN;
    struct word found;
    while (store_scan_next(&scan, &bench.arena, &found) == ERR_OK) {
        EXPECT(found.count >= last);
        last = found.count;
        count -= 1;
    }
    store_scan_close(&scan);
    EXPECT_EQ_INT(last, 5);
    EXPECT_EQ_INT((int32_t)count, -1);
    EXPECT(store_fsck(bench.store, NULL, NULL) == ERR_OK);
    bench_close(&bench);
}

TEST(store_long_indexed_texts_are_found_and_told_apart)
{
    struct store_bench bench;
    REQUIRE(bench_open(&bench, NULL));
    char name[1001];
    struct item found;
    for (uint32_t len = 470; len <= 1000; len += 53) {
        memset(name, 'n', sizeof name);
        name[len] = '\0';
        struct item item = bench_item(&bench, len, name, 1);
        bench_put(&bench, &item);
        name[len - 1] = 'm';
        item = bench_item(&bench, 10000 + len, name, 1);
        bench_put(&bench, &item);
        EXPECT(store_find(store_snapshot(bench.store), scope_system, &item_table, ITEM_BY_NAME,
                          str_from_c(name), &bench.arena, &found) == ERR_OK);
        EXPECT(id_equal(found.id, item.id));
    }
    EXPECT(store_fsck(bench.store, NULL, NULL) == ERR_OK);
    bench_close(&bench);
}

TEST(store_index_texts_do_not_run_into_what_follows)
{
    static const struct str names[] = {{"a", 1},     {"a\0", 2},   {"a\1", 2},
                                       {"a\1\1", 3}, {"a\0\1", 3}, {"a\0\0", 3},
                                       {"ab", 2},    {"a\1\2", 3}, {"a\1\1\0", 4}};
    struct store_bench bench;
    REQUIRE(bench_open(&bench, NULL));
    for (uint32_t index = 0; index < COUNT_OF(names); index += 1) {
        struct item item = bench_item(&bench, 3 * index, "", 1);
        item.name = names[index];
        bench_put(&bench, &item);
    }
    for (uint32_t index = 0; index < COUNT_OF(names); index += 1) {
        char memory[64];
        struct buf prefix = buf_over(memory, sizeof memory);
        struct store_scan scan;
        struct item found;
        store_key_put_int(&prefix, ITEM_RED);
        store_key_put_text(&prefix, names[index], false);
        REQUIRE(store_scan_open(&scan, store_snapshot(bench.store), scope_system, &item_table,
                                ITEM_BY_COLOR, buf_str(&prefix), STR_NONE, false) == ERR_OK);
        EXPECT(store_scan_next(&scan, &bench.arena, &found) == ERR_OK);
        EXPECT(str_equal(found.name, names[index]));
        EXPECT(store_scan_next(&scan, &bench.arena, &found) == ERR_END);
        store_scan_close(&scan);
        buf_reset(&prefix);
        store_key_put_text(&prefix, names[index], true);
        EXPECT(store_find(store_snapshot(bench.store), scope_system, &item_table, ITEM_BY_NAME,
                          buf_str(&prefix), &bench.arena, &found) == ERR_OK);
        EXPECT(str_equal(found.name, names[index]));
    }
    bench_close(&bench);
}

/* ---- numbers as keys ---- */

static uint32_t entries_run(struct store_tx *tx, void *ctx) {
    (void)ctx;
    static const int64_t numbers[] = {5, 6, 7, -3, 6, INT64_MIN, INT64_MAX, 100};
    for (uint32_t index = 0; index < COUNT_OF(numbers); index += 1) {
        struct entry entry = {.set = {.present = 3}, .number = numbers[index], .text = STR("t")};
        store_tx_command(tx, entropy);
        store_put(tx, &entry_table, &entry);
    }
    return COUNT_OF(numbers);
}

TEST(store_number_keys_sort_by_value)
{
    struct store_bench bench;
    REQUIRE(bench_open(&bench, NULL));
    bench_batch(&bench, entries_run, NULL);
    static const int64_t sorted[] = {INT64_MIN, -3, 5, 6, 7, 100, INT64_MAX};
    struct store_scan scan;
    struct entry found;
    REQUIRE(store_scan_open(&scan, store_snapshot(bench.store), scope_system, &entry_table,
                            STORE_PRIMARY, STR_NONE, STR_NONE, false) == ERR_OK);
    for (uint32_t index = 0; index < COUNT_OF(sorted); index += 1) {
        REQUIRE(store_scan_next(&scan, &bench.arena, &found) == ERR_OK);
        EXPECT_EQ_INT(found.number, sorted[index]);
    }
    EXPECT(store_scan_next(&scan, &bench.arena, &found) == ERR_END);
    store_scan_close(&scan);
    uint8_t memory[8];
    EXPECT(store_get(store_snapshot(bench.store), scope_system, &entry_table,
                     store_key_int(-3, memory), &bench.arena, &found) == ERR_OK);
    struct store_stats stats;
    store_stats_read(bench.store, &stats);
    EXPECT_EQ_UINT(stats.sequence, 1);
    EXPECT_EQ_UINT(stats.commands, 8);
    EXPECT(store_fsck(bench.store, NULL, NULL) == ERR_OK);
    bench_close(&bench);
}

/* ---- scans ---- */

TEST(store_scan_pages_in_both_directions)
{
    struct store_bench bench;
    REQUIRE(bench_open(&bench, NULL));
    char name[16];
    for (uint64_t number = 0; number < 30; number += 1) {
        (void)snprintf(name, sizeof name, "name-%02u", (unsigned)number);
        struct item item = bench_item(&bench, number, name, (int64_t)number);
        bench_put(&bench, &item);
    }
    for (uint32_t direction = 0; direction < 2; direction += 1) {
        char after_memory[STORE_KEY_BYTES_MAX];
        struct str after = STR_NONE;
        uint32_t seen = 0;
        enum err err = ERR_OK;
        while (err == ERR_OK) { /* pages of three */
            struct store_scan scan;
            struct item found;
            REQUIRE(store_scan_open(&scan, store_snapshot(bench.store), scope_system, &item_table,
                                    ITEM_BY_NAME, STR("name-1"), after, direction == 1) == ERR_OK);
            for (uint32_t row = 0; row < 3 && err == ERR_OK; row += 1) {
                err = store_scan_next(&scan, &bench.arena, &found);
                if (err == ERR_OK) {
                    EXPECT_EQ_INT(found.rank, direction == 0 ? 10 + seen : 19 - seen);
                    seen += 1;
                    memcpy(after_memory, scan.row_key.data, scan.row_key.len);
                    after = (struct str){after_memory, scan.row_key.len};
                }
            }
            store_scan_close(&scan);
        }
        EXPECT(err == ERR_END);
        EXPECT_EQ_UINT(seen, 10);
    }
    /* An `after` outside of the prefix only bounds. */
    struct store_scan scan;
    struct item found;
    for (uint32_t direction = 0; direction < 2; direction += 1) {
        REQUIRE(store_scan_open(&scan, store_snapshot(bench.store), scope_system, &item_table,
                                ITEM_BY_NAME, STR("name-1"),
                                direction == 0 ? STR("name-0") : STR("name-27"),
                                direction == 1) == ERR_OK);
        EXPECT(store_scan_next(&scan, &bench.arena, &found) == ERR_OK);
        EXPECT_EQ_INT(found.rank, direction == 0 ? 10 : 19);
        store_scan_close(&scan);
        REQUIRE(store_scan_open(&scan, store_snapshot(bench.store), scope_system, &item_table,
                                ITEM_BY_NAME, STR("name-1"),
                                direction == 0 ? STR("name-27") : STR("name-0"),
                                direction == 1) == ERR_OK);
        EXPECT(store_scan_next(&scan, &bench.arena, &found) == ERR_END);
        store_scan_close(&scan);
    }
    char long_key[STORE_KEY_BYTES_MAX + 1] = {0};
    EXPECT(store_scan_open(&scan, store_snapshot(bench.store), scope_system, &item_table,
                           STORE_PRIMARY, STR_NONE, (struct str){long_key, sizeof long_key},
                           false) == ERR_CURSOR_INVALID);
    bench_close(&bench);
}

struct sweep {
    struct store_bench *bench;
    uint32_t removed;
};

/* Removes while scanning, puts what the scan must not see twice. */
static uint32_t sweep_run(struct store_tx *tx, void *ctx) {
    struct sweep *sweep = ctx;
    struct store_scan scan;
    struct item found;
    sweep->removed = 0;
    CHECK(store_scan_open(&scan, store_tx_view(tx), scope_system, &item_table, ITEM_BY_NAME,
                          STR_NONE, STR_NONE, false) == ERR_OK);
    while (store_scan_next(&scan, &sweep->bench->arena, &found) == ERR_OK) {
        store_tx_command(tx, entropy);
        store_del(tx, &item_table, id_bytes(&found.id));
        sweep->removed += 1;
    }
    store_scan_close(&scan);
    return sweep->removed;
}

TEST(store_scan_in_a_batch_survives_deletions)
{
    struct store_bench bench;
    REQUIRE(bench_open(&bench, NULL));
    char name[16];
    for (uint64_t number = 0; number < 60; number += 1) {
        (void)snprintf(name, sizeof name, "name-%02u", (unsigned)number);
        struct item item = bench_item(&bench, number, name, (int64_t)number);
        bench_put(&bench, &item);
    }
    struct sweep sweep = {.bench = &bench};
    bench_batch(&bench, sweep_run, &sweep);
    EXPECT_EQ_UINT(sweep.removed, 60);
    EXPECT_EQ_UINT(store_count(store_snapshot(bench.store), &item_table), 0);
    EXPECT(store_fsck(bench.store, NULL, NULL) == ERR_OK);
    bench_close(&bench);
}

/* ---- batches ---- */

static void flag_set(void *ctx) {
    *(bool *)ctx = true;
}

struct flagged {
    bool is_done;
    struct item item;
};

static uint32_t flagged_run(struct store_tx *tx, void *ctx) {
    struct flagged *flagged = ctx;
    store_tx_command(tx, entropy);
    store_put(tx, &item_table, &flagged->item);
    return 1;
}

TEST(store_answers_reads_while_the_disk_works)
{
    struct store_bench bench;
    REQUIRE(bench_open(&bench, NULL));
    uint32_t reads_while_busy = 0;
    for (uint64_t round = 0; round < 50; round += 1) {
        struct flagged flagged = {.item = bench_item(&bench, 1, "one", (int64_t)round)};
        REQUIRE(store_batch_start(bench.store, flagged_run, flag_set, &flagged) == ERR_OK);
        EXPECT(store_batch_is_busy(bench.store));
        while (store_batch_is_busy(bench.store)) {
            struct item found;
            enum err err = bench_get(&bench, flagged.item.id, &found);
            if (round == 0) {
                EXPECT(err == ERR_NOT_FOUND);
            } else {
                EXPECT(err == ERR_OK && found.rank == (int64_t)round - 1);
            }
            EXPECT(!flagged.is_done);
            reads_while_busy += 1;
            store_tick_end(bench.store);
            store_batch_step(bench.store);
        }
        EXPECT(flagged.is_done);
        struct item found;
        EXPECT(bench_get(&bench, flagged.item.id, &found) == ERR_OK);
        EXPECT_EQ_INT(found.rank, round);
        bench_arena_reset(&bench);
    }
    EXPECT(reads_while_busy >= 50); /* a wait per commit at least */
    bench_close(&bench);
}

TEST(store_done_sees_its_own_batch)
{
    struct store_bench bench;
    REQUIRE(bench_open(&bench, NULL));
    struct flagged flagged = {.item = bench_item(&bench, 1, "one", 1)};
    REQUIRE(store_batch_start(bench.store, flagged_run, flag_set, &flagged) == ERR_OK);
    struct item found;
    (void)store_snapshot(bench.store); /* of before */
    store_batch_wait(bench.store);
    EXPECT(bench_get(&bench, flagged.item.id, &found) == ERR_OK);
    EXPECT_DIES(store_batch_start(bench.store, NULL, flag_set, &flagged));
    bench_close(&bench);
}

static uint32_t slow_run(struct store_tx *tx, void *ctx) {
    (void)ctx;
    struct timespec start;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (uint32_t slice = 0; slice < 1000; slice += 1) {
        store_tx_breathe(tx);
        clock_gettime(CLOCK_MONOTONIC, &now);
        if ((now.tv_sec - start.tv_sec) * 1000000000L + now.tv_nsec - start.tv_nsec > 2000000) {
            break;
        }
        usleep(50);
    }
    return 0;
}

TEST(store_long_batches_give_the_loop_its_turns)
{
    struct store_bench bench;
    REQUIRE(bench_open(&bench, NULL));
    bool is_done = false;
    uint32_t turns = 0;
    struct item item = bench_item(&bench, 1, "one", 1);
    bench_put(&bench, &item); /* arms the redo log: from here on only a commit waits for the disk */
    REQUIRE(store_batch_start(bench.store, slow_run, flag_set, &is_done) == ERR_OK);
    while (store_batch_is_busy(bench.store)) {
        EXPECT(store_batch_wants_cpu(bench.store));
        turns += 1;
        store_batch_step(bench.store);
    }
    EXPECT(is_done);
    EXPECT(turns > 2);
    struct store_stats stats;
    store_stats_read(bench.store, &stats);
    EXPECT_EQ_UINT(stats.sequence, 1); /* wrote nothing */
    EXPECT_EQ_UINT(stats.commits, 1);
    bench_close(&bench);
}

static uint32_t unstable_run(struct store_tx *tx, void *ctx) {
    struct flagged *flagged = ctx;
    flagged->item.rank += 1; /* not reset: the second run writes something else */
    store_tx_command(tx, entropy);
    store_put(tx, &item_table, &flagged->item);
    return 1;
}

static void unstable_batch(struct store_bench *bench) {
    struct flagged flagged = {.item = bench_item(bench, 1, "one", 1)};
    (void)store_batch_start(bench->store, unstable_run, flag_set, &flagged);
    store_batch_wait(bench->store);
}

TEST(store_catches_a_batch_that_is_not_deterministic)
{
    struct store_bench bench;
    REQUIRE(bench_open(&bench, NULL));
    struct item item = bench_item(&bench, 2, "two", 1);
    bench_put(&bench, &item); /* the child has no threads to arm the redo log with */
    EXPECT_DIES(unstable_batch(&bench));
    bench_close(&bench);
}

TEST(store_same_commands_give_the_same_chain)
{
    struct hash chains[2];
    for (uint32_t round = 0; round < 2; round += 1) {
        struct store_bench bench;
        struct store_stats stats;
        REQUIRE(bench_open(&bench, NULL));
        for (uint64_t number = 0; number < 5; number += 1) {
            struct item item = bench_item(&bench, number, "same", 1);
            bench_put(&bench, &item);
            bench_del(&bench, item.id);
            if (number == 2) {
                bench_reopen(&bench);
            }
        }
        store_stats_read(bench.store, &stats);
        chains[round] = stats.chain;
        EXPECT_EQ_UINT(stats.sequence, 10);
        EXPECT(stats.used_bytes > 0 && stats.map_bytes >= stats.used_bytes);
        bench_close(&bench);
    }
    EXPECT(hash_equal(chains[0], chains[1]));
    EXPECT(!hash_is_zero(chains[0]));
}
