/* What the files of this domain share: the built-in templates, and making a message of one. */
#ifndef DOMAIN_MAIL_TEMPLATES_H
#define DOMAIN_MAIL_TEMPLATES_H

#include "domain/mail/mail.h"
#include "domain/mail/template_text.h"

enum {
    /* A mail whose values fill these is refused, not cut. As quoted-printable they take three times
     * that at most, which is what the SMTP client accepts. */
    MAIL_TEXT_BYTES_MAX = 24 * 1024,
    MAIL_HTML_BYTES_MAX = 56 * 1024,
    MAIL_SUBJECT_BYTES_MAX = 1024,
    MAIL_MESSAGE_BYTES_MAX = 256 * 1024,
};

/* The whole message (RFC 5322) in the arena. ERR_FULL: too large. ERR_NO_MEMORY. `own` is the
 * organization's template, or NULL. */
enum err mail_render(const struct settings *settings, const struct outbox_row *row,
                     const struct mail *mail, const struct mail_template_record *own,
                     struct arena *arena, struct str *message);

#endif
