/* The endpoint rows of this domain. */
#include "domain/auth/jobs.h"
#include "domain/auth/login.h"
#include "domain/auth/register.h"
#include "domain/auth/session_api.h"
#include "domain/auth/tokens.h"
#include "domain/auth/user_api.h"
#include "os/clock.h"

static const struct endpoint auth_endpoints[] = {
    {
        .id = "auth_register",
        .method = HTTP_POST,
        .path = "/api/v1/auth/register",
        .doc = "Register an account and log in.",
        .tag = "Authentication",
        .auth = AUTH_NONE,
        .rate = RATE_REGISTER,
        .form = FORM_ENVELOPE,
        .body = &register_body_schema,
        .output = &login_data_schema,
        .status = 201,
        .errors = {ERR_EMAIL_TAKEN},
        .command = &register_command,
    },
    {
        .id = "auth_login",
        .method = HTTP_POST,
        .path = "/api/v1/auth/login",
        .doc = "Log in with e-mail address and password.",
        .tag = "Authentication",
        .auth = AUTH_NONE,
        .rate = RATE_LOGIN,
        .form = FORM_ENVELOPE,
        .body = &login_body_schema,
        .output = &login_data_schema,
        .errors = {ERR_CREDENTIALS_WRONG, ERR_ACCOUNT_LOCKED, ERR_ACCOUNT_INACTIVE},
        .command = &login_command,
    },
    {
        .id = "auth_refresh",
        .method = HTTP_POST,
        .path = "/api/v1/auth/refresh",
        .doc = "Exchange a refresh token for new tokens; a used one ends the session.",
        .tag = "Authentication",
        .auth = AUTH_NONE,
        .rate = RATE_TOKEN,
        .form = FORM_ENVELOPE,
        .body = &refresh_body_schema,
        .is_body_optional = true,
        .output = &refresh_data_schema,
        .errors = {ERR_REFRESH_MISSING, ERR_AUTH_FORMAT, ERR_REFRESH_INVALID, ERR_TOKEN_EXPIRED,
                   ERR_ACCOUNT_INACTIVE},
        .command = &refresh_command,
    },
    {
        .id = "auth_logout",
        .method = HTTP_POST,
        .path = "/api/v1/auth/logout",
        .doc = "End this session, or all of the user's.",
        .tag = "Authentication",
        .auth = AUTH_SESSION,
        .rate = RATE_WRITE,
        .form = FORM_ENVELOPE,
        .body = &logout_body_schema,
        .is_body_optional = true,
        .command = &logout_command,
    },
    {
        .id = "auth_me",
        .method = HTTP_GET,
        .path = "/api/v1/auth/me",
        .doc = "Who the token belongs to.",
        .tag = "Authentication",
        .auth = AUTH_SESSION,
        .rate = RATE_READ,
        .form = FORM_ENVELOPE,
        .output = &me_data_schema,
        .read = me_read,
    },
    {
        .id = "auth_sessions",
        .method = HTTP_GET,
        .path = "/api/v1/auth/sessions",
        .doc = "The caller's active sessions.",
        .tag = "Sessions",
        .auth = AUTH_SESSION,
        .rate = RATE_READ,
        .form = FORM_ENVELOPE,
        .output = &sessions_data_schema,
        .read = sessions_read,
    },
    {
        .id = "auth_session_revoke",
        .method = HTTP_DELETE,
        .path = "/api/v1/auth/sessions/{id}",
        .doc = "End one of the caller's sessions; ending it twice is fine.",
        .tag = "Sessions",
        .auth = AUTH_SESSION,
        .rate = RATE_WRITE,
        .form = FORM_ENVELOPE,
        .params = &session_params_schema,
        .errors = {ERR_NOT_FOUND},
        .command = &session_revoke_command,
    },
    {
        .id = "users_me",
        .method = HTTP_GET,
        .path = "/api/v1/users/me",
        .doc = "The caller's account; ETag and If-None-Match are understood.",
        .tag = "Users",
        .auth = AUTH_SESSION,
        .rate = RATE_READ,
        .form = FORM_ENVELOPE,
        .output = &user_data_schema,
        .read = user_me_read,
    },
    {
        .id = "users_me_update",
        .method = HTTP_PATCH,
        .path = "/api/v1/users/me",
        .doc = "Change the caller's account; If-Match is understood.",
        .tag = "Users",
        .auth = AUTH_FULL,
        .rate = RATE_WRITE,
        .form = FORM_ENVELOPE,
        .body = &user_patch_schema,
        .output = &user_data_schema,
        .errors = {ERR_PRECONDITION},
        .command = &user_patch_command,
    },
    {
        .id = "users_me_delete",
        .method = HTTP_DELETE,
        .path = "/api/v1/users/me",
        .doc = "Close the caller's account; all its sessions end.",
        .tag = "Users",
        .auth = AUTH_FULL,
        .rate = RATE_WRITE,
        .form = FORM_ENVELOPE,
        .errors = {ERR_CONFLICT},
        .command = &user_delete_command,
    },
    {
        .id = "users_me_password",
        .method = HTTP_POST,
        .path = "/api/v1/users/me/password",
        .doc = "Change the password; all sessions end.",
        .tag = "Users",
        .auth = AUTH_FULL,
        .rate = RATE_LOGIN,
        .form = FORM_ENVELOPE,
        .body = &password_body_schema,
        .errors = {ERR_PASSWORD_WRONG, ERR_PASSWORD_SAME},
        .command = &password_change_command,
    },
    {
        .id = "setup_admin",
        .method = HTTP_POST,
        .path = "/api/v1/setup/admin",
        .doc = "Make the first administrator with the token printed at the start.",
        .tag = "Setup",
        .auth = AUTH_NONE,
        .rate = RATE_LOGIN,
        .form = FORM_ENVELOPE,
        .body = &setup_body_schema,
        .output = &login_data_schema,
        .status = 201,
        .errors = {ERR_SETUP_TOKEN_WRONG, ERR_EMAIL_TAKEN},
        .command = &setup_command,
    },
    {
        .id = "jwks",
        .method = HTTP_GET,
        .path = "/.well-known/jwks.json",
        .doc = "Public keys that verify access tokens (RFC 7517).",
        .tag = "Authentication",
        .auth = AUTH_NONE,
        .rate = RATE_READ,
        .form = FORM_RAW,
        .output = &jwks_schema,
        .read = tokens_jwks,
    },
};

static enum err auth_start(struct engine *engine, const char **problem) {
    uint8_t entropy[TOKEN_ENTROPY_BYTES];
    enum err err = tokens_start(engine, problem);
    if (err == ERR_OK) {
        random_bytes(entropy, sizeof(entropy));
        setup_start(engine, entropy);
    }
    return err;
}

static const struct table *const auth_tables[] = {
    &user_table, &session_table, &refresh_token_table, &login_failures_table, &signing_key_table,
};

static const struct command_row *const auth_jobs[] = {&auth_prune_command};

const struct module auth_module = {
    .name = "auth",
    .start = auth_start,
    .jobs = auth_jobs,
    .job_count = COUNT_OF(auth_jobs),
    .tables = auth_tables,
    .table_count = COUNT_OF(auth_tables),
    .endpoints = auth_endpoints,
    .endpoint_count = COUNT_OF(auth_endpoints),
};

const struct authenticator auth_authenticator = {
    .resolve = tokens_resolve,
    .recheck = tokens_recheck,
    .touch = &session_touch_command,
};
