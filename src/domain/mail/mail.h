/*
 * Everything this server says by mail. A command puts a struct mail into the outbox (mail_put); the
 * sender here makes a message of it, by a template, and gives it to the mail server or puts it into
 * a folder. Public to the domains right of this one.
 *
 * What is stored is which mail and with what values; the text is made when it is sent, so a
 * template that is corrected holds for what waits, too. An organization may have templates of its
 * own for the mails that concern it.
 *
 * Links carry their token in the fragment, which browsers do not send: it gets into no log.
 */
#ifndef DOMAIN_MAIL_MAIL_H
#define DOMAIN_MAIL_MAIL_H

#include "engine/outbox.h"

enum mail_template {
    MAIL_VERIFY_EMAIL,
    MAIL_RESET_PASSWORD,
    MAIL_INVITATION,
    MAIL_NEW_DEVICE,
    MAIL_LOCKED_OUT,
    MAIL_PASSWORD_CHANGED,
    MAIL_POLICY_REMINDER,
    MAIL_POLICY_SUSPENSION,
    MAIL_TEST,
};
enum { MAIL_TEMPLATE_COUNT = MAIL_TEST + 1 };

/* Which, to whom, about which organization, and the values of the placeholders, whose names are
 * those of the members. */
struct mail {
    struct schema_set set;
    int32_t template;
    struct str to;
    struct id organization_id; /* absent: none */
    struct str name;           /* of whom it is for */
    struct str link;
    struct str organization;
    struct str inviter;
    struct str role;
    struct str life; /* "24 hours" */
    struct str time;
    struct str address;
    struct str device;
    struct str deadline;
    struct str methods;
};
extern const struct schema mail_schema;
#define MAIL_SET(mail, member, value)                                                              \
    ((mail)->member = (value), (void)SCHEMA_SET(&mail_schema, mail, member))

extern const char *const mail_template_names[]; /* NULL-terminated: enum values of schemas */

extern const struct module mail_module;

struct smtp_client;
/* The mail server, before requests come; NULL = none is set. mail.folder goes before it. */
void mail_server_set(struct smtp_client *client);

/* In apply: `label` is unique within the command; of no use after `life_us`. Values that are too
 * long are cut. Never fails: without memory for it the mail is not sent, which the log says. */
void mail_put(struct store_tx *tx, const struct command *command, const char *label,
              struct mail *mail, int64_t life_us);
/* PUBLIC-URL PATH # TOKEN, in the arena. */
struct str mail_link(const struct command *command, const char *path, struct str token);
/* "24 hours", in the arena. */
struct str mail_life_text(struct arena *arena, int64_t life_us);
/* "21 Nov 2026, 07:35 UTC", in the arena. */
struct str mail_time_text(struct arena *arena, int64_t time_us);

/* The word of /health: "healthy", "not_configured", or "unhealthy" when there are dead letters. */
const char *mail_health(const struct store_view *view, const struct settings *settings);

/* ---- templates ---- */

enum {
    TEMPLATE_SUBJECT_MAX = 200, /* characters */
    TEMPLATE_TEXT_MAX = 4000,
    TEMPLATE_HTML_MAX = 10000,
};

/* What an organization has instead of a built-in template. Belongs to the organization. */
struct mail_template_record {
    struct schema_set set;
    struct id id;
    struct id organization_id;
    int32_t template;
    struct str subject;
    struct str text;
    struct str html; /* goes into the frame of all mails */
    struct id updated_by_id;
    int64_t created_at;
    int64_t updated_at;
};
extern const struct schema mail_template_schema;
extern const struct table mail_template_table;
enum { MAIL_TEMPLATE_INDEX_PAIR };

struct mail_template_text {
    struct str subject;
    struct str text;
    struct str html;
    bool is_own; /* of the organization */
};
/* Those that an organization may change are about it; the others are the platform's. */
bool mail_template_is_organizations(enum mail_template template);
struct str mail_template_placeholders(enum mail_template template); /* words */
struct mail_template_text mail_template_default(enum mail_template template);
/* ERR_NOT_FOUND: it has none of its own. */
enum err mail_template_find(const struct store_view *view, struct id organization_id,
                            enum mail_template template, struct arena *arena,
                            struct mail_template_record *record);
/* Adds a fault at `path` when the text has placeholders that the template does not know. */
void mail_template_check(enum mail_template template, struct str text, struct str path,
                         struct arena *arena, struct schema_faults *faults);

#endif
