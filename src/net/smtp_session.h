/*
 * The client's side of an SMTP dialogue (RFC 5321) as a machine: replies in, commands out. No I/O,
 * no clock. One message at a time; a session takes many.
 *
 *   GREETING -> EHLO (or HELO) -> STARTTLS -> HANDSHAKE -> EHLO -> AUTH... -> READY
 *   READY -> MAIL -> RCPT -> DATA -> BODY -> READY
 *                     \------\-> RSET -> READY
 *   READY -> QUIT -> OVER
 *
 * Anything that is of no use to the connection leads to OVER. Only smtp_session.c moves it.
 */
#ifndef NET_SMTP_SESSION_H
#define NET_SMTP_SESSION_H

#include "net/smtp.h"
#include "net/smtp_reply.h"

enum {
    SMTP_ADDRESS_BYTES_MAX = 320, /* RFC 5321, 4.5.3.1: 64 and 255 and the @ */
    SMTP_OWN_NAME_LEN_MAX = 255,
    SMTP_LOGIN_BYTES_MAX = 512, /* a user name, or a password; tokens are long */
    SMTP_COMMAND_BYTES_MAX = 2048,
};

enum smtp_state {
    SMTP_GREETING,
    SMTP_EHLO,
    SMTP_HELO,
    SMTP_STARTTLS_SENT,
    SMTP_HANDSHAKE,
    SMTP_AUTH_PLAIN,
    SMTP_AUTH_LOGIN,
    SMTP_AUTH_USER,
    SMTP_AUTH_PASSWORD,
    SMTP_READY,
    SMTP_MAIL,
    SMTP_RCPT,
    SMTP_DATA,
    SMTP_BODY,
    SMTP_RSET,
    SMTP_QUIT,
    SMTP_OVER,
};

/* What the owner does next. First of all it sends session->out, if there is something in it. */
enum smtp_deed {
    SMTP_DEED_WAIT,   /* for the reply */
    SMTP_DEED_SECURE, /* begin TLS, then smtp_session_secured */
    SMTP_DEED_READY,  /* smtp_session_send or smtp_session_quit may be called */
    SMTP_DEED_BODY,   /* send the message and the final dot */
    SMTP_DEED_DONE,   /* the message has session->outcome and session->detail; READY by state or by
                         a deed that follows, or OVER */
    SMTP_DEED_CLOSE,  /* OVER: close; session->detail says why */
};

/* What stays the same for all sessions of a client. The texts are of the owner. */
struct smtp_login {
    enum smtp_security security;
    struct str user; /* empty = no AUTH */
    struct str password;
};

/* The owner's, until the message is done. */
struct smtp_letter {
    struct str sender;
    struct str recipient;
    uint32_t bytes;      /* of the message, without what dots add */
    bool needs_smtputf8; /* an address or the header is not ASCII */
    bool needs_8bitmime; /* the body is not ASCII */
};

struct smtp_session {
    enum smtp_state state;
    const struct smtp_login *login;
    const struct smtp_letter *letter;
    bool is_tls;
    bool is_loopback;
    char own_name[SMTP_OWN_NAME_LEN_MAX + 1];
    struct smtp_abilities abilities;
    struct smtp_reply reply;
    struct buf out;       /* commands to send; whoever sends them resets it */
    uint32_t secret_from; /* from here on `out` is not for anybody's eyes */
    enum smtp_outcome outcome;
    char detail[SMTP_DETAIL_BYTES_MAX];
    char out_memory[SMTP_COMMAND_BYTES_MAX];
};

/* A new connection: the greeting is awaited. It may have TLS already. `own_name` is a domain or an
 * address literal, at most SMTP_OWN_NAME_LEN_MAX bytes. */
void smtp_session_start(struct smtp_session *session, const struct smtp_login *login,
                        struct str own_name, bool is_tls, bool is_loopback);
/* A line from the server, without its end. */
enum smtp_deed smtp_session_take(struct smtp_session *session, struct str line);
/* After SMTP_DEED_SECURE, when TLS is there. */
enum smtp_deed smtp_session_secured(struct smtp_session *session);
/* In READY. */
enum smtp_deed smtp_session_send(struct smtp_session *session, const struct smtp_letter *letter);
enum smtp_deed smtp_session_quit(struct smtp_session *session);

#endif
