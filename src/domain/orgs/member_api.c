/* Members over HTTP: list, add, remove, change the role. */
#include "domain/orgs/members.h"
#include "domain/orgs/org_api.h"
#include "engine/cursor.h"

/* ---- how a member looks ---- */

struct member_view {
    struct schema_set set;
    struct id id;
    struct id user_id;
    struct id organization_id;
    int32_t role;
    struct id invited_by_id;
    int64_t invited_at;
    int64_t joined_at;
    int64_t created_at;
    int64_t updated_at;
    int64_t deleted_at;
    struct user_view user;
};

/* For the documentation; the values come from the two records. */
static const struct field member_view_fields[] = {
    FIELD(struct member_view, id, FIELD_ID, .flags = FIELD_REQUIRED, .doc = "Membership id."),
    FIELD(struct member_view, user_id, FIELD_ID, .flags = FIELD_REQUIRED, .doc = "Who."),
    FIELD(struct member_view, organization_id, FIELD_ID, .flags = FIELD_REQUIRED,
          .doc = "Of what."),
    FIELD(struct member_view, role, FIELD_ENUM, .flags = FIELD_REQUIRED,
          .values = member_role_names, .doc = "As what."),
    FIELD(struct member_view, invited_by_id, FIELD_ID, .flags = FIELD_NULLABLE,
          .doc = "Who added them."),
    FIELD(struct member_view, invited_at, FIELD_TIME, .flags = FIELD_NULLABLE,
          .doc = "When they were added by somebody else."),
    FIELD(struct member_view, joined_at, FIELD_TIME, .flags = FIELD_NULLABLE,
          .doc = "Since when they are members."),
    FIELD(struct member_view, created_at, FIELD_TIME, .flags = FIELD_REQUIRED,
          .doc = "When this was made."),
    FIELD(struct member_view, updated_at, FIELD_TIME, .flags = FIELD_REQUIRED,
          .doc = "Last change."),
    FIELD(struct member_view, deleted_at, FIELD_TIME, .flags = FIELD_NULLABLE,
          .doc = "Always null: removed ones are gone."),
    FIELD(struct member_view, user, FIELD_OBJECT, .flags = FIELD_REQUIRED, .of = &user_view_schema,
          .doc = "The user."),
};

static const struct schema member_view_schema =
    SCHEMA("MemberView", struct member_view, member_view_fields);

static yyjson_mut_val *member_view_make(yyjson_mut_doc *doc, const struct member *member,
                                        const struct user *user, struct arena *arena) {
    yyjson_mut_val *value = json_object(doc);
    json_add_members(doc, value, &member_schema, member);
    user_view_add(doc, value, "user", user, arena);
    return value;
}

struct member_data {
    struct schema_set set;
    struct member_view member;
};

static const struct field member_data_fields[] = {
    FIELD(struct member_data, member, FIELD_OBJECT, .flags = FIELD_REQUIRED,
          .of = &member_view_schema, .doc = "The member."),
};

const struct schema member_data_schema =
    SCHEMA("MemberData", struct member_data, member_data_fields);

void member_reply(const struct command *command, const struct member *member,
                  const struct user *user, struct outcome *outcome) {
    outcome->resource = user->id;
    outcome->organization = member->organization_id;
    yyjson_mut_val *data = outcome_data(outcome, command);
    json_add_val(outcome->doc, data, "member",
                 member_view_make(outcome->doc, member, user, command->arena));
}

/* ---- the list ---- */

enum {
    MEMBERS_PAGE_MAX = 500,
    /* A page also ends when its members have taken a quarter of a request's memory: names may be
     * long, and the reply's text needs the rest. */
    MEMBERS_ROOM_BYTES = REQUEST_ARENA_BYTES_MAX / 4 * 3,
};

struct members_params {
    struct schema_set set;
    struct id organization_id;
    int64_t limit;
    struct str cursor;
};

static const struct field members_params_fields[] = {
    FIELD(struct members_params, organization_id, FIELD_ID, .flags = FIELD_REQUIRED,
          .doc = "Organization id."),
    FIELD(struct members_params, limit, FIELD_INT, .min = 1, .max = MEMBERS_PAGE_MAX,
          .doc = "Members per page, at most; 500 when not given."),
    FIELD(struct members_params, cursor, FIELD_TEXT, .min = 1, .max = 700,
          .doc = "next_cursor of the page before."),
};

const struct schema members_params_schema =
    SCHEMA("MembersParams", struct members_params, members_params_fields);

struct members_data {
    struct schema_set set;
    struct schema_list members;
    int64_t count;
    int64_t total;
    struct str next_cursor;
};

static const struct field members_data_fields[] = {
    FIELD(struct members_data, members, FIELD_LIST, .flags = FIELD_REQUIRED,
          .of = &member_view_schema, .doc = "Owners first, then admins, members, guests."),
    FIELD(struct members_data, count, FIELD_INT, .flags = FIELD_REQUIRED, .doc = "On this page."),
    FIELD(struct members_data, total, FIELD_INT, .flags = FIELD_REQUIRED, .doc = "In all."),
    FIELD(struct members_data, next_cursor, FIELD_TEXT, .flags = FIELD_NULLABLE,
          .doc = "For the next page; null on the last."),
};

const struct schema members_data_schema =
    SCHEMA("MembersData", struct members_data, members_data_fields);

static enum err members_page(struct request *request, struct store_scan *scan, yyjson_mut_val *list,
                             uint32_t limit, uint32_t *count) {
    yyjson_mut_doc *doc = request->outcome.doc;
    enum err err = ERR_OK;
    *count = 0;
    while (err == ERR_OK && *count < limit && request->arena->bytes_left > MEMBERS_ROOM_BYTES) {
        struct member member;
        struct user user;
        err = store_scan_next(scan, request->arena, &member);
        if (err == ERR_OK) {
            err = user_get(scan->view, member.user_id, request->arena, &user);
        }
        if (err == ERR_OK) {
            json_append_val(doc, list, member_view_make(doc, &member, &user, request->arena));
            (*count)++;
        }
    }
    return err;
}

static enum err members_list(struct request *request, const struct store_view *view,
                             struct str prefix, struct str after) {
    const struct members_params *params = request->command.params;
    bool has_limit = SCHEMA_HAS(&members_params_schema, params, limit);
    uint32_t limit = has_limit ? (uint32_t)params->limit : MEMBERS_PAGE_MAX;
    uint32_t count = 0;
    struct store_scan scan;
    enum err err = store_scan_open(&scan, view, organization_scope(params->organization_id),
                                   &member_table, MEMBER_INDEX_ROLE, prefix, after, false);
    if (err != ERR_OK) {
        return err;
    }
    yyjson_mut_val *data = outcome_data(&request->outcome, &request->command);
    yyjson_mut_val *list = json_add_array(request->outcome.doc, data, "members");
    err = members_page(request, &scan, list, limit, &count);
    if (err == ERR_OK || err == ERR_END) {
        json_add_int(request->outcome.doc, data, "count", count);
        cursor_add(request, data, err == ERR_END ? STR_NONE : scan.row_key);
        err = ERR_OK;
    }
    store_scan_close(&scan);
    return err;
}

enum err members_read(struct request *request, const struct store_view *view) {
    const struct members_params *params = request->command.params;
    struct organization_access access;
    char prefix_bytes[ID_BYTES];
    char after_bytes[STORE_KEY_BYTES_MAX];
    struct buf prefix = buf_over(prefix_bytes, sizeof(prefix_bytes));
    struct buf after = buf_over(after_bytes, sizeof(after_bytes));
    enum err err =
        organization_enter(view, &request->command, params->organization_id, MEMBER_GUEST, &access);
    if (err != ERR_OK) {
        return err;
    }
    store_key_put_id(&prefix, params->organization_id);
    err = cursor_parse(params->cursor, buf_str(&prefix), &after);
    if (err != ERR_OK) {
        return err;
    }
    err = members_list(request, view, buf_str(&prefix), after.len > 0 ? buf_str(&after) : STR_NONE);
    if (err == ERR_OK) {
        json_add_int(request->outcome.doc, request->outcome.data, "total",
                     access.organization.member_count);
    }
    return err;
}

/* ---- add ---- */

struct member_add {
    struct schema_set set;
    struct str email;
    int32_t role;
};

static const struct field member_add_fields[] = {
    FIELD(struct member_add, email, FIELD_TEXT, .flags = FIELD_REQUIRED, .min = 1, .max = 254,
          .format = FORMAT_EMAIL, .doc = "E-mail address of an account."),
    FIELD(struct member_add, role, FIELD_ENUM, .flags = FIELD_REQUIRED, .values = member_role_names,
          .doc = "As what; owners can only be made by owners."),
};

const struct schema member_add_schema = SCHEMA("MemberAdd", struct member_add, member_add_fields);

static enum err add_check(const struct store_view *view, const struct command *command,
                          struct outcome *outcome) {
    const struct organization_params *params = command->params;
    const struct member_add *body = command->body;
    struct organization_access access;
    struct member member;
    struct user user;
    outcome->organization = params->organization_id;
    enum err err =
        organization_enter(view, command, params->organization_id, MEMBER_ADMIN, &access);
    if (err != ERR_OK) {
        return err;
    }
    if (body->role == MEMBER_OWNER && access.role != MEMBER_OWNER) {
        return ERR_FORBIDDEN;
    }
    err = user_find_email(view, body->email, command->arena, &user);
    if (err != ERR_OK || user.status == USER_DELETED) {
        return err == ERR_OK ? ERR_NOT_FOUND : err;
    }
    err = member_get(view, params->organization_id, user.id, command->arena, &member);
    if (err != ERR_NOT_FOUND) {
        return err == ERR_OK ? ERR_MEMBER_EXISTS : err;
    }
    if (access.organization.member_count >= MEMBERS_PER_ORGANIZATION_MAX) {
        return ERR_LIMIT;
    }
    return member_has_room(view, user.id, command->arena);
}

static void add_apply(struct store_tx *tx, const struct command *command, struct outcome *outcome) {
    const struct organization_params *params = command->params;
    const struct member_add *body = command->body;
    struct organization organization;
    struct member member;
    struct user user;
    enum err err =
        organization_get(store_tx_view(tx), params->organization_id, command->arena, &organization);
    CHECK(err == ERR_OK);
    err = user_find_email(store_tx_view(tx), body->email, command->arena, &user);
    CHECK(err == ERR_OK);
    member_put_new(tx, command, &organization, user.id, (enum member_role)body->role,
                   command->caller.user_id, &member);
    member_reply(command, &member, &user, outcome);
}

const struct command_row member_add_command = {
    .name = "org.member.add",
    .action = "org.member.add",
    .resource = "user",
    .check = add_check,
    .apply = add_apply,
};

/* ---- remove and change ---- */

struct member_params {
    struct schema_set set;
    struct id organization_id;
    struct id user_id;
};

static const struct field member_params_fields[] = {
    FIELD(struct member_params, organization_id, FIELD_ID, .flags = FIELD_REQUIRED,
          .doc = "Organization id."),
    FIELD(struct member_params, user_id, FIELD_ID, .flags = FIELD_REQUIRED, .doc = "User id."),
};

const struct schema member_params_schema =
    SCHEMA("MemberParams", struct member_params, member_params_fields);

/* The caller may touch this member at all: only owners touch owners. */
static enum err member_touch(const struct store_view *view, const struct command *command,
                             enum member_role least, struct organization_access *access,
                             struct member *member) {
    const struct member_params *params = command->params;
    enum err err = organization_enter(view, command, params->organization_id, least, access);
    if (err == ERR_OK) {
        err = member_get(view, params->organization_id, params->user_id, command->arena, member);
    }
    if (err == ERR_OK && member->role == MEMBER_OWNER && access->role != MEMBER_OWNER) {
        err = ERR_FORBIDDEN;
    }
    return err;
}

static bool is_last_owner(const struct store_view *view, const struct command *command,
                          const struct member *member) {
    return member->role == MEMBER_OWNER &&
           !member_has_other_owner(view, member->organization_id, member->user_id, command->arena);
}

static enum err remove_check(const struct store_view *view, const struct command *command,
                             struct outcome *outcome) {
    const struct member_params *params = command->params;
    struct organization_access access;
    struct member member;
    outcome->organization = params->organization_id;
    outcome->resource = params->user_id;
    /* Everybody may leave. */
    bool is_own =
        command->caller.kind == CALLER_USER && id_equal(params->user_id, command->caller.user_id);
    enum err err =
        member_touch(view, command, is_own ? MEMBER_GUEST : MEMBER_ADMIN, &access, &member);
    if (err != ERR_OK) {
        return err;
    }
    return is_last_owner(view, command, &member) ? ERR_LAST_OWNER : ERR_OK;
}

static void remove_apply(struct store_tx *tx, const struct command *command,
                         struct outcome *outcome) {
    const struct member_params *params = command->params;
    struct organization organization;
    struct member member;
    enum err err =
        organization_get(store_tx_view(tx), params->organization_id, command->arena, &organization);
    CHECK(err == ERR_OK);
    err = member_get(store_tx_view(tx), params->organization_id, params->user_id, command->arena,
                     &member);
    CHECK(err == ERR_OK);
    member_remove(tx, command, &organization, &member);
    outcome->message = "The member is removed";
}

const struct command_row member_remove_command = {
    .name = "org.member.remove",
    .action = "org.member.remove",
    .resource = "user",
    .frees_room = true,
    .check = remove_check,
    .apply = remove_apply,
};

struct member_role_body {
    struct schema_set set;
    int32_t role;
};

static const struct field member_role_fields[] = {
    FIELD(struct member_role_body, role, FIELD_ENUM, .flags = FIELD_REQUIRED,
          .values = member_role_names, .doc = "The new role; owners can only be made by owners."),
};

const struct schema member_role_schema =
    SCHEMA("MemberRole", struct member_role_body, member_role_fields);

static enum err role_check(const struct store_view *view, const struct command *command,
                           struct outcome *outcome) {
    const struct member_params *params = command->params;
    const struct member_role_body *body = command->body;
    struct organization_access access;
    struct member member;
    outcome->organization = params->organization_id;
    outcome->resource = params->user_id;
    enum err err = member_touch(view, command, MEMBER_ADMIN, &access, &member);
    if (err != ERR_OK) {
        return err;
    }
    if (body->role == MEMBER_OWNER && access.role != MEMBER_OWNER) {
        return ERR_FORBIDDEN;
    }
    return body->role != MEMBER_OWNER && is_last_owner(view, command, &member) ? ERR_LAST_OWNER
                                                                               : ERR_OK;
}

static void role_apply(struct store_tx *tx, const struct command *command,
                       struct outcome *outcome) {
    const struct member_params *params = command->params;
    const struct member_role_body *body = command->body;
    struct member member;
    struct user user;
    enum err err = member_get(store_tx_view(tx), params->organization_id, params->user_id,
                              command->arena, &member);
    CHECK(err == ERR_OK);
    err = user_get(store_tx_view(tx), params->user_id, command->arena, &user);
    CHECK(err == ERR_OK);
    if (member.role != body->role) {
        member.role = body->role;
        member.updated_at = command->now_us;
        store_put(tx, &member_table, &member);
    }
    member_reply(command, &member, &user, outcome);
}

const struct command_row member_role_command = {
    .name = "org.member.role",
    .action = "org.member.role_change",
    .resource = "user",
    .check = role_check,
    .apply = role_apply,
};
