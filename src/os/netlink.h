/*
 * Network links, addresses and routes through rtnetlink(7): the few requests that an appliance
 * needs. Each waits for the kernel's acknowledgement. For PID 1, before and beside the server.
 */
#ifndef OS_NETLINK_H
#define OS_NETLINK_H

#include "base/err.h"

enum { NETLINK_NAME_BYTES = 16 };

struct buf;

struct netlink_link {
    char name[NETLINK_NAME_BYTES];
    uint32_t index;
    uint8_t mac[6];
};

/* An address of 4 or 16 bytes in network order; bytes 0 = none. */
struct netlink_address {
    uint8_t data[16];
    uint8_t bytes;
    uint8_t bits; /* of the network */
};

/* The first link that is not the loopback, by index. ERR_NOT_FOUND, ERR_IO. */
enum err netlink_link_find(struct netlink_link *link);
/* Upwards: the kernel's IPv6 then makes its own link-local address and listens to routers. */
enum err netlink_link_up(const char *name);
/* Adds or renews. */
enum err netlink_address_put(uint32_t link, const struct netlink_address *address);
enum err netlink_address_del(uint32_t link, const struct netlink_address *address);
/* The default route. A gateway outside the link's network is reached directly (on-link). */
enum err netlink_gateway_put(uint32_t link, const struct netlink_address *gateway);

/* "10.0.2.15" or "fd00::1", with "/24" only when `with_bits`. */
bool netlink_address_parse(struct str text, bool with_bits, struct netlink_address *address);
void netlink_address_format(const struct netlink_address *address, struct buf *out);

#endif
