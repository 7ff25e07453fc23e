/*
 * A malicious SMTP server. The first byte chooses the security, whether there is a login and where
 * the server is; the rest is what it says. Messages are sent as soon as the dialogue lets us. What
 * must hold: no password without TLS or loopback, no mail without TLS where it is required, one
 * command at a time, every command a whole line, details that can be printed.
 */
#include "net/smtp_session.h"

#include <stdlib.h>
#include <string.h>

enum { LETTERS_MAX = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct smtp_session session;
static struct smtp_login login;
static struct smtp_lines lines;

static void require(bool holds) {
    if (!holds) {
        abort();
    }
}

static bool starts(struct str text, const char *prefix) {
    return str_starts(text, str_from_c(prefix));
}

static void said_require_sound(bool is_secured, bool is_loopback) {
    struct str said = buf_str(&session.out);
    if (said.len == 0) {
        return;
    }
    require(str_ends(said, STR("\r\n")));
    require(str_find_byte(said, '\n') == said.len - 1);
    bool is_login = starts(said, "AUTH") || session.secret_from < said.len;
    require(!is_login || is_secured || is_loopback);
    require(!is_login || login.user.len > 0);
    bool is_mail = starts(said, "MAIL");
    require(!is_mail || is_secured || login.security >= SMTP_OPTIONAL);
}

static void detail_require_sound(void) {
    size_t len = strnlen(session.detail, sizeof session.detail);
    require(len < sizeof session.detail);
    for (size_t index = 0; index < len; index++) {
        require(session.detail[index] >= ' ' && session.detail[index] <= '~');
    }
}

static enum smtp_deed line_tell(struct str line) {
    buf_reset(&session.out);
    session.secret_from = UINT32_MAX;
    return smtp_session_take(&session, line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct smtp_letter letter = {
        .sender = {"a@b.c", 5}, .recipient = {"d@e.f", 5}, .bytes = 10};
    if (size == 0) {
        return 0;
    }
    bool is_loopback = (data[0] & 8) != 0;
    uint32_t letters = 0;
    login = (struct smtp_login){(enum smtp_security)(data[0] & 3),
                                (data[0] & 4) != 0 ? STR("user") : STR(""), STR("password")};
    bool is_secured = login.security == SMTP_TLS;
    struct str rest = str_from((const char *)data + 1, size - 1);
    lines.len = 0;
    smtp_session_start(&session, &login, STR("us.example"), is_secured, is_loopback);
    while (rest.len > 0 && session.state != SMTP_OVER) {
        struct str line;
        uint32_t taken = 0;
        enum err err = smtp_lines_take(&lines, rest, &taken, &line);
        if (err != ERR_OK) {
            break;
        }
        rest = str_slice(rest, taken, rest.len);
        enum smtp_deed deed = line_tell(line);
        said_require_sound(is_secured, is_loopback);
        if (deed == SMTP_DEED_SECURE) {
            is_secured = true;
            buf_reset(&session.out);
            deed = smtp_session_secured(&session);
            said_require_sound(is_secured, is_loopback);
        }
        if (session.state == SMTP_READY && letters < LETTERS_MAX) {
            letters += 1;
            buf_reset(&session.out);
            deed = smtp_session_send(&session, &letter);
            said_require_sound(is_secured, is_loopback);
        }
        if (deed == SMTP_DEED_DONE || deed == SMTP_DEED_CLOSE) {
            detail_require_sound();
        }
        require((deed == SMTP_DEED_CLOSE) == (session.state == SMTP_OVER));
    }
    return 0;
}
