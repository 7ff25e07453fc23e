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
    struct str name;  /* as sent; compare with str_equal_nocase */
    struct str value; /* trimmed */
};

/* All slices point into the head's bytes, except the path of an absolute target without one: that
 * is a constant, "/" or "*". Slots of `headers` behind header_count are not initialised. */
struct http_head {
    enum http_method method;
    uint16_t status; /* of a reply, which has neither method, path, query nor host */
    struct str method_text;
    struct str
        path; /* from "/" up to "?", still percent-encoded (valid, no %00); "*" for OPTIONS */
    struct str query; /* behind "?", STR_NONE when there is no "?" */
    struct str host;  /* Host header, port included; equal to the authority of an absolute target;
                         STR_NONE only in HTTP/1.0 */
    uint8_t minor_version; /* 1 or 0 */
    bool is_keep_alive;
    bool is_chunked;
    bool has_length;         /* never together with is_chunked; neither = no body */
    bool expects_continue;   /* only when there is a body to wait for */
    uint64_t content_length; /* at most INT64_MAX */
    struct http_header headers[HTTP_HEADERS_MAX];
    uint32_t header_count;
};

/* The first header of that name, or STR_NONE. */
struct str http_header(const struct http_head *head, struct str name);

/*
 * Parses a complete or partial head at the start of `bytes`. Leading empty lines (at most one CRLF)
 * are skipped. On ERR_OK *head_bytes is the length of the head, empty lines included.
 *   ERR_AGAIN  not complete yet
 *   ERR_HTTP_MALFORMED, ERR_HOST_MISMATCH, ERR_HTTP_VERSION, ERR_URI_TOO_LONG,
 *   ERR_HEAD_TOO_LARGE, ERR_NOT_IMPLEMENTED (transfer coding, CONNECT), ERR_EXPECTATION,
 *   ERR_BODY_TOO_LARGE (a Content-Length that no number holds)
 * After an error other than ERR_AGAIN the connection must close. *head then holds what was read
 * before the error: good enough for a log line, not for an answer.
 */
enum err http_head_parse(struct str bytes, struct http_head *head, uint32_t *head_bytes);

/*
 * The same for the head of a reply. Interim replies (1xx) are heads like others. The framing is as
 * the head says it: whether a body follows at all, who has asked must know (RFC 9112, 6.3).
 *   ERR_AGAIN, ERR_HTTP_MALFORMED, ERR_HTTP_VERSION, ERR_HEAD_TOO_LARGE, ERR_NOT_IMPLEMENTED
 *   (transfer coding), ERR_BODY_TOO_LARGE as above
 */
enum err http_reply_head_parse(struct str bytes, struct http_head *head, uint32_t *head_bytes);

/* Chunked bodies (RFC 9112, 7.1), in pieces. Zero-initialise. */
struct http_chunked {
    uint8_t state;
    uint64_t chunk_left;
    uint64_t overhead_bytes; /* leading zeros, extensions, trailers; limited */
};
/* Decodes from `in`: *used bytes were consumed, *data is the payload among them (a slice of `in`,
 * perhaps empty). ERR_OK = there was payload, call again with the rest (also when there is none
 * left: the next call says ERR_AGAIN); ERR_AGAIN = all of `in` is consumed, call again with more;
 * ERR_END = body complete, trailers included, `in` may go on behind *used; ERR_HTTP_MALFORMED. The
 * last two stay. */
enum err http_chunked_step(struct http_chunked *chunked, struct str in, uint32_t *used,
                           struct str *data);

/* Writes one chunk, all or nothing; nothing for empty data. */
void http_chunk_put(struct buf *out, struct str data);
/* Ends a chunked body, without trailers. */
void http_chunk_put_last(struct buf *out);

/* Does an Accept-Encoding value accept the coding, "gzip" say (RFC 9110, 12.5.3; q=0 refuses)? No
 * header (STR_NONE) says no here: such clients seldom decode. */
bool http_accepts(struct str accept_encoding, struct str coding);

const char *http_reason(uint16_t status); /* "Not Found", ...; "" when unknown */

/* One cookie of a Cookie header value, as sent, or STR_NONE. */
struct str http_cookie(struct str cookies, struct str name);

#endif
