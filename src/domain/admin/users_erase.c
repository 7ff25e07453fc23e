/* For people who write letters: what the owner of an account can do, done by an administrator. Of
 * closed accounts, too. Administrators erase themselves where everybody does, under the rules
 * there. */
#include "domain/admin/users_erase.h"

#include "domain/admin/users_manage.h"
#include "engine/person.h"

struct user_export_params {
    struct schema_set set;
    struct id id;
    struct str cursor;
};

static const struct field user_export_params_fields[] = {
    FIELD(struct user_export_params, id, FIELD_ID, .flags = FIELD_REQUIRED, .doc = "User id."),
    FIELD(struct user_export_params, cursor, FIELD_TEXT, .min = 1, .max = 700,
          .doc = "next_cursor of the part before."),
};

const struct schema user_export_params_schema =
    SCHEMA("UserExportParams", struct user_export_params, user_export_params_fields);

enum err user_export_read(struct request *request, const struct store_view *view) {
    const struct user_export_params *params = request->command.params;
    return person_export(request, view, params->id, params->cursor);
}

static enum err note_check(const struct store_view *view, const struct command *command,
                           struct outcome *outcome) {
    (void)view;
    (void)outcome;
    CHECK(command->params != NULL);
    return ERR_OK;
}

static void note_apply(struct store_tx *tx, const struct command *command,
                       struct outcome *outcome) {
    (void)tx;
    const struct user_export_params *params = command->params;
    outcome->action = "user.export";
    outcome->resource = params->id;
}

const struct command_row user_export_note_command = {
    .name = "admin.user.export",
    .resource = "user",
    .check = note_check,
    .apply = note_apply,
};

/* ---- erasure ---- */

struct user_erased {
    struct schema_set set;
    struct id user_id;
    int64_t deleted_at;
};

static const struct field user_erased_fields[] = {
    FIELD(struct user_erased, user_id, FIELD_ID, .flags = FIELD_REQUIRED, .doc = "User id."),
    FIELD(struct user_erased, deleted_at, FIELD_TIME, .flags = FIELD_REQUIRED,
          .doc = "When the account was closed."),
};

const struct schema user_erased_schema =
    SCHEMA("UserErased", struct user_erased, user_erased_fields);

static enum err target_get(const struct store_view *view, const struct command *command,
                           struct user *user) {
    const struct user_params *params = command->params;
    return user_get_closed(view, params->id, command->arena, user);
}

static enum err erase_check(const struct store_view *view, const struct command *command,
                            struct outcome *outcome) {
    (void)outcome;
    struct user user;
    enum err err = target_get(view, command, &user);
    if (err != ERR_OK) {
        return err;
    }
    if (id_equal(user.id, command->caller.user_id)) {
        return ERR_SELF;
    }
    return user_erase_check(view, &user, command->arena);
}

static void erase_apply(struct store_tx *tx, const struct command *command,
                        struct outcome *outcome) {
    struct user user;
    enum err err = target_get(store_tx_view(tx), command, &user);
    CHECK(err == ERR_OK);
    user_erase(tx, command, &user);
    outcome->resource = user.id;
    outcome->message = "Everything personal is erased";
    struct user_erased erased = {.set.present = UINT64_MAX >> (64 - COUNT_OF(user_erased_fields)),
                                 .user_id = user.id,
                                 .deleted_at = user.deleted_at};
    yyjson_mut_val *data = outcome_data(outcome, command);
    json_add_members(outcome->doc, data, &user_erased_schema, &erased);
}

const struct command_row user_erase_command = {
    .name = "admin.user.erase",
    .action = "user.erase",
    .resource = "user",
    .frees_room = true,
    .check = erase_check,
    .apply = erase_apply,
};
