/* Policies in the store: loading, judging members, and the sum over a user's organizations. */
#include "domain/orgs/policy.h"

enum { SWEEP_NOTES_MAX = 128 };

/* ---- loading ---- */

enum err policy_load(const struct store_view *view, struct id organization_id, struct arena *arena,
                     struct policy *policy) {
    enum err err = store_get(view, organization_scope(organization_id), &policy_table,
                             id_bytes(&organization_id), arena, policy);
    if (err != ERR_NOT_FOUND) {
        return err;
    }
    *policy = (struct policy){
        .organization_id = organization_id,
        .mode = POLICY_OPTIONAL,
        .grace_days = POLICY_GRACE_DAYS_DEFAULT,
        .notify_days = POLICY_NOTIFY_DAYS_DEFAULT,
    };
    SCHEMA_SET(&policy_schema, policy, organization_id);
    SCHEMA_SET(&policy_schema, policy, mode);
    SCHEMA_SET(&policy_schema, policy, grace_days);
    SCHEMA_SET(&policy_schema, policy, notify_days);
    SCHEMA_SET(&policy_schema, policy, version);
    return ERR_OK;
}

static enum err pair_find(const struct store_view *view, const struct table *table, uint32_t index,
                          struct id organization_id, struct id user_id, struct arena *arena,
                          void *record) {
    char memory[2 * ID_BYTES];
    struct buf key = buf_over(memory, sizeof(memory));
    store_key_put_id(&key, organization_id);
    store_key_put_id(&key, user_id);
    return store_find(view, organization_scope(organization_id), table, index, buf_str(&key), arena,
                      record);
}

enum err member_policy_load(const struct store_view *view, struct id organization_id,
                            struct id user_id, struct arena *arena, struct member_policy *member) {
    enum err err = pair_find(view, &member_policy_table, MEMBER_POLICY_INDEX_PAIR, organization_id,
                             user_id, arena, member);
    if (err != ERR_NOT_FOUND) {
        return err;
    }
    *member = (struct member_policy){.organization_id = organization_id, .user_id = user_id};
    return ERR_OK;
}

enum err note_load(const struct store_view *view, struct id organization_id, struct id user_id,
                   struct arena *arena, struct compliance_note *note) {
    enum err err = pair_find(view, &compliance_note_table, NOTE_INDEX_PAIR, organization_id,
                             user_id, arena, note);
    if (err != ERR_NOT_FOUND) {
        return err;
    }
    *note = (struct compliance_note){.organization_id = organization_id, .user_id = user_id};
    SCHEMA_SET(&compliance_note_schema, note, organization_id);
    SCHEMA_SET(&compliance_note_schema, note, user_id);
    SCHEMA_SET(&compliance_note_schema, note, status);
    SCHEMA_SET(&compliance_note_schema, note, policy_version);
    return ERR_OK;
}

/* ---- judging ---- */

enum err judgement_make(const struct store_view *view, struct id organization_id,
                        const struct user *user, int64_t now_us, struct arena *arena,
                        struct judgement *judgement) {
    struct member_policy member;
    enum err err = policy_load(view, organization_id, arena, &judgement->policy);
    if (err == ERR_OK) {
        err = member_policy_load(view, organization_id, user->id, arena, &member);
    }
    if (err == ERR_OK) {
        err = note_load(view, organization_id, user->id, arena, &judgement->note);
    }
    if (err != ERR_OK) {
        return err;
    }
    uint32_t factors = (uint32_t)user->factors;
    judgement->need = policy_need_of(&judgement->policy, &member);
    judgement->missing = policy_missing(judgement->need, factors);
    policy_judge(&judgement->policy, &member, factors, now_us, &judgement->note);
    return ERR_OK;
}

/* Unique within the command, which may note many users. */
static struct id note_id(const struct command *command, const struct compliance_note *note) {
    char label[64];
    struct buf out = buf_over(label, sizeof(label) - 1);
    buf_put_c(&out, "note ");
    buf_put_hex(&out, note->organization_id.bytes, 8);
    buf_put_hex(&out, note->user_id.bytes, 16);
    label[out.len] = '\0';
    CHECK(!out.is_full);
    return command_id(command, label);
}

void judgement_put(struct store_tx *tx, const struct command *command,
                   struct judgement *judgement) {
    struct compliance_note *note = &judgement->note;
    struct compliance_note old;
    enum err err =
        note_load(store_tx_view(tx), note->organization_id, note->user_id, command->arena, &old);
    CHECK(err == ERR_OK);
    bool is_new = id_is_zero(old.id);
    bool says_nothing = note->status == COMPLIANCE_NOT_APPLICABLE && judgement->policy.version == 0;
    bool is_same = old.status == note->status && old.policy_version == note->policy_version &&
                   old.set.present == note->set.present && old.deadline_at == note->deadline_at &&
                   old.remind_at == note->remind_at && old.reminded_at == note->reminded_at;
    if (is_new ? says_nothing : is_same) {
        return;
    }
    if (is_new) {
        note->id = note_id(command, note);
        note->created_at = command->now_us;
        SCHEMA_SET(&compliance_note_schema, note, id);
        SCHEMA_SET(&compliance_note_schema, note, created_at);
        SCHEMA_SET(&compliance_note_schema, note, updated_at);
    }
    note->updated_at = command->now_us;
    store_put(tx, &compliance_note_table, note);
}

bool policy_restore(const struct store_view *view, const struct command *command,
                    struct user *user) {
    struct membership_scan scan;
    bool is_suspended = false;
    if (user->status != USER_COMPLIANCE_SUSPENDED) {
        return false;
    }
    enum err err = membership_scan_open(&scan, view, user->id);
    while (err == ERR_OK && !is_suspended) {
        struct member member;
        struct organization organization;
        struct compliance_note note;
        err = membership_scan_next(&scan, command->arena, &member, &organization);
        if (err == ERR_OK) {
            err = note_load(view, organization.id, user->id, command->arena, &note);
        }
        is_suspended = err == ERR_OK && note.status == COMPLIANCE_SUSPENDED;
    }
    membership_scan_close(&scan);
    if (is_suspended || err != ERR_END) {
        return false;
    }
    user->status = USER_ACTIVE;
    user->updated_at = command->now_us;
    return true;
}

/* The same for an account that nobody else is about to put. */
static void restore_put(struct store_tx *tx, const struct command *command, struct user *user) {
    if (policy_restore(store_tx_view(tx), command, user)) {
        store_put(tx, &user_table, user);
    }
}

void policy_forget(struct store_tx *tx, const struct command *command, struct id organization_id,
                   struct id user_id) {
    struct member_policy member;
    struct compliance_note note;
    struct user user;
    enum err err =
        member_policy_load(store_tx_view(tx), organization_id, user_id, command->arena, &member);
    CHECK(err == ERR_OK);
    err = note_load(store_tx_view(tx), organization_id, user_id, command->arena, &note);
    CHECK(err == ERR_OK);
    if (!id_is_zero(member.id)) {
        store_del(tx, &member_policy_table, id_bytes(&member.id));
    }
    if (!id_is_zero(note.id)) {
        store_del(tx, &compliance_note_table, id_bytes(&note.id));
    }
    if (note.status == COMPLIANCE_SUSPENDED &&
        user_get(store_tx_view(tx), user_id, command->arena, &user) == ERR_OK) {
        restore_put(tx, command, &user);
    }
}

/* ---- after a change of the policy ---- */

/* The first note that is older than its policy. */
static bool sweep_next(struct store_tx *tx, const struct command *command,
                       const struct policy *policy, struct compliance_note *note) {
    char prefix_bytes[ID_BYTES];
    struct buf prefix = buf_over(prefix_bytes, sizeof(prefix_bytes));
    struct store_scan scan;
    store_key_put_id(&prefix, policy->organization_id);
    enum err err = store_scan_open(
        &scan, store_tx_view(tx), organization_scope(policy->organization_id),
        &compliance_note_table, NOTE_INDEX_VERSION, buf_str(&prefix), STR_NONE, false);
    if (err == ERR_OK) {
        err = store_scan_next(&scan, command->arena, note);
        store_scan_close(&scan);
    }
    return err == ERR_OK && note->policy_version < policy->version;
}

void policy_sweep(struct store_tx *tx, const struct command *command, struct policy *policy) {
    for (uint32_t i = 0; i < SWEEP_NOTES_MAX; i++) {
        struct compliance_note note;
        struct judgement judgement;
        struct user user;
        if (!sweep_next(tx, command, policy, &note)) {
            SCHEMA_CLEAR(&policy_schema, policy, stale_at);
            store_put(tx, &policy_table, policy);
            return;
        }
        enum err err = user_get(store_tx_view(tx), note.user_id, command->arena, &user);
        if (err == ERR_OK) {
            err = judgement_make(store_tx_view(tx), policy->organization_id, &user, command->now_us,
                                 command->arena, &judgement);
        }
        if (err == ERR_OK) {
            judgement_put(tx, command, &judgement);
            restore_put(tx, command, &user);
        } else {
            store_del(tx, &compliance_note_table, id_bytes(&note.id)); /* of nobody */
        }
    }
}

/* ---- the sum ---- */

static bool counts(enum compliance_status status) {
    return status >= COMPLIANCE_PENDING;
}

static void sum_take(struct compliance_sum *sum, const struct judgement *judgement) {
    const struct compliance_note *note = &judgement->note;
    enum compliance_status status = (enum compliance_status)note->status;
    if (!counts(status)) {
        return;
    }
    sum->status = status > sum->status ? status : sum->status;
    sum->missing |= judgement->missing;
    if (sum->deadline_at == 0 || note->deadline_at < sum->deadline_at) {
        sum->deadline_at = note->deadline_at;
    }
}

/* The mode that has the effect of what is asked of this member. */
static enum policy_mode effective_mode(const struct judgement *judgement) {
    struct policy_need need = judgement->need;
    if (need.all == 0 && !need.either) {
        return judgement->policy.mode == POLICY_OPTIONAL ? POLICY_OPTIONAL : POLICY_DISABLED;
    }
    if (need.all == 0) {
        return POLICY_EITHER;
    }
    return (need.all & USER_FACTOR_TOTP) != 0 ? POLICY_TOTP : POLICY_PASSKEY;
}

static void add_time_or_null(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key,
                             bool is_there, int64_t time_us) {
    if (is_there) {
        json_add_time(doc, object, key, time_us, TIME_FORM_NAIVE);
    } else {
        json_add_null(doc, object, key);
    }
}

static void organization_entry(yyjson_mut_doc *doc, yyjson_mut_val *list,
                               const struct organization *organization,
                               const struct judgement *judgement, bool is_long) {
    const struct compliance_note *note = &judgement->note;
    yyjson_mut_val *value = json_object(doc);
    json_add_id(doc, value, "organization_id", organization->id);
    json_add_str(doc, value, "organization_name", organization->name);
    json_add_str(doc, value, "status", str_from_c(compliance_status_names[note->status]));
    add_time_or_null(doc, value, "deadline_at",
                     SCHEMA_HAS(&compliance_note_schema, note, deadline_at), note->deadline_at);
    if (is_long) {
        enum policy_mode mode = effective_mode(judgement);
        json_add_str(doc, value, "effective_mode", str_from_c(policy_mode_names[mode]));
        add_time_or_null(doc, value, "applied_at",
                         SCHEMA_HAS(&compliance_note_schema, note, applied_at), note->applied_at);
    }
    json_append_val(doc, list, value);
}

static void sum_add(yyjson_mut_doc *doc, yyjson_mut_val *value, const struct compliance_sum *sum) {
    json_add_str(doc, value, "overall_status", str_from_c(compliance_status_names[sum->status]));
    yyjson_mut_val *missing = json_add_array(doc, value, "missing_methods");
    if ((sum->missing & USER_FACTOR_TOTP) != 0) {
        json_append_str(doc, missing, STR("totp"));
    }
    if ((sum->missing & USER_FACTOR_PASSKEY) != 0) {
        json_append_str(doc, missing, STR("webauthn"));
    }
    add_time_or_null(doc, value, "deadline_at", sum->deadline_at != 0, sum->deadline_at);
}

enum err compliance_add(const struct store_view *view, struct store_tx *tx,
                        const struct command *command, const struct user *user, bool is_long,
                        yyjson_mut_doc *doc, yyjson_mut_val *data, struct compliance_sum *sum) {
    yyjson_mut_val *value = json_add_object(doc, data, "mfa_compliance");
    yyjson_mut_val *list = json_add_array(doc, value, "orgs");
    struct membership_scan scan;
    *sum = (struct compliance_sum){.status = COMPLIANCE_COMPLIANT};
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
        if (err == ERR_OK) {
            sum_take(sum, &judgement);
            organization_entry(doc, list, &organization, &judgement, is_long);
            if (tx != NULL) {
                judgement_put(tx, command, &judgement);
            }
        }
    }
    membership_scan_close(&scan);
    sum_add(doc, value, sum);
    return err == ERR_END ? ERR_OK : err;
}
