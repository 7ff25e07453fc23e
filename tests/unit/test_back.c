/* The way back from an update: a store that a newer version changed gives way to the copy that was
 * made before, and one that this version understands stays. */
#include "test.h"

#include <sys/stat.h>

#include "cli/cli.h"
#include "support/store_support.h"

static char key_hex[] = "0001020304050607080910111213141516171819202122232425262728293031";

struct newer_row {
    struct schema_set set;
    int64_t number;
};

static const struct field newer_fields[] = {
    FIELD(struct newer_row, number, FIELD_INT, .tag = 1, .flags = FIELD_REQUIRED, .doc = "Key."),
};
static const struct schema newer_schema = SCHEMA("Newer", struct newer_row, newer_fields);
static const struct table newer_table = {
    .name = "newer",
    .id = 255,
    .version = 1,
    .schema = &newer_schema,
    .key_offset = offsetof(struct newer_row, number),
    .doc = "What a newer version has and this one lacks.",
};

struct back {
    struct cli_options options;
    struct store_seal_key key;
    char parent[TEST_PATH_BYTES]; /* the key lies beside the store */
    char folder[TEST_PATH_BYTES + 16];
    char copy[TEST_PATH_BYTES + 32];
};

/* As this version opens it, or as one with a further table does. */
static enum err open_as(const struct back *back, bool is_newer, struct store **store) {
    const struct table *tables[STORE_TABLES_MAX + 1];
    const char *problem = NULL;
    struct store_options options = {.folder = back->folder, .seal_key = back->key};
    const struct table *const *own = cli_tables(&options.table_count);
    memcpy(tables, own, options.table_count * sizeof tables[0]);
    tables[options.table_count] = &newer_table;
    options.table_count += is_newer ? 1 : 0;
    options.tables = tables;
    return store_open(store, &options, &problem);
}

/* A store of this version, and its copy. */
static void back_open(struct back *back) {
    struct store *store = NULL;
    memset(back, 0, sizeof *back);
    REQUIRE(mkdtemp(test_template(back->parent, "back")) != NULL);
    (void)snprintf(back->folder, sizeof back->folder, "%s/store", back->parent);
    (void)snprintf(back->copy, sizeof back->copy, "%s/before.backup", back->folder);
    REQUIRE(mkdir(back->folder, 0700) == 0);
    back->options = (struct cli_options){.folder = back->folder, .seal_key_hex = key_hex};
    REQUIRE(cli_key_load(&back->options, false, &back->key));
    REQUIRE(open_as(back, false, &store) == ERR_OK);
    REQUIRE(store_backup(store, back->copy, NULL, NULL) == ERR_OK);
    store_close(store);
}

static bool has_aside(const struct back *back) {
    char path[TEST_PATH_BYTES + 64];
    (void)snprintf(path, sizeof path, "%s/data.mdb.newer", back->folder);
    return access(path, F_OK) == 0;
}

TEST(back_keeps_a_store_that_this_version_understands)
{
    struct back back;
    back_open(&back);
    EXPECT(cli_store_go_back(&back.options, back.copy));
    EXPECT(!has_aside(&back));
    bench_folder_remove(back.parent);
}

TEST(back_restores_the_copy_when_a_newer_version_changed_the_store)
{
    struct back back;
    struct store *store = NULL;
    back_open(&back);
    REQUIRE(open_as(&back, true, &store) == ERR_OK);
    store_close(store);
    EXPECT_EQ_INT(open_as(&back, false, &store), ERR_FORMAT);
    EXPECT(cli_store_go_back(&back.options, back.copy));
    EXPECT(has_aside(&back)); /* what was written since is not thrown away */
    EXPECT_EQ_INT(open_as(&back, false, &store), ERR_OK);
    store_close(store);
    EXPECT(cli_store_go_back(&back.options, back.copy)); /* cut off behind it: again */
    bench_folder_remove(back.parent);
}

TEST(back_without_a_copy_changes_nothing)
{
    struct back back;
    struct store *store = NULL;
    back_open(&back);
    REQUIRE(open_as(&back, true, &store) == ERR_OK);
    store_close(store);
    REQUIRE(remove(back.copy) == 0);
    EXPECT(!cli_store_go_back(&back.options, back.copy));
    EXPECT(!has_aside(&back));
    EXPECT_EQ_INT(open_as(&back, true, &store), ERR_OK);
    store_close(store);
    bench_folder_remove(back.parent);
}
