/*
 * How a store comes into being. LMDB writes its first two meta pages unsynced: a power cut then
 * leaves a file that it refuses. So a new store (first boot, restore) is built in FOLDER/data.new/,
 * committed and synced there, and gets its name only when it is whole and on disk. Before the
 * rename there is no store; after the folder's sync there is one for good.
 */
#include "store/internal.h"

#include <stdio.h>

const char *store_path_in(const char *folder, const char *name, char path[STORE_PATH_BYTES]) {
    int len = snprintf(path, STORE_PATH_BYTES, "%s/%s", folder, name);
    CHECK(len > 0 && len < STORE_PATH_BYTES);
    return path;
}

enum err store_folder_claim(const char *folder, int *lock_fd, const char **problem) {
    char parent[STORE_PATH_BYTES];
    bool was_made = false;
    *problem = store_file_problem();
    enum err err = store_folder_make(folder, &was_made);
    if (err == ERR_OK && was_made) {
        err = store_path_parent(folder, parent);
        err = err == ERR_OK ? store_file_sync(parent) : err;
    }
    if (err == ERR_OK) {
        err = store_folder_lock(folder, lock_fd);
        if (err == ERR_EXISTS) {
            *problem = "another process has this store open for writing";
        }
    }
    return err;
}

static enum err new_folder_remove(const char *folder) {
    static const char *const names[] = {"data.new/data.mdb", "data.new/lock.mdb", "data.new/redo.0",
                                        "data.new/redo.1", "data.new"};
    char path[STORE_PATH_BYTES];
    for (uint32_t index = 0; index < COUNT_OF(names); index += 1) {
        (void)store_path_in(folder, names[index], path);
        if (store_file_exists(path)) {
            enum err err = store_file_remove(path);
            if (err != ERR_OK) {
                return err;
            }
        }
    }
    return ERR_OK;
}

enum err store_new_folder_make(const char *folder) {
    char path[STORE_PATH_BYTES];
    enum err err = new_folder_remove(folder);
    return err == ERR_OK ? store_folder_make(store_path_in(folder, "data.new", path), NULL) : err;
}

enum err store_new_publish(const char *folder) {
    char from[STORE_PATH_BYTES];
    char to[STORE_PATH_BYTES];
    (void)store_path_in(folder, "data.new/data.mdb", from);
    (void)store_path_in(folder, "data.mdb", to);
    /* The lock file of an earlier store would speak of its readers. */
    char lock[STORE_PATH_BYTES];
    enum err err = store_file_remove(store_path_in(folder, "lock.mdb", lock));
    if (err == ERR_OK) {
        err = store_file_rename_new(from, to);
    }
    if (err == ERR_OK) {
        err = store_file_sync(folder);
    }
    return err == ERR_OK ? new_folder_remove(folder) : err;
}
