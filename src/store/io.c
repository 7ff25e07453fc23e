/* System calls of the store; see io.h. */
#include "store/io.h"

#include "os/clock.h"
#include "os/panic.h"
#include "store/lmdb_hooks.h"
#include "store/redo_parts.h"

#undef pwrite
#undef pwritev

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statvfs.h>

/* The store whose fiber is running now; NULL outside of fibers and in the workers. LMDB's calls
 * bring no context. */
static _Thread_local struct store_io *io_running;

static _Thread_local char problem_text[STORE_PATH_BYTES + 128]; /* of each thread its own */

/* ---- the observer of test builds ---- */

#ifdef COFFER_TEST_BUILD
static struct store_io_observer observer;
/* A checkpoint is told when it is handed over and when it has come back, not while it runs. */
static _Thread_local bool is_unobserved;

void store_io_observe(struct store_io_observer new_observer) {
    observer = new_observer;
}

/* 0 = go on; otherwise *result is what the operation answers (errno set). For a cut write *bytes
 * becomes smaller and the operation goes on. */
static bool io_is_vetoed(struct store_io_event event, size_t *bytes) {
    if (observer.on_event == NULL || is_unobserved) {
        return false;
    }
    int64_t verdict = observer.on_event(observer.ctx, &event);
    if (verdict > 0 && bytes != NULL && (size_t)verdict < *bytes) {
        *bytes = (size_t)verdict;
    }
    errno = verdict < 0 ? (int)-verdict : 0;
    return verdict < 0;
}
#define IO_VETO(bytes_, ...) io_is_vetoed((struct store_io_event){__VA_ARGS__}, bytes_)
#else
#define IO_VETO(bytes_, ...) false
#endif

/* ---- what the threads do ---- */

static int64_t step_run(const struct store_io_step *step) {
    int64_t result = 0;
    do {
        result = step->data == NULL ? fdatasync(step->fd)
                                    : pwrite(step->fd, step->data, step->bytes, step->offset);
    } while (result < 0 && errno == EINTR);
    return result;
}

static void job_run(void *ctx) {
    struct store_io_job *job = ctx;
    job->error = 0;
    for (uint32_t index = 0; index < job->count && job->error == 0; index += 1) {
        const struct store_io_step *step = &job->steps[index];
        errno = EIO; /* of a short write */
        if (step_run(step) != (int64_t)step->bytes) {
            job->error = errno;
        }
    }
}

/* The mark says for good what needs no replay; so the other segment may be taken again. */
static void checkpoint_run(void *ctx) {
#ifdef COFFER_TEST_BUILD
    is_unobserved = true; /* the checkpointer does nothing else */
#endif
    struct store_io_checkpoint *checkpoint = ctx;
    struct redo_mark mark = redo_mark_make(checkpoint->salt, checkpoint->txnid);
    checkpoint->is_failed = fdatasync(checkpoint->data_fd) != 0 ||
                            redo_mark(checkpoint->data_fd, checkpoint->page_bytes, &mark) != ERR_OK;
    if (!checkpoint->is_failed) {
        store_redo_grow(checkpoint->segment, checkpoint->segment_bytes_max, checkpoint->keep_free);
    }
}

static void checkpoint_wait_run(void *ctx) {
    worker_wait(ctx);
}

enum err store_io_open(struct store_io *io, struct fiber *fiber, int data_fd, uint64_t keep_free) {
    CHECK(fiber != NULL);
    CHECK(!io->committer.is_open);
    io->fiber = fiber;
    io->data_fd = data_fd;
    io->wait = STORE_IO_RUN;
    io->checkpoint.keep_free = keep_free;
    enum err err = worker_open(&io->committer);
    return err == ERR_OK ? worker_open(&io->checkpointer) : err;
}

void store_io_close(struct store_io *io) {
    CHECK(io->wait != STORE_IO_DISK);
    if (io->checkpointer.is_asked) {
        worker_wait(&io->checkpointer);
    }
    bool is_whole = !worker_is_done(&io->checkpointer) || !io->checkpoint.is_failed;
    worker_close(&io->committer);
    worker_close(&io->checkpointer);
    if (io->redo.is_armed && is_whole) {
        (void)store_redo_disarm(&io->redo, io->data_fd); /* or the next start replays the log */
    }
    store_redo_close(&io->redo);
}

/* ---- the fiber's side ---- */

void store_io_batch_start(struct store_io *io) {
    CHECK(io->wait == STORE_IO_RUN);
    io->disk_us = 0;
    io->is_sync_due = false;
}

void store_io_resume(struct store_io *io) {
    CHECK(io_running == NULL);
    CHECK(io->wait != STORE_IO_DISK);
    io->wait = STORE_IO_RUN;
    io->slice_end_us = clock_monotonic_us() + STORE_SLICE_US;
    io_running = io;
    fiber_resume(io->fiber);
    io_running = NULL;
}

bool store_io_is_answered(struct store_io *io) {
    CHECK(io->wait == STORE_IO_DISK);
    if (!worker_is_done(&io->committer)) {
        return false;
    }
    io->wait = STORE_IO_CPU;
    return true;
}

void store_io_breathe(struct store_io *io, bool at_once) {
    CHECK(io_running == io);
    if (at_once || clock_monotonic_us() >= io->slice_end_us) {
        io->wait = STORE_IO_CPU;
        fiber_yield(io->fiber);
    }
}

/* Hands the job to the committer and comes back when it is through. */
static void io_committer_wait(struct store_io *io, void (*job)(void *ctx), void *ctx) {
    int64_t start_us = clock_monotonic_us();
    io->wait = STORE_IO_DISK;
    worker_ask(&io->committer, job, ctx);
    fiber_yield(io->fiber);
    io->disk_us += clock_monotonic_us() - start_us;
}

/* Tests see the job's steps in the order in which they are done; what is behind one that fails is
 * not done. */
static int job_vet(struct store_io_job *job) {
#ifdef COFFER_TEST_BUILD
    for (uint32_t index = 0; index < job->count; index += 1) {
        struct store_io_step *step = &job->steps[index];
        size_t bytes = step->bytes;
        bool is_sync = step->data == NULL;
        if (IO_VETO(is_sync ? NULL : &step->bytes, .op = is_sync ? STORE_OP_SYNC : STORE_OP_WRITE,
                    .fd = step->fd, .data = step->data, .bytes = step->bytes,
                    .offset = step->offset)) {
            job->count = index;
            return errno;
        }
        if (step->bytes < bytes) {
            job->count = index + 1;
            return EIO;
        }
    }
#else
    (void)job;
#endif
    return 0;
}

/* ---- arming, on the fiber ---- */

struct arming {
    struct store_io *io;
    uint64_t txnid;
    uint32_t page_bytes;
    const char *problem; /* NULL = none */
};

static void arm_run(void *ctx) {
    struct arming *arming = ctx;
    struct store_io *io = arming->io;
    if (store_redo_arm(&io->redo, io->data_fd, arming->txnid, arming->page_bytes) != ERR_OK) {
        arming->problem = store_file_problem();
    }
}

void store_io_arm(struct store_io *io, uint64_t txnid, uint32_t page_bytes) {
    struct arming arming = {.io = io, .txnid = txnid, .page_bytes = page_bytes};
    CHECK(io_running == io);
    CHECK(!io->redo.is_armed);
    io_committer_wait(io, arm_run, &arming);
    if (arming.problem != NULL) {
        char text[STORE_PATH_BYTES + 256];
        (void)snprintf(text, sizeof text,
                       "the redo log cannot be armed (%s): see the disk, its space and the "
                       "folder's rights; nothing was answered yet",
                       arming.problem);
        panic_exit("store", text);
    }
    CHECK(io->redo.is_armed);
}

/* ---- checkpoints, on the fiber ---- */

static void checkpoint_begin(struct store_io *io) {
    struct store_redo *redo = &io->redo;
    struct redo_segment *full = &redo->segments[redo->active];
    io->checkpoint = (struct store_io_checkpoint){.data_fd = io->data_fd,
                                                  .page_bytes = redo->page_bytes,
                                                  .salt = redo->salt,
                                                  .txnid = redo->txnid,
                                                  .segment = full,
                                                  .segment_bytes_max = redo->segment_bytes_max,
                                                  .keep_free = io->checkpoint.keep_free};
    if (IO_VETO(NULL, .op = STORE_OP_CHECKPOINT, .fd = io->data_fd)) {
        panic_exit("store", "data.mdb cannot be flushed: see the disk");
    }
    worker_ask(&io->checkpointer, checkpoint_run, &io->checkpoint);
}

/* Waits for the one that was begun, if any. */
static void checkpoint_take(struct store_io *io) {
    if (!io->checkpointer.is_asked) {
        return;
    }
    io_committer_wait(io, checkpoint_wait_run, &io->checkpointer);
    CHECK(worker_is_done(&io->checkpointer));
    if (io->checkpoint.is_failed) {
        panic_exit("store", "data.mdb cannot be flushed: see the disk");
    }
#ifdef COFFER_TEST_BUILD
    struct redo_mark mark = redo_mark_make(io->checkpoint.salt, io->checkpoint.txnid);
    (void)IO_VETO(NULL, .op = STORE_OP_CHECKPOINTED, .fd = io->data_fd, .data = &mark,
                  .bytes = sizeof mark, .offset = io->checkpoint.page_bytes);
#endif
    if (io->checkpoint.txnid > io->redo.settled) {
        io->redo.settled = io->checkpoint.txnid;
    }
}

/* The entry goes to the front of the other segment. */
static void segment_switch(struct store_io *io) {
    struct store_redo *redo = &io->redo;
    uint32_t other = redo->active ^ 1;
    checkpoint_take(io);
    CHECK(redo->segments[other].last <= redo->settled);
    checkpoint_begin(io);
    redo->active = other;
    redo->at = 0;
}

/* ---- a commit, on the fiber ---- */

static void step_add(struct store_io_job *job, int fd, const void *data, size_t bytes,
                     uint64_t offset) {
    CHECK(job->count < STORE_IO_STEPS_MAX);
    job->steps[job->count] = (struct store_io_step){fd, data, bytes, (int64_t)offset};
    job->count += 1;
}

static void sync_add(struct store_io_job *job, int fd) {
    step_add(job, fd, NULL, 0, 0);
}

/* What was kept for an entry, into data.mdb. */
static void kept_add(struct store_io *io) {
    const struct store_redo *redo = &io->redo;
    for (uint32_t index = 0; index < redo->run_count; index += 1) {
        const struct redo_run *run = &redo->runs[index];
        step_add(&io->job, io->data_fd, run->data, (size_t)run->count * redo->page_bytes,
                 run->page * redo->page_bytes);
    }
}

/* Runs the job on this side: in the middle of a transaction. */
static bool job_run_here(struct store_io_job *job) {
    int vetoed = job_vet(job);
    job_run(job);
    errno = job->error != 0 ? job->error : vetoed;
    return errno == 0;
}

/* LMDB's meta page: everything is there. */
static ssize_t io_commit(struct store_io *io, const void *meta, size_t bytes, uint64_t offset) {
    struct store_redo *redo = &io->redo;
    struct store_io_job *job = &io->job;
    CHECK(bytes == REDO_META_BYTES && io->is_sync_due);
    io->is_sync_due = false;
    if (store_redo_entry_bytes(redo) > redo->segments[redo->active].bytes - redo->at) {
        segment_switch(io);
    }
    bool is_entry = redo->is_taking;
    if (!is_entry) {
        checkpoint_take(io); /* of two flushes at a time only one is told of a failure */
    }
    struct str entry = store_redo_entry(redo, meta);
    int log_fd = redo->segments[redo->active].fd;
    job->count = 0;
    if (!is_entry) {
        sync_add(job, io->data_fd);
    }
    step_add(job, log_fd, entry.data, entry.len, redo->at);
    sync_add(job, log_fd);
    if (is_entry) {
        kept_add(io);
    }
    step_add(job, io->data_fd, meta, bytes, offset);
    if (!is_entry) {
        sync_add(job, io->data_fd);
    }
    int vetoed = job_vet(job);
    io_committer_wait(io, job_run, job);
    errno = job->error != 0 ? job->error : vetoed;
    if (errno != 0) {
        return -1;
    }
    store_redo_committed(redo, entry, store_redo_meta_txnid(meta));
    return (ssize_t)bytes;
}

int store_io_fdatasync(int fd) {
    if (io_running != NULL) {
        CHECK(fd == io_running->data_fd && !io_running->is_sync_due);
        io_running->is_sync_due = true;
        return 0;
    }
    return IO_VETO(NULL, .op = STORE_OP_SYNC, .fd = fd) ? -1 : fdatasync(fd);
}

/* Pages, on the fiber. */
static ssize_t io_pages(struct store_io *io, const void *data, size_t bytes, uint64_t offset) {
    struct store_redo *redo = &io->redo;
    bool is_written = true;
    if (!store_redo_take(redo, data, bytes, offset)) {
        io->job.count = 0;
        kept_add(io);
        redo->run_count = 0;
        step_add(&io->job, io->data_fd, data, bytes, offset);
        is_written = job_run_here(&io->job);
    }
    int error = errno;
    store_io_breathe(io, false);
    errno = error;
    return is_written ? (ssize_t)bytes : -1;
}

ssize_t store_io_pwrite(int fd, const void *data, size_t bytes, off_t offset) {
    if (io_running != NULL) {
        return fd == io_running->data_fd ? io_pages(io_running, data, bytes, (uint64_t)offset)
                                         : io_commit(io_running, data, bytes, (uint64_t)offset);
    }
    if (IO_VETO(&bytes, .op = STORE_OP_WRITE, .fd = fd, .data = data, .bytes = bytes,
                .offset = offset)) {
        return -1;
    }
    ssize_t wrote = pwrite(fd, data, bytes, offset);
#ifdef COFFER_TEST_BUILD
    /* A descriptor that syncs: the meta page outside of a batch. */
    if (wrote >= 0 && (fcntl(fd, F_GETFL) & O_DSYNC) != 0 &&
        IO_VETO(NULL, .op = STORE_OP_SYNC, .fd = fd)) {
        return -1;
    }
#endif
    return wrote;
}

/* LMDB uses this for neighbouring pages of the data file. Outside of the fiber each part is an
 * operation of its own, as a disk would see it. */
ssize_t store_io_pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
    ssize_t total = 0;
    for (int index = 0; index < count; index += 1) {
        ssize_t wrote =
            store_io_pwrite(fd, parts[index].iov_base, parts[index].iov_len, offset + total);
        if (wrote < 0) {
            return wrote;
        }
        total += wrote;
        if ((size_t)wrote < parts[index].iov_len) {
            break;
        }
    }
    return total;
}

/* ---- files ---- */

const char *store_file_problem(void) {
    return problem_text;
}

static enum err file_failed(const char *what, const char *path) {
    int error = errno;
    (void)snprintf(problem_text, sizeof problem_text, "%s %s: %s", what, path, strerror(error));
    return error == EEXIST || error == EWOULDBLOCK ? ERR_EXISTS : ERR_IO;
}

bool store_file_exists(const char *path) {
    struct stat status;
    return stat(path, &status) == 0;
}

enum err store_folder_make(const char *path, bool *was_made) {
    bool is_made = !IO_VETO(NULL, .op = STORE_OP_ENTRY, .path = path) && mkdir(path, 0700) == 0;
    if (was_made != NULL) {
        *was_made = is_made;
    }
    if (!is_made && errno != EEXIST) {
        return file_failed("mkdir", path);
    }
    return ERR_OK;
}

enum err store_folder_lock(const char *path, int *fd) {
    *fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*fd < 0) {
        return file_failed("open", path);
    }
    if (flock(*fd, LOCK_EX | LOCK_NB) != 0) {
        enum err err = file_failed("lock", path);
        store_fd_close(*fd);
        *fd = -1;
        return err;
    }
    return ERR_OK;
}

enum err store_file_sync(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return file_failed("open", path);
    }
    bool is_synced = !IO_VETO(NULL, .op = STORE_OP_SYNC, .path = path, .fd = fd) && fsync(fd) == 0;
    enum err err = is_synced ? ERR_OK : file_failed("sync", path);
    store_fd_close(fd);
    return err;
}

enum err store_file_rename(const char *from, const char *to) {
    if (IO_VETO(NULL, .op = STORE_OP_ENTRY, .path = to) || rename(from, to) != 0) {
        return file_failed("rename to", to);
    }
    return ERR_OK;
}

enum err store_file_rename_new(const char *from, const char *to) {
    if (IO_VETO(NULL, .op = STORE_OP_ENTRY, .path = to)) {
        return file_failed("rename to", to);
    }
    if (link(from, to) == 0) {
        return store_file_remove(from);
    }
    if (errno == EEXIST || store_file_exists(to)) {
        errno = EEXIST;
        return file_failed("rename to", to);
    }
    return store_file_rename(from, to); /* a file system without hard links */
}

enum err store_file_remove(const char *path) {
    if (IO_VETO(NULL, .op = STORE_OP_ENTRY, .path = path)) {
        return file_failed("remove", path);
    }
    if (unlink(path) == 0 || errno == ENOENT) {
        return ERR_OK;
    }
    if ((errno == EISDIR || errno == EPERM) && rmdir(path) == 0) {
        return ERR_OK;
    }
    return file_failed("remove", path);
}

enum err store_file_create(const char *path, int *fd) {
    *fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return *fd >= 0 ? ERR_OK : file_failed("create", path);
}

enum err store_file_open_write(const char *path, int *fd) {
    *fd = open(path, O_RDWR | O_CLOEXEC);
    return *fd >= 0 ? ERR_OK : file_failed("open", path);
}

enum err store_file_open_read(const char *path, int *fd, uint64_t *bytes) {
    struct stat status;
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd < 0) {
        return file_failed("open", path);
    }
    if (fstat(*fd, &status) != 0) {
        enum err err = file_failed("stat", path);
        store_fd_close(*fd);
        return err;
    }
    *bytes = (uint64_t)status.st_size;
    return ERR_OK;
}

enum err store_file_read(int fd, void *data, size_t bytes, uint64_t offset) {
    size_t done = 0;
    while (done < bytes) {
        ssize_t got = pread(fd, (char *)data + done, bytes - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return file_failed("read", "the file");
        }
        if (got == 0) {
            return ERR_END;
        }
        done += (size_t)got;
    }
    return ERR_OK;
}

enum err store_file_write(int fd, const void *data, size_t bytes, uint64_t offset) {
    size_t done = 0;
    while (done < bytes) {
        const char *from = (const char *)data + done;
        size_t part = bytes - done;
        off_t to = (off_t)(offset + done);
        bool is_vetoed = IO_VETO(&part, .op = STORE_OP_WRITE, .fd = fd, .data = from, .bytes = part,
                                 .offset = to);
        ssize_t wrote = is_vetoed ? -1 : pwrite(fd, from, part, to);
        if (wrote < 0 && errno == EINTR) {
            continue;
        }
        if (wrote <= 0) {
            return file_failed("write", "the file");
        }
        done += (size_t)wrote;
    }
    return ERR_OK;
}

enum err store_io_write(int fd, const void *data, size_t bytes, uint64_t offset) {
    return store_io_pwrite(fd, data, bytes, (off_t)offset) == (ssize_t)bytes
               ? ERR_OK
               : file_failed("write", "data.mdb");
}

enum err store_file_copy(int from_fd, uint64_t bytes, int to_fd) {
    static char chunk[256 * 1024];
    enum err err = ERR_OK;
    for (uint64_t offset = 0; offset < bytes && err == ERR_OK;) {
        size_t part = bytes - offset < sizeof chunk ? (size_t)(bytes - offset) : sizeof chunk;
        err = store_file_read(from_fd, chunk, part, offset);
        if (err == ERR_OK) {
            err = store_file_write(to_fd, chunk, part, offset);
        }
        offset += part;
    }
    return err;
}

enum err store_fd_sync(int fd) {
    if (IO_VETO(NULL, .op = STORE_OP_SYNC, .fd = fd) || fsync(fd) != 0) {
        return file_failed("sync", "the file");
    }
    return ERR_OK;
}

void store_fd_close(int fd) {
    if (fd >= 0) {
        (void)close(fd);
    }
}

enum err store_fd_space(int fd, uint64_t *bytes) {
    struct statvfs status;
    if (fstatvfs(fd, &status) != 0) {
        return file_failed("statvfs", "the store");
    }
    *bytes = (uint64_t)status.f_bavail * status.f_frsize;
    return ERR_OK;
}

uint64_t store_fd_bytes(int fd) {
    struct stat status;
    return fstat(fd, &status) == 0 ? (uint64_t)status.st_size : 0;
}

enum err store_path_parent(const char *path, char parent[STORE_PATH_BYTES]) {
    size_t len = strlen(path);
    if (len == 0 || len >= STORE_PATH_BYTES) {
        return ERR_FULL;
    }
    while (len > 1 && path[len - 1] == '/') {
        len -= 1;
    }
    while (len > 0 && path[len - 1] != '/') {
        len -= 1;
    }
    while (len > 1 && path[len - 1] == '/') {
        len -= 1;
    }
    const char *from = len == 0 ? "." : path;
    size_t bytes = len == 0 ? 1 : len;
    memcpy(parent, from, bytes);
    parent[bytes] = '\0';
    return ERR_OK;
}
