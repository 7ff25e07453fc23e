/* A new password for whoever has lost the old one, by a link. */
#ifndef DOMAIN_AUTH_RESET_H
#define DOMAIN_AUTH_RESET_H

#include "domain/auth/auth.h"

extern const struct schema reset_confirm_schema;
extern const struct command_row reset_request_command;
extern const struct command_row reset_confirm_command;

#endif
