/*
 * Export and erasure of an account (GDPR, articles 15, 17 and 20). Which rows are the person's, the
 * tables say (engine/person.h); here are the endpoints, and the account's own row, which stays as a
 * blank: its id is in records that have to last (audit, ledger) and now leads to nobody.
 *
 * Closing an account (DELETE users/me) keeps what it holds; erasing does not, and cannot be undone.
 */
#include "domain/auth/erase.h"

#include "domain/auth/extension.h"
#include "domain/auth/reauth.h"
#include "domain/auth/totp.h"
#include "engine/person.h"

/* ---- export ---- */

struct export_params {
    struct schema_set set;
    struct str cursor;
};

static const struct field export_params_fields[] = {
    FIELD(struct export_params, cursor, FIELD_TEXT, .min = 1, .max = 700,
          .doc = "next_cursor of the part before."),
};

const struct schema export_params_schema =
    SCHEMA("ExportParams", struct export_params, export_params_fields);

enum err export_read(struct request *request, const struct store_view *view) {
    const struct export_params *params = request->command.params;
    return person_export(request, view, request->command.caller.user_id, params->cursor);
}

static enum err note_check(const struct store_view *view, const struct command *command,
                           struct outcome *outcome) {
    (void)view;
    (void)outcome;
    CHECK(command->caller.kind == CALLER_USER);
    return ERR_OK;
}

static void note_apply(struct store_tx *tx, const struct command *command,
                       struct outcome *outcome) {
    (void)tx;
    outcome->action = "user.export";
    outcome->resource = command->caller.user_id;
}

const struct command_row export_note_command = {
    .name = "user.export",
    .resource = "user",
    .check = note_check,
    .apply = note_apply,
};

/* ---- erasure ---- */

enum err user_get_closed(const struct store_view *view, struct id id, struct arena *arena,
                         struct user *user) {
    struct store_scope owner = {.kind = STORE_SCOPE_OWNER, .owner = id};
    enum err err = store_get(view, owner, &user_table, id_bytes(&id), arena, user);
    return err == ERR_OK && SCHEMA_HAS(&user_schema, user, erased_at) ? ERR_NOT_FOUND : err;
}

enum err user_erase_check(const struct store_view *view, const struct user *user,
                          struct arena *arena) {
    if (user_is_last_admin(view, user, arena)) {
        return ERR_LAST_ADMIN;
    }
    return auth_extension()->close_check(view, user->id, arena);
}

/* All that is personal or secret goes, but the address: a row has one, and it is unique. */
static void user_blank(struct user *user) {
    for (uint32_t i = 0; i < user_schema.field_count; i++) {
        const struct field *field = &user_schema.fields[i];
        bool is_theirs = (field->flags & (FIELD_PERSONAL | FIELD_SECRET)) != 0;
        if (is_theirs && (field->flags & FIELD_REQUIRED) == 0) {
            user->set.present &= ~(UINT64_C(1) << i);
        }
    }
    SCHEMA_CLEAR(&user_schema, user, password_hash);
    SCHEMA_CLEAR(&user_schema, user, must_change_password);
    SCHEMA_CLEAR(&user_schema, user, last_login_at);
}

void user_erase(struct store_tx *tx, const struct command *command, struct user *user) {
    auth_extension()->close_apply(tx, command, user->id);
    person_erase(tx, command, user->id);
    user_forget_factors(tx, command, user);
    if (user->status != USER_DELETED) {
        user->deleted_at = command->now_us;
        SCHEMA_SET(&user_schema, user, deleted_at);
    }
    user->status = USER_DELETED;
    user->email = user_deleted_email(command, user);
    user->email_verified = false;
    user->erased_at = command->now_us;
    user->updated_at = command->now_us;
    SCHEMA_SET(&user_schema, user, erased_at);
    user_blank(user);
    store_put(tx, &user_table, user);
}

struct erase_body {
    struct schema_set set;
    struct str password;
};

static const struct field erase_body_fields[] = {
    FIELD(struct erase_body, password, FIELD_TEXT, .flags = FIELD_SENSITIVE, .min = 1, .max = 1024,
          .doc = "Password, unless the login is fresh (setting session.fresh-time)."),
};

const struct schema erase_body_schema = SCHEMA("EraseBody", struct erase_body, erase_body_fields);

static enum err erase_prepare(struct request *request) {
    const struct erase_body *body = request->command.body;
    request->step++;
    if (request->step == 1) {
        request->command.prepared = ARENA_NEW(request->arena, struct reauth);
        if (request->command.prepared == NULL) {
            return ERR_NO_MEMORY;
        }
        enum err err = reauth_start(request, body->password, request->command.prepared);
        if (err != ERR_OK) {
            return err;
        }
    }
    reauth_finish(request, request->command.prepared);
    return ERR_OK;
}

static enum err erase_check(const struct store_view *view, const struct command *command,
                            struct outcome *outcome) {
    struct user user;
    enum err err = reauth_check(view, command, command->prepared, true, outcome);
    if (err == ERR_OK) {
        err = user_get(view, command->caller.user_id, command->arena, &user);
    }
    return err == ERR_OK ? user_erase_check(view, &user, command->arena) : err;
}

static void erase_apply(struct store_tx *tx, const struct command *command,
                        struct outcome *outcome) {
    struct user user;
    enum err err = user_get(store_tx_view(tx), command->caller.user_id, command->arena, &user);
    CHECK(err == ERR_OK);
    user_erase(tx, command, &user);
    outcome->resource = user.id;
    outcome->message = "Everything personal is erased";
}

const struct command_row erase_command = {
    .name = "user.erase",
    .action = "user.erase",
    .resource = "user",
    .frees_room = true,
    .prepare = erase_prepare,
    .check = erase_check,
    .apply = erase_apply,
    .refused = reauth_refused,
};
