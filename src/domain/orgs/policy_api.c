/* Policies: show and set, exceptions for single members, and how everybody complies. */
#include "domain/orgs/policy_api.h"

#include "domain/orgs/org_api.h"

struct policy_data {
    struct schema_set set;
    struct policy security_policy;
};

static const struct field policy_data_fields[] = {
    FIELD(struct policy_data, security_policy, FIELD_OBJECT, .flags = FIELD_REQUIRED,
          .of = &policy_schema, .doc = "The policy."),
};

const struct schema policy_data_schema =
    SCHEMA("SecurityPolicyData", struct policy_data, policy_data_fields);

static void policy_reply(const struct command *command, const struct policy *policy,
                         struct outcome *outcome) {
    yyjson_mut_val *data = outcome_data(outcome, command);
    json_add_members(outcome->doc, json_add_object(outcome->doc, data, "security_policy"),
                     &policy_schema, policy);
}

enum err policy_read(struct request *request, const struct store_view *view) {
    const struct organization_params *params = request->command.params;
    struct organization_access access;
    struct policy policy;
    enum err err =
        organization_enter(view, &request->command, params->organization_id, MEMBER_GUEST, &access);
    if (err == ERR_OK) {
        err = policy_load(view, params->organization_id, request->arena, &policy);
    }
    if (err == ERR_OK) {
        policy_reply(&request->command, &policy, &request->outcome);
    }
    return err;
}

/* ---- set ---- */

struct policy_body {
    struct schema_set set;
    int32_t mfa_policy_mode;
    int64_t mfa_grace_period_days;
    int64_t notify_days_before;
};

static const struct field policy_body_fields[] = {
    FIELD(struct policy_body, mfa_policy_mode, FIELD_ENUM, .values = policy_mode_names,
          .doc = "What is asked of members; optional when not given."),
    FIELD(struct policy_body, mfa_grace_period_days, FIELD_INT, .min = 0,
          .max = POLICY_GRACE_DAYS_MAX,
          .doc = "Days that a member has to comply, 0: none; 14 when not given."),
    FIELD(struct policy_body, notify_days_before, FIELD_INT, .min = 0,
          .max = POLICY_NOTIFY_DAYS_MAX,
          .doc = "Days before the deadline when reminders begin; 7 when not given."),
};

const struct schema policy_body_schema =
    SCHEMA("SecurityPolicyBody", struct policy_body, policy_body_fields);

static enum err policy_put_check(const struct store_view *view, const struct command *command,
                                 struct outcome *outcome) {
    const struct organization_params *params = command->params;
    struct organization_access access;
    outcome->organization = params->organization_id;
    outcome->resource = params->organization_id;
    return organization_enter(view, command, params->organization_id, MEMBER_ADMIN, &access);
}

static void policy_put_apply(struct store_tx *tx, const struct command *command,
                             struct outcome *outcome) {
    const struct organization_params *params = command->params;
    const struct policy_body *body = command->body;
    struct policy policy;
    enum err err = policy_load(store_tx_view(tx), params->organization_id, command->arena, &policy);
    CHECK(err == ERR_OK);
    if (policy.version == 0) {
        policy.created_at = command->now_us;
        SCHEMA_SET(&policy_schema, &policy, created_at);
    }
    bool has_mode = SCHEMA_HAS(&policy_body_schema, body, mfa_policy_mode);
    bool has_grace = SCHEMA_HAS(&policy_body_schema, body, mfa_grace_period_days);
    bool has_notify = SCHEMA_HAS(&policy_body_schema, body, notify_days_before);
    policy.mode = has_mode ? body->mfa_policy_mode : POLICY_OPTIONAL;
    policy.grace_days = has_grace ? body->mfa_grace_period_days : POLICY_GRACE_DAYS_DEFAULT;
    policy.notify_days = has_notify ? body->notify_days_before : POLICY_NOTIFY_DAYS_DEFAULT;
    policy.version++;
    policy.updated_by_id = command->caller.user_id;
    policy.updated_at = command->now_us;
    policy.stale_at = command->now_us;
    SCHEMA_SET(&policy_schema, &policy, updated_by_id);
    SCHEMA_SET(&policy_schema, &policy, updated_at);
    SCHEMA_SET(&policy_schema, &policy, stale_at);
    store_put(tx, &policy_table, &policy);
    policy_sweep(tx, command, &policy);
    policy_reply(command, &policy, outcome);
}

const struct command_row policy_put_command = {
    .name = "org.security_policy",
    .action = "org.security_policy.update",
    .resource = "organization",
    .check = policy_put_check,
    .apply = policy_put_apply,
};

/* ---- exceptions ---- */

struct member_policy_params {
    struct schema_set set;
    struct id organization_id;
    struct id user_id;
};

static const struct field member_policy_params_fields[] = {
    FIELD(struct member_policy_params, organization_id, FIELD_ID, .flags = FIELD_REQUIRED,
          .doc = "Organization id."),
    FIELD(struct member_policy_params, user_id, FIELD_ID, .flags = FIELD_REQUIRED,
          .doc = "User id."),
};

const struct schema member_policy_params_schema =
    SCHEMA("UserSecurityPolicyParams", struct member_policy_params, member_policy_params_fields);

struct member_policy_body {
    struct schema_set set;
    int32_t mfa_override_mode;
    bool force_totp;
    bool force_webauthn;
};

static const struct field member_policy_body_fields[] = {
    FIELD(struct member_policy_body, mfa_override_mode, FIELD_ENUM, .flags = FIELD_REQUIRED,
          .values = policy_override_names,
          .doc = "inherit: the policy holds; required: asked also where it is optional; exempt."),
    FIELD(struct member_policy_body, force_totp, FIELD_BOOL,
          .doc = "Ask for one-time codes in any case."),
    FIELD(struct member_policy_body, force_webauthn, FIELD_BOOL,
          .doc = "Ask for a passkey in any case."),
};

const struct schema member_policy_body_schema =
    SCHEMA("UserSecurityPolicyBody", struct member_policy_body, member_policy_body_fields);

struct member_policy_data {
    struct schema_set set;
    struct member_policy user_security_policy;
};

static const struct field member_policy_data_fields[] = {
    FIELD(struct member_policy_data, user_security_policy, FIELD_OBJECT, .flags = FIELD_REQUIRED,
          .of = &member_policy_schema, .doc = "The exception."),
};

const struct schema member_policy_data_schema =
    SCHEMA("UserSecurityPolicyData", struct member_policy_data, member_policy_data_fields);

static enum err member_policy_check(const struct store_view *view, const struct command *command,
                                    struct outcome *outcome) {
    const struct member_policy_params *params = command->params;
    struct organization_access access;
    struct member member;
    outcome->organization = params->organization_id;
    outcome->resource = params->user_id;
    enum err err =
        organization_enter(view, command, params->organization_id, MEMBER_ADMIN, &access);
    if (err == ERR_OK) {
        err = member_get(view, params->organization_id, params->user_id, command->arena, &member);
    }
    if (err == ERR_OK && member.role == MEMBER_OWNER && access.role != MEMBER_OWNER) {
        err = ERR_FORBIDDEN;
    }
    return err;
}

static void member_policy_put(struct store_tx *tx, const struct command *command,
                              struct member_policy *member) {
    const struct member_policy_body *body = command->body;
    if (id_is_zero(member->id)) {
        member->id = command_id(command, "user policy");
        member->created_at = command->now_us;
    }
    member->override = body->mfa_override_mode;
    member->force_totp = body->force_totp;
    member->force_passkey = body->force_webauthn;
    member->updated_at = command->now_us;
    member->set.present = UINT64_MAX >> (64 - member_policy_schema.field_count);
    store_put(tx, &member_policy_table, member);
}

static void member_policy_apply(struct store_tx *tx, const struct command *command,
                                struct outcome *outcome) {
    const struct member_policy_params *params = command->params;
    struct member_policy member;
    struct judgement judgement;
    struct user user;
    enum err err = member_policy_load(store_tx_view(tx), params->organization_id, params->user_id,
                                      command->arena, &member);
    CHECK(err == ERR_OK);
    member_policy_put(tx, command, &member);
    err = user_get(store_tx_view(tx), params->user_id, command->arena, &user);
    if (err == ERR_OK) {
        err = judgement_make(store_tx_view(tx), params->organization_id, &user, command->now_us,
                             command->arena, &judgement);
    }
    /* A clock that runs follows the exception; one that does not starts with the next login. */
    if (err == ERR_OK && !id_is_zero(judgement.note.id)) {
        judgement_put(tx, command, &judgement);
        if (policy_restore(store_tx_view(tx), command, &user)) {
            store_put(tx, &user_table, &user);
        }
    }
    yyjson_mut_val *data = outcome_data(outcome, command);
    json_add_members(outcome->doc, json_add_object(outcome->doc, data, "user_security_policy"),
                     &member_policy_schema, &member);
}

const struct command_row member_policy_command = {
    .name = "user.security_policy",
    .action = "user.security_policy.override_update",
    .resource = "user",
    .check = member_policy_check,
    .apply = member_policy_apply,
};

/* ---- how everybody complies ---- */

enum { COMPLIANCE_PAGE_MAX = 100 };

struct compliance_list_params {
    struct schema_set set;
    struct id organization_id;
    int32_t status;
    int64_t limit;
    int64_t offset;
};

static const struct field compliance_list_params_fields[] = {
    FIELD(struct compliance_list_params, organization_id, FIELD_ID, .flags = FIELD_REQUIRED,
          .doc = "Organization id."),
    FIELD(struct compliance_list_params, status, FIELD_ENUM, .values = compliance_status_names,
          .doc = "Only these."),
    FIELD(struct compliance_list_params, limit, FIELD_INT, .min = 1, .max = COMPLIANCE_PAGE_MAX,
          .doc = "Rows per page; 100 when not given."),
    FIELD(struct compliance_list_params, offset, FIELD_INT, .min = 0,
          .max = MEMBERS_PER_ORGANIZATION_MAX, .doc = "Rows to leave out at the beginning."),
};

const struct schema compliance_list_params_schema =
    SCHEMA("ComplianceListParams", struct compliance_list_params, compliance_list_params_fields);

struct compliance_row {
    struct schema_set set;
    struct id user_id;
    struct str email;
    struct str full_name;
    int32_t status;
    int64_t deadline_at;
    int64_t applied_at;
    int64_t compliant_at;
    int64_t suspended_at;
    int64_t notification_count;
};

static const struct field compliance_row_fields[] = {
    FIELD(struct compliance_row, user_id, FIELD_ID, .flags = FIELD_REQUIRED, .doc = "Who."),
    FIELD(struct compliance_row, email, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "E-mail address."),
    FIELD(struct compliance_row, full_name, FIELD_TEXT, .flags = FIELD_NULLABLE,
          .doc = "Name for display."),
    FIELD(struct compliance_row, status, FIELD_ENUM, .flags = FIELD_REQUIRED,
          .values = compliance_status_names, .doc = "How the member complies."),
    FIELD(struct compliance_row, deadline_at, FIELD_TIME, .flags = FIELD_NULLABLE,
          .doc = "Until when what is missing has to be there."),
    FIELD(struct compliance_row, applied_at, FIELD_TIME, .flags = FIELD_NULLABLE,
          .doc = "Since when something is missing."),
    FIELD(struct compliance_row, compliant_at, FIELD_TIME, .flags = FIELD_NULLABLE,
          .doc = "Since when nothing is missing."),
    FIELD(struct compliance_row, suspended_at, FIELD_TIME, .flags = FIELD_NULLABLE,
          .doc = "When the account was suspended for it."),
    FIELD(struct compliance_row, notification_count, FIELD_INT, .flags = FIELD_REQUIRED,
          .doc = "Reminders sent."),
};

static const struct schema compliance_row_schema =
    SCHEMA("ComplianceRow", struct compliance_row, compliance_row_fields);

struct compliance_list {
    struct schema_set set;
    struct schema_list compliance;
    int64_t count;
    int64_t limit;
    int64_t offset;
};

static const struct field compliance_list_fields[] = {
    FIELD(struct compliance_list, compliance, FIELD_LIST, .flags = FIELD_REQUIRED,
          .of = &compliance_row_schema,
          .doc = "Newest first; members who never logged in since "
                 "there is a policy have no row."),
    FIELD(struct compliance_list, count, FIELD_INT, .flags = FIELD_REQUIRED,
          .doc = "Rows on this page."),
    FIELD(struct compliance_list, limit, FIELD_INT, .flags = FIELD_REQUIRED,
          .doc = "As asked for."),
    FIELD(struct compliance_list, offset, FIELD_INT, .flags = FIELD_REQUIRED,
          .doc = "As asked for."),
};

const struct schema compliance_list_schema =
    SCHEMA("ComplianceList", struct compliance_list, compliance_list_fields);

/* The bit of `from` in one schema becomes that of `to` in another. */
#define COPY_TIME(row, note, member)                                                               \
    do {                                                                                           \
        (row)->member = (note)->member;                                                            \
        if (!SCHEMA_HAS(&compliance_note_schema, note, member)) {                                  \
            SCHEMA_CLEAR(&compliance_row_schema, row, member);                                     \
        }                                                                                          \
    } while (0)

static yyjson_mut_val *compliance_row_make(yyjson_mut_doc *doc, const struct compliance_note *note,
                                           const struct user *user) {
    struct compliance_row row = {
        .set.present = UINT64_MAX >> (64 - COUNT_OF(compliance_row_fields)),
        .user_id = note->user_id,
        .email = user->email,
        .full_name = user->full_name,
        .status = note->status,
        .notification_count = note->reminder_count,
    };
    COPY_TIME(&row, note, deadline_at);
    COPY_TIME(&row, note, applied_at);
    COPY_TIME(&row, note, compliant_at);
    COPY_TIME(&row, note, suspended_at);
    if (str_is_none(user->full_name)) {
        SCHEMA_CLEAR(&compliance_row_schema, &row, full_name);
    }
    yyjson_mut_val *value = json_object(doc);
    json_add_members(doc, value, &compliance_row_schema, &row);
    return value;
}

static enum err compliance_page(struct request *request, struct store_scan *scan,
                                yyjson_mut_val *list, uint32_t limit, uint32_t *count) {
    const struct compliance_list_params *params = request->command.params;
    bool has_status = SCHEMA_HAS(&compliance_list_params_schema, params, status);
    int64_t skip = params->offset;
    enum err err = ERR_OK;
    *count = 0;
    while (err == ERR_OK && *count < limit) {
        struct compliance_note note;
        struct user user;
        err = store_scan_next(scan, request->arena, &note);
        if (err != ERR_OK || (has_status && note.status != params->status)) {
            continue;
        }
        if (skip > 0) {
            skip--;
            continue;
        }
        err = user_get(scan->view, note.user_id, request->arena, &user);
        if (err == ERR_OK) {
            json_append_val(request->outcome.doc, list,
                            compliance_row_make(request->outcome.doc, &note, &user));
            (*count)++;
        }
    }
    return err == ERR_END ? ERR_OK : err;
}

static enum err compliance_rows(struct request *request, const struct store_view *view) {
    const struct compliance_list_params *params = request->command.params;
    bool has_limit = SCHEMA_HAS(&compliance_list_params_schema, params, limit);
    uint32_t limit = has_limit ? (uint32_t)params->limit : COMPLIANCE_PAGE_MAX;
    uint32_t count = 0;
    char prefix_bytes[ID_BYTES];
    struct buf prefix = buf_over(prefix_bytes, sizeof(prefix_bytes));
    struct store_scan scan;
    store_key_put_id(&prefix, params->organization_id);
    enum err err = store_scan_open(&scan, view, organization_scope(params->organization_id),
                                   &compliance_note_table, NOTE_INDEX_CREATED, buf_str(&prefix),
                                   STR_NONE, true);
    if (err != ERR_OK) {
        return err;
    }
    yyjson_mut_val *data = outcome_data(&request->outcome, &request->command);
    yyjson_mut_doc *doc = request->outcome.doc;
    err = compliance_page(request, &scan, json_add_array(doc, data, "compliance"), limit, &count);
    store_scan_close(&scan);
    json_add_int(doc, data, "count", count);
    json_add_int(doc, data, "limit", limit);
    json_add_int(doc, data, "offset", params->offset);
    return err;
}

enum err compliance_list_read(struct request *request, const struct store_view *view) {
    const struct compliance_list_params *params = request->command.params;
    struct organization_access access;
    enum err err =
        organization_enter(view, &request->command, params->organization_id, MEMBER_ADMIN, &access);
    return err == ERR_OK ? compliance_rows(request, view) : err;
}

/* ---- how the caller complies ---- */

struct my_compliance {
    struct schema_set set;
    struct str mfa_compliance;
};

static const struct field my_compliance_fields[] = {
    FIELD(struct my_compliance, mfa_compliance, FIELD_JSON, .flags = FIELD_REQUIRED,
          .doc = "Overall and per organization, as a login would judge now; reading it starts no "
                 "clock."),
};

const struct schema my_compliance_schema =
    SCHEMA("MyCompliance", struct my_compliance, my_compliance_fields);

enum err my_compliance_read(struct request *request, const struct store_view *view) {
    struct compliance_sum sum;
    struct user user;
    enum err err = user_get(view, request->command.caller.user_id, request->arena, &user);
    if (err != ERR_OK) {
        return err;
    }
    yyjson_mut_val *data = outcome_data(&request->outcome, &request->command);
    return compliance_add(view, NULL, &request->command, &user, true, request->outcome.doc, data,
                          &sum);
}
