/*
 * Policies by the clock: once a minute members whose deadline comes near are reminded by mail, and
 * those whose time is over are suspended and told. Each note is judged anew first: the factor may
 * have been set up since.
 */
#include "domain/mail/mail.h"
#include "domain/orgs/jobs.h"
#include "domain/orgs/policy.h"
#include "engine/audit.h"
#include "engine/job.h"

#include "base/time.h"

enum { NOTES_MAX = 64, MAIL_LABEL_BYTES = 48 };

/* The first note of an index by time, when it is due. */
static bool note_next(struct store_tx *tx, const struct command *command, uint32_t index,
                      const int64_t *time, struct compliance_note *note) {
    struct store_scope system = {.kind = STORE_SCOPE_SYSTEM};
    struct store_scan scan;
    enum err err = store_scan_open(&scan, store_tx_view(tx), system, &compliance_note_table, index,
                                   STR_NONE, STR_NONE, false);
    if (err == ERR_OK) {
        err = store_scan_next(&scan, command->arena, note);
        store_scan_close(&scan);
    }
    return err == ERR_OK && *time <= command->now_us;
}

/* Whom a note is about, judged now. */
struct subject {
    struct organization organization;
    struct user user;
    struct judgement judgement;
};

/* False: it is about nobody any more, and gone. */
static bool subject_find(struct store_tx *tx, const struct command *command,
                         const struct compliance_note *note, struct subject *subject) {
    const struct store_view *view = store_tx_view(tx);
    enum err err =
        organization_get(view, note->organization_id, command->arena, &subject->organization);
    if (err == ERR_OK) {
        err = user_get(view, note->user_id, command->arena, &subject->user);
    }
    if (err == ERR_OK) {
        err = judgement_make(view, note->organization_id, &subject->user, command->now_us,
                             command->arena, &subject->judgement);
    }
    if (err != ERR_OK) {
        store_del(tx, &compliance_note_table, id_bytes(&note->id));
    }
    return err == ERR_OK;
}

/* ---- mails ---- */

static struct str methods_text(const struct judgement *judgement) {
    bool is_both = (judgement->missing & USER_FACTOR_TOTP) != 0 &&
                   (judgement->missing & USER_FACTOR_PASSKEY) != 0;
    if (is_both) {
        return judgement->need.all == 0 ? STR("a one-time code app or a passkey")
                                        : STR("a one-time code app and a passkey");
    }
    return (judgement->missing & USER_FACTOR_TOTP) != 0 ? STR("a one-time code app")
                                                        : STR("a passkey");
}

/* One command writes to many people: the label is the note's. */
static void subject_mail(struct store_tx *tx, const struct command *command,
                         const struct subject *subject, enum mail_template template) {
    char label[MAIL_LABEL_BYTES];
    struct buf out = buf_over(label, sizeof(label));
    buf_put_c(&out, "mail ");
    buf_put_hex(&out, subject->judgement.note.id.bytes, ID_BYTES);
    buf_put_byte(&out, '\0');
    CHECK(!out.is_full);
    struct mail mail = {.template = (int32_t) template, .to = subject->user.email};
    MAIL_SET(&mail, organization_id, subject->organization.id);
    MAIL_SET(&mail, organization, subject->organization.name);
    MAIL_SET(&mail, name, user_display_name(&subject->user));
    MAIL_SET(&mail, methods, methods_text(&subject->judgement));
    MAIL_SET(&mail, deadline, mail_time_text(command->arena, subject->judgement.note.deadline_at));
    mail_put(tx, command, label, &mail, TIME_US_PER_DAY);
}

/* ---- reminders ---- */

static void remind_due(struct store_tx *tx, const struct command *command,
                       const struct compliance_note *due) {
    struct subject subject;
    if (!subject_find(tx, command, due, &subject)) {
        return;
    }
    struct compliance_note *note = &subject.judgement.note;
    bool is_due =
        SCHEMA_HAS(&compliance_note_schema, note, remind_at) && note->remind_at <= command->now_us;
    if (is_due) {
        note->reminded_at = command->now_us;
        note->reminder_count++;
        SCHEMA_SET(&compliance_note_schema, note, reminded_at);
        SCHEMA_SET(&compliance_note_schema, note, reminder_count);
        policy_plan_reminder(&subject.judgement.policy, note);
        subject_mail(tx, command, &subject, MAIL_POLICY_REMINDER);
    }
    judgement_put(tx, command, &subject.judgement);
}

static void remind_apply(struct store_tx *tx, const struct command *command,
                         struct outcome *outcome) {
    (void)outcome;
    struct compliance_note note;
    for (uint32_t i = 0;
         i < NOTES_MAX && note_next(tx, command, NOTE_INDEX_REMIND, &note.remind_at, &note); i++) {
        remind_due(tx, command, &note);
    }
}

const struct command_row members_remind_command = {
    .name = "orgs.remind",
    .check = job_check,
    .apply = remind_apply,
};

/* ---- suspensions ---- */

static void member_suspend(struct store_tx *tx, const struct command *command,
                           struct subject *subject) {
    struct compliance_note *note = &subject->judgement.note;
    struct user *user = &subject->user;
    note->status = COMPLIANCE_SUSPENDED;
    note->suspended_at = command->now_us;
    SCHEMA_SET(&compliance_note_schema, note, suspended_at);
    SCHEMA_CLEAR(&compliance_note_schema, note, due_at);
    judgement_put(tx, command, &subject->judgement);
    if (user->status == USER_ACTIVE || user->status == USER_PENDING) {
        user->status = USER_COMPLIANCE_SUSPENDED;
        user->updated_at = command->now_us;
        store_put(tx, &user_table, user);
    }
    struct outcome event = {
        .action = "mfa.policy.user_suspended",
        .resource = user->id,
        .organization = note->organization_id,
    };
    audit_append(tx, command, &event, ERR_OK);
    subject_mail(tx, command, subject, MAIL_POLICY_SUSPENSION);
}

static void suspend_due(struct store_tx *tx, const struct command *command,
                        const struct compliance_note *due) {
    struct subject subject;
    if (!subject_find(tx, command, due, &subject)) {
        return;
    }
    if (subject.judgement.note.status == COMPLIANCE_PAST_DUE) {
        member_suspend(tx, command, &subject);
    } else {
        judgement_put(tx, command, &subject.judgement);
    }
}

static void suspend_apply(struct store_tx *tx, const struct command *command,
                          struct outcome *outcome) {
    (void)outcome;
    struct compliance_note note;
    for (uint32_t i = 0;
         i < NOTES_MAX && note_next(tx, command, NOTE_INDEX_DUE, &note.due_at, &note); i++) {
        suspend_due(tx, command, &note);
    }
}

/* Each suspension leaves its own audit record. */
const struct command_row members_suspend_command = {
    .name = "orgs.suspend",
    .resource = "user",
    .check = job_check,
    .apply = suspend_apply,
};
