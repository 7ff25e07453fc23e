/*
 * Templates of an organization's mails over HTTP: its admins replace the built-in ones of those
 * mails that are about the organization. What names a placeholder that the mail does not have is
 * refused when it is set, so that every mail can be made.
 */
#include "domain/orgs/mail_template_api.h"

#include "domain/mail/mail.h"
#include "domain/orgs/org_api.h"

struct mail_template_params {
    struct schema_set set;
    struct id organization_id;
    int32_t template;
};

static const struct field mail_template_params_fields[] = {
    FIELD(struct mail_template_params, organization_id, FIELD_ID, .flags = FIELD_REQUIRED,
          .doc = "Organization id."),
    FIELD(struct mail_template_params, template, FIELD_ENUM, .flags = FIELD_REQUIRED,
          .values = mail_template_names,
          .doc = "invitation, policy_reminder or policy_suspension."),
};

const struct schema mail_template_params_schema =
    SCHEMA("MailTemplateParams", struct mail_template_params, mail_template_params_fields);

/* ---- how a template looks ---- */

struct mail_template_view {
    struct schema_set set;
    int32_t template;
    struct str subject;
    struct str text;
    struct str html;
    bool is_own;
    struct str placeholders;
};

static const struct field mail_template_view_fields[] = {
    FIELD(struct mail_template_view, template, FIELD_ENUM, .flags = FIELD_REQUIRED,
          .values = mail_template_names, .doc = "Which mail."),
    FIELD(struct mail_template_view, subject, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "Subject."),
    FIELD(struct mail_template_view, text, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "Plain text."),
    FIELD(struct mail_template_view, html, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "HTML, without head and body."),
    FIELD(struct mail_template_view, is_own, FIELD_BOOL, .flags = FIELD_REQUIRED,
          .doc = "False: the built-in one."),
    FIELD(struct mail_template_view, placeholders, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "Words that may stand in double braces."),
};

static const struct schema mail_template_view_schema =
    SCHEMA("MailTemplateView", struct mail_template_view, mail_template_view_fields);

struct mail_template_data {
    struct schema_set set;
    struct mail_template_view template;
};

static const struct field mail_template_data_fields[] = {
    FIELD(struct mail_template_data, template, FIELD_OBJECT, .flags = FIELD_REQUIRED,
          .of = &mail_template_view_schema, .doc = "The template."),
};

const struct schema mail_template_data_schema =
    SCHEMA("MailTemplateData", struct mail_template_data, mail_template_data_fields);

struct mail_templates_data {
    struct schema_set set;
    struct schema_list templates;
};

static const struct field mail_templates_data_fields[] = {
    FIELD(struct mail_templates_data, templates, FIELD_LIST, .flags = FIELD_REQUIRED,
          .of = &mail_template_view_schema, .doc = "All that an organization may change."),
};

const struct schema mail_templates_data_schema =
    SCHEMA("MailTemplatesData", struct mail_templates_data, mail_templates_data_fields);

/* The organization's own, or the built-in one. */
static enum err template_view_make(const struct store_view *view, yyjson_mut_doc *doc,
                                   struct id organization_id, enum mail_template template,
                                   struct arena *arena, yyjson_mut_val **value) {
    struct mail_template_text text = mail_template_default(template);
    struct mail_template_record own;
    enum err err = mail_template_find(view, organization_id, template, arena, &own);
    if (err == ERR_OK) {
        text = (struct mail_template_text){own.subject, own.text, own.html, true};
    } else if (err != ERR_NOT_FOUND) {
        return err;
    }
    struct mail_template_view shown = {
        .set.present = UINT64_MAX >> (64 - COUNT_OF(mail_template_view_fields)),
        .template = (int32_t) template,
        .subject = text.subject,
        .text = text.text,
        .html = text.html,
        .is_own = text.is_own,
        .placeholders = mail_template_placeholders(template),
    };
    *value = json_object(doc);
    json_add_members(doc, *value, &mail_template_view_schema, &shown);
    return ERR_OK;
}

static enum err template_reply(const struct store_view *view, const struct command *command,
                               struct outcome *outcome) {
    const struct mail_template_params *params = command->params;
    yyjson_mut_val *data = outcome_data(outcome, command);
    yyjson_mut_val *value = NULL;
    enum err err = template_view_make(view, outcome->doc, params->organization_id,
                                      (enum mail_template)params->template, command->arena, &value);
    if (err == ERR_OK) {
        json_add_val(outcome->doc, data, "template", value);
    }
    return err;
}

/* ---- reading ---- */

/* Templates of mails that are not about an organization are not there. */
static enum err template_enter(const struct store_view *view, const struct command *command) {
    const struct mail_template_params *params = command->params;
    struct organization_access access;
    if (!mail_template_is_organizations((enum mail_template)params->template)) {
        return ERR_NOT_FOUND;
    }
    return organization_enter(view, command, params->organization_id, MEMBER_ADMIN, &access);
}

enum err mail_template_read(struct request *request, const struct store_view *view) {
    enum err err = template_enter(view, &request->command);
    return err == ERR_OK ? template_reply(view, &request->command, &request->outcome) : err;
}

enum err mail_templates_read(struct request *request, const struct store_view *view) {
    const struct organization_params *params = request->command.params;
    struct organization_access access;
    enum err err =
        organization_enter(view, &request->command, params->organization_id, MEMBER_ADMIN, &access);
    if (err != ERR_OK) {
        return err;
    }
    yyjson_mut_val *data = outcome_data(&request->outcome, &request->command);
    yyjson_mut_doc *doc = request->outcome.doc;
    yyjson_mut_val *list = json_add_array(doc, data, "templates");
    for (int32_t i = 0; i < MAIL_TEMPLATE_COUNT && err == ERR_OK; i++) {
        yyjson_mut_val *value = NULL;
        if (!mail_template_is_organizations((enum mail_template)i)) {
            continue;
        }
        err = template_view_make(view, doc, params->organization_id, (enum mail_template)i,
                                 request->arena, &value);
        if (err == ERR_OK) {
            json_append_val(doc, list, value);
        }
    }
    return err;
}

/* ---- setting ---- */

struct mail_template_body {
    struct schema_set set;
    struct str subject;
    struct str text;
    struct str html;
};

static const struct field mail_template_body_fields[] = {
    FIELD(struct mail_template_body, subject, FIELD_TEXT, .flags = FIELD_REQUIRED, .min = 1,
          .max = TEMPLATE_SUBJECT_MAX, .doc = "Subject."),
    FIELD(struct mail_template_body, text, FIELD_TEXT, .flags = FIELD_REQUIRED, .min = 1,
          .max = TEMPLATE_TEXT_MAX, .doc = "Plain text."),
    FIELD(struct mail_template_body, html, FIELD_TEXT, .flags = FIELD_REQUIRED, .min = 1,
          .max = TEMPLATE_HTML_MAX,
          .doc = "HTML, without head and body; values are escaped in it."),
};

const struct schema mail_template_body_schema =
    SCHEMA("MailTemplateBody", struct mail_template_body, mail_template_body_fields);

static enum err put_prepare(struct request *request) {
    const struct mail_template_params *params = request->command.params;
    const struct mail_template_body *body = request->command.body;
    enum mail_template template = (enum mail_template)params->template;
    struct schema_faults *faults = ARENA_NEW(request->arena, struct schema_faults);
    if (faults == NULL) {
        return ERR_NO_MEMORY;
    }
    request->outcome.faults = faults;
    mail_template_check(template, body->subject, STR("subject"), request->arena, faults);
    mail_template_check(template, body->text, STR("text"), request->arena, faults);
    mail_template_check(template, body->html, STR("html"), request->arena, faults);
    return faults->count == 0 ? ERR_OK : ERR_VALIDATION;
}

static enum err put_check(const struct store_view *view, const struct command *command,
                          struct outcome *outcome) {
    const struct mail_template_params *params = command->params;
    outcome->organization = params->organization_id;
    return template_enter(view, command);
}

static void put_apply(struct store_tx *tx, const struct command *command, struct outcome *outcome) {
    const struct mail_template_params *params = command->params;
    const struct mail_template_body *body = command->body;
    struct mail_template_record record;
    enum err err =
        mail_template_find(store_tx_view(tx), params->organization_id,
                           (enum mail_template)params->template, command->arena, &record);
    if (err != ERR_OK) {
        record = (struct mail_template_record){
            .id = command_id(command, "mail template"),
            .organization_id = params->organization_id,
            .template = params->template,
            .created_at = command->now_us,
        };
    }
    record.set =
        (struct schema_set){.present = UINT64_MAX >> (64 - mail_template_schema.field_count)};
    record.subject = body->subject;
    record.text = body->text;
    record.html = body->html;
    record.updated_by_id = command->caller.user_id;
    record.updated_at = command->now_us;
    store_put(tx, &mail_template_table, &record);
    outcome->resource = record.id;
    err = template_reply(store_tx_view(tx), command, outcome);
    CHECK(err == ERR_OK);
    outcome->message = "The template is set";
}

const struct command_row mail_template_put_command = {
    .name = "org.mail_template.set",
    .action = "org.mail_template.set",
    .resource = "mail_template",
    .prepare = put_prepare,
    .check = put_check,
    .apply = put_apply,
};

/* ---- back to the built-in one ---- */

static void delete_apply(struct store_tx *tx, const struct command *command,
                         struct outcome *outcome) {
    const struct mail_template_params *params = command->params;
    struct mail_template_record record;
    enum err err =
        mail_template_find(store_tx_view(tx), params->organization_id,
                           (enum mail_template)params->template, command->arena, &record);
    if (err == ERR_OK) {
        store_del(tx, &mail_template_table, id_bytes(&record.id));
        outcome->resource = record.id;
    }
    outcome->message = "The built-in template holds again";
}

const struct command_row mail_template_delete_command = {
    .name = "org.mail_template.delete",
    .action = "org.mail_template.delete",
    .resource = "mail_template",
    .frees_room = true,
    .check = put_check,
    .apply = delete_apply,
};
