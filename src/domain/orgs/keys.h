/*
 * API keys: of an organization, or of the platform (organization_id zero), which only platform
 * administrators manage. Stored is the SHA-256 of the key; 154 random bits need no slow hash.
 *
 *   (no row) -> ACTIVE -> REVOKED;  being past expires_at is not a state but a comparison
 *
 * Rotation replaces the key under the same id; the key before stays good until previous_until.
 * Revoked and expired rows stay listed until their place is needed for new ones.
 */
#ifndef DOMAIN_ORGS_KEYS_H
#define DOMAIN_ORGS_KEYS_H

#include "crypto/api_key.h"
#include "domain/orgs/orgs.h"

enum {
    KEYS_PER_OWNER_MAX = 200, /* the list is one page */
    KEY_ADDRESSES_BYTES_MAX = 1024,
    KEY_PATHS_BYTES_MAX = 2048,
    KEY_PATHS_MAX = 16,
    KEY_RATE_DEFAULT = 1000, /* per hour */
    KEY_RATE_MAX = 1000000,
    KEY_DAYS_DEFAULT = 365,
    KEY_DAYS_MAX = 3650,
    KEY_HINT_LEN = 10, /* of the key, for people: "cfk_1aB2cD" */
};

struct api_key_record {
    struct schema_set set;
    struct id id;
    struct id organization_id;
    struct str name;
    struct str hint;
    struct str key_hash;
    struct str previous_hash;
    int64_t previous_until;
    int64_t scopes;       /* bits of enum scope */
    struct str addresses; /* comma list as net_list_parse reads it; absent: any */
    struct str paths;     /* beginnings of paths, one per line; absent: any */
    int64_t rate_limit;   /* per hour */
    int64_t expires_at;
    int64_t last_used_at;
    struct str last_used_ip;
    struct id created_by_id;
    int64_t created_at;
    int64_t updated_at;
    int64_t revoked_at;
};

extern const struct schema api_key_schema;
extern const struct table api_key_table;
enum { KEY_INDEX_HASH, KEY_INDEX_PREVIOUS, KEY_INDEX_OWNER };

/* Within one owner: an organization, or zero for the platform. */
enum err key_get(const struct store_view *view, struct id organization_id, struct id id,
                 struct arena *arena, struct api_key_record *key);
bool key_is_active(const struct api_key_record *key, int64_t now_us);

/* ---- what both families of endpoints make of their bodies ---- */

struct key_draft {
    struct str name;
    uint32_t scopes;
    struct str addresses; /* STR_NONE: any */
    struct str paths;
    int64_t rate_limit;
    int64_t expires_at;
};

/* Lists of texts as stored; a fault at `path` for what is not acceptable. ERR_OK, ERR_NO_MEMORY. */
uint32_t key_scopes_parse(const struct schema_list *names);
enum err key_addresses_parse(const struct schema_list *list, struct str path, struct arena *arena,
                             struct schema_faults *faults, struct str *text);
enum err key_paths_parse(const struct schema_list *list, struct str path, struct arena *arena,
                         struct schema_faults *faults, struct str *text);

/* For check: is there a place for one more? ERR_LIMIT. */
enum err key_has_room(const struct store_view *view, struct id organization_id, int64_t now_us,
                      struct arena *arena);
/* In apply: puts a new key. Its text goes to *secret, to be shown once: command->arena. */
void key_put_new(struct store_tx *tx, const struct command *command, struct id organization_id,
                 const struct key_draft *draft, struct api_key_record *key, struct str *secret);
/* In apply: a new text under the same id; the one before stays good for a while. */
void key_rotate(struct store_tx *tx, const struct command *command, struct api_key_record *key,
                int64_t overlap_us, struct str *secret);
void key_revoke(struct store_tx *tx, const struct command *command, struct api_key_record *key);

/* All rows of an owner, oldest first; calls `each`. */
enum err key_each(const struct store_view *view, struct id organization_id, struct arena *arena,
                  void (*each)(void *ctx, const struct api_key_record *key), void *ctx);

void key_add_scopes(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *name,
                    const struct api_key_record *key);
/* Parts of a stored list as a JSON array. */
void key_add_list(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *name, struct str text,
                  char separator);

#endif
