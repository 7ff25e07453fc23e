/*
 * The resolver on the real loop, against a name server in this process: what it keeps and what it
 * asks for again.
 */
#include "test.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "net/dns.h"
#include "os/clock.h"
#include "os/loop.h"

enum { PATIENCE_US = 20 * 1000 * 1000, HEAD_BYTES = 12, TTL_S = 3600 };

static struct loop *loop;
static struct dns *dns;
static struct loop_watch server = {.fd = -1};
static struct loop_timer guard;
static bool answers_ipv4;
static uint32_t query_count;
static enum err found_err;
static struct dns_addresses found;

/* The question again, behind it one record: its name points to the question's. */
static void on_query(struct loop_watch *watch, uint32_t events) {
    uint8_t message[512];
    struct sockaddr_in from;
    socklen_t from_bytes = sizeof from;
    (void)events;
    ssize_t got = recvfrom(watch->fd, message, 256, 0, (struct sockaddr *)&from, &from_bytes);
    REQUIRE(got > HEAD_BYTES + 4);
    query_count += 1;
    bool is_ipv6 = message[got - 3] == DNS_AAAA;
    if (!is_ipv6 && !answers_ipv4) {
        return; /* lost */
    }
    struct buf out = buf_over(message + got, sizeof message - (size_t)got);
    uint8_t address[16] = {0x20, 0x01, 0x0D, 0xB8, 1};
    message[2] |= 0x80;
    message[7] = 1;
    buf_put_be16(&out, 0xC000 | HEAD_BYTES);
    buf_put_be16(&out, is_ipv6 ? DNS_AAAA : DNS_A);
    buf_put_be16(&out, 1);
    buf_put_be32(&out, TTL_S);
    buf_put_be16(&out, is_ipv6 ? 16 : 4);
    buf_put(&out, address, is_ipv6 ? 16 : 4);
    (void)sendto(watch->fd, message, (size_t)got + out.len, 0, (struct sockaddr *)&from,
                 from_bytes);
}

static void on_guard(struct loop_timer *timer) {
    (void)timer;
    loop_stop(loop, 1);
}

static void on_done(struct dns_request *request, enum err err,
                    const struct dns_addresses *addresses) {
    (void)request;
    found_err = err;
    found = *addresses;
    loop_stop(loop, 0);
}

static void start(void) {
    static char resolvers[64];
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t bytes = sizeof name;
    const char *problem = NULL;
    server.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    server.on_ready = on_query;
    EXPECT_EQ_INT(bind(server.fd, (struct sockaddr *)&name, sizeof name), 0);
    EXPECT_EQ_INT(getsockname(server.fd, (struct sockaddr *)&name, &bytes), 0);
    snprintf(resolvers, sizeof resolvers, "127.0.0.1:%u", ntohs(name.sin_port));
    struct dns_options options = {str_from_c(resolvers), "/nowhere/resolv.conf", "/nowhere/hosts"};
    EXPECT_EQ_INT(loop_open(&loop, 64, 64), ERR_OK);
    EXPECT_EQ_INT(loop_watch_add(loop, &server, LOOP_READ), ERR_OK);
    EXPECT_EQ_INT(dns_open(&dns, loop, &options, &problem), ERR_OK);
    guard = (struct loop_timer){.on_due = on_guard};
    query_count = 0;
}

static void stop(void) {
    dns_close(dns);
    loop_watch_remove(loop, &server);
    close(server.fd);
    loop_close(loop);
}

/* How many addresses the name has. */
static uint32_t find(void) {
    struct dns_request request = {.on_done = on_done};
    found.count = 0;
    found_err = dns_find(dns, STR("host.example"), &request, &found);
    if (found_err == ERR_AGAIN) {
        loop_timer_set(loop, &guard, clock_monotonic_us() + PATIENCE_US);
        EXPECT_EQ_INT(loop_run(loop), 0);
        loop_timer_clear(loop, &guard);
    }
    EXPECT_EQ_INT(found_err, ERR_OK);
    return found.count;
}

TEST(dns_keeps_whole_answers)
{
    start();
    answers_ipv4 = true;
    EXPECT_EQ_INT(find(), 2);
    uint32_t asked = query_count;
    EXPECT_EQ_INT(find(), 2);
    EXPECT_EQ_INT(query_count, asked);
    stop();
}

/* A lost datagram must not leave a machine without IPv6 with IPv6 alone for an hour. */
TEST(dns_does_not_keep_half_an_answer)
{
    start();
    answers_ipv4 = false;
    EXPECT_EQ_INT(find(), 1);
    answers_ipv4 = true;
    EXPECT_EQ_INT(find(), 2);
    stop();
}
