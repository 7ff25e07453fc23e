/*
 * Records as bytes (store/codec): whatever lies in the file, decoding it reads no byte beside it,
 * and what it accepts can be encoded and decoded again to the same record. The checksum is set
 * right first, so that the rest is reached; byte 0 of the input chooses the table.
 */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "store/codec.h"
#include "support/store_support.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum { POOL_BLOCKS = 512, RECORD_BYTES_MAX = 256 * 1024 };

static struct arena_pool pool;
static struct arena arena;
static struct seal_key seal;
static char again[RECORD_BYTES_MAX * 2];

static void once(void) {
    static bool is_made;
    if (!is_made) {
        static const struct secret_key key = {{1, 2, 3}};
        arena_pool_init(&pool, malloc((size_t)POOL_BLOCKS * ARENA_BLOCK_BYTES), POOL_BLOCKS);
        arena_init(&arena, &pool, POOL_BLOCKS * ARENA_BLOCK_BYTES);
        seal_key_open(&seal, &key);
        is_made = true;
    }
}

/* The checksum as codec.h describes it, by its own hand. */
static void checksum_set(const struct codec_place *place, uint8_t *record, uint32_t len) {
    uint8_t head[4] = {(uint8_t)(place->table->id >> 8), (uint8_t)place->table->id,
                       (uint8_t)(place->key.len >> 8), (uint8_t)place->key.len};
    uLong sum = crc32(0, head, sizeof head);
    sum = crc32(sum, (const Bytef *)place->key.data, place->key.len);
    sum = crc32(sum, record, 3);
    sum = crc32(sum, record + CODEC_HEADER_BYTES, len - CODEC_HEADER_BYTES);
    for (uint32_t index = 0; index < 4; index += 1) {
        record[3 + index] = (uint8_t)(sum >> (24 - 8 * index));
    }
}

static void record_look(const struct codec_place *place, uint8_t *record, uint32_t len) {
    struct codec_parts parts;
    struct item first;
    struct item second;
    static const char entropy[32];
    if (codec_split(place, (struct str){(const char *)record, len}, &parts) != ERR_OK ||
        codec_decode(place, NULL, &parts, &arena, &first) != ERR_OK) {
        return;
    }
    struct buf out = buf_over(again, sizeof again);
    codec_encode(place, &seal, (struct str){entropy, sizeof entropy}, &first, NULL, &out);
    CHECK(!out.is_full);
    enum err err = codec_split(place, buf_str(&out), &parts);
    CHECK(err == ERR_OK);
    err = codec_decode(place, &seal, &parts, &arena, &second);
    CHECK(err == ERR_OK || err == ERR_NO_MEMORY);
    if (err == ERR_OK && place->table == &item_table) {
        CHECK(item_equal(&first, &second));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static const struct table *const tables[] = {&item_table, &entry_table, &word_table};
    once();
    if (bytes < 1 + CODEC_HEADER_BYTES || bytes > RECORD_BYTES_MAX) {
        return 0;
    }
    struct codec_place place = {.table = tables[data[0] % COUNT_OF(tables)], .key = STR("key")};
    uint32_t len = (uint32_t)bytes - 1;
    uint8_t *record = malloc(len); /* exactly as large: the sanitizer sees one byte too far */
    memcpy(record, data + 1, len);
    record[0] = CODEC_FORMAT;
    checksum_set(&place, record, len);
    record_look(&place, record, len);
    free(record);
    arena_reset(&arena);
    return 0;
}
