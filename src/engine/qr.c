/*
 * A QR code drawn as a PNG (W3C PNG, second edition): grey scale, one bit a pixel, filter 0.
 *
 * Rows are made one at a time and go straight into deflate, ten times each: the whole picture is
 * never in memory. zlib gets a small window, which still spans many rows, from the arena.
 */
#include "engine/qr.h"

#include "base/buf.h"

#include <qrcodegen.h>
#include <string.h>
#include <zlib.h>

enum {
    MODULE_PIXELS = 10,
    MARGIN_MODULES = 4,
    PIXELS_MAX = (4 * 40 + 17 + 2 * MARGIN_MODULES) * MODULE_PIXELS,
    ROW_BYTES_MAX = 1 + (PIXELS_MAX + 7) / 8, /* the filter's byte in front */
    WINDOW_BITS = 12,
    MEMORY_LEVEL = 5,
    CHUNK_BYTES = 12, /* length, type, checksum */
    FRAME_BYTES = 8 + CHUNK_BYTES + 13 + CHUNK_BYTES + CHUNK_BYTES,
};

_Static_assert(qrcodegen_VERSION_MAX == 40, "PIXELS_MAX counts on it");

struct picture {
    const uint8_t *code;
    uint32_t modules; /* without margin */
    uint32_t pixels;
    z_stream stream;
    uint8_t *data; /* compressed rows */
    uint32_t data_room;
};

static void *take(void *opaque, unsigned count, unsigned bytes) {
    return arena_take(opaque, (size_t)count * bytes);
}

static void give(void *opaque, void *place) {
    (void)opaque;
    (void)place;
}

/* Always the same mask: choosing the best of the eight costs six times as much as all the rest
 * (350 us against 50 for an ordinary address), every reader takes any, and the contents are random
 * enough. This one has the longest period, so it breaks up repeated letters, too. */
#define MASK qrcodegen_Mask_7

static enum err encode(struct str text, struct arena *arena, struct picture *picture) {
    uint8_t *work = arena_take(arena, qrcodegen_BUFFER_LEN_MAX);
    uint8_t *code = arena_take(arena, qrcodegen_BUFFER_LEN_MAX);
    if (work == NULL || code == NULL) {
        return ERR_NO_MEMORY;
    }
    if (text.len == 0 || text.len > QR_TEXT_BYTES_MAX) {
        return ERR_FULL;
    }
    memcpy(work, text.data, text.len);
    bool is_encoded =
        qrcodegen_encodeBinary(work, text.len, code, qrcodegen_Ecc_LOW, qrcodegen_VERSION_MIN,
                               qrcodegen_VERSION_MAX, MASK, false);
    CHECK(is_encoded);
    picture->code = code;
    picture->modules = (uint32_t)qrcodegen_getSize(code);
    picture->pixels = (picture->modules + 2 * MARGIN_MODULES) * MODULE_PIXELS;
    return ERR_OK;
}

/* One row of pixels: white is 1, and so is what is beyond the picture. `y` counts modules from the
 * upper edge of the margin. */
static void draw_row(const struct picture *picture, uint32_t y, uint8_t row[ROW_BYTES_MAX]) {
    memset(row, 0xff, ROW_BYTES_MAX);
    row[0] = 0;
    for (uint32_t x = 0; x < picture->modules; x++) {
        if (!qrcodegen_getModule(picture->code, (int)x, (int)y - MARGIN_MODULES)) {
            continue;
        }
        uint32_t from = (x + MARGIN_MODULES) * MODULE_PIXELS;
        for (uint32_t pixel = from; pixel < from + MODULE_PIXELS; pixel++) {
            row[1 + pixel / 8] &= (uint8_t) ~(0x80u >> (pixel % 8));
        }
    }
}

static enum err compress_open(struct picture *picture, struct arena *arena) {
    z_stream *stream = &picture->stream;
    uint32_t row_bytes = 1 + (picture->pixels + 7) / 8;
    stream->zalloc = take;
    stream->zfree = give;
    stream->opaque = arena;
    if (deflateInit2(stream, Z_BEST_SPEED, Z_DEFLATED, WINDOW_BITS, MEMORY_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        return ERR_NO_MEMORY;
    }
    picture->data_room = (uint32_t)deflateBound(stream, (uLong)row_bytes * picture->pixels);
    picture->data = arena_take(arena, picture->data_room);
    stream->next_out = picture->data;
    stream->avail_out = picture->data_room;
    return picture->data != NULL ? ERR_OK : ERR_NO_MEMORY;
}

static void compress_rows(struct picture *picture) {
    uint8_t row[ROW_BYTES_MAX];
    z_stream *stream = &picture->stream;
    for (uint32_t y = 0; y < picture->pixels; y++) {
        if (y % MODULE_PIXELS == 0) {
            draw_row(picture, y / MODULE_PIXELS, row);
        }
        stream->next_in = row;
        stream->avail_in = 1 + (picture->pixels + 7) / 8;
        bool is_last = y + 1 == picture->pixels;
        int status = deflate(stream, is_last ? Z_FINISH : Z_NO_FLUSH);
        CHECK(status == (is_last ? Z_STREAM_END : Z_OK));
        CHECK(stream->avail_in == 0);
    }
}

static void put_chunk(struct buf *out, const char type[4], const void *data, uint32_t bytes) {
    buf_put_be32(out, bytes);
    uint32_t from = out->len;
    buf_put(out, type, 4);
    buf_put(out, data, bytes);
    CHECK(!out->is_full);
    buf_put_be32(out, (uint32_t)crc32(0, (const uint8_t *)out->data + from, out->len - from));
}

static void put_header(struct buf *out, uint32_t pixels) {
    char memory[13];
    struct buf header = buf_over(memory, sizeof(memory));
    buf_put_be32(&header, pixels);
    buf_put_be32(&header, pixels);
    buf_put(&header, "\1\0\0\0\0", 5); /* depth 1, grey, deflate, filters, not interlaced */
    put_chunk(out, "IHDR", memory, header.len);
}

enum err qr_png(struct str text, struct arena *arena, struct str *png) {
    struct picture picture = {.code = NULL};
    enum err err = encode(text, arena, &picture);
    if (err == ERR_OK) {
        err = compress_open(&picture, arena);
    }
    if (err != ERR_OK) {
        return err;
    }
    compress_rows(&picture);
    uint32_t data_bytes = picture.data_room - picture.stream.avail_out;
    char *memory = arena_take(arena, FRAME_BYTES + data_bytes);
    if (memory == NULL) {
        return ERR_NO_MEMORY;
    }
    struct buf out = buf_over(memory, FRAME_BYTES + data_bytes);
    buf_put(&out, "\x89PNG\r\n\x1a\n", 8);
    put_header(&out, picture.pixels);
    put_chunk(&out, "IDAT", picture.data, data_bytes);
    put_chunk(&out, "IEND", "", 0);
    CHECK(!out.is_full);
    *png = buf_str(&out);
    return ERR_OK;
}
