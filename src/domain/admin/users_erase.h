/* Export and erasure of somebody else, on request. */
#ifndef DOMAIN_ADMIN_USERS_ERASE_H
#define DOMAIN_ADMIN_USERS_ERASE_H

#include "domain/auth/auth.h"

extern const struct schema user_export_params_schema;
extern const struct schema user_erased_schema;
extern const struct command_row user_export_note_command;
extern const struct command_row user_erase_command;

enum err user_export_read(struct request *request, const struct store_view *view);

#endif
