/*
 * Export, see person.h. One part:
 *
 *   {"exported_at": ..., "id": ..., "complete": false, "next_cursor": "...",
 *    "data": {"users": [{...}], "sessions": [{...}], "members": [{..., "user_...": [...]}], ...}}
 *
 * The cursor is the number of a table right below the person and the key of its last row. A row and
 * what is below it are never parted.
 */
#include <stdio.h>
#include <string.h>

#include "base/time.h"
#include "engine/audit.h"
#include "engine/cursor.h"
#include "engine/person.h"

enum {
    EXPORT_ROWS_MAX = 1000, /* of one part: some milliseconds of the loop */
    /* A part also ends when this is all that is left: its text needs as much again as its tree. */
    EXPORT_ROOM_BYTES = REQUEST_ARENA_BYTES_MAX / 2,
    EXPORT_NAME_BYTES = 64,
};

struct export {
    struct request *request;
    const struct store_view *view;
    struct id person;
    void *self; /* the person's own row */
    yyjson_mut_doc *doc;
    uint32_t rows;
    bool is_full;
    char next_bytes[1 + STORE_KEY_BYTES_MAX];
    struct buf next;
};

static bool is_exported(const struct table *table) {
    return table->person.kind == PERSON_DATA || table->person.kind == PERSON_KEPT;
}

/* The row as an object of `list`. */
static enum err row_add(struct export *export, const struct table *table, void *row,
                        yyjson_mut_val *list, yyjson_mut_val **value) {
    enum err err = ERR_OK;
    if (table == &audit_table) {
        err = audit_origin_open(export->view, export->request->arena, row);
    }
    *value = json_object(export->doc);
    json_add_own_members(export->doc, *value, table->schema, row);
    json_append_val(export->doc, list, *value);
    export->rows++;
    return err;
}

static enum err row_next(struct export *export, const struct table *table, struct person_scan *scan,
                         void **row) {
    *row = arena_take(export->request->arena, table->schema->struct_bytes);
    return *row == NULL ? ERR_NO_MEMORY
                        : store_scan_next(&scan->scan, export->request->arena, *row);
}

static enum err below_add_table(struct export *export, const struct person_table *table,
                                const void *parent_row, yyjson_mut_val *object) {
    struct person_scan scan;
    yyjson_mut_val *list = json_add_array(export->doc, object, table->table->name);
    enum err err = person_scan_open(&scan, export->view, table, parent_row, STR_NONE);
    while (err == ERR_OK) {
        void *row;
        yyjson_mut_val *value;
        err = row_next(export, table->table, &scan, &row);
        if (err == ERR_OK) {
            err = row_add(export, table->table, row, list, &value);
        }
    }
    store_scan_close(&scan.scan);
    return err == ERR_END ? ERR_OK : err;
}

static enum err below_add(struct export *export, const struct table *parent, const void *row,
                          yyjson_mut_val *object) {
    uint32_t count;
    const struct person_table *tables = person_tables(&count);
    enum err err = ERR_OK;
    for (uint32_t i = 0; i < count && err == ERR_OK; i++) {
        if (tables[i].parent == parent && is_exported(tables[i].table)) {
            err = below_add_table(export, &tables[i], row, object);
        }
    }
    return err;
}

static void export_mark(struct export *export, uint32_t number, struct str key) {
    export->next.len = 0;
    buf_put_byte(&export->next, (uint8_t)number);
    buf_put_str(&export->next, key);
    CHECK(!export->next.is_full);
}

static bool has_room(const struct export *export) {
    return export->rows<EXPORT_ROWS_MAX &&export->request->arena->bytes_left> EXPORT_ROOM_BYTES;
}

/* ERR_END: the table has no more. ERR_OK: the part is full. */
static enum err table_add(struct export *export, uint32_t number, struct str after,
                          yyjson_mut_val *data) {
    uint32_t count;
    const struct person_table *table = &person_tables(&count)[number];
    struct person_scan scan;
    yyjson_mut_val *list = json_add_array(export->doc, data, table->table->name);
    enum err err = person_scan_open(&scan, export->view, table, export->self, after);
    if (err != ERR_OK) {
        return err;
    }
    while (err == ERR_OK && has_room(export)) {
        void *row;
        yyjson_mut_val *value;
        err = row_next(export, table->table, &scan, &row);
        if (err == ERR_OK) {
            export_mark(export, number, scan.scan.row_key);
            err = row_add(export, table->table, row, list, &value);
        }
        if (err == ERR_OK) {
            err = below_add(export, table->table, row, value);
        }
    }
    store_scan_close(&scan.scan);
    return err;
}

static enum err tables_add(struct export *export, struct str cursor, yyjson_mut_val *data) {
    uint32_t count;
    const struct person_table *tables = person_tables(&count);
    uint32_t first = cursor.len > 0 ? (uint8_t)cursor.data[0] : 0;
    struct str after = cursor.len > 0 ? str_slice(cursor, 1, cursor.len) : STR_NONE;
    enum err err = first < count && cursor.len != 1 ? ERR_END : ERR_CURSOR_INVALID;
    if (err == ERR_END && cursor.len > 0 &&
        (tables[first].parent != person_self() || !is_exported(tables[first].table))) {
        err = ERR_CURSOR_INVALID;
    }
    for (uint32_t i = first; i < count && err == ERR_END; i++) {
        if (tables[i].parent == person_self() && is_exported(tables[i].table)) {
            err = table_add(export, i, after, data);
            after = STR_NONE;
        }
    }
    export->is_full = err == ERR_OK;
    return err == ERR_END ? ERR_OK : err;
}

/* The person's own row, in the first part. */
static enum err self_add(struct export *export, struct str cursor, yyjson_mut_val *data) {
    struct store_scope system = {.kind = STORE_SCOPE_SYSTEM};
    const struct table *table = person_self();
    yyjson_mut_val *value;
    export->self = arena_take(export->request->arena, table->schema->struct_bytes);
    if (export->self == NULL) {
        return ERR_NO_MEMORY;
    }
    enum err err = store_get(export->view, system, table, id_bytes(&export->person),
                             export->request->arena, export->self);
    if (err != ERR_OK || cursor.len > 0) {
        return err;
    }
    return row_add(export, table, export->self, json_add_array(export->doc, data, table->name),
                   &value);
}

static enum err export_finish(struct export *export, yyjson_mut_val *root) {
    struct request *request = export->request;
    char *name = arena_take(request->arena, EXPORT_NAME_BYTES);
    if (name == NULL) {
        return ERR_NO_MEMORY;
    }
    struct buf out = buf_over(name, EXPORT_NAME_BYTES);
    buf_put_c(&out, "coffer-");
    id_format(export->person, &out);
    buf_put_c(&out, ".json");
    CHECK(!out.is_full);
    request->raw_name = buf_str(&out);
    request->raw_type = STR("application/json");
    return json_write(export->doc, root, request->arena, &request->raw_body);
}

enum err person_export(struct request *request, const struct store_view *view, struct id person,
                       struct str cursor) {
    struct export export = {.request = request, .view = view, .person = person};
    char after_bytes[1 + STORE_KEY_BYTES_MAX];
    struct buf after = buf_over(after_bytes, sizeof(after_bytes));
    export.next = buf_over(export.next_bytes, sizeof(export.next_bytes));
    export.doc = json_doc(request->arena);
    request->outcome.doc = export.doc; /* where cursor_add writes */
    yyjson_mut_val *root = json_object(export.doc);
    yyjson_mut_val *data = json_object(export.doc);
    enum err err = cursor_parse(cursor, STR(""), &after);
    if (err == ERR_OK) {
        err = self_add(&export, buf_str(&after), data);
    }
    if (err == ERR_OK) {
        err = tables_add(&export, buf_str(&after), data);
    }
    if (err != ERR_OK) {
        return err;
    }
    json_add_time(export.doc, root, "exported_at", request->command.now_us, TIME_FORM_RFC3339);
    json_add_id(export.doc, root, "id", person);
    json_add_bool(export.doc, root, "complete", !export.is_full);
    cursor_add(request, root, export.is_full ? buf_str(&export.next) : STR_NONE);
    json_add_val(export.doc, root, "data", data);
    return export_finish(&export, root);
}
