/* System calls of the store; see io.h. */
#include "store/io.h"

#include "os/clock.h"
#include "os/panic.h"
#include "store/lmdb_hooks.h"

#undef pwrite
#undef pwritev

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/statvfs.h>

/* The store whose fiber is running now; NULL outside of fibers. LMDB's calls bring no context. */
static struct store_io *io_running;

static char problem_text[STORE_PATH_BYTES + 128];

/* ---- the observer of test builds ---- */

#ifdef COFFER_TEST_BUILD
static struct store_io_observer observer;

void store_io_observe(struct store_io_observer new_observer) {
    observer = new_observer;
}

/* 0 = go on; otherwise *result is what the operation answers (errno set). For a cut write *bytes
 * becomes smaller and the operation goes on. */
static bool io_is_vetoed(struct store_io_event event, size_t *bytes) {
    if (observer.on_event == NULL) {
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

/* ---- the helper thread ---- */

static void io_event_post(int fd) {
    uint64_t one = 1;
    ssize_t wrote;
    do {
        wrote = write(fd, &one, sizeof one);
    } while (wrote < 0 && errno == EINTR);
    CHECK(wrote == (ssize_t)sizeof one);
}

static int64_t io_sync_run(int fd) {
    int64_t result = 0;
    do {
        result = fd < 0 ? 0 : fdatasync(fd);
    } while (result < 0 && errno == EINTR);
    return result;
}

static int64_t io_write_run(const struct store_io_write *write) {
    int64_t result = 0;
    do {
        result =
            write->data == NULL ? 0 : pwrite(write->fd, write->data, write->bytes, write->offset);
    } while (result < 0 && errno == EINTR);
    return result;
}

/* Stops at what fails first: a settled meta page must never speak of pages that are not on disk. */
static void io_request_run(struct store_io_request *request) {
    int64_t wrote = 0;
    errno = EIO; /* of a short write */
    bool is_done = io_write_run(&request->record) == (int64_t)request->record.bytes &&
                   io_sync_run(request->sync_before_fd) == 0;
    if (is_done) {
        wrote = io_write_run(&request->meta);
        is_done = wrote >= 0 && io_sync_run(request->sync_after_fd) == 0;
    }
    request->error = errno;
    request->result = is_done ? wrote : -1;
}

static void *io_helper_main(void *ctx) {
    struct store_io *io = ctx;
    for (;;) {
        uint64_t count = 0;
        ssize_t got = read(io->ask_fd, &count, sizeof count);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        CHECK(got == (ssize_t)sizeof count);
        atomic_thread_fence(memory_order_acquire);
        if (io->request.is_stop) {
            return NULL;
        }
        io_request_run(&io->request);
        atomic_store_explicit(&io->is_done, true, memory_order_release);
        io_event_post(io->done_fd);
    }
}

static bool io_helper_start(struct store_io *io) {
    enum { HELPER_STACK_BYTES = 256 * 1024 };
    sigset_t all;
    sigset_t before;
    pthread_attr_t attributes;
    pthread_t thread;
    if (pthread_attr_init(&attributes) != 0) {
        return false;
    }
    /* Signals belong to the loop's thread. */
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    bool is_started = pthread_attr_setstacksize(&attributes, HELPER_STACK_BYTES) == 0 &&
                      pthread_create(&thread, &attributes, io_helper_main, io) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attributes);
    if (is_started) {
        _Static_assert(sizeof thread == sizeof io->helper, "pthread_t is a word");
        memcpy(&io->helper, &thread, sizeof thread);
    }
    return is_started;
}

enum err store_io_open(struct store_io *io, struct fiber *fiber, int data_fd) {
    CHECK(fiber != NULL);
    CHECK(!io->is_helper_running);
    *io = (struct store_io){.fiber = fiber, .data_fd = data_fd, .ask_fd = -1, .done_fd = -1};
    io->ask_fd = eventfd(0, EFD_CLOEXEC);
    io->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (io->ask_fd < 0 || io->done_fd < 0 || !io_helper_start(io)) {
        store_fd_close(io->ask_fd);
        store_fd_close(io->done_fd);
        return ERR_IO;
    }
    io->is_helper_running = true;
    return ERR_OK;
}

void store_io_close(struct store_io *io) {
    if (!io->is_helper_running) {
        return;
    }
    CHECK(io->wait != STORE_IO_DISK);
    pthread_t thread;
    memcpy(&thread, &io->helper, sizeof thread);
    io->request.is_stop = true;
    atomic_thread_fence(memory_order_release);
    io_event_post(io->ask_fd);
    (void)pthread_join(thread, NULL);
    store_fd_close(io->ask_fd);
    store_fd_close(io->done_fd);
    io->is_helper_running = false;
}

/* ---- the fiber's side ---- */

void store_io_batch_start(struct store_io *io) {
    CHECK(io->wait == STORE_IO_RUN);
    io->disk_us = 0;
    io->sync_due_fd = -1;
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
    uint64_t count = 0;
    ssize_t got = read(io->done_fd, &count, sizeof count);
    if (got != (ssize_t)sizeof count) {
        return false;
    }
    CHECK(atomic_load_explicit(&io->is_done, memory_order_acquire));
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

/* Hands the request to the helper and comes back with its answer; errno is set as the call's. */
static int64_t io_request_wait(struct store_io *io, struct store_io_request request) {
    int64_t start_us = clock_monotonic_us();
    io->request = request;
    atomic_store_explicit(&io->is_done, false, memory_order_release);
    io->wait = STORE_IO_DISK;
    io_event_post(io->ask_fd);
    fiber_yield(io->fiber);
    io->disk_us += clock_monotonic_us() - start_us;
    errno = io->request.error;
    return io->request.result;
}

int store_io_fdatasync(int fd) {
    if (io_running != NULL) {
        CHECK(io_running->sync_due_fd < 0);
        io_running->sync_due_fd = fd;
        return 0;
    }
    return IO_VETO(NULL, .op = STORE_OP_SYNC) ? -1 : fdatasync(fd);
}

/* What the helper is to do for this meta page. */
static struct store_io_request io_meta_request(struct store_io *io, struct store_io_write meta) {
    struct store_io_request request = {
        .meta = meta, .sync_before_fd = io->sync_due_fd, .sync_after_fd = -1};
    if (io->commit.is_armed) {
        bool is_listed = false;
        struct str record = store_commit_record(
            &io->commit, store_commit_meta_txnid(meta.data, meta.bytes), &is_listed);
        request.record = (struct store_io_write){
            .fd = io->data_fd,
            .data = record.data,
            .bytes = record.len,
            .offset =
                meta.offset / io->commit.page_bytes * io->commit.page_bytes + COMMIT_RECORD_AT};
        if (is_listed) {
            request.meta.fd = io->data_fd;
            request.sync_after_fd = io->sync_due_fd;
            request.sync_before_fd = -1;
        }
    }
    return request;
}

/* Tests see the request's operations in the order in which the helper does them. */
static bool io_request_is_vetoed(struct store_io_request *request) {
#ifdef COFFER_TEST_BUILD
    bool is_settled = request->sync_after_fd < 0;
    struct store_io_write *record = &request->record;
    struct store_io_write *meta = &request->meta;
    if (record->data != NULL && IO_VETO(&record->bytes, .op = STORE_OP_WRITE, .data = record->data,
                                        .bytes = record->bytes, .offset = record->offset)) {
        return true;
    }
    if (request->sync_before_fd >= 0 && IO_VETO(NULL, .op = STORE_OP_SYNC)) {
        return true;
    }
    if (IO_VETO(&meta->bytes, .op = is_settled ? STORE_OP_META_SYNCED : STORE_OP_META,
                .data = meta->data, .bytes = meta->bytes, .offset = meta->offset)) {
        return true;
    }
    return request->sync_after_fd >= 0 && IO_VETO(NULL, .op = STORE_OP_SYNC);
#else
    (void)request;
    return false;
#endif
}

/* A meta page, on the fiber. */
static int64_t io_meta_write(struct store_io *io, struct store_io_write meta) {
    struct store_io_request request = io_meta_request(io, meta);
    io->sync_due_fd = -1;
    return io_request_is_vetoed(&request) ? -1 : io_request_wait(io, request);
}

ssize_t store_io_pwrite(int fd, const void *data, size_t bytes, off_t offset) {
    struct store_io_write meta = {.fd = fd, .data = data, .bytes = bytes, .offset = offset};
    if (io_running != NULL && fd != io_running->data_fd) {
        return (ssize_t)io_meta_write(io_running, meta);
    }
    if (IO_VETO(&bytes,
                .op = (fcntl(fd, F_GETFL) & O_DSYNC) != 0 ? STORE_OP_META_SYNCED : STORE_OP_WRITE,
                .data = data, .bytes = bytes, .offset = offset)) {
        return -1;
    }
    ssize_t wrote = pwrite(fd, data, bytes, offset);
    if (io_running != NULL) {
        int error = errno;
        store_commit_note(&io_running->commit, data, bytes, (uint64_t)offset);
        store_io_breathe(io_running, false);
        errno = error;
    }
    return wrote;
}

/* LMDB uses this for neighbouring pages of the data file. In test builds each part is an operation
 * of its own, as a disk would see it. */
ssize_t store_io_pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
#ifdef COFFER_TEST_BUILD
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
#else
    ssize_t wrote = pwritev(fd, parts, count, offset);
    if (io_running != NULL) {
        int error = errno;
        for (int index = 0; index < count; index += 1) {
            store_commit_note(&io_running->commit, parts[index].iov_base, parts[index].iov_len,
                              (uint64_t)offset);
            offset += (off_t)parts[index].iov_len;
        }
        store_io_breathe(io_running, false);
        errno = error;
    }
    return wrote;
#endif
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
    bool is_synced = !IO_VETO(NULL, .op = STORE_OP_SYNC, .path = path) && fsync(fd) == 0;
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
        ssize_t wrote = pwrite(fd, (const char *)data + done, bytes - done, (off_t)(offset + done));
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
    if (IO_VETO(NULL, .op = STORE_OP_SYNC) || fsync(fd) != 0) {
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
