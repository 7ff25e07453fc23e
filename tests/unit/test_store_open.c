/* The store around its records: opening, keys, migrations, indexes that change, fsck's findings,
 * room, backup and restore. */
#include <fcntl.h>
#include <lmdb.h>
#include <sys/stat.h>

#include "test.h"

#include "support/store_support.h"

static const uint8_t entropy[32] = {5};

static char lines[65536]; /* what a report said */
static void lines_add(void *ctx, const char *line) {
    (void)ctx;
    size_t used = strlen(lines);
    (void)snprintf(lines + used, sizeof lines - used, "%s\n", line);
}

static enum err fsck_lines(struct store *store) {
    lines[0] = '\0';
    return store_fsck(store, lines_add, NULL);
}

static enum err open_code(const struct store_options *options) {
    struct store *store = NULL;
    const char *problem = NULL;
    enum err err = store_open(&store, options, &problem);
    if ((err == ERR_OK) != (store != NULL) || (err == ERR_OK) != (problem == NULL)) {
        return ERR_INTERNAL;
    }
    store_close(store);
    return err;
}

static void path_make(char path[512], const char *folder, const char *name) {
    (void)snprintf(path, 512, "%s/%s", folder, name);
}

/* ---- opening ---- */

TEST(store_open_makes_its_folder_and_cleans_up_an_interrupted_first_boot)
{
    struct store_bench bench;
    REQUIRE(bench_open(&bench, NULL));
    store_close(bench.store);
    bench_folder_remove(bench.folder);
    char path[512];
    path_make(path, bench.folder, "data.new");
    REQUIRE(mkdir(bench.folder, 0700) == 0 && mkdir(path, 0700) == 0);
    path_make(path, bench.folder, "data.new/data.mdb");
    FILE *file = fopen(path, "wb");
    REQUIRE(file != NULL);
    fputs("half a meta page", file);
    fclose(file);
    const char *problem = NULL;
    EXPECT(store_open(&bench.store, &bench.options, &problem) == ERR_OK);
    EXPECT(access(path, F_OK) != 0);
    path_make(path, bench.folder, "data.new");
    EXPECT(access(path, F_OK) != 0);
    bench_close(&bench);
}

TEST(store_open_refuses_what_is_no_store)
{
    struct store_bench bench;
    REQUIRE(bench_open(&bench, NULL));
    store_close(bench.store);
    bench.store = NULL;
    char path[512];
    path_make(path, bench.folder, "data.mdb");
    REQUIRE(truncate(path, 100) == 0);
    EXPECT(open_code(&bench.options) == ERR_CORRUPT);
    bench.options.folder = "/proc/nowhere/at/all";
    EXPECT(open_code(&bench.options) == ERR_IO);
    bench.options.folder = bench.folder;
    bench.options.is_read_only = true;
    REQUIRE(unlink(path) == 0);
    EXPECT(open_code(&bench.options) == ERR_NOT_FOUND);
    bench_close(&bench);
}

TEST(store_open_allows_one_writer_and_any_readers)
{
    struct store_bench bench;
    REQUIRE(bench_open(&bench, NULL));
    fflush(NULL);
    pid_t child = fork(); /* LMDB allows one opening per process */
    if (child == 0) {
        bool is_refused = open_code(&bench.options) == ERR_EXISTS;
        bench.options.is_read_only = true;
        _exit(is_refused && open_code(&bench.options) == ERR_OK ? 0 : 1);
    }
    EXPECT(!test_child_died(child));
    bench_close(&bench);
}

TEST(store_open_refuses_another_key)
{
    struct store_bench bench;
    REQUIRE(bench_open(&bench, NULL));
    struct item item = bench_item(&bench, 1, "one", 1);
    bench_put(&bench, &item);
    store_close(bench.store);
    bench.store = NULL;
    struct store_options options = bench.options;
    options.seal_key.bytes[3] ^= 1;
    EXPECT(open_code(&options) == ERR_CRYPTO);
    memset(&options.seal_key, 0, sizeof options.seal_key);
    EXPECT(open_code(&options) == ERR_CRYPTO); /* writing needs a key */
    options.is_read_only = true;
    const char *problem = NULL;
    REQUIRE(store_open(&bench.store, &options, &problem) == ERR_OK);
    struct item found;
    EXPECT(bench_get(&bench, item.id, &found) == ERR_OK);
    EXPECT(!SCHEMA_HAS(&item_schema, &found, secret)); /* but the rest is there */
    EXPECT(str_equal(found.name, STR("one")));
    EXPECT(store_fsck(bench.store, NULL, NULL) == ERR_OK);
    bench_close(&bench);
}

static uint32_t put_run(struct store_tx *tx, void *ctx) {
    store_tx_command(tx, entropy);
    store_put(tx, &item_table, ctx);
    return 1;
}

TEST(store_readers_in_another_process_follow_the_writer)
{
    struct store_bench bench;
    int to_child[2];
    int to_parent[2];
    struct store_options options = bench_options();
    options.map_bytes_start = 1 << 20;
    options.headroom_bytes = 1 << 20;
    REQUIRE(bench_open_with(&bench, NULL, options));
    REQUIRE(pipe(to_child) == 0 && pipe(to_parent) == 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        /* The parent's store is not this process's: only what is opened anew is used. */
        struct store_options read_options = bench.options;
        const char *problem = NULL;
        read_options.is_read_only = true;
        bool is_fine = store_open(&bench.store, &read_options, &problem) == ERR_OK;
        for (uint64_t round = 0; round < 5; round += 1) {
            char byte = 'r';
            is_fine =
                is_fine && write(to_parent[1], &byte, 1) == 1 && read(to_child[0], &byte, 1) == 1;
            store_tick_end(bench.store);
            struct item found;
            is_fine = is_fine && bench_get(&bench, id_from_number(round), &found) == ERR_OK;
        }
        _exit(is_fine ? 0 : 1);
    }
    char *note = malloc(1 << 20);
    memset(note, 'n', 1 << 20);
    for (uint64_t round = 0; round < 5; round += 1) {
        char byte = 0;
        char name[16];
        EXPECT(read(to_parent[0], &byte, 1) == 1);
        (void)snprintf(name, sizeof name, "n%u", (unsigned)round);
        struct item item = bench_item(&bench, round, name, 1);
        item.note = (struct str){note, 900000}; /* the map grows behind the reader's back */
        bench_batch(&bench, put_run, &item);
        EXPECT(write(to_child[1], &byte, 1) == 1);
    }
    EXPECT(!test_child_died(child));
    struct store_stats stats;
    store_stats_read(bench.store, &stats);
    EXPECT(stats.map_bytes > 4 << 20);
    bench_reopen(&bench); /* the store is larger than the map that the options name */
    struct item item = bench_item(&bench, 77, "n77", 1);
    bench_put(&bench, &item);
    EXPECT(store_fsck(bench.store, NULL, NULL) == ERR_OK);
    free(note);
    bench_close(&bench);
}

/* ---- room ---- */

static uint32_t del_run(struct store_tx *tx, void *ctx) {
    store_tx_command(tx, entropy);
    store_del(tx, &item_table, id_bytes(ctx));
    return 1;
}

static void nothing_done(void *ctx) {
    (void)ctx;
}

TEST(store_refuses_batches_before_the_map_is_full_and_recovers_by_deleting)
{
    struct store_bench bench;
    struct store_options options = bench_options();
    options.map_bytes_start = 1 << 20;
    options.map_bytes_max = 8 << 20;
    options.headroom_bytes = 2 << 20;
    REQUIRE(bench_open_with(&bench, NULL, options));
    static char note[200000];
    memset(note, 'n', sizeof note);
    uint64_t count = 0;
    while (store_has_room(bench.store) && count < 100) {
        char name[16];
        (void)snprintf(name, sizeof name, "n%u", (unsigned)count);
        struct item item = bench_item(&bench, count, name, 1);
        item.note = (struct str){note, sizeof note};
        bench_batch(&bench, put_run, &item);
        count += 1;
    }
    EXPECT(count > 10 && count < 60);
    /* Commands that do not heed it meet the harder limit. */
    enum err err = ERR_OK;
    for (uint64_t extra = 0; err == ERR_OK && extra < 100; extra += 1) {
        char name[16];
        (void)snprintf(name, sizeof name, "n%u", (unsigned)count);
        struct item item = bench_item(&bench, count, name, 1);
        item.note = (struct str){note, sizeof note};
        err = store_batch_start(bench.store, put_run, nothing_done, &item);
        store_batch_wait(bench.store);
        count += err == ERR_OK ? 1 : 0;
    }
    EXPECT(err == ERR_STORE_FULL);
    EXPECT(!store_batch_is_busy(bench.store));
    EXPECT_EQ_UINT(store_count(store_snapshot(bench.store), &item_table), count);
    store_close(bench.store);
    bench.options.map_bytes_max = 16 << 20; /* an operator gives it more room */
    const char *problem = NULL;
    REQUIRE(store_open(&bench.store, &bench.options, &problem) == ERR_OK);
    EXPECT(store_has_room(bench.store));
    for (uint64_t number = 0; number < count; number += 2) {
        struct id id = id_from_number(number);
        bench_batch(&bench, del_run, &id);
    }
    store_close(bench.store);
    bench.options.map_bytes_max = 8 << 20;
    REQUIRE(store_open(&bench.store, &bench.options, &problem) == ERR_OK);
    EXPECT(store_has_room(bench.store)); /* freed pages count */
    EXPECT(store_fsck(bench.store, NULL, NULL) == ERR_OK);
    bench_close(&bench);
}

/* ---- migrations ---- */

struct old_item { /* version 1 of a table whose version 2 is below */
    struct schema_set set;
    struct id id;
    struct str full_name;
    int64_t gone;
};
static const struct field old_fields[] = {
    FIELD(struct old_item, id, FIELD_ID, .tag = 1, .doc = "Id."),
    FIELD(struct old_item, full_name, FIELD_TEXT, .tag = 2, .max = 100, .doc = "Name."),
    FIELD(struct old_item, gone, FIELD_INT, .tag = 3, .doc = "Will go."),
};
static const struct schema old_schema = SCHEMA("old_item", struct old_item, old_fields);
static const struct table_index old_indexes[] = {
    {.name = "by_gone", .offsets = {offsetof(struct old_item, gone)}, .offset_count = 1},
};
static const struct table old_table = {.name = "people",
                                       .id = 9,
                                       .version = 1,
                                       .schema = &old_schema,
                                       .key_offset = offsetof(struct old_item, id),
                                       .indexes = old_indexes,
                                       .index_count = 1};

struct new_item {
    struct schema_set set;
    struct id id;
    struct str first;
    struct str last;
};
static const struct field new_fields[] = {
    FIELD(struct new_item, id, FIELD_ID, .tag = 1, .doc = "Id."),
    FIELD(struct new_item, first, FIELD_TEXT, .tag = 4, .max = 100, .doc = "First."),
    FIELD(struct new_item, last, FIELD_TEXT, .tag = 5, .max = 100, .doc = "Last."),
};
static const struct schema new_schema = SCHEMA("new_item", struct new_item, new_fields);
static const struct table_index new_indexes[] = {
    {.name = "by_last",
     .offsets = {offsetof(struct new_item, last)},
     .offset_count = 1,
     .is_unique = true},
};
static const struct table new_table = {.name = "people",
                                       .id = 9,
                                       .version = 2,
                                       .schema = &new_schema,
                                       .key_offset = offsetof(struct new_item, id),
                                       .indexes = new_indexes,
                                       .index_count = 1};

static const struct table *const old_tables[] = {&old_table};
static const struct table *const new_tables[] = {&new_table};

static uint32_t old_put_run(struct store_tx *tx, void *ctx) {
    const struct table *table = ctx;
    static const struct str names[] = {{"Ada Lovelace", 12}, {"Alan Turing", 11}, {"Kurt G", 6}};
    for (uint32_t index = 0; index < COUNT_OF(names); index += 1) {
        struct old_item item = {.set = {.present = 7},
                                .id = id_from_number(index + 1),
                                .full_name = names[index],
                                .gone = index};
        store_tx_command(tx, entropy);
        store_put(tx, table, &item);
    }
    return COUNT_OF(names);
}

static struct arena *migration_arena;
static uint32_t migration_runs;
static bool migration_fails;

static enum err people_split(struct store_tx *tx, store_report report, void *ctx) {
    struct store_scan scan;
    struct old_item old;
    const struct store_view *view = store_tx_view(tx);
    report(ctx, "splitting names");
    migration_runs += 1;
    enum err err = store_scan_open(&scan, view, scope_system, &old_table, STORE_PRIMARY, STR_NONE,
                                   STR_NONE, false);
    while (err == ERR_OK && (err = store_scan_next(&scan, migration_arena, &old)) == ERR_OK) {
        struct new_item item = {.set = {.present = 7}, .id = old.id, .last = old.full_name};
        item.first = str_split(&item.last, ' ');
        store_tx_command(tx, entropy);
        store_put(tx, &new_table, &item);
    }
    store_scan_close(&scan);
    return migration_fails ? ERR_CORRUPT : err == ERR_END ? ERR_OK : err;
}

static enum err kurt_remove(struct store_tx *tx, store_report report, void *ctx) {
    (void)report;
    (void)ctx;
    struct id id = id_from_number(3);
    migration_runs += 1;
    store_del(tx, &new_table, id_bytes(&id));
    store_del(tx, &new_table, id_bytes(&id));
    return ERR_OK;
}

static const struct store_migration migrations[] = {
    {.from = 1, .run = people_split, .doc = "names become first and last"},
    {.from = 2, .run = kurt_remove, .doc = "one person less"},
};

static struct store_options migrated_options(const struct store_bench *bench) {
    struct store_options options = bench->options;
    options.tables = new_tables;
    options.migrations = migrations;
    options.migration_count = COUNT_OF(migrations);
    options.report = lines_add;
    return options;
}

static bool old_store_make(struct store_bench *bench) {
    struct store_options options = bench_options();
    options.tables = old_tables;
    options.table_count = 1;
    if (!bench_open_with(bench, NULL, options)) {
        return false;
    }
    bench_batch(bench, old_put_run, (void *)(uintptr_t)&old_table);
    store_close(bench->store);
    bench->store = NULL;
    migration_arena = &bench->arena;
    migration_runs = 0;
    migration_fails = false;
    lines[0] = '\0';
    return true;
}

TEST(store_migrations_run_in_order_once_and_rebuild_indexes)
{
    struct store_bench bench;
    REQUIRE(old_store_make(&bench));
    struct store_options options = migrated_options(&bench);
    options.is_read_only = true;
    EXPECT(open_code(&options) != ERR_OK); /* not by a reader */
    options.is_read_only = false;
    const char *problem = NULL;
    REQUIRE(store_open(&bench.store, &options, &problem) == ERR_OK);
    EXPECT_EQ_UINT(migration_runs, 2);
    EXPECT_EQ_STR(lines, "migration 1 of 2: names become first and last\nsplitting names\n"
                         "migration 2 of 2: one person less\n");
    struct new_item found;
    EXPECT(store_find(store_snapshot(bench.store), scope_system, &new_table, 0, STR("Turing"),
                      &bench.arena, &found) == ERR_OK);
    EXPECT(str_equal(found.first, STR("Alan")));
    EXPECT_EQ_UINT(store_count(store_snapshot(bench.store), &new_table), 2);
    EXPECT(fsck_lines(bench.store) == ERR_OK);
    struct store_stats stats;
    store_stats_read(bench.store, &stats);
    EXPECT_EQ_UINT(stats.sequence, 2); /* it is in the write set like everything */
    bench.options = options;
    bench_reopen(&bench);
    EXPECT_EQ_UINT(migration_runs, 2);
    EXPECT(fsck_lines(bench.store) == ERR_OK);
    store_close(bench.store);
    bench.store = NULL;
    /* The older program must not touch it. */
    options.tables = old_tables;
    options.migration_count = 0;
    EXPECT(open_code(&options) == ERR_FORMAT);
    bench_close(&bench);
}

static enum err items_rewrite(struct store_tx *tx, store_report report, void *ctx) {
    (void)report;
    (void)ctx;
    for (uint64_t number = 0; number < 30; number += 1) {
        struct item item;
        struct id id = id_from_number(number);
        enum err err = store_get(store_tx_view(tx), scope_system, &item_table, id_bytes(&id),
                                 migration_arena, &item);
        if (err != ERR_OK) {
            return err;
        }
        store_tx_command(tx, entropy);
        store_put(tx, &item_table, &item);
    }
    return ERR_OK;
}

TEST(store_migration_finds_room_to_write_everything_anew)
{
    static const struct store_migration rewrite = {.from = 1, .run = items_rewrite, .doc = "all"};
    static char note[200000];
    struct store_bench bench;
    struct store_options options = bench_options();
    options.map_bytes_start = 1 << 20;
    options.headroom_bytes = 1 << 20;
    REQUIRE(bench_open_with(&bench, NULL, options));
    memset(note, 'n', sizeof note);
    for (uint64_t number = 0; number < 30; number += 1) {
        char name[16];
        (void)snprintf(name, sizeof name, "n%u", (unsigned)number);
        struct item item = bench_item(&bench, number, name, 1);
        item.note = (struct str){note, sizeof note};
        bench_put(&bench, &item);
    }
    migration_arena = &bench.arena;
    bench.options.migrations = &rewrite;
    bench.options.migration_count = 1;
    bench_reopen(&bench);
    EXPECT(fsck_lines(bench.store) == ERR_OK);
    EXPECT_EQ_UINT(store_count(store_snapshot(bench.store), &item_table), 30);
    bench_close(&bench);
}

TEST(store_migration_that_fails_leaves_everything_as_it_was)
{
    struct store_bench bench;
    REQUIRE(old_store_make(&bench));
    struct store_options options = migrated_options(&bench);
    migration_fails = true;
    EXPECT(open_code(&options) == ERR_CORRUPT);
    const char *problem = NULL;
    REQUIRE(store_open(&bench.store, &bench.options, &problem) == ERR_OK);
    EXPECT(fsck_lines(bench.store) == ERR_OK);
    EXPECT_EQ_UINT(store_count(store_snapshot(bench.store), &old_table), 3);
    bench_close(&bench);
}

TEST(store_rebuilds_an_index_whose_row_changed)
{
    struct store_bench bench;
    REQUIRE(old_store_make(&bench));
    struct table table = old_table;
    struct table_index indexes[2] = {
        {.name = "by_gone",
         .offsets = {offsetof(struct old_item, gone)},
         .offset_count = 1,
         .is_unique = true},
        {.name = "by_name",
         .offsets = {offsetof(struct old_item, full_name)},
         .offset_count = 1,
         .is_unique = true},
    };
    const struct table *tables[] = {&table};
    table.indexes = indexes;
    table.index_count = 2;
    bench.options.tables = tables;
    const char *problem = NULL;
    struct old_item found;
    REQUIRE(store_open(&bench.store, &bench.options, &problem) == ERR_OK);
    EXPECT(store_find(store_snapshot(bench.store), scope_system, &table, 1, STR("Alan Turing"),
                      &bench.arena, &found) == ERR_OK);
    EXPECT(fsck_lines(bench.store) == ERR_OK);
    table.index_count = 0; /* now without any; then again */
    bench_reopen(&bench);
    bench_batch(&bench, old_put_run, &table);
    table.index_count = 2;
    bench_reopen(&bench);
    EXPECT(fsck_lines(bench.store) == ERR_OK);
    EXPECT(store_find(store_snapshot(bench.store), scope_system, &table, 1, STR("Kurt G"),
                      &bench.arena, &found) == ERR_OK);
    indexes[1].is_folded = true; /* names are looked for without their case from now on */
    bench_reopen(&bench);
    EXPECT(fsck_lines(bench.store) == ERR_OK);
    char memory[64];
    struct buf key = buf_over(memory, sizeof(memory));
    store_key_put_folded(&key, STR("kURT g"), true);
    EXPECT(str_equal(buf_str(&key), STR("kurt g")));
    EXPECT(store_find(store_snapshot(bench.store), scope_system, &table, 1, buf_str(&key),
                      &bench.arena, &found) == ERR_OK);
    EXPECT(str_equal(found.full_name, STR("Kurt G")));
    EXPECT(store_find(store_snapshot(bench.store), scope_system, &table, 1, STR("Kurt G"),
                      &bench.arena, &found) == ERR_NOT_FOUND);
    bench_close(&bench);
}

TEST(store_refuses_tables_that_do_not_fit_the_store)
{
    struct store_bench bench;
    REQUIRE(old_store_make(&bench));
    struct store_options options = bench.options;
    struct table table = old_table;
    const struct table *tables[] = {&table};
    options.tables = tables;
    table.id = 10;
    EXPECT(open_code(&options) == ERR_FORMAT); /* ids are never reused */
    table = word_table;
    EXPECT(open_code(&options) == ERR_FORMAT); /* it lacks "people" */
    table = old_table;
    table.name = "_meta";
    EXPECT_DIES(open_code(&options));
    bench_close(&bench);
}

/* ---- fsck ---- */

/* Changes the closed store behind its back. */
static bool raw_change(const struct store_bench *bench, const char *database, struct str key,
                       struct str value, bool is_del) {
    MDB_env *env = NULL;
    MDB_txn *txn = NULL;
    MDB_dbi dbi = 0;
    MDB_val lmdb_key = {key.len, (void *)(uintptr_t)key.data};
    MDB_val data = {value.len, (void *)(uintptr_t)value.data};
    int code = mdb_env_create(&env);
    code = code != 0 ? code : mdb_env_set_maxdbs(env, 20);
    code = code != 0 ? code : mdb_env_open(env, bench->folder, 0, 0600);
    code = code != 0 ? code : mdb_txn_begin(env, NULL, 0, &txn);
    code = code != 0 ? code : mdb_dbi_open(txn, database, 0, &dbi);
    if (code == 0) {
        code = is_del ? mdb_del(txn, dbi, &lmdb_key, NULL) : mdb_put(txn, dbi, &lmdb_key, &data, 0);
    }
    code = code != 0 ? code : mdb_txn_commit(txn);
    mdb_env_close(env);
    return code == 0;
}

static bool raw_get(const struct store_bench *bench, const char *database, struct str key,
                    char *value, uint32_t *len) {
    MDB_env *env = NULL;
    MDB_txn *txn = NULL;
    MDB_dbi dbi = 0;
    MDB_val lmdb_key = {key.len, (void *)(uintptr_t)key.data};
    MDB_val data;
    int code = mdb_env_create(&env);
    code = code != 0 ? code : mdb_env_set_maxdbs(env, 20);
    code = code != 0 ? code : mdb_env_open(env, bench->folder, MDB_RDONLY, 0600);
    code = code != 0 ? code : mdb_txn_begin(env, NULL, MDB_RDONLY, &txn);
    code = code != 0 ? code : mdb_dbi_open(txn, database, 0, &dbi);
    code = code != 0 ? code : mdb_get(txn, dbi, &lmdb_key, &data);
    if (code == 0) {
        memcpy(value, data.mv_data, data.mv_size);
        *len = (uint32_t)data.mv_size;
    }
    mdb_txn_abort(txn);
    mdb_env_close(env);
    return code == 0;
}

static bool two_items_make(struct store_bench *bench) {
    if (!bench_open(bench, NULL)) {
        return false;
    }
    struct item item = bench_item(bench, 1, "one", 1);
    bench_put(bench, &item);
    item = bench_item(bench, 2, "two", 2);
    bench_put(bench, &item);
    store_close(bench->store);
    bench->store = NULL;
    return true;
}

/* Opens, runs fsck, closes; says whether it found `what` at least. */
static bool fsck_finds(struct store_bench *bench, const char *what) {
    const char *problem = NULL;
    struct store_options options = bench->options;
    options.is_read_only = true;
    if (store_open(&bench->store, &options, &problem) != ERR_OK) {
        return false;
    }
    bool is_found = fsck_lines(bench->store) == ERR_CORRUPT && strstr(lines, what) != NULL;
    store_close(bench->store);
    bench->store = NULL;
    return is_found;
}

TEST(store_every_flipped_bit_of_a_record_is_seen)
{
    struct store_bench bench;
    REQUIRE(two_items_make(&bench));
    struct id id = id_from_number(1);
    char value[2000];
    uint32_t len = 0;
    REQUIRE(raw_get(&bench, "items", id_bytes(&id), value, &len));
    for (uint32_t round = 0; round < 40; round += 1) {
        char damaged[2000];
        memcpy(damaged, value, len);
        uint32_t at = round < 8 ? round : (uint32_t)test_random_below(len);
        damaged[at] ^= (char)(1u << test_random_below(8));
        REQUIRE(raw_change(&bench, "items", id_bytes(&id), (struct str){damaged, len}, false));
        const char *problem = NULL;
        struct item found;
        REQUIRE(store_open(&bench.store, &bench.options, &problem) == ERR_OK);
        EXPECT(bench_get(&bench, id, &found) == ERR_CORRUPT);
        struct store_scan scan;
        REQUIRE(store_scan_open(&scan, store_snapshot(bench.store), scope_system, &item_table,
                                STORE_PRIMARY, STR_NONE, STR_NONE, false) == ERR_OK);
        EXPECT(store_scan_next(&scan, &bench.arena, &found) == ERR_CORRUPT);
        store_scan_close(&scan);
        store_close(bench.store);
        bench.store = NULL;
        EXPECT(fsck_finds(&bench, "wrong checksum or form"));
    }
    bench_close(&bench);
}

TEST(store_fsck_finds_records_under_another_key)
{
    struct store_bench bench;
    REQUIRE(two_items_make(&bench));
    struct id one = id_from_number(1);
    struct id two = id_from_number(2);
    char value[2000];
    uint32_t len = 0;
    REQUIRE(raw_get(&bench, "items", id_bytes(&one), value, &len));
    REQUIRE(raw_change(&bench, "items", id_bytes(&two), (struct str){value, len}, false));
    EXPECT(fsck_finds(&bench, "wrong checksum or form"));
    bench_close(&bench);
}

TEST(store_fsck_finds_old_and_missing_records)
{
    struct store_bench bench;
    REQUIRE(two_items_make(&bench));
    struct id id = id_from_number(1);
    char value[2000];
    uint32_t len = 0;
    REQUIRE(raw_get(&bench, "items", id_bytes(&id), value, &len));
    const char *problem = NULL;
    REQUIRE(store_open(&bench.store, &bench.options, &problem) == ERR_OK);
    struct item item = bench_item(&bench, 1, "one", 1);
    item.at = 5; /* no index knows this member */
    bench_put(&bench, &item);
    store_close(bench.store);
    bench.store = NULL;
    REQUIRE(raw_change(&bench, "items", id_bytes(&id), (struct str){value, len}, false));
    EXPECT(fsck_finds(&bench, "some are old or missing")); /* valid, but of before */
    REQUIRE(raw_change(&bench, "items", id_bytes(&id), STR_NONE, true));
    EXPECT(fsck_finds(&bench, "an index row without its record"));
    bench_close(&bench);
}

TEST(store_fsck_finds_index_rows_missing_and_too_many)
{
    struct store_bench bench;
    REQUIRE(two_items_make(&bench));
    struct id id = id_from_number(1);
    REQUIRE(raw_change(&bench, "items.by_name", STR("one"), STR_NONE, true));
    EXPECT(fsck_finds(&bench, "an index does not have the record"));
    REQUIRE(raw_change(&bench, "items.by_name", STR("one"), id_bytes(&id), false));
    const char *problem = NULL;
    REQUIRE(store_open(&bench.store, &bench.options, &problem) == ERR_OK);
    EXPECT(fsck_lines(bench.store) == ERR_OK);
    store_close(bench.store);
    bench.store = NULL;
    REQUIRE(raw_change(&bench, "items.by_name", STR("three"), id_bytes(&id), false));
    EXPECT(fsck_finds(&bench, "an index row without its record"));
    EXPECT(strstr(lines, "the number of index rows is wrong") != NULL);
    bench_close(&bench);
}

TEST(store_open_finds_a_damaged_meta_table)
{
    struct store_bench bench;
    REQUIRE(two_items_make(&bench));
    char value[200];
    uint32_t len = 0;
    REQUIRE(raw_get(&bench, "_meta", STR("state"), value, &len));
    value[9] ^= 1;
    REQUIRE(raw_change(&bench, "_meta", STR("state"), (struct str){value, len}, false));
    EXPECT(open_code(&bench.options) == ERR_CORRUPT);
    bench_close(&bench);
}

/* ---- backup and restore ---- */

TEST(store_backup_and_restore_keep_everything)
{
    struct store_bench bench;
    char file[300];
    REQUIRE(bench_open(&bench, NULL));
    for (uint64_t number = 0; number < 300; number += 1) {
        char name[16];
        (void)snprintf(name, sizeof name, "n%u", (unsigned)number);
        struct item item = bench_item(&bench, number, name, (int64_t)number);
        bench_put(&bench, &item);
        if (number % 3 == 0) {
            bench_del(&bench, item.id);
        }
    }
    struct store_stats before;
    struct store_stats after;
    store_stats_read(bench.store, &before);
    (void)snprintf(file, sizeof file, "%s/backup", bench.folder);
    lines[0] = '\0';
    EXPECT(store_backup(bench.store, file, lines_add, NULL) == ERR_OK);
    EXPECT_EQ_STR(lines, "");
    EXPECT(store_backup(bench.store, file, lines_add, NULL) == ERR_EXISTS);
    struct store_bench copy;
    REQUIRE(bench_open(&copy, NULL));
    EXPECT(store_restore(file, &copy.options, lines_add, NULL) == ERR_EXISTS); /* it is running */
    store_close(copy.store);
    copy.store = NULL;
    EXPECT(store_restore(file, &copy.options, lines_add, NULL) == ERR_EXISTS); /* there is one */
    bench_folder_remove(copy.folder);
    lines[0] = '\0';
    EXPECT(store_restore(file, &copy.options, lines_add, NULL) == ERR_OK);
    EXPECT(strstr(lines, "items: 200 records") != NULL);
    const char *problem = NULL;
    REQUIRE(store_open(&copy.store, &copy.options, &problem) == ERR_OK);
    store_stats_read(copy.store, &after);
    EXPECT(hash_equal(before.chain, after.chain));
    EXPECT_EQ_UINT(before.sequence, after.sequence);
    EXPECT(fsck_lines(copy.store) == ERR_OK);
    struct item found;
    EXPECT(bench_get(&copy, id_from_number(1), &found) == ERR_OK);
    EXPECT(str_equal(found.secret, STR("hunter2")));
    bench_close(&copy);
    bench_close(&bench);
}

TEST(store_restore_refuses_what_is_cut_damaged_or_of_another_key)
{
    struct store_bench bench;
    struct store_bench copy;
    char file[300];
    char path[512];
    REQUIRE(two_items_make(&bench));
    const char *problem = NULL;
    REQUIRE(store_open(&bench.store, &bench.options, &problem) == ERR_OK);
    (void)snprintf(file, sizeof file, "%s/backup", bench.folder);
    REQUIRE(store_backup(bench.store, file, NULL, NULL) == ERR_OK);
    struct stat status;
    REQUIRE(stat(file, &status) == 0);
    REQUIRE(bench_open(&copy, NULL));
    store_close(copy.store);
    copy.store = NULL;
    bench_folder_remove(copy.folder);
    struct store_options options = copy.options;
    options.seal_key.bytes[0] ^= 1;
    EXPECT(store_restore(file, &options, NULL, NULL) == ERR_CRYPTO);
    /* One byte of a record. */
    int fd = open(file, O_RDWR);
    static char content[1 << 20];
    ssize_t bytes = read(fd, content, sizeof content);
    char *at = bytes > 0 ? memmem(content, (size_t)bytes, "here", 4) : NULL;
    REQUIRE(at != NULL);
    EXPECT(pwrite(fd, "Here", 4, at - content) == 4);
    EXPECT(store_restore(file, &copy.options, NULL, NULL) == ERR_CORRUPT);
    EXPECT(pwrite(fd, "here", 4, at - content) == 4);
    close(fd);
    REQUIRE(truncate(file, status.st_size - 4096) == 0);
    EXPECT(store_restore(file, &copy.options, NULL, NULL) == ERR_CORRUPT);
    REQUIRE(truncate(file, 100) == 0);
    EXPECT(store_restore(file, &copy.options, NULL, NULL) == ERR_FORMAT);
    EXPECT(store_restore("/nowhere/backup", &copy.options, NULL, NULL) == ERR_IO);
    path_make(path, copy.folder, "data.mdb");
    EXPECT(access(path, F_OK) != 0); /* nothing of all that became a store */
    bench_close(&copy);
    bench_close(&bench);
}
