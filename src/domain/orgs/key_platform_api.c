/*
 * The financial contract's rows S4-S8 and S14 over the same table: keys whose organization is zero.
 * They open what endpoint rows name their scopes for, and no organization.
 */
#include "domain/orgs/key_platform_api.h"

#include "base/time.h"

static const struct id platform; /* zero */

/* ---- create ---- */

struct platform_key_create {
    struct schema_set set;
    struct str key_name;
    struct schema_list permissions;
    int64_t rate_limit;
    int64_t expires_in_days;
    struct schema_list ip_whitelist;
    struct schema_list allowed_endpoints;
};

static const struct field platform_key_create_fields[] = {
    FIELD(struct platform_key_create, key_name, FIELD_TEXT, .flags = FIELD_REQUIRED, .min = 1,
          .max = 100, .doc = "Name for people."),
    FIELD(struct platform_key_create, permissions, FIELD_LIST, .element = FIELD_TEXT,
          .values = scope_names, .max = SCOPE_COUNT,
          .doc = "What it may; read and write when not given."),
    FIELD(struct platform_key_create, rate_limit, FIELD_INT, .min = 1, .max = KEY_RATE_MAX,
          .doc = "Requests per hour; 1000 when not given."),
    FIELD(struct platform_key_create, expires_in_days, FIELD_INT, .min = 1, .max = KEY_DAYS_MAX,
          .doc = "Days until it expires; 365 when not given."),
    FIELD(struct platform_key_create, ip_whitelist, FIELD_LIST, .element = FIELD_TEXT, .max = 32,
          .doc = "Addresses or networks from where it may be used; none: any."),
    FIELD(struct platform_key_create, allowed_endpoints, FIELD_LIST, .element = FIELD_TEXT,
          .max = KEY_PATHS_MAX, .doc = "Beginnings of paths that it is for; none: all."),
};

const struct schema platform_key_create_schema =
    SCHEMA("PlatformKeyCreate", struct platform_key_create, platform_key_create_fields);

struct platform_key_made {
    struct schema_set set;
    struct id key_id;
    struct str api_key;
    struct str key_name;
    struct schema_list permissions;
    int64_t rate_limit;
    int64_t expires_at;
    int64_t created_at;
    struct str warning;
};

static const struct field platform_key_made_fields[] = {
    FIELD(struct platform_key_made, key_id, FIELD_ID, .flags = FIELD_REQUIRED, .doc = "Key id."),
    FIELD(struct platform_key_made, api_key, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "The key itself, shown this once."),
    FIELD(struct platform_key_made, key_name, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "Name for people."),
    FIELD(struct platform_key_made, permissions, FIELD_LIST, .flags = FIELD_REQUIRED,
          .element = FIELD_TEXT, .values = scope_names, .doc = "What it may."),
    FIELD(struct platform_key_made, rate_limit, FIELD_INT, .flags = FIELD_REQUIRED,
          .doc = "Requests per hour."),
    FIELD(struct platform_key_made, expires_at, FIELD_TIME, .flags = FIELD_REQUIRED,
          .time_form = TIME_FORM_RFC3339, .doc = "End of its life."),
    FIELD(struct platform_key_made, created_at, FIELD_TIME, .flags = FIELD_REQUIRED,
          .time_form = TIME_FORM_RFC3339, .doc = "When it was made."),
    FIELD(struct platform_key_made, warning, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "To keep it."),
};

const struct schema platform_key_made_schema =
    SCHEMA("PlatformKeyMade", struct platform_key_made, platform_key_made_fields);

static enum err create_lists(struct request *request, struct key_draft *draft,
                             struct schema_faults *faults) {
    const struct platform_key_create *body = request->command.body;
    enum err err = key_addresses_parse(&body->ip_whitelist, STR("ip_whitelist"), request->arena,
                                       faults, &draft->addresses);
    if (err == ERR_OK) {
        err = key_paths_parse(&body->allowed_endpoints, STR("allowed_endpoints"), request->arena,
                              faults, &draft->paths);
    }
    return err == ERR_OK && faults->count > 0 ? ERR_VALIDATION : err;
}

static enum err create_prepare(struct request *request) {
    const struct platform_key_create *body = request->command.body;
    struct key_draft *draft = ARENA_NEW(request->arena, struct key_draft);
    struct schema_faults *faults = ARENA_NEW(request->arena, struct schema_faults);
    if (draft == NULL || faults == NULL) {
        return ERR_NO_MEMORY;
    }
    bool has_scopes = SCHEMA_HAS(&platform_key_create_schema, body, permissions);
    bool has_rate = SCHEMA_HAS(&platform_key_create_schema, body, rate_limit);
    bool has_days = SCHEMA_HAS(&platform_key_create_schema, body, expires_in_days);
    int64_t days = has_days ? body->expires_in_days : KEY_DAYS_DEFAULT;
    draft->name = body->key_name;
    draft->scopes = has_scopes ? key_scopes_parse(&body->permissions) : SCOPE_READ | SCOPE_WRITE;
    draft->rate_limit = has_rate ? body->rate_limit : KEY_RATE_DEFAULT;
    draft->expires_at = request->command.now_us + days * TIME_US_PER_DAY;
    request->command.prepared = draft;
    request->outcome.faults = faults;
    return create_lists(request, draft, faults);
}

static enum err create_check(const struct store_view *view, const struct command *command,
                             struct outcome *outcome) {
    (void)outcome;
    return key_has_room(view, platform, command->now_us, command->arena);
}

static void create_apply(struct store_tx *tx, const struct command *command,
                         struct outcome *outcome) {
    struct api_key_record key;
    struct str secret;
    key_put_new(tx, command, platform, command->prepared, &key, &secret);
    outcome->resource = key.id;
    yyjson_mut_val *data = outcome_data(outcome, command);
    yyjson_mut_doc *doc = outcome->doc;
    json_add_id(doc, data, "key_id", key.id);
    json_add_str(doc, data, "api_key", secret);
    json_add_str(doc, data, "key_name", key.name);
    key_add_scopes(doc, data, "permissions", &key);
    json_add_int(doc, data, "rate_limit", key.rate_limit);
    json_add_time(doc, data, "expires_at", key.expires_at, TIME_FORM_RFC3339);
    json_add_time(doc, data, "created_at", key.created_at, TIME_FORM_RFC3339);
    json_add_str(doc, data, "warning", STR("Keep the key now: it is not shown again."));
}

const struct command_row platform_key_create_command = {
    .name = "platform_key.create",
    .action = "api_key.create",
    .resource = "api_key",
    .prepare = create_prepare,
    .check = create_check,
    .apply = create_apply,
};

/* ---- list ---- */

enum { PAGE_DEFAULT = 20, PAGE_MAX = 100 };

struct platform_keys_params {
    struct schema_set set;
    int64_t page;
    int64_t per_page;
};

static const struct field platform_keys_params_fields[] = {
    FIELD(struct platform_keys_params, page, FIELD_INT, .min = 1, .max = 1000000,
          .doc = "Page, from 1."),
    FIELD(struct platform_keys_params, per_page, FIELD_INT, .min = 1, .max = PAGE_MAX,
          .doc = "Keys per page; 20 when not given."),
};

const struct schema platform_keys_params_schema =
    SCHEMA("PlatformKeysParams", struct platform_keys_params, platform_keys_params_fields);

struct platform_key_view {
    struct schema_set set;
    struct id key_id;
    struct str key_name;
    struct schema_list permissions;
    int64_t rate_limit;
    bool is_active;
    int64_t created_at;
    int64_t last_used_at;
    int64_t expires_at;
};

static const struct field platform_key_view_fields[] = {
    FIELD(struct platform_key_view, key_id, FIELD_ID, .flags = FIELD_REQUIRED, .doc = "Key id."),
    FIELD(struct platform_key_view, key_name, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "Name for people."),
    FIELD(struct platform_key_view, permissions, FIELD_LIST, .flags = FIELD_REQUIRED,
          .element = FIELD_TEXT, .values = scope_names, .doc = "What it may."),
    FIELD(struct platform_key_view, rate_limit, FIELD_INT, .flags = FIELD_REQUIRED,
          .doc = "Requests per hour."),
    FIELD(struct platform_key_view, is_active, FIELD_BOOL, .flags = FIELD_REQUIRED,
          .doc = "Whether it works."),
    FIELD(struct platform_key_view, created_at, FIELD_TIME, .flags = FIELD_REQUIRED,
          .time_form = TIME_FORM_RFC3339, .doc = "When it was made."),
    FIELD(struct platform_key_view, last_used_at, FIELD_TIME, .flags = FIELD_NULLABLE,
          .time_form = TIME_FORM_RFC3339, .doc = "Last use, to the minute."),
    FIELD(struct platform_key_view, expires_at, FIELD_TIME, .flags = FIELD_REQUIRED,
          .time_form = TIME_FORM_RFC3339, .doc = "End of its life."),
};

static const struct schema platform_key_view_schema =
    SCHEMA("PlatformKey", struct platform_key_view, platform_key_view_fields);

struct pagination {
    struct schema_set set;
    int64_t page;
    int64_t per_page;
    int64_t total;
    int64_t pages;
    bool has_next;
    bool has_prev;
};

static const struct field pagination_fields[] = {
    FIELD(struct pagination, page, FIELD_INT, .flags = FIELD_REQUIRED, .doc = "This page."),
    FIELD(struct pagination, per_page, FIELD_INT, .flags = FIELD_REQUIRED, .doc = "Its size."),
    FIELD(struct pagination, total, FIELD_INT, .flags = FIELD_REQUIRED, .doc = "Rows in all."),
    FIELD(struct pagination, pages, FIELD_INT, .flags = FIELD_REQUIRED, .doc = "Pages in all."),
    FIELD(struct pagination, has_next, FIELD_BOOL, .flags = FIELD_REQUIRED, .doc = "More behind?"),
    FIELD(struct pagination, has_prev, FIELD_BOOL, .flags = FIELD_REQUIRED, .doc = "More before?"),
};

static const struct schema pagination_schema =
    SCHEMA("Pagination", struct pagination, pagination_fields);

struct platform_keys_data {
    struct schema_set set;
    struct schema_list api_keys;
    struct pagination pagination;
};

static const struct field platform_keys_data_fields[] = {
    FIELD(struct platform_keys_data, api_keys, FIELD_LIST, .flags = FIELD_REQUIRED,
          .of = &platform_key_view_schema, .doc = "Oldest first."),
    FIELD(struct platform_keys_data, pagination, FIELD_OBJECT, .flags = FIELD_REQUIRED,
          .of = &pagination_schema, .doc = "Where in the list this is."),
};

const struct schema platform_keys_data_schema =
    SCHEMA("PlatformKeysData", struct platform_keys_data, platform_keys_data_fields);

struct keys_page {
    struct request *request;
    yyjson_mut_val *list;
    int64_t from, to; /* of this page */
    int64_t total;
};

static void keys_page_add(void *ctx, const struct api_key_record *key) {
    struct keys_page *page = ctx;
    yyjson_mut_doc *doc = page->request->outcome.doc;
    page->total++;
    if (page->total <= page->from || page->total > page->to) {
        return;
    }
    yyjson_mut_val *value = json_object(doc);
    json_add_id(doc, value, "key_id", key->id);
    json_add_str(doc, value, "key_name", key->name);
    key_add_scopes(doc, value, "permissions", key);
    json_add_int(doc, value, "rate_limit", key->rate_limit);
    json_add_bool(doc, value, "is_active", key_is_active(key, page->request->command.now_us));
    json_add_time(doc, value, "created_at", key->created_at, TIME_FORM_RFC3339);
    if (SCHEMA_HAS(&api_key_schema, key, last_used_at)) {
        json_add_time(doc, value, "last_used_at", key->last_used_at, TIME_FORM_RFC3339);
    } else {
        json_add_null(doc, value, "last_used_at");
    }
    json_add_time(doc, value, "expires_at", key->expires_at, TIME_FORM_RFC3339);
    json_append_val(doc, page->list, value);
}

enum err platform_keys_read(struct request *request, const struct store_view *view) {
    const struct platform_keys_params *params = request->command.params;
    bool has_page = SCHEMA_HAS(&platform_keys_params_schema, params, page);
    bool has_size = SCHEMA_HAS(&platform_keys_params_schema, params, per_page);
    struct pagination pagination = {
        .set.present = UINT64_MAX >> (64 - COUNT_OF(pagination_fields)),
        .page = has_page ? params->page : 1,
        .per_page = has_size ? params->per_page : PAGE_DEFAULT,
    };
    struct keys_page page = {.request = request};
    page.from = (pagination.page - 1) * pagination.per_page;
    page.to = page.from + pagination.per_page;
    yyjson_mut_val *data = outcome_data(&request->outcome, &request->command);
    yyjson_mut_doc *doc = request->outcome.doc;
    page.list = json_add_array(doc, data, "api_keys");
    enum err err = key_each(view, platform, request->arena, keys_page_add, &page);
    pagination.total = page.total;
    pagination.pages = (page.total + pagination.per_page - 1) / pagination.per_page;
    pagination.has_next = page.to < page.total;
    pagination.has_prev = pagination.page > 1;
    json_add_members(doc, json_add_object(doc, data, "pagination"), &pagination_schema,
                     &pagination);
    return err;
}

/* ---- revoke ---- */

struct platform_key_params {
    struct schema_set set;
    struct id key_id;
};

static const struct field platform_key_params_fields[] = {
    FIELD(struct platform_key_params, key_id, FIELD_ID, .flags = FIELD_REQUIRED, .doc = "Key id."),
};

const struct schema platform_key_params_schema =
    SCHEMA("PlatformKeyParams", struct platform_key_params, platform_key_params_fields);

struct platform_key_revoked {
    struct schema_set set;
    struct id key_id;
    struct str message;
    int64_t revoked_at;
};

static const struct field platform_key_revoked_fields[] = {
    FIELD(struct platform_key_revoked, key_id, FIELD_ID, .flags = FIELD_REQUIRED, .doc = "Key id."),
    FIELD(struct platform_key_revoked, message, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "That it is done."),
    FIELD(struct platform_key_revoked, revoked_at, FIELD_TIME, .flags = FIELD_REQUIRED,
          .time_form = TIME_FORM_RFC3339, .doc = "Since when."),
};

const struct schema platform_key_revoked_schema =
    SCHEMA("PlatformKeyRevoked", struct platform_key_revoked, platform_key_revoked_fields);

static enum err one_key(const struct store_view *view, const struct command *command,
                        struct api_key_record *key) {
    const struct platform_key_params *params = command->params;
    return key_get(view, platform, params->key_id, command->arena, key);
}

static enum err revoke_check(const struct store_view *view, const struct command *command,
                             struct outcome *outcome) {
    (void)outcome;
    struct api_key_record key;
    return one_key(view, command, &key);
}

static void revoke_apply(struct store_tx *tx, const struct command *command,
                         struct outcome *outcome) {
    struct api_key_record key;
    enum err err = one_key(store_tx_view(tx), command, &key);
    CHECK(err == ERR_OK);
    key_revoke(tx, command, &key);
    outcome->resource = key.id;
    yyjson_mut_val *data = outcome_data(outcome, command);
    json_add_id(outcome->doc, data, "key_id", key.id);
    json_add_str(outcome->doc, data, "message", STR("The API key is revoked."));
    json_add_time(outcome->doc, data, "revoked_at", key.revoked_at, TIME_FORM_RFC3339);
}

const struct command_row platform_key_revoke_command = {
    .name = "platform_key.revoke",
    .action = "api_key.revoke",
    .resource = "api_key",
    .frees_room = true,
    .check = revoke_check,
    .apply = revoke_apply,
};

/* ---- permissions ---- */

struct platform_key_permissions {
    struct schema_set set;
    struct schema_list permissions;
    int64_t rate_limit;
};

static const struct field platform_key_permissions_fields[] = {
    FIELD(struct platform_key_permissions, permissions, FIELD_LIST, .flags = FIELD_REQUIRED,
          .element = FIELD_TEXT, .values = scope_names, .max = SCOPE_COUNT, .doc = "What it may."),
    FIELD(struct platform_key_permissions, rate_limit, FIELD_INT, .min = 1, .max = KEY_RATE_MAX,
          .doc = "Requests per hour."),
};

const struct schema platform_key_permissions_schema = SCHEMA(
    "PlatformKeyPermissions", struct platform_key_permissions, platform_key_permissions_fields);

struct platform_key_changed {
    struct schema_set set;
    struct id key_id;
    struct schema_list permissions;
    int64_t rate_limit;
    int64_t updated_at;
};

static const struct field platform_key_changed_fields[] = {
    FIELD(struct platform_key_changed, key_id, FIELD_ID, .flags = FIELD_REQUIRED, .doc = "Key id."),
    FIELD(struct platform_key_changed, permissions, FIELD_LIST, .flags = FIELD_REQUIRED,
          .element = FIELD_TEXT, .values = scope_names, .doc = "What it may."),
    FIELD(struct platform_key_changed, rate_limit, FIELD_INT, .flags = FIELD_REQUIRED,
          .doc = "Requests per hour."),
    FIELD(struct platform_key_changed, updated_at, FIELD_TIME, .flags = FIELD_REQUIRED,
          .time_form = TIME_FORM_RFC3339, .doc = "Last change."),
};

const struct schema platform_key_changed_schema =
    SCHEMA("PlatformKeyChanged", struct platform_key_changed, platform_key_changed_fields);

static enum err permissions_check(const struct store_view *view, const struct command *command,
                                  struct outcome *outcome) {
    (void)outcome;
    struct api_key_record key;
    enum err err = one_key(view, command, &key);
    return err == ERR_OK && !key_is_active(&key, command->now_us) ? ERR_KEY_INACTIVE : err;
}

static void permissions_apply(struct store_tx *tx, const struct command *command,
                              struct outcome *outcome) {
    const struct platform_key_permissions *body = command->body;
    struct api_key_record key;
    enum err err = one_key(store_tx_view(tx), command, &key);
    CHECK(err == ERR_OK);
    key.scopes = key_scopes_parse(&body->permissions);
    if (SCHEMA_HAS(&platform_key_permissions_schema, body, rate_limit)) {
        key.rate_limit = body->rate_limit;
    }
    key.updated_at = command->now_us;
    store_put(tx, &api_key_table, &key);
    outcome->resource = key.id;
    yyjson_mut_val *data = outcome_data(outcome, command);
    json_add_id(outcome->doc, data, "key_id", key.id);
    key_add_scopes(outcome->doc, data, "permissions", &key);
    json_add_int(outcome->doc, data, "rate_limit", key.rate_limit);
    json_add_time(outcome->doc, data, "updated_at", key.updated_at, TIME_FORM_RFC3339);
}

const struct command_row platform_key_permissions_command = {
    .name = "platform_key.permissions",
    .action = "api_key.update",
    .resource = "api_key",
    .check = permissions_check,
    .apply = permissions_apply,
};

/* ---- who is this key? ---- */

struct key_info {
    struct schema_set set;
    struct str key_name;
    struct schema_list permissions;
    int64_t rate_limit;
};

static const struct field key_info_fields[] = {
    FIELD(struct key_info, key_name, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "Name for people."),
    FIELD(struct key_info, permissions, FIELD_LIST, .flags = FIELD_REQUIRED, .element = FIELD_TEXT,
          .values = scope_names, .doc = "What it may."),
    FIELD(struct key_info, rate_limit, FIELD_INT, .flags = FIELD_REQUIRED,
          .doc = "Requests per hour."),
};

static const struct schema key_info_schema = SCHEMA("KeyInfo", struct key_info, key_info_fields);

struct key_test {
    struct schema_set set;
    struct str message;
    struct key_info api_key_info;
    int64_t accessed_at;
};

static const struct field key_test_fields[] = {
    FIELD(struct key_test, message, FIELD_TEXT, .flags = FIELD_REQUIRED, .doc = "That it works."),
    FIELD(struct key_test, api_key_info, FIELD_OBJECT, .flags = FIELD_REQUIRED,
          .of = &key_info_schema, .doc = "What the key is."),
    FIELD(struct key_test, accessed_at, FIELD_TIME, .flags = FIELD_REQUIRED,
          .time_form = TIME_FORM_RFC3339, .doc = "Now."),
};

const struct schema key_test_schema = SCHEMA("KeyTest", struct key_test, key_test_fields);

enum err key_test_read(struct request *request, const struct store_view *view) {
    const struct caller *caller = &request->command.caller;
    struct api_key_record key;
    if (caller->kind != CALLER_KEY) {
        return ERR_KEY_INVALID; /* a session shows no key */
    }
    enum err err = key_get(view, caller->organization_id, caller->key_id, request->arena, &key);
    if (err != ERR_OK) {
        return err;
    }
    yyjson_mut_val *data = outcome_data(&request->outcome, &request->command);
    yyjson_mut_doc *doc = request->outcome.doc;
    json_add_str(doc, data, "message", STR("The API key works."));
    yyjson_mut_val *info = json_add_object(doc, data, "api_key_info");
    json_add_str(doc, info, "key_name", key.name);
    key_add_scopes(doc, info, "permissions", &key);
    json_add_int(doc, info, "rate_limit", key.rate_limit);
    json_add_time(doc, data, "accessed_at", request->command.now_us, TIME_FORM_RFC3339);
    return ERR_OK;
}
