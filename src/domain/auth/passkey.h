/*
 * Passkeys (Web Authentication Level 2): the records, and the rules for what a browser brings back.
 * Registering is passkey_setup.c, logging in passkey_login.c, what an owner does with them
 * passkey_manage.c; the rows are in passkey_api.c.
 *
 * A ceremony is two requests. `begin` makes a challenge and stores it with what it is good for;
 * `complete` takes it out of the store, whatever comes of it, so that no challenge works twice:
 *
 *   (no row) -> OPEN (begin) -> (no row) (complete, good or bad; or expired)
 */
#ifndef DOMAIN_AUTH_PASSKEY_H
#define DOMAIN_AUTH_PASSKEY_H

#include "crypto/webauthn.h"
#include "domain/auth/auth.h"

enum {
    /* All are listed in one reply, and to the browser at each login. */
    PASSKEYS_PER_USER_MAX = 20,
    PASSKEY_NAME_MAX = 100,
    CHALLENGE_BYTES = 32,
    USER_HANDLE_LEN = ID_TEXT_LEN,
};

struct passkey {
    struct schema_set set;
    struct str key; /* SHA-256 of the credential id, which may be longer than a key */
    struct id user_id;
    struct str credential_id;
    struct str public_key; /* COSE_Key, as the authenticator sent it */
    int64_t sign_count;
    struct str name;
    int64_t transports; /* bits, by place in passkey_transport_names */
    struct id aaguid;   /* model of the authenticator, as it says */
    struct str format;  /* of the attestation, which is not verified */
    bool is_backup_eligible;
    bool is_backed_up;
    bool was_verified; /* the user was, when it was registered */
    int64_t created_at;
    int64_t last_used_at;
    int64_t updated_at;
};

extern const struct schema passkey_schema;
extern const struct table passkey_table;
extern const char *const passkey_transport_names[];
enum { PASSKEY_INDEX_USER };

/* ERR_NOT_FOUND. Anybody's: at a login nobody is known yet. */
enum err passkey_find(const struct store_view *view, struct str credential_id, struct arena *arena,
                      struct passkey *passkey);

/* All of a user's, newest first. */
struct passkey_list {
    struct passkey items[PASSKEYS_PER_USER_MAX];
    uint32_t count;
};
enum err passkey_list_load(const struct store_view *view, struct id user_id, struct arena *arena,
                           struct passkey_list *list);
/* A prefix of PASSKEY_INDEX_USER: those of one user. `memory` must live as long as the prefix. */
struct str passkey_user_prefix(struct id user_id, char memory[ID_BYTES]);
struct hash passkey_key_of(struct str credential_id);

/* Removes all of them, and the mark from *user, which the caller puts. */
void passkey_forget(struct store_tx *tx, const struct command *command, struct user *user);

/* What the JSON of a passkey shows: id, name, transports, ... */
yyjson_mut_val *passkey_view(const struct command *command, yyjson_mut_doc *doc,
                             const struct passkey *passkey);
/* {"id", "type", "transports"}, as browsers want it. The id must live until the reply is written.
 */
void passkey_descriptor_add(const struct command *command, yyjson_mut_doc *doc,
                            yyjson_mut_val *list, struct str credential_id, int64_t transports);
/* base64url in the command's arena; STR_NONE when memory is out. */
struct str passkey_base64url(const struct command *command, struct str bytes);
/* The user handle: the id as text (identity contract, row 14). */
struct str passkey_user_handle(struct id user_id, char memory[USER_HANDLE_LEN]);

/* ---- challenges ---- */

enum challenge_purpose { CHALLENGE_REGISTER, CHALLENGE_LOGIN };

struct challenge {
    struct schema_set set;
    struct str challenge;
    int32_t purpose;
    struct id user_id;       /* for whom; absent: whoever has a passkey */
    struct str pending_hash; /* of the pending login whose password was checked, or absent */
    int64_t expires_at;
};

extern const struct schema challenge_schema;
extern const struct table challenge_table;
enum { CHALLENGE_INDEX_EXPIRES };

/* In apply: makes one from the command's entropy and stores it; `draft` has all but the challenge
 * and its end. Adds challenge and timeout to the reply's data. */
void challenge_open(struct store_tx *tx, const struct command *command, struct challenge draft,
                    struct outcome *outcome);
/* In apply: takes it out of the store. ERR_CHALLENGE when there is none that still waits for this
 * purpose. */
enum err challenge_take(struct store_tx *tx, const struct command *command, struct str bytes,
                        enum challenge_purpose purpose, struct challenge *challenge);

/* In apply: removes those that have expired, a bounded number at a time. */
void challenge_prune(struct store_tx *tx, const struct command *command);

/* ---- the relying party, and what a browser says to it (passkey_client.c) ---- */

struct relying_party {
    struct str id;
    struct str name;
    struct str origins; /* comma separated */
    /* On the machine of a developer the port changes: any port of http(s)://localhost. Only while
     * neither webauthn.origins nor another host is set. */
    bool is_local;
};
/* From the settings; the Host of a request has no say in it. Slices of the settings. */
struct relying_party relying_party_of(const struct settings *settings);
/* False: *problem is a sentence for the boot log. */
bool relying_party_is_sound(const struct settings *settings, const char **problem);
bool relying_party_origin(const struct relying_party *party, struct str origin);
/* "required", "preferred" or "discouraged"; the first refuses who was not verified. */
struct str passkey_verification(const struct settings *settings);

/* Client data (L2, 5.8.1), in the arena. */
struct client_data {
    struct str type;
    struct str challenge; /* decoded */
    struct str origin;
    bool is_cross_origin;
};
/* ERR_FORMAT: not client data, or without a challenge. ERR_NO_MEMORY. */
enum err client_data_parse(struct str json, struct arena *arena, struct client_data *client);

/* Do client and authenticator speak to this server, in this ceremony, with a user there? ERR_OK,
 * ERR_PASSKEY_ORIGIN, ERR_PASSKEY_UNVERIFIED, ERR_PASSKEY_WRONG. */
enum err passkey_ceremony_check(const struct settings *settings, const struct client_data *client,
                                const struct webauthn_data *data, enum challenge_purpose purpose);

#endif
