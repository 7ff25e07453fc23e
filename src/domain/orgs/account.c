/* Accounts and organizations: what /auth/me lists, how a login is judged, and what
 * closing an account means here. */
#include "domain/orgs/account.h"

#include "domain/orgs/members.h"
#include "domain/orgs/policy.h"

static enum err account_me(const struct store_view *view, struct id user_id, struct arena *arena,
                           yyjson_mut_doc *doc, yyjson_mut_val *list) {
    struct membership_scan scan;
    enum err err = membership_scan_open(&scan, view, user_id);
    while (err == ERR_OK) {
        struct member member;
        struct organization organization;
        err = membership_scan_next(&scan, arena, &member, &organization);
        if (err == ERR_OK) {
            yyjson_mut_val *value = json_object(doc);
            json_add_id(doc, value, "id", organization.id);
            json_add_str(doc, value, "name", organization.name);
            json_add_str(doc, value, "slug", organization.slug);
            json_add_str(doc, value, "role", str_from_c(member_role_names[member.role]));
            json_append_val(doc, list, value);
        }
    }
    membership_scan_close(&scan);
    return err == ERR_END ? ERR_OK : err;
}

static enum err account_roles(const struct store_view *view, struct id user_id, struct arena *arena,
                              yyjson_mut_doc *doc, yyjson_mut_val *list, bool *is_whole) {
    struct membership_scan scan;
    enum err err = membership_scan_open(&scan, view, user_id);
    for (uint32_t count = 0; err == ERR_OK; count++) {
        struct member member;
        struct organization organization;
        err = membership_scan_next(&scan, arena, &member, &organization);
        if (err != ERR_OK || count == TOKEN_ROLES_MAX) {
            break;
        }
        yyjson_mut_val *value = json_object(doc);
        json_add_id(doc, value, "organization_id", organization.id);
        json_add_str(doc, value, "role", str_from_c(member_role_names[member.role]));
        json_append_val(doc, list, value);
    }
    membership_scan_close(&scan);
    *is_whole = err == ERR_END;
    return err == ERR_END ? ERR_OK : err;
}

static enum err account_close_check(const struct store_view *view, struct id user_id,
                                    struct arena *arena) {
    struct membership_scan scan;
    enum err err = membership_scan_open(&scan, view, user_id);
    while (err == ERR_OK) {
        struct member member;
        struct organization organization;
        err = membership_scan_next(&scan, arena, &member, &organization);
        if (err == ERR_OK && member.role == MEMBER_OWNER &&
            !member_has_other_owner(view, organization.id, user_id, arena)) {
            err = ERR_LAST_OWNER;
        }
    }
    membership_scan_close(&scan);
    return err == ERR_END ? ERR_OK : err;
}

static void account_close_apply(struct store_tx *tx, const struct command *command,
                                struct id user_id) {
    struct membership_scan scan;
    enum err err = membership_scan_open(&scan, store_tx_view(tx), user_id);
    while (err == ERR_OK) {
        struct member member;
        struct organization organization;
        err = membership_scan_next(&scan, command->arena, &member, &organization);
        if (err == ERR_OK) {
            member_remove(tx, command, &organization, &member);
        }
    }
    membership_scan_close(&scan);
    CHECK(err == ERR_END);
}

static bool account_login(struct store_tx *tx, const struct command *command, struct user *user,
                          struct outcome *outcome) {
    struct compliance_sum sum;
    yyjson_mut_val *data = outcome_data(outcome, command);
    enum err err =
        compliance_add(store_tx_view(tx), tx, command, user, false, outcome->doc, data, &sum);
    if (err != ERR_OK) {
        return true; /* what cannot be judged is not let through */
    }
    policy_restore(store_tx_view(tx), command, user);
    return sum.status == COMPLIANCE_PAST_DUE || sum.status == COMPLIANCE_SUSPENDED;
}

static enum err account_factors_check(const struct store_view *view, const struct command *command,
                                      const struct user *user, uint32_t left) {
    struct membership_scan scan;
    enum err err = membership_scan_open(&scan, view, user->id);
    while (err == ERR_OK) {
        struct member member;
        struct organization organization;
        struct judgement judgement;
        err = membership_scan_next(&scan, command->arena, &member, &organization);
        if (err == ERR_OK) {
            err = judgement_make(view, organization.id, user, command->now_us, command->arena,
                                 &judgement);
        }
        if (err == ERR_OK && judgement.missing == 0 && policy_missing(judgement.need, left) != 0) {
            err = ERR_FACTOR_NEEDED;
        }
    }
    membership_scan_close(&scan);
    return err == ERR_END ? ERR_OK : err;
}

const struct auth_extension orgs_auth_extension = {
    .login = account_login,
    .me = account_me,
    .roles = account_roles,
    .factors_check = account_factors_check,
    .close_check = account_close_check,
    .close_apply = account_close_apply,
};
