/* HTTP heads, chunked bodies and HTTP's small lists: what is accepted and, mostly, what is not. */
#include "test.h"

#include "net/http.h"
#include "net/http_target.h"

#define BYTES(literal)                                                                             \
    { "" literal, sizeof(literal) - 1 }

static struct http_head head;

/* From a heap copy of exactly that size, so that the sanitizer sees a byte read too far. */
static enum err head_parse(struct str bytes, uint32_t *head_bytes) {
    static char *copy; /* the slices of `head` live until the next call */
    free(copy);
    copy = malloc(bytes.len == 0 ? 1 : bytes.len);
    memcpy(copy, bytes.data, bytes.len);
    return http_head_parse(str_from(copy, bytes.len), &head, head_bytes);
}

/* --- heads that must not pass --- */

struct bad_row {
    const char *what;
    struct str bytes;
    enum err expected;
};

#define GET "GET / HTTP/1.1\r\n"
#define POST "POST / HTTP/1.1\r\nHost: a\r\n"
#define BAD(what, text)                                                                            \
    { what, BYTES(text), ERR_HTTP_MALFORMED }

static const struct bad_row bad_heads[] = {
    /* line ends and control characters */
    BAD("bare LF behind the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n"),
    BAD("bare LF behind a header", GET "Host: a\n\r\n"),
    BAD("bare LF as empty line", GET "Host: a\r\n\n"),
    BAD("bare CR in a value", GET "Host: a\r\nX: a\rb\r\n\r\n"),
    BAD("bare CR in the request line", "GET /\r HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD("CR CR LF", GET "Host: a\r\r\n\r\n"),
    BAD("bare LF in a value", GET "Host: a\r\nX: a\nY: b\r\n\r\n"),
    BAD("NUL in a value", GET "Host: a\r\nX: a\0b\r\n\r\n"),
    BAD("NUL in a name", GET "Host: a\r\nX\0: a\r\n\r\n"),
    BAD("escape in a value", GET "Host: a\r\nX: \x1b[2J\r\n\r\n"),
    BAD("DEL in a value", GET "Host: a\r\nX: \x7f\r\n\r\n"),
    BAD("vertical tab before a value", GET "Host: a\r\nX:\x0b y\r\n\r\n"),
    BAD("two empty lines in front", "\r\n\r\n" GET "Host: a\r\n\r\n"),
    BAD("LF LF", GET "Host: a\n\n\r\n"),
    BAD("LF LF as empty line", GET "Host: a\r\n\n\n"),
    BAD("NUL LF", GET "Host: a\0\n\r\n"),
    BAD("LF in front", "\n" GET "Host: a\r\n\r\n"),
    BAD("blank in front", " " GET "Host: a\r\n\r\n"),
    BAD("a TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    /* request line */
    BAD("no method", " / HTTP/1.1\r\n\r\n"),
    BAD("method with a colon", "GE:T / HTTP/1.1\r\n\r\n"),
    BAD("method outside ASCII", "G\xc3\x89T / HTTP/1.1\r\n\r\n"),
    BAD("two blanks before the target", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD("two blanks before the version", "GET /  HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD("tab as separator", "GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD("blank behind the version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"),
    BAD("HTTP/0.9", "GET /\r\n\r\n"),
    BAD("no version", "GET / \r\n\r\n"),
    BAD("lower-case version", "GET / http/1.1\r\nHost: a\r\n\r\n"),
    BAD("another protocol", "GET / ICAP/1.1\r\nHost: a\r\n\r\n"),
    BAD("long minor version", "GET / HTTP/1.11\r\nHost: a\r\n\r\n"),
    BAD("version without minor", "GET / HTTP/1\r\nHost: a\r\n\r\n"),
    BAD("version with a sign", "GET / HTTP/-1.1\r\nHost: a\r\n\r\n"),
    {"HTTP/2.0", BYTES("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), ERR_HTTP_VERSION},
    {"the preface of HTTP/2", BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), ERR_HTTP_VERSION},
    {"HTTP/0.9 spelled out", BYTES("GET / HTTP/0.9\r\n\r\n"), ERR_HTTP_VERSION},
    /* target */
    BAD("relative target", "GET index HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD("empty target", "GET  HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD("fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD("fragment in the query", "GET /?a#b HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD("raw UTF-8 in the target", "GET /\xc3\xbc HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD("control character in the target", "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD("NUL in the target", "GET /a\0b HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD("quote in the target", "GET /\" HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD("backslash in the target", "GET /..\\a HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD("angle brackets in the target", "GET /?<script> HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD("half an escape at the end", "GET /a% HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD("one digit escape", "GET /a%2 HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD("escape that is not hex", "GET /a%2g HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD("escaped escape cut by the query", "GET /a%2?b HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD("NUL as an escape", "GET /a%00b HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD("asterisk for GET", "GET * HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD("asterisk with more", "OPTIONS *a HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD("another scheme", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD("absolute without authority", "GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD("user information", "GET http://u:p@a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD("authority form for GET", "GET a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n"),
    {"CONNECT", BYTES("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"), ERR_NOT_IMPLEMENTED},
    /* header lines */
    BAD("blank before the colon", GET "Host : a\r\n\r\n"),
    BAD("tab before the colon", GET "Host\t: a\r\n\r\n"),
    BAD("line without colon", GET "Host: a\r\nX\r\n\r\n"),
    BAD("line without name", GET "Host: a\r\n: x\r\n\r\n"),
    BAD("folded line", GET "Host: a\r\nX: a\r\n b\r\n\r\n"),
    BAD("line folded with a tab", GET "Host: a\r\nX: a\r\n\tb\r\n\r\n"),
    BAD("blank before the first header", GET " Host: a\r\n\r\n"),
    BAD("name with a bracket", GET "Host: a\r\nX(: a\r\n\r\n"),
    BAD("name outside ASCII", GET "Host: a\r\n\xc3\xbc: a\r\n\r\n"),
    BAD("quoted name", GET "Host: a\r\n\"X\": a\r\n\r\n"),
    /* Host */
    {"no Host", BYTES(GET "\r\n"), ERR_HOST_MISMATCH},
    {"no Host but other headers", BYTES(GET "Accept: */*\r\n\r\n"), ERR_HOST_MISMATCH},
    {"two Hosts", BYTES(GET "Host: a\r\nHost: b\r\n\r\n"), ERR_HOST_MISMATCH},
    {"two equal Hosts", BYTES(GET "Host: a\r\nhost: a\r\n\r\n"), ERR_HOST_MISMATCH},
    {"two Hosts in 1.0", BYTES("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n"), ERR_HOST_MISMATCH},
    {"empty Host", BYTES(GET "Host:\r\n\r\n"), ERR_HOST_MISMATCH},
    {"blank Host", BYTES(GET "Host: \t \r\n\r\n"), ERR_HOST_MISMATCH},
    BAD("Host list", GET "Host: a, b\r\n\r\n"),
    BAD("Host with a path", GET "Host: a/b\r\n\r\n"),
    BAD("Host with user", GET "Host: u@a\r\n\r\n"),
    BAD("Host with blank", GET "Host: a b\r\n\r\n"),
    BAD("Host with port letters", GET "Host: a:8o\r\n\r\n"),
    BAD("Host with empty port", GET "Host: a:\r\n\r\n"),
    BAD("Host with large port", GET "Host: a:65536\r\n\r\n"),
    BAD("Host with signed port", GET "Host: a:+80\r\n\r\n"),
    BAD("Host of a port only", GET "Host: :80\r\n\r\n"),
    BAD("Host with two ports", GET "Host: a:1:2\r\n\r\n"),
    BAD("open bracket", GET "Host: [::1\r\n\r\n"),
    BAD("empty brackets", GET "Host: []\r\n\r\n"),
    BAD("text behind brackets", GET "Host: [::1]a\r\n\r\n"),
    BAD("name in brackets", GET "Host: [host]\r\n\r\n"),
    {"absolute target, other Host", BYTES("GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n"),
     ERR_HOST_MISMATCH},
    {"absolute target, other port", BYTES("GET http://a:1/ HTTP/1.1\r\nHost: a:2\r\n\r\n"),
     ERR_HOST_MISMATCH},
    {"absolute target, no Host", BYTES("GET http://a/ HTTP/1.1\r\n\r\n"), ERR_HOST_MISMATCH},
    /* Content-Length */
    BAD("two lengths", POST "Content-Length: 1\r\nContent-Length: 2\r\n\r\n"),
    BAD("two equal lengths", POST "Content-Length: 1\r\ncontent-length: 1\r\n\r\n"),
    BAD("length list", POST "Content-Length: 1, 1\r\n\r\n"),
    BAD("length with plus", POST "Content-Length: +1\r\n\r\n"),
    BAD("length with minus", POST "Content-Length: -1\r\n\r\n"),
    BAD("length with 0x", POST "Content-Length: 0x10\r\n\r\n"),
    BAD("length with a blank inside", POST "Content-Length: 1 1\r\n\r\n"),
    BAD("length with a fraction", POST "Content-Length: 1.0\r\n\r\n"),
    BAD("empty length", POST "Content-Length:\r\n\r\n"),
    {"length of 2^64", BYTES(POST "Content-Length: 18446744073709551616\r\n\r\n"),
     ERR_BODY_TOO_LARGE},
    {"length of 2^63", BYTES(POST "Content-Length: 9223372036854775808\r\n\r\n"),
     ERR_BODY_TOO_LARGE},
    /* Transfer-Encoding */
    BAD("length and chunked", POST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
    BAD("chunked and length", POST "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n"),
    BAD("length and gzip", POST "Content-Length: 1\r\nTransfer-Encoding: gzip\r\n\r\n"),
    BAD("chunked in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    BAD("gzip in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: gzip\r\n\r\n"),
    BAD("chunked twice", POST "Transfer-Encoding: chunked, chunked\r\n\r\n"),
    BAD("chunked in two headers",
        POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
    BAD("chunked first", POST "Transfer-Encoding: chunked, gzip\r\n\r\n"),
    BAD("chunked then identity",
        POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n"),
    BAD("empty coding", POST "Transfer-Encoding:\r\n\r\n"),
    BAD("empty member in front", POST "Transfer-Encoding: , chunked\r\n\r\n"),
    BAD("empty member behind", POST "Transfer-Encoding: chunked,\r\n\r\n"),
    BAD("chunked with a parameter", POST "Transfer-Encoding: chunked;a=b\r\n\r\n"),
    BAD("chunked with an empty parameter", POST "Transfer-Encoding: chunked;\r\n\r\n"),
    BAD("quoted coding", POST "Transfer-Encoding: \"chunked\"\r\n\r\n"),
    BAD("two words", POST "Transfer-Encoding: chunked foo\r\n\r\n"),
    {"gzip, chunked", BYTES(POST "Transfer-Encoding: gzip, chunked\r\n\r\n"), ERR_NOT_IMPLEMENTED},
    {"gzip", BYTES(POST "Transfer-Encoding: gzip\r\n\r\n"), ERR_NOT_IMPLEMENTED},
    {"identity", BYTES(POST "Transfer-Encoding: identity\r\n\r\n"), ERR_NOT_IMPLEMENTED},
    {"xchunked", BYTES(POST "Transfer-Encoding: xchunked\r\n\r\n"), ERR_NOT_IMPLEMENTED},
    {"gzip then chunked in two headers",
     BYTES(POST "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"),
     ERR_NOT_IMPLEMENTED},
    /* the rest */
    BAD("Connection of two words", GET "Host: a\r\nConnection: close now\r\n\r\n"),
    {"unknown expectation", BYTES(POST "Content-Length: 1\r\nExpect: 200-ok\r\n\r\n"),
     ERR_EXPECTATION},
    {"two expectations", BYTES(POST "Content-Length: 1\r\nExpect: 100-continue, x\r\n\r\n"),
     ERR_EXPECTATION},
};

/* A prefix is incomplete or wrong in the same way. */
static void prefixes_expect(const char *what, struct str bytes, enum err expected) {
    for (uint32_t len = 0; len < bytes.len; len++) {
        uint32_t head_bytes = 0;
        enum err err = head_parse(str_slice(bytes, 0, len), &head_bytes);
        if (err != ERR_AGAIN && err != expected) {
            test_fail(__FILE__, __LINE__, "%s: the first %u bytes give %s", what, len,
                      err_row(err)->name);
            return;
        }
    }
}

TEST(http_head_refuses_what_can_be_read_in_two_ways)
{
    for (size_t index = 0; index < COUNT_OF(bad_heads); index++) {
        const struct bad_row *row = &bad_heads[index];
        uint32_t head_bytes = 0;
        enum err err = head_parse(row->bytes, &head_bytes);
        if (err != row->expected) {
            test_fail(__FILE__, __LINE__, "%s: %s, not %s", row->what, err_row(err)->name,
                      err_row(row->expected)->name);
        }
        EXPECT_EQ_UINT(head_bytes, 0);
        prefixes_expect(row->what, row->bytes, row->expected);
    }
}

/* --- heads that must pass --- */

enum { KEEP = 1, CHUNKED = 2, LENGTH = 4, EXPECTS = 8, NO_QUERY = 16 };

struct good_row {
    const char *what;
    struct str bytes;
    enum http_method method;
    const char *path;
    const char *query; /* "" and NO_QUERY differ */
    const char *host;
    uint64_t content_length;
    uint32_t flags;
    uint32_t header_count;
};

static const struct good_row good_heads[] = {
    {"the smallest", BYTES(GET "Host: a\r\n\r\n"), HTTP_GET, "/", "", "a", 0, KEEP | NO_QUERY, 1},
    {"one empty line in front", BYTES("\r\n" GET "Host: a\r\n\r\n"), HTTP_GET, "/", "", "a", 0,
     KEEP | NO_QUERY, 1},
    {"no blanks around values", BYTES(GET "Host:a\r\nX:\r\n\r\n"), HTTP_GET, "/", "", "a", 0,
     KEEP | NO_QUERY, 2},
    {"blanks and tabs around values", BYTES(GET "Host: \t a\t \r\n\r\n"), HTTP_GET, "/", "", "a", 0,
     KEEP | NO_QUERY, 1},
    {"obs-text in a value", BYTES(GET "Host: a\r\nX: \xc3\xbc\xff\r\n\r\n"), HTTP_GET, "/", "", "a",
     0, KEEP | NO_QUERY, 2},
    {"empty query", BYTES("GET /? HTTP/1.1\r\nHost: a\r\n\r\n"), HTTP_GET, "/", "", "a", 0, KEEP,
     1},
    {"query with marks", BYTES("GET /a?b?c=%zz&d[e]={|}^` HTTP/1.1\r\nHost: a\r\n\r\n"), HTTP_GET,
     "/a", "b?c=%zz&d[e]={|}^`", "a", 0, KEEP, 1},
    {"escapes stay", BYTES("GET /a%2Fb%c3%bC%01 HTTP/1.1\r\nHost: a\r\n\r\n"), HTTP_GET,
     "/a%2Fb%c3%bC%01", "", "a", 0, KEEP | NO_QUERY, 1},
    {"double slash stays", BYTES("GET //a/../b HTTP/1.1\r\nHost: a\r\n\r\n"), HTTP_GET, "//a/../b",
     "", "a", 0, KEEP | NO_QUERY, 1},
    {"later minor version", BYTES("GET / HTTP/1.7\r\nHost: a\r\n\r\n"), HTTP_GET, "/", "", "a", 0,
     KEEP | NO_QUERY, 1},
    {"HEAD", BYTES("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"), HTTP_HEAD, "/", "", "a", 0,
     KEEP | NO_QUERY, 1},
    {"PUT", BYTES("PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"), HTTP_PUT, "/x", "",
     "a", 0, KEEP | NO_QUERY | LENGTH, 2},
    {"PATCH", BYTES("PATCH /x HTTP/1.1\r\nHost: a\r\n\r\n"), HTTP_PATCH, "/x", "", "a", 0,
     KEEP | NO_QUERY, 1},
    {"DELETE", BYTES("DELETE /x HTTP/1.1\r\nHost: a\r\n\r\n"), HTTP_DELETE, "/x", "", "a", 0,
     KEEP | NO_QUERY, 1},
    {"unknown method", BYTES("BREW /pot HTTP/1.1\r\nHost: a\r\n\r\n"), HTTP_OTHER, "/pot", "", "a",
     0, KEEP | NO_QUERY, 1},
    {"methods are case-sensitive", BYTES("get / HTTP/1.1\r\nHost: a\r\n\r\n"), HTTP_OTHER, "/", "",
     "a", 0, KEEP | NO_QUERY, 1},
    {"OPTIONS *", BYTES("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), HTTP_OPTIONS, "*", "", "a", 0,
     KEEP | NO_QUERY, 1},
    {"absolute", BYTES("GET http://a.b:80/c?d HTTP/1.1\r\nHost: A.B:80\r\n\r\n"), HTTP_GET, "/c",
     "d", "A.B:80", 0, KEEP, 1},
    {"absolute, https, IPv6", BYTES("GET HTTPS://[::1]:8443/ HTTP/1.1\r\nHost: [::1]:8443\r\n\r\n"),
     HTTP_GET, "/", "", "[::1]:8443", 0, KEEP | NO_QUERY, 1},
    {"absolute without path", BYTES("GET http://a HTTP/1.1\r\nHost: a\r\n\r\n"), HTTP_GET, "/", "",
     "a", 0, KEEP | NO_QUERY, 1},
    {"absolute with a query only", BYTES("GET http://a?b HTTP/1.1\r\nHost: a\r\n\r\n"), HTTP_GET,
     "/", "b", "a", 0, KEEP, 1},
    {"OPTIONS for a whole server", BYTES("OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n"),
     HTTP_OPTIONS, "*", "", "a", 0, KEEP | NO_QUERY, 1},
    {"absolute in 1.0 needs no Host", BYTES("GET http://a/ HTTP/1.0\r\n\r\n"), HTTP_GET, "/", "",
     "a", 0, NO_QUERY, 0},
    {"HTTP/1.0 closes", BYTES("GET / HTTP/1.0\r\n\r\n"), HTTP_GET, "/", "", NULL, 0, NO_QUERY, 0},
    {"HTTP/1.0 may stay", BYTES("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"), HTTP_GET, "/",
     "", NULL, 0, KEEP | NO_QUERY, 1},
    {"HTTP/1.0 with both closes", BYTES("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n"),
     HTTP_GET, "/", "", NULL, 0, NO_QUERY, 1},
    {"close", BYTES(GET "Host: a\r\nConnection: close\r\n\r\n"), HTTP_GET, "/", "", "a", 0,
     NO_QUERY, 2},
    {"close within a list", BYTES(GET "Host: a\r\nConnection: x ,, CLOSE ,y\r\n\r\n"), HTTP_GET,
     "/", "", "a", 0, NO_QUERY, 2},
    {"close in the second header",
     BYTES(GET "Host: a\r\nConnection: x\r\nConnection: close\r\n\r\n"), HTTP_GET, "/", "", "a", 0,
     NO_QUERY, 3},
    {"not quite close", BYTES(GET "Host: a\r\nConnection: closed\r\n\r\n"), HTTP_GET, "/", "", "a",
     0, KEEP | NO_QUERY, 2},
    {"length", BYTES(POST "Content-Length: 12\r\n\r\n"), HTTP_POST, "/", "", "a", 12,
     KEEP | NO_QUERY | LENGTH, 2},
    {"length with zeros", BYTES(POST "Content-Length: 0000000000000000000000012\r\n\r\n"),
     HTTP_POST, "/", "", "a", 12, KEEP | NO_QUERY | LENGTH, 2},
    {"the largest length", BYTES(POST "Content-Length: 9223372036854775807\r\n\r\n"), HTTP_POST,
     "/", "", "a", INT64_MAX, KEEP | NO_QUERY | LENGTH, 2},
    {"length in 1.0", BYTES("POST / HTTP/1.0\r\nContent-Length: 1\r\n\r\n"), HTTP_POST, "/", "",
     NULL, 1, NO_QUERY | LENGTH, 1},
    {"chunked", BYTES(POST "Transfer-Encoding: chunked\r\n\r\n"), HTTP_POST, "/", "", "a", 0,
     KEEP | NO_QUERY | CHUNKED, 2},
    {"chunked in capitals", BYTES(POST "TRANSFER-ENCODING:\tCHUNKED\t\r\n\r\n"), HTTP_POST, "/", "",
     "a", 0, KEEP | NO_QUERY | CHUNKED, 2},
    {"expects", BYTES(POST "Content-Length: 1\r\nExpect: 100-Continue\r\n\r\n"), HTTP_POST, "/", "",
     "a", 1, KEEP | NO_QUERY | LENGTH | EXPECTS, 3},
    {"expects with chunks",
     BYTES(POST "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"), HTTP_POST, "/", "",
     "a", 0, KEEP | NO_QUERY | CHUNKED | EXPECTS, 3},
    {"nothing to expect", BYTES(POST "Expect: 100-continue\r\n\r\n"), HTTP_POST, "/", "", "a", 0,
     KEEP | NO_QUERY, 2},
    {"1.0 cannot expect",
     BYTES("POST / HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n"), HTTP_POST, "/",
     "", NULL, 1, NO_QUERY | LENGTH, 2},
};

static bool str_is(struct str actual, const char *expected) {
    return str_equal(actual, str_from_c(expected));
}

static void good_row_expect(const struct good_row *row) {
    uint32_t flags = 0;
    flags |= head.is_keep_alive ? (uint32_t)KEEP : 0;
    flags |= head.is_chunked ? (uint32_t)CHUNKED : 0;
    flags |= head.has_length ? (uint32_t)LENGTH : 0;
    flags |= head.expects_continue ? (uint32_t)EXPECTS : 0;
    flags |= str_is_none(head.query) ? (uint32_t)NO_QUERY : 0;
    bool has_host = !str_is_none(head.host);
    bool is_right = head.method == row->method && str_is(head.path, row->path) &&
                    flags == row->flags && head.content_length == row->content_length &&
                    head.header_count == row->header_count && has_host == (row->host != NULL);
    is_right = is_right && (str_is_none(head.query) || str_is(head.query, row->query));
    is_right = is_right && (row->host == NULL || str_is(head.host, row->host));
    if (!is_right) {
        test_fail(__FILE__, __LINE__, "%s: %d %.*s ? %.*s @ %.*s flags %u length %ju headers %u",
                  row->what, (int)head.method, STR_ARG(head.path), STR_ARG(head.query),
                  STR_ARG(head.host), flags, (uintmax_t)head.content_length, head.header_count);
    }
}

TEST(http_head_accepts_what_the_rfc_allows)
{
    for (size_t index = 0; index < COUNT_OF(good_heads); index++) {
        const struct good_row *row = &good_heads[index];
        uint32_t head_bytes = 0;
        enum err err = head_parse(row->bytes, &head_bytes);
        if (err != ERR_OK) {
            test_fail(__FILE__, __LINE__, "%s: %s", row->what, err_row(err)->name);
            continue;
        }
        EXPECT_EQ_UINT(head_bytes, row->bytes.len);
        good_row_expect(row);
        prefixes_expect(row->what, row->bytes, ERR_AGAIN);
    }
}

TEST(http_head_leaves_the_next_request_alone)
{
    uint32_t head_bytes = 0;
    EXPECT_EQ_INT(head_parse(STR(GET "Host: a\r\n\r\n\x01\n garbage"), &head_bytes), ERR_OK);
    EXPECT_EQ_UINT(head_bytes, sizeof(GET "Host: a\r\n\r\n") - 1);
}

/* Random pairs of rows' pieces: framing headers in any order never pass when they conflict. */
TEST(http_head_never_takes_two_framings)
{
    static const char *const lines[] = {"Content-Length: 3\r\n",
                                        "Content-Length: 4\r\n",
                                        "Transfer-Encoding: chunked\r\n",
                                        "X: y\r\n",
                                        "Accept: */*\r\n",
                                        "transfer-encoding:chunked\r\n"};
    for (uint32_t round = 0; round < 2000; round++) {
        char memory[512];
        struct buf text = buf_over(memory, sizeof memory);
        buf_put_c(&text, POST);
        uint32_t framings = 0;
        for (uint32_t count = (uint32_t)test_random_below(6); count > 0; count--) {
            uint64_t pick = test_random_below(COUNT_OF(lines));
            framings += pick <= 2 || pick == 5;
            buf_put_c(&text, lines[pick]);
        }
        buf_put_c(&text, "\r\n");
        uint32_t head_bytes = 0;
        enum err err = head_parse(buf_str(&text), &head_bytes);
        EXPECT_EQ_INT(err, framings <= 1 ? ERR_OK : ERR_HTTP_MALFORMED);
    }
}

/* --- limits --- */

static char large[3 * HTTP_HEAD_BYTES_MAX];

static struct str target_of(uint32_t target_bytes) {
    struct buf text = buf_over(large, sizeof large);
    buf_put_c(&text, "GET /");
    for (uint32_t index = 1; index < target_bytes; index++) {
        buf_put_byte(&text, 'a');
    }
    buf_put_c(&text, " HTTP/1.1\r\nHost: a\r\n\r\n");
    return buf_str(&text);
}

TEST(http_head_bounds_the_target)
{
    uint32_t head_bytes = 0;
    EXPECT_EQ_INT(head_parse(target_of(HTTP_TARGET_BYTES_MAX), &head_bytes), ERR_OK);
    EXPECT_EQ_UINT(head.path.len, HTTP_TARGET_BYTES_MAX);
    struct str too_long = target_of(HTTP_TARGET_BYTES_MAX + 1);
    EXPECT_EQ_INT(head_parse(too_long, &head_bytes), ERR_URI_TOO_LONG);
    prefixes_expect("long target", too_long, ERR_URI_TOO_LONG);
    EXPECT_EQ_INT(head_parse(target_of(2 * HTTP_HEAD_BYTES_MAX), &head_bytes), ERR_URI_TOO_LONG);
}

static struct str head_of(uint32_t total_bytes) {
    struct buf text = buf_over(large, sizeof large);
    buf_put_c(&text, GET "Host: a\r\nX: ");
    while (text.len < total_bytes - 4) {
        buf_put_byte(&text, 'x');
    }
    buf_put_c(&text, "\r\n\r\n");
    return buf_str(&text);
}

TEST(http_head_bounds_the_head)
{
    uint32_t head_bytes = 0;
    EXPECT_EQ_INT(head_parse(head_of(HTTP_HEAD_BYTES_MAX), &head_bytes), ERR_OK);
    EXPECT_EQ_UINT(head_bytes, HTTP_HEAD_BYTES_MAX);
    struct str too_large = head_of(HTTP_HEAD_BYTES_MAX + 1);
    EXPECT_EQ_INT(head_parse(too_large, &head_bytes), ERR_HEAD_TOO_LARGE);
    EXPECT_EQ_INT(head_parse(str_slice(too_large, 0, HTTP_HEAD_BYTES_MAX), &head_bytes),
                  ERR_HEAD_TOO_LARGE);
    EXPECT_EQ_INT(head_parse(str_slice(too_large, 0, HTTP_HEAD_BYTES_MAX - 1), &head_bytes),
                  ERR_AGAIN);
    memset(large, 'A', sizeof large); /* a method without end */
    EXPECT_EQ_INT(head_parse(str_from(large, sizeof large), &head_bytes), ERR_HEAD_TOO_LARGE);
}

TEST(http_head_bounds_the_headers)
{
    for (uint32_t count = HTTP_HEADERS_MAX - 1; count <= HTTP_HEADERS_MAX + 1; count++) {
        struct buf text = buf_over(large, sizeof large);
        buf_put_c(&text, GET "Host: a\r\n");
        for (uint32_t index = 1; index < count; index++) {
            buf_put_c(&text, "A: b\r\n");
        }
        buf_put_c(&text, "\r\n");
        uint32_t head_bytes = 0;
        EXPECT_EQ_INT(head_parse(buf_str(&text), &head_bytes),
                      count <= HTTP_HEADERS_MAX ? ERR_OK : ERR_HEAD_TOO_LARGE);
    }
}

TEST(http_header_finds_the_first)
{
    uint32_t head_bytes = 0;
    struct str text = STR(GET "Host: a\r\nX-A: 1\r\nx-a: 2\r\nEmpty:\r\n\r\n");
    REQUIRE(head_parse(text, &head_bytes) == ERR_OK);
    EXPECT(str_is(http_header(&head, STR("x-A")), "1"));
    EXPECT(str_is_none(http_header(&head, STR("X"))));
    EXPECT(!str_is_none(http_header(&head, STR("empty"))));
    EXPECT_EQ_UINT(http_header(&head, STR("empty")).len, 0);
}

/* --- chunked bodies --- */

struct chunked_row {
    const char *what;
    struct str bytes;
    enum err expected; /* ERR_END, ERR_AGAIN, ERR_HTTP_MALFORMED */
    const char *payload;
    uint32_t rest_bytes; /* behind the end */
};

#define BROKEN(what, text)                                                                         \
    { what, BYTES(text), ERR_HTTP_MALFORMED, NULL, 0 }

static const struct chunked_row chunked_rows[] = {
    {"empty body", BYTES("0\r\n\r\n"), ERR_END, "", 0},
    {"one chunk", BYTES("3\r\nabc\r\n0\r\n\r\n"), ERR_END, "abc", 0},
    {"two chunks, next request behind", BYTES("1\r\na\r\n2\r\nbc\r\n0\r\n\r\nGET"), ERR_END, "abc",
     3},
    {"hex in both cases", BYTES("00a\r\n0123456789\r\nA\r\n0123456789\r\n000\r\n\r\n"), ERR_END,
     "01234567890123456789", 0},
    {"payload looks like framing", BYTES("5\r\n0\r\n\r\n\r\n0\r\n\r\n"), ERR_END, "0\r\n\r\n", 0},
    {"extensions", BYTES("1;a\r\nx\r\n1 ; a = b ;c=\"\\\";\"\r\ny\r\n0;z\r\n\r\n"), ERR_END, "xy",
     0},
    {"trailers", BYTES("0\r\nA: b\r\nC:\r\n\r\n"), ERR_END, "", 0},
    {"not complete", BYTES("3\r\nab"), ERR_AGAIN, "ab", 0},
    {"no last chunk", BYTES("3\r\nabc\r\n"), ERR_AGAIN, "abc", 0},
    BROKEN("no size", "\r\nabc\r\n0\r\n\r\n"),
    BROKEN("plus", "+3\r\nabc\r\n0\r\n\r\n"),
    BROKEN("minus", "-1\r\n"),
    BROKEN("0x", "0x3\r\nabc\r\n"),
    BROKEN("blank in front", " 3\r\nabc\r\n"),
    BROKEN("blank behind the size", "3 \r\nabc\r\n"),
    BROKEN("not hex", "g\r\n"),
    BROKEN("underscore", "1_0\r\n"),
    BROKEN("2^63", "8000000000000000\r\n"),
    BROKEN("2^64", "10000000000000000\r\n"),
    BROKEN("2^64 + 3", "10000000000000003\r\nabc\r\n"),
    BROKEN("bare LF behind the size", "3\nabc\r\n0\r\n\r\n"),
    BROKEN("bare CR behind the size", "3\rabc\r\n0\r\n\r\n"),
    BROKEN("bare LF in an extension", "3;\nabc\r\n0\r\n\r\n"),
    BROKEN("bare LF in an extension's name", "3;a\nabc\r\n0\r\n\r\n"),
    BROKEN("bare CR in an extension", "3;a\rb\r\nabc\r\n0\r\n\r\n"),
    BROKEN("LF in a quoted value", "3;a=\"\n\"\r\nabc\r\n"),
    BROKEN("NUL in a quoted value", "3;a=\"\0\"\r\nabc\r\n"),
    BROKEN("escaped LF in a quoted value", "3;a=\"\\\n\"\r\nabc\r\n"),
    BROKEN("extension without name", "3;\r\nabc\r\n"),
    BROKEN("extension with empty value", "3;a=\r\nabc\r\n"),
    BROKEN("blank behind an extension", "3;a \r\nabc\r\n"),
    BROKEN("two values", "3;a=b=c\r\nabc\r\n"),
    BROKEN("text behind a quoted value", "3;a=\"b\"c\r\nabc\r\n"),
    BROKEN("payload too long", "3\r\nabcd\r\n0\r\n\r\n"),
    BROKEN("bare LF behind the payload", "3\r\nabc\n0\r\n\r\n"),
    BROKEN("bare CR behind the payload", "3\r\nabc\r0\r\n\r\n"),
    BROKEN("bare LF at the end", "0\r\n\n"),
    BROKEN("bare LF behind the last size", "0\n\r\n"),
    BROKEN("folded trailer", "0\r\nA: b\r\n c\r\n\r\n"),
    BROKEN("trailer without colon", "0\r\nA\r\n\r\n"),
    BROKEN("trailer with blank before the colon", "0\r\nA : b\r\n\r\n"),
    BROKEN("trailer without name", "0\r\n: b\r\n\r\n"),
    BROKEN("bare LF in a trailer", "0\r\nA: b\nc: d\r\n\r\n"),
    BROKEN("bare CR in a trailer", "0\r\nA: b\rc: d\r\n\r\n"),
};

/* Feeds pieces of `step` bytes; collects the payload; *rest = bytes of `bytes` not consumed. */
static enum err chunked_decode(struct str bytes, uint32_t step, struct buf *payload,
                               uint32_t *rest) {
    struct http_chunked chunked = {0};
    enum err err = ERR_AGAIN;
    uint32_t at = 0;
    while (at < bytes.len && (err == ERR_AGAIN || err == ERR_OK)) {
        struct str piece = str_slice(bytes, at, at + step);
        uint32_t used = 0;
        struct str data = STR_NONE;
        err = http_chunked_step(&chunked, piece, &used, &data);
        EXPECT(used <= piece.len);
        EXPECT(err != ERR_AGAIN || used == piece.len);
        EXPECT((err == ERR_OK) == (data.len > 0));
        buf_put_str(payload, data);
        at += used;
    }
    *rest = bytes.len - at;
    return err == ERR_OK ? ERR_AGAIN : err;
}

static void chunked_row_expect(const struct chunked_row *row, uint32_t step) {
    char memory[256];
    struct buf payload = buf_over(memory, sizeof memory);
    uint32_t rest = 0;
    enum err err = chunked_decode(row->bytes, step, &payload, &rest);
    if (err != row->expected) {
        test_fail(__FILE__, __LINE__, "%s by %u: %s", row->what, step, err_row(err)->name);
    }
    if (row->payload != NULL && !str_is(buf_str(&payload), row->payload)) {
        test_fail(__FILE__, __LINE__, "%s by %u: payload %.*s", row->what, step,
                  STR_ARG(buf_str(&payload)));
    }
    if (row->payload != NULL) {
        EXPECT_EQ_UINT(rest, row->rest_bytes);
    }
}

TEST(http_chunked_is_the_same_however_it_is_cut)
{
    for (size_t index = 0; index < COUNT_OF(chunked_rows); index++) {
        for (uint32_t step = 1; step <= chunked_rows[index].bytes.len; step++) {
            chunked_row_expect(&chunked_rows[index], step);
        }
    }
}

TEST(http_chunked_stays_at_its_end)
{
    struct http_chunked chunked = {0};
    uint32_t used = 0;
    struct str data;
    EXPECT_EQ_INT(http_chunked_step(&chunked, STR("0\r\n\r\nX"), &used, &data), ERR_END);
    EXPECT_EQ_UINT(used, 5);
    EXPECT_EQ_INT(http_chunked_step(&chunked, STR("X"), &used, &data), ERR_END);
    EXPECT_EQ_UINT(used, 0);
    struct http_chunked broken = {0};
    EXPECT_EQ_INT(http_chunked_step(&broken, STR("x"), &used, &data), ERR_HTTP_MALFORMED);
    EXPECT_EQ_INT(http_chunked_step(&broken, STR("0\r\n\r\n"), &used, &data), ERR_HTTP_MALFORMED);
}

/* Each kind of thrown-away byte, without end. */
TEST(http_chunked_bounds_what_is_thrown_away)
{
    static const char *const prefixes[] = {"0", "1;a=\"", "0\r\nA: ", "1;", "1 "};
    static const char fill[] = {'0', 'x', 'x', ' ', ' '};
    for (size_t index = 0; index < COUNT_OF(prefixes); index++) {
        for (uint32_t bytes = HTTP_CHUNK_OVERHEAD_BYTES_MAX - 64;
             bytes <= HTTP_CHUNK_OVERHEAD_BYTES_MAX + 64; bytes += 128) {
            struct buf text = buf_over(large, sizeof large);
            buf_put_c(&text, prefixes[index]);
            memset(large + text.len, fill[index], bytes);
            struct http_chunked chunked = {0};
            uint32_t used = 0;
            struct str data;
            enum err err =
                http_chunked_step(&chunked, str_from(large, text.len + bytes), &used, &data);
            bool is_within = bytes < HTTP_CHUNK_OVERHEAD_BYTES_MAX;
            EXPECT_EQ_INT(err, is_within ? ERR_AGAIN : ERR_HTTP_MALFORMED);
        }
    }
}

/* A large body in ordinary chunks is not overhead. */
TEST(http_chunked_takes_any_number_of_chunks)
{
    struct http_chunked chunked = {0};
    for (uint32_t index = 0; index < 10000; index++) {
        uint32_t used = 0;
        struct str data;
        REQUIRE(http_chunked_step(&chunked, STR("1\r\na\r\n"), &used, &data) == ERR_OK);
        REQUIRE(used == 4);
        REQUIRE(http_chunked_step(&chunked, STR("\r\n"), &used, &data) == ERR_AGAIN);
    }
}

TEST(http_chunk_put_is_read_back)
{
    char memory[64];
    struct buf out = buf_over(memory, sizeof memory);
    http_chunk_put(&out, STR("hello, chunked"));
    http_chunk_put(&out, STR(""));
    http_chunk_put_last(&out);
    EXPECT(str_is(buf_str(&out), "e\r\nhello, chunked\r\n0\r\n\r\n"));
    struct buf tight = buf_over(memory, 8);
    http_chunk_put(&tight, STR("abcd"));
    EXPECT(tight.is_full);
    EXPECT_EQ_UINT(tight.len, 0);
    struct buf fitting = buf_over(memory, 9);
    http_chunk_put(&fitting, STR("abcd"));
    EXPECT(!fitting.is_full);
    EXPECT_EQ_UINT(fitting.len, 9);
}

/* --- small lists --- */

TEST(http_accepts_follows_the_weights)
{
    static const struct {
        const char *value;
        bool accepts;
    } rows[] = {
        {"gzip", true},
        {"GZIP", true},
        {"x-gzip", true},
        {"deflate, gzip;q=1.0, *;q=0.5", true},
        {"gzip;q=0.001", true},
        {"gzip ; q=0.5", true},
        {"*", true},
        {"*;q=0.1", true},
        {"br, *", true},
        {"gzip;Q=1", true},
        {"", false},
        {"br", false},
        {"gzip;q=0", false},
        {"gzip;q=0.000", false},
        {"gzip;q=0, *", false},
        {"*, gzip;q=0", false},
        {"*;q=0", false},
        {"gzip;q=2", false},
        {"gzip;q=1.5", false},
        {"gzip;q=0.1234", false},
        {"gzip;q=", false},
        {"gzip;level=9", false},
        {"xgzip", false},
        {"gzipx", false},
        {"identity;q=1", false},
        {"gzip;q=.5", false},
    };
    for (size_t index = 0; index < COUNT_OF(rows); index++) {
        if (http_accepts(str_from_c(rows[index].value), STR("gzip")) != rows[index].accepts) {
            test_fail(__FILE__, __LINE__, "Accept-Encoding: %s", rows[index].value);
        }
    }
    EXPECT(!http_accepts(STR_NONE, STR("gzip")));
    EXPECT(http_accepts(STR("gzip, br"), STR("br")));
}

TEST(http_cookie_finds_whole_names)
{
    struct str cookies = STR("a=1; session=x=y==;ab=2 ; empty=;lone; a=3");
    EXPECT(str_is(http_cookie(cookies, STR("a")), "1"));
    EXPECT(str_is(http_cookie(cookies, STR("session")), "x=y=="));
    EXPECT(str_is(http_cookie(cookies, STR("ab")), "2"));
    EXPECT(str_is(http_cookie(cookies, STR("empty")), ""));
    EXPECT(str_is_none(http_cookie(cookies, STR("lone"))));
    EXPECT(str_is_none(http_cookie(cookies, STR("b"))));
    EXPECT(str_is_none(http_cookie(STR_NONE, STR("a"))));
}

TEST(http_names_and_reasons)
{
    EXPECT_EQ_STR(http_method_name(HTTP_DELETE), "DELETE");
    EXPECT_EQ_STR(http_reason(200), "OK");
    EXPECT_EQ_STR(http_reason(507), "Insufficient Storage");
    EXPECT_EQ_STR(http_reason(299), "");
    for (enum err err = ERR_OK; err < ERR_COUNT; err++) {
        uint16_t status = err_row(err)->status;
        EXPECT(status == 0 || http_reason(status)[0] != '\0');
    }
}
