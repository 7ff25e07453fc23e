/*
 * Replies: the unified dialect, which is one envelope for everything and problem details (RFC 9457)
 * for those who ask; the choice of the dialect; and the headers that every reply carries.
 */
#include <string.h>

#include "base/time.h"
#include "engine/engine.h"

enum {
    REPLY_HEADER_BYTES = 4096,
    REPLY_RESERVE_BYTES = 8192, /* a login's reply with the longest names that people have */
    CORS_ORIGINS_MAX = 16,
};

/* On all replies, errors and preflights too. */
#define SECURITY_HEADERS                                                                           \
    "X-Content-Type-Options: nosniff\r\n"                                                          \
    "X-Frame-Options: DENY\r\n"                                                                    \
    "X-XSS-Protection: 1; mode=block\r\n"                                                          \
    "Referrer-Policy: strict-origin-when-cross-origin\r\n"                                         \
    "Permissions-Policy: geolocation=(), microphone=(), camera=(), payment=(), usb=(), "           \
    "magnetometer=(), gyroscope=()\r\n"                                                            \
    "Content-Security-Policy: default-src 'self'; script-src 'self'; style-src 'self'; "           \
    "img-src 'self' data:; font-src 'self'; connect-src 'self'; media-src 'self'; "                \
    "object-src 'none'; frame-src 'none'; frame-ancestors 'none'; base-uri 'self'; "               \
    "form-action 'self'\r\n"                                                                       \
    "X-API-Version: v2.0.0\r\n"                                                                    \
    "X-Security-Level: financial-grade\r\n"

static const char security_headers[] = SECURITY_HEADERS;

static const char transport_header[] =
    "Strict-Transport-Security: max-age=31536000; includeSubDomains; preload\r\n";

static struct str cors_origins[CORS_ORIGINS_MAX];
static uint32_t cors_origin_count;
static bool is_any_origin;

void reply_headers_open(const struct settings *settings) {
    struct str rest = settings_text(settings, SETTING_CORS_ORIGINS_ID);
    cors_origin_count = 0;
    is_any_origin = false;
    while (!str_is_none(rest) && cors_origin_count < CORS_ORIGINS_MAX) {
        struct str origin = str_trim(str_split(&rest, ','));
        is_any_origin = is_any_origin || str_equal(origin, STR("*"));
        if (origin.len > 0) {
            cors_origins[cors_origin_count++] = origin;
        }
    }
}

bool reply_origin_is_listed(struct str origin) {
    for (uint32_t i = 0; i < cors_origin_count && !is_any_origin; i++) {
        if (str_equal(origin, cors_origins[i])) {
            return true;
        }
    }
    return false;
}

/* ---- headers ---- */

/* The value for Access-Control-Allow-Origin: the request's origin when it is listed; without an
 * Origin, on a preflight, the first listed one. */
static struct str cors_origin(const struct http_head *head, bool is_preflight) {
    struct str origin = http_header(head, STR("Origin"));
    if (is_any_origin) {
        return STR("*");
    }
    if (str_is_none(origin)) {
        return is_preflight && cors_origin_count > 0 ? cors_origins[0] : STR_NONE;
    }
    return reply_origin_is_listed(origin) ? origin : STR_NONE;
}

static void put_line(struct buf *out, const char *name, struct str value) {
    buf_put_c(out, name);
    buf_put(out, ": ", 2);
    buf_put_str(out, value);
    buf_put(out, "\r\n", 2);
}

static void put_number(struct buf *out, const char *name, uint64_t value) {
    buf_put_c(out, name);
    buf_put(out, ": ", 2);
    buf_put_u64(out, value);
    buf_put(out, "\r\n", 2);
}

static void put_cors(struct buf *out, const struct request *request, bool is_preflight) {
    struct str origin = cors_origin(&request->exchange->head, is_preflight);
    if (!is_any_origin) {
        buf_put_c(out, "Vary: Origin\r\n");
    }
    if (str_is_none(origin)) {
        return;
    }
    put_line(out, "Access-Control-Allow-Origin", origin);
    if (!is_any_origin) {
        buf_put_c(out, "Access-Control-Allow-Credentials: true\r\n");
    }
    if (is_preflight) {
        buf_put_c(out, "Access-Control-Allow-Methods: GET, POST, PUT, PATCH, DELETE, OPTIONS\r\n"
                       "Access-Control-Allow-Headers: Content-Type, Authorization, "
                       "X-Requested-With, X-Request-ID, Cache-Control, Pragma, Idempotency-Key, "
                       "If-Match, If-None-Match, X-CSRF-Token, X-Session-Transport, "
                       "X-WebAuthn-Session-Token\r\n"
                       "Access-Control-Max-Age: 3600\r\n");
    } else {
        buf_put_c(out, "Access-Control-Expose-Headers: X-Request-ID, Retry-After, ETag, "
                       "RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, X-RateLimit-Limit, "
                       "X-RateLimit-Remaining, X-Security-Level\r\n");
    }
}

static void put_rate(struct buf *out, const struct request *request, uint16_t status) {
    if (request->rate_limit > 0) {
        put_number(out, "RateLimit-Limit", request->rate_limit);
        put_number(out, "RateLimit-Remaining", request->rate_remaining);
        put_number(out, "RateLimit-Reset", request->rate_reset_s);
    }
    if (status == 429) {
        put_number(out, "X-RateLimit-Limit", request->rate_limit);
        put_number(out, "X-RateLimit-Remaining", request->rate_remaining);
        put_number(out, "X-RateLimit-Reset", request->rate_reset_s);
    }
}

static uint32_t retry_after_s(const struct request *request, uint16_t status) {
    if (request->outcome.retry_after_s > 0) {
        return request->outcome.retry_after_s;
    }
    if (status == 429) {
        return request->rate_reset_s > 0 ? request->rate_reset_s : 1;
    }
    return status == 503 ? 1 : 0;
}

/* Pages are asked for again each time, data is never kept, unless the endpoint says otherwise. */
static void put_caching(struct buf *out, const struct request *request) {
    bool is_raw = request->endpoint != NULL && request->endpoint->form == FORM_RAW;
    bool is_page = request->is_page || (is_raw && str_is_none(request->raw_name));
    if (request->endpoint != NULL && request->endpoint->page != NULL) {
        buf_put_c(out, "Vary: Accept\r\n");
    }
    if (request->max_age_s > 0 && request->outcome.err == ERR_OK) {
        buf_put_c(out, "Cache-Control: public, max-age=");
        buf_put_u64(out, request->max_age_s);
        buf_put(out, "\r\n", 2);
    } else {
        buf_put_c(out, is_page ? "Cache-Control: no-cache\r\n" : "Cache-Control: no-store\r\n");
    }
}

static void put_headers(struct buf *out, const struct request *request, uint16_t status) {
    put_line(out, "X-Request-ID", request->command.request_id);
    buf_put(out, security_headers, sizeof(security_headers) - 1);
    if (request->exchange->is_tls) {
        buf_put(out, transport_header, sizeof(transport_header) - 1);
    }
    put_caching(out, request);
    put_cors(out, request, false);
    put_rate(out, request, status);
    uint32_t retry = retry_after_s(request, status);
    if (retry > 0) {
        put_number(out, "Retry-After", retry);
    }
    if (!str_is_none(request->outcome.etag)) {
        put_line(out, "ETag", request->outcome.etag);
    }
    if (!str_is_none(request->outcome.set_cookie)) {
        put_line(out, "Set-Cookie", request->outcome.set_cookie);
    }
    if (!str_is_none(request->outcome.session_cookie)) {
        put_line(out, "Set-Cookie", request->outcome.session_cookie);
    }
    if (!str_is_none(request->raw_name) && request->outcome.err == ERR_OK) {
        buf_put_c(out, "Content-Disposition: attachment; filename=\"");
        buf_put_str(out, request->raw_name);
        buf_put_c(out, "\"\r\n");
    }
    if (status == 401) {
        buf_put_c(out, "WWW-Authenticate: Bearer realm=\"coffer\"\r\n");
    }
    if (status == 405) {
        buf_put_c(out, "Allow: ");
        router_allow_format(request->route.allow, out);
        buf_put(out, "\r\n", 2);
    }
}

enum err reply_reserve(struct request *request) {
    request->reply_memory = arena_take(request->arena, REPLY_HEADER_BYTES + REPLY_RESERVE_BYTES);
    return request->reply_memory != NULL ? ERR_OK : ERR_NO_MEMORY;
}

static struct str headers_make(const struct request *request, uint16_t status) {
    char *memory = request->reply_memory != NULL ? request->reply_memory
                                                 : arena_take(request->arena, REPLY_HEADER_BYTES);
    if (memory == NULL) {
        return STR(""); /* the body still says what happened */
    }
    struct buf out = buf_over(memory, REPLY_HEADER_BYTES);
    put_headers(&out, request, status);
    CHECK(!out.is_full);
    return buf_str(&out);
}

/* ---- bodies ---- */

static yyjson_mut_val *error_details(struct request *request, yyjson_mut_doc *doc, enum err err) {
    struct outcome *outcome = &request->outcome;
    if (err == ERR_VALIDATION && outcome->faults != NULL && outcome->details == NULL) {
        yyjson_mut_val *faults = yyjson_mut_obj(doc);
        json_add_faults(doc, faults, outcome->faults);
        return faults;
    }
    yyjson_mut_val *details = outcome->details ? outcome->details : yyjson_mut_obj(doc);
    const char *reason = err_row(err)->reason;
    if (reason[0] != 0 && err != ERR_VALIDATION && yyjson_mut_obj_get(details, "code") == NULL) {
        json_add_str(doc, details, "code", str_from_c(reason));
    }
    if (err == ERR_METHOD) {
        yyjson_mut_val *list = json_add_array(doc, details, "allowed_methods");
        for (uint32_t m = HTTP_GET; m <= HTTP_OPTIONS; m++) {
            if ((request->route.allow & (1u << m)) != 0) {
                yyjson_mut_arr_add_str(doc, list, http_method_name((enum http_method)m));
            }
        }
    }
    if (err == ERR_LIMITED_SESSION) {
        json_add_str(doc, details, "overall_status", STR("suspended")); /* contract 1.3 */
    }
    if (err == ERR_RATE_LIMITED) {
        json_add_int(doc, details, "retry_after", retry_after_s(request, 429));
    }
    return details;
}

static bool wants_problem(const struct request *request) {
    struct str accept = http_header(&request->exchange->head, STR("Accept"));
    while (!str_is_none(accept)) {
        struct str range = str_split(&accept, ',');
        if (str_equal_nocase(str_trim(str_split(&range, ';')), STR("application/problem+json"))) {
            return true;
        }
    }
    return false;
}

static yyjson_mut_val *problem_root(struct request *request, yyjson_mut_doc *doc, enum err err,
                                    struct str message) {
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    const struct err_row *row = err_row(err);
    json_add_str(doc, root, "type", STR("about:blank"));
    json_add_str(doc, root, "title", str_from_c(http_reason(row->status)));
    json_add_int(doc, root, "status", row->status);
    json_add_str(doc, root, "detail", message);
    json_add_str(doc, root, "code", str_from_c(row->type));
    json_add_str(doc, root, "request_id", request->command.request_id);
    json_add_val(doc, root, "details", error_details(request, doc, err));
    return root;
}

/* The members behind data or error. */
static void envelope_close(const struct request *request, yyjson_mut_doc *doc, yyjson_mut_val *root,
                           bool is_success, struct str message) {
    json_add_str(doc, root, "message", message);
    json_add_str(doc, root, "request_id", request->command.request_id);
    json_add_bool(doc, root, "success", is_success);
    json_add_str(doc, root, "version", STR("1.0"));
}

static yyjson_mut_val *unified_success(struct request *request, yyjson_mut_doc *doc,
                                       yyjson_mut_val *data, struct str message) {
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    json_add_int(doc, root, "code", request->reply.status);
    if (data != NULL) {
        json_add_val(doc, root, "data", data);
    }
    envelope_close(request, doc, root, true, message);
    return root;
}

static yyjson_mut_val *unified_refusal(struct request *request, yyjson_mut_doc *doc, enum err err,
                                       struct str message) {
    if (wants_problem(request)) {
        request->reply.content_type = STR("application/problem+json");
        return problem_root(request, doc, err, message);
    }
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    json_add_int(doc, root, "code", request->reply.status);
    yyjson_mut_val *error = json_add_object(doc, root, "error");
    json_add_val(doc, error, "details", error_details(request, doc, err));
    json_add_str(doc, error, "type", str_from_c(err_row(err)->type));
    envelope_close(request, doc, root, false, message);
    return root;
}

static const struct dialect unified_dialect = {
    .name = "unified",
    .success = unified_success,
    .refusal = unified_refusal,
};

/* Of the row, or of the rows of the path when none has the method (engine.c, route_settle). */
static const struct dialect *request_dialect(const struct request *request) {
    const struct endpoint *row =
        request->endpoint != NULL ? request->endpoint : request->route.neighbour;
    return row != NULL && row->dialect != NULL ? row->dialect : &unified_dialect;
}

/* When there is no memory for a document: constant, but true. */
static void reply_bare(struct http_reply *reply) {
    reply->status = 503;
    reply->content_type = STR("application/json");
    reply->body = STR("{\"code\":503,\"error\":{\"details\":{},\"type\":\"SERVICE_UNAVAILABLE\"},"
                      "\"message\":\"The server is busy; try again shortly.\",\"request_id\":"
                      "\"unknown\",\"success\":false,\"version\":\"1.0\"}");
}

/* A command that was executed must not be called refused: this is for a reply that is larger than
 * what was reserved, at a moment without any memory. */
static void reply_done(struct http_reply *reply) {
    reply->status = 200;
    reply->content_type = STR("application/json");
    reply->body = STR("{\"code\":200,\"message\":\"Done; there was no memory to say more.\","
                      "\"request_id\":\"unknown\",\"success\":true,\"version\":\"1.0\"}");
}

/* Text from a command's scratch memory to where it lives until it is sent. */
static bool body_keep(struct request *request, struct str text) {
    struct http_reply *reply = &request->reply;
    if (request->reply_memory != NULL && text.len <= REPLY_RESERVE_BYTES) {
        struct buf out = buf_over(request->reply_memory + REPLY_HEADER_BYTES, REPLY_RESERVE_BYTES);
        buf_put_str(&out, text);
        reply->body = buf_str(&out);
    } else {
        reply->body = arena_copy(request->arena, text);
    }
    return !str_is_none(reply->body);
}

static yyjson_mut_val *reply_root(struct request *request, yyjson_mut_doc *doc, enum err err) {
    const struct outcome *outcome = &request->outcome;
    const struct dialect *dialect = request_dialect(request);
    struct str message =
        str_from_c(outcome->message ? outcome->message : dialect_message(dialect, err));
    if (request->endpoint != NULL && request->endpoint->form == FORM_BARE &&
        outcome->data != NULL) {
        return outcome->data;
    }
    return err == ERR_OK ? dialect->success(request, doc, outcome->data, message)
                         : dialect->refusal(request, doc, err, message);
}

static void reply_json(struct request *request, enum err err) {
    struct outcome *outcome = &request->outcome;
    struct http_reply *reply = &request->reply;
    struct arena *work = request->command.arena; /* in a batch the scratch memory */
    yyjson_mut_doc *doc = outcome->doc ? outcome->doc : json_doc(work);
    reply->content_type = STR("application/json");
    yyjson_mut_val *root = reply_root(request, doc, err);
    struct str text;
    bool is_written = json_write(doc, root, work, &text) == ERR_OK;
    if (is_written && work == request->arena) {
        reply->body = text;
    } else if (!is_written || !body_keep(request, text)) {
        if (err == ERR_OK && request->endpoint->command != NULL) {
            reply_done(reply);
        } else {
            reply_bare(reply);
        }
    }
}

static uint16_t success_status(const struct request *request) {
    if (request->outcome.status != 0) {
        return request->outcome.status;
    }
    return request->endpoint != NULL && request->endpoint->status != 0 ? request->endpoint->status
                                                                       : 200;
}

void reply_render(struct request *request) {
    struct http_reply *reply = &request->reply;
    enum err err = request->outcome.err;
    CHECK(err < ERR_COUNT);
    if (err != ERR_OK && err_row(err)->status == 0) {
        err = ERR_INTERNAL; /* an inner error that nobody turned into a word of the wire */
    }
    uint16_t status =
        err == ERR_OK ? success_status(request) : dialect_status(request_dialect(request), err);
    reply->status = status;
    reply->is_compressible = true;
    if (err == ERR_OK && !str_is_none(request->raw_type)) {
        reply->content_type = request->raw_type;
        reply->body = request->raw_body;
        reply->gzip_body = request->raw_gzip;
    } else if (status != 304 && status != 204) {
        reply_json(request, err);
    }
    reply->headers = headers_make(request, reply->status);
}

void reply_render_error(struct request *request, enum err err) {
    request->outcome.err = err;
    reply_render(request);
}

void reply_render_alone(struct http_reply *reply, enum err err) {
    *reply = (struct http_reply){.status = err_row(err)->status, .must_close = true};
    reply->headers = str_from(security_headers, sizeof(security_headers) - 1);
    if (reply->status == 503) {
        reply_bare(reply);
        reply->headers = STR(SECURITY_HEADERS "Retry-After: 1\r\nCache-Control: no-store\r\n");
    }
}

/* The body is a kept one; headers are of this request. */
void reply_render_kept(struct request *request) {
    request->reply.content_type = STR("application/json");
    request->reply.is_compressible = true;
    request->reply.headers = headers_make(request, request->reply.status);
}

/* OPTIONS never reaches an endpoint: 204 for allowed origins, else 200 with Allow, 404 on unknown
 * paths without an origin that we know. */
void reply_render_options(struct request *request) {
    struct http_reply *reply = &request->reply;
    struct str origin = http_header(&request->exchange->head, STR("Origin"));
    bool is_allowed =
        !str_is_none(origin) && !str_is_none(cors_origin(&request->exchange->head, true));
    bool is_asterisk = str_equal(request->exchange->head.path, STR("*"));
    if (!is_allowed && !is_asterisk && request->route.allow == 0) {
        reply_render_error(request, ERR_NOT_FOUND);
        return;
    }
    char *memory = arena_take(request->arena, REPLY_HEADER_BYTES);
    reply->status = is_allowed ? 204 : 200;
    if (memory == NULL) {
        reply_bare(reply);
        return;
    }
    struct buf out = buf_over(memory, REPLY_HEADER_BYTES);
    put_line(&out, "X-Request-ID", request->command.request_id);
    buf_put(&out, security_headers, sizeof(security_headers) - 1);
    if (request->exchange->is_tls) {
        buf_put(&out, transport_header, sizeof(transport_header) - 1);
    }
    put_cors(&out, request, true);
    buf_put_c(&out, "Allow: ");
    router_allow_format(request->route.allow ? request->route.allow : UINT32_MAX, &out);
    buf_put(&out, "\r\n", 2);
    CHECK(!out.is_full);
    reply->headers = buf_str(&out);
}
