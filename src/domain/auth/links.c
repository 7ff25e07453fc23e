/* Links in mails: the table, making and finding. See links.h. */
#include "domain/auth/links.h"

#include "base/time.h"
#include "crypto/token.h"
#include "domain/auth/rules.h"

static const char *const link_purpose_names[] = {"verify_email", "reset_password", NULL};

static const struct field link_token_fields[] = {
    FIELD(struct link_token, token_hash, FIELD_BYTES, .tag = 1,
          .flags = FIELD_REQUIRED | FIELD_HIDDEN, .max = 32, .doc = "SHA-256 of the token."),
    FIELD(struct link_token, user_id, FIELD_ID, .tag = 2, .flags = FIELD_REQUIRED, .doc = "Whose."),
    FIELD(struct link_token, purpose, FIELD_ENUM, .tag = 3, .flags = FIELD_REQUIRED,
          .values = link_purpose_names, .doc = "What it is for."),
    FIELD(struct link_token, email, FIELD_TEXT, .tag = 4, .flags = FIELD_REQUIRED | FIELD_PERSONAL,
          .max = EMAIL_BYTES_MAX, .doc = "Where it was sent."),
    FIELD(struct link_token, expires_at, FIELD_TIME, .tag = 5, .flags = FIELD_REQUIRED,
          .doc = "End of its life."),
    FIELD(struct link_token, used_at, FIELD_TIME, .tag = 6, .flags = FIELD_NULLABLE,
          .doc = "When it was used."),
    FIELD(struct link_token, created_at, FIELD_TIME, .tag = 7, .flags = FIELD_REQUIRED,
          .doc = "When it was made."),
    FIELD(struct link_token, password_at, FIELD_TIME, .tag = 8,
          .doc = "Of when the password was that it may replace."),
};

const struct schema link_token_schema = SCHEMA("LinkToken", struct link_token, link_token_fields);

static const struct table_index link_token_indexes[] = {
    [LINK_INDEX_USER] = {.name = "user",
                         .offsets = {offsetof(struct link_token, user_id),
                                     offsetof(struct link_token, purpose)},
                         .offset_count = 2,
                         .is_unique = true},
    [LINK_INDEX_EXPIRES] = {.name = "expires",
                            .offsets = {offsetof(struct link_token, expires_at)},
                            .offset_count = 1},
};

const struct table link_token_table = {
    .name = "link_tokens",
    .id = 43,
    .version = 1,
    .schema = &link_token_schema,
    .key_offset = offsetof(struct link_token, token_hash),
    .indexes = link_token_indexes,
    .index_count = COUNT_OF(link_token_indexes),
    .person = {.kind = PERSON_DATA, .of = "users", .index = LINK_INDEX_USER},
    .doc = "Links that were sent by mail.",
};

static const struct store_scope system_scope = {.kind = STORE_SCOPE_SYSTEM};

/* ---- making ---- */

static void old_link_remove(struct store_tx *tx, const struct command *command,
                            enum link_purpose purpose, struct id user_id) {
    char memory[ID_BYTES + 8];
    struct buf key = buf_over(memory, sizeof(memory));
    struct link_token old;
    store_key_put_id(&key, user_id);
    store_key_put_int(&key, purpose);
    enum err err = store_find(store_tx_view(tx), system_scope, &link_token_table, LINK_INDEX_USER,
                              buf_str(&key), command->arena, &old);
    if (err == ERR_OK) {
        store_del(tx, &link_token_table, old.token_hash);
    }
}

struct str link_make(struct store_tx *tx, const struct command *command, enum link_purpose purpose,
                     const struct user *user, int64_t life_us) {
    uint8_t entropy[TOKEN_ENTROPY_BYTES];
    command_entropy(command, link_purpose_names[purpose], entropy);
    struct token token = token_from_entropy(entropy);
    crypto_wipe(entropy, sizeof(entropy));
    struct hash hash;
    bool is_token = token_store_key(token_str(&token), &hash);
    CHECK(is_token);
    struct link_token link = {
        .set.present = UINT64_MAX >> (64 - COUNT_OF(link_token_fields)),
        .token_hash = hash_bytes(&hash),
        .user_id = user->id,
        .purpose = (int32_t)purpose,
        .email = user->email,
        .expires_at = command->now_us + life_us,
        .created_at = command->now_us,
        .password_at = user->password_changed_at,
    };
    SCHEMA_CLEAR(&link_token_schema, &link, used_at);
    old_link_remove(tx, command, purpose, user->id);
    store_put(tx, &link_token_table, &link);
    struct str text = arena_copy(command->arena, token_str(&token));
    crypto_wipe(&token, sizeof(token));
    return text;
}

/* ---- finding ---- */

static bool is_void(const struct link_token *link, const struct user *user) {
    bool is_other_password =
        link->purpose == LINK_RESET && link->password_at != user->password_changed_at;
    return is_other_password || !str_equal(link->email, user->email);
}

enum err link_find(const struct store_view *view, const struct command *command, struct str token,
                   enum link_purpose purpose, bool used_counts, struct link_token *link,
                   struct user *user) {
    struct hash hash;
    if (!token_store_key(token, &hash)) {
        return ERR_LINK_INVALID;
    }
    enum err err =
        store_get(view, system_scope, &link_token_table, hash_bytes(&hash), command->arena, link);
    if (err == ERR_OK) {
        err = user_get(view, link->user_id, command->arena, user);
    }
    if (err != ERR_OK) {
        return err == ERR_NOT_FOUND ? ERR_LINK_INVALID : err;
    }
    bool is_used = SCHEMA_HAS(&link_token_schema, link, used_at);
    if (link->purpose != (int32_t)purpose || (is_used && !used_counts)) {
        return ERR_LINK_INVALID;
    }
    if (link->expires_at <= command->now_us) {
        return ERR_LINK_EXPIRED;
    }
    return is_void(link, user) ? ERR_LINK_INVALID : ERR_OK;
}

void link_use(struct store_tx *tx, const struct command *command, struct link_token *link) {
    CHECK(!SCHEMA_HAS(&link_token_schema, link, used_at));
    link->used_at = command->now_us;
    SCHEMA_SET(&link_token_schema, link, used_at);
    store_put(tx, &link_token_table, link);
}

/* ---- quota ---- */

void mail_quota_load(const struct store_view *view, const struct command *command, struct str email,
                     enum link_purpose purpose, struct mail_quota *quota) {
    struct str place = str_from_c(link_purpose_names[purpose]);
    failures_load(view, command, email, place, &quota->count);
    quota->is_spent = quota->count.count >= settings_int(command->settings, SETTING_MAIL_QUOTA_ID);
}

void mail_quota_take(struct store_tx *tx, const struct command *command, struct mail_quota *quota) {
    struct login_failures *count = &quota->count;
    if (str_is_none(count->key)) {
        return; /* no memory for the key: the next one counts */
    }
    if (count->count == 0) {
        count->expires_at = command->now_us + TIME_US_PER_HOUR;
        SCHEMA_SET(&login_failures_schema, count, expires_at);
    }
    /* Put in any case, so that each request writes the same. */
    count->count += !quota->is_spent;
    SCHEMA_SET(&login_failures_schema, count, count);
    store_put(tx, &login_failures_table, count);
}
