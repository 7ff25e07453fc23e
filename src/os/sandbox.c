/*
 * Landlock (landlock(7)), and both locks together. The kernel's interface is spelled out here: the
 * headers of the distribution we build on know only its first versions.
 */
#include "os/sandbox.h"

#include "os/files.h"
#include "os/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The same numbers on every architecture. */
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

enum {
    RULESET_VERSION = 1, /* flag: tell the version instead */
    RULE_PATH_BENEATH = 1,
    /* The first version forbids moving a file between folders, which the store's first boot does.
     */
    LANDLOCK_VERSION_MIN = 2,
};

#define ACCESS_WRITE_FILE (UINT64_C(1) << 1)
#define ACCESS_READ_FILE (UINT64_C(1) << 2)
#define ACCESS_READ_DIR (UINT64_C(1) << 3)
#define ACCESS_REMOVE_DIR (UINT64_C(1) << 4)
#define ACCESS_REMOVE_FILE (UINT64_C(1) << 5)
#define ACCESS_MAKE_DIR (UINT64_C(1) << 7)
#define ACCESS_MAKE_REG (UINT64_C(1) << 8)
#define ACCESS_REFER (UINT64_C(1) << 13)    /* rename or link to another folder */
#define ACCESS_TRUNCATE (UINT64_C(1) << 14) /* version 3 */

#define ACCESS_READ (ACCESS_READ_FILE | ACCESS_READ_DIR)
#define ACCESS_CHANGE                                                                              \
    (ACCESS_WRITE_FILE | ACCESS_REMOVE_DIR | ACCESS_REMOVE_FILE | ACCESS_MAKE_DIR |                \
     ACCESS_MAKE_REG | ACCESS_REFER | ACCESS_TRUNCATE)

/* Signals and abstract sockets towards processes outside: version 6. */
#define SCOPE_ALL UINT64_C(3)

struct ruleset {
    uint64_t handled_access_fs;
    uint64_t handled_access_net; /* version 4; listening and calling out are settings, so unused */
    uint64_t scoped;
};

struct path_beneath {
    uint64_t allowed_access;
    int32_t parent_fd;
} __attribute__((packed));

/* All rights on files that this version can take away. */
static uint64_t handled_access(long version) {
    uint32_t bits = version >= 5 ? 16 : version >= 3 ? 15 : 14;
    return (UINT64_C(1) << bits) - 1;
}

/* Older kernels know a shorter struct and refuse what they do not know. */
static size_t ruleset_bytes(long version) {
    return version >= 6 ? 24 : version >= 4 ? 16 : 8;
}

static enum err rule_add(int ruleset_fd, const char *path, uint64_t access) {
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0) {
        return ERR_NOT_FOUND;
    }
    struct path_beneath rule = {.allowed_access = access, .parent_fd = fd};
    long status = syscall(SYS_landlock_add_rule, ruleset_fd, RULE_PATH_BENEATH, &rule, 0);
    (void)close(fd);
    return status == 0 ? ERR_OK : ERR_IO;
}

static bool path_is_folder(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static enum err folder_of_rule_add(int ruleset_fd, const char *path) {
    char folder[FILE_PATH_BYTES_MAX];
    if (!path_folder(path, folder)) {
        return ERR_NOT_FOUND;
    }
    return rule_add(ruleset_fd, folder, ACCESS_READ);
}

static enum err readable_add(int ruleset_fd, const char *path) {
    if (path_is_folder(path)) {
        return rule_add(ruleset_fd, path, ACCESS_READ);
    }
    enum err err = folder_of_rule_add(ruleset_fd, path);
    char *real = realpath(path, NULL);
    if (err == ERR_OK && real != NULL) {
        err = folder_of_rule_add(ruleset_fd, real);
    }
    free(real);
    return err;
}

static enum err rules_add(int ruleset_fd, const struct sandbox_paths *paths, uint64_t handled) {
    for (uint32_t index = 0; index < paths->writable_count; index++) {
        enum err err =
            rule_add(ruleset_fd, paths->writable[index], (ACCESS_READ | ACCESS_CHANGE) & handled);
        if (err != ERR_OK) {
            return ERR_IO;
        }
    }
    for (uint32_t index = 0; index < paths->readable_count; index++) {
        enum err err = readable_add(ruleset_fd, paths->readable[index]);
        if (err == ERR_NOT_FOUND) {
            log_warn("sandbox", "%s is not there now and cannot be read later",
                     paths->readable[index]);
        } else if (err != ERR_OK) {
            return err;
        }
    }
    for (uint32_t index = 0; index < paths->file_count; index++) {
        if (rule_add(ruleset_fd, paths->files[index], ACCESS_READ_FILE) == ERR_IO) {
            return ERR_IO;
        }
    }
    return ERR_OK;
}

enum err sandbox_files_close(const struct sandbox_paths *paths) {
    CHECK(paths->writable_count <= SANDBOX_PATHS_MAX);
    CHECK(paths->readable_count <= SANDBOX_PATHS_MAX);
    CHECK(paths->file_count <= SANDBOX_PATHS_MAX);
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, RULESET_VERSION);
    if (version < LANDLOCK_VERSION_MIN) {
        return ERR_NOT_FOUND;
    }
    struct ruleset ruleset = {.handled_access_fs = handled_access(version), .scoped = SCOPE_ALL};
    long made = syscall(SYS_landlock_create_ruleset, &ruleset, ruleset_bytes(version), 0);
    if (made < 0) {
        return ERR_IO;
    }
    int ruleset_fd = (int)made;
    enum err err = rules_add(ruleset_fd, paths, ruleset.handled_access_fs);
    if (err == ERR_OK && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
                          syscall(SYS_landlock_restrict_self, ruleset_fd, 0) != 0)) {
        err = ERR_IO;
    }
    (void)close(ruleset_fd);
    return err;
}

/* A lock that is missing is said once; one that jams is an error. */
static enum err lock_judge(enum err err, const char *name, const char *consequence) {
    if (err == ERR_OK) {
        return ERR_OK;
    }
    if (err == ERR_NOT_FOUND) {
        log_warn("sandbox", "this kernel has no %s: %s", name, consequence);
        return ERR_OK;
    }
    log_error("sandbox", "%s does not close", name);
    return ERR_IO;
}

enum err sandbox_enter(const struct sandbox_paths *paths) {
    enum err files = lock_judge(sandbox_files_close(paths), "Landlock",
                                "files are protected by their permissions only");
    /* Last: it forbids what Landlock's set-up needs. */
    enum err calls =
        lock_judge(sandbox_calls_close(), "seccomp filters", "system calls are not restricted");
    return files != ERR_OK ? files : calls;
}
