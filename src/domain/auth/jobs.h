/* Periodic work of this domain. */
#ifndef DOMAIN_AUTH_JOBS_H
#define DOMAIN_AUTH_JOBS_H

#include "domain/auth/auth.h"

extern const struct command_row auth_prune_command;
/* The same for pending logins and set-ups that were not finished. */
extern const struct command_row factor_prune_command;
/* Expired links, and devices not seen for long. */
extern const struct command_row recovery_prune_command;

#endif
