/* The caller's own account: read, change, close; the password. */
#include "domain/auth/user_api.h"

#include "crypto/hash.h"
#include "domain/auth/extension.h"
#include "domain/auth/notices.h"
#include "domain/auth/reauth.h"
#include "domain/auth/rules.h"
#include "domain/auth/tokens.h"
#include "domain/auth/totp.h"
#include "domain/auth/views.h"

struct user_data {
    struct schema_set set;
    struct user_view user;
};

static const struct field user_data_fields[] = {
    FIELD(struct user_data, user, FIELD_OBJECT, .flags = FIELD_REQUIRED, .of = &user_view_schema,
          .doc = "The user."),
};

const struct schema user_data_schema = SCHEMA("UserData", struct user_data, user_data_fields);

/* Strong, over the record's last change: a quoted hash of id and updated_at. */
static struct str user_etag(const struct user *user, struct arena *arena) {
    enum { ETAG_BYTES = 34 };
    struct hash_stream stream;
    uint8_t number[8];
    hash_stream_init(&stream);
    hash_stream_add_field(&stream, id_bytes(&user->id));
    hash_stream_add_field(&stream, store_key_int(user->updated_at, number));
    hash_stream_add_field(&stream, store_key_int(user->last_login_at, number));
    struct hash hash = hash_stream_value(&stream);
    char *memory = arena_take(arena, ETAG_BYTES);
    if (memory == NULL) {
        return STR_NONE;
    }
    struct buf out = buf_over(memory, ETAG_BYTES);
    buf_put_byte(&out, '"');
    buf_put_hex(&out, hash.bytes, 16);
    buf_put_byte(&out, '"');
    return buf_str(&out);
}

/* One of the comma-separated tags, or "*" (RFC 9110, 13.1.1). */
static bool etag_matches(struct str header, struct str etag) {
    while (!str_is_none(header)) {
        struct str tag = str_trim(str_split(&header, ','));
        if (str_equal(tag, STR("*")) || str_equal(tag, etag)) {
            return true;
        }
    }
    return false;
}

enum err user_me_read(struct request *request, const struct store_view *view) {
    const struct command *command = &request->command;
    struct outcome *outcome = &request->outcome;
    struct user user;
    enum err err = user_get(view, command->caller.user_id, request->arena, &user);
    if (err != ERR_OK) {
        return err;
    }
    outcome->etag = user_etag(&user, request->arena);
    struct str known = http_header(&request->exchange->head, STR("If-None-Match"));
    if (!str_is_none(known) && etag_matches(known, outcome->etag)) {
        outcome->status = 304;
        return ERR_OK;
    }
    yyjson_mut_val *data = outcome_data(outcome, command);
    user_view_add(outcome->doc, data, "user", &user, request->arena);
    return ERR_OK;
}

/* ---- patch ---- */

struct user_patch {
    struct schema_set set;
    struct str full_name;
    struct str avatar_url;
};

static const struct field user_patch_fields[] = {
    FIELD(struct user_patch, full_name, FIELD_TEXT, .flags = FIELD_NULLABLE, .max = 255,
          .doc = "Name for display."),
    FIELD(struct user_patch, avatar_url, FIELD_TEXT, .flags = FIELD_NULLABLE, .max = 512,
          .format = FORMAT_URL, .doc = "Address of a picture."),
};

const struct schema user_patch_schema = SCHEMA("UserPatch", struct user_patch, user_patch_fields);

static enum err patch_check(const struct store_view *view, const struct command *command,
                            struct outcome *outcome) {
    (void)outcome;
    struct user user;
    enum err err = user_get(view, command->caller.user_id, command->arena, &user);
    if (err != ERR_OK || str_is_none(command->if_match)) {
        return err;
    }
    return etag_matches(command->if_match, user_etag(&user, command->arena)) ? ERR_OK
                                                                             : ERR_PRECONDITION;
}

/* A text that was sent, or sent as null. */
#define PATCH_TEXT(user, body, member)                                                             \
    do {                                                                                           \
        if (SCHEMA_HAS(&user_patch_schema, body, member)) {                                        \
            (user)->member = (body)->member;                                                       \
            SCHEMA_SET(&user_schema, user, member);                                                \
        } else if (SCHEMA_IS_NULL(&user_patch_schema, body, member)) {                             \
            (user)->member = STR_NONE;                                                             \
            SCHEMA_CLEAR(&user_schema, user, member);                                              \
        }                                                                                          \
    } while (0)

static void user_reply(const struct command *command, const struct user *user,
                       struct outcome *outcome) {
    outcome->resource = user->id;
    yyjson_mut_val *data = outcome_data(outcome, command);
    user_view_add(outcome->doc, data, "user", user, command->arena);
}

static void patch_apply(struct store_tx *tx, const struct command *command,
                        struct outcome *outcome) {
    const struct user_patch *body = command->body;
    struct user user;
    enum err err = user_get(store_tx_view(tx), command->caller.user_id, command->arena, &user);
    CHECK(err == ERR_OK);
    PATCH_TEXT(&user, body, full_name);
    PATCH_TEXT(&user, body, avatar_url);
    if (body->set.present != 0 || body->set.null != 0) {
        user.updated_at = command->now_us;
        store_put(tx, &user_table, &user);
    }
    user_reply(command, &user, outcome);
}

const struct command_row user_patch_command = {
    .name = "user.update",
    .action = "user.update",
    .resource = "user",
    .check = patch_check,
    .apply = patch_apply,
};

/* ---- delete ---- */

static enum err delete_check(const struct store_view *view, const struct command *command,
                             struct outcome *outcome) {
    (void)outcome;
    struct user user;
    enum err err = user_get(view, command->caller.user_id, command->arena, &user);
    if (err != ERR_OK) {
        return err;
    }
    if (user_is_last_admin(view, &user, command->arena)) {
        return ERR_LAST_ADMIN;
    }
    return auth_extension()->close_check(view, user.id, command->arena);
}

static void delete_apply(struct store_tx *tx, const struct command *command,
                         struct outcome *outcome) {
    struct user user;
    enum err err = user_get(store_tx_view(tx), command->caller.user_id, command->arena, &user);
    CHECK(err == ERR_OK);
    user.status = USER_DELETED;
    user.email = user_deleted_email(command, &user);
    user.deleted_at = command->now_us;
    user.updated_at = command->now_us;
    SCHEMA_SET(&user_schema, &user, deleted_at);
    SCHEMA_CLEAR(&user_schema, &user, password_hash);
    SCHEMA_CLEAR(&user_schema, &user, username); /* free again, too */
    user_forget_factors(tx, command, &user);
    store_put(tx, &user_table, &user);
    session_revoke_all(tx, command, user.id, "account_deleted");
    auth_extension()->close_apply(tx, command, user.id);
    outcome->resource = user.id;
    outcome->message = "The account is deleted";
}

const struct command_row user_delete_command = {
    .name = "user.delete",
    .action = "user.delete",
    .resource = "user",
    .frees_room = true,
    .check = delete_check,
    .apply = delete_apply,
};

/* ---- password ---- */

struct password_body {
    struct schema_set set;
    struct str current_password;
    struct str new_password;
    struct str new_password_confirm;
};

static const struct field password_body_fields[] = {
    FIELD(struct password_body, current_password, FIELD_TEXT,
          .flags = FIELD_REQUIRED | FIELD_SENSITIVE, .min = 1, .max = 1024,
          .doc = "Password until now."),
    FIELD(struct password_body, new_password, FIELD_TEXT, .flags = FIELD_REQUIRED | FIELD_SENSITIVE,
          .min = 8, .max = 128, .doc = "Password from now on; at most 72 bytes."),
    FIELD(struct password_body, new_password_confirm, FIELD_TEXT,
          .flags = FIELD_REQUIRED | FIELD_SENSITIVE, .min = 1, .max = 128,
          .doc = "The new one again."),
};

const struct schema password_body_schema =
    SCHEMA("PasswordBody", struct password_body, password_body_fields);

struct password_prepared {
    bool is_match;
    struct password_mark mark; /* of the verified password */
    struct str new_hash;
};

static enum err password_rules(struct request *request) {
    const struct password_body *body = request->command.body;
    struct schema_faults *faults = ARENA_NEW(request->arena, struct schema_faults);
    if (faults == NULL) {
        return ERR_NO_MEMORY;
    }
    request->outcome.faults = faults;
    password_rules_check(request_settings(request), body->new_password, STR("new_password"),
                         faults);
    if (!str_equal(body->new_password, body->new_password_confirm)) {
        schema_fault_add(faults, STR("new_password_confirm"), STR("Passwords do not match."));
    }
    if (faults->count > 0) {
        return ERR_VALIDATION;
    }
    return str_equal(body->new_password, body->current_password) ? ERR_PASSWORD_SAME : ERR_OK;
}

static enum err password_verify_start(struct request *request) {
    const struct password_body *body = request->command.body;
    struct password_prepared *prepared = ARENA_NEW(request->arena, struct password_prepared);
    struct user user;
    if (prepared == NULL) {
        return ERR_NO_MEMORY;
    }
    request->command.prepared = prepared;
    enum err err =
        user_get(request_view(request), request->command.caller.user_id, request->arena, &user);
    if (err == ERR_OK && !str_is_none(user.password_hash)) {
        prepared->mark = password_mark_of(&user);
        err = password_job_verify(&request->job, body->current_password, user.password_hash);
        if (err == ERR_OK) {
            return request_park_password(request);
        }
    }
    return ERR_OK; /* no password to compare with: does not match */
}

static enum err password_prepare(struct request *request) {
    const struct password_body *body = request->command.body;
    struct password_prepared *prepared = request->command.prepared;
    request->step++;
    switch (request->step) {
    case 1: {
        enum err err = password_rules(request);
        return err == ERR_OK ? password_verify_start(request) : err;
    }
    case 2:
        prepared->is_match = password_job_result(&request->job) == ERR_OK;
        return prepared->is_match ? password_hash_start(request, body->new_password) : ERR_OK;
    default:
        prepared->new_hash = password_hash_finish(request);
        return ERR_OK;
    }
}

static enum err password_change_check(const struct store_view *view, const struct command *command,
                                      struct outcome *outcome) {
    const struct password_prepared *prepared = command->prepared;
    struct user user;
    enum err err = user_get(view, command->caller.user_id, command->arena, &user);
    if (err == ERR_OK) {
        err = reauth_lock_check(view, command, &user, outcome);
    }
    if (err != ERR_OK) {
        return err;
    }
    bool is_match = prepared->is_match && !str_is_none(prepared->new_hash) &&
                    password_mark_holds(prepared->mark, &user);
    return is_match ? ERR_OK : ERR_PASSWORD_WRONG;
}

static void password_apply(struct store_tx *tx, const struct command *command,
                           struct outcome *outcome) {
    const struct password_prepared *prepared = command->prepared;
    struct user user;
    enum err err = user_get(store_tx_view(tx), command->caller.user_id, command->arena, &user);
    CHECK(err == ERR_OK);
    user.password_hash = prepared->new_hash;
    user.password_changed_at = command->now_us;
    user.updated_at = command->now_us;
    SCHEMA_SET(&user_schema, &user, password_changed_at);
    SCHEMA_CLEAR(&user_schema, &user, must_change_password);
    store_put(tx, &user_table, &user);
    session_revoke_all(tx, command, user.id, "password_change");
    notice_password_changed(tx, command, &user);
    outcome->resource = user.id;
    outcome->message = "The password is changed; log in again";
}

const struct command_row password_change_command = {
    .name = "user.password",
    .action = "user.password_change",
    .resource = "user",
    .prepare = password_prepare,
    .check = password_change_check,
    .apply = password_apply,
    .refused = reauth_refused,
};
