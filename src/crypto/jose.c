/* ES256 tokens and JWKs over BearSSL's P-256; HS256 tokens over our HMAC. */
#include "crypto/jose.h"

#include <string.h>

#include <bearssl.h>

#include "base/decode.h"
#include "crypto/hash.h"

enum {
    SIGNATURE_BYTES = 64,
    SIGNATURE_CHARS = 86,
    COORDINATE_BYTES = 32,
    /* {"alg":"ES256","typ":"","kid":""} and its values */
    HEADER_BYTES_MAX = 33 + JOSE_TYP_LEN_MAX + JOSE_KID_LEN,
    HEADER_CHARS_MAX = (HEADER_BYTES_MAX * 4 + 2) / 3,
};

_Static_assert(HEADER_CHARS_MAX + 1 + (JOSE_CLAIMS_BYTES_MAX * 4 + 2) / 3 + 1 + SIGNATURE_CHARS <=
                   JOSE_TOKEN_BYTES_MAX,
               "the largest claims fit in a token");

static const br_ec_impl *const curve = &br_ec_p256_m31;

static uint32_t base64url_chars(uint32_t bytes) {
    return (bytes * 4 + 2) / 3;
}

/* --- keys ---------------------------------------------------------------------------------- */

static struct str point_x(const struct jose_public_key *key) {
    return str_from((const char *)key->point + 1, COORDINATE_BYTES);
}

static struct str point_y(const struct jose_public_key *key) {
    return str_from((const char *)key->point + 1 + COORDINATE_BYTES, COORDINATE_BYTES);
}

static struct str key_kid(const struct jose_public_key *key) {
    return str_from(key->kid, JOSE_KID_LEN);
}

/* The required members in alphabetical order (RFC 7638, 3.2). */
static void thumbprint_set(struct jose_public_key *key) {
    char text[160];
    struct buf out = buf_over(text, sizeof text);
    buf_put_c(&out, "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"");
    buf_put_base64url(&out, point_x(key).data, COORDINATE_BYTES);
    buf_put_c(&out, "\",\"y\":\"");
    buf_put_base64url(&out, point_y(key).data, COORDINATE_BYTES);
    buf_put_c(&out, "\"}");
    CHECK(!out.is_full);
    struct hash hash = hash_of(buf_str(&out));
    struct buf kid = buf_over(key->kid, sizeof key->kid);
    buf_put_base64url(&kid, hash.bytes, sizeof hash.bytes);
    CHECK(kid.len == JOSE_KID_LEN);
}

enum err jose_key_load(struct jose_key *key, const struct secret_key *scalar) {
    size_t order_bytes = 0;
    const unsigned char *order = curve->order(BR_EC_secp256r1, &order_bytes);
    if (!crypto_is_scalar(scalar->bytes, SECRET_KEY_BYTES, order, order_bytes)) {
        return ERR_CRYPTO;
    }
    key->scalar = *scalar;
    size_t bytes =
        curve->mulgen(key->public.point, key->scalar.bytes, SECRET_KEY_BYTES, BR_EC_secp256r1);
    CHECK(bytes == JOSE_POINT_BYTES);
    thumbprint_set(&key->public);
    return ERR_OK;
}

void jose_key_make(struct jose_key *key, const uint8_t entropy[SECRET_KEY_BYTES]) {
    uint8_t scratch[BR_EC_KBUF_PRIV_MAX_SIZE];
    br_hmac_drbg_context drbg;
    br_hmac_drbg_init(&drbg, &br_sha256_vtable, entropy, SECRET_KEY_BYTES);
    size_t bytes = br_ec_keygen(&drbg.vtable, curve, NULL, scratch, BR_EC_secp256r1);
    CHECK(bytes == SECRET_KEY_BYTES);
    struct secret_key scalar;
    memcpy(scalar.bytes, scratch, sizeof scalar.bytes);
    enum err err = jose_key_load(key, &scalar);
    CHECK(err == ERR_OK);
    crypto_wipe(&drbg, sizeof drbg);
    crypto_wipe(&scalar, sizeof scalar);
    crypto_wipe(scratch, sizeof scratch);
}

enum err jose_public_key_load(struct jose_public_key *key, const uint8_t point[JOSE_POINT_BYTES]) {
    static const uint8_t one = 1;
    uint8_t product[JOSE_POINT_BYTES];
    memcpy(product, point, sizeof product);
    /* Multiplying is how BearSSL checks that a point is on the curve. */
    if (curve->mul(product, sizeof product, &one, 1, BR_EC_secp256r1) != 1) {
        return ERR_CRYPTO;
    }
    memcpy(key->point, point, sizeof key->point);
    thumbprint_set(key);
    return ERR_OK;
}

void jose_key_reset(struct jose_key *key) {
    crypto_wipe(key, sizeof *key);
}

void jose_jwk_format(const struct jose_public_key *key, struct buf *out) {
    buf_put_c(out, "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"");
    buf_put_base64url(out, point_x(key).data, COORDINATE_BYTES);
    buf_put_c(out, "\",\"y\":\"");
    buf_put_base64url(out, point_y(key).data, COORDINATE_BYTES);
    buf_put_c(out, "\",\"kid\":\"");
    buf_put_str(out, key_kid(key));
    buf_put_c(out, "\",\"use\":\"sig\",\"alg\":\"ES256\"}");
}

void jose_jwks_format(const struct jose_public_key *keys, uint32_t count, struct buf *out) {
    buf_put_c(out, "{\"keys\":[");
    for (uint32_t index = 0; index < count; index += 1) {
        if (index > 0) {
            buf_put_byte(out, ',');
        }
        jose_jwk_format(&keys[index], out);
    }
    buf_put_c(out, "]}");
}

/* --- tokens -------------------------------------------------------------------------------- */

static bool typ_is_plain(struct str typ) {
    for (uint32_t index = 0; index < typ.len; index += 1) {
        char c = typ.data[index];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
        if (!is_plain) {
            return false;
        }
    }
    return typ.len > 0 && typ.len <= JOSE_TYP_LEN_MAX;
}

/* The one header that we write for this key and type, encoded. */
static void header_put(const struct jose_public_key *key, struct str typ, struct buf *out) {
    char text[HEADER_BYTES_MAX];
    struct buf header = buf_over(text, sizeof text);
    buf_put_c(&header, "{\"alg\":\"ES256\",\"typ\":\"");
    buf_put_str(&header, typ);
    buf_put_c(&header, "\",\"kid\":\"");
    buf_put_str(&header, key_kid(key));
    buf_put_c(&header, "\"}");
    CHECK(!header.is_full);
    buf_put_base64url(out, header.data, header.len);
}

enum err jose_sign(const struct jose_key *key, struct str typ, struct str claims, struct buf *out) {
    CHECK(typ_is_plain(typ));
    char header_text[HEADER_CHARS_MAX];
    struct buf header = buf_over(header_text, sizeof header_text);
    header_put(&key->public, typ, &header);
    CHECK(!header.is_full);
    if (claims.len > JOSE_CLAIMS_BYTES_MAX ||
        buf_room(out) < header.len + 1 + base64url_chars(claims.len) + 1 + SIGNATURE_CHARS) {
        out->is_full = true;
        return ERR_FULL;
    }
    uint32_t from = out->len;
    buf_put_str(out, buf_str(&header));
    buf_put_byte(out, '.');
    buf_put_base64url(out, claims.data, claims.len);
    struct hash hash = hash_of(str_from(out->data + from, out->len - from));
    union {
        const uint8_t *in;
        unsigned char *out;
    } scalar = {.in = key->scalar.bytes}; /* BearSSL only reads it */
    br_ec_private_key private = {BR_EC_secp256r1, scalar.out, SECRET_KEY_BYTES};
    uint8_t signature[SIGNATURE_BYTES];
    size_t bytes = br_ecdsa_i31_sign_raw(curve, &br_sha256_vtable, hash.bytes, &private, signature);
    CHECK(bytes == sizeof signature);
    buf_put_byte(out, '.');
    buf_put_base64url(out, signature, sizeof signature);
    CHECK(!out->is_full);
    return ERR_OK;
}

/* Which key's header is this, under the expected type? key_count if none. */
static uint32_t header_find(const struct jose_public_key *keys, uint32_t key_count, struct str typ,
                            struct str header) {
    for (uint32_t index = 0; index < key_count; index += 1) {
        char text[HEADER_CHARS_MAX];
        struct buf expected = buf_over(text, sizeof text);
        header_put(&keys[index], typ, &expected);
        if (str_equal(header, buf_str(&expected))) {
            return index;
        }
    }
    return key_count;
}

static bool signature_fits(const struct jose_public_key *key, struct str signed_text,
                           const uint8_t signature[SIGNATURE_BYTES]) {
    union {
        const uint8_t *in;
        unsigned char *out;
    } point = {.in = key->point}; /* BearSSL only reads it */
    br_ec_public_key public = {BR_EC_secp256r1, point.out, JOSE_POINT_BYTES};
    struct hash hash = hash_of(signed_text);
    return br_ecdsa_i31_vrfy_raw(curve, hash.bytes, sizeof hash.bytes, &public, signature,
                                 SIGNATURE_BYTES) == 1;
}

enum err jose_verify(const struct jose_public_key *keys, uint32_t key_count, struct str typ,
                     struct str token, struct buf *out, uint32_t *key_index) {
    CHECK(typ_is_plain(typ));
    CHECK(key_count <= JOSE_KEYS_MAX);
    if (token.len > JOSE_TOKEN_BYTES_MAX) {
        return ERR_FORMAT;
    }
    struct str claims = token;
    struct str header = str_split(&claims, '.');
    struct str signature_text = claims;
    claims = str_split(&signature_text, '.');
    uint32_t key = header_find(keys, key_count, typ, header);
    uint8_t signature[SIGNATURE_BYTES];
    struct buf signature_out = buf_over(signature, sizeof signature);
    if (key == key_count || signature_text.len != SIGNATURE_CHARS ||
        !decode_base64url(signature_text, &signature_out)) {
        return ERR_FORMAT;
    }
    CHECK(signature_out.len == SIGNATURE_BYTES);
    if (!signature_fits(&keys[key], str_slice(token, 0, header.len + 1 + claims.len), signature)) {
        return ERR_CRYPTO;
    }
    if (buf_room(out) < claims.len * 3 / 4) {
        out->is_full = true;
        return ERR_FULL;
    }
    uint32_t len_before = out->len;
    if (!decode_base64url(claims, out)) {
        out->len = len_before;
        return ERR_FORMAT;
    }
    if (key_index != NULL) {
        *key_index = key;
    }
    return ERR_OK;
}

/* --- HS256 --------------------------------------------------------------------------------- */

enum { MAC_CHARS = (HASH_BYTES * 4 + 2) / 3 };

/* {"alg":"HS256","typ":"JWT"} */
#define MAC_HEADER STR("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9")

static struct hash token_mac(const struct secret_key *key, struct str signed_text) {
    return mac_of(str_from((const char *)key->bytes, sizeof key->bytes), signed_text);
}

enum err jose_mac_sign(const struct secret_key *key, struct str claims, struct buf *out) {
    if (claims.len > JOSE_CLAIMS_BYTES_MAX ||
        buf_room(out) < MAC_HEADER.len + 1 + base64url_chars(claims.len) + 1 + MAC_CHARS) {
        out->is_full = true;
        return ERR_FULL;
    }
    uint32_t from = out->len;
    buf_put_str(out, MAC_HEADER);
    buf_put_byte(out, '.');
    buf_put_base64url(out, claims.data, claims.len);
    struct hash mac = token_mac(key, str_from(out->data + from, out->len - from));
    buf_put_byte(out, '.');
    buf_put_base64url(out, mac.bytes, sizeof mac.bytes);
    CHECK(!out->is_full);
    return ERR_OK;
}

bool jose_mac_is_form(struct str token) {
    return str_equal(str_split(&token, '.'), MAC_HEADER);
}

enum err jose_mac_verify(const struct secret_key *key, struct str token, struct buf *out) {
    if (token.len > JOSE_TOKEN_BYTES_MAX || !jose_mac_is_form(token)) {
        return ERR_FORMAT;
    }
    struct str claims = token;
    struct str header = str_split(&claims, '.');
    struct str shown = claims;
    claims = str_split(&shown, '.');
    char text[MAC_CHARS];
    struct buf expected = buf_over(text, sizeof text);
    struct hash mac = token_mac(key, str_slice(token, 0, header.len + 1 + claims.len));
    buf_put_base64url(&expected, mac.bytes, sizeof mac.bytes);
    CHECK(!expected.is_full);
    if (str_is_none(shown) || shown.len != MAC_CHARS) {
        return ERR_FORMAT;
    }
    if (!str_equal_secret(shown, buf_str(&expected))) {
        return ERR_CRYPTO;
    }
    if (buf_room(out) < claims.len * 3 / 4) {
        out->is_full = true;
        return ERR_FULL;
    }
    uint32_t len_before = out->len;
    if (!decode_base64url(claims, out)) {
        out->len = len_before;
        return ERR_FORMAT;
    }
    return ERR_OK;
}
