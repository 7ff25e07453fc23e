/* The SMTP dialogue, see smtp_session.h. */
#include "net/smtp_session.h"

#include <string.h>

#include "crypto/secret.h"

enum {
    SECRET_NONE = UINT32_MAX,
    CODE_CLOSING = 421, /* RFC 5321, 3.8: at any time */
    CODE_CONTINUE = 334,
};

/* --- words -------------------------------------------------------------------------------------
 */

/* "what: 550 text" */
static void detail_set(struct smtp_session *session, const char *what, bool has_reply) {
    struct buf out = buf_over(session->detail, sizeof session->detail - 1);
    buf_put_c(&out, what);
    if (has_reply) {
        buf_printf(&out, ": %u ", session->reply.code);
        buf_put_str(&out, str_from(session->reply.text, session->reply.text_len));
    }
    session->detail[out.len] = '\0';
}

static enum smtp_deed give_up(struct smtp_session *session, const char *what, bool has_reply) {
    detail_set(session, what, has_reply);
    session->state = SMTP_OVER;
    return SMTP_DEED_CLOSE;
}

static enum smtp_deed say(struct smtp_session *session, enum smtp_state state, const char *text) {
    buf_put_c(&session->out, text);
    CHECK(!session->out.is_full);
    session->state = state;
    return SMTP_DEED_WAIT;
}

/* The reply's first digit: 2 yes, 3 go on, 4 not now, 5 no (RFC 5321, 4.2.1). */
static uint32_t reply_class(const struct smtp_session *session) {
    return session->reply.code / 100u;
}

/* --- login -------------------------------------------------------------------------------------
 */

static void secret_put(struct smtp_session *session, const void *data, size_t bytes) {
    session->secret_from = session->out.len;
    buf_put_base64(&session->out, data, bytes);
    buf_put_c(&session->out, "\r\n");
    CHECK(!session->out.is_full);
}

/* RFC 4616: nobody, NUL, user, NUL, password. */
static enum smtp_deed auth_plain_say(struct smtp_session *session) {
    char memory[2 * SMTP_LOGIN_BYTES_MAX + 2];
    struct buf plain = buf_over(memory, sizeof memory);
    buf_put_byte(&plain, 0);
    buf_put_str(&plain, session->login->user);
    buf_put_byte(&plain, 0);
    buf_put_str(&plain, session->login->password);
    CHECK(!plain.is_full);
    (void)say(session, SMTP_AUTH_PLAIN, "AUTH PLAIN ");
    secret_put(session, plain.data, plain.len);
    crypto_wipe(memory, sizeof memory);
    return SMTP_DEED_WAIT;
}

static enum smtp_deed auth_say(struct smtp_session *session) {
    if (!session->is_tls && !session->is_loopback) {
        return give_up(session,
                       "the password is not sent, because the connection has no TLS; set "
                       "mail.smtp-security to starttls or tls, or mail.smtp-user to nothing",
                       false);
    }
    if (session->abilities.has_auth_plain) {
        return auth_plain_say(session);
    }
    if (session->abilities.has_auth_login) {
        return say(session, SMTP_AUTH_LOGIN, "AUTH LOGIN\r\n");
    }
    return give_up(session,
                   "the server offers no login by PLAIN or LOGIN here; is this the port for "
                   "clients (587 or 465)? If it wants no login, set mail.smtp-user to nothing",
                   false);
}

static enum smtp_deed auth_reply(struct smtp_session *session) {
    if (reply_class(session) == 2) {
        session->state = SMTP_READY;
        return SMTP_DEED_READY;
    }
    return give_up(session,
                   reply_class(session) == 5
                       ? "the server refuses mail.smtp-user and mail.smtp-password"
                       : "the server cannot check the login now",
                   true);
}

static enum smtp_deed auth_login_reply(struct smtp_session *session) {
    bool is_user = session->state == SMTP_AUTH_LOGIN;
    struct str secret = is_user ? session->login->user : session->login->password;
    if (session->reply.code != CODE_CONTINUE) {
        return auth_reply(session);
    }
    secret_put(session, secret.data, secret.len);
    session->state = is_user ? SMTP_AUTH_USER : SMTP_AUTH_PASSWORD;
    return SMTP_DEED_WAIT;
}

/* --- getting ready -----------------------------------------------------------------------------
 */

static enum smtp_deed ehlo_say(struct smtp_session *session) {
    memset(&session->abilities, 0, sizeof session->abilities);
    buf_put_c(&session->out, "EHLO ");
    buf_put_c(&session->out, session->own_name);
    return say(session, SMTP_EHLO, "\r\n");
}

static enum smtp_deed login_or_ready(struct smtp_session *session) {
    if (session->login->user.len > 0) {
        return auth_say(session);
    }
    session->state = SMTP_READY;
    return SMTP_DEED_READY;
}

static enum smtp_deed no_starttls(struct smtp_session *session) {
    return give_up(session,
                   "the server does not offer STARTTLS on this port; another one (587, or 465 with "
                   "mail.smtp-security=tls) may",
                   false);
}

static enum smtp_deed introduced(struct smtp_session *session) {
    bool wants_tls = session->login->security != SMTP_OPEN && !session->is_tls;
    if (wants_tls && session->abilities.has_starttls) {
        return say(session, SMTP_STARTTLS_SENT, "STARTTLS\r\n");
    }
    if (wants_tls && session->login->security != SMTP_OPTIONAL) {
        return no_starttls(session);
    }
    return login_or_ready(session);
}

static enum smtp_deed greeting_reply(struct smtp_session *session) {
    if (reply_class(session) != 2) {
        return give_up(session, "the server takes no mail from us", true);
    }
    return ehlo_say(session);
}

static enum smtp_deed ehlo_reply(struct smtp_session *session) {
    if (reply_class(session) == 2) {
        return introduced(session);
    }
    if (reply_class(session) != 5) {
        return give_up(session, "the server does not let us in", true);
    }
    /* RFC 5321, 3.2: an old server; or one that dislikes our name, which says so again. */
    buf_put_c(&session->out, "HELO ");
    buf_put_c(&session->out, session->own_name);
    return say(session, SMTP_HELO, "\r\n");
}

static enum smtp_deed helo_reply(struct smtp_session *session) {
    if (reply_class(session) != 2) {
        return give_up(session, "the server does not let us in", true);
    }
    return introduced(session);
}

static enum smtp_deed starttls_reply(struct smtp_session *session) {
    if (reply_class(session) == 2) {
        session->state = SMTP_HANDSHAKE;
        return SMTP_DEED_SECURE;
    }
    if (session->login->security == SMTP_OPTIONAL) {
        return login_or_ready(session);
    }
    return give_up(session, "the server cannot begin TLS", true);
}

enum smtp_deed smtp_session_secured(struct smtp_session *session) {
    CHECK(session->state == SMTP_HANDSHAKE);
    CHECK(!session->is_tls);
    session->is_tls = true;
    return ehlo_say(session); /* RFC 3207, 4.2: what was said before does not count */
}

/* --- a message ---------------------------------------------------------------------------------
 */

static enum smtp_deed done(struct smtp_session *session, enum smtp_outcome outcome,
                           const char *what, bool has_reply) {
    detail_set(session, what, has_reply);
    session->outcome = outcome;
    session->letter = NULL;
    return SMTP_DEED_DONE;
}

/* The reply decides against the message. What the server holds against us, and not against this
 * message, is worth another try: no login yet, no TLS yet, login too weak. */
static enum smtp_deed refused(struct smtp_session *session, enum smtp_state next,
                              const char *what) {
    uint16_t code = session->reply.code;
    bool is_about_us = code == 530 || code == 534 || code == 535 || code == 538;
    bool is_for_good = reply_class(session) == 5 && !is_about_us;
    session->state = next;
    if (next == SMTP_RSET) {
        (void)say(session, SMTP_RSET, "RSET\r\n");
    }
    return done(session, is_for_good ? SMTP_REFUSED : SMTP_RETRY_LATER, what, true);
}

/* NULL when the server can take it. */
static const char *obstacle(const struct smtp_session *session, const struct smtp_letter *letter) {
    const struct smtp_abilities *abilities = &session->abilities;
    if (abilities->size_max > 0 && letter->bytes > abilities->size_max) {
        return "the message is larger than the server takes";
    }
    if (letter->needs_smtputf8 && !abilities->has_smtputf8) {
        return "the server takes no addresses outside ASCII";
    }
    if (letter->needs_8bitmime && !abilities->has_8bitmime) {
        return "the server takes no text outside ASCII as it is";
    }
    return NULL;
}

enum smtp_deed smtp_session_send(struct smtp_session *session, const struct smtp_letter *letter) {
    CHECK(session->state == SMTP_READY);
    CHECK(session->letter == NULL);
    const char *what = obstacle(session, letter);
    if (what != NULL) {
        return done(session, SMTP_REFUSED, what, false);
    }
    session->letter = letter;
    buf_put_c(&session->out, "MAIL FROM:<");
    buf_put_str(&session->out, letter->sender);
    buf_put_c(&session->out, ">");
    if (session->abilities.has_size) {
        buf_printf(&session->out, " SIZE=%u", letter->bytes);
    }
    buf_put_c(&session->out, letter->needs_8bitmime ? " BODY=8BITMIME" : "");
    buf_put_c(&session->out, letter->needs_smtputf8 ? " SMTPUTF8" : "");
    return say(session, SMTP_MAIL, "\r\n");
}

static enum smtp_deed mail_reply(struct smtp_session *session) {
    if (reply_class(session) != 2) {
        return refused(session, SMTP_READY, "the sender is refused");
    }
    buf_put_c(&session->out, "RCPT TO:<");
    buf_put_str(&session->out, session->letter->recipient);
    return say(session, SMTP_RCPT, ">\r\n");
}

static enum smtp_deed rcpt_reply(struct smtp_session *session) {
    if (reply_class(session) != 2) {
        return refused(session, SMTP_RSET, "the recipient is refused");
    }
    return say(session, SMTP_DATA, "DATA\r\n");
}

static enum smtp_deed data_reply(struct smtp_session *session) {
    if (reply_class(session) != 3) {
        return refused(session, SMTP_RSET, "the message is refused before it is sent");
    }
    session->state = SMTP_BODY;
    return SMTP_DEED_BODY;
}

static enum smtp_deed body_reply(struct smtp_session *session) {
    if (reply_class(session) != 2) {
        return refused(session, SMTP_READY, "the message is refused");
    }
    session->state = SMTP_READY;
    return done(session, SMTP_DELIVERED, "accepted", true);
}

static enum smtp_deed rset_reply(struct smtp_session *session) {
    if (reply_class(session) != 2) {
        return give_up(session, "the server does not forget the last message", true);
    }
    session->state = SMTP_READY;
    return SMTP_DEED_READY;
}

enum smtp_deed smtp_session_quit(struct smtp_session *session) {
    CHECK(session->state == SMTP_READY);
    return say(session, SMTP_QUIT, "QUIT\r\n");
}

/* --- the machine -------------------------------------------------------------------------------
 */

/* RFC 5321, 3.8. What it means for the message is "later" in any case. */
static enum smtp_deed closing_reply(struct smtp_session *session) {
    return give_up(session, "the server closes the connection", true);
}

static enum smtp_deed reply_judge(struct smtp_session *session) {
    switch (session->state) {
    case SMTP_GREETING:
        return greeting_reply(session);
    case SMTP_EHLO:
        return ehlo_reply(session);
    case SMTP_HELO:
        return helo_reply(session);
    case SMTP_STARTTLS_SENT:
        return starttls_reply(session);
    case SMTP_AUTH_PLAIN:
    case SMTP_AUTH_PASSWORD:
        return auth_reply(session);
    case SMTP_AUTH_LOGIN:
    case SMTP_AUTH_USER:
        return auth_login_reply(session);
    case SMTP_MAIL:
        return mail_reply(session);
    case SMTP_RCPT:
        return rcpt_reply(session);
    case SMTP_DATA:
        return data_reply(session);
    case SMTP_BODY:
        return body_reply(session);
    case SMTP_RSET:
        return rset_reply(session);
    case SMTP_QUIT:
        return give_up(session, "bye", true);
    case SMTP_READY:
    case SMTP_HANDSHAKE:
    case SMTP_OVER:
        break;
    }
    return give_up(session, "the server speaks without being asked", true);
}

void smtp_session_start(struct smtp_session *session, const struct smtp_login *login,
                        struct str own_name, bool is_tls, bool is_loopback) {
    CHECK(own_name.len > 0);
    CHECK(own_name.len <= SMTP_OWN_NAME_LEN_MAX);
    CHECK(login->user.len <= SMTP_LOGIN_BYTES_MAX);
    CHECK(login->password.len <= SMTP_LOGIN_BYTES_MAX);
    memset(session, 0, sizeof *session);
    session->login = login;
    session->is_tls = is_tls;
    session->is_loopback = is_loopback;
    memcpy(session->own_name, own_name.data, own_name.len);
    session->out = buf_over(session->out_memory, sizeof session->out_memory);
    session->secret_from = SECRET_NONE;
    session->state = SMTP_GREETING;
}

enum smtp_deed smtp_session_take(struct smtp_session *session, struct str line) {
    bool is_first = session->reply.is_complete || session->reply.line_count == 0;
    enum err err = smtp_reply_take(&session->reply, line);
    CHECK(session->state != SMTP_OVER);
    if (err == ERR_FORMAT) {
        return give_up(session, "what the server says is not SMTP; is the port right?", false);
    }
    if (session->state == SMTP_EHLO && !is_first) {
        smtp_abilities_take(&session->abilities, smtp_line_text(line));
    }
    if (err == ERR_AGAIN) {
        return SMTP_DEED_WAIT;
    }
    return session->reply.code == CODE_CLOSING ? closing_reply(session) : reply_judge(session);
}
