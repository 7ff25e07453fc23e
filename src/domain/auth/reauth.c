/* Showing again that it is really them, see reauth.h. */
#include "domain/auth/reauth.h"

#include "domain/auth/rules.h"

enum err reauth_start(struct request *request, struct str password, struct reauth *reauth) {
    struct user user;
    reauth->is_given = !str_is_none(password);
    if (!reauth->is_given) {
        return ERR_OK;
    }
    enum err err =
        user_get(request_view(request), request->command.caller.user_id, request->arena, &user);
    if (err != ERR_OK && err != ERR_NOT_FOUND) {
        return err;
    }
    if (err == ERR_NOT_FOUND || str_is_none(user.password_hash)) {
        return ERR_OK; /* nothing to compare with: does not fit */
    }
    reauth->mark = password_mark_of(&user);
    if (password_job_verify(&request->job, password, user.password_hash) != ERR_OK) {
        return ERR_OK; /* too long to be anybody's password (contract defect 25) */
    }
    return request_park_password(request);
}

void reauth_finish(struct request *request, struct reauth *reauth) {
    if (request->job.state == PASSWORD_JOB_DONE) {
        reauth->is_match = password_job_result(&request->job) == ERR_OK;
    }
}

static bool is_fresh(const struct store_view *view, const struct command *command) {
    struct session session;
    enum err err = store_get(view, caller_scope(&command->caller), &session_table,
                             id_bytes(&command->caller.session_id), command->arena, &session);
    int64_t life_us = settings_us(command->settings, SETTING_FRESH_SECONDS_ID);
    return err == ERR_OK && command->now_us < session.created_at + life_us;
}

enum err reauth_lock_check(const struct store_view *view, const struct command *command,
                           const struct user *user, struct outcome *outcome) {
    struct lockout lockout;
    lockout_load(view, command, user->email, &lockout);
    if (lockout.locked_until == 0) {
        return ERR_OK;
    }
    lockout_reply(command, &lockout, outcome);
    return ERR_ACCOUNT_LOCKED;
}

void reauth_refused(struct store_tx *tx, const struct command *command, enum err why) {
    struct lockout lockout;
    struct user user;
    if (why != ERR_PASSWORD_WRONG ||
        user_get(store_tx_view(tx), command->caller.user_id, command->arena, &user) != ERR_OK) {
        return;
    }
    lockout_load(store_tx_view(tx), command, user.email, &lockout);
    if (lockout.locked_until == 0) {
        lockout_count(tx, command, &lockout);
    }
}

enum err reauth_check(const struct store_view *view, const struct command *command,
                      const struct reauth *reauth, bool fresh_is_enough, struct outcome *outcome) {
    struct user user;
    if (!reauth->is_given) {
        if (!fresh_is_enough) {
            return ERR_PASSWORD_REQUIRED;
        }
        return is_fresh(view, command) ? ERR_OK : ERR_REAUTH_REQUIRED;
    }
    enum err err = user_get(view, command->caller.user_id, command->arena, &user);
    if (err == ERR_OK) {
        err = reauth_lock_check(view, command, &user, outcome);
    }
    if (err != ERR_OK) {
        return err;
    }
    bool is_match = reauth->is_match && password_mark_holds(reauth->mark, &user);
    return is_match ? ERR_OK : ERR_PASSWORD_WRONG;
}
