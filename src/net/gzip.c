/* gzip, see gzip.h. */
#include "net/gzip.h"

#include "os/mem.h"

enum {
    WINDOW_BITS = 15 + 16, /* 32 KB, gzip framing */
    MEMORY_LEVEL = 8,
    ALIGNMENT = 16,
};

/* zlib asks for its few pieces once, in deflateInit2. */
static void *take(void *opaque, unsigned count, unsigned bytes) {
    struct gzip *gzip = opaque;
    uint64_t wanted = ((uint64_t)count * bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (wanted > GZIP_MEMORY_BYTES - gzip->used) {
        return NULL;
    }
    void *place = gzip->memory + gzip->used;
    gzip->used += (uint32_t)wanted;
    return place;
}

static void give(void *opaque, void *place) {
    (void)opaque;
    (void)place;
}

enum err gzip_open(struct gzip *gzip) {
    *gzip = (struct gzip){.memory = mem_reserve(GZIP_MEMORY_BYTES)};
    if (gzip->memory == NULL) {
        return ERR_IO;
    }
    gzip->stream.zalloc = take;
    gzip->stream.zfree = give;
    gzip->stream.opaque = gzip;
    int status = deflateInit2(&gzip->stream, GZIP_LEVEL, Z_DEFLATED, WINDOW_BITS, MEMORY_LEVEL,
                              Z_DEFAULT_STRATEGY);
    CHECK(status == Z_OK);
    return ERR_OK;
}

void gzip_close(struct gzip *gzip) {
    mem_release(gzip->memory, GZIP_MEMORY_BYTES);
    gzip->memory = NULL;
}

enum err gzip_compress(struct gzip *gzip, struct str in, void *out, uint32_t room,
                       uint32_t *out_bytes) {
    z_stream *stream = &gzip->stream;
    int status = deflateReset(stream);
    CHECK(status == Z_OK);
    /* zlib does not write to it; its field is not const unless ZLIB_CONST is set. */
    stream->next_in = (unsigned char *)(uintptr_t)in.data;
    stream->avail_in = in.len;
    stream->next_out = out;
    stream->avail_out = room;
    if (deflate(stream, Z_FINISH) != Z_STREAM_END) {
        return ERR_FULL;
    }
    *out_bytes = room - stream->avail_out;
    return ERR_OK;
}
