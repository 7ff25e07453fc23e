/*
 * BootNext: what the firmware starts at the next restart and never again by itself
 * (UEFI 2.10, 3.1). It names a load option, which names a partition by its identifier and a file in
 * it. The option is in no boot order: nothing is left to clean up when the trial fails.
 */
#include "os/slots.h"

#include "base/le.h"
#include "os/gpt.h"
#include "os/files.h"
#include "os/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#define AREA "slots"
#define VARIABLES_FOLDER "/sys/firmware/efi/efivars"
#define GLOBAL_GUID "8be4df61-93ca-11d2-aa0d-00e098032b8c"
#define OPTION_NAME "BootC0FE"
#define TRIAL_FILE "\\EFI\\BOOT\\TRIAL.EFI"

enum {
    OPTION_NUMBER = 0xc0fe,
    ATTRIBUTES = 7, /* non-volatile, for boot services and at run time */
    OPTION_ACTIVE = 1,
    VARIABLE_BYTES_MAX = 512,
    GUID_BYTES = 16,
    /* GPT (UEFI 2.10, 5.3): header in sector 1 */
    GPT_ENTRIES_AT = 72,
    GPT_ENTRY_BYTES_AT = 84,
    GPT_ENTRY_GUID_AT = 16,
    /* device path nodes (UEFI 2.10, 10.3) */
    NODE_MEDIA = 4,
    NODE_HARD_DRIVE = 1,
    NODE_FILE = 4,
    NODE_END = 0x7f,
    NODE_END_ALL = 0xff,
    HARD_DRIVE_BYTES = 42,
    FORMAT_GPT = 2,
    SIGNATURE_GUID = 2,
};

/* ---- little-endian, as all of UEFI is ---- */

static void put_le(struct buf *out, uint64_t value, uint32_t bytes) {
    for (uint32_t index = 0; index < bytes; index++) {
        buf_put_byte(out, (uint8_t)(value >> (8 * index)));
    }
}

/* UCS-2 with its NUL. */
static void put_wide(struct buf *out, const char *text) {
    size_t len = strlen(text);
    for (size_t index = 0; index <= len; index++) {
        put_le(out, (uint8_t)text[index], 2);
    }
}

/* ---- the load option ---- */

/* The partition's own identifier stands in the table only. */
static enum err guid_read(const struct slot *slot, uint8_t guid[GUID_BYTES]) {
    char path[PARTITION_NAME_BYTES + 8];
    uint8_t header[GPT_SECTOR_BYTES];
    (void)snprintf(path, sizeof path, "/dev/%s", slot->part.disk);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return ERR_IO;
    }
    enum err err = ERR_IO;
    if (pread(fd, header, sizeof header, GPT_SECTOR_BYTES) == (ssize_t)sizeof header &&
        memcmp(header, "EFI PART", 8) == 0 && slot->part.number <= GPT_ENTRIES_MAX) {
        uint64_t at = le_get(header + GPT_ENTRIES_AT, 8) * GPT_SECTOR_BYTES +
                      le_get(header + GPT_ENTRY_BYTES_AT, 4) * (slot->part.number - 1);
        ssize_t got = pread(fd, guid, GUID_BYTES, (off_t)(at + GPT_ENTRY_GUID_AT));
        err = got == GUID_BYTES ? ERR_OK : ERR_IO;
    }
    (void)close(fd);
    return err;
}

static void path_put(const struct slot *slot, const uint8_t guid[GUID_BYTES], struct buf *out) {
    put_le(out, NODE_MEDIA, 1);
    put_le(out, NODE_HARD_DRIVE, 1);
    put_le(out, HARD_DRIVE_BYTES, 2);
    put_le(out, slot->part.number, 4);
    put_le(out, slot->part.first, 8);
    put_le(out, slot->part.sectors, 8);
    buf_put(out, guid, GUID_BYTES);
    put_le(out, FORMAT_GPT, 1);
    put_le(out, SIGNATURE_GUID, 1);
    put_le(out, NODE_MEDIA, 1);
    put_le(out, NODE_FILE, 1);
    put_le(out, 4 + 2 * sizeof TRIAL_FILE, 2);
    put_wide(out, TRIAL_FILE);
    put_le(out, NODE_END, 1);
    put_le(out, NODE_END_ALL, 1);
    put_le(out, 4, 2);
}

static void option_put(const struct slot *slot, const uint8_t guid[GUID_BYTES], struct buf *out) {
    char memory[VARIABLE_BYTES_MAX];
    struct buf path = buf_over(memory, sizeof memory);
    path_put(slot, guid, &path);
    put_le(out, ATTRIBUTES, 4);
    put_le(out, OPTION_ACTIVE, 4);
    put_le(out, path.len, 2);
    put_wide(out, "Coffer update");
    buf_put_str(out, buf_str(&path));
    put_wide(out, SLOT_TRIAL_WORDS); /* what a kernel with an EFI stub takes for its command line */
}

/* ---- variables ---- */

/* The firmware takes a variable in one piece. */
static enum err variable_write(const char *name, const struct buf *value) {
    char path[128];
    CHECK(!value->is_full);
    (void)snprintf(path, sizeof path, VARIABLES_FOLDER "/%s-" GLOBAL_GUID, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    bool is_written = fd >= 0 && write(fd, value->data, value->len) == (ssize_t)value->len;
    if (!is_written) {
        log_error(AREA, "the firmware refuses its variable %s: %s", name, strerror(errno));
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return is_written ? ERR_OK : ERR_IO;
}

static enum err variables_mount(void) {
    if (mount("efivarfs", VARIABLES_FOLDER, "efivarfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) ==
            0 ||
        errno == EBUSY) {
        return ERR_OK;
    }
    log_error(AREA, "the firmware's variables cannot be reached: %s", strerror(errno));
    return ERR_IO;
}

enum err efi_boot_next(const struct slot *slot) {
    uint8_t guid[GUID_BYTES];
    char option_bytes[VARIABLE_BYTES_MAX];
    char next_bytes[8];
    struct buf option = buf_over(option_bytes, sizeof option_bytes);
    struct buf next = buf_over(next_bytes, sizeof next_bytes);
    enum err err = guid_read(slot, guid);
    if (err != ERR_OK) {
        log_error(AREA, "the partition table of %s cannot be read", slot->part.disk);
        return err;
    }
    option_put(slot, guid, &option);
    put_le(&next, ATTRIBUTES, 4);
    put_le(&next, OPTION_NUMBER, 2);
    err = variables_mount();
    err = err == ERR_OK ? variable_write(OPTION_NAME, &option) : err;
    err = err == ERR_OK ? variable_write("BootNext", &next) : err;
    (void)umount2(VARIABLES_FOLDER, 0);
    return err;
}
