/* The commands of the Gatekeeper paths, less the login. */
#ifndef DOMAIN_GATEKEEPER_CUSTOMERS_H
#define DOMAIN_GATEKEEPER_CUSTOMERS_H

#include "domain/gatekeeper/gatekeeper.h"

extern const struct schema customer_params_schema;
extern const struct command_row customer_register_command; /* POST /register */
extern const struct command_row customer_add_command;      /* POST / */
extern const struct command_row customer_update_command;   /* PUT /{account} */
extern const struct command_row customer_delete_command;   /* DELETE /{account} */

/* Sets a member and marks it as present. */
#define CUSTOMER_SET(customer, member, value)                                                      \
    ((customer)->member = (value), SCHEMA_SET(&customer_schema, customer, member))

#endif
