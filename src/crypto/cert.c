/* Writes one fixed shape of certificate (RFC 5280) in DER; the signature is BearSSL's. */
#include "crypto/cert.h"

#include <string.h>

#include <bearssl.h>

#include "base/time.h"
#include "crypto/pem.h"
#include "crypto/secret.h"

enum {
    DER_BYTES_MAX = 6000, /* fits into CERT_PEM_BYTES_MAX as base64 */
    SERIAL_BYTES = 16,
    COMMON_NAME_LEN_MAX = 64, /* RFC 5280, appendix A.1: ub-common-name */
    LABEL_LEN_MAX = 63,
    POINT_BYTES = 65,
    KEY_ID_BYTES = 20,
    YEAR_MAX = 2045, /* + 825 days stays below 2050, where UTCTime ends */
};

enum {
    TAG_BOOLEAN = 0x01,
    TAG_INTEGER = 0x02,
    TAG_BIT_STRING = 0x03,
    TAG_OCTET_STRING = 0x04,
    TAG_UTF8_STRING = 0x0c,
    TAG_UTC_TIME = 0x17,
    TAG_SEQUENCE = 0x30,
    TAG_SET = 0x31,
    TAG_VERSION = 0xa0,    /* TBSCertificate [0] */
    TAG_EXTENSIONS = 0xa3, /* TBSCertificate [3] */
    TAG_KEY_ID = 0x80,     /* AuthorityKeyIdentifier [0] */
    TAG_SAN_DNS = 0x82,
    TAG_SAN_ADDRESS = 0x87,
};

/* Object identifiers with tag and length. */
static const uint8_t oid_ecdsa_sha256[] = {6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2};
static const uint8_t oid_ec_public_key[] = {6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1};
static const uint8_t oid_p256[] = {6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7};
static const uint8_t oid_common_name[] = {6, 3, 0x55, 4, 3};
static const uint8_t oid_subject_key[] = {6, 3, 0x55, 0x1d, 14};
static const uint8_t oid_key_usage[] = {6, 3, 0x55, 0x1d, 15};
static const uint8_t oid_alt_name[] = {6, 3, 0x55, 0x1d, 17};
static const uint8_t oid_basic_constraints[] = {6, 3, 0x55, 0x1d, 19};
static const uint8_t oid_authority_key[] = {6, 3, 0x55, 0x1d, 35};
static const uint8_t oid_ext_key_usage[] = {6, 3, 0x55, 0x1d, 37};
static const uint8_t oid_server_auth[] = {6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 1};

/* --- DER ----------------------------------------------------------------------------------- */

static void raw_put(struct buf *out, const void *data, size_t bytes) {
    buf_put(out, data, bytes);
}

/* Begins an element whose length is not known yet; der_close puts it in. */
static uint32_t der_open(struct buf *out, uint8_t tag) {
    buf_put_byte(out, tag);
    return out->len;
}

static void der_close(struct buf *out, uint32_t from) {
    uint32_t bytes = out->len - from;
    uint32_t head = bytes < 128 ? 1 : bytes < 256 ? 2 : 3; /* DER: the shortest form */
    static const uint8_t room[3];
    raw_put(out, room, head);
    if (out->is_full) {
        return;
    }
    memmove(out->data + from + head, out->data + from, bytes);
    uint8_t length[3] = {(uint8_t)bytes};
    if (head == 2) {
        length[0] = 0x81;
        length[1] = (uint8_t)bytes;
    } else if (head == 3) {
        length[0] = 0x82;
        length[1] = (uint8_t)(bytes >> 8);
        length[2] = (uint8_t)bytes;
    }
    memcpy(out->data + from, length, head);
}

static void der_put(struct buf *out, uint8_t tag, const void *data, size_t bytes) {
    uint32_t at = der_open(out, tag);
    raw_put(out, data, bytes);
    der_close(out, at);
}

static void bit_string_put(struct buf *out, const void *data, size_t bytes) {
    uint32_t at = der_open(out, TAG_BIT_STRING);
    buf_put_byte(out, 0); /* unused bits */
    raw_put(out, data, bytes);
    der_close(out, at);
}

/* --- parts --------------------------------------------------------------------------------- */

static void algorithm_put(struct buf *out) {
    uint32_t at = der_open(out, TAG_SEQUENCE);
    raw_put(out, oid_ecdsa_sha256, sizeof oid_ecdsa_sha256);
    der_close(out, at);
}

/* Issuer and subject: CN = first name. One too long for a CN is in the SAN anyway. */
static void name_put(struct buf *out, const struct cert_request *request) {
    struct str name = request->names[0];
    if (name.len > COMMON_NAME_LEN_MAX) {
        name = STR("coffer");
    }
    uint32_t names = der_open(out, TAG_SEQUENCE);
    uint32_t set = der_open(out, TAG_SET);
    uint32_t pair = der_open(out, TAG_SEQUENCE);
    raw_put(out, oid_common_name, sizeof oid_common_name);
    der_put(out, TAG_UTF8_STRING, name.data, name.len);
    der_close(out, pair);
    der_close(out, set);
    der_close(out, names);
}

static void time_put(struct buf *out, int64_t time_us) {
    struct time_fields t;
    time_split(time_us, &t);
    char text[16];
    struct buf utc = buf_over(text, sizeof text);
    buf_printf(&utc, "%02d%02d%02d%02d%02d%02dZ", (int)(t.year % 100), (int)t.month, (int)t.day,
               (int)t.hour, (int)t.minute, (int)t.second);
    der_put(out, TAG_UTC_TIME, utc.data, utc.len);
}

static void validity_put(struct buf *out, int64_t now_us) {
    int64_t from_us = now_us - TIME_US_PER_DAY;
    uint32_t at = der_open(out, TAG_SEQUENCE);
    time_put(out, from_us);
    /* Both ends belong to the period (RFC 5280, 4.1.2.5), so one second less than all days. */
    time_put(out, from_us + CERT_DAYS * TIME_US_PER_DAY - TIME_US_PER_S);
    der_close(out, at);
}

static void public_key_put(struct buf *out, const uint8_t point[POINT_BYTES]) {
    uint32_t info = der_open(out, TAG_SEQUENCE);
    uint32_t algorithm = der_open(out, TAG_SEQUENCE);
    raw_put(out, oid_ec_public_key, sizeof oid_ec_public_key);
    raw_put(out, oid_p256, sizeof oid_p256);
    der_close(out, algorithm);
    bit_string_put(out, point, POINT_BYTES);
    der_close(out, info);
}

static void extension_put(struct buf *out, const void *oid, size_t oid_bytes, bool is_critical,
                          const void *value, size_t bytes) {
    static const uint8_t yes = 0xff;
    uint32_t at = der_open(out, TAG_SEQUENCE);
    raw_put(out, oid, oid_bytes);
    if (is_critical) {
        der_put(out, TAG_BOOLEAN, &yes, 1);
    }
    der_put(out, TAG_OCTET_STRING, value, bytes);
    der_close(out, at);
}

static void alt_names_put(struct buf *out, const struct cert_request *request) {
    uint32_t extension = der_open(out, TAG_SEQUENCE);
    raw_put(out, oid_alt_name, sizeof oid_alt_name);
    uint32_t octets = der_open(out, TAG_OCTET_STRING);
    uint32_t names = der_open(out, TAG_SEQUENCE);
    for (uint32_t index = 0; index < request->name_count; index += 1) {
        der_put(out, TAG_SAN_DNS, request->names[index].data, request->names[index].len);
    }
    for (uint32_t index = 0; index < request->address_count; index += 1) {
        const struct cert_address *address = &request->addresses[index];
        der_put(out, TAG_SAN_ADDRESS, address->bytes, address->len);
    }
    der_close(out, names);
    der_close(out, octets);
    der_close(out, extension);
}

/* The key's name for those who build chains (RFC 7093, 2, method 1); some verifiers insist on both
 * extensions even where issuer and subject are the same. */
static void key_ids_put(struct buf *out, const uint8_t point[POINT_BYTES]) {
    uint8_t value[4 + KEY_ID_BYTES] = {TAG_SEQUENCE, 2 + KEY_ID_BYTES, TAG_KEY_ID, KEY_ID_BYTES};
    struct hash hash = hash_of(str_from((const char *)point, POINT_BYTES));
    memcpy(value + 4, hash.bytes, KEY_ID_BYTES);
    extension_put(out, oid_authority_key, sizeof oid_authority_key, false, value, sizeof value);
    value[2] = TAG_OCTET_STRING;
    extension_put(out, oid_subject_key, sizeof oid_subject_key, false, value + 2, sizeof value - 2);
}

static void extensions_put(struct buf *out, const struct cert_request *request,
                           const uint8_t point[POINT_BYTES]) {
    static const uint8_t not_a_ca[] = {TAG_SEQUENCE, 0};
    static const uint8_t digital_signature[] = {TAG_BIT_STRING, 2, 7, 0x80};
    uint8_t server_auth[2 + sizeof oid_server_auth] = {TAG_SEQUENCE, sizeof oid_server_auth};
    memcpy(server_auth + 2, oid_server_auth, sizeof oid_server_auth);
    uint32_t outer = der_open(out, TAG_EXTENSIONS);
    uint32_t list = der_open(out, TAG_SEQUENCE);
    extension_put(out, oid_basic_constraints, sizeof oid_basic_constraints, true, not_a_ca,
                  sizeof not_a_ca);
    extension_put(out, oid_key_usage, sizeof oid_key_usage, true, digital_signature,
                  sizeof digital_signature);
    extension_put(out, oid_ext_key_usage, sizeof oid_ext_key_usage, false, server_auth,
                  sizeof server_auth);
    alt_names_put(out, request);
    key_ids_put(out, point);
    der_close(out, list);
    der_close(out, outer);
}

static void body_put(struct buf *out, const struct cert_request *request,
                     const uint8_t serial[SERIAL_BYTES], const uint8_t point[POINT_BYTES]) {
    static const uint8_t version_3[] = {TAG_INTEGER, 1, 2};
    uint32_t at = der_open(out, TAG_SEQUENCE);
    der_put(out, TAG_VERSION, version_3, sizeof version_3);
    der_put(out, TAG_INTEGER, serial, SERIAL_BYTES);
    algorithm_put(out);
    name_put(out, request);
    validity_put(out, request->now_us);
    name_put(out, request);
    public_key_put(out, point);
    extensions_put(out, request, point);
    der_close(out, at);
}

/* --- the whole ----------------------------------------------------------------------------- */

static bool is_letter_or_digit(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool label_is_valid(struct str label) {
    for (uint32_t index = 0; index < label.len; index += 1) {
        char c = label.data[index];
        bool is_edge = index == 0 || index + 1 == label.len;
        if (!is_letter_or_digit(c) && (is_edge || c != '-')) {
            return false;
        }
    }
    return label.len > 0 && label.len <= LABEL_LEN_MAX;
}

/* Labels of letters, digits and inner hyphens (RFC 1123, 2.1); the first may be "*". */
static bool name_is_valid(struct str name) {
    if (name.len == 0 || name.len > CERT_NAME_LEN_MAX) {
        return false;
    }
    if (str_starts(name, STR("*."))) {
        name = str_slice(name, 2, name.len);
    }
    while (!str_is_none(name)) {
        if (!label_is_valid(str_split(&name, '.'))) {
            return false;
        }
    }
    return true;
}

static bool request_is_valid(const struct cert_request *request) {
    struct time_fields now;
    if (request->name_count == 0 || request->name_count > CERT_NAMES_MAX ||
        request->address_count > CERT_ADDRESSES_MAX || request->now_us < TIME_US_PER_DAY ||
        request->now_us > INT64_C(4102444800) * TIME_US_PER_S) {
        return false;
    }
    time_split(request->now_us, &now);
    if (now.year > YEAR_MAX) {
        return false;
    }
    for (uint32_t index = 0; index < request->name_count; index += 1) {
        if (!name_is_valid(request->names[index])) {
            return false;
        }
    }
    for (uint32_t index = 0; index < request->address_count; index += 1) {
        uint8_t len = request->addresses[index].len;
        if (len != 4 && len != 16) {
            return false;
        }
    }
    return true;
}

struct cert_key {
    uint8_t scalar[BR_EC_KBUF_PRIV_MAX_SIZE];
    uint8_t point[BR_EC_KBUF_PUB_MAX_SIZE];
    br_ec_private_key private;
    br_ec_public_key public;
};

static void key_and_serial_make(struct cert_key *key, uint8_t serial[SERIAL_BYTES],
                                const uint8_t entropy[CERT_ENTROPY_BYTES]) {
    br_hmac_drbg_context drbg;
    br_hmac_drbg_init(&drbg, &br_sha256_vtable, entropy, CERT_ENTROPY_BYTES);
    size_t scalar_bytes =
        br_ec_keygen(&drbg.vtable, &br_ec_p256_m31, &key->private, key->scalar, BR_EC_secp256r1);
    CHECK(scalar_bytes == SECRET_KEY_BYTES);
    size_t point_bytes =
        br_ec_compute_pub(&br_ec_p256_m31, &key->public, key->point, &key->private);
    CHECK(point_bytes == POINT_BYTES);
    br_hmac_drbg_generate(&drbg, serial, SERIAL_BYTES);
    serial[0] = (uint8_t)((serial[0] & 0x7f) | 0x40); /* positive, and no leading zero to drop */
    crypto_wipe(&drbg, sizeof drbg);
}

static void certificate_put(struct buf *der, const struct cert_request *request,
                            const struct cert_key *key, const uint8_t serial[SERIAL_BYTES]) {
    uint8_t signature[BR_EC_KBUF_PUB_MAX_SIZE];
    uint32_t at = der_open(der, TAG_SEQUENCE);
    uint32_t body_from = der->len;
    body_put(der, request, serial, key->point);
    struct hash hash = hash_of(str_slice(buf_str(der), body_from, der->len));
    size_t bytes = br_ecdsa_i31_sign_asn1(&br_ec_p256_m31, &br_sha256_vtable, hash.bytes,
                                          &key->private, signature);
    CHECK(bytes > 0);
    algorithm_put(der);
    bit_string_put(der, signature, bytes);
    der_close(der, at);
}

static void key_pem_put(struct buf *out, const struct cert_key *key) {
    uint8_t der[256];
    size_t bytes = br_encode_ec_pkcs8_der(NULL, &key->private, &key->public);
    CHECK(bytes > 0);
    CHECK(bytes <= sizeof der);
    br_encode_ec_pkcs8_der(der, &key->private, &key->public);
    pem_format("PRIVATE KEY", str_from((const char *)der, bytes), out);
    crypto_wipe(der, sizeof der);
}

enum err cert_make(const struct cert_request *request, const uint8_t entropy[CERT_ENTROPY_BYTES],
                   struct buf *certificate_pem, struct buf *key_pem, struct hash *fingerprint) {
    if (!request_is_valid(request)) {
        return ERR_VALIDATION;
    }
    char der_bytes[DER_BYTES_MAX];
    struct buf der = buf_over(der_bytes, sizeof der_bytes);
    uint8_t serial[SERIAL_BYTES];
    struct cert_key key;
    key_and_serial_make(&key, serial, entropy);
    certificate_put(&der, request, &key, serial);
    CHECK(!der.is_full); /* 8 names of 253 bytes and 8 addresses take 3 KB */
    pem_format("CERTIFICATE", buf_str(&der), certificate_pem);
    key_pem_put(key_pem, &key);
    *fingerprint = hash_of(buf_str(&der));
    crypto_wipe(&key, sizeof key);
    return certificate_pem->is_full || key_pem->is_full ? ERR_FULL : ERR_OK;
}

enum err cert_fingerprint(struct str certificate_pem, struct hash *fingerprint) {
    char der_bytes[PEM_CHAIN_BYTES_MAX];
    for (;;) {
        struct buf der = buf_over(der_bytes, sizeof der_bytes);
        struct pem_label label;
        enum err err = pem_next(&certificate_pem, &label, &der);
        if (err != ERR_OK) {
            return ERR_FORMAT;
        }
        if (strcmp(label.text, "CERTIFICATE") == 0) {
            *fingerprint = hash_of(buf_str(&der));
            return ERR_OK;
        }
    }
}
