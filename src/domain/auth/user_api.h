/* users/me and the password. */
#ifndef DOMAIN_AUTH_USER_API_H
#define DOMAIN_AUTH_USER_API_H

#include "domain/auth/auth.h"

extern const struct schema user_data_schema;
extern const struct schema user_patch_schema;
extern const struct schema password_body_schema;
extern const struct command_row user_patch_command;
extern const struct command_row user_delete_command;
extern const struct command_row password_change_command;

enum err user_me_read(struct request *request, const struct store_view *view);

#endif
