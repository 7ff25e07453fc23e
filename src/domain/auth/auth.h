/*
 * Users, sessions and tokens. Public to the domains right of this one: the tables and the lookups.
 *
 * A login gives three tokens over one session: `token` (opaque, for the session's life),
 * `access_token` (JWT, short) and `refresh_token` (rotating). The store knows only hashes of the
 * opaque ones. Revoking the session ends all three at once.
 *
 * Session states: ACTIVE -> REVOKED (logout, password change, suspension, deletion, refresh token
 * reuse); being past expires_at is not a state but a comparison.
 */
#ifndef DOMAIN_AUTH_AUTH_H
#define DOMAIN_AUTH_AUTH_H

#include "engine/engine.h"

enum user_status {
    USER_ACTIVE,
    USER_INACTIVE,
    USER_SUSPENDED,
    USER_PENDING,
    USER_COMPLIANCE_SUSPENDED,
    USER_DELETED,
};

struct user {
    struct schema_set set;
    struct id id;
    struct str email; /* lower case */
    bool email_verified;
    struct str full_name;
    struct str first_name;
    struct str last_name;
    struct str phone;
    struct str date_of_birth;
    struct str avatar_url;
    int32_t status;
    int32_t role; /* bit number of enum role */
    struct str password_hash;
    int64_t password_changed_at;
    int64_t terms_accepted_at;
    int64_t last_login_at;
    struct str last_login_ip;
    int64_t created_at;
    int64_t updated_at;
    int64_t deleted_at;
    struct str username;
    struct str address; /* JSON text: an object or a string, as it was sent */
    int64_t privacy_accepted_at;
    bool marketing_consent;
    int64_t factors; /* bits of enum user_factor; absent = none */
    int64_t email_verified_at;
    /* An administrator wants a new password: sessions may only change it until then. */
    bool must_change_password;
    struct str status_reason; /* why an administrator changed the status */
    int64_t erased_at;
};

/* Second factors that are set up and proven. Kept with the user so that lists and views need not
 * look into other tables; written only by the command that writes the factor's own record. */
enum user_factor { USER_FACTOR_TOTP = 1 << 0, USER_FACTOR_PASSKEY = 1 << 1 };

enum session_status { SESSION_ACTIVE, SESSION_REVOKED };

/* Active sessions of one user; one more ends the oldest. What ends them all (a new password) must
 * fit in one command, and the list of them in one reply. */
enum { SESSIONS_PER_USER_MAX = 200 };
enum { DEVICE_NAME_MAX = 100 }; /* characters */

struct session {
    struct schema_set set;
    struct id id;
    struct id user_id;
    int32_t status;
    struct str token_hash; /* SHA-256 of the opaque token */
    struct str ip_address;
    struct str user_agent;
    int64_t expires_at;
    int64_t last_activity_at;
    int64_t revoked_at;
    struct str revoked_reason;
    bool is_compliance_only;
    int64_t created_at;
    int64_t updated_at;
    struct str device_name; /* what its owner calls it; absent: as its program looks */
};

/* One row per refresh token ever given out and not yet expired: a used one that comes back revokes
 * its session. */
struct refresh_token {
    struct schema_set set;
    struct str token_hash;
    struct id session_id;
    int64_t expires_at;
    int64_t used_at;
};

/* Failed logins to one account, from one address (key: both) or from anywhere (key: account). */
struct login_failures {
    struct schema_set set;
    struct str key; /* 32 bytes */
    int64_t count;
    int64_t expires_at; /* end of counting, or of the lock */
    int64_t locked_until;
};

/* The key that signs access tokens. */
struct signing_key {
    struct schema_set set;
    struct str kid;
    struct str scalar; /* sealed at rest */
    int64_t created_at;
};

extern const struct schema user_schema;
extern const struct schema session_schema;
extern const struct schema refresh_token_schema;
extern const struct schema login_failures_schema;
extern const struct schema signing_key_schema;
extern const struct table user_table;
extern const struct table session_table;
extern const struct table refresh_token_table;
extern const struct table login_failures_table;
extern const struct table signing_key_table;

enum {
    USER_INDEX_EMAIL,
    USER_INDEX_ROLE, /* and created_at */
    USER_INDEX_USERNAME,
    USER_INDEX_NAME, /* full_name, folded */
    USER_INDEX_CREATED,
    USER_INDEX_STATUS, /* and created_at */
};
enum { SESSION_INDEX_TOKEN, SESSION_INDEX_USER, SESSION_INDEX_EXPIRES };
enum { REFRESH_INDEX_SESSION, REFRESH_INDEX_EXPIRES };
enum { FAILURES_INDEX_EXPIRES };

extern const char *const user_status_names[];

extern const struct module auth_module;
extern const struct module totp_module; /* second factor: one-time codes */
extern const struct module passkey_module;
extern const struct module recovery_module; /* confirming the address, a lost password */
extern const struct authenticator auth_authenticator;

/* ERR_NOT_FOUND also for deleted users. */
enum err user_get(const struct store_view *view, struct id id, struct arena *arena,
                  struct user *user);
/* `email` in lower case. */
enum err user_find_email(const struct store_view *view, struct str email, struct arena *arena,
                         struct user *user);
enum err user_find_username(const struct store_view *view, struct str username, struct arena *arena,
                            struct user *user);
/* Adds or removes a bit of user->factors and stamps updated_at. The caller puts the record. */
void user_set_factor(struct user *user, enum user_factor factor, bool is_set, int64_t now_us);
/* Which password was verified outside the batch: it still counts in the batch when the user has not
 * changed it since. A new hash of the same password (after an import, or at a higher cost) is no
 * change. */
struct password_mark {
    struct id user_id;
    int64_t changed_at;
};
struct password_mark password_mark_of(const struct user *user);
bool password_mark_holds(struct password_mark mark, const struct user *user);
/* Somebody has shown to read mail at the user's address. The caller puts the record. */
void user_mark_verified(struct user *user, int64_t now_us);
/* What a mail calls them. */
struct str user_display_name(const struct user *user);
bool user_any_admin(const struct store_view *view, struct arena *arena);
/* Is this user an active administrator, and nobody else one? Somebody must be left who can let
 * others in again. */
bool user_is_last_admin(const struct store_view *view, const struct user *user,
                        struct arena *arena);
/* Removes all second factors, and their marks from *user, which the caller puts. */
void user_forget_factors(struct store_tx *tx, const struct command *command, struct user *user);
/* ERR_NOT_FOUND only for those who never were, and for erased ones. */
enum err user_get_closed(const struct store_view *view, struct id id, struct arena *arena,
                         struct user *user);
/* May the account go? ERR_LAST_ADMIN, ERR_LAST_OWNER. */
enum err user_erase_check(const struct store_view *view, const struct user *user,
                          struct arena *arena);
/* Removes everything personal; puts the account as a blank. */
void user_erase(struct store_tx *tx, const struct command *command, struct user *user);
/* The address of a closed account: free for a new registration is the one before. */
struct str user_deleted_email(const struct command *command, const struct user *user);
/* Ends all active sessions of a user. */
void session_revoke_all(struct store_tx *tx, const struct command *command, struct id user_id,
                        const char *reason);

/* ---- how a user looks in replies ---- */

/* Embedded by the outputs that hold a user. */
struct user_view {
    struct schema_set set;
    struct id id;
    struct str email;
    bool email_verified;
    bool is_email_verified;
    struct str full_name;
    struct str first_name;
    struct str last_name;
    struct str phone;
    struct str phone_number;
    bool phone_verified;
    bool is_phone_verified;
    struct str avatar_url;
    int32_t status;
    int32_t role;
    bool is_active;
    bool mfa_enabled;
    bool two_factor_enabled;
    int64_t last_login_at;
    struct str last_login_ip;
    int64_t created_at;
    int64_t updated_at;
    int64_t deleted_at;
};

extern const struct schema user_view_schema;

/* The user as an object, not yet added anywhere. Texts are copied into the arena. */
yyjson_mut_val *user_view_make(yyjson_mut_doc *doc, const struct user *user, struct arena *arena);
/* Adds the user as an object. */
yyjson_mut_val *user_view_add(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key,
                              const struct user *user, struct arena *arena);

/* ---- for the domains right of this one ---- */

/*
 * What organizations add to accounts. Domains see only those left of them, so the one that knows
 * organizations registers here at its start, and the rows of this domain ask. The alternative, the
 * right domain owning rows such as /auth/me, would move the half of this domain that has nothing to
 * do with organizations. One constant set of functions; set once, before requests come.
 */
struct auth_extension {
    /* GET /auth/me: appends the user's organizations. */
    enum err (*me)(const struct store_view *view, struct id user_id, struct arena *arena,
                   yyjson_mut_doc *doc, yyjson_mut_val *list);
    /* For access tokens: appends {organization_id, role} of at most TOKEN_ROLES_MAX memberships,
     * oldest first; *is_whole: there are no more. */
    enum err (*roles)(const struct store_view *view, struct id user_id, struct arena *arena,
                      yyjson_mut_doc *doc, yyjson_mut_val *list, bool *is_whole);
    /* In apply, at the end of a login and at a refresh: adds mfa_compliance to the reply's data,
     * may change user->status (the caller puts the record). True: the session is limited to setting
     * up a second factor. */
    bool (*login)(struct store_tx *tx, const struct command *command, struct user *user,
                  struct outcome *outcome);
    /* Taking a second factor down: would the bits that are left break a policy that those of now
     * keep? ERR_FACTOR_NEEDED. */
    enum err (*factors_check)(const struct store_view *view, const struct command *command,
                              const struct user *user, uint32_t left);
    /* Closing an account: may it go (ERR_LAST_OWNER), and what goes with it. */
    enum err (*close_check)(const struct store_view *view, struct id user_id, struct arena *arena);
    void (*close_apply)(struct store_tx *tx, const struct command *command, struct id user_id);
};
void auth_extend(const struct auth_extension *extension);

/* The page at `/`, for whoever owns that row: endpoint->page. */
enum err root_page_read(struct request *request, const struct store_view *view);

/* ---- passwords, in prepare (password_check.c) ---- */

struct password_check {
    struct str
        hash;      /* the stored one; STR_NONE: there is none, which takes as long and never fits */
    bool is_known; /* there was something to compare with */
    bool is_match;
    struct str new_hash; /* instead of one of an old form or cost that fitted, or STR_NONE */
};
/* Called with request->step 0 and again whenever prepare is: ERR_AGAIN while it is parked, ERR_OK
 * when the answer is there. */
enum err password_check_step(struct request *request, struct str password,
                             struct password_check *check);
/* A new hash: ERR_AGAIN, and the next step of prepare finishes. ERR_VALIDATION: no usable password.
 * STR_NONE: no memory. */
enum err password_hash_start(struct request *request, struct str password);
struct str password_hash_finish(struct request *request);

/* ---- lockout (rules.c) ---- */

/* After `failures_max` failures with less than `memory_us` between them every attempt is refused
 * for `lock_us`. When the memory is the longer one, the next failure locks again at once. */
struct lockout_rule {
    int64_t failures_max;
    int64_t lock_us;
    int64_t memory_us;
};
struct lockout_rules {
    struct lockout_rule by_address;
    struct lockout_rule by_account;
};

/* Failures are counted per subject and address, and per subject; for unknown ones too, so that
 * nothing tells them apart. */
struct lockout {
    struct login_failures by_address;
    struct login_failures by_account;
    int64_t locked_until; /* 0 = not locked */
};
/* `subject`: an e-mail address, or a text without @ that begins with the kind of the other thing.
 */
void lockout_load(const struct store_view *view, const struct command *command, struct str subject,
                  struct lockout *lockout);
/* One more failure. */
void lockout_count_by(struct store_tx *tx, const struct command *command,
                      const struct lockout_rules *rules, struct lockout *lockout);
/* A good login forgets the failures. */
void lockout_clear(struct store_tx *tx, struct lockout *lockout);

/* ---- for the program's own subcommands ---- */

/* Import and `admin create`: system commands over this. */
struct user_draft {
    struct str email;
    struct str full_name;
    struct str password_hash; /* any form that password_hash_check accepts */
    enum role role;
    bool replaces; /* an existing account gets this password hash and role */
};
/* command->prepared is a struct user_draft. ERR_EMAIL_TAKEN, ERR_VALIDATION. */
extern const struct command_row user_import_command;

/* The one-time token for the first administrator: made at start when there is none, in memory only.
 * STR_NONE when there is an administrator. */
struct str auth_setup_token(void);

#endif
