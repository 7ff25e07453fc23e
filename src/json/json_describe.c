/*
 * Schemas as JSON Schema (2020-12 dialect, as OpenAPI 3.1 embeds it). Input and output of one
 * schema differ: input says what is required and refuses what is unknown; output leaves out what is
 * never shown and says which members are always there.
 */
#include <string.h>

#include "base/buf.h"
#include "json/internal.h"

enum { REF_BYTES_MAX = 256 };

static bool is_nullable(const struct field *field, bool is_input) {
    bool is_null_when_missing = !is_input && (field->flags & (FIELD_REQUIRED | FIELD_OMIT)) == 0;
    return (field->flags & FIELD_NULLABLE) != 0 || is_null_when_missing;
}

static bool is_shown(const struct field *field, bool is_input) {
    uint16_t unseen = is_input ? FIELD_HIDDEN : FIELD_HIDDEN | FIELD_SECRET | FIELD_SENSITIVE;
    return (field->flags & unseen) == 0;
}

static bool is_required(const struct field *field, bool is_input) {
    return is_input ? (field->flags & FIELD_REQUIRED) != 0 : (field->flags & FIELD_OMIT) == 0;
}

static void add_type(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *type,
                     bool may_be_null) {
    if (!may_be_null) {
        json_add_str(doc, object, "type", str_from_c(type));
        return;
    }
    yyjson_mut_val *types = json_add_array(doc, object, "type");
    json_append_str(doc, types, str_from_c(type));
    json_append_str(doc, types, STR("null"));
}

static void add_format(yyjson_mut_doc *doc, yyjson_mut_val *object, enum field_format format) {
    switch (format) {
    case FORMAT_NONE:
        return;
    case FORMAT_EMAIL:
        json_add_str(doc, object, "format", STR("email"));
        return;
    case FORMAT_URL:
        json_add_str(doc, object, "format", STR("uri"));
        return;
    case FORMAT_DATE:
        json_add_str(doc, object, "format", STR("date"));
        return;
    case FORMAT_PHONE:
        json_add_str(doc, object, "pattern", STR("^\\+?([ .()-]*[0-9]){8,15}[ .()-]*$"));
        return;
    case FORMAT_SLUG:
        json_add_str(doc, object, "pattern", STR("^[a-z0-9]+(-[a-z0-9]+)*$"));
        return;
    case FORMAT_DIGITS:
        json_add_str(doc, object, "pattern", STR("^[0-9]+$"));
        return;
    }
}

static void add_choices(yyjson_mut_doc *doc, yyjson_mut_val *object, const struct field *field,
                        bool may_be_null) {
    yyjson_mut_val *choices = json_add_array(doc, object, "enum");
    for (uint32_t i = 0; field->values[i] != NULL; i++) {
        json_append_str(doc, choices, str_from_c(field->values[i]));
    }
    if (may_be_null) {
        json_append_val(doc, choices, yyjson_mut_null(doc));
    }
}

static void add_limits(yyjson_mut_doc *doc, yyjson_mut_val *object, const struct field *field,
                       const char *min_key, const char *max_key) {
    int64_t min = schema_field_min(field);
    int64_t max = schema_field_max(field);
    bool has_min = field->type == FIELD_INT ? min != INT64_MIN : min != 0;
    if (has_min) {
        json_add_int(doc, object, min_key, min);
    }
    if (max != INT64_MAX) {
        json_add_int(doc, object, max_key, max);
    }
}

static void add_ref(yyjson_mut_doc *doc, yyjson_mut_val *object, const struct schema *schema) {
    char memory[REF_BYTES_MAX];
    struct buf ref = buf_over(memory, sizeof memory);
    buf_put_c(&ref, "#/components/schemas/");
    buf_put_c(&ref, schema->name);
    CHECK(!ref.is_full);
    json_add_val(doc, object, "$ref", yyjson_mut_strncpy(doc, ref.data, ref.len));
}

/* A reference cannot be "or null" by its type; it needs a choice around it. */
static void describe_object(yyjson_mut_doc *doc, yyjson_mut_val *object, const struct field *field,
                            bool may_be_null) {
    if (!may_be_null) {
        add_ref(doc, object, field->of);
        return;
    }
    yyjson_mut_val *choices = json_add_array(doc, object, "anyOf");
    yyjson_mut_val *ref = json_object(doc);
    yyjson_mut_val *null = json_object(doc);
    add_ref(doc, ref, field->of);
    json_add_str(doc, null, "type", STR("null"));
    json_append_val(doc, choices, ref);
    json_append_val(doc, choices, null);
}

static void describe_list(yyjson_mut_doc *doc, yyjson_mut_val *object, const struct field *field,
                          bool may_be_null, bool is_input) {
    add_type(doc, object, "array", may_be_null);
    yyjson_mut_val *items = json_add_object(doc, object, "items");
    if (field->of != NULL) {
        add_ref(doc, items, field->of);
    } else {
        json_add_str(doc, items, "type", STR("string"));
        if (field->element == FIELD_ID) {
            json_add_str(doc, items, "format", STR("uuid"));
        }
        add_format(doc, items, field->format);
        if (field->values != NULL) {
            add_choices(doc, items, field, false);
        }
    }
    if (is_input) {
        add_limits(doc, object, field, "minItems", "maxItems");
    }
}

static void describe_type(yyjson_mut_doc *doc, yyjson_mut_val *object, const struct field *field,
                          bool is_input) {
    bool may_be_null = is_nullable(field, is_input);
    switch (field->type) {
    case FIELD_BOOL:
        add_type(doc, object, "boolean", may_be_null);
        return;
    case FIELD_INT:
        add_type(doc, object, "integer", may_be_null);
        json_add_str(doc, object, "format", STR("int64"));
        add_limits(doc, object, field, "minimum", "maximum");
        return;
    case FIELD_TIME:
        add_type(doc, object, "string", may_be_null);
        /* The naive form has no zone, so it is no date-time of RFC 3339. */
        if (is_input || field->time_form != TIME_FORM_NAIVE) {
            json_add_str(doc, object, "format", STR("date-time"));
        }
        return;
    case FIELD_ID:
        add_type(doc, object, "string", may_be_null);
        json_add_str(doc, object, "format", STR("uuid"));
        return;
    case FIELD_TEXT:
        add_type(doc, object, "string", may_be_null);
        add_format(doc, object, field->format);
        add_limits(doc, object, field, "minLength", "maxLength");
        return;
    case FIELD_BYTES:
        add_type(doc, object, "string", may_be_null);
        json_add_str(doc, object, "contentEncoding", STR("base64url"));
        return;
    case FIELD_ENUM:
        add_type(doc, object, "string", may_be_null);
        add_choices(doc, object, field, may_be_null);
        return;
    case FIELD_OBJECT:
        describe_object(doc, object, field, may_be_null);
        return;
    case FIELD_LIST:
        describe_list(doc, object, field, may_be_null, is_input);
        return;
    case FIELD_JSON:
        return; /* anything: the empty schema */
    }
}

static void describe_field(yyjson_mut_doc *doc, yyjson_mut_val *properties,
                           const struct field *field, bool is_input) {
    yyjson_mut_val *object = json_add_object(doc, properties, field->name);
    describe_type(doc, object, field, is_input);
    if (field->doc != NULL) {
        json_add_str(doc, object, "description", str_from_c(field->doc));
    }
    if (is_input && (field->flags & (FIELD_SENSITIVE | FIELD_SECRET)) != 0) {
        json_add_bool(doc, object, "writeOnly", true);
    }
}

yyjson_mut_val *json_describe(yyjson_mut_doc *doc, const struct schema *schema, bool is_input) {
    if (doc == NULL) {
        return NULL;
    }
    yyjson_mut_val *object = json_object(doc);
    json_add_str(doc, object, "type", STR("object"));
    yyjson_mut_val *properties = json_add_object(doc, object, "properties");
    yyjson_mut_val *required = json_array(doc);
    for (uint32_t i = 0; i < schema->field_count; i++) {
        const struct field *field = &schema->fields[i];
        if (!is_shown(field, is_input)) {
            continue;
        }
        describe_field(doc, properties, field, is_input);
        if (is_required(field, is_input)) {
            json_append_str(doc, required, str_from_c(field->name));
        }
    }
    if (required != NULL && yyjson_mut_arr_size(required) > 0) {
        json_add_val(doc, object, "required", required);
    }
    if (is_input && !schema->ignores_unknown) {
        json_add_bool(doc, object, "additionalProperties", false);
    }
    return object;
}
