/*
 * JSON bodies against a schema with every field type. What must hold:
 *   - what decodes, encodes; that decodes again and encodes to the same text;
 *   - faults, however odd the member names, come out as valid JSON without duplicate keys;
 *   - with less memory the answer is the same or ERR_NO_MEMORY;
 *   - every block comes back.
 * An input that starts with '?' is a query string instead; one that starts with '!' chooses the
 * members of a body from fragments, for bytes that change at random rarely stay JSON.
 */
#include <stdlib.h>
#include <string.h>

#include "base/decode.h"
#include "support/schema_sample.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum { POOL_BLOCKS = 1024, PAIRS_MAX = 64 };

static struct arena_pool pool;

static void arena_open(struct arena *arena, uint32_t bytes_max) {
    if (pool.memory == NULL) {
        arena_pool_init(&pool, aligned_alloc(4096, (size_t)POOL_BLOCKS * ARENA_BLOCK_BYTES),
                        POOL_BLOCKS);
    }
    arena_init(arena, &pool, bytes_max);
}

static struct str encode(const struct sample *sample, struct arena *arena) {
    struct str text;
    yyjson_mut_doc *doc = json_doc(arena);
    yyjson_mut_val *root = json_object(doc);
    json_add_members(doc, root, &sample_schema, sample);
    CHECK(json_write(doc, root, arena, &text) == ERR_OK);
    return text;
}

static void check_faults(const struct schema_faults *faults, struct arena *arena) {
    struct str text;
    yyjson_val *parsed;
    yyjson_mut_doc *doc = json_doc(arena);
    yyjson_mut_val *root = json_object(doc);
    CHECK(faults->count > 0 || faults->is_object_missing);
    json_add_faults(doc, root, faults);
    CHECK(json_write(doc, root, arena, &text) == ERR_OK);
    CHECK(json_parse(text, arena, &parsed) == ERR_OK);
    CHECK(yyjson_obj_size(parsed) > 0);
}

static enum err run(struct str json, struct arena *arena) {
    struct sample first;
    struct sample second;
    struct schema_faults faults;
    enum err err = schema_decode(&sample_schema, json, arena, &first, &faults);
    if (err == ERR_VALIDATION) {
        check_faults(&faults, arena);
    }
    if (err == ERR_OK) {
        struct str text = encode(&first, arena);
        CHECK(schema_decode(&sample_schema, text, arena, &second, &faults) == ERR_OK);
        CHECK((first.set.present & ~second.set.present) == 0);
        CHECK(str_equal(encode(&second, arena), text));
    }
    return err;
}

/* A third of what was needed, more or less, by the input's own bytes. */
static void run_short_of_memory(struct str json, uint32_t bytes_used, enum err want) {
    struct arena arena;
    struct sample sample;
    struct schema_faults faults;
    uint32_t mix = 0;
    for (uint32_t i = 0; i < json.len; i++) {
        mix = mix * 31 + (uint8_t)json.data[i];
    }
    arena_open(&arena, mix % (bytes_used + 1));
    enum err err = schema_decode(&sample_schema, json, &arena, &sample, &faults);
    CHECK(err == want || err == ERR_NO_MEMORY);
    arena_reset(&arena);
}

static const char *const fragments[] = {
    "true",
    "\"off\"",
    "null",
    "0",
    "1",
    "-5",
    "\"7\"",
    "100.0",
    "1e1",
    "-9223372036854775808",
    "9223372036854775808",
    "1.5",
    "\"2026-11-21T07:35:32.123456789-23:59\"",
    "\"0001-01-01\"",
    "\"9999-12-31T23:59:59.999999Z\"",
    "\"01234567-89AB-4def-8123-456789abcdef\"",
    "\"\"",
    "\"ab\"",
    "\"\\u00e4\\ud83d\\ude00\"",
    "\"A.B@C.DE\"",
    "\"\\\"X\\\"@localhost\"",
    "\"http://u@a.bc:1/\\u00e4?\\\"\"",
    "\"ftp://[::1]\"",
    "\"(030) 123-45678\"",
    "\"2024-02-29\"",
    "\"a-b\"",
    "\"012345\"",
    "\"AA\"",
    "\"AAA\"",
    "\"_-_-\"",
    "\"red\"",
    "\"blue\"",
    "\"purple\"",
    "{}",
    "[]",
    "{\"title\":\"\",\"leaves\":[]}",
    "{\"leaves\":[{\"name\":\"\\t\"},{\"name\":\"y\",\"rank\":1e2}],\"title\":null}",
    "{\"main\":{\"name\":\"\",\"rank\":-6,\"x\":0}}",
    "{\"main\":{\"name\":\"12345678\"}}",
    "[{},{\"title\":\"a\"},{\"leaves\":[{\"name\":\"z\"}]}]",
    "[{\"leaves\":[{}]},1,null]",
    "[\"a\",\"b\"]",
    "[\"s\",\"m\"]",
    "[\"http://a.bc\",\"https://localhost/\"]",
    "[\"\",1]",
    "[\"00000000-0000-4000-8000-000000000001\",\"FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF\"]",
    "{\"a\":[1.10,-0,1e400,{\"b\":\"\\u0001\\/\"}],\"\":{}}",
    "[[[[]]],\"\\ud83d\\ude00\"]",
};

/* Two bytes per field: whether and what. */
static struct str body_from_choices(struct str choices, struct arena *arena) {
    enum { BODY_BYTES_MAX = 1 << 15 };
    struct buf body = buf_over(arena_take(arena, BODY_BYTES_MAX), BODY_BYTES_MAX);
    buf_put_c(&body, "{");
    for (uint32_t i = 0; i < sample_schema.field_count && 2 * i + 1 < choices.len; i++) {
        if ((choices.data[2 * i] & 1) == 0) {
            continue;
        }
        uint8_t choice = (uint8_t)choices.data[2 * i + 1];
        buf_printf(&body, "%s\"%s\":%s", body.len > 1 ? "," : "", sample_schema.fields[i].name,
                   fragments[choice % COUNT_OF(fragments)]);
    }
    buf_put_c(&body, "}");
    CHECK(!body.is_full);
    return buf_str(&body);
}

struct query {
    struct schema_set set;
    bool flag;
    int64_t count;
    int64_t at;
    struct id id;
    struct str text;
    int32_t color;
};

static void run_pairs(struct str query, struct arena *arena) {
    static const char *const colors[] = {"red", "green", NULL};
    static const struct field rows[] = {
        FIELD(struct query, flag, FIELD_BOOL),
        FIELD(struct query, count, FIELD_INT, .min = -9, .max = 9),
        FIELD(struct query, at, FIELD_TIME),
        FIELD(struct query, id, FIELD_ID),
        FIELD(struct query, text, FIELD_TEXT, .flags = FIELD_REQUIRED, .max = 20),
        FIELD(struct query, color, FIELD_ENUM, .values = colors),
    };
    static const struct schema schema = SCHEMA("Query", struct query, rows);
    struct schema_pair pairs[PAIRS_MAX];
    uint32_t count = 0;
    while (!str_is_none(query) && count < PAIRS_MAX) {
        struct str value = str_split(&query, '&');
        pairs[count].name = str_split(&value, '=');
        pairs[count++].value = value;
    }
    struct query out;
    struct schema_faults faults;
    if (schema_decode_pairs(&schema, pairs, count, arena, &out, &faults) == ERR_OK) {
        CHECK((out.set.present >> 4 & 1) == 1);
        CHECK(utf8_is_valid(out.text));
        CHECK(out.count >= -9 && out.count <= 9);
    } else {
        check_faults(&faults, arena);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct arena arena;
    struct str input = str_from((const char *)data, bytes);
    arena_open(&arena, POOL_BLOCKS / 2 * ARENA_BLOCK_BYTES);
    if (str_starts(input, STR("?"))) {
        run_pairs(str_slice(input, 1, input.len), &arena);
    } else {
        if (str_starts(input, STR("!"))) {
            input = body_from_choices(str_slice(input, 1, input.len), &arena);
        }
        uint32_t bytes_before = arena.bytes_left;
        enum err err = run(input, &arena);
        CHECK(err == ERR_OK || err == ERR_VALIDATION || err == ERR_JSON_INVALID);
        run_short_of_memory(input, bytes_before - arena.bytes_left, err);
    }
    arena_reset(&arena);
    CHECK(pool.used_count == 0);
    return 0;
}
