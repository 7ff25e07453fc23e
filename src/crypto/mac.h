/* HMAC-SHA256 (RFC 2104) and HKDF-SHA256 (RFC 5869). */
#ifndef CRYPTO_MAC_H
#define CRYPTO_MAC_H

#include "crypto/hash.h"
#include "crypto/secret.h"

enum { KDF_BYTES_MAX = 255 * HASH_BYTES }; /* RFC 5869, 2.3 */

/* Keys of any length. */
struct hash mac_of(struct str key, struct str data);

/* A running MAC. Holds the key in a usable form: wipe it when done (finish does). */
struct mac_stream {
    struct hash_stream inner; /* after the inner pad */
    struct hash_stream outer; /* after the outer pad */
};
void mac_stream_init(struct mac_stream *stream, struct str key);
void mac_stream_add(struct mac_stream *stream, struct str data);
struct hash mac_stream_finish(struct mac_stream *stream); /* wipes the stream */

/* HKDF: `bytes` (1..KDF_BYTES_MAX) of key material for one purpose from a secret. `salt` may be
 * STR_NONE. Different purposes give unrelated keys. */
void kdf_derive(struct str secret, struct str salt, struct str purpose, void *out, size_t bytes);

/* The usual case: a 32-byte key for one purpose from the master key. */
struct secret_key kdf_key(const struct secret_key *master, struct str purpose);

#endif
