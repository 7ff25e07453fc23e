/*
 * Replies of an SMTP server (RFC 5321, 4.2), line by line, and what it says it can do. Pure.
 *
 *     250-mail.example.com
 *     250-SIZE 10240000
 *     250 STARTTLS
 */
#ifndef NET_SMTP_REPLY_H
#define NET_SMTP_REPLY_H

#include "base/buf.h"
#include "base/err.h"

enum {
    /* RFC 5321, 4.5.3.1.5 says 512; some servers chat more. */
    SMTP_LINE_BYTES_MAX = 2048,
    /* The longest that is of use, the reply to EHLO, has twenty or thirty. */
    SMTP_REPLY_LINES_MAX = 128,
    SMTP_TEXT_BYTES_MAX = 384, /* what of it is kept for people */
};

struct smtp_reply {
    uint16_t code; /* 200..599 */
    uint32_t line_count;
    bool is_complete;
    char text[SMTP_TEXT_BYTES_MAX]; /* of all lines, printable ASCII */
    uint32_t text_len;
};

/* What the reply to EHLO offers (RFC 5321, 4.1.1.1); unknown words are skipped. */
struct smtp_abilities {
    bool has_starttls;   /* RFC 3207 */
    bool has_8bitmime;   /* RFC 6152 */
    bool has_smtputf8;   /* RFC 6531 */
    bool has_auth_plain; /* RFC 4954, 4616 */
    bool has_auth_login;
    bool has_size;     /* RFC 1870 */
    uint64_t size_max; /* 0 = not said */
};

/* The next line of a reply, without its end. The first one after a complete reply begins a new one.
 * ERR_OK: complete; ERR_AGAIN: more lines follow; ERR_FORMAT: this is no reply. */
enum err smtp_reply_take(struct smtp_reply *reply, struct str line);

/* One line's text in the reply to EHLO: "SIZE 10240000". */
void smtp_abilities_take(struct smtp_abilities *abilities, struct str text);

/* What is behind the code in a line: "250-SIZE 1" gives "SIZE 1". */
struct str smtp_line_text(struct str line);

/* Lines out of the stream, with CRLF or LF. `memory` is of the owner. */
struct smtp_lines {
    char memory[SMTP_LINE_BYTES_MAX];
    uint32_t len;
};
/* Takes bytes up to the end of a line. ERR_OK: *line is there, until the next call; ERR_AGAIN: all
 * bytes are taken and no line is complete; ERR_FULL: the line is too long. */
enum err smtp_lines_take(struct smtp_lines *lines, struct str bytes, uint32_t *taken,
                         struct str *line);

#endif
