/* Finding disks, see init_disk.h. */
#include "os/init_disk.h"

#include "base/buf.h"
#include "base/num.h"
#include "os/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    ISO_DESCRIPTOR_AT = 32768, /* ECMA-119, 6.2.1: sector 16 */
    ISO_LABEL_AT = 40,
    ISO_LABEL_BYTES = 32,
    FAT_SIGNATURE_AT = 510,
    FAT16_TYPE_AT = 54,
    FAT16_LABEL_AT = 43,
    FAT32_TYPE_AT = 82,
    FAT32_LABEL_AT = 71,
    FAT_LABEL_BYTES = 11,

    /* A disk is blank when these places hold only zeros: the beginning and the end, where tables
     * and signatures are, and this many places in between. */
    BLANK_HEAD_BYTES = 2 * 1024 * 1024,
    BLANK_TAIL_BYTES = 1024 * 1024,
    BLANK_SAMPLES = 1024,
    BLANK_SAMPLE_BYTES = 4096,
    /* Backups of an ext4 superblock whose beginning is lost: groups of 128 MiB (4 KiB blocks). */
    EXT4_GROUP_BYTES = 128 * 1024 * 1024,
    CHUNK_BYTES = 64 * 1024,
};

/* ---- one disk ---- */

static bool label_is(const uint8_t *at, uint32_t bytes, const char *label) {
    struct str text = str_from((const char *)at, bytes);
    while (text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\0')) {
        text.len -= 1;
    }
    return str_equal_nocase(text, str_from_c(label));
}

static bool is_iso(const uint8_t *head) {
    return memcmp(head + ISO_DESCRIPTOR_AT, "\1CD001", 6) == 0;
}

static bool is_fat_label(const uint8_t *head) {
    if (head[FAT_SIGNATURE_AT] != 0x55 || head[FAT_SIGNATURE_AT + 1] != 0xaa) {
        return false;
    }
    if (memcmp(head + FAT32_TYPE_AT, "FAT32", 5) == 0) {
        return label_is(head + FAT32_LABEL_AT, FAT_LABEL_BYTES, DISK_SETTINGS_LABEL);
    }
    return memcmp(head + FAT16_TYPE_AT, "FAT", 3) == 0 &&
           label_is(head + FAT16_LABEL_AT, FAT_LABEL_BYTES, DISK_SETTINGS_LABEL);
}

enum disk_kind disk_judge(const uint8_t *head, struct ext4_info *ext4) {
    enum err err = ext4_parse(head, ext4);
    if (err != ERR_NOT_FOUND && strcmp(ext4->label, DISK_DATA_LABEL) == 0) {
        return err == ERR_OK ? DISK_DATA : DISK_DAMAGED;
    }
    if (err != ERR_NOT_FOUND) {
        return DISK_OTHER;
    }
    if (is_iso(head) &&
        label_is(head + ISO_DESCRIPTOR_AT + ISO_LABEL_AT, ISO_LABEL_BYTES, DISK_SETTINGS_LABEL)) {
        return DISK_SETTINGS_ISO;
    }
    return is_fat_label(head) ? DISK_SETTINGS_FAT : DISK_OTHER;
}

static bool read_at(int fd, uint64_t at, uint8_t *memory, uint32_t bytes) {
    uint32_t done = 0;
    while (done < bytes) {
        ssize_t got = pread(fd, memory + done, bytes - done, (off_t)(at + done));
        if (got == 0 || (got < 0 && errno != EINTR)) {
            return false;
        }
        done += got > 0 ? (uint32_t)got : 0;
    }
    return true;
}

/* An unreadable place is not blank. */
static bool is_zero_at(int fd, uint64_t at, uint64_t bytes) {
    static uint8_t memory[CHUNK_BYTES];
    while (bytes > 0) {
        uint32_t part = (uint32_t)num_min_u64(bytes, CHUNK_BYTES);
        if (!read_at(fd, at, memory, part)) {
            return false;
        }
        for (uint32_t index = 0; index < part; index++) {
            if (memory[index] != 0) {
                return false;
            }
        }
        at += part;
        bytes -= part;
    }
    return true;
}

static bool is_zero_in_between(int fd, uint64_t bytes) {
    uint64_t step = bytes / BLANK_SAMPLES / BLANK_SAMPLE_BYTES * BLANK_SAMPLE_BYTES;
    for (uint32_t index = 1; step > 0 && index < BLANK_SAMPLES; index++) {
        if (!is_zero_at(fd, index * step, BLANK_SAMPLE_BYTES)) {
            return false;
        }
    }
    static const uint64_t backups[] = {1, 3, 5, 7, 9, 25, 27, 49};
    for (uint32_t index = 0; index < COUNT_OF(backups); index++) {
        uint64_t at = backups[index] * EXT4_GROUP_BYTES;
        if (at + BLANK_SAMPLE_BYTES <= bytes && !is_zero_at(fd, at, BLANK_SAMPLE_BYTES)) {
            return false;
        }
    }
    return true;
}

static bool is_blank(int fd, uint64_t bytes) {
    return bytes >= EXT4_DEVICE_BYTES_MIN && is_zero_at(fd, 0, BLANK_HEAD_BYTES) &&
           is_zero_at(fd, bytes - BLANK_TAIL_BYTES, BLANK_TAIL_BYTES) &&
           is_zero_in_between(fd, bytes);
}

static uint64_t device_bytes(int fd) {
    struct stat status;
    uint64_t bytes = 0;
    if (fstat(fd, &status) != 0) {
        return 0;
    }
    if (S_ISREG(status.st_mode)) {
        return (uint64_t)status.st_size;
    }
    return ioctl(fd, BLKGETSIZE64, &bytes) == 0 ? bytes : 0;
}

static void disk_look(struct disk *disk) {
    static uint8_t head[DISK_HEAD_BYTES];
    disk->kind = DISK_UNREADABLE;
    int fd = open(disk->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return;
    }
    disk->bytes = device_bytes(fd);
    memset(head, 0, sizeof head);
    uint32_t head_bytes = (uint32_t)num_min_u64(disk->bytes, sizeof head);
    if (head_bytes >= EXT4_HEAD_BYTES && read_at(fd, 0, head, head_bytes)) {
        disk->kind = disk_judge(head, &disk->ext4);
        bool may_be_blank = disk->kind == DISK_OTHER;
        if (may_be_blank && (ext4_is_half_made(head) || is_blank(fd, disk->bytes))) {
            disk->kind = DISK_BLANK;
        }
    }
    (void)close(fd);
}

/* What the partition table says; a disk without it in sysfs is a whole disk. */
static void partition_look(struct disk *disk) {
    char path[DISK_PATH_BYTES];
    char memory[1024];
    struct str rest;
    (void)snprintf(path, sizeof path, "/sys/class/block/%s/partition", disk->name);
    disk->is_partition = file_exists(path);
    (void)snprintf(path, sizeof path, "/sys/class/block/%s/uevent", disk->name);
    if (!disk->is_partition || file_read(path, memory, sizeof memory, &rest) != ERR_OK) {
        return;
    }
    while (!str_is_none(rest)) {
        disk->is_named |= str_equal(str_split(&rest, '\n'), STR("PARTNAME=" DISK_DATA_LABEL));
    }
}

/* ---- all disks ---- */

static bool is_disk_name(const char *name) {
    static const struct str prefixes[] = {{"vd", 2}, {"sd", 2}, {"xvd", 3}, {"nvme", 4}};
    struct str text = str_from_c(name);
    if (text.len >= DISK_NAME_BYTES) {
        return false;
    }
    /* nvme0 is the controller, nvme0n1 a disk. */
    if (str_starts(text, STR("nvme")) && !str_has_byte(str_slice(text, 4, text.len), 'n')) {
        return false;
    }
    for (uint32_t index = 0; index < COUNT_OF(prefixes); index++) {
        if (str_starts(text, prefixes[index])) {
            return true;
        }
    }
    return false;
}

static void disk_insert(struct disks *disks, const char *name, const char *folder) {
    uint32_t at = disks->count;
    if (at == DISKS_MAX) {
        disks->is_cut = true;
        return;
    }
    while (at > 0 && strcmp(disks->rows[at - 1].name, name) > 0) {
        disks->rows[at] = disks->rows[at - 1];
        at -= 1;
    }
    struct disk *disk = &disks->rows[at];
    memset(disk, 0, sizeof *disk);
    (void)snprintf(disk->name, sizeof disk->name, "%.31s", name);
    (void)snprintf(disk->path, sizeof disk->path, "%.90s/%.31s", folder, name);
    disks->count += 1;
}

void disks_scan(const char *folder, struct disks *disks) {
    disks->count = 0;
    disks->is_cut = false;
    DIR *directory = opendir(folder);
    if (directory == NULL) {
        return;
    }
    const struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        if (is_disk_name(entry->d_name)) {
            disk_insert(disks, entry->d_name, folder);
        }
    }
    (void)closedir(directory);
    for (uint32_t index = 0; index < disks->count; index++) {
        disk_look(&disks->rows[index]);
        partition_look(&disks->rows[index]);
    }
}

const struct disk *disks_find(const struct disks *disks, enum disk_kind kind) {
    for (uint32_t index = 0; index < disks->count; index++) {
        if (disks->rows[index].kind == kind) {
            return &disks->rows[index];
        }
    }
    return NULL;
}

/* ---- the choice ---- */

static bool is_candidate(const struct disk *disk, enum disk_kind kind) {
    bool is_meant = kind != DISK_BLANK || !disk->is_partition || disk->is_named;
    return disk->kind == kind && is_meant;
}

static uint32_t candidates_count(const struct disks *disks, enum disk_kind kind,
                                 const struct disk **first) {
    uint32_t count = 0;
    *first = NULL;
    for (uint32_t index = disks->count; index > 0; index--) {
        if (is_candidate(&disks->rows[index - 1], kind)) {
            *first = &disks->rows[index - 1];
            count += 1;
        }
    }
    return count;
}

__attribute__((format(printf, 2, 3))) static void refuse(struct disk_choice *choice,
                                                         const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(choice->problem, sizeof choice->problem, format, arguments);
    va_end(arguments);
    choice->disk = NULL;
    choice->must_format = false;
}

static void choose_blank(const struct disk *disk, bool may_format, struct disk_choice *choice) {
    if (!may_format) {
        refuse(choice, "%s is blank, and coffer.format=never forbids to format it", disk->name);
        return;
    }
    choice->disk = disk;
    choice->must_format = true;
}

static void choose_named(const struct disks *disks, struct str wanted, bool may_format,
                         struct disk_choice *choice) {
    for (uint32_t index = 0; index < disks->count; index++) {
        const struct disk *disk = &disks->rows[index];
        if (!str_equal(wanted, str_from_c(disk->name))) {
            continue;
        }
        if (disk->kind == DISK_DATA) {
            choice->disk = disk;
        } else if (disk->kind == DISK_BLANK) {
            choose_blank(disk, may_format, choice);
        } else {
            refuse(choice, "coffer.disk=%s is neither blank nor labelled " DISK_DATA_LABEL,
                   disk->name);
        }
        return;
    }
    refuse(choice, "there is no disk %.*s (coffer.disk)", STR_ARG(wanted));
}

void disks_choose(const struct disks *disks, struct str wanted, bool may_format,
                  struct disk_choice *choice) {
    const struct disk *damaged;
    const struct disk *data;
    const struct disk *blank;
    memset(choice, 0, sizeof *choice);
    if (wanted.len > 0) {
        choose_named(disks, wanted, may_format, choice);
        return;
    }
    uint32_t damaged_count = candidates_count(disks, DISK_DAMAGED, &damaged);
    uint32_t data_count = candidates_count(disks, DISK_DATA, &data);
    uint32_t blank_count = candidates_count(disks, DISK_BLANK, &blank);
    if (data_count == 1) {
        choice->disk = data;
    } else if (data_count > 1) {
        refuse(choice, "%u disks are labelled " DISK_DATA_LABEL ": name one (coffer.disk=%s)",
               data_count, data->name);
    } else if (damaged_count > 0) {
        refuse(choice,
               "the superblock of the data disk %s is damaged: repair it (e2fsck) or restore a "
               "backup; it is neither mounted nor formatted",
               damaged->name);
    } else if (blank_count == 1) {
        choose_blank(blank, may_format, choice);
    } else if (blank_count > 1) {
        refuse(choice, "%u disks are blank: name one (coffer.disk=%s)", blank_count, blank->name);
    } else {
        refuse(choice, "there is no disk labelled " DISK_DATA_LABEL
                       ", and none that is blank: attach one of 512 MiB or more");
    }
}

void disk_describe(const struct disk *disk, struct buf *out) {
    static const char *const kinds[] = {
        [DISK_OTHER] = "something else",
        [DISK_UNREADABLE] = "cannot be read",
        [DISK_DATA] = "coffer's data",
        [DISK_DAMAGED] = "coffer's data with a damaged superblock",
        [DISK_BLANK] = "blank",
        [DISK_SETTINGS_ISO] = "settings (cidata, ISO 9660)",
        [DISK_SETTINGS_FAT] = "settings (cidata, FAT)",
    };
    buf_printf(out, "%s: %llu MiB, %s", disk->name, (unsigned long long)(disk->bytes >> 20),
               kinds[disk->kind]);
}
