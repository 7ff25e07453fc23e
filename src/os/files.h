/*
 * Small whole files: settings, keys, certificates. For start-up and for SIGHUP; the loop must not
 * wait for a slow disk in between. Paths end in NUL and are shorter than FILE_PATH_BYTES_MAX.
 */
#ifndef OS_FILES_H
#define OS_FILES_H

#include "base/err.h"

enum { FILE_PATH_BYTES_MAX = 1024 };

/* Reads the whole file into memory[0..bytes_max-1]; *contents is a slice of it. Only ordinary files
 * (a pipe could block). ERR_NOT_FOUND, ERR_FULL (it is larger), ERR_IO. */
enum err file_read(const char *path, void *memory, uint32_t bytes_max, struct str *contents);

/* Puts the file there whole or not at all, also through a power cut: a temporary file beside it is
 * written and synced, renamed over `path`, and the folder is synced. `mode` is exact (0600, 0644),
 * whatever the umask. On ERR_IO an older file is still there, or the new one. One writer at a
 * time. */
enum err file_write(const char *path, struct str contents, uint32_t mode);

/* The same without waiting for the disk, for the running loop: whole or not at all for whoever
 * looks at the folder, but a power cut may leave none of it. */
enum err file_put_unsynced(const char *path, struct str contents, uint32_t mode);

bool file_exists(const char *path); /* anything of that name, folders too */
/* Neither group nor others may read or write it. False when it cannot be seen. */
bool file_is_private(const char *path);
/* For data made by root before it becomes somebody else. */
enum err file_owner_set(const char *path, uint32_t uid, uint32_t gid);

/* Makes the folder, not its parents, and syncs the parent. ERR_EXISTS when a folder of that name is
 * there (its mode is left alone), ERR_IO else. */
enum err folder_make(const char *path, uint32_t mode);
/* Makes renames and new names in the folder durable. */
enum err folder_sync(const char *path);

/* The folder a path lies in: "." for a bare name. `memory` has FILE_PATH_BYTES_MAX bytes; false
 * when the path is longer or empty. */
bool path_folder(const char *path, char *memory);

#endif
