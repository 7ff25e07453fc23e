/* What runs every minute, and the removal of what belonged to a deleted organization. */
#ifndef DOMAIN_ORGS_JOBS_H
#define DOMAIN_ORGS_JOBS_H

#include "domain/orgs/orgs.h"

/* Removes a bounded number of rows of a deleted organization; clears purge_at behind the last. */
void organization_purge(struct store_tx *tx, const struct command *command,
                        struct organization *organization);

extern const struct command_row organizations_purge_command;
/* Judges notes that are older than their policy. */
extern const struct command_row policies_sweep_command;
/* Suspends the accounts of members whose time is over, and tells them. */
extern const struct command_row members_suspend_command;
/* Reminds members by mail before that. */
extern const struct command_row members_remind_command;

#endif
