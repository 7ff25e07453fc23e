/*
 * Public keys of authenticators: COSE_Key (RFC 9052, RFC 9053, RFC 8230), the two kinds that
 * passkeys have and BearSSL verifies: ES256 (P-256) and RS256 (RSA PKCS#1 v1.5), both with SHA-256.
 * EdDSA is not among them: BearSSL has no Ed25519 signatures.
 */
#ifndef CRYPTO_COSE_H
#define CRYPTO_COSE_H

#include "base/str.h"
#include "crypto/hash.h"

enum cose_algorithm { COSE_ES256 = -7, COSE_RS256 = -257 };

enum {
    COSE_KEY_BYTES_MAX = 600, /* RSA-4096: 512 and some */
    COSE_POINT_BYTES = 65,    /* 04 || X || Y */
    COSE_RSA_BITS_MIN = 2048,
    COSE_RSA_BITS_MAX = 4096,
};

struct cose_key {
    enum cose_algorithm algorithm;
    uint8_t point[COSE_POINT_BYTES]; /* ES256: a point of the curve */
    struct str modulus;              /* RS256; both are slices of the key's bytes */
    struct str exponent;
};

/* False: not exactly one key with exactly the members that WebAuthn (L2, 6.5.1.1) allows, or one
 * that is too weak. */
bool cose_key_parse(struct str bytes, struct cose_key *key);

/* Is `signature` (ES256: DER, as WebAuthn L2, 6.5.6 says; RS256: as long as the modulus) the key's
 * over what has this SHA-256? */
bool cose_key_verify(const struct cose_key *key, struct hash hash, struct str signature);

#endif
