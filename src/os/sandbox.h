/*
 * The cage for the running server: whoever takes over the process can neither start programs nor
 * reach files that the server has no business with. Two locks of the kernel, each used when it is
 * there, a line in the log when it is not:
 *   Landlock  files: read and write beneath the data folder, read where certificates lie, no more
 *   seccomp   system calls: a list of those the server uses. Others fail with EPERM; those that
 * only an intruder would try (execve, ptrace, mount ...) end the process.
 *
 * Enter it once everything unusual is done: sockets on low ports bound, user changed, settings
 * read, sysinfo opened. Landlock holds for the calling thread and the threads it makes later,
 * seccomp for all: so enter before the store starts its helper thread.
 */
#ifndef OS_SANDBOX_H
#define OS_SANDBOX_H

#include "base/err.h"

enum { SANDBOX_PATHS_MAX = 16 };

struct sandbox_paths {
    const char *writable[SANDBOX_PATHS_MAX]; /* folders */
    uint32_t writable_count;
    /* Files or folders, which are read again later (certificates at SIGHUP). For a file its whole
     * folder is opened, because renewing means replacing; for a link also where it leads. */
    const char *readable[SANDBOX_PATHS_MAX];
    uint32_t readable_count;
    /* Files in folders that are nobody's business (/etc), which are read again later: only as long
     * as they are written in place, not replaced. Those that are not there now are left out. */
    const char *files[SANDBOX_PATHS_MAX];
    uint32_t file_count;
};

/* ERR_IO when a lock exists but does not close, or a writable folder cannot be opened: do not go on
 * as if it were closed. ERR_OK also on kernels without locks. */
enum err sandbox_enter(const struct sandbox_paths *paths);

/* The two parts, for tests. ERR_NOT_FOUND when the kernel has no such lock. */
enum err sandbox_files_close(const struct sandbox_paths *paths);
enum err sandbox_calls_close(void);

#endif
