/* Base 62, a checksum, and nothing secret about either: see api_key.h. */
#include "crypto/api_key.h"

#include <string.h>

#include "crypto/secret.h"

enum { BASE = 62, CHECKED_LEN = API_KEY_PREFIX_LEN + API_KEY_RANDOM_LEN };

_Static_assert(CHECKED_LEN + API_KEY_CHECK_LEN == API_KEY_LEN, "the parts of a key");

static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/* CRC-32 as of ISO 3309, the one of zip and PNG. */
static uint32_t checksum(const char *data, uint32_t len) {
    uint32_t crc = UINT32_MAX;
    for (uint32_t i = 0; i < len; i++) {
        crc ^= (uint8_t)data[i];
        for (uint32_t bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ ((crc & 1) != 0 ? UINT32_C(0xedb88320) : 0);
        }
    }
    return ~crc;
}

static void put_check(char *text) {
    uint32_t crc = checksum(text, CHECKED_LEN);
    for (uint32_t i = API_KEY_LEN; i > CHECKED_LEN; i--) {
        text[i - 1] = digits[crc % BASE];
        crc /= BASE;
    }
    CHECK(crc == 0);
}

/* Divides the number in place; the remainder is the next digit. 26 digits out of 256 bits: the bias
 * is below 2^-100. */
static uint8_t divide(uint8_t number[32]) {
    uint32_t rest = 0;
    for (uint32_t i = 0; i < 32; i++) {
        rest = rest << 8 | number[i];
        number[i] = (uint8_t)(rest / BASE);
        rest %= BASE;
    }
    return (uint8_t)rest;
}

struct api_key api_key_make(const char *prefix, const uint8_t entropy[32]) {
    struct api_key key;
    uint8_t number[32];
    CHECK(strlen(prefix) == API_KEY_PREFIX_LEN);
    CHECK(prefix[API_KEY_PREFIX_LEN - 1] == '_');
    memcpy(key.text, prefix, API_KEY_PREFIX_LEN);
    memcpy(number, entropy, sizeof(number));
    for (uint32_t i = 0; i < API_KEY_RANDOM_LEN; i++) {
        key.text[API_KEY_PREFIX_LEN + i] = digits[divide(number)];
    }
    crypto_wipe(number, sizeof(number));
    put_check(key.text);
    return key;
}

struct str api_key_str(const struct api_key *key) {
    return str_from(key->text, sizeof(key->text));
}

static bool is_digit(char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

bool api_key_is_sound(struct str text) {
    char expected[API_KEY_LEN];
    if (text.len != API_KEY_LEN || text.data[API_KEY_PREFIX_LEN - 1] != '_') {
        return false;
    }
    for (uint32_t i = API_KEY_PREFIX_LEN; i < API_KEY_LEN; i++) {
        if (!is_digit(text.data[i])) {
            return false;
        }
    }
    memcpy(expected, text.data, sizeof(expected));
    put_check(expected);
    return memcmp(expected, text.data, sizeof(expected)) == 0;
}

struct hash api_key_hash(struct str text) {
    return hash_of(text);
}
