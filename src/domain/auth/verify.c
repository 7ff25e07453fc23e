/*
 * Confirming the e-mail address. The first link goes out with the registration; more of them to
 * whoever is logged in, or, for those who may not log in before (auth.require-verified-email), to
 * whoever names an address: that one always gets the same answer.
 */
#include "domain/auth/verify.h"

#include "base/time.h"
#include "domain/auth/links.h"

static const struct field mail_request_fields[] = {
    FIELD(struct mail_request, email, FIELD_TEXT, .flags = FIELD_REQUIRED, .min = 1, .max = 254,
          .format = FORMAT_EMAIL, .doc = "E-mail address of the account."),
};
const struct schema mail_request_schema =
    SCHEMA("MailRequest", struct mail_request, mail_request_fields);

/* ---- sending ---- */

static void verify_send(struct store_tx *tx, const struct command *command,
                        const struct user *user) {
    int64_t life_us = settings_us(command->settings, SETTING_VERIFY_SECONDS_ID);
    struct str token = link_make(tx, command, LINK_VERIFY, user, life_us);
    struct mail mail = {.template = MAIL_VERIFY_EMAIL, .to = user->email};
    if (str_is_none(token)) {
        return; /* no memory: the link can be asked for again */
    }
    MAIL_SET(&mail, name, user_display_name(user));
    MAIL_SET(&mail, link, mail_link(command, "/verify-email", token));
    MAIL_SET(&mail, life, mail_life_text(command->arena, life_us));
    mail_put(tx, command, "mail verify", &mail, life_us);
}

void verify_begin(struct store_tx *tx, const struct command *command, const struct user *user) {
    struct mail_quota quota;
    mail_quota_load(store_tx_view(tx), command, user->email, LINK_VERIFY, &quota);
    mail_quota_take(tx, command, &quota);
    if (!quota.is_spent) { /* accounts that come and go under one address */
        verify_send(tx, command, user);
    }
}

/* ---- POST auth/verify/email/request ---- */

static enum err request_check(const struct store_view *view, const struct command *command,
                              struct outcome *outcome) {
    struct mail_quota quota;
    struct user user;
    enum err err = user_get(view, command->caller.user_id, command->arena, &user);
    if (err != ERR_OK || user.email_verified) {
        return err;
    }
    mail_quota_load(view, command, user.email, LINK_VERIFY, &quota);
    if (quota.is_spent) {
        outcome->retry_after_s =
            (uint32_t)((quota.count.expires_at - command->now_us) / TIME_US_PER_S + 1);
        return ERR_RATE_LIMITED;
    }
    return ERR_OK;
}

static void request_apply(struct store_tx *tx, const struct command *command,
                          struct outcome *outcome) {
    struct user user;
    enum err err = user_get(store_tx_view(tx), command->caller.user_id, command->arena, &user);
    CHECK(err == ERR_OK);
    outcome->resource = user.id;
    if (user.email_verified) {
        outcome->message = "The address is confirmed already";
        return;
    }
    verify_begin(tx, command, &user);
    outcome->message = "A link was sent to the address";
}

const struct command_row verify_request_command = {
    .name = "verify.request",
    .action = "user.email_verification_request",
    .resource = "user",
    .check = request_check,
    .apply = request_apply,
};

/* ---- POST auth/verify/email/resend ---- */

static enum err resend_check(const struct store_view *view, const struct command *command,
                             struct outcome *outcome) {
    (void)view;
    (void)outcome;
    CHECK(command->body != NULL);
    return ERR_OK;
}

static void resend_apply(struct store_tx *tx, const struct command *command,
                         struct outcome *outcome) {
    const struct mail_request *body = command->body;
    struct mail_quota quota;
    struct user user;
    enum err err = user_find_email(store_tx_view(tx), body->email, command->arena, &user);
    mail_quota_load(store_tx_view(tx), command, body->email, LINK_VERIFY, &quota);
    mail_quota_take(tx, command, &quota);
    outcome->message = "If there is such an account to be confirmed, a link was sent to it";
    if (err != ERR_OK || user.status == USER_DELETED || user.email_verified) {
        return;
    }
    outcome->resource = user.id;
    if (!quota.is_spent) {
        verify_send(tx, command, &user);
    }
}

const struct command_row verify_resend_command = {
    .name = "verify.resend",
    .action = "user.email_verification_request",
    .resource = "user",
    .check = resend_check,
    .apply = resend_apply,
};

/* ---- POST auth/verify/email/confirm ---- */

struct verify_confirm {
    struct schema_set set;
    struct str token;
};

static const struct field verify_confirm_fields[] = {
    FIELD(struct verify_confirm, token, FIELD_TEXT, .flags = FIELD_REQUIRED | FIELD_SENSITIVE,
          .min = 1, .max = 128, .doc = "What follows # in the link."),
};
const struct schema verify_confirm_schema =
    SCHEMA("VerifyConfirm", struct verify_confirm, verify_confirm_fields);

struct verify_data {
    struct schema_set set;
    bool email_verified;
    int64_t verified_at;
};

static const struct field verify_data_fields[] = {
    FIELD(struct verify_data, email_verified, FIELD_BOOL, .flags = FIELD_REQUIRED,
          .doc = "Always true."),
    FIELD(struct verify_data, verified_at, FIELD_TIME, .flags = FIELD_REQUIRED,
          .time_form = TIME_FORM_RFC3339, .doc = "Since when."),
};
const struct schema verify_data_schema =
    SCHEMA("VerifyData", struct verify_data, verify_data_fields);

/* A second click finds the used link and changes nothing. */
static enum err confirm_check(const struct store_view *view, const struct command *command,
                              struct outcome *outcome) {
    (void)outcome;
    const struct verify_confirm *body = command->body;
    struct link_token link;
    struct user user;
    return link_find(view, command, body->token, LINK_VERIFY, true, &link, &user);
}

static void confirm_apply(struct store_tx *tx, const struct command *command,
                          struct outcome *outcome) {
    const struct verify_confirm *body = command->body;
    struct link_token link;
    struct user user;
    enum err err =
        link_find(store_tx_view(tx), command, body->token, LINK_VERIFY, true, &link, &user);
    CHECK(err == ERR_OK);
    if (!SCHEMA_HAS(&link_token_schema, &link, used_at)) {
        link_use(tx, command, &link);
        user_mark_verified(&user, command->now_us);
        store_put(tx, &user_table, &user);
    }
    outcome->actor = user.id;
    outcome->resource = user.id;
    outcome->message = "The address is confirmed";
    yyjson_mut_val *data = outcome_data(outcome, command);
    json_add_bool(outcome->doc, data, "email_verified", true);
    json_add_time(outcome->doc, data, "verified_at", user.email_verified_at, TIME_FORM_RFC3339);
}

const struct command_row verify_confirm_command = {
    .name = "verify.confirm",
    .action = "user.email_verified",
    .resource = "user",
    .check = confirm_check,
    .apply = confirm_apply,
};
