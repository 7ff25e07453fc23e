/*
 * Mail out: an SMTP client (RFC 5321) that hands messages to one configured server, on the loop. It
 * keeps a few connections, one message at a time on each, and uses a connection again for the next
 * message. Every wait has a deadline; every message ends in exactly one call of its on_done.
 *
 * What became of a message can be unknown: when the connection breaks after the last byte was sent
 * and before the server answered, it is tried again later and may then arrive twice. The caller
 * gives messages a fixed Message-ID, by which receivers recognise the second one.
 *
 * Security by the options: the server's certificate is checked against the trust store and the
 * name, and the password is never sent over an open connection that leaves the machine.
 */
#ifndef NET_SMTP_H
#define NET_SMTP_H

#include "base/err.h"

struct dns;
struct loop;
struct trust;

enum {
    /* One is enough for hundreds of messages a minute; several, so that a slow one does not hold up
     * the others. */
    SMTP_CONNECTIONS_MAX = 4,
    /* Letters of a program, in text and HTML; no attachments of people. */
    SMTP_MESSAGE_BYTES_MAX = 256 * 1024,
    /* The sentence that on_done gets, with its NUL. */
    SMTP_DETAIL_BYTES_MAX = 512,
};

enum smtp_security {
    SMTP_STARTTLS, /* TLS begun by STARTTLS, or no mail */
    SMTP_TLS,      /* TLS from the first byte */
    SMTP_OPTIONAL, /* STARTTLS when the server offers it: no help against an active attacker */
    SMTP_OPEN,     /* no TLS */
};

struct smtp_options {
    struct str host; /* a name or an address */
    uint16_t port;   /* 0 = what is usual: 587, 465 for SMTP_TLS, 25 for SMTP_OPEN */
    enum smtp_security security;
    struct str user; /* empty = without AUTH */
    struct str password;
    struct str own_name; /* for EHLO: a domain, or empty = our address on the connection */
    /* Scale of the deadlines of RFC 5321, 4.5.3.2: connecting, TLS and each reply get it once, the
     * reply to the end of DATA five times. */
    int64_t step_timeout_us;
    int64_t idle_timeout_us; /* how long an idle connection is kept for the next message */
    /* NULL, or told every step in words and every line of the dialogue, secrets blotted out. */
    void (*on_trace)(void *ctx, const char *line);
    void *trace_ctx;
};

struct smtp_message {
    struct str sender;    /* envelope: an address without <>; empty = the null sender */
    struct str recipient; /* envelope: one address without <> */
    struct str bytes; /* RFC 5322: header, blank line, body; lines end in CRLF; dots as they are */
};

enum smtp_outcome {
    SMTP_DELIVERED,   /* the server has taken the responsibility for it */
    SMTP_RETRY_LATER, /* not reached, or refused for now (4yz) */
    SMTP_REFUSED,     /* refused for good (5yz): sending the same again is useless */
};

/* `detail` is one line for people and logs: what the server said, or what went wrong and what to do
 * about it; printable ASCII, valid during the call. It may name the recipient, never a secret. A
 * new smtp_send is fine inside. */
typedef void smtp_done(void *ctx, uint64_t handle, enum smtp_outcome outcome, const char *detail);

struct smtp_client;

/* One client per process: its memory is static. `options` and the texts in it are copied. `dns` and
 * `trust` outlive it. On failure *problem is a sentence in static memory. */
enum err smtp_open(struct smtp_client **client, struct loop *loop, struct dns *dns,
                   struct trust *trust, const struct smtp_options *options, const char **problem);
/* Closes at once; on_done of running messages is not called any more. */
void smtp_close(struct smtp_client *client);

/* Takes a copy of the message. on_done is called later, never from inside. ERR_FULL: all
 * connections are busy, try again after the next on_done. ERR_FORMAT: an address or the message is
 * not what an SMTP server may be given (line ends, control characters, too long). */
enum err smtp_send(struct smtp_client *client, const struct smtp_message *message, uint64_t handle,
                   smtp_done *on_done, void *ctx);
/* How many more messages smtp_send takes now. */
uint32_t smtp_room(const struct smtp_client *client);

struct smtp_stats {
    uint64_t delivered, delayed, refused; /* outcomes */
    uint64_t connections;                 /* made */
};
void smtp_stats_read(const struct smtp_client *client, struct smtp_stats *stats);

#endif
