/*
 * Setting a one-time code app up: a secret, shown once as text and as a picture, and ten backup
 * codes; then a code, which proves that the app has the secret.
 *
 * Who sets up must have logged in within the last minutes, or send the password (reauth.h): a
 * session that was stolen long ago must not be able to lock its owner out.
 */
#include "base/time.h"
#include "domain/auth/totp_api.h"
#include "engine/qr.h"

enum {
    SECRET_TEXT_LEN = 32,
    URI_BYTES_MAX = QR_TEXT_BYTES_MAX,
    ENTROPY_BYTES = 32,
};

struct totp_setup {
    struct reauth reauth;
    uint8_t secret[TOTP_SECRET_BYTES];
    struct str secret_text; /* base32 */
    struct str uri;
    struct str picture;     /* "data:image/png;base64,..." */
    struct str picture_raw; /* what is behind the comma */
    struct backup_codes codes;
};

/* ---- prepare: all of it is made outside the batch ---- */

#define PICTURE_PREFIX "data:image/png;base64,"

/* Identity contract, 6.4: nothing else in the query. The name is at most 64 bytes, the address
 * 254; percent-encoding at most triples them. */
static enum err uri_make(struct request *request, struct str email, struct totp_setup *setup) {
    struct str issuer = settings_text(request_settings(request), SETTING_NAME_ID);
    char *memory = arena_take(request->arena, URI_BYTES_MAX);
    if (memory == NULL) {
        return ERR_NO_MEMORY;
    }
    struct buf out = buf_over(memory, URI_BYTES_MAX);
    buf_put_c(&out, "otpauth://totp/");
    buf_put_percent(&out, issuer);
    buf_put_byte(&out, ':');
    buf_put_percent(&out, email);
    buf_put_c(&out, "?secret=");
    buf_put_str(&out, setup->secret_text);
    buf_put_c(&out, "&issuer=");
    buf_put_percent(&out, issuer);
    CHECK(!out.is_full);
    setup->uri = buf_str(&out);
    return ERR_OK;
}

static enum err picture_make(struct request *request, struct totp_setup *setup) {
    struct str png;
    enum err err = qr_png(setup->uri, request->arena, &png);
    if (err != ERR_OK) {
        return err;
    }
    uint32_t prefix_len = sizeof(PICTURE_PREFIX) - 1;
    uint32_t bytes = prefix_len + (png.len + 2) / 3 * 4;
    char *memory = arena_take(request->arena, bytes);
    if (memory == NULL) {
        return ERR_NO_MEMORY;
    }
    struct buf out = buf_over(memory, bytes);
    buf_put_c(&out, PICTURE_PREFIX);
    buf_put_base64(&out, png.data, png.len);
    CHECK(!out.is_full);
    setup->picture = buf_str(&out);
    setup->picture_raw = str_slice(setup->picture, prefix_len, bytes);
    return ERR_OK;
}

static enum err secret_make(struct request *request, struct totp_setup *setup) {
    uint8_t entropy[ENTROPY_BYTES];
    char *memory = arena_take(request->arena, SECRET_TEXT_LEN);
    if (memory == NULL) {
        return ERR_NO_MEMORY;
    }
    command_entropy(&request->command, "totp secret", entropy);
    for (uint32_t i = 0; i < TOTP_SECRET_BYTES; i++) {
        setup->secret[i] = entropy[i];
    }
    crypto_wipe(entropy, sizeof(entropy));
    struct buf out = buf_over(memory, SECRET_TEXT_LEN);
    base32_format(str_from((const char *)setup->secret, TOTP_SECRET_BYTES), &out);
    CHECK(out.len == SECRET_TEXT_LEN);
    setup->secret_text = buf_str(&out);
    return ERR_OK;
}

static enum err setup_make(struct request *request, struct totp_setup *setup) {
    struct id user_id = request->command.caller.user_id;
    struct user user;
    enum err err = user_get(request_view(request), user_id, request->arena, &user);
    if (err == ERR_OK) {
        err = secret_make(request, setup);
    }
    if (err == ERR_OK) {
        err = uri_make(request, user.email, setup);
    }
    if (err == ERR_OK) {
        err = picture_make(request, setup);
    }
    backup_codes_make(&request->command, user_id, &setup->codes);
    return err == ERR_NOT_FOUND ? ERR_TOKEN_INVALID : err;
}

static enum err setup_prepare(struct request *request) {
    const struct totp_body *body = request->command.body;
    struct totp_setup *setup = request->command.prepared;
    request->step++;
    if (request->step == 1) {
        setup = ARENA_NEW(request->arena, struct totp_setup);
        if (setup == NULL) {
            return ERR_NO_MEMORY;
        }
        request->command.prepared = setup;
        enum err err = reauth_start(request, body->password, &setup->reauth);
        if (err != ERR_OK) {
            return err;
        }
    }
    reauth_finish(request, &setup->reauth);
    return setup_make(request, setup);
}

/* ---- in the batch ---- */

static enum err setup_check(const struct store_view *view, const struct command *command,
                            struct outcome *outcome) {
    const struct totp_setup *setup = command->prepared;
    struct totp_factor factor;
    enum err err = totp_get_verified(view, command->caller.user_id, command->arena, &factor);
    if (err != ERR_NOT_FOUND) {
        return err == ERR_OK ? totp_row(command)->enabled : err;
    }
    return reauth_check(view, command, &setup->reauth, true, outcome);
}

static void setup_reply(const struct command *command, const struct totp_setup *setup,
                        struct outcome *outcome) {
    yyjson_mut_val *data = outcome_data(outcome, command);
    yyjson_mut_doc *doc = outcome->doc;
    json_add_str(doc, data, "secret", setup->secret_text);
    json_add_str(doc, data, "provisioning_uri", setup->uri);
    json_add_str(doc, data, "uri", setup->uri);
    json_add_str(doc, data, "qr_code", setup->picture);
    json_add_str(doc, data, "qr_code_base64", setup->picture_raw);
    backup_codes_reply(command, &setup->codes, outcome);
    yyjson_mut_val *steps = json_add_array(doc, data, "instructions");
    json_append_str(doc, steps, STR("Scan the picture with a one-time code app."));
    json_append_str(doc, steps, STR("Send a code that the app shows."));
    json_append_str(doc, steps, STR("Keep the backup codes where the telephone is not."));
    outcome->message = "Show a code of the app to finish";
}

static void setup_apply(struct store_tx *tx, const struct command *command,
                        struct outcome *outcome) {
    const struct totp_setup *setup = command->prepared;
    struct totp_factor factor = {
        .user_id = command->caller.user_id,
        .secret = str_from((const char *)setup->secret, TOTP_SECRET_BYTES),
        .pending_until =
            command->now_us + settings_us(command->settings, SETTING_FACTOR_SETUP_SECONDS_ID),
        .created_at = command->now_us,
        .updated_at = command->now_us,
    };
    SCHEMA_SET(&totp_factor_schema, &factor, user_id);
    SCHEMA_SET(&totp_factor_schema, &factor, secret);
    SCHEMA_SET(&totp_factor_schema, &factor, is_verified);
    SCHEMA_SET(&totp_factor_schema, &factor, pending_until);
    SCHEMA_SET(&totp_factor_schema, &factor, created_at);
    SCHEMA_SET(&totp_factor_schema, &factor, updated_at);
    backup_codes_set(&factor, &setup->codes);
    store_put(tx, &totp_factor_table, &factor);
    outcome->resource = factor.user_id;
    setup_reply(command, setup, outcome);
}

#define SETUP_ROW(name_)                                                                           \
    {                                                                                              \
        .name = name_, .action = "totp.enroll.initiated", .resource = "user",                      \
        .prepare = setup_prepare, .check = setup_check, .apply = setup_apply,                      \
        .refused = reauth_refused,                                                                 \
    }

const struct totp_row totp_enroll_row = {
    .row = SETUP_ROW("totp.enroll"),
    .enabled = ERR_FACTOR_EXISTS,
};
const struct totp_row totp_mfa_setup_row = {
    .row = SETUP_ROW("totp.mfa_setup"),
    .enabled = ERR_FACTOR_ENABLED,
};
const struct totp_row totp_2fa_setup_row = {
    .row = SETUP_ROW("totp.2fa_setup"),
    .enabled = ERR_FACTOR_ENABLED_2FA,
};

/* ---- the first code ---- */

static bool secret_fits(const struct totp_factor *factor, struct str text) {
    char memory[(TOTP_SECRET_BYTES_MAX * 8 + 4) / 5];
    struct buf out = buf_over(memory, sizeof(memory));
    base32_format(factor->secret, &out);
    bool is_equal = str_equal_secret(buf_str(&out), text);
    crypto_wipe(memory, sizeof(memory));
    return is_equal;
}

static enum err pending_factor(const struct store_view *view, const struct command *command,
                               struct totp_factor *factor) {
    const struct totp_row *row = totp_row(command);
    enum err err = totp_get(view, command->caller.user_id, command->arena, factor);
    if (err == ERR_OK && factor->is_verified) {
        return row->enabled;
    }
    bool is_gone = err == ERR_OK && factor->pending_until <= command->now_us;
    return err == ERR_NOT_FOUND || is_gone ? row->none : err;
}

/* A wrong code here is no attack: who sets up was shown the secret. */
static enum err confirm_check(const struct store_view *view, const struct command *command,
                              struct outcome *outcome) {
    (void)outcome;
    const struct totp_row *row = totp_row(command);
    const struct totp_body *body = command->body;
    struct totp_factor factor;
    if (str_is_none(body->code) || (row->needs_secret && str_is_none(body->secret))) {
        return row->missing;
    }
    enum err err = pending_factor(view, command, &factor);
    if (err != ERR_OK) {
        return err;
    }
    bool is_good = !row->needs_secret || secret_fits(&factor, body->secret);
    is_good =
        totp_try(&factor, command->now_us, body->code, TOTP_APP) == TOTP_ANSWER_APP && is_good;
    return is_good ? ERR_OK : row->wrong;
}

static void confirm_apply(struct store_tx *tx, const struct command *command,
                          struct outcome *outcome) {
    const struct totp_body *body = command->body;
    struct totp_factor factor;
    struct user user;
    enum err err = pending_factor(store_tx_view(tx), command, &factor);
    CHECK(err == ERR_OK);
    err = user_get(store_tx_view(tx), factor.user_id, command->arena, &user);
    CHECK(err == ERR_OK); /* the batch has just looked at it */
    enum totp_answer answer = totp_try(&factor, command->now_us, body->code, TOTP_APP);
    CHECK(answer == TOTP_ANSWER_APP);
    factor.is_verified = true;
    factor.verified_at = command->now_us;
    SCHEMA_SET(&totp_factor_schema, &factor, verified_at);
    SCHEMA_CLEAR(&totp_factor_schema, &factor, pending_until);
    store_put(tx, &totp_factor_table, &factor);
    user_set_factor(&user, USER_FACTOR_TOTP, true, command->now_us);
    store_put(tx, &user_table, &user);
    outcome->resource = user.id;
    outcome->message = "From now on a login asks for a one-time code";
    totp_enabled_reply(command, true, outcome);
}

#define CONFIRM_ROW(name_)                                                                         \
    {                                                                                              \
        .name = name_, .action = "totp.enroll.completed", .resource = "user",                      \
        .check = confirm_check, .apply = confirm_apply,                                            \
    }

const struct totp_row totp_confirm_row = {
    .row = CONFIRM_ROW("totp.verify_enrollment"),
    .enabled = ERR_FACTOR_NONE,
    .none = ERR_FACTOR_NONE,
    .missing = ERR_CODE_WRONG,
    .wrong = ERR_CODE_WRONG,
};
const struct totp_row totp_verify_2fa_row = {
    .row = CONFIRM_ROW("totp.verify_2fa"),
    .enabled = ERR_FACTOR_NOT_SET_UP,
    .none = ERR_FACTOR_NOT_SET_UP,
    .missing = ERR_CODE_MISSING,
    .wrong = ERR_CODE_WRONG_MFA,
    .has_data = true,
};
const struct totp_row totp_2fa_enable_row = {
    .row = CONFIRM_ROW("totp.2fa_enable"),
    .enabled = ERR_FACTOR_ENABLED_2FA,
    .none = ERR_CODE_WRONG_2FA,
    .missing = ERR_DATA_MISSING,
    .wrong = ERR_CODE_WRONG_2FA,
    .needs_secret = true,
    .has_data = true,
};
