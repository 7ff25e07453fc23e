/* Mounts and the data disk, see init_parts.h. */
#include "os/init_parts.h"

#include "os/clock.h"
#include "os/files.h"
#include "os/gpt.h"
#include "os/log.h"
#include "os/partition.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define AREA "init"
#define DATA_FOLDER "/data"
#define SETTINGS_FOLDER "/run/coffer/disk"

enum { SAFE = MS_NOSUID | MS_NODEV | MS_NOEXEC };

struct mount_row {
    const char *folder;
    const char *type;
    unsigned long flags;
    const char *options;
};

static const struct mount_row mounts[] = {
    {"/proc", "proc", SAFE, NULL},
    {"/sys", "sysfs", SAFE, NULL},
    {"/dev", "devtmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755"},
    {"/run", "tmpfs", SAFE, "mode=0755,size=8m"},
};

/* ---- the system ---- */

static void console_open(void) {
    int fd = open("/dev/console", O_RDWR | O_NOCTTY);
    if (fd < 0) {
        return; /* the kernel has none; whatever is open stays */
    }
    for (int target = 0; target <= 2; target++) {
        if (fd != target) {
            (void)dup2(fd, target);
        }
    }
    if (fd > 2) {
        (void)close(fd);
    }
}

static void system_mount(const struct mount_row *row) {
    struct stat own;
    struct stat parent;
    (void)mkdir(row->folder, 0755);
    if (stat(row->folder, &own) == 0 && stat("/", &parent) == 0 && own.st_dev != parent.st_dev) {
        return; /* a container runtime or a test has done it */
    }
    if (mount(row->type, row->folder, row->type, row->flags, row->options) != 0) {
        log_error(AREA, "%s cannot be mounted: %s", row->folder, strerror(errno));
    }
}

void init_score_set(const char *score) {
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t put = write(fd, score, strlen(score));
        (void)put; /* refused in a container, and then not ours to set */
        (void)close(fd);
    }
}

void init_mount_system(void) {
    /* The console first: what goes wrong below shall be seen. */
    for (uint32_t index = 0; index < COUNT_OF(mounts); index++) {
        system_mount(&mounts[index]);
        if (strcmp(mounts[index].folder, "/dev") == 0) {
            console_open();
        }
    }
    init_score_set("-1000"); /* PID 1 is the last that may be killed */
    (void)umask(022);
    (void)mkdir("/etc", 0755);
    (void)mkdir("/run/coffer", 0755);
    (void)mkdir(DATA_FOLDER, 0755);
}

/* ---- the settings' disk ---- */

bool init_mount_settings(const struct disks *disks) {
    const struct disk *disk = disks_find(disks, DISK_SETTINGS_ISO);
    bool is_iso = disk != NULL;
    disk = is_iso ? disk : disks_find(disks, DISK_SETTINGS_FAT);
    if (disk == NULL) {
        return true;
    }
    (void)mkdir(SETTINGS_FOLDER, 0700);
    const char *type = is_iso ? "iso9660" : "vfat";
    if (mount(disk->path, SETTINGS_FOLDER, type, SAFE | MS_RDONLY, NULL) != 0) {
        log_error(AREA, "the settings on %s cannot be mounted: %s", disk->name, strerror(errno));
        return false;
    }
    bool is_read = init_config_copy(SETTINGS_FOLDER) == ERR_OK;
    if (!is_read) {
        log_error(AREA, "the settings on %s cannot be read, or are larger than 64 KiB", disk->name);
    }
    (void)umount2(SETTINGS_FOLDER, MNT_DETACH);
    (void)rmdir(SETTINGS_FOLDER);
    return is_read;
}

/* ---- the data ---- */

static bool data_format(const struct disk *disk) {
    uint8_t entropy[EXT4_ENTROPY_BYTES];
    log_warn(AREA, "%s is blank: formatting it as the data disk", disk->name);
    int fd = open(disk->path, O_RDWR | O_CLOEXEC | O_EXCL);
    if (fd < 0) {
        log_error(AREA, "%s cannot be opened for writing: %s", disk->name, strerror(errno));
        return false;
    }
    random_bytes(entropy, sizeof entropy);
    /* A version 4, variant 1 UUID (RFC 9562, 5.4). */
    entropy[6] = (uint8_t)((entropy[6] & 0x0f) | 0x40);
    entropy[8] = (uint8_t)((entropy[8] & 0x3f) | 0x80);
    enum err err = ext4_format(fd, disk->bytes, DISK_DATA_LABEL, entropy, clock_wall_us());
    (void)close(fd);
    if (err != ERR_OK) {
        log_error(AREA, "%s cannot be formatted: %s", disk->name, strerror(errno));
    }
    return err == ERR_OK;
}

/* What the kernel noticed earlier, before somebody trusts it. */
static void data_complain(const struct disk *disk) {
    if (disk->ext4.needs_recovery) {
        log_info(AREA, "%s was not unmounted in order: its journal was replayed", disk->name);
    }
    if (disk->ext4.has_errors || disk->ext4.error_count > 0) {
        log_error(AREA,
                  "the file system on %s has errors (%u, first in %s): back up, and check it with "
                  "e2fsck -f on another machine",
                  disk->name, disk->ext4.error_count, disk->ext4.error_function);
    }
}

/* Our own partition becomes larger when its disk did. */
static uint64_t data_bytes(const struct disk *disk) {
    struct partition partition;
    bool is_grown = disk->is_named && partition_grow(disk->name);
    return is_grown && partition_look(disk->name, &partition) ? partition.sectors * GPT_SECTOR_BYTES
                                                              : disk->bytes;
}

static void data_grow(const struct disk *disk, uint64_t bytes) {
    int fd = open(DATA_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return;
    }
    if (ext4_grow(fd, bytes) != ERR_OK) {
        log_error(AREA, "the file system on %s does not grow to the disk's size: %s", disk->name,
                  strerror(errno));
    }
    (void)close(fd);
}

bool init_mount_data(const struct disk_choice *choice) {
    const struct disk *disk = choice->disk;
    uint64_t bytes = data_bytes(disk);
    if (choice->must_format && !data_format(disk)) {
        return false;
    }
    if (mount(disk->path, DATA_FOLDER, "ext4", SAFE | MS_NOATIME, "errors=remount-ro") != 0) {
        log_error(AREA,
                  "the data disk %s cannot be mounted: %s. It is left as it is: check it with "
                  "e2fsck on another machine, or restore a backup",
                  disk->name, strerror(errno));
        return false;
    }
    if (!choice->must_format) {
        data_complain(disk);
    }
    /* Also when sizes agree but for less than a block: the kernel knows. */
    if (choice->must_format || disk->ext4.bytes / 4096 < bytes / 4096) {
        data_grow(disk, bytes);
    }
    log_info(AREA, "data on %s, %llu MiB", disk->name, (unsigned long long)(bytes >> 20));
    return true;
}

bool init_mount_memory(void) {
    log_warn(AREA, "data in memory (coffer.disk=memory): all is lost when this machine ends");
    /* A limit, not a reservation: the store wants room before it takes a write. */
    if (mount("tmpfs", DATA_FOLDER, "tmpfs", SAFE, "mode=0755,size=1g") != 0) {
        log_error(AREA, "/data cannot be mounted: %s", strerror(errno));
        return false;
    }
    return true;
}

void init_unmount_data(void) {
    sync();
    if (umount2(DATA_FOLDER, 0) == 0 || errno == EINVAL) {
        return; /* gone, or never there */
    }
    log_warn(AREA, "/data is still in use: %s", strerror(errno));
    if (mount(NULL, DATA_FOLDER, NULL, MS_REMOUNT | MS_RDONLY | SAFE, NULL) != 0) {
        log_error(AREA, "/data cannot be made read-only: %s", strerror(errno));
    }
    sync();
}

bool init_data_is_read_only(void) {
    struct statvfs status;
    return statvfs(DATA_FOLDER, &status) == 0 && (status.f_flag & ST_RDONLY) != 0;
}
