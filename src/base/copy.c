/* Copies: see copy.h. All loads of a small copy come before its stores, so overlap does not matter
 * there. */
#include "base/copy.h"

#include <stdbool.h>
#include <stdint.h>

enum { SMALL_BYTES_MAX = 128 };

typedef uint64_t block __attribute__((vector_size(16)));

/* Fixed sizes: the compiler makes one move of each. */
#define LOAD(type, from)                                                                           \
    ({                                                                                             \
        type loaded;                                                                               \
        __builtin_memcpy(&loaded, (from), sizeof(type));                                           \
        loaded;                                                                                    \
    })
#define STORE(to, value) __builtin_memcpy((to), &(value), sizeof(value))

/* Two moves that meet or overlap in the middle. */
#define COPY_ENDS(type, to, from, bytes)                                                           \
    do {                                                                                           \
        type first = LOAD(type, from);                                                             \
        type last = LOAD(type, (from) + (bytes) - sizeof(type));                                   \
        STORE(to, first);                                                                          \
        STORE((to) + (bytes) - sizeof(type), last);                                                \
    } while (0)

static void copy_up_to_16(char *to, const char *from, size_t bytes) {
    if (bytes >= 8) {
        COPY_ENDS(uint64_t, to, from, bytes);
    } else if (bytes >= 4) {
        COPY_ENDS(uint32_t, to, from, bytes);
    } else if (bytes >= 2) {
        COPY_ENDS(uint16_t, to, from, bytes);
    } else if (bytes == 1) {
        *to = *from;
    }
}

/* 33 to 64 bytes. */
static void copy_up_to_64(char *to, const char *from, size_t bytes) {
    block a = LOAD(block, from);
    block b = LOAD(block, from + 16);
    block c = LOAD(block, from + bytes - 32);
    block d = LOAD(block, from + bytes - 16);
    STORE(to, a);
    STORE(to + 16, b);
    STORE(to + bytes - 32, c);
    STORE(to + bytes - 16, d);
}

/* 65 to 128 bytes. */
static void copy_up_to_128(char *to, const char *from, size_t bytes) {
    block a = LOAD(block, from);
    block b = LOAD(block, from + 16);
    block c = LOAD(block, from + 32);
    block d = LOAD(block, from + 48);
    block e = LOAD(block, from + bytes - 64);
    block f = LOAD(block, from + bytes - 48);
    block g = LOAD(block, from + bytes - 32);
    block h = LOAD(block, from + bytes - 16);
    STORE(to, a);
    STORE(to + 16, b);
    STORE(to + 32, c);
    STORE(to + 48, d);
    STORE(to + bytes - 64, e);
    STORE(to + bytes - 48, f);
    STORE(to + bytes - 32, g);
    STORE(to + bytes - 16, h);
}

static void copy_small(char *to, const char *from, size_t bytes) {
    if (bytes <= 16) {
        copy_up_to_16(to, from, bytes);
    } else if (bytes <= 32) {
        COPY_ENDS(block, to, from, bytes);
    } else if (bytes <= 64) {
        copy_up_to_64(to, from, bytes);
    } else {
        copy_up_to_128(to, from, bytes);
    }
}

/* From the front; right for ranges apart, and for those that overlap with `to` in front. */
static void copy_long(char *to, const char *from, size_t bytes) {
#ifdef __x86_64__
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
#else
    while (bytes > SMALL_BYTES_MAX) {
        copy_up_to_128(to, from, SMALL_BYTES_MAX);
        to += SMALL_BYTES_MAX;
        from += SMALL_BYTES_MAX;
        bytes -= SMALL_BYTES_MAX;
    }
    copy_small(to, from, bytes);
#endif
}

/* From the end; right for ranges that overlap with `to` behind. */
static void copy_long_back(char *to, const char *from, size_t bytes) {
    while (bytes > SMALL_BYTES_MAX) {
        bytes -= SMALL_BYTES_MAX;
        copy_up_to_128(to + bytes, from + bytes, SMALL_BYTES_MAX);
    }
    copy_small(to, from, bytes);
}

void *copy_apart(void *restrict to, const void *restrict from, size_t bytes) {
    if (bytes <= SMALL_BYTES_MAX) {
        copy_small(to, from, bytes);
    } else {
        copy_long(to, from, bytes);
    }
    return to;
}

void *copy_over(void *to, const void *from, size_t bytes) {
    bool is_behind = (uintptr_t)to - (uintptr_t)from < bytes;
    if (bytes <= SMALL_BYTES_MAX) {
        copy_small(to, from, bytes);
    } else if (is_behind) {
        copy_long_back(to, from, bytes);
    } else {
        copy_long(to, from, bytes);
    }
    return to;
}

#ifndef COFFER_TEST_BUILD
void *memcpy(void *restrict to, const void *restrict from, size_t bytes)
    __attribute__((alias("copy_apart")));
void *memmove(void *to, const void *from, size_t bytes) __attribute__((alias("copy_over")));
#endif
