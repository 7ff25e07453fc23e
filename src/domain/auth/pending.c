/* Logins between password and second factor, see pending.h. */
#include "domain/auth/pending.h"

#include "base/time.h"
#include "crypto/secret.h"
#include "crypto/token.h"
#include "engine/cookie.h"

static const struct field pending_login_fields[] = {
    FIELD(struct pending_login, token_hash, FIELD_BYTES, .tag = 1, .flags = FIELD_REQUIRED,
          .max = 32, .doc = "SHA-256 of the token."),
    FIELD(struct pending_login, user_id, FIELD_ID, .tag = 2, .flags = FIELD_REQUIRED,
          .doc = "Who logs in."),
    FIELD(struct pending_login, password_at, FIELD_TIME, .tag = 8,
          .doc = "When the password that was checked had been set; absent: none was checked."),
    FIELD(struct pending_login, is_remembered, FIELD_BOOL, .tag = 4, .flags = FIELD_REQUIRED,
          .doc = "Whether the session is to be a long one."),
    FIELD(struct pending_login, attempts, FIELD_INT, .tag = 5, .flags = FIELD_REQUIRED, .max = 1000,
          .doc = "Wrong codes so far."),
    FIELD(struct pending_login, expires_at, FIELD_TIME, .tag = 6, .flags = FIELD_REQUIRED,
          .doc = "When it is forgotten."),
    FIELD(struct pending_login, created_at, FIELD_TIME, .tag = 7, .flags = FIELD_REQUIRED,
          .doc = "When the password was checked."),
};

const struct schema pending_login_schema =
    SCHEMA("PendingLogin", struct pending_login, pending_login_fields);

static const struct table_index pending_login_indexes[] = {
    [PENDING_INDEX_EXPIRES] = {.name = "expires",
                               .offsets = {offsetof(struct pending_login, expires_at)},
                               .offset_count = 1},
    [PENDING_INDEX_USER] = {.name = "user",
                            .offsets = {offsetof(struct pending_login, user_id)},
                            .offset_count = 1},
};

const struct table pending_login_table = {
    .name = "pending_logins",
    .id = 19,
    .version = 1,
    .schema = &pending_login_schema,
    .key_offset = offsetof(struct pending_login, token_hash),
    .indexes = pending_login_indexes,
    .index_count = COUNT_OF(pending_login_indexes),
    .person = {.kind = PERSON_MARKS, .of = "users", .index = PENDING_INDEX_USER},
    .doc = "Logins that wait for a second factor.",
};

/* ---- the cookie ---- */

#define COOKIE_NAME STR("session")
/* Strict: nobody comes from elsewhere into the middle of a login. */
static struct str pending_cookie(const struct command *command, struct str token, int64_t age_s) {
    return cookie_make(command->arena, COOKIE_NAME, token, age_s, COOKIE_STRICT);
}

/* ---- opening ---- */

void pending_open(struct store_tx *tx, const struct command *command, const struct user *user,
                  bool is_remembered, struct outcome *outcome) {
    uint8_t entropy[TOKEN_ENTROPY_BYTES];
    command_entropy(command, "pending login", entropy);
    struct token token = token_from_entropy(entropy);
    crypto_wipe(entropy, sizeof(entropy));
    struct hash token_hash;
    bool is_token = token_store_key(token_str(&token), &token_hash);
    CHECK(is_token);
    int64_t life_s = settings_int(command->settings, SETTING_FACTOR_PENDING_SECONDS_ID);
    struct pending_login row = {
        .set.present = UINT64_MAX >> (64 - COUNT_OF(pending_login_fields)),
        .token_hash = hash_bytes(&token_hash),
        .user_id = user->id,
        .password_at = password_mark_of(user).changed_at,
        .is_remembered = is_remembered,
        .expires_at = command->now_us + life_s * TIME_US_PER_S,
        .created_at = command->now_us,
    };
    store_put(tx, &pending_login_table, &row);
    struct str text = arena_copy(command->arena, token_str(&token));
    yyjson_mut_val *data = outcome_data(outcome, command);
    json_add_bool(outcome->doc, data, "mfa_required", true);
    json_add_str(outcome->doc, data, "temp_token", text);
    json_add_int(outcome->doc, data, "expires_in", life_s);
    outcome->set_cookie = pending_cookie(command, token_str(&token), life_s);
}

/* ---- going on ---- */

enum err pending_key(struct request *request, struct str temp_token, struct str *key) {
    struct hash hash;
    struct str token = temp_token;
    if (str_is_none(token)) {
        struct str cookies = http_header(&request->exchange->head, STR("Cookie"));
        token = str_is_none(cookies) ? STR_NONE : http_cookie(cookies, COOKIE_NAME);
    }
    if (str_is_none(token)) {
        return ERR_DATA_MISSING;
    }
    if (!token_store_key(token, &hash)) {
        return ERR_TEMP_INVALID;
    }
    *key = arena_copy(request->arena, hash_bytes(&hash));
    return str_is_none(*key) ? ERR_NO_MEMORY : ERR_OK;
}

static bool has_password(const struct pending_login *pending, const struct user *user) {
    struct password_mark mark = {pending->user_id, pending->password_at};
    return SCHEMA_HAS(&pending_login_schema, pending, password_at) &&
           password_mark_holds(mark, user);
}

enum err pending_get(const struct store_view *view, const struct command *command, struct str key,
                     struct pending_login *pending, struct user *user) {
    struct store_scope system = {.kind = STORE_SCOPE_SYSTEM};
    enum err err = store_get(view, system, &pending_login_table, key, command->arena, pending);
    if (err == ERR_OK) {
        err = user_get(view, pending->user_id, command->arena, user);
    }
    if (err != ERR_OK) {
        return err == ERR_NOT_FOUND ? ERR_TEMP_INVALID : err;
    }
    if (pending->expires_at <= command->now_us) {
        return ERR_TEMP_EXPIRED;
    }
    if (!has_password(pending, user)) {
        return ERR_TEMP_INVALID;
    }
    bool is_barred = user->status == USER_SUSPENDED || user->status == USER_INACTIVE;
    return is_barred ? ERR_ACCOUNT_INACTIVE : ERR_OK;
}

void pending_fail(struct store_tx *tx, const struct command *command, struct pending_login *pending,
                  struct outcome *outcome) {
    pending->attempts++;
    if (pending->attempts >= settings_int(command->settings, SETTING_FACTOR_ATTEMPTS_ID)) {
        pending_close(tx, command, pending, outcome);
        return;
    }
    store_put(tx, &pending_login_table, pending);
}

void pending_close(struct store_tx *tx, const struct command *command,
                   const struct pending_login *pending, struct outcome *outcome) {
    store_del(tx, &pending_login_table, pending->token_hash);
    outcome->set_cookie = pending_cookie(command, STR(""), 0);
}
