/*
 * Invitations by mail: an address, a role, a link that works once. Whoever reads the address
 * accepts with an account of that address; having read the mail, they have proven the address.
 *
 *   PENDING -> gone: accepted, revoked, expired (removed a month later), replaced by a newer one to
 *   the same address
 *
 * Only owners invite owners. The store knows the hash of the token.
 */
#ifndef DOMAIN_ORGS_INVITATIONS_H
#define DOMAIN_ORGS_INVITATIONS_H

#include "domain/orgs/orgs.h"

enum {
    /* Pending ones; the list of them fits in one reply. */
    INVITATIONS_PER_ORGANIZATION_MAX = 500,
    INVITATION_DAYS_DEFAULT = 7,
    INVITATION_DAYS_MAX = 30,
    /* Between two mails to one address about one organization. */
    INVITATION_PAUSE_S = 60,
};

struct invitation {
    struct schema_set set;
    struct id id;
    struct id organization_id;
    struct str email;
    int32_t role;
    struct str token_hash;
    struct id invited_by_id;
    int64_t expires_at;
    int64_t created_at;
};

extern const struct schema invitation_schema;
extern const struct table invitation_table;
enum {
    INVITATION_INDEX_PAIR,
    INVITATION_INDEX_TOKEN,
    INVITATION_INDEX_EXPIRES,
    INVITATION_INDEX_EMAIL,
};

/* ---- endpoints ---- */

extern const struct schema invitation_body_schema;
extern const struct schema invitation_data_schema;
extern const struct schema invitations_data_schema;
extern const struct schema invitation_params_schema;
extern const struct schema invitation_token_schema;
extern const struct schema invitation_shown_schema;
extern const struct command_row invitation_create_command;
extern const struct command_row invitation_revoke_command;
extern const struct command_row invitation_accept_command;
extern const struct command_row invitation_show_command;
enum err invitations_read(struct request *request, const struct store_view *view);

/* Minute job: those that expired a month ago. */
extern const struct command_row invitations_prune_command;

/* ---- pages ---- */

void invitation_page_open(const struct settings *settings);
enum err invitation_page_read(struct request *request, const struct store_view *view);
enum err invitation_script_read(struct request *request, const struct store_view *view);

#endif
