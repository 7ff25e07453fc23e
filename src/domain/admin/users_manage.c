/*
 * One account, seen and changed by an administrator. Each command loads the user, changes what it
 * is for, and answers with the account as it is then; asked for a second time it changes nothing.
 *
 * Suspending, a reset of the second factors and the demand for a new password end all sessions:
 * who was let in before is let in again only under the new conditions (identity contract, defect
 * 15).
 */
#include "domain/admin/users_manage.h"

static const struct field user_params_fields[] = {
    FIELD(struct user_params, id, FIELD_ID, .flags = FIELD_REQUIRED, .doc = "User id."),
};

const struct schema user_params_schema =
    SCHEMA("UserParams", struct user_params, user_params_fields);

/* ---- how it looks ---- */

struct managed_user {
    struct schema_set set;
    struct user_view user;
    bool has_password;
    bool must_change_password;
    bool has_totp;
    bool has_passkey;
    struct str status_reason;
};

static const struct field managed_user_fields[] = {
    FIELD(struct managed_user, user, FIELD_OBJECT, .flags = FIELD_REQUIRED, .of = &user_view_schema,
          .doc = "The user."),
    FIELD(struct managed_user, has_password, FIELD_BOOL, .flags = FIELD_REQUIRED,
          .doc = "Whether there is a password to log in with."),
    FIELD(struct managed_user, must_change_password, FIELD_BOOL, .flags = FIELD_REQUIRED,
          .doc = "Whether a new password has to be set before anything else."),
    FIELD(struct managed_user, has_totp, FIELD_BOOL, .flags = FIELD_REQUIRED,
          .doc = "Whether a one-time code app is set up."),
    FIELD(struct managed_user, has_passkey, FIELD_BOOL, .flags = FIELD_REQUIRED,
          .doc = "Whether there is a passkey."),
    FIELD(struct managed_user, status_reason, FIELD_TEXT, .flags = FIELD_NULLABLE,
          .doc = "Why an administrator changed the status."),
};

const struct schema managed_user_schema =
    SCHEMA("ManagedUser", struct managed_user, managed_user_fields);

static void managed_add(struct outcome *outcome, const struct command *command,
                        const struct user *user) {
    yyjson_mut_val *data = outcome_data(outcome, command);
    yyjson_mut_doc *doc = outcome->doc;
    user_view_add(doc, data, "user", user, command->arena);
    json_add_bool(doc, data, "has_password", !str_is_none(user->password_hash));
    json_add_bool(doc, data, "must_change_password", user->must_change_password);
    json_add_bool(doc, data, "has_totp", (user->factors & USER_FACTOR_TOTP) != 0);
    json_add_bool(doc, data, "has_passkey", (user->factors & USER_FACTOR_PASSKEY) != 0);
    json_add_str(doc, data, "status_reason", arena_copy(command->arena, user->status_reason));
}

static enum err target_get(const struct store_view *view, const struct command *command,
                           struct user *user) {
    const struct user_params *params = command->params;
    return user_get(view, params->id, command->arena, user);
}

enum err managed_user_read(struct request *request, const struct store_view *view) {
    struct user user;
    enum err err = target_get(view, &request->command, &user);
    if (err == ERR_OK) {
        managed_add(&request->outcome, &request->command, &user);
    }
    return err;
}

/* ---- what all commands have in common ---- */

static enum err target_check(const struct store_view *view, const struct command *command,
                             struct outcome *outcome) {
    (void)outcome;
    struct user user;
    return target_get(view, command, &user);
}

static struct user target(struct store_tx *tx, const struct command *command) {
    struct user user;
    enum err err = target_get(store_tx_view(tx), command, &user);
    CHECK(err == ERR_OK); /* check() looked */
    return user;
}

static void target_put(struct store_tx *tx, const struct command *command, struct user *user) {
    user->updated_at = command->now_us;
    store_put(tx, &user_table, user);
}

static void target_reply(const struct command *command, const struct user *user,
                         struct outcome *outcome) {
    outcome->resource = user->id;
    managed_add(outcome, command, user);
}

/* ---- suspend and reactivate ---- */

struct suspend_body {
    struct schema_set set;
    struct str reason;
};

static const struct field suspend_body_fields[] = {
    FIELD(struct suspend_body, reason, FIELD_TEXT, .flags = FIELD_NULLABLE, .max = 255,
          .doc = "Why, for other administrators."),
};

const struct schema suspend_body_schema =
    SCHEMA("SuspendBody", struct suspend_body, suspend_body_fields);

static void set_status(struct user *user, enum user_status status, struct str reason) {
    user->status = (int32_t)status;
    user->status_reason = reason;
    if (str_is_none(reason)) {
        SCHEMA_CLEAR(&user_schema, user, status_reason);
    } else {
        SCHEMA_SET(&user_schema, user, status_reason);
    }
}

static enum err suspend_check(const struct store_view *view, const struct command *command,
                              struct outcome *outcome) {
    (void)outcome;
    struct user user;
    enum err err = target_get(view, command, &user);
    if (err != ERR_OK) {
        return err;
    }
    return user_is_last_admin(view, &user, command->arena) ? ERR_LAST_ADMIN : ERR_OK;
}

static void suspend_apply(struct store_tx *tx, const struct command *command,
                          struct outcome *outcome) {
    const struct suspend_body *body = command->body;
    struct user user = target(tx, command);
    if (user.status != USER_SUSPENDED) {
        set_status(&user, USER_SUSPENDED, body->reason);
        target_put(tx, command, &user);
        session_revoke_all(tx, command, user.id, "account_suspended");
    }
    outcome->message = "The account is suspended";
    target_reply(command, &user, outcome);
}

const struct command_row user_suspend_command = {
    .name = "admin.user.suspend",
    .action = "user.suspend",
    .resource = "user",
    .check = suspend_check,
    .apply = suspend_apply,
};

/* One that waits for its confirmation goes on waiting. */
static void reactivate_apply(struct store_tx *tx, const struct command *command,
                             struct outcome *outcome) {
    struct user user = target(tx, command);
    if (user.status != USER_ACTIVE && user.status != USER_PENDING) {
        set_status(&user, USER_ACTIVE, STR_NONE);
        target_put(tx, command, &user);
    }
    outcome->message = "The account may be used";
    target_reply(command, &user, outcome);
}

const struct command_row user_reactivate_command = {
    .name = "admin.user.reactivate",
    .action = "user.reactivate",
    .resource = "user",
    .check = target_check,
    .apply = reactivate_apply,
};

/* ---- what they log in with ---- */

/* Also when only a set-up waits for its first code. */
static void factors_apply(struct store_tx *tx, const struct command *command,
                          struct outcome *outcome) {
    struct user user = target(tx, command);
    user_forget_factors(tx, command, &user);
    target_put(tx, command, &user);
    session_revoke_all(tx, command, user.id, "factors_reset");
    outcome->message = "A login no longer asks for a second factor";
    target_reply(command, &user, outcome);
}

const struct command_row user_reset_factors_command = {
    .name = "admin.user.reset_factors",
    .action = "user.factors_reset",
    .resource = "user",
    .check = target_check,
    .apply = factors_apply,
};

static enum err password_check(const struct store_view *view, const struct command *command,
                               struct outcome *outcome) {
    (void)outcome;
    struct user user;
    enum err err = target_get(view, command, &user);
    if (err != ERR_OK) {
        return err;
    }
    return str_is_none(user.password_hash) ? ERR_PASSWORD_NONE : ERR_OK;
}

static void password_apply(struct store_tx *tx, const struct command *command,
                           struct outcome *outcome) {
    struct user user = target(tx, command);
    if (!user.must_change_password) {
        user.must_change_password = true;
        SCHEMA_SET(&user_schema, &user, must_change_password);
        target_put(tx, command, &user);
    }
    session_revoke_all(tx, command, user.id, "password_required");
    outcome->message = "The next login has to set a new password";
    target_reply(command, &user, outcome);
}

const struct command_row user_require_password_command = {
    .name = "admin.user.require_password",
    .action = "user.password_required",
    .resource = "user",
    .check = password_check,
    .apply = password_apply,
};

/* ---- role ---- */

struct role_body {
    struct schema_set set;
    int32_t role;
};

static const struct field role_body_fields[] = {
    FIELD(struct role_body, role, FIELD_ENUM, .flags = FIELD_REQUIRED, .values = role_names,
          .doc = "What the user may do from now on."),
};

const struct schema role_body_schema = SCHEMA("RoleBody", struct role_body, role_body_fields);

static enum err role_check(const struct store_view *view, const struct command *command,
                           struct outcome *outcome) {
    (void)outcome;
    const struct role_body *body = command->body;
    struct user user;
    enum err err = target_get(view, command, &user);
    if (err != ERR_OK) {
        return err;
    }
    bool is_loss = body->role != user.role && user_is_last_admin(view, &user, command->arena);
    return is_loss ? ERR_LAST_ADMIN : ERR_OK;
}

/* Sessions stay: the role is looked up at every request. */
static void role_apply(struct store_tx *tx, const struct command *command,
                       struct outcome *outcome) {
    const struct role_body *body = command->body;
    struct user user = target(tx, command);
    if (user.role != body->role) {
        user.role = body->role;
        target_put(tx, command, &user);
    }
    target_reply(command, &user, outcome);
}

const struct command_row user_role_command = {
    .name = "admin.user.role",
    .action = "user.role_change",
    .resource = "user",
    .check = role_check,
    .apply = role_apply,
};

/* ---- sessions ---- */

static void sessions_apply(struct store_tx *tx, const struct command *command,
                           struct outcome *outcome) {
    struct user user = target(tx, command);
    session_revoke_all(tx, command, user.id, "revoked_by_admin");
    outcome->message = "All sessions are revoked";
    target_reply(command, &user, outcome);
}

const struct command_row user_sessions_revoke_command = {
    .name = "admin.user.sessions_revoke",
    .action = "session.revoke_all",
    .resource = "user",
    .frees_room = true,
    .check = target_check,
    .apply = sessions_apply,
};
