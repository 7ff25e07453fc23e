/* The list of users, in bounded pages. */
#ifndef DOMAIN_ADMIN_USERS_LIST_H
#define DOMAIN_ADMIN_USERS_LIST_H

#include "domain/auth/auth.h"

extern const struct schema users_params_schema;
extern const struct schema users_data_schema;
enum err users_read(struct request *request, const struct store_view *view);

#endif
