/*
 * The second factor "one-time code app" (RFC 6238): its record, and the rules for its codes. The
 * login step is totp_login.c, setting up and taking down totp_setup.c and totp_manage.c.
 *
 *   (no row) -> PENDING (set up, not proven; ends at pending_until) -> VERIFIED -> (no row)
 *   A new set-up replaces a pending one. Only a verified one is asked for.
 */
#ifndef DOMAIN_AUTH_TOTP_H
#define DOMAIN_AUTH_TOTP_H

#include "crypto/totp.h"
#include "domain/auth/rules.h"

enum {
    BACKUP_CODES = 10,
    BACKUP_CODE_LEN = 16, /* upper-case hex: 64 random bits */
    BACKUP_HASH_BYTES = 32,
};

/*
 * Backup codes are stored as SHA-256(user, code), not as bcrypt: bcrypt makes guessing dear where
 * people choose, but 64 random bits cannot be guessed at any price, and ten bcrypt checks would
 * hold a login for seconds. The user's id keeps one search from serving many users. The hashes are
 * sealed like the secret, so a stolen store gives neither.
 */
struct totp_factor {
    struct schema_set set;
    struct id user_id;
    struct str secret;
    bool is_verified;
    int64_t verified_at;
    int64_t pending_until;    /* absent once verified */
    int64_t last_step;        /* of the last accepted code; absent = none yet */
    struct str backup_hashes; /* BACKUP_CODES times BACKUP_HASH_BYTES */
    int64_t backup_used;      /* bit i: code i is used up */
    int64_t created_at;
    int64_t updated_at;
};

extern const struct schema totp_factor_schema;
extern const struct table totp_factor_table;
enum { TOTP_INDEX_PENDING };

/* ERR_NOT_FOUND, or what store_get says. */
enum err totp_get(const struct store_view *view, struct id user_id, struct arena *arena,
                  struct totp_factor *factor);
/* The same for a verified one only. */
enum err totp_get_verified(const struct store_view *view, struct id user_id, struct arena *arena,
                           struct totp_factor *factor);
/* Removes the factor, and the mark from *user, which the caller puts. For disabling, closing the
 * account, and administrators. */
void totp_forget(struct store_tx *tx, struct user *user, int64_t now_us);

/* ---- backup codes ---- */

struct backup_codes {
    char texts[BACKUP_CODES][BACKUP_CODE_LEN];
    uint8_t hashes[BACKUP_CODES * BACKUP_HASH_BYTES];
};
/* From the command's entropy. */
void backup_codes_make(const struct command *command, struct id user_id,
                       struct backup_codes *codes);
/* Replaces all ten. `codes` must live until the record is put. */
void backup_codes_set(struct totp_factor *factor, const struct backup_codes *codes);
uint32_t backup_codes_left(const struct totp_factor *factor);
/* Adds the texts as backup_codes; they must live until the reply is rendered. */
void backup_codes_reply(const struct command *command, const struct backup_codes *codes,
                        struct outcome *outcome);

/* ---- codes ---- */

enum totp_kind { TOTP_ANY, TOTP_APP, TOTP_BACKUP };
enum totp_answer { TOTP_ANSWER_WRONG, TOTP_ANSWER_APP, TOTP_ANSWER_BACKUP };

/* Is `code` good now? Then it is used up in *factor: a step and those before it, or that backup
 * code. Pure: the caller puts the record. */
enum totp_answer totp_try(struct totp_factor *factor, int64_t now_us, struct str code,
                          enum totp_kind kind);

/* In apply: tries the code of a verified factor against locks and counts. A good one is used up and
 * put, an audit record says so, the failures are forgotten. Otherwise false: outcome->err is
 * ERR_ACCOUNT_LOCKED or `wrong`, and the failure is counted. */
bool totp_spend(struct store_tx *tx, const struct command *command, struct totp_factor *factor,
                struct str code, enum totp_kind kind, enum err wrong, struct outcome *outcome);
/* Is the user's second factor locked? Then the outcome says so. */
bool totp_is_locked(const struct store_view *view, const struct command *command, struct id user_id,
                    struct outcome *outcome);

#endif
