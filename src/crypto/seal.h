/*
 * Sealing of secrets at rest: AES-256-GCM, authenticated together with a purpose (table, field,
 * record id), so that a sealed value copied to another place does not open there.
 *
 * Sealed form: version byte 1, nonce (12), ciphertext (as long as the plaintext), tag (16).
 *
 * The nonce is HMAC(nonce key, purpose, entropy, plaintext) cut to 96 bits: equal nonces need equal
 * purpose, entropy and plaintext (then the sealed bytes are the same too and tell nothing new) or a
 * chance of 2^-33 after 2^32 seals. So entropy that comes twice, as from one command for two
 * fields, does no harm.
 */
#ifndef CRYPTO_SEAL_H
#define CRYPTO_SEAL_H

#include "base/buf.h"
#include "base/err.h"
#include "crypto/secret.h"

enum {
    SEAL_OVERHEAD_BYTES = 1 + 12 + 16,
    SEAL_ENTROPY_BYTES_MIN = 16,
    SEAL_PLAINTEXT_BYTES_MAX = 1024 * 1024, /* STORE_RECORD_BYTES_MAX */
};

/* A key ready for use: its schedule and the fastest constant-time code that this processor has
 * (asking the processor costs microseconds in a virtual machine, so it happens once). Wipe with
 * seal_key_close. */
struct seal_key {
    uint64_t aes[64];
    void (*ghash)(void *y, const void *h, const void *data, size_t bytes); /* NULL = not open */
    struct secret_key nonce_key;
};

/* Both inner keys are derived from `key`, which the caller may wipe afterwards. */
void seal_key_open(struct seal_key *seal, const struct secret_key *key);
/* The same from random bytes that nothing else is made from, and quickly: the choice of code is
 * that of `like`, an open key. */
enum { SEAL_RAW_KEY_BYTES = 64 };
void seal_key_open_raw(struct seal_key *seal, const struct seal_key *like,
                       const uint8_t bytes[SEAL_RAW_KEY_BYTES]);
void seal_key_close(struct seal_key *seal);

/* Appends plaintext.len + SEAL_OVERHEAD_BYTES to `out`. ERR_FULL when they do not fit or the
 * plaintext is over its limit: `out` is then unchanged but full. Entropy: SEAL_ENTROPY_BYTES_MIN or
 * more, CHECKed. */
enum err seal_put(const struct seal_key *seal, struct str purpose, struct str entropy,
                  struct str plaintext, struct buf *out);

/* Appends the plaintext to `out`. ERR_CRYPTO when the seal was not made by this key for this
 * purpose or was changed (then nothing was appended); ERR_FULL when `out` has no room. */
enum err seal_open(const struct seal_key *seal, struct str purpose, struct str sealed,
                   struct buf *out);

#endif
