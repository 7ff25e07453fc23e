/*
 * QR codes as PNG: the file is whole (chunks, checksums, rows), the picture is a QR code of ten
 * pixels a module with a white margin, and shortage of memory is an answer. That it reads back as
 * its text is tested with a real reader in tests/http/test_totp.py.
 */
#include "test.h"

#include "base/buf.h"
#include "engine/qr.h"
#include "os/mem.h"

#include <zlib.h>

enum { BLOCKS = 256, ROWS_BYTES_MAX = 440 * 1024 };

static struct arena_pool pool;
static struct arena arena;

static void arena_new(uint32_t bytes_max) {
    static void *memory;
    if (memory == NULL) {
        memory = mem_reserve((size_t)BLOCKS * ARENA_BLOCK_BYTES);
        arena_pool_init(&pool, memory, BLOCKS);
    } else {
        arena_reset(&arena);
    }
    arena_init(&arena, &pool, bytes_max);
}

static uint32_t be32(const char *at) {
    const uint8_t *bytes = (const uint8_t *)at;
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

struct picture {
    uint32_t pixels;
    uint32_t row_bytes;
    uint8_t rows[ROWS_BYTES_MAX];
};

static bool is_dark(const struct picture *picture, uint32_t x, uint32_t y) {
    return (picture->rows[y * picture->row_bytes + 1 + x / 8] & (0x80u >> (x % 8))) == 0;
}

/* The chunk at *at, its checksum right; moves *at behind it. */
static struct str chunk(struct str png, uint32_t *at, const char *type) {
    uint32_t bytes = be32(png.data + *at);
    struct str data = str_slice(png, *at + 8, *at + 8 + bytes);
    EXPECT(memcmp(png.data + *at + 4, type, 4) == 0);
    uLong sum = crc32(0, (const Bytef *)png.data + *at + 4, bytes + 4);
    EXPECT_EQ_INT(be32(png.data + *at + 8 + bytes), sum);
    *at += 12 + bytes;
    return data;
}

static void picture_read(struct str png, struct picture *picture) {
    uint32_t at = 8;
    REQUIRE(png.len > 57 && memcmp(png.data, "\x89PNG\r\n\x1a\n", 8) == 0);
    struct str header = chunk(png, &at, "IHDR");
    picture->pixels = be32(header.data);
    EXPECT_EQ_INT(be32(header.data + 4), picture->pixels);
    EXPECT(memcmp(header.data + 8, "\1\0\0\0\0", 5) == 0);
    struct str rows = chunk(png, &at, "IDAT");
    EXPECT_EQ_INT(chunk(png, &at, "IEND").len, 0);
    EXPECT_EQ_INT(at, png.len);
    picture->row_bytes = 1 + (picture->pixels + 7) / 8;
    uLongf bytes = sizeof(picture->rows);
    REQUIRE(uncompress(picture->rows, &bytes, (const Bytef *)rows.data, rows.len) == Z_OK);
    EXPECT_EQ_INT(bytes, (uLongf)picture->row_bytes * picture->pixels);
}

static void expect_code(const struct picture *picture) {
    uint32_t size = picture->pixels / 10;
    EXPECT_EQ_INT(picture->pixels % 10, 0);
    EXPECT_EQ_INT((size - 8 - 17) % 4, 0);
    for (uint32_t y = 0; y < picture->pixels; y++) {
        EXPECT_EQ_INT(picture->rows[y * picture->row_bytes], 0);
        for (uint32_t x = 0; x < picture->pixels; x++) {
            bool is_margin =
                x < 40 || y < 40 || x >= picture->pixels - 40 || y >= picture->pixels - 40;
            bool is_good = is_dark(picture, x, y) == is_dark(picture, x / 10 * 10, y / 10 * 10) &&
                           !(is_margin && is_dark(picture, x, y));
            if (!is_good) {
                EXPECT(is_good);
                return;
            }
        }
    }
    /* The finder pattern of the upper left corner: dark, light, dark. */
    EXPECT(is_dark(picture, 40, 40) && !is_dark(picture, 50, 50) && is_dark(picture, 60, 60));
    EXPECT(!is_dark(picture, 110, 110));
}

static char text[QR_TEXT_BYTES_MAX + 1];

TEST(texts_of_all_sizes_become_pictures)
{
    static struct picture picture;
    static const uint32_t sizes[] = {1, 17, 18, 106, 300, 1000, 2000, QR_TEXT_BYTES_MAX};
    for (uint32_t i = 0; i < COUNT_OF(sizes); i++) {
        struct str png;
        arena_new(1024 * 1024);
        for (uint32_t k = 0; k < sizes[i]; k++) {
            text[k] = (char)test_random();
        }
        EXPECT_EQ_INT(qr_png(str_from(text, sizes[i]), &arena, &png), ERR_OK);
        picture_read(png, &picture);
        expect_code(&picture);
    }
}

TEST(the_same_text_gives_the_same_bytes)
{
    struct str png;
    static char first[4096];
    arena_new(1024 * 1024);
    EXPECT_EQ_INT(qr_png(STR("otpauth://totp/a"), &arena, &png), ERR_OK);
    uint32_t bytes = png.len;
    REQUIRE(bytes < sizeof(first));
    memcpy(first, png.data, bytes);
    arena_new(1024 * 1024);
    EXPECT_EQ_INT(qr_png(STR("otpauth://totp/a"), &arena, &png), ERR_OK);
    EXPECT_EQ_INT(png.len, bytes);
    EXPECT(memcmp(first, png.data, bytes) == 0);
}

TEST(what_does_not_fit_is_refused)
{
    struct str png = STR_NONE;
    arena_new(1024 * 1024);
    EXPECT_EQ_INT(qr_png(str_from(text, QR_TEXT_BYTES_MAX + 1), &arena, &png), ERR_FULL);
    EXPECT_EQ_INT(qr_png(STR(""), &arena, &png), ERR_FULL);
    EXPECT_EQ_INT(qr_png(STR_NONE, &arena, &png), ERR_FULL);
    EXPECT(str_is_none(png));
}

TEST(every_shortage_of_memory_is_an_answer)
{
    bool is_done = false;
    uint32_t shortages = 0;
    for (uint32_t bytes = 1024; !is_done && bytes < 1024 * 1024; bytes += 1024) {
        struct str png;
        arena_new(bytes);
        enum err err = qr_png(STR("otpauth://totp/Coffer:a%40example.com?secret=A"), &arena, &png);
        is_done = err == ERR_OK;
        shortages += err == ERR_NO_MEMORY;
        EXPECT(is_done || err == ERR_NO_MEMORY);
    }
    EXPECT(is_done);
    EXPECT(shortages > 8);
}
