/* DHCP client: packets and states against a naive server. */
#include "test.h"

#include "base/time.h"
#include "os/dhcp.h"

#define S TIME_US_PER_S

static const uint8_t mac[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};
static struct dhcp dhcp;

enum { SERVER = 0x0a000202, ADDRESS = 0x0a00020f, ROUTER = 0x0a000202 };

/* ---- a server that builds what it is told ---- */

struct reply {
    uint8_t type;
    uint32_t address;
    uint32_t mask;
    uint32_t router;
    uint32_t lease_s;
    uint32_t renew_s, rebind_s;
    uint32_t transaction; /* 0 = the client's */
    bool has_no_server;
};

static char reply_memory[600];

static void option_number(struct buf *out, uint8_t option, uint32_t value) {
    if (value != 0) {
        buf_put_byte(out, option);
        buf_put_byte(out, 4);
        buf_put_be32(out, value);
    }
}

static struct str reply_make(const struct reply *reply) {
    struct buf out = buf_over(reply_memory, sizeof reply_memory);
    static const uint8_t zero[240] = {0};
    buf_put(&out, "\2\1\6\0", 4);
    buf_put_be32(&out, reply->transaction != 0 ? reply->transaction : dhcp.transaction);
    buf_put(&out, zero, 8);
    buf_put_be32(&out, reply->address);
    buf_put(&out, zero, 8);
    buf_put(&out, mac, sizeof mac);
    buf_put(&out, zero, 236 - 28 - sizeof mac);
    buf_put_be32(&out, 0x63825363);
    buf_put(&out, "\0\0\65\1", 4); /* pads, then the type */
    buf_put_byte(&out, reply->type);
    option_number(&out, 54, reply->has_no_server ? 0 : SERVER);
    option_number(&out, 1, reply->mask);
    option_number(&out, 3, reply->router);
    option_number(&out, 51, reply->lease_s);
    option_number(&out, 58, reply->renew_s);
    option_number(&out, 59, reply->rebind_s);
    buf_put_byte(&out, 255);
    return buf_str(&out);
}

static const struct reply offer = {
    .type = 2, .address = ADDRESS, .mask = 0xffffff00, .router = ROUTER, .lease_s = 1000};

static struct reply acknowledgement(void) {
    struct reply reply = offer;
    reply.type = 5;
    return reply;
}

static enum dhcp_deed take(const struct reply *reply, int64_t now_us) {
    return dhcp_take(&dhcp, reply_make(reply), now_us);
}

/* The value of an option in what the client sent; -1 = not there. */
static int64_t sent_option(uint8_t wanted) {
    const uint8_t *packet = (const uint8_t *)dhcp.packet;
    uint32_t at = 240;
    while (at + 2 < dhcp.packet_bytes && packet[at] != 255) {
        if (packet[at] == wanted) {
            int64_t value = 0;
            for (uint32_t index = 0; index < packet[at + 1]; index++) {
                value = value << 8 | packet[at + 2 + index];
            }
            return value;
        }
        at += 2u + packet[at + 1];
    }
    return -1;
}

static void bind_at(int64_t now_us) {
    struct reply good = acknowledgement();
    dhcp_init(&dhcp, mac, 12345, now_us);
    EXPECT_EQ_INT(dhcp_step(&dhcp, now_us), DHCP_BROADCAST);
    EXPECT_EQ_INT(take(&offer, now_us), DHCP_NOTHING);
    EXPECT_EQ_INT(dhcp_step(&dhcp, now_us), DHCP_BROADCAST);
    EXPECT_EQ_INT(take(&good, now_us), DHCP_CONFIGURE);
    EXPECT_EQ_INT(dhcp.state, DHCP_BOUND);
}

/* ---- the way to an address ---- */

TEST(dhcp_discover_is_well_formed)
{
    static const char host[] = "box";
    dhcp_init(&dhcp, mac, 12345, 7 * S);
    memcpy(dhcp.hostname, host, sizeof host);
    EXPECT_EQ_INT(dhcp_step(&dhcp, 7 * S), DHCP_BROADCAST);
    EXPECT(dhcp.packet_bytes >= 300);
    EXPECT_EQ_MEM(dhcp.packet, "\1\1\6\0", 4);
    EXPECT_EQ_MEM(dhcp.packet + 8, "\0\0\x80\0\0\0\0\0", 8); /* broadcast, no address */
    EXPECT_EQ_MEM(dhcp.packet + 28, mac, sizeof mac);
    EXPECT_EQ_MEM(dhcp.packet + 236, "\x63\x82\x53\x63", 4);
    EXPECT_EQ_INT(sent_option(53), 1);
    EXPECT_EQ_INT(sent_option(57), DHCP_PACKET_BYTES_MAX);
    EXPECT_EQ_INT(sent_option(12), 0x626f78);
}

TEST(dhcp_gets_a_lease)
{
    bind_at(10 * S);
    EXPECT_EQ_INT(sent_option(53), 3);
    EXPECT_EQ_INT(sent_option(50), ADDRESS);
    EXPECT_EQ_INT(sent_option(54), SERVER);
    EXPECT_EQ_UINT(dhcp.lease.address, ADDRESS);
    EXPECT_EQ_UINT(dhcp.lease.bits, 24);
    EXPECT_EQ_UINT(dhcp.lease.router, ROUTER);
    EXPECT_EQ_INT(dhcp.lease.renew_us, 510 * S);
    EXPECT_EQ_INT(dhcp.lease.rebind_us, 885 * S);
    EXPECT_EQ_INT(dhcp.lease.end_us, 1010 * S);
    EXPECT_EQ_INT(dhcp_step(&dhcp, 509 * S), DHCP_NOTHING);
}

TEST(dhcp_asks_again_and_more_slowly)
{
    static const int64_t waits_s[] = {1, 2, 4, 8, 16, 32, 64, 64};
    int64_t now_us = 0;
    dhcp_init(&dhcp, mac, 12345, 0);
    for (uint32_t index = 0; index < COUNT_OF(waits_s); index++) {
        EXPECT_EQ_INT(dhcp_step(&dhcp, now_us), DHCP_BROADCAST);
        EXPECT_EQ_INT(dhcp_step(&dhcp, now_us), DHCP_NOTHING);
        EXPECT_EQ_INT(dhcp.due_us - now_us, waits_s[index] * S);
        now_us = dhcp.due_us;
    }
}

TEST(dhcp_a_silent_server_is_forgotten)
{
    dhcp_init(&dhcp, mac, 12345, 0);
    (void)dhcp_step(&dhcp, 0);
    (void)take(&offer, 0);
    uint32_t transaction = dhcp.transaction;
    for (uint32_t index = 0; index < 4; index++) {
        EXPECT_EQ_INT(dhcp_step(&dhcp, dhcp.due_us), DHCP_BROADCAST);
        EXPECT_EQ_INT(sent_option(53), 3);
    }
    EXPECT_EQ_INT(dhcp_step(&dhcp, dhcp.due_us), DHCP_BROADCAST);
    EXPECT_EQ_INT(sent_option(53), 1);
    EXPECT_EQ_INT(dhcp.state, DHCP_SELECTING);
    EXPECT(dhcp.transaction != transaction);
}

TEST(dhcp_a_refusal_starts_over)
{
    struct reply refusal = {.type = 6};
    dhcp_init(&dhcp, mac, 12345, 0);
    (void)dhcp_step(&dhcp, 0);
    (void)take(&offer, 0);
    (void)dhcp_step(&dhcp, 0);
    EXPECT_EQ_INT(take(&refusal, 0), DHCP_NOTHING);
    EXPECT_EQ_INT(dhcp.state, DHCP_SELECTING);
    EXPECT_EQ_INT(dhcp_step(&dhcp, 0), DHCP_BROADCAST);
}

/* ---- keeping it ---- */

TEST(dhcp_renews_at_half_time)
{
    struct reply good = acknowledgement();
    bind_at(0);
    EXPECT_EQ_INT(dhcp_step(&dhcp, 500 * S), DHCP_UNICAST);
    EXPECT_EQ_INT(dhcp.state, DHCP_RENEWING);
    EXPECT_EQ_MEM(dhcp.packet + 10, "\0\0", 2);             /* no broadcast flag */
    EXPECT_EQ_MEM(dhcp.packet + 12, "\x0a\x00\x02\x0f", 4); /* our address */
    EXPECT_EQ_INT(sent_option(53), 3);
    EXPECT_EQ_INT(sent_option(50), -1); /* RFC 2131, 4.3.2: neither of them when renewing */
    EXPECT_EQ_INT(sent_option(54), -1);
    EXPECT_EQ_INT(take(&good, 501 * S), DHCP_CONFIGURE);
    EXPECT_EQ_INT(dhcp.state, DHCP_BOUND);
    EXPECT_EQ_INT(dhcp.lease.end_us, 1500 * S); /* from the request on */
}

TEST(dhcp_rebinds_and_ends)
{
    bind_at(0);
    uint32_t unicasts = 0;
    uint32_t broadcasts = 0;
    int64_t now_us = 0;
    enum dhcp_deed deed = DHCP_NOTHING;
    while (deed != DHCP_REMOVE) {
        EXPECT(dhcp.due_us > now_us);
        now_us = dhcp.due_us;
        deed = dhcp_step(&dhcp, now_us);
        unicasts += deed == DHCP_UNICAST ? 1 : 0;
        broadcasts += deed == DHCP_BROADCAST ? 1 : 0;
        EXPECT((deed == DHCP_UNICAST) == (now_us < 875 * S));
    }
    EXPECT_EQ_INT(now_us, 1000 * S);
    EXPECT(unicasts >= 3 && unicasts <= 6);
    EXPECT(broadcasts >= 2 && broadcasts <= 3);
    EXPECT_EQ_INT(dhcp_step(&dhcp, now_us), DHCP_BROADCAST);
    EXPECT_EQ_INT(sent_option(53), 1);
}

TEST(dhcp_a_refused_renewal_takes_the_address_away)
{
    struct reply refusal = {.type = 6};
    bind_at(0);
    (void)dhcp_step(&dhcp, 500 * S);
    EXPECT_EQ_INT(take(&refusal, 500 * S), DHCP_REMOVE);
    EXPECT_EQ_INT(dhcp.state, DHCP_SELECTING);
}

TEST(dhcp_endless_leases_are_not_renewed)
{
    struct reply good = acknowledgement();
    good.lease_s = UINT32_MAX;
    dhcp_init(&dhcp, mac, 12345, 0);
    (void)dhcp_step(&dhcp, 0);
    (void)take(&offer, 0);
    (void)dhcp_step(&dhcp, 0);
    EXPECT_EQ_INT(take(&good, 0), DHCP_CONFIGURE);
    EXPECT_EQ_INT(dhcp.due_us, INT64_MAX);
    EXPECT_EQ_INT(dhcp_step(&dhcp, INT64_MAX - 1), DHCP_NOTHING);
}

TEST(dhcp_the_servers_times_count_when_they_make_sense)
{
    struct reply good = acknowledgement();
    good.renew_s = 100;
    good.rebind_s = 900;
    dhcp_init(&dhcp, mac, 12345, 0);
    (void)dhcp_step(&dhcp, 0);
    (void)take(&offer, 0);
    (void)dhcp_step(&dhcp, 0);
    (void)take(&good, 0);
    EXPECT_EQ_INT(dhcp.lease.renew_us, 100 * S);
    EXPECT_EQ_INT(dhcp.lease.rebind_us, 900 * S);
    good.renew_s = 950;
    (void)dhcp_step(&dhcp, 100 * S);
    EXPECT_EQ_INT(take(&good, 100 * S), DHCP_CONFIGURE);
    EXPECT_EQ_INT(dhcp.lease.renew_us, 600 * S);
}

/* ---- what is not for us ---- */

TEST(dhcp_strangers_and_damage_change_nothing)
{
    struct reply good = acknowledgement();
    dhcp_init(&dhcp, mac, 12345, 0);
    (void)dhcp_step(&dhcp, 0);
    struct reply other = offer;
    other.transaction = 99;
    (void)take(&other, 0);
    other = offer;
    other.has_no_server = true;
    (void)take(&other, 0);
    other = offer;
    other.mask = 0xff00ff00;
    (void)take(&other, 0);
    other = offer;
    other.lease_s = 0;
    (void)take(&other, 0);
    static const uint32_t bad[] = {0, 0x7f000001, 0xe0000001, 0xffffffff};
    for (uint32_t index = 0; index < COUNT_OF(bad); index++) {
        other = offer;
        other.address = bad[index];
        (void)take(&other, 0);
    }
    (void)take(&good, 0); /* an answer to a question that was not asked */
    EXPECT_EQ_INT(dhcp.state, DHCP_SELECTING);
    struct str whole = reply_make(&offer);
    for (uint32_t len = 0; len < whole.len - 20; len++) {
        (void)dhcp_take(&dhcp, str_slice(whole, 0, len), 0);
        EXPECT_EQ_INT(dhcp.state, DHCP_SELECTING);
    }
    /* Another address than the one that was asked for. */
    (void)take(&offer, 0);
    (void)dhcp_step(&dhcp, 0);
    good.address = ADDRESS + 1;
    EXPECT_EQ_INT(take(&good, 0), DHCP_NOTHING);
    EXPECT_EQ_INT(dhcp.state, DHCP_REQUESTING);
}

TEST(dhcp_classless_routes_stand_above_the_router)
{
    char memory[600];
    struct buf out = buf_over(memory, sizeof memory);
    dhcp_init(&dhcp, mac, 12345, 0);
    (void)dhcp_step(&dhcp, 0);
    struct str plain = reply_make(&offer);
    buf_put_str(&out, str_slice(plain, 0, plain.len - 1));
    /* 10.1/16 by 10.0.2.9, everything by 10.0.2.7 */
    buf_put(&out, "\x79\x0c\x10\x0a\x01\x0a\x00\x02\x09\x00\x0a\x00\x02\x07\xff", 15);
    (void)dhcp_take(&dhcp, buf_str(&out), 0);
    EXPECT_EQ_INT(dhcp.state, DHCP_REQUESTING);
    EXPECT_EQ_UINT(dhcp.lease.router, 0x0a000207);
}
