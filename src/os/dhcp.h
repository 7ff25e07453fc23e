/*
 * A DHCP client (RFC 2131) without sockets: bytes and times in, bytes and deeds out. The caller
 * (init_net.c) sends, receives and sets addresses.
 *
 *   SELECTING --offer--> REQUESTING --ack--> BOUND --T1--> RENEWING --T2--> REBINDING
 *       ^                    |                 ^               |                |
 *       +----nak, silence----+                 +------ack------+------ack-------+
 *       +----------------------nak or the lease's end----------+----------------+
 *
 * One server's first offer is taken. Packets are asked for by broadcast (flag of RFC 2131, 4.1), so
 * that an ordinary UDP socket receives them before there is an address.
 */
#ifndef OS_DHCP_H
#define OS_DHCP_H

#include "base/buf.h"

enum {
    DHCP_PORT_CLIENT = 68,
    DHCP_PORT_SERVER = 67,
    DHCP_PACKET_BYTES_MAX = 1500,
    DHCP_RESOLVERS_MAX = 3,
    DHCP_HOSTNAME_BYTES_MAX = 63,
};

enum dhcp_state { DHCP_SELECTING, DHCP_REQUESTING, DHCP_BOUND, DHCP_RENEWING, DHCP_REBINDING };

/* Addresses are in host order; 0 = none. */
struct dhcp_lease {
    uint32_t address;
    uint32_t server;
    uint32_t router;
    uint32_t resolvers[DHCP_RESOLVERS_MAX];
    uint8_t bits;                        /* of the network */
    int64_t renew_us, rebind_us, end_us; /* monotonic */
};

enum dhcp_deed {
    DHCP_NOTHING,
    DHCP_BROADCAST, /* send `packet` to everybody */
    DHCP_UNICAST,   /* send `packet` to lease.server */
    DHCP_CONFIGURE, /* dhcp.lease is new or changed: set it */
    DHCP_REMOVE,    /* the lease is over: take its address away */
};

struct dhcp {
    enum dhcp_state state;
    uint8_t mac[6];
    char hostname[DHCP_HOSTNAME_BYTES_MAX + 1]; /* told to the server; may be empty */
    uint32_t transaction;
    uint32_t attempt; /* packets sent in this state */
    int64_t started_us;
    int64_t due_us;          /* when dhcp_step wants to be called */
    int64_t asked_us;        /* when the request left: leases count from there */
    struct dhcp_lease lease; /* valid from BOUND on; before that what was offered */
    char packet[DHCP_PACKET_BYTES_MAX];
    uint32_t packet_bytes;
};

/* `entropy` makes transaction numbers that others do not guess. */
void dhcp_init(struct dhcp *dhcp, const uint8_t mac[6], uint32_t entropy, int64_t now_us);
/* Time has come (now_us >= due_us), else nothing happens. */
enum dhcp_deed dhcp_step(struct dhcp *dhcp, int64_t now_us);
/* A datagram that came to the client's port. What is not for us is nothing. After DHCP_REMOVE and
 * whenever due_us has come, call dhcp_step. */
enum dhcp_deed dhcp_take(struct dhcp *dhcp, struct str datagram, int64_t now_us);

#endif
