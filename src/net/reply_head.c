/* The head of a reply and the choice of its body's form. */
#include "net/conn.h"

#include "base/time.h"
#include "os/clock.h"

/* RFC 9110, 6.4.1: these never have content. */
static bool status_allows_body(uint16_t status) {
    return status >= 200 && status != 204 && status != 304;
}

bool reply_has_body(const struct conn *conn) {
    return status_allows_body(conn->reply.status) && conn->exchange.head.method != HTTP_HEAD;
}

static bool client_accepts_gzip(const struct conn *conn) {
    struct str accepted = http_header(&conn->exchange.head, STR("Accept-Encoding"));
    return !str_is_none(accepted) && http_accepts(accepted, STR("gzip"));
}

/* Compresses into the exchange's arena when that is smaller. */
static bool body_compress(struct conn *conn, struct str *body) {
    if (body->len < GZIP_BODY_BYTES_MIN || body->len > GZIP_BODY_BYTES_MAX) {
        return false;
    }
    uint32_t room = body->len - body->len / 8;
    uint32_t bytes = 0;
    void *out = arena_take(&conn->arena, room);
    if (out == NULL || gzip_compress(&conn->server->gzip, *body, out, room, &bytes) != ERR_OK) {
        return false;
    }
    *body = str_from(out, bytes);
    return true;
}

void reply_body_choose(struct conn *conn) {
    const struct http_reply *reply = &conn->reply;
    struct str body = str_is_none(reply->content_type) ? STR_NONE : reply->body;
    conn->is_gzip = false;
    if (reply->stream == NULL && !str_is_none(body)) {
        bool has_ready_form = !str_is_none(reply->gzip_body);
        bool may_compress = reply->is_compressible && body.len >= GZIP_BODY_BYTES_MIN;
        if ((has_ready_form || may_compress) && client_accepts_gzip(conn)) {
            conn->is_gzip = has_ready_form || body_compress(conn, &body);
            body = has_ready_form ? reply->gzip_body : body;
        }
    }
    conn->reply_rest = body;
}

/* The second of the Date header, formatted once. */
static struct str date_now(struct server *server) {
    int64_t now_s = clock_wall_us() / TIME_US_PER_S;
    if (now_s != server->date_s || server->date_len == 0) {
        struct buf date = buf_over(server->date, sizeof server->date);
        time_format_http(now_s * TIME_US_PER_S, &date);
        CHECK(!date.is_full);
        server->date_s = now_s;
        server->date_len = date.len;
    }
    return str_from(server->date, server->date_len);
}

static void put_length(const struct conn *conn, struct buf *out) {
    const struct http_reply *reply = &conn->reply;
    /* RFC 9110, 8.6: none with 204 and 1xx; optional with 304. */
    if (!status_allows_body(reply->status)) {
        return;
    }
    if (reply->stream == NULL) {
        buf_put_c(out, "\r\nContent-Length: ");
        buf_put_u64(out, conn->reply_rest.len);
    } else if (conn->is_reply_chunked) {
        buf_put_c(out, "\r\nTransfer-Encoding: chunked");
    }
}

void reply_head_write(struct conn *conn, struct buf *out) {
    const struct http_reply *reply = &conn->reply;
    buf_put_c(out, "HTTP/1.1 ");
    buf_put_u64_padded(out, reply->status, 3);
    buf_put_byte(out, ' ');
    buf_put_c(out, http_reason(reply->status));
    buf_put_c(out, "\r\nDate: ");
    buf_put_str(out, date_now(conn->server));
    if (!str_is_none(reply->content_type)) {
        buf_put_c(out, "\r\nContent-Type: ");
        buf_put_str(out, reply->content_type);
    }
    put_length(conn, out);
    if (conn->is_gzip) {
        buf_put_c(out, "\r\nContent-Encoding: gzip");
    }
    if (reply->is_compressible || !str_is_none(reply->gzip_body)) {
        buf_put_c(out, "\r\nVary: Accept-Encoding");
    }
    if (conn->will_close) {
        buf_put_c(out, "\r\nConnection: close");
    } else if (conn->exchange.head.minor_version == 0) {
        buf_put_c(out, "\r\nConnection: keep-alive");
    }
    buf_put_c(out, "\r\n");
    buf_put_str(out, reply->headers);
    buf_put_c(out, "\r\n");
}
