/* UUIDs: 16 bytes inside, 36 characters outside. Text comes in either case and leaves in lower. */
#include "base/id.h"

#include <string.h>

#include "base/decode.h"

enum { GROUP_COUNT = 5 };
static const uint8_t group_bytes[GROUP_COUNT] = {4, 2, 2, 2, 6}; /* 8-4-4-4-12 digits */

struct id id_from_entropy(const uint8_t entropy[ID_BYTES]) {
    struct id id;
    memcpy(id.bytes, entropy, ID_BYTES);
    id.bytes[6] = (uint8_t)((id.bytes[6] & 0x0f) | 0x40); /* version 4: random */
    id.bytes[8] = (uint8_t)((id.bytes[8] & 0x3f) | 0x80); /* variant of RFC 9562, 4.1 */
    return id;
}

bool id_is_zero(struct id id) {
    static const struct id zero = {{0}};
    return id_equal(id, zero);
}

bool id_equal(struct id a, struct id b) {
    return memcmp(a.bytes, b.bytes, ID_BYTES) == 0;
}

bool id_parse(struct str text, struct id *id) {
    CHECK(id != NULL);
    if (text.len != ID_TEXT_LEN) {
        return false;
    }
    struct id parsed;
    struct buf bytes = buf_over(parsed.bytes, ID_BYTES);
    uint32_t at = 0;
    for (uint32_t group = 0; group < GROUP_COUNT; group++) {
        uint32_t digits = 2u * group_bytes[group];
        if (group > 0) {
            if (text.data[at] != '-') {
                return false;
            }
            at++;
        }
        if (!decode_hex(str_slice(text, at, at + digits), &bytes)) {
            return false;
        }
        at += digits;
    }
    CHECK(at == ID_TEXT_LEN);
    CHECK(bytes.len == ID_BYTES);
    *id = parsed;
    return true;
}

void id_format(struct id id, struct buf *out) {
    char text[ID_TEXT_LEN];
    struct buf whole = buf_over(text, sizeof text);
    uint32_t at = 0;
    for (uint32_t group = 0; group < GROUP_COUNT; group++) {
        if (group > 0) {
            buf_put_byte(&whole, '-');
        }
        buf_put_hex(&whole, id.bytes + at, group_bytes[group]);
        at += group_bytes[group];
    }
    CHECK(whole.len == ID_TEXT_LEN);
    buf_put_str(out, buf_str(&whole));
}

struct str id_bytes(const struct id *id) {
    return str_from((const char *)id->bytes, ID_BYTES);
}
