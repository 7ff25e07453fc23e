/*
 * The HTTP client on the real loop, against a small server in child processes that answers by path:
 * framings, redirects, limits, deadlines, back-pressure, and peers that break their word. Then what
 * is pure: heads of replies, and URLs.
 */
#include "test.h"

#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>

#include "net/http_client.h"
#include "os/clock.h"
#include "os/loop.h"
#include "support/peer_support.h"

enum {
    PATIENCE_US = 20 * 1000 * 1000,
    SHORT_US = 50 * 1000,
    REQUEST_BYTES = 65536,
    REPLY_BYTES = 4 * 1024 * 1024,
    STREAM_BYTES = 3 * 1024 * 1024,
};

/* ---- the server: one process per connection ---- */

struct page {
    const char *path;
    const char *reply;
    bool stays; /* does not close behind it */
};

#define OK_HEAD "HTTP/1.1 200 OK\r\n"
#define TO(status, place)                                                                          \
    "HTTP/1.1 " status " There\r\nLocation: " place "\r\nContent-Length: 4\r\n\r\ngone"

static const struct page pages[] = {
    {"/length", OK_HEAD "Content-Length: 5\r\n\r\nhello", true},
    {"/chunks",
     OK_HEAD "Transfer-Encoding: chunked\r\n\r\n2;a=b\r\nhe\r\n3\r\nllo\r\n0\r\nT: x\r\n\r\n",
     true},
    {"/end", OK_HEAD "\r\nhello", false},
    {"/old", "HTTP/1.0 200 OK\r\n\r\nhello", false},
    {"/none", "HTTP/1.1 204 No Content\r\n\r\n", true},
    {"/empty", OK_HEAD "Content-Length: 0\r\n\r\n", true},
    {"/missing", "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone", true},
    {"/interim",
     "HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 100\r\n\r\n" OK_HEAD
     "Content-Length: 5\r\n\r\nhello",
     true},
    {"/cut", OK_HEAD "Content-Length: 50\r\n\r\nhello", false},
    {"/cut-chunk", OK_HEAD "Transfer-Encoding: chunked\r\n\r\n9\r\nhello", false},
    {"/cut-head", "HTTP/1.1 200 OK\r\nContent-Le", false},
    {"/nothing", "", false},
    {"/stuck-head", "HTTP/1.1 200 OK\r\nContent-Le", true},
    {"/stuck-body", OK_HEAD "Content-Length: 50\r\n\r\nhello", true},
    {"/no-http", "SSH-2.0-OpenSSH_9.9\r\n", true},
    {"/both", OK_HEAD "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", true},
    {"/bad-chunk", OK_HEAD "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n", true},
    {"/switch", "HTTP/1.1 101 Switching Protocols\r\n\r\n", true},
    {"/many-interim",
     "HTTP/1.1 100\r\n\r\nHTTP/1.1 100\r\n\r\nHTTP/1.1 100\r\n\r\nHTTP/1.1 100\r\n\r\n"
     "HTTP/1.1 100\r\n\r\nHTTP/1.1 100\r\n\r\nHTTP/1.1 100\r\n\r\nHTTP/1.1 100\r\n\r\n"
     "HTTP/1.1 100\r\n\r\nHTTP/1.1 100\r\n\r\n",
     true},
    {"/moved", TO("301", "length"), true},
    {"/a/b/../../length", OK_HEAD "Content-Length: 5\r\n\r\nhello", true},
    {"/a/b/moved?x=1", TO("308", "../../length"), true},
    {"/kept", TO("307", "/echo"), true},
    {"/seen", TO("303", "/echo"), true},
    {"/loop", TO("302", "/loop"), true},
    {"/scheme", TO("302", "ftp://localhost/x"), true},
    {"/blank", TO("302", "http://local host/x"), true},
};

static uint16_t listen_port;
static uint16_t other_port;

static void say(int fd, const void *bytes, size_t count) {
    const char *at = bytes;
    while (count > 0) {
        ssize_t put = send(fd, at, count, MSG_NOSIGNAL);
        if (put <= 0) {
            _exit(0);
        }
        at += put;
        count -= (size_t)put;
    }
}

static uint8_t stream_byte(uint32_t index) {
    return (uint8_t)(index * 31 + index / 251);
}

static void stream_say(int fd) {
    static uint8_t bytes[STREAM_BYTES];
    char head[128];
    for (uint32_t index = 0; index < STREAM_BYTES; index++) {
        bytes[index] = stream_byte(index);
    }
    snprintf(head, sizeof head, OK_HEAD "Content-Length: %d\r\n\r\n", STREAM_BYTES);
    say(fd, head, strlen(head));
    say(fd, bytes, sizeof bytes);
}

/* What the request was becomes the body. */
static void echo_say(int fd, const char *request, size_t bytes) {
    char head[128];
    snprintf(head, sizeof head, OK_HEAD "Content-Length: %zu\r\n\r\n", bytes);
    say(fd, head, strlen(head));
    say(fd, request, bytes);
}

static size_t request_read(int fd, char *request) {
    size_t len = 0;
    size_t wanted = SIZE_MAX;
    while (len < wanted) {
        ssize_t got = recv(fd, request + len, REQUEST_BYTES - 1 - len, 0);
        if (got <= 0) {
            _exit(0);
        }
        len += (size_t)got;
        request[len] = '\0';
        const char *end = strstr(request, "\r\n\r\n");
        const char *length = strstr(request, "Content-Length: ");
        if (end != NULL) {
            wanted = (size_t)(end - request) + 4 + (length ? strtoul(length + 16, NULL, 10) : 0);
        }
    }
    return len;
}

static void serve(int fd) {
    static char request[REQUEST_BYTES];
    char path[512] = "";
    char text[512];
    size_t bytes = request_read(fd, request);
    (void)sscanf(request, "%*s %511s", path);
    bool stays = true;
    for (size_t index = 0; index < sizeof pages / sizeof *pages; index++) {
        if (strcmp(path, pages[index].path) == 0) {
            say(fd, pages[index].reply, strlen(pages[index].reply));
            stays = pages[index].stays;
        }
    }
    if (strcmp(path, "/reset") == 0) {
        static char body[100000];
        struct linger at_once = {.l_onoff = 1};
        const char *head = OK_HEAD "Content-Length: 1000000\r\n\r\n";
        say(fd, head, strlen(head));
        say(fd, body, sizeof body);
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        _exit(0);
    }
    if (strncmp(path, "/echo", 5) == 0) {
        echo_say(fd, request, bytes);
    } else if (strcmp(path, "/stream") == 0) {
        stream_say(fd);
        stays = false;
    } else if (strcmp(path, "/away") == 0) {
        snprintf(text, sizeof text, TO("302", "http://localhost:%u/back"), other_port);
        say(fd, text, strlen(text));
    } else if (strcmp(path, "/back") == 0) {
        snprintf(text, sizeof text, TO("302", "//localhost:%u/echo"), listen_port);
        say(fd, text, strlen(text));
    } else if (strcmp(path, "/large-head") == 0) {
        say(fd, OK_HEAD "X: ", strlen(OK_HEAD) + 3);
        for (int index = 0; index < 9000; index++) {
            say(fd, "x", 1);
        }
    } else if (strcmp(path, "/slowly") == 0) {
        const char *reply = OK_HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
        for (const char *at = reply; *at != '\0'; at++) {
            say(fd, at, 1);
        }
    }
    while (stays && recv(fd, request, REQUEST_BYTES, 0) > 0) {
    }
    _exit(0);
}

static pid_t peers[2];

static void peers_start(void) {
    int listeners[2] = {peer_listen(&listen_port), peer_listen(&other_port)};
    for (int index = 0; index < 2; index++) {
        peers[index] = peer_start(listeners[index], serve);
    }
    close(listeners[0]);
    close(listeners[1]);
}

/* ---- the client ---- */

static struct loop *loop;
static struct client_world world;
static struct http_client http;
static struct loop_timer guard;
static struct loop_timer rest; /* the owner takes more when it is due */
static struct http_call call;
static char reply[REPLY_BYTES];
static uint32_t reply_len;
static uint16_t reply_status;
static uint32_t take_max; /* of one on_body; 0 = all */
static uint32_t pauses;
static int64_t rest_us;
static uint32_t ticks;
static bool is_over;
static enum http_fault over_fault;
static char over_detail[CLIENT_PROBLEM_BYTES_MAX];

static void on_head(struct http_client *client, const struct http_head *head) {
    EXPECT(client == &http);
    EXPECT_EQ_INT(reply_status, 0);
    reply_status = head->status;
}

static uint32_t on_body(struct http_client *client, struct str bytes) {
    uint32_t count = take_max > 0 && take_max < bytes.len ? take_max : bytes.len;
    EXPECT(client == &http);
    EXPECT(bytes.len > 0);
    CHECK(reply_len + count <= sizeof reply);
    memcpy(reply + reply_len, bytes.data, count);
    reply_len += count;
    if (count < bytes.len) {
        pauses += 1;
        loop_timer_set(loop, &rest, loop_now_us(loop) + rest_us);
    }
    return count;
}

static void on_end(struct http_client *client, enum http_fault fault, const char *detail) {
    EXPECT(client == &http);
    EXPECT(!is_over);
    EXPECT_EQ_INT(client->state, HTTP_CLIENT_IDLE);
    is_over = true;
    over_fault = fault;
    snprintf(over_detail, sizeof over_detail, "%s", detail);
    loop_stop(loop, 0);
}

static const struct http_client_handler handler = {on_head, on_body, on_end};

static bool on_tick(void *ctx) {
    (void)ctx;
    ticks += 1;
    return false;
}

static void on_guard(struct loop_timer *timer) {
    (void)timer;
    loop_stop(loop, 1);
}

static void on_rest(struct loop_timer *timer) {
    (void)timer;
    http_client_resume(&http);
}

static void start(void) {
    const char *problem = NULL;
    struct dns_options options = {STR(""), "/nowhere/resolv.conf", "/nowhere/hosts"};
    peers_start();
    EXPECT_EQ_INT(loop_open(&loop, 64, 64), ERR_OK);
    EXPECT_EQ_INT(dns_open(&world.dns, loop, &options, &problem), ERR_OK);
    world.loop = loop;
    guard = (struct loop_timer){.on_due = on_guard};
    rest = (struct loop_timer){.on_due = on_rest};
}

static void stop(void) {
    http_client_cancel(&http);
    dns_close(world.dns);
    loop_close(loop);
    for (int index = 0; index < 2; index++) {
        kill(-peers[index], SIGKILL);
        waitpid(peers[index], NULL, 0);
    }
}

static struct http_call a_call(void) {
    return (struct http_call){
        .method = HTTP_GET,
        .reply_bytes_max = REPLY_BYTES,
        .redirects_max = 5,
        .connect_us = PATIENCE_US,
        .idle_us = PATIENCE_US,
        .head_us = PATIENCE_US,
        .whole_us = PATIENCE_US,
    };
}

/* Runs `call` with that path to its end. */
static enum http_fault fetch_from(const char *host, const char *path) {
    static char url[256];
    snprintf(url, sizeof url, "http://%s:%u%s", host, listen_port, path);
    call.url = str_from_c(url);
    reply_len = 0;
    reply_status = 0;
    pauses = 0;
    is_over = false;
    enum http_fault fault = http_client_start(&http, &world, &handler, &call);
    if (fault != HTTP_FAULT_NONE) {
        return fault;
    }
    loop_timer_set(loop, &guard, clock_monotonic_us() + PATIENCE_US);
    EXPECT_EQ_INT(loop_run(loop), 0);
    loop_timer_clear(loop, &guard);
    EXPECT(is_over);
    return over_fault;
}

static enum http_fault fetch(const char *path) {
    return fetch_from("localhost", path);
}

static bool reply_is(const char *text) {
    return str_equal(str_from(reply, reply_len), str_from_c(text));
}

static bool reply_has(const char *text) {
    CHECK(reply_len < sizeof reply);
    reply[reply_len] = '\0';
    return strstr(reply, text) != NULL;
}

TEST(http_client_reads_every_framing)
{
    static const char *const paths[] = {"/length", "/chunks",  "/end",    "/old",
                                        "/moved",  "/interim", "/slowly", "/a/b/moved?x=1"};
    start();
    for (size_t index = 0; index < sizeof paths / sizeof *paths; index++) {
        call = a_call();
        for (take_max = 0; take_max < 3; take_max++) {
            EXPECT_EQ_INT(fetch(paths[index]), HTTP_FAULT_NONE);
            EXPECT_EQ_INT(reply_status, 200);
            EXPECT(reply_is("hello"));
        }
        take_max = 0;
    }
    stop();
}

TEST(http_client_reads_replies_without_a_body)
{
    start();
    call = a_call();
    EXPECT_EQ_INT(fetch("/none"), HTTP_FAULT_NONE);
    EXPECT_EQ_INT(reply_status, 204);
    EXPECT_EQ_INT(fetch("/empty"), HTTP_FAULT_NONE);
    EXPECT_EQ_INT(reply_status, 200);
    EXPECT_EQ_INT(fetch("/missing"), HTTP_FAULT_NONE);
    EXPECT_EQ_INT(reply_status, 404);
    EXPECT(reply_is("gone"));
    call.method = HTTP_HEAD;
    EXPECT_EQ_INT(fetch("/length"), HTTP_FAULT_NONE);
    EXPECT_EQ_INT(reply_len, 0);
    stop();
}

TEST(http_client_sends_what_it_was_given)
{
    static char body[40000];
    start();
    call = a_call();
    memset(body, 'b', sizeof body);
    call.method = HTTP_POST;
    call.body = str_from(body, sizeof body);
    call.headers[0] = (struct http_header){STR("Content-Type"), STR("text/plain")};
    call.headers[1] = (struct http_header){STR("X-Empty"), STR("")};
    call.header_count = 2;
    EXPECT_EQ_INT(fetch("/kept"), HTTP_FAULT_NONE); /* and again behind a 307 */
    EXPECT(reply_has("POST /echo HTTP/1.1\r\nHost: localhost:"));
    EXPECT(
        reply_has("\r\nContent-Length: 40000\r\nContent-Type: text/plain\r\nX-Empty: \r\n\r\nbbb"));
    EXPECT_EQ_INT(fetch("/seen"), HTTP_FAULT_NONE);
    EXPECT_EQ_INT(reply_status, 303); /* it would have lost its body */
    stop();
}

TEST(http_client_refuses_requests_that_would_be_others)
{
    start();
    call = a_call();
    call.headers[0] = (struct http_header){STR("X"), STR("a\r\nHost: evil")};
    call.header_count = 1;
    EXPECT_EQ_INT(fetch("/echo"), HTTP_FAULT_CALL);
    call.headers[0] = (struct http_header){STR("X Y"), STR("a")};
    EXPECT_EQ_INT(fetch("/echo"), HTTP_FAULT_CALL);
    call.header_count = 0;
    EXPECT_EQ_INT(fetch("/ec ho"), HTTP_FAULT_URL);
    EXPECT_EQ_INT(fetch_from("user@localhost", "/echo"), HTTP_FAULT_URL);
    stop();
}

TEST(http_client_keeps_secrets_from_other_origins)
{
    start();
    call = a_call();
    call.headers[0] = (struct http_header){STR("authorization"), STR("Bearer secret")};
    call.headers[1] = (struct http_header){STR("Cookie"), STR("secret")};
    call.headers[2] = (struct http_header){STR("X-Other"), STR("stays")};
    call.header_count = 3;
    EXPECT_EQ_INT(fetch("/echo"), HTTP_FAULT_NONE);
    EXPECT(reply_has("secret"));
    /* Over another port and back: what was left once is not trusted again. */
    EXPECT_EQ_INT(fetch("/away"), HTTP_FAULT_NONE);
    EXPECT(reply_has("GET /echo"));
    EXPECT(reply_has("X-Other: stays"));
    EXPECT(!reply_has("secret"));
    stop();
}

TEST(http_client_names_what_went_wrong)
{
    static const struct {
        const char *path;
        enum http_fault fault;
    } cases[] = {
        {"/cut", HTTP_FAULT_CLOSED},         {"/cut-chunk", HTTP_FAULT_CLOSED},
        {"/cut-head", HTTP_FAULT_CLOSED},    {"/nothing", HTTP_FAULT_CLOSED},
        {"/no-http", HTTP_FAULT_REPLY},      {"/both", HTTP_FAULT_REPLY},
        {"/bad-chunk", HTTP_FAULT_REPLY},    {"/switch", HTTP_FAULT_REPLY},
        {"/many-interim", HTTP_FAULT_REPLY}, {"/large-head", HTTP_FAULT_HEAD_LARGE},
        {"/loop", HTTP_FAULT_REDIRECTS},     {"/scheme", HTTP_FAULT_REDIRECT},
        {"/blank", HTTP_FAULT_REDIRECT},
    };
    start();
    call = a_call();
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        EXPECT_EQ_STR(http_fault_name(fetch(cases[index].path)),
                      http_fault_name(cases[index].fault));
        EXPECT(strlen(over_detail) > 0);
    }
    call.redirects_max = 0;
    EXPECT_EQ_INT(fetch("/loop"), HTTP_FAULT_NONE);
    EXPECT_EQ_INT(reply_status, 302);
    stop();
}

TEST(http_client_has_a_limit_for_bodies)
{
    static const char *const paths[] = {"/length", "/chunks", "/end"};
    start();
    call = a_call();
    for (size_t index = 0; index < sizeof paths / sizeof *paths; index++) {
        call.reply_bytes_max = 5;
        EXPECT_EQ_INT(fetch(paths[index]), HTTP_FAULT_NONE);
        call.reply_bytes_max = 4;
        EXPECT_EQ_INT(fetch(paths[index]), HTTP_FAULT_BODY_LARGE);
    }
    stop();
}

TEST(http_client_has_deadlines)
{
    start();
    call = a_call();
    call.head_us = SHORT_US;
    EXPECT_EQ_STR(http_fault_name(fetch("/stuck-head")), "REPLY_TIMEOUT");
    EXPECT_EQ_STR(http_fault_name(fetch("/no-such-page")), "REPLY_TIMEOUT");
    call = a_call();
    call.idle_us = SHORT_US;
    EXPECT_EQ_STR(http_fault_name(fetch("/stuck-body")), "BODY_TIMEOUT");
    call = a_call();
    call.whole_us = SHORT_US;
    EXPECT_EQ_STR(http_fault_name(fetch("/stuck-body")), "TOTAL_TIMEOUT");
    EXPECT(reply_is("hello"));
    stop();
}

TEST(http_client_goes_only_where_it_may)
{
    start();
    call = a_call();
    call.reach = CLIENT_PUBLIC;
    EXPECT_EQ_STR(http_fault_name(fetch("/length")), ""); /* http to this machine is another rule */
    call.may_be_plain = true;
    EXPECT_EQ_STR(http_fault_name(fetch("/length")), "ADDRESS_REFUSED");
    EXPECT_EQ_STR(http_fault_name(fetch_from("[::ffff:127.0.0.1]", "/length")), "ADDRESS_REFUSED");
    EXPECT_EQ_STR(http_fault_name(fetch_from("169.254.169.254", "/x")), "ADDRESS_REFUSED");
    call = a_call();
    EXPECT_EQ_STR(http_fault_name(fetch_from("192.0.2.1", "/x")), "URL_NOT_SECURE");
    EXPECT_EQ_STR(http_fault_name(fetch_from("example.invalid", "/x")), "HOST_UNKNOWN");
    uint16_t port = listen_port;
    listen_port = 1;
    EXPECT_EQ_STR(http_fault_name(fetch("/x")), "CONNECT_FAILED");
    listen_port = port;
    stop();
}

/* The owner takes little at a time, so the peer is done, and gone, long before it. */
TEST(http_client_gives_no_more_than_is_taken)
{
    start();
    call = a_call();
    take_max = 5000;
    EXPECT_EQ_INT(fetch("/stream"), HTTP_FAULT_NONE);
    take_max = 0;
    EXPECT_EQ_INT(reply_len, STREAM_BYTES);
    EXPECT(pauses > STREAM_BYTES / 20000);
    uint32_t wrong = 0;
    for (uint32_t index = 0; index < STREAM_BYTES; index++) {
        wrong += (uint8_t)reply[index] != stream_byte(index);
    }
    EXPECT_EQ_INT(wrong, 0);
    stop();
}

/* The loop tells again and again of a connection that was reset, and the owner does not read. */
TEST(http_client_rests_while_its_owner_does)
{
    start();
    loop_hook_add(loop, (struct loop_hook){on_tick, NULL});
    call = a_call();
    take_max = 1;
    rest_us = 2 * SHORT_US;
    call.whole_us = 10 * rest_us;
    ticks = 0;
    EXPECT_EQ_STR(http_fault_name(fetch("/reset")), "TOTAL_TIMEOUT");
    EXPECT(pauses > 1);
    EXPECT(ticks < 20 * pauses + 20);
    /* What had come before the reset is read to its end. */
    take_max = 5000;
    rest_us = 0;
    call = a_call();
    EXPECT_EQ_STR(http_fault_name(fetch("/reset")), "CONNECTION_CLOSED");
    take_max = 0;
    stop();
}

static uint32_t on_body_cancel(struct http_client *client, struct str bytes) {
    http_client_cancel(client);
    loop_stop(loop, 0);
    return bytes.len;
}

TEST(http_client_can_be_cancelled_anywhere)
{
    static const struct http_client_handler cancelling = {on_head, on_body_cancel, on_end};
    start();
    call = a_call();
    EXPECT_EQ_INT(fetch("/length"), HTTP_FAULT_NONE);
    is_over = false;
    reply_status = 0;
    EXPECT_EQ_INT(http_client_start(&http, &world, &cancelling, &call), HTTP_FAULT_NONE);
    EXPECT_EQ_INT(loop_run(loop), 0);
    EXPECT(!is_over);
    EXPECT_EQ_INT(http_client_start(&http, &world, &cancelling, &call), HTTP_FAULT_NONE);
    http_client_cancel(&http);
    http_client_cancel(&http);
    EXPECT_EQ_INT(fetch("/length"), HTTP_FAULT_NONE);
    stop();
}

/* ---- heads of replies ---- */

static enum err head_of(const char *text, struct http_head *head) {
    uint32_t head_bytes = 0;
    return http_reply_head_parse(str_from_c(text), head, &head_bytes);
}

TEST(http_reply_heads)
{
    static const struct {
        const char *text;
        enum err err;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\n\r\n", ERR_OK},
        {"HTTP/1.1 200 \r\n\r\n", ERR_OK},
        {"HTTP/1.1 200\r\n\r\n", ERR_OK},
        {"HTTP/1.0 599 x\r\nHost: a\r\nHost: b\r\nExpect: x\r\n\r\n", ERR_OK},
        {"HTTP/1.1 200 OK\r\n", ERR_AGAIN},
        {"HTTP/1.1 20", ERR_AGAIN},
        {"HTTP/1.1  200 OK\r\n\r\n", ERR_HTTP_MALFORMED},
        {"HTTP/1.1 099 OK\r\n\r\n", ERR_HTTP_MALFORMED},
        {"HTTP/1.1 600 OK\r\n\r\n", ERR_HTTP_MALFORMED},
        {"HTTP/1.1 2000 OK\r\n\r\n", ERR_HTTP_MALFORMED},
        {"HTTP/1.1 +20 OK\r\n\r\n", ERR_HTTP_MALFORMED},
        {"\r\nHTTP/1.1 200 OK\r\n\r\n", ERR_HTTP_MALFORMED},
        {"HTTP/1.1 200 OK\n\n", ERR_HTTP_MALFORMED},
        {"HTTP/1.1 200 O\x01K\r\n\r\n", ERR_HTTP_MALFORMED},
        {"HTTP/2.0 200 OK\r\n\r\n", ERR_HTTP_VERSION},
        {"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", ERR_HTTP_MALFORMED},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", ERR_HTTP_MALFORMED},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
         ERR_HTTP_MALFORMED},
        {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", ERR_HTTP_MALFORMED},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", ERR_NOT_IMPLEMENTED},
    };
    struct http_head head;
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        EXPECT_EQ_STR(err_row(head_of(cases[index].text, &head))->sentence,
                      err_row(cases[index].err)->sentence);
    }
    EXPECT_EQ_INT(head_of("HTTP/1.1 404 Not Found\r\nContent-Length: 7\r\nA: b\r\n\r\n", &head),
                  ERR_OK);
    EXPECT_EQ_INT(head.status, 404);
    EXPECT_EQ_UINT(head.content_length, 7);
    EXPECT(head.is_keep_alive);
    EXPECT(str_equal(http_header(&head, STR("a")), STR("b")));
}

/* ---- URLs ---- */

static bool resolves_to(const char *base_text, const char *reference, const char *wanted) {
    char memory[HTTP_URL_BYTES_MAX];
    struct buf out = buf_over(memory, sizeof memory);
    struct http_url base;
    struct http_url url;
    return http_url_parse(str_from_c(base_text), &base) &&
           http_url_resolve(&base, str_from_c(reference), &out) &&
           http_url_parse(buf_str(&out), &url) && str_equal(buf_str(&out), str_from_c(wanted));
}

TEST(http_urls)
{
    static const struct {
        const char *text;
        const char *host;
        uint16_t port;
        const char *target;
        const char *header;
    } good[] = {
        {"https://example.com", "example.com", 443, "/", "example.com"},
        {"HTTP://Example.com:80/a?b=%20#c", "Example.com", 80, "/a?b=%20", "Example.com"},
        {"https://10.0.2.2:8443?x", "10.0.2.2", 8443, "/?x", "10.0.2.2:8443"},
        {"http://[::1]:81/", "::1", 81, "/", "[::1]:81"},
        {"https://a_b.example.:443/#", "a_b.example.", 443, "/", "a_b.example."},
    };
    static const char *const bad[] = {
        "",
        "https://",
        "ftp://a/",
        "https:/a",
        "//a/",
        "https://:1",
        "https://u@a/",
        "https://u:p@a/",
        "https://a:0/",
        "https://a:65536/",
        "https://a:/",
        "https://a:+1/",
        "https://a b/",
        "https://a/ b",
        "https://a/\r\nb",
        "https://[::1",
        "https://[a]/",
        "https://[::1]x/",
        "https://a..b/",
        "https://a/\xC3\xA4",
        "https://a\\b/",
        "https://-:1:2/",
        "https://[1.2.3.4]/",
    };
    for (size_t index = 0; index < sizeof good / sizeof *good; index++) {
        char memory[256];
        struct buf out = buf_over(memory, sizeof memory);
        struct http_url url;
        EXPECT(http_url_parse(str_from_c(good[index].text), &url));
        EXPECT(str_equal(url.host, str_from_c(good[index].host)));
        EXPECT_EQ_INT(url.port, good[index].port);
        http_url_put_target(&url, &out);
        EXPECT(str_equal(buf_str(&out), str_from_c(good[index].target)));
        buf_reset(&out);
        http_url_put_host(&url, &out);
        EXPECT(str_equal(buf_str(&out), str_from_c(good[index].header)));
    }
    for (size_t index = 0; index < sizeof bad / sizeof *bad; index++) {
        struct http_url url;
        EXPECT(!http_url_parse(str_from_c(bad[index]), &url));
    }
}

TEST(http_urls_of_redirects)
{
    const char *base = "https://a.example:8443/b/c?d#e";
    EXPECT(resolves_to(base, "http://x/y", "http://x/y"));
    EXPECT(resolves_to(base, "//x/y", "https://x/y"));
    EXPECT(resolves_to(base, "/y", "https://a.example:8443/y"));
    EXPECT(resolves_to(base, "y/z?q:r", "https://a.example:8443/b/y/z?q:r"));
    EXPECT(resolves_to(base, "?q", "https://a.example:8443/b/c?q"));
    EXPECT(resolves_to(base, "", "https://a.example:8443/b/c"));
    EXPECT(resolves_to("https://a.example?d", "y", "https://a.example/y"));
    EXPECT(!resolves_to(base, "javascript:x", ""));
    EXPECT(!resolves_to(base, "ftp://x/y", ""));
    EXPECT(!resolves_to(base, "/a b", ""));
}

TEST(http_client_knows_public_addresses)
{
    static const char *const inside[] = {
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "172.31.0.1",
        "192.168.1.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fc00::1",
        "fd12::1",
        "ff02::1",
        "64:ff9b::a00:1",
        "2002:a00:1::1",
        "2001:db8::1",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
    };
    static const char *const outside[] = {"8.8.8.8",     "172.32.0.1",   "100.128.0.1",
                                          "223.255.0.1", "2606:4700::1", "2a00:1450::1"};
    struct net_address address;
    for (size_t index = 0; index < sizeof inside / sizeof *inside; index++) {
        EXPECT(net_address_parse(str_from_c(inside[index]), &address));
        EXPECT(!net_address_is_public(address));
    }
    for (size_t index = 0; index < sizeof outside / sizeof *outside; index++) {
        EXPECT(net_address_parse(str_from_c(outside[index]), &address));
        EXPECT(net_address_is_public(address));
    }
}
