/*
 * The page at /docs, see docs.h. A menu of all endpoints by tag, a section per endpoint, and the
 * objects that several of them share. Everything is derived from the rows; every text is escaped.
 */
#include "engine/docs.h"

#include "base/version.h"
#include "engine/describe.h"
#include "os/mem.h"

#include <string.h>

enum {
    /* Address space; only what the page fills is ever touched. */
    PAGE_BYTES_MAX = 32 * 1024 * 1024,
};

/* Accepted by every rule of passwords that the settings can ask for. */
#define EXAMPLE_PASSWORD "Correct-Horse-7-Staple"
#define EXAMPLE_ID "7f0c1f6e-2b1a-4c58-9d0e-3a5b6c7d8e9f"

/* ---- text ---- */

/* Safe in content and in quoted attributes. */
static void put_escaped(struct buf *out, struct str text) {
    for (uint32_t index = 0; index < text.len; index += 1) {
        switch (text.data[index]) {
        case '&':
            buf_put_c(out, "&amp;");
            break;
        case '<':
            buf_put_c(out, "&lt;");
            break;
        case '>':
            buf_put_c(out, "&gt;");
            break;
        case '"':
            buf_put_c(out, "&quot;");
            break;
        case '\'':
            buf_put_c(out, "&#39;");
            break;
        default:
            buf_put_byte(out, (uint8_t)text.data[index]);
            break;
        }
    }
}

static void put_text(struct buf *out, const char *text) {
    put_escaped(out, str_from_c(text));
}

/* <ELEMENT>text</ELEMENT> */
static void put_element(struct buf *out, const char *element, const char *text) {
    buf_printf(out, "<%s>", element);
    put_text(out, text);
    buf_printf(out, "</%s>", element);
}

/* ---- fields ---- */

static const char *type_word(enum field_type type) {
    switch (type) {
    case FIELD_BOOL:
        return "boolean";
    case FIELD_INT:
        return "integer";
    case FIELD_TIME:
        return "time";
    case FIELD_ID:
        return "UUID";
    case FIELD_TEXT:
        return "text";
    case FIELD_BYTES:
        return "base64url";
    case FIELD_ENUM:
        return "word";
    case FIELD_OBJECT:
        return "object";
    case FIELD_LIST:
        return "list";
    case FIELD_JSON:
        return "any JSON";
    }
    CHECK(false);
}

static const char *format_word(enum field_format format) {
    switch (format) {
    case FORMAT_NONE:
        return NULL;
    case FORMAT_EMAIL:
        return "e-mail address";
    case FORMAT_URL:
        return "URL";
    case FORMAT_PHONE:
        return "phone number";
    case FORMAT_DATE:
        return "date (YYYY-MM-DD)";
    case FORMAT_SLUG:
        return "slug";
    case FORMAT_DIGITS:
        return "digits";
    }
    CHECK(false);
}

static void put_object_link(struct buf *out, const struct schema *schema) {
    buf_put_c(out, "<a href=\"#object-");
    put_text(out, schema->name);
    buf_put_c(out, "\">");
    put_text(out, schema->name);
    buf_put_c(out, "</a>");
}

/* A reply writes null for what is missing, unless the row leaves it out (json_describe). */
static bool may_be_null(const struct field *field, bool is_input) {
    bool is_always_there = (field->flags & (FIELD_REQUIRED | FIELD_OMIT)) != 0;
    return (field->flags & FIELD_NULLABLE) != 0 || (!is_input && !is_always_there);
}

static void put_type(struct buf *out, const struct field *field, bool is_input) {
    const char *format = format_word(field->format);
    if (field->type == FIELD_LIST) {
        buf_put_c(out, "list of ");
    }
    if (field->of != NULL) {
        put_object_link(out, field->of);
    } else if (field->type == FIELD_LIST) {
        put_text(out, type_word(field->element));
    } else {
        put_text(out, format != NULL ? format : type_word(field->type));
    }
    if (may_be_null(field, is_input)) {
        buf_put_c(out, " or null");
    }
}

static const char *unit_word(enum field_type type) {
    switch (type) {
    case FIELD_TEXT:
        return " characters";
    case FIELD_BYTES:
        return " bytes";
    case FIELD_LIST:
        return " elements";
    case FIELD_BOOL:
    case FIELD_INT:
    case FIELD_TIME:
    case FIELD_ID:
    case FIELD_ENUM:
    case FIELD_OBJECT:
    case FIELD_JSON:
        return "";
    }
    CHECK(false);
}

static void put_limits(struct buf *out, const struct field *field) {
    if (field->type == FIELD_ENUM) {
        for (uint32_t index = 0; field->values[index] != NULL; index += 1) {
            buf_put_c(out, index == 0 ? "" : " ");
            put_element(out, "code", field->values[index]);
        }
        return;
    }
    bool has_limits = field->type == FIELD_INT || field->type == FIELD_TEXT ||
                      field->type == FIELD_BYTES || field->type == FIELD_LIST;
    if (!has_limits || (field->min == 0 && field->max == 0)) {
        return;
    }
    if (field->min == 0 && field->type != FIELD_INT) {
        buf_printf(out, "at most %lld%s", (long long)field->max, unit_word(field->type));
    } else if (field->max == 0 && field->min > 0) {
        buf_printf(out, "at least %lld%s", (long long)field->min, unit_word(field->type));
    } else {
        buf_printf(out, "%lld to %lld%s", (long long)field->min, (long long)field->max,
                   unit_word(field->type));
    }
}

static bool is_shown(const struct field *field, bool is_input) {
    uint16_t never = FIELD_SECRET | FIELD_HIDDEN;
    return (field->flags & (is_input ? FIELD_HIDDEN : never | FIELD_SENSITIVE)) == 0;
}

static void put_field(struct buf *out, const struct endpoint *endpoint, const struct field *field,
                      bool is_input) {
    bool is_path = endpoint != NULL && describe_is_path_param(endpoint, field->name);
    buf_put_c(out, "<tr><th scope=\"row\"><code>");
    put_text(out, field->name);
    buf_put_c(out, "</code>");
    if (is_input && (is_path || (field->flags & FIELD_REQUIRED) != 0)) {
        buf_put_c(out, " <span class=\"required\">required</span>");
    }
    buf_put_c(out, "</th><td>");
    put_type(out, field, is_input);
    buf_put_c(out, "</td><td>");
    put_limits(out, field);
    buf_put_c(out, "</td><td>");
    put_text(out, field->doc == NULL ? "" : field->doc);
    if (is_path) {
        buf_put_c(out, " <span class=\"note\">in the path</span>");
    }
    if (is_input && (field->flags & FIELD_SENSITIVE) != 0) {
        buf_put_c(out, " <span class=\"note\">never shown again</span>");
    }
    buf_put_c(out, "</td></tr>\n");
}

/* The wrapper scrolls sideways on narrow screens; tabindex lets the keyboard do so too. */
static void put_fields(struct buf *out, const struct endpoint *endpoint, const char *title,
                       const struct schema *schema, bool is_input) {
    buf_put_c(out, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"");
    put_text(out, title);
    buf_put_c(out, "\"><table><caption>");
    put_text(out, title);
    buf_put_c(out, "</caption><thead><tr><th scope=\"col\">Name</th><th scope=\"col\">Type</th>"
                   "<th scope=\"col\">Limits</th><th scope=\"col\">Meaning</th></tr></thead>"
                   "<tbody>\n");
    for (uint32_t index = 0; index < schema->field_count; index += 1) {
        if (is_shown(&schema->fields[index], is_input)) {
            put_field(out, endpoint, &schema->fields[index], is_input);
        }
    }
    buf_put_c(out, "</tbody></table></div>\n");
}

/* ---- examples ---- */

static const char *example_of_format(enum field_format format) {
    switch (format) {
    case FORMAT_NONE:
        return "example text";
    case FORMAT_EMAIL:
        return "ada@example.org";
    case FORMAT_URL:
        return "https://example.org/";
    case FORMAT_PHONE:
        return "+441632960961";
    case FORMAT_DATE:
        return "1990-12-31";
    case FORMAT_SLUG:
        return "example";
    case FORMAT_DIGITS:
        return "123456";
    }
    CHECK(false);
}

static struct str example_text(const struct field *field) {
    bool is_secret = (field->flags & FIELD_SENSITIVE) != 0;
    struct str text =
        str_from_c(is_secret && field->format == FORMAT_NONE ? EXAMPLE_PASSWORD
                                                             : example_of_format(field->format));
    return field->max > 0 ? str_slice(text, 0, (uint32_t)field->max) : text;
}

/* A value as it stands in a URL or, in quotes where JSON wants them, in a body. */
static void put_example(struct buf *out, const struct field *field, bool is_json) {
    const char *quote = is_json ? "\"" : "";
    switch (field->type) {
    case FIELD_BOOL:
        buf_put_c(out, "true");
        break;
    case FIELD_INT:
        buf_put_i64(out, field->min > 0 ? field->min : 1);
        break;
    case FIELD_TIME:
        buf_printf(out, "%s2026-01-31T12:00:00Z%s", quote, quote);
        break;
    case FIELD_ID:
        buf_printf(out, "%s" EXAMPLE_ID "%s", quote, quote);
        break;
    case FIELD_TEXT:
        buf_put_c(out, quote);
        if (is_json) {
            buf_put_str(out, example_text(field));
        } else {
            buf_put_percent(out, example_text(field));
        }
        buf_put_c(out, quote);
        break;
    case FIELD_BYTES:
        buf_printf(out, "%sAAECAw%s", quote, quote);
        break;
    case FIELD_ENUM:
        buf_printf(out, "%s%s%s", quote, field->values[0], quote);
        break;
    case FIELD_OBJECT:
    case FIELD_JSON:
        buf_put_c(out, "{}");
        break;
    case FIELD_LIST:
        buf_put_c(out, "[]");
        break;
    }
}

/* The path with examples for its params, then the required query parameters. */
static void put_example_target(struct buf *out, const struct endpoint *endpoint) {
    struct str rest = str_slice(str_from_c(endpoint->path), 1, UINT32_MAX);
    while (!str_is_none(rest)) {
        struct str segment = str_split(&rest, '/');
        buf_put_byte(out, '/');
        if (str_starts(segment, STR("{"))) {
            struct str name = str_slice(segment, 1, segment.len - 1);
            const struct field *field = schema_field(endpoint->params, name);
            CHECK(field != NULL);
            put_example(out, field, false);
        } else {
            buf_put_str(out, segment);
        }
    }
    char mark = '?';
    for (uint32_t index = 0; endpoint->params != NULL && index < endpoint->params->field_count;
         index += 1) {
        const struct field *field = &endpoint->params->fields[index];
        bool is_needed = (field->flags & FIELD_REQUIRED) != 0;
        if (is_needed && !describe_is_path_param(endpoint, field->name)) {
            buf_printf(out, "%c%s=", mark, field->name);
            put_example(out, field, false);
            mark = '&';
        }
    }
}

/* The required members; the first one when none is. */
static void put_example_body(struct buf *out, const struct schema *schema) {
    bool is_any_required = false;
    for (uint32_t index = 0; index < schema->field_count; index += 1) {
        is_any_required = is_any_required || (schema->fields[index].flags & FIELD_REQUIRED) != 0;
    }
    const char *comma = "";
    buf_put_byte(out, '{');
    for (uint32_t index = 0; index < schema->field_count; index += 1) {
        const struct field *field = &schema->fields[index];
        bool is_needed = (field->flags & FIELD_REQUIRED) != 0 || (!is_any_required && index == 0);
        if (is_needed && is_shown(field, true)) {
            buf_printf(out, "%s\"%s\":", comma, field->name);
            put_example(out, field, true);
            comma = ",";
        }
    }
    buf_put_byte(out, '}');
}

static void put_curl(struct buf *out, const struct endpoint *endpoint,
                     const struct settings *settings) {
    char memory[4096];
    struct buf line = buf_over(memory, sizeof memory);
    buf_put_c(&line, "curl ");
    if (endpoint->method != HTTP_GET) {
        buf_printf(&line, "-X %s ", http_method_name(endpoint->method));
    }
    buf_put_byte(&line, '\'');
    buf_put_str(&line, settings_text(settings, SETTING_PUBLIC_URL_ID));
    put_example_target(&line, endpoint);
    buf_put_byte(&line, '\'');
    if (endpoint->auth != AUTH_NONE) {
        buf_put_c(&line, " \\\n  -H \"Authorization: Bearer $TOKEN\"");
    }
    if (endpoint->body != NULL) {
        buf_put_c(&line, " \\\n  -H 'Content-Type: application/json' \\\n  -d '");
        put_example_body(&line, endpoint->body);
        buf_put_byte(&line, '\'');
    }
    if (line.is_full) {
        return; /* an example too long to read helps nobody */
    }
    buf_put_c(out, "<pre tabindex=\"0\"><code>");
    put_escaped(out, buf_str(&line));
    buf_put_c(out, "</code></pre>\n");
}

/* ---- endpoints ---- */

static void put_badge(struct buf *out, enum http_method method) {
    const char *name = http_method_name(method);
    buf_printf(out, "<span class=\"method %s\">%s</span>", name, name);
}

static void put_fact(struct buf *out, const char *name, const char *value) {
    put_element(out, "dt", name);
    put_element(out, "dd", value);
}

static void put_facts(struct buf *out, const struct endpoint *endpoint,
                      const struct settings *settings) {
    char memory[256];
    buf_put_c(out, "<dl class=\"facts\">");
    put_fact(out, "Access", describe_auth(endpoint));
    if (endpoint->roles != 0 && endpoint->roles != ROLE_ANY) {
        struct buf roles = buf_over(memory, sizeof memory - 1);
        describe_roles(endpoint, &roles);
        memory[roles.len] = '\0';
        put_fact(out, "Roles", memory);
    }
    if (endpoint->scopes != 0) {
        struct buf scopes = buf_over(memory, sizeof memory - 1);
        describe_scopes(endpoint, &scopes);
        memory[scopes.len] = '\0';
        put_fact(out, "API key with", memory);
    }
    int64_t per_minute = describe_rate(endpoint, settings);
    if (per_minute > 0) {
        buf_printf(out, "<dt>Rate</dt><dd>%lld per minute</dd>", (long long)per_minute);
    }
    if (endpoint->body != NULL) {
        buf_printf(out, "<dt>Body</dt><dd>%sat most %u bytes</dd>",
                   endpoint->is_body_optional ? "optional, " : "",
                   describe_body_bytes_max(endpoint));
    }
    buf_printf(out, "<dt>Success</dt><dd>%u ", describe_status(endpoint));
    put_text(out, http_reason(describe_status(endpoint)));
    buf_put_c(out, "</dd></dl>\n");
}

/* A dialect has no types: its message is all that is sent. */
static void put_error(struct buf *out, const struct dialect *dialect, enum err err) {
    const struct err_row *row = err_row(err);
    buf_printf(out, "<tr><td>%u</td>", dialect_status(dialect, err));
    if (dialect == NULL) {
        buf_put_c(out, "<td><code>");
        put_text(out, row->type);
        buf_put_c(out, "</code></td><td><code>");
        put_text(out, row->reason);
        buf_put_c(out, "</code></td>");
    }
    buf_put_c(out, "<td>");
    put_text(out, dialect_message(dialect, err));
    buf_put_c(out, "</td></tr>\n");
}

static void put_errors(struct buf *out, const struct endpoint *endpoint) {
    struct describe_errors errors;
    describe_errors(endpoint, &errors);
    buf_printf(out,
               "<details><summary>Errors (%u)</summary><div class=\"scroll\" tabindex=\"0\" "
               "role=\"region\" aria-label=\"Errors\"><table><thead><tr>"
               "<th scope=\"col\">Status</th>%s</tr></thead><tbody>\n",
               errors.count,
               endpoint->dialect == NULL
                   ? "<th scope=\"col\">error.type</th><th scope=\"col\">details.code</th>"
                     "<th scope=\"col\">Meaning</th>"
                   : "<th scope=\"col\">message</th>");
    for (uint16_t status = 400; status < 600; status += 1) {
        for (uint32_t index = 0; index < errors.count; index += 1) {
            if (dialect_status(endpoint->dialect, errors.errors[index]) == status) {
                put_error(out, endpoint->dialect, errors.errors[index]);
            }
        }
    }
    buf_put_c(out, "</tbody></table></div></details>\n");
}

static void put_endpoint(struct buf *out, const struct endpoint *endpoint,
                         const struct settings *settings) {
    buf_printf(out, "<article id=\"%s\"><h3>", endpoint->id);
    put_badge(out, endpoint->method);
    buf_printf(out, " <a href=\"#%s\"><code>", endpoint->id);
    put_text(out, endpoint->path);
    buf_put_c(out, "</code></a></h3>\n");
    put_element(out, "p", endpoint->doc);
    put_facts(out, endpoint, settings);
    if (endpoint->params != NULL && endpoint->params->field_count > 0) {
        put_fields(out, endpoint, "Parameters", endpoint->params, true);
    }
    if (endpoint->body != NULL) {
        put_fields(out, NULL, "Body", endpoint->body, true);
    }
    if (endpoint->output != NULL) {
        bool is_data = endpoint->form == FORM_ENVELOPE && endpoint->dialect == NULL;
        put_fields(out, NULL, is_data ? "Reply: data" : "Reply", endpoint->output, false);
    }
    put_curl(out, endpoint, settings);
    put_errors(out, endpoint);
    buf_put_c(out, "</article>\n");
}

/* ---- the page ---- */

static void put_menu(struct buf *out, const struct router *router,
                     const struct describe_tags *tags) {
    buf_put_c(out, "<nav aria-label=\"Endpoints\">\n<ul><li><a href=\"#start\">Start</a></li>"
                   "<li><a href=\"#moving\">Moving here</a></li>"
                   "</ul>\n");
    for (uint32_t tag = 0; tag < tags->count; tag += 1) {
        buf_put_c(out, "<details open><summary>");
        put_text(out, tags->tags[tag]);
        buf_put_c(out, "</summary><ul>\n");
        for (uint32_t index = 0; index < router_endpoint_count(router); index += 1) {
            const struct endpoint *endpoint = router_endpoint(router, index);
            if (strcmp(endpoint->tag, tags->tags[tag]) == 0) {
                buf_printf(out, "<li><a href=\"#%s\">", endpoint->id);
                put_badge(out, endpoint->method);
                buf_put_byte(out, ' ');
                put_text(out, endpoint->path);
                buf_put_c(out, "</a></li>\n");
            }
        }
        buf_put_c(out, "</ul></details>\n");
    }
    buf_put_c(out, "</nav>\n");
}

static void put_head(struct buf *out, const struct settings *settings) {
    struct str name = settings_text(settings, SETTING_NAME_ID);
    buf_put_c(out, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                   "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
                   "<meta name=\"color-scheme\" content=\"light dark\"><title>");
    put_escaped(out, name);
    buf_put_c(out, " API</title><link rel=\"stylesheet\" href=\"/docs/docs.css\"></head>\n<body>"
                   "<a class=\"skip\" href=\"#content\">To the content</a>\n<header><h1>");
    put_escaped(out, name);
    buf_put_c(out,
              " API</h1><p>Version " COFFER_VERSION " &middot; <a href=\"/openapi.json\">OpenAPI "
              "document</a></p></header>\n<div class=\"page\">\n");
}

static void put_start(struct buf *out, const struct settings *settings) {
    buf_put_c(out, "<section id=\"start\"><h2>Start</h2>\n<p>The server is at <code>");
    put_escaped(out, settings_text(settings, SETTING_PUBLIC_URL_ID));
    buf_put_c(
        out,
        "</code>. Bodies are JSON, sent as <code>Content-Type: application/json</code>. Times are "
        "UTC, ids are UUIDs. With a self-signed certificate give curl <code>-k</code>, or its file "
        "with <code>--cacert</code>.</p>\n"
        "<p>A login returns tokens. Send one as <code>Authorization: Bearer TOKEN</code>. The "
        "examples expect it in the shell variable <code>TOKEN</code>.</p>\n"
        "<h3>Replies</h3>\n<p>Replies under <code>/api/v1</code> have this form; "
        "<code>data</code> differs by endpoint.</p>\n<pre tabindex=\"0\"><code>"
        "{&quot;version&quot;:&quot;1.0&quot;,&quot;success&quot;:true,&quot;code&quot;:200,"
        "&quot;message&quot;:&quot;OK&quot;,&quot;request_id&quot;:&quot;&hellip;&quot;,"
        "&quot;data&quot;:{&hellip;}}</code></pre>\n"
        "<p>A refusal has <code>error</code> in place of <code>data</code>: its <code>type</code> "
        "is for programs, <code>message</code> for people. With <code>Accept: "
        "application/problem+json</code> it comes as RFC 9457 problem details.</p>\n"
        "<pre tabindex=\"0\"><code>{&hellip;,&quot;success&quot;:false,&quot;code&quot;:400,"
        "&quot;error&quot;:{&quot;type&quot;:&quot;VALIDATION_ERROR&quot;,&quot;details&quot;:{"
        "&quot;email&quot;:[&quot;Not a valid email address.&quot;]}}}</code></pre>\n"
        "<h3>Headers</h3>\n<dl class=\"facts\">"
        "<dt><code>Idempotency-Key</code></dt><dd>on any write: the same key with the same request "
        "is carried out once.</dd>"
        "<dt><code>X-Request-ID</code></dt><dd>your own id for a request; repeated in the reply "
        "and "
        "the log.</dd>"
        "<dt><code>RateLimit-*</code>, <code>Retry-After</code></dt><dd>how much is left, and how "
        "long to wait after 429 and 503.</dd></dl></section>\n");
}

/* How applications move here, by hand: static/moving.html. */
extern const char asset_moving_html[];
extern const char asset_moving_html_end[];

static bool is_inside_another(const struct describe_schemas *all, const struct schema *schema) {
    for (uint32_t outer = 0; outer < all->count; outer += 1) {
        for (uint32_t index = 0; index < all->schemas[outer]->field_count; index += 1) {
            if (all->schemas[outer]->fields[index].of == schema) {
                return true;
            }
        }
    }
    return false;
}

static void put_objects(struct buf *out, const struct router *router) {
    static struct describe_schemas all;
    bool is_first = true;
    describe_schemas(router, &all);
    for (uint32_t index = 0; index < all.count; index += 1) {
        const struct schema *schema = all.schemas[index];
        if (!is_inside_another(&all, schema)) {
            continue;
        }
        if (is_first) {
            buf_put_c(out, "<section><h2>Objects</h2>\n");
            is_first = false;
        }
        buf_put_c(out, "<article id=\"object-");
        put_text(out, schema->name);
        buf_put_c(out, "\">");
        put_element(out, "h3", schema->name);
        put_fields(out, NULL, "Members", schema, all.is_input[index]);
        buf_put_c(out, "</article>\n");
    }
    buf_put_c(out, is_first ? "" : "</section>\n");
}

static void put_page(struct buf *out, const struct router *router,
                     const struct settings *settings) {
    struct describe_tags tags;
    describe_tags(router, &tags);
    put_head(out, settings);
    put_menu(out, router, &tags);
    buf_put_c(out, "<main id=\"content\">\n");
    put_start(out, settings);
    buf_put(out, asset_moving_html, (uint32_t)(asset_moving_html_end - asset_moving_html));
    for (uint32_t tag = 0; tag < tags.count; tag += 1) {
        buf_put_c(out, "<section>");
        put_element(out, "h2", tags.tags[tag]);
        buf_put_byte(out, '\n');
        for (uint32_t index = 0; index < router_endpoint_count(router); index += 1) {
            const struct endpoint *endpoint = router_endpoint(router, index);
            if (strcmp(endpoint->tag, tags.tags[tag]) == 0) {
                put_endpoint(out, endpoint, settings);
            }
        }
        buf_put_c(out, "</section>\n");
    }
    put_objects(out, router);
    buf_put_c(out, "</main></div></body></html>\n");
}

struct str docs_build(const struct router *router, const struct settings *settings) {
    CHECK(router != NULL);
    CHECK(settings != NULL);
    char *memory = mem_reserve(PAGE_BYTES_MAX);
    if (memory == NULL) {
        return STR_NONE;
    }
    struct buf page = buf_over(memory, PAGE_BYTES_MAX);
    put_page(&page, router, settings);
    CHECK(!page.is_full);
    return buf_str(&page);
}
