/* Address space from the kernel: reserved in one piece, paid for page by page when touched. */
#ifndef OS_MEM_H
#define OS_MEM_H

#include "base/check.h"

/* Zeroed, page-aligned; NULL when the kernel refuses. */
void *mem_reserve(size_t bytes);
/* Gives back exactly what mem_reserve gave; NULL is allowed. */
void mem_release(void *memory, size_t bytes);
/* The pages keep their address but give their memory back; they read as zero afterwards. `memory`
 * is page-aligned, `bytes` is rounded up to whole pages. */
void mem_discard(void *memory, size_t bytes);
/* A stack of `bytes` (rounded up to whole pages) with an unmapped guard page below it; returns its
 * lowest usable address, NULL when the kernel refuses. Stacks live as long as the process. */
void *mem_stack(size_t bytes);

#endif
