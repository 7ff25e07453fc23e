/*
 * Schema rows: bits, sizes, limits, and whether rows are sane. Rows are constant data that the
 * program was compiled with, so an unsound one is our bug and stops the boot; everything else in
 * json/ relies on soundness and does not test it again.
 */
#include "json/schema.h"

#include <string.h>

#include "json/internal.h"

uint64_t field_bit(const struct schema *schema, const struct field *field) {
    ptrdiff_t index = field - schema->fields;
    CHECK(index >= 0);
    CHECK(index < schema->field_count);
    return UINT64_C(1) << index;
}

void *field_place(void *record, const struct field *field) {
    return (char *)record + field->offset;
}

const void *field_value(const void *record, const struct field *field) {
    return (const char *)record + field->offset;
}

uint64_t schema_bit(const struct schema *schema, size_t offset) {
    for (uint32_t i = 0; i < schema->field_count; i++) {
        if (schema->fields[i].offset == offset) {
            return UINT64_C(1) << i;
        }
    }
    CHECK(!"a field at this offset");
    return 0;
}

const struct field *schema_field(const struct schema *schema, struct str name) {
    for (uint32_t i = 0; i < schema->field_count; i++) {
        if (str_equal(str_from_c(schema->fields[i].name), name)) {
            return &schema->fields[i];
        }
    }
    return NULL;
}

/* 0: a type without a size of its own. */
static uint32_t type_bytes(enum field_type type) {
    switch (type) {
    case FIELD_BOOL:
        return sizeof(bool);
    case FIELD_INT:
    case FIELD_TIME:
        return sizeof(int64_t);
    case FIELD_ID:
        return sizeof(struct id);
    case FIELD_TEXT:
    case FIELD_BYTES:
    case FIELD_JSON:
        return sizeof(struct str);
    case FIELD_ENUM:
        return sizeof(int32_t);
    case FIELD_LIST:
        return sizeof(struct schema_list);
    case FIELD_OBJECT:
        return 0;
    }
    return 0;
}

uint32_t schema_member_bytes(const struct field *field) {
    return field->type == FIELD_OBJECT ? field->of->struct_bytes : type_bytes(field->type);
}

uint32_t schema_element_bytes(const struct field *field) {
    CHECK(field->type == FIELD_LIST);
    return field->of != NULL ? field->of->struct_bytes : type_bytes(field->element);
}

int64_t schema_field_min(const struct field *field) {
    bool is_unlimited = field->min == 0 && field->max == 0;
    return field->type == FIELD_INT && is_unlimited ? INT64_MIN : field->min;
}

int64_t schema_field_max(const struct field *field) {
    if (field->max != 0 || field->min < 0) {
        return field->max;
    }
    switch (field->type) {
    case FIELD_LIST:
        return SCHEMA_LIST_DEFAULT_MAX;
    case FIELD_TEXT:
    case FIELD_BYTES:
    case FIELD_JSON:
        return SCHEMA_TEXT_DEFAULT_MAX;
    case FIELD_BOOL:
    case FIELD_INT:
    case FIELD_TIME:
    case FIELD_ID:
    case FIELD_ENUM:
    case FIELD_OBJECT:
        break;
    }
    return INT64_MAX;
}

void schema_fault_add(struct schema_faults *faults, struct str path, struct str text) {
    if (faults->count < SCHEMA_FAULTS_MAX) {
        faults->faults[faults->count++] = (struct schema_fault){path, text};
    }
}

bool schema_fault_is_missing(const struct schema_fault *fault) {
    return str_equal(fault->text, FAULT_MISSING);
}

/* --- soundness ------------------------------------------------------------------------------- */

/* Each of these answers what is wrong, or NULL. */

static const char *check_values(const struct field *field) {
    if (field->values[0] == NULL) {
        return "no values";
    }
    for (uint32_t i = 0; field->values[i] != NULL; i++) {
        for (uint32_t j = 0; j < i; j++) {
            if (strcmp(field->values[i], field->values[j]) == 0) {
                return "a value twice";
            }
        }
    }
    return NULL;
}

static const char *check_list(const struct field *field) {
    if (field->of == NULL && field->element != FIELD_TEXT && field->element != FIELD_ID) {
        return "a list needs .of, or .element TEXT or ID";
    }
    if (field->of != NULL && field->element != 0) {
        return "a list has .of or .element, not both";
    }
    return NULL;
}

static const char *check_parts(const struct field *field) {
    bool holds_texts =
        field->type == FIELD_TEXT || (field->type == FIELD_LIST && field->element == FIELD_TEXT);
    if (field->type < FIELD_BOOL || field->type > FIELD_JSON) {
        return "no such type";
    }
    if ((field->type == FIELD_OBJECT) != (field->of != NULL) && field->type != FIELD_LIST) {
        return ".of belongs to objects and lists, and objects need it";
    }
    if (field->type == FIELD_ENUM && field->values == NULL) {
        return "an enum needs .values";
    }
    if (field->values != NULL && field->type != FIELD_ENUM &&
        !(field->type == FIELD_LIST && holds_texts)) {
        return ".values belong to enums and lists of texts";
    }
    if (field->format != FORMAT_NONE && !holds_texts) {
        return ".format belongs to texts";
    }
    if (field->type != FIELD_LIST && field->element != 0) {
        return ".element belongs to lists";
    }
    return NULL;
}

static const char *check_limits(const struct field *field) {
    bool has_limits = field->type == FIELD_INT || field->type == FIELD_TEXT ||
                      field->type == FIELD_BYTES || field->type == FIELD_JSON ||
                      field->type == FIELD_LIST;
    if (!has_limits) {
        return field->min == 0 && field->max == 0 ? NULL : "limits on a type without";
    }
    if (field->type != FIELD_INT && field->min < 0) {
        return "a length below zero";
    }
    if (field->type != FIELD_INT && schema_field_max(field) > UINT32_MAX) {
        return "a length that no text or list can have";
    }
    return schema_field_min(field) <= schema_field_max(field) ? NULL : "min above max";
}

static const char *check_field(const struct schema *schema, const struct field *field) {
    if (field->name == NULL || field->name[0] == '\0') {
        return "no name";
    }
    const char *problem = check_parts(field);
    if (problem == NULL && field->values != NULL) {
        problem = check_values(field);
    }
    if (problem == NULL && field->type == FIELD_LIST) {
        problem = check_list(field);
    }
    if (problem == NULL) {
        problem = check_limits(field);
    }
    if (problem != NULL) {
        return problem;
    }
    if (field->offset < sizeof(struct schema_set)) {
        return "the member lies in struct schema_set";
    }
    uint64_t end = (uint64_t)field->offset + schema_member_bytes(field);
    return end <= schema->struct_bytes ? NULL : "the member lies outside of the struct";
}

static const char *check_pair(const struct field *a, const struct field *b) {
    if (strcmp(a->name, b->name) == 0) {
        return "a name twice";
    }
    if (a->tag != 0 && a->tag == b->tag) {
        return "a tag twice";
    }
    if (a->offset < b->offset + schema_member_bytes(b) &&
        b->offset < a->offset + schema_member_bytes(a)) {
        return "two rows for the same bytes";
    }
    return NULL;
}

static const char *check_rows(const struct schema *schema, const struct field **where) {
    *where = NULL;
    if (schema->name == NULL || schema->fields == NULL || schema->field_count == 0) {
        return "a schema needs a name and fields";
    }
    if (schema->field_count > SCHEMA_FIELDS_MAX) {
        return "more fields than bits";
    }
    for (uint32_t i = 0; i < schema->field_count; i++) {
        *where = &schema->fields[i];
        const char *problem = check_field(schema, *where);
        for (uint32_t j = 0; problem == NULL && j < i; j++) {
            problem = check_pair(*where, &schema->fields[j]);
        }
        if (problem != NULL) {
            return problem;
        }
    }
    *where = NULL;
    return NULL;
}

struct schema_level {
    const struct schema *schema;
    uint32_t next; /* field to go into */
};

/* Depth first through the nested schemas. A cycle ends at SCHEMA_DEPTH_MAX. */
static const char *check_nested(const struct schema *schema, const struct field **where) {
    struct schema_level levels[SCHEMA_DEPTH_MAX];
    uint32_t depth = 1;
    levels[0] = (struct schema_level){schema, 0};
    while (depth > 0) {
        struct schema_level *level = &levels[depth - 1];
        const char *problem = level->next == 0 ? check_rows(level->schema, where) : NULL;
        if (problem != NULL) {
            return problem;
        }
        if (level->next == level->schema->field_count) {
            depth--;
            continue;
        }
        const struct field *field = &level->schema->fields[level->next++];
        if (field->of == NULL) {
            continue;
        }
        if (depth == SCHEMA_DEPTH_MAX) {
            *where = field;
            return "schemas nested too deep, or in a circle";
        }
        levels[depth++] = (struct schema_level){field->of, 0};
    }
    return NULL;
}

bool schema_is_sound_at(const struct schema *schema, const char **problem,
                        const struct field **where) {
    CHECK(problem != NULL);
    const struct field *at = NULL;
    *problem = check_nested(schema, &at);
    if (where != NULL) {
        *where = at;
    }
    return *problem == NULL;
}

bool schema_is_sound(const struct schema *schema, const char **problem) {
    return schema_is_sound_at(schema, problem, NULL);
}
