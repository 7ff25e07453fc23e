/*
 * Logins that wait for their second factor. The password was checked; a token proves it, given out
 * twice: as temp_token in the reply and as the cookie `session` (identity contract, 1.6). The store
 * knows its hash. Whoever brings either goes on.
 *
 *   (login with the right password) -> WAITING -> done (good code) | dead (too many wrong codes,
 *   expired, the password was changed)
 */
#ifndef DOMAIN_AUTH_PENDING_H
#define DOMAIN_AUTH_PENDING_H

#include "domain/auth/auth.h"

struct pending_login {
    struct schema_set set;
    struct str token_hash;
    struct id user_id;
    /* The mark (auth.h) of the password that was checked: a password that was changed since no
     * longer fits. Absent: none was checked, and no second factor makes a session of it
     * (contract defect 2). */
    int64_t password_at;
    bool is_remembered;
    int64_t attempts; /* wrong codes */
    int64_t expires_at;
    int64_t created_at;
};

extern const struct schema pending_login_schema;
extern const struct table pending_login_table;
enum { PENDING_INDEX_EXPIRES, PENDING_INDEX_USER };

/* In apply: puts the row of a login whose password is the user's current one, adds temp_token,
 * mfa_required and expires_in to the reply's data, and the cookie. */
void pending_open(struct store_tx *tx, const struct command *command, const struct user *user,
                  bool is_remembered, struct outcome *outcome);

/* In prepare: the key of the row that `temp_token`, or without one the cookie, names; it lives in
 * the request's arena. ERR_DATA_MISSING: neither was sent. ERR_TEMP_INVALID: it cannot be one. */
enum err pending_key(struct request *request, struct str temp_token, struct str *key);

/* The row and its user, when the password that was checked is still the password.
 * ERR_TEMP_INVALID, ERR_TEMP_EXPIRED, ERR_ACCOUNT_INACTIVE. */
enum err pending_get(const struct store_view *view, const struct command *command, struct str key,
                     struct pending_login *pending, struct user *user);

/* A wrong code: counts; the last allowed one ends the login. */
void pending_fail(struct store_tx *tx, const struct command *command, struct pending_login *pending,
                  struct outcome *outcome);
/* Done: removes row and cookie. */
void pending_close(struct store_tx *tx, const struct command *command,
                   const struct pending_login *pending, struct outcome *outcome);

#endif
