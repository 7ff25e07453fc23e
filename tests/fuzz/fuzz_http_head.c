/*
 * Any bytes as the head of a request. What must hold:
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
static void naive_reading_check(struct str text) {
    struct str rest = text;
    struct str line = line_take(&rest);
    if (line.len == 0) {
        line = line_take(&rest);
    }
    CHECK(str_starts(line, head.method_text));
    struct framing framing = {0};
    for (uint32_t index = 0; index < head.header_count; index++) {
        header_line_check(line_take(&rest), &head.headers[index], &framing);
    }
    CHECK(str_equal(rest, STR("\r\n")));
    CHECK(framing.hosts == 1 || (framing.hosts == 0 && head.minor_version == 0));
    CHECK(framing.lengths == (head.has_length ? 1 : 0));
    CHECK(framing.codings == (head.is_chunked ? 1 : 0));
    CHECK(framing.lengths + framing.codings <= 1);
    CHECK(head.content_length == 0 || head.has_length);
}

static enum err copy_parse(const uint8_t *data, size_t bytes, uint32_t *head_bytes, char **copy) {
    *copy = malloc(bytes == 0 ? 1 : bytes);
    CHECK(*copy != NULL);
    memcpy(*copy, data, bytes);
    return http_head_parse(str_from(*copy, bytes), &head, head_bytes);
}

/* Every cut of a short input, some of a long one. */
static void cuts_check(const uint8_t *data, size_t bytes, enum err whole, uint32_t head_bytes) {
    size_t step = bytes / 64 + 1;
    for (size_t cut = 0; cut < bytes; cut += step) {
        uint32_t cut_head_bytes = 0;
        struct str prefix = str_from((const char *)data, cut);
        enum err err = http_head_parse(prefix, &other, &cut_head_bytes);
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
    char *copy = NULL;
    enum err err = copy_parse(data, bytes, &head_bytes, &copy);
    CHECK((err == ERR_OK) == (head_bytes > 0));
    CHECK(head_bytes <= bytes);
    CHECK(head_bytes <= HTTP_HEAD_BYTES_MAX);
    CHECK(err != ERR_AGAIN || bytes < HTTP_HEAD_BYTES_MAX);
    if (err == ERR_OK) {
        struct str text = str_from(copy, head_bytes);
        slices_check(text);
        naive_reading_check(text);
        (void)http_accepts(http_header(&head, STR("Accept-Encoding")), STR("gzip"));
        (void)http_cookie(http_header(&head, STR("Cookie")), STR("session"));
    }
    cuts_check(data, bytes, err, head_bytes);
    free(copy);
    return 0;
}
