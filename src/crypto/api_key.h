/*
 * API keys as text: a prefix of four characters ("cfk_"), 26 random letters and digits (154 bits),
 * and six that are the CRC-32 of all before. A scanner for leaked keys tells ours from noise by the
 * checksum alone, and a mistyped one costs no look into the store. The store knows only the hash.
 */
#ifndef CRYPTO_API_KEY_H
#define CRYPTO_API_KEY_H

#include "crypto/hash.h"

enum { API_KEY_PREFIX_LEN = 4, API_KEY_RANDOM_LEN = 26, API_KEY_CHECK_LEN = 6, API_KEY_LEN = 36 };

struct api_key {
    char text[API_KEY_LEN];
};

/* `prefix` has API_KEY_PREFIX_LEN characters, the last a '_'. The same entropy makes the same
 * key. */
struct api_key api_key_make(const char *prefix, const uint8_t entropy[32]);
struct str api_key_str(const struct api_key *key); /* borrowed from *key */
/* Has it the form and the right checksum, whatever the prefix? */
bool api_key_is_sound(struct str text);
/* What the store is asked for. */
struct hash api_key_hash(struct str text);

#endif
