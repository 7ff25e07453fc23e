/*
 * A new password by mail. Asking for it has one answer, whether the account exists or not, and does
 * the same work: both go through a batch that writes (the count per address).
 *
 * Setting it ends all sessions and pending logins, clears the locks on the account, and, because
 * the link was read at the address, confirms the address. Second factors stay: who finds a mailbox
 * open does not get past them.
 */
#include "domain/auth/reset.h"

#include "domain/auth/links.h"
#include "domain/auth/notices.h"
#include "domain/auth/rules.h"
#include "domain/auth/tokens.h"
#include "domain/auth/verify.h"

/* ---- POST auth/password/reset/request ---- */

static enum err request_check(const struct store_view *view, const struct command *command,
                              struct outcome *outcome) {
    (void)view;
    (void)outcome;
    CHECK(command->body != NULL);
    return ERR_OK;
}

static void reset_send(struct store_tx *tx, const struct command *command,
                       const struct user *user) {
    int64_t life_us = settings_us(command->settings, SETTING_RESET_SECONDS_ID);
    struct str token = link_make(tx, command, LINK_RESET, user, life_us);
    struct mail mail = {.template = MAIL_RESET_PASSWORD, .to = user->email};
    if (str_is_none(token)) {
        return; /* no memory: the link can be asked for again */
    }
    MAIL_SET(&mail, name, user_display_name(user));
    MAIL_SET(&mail, link, mail_link(command, "/reset-password", token));
    MAIL_SET(&mail, life, mail_life_text(command->arena, life_us));
    mail_put(tx, command, "mail reset", &mail, life_us);
}

static void request_apply(struct store_tx *tx, const struct command *command,
                          struct outcome *outcome) {
    const struct mail_request *body = command->body;
    struct mail_quota quota;
    struct user user;
    enum err err = user_find_email(store_tx_view(tx), body->email, command->arena, &user);
    mail_quota_load(store_tx_view(tx), command, body->email, LINK_RESET, &quota);
    mail_quota_take(tx, command, &quota);
    outcome->message = "If there is an account with this address, a link was sent to it";
    if (err != ERR_OK || user.status == USER_DELETED) {
        return;
    }
    outcome->resource = user.id;
    if (!quota.is_spent) {
        reset_send(tx, command, &user);
    }
}

const struct command_row reset_request_command = {
    .name = "reset.request",
    .action = "user.password_reset_request",
    .resource = "user",
    .check = request_check,
    .apply = request_apply,
};

/* ---- POST auth/password/reset/confirm ---- */

struct reset_confirm {
    struct schema_set set;
    struct str token;
    struct str new_password;
};

static const struct field reset_confirm_fields[] = {
    FIELD(struct reset_confirm, token, FIELD_TEXT, .flags = FIELD_REQUIRED | FIELD_SENSITIVE,
          .min = 1, .max = 128, .doc = "What follows # in the link."),
    FIELD(struct reset_confirm, new_password, FIELD_TEXT, .flags = FIELD_REQUIRED | FIELD_SENSITIVE,
          .min = 8, .max = 128, .doc = "Password from now on; at most 72 bytes."),
};
const struct schema reset_confirm_schema =
    SCHEMA("ResetConfirm", struct reset_confirm, reset_confirm_fields);

/* The token first: nothing is hashed for somebody who has none. */
static enum err confirm_start(struct request *request) {
    const struct command *command = &request->command;
    const struct reset_confirm *body = command->body;
    struct schema_faults *faults = ARENA_NEW(request->arena, struct schema_faults);
    struct link_token link;
    struct user user;
    if (faults == NULL) {
        return ERR_NO_MEMORY;
    }
    request->outcome.faults = faults;
    if (!password_rules_check(request_settings(request), body->new_password, STR("new_password"),
                              faults)) {
        return ERR_VALIDATION;
    }
    enum err err =
        link_find(request_view(request), command, body->token, LINK_RESET, false, &link, &user);
    if (err != ERR_OK) {
        return err;
    }
    uint32_t cost = (uint32_t)settings_int(request_settings(request), SETTING_PASSWORD_COST_ID);
    uint8_t salt[32];
    command_entropy(command, "password salt", salt);
    err = password_job_hash(&request->job, body->new_password, cost, salt);
    return err == ERR_OK ? request_park_password(request) : err;
}

static enum err confirm_prepare(struct request *request) {
    if (request->step == 0) {
        request->step = 1;
        return confirm_start(request);
    }
    struct str *hash = ARENA_NEW(request->arena, struct str);
    if (hash == NULL) {
        return ERR_NO_MEMORY;
    }
    *hash = arena_copy(request->arena, password_job_text(&request->job));
    request->command.prepared = hash;
    return str_is_none(*hash) ? ERR_NO_MEMORY : ERR_OK;
}

static enum err confirm_check(const struct store_view *view, const struct command *command,
                              struct outcome *outcome) {
    (void)outcome;
    const struct reset_confirm *body = command->body;
    struct link_token link;
    struct user user;
    return link_find(view, command, body->token, LINK_RESET, false, &link, &user);
}

static void confirm_apply(struct store_tx *tx, const struct command *command,
                          struct outcome *outcome) {
    const struct reset_confirm *body = command->body;
    const struct str *hash = command->prepared;
    struct lockout lockout;
    struct link_token link;
    struct user user;
    enum err err =
        link_find(store_tx_view(tx), command, body->token, LINK_RESET, false, &link, &user);
    CHECK(err == ERR_OK);
    link_use(tx, command, &link);
    user.password_hash = *hash;
    user.password_changed_at = command->now_us;
    user.updated_at = command->now_us;
    SCHEMA_SET(&user_schema, &user, password_hash);
    SCHEMA_SET(&user_schema, &user, password_changed_at);
    SCHEMA_CLEAR(&user_schema, &user, must_change_password);
    user_mark_verified(&user, command->now_us);
    store_put(tx, &user_table, &user);
    lockout_load(store_tx_view(tx), command, user.email, &lockout);
    lockout_clear(tx, &lockout);
    session_revoke_all(tx, command, user.id, "password_reset");
    notice_password_changed(tx, command, &user);
    outcome->actor = user.id;
    outcome->resource = user.id;
    outcome->message = "The password is set; log in with it";
}

const struct command_row reset_confirm_command = {
    .name = "reset.confirm",
    .action = "user.password_reset",
    .resource = "user",
    .prepare = confirm_prepare,
    .check = confirm_check,
    .apply = confirm_apply,
};
