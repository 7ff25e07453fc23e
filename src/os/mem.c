/* Address space, see mem.h. Reserved without swap accounting: most of it is never touched. */
#include "os/mem.h"

#include <sys/mman.h>
#include <unistd.h>

static size_t page_bytes(void) {
    long bytes = sysconf(_SC_PAGESIZE);
    CHECK(bytes > 0);
    return (size_t)bytes;
}

/* 0 when the rounding does not fit. */
static size_t pages_round_up(size_t bytes) {
    size_t page = page_bytes();
    size_t rounded = (bytes + page - 1) / page * page;
    return rounded < bytes ? 0 : rounded;
}

void *mem_reserve(size_t bytes) {
    CHECK(bytes > 0);
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

void mem_release(void *memory, size_t bytes) {
    if (memory == NULL) {
        return;
    }
    int status = munmap(memory, bytes);
    CHECK(status == 0);
}

void mem_discard(void *memory, size_t bytes) {
    CHECK((uintptr_t)memory % page_bytes() == 0);
    if (bytes == 0) {
        return;
    }
    int status = madvise(memory, bytes, MADV_DONTNEED);
    CHECK(status == 0);
}

void *mem_stack(size_t bytes) {
    CHECK(bytes > 0);
    size_t guard = page_bytes();
    size_t usable = pages_round_up(bytes);
    if (usable == 0 || usable + guard < usable) {
        return NULL;
    }
    char *memory = mem_reserve(usable + guard);
    if (memory == NULL) {
        return NULL;
    }
    if (mprotect(memory, guard, PROT_NONE) != 0) {
        mem_release(memory, usable + guard);
        return NULL;
    }
    return memory + guard;
}
