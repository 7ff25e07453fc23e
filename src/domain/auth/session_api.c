/* Refresh with rotation and reuse detection, logout, who am I, and the list of sessions. */
#include "domain/auth/session_api.h"

#include "domain/auth/extension.h"
#include "domain/auth/tokens.h"
#include "domain/auth/views.h"
#include "engine/cookie.h"

/* ---- refresh ---- */

struct refresh_body {
    struct schema_set set;
    struct str refresh_token;
};

static const struct field refresh_body_fields[] = {
    FIELD(struct refresh_body, refresh_token, FIELD_TEXT, .flags = FIELD_SENSITIVE, .max = 1024,
          .doc = "The refresh token, when it is not sent as Bearer."),
};

const struct schema refresh_body_schema =
    SCHEMA("RefreshBody", struct refresh_body, refresh_body_fields);

struct refresh_prepared {
    struct str token_hash;
    struct token_set tokens;
};

/* From the body, else from the Authorization header. */
static enum err refresh_token_given(const struct request *request, struct str *token) {
    const struct refresh_body *body = request->command.body;
    *token = body->refresh_token;
    if (!str_is_none(*token)) {
        return ERR_OK;
    }
    struct str value = http_header(&request->exchange->head, STR("Authorization"));
    if (str_is_none(value)) {
        return ERR_REFRESH_MISSING;
    }
    struct str scheme = str_split(&value, ' ');
    if (!str_equal_nocase(scheme, STR("Bearer")) || str_is_none(value)) {
        return ERR_AUTH_FORMAT;
    }
    *token = str_trim(value);
    return ERR_OK;
}

static enum err refresh_lookup(const struct store_view *view, const struct command *command,
                               struct str token_hash, struct refresh_token *row,
                               struct session *session, struct user *user) {
    struct store_scope system = {.kind = STORE_SCOPE_SYSTEM};
    enum err err = store_get(view, system, &refresh_token_table, token_hash, command->arena, row);
    if (err == ERR_OK) {
        err = store_get(view, system, &session_table, id_bytes(&row->session_id), command->arena,
                        session);
    }
    if (err == ERR_OK) {
        err = user_get(view, session->user_id, command->arena, user);
    }
    return err == ERR_NOT_FOUND ? ERR_REFRESH_INVALID : err;
}

static enum err refresh_prepare(struct request *request) {
    struct command *command = &request->command;
    struct refresh_prepared *prepared = ARENA_NEW(request->arena, struct refresh_prepared);
    struct refresh_token row;
    struct session session;
    struct user user;
    struct str token;
    struct hash hash;
    if (prepared == NULL) {
        return ERR_NO_MEMORY;
    }
    enum err err = refresh_token_given(request, &token);
    if (err != ERR_OK) {
        return err;
    }
    if (!token_store_key(token, &hash)) {
        return ERR_REFRESH_INVALID;
    }
    prepared->token_hash = arena_copy(request->arena, hash_bytes(&hash));
    err =
        refresh_lookup(request_view(request), command, prepared->token_hash, &row, &session, &user);
    if (err != ERR_OK) {
        return err;
    }
    command->prepared = prepared;
    return tokens_make(request, user.id, (enum role)(1u << user.role), session.id,
                       &prepared->tokens);
}

/* However often it is refreshed. */
static int64_t session_end_max(const struct command *command, const struct session *session) {
    return session->created_at + settings_us(command->settings, SETTING_SESSION_MOST_SECONDS_ID);
}

static enum err refresh_check(const struct store_view *view, const struct command *command,
                              struct outcome *outcome) {
    (void)outcome;
    const struct refresh_prepared *prepared = command->prepared;
    struct refresh_token row;
    struct session session;
    struct user user;
    enum err err = refresh_lookup(view, command, prepared->token_hash, &row, &session, &user);
    if (err != ERR_OK) {
        return err;
    }
    if (session.status != SESSION_ACTIVE) {
        return ERR_REFRESH_INVALID;
    }
    int64_t idle_us = settings_us(command->settings, SETTING_SESSION_IDLE_SECONDS_ID);
    bool is_idle = idle_us > 0 && session.last_activity_at + idle_us <= command->now_us;
    if (row.expires_at <= command->now_us || is_idle ||
        session_end_max(command, &session) <= command->now_us) {
        return ERR_REFRESH_EXPIRED;
    }
    return user.status == USER_SUSPENDED || user.status == USER_INACTIVE ? ERR_ACCOUNT_INACTIVE
                                                                         : ERR_OK;
}

/* A used token that comes back was stolen, or its successor was: the whole family ends. */
static void refresh_reused(struct store_tx *tx, const struct command *command,
                           struct session *session, struct outcome *outcome) {
    session_revoke(tx, command, session, "refresh_token_reuse");
    outcome->err = ERR_REFRESH_INVALID;
    outcome->action = "session.revoke";
    outcome->resource = session->id;
}

/* A session that is refreshed for ever must not escape what a new login would meet. It can become
 * limited here, never unlimited. */
static void refresh_judge(struct store_tx *tx, const struct command *command, struct user *user,
                          struct session *session, struct outcome *outcome) {
    int32_t status = user->status;
    bool is_limited = auth_extension()->login(tx, command, user, outcome);
    session->is_compliance_only = session->is_compliance_only || is_limited;
    if (user->status != status) {
        store_put(tx, &user_table, user);
    }
}

static void refresh_apply(struct store_tx *tx, const struct command *command,
                          struct outcome *outcome) {
    const struct refresh_prepared *prepared = command->prepared;
    struct refresh_token row;
    struct session session;
    struct user user;
    enum err err =
        refresh_lookup(store_tx_view(tx), command, prepared->token_hash, &row, &session, &user);
    CHECK(err == ERR_OK);
    outcome->actor = user.id;
    if (SCHEMA_HAS(&refresh_token_schema, &row, used_at)) {
        refresh_reused(tx, command, &session, outcome);
        return;
    }
    row.used_at = command->now_us;
    SCHEMA_SET(&refresh_token_schema, &row, used_at);
    store_put(tx, &refresh_token_table, &row);
    int64_t expires_at =
        command->now_us + settings_us(command->settings, SETTING_SESSION_SECONDS_ID);
    int64_t end_max = session_end_max(command, &session);
    session.expires_at = expires_at > session.expires_at ? expires_at : session.expires_at;
    session.expires_at = session.expires_at < end_max ? session.expires_at : end_max;
    session.last_activity_at = command->now_us;
    session.updated_at = command->now_us;
    refresh_judge(tx, command, &user, &session, outcome);
    store_put(tx, &session_table, &session);
    tokens_put_refresh(tx, command, &prepared->tokens);
    outcome->resource = session.id;
    tokens_reply(command, &prepared->tokens, outcome);
    user_view_add(outcome->doc, outcome->data, "user", &user, command->arena);
    json_add_time(outcome->doc, outcome->data, "expires_at", session.expires_at, TIME_FORM_RFC3339);
}

const struct command_row refresh_command = {
    .name = "auth.refresh",
    .action = "session.refresh",
    .resource = "session",
    .prepare = refresh_prepare,
    .check = refresh_check,
    .apply = refresh_apply,
};

struct refresh_data {
    struct schema_set set;
    struct str access_token;
    struct str refresh_token;
    struct str token_type;
    int64_t expires_in;
    int64_t expires_at;
    struct str user;
    struct str mfa_compliance;
};

static const struct field refresh_data_fields[] = {
    FIELD(struct refresh_data, access_token, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "New short-lived JWT."),
    FIELD(struct refresh_data, refresh_token, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "New refresh token; the old one is used up."),
    FIELD(struct refresh_data, token_type, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "Always Bearer."),
    FIELD(struct refresh_data, expires_in, FIELD_INT, .flags = FIELD_REQUIRED,
          .doc = "Seconds until access_token expires."),
    FIELD(struct refresh_data, expires_at, FIELD_TIME, .flags = FIELD_REQUIRED,
          .time_form = TIME_FORM_RFC3339, .doc = "End of the session."),
    FIELD(struct refresh_data, user, FIELD_JSON, .flags = FIELD_REQUIRED, .doc = "The user."),
    FIELD(struct refresh_data, mfa_compliance, FIELD_JSON, .flags = FIELD_REQUIRED,
          .doc = "Second-factor policies of the user's organizations."),
};

const struct schema refresh_data_schema =
    SCHEMA("RefreshData", struct refresh_data, refresh_data_fields);

/* ---- logout ---- */

struct logout_body {
    struct schema_set set;
    struct str refresh_token;
    bool all_sessions;
};

static const struct field logout_body_fields[] = {
    FIELD(struct logout_body, refresh_token, FIELD_TEXT, .flags = FIELD_SENSITIVE, .max = 1024,
          .doc = "Accepted and not needed: it ends with the session."),
    FIELD(struct logout_body, all_sessions, FIELD_BOOL, .doc = "End all sessions of the user."),
};

const struct schema logout_body_schema =
    SCHEMA("LogoutBody", struct logout_body, logout_body_fields);

static enum err logout_check(const struct store_view *view, const struct command *command,
                             struct outcome *outcome) {
    (void)view;
    (void)outcome;
    CHECK(command->caller.kind == CALLER_USER);
    return ERR_OK;
}

static void logout_apply(struct store_tx *tx, const struct command *command,
                         struct outcome *outcome) {
    const struct logout_body *body = command->body;
    struct session session;
    outcome->resource = command->caller.session_id;
    outcome->message = "Logout successful";
    if (command->caller.has_cookie) {
        outcome->session_cookie =
            cookie_make(command->arena, COOKIE_SESSION, STR(""), 0, COOKIE_LAX);
    }
    if (body->all_sessions) {
        session_revoke_all(tx, command, command->caller.user_id, "logout");
        return;
    }
    enum err err = store_get(store_tx_view(tx), caller_scope(&command->caller), &session_table,
                             id_bytes(&command->caller.session_id), command->arena, &session);
    CHECK(err == ERR_OK); /* the batch has just looked at it */
    session_revoke(tx, command, &session, "logout");
}

const struct command_row logout_command = {
    .name = "auth.logout",
    .action = "session.revoke",
    .resource = "session",
    .frees_room = true,
    .check = logout_check,
    .apply = logout_apply,
};

/* ---- me ---- */

struct me_data {
    struct schema_set set;
    struct user_view user;
    struct str organizations;
    struct str csrf_token;
};

static const struct field me_data_fields[] = {
    FIELD(struct me_data, user, FIELD_OBJECT, .flags = FIELD_REQUIRED, .of = &user_view_schema,
          .doc = "The caller."),
    FIELD(struct me_data, organizations, FIELD_JSON, .flags = FIELD_REQUIRED,
          .doc = "The caller's organizations."),
    FIELD(struct me_data, csrf_token, FIELD_TEXT, .flags = FIELD_OMIT,
          .doc = "For X-CSRF-Token, when the session is a cookie."),
};

const struct schema me_data_schema = SCHEMA("MeData", struct me_data, me_data_fields);

enum err me_read(struct request *request, const struct store_view *view) {
    const struct command *command = &request->command;
    struct outcome *outcome = &request->outcome;
    struct user user;
    enum err err = user_get(view, command->caller.user_id, request->arena, &user);
    if (err != ERR_OK) {
        return err;
    }
    yyjson_mut_val *data = outcome_data(outcome, command);
    user_view_add(outcome->doc, data, "user", &user, request->arena);
    if (command->caller.has_cookie) {
        struct str token = cookie_session(&request->exchange->head);
        json_add_str(outcome->doc, data, "csrf_token", csrf_token(request->arena, token));
    }
    yyjson_mut_val *list = json_add_array(outcome->doc, data, "organizations");
    return auth_extension()->me(view, user.id, request->arena, outcome->doc, list);
}

/* ---- sessions ---- */

struct sessions_data {
    struct schema_set set;
    struct schema_list sessions;
    int64_t count;
};

static const struct field sessions_data_fields[] = {
    FIELD(struct sessions_data, sessions, FIELD_LIST, .flags = FIELD_REQUIRED,
          .of = &session_view_schema, .doc = "Active sessions, newest first."),
    FIELD(struct sessions_data, count, FIELD_INT, .flags = FIELD_REQUIRED, .doc = "How many."),
};

const struct schema sessions_data_schema =
    SCHEMA("SessionsData", struct sessions_data, sessions_data_fields);

/* The index has the active ones together, by age. */
static enum err sessions_collect(struct request *request, const struct store_view *view,
                                 yyjson_mut_val *list, uint32_t *count) {
    const struct command *command = &request->command;
    char key_bytes[STORE_KEY_BYTES_MAX];
    struct buf key = buf_over(key_bytes, sizeof(key_bytes));
    struct store_scan scan;
    struct session session;
    store_key_put_id(&key, command->caller.user_id);
    store_key_put_int(&key, SESSION_ACTIVE);
    enum err err = store_scan_open(&scan, view, caller_scope(&command->caller), &session_table,
                                   SESSION_INDEX_USER, buf_str(&key), STR_NONE, true);
    for (uint32_t i = 0; err == ERR_OK && i < SESSIONS_PER_USER_MAX; i++) {
        err = store_scan_next(&scan, request->arena, &session);
        if (err == ERR_OK && !session_is_over(&session, command->settings, command->now_us)) {
            yyjson_mut_arr_append(list,
                                  session_view_make(request->outcome.doc, &session,
                                                    command->caller.session_id, request->arena));
            (*count)++;
        }
    }
    store_scan_close(&scan);
    return err == ERR_END ? ERR_OK : err;
}

enum err sessions_read(struct request *request, const struct store_view *view) {
    const struct command *command = &request->command;
    struct outcome *outcome = &request->outcome;
    uint32_t count = 0;
    yyjson_mut_val *data = outcome_data(outcome, command);
    yyjson_mut_val *sessions = json_add_array(outcome->doc, data, "sessions");
    enum err err = sessions_collect(request, view, sessions, &count);
    json_add_int(outcome->doc, data, "count", count);
    return err;
}

struct session_params {
    struct schema_set set;
    struct id id;
};

static const struct field session_params_fields[] = {
    FIELD(struct session_params, id, FIELD_ID, .flags = FIELD_REQUIRED, .doc = "Session id."),
};

const struct schema session_params_schema =
    SCHEMA("SessionParams", struct session_params, session_params_fields);

static enum err session_load(const struct store_view *view, const struct command *command,
                             struct session *session) {
    const struct session_params *params = command->params;
    return store_get(view, caller_scope(&command->caller), &session_table, id_bytes(&params->id),
                     command->arena, session);
}

static enum err revoke_check(const struct store_view *view, const struct command *command,
                             struct outcome *outcome) {
    (void)outcome;
    struct session session;
    return session_load(view, command, &session);
}

static void revoke_apply(struct store_tx *tx, const struct command *command,
                         struct outcome *outcome) {
    struct session session;
    enum err err = session_load(store_tx_view(tx), command, &session);
    CHECK(err == ERR_OK);
    outcome->resource = session.id;
    outcome->message = "The session is revoked";
    session_revoke(tx, command, &session, "revoked_by_user");
}

const struct command_row session_revoke_command = {
    .name = "auth.session.revoke",
    .action = "session.revoke",
    .resource = "session",
    .frees_room = true,
    .check = revoke_check,
    .apply = revoke_apply,
};

/* ---- all others ---- */

struct sessions_revoked {
    struct schema_set set;
    int64_t revoked;
};

static const struct field sessions_revoked_fields[] = {
    FIELD(struct sessions_revoked, revoked, FIELD_INT, .flags = FIELD_REQUIRED,
          .doc = "How many were ended."),
};

const struct schema sessions_revoked_schema =
    SCHEMA("SessionsRevoked", struct sessions_revoked, sessions_revoked_fields);

static void others_apply(struct store_tx *tx, const struct command *command,
                         struct outcome *outcome) {
    yyjson_mut_val *data = outcome_data(outcome, command);
    json_add_int(outcome->doc, data, "revoked", session_revoke_others(tx, command));
    outcome->resource = command->caller.user_id;
    outcome->message = "All other sessions are revoked";
}

const struct command_row sessions_revoke_command = {
    .name = "auth.sessions.revoke",
    .action = "session.revoke_all",
    .resource = "user",
    .frees_room = true,
    .check = logout_check,
    .apply = others_apply,
};

/* ---- a name ---- */

struct session_patch {
    struct schema_set set;
    struct str device_name;
};

static const struct field session_patch_fields[] = {
    FIELD(struct session_patch, device_name, FIELD_TEXT, .flags = FIELD_NULLABLE, .min = 1,
          .max = DEVICE_NAME_MAX, .doc = "What to call it; null: as its program looks."),
};

const struct schema session_patch_schema =
    SCHEMA("SessionPatch", struct session_patch, session_patch_fields);

struct session_data {
    struct schema_set set;
    struct session_view session;
};

static const struct field session_data_fields[] = {
    FIELD(struct session_data, session, FIELD_OBJECT, .flags = FIELD_REQUIRED,
          .of = &session_view_schema, .doc = "The session."),
};

const struct schema session_data_schema =
    SCHEMA("SessionData", struct session_data, session_data_fields);

static void name_apply(struct store_tx *tx, const struct command *command,
                       struct outcome *outcome) {
    const struct session_patch *body = command->body;
    struct session session;
    enum err err = session_load(store_tx_view(tx), command, &session);
    CHECK(err == ERR_OK);
    if (SCHEMA_HAS(&session_patch_schema, body, device_name)) {
        session.device_name = body->device_name;
        SCHEMA_SET(&session_schema, &session, device_name);
    } else if (SCHEMA_IS_NULL(&session_patch_schema, body, device_name)) {
        session.device_name = STR_NONE;
        SCHEMA_CLEAR(&session_schema, &session, device_name);
    }
    if (body->set.present != 0 || body->set.null != 0) {
        session.updated_at = command->now_us;
        store_put(tx, &session_table, &session);
    }
    outcome->resource = session.id;
    yyjson_mut_val *data = outcome_data(outcome, command);
    json_add_val(
        outcome->doc, data, "session",
        session_view_make(outcome->doc, &session, command->caller.session_id, command->arena));
}

const struct command_row session_patch_command = {
    .name = "auth.session.name",
    .action = "session.update",
    .resource = "session",
    .check = revoke_check,
    .apply = name_apply,
};
