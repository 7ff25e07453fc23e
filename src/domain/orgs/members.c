/* Members in the store: who owns, who has room, adding and removing. */
#include "domain/orgs/members.h"

#include "domain/orgs/policy.h"

bool member_has_other_owner(const struct store_view *view, struct id organization_id,
                            struct id user_id, struct arena *arena) {
    char memory[ID_BYTES + 8];
    struct buf prefix = buf_over(memory, sizeof(memory));
    struct store_scan scan;
    struct member member;
    bool is_found = false;
    store_key_put_id(&prefix, organization_id);
    store_key_put_int(&prefix, MEMBER_OWNER);
    enum err err = store_scan_open(&scan, view, organization_scope(organization_id), &member_table,
                                   MEMBER_INDEX_ROLE, buf_str(&prefix), STR_NONE, false);
    for (uint32_t i = 0; i < 2 && err == ERR_OK && !is_found; i++) {
        err = store_scan_next(&scan, arena, &member);
        is_found = err == ERR_OK && !id_equal(member.user_id, user_id);
    }
    store_scan_close(&scan);
    return is_found;
}

enum err member_has_room(const struct store_view *view, struct id user_id, struct arena *arena) {
    struct membership_scan scan;
    struct member member;
    struct organization organization;
    uint32_t count = 0;
    enum err err = membership_scan_open(&scan, view, user_id);
    while (err == ERR_OK && count < ORGANIZATIONS_PER_USER_MAX) {
        err = membership_scan_next(&scan, arena, &member, &organization);
        count += err == ERR_OK;
    }
    membership_scan_close(&scan);
    if (err == ERR_END) {
        return ERR_OK;
    }
    return err == ERR_OK ? ERR_LIMIT : err;
}

static void count_put(struct store_tx *tx, struct organization *organization, int64_t change) {
    organization->member_count += change;
    CHECK(organization->member_count >= 0);
    CHECK(organization->member_count <= MEMBERS_PER_ORGANIZATION_MAX);
    store_put(tx, &organization_table, organization);
}

void member_put_new(struct store_tx *tx, const struct command *command,
                    struct organization *organization, struct id user_id, enum member_role role,
                    struct id invited_by, struct member *member) {
    *member = (struct member){
        .set.present = UINT64_MAX >> (64 - member_schema.field_count),
        .id = command_id(command, "member"),
        .user_id = user_id,
        .organization_id = organization->id,
        .role = role,
        .invited_by_id = invited_by,
        .invited_at = command->now_us,
        .joined_at = command->now_us,
        .created_at = command->now_us,
        .updated_at = command->now_us,
    };
    SCHEMA_CLEAR(&member_schema, member, deleted_at);
    if (id_is_zero(invited_by)) {
        SCHEMA_CLEAR(&member_schema, member, invited_by_id);
    }
    if (organization->member_count == 0) {
        SCHEMA_CLEAR(&member_schema, member, invited_at);
    }
    store_put(tx, &member_table, member);
    count_put(tx, organization, 1);
}

void member_remove(struct store_tx *tx, const struct command *command,
                   struct organization *organization, const struct member *member) {
    store_del(tx, &member_table, id_bytes(&member->id));
    count_put(tx, organization, -1);
    policy_forget(tx, command, member->organization_id, member->user_id);
}
