/*
 * Showing again that it is really them, before something that a stolen session must not do
 * (contract defect 29): a login of the last minutes (setting session.fresh-time), or the password
 * once more.
 */
#ifndef DOMAIN_AUTH_REAUTH_H
#define DOMAIN_AUTH_REAUTH_H

#include "domain/auth/auth.h"

struct reauth {
    bool is_given; /* a password was sent */
    bool is_match;
    struct password_mark mark; /* of the verified password */
};

/* In prepare. STR_NONE: no password was sent. ERR_AGAIN: parked, the next step of prepare calls
 * reauth_finish. ERR_OK: nothing to wait for. */
enum err reauth_start(struct request *request, struct str password, struct reauth *reauth);
void reauth_finish(struct request *request, struct reauth *reauth);

/* In check: ERR_OK, ERR_PASSWORD_WRONG; without a password ERR_REAUTH_REQUIRED when a fresh
 * login would have been enough, ERR_PASSWORD_REQUIRED when not. ERR_ACCOUNT_LOCKED. A password that
 * was sent must fit, whether it was needed or not. */
enum err reauth_check(const struct store_view *view, const struct command *command,
                      const struct reauth *reauth, bool fresh_is_enough, struct outcome *outcome);
/* The lock of the account, which a password that is sent meets first: ERR_ACCOUNT_LOCKED, with
 * details; or ERR_OK. */
enum err reauth_lock_check(const struct store_view *view, const struct command *command,
                           const struct user *user, struct outcome *outcome);
/* The row's `refused`: a wrong password counts as one in a login does, or a stolen session could
 * try them all. */
void reauth_refused(struct store_tx *tx, const struct command *command, enum err why);

#endif
