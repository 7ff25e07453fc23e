/* Pure rules: what a password must be, how names derive, how failures count. */
#ifndef DOMAIN_AUTH_RULES_H
#define DOMAIN_AUTH_RULES_H

#include "domain/auth/auth.h"

/* Adds a fault at `path` for the first rule that `password` breaks; false then. */
bool password_rules_check(const struct settings *settings, struct str password, struct str path,
                          struct schema_faults *faults);

/* ---- lockout ---- */

/* Failures are counted per account and address, and per account; for unknown accounts too, so that
 * nothing tells them apart. */
struct lockout {
    struct login_failures by_address;
    struct login_failures by_account;
    int64_t locked_until; /* 0 = not locked */
};
void lockout_load(const struct store_view *view, const struct command *command, struct str email,
                  struct lockout *lockout);
/* One more failure. True when it closes the lock. */
bool lockout_count(struct store_tx *tx, const struct command *command, struct lockout *lockout);
/* A good login forgets the failures. */
void lockout_clear(struct store_tx *tx, struct lockout *lockout);

/* A count under an address and a word (of an account, a place, a purpose); empty when there is none
 * or it has expired. */
void failures_load(const struct store_view *view, const struct command *command, struct str email,
                   struct str address, struct login_failures *failures);

/* ERR_ACCOUNT_LOCKED with locked_until and Retry-After. */
void lockout_reply(const struct command *command, const struct lockout *lockout,
                   struct outcome *outcome);

#endif
