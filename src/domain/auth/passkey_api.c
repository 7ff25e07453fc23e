/* The endpoint rows of passkeys (identity contract, rows 14 to 21). The bodies are what browsers
 * make of a credential with toJSON(): what the contract's own clients send, and more. */
#include "domain/auth/passkey_api.h"

#include "domain/auth/login.h"
#include "engine/job.h"

enum { PASSWORD_MAX = 1024, TOKEN_MAX = 6144, ID_TEXT_MAX = (WEBAUTHN_ID_BYTES_MAX * 4 + 2) / 3 };

/* ---- bodies ---- */

static const struct field register_begin_fields[] = {
    FIELD(struct passkey_begin_body, password, FIELD_TEXT, .flags = FIELD_SENSITIVE, .min = 1,
          .max = PASSWORD_MAX, .doc = "Needed when the login was not in the last minutes."),
};
static const struct schema register_begin_schema =
    SCHEMA("PasskeyRegisterBeginBody", struct passkey_begin_body, register_begin_fields);

static const struct field login_begin_fields[] = {
    FIELD(struct passkey_begin_body, email, FIELD_TEXT, .min = 1, .max = EMAIL_BYTES_MAX,
          .format = FORMAT_EMAIL, .doc = "Whose passkeys; left out: anybody's of this server."),
    FIELD(struct passkey_begin_body, temp_token, FIELD_TEXT, .flags = FIELD_SENSITIVE,
          .max = TOKEN_MAX,
          .doc = "Of a login that waits for its second factor; not needed with its cookie."),
};
static const struct schema login_begin_schema =
    SCHEMA("PasskeyLoginBeginBody", struct passkey_begin_body, login_begin_fields);

/* Browsers send more than is used here, and next year's more than this year's. */
#define RESPONSE_SCHEMA(name_, rows)                                                               \
    {                                                                                              \
        .name = name_, .fields = rows, .field_count = COUNT_OF(rows),                              \
        .struct_bytes = sizeof(struct passkey_response), .ignores_unknown = true,                  \
    }
#define CLIENT_DATA_FIELD                                                                          \
    FIELD_AS(struct passkey_response, client_data, "clientDataJSON", FIELD_BYTES,                  \
             .flags = FIELD_REQUIRED, .min = 1, .max = 4096,                                       \
             .doc = "What the browser signed for.")

static const struct field create_fields[] = {
    CLIENT_DATA_FIELD,
    FIELD_AS(struct passkey_response, attestation, "attestationObject", FIELD_BYTES,
             .flags = FIELD_REQUIRED, .min = 1, .doc = "The new credential."),
    FIELD(struct passkey_response, transports, FIELD_LIST, .element = FIELD_TEXT, .max = 16,
          .doc = "How browsers reach it; unknown ones are left out."),
};
static const struct schema create_schema = RESPONSE_SCHEMA("PasskeyAttestation", create_fields);

static const struct field get_fields[] = {
    CLIENT_DATA_FIELD,
    FIELD_AS(struct passkey_response, data, "authenticatorData", FIELD_BYTES,
             .flags = FIELD_REQUIRED, .min = 1, .max = 4096, .doc = "What the authenticator says."),
    FIELD(struct passkey_response, signature, FIELD_BYTES, .flags = FIELD_REQUIRED, .min = 1,
          .max = 1024, .doc = "Over both."),
    FIELD_AS(struct passkey_response, user_handle, "userHandle", FIELD_BYTES,
             .flags = FIELD_NULLABLE, .max = 64, .doc = "Whose passkey it is."),
};
static const struct schema get_schema = RESPONSE_SCHEMA("PasskeyAssertion", get_fields);

static const char *const type_names[] = {"public-key", NULL};

#define CREDENTIAL_FIELDS(response_)                                                               \
    FIELD(struct passkey_body, id, FIELD_BYTES, .flags = FIELD_REQUIRED, .min = 1,                 \
          .max = WEBAUTHN_ID_BYTES_MAX, .doc = "Credential id."),                                  \
        FIELD_AS(struct passkey_body, raw_id, "rawId", FIELD_BYTES, .flags = FIELD_REQUIRED,       \
                 .min = 1, .max = WEBAUTHN_ID_BYTES_MAX, .doc = "The same."),                      \
        FIELD(struct passkey_body, type, FIELD_ENUM, .flags = FIELD_REQUIRED,                      \
              .values = type_names, .doc = "Always public-key."),                                  \
        FIELD(struct passkey_body, response, FIELD_OBJECT, .flags = FIELD_REQUIRED,                \
              .of = &(response_), .doc = "What the authenticator answered."),                      \
        FIELD_AS(struct passkey_body, extensions, "clientExtensionResults", FIELD_JSON,            \
                 .doc = "Accepted and ignored."),                                                  \
        FIELD_AS(struct passkey_body, attachment, "authenticatorAttachment", FIELD_TEXT,           \
                 .flags = FIELD_NULLABLE, .max = 32, .doc = "Accepted and ignored.")

static const struct field register_fields[] = {
    CREDENTIAL_FIELDS(create_schema),
    FIELD(struct passkey_body, transports, FIELD_LIST, .element = FIELD_TEXT, .max = 16,
          .values = passkey_transport_names, .doc = "How browsers reach it."),
    FIELD(struct passkey_body, name, FIELD_TEXT, .flags = FIELD_NULLABLE, .max = PASSKEY_NAME_MAX,
          .doc = "What to call it; `Passkey` and the date when there is none."),
};
static const struct schema register_schema =
    SCHEMA("PasskeyRegisterBody", struct passkey_body, register_fields);

static const struct field login_fields[] = {CREDENTIAL_FIELDS(get_schema)};
static const struct schema login_schema =
    SCHEMA("PasskeyLoginBody", struct passkey_body, login_fields);

static const struct field params_fields[] = {
    FIELD(struct passkey_params, id, FIELD_TEXT, .flags = FIELD_REQUIRED, .min = 1,
          .max = ID_TEXT_MAX, .doc = "Credential id."),
};
static const struct schema params_schema =
    SCHEMA("PasskeyParams", struct passkey_params, params_fields);

static const struct field name_fields[] = {
    FIELD(struct passkey_name_body, name, FIELD_TEXT, .flags = FIELD_REQUIRED, .min = 1,
          .max = PASSKEY_NAME_MAX, .doc = "What to call it."),
};
static const struct schema name_schema =
    SCHEMA("PasskeyNameBody", struct passkey_name_body, name_fields);

enum err passkey_client_data(struct request *request, struct client_data *client) {
    const struct passkey_body *body = request->command.body;
    enum err err = client_data_parse(body->response.client_data, request->arena, client);
    if (err != ERR_FORMAT) {
        return err;
    }
    request->outcome.faults = ARENA_NEW(request->arena, struct schema_faults);
    if (request->outcome.faults == NULL) {
        return ERR_NO_MEMORY;
    }
    schema_fault_add(request->outcome.faults, STR("response.clientDataJSON"),
                     STR("Not valid client data."));
    return ERR_VALIDATION;
}

/* ---- replies ---- */

struct passkey_shown {
    struct schema_set set;
    struct str id;
    struct str name;
    struct schema_list transports;
    int64_t created_at;
    int64_t last_used_at;
    int64_t sign_count;
    struct id aaguid;
    struct str attestation;
    bool backed_up;
};

static const struct field shown_fields[] = {
    FIELD(struct passkey_shown, id, FIELD_TEXT, .flags = FIELD_REQUIRED, .doc = "Credential id."),
    FIELD(struct passkey_shown, name, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "What its owner calls it."),
    FIELD(struct passkey_shown, transports, FIELD_LIST, .flags = FIELD_REQUIRED,
          .element = FIELD_TEXT, .doc = "How browsers reach it."),
    FIELD(struct passkey_shown, created_at, FIELD_TIME, .flags = FIELD_REQUIRED,
          .time_form = TIME_FORM_OFFSET, .doc = "When it was registered."),
    FIELD(struct passkey_shown, last_used_at, FIELD_TIME, .flags = FIELD_REQUIRED | FIELD_NULLABLE,
          .time_form = TIME_FORM_OFFSET, .doc = "Last login with it."),
    FIELD(struct passkey_shown, sign_count, FIELD_INT, .flags = FIELD_REQUIRED,
          .doc = "Counter of the authenticator."),
    FIELD(struct passkey_shown, aaguid, FIELD_ID, .flags = FIELD_REQUIRED,
          .doc = "Model of the authenticator, as it says."),
    FIELD(struct passkey_shown, attestation, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "Format of its attestation, which is recorded and not verified."),
    FIELD(struct passkey_shown, backed_up, FIELD_BOOL, .flags = FIELD_REQUIRED,
          .doc = "Whether it exists on several devices."),
};
static const struct schema shown_schema = SCHEMA("Passkey", struct passkey_shown, shown_fields);

void passkey_reply(const struct command *command, const struct passkey *passkey,
                   struct outcome *outcome) {
    yyjson_mut_val *data = outcome_data(outcome, command);
    json_add_val(outcome->doc, data, "credential", passkey_view(command, outcome->doc, passkey));
}

struct credential_data {
    struct schema_set set;
    struct passkey_shown credential;
};
static const struct field credential_data_fields[] = {
    FIELD(struct credential_data, credential, FIELD_OBJECT, .flags = FIELD_REQUIRED,
          .of = &shown_schema, .doc = "The passkey."),
};
static const struct schema credential_data_schema =
    SCHEMA("PasskeyData", struct credential_data, credential_data_fields);

struct credentials_data {
    struct schema_set set;
    struct schema_list credentials;
    int64_t count;
};
static const struct field credentials_data_fields[] = {
    FIELD(struct credentials_data, credentials, FIELD_LIST, .flags = FIELD_REQUIRED,
          .of = &shown_schema, .doc = "Newest first."),
    FIELD(struct credentials_data, count, FIELD_INT, .flags = FIELD_REQUIRED, .doc = "How many."),
};
static const struct schema credentials_data_schema =
    SCHEMA("PasskeysData", struct credentials_data, credentials_data_fields);

struct status_data {
    struct schema_set set;
    bool webauthn_enabled;
    int64_t credential_count;
};
static const struct field status_data_fields[] = {
    FIELD(struct status_data, webauthn_enabled, FIELD_BOOL, .flags = FIELD_REQUIRED,
          .doc = "Whether there is a passkey."),
    FIELD(struct status_data, credential_count, FIELD_INT, .flags = FIELD_REQUIRED,
          .doc = "How many."),
};
static const struct schema status_data_schema =
    SCHEMA("PasskeyStatusData", struct status_data, status_data_fields);

/* Options as browsers take them: PublicKeyCredential.parseCreationOptionsFromJSON and
 * parseRequestOptionsFromJSON. */
struct options_data {
    struct schema_set set;
    struct str challenge;
    int64_t timeout;
    struct str rp;
    struct str user;
    struct str parameters;
    struct str exclude;
    struct str selection;
    struct str attestation;
    struct str rp_id;
    struct str allow;
    struct str verification;
};

#define CHALLENGE_FIELDS                                                                           \
    FIELD(struct options_data, challenge, FIELD_TEXT, .flags = FIELD_REQUIRED,                     \
          .doc = "Good once, for five minutes (setting webauthn.time)."),                          \
        FIELD(struct options_data, timeout, FIELD_INT, .flags = FIELD_REQUIRED,                    \
              .doc = "For the browser, in milliseconds.")

static const struct field creation_fields[] = {
    CHALLENGE_FIELDS,
    FIELD(struct options_data, rp, FIELD_JSON, .flags = FIELD_REQUIRED,
          .doc = "Name and id of this server."),
    FIELD(struct options_data, user, FIELD_JSON, .flags = FIELD_REQUIRED, .doc = "The caller."),
    FIELD_AS(struct options_data, parameters, "pubKeyCredParams", FIELD_JSON,
             .flags = FIELD_REQUIRED, .doc = "ES256 and RS256."),
    FIELD_AS(struct options_data, exclude, "excludeCredentials", FIELD_JSON,
             .flags = FIELD_REQUIRED, .doc = "Those that the caller has."),
    FIELD_AS(struct options_data, selection, "authenticatorSelection", FIELD_JSON,
             .flags = FIELD_REQUIRED, .doc = "What the passkey has to be able to do."),
    FIELD(struct options_data, attestation, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "Always none."),
};
static const struct schema creation_schema =
    SCHEMA("PasskeyCreationOptions", struct options_data, creation_fields);

static const struct field request_fields[] = {
    CHALLENGE_FIELDS,
    FIELD_AS(struct options_data, rp_id, "rpId", FIELD_TEXT, .flags = FIELD_REQUIRED,
             .doc = "Id of this server."),
    FIELD_AS(struct options_data, allow, "allowCredentials", FIELD_JSON, .flags = FIELD_REQUIRED,
             .doc = "Those that will do; empty: any that is found."),
    FIELD_AS(struct options_data, verification, "userVerification", FIELD_TEXT,
             .flags = FIELD_REQUIRED, .doc = "Setting webauthn.user-verification."),
};
static const struct schema request_schema =
    SCHEMA("PasskeyRequestOptions", struct options_data, request_fields);

/* ---- rows ---- */

#define PART(method_, path_)                                                                       \
    .method = method_, .path = "/api/v1/auth/webauthn/" path_, .tag = "Passkeys"

static const struct endpoint passkey_endpoints[] = {
    {
        .id = "webauthn_register_begin",
        PART(HTTP_POST, "register/begin"),
        .doc = "Options for navigator.credentials.create.",
        .auth = AUTH_SESSION,
        .rate = RATE_FACTOR,
        .form = FORM_BARE,
        .body = &register_begin_schema,
        .is_body_optional = true,
        .output = &creation_schema,
        .errors = {ERR_REAUTH_REQUIRED, ERR_PASSWORD_WRONG, ERR_ACCOUNT_LOCKED, ERR_LIMIT},
        .command = &passkey_register_begin_command,
    },
    {
        .id = "webauthn_register_complete",
        PART(HTTP_POST, "register/complete"),
        .doc = "Register the passkey that the browser made.",
        .auth = AUTH_SESSION,
        .rate = RATE_PASSKEY,
        .form = FORM_ENVELOPE,
        .body = &register_schema,
        .output = &credential_data_schema,
        .status = 201,
        .errors = {ERR_CHALLENGE, ERR_PASSKEY_WRONG, ERR_PASSKEY_ORIGIN, ERR_PASSKEY_UNVERIFIED,
                   ERR_PASSKEY_EXISTS, ERR_LIMIT},
        .command = &passkey_register_command,
    },
    {
        .id = "webauthn_login_begin",
        PART(HTTP_POST, "login/begin"),
        .doc = "Options for navigator.credentials.get: for one account, or for whoever comes.",
        .auth = AUTH_NONE,
        .rate = RATE_PASSKEY,
        .form = FORM_BARE,
        .body = &login_begin_schema,
        .is_body_optional = true,
        .output = &request_schema,
        .errors = {ERR_PENDING_NONE},
        .command = &passkey_login_begin_command,
    },
    {
        .id = "webauthn_login_complete",
        PART(HTTP_POST, "login/complete"),
        .doc = "Log in with what the authenticator signed.",
        .auth = AUTH_NONE,
        .rate = RATE_PASSKEY,
        .form = FORM_ENVELOPE,
        .body = &login_schema,
        .output = &login_data_schema,
        .errors = {ERR_CHALLENGE, ERR_PENDING_NONE, ERR_PASSKEY_WRONG, ERR_PASSKEY_ORIGIN,
                   ERR_PASSKEY_UNVERIFIED, ERR_PASSKEY_COUNTER, ERR_ACCOUNT_INACTIVE,
                   ERR_EMAIL_UNVERIFIED},
        .command = &passkey_login_command,
    },
    {
        .id = "webauthn_credentials",
        PART(HTTP_GET, "credentials"),
        .doc = "The caller's passkeys.",
        .auth = AUTH_SESSION,
        .rate = RATE_READ,
        .form = FORM_ENVELOPE,
        .output = &credentials_data_schema,
        .read = passkey_list_read,
    },
    {
        .id = "webauthn_credential_delete",
        PART(HTTP_DELETE, "credentials/{id}"),
        .doc = "Remove a passkey; the last one, too, unless a policy asks for it.",
        .auth = AUTH_SESSION,
        .rate = RATE_WRITE,
        .form = FORM_ENVELOPE,
        .params = &params_schema,
        .errors = {ERR_NOT_FOUND, ERR_FACTOR_NEEDED},
        .command = &passkey_delete_command,
    },
    {
        .id = "webauthn_credential_rename",
        PART(HTTP_PATCH, "credentials/{id}"),
        .doc = "Call a passkey something else.",
        .auth = AUTH_SESSION,
        .rate = RATE_WRITE,
        .form = FORM_ENVELOPE,
        .params = &params_schema,
        .body = &name_schema,
        .output = &credential_data_schema,
        .errors = {ERR_NOT_FOUND},
        .command = &passkey_rename_command,
    },
    {
        .id = "webauthn_status",
        PART(HTTP_GET, "status"),
        .doc = "Whether passkeys are set up.",
        .auth = AUTH_SESSION,
        .rate = RATE_READ,
        .form = FORM_ENVELOPE,
        .output = &status_data_schema,
        .read = passkey_status_read,
    },
};

static enum err passkey_start(struct engine *engine, const char **problem) {
    if (!relying_party_is_sound(engine_settings(engine), problem)) {
        return ERR_VALIDATION;
    }
    passkey_login_start(engine);
    return ERR_OK;
}

static void prune_apply(struct store_tx *tx, const struct command *command,
                        struct outcome *outcome) {
    (void)outcome;
    challenge_prune(tx, command);
}

static const struct command_row passkey_prune_command = {
    .name = "passkey.prune",
    .frees_room = true,
    .check = job_check,
    .apply = prune_apply,
};

static const struct command_row *const passkey_jobs[] = {&passkey_prune_command};

static const struct table *const passkey_tables[] = {&passkey_table, &challenge_table};

const struct module passkey_module = {
    .name = "passkey",
    .start = passkey_start,
    .jobs = passkey_jobs,
    .job_count = COUNT_OF(passkey_jobs),
    .tables = passkey_tables,
    .table_count = COUNT_OF(passkey_tables),
    .endpoints = passkey_endpoints,
    .endpoint_count = COUNT_OF(passkey_endpoints),
};
