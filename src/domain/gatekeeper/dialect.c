/*
 * The Gatekeeper dialect (contract, 1 and 3): bodies are {"message":...,"success":...}, keys in
 * alphabetical order; the message is the only thing that tells refusals apart, and the game client
 * shows it to people. What the original's framework refused has a second text, `error`; what its
 * token library refused is repeated in `msg`.
 */
#include "domain/gatekeeper/dialect.h"

#include <string.h>

#include "domain/gatekeeper/tokens.h"

static const struct dialect_word words[] = {
    {ERR_CUSTOMER_EXISTS, 409, "User with this account number already exists", NULL},
    {ERR_CUSTOMER_CREDENTIALS, 401, "Invalid credentials", NULL},
    {ERR_CUSTOMER_LOCKED, 403,
     "Account is locked due to too many failed attempts. Please contact support.", NULL},
    {ERR_CUSTOMER_NONE, 404, "Customer with account number N not found", NULL}, /* customer_enter */
    {ERR_CUSTOMER_GONE, 404, "User not found", NULL},
    /* the token library */
    {ERR_AUTH_REQUIRED, 401, "Missing Authorization Header", NULL},
    {ERR_BEARER_MISSING, 401,
     "Missing 'Bearer' type in 'Authorization' header. Expected 'Authorization: Bearer <JWT>'",
     NULL},
    {ERR_AUTH_FORMAT, 422, "Bad Authorization header. Expected 'Authorization: Bearer <JWT>'",
     NULL},
    {ERR_TOKEN_SEGMENTS, 422, "Not enough segments", NULL},
    {ERR_TOKEN_INVALID, 422, "Signature verification failed", NULL},
    {ERR_TOKEN_EXPIRED, 401, "Token has expired", NULL},
    {ERR_TOKEN_REVOKED, 401, "Token has been revoked", NULL},
    /* the framework */
    {ERR_VALIDATION, 400, "What is wrong with the body, the path or the query.", NULL},
    {ERR_JSON_INVALID, 400, "Bad request", "The body must be valid JSON."},
    {ERR_BAD_REQUEST, 400, "Bad request", "The request is not well-formed."},
    {ERR_HTTP_MALFORMED, 400, "Bad request", "This is not a valid HTTP/1.1 request."},
    {ERR_MEDIA_TYPE, 415, "Send the body as Content-Type: application/json.", NULL},
    {ERR_NOT_FOUND, 404, "Resource not found", "The requested resource was not found"},
    {ERR_METHOD, 405, "Method not allowed", NULL},
    {ERR_RATE_LIMITED, 429, "Too many requests", "Rate limit exceeded. Please try again later."},
    {ERR_INTERNAL, 500, "Internal server error", "An unexpected error occurred on the server"},
};

/* ---- bodies of replies ---- */

/* There are at most six: the shortest way is the best. */
static void add_sorted(yyjson_mut_doc *doc, yyjson_mut_val *root, yyjson_mut_val *from) {
    const char *last = "";
    for (size_t i = 0; i < yyjson_mut_obj_size(from); i++) {
        yyjson_mut_val *next = NULL;
        yyjson_mut_val *next_value = NULL;
        yyjson_mut_obj_iter iter = yyjson_mut_obj_iter_with(from);
        for (yyjson_mut_val *key = yyjson_mut_obj_iter_next(&iter); key != NULL;
             key = yyjson_mut_obj_iter_next(&iter)) {
            bool is_left = strcmp(yyjson_mut_get_str(key), last) > 0;
            if (is_left &&
                (next == NULL || strcmp(yyjson_mut_get_str(key), yyjson_mut_get_str(next)) < 0)) {
                next = key;
                next_value = yyjson_mut_obj_iter_get_val(key);
            }
        }
        last = yyjson_mut_get_str(next);
        json_add_val(doc, root, last, yyjson_mut_val_mut_copy(doc, next_value));
    }
}

static yyjson_mut_val *gatekeeper_success(struct request *request, yyjson_mut_doc *doc,
                                          yyjson_mut_val *data, struct str message) {
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_val *members = data != NULL ? data : yyjson_mut_obj(doc);
    json_add_bool(doc, members, "success", true);
    if (request->outcome.message != NULL) {
        json_add_str(doc, members, "message", message);
    }
    add_sorted(doc, root, members);
    return root;
}

/* A sentence of ours, or where the framework found a fault and what it is. */
static struct str fault_message(const struct request *request) {
    const struct schema_fault *fault = &request->outcome.faults->faults[0];
    bool is_sentence = fault->path.len == 0;
    for (uint32_t i = 0; i < request->route.value_count; i++) {
        is_sentence = is_sentence || str_equal(fault->path, request->route.names[i]);
    }
    if (is_sentence) {
        return fault->text;
    }
    struct str separator = STR(": ");
    uint32_t bytes = fault->path.len + separator.len + fault->text.len;
    char *memory = arena_take(request->command.arena, bytes);
    if (memory == NULL) {
        return fault->text;
    }
    struct buf out = buf_over(memory, bytes);
    buf_put_str(&out, fault->path);
    buf_put_str(&out, separator);
    buf_put_str(&out, fault->text);
    return buf_str(&out);
}

/* What the token library said, less what the application said itself (404). */
static bool is_token_error(enum err err) {
    const enum err *errors = gatekeeper_dialect.auth_errors;
    for (uint32_t i = 0; i < DIALECT_AUTH_ERRORS_MAX && errors[i] != ERR_OK; i++) {
        if (errors[i] == err) {
            return dialect_status(&gatekeeper_dialect, err) != 404;
        }
    }
    return false;
}

static yyjson_mut_val *gatekeeper_refusal(struct request *request, yyjson_mut_doc *doc,
                                          enum err err, struct str message) {
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    const struct dialect_word *word = dialect_word(&gatekeeper_dialect, err);
    const struct schema_faults *faults = request->outcome.faults;
    if (err == ERR_VALIDATION && faults != NULL && faults->count > 0) {
        message = fault_message(request);
    }
    if (word != NULL && word->detail != NULL) {
        json_add_str(doc, root, "error", str_from_c(word->detail));
    }
    json_add_str(doc, root, "message", message);
    if (is_token_error(err)) {
        json_add_str(doc, root, "msg", message);
    }
    json_add_bool(doc, root, "success", false);
    return root;
}

struct gatekeeper_failure {
    struct schema_set set;
    struct str error;
    struct str message;
    struct str msg;
    bool success;
};

static const struct field gatekeeper_failure_fields[] = {
    FIELD(struct gatekeeper_failure, error, FIELD_TEXT, .flags = FIELD_OMIT,
          .doc = "More about a fault in the request itself."),
    FIELD(struct gatekeeper_failure, message, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "What was wrong; shown to people, and all that tells refusals apart."),
    FIELD(struct gatekeeper_failure, msg, FIELD_TEXT, .flags = FIELD_OMIT,
          .doc = "The same, when the token was refused."),
    FIELD(struct gatekeeper_failure, success, FIELD_BOOL, .flags = FIELD_REQUIRED,
          .doc = "Always false."),
};

static const struct schema gatekeeper_failure_schema =
    SCHEMA("GatekeeperFailure", struct gatekeeper_failure, gatekeeper_failure_fields);

enum err gatekeeper_refuse(struct request *request, struct str message) {
    struct schema_faults *faults = ARENA_NEW(request->arena, struct schema_faults);
    if (faults == NULL) {
        return ERR_NO_MEMORY;
    }
    schema_fault_add(faults, STR(""), message);
    request->outcome.faults = faults;
    return ERR_VALIDATION;
}

/* ---- bodies of requests ---- */

/* What the original's language takes for false. */
static bool is_falsy(yyjson_val *root) {
    bool is_zero = false;
    if (yyjson_is_num(root)) {
        is_zero = yyjson_get_num(root) == 0.0;
    }
    return is_zero || yyjson_is_null(root) || yyjson_is_false(root) ||
           yyjson_equals_str(root, "") || (yyjson_is_ctn(root) && yyjson_get_len(root) == 0);
}

/* A body that is no object is one without members. Faults of fields are no refusal yet: the
 * contract has an order for them (rules.h), so they are handed on. */
static enum err gatekeeper_read_body(struct request *request, const struct schema *schema,
                                     struct str body, void *value, struct schema_faults *faults) {
    yyjson_val *root;
    enum err err = json_parse(body, request->arena, &root);
    if (err != ERR_OK) {
        return err;
    }
    if (is_falsy(root)) {
        schema_fault_add(faults, STR(""), STR("Request must contain JSON data"));
        return ERR_VALIDATION;
    }
    struct str object = yyjson_is_obj(root) ? body : STR("{}");
    err = schema_decode(schema, object, request->arena, value, faults);
    request->outcome.faults = faults;
    return err == ERR_VALIDATION ? ERR_OK : err;
}

const struct dialect gatekeeper_dialect = {
    .name = "gatekeeper",
    .enabled_by = SETTING_GATEKEEPER_ID,
    .words = words,
    .word_count = COUNT_OF(words),
    .has_path_faults = true,
    .success = gatekeeper_success,
    .refusal = gatekeeper_refusal,
    .refusal_schema = &gatekeeper_failure_schema,
    .read_body = gatekeeper_read_body,
    .resolve = customer_resolve,
    .recheck = customer_recheck,
    .auth_errors = {ERR_AUTH_REQUIRED, ERR_BEARER_MISSING, ERR_AUTH_FORMAT, ERR_TOKEN_SEGMENTS,
                    ERR_TOKEN_INVALID, ERR_TOKEN_EXPIRED, ERR_TOKEN_REVOKED, ERR_CUSTOMER_GONE},
};
