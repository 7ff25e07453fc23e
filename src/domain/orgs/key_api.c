/* API keys of an organization: for its admins and owners; keys do not manage keys. */
#include "domain/orgs/key_api.h"

#include "base/time.h"
#include "domain/orgs/org_api.h"

enum {
    KEY_LIST_MAX = 32, /* what net_list_parse takes */
    OVERLAP_SECONDS_DEFAULT = 86400,
    OVERLAP_SECONDS_MAX = 30 * 86400,
};

/* ---- how a key looks ---- */

struct key_view {
    struct schema_set set;
    struct id id;
    struct id organization_id;
    struct str name;
    struct str hint;
    struct schema_list scopes;
    struct schema_list addresses;
    struct schema_list allowed_endpoints;
    int64_t rate_limit;
    bool is_active;
    int64_t expires_at;
    int64_t previous_until;
    int64_t last_used_at;
    struct str last_used_ip;
    struct id created_by_id;
    int64_t created_at;
    int64_t updated_at;
    int64_t revoked_at;
};

/* For the documentation; the values come from the record. */
static const struct field key_view_fields[] = {
    FIELD(struct key_view, id, FIELD_ID, .flags = FIELD_REQUIRED, .doc = "Key id."),
    FIELD(struct key_view, organization_id, FIELD_ID, .flags = FIELD_REQUIRED,
          .doc = "Whose it is."),
    FIELD(struct key_view, name, FIELD_TEXT, .flags = FIELD_REQUIRED, .doc = "Name for people."),
    FIELD(struct key_view, hint, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "The key's first characters."),
    FIELD(struct key_view, scopes, FIELD_LIST, .flags = FIELD_REQUIRED, .element = FIELD_TEXT,
          .values = scope_names, .doc = "What it may."),
    FIELD(struct key_view, addresses, FIELD_LIST, .flags = FIELD_REQUIRED, .element = FIELD_TEXT,
          .doc = "From where it may be used; empty: from anywhere."),
    FIELD(struct key_view, allowed_endpoints, FIELD_LIST, .flags = FIELD_REQUIRED,
          .element = FIELD_TEXT, .doc = "For which beginnings of paths; empty: for all."),
    FIELD(struct key_view, rate_limit, FIELD_INT, .flags = FIELD_REQUIRED,
          .doc = "Requests per hour."),
    FIELD(struct key_view, is_active, FIELD_BOOL, .flags = FIELD_REQUIRED,
          .doc = "Whether it works: neither revoked nor expired."),
    FIELD(struct key_view, expires_at, FIELD_TIME, .flags = FIELD_REQUIRED,
          .doc = "End of its life."),
    FIELD(struct key_view, previous_until, FIELD_TIME, .flags = FIELD_NULLABLE,
          .doc = "Until when the key before the last rotation is good, too."),
    FIELD(struct key_view, last_used_at, FIELD_TIME, .flags = FIELD_NULLABLE,
          .doc = "Last use, to the minute."),
    FIELD(struct key_view, last_used_ip, FIELD_TEXT, .flags = FIELD_NULLABLE,
          .doc = "Address of that use."),
    FIELD(struct key_view, created_by_id, FIELD_ID, .flags = FIELD_REQUIRED, .doc = "Who made it."),
    FIELD(struct key_view, created_at, FIELD_TIME, .flags = FIELD_REQUIRED,
          .doc = "When it was made."),
    FIELD(struct key_view, updated_at, FIELD_TIME, .flags = FIELD_REQUIRED, .doc = "Last change."),
    FIELD(struct key_view, revoked_at, FIELD_TIME, .flags = FIELD_NULLABLE,
          .doc = "When it was revoked."),
};

static const struct schema key_view_schema = SCHEMA("ApiKey", struct key_view, key_view_fields);

/* A time that may be absent. */
#define ADD_TIME(doc, object, key, member)                                                         \
    do {                                                                                           \
        if (SCHEMA_HAS(&api_key_schema, key, member)) {                                            \
            json_add_time(doc, object, #member, (key)->member, TIME_FORM_NAIVE);                   \
        } else {                                                                                   \
            json_add_null(doc, object, #member);                                                   \
        }                                                                                          \
    } while (0)

static yyjson_mut_val *key_view_make(yyjson_mut_doc *doc, const struct api_key_record *key,
                                     int64_t now_us) {
    yyjson_mut_val *value = json_object(doc);
    json_add_id(doc, value, "id", key->id);
    json_add_id(doc, value, "organization_id", key->organization_id);
    json_add_str(doc, value, "name", key->name);
    json_add_str(doc, value, "hint", key->hint);
    key_add_scopes(doc, value, "scopes", key);
    key_add_list(doc, value, "addresses", key->addresses, ',');
    key_add_list(doc, value, "allowed_endpoints", key->paths, '\n');
    json_add_int(doc, value, "rate_limit", key->rate_limit);
    json_add_bool(doc, value, "is_active", key_is_active(key, now_us));
    ADD_TIME(doc, value, key, expires_at);
    ADD_TIME(doc, value, key, previous_until);
    ADD_TIME(doc, value, key, last_used_at);
    json_add_str(doc, value, "last_used_ip", key->last_used_ip);
    json_add_id(doc, value, "created_by_id", key->created_by_id);
    ADD_TIME(doc, value, key, created_at);
    ADD_TIME(doc, value, key, updated_at);
    ADD_TIME(doc, value, key, revoked_at);
    return value;
}

struct key_data {
    struct schema_set set;
    struct key_view api_key;
};

static const struct field key_data_fields[] = {
    FIELD(struct key_data, api_key, FIELD_OBJECT, .flags = FIELD_REQUIRED, .of = &key_view_schema,
          .doc = "What is known about the key."),
};

const struct schema key_data_schema = SCHEMA("ApiKeyData", struct key_data, key_data_fields);

struct key_secret {
    struct schema_set set;
    struct str key;
    struct key_view api_key;
};

static const struct field key_secret_fields[] = {
    FIELD(struct key_secret, key, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "The key itself, shown this once: X-API-Key."),
    FIELD(struct key_secret, api_key, FIELD_OBJECT, .flags = FIELD_REQUIRED, .of = &key_view_schema,
          .doc = "What is known about the key."),
};

const struct schema key_secret_schema =
    SCHEMA("ApiKeySecret", struct key_secret, key_secret_fields);

/* `secret` STR_NONE: not shown. */
static void key_reply(const struct command *command, const struct api_key_record *key,
                      struct str secret, struct outcome *outcome) {
    outcome->resource = key->id;
    outcome->organization = key->organization_id;
    yyjson_mut_val *data = outcome_data(outcome, command);
    if (!str_is_none(secret)) {
        json_add_str(outcome->doc, data, "key", secret);
    }
    json_add_val(outcome->doc, data, "api_key", key_view_make(outcome->doc, key, command->now_us));
}

/* ---- list ---- */

struct keys_data {
    struct schema_set set;
    struct schema_list api_keys;
    int64_t count;
};

static const struct field keys_data_fields[] = {
    FIELD(struct keys_data, api_keys, FIELD_LIST, .flags = FIELD_REQUIRED, .of = &key_view_schema,
          .doc = "Oldest first; revoked and expired ones too, while there is room."),
    FIELD(struct keys_data, count, FIELD_INT, .flags = FIELD_REQUIRED, .doc = "How many."),
};

const struct schema keys_data_schema = SCHEMA("ApiKeysData", struct keys_data, keys_data_fields);

struct keys_list {
    struct request *request;
    yyjson_mut_val *list;
    uint32_t count;
};

static void keys_list_add(void *ctx, const struct api_key_record *key) {
    struct keys_list *list = ctx;
    yyjson_mut_doc *doc = list->request->outcome.doc;
    json_append_val(doc, list->list, key_view_make(doc, key, list->request->command.now_us));
    list->count++;
}

enum err keys_read(struct request *request, const struct store_view *view) {
    const struct organization_params *params = request->command.params;
    struct organization_access access;
    struct keys_list list = {.request = request};
    enum err err =
        organization_enter(view, &request->command, params->organization_id, MEMBER_ADMIN, &access);
    if (err != ERR_OK) {
        return err;
    }
    yyjson_mut_val *data = outcome_data(&request->outcome, &request->command);
    list.list = json_add_array(request->outcome.doc, data, "api_keys");
    err = key_each(view, params->organization_id, request->arena, keys_list_add, &list);
    json_add_int(request->outcome.doc, data, "count", list.count);
    return err;
}

/* ---- create ---- */

struct key_create {
    struct schema_set set;
    struct str name;
    struct schema_list scopes;
    struct schema_list addresses;
    struct schema_list allowed_endpoints;
    int64_t rate_limit;
    int64_t expires_in_days;
    int64_t expires_at;
};

static const struct field key_create_fields[] = {
    FIELD(struct key_create, name, FIELD_TEXT, .flags = FIELD_REQUIRED, .min = 1, .max = 100,
          .doc = "Name for people."),
    FIELD(struct key_create, scopes, FIELD_LIST, .flags = FIELD_REQUIRED, .element = FIELD_TEXT,
          .values = scope_names, .max = SCOPE_COUNT, .doc = "What it may."),
    FIELD(struct key_create, addresses, FIELD_LIST, .element = FIELD_TEXT, .max = KEY_LIST_MAX,
          .doc = "Addresses or networks (ADDRESS/BITS) from where it may be used; none: any."),
    FIELD(struct key_create, allowed_endpoints, FIELD_LIST, .element = FIELD_TEXT,
          .max = KEY_PATHS_MAX, .doc = "Beginnings of paths that it is for; none: all."),
    FIELD(struct key_create, rate_limit, FIELD_INT, .min = 1, .max = KEY_RATE_MAX,
          .doc = "Requests per hour; 1000 when not given."),
    FIELD(struct key_create, expires_in_days, FIELD_INT, .min = 1, .max = KEY_DAYS_MAX,
          .doc = "Days until it expires; 365 when not given."),
    FIELD(struct key_create, expires_at, FIELD_TIME, .doc = "Or when exactly."),
};

const struct schema key_create_schema =
    SCHEMA("ApiKeyCreate", struct key_create, key_create_fields);

/* In the future, and no further than days could say. */
static int64_t create_end(const struct command *command, const struct key_create *body,
                          struct schema_faults *faults) {
    bool has_days = SCHEMA_HAS(&key_create_schema, body, expires_in_days);
    int64_t days = has_days ? body->expires_in_days : KEY_DAYS_DEFAULT;
    if (!SCHEMA_HAS(&key_create_schema, body, expires_at)) {
        return command->now_us + days * TIME_US_PER_DAY;
    }
    int64_t latest = command->now_us + KEY_DAYS_MAX * TIME_US_PER_DAY;
    if (has_days || body->expires_at <= command->now_us || body->expires_at > latest) {
        schema_fault_add(faults, STR("expires_at"),
                         STR("Must be within 3650 days from now, and without expires_in_days."));
    }
    return body->expires_at;
}

static enum err create_prepare(struct request *request) {
    const struct key_create *body = request->command.body;
    struct key_draft *draft = ARENA_NEW(request->arena, struct key_draft);
    struct schema_faults *faults = ARENA_NEW(request->arena, struct schema_faults);
    if (draft == NULL || faults == NULL) {
        return ERR_NO_MEMORY;
    }
    bool has_rate = SCHEMA_HAS(&key_create_schema, body, rate_limit);
    draft->name = body->name;
    draft->scopes = key_scopes_parse(&body->scopes);
    draft->rate_limit = has_rate ? body->rate_limit : KEY_RATE_DEFAULT;
    draft->expires_at = create_end(&request->command, body, faults);
    request->command.prepared = draft;
    request->outcome.faults = faults;
    enum err err = key_addresses_parse(&body->addresses, STR("addresses"), request->arena, faults,
                                       &draft->addresses);
    if (err == ERR_OK) {
        err = key_paths_parse(&body->allowed_endpoints, STR("allowed_endpoints"), request->arena,
                              faults, &draft->paths);
    }
    if (err == ERR_OK && faults->count > 0) {
        err = ERR_VALIDATION;
    }
    return err;
}

static enum err create_check(const struct store_view *view, const struct command *command,
                             struct outcome *outcome) {
    const struct organization_params *params = command->params;
    struct organization_access access;
    outcome->organization = params->organization_id;
    enum err err =
        organization_enter(view, command, params->organization_id, MEMBER_ADMIN, &access);
    return err == ERR_OK
               ? key_has_room(view, params->organization_id, command->now_us, command->arena)
               : err;
}

static void create_apply(struct store_tx *tx, const struct command *command,
                         struct outcome *outcome) {
    const struct organization_params *params = command->params;
    struct api_key_record key;
    struct str secret;
    key_put_new(tx, command, params->organization_id, command->prepared, &key, &secret);
    key_reply(command, &key, secret, outcome);
    outcome->message = "Keep the key now: it is not shown again";
}

const struct command_row key_create_command = {
    .name = "api_key.create",
    .action = "api_key.create",
    .resource = "api_key",
    .prepare = create_prepare,
    .check = create_check,
    .apply = create_apply,
};

/* ---- one key ---- */

struct key_params {
    struct schema_set set;
    struct id organization_id;
    struct id key_id;
};

static const struct field key_params_fields[] = {
    FIELD(struct key_params, organization_id, FIELD_ID, .flags = FIELD_REQUIRED,
          .doc = "Organization id."),
    FIELD(struct key_params, key_id, FIELD_ID, .flags = FIELD_REQUIRED, .doc = "Key id."),
};

const struct schema key_params_schema =
    SCHEMA("ApiKeyParams", struct key_params, key_params_fields);

static enum err one_key(const struct store_view *view, const struct command *command,
                        struct api_key_record *key) {
    const struct key_params *params = command->params;
    return key_get(view, params->organization_id, params->key_id, command->arena, key);
}

static enum err one_key_check(const struct store_view *view, const struct command *command,
                              struct outcome *outcome, struct api_key_record *key) {
    const struct key_params *params = command->params;
    struct organization_access access;
    outcome->organization = params->organization_id;
    outcome->resource = params->key_id;
    enum err err =
        organization_enter(view, command, params->organization_id, MEMBER_ADMIN, &access);
    return err == ERR_OK ? one_key(view, command, key) : err;
}

static enum err active_key_check(const struct store_view *view, const struct command *command,
                                 struct outcome *outcome) {
    struct api_key_record key;
    enum err err = one_key_check(view, command, outcome, &key);
    return err == ERR_OK && !key_is_active(&key, command->now_us) ? ERR_KEY_INACTIVE : err;
}

/* ---- patch ---- */

struct key_patch {
    struct schema_set set;
    struct str name;
    struct schema_list scopes;
    struct schema_list addresses;
    struct schema_list allowed_endpoints;
    int64_t rate_limit;
};

static const struct field key_patch_fields[] = {
    FIELD(struct key_patch, name, FIELD_TEXT, .min = 1, .max = 100, .doc = "Name for people."),
    FIELD(struct key_patch, scopes, FIELD_LIST, .element = FIELD_TEXT, .values = scope_names,
          .max = SCOPE_COUNT, .doc = "What it may."),
    FIELD(struct key_patch, addresses, FIELD_LIST, .element = FIELD_TEXT, .max = KEY_LIST_MAX,
          .doc = "Addresses or networks from where it may be used; none: any."),
    FIELD(struct key_patch, allowed_endpoints, FIELD_LIST, .element = FIELD_TEXT,
          .max = KEY_PATHS_MAX, .doc = "Beginnings of paths that it is for; none: all."),
    FIELD(struct key_patch, rate_limit, FIELD_INT, .min = 1, .max = KEY_RATE_MAX,
          .doc = "Requests per hour."),
};

const struct schema key_patch_schema = SCHEMA("ApiKeyPatch", struct key_patch, key_patch_fields);

static enum err patch_prepare(struct request *request) {
    const struct key_patch *body = request->command.body;
    struct key_draft *draft = ARENA_NEW(request->arena, struct key_draft);
    struct schema_faults *faults = ARENA_NEW(request->arena, struct schema_faults);
    if (draft == NULL || faults == NULL) {
        return ERR_NO_MEMORY;
    }
    request->command.prepared = draft;
    request->outcome.faults = faults;
    enum err err = key_addresses_parse(&body->addresses, STR("addresses"), request->arena, faults,
                                       &draft->addresses);
    if (err == ERR_OK) {
        err = key_paths_parse(&body->allowed_endpoints, STR("allowed_endpoints"), request->arena,
                              faults, &draft->paths);
    }
    if (err == ERR_OK && faults->count > 0) {
        err = ERR_VALIDATION;
    }
    return err;
}

static void list_set(struct api_key_record *key, struct str *member, struct str value,
                     size_t offset) {
    uint64_t bit = schema_bit(&api_key_schema, offset);
    *member = value;
    key->set.present = str_is_none(value) ? key->set.present & ~bit : key->set.present | bit;
}

static void patch_lists(const struct key_patch *body, const struct key_draft *draft,
                        struct api_key_record *key) {
    if (SCHEMA_HAS(&key_patch_schema, body, addresses)) {
        list_set(key, &key->addresses, draft->addresses,
                 offsetof(struct api_key_record, addresses));
    }
    if (SCHEMA_HAS(&key_patch_schema, body, allowed_endpoints)) {
        list_set(key, &key->paths, draft->paths, offsetof(struct api_key_record, paths));
    }
}

static void patch_apply(struct store_tx *tx, const struct command *command,
                        struct outcome *outcome) {
    const struct key_patch *body = command->body;
    struct api_key_record key;
    enum err err = one_key(store_tx_view(tx), command, &key);
    CHECK(err == ERR_OK);
    if (SCHEMA_HAS(&key_patch_schema, body, name)) {
        key.name = body->name;
    }
    if (SCHEMA_HAS(&key_patch_schema, body, scopes)) {
        key.scopes = key_scopes_parse(&body->scopes);
    }
    if (SCHEMA_HAS(&key_patch_schema, body, rate_limit)) {
        key.rate_limit = body->rate_limit;
    }
    patch_lists(body, command->prepared, &key);
    if (body->set.present != 0) {
        key.updated_at = command->now_us;
        store_put(tx, &api_key_table, &key);
    }
    key_reply(command, &key, STR_NONE, outcome);
}

const struct command_row key_patch_command = {
    .name = "api_key.update",
    .action = "api_key.update",
    .resource = "api_key",
    .prepare = patch_prepare,
    .check = active_key_check,
    .apply = patch_apply,
};

/* ---- revoke ---- */

static enum err revoke_check(const struct store_view *view, const struct command *command,
                             struct outcome *outcome) {
    struct api_key_record key;
    return one_key_check(view, command, outcome, &key);
}

static void revoke_apply(struct store_tx *tx, const struct command *command,
                         struct outcome *outcome) {
    struct api_key_record key;
    enum err err = one_key(store_tx_view(tx), command, &key);
    CHECK(err == ERR_OK);
    key_revoke(tx, command, &key);
    outcome->message = "The API key is revoked";
}

const struct command_row key_revoke_command = {
    .name = "api_key.revoke",
    .action = "api_key.revoke",
    .resource = "api_key",
    .frees_room = true,
    .check = revoke_check,
    .apply = revoke_apply,
};

/* ---- rotate ---- */

struct key_rotate {
    struct schema_set set;
    int64_t overlap_seconds;
    int64_t expires_in_days;
};

static const struct field key_rotate_fields[] = {
    FIELD(struct key_rotate, overlap_seconds, FIELD_INT, .min = 0, .max = OVERLAP_SECONDS_MAX,
          .doc = "How long the old key stays good, too; a day when not given."),
    FIELD(struct key_rotate, expires_in_days, FIELD_INT, .min = 1, .max = KEY_DAYS_MAX,
          .doc = "A new life, in days; when not given the end stays."),
};

const struct schema key_rotate_schema =
    SCHEMA("ApiKeyRotate", struct key_rotate, key_rotate_fields);

static void rotate_apply(struct store_tx *tx, const struct command *command,
                         struct outcome *outcome) {
    const struct key_rotate *body = command->body;
    struct api_key_record key;
    struct str secret;
    enum err err = one_key(store_tx_view(tx), command, &key);
    CHECK(err == ERR_OK);
    bool has_overlap = SCHEMA_HAS(&key_rotate_schema, body, overlap_seconds);
    int64_t overlap_s = has_overlap ? body->overlap_seconds : OVERLAP_SECONDS_DEFAULT;
    if (SCHEMA_HAS(&key_rotate_schema, body, expires_in_days)) {
        key.expires_at = command->now_us + body->expires_in_days * TIME_US_PER_DAY;
    }
    key_rotate(tx, command, &key, overlap_s * TIME_US_PER_S, &secret);
    key_reply(command, &key, secret, outcome);
    outcome->message = "Keep the key now: it is not shown again";
}

const struct command_row key_rotate_command = {
    .name = "api_key.rotate",
    .action = "api_key.rotate",
    .resource = "api_key",
    .check = active_key_check,
    .apply = rotate_apply,
};
