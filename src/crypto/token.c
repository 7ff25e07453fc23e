/* Opaque tokens. */
#include "crypto/token.h"

#include "base/decode.h"

struct token token_from_entropy(const uint8_t entropy[TOKEN_ENTROPY_BYTES]) {
    struct token token;
    struct buf out = buf_over(token.text, sizeof token.text);
    buf_put_base64url(&out, entropy, TOKEN_ENTROPY_BYTES);
    CHECK(out.len == TOKEN_TEXT_LEN);
    CHECK(!out.is_full);
    return token;
}

struct str token_str(const struct token *token) {
    return str_from(token->text, TOKEN_TEXT_LEN);
}

bool token_store_key(struct str text, struct hash *key) {
    uint8_t bytes[TOKEN_ENTROPY_BYTES];
    struct buf out = buf_over(bytes, sizeof bytes);
    if (text.len != TOKEN_TEXT_LEN || !decode_base64url(text, &out)) {
        return false;
    }
    CHECK(out.len == TOKEN_ENTROPY_BYTES);
    *key = hash_of(text);
    return true;
}
