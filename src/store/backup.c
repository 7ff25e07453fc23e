/*
 * Backup: a compact copy from one read snapshot of a live store, by a process of its own; the file
 * gets its name only when it is whole and on disk. Restore: the reverse, through the same ritual as
 * a first boot, and only if the copy opens with this program's tables and key and passes fsck.
 */
#include "store/internal.h"

#include <stdio.h>
#include <string.h>

static void say(store_report report, void *ctx, const char *line) {
    if (report != NULL) {
        report(ctx, line);
    }
}

static enum err copy_write(struct store *store, const char *partial, store_report report,
                           void *ctx) {
    int fd = -1;
    enum err err = store_file_create(partial, &fd);
    if (err != ERR_OK) {
        say(report, ctx, store_file_problem());
        return err;
    }
    int code = mdb_env_copyfd2(store->env, fd, MDB_CP_COMPACT);
    if (code != 0) {
        say(report, ctx, mdb_strerror(code));
        err = ERR_IO;
    } else if (store_fd_sync(fd) != ERR_OK) {
        say(report, ctx, store_file_problem());
        err = ERR_IO;
    }
    store_fd_close(fd);
    return err;
}

enum err store_backup(struct store *store, const char *file, store_report report, void *ctx) {
    char partial[STORE_PATH_BYTES];
    char parent[STORE_PATH_BYTES];
    int len = snprintf(partial, sizeof partial, "%s.partial", file);
    if (len < 0 || (size_t)len >= sizeof partial || store_path_parent(file, parent) != ERR_OK) {
        say(report, ctx, "the path of the backup is too long");
        return ERR_FULL;
    }
    if (store_file_exists(file)) {
        say(report, ctx, "there is a file of that name; it stays as it is");
        return ERR_EXISTS;
    }
    enum err err = store_file_remove(partial); /* of a backup that was cut short */
    if (err == ERR_OK) {
        err = copy_write(store, partial, report, ctx);
        if (err != ERR_OK) {
            (void)store_file_remove(partial);
            return err;
        }
        err = store_file_rename_new(partial, file);
    }
    if (err == ERR_OK) {
        err = store_file_sync(parent);
    }
    if (err != ERR_OK) {
        say(report, ctx, store_file_problem());
    }
    return err;
}

/* ---- restore ---- */

/* A compact copy has all its pages; a shorter file was cut. Reading it through the map would end
 * the process. */
static enum err copy_size_check(int fd, uint64_t bytes, store_report report, void *ctx) {
    /* Of LMDB's file: magic at 16, and of meta page 1 (the newer in a copy) the last page number.
     * The layout is fixed by its data version 1, which is checked. */
    enum { META_BYTES = 152, AT_MAGIC = 16, AT_VERSION = 20, AT_PAGE_BYTES = 40, AT_LAST = 136 };
    uint8_t meta[META_BYTES];
    uint32_t magic = 0;
    uint32_t version = 0;
    uint32_t page_bytes = 0;
    uint64_t last = 0;
    enum err err = store_file_read(fd, meta, sizeof meta, 0);
    if (err == ERR_OK) {
        memcpy(&page_bytes, meta + AT_PAGE_BYTES, sizeof page_bytes);
        page_bytes = page_bytes < sizeof meta ? (uint32_t)sizeof meta : page_bytes;
        err = store_file_read(fd, meta, sizeof meta, page_bytes);
    }
    if (err == ERR_OK) {
        memcpy(&magic, meta + AT_MAGIC, sizeof magic);
        memcpy(&version, meta + AT_VERSION, sizeof version);
        memcpy(&last, meta + AT_LAST, sizeof last);
    }
    if (err != ERR_OK || magic != 0xBEEFC0DE || version != 1) {
        say(report, ctx, "this is not a backup");
        return ERR_FORMAT;
    }
    if (last >= UINT64_MAX / page_bytes || bytes != (last + 1) * page_bytes) {
        say(report, ctx, "the backup is not complete");
        return ERR_CORRUPT;
    }
    return ERR_OK;
}

static enum err copy_take(const char *file, const char *target, store_report report, void *ctx) {
    int from = -1;
    int to = -1;
    uint64_t bytes = 0;
    enum err err = store_file_open_read(file, &from, &bytes);
    if (err != ERR_OK) {
        say(report, ctx, store_file_problem());
        return err;
    }
    err = copy_size_check(from, bytes, report, ctx);
    if (err == ERR_OK) {
        err = store_file_create(target, &to);
        err = err == ERR_OK ? store_file_copy(from, bytes, to) : err;
        err = err == ERR_OK ? store_fd_sync(to) : err;
        if (err != ERR_OK) {
            say(report, ctx, store_file_problem());
        }
    }
    store_fd_close(from);
    store_fd_close(to);
    return err;
}

/* Opens the copy for writing, which migrates it if it is of an older program, and proves it. */
static enum err copy_verify(const char *folder, const struct store_options *options,
                            store_report report, void *ctx) {
    char path[STORE_PATH_BYTES];
    struct store_options copy_options = *options;
    struct store *store = NULL;
    const char *problem = NULL;
    copy_options.folder = store_path_in(folder, "data.new", path);
    copy_options.is_read_only = false;
    enum err err = store_open(&store, &copy_options, &problem);
    if (err != ERR_OK) {
        say(report, ctx, problem);
        return err;
    }
    err = store_fsck(store, report, ctx);
    store_close(store);
    char file[STORE_PATH_BYTES];
    if (err == ERR_OK) {
        err = store_file_sync(store_path_in(folder, "data.new/data.mdb", file));
    }
    return err;
}

enum err store_restore(const char *file, const struct store_options *options, store_report report,
                       void *ctx) {
    char path[STORE_PATH_BYTES];
    const char *folder = options->folder;
    const char *problem = NULL;
    int lock_fd = -1;
    if (strlen(folder) + sizeof "/data.new/data.new/data.mdb" > STORE_PATH_BYTES) {
        say(report, ctx, "the path of the store is too long");
        return ERR_FULL;
    }
    enum err err = store_folder_claim(folder, &lock_fd, &problem);
    if (err != ERR_OK) {
        say(report, ctx, problem);
        return err;
    }
    if (store_file_exists(store_path_in(folder, "data.mdb", path))) {
        say(report, ctx, "there is a store in that folder; it stays as it is");
        err = ERR_EXISTS;
    }
    if (err == ERR_OK) {
        err = store_new_folder_make(folder);
    }
    if (err == ERR_OK) {
        err = copy_take(file, store_path_in(folder, "data.new/data.mdb", path), report, ctx);
    }
    if (err == ERR_OK) {
        err = copy_verify(folder, options, report, ctx);
    }
    if (err == ERR_OK) {
        err = store_new_publish(folder);
        if (err != ERR_OK) {
            say(report, ctx, store_file_problem());
        }
    }
    store_fd_close(lock_fd);
    return err;
}
