/*
 * Slices of bytes. Nothing here allocates or writes; every function is total: it has an answer for
 * every slice, STR_NONE included.
 */
#include "base/str.h"

#include <limits.h>
#include <string.h>

struct str str_from(const char *data, size_t len) {
    CHECK(len <= UINT32_MAX);
    CHECK(data != NULL || len == 0);
    return (struct str){data, (uint32_t)len};
}

struct str str_from_c(const char *text) {
    if (text == NULL) {
        return STR_NONE;
    }
    return str_from(text, strlen(text));
}

bool str_is_none(struct str s) {
    return s.data == NULL;
}

bool str_equal(struct str a, struct str b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static uint8_t ascii_lower(char byte) {
    uint8_t value = (uint8_t)byte;
    return value >= 'A' && value <= 'Z' ? (uint8_t)(value + ('a' - 'A')) : value;
}

bool str_equal_nocase(struct str a, struct str b) {
    if (a.len != b.len) {
        return false;
    }
    for (uint32_t i = 0; i < a.len; i++) {
        if (ascii_lower(a.data[i]) != ascii_lower(b.data[i])) {
            return false;
        }
    }
    return true;
}

int str_compare(struct str a, struct str b) {
    uint32_t common = a.len < b.len ? a.len : b.len;
    int order = common == 0 ? 0 : memcmp(a.data, b.data, common);
    if (order != 0) {
        return order < 0 ? -1 : 1;
    }
    return (a.len > b.len) - (a.len < b.len);
}

bool str_starts(struct str s, struct str prefix) {
    return s.len >= prefix.len && str_equal(str_slice(s, 0, prefix.len), prefix);
}

bool str_ends(struct str s, struct str suffix) {
    return s.len >= suffix.len && str_equal(str_slice(s, s.len - suffix.len, s.len), suffix);
}

bool str_has_byte(struct str s, char byte) {
    return str_find_byte(s, byte) < s.len;
}

uint32_t str_find_byte(struct str s, char byte) {
    if (s.len == 0) {
        return 0;
    }
    const char *found = memchr(s.data, (uint8_t)byte, s.len);
    return found == NULL ? s.len : (uint32_t)(found - s.data);
}

struct str str_slice(struct str s, uint32_t from, uint32_t to) {
    if (str_is_none(s)) {
        return s;
    }
    if (to > s.len) {
        to = s.len;
    }
    if (from > to) {
        from = to;
    }
    return (struct str){s.data + from, to - from};
}

struct str str_trim(struct str s) {
    uint32_t from = 0;
    uint32_t to = s.len;
    while (from < to && (s.data[from] == ' ' || s.data[from] == '\t')) {
        from++;
    }
    while (to > from && (s.data[to - 1] == ' ' || s.data[to - 1] == '\t')) {
        to--;
    }
    return str_slice(s, from, to);
}

struct str str_split(struct str *rest, char byte) {
    CHECK(rest != NULL);
    struct str all = *rest;
    uint32_t at = str_find_byte(all, byte);
    if (at == all.len) {
        *rest = STR_NONE;
        return all;
    }
    *rest = str_slice(all, at + 1, all.len);
    return str_slice(all, 0, at);
}

bool str_parse_u64(struct str s, uint64_t *value) {
    CHECK(value != NULL);
    if (s.len == 0) {
        return false;
    }
    uint64_t sum = 0;
    for (uint32_t i = 0; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9') {
            return false;
        }
        if (__builtin_mul_overflow(sum, (uint64_t)10, &sum) ||
            __builtin_add_overflow(sum, (uint64_t)(s.data[i] - '0'), &sum)) {
            return false;
        }
    }
    *value = sum;
    return true;
}

bool str_parse_i64(struct str s, int64_t *value) {
    CHECK(value != NULL);
    bool is_negative = s.len > 0 && s.data[0] == '-';
    uint64_t magnitude;
    if (!str_parse_u64(is_negative ? str_slice(s, 1, s.len) : s, &magnitude)) {
        return false;
    }
    uint64_t magnitude_max = (uint64_t)INT64_MAX + (is_negative ? 1 : 0);
    if (magnitude > magnitude_max) {
        return false;
    }
    if (!is_negative) {
        *value = (int64_t)magnitude;
    } else {
        /* -2^63 has no positive twin: negate one less, then take the one off. */
        *value = magnitude == 0 ? 0 : -(int64_t)(magnitude - 1) - 1;
    }
    return true;
}

bool str_equal_secret(struct str a, struct str b) {
    if (a.len != b.len) {
        return false;
    }
    /* volatile: the compiler must not leave the loop at the first difference. */
    volatile uint8_t difference = 0;
    for (uint32_t i = 0; i < a.len; i++) {
        difference = (uint8_t)(difference | ((uint8_t)a.data[i] ^ (uint8_t)b.data[i]));
    }
    return difference == 0;
}
