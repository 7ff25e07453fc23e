/* What the auth domain asks this one: struct auth_extension. */
#ifndef DOMAIN_ORGS_ACCOUNT_H
#define DOMAIN_ORGS_ACCOUNT_H

#include "domain/orgs/orgs.h"

extern const struct auth_extension orgs_auth_extension;

#endif
