/* Views: records as replies show them, with every key that one of the contracts names. */
#include "domain/auth/views.h"

#include "domain/auth/agent.h"

static const struct field user_view_fields[] = {
    FIELD(struct user_view, id, FIELD_ID, .flags = FIELD_REQUIRED, .doc = "User id."),
    FIELD(struct user_view, email, FIELD_TEXT, .flags = FIELD_REQUIRED, .doc = "E-mail address."),
    FIELD(struct user_view, email_verified, FIELD_BOOL, .flags = FIELD_REQUIRED,
          .doc = "Whether the address was confirmed."),
    FIELD(struct user_view, is_email_verified, FIELD_BOOL, .flags = FIELD_REQUIRED,
          .doc = "The same."),
    FIELD(struct user_view, full_name, FIELD_TEXT, .flags = FIELD_NULLABLE,
          .doc = "Name for display."),
    FIELD(struct user_view, first_name, FIELD_TEXT, .flags = FIELD_NULLABLE, .doc = "Given name."),
    FIELD(struct user_view, last_name, FIELD_TEXT, .flags = FIELD_NULLABLE, .doc = "Family name."),
    FIELD(struct user_view, phone, FIELD_TEXT, .flags = FIELD_NULLABLE, .doc = "Telephone number."),
    FIELD(struct user_view, phone_number, FIELD_TEXT, .flags = FIELD_NULLABLE, .doc = "The same."),
    FIELD(struct user_view, phone_verified, FIELD_BOOL, .flags = FIELD_REQUIRED,
          .doc = "Whether the number was confirmed."),
    FIELD(struct user_view, is_phone_verified, FIELD_BOOL, .flags = FIELD_REQUIRED,
          .doc = "The same."),
    FIELD(struct user_view, avatar_url, FIELD_TEXT, .flags = FIELD_NULLABLE, .doc = "Picture."),
    FIELD(struct user_view, status, FIELD_ENUM, .flags = FIELD_REQUIRED,
          .values = user_status_names, .doc = "Whether the account may be used."),
    FIELD(struct user_view, role, FIELD_ENUM, .flags = FIELD_REQUIRED, .values = role_names,
          .doc = "What the user may do."),
    FIELD(struct user_view, is_active, FIELD_BOOL, .flags = FIELD_REQUIRED,
          .doc = "Whether status is active."),
    FIELD(struct user_view, mfa_enabled, FIELD_BOOL, .flags = FIELD_REQUIRED,
          .doc = "Whether a second factor is set up."),
    FIELD(struct user_view, two_factor_enabled, FIELD_BOOL, .flags = FIELD_REQUIRED,
          .doc = "The same."),
    FIELD(struct user_view, last_login_at, FIELD_TIME, .flags = FIELD_NULLABLE,
          .doc = "Last login."),
    FIELD(struct user_view, last_login_ip, FIELD_TEXT, .flags = FIELD_NULLABLE,
          .doc = "Address of the last login."),
    FIELD(struct user_view, created_at, FIELD_TIME, .flags = FIELD_REQUIRED,
          .doc = "Registration."),
    FIELD(struct user_view, updated_at, FIELD_TIME, .flags = FIELD_REQUIRED, .doc = "Last change."),
    FIELD(struct user_view, deleted_at, FIELD_TIME, .flags = FIELD_NULLABLE, .doc = "Deletion."),
};

const struct schema user_view_schema = SCHEMA("UserView", struct user_view, user_view_fields);

static void view_text(struct user_view *view, struct str *member, struct str value, size_t offset) {
    *member = value;
    if (str_is_none(value)) {
        view->set.present &= ~schema_bit(&user_view_schema, offset);
    }
}

#define VIEW_TEXT(view, member, value)                                                             \
    view_text((view), &(view)->member, (value), offsetof(struct user_view, member))

static void view_times(struct user_view *view, const struct user *user) {
    view->last_login_at = user->last_login_at;
    view->created_at = user->created_at;
    view->updated_at = user->updated_at;
    view->deleted_at = user->deleted_at;
    if (!SCHEMA_HAS(&user_schema, user, last_login_at)) {
        SCHEMA_CLEAR(&user_view_schema, view, last_login_at);
    }
    if (!SCHEMA_HAS(&user_schema, user, deleted_at)) {
        SCHEMA_CLEAR(&user_view_schema, view, deleted_at);
    }
}

yyjson_mut_val *user_view_make(yyjson_mut_doc *doc, const struct user *user, struct arena *arena) {
    struct user_view view = {
        .set.present = UINT64_MAX >> (64 - COUNT_OF(user_view_fields)),
        .id = user->id,
        .email = arena_copy(arena, user->email),
        .email_verified = user->email_verified,
        .is_email_verified = user->email_verified,
        .status = user->status,
        .role = user->role,
        .is_active = user->status == USER_ACTIVE,
        .mfa_enabled = user->factors != 0,
        .two_factor_enabled = user->factors != 0,
    };
    VIEW_TEXT(&view, full_name, arena_copy(arena, user->full_name));
    VIEW_TEXT(&view, first_name, arena_copy(arena, user->first_name));
    VIEW_TEXT(&view, last_name, arena_copy(arena, user->last_name));
    VIEW_TEXT(&view, phone, arena_copy(arena, user->phone));
    VIEW_TEXT(&view, phone_number, view.phone);
    VIEW_TEXT(&view, avatar_url, arena_copy(arena, user->avatar_url));
    VIEW_TEXT(&view, last_login_ip, arena_copy(arena, user->last_login_ip));
    view_times(&view, user);
    yyjson_mut_val *value = json_object(doc);
    json_add_members(doc, value, &user_view_schema, &view);
    return value;
}

yyjson_mut_val *user_view_add(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key,
                              const struct user *user, struct arena *arena) {
    yyjson_mut_val *value = user_view_make(doc, user, arena);
    json_add_val(doc, object, key, value);
    return value;
}

/* ---- sessions ---- */

static const char *const session_status_names[] = {"active", "revoked", NULL};

static const struct field session_view_fields[] = {
    FIELD(struct session_view, id, FIELD_ID, .flags = FIELD_REQUIRED, .doc = "Session id."),
    FIELD(struct session_view, user_id, FIELD_ID, .flags = FIELD_REQUIRED, .doc = "Owner."),
    FIELD(struct session_view, status, FIELD_ENUM, .flags = FIELD_REQUIRED,
          .values = session_status_names, .doc = "Whether it was revoked."),
    FIELD(struct session_view, ip_address, FIELD_TEXT, .flags = FIELD_NULLABLE,
          .doc = "Address at login."),
    FIELD(struct session_view, user_agent, FIELD_TEXT, .flags = FIELD_NULLABLE,
          .doc = "Program at login."),
    FIELD(struct session_view, device_info, FIELD_TEXT, .flags = FIELD_NULLABLE,
          .doc = "Always null."),
    FIELD(struct session_view, device_name, FIELD_TEXT, .flags = FIELD_NULLABLE,
          .doc = "What its owner calls it, else what its program looks like."),
    FIELD(struct session_view, expires_at, FIELD_TIME, .flags = FIELD_REQUIRED,
          .doc = "End of the session."),
    FIELD(struct session_view, last_activity_at, FIELD_TIME, .flags = FIELD_REQUIRED,
          .doc = "Last use, to the minute."),
    FIELD(struct session_view, last_activity, FIELD_TIME, .flags = FIELD_REQUIRED,
          .doc = "The same."),
    FIELD(struct session_view, revoked_at, FIELD_TIME, .flags = FIELD_NULLABLE,
          .doc = "Revocation."),
    FIELD(struct session_view, revoked_reason, FIELD_TEXT, .flags = FIELD_NULLABLE,
          .doc = "Why it was revoked."),
    FIELD(struct session_view, is_compliance_only, FIELD_BOOL, .flags = FIELD_REQUIRED,
          .doc = "Limited to enrolling a second factor."),
    FIELD(struct session_view, current, FIELD_BOOL, .flags = FIELD_REQUIRED,
          .doc = "Whether it is the one that asks."),
    FIELD(struct session_view, created_at, FIELD_TIME, .flags = FIELD_REQUIRED, .doc = "Login."),
    FIELD(struct session_view, updated_at, FIELD_TIME, .flags = FIELD_REQUIRED,
          .doc = "Last change."),
    FIELD(struct session_view, deleted_at, FIELD_TIME, .flags = FIELD_NULLABLE,
          .doc = "Always null."),
};

const struct schema session_view_schema =
    SCHEMA("SessionView", struct session_view, session_view_fields);

static struct str session_device_name(const struct session *session, struct arena *arena) {
    if (!str_is_none(session->device_name)) {
        return arena_copy(arena, session->device_name);
    }
    char *memory = arena_take(arena, AGENT_NAME_BYTES_MAX);
    struct buf out = buf_over(memory, memory == NULL ? 0 : AGENT_NAME_BYTES_MAX);
    return agent_name(session->user_agent, &out) ? buf_str(&out) : STR_NONE;
}

yyjson_mut_val *session_view_make(yyjson_mut_doc *doc, const struct session *session,
                                  struct id current_id, struct arena *arena) {
    struct session_view view = {
        .set.present = UINT64_MAX >> (64 - COUNT_OF(session_view_fields)),
        .id = session->id,
        .user_id = session->user_id,
        .status = session->status,
        .ip_address = arena_copy(arena, session->ip_address),
        .user_agent = arena_copy(arena, session->user_agent),
        .expires_at = session->expires_at,
        .last_activity_at = session->last_activity_at,
        .last_activity = session->last_activity_at,
        .revoked_at = session->revoked_at,
        .revoked_reason = arena_copy(arena, session->revoked_reason),
        .is_compliance_only = session->is_compliance_only,
        .current = id_equal(session->id, current_id),
        .created_at = session->created_at,
        .updated_at = session->updated_at,
    };
    SCHEMA_CLEAR(&session_view_schema, &view, device_info);
    view.device_name = session_device_name(session, arena);
    if (str_is_none(view.device_name)) {
        SCHEMA_CLEAR(&session_view_schema, &view, device_name);
    }
    SCHEMA_CLEAR(&session_view_schema, &view, deleted_at);
    if (session->status != SESSION_REVOKED) {
        SCHEMA_CLEAR(&session_view_schema, &view, revoked_at);
        SCHEMA_CLEAR(&session_view_schema, &view, revoked_reason);
    }
    if (str_is_none(view.ip_address)) {
        SCHEMA_CLEAR(&session_view_schema, &view, ip_address);
    }
    if (str_is_none(view.user_agent)) {
        SCHEMA_CLEAR(&session_view_schema, &view, user_agent);
    }
    yyjson_mut_val *value = yyjson_mut_obj(doc);
    json_add_members(doc, value, &session_view_schema, &view);
    return value;
}

/* ---- compliance with second-factor policies ---- */

struct compliance {
    struct schema_set set;
    struct str overall_status;
    struct str missing_methods;
    int64_t deadline_at;
    struct str orgs;
};

static const struct field compliance_fields[] = {
    FIELD(struct compliance, overall_status, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "Worst status of all organizations."),
    FIELD(struct compliance, missing_methods, FIELD_JSON, .flags = FIELD_REQUIRED,
          .doc = "Second factors that are still asked for."),
    FIELD(struct compliance, deadline_at, FIELD_TIME, .flags = FIELD_NULLABLE,
          .doc = "Earliest deadline."),
    FIELD(struct compliance, orgs, FIELD_JSON, .flags = FIELD_REQUIRED,
          .doc = "One entry per organization."),
};

const struct schema compliance_schema = SCHEMA("Compliance", struct compliance, compliance_fields);

void compliance_view_add(yyjson_mut_doc *doc, yyjson_mut_val *object) {
    yyjson_mut_val *value = json_add_object(doc, object, "mfa_compliance");
    json_add_str(doc, value, "overall_status", STR("compliant"));
    json_add_array(doc, value, "missing_methods");
    json_add_null(doc, value, "deadline_at");
    json_add_array(doc, value, "orgs");
}
