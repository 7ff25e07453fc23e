/*
 * bcrypt, resumable and interleaved. This is our one own crypto primitive (BearSSL has none): the
 * cost of a hash is spent in slices that fit between two network events, and four independent
 * hashes run interleaved in one loop because a single one leaves the processor waiting for loads.
 *
 * Results are those of libxcrypt for $2a$ (with its countermeasure against the sign-extension bug
 * of old $2x$ code), $2b$ and $2y$.
 *
 * Not constant time in the memory's caches: table lookups depend on the secret, as in every bcrypt.
 */
#ifndef CRYPTO_BCRYPT_H
#define CRYPTO_BCRYPT_H

#include "base/buf.h"

enum {
    BCRYPT_LANES = 4,           /* where the gain flattens and a slice stays near 200 us */
    BCRYPT_STEP_ITERATIONS = 4, /* divides every 2^cost; 4 lanes: 190 to 240 us */
    BCRYPT_COST_MIN = 4,
    BCRYPT_COST_MAX = 31,
    BCRYPT_SALT_BYTES = 16,
    BCRYPT_DIGEST_BYTES = 23,
    BCRYPT_TEXT_LEN = 60,
    BCRYPT_PASSWORD_BYTES_MAX = 72,
};

/* The parts of "$2b$12$SALT22DIGEST31". */
struct bcrypt_text {
    char variant; /* 'a', 'b' or 'y' */
    uint8_t cost;
    uint8_t salt[BCRYPT_SALT_BYTES];
    uint8_t digest[BCRYPT_DIGEST_BYTES];
};

/* Strict: exactly BCRYPT_TEXT_LEN characters, a known variant, cost 04..31, no stray bits. */
bool bcrypt_text_parse(struct str text, struct bcrypt_text *parts);
void bcrypt_text_format(const struct bcrypt_text *parts, struct buf *out);

/* One hash in progress; the caller's memory, 4.2 KB. */
struct bcrypt_lane {
    uint32_t p[18];
    uint32_t s[4][256];
    uint32_t key[18];
    uint32_t salt[4];
    uint64_t iterations_left;
};

/* The password: at most BCRYPT_PASSWORD_BYTES_MAX bytes, none of them zero (both CHECKed: bcrypt
 * would silently cut there). Takes about 20 us. */
void bcrypt_lane_start(struct bcrypt_lane *lane, char variant, uint32_t cost,
                       const uint8_t salt[BCRYPT_SALT_BYTES], struct str password);

/* BCRYPT_STEP_ITERATIONS iterations of each of the `count` (1..BCRYPT_LANES) neighbouring lanes,
 * none of which may be done. Lanes need not have begun together nor have the same cost. */
void bcrypt_lanes_step(struct bcrypt_lane *lanes, uint32_t count);

bool bcrypt_lane_is_done(const struct bcrypt_lane *lane);

/* Only when done. Wipes the lane. */
void bcrypt_lane_finish(struct bcrypt_lane *lane, uint8_t digest[BCRYPT_DIGEST_BYTES]);

#endif
