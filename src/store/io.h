/*
 * The store's side of the system: LMDB's writes and syncs (lmdb_hooks.h), the threads that wait for
 * the disk instead of the loop, and the few file operations of the store's rituals.
 *
 * LMDB ends a commit with its pages, a sync of them, and the write of a meta page through a
 * descriptor that syncs (O_DSYNC). On the batch's fiber these become one job of the committer: the
 * pages are kept, the sync is only noted, and with the meta page all of it is handed over as a list
 * of steps: the entry of the redo log, its sync, the pages and the meta page (redo.h). The fiber
 * yields meanwhile. Should a step fail, LMDB hears of it as the meta page's failure.
 *
 * The checkpointer brings data.mdb to the disk when one file of the log is full, and the committer
 * waits for it only when the other one is full, too.
 *
 * Outside of the fiber every call is synchronous.
 *
 * In test builds an observer sees, cuts short or fails every one of these operations.
 */
#ifndef STORE_IO_H
#define STORE_IO_H

#include "base/err.h"
#include "os/worker.h"
#include "store/fiber.h"
#include "store/redo.h"

enum { STORE_SLICE_US = 200 }; /* of CPU before the batch gives the loop a turn */

enum store_io_wait {
    STORE_IO_RUN,  /* not waiting */
    STORE_IO_CPU,  /* its slice is used up */
    STORE_IO_DISK, /* a job is with the committer */
};

/* A write, or a sync when there is no data. */
struct store_io_step {
    int fd;
    const void *data;
    size_t bytes;
    int64_t offset;
};

enum { STORE_IO_STEPS_MAX = REDO_PAGES_MAX + 5 };

/* Steps in their order, until one fails. */
struct store_io_job {
    uint32_t count;
    struct store_io_step steps[STORE_IO_STEPS_MAX];
    int error; /* errno of the step that failed, or 0 */
};

struct store_io_checkpoint {
    int data_fd;
    uint32_t page_bytes;
    uint64_t salt;
    uint64_t txnid; /* everything up to this one is to be on the disk */
    struct redo_segment *segment;
    uint64_t segment_bytes_max;
    uint64_t keep_free;
    bool is_failed;
};

struct store_io {
    struct fiber *fiber; /* whose calls are asynchronous */
    int data_fd;         /* LMDB's descriptor for pages; any other one it writes to is O_DSYNC */
    enum store_io_wait wait;
    bool is_sync_due; /* a sync that was noted */
    struct worker committer;
    struct worker checkpointer;
    struct store_io_job job;
    struct store_io_checkpoint checkpoint;
    int64_t slice_end_us;
    int64_t disk_us; /* waited for the committer since store_io_batch_start */
    struct store_redo redo;
};

/* ERR_IO when the system has no descriptors left. The disk keeps `keep_free` bytes free when
 * the log grows. */
enum err store_io_open(struct store_io *io, struct fiber *fiber, int data_fd, uint64_t keep_free);
/* The batch is idle. All that was committed is in data.mdb on the disk then, unless the disk
 * refuses: then the next start finds it in the log. */
void store_io_close(struct store_io *io);
void store_io_batch_start(struct store_io *io);
/* Inside the fiber, before the first transaction: the committer arms the redo log (redo.h), and
 * from then on a commit is one write and one flush. A failure ends the process: nothing was
 * acknowledged. */
void store_io_arm(struct store_io *io, uint64_t txnid, uint32_t page_bytes);
/* Resumes the fiber for a slice. */
void store_io_resume(struct store_io *io);
/* True when the committer has answered (takes its event). */
bool store_io_is_answered(struct store_io *io);
/* Inside the fiber: gives the loop a turn if the slice is used up, or at once. */
void store_io_breathe(struct store_io *io, bool at_once);

/* ---- files; every path is shorter than STORE_PATH_BYTES ---- */

enum { STORE_PATH_BYTES = 1024 };

/* The problem of this thread's last failed call, "mkdir /x: No space left on device"; static
 * memory.
 */
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
/* All of it, as LMDB writes: tests see it. */
enum err store_io_write(int fd, const void *data, size_t bytes, uint64_t offset);
enum err store_fd_sync(int fd);
void store_fd_close(int fd);
/* Bytes that the file system of this descriptor still gives us. */
enum err store_fd_space(int fd, uint64_t *bytes);
/* The file's length; 0 when it cannot be told. */
uint64_t store_fd_bytes(int fd);
/* The folder a path lies in: "a/b/" and "a/b" give "a", "b" gives ".", "/b" gives "/". */
enum err store_path_parent(const char *path, char parent[STORE_PATH_BYTES]);

#ifdef COFFER_TEST_BUILD
/* Called before each operation on a store's files (data, log, folder entry). `path` or `fd` says
 * which; the return value says what happens:
 *   0   goes on as if nobody looked
 *   <0  fails with errno = -value, undone
 *   >0  a write: only so many bytes are written */
enum store_io_op {
    STORE_OP_WRITE = 1,
    STORE_OP_SYNC,
    STORE_OP_CHECKPOINT,   /* a sync of data.mdb begins, for everything up to here */
    STORE_OP_CHECKPOINTED, /* it has come back; what follows may count on it */
    STORE_OP_ENTRY,
};
struct store_io_event {
    enum store_io_op op;
    const char *path; /* ENTRY */
    int fd;
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
