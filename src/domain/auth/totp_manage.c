/*
 * What the owner of a one-time code app can do with it: look, disable it, have new backup codes.
 * Each wants the password, a code, or both, as the contract of its path says. A wrong password is
 * refused; a wrong code counts, because a stolen session must not be able to try them all.
 */
#include "domain/auth/totp_api.h"

struct manage_prepared {
    struct reauth reauth;
    struct backup_codes codes; /* of regenerate */
};

static enum err manage_prepare(struct request *request) {
    const struct totp_body *body = request->command.body;
    struct manage_prepared *prepared = request->command.prepared;
    request->step++;
    if (request->step == 1) {
        prepared = ARENA_NEW(request->arena, struct manage_prepared);
        if (prepared == NULL) {
            return ERR_NO_MEMORY;
        }
        request->command.prepared = prepared;
        enum err err = reauth_start(request, body->password, &prepared->reauth);
        if (err != ERR_OK) {
            return err;
        }
    }
    reauth_finish(request, &prepared->reauth);
    if (request->command.row == &totp_regenerate_row.row) {
        backup_codes_make(&request->command, request->command.caller.user_id, &prepared->codes);
    }
    return ERR_OK;
}

static enum err manage_check(const struct store_view *view, const struct command *command,
                             struct outcome *outcome) {
    const struct totp_row *row = totp_row(command);
    const struct manage_prepared *prepared = command->prepared;
    const struct totp_body *body = command->body;
    struct totp_factor factor;
    if (row->needs_code && !row->needs_password && str_is_none(body->code)) {
        return row->missing;
    }
    if (row->needs_password) {
        enum err err = reauth_check(view, command, &prepared->reauth, false, outcome);
        if (err != ERR_OK) {
            return err;
        }
    }
    enum err err = totp_get_verified(view, command->caller.user_id, command->arena, &factor);
    if (err != ERR_OK) {
        return err == ERR_NOT_FOUND ? row->none : err;
    }
    return row->needs_code && str_is_none(body->code) ? row->missing : ERR_OK;
}

/* ---- disable ---- */

static void disable_apply(struct store_tx *tx, const struct command *command,
                          struct outcome *outcome) {
    const struct totp_row *row = totp_row(command);
    const struct totp_body *body = command->body;
    struct totp_factor factor;
    struct user user;
    enum err err =
        totp_get_verified(store_tx_view(tx), command->caller.user_id, command->arena, &factor);
    CHECK(err == ERR_OK);
    outcome->resource = factor.user_id;
    if (row->needs_code &&
        !totp_spend(tx, command, &factor, body->code, TOTP_ANY, row->wrong, outcome)) {
        return;
    }
    err = user_get(store_tx_view(tx), factor.user_id, command->arena, &user);
    CHECK(err == ERR_OK);
    totp_forget(tx, &user, command->now_us);
    store_put(tx, &user_table, &user);
    outcome->message = "A login no longer asks for a one-time code";
    totp_enabled_reply(command, false, outcome);
}

#define DISABLE_ROW(name_)                                                                         \
    {                                                                                              \
        .name = name_, .action = "totp.disabled", .resource = "user", .frees_room = true,          \
        .prepare = manage_prepare, .check = manage_check, .apply = disable_apply,                  \
        .refused = reauth_refused,                                                                 \
    }

const struct totp_row totp_disable_row = {
    .row = DISABLE_ROW("totp.disable"),
    .none = ERR_FACTOR_NONE,
    .needs_password = true,
};
const struct totp_row totp_disable_2fa_row = {
    .row = DISABLE_ROW("totp.disable_2fa"),
    .none = ERR_FACTOR_NOT_ENABLED,
    .missing = ERR_CODE_REQUIRED,
    .wrong = ERR_CODE_WRONG_MFA,
    .needs_password = true,
    .needs_code = true,
    .has_data = true,
};
const struct totp_row totp_2fa_disable_row = {
    .row = DISABLE_ROW("totp.2fa_disable"),
    .none = ERR_FACTOR_NOT_ENABLED_2FA,
    .missing = ERR_DATA_MISSING,
    .wrong = ERR_CODE_WRONG_2FA,
    .needs_code = true,
    .has_data = true,
};

/* ---- new backup codes ---- */

static void regenerate_apply(struct store_tx *tx, const struct command *command,
                             struct outcome *outcome) {
    const struct manage_prepared *prepared = command->prepared;
    struct totp_factor factor;
    enum err err =
        totp_get_verified(store_tx_view(tx), command->caller.user_id, command->arena, &factor);
    CHECK(err == ERR_OK);
    backup_codes_set(&factor, &prepared->codes);
    factor.updated_at = command->now_us;
    store_put(tx, &totp_factor_table, &factor);
    outcome->resource = factor.user_id;
    outcome->message = "The old backup codes are void";
    backup_codes_reply(command, &prepared->codes, outcome);
}

const struct totp_row totp_regenerate_row = {
    .row = {.name = "totp.regenerate",
            .action = "totp.backup_codes.regenerated",
            .resource = "user",
            .prepare = manage_prepare,
            .check = manage_check,
            .apply = regenerate_apply,
            .refused = reauth_refused},
    .none = ERR_FACTOR_NONE,
    .needs_password = true,
};

/* ---- status ---- */

enum err totp_status_read(struct request *request, const struct store_view *view) {
    const struct command *command = &request->command;
    struct outcome *outcome = &request->outcome;
    struct totp_factor factor;
    enum err err = totp_get_verified(view, command->caller.user_id, request->arena, &factor);
    if (err != ERR_OK && err != ERR_NOT_FOUND) {
        return err;
    }
    bool is_enabled = err == ERR_OK;
    yyjson_mut_val *data = outcome_data(outcome, command);
    json_add_bool(outcome->doc, data, "totp_enabled", is_enabled);
    if (is_enabled) {
        json_add_time(outcome->doc, data, "verified_at", factor.verified_at, TIME_FORM_RFC3339);
    } else {
        json_add_null(outcome->doc, data, "verified_at");
    }
    json_add_int(outcome->doc, data, "backup_codes_remaining",
                 is_enabled ? backup_codes_left(&factor) : 0);
    return ERR_OK;
}
