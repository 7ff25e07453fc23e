/*
 * What authenticators say: CBOR, keys, authenticator data, attestation objects, signatures. Good
 * ones are recorded (support/webauthn_vectors.h), bad ones are made from them.
 */
#include "test.h"

#include "base/decode.h"
#include "crypto/cbor.h"
#include "crypto/webauthn.h"
#include "support/webauthn_vectors.h"

enum { BYTES_MAX = 2048, PARTS = 5 };

static char memory[PARTS][BYTES_MAX];

/* Valid until the same place is used again. */
static struct str bytes_of(const char *hex, uint32_t place) {
    struct buf out = buf_over(memory[place], BYTES_MAX);
    bool is_good = decode_hex(str_from_c(hex), &out);
    CHECK(is_good);
    return buf_str(&out);
}

static struct str hex(const char *text) {
    return bytes_of(text, 0);
}

/* ---- CBOR ---- */

TEST(cbor_numbers_have_one_spelling)
{
    const struct {
        const char *bytes;
        int64_t value;
    } good[] = {
        {"00", 0},
        {"17", 23},
        {"1818", 24},
        {"18ff", 255},
        {"190100", 256},
        {"19ffff", 65535},
        {"1a00010000", 65536},
        {"1affffffff", UINT32_MAX},
        {"1b0000000100000000", INT64_C(1) << 32},
        {"1b7fffffffffffffff", INT64_MAX},
        {"20", -1},
        {"37", -24},
        {"3818", -25},
        {"390100", -257},
        {"3b7fffffffffffffff", INT64_MIN},
    };
    const char *bad[] = {
        "",     "18",     "1800",       "1817",       "190017",
        "1900", "1900ff", "1a0000ffff", "1a00000000", "1b00000000ffffffff",
        "1c",   "1d",     "1e",         "1f",         "1bffffffffffffffff",
        "40",   "60",     "80",         "a0",         "f4",
        "f7",   "f820",   "f93c00",     "c100",       "3bffffffffffffffff",
    };
    for (uint32_t i = 0; i < COUNT_OF(good); i++) {
        struct str rest = hex(good[i].bytes);
        int64_t value = 5;
        EXPECT(cbor_next_int(&rest, &value));
        EXPECT_EQ_INT(value, good[i].value);
        EXPECT_EQ_INT(rest.len, 0);
    }
    for (uint32_t i = 0; i < COUNT_OF(bad); i++) {
        struct str rest = hex(bad[i]);
        int64_t value = 0;
        EXPECT(!cbor_next_int(&rest, &value));
    }
}

TEST(cbor_strings_and_containers_fit_their_input)
{
    struct cbor_item item;
    struct str rest = hex("43010203"
                          "63616263"
                          "82"
                          "a1"
                          "f6");
    EXPECT(cbor_next_kind(&rest, CBOR_BYTES, &item));
    EXPECT(str_equal(item.text, STR("\1\2\3")));
    EXPECT(cbor_next_kind(&rest, CBOR_TEXT, &item));
    EXPECT(str_equal(item.text, STR("abc")));
    EXPECT(cbor_next_kind(&rest, CBOR_ARRAY, &item));
    EXPECT_EQ_INT(item.value, 2);
    EXPECT(!cbor_next(&rest, &item)); /* a pair cannot be in one byte */
    const char *bad[] = {
        "43",       "430102", "62c328",    "5f4101ff",           "7f6161ff",           "9f01ff",
        "bf0101ff", "81",     "a101",      "9b7fffffffffffffff", "5bffffffffffffffff", "c000",
        "f7",       "f97e00", "fa00000000"};
    for (uint32_t i = 0; i < COUNT_OF(bad); i++) {
        rest = hex(bad[i]);
        EXPECT(!cbor_skip(&rest, NULL));
    }
}

TEST(cbor_skips_one_value_however_deep)
{
    struct str value;
    struct str rest = hex("a2016161818243000000f5");
    EXPECT(!cbor_skip(&rest, &value)); /* the second key is an array; its value is missing */
    rest = hex("a2016161818243000000f500"
               "18ff");
    EXPECT(cbor_skip(&rest, &value));
    EXPECT_EQ_INT(value.len, 12);
    EXPECT_EQ_INT(rest.len, 2);
    for (uint32_t depth = 1; depth < 400; depth++) {
        char deep[400];
        memset(deep, '\x81', sizeof(deep));
        deep[depth] = 0;
        rest = str_from(deep, depth + 1);
        EXPECT_EQ_INT(cbor_skip(&rest, NULL), depth < CBOR_SKIP_ITEMS_MAX);
    }
}

/* ---- recorded ceremonies ---- */

struct parts {
    struct webauthn_attestation attestation;
    struct cose_key key;
    struct webauthn_data data;
    struct str data_bytes, client, signature;
};

static bool parts_load(const struct webauthn_vector *vector, struct parts *parts) {
    parts->data_bytes = bytes_of(vector->data, 1);
    parts->client = bytes_of(vector->client_get, 2);
    parts->signature = bytes_of(vector->signature, 3);
    return webauthn_attestation_parse(bytes_of(vector->attestation, 4), &parts->attestation) &&
           cose_key_parse(parts->attestation.data.public_key, &parts->key) &&
           webauthn_data_parse(parts->data_bytes, &parts->data);
}

static bool signature_fits(const struct parts *parts) {
    struct hash hash = webauthn_signed_hash(parts->data_bytes, parts->client);
    return cose_key_verify(&parts->key, hash, parts->signature);
}

TEST(recorded_passkeys_verify)
{
    for (uint32_t i = 0; i < COUNT_OF(webauthn_vectors); i++) {
        const struct webauthn_vector *vector = &webauthn_vectors[i];
        struct hash rp = hash_of(str_from_c(vector->rp_id));
        struct parts parts;
        REQUIRE(parts_load(vector, &parts));
        EXPECT_EQ_INT(parts.key.algorithm, vector->algorithm);
        EXPECT(str_equal(parts.attestation.format, str_from_c(vector->format)));
        EXPECT(str_equal(parts.attestation.data.rp_id_hash, hash_bytes(&rp)));
        EXPECT(str_equal(parts.data.rp_id_hash, hash_bytes(&rp)));
        EXPECT(webauthn_has(&parts.data, WEBAUTHN_USER_PRESENT));
        EXPECT_EQ_INT(parts.attestation.data.credential_id.len, 32);
        EXPECT_EQ_INT(parts.attestation.data.aaguid.len, WEBAUTHN_AAGUID_BYTES);
        EXPECT(signature_fits(&parts));
    }
}

/* Of every vector every byte of the signed parts and of the signature counts. */
TEST(every_changed_bit_is_noticed)
{
    for (uint32_t i = 0; i < COUNT_OF(webauthn_vectors); i++) {
        struct parts parts;
        REQUIRE(parts_load(&webauthn_vectors[i], &parts));
        uint32_t lengths[] = {parts.data_bytes.len, parts.client.len, parts.signature.len};
        for (uint32_t part = 0; part < COUNT_OF(lengths); part++) {
            for (uint32_t k = 0; k < 40; k++) {
                uint32_t at = (uint32_t)(test_random() % lengths[part]);
                char bit = (char)(1u << test_random() % 8);
                memory[1 + part][at] ^= bit;
                EXPECT(!signature_fits(&parts));
                memory[1 + part][at] ^= bit;
            }
        }
        EXPECT(signature_fits(&parts));
    }
}

TEST(keys_and_signatures_do_not_stand_in_for_each_other)
{
    for (uint32_t i = 0; i < COUNT_OF(webauthn_vectors); i++) {
        for (uint32_t k = 0; k < COUNT_OF(webauthn_vectors); k++) {
            struct parts own;
            struct parts other;
            REQUIRE(parts_load(&webauthn_vectors[k], &other));
            struct cose_key key = other.key;
            uint8_t kept[2][COSE_KEY_BYTES_MAX];
            if (key.algorithm == COSE_RS256) {
                memcpy(kept[0], key.modulus.data, key.modulus.len);
                memcpy(kept[1], key.exponent.data, key.exponent.len);
                key.modulus.data = (const char *)kept[0];
                key.exponent.data = (const char *)kept[1];
            }
            REQUIRE(parts_load(&webauthn_vectors[i], &own));
            own.key = key;
            EXPECT_EQ_INT(signature_fits(&own), i == k);
        }
    }
}

TEST(signatures_of_no_use)
{
    const char *texts[] = {
        "", "00", "3000", "3006020100020100", "3006020101020101", "30080202ffff0202ffff"};
    for (uint32_t i = 0; i < COUNT_OF(webauthn_vectors); i++) {
        struct parts parts;
        REQUIRE(parts_load(&webauthn_vectors[i], &parts));
        for (uint32_t k = 0; k < COUNT_OF(texts); k++) {
            parts.signature = bytes_of(texts[k], 3);
            EXPECT(!signature_fits(&parts));
        }
        parts.signature = STR_NONE;
        EXPECT(!signature_fits(&parts));
        memset(memory[3], 0xff, BYTES_MAX);
        for (uint32_t len = 250; len <= 520; len++) {
            parts.signature = str_from(memory[3], len);
            EXPECT(!signature_fits(&parts));
        }
    }
}

/* ---- form ---- */

/* Cut anywhere it is refused, and so is anything behind the end. */
TEST(nothing_may_be_missing_or_left_over)
{
    for (uint32_t i = 0; i < COUNT_OF(webauthn_vectors); i++) {
        const struct webauthn_vector *vector = &webauthn_vectors[i];
        struct webauthn_attestation attestation;
        struct webauthn_data data;
        struct cose_key key;
        struct str whole = bytes_of(vector->attestation, 0);
        for (uint32_t len = 0; len <= whole.len + 1; len++) {
            EXPECT_EQ_INT(webauthn_attestation_parse(str_from(whole.data, len), &attestation),
                          len == whole.len);
        }
        REQUIRE(webauthn_attestation_parse(whole, &attestation));
        struct str key_bytes = attestation.data.public_key;
        for (uint32_t len = 0; len < key_bytes.len; len++) {
            EXPECT(!cose_key_parse(str_from(key_bytes.data, len), &key));
        }
        EXPECT(cose_key_parse(key_bytes, &key));
        struct str bytes = bytes_of(vector->data, 1);
        for (uint32_t len = 0; len <= bytes.len + 1; len++) {
            EXPECT_EQ_INT(webauthn_data_parse(str_from(bytes.data, len), &data), len == bytes.len);
        }
    }
}

TEST(flags_say_what_follows)
{
    struct webauthn_data data;
    for (uint32_t flags = 0; flags < 256; flags++) {
        char bytes[40] = {0};
        bytes[32] = (char)flags;
        bool is_plain = (flags & (WEBAUTHN_ATTESTED | WEBAUTHN_EXTENDED)) == 0;
        bool is_sane = (flags & WEBAUTHN_BACKED_UP) == 0 || (flags & WEBAUTHN_BACKUP_ELIGIBLE) != 0;
        EXPECT_EQ_INT(webauthn_data_parse(str_from(bytes, 37), &data), is_plain && is_sane);
        bytes[37] = (char)0xa0; /* an empty map */
        bool is_extended = (flags & (WEBAUTHN_ATTESTED | WEBAUTHN_EXTENDED)) == WEBAUTHN_EXTENDED;
        EXPECT_EQ_INT(webauthn_data_parse(str_from(bytes, 38), &data), is_extended && is_sane);
        bytes[37] = 0; /* not a map */
        EXPECT(!webauthn_data_parse(str_from(bytes, 38), &data));
    }
}

TEST(keys_have_exactly_their_members)
{
    struct cose_key key;
    struct webauthn_attestation attestation;
    REQUIRE(webauthn_attestation_parse(bytes_of(webauthn_vectors[0].attestation, 4), &attestation));
    char bytes[COSE_KEY_BYTES_MAX];
    struct str good = attestation.data.public_key;
    memcpy(bytes, good.data, good.len);
    struct str copy = str_from(bytes, good.len);
    EXPECT(cose_key_parse(copy, &key));
    /* a5 01 02 03 26 20 01 21 58 20 X 22 58 20 Y: type, algorithm, curve, a label each. */
    const struct {
        uint32_t at;
        char byte;
    } bad[] = {
        {0, '\xa4'}, {0, '\xa6'}, {0, '\x85'}, {1, '\x02'}, {1, '\x03'},
        {2, '\x03'}, {2, '\x01'}, {3, '\x04'}, {4, '\x27'}, {5, '\x21'},
        {6, '\x02'}, {7, '\x22'}, {8, '\x78'}, {9, '\x1f'}, {42, '\x24'},
    };
    for (uint32_t i = 0; i < COUNT_OF(bad); i++) {
        char kept = bytes[bad[i].at];
        bytes[bad[i].at] = bad[i].byte;
        EXPECT(!cose_key_parse(copy, &key));
        bytes[bad[i].at] = kept;
    }
    for (uint32_t at = 10; at < good.len; at++) { /* off the curve, or damaged */
        bytes[at] ^= 1;
        EXPECT(!cose_key_parse(copy, &key));
        bytes[at] ^= 1;
    }
    EXPECT(cose_key_parse(copy, &key));
}

TEST(counters_rise_or_stay_zero)
{
    EXPECT(webauthn_counter_holds(0, 0));
    EXPECT(webauthn_counter_holds(0, 1));
    EXPECT(webauthn_counter_holds(7, 8));
    EXPECT(webauthn_counter_holds(UINT32_MAX - 1, UINT32_MAX));
    EXPECT(!webauthn_counter_holds(7, 7));
    EXPECT(!webauthn_counter_holds(7, 6));
    EXPECT(!webauthn_counter_holds(7, 0));
    EXPECT(!webauthn_counter_holds(UINT32_MAX, 0));
}
