/*
 * JSON to structs. Guarantees: the struct is written only inside its struct_bytes; a member's
 * `present` bit is set only when its value passed every check of its row; the result is ERR_OK only
 * when there is no fault.
 *
 * Nested objects and lists of objects do not recurse: each becomes a task at the end of a list, and
 * tasks are worked off in order. A task knows its parent, so a fault's path is made when there is a
 * fault and costs nothing otherwise.
 */
#include <string.h>

#include "base/num.h"
#include "json/internal.h"

/* One object, or one array of objects, to be decoded into items. */
struct task {
    struct task *next;
    const struct task *parent;
    uint32_t parent_index;     /* the parent's item that this lies in */
    const struct field *field; /* the row of the parent that this is the value of; NULL: the root */
    const struct schema *schema;
    yyjson_val *value;
    char *items; /* one, or as many as the array has elements */
};

struct task_list {
    struct task *first;
    struct task *last;
};

/* The object being decoded. */
struct site {
    struct decoder *decoder;
    struct task_list *tasks;
    const struct task *task;
    uint32_t index; /* item of the task */
    char *record;
};

/* --- faults ---------------------------------------------------------------------------------- */

static void put_part(struct buf *path, struct str part) {
    if (path->len > 0) {
        buf_put_byte(path, '.');
    }
    buf_put_str(path, part);
}

static void put_index(struct buf *path, uint32_t index) {
    buf_put_byte(path, '.');
    buf_put_u64(path, index);
}

/* The path of a task's item: "rules.0.match.2", empty for the root. */
static void put_item_path(struct buf *path, const struct task *task, uint32_t index) {
    const struct task *chain[SCHEMA_DEPTH_MAX];
    uint32_t indexes[SCHEMA_DEPTH_MAX];
    uint32_t depth = 0;
    while (task->field != NULL) {
        CHECK(depth < SCHEMA_DEPTH_MAX);
        chain[depth] = task;
        indexes[depth] = index;
        depth++;
        index = task->parent_index;
        task = task->parent;
    }
    while (depth > 0) {
        depth--;
        put_part(path, str_from_c(chain[depth]->field->name));
        if (chain[depth]->field->type == FIELD_LIST) {
            put_index(path, indexes[depth]);
        }
    }
}

/* Room for the path of any item: SCHEMA_DEPTH_MAX names and indexes. */
enum { ITEM_PATH_BYTES_MAX = 1024 };

/* `name` may be STR_NONE (the item itself); `element` is an index into the member, or -1. */
static void add_fault(const struct site *site, struct str name, int64_t element, struct str text) {
    struct decoder *decoder = site->decoder;
    if (decoder_is_done(decoder)) {
        return;
    }
    size_t bytes = ITEM_PATH_BYTES_MAX + (size_t)name.len;
    char *memory = arena_take(decoder->arena, bytes);
    if (memory == NULL) {
        decoder->is_full = true;
        return;
    }
    struct buf path = buf_over(memory, bytes);
    put_item_path(&path, site->task, site->index);
    if (!str_is_none(name)) {
        put_part(&path, name);
    }
    if (element >= 0) {
        put_index(&path, (uint32_t)element);
    }
    schema_fault_add(decoder->faults, buf_str(&path), text);
}

/* --- members --------------------------------------------------------------------------------- */

static struct str text_of(yyjson_val *value) {
    return str_from(yyjson_get_str(value), yyjson_get_len(value));
}

static bool number_of(yyjson_val *value, int64_t *number) {
    return yyjson_is_raw(value) &&
           json_number_to_i64(str_from(yyjson_get_raw(value), yyjson_get_len(value)), number);
}

static struct str decode_bool(const struct site *site, const struct field *field, yyjson_val *value,
                              bool *out) {
    int64_t number;
    if (yyjson_is_str(value)) {
        return value_from_text(site->decoder, field, FIELD_BOOL, text_of(value), out);
    }
    if (yyjson_is_bool(value)) {
        *out = yyjson_get_bool(value);
        return STR_NONE;
    }
    if (!number_of(value, &number) || number < 0 || number > 1) {
        return FAULT_BOOL;
    }
    *out = number == 1;
    return STR_NONE;
}

static struct str decode_int(const struct site *site, const struct field *field, yyjson_val *value,
                             int64_t *out) {
    if (yyjson_is_str(value)) {
        return value_from_text(site->decoder, field, FIELD_INT, text_of(value), out);
    }
    return number_of(value, out) ? value_check_range(site->decoder, field, *out) : FAULT_INT;
}

/* Free JSON leaves as it came, numbers to the last digit; only blanks and escapes are normalised.
 */
static struct str decode_json(const struct site *site, const struct field *field, yyjson_val *value,
                              struct str *out) {
    yyjson_alc allocator = json_allocator(site->decoder->arena);
    size_t len = 0;
    char *text = yyjson_val_write_opts(value, YYJSON_WRITE_NOFLAG, &allocator, &len, NULL);
    if (text == NULL) {
        site->decoder->is_full = true;
        return STR_NONE;
    }
    *out = str_from(text, len);
    return value_check_length(site->decoder, field, (int64_t)len);
}

static struct str decode_text(const struct site *site, const struct field *field,
                              enum field_type type, yyjson_val *value, void *out) {
    if (yyjson_is_str(value)) {
        return value_from_text(site->decoder, field, type, text_of(value), out);
    }
    return type == FIELD_ID ? FAULT_ID : type == FIELD_TIME ? FAULT_TIME : FAULT_STRING;
}

static void add_task(const struct site *site, const struct field *field, yyjson_val *value,
                     void *items) {
    struct task *task = ARENA_NEW(site->decoder->arena, struct task);
    if (task == NULL) {
        site->decoder->is_full = true;
        return;
    }
    *task = (struct task){.parent = site->task,
                          .parent_index = site->index,
                          .field = field,
                          .schema = field->of,
                          .value = value,
                          .items = items};
    site->tasks->last->next = task;
    site->tasks->last = task;
}

static struct str decode_object(const struct site *site, const struct field *field,
                                yyjson_val *value, void *out) {
    if (!yyjson_is_obj(value)) {
        return FAULT_MAPPING;
    }
    add_task(site, field, value, out);
    return STR_NONE;
}

static void decode_elements(const struct site *site, const struct field *field, yyjson_val *value,
                            char *items) {
    uint32_t index = 0;
    yyjson_arr_iter iter = yyjson_arr_iter_with(value);
    for (yyjson_val *element = yyjson_arr_iter_next(&iter);
         element != NULL && !decoder_is_done(site->decoder);
         element = yyjson_arr_iter_next(&iter)) {
        void *out = items + (size_t)index * schema_element_bytes(field);
        struct str fault = yyjson_is_null(element)
                               ? FAULT_NULL
                               : decode_text(site, field, field->element, element, out);
        if (!str_is_none(fault)) {
            add_fault(site, str_from_c(field->name), index, fault);
        }
        index++;
    }
}

static struct str decode_list(const struct site *site, const struct field *field, yyjson_val *value,
                              struct schema_list *out) {
    if (!yyjson_is_arr(value)) {
        return FAULT_LIST;
    }
    size_t count = yyjson_arr_size(value);
    struct str fault = value_check_length(site->decoder, field, (int64_t)count);
    if (!str_is_none(fault)) {
        return fault;
    }
    char *items = arena_take(site->decoder->arena, count * schema_element_bytes(field));
    if (items == NULL) {
        site->decoder->is_full = true;
        return STR_NONE;
    }
    *out = (struct schema_list){items, (uint32_t)count};
    if (field->of != NULL) {
        add_task(site, field, value, items);
    } else {
        decode_elements(site, field, value, items);
    }
    return STR_NONE;
}

static struct str decode_value(const struct site *site, const struct field *field,
                               yyjson_val *value) {
    void *out = field_place(site->record, field);
    switch (field->type) {
    case FIELD_BOOL:
        return decode_bool(site, field, value, out);
    case FIELD_INT:
        return decode_int(site, field, value, out);
    case FIELD_TIME:
    case FIELD_ID:
    case FIELD_TEXT:
    case FIELD_BYTES:
    case FIELD_ENUM:
        return decode_text(site, field, field->type, value, out);
    case FIELD_OBJECT:
        return decode_object(site, field, value, out);
    case FIELD_LIST:
        return decode_list(site, field, value, out);
    case FIELD_JSON:
        return decode_json(site, field, value, out);
    }
    CHECK(!"a known type");
    return STR_NONE;
}

static void decode_member(const struct site *site, const struct field *field, yyjson_val *value) {
    struct schema_set *set = (struct schema_set *)(void *)site->record;
    uint64_t bit = field_bit(site->task->schema, field);
    if (yyjson_is_null(value) && (field->flags & FIELD_NULLABLE) != 0) {
        set->null |= bit;
        return;
    }
    struct str fault = yyjson_is_null(value) ? FAULT_NULL : decode_value(site, field, value);
    if (str_is_none(fault)) {
        set->present |= bit;
    } else {
        add_fault(site, str_from_c(field->name), -1, fault);
    }
}

static void decode_members(const struct site *site, yyjson_val *object) {
    const struct schema *schema = site->task->schema;
    uint64_t seen = 0;
    yyjson_obj_iter iter = yyjson_obj_iter_with(object);
    for (yyjson_val *key = yyjson_obj_iter_next(&iter);
         key != NULL && !decoder_is_done(site->decoder); key = yyjson_obj_iter_next(&iter)) {
        const struct field *field = schema_field(schema, text_of(key));
        if (field == NULL) {
            if (!schema->ignores_unknown) {
                add_fault(site, text_of(key), -1, FAULT_UNKNOWN);
            }
            continue;
        }
        seen |= field_bit(schema, field);
        decode_member(site, field, yyjson_obj_iter_get_val(key));
    }
    for (uint32_t i = 0; i < schema->field_count; i++) {
        const struct field *field = &schema->fields[i];
        if ((field->flags & FIELD_REQUIRED) != 0 && (seen & field_bit(schema, field)) == 0) {
            add_fault(site, str_from_c(field->name), -1, FAULT_MISSING);
        }
    }
}

/* --- tasks ----------------------------------------------------------------------------------- */

static void decode_item(struct site *site, yyjson_val *value) {
    site->record = site->task->items + (size_t)site->index * site->task->schema->struct_bytes;
    if (yyjson_is_obj(value)) {
        decode_members(site, value);
    } else {
        add_fault(site, STR_NONE, -1, yyjson_is_null(value) ? FAULT_NULL : FAULT_MAPPING);
    }
}

static void run_task(struct decoder *decoder, struct task_list *tasks, const struct task *task) {
    struct site site = {.decoder = decoder, .tasks = tasks, .task = task};
    if (!yyjson_is_arr(task->value)) {
        decode_item(&site, task->value);
        return;
    }
    yyjson_arr_iter iter = yyjson_arr_iter_with(task->value);
    for (yyjson_val *element = yyjson_arr_iter_next(&iter);
         element != NULL && !decoder_is_done(decoder); element = yyjson_arr_iter_next(&iter)) {
        decode_item(&site, element);
        site.index++;
    }
}

enum err schema_decode(const struct schema *schema, struct str json, struct arena *arena, void *out,
                       struct schema_faults *faults) {
    CHECK(out != NULL);
    CHECK(faults != NULL);
    memset(out, 0, schema->struct_bytes);
    faults->count = 0;
    faults->is_object_missing = false;
    yyjson_val *root;
    enum err err = json_parse_raw(json, arena, &root);
    if (err != ERR_OK) {
        return err;
    }
    if (!yyjson_is_obj(root)) {
        faults->is_object_missing = true;
        return ERR_VALIDATION;
    }
    struct decoder decoder = {.arena = arena, .faults = faults};
    struct task first = {.schema = schema, .value = root, .items = out};
    struct task_list tasks = {&first, &first};
    for (const struct task *task = &first; task != NULL && !decoder_is_done(&decoder);
         task = task->next) {
        run_task(&decoder, &tasks, task);
    }
    return decoder_result(&decoder);
}
