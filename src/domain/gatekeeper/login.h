/* POST /login */
#ifndef DOMAIN_GATEKEEPER_LOGIN_H
#define DOMAIN_GATEKEEPER_LOGIN_H

#include "domain/gatekeeper/gatekeeper.h"

extern const struct schema customer_login_schema;
extern const struct command_row customer_login_command;

#endif
