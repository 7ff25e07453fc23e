/*
 * Tokens and sessions: made in prepare (signing takes time), written in the batch, resolved at the
 * gate and again in the batch.
 */
#include "domain/auth/tokens.h"

#include <string.h>

#include "base/time.h"
#include "domain/auth/extension.h"
#include "domain/auth/keys.h"
#include "domain/auth/notices.h"
#include "domain/auth/views.h"
#include "engine/cookie.h"
#include "os/panic.h"

enum { TOUCH_AFTER_US = 60 * 1000 * 1000 };

#define ACCESS_TYP STR("at+jwt") /* RFC 9068, 2.1 */

/* RFC 9068, 2.2 */
struct access_claims {
    struct schema_set set;
    struct str iss;
    struct str aud;
    struct id sub;
    struct id sid;
    struct str jti;
    struct str client_id;
    struct str role;
    struct str roles;
    bool roles_complete;
    int64_t iat;
    int64_t nbf;
    int64_t exp;
};

static const struct field access_claims_fields[] = {
    FIELD(struct access_claims, iss, FIELD_TEXT, .flags = FIELD_REQUIRED, .doc = "Issuer."),
    FIELD(struct access_claims, aud, FIELD_TEXT, .flags = FIELD_REQUIRED, .doc = "Audience."),
    FIELD(struct access_claims, sub, FIELD_ID, .flags = FIELD_REQUIRED, .doc = "User."),
    FIELD(struct access_claims, sid, FIELD_ID, .flags = FIELD_REQUIRED, .doc = "Session."),
    FIELD(struct access_claims, jti, FIELD_TEXT, .flags = FIELD_REQUIRED, .doc = "Token id."),
    FIELD(struct access_claims, client_id, FIELD_TEXT, .flags = FIELD_REQUIRED, .doc = "Client."),
    FIELD(struct access_claims, role, FIELD_TEXT, .flags = FIELD_REQUIRED, .doc = "Role."),
    /* For those who verify the token elsewhere (identity contract, 7.3). Nothing here trusts them:
     * a membership may have ended since. */
    FIELD(struct access_claims, roles, FIELD_JSON, .doc = "Roles in organizations."),
    FIELD(struct access_claims, roles_complete, FIELD_BOOL, .doc = "Whether these are all."),
    FIELD(struct access_claims, iat, FIELD_INT, .flags = FIELD_REQUIRED, .doc = "Issued at."),
    FIELD(struct access_claims, nbf, FIELD_INT, .flags = FIELD_REQUIRED, .doc = "Not before."),
    FIELD(struct access_claims, exp, FIELD_INT, .flags = FIELD_REQUIRED, .doc = "Expires at."),
};

static const struct schema access_claims_schema =
    SCHEMA("AccessClaims", struct access_claims, access_claims_fields);

enum err tokens_start(struct engine *engine, const char **problem) {
    return keys_start(engine, problem);
}

/* ---- making ---- */

static enum err claims_write(const struct request *request, struct id user_id, enum role role,
                             struct id session_id, int64_t life_s, struct str *claims) {
    const struct command *command = &request->command;
    struct str issuer = settings_text(command->settings, SETTING_PUBLIC_URL_ID);
    int64_t now_s = command->now_us / TIME_US_PER_S;
    yyjson_mut_doc *doc = json_doc(request->arena);
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    json_add_str(doc, root, "iss", issuer);
    json_add_str(doc, root, "aud", issuer);
    json_add_id(doc, root, "sub", user_id);
    json_add_id(doc, root, "sid", session_id);
    json_add_id(doc, root, "jti", command_id(command, "access token"));
    json_add_str(doc, root, "client_id", STR("coffer"));
    json_add_str(doc, root, "role", str_from_c(role_names[__builtin_ctz(role)]));
    bool is_whole = false;
    yyjson_mut_val *roles = json_add_array(doc, root, "roles");
    enum err err = auth_extension()->roles(request_view(request), user_id, request->arena, doc,
                                           roles, &is_whole);
    if (err != ERR_OK) {
        return err;
    }
    json_add_bool(doc, root, "roles_complete", is_whole);
    json_add_int(doc, root, "iat", now_s);
    json_add_int(doc, root, "nbf", now_s);
    json_add_int(doc, root, "exp", now_s + life_s);
    return json_write(doc, root, request->arena, claims);
}

static struct token token_make(const struct command *command, const char *label) {
    uint8_t entropy[TOKEN_ENTROPY_BYTES];
    command_entropy(command, label, entropy);
    struct token token = token_from_entropy(entropy);
    crypto_wipe(entropy, sizeof(entropy));
    return token;
}

enum err tokens_make(struct request *request, struct id user_id, enum role role,
                     struct id session_id, struct token_set *tokens) {
    const struct command *command = &request->command;
    struct str claims;
    int64_t life_s = settings_int(command->settings, SETTING_ACCESS_SECONDS_ID);
    tokens->session_id = id_is_zero(session_id) ? command_id(command, "session") : session_id;
    tokens->token = token_make(command, "token");
    tokens->refresh = token_make(command, "refresh token");
    tokens->access_expires_in_s = life_s;
    char *memory = arena_take(request->arena, JOSE_TOKEN_BYTES_MAX);
    if (memory == NULL) {
        return ERR_NO_MEMORY;
    }
    enum err err = claims_write(request, user_id, role, tokens->session_id, life_s, &claims);
    if (err != ERR_OK) {
        return err;
    }
    struct buf out = buf_over(memory, JOSE_TOKEN_BYTES_MAX);
    if (jose_sign(keys_current(), ACCESS_TYP, claims, &out) != ERR_OK) {
        return ERR_INTERNAL;
    }
    tokens->access = buf_str(&out);
    return ERR_OK;
}

static struct hash token_hash(const struct token *token) {
    struct hash hash;
    bool is_token = token_store_key(token_str(token), &hash);
    CHECK(is_token);
    return hash;
}

void tokens_put_refresh(struct store_tx *tx, const struct command *command,
                        const struct token_set *tokens) {
    struct hash hash = token_hash(&tokens->refresh);
    struct refresh_token row = {
        .token_hash = hash_bytes(&hash),
        .session_id = tokens->session_id,
        .expires_at = command->now_us + settings_us(command->settings, SETTING_REFRESH_SECONDS_ID),
    };
    SCHEMA_SET(&refresh_token_schema, &row, token_hash);
    SCHEMA_SET(&refresh_token_schema, &row, session_id);
    SCHEMA_SET(&refresh_token_schema, &row, expires_at);
    store_put(tx, &refresh_token_table, &row);
}

static void pair_reply(yyjson_mut_doc *doc, yyjson_mut_val *object, const struct command *command,
                       const struct token_set *tokens) {
    json_add_str(doc, object, "access_token", tokens->access);
    /* the set lives in the request's arena, as long as the document */
    json_add_str(doc, object, "refresh_token", token_str(&tokens->refresh));
    json_add_str(doc, object, "token_type", STR("Bearer"));
    json_add_int(doc, object, "expires_in", tokens->access_expires_in_s);
    (void)command;
}

void tokens_reply(const struct command *command, const struct token_set *tokens,
                  struct outcome *outcome) {
    yyjson_mut_val *data = outcome_data(outcome, command);
    pair_reply(outcome->doc, data, command, tokens);
    pair_reply(outcome->doc, json_add_object(outcome->doc, data, "tokens"), command, tokens);
}

/* ---- revoking ---- */

void session_revoke(struct store_tx *tx, const struct command *command, struct session *session,
                    const char *reason) {
    if (session->status == SESSION_REVOKED) {
        return;
    }
    session->status = SESSION_REVOKED;
    session->revoked_at = command->now_us;
    session->revoked_reason = str_from_c(reason);
    session->updated_at = command->now_us;
    SCHEMA_SET(&session_schema, session, revoked_at);
    SCHEMA_SET(&session_schema, session, revoked_reason);
    store_put(tx, &session_table, session);
}

/* The user's active sessions, oldest first. `key` must live until the scan is closed. */
static enum err active_open(struct store_scan *scan, const struct store_view *view,
                            struct id user_id, struct buf *key) {
    struct store_scope owner = {.kind = STORE_SCOPE_OWNER, .owner = user_id};
    store_key_put_id(key, user_id);
    store_key_put_int(key, SESSION_ACTIVE);
    return store_scan_open(scan, view, owner, &session_table, SESSION_INDEX_USER, buf_str(key),
                           STR_NONE, false);
}

static void active_close(struct store_scan *scan, enum err err) {
    store_scan_close(scan);
    if (err != ERR_OK && err != ERR_END) {
        panic_exit("auth", "the sessions of a user cannot be read: run coffer fsck");
    }
}

/* However many there are: each row has the same small memory, and the loop gets its turns. */
static uint32_t sessions_revoke(struct store_tx *tx, const struct command *command,
                                struct id user_id, struct id kept_id, const char *reason) {
    char key_bytes[STORE_KEY_BYTES_MAX];
    struct buf key = buf_over(key_bytes, sizeof(key_bytes));
    struct store_scan scan;
    struct arena row;
    uint32_t count = 0;
    arena_init(&row, command->arena->pool, ARENA_BLOCK_BYTES);
    enum err err = active_open(&scan, store_tx_view(tx), user_id, &key);
    while (err == ERR_OK) {
        struct session session;
        err = store_scan_next(&scan, &row, &session);
        if (err == ERR_OK && !id_equal(session.id, kept_id)) {
            session_revoke(tx, command, &session, reason);
            count++;
        }
        arena_reset(&row);
        store_tx_breathe(tx);
    }
    active_close(&scan, err);
    return count;
}

void session_revoke_all(struct store_tx *tx, const struct command *command, struct id user_id,
                        const char *reason) {
    (void)sessions_revoke(tx, command, user_id, (struct id){{0}}, reason);
}

uint32_t session_revoke_others(struct store_tx *tx, const struct command *command) {
    CHECK(!id_is_zero(command->caller.session_id));
    return sessions_revoke(tx, command, command->caller.user_id, command->caller.session_id,
                           "revoked_by_user");
}

/* Before one more is opened. */
static void sessions_make_room(struct store_tx *tx, const struct command *command,
                               struct id user_id) {
    char key_bytes[STORE_KEY_BYTES_MAX];
    struct buf key = buf_over(key_bytes, sizeof(key_bytes));
    struct store_scan scan;
    struct session oldest;
    struct session other;
    struct arena row;
    uint32_t count = 0;
    arena_init(&row, command->arena->pool, ARENA_BLOCK_BYTES);
    enum err err = active_open(&scan, store_tx_view(tx), user_id, &key);
    while (err == ERR_OK && count < SESSIONS_PER_USER_MAX) {
        err = count == 0 ? store_scan_next(&scan, command->arena, &oldest)
                         : store_scan_next(&scan, &row, &other);
        arena_reset(&row);
        count += err == ERR_OK;
    }
    active_close(&scan, err);
    if (count == SESSIONS_PER_USER_MAX) {
        session_revoke(tx, command, &oldest, "too_many_sessions");
    }
}

/* ---- opening ---- */

/* A browser's: nothing that its scripts can read opens the session, and there is nothing to
 * refresh. */
static void cookie_reply(const struct command *command, const struct token_set *tokens,
                         int64_t age_s, struct outcome *outcome) {
    struct str token = token_str(&tokens->token);
    outcome->session_cookie = cookie_make(command->arena, COOKIE_SESSION, token, age_s, COOKIE_LAX);
    struct str csrf = csrf_token(command->arena, token);
    json_add_str(outcome->doc, outcome->data, "csrf_token", csrf);
}

void tokens_open_session(struct store_tx *tx, const struct command *command,
                         const struct user *user, const struct token_set *tokens,
                         bool is_remembered, bool is_limited, struct outcome *outcome) {
    struct hash hash = token_hash(&tokens->token);
    enum setting life =
        is_remembered ? SETTING_SESSION_LONG_SECONDS_ID : SETTING_SESSION_SECONDS_ID;
    char address[NET_ADDRESS_TEXT_MAX];
    struct buf address_out = buf_over(address, sizeof(address));
    net_address_format(command->peer, &address_out);
    struct session session = {
        .id = tokens->session_id,
        .user_id = user->id,
        .status = SESSION_ACTIVE,
        .token_hash = hash_bytes(&hash),
        .ip_address = buf_str(&address_out),
        .user_agent = command->user_agent,
        .expires_at = command->now_us + settings_us(command->settings, life),
        .last_activity_at = command->now_us,
        .is_compliance_only = is_limited,
        .created_at = command->now_us,
        .updated_at = command->now_us,
    };
    session.set.present = UINT64_MAX >> (64 - session_schema.field_count);
    SCHEMA_CLEAR(&session_schema, &session, revoked_at);
    SCHEMA_CLEAR(&session_schema, &session, revoked_reason);
    SCHEMA_CLEAR(&session_schema, &session, device_name);
    if (str_is_none(session.user_agent)) {
        SCHEMA_CLEAR(&session_schema, &session, user_agent);
    }
    sessions_make_room(tx, command, user->id);
    store_put(tx, &session_table, &session);
    notice_login(tx, command, user);
    outcome->resource = session.id;
    yyjson_mut_val *data = outcome_data(outcome, command);
    json_add_time(outcome->doc, data, "expires_at", session.expires_at, TIME_FORM_RFC3339);
    json_add_id(outcome->doc, data, "session_id", session.id);
    if (command->wants_cookie) {
        cookie_reply(command, tokens,
                     is_remembered ? settings_int(command->settings, life) : COOKIE_UNTIL_CLOSED,
                     outcome);
        return;
    }
    json_add_str(outcome->doc, data, "token", token_str(&tokens->token));
    tokens_put_refresh(tx, command, tokens);
    tokens_reply(command, tokens, outcome);
}

/* ---- resolving ---- */

static enum err user_may_act(const struct user *user) {
    switch ((enum user_status)user->status) {
    case USER_ACTIVE:
    case USER_PENDING:
    case USER_COMPLIANCE_SUSPENDED:
        return ERR_OK;
    case USER_INACTIVE:
    case USER_SUSPENDED:
        return ERR_ACCOUNT_INACTIVE;
    case USER_DELETED:
        return ERR_TOKEN_INVALID;
    }
    return ERR_TOKEN_INVALID;
}

/* Uses are noted once a minute, or often enough for a short idle time. */
static int64_t touch_after_us(const struct settings *settings) {
    int64_t idle_us = settings_us(settings, SETTING_SESSION_IDLE_SECONDS_ID);
    return idle_us > 0 && idle_us / 4 < TOUCH_AFTER_US ? idle_us / 4 : TOUCH_AFTER_US;
}

bool session_is_over(const struct session *session, const struct settings *settings,
                     int64_t now_us) {
    int64_t idle_us = settings_us(settings, SETTING_SESSION_IDLE_SECONDS_ID);
    return session->expires_at <= now_us ||
           (idle_us > 0 && session->last_activity_at + idle_us <= now_us);
}

static enum err caller_fill(const struct store_view *view, const struct settings *settings,
                            const struct session *session, int64_t now_us, struct arena *arena,
                            struct caller *caller) {
    struct user user;
    if (session->status != SESSION_ACTIVE) {
        return ERR_TOKEN_INVALID;
    }
    if (session_is_over(session, settings, now_us)) {
        return ERR_SESSION_INACTIVE;
    }
    enum err err = user_get(view, session->user_id, arena, &user);
    if (err != ERR_OK) {
        return err == ERR_NOT_FOUND ? ERR_TOKEN_INVALID : err;
    }
    err = user_may_act(&user);
    caller->kind = CALLER_USER;
    caller->user_id = user.id;
    caller->session_id = session->id;
    caller->role = (enum role)(1u << user.role);
    caller->is_limited = session->is_compliance_only || user.status == USER_COMPLIANCE_SUSPENDED;
    caller->must_change_password = user.must_change_password;
    caller->is_stale = session->last_activity_at + touch_after_us(settings) < now_us;
    if (err != ERR_OK) {
        *caller = (struct caller){.kind = CALLER_NOBODY};
    }
    return err;
}

static enum err resolve_session(const struct store_view *view, const struct settings *settings,
                                struct id session_id, int64_t now_us, struct arena *arena,
                                struct caller *caller) {
    struct store_scope system = {.kind = STORE_SCOPE_SYSTEM};
    struct session session;
    enum err err = store_get(view, system, &session_table, id_bytes(&session_id), arena, &session);
    if (err != ERR_OK) {
        return err == ERR_NOT_FOUND ? ERR_TOKEN_INVALID : err;
    }
    return caller_fill(view, settings, &session, now_us, arena, caller);
}

static enum err resolve_opaque(const struct store_view *view, const struct settings *settings,
                               int64_t now_us, struct str token, struct arena *arena,
                               struct caller *caller) {
    struct store_scope system = {.kind = STORE_SCOPE_SYSTEM};
    struct session session;
    struct hash hash;
    char memory[2 * HASH_BYTES]; /* bytes 00 and 01 take two */
    struct buf key = buf_over(memory, sizeof(memory));
    if (!token_store_key(token, &hash)) {
        return ERR_TOKEN_INVALID;
    }
    store_key_put_text(&key, hash_bytes(&hash), true);
    enum err err = store_find(view, system, &session_table, SESSION_INDEX_TOKEN, buf_str(&key),
                              arena, &session);
    if (err != ERR_OK) {
        return err == ERR_NOT_FOUND ? ERR_TOKEN_INVALID : err;
    }
    return caller_fill(view, settings, &session, now_us, arena, caller);
}

static enum err resolve_access(const struct store_view *view, const struct settings *settings,
                               int64_t now_us, struct str token, struct arena *arena,
                               struct caller *caller) {
    uint32_t count;
    const struct jose_public_key *keys = keys_public(&count);
    struct schema_faults *faults = ARENA_NEW(arena, struct schema_faults);
    char *memory = arena_take(arena, JOSE_CLAIMS_BYTES_MAX);
    struct access_claims claims;
    if (memory == NULL || faults == NULL) {
        return ERR_NO_MEMORY;
    }
    struct buf out = buf_over(memory, JOSE_CLAIMS_BYTES_MAX);
    if (jose_verify(keys, count, ACCESS_TYP, token, &out, NULL) != ERR_OK ||
        schema_decode(&access_claims_schema, buf_str(&out), arena, &claims, faults) != ERR_OK) {
        return ERR_TOKEN_INVALID;
    }
    struct str issuer = settings_text(settings, SETTING_PUBLIC_URL_ID);
    int64_t now_s = now_us / TIME_US_PER_S;
    if (!str_equal(claims.iss, issuer) || !str_equal(claims.aud, issuer) || claims.nbf > now_s) {
        return ERR_TOKEN_INVALID;
    }
    if (claims.exp <= now_s) {
        return ERR_TOKEN_EXPIRED;
    }
    enum err err = resolve_session(view, settings, claims.sid, now_us, arena, caller);
    if (err == ERR_OK && !id_equal(caller->user_id, claims.sub)) {
        *caller = (struct caller){.kind = CALLER_NOBODY};
        return ERR_TOKEN_INVALID;
    }
    return err;
}

enum err tokens_resolve(const struct store_view *view, const struct settings *settings,
                        int64_t now_us, struct str token, struct arena *arena,
                        struct caller *caller) {
    if (str_has_byte(token, '.')) {
        return resolve_access(view, settings, now_us, token, arena, caller);
    }
    return resolve_opaque(view, settings, now_us, token, arena, caller);
}

enum err tokens_recheck(const struct store_view *view, const struct settings *settings,
                        int64_t now_us, struct arena *arena, struct caller *caller) {
    struct id session_id = caller->session_id;
    return resolve_session(view, settings, session_id, now_us, arena, caller);
}

/* ---- last activity ---- */

static enum err touch_check(const struct store_view *view, const struct command *command,
                            struct outcome *outcome) {
    (void)view;
    (void)outcome;
    CHECK(command->prepared != NULL);
    return ERR_OK;
}

static void touch_apply(struct store_tx *tx, const struct command *command,
                        struct outcome *outcome) {
    (void)outcome;
    const struct touch_list *list = command->prepared;
    struct store_scope system = {.kind = STORE_SCOPE_SYSTEM};
    for (uint32_t i = 0; i < list->count; i++) {
        struct session session;
        enum err err = store_get(store_tx_view(tx), system, &session_table,
                                 id_bytes(&list->touches[i].id), command->arena, &session);
        if (err == ERR_OK && session.status == SESSION_ACTIVE) {
            session.last_activity_at = command->now_us;
            store_put(tx, &session_table, &session);
        }
    }
}

/* Not audited: it says nothing that the audited requests do not. */
const struct command_row session_touch_command = {
    .name = "session.touch",
    .check = touch_check,
    .apply = touch_apply,
};

/* ---- the public keys ---- */

struct jwks {
    struct schema_set set;
    struct str keys;
};

static const struct field jwks_fields[] = {
    FIELD(struct jwks, keys, FIELD_JSON, .flags = FIELD_REQUIRED,
          .doc = "Public keys as JWK (RFC 7517)."),
};

const struct schema jwks_schema = SCHEMA("KeySet", struct jwks, jwks_fields);

enum err tokens_jwks(struct request *request, const struct store_view *view) {
    (void)view;
    enum { JWKS_BYTES_MAX = 512 * JOSE_KEYS_MAX };
    uint32_t count;
    const struct jose_public_key *keys = keys_public(&count);
    char *memory = arena_take(request->arena, JWKS_BYTES_MAX);
    if (memory == NULL) {
        return ERR_NO_MEMORY;
    }
    struct buf out = buf_over(memory, JWKS_BYTES_MAX);
    jose_jwks_format(keys, count, &out);
    CHECK(!out.is_full);
    request->raw_type = STR("application/json");
    request->max_age_s = 3600;
    request->raw_body = buf_str(&out);
    return ERR_OK;
}
