/*
 * What the server does with clients that are wrong, slow, gone or too many, over real sockets on
 * loopback; and how it ends.
 */
#include "test.h"

#include <sys/resource.h>
#include <sys/socket.h>

#include "os/clock.h"
#include "support/server_support.h"

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
    EXPECT(finish());
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
    EXPECT(finish());
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
    EXPECT(finish());
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
    EXPECT(finish());
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
    EXPECT(finish());
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
    EXPECT(finish());
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
    EXPECT(finish());
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
    EXPECT(finish());
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
    EXPECT(finish());
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
    EXPECT(finish());
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
    EXPECT(finish());
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
    EXPECT(finish());
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
    EXPECT(strstr(third.data, "\"type\":\"SERVICE_UNAVAILABLE\"") != NULL);
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
    EXPECT(finish());
}

static bool somebody_was_refused(void *ctx) {
    (void)ctx;
    return stats().refused > 0;
}

TEST(server_lives_on_without_descriptors)
{
    struct server_options options = options_usual();
    struct rlimit usual;
    REQUIRE(start(&options));
    REQUIRE(getrlimit(RLIMIT_NOFILE, &usual) == 0);
    struct client first = client_open();
    client_send(&first, GET("/"));
    EXPECT(client_wait(&first, "hello"));
    /* The next client gets the last descriptor; it connects, and the server finds none. */
    struct client second = client_open();
    struct rlimit low = {(rlim_t)second.fd + 1, usual.rlim_max};
    EXPECT(setrlimit(RLIMIT_NOFILE, &low) == 0);
    EXPECT(wait_until(somebody_was_refused, NULL));
    EXPECT(client_wait_end(&second));
    client_clear(&first);
    client_send(&first, GET("/"));
    EXPECT(client_wait(&first, "hello"));
    EXPECT(setrlimit(RLIMIT_NOFILE, &usual) == 0);
    EXPECT_EQ_UINT(stats().refused, 1);
    struct client third = client_open();
    client_send(&third, GET("/"));
    EXPECT(client_wait(&third, "hello"));
    client_close(&first);
    client_close(&second);
    client_close(&third);
    EXPECT(finish());
}

TEST(server_lives_on_when_the_loop_is_full)
{
    struct server_options options = options_usual();
    options.connections_max = 1000;
    static struct client clients[260];
    REQUIRE(start(&options));
    for (uint32_t index = 0; index < COUNT_OF(clients); index++) {
        clients[index] = client_open();
        run_ticks(1);
    }
    EXPECT(wait_until(somebody_was_refused, NULL));
    client_send(&clients[0], GET("/"));
    EXPECT(client_wait(&clients[0], "hello"));
    for (uint32_t index = 0; index < COUNT_OF(clients); index++) {
        client_close(&clients[index]);
    }
    EXPECT(wait_until(has_no_connection, NULL));
    EXPECT(finish());
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
    EXPECT(finish());
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
    EXPECT(finish());
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
    EXPECT(finish());
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
    EXPECT(finish());
}

static void expect_no_start(struct str listen, struct str proxies, enum err expected) {
    struct server_options options = options_usual();
    struct server_handler handler = test_handler();
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
    EXPECT(finish());
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
