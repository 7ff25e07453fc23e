/*
 * The partition table of our disk (GPT; UEFI 2.10, 5.3), for one purpose: the last partition grows
 * when the disk was made larger.
 *
 *   1  the second table goes to the disk's new end, whole
 *   2  the new entries go beside those in use: there is room for two lists before the first
 *      partition, and the header says which one counts
 *   3  the header, one sector, says the new list, the new end, the place of the second table
 *   4  the size in the boot sector, for programs that know nothing else
 *
 * Each step is on the disk before the next begins, and before 3 is there all who read the table
 * find the old one, behind it the new one: power may be cut at any moment. What was begun is done
 * again at the next start.
 */
#ifndef OS_GPT_H
#define OS_GPT_H

#include "base/err.h"

enum { GPT_SECTOR_BYTES = 512, GPT_ENTRIES_MAX = 128, GPT_ENTRY_BYTES = 128 };

struct gpt {
    uint8_t header[GPT_SECTOR_BYTES];
    uint8_t entries[GPT_ENTRIES_MAX * GPT_ENTRY_BYTES];
};

/* Reads the first table and checks it as far as growing depends on it. ERR_NOT_FOUND: there is
 * none. ERR_CORRUPT: it is wrong, or of a kind that this file does not write (other sizes than the
 * usual ones). ERR_IO. */
enum err gpt_read(int fd, uint64_t disk_bytes, struct gpt *gpt);

/* The sectors of a partition (number from 1), or 0 when there is none. */
uint64_t gpt_sectors(const struct gpt *gpt, uint32_t number);

/* Lets the partition reach to the end of the disk and writes that. ERR_EXISTS: it does already.
 * ERR_CONFLICT: another one lies behind it, or there is no room for a second list. ERR_IO: what is
 * there is the old table or the new one. */
enum err gpt_grow(int fd, uint64_t disk_bytes, uint32_t number, struct gpt *gpt);

#endif
