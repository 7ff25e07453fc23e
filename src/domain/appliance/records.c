/* The records of an update: schemas, tables and how they are read. */
#include "domain/appliance/internal.h"

static const char *const state_names[] = {"uploading", "requested", "installed", "failed", NULL};

static const struct field update_fields[] = {
    FIELD(struct update, number, FIELD_INT, .tag = 1, .flags = FIELD_REQUIRED | FIELD_HIDDEN,
          .doc = "Always the same: there is one at a time."),
    FIELD(struct update, state, FIELD_ENUM, .tag = 2, .flags = FIELD_REQUIRED,
          .values = state_names, .doc = "How far it has come."),
    FIELD(struct update, version, FIELD_TEXT, .tag = 3, .flags = FIELD_REQUIRED,
          .max = BUNDLE_VERSION_LEN_MAX, .doc = "Version that the bundle brings."),
    FIELD(struct update, header, FIELD_BYTES, .tag = 4, .flags = FIELD_REQUIRED | FIELD_HIDDEN,
          .max = BUNDLE_HEADER_BYTES_MAX, .doc = "Header of the bundle."),
    FIELD(struct update, part_count, FIELD_INT, .tag = 5, .flags = FIELD_REQUIRED,
          .doc = "Parts that the bundle has."),
    FIELD(struct update, parts_received, FIELD_INT, .tag = 6, .flags = FIELD_REQUIRED,
          .doc = "Parts that are here."),
    FIELD(struct update, problem, FIELD_TEXT, .tag = 7, .flags = FIELD_NULLABLE,
          .max = UPDATE_PROBLEM_LEN_MAX, .doc = "Why it failed."),
    FIELD(struct update, created_at, FIELD_TIME, .tag = 8, .flags = FIELD_REQUIRED,
          .doc = "When it began."),
};

const struct schema update_schema = SCHEMA("Update", struct update, update_fields);

const struct table update_table = {
    .name = "updates",
    .id = 48,
    .version = 1,
    .schema = &update_schema,
    .key_offset = offsetof(struct update, number),
    .person = {.kind = PERSON_NOBODY},
    .doc = "The update of the appliance that is on its way, or was the last.",
};

static const struct field part_fields[] = {
    FIELD(struct update_part, number, FIELD_INT, .tag = 1, .flags = FIELD_REQUIRED,
          .doc = "Which part, from 0."),
    FIELD(struct update_part, data, FIELD_BYTES, .tag = 2, .flags = FIELD_REQUIRED,
          .max = BUNDLE_PART_BYTES, .doc = "Its bytes."),
};

const struct schema update_part_schema = SCHEMA("UpdatePart", struct update_part, part_fields);

const struct table update_part_table = {
    .name = "update_parts",
    .id = 49,
    .version = 1,
    .schema = &update_part_schema,
    .key_offset = offsetof(struct update_part, number),
    .person = {.kind = PERSON_NOBODY},
    .doc = "Parts of an update's image, until it is installed.",
};

static const char *const fetch_state_names[] = {"fetching", "fetched", "refused", NULL};

static const struct field fetch_fields[] = {
    FIELD(struct update_fetch, number, FIELD_INT, .tag = 1, .flags = FIELD_REQUIRED | FIELD_HIDDEN,
          .doc = "Always the same: there is one at a time."),
    FIELD(struct update_fetch, state, FIELD_ENUM, .tag = 2, .flags = FIELD_REQUIRED,
          .values = fetch_state_names, .doc = "How far it has come."),
    FIELD(struct update_fetch, url, FIELD_TEXT, .tag = 3, .flags = FIELD_SECRET,
          .max = HTTP_URL_BYTES_MAX, .doc = "Where from; there may be a token in it."),
    FIELD(struct update_fetch, bytes_received, FIELD_INT, .tag = 4, .flags = FIELD_REQUIRED,
          .doc = "Bytes of the bundle that are here, and good."),
    FIELD(struct update_fetch, bytes_total, FIELD_INT, .tag = 5, .flags = FIELD_NULLABLE,
          .doc = "Bytes of the bundle; null before its header is here."),
    FIELD(struct update_fetch, code, FIELD_TEXT, .tag = 6, .flags = FIELD_NULLABLE,
          .max = UPDATE_CODE_LEN_MAX, .doc = "Why it was refused, for machines."),
    FIELD(struct update_fetch, problem, FIELD_TEXT, .tag = 7, .flags = FIELD_NULLABLE,
          .max = UPDATE_FETCH_PROBLEM_LEN_MAX, .doc = "Why it was refused, for people."),
    FIELD(struct update_fetch, created_at, FIELD_TIME, .tag = 8, .flags = FIELD_REQUIRED,
          .doc = "When it began."),
    FIELD(struct update_fetch, ended_at, FIELD_TIME, .tag = 9, .flags = FIELD_NULLABLE,
          .doc = "When it ended."),
};

const struct schema update_fetch_schema = SCHEMA("UpdateFetch", struct update_fetch, fetch_fields);

const struct table update_fetch_table = {
    .name = "update_fetches",
    .id = 50,
    .version = 1,
    .schema = &update_fetch_schema,
    .key_offset = offsetof(struct update_fetch, number),
    .person = {.kind = PERSON_NOBODY},
    .doc = "The update that is fetched by URL, or was the last.",
};

static const struct store_scope everything = {.kind = STORE_SCOPE_SYSTEM}; /* nobody's records */

enum err update_get(const struct store_view *view, struct arena *arena, struct update *update) {
    uint8_t key[8];
    return store_get(view, everything, &update_table, store_key_int(UPDATE_NUMBER, key), arena,
                     update);
}

enum err update_part_get(const struct store_view *view, int64_t number, struct arena *arena,
                         struct update_part *part) {
    uint8_t key[8];
    return store_get(view, everything, &update_part_table, store_key_int(number, key), arena, part);
}

enum err update_fetch_get(const struct store_view *view, struct arena *arena,
                          struct update_fetch *fetch) {
    uint8_t key[8];
    return store_get(view, everything, &update_fetch_table, store_key_int(UPDATE_NUMBER, key),
                     arena, fetch);
}

bool update_is_requested(const struct store_view *view, struct arena *arena) {
    struct update update;
    return update_get(view, arena, &update) == ERR_OK && update.state == UPDATE_REQUESTED;
}
