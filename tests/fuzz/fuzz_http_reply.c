/*
 * Any bytes as the head of a reply. What must hold:
 *   - cutting never changes the verdict: a prefix is incomplete or wrong in the same way;
 *   - slices lie inside the head;
 *   - an accepted head says the same to a naive reader that splits lines at CRLF: every line is one
 *     header, and there is one way to find the body's end.
 */
#include "net/http.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static struct http_head head;
static struct http_head other;

/* The next line up to CRLF; the head is known to hold one. */
static struct str line_take(struct str *rest) {
    const char *end = memmem(rest->data, rest->len, "\r\n", 2);
    CHECK(end != NULL);
    struct str line = str_from(rest->data, (size_t)(end - rest->data));
    *rest = str_slice(*rest, line.len + 2, rest->len);
    CHECK(!str_has_byte(line, '\r'));
    CHECK(!str_has_byte(line, '\n'));
    CHECK(!str_has_byte(line, '\0'));
    return line;
}

/* `text` is exactly the head. */
static void naive_reading_check(struct str text) {
    struct str rest = text;
    struct str status = line_take(&rest);
    uint64_t number = 0;
    uint32_t lengths = 0;
    uint32_t codings = 0;
    CHECK(str_starts(status, STR("HTTP/1.")));
    CHECK(str_parse_u64(str_slice(status, 9, 12), &number));
    CHECK(number == head.status);
    CHECK(status.len == 12 || status.data[12] == ' ');
    for (uint32_t index = 0; index < head.header_count; index++) {
        struct str value = line_take(&rest);
        struct str line = value;
        struct str name = str_split(&value, ':');
        CHECK(name.len > 0);
        CHECK(str_equal(name, head.headers[index].name));
        CHECK(name.data == line.data);
        CHECK(str_equal(str_trim(value), head.headers[index].value));
        lengths += str_equal_nocase(name, STR("content-length"));
        codings += str_equal_nocase(name, STR("transfer-encoding"));
    }
    CHECK(str_equal(rest, STR("\r\n")));
    CHECK(lengths == (head.has_length ? 1 : 0));
    CHECK(codings == (head.is_chunked ? 1 : 0));
    CHECK(lengths + codings <= 1);
    CHECK(head.content_length == 0 || head.has_length);
}

/* Every cut of a short input, some of a long one. */
static void cuts_check(const uint8_t *data, size_t bytes, enum err whole, uint32_t head_bytes) {
    size_t step = bytes / 64 + 1;
    for (size_t cut = 0; cut < bytes; cut += step) {
        uint32_t cut_head_bytes = 0;
        struct str prefix = str_from((const char *)data, cut);
        enum err err = http_reply_head_parse(prefix, &other, &cut_head_bytes);
        if (whole == ERR_OK && cut >= head_bytes) {
            CHECK(err == ERR_OK);
            CHECK(cut_head_bytes == head_bytes);
        } else {
            CHECK(err == ERR_AGAIN || (whole != ERR_OK && err == whole));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    uint32_t head_bytes = 0;
    char *copy = malloc(bytes == 0 ? 1 : bytes);
    CHECK(copy != NULL);
    memcpy(copy, data, bytes);
    enum err err = http_reply_head_parse(str_from(copy, bytes), &head, &head_bytes);
    CHECK((err == ERR_OK) == (head_bytes > 0));
    CHECK(head_bytes <= bytes);
    CHECK(head_bytes <= HTTP_HEAD_BYTES_MAX);
    CHECK(err != ERR_AGAIN || bytes < HTTP_HEAD_BYTES_MAX);
    if (err == ERR_OK) {
        CHECK(head.status >= 100);
        CHECK(head.status <= 599);
        CHECK(str_is_none(head.host));
        naive_reading_check(str_from(copy, head_bytes));
    }
    cuts_check(data, bytes, err, head_bytes);
    free(copy);
    return 0;
}
