/* The rules of person.h, the keys, and erasure. */
#include "engine/person.h"

#include <stdio.h>
#include <string.h>

#include "crypto/mac.h"
#include "os/panic.h"

/* ---- the rules ---- */

static struct person_table tables[STORE_TABLES_MAX];
static uint32_t table_count;
static const struct table *self;
static struct seal_key like; /* for seal_key_open_raw */

static enum err rule_refuse(const struct table *table, const char *why, const char **problem) {
    static char text[160];
    (void)snprintf(text, sizeof(text), "table %s: %s", table->name, why);
    *problem = text;
    return ERR_FORMAT;
}

static const struct table *table_named(const struct module *const *modules, uint32_t module_count,
                                       const char *name) {
    for (uint32_t m = 0; m < module_count; m++) {
        for (uint32_t i = 0; i < modules[m]->table_count; i++) {
            if (strcmp(modules[m]->tables[i]->name, name) == 0) {
                return modules[m]->tables[i];
            }
        }
    }
    return NULL;
}

static const struct field *key_field(const struct table *table) {
    const struct field *field = table->schema->fields;
    while (field->offset != table->key_offset) {
        field++; /* the store has checked that there is one */
    }
    return field;
}

/* The field of the parent that part `number` of the index has to equal, or NULL behind the last. */
static const struct field *by_field(const struct person_table *table, uint32_t number) {
    const struct table_person *rule = &table->table->person;
    if (rule->by[0] == NULL) {
        return number == 0 ? key_field(table->parent) : NULL;
    }
    return number < COUNT_OF(rule->by) && rule->by[number] != NULL
               ? schema_field(table->parent->schema, str_from_c(rule->by[number]))
               : NULL;
}

static bool by_is_sound(const struct table_person *rule, const struct table *parent) {
    if (rule->by[0] == NULL) {
        return key_field(parent)->type == FIELD_ID;
    }
    for (uint32_t i = 0; i < COUNT_OF(rule->by) && rule->by[i] != NULL; i++) {
        const struct field *field = schema_field(parent->schema, str_from_c(rule->by[i]));
        if (field == NULL || (field->type != FIELD_ID && field->type != FIELD_TEXT)) {
            return false;
        }
    }
    return true;
}

/* Two levels are enough for every table there is, and keep both walks plain loops. */
static const char *rule_problem(const struct table *table, const struct table *parent) {
    const struct table_person *rule = &table->person;
    if (parent == NULL) {
        return "the table that its rows are of is not there";
    }
    if (parent != self && (parent->person.of == NULL || strcmp(parent->person.of, self->name))) {
        return "its rows are more than two steps away from the person";
    }
    if (rule->index != STORE_PRIMARY && rule->index >= table->index_count) {
        return "it has no such index";
    }
    return by_is_sound(rule, parent) ? NULL : "it is found by what its parent does not have";
}

static bool has_personal(const struct schema *schema) {
    for (uint32_t i = 0; i < schema->field_count; i++) {
        if ((schema->fields[i].flags & FIELD_PERSONAL) != 0) {
            return true;
        }
    }
    return false;
}

static enum err rule_add(const struct module *const *modules, uint32_t module_count,
                         const struct table *table, uint32_t level, const char **problem) {
    if (table->person.kind == PERSON_UNSAID) {
        return rule_refuse(table, "it does not say whose rows it has (struct table_person)",
                           problem);
    }
    if (table->person.kind == PERSON_NOBODY && has_personal(table->schema)) {
        return rule_refuse(table, "it has personal fields, so it is about somebody", problem);
    }
    if (table->person.of == NULL) {
        bool is_whole = table->person.kind == PERSON_NOBODY || table->person.kind == PERSON_APART ||
                        table->person.kind == PERSON_SELF;
        return is_whole ? ERR_OK : rule_refuse(table, "it does not say of what", problem);
    }
    const struct table *parent = table_named(modules, module_count, table->person.of);
    const char *why = rule_problem(table, parent);
    if (why != NULL) {
        return rule_refuse(table, why, problem);
    }
    if ((parent == self) == (level == 0)) {
        CHECK(table_count < STORE_TABLES_MAX);
        tables[table_count++] = (struct person_table){.table = table, .parent = parent};
    }
    return ERR_OK;
}

static const struct table *self_find(const struct module *const *modules, uint32_t module_count) {
    for (uint32_t m = 0; m < module_count; m++) {
        for (uint32_t i = 0; i < modules[m]->table_count; i++) {
            if (modules[m]->tables[i]->person.kind == PERSON_SELF) {
                return modules[m]->tables[i];
            }
        }
    }
    return NULL;
}

enum err person_open(const struct module *const *modules, uint32_t module_count,
                     const char **problem) {
    static const struct secret_key any;
    enum err err = ERR_OK;
    seal_key_open(&like, &any);
    table_count = 0;
    self = self_find(modules, module_count);
    for (uint32_t level = 0; level < 2; level++) {
        for (uint32_t m = 0; m < module_count; m++) {
            for (uint32_t i = 0; i < modules[m]->table_count && err == ERR_OK; i++) {
                err = rule_add(modules, module_count, modules[m]->tables[i], level, problem);
            }
        }
    }
    return err;
}

const struct person_table *person_tables(uint32_t *count) {
    *count = table_count;
    return tables;
}

const struct table *person_self(void) {
    return self;
}

/* ---- rows ---- */

enum err person_scan_open(struct person_scan *scan, const struct store_view *view,
                          const struct person_table *table, const void *parent_row,
                          struct str after) {
    struct store_scope system = {.kind = STORE_SCOPE_SYSTEM};
    scan->prefix = buf_over(scan->prefix_bytes, sizeof(scan->prefix_bytes));
    for (uint32_t i = 0; by_field(table, i) != NULL; i++) {
        const struct field *field = by_field(table, i);
        const void *member = (const char *)parent_row + field->offset;
        if (field->type == FIELD_ID) {
            store_key_put_id(&scan->prefix, *(const struct id *)member);
        } else {
            store_key_put_text(&scan->prefix, *(const struct str *)member, false);
        }
    }
    CHECK(!scan->prefix.is_full);
    CHECK(scan->prefix.len > 0);
    if (!str_is_none(after) && !str_starts(after, buf_str(&scan->prefix))) {
        return ERR_CURSOR_INVALID;
    }
    return store_scan_open(&scan->scan, view, system, table->table, table->table->person.index,
                           buf_str(&scan->prefix), after, false);
}

/* ---- keys ---- */

struct person_key {
    struct schema_set set;
    struct id person_id;
    struct str bytes;
    int64_t created_at;
    int64_t erased_at;
};

static const struct field person_key_fields[] = {
    FIELD(struct person_key, person_id, FIELD_ID, .tag = 1, .flags = FIELD_REQUIRED,
          .doc = "Whose key."),
    FIELD(struct person_key, bytes, FIELD_BYTES, .tag = 2, .flags = FIELD_SECRET,
          .max = SEAL_RAW_KEY_BYTES, .doc = "The key; absent: destroyed."),
    FIELD(struct person_key, created_at, FIELD_TIME, .tag = 3, .flags = FIELD_REQUIRED,
          .doc = "First use."),
    FIELD(struct person_key, erased_at, FIELD_TIME, .tag = 4, .doc = "When it was destroyed."),
};

static const struct schema person_key_schema =
    SCHEMA("PersonKey", struct person_key, person_key_fields);

const struct table person_key_table = {
    .name = "person_keys",
    .id = 20,
    .version = 1,
    .schema = &person_key_schema,
    .key_offset = offsetof(struct person_key, person_id),
    .person = {.kind = PERSON_NOBODY}, /* person_erase has its own way with it */
    .doc = "Keys under which personal parts of lasting records are sealed.",
};

static void key_use(const struct person_key *row, struct seal_key *key) {
    CHECK(row->bytes.len == SEAL_RAW_KEY_BYTES);
    seal_key_open_raw(key, &like, (const uint8_t *)row->bytes.data);
}

static enum err key_load(const struct store_view *view, struct id person, struct arena *arena,
                         struct person_key *row) {
    struct store_scope system = {.kind = STORE_SCOPE_SYSTEM};
    return store_get(view, system, &person_key_table, id_bytes(&person), arena, row);
}

enum err person_key_get(const struct store_view *view, struct id person, struct arena *arena,
                        struct seal_key *key) {
    struct person_key row;
    enum err err = key_load(view, person, arena, &row);
    if (err == ERR_OK && str_is_none(row.bytes)) {
        err = ERR_NOT_FOUND;
    }
    if (err == ERR_OK) {
        key_use(&row, key);
    }
    return err;
}

static void key_make(struct store_tx *tx, const struct command *command, struct id person,
                     struct seal_key *key) {
    uint8_t entropy[32];
    uint8_t bytes[SEAL_RAW_KEY_BYTES];
    command_entropy(command, "person key", entropy);
    kdf_derive(str_from((const char *)entropy, sizeof(entropy)), id_bytes(&person),
               STR("coffer person key"), bytes, sizeof(bytes));
    struct person_key row = {.person_id = person,
                             .bytes = str_from((const char *)bytes, sizeof(bytes)),
                             .created_at = command->now_us};
    SCHEMA_SET(&person_key_schema, &row, person_id);
    SCHEMA_SET(&person_key_schema, &row, bytes);
    SCHEMA_SET(&person_key_schema, &row, created_at);
    store_put(tx, &person_key_table, &row);
    key_use(&row, key);
    crypto_wipe(entropy, sizeof(entropy));
    crypto_wipe(bytes, sizeof(bytes));
}

bool person_key_take(struct store_tx *tx, const struct command *command, struct id person,
                     struct seal_key *key) {
    struct person_key row;
    enum err err = key_load(store_tx_view(tx), person, command->arena, &row);
    if (err == ERR_NOT_FOUND) {
        key_make(tx, command, person, key);
        return true;
    }
    if (err != ERR_OK) {
        panic_exit("person", "the key of a person cannot be read: run coffer fsck");
    }
    if (str_is_none(row.bytes)) {
        return false;
    }
    key_use(&row, key);
    return true;
}

void person_key_destroy(struct store_tx *tx, const struct command *command, struct id person) {
    struct person_key row = {
        .person_id = person, .created_at = command->now_us, .erased_at = command->now_us};
    SCHEMA_SET(&person_key_schema, &row, person_id);
    SCHEMA_SET(&person_key_schema, &row, created_at);
    SCHEMA_SET(&person_key_schema, &row, erased_at);
    store_put(tx, &person_key_table, &row);
}

/* ---- erasure ---- */

enum { ERASE_ROW_BYTES_MAX = 2 * STORE_RECORD_BYTES_MAX };

static void row_remove(struct store_tx *tx, const struct table *table, const void *row) {
    const struct field *field = key_field(table);
    const void *member = (const char *)row + field->offset;
    uint8_t number[8];
    if (field->type == FIELD_ID) {
        store_del(tx, table, id_bytes(member));
    } else if (field->type == FIELD_INT) {
        store_del(tx, table, store_key_int(*(const int64_t *)member, number));
    } else {
        store_del(tx, table, *(const struct str *)member);
    }
}

static bool is_removed(const struct table *table) {
    return table->person.kind == PERSON_DATA || table->person.kind == PERSON_MARKS;
}

typedef void (*rows_below)(struct store_tx *tx, const struct command *command,
                           const struct table *parent, const void *parent_row);

/* However many there are: each row has the same memory, and the loop gets its turns. */
static void rows_remove(struct store_tx *tx, const struct command *command,
                        const struct person_table *table, const void *parent_row,
                        rows_below below) {
    struct person_scan scan;
    struct arena memory;
    arena_init(&memory, command->arena->pool, ERASE_ROW_BYTES_MAX);
    enum err err = person_scan_open(&scan, store_tx_view(tx), table, parent_row, STR_NONE);
    while (err == ERR_OK) {
        void *row = arena_take(&memory, table->table->schema->struct_bytes);
        CHECK(row != NULL);
        err = store_scan_next(&scan.scan, &memory, row);
        if (err == ERR_OK && below != NULL) {
            below(tx, command, table->table, row);
        }
        if (err == ERR_OK) {
            row_remove(tx, table->table, row);
        }
        arena_reset(&memory);
        store_tx_breathe(tx);
    }
    store_scan_close(&scan.scan);
    if (err != ERR_END) {
        panic_exit("person", "the rows of a person cannot be read: run coffer fsck");
    }
}

static void second_level_remove(struct store_tx *tx, const struct command *command,
                                const struct table *parent, const void *parent_row) {
    for (uint32_t i = 0; i < table_count; i++) {
        if (tables[i].parent == parent && is_removed(tables[i].table)) {
            rows_remove(tx, command, &tables[i], parent_row, NULL);
        }
    }
}

void person_erase(struct store_tx *tx, const struct command *command, struct id person) {
    struct store_scope system = {.kind = STORE_SCOPE_SYSTEM};
    CHECK(self != NULL);
    void *row = arena_take(command->arena, self->schema->struct_bytes);
    CHECK(row != NULL);
    enum err err =
        store_get(store_tx_view(tx), system, self, id_bytes(&person), command->arena, row);
    CHECK(err == ERR_OK);
    for (uint32_t i = 0; i < table_count; i++) {
        if (tables[i].parent == self && is_removed(tables[i].table)) {
            rows_remove(tx, command, &tables[i], row, second_level_remove);
        }
    }
    person_key_destroy(tx, command, person);
}
