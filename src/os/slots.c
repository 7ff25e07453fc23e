/* Files in the slots, see slots.h. The firmware's side of it is efi.c and image/loader.cfg. */
#include "os/slots.h"

#include "os/files.h"
#include "os/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define AREA "slots"
#define BLOCK_FOLDER "/sys/class/block"
#define MOUNT_FOLDER "/run/coffer/slot"
#define BOOT_FOLDER MOUNT_FOLDER "/EFI/BOOT"
#define ACTIVE_PATH BOOT_FOLDER "/BOOTX64.EFI"
#define TRIAL_PATH BOOT_FOLDER "/TRIAL.EFI"
#define SPARE_PATH BOOT_FOLDER "/SPARE.EFI"
#define VERSION_PATH BOOT_FOLDER "/VERSION"
#define NEXT_PATH BOOT_FOLDER "/NEXT"
#define FIRMWARE_FOLDER "/sys/firmware/efi/efivars"
#define WATCHDOG_PATH "/dev/watchdog"
/* Our loader says who it is. */
#define LOADER_WORD "loader=coffer"

enum {
    SAFE = MS_NOSUID | MS_NODEV | MS_NOEXEC,
    WRITE_BYTES_MAX = 1 << 20,
    CMDLINE_BYTES_MAX = 4096,
    NEXT_BYTES = 1024, /* of the loader's environment block, always */
};

static enum err complain(const struct slot *slot, const char *what) {
    log_error(AREA, "%s of the slot on %s: %s", what, slot->part.name, strerror(errno));
    return ERR_IO;
}

/* ---- finding ---- */

/* A line NAME=VALUE of a partition's uevent, or STR_NONE. */
static struct str uevent_get(struct str text, struct str name) {
    while (!str_is_none(text)) {
        struct str value = str_split(&text, '\n');
        if (str_equal(str_split(&value, '='), name)) {
            return value;
        }
    }
    return STR_NONE;
}

static void partition_judge(const char *name, struct slots *slots, uint32_t counts[SLOTS_COUNT]) {
    static const struct str names[SLOTS_COUNT] = {{"coffer-a", 8}, {"coffer-b", 8}};
    char path[128];
    char memory[1024];
    struct str text;
    (void)snprintf(path, sizeof path, BLOCK_FOLDER "/%.31s/uevent", name);
    if (file_read(path, memory, sizeof memory, &text) != ERR_OK) {
        return;
    }
    struct str label = uevent_get(text, STR("PARTNAME"));
    for (uint32_t index = 0; index < SLOTS_COUNT; index++) {
        if (str_equal(label, names[index]) && partition_look(name, &slots->rows[index].part)) {
            counts[index] += 1;
        }
    }
}

static bool is_started_by_our_loader(void) {
    static char memory[CMDLINE_BYTES_MAX];
    struct str rest;
    if (file_read("/proc/cmdline", memory, sizeof memory, &rest) != ERR_OK) {
        return false;
    }
    rest = str_split(&rest, '\n');
    while (!str_is_none(rest)) {
        if (str_equal(str_split(&rest, ' '), STR(LOADER_WORD))) {
            return true;
        }
    }
    return false;
}

enum err slots_find(struct slots *slots) {
    uint32_t counts[SLOTS_COUNT] = {0};
    bool is_ours = file_exists(FIRMWARE_FOLDER) || is_started_by_our_loader();
    DIR *folder = is_ours ? opendir(BLOCK_FOLDER) : NULL;
    if (folder == NULL) {
        return ERR_NOT_FOUND;
    }
    const struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] != '.') {
            partition_judge(entry->d_name, slots, counts);
        }
    }
    (void)closedir(folder);
    return counts[0] == 1 && counts[1] == 1 ? ERR_OK : ERR_NOT_FOUND;
}

/* ---- looking ---- */

static enum err slot_mount(const struct slot *slot, unsigned long flags) {
    char device[PARTITION_NAME_BYTES + 8];
    (void)mkdir("/run/coffer", 0755);
    (void)mkdir(MOUNT_FOLDER, 0700);
    (void)snprintf(device, sizeof device, "/dev/%s", slot->part.name);
    if (mount(device, MOUNT_FOLDER, "vfat", SAFE | flags, NULL) != 0) {
        return complain(slot, "mounting");
    }
    return ERR_OK;
}

static enum err slot_unmount(const struct slot *slot) {
    return umount2(MOUNT_FOLDER, 0) == 0 ? ERR_OK : complain(slot, "unmounting");
}

static enum err slot_look(struct slot *slot) {
    char memory[SLOT_VERSION_BYTES];
    struct str text = STR_NONE;
    enum err err = slot_mount(slot, MS_RDONLY);
    if (err != ERR_OK) {
        return err;
    }
    slot->is_active = file_exists(ACTIVE_PATH);
    slot->has_trial = file_exists(TRIAL_PATH);
    if (file_read(VERSION_PATH, memory, sizeof memory, &text) == ERR_OK) {
        text = str_trim(str_split(&text, '\n'));
        (void)snprintf(slot->version, sizeof slot->version, "%.*s", STR_ARG(text));
    }
    return slot_unmount(slot);
}

enum err slots_look(struct slots *slots) {
    enum err err = slot_look(&slots->rows[0]);
    return err == ERR_OK ? slot_look(&slots->rows[1]) : err;
}

/* Both are active when a confirmation was cut short: then it has to be finished first. */
struct slot *slots_spare(struct slots *slots) {
    if (slots->rows[0].is_active == slots->rows[1].is_active) {
        return NULL;
    }
    return &slots->rows[slots->rows[0].is_active ? 1 : 0];
}

/* ---- writing ---- */

static bool write_all(int fd, struct str text) {
    uint32_t done = 0;
    while (done < text.len) {
        ssize_t put = write(fd, text.data + done, text.len - done);
        if (put < 0 && errno != EINTR) {
            return false;
        }
        done += put > 0 ? (uint32_t)put : 0;
    }
    return true;
}

static enum err image_write(const struct slot *slot, const struct slot_source *source) {
    int fd = open(TRIAL_PATH, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return complain(slot, "the new file");
    }
    struct str piece = STR_NONE;
    enum err err = source->next(source->ctx, &piece);
    while (err == ERR_OK && piece.len > 0) {
        CHECK(piece.len <= WRITE_BYTES_MAX);
        err = write_all(fd, piece) ? source->next(source->ctx, &piece) : complain(slot, "writing");
    }
    if (err == ERR_OK && fsync(fd) != 0) {
        err = complain(slot, "syncing");
    }
    if (close(fd) != 0 && err == ERR_OK) {
        err = complain(slot, "closing");
    }
    return err;
}

static enum err version_write(const struct slot *slot, const char *version) {
    return file_write(VERSION_PATH, str_from_c(version), 0600) == ERR_OK
               ? ERR_OK
               : complain(slot, "the version");
}

enum err slot_write(const struct slot *slot, const char *version,
                    const struct slot_source *source) {
    CHECK(!slot->is_active);
    enum err err = slot_mount(slot, 0);
    if (err != ERR_OK) {
        return err;
    }
    (void)mkdir(MOUNT_FOLDER "/EFI", 0700);
    (void)mkdir(BOOT_FOLDER, 0700);
    (void)unlink(SPARE_PATH); /* two do not fit */
    (void)unlink(VERSION_PATH);
    (void)unlink(NEXT_PATH);
    err = image_write(slot, source);
    if (err == ERR_OK) {
        err = version_write(slot, version);
    }
    if (err != ERR_OK) {
        (void)unlink(TRIAL_PATH);
    }
    enum err unmounted = slot_unmount(slot);
    return err == ERR_OK ? unmounted : err;
}

/* ---- trying ---- */

/* The loader's environment block: a line that names it, settings, and # up to its full length. */
static enum err next_write(void) {
    char memory[NEXT_BYTES];
    struct buf block = buf_over(memory, sizeof memory);
    buf_put_c(&block, "# GRUB Environment Block\ntrial=once\nwords=" SLOT_TRIAL_WORDS "\n");
    while (block.len < NEXT_BYTES) {
        buf_put_byte(&block, '#');
    }
    CHECK(!block.is_full);
    return file_write(NEXT_PATH, buf_str(&block), 0600);
}

enum err slot_boot_next(const struct slot *slot) {
    if (file_exists(FIRMWARE_FOLDER)) {
        return efi_boot_next(slot);
    }
    enum err err = slot_mount(slot, 0);
    if (err != ERR_OK) {
        return err;
    }
    err = next_write() == ERR_OK ? ERR_OK : complain(slot, "the loader's file");
    enum err unmounted = slot_unmount(slot);
    return err == ERR_OK ? unmounted : err;
}

/* Its driver stops it at the end of whoever wrote this letter. */
void slots_trial_over(void) {
    int fd = open(WATCHDOG_PATH, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return;
    }
    if (write(fd, "V", 1) != 1 || close(fd) != 0) {
        log_error(AREA, "the watchdog of the trial does not stop: %s", strerror(errno));
    }
}

/* ---- confirming ---- */

/* One name for another in the same folder: short names, one sector. */
static enum err slot_rename(const struct slot *slot, const char *from, const char *to) {
    enum err err = slot_mount(slot, 0);
    if (err != ERR_OK) {
        return err;
    }
    bool is_done = rename(from, to) == 0 && folder_sync(BOOT_FOLDER) == ERR_OK;
    err = is_done ? ERR_OK : complain(slot, "renaming");
    enum err unmounted = slot_unmount(slot);
    return err == ERR_OK ? unmounted : err;
}

enum err slots_confirm(struct slots *slots, const char *version) {
    struct slot *one = &slots->rows[0];
    struct slot *new = strcmp(one->version, version) == 0 ? one : &slots->rows[1];
    struct slot *old = new == one ? &slots->rows[1] : one;
    if (strcmp(new->version, version) != 0 || strcmp(old->version, version) == 0) {
        log_error(AREA, "no slot, or both, hold version %s", version);
        return ERR_NOT_FOUND;
    }
    enum err err = ERR_OK;
    if (!new->is_active) {
        err = slot_rename(new, TRIAL_PATH, ACTIVE_PATH);
    }
    if (err == ERR_OK && old->is_active) {
        err = slot_rename(old, ACTIVE_PATH, SPARE_PATH);
    }
    return err;
}
