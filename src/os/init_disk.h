/*
 * Which disk is whose: looks at every disk and partition of the machine and finds the one with our
 * data, a blank one that may become it, and the NoCloud disk with settings. Reading only.
 */
#ifndef OS_INIT_DISK_H
#define OS_INIT_DISK_H

#include "os/ext4.h"

#define DISK_DATA_LABEL "coffer-data"
#define DISK_SETTINGS_LABEL "cidata"

enum {
    DISKS_MAX = 32,
    DISK_NAME_BYTES = 32,
    DISK_PATH_BYTES = 128,
};

struct buf;

enum disk_kind {
    DISK_OTHER,      /* something that is not ours */
    DISK_UNREADABLE, /* cannot be opened or read */
    DISK_DATA,       /* ext4 with our label */
    DISK_DAMAGED,    /* our label in a superblock that fails its checks */
    DISK_BLANK,      /* nothing but zeros, or a formatting of ours that a power cut ended */
    DISK_SETTINGS_ISO,
    DISK_SETTINGS_FAT,
};

struct disk {
    char name[DISK_NAME_BYTES]; /* vda, nvme0n1p3 */
    char path[DISK_PATH_BYTES];
    enum disk_kind kind;
    uint64_t bytes;
    bool is_partition;
    bool is_named;         /* a partition that is called coffer-data in the partition table */
    struct ext4_info ext4; /* DISK_DATA */
};

struct disks {
    struct disk rows[DISKS_MAX];
    uint32_t count;
    bool is_cut; /* there are more than DISKS_MAX */
};

/* Looks at vd*, sd*, xvd* and nvme* in `folder` (/dev; tests have their own), in order of name. */
void disks_scan(const char *folder, struct disks *disks);

/* The first of that kind, or NULL. */
const struct disk *disks_find(const struct disks *disks, enum disk_kind kind);

struct disk_choice {
    const struct disk *disk; /* NULL = none: `problem` says why and what to do */
    bool must_format;
    char problem[256];
};
/* The disk for the data. `wanted` is a name to insist on, or empty. A blank disk is taken only if
 * there is no disk with data, good or damaged, and no second blank one; a blank partition only if
 * its name in the partition table says that it is meant. */
void disks_choose(const struct disks *disks, struct str wanted, bool may_format,
                  struct disk_choice *choice);

/* "128 MiB, blank": for people. */
void disk_describe(const struct disk *disk, struct buf *out);

/* For tests and the fuzzer: judges the beginning of a disk. `head` has DISK_HEAD_BYTES. Never says
 * DISK_BLANK: that takes the whole disk. */
enum { DISK_HEAD_BYTES = 64 * 1024 };
enum disk_kind disk_judge(const uint8_t *head, struct ext4_info *ext4);

#endif
