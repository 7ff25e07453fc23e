/* The writer of mails, see message.h. */
#include "domain/mail/message.h"

#include "base/time.h"

enum {
    LINE_MAX = 76,         /* RFC 2045, 6.7 and RFC 2047, 2 */
    WORD_FRAME_BYTES = 12, /* =?UTF-8?B? and ?= */
    PLAIN_LINE_MAX = 200,  /* a longer subject is folded; RFC 5322, 2.1.1 allows 998 */
};

/* ---- headers ---- */

static bool is_plain(struct str text) {
    for (uint32_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        bool looks_encoded = c == '=' && i + 1 < text.len && text.data[i + 1] == '?';
        if (c < 0x20 || c >= 0x7f || looks_encoded) {
            return false;
        }
    }
    return true;
}

/* How many bytes from `at` make whole characters (RFC 2047, 5), at most `most`. Of bytes that are
 * no UTF-8 just as many. */
static uint32_t word_bytes(struct str text, uint32_t at, uint32_t most) {
    if (text.len - at <= most) {
        return text.len - at;
    }
    for (uint32_t back = 0; back < 4; back++) {
        if (((unsigned char)text.data[at + most - back] & 0xc0) != 0x80) {
            return most - back;
        }
    }
    return most;
}

void message_put_words(struct str text, uint32_t used, struct buf *out) {
    CHECK(used + WORD_FRAME_BYTES + 8 <= LINE_MAX);
    if (is_plain(text) && used + text.len <= PLAIN_LINE_MAX) {
        buf_put_str(out, text);
        return;
    }
    uint32_t column = used;
    for (uint32_t at = 0; at < text.len;) {
        uint32_t bytes = word_bytes(text, at, (LINE_MAX - column - WORD_FRAME_BYTES) / 4 * 3);
        buf_put_c(out, at > 0 ? "\r\n " : "");
        buf_put_c(out, "=?UTF-8?B?");
        buf_put_base64(out, text.data + at, bytes);
        buf_put_c(out, "?=");
        at += bytes;
        column = 1;
    }
}

/* Without what could end the line. */
static void put_clean(struct str text, struct buf *out) {
    for (uint32_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c >= 0x20 && c != 0x7f && c != '<' && c != '>') {
            buf_put_byte(out, c);
        }
    }
}

/* A display name (RFC 5322, 3.2.4): quoted when plain, else encoded words. */
static void put_name(struct str name, uint32_t used, struct buf *out) {
    if (!is_plain(name)) {
        message_put_words(name, used, out);
        return;
    }
    buf_put_byte(out, '"');
    for (uint32_t i = 0; i < name.len; i++) {
        if (name.data[i] == '"' || name.data[i] == '\\') {
            buf_put_byte(out, '\\');
        }
        buf_put_byte(out, (uint8_t)name.data[i]);
    }
    buf_put_byte(out, '"');
}

void message_put_date(int64_t time_us, struct buf *out) {
    char text[64];
    struct buf http = buf_over(text, sizeof(text));
    time_format_http(time_us, &http); /* the same but for the zone */
    struct str date = buf_str(&http);
    CHECK(str_ends(date, STR(" GMT")));
    buf_put_str(out, str_slice(date, 0, date.len - 3));
    buf_put_c(out, "+0000");
}

static void put_message_id(const struct message *message, struct buf *out) {
    struct str domain = message->from;
    while (str_has_byte(domain, '@')) {
        (void)str_split(&domain, '@');
    }
    buf_put_c(out, "Message-ID: <");
    id_format(message->id, out);
    buf_put_byte(out, '@');
    put_clean(domain, out);
    buf_put_c(out, ">\r\n");
}

/* "=_" does not occur in quoted-printable text (RFC 2045, 6.7). */
static void put_boundary(const struct message *message, struct buf *out) {
    buf_put_c(out, "=_");
    buf_put_hex(out, message->id.bytes, sizeof(message->id.bytes));
}

static void put_headers(const struct message *message, struct buf *out) {
    buf_put_c(out, "Date: ");
    message_put_date(message->time_us, out);
    buf_put_c(out, "\r\nFrom: ");
    put_name(message->from_name, 6, out);
    buf_put_c(out, " <");
    put_clean(message->from, out);
    buf_put_c(out, ">\r\nTo: <");
    put_clean(message->to, out);
    buf_put_c(out, ">\r\nSubject: ");
    message_put_words(message->subject, 9, out);
    buf_put_c(out, "\r\n");
    put_message_id(message, out);
    /* RFC 3834, 5: no vacation replies to this. */
    buf_put_c(out, "Auto-Submitted: auto-generated\r\n"
                   "MIME-Version: 1.0\r\n"
                   "Content-Type: multipart/alternative;\r\n boundary=\"");
    put_boundary(message, out);
    buf_put_c(out, "\"\r\n\r\n");
}

/* ---- bodies ---- */

static bool is_literal(unsigned char c) {
    return c >= 0x20 && c < 0x7f && c != '=';
}

/* One line of the text: soft breaks keep it within the columns. */
static void put_quoted_line(struct str line, struct buf *out) {
    uint32_t column = 0;
    for (uint32_t i = 0; i < line.len; i++) {
        unsigned char c = (unsigned char)line.data[i];
        /* A blank at the end would be lost on the way. */
        bool is_plain_byte = is_literal(c) && !(c == ' ' && i + 1 == line.len);
        uint32_t width = is_plain_byte ? 1 : 3;
        if (column + width > LINE_MAX - 1) {
            buf_put_c(out, "=\r\n");
            column = 0;
        }
        if (is_plain_byte) {
            buf_put_byte(out, c);
        } else {
            buf_printf(out, "=%02X", c);
        }
        column += width;
    }
    buf_put_c(out, "\r\n");
}

void message_put_quoted(struct str text, struct buf *out) {
    struct str rest = text;
    while (rest.len > 0) {
        struct str line = str_split(&rest, '\n');
        if (str_ends(line, STR("\r"))) {
            line = str_slice(line, 0, line.len - 1);
        }
        put_quoted_line(line, out);
    }
}

static void put_part(const struct message *message, const char *type, struct str text,
                     struct buf *out) {
    buf_put_c(out, "--");
    put_boundary(message, out);
    buf_put_c(out, "\r\nContent-Type: ");
    buf_put_c(out, type);
    buf_put_c(out, "; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n");
    message_put_quoted(text, out);
}

void message_write(const struct message *message, struct buf *out) {
    CHECK(!id_is_zero(message->id));
    put_headers(message, out);
    put_part(message, "text/plain", message->text, out); /* the best one comes last */
    put_part(message, "text/html", message->html, out);
    buf_put_c(out, "--");
    put_boundary(message, out);
    buf_put_c(out, "--\r\n");
}
