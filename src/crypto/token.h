/*
 * Opaque tokens: 32 random bytes as 43 characters of base64url. The store only knows their
 * SHA-256, so a stolen store holds no usable token.
 */
#ifndef CRYPTO_TOKEN_H
#define CRYPTO_TOKEN_H

#include "crypto/hash.h"

enum { TOKEN_ENTROPY_BYTES = 32, TOKEN_TEXT_LEN = 43 };

struct token {
    char text[TOKEN_TEXT_LEN]; /* not terminated */
};

struct token token_from_entropy(const uint8_t entropy[TOKEN_ENTROPY_BYTES]);
struct str token_str(const struct token *token); /* borrowed from *token */

/* The key under which the store knows it: SHA-256 of the 43 characters. False when `text` cannot be
 * a token of ours (length, alphabet, stray bits). */
bool token_store_key(struct str text, struct hash *key);

#endif
