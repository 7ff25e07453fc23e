/* Compressed forms, see compress.h. zlib takes its working memory from the heap: at start only. */
#include "engine/compress.h"

#include "os/mem.h"

#include <string.h>
#include <zlib.h>

enum {
    WINDOW_BITS_GZIP = 15 + 16, /* largest window, gzip wrapper */
    MEMORY_LEVEL = 9,
    /* The best is 2 % smaller and takes twice as long, while the server starts. */
    LEVEL = 6,
};

/* Returns the bytes written; 0 when they do not fit or zlib has no memory. */
static uint32_t gzip_into(struct str text, uint8_t *out, uint32_t room) {
    z_stream stream;
    memset(&stream, 0, sizeof stream);
    int status = deflateInit2(&stream, LEVEL, Z_DEFLATED, WINDOW_BITS_GZIP, MEMORY_LEVEL,
                              Z_DEFAULT_STRATEGY);
    if (status != Z_OK) {
        return 0;
    }
    stream.next_in = (z_const Bytef *)(uintptr_t)text.data;
    stream.avail_in = text.len;
    stream.next_out = out;
    stream.avail_out = room;
    status = deflate(&stream, Z_FINISH);
    uint32_t bytes = status == Z_STREAM_END ? room - stream.avail_out : 0;
    (void)deflateEnd(&stream);
    return bytes;
}

struct str compress_gzip(struct str text) {
    if (text.len == 0) {
        return STR_NONE;
    }
    /* Room for less than the text: when it does not fit there, nothing is gained. Pages that the
     * shorter form does not reach cost nothing. */
    uint8_t *memory = mem_reserve(text.len);
    if (memory == NULL) {
        return STR_NONE;
    }
    uint32_t bytes = gzip_into(text, memory, text.len - 1);
    if (bytes == 0) {
        mem_release(memory, text.len);
        return STR_NONE;
    }
    return str_from((const char *)memory, bytes);
}
