/*
 * ext4 from outside: what a superblock says, and a formatter for blank disks (there is no mkfs in
 * the appliance).
 *
 * The formatter lays down the smallest useful file system, one block group of at most 128 MiB; the
 * kernel then grows it to the whole device while it is mounted (ext4_grow). So everything that
 * depends on the size of the disk is the kernel's code, the first boot takes the same way as a disk
 * that was enlarged later, and this file stays a list of constants.
 */
#ifndef OS_EXT4_H
#define OS_EXT4_H

#include "base/err.h"

enum {
    EXT4_LABEL_BYTES_MAX = 16,
    EXT4_HEAD_BYTES = 4096, /* of a device, for ext4_parse: boot block and superblock */
    EXT4_ENTROPY_BYTES = 36,
    /* Journal, inode table and some room. */
    EXT4_DEVICE_BYTES_MIN = 16 * 1024 * 1024,
};

struct ext4_info {
    char label[EXT4_LABEL_BYTES_MAX + 1];
    uint8_t uuid[16];
    uint64_t bytes;      /* of the file system */
    bool has_errors;     /* the kernel found something wrong and nobody repaired it */
    bool needs_recovery; /* the journal holds something: it was not unmounted */
    int64_t mounted_us;  /* the last time, by the clock of then; 0 = never */
    int64_t written_us;  /* the superblock, the last time */
    uint32_t error_count;
    char error_function[33]; /* where the kernel first noticed */
};

/* The first EXT4_HEAD_BYTES of a device. ERR_NOT_FOUND: no ext4 there. ERR_CORRUPT: it looks like
 * one, but its superblock cannot be right; `info` then has the label as far as readable. */
enum err ext4_parse(const uint8_t *head, struct ext4_info *info);

/* Did a formatting begin here and not end? Then nothing can be lost by doing it again. */
bool ext4_is_half_made(const uint8_t *head);

/* Makes a file system of that label on the device or file `fd`, whose `device_bytes` must read as
 * zero (or be half made). A power cut at any point leaves either a whole file system or one that
 * ext4_is_half_made. ERR_FULL when the device is below EXT4_DEVICE_BYTES_MIN. */
enum err ext4_format(int fd, uint64_t device_bytes, const char *label,
                     const uint8_t entropy[EXT4_ENTROPY_BYTES], int64_t now_us);

/* Lets the mounted file system that `folder_fd` lies in grow to the size of its device. */
enum err ext4_grow(int folder_fd, uint64_t device_bytes);

#endif
