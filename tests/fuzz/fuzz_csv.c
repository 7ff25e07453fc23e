/*
 * CSV: whatever comes, reading ends, every name and value lies in the text or in the arena, and row
 * numbers grow with the text. What an accepted row says is then written by the rules of RFC 4180,
 * read again and has to be the same.
 */
#include <string.h>

#include "cli/csv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum { BLOCKS = 256, AGAIN_BYTES = 2 << 20, AGAIN_BLOCKS = 256 };

static char memory[BLOCKS * ARENA_BLOCK_BYTES] __attribute__((aligned(64)));
static char again_memory[AGAIN_BLOCKS * ARENA_BLOCK_BYTES] __attribute__((aligned(64)));
static char again_text[AGAIN_BYTES];

static bool is_within(struct str slice, const char *from, size_t bytes) {
    return slice.len == 0 || (slice.data >= from && slice.data + slice.len <= from + bytes);
}

static void field_put(struct buf *out, struct str field) {
    buf_put_byte(out, '"');
    for (uint32_t i = 0; i < field.len; i++) {
        buf_put_byte(out, (uint8_t)field.data[i]);
        if (field.data[i] == '"') {
            buf_put_byte(out, '"');
        }
    }
    buf_put_byte(out, '"');
}

static void header_put(const struct csv *csv, struct buf *out) {
    for (uint32_t i = 0; i < csv->name_count; i++) {
        buf_put_c(out, i == 0 ? "" : ",");
        field_put(out, csv->names[i]);
    }
    buf_put_c(out, "\r\n");
}

/* The row with its left-out empty fields; two fields may bear one name, so pairs are walked along
 * by the name's address. */
static void row_put(const struct csv *csv, const struct schema_pair *pairs, uint32_t count,
                    struct buf *out) {
    uint32_t at = 0;
    for (uint32_t i = 0; i < csv->name_count; i++) {
        bool is_here = at < count && pairs[at].name.data == csv->names[i].data;
        buf_put_c(out, i == 0 ? "" : ",");
        field_put(out, is_here ? pairs[at].value : STR(""));
        at += is_here;
    }
    CHECK(at == count);
    buf_put_c(out, "\r\n");
}

static void row_compare(struct csv *again, struct arena *arena, const struct schema_pair *pairs,
                        uint32_t count) {
    struct schema_pair second[CSV_COLUMNS_MAX];
    uint32_t second_count;
    CHECK(csv_next(again, arena, second, &second_count) == ERR_OK);
    CHECK(second_count == count);
    for (uint32_t i = 0; i < count; i++) {
        CHECK(str_equal(second[i].name, pairs[i].name));
        CHECK(str_equal(second[i].value, pairs[i].value));
    }
}

static void row_check(const struct csv *csv, const struct schema_pair *pairs, uint32_t count,
                      struct str text) {
    CHECK(count <= csv->name_count);
    for (uint32_t i = 0; i < count; i++) {
        CHECK(is_within(pairs[i].name, text.data, text.len));
        CHECK(is_within(pairs[i].value, text.data, text.len) ||
              is_within(pairs[i].value, memory, sizeof memory));
        CHECK(pairs[i].value.len > 0);
    }
}

/* Writes the row with the header before it and reads both. */
static void row_again(const struct csv *csv, const struct schema_pair *pairs, uint32_t count) {
    struct arena_pool pool;
    struct arena arena;
    struct csv again;
    struct buf out = buf_over(again_text, sizeof again_text);
    arena_pool_init(&pool, again_memory, AGAIN_BLOCKS);
    arena_init(&arena, &pool, sizeof again_memory);
    header_put(csv, &out);
    row_put(csv, pairs, count, &out);
    if (out.is_full) {
        return;
    }
    CHECK(csv_open(&again, buf_str(&out)) == ERR_OK);
    CHECK(again.name_count == csv->name_count);
    row_compare(&again, &arena, pairs, count);
    CHECK(csv_next(&again, &arena, (struct schema_pair[CSV_COLUMNS_MAX]){0}, &count) == ERR_END);
    arena_reset(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct str text = str_from((const char *)data, bytes);
    struct schema_pair pairs[CSV_COLUMNS_MAX];
    struct arena_pool pool;
    struct arena arena;
    struct csv csv;
    uint32_t count = 0;
    enum err err = csv_open(&csv, text);
    CHECK(err == ERR_OK || err == ERR_FORMAT);
    if (err != ERR_OK) {
        return 0;
    }
    arena_pool_init(&pool, memory, BLOCKS);
    arena_init(&arena, &pool, sizeof memory);
    uint64_t line_before = csv.line;
    for (size_t rows = 0; (err = csv_next(&csv, &arena, pairs, &count)) != ERR_END; rows++) {
        CHECK(rows <= bytes); /* it ends */
        CHECK(csv.line > line_before && csv.line <= bytes + 1);
        line_before = csv.line;
        CHECK(err == ERR_OK || err == ERR_FORMAT || err == ERR_NO_MEMORY);
        if (err == ERR_OK) {
            row_check(&csv, pairs, count, text);
            if (rows < 8) { /* enough, and bounded */
                row_again(&csv, pairs, count);
            }
        }
    }
    CHECK(csv_next(&csv, &arena, pairs, &count) == ERR_END);
    arena_reset(&arena);
    return 0;
}
