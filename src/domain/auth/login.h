/* POST auth/login. */
#ifndef DOMAIN_AUTH_LOGIN_H
#define DOMAIN_AUTH_LOGIN_H

#include "domain/auth/auth.h"

extern const struct schema login_body_schema;
extern const struct schema login_data_schema;
extern const struct command_row login_command;

#endif
