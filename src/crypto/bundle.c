/* Update bundles, see bundle.h. */
#include "crypto/bundle.h"

#include <bearssl.h>
#include <string.h>

enum { FORMAT = 1, AT_FORMAT = 8, AT_HEADER = 10, AT_VERSION = 12, AT_MIN = 18, AT_IMAGE = 24 };
enum { AT_PART = 28, VERSION_NUMBERS = 3, VERSION_NUMBER_MAX = 65535 };

/* Numbers of `bytes` bytes, at most 8. */
static uint64_t number_at(struct str text, uint32_t at, uint32_t bytes) {
    uint64_t value = 0;
    CHECK(at + bytes <= text.len);
    for (uint32_t index = 0; index < bytes; index++) {
        value = value << 8 | (uint8_t)text.data[at + index];
    }
    return value;
}

/* ---- versions ---- */

bool bundle_version_parse(struct str text, uint64_t *version) {
    uint64_t sum = 0;
    struct str rest = text;
    for (uint32_t index = 0; index < VERSION_NUMBERS; index++) {
        uint64_t number = 0;
        struct str part = str_split(&rest, '.');
        bool is_last = index == VERSION_NUMBERS - 1;
        if (!str_parse_u64(part, &number) || number > VERSION_NUMBER_MAX ||
            str_is_none(rest) != is_last) {
            return false;
        }
        sum = sum << 16 | number;
    }
    *version = sum;
    return true;
}

void bundle_version_format(uint64_t version, struct buf *out) {
    buf_printf(out, "%u.%u.%u", (unsigned)(version >> 32), (unsigned)(version >> 16 & 0xffff),
               (unsigned)(version & 0xffff));
}

/* ---- the header ---- */

enum err bundle_parse(struct str text, struct bundle *bundle) {
    if (text.len < BUNDLE_FIXED_BYTES || !str_starts(text, STR("COFFERUP")) ||
        number_at(text, AT_FORMAT, 2) != FORMAT ||
        number_at(text, AT_PART, 4) != BUNDLE_PART_BYTES) {
        return ERR_FORMAT;
    }
    uint64_t image_bytes = number_at(text, AT_IMAGE, 4);
    uint64_t part_count = (image_bytes + BUNDLE_PART_BYTES - 1) / BUNDLE_PART_BYTES;
    if (part_count == 0 || part_count > BUNDLE_PARTS_MAX) {
        return ERR_FORMAT;
    }
    uint32_t hashes_bytes = (uint32_t)part_count * HASH_BYTES;
    bundle->version = number_at(text, AT_VERSION, 6);
    bundle->version_min = number_at(text, AT_MIN, 6);
    bundle->image_bytes = (uint32_t)image_bytes;
    bundle->part_count = (uint32_t)part_count;
    bundle->header_bytes = BUNDLE_FIXED_BYTES + hashes_bytes + BUNDLE_SIGNATURE_BYTES;
    bundle->hashes = str_slice(text, BUNDLE_FIXED_BYTES, BUNDLE_FIXED_BYTES + hashes_bytes);
    bool is_whole = text.len >= bundle->header_bytes;
    return is_whole && number_at(text, AT_HEADER, 2) == bundle->header_bytes ? ERR_OK : ERR_FORMAT;
}

enum err bundle_verify(struct str text, const uint8_t key[BUNDLE_KEY_BYTES]) {
    struct bundle bundle;
    uint8_t point[BUNDLE_KEY_BYTES]; /* BearSSL's struct wants one that is not const */
    enum err err = bundle_parse(text, &bundle);
    if (err != ERR_OK) {
        return err;
    }
    memcpy(point, key, sizeof point);
    uint32_t signed_bytes = bundle.header_bytes - BUNDLE_SIGNATURE_BYTES;
    struct hash hash = hash_of(str_slice(text, 0, signed_bytes));
    br_ec_public_key public = {BR_EC_secp256r1, point, sizeof point};
    uint32_t fits = br_ecdsa_i31_vrfy_raw(&br_ec_p256_m31, hash.bytes, sizeof hash.bytes, &public,
                                          text.data + signed_bytes, BUNDLE_SIGNATURE_BYTES);
    return fits == 1 ? ERR_OK : ERR_CRYPTO;
}

enum err bundle_judge(struct str text, const uint8_t *key, uint64_t running,
                      struct bundle *bundle) {
    if (key == NULL) {
        return ERR_UPDATE_KEY;
    }
    if (bundle_parse(text, bundle) != ERR_OK) {
        return ERR_UPDATE_FORMAT;
    }
    if (bundle_verify(text, key) != ERR_OK) {
        return ERR_UPDATE_UNSIGNED;
    }
    if (bundle->version <= running) {
        return ERR_UPDATE_OLD;
    }
    return bundle->version_min > running ? ERR_UPDATE_BASE : ERR_OK;
}

/* ---- parts ---- */

uint32_t bundle_part_bytes(const struct bundle *bundle, uint32_t index) {
    CHECK(index < bundle->part_count);
    bool is_last = index == bundle->part_count - 1;
    return is_last ? bundle->image_bytes - index * BUNDLE_PART_BYTES : BUNDLE_PART_BYTES;
}

bool bundle_part_fits(const struct bundle *bundle, uint32_t index, struct str part) {
    if (index >= bundle->part_count || part.len != bundle_part_bytes(bundle, index)) {
        return false;
    }
    struct hash hash = hash_of(part);
    struct str wanted =
        str_slice(bundle->hashes, index * HASH_BYTES, index * HASH_BYTES + HASH_BYTES);
    return str_equal(hash_bytes(&hash), wanted);
}
