/* The redo log while the store runs; see redo.h. redo_recover.c reads it. */
#include "store/redo.h"

#include "base/num.h"
#include "os/clock.h"
#include "store/codec.h"
#include "store/io.h"
#include "store/redo_parts.h"

#include <libdeflate.h>
#include <stdio.h>
#include <string.h>

uint32_t redo_sum(uint32_t sum, const void *data, size_t bytes) {
    return libdeflate_crc32(sum, data, bytes);
}

uint32_t redo_header_sum(struct redo_header header, struct str runs) {
    header.sum = 0;
    return redo_sum(redo_sum(0, &header, sizeof header), runs.data, runs.len);
}

/* ---- the running transaction ---- */

void store_redo_start(struct store_redo *redo) {
    redo->is_taking = redo->is_armed;
    redo->page_count = 0;
    redo->run_count = 0;
}

static char *pages_of(struct store_redo *redo) {
    return redo->memory + redo->page_bytes;
}

bool store_redo_take(struct store_redo *redo, const void *data, size_t bytes, uint64_t offset) {
    if (!redo->is_taking) {
        return false;
    }
    uint64_t page = offset / redo->page_bytes;
    uint64_t count = bytes / redo->page_bytes;
    bool is_whole = offset % redo->page_bytes == 0 && bytes % redo->page_bytes == 0 && count > 0;
    struct redo_run *last = redo->run_count > 0 ? &redo->runs[redo->run_count - 1] : NULL;
    uint64_t next = last == NULL ? 0 : last->page + last->count;
    if (!is_whole || page < next || count > redo->entry_pages_max - redo->page_count) {
        redo->is_taking = false;
        return false;
    }
    char *kept = pages_of(redo) + (size_t)redo->page_count * redo->page_bytes;
    memcpy(kept, data, bytes);
    redo->page_count += (uint32_t)count;
    if (last != NULL && page == next) {
        last->count += (uint32_t)count;
    } else {
        redo->runs[redo->run_count] =
            (struct redo_run){.page = page, .count = (uint32_t)count, .data = kept};
        redo->run_count += 1;
    }
    return true;
}

uint64_t store_redo_entry_bytes(const struct store_redo *redo) {
    return ((redo->is_taking ? (uint64_t)redo->page_count : 0) + 1) * redo->page_bytes;
}

uint64_t store_redo_meta_txnid(const char *meta) {
    uint64_t txnid = 0;
    memcpy(&txnid, meta + REDO_META_BYTES - sizeof txnid, sizeof txnid);
    return txnid;
}

static struct str runs_put(const struct store_redo *redo, char *memory, uint32_t room) {
    struct buf out = buf_over(memory, room);
    uint64_t next = 0;
    for (uint32_t index = 0; index < redo->run_count; index += 1) {
        const struct redo_run *run = &redo->runs[index];
        codec_varint_put(&out, run->page - next);
        codec_varint_put(&out, run->count);
        next = run->page + run->count;
    }
    CHECK(!out.is_full);
    return buf_str(&out);
}

struct str store_redo_entry(struct store_redo *redo, const char *meta) {
    struct redo_header header = {.salt = redo->salt,
                                 .txnid = store_redo_meta_txnid(meta),
                                 .settled = redo->settled,
                                 .kind = REDO_OWN,
                                 .page_bytes = redo->page_bytes};
    struct str runs = STR("");
    uint64_t bytes = store_redo_entry_bytes(redo);
    CHECK(redo->is_armed && header.txnid == redo->txnid + 1);
    memcpy(header.magic, redo_magic, sizeof header.magic);
    memcpy(header.meta, meta, sizeof header.meta);
    memset(redo->memory, 0, redo->page_bytes);
    if (redo->is_taking) {
        header.kind = REDO_PAGES;
        header.page_count = redo->page_count;
        runs = runs_put(redo, redo->memory + sizeof header,
                        redo->page_bytes - (uint32_t)sizeof header);
        header.pages_sum = redo_sum(0, pages_of(redo), (size_t)(bytes - redo->page_bytes));
    } else {
        header.settled = redo->txnid; /* what went before was flushed with its pages */
    }
    header.runs_bytes = runs.len;
    header.sum = redo_header_sum(header, runs);
    memcpy(redo->memory, &header, sizeof header);
    return str_from(redo->memory, (uint32_t)bytes);
}

void store_redo_committed(struct store_redo *redo, struct str entry, uint64_t txnid) {
    redo->at += entry.len;
    redo->txnid = txnid;
    redo->segments[redo->active].last = txnid;
    if (!redo->is_taking) {
        redo->settled = txnid;
    }
}

/* ---- the files ---- */

/* Zeros from the file's end to `bytes`: a later write changes neither its length nor its block
 * list, so that a flush brings the pages to the disk and not the file system's journal, too. */
static enum err segment_lay(int fd, uint64_t from, uint64_t bytes) {
    enum { CHUNK_BYTES = 64 << 10 };
    static char zeros[CHUNK_BYTES]; /* not const: that would be 64 KB of the program */
    enum err err = ERR_OK;
    while (from < bytes && err == ERR_OK) {
        uint64_t part = bytes - from < CHUNK_BYTES ? bytes - from : CHUNK_BYTES;
        err = store_file_write(fd, zeros, (size_t)part, from);
        from += part;
    }
    return err == ERR_OK ? store_fd_sync(fd) : err;
}

void store_redo_grow(struct redo_segment *segment, uint64_t bytes_max, uint64_t keep_free) {
    uint64_t space = 0;
    uint64_t wanted = segment->bytes * 2;
    if (wanted > bytes_max || store_fd_space(segment->fd, &space) != ERR_OK ||
        space < keep_free + wanted) {
        return;
    }
    if (segment_lay(segment->fd, segment->bytes, wanted) == ERR_OK) {
        segment->bytes = wanted;
    }
}

static enum err segment_open(struct redo_segment *segment, const char *path, uint64_t bytes) {
    enum err err = store_file_exists(path) ? store_file_open_write(path, &segment->fd)
                                           : store_file_create(path, &segment->fd);
    if (err != ERR_OK) {
        segment->fd = -1;
        return err;
    }
    uint64_t there = store_fd_bytes(segment->fd);
    segment->last = 0;
    segment->bytes = there > bytes ? there : bytes;
    return there < bytes ? segment_lay(segment->fd, there, bytes) : ERR_OK;
}

static uint32_t entry_pages_max(uint64_t segment_bytes, uint32_t page_bytes) {
    uint64_t bytes = num_min_u64(segment_bytes, REDO_ENTRY_BYTES_MAX);
    return (uint32_t)num_min_u64(bytes / page_bytes - 1, REDO_PAGES_MAX);
}

void store_redo_init(struct store_redo *redo, const char *folder, uint64_t segment_bytes,
                     uint64_t segment_bytes_max) {
    CHECK(!redo->is_armed);
    CHECK(segment_bytes <= segment_bytes_max);
    redo->folder = folder;
    redo->segment_bytes = segment_bytes;
    redo->segment_bytes_max = segment_bytes_max;
    for (uint32_t index = 0; index < REDO_SEGMENTS; index += 1) {
        redo->segments[index].fd = -1;
    }
}

enum err store_redo_arm(struct store_redo *redo, int data_fd, uint64_t txnid, uint32_t page_bytes) {
    char path[STORE_PATH_BYTES];
    enum err err = ERR_OK;
    CHECK(!redo->is_armed);
    for (uint32_t index = 0; index < REDO_SEGMENTS && err == ERR_OK; index += 1) {
        redo_path(redo->folder, index, path);
        err = segment_open(&redo->segments[index], path, redo->segment_bytes);
    }
    if (err == ERR_OK) {
        err = store_file_sync(redo->folder); /* data.mdb's own entry may be as new */
    }
    random_bytes(&redo->salt, sizeof redo->salt); /* no older entry is of this log */
    if (err == ERR_OK) {
        struct redo_mark mark = redo_mark_make(redo->salt, txnid);
        err = redo_mark(data_fd, page_bytes, &mark);
    }
    redo->page_bytes = page_bytes;
    redo->entry_pages_max = entry_pages_max(redo->segment_bytes, page_bytes);
    redo->txnid = txnid;
    redo->settled = txnid;
    redo->active = 0;
    redo->at = 0;
    redo->is_armed = err == ERR_OK;
    return err;
}

enum err store_redo_disarm(struct store_redo *redo, int data_fd) {
    redo->is_armed = false;
    struct redo_mark mark = redo_mark_make(redo->salt, redo->txnid);
    enum err err = store_fd_sync(data_fd);
    return err == ERR_OK ? redo_unmark(data_fd, redo->page_bytes, &mark) : err;
}

void store_redo_close(struct store_redo *redo) {
    for (uint32_t index = 0; index < REDO_SEGMENTS; index += 1) {
        store_fd_close(redo->segments[index].fd);
        redo->segments[index].fd = -1;
    }
}
