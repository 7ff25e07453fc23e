/*
 * Bounded writers. Guarantees: nothing is ever written outside data[0..cap); after the first put
 * that did not fit nothing more is written, so a full buffer holds a clean prefix of the output.
 */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    /* Longest buf_printf that may end flush with the buffer; see there. */
    PRINTF_BYTES_MAX = 1024,
    DECIMAL_DIGITS_MAX = 20, /* 2^64 - 1 */
};

struct buf buf_over(void *data, size_t cap) {
    CHECK(data != NULL || cap == 0);
    CHECK(cap <= UINT32_MAX);
    return (struct buf){.data = data, .cap = (uint32_t)cap};
}

void buf_reset(struct buf *buf) {
    buf->len = 0;
    buf->is_full = false;
}

struct str buf_str(const struct buf *buf) {
    CHECK(buf->len <= buf->cap);
    return (struct str){buf->data == NULL ? "" : buf->data, buf->len};
}

uint32_t buf_room(const struct buf *buf) {
    CHECK(buf->len <= buf->cap);
    return buf->is_full ? 0 : buf->cap - buf->len;
}

/* The place for `len` more bytes, already counted as written, or NULL when they do not fit. */
static char *buf_extend(struct buf *buf, size_t len) {
    if (buf->is_full || len > buf_room(buf)) {
        buf->is_full = true;
        return NULL;
    }
    char *place = buf->data + buf->len;
    buf->len += (uint32_t)len;
    return place;
}

void buf_put(struct buf *buf, const void *data, size_t len) {
    if (len == 0) {
        return;
    }
    CHECK(data != NULL);
    char *place = buf_extend(buf, len);
    if (place != NULL) {
        memcpy(place, data, len);
    }
}

void buf_put_str(struct buf *buf, struct str s) {
    buf_put(buf, s.data, s.len);
}

void buf_put_c(struct buf *buf, const char *text) {
    buf_put_str(buf, str_from_c(text));
}

void buf_put_byte(struct buf *buf, uint8_t byte) {
    buf_put(buf, &byte, 1);
}

void buf_put_u64_padded(struct buf *buf, uint64_t value, uint32_t digits) {
    char text[DECIMAL_DIGITS_MAX];
    CHECK(digits <= sizeof text);
    uint32_t at = sizeof text;
    do {
        at--;
        text[at] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    while (sizeof text - at < digits) {
        at--;
        text[at] = '0';
    }
    buf_put(buf, text + at, sizeof text - at);
}

void buf_put_u64(struct buf *buf, uint64_t value) {
    buf_put_u64_padded(buf, value, 0);
}

void buf_put_i64(struct buf *buf, int64_t value) {
    if (value >= 0) {
        buf_put_u64(buf, (uint64_t)value);
        return;
    }
    char text[DECIMAL_DIGITS_MAX + 1];
    struct buf whole = buf_over(text, sizeof text);
    buf_put_byte(&whole, '-');
    buf_put_u64(&whole, 0 - (uint64_t)value); /* well defined for -2^63 too */
    CHECK(!whole.is_full);
    buf_put_str(buf, buf_str(&whole));
}

void buf_put_hex(struct buf *buf, const void *data, size_t len) {
    static const char digits[] = "0123456789abcdef";
    const uint8_t *bytes = data;
    CHECK(len <= UINT32_MAX / 2);
    char *place = buf_extend(buf, len * 2);
    if (place == NULL) {
        return;
    }
    for (size_t i = 0; i < len; i++) {
        place[2 * i] = digits[bytes[i] >> 4];
        place[2 * i + 1] = digits[bytes[i] & 15];
    }
}

static void put_base64(struct buf *buf, const void *data, size_t len, const char *alphabet,
                       bool is_padded) {
    const uint8_t *bytes = data;
    size_t tail = len % 3;
    size_t tail_digits = tail == 0 ? 0 : (is_padded ? 4 : tail + 1);
    CHECK(len <= UINT32_MAX / 2);
    char *place = buf_extend(buf, len / 3 * 4 + tail_digits);
    if (place == NULL) {
        return;
    }
    for (size_t i = 0; i < len; i += 3) {
        size_t have = len - i < 3 ? len - i : 3;
        uint32_t group = (uint32_t)bytes[i] << 16;
        group |= have > 1 ? (uint32_t)bytes[i + 1] << 8 : 0;
        group |= have > 2 ? (uint32_t)bytes[i + 2] : 0;
        for (size_t digit = 0; digit < have + 1; digit++) {
            *place++ = alphabet[(group >> (18 - 6 * digit)) & 63];
        }
        for (size_t pad = have; is_padded && pad < 3; pad++) {
            *place++ = '=';
        }
    }
}

void buf_put_base64(struct buf *buf, const void *data, size_t len) {
    put_base64(buf, data, len, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
               true);
}

void buf_put_base64url(struct buf *buf, const void *data, size_t len) {
    put_base64(buf, data, len, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
               false);
}

/* RFC 3986, 2.3 */
static bool is_unreserved(uint8_t byte) {
    return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
           (byte >= '0' && byte <= '9') || byte == '-' || byte == '.' || byte == '_' || byte == '~';
}

void buf_put_percent(struct buf *buf, struct str s) {
    static const char digits[] = "0123456789ABCDEF"; /* RFC 3986, 2.1 asks for upper case */
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < s.len; i++) {
        bytes += is_unreserved((uint8_t)s.data[i]) ? 1 : 3;
    }
    char *place = buf_extend(buf, bytes);
    if (place == NULL) {
        return;
    }
    for (uint32_t i = 0; i < s.len; i++) {
        uint8_t byte = (uint8_t)s.data[i];
        if (is_unreserved(byte)) {
            *place++ = (char)byte;
        } else {
            *place++ = '%';
            *place++ = digits[byte >> 4];
            *place++ = digits[byte & 15];
        }
    }
}

/* vsnprintf always wants room for a NUL that we do not keep. Short outputs are made aside, so that
 * they may fill the buffer to its last byte; longer ones need one byte of room more. */
void buf_printf(struct buf *buf, const char *format, ...) {
    char aside[PRINTF_BYTES_MAX];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(aside, sizeof aside, format, args);
    va_end(args);
    CHECK(len >= 0);
    if ((size_t)len < sizeof aside) {
        buf_put(buf, aside, (size_t)len);
        return;
    }
    if (buf->is_full || (uint32_t)len >= buf_room(buf)) {
        buf->is_full = true;
        return;
    }
    va_start(args, format);
    int written = vsnprintf(buf->data + buf->len, buf_room(buf), format, args);
    va_end(args);
    CHECK(written == len);
    buf->len += (uint32_t)len;
}

static void put_be(struct buf *buf, uint64_t value, uint32_t bytes) {
    uint8_t wire[8];
    CHECK(bytes <= sizeof wire);
    for (uint32_t i = 0; i < bytes; i++) {
        wire[i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
    }
    buf_put(buf, wire, bytes);
}

void buf_put_be16(struct buf *buf, uint16_t value) {
    put_be(buf, value, 2);
}

void buf_put_be32(struct buf *buf, uint32_t value) {
    put_be(buf, value, 4);
}

void buf_put_be64(struct buf *buf, uint64_t value) {
    put_be(buf, value, 8);
}
