/* What the files of the passkey endpoints share. */
#ifndef DOMAIN_AUTH_PASSKEY_API_H
#define DOMAIN_AUTH_PASSKEY_API_H

#include "domain/auth/passkey.h"
#include "domain/auth/reauth.h"

struct passkey_begin_body {
    struct schema_set set;
    struct str password; /* register */
    struct str email;    /* login */
    struct str temp_token;
};

/* What the browser got from the authenticator, as PublicKeyCredential.toJSON() has it. */
struct passkey_response {
    struct schema_set set;
    struct str client_data;
    struct str attestation; /* register */
    struct str data;        /* login: authenticator data */
    struct str signature;
    struct str user_handle;
    struct schema_list transports; /* register */
};

struct passkey_body {
    struct schema_set set;
    struct str id;
    struct str raw_id;
    int32_t type;
    struct passkey_response response;
    struct schema_list transports;
    struct str name;
    struct str extensions; /* this and what follows: nothing is made of them */
    struct str attachment;
};

struct passkey_params {
    struct schema_set set;
    struct str id; /* base64url */
};

struct passkey_name_body {
    struct schema_set set;
    struct str name;
};

/* The client data of a body. ERR_VALIDATION with a fault in the outcome; ERR_NO_MEMORY. */
enum err passkey_client_data(struct request *request, struct client_data *client);
/* {"credential": ...} */
void passkey_reply(const struct command *command, const struct passkey *passkey,
                   struct outcome *outcome);

/* passkey_setup.c */
extern const struct command_row passkey_register_begin_command, passkey_register_command;

/* passkey_login.c */
extern const struct command_row passkey_login_begin_command, passkey_login_command;
/* Before requests come: the key of made-up credentials. */
void passkey_login_start(const struct engine *engine);

/* passkey_manage.c */
extern const struct command_row passkey_rename_command, passkey_delete_command;
enum err passkey_list_read(struct request *request, const struct store_view *view);
enum err passkey_status_read(struct request *request, const struct store_view *view);

#endif
