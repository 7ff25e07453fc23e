/* The record of an API key: schema and table, nothing else. */
#include "domain/orgs/keys.h"

static const struct field api_key_fields[] = {
    FIELD(struct api_key_record, id, FIELD_ID, .tag = 1, .flags = FIELD_REQUIRED, .doc = "Key id."),
    FIELD(struct api_key_record, organization_id, FIELD_ID, .tag = 2, .flags = FIELD_REQUIRED,
          .doc = "Whose it is; zero: the platform's."),
    FIELD(struct api_key_record, name, FIELD_TEXT, .tag = 3, .flags = FIELD_REQUIRED, .max = 100,
          .doc = "Name for people."),
    FIELD(struct api_key_record, hint, FIELD_TEXT, .tag = 4, .flags = FIELD_REQUIRED,
          .max = KEY_HINT_LEN, .doc = "Its first characters."),
    FIELD(struct api_key_record, key_hash, FIELD_BYTES, .tag = 5,
          .flags = FIELD_REQUIRED | FIELD_HIDDEN, .max = HASH_BYTES, .doc = "SHA-256 of the key."),
    FIELD(struct api_key_record, previous_hash, FIELD_BYTES, .tag = 6, .flags = FIELD_HIDDEN,
          .max = HASH_BYTES, .doc = "SHA-256 of the key before the last rotation."),
    FIELD(struct api_key_record, previous_until, FIELD_TIME, .tag = 7, .flags = FIELD_NULLABLE,
          .doc = "Until when that one is good, too."),
    FIELD(struct api_key_record, scopes, FIELD_INT, .tag = 8, .flags = FIELD_REQUIRED,
          .max = SCOPE_ANY, .doc = "What it may, as bits."),
    FIELD(struct api_key_record, addresses, FIELD_TEXT, .tag = 9, .flags = FIELD_NULLABLE,
          .max = KEY_ADDRESSES_BYTES_MAX, .doc = "From where; comma list."),
    FIELD(struct api_key_record, paths, FIELD_TEXT, .tag = 10, .flags = FIELD_NULLABLE,
          .max = KEY_PATHS_BYTES_MAX, .doc = "For what paths; one beginning per line."),
    FIELD(struct api_key_record, rate_limit, FIELD_INT, .tag = 11, .flags = FIELD_REQUIRED,
          .min = 1, .max = KEY_RATE_MAX, .doc = "Requests per hour."),
    FIELD(struct api_key_record, expires_at, FIELD_TIME, .tag = 12, .flags = FIELD_REQUIRED,
          .doc = "End of its life."),
    FIELD(struct api_key_record, last_used_at, FIELD_TIME, .tag = 13, .flags = FIELD_NULLABLE,
          .doc = "Last use, to the minute."),
    FIELD(struct api_key_record, last_used_ip, FIELD_TEXT, .tag = 14, .flags = FIELD_NULLABLE,
          .max = NET_ADDRESS_TEXT_MAX, .doc = "Address of that use."),
    FIELD(struct api_key_record, created_by_id, FIELD_ID, .tag = 15, .flags = FIELD_REQUIRED,
          .doc = "Who made it."),
    FIELD(struct api_key_record, created_at, FIELD_TIME, .tag = 16, .flags = FIELD_REQUIRED,
          .doc = "When it was made."),
    FIELD(struct api_key_record, updated_at, FIELD_TIME, .tag = 17, .flags = FIELD_REQUIRED,
          .doc = "Last change."),
    FIELD(struct api_key_record, revoked_at, FIELD_TIME, .tag = 18, .flags = FIELD_NULLABLE,
          .doc = "When it was revoked."),
};

const struct schema api_key_schema = SCHEMA("ApiKeyRecord", struct api_key_record, api_key_fields);

static const struct table_index api_key_indexes[] = {
    [KEY_INDEX_HASH] = {.name = "hash",
                        .offsets = {offsetof(struct api_key_record, key_hash)},
                        .offset_count = 1,
                        .is_unique = true},
    [KEY_INDEX_PREVIOUS] = {.name = "previous",
                            .offsets = {offsetof(struct api_key_record, previous_hash)},
                            .offset_count = 1,
                            .is_unique = true},
    [KEY_INDEX_OWNER] = {.name = "owner",
                         .offsets = {offsetof(struct api_key_record, organization_id),
                                     offsetof(struct api_key_record, created_at)},
                         .offset_count = 2},
};

const struct table api_key_table = {
    .name = "api_keys",
    .id = 32,
    .version = 1,
    .schema = &api_key_schema,
    .key_offset = offsetof(struct api_key_record, id),
    .scope_offset = offsetof(struct api_key_record, organization_id),
    .indexes = api_key_indexes,
    .index_count = COUNT_OF(api_key_indexes),
    .doc = "API keys of organizations and of the platform; only their hashes.",
};
