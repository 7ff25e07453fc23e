/* One flush per commit, and what a power cut may have left of it; see commit.h. */
#include "store/commit.h"

#include "base/num.h"
#include "os/log.h"
#include "os/panic.h"
#include "store/codec.h"
#include "store/io.h"
#include "store/lmdb_hooks.h"

#include <stdio.h>
#include <string.h>
#include <zlib.h>

/* LMDB 0.9's meta page. Its struct is private, but its file format is not: 0.9 has never changed
 * it. Numbers are the machine's. */
enum {
    META_MAGIC_AT = 16,
    META_PAGE_BYTES_AT = 40,
    META_TXNID_AT = 144,
    META_BYTES = 152,
    META_WRITTEN_BYTES = 120, /* from mm_mapsize on: what a commit writes */
    META_MAGIC = (int)0xBEEFC0DE,
    PAGE_BYTES_MIN = 1024, /* room for the header of a record */
    PAGE_BYTES_MAX = 65536,
};

enum record_kind { RECORD_SETTLED = 1, RECORD_LISTED = 2 };

static const char record_magic[8] = {'C', 'o', 'f', 'f', 'e', 'r', 'C', '1'};

/* The record's head, in the machine's byte order like everything else in the file. */
struct commit_header {
    char magic[8];
    uint64_t txnid;
    uint32_t kind;
    uint32_t pages_sum; /* CRC-32 of all pages in the order of the runs */
    uint32_t runs_bytes;
    uint32_t sum; /* CRC-32 of header (this as 0) and runs */
};
_Static_assert(sizeof(struct commit_header) == COMMIT_HEADER_BYTES, "no padding");

#ifdef COFFER_TEST_BUILD
static bool is_trusted;
void store_commit_trust(bool is_trusting) {
    is_trusted = is_trusting;
}
#else
enum { is_trusted = false };
#endif

/* ---- the record ---- */

static uint32_t sum_of(uint32_t sum, const void *data, size_t bytes) {
    return (uint32_t)crc32_z(sum, data, bytes);
}

static uint32_t header_sum(struct commit_header header, struct str runs) {
    header.sum = 0;
    return sum_of(sum_of(0, &header, sizeof header), runs.data, runs.len);
}

void store_commit_start(struct store_commit *commit) {
    CHECK(commit->page_bytes >= PAGE_BYTES_MIN || !commit->is_armed);
    commit->is_listable = commit->is_armed;
    commit->page_next = 0;
    commit->run_pages = 0;
    commit->run_gap = 0;
    commit->pages_sum = 0;
    commit->runs = buf_over(commit->runs_memory, sizeof commit->runs_memory);
}

static void run_end(struct store_commit *commit) {
    if (commit->run_pages > 0) {
        codec_varint_put(&commit->runs, commit->run_gap);
        codec_varint_put(&commit->runs, commit->run_pages);
    }
    commit->run_pages = 0;
}

void store_commit_note(struct store_commit *commit, const void *data, size_t bytes,
                       uint64_t offset) {
    if (!commit->is_listable) {
        return;
    }
    uint64_t page = offset / commit->page_bytes;
    bool is_whole = offset % commit->page_bytes == 0 && bytes % commit->page_bytes == 0;
    if (!is_whole || page < commit->page_next || commit->runs.is_full) {
        commit->is_listable = false;
        return;
    }
    if (page > commit->page_next || commit->run_pages == 0) {
        run_end(commit);
        commit->run_gap = page - commit->page_next;
    }
    commit->run_pages += bytes / commit->page_bytes;
    commit->page_next = page + bytes / commit->page_bytes;
    commit->pages_sum = sum_of(commit->pages_sum, data, bytes);
}

static struct str record_put(char *memory, struct commit_header header, struct str runs) {
    memcpy(header.magic, record_magic, sizeof header.magic);
    header.runs_bytes = runs.len;
    header.sum = header_sum(header, runs);
    struct buf out = buf_over(memory, COMMIT_RECORD_BYTES_MAX);
    buf_put(&out, &header, sizeof header);
    buf_put_str(&out, runs);
    CHECK(!out.is_full);
    return buf_str(&out);
}

struct str store_commit_record(struct store_commit *commit, uint64_t txnid, bool *is_listed) {
    CHECK(commit->is_armed);
    run_end(commit);
    *is_listed = commit->is_listable && !commit->runs.is_full &&
                 commit->runs.len + COMMIT_RECORD_AT + COMMIT_HEADER_BYTES <= commit->page_bytes;
    struct commit_header header = {.txnid = txnid, .kind = RECORD_SETTLED};
    if (*is_listed) {
        header.kind = RECORD_LISTED;
        header.pages_sum = commit->pages_sum;
    }
    return record_put(commit->record, header, *is_listed ? buf_str(&commit->runs) : STR(""));
}

uint64_t store_commit_meta_txnid(const void *data, size_t bytes) {
    uint64_t txnid = 0;
    CHECK(bytes == META_WRITTEN_BYTES);
    memcpy(&txnid, (const char *)data + bytes - sizeof txnid, sizeof txnid);
    return txnid;
}

/* ---- the file ---- */

struct meta_page {
    uint64_t txnid;
    bool has_record; /* of whatever transaction */
    struct commit_header header;
    char bytes[PAGE_BYTES_MAX]; /* the first page_bytes of it */
};

struct meta_pages {
    uint32_t page_bytes;
    uint32_t newest;
    struct meta_page slots[2];
};

static struct meta_pages pages_memory; /* of the one function at work */

static uint32_t u32_at(const char *at) {
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

/* ERR_END when this is no environment that we could say anything about. */
static enum err meta_page_read(int fd, struct meta_pages *pages, uint32_t slot) {
    struct meta_page *page = &pages->slots[slot];
    enum err err =
        store_file_read(fd, page->bytes, pages->page_bytes, (uint64_t)slot * pages->page_bytes);
    if (err != ERR_OK) {
        return err;
    }
    if (u32_at(page->bytes + META_MAGIC_AT) != (uint32_t)META_MAGIC ||
        u32_at(page->bytes + META_PAGE_BYTES_AT) != pages->page_bytes) {
        return ERR_END;
    }
    memcpy(&page->txnid, page->bytes + META_TXNID_AT, sizeof page->txnid);
    memcpy(&page->header, page->bytes + COMMIT_RECORD_AT, sizeof page->header);
    page->has_record = memcmp(page->header.magic, record_magic, sizeof record_magic) == 0;
    return ERR_OK;
}

static enum err meta_pages_read(int fd, struct meta_pages *pages) {
    char head[META_BYTES];
    enum err err = store_file_read(fd, head, sizeof head, 0);
    if (err != ERR_OK) {
        return err;
    }
    pages->page_bytes = u32_at(head + META_PAGE_BYTES_AT);
    if (pages->page_bytes < PAGE_BYTES_MIN || pages->page_bytes > PAGE_BYTES_MAX) {
        return ERR_END;
    }
    for (uint32_t slot = 0; slot < 2 && err == ERR_OK; slot += 1) {
        err = meta_page_read(fd, pages, slot);
    }
    /* Equal after one was taken back: then the state is where its number says. */
    uint64_t newest = num_max_u64(pages->slots[0].txnid, pages->slots[1].txnid);
    pages->newest = newest & 1;
    return err;
}

/* As LMDB writes: tests see it. */
static enum err pages_write(int fd, const void *data, size_t bytes, uint64_t offset) {
    return store_io_pwrite(fd, data, bytes, (off_t)offset) == (ssize_t)bytes ? ERR_OK : ERR_IO;
}

/* The sum of the pages of a run, continued. Writes them again when asked to. */
static enum err run_sum(int fd, uint64_t offset, uint64_t bytes, bool is_rewriting, uint32_t *sum) {
    static char chunk[64 << 10];
    while (bytes > 0) {
        size_t part = bytes < sizeof chunk ? (size_t)bytes : sizeof chunk;
        enum err err = store_file_read(fd, chunk, part, offset);
        if (err == ERR_OK && is_rewriting) {
            err = pages_write(fd, chunk, part, offset);
        }
        if (err != ERR_OK) {
            return err;
        }
        *sum = sum_of(*sum, chunk, part);
        offset += part;
        bytes -= part;
    }
    return ERR_OK;
}

/* ERR_CORRUPT when the pages are not those that were written, or not all there. */
static enum err runs_verify(int fd, const struct meta_pages *pages, struct str runs,
                            bool is_rewriting) {
    uint64_t page = 0;
    uint32_t sum = 0;
    while (runs.len > 0) {
        uint64_t gap = 0;
        uint64_t count = 0;
        if (!codec_varint_take(&runs, &gap) || !codec_varint_take(&runs, &count)) {
            return ERR_CORRUPT;
        }
        page += gap;
        enum err err =
            run_sum(fd, page * pages->page_bytes, count * pages->page_bytes, is_rewriting, &sum);
        if (err != ERR_OK) {
            return err == ERR_END ? ERR_CORRUPT : err;
        }
        page += count;
    }
    return sum == pages->slots[pages->newest].header.pages_sum ? ERR_OK : ERR_CORRUPT;
}

/* ERR_CORRUPT when the newest commit did not arrive whole. */
static enum err newest_verify(int fd, const struct meta_pages *pages, bool is_rewriting) {
    const struct meta_page *page = &pages->slots[pages->newest];
    if (!page->has_record || is_trusted) {
        return ERR_OK;
    }
    if (page->header.txnid != page->txnid ||
        page->header.runs_bytes > pages->page_bytes - COMMIT_RECORD_AT - COMMIT_HEADER_BYTES) {
        return ERR_CORRUPT;
    }
    struct str runs = {page->bytes + COMMIT_RECORD_AT + COMMIT_HEADER_BYTES,
                       page->header.runs_bytes};
    if (page->header.sum != header_sum(page->header, runs)) {
        return ERR_CORRUPT;
    }
    if (page->header.kind == RECORD_SETTLED) {
        return ERR_OK;
    }
    enum err err = runs_verify(fd, pages, runs, is_rewriting);
    return err == ERR_OK && is_rewriting ? store_fd_sync(fd) : err;
}

static enum err slot_settle(int fd, uint32_t page_bytes, uint32_t slot, uint64_t txnid) {
    char memory[COMMIT_RECORD_BYTES_MAX];
    struct commit_header header = {.txnid = txnid, .kind = RECORD_SETTLED};
    struct str record = record_put(memory, header, STR(""));
    return pages_write(fd, record.data, record.len, (uint64_t)slot * page_bytes + COMMIT_RECORD_AT);
}

/* The newest meta page becomes what the one before it is. Begun and cut short it is done again. */
static enum err newest_take_back(int fd, struct meta_pages *pages) {
    const struct meta_page *newest = &pages->slots[pages->newest];
    const struct meta_page *before = &pages->slots[pages->newest ^ 1];
    if (before->txnid + 1 != newest->txnid) {
        return ERR_CORRUPT;
    }
    log_warn("store",
             "commit %llu was cut short by a power failure or a crash, and never answered: the "
             "store is at commit %llu",
             (unsigned long long)newest->txnid, (unsigned long long)before->txnid);
    enum err err = pages_write(fd, before->bytes + META_MAGIC_AT, META_BYTES - META_MAGIC_AT,
                               (uint64_t)pages->newest * pages->page_bytes + META_MAGIC_AT);
    if (err == ERR_OK) {
        err = slot_settle(fd, pages->page_bytes, pages->newest, before->txnid);
    }
    return err == ERR_OK ? store_fd_sync(fd) : err;
}

enum err store_commit_settle(int fd, uint64_t *txnid) {
    struct meta_pages *pages = &pages_memory;
    enum err err = meta_pages_read(fd, pages);
    for (uint32_t slot = 0; slot < 2 && err == ERR_OK; slot += 1) {
        err = slot_settle(fd, pages->page_bytes, slot, pages->slots[slot].txnid);
    }
    *txnid = pages->slots[pages->newest].txnid;
    return err == ERR_OK ? store_fd_sync(fd) : err;
}

enum err store_commit_clear(int fd) {
    static const struct commit_header nothing;
    struct meta_pages *pages = &pages_memory;
    enum err err = meta_pages_read(fd, pages);
    for (uint32_t slot = 0; slot < 2 && err == ERR_OK; slot += 1) {
        err = pages_write(fd, &nothing, sizeof nothing,
                          (uint64_t)slot * pages->page_bytes + COMMIT_RECORD_AT);
    }
    return err == ERR_OK ? store_fd_sync(fd) : err;
}

/* ---- before the store is opened ---- */

/* With the folder's lock: nobody writes. */
static enum err file_recover(const char *path, struct meta_pages *pages) {
    int fd = -1;
    enum err err = store_file_open_write(path, &fd);
    if (err != ERR_OK) {
        return err;
    }
    err = meta_pages_read(fd, pages);
    if (err == ERR_OK) {
        err = newest_verify(fd, pages, true);
    }
    if (err == ERR_CORRUPT) {
        err = newest_take_back(fd, pages);
    }
    store_fd_close(fd);
    return err == ERR_END ? ERR_OK : err;
}

static enum err file_verify(const char *path, struct meta_pages *pages) {
    int fd = -1;
    uint64_t bytes = 0;
    enum err err = store_file_open_read(path, &fd, &bytes);
    if (err != ERR_OK) {
        return err;
    }
    err = meta_pages_read(fd, pages);
    if (err == ERR_OK) {
        err = newest_verify(fd, pages, false);
    }
    store_fd_close(fd);
    return err == ERR_END ? ERR_OK : err;
}

static enum err file_verify_or_recover(const char *folder, const char *path) {
    int lock_fd = -1;
    enum err err = file_verify(path, &pages_memory);
    if (err != ERR_CORRUPT) {
        return err;
    }
    if (store_folder_lock(folder, &lock_fd) != ERR_OK) {
        return ERR_OK; /* a writer is at it right now */
    }
    err = file_recover(path, &pages_memory);
    store_fd_close(lock_fd);
    return err;
}

enum err store_commit_recover(const char *folder, bool is_read_only, const char **problem) {
    char path[STORE_PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s/data.mdb", folder);
    if (!store_file_exists(path)) {
        return ERR_OK; /* LMDB is about to make it */
    }
    *problem = store_file_problem();
    enum err err =
        is_read_only ? file_verify_or_recover(folder, path) : file_recover(path, &pages_memory);
    if (err == ERR_CORRUPT) {
        *problem = "data.mdb: the last commit and the one before it are damaged: restore a backup";
    }
    return err;
}
