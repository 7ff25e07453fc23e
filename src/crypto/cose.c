/* Public keys of authenticators over BearSSL, see cose.h. */
#include "crypto/cose.h"

#include <string.h>

#include <bearssl.h>

#include "crypto/cbor.h"

enum {
    /* Labels (RFC 9052, 7.1), and those of the key types (RFC 9053, 7.1.1; RFC 8230, 4). */
    LABEL_TYPE = 1,
    LABEL_ALGORITHM = 3,
    LABEL_EC_CURVE = -1,
    LABEL_EC_X = -2,
    LABEL_EC_Y = -3,
    LABEL_RSA_N = -1,
    LABEL_RSA_E = -2,
    TYPE_EC2 = 2,
    TYPE_RSA = 3,
    CURVE_P256 = 1,
    COORDINATE_BYTES = 32,
    MEMBERS_MAX = 5,
    /* NIST SP 800-56B, 6.2: an odd exponent above 2^16; nobody has one of more than 32 bits. */
    EXPONENT_BYTES_MAX = 4,
    EXPONENT_MIN = 65537,
};

static const br_ec_impl *const curve = &br_ec_p256_m31;

/* The members by label, from 3 down to -3; a number or bytes. */
struct members {
    bool is_there[7];
    int64_t numbers[7];
    struct str bytes[7];
};

static uint32_t slot(int64_t label) {
    CHECK(label >= LABEL_EC_Y);
    CHECK(label <= LABEL_ALGORITHM);
    return (uint32_t)(label - LABEL_EC_Y);
}

static bool member_take(struct str *rest, struct members *members) {
    int64_t label;
    struct cbor_item item;
    struct str number;
    if (!cbor_next_int(rest, &label) || label < LABEL_EC_Y || label > LABEL_ALGORITHM ||
        members->is_there[slot(label)]) {
        return false; /* another member than those allowed, or one of them twice */
    }
    number = *rest;
    if (!cbor_next(rest, &item)) {
        return false;
    }
    members->is_there[slot(label)] = true;
    members->bytes[slot(label)] = item.kind == CBOR_BYTES ? item.text : STR_NONE;
    return item.kind == CBOR_BYTES || cbor_next_int(&number, &members->numbers[slot(label)]);
}

static struct str member_bytes(const struct members *members, int64_t label) {
    return members->is_there[slot(label)] ? members->bytes[slot(label)] : STR_NONE;
}

static bool member_is(const struct members *members, int64_t label, int64_t value) {
    return members->is_there[slot(label)] && str_is_none(members->bytes[slot(label)]) &&
           members->numbers[slot(label)] == value;
}

/* Multiplying is how BearSSL checks that a point is on the curve. */
static bool ec_take(const struct members *members, struct cose_key *key) {
    static const uint8_t one = 1;
    uint8_t product[COSE_POINT_BYTES];
    struct str x = member_bytes(members, LABEL_EC_X);
    struct str y = member_bytes(members, LABEL_EC_Y);
    if (!member_is(members, LABEL_ALGORITHM, COSE_ES256) ||
        !member_is(members, LABEL_EC_CURVE, CURVE_P256) || x.len != COORDINATE_BYTES ||
        y.len != COORDINATE_BYTES) {
        return false;
    }
    key->algorithm = COSE_ES256;
    key->point[0] = 4;
    memcpy(key->point + 1, x.data, COORDINATE_BYTES);
    memcpy(key->point + 1 + COORDINATE_BYTES, y.data, COORDINATE_BYTES);
    memcpy(product, key->point, sizeof(product));
    return curve->mul(product, sizeof(product), &one, 1, BR_EC_secp256r1) == 1;
}

static bool modulus_is_good(struct str n) {
    return n.len >= COSE_RSA_BITS_MIN / 8 && n.len <= COSE_RSA_BITS_MAX / 8 &&
           (uint8_t)n.data[0] >= 0x80 && ((uint8_t)n.data[n.len - 1] & 1) == 1;
}

static bool exponent_is_good(struct str e) {
    uint64_t value = 0;
    if (e.len == 0 || e.len > EXPONENT_BYTES_MAX || e.data[0] == 0) {
        return false;
    }
    for (uint32_t i = 0; i < e.len; i++) {
        value = value << 8 | (uint8_t)e.data[i];
    }
    return value >= EXPONENT_MIN && (value & 1) == 1;
}

static bool rsa_take(const struct members *members, struct cose_key *key) {
    key->algorithm = COSE_RS256;
    key->modulus = member_bytes(members, LABEL_RSA_N);
    key->exponent = member_bytes(members, LABEL_RSA_E);
    return member_is(members, LABEL_ALGORITHM, COSE_RS256) &&
           !members->is_there[slot(LABEL_EC_Y)] && modulus_is_good(key->modulus) &&
           exponent_is_good(key->exponent);
}

bool cose_key_parse(struct str bytes, struct cose_key *key) {
    struct members members = {{false}, {0}, {STR_NONE}};
    struct str rest = bytes;
    struct cbor_item map;
    memset(key, 0, sizeof(*key));
    if (bytes.len > COSE_KEY_BYTES_MAX || !cbor_next_kind(&rest, CBOR_MAP, &map) ||
        map.value > MEMBERS_MAX) {
        return false;
    }
    for (uint64_t i = 0; i < map.value; i++) {
        if (!member_take(&rest, &members)) {
            return false;
        }
    }
    bool has_optional = members.is_there[slot(0)] || members.is_there[slot(2)];
    if (rest.len > 0 || has_optional) {
        return false;
    }
    if (member_is(&members, LABEL_TYPE, TYPE_EC2)) {
        return ec_take(&members, key);
    }
    return member_is(&members, LABEL_TYPE, TYPE_RSA) && rsa_take(&members, key);
}

/* BearSSL takes the parts of a key as writable pointers and only reads them. */
static unsigned char *bytes_of(const void *data) {
    union {
        const void *in;
        unsigned char *out;
    } pointer = {.in = data};
    return pointer.out;
}

static bool ec_verify(const struct cose_key *key, struct hash hash, struct str signature) {
    br_ec_public_key public = {BR_EC_secp256r1, bytes_of(key->point), COSE_POINT_BYTES};
    return br_ecdsa_i31_vrfy_asn1(curve, hash.bytes, sizeof(hash.bytes), &public, signature.data,
                                  signature.len) == 1;
}

static bool rsa_verify(const struct cose_key *key, struct hash hash, struct str signature) {
    br_rsa_public_key public = {bytes_of(key->modulus.data), key->modulus.len,
                                bytes_of(key->exponent.data), key->exponent.len};
    struct hash signed_hash;
    if (signature.len != key->modulus.len) {
        return false;
    }
    br_rsa_pkcs1_vrfy verify = br_rsa_pkcs1_vrfy_get_default();
    return verify((const unsigned char *)signature.data, signature.len, BR_HASH_OID_SHA256,
                  sizeof(signed_hash.bytes), &public, signed_hash.bytes) == 1 &&
           hash_equal(signed_hash, hash);
}

bool cose_key_verify(const struct cose_key *key, struct hash hash, struct str signature) {
    if (str_is_none(signature)) {
        return false;
    }
    switch (key->algorithm) {
    case COSE_ES256:
        return ec_verify(key, hash, signature);
    case COSE_RS256:
        return rsa_verify(key, hash, signature);
    }
    CHECK(false);
}
