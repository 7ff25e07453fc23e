/*
 * Arenas over a pool of blocks; see arena.h for the layout.
 *
 * Guarantees: used_count equals the number of set bits; every set bit belongs to exactly one run of
 * exactly one arena; memory outside of what was taken is poisoned under AddressSanitizer, so that
 * use after arena_reset is found at once.
 */
#include "base/arena.h"

#include <stddef.h>
#include <string.h>

#ifndef __has_feature
#define __has_feature(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
/* As in sanitizer/asan_interface.h, which is no header of the C library. */
void __asan_poison_memory_region(const volatile void *address, size_t bytes);
void __asan_unpoison_memory_region(const volatile void *address, size_t bytes);
#define POISON(address, bytes) __asan_poison_memory_region((address), (bytes))
#define UNPOISON(address, bytes) __asan_unpoison_memory_region((address), (bytes))
#else
#define POISON(address, bytes) ((void)(address), (void)(bytes))
#define UNPOISON(address, bytes) ((void)(address), (void)(bytes))
#endif

enum { ALIGNMENT = 16 };

/* The head of a run; what is taken follows it. */
struct arena_run {
    struct arena_run *older;
    char *used_end; /* kept while the run is not the open one */
    uint32_t block_count;
    uint32_t padding;
};

enum { HEAD_BYTES = (sizeof(struct arena_run) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT };
_Static_assert(_Alignof(max_align_t) <= ALIGNMENT, "aligned for any type");
_Static_assert(ARENA_BLOCK_BYTES % ALIGNMENT == 0, "blocks keep the alignment");
_Static_assert(ARENA_POOL_BLOCKS_MAX % 64 == 0, "whole words in the bitmap");

/* --- the pool -------------------------------------------------------------------------------- */

void arena_pool_init(struct arena_pool *pool, void *memory, uint32_t block_count) {
    CHECK(memory != NULL);
    CHECK((uintptr_t)memory % ALIGNMENT == 0);
    CHECK(block_count > 0);
    CHECK(block_count <= ARENA_POOL_BLOCKS_MAX);
    memset(pool, 0, sizeof *pool);
    pool->memory = memory;
    pool->block_count = block_count;
    POISON(memory, (size_t)block_count * ARENA_BLOCK_BYTES);
}

static bool is_used(const struct arena_pool *pool, uint32_t block) {
    return (pool->used[block / 64] >> (block % 64) & 1) != 0;
}

/* The lowest free block, or block_count. */
static uint32_t find_block(const struct arena_pool *pool) {
    for (uint32_t word = 0; word * 64 < pool->block_count; word++) {
        if (pool->used[word] != UINT64_MAX) {
            uint32_t block = word * 64 + (uint32_t)__builtin_ctzll(~pool->used[word]);
            return block < pool->block_count ? block : pool->block_count;
        }
    }
    return pool->block_count;
}

/* The first of `count` free neighbours, as high as possible, or block_count. */
static uint32_t find_neighbours(const struct arena_pool *pool, uint32_t count) {
    uint32_t found = 0;
    for (uint32_t block = pool->block_count; block > 0; block--) {
        found = is_used(pool, block - 1) ? 0 : found + 1;
        if (found == count) {
            return block - 1;
        }
    }
    return pool->block_count;
}

static void mark(struct arena_pool *pool, uint32_t first, uint32_t count, bool used) {
    for (uint32_t block = first; block < first + count; block++) {
        CHECK(is_used(pool, block) != used);
        pool->used[block / 64] ^= UINT64_C(1) << (block % 64);
    }
    pool->used_count = used ? pool->used_count + count : pool->used_count - count;
    if (pool->used_count > pool->used_count_peak) {
        pool->used_count_peak = pool->used_count;
    }
    CHECK(pool->used_count <= pool->block_count);
}

static struct arena_run *run_open(struct arena_pool *pool, uint32_t count) {
    CHECK(count > 0);
    if (count > pool->block_count - pool->used_count) {
        return NULL;
    }
    uint32_t first = count == 1 ? find_block(pool) : find_neighbours(pool, count);
    if (first == pool->block_count) {
        return NULL;
    }
    mark(pool, first, count, true);
    void *memory = pool->memory + (size_t)first * ARENA_BLOCK_BYTES;
    UNPOISON(memory, HEAD_BYTES);
    struct arena_run *run = memory;
    *run = (struct arena_run){.block_count = count};
    return run;
}

static void run_close(struct arena_pool *pool, struct arena_run *run, const char *used_end) {
    char *memory = (char *)run;
    uint32_t count = run->block_count;
    size_t offset = (size_t)(memory - pool->memory);
    CHECK(offset % ARENA_BLOCK_BYTES == 0);
    CHECK(used_end >= memory + HEAD_BYTES);
    CHECK(used_end <= memory + (size_t)count * ARENA_BLOCK_BYTES);
    UNPOISON(memory, (size_t)(used_end - memory));
    memset(memory, 0, (size_t)(used_end - memory));
    POISON(memory, (size_t)count * ARENA_BLOCK_BYTES);
    mark(pool, (uint32_t)(offset / ARENA_BLOCK_BYTES), count, false);
}

/* --- the arena ------------------------------------------------------------------------------- */

/* Bytes rounded up to the alignment; false when that overflows what an arena can count. */
static bool round_up(size_t bytes, uint32_t *rounded) {
    if (bytes > UINT32_MAX - ALIGNMENT) {
        return false;
    }
    *rounded = (uint32_t)((bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
    return true;
}

static uint32_t blocks_for(uint32_t bytes) {
    return (uint32_t)(((uint64_t)bytes + HEAD_BYTES + ARENA_BLOCK_BYTES - 1) / ARENA_BLOCK_BYTES);
}

void arena_init(struct arena *arena, struct arena_pool *pool, uint32_t bytes_max) {
    CHECK(pool->memory != NULL);
    uint32_t rounded;
    bool fits = round_up(bytes_max, &rounded);
    CHECK(fits);
    *arena =
        (struct arena){.pool = pool, .block_count_max = blocks_for(rounded), .bytes_left = rounded};
}

/* Closes a run that is off the list already; answers the bytes that were taken from it, which the
 * limit gets back. */
static uint32_t drop_run(struct arena *arena, struct arena_run *run) {
    const char *used_end = run == arena->open ? arena->next : run->used_end;
    uint32_t bytes = (uint32_t)(used_end - (char *)run) - HEAD_BYTES;
    CHECK(arena->block_count >= run->block_count);
    arena->block_count -= run->block_count;
    run_close(arena->pool, run, used_end);
    return bytes;
}

void arena_reset(struct arena *arena) {
    while (arena->runs != NULL) {
        struct arena_run *run = arena->runs;
        arena->runs = run->older;
        arena->bytes_left += drop_run(arena, run);
    }
    CHECK(arena->block_count == 0);
    arena->open = NULL;
    arena->next = NULL;
    arena->end = NULL;
}

static size_t room(const struct arena *arena) {
    return arena->open == NULL ? 0 : (size_t)(arena->end - arena->next);
}

/* A new run with room for `bytes`, first in the list but not open. */
static struct arena_run *add_run(struct arena *arena, uint32_t bytes) {
    uint32_t count = blocks_for(bytes);
    if (count > arena->block_count_max - arena->block_count) {
        return NULL;
    }
    struct arena_run *run = run_open(arena->pool, count);
    if (run == NULL) {
        return NULL;
    }
    run->used_end = (char *)run + HEAD_BYTES;
    run->older = arena->runs;
    arena->runs = run;
    arena->block_count += count;
    return run;
}

static void open_run(struct arena *arena, struct arena_run *run) {
    if (arena->open != NULL) {
        arena->open->used_end = arena->next;
    }
    arena->open = run;
    arena->next = run->used_end;
    arena->end = (char *)run + (size_t)run->block_count * ARENA_BLOCK_BYTES;
}

/* `bytes` from the open run, or from a new one; of those two the one with more room left is open
 * afterwards, so that a large request does not throw a nearly empty block away. */
static char *take_rounded(struct arena *arena, uint32_t bytes) {
    if (bytes > room(arena)) {
        struct arena_run *run = add_run(arena, bytes);
        if (run == NULL) {
            return NULL;
        }
        char *place = run->used_end;
        size_t room_after = (size_t)run->block_count * ARENA_BLOCK_BYTES - HEAD_BYTES - bytes;
        if (room_after < room(arena)) {
            run->used_end += bytes;
            return place;
        }
        open_run(arena, run);
    }
    char *place = arena->next;
    arena->next += bytes;
    return place;
}

void *arena_take(struct arena *arena, size_t bytes) {
    CHECK(arena->pool != NULL);
    uint32_t rounded;
    if (!round_up(bytes == 0 ? 1 : bytes, &rounded) || rounded > arena->bytes_left) {
        return NULL;
    }
    char *place = take_rounded(arena, rounded);
    if (place == NULL) {
        return NULL;
    }
    arena->bytes_left -= rounded;
    CHECK((uintptr_t)place % ALIGNMENT == 0);
    UNPOISON(place, bytes);
    memset(place, 0, bytes);
    return place;
}

/* Gives a run back when `old` is all that it holds: the buffer of a growing text would otherwise
 * cost the sum of all its sizes. */
static void release_if_alone(struct arena *arena, const char *old, uint32_t rounded) {
    struct arena_run **link = &arena->runs;
    while (*link != NULL && (char *)*link + HEAD_BYTES != old) {
        link = &(*link)->older;
    }
    struct arena_run *run = *link;
    const char *used_end = run == NULL ? NULL : run == arena->open ? arena->next : run->used_end;
    if (run == NULL || run == arena->runs || used_end != old + rounded) {
        return;
    }
    if (run == arena->open) {
        open_run(arena, arena->runs);
    }
    *link = run->older;
    arena->bytes_left += drop_run(arena, run);
}

void *arena_grow(struct arena *arena, void *old, size_t old_bytes, size_t new_bytes) {
    CHECK(old != NULL || old_bytes == 0);
    uint32_t old_rounded;
    uint32_t new_rounded;
    if (old == NULL) {
        return arena_take(arena, new_bytes);
    }
    bool is_ours = round_up(old_bytes == 0 ? 1 : old_bytes, &old_rounded);
    CHECK(is_ours);
    if (new_bytes <= old_bytes) {
        return old;
    }
    if (!round_up(new_bytes, &new_rounded)) {
        return NULL;
    }
    uint32_t more = new_rounded - old_rounded;
    char *old_end = (char *)old + old_rounded;
    if (old_end == arena->next && more <= room(arena) && more <= arena->bytes_left) {
        arena->next += more;
        arena->bytes_left -= more;
        UNPOISON(old, new_bytes);
        memset((char *)old + old_bytes, 0, new_bytes - old_bytes);
        return old;
    }
    char *place = arena_take(arena, new_bytes);
    if (place == NULL) {
        return NULL;
    }
    memcpy(place, old, old_bytes);
    release_if_alone(arena, old, old_rounded);
    return place;
}

struct str arena_copy(struct arena *arena, struct str s) {
    if (str_is_none(s)) {
        return STR_NONE;
    }
    char *place = arena_take(arena, s.len);
    if (place == NULL) {
        return STR_NONE;
    }
    if (s.len > 0) {
        memcpy(place, s.data, s.len);
    }
    return str_from(place, s.len);
}
