/* Tokens and keys: round trips, RFC vectors, and every forgery that the header rule must refuse. */
#include "test.h"

#include "base/decode.h"
#include "crypto/jose.h"
#include "crypto/mac.h"

static struct jose_key key_random(void) {
    uint8_t entropy[SECRET_KEY_BYTES];
    struct jose_key key;
    test_random_fill(entropy, sizeof entropy);
    jose_key_make(&key, entropy);
    return key;
}

static char token_bytes[JOSE_TOKEN_BYTES_MAX];

/* Valid until the next call. */
static struct str token_make(const struct jose_key *key, const char *typ, const char *claims) {
    struct buf out = buf_over(token_bytes, sizeof token_bytes);
    EXPECT_EQ_INT(jose_sign(key, str_from_c(typ), str_from_c(claims), &out), ERR_OK);
    return buf_str(&out);
}

static enum err verify(const struct jose_key *key, const char *typ, struct str token) {
    char claims[JOSE_CLAIMS_BYTES_MAX];
    struct buf out = buf_over(claims, sizeof claims);
    enum err err = jose_verify(&key->public, 1, str_from_c(typ), token, &out, NULL);
    EXPECT((err == ERR_OK) || out.len == 0);
    return err;
}

/* --- keys ---------------------------------------------------------------------------------- */

TEST(rfc_7515_key_gives_its_public_point)
{
    /* RFC 7515, appendix A.3: d, x, y. */
    struct secret_key scalar;
    struct buf out = buf_over(scalar.bytes, sizeof scalar.bytes);
    EXPECT(decode_base64url(STR("jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"), &out));
    struct jose_key key;
    REQUIRE(jose_key_load(&key, &scalar) == ERR_OK);
    char jwk[400] = {0};
    struct buf text = buf_over(jwk, sizeof jwk - 1);
    jose_jwk_format(&key.public, &text);
    /* The thumbprint was computed with the npm package jose. */
    EXPECT_EQ_STR(jwk, "{\"kty\":\"EC\",\"crv\":\"P-256\","
                       "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
                       "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\","
                       "\"kid\":\"oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U\","
                       "\"use\":\"sig\",\"alg\":\"ES256\"}");
}

TEST(scalars_out_of_range_are_refused)
{
    static const uint8_t order[32] = {0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00,
                                      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                      0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84,
                                      0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51};
    struct secret_key scalar = {{0}};
    struct jose_key key;
    EXPECT_EQ_INT(jose_key_load(&key, &scalar), ERR_CRYPTO);
    scalar.bytes[31] = 1;
    EXPECT_EQ_INT(jose_key_load(&key, &scalar), ERR_OK);
    memcpy(scalar.bytes, order, sizeof order);
    EXPECT_EQ_INT(jose_key_load(&key, &scalar), ERR_CRYPTO);
    scalar.bytes[31] = 0x50;
    EXPECT_EQ_INT(jose_key_load(&key, &scalar), ERR_OK);
    memset(scalar.bytes, 0xff, sizeof scalar.bytes);
    EXPECT_EQ_INT(jose_key_load(&key, &scalar), ERR_CRYPTO);
}

TEST(points_off_the_curve_are_refused)
{
    struct jose_key key = key_random();
    struct jose_public_key loaded;
    uint8_t point[JOSE_POINT_BYTES];
    memcpy(point, key.public.point, sizeof point);
    EXPECT_EQ_INT(jose_public_key_load(&loaded, point), ERR_OK);
    EXPECT_EQ_MEM(&loaded, &key.public, sizeof loaded);
    for (size_t bit = 0; bit < 8 * sizeof point; bit += 7) {
        point[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        EXPECT_EQ_INT(jose_public_key_load(&loaded, point), ERR_CRYPTO);
        point[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    memset(point, 0, sizeof point);
    EXPECT_EQ_INT(jose_public_key_load(&loaded, point), ERR_CRYPTO);
}

TEST(keys_come_from_their_entropy)
{
    uint8_t entropy[SECRET_KEY_BYTES] = {1};
    struct jose_key a;
    struct jose_key b;
    jose_key_make(&a, entropy);
    jose_key_make(&b, entropy);
    EXPECT_EQ_MEM(&a, &b, sizeof a);
    entropy[31] = 1;
    jose_key_make(&b, entropy);
    EXPECT(memcmp(&a, &b, sizeof a) != 0);
    jose_key_reset(&a);
    EXPECT(a.scalar.bytes[0] == 0 && a.scalar.bytes[31] == 0);
}

TEST(key_sets_are_json)
{
    struct jose_public_key keys[2] = {key_random().public, key_random().public};
    char text[1000] = {0};
    struct buf out = buf_over(text, sizeof text - 1);
    jose_jwks_format(keys, 0, &out);
    EXPECT_EQ_STR(text, "{\"keys\":[]}");
    buf_reset(&out);
    jose_jwks_format(keys, 2, &out);
    EXPECT(str_starts(buf_str(&out), STR("{\"keys\":[{\"kty\":")));
    EXPECT(strstr(text, "},{\"kty\":") != NULL);
    EXPECT(str_ends(buf_str(&out), STR("\"alg\":\"ES256\"}]}")));
}

/* --- tokens -------------------------------------------------------------------------------- */

TEST(claims_come_back_at_every_length)
{
    struct jose_key key = key_random();
    static char claims[JOSE_CLAIMS_BYTES_MAX];
    static char back_bytes[JOSE_CLAIMS_BYTES_MAX];
    test_random_fill(claims, sizeof claims);
    for (uint32_t len = 0; len <= sizeof claims; len += len < 8 ? 1 : 511) {
        struct buf token = buf_over(token_bytes, sizeof token_bytes);
        struct buf back = buf_over(back_bytes, len); /* exactly fits */
        REQUIRE(jose_sign(&key, STR("JWT"), str_from(claims, len), &token) == ERR_OK);
        EXPECT_EQ_INT(jose_verify(&key.public, 1, STR("JWT"), buf_str(&token), &back, NULL),
                      ERR_OK);
        EXPECT_EQ_UINT(back.len, len);
        EXPECT_EQ_MEM(back.data, claims, len);
    }
}

TEST(the_right_key_of_a_set_is_found)
{
    struct jose_key keys[JOSE_KEYS_MAX];
    struct jose_public_key public[JOSE_KEYS_MAX];
    for (uint32_t index = 0; index < JOSE_KEYS_MAX; index += 1) {
        keys[index] = key_random();
        public[index] = keys[index].public;
    }
    for (uint32_t index = 0; index < JOSE_KEYS_MAX; index += 1) {
        char claims[100];
        struct buf out = buf_over(claims, sizeof claims);
        struct str token = token_make(&keys[index], "at+jwt", "{\"sub\":\"x\"}");
        uint32_t found = 99;
        EXPECT_EQ_INT(jose_verify(public, JOSE_KEYS_MAX, STR("at+jwt"), token, &out, &found),
                      ERR_OK);
        EXPECT_EQ_UINT(found, index);
        EXPECT(str_equal(buf_str(&out), STR("{\"sub\":\"x\"}")));
        EXPECT_EQ_INT(jose_verify(public, index, STR("at+jwt"), token, &out, &found), ERR_FORMAT);
    }
}

TEST(another_type_or_key_is_refused)
{
    struct jose_key key = key_random();
    struct jose_key other = key_random();
    struct str token = token_make(&key, "at+jwt", "{}");
    EXPECT_EQ_INT(verify(&key, "at+jwt", token), ERR_OK);
    EXPECT_EQ_INT(verify(&key, "JWT", token), ERR_FORMAT);
    EXPECT_EQ_INT(verify(&key, "at+jwT", token), ERR_FORMAT);
    EXPECT_EQ_INT(verify(&other, "at+jwt", token), ERR_FORMAT);
    /* Another key that claims this kid. */
    memcpy(other.public.kid, key.public.kid, sizeof key.public.kid);
    EXPECT_EQ_INT(verify(&other, "at+jwt", token), ERR_CRYPTO);
}

TEST(no_change_of_a_single_character_passes)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ ";
    struct jose_key key = key_random();
    char changed[JOSE_TOKEN_BYTES_MAX];
    struct str token = token_make(&key, "JWT", "{\"sub\":\"7\"}");
    memcpy(changed, token.data, token.len);
    for (uint32_t index = 0; index < token.len; index += 1) {
        char replacement = alphabet[test_random_below(sizeof alphabet - 1)];
        if (replacement == token.data[index]) {
            continue;
        }
        changed[index] = replacement;
        EXPECT(verify(&key, "JWT", str_from(changed, token.len)) != ERR_OK);
        changed[index] = token.data[index];
    }
    for (uint32_t len = 0; len < token.len; len += 1) {
        EXPECT_EQ_INT(verify(&key, "JWT", str_from(changed, len)), ERR_FORMAT);
    }
    changed[token.len] = '.';
    EXPECT_EQ_INT(verify(&key, "JWT", str_from(changed, token.len + 1)), ERR_FORMAT);
    changed[token.len] = 'A';
    EXPECT_EQ_INT(verify(&key, "JWT", str_from(changed, token.len + 1)), ERR_FORMAT);
}

/* A token with any header, validly signed by the key over exactly these bytes. */
static struct str forged_make(const struct jose_key *key, const char *header) {
    static char forged[JOSE_TOKEN_BYTES_MAX];
    struct buf out = buf_over(forged, sizeof forged);
    buf_put_base64url(&out, header, strlen(header));
    buf_put_c(&out, ".e30.");
    struct hash mac = mac_of(str_from((const char *)key->public.point, JOSE_POINT_BYTES),
                             str_from(forged, out.len - 1));
    /* HS256 with the public key as the secret: the classic confusion. */
    buf_put_base64url(&out, mac.bytes, sizeof mac.bytes);
    return buf_str(&out);
}

TEST(foreign_headers_are_refused)
{
    static const char *const headers[] = {
        "{\"alg\":\"none\",\"typ\":\"JWT\",\"kid\":\"%s\"}",
        "{\"alg\":\"None\",\"typ\":\"JWT\",\"kid\":\"%s\"}",
        "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"%s\"}",
        "{\"alg\":\"ES384\",\"typ\":\"JWT\",\"kid\":\"%s\"}",
        "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"%s\",\"crit\":[\"exp\"]}",
        "{\"alg\":\"ES256\",\"alg\":\"none\",\"typ\":\"JWT\",\"kid\":\"%s\"}",
        "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"%s\",\"kid\":\"%s\"}",
        "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"%s\",\"jwk\":{}}",
        "{\"typ\":\"JWT\",\"alg\":\"ES256\",\"kid\":\"%s\"}",
        "{ \"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"%s\"}",
        "{\"alg\":\"ES256\",\"typ\":\"JWT\"}",
        "{\"alg\":\"ES256\",\"kid\":\"%s\"}",
        "{}",
        "",
    };
    struct jose_key key = key_random();
    for (size_t index = 0; index < COUNT_OF(headers); index += 1) {
        char header[300] = {0};
        struct buf out = buf_over(header, sizeof header - 1);
        for (const char *at = headers[index]; *at != '\0'; at += 1) {
            if (at[0] == '%') {
                buf_put(&out, key.public.kid, JOSE_KID_LEN);
                at += 1;
            } else {
                buf_put_byte(&out, (uint8_t)*at);
            }
        }
        struct str token = forged_make(&key, header);
        EXPECT_EQ_INT(verify(&key, "JWT", token), ERR_FORMAT);
        /* And without any signature at all. */
        struct str unsigned_token = str_slice(token, 0, token.len - 43);
        EXPECT_EQ_INT(verify(&key, "JWT", unsigned_token), ERR_FORMAT);
    }
}

TEST(signatures_of_zeros_or_wrong_length_are_refused)
{
    struct jose_key key = key_random();
    struct str token = token_make(&key, "JWT", "{}");
    char text[JOSE_TOKEN_BYTES_MAX];
    uint32_t from = token.len - 86;
    memcpy(text, token.data, token.len);
    memset(text + from, 'A', 86);
    EXPECT_EQ_INT(verify(&key, "JWT", str_from(text, token.len)), ERR_CRYPTO);
    EXPECT_EQ_INT(verify(&key, "JWT", str_from(text, token.len - 86)), ERR_FORMAT);
    EXPECT_EQ_INT(verify(&key, "JWT", str_from(text, token.len - 87)), ERR_FORMAT);
    memset(text + from, 'A', 88);
    EXPECT_EQ_INT(verify(&key, "JWT", str_from(text, token.len + 2)), ERR_FORMAT);
    memset(text, 'A', sizeof text);
    EXPECT_EQ_INT(verify(&key, "JWT", str_from(text, sizeof text)), ERR_FORMAT);
    EXPECT_EQ_INT(verify(&key, "JWT", STR("")), ERR_FORMAT);
    EXPECT_EQ_INT(verify(&key, "JWT", STR("..")), ERR_FORMAT);
}

TEST(what_does_not_fit_changes_nothing)
{
    struct jose_key key = key_random();
    char small[150];
    struct buf out = buf_over(small, sizeof small);
    EXPECT_EQ_INT(jose_sign(&key, STR("JWT"), STR("{}"), &out), ERR_FULL);
    EXPECT_EQ_UINT(out.len, 0);
    static char large[JOSE_CLAIMS_BYTES_MAX + 1];
    struct buf token = buf_over(token_bytes, sizeof token_bytes);
    EXPECT_EQ_INT(jose_sign(&key, STR("JWT"), str_from(large, sizeof large), &token), ERR_FULL);
    EXPECT_EQ_UINT(token.len, 0);
    struct str good = token_make(&key, "JWT", "{\"a\":1}");
    struct buf claims = buf_over(small, 6);
    EXPECT_EQ_INT(jose_verify(&key.public, 1, STR("JWT"), good, &claims, NULL), ERR_FULL);
    EXPECT_EQ_UINT(claims.len, 0);
}

TEST(misuse_stops_the_process)
{
    struct jose_key key = key_random();
    char text[300];
    struct buf out = buf_over(text, sizeof text);
    EXPECT_DIES(jose_sign(&key, STR(""), STR("{}"), &out));
    EXPECT_DIES(jose_sign(&key, STR("a\"b"), STR("{}"), &out));
    EXPECT_DIES(jose_verify(&key.public, JOSE_KEYS_MAX + 1, STR("JWT"), STR(""), &out, NULL));
}

/* --- HS256 --------------------------------------------------------------------------------- */

static struct secret_key mac_key(uint8_t first) {
    struct secret_key key;
    for (uint32_t i = 0; i < sizeof key.bytes; i++) {
        key.bytes[i] = (uint8_t)(first + i);
    }
    return key;
}

static enum err mac_verify(const struct secret_key *key, struct str token) {
    char claims[JOSE_CLAIMS_BYTES_MAX];
    struct buf out = buf_over(claims, sizeof claims);
    enum err err = jose_mac_verify(key, token, &out);
    EXPECT((err == ERR_OK) || out.len == 0);
    return err;
}

TEST(mac_tokens_are_those_of_other_libraries)
{
    /* Made with Python's hmac. */
    static const char token[] =
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
        "eyJzdWIiOiIxMjM0NTY3ODkwMTIifQ."
        "swavFu04F6KD2K6HCCxf3_kuNeyd2X7OlVSXAjIxe-4";
    struct secret_key key = mac_key(0);
    struct buf out = buf_over(token_bytes, sizeof token_bytes);
    EXPECT_EQ_INT(jose_mac_sign(&key, STR("{\"sub\":\"123456789012\"}"), &out), ERR_OK);
    EXPECT(str_equal(buf_str(&out), str_from_c(token)));
    char claims[64];
    struct buf read = buf_over(claims, sizeof claims);
    EXPECT_EQ_INT(jose_mac_verify(&key, str_from_c(token), &read), ERR_OK);
    EXPECT(str_equal(buf_str(&read), STR("{\"sub\":\"123456789012\"}")));
}

TEST(mac_tokens_and_signed_ones_are_never_taken_for_each_other)
{
    struct secret_key mac = mac_key(7);
    struct jose_key key = key_random();
    struct buf out = buf_over(token_bytes, sizeof token_bytes);
    EXPECT_EQ_INT(jose_mac_sign(&mac, STR("{}"), &out), ERR_OK);
    EXPECT(jose_mac_is_form(buf_str(&out)));
    EXPECT_EQ_INT(verify(&key, "JWT", buf_str(&out)), ERR_FORMAT);
    struct str token = token_make(&key, "JWT", "{}");
    EXPECT(!jose_mac_is_form(token));
    EXPECT_EQ_INT(mac_verify(&mac, token), ERR_FORMAT);
}

TEST(mac_no_change_of_a_single_character_passes)
{
    struct secret_key key = mac_key(1);
    struct secret_key other = mac_key(2);
    struct buf out = buf_over(token_bytes, sizeof token_bytes);
    EXPECT_EQ_INT(jose_mac_sign(&key, STR("{\"a\":12345}"), &out), ERR_OK);
    EXPECT_EQ_INT(mac_verify(&key, buf_str(&out)), ERR_OK);
    EXPECT_EQ_INT(mac_verify(&other, buf_str(&out)), ERR_CRYPTO);
    for (uint32_t i = 0; i < out.len; i++) {
        char kept = token_bytes[i];
        static const char changes[] = "Aa0-_.= \n";
        for (uint32_t k = 0; k < sizeof changes - 1; k++) {
            token_bytes[i] = changes[k];
            EXPECT((mac_verify(&key, buf_str(&out)) == ERR_OK) == (changes[k] == kept));
        }
        token_bytes[i] = kept;
    }
    for (uint32_t len = 0; len < out.len; len++) {
        EXPECT(mac_verify(&key, str_from(token_bytes, len)) != ERR_OK);
    }
}

TEST(mac_what_does_not_fit_changes_nothing)
{
    static char large[JOSE_CLAIMS_BYTES_MAX + 1];
    struct secret_key key = mac_key(3);
    char small[16];
    struct buf out = buf_over(small, sizeof small);
    EXPECT_EQ_INT(jose_mac_sign(&key, STR("{}"), &out), ERR_FULL);
    EXPECT_EQ_UINT(out.len, 0);
    struct buf token = buf_over(token_bytes, sizeof token_bytes);
    EXPECT_EQ_INT(jose_mac_sign(&key, str_from(large, sizeof large), &token), ERR_FULL);
    EXPECT_EQ_UINT(token.len, 0);
    token = buf_over(token_bytes, sizeof token_bytes);
    EXPECT_EQ_INT(jose_mac_sign(&key, STR("{\"a\":1}"), &token), ERR_OK);
    struct buf claims = buf_over(small, 4);
    EXPECT_EQ_INT(jose_mac_verify(&key, buf_str(&token), &claims), ERR_FULL);
    EXPECT_EQ_UINT(claims.len, 0);
}
