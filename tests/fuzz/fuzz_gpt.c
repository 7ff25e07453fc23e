/*
 * The partition table of a disk. Input: which partition grows, whether the checksums are put right,
 * a header, entries. Never a crash; what was grown is read again, and nothing shrinks.
 */
#include "base/le.h"
#include "os/gpt.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    DISK_BYTES = 4 * 1024 * 1024,
    HEADER_BYTES = 92,
    SECOND_LIST_BYTES = 66 * GPT_SECTOR_BYTES,
};

static void require(bool holds) {
    if (!holds) {
        abort();
    }
}

/* Sectors 0 to 65: the boot sector, the header, two lists. */
static uint8_t head[SECOND_LIST_BYTES];

static void checksums_put(void) {
    uint8_t *header = head + GPT_SECTOR_BYTES;
    uint64_t list = le_get(header + 72, 8) == 2 ? 2 : 34;
    const uint8_t *entries = head + list * GPT_SECTOR_BYTES;
    le_put(header + 88, crc32(0, entries, GPT_ENTRIES_MAX * GPT_ENTRY_BYTES), 4);
    le_put(header + 16, 0, 4);
    le_put(header + 16, crc32(0, header, HEADER_BYTES), 4);
}

static void head_fill(const uint8_t *data, size_t size) {
    size_t header_bytes = size < HEADER_BYTES ? size : HEADER_BYTES;
    size_t entries_bytes = size - header_bytes;
    size_t room = GPT_ENTRIES_MAX * GPT_ENTRY_BYTES;
    memset(head, 0, sizeof head);
    memcpy(head + GPT_SECTOR_BYTES, data, header_bytes);
    for (uint32_t list = 2; list <= 34; list += 32) {
        memcpy(head + list * GPT_SECTOR_BYTES, data + header_bytes,
               entries_bytes < room ? entries_bytes : room);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct gpt gpt;
    static int fd = -1;
    if (fd < 0) {
        fd = memfd_create("disk", 0);
        require(ftruncate(fd, DISK_BYTES) == 0);
    }
    if (size < 2) {
        return 0;
    }
    head_fill(data + 2, size - 2);
    if (data[1] != 0) {
        checksums_put();
    }
    require(pwrite(fd, head, sizeof head, 0) == (ssize_t)sizeof head);
    if (gpt_read(fd, DISK_BYTES, &gpt) != ERR_OK) {
        return 0;
    }
    uint64_t before = gpt_sectors(&gpt, data[0]);
    if (gpt_grow(fd, DISK_BYTES, data[0], &gpt) == ERR_OK) {
        require(gpt_read(fd, DISK_BYTES, &gpt) == ERR_OK);
        require(gpt_sectors(&gpt, data[0]) > before);
    }
    return 0;
}
