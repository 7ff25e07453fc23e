/* A connection's way through its states; the diagram is in conn.h. */
#include "net/conn.h"

#include "base/num.h"

#include <string.h>
#include <sys/socket.h>

/* What one conn_advance may still do. */
struct share {
    uint32_t requests;
    uint32_t write_bytes;
};

/* Bodies are limited by the arena too, which also holds what is made of them. */
enum { BODY_BYTES_LIMIT = REQUEST_ARENA_BYTES_MAX - 256 * 1024 };

static int64_t now_us(const struct conn *conn) {
    return loop_now_us(conn->server->loop);
}

/* --- deadlines ---------------------------------------------------------------------------------
 */

/* When the timer has to look at the connection next. */
static int64_t next_look_us(const struct conn *conn) {
    int64_t next = conn->deadline_us;
    if (conn->state == CONN_IDLE && !conn->is_trimmed && conn->since_us + CONN_TRIM_US < next) {
        next = conn->since_us + CONN_TRIM_US;
    }
    return next;
}

/* A timer that fires too early only looks and sets itself again: so it is moved when the deadline
 * comes nearer, and not for every request. */
static void timer_arm(struct conn *conn) {
    int64_t next = next_look_us(conn);
    if (next == INT64_MAX) {
        return;
    }
    if (conn->timer.heap_slot == 0 || next < conn->timer.due_us) {
        loop_timer_set(conn->server->loop, &conn->timer, next);
    }
}

void conn_deadline_set(struct conn *conn, int64_t deadline_us) {
    conn->deadline_us = deadline_us;
    timer_arm(conn);
}

/* A body may take body_timeout, and beyond its first part as long as it keeps the pace. */
static int64_t body_deadline_us(const struct conn *conn) {
    int64_t paced_bytes = (int64_t)conn->body_bytes - CONN_BODY_TRUST_BYTES;
    int64_t more_us = paced_bytes > 0 ? paced_bytes * 1000000 / CONN_BODY_BYTES_PER_S_MIN : 0;
    return conn->since_us + conn->server->options.body_timeout_us + more_us;
}

static void refuse(struct conn *conn, enum err why);
static void head_refuse(struct conn *conn, enum err why);

static void on_deadline(struct conn *conn) {
    struct server *server = conn->server;
    switch (conn->state) {
    case CONN_IDLE:
        conn_say_goodbye(conn);
        return;
    case CONN_LINGER:
        conn_close(conn);
        return;
    case CONN_HANDSHAKE:
    case CONN_REPLY:
        server->stats.timed_out += 1;
        conn_close(conn);
        return;
    case CONN_BODY:
        if (now_us(conn) < body_deadline_us(conn)) {
            conn_deadline_set(conn, body_deadline_us(conn));
            return;
        }
        server->stats.timed_out += 1;
        refuse(conn, ERR_REQUEST_TIMEOUT);
        conn_advance(conn);
        return;
    case CONN_HEAD:
        server->stats.timed_out += 1;
        head_refuse(conn, ERR_REQUEST_TIMEOUT);
        conn_advance(conn);
        return;
    case CONN_HANDLER:
    case CONN_ZOMBIE:
    case CONN_FREE:
        return;
    }
}

static void on_due(struct loop_timer *timer) {
    struct conn *conn = (struct conn *)(void *)((char *)timer - offsetof(struct conn, timer));
    CHECK(conn->state != CONN_FREE);
    if (now_us(conn) >= conn->deadline_us) {
        on_deadline(conn);
    } else if (conn->state == CONN_IDLE && next_look_us(conn) <= now_us(conn)) {
        conn_trim(conn);
    }
    if (conn->state != CONN_FREE && conn->state != CONN_ZOMBIE) {
        timer_arm(conn);
    }
}

/* --- entering states ---------------------------------------------------------------------------
 */

static void enter_idle(struct conn *conn, int64_t timeout_us) {
    conn->state = CONN_IDLE;
    conn->since_us = now_us(conn);
    conn->is_trimmed = false;
    conn->head_bytes = 0;
    conn_deadline_set(conn, conn->since_us + timeout_us);
}

void conn_handshake_done(struct conn *conn) {
    struct server_stats *stats = &conn->server->stats;
    CHECK(conn->state == CONN_HANDSHAKE);
    tls_handshake_finish(conn->tls);
    if (tls_is_resumed(conn->tls)) {
        stats->handshakes_resumed += 1;
    } else {
        stats->handshakes_full += 1;
    }
    enter_idle(conn, conn->server->options.idle_timeout_us);
}

void conn_exchange_end(struct conn *conn, uint16_t status) {
    struct server_handler *handler = &conn->server->handler;
    handler->on_done(handler->ctx, &conn->exchange, status, conn->reply_bytes);
    arena_reset(&conn->arena);
    conn->body = NULL;
    conn->body_bytes = 0;
    conn->body_room = 0;
}

void conn_reply_done(struct conn *conn) {
    CHECK(conn->state == CONN_REPLY);
    conn_exchange_end(conn, conn->reply.status);
    enter_idle(conn, conn->server->options.idle_timeout_us);
    if (conn->will_close || conn->server->is_draining) {
        conn_say_goodbye(conn);
    }
}

void conn_say_goodbye(struct conn *conn) {
    if (conn->state == CONN_BODY) {
        conn->state = CONN_IDLE;
        conn_exchange_end(conn, 0);
    }
    CHECK(conn->state == CONN_HANDSHAKE || conn->state == CONN_IDLE || conn->state == CONN_HEAD);
    uint32_t sent;
    if (conn->tls != NULL) {
        tls_close(conn->tls);
    }
    if (conn_out_send(conn, STR_NONE, &sent) == STEP_GONE) {
        return;
    }
    if (conn->has_ended || shutdown(conn->watch.fd, SHUT_WR) != 0) {
        conn_close(conn);
        return;
    }
    conn->state = CONN_LINGER;
    conn->is_blocked = false;
    conn->linger_bytes = 0;
    conn->since_us = now_us(conn);
    conn_deadline_set(conn, conn->since_us + CONN_LINGER_US);
    /* Called from outside conn_advance, nothing else asks the loop for what comes now. */
    if (!conn->is_advancing) {
        conn_settle(conn);
    }
}

/* A refused request whose body we can still read away lets the connection live. */
static bool refusal_keeps_connection(struct conn *conn) {
    const struct http_head *head = &conn->exchange.head;
    bool has_head = head->method != 0 && conn->state == CONN_HEAD;
    if (!has_head || head->is_chunked || head->expects_continue ||
        head->content_length > CONN_SKIP_BYTES_MAX) {
        return false;
    }
    conn->skip_bytes = head->content_length;
    return true;
}

static void refuse(struct conn *conn, enum err why) {
    struct server_handler *handler = &conn->server->handler;
    CHECK(conn->state == CONN_HEAD || conn->state == CONN_BODY);
    struct http_reply reply = {0};
    bool keeps = refusal_keeps_connection(conn);
    handler->on_refusal(handler->ctx, &conn->exchange, why, &reply);
    CHECK(reply.status >= 400);
    reply.must_close |= !keeps;
    reply_start(conn, &reply);
}

/* --- requests ----------------------------------------------------------------------------------
 */

static void exchange_begin(struct conn *conn) {
    struct http_exchange *exchange = &conn->exchange;
    exchange->body = STR_NONE;
    exchange->arena = &conn->arena;
    exchange->started_us = now_us(conn);
    exchange->connection = conn;
    exchange->peer = forwarded_client(&conn->server->trusted, conn->address, &exchange->head);
    exchange->is_tls =
        forwarded_is_tls(&conn->server->trusted, conn->address, &exchange->head, conn->is_tls);
    memset(exchange->context, 0, sizeof exchange->context);
    conn->reply_bytes = 0;
}

static void dispatch(struct conn *conn) {
    struct server_handler *handler = &conn->server->handler;
    CHECK(conn->state == CONN_HEAD || conn->state == CONN_BODY);
    conn->state = CONN_HANDLER;
    conn->deadline_us = INT64_MAX;
    handler->on_request(handler->ctx, &conn->exchange);
}

static enum err body_room_set(struct conn *conn, uint32_t room) {
    CHECK(room >= conn->body_bytes);
    size_t old = conn->body == NULL ? 0 : (size_t)conn->body_room + HTTP_BODY_PADDING_BYTES;
    char *grown = arena_grow(&conn->arena, conn->body, old, (size_t)room + HTTP_BODY_PADDING_BYTES);
    if (grown == NULL) {
        return ERR_NO_MEMORY;
    }
    conn->body = grown;
    conn->body_room = room;
    return ERR_OK;
}

static enum err body_append(struct conn *conn, struct str bytes) {
    uint64_t wanted = (uint64_t)conn->body_bytes + bytes.len;
    if (wanted > conn->body_bytes_max) {
        return ERR_BODY_TOO_LARGE;
    }
    if (wanted > conn->body_room) {
        const struct http_head *head = &conn->exchange.head;
        uint64_t doubled = (uint64_t)conn->body_room * 2;
        uint64_t room = head->is_chunked ? num_max_u64(wanted, doubled) : head->content_length;
        room = room > conn->body_bytes_max ? conn->body_bytes_max : room;
        enum err err = body_room_set(conn, (uint32_t)room);
        if (err != ERR_OK) {
            return err;
        }
    }
    if (bytes.len > 0) {
        memcpy(conn->body + conn->body_bytes, bytes.data, bytes.len);
        conn->body_bytes += bytes.len;
    }
    return ERR_OK;
}

static enum err body_begin(struct conn *conn) {
    const struct http_head *head = &conn->exchange.head;
    memset(&conn->chunked, 0, sizeof conn->chunked);
    conn->body = NULL;
    conn->body_bytes = 0;
    conn->body_room = 0;
    if (conn->body_bytes_max > BODY_BYTES_LIMIT) {
        conn->body_bytes_max = BODY_BYTES_LIMIT;
    }
    if (head->has_length && head->content_length > conn->body_bytes_max) {
        return ERR_BODY_TOO_LARGE;
    }
    uint64_t room = head->is_chunked ? 4096 : head->content_length;
    room = room > CONN_BODY_TRUST_BYTES ? CONN_BODY_TRUST_BYTES : room;
    room = room > conn->body_bytes_max ? conn->body_bytes_max : room;
    return body_room_set(conn, (uint32_t)room);
}

static void head_done(struct conn *conn) {
    struct server *server = conn->server;
    const struct http_head *head = &conn->exchange.head;
    conn->request_count += 1;
    server->stats.requests += 1;
    conn->body_bytes_max = HTTP_BODY_BYTES_DEFAULT;
    enum err err =
        server->handler.on_head(server->handler.ctx, &conn->exchange, &conn->body_bytes_max);
    bool announces_body = head->is_chunked || head->has_length;
    if (err == ERR_OK && announces_body) {
        err = body_begin(conn);
    }
    if (err != ERR_OK) {
        refuse(conn, err);
        return;
    }
    if (!head->is_chunked && head->content_length == 0) {
        conn->exchange.body = announces_body ? str_from(conn->body, 0) : STR_NONE;
        dispatch(conn);
        return;
    }
    conn->state = CONN_BODY;
    conn->since_us = now_us(conn);
    conn_deadline_set(conn, body_deadline_us(conn));
    if (head->expects_continue && !conn_has_input(conn)) {
        reply_continue(conn);
    }
}

/* Without a whole head there is an exchange all the same: an empty one, and none of an earlier
 * request's memory. */
static void head_refuse(struct conn *conn, enum err why) {
    memset(&conn->exchange.head, 0, sizeof conn->exchange.head);
    exchange_begin(conn);
    refuse(conn, why);
}

static void head_take(struct conn *conn, struct str bytes) {
    uint32_t before = conn->head_bytes;
    uint32_t room = HTTP_HEAD_BYTES_MAX - before;
    uint32_t taken = bytes.len < room ? bytes.len : room;
    uint32_t length = 0;
    if (conn->state == CONN_IDLE) {
        conn->state = CONN_HEAD;
        conn->since_us = now_us(conn);
    }
    memcpy(conn_head(conn) + before, bytes.data, taken);
    conn->head_bytes += taken;
    struct str head = str_from((const char *)conn_head(conn), conn->head_bytes);
    enum err err = http_head_parse(head, &conn->exchange.head, &length);
    if (err == ERR_AGAIN && conn->head_bytes < HTTP_HEAD_BYTES_MAX) {
        conn_plain_ack(conn, taken);
        conn_deadline_set(conn, conn->since_us + conn->server->options.head_timeout_us);
        return;
    }
    if (err != ERR_OK) {
        conn_plain_ack(conn, taken);
        conn->server->stats.malformed += 1;
        head_refuse(conn, err == ERR_AGAIN ? ERR_HEAD_TOO_LARGE : err);
        return;
    }
    CHECK(length > before);
    CHECK(length <= conn->head_bytes);
    conn->head_bytes = length;
    conn_plain_ack(conn, length - before);
    exchange_begin(conn);
    head_done(conn);
}

static void body_done(struct conn *conn) {
    CHECK(conn->body_bytes <= conn->body_room);
    memset(conn->body + conn->body_bytes, 0, HTTP_BODY_PADDING_BYTES);
    conn->exchange.body = str_from(conn->body, conn->body_bytes);
    dispatch(conn);
}

static void body_take_length(struct conn *conn, struct str bytes) {
    uint64_t missing = conn->exchange.head.content_length - conn->body_bytes;
    uint32_t taken = missing < bytes.len ? (uint32_t)missing : bytes.len;
    enum err err = body_append(conn, str_slice(bytes, 0, taken));
    conn_plain_ack(conn, taken);
    if (err != ERR_OK) {
        refuse(conn, err);
    } else if (taken == missing) {
        body_done(conn);
    }
}

static void body_take_chunked(struct conn *conn, struct str bytes) {
    uint32_t used_all = 0;
    enum err err = ERR_OK;
    while (err == ERR_OK && used_all < bytes.len) {
        uint32_t used = 0;
        struct str data = STR_NONE;
        err =
            http_chunked_step(&conn->chunked, str_slice(bytes, used_all, bytes.len), &used, &data);
        used_all += used;
        bool has_data = err == ERR_OK || err == ERR_AGAIN || err == ERR_END;
        enum err append = has_data ? body_append(conn, data) : ERR_OK;
        err = append != ERR_OK ? append : err;
    }
    conn_plain_ack(conn, used_all);
    if (err == ERR_END) {
        body_done(conn);
    } else if (err != ERR_OK && err != ERR_AGAIN) {
        conn->server->stats.malformed += err == ERR_HTTP_MALFORMED ? 1 : 0;
        refuse(conn, err);
    }
}

static enum step input_step(struct conn *conn) {
    struct str bytes = STR_NONE;
    if (conn_has_output(conn)) { /* 100 Continue */
        uint32_t sent;
        enum step step = conn_out_send(conn, STR_NONE, &sent);
        if (step != STEP_GO) {
            return step;
        }
    }
    enum step step = conn_plain_get(conn, &bytes);
    if (step != STEP_GO || conn->state == CONN_LINGER) {
        return step;
    }
    CHECK(bytes.len > 0);
    if (conn->state == CONN_BODY) {
        if (conn->exchange.head.is_chunked) {
            body_take_chunked(conn, bytes);
        } else {
            body_take_length(conn, bytes);
        }
    } else if (conn->skip_bytes > 0) {
        uint32_t skipped = conn->skip_bytes < bytes.len ? (uint32_t)conn->skip_bytes : bytes.len;
        conn->skip_bytes -= skipped;
        conn_plain_ack(conn, skipped);
    } else {
        head_take(conn, bytes);
    }
    return STEP_GO;
}

/* --- the machine -------------------------------------------------------------------------------
 */

static enum step advance_step(struct conn *conn, struct share *share) {
    switch (conn->state) {
    case CONN_HANDSHAKE:
        return conn_handshake_step(conn);
    case CONN_IDLE:
        if (share->requests == 0) {
            return STEP_WAIT;
        }
        share->requests -= 1;
        return input_step(conn);
    case CONN_HEAD:
    case CONN_BODY:
        return input_step(conn);
    case CONN_REPLY:
        return reply_step(conn, &share->write_bytes);
    case CONN_LINGER:
        return conn_linger_step(conn);
    case CONN_HANDLER:
        return STEP_WAIT;
    case CONN_ZOMBIE:
    case CONN_FREE:
        return STEP_GONE;
    }
    return STEP_GONE;
}

void conn_advance(struct conn *conn) {
    struct server *server = conn->server;
    struct share share = {CONN_REQUESTS_PER_TICK, CONN_WRITE_BYTES_PER_TICK};
    CHECK(!conn->is_advancing);
    CHECK(server->scratch_owner == NULL);
    conn_dequeue(conn);
    server->scratch_owner = conn;
    server->read_left = CONN_READ_BYTES_PER_TICK;
    conn->is_advancing = true;
    enum step step = STEP_GO;
    while (step == STEP_GO) {
        step = advance_step(conn, &share);
    }
    server->scratch_owner = NULL;
    if (step == STEP_GONE) {
        return;
    }
    conn->is_advancing = false;
    conn_raw_keep(conn);
    conn_settle(conn);
}

static bool takes_input(const struct conn *conn) {
    return conn->state != CONN_HANDLER && conn->state != CONN_REPLY;
}

void conn_settle(struct conn *conn) {
    CHECK(conn->state != CONN_FREE);
    CHECK(conn->state != CONN_ZOMBIE);
    uint32_t events = conn->watch.events & LOOP_READ;
    bool has_work;
    if (takes_input(conn)) {
        events = LOOP_READ;
        has_work = !conn->is_blocked && conn_has_input(conn);
    } else {
        /* More input while the handler works: not now, and no event for it again and again. */
        if (conn->may_read) {
            events = 0;
        }
        bool is_asleep = conn->is_stream_asleep && conn->reply_front.len == 0;
        has_work = conn->state == CONN_REPLY && !conn->is_blocked && !is_asleep;
    }
    if (conn->is_blocked) {
        events |= LOOP_WRITE;
    }
    loop_watch_change(conn->server->loop, &conn->watch, events);
    if (has_work) {
        bool is_handshake = conn->state == CONN_HANDSHAKE;
        conn_enqueue(is_handshake ? &conn->server->handshakes : &conn->server->ready, conn);
    }
}

static void on_ready(struct loop_watch *watch, uint32_t events) {
    struct conn *conn = (struct conn *)(void *)((char *)watch - offsetof(struct conn, watch));
    conn->may_read |= (events & (LOOP_READ | LOOP_HANGUP)) != 0;
    if ((events & LOOP_WRITE) != 0) {
        conn->is_blocked = false;
    }
    /* We never ask for hang-ups: it is a reset, or both sides have ended. Who still writes finds no
     * reader. Elsewhere the next read tells what is left. */
    if ((events & LOOP_HANGUP) != 0 && !takes_input(conn)) {
        conn_close(conn);
        return;
    }
    if ((events & LOOP_HANGUP) != 0) {
        conn->is_blocked = false;
    }
    if (conn->state == CONN_HANDSHAKE) {
        conn_enqueue(&conn->server->handshakes, conn);
        return;
    }
    conn_advance(conn);
}

void conn_start(struct conn *conn, int fd, struct net_address address, bool is_tls) {
    struct server *server = conn->server;
    conn->watch.fd = fd;
    conn->watch.on_ready = on_ready;
    conn->timer.on_due = on_due;
    conn->address = address;
    conn->is_tls = is_tls;
    conn->deadline_us = INT64_MAX;
    arena_init(&conn->arena, &server->arenas, REQUEST_ARENA_BYTES_MAX);
    if (is_tls) {
        conn->tls = tls_start(conn_tls_context(conn), conn_tls_in(conn), conn_out(conn),
                              server->tls, now_us(conn));
        conn->state = CONN_HANDSHAKE;
        conn->since_us = now_us(conn);
        conn_deadline_set(conn, conn->since_us + server->options.head_timeout_us);
    } else {
        enter_idle(conn, server->options.head_timeout_us);
    }
}

void conn_drain(struct conn *conn) {
    if (conn->state == CONN_IDLE) {
        /* A request that is in the socket already gets its answer. */
        conn->may_read = true;
        conn_advance(conn);
    }
    if (conn->state == CONN_IDLE) {
        conn_say_goodbye(conn);
    } else if (conn->state == CONN_HANDSHAKE) {
        conn_close(conn);
    }
}
