/*
 * Links in mails that prove that somebody reads an address: to confirm it, to set a new password.
 * The store knows the hash of the token. One live link per user and purpose: a new one replaces the
 * old one. A used one is kept until it expires, so that a second click is told what happened.
 *
 *   LIVE -> USED (used_at) ; either -> gone (expired, replaced)
 */
#ifndef DOMAIN_AUTH_LINKS_H
#define DOMAIN_AUTH_LINKS_H

#include "domain/auth/auth.h"
#include "domain/mail/mail.h"

enum link_purpose { LINK_VERIFY, LINK_RESET };

struct link_token {
    struct schema_set set;
    struct str token_hash;
    struct id user_id;
    int32_t purpose;
    struct str email; /* where it was sent */
    int64_t expires_at;
    int64_t used_at; /* absent: live */
    int64_t created_at;
    /* Of the password when it was sent: a link for a new password is void once it changed. */
    int64_t password_at;
};

extern const struct schema link_token_schema;
extern const struct table link_token_table;
enum { LINK_INDEX_USER, LINK_INDEX_EXPIRES };

/* In apply: a new link for the user; its token as text in the arena. STR_NONE: no memory. */
struct str link_make(struct store_tx *tx, const struct command *command, enum link_purpose purpose,
                     const struct user *user, int64_t life_us);

/* The link of a token that somebody brings, and its user. ERR_LINK_INVALID (unknown, used, of
 * another purpose, the address or the password changed since), ERR_LINK_EXPIRED. Used ones are
 * found when `used_counts`. */
enum err link_find(const struct store_view *view, const struct command *command, struct str token,
                   enum link_purpose purpose, bool used_counts, struct link_token *link,
                   struct user *user);
void link_use(struct store_tx *tx, const struct command *command, struct link_token *link);

/* ---- how many mails an address can be made to get ---- */

/* Counted per address and purpose in fixed hours, for unknown addresses too, so that nothing tells
 * them apart. */
struct mail_quota {
    struct login_failures count;
    bool is_spent;
};
void mail_quota_load(const struct store_view *view, const struct command *command, struct str email,
                     enum link_purpose purpose, struct mail_quota *quota);
void mail_quota_take(struct store_tx *tx, const struct command *command, struct mail_quota *quota);

#endif
