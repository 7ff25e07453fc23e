/* The partition table, see gpt.h. Names of the fields are the standard's (UEFI 2.10, 5.3). */
#include "os/gpt.h"

#include "base/le.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
    HEADER_BYTES = 92,
    HEADER_CRC_AT = 16,
    MY_LBA_AT = 24,
    ALTERNATE_LBA_AT = 32,
    FIRST_USABLE_AT = 40,
    LAST_USABLE_AT = 48,
    ENTRIES_LBA_AT = 72,
    ENTRIES_COUNT_AT = 80,
    ENTRY_BYTES_AT = 84,
    ENTRIES_CRC_AT = 88,

    ENTRY_FIRST_AT = 32,
    ENTRY_LAST_AT = 40,
    GUID_BYTES = 16,

    PRIMARY_LBA = 1,
    LIST_LBA = 2, /* where the standard has the list */
    LIST_SECTORS = GPT_ENTRIES_MAX * GPT_ENTRY_BYTES / GPT_SECTOR_BYTES,
    TAIL_SECTORS = LIST_SECTORS + 1, /* the second table */
    ALIGN_SECTORS = 1024 * 1024 / GPT_SECTOR_BYTES,
    DISK_SECTORS_MIN = 4 * ALIGN_SECTORS,

    /* The boot sector's own table (5.2.3): the first row covers the disk. */
    PROTECTIVE_TYPE_AT = 446 + 4,
    PROTECTIVE_TYPE = 0xee,
    PROTECTIVE_SIZE_AT = 446 + 12,
};

/* CRC-32 of IEEE 802.3, as in zip files; 16 KiB when a disk has grown, so bit by bit. */
static uint32_t checksum(const uint8_t *at, uint32_t bytes) {
    uint32_t crc = UINT32_MAX;
    for (uint32_t index = 0; index < bytes; index++) {
        crc ^= at[index];
        for (uint32_t bit = 0; bit < 8; bit++) {
            crc = (crc & 1) != 0 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
        }
    }
    return ~crc;
}

/* ---- the disk ---- */

static enum err sectors_read(int fd, uint64_t lba, void *memory, uint32_t bytes) {
    uint8_t *at = memory;
    uint32_t done = 0;
    while (done < bytes) {
        ssize_t got = pread(fd, at + done, bytes - done, (off_t)(lba * GPT_SECTOR_BYTES + done));
        if (got == 0 || (got < 0 && errno != EINTR)) {
            return ERR_IO;
        }
        done += got > 0 ? (uint32_t)got : 0;
    }
    return ERR_OK;
}

static enum err sectors_write(int fd, uint64_t lba, const void *memory, uint32_t bytes) {
    const uint8_t *at = memory;
    uint32_t done = 0;
    while (done < bytes) {
        ssize_t put = pwrite(fd, at + done, bytes - done, (off_t)(lba * GPT_SECTOR_BYTES + done));
        if (put < 0 && errno != EINTR) {
            return ERR_IO;
        }
        done += put > 0 ? (uint32_t)put : 0;
    }
    return ERR_OK;
}

static enum err step_end(int fd) {
    return fdatasync(fd) == 0 ? ERR_OK : ERR_IO;
}

/* ---- reading ---- */

static uint32_t header_checksum(const uint8_t *header) {
    uint8_t copy[HEADER_BYTES];
    memcpy(copy, header, sizeof copy);
    le_put(copy + HEADER_CRC_AT, 0, 4);
    return checksum(copy, sizeof copy);
}

static bool header_is_good(const uint8_t *header, uint64_t disk_sectors) {
    uint64_t list = le_get(header + ENTRIES_LBA_AT, 8);
    uint64_t first = le_get(header + FIRST_USABLE_AT, 8);
    return le_get(header + 12, 4) == HEADER_BYTES &&
           le_get(header + HEADER_CRC_AT, 4) == header_checksum(header) &&
           le_get(header + MY_LBA_AT, 8) == PRIMARY_LBA && first < disk_sectors &&
           le_get(header + LAST_USABLE_AT, 8) < disk_sectors && list >= LIST_LBA && list < first &&
           le_get(header + ENTRIES_COUNT_AT, 4) == GPT_ENTRIES_MAX &&
           le_get(header + ENTRY_BYTES_AT, 4) == GPT_ENTRY_BYTES;
}

enum err gpt_read(int fd, uint64_t disk_bytes, struct gpt *gpt) {
    uint64_t disk_sectors = disk_bytes / GPT_SECTOR_BYTES;
    if (disk_sectors < DISK_SECTORS_MIN) {
        return ERR_NOT_FOUND;
    }
    enum err err = sectors_read(fd, PRIMARY_LBA, gpt->header, sizeof gpt->header);
    if (err != ERR_OK) {
        return err;
    }
    if (memcmp(gpt->header, "EFI PART", 8) != 0) {
        return ERR_NOT_FOUND;
    }
    if (!header_is_good(gpt->header, disk_sectors)) {
        return ERR_CORRUPT;
    }
    uint64_t list = le_get(gpt->header + ENTRIES_LBA_AT, 8);
    err = sectors_read(fd, list, gpt->entries, sizeof gpt->entries);
    if (err != ERR_OK) {
        return err;
    }
    bool is_whole = checksum(gpt->entries, sizeof gpt->entries) ==
                    (uint32_t)le_get(gpt->header + ENTRIES_CRC_AT, 4);
    return is_whole ? ERR_OK : ERR_CORRUPT;
}

static bool entry_is_used(const uint8_t *entry) {
    static const uint8_t unused[GUID_BYTES];
    return memcmp(entry, unused, sizeof unused) != 0;
}

static const uint8_t *entry_of(const struct gpt *gpt, uint32_t number) {
    bool is_there = number > 0 && number <= GPT_ENTRIES_MAX &&
                    entry_is_used(gpt->entries + (number - 1) * GPT_ENTRY_BYTES);
    return is_there ? gpt->entries + (number - 1) * GPT_ENTRY_BYTES : NULL;
}

uint64_t gpt_sectors(const struct gpt *gpt, uint32_t number) {
    const uint8_t *entry = entry_of(gpt, number);
    uint64_t first = entry == NULL ? 1 : le_get(entry + ENTRY_FIRST_AT, 8);
    uint64_t last = entry == NULL ? 0 : le_get(entry + ENTRY_LAST_AT, 8);
    return last >= first ? last - first + 1 : 0;
}

/* ---- growing ---- */

static bool is_last(const struct gpt *gpt, uint64_t last) {
    for (uint32_t number = 1; number <= GPT_ENTRIES_MAX; number++) {
        const uint8_t *entry = entry_of(gpt, number);
        if (entry != NULL && le_get(entry + ENTRY_FIRST_AT, 8) > last) {
            return false;
        }
    }
    return true;
}

/* Two lists fit before the first partition: the one that is not in use. 0 = they do not. */
static uint64_t other_list(const uint8_t *header) {
    uint64_t list = le_get(header + ENTRIES_LBA_AT, 8);
    uint64_t other = list == LIST_LBA ? LIST_LBA + LIST_SECTORS : LIST_LBA;
    bool has_room = other + LIST_SECTORS <= le_get(header + FIRST_USABLE_AT, 8) &&
                    (other < list ? other + LIST_SECTORS <= list : true);
    return has_room ? other : 0;
}

static void header_finish(struct gpt *gpt, uint64_t own, uint64_t other, uint64_t list) {
    le_put(gpt->header + MY_LBA_AT, own, 8);
    le_put(gpt->header + ALTERNATE_LBA_AT, other, 8);
    le_put(gpt->header + ENTRIES_LBA_AT, list, 8);
    le_put(gpt->header + ENTRIES_CRC_AT, checksum(gpt->entries, sizeof gpt->entries), 4);
    le_put(gpt->header + HEADER_CRC_AT, header_checksum(gpt->header), 4);
}

static enum err table_write(int fd, const struct gpt *gpt) {
    uint64_t list = le_get(gpt->header + ENTRIES_LBA_AT, 8);
    enum err err = sectors_write(fd, list, gpt->entries, sizeof gpt->entries);
    err = err == ERR_OK ? step_end(fd) : err;
    if (err == ERR_OK) {
        uint64_t own = le_get(gpt->header + MY_LBA_AT, 8);
        err = sectors_write(fd, own, gpt->header, sizeof gpt->header);
    }
    return err == ERR_OK ? step_end(fd) : err;
}

static enum err boot_sector_write(int fd, uint64_t disk_sectors) {
    uint8_t sector[GPT_SECTOR_BYTES];
    uint64_t size = disk_sectors - 1 < UINT32_MAX ? disk_sectors - 1 : UINT32_MAX;
    enum err err = sectors_read(fd, 0, sector, sizeof sector);
    if (err != ERR_OK || sector[PROTECTIVE_TYPE_AT] != PROTECTIVE_TYPE) {
        return err;
    }
    le_put(sector + PROTECTIVE_SIZE_AT, size, 4);
    return sectors_write(fd, 0, sector, sizeof sector);
}

/* Puts the disk's new end into header and entry; false when nothing would become larger. */
static bool stretch(struct gpt *gpt, uint64_t disk_sectors, uint8_t *entry) {
    uint64_t end = (disk_sectors - TAIL_SECTORS) / ALIGN_SECTORS * ALIGN_SECTORS;
    if (end - 1 <= le_get(entry + ENTRY_LAST_AT, 8)) {
        return false;
    }
    le_put(entry + ENTRY_LAST_AT, end - 1, 8);
    le_put(gpt->header + LAST_USABLE_AT, disk_sectors - TAIL_SECTORS - 1, 8);
    return true;
}

enum err gpt_grow(int fd, uint64_t disk_bytes, uint32_t number, struct gpt *gpt) {
    uint64_t disk_sectors = disk_bytes / GPT_SECTOR_BYTES;
    uint64_t list = other_list(gpt->header);
    CHECK(disk_sectors >= DISK_SECTORS_MIN);
    if (gpt_sectors(gpt, number) == 0) {
        return ERR_NOT_FOUND;
    }
    uint8_t *entry = gpt->entries + (number - 1) * GPT_ENTRY_BYTES;
    if (list == 0 || !is_last(gpt, le_get(entry + ENTRY_LAST_AT, 8))) {
        return ERR_CONFLICT;
    }
    if (!stretch(gpt, disk_sectors, entry)) {
        return ERR_EXISTS;
    }
    header_finish(gpt, disk_sectors - 1, PRIMARY_LBA, disk_sectors - TAIL_SECTORS);
    enum err err = table_write(fd, gpt);
    err = err == ERR_OK ? boot_sector_write(fd, disk_sectors) : err;
    header_finish(gpt, PRIMARY_LBA, disk_sectors - 1, list);
    return err == ERR_OK ? table_write(fd, gpt) : err;
}
