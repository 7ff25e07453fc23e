/*
 * Texts to values, by field type, and the limits on values. Shared by JSON bodies (where texts are
 * JSON strings) and pairs (where everything is text).
 */
#include <string.h>

#include "base/decode.h"
#include "base/num.h"
#include "base/time.h"
#include "json/internal.h"

enum { FAULT_BYTES_MAX = 512 }; /* a list of values longer than this is cut */

bool decoder_is_done(const struct decoder *decoder) {
    return decoder->is_full || decoder->faults->count == SCHEMA_FAULTS_MAX;
}

enum err decoder_result(const struct decoder *decoder) {
    if (decoder->is_full) {
        return ERR_NO_MEMORY;
    }
    bool is_ok = decoder->faults->count == 0 && !decoder->faults->is_object_missing;
    return is_ok ? ERR_OK : ERR_VALIDATION;
}

/* Keeps a fault text that was made on the stack. */
static struct str keep_text(struct decoder *decoder, const struct buf *text) {
    struct str kept = arena_copy(decoder->arena, buf_str(text));
    decoder->is_full = decoder->is_full || str_is_none(kept);
    return kept;
}

static struct str labelled(const struct field *field, struct str standard) {
    return field->label != NULL ? str_from_c(field->label) : standard;
}

/* --- limits ---------------------------------------------------------------------------------- */

struct str value_check_range(struct decoder *decoder, const struct field *field, int64_t value) {
    int64_t min = schema_field_min(field);
    int64_t max = schema_field_max(field);
    if (value >= min && value <= max) {
        return STR_NONE;
    }
    if (field->label != NULL) {
        return str_from_c(field->label);
    }
    char memory[FAULT_BYTES_MAX];
    struct buf text = buf_over(memory, sizeof memory);
    buf_put_c(&text, "Must be ");
    if (min != INT64_MIN) {
        buf_put_c(&text, "greater than or equal to ");
        buf_put_i64(&text, min);
    }
    if (max != INT64_MAX) {
        buf_put_c(&text, min != INT64_MIN ? " and " : "");
        buf_put_c(&text, "less than or equal to ");
        buf_put_i64(&text, max);
    }
    buf_put_byte(&text, '.');
    return keep_text(decoder, &text);
}

struct str value_check_length(struct decoder *decoder, const struct field *field, int64_t length) {
    int64_t min = schema_field_min(field);
    int64_t max = schema_field_max(field);
    if (length >= min && length <= max) {
        return STR_NONE;
    }
    if (field->label != NULL) {
        return str_from_c(field->label);
    }
    char memory[FAULT_BYTES_MAX];
    struct buf text = buf_over(memory, sizeof memory);
    bool has_both = field->min != 0 && field->max != 0;
    if (has_both && min == max) {
        buf_put_c(&text, "Length must be ");
        buf_put_i64(&text, min);
    } else if (has_both) {
        buf_put_c(&text, "Length must be between ");
        buf_put_i64(&text, min);
        buf_put_c(&text, " and ");
        buf_put_i64(&text, max);
    } else {
        buf_put_c(&text,
                  length < min ? "Shorter than minimum length " : "Longer than maximum length ");
        buf_put_i64(&text, length < min ? min : max);
    }
    buf_put_byte(&text, '.');
    return keep_text(decoder, &text);
}

/* --- one function per type ------------------------------------------------------------------- */

static bool is_one_of(struct str text, const char *const *values, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (str_equal(text, str_from_c(values[i]))) {
            return true;
        }
    }
    return false;
}

static struct str bool_from_text(struct str text, bool *value) {
    static const char *const yes[] = {"t",  "T", "true", "True", "TRUE", "on",  "On",
                                      "ON", "y", "Y",    "yes",  "Yes",  "YES", "1"};
    static const char *const no[] = {"f",   "F", "false", "False", "FALSE", "off", "Off",
                                     "OFF", "n", "N",     "no",    "No",    "NO",  "0"};
    *value = is_one_of(text, yes, COUNT_OF(yes));
    return *value || is_one_of(text, no, COUNT_OF(no)) ? STR_NONE : FAULT_BOOL;
}

static struct str int_from_text(struct decoder *decoder, const struct field *field, struct str text,
                                int64_t *value) {
    struct str digits = str_starts(text, STR("+")) ? str_slice(text, 1, text.len) : text;
    if (digits.len < text.len && str_starts(digits, STR("-"))) {
        return FAULT_INT;
    }
    return str_parse_i64(digits, value) ? value_check_range(decoder, field, *value) : FAULT_INT;
}

static struct str format_fault(enum field_format format) {
    switch (format) {
    case FORMAT_EMAIL:
        return STR("Not a valid email address.");
    case FORMAT_URL:
        return STR("Not a valid URL.");
    case FORMAT_PHONE:
        return STR("Not a valid phone number.");
    case FORMAT_DATE:
        return STR("Not a valid date.");
    case FORMAT_SLUG:
        return STR("Not a valid slug.");
    case FORMAT_DIGITS:
        return STR("Must contain only digits.");
    case FORMAT_NONE:
        break;
    }
    return FAULT_STRING;
}

/* A copy with A-Z made small; the text itself when there is nothing to change. */
static struct str lower_case(struct decoder *decoder, struct str text) {
    uint32_t at = 0;
    while (at < text.len && !(text.data[at] >= 'A' && text.data[at] <= 'Z')) {
        at++;
    }
    if (at == text.len) {
        return text;
    }
    char *copy = arena_take(decoder->arena, text.len);
    if (copy == NULL) {
        decoder->is_full = true;
        return text;
    }
    for (uint32_t i = 0; i < text.len; i++) {
        bool is_upper = text.data[i] >= 'A' && text.data[i] <= 'Z';
        copy[i] = (char)(text.data[i] + (is_upper ? 'a' - 'A' : 0));
    }
    return str_from(copy, text.len);
}

static struct str choice_fault(struct decoder *decoder, const struct field *field) {
    if (field->label != NULL) {
        return str_from_c(field->label);
    }
    char memory[FAULT_BYTES_MAX];
    struct buf text = buf_over(memory, sizeof memory);
    buf_put_c(&text, "Must be one of: ");
    for (uint32_t i = 0; field->values[i] != NULL; i++) {
        buf_put_c(&text, i > 0 ? ", " : "");
        buf_put_c(&text, field->values[i]);
    }
    buf_put_byte(&text, '.');
    return keep_text(decoder, &text);
}

/* The limits of a LIST count its elements; an element has the default limits. */
static struct str text_from_text(struct decoder *decoder, const struct field *field,
                                 struct str text, struct str *value) {
    if (!utf8_is_valid(text) || str_has_byte(text, '\0')) {
        return FAULT_STRING;
    }
    static const struct field element_limits = {.type = FIELD_TEXT};
    bool is_element = field->type == FIELD_LIST;
    struct str fault =
        value_check_length(decoder, is_element ? &element_limits : field, utf8_count(text));
    if (!str_is_none(fault)) {
        return fault;
    }
    if (field->format != FORMAT_NONE && !schema_format_check(field->format, text)) {
        return labelled(field, format_fault(field->format));
    }
    if (field->values != NULL) {
        uint32_t i = 0;
        while (field->values[i] != NULL && !str_equal(text, str_from_c(field->values[i]))) {
            i++;
        }
        if (field->values[i] == NULL) {
            return choice_fault(decoder, field);
        }
    }
    *value = field->format == FORMAT_EMAIL ? lower_case(decoder, text) : text;
    return STR_NONE;
}

static struct str bytes_from_text(struct decoder *decoder, const struct field *field,
                                  struct str text, struct str *value) {
    char *memory = arena_take(decoder->arena, (size_t)text.len / 4 * 3 + 3);
    if (memory == NULL) {
        decoder->is_full = true;
        return STR_NONE;
    }
    struct buf out = buf_over(memory, (size_t)text.len / 4 * 3 + 3);
    if (!decode_base64url(text, &out)) {
        return FAULT_BYTES;
    }
    *value = buf_str(&out);
    return value_check_length(decoder, field, value->len);
}

static struct str enum_from_text(struct decoder *decoder, const struct field *field,
                                 struct str text, int32_t *value) {
    for (int32_t i = 0; field->values[i] != NULL; i++) {
        if (str_equal(text, str_from_c(field->values[i]))) {
            *value = i;
            return STR_NONE;
        }
    }
    return choice_fault(decoder, field);
}

struct str value_from_text(struct decoder *decoder, const struct field *field,
                           enum field_type field_type, struct str text, void *out) {
    switch (field_type) {
    case FIELD_BOOL:
        return bool_from_text(text, out);
    case FIELD_INT:
        return int_from_text(decoder, field, text, out);
    case FIELD_TIME:
        return time_parse(text, out) ? STR_NONE : FAULT_TIME;
    case FIELD_ID:
        return id_parse(text, out) ? STR_NONE : FAULT_ID;
    case FIELD_TEXT:
        return text_from_text(decoder, field, text, out);
    case FIELD_BYTES:
        return bytes_from_text(decoder, field, text, out);
    case FIELD_ENUM:
        return enum_from_text(decoder, field, text, out);
    case FIELD_OBJECT:
    case FIELD_LIST:
    case FIELD_JSON:
        break;
    }
    CHECK(!"a type that has a text form");
    return STR_NONE;
}
