/* Refresh, logout, me, the list of sessions. */
#ifndef DOMAIN_AUTH_SESSION_API_H
#define DOMAIN_AUTH_SESSION_API_H

#include "domain/auth/auth.h"

extern const struct schema refresh_body_schema;
extern const struct schema refresh_data_schema;
extern const struct schema logout_body_schema;
extern const struct schema me_data_schema;
extern const struct schema sessions_data_schema;
extern const struct schema session_params_schema;
extern const struct command_row refresh_command;
extern const struct command_row logout_command;
extern const struct schema sessions_revoked_schema;
extern const struct schema session_patch_schema;
extern const struct schema session_data_schema;
extern const struct command_row session_revoke_command;
extern const struct command_row sessions_revoke_command;
extern const struct command_row session_patch_command;

enum err me_read(struct request *request, const struct store_view *view);
enum err sessions_read(struct request *request, const struct store_view *view);

#endif
