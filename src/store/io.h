/*
 * The store's side of the system: LMDB's writes and syncs (lmdb_hooks.h), the helper thread that
 * waits for the disk instead of the loop, and the few file operations of the store's rituals.
 *
 * LMDB ends a commit with a sync of the data pages and the write of a meta page through a
 * descriptor that syncs (O_DSYNC), with nothing in between. On the batch's fiber both together are
 * one request: the first is only noted, the second is given to the helper with it; the fiber yields
 * meanwhile. What the helper does is the commit's choice (commit.h): record and meta page, then one
 * sync; or record, sync, and the meta page with its own. Should a sync fail, LMDB hears of it as
 * the meta page's failure.
 *
 * Page writes are done at once, but a slice that has used up its time yields too. Outside of the
 * fiber every call is synchronous.
 *
 * In test builds an observer sees, cuts short or fails every one of these operations.
 */
#ifndef STORE_IO_H
#define STORE_IO_H

#include <stdatomic.h>

#include "base/err.h"
#include "store/commit.h"
#include "store/fiber.h"

enum { STORE_SLICE_US = 200 }; /* of CPU before the batch gives the loop a turn */

enum store_io_wait {
    STORE_IO_RUN,  /* not waiting */
    STORE_IO_CPU,  /* its slice is used up */
    STORE_IO_DISK, /* a request is with the helper */
};

struct store_io_write {
    int fd;
    const void *data; /* NULL = nothing to write */
    size_t bytes;
    int64_t offset;
};

/* In this order. */
struct store_io_request {
    bool is_stop; /* instead: the helper ends */
    struct store_io_write record;
    int sync_before_fd; /* -1 = none */
    struct store_io_write meta;
    int sync_after_fd; /* -1 = none */
    int64_t result;    /* as of the meta page's write; negative when anything failed */
    int error;         /* errno when result is negative */
};

struct store_io {
    struct fiber *fiber; /* whose calls are asynchronous */
    int data_fd;         /* LMDB's descriptor for pages; any other one it writes to is O_DSYNC */
    enum store_io_wait wait;
    int sync_due_fd; /* a sync that was noted, or -1 */
    struct store_commit commit;
    bool is_helper_running;
    int ask_fd;  /* loop -> helper */
    int done_fd; /* helper -> loop */
    _Atomic bool is_done;
    unsigned long helper; /* pthread_t */
    int64_t slice_end_us;
    int64_t disk_us; /* waited for the helper since store_io_batch_start */
    struct store_io_request request;
};

/* Starts the helper. ERR_IO when the system refuses. */
enum err store_io_open(struct store_io *io, struct fiber *fiber, int data_fd);
/* The helper is idle. */
void store_io_close(struct store_io *io);
void store_io_batch_start(struct store_io *io);
/* Resumes the fiber for a slice. */
void store_io_resume(struct store_io *io);
/* True when the helper has answered (takes the answer's event off done_fd). */
bool store_io_is_answered(struct store_io *io);
/* Inside the fiber: gives the loop a turn if the slice is used up, or at once. */
void store_io_breathe(struct store_io *io, bool at_once);

/* ---- files; every path is shorter than STORE_PATH_BYTES ---- */

enum { STORE_PATH_BYTES = 1024 };

/* The problem of the last failed call, "mkdir /x: No space left on device"; static memory. */
const char *store_file_problem(void);

bool store_file_exists(const char *path);
/* ERR_OK also when it was there. *was_made may be NULL. */
enum err store_folder_make(const char *path, bool *was_made);
/* Opens the folder and takes the writer's lock on it, held until the descriptor is closed.
 * ERR_EXISTS when another process has it. */
enum err store_folder_lock(const char *path, int *fd);
enum err store_file_sync(const char *path); /* a file or a folder */
enum err store_file_rename(const char *from, const char *to);
/* A rename that never replaces: ERR_EXISTS. */
enum err store_file_rename_new(const char *from, const char *to);
enum err store_file_remove(const char *path); /* a file or an empty folder; ERR_OK when absent */
/* A new file for writing; ERR_EXISTS when there is one. */
enum err store_file_create(const char *path, int *fd);
enum err store_file_open_write(const char *path, int *fd); /* for reading, too */
enum err store_file_open_read(const char *path, int *fd, uint64_t *bytes);
/* ERR_END at the end of the file before `bytes`. */
enum err store_file_read(int fd, void *data, size_t bytes, uint64_t offset);
enum err store_file_write(int fd, const void *data, size_t bytes, uint64_t offset);
enum err store_file_copy(int from_fd, uint64_t bytes, int to_fd);
enum err store_fd_sync(int fd);
void store_fd_close(int fd);
/* Bytes that the file system of this descriptor still gives us. */
enum err store_fd_space(int fd, uint64_t *bytes);
/* The file's length; 0 when it cannot be told. */
uint64_t store_fd_bytes(int fd);
/* The folder a path lies in: "a/b/" and "a/b" give "a", "b" gives ".", "/b" gives "/". */
enum err store_path_parent(const char *path, char parent[STORE_PATH_BYTES]);

#ifdef COFFER_TEST_BUILD
/* Called before each operation on a data file (data, meta page, folder entry). `path` or `fd` says
 * which; the return value says what happens:
 *   0   goes on as if nobody looked
 *   <0  fails with errno = -value, undone
 *   >0  a write: only so many bytes are written */
enum store_io_op {
    STORE_OP_WRITE = 1,
    STORE_OP_SYNC,
    STORE_OP_META,        /* a meta page */
    STORE_OP_META_SYNCED, /* a meta page, with its own sync */
    STORE_OP_ENTRY,
};
struct store_io_event {
    enum store_io_op op;
    const char *path; /* ENTRY */
    const void *data;
    size_t bytes;
    int64_t offset;
};
struct store_io_observer {
    int64_t (*on_event)(void *ctx, const struct store_io_event *event);
    void *ctx;
};
void store_io_observe(struct store_io_observer observer);
#endif

#endif
