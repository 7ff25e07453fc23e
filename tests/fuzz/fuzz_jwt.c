/*
 * Tokens: nothing but a signature made here may be accepted. The input is tried as it is and as the
 * three parts of a token around a valid one; the corpus holds tokens of the key below.
 */
#include <string.h>

#include "crypto/jose.h"
#include "crypto/token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static struct jose_key keys[2];
static struct jose_public_key public_keys[2];

static void keys_make(void) {
    static const uint8_t entropy[2][SECRET_KEY_BYTES] = {{1}, {2}};
    if (public_keys[0].point[0] == 0) {
        for (uint32_t index = 0; index < 2; index += 1) {
            jose_key_make(&keys[index], entropy[index]);
            public_keys[index] = keys[index].public;
        }
    }
}

/* Accepted means: it is exactly what signing its claims gives (our signatures are deterministic),
 * or the same with the other valid signature value (r, n-s), which has the same length and head. */
static void token_try(struct str token) {
    char claims_bytes[JOSE_CLAIMS_BYTES_MAX];
    char again_bytes[JOSE_TOKEN_BYTES_MAX];
    struct buf claims = buf_over(claims_bytes, sizeof claims_bytes);
    struct buf again = buf_over(again_bytes, sizeof again_bytes);
    uint32_t key = 99;
    enum err err = jose_verify(public_keys, 2, STR("at+jwt"), token, &claims, &key);
    if (err != ERR_OK) {
        CHECK(claims.len == 0);
        return;
    }
    CHECK(key < 2);
    CHECK(jose_sign(&keys[key], STR("at+jwt"), buf_str(&claims), &again) == ERR_OK);
    CHECK(again.len == token.len);
    CHECK(memcmp(again.data, token.data, token.len - 86) == 0);
    /* The corpus has no other claims than these; a mutation that signs new ones is a forgery. */
    CHECK(str_equal(buf_str(&claims), STR("{\"sub\":\"7\",\"exp\":1800000000}")));
}

/* One key, one form: accepted is only what signing the claims gives, byte for byte. */
static void mac_token_try(struct str token) {
    static const struct secret_key key = {{3}};
    char claims_bytes[JOSE_CLAIMS_BYTES_MAX];
    char again_bytes[JOSE_TOKEN_BYTES_MAX];
    struct buf claims = buf_over(claims_bytes, sizeof claims_bytes);
    struct buf again = buf_over(again_bytes, sizeof again_bytes);
    if (jose_mac_verify(&key, token, &claims) != ERR_OK) {
        CHECK(claims.len == 0);
        return;
    }
    CHECK(jose_mac_is_form(token));
    CHECK(jose_mac_sign(&key, buf_str(&claims), &again) == ERR_OK);
    CHECK(str_equal(buf_str(&again), token));
    CHECK(str_equal(buf_str(&claims), STR("{\"sub\":\"123456789012\"}")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct str text = str_from((const char *)data, bytes);
    struct hash key;
    keys_make();
    token_try(text);
    mac_token_try(text);
    (void)token_store_key(text, &key);
    /* The input as claims: what we sign comes back. */
    char token_bytes[JOSE_TOKEN_BYTES_MAX];
    char back_bytes[JOSE_CLAIMS_BYTES_MAX];
    struct buf token = buf_over(token_bytes, sizeof token_bytes);
    struct buf back = buf_over(back_bytes, sizeof back_bytes);
    if (bytes % 16 == 0 && jose_sign(&keys[0], STR("JWT"), text, &token) == ERR_OK) {
        CHECK(jose_verify(public_keys, 1, STR("JWT"), buf_str(&token), &back, NULL) == ERR_OK);
        CHECK(str_equal(buf_str(&back), text));
    }
    return 0;
}
