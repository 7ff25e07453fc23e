/*
 * The tiny language of mail templates: text with {{name}} in it. A name is one of those that the
 * template knows; anything else in double braces is refused when the template is stored, so nothing
 * can go wrong when the mail is made. Single braces are text. Pure.
 */
#ifndef DOMAIN_MAIL_TEMPLATE_TEXT_H
#define DOMAIN_MAIL_TEMPLATE_TEXT_H

#include "base/buf.h"
#include "base/err.h"

/* So that a short text cannot make a long mail. */
enum { TEMPLATE_PLACEHOLDERS_MAX = 50 };

/* Is `name` one of the words of `names` (separated by single blanks)? */
bool template_name_is_known(struct str names, struct str name);

/* ERR_OK; ERR_FORMAT: "{{" that does not begin a placeholder; ERR_NOT_FOUND: a name that is not one
 * of `names`; ERR_FULL: too many. *where is then the offending piece of `text`. */
enum err template_text_check(struct str text, struct str names, struct str *where);

enum template_form {
    TEMPLATE_PLAIN, /* as it is */
    TEMPLATE_LINE,  /* for a header: control characters become blanks */
    TEMPLATE_HTML,  /* escaped for content and quoted attributes */
};

struct template_value {
    struct str name;
    struct str value; /* STR_NONE puts nothing */
};

/* The text with its placeholders replaced; `text` has been checked. */
void template_text_fill(struct str text, const struct template_value *values, uint32_t count,
                        enum template_form form, struct buf *out);

#endif
