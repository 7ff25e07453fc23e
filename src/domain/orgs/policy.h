/*
 * What second factors an organization asks for, and how its members comply.
 *
 * The rule (policy_judge) is pure: policy, override, the user's factors, what was noted before, and
 * the time give the new note. It runs at each login and refresh, in the job for notes that are
 * older than their policy, and when a note's deadline is due.
 *
 *   NOT_APPLICABLE <-> COMPLIANT       nothing is asked / all that is asked is there
 *   either -> IN_GRACE                 something is missing: the clock starts (applied_at)
 *   IN_GRACE -> PAST_DUE               the deadline passed; at once when there is no grace
 *   PAST_DUE -> SUSPENDED              by the job, which also suspends the account
 *   SUSPENDED -> COMPLIANT, NOT_APPLICABLE, or IN_GRACE when a newer policy gives more time
 *
 * Reminders go out by mail while IN_GRACE, from notify_days before the deadline on, one a day.
 *
 * The deadline is always applied_at + the policy's grace of today: it moves with the policy.
 */
#ifndef DOMAIN_ORGS_POLICY_H
#define DOMAIN_ORGS_POLICY_H

#include "domain/orgs/orgs.h"

enum policy_mode {
    POLICY_DISABLED,
    POLICY_OPTIONAL,
    POLICY_TOTP,
    POLICY_PASSKEY,
    POLICY_EITHER,
};

enum policy_override { OVERRIDE_INHERIT, OVERRIDE_REQUIRED, OVERRIDE_EXEMPT };

/* In the order of badness, but for the first two, which are equally good. */
enum compliance_status {
    COMPLIANCE_NOT_APPLICABLE,
    COMPLIANCE_COMPLIANT,
    COMPLIANCE_PENDING, /* the contract's word; no rule leads here */
    COMPLIANCE_IN_GRACE,
    COMPLIANCE_PAST_DUE,
    COMPLIANCE_SUSPENDED,
};

enum {
    POLICY_GRACE_DAYS_DEFAULT = 14,
    POLICY_GRACE_DAYS_MAX = 365,
    POLICY_NOTIFY_DAYS_DEFAULT = 7,
    POLICY_NOTIFY_DAYS_MAX = 30,
};

struct policy {
    struct schema_set set;
    struct id organization_id;
    int32_t mode;
    int64_t grace_days;
    int64_t notify_days;
    int64_t version;
    struct id updated_by_id;
    int64_t created_at;
    int64_t updated_at;
    int64_t stale_at; /* absent: every note is of this version */
};

struct member_policy {
    struct schema_set set;
    struct id id;
    struct id organization_id;
    struct id user_id;
    int32_t override;
    bool force_totp;
    bool force_passkey;
    int64_t created_at;
    int64_t updated_at;
};

struct compliance_note {
    struct schema_set set;
    struct id id;
    struct id organization_id;
    struct id user_id;
    int32_t status;
    int64_t policy_version;
    int64_t applied_at;   /* since when something is missing */
    int64_t deadline_at;  /* likewise */
    int64_t compliant_at; /* since when nothing is missing */
    int64_t suspended_at;
    int64_t due_at; /* when the job has to look; absent: never */
    int64_t created_at;
    int64_t updated_at;
    int64_t remind_at; /* when the next reminder is due; absent: never */
    int64_t reminded_at;
    int64_t reminder_count; /* since something is missing */
};

extern const struct schema policy_schema;
extern const struct schema member_policy_schema;
extern const struct schema compliance_note_schema;
extern const struct table policy_table;
extern const struct table member_policy_table;
extern const struct table compliance_note_table;
extern const char *const policy_mode_names[];
extern const char *const policy_override_names[];
extern const char *const compliance_status_names[];
enum { POLICY_INDEX_STALE };
enum { MEMBER_POLICY_INDEX_PAIR };
enum {
    NOTE_INDEX_PAIR,
    NOTE_INDEX_CREATED,
    NOTE_INDEX_VERSION,
    NOTE_INDEX_DUE,
    NOTE_INDEX_REMIND,
};

/* ---- the rule ---- */

/* What is asked of one member. */
struct policy_need {
    uint32_t all; /* bits of enum user_factor: each of them */
    bool either;  /* at least one of any kind */
};
struct policy_need policy_need_of(const struct policy *policy, const struct member_policy *member);
/* Bits of what is still missing; both when either would do. */
uint32_t policy_missing(struct policy_need need, uint32_t factors);
/* When the next reminder is due, by what was noted; sets or clears remind_at. */
void policy_plan_reminder(const struct policy *policy, struct compliance_note *note);
/* Brings *note up to date. */
void policy_judge(const struct policy *policy, const struct member_policy *member, uint32_t factors,
                  int64_t now_us, struct compliance_note *note);

/* ---- in the store ---- */

/* The default (optional, version 0) when none was set. */
enum err policy_load(const struct store_view *view, struct id organization_id, struct arena *arena,
                     struct policy *policy);
enum err member_policy_load(const struct store_view *view, struct id organization_id,
                            struct id user_id, struct arena *arena, struct member_policy *member);
/* A new one, not stored yet, with an id of zero, when there is none. */
enum err note_load(const struct store_view *view, struct id organization_id, struct id user_id,
                   struct arena *arena, struct compliance_note *note);

/* One membership judged now. */
struct judgement {
    struct policy policy;
    struct policy_need need;
    uint32_t missing;
    struct compliance_note note;
};
enum err judgement_make(const struct store_view *view, struct id organization_id,
                        const struct user *user, int64_t now_us, struct arena *arena,
                        struct judgement *judgement);
/* Stores the note when it says something, or corrects one that is stored. */
void judgement_put(struct store_tx *tx, const struct command *command, struct judgement *judgement);
/* An account that was suspended for its compliance is active again when no organization says so any
 * more. True when *user changed; the caller puts it. */
bool policy_restore(const struct store_view *view, const struct command *command,
                    struct user *user);
/* Removes what is noted about a member who leaves. */
void policy_forget(struct store_tx *tx, const struct command *command, struct id organization_id,
                   struct id user_id);
/* Judges some of the members whose notes are older than the policy; marks it done behind the last.
 */
void policy_sweep(struct store_tx *tx, const struct command *command, struct policy *policy);

/* All of a user's organizations. */
struct compliance_sum {
    enum compliance_status status; /* the worst; COMPLIANT when nothing is asked */
    uint32_t missing;
    int64_t deadline_at; /* the earliest that counts; 0 = none */
};
/* With `tx` the notes are stored, without only read. Adds mfa_compliance to `data`; `is_long` adds
 * effective_mode and applied_at. */
enum err compliance_add(const struct store_view *view, struct store_tx *tx,
                        const struct command *command, const struct user *user, bool is_long,
                        yyjson_mut_doc *doc, yyjson_mut_val *data, struct compliance_sum *sum);

#endif
