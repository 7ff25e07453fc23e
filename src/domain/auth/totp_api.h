/* What the files of the one-time code endpoints share. */
#ifndef DOMAIN_AUTH_TOTP_API_H
#define DOMAIN_AUTH_TOTP_API_H

#include "domain/auth/reauth.h"
#include "domain/auth/totp.h"

/* All bodies of these endpoints; each schema (totp_api.c) takes some of these members. */
struct totp_body {
    struct schema_set set;
    struct str password;
    struct str code;
    struct str secret;
    struct str temp_token;
    bool is_backup_code;
    int64_t client_timestamp;
};

/* A command row and the words of the contract that its path belongs to. */
struct totp_row {
    struct command_row row; /* first: command->row points to it */
    enum err enabled;       /* one is set up already */
    enum err none;          /* none is set up, or none waits for its code */
    enum err missing;       /* no code was sent */
    enum err wrong;         /* the code is not good */
    enum err lost;          /* no login waits for this code */
    bool needs_password;
    bool needs_code;
    bool needs_secret;
    bool has_data; /* the reply says two_factor_enabled */
};
const struct totp_row *totp_row(const struct command *command);

/* totp_setup.c */
extern const struct totp_row totp_enroll_row, totp_mfa_setup_row, totp_2fa_setup_row;
extern const struct totp_row totp_confirm_row, totp_verify_2fa_row, totp_2fa_enable_row;

/* totp_login.c */
extern const struct totp_row totp_verify_row, totp_mfa_verify_row, totp_2fa_verify_row;

/* totp_manage.c */
extern const struct totp_row totp_disable_row, totp_disable_2fa_row, totp_2fa_disable_row;
extern const struct totp_row totp_regenerate_row;
enum err totp_status_read(struct request *request, const struct store_view *view);

/* two_factor_enabled and mfa_enabled, when the row has data. */
void totp_enabled_reply(const struct command *command, bool is_enabled, struct outcome *outcome);

#endif
