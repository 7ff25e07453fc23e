/*
 * Structs to JSON, by their schema; and faults to their wire form. As in schema_decode.c, nested
 * values are tasks on a list instead of recursion; yyjson lets a container be filled after it was
 * added.
 */
#include "base/buf.h"
#include "json/internal.h"

struct task {
    struct task *next;
    const struct schema *schema;
    const void *record;
    yyjson_mut_val *object;
};

struct writer {
    yyjson_mut_doc *doc;
    struct task *last;
    bool is_own; /* for the person whom it is about */
};

static void add_task(struct writer *writer, const struct schema *schema, const void *record,
                     yyjson_mut_val *object) {
    struct task *task = ARENA_NEW(json_doc_arena(writer->doc), struct task);
    if (task == NULL) {
        json_doc_fail(writer->doc);
        return;
    }
    *task = (struct task){.schema = schema, .record = record, .object = object};
    writer->last->next = task;
    writer->last = task;
}

static yyjson_mut_val *text_val(yyjson_mut_doc *doc, struct str text) {
    return str_is_none(text) ? yyjson_mut_null(doc) : yyjson_mut_strn(doc, text.data, text.len);
}

static yyjson_mut_val *bytes_val(yyjson_mut_doc *doc, struct str bytes) {
    if (str_is_none(bytes)) {
        return yyjson_mut_null(doc);
    }
    size_t cap = (size_t)bytes.len / 3 * 4 + 4;
    char *memory = arena_take(json_doc_arena(doc), cap);
    if (memory == NULL) {
        json_doc_fail(doc);
        return NULL;
    }
    struct buf text = buf_over(memory, cap);
    buf_put_base64url(&text, bytes.data, bytes.len);
    CHECK(!text.is_full);
    return yyjson_mut_strn(doc, text.data, text.len);
}

static yyjson_mut_val *enum_val(yyjson_mut_doc *doc, const struct field *field, int32_t index) {
    CHECK(index >= 0);
    for (int32_t i = 0; i < index; i++) {
        CHECK(field->values[i] != NULL);
    }
    CHECK(field->values[index] != NULL);
    return yyjson_mut_str(doc, field->values[index]);
}

static yyjson_mut_val *list_val(struct writer *writer, const struct field *field,
                                const struct schema_list *list) {
    yyjson_mut_doc *doc = writer->doc;
    yyjson_mut_val *array = json_array(doc);
    const char *items = list->items;
    for (uint32_t i = 0; i < list->count && array != NULL; i++) {
        const void *item = items + (size_t)i * schema_element_bytes(field);
        yyjson_mut_val *element;
        if (field->of != NULL) {
            element = json_object(doc);
            add_task(writer, field->of, item, element);
        } else if (field->element == FIELD_ID) {
            element = json_id_val(doc, *(const struct id *)item);
        } else {
            element = text_val(doc, *(const struct str *)item);
        }
        json_append_val(doc, array, element);
    }
    return array;
}

static yyjson_mut_val *member_val(struct writer *writer, const struct field *field,
                                  const void *place) {
    yyjson_mut_doc *doc = writer->doc;
    switch (field->type) {
    case FIELD_BOOL:
        return yyjson_mut_bool(doc, *(const bool *)place);
    case FIELD_INT:
        return yyjson_mut_sint(doc, *(const int64_t *)place);
    case FIELD_TIME:
        return json_time_val(doc, *(const int64_t *)place, field->time_form);
    case FIELD_ID:
        return json_id_val(doc, *(const struct id *)place);
    case FIELD_TEXT:
        return text_val(doc, *(const struct str *)place);
    case FIELD_BYTES:
        return bytes_val(doc, *(const struct str *)place);
    case FIELD_ENUM:
        return enum_val(doc, field, *(const int32_t *)place);
    case FIELD_JSON: {
        struct str text = *(const struct str *)place;
        return text.len == 0 ? yyjson_mut_null(doc) : yyjson_mut_rawn(doc, text.data, text.len);
    }
    case FIELD_OBJECT: {
        yyjson_mut_val *object = json_object(doc);
        add_task(writer, field->of, place, object);
        return object;
    }
    case FIELD_LIST:
        return list_val(writer, field, place);
    }
    CHECK(!"a known type");
    return NULL;
}

static bool is_kept_back(const struct writer *writer, const struct field *field) {
    bool is_inner = (field->flags & (FIELD_SECRET | FIELD_HIDDEN | FIELD_SENSITIVE)) != 0;
    return is_inner && !(writer->is_own && (field->flags & FIELD_PERSONAL) != 0);
}

static void add_members(struct writer *writer, const struct task *task) {
    const struct schema_set *set = task->record;
    for (uint32_t i = 0; i < task->schema->field_count; i++) {
        const struct field *field = &task->schema->fields[i];
        bool is_present = (set->present >> i & 1) != 0;
        if (is_kept_back(writer, field) || (!is_present && (field->flags & FIELD_OMIT) != 0)) {
            continue;
        }
        yyjson_mut_val *value = is_present
                                    ? member_val(writer, field, field_value(task->record, field))
                                    : yyjson_mut_null(writer->doc);
        json_add_val(writer->doc, task->object, field->name, value);
    }
}

static void add_all(struct writer *writer, struct task *first) {
    if (writer->doc == NULL) {
        return;
    }
    CHECK(first->record != NULL);
    writer->last = first;
    for (const struct task *task = first; task != NULL; task = task->next) {
        add_members(writer, task);
    }
}

void json_add_members(yyjson_mut_doc *doc, yyjson_mut_val *object, const struct schema *schema,
                      const void *value) {
    struct task first = {.schema = schema, .record = value, .object = object};
    struct writer writer = {.doc = doc};
    add_all(&writer, &first);
}

void json_add_own_members(yyjson_mut_doc *doc, yyjson_mut_val *object, const struct schema *schema,
                          const void *value) {
    struct task first = {.schema = schema, .record = value, .object = object};
    struct writer writer = {.doc = doc, .is_own = true};
    add_all(&writer, &first);
}

/* --- faults ---------------------------------------------------------------------------------- */

static void add_keyed(yyjson_mut_doc *doc, yyjson_mut_val *object, struct str key,
                      yyjson_mut_val *value) {
    if (object != NULL) {
        yyjson_mut_val *name = yyjson_mut_strn(doc, key.data, key.len);
        (void)yyjson_mut_obj_add(object, name, value); /* a shortage is on the document's record */
    }
}

/* Where the text list for `path` belongs: *object moves inwards, *path becomes its last part. An
 * unknown member may be called anything: where the way is blocked by a text list, or the path has
 * odd dots, what is left of it stays one key. */
static void find_place(yyjson_mut_doc *doc, yyjson_mut_val **object, struct str *path) {
    for (uint32_t level = 0; level < 2 * SCHEMA_DEPTH_MAX; level++) {
        struct str rest = *path;
        struct str part = str_split(&rest, '.');
        if (rest.len == 0 || part.len == 0) {
            return;
        }
        yyjson_mut_val *inner = yyjson_mut_obj_getn(*object, part.data, part.len);
        if (inner == NULL) {
            inner = json_object(doc);
            add_keyed(doc, *object, part, inner);
        } else if (!yyjson_mut_is_obj(inner)) {
            return;
        }
        *object = inner;
        *path = rest;
    }
}

static void add_fault(yyjson_mut_doc *doc, yyjson_mut_val *object, struct str path,
                      struct str text) {
    find_place(doc, &object, &path);
    yyjson_mut_val *texts = yyjson_mut_obj_getn(object, path.data, path.len);
    while (yyjson_mut_is_obj(texts)) { /* faults inside are there already */
        object = texts;
        path = STR("_schema");
        texts = yyjson_mut_obj_getn(object, path.data, path.len);
    }
    if (texts == NULL) {
        texts = json_array(doc);
        add_keyed(doc, object, path, texts);
    }
    json_append_str(doc, texts, text);
}

void json_add_faults(yyjson_mut_doc *doc, yyjson_mut_val *object,
                     const struct schema_faults *faults) {
    if (doc == NULL) {
        return;
    }
    if (faults->is_object_missing) {
        add_fault(doc, object, STR("_schema"), STR("Invalid input type."));
    }
    for (uint32_t i = 0; i < faults->count; i++) {
        add_fault(doc, object, faults->faults[i].path, faults->faults[i].text);
    }
}
