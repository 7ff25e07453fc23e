/* Wiping and constant-time comparison. */
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
