/* Wiping and comparison in constant time. */
#include "crypto/secret.h"

#include <string.h>

void crypto_wipe(void *memory, size_t bytes) {
    CHECK(memory != NULL || bytes == 0);
    if (bytes == 0) {
        return;
    }
    memset(memory, 0, bytes);
    /* The compiler must believe that somebody reads the zeros. */
    __asm__ volatile("" : : "r"(memory) : "memory");
}

bool crypto_equal(const void *a, const void *b, size_t bytes) {
    CHECK((a != NULL && b != NULL) || bytes == 0);
    const uint8_t *left = a;
    const uint8_t *right = b;
    uint8_t difference = 0;
    for (size_t index = 0; index < bytes; index += 1) {
        difference |= left[index] ^ right[index];
    }
    return difference == 0;
}

bool crypto_is_scalar(const uint8_t *number, size_t bytes, const uint8_t *order,
                      size_t order_bytes) {
    CHECK(number != NULL || bytes == 0);
    CHECK(order != NULL && order_bytes > 0);
    size_t longer = bytes > order_bytes ? bytes : order_bytes;
    uint32_t borrow = 0;
    uint32_t any = 0;
    for (size_t place = 1; place <= longer; place += 1) {
        uint32_t byte = place <= bytes ? number[bytes - place] : 0;
        uint32_t limit = place <= order_bytes ? order[order_bytes - place] : 0;
        borrow = ((byte - limit - borrow) >> 8) & 1;
        any |= byte;
    }
    return borrow == 1 && any != 0;
}
