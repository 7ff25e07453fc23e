/* Keys of the platform at the financial contract's paths, for platform administrators. */
#ifndef DOMAIN_ORGS_KEY_PLATFORM_API_H
#define DOMAIN_ORGS_KEY_PLATFORM_API_H

#include "domain/orgs/keys.h"

extern const struct schema platform_key_create_schema;
extern const struct schema platform_key_made_schema;
extern const struct schema platform_keys_params_schema;
extern const struct schema platform_keys_data_schema;
extern const struct schema platform_key_params_schema;
extern const struct schema platform_key_revoked_schema;
extern const struct schema platform_key_permissions_schema;
extern const struct schema platform_key_changed_schema;
extern const struct schema key_test_schema;
extern const struct command_row platform_key_create_command;
extern const struct command_row platform_key_revoke_command;
extern const struct command_row platform_key_permissions_command;
enum err platform_keys_read(struct request *request, const struct store_view *view);
/* Who is this key? Of organizations, too. */
enum err key_test_read(struct request *request, const struct store_view *view);

#endif
