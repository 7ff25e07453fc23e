/*
 * The documents made from the rows: every row appears in the OpenAPI document and on the page with
 * its inputs, outputs and errors; every $ref resolves; texts are escaped.
 */
#include "test.h"

#include "cli/cli.h"
#include "engine/compress.h"
#include "engine/describe.h"
#include "engine/docs.h"
#include "engine/openapi.h"
#include "os/mem.h"

#include <zlib.h>

/* ---- rows that use everything ---- */

struct wheel {
    struct schema_set set;
    int64_t size;
};
static const struct field wheel_fields[] = {
    FIELD(struct wheel, size, FIELD_INT, .flags = FIELD_REQUIRED, .min = 10, .max = 30,
          .doc = "Inches."),
};
static const struct schema wheel_schema = SCHEMA("wheel", struct wheel, wheel_fields);

static const char *const colour_names[] = {"red", "blue", NULL};
struct cart {
    struct schema_set set;
    struct str email;
    struct str secret;
    int32_t colour;
    struct schema_list wheels;
};
static const struct field cart_fields[] = {
    FIELD(struct cart, email, FIELD_TEXT, .flags = FIELD_REQUIRED, .max = 254,
          .format = FORMAT_EMAIL, .doc = "Whose <b>\"cart\"</b> & so on."),
    FIELD(struct cart, secret, FIELD_TEXT, .flags = FIELD_REQUIRED | FIELD_SENSITIVE, .max = 72,
          .doc = "Opens it."),
    FIELD(struct cart, colour, FIELD_ENUM, .values = colour_names, .doc = "Paint."),
    FIELD(struct cart, wheels, FIELD_LIST, .of = &wheel_schema, .max = 8, .doc = "All of them."),
};
static const struct schema cart_schema = SCHEMA("cart", struct cart, cart_fields);

struct cart_view {
    struct schema_set set;
    struct id id;
    struct wheel spare;
};
static const struct field cart_view_fields[] = {
    FIELD(struct cart_view, id, FIELD_ID, .flags = FIELD_REQUIRED, .doc = "Its id."),
    FIELD(struct cart_view, spare, FIELD_OBJECT, .of = &wheel_schema, .doc = "The spare wheel."),
};
static const struct schema cart_view_schema =
    SCHEMA("cart_view", struct cart_view, cart_view_fields);

struct cart_params {
    struct schema_set set;
    struct id id;
    int64_t limit;
};
static const struct field cart_params_fields[] = {
    FIELD(struct cart_params, id, FIELD_ID, .flags = FIELD_REQUIRED, .doc = "Which cart."),
    FIELD(struct cart_params, limit, FIELD_INT, .min = 1, .max = 50, .doc = "How many."),
};
static const struct schema cart_params_schema =
    SCHEMA("cart_params", struct cart_params, cart_params_fields);

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
static const struct command_row command_nothing = {
    .name = "test.nothing", .check = check_nothing, .apply = apply_nothing};

static const struct endpoint rows[] = {
    {.id = "cart_make",
     .method = HTTP_POST,
     .path = "/api/v1/carts",
     .doc = "Makes a cart.",
     .tag = "carts",
     .auth = AUTH_FULL,
     .roles = ROLE_SUPPORT,
     .rate = RATE_WRITE,
     .body_bytes_max = 1000,
     .body = &cart_schema,
     .output = &cart_view_schema,
     .status = 201,
     .errors = {ERR_CONFLICT, ERR_FORBIDDEN},
     .command = &command_nothing},
    {.id = "cart_get",
     .method = HTTP_GET,
     .path = "/api/v1/carts/{id}",
     .doc = "One cart.",
     .tag = "carts",
     .auth = AUTH_SESSION,
     .rate = RATE_READ,
     .params = &cart_params_schema,
     .output = &cart_view_schema,
     .read = read_nothing},
    {.id = "cart_change",
     .method = HTTP_PATCH,
     .path = "/api/v1/carts/{id}",
     .doc = "Changes a cart.",
     .tag = "carts",
     .auth = AUTH_SESSION,
     .rate = RATE_WRITE,
     .params = &cart_params_schema,
     .body = &cart_schema,
     .is_body_optional = true,
     .errors = {ERR_PRECONDITION},
     .command = &command_nothing},
    {.id = "cart_delete",
     .method = HTTP_DELETE,
     .path = "/api/v1/carts/{id}",
     .doc = "Removes a cart.",
     .tag = "carts",
     .auth = AUTH_SESSION,
     .params = &cart_params_schema,
     .status = 204,
     .command = &command_nothing},
    {.id = "status",
     .method = HTTP_GET,
     .path = "/status",
     .doc = "Is it there?",
     .tag = "other",
     .auth = AUTH_NONE,
     .form = FORM_BARE,
     .read = read_nothing},
    {.id = "page",
     .method = HTTP_GET,
     .path = "/page",
     .doc = "A page.",
     .tag = "other",
     .auth = AUTH_NONE,
     .form = FORM_RAW,
     .read = read_nothing},
};
static const struct module test_module = {
    .name = "test", .endpoints = rows, .endpoint_count = COUNT_OF(rows)};
static const struct module *const test_modules[] = {&test_module};

static struct settings settings;
static struct arena_pool pool;
static struct arena arena;

/* NULL when something failed; said already. */
static const struct router *modules_open(const struct module *const *modules, uint32_t count) {
    static bool is_pool_made = false;
    const struct router *router = NULL;
    const char *problem = "";
    if (!is_pool_made) {
        arena_pool_init(&pool, mem_reserve(1024 * (size_t)ARENA_BLOCK_BYTES), 1024);
        is_pool_made = true;
    }
    arena_init(&arena, &pool, 8 * 1024 * 1024);
    settings_init(&settings);
    if (router_open(&router, modules, count, &problem) != ERR_OK) {
        test_fail(__FILE__, __LINE__, "%s", problem);
    }
    return router;
}

static const struct router *rows_open(void) {
    return modules_open(test_modules, COUNT_OF(test_modules));
}

/* The rows of the program itself. */
static const struct router *program_open(void) {
    return modules_open(cli_modules, cli_module_count);
}

static yyjson_val *document_open(const struct router *router) {
    struct str text = openapi_build(router, &settings);
    yyjson_val *root = NULL;
    EXPECT_EQ_INT(json_parse(text, &arena, &root), ERR_OK);
    return root;
}

static yyjson_val *at(yyjson_val *root, const char *pointer) {
    return yyjson_ptr_get(root, pointer);
}

static const char *text_at(yyjson_val *root, const char *pointer) {
    return yyjson_get_str(at(root, pointer));
}

/* ---- the OpenAPI document ---- */

static void expect_every_row(const struct router *router) {
    yyjson_val *root = document_open(router);
    static const char *const keys[] = {[HTTP_GET] = "get",
                                       [HTTP_POST] = "post",
                                       [HTTP_PUT] = "put",
                                       [HTTP_PATCH] = "patch",
                                       [HTTP_DELETE] = "delete"};
    EXPECT_EQ_STR(text_at(root, "/openapi"), "3.1.0");
    for (uint32_t index = 0; index < router_endpoint_count(router); index += 1) {
        const struct endpoint *endpoint = router_endpoint(router, index);
        yyjson_val *item = yyjson_obj_get(yyjson_obj_get(root, "paths"), endpoint->path);
        yyjson_val *operation = yyjson_obj_get(item, keys[endpoint->method]);
        EXPECT_EQ_STR(text_at(operation, "/operationId"), endpoint->id);
        EXPECT_EQ_STR(text_at(operation, "/tags/0"), endpoint->tag);
        EXPECT_EQ_UINT(yyjson_arr_size(yyjson_obj_get(operation, "security")),
                       (endpoint->auth != AUTH_NONE) + (endpoint->auth == AUTH_DIALECT) +
                           (endpoint->scopes != 0));
        EXPECT((yyjson_obj_get(operation, "requestBody") != NULL) == (endpoint->body != NULL));
        struct describe_errors errors;
        describe_errors(endpoint, &errors);
        for (uint32_t error = 0; error < errors.count; error += 1) {
            char status[8];
            snprintf(status, sizeof status, "%u", err_row(errors.errors[error])->status);
            EXPECT(yyjson_obj_get(yyjson_obj_get(operation, "responses"), status) != NULL);
        }
    }
    arena_reset(&arena);
}

TEST(openapi_every_row_appears)
{
    const struct router *router = rows_open();
    REQUIRE(router != NULL);
    expect_every_row(router);
}

TEST(openapi_every_row_of_the_program_appears)
{
    const struct router *router = program_open();
    REQUIRE(router != NULL);
    EXPECT(router_endpoint_count(router) > 20);
    expect_every_row(router);
}

/* Follows "#/a/b" from the root; counts what does not lead anywhere. */
static uint32_t refs_broken(yyjson_val *root, yyjson_val *value, uint32_t *ref_count) {
    uint32_t broken = 0;
    size_t index;
    size_t max;
    yyjson_val *key;
    yyjson_val *member;
    if (yyjson_is_arr(value)) {
        yyjson_arr_foreach(value, index, max, member) {
            broken += refs_broken(root, member, ref_count);
        }
    } else if (yyjson_is_obj(value)) {
        yyjson_obj_foreach(value, index, max, key, member) {
            if (yyjson_equals_str(key, "$ref")) {
                *ref_count += 1;
                broken += at(root, yyjson_get_str(member) + 1) == NULL;
            } else {
                broken += refs_broken(root, member, ref_count);
            }
        }
    }
    return broken;
}

TEST(openapi_every_ref_resolves)
{
    for (uint32_t round = 0; round < 2; round += 1) {
        const struct router *router = round == 0 ? rows_open() : program_open();
        REQUIRE(router != NULL);
        yyjson_val *root = document_open(router);
        uint32_t ref_count = 0;
        EXPECT_EQ_UINT(refs_broken(root, root, &ref_count), 0);
        EXPECT(ref_count > 50);
        arena_reset(&arena);
    }
}

/* The check above must be able to fail. */
TEST(openapi_broken_refs_are_seen)
{
    const struct router *router = rows_open();
    REQUIRE(router != NULL);
    struct str text = STR("{\"a\":[{\"$ref\":\"#/b\"},{\"$ref\":\"#/a\"}]}");
    yyjson_val *root = NULL;
    REQUIRE(json_parse(text, &arena, &root) == ERR_OK);
    uint32_t ref_count = 0;
    EXPECT_EQ_UINT(refs_broken(root, root, &ref_count), 1);
    EXPECT_EQ_UINT(ref_count, 2);
    arena_reset(&arena);
}

TEST(openapi_inputs_and_outputs)
{
    const struct router *router = rows_open();
    REQUIRE(router != NULL);
    yyjson_val *root = document_open(router);
    yyjson_val *get = at(root, "/paths/~1api~1v1~1carts~1{id}/get");
    EXPECT_EQ_STR(text_at(get, "/parameters/0/name"), "id");
    EXPECT_EQ_STR(text_at(get, "/parameters/0/in"), "path");
    EXPECT(yyjson_get_bool(at(get, "/parameters/0/required")));
    EXPECT_EQ_STR(text_at(get, "/parameters/0/schema/format"), "uuid");
    EXPECT_EQ_STR(text_at(get, "/parameters/1/in"), "query");
    EXPECT_EQ_INT(yyjson_get_int(at(get, "/parameters/1/schema/maximum")), 50);
    EXPECT_EQ_STR(text_at(get, "/parameters/2/$ref"), "#/components/parameters/RequestId");
    EXPECT(at(get, "/parameters/3") == NULL);
    EXPECT_EQ_STR(text_at(get, "/responses/200/content/application~1json/schema/allOf/1/"
                               "properties/data/$ref"),
                  "#/components/schemas/cart_view");
    yyjson_val *make = at(root, "/paths/~1api~1v1~1carts/post");
    EXPECT_EQ_STR(text_at(make, "/requestBody/content/application~1json/schema/$ref"),
                  "#/components/schemas/cart");
    EXPECT(yyjson_get_bool(at(make, "/requestBody/required")));
    EXPECT(at(make, "/responses/201") != NULL);
    EXPECT(at(make, "/responses/200") == NULL);
    EXPECT_EQ_STR(text_at(make, "/parameters/1/$ref"), "#/components/parameters/IdempotencyKey");
    EXPECT(strstr(text_at(make, "/description"), "roles: admin, support") != NULL);
    EXPECT(strstr(text_at(make, "/description"), "at most 1000 bytes") != NULL);
    yyjson_val *change = at(root, "/paths/~1api~1v1~1carts~1{id}/patch");
    EXPECT(!yyjson_get_bool(at(change, "/requestBody/required")));
    EXPECT_EQ_STR(text_at(change, "/parameters/4/$ref"), "#/components/parameters/IfMatch");
    yyjson_val *del = at(root, "/paths/~1api~1v1~1carts~1{id}/delete");
    EXPECT(at(del, "/responses/204") != NULL);
    EXPECT(at(del, "/responses/204/content") == NULL);
    /* Each referenced schema once: ours and the envelope's three. */
    yyjson_val *schemas = at(root, "/components/schemas");
    EXPECT_EQ_UINT(yyjson_obj_size(schemas), 3 + 3);
    EXPECT(at(schemas, "/cart/properties/secret/writeOnly") != NULL);
    EXPECT_EQ_STR(text_at(schemas, "/cart/properties/wheels/items/$ref"),
                  "#/components/schemas/wheel");
    arena_reset(&arena);
}

TEST(openapi_refusals_say_their_errors)
{
    const struct router *router = rows_open();
    REQUIRE(router != NULL);
    yyjson_val *root = document_open(router);
    const char *ref = text_at(root, "/paths/~1api~1v1~1carts/post/responses/403/$ref");
    REQUIRE(ref != NULL);
    const char *description = text_at(at(root, ref + 1), "/description");
    REQUIRE(description != NULL);
    EXPECT(strstr(description, "`AUTHORIZATION_ERROR` (`INSUFFICIENT_PRIVILEGES`)") != NULL);
    EXPECT(strstr(description, "`MFA_COMPLIANCE_REQUIRED`") != NULL);
    /* A session that need not be full has another set of errors, so another component. */
    const char *other = text_at(root, "/paths/~1api~1v1~1carts~1{id}/get/responses/403/$ref");
    REQUIRE(other != NULL);
    EXPECT(strcmp(ref, other) != 0);
    EXPECT(strstr(text_at(at(root, other + 1), "/description"), "MFA_COMPLIANCE") == NULL);
    EXPECT(at(root, "/components/responses/TooManyRequests/headers/Retry-After") != NULL);
    arena_reset(&arena);
}

TEST(openapi_is_deterministic)
{
    const struct router *router = rows_open();
    REQUIRE(router != NULL);
    struct str first = openapi_build(router, &settings);
    struct str second = openapi_build(router, &settings);
    EXPECT(first.len > 1000);
    EXPECT(str_equal(first, second));
    arena_reset(&arena);
}

TEST(describe_implied_errors)
{
    struct describe_errors errors;
    describe_errors(&rows[4], &errors);
    /* A public read without input: malformed HTTP and overload, nothing else. */
    EXPECT_EQ_UINT(errors.count, 2);
    EXPECT_EQ_UINT(errors.own_count, 0);
    describe_errors(&rows[0], &errors);
    EXPECT_EQ_UINT(errors.own_count, 2);
    uint32_t forbidden = 0;
    for (uint32_t index = 0; index < errors.count; index += 1) {
        forbidden += errors.errors[index] == ERR_FORBIDDEN; /* declared and implied: once */
    }
    EXPECT_EQ_UINT(forbidden, 1);
    EXPECT(describe_is_path_param(&rows[1], "id"));
    EXPECT(!describe_is_path_param(&rows[1], "limit"));
    EXPECT(!describe_is_path_param(&rows[1], "i"));
}

/* ---- the page ---- */

static uint32_t occurrences(struct str text, const char *what) {
    uint32_t count = 0;
    uint32_t len = (uint32_t)strlen(what);
    for (uint32_t from = 0; from + len <= text.len; from += 1) {
        count += memcmp(text.data + from, what, len) == 0;
    }
    return count;
}

/* Every link into the page has its target, once. */
static void expect_links_lead_somewhere(struct str page) {
    static const char mark[] = "href=\"#";
    for (uint32_t from = 0; from + sizeof mark < page.len; from += 1) {
        if (memcmp(page.data + from, mark, sizeof mark - 1) != 0) {
            continue;
        }
        struct str rest = str_slice(page, from + sizeof mark - 1, page.len);
        struct str name = str_slice(rest, 0, str_find_byte(rest, '"'));
        char target[128];
        snprintf(target, sizeof target, " id=\"%.*s\"", STR_ARG(name));
        if (occurrences(page, target) != 1) {
            test_fail(__FILE__, __LINE__, "%u times%s", occurrences(page, target), target);
        }
    }
}

static void expect_every_row_on_page(const struct router *router) {
    struct str page = docs_build(router, &settings);
    for (uint32_t index = 0; index < router_endpoint_count(router); index += 1) {
        const struct endpoint *endpoint = router_endpoint(router, index);
        char text[128];
        snprintf(text, sizeof text, "<article id=\"%s\">", endpoint->id);
        EXPECT_EQ_UINT(occurrences(page, text), 1);
        snprintf(text, sizeof text, "href=\"#%s\"", endpoint->id);
        EXPECT_EQ_UINT(occurrences(page, text), 2);
    }
    expect_links_lead_somewhere(page);
    EXPECT_EQ_UINT(occurrences(page, "<article"), occurrences(page, "</article>"));
    EXPECT_EQ_UINT(occurrences(page, "<table"), occurrences(page, "</table>"));
    EXPECT_EQ_UINT(occurrences(page, "<section"), occurrences(page, "</section>"));
    arena_reset(&arena);
}

TEST(docs_every_row_appears)
{
    const struct router *router = rows_open();
    REQUIRE(router != NULL);
    expect_every_row_on_page(router);
    struct str page = docs_build(router, &settings);
    EXPECT_EQ_UINT(occurrences(page, "id=\"object-wheel\""), 1);
    EXPECT(occurrences(page, "href=\"#object-wheel\"") >= 2);
    EXPECT(occurrences(page, "<p>Makes a cart.</p>") == 1);
    router = program_open();
    REQUIRE(router != NULL);
    expect_every_row_on_page(router);
}

TEST(docs_are_escaped_and_without_scripts)
{
    const struct router *router = rows_open();
    REQUIRE(router != NULL);
    const char *problem = NULL;
    EXPECT_EQ_INT(settings_set(&settings, STR("name"), STR("<i>\"A\" & 'B'</i>"), "flag", &problem),
                  ERR_OK);
    struct str page = docs_build(router, &settings);
    EXPECT_EQ_UINT(occurrences(page, "<b>"), 0);
    EXPECT_EQ_UINT(occurrences(page, "<i>"), 0);
    EXPECT(occurrences(page, "Whose &lt;b&gt;&quot;cart&quot;&lt;/b&gt; &amp; so on.") >= 1);
    EXPECT(occurrences(page, "<h1>&lt;i&gt;&quot;A&quot; &amp; &#39;B&#39;&lt;/i&gt; API") == 1);
    EXPECT_EQ_UINT(occurrences(page, "<script"), 0);
    EXPECT_EQ_UINT(occurrences(page, "style="), 0);
    EXPECT_EQ_UINT(occurrences(page, "<style"), 0);
    EXPECT_EQ_UINT(occurrences(page, "javascript:"), 0);
    arena_reset(&arena);
}

TEST(docs_examples_have_what_is_required)
{
    const struct router *router = rows_open();
    REQUIRE(router != NULL);
    struct str page = docs_build(router, &settings);
    EXPECT_EQ_UINT(occurrences(page, "curl -X POST &#39;https://localhost:8443/api/v1/carts&#39;"),
                   1);
    EXPECT(occurrences(page, "{&quot;email&quot;:&quot;ada@example.org&quot;,&quot;secret&quot;:"
                             "&quot;Correct-Horse-7-Staple&quot;}") >= 1);
    EXPECT(occurrences(page, "/api/v1/carts/7f0c1f6e-2b1a-4c58-9d0e-3a5b6c7d8e9f&#39;") == 3);
    EXPECT_EQ_UINT(occurrences(page, "<td>10 to 30</td>"), 1);
    arena_reset(&arena);
}

/* ---- compression ---- */

TEST(compress_gzip_comes_back)
{
    static char text[100000];
    static char back[sizeof text + 1];
    for (size_t index = 0; index < sizeof text; index += 1) {
        text[index] = (char)('a' + test_random_below(4));
    }
    struct str packed = compress_gzip(str_from(text, sizeof text));
    REQUIRE(!str_is_none(packed));
    EXPECT(packed.len < sizeof text / 3);
    z_stream stream;
    memset(&stream, 0, sizeof stream);
    REQUIRE(inflateInit2(&stream, 15 + 16) == Z_OK);
    stream.next_in = (z_const Bytef *)(uintptr_t)packed.data;
    stream.avail_in = packed.len;
    stream.next_out = (Bytef *)back;
    stream.avail_out = sizeof back;
    EXPECT_EQ_INT(inflate(&stream, Z_FINISH), Z_STREAM_END);
    EXPECT_EQ_UINT(stream.total_out, sizeof text);
    EXPECT_EQ_MEM(back, text, sizeof text);
    inflateEnd(&stream);
}

TEST(compress_gzip_refuses_to_grow)
{
    char text[64];
    test_random_fill(text, sizeof text);
    EXPECT(str_is_none(compress_gzip(str_from(text, sizeof text))));
    EXPECT(str_is_none(compress_gzip(STR(""))));
    EXPECT(str_is_none(compress_gzip(STR("a"))));
}
