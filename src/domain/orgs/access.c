/* Lookups, and who the caller is in an organization. */
#include "domain/orgs/orgs.h"

struct store_scope organization_scope(struct id organization_id) {
    return (struct store_scope){.kind = STORE_SCOPE_OWNER, .owner = organization_id};
}

enum err organization_get(const struct store_view *view, struct id id, struct arena *arena,
                          struct organization *organization) {
    enum err err = store_get(view, organization_scope(id), &organization_table, id_bytes(&id),
                             arena, organization);
    bool is_deleted = err == ERR_OK && SCHEMA_HAS(&organization_schema, organization, deleted_at);
    return is_deleted ? ERR_NOT_FOUND : err;
}

enum err member_get(const struct store_view *view, struct id organization_id, struct id user_id,
                    struct arena *arena, struct member *member) {
    char memory[2 * ID_BYTES];
    struct buf key = buf_over(memory, sizeof(memory));
    store_key_put_id(&key, organization_id);
    store_key_put_id(&key, user_id);
    return store_find(view, organization_scope(organization_id), &member_table, MEMBER_INDEX_PAIR,
                      buf_str(&key), arena, member);
}

enum err organization_enter(const struct store_view *view, const struct command *command,
                            struct id organization_id, enum member_role least,
                            struct organization_access *access) {
    struct member member;
    enum err err = organization_get(view, organization_id, command->arena, &access->organization);
    if (err != ERR_OK) {
        return err;
    }
    if (command->caller.kind == CALLER_KEY) {
        /* What its scopes let through it does as an admin; never as an owner. */
        access->role = MEMBER_ADMIN;
        bool is_own = id_equal(command->caller.organization_id, organization_id);
        return is_own && access->role <= least ? ERR_OK : ERR_FORBIDDEN;
    }
    CHECK(command->caller.kind == CALLER_USER);
    err = member_get(view, organization_id, command->caller.user_id, command->arena, &member);
    if (err != ERR_OK) {
        return err == ERR_NOT_FOUND ? ERR_FORBIDDEN : err;
    }
    access->role = (enum member_role)member.role;
    return access->role <= least ? ERR_OK : ERR_FORBIDDEN;
}

/* ---- from the user's side ---- */

enum err membership_scan_open(struct membership_scan *scan, const struct store_view *view,
                              struct id user_id) {
    struct store_scope system = {.kind = STORE_SCOPE_SYSTEM}; /* the prefix is the user */
    scan->prefix = buf_over(scan->prefix_bytes, sizeof(scan->prefix_bytes));
    store_key_put_id(&scan->prefix, user_id);
    return store_scan_open(&scan->scan, view, system, &member_table, MEMBER_INDEX_USER,
                           buf_str(&scan->prefix), STR_NONE, false);
}

enum err membership_scan_next(struct membership_scan *scan, struct arena *arena,
                              struct member *member, struct organization *organization) {
    enum err err = ERR_NOT_FOUND;
    while (err == ERR_NOT_FOUND) {
        err = store_scan_next(&scan->scan, arena, member);
        if (err != ERR_OK) {
            return err;
        }
        err = organization_get(scan->scan.view, member->organization_id, arena, organization);
    }
    return err;
}

void membership_scan_close(struct membership_scan *scan) {
    store_scan_close(&scan->scan);
}
