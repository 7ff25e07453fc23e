/*
 * Writes one mail in the form of RFC 5322 with MIME (RFC 2045 to 2047): headers and two
 * alternatives, text and HTML, both quoted-printable, so that every line is short ASCII whatever is
 * in it. Deterministic: the same input gives the same bytes, so a mail that is sent twice is the
 * same mail. Pure.
 */
#ifndef DOMAIN_MAIL_MESSAGE_H
#define DOMAIN_MAIL_MESSAGE_H

#include "base/id.h"

struct message {
    struct id id;    /* makes Message-ID and the boundary */
    int64_t time_us; /* Date */
    struct str from; /* address */
    struct str from_name;
    struct str to; /* address; UTF-8 goes out as it is (RFC 6532) */
    struct str subject;
    struct str text;
    struct str html;
};

/* Lines end in CRLF. No value can begin a header line of its own: control characters in addresses,
 * names and subject are left out. */
void message_write(const struct message *message, struct buf *out);

/* ---- its parts, for tests ---- */

/* Unstructured text of a header (RFC 2047): as it is when it is plain ASCII and fits into the line
 * that has `used` characters already, else in encoded words, folded. */
void message_put_words(struct str text, uint32_t used, struct buf *out);
/* RFC 2045, 6.7. Line ends of the text (LF or CRLF) become CRLF; the last one is added. */
void message_put_quoted(struct str text, struct buf *out);
/* Sat, 21 Nov 2026 07:35:32 +0000 (RFC 5322, 3.3) */
void message_put_date(int64_t time_us, struct buf *out);

#endif
