/* SHA-256: one-shot and in pieces. */
#ifndef CRYPTO_HASH_H
#define CRYPTO_HASH_H

#include "base/str.h"

enum { HASH_BYTES = 32 };

struct hash {
    uint8_t bytes[HASH_BYTES];
};

struct hash hash_of(struct str data); /* STR_NONE counts as empty */
/* Not constant time: for digests of public things. Secrets: crypto_equal. */
bool hash_equal(struct hash a, struct hash b);
bool hash_is_zero(struct hash hash);
struct str hash_bytes(const struct hash *hash); /* the 32 bytes, borrowed from *hash */

/* A running hash. May be copied at any time: the copy goes on by itself. */
struct hash_stream {
    uint64_t state[14]; /* br_sha256_context */
};
void hash_stream_init(struct hash_stream *stream);
void hash_stream_add(struct hash_stream *stream, struct str data);
/* Adds the length (8 bytes, big-endian) and then the data: fields hashed one after the other so
 * cannot run into each other. */
void hash_stream_add_field(struct hash_stream *stream, struct str data);
/* The digest so far; the stream may go on. */
struct hash hash_stream_value(const struct hash_stream *stream);

#endif
