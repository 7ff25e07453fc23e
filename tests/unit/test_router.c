/*
 * The router: which row a method and path lead to, 404 against 405, and that unsound rows are
 * refused with the reason. Random patterns are compared with a matcher that tries every row.
 */
#include "test.h"

#include "engine/endpoint.h"

/* ---- rows ---- */

static enum err read_nothing(struct request *request, const struct store_view *view) {
    (void)request;
    (void)view;
    return ERR_OK;
}

static enum err check_nothing(const struct store_view *view, const struct command *command,
                              struct outcome *outcome) {
    (void)view;
    (void)command;
    (void)outcome;
    return ERR_OK;
}

static void apply_nothing(struct store_tx *tx, const struct command *command,
                          struct outcome *outcome) {
    (void)tx;
    (void)command;
    (void)outcome;
}

static const struct command_row nothing = {
    .name = "nothing", .check = check_nothing, .apply = apply_nothing};

struct params {
    struct schema_set set;
    struct str p0, p1, p2, p3, p4, p5, p6;
};
static const struct field params_fields[] = {
    FIELD(struct params, p0, FIELD_TEXT, .doc = "0."),
    FIELD(struct params, p1, FIELD_TEXT, .doc = "1."),
    FIELD(struct params, p2, FIELD_TEXT, .doc = "2."),
    FIELD(struct params, p3, FIELD_TEXT, .doc = "3."),
    FIELD(struct params, p4, FIELD_TEXT, .doc = "4."),
    FIELD(struct params, p5, FIELD_TEXT, .doc = "5."),
    FIELD(struct params, p6, FIELD_TEXT, .doc = "6."),
};
static const struct schema params_schema = SCHEMA("Params", struct params, params_fields);

static struct endpoint row_get(const char *id, const char *path) {
    return (struct endpoint){.id = id,
                             .method = HTTP_GET,
                             .path = path,
                             .doc = "A row.",
                             .tag = "test",
                             .auth = AUTH_NONE,
                             .params = &params_schema,
                             .read = read_nothing};
}

static struct endpoint row_command(const char *id, enum http_method method, const char *path) {
    struct endpoint row = row_get(id, path);
    row.method = method;
    row.read = NULL;
    row.command = &nothing;
    return row;
}

static const struct router *router;
static const char *problem;

static enum err rows_open(const struct endpoint *rows, uint32_t count) {
    static struct module module;
    static const struct module *const modules[] = {&module};
    module = (struct module){.name = "test", .endpoints = rows, .endpoint_count = count};
    problem = NULL;
    return router_open(&router, modules, 1, &problem);
}

/* The id of the row, "404", or "405". */
static const char *route(enum http_method method, const char *path, struct route_match *match) {
    router_match(router, method, str_from_c(path), match);
    if (match->endpoint != NULL) {
        return match->endpoint->id;
    }
    return match->allow == 0 ? "404" : "405";
}

static const char *route_of(enum http_method method, const char *path) {
    struct route_match match;
    return route(method, path, &match);
}

/* ---- matching ---- */

static struct endpoint api[8];

static bool api_open(void) {
    api[0] = row_get("list", "/users");
    api[1] = row_command("make", HTTP_POST, "/users");
    api[2] = row_get("me", "/users/me");
    api[3] = row_get("one", "/users/{p0}");
    api[4] = row_command("drop", HTTP_DELETE, "/users/{p0}");
    api[5] = row_get("me_keys", "/users/me/keys");
    api[6] = row_command("thing", HTTP_PATCH, "/users/{p1}/things/{p0}");
    api[7] = row_get("root", "/");
    return rows_open(api, COUNT_OF(api)) == ERR_OK;
}

TEST(router_finds_rows) {
    REQUIRE(api_open());
    EXPECT_EQ_UINT(router_endpoint_count(router), COUNT_OF(api));
    EXPECT_EQ_STR(router_endpoint(router, 4)->id, "drop");
    EXPECT_EQ_STR(route_of(HTTP_GET, "/users"), "list");
    EXPECT_EQ_STR(route_of(HTTP_HEAD, "/users"), "list");
    EXPECT_EQ_STR(route_of(HTTP_POST, "/users"), "make");
    EXPECT_EQ_STR(route_of(HTTP_GET, "/users/me"), "me");
    EXPECT_EQ_STR(route_of(HTTP_GET, "/users/mee"), "one");
    EXPECT_EQ_STR(route_of(HTTP_DELETE, "/users/7"), "drop");
    EXPECT_EQ_STR(route_of(HTTP_GET, "/"), "root");
}

/* Of a path that has rows, but not this method. */
TEST(router_names_a_neighbour)
{
    struct route_match match;
    REQUIRE(api_open());
    EXPECT_EQ_STR(route(HTTP_DELETE, "/users/me", &match), "405");
    REQUIRE(match.neighbour != NULL);
    EXPECT_EQ_STR(match.neighbour->id, "me");
    EXPECT_EQ_UINT(match.value_count, 0);
    EXPECT_EQ_STR(route(HTTP_PUT, "/users/7", &match), "405");
    REQUIRE(match.neighbour != NULL);
    EXPECT_EQ_STR(match.neighbour->path, "/users/{p0}");
    REQUIRE(match.value_count == 1);
    EXPECT(str_equal(match.names[0], STR("p0")));
    EXPECT(str_equal(match.values[0], STR("7")));
    EXPECT_EQ_STR(route(HTTP_OPTIONS, "/users", &match), "405");
    EXPECT(match.neighbour != NULL);
    EXPECT_EQ_STR(route(HTTP_GET, "/nothing/here", &match), "404");
    EXPECT(match.neighbour == NULL);
}

TEST(router_params_by_name) {
    struct route_match match;
    REQUIRE(api_open());
    EXPECT_EQ_STR(route(HTTP_PATCH, "/users/a%20b/things/%2F", &match), "thing");
    REQUIRE(match.value_count == 2);
    EXPECT(str_equal(match.names[0], STR("p1")));
    EXPECT(str_equal(match.values[0], STR("a%20b")));
    EXPECT(str_equal(match.names[1], STR("p0")));
    EXPECT(str_equal(match.values[1], STR("%2F")));
    EXPECT_EQ_UINT(match.index, 6);
}

TEST(router_unknown_paths) {
    REQUIRE(api_open());
    const char *const unknown[] = {
        "/user", "/users/", "/users//", "//users", "/users/a/b", "/users/me/keys/x", "/users/me/",
        "users", "",       "*",        "/users//things/x", "/Users", "/users/a/things/",
        "/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s/t/u/v/w/x/y/z/a/b/c/d/e/f/g/h/i/j/k/l/m/n"};
    for (uint32_t i = 0; i < COUNT_OF(unknown); i++) {
        EXPECT_EQ_STR(route_of(HTTP_GET, unknown[i]), "404");
        EXPECT_EQ_STR(route_of(HTTP_OTHER, unknown[i]), "404");
    }
}

TEST(router_405_says_what_is_allowed) {
    struct route_match match;
    char text[64];
    struct buf out = buf_over(text, sizeof text);
    REQUIRE(api_open());
    EXPECT_EQ_STR(route(HTTP_PUT, "/users", &match), "405");
    router_allow_format(match.allow, &out);
    EXPECT(str_equal(buf_str(&out), STR("GET, HEAD, POST, OPTIONS")));
    EXPECT_EQ_STR(route(HTTP_OTHER, "/users/7", &match), "405");
    buf_reset(&out);
    router_allow_format(match.allow, &out);
    EXPECT(str_equal(buf_str(&out), STR("GET, HEAD, DELETE, OPTIONS")));
    /* OPTIONS is nobody's row; the engine answers it from `allow`. */
    EXPECT_EQ_STR(route(HTTP_OPTIONS, "/users", &match), "405");
    /* HEAD comes with GET only. */
    EXPECT_EQ_STR(route(HTTP_HEAD, "/users/a/things/b", &match), "405");
    buf_reset(&out);
    router_allow_format(match.allow, &out);
    EXPECT(str_equal(buf_str(&out), STR("PATCH, OPTIONS")));
}

/* A literal segment wins, and the path is then the literal's: its methods alone count. Where it
 * leads nowhere the param is tried. */
TEST(router_literal_before_param) {
    REQUIRE(api_open());
    EXPECT_EQ_STR(route_of(HTTP_DELETE, "/users/me"), "405");
    EXPECT_EQ_STR(route_of(HTTP_PATCH, "/users/me/things/1"), "thing");
    EXPECT_EQ_STR(route_of(HTTP_GET, "/users/me/things/1"), "405");
    EXPECT_EQ_STR(route_of(HTTP_GET, "/users/me/keys"), "me_keys");
    EXPECT_EQ_STR(route_of(HTTP_GET, "/users/you/keys"), "404");
}

/* Going back must also take back the values of the way that led nowhere. */
TEST(router_backtracks_with_its_values) {
    const struct endpoint rows[] = {
        row_get("deep", "/a/{p0}/{p1}/x"),
        row_get("wide", "/{p2}/b/{p3}/y"),
        row_get("any", "/{p4}/{p5}/{p6}/{p0}"),
    };
    struct route_match match;
    REQUIRE(rows_open(rows, COUNT_OF(rows)) == ERR_OK);
    EXPECT_EQ_STR(route(HTTP_GET, "/a/b/c/y", &match), "wide");
    REQUIRE(match.value_count == 2);
    EXPECT(str_equal(match.values[0], STR("a")));
    EXPECT(str_equal(match.values[1], STR("c")));
    EXPECT_EQ_STR(route(HTTP_GET, "/a/b/c/z", &match), "any");
    REQUIRE(match.value_count == 4);
    EXPECT(str_equal(match.values[0], STR("a")));
    EXPECT(str_equal(match.values[3], STR("z")));
    EXPECT_EQ_STR(route(HTTP_GET, "/a/b/c/x", &match), "deep");
    EXPECT(str_equal(match.values[0], STR("b")));
}

/* The longest way, with a side way at every step, and nothing at its end. */
TEST(router_remembers_every_side_way) {
    enum { DEPTH = 11 };
    static char paths[DEPTH + 1][64];
    static char ids[DEPTH + 1][4];
    static struct endpoint rows[DEPTH + 1];
    for (uint32_t i = 0; i <= DEPTH; i++) {
        struct buf out = buf_over(paths[i], sizeof paths[i] - 1);
        for (uint32_t k = 0; k < i; k++) {
            buf_put_c(&out, "/a");
        }
        buf_put_c(&out, i == DEPTH ? "/end" : "/{p0}/x");
        (void)snprintf(ids[i], sizeof ids[i], "%u", i);
        rows[i] = row_get(ids[i], paths[i]);
    }
    REQUIRE(rows_open(rows, COUNT_OF(rows)) == ERR_OK);
    EXPECT_EQ_STR(route_of(HTTP_GET, "/a/a/a/a/a/a/a/a/a/a/a/end"), "11");
    EXPECT_EQ_STR(route_of(HTTP_GET, "/a/a/a/a/a/a/a/a/a/a/a/x"), "10");
    EXPECT_EQ_STR(route_of(HTTP_GET, "/a/a/a/a/a/a/a/a/a/a/a/y"), "404");
    EXPECT_EQ_STR(route_of(HTTP_GET, "/a/a/a/x"), "2");
    EXPECT_EQ_STR(route_of(HTTP_GET, "/q/x"), "0");
}

/* ---- against a matcher that tries every row ---- */

enum { RANDOM_ROWS = 24, RANDOM_SEGMENTS_MAX = 5, RANDOM_PATH_BYTES = 64 };

static char random_paths[RANDOM_ROWS][RANDOM_PATH_BYTES];
static char random_ids[RANDOM_ROWS][8];
static struct endpoint random_rows[RANDOM_ROWS];

static void random_path(char *path, bool is_pattern) {
    static const char *const literals[] = {"a", "b", "cc", ""};
    struct buf out = buf_over(path, RANDOM_PATH_BYTES - 1);
    uint64_t count = 1 + test_random_below(RANDOM_SEGMENTS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        buf_put_byte(&out, '/');
        if (is_pattern && test_random_below(2) == 0) {
            buf_printf(&out, "{p%u}", i);
        } else {
            buf_put_c(&out, literals[test_random_below(is_pattern ? 3 : COUNT_OF(literals))]);
        }
    }
    path[out.len] = '\0';
}

/* Does the pattern fit? `rank` orders the fitting ones: 0 for a literal, 1 for a param, per
 * segment, the first segment counting most. */
static bool naive_fits(const char *pattern, const char *path, uint32_t *rank) {
    struct str left = str_slice(str_from_c(pattern), 1, UINT32_MAX);
    struct str right = str_slice(str_from_c(path), 1, UINT32_MAX);
    *rank = 0;
    while (!str_is_none(left) && !str_is_none(right)) {
        struct str wanted = str_split(&left, '/');
        struct str given = str_split(&right, '/');
        bool is_param = str_starts(wanted, STR("{"));
        if (is_param ? given.len == 0 : !str_equal(wanted, given)) {
            return false;
        }
        *rank = *rank * 2 + is_param;
    }
    return str_is_none(left) && str_is_none(right);
}

static const char *naive_route(uint32_t count, enum http_method method, const char *path) {
    const char *found = "404";
    uint32_t best = UINT32_MAX;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t rank;
        if (!naive_fits(random_rows[i].path, path, &rank) || rank > best) {
            continue;
        }
        if (rank < best) {
            found = "405";
        }
        best = rank;
        if (random_rows[i].method == method) {
            found = random_rows[i].id;
        }
    }
    return found;
}

/* Random rows; those that collide with an earlier one are left out. */
static uint32_t random_rows_make(void) {
    static const enum http_method methods[] = {HTTP_GET, HTTP_POST, HTTP_DELETE};
    uint32_t count = 0;
    for (uint32_t i = 0; i < RANDOM_ROWS; i++) {
        enum http_method method = methods[test_random_below(COUNT_OF(methods))];
        random_path(random_paths[count], true);
        (void)snprintf(random_ids[count], sizeof random_ids[count], "row%u", i);
        random_rows[count] = method == HTTP_GET
                                 ? row_get(random_ids[count], random_paths[count])
                                 : row_command(random_ids[count], method, random_paths[count]);
        count += rows_open(random_rows, count + 1) == ERR_OK;
    }
    return rows_open(random_rows, count) == ERR_OK ? count : 0;
}

TEST(router_agrees_with_a_naive_matcher) {
    for (uint32_t round = 0; round < 300; round++) {
        uint32_t count = random_rows_make();
        REQUIRE(count > 0);
        for (uint32_t i = 0; i < 100; i++) {
            char path[RANDOM_PATH_BYTES];
            random_path(path, false);
            enum http_method method = test_random_below(2) == 0 ? HTTP_GET : HTTP_DELETE;
            EXPECT_EQ_STR(route_of(method, path), naive_route(count, method, path));
        }
    }
}

/* ---- rows that stop the start ---- */

static void expect_refused(struct endpoint row, const char *text) {
    struct endpoint rows[] = {row_get("sound", "/sound"), row};
    char expected[256];
    (void)snprintf(expected, sizeof expected, "endpoint %s: %s", row.id ? row.id : "(no id)", text);
    EXPECT_EQ_INT(rows_open(rows, 2), ERR_FORMAT);
    EXPECT_EQ_STR(problem, expected);
}

TEST(router_refuses_incomplete_rows) {
    static const char *const required = "id, path and doc are required";
    struct endpoint row = row_get(NULL, "/x");
    expect_refused(row, required);
    expect_refused(row_get("x", NULL), required);
    expect_refused(row_get("x", "x"), required);
    expect_refused(row_get("x", ""), required);
    row = row_get("x", "/x");
    row.doc = NULL;
    expect_refused(row, required);
    row = row_get("x", "/x");
    row.tag = NULL;
    expect_refused(row, "tag and auth are required");
    row = row_get("x", "/x");
    row.auth = 0;
    expect_refused(row, "tag and auth are required");
}

TEST(router_refuses_rows_of_no_kind) {
    static const struct command_row no_check = {.name = "x", .apply = apply_nothing};
    static const struct command_row no_apply = {.name = "x", .check = check_nothing};
    struct endpoint row = row_get("x", "/x");
    row.command = &nothing;
    expect_refused(row, "exactly one of command and read");
    row.command = NULL;
    row.read = NULL;
    expect_refused(row, "exactly one of command and read");
    row = row_get("x", "/x");
    row.method = HTTP_POST;
    expect_refused(row, "GET reads, all others are commands");
    expect_refused(row_command("x", HTTP_GET, "/x"), "GET reads, all others are commands");
    row = row_command("x", HTTP_POST, "/x");
    row.command = &no_check;
    expect_refused(row, "a command has check and apply");
    row.command = &no_apply;
    expect_refused(row, "a command has check and apply");
    row = row_get("x", "/x");
    row.body = &params_schema;
    expect_refused(row, "GET takes no body");
    row = row_get("x", "/x");
    row.roles = ROLE_ADMIN;
    expect_refused(row, "roles need auth");
}

TEST(router_refuses_methods_that_are_nobodys) {
    static const char *const text = "the method is GET, POST, PUT, PATCH or DELETE";
    expect_refused(row_command("x", (enum http_method)0, "/x"), text);
    expect_refused(row_command("x", HTTP_HEAD, "/x"), text);
    expect_refused(row_command("x", HTTP_OPTIONS, "/x"), text);
    expect_refused(row_command("x", HTTP_OTHER, "/x"), text);
}

TEST(router_refuses_params_without_a_field) {
    struct endpoint row = row_get("x", "/x/{p0}/{p9}");
    expect_refused(row, "every {param} needs a field");
    row = row_get("x", "/x/{p0}");
    row.params = NULL;
    expect_refused(row, "every {param} needs a field");
}

TEST(router_refuses_paths_that_nothing_would_reach) {
    struct endpoint rows[] = {row_get("x", "/{p0}/{p1}/{p2}/{p3}/{p4}/{p5}")};
    EXPECT_EQ_INT(rows_open(rows, 1), ERR_OK);
    EXPECT_EQ_STR(route_of(HTTP_GET, "/0/1/2/3/4/5"), "x");
    expect_refused(row_get("x", "/{p0}/{p1}/{p2}/{p3}/{p4}/{p5}/{p6}"),
                   "the path has too many segments or params");
    rows[0] = row_get("x", "/a/b/c/d/e/f/g/h/i/j/k/l");
    EXPECT_EQ_INT(rows_open(rows, 1), ERR_OK);
    EXPECT_EQ_STR(route_of(HTTP_GET, "/a/b/c/d/e/f/g/h/i/j/k/l"), "x");
    expect_refused(row_get("x", "/a/b/c/d/e/f/g/h/i/j/k/l/m"),
                   "the path has too many segments or params");
    expect_refused(row_get("x", "/a/{p0}/{p0}"), "a param comes twice in the path");
    expect_refused(row_get("x", "/a/{}"), "a segment is a literal or one {param}");
    expect_refused(row_get("x", "/a/{p0"), "a segment is a literal or one {param}");
    expect_refused(row_get("x", "/a/b{p0}"), "a segment is a literal or one {param}");
}

TEST(router_refuses_the_same_twice) {
    expect_refused(row_get("sound", "/x"), "the id is taken");
    expect_refused(row_get("x", "/sound"), "method and path are taken");
    struct endpoint rows[] = {row_get("a", "/x/{p0}"), row_get("b", "/x/{p1}")};
    EXPECT_EQ_INT(rows_open(rows, 2), ERR_FORMAT);
    EXPECT_EQ_STR(problem, "endpoint b: method and path are taken");
    rows[1] = row_command("b", HTTP_DELETE, "/x/{p1}");
    EXPECT_EQ_INT(rows_open(rows, 2), ERR_OK);
}

TEST(router_refuses_unsound_schemas) {
    static const struct field fields[] = {
        FIELD(struct params, p0, FIELD_TEXT, .doc = "0."),
        FIELD(struct params, p0, FIELD_TEXT, .doc = "0 again."),
    };
    static const struct schema schema = SCHEMA("Twice", struct params, fields);
    const char *text = NULL;
    REQUIRE(!schema_is_sound(&schema, &text));
    struct endpoint row = row_get("x", "/x");
    row.params = &schema;
    expect_refused(row, text);
    row = row_get("x", "/x");
    row.output = &schema;
    expect_refused(row, text);
    row = row_command("x", HTTP_POST, "/x");
    row.body = &schema;
    expect_refused(row, text);
}
