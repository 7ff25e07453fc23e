/*
 * A commit with one flush of the disk instead of two.
 *
 * LMDB writes pages, flushes, and then writes the meta page that makes them the state, flushing
 * again: what the meta page speaks of is on the disk before it. Here pages and meta page go out
 * together and are flushed once. The order that is lost is made up for by a record beside the meta
 * page: which pages this transaction has written, and their checksum. After a power cut the newest
 * meta page counts only if its record proves its pages; otherwise the meta page before it is the
 * state. That loses nothing: the transaction was never acknowledged, because its one flush had not
 * come back.
 *
 * Why the state before is whole: a transaction begins only when the one before it is flushed, and
 * it overwrites no page of the two states before its own (LMDB gives a freed page away again only
 * when no reader, and neither of the two meta pages, can reach it: mdb_find_oldest).
 *
 * The record lies in the meta page's own page, behind the sector that LMDB writes:
 *   byte 0    LMDB's page header and meta, in one sector of 512 bytes
 *   byte 512  struct commit_header, then the runs: varint(pages skipped), varint(pages) each
 * A record is LISTED, or SETTLED: then the pages were flushed before the meta page was written, by
 * LMDB's own order. That is the way of a transaction whose list does not fit, or that wrote a page
 * twice; and of both meta pages when a store is opened. A meta page with a record of another
 * transaction beside it is one whose record did not arrive. One without any record is LMDB's alone
 * (a new store, a copy) and believed: a store that was closed has none, so that other programs that
 * know LMDB may write to it.
 *
 * Assumed of the disk, as by LMDB: a sector of 512 bytes is written whole or not at all.
 *
 * A flush that fails ends the process, but the next one may find in the page cache what never got
 * to the disk, marked as clean. So the pages of a LISTED commit are written again when the store
 * is opened.
 */
#ifndef STORE_COMMIT_H
#define STORE_COMMIT_H

#include "base/buf.h"
#include "base/err.h"

enum {
    COMMIT_RECORD_AT = 512,
    COMMIT_RECORD_BYTES_MAX = 4096 - COMMIT_RECORD_AT,
    COMMIT_HEADER_BYTES = 32,
};

/* What the running transaction has written so far. */
struct store_commit {
    bool is_armed;       /* both meta pages have a record */
    bool is_listable;    /* each page once, in ascending order, and the list has room */
    uint32_t page_bytes; /* of LMDB */
    uint64_t page_next;  /* behind the last run */
    uint64_t run_pages;  /* of the last run; 0 = there is none */
    uint64_t run_gap;    /* pages skipped before it */
    uint32_t pages_sum;
    struct buf runs;
    char runs_memory[COMMIT_RECORD_BYTES_MAX - COMMIT_HEADER_BYTES];
    char record[COMMIT_RECORD_BYTES_MAX];
};

/* ---- pure ---- */

void store_commit_start(struct store_commit *commit);
/* LMDB has written these bytes of pages. */
void store_commit_note(struct store_commit *commit, const void *data, size_t bytes,
                       uint64_t offset);
/* The record of transaction `txnid`, into commit->record. *is_listed: the pages need no flush
 * before the meta page. */
struct str store_commit_record(struct store_commit *commit, uint64_t txnid, bool *is_listed);
/* Of what LMDB writes as a meta page (from mm_mapsize to its end). */
uint64_t store_commit_meta_txnid(const void *data, size_t bytes);

/* ---- on FOLDER/data.mdb ---- */

/* Before LMDB opens it. Takes back a newest commit that is not all there (logged). A read-only
 * opener leaves that to the process that writes, if there is one (it holds the folder's lock).
 * ERR_IO, ERR_CORRUPT when neither state is whole. A file that is no LMDB environment is left to
 * LMDB to complain about. */
enum err store_commit_recover(const char *folder, bool is_read_only, const char **problem);
/* Both meta pages get a SETTLED record; flushed. All of the file is on the disk already. *txnid is
 * that of the newest. */
enum err store_commit_settle(int fd, uint64_t *txnid);
/* Both meta pages lose their record; flushed. */
enum err store_commit_clear(int fd);

#ifdef COFFER_TEST_BUILD
/* A canary for the crash images: every newest meta page is believed. */
void store_commit_trust(bool is_trusting);
#endif

#endif
