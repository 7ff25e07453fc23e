/* The endpoint rows of this domain. */
#include "domain/appliance/internal.h"

static const struct endpoint appliance_endpoints[] = {
    {
        .id = "appliance_update",
        .method = HTTP_GET,
        .path = "/api/v1/admin/appliance/update",
        .doc = "The update of the machine that is on its way, or was the last.",
        .tag = "Appliance",
        .auth = AUTH_FULL,
        .roles = ROLE_ADMIN,
        .rate = RATE_READ,
        .form = FORM_ENVELOPE,
        .output = &update_data_schema,
        .read = update_read,
    },
    {
        .id = "appliance_update_begin",
        .method = HTTP_POST,
        .path = "/api/v1/admin/appliance/update",
        .doc = "Begins an update with the header of a signed bundle, in place of an earlier one.",
        .tag = "Appliance",
        .auth = AUTH_FULL,
        .roles = ROLE_ADMIN,
        .rate = RATE_WRITE,
        .form = FORM_ENVELOPE,
        .body = &update_begin_schema,
        .output = &update_data_schema,
        .status = 201,
        .errors = {ERR_UPDATE_KEY, ERR_UPDATE_FORMAT, ERR_UPDATE_UNSIGNED, ERR_UPDATE_OLD,
                   ERR_UPDATE_BASE},
        .command = &update_begin_command,
    },
    {
        .id = "appliance_update_part",
        .method = HTTP_PUT,
        .path = "/api/v1/admin/appliance/update/parts",
        .doc = "One part of the bundle's image, in any order; again is fine.",
        .tag = "Appliance",
        .auth = AUTH_FULL,
        .roles = ROLE_ADMIN,
        .rate = RATE_NONE, /* a bundle has up to a hundred parts, and the header limits them */
        .form = FORM_ENVELOPE,
        .body_bytes_max = 256 * 1024,
        .body = &update_piece_schema,
        .output = &update_data_schema,
        .errors = {ERR_NOT_FOUND, ERR_UPDATE_PART},
        .command = &update_part_command,
    },
    {
        .id = "appliance_update_install",
        .method = HTTP_POST,
        .path = "/api/v1/admin/appliance/update/install",
        .doc = "Restarts the machine into the update; it goes back by itself if that fails.",
        .tag = "Appliance",
        .auth = AUTH_FULL,
        .roles = ROLE_ADMIN,
        .rate = RATE_WRITE,
        .form = FORM_ENVELOPE,
        .output = &update_data_schema,
        .status = 202,
        .errors = {ERR_NOT_FOUND, ERR_UPDATE_INCOMPLETE, ERR_UPDATE_MACHINE},
        .command = &update_install_command,
    },
};

static const struct table *const appliance_tables[] = {&update_table, &update_part_table};

const struct module appliance_module = {
    .name = "appliance",
    .tables = appliance_tables,
    .table_count = COUNT_OF(appliance_tables),
    .endpoints = appliance_endpoints,
    .endpoint_count = COUNT_OF(appliance_endpoints),
};
