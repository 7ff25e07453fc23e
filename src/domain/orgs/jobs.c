/*
 * Once a minute, a bounded piece each.
 *
 * Deleted organizations lose their members, keys and policies: a bounded number of rows with the
 * deletion itself, the rest here, once a minute. Nothing finds those rows meanwhile, because every
 * way to them starts at the organization.
 */
#include "domain/orgs/jobs.h"

#include "domain/mail/mail.h"
#include "domain/orgs/invitations.h"
#include "domain/orgs/keys.h"
#include "domain/orgs/policy.h"
#include "engine/job.h"

enum { PURGE_ROWS_MAX = 256 };

/* Every table whose rows belong to an organization; the index starts with it. */
static const struct purge_table {
    const struct table *table;
    uint32_t index;
} purge_tables[] = {
    {&member_table, MEMBER_INDEX_PAIR},
    {&api_key_table, KEY_INDEX_OWNER},
    {&member_policy_table, MEMBER_POLICY_INDEX_PAIR},
    {&compliance_note_table, NOTE_INDEX_PAIR},
    {&policy_table, STORE_PRIMARY},
    {&invitation_table, INVITATION_INDEX_PAIR},
    {&mail_template_table, MAIL_TEMPLATE_INDEX_PAIR},
};

/* True when nothing is left in this table. */
static bool table_purge(struct store_tx *tx, const struct command *command,
                        const struct purge_table *row, struct id organization_id,
                        uint32_t *row_count) {
    char prefix_bytes[ID_BYTES];
    struct buf prefix = buf_over(prefix_bytes, sizeof(prefix_bytes));
    struct store_scan scan;
    char *record = arena_take(command->arena, row->table->schema->struct_bytes);
    CHECK(record != NULL);
    store_key_put_id(&prefix, organization_id);
    enum err err = store_scan_open(&scan, store_tx_view(tx), organization_scope(organization_id),
                                   row->table, row->index, buf_str(&prefix), STR_NONE, false);
    while (err == ERR_OK && *row_count < PURGE_ROWS_MAX) {
        err = store_scan_next(&scan, command->arena, record);
        if (err == ERR_OK) {
            const struct id *key = (const void *)(record + row->table->key_offset);
            store_del(tx, row->table, id_bytes(key));
            (*row_count)++;
        }
    }
    store_scan_close(&scan);
    return err == ERR_END;
}

void organization_purge(struct store_tx *tx, const struct command *command,
                        struct organization *organization) {
    CHECK(SCHEMA_HAS(&organization_schema, organization, deleted_at));
    uint32_t row_count = 0;
    bool is_done = true;
    for (uint32_t i = 0; i < COUNT_OF(purge_tables) && is_done; i++) {
        is_done = table_purge(tx, command, &purge_tables[i], organization->id, &row_count);
    }
    if (is_done) {
        SCHEMA_CLEAR(&organization_schema, organization, purge_at);
        store_put(tx, &organization_table, organization);
    }
}

static void purge_apply(struct store_tx *tx, const struct command *command,
                        struct outcome *outcome) {
    (void)outcome;
    struct store_scope system = {.kind = STORE_SCOPE_SYSTEM};
    struct organization organization;
    struct store_scan scan;
    enum err err = store_scan_open(&scan, store_tx_view(tx), system, &organization_table,
                                   ORGANIZATION_INDEX_PURGE, STR_NONE, STR_NONE, false);
    if (err == ERR_OK) {
        err = store_scan_next(&scan, command->arena, &organization);
        store_scan_close(&scan);
    }
    if (err == ERR_OK) {
        organization_purge(tx, command, &organization);
    }
}

const struct command_row organizations_purge_command = {
    .name = "orgs.purge",
    .frees_room = true,
    .check = job_check,
    .apply = purge_apply,
};

/* ---- policies ---- */

static void sweep_apply(struct store_tx *tx, const struct command *command,
                        struct outcome *outcome) {
    (void)outcome;
    struct store_scope system = {.kind = STORE_SCOPE_SYSTEM};
    struct policy policy;
    struct store_scan scan;
    enum err err = store_scan_open(&scan, store_tx_view(tx), system, &policy_table,
                                   POLICY_INDEX_STALE, STR_NONE, STR_NONE, false);
    if (err == ERR_OK) {
        err = store_scan_next(&scan, command->arena, &policy);
        store_scan_close(&scan);
    }
    if (err == ERR_OK) {
        policy_sweep(tx, command, &policy);
    }
}

const struct command_row policies_sweep_command = {
    .name = "orgs.policies",
    .check = job_check,
    .apply = sweep_apply,
};
