/* What minute jobs share, see job.h. */
#include "engine/job.h"

enum err job_check(const struct store_view *view, const struct command *command,
                   struct outcome *outcome) {
    (void)view;
    (void)command;
    (void)outcome;
    return ERR_OK;
}

static struct str key_of(const struct table *table, const char *record) {
    const void *key = record + table->key_offset;
    for (uint32_t i = 0; i < table->schema->field_count; i++) {
        const struct field *field = &table->schema->fields[i];
        if (field->offset == table->key_offset && field->type == FIELD_ID) {
            return id_bytes(key);
        }
    }
    return *(const struct str *)key; /* TEXT or BYTES: rows with numbers for keys are logs */
}

void job_prune(struct store_tx *tx, const struct command *command, const struct table *table,
               uint32_t index, int64_t before_us) {
    struct store_scope system = {.kind = STORE_SCOPE_SYSTEM};
    struct store_scan scan;
    struct arena one;
    char *record = arena_take(command->arena, table->schema->struct_bytes);
    CHECK(record != NULL);
    const int64_t *time = (const void *)(record + table->indexes[index].offsets[0]);
    arena_init(&one, command->arena->pool, STORE_RECORD_BYTES_MAX);
    enum err err =
        store_scan_open(&scan, store_tx_view(tx), system, table, index, STR_NONE, STR_NONE, false);
    for (uint32_t i = 0; i < JOB_PRUNE_MAX && err == ERR_OK; i++) {
        err = store_scan_next(&scan, &one, record);
        if (err == ERR_OK && *time >= before_us) {
            err = ERR_END;
        }
        if (err == ERR_OK) {
            store_del(tx, table, key_of(table, record));
        }
        arena_reset(&one);
    }
    store_scan_close(&scan);
}
