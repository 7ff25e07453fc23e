/* API keys of an organization over HTTP. */
#ifndef DOMAIN_ORGS_KEY_API_H
#define DOMAIN_ORGS_KEY_API_H

#include "domain/orgs/keys.h"

extern const struct schema key_create_schema;
extern const struct schema key_patch_schema;
extern const struct schema key_rotate_schema;
extern const struct schema key_params_schema;
extern const struct schema key_data_schema;
extern const struct schema key_secret_schema;
extern const struct schema keys_data_schema;
extern const struct command_row key_create_command;
extern const struct command_row key_patch_command;
extern const struct command_row key_revoke_command;
extern const struct command_row key_rotate_command;
enum err keys_read(struct request *request, const struct store_view *view);

#endif
