/* The records of policies, overrides and notes of compliance: schemas and tables, nothing else. */
#include "domain/orgs/policy.h"

const char *const policy_mode_names[] = {
    "disabled", "optional", "require_totp", "require_webauthn", "require_totp_or_webauthn", NULL,
};
const char *const policy_override_names[] = {"inherit", "required", "exempt", NULL};
const char *const compliance_status_names[] = {
    "not_applicable", "compliant", "pending", "in_grace", "past_due", "suspended", NULL,
};

static const struct field policy_fields[] = {
    FIELD(struct policy, organization_id, FIELD_ID, .tag = 1, .flags = FIELD_REQUIRED,
          .doc = "Organization id."),
    FIELD_AS(struct policy, mode, "mfa_policy_mode", FIELD_ENUM, .tag = 2, .flags = FIELD_REQUIRED,
             .values = policy_mode_names, .doc = "What is asked of members."),
    FIELD_AS(struct policy, grace_days, "mfa_grace_period_days", FIELD_INT, .tag = 3,
             .flags = FIELD_REQUIRED, .max = POLICY_GRACE_DAYS_MAX,
             .doc = "Days that a member has to comply."),
    FIELD_AS(struct policy, notify_days, "notify_days_before", FIELD_INT, .tag = 4,
             .flags = FIELD_REQUIRED, .max = POLICY_NOTIFY_DAYS_MAX,
             .doc = "Days before the deadline when reminders begin."),
    FIELD_AS(struct policy, version, "policy_version", FIELD_INT, .tag = 5, .flags = FIELD_REQUIRED,
             .doc = "How often it was set; 0 = never."),
    FIELD(struct policy, updated_by_id, FIELD_ID, .tag = 6, .flags = FIELD_HIDDEN,
          .doc = "Who set it last."),
    FIELD(struct policy, created_at, FIELD_TIME, .tag = 7, .flags = FIELD_HIDDEN,
          .doc = "When it was first set."),
    FIELD(struct policy, updated_at, FIELD_TIME, .tag = 8, .flags = FIELD_HIDDEN,
          .doc = "When it was last set."),
    FIELD(struct policy, stale_at, FIELD_TIME, .tag = 9, .flags = FIELD_HIDDEN,
          .doc = "Set while there are notes of an older version."),
};

const struct schema policy_schema = SCHEMA("SecurityPolicy", struct policy, policy_fields);

static const struct table_index policy_indexes[] = {
    [POLICY_INDEX_STALE] = {.name = "stale",
                            .offsets = {offsetof(struct policy, stale_at)},
                            .offset_count = 1},
};

const struct table policy_table = {
    .name = "security_policies",
    .id = 33,
    .version = 1,
    .schema = &policy_schema,
    .key_offset = offsetof(struct policy, organization_id),
    .scope_offset = offsetof(struct policy, organization_id),
    .indexes = policy_indexes,
    .index_count = COUNT_OF(policy_indexes),
    .person = {.kind = PERSON_NOBODY},
    .doc = "What second factors organizations ask for.",
};

static const struct field member_policy_fields[] = {
    FIELD(struct member_policy, id, FIELD_ID, .tag = 1, .flags = FIELD_REQUIRED | FIELD_HIDDEN,
          .doc = "Id."),
    FIELD(struct member_policy, organization_id, FIELD_ID, .tag = 2, .flags = FIELD_REQUIRED,
          .doc = "In what organization."),
    FIELD(struct member_policy, user_id, FIELD_ID, .tag = 3, .flags = FIELD_REQUIRED,
          .doc = "For whom."),
    FIELD_AS(struct member_policy, override, "mfa_override_mode", FIELD_ENUM, .tag = 4,
             .flags = FIELD_REQUIRED, .values = policy_override_names,
             .doc = "Whether the policy holds for this member."),
    FIELD(struct member_policy, force_totp, FIELD_BOOL, .tag = 5, .flags = FIELD_REQUIRED,
          .doc = "Asks for one-time codes in any case."),
    FIELD_AS(struct member_policy, force_passkey, "force_webauthn", FIELD_BOOL, .tag = 6,
             .flags = FIELD_REQUIRED, .doc = "Asks for a passkey in any case."),
    FIELD(struct member_policy, created_at, FIELD_TIME, .tag = 7, .flags = FIELD_HIDDEN,
          .doc = "When it was first set."),
    FIELD(struct member_policy, updated_at, FIELD_TIME, .tag = 8, .flags = FIELD_HIDDEN,
          .doc = "When it was last set."),
};

const struct schema member_policy_schema =
    SCHEMA("UserSecurityPolicy", struct member_policy, member_policy_fields);

static const struct table_index member_policy_indexes[] = {
    [MEMBER_POLICY_INDEX_PAIR] = {.name = "pair",
                                  .offsets = {offsetof(struct member_policy, organization_id),
                                              offsetof(struct member_policy, user_id)},
                                  .offset_count = 2,
                                  .is_unique = true},
};

const struct table member_policy_table = {
    .name = "user_security_policies",
    .id = 34,
    .version = 1,
    .schema = &member_policy_schema,
    .key_offset = offsetof(struct member_policy, id),
    .scope_offset = offsetof(struct member_policy, organization_id),
    .indexes = member_policy_indexes,
    .index_count = COUNT_OF(member_policy_indexes),
    .person = {.kind = PERSON_KEPT,
               .of = "members",
               .index = MEMBER_POLICY_INDEX_PAIR,
               .by = {"organization_id", "user_id"}},
    .doc = "Exceptions from policies for single members.",
};

static const struct field compliance_note_fields[] = {
    FIELD(struct compliance_note, id, FIELD_ID, .tag = 1, .flags = FIELD_REQUIRED, .doc = "Id."),
    FIELD(struct compliance_note, organization_id, FIELD_ID, .tag = 2, .flags = FIELD_REQUIRED,
          .doc = "In what organization."),
    FIELD(struct compliance_note, user_id, FIELD_ID, .tag = 3, .flags = FIELD_REQUIRED,
          .doc = "About whom."),
    FIELD(struct compliance_note, status, FIELD_ENUM, .tag = 4, .flags = FIELD_REQUIRED,
          .values = compliance_status_names, .doc = "How the member complies."),
    FIELD(struct compliance_note, policy_version, FIELD_INT, .tag = 5, .flags = FIELD_REQUIRED,
          .doc = "With which version of the policy."),
    FIELD(struct compliance_note, applied_at, FIELD_TIME, .tag = 6, .flags = FIELD_NULLABLE,
          .doc = "Since when something is missing."),
    FIELD(struct compliance_note, deadline_at, FIELD_TIME, .tag = 7, .flags = FIELD_NULLABLE,
          .doc = "Until when it has to be there."),
    FIELD(struct compliance_note, compliant_at, FIELD_TIME, .tag = 8, .flags = FIELD_NULLABLE,
          .doc = "Since when nothing is missing."),
    FIELD(struct compliance_note, suspended_at, FIELD_TIME, .tag = 9, .flags = FIELD_NULLABLE,
          .doc = "When the account was suspended for it."),
    FIELD(struct compliance_note, due_at, FIELD_TIME, .tag = 10, .flags = FIELD_HIDDEN,
          .doc = "When the job has to look at it."),
    FIELD(struct compliance_note, created_at, FIELD_TIME, .tag = 11, .flags = FIELD_REQUIRED,
          .doc = "When it was first noted."),
    FIELD(struct compliance_note, updated_at, FIELD_TIME, .tag = 12, .flags = FIELD_REQUIRED,
          .doc = "Last change."),
    FIELD(struct compliance_note, remind_at, FIELD_TIME, .tag = 13, .flags = FIELD_HIDDEN,
          .doc = "When the next reminder is due."),
    FIELD(struct compliance_note, reminded_at, FIELD_TIME, .tag = 14, .flags = FIELD_HIDDEN,
          .doc = "When the last reminder was sent."),
    FIELD(struct compliance_note, reminder_count, FIELD_INT, .tag = 15, .flags = FIELD_HIDDEN,
          .max = 1000, .doc = "Reminders sent since something is missing."),
};

const struct schema compliance_note_schema =
    SCHEMA("ComplianceNote", struct compliance_note, compliance_note_fields);

static const struct table_index compliance_note_indexes[] = {
    [NOTE_INDEX_PAIR] = {.name = "pair",
                         .offsets = {offsetof(struct compliance_note, organization_id),
                                     offsetof(struct compliance_note, user_id)},
                         .offset_count = 2,
                         .is_unique = true},
    [NOTE_INDEX_CREATED] = {.name = "created",
                            .offsets = {offsetof(struct compliance_note, organization_id),
                                        offsetof(struct compliance_note, created_at)},
                            .offset_count = 2},
    /* The notes that are older than the policy come first. */
    [NOTE_INDEX_VERSION] = {.name = "version",
                            .offsets = {offsetof(struct compliance_note, organization_id),
                                        offsetof(struct compliance_note, policy_version)},
                            .offset_count = 2},
    [NOTE_INDEX_DUE] = {.name = "due",
                        .offsets = {offsetof(struct compliance_note, due_at)},
                        .offset_count = 1},
    [NOTE_INDEX_REMIND] = {.name = "remind",
                           .offsets = {offsetof(struct compliance_note, remind_at)},
                           .offset_count = 1},
};

const struct table compliance_note_table = {
    .name = "compliance_notes",
    .id = 35,
    .version = 1,
    .schema = &compliance_note_schema,
    .key_offset = offsetof(struct compliance_note, id),
    .scope_offset = offsetof(struct compliance_note, organization_id),
    .indexes = compliance_note_indexes,
    .index_count = COUNT_OF(compliance_note_indexes),
    .person = {.kind = PERSON_KEPT,
               .of = "members",
               .index = NOTE_INDEX_PAIR,
               .by = {"organization_id", "user_id"}},
    .doc = "How members comply with policies, as last judged.",
};
