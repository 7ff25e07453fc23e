/* Heads under a fuzzer, see http_head_support.h. */
#include "support/http_head_support.h"

#include <stdlib.h>
#include <string.h>

static struct http_head head;
static struct http_head other;

static enum err parse(bool is_reply, struct str bytes, struct http_head *into,
                      uint32_t *head_bytes) {
    return is_reply ? http_reply_head_parse(bytes, into, head_bytes)
                    : http_head_parse(bytes, into, head_bytes);
}

static bool slice_is_inside(struct str slice, struct str whole) {
    return str_is_none(slice) ||
           (slice.data >= whole.data && slice.data + slice.len <= whole.data + whole.len);
}

static void slices_check(struct str text) {
    bool has_constant_path = str_equal(head.path, STR("/")) || str_equal(head.path, STR("*"));
    CHECK(slice_is_inside(head.path, text) || has_constant_path);
    CHECK(slice_is_inside(head.query, text));
    CHECK(slice_is_inside(head.host, text));
    CHECK(slice_is_inside(head.method_text, text));
    for (uint32_t index = 0; index < head.header_count; index++) {
        CHECK(slice_is_inside(head.headers[index].name, text));
        CHECK(slice_is_inside(head.headers[index].value, text));
    }
}

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

static void status_line_check(struct str line) {
    uint64_t number = 0;
    CHECK(str_starts(line, STR("HTTP/1.")));
    CHECK(str_parse_u64(str_slice(line, 9, 12), &number));
    CHECK(number == head.status);
    CHECK(head.status >= 100);
    CHECK(head.status <= 599);
    CHECK(line.len == 12 || line.data[12] == ' ');
    CHECK(str_is_none(head.host));
}

struct framing {
    uint32_t hosts;
    uint32_t lengths;
    uint32_t codings;
};

static void header_line_check(struct str line, const struct http_header *header,
                              struct framing *framing) {
    struct str value = line;
    struct str name = str_split(&value, ':');
    CHECK(name.len > 0);
    CHECK(str_equal(name, header->name));
    CHECK(str_equal(str_trim(value), header->value));
    framing->hosts += str_equal_nocase(name, STR("host"));
    framing->lengths += str_equal_nocase(name, STR("content-length"));
    framing->codings += str_equal_nocase(name, STR("transfer-encoding"));
}

/* `text` is exactly the head. */
static void naive_reading_check(bool is_reply, struct str text) {
    struct framing framing = {0};
    struct str rest = text;
    struct str line = line_take(&rest);
    if (line.len == 0 && !is_reply) {
        line = line_take(&rest);
    }
    if (is_reply) {
        status_line_check(line);
    } else {
        CHECK(str_starts(line, head.method_text));
    }
    for (uint32_t index = 0; index < head.header_count; index++) {
        header_line_check(line_take(&rest), &head.headers[index], &framing);
    }
    CHECK(str_equal(rest, STR("\r\n")));
    CHECK(is_reply || framing.hosts == 1 || (framing.hosts == 0 && head.minor_version == 0));
    CHECK(framing.lengths == (head.has_length ? 1 : 0));
    CHECK(framing.codings == (head.is_chunked ? 1 : 0));
    CHECK(framing.lengths + framing.codings <= 1);
    CHECK(head.content_length == 0 || head.has_length);
}

/* Every cut of a short input, some of a long one. */
static void cuts_check(bool is_reply, struct str data, enum err whole, uint32_t head_bytes) {
    uint32_t step = data.len / 64 + 1;
    for (uint32_t cut = 0; cut < data.len; cut += step) {
        uint32_t cut_head_bytes = 0;
        enum err err = parse(is_reply, str_slice(data, 0, cut), &other, &cut_head_bytes);
        if (whole == ERR_OK && cut >= head_bytes) {
            CHECK(err == ERR_OK);
            CHECK(cut_head_bytes == head_bytes);
        } else {
            CHECK(err == ERR_AGAIN || (whole != ERR_OK && err == whole));
        }
    }
}

const struct http_head *http_head_look(bool is_reply, const uint8_t *data, size_t bytes) {
    static char *copy; /* of its exact size: a byte read behind it is found */
    uint32_t head_bytes = 0;
    free(copy);
    copy = malloc(bytes == 0 ? 1 : bytes);
    CHECK(copy != NULL);
    memcpy(copy, data, bytes);
    struct str text = str_from(copy, bytes);
    enum err err = parse(is_reply, text, &head, &head_bytes);
    CHECK((err == ERR_OK) == (head_bytes > 0));
    CHECK(head_bytes <= bytes);
    CHECK(head_bytes <= HTTP_HEAD_BYTES_MAX);
    CHECK(err != ERR_AGAIN || bytes < HTTP_HEAD_BYTES_MAX);
    if (err == ERR_OK) {
        slices_check(str_slice(text, 0, head_bytes));
        naive_reading_check(is_reply, str_slice(text, 0, head_bytes));
    }
    cuts_check(is_reply, text, err, head_bytes);
    return err == ERR_OK ? &head : NULL;
}
