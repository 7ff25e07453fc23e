/* What the store holds about the caller: the export, and erasure. */
#ifndef DOMAIN_AUTH_ERASE_H
#define DOMAIN_AUTH_ERASE_H

#include "domain/auth/auth.h"

extern const struct schema export_params_schema;
extern const struct schema erase_body_schema;
extern const struct command_row export_note_command;
extern const struct command_row erase_command;

enum err export_read(struct request *request, const struct store_view *view);

#endif
