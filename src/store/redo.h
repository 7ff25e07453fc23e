/*
 * The redo log: what makes a commit durable with one write and one flush.
 *
 * LMDB changes a page by writing it somewhere else. A commit touches a dozen pages or more, far
 * apart, and a meta page that makes them the state; on the disk that is as many writes as pages,
 * and two flushes. Here the pages of a transaction and its meta page become one entry, appended to
 * a file that was laid out beforehand, and that file is flushed. Then they are written to data.mdb,
 * into the page cache, and the transaction is visible. The disk gets them there at the next
 * checkpoint: one flush of data.mdb for some hundred commits, by a thread of its own.
 *
 * The log is two files, redo.0 and redo.1. When the one is full, the other is taken from its start
 * and a checkpoint is begun for everything up to here; a file is taken again only when the
 * checkpoint that covers its entries has come back. So the disk always has, of every page written
 * since the last finished checkpoint, all contents in order, and writing them once more gives the
 * state, whatever a power cut has left in data.mdb: pages, parts of them, or meta pages too new.
 *
 * An entry is whole pages (LMDB's size):
 *   first page   struct redo_header, then the runs: varint(pages skipped), varint(pages) each
 *   then         the pages themselves
 * Entries follow each other by transaction number without a gap. The last one may be torn: it was
 * never answered. `settled` is the newest transaction that was in data.mdb on the disk when the
 * entry was written: only what is newer counts. A transaction that is too large, or writes pages
 * out of order, goes LMDB's own way (pages, flush, meta page, flush); its entry is of kind OWN and
 * has no pages. It is written after the first flush, which is a checkpoint of everything before.
 *
 * Behind the first sector of each meta page lies a mark: which log belongs to this file, and up to
 * which transaction it needs none. A checkpoint ends with a new one, and the mark is on the disk
 * before a file of the log is taken again: the first entry written over it may be torn. A store
 * that was closed has no mark, and its log means nothing: other programs that know LMDB may write
 * to it, and data.mdb alone is the store.
 *
 * The log is armed by the first batch after an opening: its files are laid out, then both meta
 * pages get a mark with a new salt, and all of it is flushed. A store that is only read, however
 * often it is opened, stays without a mark, and as it is on the disk. A power cut in the middle
 * leaves no mark, one that no entry belongs to, or the one that was there before, whose log is
 * still untouched: nothing is written over it until the new marks are on the disk.
 *
 * Assumed of the disk, as by LMDB: a sector of 512 bytes is written whole or not at all.
 *
 * A flush that fails ends the process. The next one may find in the page cache what never got to
 * the disk, marked as clean; it replays the log, and so writes all of it again.
 */
#ifndef STORE_REDO_H
#define STORE_REDO_H

#include "base/buf.h"
#include "base/err.h"

enum {
    REDO_SEGMENTS = 2,
    REDO_ENTRY_BYTES_MAX = 1 << 20, /* larger transactions are rare: a batch is 50 to 100 pages */
    REDO_PAGES_MAX = 255,
    REDO_META_BYTES = 120, /* what LMDB writes of a meta page: from mm_mapsize to its end */
    REDO_MARK_AT = 512,    /* in each meta page: behind the sector that LMDB writes */
    REDO_SEGMENT_BYTES_START = 2 << 20,
    /* A checkpoint writes a page once, however often it changed: the longer the log, the less. */
    REDO_SEGMENT_BYTES_MAX = 32 << 20,
};

enum redo_kind { REDO_OWN = 1, REDO_PAGES = 2 };

/* In the machine's byte order like everything else in the file. */
struct redo_header {
    char magic[8];
    uint64_t salt; /* of the mark in the meta pages */
    uint64_t txnid;
    uint64_t settled;
    uint32_t kind;
    uint32_t page_bytes;
    uint32_t page_count;
    uint32_t pages_sum; /* CRC-32 */
    uint32_t runs_bytes;
    uint32_t sum; /* CRC-32 of header (this as 0) and runs */
    char meta[REDO_META_BYTES];
};

struct redo_run {
    uint64_t page; /* its first one, in data.mdb */
    uint32_t count;
    const char *data;
};

struct redo_segment {
    int fd;
    uint64_t bytes;
    uint64_t last; /* transaction of its last entry; 0 = none */
};

struct store_redo {
    bool is_armed;
    const char *folder;
    uint64_t segment_bytes; /* at first */
    uint32_t page_bytes;
    uint64_t salt;
    struct redo_segment segments[REDO_SEGMENTS];
    uint64_t segment_bytes_max;
    uint32_t entry_pages_max; /* an entry fits into a segment */
    uint32_t active;
    uint64_t at;      /* in the active segment: the next entry's place */
    uint64_t settled; /* transactions up to this one are in data.mdb on the disk */
    uint64_t txnid;   /* the last one committed */
    /* The running transaction: the entry's pages from memory + page_bytes on. */
    bool is_taking; /* so far it can become an entry */
    uint32_t page_count;
    uint32_t run_count;
    struct redo_run runs[REDO_PAGES_MAX];
    char memory[REDO_ENTRY_BYTES_MAX];
};

/* ---- the running transaction; pure ---- */

void store_redo_start(struct store_redo *redo);
/* LMDB writes these bytes of pages. True: they are kept for the entry, not to be written now.
 * False: the transaction goes LMDB's own way, from now on; what was kept (runs) is to be written
 * first. */
bool store_redo_take(struct store_redo *redo, const void *data, size_t bytes, uint64_t offset);
/* The entry that commits it with this meta page (REDO_META_BYTES), in redo->memory. */
struct str store_redo_entry(struct store_redo *redo, const char *meta);
/* Of what LMDB writes as a meta page. */
uint64_t store_redo_meta_txnid(const char *meta);
/* Bytes of the entry that the running transaction needs now. */
uint64_t store_redo_entry_bytes(const struct store_redo *redo);
/* The entry is on the disk, and the transaction committed. */
void store_redo_committed(struct store_redo *redo, struct str entry, uint64_t txnid);

/* ---- the files ---- */

/* Not armed. `folder` must live as long as the log; the sizes are those of each file. */
void store_redo_init(struct store_redo *redo, const char *folder, uint64_t segment_bytes,
                     uint64_t segment_bytes_max);
/* Before LMDB opens FOLDER/data.mdb: brings it to the last durable commit, flushed, and takes the
 * mark away. A read-only opener leaves that to the process that writes, if there is one (it holds
 * the folder's lock). ERR_IO; ERR_CORRUPT when the log is missing or damaged. A file that is no
 * LMDB environment is left to LMDB to complain about. */
enum err store_redo_recover(const char *folder, bool is_read_only, const char **problem);
/* Opens or makes the log's files, and marks data.mdb, whose newest transaction is `txnid` (why all
 * of it is on the disk already: env.c). Blocks. */
enum err store_redo_arm(struct store_redo *redo, int data_fd, uint64_t txnid, uint32_t page_bytes);
/* data.mdb gets flushed and loses its mark. */
enum err store_redo_disarm(struct store_redo *redo, int data_fd);
void store_redo_close(struct store_redo *redo);
/* Makes a segment that is not in use twice as large, up to its limit; best effort. On the disk
 * when it comes back. Blocks. */
void store_redo_grow(struct redo_segment *segment, uint64_t bytes_max, uint64_t keep_free);

#ifdef COFFER_TEST_BUILD
/* A canary for the crash images: data.mdb is believed as it is. */
void store_redo_trust(bool is_trusting);
#endif

#endif
