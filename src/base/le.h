/* Little-endian numbers of 1 to 8 bytes, as disks and firmware have them. */
#ifndef BASE_LE_H
#define BASE_LE_H

#include "base/check.h"

static inline uint64_t le_get(const uint8_t *at, uint32_t bytes) {
    uint64_t value = 0;
    CHECK(bytes <= sizeof value);
    for (uint32_t index = bytes; index > 0; index--) {
        value = value << 8 | at[index - 1];
    }
    return value;
}

static inline void le_put(uint8_t *at, uint64_t value, uint32_t bytes) {
    CHECK(bytes <= sizeof value);
    for (uint32_t index = 0; index < bytes; index++) {
        at[index] = (uint8_t)(value >> (8 * index));
    }
}

#endif
