/*
 * The OpenAPI 3.1 document, see openapi.h. Everything in it is derived: operations from endpoint
 * rows, components.schemas from the schemas that they reach, components.responses from the distinct
 * sets of errors that share a status, texts of errors from the table of errors.
 *
 * Built in memory of its own that is given back afterwards; only the text stays.
 */
#include "engine/openapi.h"

#include "base/version.h"
#include "engine/describe.h"
#include "os/mem.h"

#include <string.h>

enum {
    /* Address space for the document while it is built; touched as far as needed. */
    BUILD_BYTES = 64 * 1024 * 1024,
    TEXT_BYTES_MAX = 4096, /* one composed text */
    REFUSALS_MAX = 512,
    REFUSAL_ERRORS_MAX = 24,
    ETAG_LEN_MAX = 128,
};

/* The errors that one status stands for in at least one operation: a component. */
struct refusal {
    const struct dialect *dialect; /* NULL = the unified one */
    uint16_t status;
    uint32_t number; /* among those of the same status, from 1 */
    uint32_t count;
    enum err errors[REFUSAL_ERRORS_MAX]; /* ascending */
};

static struct {
    yyjson_mut_doc *doc;
    const struct router *router;
    const struct settings *settings;
    struct refusal refusals[REFUSALS_MAX];
    uint32_t refusal_count;
    struct describe_schemas schemas;
    /* What operations refer to; a component that nobody refers to is left out. */
    bool uses_idempotency;
    bool uses_if_match;
    bool uses_rate;
    bool uses_keys;
    bool uses_customers;
    char text[TEXT_BYTES_MAX];
} build;

/* ---- small helpers ---- */

static void put(yyjson_mut_val *object, const char *key, const char *constant) {
    json_add_str(build.doc, object, key, str_from_c(constant));
}

static yyjson_mut_val *put_object(yyjson_mut_val *object, const char *key) {
    return json_add_object(build.doc, object, key);
}

static struct buf text_start(void) {
    return buf_over(build.text, sizeof build.text);
}

/* A composed text or key, copied into the document. */
static yyjson_mut_val *text_finish(const struct buf *text) {
    CHECK(text->data == build.text);
    CHECK(!text->is_full);
    return yyjson_mut_strncpy(build.doc, text->data, text->len);
}

static void put_text(yyjson_mut_val *object, const char *key, const struct buf *text) {
    json_add_val(build.doc, object, key, text_finish(text));
}

/* {"$ref": "#/components/KIND/NAME"} as a member of `object`. */
static void put_ref(yyjson_mut_val *object, const char *key, const char *kind, const char *name) {
    yyjson_mut_val *target = put_object(object, key);
    struct buf text = text_start();
    buf_printf(&text, "#/components/%s/%s", kind, name);
    put_text(target, "$ref", &text);
}

static void append_ref(yyjson_mut_val *array, const char *kind, const char *name) {
    yyjson_mut_val *target = yyjson_mut_arr_add_obj(build.doc, array);
    struct buf text = text_start();
    buf_printf(&text, "#/components/%s/%s", kind, name);
    put_text(target, "$ref", &text);
}

/* A schema of one type with a sentence. */
static yyjson_mut_val *put_typed(yyjson_mut_val *properties, const char *name, const char *type,
                                 const char *doc) {
    yyjson_mut_val *schema = put_object(properties, name);
    put(schema, "type", type);
    put(schema, "description", doc);
    return schema;
}

static void put_names(yyjson_mut_val *object, const char *key, const char *const *names) {
    yyjson_mut_val *list = json_add_array(build.doc, object, key);
    for (uint32_t index = 0; names[index] != NULL; index += 1) {
        yyjson_mut_arr_add_str(build.doc, list, names[index]);
    }
}

/* ---- refusals: responses with an error ---- */

/* "TooManyRequests", "BadRequest2" */
static void refusal_name(const struct refusal *refusal, char name[64]) {
    struct buf out = buf_over(name, 63);
    for (const char *from = http_reason(refusal->status); *from != '\0'; from += 1) {
        bool is_letter = (*from >= 'a' && *from <= 'z') || (*from >= 'A' && *from <= 'Z');
        if (is_letter) {
            buf_put_byte(&out, (uint8_t)*from);
        }
    }
    if (refusal->number > 1) {
        buf_put_u64(&out, refusal->number);
    }
    CHECK(!out.is_full);
    name[out.len] = '\0';
}

static void refusal_collect(const struct describe_errors *errors, const struct dialect *dialect,
                            uint16_t status, struct refusal *refusal) {
    memset(refusal, 0, sizeof *refusal);
    refusal->dialect = dialect;
    refusal->status = status;
    for (uint32_t err = 0; err < ERR_COUNT; err += 1) {
        if (dialect_status(dialect, (enum err)err) != status) {
            continue; /* most of them: this runs for every status of every endpoint */
        }
        for (uint32_t index = 0; index < errors->count; index += 1) {
            if (errors->errors[index] == (enum err)err) {
                CHECK(refusal->count < REFUSAL_ERRORS_MAX);
                refusal->errors[refusal->count] = (enum err)err;
                refusal->count += 1;
            }
        }
    }
}

/* The component with exactly these errors, made when it is new. */
static const struct refusal *refusal_find(const struct refusal *wanted) {
    uint32_t same_status = 0;
    for (uint32_t index = 0; index < build.refusal_count; index += 1) {
        const struct refusal *known = &build.refusals[index];
        bool is_same = known->status == wanted->status && known->count == wanted->count &&
                       known->dialect == wanted->dialect &&
                       memcmp(known->errors, wanted->errors, sizeof known->errors) == 0;
        if (is_same) {
            return known;
        }
        same_status += known->status == wanted->status;
    }
    CHECK(build.refusal_count < REFUSALS_MAX);
    struct refusal *refusal = &build.refusals[build.refusal_count];
    build.refusal_count += 1;
    *refusal = *wanted;
    refusal->number = same_status + 1;
    return refusal;
}

static void put_refusals(yyjson_mut_val *responses, const struct endpoint *endpoint) {
    struct describe_errors errors;
    describe_errors(endpoint, &errors);
    for (uint16_t status = 400; status < 600; status += 1) {
        struct refusal wanted;
        refusal_collect(&errors, endpoint->dialect, status, &wanted);
        if (wanted.count == 0) {
            continue;
        }
        char name[64];
        refusal_name(refusal_find(&wanted), name);
        yyjson_mut_val *target = yyjson_mut_obj(build.doc);
        struct buf text = text_start();
        buf_printf(&text, "#/components/responses/%s", name);
        put_text(target, "$ref", &text);
        text = text_start();
        buf_put_u64(&text, status);
        yyjson_mut_obj_add(responses, text_finish(&text), target);
    }
}

static void put_refusal_component(yyjson_mut_val *responses, const struct refusal *refusal) {
    yyjson_mut_val *response = yyjson_mut_obj(build.doc);
    struct buf text = text_start();
    buf_put_c(&text, http_reason(refusal->status));
    buf_put_c(&text, refusal->dialect == NULL ? ". `error.type` is one of:\n"
                                              : ". `message` is one of:\n");
    for (uint32_t index = 0; index < refusal->count; index += 1) {
        enum err err = refusal->errors[index];
        const struct err_row *row = err_row(err);
        if (refusal->dialect == NULL) {
            buf_printf(&text, "\n- `%s` (`%s`): %s", row->type, row->reason, row->sentence);
        } else {
            buf_printf(&text, "\n- `%s`", dialect_message(refusal->dialect, err));
        }
    }
    put_text(response, "description", &text);
    yyjson_mut_val *headers = put_object(response, "headers");
    put_ref(headers, "X-Request-ID", "headers", "RequestId");
    if (refusal->status == 429 || refusal->status == 503) {
        put_ref(headers, "Retry-After", "headers", "RetryAfter");
    }
    yyjson_mut_val *content = put_object(response, "content");
    bool is_own = refusal->dialect != NULL && refusal->dialect->refusal_schema != NULL;
    put_ref(put_object(content, "application/json"), "schema", "schemas",
            is_own ? refusal->dialect->refusal_schema->name : "Error");
    if (!is_own) {
        put_ref(put_object(content, "application/problem+json"), "schema", "schemas", "Problem");
    }
    char name[64];
    refusal_name(refusal, name);
    yyjson_mut_obj_add(responses, yyjson_mut_strcpy(build.doc, name), response);
}

/* ---- operations ---- */

static void put_param(yyjson_mut_val *parameters, const struct endpoint *endpoint,
                      const struct field *field, yyjson_mut_val *properties) {
    bool is_path = describe_is_path_param(endpoint, field->name);
    yyjson_mut_val *parameter = yyjson_mut_arr_add_obj(build.doc, parameters);
    yyjson_mut_val *schema = yyjson_mut_obj_remove_key(properties, field->name);
    yyjson_mut_obj_remove_key(schema, "description");
    put(parameter, "name", field->name);
    put(parameter, "in", is_path ? "path" : "query");
    json_add_bool(build.doc, parameter, "required", is_path || (field->flags & FIELD_REQUIRED));
    if (field->doc != NULL) {
        put(parameter, "description", field->doc);
    }
    json_add_val(build.doc, parameter, "schema", schema);
}

static bool endpoint_has_error(const struct endpoint *endpoint, enum err err) {
    for (uint32_t index = 0; index < ENDPOINT_ERRORS_MAX; index += 1) {
        if (endpoint->errors[index] == err) {
            return true;
        }
    }
    return false;
}

static void put_params(yyjson_mut_val *operation, const struct endpoint *endpoint) {
    yyjson_mut_val *parameters = json_add_array(build.doc, operation, "parameters");
    if (endpoint->params != NULL) {
        yyjson_mut_val *described = json_describe(build.doc, endpoint->params, true);
        yyjson_mut_val *properties = yyjson_mut_obj_get(described, "properties");
        for (uint32_t index = 0; index < endpoint->params->field_count; index += 1) {
            put_param(parameters, endpoint, &endpoint->params->fields[index], properties);
        }
    }
    append_ref(parameters, "parameters", "RequestId");
    if (endpoint->command != NULL) {
        build.uses_idempotency = true;
        append_ref(parameters, "parameters", "IdempotencyKey");
    }
    if (endpoint_has_error(endpoint, ERR_PRECONDITION)) {
        build.uses_if_match = true;
        append_ref(parameters, "parameters", "IfMatch");
    }
}

static void put_body(yyjson_mut_val *operation, const struct endpoint *endpoint) {
    if (endpoint->body == NULL) {
        return;
    }
    yyjson_mut_val *body = put_object(operation, "requestBody");
    json_add_bool(build.doc, body, "required", !endpoint->is_body_optional);
    yyjson_mut_val *content = put_object(body, "content");
    put_ref(put_object(content, "application/json"), "schema", "schemas", endpoint->body->name);
}

/* The envelope, narrowed to this endpoint's data. */
static void put_envelope(yyjson_mut_val *media, const struct endpoint *endpoint) {
    if (endpoint->output == NULL) {
        put_ref(media, "schema", "schemas", "Envelope");
        return;
    }
    static const char *const required[] = {"data", NULL};
    yyjson_mut_val *parts = json_add_array(build.doc, put_object(media, "schema"), "allOf");
    append_ref(parts, "schemas", "Envelope");
    yyjson_mut_val *narrowed = yyjson_mut_arr_add_obj(build.doc, parts);
    put(narrowed, "type", "object");
    put_names(narrowed, "required", required);
    put_ref(put_object(narrowed, "properties"), "data", "schemas", endpoint->output->name);
}

static void put_bare(yyjson_mut_val *media, const struct endpoint *endpoint) {
    if (endpoint->output != NULL) {
        put_ref(media, "schema", "schemas", endpoint->output->name);
    } else {
        put(put_object(media, "schema"), "type", "object");
    }
}

static void put_content(yyjson_mut_val *response, const struct endpoint *endpoint) {
    if (describe_status(endpoint) == 204) {
        return;
    }
    yyjson_mut_val *content = put_object(response, "content");
    if (endpoint->dialect != NULL) {
        put_bare(put_object(content, "application/json"), endpoint); /* its output says it all */
        return;
    }
    switch (endpoint->form) {
    case FORM_ENVELOPE:
        put_envelope(put_object(content, "application/json"), endpoint);
        break;
    case FORM_BARE:
        put_bare(put_object(content, "application/json"), endpoint);
        break;
    case FORM_RAW:
        /* With an output it is a JSON document that somebody keeps ready; else text, a page, a
         * file: the endpoint's sentence says which. */
        if (endpoint->output != NULL) {
            put_bare(put_object(content, "application/json"), endpoint);
        } else {
            (void)put_object(put_object(content, "*/*"), "schema");
        }
        break;
    }
}

static void put_success(yyjson_mut_val *responses, const struct endpoint *endpoint) {
    yyjson_mut_val *response = yyjson_mut_obj(build.doc);
    put(response, "description", http_reason(describe_status(endpoint)));
    yyjson_mut_val *headers = put_object(response, "headers");
    put_ref(headers, "X-Request-ID", "headers", "RequestId");
    if (endpoint->rate != RATE_NONE) {
        build.uses_rate = true;
        put_ref(headers, "RateLimit-Limit", "headers", "RateLimitLimit");
        put_ref(headers, "RateLimit-Remaining", "headers", "RateLimitRemaining");
        put_ref(headers, "RateLimit-Reset", "headers", "RateLimitReset");
    }
    put_content(response, endpoint);
    struct buf text = text_start();
    buf_put_u64(&text, describe_status(endpoint));
    yyjson_mut_obj_add(responses, text_finish(&text), response);
}

static void put_description(yyjson_mut_val *operation, const struct endpoint *endpoint) {
    struct buf text = text_start();
    buf_printf(&text, "%s\n\nAccess: %s", endpoint->doc, describe_auth(endpoint));
    if (endpoint->roles != 0 && endpoint->roles != ROLE_ANY) {
        buf_put_c(&text, "; roles: ");
        describe_roles(endpoint, &text);
    }
    buf_put_byte(&text, '.');
    if (endpoint->scopes != 0) {
        buf_put_c(&text, " Or an API key with one of these scopes: ");
        describe_scopes(endpoint, &text);
        buf_put_byte(&text, '.');
    }
    int64_t per_minute = describe_rate(endpoint, build.settings);
    if (per_minute > 0) {
        buf_printf(&text, " At most %lld requests per minute.", (long long)per_minute);
    }
    if (endpoint->body != NULL) {
        buf_printf(&text, " Body: at most %u bytes.", describe_body_bytes_max(endpoint));
    }
    put_text(operation, "description", &text);
}

static yyjson_mut_val *operation_make(const struct endpoint *endpoint) {
    yyjson_mut_val *operation = yyjson_mut_obj(build.doc);
    struct str summary = str_from_c(endpoint->doc);
    if (str_ends(summary, STR("."))) {
        summary = str_slice(summary, 0, summary.len - 1);
    }
    put(operation, "operationId", endpoint->id);
    json_add_str(build.doc, operation, "summary", summary);
    put_description(operation, endpoint);
    yyjson_mut_val *tags = json_add_array(build.doc, operation, "tags");
    yyjson_mut_arr_add_str(build.doc, tags, endpoint->tag);
    yyjson_mut_val *security = json_add_array(build.doc, operation, "security");
    if (endpoint->auth == AUTH_DIALECT) {
        build.uses_customers = true;
        (void)json_add_array(build.doc, yyjson_mut_arr_add_obj(build.doc, security), "customer");
    }
    if (endpoint->auth != AUTH_NONE) {
        (void)json_add_array(build.doc, yyjson_mut_arr_add_obj(build.doc, security), "bearer");
    }
    if (endpoint->scopes != 0) {
        build.uses_keys = true;
        (void)json_add_array(build.doc, yyjson_mut_arr_add_obj(build.doc, security), "apiKey");
    }
    put_params(operation, endpoint);
    put_body(operation, endpoint);
    yyjson_mut_val *responses = put_object(operation, "responses");
    put_success(responses, endpoint);
    put_refusals(responses, endpoint);
    return operation;
}

/* ---- paths and tags ---- */

static bool is_first_of_path(uint32_t index) {
    const char *path = router_endpoint(build.router, index)->path;
    for (uint32_t earlier = 0; earlier < index; earlier += 1) {
        if (strcmp(router_endpoint(build.router, earlier)->path, path) == 0) {
            return false;
        }
    }
    return true;
}

static const char *method_key(enum http_method method) {
    static const char *const keys[] = {
        [HTTP_GET] = "get",        [HTTP_HEAD] = "head",   [HTTP_POST] = "post",
        [HTTP_PUT] = "put",        [HTTP_PATCH] = "patch", [HTTP_DELETE] = "delete",
        [HTTP_OPTIONS] = "options"};
    CHECK(method < COUNT_OF(keys));
    CHECK(keys[method] != NULL);
    return keys[method];
}

static void put_paths(yyjson_mut_val *root) {
    yyjson_mut_val *paths = put_object(root, "paths");
    uint32_t count = router_endpoint_count(build.router);
    for (uint32_t first = 0; first < count; first += 1) {
        if (!is_first_of_path(first)) {
            continue;
        }
        const char *path = router_endpoint(build.router, first)->path;
        yyjson_mut_val *item = put_object(paths, path);
        for (uint32_t index = first; index < count; index += 1) {
            const struct endpoint *endpoint = router_endpoint(build.router, index);
            if (strcmp(endpoint->path, path) == 0) {
                json_add_val(build.doc, item, method_key(endpoint->method),
                             operation_make(endpoint));
            }
        }
    }
}

static void put_tags(yyjson_mut_val *root) {
    struct describe_tags tags;
    describe_tags(build.router, &tags);
    yyjson_mut_val *list = json_add_array(build.doc, root, "tags");
    for (uint32_t index = 0; index < tags.count; index += 1) {
        uint32_t count = 0;
        for (uint32_t row = 0; row < router_endpoint_count(build.router); row += 1) {
            count += strcmp(router_endpoint(build.router, row)->tag, tags.tags[index]) == 0;
        }
        yyjson_mut_val *tag = yyjson_mut_arr_add_obj(build.doc, list);
        put(tag, "name", tags.tags[index]);
        struct buf text = text_start();
        buf_printf(&text, "%u %s.", count, count == 1 ? "endpoint" : "endpoints");
        put_text(tag, "description", &text);
    }
}

/* ---- components ---- */

static void put_envelope_schemas(yyjson_mut_val *schemas) {
    static const char *const always[] = {"version", "success",    "code",
                                         "message", "request_id", NULL};
    static const char *const error_required[] = {"version",    "success", "code", "message",
                                                 "request_id", "error",   NULL};
    static const char *const type_required[] = {"type", "details", NULL};
    const char *const names[] = {"Envelope", "Error"};
    for (uint32_t index = 0; index < COUNT_OF(names); index += 1) {
        bool is_error = index == 1;
        yyjson_mut_val *schema = put_object(schemas, names[index]);
        put(schema, "type", "object");
        put(schema, "description",
            is_error ? "What every refusal looks like." : "What every success looks like.");
        put_names(schema, "required", is_error ? error_required : always);
        yyjson_mut_val *members = put_object(schema, "properties");
        put(put_typed(members, "version", "string", "Version of this form."), "const", "1.0");
        json_add_bool(build.doc, put_typed(members, "success", "boolean", "Did it work?"), "const",
                      !is_error);
        (void)put_typed(members, "code", "integer", "The HTTP status.");
        (void)put_typed(members, "message", "string", "One sentence for people.");
        (void)put_typed(members, "request_id", "string", "As in the header X-Request-ID.");
        if (is_error) {
            yyjson_mut_val *error = put_typed(members, "error", "object", "What was wrong.");
            put_names(error, "required", type_required);
            yyjson_mut_val *parts = put_object(error, "properties");
            (void)put_typed(parts, "type", "string", "The kind of refusal, for programs.");
            (void)put_typed(
                parts, "details", "object",
                "By field: a list of texts for VALIDATION_ERROR; else `code` and more.");
        } else {
            (void)put_typed(members, "data", "object", "The result; see the operation.");
            (void)put_typed(members, "meta", "object", "About the result, such as pages.");
        }
    }
}

/* RFC 9457 */
static void put_problem_schema(yyjson_mut_val *schemas) {
    static const char *const required[] = {"type", "title", "status", NULL};
    yyjson_mut_val *schema = put_object(schemas, "Problem");
    put(schema, "type", "object");
    put(schema, "description",
        "A refusal as RFC 9457 problem details, for Accept: application/problem+json.");
    put_names(schema, "required", required);
    yyjson_mut_val *members = put_object(schema, "properties");
    (void)put_typed(members, "type", "string", "Always about:blank.");
    (void)put_typed(members, "title", "string", "The status in words.");
    (void)put_typed(members, "status", "integer", "The HTTP status.");
    (void)put_typed(members, "detail", "string", "One sentence for people.");
    (void)put_typed(members, "code", "string", "As error.type of the usual form.");
    (void)put_typed(members, "request_id", "string", "As in the header X-Request-ID.");
    (void)put_typed(members, "details", "object", "As error.details of the usual form.");
}

static void put_schemas(yyjson_mut_val *components) {
    yyjson_mut_val *schemas = put_object(components, "schemas");
    put_envelope_schemas(schemas);
    put_problem_schema(schemas);
    for (uint32_t index = 0; index < build.schemas.count; index += 1) {
        const struct schema *schema = build.schemas.schemas[index];
        /* Ours and theirs must not meet. */
        CHECK(yyjson_mut_obj_get(schemas, schema->name) == NULL);
        json_add_val(build.doc, schemas, schema->name,
                     json_describe(build.doc, schema, build.schemas.is_input[index]));
    }
}

static void put_header(yyjson_mut_val *headers, const char *name, const char *type,
                       const char *doc) {
    yyjson_mut_val *header = put_object(headers, name);
    put(header, "description", doc);
    put(put_object(header, "schema"), "type", type);
}

static void put_headers(yyjson_mut_val *components) {
    yyjson_mut_val *headers = put_object(components, "headers");
    put_header(headers, "RequestId", "string", "The request's id: the one sent, or a new one.");
    if (build.uses_rate) {
        put_header(headers, "RateLimitLimit", "integer", "Requests per minute in this class.");
        put_header(headers, "RateLimitRemaining", "integer", "Requests left now.");
        put_header(headers, "RateLimitReset", "integer", "Seconds until all of them are back.");
    }
    put_header(headers, "RetryAfter", "integer", "Seconds to wait before trying again.");
}

static void put_header_param(yyjson_mut_val *parameters, const char *key, const char *name,
                             uint32_t len_max, const char *doc) {
    yyjson_mut_val *parameter = put_object(parameters, key);
    put(parameter, "name", name);
    put(parameter, "in", "header");
    json_add_bool(build.doc, parameter, "required", false);
    put(parameter, "description", doc);
    yyjson_mut_val *schema = put_object(parameter, "schema");
    put(schema, "type", "string");
    json_add_int(build.doc, schema, "maxLength", len_max);
}

static void put_parameters(yyjson_mut_val *components) {
    yyjson_mut_val *parameters = put_object(components, "parameters");
    put_header_param(parameters, "RequestId", "X-Request-ID", REQUEST_ID_LEN_MAX,
                     "An id of your own for this request; the reply and the log repeat it.");
    if (build.uses_idempotency) {
        put_header_param(parameters, "IdempotencyKey", "Idempotency-Key", IDEMPOTENCY_KEY_LEN_MAX,
                         "The same key with the same request is carried out once and answered "
                         "alike.");
    }
    if (build.uses_if_match) {
        put_header_param(parameters, "IfMatch", "If-Match", ETAG_LEN_MAX,
                         "Carried out only if the resource still has this ETag.");
    }
}

/* After the paths: they make the refusals. */
static void put_components(yyjson_mut_val *root) {
    yyjson_mut_val *components = put_object(root, "components");
    put_schemas(components);
    yyjson_mut_val *responses = put_object(components, "responses");
    for (uint32_t index = 0; index < build.refusal_count; index += 1) {
        put_refusal_component(responses, &build.refusals[index]);
    }
    put_parameters(components);
    put_headers(components);
    yyjson_mut_val *schemes = put_object(components, "securitySchemes");
    yyjson_mut_val *bearer = put_object(schemes, "bearer");
    put(bearer, "type", "http");
    put(bearer, "scheme", "bearer");
    put(bearer, "description", "The token or access_token of a login.");
    if (build.uses_customers) {
        yyjson_mut_val *customer = put_object(schemes, "customer");
        put(customer, "type", "http");
        put(customer, "scheme", "bearer");
        put(customer, "bearerFormat", "JWT");
        put(customer, "description", "The token that POST /login gives a customer.");
    }
    if (build.uses_keys) {
        yyjson_mut_val *key = put_object(schemes, "apiKey");
        put(key, "type", "apiKey");
        put(key, "in", "header");
        put(key, "name", "X-API-Key");
        put(key, "description", "An API key; also accepted as Bearer.");
    }
}

static void put_info(yyjson_mut_val *root) {
    yyjson_mut_val *info = put_object(root, "info");
    json_add_str(build.doc, info, "title", settings_text(build.settings, SETTING_NAME_ID));
    put(info, "version", COFFER_VERSION);
    put(info, "description",
        "Replies under /api/v1 have one form: see the schemas Envelope and Error. Times are UTC, "
        "ids are UUIDs. Unknown members of a body are refused. Every GET also answers HEAD.");
    put(put_object(info, "license"), "name", COFFER_LICENCE);
    yyjson_mut_val *servers = json_add_array(build.doc, root, "servers");
    yyjson_mut_val *server = yyjson_mut_arr_add_obj(build.doc, servers);
    json_add_str(build.doc, server, "url", settings_text(build.settings, SETTING_PUBLIC_URL_ID));
    put(server, "description", "This server.");
}

/* The text moves to memory that stays. */
static struct str text_keep(struct str text) {
    char *memory = mem_reserve(text.len);
    if (memory == NULL) {
        return STR_NONE;
    }
    memcpy(memory, text.data, text.len);
    return str_from(memory, text.len);
}

static struct str document_make(struct arena *arena) {
    build.doc = json_doc(arena);
    yyjson_mut_val *root = yyjson_mut_obj(build.doc);
    put(root, "openapi", "3.1.0");
    put_info(root);
    put_tags(root);
    put_paths(root);
    put_components(root);
    struct str text = STR_NONE;
    if (json_write(build.doc, root, arena, &text) != ERR_OK) {
        return STR_NONE;
    }
    return text_keep(text);
}

struct str openapi_build(const struct router *router, const struct settings *settings) {
    CHECK(router != NULL);
    CHECK(settings != NULL);
    void *memory = mem_reserve(BUILD_BYTES);
    if (memory == NULL) {
        return STR_NONE;
    }
    static struct arena_pool pool;
    struct arena arena;
    arena_pool_init(&pool, memory, BUILD_BYTES / ARENA_BLOCK_BYTES);
    arena_init(&arena, &pool, BUILD_BYTES / 2);
    memset(&build, 0, sizeof build);
    build.router = router;
    build.settings = settings;
    describe_schemas(router, &build.schemas);
    struct str text = document_make(&arena);
    arena_reset(&arena);
    build.doc = NULL;
    /* The address space stays: it is cheap, and a sanitizer remembers what was poisoned in it. */
    mem_discard(memory, BUILD_BYTES);
    return text;
}
