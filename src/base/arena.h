/*
 * Arenas: memory that is given back all at once. Every arena takes fixed blocks from a pool that is
 * made at start; the pool is the limit of what all requests together may hold. An empty pool or an
 * arena at its own limit answers NULL: that is load or a large input, never a bug, and the caller
 * returns ERR_NO_MEMORY (503).
 *
 * Blocks are reserved address space: a page that no request ever touched costs no memory.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/str.h"

struct arena_block;

struct arena_pool {
    struct arena_block *free;
    char *memory; /* block_count * ARENA_BLOCK_BYTES, owned by whoever made it */
    uint32_t block_count;
    uint32_t used_count; /* blocks handed out */
    uint32_t fresh;      /* blocks that were never handed out yet start here */
};

struct arena {
    struct arena_pool *pool;
    struct arena_block *blocks; /* newest first */
    uint32_t used;              /* bytes used in the newest block */
    uint32_t block_count;
    uint32_t block_count_max;
};

/* `memory` holds block_count blocks of ARENA_BLOCK_BYTES (limits.h), zeroed or not. */
void arena_pool_init(struct arena_pool *pool, void *memory, uint32_t block_count);

void arena_init(struct arena *arena, struct arena_pool *pool, uint32_t bytes_max);
/* Gives all blocks back; the arena can be used again. Everything taken from it is gone. */
void arena_reset(struct arena *arena);

/* Zeroed, aligned for any type, alive until arena_reset. Requests above ARENA_BLOCK_BYTES take
 * several neighbouring fresh blocks when there are any. NULL when there is no room. */
void *arena_take(struct arena *arena, size_t bytes);
#define ARENA_NEW(arena, type) ((type *)arena_take((arena), sizeof(type)))

/* Grows the newest allocation in place when possible, else copies. NULL when there is no room (the
 * old memory stays valid). For library allocators (yyjson). */
void *arena_grow(struct arena *arena, void *old, size_t old_bytes, size_t new_bytes);

/* Copies; STR_NONE in gives STR_NONE out; STR_NONE out for a non-empty input means no room. */
struct str arena_copy(struct arena *arena, struct str s);

#endif
