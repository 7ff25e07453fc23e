/*
 * The redo log (store/redo): whatever lies in its two files, opening the store reads no byte beside
 * them, refuses or replays, and what it has replayed it finds settled the second time. Byte 0 of
 * the input divides the rest between the files; entries get their sums set right first, so that
 * what is behind them is reached. Pages are of 1024 bytes here, so that inputs stay short.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/log.h"
#include "store/redo_parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum { PAGE = 1024, INPUT_BYTES_MAX = 32 << 10, SALT = 7, TXNID = 40 };

static char folder[256];

static void folder_remove(void) {
    static const char *const names[] = {"data.mdb", "redo.0", "redo.1"};
    char path[300];
    for (size_t index = 0; index < COUNT_OF(names); index += 1) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, names[index]);
        (void)unlink(path);
    }
    (void)rmdir(folder);
}

static void file_put(const char *name, const void *data, size_t bytes) {
    char path[300];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    CHECK(fd >= 0 && write(fd, data, bytes) == (ssize_t)bytes);
    (void)close(fd);
}

/* Two meta pages with their marks, as recovery reads them. */
static void data_put(void) {
    static char meta[2 * PAGE];
    const uint32_t magic = (uint32_t)META_MAGIC;
    const uint32_t page_bytes = PAGE;
    struct redo_mark mark = redo_mark_make(SALT, TXNID);
    for (uint64_t slot = 0; slot < 2; slot += 1) {
        char *page = meta + slot * PAGE;
        uint64_t txnid = TXNID + slot;
        memcpy(page + META_MAGIC_AT, &magic, sizeof magic);
        memcpy(page + META_PAGE_BYTES_AT, &page_bytes, sizeof page_bytes);
        memcpy(page + META_TXNID_AT, &txnid, sizeof txnid);
        memcpy(page + REDO_MARK_AT, &mark, sizeof mark);
    }
    file_put("data.mdb", meta, sizeof meta);
}

/* Magic, salt and sums of each entry as they should be; its number stays what it is. */
static void entries_mend(char *log, size_t bytes) {
    struct redo_header header;
    for (size_t at = 0; at + PAGE <= bytes;) {
        memcpy(&header, log + at, sizeof header);
        memcpy(header.magic, redo_magic, sizeof header.magic);
        header.salt = SALT;
        header.page_bytes = PAGE;
        header.page_count %= 4;
        header.runs_bytes %= 64;
        header.txnid = TXNID + 1 + header.txnid % 8;
        memcpy(header.meta + sizeof header.meta - 8, &header.txnid, 8);
        size_t entry = (header.page_count + 1) * (size_t)PAGE;
        if (at + entry <= bytes) {
            header.pages_sum = redo_sum(0, log + at + PAGE, entry - PAGE);
        }
        header.sum = redo_header_sum(header, str_from(log + at + sizeof header, header.runs_bytes));
        memcpy(log + at, &header, sizeof header);
        at += entry;
    }
}

static void log_put(const char *name, const uint8_t *data, size_t bytes) {
    static char log[INPUT_BYTES_MAX];
    memcpy(log, data, bytes);
    entries_mend(log, bytes);
    file_put(name, log, bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    const char *problem = NULL;
    if (bytes < 1 || bytes > INPUT_BYTES_MAX) {
        return 0;
    }
    if (folder[0] == '\0') {
        const char *parent = getenv("TMPDIR");
        int len = snprintf(folder, sizeof folder, "%s/coffer-redo-%d",
                           parent != NULL ? parent : "/tmp", (int)getpid());
        CHECK(len > 0 && (size_t)len < sizeof folder && mkdir(folder, 0700) == 0);
        (void)atexit(folder_remove);
        log_level_set(LOG_ERROR);
    }
    size_t first = (bytes - 1) * data[0] / 255 / PAGE * PAGE;
    data_put();
    log_put("redo.0", data + 1, first);
    log_put("redo.1", data + 1 + first, bytes - 1 - first);
    enum err err = store_redo_recover(folder, false, &problem);
    CHECK(err == ERR_OK || problem != NULL);
    if (err == ERR_OK) {
        file_put("redo.0", "", 0); /* not needed any more */
        err = store_redo_recover(folder, true, &problem);
        CHECK(err == ERR_OK);
    }
    return 0;
}
