/* Pure rules: what a password must be, how names derive, how failures count. */
#ifndef DOMAIN_AUTH_RULES_H
#define DOMAIN_AUTH_RULES_H

#include "domain/auth/auth.h"

/* Adds a fault at `path` for the first rule that `password` breaks; false then. */
bool password_rules_check(const struct settings *settings, struct str password, struct str path,
                          struct schema_faults *faults);

/* ---- lockout ---- */

/* One more failure, by the settings. True when it closes the lock. */
bool lockout_count(struct store_tx *tx, const struct command *command, struct lockout *lockout);

/* A count under an address and a word (of an account, a place, a purpose); empty when there is none
 * or it has expired. */
void failures_load(const struct store_view *view, const struct command *command, struct str email,
                   struct str address, struct login_failures *failures);

/* ERR_ACCOUNT_LOCKED with locked_until and Retry-After. */
void lockout_reply(const struct command *command, const struct lockout *lockout,
                   struct outcome *outcome);

#endif
