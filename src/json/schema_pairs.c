/* Text pairs to structs: query strings, path parameters, form fields. Flat, so one pass. */
#include <string.h>

#include "base/decode.h"
#include "json/internal.h"

static bool has_text_form(const struct field *field) {
    return field->type == FIELD_BOOL || field->type == FIELD_INT || field->type == FIELD_TIME ||
           field->type == FIELD_ID || field->type == FIELD_TEXT || field->type == FIELD_ENUM;
}

/* The name goes back to whoever sent it, inside JSON: no NUL, and UTF-8. */
static void add_unknown(struct decoder *decoder, struct str name) {
    char *path = arena_take(decoder->arena, name.len);
    if (path == NULL) {
        decoder->is_full = true;
        return;
    }
    for (uint32_t i = 0; i < name.len; i++) {
        path[i] = name.data[i];
        if (path[i] == '\0') {
            path[i] = '?';
        }
    }
    utf8_repair(path, name.len);
    schema_fault_add(decoder->faults, str_from(path, name.len), FAULT_UNKNOWN);
}

static void decode_pair(struct decoder *decoder, const struct schema *schema,
                        const struct schema_pair *pair, void *out, uint64_t *seen) {
    const struct field *field = schema_field(schema, pair->name);
    if (field == NULL) {
        if (!schema->ignores_unknown) {
            add_unknown(decoder, pair->name);
        }
        return;
    }
    CHECK(has_text_form(field));
    struct schema_set *set = out;
    uint64_t bit = field_bit(schema, field);
    struct str fault = FAULT_REPEATED;
    if ((*seen & bit) == 0) {
        struct str text = str_is_none(pair->value) ? STR("") : pair->value;
        fault = value_from_text(decoder, field, field->type, text, field_place(out, field));
    }
    *seen |= bit;
    if (str_is_none(fault)) {
        set->present |= bit;
    } else {
        set->present &= ~bit;
        schema_fault_add(decoder->faults, str_from_c(field->name), fault);
    }
}

enum err schema_decode_pairs(const struct schema *schema, const struct schema_pair *pairs,
                             uint32_t pair_count, struct arena *arena, void *out,
                             struct schema_faults *faults) {
    CHECK(out != NULL);
    CHECK(faults != NULL);
    memset(out, 0, schema->struct_bytes);
    faults->count = 0;
    faults->is_object_missing = false;
    struct decoder decoder = {.arena = arena, .faults = faults};
    uint64_t seen = 0;
    for (uint32_t i = 0; i < pair_count && !decoder_is_done(&decoder); i++) {
        decode_pair(&decoder, schema, &pairs[i], out, &seen);
    }
    for (uint32_t i = 0; i < schema->field_count; i++) {
        const struct field *field = &schema->fields[i];
        if ((field->flags & FIELD_REQUIRED) != 0 && (seen & field_bit(schema, field)) == 0) {
            schema_fault_add(faults, str_from_c(field->name), FAULT_MISSING);
        }
    }
    return decoder_result(&decoder);
}
