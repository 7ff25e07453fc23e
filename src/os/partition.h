/* A partition of this machine, as the kernel tells of it. For root, before anything is mounted. */
#ifndef OS_PARTITION_H
#define OS_PARTITION_H

#include "base/err.h"

enum { PARTITION_NAME_BYTES = 32 };

struct partition {
    char name[PARTITION_NAME_BYTES]; /* vda1 */
    char disk[PARTITION_NAME_BYTES]; /* that it lies on: vda */
    uint32_t number;                 /* in the partition table, from 1 */
    uint64_t first;                  /* in sectors of 512 bytes */
    uint64_t sectors;
};

/* False: there is no partition of that name. */
bool partition_look(const char *name, struct partition *partition);

/* Lets the last partition of a disk that was made larger reach to its end (os/gpt.h). Says what it
 * did, or why not; true when the partition is larger now. A disk that did not grow is not read. */
bool partition_grow(const char *name);

#endif
