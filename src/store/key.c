/*
 * Keys. A primary key is an id (16 bytes), a number (8 bytes, big-endian, sign flipped) or a text.
 * An index key is the indexed values in order; in an index that is not unique the primary key
 * follows, and the row's value then holds only the primary key's length.
 *
 * Texts in index keys: 00 becomes 01 01, 01 becomes 01 02, and a 00 ends the text unless it is the
 * last part of a unique index. So keys sort as their texts do and no text runs into the next part.
 *
 * LMDB's keys are at most 511 bytes. A key above its bound keeps its beginning and ends in the
 * SHA-256 of the whole; it is then exactly as long as the bound, which no other key is.
 */
#include "store/internal.h"

#include <string.h>

static uint64_t number_key(int64_t value) {
    return (uint64_t)value ^ (UINT64_C(1) << 63);
}

struct str store_key_int(int64_t value, uint8_t memory[8]) {
    struct buf key = buf_over(memory, 8);
    buf_put_be64(&key, number_key(value));
    return buf_str(&key);
}

void store_key_put_id(struct buf *key, struct id id) {
    buf_put(key, id.bytes, ID_BYTES);
}

void store_key_put_int(struct buf *key, int64_t value) {
    buf_put_be64(key, number_key(value));
}

static void text_put(struct buf *key, struct str text, bool is_last, bool is_folded) {
    for (uint32_t index = 0; index < text.len; index += 1) {
        uint8_t byte = (uint8_t)text.data[index];
        if (is_folded && byte >= 'A' && byte <= 'Z') {
            byte += 'a' - 'A';
        }
        if (byte <= 1) {
            buf_put_byte(key, 1);
            byte += 1;
        }
        buf_put_byte(key, byte);
    }
    if (!is_last) {
        buf_put_byte(key, 0);
    }
}

void store_key_put_text(struct buf *key, struct str text, bool is_last) {
    text_put(key, text, is_last, false);
}

void store_key_put_folded(struct buf *key, struct str text, bool is_last) {
    text_put(key, text, is_last, true);
}

struct str store_key_fit(struct str key, uint32_t bytes_max, char *memory) {
    CHECK(bytes_max > HASH_BYTES);
    if (key.len < bytes_max) {
        return key;
    }
    struct hash hash = hash_of(key);
    uint32_t kept = bytes_max - HASH_BYTES;
    memmove(memory, key.data, kept);
    memcpy(memory + kept, hash.bytes, HASH_BYTES);
    return (struct str){memory, bytes_max};
}

struct str store_key_of_record(const struct store_table *table, const void *record, char *memory) {
    const struct field *field = &table->row->schema->fields[table->key_field];
    const struct schema_set *set = record;
    const char *member = (const char *)record + field->offset;
    CHECK((set->present >> table->key_field & 1) != 0);
    if (field->type == FIELD_ID) {
        return (struct str){member, ID_BYTES};
    }
    if (field->type == FIELD_INT) {
        const int64_t *value = (const void *)member;
        return store_key_int(*value, (uint8_t *)memory);
    }
    const struct str *text = (const void *)member;
    CHECK(text->len > 0);
    return store_key_fit(*text, STORE_PRIMARY_BYTES_MAX, memory);
}

bool store_key_of_parts(const struct store_table *table, const struct codec_parts *parts,
                        char *memory, struct str *key) {
    const struct field *field = &table->row->schema->fields[table->key_field];
    struct str value = parts->values[table->key_field];
    int64_t number = 0;
    if ((parts->present >> table->key_field & 1) == 0) {
        return false;
    }
    if (field->type == FIELD_INT) {
        if (!codec_number(field, value, &number)) {
            return false;
        }
        *key = store_key_int(number, (uint8_t *)memory);
        return true;
    }
    *key = store_key_fit(value, STORE_PRIMARY_BYTES_MAX, memory);
    return value.len > 0;
}

/* One value of an index key; an absent one counts as zero or empty. False when it is malformed. */
static bool part_put(struct buf *key, const struct field *field, bool is_present, struct str value,
                     bool is_last, bool is_folded) {
    static const struct id no_id;
    int64_t number = 0;
    switch (field->type) {
    case FIELD_ID:
        buf_put_str(key, is_present ? value : id_bytes(&no_id));
        return !is_present || value.len == ID_BYTES;
    case FIELD_TEXT:
    case FIELD_BYTES:
        text_put(key, is_present ? value : STR(""), is_last,
                 is_folded && field->type == FIELD_TEXT);
        return true;
    case FIELD_BOOL:
    case FIELD_INT:
    case FIELD_TIME:
    case FIELD_ENUM:
        if (is_present && !codec_number(field, value, &number)) {
            return false;
        }
        store_key_put_int(key, number);
        return true;
    case FIELD_OBJECT:
    case FIELD_LIST:
    case FIELD_JSON:
        break;
    }
    CHECK(false); /* refused at open */
    return false;
}

enum err store_index_key(struct store *store, const struct store_table *table, uint32_t index,
                         const struct codec_parts *parts, struct str primary, char *memory,
                         struct str *key) {
    const struct store_index *row = &table->indexes[index];
    const struct field *fields = table->row->schema->fields;
    struct buf values = buf_over(store->key_scratch, sizeof store->key_scratch);
    *key = STR_NONE;
    if ((parts->present >> row->fields[0] & 1) == 0) {
        return ERR_OK;
    }
    for (uint32_t part = 0; part < row->row->offset_count; part += 1) {
        uint32_t field = row->fields[part];
        bool is_last = row->row->is_unique && part + 1 == row->row->offset_count;
        if (!part_put(&values, &fields[field], (parts->present >> field & 1) != 0,
                      parts->values[field], is_last, row->row->is_folded)) {
            return ERR_CORRUPT;
        }
    }
    if (values.is_full) {
        return ERR_CORRUPT; /* a text far above its schema's limit */
    }
    struct str fitted = store_key_fit(buf_str(&values), row->values_bytes_max, memory);
    struct buf out = buf_over(memory, STORE_KEY_BYTES_MAX);
    if (fitted.data == memory) {
        out.len = fitted.len;
    } else {
        buf_put_str(&out, fitted);
    }
    if (!row->row->is_unique) {
        buf_put_str(&out, primary);
    }
    CHECK(!out.is_full);
    *key = buf_str(&out);
    return ERR_OK;
}
