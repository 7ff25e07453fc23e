/* See server_support.h. */
#include "server_support.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/clock.h"

struct loop *loop;
struct server *server;

/* --- waiting -----------------------------------------------------------------------------------
 */

static bool (*wait_condition)(void *ctx);
static void *wait_ctx;
static int64_t wait_end_us;
static struct loop_timer wait_timer;

static void wait_tick(struct loop_timer *timer) {
    loop_timer_set(loop, timer, clock_monotonic_us() + 1000);
}

static bool wait_check(void *ctx) {
    (void)ctx;
    if (wait_condition != NULL && wait_condition(wait_ctx)) {
        loop_stop(loop, 0);
    } else if (clock_monotonic_us() > wait_end_us) {
        loop_stop(loop, 1);
    }
    return false;
}

bool wait_until(bool (*condition)(void *ctx), void *ctx) {
    wait_condition = condition;
    wait_ctx = ctx;
    wait_end_us = clock_monotonic_us() + 5000000;
    wait_timer.on_due = wait_tick;
    loop_timer_set(loop, &wait_timer, clock_monotonic_us());
    int code = loop_run(loop);
    wait_condition = NULL;
    return code == 0;
}

static bool ticks_left(void *ctx) {
    uint32_t *left = ctx;
    *left -= *left > 0 ? 1 : 0;
    return *left == 0;
}

void run_ticks(uint32_t count) {
    (void)wait_until(ticks_left, &count);
}

/* --- the handler -------------------------------------------------------------------------------
 */

struct seen seen;

char big[BIG_BYTES];
char text[TEXT_BYTES];

void reply_to(struct http_exchange *exchange, const struct http_reply *reply) {
    seen.depth += 1;
    server_reply(server, exchange, reply);
    seen.depth -= 1;
}

static bool path_is(const struct http_exchange *exchange, const char *path) {
    return str_equal(exchange->head.path, str_from_c(path));
}

static enum err on_head(void *ctx, struct http_exchange *exchange, uint64_t *body_bytes_max) {
    (void)ctx;
    seen.heads += 1;
    for (uint32_t index = 0; index < COUNT_OF(exchange->context); index++) {
        seen.faults += exchange->context[index] == 0 ? 0 : 1;
    }
    exchange->context[5] = 55;
    if (path_is(exchange, "/small")) {
        *body_bytes_max = 100;
    }
    if (path_is(exchange, "/large")) {
        *body_bytes_max = 3 * 1024 * 1024;
    }
    return path_is(exchange, "/refuse") ? ERR_AUTH_REQUIRED : ERR_OK;
}

static enum err pieces(void *ctx, struct buf *out) {
    (void)ctx;
    seen.pieces += 1;
    buf_printf(out, "piece %u;", seen.pieces);
    return seen.pieces == 5 ? ERR_END : ERR_OK;
}

static enum err sleepy_pieces(void *ctx, struct buf *out) {
    (void)ctx;
    seen.pieces += 1;
    buf_printf(out, "piece %u;", seen.pieces);
    return seen.pieces == 3 ? ERR_END : ERR_AGAIN;
}

static enum err broken_pieces(void *ctx, struct buf *out) {
    (void)ctx;
    buf_put_c(out, "half");
    seen.pieces += 1;
    return seen.pieces == 2 ? ERR_IO : ERR_OK;
}

static bool reply_choose(struct http_exchange *exchange, struct http_reply *reply) {
    reply->status = 200;
    reply->content_type = STR("text/plain");
    reply->body = STR("hello");
    if (path_is(exchange, "/echo") || path_is(exchange, "/small") || path_is(exchange, "/large")) {
        reply->body = str_is_none(exchange->body) ? STR("none") : exchange->body;
    } else if (path_is(exchange, "/big")) {
        reply->body = str_from(big, sizeof big);
    } else if (path_is(exchange, "/text")) {
        reply->body = str_from(text, sizeof text);
        reply->is_compressible = true;
    } else if (path_is(exchange, "/ready")) {
        reply->gzip_body = STR("not really gzip");
    } else if (path_is(exchange, "/close")) {
        reply->must_close = true;
    } else if (path_is(exchange, "/204") || path_is(exchange, "/304")) {
        reply->status = path_is(exchange, "/204") ? 204 : 304;
        reply->content_type = STR_NONE;
        reply->body = STR_NONE;
    } else if (path_is(exchange, "/headers")) {
        reply->headers = seen.long_headers;
    } else if (path_is(exchange, "/stream") || path_is(exchange, "/sleepy") ||
               path_is(exchange, "/broken")) {
        reply->body = STR_NONE;
        reply->stream = path_is(exchange, "/stream")   ? pieces
                        : path_is(exchange, "/sleepy") ? sleepy_pieces
                                                       : broken_pieces;
    }
    return !path_is(exchange, "/park");
}

static void on_request(void *ctx, struct http_exchange *exchange) {
    (void)ctx;
    struct http_reply reply = {0};
    seen.requests += 1;
    seen.nested_requests += seen.depth;
    seen.peer = exchange->peer;
    seen.pieces = 0;
    seen.faults += exchange->context[5] == 55 ? 0 : 1;
    if (!str_is_none(exchange->body)) {
        for (uint32_t index = 0; index < HTTP_BODY_PADDING_BYTES; index++) {
            seen.faults += exchange->body.data[exchange->body.len + index] == 0 ? 0 : 1;
        }
    }
    if (reply_choose(exchange, &reply)) {
        reply_to(exchange, &reply);
        return;
    }
    if (seen.parked_count < PARKED_MAX) {
        seen.parked[seen.parked_count++] = exchange;
    }
}

static void on_refusal(void *ctx, struct http_exchange *exchange, enum err why,
                       struct http_reply *reply) {
    (void)ctx;
    (void)exchange;
    seen.refused = why;
    reply->status = err_row(why)->status;
    reply->content_type = STR("text/plain");
    reply->body = str_from_c(err_row(why)->name);
}

static void on_done(void *ctx, const struct http_exchange *exchange, uint16_t status,
                    uint64_t bytes_out) {
    (void)ctx;
    (void)exchange;
    seen.done += 1;
    seen.done_status = status;
    seen.done_bytes = bytes_out;
}

void parked_reply(uint32_t index) {
    struct http_reply reply = {
        .status = 200,
        .content_type = STR("text/plain"),
        .body = STR("parked"),
    };
    struct http_exchange *exchange = seen.parked[index];
    seen.parked[index] = NULL;
    reply_to(exchange, &reply);
}

/* --- set-up ------------------------------------------------------------------------------------
 */

struct server_options options_usual(void) {
    return (struct server_options){
        .listen = {STR("http://127.0.0.1:0")},
        .listen_count = 1,
        .connections_max = 64,
        .trusted_proxies = STR(""),
        .head_timeout_us = 4000000,
        .body_timeout_us = 4000000,
        .idle_timeout_us = 4000000,
        .write_timeout_us = 4000000,
        .tls_sessions_max = 100,
        .arena_pool_bytes = 64 * 1024 * 1024,
    };
}

struct server_handler test_handler(void) {
    return (struct server_handler){on_head, on_request, on_refusal, on_done, NULL};
}

bool start(const struct server_options *options) {
    const char *problem = "";
    struct server_handler handler = test_handler();
    memset(&seen, 0, sizeof seen);
    memset(&wait_timer, 0, sizeof wait_timer);
    for (uint32_t index = 0; index < sizeof big; index++) {
        big[index] = (char)(index * 2654435761u >> 24);
    }
    for (uint32_t index = 0; index < sizeof text; index++) {
        text[index] = (char)('a' + index * index % 23);
    }
    if (loop_open(&loop, 256, 2048) != ERR_OK) {
        return false;
    }
    enum err err = server_open(&server, loop, options, handler, &problem);
    if (err != ERR_OK) {
        printf("    %s\n", problem);
        loop_close(loop);
        return false;
    }
    loop_hook_add(loop, (struct loop_hook){wait_check, NULL});
    return true;
}

#if defined(__SANITIZE_ADDRESS__)
void __asan_unpoison_memory_region(const volatile void *address, size_t bytes);
#endif

bool finish(void) {
    /* The arenas poison what nobody has taken; the next test's memory may come to lie there. */
#if defined(__SANITIZE_ADDRESS__)
    __asan_unpoison_memory_region(server->arena_memory, server->arena_bytes);
#endif
    server_close(server);
    loop_close(loop);
    return seen.faults == 0;
}

struct server_stats stats(void) {
    struct server_stats all;
    server_stats_read(server, &all);
    return all;
}

/* --- clients -----------------------------------------------------------------------------------
 */

struct client client_open(void) {
    struct client client = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(server_port(server, 0))};
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    client.data = malloc(CLIENT_BYTES_MAX + 1);
    if (connect(client.fd, (struct sockaddr *)&name, sizeof name) != 0) {
        client.has_ended = true;
    }
    fcntl(client.fd, F_SETFL, O_NONBLOCK);
    return client;
}

void client_close(struct client *client) {
    close(client->fd);
    free(client->data);
    client->data = NULL;
}

void client_send(struct client *client, const char *request) {
    size_t bytes = strlen(request);
    seen.faults += send(client->fd, request, bytes, MSG_NOSIGNAL) == (ssize_t)bytes ? 0 : 1;
}

void client_read(struct client *client) {
    while (!client->has_ended && client->bytes < CLIENT_BYTES_MAX) {
        ssize_t got =
            recv(client->fd, client->data + client->bytes, CLIENT_BYTES_MAX - client->bytes, 0);
        if (got < 0 && errno == EAGAIN) {
            break;
        }
        client->is_reset |= got < 0;
        client->has_ended = got <= 0;
        client->bytes += got > 0 ? (size_t)got : 0;
    }
    client->data[client->bytes] = 0;
}

bool client_has_text(void *ctx) {
    struct client *client = ctx;
    client_read(client);
    return strstr(client->data, client->wanted) != NULL;
}

bool client_has_bytes(void *ctx) {
    struct client *client = ctx;
    client_read(client);
    return client->bytes >= client->wanted_bytes;
}

bool client_has_ended(void *ctx) {
    struct client *client = ctx;
    client_read(client);
    return client->has_ended;
}

bool client_wait(struct client *client, const char *wanted) {
    client->wanted = wanted;
    bool has = wait_until(client_has_text, client);
    if (!has) {
        printf("    waiting for \"%s\", got \"%.300s\"\n", wanted, client->data);
    }
    return has;
}

bool client_wait_end(struct client *client) {
    return wait_until(client_has_ended, client);
}

uint32_t client_count(struct client *client, const char *what) {
    uint32_t count = 0;
    for (const char *at = strstr(client->data, what); at != NULL; at = strstr(at + 1, what)) {
        count += 1;
    }
    return count;
}

bool client_lacks(struct client *client, const char *what) {
    client_read(client);
    return strstr(client->data, what) == NULL;
}

void client_clear(struct client *client) {
    client->bytes = 0;
    client->data[0] = 0;
}

static bool is_parked(void *ctx) {
    return seen.parked_count >= *(uint32_t *)ctx;
}

bool wait_parked(uint32_t count) {
    return wait_until(is_parked, &count);
}

static bool is_done(void *ctx) {
    return seen.done >= *(uint32_t *)ctx;
}

bool wait_done(uint32_t count) {
    return wait_until(is_done, &count);
}

bool has_no_connection(void *ctx) {
    (void)ctx;
    return stats().connections == 0;
}
