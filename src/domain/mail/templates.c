/* The built-in templates: one table, in plain words. See mail.h. */
#include "domain/mail/templates.h"

#include <string.h>

#include "domain/mail/message.h"

struct template_row {
    const char *name;
    const char *placeholders; /* besides `service`, which each may use */
    bool is_organizations;
    const char *subject;
    const char *text;
    const char *html;
};

#define HELLO_TEXT "Hello {{name}},\n\n"
#define HELLO_HTML "<p>Hello {{name}},</p>\n"
#define LINK_HTML(words)                                                                           \
    "<p><a href=\"{{link}}\" style=\"display:inline-block;padding:10px 18px;border-radius:6px;"    \
    "background:#1f5fbf;color:#ffffff;text-decoration:none\">" words "</a></p>\n"                  \
    "<p style=\"font-size:13px\">If the button does not work, open this address:<br>\n"            \
    "<a href=\"{{link}}\">{{link}}</a></p>\n"

static const struct template_row rows[] = {
    [MAIL_VERIFY_EMAIL] =
        {
            .name = "verify_email",
            .placeholders = "service name link life",
            .subject = "Confirm your e-mail address for {{service}}",
            .text = HELLO_TEXT
            "please confirm that this is your e-mail address:\n\n{{link}}\n\n"
            "The link works once and for {{life}}. If you have not registered at {{service}},\n"
            "you need do nothing.\n",
            .html =
                HELLO_HTML "<p>please confirm that this is your e-mail address.</p>\n" LINK_HTML(
                    "Confirm the address") "<p>The link works once and for {{life}}. If you have "
                                           "not registered at "
                                           "{{service}}, you need do nothing.</p>\n",
        },
    [MAIL_RESET_PASSWORD] =
        {
            .name = "reset_password",
            .placeholders = "service name link life",
            .subject = "Set a new password for {{service}}",
            .text = HELLO_TEXT
            "somebody, probably you, asked for a new password. Set it here:\n\n{{link}}\n\n"
            "The link works once and for {{life}}. If it was not you, do nothing: your\n"
            "password stays as it is.\n",
            .html =
                HELLO_HTML "<p>somebody, probably you, asked for a new password.</p>\n" LINK_HTML(
                    "Set a new password") "<p>The link works once and for {{life}}. If it was not "
                                          "you, do nothing: your "
                                          "password stays as it is.</p>\n",
        },
    [MAIL_INVITATION] =
        {
            .name = "invitation",
            .placeholders = "service link life organization inviter role",
            .is_organizations = true,
            .subject = "{{inviter}} invites you to {{organization}}",
            .text = "Hello,\n\n{{inviter}} invites you to {{organization}} at {{service}}, "
                    "as {{role}}.\nAccept the invitation here:\n\n{{link}}\n\n"
                    "The link works once and for {{life}}. If you do not know what this is about,\n"
                    "you need do nothing.\n",
            .html = "<p>Hello,</p>\n<p>{{inviter}} invites you to <strong>{{organization}}"
                    "</strong> at {{service}}, as {{role}}.</p>\n" LINK_HTML(
                        "Accept the invitation") "<p>The link works once and for {{life}}. If you "
                                                 "do not know what this is "
                                                 "about, you need do nothing.</p>\n",
        },
    [MAIL_NEW_DEVICE] =
        {
            .name = "new_device",
            .placeholders = "service name time address device",
            .subject = "New login to your {{service}} account",
            .text = HELLO_TEXT
            "somebody logged in to your account with a program or from a network that we had\n"
            "not seen before:\n\n  When:    {{time}}\n  From:    {{address}}\n"
            "  Program: {{device}}\n\n"
            "If that was you, all is well. If not, change your password now; that ends all\n"
            "sessions.\n",
            .html = HELLO_HTML
            "<p>somebody logged in to your account with a program or from a network that we "
            "had not seen before:</p>\n<p>When: {{time}}<br>\nFrom: {{address}}<br>\n"
            "Program: {{device}}</p>\n<p>If that was you, all is well. If not, change your "
            "password now; that ends all sessions.</p>\n",
        },
    [MAIL_LOCKED_OUT] =
        {
            .name = "locked_out",
            .placeholders = "service name time address life",
            .subject = "Your {{service}} account is locked for a while",
            .text = HELLO_TEXT
            "there were too many failed logins to your account, the last one at {{time}}\n"
            "from {{address}}. It is locked for {{life}}; open sessions go on.\n\n"
            "If that was not you, somebody is trying to guess your password. A new one, set by\n"
            "a link that you ask for, also ends the lock.\n",
            .html = HELLO_HTML
            "<p>there were too many failed logins to your account, the last one at {{time}} "
            "from {{address}}. It is locked for {{life}}; open sessions go on.</p>\n"
            "<p>If that was not you, somebody is trying to guess your password. A new one, set "
            "by a link that you ask for, also ends the lock.</p>\n",
        },
    [MAIL_PASSWORD_CHANGED] =
        {
            .name = "password_changed",
            .placeholders = "service name time address",
            .subject = "Your {{service}} password was changed",
            .text = HELLO_TEXT
            "the password of your account was changed at {{time}} from {{address}}, and\n"
            "all sessions were ended.\n\nIf that was not you, ask for a new password at once.\n",
            .html = HELLO_HTML
            "<p>the password of your account was changed at {{time}} from {{address}}, and "
            "all sessions were ended.</p>\n"
            "<p>If that was not you, ask for a new password at once.</p>\n",
        },
    [MAIL_POLICY_REMINDER] =
        {
            .name = "policy_reminder",
            .placeholders = "service name organization deadline methods",
            .is_organizations = true,
            .subject = "{{organization}} asks for a second factor by {{deadline}}",
            .text = HELLO_TEXT
            "{{organization}} asks its members for a second factor at login: {{methods}}.\n"
            "Please set it up before {{deadline}}. After that your account can do nothing else\n"
            "until it is set up.\n",
            .html = HELLO_HTML
            "<p>{{organization}} asks its members for a second factor at login: {{methods}}."
            "</p>\n<p>Please set it up before <strong>{{deadline}}</strong>. After that your "
            "account can do nothing else until it is set up.</p>\n",
        },
    [MAIL_POLICY_SUSPENSION] =
        {
            .name = "policy_suspension",
            .placeholders = "service name organization methods",
            .is_organizations = true,
            .subject = "Your {{service}} account is suspended",
            .text = HELLO_TEXT
            "{{organization}} asks its members for a second factor at login: {{methods}}.\n"
            "The time for it is over, and your account is suspended until it is set up. Log in\n"
            "and set it up, then everything works again.\n",
            .html = HELLO_HTML
            "<p>{{organization}} asks its members for a second factor at login: {{methods}}."
            "</p>\n<p>The time for it is over, and your account is suspended until it is set "
            "up. Log in and set it up, then everything works again.</p>\n",
        },
    [MAIL_TEST] =
        {
            .name = "test",
            .placeholders = "service time",
            .subject = "Test mail from {{service}}",
            .text = "This is a test mail from {{service}}, asked for at {{time}}.\n"
                    "It has arrived: mail works.\n",
            .html = "<p>This is a test mail from {{service}}, asked for at {{time}}.</p>\n"
                    "<p>It has arrived: mail works.</p>\n",
        },
};
_Static_assert(COUNT_OF(rows) == MAIL_TEMPLATE_COUNT, "one row per template");

const char *const mail_template_names[] = {
    "verify_email",     "reset_password",  "invitation",        "new_device", "locked_out",
    "password_changed", "policy_reminder", "policy_suspension", "test",       NULL,
};
_Static_assert(COUNT_OF(mail_template_names) == MAIL_TEMPLATE_COUNT + 1, "one name per template");

static const struct template_row *row_of(enum mail_template template) {
    const struct template_row *row = &rows[template];
    CHECK(strcmp(row->name, mail_template_names[template]) == 0);
    return row;
}

bool mail_template_is_organizations(enum mail_template template) {
    return row_of(template)->is_organizations;
}

struct str mail_template_placeholders(enum mail_template template) {
    return str_from_c(row_of(template)->placeholders);
}

struct mail_template_text mail_template_default(enum mail_template template) {
    const struct template_row *row = row_of(template);
    return (struct mail_template_text){
        .subject = str_from_c(row->subject),
        .text = str_from_c(row->text),
        .html = str_from_c(row->html),
    };
}

void mail_template_check(enum mail_template template, struct str text, struct str path,
                         struct arena *arena, struct schema_faults *faults) {
    enum { FAULT_BYTES_MAX = 512 };
    struct str names = mail_template_placeholders(template);
    struct str where;
    enum err err = template_text_check(text, names, &where);
    if (err == ERR_OK) {
        return;
    }
    char *memory = arena_take(arena, FAULT_BYTES_MAX);
    if (memory == NULL || err == ERR_FULL) {
        schema_fault_add(faults, path, STR("Too many placeholders."));
        return;
    }
    struct buf out = buf_over(memory, FAULT_BYTES_MAX);
    buf_put_c(&out, err == ERR_FORMAT ? "Not a placeholder." : "Unknown placeholder.");
    buf_put_c(&out, " Must be {{name}} with one of: ");
    while (!str_is_none(names)) {
        buf_put_str(&out, str_split(&names, ' '));
        buf_put_c(&out, str_is_none(names) ? "." : ", ");
    }
    schema_fault_add(faults, path, buf_str(&out));
}

/* ---- rendering ---- */

#define FRAME_HEAD                                                                                 \
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"                            \
    "<meta name=\"viewport\" content=\"width=device-width\"><title>"
#define FRAME_BODY                                                                                 \
    "</title></head>\n<body style=\"margin:0;padding:24px;font-family:sans-serif;"                 \
    "font-size:15px;line-height:1.5\">\n<div style=\"max-width:560px;margin:0 auto\">\n"
#define FRAME_END "</div>\n</body></html>\n"

/* Every text of the mail under its name, and the service's. */
static uint32_t values_of(const struct settings *settings, const struct mail *mail,
                          struct template_value values[SCHEMA_FIELDS_MAX]) {
    uint32_t count = 0;
    values[count++] =
        (struct template_value){STR("service"), settings_text(settings, SETTING_NAME_ID)};
    for (uint32_t i = 0; i < mail_schema.field_count; i++) {
        const struct field *field = &mail_schema.fields[i];
        if (field->type == FIELD_TEXT) {
            const struct str *text = (const void *)((const char *)mail + field->offset);
            values[count++] = (struct template_value){str_from_c(field->name), *text};
        }
    }
    return count;
}

static void html_fill(struct str subject, struct str html, const struct template_value *values,
                      uint32_t count, struct buf *out) {
    struct template_value title = {STR("title"), subject};
    buf_put_c(out, FRAME_HEAD);
    template_text_fill(STR("{{title}}"), &title, 1, TEMPLATE_HTML, out);
    buf_put_c(out, FRAME_BODY);
    template_text_fill(html, values, count, TEMPLATE_HTML, out);
    buf_put_c(out, FRAME_END);
}

enum err mail_render(const struct settings *settings, const struct outbox_row *row,
                     const struct mail *mail, const struct mail_template_record *own,
                     struct arena *arena, struct str *message) {
    struct template_value values[SCHEMA_FIELDS_MAX];
    uint32_t count = values_of(settings, mail, values);
    struct mail_template_text text = mail_template_default((enum mail_template)mail->template);
    if (own != NULL) {
        text = (struct mail_template_text){own->subject, own->text, own->html, true};
    }
    uint32_t bytes =
        MAIL_SUBJECT_BYTES_MAX + MAIL_TEXT_BYTES_MAX + MAIL_HTML_BYTES_MAX + MAIL_MESSAGE_BYTES_MAX;
    char *memory = arena_take(arena, bytes);
    if (memory == NULL) {
        return ERR_NO_MEMORY;
    }
    struct buf subject = buf_over(memory, MAIL_SUBJECT_BYTES_MAX);
    struct buf plain = buf_over(subject.data + subject.cap, MAIL_TEXT_BYTES_MAX);
    struct buf html = buf_over(plain.data + plain.cap, MAIL_HTML_BYTES_MAX);
    struct buf out = buf_over(html.data + html.cap, MAIL_MESSAGE_BYTES_MAX);
    template_text_fill(text.subject, values, count, TEMPLATE_LINE, &subject);
    template_text_fill(text.text, values, count, TEMPLATE_PLAIN, &plain);
    html_fill(buf_str(&subject), text.html, values, count, &html);
    message_write(
        &(struct message){
            .id = row->id,
            .time_us = row->created_at,
            .from = settings_text(settings, SETTING_MAIL_FROM_ID),
            .from_name = settings_text(settings, SETTING_NAME_ID),
            .to = mail->to,
            .subject = buf_str(&subject),
            .text = buf_str(&plain),
            .html = buf_str(&html),
        },
        &out);
    *message = buf_str(&out);
    return subject.is_full || plain.is_full || html.is_full || out.is_full ? ERR_FULL : ERR_OK;
}
