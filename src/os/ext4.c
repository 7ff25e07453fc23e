/*
 * ext4: superblock reader and formatter, see ext4.h. The layout is the kernel's
 * Documentation/filesystems/ext4; checked with e2fsck and the kernel by tests/unit/test_ext4.c and
 * tests/vm.
 *
 *   block    0          boot block (empty), superblock at byte 1024
 *            1          group descriptors
 *            2, 3       bitmaps of blocks and inodes
 *            4 - 131    inode table: 2048 inodes of 256 bytes
 *            132, 133   root folder, lost+found
 *            134 -      journal
 *
 * meta_bg instead of reserved descriptor blocks: the file system can grow to any size. Metadata
 * have checksums (metadata_csum): a disk that lies is noticed.
 */
#include "os/ext4.h"

#include "base/num.h"
#include "base/time.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    SUPERBLOCK_AT = 1024,
    SUPERBLOCK_BYTES = 1024,
    MAGIC = 0xef53,
    BLOCK_BYTES = 4096,
    GROUP_BLOCKS = 8 * BLOCK_BYTES,
    GROUP_INODES = 2048,
    INODE_BYTES = 256,
    INODE_EXTRA_BYTES = 32,

    BLOCK_DESCRIPTORS = 1,
    BLOCK_BLOCK_BITMAP = 2,
    BLOCK_INODE_BITMAP = 3,
    BLOCK_INODES = 4,
    BLOCK_ROOT = BLOCK_INODES + GROUP_INODES * INODE_BYTES / BLOCK_BYTES,
    BLOCK_LOST_FOUND = BLOCK_ROOT + 1,
    BLOCK_JOURNAL = BLOCK_ROOT + 2,

    /* The kernel's least, and enough: nearly all our writes overwrite allocated blocks. */
    JOURNAL_BLOCKS_SMALL = 1024,
    JOURNAL_BLOCKS = 4096,
    JOURNAL_LARGE_FROM_BLOCKS = 8192,
    /* For root: PID 1 can still note why the server ended when the disk is full. */
    RESERVED_BLOCKS = 256,

    INODE_ROOT = 2,
    INODE_JOURNAL = 8,
    INODE_FIRST = 11, /* lost+found */

    COMPAT = 0x4 | 0x8 | 0x20,                         /* has_journal ext_attr dir_index */
    INCOMPAT = 0x2 | 0x10 | 0x40 | 0x200,              /* filetype meta_bg extent flex_bg */
    RO_COMPAT = 0x1 | 0x2 | 0x8 | 0x20 | 0x40 | 0x400, /* sparse_super large_file huge_file
                                                         dir_nlink extra_isize metadata_csum */
    INCOMPAT_RECOVER = 0x4,
    RO_COMPAT_METADATA_CSUM = 0x400,
    STATE_CLEAN = 1,
    STATE_ERRORS = 2,
    ON_ERROR_READ_ONLY = 2,
    GROUP_INODES_ZEROED = 4,
    INODE_HAS_EXTENTS = 0x80000,
};
_Static_assert(BLOCK_JOURNAL == 134, "as the comment above says");

/* Offsets in the superblock. */
enum {
    SB_INODES = 0x0,
    SB_BLOCKS = 0x4,
    SB_RESERVED = 0x8,
    SB_FREE_BLOCKS = 0xc,
    SB_FREE_INODES = 0x10,
    SB_LOG_BLOCK = 0x18,
    SB_MOUNTED = 0x2c,
    SB_WRITTEN = 0x30,
    SB_MAGIC = 0x38,
    SB_STATE = 0x3a,
    SB_COMPAT = 0x5c,
    SB_INCOMPAT = 0x60,
    SB_RO_COMPAT = 0x64,
    SB_UUID = 0x68,
    SB_LABEL = 0x78,
    SB_JOURNAL_BACKUP = 0x10c,
    SB_BLOCKS_HIGH = 0x150,
    SB_ERROR_COUNT = 0x194,
    SB_ERROR_FUNCTION = 0x1a8,
    SB_WRITTEN_HIGH = 0x274,
    SB_MOUNTED_HIGH = 0x275,
    SB_CHECKSUM = 0x3fc,
};

static const char half_made_mark[] = "coffer is formatting this disk";

/* ---- little things ---- */

static void put16(uint8_t *at, uint32_t value) {
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *at, uint32_t value) {
    put16(at, value & 0xffff);
    put16(at + 2, value >> 16);
}

static void put32_big(uint8_t *at, uint32_t value) {
    at[0] = (uint8_t)(value >> 24);
    at[1] = (uint8_t)(value >> 16);
    at[2] = (uint8_t)(value >> 8);
    at[3] = (uint8_t)value;
}

static uint32_t get16(const uint8_t *at) {
    return (uint32_t)at[0] | (uint32_t)at[1] << 8;
}

static uint32_t get32(const uint8_t *at) {
    return get16(at) | get16(at + 2) << 16;
}

/* CRC-32C without final inversion, as the kernel's crc32c(); a few KiB, so bit by bit. */
static uint32_t checksum(uint32_t crc, const void *data, uint32_t bytes) {
    const uint8_t *at = data;
    for (uint32_t index = 0; index < bytes; index++) {
        crc ^= at[index];
        for (uint32_t bit = 0; bit < 8; bit++) {
            crc = (crc & 1) != 0 ? crc >> 1 ^ 0x82f63b78u : crc >> 1;
        }
    }
    return crc;
}

static uint32_t checksum_number(uint32_t crc, uint32_t number) {
    uint8_t bytes[4];
    put32(bytes, number);
    return checksum(crc, bytes, sizeof bytes);
}

/* ---- reading ---- */

static int64_t time_of(uint32_t low, uint8_t high) {
    return (int64_t)((uint64_t)high << 32 | low) * TIME_US_PER_S;
}

enum err ext4_parse(const uint8_t *head, struct ext4_info *info) {
    const uint8_t *super = head + SUPERBLOCK_AT;
    memset(info, 0, sizeof *info);
    if (get16(super + SB_MAGIC) != MAGIC) {
        return ERR_NOT_FOUND;
    }
    memcpy(info->label, super + SB_LABEL, EXT4_LABEL_BYTES_MAX);
    memcpy(info->uuid, super + SB_UUID, sizeof info->uuid);
    bool has_checksum = (get32(super + SB_RO_COMPAT) & RO_COMPAT_METADATA_CSUM) != 0;
    uint32_t log_block = get32(super + SB_LOG_BLOCK);
    uint64_t blocks = get32(super + SB_BLOCKS) | (uint64_t)get32(super + SB_BLOCKS_HIGH) << 32;
    if (log_block > 6 || blocks == 0 || blocks > UINT64_MAX >> (log_block + 10) ||
        (has_checksum && checksum(~0u, super, SB_CHECKSUM) != get32(super + SB_CHECKSUM))) {
        return ERR_CORRUPT;
    }
    info->bytes = blocks << (log_block + 10);
    info->has_errors = (get16(super + SB_STATE) & STATE_ERRORS) != 0;
    info->needs_recovery = (get32(super + SB_INCOMPAT) & INCOMPAT_RECOVER) != 0;
    info->mounted_us = time_of(get32(super + SB_MOUNTED), super[SB_MOUNTED_HIGH]);
    info->written_us = time_of(get32(super + SB_WRITTEN), super[SB_WRITTEN_HIGH]);
    info->error_count = get32(super + SB_ERROR_COUNT);
    memcpy(info->error_function, super + SB_ERROR_FUNCTION, sizeof info->error_function - 1);
    return ERR_OK;
}

bool ext4_is_half_made(const uint8_t *head) {
    return memcmp(head, half_made_mark, sizeof half_made_mark) == 0 &&
           get16(head + SUPERBLOCK_AT + SB_MAGIC) != MAGIC;
}

/* ---- formatting ---- */

struct format {
    int fd;
    uint32_t blocks;
    uint32_t journal_blocks;
    uint32_t seed; /* of all checksums: from the UUID */
    uint32_t now_s;
    const uint8_t *entropy; /* UUID, directory hash seed, generation */
    const char *label;
    uint8_t block[BLOCK_BYTES];
    uint8_t journal_map[60]; /* the journal inode's extents, repeated in the superblock */
};

static uint32_t generation_of(const struct format *format) {
    return get32(format->entropy + 32);
}

static enum err block_write(struct format *format, uint32_t number) {
    uint32_t done = 0;
    while (done < BLOCK_BYTES) {
        ssize_t put = pwrite(format->fd, format->block + done, BLOCK_BYTES - done,
                             (off_t)number * BLOCK_BYTES + done);
        if (put < 0 && errno != EINTR) {
            return ERR_IO;
        }
        done += put > 0 ? (uint32_t)put : 0;
    }
    return ERR_OK;
}

static enum err block_write_zeroed_after(struct format *format, uint32_t number) {
    enum err err = block_write(format, number);
    memset(format->block, 0, BLOCK_BYTES);
    return err;
}

static uint32_t used_blocks(const struct format *format) {
    return BLOCK_JOURNAL + format->journal_blocks;
}

static void bits_set(uint8_t *bitmap, uint32_t from, uint32_t to) {
    for (uint32_t bit = from; bit < to; bit++) {
        bitmap[bit / 8] |= (uint8_t)(1u << bit % 8);
    }
}

/* Bitmaps first: the descriptor holds their checksums. */
static enum err group_write(struct format *format) {
    uint8_t descriptor[32] = {0};
    bits_set(format->block, 0, used_blocks(format));
    bits_set(format->block, format->blocks, GROUP_BLOCKS);
    put16(descriptor + 0x18, checksum(format->seed, format->block, BLOCK_BYTES));
    enum err err = block_write_zeroed_after(format, BLOCK_BLOCK_BITMAP);

    bits_set(format->block, 0, INODE_FIRST);
    bits_set(format->block, GROUP_INODES, 8 * BLOCK_BYTES);
    put16(descriptor + 0x1a, checksum(format->seed, format->block, GROUP_INODES / 8));
    err = err != ERR_OK ? err : block_write_zeroed_after(format, BLOCK_INODE_BITMAP);

    put32(descriptor + 0x0, BLOCK_BLOCK_BITMAP);
    put32(descriptor + 0x4, BLOCK_INODE_BITMAP);
    put32(descriptor + 0x8, BLOCK_INODES);
    put16(descriptor + 0xc, format->blocks - used_blocks(format));
    put16(descriptor + 0xe, GROUP_INODES - INODE_FIRST);
    put16(descriptor + 0x10, 2); /* folders */
    put16(descriptor + 0x12, GROUP_INODES_ZEROED);
    put16(descriptor + 0x1c, GROUP_INODES - INODE_FIRST); /* never used inodes at the end */
    put16(descriptor + 0x1e, checksum(checksum_number(format->seed, 0), descriptor, 32));
    memcpy(format->block, descriptor, sizeof descriptor);
    return err != ERR_OK ? err : block_write_zeroed_after(format, BLOCK_DESCRIPTORS);
}

struct inode {
    uint32_t number;
    uint32_t mode;
    uint32_t links;
    uint32_t first_block;
    uint32_t blocks;
};

/* One extent is enough for each of them. */
static void inode_put(struct format *format, const struct inode *inode, uint8_t *at) {
    put16(at + 0x0, inode->mode);
    put32(at + 0x4, inode->blocks * BLOCK_BYTES);
    put32(at + 0x8, format->now_s);
    put32(at + 0xc, format->now_s);
    put32(at + 0x10, format->now_s);
    put16(at + 0x1a, inode->links);
    put32(at + 0x1c, inode->blocks * (BLOCK_BYTES / 512));
    put32(at + 0x20, INODE_HAS_EXTENTS);
    uint8_t *map = at + 0x28;
    put16(map + 0, 0xf30a);
    put16(map + 2, 1); /* entries */
    put16(map + 4, 4); /* at most */
    put16(map + 16, inode->blocks);
    put32(map + 20, inode->first_block);
    put32(at + 0x64, generation_of(format));
    put16(at + 0x80, INODE_EXTRA_BYTES);
    put32(at + 0x90, format->now_s);
    uint32_t crc = checksum_number(format->seed, inode->number);
    crc = checksum(checksum_number(crc, generation_of(format)), at, INODE_BYTES);
    put16(at + 0x7c, crc);
    put16(at + 0x82, crc >> 16);
}

static enum err inodes_write(struct format *format) {
    const struct inode inodes[] = {
        {INODE_ROOT, 0040755, 3, BLOCK_ROOT, 1},
        {INODE_JOURNAL, 0100600, 1, BLOCK_JOURNAL, format->journal_blocks},
        {INODE_FIRST, 0040700, 2, BLOCK_LOST_FOUND, 1},
    };
    for (uint32_t index = 0; index < COUNT_OF(inodes); index++) {
        inode_put(format, &inodes[index], format->block + (inodes[index].number - 1) * INODE_BYTES);
    }
    memcpy(format->journal_map, format->block + (INODE_JOURNAL - 1) * INODE_BYTES + 0x28,
           sizeof format->journal_map);
    return block_write_zeroed_after(format, BLOCK_INODES);
}

/* Returns the place behind it. `bytes` is what the entry takes. */
static uint8_t *entry_put(uint8_t *at, uint32_t inode, uint32_t bytes, const char *name) {
    uint32_t name_bytes = (uint32_t)strlen(name);
    CHECK(8 + name_bytes <= bytes);
    put32(at, inode);
    put16(at + 4, bytes);
    at[6] = (uint8_t)name_bytes;
    at[7] = 2; /* a folder */
    memcpy(at + 8, name, name_bytes);
    return at + bytes;
}

static enum err folder_write(struct format *format, uint32_t inode, uint32_t number,
                             const char *child) {
    enum { TAIL_BYTES = 12 };
    uint8_t *tail = format->block + BLOCK_BYTES - TAIL_BYTES;
    uint32_t rest = BLOCK_BYTES - TAIL_BYTES - 12;
    uint8_t *at = entry_put(format->block, inode, 12, ".");
    at = entry_put(at, INODE_ROOT, child != NULL ? 12 : rest, "..");
    if (child != NULL) {
        (void)entry_put(at, INODE_FIRST, rest - 12, child);
    }
    put16(tail + 4, TAIL_BYTES);
    tail[7] = 0xde;
    uint32_t crc = checksum_number(checksum_number(format->seed, inode), generation_of(format));
    put32(tail + 8, checksum(crc, format->block, BLOCK_BYTES - TAIL_BYTES));
    return block_write_zeroed_after(format, number);
}

/* An empty journal; the kernel adds its features when it first mounts. Big-endian. */
static enum err journal_write(struct format *format) {
    put32_big(format->block + 0x0, 0xc03b3998u);
    put32_big(format->block + 0x4, 4); /* superblock, version 2 */
    put32_big(format->block + 0xc, BLOCK_BYTES);
    put32_big(format->block + 0x10, format->journal_blocks);
    put32_big(format->block + 0x14, 1); /* first block of the log */
    put32_big(format->block + 0x18, 1); /* first sequence number */
    memcpy(format->block + 0x30, format->entropy, 16);
    put32_big(format->block + 0x40, 1); /* users */
    return block_write_zeroed_after(format, BLOCK_JOURNAL);
}

static void superblock_sizes_put(const struct format *format, uint8_t *super) {
    put32(super + SB_INODES, GROUP_INODES);
    put32(super + SB_BLOCKS, format->blocks);
    put32(super + SB_RESERVED, RESERVED_BLOCKS);
    put32(super + SB_FREE_BLOCKS, format->blocks - used_blocks(format));
    put32(super + SB_FREE_INODES, GROUP_INODES - INODE_FIRST);
    put32(super + SB_LOG_BLOCK, 2);
    put32(super + 0x1c, 2); /* clusters are blocks */
    put32(super + 0x20, GROUP_BLOCKS);
    put32(super + 0x24, GROUP_BLOCKS);
    put32(super + 0x28, GROUP_INODES);
    put32(super + 0x54, INODE_FIRST);
    put16(super + 0x58, INODE_BYTES);
    put16(super + 0x15c, INODE_EXTRA_BYTES);
    put16(super + 0x15e, INODE_EXTRA_BYTES);
    super[0x174] = 4; /* groups per flex group: 2^4 */
}

/* The superblock replaces the half-made mark: both lie in block 0. */
static enum err superblock_write(struct format *format) {
    uint8_t *super = format->block + SUPERBLOCK_AT;
    superblock_sizes_put(format, super);
    put32(super + 0x30, format->now_s); /* written */
    put16(super + 0x36, 0xffff);        /* mounts before a check: no limit */
    put16(super + SB_MAGIC, MAGIC);
    put16(super + SB_STATE, STATE_CLEAN);
    put16(super + 0x3c, ON_ERROR_READ_ONLY);
    put32(super + 0x40, format->now_s); /* checked */
    put32(super + 0x4c, 1);             /* revision */
    put32(super + SB_COMPAT, COMPAT);
    put32(super + SB_INCOMPAT, INCOMPAT);
    put32(super + SB_RO_COMPAT, RO_COMPAT);
    memcpy(super + SB_UUID, format->entropy, 16);
    memcpy(super + SB_LABEL, format->label, strlen(format->label));
    put32(super + 0xe0, INODE_JOURNAL);
    memcpy(super + 0xec, format->entropy + 16, 16); /* seed of the folders' hash */
    super[0xfc] = 1;                                /* that hash: half MD4 */
    super[0xfd] = 1;                                /* the journal's map is repeated below */
    put32(super + 0x108, format->now_s);            /* made */
    memcpy(super + SB_JOURNAL_BACKUP, format->journal_map, sizeof format->journal_map);
    put32(super + SB_JOURNAL_BACKUP + 64, format->journal_blocks * BLOCK_BYTES);
    put32(super + 0x160, 1); /* the hash takes char as signed */
    super[0x175] = 1;        /* CRC-32C */
    put32(super + SB_CHECKSUM, checksum(~0u, super, SB_CHECKSUM));
    return block_write_zeroed_after(format, 0);
}

static enum err mark_write(struct format *format) {
    memcpy(format->block, half_made_mark, sizeof half_made_mark);
    return block_write_zeroed_after(format, 0);
}

static enum err all_but_superblock_write(struct format *format) {
    enum err err = group_write(format);
    err = err != ERR_OK ? err : inodes_write(format);
    err = err != ERR_OK ? err : folder_write(format, INODE_ROOT, BLOCK_ROOT, "lost+found");
    err = err != ERR_OK ? err : folder_write(format, INODE_FIRST, BLOCK_LOST_FOUND, NULL);
    return err != ERR_OK ? err : journal_write(format);
}

static enum err synced(int fd, enum err err) {
    return err == ERR_OK && fsync(fd) != 0 ? ERR_IO : err;
}

enum err ext4_format(int fd, uint64_t device_bytes, const char *label,
                     const uint8_t entropy[EXT4_ENTROPY_BYTES], int64_t now_us) {
    static struct format format;
    CHECK(strlen(label) <= EXT4_LABEL_BYTES_MAX);
    if (device_bytes < EXT4_DEVICE_BYTES_MIN) {
        return ERR_FULL;
    }
    memset(&format, 0, sizeof format);
    format.fd = fd;
    format.blocks = (uint32_t)num_min_u64(device_bytes / BLOCK_BYTES, GROUP_BLOCKS);
    format.journal_blocks = format.blocks < JOURNAL_LARGE_FROM_BLOCKS
                                ? (uint32_t)JOURNAL_BLOCKS_SMALL
                                : (uint32_t)JOURNAL_BLOCKS;
    format.seed = checksum(~0u, entropy, 16);
    format.now_s = now_us > 0 ? (uint32_t)(now_us / 1000000) : 0;
    format.entropy = entropy;
    format.label = label;
    CHECK(used_blocks(&format) + RESERVED_BLOCKS < format.blocks);
    enum err err = synced(fd, mark_write(&format));
    err = err != ERR_OK ? err : synced(fd, all_but_superblock_write(&format));
    return err != ERR_OK ? err : synced(fd, superblock_write(&format));
}

/* ---- growing ---- */

enum err ext4_grow(int folder_fd, uint64_t device_bytes) {
    /* EXT4_IOC_RESIZE_FS: no header of the C library has it. */
    uint64_t blocks = device_bytes / BLOCK_BYTES;
    return ioctl(folder_fd, _IOW('f', 16, uint64_t), &blocks) == 0 ? ERR_OK : ERR_IO;
}
