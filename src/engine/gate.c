/* The checks of gate.h in their order; each refuses with the error that the contracts name. */
#include "engine/gate.h"

#include <string.h>

#include "base/decode.h"
#include "base/time.h"
#include "crypto/api_key.h"
#include "engine/cookie.h"
#include "engine/limiter.h"
#include "os/clock.h"

enum { GATE_PAIRS_MAX = 32, GATE_TOKEN_LEN_MAX = 6144 };

/* ---- parameters ---- */

static enum err decode_part(struct request *request, struct str text, bool is_query,
                            struct str *out) {
    *out = text;
    if (!str_has_byte(text, '%') && !(is_query && str_has_byte(text, '+'))) {
        return ERR_OK;
    }
    char *memory = arena_take(request->arena, text.len + 1);
    if (memory == NULL) {
        return ERR_NO_MEMORY;
    }
    struct buf decoded = buf_over(memory, text.len + 1);
    if (!decode_percent(text, is_query, &decoded)) {
        return ERR_BAD_REQUEST;
    }
    *out = buf_str(&decoded);
    return utf8_is_valid(*out) ? ERR_OK : ERR_BAD_REQUEST;
}

static enum err query_pairs(struct request *request, struct schema_pair *pairs, uint32_t *count) {
    struct str rest = request->exchange->head.query;
    while (!str_is_none(rest) && rest.len > 0) {
        struct str value = str_split(&rest, '&');
        struct str name = str_split(&value, '=');
        if (name.len == 0) {
            continue;
        }
        if (*count == GATE_PAIRS_MAX) {
            return ERR_BAD_REQUEST;
        }
        struct schema_pair *pair = &pairs[*count];
        enum err err = decode_part(request, name, true, &pair->name);
        if (err == ERR_OK) {
            err = decode_part(request, str_is_none(value) ? STR("") : value, true, &pair->value);
        }
        if (err != ERR_OK) {
            return err;
        }
        (*count)++;
    }
    return ERR_OK;
}

static enum err path_pairs(struct request *request, struct schema_pair *pairs, uint32_t *count) {
    for (uint32_t i = 0; i < request->route.value_count; i++) {
        struct schema_pair *pair = &pairs[(*count)++];
        pair->name = request->route.names[i];
        enum err err = decode_part(request, request->route.values[i], false, &pair->value);
        if (err != ERR_OK) {
            return ERR_NOT_FOUND;
        }
    }
    return ERR_OK;
}

static bool is_path_fault(const struct request *request, const struct schema_faults *faults) {
    for (uint32_t i = 0; i < faults->count; i++) {
        for (uint32_t k = 0; k < request->route.value_count; k++) {
            if (str_equal(faults->faults[i].path, request->route.names[k])) {
                return true;
            }
        }
    }
    return false;
}

/* An id in the path that cannot be one is 404 before anything else; a faulty query waits until the
 * caller is known. */
static enum err gate_params(struct request *request) {
    const struct schema *schema = request->endpoint->params;
    if (schema == NULL) {
        return ERR_OK; /* a query that nobody declared is ignored */
    }
    struct schema_pair pairs[GATE_PAIRS_MAX + ROUTE_PARAMS_MAX];
    uint32_t count = 0;
    void *params = arena_take(request->arena, schema->struct_bytes);
    struct schema_faults *faults = ARENA_NEW(request->arena, struct schema_faults);
    if (params == NULL || faults == NULL) {
        return ERR_NO_MEMORY;
    }
    enum err err = path_pairs(request, pairs, &count);
    if (err == ERR_OK) {
        err = query_pairs(request, pairs, &count);
    }
    if (err == ERR_OK) {
        err = schema_decode_pairs(schema, pairs, count, request->arena, params, faults);
    }
    request->command.params = params;
    if (err != ERR_VALIDATION) {
        return err;
    }
    const struct dialect *dialect = request->endpoint->dialect;
    if (is_path_fault(request, faults) && (dialect == NULL || !dialect->has_path_faults)) {
        return ERR_NOT_FOUND;
    }
    request->outcome.faults = faults;
    request->has_query_faults = true;
    return ERR_OK;
}

bool gate_path_is_possible(struct request *request) {
    const struct endpoint *row = request->route.neighbour;
    struct schema_pair pairs[ROUTE_PARAMS_MAX];
    uint32_t count = 0;
    if (request->route.value_count == 0) {
        return true;
    }
    void *params = arena_take(request->arena, row->params->struct_bytes);
    struct schema_faults *faults = ARENA_NEW(request->arena, struct schema_faults);
    if (params == NULL || faults == NULL || path_pairs(request, pairs, &count) != ERR_OK) {
        return false;
    }
    enum err err = schema_decode_pairs(row->params, pairs, count, request->arena, params, faults);
    return err == ERR_OK || (err == ERR_VALIDATION && !is_path_fault(request, faults));
}

/* ---- who ---- */

enum err gate_bearer(const struct http_head *head, struct str *token) {
    struct str value = http_header(head, STR("Authorization"));
    if (str_is_none(value)) {
        return ERR_AUTH_REQUIRED;
    }
    struct str scheme = str_split(&value, ' ');
    value = str_is_none(value) ? STR("") : str_trim(value);
    if (!str_equal_nocase(scheme, STR("Bearer")) || value.len == 0 ||
        value.len > GATE_TOKEN_LEN_MAX || str_has_byte(value, ' ')) {
        return ERR_AUTH_FORMAT;
    }
    *token = value;
    return ERR_OK;
}

enum err gate_permit(const struct endpoint *endpoint, const struct caller *caller) {
    if (caller->kind == CALLER_KEY) {
        return (endpoint->scopes & caller->scopes) != 0 ? ERR_OK : ERR_SCOPE_MISSING;
    }
    /* The administrators of this server may what a dialect's own may; its other users are nobody
     * there. */
    if (endpoint->auth == AUTH_DIALECT && caller->kind == CALLER_USER &&
        caller->role != ROLE_ADMIN) {
        return ERR_FORBIDDEN;
    }
    bool is_full = endpoint->auth == AUTH_FULL || endpoint->auth == AUTH_DIALECT;
    if (is_full && caller->must_change_password) {
        return ERR_PASSWORD_CHANGE;
    }
    if (endpoint->auth != AUTH_SESSION && caller->is_limited) {
        return ERR_LIMITED_SESSION;
    }
    return caller_has_role(caller, endpoint->roles) ? ERR_OK : ERR_FORBIDDEN;
}

/* The API key of a request to an endpoint that admits keys: X-API-Key, or a Bearer that has the
 * form of a key. Who sends Authorization is who that says; X-API-Key is for those without. */
static struct str gate_key(const struct request *request) {
    const struct http_head *head = &request->exchange->head;
    struct str token;
    if (request->endpoint->scopes == 0) {
        return STR_NONE;
    }
    enum err err = gate_bearer(head, &token);
    if (err == ERR_AUTH_REQUIRED) {
        return http_header(head, STR("X-API-Key"));
    }
    return err == ERR_OK && api_key_is_sound(token) ? token : STR_NONE;
}

/* Authorization says who; a browser's cookie does where there is none. What the cookie changes has
 * to be meant: that it is not is a refusal like a missing role, and leaves an audit record. */
static enum err gate_session(struct request *request, const struct authenticator *authenticator) {
    struct command *command = &request->command;
    struct str token;
    struct str cookie = STR_NONE;
    enum err err = gate_bearer(&request->exchange->head, &token);
    if (err == ERR_AUTH_REQUIRED) {
        cookie = cookie_session(&request->exchange->head);
        token = cookie;
        err = str_is_none(cookie) ? ERR_AUTH_REQUIRED : ERR_OK;
    }
    if (err == ERR_OK) {
        err = authenticator->resolve(request_view(request), command->settings, command->now_us,
                                     token, request->arena, &command->caller);
    }
    if (err == ERR_OK && !str_is_none(cookie)) {
        command->caller.has_cookie = true;
        request->refusal = csrf_passes(request, cookie) ? ERR_OK : ERR_CSRF;
    }
    return err;
}

static enum err gate_caller(struct request *request, const struct authenticator *authenticator,
                            const struct key_authenticator *keys) {
    struct command *command = &request->command;
    const struct endpoint *endpoint = request->endpoint;
    if (endpoint->auth == AUTH_NONE) {
        return ERR_OK;
    }
    if (endpoint->auth == AUTH_DIALECT) {
        enum err err = endpoint->dialect->resolve(request, request_view(request));
        if (err == ERR_OK) {
            request->refusal = gate_permit(endpoint, &command->caller);
        }
        return err;
    }
    struct key_attempt attempt = {.key = gate_key(request),
                                  .path = request->exchange->head.path,
                                  .peer = command->peer,
                                  .now_us = command->now_us};
    enum err err = ERR_OK;
    if (!str_is_none(attempt.key)) {
        err = keys->resolve(request_view(request), &attempt, request->arena, &command->caller);
    } else {
        err = gate_session(request, authenticator);
    }
    if (err == ERR_OK && request->refusal == ERR_OK) {
        request->refusal = gate_permit(endpoint, &command->caller);
    }
    return err;
}

/* ---- how often ---- */

static uint32_t rate_per_minute(const struct settings *settings, enum rate_class rate) {
    static const enum setting ids[] = {
        [RATE_REGISTER] = SETTING_RATE_REGISTER_ID,
        [RATE_LOGIN] = SETTING_RATE_LOGIN_ID,
        [RATE_FACTOR] = SETTING_RATE_FACTOR_ID,
        [RATE_PASSKEY] = SETTING_RATE_PASSKEY_ID,
        [RATE_TOKEN] = SETTING_RATE_TOKEN_ID,
        [RATE_READ] = SETTING_RATE_READ_ID,
        [RATE_WRITE] = SETTING_RATE_WRITE_ID,
        [RATE_CUSTOMER_REGISTER] = SETTING_GATEKEEPER_RATE_ID,
        [RATE_CUSTOMER_LOGIN] = SETTING_GATEKEEPER_RATE_ID,
    };
    CHECK(rate > RATE_NONE);
    CHECK(rate < COUNT_OF(ids));
    return (uint32_t)settings_int(settings, ids[rate]);
}

/* A key has its own limit over all it does. Who is logged in counts as such, everybody else as an
 * address. */
static struct limiter_verdict rate_take(const struct request *request) {
    const struct command *command = &request->command;
    const struct caller *caller = &command->caller;
    enum rate_class rate = request->endpoint->rate;
    int64_t now_us = clock_monotonic_us();
    if (caller->kind == CALLER_KEY) {
        return limiter_take_hourly(id_bytes(&caller->key_id), caller->rate_per_hour, now_us);
    }
    struct net_address address = limiter_address(command->peer);
    struct str subject = caller_is_person(caller)
                             ? id_bytes(&caller->user_id)
                             : str_from((const char *)address.bytes, sizeof(address.bytes));
    return limiter_take(rate, subject, rate_per_minute(command->settings, rate), now_us);
}

static enum err gate_rate(struct request *request) {
    if (request->endpoint->rate == RATE_NONE ||
        !settings_bool(request_settings(request), SETTING_RATE_ENABLED_ID)) {
        return ERR_OK;
    }
    struct limiter_verdict verdict = rate_take(request);
    request->rate_limit = verdict.limit;
    request->rate_remaining = verdict.remaining;
    request->rate_reset_s = verdict.reset_s;
    if (!verdict.is_allowed) {
        return ERR_RATE_LIMITED;
    }
    return ERR_OK;
}

/* ---- the body ---- */

static bool has_body(const struct http_head *head) {
    return head->is_chunked || head->content_length > 0;
}

static enum err gate_media_type(const struct request *request) {
    const struct http_head *head = &request->exchange->head;
    if (request->endpoint->body == NULL || !has_body(head)) {
        return ERR_OK;
    }
    struct str type = http_header(head, STR("Content-Type"));
    if (str_is_none(type)) {
        return ERR_MEDIA_TYPE;
    }
    struct str essence = str_trim(str_split(&type, ';'));
    return str_equal_nocase(essence, STR("application/json")) ? ERR_OK : ERR_MEDIA_TYPE;
}

static uint64_t body_bytes_max(const struct endpoint *endpoint) {
    return endpoint->body_bytes_max != 0 ? endpoint->body_bytes_max : HTTP_BODY_BYTES_DEFAULT;
}

enum err gate_pass(struct request *request, const struct authenticator *authenticator,
                   const struct key_authenticator *keys, uint64_t *body_max) {
    *body_max = body_bytes_max(request->endpoint);
    if (request->is_page) {
        return gate_rate(request);
    }
    enum err err = gate_params(request);
    if (err != ERR_OK) {
        return err;
    }
    err = gate_caller(request, authenticator, keys);
    if (err != ERR_OK) {
        enum err limited = gate_rate(request); /* guessing tokens is limited by address */
        return limited != ERR_OK ? limited : err;
    }
    err = gate_rate(request);
    if (err != ERR_OK || request->refusal != ERR_OK) {
        return err;
    }
    if (request->has_query_faults) {
        return ERR_VALIDATION;
    }
    return gate_media_type(request);
}

enum err gate_body(struct request *request) {
    const struct endpoint *endpoint = request->endpoint;
    struct str body = request->exchange->body;
    if (endpoint->body == NULL) {
        return ERR_OK;
    }
    if (str_is_none(body) || body.len == 0) {
        if (!endpoint->is_body_optional) {
            return ERR_JSON_INVALID;
        }
        body = STR("{}");
    }
    void *value = arena_take(request->arena, endpoint->body->struct_bytes);
    struct schema_faults *faults = ARENA_NEW(request->arena, struct schema_faults);
    if (value == NULL || faults == NULL) {
        return ERR_NO_MEMORY;
    }
    request->command.body = value;
    bool is_own = endpoint->dialect != NULL && endpoint->dialect->read_body != NULL;
    enum err err = is_own
                       ? endpoint->dialect->read_body(request, endpoint->body, body, value, faults)
                       : schema_decode(endpoint->body, body, request->arena, value, faults);
    if (err == ERR_VALIDATION) {
        request->outcome.faults = faults;
    }
    return err;
}
