/* What administrators do to one account. */
#ifndef DOMAIN_ADMIN_USERS_MANAGE_H
#define DOMAIN_ADMIN_USERS_MANAGE_H

#include "domain/auth/auth.h"

struct user_params {
    struct schema_set set;
    struct id id;
};

extern const struct schema user_params_schema;
extern const struct schema managed_user_schema;
extern const struct schema suspend_body_schema;
extern const struct schema role_body_schema;

enum err managed_user_read(struct request *request, const struct store_view *view);

extern const struct command_row user_suspend_command;
extern const struct command_row user_reactivate_command;
extern const struct command_row user_reset_factors_command;
extern const struct command_row user_require_password_command;
extern const struct command_row user_role_command;
extern const struct command_row user_sessions_revoke_command;

#endif
