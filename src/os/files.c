/* Small whole files, see files.h. */
#include "os/files.h"

#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- reading --- */

static bool is_ordinary(int fd) {
    struct stat status;
    return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

/* Until the end of the file or of the memory; the files of /proc do not tell their size before. */
static enum err descriptor_read(int fd, char *memory, uint32_t bytes_max, uint32_t *bytes) {
    *bytes = 0;
    while (*bytes < bytes_max) {
        ssize_t got = read(fd, memory + *bytes, bytes_max - *bytes);
        if (got == 0) {
            return ERR_OK;
        }
        if (got < 0 && errno != EINTR) {
            return ERR_IO;
        }
        *bytes += got > 0 ? (uint32_t)got : 0;
    }
    char more;
    ssize_t got = read(fd, &more, 1);
    return got == 0 ? ERR_OK : got > 0 ? ERR_FULL : ERR_IO;
}

enum err file_read(const char *path, void *memory, uint32_t bytes_max, struct str *contents) {
    CHECK(path != NULL);
    CHECK(memory != NULL);
    *contents = STR_NONE;
    /* O_NONBLOCK: opening a pipe without a writer would wait. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
    }
    uint32_t bytes = 0;
    enum err err = ERR_IO;
    if (is_ordinary(fd)) {
        err = descriptor_read(fd, memory, bytes_max, &bytes);
    }
    (void)close(fd);
    if (err == ERR_OK) {
        *contents = str_from(memory, bytes);
    }
    return err;
}

/* --- writing --- */

static enum err descriptor_write(int fd, struct str contents) {
    uint32_t done = 0;
    while (done < contents.len) {
        ssize_t put = write(fd, contents.data + done, contents.len - done);
        if (put < 0 && errno != EINTR) {
            return ERR_IO;
        }
        done += put > 0 ? (uint32_t)put : 0;
    }
    return ERR_OK;
}

/* A new file with these contents; on the disk when `is_synced`. */
static enum err file_make(const char *path, struct str contents, uint32_t mode, bool is_synced) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return ERR_IO;
    }
    enum err err = descriptor_write(fd, contents);
    /* The mode comes last: before that, nobody else may open it. */
    if (err == ERR_OK && (fchmod(fd, (mode_t)mode) != 0 || (is_synced && fsync(fd) != 0))) {
        err = ERR_IO;
    }
    if (close(fd) != 0) {
        err = ERR_IO;
    }
    return err;
}

static enum err file_replace(const char *path, struct str contents, uint32_t mode, bool is_synced) {
    CHECK(path != NULL);
    CHECK((mode & ~(uint32_t)0777) == 0);
    char temporary[FILE_PATH_BYTES_MAX + 4];
    (void)snprintf(temporary, sizeof temporary, "%s.tmp", path);
    /* What a crash left behind. */
    if (unlink(temporary) != 0 && errno != ENOENT) {
        return ERR_IO;
    }
    enum err err = file_make(temporary, contents, mode, is_synced);
    if (err == ERR_OK && rename(temporary, path) != 0) {
        err = ERR_IO;
    }
    if (err != ERR_OK) {
        (void)unlink(temporary);
    }
    return err;
}

enum err file_write(const char *path, struct str contents, uint32_t mode) {
    char folder[FILE_PATH_BYTES_MAX];
    if (!path_folder(path, folder)) {
        return ERR_IO;
    }
    enum err err = file_replace(path, contents, mode, true);
    return err == ERR_OK ? folder_sync(folder) : err;
}

enum err file_put_unsynced(const char *path, struct str contents, uint32_t mode) {
    return file_replace(path, contents, mode, false);
}

/* --- names --- */

bool file_exists(const char *path) {
    struct stat status;
    return lstat(path, &status) == 0;
}

bool file_is_private(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 && (status.st_mode & (S_IRWXG | S_IRWXO)) == 0;
}

enum err file_owner_set(const char *path, uint32_t uid, uint32_t gid) {
    struct stat status;
    bool is_theirs = stat(path, &status) == 0 && status.st_uid == uid && status.st_gid == gid;
    return is_theirs || chown(path, uid, gid) == 0 ? ERR_OK : ERR_IO;
}

/* --- folders --- */

static bool folder_is_there(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

enum err folder_make(const char *path, uint32_t mode) {
    char parent[FILE_PATH_BYTES_MAX];
    if (!path_folder(path, parent)) {
        return ERR_IO;
    }
    if (mkdir(path, (mode_t)mode) != 0) {
        return errno == EEXIST && folder_is_there(path) ? ERR_EXISTS : ERR_IO;
    }
    return folder_sync(parent);
}

enum err folder_sync(const char *path) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return ERR_IO;
    }
    enum err err = fsync(fd) == 0 ? ERR_OK : ERR_IO;
    (void)close(fd);
    return err;
}

bool path_folder(const char *path, char *memory) {
    size_t len = strlen(path);
    if (len == 0 || len >= FILE_PATH_BYTES_MAX) {
        return false;
    }
    /* Slashes at the end belong to the name: "a/b/" lies in "a". */
    while (len > 1 && path[len - 1] == '/') {
        len -= 1;
    }
    while (len > 0 && path[len - 1] != '/') {
        len -= 1;
    }
    while (len > 1 && path[len - 1] == '/') {
        len -= 1;
    }
    struct buf folder = buf_over(memory, FILE_PATH_BYTES_MAX - 1);
    buf_put_str(&folder, len == 0 ? STR(".") : str_from(path, len));
    memory[folder.len] = '\0';
    return true;
}
