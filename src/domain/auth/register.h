/* New users: register, the first administrator, import. */
#ifndef DOMAIN_AUTH_REGISTER_H
#define DOMAIN_AUTH_REGISTER_H

#include "domain/auth/auth.h"

extern const struct schema register_body_schema;
extern const struct schema setup_body_schema;
extern const struct command_row register_command;
extern const struct command_row setup_command;

/* Makes the one-time token when there is no administrator. */
void setup_start(struct engine *engine, const uint8_t entropy[32]);

#endif
