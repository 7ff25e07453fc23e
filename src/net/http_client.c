/* HTTP/1.1 as the client, see http_client.h. */
#include "net/http_client.h"

#include <string.h>

#include "base/version.h"
#include "crypto/secret.h"
#include "net/http_bytes.h"
#include "os/loop.h"

static const struct client_handler conn_handler;

/* --- faults ------------------------------------------------------------------------------------
 */

struct fault_row {
    const char *name;
    const char *sentence;
};

static const struct fault_row fault_rows[] = {
#define FAULT_ROW(id, name, sentence) {name, sentence},
    HTTP_FAULT_TABLE(FAULT_ROW)
#undef FAULT_ROW
};

const char *http_fault_name(enum http_fault fault) {
    CHECK(fault < COUNT_OF(fault_rows));
    return fault_rows[fault].name;
}

/* --- the end -----------------------------------------------------------------------------------
 */

/* The request may have held a token. */
static void stop(struct http_client *http) {
    client_close(&http->client);
    crypto_wipe(http->out, sizeof http->out);
    http->pending = STR("");
    http->state = HTTP_CLIENT_IDLE;
}

static void end_with(struct http_client *http, enum http_fault fault, const char *detail) {
    CHECK(http->state != HTTP_CLIENT_IDLE);
    stop(http);
    http->handler->on_end(http, fault, detail);
}

static void end(struct http_client *http, enum http_fault fault) {
    end_with(http, fault, fault_rows[fault].sentence);
}

/* The owner's callback may have cancelled it, and even begun another one. */
static bool is_same(const struct http_client *http, uint32_t number) {
    return http->number == number && http->state != HTTP_CLIENT_IDLE;
}

void http_client_cancel(struct http_client *http) {
    if (http->state != HTTP_CLIENT_IDLE) {
        stop(http);
    }
}

/* --- deadlines ---------------------------------------------------------------------------------
 */

static int64_t deadline_in(const struct http_client *http, int64_t us) {
    int64_t deadline_us = loop_now_us(http->world->loop) + us;
    return deadline_us < http->whole_deadline_us ? deadline_us : http->whole_deadline_us;
}

/* While the owner holds back, the peer is not to blame. */
static void deadline_set(struct http_client *http) {
    int64_t us = http->state == HTTP_CLIENT_WAITING ? http->call.head_us : http->call.idle_us;
    client_deadline_set(&http->client,
                        http->is_paused ? http->whole_deadline_us : deadline_in(http, us));
}

static enum http_fault timeout_of(const struct http_client *http) {
    if (loop_now_us(http->world->loop) >= http->whole_deadline_us) {
        return HTTP_FAULT_WHOLE_TIME;
    }
    switch (http->state) {
    case HTTP_CLIENT_CONNECTING:
        return HTTP_FAULT_CONNECT_TIME;
    case HTTP_CLIENT_SENDING:
        return HTTP_FAULT_SEND_TIME;
    case HTTP_CLIENT_WAITING:
        return HTTP_FAULT_HEAD_TIME;
    case HTTP_CLIENT_BODY:
        return HTTP_FAULT_BODY_TIME;
    case HTTP_CLIENT_IDLE:
        break;
    }
    CHECK(http->state != HTTP_CLIENT_IDLE);
    return HTTP_FAULT_WHOLE_TIME;
}

/* --- the request -------------------------------------------------------------------------------
 */

/* What proves who we are to one origin is no other's business (RFC 9110, 15.4). */
static bool is_private(const struct http_header *header) {
    return str_equal_nocase(header->name, STR("Authorization")) ||
           str_equal_nocase(header->name, STR("Cookie"));
}

static void head_format(const struct http_client *http, const struct http_url *url,
                        struct buf *out) {
    const struct http_call *call = &http->call;
    buf_put_c(out, http_method_name(call->method));
    buf_put_byte(out, ' ');
    http_url_put_target(url, out);
    buf_put_c(out, " HTTP/1.1\r\nHost: ");
    http_url_put_host(url, out);
    buf_put_c(out, "\r\nUser-Agent: Coffer/" COFFER_VERSION "\r\nConnection: close\r\n");
    if (!str_is_none(call->body)) {
        buf_printf(out, "Content-Length: %u\r\n", call->body.len);
    }
    for (uint32_t index = 0; index < call->header_count; index++) {
        const struct http_header *header = &call->headers[index];
        if (!http->is_astray || !is_private(header)) {
            buf_printf(out, "%.*s: %.*s\r\n", STR_ARG(header->name), STR_ARG(header->value));
        }
    }
    buf_put_c(out, "\r\n");
}

static bool headers_are_good(const struct http_call *call) {
    for (uint32_t index = 0; index < call->header_count; index++) {
        const struct http_header *header = &call->headers[index];
        if (!http_bytes_are(header->name, HTTP_BYTE_TOKEN) ||
            (header->value.len > 0 && !http_bytes_are(header->value, HTTP_BYTE_VALUE))) {
            return false;
        }
    }
    return true;
}

/* Begins with the URL in http->url, which is good. HTTP_FAULT_CALL: the head does not fit. */
static enum http_fault hop_start(struct http_client *http) {
    struct http_url url;
    struct buf out = buf_over(http->out, sizeof http->out);
    bool is_good = http_url_parse(str_from(http->url, http->url_len), &url);
    CHECK(is_good);
    head_format(http, &url, &out);
    if (out.is_full) {
        return HTTP_FAULT_CALL;
    }
    http->pending = buf_str(&out);
    http->is_body_pending = http->call.body.len > 0;
    http->in_len = 0;
    http->interims = 0;
    http->state = HTTP_CLIENT_CONNECTING;
    bool is_open = !url.is_tls && !http->call.may_be_plain;
    struct client_target target = {
        .host = url.host,
        .port = url.port,
        .is_tls = url.is_tls,
        .reach = is_open ? CLIENT_LOOPBACK : http->call.reach,
    };
    client_open(&http->client, http->world, &conn_handler, &target,
                deadline_in(http, http->call.connect_us));
    return HTTP_FAULT_NONE;
}

static void request_send(struct http_client *http) {
    uint32_t sent = 0;
    while (http->state == HTTP_CLIENT_SENDING) {
        uint32_t taken = client_write(&http->client, http->pending);
        http->pending = str_slice(http->pending, taken, http->pending.len);
        sent += taken;
        if (http->pending.len > 0) {
            break;
        }
        if (http->is_body_pending) {
            http->is_body_pending = false;
            http->pending = http->call.body;
        } else {
            http->state = HTTP_CLIENT_WAITING;
        }
    }
    if (sent > 0) {
        deadline_set(http);
    }
}

/* --- redirects ---------------------------------------------------------------------------------
 */

static bool is_redirect(const struct http_client *http, const struct http_head *head) {
    bool keeps_body = head->status == 307 || head->status == 308;
    bool drops_body = head->status == 301 || head->status == 302 || head->status == 303;
    return (keeps_body || (drops_body && str_is_none(http->call.body))) &&
           http->call.redirects_max > 0 && !str_is_none(http_header(head, STR("Location")));
}

static enum http_fault redirect(struct http_client *http, const struct http_head *head) {
    char memory[HTTP_URL_BYTES_MAX];
    struct buf next = buf_over(memory, sizeof memory);
    struct http_url from;
    struct http_url to;
    if (http->redirects == http->call.redirects_max) {
        return HTTP_FAULT_REDIRECTS;
    }
    http->redirects += 1;
    bool is_good = http_url_parse(str_from(http->url, http->url_len), &from);
    CHECK(is_good);
    if (!http_url_resolve(&from, http_header(head, STR("Location")), &next) ||
        !http_url_parse(buf_str(&next), &to) || (from.is_tls && !to.is_tls)) {
        return HTTP_FAULT_REDIRECT;
    }
    http->is_astray = http->is_astray || !http_url_is_same_origin(&from, &to);
    memcpy(http->url, memory, next.len);
    http->url_len = next.len;
    client_close(&http->client);
    return hop_start(http);
}

/* --- the body ----------------------------------------------------------------------------------
 */

/* Decides how much of what is here is body, and takes what only frames it. ERR_END: the body is
 * over; ERR_AGAIN: more must come first; ERR_OK: payload_bytes are in front. */
static enum err payload_find(struct http_client *http) {
    struct str bytes = client_read(&http->client);
    struct str data = bytes;
    uint32_t used = 0;
    if (http->framing == HTTP_FRAMED_BY_LENGTH) {
        if (http->length_left == 0) {
            return ERR_END;
        }
        http->payload_bytes =
            bytes.len < http->length_left ? bytes.len : (uint32_t)http->length_left;
        http->length_left -= http->payload_bytes;
        return bytes.len > 0 ? ERR_OK : ERR_AGAIN;
    }
    if (bytes.len == 0) {
        return ERR_AGAIN;
    }
    if (http->framing == HTTP_FRAMED_BY_CHUNKS) {
        enum err err = http_chunked_step(&http->chunked, bytes, &used, &data);
        client_read_ack(&http->client, used - data.len); /* what is payload is the end of it */
        http->payload_bytes = data.len;
        return err;
    }
    http->payload_bytes = bytes.len;
    return ERR_OK;
}

/* Gives the payload in front to the owner. */
static void payload_give(struct http_client *http) {
    uint32_t number = http->number;
    struct str bytes = str_slice(client_read(&http->client), 0, http->payload_bytes);
    CHECK(bytes.len == http->payload_bytes);
    uint32_t taken = http->handler->on_body(http, bytes);
    if (is_same(http, number)) {
        CHECK(taken <= bytes.len);
        client_read_ack(&http->client, taken);
        http->payload_bytes -= taken;
        http->is_paused = taken < bytes.len;
        deadline_set(http);
    }
}

static void body_read(struct http_client *http) {
    uint32_t number = http->number;
    enum err err = ERR_OK;
    while (is_same(http, number) && !http->is_paused && err == ERR_OK) {
        if (http->payload_bytes == 0) {
            err = payload_find(http);
            http->body_bytes += http->payload_bytes;
        }
        if (http->body_bytes > http->call.reply_bytes_max) {
            end(http, HTTP_FAULT_BODY_LARGE);
        } else if (http->payload_bytes > 0) {
            payload_give(http);
        }
    }
    if (err == ERR_END) {
        end(http, HTTP_FAULT_NONE);
    } else if (err == ERR_HTTP_MALFORMED) {
        end(http, HTTP_FAULT_REPLY);
    }
}

/* RFC 9112, 6.3 */
static void body_begin(struct http_client *http, const struct http_head *head) {
    bool is_without = http->call.method == HTTP_HEAD || head->status == 204 || head->status == 304;
    http->chunked = (struct http_chunked){0};
    http->body_bytes = 0;
    http->payload_bytes = 0;
    http->length_left = is_without ? 0 : head->content_length;
    http->framing = HTTP_FRAMED_BY_END;
    if (is_without || head->has_length) {
        http->framing = HTTP_FRAMED_BY_LENGTH;
    } else if (head->is_chunked) {
        http->framing = HTTP_FRAMED_BY_CHUNKS;
    }
    http->state = HTTP_CLIENT_BODY;
    deadline_set(http);
}

/* --- the reply's head --------------------------------------------------------------------------
 */

static enum http_fault head_fault(enum err err) {
    switch ((int)err) {
    case ERR_HEAD_TOO_LARGE:
        return HTTP_FAULT_HEAD_LARGE;
    case ERR_BODY_TOO_LARGE:
        return HTTP_FAULT_BODY_LARGE;
    }
    return HTTP_FAULT_REPLY;
}

static enum http_fault head_take(struct http_client *http, const struct http_head *head) {
    uint32_t number = http->number;
    if (head->status < 200) {
        http->interims += 1;
        bool is_good = head->status != 101 && http->interims <= HTTP_CALL_INTERIM_MAX;
        return is_good ? HTTP_FAULT_NONE
                       : HTTP_FAULT_REPLY; /* we did not ask for another protocol */
    }
    if (is_redirect(http, head)) {
        return redirect(http, head);
    }
    body_begin(http, head);
    if (http->framing == HTTP_FRAMED_BY_LENGTH && http->length_left > http->call.reply_bytes_max) {
        return HTTP_FAULT_BODY_LARGE;
    }
    http->handler->on_head(http, head);
    if (is_same(http, number)) {
        body_read(http);
    }
    return HTTP_FAULT_NONE;
}

/* Gathers the head; what is behind it stays in the connection. */
static void head_read(struct http_client *http) {
    struct http_head head;
    struct str bytes = client_read(&http->client);
    uint32_t before = http->in_len;
    uint32_t room = (uint32_t)sizeof http->in - before;
    uint32_t count = bytes.len < room ? bytes.len : room;
    uint32_t head_bytes = 0;
    memcpy(http->in + before, bytes.data, count);
    http->in_len += count;
    enum err err = http_reply_head_parse(str_from(http->in, http->in_len), &head, &head_bytes);
    if (err == ERR_OK) {
        CHECK(head_bytes > before);
        count = head_bytes - before;
        http->in_len = 0;
    }
    client_read_ack(&http->client, count);
    enum http_fault fault = HTTP_FAULT_NONE;
    if (err != ERR_AGAIN) {
        fault = err == ERR_OK ? head_take(http, &head) : head_fault(err);
    }
    if (fault != HTTP_FAULT_NONE) {
        end(http, fault);
    }
}

/* --- what the connection says ------------------------------------------------------------------
 */

static bool waits_for_head(const struct http_client *http) {
    return http->state == HTTP_CLIENT_SENDING || http->state == HTTP_CLIENT_WAITING;
}

static void on_progress(struct client *client) {
    struct http_client *http = (struct http_client *)(void *)client;
    uint32_t number = http->number;
    request_send(http);
    /* Ends: interim replies are limited, and a redirect waits for its connection. */
    while (is_same(http, number) && waits_for_head(http) && client_read(client).len > 0) {
        head_read(http);
    }
    if (is_same(http, number) && http->state == HTTP_CLIENT_BODY && !http->is_paused) {
        body_read(http);
    }
}

static void on_open(struct client *client) {
    struct http_client *http = (struct http_client *)(void *)client;
    CHECK(http->state == HTTP_CLIENT_CONNECTING);
    http->state = HTTP_CLIENT_SENDING;
    deadline_set(http);
    request_send(http);
}

static enum http_fault fault_of(const struct http_client *http) {
    bool is_limited = http->client.reach == CLIENT_LOOPBACK && http->call.reach != CLIENT_LOOPBACK;
    switch (http->client.fault) {
    case CLIENT_FAULT_NAME:
        return HTTP_FAULT_NAME;
    case CLIENT_FAULT_REACH:
        return is_limited ? HTTP_FAULT_PLAIN : HTTP_FAULT_REACH;
    case CLIENT_FAULT_CONNECT:
        return HTTP_FAULT_CONNECT;
    case CLIENT_FAULT_TLS:
        return HTTP_FAULT_TLS;
    case CLIENT_FAULT_TIMEOUT:
        return timeout_of(http);
    case CLIENT_FAULT_NONE:
    case CLIENT_FAULT_END:
    case CLIENT_FAULT_BROKEN:
        break;
    }
    return HTTP_FAULT_CLOSED;
}

static void on_end(struct client *client, const char *why) {
    struct http_client *http = (struct http_client *)(void *)client;
    enum http_fault fault = fault_of(http);
    bool is_whole = http->state == HTTP_CLIENT_BODY && http->framing == HTTP_FRAMED_BY_END &&
                    client->fault == CLIENT_FAULT_END;
    if (is_whole) {
        end(http, HTTP_FAULT_NONE);
    } else if (fault == HTTP_FAULT_PLAIN || client->fault == CLIENT_FAULT_TIMEOUT ||
               fault == HTTP_FAULT_CLOSED) {
        end(http, fault); /* the connection does not know what it was for */
    } else {
        end_with(http, fault, why);
    }
}

static const struct client_handler conn_handler = {
    .on_open = on_open,
    .on_progress = on_progress,
    .on_end = on_end,
};

/* --- the interface -----------------------------------------------------------------------------
 */

enum http_fault http_client_start(struct http_client *http, const struct client_world *world,
                                  const struct http_client_handler *handler,
                                  const struct http_call *call) {
    struct http_url url;
    CHECK(http->state == HTTP_CLIENT_IDLE);
    CHECK(call->method != HTTP_OTHER);
    if (!http_url_parse(call->url, &url)) {
        return HTTP_FAULT_URL;
    }
    if (call->header_count > HTTP_CALL_HEADERS_MAX || !headers_are_good(call)) {
        return HTTP_FAULT_CALL;
    }
    http->world = world;
    http->handler = handler;
    http->call = *call;
    http->number += 1;
    http->whole_deadline_us = loop_now_us(world->loop) + call->whole_us;
    http->redirects = 0;
    http->is_astray = false;
    http->is_paused = false;
    memcpy(http->url, call->url.data, call->url.len);
    http->url_len = call->url.len;
    return hop_start(http);
}

void http_client_resume(struct http_client *http) {
    CHECK(http->state == HTTP_CLIENT_BODY);
    if (http->is_paused) {
        http->is_paused = false;
        deadline_set(http);
        client_again(&http->client);
    }
}
