/* Checked arithmetic: false means the result does not fit and *result is untouched. */
#ifndef BASE_NUM_H
#define BASE_NUM_H

#include "base/check.h"

static inline bool num_add_i64(int64_t a, int64_t b, int64_t *result) {
    int64_t sum;
    if (__builtin_add_overflow(a, b, &sum)) {
        return false;
    }
    *result = sum;
    return true;
}

static inline bool num_mul_i64(int64_t a, int64_t b, int64_t *result) {
    int64_t product;
    if (__builtin_mul_overflow(a, b, &product)) {
        return false;
    }
    *result = product;
    return true;
}

static inline uint64_t num_min_u64(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

static inline uint64_t num_max_u64(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

static inline int64_t num_min_i64(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static inline int64_t num_max_i64(int64_t a, int64_t b) {
    return a > b ? a : b;
}

#endif
