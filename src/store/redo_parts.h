/* What the writing and the reading side of the redo log share; nobody else includes it. */
#ifndef STORE_REDO_PARTS_H
#define STORE_REDO_PARTS_H

#include "store/io.h"
#include "store/redo.h"

/* LMDB 0.9's meta page. Its struct is private, but its file format is not: 0.9 has never changed
 * it. Numbers are the machine's. */
enum {
    META_MAGIC_AT = 16,
    META_PAGE_BYTES_AT = 40,
    META_WRITTEN_AT = 32, /* the REDO_META_BYTES that a commit writes */
    META_TXNID_AT = 144,
    META_BYTES = 152,
    META_MAGIC = (int)0xBEEFC0DE,
    PAGE_BYTES_MIN = 1024, /* room for the mark, and for the header of an entry */
    PAGE_BYTES_MAX = 65536,
};

static const char redo_magic[8] = {'C', 'o', 'f', 'f', 'e', 'r', 'R', '1'};

struct redo_mark {
    char magic[8];
    uint64_t salt;
    uint64_t txnid; /* up to this one all is on the disk in data.mdb */
    uint32_t zero;
    uint32_t sum; /* CRC-32 of what is before it */
};

uint32_t redo_sum(uint32_t sum, const void *data, size_t bytes);
uint32_t redo_header_sum(struct redo_header header, struct str runs);
/* "FOLDER/redo.N" */
void redo_path(const char *folder, uint32_t segment, char path[STORE_PATH_BYTES]);
struct redo_mark redo_mark_make(uint64_t salt, uint64_t txnid);
/* Both meta pages get the mark; flushed. */
enum err redo_mark(int data_fd, uint32_t page_bytes, const struct redo_mark *mark);
/* Both meta pages lose their mark; flushed. Should that fail, they get `mark` again: the disk may
 * have one still, and the next process must not read in the page cache that there is none. */
enum err redo_unmark(int data_fd, uint32_t page_bytes, const struct redo_mark *mark);

#endif
