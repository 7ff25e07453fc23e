/* Requests and replies over real sockets on loopback. */
#include "test.h"

#include <sys/socket.h>
#include <zlib.h>

#include "support/server_support.h"

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
    EXPECT(finish());
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
    EXPECT(finish());
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
    EXPECT(finish());
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
    EXPECT(finish());
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
    EXPECT(finish());
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
    EXPECT(finish());
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
    EXPECT(finish());
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
    EXPECT(finish());
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
    EXPECT(finish());
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
    EXPECT(finish());
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
    EXPECT(finish());
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
    EXPECT(finish());
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
    EXPECT(finish());
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
    EXPECT(finish());
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
    EXPECT(finish());
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
    EXPECT(finish());
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
    EXPECT(finish());
}
