/*
 * yyjson on arenas: strict reading, building, writing.
 *
 * yyjson itself neither recurses nor limits; after it has read, one walk over its flat value array
 * checks what it does not: depth, duplicate keys, NUL inside text. The walk is O(n log n) whatever
 * the input, because keys are sorted by a hash first and by their bytes where hashes agree.
 *
 * A document that is built keeps a sticky mark of any allocation that failed, so builders need no
 * checks and json_write never hands out a reply with a member missing.
 */
#include "json/json.h"

#include <string.h>

#include "base/decode.h"
#include "base/num.h"
#include "base/time.h"
#include "json/internal.h"

/* --- memory ---------------------------------------------------------------------------------- */

static void *arena_malloc(void *ctx, size_t bytes) {
    return arena_take(ctx, bytes);
}

static void *arena_realloc(void *ctx, void *old, size_t old_bytes, size_t bytes) {
    return arena_grow(ctx, old, old_bytes, bytes);
}

static void arena_free(void *ctx, void *memory) {
    (void)ctx;
    (void)memory; /* goes with the arena */
}

yyjson_alc json_allocator(struct arena *arena) {
    CHECK(arena != NULL);
    return (yyjson_alc){arena_malloc, arena_realloc, arena_free, arena};
}

/* --- reading --------------------------------------------------------------------------------- */

enum { KEYS_PAIRWISE_MAX = 8 }; /* up to here comparing all pairs beats sorting */

struct key_entry {
    uint64_t hash;
    yyjson_val *key;
};

struct key_scratch {
    struct key_entry *entries;
    size_t cap;
};

static uint64_t key_hash(yyjson_val *key) {
    const uint8_t *bytes = (const uint8_t *)unsafe_yyjson_get_str(key);
    size_t len = unsafe_yyjson_get_len(key);
    uint64_t hash =
        UINT64_C(0xcbf29ce484222325); /* FNV-1a; crafted collisions only cost compares */
    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

static int key_compare(yyjson_val *a, yyjson_val *b) {
    size_t a_len = unsafe_yyjson_get_len(a);
    size_t b_len = unsafe_yyjson_get_len(b);
    if (a_len != b_len) {
        return a_len < b_len ? -1 : 1;
    }
    return memcmp(unsafe_yyjson_get_str(a), unsafe_yyjson_get_str(b), a_len);
}

static bool entry_is_less(const struct key_entry *a, const struct key_entry *b) {
    return a->hash != b->hash ? a->hash < b->hash : key_compare(a->key, b->key) < 0;
}

/* Moves entries[at] down until no child is greater. */
static void heap_sift(struct key_entry *entries, size_t at, size_t count) {
    struct key_entry moving = entries[at];
    for (size_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
        if (child + 1 < count && entry_is_less(&entries[child], &entries[child + 1])) {
            child++;
        }
        if (!entry_is_less(&moving, &entries[child])) {
            break;
        }
        entries[at] = entries[child];
        at = child;
    }
    entries[at] = moving;
}

/* Heapsort: in place, no recursion, n log n at worst. */
static void entries_sort(struct key_entry *entries, size_t count) {
    for (size_t i = count / 2; i > 0; i--) {
        heap_sift(entries, i - 1, count);
    }
    for (size_t end = count - 1; end > 0; end--) {
        struct key_entry largest = entries[0];
        entries[0] = entries[end];
        entries[end] = largest;
        heap_sift(entries, 0, end);
    }
}

static bool has_equal_pair(yyjson_val *object) {
    yyjson_val *keys[KEYS_PAIRWISE_MAX];
    size_t count = 0;
    yyjson_obj_iter iter = yyjson_obj_iter_with(object);
    for (yyjson_val *key = yyjson_obj_iter_next(&iter); key != NULL;
         key = yyjson_obj_iter_next(&iter)) {
        for (size_t i = 0; i < count; i++) {
            if (key_compare(key, keys[i]) == 0) {
                return true;
            }
        }
        CHECK(count < KEYS_PAIRWISE_MAX);
        keys[count++] = key;
    }
    return false;
}

/* Room for `count` entries. It doubles, so that all scratch of a document together stays below four
 * times its largest object. */
static bool scratch_reserve(struct key_scratch *scratch, size_t count, struct arena *arena) {
    if (count <= scratch->cap) {
        return true;
    }
    size_t cap = count > 2 * scratch->cap ? count : 2 * scratch->cap;
    scratch->entries = arena_take(arena, cap * sizeof scratch->entries[0]);
    scratch->cap = scratch->entries == NULL ? 0 : cap;
    return scratch->entries != NULL;
}

static enum err check_keys(yyjson_val *object, struct key_scratch *scratch, struct arena *arena) {
    size_t count = unsafe_yyjson_get_len(object);
    if (count <= KEYS_PAIRWISE_MAX) {
        return has_equal_pair(object) ? ERR_JSON_INVALID : ERR_OK;
    }
    if (!scratch_reserve(scratch, count, arena)) {
        return ERR_NO_MEMORY;
    }
    struct key_entry *entries = scratch->entries;
    size_t filled = 0;
    yyjson_obj_iter iter = yyjson_obj_iter_with(object);
    for (yyjson_val *key = yyjson_obj_iter_next(&iter); key != NULL;
         key = yyjson_obj_iter_next(&iter)) {
        entries[filled++] = (struct key_entry){key_hash(key), key};
    }
    CHECK(filled == count);
    entries_sort(entries, count);
    for (size_t i = 1; i < count; i++) {
        if (entries[i - 1].hash == entries[i].hash &&
            key_compare(entries[i - 1].key, entries[i].key) == 0) {
            return ERR_JSON_INVALID;
        }
    }
    return ERR_OK;
}

static bool text_has_nul(yyjson_val *text) {
    return memchr(unsafe_yyjson_get_str(text), 0, unsafe_yyjson_get_len(text)) != NULL;
}

/* yyjson keeps all values of a document in one array, in the order of the text, keys included. */
static enum err check_document(yyjson_doc *doc, struct arena *arena) {
    const yyjson_val *open_ends[JSON_DEPTH_MAX]; /* where each container we are in ends */
    uint32_t depth = 0;
    struct key_scratch scratch = {NULL, 0};
    yyjson_val *end = doc->root + yyjson_doc_get_val_count(doc);
    for (yyjson_val *val = doc->root; val < end; val++) {
        while (depth > 0 && val >= open_ends[depth - 1]) {
            depth--;
        }
        if (unsafe_yyjson_is_str(val) && text_has_nul(val)) {
            return ERR_JSON_INVALID;
        }
        if (!unsafe_yyjson_is_ctn(val)) {
            continue;
        }
        if (depth == JSON_DEPTH_MAX) {
            return ERR_JSON_INVALID;
        }
        open_ends[depth++] = unsafe_yyjson_get_next(val);
        if (unsafe_yyjson_is_obj(val)) {
            enum err err = check_keys(val, &scratch, arena);
            if (err != ERR_OK) {
                return err;
            }
        }
    }
    return ERR_OK;
}

static enum err parse(struct str text, yyjson_read_flag flags, struct arena *arena,
                      yyjson_val **root) {
    CHECK(root != NULL);
    *root = NULL;
    if (text.len == 0) {
        return ERR_JSON_INVALID;
    }
    yyjson_alc allocator = json_allocator(arena);
    yyjson_read_err read_err;
    /* Without YYJSON_READ_INSITU the text is not written to. */
    char *readable = (char *)(uintptr_t)text.data;
    yyjson_doc *doc = yyjson_read_opts(readable, text.len, flags, &allocator, &read_err);
    if (doc == NULL) {
        return read_err.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION ? ERR_NO_MEMORY
                                                                    : ERR_JSON_INVALID;
    }
    enum err err = check_document(doc, arena);
    if (err == ERR_OK) {
        *root = yyjson_doc_get_root(doc);
        CHECK(*root != NULL);
    }
    return err;
}

enum err json_parse(struct str text, struct arena *arena, yyjson_val **root) {
    return parse(text, YYJSON_READ_NOFLAG, arena, root);
}

enum err json_parse_raw(struct str text, struct arena *arena, yyjson_val **root) {
    return parse(text, YYJSON_READ_NUMBER_AS_RAW, arena, root);
}

/* mantissa * 10^scale, the mantissa being digits with at most one point among them. */
static bool scale_to_i64(struct str mantissa, bool is_negative, int64_t scale, int64_t *value) {
    enum { SCALE_MAX = 18 }; /* 10^19 does not fit */
    if (scale < 0 || scale > SCALE_MAX) {
        return false;
    }
    int64_t sum = 0; /* grown downwards, as -2^63 has no positive twin */
    for (uint32_t i = 0; i < mantissa.len; i++) {
        if (mantissa.data[i] != '.' &&
            (!num_mul_i64(sum, 10, &sum) || !num_add_i64(sum, -(mantissa.data[i] - '0'), &sum))) {
            return false;
        }
    }
    for (int64_t i = 0; i < scale; i++) {
        if (!num_mul_i64(sum, 10, &sum)) {
            return false;
        }
    }
    return num_mul_i64(sum, is_negative ? 1 : -1, value);
}

bool json_number_to_i64(struct str number, int64_t *value) {
    if (str_parse_i64(number, value)) {
        return true;
    }
    bool is_negative = str_starts(number, STR("-"));
    struct str rest = is_negative ? str_slice(number, 1, number.len) : number;
    uint32_t exponent_at = str_find_byte(rest, 'e');
    if (exponent_at == rest.len) {
        exponent_at = str_find_byte(rest, 'E');
    }
    struct str mantissa = str_slice(rest, 0, exponent_at);
    struct str exponent_text = str_slice(rest, exponent_at + 1, rest.len);
    if (str_starts(exponent_text, STR("+"))) {
        exponent_text = str_slice(exponent_text, 1, exponent_text.len);
    }
    /* Zeros at the end, before or behind the point, only move the scale. */
    uint32_t point = str_find_byte(mantissa, '.');
    uint32_t end = mantissa.len;
    while (end > 0 && (mantissa.data[end - 1] == '0' || mantissa.data[end - 1] == '.')) {
        end--;
    }
    if (end == 0) {
        *value = 0;
        return true;
    }
    int64_t scale = end > point ? -((int64_t)end - point - 1) : (int64_t)point - end;
    int64_t exponent = 0;
    if (exponent_text.len > 0 &&
        (!str_parse_i64(exponent_text, &exponent) || !num_add_i64(scale, exponent, &scale))) {
        return false; /* nothing but zero survives such an exponent */
    }
    return scale_to_i64(str_slice(mantissa, 0, end), is_negative, scale, value);
}

/* --- building -------------------------------------------------------------------------------- */

struct doc_memory {
    struct arena *arena;
    bool is_short; /* sticky */
};

static void *doc_malloc(void *ctx, size_t bytes) {
    struct doc_memory *memory = ctx;
    void *taken = arena_take(memory->arena, bytes);
    memory->is_short = memory->is_short || taken == NULL;
    return taken;
}

static void *doc_realloc(void *ctx, void *old, size_t old_bytes, size_t bytes) {
    struct doc_memory *memory = ctx;
    void *grown = arena_grow(memory->arena, old, old_bytes, bytes);
    memory->is_short = memory->is_short || grown == NULL;
    return grown;
}

yyjson_mut_doc *json_doc(struct arena *arena) {
    struct doc_memory *memory = ARENA_NEW(arena, struct doc_memory);
    if (memory == NULL) {
        return NULL;
    }
    memory->arena = arena;
    yyjson_alc allocator = {doc_malloc, doc_realloc, arena_free, memory};
    return yyjson_mut_doc_new(&allocator);
}

static struct doc_memory *doc_memory(yyjson_mut_doc *doc) {
    CHECK(doc->alc.malloc == doc_malloc);
    return doc->alc.ctx;
}

struct arena *json_doc_arena(yyjson_mut_doc *doc) {
    return doc_memory(doc)->arena;
}

void json_doc_fail(yyjson_mut_doc *doc) {
    doc_memory(doc)->is_short = true;
}

yyjson_mut_val *json_object(yyjson_mut_doc *doc) {
    return yyjson_mut_obj(doc);
}

yyjson_mut_val *json_array(yyjson_mut_doc *doc) {
    return yyjson_mut_arr(doc);
}

/* A missing object or value is the trace of a shortage, which the document remembers. */
void json_add_val(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key,
                  yyjson_mut_val *value) {
    if (doc == NULL) {
        return;
    }
    if (object == NULL || value == NULL) {
        CHECK(doc_memory(doc)->is_short);
        return;
    }
    CHECK(yyjson_mut_is_obj(object));
    yyjson_mut_val *name = yyjson_mut_str(doc, key);
    bool is_added = yyjson_mut_obj_add(object, name, value);
    CHECK(is_added || doc_memory(doc)->is_short);
}

void json_append_val(yyjson_mut_doc *doc, yyjson_mut_val *array, yyjson_mut_val *value) {
    if (doc == NULL) {
        return;
    }
    bool is_added = yyjson_mut_arr_append(array, value);
    CHECK(is_added || doc_memory(doc)->is_short);
}

static yyjson_mut_val *text_val(yyjson_mut_doc *doc, struct str value) {
    return str_is_none(value) ? yyjson_mut_null(doc) : yyjson_mut_strn(doc, value.data, value.len);
}

void json_add_str(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, struct str value) {
    json_add_val(doc, object, key, text_val(doc, value));
}

void json_append_str(yyjson_mut_doc *doc, yyjson_mut_val *array, struct str value) {
    json_append_val(doc, array, text_val(doc, value));
}

void json_add_int(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, int64_t value) {
    json_add_val(doc, object, key, yyjson_mut_sint(doc, value));
}

void json_add_bool(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, bool value) {
    json_add_val(doc, object, key, yyjson_mut_bool(doc, value));
}

void json_add_null(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key) {
    json_add_val(doc, object, key, yyjson_mut_null(doc));
}

void json_add_id(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, struct id id) {
    json_add_val(doc, object, key, json_id_val(doc, id));
}

void json_add_time(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, int64_t time_us,
                   enum field_time_form form) {
    json_add_val(doc, object, key, json_time_val(doc, time_us, form));
}

yyjson_mut_val *json_id_val(yyjson_mut_doc *doc, struct id id) {
    char text[ID_TEXT_LEN];
    struct buf out = buf_over(text, sizeof text);
    id_format(id, &out);
    CHECK(!out.is_full);
    return yyjson_mut_strncpy(doc, out.data, out.len);
}

yyjson_mut_val *json_time_val(yyjson_mut_doc *doc, int64_t time_us, enum field_time_form form) {
    char text[40];
    struct buf out = buf_over(text, sizeof text);
    switch (form) {
    case TIME_FORM_NAIVE:
        time_format_naive(time_us, &out);
        break;
    case TIME_FORM_RFC3339:
        time_format_rfc3339(time_us, &out);
        break;
    case TIME_FORM_OFFSET:
        time_format_offset(time_us, &out);
        break;
    }
    CHECK(!out.is_full);
    return yyjson_mut_strncpy(doc, out.data, out.len);
}

yyjson_mut_val *json_add_object(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key) {
    yyjson_mut_val *value = json_object(doc);
    json_add_val(doc, object, key, value);
    return value;
}

yyjson_mut_val *json_add_array(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key) {
    yyjson_mut_val *value = json_array(doc);
    json_add_val(doc, object, key, value);
    return value;
}

/* --- writing --------------------------------------------------------------------------------- */

enum err json_write(yyjson_mut_doc *doc, yyjson_mut_val *root, struct arena *arena,
                    struct str *text) {
    CHECK(text != NULL);
    *text = STR_NONE;
    if (doc == NULL || doc_memory(doc)->is_short) {
        return ERR_NO_MEMORY;
    }
    CHECK(root != NULL);
    yyjson_alc allocator = json_allocator(arena);
    yyjson_write_err write_err;
    size_t len = 0;
    char *written = yyjson_mut_val_write_opts(root, YYJSON_WRITE_INF_AND_NAN_AS_NULL, &allocator,
                                              &len, &write_err);
    if (written == NULL && write_err.code == YYJSON_WRITE_ERROR_INVALID_STRING) {
        /* Texts from strangers (header values, file names) may be no UTF-8. */
        yyjson_write_flag flags =
            YYJSON_WRITE_INF_AND_NAN_AS_NULL | YYJSON_WRITE_ALLOW_INVALID_UNICODE;
        written = yyjson_mut_val_write_opts(root, flags, &allocator, &len, &write_err);
        if (written != NULL) {
            utf8_repair(written, (uint32_t)len);
        }
    }
    if (written == NULL) {
        CHECK(write_err.code == YYJSON_WRITE_ERROR_MEMORY_ALLOCATION);
        return ERR_NO_MEMORY;
    }
    *text = str_from(written, len);
    return ERR_OK;
}
