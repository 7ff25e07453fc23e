/* Schemas: decoding, fault texts of the identity contract, pairs, encoding. */
#include "test.h"

#include "json/json.h"
#include "support/schema_sample.h"

enum { POOL_BLOCKS = 1024 };

static struct arena arena;
static struct sample sample;
static struct schema_faults faults;

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

static enum err decode(const char *json) {
    arena_fresh(REQUEST_ARENA_BYTES_MAX);
    memset(&sample, 0xee, sizeof sample);
    return schema_decode(&sample_schema, str_from_c(json), &arena, &sample, &faults);
}

/* The faults as the contract writes them. */
static const char *faults_text(void) {
    static char memory[1 << 16];
    struct str text;
    yyjson_mut_doc *doc = json_doc(&arena);
    yyjson_mut_val *root = json_object(doc);
    json_add_faults(doc, root, &faults);
    if (json_write(doc, root, &arena, &text) != ERR_OK || text.len >= sizeof memory) {
        return "(no memory)";
    }
    memcpy(memory, text.data, text.len);
    memory[text.len] = '\0';
    return memory;
}

static const char *encoded(void) {
    static char memory[1 << 16];
    struct str text;
    yyjson_mut_doc *doc = json_doc(&arena);
    yyjson_mut_val *root = json_object(doc);
    json_add_members(doc, root, &sample_schema, &sample);
    if (json_write(doc, root, &arena, &text) != ERR_OK || text.len >= sizeof memory) {
        return "(no memory)";
    }
    memcpy(memory, text.data, text.len);
    memory[text.len] = '\0';
    return memory;
}

#define EXPECT_FAULTS(json, want)                                                                  \
    do {                                                                                           \
        EXPECT_EQ_INT(decode(json), ERR_VALIDATION);                                               \
        EXPECT_EQ_STR(faults_text(), want);                                                        \
    } while (0)
#define EXPECT_FINE(json) EXPECT_EQ_INT(decode(json), ERR_OK)

/* --- decoding -------------------------------------------------------------------------------- */

static const char everything[] =
    "{\"flag\":true,\"count\":-5,\"percent\":100,\"at\":\"2026-11-21T07:35:32.5+01:00\","
    "\"seen_at\":\"2026-11-21\",\"id\":\"01234567-89AB-4def-8123-456789abcdef\","
    "\"text\":\"\xc3\xa4\xe2\x82\xac\",\"email\":\"Ann.Lee@Example.ORG\","
    "\"url\":\"https://u:p@a.example.org:8443/x?y#z\",\"phone\":\"+49 (0)30 123-456.78\","
    "\"born_on\":\"2000-02-29\",\"slug\":\"a-b-c1\",\"code\":\"012345\",\"blob\":\"AAEC_w\","
    "\"color\":\"blue\",\"branch\":{\"title\":\"t\",\"leaves\":[{\"name\":\"x\",\"rank\":7},"
    "{\"name\":\"y\"}],\"main\":{\"name\":\"m\"}},\"branches\":[{},{\"title\":null,"
    "\"leaves\":[{\"name\":\"z\",\"rank\":\"-5\"}]}],\"words\":[\"a\",\"\"],"
    "\"links\":[\"http://a.example\"],\"sizes\":[\"l\",\"s\"],"
    "\"ids\":[\"00000000-0000-4000-8000-000000000001\"],"
    "\"free-form\":{\"z\":[1.10,123456789012345678901234567890,1e400,\"\\u00e4\"],\"y\":null}}";

TEST(schema_decodes_every_type)
{
    REQUIRE(decode(everything) == ERR_OK);
    EXPECT_EQ_UINT(sample.set.present, (UINT64_C(1) << 22) - 1);
    EXPECT_EQ_UINT(sample.set.null, 0);
    EXPECT(sample.flag);
    EXPECT_EQ_INT(sample.count, -5);
    EXPECT_EQ_INT(sample.at, INT64_C(1795242932500000));
    EXPECT_EQ_INT(sample.seen_at, INT64_C(1795219200000000));
    EXPECT_EQ_INT(sample.id.bytes[4], 0x89);
    EXPECT(str_equal(sample.text, STR("\xc3\xa4\xe2\x82\xac")));
    EXPECT(str_equal(sample.email, STR("ann.lee@example.org")));
    EXPECT(str_equal(sample.blob, STR("\0\1\2\xff")));
    EXPECT_EQ_INT(sample.color, SAMPLE_BLUE);
    REQUIRE(sample.branch.leaves.count == 2);
    const struct sample_leaf *leaves = sample.branch.leaves.items;
    EXPECT(str_equal(leaves[0].name, STR("x")) && leaves[0].rank == 7);
    EXPECT(str_equal(leaves[1].name, STR("y")) && leaves[1].set.present == 1);
    EXPECT(str_equal(sample.branch.main.name, STR("m")));
    REQUIRE(sample.branches.count == 2);
    const struct sample_branch *branches = sample.branches.items;
    EXPECT_EQ_UINT(branches[0].set.present, 0);
    EXPECT_EQ_UINT(branches[1].set.null, 1);
    EXPECT_EQ_INT(((const struct sample_leaf *)branches[1].leaves.items)->rank, -5);
    EXPECT_EQ_UINT(sample.words.count, 2);
    EXPECT(str_equal(((const struct str *)sample.words.items)[0], STR("a")));
    EXPECT_EQ_INT(((const struct id *)sample.ids.items)->bytes[15], 1);
    EXPECT(str_equal(sample.free, STR("{\"z\":[1.10,123456789012345678901234567890,1e400,"
                                      "\"\xc3\xa4\"],\"y\":null}")));
}

TEST(schema_encodes_what_it_decoded)
{
    REQUIRE(decode(everything) == ERR_OK);
    static const char want[] =
        "{\"flag\":true,\"count\":-5,\"percent\":100,\"at\":\"2026-11-21T06:35:32.500000\","
        "\"seen_at\":\"2026-11-21T00:00:00.000000Z\","
        "\"id\":\"01234567-89ab-4def-8123-456789abcdef\",\"text\":\"\xc3\xa4\xe2\x82\xac\","
        "\"email\":\"ann.lee@example.org\",\"url\":\"https://u:p@a.example.org:8443/x?y#z\","
        "\"phone\":\"+49 (0)30 123-456.78\",\"born_on\":\"2000-02-29\",\"slug\":\"a-b-c1\","
        "\"code\":\"012345\",\"blob\":\"AAEC_w\",\"color\":\"blue\",\"branch\":{\"title\":\"t\","
        "\"leaves\":[{\"name\":\"x\",\"rank\":7},{\"name\":\"y\"}],\"main\":{\"name\":\"m\"}},"
        "\"branches\":[{\"title\":null,\"leaves\":null},{\"title\":null,"
        "\"leaves\":[{\"name\":\"z\",\"rank\":-5}]}],\"words\":[\"a\",\"\"],"
        "\"links\":[\"http://a.example\"],\"sizes\":[\"l\",\"s\"],"
        "\"ids\":[\"00000000-0000-4000-8000-000000000001\"],"
        "\"free-form\":{\"z\":[1.10,123456789012345678901234567890,1e400,\"\xc3\xa4\"],"
        "\"y\":null}}";
    EXPECT_EQ_STR(encoded(), want);
}

TEST(schema_tells_absent_from_null)
{
    REQUIRE(decode("{\"text\":null,\"count\":1}") == ERR_OK);
    EXPECT(SCHEMA_IS_NULL(&sample_schema, &sample, text));
    EXPECT(!SCHEMA_HAS(&sample_schema, &sample, text));
    EXPECT(SCHEMA_HAS(&sample_schema, &sample, count));
    EXPECT(!SCHEMA_HAS(&sample_schema, &sample, email));
    EXPECT(!SCHEMA_IS_NULL(&sample_schema, &sample, email));
    EXPECT(str_is_none(sample.text));
    SCHEMA_SET(&sample_schema, &sample, text);
    EXPECT(SCHEMA_HAS(&sample_schema, &sample, text));
    EXPECT(!SCHEMA_IS_NULL(&sample_schema, &sample, text));
    SCHEMA_CLEAR(&sample_schema, &sample, text);
    EXPECT(!SCHEMA_HAS(&sample_schema, &sample, text));
    EXPECT_DIES(schema_bit(&sample_schema, 3));
    EXPECT_FINE("{}");
    EXPECT_EQ_UINT(sample.set.present | sample.set.null, 0);
}

TEST(schema_wants_an_object)
{
    static const char *const bodies[] = {"null", "[]", "1", "\"a\"", "true", "[{}]"};
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        EXPECT_FAULTS(bodies[i], "{\"_schema\":[\"Invalid input type.\"]}");
        EXPECT(faults.is_object_missing);
    }
    EXPECT_EQ_INT(decode("{"), ERR_JSON_INVALID);
    EXPECT_EQ_INT(decode(""), ERR_JSON_INVALID);
    EXPECT_EQ_INT(decode("{\"a\":1,\"a\":1}"), ERR_JSON_INVALID);
    EXPECT_EQ_INT(decode("{\"text\":\"a\\u0000b\"}"), ERR_JSON_INVALID);
    EXPECT_FINE("{}");
    EXPECT(!faults.is_object_missing);
}

TEST(schema_reports_all_faults_with_the_contracts_texts)
{
    EXPECT_FAULTS(
        "{\"nope\":1,\"flag\":\"maybe\",\"count\":\"x\",\"text\":\"a\",\"color\":\"pink\","
        "\"branch\":[],\"words\":{},\"email\":7}",
        "{\"nope\":[\"Unknown field.\"],\"flag\":[\"Not a valid boolean.\"],"
        "\"count\":[\"Not a valid integer.\"],"
        "\"text\":[\"Length must be between 2 and 12.\"],"
        "\"color\":[\"Must be one of: red, green, blue.\"],"
        "\"branch\":[\"Not a valid mapping type.\"],"
        "\"words\":[\"Not a valid list.\"],\"email\":[\"Not a valid string.\"]}");
}

TEST(schema_fault_texts)
{
    EXPECT_FAULTS("{\"text\":5}", "{\"text\":[\"Not a valid string.\"]}");
    EXPECT_FAULTS("{\"percent\":101}", "{\"percent\":[\"Must be greater than or equal to 0 and "
                                       "less than or equal to 100.\"]}");
    EXPECT_FAULTS("{\"percent\":\"-1\"}", "{\"percent\":[\"Must be greater than or equal to 0 and "
                                          "less than or equal to 100.\"]}");
    EXPECT_FAULTS("{\"count\":9223372036854775808}", "{\"count\":[\"Not a valid integer.\"]}");
    EXPECT_FAULTS("{\"count\":true}", "{\"count\":[\"Not a valid integer.\"]}");
    EXPECT_FAULTS("{\"at\":1}", "{\"at\":[\"Not a valid datetime.\"]}");
    EXPECT_FAULTS("{\"at\":\"yesterday\"}", "{\"at\":[\"Not a valid datetime.\"]}");
    EXPECT_FAULTS("{\"id\":\"x\"}", "{\"id\":[\"Not a valid UUID.\"]}");
    EXPECT_FAULTS("{\"id\":{}}", "{\"id\":[\"Not a valid UUID.\"]}");
    EXPECT_FAULTS("{\"email\":\"x\"}", "{\"email\":[\"Not a valid email address.\"]}");
    EXPECT_FAULTS("{\"url\":\"x\"}", "{\"url\":[\"Not a valid URL.\"]}");
    EXPECT_FAULTS("{\"code\":\"12345\"}", "{\"code\":[\"Code must be a 6-digit number\"]}");
    EXPECT_FAULTS("{\"code\":\"12345x\"}", "{\"code\":[\"Code must be a 6-digit number\"]}");
    EXPECT_FAULTS("{\"code\":123456}", "{\"code\":[\"Not a valid string.\"]}");
    EXPECT_FAULTS("{\"blob\":\"A\"}", "{\"blob\":[\"Not a valid base64url text.\"]}");
    EXPECT_FAULTS("{\"words\":[]}", "{\"words\":[\"Length must be between 1 and 3.\"]}");
    EXPECT_FAULTS("{\"words\":[\"a\",1,null]}", "{\"words\":{\"1\":[\"Not a valid string.\"],"
                                                "\"2\":[\"Field may not be null.\"]}}");
    EXPECT_FAULTS("{\"sizes\":[\"s\",\"xl\"]}",
                  "{\"sizes\":{\"1\":[\"Must be one of: s, m, l.\"]}}");
    EXPECT_FAULTS("{\"links\":[\"gopher://a.bc\"]}", "{\"links\":{\"0\":[\"Not a valid URL.\"]}}");
    EXPECT_FAULTS("{\"email\":\"a@bcd.ef\",\"branch\":{\"leaves\":[{},{},{},{},{}]}}",
                  "{\"branch\":{\"leaves\":[\"Longer than maximum length 4.\"]}}");
}

TEST(schema_paths_of_nested_faults)
{
    EXPECT_FAULTS("{\"branches\":[{},{\"leaves\":[{\"name\":\"ok\"},{\"rank\":-6,\"x\":1}],"
                  "\"main\":{\"name\":null}},[],null]}",
                  "{\"branches\":{\"2\":[\"Not a valid mapping type.\"],"
                  "\"3\":[\"Field may not be null.\"],\"1\":{\"leaves\":{\"1\":{\"rank\":"
                  "[\"Must be greater than or equal to -5.\"],\"x\":[\"Unknown field.\"],"
                  "\"name\":[\"Missing data for required field.\"]}},"
                  "\"main\":{\"name\":[\"Field may not be null.\"]}}}}");
}

TEST(schema_survives_odd_member_names)
{
    EXPECT_FAULTS("{\"\":1,\".\":1,\"a.b\":1,\"a\":1,\"count.x\":1,\"count\":[],\"a..\":1}",
                  "{\"\":[\"Unknown field.\"],\".\":[\"Unknown field.\"],\"a\":{\"b\":"
                  "[\"Unknown field.\"],\"_schema\":[\"Unknown field.\"],"
                  "\".\":[\"Unknown field.\"]},\"count\":{\"x\":[\"Unknown field.\"],"
                  "\"_schema\":[\"Not a valid integer.\"]}}");
}

TEST(schema_drops_faults_above_the_limit)
{
    char json[4096];
    struct buf text = buf_over(json, sizeof json - 1);
    for (uint32_t i = 0; i < 3 * SCHEMA_FAULTS_MAX; i++) {
        buf_printf(&text, "%s\"x%u\":1", i == 0 ? "{" : ",", i);
    }
    buf_put_c(&text, "}");
    json[text.len] = '\0';
    EXPECT_EQ_INT(decode(json), ERR_VALIDATION);
    EXPECT_EQ_UINT(faults.count, SCHEMA_FAULTS_MAX);
    EXPECT(str_equal(faults.faults[SCHEMA_FAULTS_MAX - 1].path, STR("x31")));
    EXPECT(str_equal(faults.faults[SCHEMA_FAULTS_MAX - 1].text, STR("Unknown field.")));
}

TEST(schema_booleans)
{
    static const char *const yes[] = {"true",     "1",        "1.0",      "\"t\"",   "\"T\"",
                                      "\"true\"", "\"True\"", "\"TRUE\"", "\"on\"",  "\"On\"",
                                      "\"ON\"",   "\"y\"",    "\"Y\"",    "\"yes\"", "\"Yes\"",
                                      "\"YES\"",  "\"1\""};
    static const char *const no[] = {"false",     "0",         "0e5",       "\"f\"",   "\"F\"",
                                     "\"false\"", "\"False\"", "\"FALSE\"", "\"off\"", "\"Off\"",
                                     "\"OFF\"",   "\"n\"",     "\"N\"",     "\"no\"",  "\"No\"",
                                     "\"NO\"",    "\"0\""};
    static const char *const bad[] = {"2",       "-1",     "0.5", "\"\"", "\"tRUE\"", "\"oN\"",
                                      "\"yES\"", "\" 1\"", "[]",  "{}",   "\"2\""};
    char json[64];
    for (size_t i = 0; i < COUNT_OF(yes); i++) {
        snprintf(json, sizeof json, "{\"flag\":%s}", yes[i]);
        EXPECT_FINE(json);
        EXPECT(sample.flag);
        snprintf(json, sizeof json, "{\"flag\":%s}", no[i]);
        EXPECT_FINE(json);
        EXPECT(!sample.flag && SCHEMA_HAS(&sample_schema, &sample, flag));
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        snprintf(json, sizeof json, "{\"flag\":%s}", bad[i]);
        EXPECT_FAULTS(json, "{\"flag\":[\"Not a valid boolean.\"]}");
    }
}

TEST(schema_integers)
{
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {{"\"12\"", 12}, {"\"+12\"", 12}, {"\"-12\"", -12},
                {"12.0", 12},   {"1e2", 100},    {"-9223372036854775808", INT64_MIN},
                {"\"007\"", 7}};
    static const char *const bad[] = {"1.5",       "\"1.0\"", "\"\"", "\"+\"", "\"+-1\"", "\" 1\"",
                                      "\"1_000\"", "false",   "[1]",  "1e30",  "\"0x10\""};
    char json[64];
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        snprintf(json, sizeof json, "{\"count\":%s}", good[i].text);
        EXPECT_FINE(json);
        EXPECT_EQ_INT(sample.count, good[i].value);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        snprintf(json, sizeof json, "{\"count\":%s}", bad[i]);
        EXPECT_FAULTS(json, "{\"count\":[\"Not a valid integer.\"]}");
    }
}

TEST(schema_lengths_count_code_points_at_their_bounds)
{
    EXPECT_FINE("{\"text\":\"\xf0\x9f\x98\x80\xf0\x9f\x98\x80\"}");
    EXPECT_FINE("{\"text\":\"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
                "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\"}");
    EXPECT_EQ_INT(decode("{\"text\":\"1234567890123\"}"), ERR_VALIDATION);
    EXPECT_EQ_INT(decode("{\"text\":\"\xf0\x9f\x98\x80\"}"), ERR_VALIDATION);
    EXPECT_FINE("{\"percent\":0}");
    EXPECT_FINE("{\"percent\":100}");
}

/* --- pairs ----------------------------------------------------------------------------------- */

struct query {
    struct schema_set set;
    int64_t limit;
    bool all;
    struct id org;
    struct str word;
    int32_t order;
    int64_t since;
};

static const char *const orders[] = {"asc", "desc", NULL};
static const struct field query_rows[] = {
    FIELD(struct query, limit, FIELD_INT, .min = 1, .max = 100),
    FIELD(struct query, all, FIELD_BOOL),
    FIELD(struct query, org, FIELD_ID, .flags = FIELD_REQUIRED),
    FIELD(struct query, word, FIELD_TEXT, .max = 5),
    FIELD(struct query, order, FIELD_ENUM, .values = orders),
    FIELD(struct query, since, FIELD_TIME),
};
static const struct schema query_schema = SCHEMA("Query", struct query, query_rows);

static enum err decode_pairs(const struct schema_pair *pairs, uint32_t count, struct query *query) {
    arena_fresh(REQUEST_ARENA_BYTES_MAX);
    memset(query, 0xee, sizeof *query);
    return schema_decode_pairs(&query_schema, pairs, count, &arena, query, &faults);
}

TEST(schema_decodes_pairs)
{
    struct query query;
    const struct schema_pair pairs[] = {
        {STR("limit"), STR("100")},
        {STR("all"), STR("Yes")},
        {STR("org"), STR("00000000-0000-4000-8000-000000000009")},
        {STR("word"), STR("\xc3\xa4 b")},
        {STR("order"), STR("desc")},
        {STR("since"), STR("1970-01-01T00:00:01Z")},
    };
    REQUIRE(decode_pairs(pairs, COUNT_OF(pairs), &query) == ERR_OK);
    EXPECT_EQ_UINT(query.set.present, 63);
    EXPECT_EQ_INT(query.limit, 100);
    EXPECT(query.all);
    EXPECT_EQ_INT(query.org.bytes[15], 9);
    EXPECT(str_equal(query.word, STR("\xc3\xa4 b")));
    EXPECT_EQ_INT(query.order, 1);
    EXPECT_EQ_INT(query.since, 1000000);
}

TEST(schema_pair_faults)
{
    struct query query;
    const struct schema_pair pairs[] = {
        {STR("limit"), STR("0")},  {STR("all"), STR_NONE},  {STR("word"), STR("\xff")},
        {STR("order"), STR("up")}, {STR("since"), STR("")}, {STR("nope"), STR("1")},
        {STR_NONE, STR("x")},
    };
    EXPECT_EQ_INT(decode_pairs(pairs, COUNT_OF(pairs), &query), ERR_VALIDATION);
    EXPECT_EQ_STR(faults_text(),
                  "{\"limit\":[\"Must be greater than or equal to 1 and less than or equal to "
                  "100.\"],\"all\":[\"Not a valid boolean.\"],\"word\":[\"Not a valid string.\"],"
                  "\"order\":[\"Must be one of: asc, desc.\"],"
                  "\"since\":[\"Not a valid datetime.\"],\"nope\":[\"Unknown field.\"],"
                  "\"\":[\"Unknown field.\"],\"org\":[\"Missing data for required field.\"]}");
    EXPECT_EQ_UINT(query.set.present, 0);
    const struct schema_pair twice[] = {{STR("org"), STR("00000000-0000-4000-8000-000000000009")},
                                        {STR("org"), STR("00000000-0000-4000-8000-000000000009")},
                                        {STR("word"), STR("a\0b")}};
    EXPECT_EQ_INT(decode_pairs(twice, COUNT_OF(twice), &query), ERR_VALIDATION);
    EXPECT_EQ_STR(faults_text(), "{\"org\":[\"Given more than once.\"],"
                                 "\"word\":[\"Not a valid string.\"]}");
    EXPECT_EQ_INT(decode_pairs(NULL, 0, &query), ERR_VALIDATION);
}

/* --- output ---------------------------------------------------------------------------------- */

struct account {
    struct schema_set set;
    struct str name;
    struct str password;
    struct str secret;
    struct str hash;
    struct str nick;
    int64_t born_at;
};

static const struct field account_rows[] = {
    FIELD(struct account, name, FIELD_TEXT, .flags = FIELD_REQUIRED, .max = 9, .doc = "A name."),
    FIELD(struct account, password, FIELD_TEXT, .flags = FIELD_REQUIRED | FIELD_SENSITIVE),
    FIELD(struct account, secret, FIELD_BYTES, .flags = FIELD_SECRET),
    FIELD(struct account, hash, FIELD_BYTES, .flags = FIELD_HIDDEN),
    FIELD(struct account, nick, FIELD_TEXT, .flags = FIELD_OMIT),
    FIELD(struct account, born_at, FIELD_TIME, .time_form = TIME_FORM_RFC3339),
};
static const struct schema account_schema = SCHEMA("Account", struct account, account_rows);

static bool writes_as(yyjson_mut_doc *doc, yyjson_mut_val *root, const char *want) {
    struct str text = STR_NONE;
    bool is_equal =
        json_write(doc, root, &arena, &text) == ERR_OK && str_equal(text, str_from_c(want));
    if (!is_equal) {
        printf("    wrote %.*s\n", STR_ARG(text));
    }
    return is_equal;
}

TEST(schema_output_hides_secrets)
{
    arena_fresh(REQUEST_ARENA_BYTES_MAX);
    struct account account = {.set.present = 63,
                              .name = STR("n"),
                              .password = STR("pw"),
                              .secret = STR("s"),
                              .hash = STR("h"),
                              .nick = STR("k"),
                              .born_at = 0};
    yyjson_mut_doc *doc = json_doc(&arena);
    yyjson_mut_val *root = json_object(doc);
    json_add_members(doc, root, &account_schema, &account);
    EXPECT(writes_as(doc, root,
                     "{\"name\":\"n\",\"nick\":\"k\","
                     "\"born_at\":\"1970-01-01T00:00:00.000000Z\"}"));
    account.set.present = 0;
    root = json_object(doc);
    json_add_members(doc, root, &account_schema, &account);
    EXPECT(writes_as(doc, root, "{\"name\":null,\"born_at\":null}"));
}

TEST(schema_describes_input_and_output)
{
    arena_fresh(REQUEST_ARENA_BYTES_MAX);
    yyjson_mut_doc *doc = json_doc(&arena);
    EXPECT(writes_as(
        doc, json_describe(doc, &account_schema, true),
        "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\",\"maxLength\":9,"
        "\"description\":\"A name.\"},\"password\":{\"type\":\"string\",\"maxLength\":65535,"
        "\"writeOnly\":true},\"secret\":{\"type\":\"string\",\"contentEncoding\":\"base64url\","
        "\"writeOnly\":true},\"nick\":{\"type\":\"string\",\"maxLength\":65535},\"born_at\":"
        "{\"type\":\"string\",\"format\":\"date-time\"}},\"required\":[\"name\",\"password\"],"
        "\"additionalProperties\":false}"));
    EXPECT(writes_as(
        doc, json_describe(doc, &account_schema, false),
        "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\",\"maxLength\":9,"
        "\"description\":\"A name.\"},\"nick\":{\"type\":\"string\",\"maxLength\":65535},"
        "\"born_at\":{\"type\":[\"string\",\"null\"],\"format\":\"date-time\"}},"
        "\"required\":[\"name\",\"born_at\"]}"));
}

TEST(schema_description_of_every_type_is_json)
{
    arena_fresh(REQUEST_ARENA_BYTES_MAX);
    yyjson_mut_doc *doc = json_doc(&arena);
    struct str text;
    REQUIRE(json_write(doc, json_describe(doc, &sample_schema, true), &arena, &text) == ERR_OK);
    static const char *const parts[] = {
        "\"percent\":{\"type\":[\"integer\",\"null\"],\"format\":\"int64\",\"minimum\":0,"
        "\"maximum\":100}",
        "\"count\":{\"type\":[\"integer\",\"null\"],\"format\":\"int64\"}",
        "\"color\":{\"type\":[\"string\",\"null\"],\"enum\":[\"red\",\"green\",\"blue\",null]}",
        "\"branch\":{\"anyOf\":[{\"$ref\":\"#/components/schemas/SampleBranch\"},"
        "{\"type\":\"null\"}]}",
        "\"branches\":{\"type\":[\"array\",\"null\"],\"items\":{\"$ref\":"
        "\"#/components/schemas/SampleBranch\"},\"maxItems\":1000}",
        "\"sizes\":{\"type\":[\"array\",\"null\"],\"items\":{\"type\":\"string\",\"enum\":"
        "[\"s\",\"m\",\"l\"]},\"maxItems\":1000}",
        "\"ids\":{\"type\":[\"array\",\"null\"],\"items\":{\"type\":\"string\",\"format\":"
        "\"uuid\"}",
        "\"email\":{\"type\":[\"string\",\"null\"],\"format\":\"email\",\"maxLength\":254}",
        "\"free-form\":{}",
    };
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        if (memmem(text.data, text.len, parts[i], strlen(parts[i])) == NULL) {
            test_fail(__FILE__, __LINE__, "not there: %s", parts[i]);
        }
    }
    yyjson_val *root;
    EXPECT_EQ_INT(json_parse(text, &arena, &root), ERR_OK);
}

/* --- memory ---------------------------------------------------------------------------------- */

TEST(schema_decode_is_right_or_out_of_memory_at_every_arena_size)
{
    enum err err = ERR_NO_MEMORY;
    uint32_t bytes = 0;
    for (; err != ERR_OK; bytes += 16) {
        arena_fresh(bytes);
        err = schema_decode(&sample_schema, str_from_c(everything), &arena, &sample, &faults);
        REQUIRE(err == ERR_OK || err == ERR_NO_MEMORY);
        REQUIRE(bytes < 1 << 20);
    }
    EXPECT_EQ_UINT(sample.set.present, (UINT64_C(1) << 22) - 1);
    EXPECT(bytes > 1000);
}

TEST(schema_faults_are_right_or_out_of_memory_at_every_arena_size)
{
    static const char json[] = "{\"nope\":1,\"text\":\"a\",\"color\":\"pink\",\"words\":[1,2],"
                               "\"branch\":{\"main\":{}}}";
    enum err err = ERR_NO_MEMORY;
    for (uint32_t bytes = 0; err != ERR_VALIDATION; bytes += 16) {
        arena_fresh(bytes);
        err = schema_decode(&sample_schema, str_from_c(json), &arena, &sample, &faults);
        REQUIRE(err == ERR_VALIDATION || err == ERR_NO_MEMORY);
        REQUIRE(bytes < 1 << 20);
    }
    EXPECT_EQ_UINT(faults.count, 6);
}

TEST(schema_encode_is_right_or_out_of_memory_at_every_arena_size)
{
    static char want[4096];
    static char copy[1 << 15];
    struct schema_faults nested_faults = {.count = 0};
    schema_fault_add(&nested_faults, STR("a.0.b"), STR("One."));
    schema_fault_add(&nested_faults, STR("a"), STR("Two."));
    schema_fault_add(&nested_faults, STR("a.0.b"), STR("Three."));
    REQUIRE(decode(everything) == ERR_OK);
    snprintf(want, sizeof want, "%s", encoded());
    static struct arena_pool own_pool;
    enum { BLOCKS = 8 };
    char *memory = aligned_alloc(4096, BLOCKS * ARENA_BLOCK_BYTES);
    arena_pool_init(&own_pool, memory, BLOCKS);
    enum err err = ERR_NO_MEMORY;
    for (uint32_t bytes = 0; err != ERR_OK; bytes += 16) {
        struct arena small;
        struct str text;
        arena_init(&small, &own_pool, bytes);
        yyjson_mut_doc *doc = json_doc(&small);
        yyjson_mut_val *root = json_object(doc);
        json_add_members(doc, root, &sample_schema, &sample);
        json_add_val(doc, root, "schema", json_describe(doc, &sample_schema, false));
        json_add_faults(doc, json_add_object(doc, root, "faults"), &nested_faults);
        err = json_write(doc, root, &small, &text);
        REQUIRE(err == ERR_OK || err == ERR_NO_MEMORY);
        if (err == ERR_OK) {
            REQUIRE(text.len < sizeof copy);
            memcpy(copy, text.data, text.len);
        }
        arena_reset(&small);
        EXPECT_EQ_UINT(own_pool.used_count, 0);
        REQUIRE(bytes < BLOCKS * ARENA_BLOCK_BYTES);
    }
    EXPECT(strncmp(copy, want, strlen(want) - 1) == 0);
    EXPECT(strstr(copy, "\"faults\":{\"a\":{\"0\":{\"b\":[\"One.\",\"Three.\"]},"
                        "\"_schema\":[\"Two.\"]}}}") != NULL);
    free(memory);
}
