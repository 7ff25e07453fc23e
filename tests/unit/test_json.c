/* Strict reading, exact numbers, documents that never lose a member silently. */
#include "test.h"

#include "json/json.h"
#include "support/schema_sample.h"

enum { POOL_BLOCKS = 1024 };

static struct arena arena;

static void arena_fresh(uint32_t bytes_max) {
    static struct arena_pool pool;
    if (pool.memory == NULL) {
        arena_pool_init(&pool, aligned_alloc(4096, (size_t)POOL_BLOCKS * ARENA_BLOCK_BYTES),
                        POOL_BLOCKS);
    } else {
        arena_reset(&arena);
    }
    arena_init(&arena, &pool, bytes_max);
}

static enum err parse(struct str text) {
    yyjson_val *root = NULL;
    arena_fresh(REQUEST_ARENA_BYTES_MAX);
    enum err err = json_parse(text, &arena, &root);
    EXPECT((err == ERR_OK) == (root != NULL));
    yyjson_val *raw = NULL;
    enum err raw_err = json_parse_raw(text, &arena, &raw);
    EXPECT(raw_err == err);
    return err;
}

TEST(json_accepts_rfc_8259)
{
    static const char *const good[] = {
        "null",
        "true",
        " 1 ",
        "-0",
        "1e5",
        "0.5",
        "\"\"",
        "[]",
        "{}",
        "{\"\":{}}",
        "[1,[2,[3]]]",
        "\"\\u00e4\\ud83d\\ude00\"",
        "{\"a\":1,\"A\":2}",
        "\t\r\n[ ]",
        "\"\xc3\xa4\"",
        "18446744073709551615",
        "-9223372036854775808",
        "\"\\\\u0000\"",
    };
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        if (parse(str_from_c(good[i])) != ERR_OK) {
            test_fail(__FILE__, __LINE__, "refused: %s", good[i]);
        }
    }
}

TEST(json_refuses_everything_else)
{
    static const char *const bad[] = {
        "",
        " ",
        "nul",
        "[1,]",
        "{\"a\":1,}",
        "{a:1}",
        "'a'",
        "01",
        "+1",
        "1.",
        ".5",
        "1e",
        "NaN",
        "Infinity",
        "-",
        "[1 2]",
        "{\"a\" 1}",
        "[",
        "]",
        "{\"a\":}",
        "\"\n\"",
        "\"\\x41\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800\\u0041\"",
        "// c\n1",
        "/* c */ 1",
        "1 2",
        "\"\xc3\"",
        "\"\xed\xa0\x80\"",
        "\"\xc0\xaf\"",
        "\"\xff\"",
        "\xef\xbb\xbf{}",
        "{}x",
        "\"\\u0000\"",
        "{\"a\\u0000\":1}",
        "[\"a\\u0000b\"]",
        "\"\\u12\"",
        "\"abc",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        if (parse(str_from_c(bad[i])) != ERR_JSON_INVALID) {
            test_fail(__FILE__, __LINE__, "accepted: %s", bad[i]);
        }
    }
    EXPECT_EQ_INT(parse(STR("{}\0")), ERR_JSON_INVALID);
    EXPECT_EQ_INT(parse(STR_NONE), ERR_JSON_INVALID);
}

static struct str nested(char *memory, uint32_t depth, const char *open, const char *close) {
    struct buf text = buf_over(memory, 1 << 16);
    for (uint32_t i = 0; i < depth; i++) {
        buf_put_c(&text, open);
    }
    buf_put_c(&text, "1");
    for (uint32_t i = 0; i < depth; i++) {
        buf_put_c(&text, close);
    }
    return buf_str(&text);
}

TEST(json_depth_ends_at_the_limit)
{
    static char memory[1 << 16];
    EXPECT_EQ_INT(parse(nested(memory, JSON_DEPTH_MAX, "[", "]")), ERR_OK);
    EXPECT_EQ_INT(parse(nested(memory, JSON_DEPTH_MAX + 1, "[", "]")), ERR_JSON_INVALID);
    EXPECT_EQ_INT(parse(nested(memory, JSON_DEPTH_MAX, "{\"a\":", "}")), ERR_OK);
    EXPECT_EQ_INT(parse(nested(memory, JSON_DEPTH_MAX + 1, "{\"a\":", "}")), ERR_JSON_INVALID);
    EXPECT_EQ_INT(parse(nested(memory, JSON_DEPTH_MAX / 2, "[{\"a\":", "}]")), ERR_OK);
    EXPECT_EQ_INT(parse(nested(memory, JSON_DEPTH_MAX / 2 + 1, "[{\"a\":", "}]")),
                  ERR_JSON_INVALID);
    EXPECT_EQ_INT(parse(nested(memory, 30000, "[", "]")), ERR_JSON_INVALID);
    /* Siblings are not depth. */
    struct buf text = buf_over(memory, sizeof memory);
    buf_put_c(&text, "[");
    for (uint32_t i = 0; i < 3 * JSON_DEPTH_MAX; i++) {
        buf_put_c(&text, i > 0 ? ",[{}]" : "[{}]");
    }
    buf_put_c(&text, "]");
    EXPECT_EQ_INT(parse(buf_str(&text)), ERR_OK);
}

TEST(json_finds_duplicate_keys)
{
    static const char *const bad[] = {
        "{\"a\":1,\"a\":1}",
        "[{\"b\":{\"a\":1,\"b\":2,\"a\":3}}]",
        "{\"\":1,\"\":2}",
        "{\"a\":1,\"\\u0061\":2}",
        "{\"1\":0,\"2\":0,\"3\":0,\"4\":0,\"5\":0,\"6\":0,\"7\":0,"
        "\"8\":0,\"9\":0,\"10\":0,\"1\":0}",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        EXPECT_EQ_INT(parse(str_from_c(bad[i])), ERR_JSON_INVALID);
    }
    EXPECT_EQ_INT(parse(STR("[{\"a\":1},{\"a\":2,\"b\":{\"a\":3}}]")), ERR_OK);
}

/* An object of `count` keys; the key at `twice` is repeated at the end when it is one of them. */
static struct str many_keys(char *memory, size_t bytes, uint32_t count, uint32_t twice) {
    struct buf text = buf_over(memory, bytes);
    buf_put_c(&text, "{");
    for (uint32_t i = 0; i < count; i++) {
        buf_printf(&text, "\"k%x\":0,", i * 2654435761u);
    }
    buf_printf(&text, "\"%s%x\":0}", twice < count ? "k" : "z", twice * 2654435761u);
    EXPECT(!text.is_full);
    return buf_str(&text);
}

TEST(json_finds_the_one_duplicate_among_many)
{
    static char memory[1 << 21];
    for (uint32_t round = 0; round < 60; round++) {
        uint32_t count = 1 + (uint32_t)test_random_below(2000);
        uint32_t twice = (uint32_t)test_random_below(2 * count);
        enum err want = twice < count ? ERR_JSON_INVALID : ERR_OK;
        EXPECT_EQ_INT(parse(many_keys(memory, sizeof memory, count, twice)), want);
    }
}

TEST(json_takes_a_hundred_thousand_keys_quickly)
{
    static struct arena_pool large;
    static char text[1 << 21];
    enum { KEYS = 100000, BLOCKS = 4096 };
    arena_pool_init(&large, aligned_alloc(4096, (size_t)BLOCKS * ARENA_BLOCK_BYTES), BLOCKS);
    struct arena wide;
    arena_init(&wide, &large, BLOCKS * ARENA_BLOCK_BYTES / 2);
    struct str json = many_keys(text, sizeof text, KEYS, KEYS);
    yyjson_val *root;
    struct timespec from;
    struct timespec to;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    EXPECT_EQ_INT(json_parse(json, &wide, &root), ERR_OK);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
    int64_t ms = (to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000;
    printf("    %d keys checked in %" PRId64 " ms\n", KEYS, ms);
    EXPECT(ms < 2000); /* all pairs would be 5e9 comparisons */
    arena_reset(&wide);
    free(large.memory);
    large.memory = NULL;
}

TEST(json_numbers_are_exact)
{
    static const struct {
        const char *text;
        bool is_whole;
        int64_t value;
    } rows[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"0.000e99999999999999999999", true, 0},
        {"12", true, 12},
        {"12.0", true, 12},
        {"1.50e1", true, 15},
        {"1500e-2", true, 15},
        {"1500.00E-2", true, 15},
        {"1E+3", true, 1000},
        {"9007199254740993", true, 9007199254740993},
        {"9223372036854775807.0", true, INT64_MAX},
        {"-9.223372036854775808e18", true, INT64_MIN},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"1e19", false, 0},
        {"1.5", false, 0},
        {"15e-1", false, 0},
        {"1e-1", false, 0},
        {"1e99999999999999999999", false, 0},
        {"1e-99999999999999999999", false, 0},
        {"1e9223372036854775807", false, 0},
        {"10e9223372036854775807", false, 0},
        {"0.1e1", true, 1},
        {"100000000000000000000e-2", true, 1000000000000000000},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int64_t value = 0;
        bool is_whole = json_number_to_i64(str_from_c(rows[i].text), &value);
        if (is_whole != rows[i].is_whole || (is_whole && value != rows[i].value)) {
            test_fail(__FILE__, __LINE__, "%s gives %d, %" PRId64, rows[i].text, is_whole, value);
        }
    }
}

/* --- writing --------------------------------------------------------------------------------- */

static enum err build(struct str *text) {
    static const char secret_like[] = "a\"b\\c\n\x01\xc3\xa4";
    yyjson_mut_doc *doc = json_doc(&arena);
    yyjson_mut_val *root = json_object(doc);
    json_add_str(doc, root, "text", str_from_c(secret_like));
    json_add_str(doc, root, "none", STR_NONE);
    json_add_int(doc, root, "int", INT64_MIN);
    json_add_bool(doc, root, "yes", true);
    json_add_null(doc, root, "null");
    struct id id = {{0x12, 0x34}};
    json_add_id(doc, root, "id", id);
    json_add_time(doc, root, "naive", 1000000, TIME_FORM_NAIVE);
    json_add_time(doc, root, "zoned", 1, TIME_FORM_RFC3339);
    yyjson_mut_val *inner = json_add_object(doc, root, "inner");
    json_add_int(doc, inner, "one", 1);
    yyjson_mut_val *list = json_add_array(doc, root, "list");
    for (uint32_t i = 0; i < 40; i++) {
        json_append_str(doc, list, STR("x"));
    }
    json_append_val(doc, list, json_array(doc));
    return json_write(doc, root, &arena, text);
}

static const char built[] =
    "{\"text\":\"a\\\"b\\\\c\\n\\u0001\xc3\xa4\",\"none\":null,\"int\":-9223372036854775808,"
    "\"yes\":true,\"null\":null,\"id\":\"12340000-0000-0000-0000-000000000000\","
    "\"naive\":\"1970-01-01T00:00:01\",\"zoned\":\"1970-01-01T00:00:00.000001Z\","
    "\"inner\":{\"one\":1},\"list\":[\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x\","
    "\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x\","
    "\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x\","
    "[]]}";

TEST(json_write_writes_what_was_added)
{
    struct str text;
    arena_fresh(REQUEST_ARENA_BYTES_MAX);
    REQUIRE(build(&text) == ERR_OK);
    EXPECT(str_equal(text, str_from_c(built)));
}

TEST(json_write_is_right_or_out_of_memory_at_every_arena_size)
{
    struct str text = STR_NONE;
    uint32_t bytes = 0;
    enum err err = ERR_NO_MEMORY;
    for (; err != ERR_OK; bytes += 16) {
        arena_fresh(bytes);
        err = build(&text);
        REQUIRE(err == ERR_OK || err == ERR_NO_MEMORY);
        REQUIRE(bytes < 1 << 20);
        EXPECT(str_is_none(text) == (err != ERR_OK));
    }
    EXPECT(str_equal(text, str_from_c(built)));
    EXPECT(bytes > 1000);
}

TEST(json_write_repairs_bytes_of_strangers)
{
    struct str text;
    arena_fresh(REQUEST_ARENA_BYTES_MAX);
    yyjson_mut_doc *doc = json_doc(&arena);
    yyjson_mut_val *root = json_object(doc);
    json_add_str(doc, root, "agent", STR("a\xff\"\xc3"));
    json_add_val(doc, root, "rate", yyjson_mut_real(doc, 0.0 / 0.0));
    REQUIRE(json_write(doc, root, &arena, &text) == ERR_OK);
    EXPECT(str_equal(text, STR("{\"agent\":\"a?\\\"?\",\"rate\":null}")));
    EXPECT_EQ_INT(parse(STR("{\"agent\":\"a?\\\"?\",\"rate\":null}")), ERR_OK);
}

TEST(json_without_memory_does_nothing_and_says_so)
{
    struct str text = STR("old");
    json_add_str(NULL, NULL, "a", STR("b"));
    json_add_members(NULL, NULL, &sample_schema, NULL);
    json_append_val(NULL, NULL, NULL);
    EXPECT(json_add_object(NULL, NULL, "a") == NULL);
    EXPECT(json_describe(NULL, &sample_schema, true) == NULL);
    EXPECT_EQ_INT(json_write(NULL, NULL, &arena, &text), ERR_NO_MEMORY);
    EXPECT(str_is_none(text));
}

TEST(json_parse_is_right_or_out_of_memory_at_every_arena_size)
{
    static char memory[1 << 16];
    struct str text = many_keys(memory, sizeof memory, 40, 40);
    enum err err = ERR_NO_MEMORY;
    for (uint32_t bytes = 0; err != ERR_OK; bytes += 16) {
        yyjson_val *root;
        arena_fresh(bytes);
        err = json_parse(text, &arena, &root);
        REQUIRE(err == ERR_OK || (err == ERR_NO_MEMORY && root == NULL));
        REQUIRE(bytes < 1 << 20);
    }
}
