/* Confirming the e-mail address by a link. */
#ifndef DOMAIN_AUTH_VERIFY_H
#define DOMAIN_AUTH_VERIFY_H

#include "domain/auth/auth.h"

extern const struct schema verify_confirm_schema;
extern const struct schema verify_data_schema;
extern const struct schema mail_request_schema; /* {email}: also for a new password */
extern const struct command_row verify_request_command;
extern const struct command_row verify_resend_command;
extern const struct command_row verify_confirm_command;

struct mail_request {
    struct schema_set set;
    struct str email;
};

/* In apply, for a new account: sends the first link. */
void verify_begin(struct store_tx *tx, const struct command *command, const struct user *user);

#endif
