/* One-time passwords over BearSSL's HMAC-SHA-1 (RFC 6238 section 1.2, RFC 4226 section 5.3). */
#include "crypto/totp.h"

#include <bearssl.h>

#include "crypto/secret.h"

enum { SHA1_BYTES = 20 };

int64_t totp_step_at(int64_t time_us) {
    return time_us < 0 ? 0 : time_us / 1000000 / TOTP_STEP_S;
}

void totp_code(struct str secret, int64_t step, char code[TOTP_DIGITS]) {
    CHECK(step >= 0);
    uint8_t counter[8];
    for (uint32_t index = 0; index < sizeof counter; index += 1) {
        counter[index] = (uint8_t)((uint64_t)step >> (56 - 8 * index));
    }
    br_hmac_key_context key;
    br_hmac_context hmac;
    uint8_t digest[SHA1_BYTES];
    br_hmac_key_init(&key, &br_sha1_vtable, secret.data, secret.len);
    br_hmac_init(&hmac, &key, 0);
    br_hmac_update(&hmac, counter, sizeof counter);
    br_hmac_out(&hmac, digest);
    const uint8_t *from = digest + (digest[SHA1_BYTES - 1] & 15);
    uint32_t value = (uint32_t)(from[0] & 0x7f) << 24 | (uint32_t)from[1] << 16 |
                     (uint32_t)from[2] << 8 | from[3];
    for (uint32_t index = TOTP_DIGITS; index > 0; index -= 1) {
        code[index - 1] = (char)('0' + value % 10);
        value /= 10;
    }
    crypto_wipe(&key, sizeof key);
    crypto_wipe(&hmac, sizeof hmac);
    crypto_wipe(digest, sizeof digest);
}

bool totp_check(struct str secret, int64_t time_us, uint32_t window, int64_t last_step,
                struct str code, int64_t *step) {
    CHECK(window <= TOTP_WINDOW_MAX);
    if (code.len != TOTP_DIGITS || secret.len == 0) {
        return false;
    }
    int64_t now = totp_step_at(time_us);
    int64_t found = -1;
    for (int64_t at = now - (int64_t)window; at <= now + (int64_t)window; at += 1) {
        char expected[TOTP_DIGITS];
        totp_code(secret, at < 0 ? 0 : at, expected);
        bool is_equal = crypto_equal(expected, code.data, TOTP_DIGITS);
        found = is_equal && at >= 0 && at > last_step && found < 0 ? at : found;
    }
    if (found < 0) {
        return false;
    }
    *step = found;
    return true;
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

void base32_format(struct str bytes, struct buf *out) {
    uint32_t bits = 0;
    uint32_t bit_count = 0;
    for (uint32_t index = 0; index < bytes.len; index += 1) {
        bits = bits << 8 | (uint8_t)bytes.data[index];
        bit_count += 8;
        while (bit_count >= 5) {
            bit_count -= 5;
            buf_put_byte(out, (uint8_t)alphabet[(bits >> bit_count) & 31]);
        }
    }
    if (bit_count > 0) {
        buf_put_byte(out, (uint8_t)alphabet[(bits << (5 - bit_count)) & 31]);
    }
}

/* 32 for a foreign character. */
static uint32_t base32_value(char character) {
    if (character >= 'A' && character <= 'Z') {
        return (uint32_t)(character - 'A');
    }
    if (character >= 'a' && character <= 'z') {
        return (uint32_t)(character - 'a');
    }
    return character >= '2' && character <= '7' ? (uint32_t)(character - '2') + 26 : 32;
}

bool base32_parse(struct str text, struct buf *out) {
    uint32_t bits = 0;
    uint32_t bit_count = 0;
    for (uint32_t index = 0; index < text.len; index += 1) {
        uint32_t value = base32_value(text.data[index]);
        if (value > 31) {
            return false;
        }
        bits = bits << 5 | value;
        bit_count += 5;
        if (bit_count >= 8) {
            bit_count -= 8;
            buf_put_byte(out, (uint8_t)(bits >> bit_count));
        }
    }
    /* What is left must be the zero filling of a last byte, not a whole character of nothing. */
    return bit_count < 5 && (bits & ((1u << bit_count) - 1)) == 0 && !out->is_full;
}
