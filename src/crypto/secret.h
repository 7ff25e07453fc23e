/*
 * Secrets: a type of their own for 32-byte keys, so that none is passed where plain bytes are
 * meant; wiping that the compiler keeps; comparison in constant time.
 */
#ifndef CRYPTO_SECRET_H
#define CRYPTO_SECRET_H

#include "base/check.h"

enum { SECRET_KEY_BYTES = 32 };

struct secret_key {
    uint8_t bytes[SECRET_KEY_BYTES];
};

/* Overwrites with zeros; never optimised away. `memory` may be NULL when bytes is 0. */
void crypto_wipe(void *memory, size_t bytes);

/* Time depends on `bytes` alone. */
bool crypto_equal(const void *a, const void *b, size_t bytes);

/* 0 < number < order, both big-endian. Time depends on the lengths alone. */
bool crypto_is_scalar(const uint8_t *number, size_t bytes, const uint8_t *order,
                      size_t order_bytes);

#endif
