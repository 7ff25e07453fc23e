/*
 * DNS messages (RFC 1035, 3596): the query that a stub resolver sends and the reply to it. Pure.
 * The parser is strict about form: counts, lengths and pointers must fit, names are followed
 * backwards only, so every loop ends; it believes nothing that was not asked for.
 */
#ifndef NET_DNS_MESSAGE_H
#define NET_DNS_MESSAGE_H

#include "net/address.h"

enum {
    DNS_NAME_LEN_MAX = 253, /* as text without the last dot; RFC 1035, 3.1 says 255 on the wire */
    DNS_QUERY_BYTES_MAX = 12 + 255 + 4,
    /* We announce no EDNS, so what comes by UDP has 512 bytes; more comes by TCP. A reply with more
     * than a few dozen addresses is not one that we need. */
    DNS_REPLY_BYTES_MAX = 4096,
    DNS_ADDRESSES_MAX = 8,
    DNS_ALIASES_MAX = 8, /* CNAMEs followed in one reply */
};

enum dns_type { DNS_A = 1, DNS_AAAA = 28 };

/* A host name that may be asked for: labels of letters, digits, '-' and '_', 1 to 63 bytes each;
 * a dot at the end is allowed. Not an address. */
bool dns_name_is_good(struct str name);

/* `name` must be good. */
void dns_query_format(uint16_t id, struct str name, enum dns_type type, struct buf *out);

enum dns_verdict {
    DNS_ANSWERED,  /* addresses, perhaps none: the name is there but has none of this type */
    DNS_NO_NAME,   /* the name does not exist */
    DNS_FAILED,    /* this server cannot tell; another one may */
    DNS_TRUNCATED, /* ask again by TCP */
    DNS_STRAY,     /* not the reply to this query, or not a message: go on waiting */
};

struct dns_addresses {
    struct net_address rows[DNS_ADDRESSES_MAX];
    uint32_t count;
};

/* Appends to *addresses what fits. *ttl_s is the shortest of the records used. */
enum dns_verdict dns_reply_parse(struct str message, uint16_t id, struct str name,
                                 enum dns_type type, struct dns_addresses *addresses,
                                 uint32_t *ttl_s);

#endif
