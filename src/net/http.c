/*
 * The head of a request or of a reply, in one pass from left to right, allocating nothing. A
 * partial head is parsed again from its start when more bytes have come; the 8 KiB limit bounds
 * that.
 *
 * Every verdict depends only on the bytes up to the place where it falls. So it does not matter
 * into which pieces the network cuts a head: a prefix is either not complete or already wrong in
 * the way the whole is. The fuzzer checks that.
 *
 * Refused, because two readers of the same bytes could disagree about where a request ends:
 *   bare CR or LF, NUL and other control characters in the head   RFC 9112, 2.2; RFC 9110, 5.5
 *   more than one empty line in front                             RFC 9112, 2.2
 *   anything but single blanks in the request line                RFC 9112, 3
 *   blanks between field name and colon, folded lines             RFC 9112, 5.1, 5.2
 *   Transfer-Encoding together with Content-Length                RFC 9112, 6.1
 *   Transfer-Encoding in HTTP/1.0                                 RFC 9112, 6.1
 *   chunked not last, or twice, or with empty list members        RFC 9112, 6.1, 7
 *   Content-Length twice, as a list, with a sign or blanks        RFC 9112, 6.3
 *   no Host in HTTP/1.1; two, an empty or an impossible one       RFC 9112, 3.2
 *   Host that differs from an absolute target                     stricter than RFC 9112, 3.2.2
 *
 * A reply is read as strictly, with two differences: nothing may stand in front of it, and the
 * blank behind its status may be missing, for there are servers that leave it out and nobody could
 * read the line in another way.
 */
#include "net/http.h"

#include "net/http_bytes.h"
#include "net/http_target.h"

/* Bytes not yet parsed. */
struct reader {
    const char *at;
    const char *end;
};

/* What several headers say together; judged when all have been read. */
struct head_notes {
    bool is_reply; /* Host and Expect mean nothing there */
    bool has_host;
    bool has_transfer_encoding;
    bool has_foreign_coding; /* a transfer coding other than chunked */
    bool has_foreign_expectation;
    bool has_expect_continue;
    bool says_close;
    bool says_keep_alive;
};

/* --- pieces --- */

/* The longest run of bytes of that class; may be empty. */
static struct str span_take(struct reader *in, enum http_byte_class wanted) {
    const char *start = in->at;
    const char *at = start;
    while (at < in->end && http_byte_is(*at, wanted)) {
        at += 1;
    }
    in->at = at;
    return str_from(start, (size_t)(at - start));
}

static enum err byte_expect(struct reader *in, char byte) {
    if (in->at == in->end) {
        return ERR_AGAIN;
    }
    if (*in->at != byte) {
        return ERR_HTTP_MALFORMED;
    }
    in->at += 1;
    return ERR_OK;
}

static enum err line_end_expect(struct reader *in) {
    enum err err = byte_expect(in, '\r');
    return err != ERR_OK ? err : byte_expect(in, '\n');
}

/* --- request line --- */

static enum http_method method_find(struct str text) {
    for (enum http_method method = HTTP_GET; method < HTTP_OTHER; method++) {
        if (str_equal(text, str_from_c(http_method_name(method)))) {
            return method;
        }
    }
    return HTTP_OTHER;
}

/* HTTP/1.x; a higher minor version is served as 1.1 (RFC 9110, 2.5). */
static enum err version_parse(struct reader *in, struct http_head *head) {
    const struct str prefix = STR("HTTP/");
    enum err err = ERR_OK;
    for (uint32_t index = 0; index < prefix.len && err == ERR_OK; index++) {
        err = byte_expect(in, prefix.data[index]);
    }
    if (err != ERR_OK) {
        return err;
    }
    if (in->end - in->at < 3) {
        return ERR_AGAIN;
    }
    char major = in->at[0];
    char minor = in->at[2];
    if (major < '0' || major > '9' || in->at[1] != '.' || minor < '0' || minor > '9') {
        return ERR_HTTP_MALFORMED;
    }
    in->at += 3;
    head->minor_version = minor == '0' ? 0 : 1;
    return major == '1' ? ERR_OK : ERR_HTTP_VERSION;
}

static enum err request_line_parse(struct reader *in, struct http_head *head) {
    head->method_text = span_take(in, HTTP_BYTE_TOKEN);
    enum err err = byte_expect(in, ' ');
    if (err != ERR_OK) {
        return err;
    }
    if (head->method_text.len == 0) {
        return ERR_HTTP_MALFORMED;
    }
    head->method = method_find(head->method_text);

    struct str target = span_take(in, HTTP_BYTE_TARGET);
    if (target.len > HTTP_TARGET_BYTES_MAX) {
        return ERR_URI_TOO_LONG;
    }
    err = byte_expect(in, ' ');
    if (err == ERR_OK) {
        err = version_parse(in, head);
    }
    if (err == ERR_OK) {
        err = line_end_expect(in);
    }
    return err != ERR_OK ? err : http_target_parse(target, head);
}

/* --- status line --- */

/* One more digit of the status. */
static enum err digit_take(struct reader *in, struct http_head *head) {
    if (in->at == in->end) {
        return ERR_AGAIN;
    }
    if (*in->at < '0' || *in->at > '9') {
        return ERR_HTTP_MALFORMED;
    }
    head->status = (uint16_t)(head->status * 10 + (*in->at - '0'));
    in->at += 1;
    return ERR_OK;
}

/* RFC 9112, 4 */
static enum err status_line_parse(struct reader *in, struct http_head *head) {
    enum err err = version_parse(in, head);
    if (err == ERR_OK) {
        err = byte_expect(in, ' ');
    }
    for (uint32_t index = 0; index < 3 && err == ERR_OK; index++) {
        err = digit_take(in, head);
    }
    if (err == ERR_OK && (head->status < 100 || head->status > 599)) {
        err = ERR_HTTP_MALFORMED;
    }
    if (err != ERR_OK) {
        return err;
    }
    if (in->at < in->end && *in->at == ' ') {
        in->at += 1;
        (void)span_take(in, HTTP_BYTE_VALUE); /* the reason, for people */
    }
    return line_end_expect(in);
}

/* --- headers with a meaning for framing --- */

static enum err host_note(struct str value, struct http_head *head, struct head_notes *notes) {
    if (notes->has_host || value.len == 0) {
        return ERR_HOST_MISMATCH;
    }
    if (!http_authority_is_valid(value)) {
        return ERR_HTTP_MALFORMED;
    }
    if (!str_is_none(head->host) && !str_equal_nocase(head->host, value)) {
        return ERR_HOST_MISMATCH;
    }
    notes->has_host = true;
    head->host = value;
    return ERR_OK;
}

static enum err content_length_note(struct str value, struct http_head *head) {
    if (head->has_length) {
        return ERR_HTTP_MALFORMED;
    }
    for (uint32_t index = 0; index < value.len; index++) {
        if (value.data[index] < '0' || value.data[index] > '9') {
            return ERR_HTTP_MALFORMED;
        }
    }
    if (value.len == 0) {
        return ERR_HTTP_MALFORMED;
    }
    head->has_length = true;
    bool fits = str_parse_u64(value, &head->content_length) && head->content_length <= INT64_MAX;
    return fits ? ERR_OK : ERR_BODY_TOO_LARGE;
}

/* One member of Transfer-Encoding: a token, perhaps with parameters (which chunked has not). */
static enum err coding_note(struct str coding, struct http_head *head, struct head_notes *notes) {
    struct str parameters = coding;
    struct str name = str_trim(str_split(&parameters, ';'));
    if (head->is_chunked || !http_bytes_are(name, HTTP_BYTE_TOKEN)) {
        return ERR_HTTP_MALFORMED; /* chunked ends the list: RFC 9112, 6.1 */
    }
    if (!str_equal_nocase(name, STR("chunked"))) {
        notes->has_foreign_coding = true;
        return ERR_OK;
    }
    head->is_chunked = true;
    return str_is_none(parameters) ? ERR_OK : ERR_HTTP_MALFORMED;
}

static enum err transfer_encoding_note(struct str value, struct http_head *head,
                                       struct head_notes *notes) {
    notes->has_transfer_encoding = true;
    struct str rest = value;
    enum err err = ERR_OK;
    while (err == ERR_OK && !str_is_none(rest)) {
        err = coding_note(str_trim(str_split(&rest, ',')), head, notes);
    }
    return err;
}

/* RFC 9110, 7.6.1; empty members are ignored as 5.6.1.2 asks. */
static enum err connection_note(struct str value, struct head_notes *notes) {
    struct str rest = value;
    while (!str_is_none(rest)) {
        struct str option = str_trim(str_split(&rest, ','));
        if (option.len == 0) {
            continue;
        }
        if (!http_bytes_are(option, HTTP_BYTE_TOKEN)) {
            return ERR_HTTP_MALFORMED;
        }
        notes->says_close |= str_equal_nocase(option, STR("close"));
        notes->says_keep_alive |= str_equal_nocase(option, STR("keep-alive"));
    }
    return ERR_OK;
}

/* RFC 9110, 10.1.1 */
static enum err expect_note(struct str value, struct head_notes *notes) {
    struct str rest = value;
    while (!str_is_none(rest)) {
        struct str expectation = str_trim(str_split(&rest, ','));
        if (str_equal_nocase(expectation, STR("100-continue"))) {
            notes->has_expect_continue = true;
        } else if (expectation.len > 0) {
            notes->has_foreign_expectation = true;
        }
    }
    return ERR_OK;
}

/* By length first: most headers are none of these and cost one comparison. */
static enum err header_note(const struct http_header *header, struct http_head *head,
                            struct head_notes *notes) {
    struct str name = header->name;
    if (name.len == 4 && !notes->is_reply && str_equal_nocase(name, STR("Host"))) {
        return host_note(header->value, head, notes);
    }
    if (name.len == 6 && !notes->is_reply && str_equal_nocase(name, STR("Expect"))) {
        return expect_note(header->value, notes);
    }
    if (name.len == 10 && str_equal_nocase(name, STR("Connection"))) {
        return connection_note(header->value, notes);
    }
    if (name.len == 14 && str_equal_nocase(name, STR("Content-Length"))) {
        return content_length_note(header->value, head);
    }
    if (name.len == 17 && str_equal_nocase(name, STR("Transfer-Encoding"))) {
        return transfer_encoding_note(header->value, head, notes);
    }
    return ERR_OK;
}

/* --- the head --- */

/* A folded line begins with a blank, so it fails as a line without a name. */
static enum err header_line_parse(struct reader *in, struct http_header *header) {
    header->name = span_take(in, HTTP_BYTE_TOKEN);
    enum err err = byte_expect(in, ':');
    if (err != ERR_OK) {
        return err;
    }
    if (header->name.len == 0) {
        return ERR_HTTP_MALFORMED;
    }
    header->value = str_trim(span_take(in, HTTP_BYTE_VALUE));
    return line_end_expect(in);
}

/* All header lines and the empty one. */
static enum err headers_parse(struct reader *in, struct http_head *head, struct head_notes *notes) {
    while (in->at < in->end && *in->at != '\r') {
        struct http_header header;
        enum err err = header_line_parse(in, &header);
        if (err != ERR_OK) {
            return err;
        }
        if (head->header_count == HTTP_HEADERS_MAX) {
            return ERR_HEAD_TOO_LARGE;
        }
        head->headers[head->header_count] = header;
        head->header_count += 1;
        err = header_note(&header, head, notes);
        if (err != ERR_OK) {
            return err;
        }
    }
    return line_end_expect(in);
}

/* What only the whole head can tell. */
static enum err head_check(struct http_head *head, const struct head_notes *notes) {
    bool is_1_1 = head->minor_version == 1;
    if (notes->has_transfer_encoding && (head->has_length || !is_1_1)) {
        return ERR_HTTP_MALFORMED;
    }
    if (is_1_1 && !notes->has_host && !notes->is_reply) {
        return ERR_HOST_MISMATCH;
    }
    if (notes->has_foreign_coding) {
        return ERR_NOT_IMPLEMENTED;
    }
    if (notes->has_foreign_expectation) {
        return ERR_EXPECTATION;
    }
    CHECK(head->is_chunked == notes->has_transfer_encoding);
    /* RFC 9112, 9.3 */
    head->is_keep_alive = !notes->says_close && (is_1_1 || notes->says_keep_alive);
    /* RFC 9110, 10.1.1: not for HTTP/1.0, and there is nothing to ask for without a body. */
    bool has_body = head->is_chunked || head->content_length > 0;
    head->expects_continue = is_1_1 && has_body && notes->has_expect_continue;
    return ERR_OK;
}

/* Everything but the header slots, which header_count covers. */
static void head_reset(struct http_head *head) {
    head->method = HTTP_OTHER;
    head->status = 0;
    head->method_text = STR_NONE;
    head->path = STR_NONE;
    head->query = STR_NONE;
    head->host = STR_NONE;
    head->minor_version = 1;
    head->is_keep_alive = false;
    head->is_chunked = false;
    head->has_length = false;
    head->expects_continue = false;
    head->content_length = 0;
    head->header_count = 0;
}

static enum err head_read(struct reader *in, struct http_head *head, bool is_reply) {
    struct head_notes notes = {.is_reply = is_reply};
    enum err err = ERR_OK;
    if (!is_reply && in->at < in->end && *in->at == '\r') {
        err = line_end_expect(in);
    }
    if (err == ERR_OK) {
        err = is_reply ? status_line_parse(in, head) : request_line_parse(in, head);
    }
    if (err == ERR_OK) {
        err = headers_parse(in, head, &notes);
    }
    return err != ERR_OK ? err : head_check(head, &notes);
}

static enum err head_parse(struct str bytes, bool is_reply, struct http_head *head,
                           uint32_t *head_bytes) {
    CHECK(head != NULL);
    CHECK(bytes.data != NULL || bytes.len == 0);
    head_reset(head);
    *head_bytes = 0;
    if (bytes.len == 0) {
        return ERR_AGAIN;
    }
    bool is_at_limit = bytes.len >= HTTP_HEAD_BYTES_MAX;
    uint32_t len = is_at_limit ? HTTP_HEAD_BYTES_MAX : bytes.len;
    struct reader in = {.at = bytes.data, .end = bytes.data + len};
    enum err err = head_read(&in, head, is_reply);
    if (err == ERR_AGAIN && is_at_limit) {
        return ERR_HEAD_TOO_LARGE;
    }
    if (err == ERR_OK) {
        *head_bytes = (uint32_t)(in.at - bytes.data);
    }
    return err;
}

enum err http_head_parse(struct str bytes, struct http_head *head, uint32_t *head_bytes) {
    return head_parse(bytes, false, head, head_bytes);
}

enum err http_reply_head_parse(struct str bytes, struct http_head *head, uint32_t *head_bytes) {
    return head_parse(bytes, true, head, head_bytes);
}
