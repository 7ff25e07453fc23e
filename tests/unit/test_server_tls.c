/* The server over TLS and real sockets: what only shows where records meet the network. */
#include "test.h"

#include <sys/socket.h>

#include "support/server_support.h"
#include "support/tls_support.h"

static struct tls_identity identity;
static struct tls_client tls;
static struct client client;

static bool start_tls(void) {
    struct server_options options = options_usual();
    uint8_t entropy[CERT_ENTROPY_BYTES];
    test_random_fill(entropy, sizeof entropy);
    EXPECT(tls_identity_make(&identity, entropy));
    options.listen[0] = STR("https://127.0.0.1:0");
    options.tls = identity.files;
    return start(&options);
}

static void connect_tls(size_t buffer_bytes, const br_ssl_session_parameters *session) {
    static const char *protocols[] = {"http/1.1"};
    struct tls_client_wishes wishes = {protocols, 1, session, buffer_bytes, {0}};
    test_random_fill(wishes.entropy, sizeof wishes.entropy);
    client = client_open();
    client.data[0] = 0;
    EXPECT(tls_client_start(&tls, &wishes));
}

/* Moves what there is between the client's engine, its socket and client.data. */
static void pump(void) {
    br_ssl_engine_context *engine = &tls.ssl.eng;
    bool has_moved = true;
    while (has_moved) {
        size_t bytes = 0;
        has_moved = false;
        unsigned char *place = br_ssl_engine_sendrec_buf(engine, &bytes);
        ssize_t count = place == NULL ? 0 : send(client.fd, place, bytes, MSG_NOSIGNAL);
        if (count > 0) {
            br_ssl_engine_sendrec_ack(engine, (size_t)count);
            has_moved = true;
        }
        place = br_ssl_engine_recvapp_buf(engine, &bytes);
        if (place != NULL && client.bytes + bytes < CLIENT_BYTES_MAX) {
            memcpy(client.data + client.bytes, place, bytes);
            client.bytes += bytes;
            client.data[client.bytes] = 0;
            br_ssl_engine_recvapp_ack(engine, bytes);
            has_moved = true;
        }
        place = br_ssl_engine_recvrec_buf(engine, &bytes);
        count = place == NULL ? -1 : recv(client.fd, place, bytes, 0);
        if (count > 0) {
            br_ssl_engine_recvrec_ack(engine, (size_t)count);
            has_moved = true;
        }
        client.has_ended |= place != NULL && count == 0;
    }
    client.has_ended |= br_ssl_engine_current_state(engine) == BR_SSL_CLOSED;
}

static bool has_text(void *ctx) {
    pump();
    return strstr(client.data, ctx) != NULL;
}

static bool has_bytes(void *ctx) {
    pump();
    return client.bytes >= *(size_t *)ctx;
}

static bool has_ended(void *ctx) {
    (void)ctx;
    pump();
    return client.has_ended;
}

static bool is_open(void *ctx) {
    size_t room = 0;
    (void)ctx;
    pump();
    return br_ssl_engine_sendapp_buf(&tls.ssl.eng, &room) != NULL;
}

static bool wait_text(const char *wanted) {
    return wait_until(has_text, (void *)(uintptr_t)wanted);
}

static void send_tls(const char *request) {
    size_t left = strlen(request);
    REQUIRE(wait_until(is_open, NULL));
    while (left > 0) {
        size_t room = 0;
        unsigned char *place = br_ssl_engine_sendapp_buf(&tls.ssl.eng, &room);
        if (place != NULL) {
            room = room < left ? room : left;
            memcpy(place, request, room);
            br_ssl_engine_sendapp_ack(&tls.ssl.eng, room);
            br_ssl_engine_flush(&tls.ssl.eng, 0);
            request += room;
            left -= room;
        }
        pump();
        run_ticks(1);
    }
}

static void clear(void) {
    client.bytes = 0;
    client.data[0] = 0;
}

TEST(server_tls_serves_and_says_goodbye)
{
    REQUIRE(start_tls());
    connect_tls(0, NULL);
    send_tls(GET("/") GET("/echo"));
    EXPECT(wait_text("\r\n\r\nnone"));
    clear();
    send_tls(GET("/close"));
    EXPECT(wait_until(has_ended, NULL));
    EXPECT(strstr(client.data, "hello") != NULL);
    /* An orderly end: our close_notify has come. */
    EXPECT_EQ_INT(br_ssl_engine_last_error(&tls.ssl.eng), BR_ERR_OK);
    client_close(&client);
    EXPECT(wait_until(has_no_connection, NULL));
    EXPECT_EQ_UINT(stats().handshakes_full, 1);
    EXPECT(finish());
}

TEST(server_tls_resumes)
{
    br_ssl_session_parameters session;
    REQUIRE(start_tls());
    connect_tls(0, NULL);
    send_tls(GET("/"));
    EXPECT(wait_text("hello"));
    br_ssl_engine_get_session_parameters(&tls.ssl.eng, &session);
    client_close(&client);
    connect_tls(0, &session);
    send_tls(GET("/"));
    EXPECT(wait_text("hello"));
    EXPECT_EQ_UINT(stats().handshakes_full, 1);
    EXPECT_EQ_UINT(stats().handshakes_resumed, 1);
    client_close(&client);
    EXPECT(finish());
}

/* A reply's head was once expected to fit into one record. */
TEST(server_tls_serves_clients_with_small_records)
{
    static const size_t sizes[] = {512 + 325 + 512 + 85, 1024 + 325 + 512 + 85,
                                   4096 + 325 + 512 + 85};
    REQUIRE(start_tls());
    seen.long_headers =
        STR("X-Long: 0123456789012345678901234567890123456789012345678901234567890\r\n"
            "X-Long: 0123456789012345678901234567890123456789012345678901234567890\r\n"
            "X-Long: 0123456789012345678901234567890123456789012345678901234567890\r\n"
            "X-Long: 0123456789012345678901234567890123456789012345678901234567890\r\n"
            "X-Long: 0123456789012345678901234567890123456789012345678901234567890\r\n"
            "X-Long: 0123456789012345678901234567890123456789012345678901234567890\r\n"
            "X-Long: 0123456789012345678901234567890123456789012345678901234567890\r\n"
            "X-Long: 0123456789012345678901234567890123456789012345678901234567890\r\n"
            "X-Last: 0\r\n");
    for (uint32_t index = 0; index < COUNT_OF(sizes); index++) {
        connect_tls(sizes[index], NULL);
        send_tls(GET("/headers") GET("/stream") GET("/"));
        EXPECT(wait_text("X-Last: 0\r\n\r\nhelloHTTP/1.1 200"));
        EXPECT(wait_text("0008\r\npiece 1;\r\n0008\r\npiece 2;\r\n0008\r\npiece 3;\r\n"
                         "0008\r\npiece 4;\r\n0008\r\npiece 5;\r\n0\r\n\r\nHTTP/1.1 200 OK"));
        EXPECT(wait_text("\r\n\r\nhello"));
        clear();
        send_tls(GET("/big"));
        size_t wanted = BIG_BYTES + 100;
        EXPECT(wait_until(has_bytes, &wanted));
        char *body = strstr(client.data, "\r\n\r\n") + 4;
        wanted = BIG_BYTES + (size_t)(body - client.data);
        EXPECT(wait_until(has_bytes, &wanted));
        EXPECT_EQ_MEM(body, big, BIG_BYTES);
        client_close(&client);
    }
    EXPECT(wait_until(has_no_connection, NULL));
    EXPECT_EQ_UINT(stats().arena_blocks_used, 0);
    EXPECT(finish());
}

TEST(server_tls_goes_on_after_giving_pages_back)
{
    REQUIRE(start_tls());
    connect_tls(0, NULL);
    for (uint32_t round = 0; round < 3; round++) {
        clear();
        send_tls(GET("/text"));
        EXPECT(wait_text("Content-Length: 20000"));
        size_t wanted = TEXT_BYTES + 100;
        EXPECT(wait_until(has_bytes, &wanted));
        struct conn *conn = conn_at(server, 0);
        REQUIRE(conn->state == CONN_IDLE);
        EXPECT(conn_out(conn)[100] != 0);
        conn_trim(conn);
        EXPECT(conn_out(conn)[100] == 0);
    }
    client_close(&client);
    EXPECT(finish());
}

static bool handshake_has_failed(void *ctx) {
    (void)ctx;
    client_read(&client);
    return client.has_ended;
}

TEST(server_tls_tells_plain_clients)
{
    REQUIRE(start_tls());
    client = client_open();
    client_send(&client, GET("/"));
    EXPECT(wait_until(handshake_has_failed, NULL));
    EXPECT(!client.is_reset);
    EXPECT_EQ_UINT(client.bytes, 7);
    EXPECT_EQ_UINT(client.data[0], 21);
    EXPECT_EQ_UINT(client.data[6], 70);
    EXPECT_EQ_UINT(stats().handshakes_failed, 1);
    client_close(&client);
    EXPECT(wait_until(has_no_connection, NULL));
    EXPECT(finish());
}
