/*
 * A kernel that panics restarts the machine; its last messages lie in a reserved piece of memory
 * (ramoops, set up by image/kernel/build) that a restart leaves alone. The next run shows and keeps
 * them. A machine that was switched off in between has forgotten.
 */
#include "os/init_parts.h"

#include "os/files.h"
#include "os/log.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#define AREA "init"
#define PSTORE_FOLDER "/sys/fs/pstore"
#define KEPT_PATH "/data/last-panic"

enum { RECORD_BYTES_MAX = 64 * 1024, LINES_MAX = 6 };

static char memory[RECORD_BYTES_MAX];
static struct str last_words; /* in `memory` */

static bool has_reason(struct str line) {
    for (uint32_t at = 0; at < line.len; at++) {
        if (str_starts(str_slice(line, at, line.len), STR("Kernel panic"))) {
            return true;
        }
    }
    return false;
}

/* The reason and what follows it: processor, task, the first callers. The rest is kept. */
static void words_say(struct str text) {
    struct str rest = text;
    uint32_t count = 0;
    while (!str_is_none(rest) && count < LINES_MAX) {
        struct str line = str_split(&rest, '\n');
        if (count > 0) {
            log_info(AREA, "  %.*s", STR_ARG(line));
            count += 1;
        } else if (has_reason(line)) {
            log_error(AREA, "THE KERNEL OF THE LAST RUN PANICKED: %.*s", STR_ARG(line));
            count += 1;
        }
    }
}

static void record_take(const char *name) {
    char path[FILE_PATH_BYTES_MAX];
    (void)snprintf(path, sizeof path, PSTORE_FOLDER "/%.255s", name);
    if (str_is_none(last_words) && file_read(path, memory, sizeof memory, &last_words) == ERR_OK) {
        words_say(last_words);
    }
    (void)unlink(path); /* makes room for the next one */
}

void init_panic_tell(void) {
    if (mount("pstore", PSTORE_FOLDER, "pstore", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0) {
        return; /* a kernel without it */
    }
    DIR *folder = opendir(PSTORE_FOLDER);
    const struct dirent *entry;
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        if (str_starts(str_from_c(entry->d_name), STR("dmesg-"))) {
            record_take(entry->d_name);
        }
    }
    if (folder != NULL) {
        (void)closedir(folder);
    }
    (void)umount2(PSTORE_FOLDER, 0);
}

void init_panic_keep(void) {
    if (str_is_none(last_words)) {
        return;
    }
    if (file_write(KEPT_PATH, last_words, 0600) != ERR_OK) {
        log_warn(AREA, KEPT_PATH " cannot be written");
    }
    last_words = STR_NONE;
}
