/* What a row implies, see describe.h. Pure: constant rows in, lists out. */
#include "engine/describe.h"

#include <string.h>

/* ---- errors ---- */

static void error_add(struct describe_errors *out, enum err err) {
    for (uint32_t index = 0; index < out->count; index += 1) {
        if (out->errors[index] == err) {
            return;
        }
    }
    CHECK(out->count < DESCRIBE_ERRORS_MAX);
    CHECK(err_row(err)->status != 0);
    out->errors[out->count] = err;
    out->count += 1;
}

static void errors_of_auth(const struct endpoint *endpoint, struct describe_errors *out) {
    if (endpoint->auth == AUTH_NONE) {
        return;
    }
    if (endpoint->auth == AUTH_DIALECT) {
        const enum err *errors = endpoint->dialect->auth_errors;
        for (uint32_t index = 0; index < DIALECT_AUTH_ERRORS_MAX && errors[index] != ERR_OK;
             index += 1) {
            error_add(out, errors[index]);
        }
        error_add(out, ERR_PASSWORD_CHANGE);
        error_add(out, ERR_LIMITED_SESSION);
        error_add(out, ERR_FORBIDDEN);
        return;
    }
    error_add(out, ERR_AUTH_REQUIRED);
    error_add(out, ERR_AUTH_FORMAT);
    error_add(out, ERR_TOKEN_INVALID);
    error_add(out, ERR_TOKEN_EXPIRED);
    error_add(out, ERR_SESSION_INACTIVE);
    error_add(out, ERR_ACCOUNT_INACTIVE);
    if (endpoint->scopes != 0) {
        error_add(out, ERR_KEY_INVALID);
        error_add(out, ERR_KEY_EXPIRED);
        error_add(out, ERR_KEY_PLACE);
        error_add(out, ERR_SCOPE_MISSING);
    }
    if (endpoint->auth != AUTH_SESSION) {
        error_add(out, ERR_LIMITED_SESSION);
    }
    if (endpoint->auth == AUTH_FULL) {
        error_add(out, ERR_PASSWORD_CHANGE);
    }
    if (endpoint->roles != 0 && endpoint->roles != ROLE_ANY) {
        error_add(out, ERR_FORBIDDEN);
    }
}

/* A bad path parameter is a path that is not there; only the others can be refused as values. */
static bool has_query_params(const struct endpoint *endpoint) {
    uint32_t count = endpoint->params == NULL ? 0 : endpoint->params->field_count;
    for (uint32_t index = 0; index < count; index += 1) {
        if (!describe_is_path_param(endpoint, endpoint->params->fields[index].name)) {
            return true;
        }
    }
    return false;
}

static void errors_of_input(const struct endpoint *endpoint, struct describe_errors *out) {
    error_add(out, ERR_HTTP_MALFORMED);
    if (has_query_params(endpoint) || endpoint->body != NULL || endpoint->command != NULL) {
        error_add(out, ERR_VALIDATION); /* of a command also the Idempotency-Key */
    }
    bool is_value = endpoint->dialect != NULL && endpoint->dialect->has_path_faults;
    if (describe_has_path_params(endpoint) && !is_value) {
        error_add(out, ERR_NOT_FOUND);
    }
    if (endpoint->body != NULL) {
        error_add(out, ERR_JSON_INVALID);
        error_add(out, ERR_MEDIA_TYPE);
        error_add(out, ERR_BODY_TOO_LARGE);
    }
}

void describe_errors(const struct endpoint *endpoint, struct describe_errors *out) {
    memset(out, 0, sizeof *out);
    for (uint32_t index = 0; index < ENDPOINT_ERRORS_MAX; index += 1) {
        if (endpoint->errors[index] == ERR_OK) {
            break;
        }
        error_add(out, endpoint->errors[index]);
    }
    out->own_count = out->count;
    errors_of_input(endpoint, out);
    errors_of_auth(endpoint, out);
    if (endpoint->rate != RATE_NONE) {
        error_add(out, ERR_RATE_LIMITED);
    }
    if (endpoint->command != NULL) {
        error_add(out, ERR_IDEMPOTENCY_REUSED);
    }
    bool is_session = endpoint->auth == AUTH_SESSION || endpoint->auth == AUTH_FULL ||
                      endpoint->auth == AUTH_PASSWORD;
    if (endpoint->command != NULL && is_session) {
        error_add(out, ERR_CSRF);
    }
    if (endpoint->command != NULL || endpoint->note != NULL) {
        error_add(out, ERR_STORE_FULL);
    }
    error_add(out, ERR_UNAVAILABLE);
}

uint16_t describe_status(const struct endpoint *endpoint) {
    return endpoint->status == 0 ? 200 : endpoint->status;
}

int64_t describe_rate(const struct endpoint *endpoint, const struct settings *settings) {
    if (!settings_bool(settings, SETTING_RATE_ENABLED_ID)) {
        return 0;
    }
    switch (endpoint->rate) {
    case RATE_NONE:
        return 0;
    case RATE_REGISTER:
        return settings_int(settings, SETTING_RATE_REGISTER_ID);
    case RATE_LOGIN:
        return settings_int(settings, SETTING_RATE_LOGIN_ID);
    case RATE_FACTOR:
        return settings_int(settings, SETTING_RATE_FACTOR_ID);
    case RATE_PASSKEY:
        return settings_int(settings, SETTING_RATE_PASSKEY_ID);
    case RATE_TOKEN:
        return settings_int(settings, SETTING_RATE_TOKEN_ID);
    case RATE_READ:
        return settings_int(settings, SETTING_RATE_READ_ID);
    case RATE_WRITE:
        return settings_int(settings, SETTING_RATE_WRITE_ID);
    case RATE_CUSTOMER_REGISTER:
    case RATE_CUSTOMER_LOGIN:
        return settings_int(settings, SETTING_GATEKEEPER_RATE_ID);
    }
    CHECK(false);
}

uint32_t describe_body_bytes_max(const struct endpoint *endpoint) {
    CHECK(endpoint->body != NULL);
    return endpoint->body_bytes_max == 0 ? HTTP_BODY_BYTES_DEFAULT : endpoint->body_bytes_max;
}

/* ---- paths ---- */

bool describe_is_path_param(const struct endpoint *endpoint, const char *name) {
    struct str wanted = str_from_c(name);
    struct str rest = str_from_c(endpoint->path);
    while (!str_is_none(rest)) {
        struct str segment = str_split(&rest, '/');
        bool is_param = str_starts(segment, STR("{")) && str_ends(segment, STR("}"));
        if (is_param && str_equal(str_slice(segment, 1, segment.len - 1), wanted)) {
            return true;
        }
    }
    return false;
}

bool describe_has_path_params(const struct endpoint *endpoint) {
    return str_has_byte(str_from_c(endpoint->path), '{');
}

/* ---- who may ---- */

const char *describe_auth(const struct endpoint *endpoint) {
    switch (endpoint->auth) {
    case AUTH_NONE:
        return "public";
    case AUTH_SESSION:
        return "session";
    case AUTH_FULL:
        return "full session";
    case AUTH_PASSWORD:
        return "full session, or one that has to change its password";
    case AUTH_DIALECT:
        return "customer, or an administrator of this server";
    }
    CHECK(false);
}

void describe_roles(const struct endpoint *endpoint, struct buf *out) {
    if (endpoint->roles == 0 || endpoint->roles == ROLE_ANY) {
        return;
    }
    /* An administrator passes every role check. */
    uint32_t roles = endpoint->roles | ROLE_ADMIN;
    bool is_first = true;
    for (uint32_t bit = 0; bit < ROLE_COUNT; bit += 1) {
        if ((roles >> bit & 1) != 0) {
            buf_put_c(out, is_first ? "" : ", ");
            buf_put_c(out, role_names[bit]);
            is_first = false;
        }
    }
}

void describe_scopes(const struct endpoint *endpoint, struct buf *out) {
    bool is_first = true;
    for (uint32_t bit = 0; bit < SCOPE_COUNT; bit += 1) {
        if ((endpoint->scopes >> bit & 1) != 0) {
            buf_put_c(out, is_first ? "" : ", ");
            buf_put_c(out, scope_names[bit]);
            is_first = false;
        }
    }
}

/* ---- tags ---- */

void describe_tags(const struct router *router, struct describe_tags *out) {
    memset(out, 0, sizeof *out);
    for (uint32_t index = 0; index < router_endpoint_count(router); index += 1) {
        const char *tag = router_endpoint(router, index)->tag;
        uint32_t known = 0;
        while (known < out->count && strcmp(out->tags[known], tag) != 0) {
            known += 1;
        }
        if (known == out->count) {
            CHECK(out->count < DESCRIBE_TAGS_MAX);
            out->tags[out->count] = tag;
            out->count += 1;
        }
    }
}

/* ---- schemas ---- */

/* Adds or marks; the list is also the queue of schemas whose members are still to be looked at. */
static void schema_add(struct describe_schemas *out, const struct schema *schema, bool is_input) {
    for (uint32_t index = 0; index < out->count; index += 1) {
        if (out->schemas[index] == schema) {
            out->is_input[index] = out->is_input[index] || is_input;
            return;
        }
        CHECK(strcmp(out->schemas[index]->name, schema->name) != 0);
    }
    CHECK(out->count < DESCRIBE_SCHEMAS_MAX);
    out->schemas[out->count] = schema;
    out->is_input[out->count] = is_input;
    out->count += 1;
}

/* Schemas inside those from `start` on, breadth first. */
static void schema_members_add(struct describe_schemas *out, uint32_t start, bool is_input) {
    for (uint32_t index = start; index < out->count; index += 1) {
        const struct schema *schema = out->schemas[index];
        for (uint32_t field = 0; field < schema->field_count; field += 1) {
            if (schema->fields[field].of != NULL) {
                schema_add(out, schema->fields[field].of, is_input);
            }
        }
    }
}

void describe_schemas(const struct router *router, struct describe_schemas *out) {
    memset(out, 0, sizeof *out);
    for (uint32_t index = 0; index < router_endpoint_count(router); index += 1) {
        const struct schema *body = router_endpoint(router, index)->body;
        if (body != NULL) {
            schema_add(out, body, true);
        }
    }
    schema_members_add(out, 0, true);
    uint32_t outputs = out->count;
    for (uint32_t index = 0; index < router_endpoint_count(router); index += 1) {
        const struct endpoint *endpoint = router_endpoint(router, index);
        if (endpoint->output != NULL) {
            schema_add(out, endpoint->output, false);
        }
        if (endpoint->dialect != NULL && endpoint->dialect->refusal_schema != NULL) {
            schema_add(out, endpoint->dialect->refusal_schema, false);
        }
    }
    schema_members_add(out, outputs, false);
}
