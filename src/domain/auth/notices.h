/*
 * Mails that tell people what happens to their account: a login from a program or network not seen
 * before, a lock, a new password. To confirmed addresses only: nobody is bothered with the account
 * that somebody else made in their name.
 */
#ifndef DOMAIN_AUTH_NOTICES_H
#define DOMAIN_AUTH_NOTICES_H

#include "domain/auth/auth.h"

enum {
    /* More programs and networks than that nobody has; the longest unseen is forgotten. */
    DEVICES_PER_USER_MAX = 20,
    DEVICE_DAYS_MAX = 180,
};

/* A program (its User-Agent) in a network (IPv4 /24, IPv6 /48) from which somebody logged in. */
struct device {
    struct schema_set set;
    struct str key; /* SHA-256 over user, program and network */
    struct id user_id;
    int64_t seen_at; /* to the day */
};

extern const struct schema device_schema;
extern const struct table device_table;
enum { DEVICE_INDEX_USER, DEVICE_INDEX_SEEN };

/* In apply. */
void notice_password_changed(struct store_tx *tx, const struct command *command,
                             const struct user *user);
void notice_locked_out(struct store_tx *tx, const struct command *command, const struct user *user);
/* A session is opened: remembers the device. The first one of an account is no news. */
void notice_login(struct store_tx *tx, const struct command *command, const struct user *user);

#endif
