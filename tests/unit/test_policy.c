/*
 * The rule of second-factor policies: every combination of policy, exception and factors against a
 * table in words, and the clock over random days against a naive account of what happened.
 */
#include "test.h"

#include "base/time.h"
#include "domain/orgs/policy.h"

enum { TOTP = USER_FACTOR_TOTP, PASSKEY = USER_FACTOR_PASSKEY, BOTH = TOTP | PASSKEY };

static bool has(const struct compliance_note *note, size_t offset) {
    return (note->set.present & schema_bit(&compliance_note_schema, offset)) != 0;
}

#define HAS(note, member) has((note), offsetof(struct compliance_note, member))

/* What is missing, said again: factor by factor. */
static uint32_t missing_naive(const struct policy *policy, const struct member_policy *member,
                              uint32_t factors, bool *is_asked) {
    bool wants_totp = member->force_totp || policy->mode == POLICY_TOTP;
    bool wants_passkey = member->force_passkey || policy->mode == POLICY_PASSKEY;
    bool wants_any = policy->mode == POLICY_EITHER || member->override == OVERRIDE_REQUIRED;
    *is_asked = (wants_totp || wants_passkey || wants_any) && policy->mode != POLICY_DISABLED &&
                member->override != OVERRIDE_EXEMPT;
    if (!*is_asked) {
        return 0;
    }
    if (!wants_totp && !wants_passkey) {
        return factors == 0 ? BOTH : 0;
    }
    uint32_t missing = 0;
    missing |= wants_totp && (factors & TOTP) == 0 ? TOTP : 0;
    missing |= wants_passkey && (factors & PASSKEY) == 0 ? PASSKEY : 0;
    return missing;
}

static void expect_combination(const struct policy *policy, const struct member_policy *member,
                               uint32_t factors) {
    bool is_asked;
    uint32_t missing = missing_naive(policy, member, factors, &is_asked);
    EXPECT_EQ_UINT(policy_missing(policy_need_of(policy, member), factors), missing);
    struct compliance_note note = {.status = COMPLIANCE_NOT_APPLICABLE};
    policy_judge(policy, member, factors, 1000, &note);
    int32_t expected = missing != 0
                           ? (policy->grace_days == 0 ? COMPLIANCE_PAST_DUE : COMPLIANCE_IN_GRACE)
                           : (is_asked ? COMPLIANCE_COMPLIANT : COMPLIANCE_NOT_APPLICABLE);
    EXPECT_EQ_INT(note.status, expected);
    EXPECT_EQ_INT(note.policy_version, policy->version);
    EXPECT(HAS(&note, applied_at) == (missing != 0));
    EXPECT(HAS(&note, deadline_at) == (missing != 0));
    EXPECT(HAS(&note, due_at) == (missing != 0));
    EXPECT(HAS(&note, compliant_at) == (missing == 0 && is_asked));
    EXPECT(!HAS(&note, suspended_at));
}

TEST(every_combination)
{
    uint32_t count = 0;
    for (uint32_t bits = 0; bits < 1024; bits++) {
        struct policy policy = {
            .mode = (int32_t)(bits & 7), .grace_days = bits >> 3 & 1 ? 5 : 0, .version = 3};
        struct member_policy member = {.override = (int32_t)(bits >> 4 & 3),
                                       .force_totp = bits >> 6 & 1,
                                       .force_passkey = bits >> 7 & 1};
        if (policy.mode <= POLICY_EITHER && member.override <= OVERRIDE_EXEMPT) {
            expect_combination(&policy, &member, bits >> 8);
            count++;
        }
    }
    EXPECT_EQ_UINT(count, 5 * 2 * 3 * 4 * 4);
}

/* ---- the clock ---- */

/* What a person would write down. */
struct story {
    bool is_bad;
    bool is_suspended;
    int64_t bad_since;
    int64_t good_since; /* 0: nothing is asked */
};

static int32_t story_go_on(struct story *story, const struct policy *policy,
                           const struct member_policy *member, uint32_t factors, int64_t now_us) {
    bool is_asked;
    if (missing_naive(policy, member, factors, &is_asked) == 0) {
        bool was_good = !story->is_bad && story->good_since != 0;
        story->good_since = !is_asked ? 0 : (was_good ? story->good_since : now_us);
        story->is_bad = false;
        story->is_suspended = false;
        return is_asked ? COMPLIANCE_COMPLIANT : COMPLIANCE_NOT_APPLICABLE;
    }
    story->bad_since = story->is_bad ? story->bad_since : now_us;
    story->is_bad = true;
    story->good_since = 0;
    if (now_us < story->bad_since + policy->grace_days * TIME_US_PER_DAY) {
        story->is_suspended = false;
        return COMPLIANCE_IN_GRACE;
    }
    return story->is_suspended ? COMPLIANCE_SUSPENDED : COMPLIANCE_PAST_DUE;
}

static void expect_note(const struct compliance_note *note, const struct story *story,
                        const struct policy *policy) {
    EXPECT(HAS(note, applied_at) == story->is_bad);
    EXPECT(HAS(note, compliant_at) == (story->good_since != 0));
    EXPECT(HAS(note, suspended_at) == story->is_suspended);
    EXPECT(HAS(note, due_at) == (story->is_bad && !story->is_suspended));
    if (story->is_bad) {
        EXPECT_EQ_INT(note->applied_at, story->bad_since);
        EXPECT_EQ_INT(note->deadline_at, story->bad_since + policy->grace_days * TIME_US_PER_DAY);
    }
    if (story->good_since != 0) {
        EXPECT_EQ_INT(note->compliant_at, story->good_since);
    }
}

static void change_something(struct policy *policy, struct member_policy *member,
                             uint32_t *factors) {
    switch (test_random() % 8) {
    case 0:
        policy->mode = (int32_t)(test_random() % 5);
        policy->version++;
        break;
    case 1:
        policy->grace_days = test_random() % 2 != 0 ? 0 : (int64_t)(test_random() % 6);
        policy->version++;
        break;
    case 2:
        member->override = (int32_t)(test_random() % 3);
        member->force_totp = test_random() % 4 == 0;
        member->force_passkey = test_random() % 4 == 0;
        break;
    case 3:
        *factors = (uint32_t)(test_random() % 4);
        break;
    default:
        break; /* only time passes */
    }
}

/* The job: as jobs.c does it. */
static void suspend(struct compliance_note *note, struct story *story, int64_t now_us) {
    if (note->status == COMPLIANCE_PAST_DUE && test_random() % 2 != 0) {
        note->status = COMPLIANCE_SUSPENDED;
        note->suspended_at = now_us;
        SCHEMA_SET(&compliance_note_schema, note, suspended_at);
        SCHEMA_CLEAR(&compliance_note_schema, note, due_at);
        story->is_suspended = true;
    }
}

TEST(the_clock_over_random_days)
{
    uint32_t seen[COMPLIANCE_SUSPENDED + 1] = {0};
    for (uint32_t run = 0; run < 400; run++) {
        struct policy policy = {.mode = POLICY_EITHER, .grace_days = 3, .version = 1};
        struct member_policy member = {0};
        struct compliance_note note = {0};
        struct story story = {0};
        uint32_t factors = 0;
        int64_t now_us = 1000000 * TIME_US_PER_DAY / 50;
        for (uint32_t step = 0; step < 60; step++) {
            change_something(&policy, &member, &factors);
            now_us += (int64_t)(test_random() % (2 * (uint64_t)TIME_US_PER_DAY));
            int32_t expected = story_go_on(&story, &policy, &member, factors, now_us);
            policy_judge(&policy, &member, factors, now_us, &note);
            EXPECT_EQ_INT(note.status, expected);
            expect_note(&note, &story, &policy);
            seen[note.status]++;
            suspend(&note, &story, now_us);
        }
    }
    for (int32_t status = 0; status <= COMPLIANCE_SUSPENDED; status++) {
        EXPECT((seen[status] > 100) == (status != COMPLIANCE_PENDING));
    }
}

/* To the microsecond. */
TEST(the_deadline_itself_is_late)
{
    struct policy policy = {.mode = POLICY_TOTP, .grace_days = 1, .version = 1};
    struct member_policy member = {0};
    struct compliance_note note = {0};
    policy_judge(&policy, &member, 0, 5, &note);
    policy_judge(&policy, &member, 0, 4 + TIME_US_PER_DAY, &note);
    EXPECT_EQ_INT(note.status, COMPLIANCE_IN_GRACE);
    policy_judge(&policy, &member, 0, 5 + TIME_US_PER_DAY, &note);
    EXPECT_EQ_INT(note.status, COMPLIANCE_PAST_DUE);
}

/* ---- reminders ---- */

/* Day by day, as the job does it: the days on which somebody is reminded. */
static uint32_t reminders_of(int64_t grace_days, int64_t notify_days) {
    struct policy policy = {
        .mode = POLICY_TOTP, .grace_days = grace_days, .notify_days = notify_days, .version = 1};
    struct member_policy member = {0};
    struct compliance_note note = {0};
    int64_t start_us = 100 * TIME_US_PER_DAY;
    uint32_t count = 0;
    for (int64_t hour = 0; hour <= grace_days * 24; hour++) {
        int64_t now_us = start_us + hour * TIME_US_PER_HOUR;
        policy_judge(&policy, &member, 0, now_us, &note);
        if (HAS(&note, remind_at) && note.remind_at <= now_us) {
            EXPECT(now_us >= note.deadline_at - notify_days * TIME_US_PER_DAY);
            EXPECT(now_us < note.deadline_at);
            EXPECT(!HAS(&note, reminded_at) || now_us >= note.reminded_at + TIME_US_PER_DAY);
            note.reminded_at = now_us;
            SCHEMA_SET(&compliance_note_schema, &note, reminded_at);
            policy_plan_reminder(&policy, &note);
            count++;
        }
    }
    EXPECT(!HAS(&note, remind_at)); /* past due: nothing to remind of */
    return count;
}

TEST(one_reminder_a_day_before_the_deadline)
{
    EXPECT_EQ_UINT(reminders_of(14, 7), 7);
    EXPECT_EQ_UINT(reminders_of(5, 7), 5);
    EXPECT_EQ_UINT(reminders_of(14, 1), 1);
    EXPECT_EQ_UINT(reminders_of(14, 0), 0);
    EXPECT_EQ_UINT(reminders_of(0, 7), 0);
}

TEST(whoever_complies_is_not_reminded)
{
    struct policy policy = {.mode = POLICY_TOTP, .grace_days = 5, .notify_days = 7, .version = 1};
    struct member_policy member = {0};
    struct compliance_note note = {0};
    policy_judge(&policy, &member, 0, TIME_US_PER_DAY, &note);
    EXPECT(HAS(&note, remind_at));
    policy_judge(&policy, &member, TOTP, TIME_US_PER_DAY, &note);
    EXPECT(!HAS(&note, remind_at));
}
