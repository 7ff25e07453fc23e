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
#include "engine/audit.h"

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

static enum err nothing_to_check(const struct store_view *view, const struct command *command,
                                 struct outcome *outcome) {
    (void)view;
    (void)command;
    (void)outcome;
    return ERR_OK;
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
    .check = nothing_to_check,
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
    .check = nothing_to_check,
    .apply = sweep_apply,
};

enum { SUSPEND_NOTES_MAX = 64 };

/* The first note whose time is over. */
static bool due_next(struct store_tx *tx, const struct command *command,
                     struct compliance_note *note) {
    struct store_scope system = {.kind = STORE_SCOPE_SYSTEM};
    struct store_scan scan;
    enum err err = store_scan_open(&scan, store_tx_view(tx), system, &compliance_note_table,
                                   NOTE_INDEX_DUE, STR_NONE, STR_NONE, false);
    if (err == ERR_OK) {
        err = store_scan_next(&scan, command->arena, note);
        store_scan_close(&scan);
    }
    return err == ERR_OK && note->due_at <= command->now_us;
}

static void member_suspend(struct store_tx *tx, const struct command *command, struct user *user,
                           struct judgement *judgement) {
    struct compliance_note *note = &judgement->note;
    note->status = COMPLIANCE_SUSPENDED;
    note->suspended_at = command->now_us;
    SCHEMA_SET(&compliance_note_schema, note, suspended_at);
    SCHEMA_CLEAR(&compliance_note_schema, note, due_at);
    judgement_put(tx, command, judgement);
    if (user->status == USER_ACTIVE || user->status == USER_PENDING) {
        user->status = USER_COMPLIANCE_SUSPENDED;
        user->updated_at = command->now_us;
        store_put(tx, &user_table, user);
    }
    struct outcome event = {
        .action = "mfa.policy.user_suspended",
        .resource = user->id,
        .organization = note->organization_id,
    };
    audit_append(tx, command, &event, ERR_OK);
}

/* Judged anew first: the factor may have been set up since. */
static void note_due(struct store_tx *tx, const struct command *command,
                     const struct compliance_note *note) {
    struct organization organization;
    struct judgement judgement;
    struct user user;
    const struct store_view *view = store_tx_view(tx);
    enum err err = organization_get(view, note->organization_id, command->arena, &organization);
    if (err == ERR_OK) {
        err = user_get(view, note->user_id, command->arena, &user);
    }
    if (err == ERR_OK) {
        err = judgement_make(view, note->organization_id, &user, command->now_us, command->arena,
                             &judgement);
    }
    if (err != ERR_OK) {
        store_del(tx, &compliance_note_table, id_bytes(&note->id)); /* of nobody */
    } else if (judgement.note.status == COMPLIANCE_PAST_DUE) {
        member_suspend(tx, command, &user, &judgement);
    } else {
        judgement_put(tx, command, &judgement);
    }
}

static void suspend_apply(struct store_tx *tx, const struct command *command,
                          struct outcome *outcome) {
    (void)outcome;
    struct compliance_note note;
    for (uint32_t i = 0; i < SUSPEND_NOTES_MAX && due_next(tx, command, &note); i++) {
        note_due(tx, command, &note);
    }
}

/* Each suspension leaves its own audit record. */
const struct command_row members_suspend_command = {
    .name = "orgs.suspend",
    .resource = "user",
    .check = nothing_to_check,
    .apply = suspend_apply,
};
