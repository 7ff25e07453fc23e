/* The table is sets of four entries, one cache line each; see limiter.h for what it promises. */
#include "engine/limiter.h"

#include <string.h>

#include "base/time.h"
#include "crypto/hash.h"

enum {
    LIMITER_SETS = 16384,
    LIMITER_WAYS = 4,        /* 64 bytes: one cache line per set */
    LIMITER_CLASS_KEY = 255, /* beside the values of enum rate_class */
};

/* tat: the theoretical arrival time, when the bucket is empty again. 0 = free. */
struct limiter_entry {
    uint64_t tag;
    int64_t tat_us;
};

static struct limiter_entry table[LIMITER_SETS][LIMITER_WAYS];
static uint8_t table_salt[16];

void limiter_open(const uint8_t salt[16]) {
    static bool was_open;
    if (was_open) { /* the first time it is empty: clearing it would only take 2 MiB of memory */
        memset(table, 0, sizeof(table));
    }
    was_open = true;
    memcpy(table_salt, salt, sizeof(table_salt));
}

struct net_address limiter_address(struct net_address address) {
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (memcmp(address.bytes, mapped, sizeof(mapped)) != 0) {
        memset(address.bytes + 8, 0, 8);
    }
    return address;
}

static uint64_t limiter_hash(uint8_t class, struct str subject) {
    uint8_t input[16 + 1 + 64];
    struct hash digest;
    CHECK(subject.len <= 64);
    memcpy(input, table_salt, 16);
    input[16] = class;
    memcpy(input + 17, subject.data, subject.len);
    digest = hash_of(str_from((const char *)input, 17 + subject.len));
    uint64_t hash;
    memcpy(&hash, digest.bytes, sizeof(hash));
    return hash;
}

/* The subject's entry, or the one whose bucket is empty first. */
static struct limiter_entry *limiter_entry(uint64_t hash) {
    struct limiter_entry *set = table[hash % LIMITER_SETS];
    struct limiter_entry *oldest = &set[0];
    for (uint32_t i = 0; i < LIMITER_WAYS; i++) {
        if (set[i].tag == hash) {
            return &set[i];
        }
        if (set[i].tat_us < oldest->tat_us) {
            oldest = &set[i];
        }
    }
    *oldest = (struct limiter_entry){.tag = hash};
    return oldest;
}

static struct limiter_verdict take(uint8_t class, struct str subject, uint32_t limit,
                                   int64_t period_us, int64_t now_us) {
    CHECK(limit > 0);
    struct limiter_entry *entry = limiter_entry(limiter_hash(class, subject));
    int64_t step_us = period_us / (int64_t)limit;
    step_us = step_us > 0 ? step_us : 1;
    int64_t tat_us = entry->tat_us > now_us ? entry->tat_us : now_us;
    int64_t after_us = tat_us + step_us - now_us; /* how full the bucket would be */
    struct limiter_verdict verdict = {.limit = limit};
    verdict.is_allowed = after_us <= step_us * (int64_t)limit;
    if (verdict.is_allowed) {
        entry->tat_us = tat_us + step_us;
        verdict.remaining = (uint32_t)((step_us * (int64_t)limit - after_us) / step_us);
        verdict.reset_s = (uint32_t)((after_us + TIME_US_PER_S - 1) / TIME_US_PER_S);
    } else {
        int64_t wait_us = after_us - step_us * (int64_t)limit;
        verdict.reset_s = (uint32_t)((wait_us + TIME_US_PER_S - 1) / TIME_US_PER_S);
    }
    return verdict;
}

struct limiter_verdict limiter_take(enum rate_class rate, struct str subject, uint32_t limit,
                                    int64_t now_us) {
    CHECK((uint32_t)rate < LIMITER_CLASS_KEY);
    return take((uint8_t)rate, subject, limit, TIME_US_PER_MIN, now_us);
}

struct limiter_verdict limiter_take_hourly(struct str subject, uint32_t limit, int64_t now_us) {
    return take(LIMITER_CLASS_KEY, subject, limit, TIME_US_PER_HOUR, now_us);
}
