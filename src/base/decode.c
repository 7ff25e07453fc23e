/*
 * Text back to bytes. Strict: where an encoding could spell one value in two ways (base64 with
 * stray bits or odd padding, overlong UTF-8) only the canonical spelling is accepted, because keys,
 * signatures and equality tests are made from these texts. Hex digits come in either case.
 */
#include "base/decode.h"

#include <string.h>

static int hex_value(char digit) {
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    if (digit >= 'a' && digit <= 'f') {
        return digit - 'a' + 10;
    }
    if (digit >= 'A' && digit <= 'F') {
        return digit - 'A' + 10;
    }
    return -1;
}

bool decode_hex(struct str text, struct buf *out) {
    if (text.len % 2 != 0) {
        return false;
    }
    for (uint32_t i = 0; i < text.len; i += 2) {
        int high = hex_value(text.data[i]);
        int low = hex_value(text.data[i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        buf_put_byte(out, (uint8_t)(high * 16 + low));
    }
    return !out->is_full;
}

static int base64_value(char digit, bool is_url) {
    if (digit >= 'A' && digit <= 'Z') {
        return digit - 'A';
    }
    if (digit >= 'a' && digit <= 'z') {
        return digit - 'a' + 26;
    }
    if (digit >= '0' && digit <= '9') {
        return digit - '0' + 52;
    }
    if (digit == (is_url ? '-' : '+')) {
        return 62;
    }
    if (digit == (is_url ? '_' : '/')) {
        return 63;
    }
    return -1;
}

/* `text` has no padding. One to four digits become zero to three bytes; bits that belong to no byte
 * must be zero. */
static bool decode_base64_digits(struct str text, bool is_url, struct buf *out) {
    for (uint32_t i = 0; i < text.len; i += 4) {
        uint32_t have = text.len - i < 4 ? text.len - i : 4;
        uint32_t group = 0;
        for (uint32_t digit = 0; digit < have; digit++) {
            int value = base64_value(text.data[i + digit], is_url);
            if (value < 0) {
                return false;
            }
            group |= (uint32_t)value << (18 - 6 * digit);
        }
        uint32_t bytes = have * 6 / 8;
        uint32_t stray_bits = 24 - 8 * bytes;
        if (have == 1 || (group & ((1u << stray_bits) - 1)) != 0) {
            return false;
        }
        const uint8_t wire[3] = {(uint8_t)(group >> 16), (uint8_t)(group >> 8), (uint8_t)group};
        buf_put(out, wire, bytes);
    }
    return !out->is_full;
}

bool decode_base64(struct str text, struct buf *out) {
    if (text.len % 4 != 0) {
        return false;
    }
    uint32_t digits = text.len;
    while (digits > 0 && text.len - digits < 2 && text.data[digits - 1] == '=') {
        digits--;
    }
    return decode_base64_digits(str_slice(text, 0, digits), false, out);
}

bool decode_base64url(struct str text, struct buf *out) {
    return decode_base64_digits(text, true, out);
}

bool decode_percent(struct str text, bool plus_is_blank, struct buf *out) {
    for (uint32_t i = 0; i < text.len; i++) {
        char byte = text.data[i];
        if (byte == '+' && plus_is_blank) {
            byte = ' ';
        } else if (byte == '%') {
            if (text.len - i < 3 || !decode_hex(str_slice(text, i + 1, i + 3), out)) {
                return false;
            }
            i += 2;
            continue;
        }
        buf_put_byte(out, (uint8_t)byte);
    }
    return !out->is_full;
}

/* Bytes of the well-formed sequence at the start of `at`, 0 when there is none: Unicode 15, table
 * 3-7, which is where overlong forms, surrogates and values above U+10FFFF are shut out. */
static uint32_t utf8_sequence(const uint8_t *at, uint32_t room) {
    uint8_t lead = at[0];
    if (lead < 0x80) {
        return 1;
    }
    uint32_t bytes = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || room < bytes) {
        return 0;
    }
    uint8_t second_min = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    uint8_t second_max = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (at[1] < second_min || at[1] > second_max) {
        return 0;
    }
    for (uint32_t i = 2; i < bytes; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return bytes;
}

bool utf8_is_valid(struct str text) {
    const uint8_t *bytes = (const uint8_t *)text.data;
    for (uint32_t i = 0; i < text.len;) {
        uint32_t step = utf8_sequence(bytes + i, text.len - i);
        if (step == 0) {
            return false;
        }
        i += step;
    }
    return true;
}

void utf8_repair(char *text, uint32_t len) {
    for (uint32_t i = 0; i < len;) {
        uint32_t step = utf8_sequence((const uint8_t *)text + i, len - i);
        if (step == 0) {
            text[i] = '?';
            step = 1;
        }
        i += step;
    }
}

uint32_t utf8_count(struct str text) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < text.len; i++) {
        count += ((uint8_t)text.data[i] & 0xc0) != 0x80; /* every byte but continuations */
    }
    return count;
}
