/* What the machine knows about names without asking: resolv.conf(5) and hosts(5). Pure. */
#ifndef NET_DNS_FILES_H
#define NET_DNS_FILES_H

#include "net/dns_message.h"

enum {
    DNS_SERVERS_MAX = 3, /* as many as resolv.conf may name */
    DNS_PORT = 53,
};

struct dns_servers {
    struct net_endpoint rows[DNS_SERVERS_MAX];
    uint32_t count;
};

/* "nameserver ADDRESS" lines; all others are skipped, so are addresses that cannot be read. */
void dns_servers_parse_conf(struct str text, struct dns_servers *servers);
/* A comma list of ADDRESS, IPV4:PORT or [ADDRESS]:PORT. False: an entry is none of these, or there
 * are too many. Empty text is an empty list. */
bool dns_servers_parse_list(struct str text, struct dns_servers *servers);

/* The addresses of a name in a hosts file, all of them up to the limit; false when there is none.
 */
bool dns_hosts_find(struct str text, struct str name, struct dns_addresses *addresses);

#endif
