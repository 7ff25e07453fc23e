/*
 * Included in front of LMDB's own source: its writes and syncs go through store/io.c, which parks
 * the batch while the disk works (DESIGN, 4) and, in tests, records or fails each of them.
 */
#ifndef STORE_LMDB_HOOKS_H
#define STORE_LMDB_HOOKS_H

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

int store_io_fdatasync(int fd);
ssize_t store_io_pwrite(int fd, const void *data, size_t bytes, off_t offset);
ssize_t store_io_pwritev(int fd, const struct iovec *parts, int count, off_t offset);

/* Neighbouring pages go out by pwritev, not by lseek and writev: every write passes a hook. */
#define MDB_USE_PWRITEV 1
#define MDB_FDATASYNC store_io_fdatasync
#define pwrite store_io_pwrite
#define pwritev store_io_pwritev

#endif
