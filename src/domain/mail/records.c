/* The records of this domain: what a mail in the outbox holds, and organizations' templates. */
#include "domain/mail/mail.h"

enum { VALUE_MAX = 512 }; /* characters */

/* Not a table of its own: the payload of a row of the outbox, as JSON. */
static const struct field mail_fields[] = {
    FIELD(struct mail, template, FIELD_ENUM, .flags = FIELD_REQUIRED, .values = mail_template_names,
          .doc = "Which mail."),
    FIELD(struct mail, to, FIELD_TEXT, .flags = FIELD_REQUIRED, .max = EMAIL_BYTES_MAX,
          .doc = "To whom."),
    FIELD(struct mail, organization_id, FIELD_ID, .flags = FIELD_OMIT, .doc = "About which."),
    FIELD(struct mail, name, FIELD_TEXT, .flags = FIELD_OMIT, .max = VALUE_MAX,
          .doc = "Of whom it is for."),
    FIELD(struct mail, link, FIELD_TEXT, .flags = FIELD_OMIT, .max = VALUE_MAX,
          .doc = "What to open."),
    FIELD(struct mail, organization, FIELD_TEXT, .flags = FIELD_OMIT, .max = VALUE_MAX,
          .doc = "Its name."),
    FIELD(struct mail, inviter, FIELD_TEXT, .flags = FIELD_OMIT, .max = VALUE_MAX,
          .doc = "Who invites."),
    FIELD(struct mail, role, FIELD_TEXT, .flags = FIELD_OMIT, .max = VALUE_MAX, .doc = "As what."),
    FIELD(struct mail, life, FIELD_TEXT, .flags = FIELD_OMIT, .max = VALUE_MAX,
          .doc = "For how long."),
    FIELD(struct mail, time, FIELD_TEXT, .flags = FIELD_OMIT, .max = VALUE_MAX, .doc = "When."),
    FIELD(struct mail, address, FIELD_TEXT, .flags = FIELD_OMIT, .max = VALUE_MAX,
          .doc = "From where."),
    FIELD(struct mail, device, FIELD_TEXT, .flags = FIELD_OMIT, .max = VALUE_MAX,
          .doc = "With what program."),
    FIELD(struct mail, deadline, FIELD_TEXT, .flags = FIELD_OMIT, .max = VALUE_MAX,
          .doc = "Until when."),
    FIELD(struct mail, methods, FIELD_TEXT, .flags = FIELD_OMIT, .max = VALUE_MAX,
          .doc = "Which second factors."),
};

const struct schema mail_schema = SCHEMA("Mail", struct mail, mail_fields);

static const struct field mail_template_fields[] = {
    FIELD(struct mail_template_record, id, FIELD_ID, .tag = 1, .flags = FIELD_REQUIRED,
          .doc = "Id."),
    FIELD(struct mail_template_record, organization_id, FIELD_ID, .tag = 2, .flags = FIELD_REQUIRED,
          .doc = "Whose."),
    FIELD(struct mail_template_record, template, FIELD_ENUM, .tag = 3, .flags = FIELD_REQUIRED,
          .values = mail_template_names, .doc = "Instead of which."),
    FIELD(struct mail_template_record, subject, FIELD_TEXT, .tag = 4, .flags = FIELD_REQUIRED,
          .max = TEMPLATE_SUBJECT_MAX, .doc = "Subject."),
    FIELD(struct mail_template_record, text, FIELD_TEXT, .tag = 5, .flags = FIELD_REQUIRED,
          .max = TEMPLATE_TEXT_MAX, .doc = "Plain text."),
    FIELD(struct mail_template_record, html, FIELD_TEXT, .tag = 6, .flags = FIELD_REQUIRED,
          .max = TEMPLATE_HTML_MAX, .doc = "HTML, without head and body."),
    FIELD(struct mail_template_record, updated_by_id, FIELD_ID, .tag = 7, .flags = FIELD_NULLABLE,
          .doc = "Who set it last."),
    FIELD(struct mail_template_record, created_at, FIELD_TIME, .tag = 8, .flags = FIELD_REQUIRED,
          .doc = "When it was first set."),
    FIELD(struct mail_template_record, updated_at, FIELD_TIME, .tag = 9, .flags = FIELD_REQUIRED,
          .doc = "When it was last set."),
};

const struct schema mail_template_schema =
    SCHEMA("MailTemplate", struct mail_template_record, mail_template_fields);

static const struct table_index mail_template_indexes[] = {
    [MAIL_TEMPLATE_INDEX_PAIR] = {.name = "pair",
                                  .offsets = {offsetof(struct mail_template_record,
                                                       organization_id),
                                              offsetof(struct mail_template_record, template)},
                                  .offset_count = 2,
                                  .is_unique = true},
};

const struct table mail_template_table = {
    .name = "mail_templates",
    .id = 42,
    .version = 1,
    .schema = &mail_template_schema,
    .key_offset = offsetof(struct mail_template_record, id),
    .scope_offset = offsetof(struct mail_template_record, organization_id),
    .indexes = mail_template_indexes,
    .index_count = COUNT_OF(mail_template_indexes),
    .person = {.kind = PERSON_NOBODY},
    .doc = "Mails as organizations want them.",
};

enum err mail_template_find(const struct store_view *view, struct id organization_id,
                            enum mail_template template, struct arena *arena,
                            struct mail_template_record *record) {
    struct store_scope scope = {.kind = STORE_SCOPE_OWNER, .owner = organization_id};
    char memory[ID_BYTES + 8];
    struct buf key = buf_over(memory, sizeof(memory));
    store_key_put_id(&key, organization_id);
    store_key_put_int(&key, template);
    return store_find(view, scope, &mail_template_table, MAIL_TEMPLATE_INDEX_PAIR, buf_str(&key),
                      arena, record);
}
