/* Arenas against a naive model: what was taken stays as it was written, and all of it comes back.
 */
#include "test.h"

#include "base/arena.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

enum { BLOCK = ARENA_BLOCK_BYTES };

static struct arena_pool pool;
static char *pool_memory;

static void pool_make(uint32_t blocks) {
    free(pool_memory);
    pool_memory = aligned_alloc(4096, (size_t)blocks * BLOCK);
    memset(pool_memory, 0xa5, (size_t)blocks * BLOCK); /* `zeroed or not` */
    arena_pool_init(&pool, pool_memory, blocks);
}

static bool is_zero(const char *bytes, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

static bool is_filled(const char *bytes, size_t len, char with) {
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != with) {
            return false;
        }
    }
    return true;
}

TEST(arena_takes_zeroed_aligned_memory)
{
    pool_make(4);
    struct arena arena;
    arena_init(&arena, &pool, 2 * BLOCK);
    for (size_t bytes = 0; bytes < 200; bytes++) {
        char *taken = arena_take(&arena, bytes);
        REQUIRE(taken != NULL);
        EXPECT((uintptr_t)taken % 16 == 0);
        EXPECT(is_zero(taken, bytes));
        memset(taken, 0xff, bytes);
    }
    arena_reset(&arena);
    EXPECT_EQ_UINT(pool.used_count, 0);
    char *again = arena_take(&arena, 3000);
    REQUIRE(again != NULL);
    EXPECT(is_zero(again, 3000));
    arena_reset(&arena);
    EXPECT(pool.used_count_peak >= 2);
}

TEST(arena_wipes_what_it_gives_back)
{
    pool_make(2);
    struct arena arena;
    arena_init(&arena, &pool, BLOCK);
    char *secret = arena_take(&arena, 100);
    REQUIRE(secret != NULL);
    memset(secret, 's', 100);
    size_t offset = (size_t)(secret - pool_memory);
    arena_reset(&arena);
#if defined(__SANITIZE_ADDRESS__)
    EXPECT(__asan_address_is_poisoned(pool_memory + offset));
    __asan_unpoison_memory_region(pool_memory + offset, 100);
#endif
    EXPECT(is_zero(pool_memory + offset, 100));
}

TEST(arena_limit_is_exact)
{
    pool_make(8);
    struct arena arena;
    arena_init(&arena, &pool, 1000);
    EXPECT(arena_take(&arena, 1009) == NULL);
    EXPECT(arena_take(&arena, 500) != NULL);
    EXPECT(arena_take(&arena, 500) == NULL); /* 512 of 1008 are gone */
    EXPECT(arena_take(&arena, 496) != NULL);
    EXPECT(arena_take(&arena, 0) == NULL);
    arena_reset(&arena);
    EXPECT(arena_take(&arena, 1008) != NULL);
    arena_reset(&arena);
    EXPECT(arena_take(&arena, SIZE_MAX) == NULL);
    EXPECT(arena_take(&arena, UINT32_MAX) == NULL);
    EXPECT_EQ_UINT(pool.used_count, 0);
    arena_init(&arena, &pool, 0);
    EXPECT(arena_take(&arena, 1) == NULL);
}

TEST(arena_takes_its_whole_limit_at_once)
{
    pool_make(REQUEST_POOL_BYTES / BLOCK);
    struct arena arena;
    arena_init(&arena, &pool, REQUEST_ARENA_BYTES_MAX);
    char *taken = arena_take(&arena, REQUEST_ARENA_BYTES_MAX);
    REQUIRE(taken != NULL);
    EXPECT(is_zero(taken, REQUEST_ARENA_BYTES_MAX));
    EXPECT(arena_take(&arena, 1) == NULL);
    arena_reset(&arena);
    EXPECT_EQ_UINT(pool.used_count, 0);
}

TEST(arena_pool_runs_dry_and_recovers)
{
    pool_make(3);
    struct arena arenas[3];
    for (uint32_t i = 0; i < 3; i++) {
        arena_init(&arenas[i], &pool, BLOCK * 8);
        EXPECT(arena_take(&arenas[i], 10) != NULL);
    }
    EXPECT_EQ_UINT(pool.used_count, 3);
    EXPECT(arena_take(&arenas[0], BLOCK) == NULL);
    EXPECT(arena_take(&arenas[0], 100) != NULL); /* its own block has room */
    arena_reset(&arenas[1]);
    EXPECT(arena_take(&arenas[0], BLOCK) == NULL); /* two neighbours needed, one is free */
    arena_reset(&arenas[2]);
    EXPECT(arena_take(&arenas[0], BLOCK) != NULL);
    arena_reset(&arenas[0]);
    EXPECT_EQ_UINT(pool.used_count, 0);
}

TEST(arena_keeps_the_roomier_run_open)
{
    pool_make(64);
    struct arena arena;
    arena_init(&arena, &pool, 40 * BLOCK);
    char *first = arena_take(&arena, 16);
    char *large = arena_take(&arena, 3 * BLOCK - 100); /* fills its run but for a few bytes */
    char *second = arena_take(&arena, 16);
    REQUIRE(first != NULL && large != NULL);
    EXPECT(second == first + 16);
    arena_reset(&arena);
}

TEST(arena_growth_keeps_contents_and_gives_old_runs_back)
{
    pool_make(1024);
    struct arena arena;
    arena_init(&arena, &pool, REQUEST_ARENA_BYTES_MAX);
    size_t bytes = 64;
    char *text = arena_take(&arena, bytes);
    memset(text, 'x', bytes);
    while (bytes < 1500000) {
        size_t more = bytes + bytes / 2;
        char *grown = arena_grow(&arena, text, bytes, more);
        REQUIRE(grown != NULL);
        EXPECT(is_filled(grown, bytes, 'x'));
        EXPECT(is_zero(grown + bytes, more - bytes));
        memset(grown, 'x', more);
        text = grown;
        bytes = more;
    }
    EXPECT(arena.block_count <= bytes / BLOCK + 4); /* not the sum of all sizes */
    arena_reset(&arena);
    EXPECT_EQ_UINT(pool.used_count, 0);
    EXPECT_EQ_UINT(arena.bytes_left, REQUEST_ARENA_BYTES_MAX);
}

TEST(arena_grow_of_nothing_and_to_less)
{
    pool_make(4);
    struct arena arena;
    arena_init(&arena, &pool, BLOCK);
    char *a = arena_grow(&arena, NULL, 0, 10);
    REQUIRE(a != NULL);
    EXPECT(arena_grow(&arena, a, 10, 5) == a);
    EXPECT(arena_grow(&arena, a, 10, 1000) == a);
    char *b = arena_take(&arena, 8);
    memcpy(b, "neighbor", 8);
    char *moved = arena_grow(&arena, a, 1000, 1100);
    REQUIRE(moved != NULL);
    EXPECT(moved != a);
    EXPECT_EQ_MEM(b, "neighbor", 8);
    EXPECT(arena_grow(&arena, moved, 1100, BLOCK) == NULL);
    EXPECT(arena_grow(&arena, moved, 1100, SIZE_MAX) == NULL);
    EXPECT(is_zero(moved, 1100)); /* still valid */
    arena_reset(&arena);
}

TEST(arena_copy_copies)
{
    pool_make(1);
    struct arena arena;
    arena_init(&arena, &pool, 64);
    EXPECT(str_is_none(arena_copy(&arena, STR_NONE)));
    struct str empty = arena_copy(&arena, STR(""));
    EXPECT(!str_is_none(empty) && empty.len == 0);
    struct str copy = arena_copy(&arena, STR("hello"));
    EXPECT(str_equal(copy, STR("hello")));
    EXPECT(str_is_none(arena_copy(&arena, STR("0123456789012345678901234567890123456789"))));
    arena_reset(&arena);
}

/* --- model ----------------------------------------------------------------------------------- */

enum { MODEL_ARENAS = 12, MODEL_PIECES = 64, MODEL_BLOCKS = 300 };

struct piece {
    char *data;
    size_t bytes;
    char fill;
};

struct model {
    struct arena arena;
    struct piece pieces[MODEL_PIECES];
    uint32_t count;
    uint64_t taken; /* rounded bytes; growth by copying may take more */
};

static size_t random_bytes(void) {
    switch (test_random_below(8)) {
    case 0:
        return test_random_below(20 * BLOCK);
    case 1:
        return BLOCK - 64 + test_random_below(128);
    case 2:
        return 0;
    default:
        return test_random_below(600);
    }
}

static void model_check(const struct model *model) {
    for (uint32_t i = 0; i < model->count; i++) {
        const struct piece *piece = &model->pieces[i];
        EXPECT(is_filled(piece->data, piece->bytes, piece->fill));
    }
}

static void model_take(struct model *model) {
    size_t bytes = random_bytes();
    char *data = arena_take(&model->arena, bytes);
    if (data == NULL) {
        return;
    }
    EXPECT(is_zero(data, bytes));
    struct piece *piece = &model->pieces[model->count++];
    *piece = (struct piece){data, bytes, (char)(1 + test_random_below(255))};
    memset(data, piece->fill, bytes);
}

static void model_grow(struct model *model) {
    uint32_t at = (uint32_t)test_random_below(model->count);
    struct piece *piece = &model->pieces[test_random_below(2) == 0 ? model->count - 1 : at];
    size_t bytes = piece->bytes + random_bytes();
    char *data = arena_grow(&model->arena, piece->data, piece->bytes, bytes);
    if (data == NULL) {
        return;
    }
    EXPECT(is_filled(data, piece->bytes, piece->fill));
    EXPECT(is_zero(data + piece->bytes, bytes - piece->bytes));
    *piece = (struct piece){data, bytes, piece->fill};
    memset(data, piece->fill, bytes);
}

TEST(arena_model)
{
    static struct model models[MODEL_ARENAS];
    pool_make(MODEL_BLOCKS);
    for (uint32_t i = 0; i < MODEL_ARENAS; i++) {
        models[i].count = 0;
        arena_init(&models[i].arena, &pool, (uint32_t)(1 + test_random_below(60 * BLOCK)));
    }
    for (uint32_t round = 0; round < 20000; round++) {
        struct model *model = &models[test_random_below(MODEL_ARENAS)];
        uint64_t choice = test_random_below(16);
        if (choice == 0 || model->count == MODEL_PIECES) {
            model_check(model);
            arena_reset(&model->arena);
            model->count = 0;
        } else if (choice < 5 && model->count > 0) {
            model_grow(model);
        } else {
            model_take(model);
        }
        uint32_t held = 0;
        for (uint32_t i = 0; i < MODEL_ARENAS; i++) {
            held += models[i].arena.block_count;
            EXPECT(models[i].arena.block_count <= models[i].arena.block_count_max);
        }
        REQUIRE(held == pool.used_count);
    }
    for (uint32_t i = 0; i < MODEL_ARENAS; i++) {
        model_check(&models[i]);
        arena_reset(&models[i].arena);
    }
    EXPECT_EQ_UINT(pool.used_count, 0);
}

TEST(arena_large_requests_survive_small_ones)
{
    enum { SMALL = 600, ROUNDS = 3000 };
    static struct arena small[SMALL];
    pool_make(REQUEST_POOL_BYTES / BLOCK);
    for (uint32_t i = 0; i < SMALL; i++) {
        arena_init(&small[i], &pool, REQUEST_ARENA_BYTES_MAX);
    }
    struct arena large;
    arena_init(&large, &pool, REQUEST_ARENA_BYTES_MAX);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        struct arena *arena = &small[test_random_below(SMALL)];
        if (test_random_below(2) == 0) {
            arena_reset(arena);
        } else {
            EXPECT(arena_take(arena, test_random_below(2 * BLOCK)) != NULL);
        }
        if (round % 50 == 0) {
            EXPECT(arena_take(&large, REQUEST_ARENA_BYTES_MAX) != NULL);
            arena_reset(&large);
        }
    }
    for (uint32_t i = 0; i < SMALL; i++) {
        arena_reset(&small[i]);
    }
    EXPECT_EQ_UINT(pool.used_count, 0);
}

TEST(arena_finds_its_own_misuse)
{
    EXPECT_DIES(arena_pool_init(&pool, NULL, 1));
    EXPECT_DIES(arena_pool_init(&pool, pool_memory + 1, 1));
    EXPECT_DIES(arena_pool_init(&pool, pool_memory, 0));
    EXPECT_DIES(arena_pool_init(&pool, pool_memory, ARENA_POOL_BLOCKS_MAX + 1));
#if defined(__SANITIZE_ADDRESS__)
    pool_make(2);
    struct arena arena;
    arena_init(&arena, &pool, BLOCK);
    volatile char *gone = arena_take(&arena, 10);
    EXPECT_DIES(gone[10] = 1);
    arena_reset(&arena);
    EXPECT_DIES(gone[0] = 1);
#endif
}
