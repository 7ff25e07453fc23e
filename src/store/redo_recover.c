/*
 * Opening a store that was not closed: what the redo log says, and data.mdb made so; see redo.h.
 *
 * The log is read twice: first all of it is proved (entries, their order, their pages), then it is
 * written. Cut short, the whole is done again: writing the same pages twice changes nothing.
 */
#include "os/log.h"
#include "store/codec.h"
#include "store/redo_parts.h"

#include <stdio.h>
#include <string.h>

#ifdef COFFER_TEST_BUILD
static bool is_trusted;
void store_redo_trust(bool is_trusting) {
    is_trusted = is_trusting;
}
#else
enum { is_trusted = false };
#endif

static const char *const segment_names[REDO_SEGMENTS] = {"redo.0", "redo.1"};

void redo_path(const char *folder, uint32_t segment, char path[STORE_PATH_BYTES]) {
    (void)snprintf(path, STORE_PATH_BYTES, "%s/%s", folder, segment_names[segment]);
}

/* ---- data.mdb: its meta pages and their marks ---- */

struct data_file {
    int fd;
    uint32_t page_bytes;
    uint64_t newest; /* transaction of the newer meta page */
    bool is_marked;
    struct redo_mark mark;
};

static uint32_t mark_sum(const struct redo_mark *mark) {
    return redo_sum(0, mark, offsetof(struct redo_mark, sum));
}

static enum err marks_write(int fd, uint32_t page_bytes, const struct redo_mark *mark) {
    enum err err = ERR_OK;
    for (uint32_t slot = 0; slot < 2 && err == ERR_OK; slot += 1) {
        err = store_io_write(fd, mark, sizeof *mark, (uint64_t)slot * page_bytes + REDO_MARK_AT);
    }
    return err == ERR_OK ? store_fd_sync(fd) : err;
}

struct redo_mark redo_mark_make(uint64_t salt, uint64_t txnid) {
    struct redo_mark mark = {.salt = salt, .txnid = txnid};
    memcpy(mark.magic, redo_magic, sizeof mark.magic);
    mark.sum = mark_sum(&mark);
    return mark;
}

enum err redo_mark(int data_fd, uint32_t page_bytes, const struct redo_mark *mark) {
    return marks_write(data_fd, page_bytes, mark);
}

enum err redo_unmark(int data_fd, uint32_t page_bytes, const struct redo_mark *mark) {
    static const struct redo_mark none;
    enum err err = marks_write(data_fd, page_bytes, &none);
    if (err != ERR_OK) {
        (void)marks_write(data_fd, page_bytes, mark);
    }
    return err;
}

static enum err u32_read(int fd, uint64_t offset, uint32_t *value) {
    return store_file_read(fd, value, sizeof *value, offset);
}

static enum err meta_page_read(struct data_file *data, uint32_t slot) {
    uint64_t at = (uint64_t)slot * data->page_bytes;
    uint64_t txnid = 0;
    uint32_t magic = 0;
    struct redo_mark mark;
    enum err err = u32_read(data->fd, at + META_MAGIC_AT, &magic);
    err = err == ERR_OK ? store_file_read(data->fd, &txnid, sizeof txnid, at + META_TXNID_AT) : err;
    err = err == ERR_OK ? store_file_read(data->fd, &mark, sizeof mark, at + REDO_MARK_AT) : err;
    if (err == ERR_OK && magic != (uint32_t)META_MAGIC) {
        err = ERR_END;
    }
    if (err != ERR_OK) {
        return err;
    }
    data->newest = txnid > data->newest ? txnid : data->newest;
    bool is_mark =
        memcmp(mark.magic, redo_magic, sizeof mark.magic) == 0 && mark.sum == mark_sum(&mark);
    if (is_mark && (!data->is_marked || mark.txnid > data->mark.txnid)) {
        data->is_marked = true;
        /* A power cut may have left one behind, of an earlier checkpoint, or of a log before this
         * one: then all that either asks for is on the disk. */
        data->mark = mark;
    }
    return ERR_OK;
}

/* ERR_END when this is no environment that we could say anything about. */
static enum err data_read(struct data_file *data) {
    data->newest = 0;
    data->is_marked = false;
    enum err err = u32_read(data->fd, META_PAGE_BYTES_AT, &data->page_bytes);
    if (err == ERR_OK && (data->page_bytes < PAGE_BYTES_MIN || data->page_bytes > PAGE_BYTES_MAX)) {
        err = ERR_END;
    }
    for (uint32_t slot = 0; slot < 2 && err == ERR_OK; slot += 1) {
        err = meta_page_read(data, slot);
    }
    return err;
}

/* ---- entries ---- */

struct entry {
    struct redo_header header;
    struct str runs;
    uint64_t at; /* in its file */
    char page[PAGE_BYTES_MAX];
};

static uint64_t entry_bytes(const struct entry *entry) {
    return ((uint64_t)entry->header.page_count + 1) * entry->header.page_bytes;
}

/* The runs cover exactly the entry's pages. */
static bool runs_fit(struct str runs, uint32_t page_count) {
    uint64_t total = 0;
    while (runs.len > 0) {
        uint64_t gap = 0;
        uint64_t count = 0;
        if (!codec_varint_take(&runs, &gap) || !codec_varint_take(&runs, &count)) {
            return false;
        }
        total += count;
    }
    return total == page_count;
}

/* ERR_END when there is no whole header of this log at entry->at. */
static enum err header_read(int fd, const struct data_file *data, struct entry *entry) {
    struct redo_header *header = &entry->header;
    enum err err = store_file_read(fd, entry->page, data->page_bytes, entry->at);
    if (err != ERR_OK) {
        return err;
    }
    memcpy(header, entry->page, sizeof *header);
    if (memcmp(header->magic, redo_magic, sizeof header->magic) != 0 ||
        header->salt != data->mark.salt || header->page_bytes != data->page_bytes ||
        header->page_count > REDO_PAGES_MAX ||
        header->runs_bytes > data->page_bytes - sizeof *header) {
        return ERR_END;
    }
    entry->runs = str_from(entry->page + sizeof *header, header->runs_bytes);
    bool is_whole = header->sum == redo_header_sum(*header, entry->runs) &&
                    runs_fit(entry->runs, header->page_count) &&
                    header->txnid == store_redo_meta_txnid(header->meta);
    return is_whole ? ERR_OK : ERR_END;
}

static enum err pages_verify(int fd, const struct entry *entry) {
    static char chunk[PAGE_BYTES_MAX];
    uint32_t sum = 0;
    for (uint32_t page = 0; page < entry->header.page_count; page += 1) {
        uint64_t at = entry->at + (uint64_t)(page + 1) * entry->header.page_bytes;
        enum err err = store_file_read(fd, chunk, entry->header.page_bytes, at);
        if (err != ERR_OK) {
            return err;
        }
        sum = redo_sum(sum, chunk, entry->header.page_bytes);
    }
    return sum == entry->header.pages_sum ? ERR_OK : ERR_END;
}

static enum err run_write(int fd, int data_fd, uint64_t from, uint64_t to, uint64_t bytes) {
    static char chunk[64 << 10];
    enum err err = ERR_OK;
    while (bytes > 0 && err == ERR_OK) {
        size_t part = bytes < sizeof chunk ? (size_t)bytes : sizeof chunk;
        err = store_file_read(fd, chunk, part, from);
        err = err == ERR_OK ? store_io_write(data_fd, chunk, part, to) : err;
        from += part;
        to += part;
        bytes -= part;
    }
    return err;
}

/* Pages and meta page of the entry, into data.mdb. One of kind OWN has no pages, because they are
 * there; but its meta page may have got no further than the page cache. */
static enum err entry_write(int fd, const struct data_file *data, const struct entry *entry) {
    uint32_t page_bytes = data->page_bytes;
    uint64_t from = entry->at + page_bytes;
    uint64_t page = 0;
    struct str runs = entry->runs;
    while (runs.len > 0) {
        uint64_t gap = 0;
        uint64_t count = 0;
        CHECK(codec_varint_take(&runs, &gap) && codec_varint_take(&runs, &count));
        page += gap;
        enum err err = run_write(fd, data->fd, from, page * page_bytes, count * page_bytes);
        if (err != ERR_OK) {
            return err;
        }
        page += count;
        from += count * page_bytes;
    }
    uint64_t slot = entry->header.txnid & 1;
    return store_io_write(data->fd, entry->header.meta, REDO_META_BYTES,
                          slot * page_bytes + META_WRITTEN_AT);
}

/* ---- segments ---- */

struct segment {
    int fd;
    uint64_t first; /* transactions; 0 = no entry */
    uint64_t last;
    uint64_t settled;
};

static struct entry entry_memory;

/* Goes through the whole entries from the front; with `after` != NULL writes those newer than it
 * into data.mdb. Nothing is proved the second time. */
static enum err segment_read(struct segment *segment, const struct data_file *data,
                             const uint64_t *after) {
    struct entry *entry = &entry_memory;
    uint64_t stop = segment->last;
    entry->at = 0;
    for (;;) {
        enum err err = header_read(segment->fd, data, entry);
        bool is_next =
            err == ERR_OK &&
            (after == NULL ? segment->first == 0 || entry->header.txnid == segment->last + 1
                           : entry->header.txnid <= stop);
        if (is_next && after == NULL) {
            err = pages_verify(segment->fd, entry);
            is_next = err == ERR_OK;
        }
        if (!is_next) {
            return err == ERR_OK || err == ERR_END ? ERR_OK : err;
        }
        if (after != NULL && entry->header.txnid > *after) {
            err = entry_write(segment->fd, data, entry);
            if (err != ERR_OK) {
                return err;
            }
        }
        if (after == NULL) {
            segment->first = segment->first == 0 ? entry->header.txnid : segment->first;
            segment->last = entry->header.txnid;
            segment->settled = entry->header.settled;
        } else if (entry->header.txnid == stop) {
            return ERR_OK;
        }
        entry->at += entry_bytes(entry);
    }
}

static const char damage_text[] =
    "redo.0 or redo.1: the log of the last commits is damaged: restore a backup";

/* What the proved log says: from which transaction on it is to be written, in which order. */
static enum err log_judge(struct segment segments[REDO_SEGMENTS], const struct data_file *data,
                          uint64_t *settled, uint64_t *last) {
    if (segments[0].first > segments[1].first) {
        struct segment newer = segments[0];
        segments[0] = segments[1];
        segments[1] = newer;
    }
    const struct segment *older = &segments[0];
    const struct segment *newer = &segments[1];
    *settled = data->mark.txnid > newer->settled ? data->mark.txnid : newer->settled;
    *last = data->mark.txnid > newer->last ? data->mark.txnid : newer->last;
    /* What is newer than `settled` must be there without a gap. */
    uint64_t begin = newer->first;
    if (older->first != 0 && older->last + 1 == newer->first) {
        begin = older->first;
    }
    bool is_whole = newer->first == 0 || begin <= *settled + 1;
    /* A meta page reaches data.mdb only after its entry has reached the disk. */
    return is_whole && data->newest <= *last ? ERR_OK : ERR_CORRUPT;
}

static enum err log_replay(struct segment segments[REDO_SEGMENTS], struct data_file *data) {
    uint64_t settled = 0;
    uint64_t last = 0;
    enum err err = ERR_OK;
    for (uint32_t index = 0; index < REDO_SEGMENTS && err == ERR_OK; index += 1) {
        err = segment_read(&segments[index], data, NULL);
    }
    err = err == ERR_OK ? log_judge(segments, data, &settled, &last) : err;
    for (uint32_t index = 0; index < REDO_SEGMENTS && err == ERR_OK; index += 1) {
        if (segments[index].first != 0) {
            err = segment_read(&segments[index], data, &settled);
        }
    }
    if (err == ERR_OK && last > settled) {
        log_info("store",
                 "the store was not closed: commits %llu to %llu written again from the redo log",
                 (unsigned long long)settled + 1, (unsigned long long)last);
    }
    return err;
}

static enum err log_recover(const char *folder, struct data_file *data, const char **problem) {
    struct segment segments[REDO_SEGMENTS] = {{.fd = -1}, {.fd = -1}};
    char path[STORE_PATH_BYTES];
    uint64_t bytes = 0;
    enum err err = ERR_OK;
    for (uint32_t index = 0; index < REDO_SEGMENTS && err == ERR_OK; index += 1) {
        redo_path(folder, index, path);
        err = store_file_open_read(path, &segments[index].fd, &bytes);
        if (err != ERR_OK && !store_file_exists(path)) {
            *problem = "redo.0 or redo.1 is missing: data.mdb was not closed and is not whole "
                       "without them: put them back, or restore a backup";
            err = ERR_CORRUPT;
        }
    }
    if (err == ERR_OK) {
        err = log_replay(segments, data);
        *problem = err == ERR_CORRUPT ? damage_text : *problem;
    }
    for (uint32_t index = 0; index < REDO_SEGMENTS; index += 1) {
        store_fd_close(segments[index].fd);
    }
    err = err == ERR_OK ? store_fd_sync(data->fd) : err;
    return err == ERR_OK ? redo_unmark(data->fd, data->page_bytes, &data->mark) : err;
}

/* ---- before the store is opened ---- */

/* With the folder's lock: nobody writes. */
static enum err file_recover(const char *folder, const char *path, const char **problem) {
    struct data_file data = {.fd = -1};
    enum err err = store_file_open_write(path, &data.fd);
    err = err == ERR_OK ? data_read(&data) : err;
    if (err == ERR_OK && data.is_marked && !is_trusted) {
        err = log_recover(folder, &data, problem);
    }
    store_fd_close(data.fd);
    return err == ERR_END ? ERR_OK : err;
}

static enum err file_look(const char *path, bool *is_marked) {
    struct data_file data = {.fd = -1};
    uint64_t bytes = 0;
    enum err err = store_file_open_read(path, &data.fd, &bytes);
    err = err == ERR_OK ? data_read(&data) : err;
    *is_marked = err == ERR_OK && data.is_marked;
    store_fd_close(data.fd);
    return err == ERR_END ? ERR_OK : err;
}

enum err store_redo_recover(const char *folder, bool is_read_only, const char **problem) {
    char path[STORE_PATH_BYTES];
    bool is_marked = false;
    int lock_fd = -1;
    (void)snprintf(path, sizeof path, "%s/data.mdb", folder);
    if (!store_file_exists(path)) {
        return ERR_OK; /* LMDB is about to make it */
    }
    *problem = store_file_problem();
    enum err err = file_look(path, &is_marked);
    if (err != ERR_OK || !is_marked) {
        return err;
    }
    if (is_read_only && store_folder_lock(folder, &lock_fd) != ERR_OK) {
        return ERR_OK; /* a writer is at it right now: what is visible is whole */
    }
    err = file_recover(folder, path, problem);
    store_fd_close(lock_fd);
    return err;
}
