/*
 * The second step of a login: a pending login and a good code become a session. A wrong code is not
 * a refused command: it counts, against the pending login and against the account.
 *
 * POST auth/mfa/verify is two things: with a bearer token and without temp_token it confirms a
 * set-up (totp_setup.c), else it is this.
 */
#include "domain/auth/login.h"
#include "domain/auth/pending.h"
#include "domain/auth/totp_api.h"
#include "engine/gate.h"

struct verify_prepared {
    struct str pending_key;
    struct token_set tokens;
};

/* The words of the path for what pending.h says. */
static enum err lost(const struct command *command, enum err err) {
    bool is_lost = err == ERR_TEMP_INVALID || err == ERR_TEMP_EXPIRED || err == ERR_DATA_MISSING;
    return is_lost && totp_row(command)->lost != ERR_OK ? totp_row(command)->lost : err;
}

static enum err verify_prepare(struct request *request) {
    struct command *command = &request->command;
    const struct totp_body *body = command->body;
    struct verify_prepared *prepared = ARENA_NEW(request->arena, struct verify_prepared);
    struct pending_login pending;
    struct user user;
    if (prepared == NULL) {
        return ERR_NO_MEMORY;
    }
    if (str_is_none(body->code)) {
        return totp_row(command)->missing;
    }
    enum err err = pending_key(request, body->temp_token, &prepared->pending_key);
    if (err == ERR_OK) {
        err = pending_get(request_view(request), command, prepared->pending_key, &pending, &user);
    }
    if (err != ERR_OK) {
        return lost(command, err);
    }
    command->prepared = prepared;
    return tokens_make(request, user.id, (enum role)(1u << user.role), (struct id){{0}},
                       &prepared->tokens);
}

static enum err verify_load(const struct store_view *view, const struct command *command,
                            struct pending_login *pending, struct user *user,
                            struct totp_factor *factor) {
    const struct verify_prepared *prepared = command->prepared;
    enum err err = pending_get(view, command, prepared->pending_key, pending, user);
    if (err != ERR_OK) {
        return lost(command, err);
    }
    err = totp_get_verified(view, user->id, command->arena, factor);
    return err == ERR_NOT_FOUND ? totp_row(command)->none : err;
}

static enum err verify_check(const struct store_view *view, const struct command *command,
                             struct outcome *outcome) {
    (void)outcome;
    struct pending_login pending;
    struct user user;
    struct totp_factor factor;
    return verify_load(view, command, &pending, &user, &factor);
}

/* Authy2's path is told which kind of code it is; on the others the form tells. */
static enum totp_kind code_kind(const struct command *command) {
    const struct totp_body *body = command->body;
    if (command->row != &totp_verify_row.row) {
        return TOTP_ANY;
    }
    return body->is_backup_code ? TOTP_BACKUP : TOTP_APP;
}

static void verify_apply(struct store_tx *tx, const struct command *command,
                         struct outcome *outcome) {
    const struct verify_prepared *prepared = command->prepared;
    const struct totp_body *body = command->body;
    struct pending_login pending;
    struct user user;
    struct totp_factor factor;
    enum err err = verify_load(store_tx_view(tx), command, &pending, &user, &factor);
    CHECK(err == ERR_OK);
    outcome->actor = user.id;
    if (totp_spend(tx, command, &factor, body->code, code_kind(command), totp_row(command)->wrong,
                   outcome)) {
        pending_close(tx, command, &pending, outcome);
        login_finish(tx, command, &user, &prepared->tokens, pending.is_remembered, outcome);
    } else if (outcome->err != ERR_ACCOUNT_LOCKED) {
        pending_fail(tx, command, &pending, outcome);
    }
}

#define VERIFY_ROW(name_)                                                                          \
    {                                                                                              \
        .name = name_, .action = "session.create", .resource = "session",                          \
        .prepare = verify_prepare, .check = verify_check, .apply = verify_apply,                   \
    }

const struct totp_row totp_verify_row = {
    .row = VERIFY_ROW("totp.verify"),
    .none = ERR_FACTOR_NONE,
    .missing = ERR_CODE_WRONG,
    .wrong = ERR_CODE_WRONG,
    .lost = ERR_PENDING_NONE,
};
const struct totp_row totp_2fa_verify_row = {
    .row = VERIFY_ROW("totp.2fa_verify"),
    .none = ERR_FACTOR_NOT_ENABLED_2FA,
    .missing = ERR_DATA_MISSING,
    .wrong = ERR_CODE_WRONG_2FA,
};

/* ---- auth/mfa/verify ---- */

/* The gate leaves tokens alone on this path, because a login has none yet. */
static enum err mfa_caller(struct request *request) {
    struct command *command = &request->command;
    const struct totp_body *body = command->body;
    struct str token;
    if (!str_is_none(body->temp_token)) {
        return ERR_OK;
    }
    enum err err = gate_bearer(&request->exchange->head, &token);
    if (err == ERR_AUTH_REQUIRED) {
        return ERR_OK;
    }
    if (err == ERR_OK) {
        err = tokens_resolve(request_view(request), command->settings, command->now_us, token,
                             request->arena, &command->caller);
    }
    return err;
}

static enum err mfa_prepare(struct request *request) {
    enum err err = mfa_caller(request);
    if (err != ERR_OK) {
        return err;
    }
    if (request->command.caller.kind == CALLER_USER) {
        request->command.row = &totp_verify_2fa_row.row; /* from here on it is that command */
        return ERR_OK;
    }
    return verify_prepare(request);
}

const struct totp_row totp_mfa_verify_row = {
    .row = {.name = "totp.mfa_verify",
            .action = "session.create",
            .resource = "session",
            .prepare = mfa_prepare,
            .check = verify_check,
            .apply = verify_apply},
    .none = ERR_FACTOR_NOT_SET_UP,
    .missing = ERR_DATA_MISSING,
    .wrong = ERR_CODE_WRONG_MFA,
};
