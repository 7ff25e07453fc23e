/*
 * The SMTP client, see smtp.h: connections, each a net/client.h under an smtp_session, and messages
 * that are given to them. A connection is one of
 *
 *   free     closed, no message
 *   idle     open, READY, no message; after a while it says QUIT
 *   busy     has a message; if it is still saying RSET or QUIT, the message waits, or begins anew
 *
 * The timer `turn` begins a message on an idle connection and ends the idleness; the deadlines of
 * the dialogue are the client's.
 */
#include "net/smtp.h"

#include <string.h>

#include "base/decode.h"
#include "crypto/secret.h"
#include "net/client.h"
#include "net/smtp_session.h"
#include "os/mem.h"

enum {
    HOST_LEN_MAX = DNS_NAME_LEN_MAX,
    /* RFC 5322, 2.1.1: 998 and the line end. */
    MESSAGE_LINE_BYTES_MAX = 1000,
    /* Each line may begin with a dot that is doubled: at worst "." CRLF becomes ".." CRLF. Then the
     * final dot. */
    BODY_BYTES_MAX = SMTP_MESSAGE_BYTES_MAX / 3 * 4 + 16,
    /* The reply to the end of DATA may take long: filters look at the message (RFC 5321, 4.5.3.2.6
     * gives it 10 minutes, and the others 2 to 5). */
    BODY_PATIENCE = 5,
    PORT_SUBMISSION = 587,
    PORT_SUBMISSION_TLS = 465,
    PORT_RELAY = 25,
    TRACE_BYTES_MAX = SMTP_LINE_BYTES_MAX + 8,
};

struct smtp_conn {
    struct client client; /* first: its handler gets a pointer to it */
    struct loop_timer turn;
    struct smtp_client *owner;
    struct smtp_session session;
    struct smtp_lines lines;
    bool has_message;
    bool is_reused; /* the message was given to a connection that had served others, and no reply to
                       it has come: if the connection breaks now, a new one may do better */
    uint64_t handle;
    smtp_done *on_done;
    void *on_done_ctx;
    struct smtp_letter letter;
    char sender[SMTP_ADDRESS_BYTES_MAX];
    char recipient[SMTP_ADDRESS_BYTES_MAX];
    struct buf body;    /* the message with dots doubled, and the final dot */
    struct str pending; /* of what is being sent, the rest */
};

struct smtp_client {
    struct client_world world; /* loop NULL = not open */
    struct smtp_options options;
    struct smtp_login login;
    char host[HOST_LEN_MAX + 1];
    char user[SMTP_LOGIN_BYTES_MAX];
    char password[SMTP_LOGIN_BYTES_MAX];
    char own_name[SMTP_OWN_NAME_LEN_MAX];
    struct smtp_stats stats;
    struct smtp_conn conns[SMTP_CONNECTIONS_MAX];
};

static struct smtp_client the_client;

static const struct client_handler conn_handler;

/* --- trace -------------------------------------------------------------------------------------
 */

/* Lines are cut; what is not printable is not printed. */
static void trace(const struct smtp_client *smtp, const char *mark, struct str text) {
    char line[TRACE_BYTES_MAX];
    struct buf out = buf_over(line, sizeof line - 1);
    if (smtp->options.on_trace == NULL) {
        return;
    }
    buf_put_c(&out, mark);
    for (uint32_t index = 0; index < text.len; index++) {
        char byte = text.data[index];
        buf_put_byte(&out, (uint8_t)(byte >= ' ' && byte <= '~' ? byte : '?'));
    }
    line[out.len] = '\0';
    smtp->options.on_trace(smtp->options.trace_ctx, line);
}

static void trace_commands(const struct smtp_conn *conn) {
    struct str shown = buf_str(&conn->session.out);
    bool has_secret = conn->session.secret_from < shown.len;
    struct str line = str_slice(shown, 0, conn->session.secret_from);
    if (str_ends(line, STR("\r\n"))) {
        line = str_slice(line, 0, line.len - 2);
    }
    char memory[SMTP_COMMAND_BYTES_MAX];
    struct buf out = buf_over(memory, sizeof memory);
    buf_put_str(&out, line);
    buf_put_c(&out, has_secret ? "***" : "");
    trace(conn->owner, "> ", buf_str(&out));
}

static void trace_connected(const struct smtp_conn *conn) {
    char memory[128];
    struct buf out = buf_over(memory, sizeof memory);
    buf_put_c(&out, "connected to ");
    net_endpoint_format(client_peer(&conn->client), &out);
    buf_put_c(&out, conn->client.tls != NULL ? ", TLS, certificate good" : "");
    trace(conn->owner, "* ", buf_str(&out));
}

/* --- the end of a message ----------------------------------------------------------------------
 */

static void message_finish(struct smtp_conn *conn, enum smtp_outcome outcome, const char *detail) {
    struct smtp_stats *stats = &conn->owner->stats;
    CHECK(conn->has_message);
    conn->has_message = false;
    conn->is_reused = false;
    crypto_wipe(conn->body.data, conn->body.len); /* links that log people in */
    stats->delivered += outcome == SMTP_DELIVERED ? 1 : 0;
    stats->delayed += outcome == SMTP_RETRY_LATER ? 1 : 0;
    stats->refused += outcome == SMTP_REFUSED ? 1 : 0;
    conn->on_done(conn->on_done_ctx, conn->handle, outcome, detail);
}

static void conn_close(struct smtp_conn *conn) {
    loop_timer_clear(conn->owner->world.loop, &conn->turn);
    client_close(&conn->client);
    conn->pending = STR("");
    crypto_wipe(conn->session.out_memory, sizeof conn->session.out_memory);
}

/* --- sending -----------------------------------------------------------------------------------
 */

static void deadline_set(struct smtp_conn *conn, int64_t steps) {
    const struct smtp_client *smtp = conn->owner;
    client_deadline_set(&conn->client,
                        loop_now_us(smtp->world.loop) + steps * smtp->options.step_timeout_us);
}

static void pending_send(struct smtp_conn *conn) {
    if (conn->pending.len == 0) {
        return;
    }
    uint32_t taken = client_write(&conn->client, conn->pending);
    conn->pending = str_slice(conn->pending, taken, conn->pending.len);
    if (taken > 0) {
        bool is_body_sent = conn->pending.len == 0 && conn->session.state == SMTP_BODY;
        deadline_set(conn, is_body_sent ? BODY_PATIENCE : 1);
    }
}

static void commands_send(struct smtp_conn *conn) {
    struct smtp_session *session = &conn->session;
    if (session->out.len == 0) {
        return;
    }
    CHECK(conn->pending.len == 0);
    trace_commands(conn);
    conn->pending = buf_str(&session->out);
    pending_send(conn);
}

/* What was said before has been sent. */
static void commands_reset(struct smtp_conn *conn) {
    buf_reset(&conn->session.out);
    conn->session.secret_from = UINT32_MAX;
}

/* --- doing what the session says ---------------------------------------------------------------
 */

static void conn_open(struct smtp_conn *conn) {
    const struct smtp_client *smtp = conn->owner;
    CHECK(conn->has_message);
    conn->is_reused = false;
    conn->session.state = SMTP_OVER;
    conn->lines.len = 0;
    conn->pending = STR("");
    struct client_target target = {
        .host = smtp->options.host,
        .port = smtp->options.port,
        .is_tls = smtp->options.security == SMTP_TLS,
    };
    client_open(&conn->client, &smtp->world, &conn_handler, &target,
                loop_now_us(smtp->world.loop) + smtp->options.step_timeout_us);
}

/* The connection is of no use any more. */
static void conn_abandon(struct smtp_conn *conn, const char *why) {
    char detail[SMTP_DETAIL_BYTES_MAX];
    struct buf out = buf_over(detail, sizeof detail - 1);
    buf_put_str(&out, str_slice(str_from_c(why), 0, sizeof detail - 1));
    detail[out.len] = '\0';
    conn_close(conn);
    trace(conn->owner, "* ", buf_str(&out));
    if (conn->has_message && conn->is_reused) {
        conn_open(conn);
    } else if (conn->has_message) {
        message_finish(conn, SMTP_RETRY_LATER, detail);
    }
}

static void idle_begin(struct smtp_conn *conn) {
    struct loop *loop = conn->owner->world.loop;
    int64_t until_us = loop_now_us(loop) + conn->owner->options.idle_timeout_us;
    loop_timer_set(loop, &conn->turn, until_us);
    client_deadline_set(&conn->client, until_us + conn->owner->options.step_timeout_us);
}

static void secure(struct smtp_conn *conn) {
    enum err err = client_secure(&conn->client);
    if (err == ERR_FORMAT) {
        conn_abandon(conn, "the server sent something between STARTTLS and TLS: somebody may have "
                           "tampered with the connection");
    } else if (err != ERR_OK) {
        conn_abandon(conn, conn->client.problem);
    } else {
        deadline_set(conn, 1);
    }
}

static void done(struct smtp_conn *conn) {
    char detail[SMTP_DETAIL_BYTES_MAX];
    bool is_cut = conn->pending.len > 0 && conn->session.state != SMTP_RSET;
    memcpy(detail, conn->session.detail, sizeof detail);
    if (is_cut) {
        conn_close(conn); /* it answered before it had everything: the rest cannot be sent */
    } else if (conn->session.state == SMTP_READY) {
        idle_begin(conn);
    }
    message_finish(conn, conn->session.outcome, detail);
}

static void deed_do(struct smtp_conn *conn, enum smtp_deed deed) {
    if (deed == SMTP_DEED_READY && conn->has_message) {
        commands_reset(conn);
        deed = smtp_session_send(&conn->session, &conn->letter);
    }
    commands_send(conn);
    switch (deed) {
    case SMTP_DEED_WAIT:
        return;
    case SMTP_DEED_SECURE:
        secure(conn);
        return;
    case SMTP_DEED_READY:
        idle_begin(conn);
        return;
    case SMTP_DEED_BODY:
        trace(conn->owner, "> ", STR("(the message, and a dot)"));
        conn->pending = buf_str(&conn->body);
        pending_send(conn);
        return;
    case SMTP_DEED_DONE:
        done(conn);
        return;
    case SMTP_DEED_CLOSE:
        conn_abandon(conn, conn->session.detail);
        return;
    }
}

/* --- what the connection says ------------------------------------------------------------------
 */

static void line_take(struct smtp_conn *conn, struct str line) {
    trace(conn->owner, "< ", line);
    if (conn->pending.len > 0 && conn->session.state != SMTP_BODY) {
        conn_abandon(conn, "the server answers before it was asked");
        return;
    }
    if (conn->pending.len == 0) {
        commands_reset(conn);
    }
    enum smtp_deed deed = smtp_session_take(&conn->session, line);
    conn->is_reused = conn->is_reused && conn->session.state != SMTP_RCPT;
    deed_do(conn, deed);
}

static void on_progress(struct client *client) {
    struct smtp_conn *conn = (struct smtp_conn *)(void *)client;
    pending_send(conn);
    /* Ends: a session takes a bounded number of lines between two commands of ours. */
    while (client->state == CLIENT_OPEN) {
        struct str bytes = client_read(client);
        struct str line;
        uint32_t taken = 0;
        if (bytes.len == 0) {
            return;
        }
        enum err err = smtp_lines_take(&conn->lines, bytes, &taken, &line);
        if (err == ERR_FULL) {
            conn_abandon(conn, "the server sends lines that never end; is the port right?");
            return;
        }
        client_read_ack(client, taken);
        if (err == ERR_OK) {
            line_take(conn, line);
        }
    }
}

/* RFC 5321, 4.1.3 */
static struct str address_literal(const struct smtp_conn *conn, struct buf *out) {
    struct net_address address = client_own_address(&conn->client);
    buf_put_c(out, net_address_is_ipv4(address) ? "[" : "[IPv6:");
    net_address_format(address, out);
    buf_put_c(out, "]");
    return buf_str(out);
}

static void on_open(struct client *client) {
    struct smtp_conn *conn = (struct smtp_conn *)(void *)client;
    struct smtp_client *smtp = conn->owner;
    char memory[NET_ADDRESS_TEXT_MAX + 8];
    struct buf literal = buf_over(memory, sizeof memory);
    deadline_set(conn, 1);
    trace_connected(conn);
    if (conn->session.state == SMTP_HANDSHAKE) {
        commands_reset(conn);
        deed_do(conn, smtp_session_secured(&conn->session));
        return;
    }
    smtp->stats.connections += 1;
    smtp_session_start(&conn->session, &smtp->login,
                       smtp->options.own_name.len > 0 ? smtp->options.own_name
                                                      : address_literal(conn, &literal),
                       client->tls != NULL, net_address_is_loopback(client_peer(client).address));
}

static void on_end(struct client *client, const char *why) {
    conn_abandon((struct smtp_conn *)(void *)client, why);
}

static const struct client_handler conn_handler = {on_open, on_progress, on_end};

static void on_turn(struct loop_timer *timer) {
    struct smtp_conn *conn =
        (struct smtp_conn *)(void *)((char *)timer - offsetof(struct smtp_conn, turn));
    CHECK(conn->session.state == SMTP_READY);
    if (conn->has_message) {
        deed_do(conn, SMTP_DEED_READY);
    } else {
        commands_reset(conn);
        deed_do(conn, smtp_session_quit(&conn->session));
    }
}

/* --- taking a message --------------------------------------------------------------------------
 */

/* It stands between < and > in a command. */
static bool address_is_good(struct str address) {
    for (uint32_t index = 0; index < address.len; index++) {
        uint8_t byte = (uint8_t)address.data[index];
        if (byte <= ' ' || byte == 0x7F || byte == '<' || byte == '>') {
            return false;
        }
    }
    return address.len <= SMTP_ADDRESS_BYTES_MAX && str_has_byte(address, '@') &&
           utf8_is_valid(address);
}

static bool has_8bit(struct str text) {
    for (uint32_t index = 0; index < text.len; index++) {
        if ((uint8_t)text.data[index] >= 0x80) {
            return true;
        }
    }
    return false;
}

/* A line of the message with its CRLF. Else a lone CR or LF, which servers take for a line end each
 * in its own way: with that, one message can smuggle in another. */
static bool line_is_good(struct str line) {
    return line.len >= 2 && line.len <= MESSAGE_LINE_BYTES_MAX && str_ends(line, STR("\r\n")) &&
           str_find_byte(line, '\r') == line.len - 2 && !str_has_byte(line, '\0');
}

/* Copies with dots doubled (RFC 5321, 4.5.2) and sees what the message needs. */
static bool body_make(struct smtp_conn *conn, struct str rest) {
    struct smtp_letter *letter = &conn->letter;
    bool is_header = true;
    buf_reset(&conn->body);
    letter->bytes = rest.len;
    while (rest.len > 0) {
        struct str line = str_slice(rest, 0, str_find_byte(rest, '\n') + 1);
        rest = str_slice(rest, line.len, rest.len);
        if (!line_is_good(line)) {
            return false;
        }
        letter->needs_smtputf8 |= is_header && has_8bit(line);
        letter->needs_8bitmime |= !is_header && has_8bit(line);
        is_header = is_header && line.len > 2;
        buf_put_c(&conn->body, line.data[0] == '.' ? "." : "");
        buf_put_str(&conn->body, line);
    }
    buf_put_c(&conn->body, ".\r\n");
    CHECK(!conn->body.is_full);
    return true;
}

static struct str text_keep(char *memory, struct str text) {
    CHECK(text.len <= SMTP_ADDRESS_BYTES_MAX);
    if (text.len > 0) {
        memcpy(memory, text.data, text.len);
    }
    return str_from(memory, text.len);
}

static bool message_keep(struct smtp_conn *conn, const struct smtp_message *message) {
    if (message->bytes.len == 0 || message->bytes.len > SMTP_MESSAGE_BYTES_MAX ||
        !address_is_good(message->recipient) ||
        (message->sender.len > 0 && !address_is_good(message->sender))) {
        return false;
    }
    conn->letter = (struct smtp_letter){
        .sender = text_keep(conn->sender, message->sender),
        .recipient = text_keep(conn->recipient, message->recipient),
        .needs_smtputf8 = has_8bit(message->sender) || has_8bit(message->recipient),
    };
    return body_make(conn, message->bytes);
}

/* What it takes to begin a message there; the least first. */
static uint32_t conn_rank(const struct smtp_conn *conn) {
    if (conn->client.state == CLIENT_OPEN && conn->session.state == SMTP_READY) {
        return 0;
    }
    if (conn->client.state == CLIENT_OPEN && conn->session.state == SMTP_RSET) {
        return 1;
    }
    return conn->client.state == CLIENT_CLOSED ? 2 : 3;
}

static struct smtp_conn *conn_choose(struct smtp_client *smtp) {
    struct smtp_conn *best = NULL;
    for (uint32_t index = 0; index < SMTP_CONNECTIONS_MAX; index++) {
        struct smtp_conn *conn = &smtp->conns[index];
        if (!conn->has_message && (best == NULL || conn_rank(conn) < conn_rank(best))) {
            best = conn;
        }
    }
    return best;
}

/* On an open connection it waits until that is READY; one that says QUIT is left. */
static void message_begin(struct smtp_conn *conn) {
    struct loop *loop = conn->owner->world.loop;
    bool is_open = conn->client.state == CLIENT_OPEN;
    if (is_open && conn->session.state == SMTP_READY) {
        conn->is_reused = true;
        loop_timer_set(loop, &conn->turn, loop_now_us(loop));
    } else if (is_open && conn->session.state == SMTP_RSET) {
        conn->is_reused = true;
    } else {
        conn_close(conn);
        conn_open(conn);
    }
}

enum err smtp_send(struct smtp_client *smtp, const struct smtp_message *message, uint64_t handle,
                   smtp_done *on_done, void *ctx) {
    struct smtp_conn *conn = conn_choose(smtp);
    CHECK(smtp->world.loop != NULL);
    if (conn == NULL) {
        return ERR_FULL;
    }
    if (!message_keep(conn, message)) {
        return ERR_FORMAT;
    }
    conn->has_message = true;
    conn->handle = handle;
    conn->on_done = on_done;
    conn->on_done_ctx = ctx;
    message_begin(conn);
    return ERR_OK;
}

uint32_t smtp_room(const struct smtp_client *smtp) {
    uint32_t count = 0;
    for (uint32_t index = 0; index < SMTP_CONNECTIONS_MAX; index++) {
        count += smtp->conns[index].has_message ? 0 : 1;
    }
    return count;
}

void smtp_stats_read(const struct smtp_client *smtp, struct smtp_stats *stats) {
    *stats = smtp->stats;
}

/* --- opening and closing -----------------------------------------------------------------------
 */

static const char *options_problem(const struct smtp_options *options) {
    struct net_address address;
    bool is_address = net_address_parse(options->host, &address);
    if (!is_address && !dns_name_is_good(options->host)) {
        return "mail.smtp-host must be the name or the address of a server, without a port";
    }
    if (is_address && options->security != SMTP_OPEN) {
        return "mail.smtp-host must be a name for TLS: certificates are checked by name; for a "
               "server without TLS set mail.smtp-security=none";
    }
    if (options->user.len > SMTP_LOGIN_BYTES_MAX || options->password.len > SMTP_LOGIN_BYTES_MAX ||
        options->own_name.len > SMTP_OWN_NAME_LEN_MAX) {
        return "mail.smtp-user or mail.smtp-password is too long";
    }
    return NULL;
}

static uint16_t usual_port(enum smtp_security security) {
    return security == SMTP_OPEN  ? PORT_RELAY
           : security == SMTP_TLS ? PORT_SUBMISSION_TLS
                                  : PORT_SUBMISSION;
}

static struct str option_keep(char *memory, size_t room, struct str text) {
    CHECK(text.len <= room);
    if (text.len > 0) {
        memcpy(memory, text.data, text.len);
    }
    return str_from(memory, text.len);
}

static void options_keep(struct smtp_client *smtp, const struct smtp_options *options) {
    struct smtp_options *kept = &smtp->options;
    *kept = *options;
    kept->host = option_keep(smtp->host, sizeof smtp->host, options->host);
    kept->user = option_keep(smtp->user, sizeof smtp->user, options->user);
    kept->password = option_keep(smtp->password, sizeof smtp->password, options->password);
    kept->own_name = option_keep(smtp->own_name, sizeof smtp->own_name, options->own_name);
    kept->port = options->port != 0 ? options->port : usual_port(options->security);
    smtp->login = (struct smtp_login){kept->security, kept->user, kept->password};
}

enum err smtp_open(struct smtp_client **out, struct loop *loop, struct dns *dns,
                   struct trust *trust, const struct smtp_options *options, const char **problem) {
    struct smtp_client *smtp = &the_client;
    CHECK(smtp->world.loop == NULL);
    CHECK(options->step_timeout_us > 0);
    *problem = options_problem(options);
    if (*problem != NULL) {
        return ERR_FORMAT;
    }
    memset(smtp, 0, sizeof *smtp);
    options_keep(smtp, options);
    for (uint32_t index = 0; index < SMTP_CONNECTIONS_MAX; index++) {
        struct smtp_conn *conn = &smtp->conns[index];
        void *memory = mem_reserve(BODY_BYTES_MAX);
        if (memory == NULL) {
            *problem = "no memory for mails";
            return ERR_NO_MEMORY;
        }
        conn->body = buf_over(memory, BODY_BYTES_MAX);
        conn->owner = smtp;
        conn->turn.on_due = on_turn;
        conn->session.state = SMTP_OVER;
    }
    smtp->world = (struct client_world){loop, dns, trust};
    *out = smtp;
    return ERR_OK;
}

void smtp_close(struct smtp_client *smtp) {
    CHECK(smtp->world.loop != NULL);
    for (uint32_t index = 0; index < SMTP_CONNECTIONS_MAX; index++) {
        struct smtp_conn *conn = &smtp->conns[index];
        conn_close(conn);
        mem_release(conn->body.data, BODY_BYTES_MAX);
    }
    crypto_wipe(smtp, sizeof *smtp);
}
