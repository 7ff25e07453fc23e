/*
 * Addresses and ports: listen URLs, lists of trusted proxies, and who the client is behind them.
 * Pure.
 */
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include "net/server.h"

struct net_address net_address_from_ipv4(const uint8_t bytes[4]);
bool net_address_is_ipv4(struct net_address address);
bool net_address_equal(struct net_address a, struct net_address b);
/* One that everybody can reach: none of this machine, of networks that belong to whoever uses them,
 * of groups, of documentation, nor one that a gateway would turn into such a one. */
bool net_address_is_public(struct net_address address);
/* What one customer of an access provider holds: an IPv4 address, an IPv6 /64. */
struct net_address net_address_subscriber(struct net_address address);

struct net_endpoint {
    struct net_address address;
    uint16_t port;
};
/* ADDRESS, IPV4:PORT or [ADDRESS]:PORT. */
bool net_endpoint_parse(struct str text, uint16_t port_default, struct net_endpoint *endpoint);
void net_endpoint_format(struct net_endpoint endpoint, struct buf *out); /* always with the port */

struct listen_url {
    bool is_tls;
    uint16_t port;
    uint32_t address_count; /* 2 for localhost */
    struct net_address addresses[2];
};
bool listen_url_parse(struct str text, struct listen_url *url);

/* Networks: a comma list of ADDRESS or ADDRESS/BITS. */
enum { NET_LIST_MAX = 32 };
struct net_list {
    struct {
        struct net_address address;
        uint8_t bits; /* of the 128 */
    } rows[NET_LIST_MAX];
    uint32_t count;
};
/* False: a row is not an address or network, or there are too many. Empty text is an empty list. */
bool net_list_parse(struct str text, struct net_list *list);
bool net_list_has(const struct net_list *list, struct net_address address);

/* The client of a request that came from `peer`: peer itself unless that is trusted; else the
 * rightmost address in the X-Forwarded-For headers that is not trusted (everything left of it is
 * the client's own claim). An unreadable entry ends the walk at the last address that was good. */
struct net_address forwarded_client(const struct net_list *trusted, struct net_address peer,
                                    const struct http_head *head);
/* Did the client of that request speak TLS? What X-Forwarded-Proto says of one that came from a
 * trusted peer (the last word of it), else `is_tls`, the connection itself. */
bool forwarded_is_tls(const struct net_list *trusted, struct net_address peer,
                      const struct http_head *head, bool is_tls);

#endif
