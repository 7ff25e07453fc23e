/*
 * Replies on their way out. A reply that fits into one TLS record (or one write) leaves with one
 * system call; a longer one in pieces of 16 KiB (TLS) or straight from the handler's memory
 * (plain).
 */
#include "net/conn.h"

#include "os/log.h"

#include <string.h>

enum {
    /* A plain body of at least this goes out from where it lies; shorter ones are copied behind
     * their head, which is cheaper than a second part in the system call. */
    DIRECT_BYTES_MIN = 4096,
    STREAM_ROOM_MIN = 4096 + 16,
    CHUNK_HEAD_BYTES = 6, /* four hexadecimal digits, CR LF */
    CHUNK_TAIL_BYTES = 7, /* CR LF, and "0" CR LF CR LF behind the last */
};
_Static_assert((int)REPLY_HEAD_BYTES_MAX <= (int)REPLY_BUFFER_BYTES, "a head fits");
_Static_assert((int)STREAM_ROOM_MIN <= (int)REPLY_BUFFER_BYTES, "a chunk fits");

void reply_start(struct conn *conn, const struct http_reply *reply) {
    const struct http_head *head = &conn->exchange.head;
    CHECK(reply->status >= 200 && reply->status <= 599);
    CHECK(reply->stream == NULL || str_is_none(reply->body));
    conn->reply = *reply;
    conn->state = CONN_REPLY;
    conn->deadline_us = INT64_MAX;
    conn->reply_bytes = 0;
    conn->reply_front = STR_NONE;
    conn->reply_buffer = NULL;
    conn->is_reply_head_done = false;
    conn->is_stream_asleep = false;
    conn->is_reply_chunked = reply->stream != NULL && head->minor_version == 1;
    conn->will_close = reply->must_close || !head->is_keep_alive || conn->server->is_draining ||
                       conn->request_count >= HTTP_REQUESTS_PER_CONNECTION_MAX ||
                       (reply->stream != NULL && !conn->is_reply_chunked);
    reply_body_choose(conn);
    conn->is_stream_over = reply->stream == NULL || !reply_has_body(conn);
}

void reply_continue(struct conn *conn) {
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    uint32_t room;
    uint8_t *place = conn_out_room(conn, &room);
    if (place == NULL || room < sizeof text - 1) {
        return; /* optional (RFC 9110, 10.1.1): the client sends its body after a while anyway */
    }
    memcpy(place, text, sizeof text - 1);
    conn_out_ack(conn, sizeof text - 1);
    if (conn->tls != NULL) {
        tls_plain_flush(conn->tls);
    }
}

/* At least `wanted` bytes in one piece: in the out buffer, or when a TLS client has asked for small
 * records (RFC 6066, 4: down to 512 bytes), beside it. NULL: no memory for that. */
static char *piece_open(struct conn *conn, uint32_t wanted, uint32_t *room) {
    uint8_t *place = conn_out_room(conn, room);
    if (place != NULL && *room >= wanted) {
        return (char *)place;
    }
    if (conn->reply_buffer == NULL) {
        conn->reply_buffer = arena_take(&conn->arena, REPLY_BUFFER_BYTES);
    }
    *room = REPLY_BUFFER_BYTES;
    return conn->reply_buffer;
}

static void piece_close(struct conn *conn, const char *place, uint32_t bytes) {
    CHECK(conn->reply_front.len == 0);
    if (place == conn->reply_buffer) {
        conn->reply_front = str_from(place, bytes);
    } else {
        conn_out_ack(conn, bytes);
        conn->reply_bytes += bytes;
    }
}

/* A head that does not fit is our bug; the client must not wait for it. */
static void head_replace(struct conn *conn) {
    log_error("net", "the headers of a %u reply do not fit", (unsigned)conn->reply.status);
    conn->reply = (struct http_reply){.status = 500, .must_close = true};
    conn->reply_rest = STR_NONE;
    conn->is_gzip = false;
    conn->will_close = true;
    conn->is_stream_over = true;
}

static enum step head_fill(struct conn *conn) {
    uint32_t room;
    char *place = piece_open(conn, REPLY_HEAD_BYTES_MAX, &room);
    if (place == NULL) {
        conn_close(conn);
        return STEP_GONE;
    }
    struct buf out = buf_over(place, room);
    if (conn->reply.headers.len <= REPLY_HEADERS_BYTES_MAX) {
        reply_head_write(conn, &out);
    }
    if (out.is_full || out.len == 0) {
        head_replace(conn);
        buf_reset(&out);
        reply_head_write(conn, &out);
    }
    CHECK(!out.is_full);
    piece_close(conn, place, out.len);
    conn->is_reply_head_done = true;
    if (!reply_has_body(conn)) {
        conn->reply_rest = STR_NONE;
    }
    return STEP_GO;
}

static void some_fill(struct conn *conn, struct str *from) {
    uint32_t room;
    uint8_t *place = conn_out_room(conn, &room);
    if (place == NULL || from->len == 0) {
        return;
    }
    uint32_t bytes = from->len < room ? from->len : room;
    memcpy(place, from->data, bytes);
    conn_out_ack(conn, bytes);
    *from = str_slice(*from, bytes, from->len);
    conn->reply_bytes += bytes;
}

/* One call of the stream as one chunk. The size is written with leading zeros (RFC 9112, 7.1: any
 * number of digits), because it is known only afterwards. */
static enum step stream_fill(struct conn *conn) {
    uint32_t room;
    char *place = piece_open(conn, STREAM_ROOM_MIN, &room);
    if (place == NULL) {
        conn_close(conn);
        return STEP_GONE;
    }
    uint32_t front = conn->is_reply_chunked ? CHUNK_HEAD_BYTES : 0;
    uint32_t back = conn->is_reply_chunked ? CHUNK_TAIL_BYTES : 0;
    struct buf content = buf_over(place + front, room - front - back);
    enum err err = conn->reply.stream(conn->reply.stream_ctx, &content);
    if (content.is_full || (err != ERR_OK && err != ERR_END && err != ERR_AGAIN)) {
        conn_close(conn);
        return STEP_GONE;
    }
    conn->is_stream_over = err == ERR_END;
    conn->is_stream_asleep = err == ERR_AGAIN || (err == ERR_OK && content.len == 0);
    uint32_t bytes = content.len;
    if (conn->is_reply_chunked) {
        struct buf frame = buf_over(place, room);
        if (content.len > 0) {
            buf_printf(&frame, "%04x\r\n", content.len);
            frame.len += content.len;
            buf_put_c(&frame, "\r\n");
        }
        if (conn->is_stream_over) {
            buf_put_c(&frame, "0\r\n\r\n");
        }
        CHECK(!frame.is_full);
        bytes = frame.len;
    }
    piece_close(conn, place, bytes);
    return STEP_GO;
}

static bool body_goes_direct(const struct conn *conn) {
    return conn->tls == NULL && conn->reply_rest.len >= DIRECT_BYTES_MIN;
}

/* Puts the next piece into the (empty) out buffer. */
static enum step fill(struct conn *conn) {
    uint32_t room;
    enum step step = STEP_GO;
    if (conn_out_room(conn, &room) == NULL) { /* TLS was closed under us */
        conn_close(conn);
        return STEP_GONE;
    }
    if (!conn->is_reply_head_done) {
        step = head_fill(conn);
    }
    if (step == STEP_GO && conn->reply_front.len > 0) {
        some_fill(conn, &conn->reply_front);
    } else if (step == STEP_GO && !body_goes_direct(conn)) {
        some_fill(conn, &conn->reply_rest);
    }
    bool may_stream = conn->state == CONN_REPLY && conn->reply_front.len == 0 &&
                      !conn->is_stream_over && !conn->is_stream_asleep;
    if (step == STEP_GO && may_stream) {
        step = stream_fill(conn);
    }
    if (step == STEP_GO && conn->tls != NULL) {
        tls_plain_flush(conn->tls);
    }
    return step;
}

static bool is_complete(const struct conn *conn) {
    return conn->is_reply_head_done && conn->reply_front.len == 0 && conn->reply_rest.len == 0 &&
           conn->is_stream_over;
}

static struct str direct_part(const struct conn *conn, uint32_t budget_bytes) {
    if (conn->tls != NULL || !conn->is_reply_head_done) {
        return STR_NONE;
    }
    return str_slice(conn->reply_rest, 0, budget_bytes);
}

enum step reply_step(struct conn *conn, uint32_t *budget_bytes) {
    uint64_t before = conn->server->stats.bytes_out;
    struct str direct = direct_part(conn, *budget_bytes);
    uint32_t direct_sent = 0;
    enum step step = conn_out_send(conn, direct, &direct_sent);
    if (step == STEP_GONE) {
        return STEP_GONE;
    }
    conn->reply_rest = str_slice(conn->reply_rest, direct_sent, conn->reply_rest.len);
    conn->reply_bytes += direct_sent;
    uint64_t sent = conn->server->stats.bytes_out - before;
    *budget_bytes -= sent < *budget_bytes ? (uint32_t)sent : *budget_bytes;
    if (step == STEP_WAIT) {
        int64_t now_us = loop_now_us(conn->server->loop);
        conn_deadline_set(conn, now_us + conn->server->options.write_timeout_us);
        return STEP_WAIT;
    }
    conn->deadline_us = INT64_MAX;
    if (is_complete(conn)) {
        conn_reply_done(conn);
        return STEP_GO;
    }
    if (*budget_bytes == 0 || (conn->is_stream_asleep && conn->reply_front.len == 0)) {
        return STEP_WAIT;
    }
    return fill(conn);
}

static void write_now(struct conn *conn) {
    uint32_t budget_bytes = CONN_WRITE_BYTES_PER_TICK;
    enum step step = STEP_GO;
    while (step == STEP_GO && conn->state == CONN_REPLY) {
        step = reply_step(conn, &budget_bytes);
    }
    if (step != STEP_GONE && conn->state != CONN_FREE) {
        conn_settle(conn);
    }
}

void server_reply(struct server *server, struct http_exchange *exchange,
                  const struct http_reply *reply) {
    struct conn *conn = exchange->connection;
    CHECK(conn->server == server);
    if (conn->state == CONN_ZOMBIE) {
        conn->state = CONN_REPLY;
        conn_exchange_end(conn, reply->status);
        conn_free(conn);
        return;
    }
    CHECK(conn->state == CONN_HANDLER);
    reply_start(conn, reply);
    if (!conn->is_advancing) {
        write_now(conn);
    }
}

void server_stream_wake(struct server *server, struct http_exchange *exchange) {
    struct conn *conn = exchange->connection;
    CHECK(conn->server == server);
    CHECK(conn->state == CONN_REPLY);
    CHECK(conn->reply.stream != NULL);
    if (conn->is_stream_asleep) {
        conn->is_stream_asleep = false;
        conn_enqueue(&server->ready, conn);
    }
}
