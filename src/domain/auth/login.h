/* POST auth/login, and what other ways to log in share with it. */
#ifndef DOMAIN_AUTH_LOGIN_H
#define DOMAIN_AUTH_LOGIN_H

#include "domain/auth/tokens.h"

extern const struct schema login_body_schema;
extern const struct schema login_data_schema;
extern const struct schema login_answer_schema;
extern const struct command_row login_command;

/* Somebody has shown who they are: may the account log in? ERR_ACCOUNT_INACTIVE,
 * ERR_EMAIL_UNVERIFIED. */
enum err login_admit(const struct command *command, const struct user *user);
/* In apply, the end of every login: stamps *user, opens the session, fills the reply. */
void login_finish(struct store_tx *tx, const struct command *command, struct user *user,
                  const struct token_set *tokens, bool is_remembered, struct outcome *outcome);

#endif
