/*
 * The server over real sockets on loopback, loop and clients in one thread: nothing here depends on
 * who runs first. A client writes; wait_until() runs the loop until a condition holds; five seconds
 * without it fail the test.
 */
#include "test.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <zlib.h>

#include "net/conn.h"
#include "os/clock.h"
#include "os/mem.h"

enum { CLIENT_BYTES_MAX = 6 * 1024 * 1024, PARKED_MAX = 64, BIG_BYTES = 4 * 1024 * 1024 };

static struct loop *loop;
static struct server *server;

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

static bool wait_until(bool (*condition)(void *ctx), void *ctx) {
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

static void run_ticks(uint32_t count) {
    (void)wait_until(ticks_left, &count);
}

/* --- the handler -------------------------------------------------------------------------------
 */

static struct {
    struct http_exchange *parked[PARKED_MAX];
    uint32_t parked_count;
    uint32_t depth; /* server_reply on the stack */
    uint32_t nested_requests;
    uint32_t requests;
    uint32_t heads;
    uint32_t done;
    uint16_t done_status;
    uint64_t done_bytes;
    enum err refused;
    uint32_t pieces;
    struct net_address peer;
    struct str long_headers;
} seen;

static char big[BIG_BYTES];
static char text[20000];

static void reply_to(struct http_exchange *exchange, const struct http_reply *reply) {
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
        EXPECT(exchange->context[index] == 0);
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
    EXPECT(exchange->context[5] == 55);
    if (!str_is_none(exchange->body)) {
        for (uint32_t index = 0; index < HTTP_BODY_PADDING_BYTES; index++) {
            EXPECT(exchange->body.data[exchange->body.len + index] == 0);
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

static void parked_reply(uint32_t index) {
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

static struct server_options options_usual(void) {
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

static bool start(const struct server_options *options) {
    const char *problem = "";
    struct server_handler handler = {on_head, on_request, on_refusal, on_done, NULL};
    memset(&seen, 0, sizeof seen);
    memset(&wait_timer, 0, sizeof wait_timer);
    for (uint32_t index = 0; index < sizeof big; index++) {
        big[index] = (char)(index * 2654435761u >> 24);
    }
    for (uint32_t index = 0; index < sizeof text; index++) {
        text[index] = (char)('a' + index * index % 23);
    }
    if (loop_open(&loop, 256, 256) != ERR_OK) {
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

static void finish(void) {
    /* The arenas poison what nobody has taken; the next test's memory may come to lie there. */
#if defined(__SANITIZE_ADDRESS__)
    __asan_unpoison_memory_region(server->arena_memory, server->arena_bytes);
#endif
    server_close(server);
    loop_close(loop);
}

static struct server_stats stats(void) {
    struct server_stats all;
    server_stats_read(server, &all);
    return all;
}

/* --- clients -----------------------------------------------------------------------------------
 */

struct client {
    int fd;
    bool has_ended;
    bool is_reset;
    size_t bytes;
    const char *wanted;
    size_t wanted_bytes;
    char *data;
};

static struct client client_open(void) {
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

static void client_close(struct client *client) {
    close(client->fd);
    free(client->data);
    client->data = NULL;
}

static void client_send(struct client *client, const char *request) {
    size_t bytes = strlen(request);
    EXPECT(send(client->fd, request, bytes, MSG_NOSIGNAL) == (ssize_t)bytes);
}

static void client_read(struct client *client) {
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

static bool client_has_text(void *ctx) {
    struct client *client = ctx;
    client_read(client);
    return strstr(client->data, client->wanted) != NULL;
}

static bool client_has_bytes(void *ctx) {
    struct client *client = ctx;
    client_read(client);
    return client->bytes >= client->wanted_bytes;
}

static bool client_has_ended(void *ctx) {
    struct client *client = ctx;
    client_read(client);
    return client->has_ended;
}

static bool client_wait(struct client *client, const char *wanted) {
    client->wanted = wanted;
    bool has = wait_until(client_has_text, client);
    if (!has) {
        printf("    waiting for \"%s\", got \"%.300s\"\n", wanted, client->data);
    }
    return has;
}

static bool client_wait_end(struct client *client) {
    return wait_until(client_has_ended, client);
}

static uint32_t client_count(struct client *client, const char *what) {
    uint32_t count = 0;
    for (const char *at = strstr(client->data, what); at != NULL; at = strstr(at + 1, what)) {
        count += 1;
    }
    return count;
}

static bool client_lacks(struct client *client, const char *what) {
    client_read(client);
    return strstr(client->data, what) == NULL;
}

static void client_clear(struct client *client) {
    client->bytes = 0;
    client->data[0] = 0;
}

static bool is_parked(void *ctx) {
    return seen.parked_count >= *(uint32_t *)ctx;
}

static bool wait_parked(uint32_t count) {
    return wait_until(is_parked, &count);
}

static bool is_done(void *ctx) {
    return seen.done >= *(uint32_t *)ctx;
}

static bool wait_done(uint32_t count) {
    return wait_until(is_done, &count);
}

static bool has_no_connection(void *ctx) {
    (void)ctx;
    return stats().connections == 0;
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: here\r\n\r\n"

/* --- requests and replies ----------------------------------------------------------------------
 */

TEST(server_keeps_the_connection)
{
    struct server_options options = options_usual();
    REQUIRE(start(&options));
    struct client client = client_open();
    for (uint32_t round = 0; round < 5; round++) {
        client_clear(&client);
        client_send(&client, GET("/"));
        EXPECT(client_wait(&client, "\r\n\r\nhello"));
        EXPECT(strncmp(client.data, "HTTP/1.1 200 OK\r\nDate: ", 23) == 0);
        EXPECT(strstr(client.data,
                      " GMT\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\n") != NULL);
        EXPECT_EQ_UINT(seen.done, round + 1);
        EXPECT_EQ_UINT(seen.done_status, 200);
        EXPECT_EQ_UINT(seen.done_bytes, client.bytes);
    }
    EXPECT_EQ_UINT(stats().accepted, 1);
    EXPECT_EQ_UINT(stats().requests, 5);
    EXPECT_EQ_UINT(stats().arena_blocks_used, 0);
    client_close(&client);
    EXPECT(wait_until(has_no_connection, NULL));
    finish();
}

TEST(server_answers_pipelined_requests_in_order)
{
    struct server_options options = options_usual();
    REQUIRE(start(&options));
    struct client client = client_open();
    client_send(&client,
                "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\none" GET(
                    "/") "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                         "2\r\ntw\r\n1;x=y\r\no\r\n0\r\n\r\n"
                         "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nthree");
    EXPECT(client_wait(&client, "three"));
    char *first = strstr(client.data, "\r\n\r\none");
    char *second = strstr(client.data, "\r\n\r\nhello");
    char *third = strstr(client.data, "\r\n\r\ntwo");
    EXPECT(first != NULL && second > first && third > second);
    EXPECT_EQ_UINT(client_count(&client, "HTTP/1.1 200"), 4);
    client_close(&client);
    finish();
}

TEST(server_answers_more_pipelined_requests_than_a_tick_takes)
{
    struct server_options options = options_usual();
    REQUIRE(start(&options));
    struct client client = client_open();
    enum { COUNT = 900 }; /* 32 KB: more than one read, too */
    for (uint32_t index = 0; index < COUNT; index++) {
        client_send(&client, GET("/"));
    }
    client.wanted_bytes = 106 * COUNT;
    EXPECT(wait_until(client_has_bytes, &client));
    EXPECT_EQ_UINT(client_count(&client, "hello"), COUNT);
    EXPECT_EQ_UINT(seen.requests, COUNT);
    client_close(&client);
    finish();
}

TEST(server_waits_with_the_next_request_while_the_handler_has_one)
{
    struct server_options options = options_usual();
    REQUIRE(start(&options));
    struct client client = client_open();
    client_send(&client, GET("/park") GET("/park") GET("/"));
    REQUIRE(wait_parked(1));
    client_send(&client, GET("/echo"));
    run_ticks(20);
    EXPECT_EQ_UINT(seen.requests, 1);
    EXPECT_EQ_UINT(client.bytes, 0);
    parked_reply(0);
    EXPECT_EQ_UINT(seen.nested_requests, 0);
    REQUIRE(wait_parked(2));
    parked_reply(1);
    EXPECT(client_wait(&client, "none"));
    EXPECT_EQ_UINT(client_count(&client, "parked"), 2);
    EXPECT_EQ_UINT(client_count(&client, "hello"), 1);
    EXPECT_EQ_UINT(seen.nested_requests, 0);
    client_close(&client);
    finish();
}

TEST(server_does_not_spin_on_input_it_cannot_take)
{
    struct server_options options = options_usual();
    REQUIRE(start(&options));
    struct client client = client_open();
    client_send(&client, GET("/park"));
    REQUIRE(wait_parked(1));
    client_send(&client, GET("/"));
    run_ticks(3);
    struct conn *conn = conn_at(server, 0);
    EXPECT_EQ_UINT(conn->watch.events, 0);
    parked_reply(0);
    EXPECT(client_wait(&client, "hello"));
    EXPECT_EQ_UINT(conn->watch.events, LOOP_READ);
    client_close(&client);
    finish();
}

TEST(server_reads_a_request_byte_by_byte)
{
    struct server_options options = options_usual();
    REQUIRE(start(&options));
    static const char request[] =
        "\r\nPOST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
        "5\r\nabcde\r\n00a;ext\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n"
        "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nbodybytes";
    struct client client = client_open();
    for (uint32_t index = 0; index < sizeof request - 1; index++) {
        EXPECT(send(client.fd, request + index, 1, 0) == 1);
        run_ticks(2);
    }
    EXPECT(client_wait(&client, "bodybytes"));
    EXPECT(strstr(client.data, "\r\n\r\nabcde0123456789HTTP/1.1 200") != NULL);
    client_close(&client);
    finish();
}

TEST(server_takes_large_bodies_of_both_kinds)
{
    struct server_options options = options_usual();
    REQUIRE(start(&options));
    struct client client = client_open();
    enum { BYTES = 2 * 1024 * 1024 + 12345 };
    char head[128];
    int length = snprintf(head, sizeof head,
                          "POST /large HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", BYTES);
    client_send(&client, head);
    size_t sent = 0;
    client.wanted_bytes = 1;
    while (sent < BYTES && length > 0) {
        ssize_t put = send(client.fd, big + sent, BYTES - sent, MSG_NOSIGNAL);
        sent += put > 0 ? (size_t)put : 0;
        run_ticks(1);
    }
    client.wanted_bytes = BYTES;
    EXPECT(wait_until(client_has_bytes, &client));
    char *body = strstr(client.data, "\r\n\r\n") + 4;
    client.wanted_bytes = BYTES + (size_t)(body - client.data);
    EXPECT(wait_until(client_has_bytes, &client));
    EXPECT_EQ_MEM(body, big, BYTES);
    EXPECT_EQ_UINT(stats().arena_blocks_used, 0);
    client_close(&client);
    finish();
}

TEST(server_streams_chunks)
{
    struct server_options options = options_usual();
    REQUIRE(start(&options));
    struct client client = client_open();
    client_send(&client, GET("/stream"));
    EXPECT(client_wait(&client, "\r\n0\r\n\r\n"));
    EXPECT(strstr(client.data, "\r\nTransfer-Encoding: chunked\r\n") != NULL);
    EXPECT(strstr(client.data, "\r\n\r\n0008\r\npiece 1;\r\n0008\r\npiece 2;\r\n") != NULL);
    EXPECT(strstr(client.data, "0008\r\npiece 5;\r\n0\r\n\r\n") != NULL);
    EXPECT(strstr(client.data, "Content-Length") == NULL);
    client_clear(&client);
    client_send(&client, GET("/"));
    EXPECT(client_wait(&client, "hello"));
    client_close(&client);
    finish();
}

TEST(server_streams_to_http_1_0_up_to_the_close)
{
    struct server_options options = options_usual();
    REQUIRE(start(&options));
    struct client client = client_open();
    client_send(&client, "GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    EXPECT(client_wait_end(&client));
    EXPECT(strstr(client.data, "\r\n\r\npiece 1;piece 2;piece 3;piece 4;piece 5;") != NULL);
    EXPECT(strstr(client.data, "Connection: close") != NULL);
    EXPECT(strstr(client.data, "chunked") == NULL);
    client_close(&client);
    finish();
}

TEST(server_wakes_a_sleeping_stream)
{
    struct server_options options = options_usual();
    REQUIRE(start(&options));
    struct client client = client_open();
    client_send(&client, GET("/sleepy"));
    EXPECT(client_wait(&client, "piece 1;"));
    run_ticks(10);
    EXPECT_EQ_UINT(seen.pieces, 1);
    struct conn *conn = conn_at(server, 0);
    server_stream_wake(server, &conn->exchange);
    EXPECT(client_wait(&client, "piece 2;"));
    EXPECT_EQ_UINT(seen.done, 0);
    server_stream_wake(server, &conn->exchange);
    EXPECT(client_wait(&client, "piece 3;\r\n0\r\n\r\n"));
    EXPECT_EQ_UINT(seen.done, 1);
    client_close(&client);
    finish();
}

TEST(server_cuts_a_broken_stream)
{
    struct server_options options = options_usual();
    REQUIRE(start(&options));
    struct client client = client_open();
    client_send(&client, GET("/broken"));
    EXPECT(client_wait_end(&client));
    EXPECT(client_lacks(&client, "\r\n0\r\n\r\n"));
    EXPECT_EQ_UINT(seen.done, 1);
    EXPECT_EQ_UINT(stats().connections, 0);
    client_close(&client);
    finish();
}

TEST(server_sends_no_body_where_there_is_none)
{
    struct server_options options = options_usual();
    REQUIRE(start(&options));
    struct client client = client_open();
    client_send(&client, "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n" GET("/204")
                             GET("/304") "HEAD /stream HTTP/1.1\r\nHost: h\r\n\r\n" GET("/echo"));
    EXPECT(client_wait(&client, "\r\n\r\nnone"));
    EXPECT(strstr(client.data, "Content-Length: 5\r\n\r\nHTTP/1.1 204 No Content\r\nDate: ") !=
           NULL);
    char *no_content = strstr(client.data, "204 No Content");
    char *not_modified = strstr(client.data, "HTTP/1.1 304 ");
    REQUIRE(no_content != NULL && not_modified != NULL);
    EXPECT(memmem(no_content, (size_t)(not_modified - no_content), "Content-Length", 14) == NULL);
    EXPECT(strstr(client.data, "chunked\r\n\r\nHTTP/1.1 200 OK") != NULL);
    EXPECT(client_lacks(&client, "piece"));
    EXPECT(client_lacks(&client, "hello"));
    client_close(&client);
    finish();
}

TEST(server_says_continue_only_when_the_head_was_accepted)
{
    struct server_options options = options_usual();
    REQUIRE(start(&options));
    struct client client = client_open();
    client_send(&client, "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
                         "Content-Length: 4\r\n\r\n");
    EXPECT(client_wait(&client, "HTTP/1.1 100 Continue\r\n\r\n"));
    EXPECT_EQ_UINT(client.bytes, 25);
    client_send(&client, "body");
    EXPECT(client_wait(&client, "\r\n\r\nbody"));
    client_clear(&client);
    client_send(&client, "POST /small HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
                         "Content-Length: 101\r\n\r\n");
    EXPECT(client_wait_end(&client));
    EXPECT(strncmp(client.data, "HTTP/1.1 413 ", 13) == 0);
    EXPECT(strstr(client.data, "Connection: close") != NULL);
    client_close(&client);
    finish();
}

TEST(server_writes_large_replies_to_slow_readers)
{
    struct server_options options = options_usual();
    REQUIRE(start(&options));
    struct client slow = client_open();
    struct client other = client_open();
    client_send(&slow, GET("/big") GET("/"));
    run_ticks(50);
    client_send(&other, GET("/"));
    EXPECT(client_wait(&other, "hello"));
    EXPECT_EQ_UINT(seen.done, 1);
    slow.wanted_bytes = BIG_BYTES;
    EXPECT(wait_until(client_has_bytes, &slow));
    char *body = strstr(slow.data, "\r\n\r\n") + 4;
    slow.wanted_bytes = BIG_BYTES + (size_t)(body - slow.data) + 106;
    EXPECT(wait_until(client_has_bytes, &slow));
    EXPECT_EQ_MEM(body, big, BIG_BYTES);
    EXPECT_EQ_MEM(body + BIG_BYTES, "HTTP/1.1 200 OK", 15);
    client_close(&slow);
    client_close(&other);
    finish();
}

static uint32_t unzip(const char *from, uint32_t bytes, char *to, uint32_t room) {
    z_stream stream;
    memset(&stream, 0, sizeof stream);
    if (inflateInit2(&stream, 15 + 16) != Z_OK) {
        return 0;
    }
    stream.next_in = (unsigned char *)(uintptr_t)from;
    stream.avail_in = bytes;
    stream.next_out = (unsigned char *)to;
    stream.avail_out = room;
    int status = inflate(&stream, Z_FINISH);
    uint32_t got = room - stream.avail_out;
    inflateEnd(&stream);
    return status == Z_STREAM_END ? got : 0;
}

TEST(server_compresses_what_pays)
{
    struct server_options options = options_usual();
    static char plain[sizeof text + 1];
    REQUIRE(start(&options));
    struct client client = client_open();
    for (uint32_t round = 0; round < 3; round++) {
        client_clear(&client);
        client_send(&client, "GET /text HTTP/1.1\r\nHost: h\r\nAccept-Encoding: br, gzip\r\n\r\n");
        EXPECT(client_wait(&client, "Content-Encoding: gzip\r\nVary: Accept-Encoding\r\n"));
        char *length = strstr(client.data, "Content-Length: ");
        REQUIRE(length != NULL);
        uint32_t bytes = (uint32_t)strtoul(length + 16, NULL, 10);
        char *body = strstr(client.data, "\r\n\r\n") + 4;
        EXPECT(bytes < sizeof text / 2);
        EXPECT_EQ_UINT(client.bytes, (size_t)(body - client.data) + bytes);
        EXPECT_EQ_UINT(unzip(body, bytes, plain, sizeof plain), sizeof text);
        EXPECT_EQ_MEM(plain, text, sizeof text);
    }
    client_clear(&client);
    client_send(&client, "GET /text HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip;q=0\r\n\r\n");
    EXPECT(client_wait(&client, "Content-Length: 20000\r\nVary: Accept-Encoding\r\n\r\nab"));
    client_clear(&client);
    client_send(&client, "GET /ready HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\n\r\n");
    EXPECT(client_wait(&client, "Content-Encoding: gzip\r\n"));
    EXPECT(client_wait(&client, "\r\n\r\nnot really gzip"));
    client_clear(&client);
    client_send(&client, "GET / HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\n\r\n");
    EXPECT(client_wait(&client, "hello"));
    EXPECT(client_lacks(&client, "Encoding"));
    client_close(&client);
    finish();
}

TEST(server_answers_500_when_the_headers_do_not_fit)
{
    struct server_options options = options_usual();
    REQUIRE(start(&options));
    struct client client = client_open();
    seen.long_headers = str_from(big, REPLY_HEADERS_BYTES_MAX + 1);
    client_send(&client, GET("/headers"));
    EXPECT(client_wait_end(&client));
    EXPECT(strncmp(client.data, "HTTP/1.1 500 ", 13) == 0);
    client_close(&client);
    finish();
}

TEST(server_closes_when_asked)
{
    struct server_options options = options_usual();
    static const char *const requests[] = {
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        GET("/close"),
    };
    REQUIRE(start(&options));
    for (uint32_t index = 0; index < COUNT_OF(requests); index++) {
        struct client client = client_open();
        client_send(&client, requests[index]);
        EXPECT(client_wait_end(&client));
        EXPECT(!client.is_reset);
        EXPECT(strstr(client.data, "hello") != NULL);
        EXPECT(strstr(client.data, "Connection: close") != NULL);
        client_close(&client);
    }
    EXPECT(wait_until(has_no_connection, NULL));
    struct client client = client_open();
    client_send(&client, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" GET("/echo"));
    EXPECT(client_wait(&client, "none"));
    EXPECT(strstr(client.data, "Connection: keep-alive") != NULL);
    client_close(&client);
    finish();
}

/* --- refusals ----------------------------------------------------------------------------------
 */

static void expect_refused(const char *request, enum err why, const char *status) {
    struct client client = client_open();
    client_send(&client, request);
    EXPECT(client_wait_end(&client));
    EXPECT(!client.is_reset);
    EXPECT(strncmp(client.data, "HTTP/1.1 ", 9) == 0);
    EXPECT(strncmp(client.data + 9, status, 3) == 0);
    EXPECT(strstr(client.data, "Connection: close") != NULL);
    EXPECT_EQ_INT(seen.refused, why);
    client_close(&client);
}

TEST(server_refuses_what_is_malformed_or_too_large)
{
    struct server_options options = options_usual();
    static char large[20000];
    REQUIRE(start(&options));
    expect_refused("GET / HTTP/1.1\r\nHost : h\r\n\r\n", ERR_HTTP_MALFORMED, "400");
    expect_refused("GET /\n", ERR_HTTP_MALFORMED, "400");
    expect_refused("GET / HTTP/2.0\r\nHost: h\r\n\r\n", ERR_HTTP_VERSION, "505");
    expect_refused("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
                   ERR_NOT_IMPLEMENTED, "501");
    expect_refused("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
                   ERR_HTTP_MALFORMED, "400");
    expect_refused("POST /small HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                   "40\r\n0123456789012345678901234567890123456789012345678901234567890123\r\n"
                   "40\r\n0123456789012345678901234567890123456789012345678901234567890123\r\n",
                   ERR_BODY_TOO_LARGE, "413");
    expect_refused("POST /refuse HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
                   ERR_AUTH_REQUIRED, "401");
    memset(large, 'a', sizeof large - 1);
    memcpy(large, "GET /", 5);
    expect_refused(large, ERR_URI_TOO_LONG, "414");
    memcpy(large, "GET / HTTP/1.1\r\nHost: h\r\nX: ", 28);
    expect_refused(large, ERR_HEAD_TOO_LARGE, "431");
    EXPECT_EQ_UINT(stats().malformed, 7);
    EXPECT(wait_until(has_no_connection, NULL));
    EXPECT_EQ_UINT(stats().arena_blocks_used, 0);
    finish();
}

TEST(server_keeps_the_connection_of_a_refused_small_body)
{
    struct server_options options = options_usual();
    REQUIRE(start(&options));
    struct client client = client_open();
    client_send(&client, "POST /refuse HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n01234");
    EXPECT(client_wait(&client, "HTTP/1.1 401 "));
    client_send(&client, "56789" GET("/"));
    EXPECT(client_wait(&client, "hello"));
    EXPECT(client_lacks(&client, "Connection: close"));
    client_clear(&client);
    client_send(&client, "POST /small HTTP/1.1\r\nHost: h\r\nContent-Length: 101\r\n\r\n");
    EXPECT(client_wait(&client, "HTTP/1.1 413 "));
    for (uint32_t index = 0; index < 101; index++) {
        client_send(&client, "x");
    }
    client_send(&client, GET("/"));
    EXPECT(client_wait(&client, "hello"));
    client_close(&client);
    finish();
}

TEST(server_lets_a_sending_client_see_its_refusal)
{
    struct server_options options = options_usual();
    REQUIRE(start(&options));
    struct client client = client_open();
    client_send(&client, "POST /small HTTP/1.1\r\nHost: h\r\nContent-Length: 200000\r\n\r\n");
    for (uint32_t round = 0; round < 12; round++) {
        EXPECT(send(client.fd, big, 10000, MSG_NOSIGNAL) == 10000);
        run_ticks(2);
    }
    EXPECT(client_wait_end(&client));
    EXPECT(!client.is_reset);
    EXPECT(strncmp(client.data, "HTTP/1.1 413 ", 13) == 0);
    EXPECT_EQ_UINT(seen.requests, 0);
    client_close(&client);
    EXPECT(wait_until(has_no_connection, NULL));
    finish();
}

TEST(server_says_busy_when_the_arenas_are_out)
{
    struct server_options options = options_usual();
    options.arena_pool_bytes = 4 * ARENA_BLOCK_BYTES;
    REQUIRE(start(&options));
    struct client first = client_open();
    struct client second = client_open();
    client_send(&first, "POST /park HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody");
    REQUIRE(wait_parked(1));
    client_send(&second, "POST /park HTTP/1.1\r\nHost: h\r\nContent-Length: 60000\r\n\r\n");
    EXPECT(client_wait(&second, "HTTP/1.1 503 "));
    EXPECT_EQ_INT(seen.refused, ERR_NO_MEMORY);
    parked_reply(0);
    EXPECT(client_wait(&first, "parked"));
    EXPECT_EQ_UINT(stats().arena_blocks_used, 0);
    client_close(&first);
    client_close(&second);
    finish();
}

/* --- deadlines ---------------------------------------------------------------------------------
 */

static struct server_options options_quick(void) {
    struct server_options options = options_usual();
    options.head_timeout_us = 60000;
    options.body_timeout_us = 60000;
    options.idle_timeout_us = 60000;
    options.write_timeout_us = 60000;
    return options;
}

TEST(server_closes_slow_clients)
{
    struct server_options options = options_quick();
    REQUIRE(start(&options));
    struct client silent = client_open();
    struct client head = client_open();
    struct client body = client_open();
    struct client idle = client_open();
    int64_t began_us = clock_monotonic_us();
    client_send(&head, "GET / HTTP/1.1\r\nHost:");
    client_send(&body, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n123");
    client_send(&idle, GET("/"));
    EXPECT(client_wait_end(&silent));
    EXPECT_EQ_UINT(silent.bytes, 0);
    EXPECT(client_wait_end(&head));
    EXPECT(strncmp(head.data, "HTTP/1.1 408 ", 13) == 0);
    EXPECT(client_wait_end(&body));
    EXPECT(strncmp(body.data, "HTTP/1.1 408 ", 13) == 0);
    EXPECT(client_wait_end(&idle));
    EXPECT_EQ_UINT(client_count(&idle, "HTTP/1.1 "), 1);
    EXPECT(clock_monotonic_us() - began_us >= 60000);
    EXPECT_EQ_UINT(stats().timed_out, 2);
    client_close(&silent);
    client_close(&head);
    client_close(&body);
    client_close(&idle);
    EXPECT(wait_until(has_no_connection, NULL));
    finish();
}

TEST(server_counts_the_head_from_its_first_byte)
{
    struct server_options options = options_quick();
    REQUIRE(start(&options));
    struct client client = client_open();
    static const char request[] = GET("/");
    /* A byte every few milliseconds does not keep it alive. */
    for (uint32_t index = 0; index < sizeof request - 2 && !client.has_ended; index++) {
        (void)!send(client.fd, request + index, 1, MSG_NOSIGNAL);
        run_ticks(4);
        client_read(&client);
    }
    EXPECT(client_wait(&client, "HTTP/1.1 408 "));
    EXPECT_EQ_UINT(seen.requests, 0);
    client_close(&client);
    finish();
}

TEST(server_cuts_readers_that_do_not_read)
{
    struct server_options options = options_quick();
    REQUIRE(start(&options));
    struct client client = client_open();
    client_send(&client, GET("/big"));
    EXPECT(wait_done(1));
    EXPECT_EQ_UINT(stats().timed_out, 1);
    EXPECT_EQ_UINT(stats().connections, 0);
    EXPECT(seen.done_bytes < BIG_BYTES);
    client_close(&client);
    finish();
}

TEST(server_has_patience_with_the_handler)
{
    struct server_options options = options_quick();
    REQUIRE(start(&options));
    struct client client = client_open();
    client_send(&client, GET("/park"));
    REQUIRE(wait_parked(1));
    run_ticks(200);
    client_read(&client);
    EXPECT(!client.has_ended);
    parked_reply(0);
    EXPECT(client_wait(&client, "parked"));
    client_close(&client);
    finish();
}

/* --- clients that leave ------------------------------------------------------------------------
 */

TEST(server_answers_half_closed_clients)
{
    struct server_options options = options_usual();
    REQUIRE(start(&options));
    struct client client = client_open();
    client_send(&client, GET("/park") GET("/big"));
    shutdown(client.fd, SHUT_WR);
    REQUIRE(wait_parked(1));
    run_ticks(10);
    parked_reply(0);
    EXPECT(client_wait_end(&client));
    EXPECT(!client.is_reset);
    EXPECT(strstr(client.data, "parked") != NULL);
    EXPECT(client.bytes > BIG_BYTES);
    EXPECT_EQ_UINT(stats().connections, 0);
    client_close(&client);
    finish();
}

static void client_reset(struct client *client) {
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    client_close(client);
}

static bool is_zombie(void *ctx) {
    (void)ctx;
    return conn_at(server, 0)->state == CONN_ZOMBIE;
}

TEST(server_keeps_the_exchange_of_a_client_that_left)
{
    struct server_options options = options_usual();
    REQUIRE(start(&options));
    struct client client = client_open();
    client_send(&client, "POST /park HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody");
    REQUIRE(wait_parked(1));
    client_reset(&client);
    EXPECT(wait_until(is_zombie, NULL));
    EXPECT_EQ_UINT(seen.done, 0);
    EXPECT_EQ_UINT(stats().connections, 1);
    EXPECT(str_equal(seen.parked[0]->body, STR("body")));
    parked_reply(0);
    EXPECT_EQ_UINT(seen.done, 1);
    EXPECT_EQ_UINT(stats().connections, 0);
    EXPECT_EQ_UINT(stats().arena_blocks_used, 0);
    finish();
}

TEST(server_tells_of_requests_that_never_came_whole)
{
    struct server_options options = options_usual();
    REQUIRE(start(&options));
    struct client client = client_open();
    client_send(&client, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbo");
    run_ticks(5);
    EXPECT_EQ_UINT(seen.heads, 1);
    client_close(&client);
    EXPECT(wait_done(1));
    EXPECT_EQ_UINT(seen.done_status, 0);
    EXPECT_EQ_UINT(seen.requests, 0);
    EXPECT_EQ_UINT(stats().arena_blocks_used, 0);
    finish();
}

TEST(server_survives_clients_that_leave_at_any_time)
{
    struct server_options options = options_usual();
    REQUIRE(start(&options));
    static const char *const requests[] = {
        GET("/") GET("/big"),
        GET("/big"),
        GET("/stream"),
        GET("/park") GET("/"),
        "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n",
    };
    for (uint32_t round = 0; round < 300; round++) {
        struct client client = client_open();
        const char *request = requests[test_random_below(COUNT_OF(requests))];
        size_t bytes = 1 + test_random_below(strlen(request));
        EXPECT(send(client.fd, request, bytes, MSG_NOSIGNAL) == (ssize_t)bytes);
        run_ticks(1 + (uint32_t)test_random_below(4));
        if (test_random_below(2) == 0) {
            client_read(&client);
        }
        if (test_random_below(2) == 0) {
            client_reset(&client);
        } else {
            client_close(&client);
        }
        run_ticks(1 + (uint32_t)test_random_below(3));
        while (seen.parked_count > 0) {
            parked_reply(--seen.parked_count);
        }
    }
    run_ticks(5);
    while (seen.parked_count > 0) {
        parked_reply(--seen.parked_count);
    }
    EXPECT(wait_until(has_no_connection, NULL));
    EXPECT_EQ_UINT(seen.done, seen.heads);
    EXPECT_EQ_UINT(stats().arena_blocks_used, 0);
    finish();
}

/* --- limits of the whole -----------------------------------------------------------------------
 */

TEST(server_makes_room_by_closing_idle_connections)
{
    struct server_options options = options_usual();
    options.connections_max = 2;
    REQUIRE(start(&options));
    struct client first = client_open();
    struct client second = client_open();
    client_send(&first, GET("/park"));
    REQUIRE(wait_parked(1));
    client_send(&second, GET("/"));
    EXPECT(client_wait(&second, "hello"));
    /* Nobody is idle for long: the third is turned away. */
    struct client third = client_open();
    EXPECT(client_wait_end(&third));
    EXPECT(strncmp(third.data, "HTTP/1.1 503 ", 13) == 0);
    EXPECT_EQ_UINT(stats().refused, 1);
    /* As if a second and more had passed. */
    conn_at(server, 1)->since_us -= 2000000;
    struct client fourth = client_open();
    client_send(&fourth, GET("/"));
    EXPECT(client_wait(&fourth, "hello"));
    EXPECT(client_wait_end(&second));
    EXPECT_EQ_UINT(stats().evicted, 1);
    parked_reply(0);
    EXPECT(client_wait(&first, "parked"));
    client_close(&first);
    client_close(&second);
    client_close(&third);
    client_close(&fourth);
    finish();
}

TEST(server_gives_idle_pages_back_and_goes_on)
{
    struct server_options options = options_usual();
    REQUIRE(start(&options));
    struct client client = client_open();
    client_send(&client, GET("/"));
    EXPECT(client_wait(&client, "hello"));
    struct conn *conn = conn_at(server, 0);
    EXPECT(conn_head(conn)[0] == 'G');
    conn_trim(conn);
    EXPECT(conn_head(conn)[0] == 0);
    client_clear(&client);
    client_send(&client, GET("/"));
    EXPECT(client_wait(&client, "hello"));
    client_close(&client);
    finish();
}

TEST(server_slots_come_back)
{
    struct server_options options = options_usual();
    options.connections_max = 200;
    REQUIRE(start(&options));
    static struct client clients[150];
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t index = 0; index < COUNT_OF(clients); index++) {
            clients[index] = client_open();
            client_send(&clients[index], GET("/"));
        }
        for (uint32_t index = 0; index < COUNT_OF(clients); index++) {
            EXPECT(client_wait(&clients[index], "hello"));
        }
        EXPECT_EQ_UINT(stats().connections, COUNT_OF(clients));
        for (uint32_t index = 0; index < COUNT_OF(clients); index++) {
            client_close(&clients[index]);
        }
        EXPECT(wait_until(has_no_connection, NULL));
        EXPECT_EQ_UINT(server->warm_count + server->cold_count, server->fresh_count);
        EXPECT_EQ_UINT(server->warm_count, CONN_WARM_MAX);
    }
    EXPECT_EQ_UINT(server->fresh_count, COUNT_OF(clients));
    finish();
}

static uint32_t drained_count;

static void on_drained(void *ctx) {
    (void)ctx;
    drained_count += 1;
}

static bool is_drained(void *ctx) {
    (void)ctx;
    return drained_count > 0;
}

TEST(server_drains)
{
    struct server_options options = options_usual();
    REQUIRE(start(&options));
    drained_count = 0;
    struct client idle = client_open();
    struct client busy = client_open();
    struct client late = client_open();
    client_send(&idle, GET("/"));
    EXPECT(client_wait(&idle, "hello"));
    client_send(&busy, GET("/park"));
    REQUIRE(wait_parked(1));
    run_ticks(3);
    /* Sent, but not read by the server yet. */
    client_send(&late, GET("/"));
    server_drain(server, clock_monotonic_us() + 4000000, on_drained, NULL);
    EXPECT(server->listener_count > 0);
    EXPECT(client_wait_end(&idle));
    EXPECT_EQ_UINT(server->listener_count, 0);
    EXPECT(client_wait_end(&late));
    EXPECT(strstr(late.data, "hello") != NULL);
    EXPECT_EQ_UINT(drained_count, 0);
    struct client refused = client_open();
    EXPECT(refused.has_ended);
    client_close(&refused);
    client_close(&idle);
    client_close(&late);
    parked_reply(0);
    EXPECT(client_wait_end(&busy));
    EXPECT(strstr(busy.data, "Connection: close") != NULL);
    EXPECT(strstr(busy.data, "parked") != NULL);
    client_close(&busy);
    EXPECT(wait_until(is_drained, NULL));
    run_ticks(5);
    EXPECT_EQ_UINT(drained_count, 1);
    finish();
}

TEST(server_drain_ends_at_its_deadline)
{
    struct server_options options = options_usual();
    REQUIRE(start(&options));
    drained_count = 0;
    struct client client = client_open();
    client_send(&client, GET("/park"));
    REQUIRE(wait_parked(1));
    server_drain(server, clock_monotonic_us() + 50000, on_drained, NULL);
    EXPECT(wait_until(is_drained, NULL));
    EXPECT(client_wait_end(&client));
    parked_reply(0);
    EXPECT_EQ_UINT(stats().connections, 0);
    run_ticks(5);
    EXPECT_EQ_UINT(drained_count, 1);
    client_close(&client);
    finish();
}

static void expect_no_start(struct str listen, struct str proxies, enum err expected) {
    struct server_options options = options_usual();
    struct server_handler handler = {on_head, on_request, on_refusal, on_done, NULL};
    const char *problem = NULL;
    options.listen[0] = listen;
    options.trusted_proxies = proxies;
    EXPECT(loop_open(&loop, 256, 256) == ERR_OK);
    EXPECT_EQ_INT(server_open(&server, loop, &options, handler, &problem), expected);
    EXPECT(problem != NULL && strlen(problem) > 10);
    loop_close(loop);
}

TEST(server_does_not_start_on_nonsense)
{
    expect_no_start(STR("127.0.0.1:80"), STR(""), ERR_FORMAT);
    expect_no_start(STR("http://0.0.0.0:0"), STR(""), ERR_FORBIDDEN);
    expect_no_start(STR("http://192.0.2.1:0"), STR("127.0.0.1"), ERR_IO);
    expect_no_start(STR("http://127.0.0.1:0"), STR("proxy.example"), ERR_FORMAT);
    expect_no_start(STR("https://127.0.0.1:0"), STR(""), ERR_FORMAT);
}

TEST(server_believes_trusted_proxies)
{
    struct server_options options = options_usual();
    options.trusted_proxies = STR("127.0.0.1, 10.0.0.0/8");
    REQUIRE(start(&options));
    struct client client = client_open();
    client_send(&client, "GET / HTTP/1.1\r\nHost: h\r\n"
                         "X-Forwarded-For: 1.1.1.1, 192.0.2.7, 10.1.2.3\r\n\r\n");
    EXPECT(client_wait(&client, "hello"));
    struct net_address expected;
    EXPECT(net_address_parse(STR("192.0.2.7"), &expected));
    EXPECT_EQ_MEM(seen.peer.bytes, expected.bytes, 16);
    client_close(&client);
    finish();
}

/* --- the table of addresses against a naive one ------------------------------------------------
 */

TEST(address_table_counts_like_a_naive_one)
{
    enum { ADDRESSES = 40, ROWS = 128, CAP = 3 };
    static struct address_row rows[ROWS];
    struct address_table table = {.rows = rows, .row_count = ROWS};
    uint32_t counts[ADDRESSES] = {0};
    uint32_t total = 0;
    memset(rows, 0, sizeof rows);
    table.key[0] = test_random();
    table.key[1] = test_random();
    for (uint32_t round = 0; round < 20000; round++) {
        uint32_t which = (uint32_t)test_random_below(ADDRESSES);
        uint8_t bytes[4] = {10, 0, 0, (uint8_t)which};
        struct net_address address = net_address_from_ipv4(bytes);
        if (test_random_below(2) == 0) {
            bool is_allowed = address_table_get(&table, address, CAP);
            EXPECT(is_allowed == (counts[which] < CAP));
            counts[which] += is_allowed ? 1 : 0;
            total += is_allowed ? 1 : 0;
        } else if (counts[which] > 0) {
            address_table_put(&table, address);
            counts[which] -= 1;
            total -= 1;
        }
    }
    uint32_t found = 0;
    for (uint32_t row = 0; row < ROWS; row++) {
        found += rows[row].count;
    }
    EXPECT_EQ_UINT(found, total);
}
