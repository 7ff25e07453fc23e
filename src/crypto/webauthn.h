/*
 * What an authenticator says (Web Authentication Level 2, 6.1 and 6.5; flags BE and BS and the rule
 * on them from Level 3): authenticator data and attestation object, taken apart and checked for
 * form. Whether they fit the relying party and the ceremony is for the caller.
 */
#ifndef CRYPTO_WEBAUTHN_H
#define CRYPTO_WEBAUTHN_H

#include "crypto/cose.h"

enum {
    WEBAUTHN_ID_BYTES_MAX = 1023, /* L2, 7.1 step 22 of Level 3: longer ones are refused */
    WEBAUTHN_AAGUID_BYTES = 16,
    WEBAUTHN_FORMAT_LEN_MAX = 32, /* L2, 8.1: of the registry */
};

enum webauthn_flag {
    WEBAUTHN_USER_PRESENT = 1 << 0,
    WEBAUTHN_USER_VERIFIED = 1 << 2,
    WEBAUTHN_BACKUP_ELIGIBLE = 1 << 3,
    WEBAUTHN_BACKED_UP = 1 << 4,
    WEBAUTHN_ATTESTED = 1 << 6,
    WEBAUTHN_EXTENDED = 1 << 7,
};

/* All slices point into the input. */
struct webauthn_data {
    struct str rp_id_hash; /* 32 bytes */
    uint8_t flags;
    uint32_t sign_count;
    /* Only with WEBAUTHN_ATTESTED: */
    struct str aaguid;        /* 16 bytes */
    struct str credential_id; /* 1 to WEBAUTHN_ID_BYTES_MAX bytes */
    struct str public_key;    /* one CBOR value: for cose_key_parse */
};

/* False: too short, cut off, or something behind it. */
bool webauthn_data_parse(struct str bytes, struct webauthn_data *data);
bool webauthn_has(const struct webauthn_data *data, enum webauthn_flag flag);

struct webauthn_attestation {
    struct str format;     /* "none", "packed", ... */
    struct str statement;  /* CBOR map; of "none" it is empty */
    struct str data_bytes; /* of `data` */
    struct webauthn_data data;
};

/* False also when there is no attested credential inside. The statement is not verified: what it
 * claims is recorded, nothing is built on it. */
bool webauthn_attestation_parse(struct str bytes, struct webauthn_attestation *attestation);

/* SHA-256 of what an assertion signs: authenticator data and SHA-256 of the client data (L2, 7.2,
 * steps 19 and 20). */
struct hash webauthn_signed_hash(struct str data_bytes, struct str client_data);

/* The counter of a good assertion (L2, 7.2, step 21): zero for ever, or always rising. False: the
 * credential may exist twice. A zero after another value is no way out. */
bool webauthn_counter_holds(uint32_t stored, uint32_t shown);

#endif
