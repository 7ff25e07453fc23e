/* Update bundles: versions, the header, what is judged in which order. image/bundle makes the real
 * ones; tests/http/test_appliance.py brings both together. */
#include "test.h"

#include "crypto/bundle.h"

#include <bearssl.h>

enum { IMAGE_BYTES = 2 * BUNDLE_PART_BYTES + 1000 };

static char image[IMAGE_BYTES];
static char header[BUNDLE_HEADER_BYTES_MAX];
static uint8_t point[BUNDLE_KEY_BYTES];

static uint64_t version_of(const char *text) {
    uint64_t version = UINT64_MAX;
    return bundle_version_parse(str_from_c(text), &version) ? version : UINT64_MAX;
}

static void version_put(struct buf *out, uint64_t version) {
    buf_put_be16(out, (uint16_t)(version >> 32));
    buf_put_be16(out, (uint16_t)(version >> 16));
    buf_put_be16(out, (uint16_t)version);
}

static void sign(struct buf *out) {
    unsigned char scalar[32];
    memset(scalar, 7, sizeof scalar);
    br_ec_private_key private = {BR_EC_secp256r1, scalar, sizeof scalar};
    br_ec_public_key public;
    unsigned char memory[BR_EC_KBUF_PUB_MAX_SIZE];
    REQUIRE(br_ec_compute_pub(&br_ec_p256_m31, &public, memory, &private) == sizeof point);
    memcpy(point, memory, sizeof point);
    struct hash hash = hash_of(buf_str(out));
    unsigned char signature[BUNDLE_SIGNATURE_BYTES];
    REQUIRE(br_ecdsa_i31_sign_raw(&br_ec_p256_m31, &br_sha256_vtable, hash.bytes, &private,
                                  signature) == sizeof signature);
    buf_put(out, signature, sizeof signature);
}

static struct str bundle_make(const char *version, const char *version_min) {
    struct buf out = buf_over(header, sizeof header);
    for (uint32_t index = 0; index < sizeof image; index++) {
        image[index] = (char)test_random();
    }
    buf_put_c(&out, "COFFERUP");
    buf_put_be16(&out, 1);
    buf_put_be16(&out, BUNDLE_FIXED_BYTES + 3 * HASH_BYTES + BUNDLE_SIGNATURE_BYTES);
    version_put(&out, version_of(version));
    version_put(&out, version_of(version_min));
    buf_put_be32(&out, IMAGE_BYTES);
    buf_put_be32(&out, BUNDLE_PART_BYTES);
    for (uint32_t at = 0; at < IMAGE_BYTES; at += BUNDLE_PART_BYTES) {
        struct str part = str_slice(str_from(image, sizeof image), at, at + BUNDLE_PART_BYTES);
        struct hash hash = hash_of(part);
        buf_put(&out, hash.bytes, sizeof hash.bytes);
    }
    sign(&out);
    return buf_str(&out);
}

TEST(bundle_versions_compare_as_numbers)
{
    EXPECT(version_of("0.1.0") < version_of("0.2.0"));
    EXPECT(version_of("0.9.9") < version_of("0.10.0"));
    EXPECT(version_of("1.0.0") > version_of("0.65535.65535"));
    static const char *const bad[] = {"",      "1",      "1.2",       "1.2.3.4", "1..3",  "1.2.",
                                      "a.b.c", "1.2.-3", "65536.0.0", " 1.2.3",  "1.2.3 "};
    for (uint32_t index = 0; index < COUNT_OF(bad); index++) {
        EXPECT(version_of(bad[index]) == UINT64_MAX);
    }
    char memory[BUNDLE_VERSION_LEN_MAX];
    struct buf out = buf_over(memory, sizeof memory);
    bundle_version_format(version_of("65535.65535.65535"), &out);
    EXPECT(str_equal(buf_str(&out), STR("65535.65535.65535")));
}

TEST(bundle_of_our_key_is_taken)
{
    struct bundle bundle;
    struct str text = bundle_make("1.2.3", "1.0.0");
    EXPECT_EQ_INT(bundle_judge(text, point, version_of("1.2.2"), &bundle), ERR_OK);
    EXPECT(bundle.version == version_of("1.2.3"));
    EXPECT_EQ_UINT(bundle.part_count, 3);
    EXPECT_EQ_UINT(bundle.image_bytes, IMAGE_BYTES);
    EXPECT_EQ_UINT(bundle_part_bytes(&bundle, 2), 1000);
    struct str all = str_from(image, sizeof image);
    for (uint32_t index = 0; index < 3; index++) {
        struct str part =
            str_slice(all, index * BUNDLE_PART_BYTES, (index + 1) * BUNDLE_PART_BYTES);
        EXPECT(bundle_part_fits(&bundle, index, part));
        EXPECT(!bundle_part_fits(&bundle, (index + 1) % 3, part));
        image[index * BUNDLE_PART_BYTES] ^= 1;
        EXPECT(!bundle_part_fits(&bundle, index, part));
    }
}

TEST(bundle_is_judged_by_key_form_signature_and_version)
{
    struct bundle bundle;
    struct str text = bundle_make("1.2.3", "1.0.0");
    EXPECT_EQ_INT(bundle_judge(text, NULL, version_of("1.2.2"), &bundle), ERR_UPDATE_KEY);
    EXPECT_EQ_INT(bundle_judge(text, point, version_of("1.2.3"), &bundle), ERR_UPDATE_OLD);
    EXPECT_EQ_INT(bundle_judge(text, point, version_of("2.0.0"), &bundle), ERR_UPDATE_OLD);
    EXPECT_EQ_INT(bundle_judge(text, point, version_of("0.9.9"), &bundle), ERR_UPDATE_BASE);
    EXPECT_EQ_INT(bundle_judge(text, point, version_of("1.0.0"), &bundle), ERR_OK);
    const uint8_t *foreign = bundle_key();
    REQUIRE(foreign != NULL); /* the tests' key */
    EXPECT_EQ_INT(bundle_judge(text, foreign, 0, &bundle), ERR_UPDATE_UNSIGNED);
}

TEST(bundle_cut_or_changed_anywhere_is_refused)
{
    struct bundle bundle;
    struct str text = bundle_make("1.2.3", "0.0.0");
    for (uint32_t len = 0; len < text.len; len++) {
        EXPECT_EQ_INT(bundle_judge(str_slice(text, 0, len), point, 0, &bundle), ERR_UPDATE_FORMAT);
    }
    for (uint32_t at = 0; at < text.len; at += 3) {
        header[at] ^= 0x40;
        enum err err = bundle_judge(text, point, 0, &bundle);
        EXPECT(err == ERR_UPDATE_FORMAT || err == ERR_UPDATE_UNSIGNED);
        header[at] ^= 0x40;
    }
    EXPECT_EQ_INT(bundle_judge(text, point, 0, &bundle), ERR_OK);
}
