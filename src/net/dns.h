/*
 * A stub resolver on the loop: names to addresses, by asking the machine's name servers. No
 * blocking call, no library, no thread.
 *
 * Known without asking: addresses in text form, localhost (RFC 6761, 6.3), the hosts file, and what
 * was answered before and still holds (its TTL, an hour at most). For the rest A and AAAA are asked
 * at the same time; each query goes to the servers in turn, twice around, by UDP from a socket and
 * with an id of its own (RFC 5452), by TCP when the reply does not fit. Names are taken as they
 * are: no search list.
 */
#ifndef NET_DNS_H
#define NET_DNS_H

#include "net/dns_message.h"

struct loop;
struct dns;

enum {
    /* Outgoing connections are few, and those to one host share the answer by the cache. */
    DNS_REQUESTS_MAX = 8,
    DNS_CACHE_ROWS = 32,
    /* For the caller: room in the loop. */
    DNS_WATCHES_MAX = 2 * DNS_REQUESTS_MAX,
    DNS_TIMERS_MAX = 2 * DNS_REQUESTS_MAX,
};

struct dns_options {
    struct str resolvers;         /* as in dns_servers_parse_list; empty = those of resolv.conf */
    const char *resolv_conf_path; /* the string outlives the resolver */
    const char *hosts_path;
};

/* One per process: its memory is static. Reads the files here; without them there are no servers (a
 * lookup then fails) and no hosts. resolv.conf is read again before lookups, every few seconds at
 * most, for machines change networks; when it cannot be read the servers stay. ERR_FORMAT with a
 * sentence: the setting is wrong. */
enum err dns_open(struct dns **dns, struct loop *loop, const struct dns_options *options,
                  const char **problem);
void dns_close(struct dns *dns);

/* Of whoever asks; stays in place until on_done or dns_cancel. */
struct dns_request {
    /* ERR_OK and at least one address (IPv6 and IPv4 in turns), ERR_NOT_FOUND (there is no such
     * name, or it has no address), ERR_UNAVAILABLE (no server could tell). */
    void (*on_done)(struct dns_request *request, enum err err,
                    const struct dns_addresses *addresses);
    struct dns_slot *slot; /* of the resolver; NULL = not running */
};

/* ERR_OK: *addresses is filled, on_done is not called. ERR_AGAIN: it will be, never from inside.
 * Other errors as above, and ERR_FORMAT: not a host name. */
enum err dns_find(struct dns *dns, struct str name, struct dns_request *request,
                  struct dns_addresses *addresses);
/* Nothing happens when it is not running. */
void dns_cancel(struct dns *dns, struct dns_request *request);

#endif
