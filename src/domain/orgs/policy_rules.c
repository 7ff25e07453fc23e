/* The rule of policy.h: pure. */
#include "base/time.h"
#include "domain/orgs/policy.h"

enum { BOTH_FACTORS = USER_FACTOR_TOTP | USER_FACTOR_PASSKEY };

/* What the policy itself asks of those who inherit it. */
static struct policy_need mode_need(enum policy_mode mode) {
    switch (mode) {
    case POLICY_DISABLED:
    case POLICY_OPTIONAL:
        return (struct policy_need){0};
    case POLICY_TOTP:
        return (struct policy_need){.all = USER_FACTOR_TOTP};
    case POLICY_PASSKEY:
        return (struct policy_need){.all = USER_FACTOR_PASSKEY};
    case POLICY_EITHER:
        return (struct policy_need){.either = true};
    }
    CHECK(false);
}

struct policy_need policy_need_of(const struct policy *policy, const struct member_policy *member) {
    if (policy->mode == POLICY_DISABLED || member->override == OVERRIDE_EXEMPT) {
        return (struct policy_need){0};
    }
    struct policy_need need = mode_need((enum policy_mode)policy->mode);
    if (member->override == OVERRIDE_REQUIRED && need.all == 0) {
        need.either = true;
    }
    need.all |= member->force_totp ? USER_FACTOR_TOTP : 0;
    need.all |= member->force_passkey ? USER_FACTOR_PASSKEY : 0;
    return need;
}

uint32_t policy_missing(struct policy_need need, uint32_t factors) {
    uint32_t missing = need.all & ~factors;
    if (need.either && need.all == 0 && (factors & BOTH_FACTORS) == 0) {
        missing = BOTH_FACTORS;
    }
    return missing;
}

static void clock_clear(struct compliance_note *note) {
    SCHEMA_CLEAR(&compliance_note_schema, note, applied_at);
    SCHEMA_CLEAR(&compliance_note_schema, note, deadline_at);
    SCHEMA_CLEAR(&compliance_note_schema, note, suspended_at);
    SCHEMA_CLEAR(&compliance_note_schema, note, due_at);
    SCHEMA_CLEAR(&compliance_note_schema, note, remind_at);
    SCHEMA_CLEAR(&compliance_note_schema, note, reminded_at);
    SCHEMA_CLEAR(&compliance_note_schema, note, reminder_count);
    note->reminder_count = 0;
}

static void judge_good(bool is_asked, int64_t now_us, struct compliance_note *note) {
    clock_clear(note);
    note->status = is_asked ? COMPLIANCE_COMPLIANT : COMPLIANCE_NOT_APPLICABLE;
    if (!is_asked) {
        SCHEMA_CLEAR(&compliance_note_schema, note, compliant_at);
    } else if (!SCHEMA_HAS(&compliance_note_schema, note, compliant_at)) {
        note->compliant_at = now_us;
        SCHEMA_SET(&compliance_note_schema, note, compliant_at);
    }
}

void policy_plan_reminder(const struct policy *policy, struct compliance_note *note) {
    SCHEMA_CLEAR(&compliance_note_schema, note, remind_at);
    if (note->status != COMPLIANCE_IN_GRACE) {
        return;
    }
    int64_t next_us = note->deadline_at - policy->notify_days * TIME_US_PER_DAY;
    if (SCHEMA_HAS(&compliance_note_schema, note, reminded_at) &&
        next_us < note->reminded_at + TIME_US_PER_DAY) {
        next_us = note->reminded_at + TIME_US_PER_DAY;
    }
    if (next_us < note->deadline_at) {
        note->remind_at = next_us;
        SCHEMA_SET(&compliance_note_schema, note, remind_at);
    }
}

static void judge_bad(const struct policy *policy, int64_t now_us, struct compliance_note *note) {
    bool was_suspended = note->status == COMPLIANCE_SUSPENDED;
    SCHEMA_CLEAR(&compliance_note_schema, note, compliant_at);
    if (!SCHEMA_HAS(&compliance_note_schema, note, applied_at)) {
        note->applied_at = now_us;
        SCHEMA_SET(&compliance_note_schema, note, applied_at);
    }
    note->deadline_at = note->applied_at + policy->grace_days * TIME_US_PER_DAY;
    SCHEMA_SET(&compliance_note_schema, note, deadline_at);
    bool is_late = note->deadline_at <= now_us;
    note->status = is_late ? COMPLIANCE_PAST_DUE : COMPLIANCE_IN_GRACE;
    if (is_late && was_suspended) {
        note->status = COMPLIANCE_SUSPENDED; /* not overwritten (contract defect 34) */
        SCHEMA_CLEAR(&compliance_note_schema, note, due_at);
        return;
    }
    SCHEMA_CLEAR(&compliance_note_schema, note, suspended_at);
    note->due_at = note->deadline_at;
    SCHEMA_SET(&compliance_note_schema, note, due_at);
}

void policy_judge(const struct policy *policy, const struct member_policy *member, uint32_t factors,
                  int64_t now_us, struct compliance_note *note) {
    struct policy_need need = policy_need_of(policy, member);
    bool is_asked = need.all != 0 || need.either;
    note->policy_version = policy->version;
    if (policy_missing(need, factors) == 0) {
        judge_good(is_asked, now_us, note);
    } else {
        judge_bad(policy, now_us, note);
        policy_plan_reminder(policy, note);
    }
}
