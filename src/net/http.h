/*
 * HTTP/1.1 messages by RFC 9110 and RFC 9112, pure: bytes in, structures out. Strict wherever
 * leniency lets requests be smuggled: see http.c for the list, each with its section.
 */
#ifndef NET_HTTP_H
#define NET_HTTP_H

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"

enum http_method {
    HTTP_GET = 1,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_PATCH,
    HTTP_DELETE,
    HTTP_OPTIONS,
    HTTP_OTHER, /* a valid token that we do not know: 405 on known paths, else 404 */
};
const char *http_method_name(enum http_method method); /* "GET", ... */

struct http_header {
    struct str name; /* as sent; compare with str_equal_nocase */
    struct str value; /* trimmed */
};

/* All slices point into the head's bytes. */
struct http_head {
    enum http_method method;
    struct str method_text;
    struct str path;  /* from "/" up to "?", still percent-encoded; "*" for OPTIONS * */
    struct str query; /* behind "?", STR_NONE when there is no "?" */
    struct str host;  /* Host header, port included; equal to the authority of an absolute target */
    uint8_t minor_version; /* 1 or 0 */
    bool is_keep_alive;
    bool is_chunked;
    bool has_length;
    bool expects_continue;
    uint64_t content_length;
    struct http_header headers[HTTP_HEADERS_MAX];
    uint32_t header_count;
};

/* The first header of that name, or STR_NONE. */
struct str http_header(const struct http_head *head, struct str name);

/*
 * Parses a complete or partial head at the start of `bytes`. Leading empty lines (at most one CRLF)
 * are skipped. On ERR_OK *head_bytes is the length of the head, empty line included.
 *   ERR_AGAIN  not complete yet
 *   ERR_HTTP_MALFORMED, ERR_HOST_MISMATCH, ERR_HTTP_VERSION, ERR_URI_TOO_LONG,
 *   ERR_HEAD_TOO_LARGE, ERR_NOT_IMPLEMENTED (transfer coding), ERR_EXPECTATION
 * After an error other than ERR_AGAIN the connection must close.
 */
enum err http_head_parse(struct str bytes, struct http_head *head, uint32_t *head_bytes);

/* Chunked bodies (RFC 9112, 7.1), in pieces. Zero-initialise. */
struct http_chunked {
    uint8_t state;
    uint64_t chunk_left;
    uint64_t overhead_bytes; /* sizes, extensions, trailers; limited */
};
/* Decodes from `in`: *used bytes were consumed, *data is the payload among them (a slice of `in`,
 * perhaps empty). ERR_AGAIN = call again with more input; ERR_END = body complete (trailers
 * included); ERR_OK = there was payload, call again with the rest; ERR_HTTP_MALFORMED. */
enum err http_chunked_step(struct http_chunked *chunked, struct str in, uint32_t *used,
                           struct str *data);

/* Does an Accept-Encoding value accept "gzip" (RFC 9110, 12.5.3; q=0 refuses)? */
bool http_accepts(struct str accept_encoding, struct str coding);

const char *http_reason(uint16_t status); /* "Not Found", ...; "" when unknown */

/* One cookie of a Cookie header value, or STR_NONE. */
struct str http_cookie(struct str cookies, struct str name);

#endif
