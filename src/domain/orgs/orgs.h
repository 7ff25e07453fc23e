/*
 * Organizations: who belongs to them and as what, what second factors they ask for, and their API
 * keys. Public to the domains right of this one: the tables, the lookups, and who the caller is in
 * an organization.
 *
 * Tenancy: every table here but `organizations` itself has the organization as its scope, so a
 * lookup in one organization cannot find what is another's. The two lookups that start from a user
 * (membership_scan, and removing a closed account) are the only ones that cross organizations.
 *
 * A deleted organization stays as a row with deleted_at for the audit trail; its slug is free at
 * once, and nothing finds it any more. Its members, keys and policies are removed with it, what is
 * too much for one command by a job (purge_at says that there is something left). A removed
 * member's row is gone.
 *
 * Roles: owner > admin > member > guest. Only owners touch owners, and the last owner stays: an
 * organization that lives has one. Platform administrators are nobody here unless they are members.
 */
#ifndef DOMAIN_ORGS_ORGS_H
#define DOMAIN_ORGS_ORGS_H

#include "domain/auth/auth.h"

enum {
    /* So that a login, which looks at each of them, stays short. */
    ORGANIZATIONS_PER_USER_MAX = 100,
    /* So that the list and the removal of an organization end. */
    MEMBERS_PER_ORGANIZATION_MAX = 10000,
};

struct organization {
    struct schema_set set;
    struct id id;
    struct str name;
    struct str slug;
    struct str description;
    struct str logo_url;
    bool is_active;
    struct str settings;
    int64_t created_at;
    int64_t updated_at;
    int64_t deleted_at;
    int64_t member_count;
    int64_t purge_at; /* absent: nothing hangs on it that has to go */
};

enum member_role { MEMBER_OWNER, MEMBER_ADMIN, MEMBER_MEMBER, MEMBER_GUEST };

struct member {
    struct schema_set set;
    struct id id;
    struct id user_id;
    struct id organization_id;
    int32_t role;
    struct id invited_by_id;
    int64_t invited_at;
    int64_t joined_at;
    int64_t created_at;
    int64_t updated_at;
    int64_t deleted_at; /* always absent; the contract's key */
};

extern const struct schema organization_schema;
extern const struct schema member_schema;
extern const struct table organization_table;
extern const struct table member_table;
extern const char *const member_role_names[];

enum { ORGANIZATION_INDEX_SLUG, ORGANIZATION_INDEX_PURGE };
enum { MEMBER_INDEX_PAIR, MEMBER_INDEX_ROLE, MEMBER_INDEX_USER };

extern const struct module orgs_module;
extern const struct key_authenticator orgs_key_authenticator;

/* What belongs to an organization. */
struct store_scope organization_scope(struct id organization_id);
/* ERR_NOT_FOUND also for deleted ones. */
enum err organization_get(const struct store_view *view, struct id id, struct arena *arena,
                          struct organization *organization);
/* ERR_NOT_FOUND: no member. */
enum err member_get(const struct store_view *view, struct id organization_id, struct id user_id,
                    struct arena *arena, struct member *member);

/* Who the caller is in an organization. */
struct organization_access {
    struct organization organization;
    enum member_role role;
};
/* ERR_NOT_FOUND: there is no such organization. ERR_FORBIDDEN: the caller is no member of it or
 * less than `least`. An API key of the organization counts as an admin: its scopes were asked at
 * the gate. */
enum err organization_enter(const struct store_view *view, const struct command *command,
                            struct id organization_id, enum member_role least,
                            struct organization_access *access);

/* A user's memberships in live organizations, oldest first. */
struct membership_scan {
    struct store_scan scan;
    char prefix_bytes[ID_BYTES];
    struct buf prefix;
};
enum err membership_scan_open(struct membership_scan *scan, const struct store_view *view,
                              struct id user_id);
/* ERR_END when there is no more. */
enum err membership_scan_next(struct membership_scan *scan, struct arena *arena,
                              struct member *member, struct organization *organization);
void membership_scan_close(struct membership_scan *scan);

#endif
