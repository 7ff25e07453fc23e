/*
 * The limiter against a bucket that leaks, what its numbers promise to the client, and a flood of
 * addresses.
 */
#include "test.h"

#include "base/time.h"
#include "engine/limiter.h"

static void open_random(void) {
    uint8_t salt[16];
    test_random_fill(salt, sizeof salt);
    limiter_open(salt);
}

static struct str subject_of(uint64_t number, char memory[16]) {
    memset(memory, 0, 16);
    memcpy(memory, &number, sizeof number);
    return str_from(memory, 16);
}

static struct limiter_verdict take(uint64_t subject, uint32_t limit, int64_t now_us) {
    char memory[16];
    return limiter_take(RATE_READ, subject_of(subject, memory), limit, now_us);
}

/* A bucket for `limit` drops, out of which one leaks every step. Looked at drop by drop. */
struct bucket {
    int64_t drops;
    int64_t leaked_at_us; /* when the last drop leaked, or the first one came */
};

static bool bucket_take(struct bucket *bucket, uint32_t limit, int64_t now_us) {
    int64_t step_us = TIME_US_PER_MIN / limit;
    while (bucket->drops > 0 && bucket->leaked_at_us + step_us <= now_us) {
        bucket->drops--;
        bucket->leaked_at_us += step_us;
    }
    if (bucket->drops == 0) {
        bucket->leaked_at_us = now_us;
    }
    if (bucket->drops >= limit) {
        return false;
    }
    bucket->drops++;
    return true;
}

TEST(limiter_agrees_with_a_leaking_bucket) {
    static const uint32_t limits[] = {1, 2, 5, 7, 60, 1000};
    for (uint32_t round = 0; round < 60; round++) {
        enum { SUBJECTS = 4 };
        struct bucket buckets[SUBJECTS] = {{0}};
        uint32_t limit = limits[test_random_below(COUNT_OF(limits))];
        int64_t step_us = TIME_US_PER_MIN / limit;
        int64_t now_us = 1 + (int64_t)test_random_below(1000000000);
        uint64_t pace = 1 + test_random_below(5); /* from a flood to a trickle */
        open_random();
        for (uint32_t i = 0; i < 2000; i++) {
            uint64_t subject = test_random_below(SUBJECTS);
            bool is_allowed = take(subject, limit, now_us).is_allowed;
            bool expected = bucket_take(&buckets[subject], limit, now_us);
            EXPECT_EQ_INT(is_allowed, expected);
            if (test_random_below(3) == 0) {
                now_us += (int64_t)test_random_below((uint64_t)step_us * pace / 2 + 2);
            }
        }
    }
}

/* Whatever the times: in no window more than the burst and what leaked meanwhile. */
TEST(limiter_never_gives_more_than_it_says) {
    enum { TIMES_MAX = 3000 };
    static int64_t allowed_us[TIMES_MAX];
    uint32_t limit = 10;
    int64_t step_us = TIME_US_PER_MIN / limit;
    uint32_t count = 0;
    int64_t now_us = 1;
    open_random();
    for (uint32_t i = 0; i < TIMES_MAX; i++) {
        now_us += (int64_t)test_random_below((uint64_t)step_us);
        if (take(1, limit, now_us).is_allowed) {
            allowed_us[count++] = now_us;
        }
    }
    EXPECT(count > TIMES_MAX / 10);
    for (uint32_t from = 0; from < count; from++) {
        for (uint32_t to = from; to < count; to++) {
            int64_t window_us = allowed_us[to] - allowed_us[from];
            EXPECT(to - from + 1 <= limit + window_us / step_us);
        }
    }
}

/* `remaining` requests pass at once and no more; after `reset_s` what was promised is true. */
TEST(limiter_keeps_its_word) {
    for (uint32_t round = 0; round < 500; round++) {
        uint32_t limit = 1 + (uint32_t)test_random_below(40);
        uint32_t used = (uint32_t)test_random_below(limit + 3);
        int64_t now_us = 1 + (int64_t)test_random_below(1000000000);
        struct limiter_verdict verdict = {.is_allowed = false};
        open_random();
        for (uint32_t i = 0; i <= used; i++) {
            verdict = take(round, limit, now_us);
            EXPECT_EQ_UINT(verdict.limit, limit);
            EXPECT_EQ_INT(verdict.is_allowed, i < limit);
            now_us += (int64_t)test_random_below(1000);
        }
        if (!verdict.is_allowed) {
            EXPECT_EQ_UINT(verdict.remaining, 0);
            EXPECT(verdict.reset_s >= 1);
            EXPECT(!take(round, limit, now_us).is_allowed);
            EXPECT(take(round, limit, now_us + verdict.reset_s * TIME_US_PER_S).is_allowed);
            continue;
        }
        int64_t whole_us = now_us + verdict.reset_s * TIME_US_PER_S;
        if (test_random_below(2) == 0) {
            for (uint32_t i = 0; i < verdict.remaining; i++) {
                EXPECT(take(round, limit, now_us).is_allowed);
            }
            /* The tiny steps above may have leaked one drop meanwhile. */
            EXPECT(!take(round, limit, now_us).is_allowed ||
                   !take(round, limit, now_us).is_allowed);
        } else {
            for (uint32_t i = 0; i < limit; i++) {
                EXPECT(take(round, limit, whole_us).is_allowed);
            }
            EXPECT(!take(round, limit, whole_us).is_allowed);
        }
    }
}

TEST(limiter_classes_and_subjects_are_apart) {
    char memory[16];
    open_random();
    EXPECT(limiter_take(RATE_LOGIN, subject_of(1, memory), 1, 5).is_allowed);
    EXPECT(!limiter_take(RATE_LOGIN, subject_of(1, memory), 1, 5).is_allowed);
    EXPECT(limiter_take(RATE_WRITE, subject_of(1, memory), 1, 5).is_allowed);
    EXPECT(limiter_take(RATE_LOGIN, subject_of(2, memory), 1, 5).is_allowed);
    EXPECT(limiter_take(RATE_LOGIN, str_slice(subject_of(1, memory), 0, 8), 1, 5).is_allowed);
}

/* The setting's largest value: steps below a microsecond do not divide by zero or overflow. */
TEST(limiter_extreme_limits) {
    open_random();
    for (uint32_t i = 0; i < 1000; i++) {
        struct limiter_verdict verdict = take(1, 100000000, INT64_MAX / 4);
        EXPECT(verdict.is_allowed);
        EXPECT(verdict.remaining < 100000000);
    }
    EXPECT(take(2, UINT32_MAX, INT64_MAX / 4).is_allowed);
    EXPECT(take(3, 1, INT64_MAX / 4).is_allowed);
    EXPECT(!take(3, 1, INT64_MAX / 4).is_allowed);
    EXPECT_DIES((void)take(1, 0, 1));
}

/* A million addresses, all in the time in which somebody waits: whoever is at the limit stays
 * there (free entries go first), each newcomer is met as one, and no memory is asked for: the table
 * is static, the resident size is the proof that nothing else grows. */
static long resident_pages(void) {
    long total = 0;
    long resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%ld %ld", &total, &resident) != 2) {
        resident = -1;
    }
    if (file != NULL) {
        fclose(file);
    }
    return resident;
}

TEST(limiter_flood_of_addresses) {
    enum { FLOOD = 1000000, GUILTY = 50, LIMIT = 10 };
    enum { FIRST_OF_FLOOD = 1000 };
    int64_t now_us = 1000000;
    open_random();
    /* The whole table is touched once, so that the second flood shows what a flood costs. */
    for (uint64_t i = 0; i < FLOOD / 4; i++) {
        (void)take(FIRST_OF_FLOOD + FLOOD + i, LIMIT, 1);
    }
    for (uint64_t guilty = 0; guilty < GUILTY; guilty++) {
        while (take(guilty, LIMIT, now_us).is_allowed) {
        }
    }
    long before = resident_pages();
    uint64_t refused_newcomers = 0;
    for (uint64_t i = 0; i < FLOOD; i++) {
        refused_newcomers += !take(FIRST_OF_FLOOD + i, LIMIT, now_us).is_allowed;
        now_us += 2; /* two seconds in all: nobody's next step (six seconds) comes meanwhile */
    }
    EXPECT_EQ_UINT(refused_newcomers, 0);
    EXPECT(before > 0);
    EXPECT(resident_pages() - before < 64);
    uint64_t pardoned = 0;
    for (uint64_t guilty = 0; guilty < GUILTY; guilty++) {
        pardoned += take(guilty, LIMIT, now_us).is_allowed;
    }
    EXPECT_EQ_UINT(pardoned, 0);
}

/* When the flood itself fills its buckets it may push others out; those get one burst more, not
 * freedom. */
TEST(limiter_full_flood_loosens_a_little) {
    enum { FLOOD = 100000, LIMIT = 3, TRIES = 50 };
    open_random();
    for (uint64_t i = 0; i < FLOOD * (uint64_t)LIMIT; i++) {
        (void)take(1000 + i % FLOOD, LIMIT, 1000000);
    }
    uint64_t allowed = 0;
    for (uint32_t i = 0; i < TRIES; i++) {
        allowed += take(1, LIMIT, 1000000).is_allowed;
    }
    EXPECT_EQ_UINT(allowed, LIMIT);
}

TEST(limiter_addresses) {
    struct net_address v4 = {.bytes = {[10] = 0xff, [11] = 0xff, [12] = 10, [15] = 1}};
    struct net_address v4_other = {.bytes = {[10] = 0xff, [11] = 0xff, [12] = 10, [15] = 2}};
    struct net_address v6 = {.bytes = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 7, 1, 2, 3, 4, 5, 6, 7, 8}};
    struct net_address v6_near = {.bytes = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 7}};
    struct net_address v6_far = {.bytes = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 8}};
    struct net_address cut = limiter_address(v4);
    struct net_address cut_other = limiter_address(v4_other);
    EXPECT_EQ_MEM(cut.bytes, v4.bytes, 16);
    EXPECT(memcmp(cut.bytes, cut_other.bytes, 16) != 0);
    cut = limiter_address(v6);
    EXPECT_EQ_MEM(cut.bytes, v6_near.bytes, 16);
    EXPECT(memcmp(cut.bytes, v6_far.bytes, 16) != 0);
}
