/*
 * New users. Registration: rules, hash (parked), access token, then one command that makes user and
 * session. The first administrator: the same behind a one-time token. Import: drafts with hashes
 * made elsewhere.
 */
#include "domain/auth/register.h"

#include "base/decode.h"
#include "domain/auth/rules.h"
#include "domain/auth/tokens.h"
#include "domain/auth/verify.h"
#include "domain/auth/views.h"

struct register_body {
    struct schema_set set;
    struct str email;
    struct str password;
    struct str password_confirm;
    struct str full_name;
    struct str first_name;
    struct str last_name;
    struct str phone;
    struct str phone_number;
    struct str date_of_birth;
    struct str username;
    struct str address;
    bool terms_accepted;
    bool privacy_accepted;
    bool marketing_consent;
};

static const struct field register_body_fields[] = {
    FIELD(struct register_body, email, FIELD_TEXT, .flags = FIELD_REQUIRED, .min = 1, .max = 254,
          .format = FORMAT_EMAIL, .doc = "E-mail address; the login name."),
    FIELD(struct register_body, password, FIELD_TEXT, .flags = FIELD_REQUIRED | FIELD_SENSITIVE,
          .min = 8, .max = 128, .doc = "Password; at most 72 bytes; see the password rules."),
    FIELD(struct register_body, password_confirm, FIELD_TEXT, .flags = FIELD_SENSITIVE, .min = 1,
          .max = 128, .doc = "The same again; checked when sent."),
    FIELD(struct register_body, full_name, FIELD_TEXT, .flags = FIELD_NULLABLE, .max = 255,
          .doc = "Name for display."),
    FIELD(struct register_body, first_name, FIELD_TEXT, .min = 2, .max = 100, .doc = "Given name."),
    FIELD(struct register_body, last_name, FIELD_TEXT, .min = 2, .max = 100, .doc = "Family name."),
    FIELD(struct register_body, phone, FIELD_TEXT, .max = 20, .format = FORMAT_PHONE,
          .doc = "Telephone number."),
    FIELD(struct register_body, phone_number, FIELD_TEXT, .max = 20, .format = FORMAT_PHONE,
          .doc = "The same."),
    FIELD(struct register_body, date_of_birth, FIELD_TEXT, .max = 10, .format = FORMAT_DATE,
          .doc = "Date of birth."),
    FIELD(struct register_body, username, FIELD_TEXT, .min = 3, .max = 30,
          .doc = "User name: letters, digits and underscores; unique."),
    FIELD(struct register_body, address, FIELD_JSON, .max = 2000,
          .doc = "Postal address: an object (street, city, state, postal_code, country) or text."),
    FIELD(struct register_body, terms_accepted, FIELD_BOOL, .doc = "Must be true when sent."),
    FIELD(struct register_body, privacy_accepted, FIELD_BOOL, .doc = "Must be true when sent."),
    FIELD(struct register_body, marketing_consent, FIELD_BOOL, .doc = "Consent to advertising."),
};

const struct schema register_body_schema =
    SCHEMA("RegisterBody", struct register_body, register_body_fields);

struct register_prepared {
    struct str password_hash;
    struct token_set tokens;
    enum role role;
    bool is_setup;
};

/* ---- rules that look at more than one field ---- */

#define HAS(body, member) SCHEMA_HAS(&register_body_schema, body, member)

static bool is_username(struct str text) {
    for (uint32_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        bool is_word =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
        if (!is_word) {
            return false;
        }
    }
    return true;
}

static void profile_rules(const struct register_body *body, struct schema_faults *faults) {
    if (HAS(body, username) && !is_username(body->username)) {
        schema_fault_add(faults, STR("username"),
                         STR("Only letters, digits and underscores are allowed."));
    }
    if (HAS(body, address) && body->address.data[0] != '{' && body->address.data[0] != '"') {
        schema_fault_add(faults, STR("address"), STR("Not a valid mapping type."));
    }
}

static enum err register_rules(struct request *request) {
    const struct register_body *body = request->command.body;
    struct schema_faults *faults = ARENA_NEW(request->arena, struct schema_faults);
    if (faults == NULL) {
        return ERR_NO_MEMORY;
    }
    request->outcome.faults = faults;
    password_rules_check(request_settings(request), body->password, STR("password"), faults);
    if (HAS(body, password_confirm) && !str_equal(body->password, body->password_confirm)) {
        schema_fault_add(faults, STR("password_confirm"), STR("Passwords do not match."));
    }
    if (HAS(body, terms_accepted) && !body->terms_accepted) {
        schema_fault_add(faults, STR("terms_accepted"), STR("The terms must be accepted."));
    }
    if (HAS(body, privacy_accepted) && !body->privacy_accepted) {
        schema_fault_add(faults, STR("privacy_accepted"), STR("The policy must be accepted."));
    }
    profile_rules(body, faults);
    return faults->count == 0 ? ERR_OK : ERR_VALIDATION;
}

/* ---- prepare: hash, then sign ---- */

static enum err hash_finish(struct request *request, enum role role) {
    struct register_prepared *prepared = ARENA_NEW(request->arena, struct register_prepared);
    if (prepared == NULL) {
        return ERR_NO_MEMORY;
    }
    prepared->password_hash = password_hash_finish(request);
    prepared->role = role;
    request->command.prepared = prepared;
    return tokens_make(request, command_id(&request->command, "user"), role, (struct id){{0}},
                       &prepared->tokens);
}

static enum err register_prepare(struct request *request) {
    const struct register_body *body = request->command.body;
    if (request->step == 0) {
        request->step = 1;
        enum err err = register_rules(request);
        return err == ERR_OK ? password_hash_start(request, body->password) : err;
    }
    return hash_finish(request, ROLE_CUSTOMER);
}

/* ---- in the batch ---- */

static enum err email_is_free(const struct store_view *view, const struct command *command,
                              struct str email) {
    struct user user;
    enum err err = user_find_email(view, email, command->arena, &user);
    if (err == ERR_NOT_FOUND) {
        return ERR_OK;
    }
    return err == ERR_OK ? ERR_EMAIL_TAKEN : err;
}

static enum err register_check(const struct store_view *view, const struct command *command,
                               struct outcome *outcome) {
    (void)outcome;
    const struct register_body *body = command->body;
    struct user user;
    enum err err = email_is_free(view, command, body->email);
    if (err != ERR_OK || !HAS(body, username)) {
        return err;
    }
    err = user_find_username(view, body->username, command->arena, &user);
    if (err == ERR_NOT_FOUND) {
        return ERR_OK;
    }
    return err == ERR_OK ? ERR_USERNAME_TAKEN : err;
}

static struct user user_new(const struct command *command, struct str email, struct str hash,
                            enum role role) {
    struct user user = {
        .id = command_id(command, "user"),
        .email = email,
        .status = USER_ACTIVE,
        .role = __builtin_ctz(role),
        .password_hash = hash,
        .password_changed_at = command->now_us,
        .created_at = command->now_us,
        .updated_at = command->now_us,
    };
    SCHEMA_SET(&user_schema, &user, id);
    SCHEMA_SET(&user_schema, &user, email);
    SCHEMA_SET(&user_schema, &user, email_verified);
    SCHEMA_SET(&user_schema, &user, status);
    SCHEMA_SET(&user_schema, &user, role);
    SCHEMA_SET(&user_schema, &user, password_hash);
    SCHEMA_SET(&user_schema, &user, password_changed_at);
    SCHEMA_SET(&user_schema, &user, created_at);
    SCHEMA_SET(&user_schema, &user, updated_at);
    return user;
}

#define COPY_TEXT(user, member, value)                                                             \
    do {                                                                                           \
        if (!str_is_none(value)) {                                                                 \
            (user)->member = (value);                                                              \
            SCHEMA_SET(&user_schema, user, member);                                                \
        }                                                                                          \
    } while (0)

/* full_name from its parts when only they were given. */
static struct str full_name_of(const struct command *command, const struct register_body *body) {
    if (!str_is_none(body->full_name) || str_is_none(body->first_name) ||
        str_is_none(body->last_name)) {
        return body->full_name;
    }
    uint32_t bytes = body->first_name.len + 1 + body->last_name.len;
    char *memory = arena_take(command->arena, bytes);
    if (memory == NULL) {
        return STR_NONE;
    }
    struct buf out = buf_over(memory, bytes);
    buf_put_str(&out, body->first_name);
    buf_put_byte(&out, ' ');
    buf_put_str(&out, body->last_name);
    return buf_str(&out);
}

static void user_fill(const struct command *command, const struct register_body *body,
                      struct user *user) {
    COPY_TEXT(user, full_name, full_name_of(command, body));
    COPY_TEXT(user, first_name, body->first_name);
    COPY_TEXT(user, last_name, body->last_name);
    COPY_TEXT(user, phone, str_is_none(body->phone) ? body->phone_number : body->phone);
    COPY_TEXT(user, date_of_birth, body->date_of_birth);
    COPY_TEXT(user, username, body->username);
    COPY_TEXT(user, address, body->address);
    if (HAS(body, terms_accepted)) {
        user->terms_accepted_at = command->now_us;
        SCHEMA_SET(&user_schema, user, terms_accepted_at);
    }
    if (HAS(body, privacy_accepted)) {
        user->privacy_accepted_at = command->now_us;
        SCHEMA_SET(&user_schema, user, privacy_accepted_at);
    }
    if (HAS(body, marketing_consent)) {
        user->marketing_consent = body->marketing_consent;
        SCHEMA_SET(&user_schema, user, marketing_consent);
    }
}

static void user_reply(const struct command *command, const struct user *user,
                       struct outcome *outcome) {
    yyjson_mut_val *data = outcome_data(outcome, command);
    user_view_add(outcome->doc, data, "user", user, command->arena);
    json_add_id(outcome->doc, data, "user_id", user->id);
    json_add_str(outcome->doc, data, "email", arena_copy(command->arena, user->email));
}

static void register_apply(struct store_tx *tx, const struct command *command,
                           struct outcome *outcome) {
    const struct register_body *body = command->body;
    const struct register_prepared *prepared = command->prepared;
    struct user user = user_new(command, body->email, prepared->password_hash, prepared->role);
    user_fill(command, body, &user);
    store_put(tx, &user_table, &user);
    verify_begin(tx, command, &user);
    if (settings_bool(command->settings, SETTING_REQUIRE_VERIFIED_ID)) {
        yyjson_mut_val *data = outcome_data(outcome, command);
        json_add_bool(outcome->doc, data, "requires_verification", true);
    } else {
        tokens_open_session(tx, command, &user, &prepared->tokens, false, false, outcome);
    }
    outcome->actor = user.id;
    outcome->resource = user.id;
    user_reply(command, &user, outcome);
    yyjson_mut_val *steps = json_add_array(outcome->doc, outcome->data, "next_steps");
    yyjson_mut_arr_add_str(outcome->doc, steps, "Confirm your e-mail address.");
    yyjson_mut_arr_add_str(outcome->doc, steps, "Set up a second factor.");
    yyjson_mut_arr_add_str(outcome->doc, steps, "Complete your profile.");
    outcome->message = "Registered";
}

const struct command_row register_command = {
    .name = "auth.register",
    .action = "user.register",
    .resource = "user",
    .prepare = register_prepare,
    .check = register_check,
    .apply = register_apply,
};

/* ---- the first administrator ---- */

struct setup_body {
    struct schema_set set;
    struct str token;
    struct str email;
    struct str password;
    struct str full_name;
};

static const struct field setup_body_fields[] = {
    FIELD(struct setup_body, token, FIELD_TEXT, .flags = FIELD_REQUIRED | FIELD_SENSITIVE, .min = 1,
          .max = 128, .doc = "One-time token that the server printed at its start."),
    FIELD(struct setup_body, email, FIELD_TEXT, .flags = FIELD_REQUIRED, .min = 1, .max = 254,
          .format = FORMAT_EMAIL, .doc = "E-mail address of the administrator."),
    FIELD(struct setup_body, password, FIELD_TEXT, .flags = FIELD_REQUIRED | FIELD_SENSITIVE,
          .min = 8, .max = 128, .doc = "Password; at most 72 bytes."),
    FIELD(struct setup_body, full_name, FIELD_TEXT, .flags = FIELD_NULLABLE, .max = 255,
          .doc = "Name for display."),
};

const struct schema setup_body_schema = SCHEMA("SetupBody", struct setup_body, setup_body_fields);

static struct token setup_token;
static bool has_setup_token;

struct str auth_setup_token(void) {
    return has_setup_token ? token_str(&setup_token) : STR_NONE;
}

void setup_start(struct engine *engine, const uint8_t entropy[32]) {
    static char memory[4 * ARENA_BLOCK_BYTES] __attribute__((aligned(64)));
    struct arena_pool pool;
    struct arena arena;
    arena_pool_init(&pool, memory, 4);
    arena_init(&arena, &pool, sizeof(memory));
    struct store *store = engine_store(engine);
    has_setup_token = !user_any_admin(store_snapshot(store), &arena);
    store_tick_end(store);
    arena_reset(&arena);
    setup_token = token_from_entropy(entropy);
}

static enum err setup_rules(struct request *request) {
    const struct setup_body *body = request->command.body;
    struct schema_faults *faults = ARENA_NEW(request->arena, struct schema_faults);
    if (faults == NULL) {
        return ERR_NO_MEMORY;
    }
    request->outcome.faults = faults;
    return password_rules_check(request_settings(request), body->password, STR("password"), faults)
               ? ERR_OK
               : ERR_VALIDATION;
}

/* The token is compared here, in the one place that may look at it; the batch then only asks
 * whether there is an administrator by now. */
static enum err setup_prepare(struct request *request) {
    const struct setup_body *body = request->command.body;
    if (request->step == 0) {
        request->step = 1;
        if (!has_setup_token || !str_equal_secret(body->token, token_str(&setup_token))) {
            request->refusal = ERR_SETUP_TOKEN_WRONG;
            return ERR_OK;
        }
        enum err err = setup_rules(request);
        return err == ERR_OK ? password_hash_start(request, body->password) : err;
    }
    return hash_finish(request, ROLE_ADMIN);
}

static enum err setup_check(const struct store_view *view, const struct command *command,
                            struct outcome *outcome) {
    (void)outcome;
    const struct setup_body *body = command->body;
    if (user_any_admin(view, command->arena)) {
        return ERR_SETUP_TOKEN_WRONG;
    }
    return email_is_free(view, command, body->email);
}

static void setup_apply(struct store_tx *tx, const struct command *command,
                        struct outcome *outcome) {
    const struct setup_body *body = command->body;
    const struct register_prepared *prepared = command->prepared;
    struct user user = user_new(command, body->email, prepared->password_hash, ROLE_ADMIN);
    COPY_TEXT(&user, full_name, body->full_name);
    /* whoever has the machine need not prove an address to it */
    user_mark_verified(&user, command->now_us);
    store_put(tx, &user_table, &user);
    tokens_open_session(tx, command, &user, &prepared->tokens, false, false, outcome);
    outcome->actor = user.id;
    outcome->resource = user.id;
    user_reply(command, &user, outcome);
    outcome->message = "You are the first administrator";
}

const struct command_row setup_command = {
    .name = "setup.admin",
    .action = "setup.admin",
    .resource = "user",
    .prepare = setup_prepare,
    .check = setup_check,
    .apply = setup_apply,
};

/* ---- import ---- */

static enum err import_check(const struct store_view *view, const struct command *command,
                             struct outcome *outcome) {
    (void)outcome;
    const struct user_draft *draft = command->prepared;
    if (!str_is_none(draft->password_hash) && password_hash_check(draft->password_hash) != ERR_OK) {
        return ERR_VALIDATION;
    }
    enum err err = email_is_free(view, command, draft->email);
    return err == ERR_EMAIL_TAKEN && draft->replaces ? ERR_OK : err;
}

static void import_apply(struct store_tx *tx, const struct command *command,
                         struct outcome *outcome) {
    const struct user_draft *draft = command->prepared;
    struct user user;
    enum err err = user_find_email(store_tx_view(tx), draft->email, command->arena, &user);
    if (err != ERR_OK) {
        user = user_new(command, draft->email, draft->password_hash, draft->role);
        if (str_is_none(draft->password_hash)) {
            SCHEMA_CLEAR(&user_schema, &user, password_hash);
            SCHEMA_CLEAR(&user_schema, &user, password_changed_at);
        }
    } else {
        COPY_TEXT(&user, password_hash, draft->password_hash);
        user.password_changed_at = command->now_us;
        SCHEMA_SET(&user_schema, &user, password_changed_at);
        SCHEMA_CLEAR(&user_schema, &user, must_change_password);
        user.role = __builtin_ctz(draft->role);
        user.status = USER_ACTIVE;
        user.updated_at = command->now_us;
    }
    COPY_TEXT(&user, full_name, draft->full_name);
    if (draft->replaces) {
        user_mark_verified(&user, command->now_us); /* at the machine: see setup_apply */
    }
    store_put(tx, &user_table, &user);
    if (err == ERR_OK) {
        session_revoke_all(tx, command, user.id, "password_change");
    }
    outcome->resource = user.id;
}

const struct command_row user_import_command = {
    .name = "user.import",
    .action = "user.import",
    .resource = "user",
    .check = import_check,
    .apply = import_apply,
};
