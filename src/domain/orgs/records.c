/* The records of organizations and members: schemas and tables, nothing else. */
#include "domain/orgs/orgs.h"

const char *const member_role_names[] = {"owner", "admin", "member", "guest", NULL};

static const struct field organization_fields[] = {
    FIELD(struct organization, id, FIELD_ID, .tag = 1, .flags = FIELD_REQUIRED,
          .doc = "Organization id."),
    FIELD(struct organization, name, FIELD_TEXT, .tag = 2, .flags = FIELD_REQUIRED, .max = 255,
          .doc = "Name for display."),
    FIELD(struct organization, slug, FIELD_TEXT, .tag = 3, .flags = FIELD_REQUIRED, .max = 255,
          .doc = "Short name, unique among living organizations."),
    FIELD(struct organization, description, FIELD_TEXT, .tag = 4, .flags = FIELD_NULLABLE,
          .max = 2000, .doc = "What it is."),
    FIELD(struct organization, logo_url, FIELD_TEXT, .tag = 5, .flags = FIELD_NULLABLE, .max = 512,
          .doc = "Address of a picture."),
    FIELD(struct organization, is_active, FIELD_BOOL, .tag = 6, .flags = FIELD_REQUIRED,
          .doc = "Whether it is in use."),
    FIELD(struct organization, settings, FIELD_JSON, .tag = 7, .flags = FIELD_REQUIRED,
          .doc = "Free-form settings; an empty object."),
    FIELD(struct organization, created_at, FIELD_TIME, .tag = 8, .flags = FIELD_REQUIRED,
          .doc = "When it was made."),
    FIELD(struct organization, updated_at, FIELD_TIME, .tag = 9, .flags = FIELD_REQUIRED,
          .doc = "Last change."),
    FIELD(struct organization, deleted_at, FIELD_TIME, .tag = 10, .flags = FIELD_NULLABLE,
          .doc = "Always null: deleted ones are not shown."),
    FIELD(struct organization, member_count, FIELD_INT, .tag = 11,
          .flags = FIELD_REQUIRED | FIELD_HIDDEN, .max = MEMBERS_PER_ORGANIZATION_MAX,
          .doc = "Members, kept with them."),
    FIELD(struct organization, purge_at, FIELD_TIME, .tag = 12, .flags = FIELD_HIDDEN,
          .doc = "Set on a deleted one that still has rows to be removed."),
};

const struct schema organization_schema =
    SCHEMA("Organization", struct organization, organization_fields);

static const struct table_index organization_indexes[] = {
    [ORGANIZATION_INDEX_SLUG] = {.name = "slug",
                                 .offsets = {offsetof(struct organization, slug)},
                                 .offset_count = 1,
                                 .is_unique = true},
    [ORGANIZATION_INDEX_PURGE] = {.name = "purge",
                                  .offsets = {offsetof(struct organization, purge_at)},
                                  .offset_count = 1},
};

const struct table organization_table = {
    .name = "organizations",
    .id = 30,
    .version = 1,
    .schema = &organization_schema,
    .key_offset = offsetof(struct organization, id),
    .scope_offset = offsetof(struct organization, id),
    .indexes = organization_indexes,
    .index_count = COUNT_OF(organization_indexes),
    .person = {.kind = PERSON_NOBODY},
    .doc = "Organizations, deleted ones too.",
};

static const struct field member_fields[] = {
    FIELD(struct member, id, FIELD_ID, .tag = 1, .flags = FIELD_REQUIRED, .doc = "Membership id."),
    FIELD(struct member, user_id, FIELD_ID, .tag = 2, .flags = FIELD_REQUIRED, .doc = "Who."),
    FIELD(struct member, organization_id, FIELD_ID, .tag = 3, .flags = FIELD_REQUIRED,
          .doc = "Of what."),
    FIELD(struct member, role, FIELD_ENUM, .tag = 4, .flags = FIELD_REQUIRED,
          .values = member_role_names, .doc = "As what."),
    FIELD(struct member, invited_by_id, FIELD_ID, .tag = 5, .flags = FIELD_NULLABLE,
          .doc = "Who added them; null for the founder and for members added by an API key."),
    FIELD(struct member, invited_at, FIELD_TIME, .tag = 6, .flags = FIELD_NULLABLE,
          .doc = "When they were added by somebody else."),
    FIELD(struct member, joined_at, FIELD_TIME, .tag = 7, .flags = FIELD_NULLABLE,
          .doc = "Since when they are members."),
    FIELD(struct member, created_at, FIELD_TIME, .tag = 8, .flags = FIELD_REQUIRED,
          .doc = "When this was made."),
    FIELD(struct member, updated_at, FIELD_TIME, .tag = 9, .flags = FIELD_REQUIRED,
          .doc = "Last change."),
    FIELD(struct member, deleted_at, FIELD_TIME, .tag = 10, .flags = FIELD_NULLABLE,
          .doc = "Always null: removed ones are gone."),
};

const struct schema member_schema = SCHEMA("Member", struct member, member_fields);

static const struct table_index member_indexes[] = {
    [MEMBER_INDEX_PAIR] = {.name = "pair",
                           .offsets = {offsetof(struct member, organization_id),
                                       offsetof(struct member, user_id)},
                           .offset_count = 2,
                           .is_unique = true},
    /* The order of the list, and the way to the owners. */
    [MEMBER_INDEX_ROLE] = {.name = "role",
                           .offsets = {offsetof(struct member, organization_id),
                                       offsetof(struct member, role),
                                       offsetof(struct member, created_at)},
                           .offset_count = 3},
    [MEMBER_INDEX_USER] = {.name = "user",
                           .offsets = {offsetof(struct member, user_id),
                                       offsetof(struct member, created_at)},
                           .offset_count = 2},
};

const struct table member_table = {
    .name = "members",
    .id = 31,
    .version = 1,
    .schema = &member_schema,
    .key_offset = offsetof(struct member, id),
    .scope_offset = offsetof(struct member, organization_id),
    .indexes = member_indexes,
    .index_count = COUNT_OF(member_indexes),
    .person = {.kind = PERSON_KEPT, .of = "users", .index = MEMBER_INDEX_USER},
    .doc = "Who belongs to which organization, and as what.",
};
