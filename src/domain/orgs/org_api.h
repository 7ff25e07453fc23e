/* Organizations over HTTP: make, show, change, delete, and the caller's own list. */
#ifndef DOMAIN_ORGS_ORG_API_H
#define DOMAIN_ORGS_ORG_API_H

#include "domain/orgs/orgs.h"

extern const struct schema organization_create_schema;
extern const struct schema organization_patch_schema;
extern const struct schema organization_params_schema;
extern const struct schema organization_data_schema;
extern const struct schema organization_show_schema;
extern const struct schema organizations_data_schema;
extern const struct command_row organization_create_command;
extern const struct command_row organization_patch_command;
extern const struct command_row organization_delete_command;
enum err organization_read(struct request *request, const struct store_view *view);
enum err organizations_read(struct request *request, const struct store_view *view);

/* The id in the path of an endpoint whose params are organization_params_schema. */
struct organization_params {
    struct schema_set set;
    struct id organization_id;
};

#endif
