/*
 * JWT (RFC 7519) signed with ES256 (RFC 7515, RFC 7518 section 3.4: ECDSA, P-256, SHA-256), and our
 * public keys as JWK (RFC 7517). And HS256, for one foreign dialect.
 *
 * Only tokens that we issued are accepted, so the header is not parsed: it must be, byte for byte,
 * the one header that we would write for one of our keys and the expected `typ`. That refuses `alg`
 * none and every other algorithm, a foreign `typ`, `crit`, `jwk`, `jku`, unknown and doubled
 * members without looking at any of them.
 */
#ifndef CRYPTO_JOSE_H
#define CRYPTO_JOSE_H

#include "base/buf.h"
#include "base/err.h"
#include "crypto/mac.h"

enum {
    JOSE_POINT_BYTES = 65, /* 04 || X || Y */
    JOSE_KID_LEN = 43,
    JOSE_TYP_LEN_MAX = 32,
    JOSE_CLAIMS_BYTES_MAX = 4096, /* half of what a request head may hold */
    JOSE_TOKEN_BYTES_MAX = 6144,
    JOSE_KEYS_MAX = 8, /* the current one and those still valid after rotations */
};

/* ---- ES256 ---- */

struct jose_public_key {
    uint8_t point[JOSE_POINT_BYTES];
    char kid[JOSE_KID_LEN]; /* RFC 7638 thumbprint, base64url, not terminated */
};

struct jose_key {
    struct secret_key scalar; /* big-endian, 1..n-1; to be sealed at rest */
    struct jose_public_key public;
};

/* A new key; always succeeds. */
void jose_key_make(struct jose_key *key, const uint8_t entropy[SECRET_KEY_BYTES]);
/* The key of a stored scalar. ERR_CRYPTO when it is out of range. */
enum err jose_key_load(struct jose_key *key, const struct secret_key *scalar);
/* A stored public point (to verify after its private half is gone). ERR_CRYPTO when it is not a
 * point of the curve. */
enum err jose_public_key_load(struct jose_public_key *key, const uint8_t point[JOSE_POINT_BYTES]);
void jose_key_reset(struct jose_key *key); /* wipes */

/* {"kty":"EC","crv":"P-256","x":...,"y":...,"kid":...,"use":"sig","alg":"ES256"} */
void jose_jwk_format(const struct jose_public_key *key, struct buf *out);
/* {"keys":[...]} (RFC 7517, 5) */
void jose_jwks_format(const struct jose_public_key *keys, uint32_t count, struct buf *out);

/* Appends the compact token to `out`. `typ`: "JWT", "at+jwt", ... (letters, digits, + - .;
 * CHECKed). `claims` is JSON text of at most JOSE_CLAIMS_BYTES_MAX (else ERR_FULL, as when `out`
 * is). */
enum err jose_sign(const struct jose_key *key, struct str typ, struct str claims, struct buf *out);

/* Appends the claims (bytes; the caller decodes and checks exp, iss, aud...) to `out` when `token`
 * was signed by one of `keys` under this `typ`. *key_index says which; may be NULL.
 * ERR_FORMAT: not the form of our tokens, or of another typ, or by a key that is not in the set.
 * ERR_CRYPTO: the signature does not fit. ERR_FULL: the claims do not fit in `out`.
 * After an error `out` is unchanged. */
enum err jose_verify(const struct jose_public_key *keys, uint32_t key_count, struct str typ,
                     struct str token, struct buf *out, uint32_t *key_index);

/* ---- HS256 (RFC 7518, 3.2), for clients of an issuer that had it ---- */

/* The same with one secret key and typ JWT: the header is {"alg":"HS256","typ":"JWT"}, byte for
 * byte, so a token of one kind is never one of the other. */
enum err jose_mac_sign(const struct secret_key *key, struct str claims, struct buf *out);
/* Only by the header: may it be one of ours? */
bool jose_mac_is_form(struct str token);
enum err jose_mac_verify(const struct secret_key *key, struct str token, struct buf *out);

#endif
