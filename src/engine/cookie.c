/* Cookies and what guards them, see cookie.h. */
#include "engine/cookie.h"

#include "crypto/mac.h"
#include "engine/engine.h"

enum { COOKIE_BYTES = 256, CSRF_LEN = 43 };

struct str cookie_make(struct arena *arena, struct str name, struct str value, int64_t age_s,
                       enum cookie_site site) {
    char *memory = arena_take(arena, COOKIE_BYTES);
    if (memory == NULL) {
        return STR_NONE;
    }
    struct buf out = buf_over(memory, COOKIE_BYTES);
    buf_put_str(&out, name);
    buf_put_byte(&out, '=');
    buf_put_str(&out, value);
    if (age_s != COOKIE_UNTIL_CLOSED) {
        buf_put_c(&out, "; Max-Age=");
        buf_put_i64(&out, age_s);
    }
    buf_put_c(&out, "; Path=/; HttpOnly; Secure; SameSite=");
    buf_put_c(&out, site == COOKIE_STRICT ? "Strict" : "Lax");
    CHECK(!out.is_full);
    return buf_str(&out);
}

struct str cookie_session(const struct http_head *head) {
    struct str cookies = http_header(head, STR("Cookie"));
    return str_is_none(cookies) ? STR_NONE : http_cookie(cookies, COOKIE_SESSION);
}

bool cookie_is_wanted(const struct http_head *head) {
    struct str transport = http_header(head, STR("X-Session-Transport"));
    return !str_is_none(transport) && str_equal(transport, STR("cookie"));
}

/* ---- is it meant? ---- */

static struct str csrf_put(struct str session_token, struct buf *out) {
    struct hash mac = mac_of(session_token, STR("coffer csrf"));
    buf_put_base64url(out, mac.bytes, sizeof(mac.bytes));
    CHECK(!out->is_full);
    return buf_str(out);
}

struct str csrf_token(struct arena *arena, struct str session_token) {
    char *memory = arena_take(arena, CSRF_LEN);
    if (memory == NULL) {
        return STR_NONE;
    }
    struct buf out = buf_over(memory, CSRF_LEN);
    return csrf_put(session_token, &out);
}

/* The origin that a browser sees of us: scheme and authority of this very request. */
static bool is_own_origin(const struct request *request, struct str origin) {
    struct str host = http_header(&request->exchange->head, STR("Host"));
    struct str scheme = request->exchange->is_tls ? STR("https://") : STR("http://");
    return !str_is_none(host) && str_starts(origin, scheme) &&
           str_equal_nocase(str_slice(origin, scheme.len, origin.len), host);
}

static bool is_from_our_page(const struct request *request) {
    const struct http_head *head = &request->exchange->head;
    struct str origin = http_header(head, STR("Origin"));
    struct str site = http_header(head, STR("Sec-Fetch-Site"));
    if (!str_is_none(origin)) {
        return is_own_origin(request, origin) || reply_origin_is_listed(origin);
    }
    return str_is_none(site) || str_equal(site, STR("same-origin")) || str_equal(site, STR("none"));
}

bool csrf_passes(const struct request *request, struct str session_token) {
    const struct http_head *head = &request->exchange->head;
    char expected_bytes[CSRF_LEN];
    struct buf out = buf_over(expected_bytes, sizeof(expected_bytes));
    if (head->method == HTTP_GET || head->method == HTTP_HEAD) {
        return true;
    }
    struct str expected = csrf_put(session_token, &out);
    struct str given = http_header(head, STR("X-CSRF-Token"));
    bool is_given = !str_is_none(given) && given.len == expected.len &&
                    crypto_equal(given.data, expected.data, expected.len);
    crypto_wipe(expected_bytes, sizeof(expected_bytes));
    return is_given && is_from_our_page(request);
}
