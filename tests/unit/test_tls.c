/*
 * net/tls.c in memory, against BearSSL's own client: bytes go from port to port in pieces of random
 * length. What openssl, curl and sslscan think of it is tests/http/test_tls.py's business.
 */
#include "test.h"

#include "support/tls_support.h"

/* --- both together -----------------------------------------------------------------------------
 */

static _Alignas(16) uint8_t context[TLS_CONTEXT_BYTES];
static uint8_t in[TLS_IN_BYTES];
static uint8_t out[TLS_OUT_BYTES];
static struct tls_client client;
static struct tls_identity identity;
static struct tls_config *config;
static const char *http[] = {"h2", "http/1.1"};

static void identity_make(struct tls_identity *made) {
    uint8_t entropy[CERT_ENTROPY_BYTES];
    test_random_fill(entropy, sizeof entropy);
    EXPECT(tls_identity_make(made, entropy));
}

static void client_start(const char **protocols, size_t protocol_count,
                         const br_ssl_session_parameters *session) {
    struct tls_client_wishes wishes = {protocols, protocol_count, session, 0, {0}};
    test_random_fill(wishes.entropy, sizeof wishes.entropy);
    EXPECT(tls_client_start(&client, &wishes));
}

static struct tls *server_start(void) {
    return tls_start(context, in, out, config, 1);
}

static bool to_server(struct tls *tls) {
    size_t bytes = 0;
    uint32_t room = 0;
    unsigned char *from = br_ssl_engine_sendrec_buf(&client.ssl.eng, &bytes);
    uint8_t *to = tls_record_in(tls, &room);
    if (from == NULL || to == NULL) {
        return false;
    }
    size_t most = bytes < room ? bytes : room;
    size_t moved = 1 + test_random_below(most);
    memcpy(to, from, moved);
    br_ssl_engine_sendrec_ack(&client.ssl.eng, moved);
    tls_record_in_ack(tls, (uint32_t)moved);
    return true;
}

static bool to_client(struct tls *tls) {
    uint32_t bytes = 0;
    size_t room = 0;
    const uint8_t *from = tls_record_out(tls, &bytes);
    unsigned char *to = br_ssl_engine_recvrec_buf(&client.ssl.eng, &room);
    if (from == NULL || to == NULL) {
        return false;
    }
    size_t most = bytes < room ? bytes : room;
    size_t moved = 1 + test_random_below(most);
    memcpy(to, from, moved);
    tls_record_out_ack(tls, (uint32_t)moved);
    br_ssl_engine_recvrec_ack(&client.ssl.eng, moved);
    return true;
}

/* Until neither side has anything for the other. */
static void talk(struct tls *tls) {
    bool has_moved = true;
    while (has_moved) {
        has_moved = to_server(tls);
        has_moved |= to_client(tls);
    }
}

static void expect_echo(struct tls *tls, uint32_t bytes) {
    static uint8_t sent[TLS_OUT_BYTES];
    size_t room = 0;
    uint32_t count = 0;
    test_random_fill(sent, bytes);
    unsigned char *place = br_ssl_engine_sendapp_buf(&client.ssl.eng, &room);
    REQUIRE(place != NULL && room >= bytes);
    memcpy(place, sent, bytes);
    br_ssl_engine_sendapp_ack(&client.ssl.eng, bytes);
    br_ssl_engine_flush(&client.ssl.eng, 0);
    talk(tls);
    const uint8_t *got = tls_plain_in(tls, &count);
    REQUIRE(got != NULL);
    EXPECT_EQ_UINT(count, bytes);
    uint8_t *back = tls_plain_out(tls, &count);
    REQUIRE(back != NULL && count >= bytes);
    memcpy(back, got, bytes);
    tls_plain_in_ack(tls, bytes);
    tls_plain_out_ack(tls, bytes);
    tls_plain_flush(tls);
    talk(tls);
    place = br_ssl_engine_recvapp_buf(&client.ssl.eng, &room);
    REQUIRE(place != NULL);
    EXPECT_EQ_UINT(room, bytes);
    EXPECT_EQ_MEM(place, sent, bytes);
    br_ssl_engine_recvapp_ack(&client.ssl.eng, bytes);
}

static bool config_open(uint32_t sessions_max) {
    const char *problem = "";
    identity_make(&identity);
    enum err err = tls_config_open(&config, &identity.files, sessions_max, &problem);
    if (err != ERR_OK) {
        printf("    %s\n", problem);
    }
    return err == ERR_OK;
}

TEST(tls_shakes_hands_and_carries_bytes)
{
    REQUIRE(config_open(10));
    for (uint32_t round = 0; round < 5; round++) {
        struct tls *tls = server_start();
        client_start(http, COUNT_OF(http), NULL);
        EXPECT(!tls_is_open(tls));
        talk(tls);
        EXPECT(tls_is_open(tls));
        EXPECT(tls_is_quiet(tls));
        EXPECT(!tls_is_resumed(tls));
        EXPECT_EQ_STR(br_ssl_engine_get_selected_protocol(&client.ssl.eng), "http/1.1");
        EXPECT_EQ_UINT(br_ssl_engine_get_version(&client.ssl.eng), BR_TLS12);
        expect_echo(tls, 1);
        expect_echo(tls, 16384);
        EXPECT(tls_is_quiet(tls));
        /* Between records the buffers are not needed. */
        memset(in, 0, sizeof in);
        memset(out, 0, sizeof out);
        expect_echo(tls, 600);
        tls_close(tls);
        talk(tls);
        EXPECT(tls_is_closed(tls));
        EXPECT_EQ_INT(br_ssl_engine_last_error(&client.ssl.eng), BR_ERR_OK);
        tls_finish(tls);
        for (uint32_t index = 0; index < TLS_CONTEXT_BYTES; index++) {
            REQUIRE(context[index] == 0);
        }
    }
    tls_config_close(config);
}

TEST(tls_is_not_quiet_within_a_record)
{
    REQUIRE(config_open(0));
    struct tls *tls = server_start();
    client_start(NULL, 0, NULL);
    talk(tls);
    size_t room = 0;
    uint32_t bytes = 0;
    unsigned char *place = br_ssl_engine_sendapp_buf(&client.ssl.eng, &room);
    REQUIRE(place != NULL);
    memset(place, 'x', 100);
    br_ssl_engine_sendapp_ack(&client.ssl.eng, 100);
    br_ssl_engine_flush(&client.ssl.eng, 0);
    EXPECT(tls_is_quiet(tls));
    for (uint32_t index = 0; tls_plain_in(tls, &bytes) == NULL && index < 200; index++) {
        unsigned char *from = br_ssl_engine_sendrec_buf(&client.ssl.eng, &room);
        uint8_t *to = tls_record_in(tls, &bytes);
        REQUIRE(from != NULL && to != NULL);
        *to = *from;
        br_ssl_engine_sendrec_ack(&client.ssl.eng, 1);
        tls_record_in_ack(tls, 1);
        EXPECT(!tls_is_quiet(tls));
    }
    EXPECT(tls_plain_in(tls, &bytes) != NULL);
    EXPECT(!tls_is_quiet(tls));
    tls_plain_in_ack(tls, 100);
    EXPECT(tls_is_quiet(tls));
    EXPECT(tls_plain_out(tls, &bytes) != NULL);
    tls_plain_out_ack(tls, 1);
    tls_plain_flush(tls);
    EXPECT(!tls_is_quiet(tls));
    tls_finish(tls);
    tls_config_close(config);
}

static br_ssl_session_parameters session;

static bool resume(void) {
    struct tls *tls = server_start();
    client_start(http, COUNT_OF(http), &session);
    talk(tls);
    EXPECT(tls_is_open(tls));
    bool is_resumed = tls_is_resumed(tls);
    expect_echo(tls, 100);
    tls_finish(tls);
    return is_resumed;
}

TEST(tls_resumes_sessions)
{
    REQUIRE(config_open(10));
    struct tls *tls = server_start();
    client_start(http, COUNT_OF(http), NULL);
    talk(tls);
    br_ssl_engine_get_session_parameters(&client.ssl.eng, &session);
    tls_finish(tls);
    EXPECT(resume());
    EXPECT(resume());
    /* Unknown names only: alert 120, also when resuming (stock BearSSL reads out of bounds). */
    static const char *unknown[] = {"h2"};
    tls = server_start();
    client_start(unknown, 1, &session);
    talk(tls);
    EXPECT(tls_is_closed(tls));
    EXPECT_EQ_INT(br_ssl_engine_last_error(&client.ssl.eng), BR_ERR_RECV_FATAL_ALERT + 120);
    tls_finish(tls);
    EXPECT(resume());
    /* Secrets do not stay for ever. */
    tls = tls_start(context, in, out, config, INT64_C(1000001) * TLS_SESSION_LIFETIME_S);
    tls_finish(tls);
    EXPECT(!resume());
    tls_config_close(config);
}

TEST(tls_says_why_it_fails)
{
    static const struct {
        const char *bytes;
        uint8_t alert;
    } rows[] = {
        {"GET / HTTP/1.1\r\n\r\n", 70},
        {"\x16\x03\x01\x50\x01 too long", 22},
        {"\x17\x03\x03\x00\x01x and so on", 10},
    };
    REQUIRE(config_open(10));
    for (uint32_t row = 0; row < COUNT_OF(rows); row++) {
        struct tls *tls = server_start();
        size_t used = 0;
        uint32_t room = 0;
        /* memchr: the rows have zeros in them; each is at least 10 bytes. */
        while (used < 10 && tls_record_in(tls, &room) != NULL) {
            *tls_record_in(tls, &room) = (uint8_t)rows[row].bytes[used];
            tls_record_in_ack(tls, 1);
            used += 1;
        }
        uint32_t bytes = 0;
        const uint8_t *record = tls_record_out(tls, &bytes);
        REQUIRE(record != NULL);
        EXPECT_EQ_UINT(bytes, 7);
        EXPECT_EQ_UINT(record[0], 21);
        EXPECT_EQ_UINT(record[5], 2);
        EXPECT_EQ_UINT(record[6], rows[row].alert);
        EXPECT(!tls_is_closed(tls));
        tls_record_out_ack(tls, bytes);
        EXPECT(tls_is_closed(tls));
        EXPECT(!tls_is_open(tls));
        tls_finish(tls);
    }
    tls_config_close(config);
}

TEST(tls_survives_damaged_bytes)
{
    REQUIRE(config_open(10));
    uint32_t open_count = 0;
    for (uint32_t round = 0; round < 300; round++) {
        struct tls *tls = server_start();
        client_start(http, COUNT_OF(http), NULL);
        bool has_moved = true;
        uint64_t damage = 1 + test_random_below(400);
        while (has_moved) {
            uint32_t room = 0;
            has_moved = to_server(tls);
            damage -= damage > 0 ? 1 : 0;
            uint8_t *place = damage == 1 ? tls_record_in(tls, &room) : NULL;
            if (place != NULL) {
                *place = (uint8_t)test_random();
                tls_record_in_ack(tls, 1);
            }
            has_moved |= to_client(tls);
        }
        open_count += tls_is_open(tls) ? 1 : 0;
        EXPECT(!(tls_is_open(tls) && tls_is_closed(tls)));
        tls_finish(tls);
    }
    EXPECT(open_count < 300);
    tls_config_close(config);
}

TEST(tls_reloads_certificates_without_hurting_handshakes)
{
    static struct tls_identity others[1];
    static _Alignas(16) uint8_t contexts[2][TLS_CONTEXT_BYTES];
    static uint8_t spare_in[2][TLS_IN_BYTES];
    static uint8_t spare_out[2][TLS_OUT_BYTES];
    const char *problem = "";
    REQUIRE(config_open(10));
    struct tls *tls = server_start();
    client_start(http, COUNT_OF(http), NULL);
    EXPECT(to_server(tls));
    identity_make(&others[0]);
    EXPECT(tls_config_reload(config, &others[0].files, &problem) == ERR_OK);
    talk(tls);
    EXPECT(tls_is_open(tls));
    uint32_t first = client.trusting.leaf_sum;
    /* A handshake holds a certificate: with all in use there is no room for another. */
    struct tls *second = tls_start(contexts[0], spare_in[0], spare_out[0], config, 1);
    EXPECT(tls_config_reload(config, &others[0].files, &problem) == ERR_OK);
    struct tls *third = tls_start(contexts[1], spare_in[1], spare_out[1], config, 1);
    EXPECT(tls_config_reload(config, &others[0].files, &problem) == ERR_UNAVAILABLE);
    tls_handshake_finish(tls);
    EXPECT(tls_config_reload(config, &others[0].files, &problem) == ERR_OK);
    expect_echo(tls, 100);
    tls_finish(tls);
    tls_finish(second);
    tls_finish(third);
    tls = server_start();
    client_start(http, COUNT_OF(http), NULL);
    talk(tls);
    EXPECT(tls_is_open(tls));
    EXPECT(client.trusting.leaf_sum != first);
    tls_finish(tls);
    /* A bad file changes nothing. */
    struct server_tls_files bad = {STR("nonsense"), others[0].files.key_pem};
    EXPECT(tls_config_reload(config, &bad, &problem) != ERR_OK);
    bad = (struct server_tls_files){identity.files.certificate_pem, others[0].files.key_pem};
    EXPECT(tls_config_reload(config, &bad, &problem) == ERR_CRYPTO);
    tls = server_start();
    client_start(http, COUNT_OF(http), NULL);
    talk(tls);
    EXPECT(tls_is_open(tls));
    tls_finish(tls);
    tls_config_close(config);
}
