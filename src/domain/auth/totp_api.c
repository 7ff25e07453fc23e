/* The endpoint rows of one-time codes: Authy2's paths and the three dialects of the financial
 * contract (1.2) over one implementation. What differs is in the rows' words (struct totp_row). */
#include "domain/auth/totp_api.h"

#include "domain/auth/jobs.h"
#include "domain/auth/login.h"
#include "domain/auth/pending.h"

const struct totp_row *totp_row(const struct command *command) {
    CHECK(command->row != NULL);
    return (const struct totp_row *)command->row;
}

void totp_enabled_reply(const struct command *command, bool is_enabled, struct outcome *outcome) {
    if (!totp_row(command)->has_data) {
        return;
    }
    yyjson_mut_val *data = outcome_data(outcome, command);
    json_add_bool(outcome->doc, data, "two_factor_enabled", is_enabled);
    json_add_bool(outcome->doc, data, "mfa_enabled", is_enabled);
}

/* ---- bodies ---- */

enum { PASSWORD_MAX = 1024, CODE_MAX = 64, TOKEN_MAX = 6144 };

#define PASSWORD_FIELD(flags_)                                                                     \
    FIELD(struct totp_body, password, FIELD_TEXT, .flags = FIELD_SENSITIVE | (flags_), .min = 1,   \
          .max = PASSWORD_MAX, .doc = "The caller's password.")
#define CODE_FIELD(flags_)                                                                         \
    FIELD(struct totp_body, code, FIELD_TEXT, .flags = FIELD_SENSITIVE | (flags_),                 \
          .max = CODE_MAX, .doc = "Six digits from the app, or a backup code.")
#define APP_CODE_FIELD                                                                             \
    FIELD(struct totp_body, code, FIELD_TEXT, .flags = FIELD_SENSITIVE, .max = CODE_MAX,           \
          .doc = "Six digits from the app.")
#define TEMP_TOKEN_FIELD                                                                           \
    FIELD(struct totp_body, temp_token, FIELD_TEXT, .flags = FIELD_SENSITIVE, .max = TOKEN_MAX,    \
          .doc = "From the login's reply; not needed with its cookie.")
#define TIMESTAMP_FIELD                                                                            \
    FIELD(struct totp_body, client_timestamp, FIELD_INT, .flags = FIELD_NULLABLE,                  \
          .doc = "Accepted and ignored: the server's clock counts.")

static const struct field setup_body_fields[] = {
    FIELD(struct totp_body, password, FIELD_TEXT, .flags = FIELD_SENSITIVE, .min = 1,
          .max = PASSWORD_MAX, .doc = "Needed when the login was not in the last minutes."),
};
static const struct schema setup_body_schema =
    SCHEMA("TotpSetupBody", struct totp_body, setup_body_fields);

static const struct field confirm_body_fields[] = {
    FIELD(struct totp_body, code, FIELD_TEXT, .flags = FIELD_SENSITIVE | FIELD_REQUIRED,
          .min = TOTP_DIGITS, .max = TOTP_DIGITS, .format = FORMAT_DIGITS,
          .label = "Code must be a 6-digit number", .doc = "Six digits from the app."),
    TIMESTAMP_FIELD,
};
static const struct schema confirm_body_schema =
    SCHEMA("TotpConfirmBody", struct totp_body, confirm_body_fields);

static const struct field code_body_fields[] = {APP_CODE_FIELD};
static const struct schema code_body_schema =
    SCHEMA("TotpCodeBody", struct totp_body, code_body_fields);

static const struct field enable_body_fields[] = {
    FIELD(struct totp_body, secret, FIELD_TEXT, .flags = FIELD_SENSITIVE, .max = 128,
          .doc = "The secret that the set-up showed."),
    APP_CODE_FIELD,
};
static const struct schema enable_body_schema =
    SCHEMA("TotpEnableBody", struct totp_body, enable_body_fields);

static const struct field verify_body_fields[] = {
    CODE_FIELD(FIELD_REQUIRED),
    FIELD(struct totp_body, is_backup_code, FIELD_BOOL, .doc = "Whether it is a backup code."),
    TEMP_TOKEN_FIELD,
    TIMESTAMP_FIELD,
};
static const struct schema verify_body_schema =
    SCHEMA("TotpVerifyBody", struct totp_body, verify_body_fields);

static const struct field mfa_body_fields[] = {CODE_FIELD(0), TEMP_TOKEN_FIELD};
static const struct schema mfa_body_schema =
    SCHEMA("TotpMfaBody", struct totp_body, mfa_body_fields);

static const struct field password_body_fields[] = {PASSWORD_FIELD(FIELD_REQUIRED)};
static const struct schema password_body_schema =
    SCHEMA("TotpPasswordBody", struct totp_body, password_body_fields);

static const struct field disable_body_fields[] = {PASSWORD_FIELD(0), CODE_FIELD(0)};
static const struct schema disable_body_schema =
    SCHEMA("TotpDisableBody", struct totp_body, disable_body_fields);

static const struct field spend_body_fields[] = {CODE_FIELD(0)};
static const struct schema spend_body_schema =
    SCHEMA("TotpSpendBody", struct totp_body, spend_body_fields);

/* ---- replies ---- */

struct totp_setup_data {
    struct schema_set set;
    struct str secret;
    struct str provisioning_uri;
    struct str uri;
    struct str qr_code;
    struct str qr_code_base64;
    struct schema_list backup_codes;
    struct schema_list instructions;
};

static const struct field setup_data_fields[] = {
    FIELD(struct totp_setup_data, secret, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "Key of the codes in base32, to type into the app."),
    FIELD(struct totp_setup_data, provisioning_uri, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "The same as an otpauth address."),
    FIELD(struct totp_setup_data, uri, FIELD_TEXT, .flags = FIELD_REQUIRED, .doc = "The same."),
    FIELD(struct totp_setup_data, qr_code, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "The address as a QR code: a data address of a PNG picture."),
    FIELD(struct totp_setup_data, qr_code_base64, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "The picture alone."),
    FIELD(struct totp_setup_data, backup_codes, FIELD_LIST, .flags = FIELD_REQUIRED,
          .element = FIELD_TEXT, .doc = "Ten codes that work once each; never shown again."),
    FIELD(struct totp_setup_data, instructions, FIELD_LIST, .flags = FIELD_REQUIRED,
          .element = FIELD_TEXT, .doc = "What to do now."),
};
static const struct schema setup_data_schema =
    SCHEMA("TotpSetupData", struct totp_setup_data, setup_data_fields);

struct totp_enabled_data {
    struct schema_set set;
    bool two_factor_enabled;
    bool mfa_enabled;
};

static const struct field enabled_data_fields[] = {
    FIELD(struct totp_enabled_data, two_factor_enabled, FIELD_BOOL, .flags = FIELD_REQUIRED,
          .doc = "Whether a login asks for a second factor from now on."),
    FIELD(struct totp_enabled_data, mfa_enabled, FIELD_BOOL, .flags = FIELD_REQUIRED,
          .doc = "The same."),
};
static const struct schema enabled_data_schema =
    SCHEMA("TotpEnabledData", struct totp_enabled_data, enabled_data_fields);

/* Of mfa/verify: what a set-up answers, or what a login does. */
struct totp_mfa_data {
    struct schema_set set;
    bool two_factor_enabled;
    bool mfa_enabled;
    struct str user;
    struct str token;
    struct str access_token;
    struct str refresh_token;
    int64_t expires_in;
};

static const struct field mfa_data_fields[] = {
    FIELD(struct totp_mfa_data, two_factor_enabled, FIELD_BOOL, .flags = FIELD_OMIT,
          .doc = "Of a set-up: true."),
    FIELD(struct totp_mfa_data, mfa_enabled, FIELD_BOOL, .flags = FIELD_OMIT, .doc = "The same."),
    FIELD(struct totp_mfa_data, user, FIELD_JSON, .flags = FIELD_OMIT,
          .doc = "Of a login: the user; what follows is as in LoginData."),
    FIELD(struct totp_mfa_data, token, FIELD_TEXT, .flags = FIELD_OMIT,
          .doc = "Opaque session token."),
    FIELD(struct totp_mfa_data, access_token, FIELD_TEXT, .flags = FIELD_OMIT,
          .doc = "Short-lived JWT."),
    FIELD(struct totp_mfa_data, refresh_token, FIELD_TEXT, .flags = FIELD_OMIT,
          .doc = "Exchanges once for new tokens."),
    FIELD(struct totp_mfa_data, expires_in, FIELD_INT, .flags = FIELD_OMIT,
          .doc = "Seconds until access_token expires."),
};
static const struct schema mfa_data_schema =
    SCHEMA("TotpMfaData", struct totp_mfa_data, mfa_data_fields);

struct totp_status_data {
    struct schema_set set;
    bool totp_enabled;
    int64_t verified_at;
    int64_t backup_codes_remaining;
};

static const struct field status_data_fields[] = {
    FIELD(struct totp_status_data, totp_enabled, FIELD_BOOL, .flags = FIELD_REQUIRED,
          .doc = "Whether an app is set up and proven."),
    FIELD(struct totp_status_data, verified_at, FIELD_TIME,
          .flags = FIELD_REQUIRED | FIELD_NULLABLE, .time_form = TIME_FORM_RFC3339,
          .doc = "Since when."),
    FIELD(struct totp_status_data, backup_codes_remaining, FIELD_INT, .flags = FIELD_REQUIRED,
          .max = BACKUP_CODES, .doc = "Backup codes that are not used up."),
};
static const struct schema status_data_schema =
    SCHEMA("TotpStatusData", struct totp_status_data, status_data_fields);

struct totp_codes_data {
    struct schema_set set;
    struct schema_list backup_codes;
};

static const struct field codes_data_fields[] = {
    FIELD(struct totp_codes_data, backup_codes, FIELD_LIST, .flags = FIELD_REQUIRED,
          .element = FIELD_TEXT, .doc = "Ten codes that work once each; never shown again."),
};
static const struct schema codes_data_schema =
    SCHEMA("TotpCodesData", struct totp_codes_data, codes_data_fields);

/* ---- rows ---- */

#define PART(method_, path_)                                                                       \
    .method = method_, .path = "/api/v1/auth/" path_, .tag = "Second factor"

static const struct endpoint totp_endpoints[] = {
    {
        .id = "totp_enroll",
        PART(HTTP_POST, "totp/enroll"),
        .doc = "Set a one-time code app up; verify-enrollment finishes it.",
        .auth = AUTH_SESSION,
        .rate = RATE_FACTOR,
        .form = FORM_ENVELOPE,
        .body = &setup_body_schema,
        .is_body_optional = true,
        .output = &setup_data_schema,
        .status = 201,
        .errors = {ERR_FACTOR_EXISTS, ERR_REAUTH_REQUIRED, ERR_PASSWORD_WRONG, ERR_ACCOUNT_LOCKED},
        .command = &totp_enroll_row.row,
    },
    {
        .id = "totp_verify_enrollment",
        PART(HTTP_POST, "totp/verify-enrollment"),
        .doc = "Show a code of the new app: from now on logins ask for one.",
        .auth = AUTH_SESSION,
        .rate = RATE_FACTOR,
        .form = FORM_ENVELOPE,
        .body = &confirm_body_schema,
        .errors = {ERR_FACTOR_NONE, ERR_CODE_WRONG},
        .command = &totp_confirm_row.row,
    },
    {
        .id = "totp_verify",
        PART(HTTP_POST, "totp/verify"),
        .doc = "Second step of a login: a one-time or backup code, with cookie or temp_token.",
        .auth = AUTH_NONE,
        .rate = RATE_FACTOR,
        .form = FORM_ENVELOPE,
        .body = &verify_body_schema,
        .output = &login_data_schema,
        .errors = {ERR_PENDING_NONE, ERR_CODE_WRONG, ERR_FACTOR_NONE, ERR_ACCOUNT_LOCKED,
                   ERR_ACCOUNT_INACTIVE},
        .command = &totp_verify_row.row,
    },
    {
        .id = "totp_disable",
        PART(HTTP_DELETE, "totp/disable"),
        .doc = "Logins no longer ask for a one-time code.",
        .auth = AUTH_SESSION,
        .rate = RATE_FACTOR,
        .form = FORM_ENVELOPE,
        .body = &password_body_schema,
        .errors = {ERR_PASSWORD_WRONG, ERR_FACTOR_NONE, ERR_ACCOUNT_LOCKED},
        .command = &totp_disable_row.row,
    },
    {
        .id = "totp_status",
        PART(HTTP_GET, "totp/status"),
        .doc = "Whether a one-time code app is set up.",
        .auth = AUTH_SESSION,
        .rate = RATE_READ,
        .form = FORM_ENVELOPE,
        .output = &status_data_schema,
        .read = totp_status_read,
    },
    {
        .id = "totp_regenerate_backup_codes",
        PART(HTTP_POST, "totp/regenerate-backup-codes"),
        .doc = "Ten new backup codes; the old ones are void.",
        .auth = AUTH_SESSION,
        .rate = RATE_FACTOR,
        .form = FORM_ENVELOPE,
        .body = &password_body_schema,
        .output = &codes_data_schema,
        .errors = {ERR_PASSWORD_WRONG, ERR_FACTOR_NONE, ERR_ACCOUNT_LOCKED},
        .command = &totp_regenerate_row.row,
    },
    {
        .id = "mfa_setup",
        PART(HTTP_POST, "mfa/setup"),
        .doc = "Set a one-time code app up; mfa/verify finishes it.",
        .auth = AUTH_SESSION,
        .rate = RATE_FACTOR,
        .form = FORM_ENVELOPE,
        .body = &setup_body_schema,
        .is_body_optional = true,
        .output = &setup_data_schema,
        .errors = {ERR_FACTOR_ENABLED, ERR_REAUTH_REQUIRED, ERR_PASSWORD_WRONG, ERR_ACCOUNT_LOCKED},
        .command = &totp_mfa_setup_row.row,
    },
    {
        .id = "mfa_verify",
        PART(HTTP_POST, "mfa/verify"),
        .doc = "With a bearer token: finish a set-up. Without: second step of a login.",
        .auth = AUTH_NONE,
        .rate = RATE_FACTOR,
        .form = FORM_ENVELOPE,
        .body = &mfa_body_schema,
        .is_body_optional = true,
        .output = &mfa_data_schema,
        .errors = {ERR_CODE_MISSING, ERR_DATA_MISSING, ERR_FACTOR_NOT_SET_UP, ERR_CODE_WRONG_MFA,
                   ERR_TEMP_INVALID, ERR_TEMP_EXPIRED, ERR_ACCOUNT_LOCKED, ERR_AUTH_FORMAT,
                   ERR_TOKEN_INVALID, ERR_TOKEN_EXPIRED, ERR_SESSION_INACTIVE,
                   ERR_ACCOUNT_INACTIVE},
        .command = &totp_mfa_verify_row.row,
    },
    {
        .id = "setup_2fa",
        PART(HTTP_POST, "setup-2fa"),
        .doc = "As mfa/setup.",
        .auth = AUTH_SESSION,
        .rate = RATE_FACTOR,
        .form = FORM_ENVELOPE,
        .body = &setup_body_schema,
        .is_body_optional = true,
        .output = &setup_data_schema,
        .errors = {ERR_FACTOR_ENABLED, ERR_REAUTH_REQUIRED, ERR_PASSWORD_WRONG, ERR_ACCOUNT_LOCKED},
        .command = &totp_mfa_setup_row.row,
    },
    {
        .id = "verify_2fa",
        PART(HTTP_POST, "verify-2fa"),
        .doc = "Finish a set-up with a code of the new app.",
        .auth = AUTH_SESSION,
        .rate = RATE_FACTOR,
        .form = FORM_ENVELOPE,
        .body = &code_body_schema,
        .is_body_optional = true,
        .output = &enabled_data_schema,
        .errors = {ERR_CODE_MISSING, ERR_FACTOR_NOT_SET_UP, ERR_CODE_WRONG_MFA},
        .command = &totp_verify_2fa_row.row,
    },
    {
        .id = "disable_2fa",
        PART(HTTP_POST, "disable-2fa"),
        .doc = "Logins no longer ask for a one-time code; wants password and code.",
        .auth = AUTH_SESSION,
        .rate = RATE_FACTOR,
        .form = FORM_ENVELOPE,
        .body = &disable_body_schema,
        .is_body_optional = true,
        .output = &enabled_data_schema,
        .errors = {ERR_FACTOR_NOT_ENABLED, ERR_PASSWORD_REQUIRED, ERR_PASSWORD_WRONG,
                   ERR_CODE_REQUIRED, ERR_CODE_WRONG_MFA, ERR_ACCOUNT_LOCKED},
        .command = &totp_disable_2fa_row.row,
    },
    {
        .id = "two_factor_setup",
        PART(HTTP_POST, "2fa/setup"),
        .doc = "Set a one-time code app up; 2fa/enable finishes it.",
        .auth = AUTH_SESSION,
        .rate = RATE_FACTOR,
        .form = FORM_ENVELOPE,
        .body = &setup_body_schema,
        .is_body_optional = true,
        .output = &setup_data_schema,
        .errors = {ERR_FACTOR_ENABLED_2FA, ERR_REAUTH_REQUIRED, ERR_PASSWORD_WRONG,
                   ERR_ACCOUNT_LOCKED},
        .command = &totp_2fa_setup_row.row,
    },
    {
        .id = "two_factor_enable",
        PART(HTTP_POST, "2fa/enable"),
        .doc = "Finish a set-up with its secret and a code of the new app.",
        .auth = AUTH_SESSION,
        .rate = RATE_FACTOR,
        .form = FORM_ENVELOPE,
        .body = &enable_body_schema,
        .is_body_optional = true,
        .output = &enabled_data_schema,
        .errors = {ERR_DATA_MISSING, ERR_FACTOR_ENABLED_2FA, ERR_CODE_WRONG_2FA},
        .command = &totp_2fa_enable_row.row,
    },
    {
        .id = "two_factor_verify",
        PART(HTTP_POST, "2fa/verify"),
        .doc = "Second step of a login, with cookie or temp_token.",
        .auth = AUTH_NONE,
        .rate = RATE_FACTOR,
        .form = FORM_ENVELOPE,
        .body = &mfa_body_schema,
        .is_body_optional = true,
        .output = &login_data_schema,
        .errors = {ERR_DATA_MISSING, ERR_FACTOR_NOT_ENABLED_2FA, ERR_CODE_WRONG_2FA,
                   ERR_TEMP_INVALID, ERR_TEMP_EXPIRED, ERR_ACCOUNT_LOCKED, ERR_ACCOUNT_INACTIVE},
        .command = &totp_2fa_verify_row.row,
    },
    {
        .id = "two_factor_disable",
        PART(HTTP_POST, "2fa/disable"),
        .doc = "Logins no longer ask for a one-time code; wants a code.",
        .auth = AUTH_SESSION,
        .rate = RATE_FACTOR,
        .form = FORM_ENVELOPE,
        .body = &spend_body_schema,
        .is_body_optional = true,
        .output = &enabled_data_schema,
        .errors = {ERR_DATA_MISSING, ERR_FACTOR_NOT_ENABLED_2FA, ERR_CODE_WRONG_2FA,
                   ERR_ACCOUNT_LOCKED},
        .command = &totp_2fa_disable_row.row,
    },
};

static const struct table *const totp_tables[] = {&totp_factor_table, &pending_login_table};

static const struct command_row *const totp_jobs[] = {&factor_prune_command};

const struct module totp_module = {
    .name = "totp",
    .jobs = totp_jobs,
    .job_count = COUNT_OF(totp_jobs),
    .tables = totp_tables,
    .table_count = COUNT_OF(totp_tables),
    .endpoints = totp_endpoints,
    .endpoint_count = COUNT_OF(totp_endpoints),
};
