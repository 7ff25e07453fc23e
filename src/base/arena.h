/*
 * Arenas: memory that is given back all at once. Every arena takes fixed blocks from a pool that is
 * made at start; the pool is the limit of what all requests together may hold. An empty pool or an
 * arena at its own limit answers NULL: that is load or a large input, never a bug, and the caller
 * returns ERR_NO_MEMORY (503).
 *
 * Blocks are reserved address space: a page that no request ever touched costs no memory. What is
 * given back is wiped first, for passwords and tokens pass through here.
 *
 * A run is one or more neighbouring blocks. Runs of one block come from the low end of the pool,
 * longer ones from the high end, first fit over a bitmap in both cases: small requests stay
 * together and leave the other end whole for large ones. Taking a run is O(blocks / 64) for one
 * block and O(blocks) for more; taking from a run is a pointer bump.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/limits.h"
#include "base/str.h"

struct arena_run;

struct arena_pool {
    char *memory; /* block_count * ARENA_BLOCK_BYTES, owned by whoever made it */
    uint32_t block_count;
    uint32_t used_count;                       /* blocks handed out */
    uint32_t used_count_peak;                  /* the most there ever were; for metrics */
    uint64_t used[ARENA_POOL_BLOCKS_MAX / 64]; /* bit set: block handed out */
};

struct arena {
    struct arena_pool *pool;
    struct arena_run *runs; /* newest first */
    struct arena_run *open; /* the run that `next` and `end` lie in, or NULL */
    char *next;             /* free bytes: next..end */
    char *end;
    uint32_t block_count;     /* blocks held */
    uint32_t block_count_max; /* from bytes_max; bounds waste too */
    uint32_t bytes_left;      /* of bytes_max, rounded up to the alignment */
};

/* `memory` holds block_count (1..ARENA_POOL_BLOCKS_MAX) blocks of ARENA_BLOCK_BYTES, zeroed or not,
 * aligned to 16 bytes, not on the stack; it is not touched before it is taken. */
void arena_pool_init(struct arena_pool *pool, void *memory, uint32_t block_count);

/* The arena will hand out bytes_max bytes at most; each request counts rounded up to 16. It needs
 * no end when nothing was taken from it. bytes_max is at most the largest pool. */
void arena_init(struct arena *arena, struct arena_pool *pool, uint32_t bytes_max);
/* Wipes and gives all blocks back; the arena can be used again. Everything taken from it is gone.
 * Whoever inits an arena resets it: the pool keeps no list of arenas. */
void arena_reset(struct arena *arena);

/* Zeroed, aligned for any type, alive until arena_reset; zero bytes give an address, too. Requests
 * that do not fit in one block take a run of their own. NULL when there is no room. */
void *arena_take(struct arena *arena, size_t bytes);
#define ARENA_NEW(arena, type) ((type *)arena_take((arena), sizeof(type)))

/* Grows an allocation: in place when it is the newest and its run has room, else a copy. The added
 * bytes are zeroed. NULL when there is no room, and the old memory stays valid; otherwise the old
 * address is void. `old` may be NULL with old_bytes 0. For library allocators (yyjson). */
void *arena_grow(struct arena *arena, void *old, size_t old_bytes, size_t new_bytes);

/* Copies; STR_NONE in gives STR_NONE out; STR_NONE out for any other input means no room. */
struct str arena_copy(struct arena *arena, struct str s);

#endif
