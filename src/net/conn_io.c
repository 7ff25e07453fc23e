/*
 * Bytes of a connection, in and out, through TLS or not. See conn.h.
 *
 * Reading: one recv into the server's scratch, from there into TLS or straight to the parser. What
 * cannot be used yet (the handler has an exchange) moves into the connection's stash, and the
 * socket is left alone until the stash is empty: that is the back-pressure of pipelining.
 */
#include "net/conn.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* --- the socket --------------------------------------------------------------------------------
 */

/* STEP_GO: conn->raw has bytes. Clears may_read when the socket is drained, by a short read too:
 * if more comes, or the end, the loop tells. */
static enum step raw_read(struct conn *conn) {
    struct server *server = conn->server;
    CHECK(server->scratch_owner == conn);
    CHECK(conn->raw_bytes == 0);
    if (!conn->may_read || server->read_left == 0) {
        return STEP_WAIT;
    }
    ssize_t got;
    do {
        got = recv(conn->watch.fd, server->scratch, sizeof server->scratch, 0);
    } while (got < 0 && errno == EINTR);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        conn->may_read = false;
        return STEP_WAIT;
    }
    if (got <= 0) {
        conn->has_ended = true;
        conn_close(conn);
        return STEP_GONE;
    }
    uint32_t bytes = (uint32_t)got;
    conn->may_read = bytes == sizeof server->scratch;
    conn->raw = server->scratch;
    conn->raw_bytes = bytes;
    server->read_left -= bytes < server->read_left ? bytes : server->read_left;
    server->stats.bytes_in += bytes;
    return STEP_GO;
}

void conn_raw_keep(struct conn *conn) {
    if (conn->raw_bytes > 0 && conn->raw >= conn->server->scratch &&
        conn->raw < conn->server->scratch + sizeof conn->server->scratch) {
        memcpy(conn_stash(conn), conn->raw, conn->raw_bytes);
        conn->raw = conn_stash(conn);
    }
}

/* What a send gave: STEP_GO and *sent, perhaps not all; is_blocked is what it has shown. */
static enum step send_result(struct conn *conn, ssize_t put, size_t *sent) {
    if (put < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        conn->is_blocked = true;
        return STEP_WAIT;
    }
    if (put < 0) {
        conn_close(conn);
        return STEP_GONE;
    }
    /* Also when the loop has not said so: a client's next request made us try again, and a little
     * room was there. To wait for the loop then, behind a piece that went out whole, would be to
     * wait without a deadline. */
    conn->is_blocked = false;
    conn->server->stats.bytes_out += (uint64_t)put;
    *sent = (size_t)put;
    return STEP_GO;
}

static enum step raw_send(struct conn *conn, const uint8_t *data, uint32_t bytes, size_t *sent) {
    ssize_t put;
    do {
        put = send(conn->watch.fd, data, bytes, MSG_NOSIGNAL);
    } while (put < 0 && errno == EINTR);
    return send_result(conn, put, sent);
}

static enum step raw_send_two(struct conn *conn, struct str first, struct str second,
                              size_t *sent) {
    /* sendmsg does not write to them. */
    struct iovec parts[2] = {
        {.iov_base = (void *)(uintptr_t)first.data, .iov_len = first.len},
        {.iov_base = (void *)(uintptr_t)second.data, .iov_len = second.len},
    };
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = COUNT_OF(parts)};
    ssize_t put;
    do {
        put = sendmsg(conn->watch.fd, &message, MSG_NOSIGNAL);
    } while (put < 0 && errno == EINTR);
    return send_result(conn, put, sent);
}

/* --- TLS ---------------------------------------------------------------------------------------
 */

/* The engine takes part of what was read; false when it takes none any more. */
static bool tls_feed(struct conn *conn) {
    uint32_t room;
    uint8_t *place = tls_record_in(conn->tls, &room);
    if (place == NULL) {
        return false;
    }
    uint32_t bytes = room < conn->raw_bytes ? room : conn->raw_bytes;
    memcpy(place, conn->raw, bytes);
    conn->raw += bytes;
    conn->raw_bytes -= bytes;
    tls_record_in_ack(conn->tls, bytes);
    return true;
}

static enum step tls_records_send(struct conn *conn) {
    for (;;) {
        uint32_t bytes;
        const uint8_t *record = tls_record_out(conn->tls, &bytes);
        if (record == NULL) {
            return STEP_GO;
        }
        size_t sent = 0;
        enum step step = raw_send(conn, record, bytes, &sent);
        if (step != STEP_GO) {
            return step;
        }
        tls_record_out_ack(conn->tls, (uint32_t)sent);
    }
}

/* The engine is closed: by the peer's close_notify, or by a failure of which it has sent the alert.
 * Lingering, because bytes that nobody reads would turn our end into a reset that overtakes it. */
static enum step tls_over(struct conn *conn) {
    if (conn->state == CONN_HANDSHAKE) {
        conn->server->stats.handshakes_failed += 1;
    }
    conn_say_goodbye(conn);
    return conn->state == CONN_LINGER ? STEP_GO : STEP_GONE;
}

static enum step tls_plain_get(struct conn *conn, struct str *bytes) {
    for (;;) {
        uint32_t len;
        const uint8_t *plain = tls_plain_in(conn->tls, &len);
        if (plain != NULL) {
            *bytes = str_from((const char *)plain, len);
            return STEP_GO;
        }
        enum step step = tls_records_send(conn);
        if (step != STEP_GO) {
            return step;
        }
        if (tls_is_closed(conn->tls)) {
            return tls_over(conn);
        }
        if (conn->raw_bytes == 0) {
            step = raw_read(conn);
            if (step != STEP_GO) {
                return step;
            }
        }
        if (!tls_feed(conn)) {
            return tls_over(conn);
        }
    }
}

/* Records of the handshake are gathered in the head buffer, so that a flight is one packet. */
static void handshake_gather(struct conn *conn) {
    for (;;) {
        uint32_t bytes;
        uint32_t room = HTTP_HEAD_BYTES_MAX - conn->head_bytes;
        const uint8_t *record = tls_record_out(conn->tls, &bytes);
        if (record == NULL || room == 0) {
            return;
        }
        bytes = bytes < room ? bytes : room;
        memcpy(conn_head(conn) + conn->head_bytes, record, bytes);
        conn->head_bytes += bytes;
        tls_record_out_ack(conn->tls, bytes);
    }
}

static enum step handshake_flush(struct conn *conn) {
    while (conn->held_start < conn->head_bytes) {
        size_t sent = 0;
        enum step step = raw_send(conn, conn_head(conn) + conn->held_start,
                                  conn->head_bytes - conn->held_start, &sent);
        if (step != STEP_GO) {
            return step;
        }
        conn->held_start += (uint32_t)sent;
    }
    conn->held_start = 0;
    conn->head_bytes = 0;
    return STEP_GO;
}

enum step conn_handshake_step(struct conn *conn) {
    for (;;) {
        handshake_gather(conn);
        bool is_over = tls_is_closed(conn->tls);
        bool is_open = !is_over && tls_is_open(conn->tls);
        bool is_full = conn->head_bytes == HTTP_HEAD_BYTES_MAX;
        if (is_over || is_open || is_full || conn->raw_bytes == 0) {
            enum step step = handshake_flush(conn);
            if (step != STEP_GO) {
                return step;
            }
        }
        if (is_over) {
            return tls_over(conn);
        }
        if (is_open) {
            conn_handshake_done(conn);
            return STEP_GO;
        }
        if (is_full) {
            continue;
        }
        if (conn->raw_bytes == 0) {
            enum step step = raw_read(conn);
            if (step != STEP_GO) {
                return step;
            }
        }
        if (!tls_feed(conn)) {
            return tls_over(conn);
        }
    }
}

/* --- plain bytes -------------------------------------------------------------------------------
 */

enum step conn_plain_get(struct conn *conn, struct str *bytes) {
    if (conn->tls != NULL) {
        return tls_plain_get(conn, bytes);
    }
    if (conn->raw_bytes == 0) {
        enum step step = raw_read(conn);
        if (step != STEP_GO) {
            return step;
        }
    }
    *bytes = str_from((const char *)conn->raw, conn->raw_bytes);
    return STEP_GO;
}

void conn_plain_ack(struct conn *conn, uint32_t bytes) {
    if (bytes == 0) {
        return;
    }
    if (conn->tls != NULL) {
        tls_plain_in_ack(conn->tls, bytes);
        return;
    }
    CHECK(bytes <= conn->raw_bytes);
    conn->raw += bytes;
    conn->raw_bytes -= bytes;
}

bool conn_has_input(const struct conn *conn) {
    uint32_t bytes;
    return conn->raw_bytes > 0 || conn->may_read ||
           (conn->tls != NULL && tls_plain_in(conn->tls, &bytes) != NULL);
}

uint8_t *conn_out_room(struct conn *conn, uint32_t *room) {
    if (conn->tls != NULL) {
        return tls_plain_out(conn->tls, room);
    }
    if (conn->out_start == conn->out_end) {
        conn->out_start = 0;
        conn->out_end = 0;
    }
    *room = CONN_OUT_BYTES - conn->out_end;
    return *room == 0 ? NULL : conn_out(conn) + conn->out_end;
}

void conn_out_ack(struct conn *conn, uint32_t bytes) {
    if (conn->tls != NULL) {
        tls_plain_out_ack(conn->tls, bytes);
        return;
    }
    CHECK(bytes <= CONN_OUT_BYTES - conn->out_end);
    conn->out_end += bytes;
}

bool conn_has_output(const struct conn *conn) {
    uint32_t bytes;
    return conn->out_start < conn->out_end ||
           (conn->tls != NULL && tls_record_out(conn->tls, &bytes) != NULL);
}

enum step conn_out_send(struct conn *conn, struct str direct, uint32_t *direct_sent) {
    *direct_sent = 0;
    if (conn->tls != NULL) {
        CHECK(direct.len == 0);
        return tls_records_send(conn);
    }
    for (;;) {
        const uint8_t *waiting = conn_out(conn) + conn->out_start;
        uint32_t waiting_bytes = conn->out_end - conn->out_start;
        struct str left = str_slice(direct, *direct_sent, direct.len);
        size_t sent = 0;
        enum step step = STEP_GO;
        if (waiting_bytes > 0 && left.len > 0) {
            struct str first = str_from((const char *)waiting, waiting_bytes);
            step = raw_send_two(conn, first, left, &sent);
        } else if (waiting_bytes > 0) {
            step = raw_send(conn, waiting, waiting_bytes, &sent);
        } else if (left.len > 0) {
            step = raw_send(conn, (const uint8_t *)left.data, left.len, &sent);
        } else {
            return STEP_GO;
        }
        if (step != STEP_GO) {
            return step;
        }
        uint32_t from_waiting = sent < waiting_bytes ? (uint32_t)sent : waiting_bytes;
        conn->out_start += from_waiting;
        *direct_sent += (uint32_t)sent - from_waiting;
    }
}

enum step conn_linger_step(struct conn *conn) {
    conn->linger_bytes += conn->raw_bytes;
    conn->raw_bytes = 0;
    if (conn->linger_bytes > CONN_LINGER_BYTES_MAX) {
        conn_close(conn);
        return STEP_GONE;
    }
    return raw_read(conn);
}
