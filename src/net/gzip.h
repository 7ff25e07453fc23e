/*
 * gzip of whole reply bodies by zlib, in memory that is set aside at start: one compressor, used
 * from begin to end within a call.
 */
#ifndef NET_GZIP_H
#define NET_GZIP_H

#include <zlib.h>

#include "base/err.h"

enum {
    /* deflateInit2 with a 32 KB window and memLevel 8: 268 KB and its alignment. */
    GZIP_MEMORY_BYTES = 288 * 1024,
    /* Level 4 does about 100 MB/s: a body of this size holds the loop for 2.5 ms. */
    GZIP_BODY_BYTES_MAX = 256 * 1024,
    /* Below that the head of the packet outweighs the gain. */
    GZIP_BODY_BYTES_MIN = 1024,
    GZIP_LEVEL = 4,
};

struct gzip {
    z_stream stream;
    char *memory;
    uint32_t used;
};

/* ERR_IO: no memory. */
enum err gzip_open(struct gzip *gzip);
void gzip_close(struct gzip *gzip);
/* ERR_FULL: does not fit into `room` bytes. */
enum err gzip_compress(struct gzip *gzip, struct str in, void *out, uint32_t room,
                       uint32_t *out_bytes);

#endif
