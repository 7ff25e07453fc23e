/*
 * PBKDF2-HMAC-SHA256 (RFC 8018) and scrypt (RFC 7914), resumable: for imported password hashes
 * only; new hashes are bcrypt. Salsa20/8 here is the second exception to "crypto is BearSSL":
 * BearSSL has no Salsa20, and imported users must be able to log in.
 */
#ifndef CRYPTO_SCRYPT_H
#define CRYPTO_SCRYPT_H

#include "crypto/mac.h"

enum {
    SCRYPT_R_MAX = 32, /* one BlockMix of r=32 takes ~10 us: the grain of a slice */
    SCRYPT_RP_MAX =
        128, /* bounds the last PBKDF2, which is not sliced (2 * 128*r*p bytes hashed) */
    SCRYPT_N_MAX = 1 << 20,
    SCRYPT_MEMORY_BYTES_MAX = 64 * 1024 * 1024, /* for V: 128 * N * r */
    /* The rest of the working memory: B (128*r*p), X and Y (128*r each). */
    SCRYPT_OVERHEAD_BYTES = 128 * (SCRYPT_RP_MAX + 2 * SCRYPT_R_MAX),
};

/* PBKDF2: out block i = U1 ^ ... ^ Uc over salt || be32(i). */
struct pbkdf2 {
    struct mac_stream keyed;  /* after the password */
    struct mac_stream salted; /* and the salt */
    struct hash u;
    struct hash sum;
    uint8_t *out;
    uint32_t bytes_left;
    uint32_t block; /* from 1 */
    uint32_t iterations;
    uint32_t iterations_left; /* of this block; 0 = begin the next */
};

/* `out` must stay until done. Reads `salt` at once. */
void pbkdf2_start(struct pbkdf2 *state, struct str password, struct str salt, uint32_t iterations,
                  void *out, uint32_t bytes);
/* At most `iterations` HMACs (~0.4 us each). True when done: then the state is wiped. */
bool pbkdf2_step(struct pbkdf2 *state, uint32_t iterations);

struct scrypt_params {
    uint32_t n; /* a power of two, 2..SCRYPT_N_MAX */
    uint32_t r;
    uint32_t p;
};

bool scrypt_params_fit(const struct scrypt_params *params);
/* Bytes of working memory (aligned to 64) that scrypt_start needs. */
size_t scrypt_memory_bytes(const struct scrypt_params *params);

enum scrypt_phase { SCRYPT_EXPAND, SCRYPT_FILL, SCRYPT_MIX, SCRYPT_SHRINK, SCRYPT_DONE };

/*
 * EXPAND -> (FILL -> MIX) once per p -> SHRINK -> DONE; all moves are in scrypt_step.
 */
struct scrypt {
    enum scrypt_phase phase;
    struct scrypt_params params;
    struct pbkdf2 pbkdf2;
    struct mac_stream keyed; /* the password, for SHRINK */
    uint32_t *b;             /* p blocks of 32*r words */
    uint32_t *x;
    uint32_t *y;
    uint32_t *v;
    uint32_t lane;  /* 0..p-1 */
    uint32_t index; /* 0..n-1 within FILL or MIX */
    uint8_t *out;
    uint32_t out_bytes;
};

/* Params CHECKed with scrypt_params_fit. `memory` holds scrypt_memory_bytes and must stay, as must
 * `out`, until done. */
void scrypt_start(struct scrypt *state, const struct scrypt_params *params, struct str password,
                  struct str salt, void *memory, void *out, uint32_t out_bytes);
/* One slice of at most ~200 us. True when done; the working memory is then the caller's to clear.
 */
bool scrypt_step(struct scrypt *state);
/* Wipes the state (not the working memory). */
void scrypt_reset(struct scrypt *state);

#endif
