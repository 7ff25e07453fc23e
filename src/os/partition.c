/* Partitions in sysfs, see partition.h. */
#include "os/partition.h"

#include "os/files.h"
#include "os/gpt.h"
#include "os/log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/blkpg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define AREA "init"
#define BLOCK_FOLDER "/sys/class/block"

/* Less behind a partition is the second table and what alignment leaves. */
enum { GROWTH_SECTORS_MIN = 2 * 2 * 1024 * 1024 / GPT_SECTOR_BYTES };

/* ---- looking ---- */

static uint64_t number_read(const char *device, const char *name) {
    char path[128];
    char memory[64];
    struct str text;
    uint64_t value = 0;
    (void)snprintf(path, sizeof path, BLOCK_FOLDER "/%.31s/%s", device, name);
    bool is_read = file_read(path, memory, sizeof memory, &text) == ERR_OK &&
                   str_parse_u64(str_split(&text, '\n'), &value);
    return is_read ? value : 0;
}

/* The folder of a partition lies in that of its disk. */
static bool disk_of(struct partition *partition) {
    char path[128];
    char real[512];
    (void)snprintf(path, sizeof path, BLOCK_FOLDER "/%.31s", partition->name);
    ssize_t len = readlink(path, real, sizeof real - 1);
    if (len <= 0) {
        return false;
    }
    struct str rest = str_from(real, (size_t)len);
    struct str parent = STR_NONE;
    for (struct str part = str_split(&rest, '/'); !str_is_none(rest);
         part = str_split(&rest, '/')) {
        parent = part;
    }
    (void)snprintf(partition->disk, sizeof partition->disk, "%.*s", STR_ARG(parent));
    return parent.len > 0 && parent.len < sizeof partition->disk;
}

bool partition_look(const char *name, struct partition *partition) {
    memset(partition, 0, sizeof *partition);
    if (strlen(name) >= sizeof partition->name) {
        return false;
    }
    (void)snprintf(partition->name, sizeof partition->name, "%.31s", name);
    partition->number = (uint32_t)number_read(name, "partition");
    partition->first = number_read(name, "start");
    partition->sectors = number_read(name, "size");
    return partition->number > 0 && partition->first > 0 && partition->sectors > 0 &&
           disk_of(partition);
}

/* ---- growing ---- */

static void complain(const struct partition *partition, const char *why) {
    log_warn(AREA, "%s is larger than its partition %s, which stays as it is: %s", partition->disk,
             partition->name, why);
}

/* The kernel read the table at its start; it changes a partition's size while others are in use. */
static bool kernel_tell(int fd, const struct partition *partition, uint64_t sectors) {
    struct blkpg_partition part = {
        .start = (long long)(partition->first * GPT_SECTOR_BYTES),
        .length = (long long)(sectors * GPT_SECTOR_BYTES),
        .pno = (int)partition->number,
    };
    struct blkpg_ioctl_arg argument = {
        .op = BLKPG_RESIZE_PARTITION, .datalen = sizeof part, .data = &part};
    return ioctl(fd, BLKPG, &argument) == 0;
}

static bool table_grow(int fd, const struct partition *partition, uint64_t disk_sectors) {
    static struct gpt gpt;
    uint64_t disk_bytes = disk_sectors * GPT_SECTOR_BYTES;
    enum err err = gpt_read(fd, disk_bytes, &gpt);
    if (err != ERR_OK) {
        complain(partition, err == ERR_NOT_FOUND ? "it has no GPT" : "its table is not understood");
        return false;
    }
    err = gpt_grow(fd, disk_bytes, partition->number, &gpt);
    if (err != ERR_OK) {
        complain(partition,
                 err == ERR_CONFLICT ? "another one is in the way" : "its table cannot be written");
        return false;
    }
    if (!kernel_tell(fd, partition, gpt_sectors(&gpt, partition->number))) {
        complain(partition, strerror(errno));
        return false;
    }
    return true;
}

bool partition_grow(const char *name) {
    struct partition partition;
    char path[PARTITION_NAME_BYTES + 8];
    if (!partition_look(name, &partition)) {
        return false;
    }
    uint64_t disk_sectors = number_read(partition.disk, "size");
    if (disk_sectors < partition.first + partition.sectors + GROWTH_SECTORS_MIN) {
        return false;
    }
    (void)snprintf(path, sizeof path, "/dev/%s", partition.disk);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        complain(&partition, strerror(errno));
        return false;
    }
    bool is_grown = table_grow(fd, &partition, disk_sectors);
    (void)close(fd);
    if (is_grown) {
        log_info(AREA, "%s has grown, and its partition %s with it", partition.disk, name);
    }
    return is_grown;
}
