/* The endpoint rows of this domain. */
#include "domain/orgs/account.h"
#include "domain/orgs/jobs.h"
#include "domain/orgs/members.h"
#include "domain/orgs/org_api.h"

static const struct endpoint orgs_endpoints[] = {
    {
        .id = "users_me_organizations",
        .method = HTTP_GET,
        .path = "/api/v1/users/me/organizations",
        .doc = "The organizations that the caller belongs to.",
        .tag = "Organizations",
        .auth = AUTH_FULL,
        .rate = RATE_READ,
        .form = FORM_ENVELOPE,
        .output = &organizations_data_schema,
        .read = organizations_read,
    },
    {
        .id = "org_create",
        .method = HTTP_POST,
        .path = "/api/v1/organizations",
        .doc = "Make an organization; the caller becomes its owner.",
        .tag = "Organizations",
        .auth = AUTH_FULL,
        .rate = RATE_WRITE,
        .form = FORM_ENVELOPE,
        .body = &organization_create_schema,
        .output = &organization_data_schema,
        .status = 201,
        .errors = {ERR_SLUG_TAKEN, ERR_LIMIT},
        .command = &organization_create_command,
    },
    {
        .id = "org_show",
        .method = HTTP_GET,
        .path = "/api/v1/organizations/{organization_id}",
        .doc = "An organization, for its members.",
        .tag = "Organizations",
        .auth = AUTH_FULL,
        .rate = RATE_READ,
        .form = FORM_ENVELOPE,
        .params = &organization_params_schema,
        .output = &organization_show_schema,
        .errors = {ERR_FORBIDDEN},
        .read = organization_read,
    },
    {
        .id = "org_update",
        .method = HTTP_PATCH,
        .path = "/api/v1/organizations/{organization_id}",
        .doc = "Change an organization; for its admins and owners.",
        .tag = "Organizations",
        .auth = AUTH_FULL,
        .rate = RATE_WRITE,
        .form = FORM_ENVELOPE,
        .params = &organization_params_schema,
        .body = &organization_patch_schema,
        .output = &organization_data_schema,
        .errors = {ERR_FORBIDDEN},
        .command = &organization_patch_command,
    },
    {
        .id = "org_delete",
        .method = HTTP_DELETE,
        .path = "/api/v1/organizations/{organization_id}",
        .doc = "Delete an organization; for its owners. Its slug is free at once.",
        .tag = "Organizations",
        .auth = AUTH_FULL,
        .rate = RATE_WRITE,
        .form = FORM_ENVELOPE,
        .params = &organization_params_schema,
        .errors = {ERR_FORBIDDEN},
        .command = &organization_delete_command,
    },
    {
        .id = "org_members",
        .method = HTTP_GET,
        .path = "/api/v1/organizations/{organization_id}/members",
        .doc = "The members of an organization, for its members.",
        .tag = "Organizations",
        .auth = AUTH_FULL,
        .rate = RATE_READ,
        .form = FORM_ENVELOPE,
        .params = &members_params_schema,
        .output = &members_data_schema,
        .errors = {ERR_FORBIDDEN, ERR_CURSOR_INVALID},
        .read = members_read,
    },
    {
        .id = "org_member_add",
        .method = HTTP_POST,
        .path = "/api/v1/organizations/{organization_id}/members",
        .doc = "Make an existing account a member; for admins and owners.",
        .tag = "Organizations",
        .auth = AUTH_FULL,
        .rate = RATE_WRITE,
        .form = FORM_ENVELOPE,
        .params = &organization_params_schema,
        .body = &member_add_schema,
        .output = &member_data_schema,
        .status = 201,
        .errors = {ERR_FORBIDDEN, ERR_MEMBER_EXISTS, ERR_LIMIT},
        .command = &member_add_command,
    },
    {
        .id = "org_member_remove",
        .method = HTTP_DELETE,
        .path = "/api/v1/organizations/{organization_id}/members/{user_id}",
        .doc = "Remove a member; for admins and owners, and everybody may leave. "
               "Owners are removed by owners only, and the last one stays.",
        .tag = "Organizations",
        .auth = AUTH_FULL,
        .rate = RATE_WRITE,
        .form = FORM_ENVELOPE,
        .params = &member_params_schema,
        .errors = {ERR_FORBIDDEN, ERR_LAST_OWNER},
        .command = &member_remove_command,
    },
    {
        .id = "org_member_role",
        .method = HTTP_PATCH,
        .path = "/api/v1/organizations/{organization_id}/members/{user_id}/role",
        .doc = "Change a member's role; for admins and owners. "
               "Only owners make or unmake owners, and the last one stays.",
        .tag = "Organizations",
        .auth = AUTH_FULL,
        .rate = RATE_WRITE,
        .form = FORM_ENVELOPE,
        .params = &member_params_schema,
        .body = &member_role_schema,
        .output = &member_data_schema,
        .errors = {ERR_FORBIDDEN, ERR_LAST_OWNER},
        .command = &member_role_command,
    },
};

static enum err orgs_start(struct engine *engine, const char **problem) {
    (void)engine;
    (void)problem;
    auth_extend(&orgs_auth_extension);
    return ERR_OK;
}

static const struct table *const orgs_tables[] = {&organization_table, &member_table};

static const struct command_row *const orgs_jobs[] = {&organizations_purge_command};

const struct module orgs_module = {
    .name = "orgs",
    .start = orgs_start,
    .jobs = orgs_jobs,
    .job_count = COUNT_OF(orgs_jobs),
    .tables = orgs_tables,
    .table_count = COUNT_OF(orgs_tables),
    .endpoints = orgs_endpoints,
    .endpoint_count = COUNT_OF(orgs_endpoints),
};
