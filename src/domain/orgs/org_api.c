/* Organizations: the endpoints' schemas, reads and commands. */
#include "domain/orgs/org_api.h"

#include "domain/orgs/jobs.h"
#include "domain/orgs/members.h"

static const struct field organization_params_fields[] = {
    FIELD(struct organization_params, organization_id, FIELD_ID, .flags = FIELD_REQUIRED,
          .doc = "Organization id."),
};

const struct schema organization_params_schema =
    SCHEMA("OrganizationParams", struct organization_params, organization_params_fields);

/* ---- replies ---- */

struct organization_data {
    struct schema_set set;
    struct organization organization;
};

static const struct field organization_data_fields[] = {
    FIELD(struct organization_data, organization, FIELD_OBJECT, .flags = FIELD_REQUIRED,
          .of = &organization_schema, .doc = "The organization."),
};

const struct schema organization_data_schema =
    SCHEMA("OrganizationData", struct organization_data, organization_data_fields);

struct organization_show {
    struct schema_set set;
    struct organization organization;
    int64_t member_count;
};

static const struct field organization_show_fields[] = {
    FIELD(struct organization_show, organization, FIELD_OBJECT, .flags = FIELD_REQUIRED,
          .of = &organization_schema, .doc = "The organization."),
    FIELD(struct organization_show, member_count, FIELD_INT, .flags = FIELD_REQUIRED,
          .doc = "How many members it has."),
};

const struct schema organization_show_schema =
    SCHEMA("OrganizationShow", struct organization_show, organization_show_fields);

static void organization_add(const struct command *command, const struct organization *organization,
                             struct outcome *outcome) {
    outcome->resource = organization->id;
    outcome->organization = organization->id;
    yyjson_mut_val *data = outcome_data(outcome, command);
    json_add_members(outcome->doc, json_add_object(outcome->doc, data, "organization"),
                     &organization_schema, organization);
}

enum err organization_read(struct request *request, const struct store_view *view) {
    const struct organization_params *params = request->command.params;
    struct organization_access access;
    enum err err =
        organization_enter(view, &request->command, params->organization_id, MEMBER_GUEST, &access);
    if (err == ERR_OK) {
        organization_add(&request->command, &access.organization, &request->outcome);
        json_add_int(request->outcome.doc, request->outcome.data, "member_count",
                     access.organization.member_count);
    }
    return err;
}

/* ---- the caller's own ---- */

struct organizations_data {
    struct schema_set set;
    struct schema_list organizations;
    int64_t count;
};

static const struct field organizations_data_fields[] = {
    FIELD(struct organizations_data, organizations, FIELD_LIST, .flags = FIELD_REQUIRED,
          .of = &organization_schema, .doc = "Those that the caller belongs to, oldest first."),
    FIELD(struct organizations_data, count, FIELD_INT, .flags = FIELD_REQUIRED, .doc = "How many."),
};

const struct schema organizations_data_schema =
    SCHEMA("OrganizationsData", struct organizations_data, organizations_data_fields);

enum err organizations_read(struct request *request, const struct store_view *view) {
    struct outcome *outcome = &request->outcome;
    yyjson_mut_val *data = outcome_data(outcome, &request->command);
    yyjson_mut_val *list = json_add_array(outcome->doc, data, "organizations");
    struct membership_scan scan;
    int64_t count = 0;
    enum err err = membership_scan_open(&scan, view, request->command.caller.user_id);
    while (err == ERR_OK) {
        struct member member;
        struct organization organization;
        err = membership_scan_next(&scan, request->arena, &member, &organization);
        if (err == ERR_OK) {
            yyjson_mut_val *value = json_object(outcome->doc);
            json_add_members(outcome->doc, value, &organization_schema, &organization);
            json_append_val(outcome->doc, list, value);
            count++;
        }
    }
    membership_scan_close(&scan);
    json_add_int(outcome->doc, data, "count", count);
    return err == ERR_END ? ERR_OK : err;
}

/* ---- create ---- */

struct organization_create {
    struct schema_set set;
    struct str name;
    struct str slug;
    struct str description;
    struct str logo_url;
};

static const struct field organization_create_fields[] = {
    FIELD(struct organization_create, name, FIELD_TEXT, .flags = FIELD_REQUIRED, .min = 1,
          .max = 255, .doc = "Name for display."),
    FIELD(struct organization_create, slug, FIELD_TEXT, .flags = FIELD_REQUIRED, .min = 1,
          .max = 255, .doc = "Short name, unique among living organizations."),
    FIELD(struct organization_create, description, FIELD_TEXT, .flags = FIELD_NULLABLE, .max = 2000,
          .doc = "What it is."),
    FIELD(struct organization_create, logo_url, FIELD_TEXT, .flags = FIELD_NULLABLE, .max = 512,
          .format = FORMAT_URL, .doc = "Address of a picture."),
};

const struct schema organization_create_schema =
    SCHEMA("OrganizationCreate", struct organization_create, organization_create_fields);

enum { SLUG_KEY_BYTES_MAX = 2 * 4 * 255 }; /* code points of four bytes, all escaped */

static enum err create_check(const struct store_view *view, const struct command *command,
                             struct outcome *outcome) {
    (void)outcome;
    const struct organization_create *body = command->body;
    struct store_scope system = {.kind = STORE_SCOPE_SYSTEM}; /* slugs are unique in all */
    struct organization other;
    char memory[SLUG_KEY_BYTES_MAX];
    struct buf key = buf_over(memory, sizeof(memory));
    store_key_put_text(&key, body->slug, true);
    CHECK(!key.is_full);
    enum err err = store_find(view, system, &organization_table, ORGANIZATION_INDEX_SLUG,
                              buf_str(&key), command->arena, &other);
    if (err != ERR_NOT_FOUND) {
        return err == ERR_OK ? ERR_SLUG_TAKEN : err;
    }
    return member_has_room(view, command->caller.user_id, command->arena);
}

#define COPY_TEXT(organization, member, value)                                                     \
    do {                                                                                           \
        (organization)->member = (value);                                                          \
        if (str_is_none(value)) {                                                                  \
            SCHEMA_CLEAR(&organization_schema, organization, member);                              \
        } else {                                                                                   \
            SCHEMA_SET(&organization_schema, organization, member);                                \
        }                                                                                          \
    } while (0)

static void create_apply(struct store_tx *tx, const struct command *command,
                         struct outcome *outcome) {
    const struct organization_create *body = command->body;
    struct member member;
    struct organization organization = {
        .set.present = UINT64_MAX >> (64 - organization_schema.field_count),
        .id = command_id(command, "organization"),
        .name = body->name,
        .slug = body->slug,
        .is_active = true,
        .settings = STR("{}"),
        .created_at = command->now_us,
        .updated_at = command->now_us,
    };
    SCHEMA_CLEAR(&organization_schema, &organization, deleted_at);
    SCHEMA_CLEAR(&organization_schema, &organization, purge_at);
    COPY_TEXT(&organization, description, body->description);
    COPY_TEXT(&organization, logo_url, body->logo_url);
    member_put_new(tx, command, &organization, command->caller.user_id, MEMBER_OWNER,
                   (struct id){{0}}, &member);
    organization_add(command, &organization, outcome);
}

const struct command_row organization_create_command = {
    .name = "org.create",
    .action = "org.create",
    .resource = "organization",
    .check = create_check,
    .apply = create_apply,
};

/* ---- patch ---- */

struct organization_patch {
    struct schema_set set;
    struct str name;
    struct str description;
    struct str logo_url;
};

static const struct field organization_patch_fields[] = {
    FIELD(struct organization_patch, name, FIELD_TEXT, .min = 1, .max = 255,
          .doc = "Name for display."),
    FIELD(struct organization_patch, description, FIELD_TEXT, .flags = FIELD_NULLABLE, .max = 2000,
          .doc = "What it is."),
    FIELD(struct organization_patch, logo_url, FIELD_TEXT, .flags = FIELD_NULLABLE, .max = 512,
          .format = FORMAT_URL, .doc = "Address of a picture."),
};

const struct schema organization_patch_schema =
    SCHEMA("OrganizationPatch", struct organization_patch, organization_patch_fields);

static enum err patch_check(const struct store_view *view, const struct command *command,
                            struct outcome *outcome) {
    const struct organization_params *params = command->params;
    struct organization_access access;
    outcome->organization = params->organization_id;
    return organization_enter(view, command, params->organization_id, MEMBER_ADMIN, &access);
}

static void patch_apply(struct store_tx *tx, const struct command *command,
                        struct outcome *outcome) {
    const struct organization_params *params = command->params;
    const struct organization_patch *body = command->body;
    struct organization organization;
    enum err err =
        organization_get(store_tx_view(tx), params->organization_id, command->arena, &organization);
    CHECK(err == ERR_OK);
    if (SCHEMA_HAS(&organization_patch_schema, body, name)) {
        organization.name = body->name;
    }
    if (SCHEMA_HAS(&organization_patch_schema, body, description) ||
        SCHEMA_IS_NULL(&organization_patch_schema, body, description)) {
        COPY_TEXT(&organization, description, body->description);
    }
    if (SCHEMA_HAS(&organization_patch_schema, body, logo_url) ||
        SCHEMA_IS_NULL(&organization_patch_schema, body, logo_url)) {
        COPY_TEXT(&organization, logo_url, body->logo_url);
    }
    if (body->set.present != 0 || body->set.null != 0) {
        organization.updated_at = command->now_us;
        store_put(tx, &organization_table, &organization);
    }
    organization_add(command, &organization, outcome);
}

const struct command_row organization_patch_command = {
    .name = "org.update",
    .action = "org.update",
    .resource = "organization",
    .check = patch_check,
    .apply = patch_apply,
};

/* ---- delete ---- */

static enum err delete_check(const struct store_view *view, const struct command *command,
                             struct outcome *outcome) {
    const struct organization_params *params = command->params;
    struct organization_access access;
    outcome->organization = params->organization_id;
    return organization_enter(view, command, params->organization_id, MEMBER_OWNER, &access);
}

/* The slug becomes free; the row stays for the audit trail. */
static struct str deleted_slug(const struct command *command, struct id id) {
    enum { DELETED_SLUG_BYTES = 64 };
    char *memory = arena_take(command->arena, DELETED_SLUG_BYTES);
    CHECK(memory != NULL);
    struct buf out = buf_over(memory, DELETED_SLUG_BYTES);
    buf_put_c(&out, "deleted_");
    id_format(id, &out);
    return buf_str(&out);
}

static void delete_apply(struct store_tx *tx, const struct command *command,
                         struct outcome *outcome) {
    const struct organization_params *params = command->params;
    struct organization organization;
    enum err err =
        organization_get(store_tx_view(tx), params->organization_id, command->arena, &organization);
    CHECK(err == ERR_OK);
    organization.slug = deleted_slug(command, organization.id);
    organization.is_active = false;
    organization.deleted_at = command->now_us;
    organization.updated_at = command->now_us;
    organization.member_count = 0;
    organization.purge_at = command->now_us;
    SCHEMA_SET(&organization_schema, &organization, deleted_at);
    SCHEMA_SET(&organization_schema, &organization, purge_at);
    store_put(tx, &organization_table, &organization);
    organization_purge(tx, command, &organization);
    outcome->resource = organization.id;
    outcome->message = "The organization is deleted";
}

const struct command_row organization_delete_command = {
    .name = "org.delete",
    .action = "org.delete",
    .resource = "organization",
    .frees_room = true,
    .check = delete_check,
    .apply = delete_apply,
};
