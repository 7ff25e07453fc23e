/* Records as bytes; the form is described in codec.h. */
#include "store/codec.h"

#include <libdeflate.h>
#include <string.h>

/* ---- numbers ---- */

void codec_varint_put(struct buf *out, uint64_t value) {
    while (value >= 0x80) {
        buf_put_byte(out, (uint8_t)(value | 0x80));
        value >>= 7;
    }
    buf_put_byte(out, (uint8_t)value);
}

bool codec_varint_take(struct str *rest, uint64_t *value) {
    uint64_t result = 0;
    for (uint32_t index = 0; index < 5 && index < rest->len; index += 1) {
        uint8_t byte = (uint8_t)rest->data[index];
        result |= (uint64_t)(byte & 0x7f) << (7 * index);
        if ((byte & 0x80) == 0) {
            *rest = (struct str){rest->data + index + 1, rest->len - index - 1};
            *value = result;
            return index == 0 || byte != 0;
        }
    }
    return false;
}

/* Takes varint(length) and so many bytes. */
static bool value_take(struct str *rest, struct str *value) {
    uint64_t len = 0;
    if (!codec_varint_take(rest, &len) || len > rest->len) {
        return false;
    }
    *value = (struct str){rest->data, (uint32_t)len};
    *rest = (struct str){rest->data + len, rest->len - (uint32_t)len};
    return true;
}

/* Puts length and number. */
static void number_put(struct buf *out, int64_t number) {
    uint64_t zigzag = ((uint64_t)number << 1) ^ (number < 0 ? UINT64_MAX : 0);
    uint8_t bytes[9];
    uint32_t count = 0;
    while (zigzag != 0) {
        count += 1;
        bytes[count] = (uint8_t)zigzag;
        zigzag >>= 8;
    }
    bytes[0] = (uint8_t)count;
    buf_put(out, bytes, count + 1);
}

bool codec_number(const struct field *field, struct str value, int64_t *number) {
    if (field->type == FIELD_BOOL) {
        if (value.len != 1 || (uint8_t)value.data[0] > 1) {
            return false;
        }
        *number = value.data[0];
        return true;
    }
    if (value.len > 8 || (value.len > 0 && value.data[value.len - 1] == 0)) {
        return false;
    }
    uint64_t zigzag = 0;
    for (uint32_t index = value.len; index > 0; index -= 1) {
        zigzag = zigzag << 8 | (uint8_t)value.data[index - 1];
    }
    uint64_t bits = (zigzag >> 1) ^ ((zigzag & 1) != 0 ? UINT64_MAX : 0);
    memcpy(number, &bits, sizeof *number);
    return true;
}

/* ---- schemas ---- */

uint32_t codec_field_index(const struct schema *schema, uint32_t offset) {
    for (uint32_t index = 0; index < schema->field_count; index += 1) {
        if (schema->fields[index].offset == offset) {
            return index;
        }
    }
    CHECK(false); /* a row names a member that its schema does not have */
    return 0;
}

static bool field_is_text(const struct field *field) {
    return field->type == FIELD_TEXT || field->type == FIELD_BYTES || field->type == FIELD_JSON;
}

static const char *schema_problem(const struct schema *schema, uint32_t depth) {
    if (depth > CODEC_DEPTH_MAX) {
        return "a stored schema is nested too deeply";
    }
    for (uint32_t index = 0; index < schema->field_count; index += 1) {
        const struct field *field = &schema->fields[index];
        if (field->tag == 0) {
            continue;
        }
        bool is_secret = (field->flags & FIELD_SECRET) != 0;
        if (is_secret && (depth > 1 || !field_is_text(field))) {
            return "a FIELD_SECRET must be a text at the top of its record";
        }
        const char *problem = field->of == NULL ? NULL : schema_problem(field->of, depth + 1);
        if (problem != NULL) {
            return problem;
        }
    }
    return NULL;
}

bool codec_schema_is_storable(const struct schema *schema, const char **problem) {
    if (!schema_is_sound(schema, problem)) {
        return false;
    }
    *problem = schema_problem(schema, 1);
    return *problem == NULL;
}

/* ---- checksum and header ---- */

static uint32_t checksum_make(const struct codec_place *place, struct str bytes) {
    char memory[4 + STORE_KEY_BYTES_MAX + 3];
    struct buf head = buf_over(memory, sizeof memory);
    buf_put_be16(&head, place->table->id);
    buf_put_be16(&head, (uint16_t)place->key.len);
    buf_put_str(&head, place->key);
    buf_put(&head, bytes.data, 3);
    CHECK(!head.is_full);
    return libdeflate_crc32(libdeflate_crc32(0, memory, head.len), bytes.data + CODEC_HEADER_BYTES,
                            bytes.len - CODEC_HEADER_BYTES);
}

uint32_t codec_checksum(struct str bytes) {
    CHECK(bytes.len >= CODEC_HEADER_BYTES);
    const uint8_t *at = (const uint8_t *)bytes.data + 3;
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* ---- secrets ---- */

/* What a seal is bound to: table id, tag, key. */
static struct str seal_purpose(const struct codec_place *place, const struct field *field,
                               uint8_t memory[4 + STORE_KEY_BYTES_MAX]) {
    CHECK(place->key.len <= STORE_KEY_BYTES_MAX);
    struct buf purpose = buf_over(memory, 4 + STORE_KEY_BYTES_MAX);
    buf_put_be16(&purpose, place->table->id);
    buf_put_be16(&purpose, field->tag);
    buf_put_str(&purpose, place->key);
    return buf_str(&purpose);
}

/* True when `sealed` holds this plaintext. Opens it into the free part of `out` and takes it back,
 * so no secret stays behind. */
static bool seal_is_of(const struct seal_key *seal, struct str purpose, struct str sealed,
                       struct str plaintext, struct buf *out) {
    struct buf scratch = buf_over(out->data + out->len, buf_room(out));
    bool is_same = seal_open(seal, purpose, sealed, &scratch) == ERR_OK &&
                   str_equal_secret(buf_str(&scratch), plaintext);
    crypto_wipe(scratch.data, scratch.len);
    return is_same;
}

/* Puts length and sealed bytes. */
static void secret_put(const struct codec_place *place, const struct seal_key *seal,
                       struct str entropy, uint32_t index, struct str plaintext,
                       const struct codec_parts *old, struct buf *out) {
    const struct field *field = &place->table->schema->fields[index];
    uint8_t memory[4 + STORE_KEY_BYTES_MAX];
    struct str purpose = seal_purpose(place, field, memory);
    uint64_t bit = UINT64_C(1) << index;
    codec_varint_put(out, (uint64_t)plaintext.len + SEAL_OVERHEAD_BYTES);
    if (old != NULL && (old->present & bit) != 0 &&
        seal_is_of(seal, purpose, old->values[index], plaintext, out)) {
        buf_put_str(out, old->values[index]);
    } else if (seal_put(seal, purpose, entropy, plaintext, out) != ERR_OK) {
        out->is_full = true;
    }
}

/* ---- encoding ---- */

static void fields_put(const struct schema *schema, const void *record, uint32_t depth,
                       struct buf *out);

/* Objects and lists: their length is known only afterwards, so they are written behind a gap of 5
 * bytes and moved back onto their length. */
static uint32_t gap_open(struct buf *out) {
    static const char gap[5];
    uint32_t start = out->len;
    buf_put(out, gap, sizeof gap);
    return start;
}

static void gap_close(struct buf *out, uint32_t start) {
    if (out->is_full) {
        return;
    }
    uint32_t len = out->len - start - 5;
    char *data = out->data + start + 5;
    out->len = start;
    codec_varint_put(out, len);
    memmove(out->data + out->len, data, len);
    out->len += len;
}

static void list_put(const struct field *field, const struct schema_list *list, uint32_t depth,
                     struct buf *out) {
    for (uint32_t index = 0; index < list->count; index += 1) {
        if (field->of != NULL) {
            const char *items = list->items;
            uint32_t start = gap_open(out);
            fields_put(field->of, items + (size_t)index * field->of->struct_bytes, depth + 1, out);
            gap_close(out, start);
        } else if (field->element == FIELD_ID) {
            const struct id *ids = list->items;
            codec_varint_put(out, ID_BYTES);
            buf_put(out, ids[index].bytes, ID_BYTES);
        } else {
            const struct str *texts = list->items;
            codec_varint_put(out, texts[index].len);
            buf_put_str(out, texts[index]);
        }
    }
}

/* Puts length and value. */
static void value_put(const struct field *field, const void *member, uint32_t depth,
                      struct buf *out) {
    uint32_t start = 0;
    switch (field->type) {
    case FIELD_BOOL:
        buf_put_byte(out, 1);
        buf_put_byte(out, *(const bool *)member ? 1 : 0);
        break;
    case FIELD_INT:
    case FIELD_TIME:
        number_put(out, *(const int64_t *)member);
        break;
    case FIELD_ENUM:
        number_put(out, *(const int32_t *)member);
        break;
    case FIELD_ID:
        codec_varint_put(out, ID_BYTES);
        buf_put(out, ((const struct id *)member)->bytes, ID_BYTES);
        break;
    case FIELD_TEXT:
    case FIELD_BYTES:
    case FIELD_JSON:
        codec_varint_put(out, ((const struct str *)member)->len);
        buf_put_str(out, *(const struct str *)member);
        break;
    case FIELD_OBJECT:
        start = gap_open(out);
        fields_put(field->of, member, depth + 1, out);
        gap_close(out, start);
        break;
    case FIELD_LIST:
        start = gap_open(out);
        list_put(field, member, depth, out);
        gap_close(out, start);
        break;
    }
}

/* True when the field is to be written with a value; writes its head. */
static bool field_head_put(const struct field *field, uint32_t index, const struct schema_set *set,
                           struct buf *out) {
    uint64_t bit = UINT64_C(1) << index;
    if (field->tag == 0 || ((set->present | set->null) & bit) == 0) {
        return false;
    }
    bool is_null = (set->present & bit) == 0;
    codec_varint_put(out, (uint64_t)field->tag << 1 | (is_null ? 1 : 0));
    return !is_null;
}

/* Recursive by schema, not by data: at most CODEC_DEPTH_MAX deep. */
static void fields_put(const struct schema *schema, const void *record, uint32_t depth,
                       struct buf *out) {
    CHECK(depth <= CODEC_DEPTH_MAX);
    for (uint32_t index = 0; index < schema->field_count; index += 1) {
        const struct field *field = &schema->fields[index];
        if (field_head_put(field, index, record, out)) {
            value_put(field, (const char *)record + field->offset, depth, out);
        }
    }
}

void codec_encode(const struct codec_place *place, const struct seal_key *seal, struct str entropy,
                  const void *record, const struct codec_parts *old, struct buf *out) {
    const struct schema *schema = place->table->schema;
    uint32_t start = out->len;
    buf_put_byte(out, CODEC_FORMAT);
    buf_put_be16(out, place->table->version);
    buf_put_be32(out, 0);
    for (uint32_t index = 0; index < schema->field_count; index += 1) {
        const struct field *field = &schema->fields[index];
        const char *member = (const char *)record + field->offset;
        if (!field_head_put(field, index, record, out)) {
            continue;
        }
        if ((field->flags & FIELD_SECRET) != 0) {
            const struct str *plaintext = (const void *)member;
            secret_put(place, seal, entropy, index, *plaintext, old, out);
        } else {
            value_put(field, member, 1, out);
        }
    }
    if (!out->is_full) {
        uint32_t sum = checksum_make(place, (struct str){out->data + start, out->len - start});
        struct buf field = buf_over(out->data + start + 3, 4);
        buf_put_be32(&field, sum);
    }
}

/* ---- splitting ---- */

/* Index of the field with this tag. Fields come in the schema's order unless rows were moved, so
 * the search starts where the last one ended. field_count when there is none. */
static uint32_t tag_find(const struct schema *schema, uint64_t tag, uint32_t expected) {
    for (uint32_t step = 0; step < schema->field_count; step += 1) {
        uint32_t index = (expected + step) % schema->field_count;
        if (schema->fields[index].tag == tag) {
            return index;
        }
    }
    return schema->field_count;
}

static bool fields_split(const struct schema *schema, struct str rest, struct codec_parts *parts) {
    uint32_t expected = 0;
    parts->present = 0;
    parts->null = 0;
    while (rest.len > 0) {
        uint64_t head = 0;
        if (!codec_varint_take(&rest, &head) || head < 2) {
            return false;
        }
        uint32_t index = tag_find(schema, head >> 1, expected);
        uint64_t bit = UINT64_C(1) << (index & 63);
        if (index == schema->field_count || ((parts->present | parts->null) & bit) != 0) {
            return false;
        }
        expected = index + 1;
        if ((head & 1) != 0) {
            parts->null |= bit;
        } else if (value_take(&rest, &parts->values[index])) {
            parts->present |= bit;
        } else {
            return false;
        }
    }
    return true;
}

void codec_parts_find(const struct table *table, struct str bytes, struct codec_parts *parts) {
    CHECK(bytes.len >= CODEC_HEADER_BYTES);
    struct str fields = {bytes.data + CODEC_HEADER_BYTES, bytes.len - CODEC_HEADER_BYTES};
    bool is_whole = fields_split(table->schema, fields, parts);
    CHECK(is_whole);
}

enum err codec_split(const struct codec_place *place, struct str bytes, struct codec_parts *parts) {
    if (bytes.len < CODEC_HEADER_BYTES || bytes.data[0] != CODEC_FORMAT ||
        codec_checksum(bytes) != checksum_make(place, bytes)) {
        return ERR_CORRUPT;
    }
    uint32_t version = (uint32_t)(uint8_t)bytes.data[1] << 8 | (uint8_t)bytes.data[2];
    struct str fields = {bytes.data + CODEC_HEADER_BYTES, bytes.len - CODEC_HEADER_BYTES};
    if (version > place->table->version || !fields_split(place->table->schema, fields, parts)) {
        return ERR_CORRUPT;
    }
    return ERR_OK;
}

/* ---- decoding ---- */

static enum err fields_decode(const struct schema *schema, struct str bytes, uint32_t depth,
                              struct arena *arena, void *record);

static uint32_t element_bytes(const struct field *field) {
    if (field->of != NULL) {
        return field->of->struct_bytes;
    }
    return field->element == FIELD_ID ? sizeof(struct id) : sizeof(struct str);
}

static enum err text_decode(struct str value, struct arena *arena, struct str *out) {
    if (value.len == 0) {
        *out = STR("");
        return ERR_OK;
    }
    *out = arena_copy(arena, value);
    return str_is_none(*out) ? ERR_NO_MEMORY : ERR_OK;
}

static enum err element_decode(const struct field *field, struct str value, uint32_t depth,
                               struct arena *arena, void *item) {
    if (field->of != NULL) {
        return fields_decode(field->of, value, depth + 1, arena, item);
    }
    if (field->element != FIELD_ID) {
        return text_decode(value, arena, item);
    }
    if (value.len != ID_BYTES) {
        return ERR_CORRUPT;
    }
    memcpy(((struct id *)item)->bytes, value.data, ID_BYTES);
    return ERR_OK;
}

static enum err list_decode(const struct field *field, struct str value, uint32_t depth,
                            struct arena *arena, struct schema_list *list) {
    uint32_t count = 0;
    struct str item;
    for (struct str rest = value; rest.len > 0; count += 1) {
        if (!value_take(&rest, &item)) {
            return ERR_CORRUPT;
        }
    }
    uint32_t bytes = element_bytes(field);
    char *items = count == 0 ? NULL : arena_take(arena, (size_t)count * bytes);
    if (count > 0 && items == NULL) {
        return ERR_NO_MEMORY;
    }
    *list = (struct schema_list){.items = items, .count = count};
    enum err err = ERR_OK;
    struct str rest = value;
    for (uint32_t index = 0; index < count && err == ERR_OK; index += 1) {
        bool is_taken = value_take(&rest, &item);
        CHECK(is_taken); /* counted above */
        err = element_decode(field, item, depth, arena, items + (size_t)index * bytes);
    }
    return err;
}

static uint32_t enum_count(const struct field *field) {
    uint32_t count = 0;
    while (field->values[count] != NULL) {
        count += 1;
    }
    return count;
}

static enum err number_decode(const struct field *field, struct str value, void *member) {
    int64_t number = 0;
    if (!codec_number(field, value, &number)) {
        return ERR_CORRUPT;
    }
    if (field->type == FIELD_BOOL) {
        *(bool *)member = number != 0;
    } else if (field->type == FIELD_ENUM) {
        if (number < 0 || number >= enum_count(field)) {
            return ERR_CORRUPT;
        }
        *(int32_t *)member = (int32_t)number;
    } else {
        *(int64_t *)member = number;
    }
    return ERR_OK;
}

static enum err value_decode(const struct field *field, struct str value, uint32_t depth,
                             struct arena *arena, void *member) {
    switch (field->type) {
    case FIELD_BOOL:
    case FIELD_INT:
    case FIELD_TIME:
    case FIELD_ENUM:
        return number_decode(field, value, member);
    case FIELD_ID:
        if (value.len != ID_BYTES) {
            return ERR_CORRUPT;
        }
        memcpy(((struct id *)member)->bytes, value.data, ID_BYTES);
        return ERR_OK;
    case FIELD_TEXT:
    case FIELD_BYTES:
    case FIELD_JSON:
        return text_decode(value, arena, member);
    case FIELD_OBJECT:
        return fields_decode(field->of, value, depth + 1, arena, member);
    case FIELD_LIST:
        return list_decode(field, value, depth, arena, member);
    }
    CHECK(false);
    return ERR_CORRUPT;
}

static enum err fields_decode(const struct schema *schema, struct str bytes, uint32_t depth,
                              struct arena *arena, void *record) {
    CHECK(depth <= CODEC_DEPTH_MAX);
    struct codec_parts parts;
    if (!fields_split(schema, bytes, &parts)) {
        return ERR_CORRUPT;
    }
    struct schema_set *set = record;
    *set = (struct schema_set){.present = parts.present, .null = parts.null};
    enum err err = ERR_OK;
    for (uint32_t index = 0; index < schema->field_count && err == ERR_OK; index += 1) {
        if ((parts.present >> index & 1) != 0) {
            const struct field *field = &schema->fields[index];
            err = value_decode(field, parts.values[index], depth, arena,
                               (char *)record + field->offset);
        }
    }
    return err;
}

static enum err secret_decode(const struct codec_place *place, const struct seal_key *seal,
                              const struct field *field, struct str sealed, struct arena *arena,
                              struct str *out) {
    uint8_t memory[4 + STORE_KEY_BYTES_MAX];
    char *data = arena_take(arena, sealed.len + 1);
    if (data == NULL) {
        return ERR_NO_MEMORY;
    }
    struct buf plaintext = buf_over(data, sealed.len);
    if (seal_open(seal, seal_purpose(place, field, memory), sealed, &plaintext) != ERR_OK) {
        return ERR_CORRUPT;
    }
    *out = buf_str(&plaintext);
    return ERR_OK;
}

enum err codec_decode(const struct codec_place *place, const struct seal_key *seal,
                      const struct codec_parts *parts, struct arena *arena, void *record) {
    const struct schema *schema = place->table->schema;
    memset(record, 0, schema->struct_bytes);
    struct schema_set *set = record;
    *set = (struct schema_set){.present = parts->present, .null = parts->null};
    enum err err = ERR_OK;
    for (uint32_t index = 0; index < schema->field_count && err == ERR_OK; index += 1) {
        const struct field *field = &schema->fields[index];
        char *member = (char *)record + field->offset;
        if ((parts->present >> index & 1) == 0) {
            continue;
        }
        if ((field->flags & FIELD_SECRET) == 0) {
            err = value_decode(field, parts->values[index], 1, arena, member);
        } else if (seal != NULL) {
            err = secret_decode(place, seal, field, parts->values[index], arena,
                                (struct str *)(void *)member);
        } else {
            set->present &= ~(UINT64_C(1) << index);
        }
    }
    return err;
}
