/*
 * Login. The password is checked outside the batch; the batch looks again at everything that may
 * have changed meanwhile: the stored hash, the status, the locks.
 *
 * Who has a second factor gets a session only with it: a good code in the same request, or a code
 * or a passkey in a second one, for which this one leaves a pending login (pending.h, totp_login.c,
 * passkey_login.c).
 *
 * A failed login is not a refused command: it counts, and it leaves an audit record.
 */
#include "domain/auth/login.h"

#include <string.h>

#include "domain/auth/extension.h"
#include "domain/auth/notices.h"
#include "domain/auth/pending.h"
#include "domain/auth/tokens.h"
#include "domain/auth/totp.h"
#include "domain/auth/views.h"

struct login_body {
    struct schema_set set;
    struct str email;
    struct str password;
    bool remember_me;
    struct str two_factor_code;
    struct str mfa_code;
    struct str totp_code;
};

static const struct field login_body_fields[] = {
    FIELD(struct login_body, email, FIELD_TEXT, .flags = FIELD_REQUIRED, .min = 1, .max = 254,
          .format = FORMAT_EMAIL, .doc = "E-mail address."),
    FIELD(struct login_body, password, FIELD_TEXT, .flags = FIELD_REQUIRED | FIELD_SENSITIVE,
          .min = 1, .max = 1024, .doc = "Password."),
    FIELD(struct login_body, remember_me, FIELD_BOOL, .doc = "Keep the session for 30 days."),
    FIELD(struct login_body, two_factor_code, FIELD_TEXT, .max = 16, .flags = FIELD_SENSITIVE,
          .doc = "One-time code, when a second factor is set up."),
    FIELD(struct login_body, mfa_code, FIELD_TEXT, .max = 16, .flags = FIELD_SENSITIVE,
          .doc = "The same."),
    FIELD(struct login_body, totp_code, FIELD_TEXT, .max = 16, .flags = FIELD_SENSITIVE,
          .doc = "The same."),
};

const struct schema login_body_schema = SCHEMA("LoginBody", struct login_body, login_body_fields);

struct login_prepared {
    struct password_check check;
    struct str email;
    struct password_mark mark;
    struct token_set tokens;
};

/* ---- prepare ---- */

static enum err login_start(struct request *request) {
    const struct login_body *body = request->command.body;
    struct login_prepared *prepared = ARENA_NEW(request->arena, struct login_prepared);
    struct user user;
    if (prepared == NULL) {
        return ERR_NO_MEMORY;
    }
    request->command.prepared = prepared;
    prepared->email = body->email; /* in lower case already: FORMAT_EMAIL */
    enum err err = user_find_email(request_view(request), prepared->email, request->arena, &user);
    if (err == ERR_OK && user.status != USER_DELETED) {
        prepared->check.hash = user.password_hash;
        prepared->mark = password_mark_of(&user);
    }
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err login_tokens(struct request *request) {
    struct login_prepared *prepared = request->command.prepared;
    struct user user;
    enum err err = user_find_email(request_view(request), prepared->email, request->arena, &user);
    if (err != ERR_OK) {
        prepared->check.is_match = false;
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    }
    return tokens_make(request, user.id, (enum role)(1u << user.role), (struct id){{0}},
                       &prepared->tokens);
}

static enum err login_prepare(struct request *request) {
    const struct login_body *body = request->command.body;
    enum err err = request->step == 0 ? login_start(request) : ERR_OK;
    struct login_prepared *prepared = request->command.prepared;
    if (err == ERR_OK) {
        err = password_check_step(request, body->password, &prepared->check);
    }
    return err == ERR_OK && prepared->check.is_match ? login_tokens(request) : err;
}

/* ---- in the batch ---- */

static enum err login_check(const struct store_view *view, const struct command *command,
                            struct outcome *outcome) {
    (void)view;
    (void)outcome;
    CHECK(command->body != NULL);
    CHECK(command->prepared != NULL);
    return ERR_OK;
}

static void login_reply(const struct command *command, const struct user *user,
                        struct outcome *outcome) {
    yyjson_mut_val *data = outcome_data(outcome, command);
    user_view_add(outcome->doc, data, "user", user, command->arena);
    json_add_id(outcome->doc, data, "user_id", user->id);
    outcome->message = "Login successful";
}

enum err login_admit(const struct command *command, const struct user *user) {
    if (user->status == USER_SUSPENDED || user->status == USER_INACTIVE) {
        return ERR_ACCOUNT_INACTIVE;
    }
    bool is_required = settings_bool(command->settings, SETTING_REQUIRE_VERIFIED_ID);
    return is_required && !user->email_verified ? ERR_EMAIL_UNVERIFIED : ERR_OK;
}

void login_finish(struct store_tx *tx, const struct command *command, struct user *user,
                  const struct token_set *tokens, bool is_remembered, struct outcome *outcome) {
    char address[NET_ADDRESS_TEXT_MAX];
    struct buf out = buf_over(address, sizeof(address));
    net_address_format(command->peer, &out);
    user->last_login_at = command->now_us;
    user->last_login_ip = buf_str(&out);
    SCHEMA_SET(&user_schema, user, last_login_at);
    SCHEMA_SET(&user_schema, user, last_login_ip);
    bool is_limited = auth_extension()->login(tx, command, user, outcome);
    store_put(tx, &user_table, user);
    tokens_open_session(tx, command, user, tokens, is_remembered, is_limited, outcome);
    login_reply(command, user, outcome);
    if (is_limited) {
        json_add_bool(outcome->doc, outcome->data, "requires_mfa_enrollment", true);
    }
    if (user->must_change_password) {
        json_add_bool(outcome->doc, outcome->data, "requires_password_change", true);
    }
}

/* The first of the three names that was sent. */
static struct str login_code(const struct login_body *body) {
    if (!str_is_none(body->two_factor_code)) {
        return body->two_factor_code;
    }
    return str_is_none(body->mfa_code) ? body->totp_code : body->mfa_code;
}

static bool has_factor(const struct user *user, enum user_factor factor) {
    return (user->factors & (int64_t)factor) != 0;
}

/* 200, but no session yet. The names are those of both contracts; who has both factors is asked for
 * the passkey, and may send a code (identity contract, 6.3). */
static void login_wait(struct store_tx *tx, const struct command *command, const struct user *user,
                       struct outcome *outcome) {
    const struct login_body *body = command->body;
    bool has_passkey = has_factor(user, USER_FACTOR_PASSKEY);
    if (!has_passkey && totp_is_locked(store_tx_view(tx), command, user->id, outcome)) {
        return;
    }
    pending_open(tx, command, user, body->remember_me, outcome);
    yyjson_mut_doc *doc = outcome->doc;
    json_add_bool(doc, outcome->data, has_passkey ? "requires_webauthn" : "requires_totp", true);
    json_add_str(doc, outcome->data, "code", STR("2FA_REQUIRED"));
    yyjson_mut_val *methods = json_add_array(doc, outcome->data, "methods");
    if (has_passkey) {
        json_append_str(doc, methods, STR("webauthn"));
    }
    if (has_factor(user, USER_FACTOR_TOTP)) {
        json_append_str(doc, methods, STR("totp"));
    }
    outcome->message = has_passkey ? "Use a passkey to finish the login"
                                   : "Send a one-time code to finish the login";
    outcome->action = "user.login.pending";
}

/* The password was right. Is that enough? When the factor cannot be read, it is not. */
static void login_go_on(struct store_tx *tx, const struct command *command, struct user *user,
                        struct outcome *outcome) {
    const struct login_prepared *prepared = command->prepared;
    const struct login_body *body = command->body;
    struct str code = login_code(body);
    struct totp_factor factor;
    if (!str_is_none(prepared->check.new_hash)) {
        user->password_hash = prepared->check.new_hash;
        store_put(tx, &user_table, user);
    }
    enum err err = totp_get_verified(store_tx_view(tx), user->id, command->arena, &factor);
    bool has_app = err == ERR_OK;
    if (err != ERR_OK && err != ERR_NOT_FOUND) {
        outcome->err = ERR_INTERNAL;
    } else if (has_app && !str_is_none(code)) {
        if (!totp_spend(tx, command, &factor, code, TOTP_ANY, ERR_CODE_WRONG_LOGIN, outcome)) {
            return;
        }
        login_finish(tx, command, user, &prepared->tokens, body->remember_me, outcome);
    } else if (has_app || has_factor(user, USER_FACTOR_PASSKEY)) {
        login_wait(tx, command, user, outcome);
    } else {
        login_finish(tx, command, user, &prepared->tokens, body->remember_me, outcome);
    }
}

static void login_apply(struct store_tx *tx, const struct command *command,
                        struct outcome *outcome) {
    const struct login_prepared *prepared = command->prepared;
    struct lockout lockout;
    struct user user;
    enum err err = user_find_email(store_tx_view(tx), prepared->email, command->arena, &user);
    bool is_match = err == ERR_OK && prepared->check.is_match && user.status != USER_DELETED &&
                    !str_is_none(prepared->tokens.access) &&
                    password_mark_holds(prepared->mark, &user);
    lockout_load(store_tx_view(tx), command, prepared->email, &lockout);
    if (err == ERR_OK) {
        outcome->actor = user.id;
    }
    if (!is_match) {
        outcome->err = ERR_CREDENTIALS_WRONG;
        bool is_now_locked = lockout.locked_until == 0 && lockout_count(tx, command, &lockout);
        if (is_now_locked && err == ERR_OK && user.status != USER_DELETED) {
            notice_locked_out(tx, command, &user);
        }
    } else if (lockout.locked_until != 0) {
        lockout_reply(command, &lockout, outcome);
    } else if (login_admit(command, &user) != ERR_OK) {
        outcome->err = login_admit(command, &user);
    } else {
        lockout_clear(tx, &lockout);
        login_go_on(tx, command, &user, outcome);
    }
}

const struct command_row login_command = {
    .name = "auth.login",
    .action = "session.create",
    .resource = "session",
    .prepare = login_prepare,
    .check = login_check,
    .apply = login_apply,
};

/* ---- the reply, for the documentation ---- */

struct login_data {
    struct schema_set set;
    struct str user;
    struct str user_id;
    struct str token;
    int64_t expires_at;
    struct str session_id;
    struct str access_token;
    struct str refresh_token;
    struct str token_type;
    int64_t expires_in;
    struct str mfa_compliance;
    bool requires_mfa_enrollment;
    bool requires_password_change;
    struct str csrf_token;
};

static const struct field login_data_fields[] = {
    FIELD(struct login_data, user, FIELD_JSON, .flags = FIELD_REQUIRED, .doc = "The user."),
    FIELD(struct login_data, user_id, FIELD_TEXT, .flags = FIELD_REQUIRED, .doc = "Its id."),
    FIELD(struct login_data, token, FIELD_TEXT, .flags = FIELD_OMIT,
          .doc = "Opaque session token: Bearer for the session's life."),
    FIELD(struct login_data, expires_at, FIELD_TIME, .flags = FIELD_REQUIRED,
          .time_form = TIME_FORM_RFC3339, .doc = "End of the session."),
    FIELD(struct login_data, session_id, FIELD_TEXT, .flags = FIELD_REQUIRED, .doc = "Session id."),
    FIELD(struct login_data, access_token, FIELD_TEXT, .flags = FIELD_OMIT,
          .doc = "Short-lived JWT (RFC 9068) bound to the session."),
    FIELD(struct login_data, refresh_token, FIELD_TEXT, .flags = FIELD_OMIT,
          .doc = "Exchanges once for new tokens."),
    FIELD(struct login_data, token_type, FIELD_TEXT, .flags = FIELD_OMIT, .doc = "Always Bearer."),
    FIELD(struct login_data, expires_in, FIELD_INT, .flags = FIELD_OMIT,
          .doc = "Seconds until access_token expires."),
    FIELD(struct login_data, mfa_compliance, FIELD_JSON, .flags = FIELD_OMIT,
          .doc = "Second-factor policies of the user's organizations."),
    FIELD(struct login_data, requires_mfa_enrollment, FIELD_BOOL, .flags = FIELD_OMIT,
          .doc = "True when the session is limited to setting up a second factor."),
    FIELD(struct login_data, requires_password_change, FIELD_BOOL, .flags = FIELD_OMIT,
          .doc = "True when the session is limited to changing the password."),
    FIELD(struct login_data, csrf_token, FIELD_TEXT, .flags = FIELD_OMIT,
          .doc = "Instead of the tokens, when the session is a cookie: for X-CSRF-Token."),
};

const struct schema login_data_schema = SCHEMA("LoginData", struct login_data, login_data_fields);

/* What login answers: LoginData, or what a pending login needs to go on. */
struct login_answer {
    struct schema_set set;
    struct str user;
    struct str user_id;
    struct str token;
    int64_t expires_at;
    struct str session_id;
    struct str access_token;
    struct str refresh_token;
    struct str token_type;
    int64_t expires_in;
    struct str mfa_compliance;
    bool requires_totp;
    bool requires_webauthn;
    bool mfa_required;
    struct schema_list methods;
    struct str temp_token;
    struct str code;
    bool requires_mfa_enrollment;
    bool requires_verification;
    bool requires_password_change;
    struct str csrf_token;
};

static const struct field login_answer_fields[] = {
    FIELD(struct login_answer, user, FIELD_JSON, .flags = FIELD_OMIT, .doc = "The user."),
    FIELD(struct login_answer, user_id, FIELD_TEXT, .flags = FIELD_OMIT, .doc = "Its id."),
    FIELD(struct login_answer, token, FIELD_TEXT, .flags = FIELD_OMIT,
          .doc = "Opaque session token: Bearer for the session's life."),
    FIELD(struct login_answer, expires_at, FIELD_TIME, .flags = FIELD_OMIT,
          .time_form = TIME_FORM_RFC3339, .doc = "End of the session."),
    FIELD(struct login_answer, session_id, FIELD_TEXT, .flags = FIELD_OMIT, .doc = "Session id."),
    FIELD(struct login_answer, access_token, FIELD_TEXT, .flags = FIELD_OMIT,
          .doc = "Short-lived JWT (RFC 9068) bound to the session."),
    FIELD(struct login_answer, refresh_token, FIELD_TEXT, .flags = FIELD_OMIT,
          .doc = "Exchanges once for new tokens."),
    FIELD(struct login_answer, token_type, FIELD_TEXT, .flags = FIELD_OMIT,
          .doc = "Always Bearer."),
    FIELD(struct login_answer, expires_in, FIELD_INT, .flags = FIELD_OMIT,
          .doc = "Seconds until access_token, or temp_token, expires."),
    FIELD(struct login_answer, mfa_compliance, FIELD_JSON, .flags = FIELD_OMIT,
          .doc = "Second-factor policies of the user's organizations."),
    FIELD(struct login_answer, requires_totp, FIELD_BOOL, .flags = FIELD_OMIT,
          .doc = "True: no session yet, a one-time code is to follow."),
    FIELD(struct login_answer, requires_webauthn, FIELD_BOOL, .flags = FIELD_OMIT,
          .doc = "True: no session yet, a passkey is to follow (webauthn/login/begin)."),
    FIELD(struct login_answer, methods, FIELD_LIST, .flags = FIELD_OMIT, .element = FIELD_TEXT,
          .doc = "Second factors that will do: webauthn, totp."),
    FIELD(struct login_answer, mfa_required, FIELD_BOOL, .flags = FIELD_OMIT, .doc = "The same."),
    FIELD(struct login_answer, temp_token, FIELD_TEXT, .flags = FIELD_OMIT,
          .doc = "Proves that the password was right; also in the cookie `session`."),
    FIELD(struct login_answer, code, FIELD_TEXT, .flags = FIELD_OMIT,
          .doc = "2FA_REQUIRED when a second factor is to follow."),
    FIELD(struct login_answer, requires_mfa_enrollment, FIELD_BOOL, .flags = FIELD_OMIT,
          .doc = "True: the session is limited to setting up a second factor."),
    FIELD(struct login_answer, requires_verification, FIELD_BOOL, .flags = FIELD_OMIT,
          .doc = "True: registered, but no session before the address is confirmed."),
    FIELD(struct login_answer, requires_password_change, FIELD_BOOL, .flags = FIELD_OMIT,
          .doc = "True: the session is limited to changing the password."),
    FIELD(struct login_answer, csrf_token, FIELD_TEXT, .flags = FIELD_OMIT,
          .doc = "Instead of the tokens, when the session is a cookie: for X-CSRF-Token."),
};

const struct schema login_answer_schema =
    SCHEMA("LoginAnswer", struct login_answer, login_answer_fields);
