/*
 * One outgoing connection: a name becomes addresses, one of them a TCP connection, that perhaps
 * TLS, at once or later. Then it is bytes in and bytes out; what they mean is the owner's business.
 *
 *   CLOSED -> RESOLVING -> CONNECTING -> (HANDSHAKE) -> OPEN -> CLOSED
 *                                            ^-- client_secure --'
 *
 * There is one deadline, which the owner sets for each thing it waits for. The addresses are tried
 * in turn, each with its share of the time.
 */
#ifndef NET_CLIENT_H
#define NET_CLIENT_H

#include "net/address.h"
#include "net/dns.h"
#include "net/tls_client.h"
#include "os/loop.h"

enum { CLIENT_PROBLEM_BYTES_MAX = 512, CLIENT_WATCHES = 1, CLIENT_TIMERS = 1 };

enum client_state {
    CLIENT_CLOSED,
    CLIENT_RESOLVING,
    CLIENT_CONNECTING,
    CLIENT_HANDSHAKE,
    CLIENT_OPEN,
};

/* Where a connection may lead. Judged by the addresses that are connected to, so a name that means
 * something else the second time it is asked changes nothing. */
enum client_reach {
    CLIENT_ANYWHERE,
    CLIENT_PUBLIC,   /* not into this machine or its networks: the target is somebody else's wish */
    CLIENT_LOOPBACK, /* this machine only */
};

/* What kind of thing went wrong; the sentence says more. */
enum client_fault {
    CLIENT_FAULT_NONE,
    CLIENT_FAULT_NAME,    /* no address */
    CLIENT_FAULT_REACH,   /* no address that the reach allows */
    CLIENT_FAULT_CONNECT, /* no connection */
    CLIENT_FAULT_TLS,
    CLIENT_FAULT_TIMEOUT,
    CLIENT_FAULT_END,    /* the peer has ended it in order: with TLS it has said so */
    CLIENT_FAULT_BROKEN, /* it ended otherwise */
};

struct client_target {
    struct str host; /* a name of at most DNS_NAME_LEN_MAX bytes, or an address (then without TLS:
                        certificates are checked by name); copied */
    uint16_t port;
    bool is_tls;
    enum client_reach reach;
};

struct client;

/* Called from the loop only, never from inside a function of this header. Everything here may be
 * called from them. */
struct client_handler {
    /* Connected; with TLS the handshake is done, too. Once more after client_secure. */
    void (*on_open)(struct client *client);
    /* Perhaps there is something to read, or room to write. Who leaves bytes unread gets no more,
     * so the peer has to wait, and calls client_again when it is ready for them. */
    void (*on_progress)(struct client *client);
    /* It is closed, not by us: `why` is a sentence for people, valid during the call; the kind is
     * client->fault. What had arrived before was read by the owner. */
    void (*on_end)(struct client *client, const char *why);
};

struct client_world {
    struct loop *loop;
    struct dns *dns;
    struct trust *trust; /* NULL: no TLS */
};

/* Embedded in its owner, zeroed at first; does not move while it is not CLOSED. */
struct client {
    struct loop_watch watch; /* first: the loop hands us a pointer to it */
    struct loop_timer timer;
    struct dns_request request;
    enum client_state state;
    const struct client_world *world;
    const struct client_handler *handler;
    enum client_fault fault;
    char host[DNS_NAME_LEN_MAX + 1];
    uint32_t host_len;
    uint16_t port;
    enum client_reach reach;
    bool is_tls_wanted;
    bool has_ended;       /* the peer sends no more */
    bool is_broken;       /* and has not said so */
    bool is_hung;         /* not watched: it is broken, and the owner has not read what is here */
    bool is_again_wanted; /* by client_again */
    uint32_t open_number; /* of client_open: tells whether a callback has begun anew */
    int64_t deadline_us;
    struct dns_addresses addresses;
    uint32_t address_index;
    struct tls *tls; /* NULL = plain */
    /* Without TLS: unread bytes in `in`, unsent bytes in `out`. */
    uint32_t in_from, in_to;
    uint32_t out_from, out_to;
    char problem[CLIENT_PROBLEM_BYTES_MAX];
    uint8_t context[TLS_CLIENT_CONTEXT_BYTES] __attribute__((aligned(16)));
    uint8_t in[TLS_IN_BYTES];
    uint8_t out[TLS_OUT_BYTES];
};

/* `world` and `handler` outlive it. on_open or on_end follows. */
void client_open(struct client *client, const struct client_world *world,
                 const struct client_handler *handler, const struct client_target *target,
                 int64_t deadline_us);
/* TLS from here on. ERR_FORMAT: the peer sent something behind its agreement, so what it said may
 * not be its own words (CVE-2011-0411 and kin): close. ERR_CRYPTO with client->problem: TLS cannot
 * begin here. Else on_open or on_end follows. */
enum err client_secure(struct client *client);
/* At once; says goodbye to the peer as far as that goes without waiting. Fine when CLOSED. */
void client_close(struct client *client);

/* on_end comes when this time is over. */
void client_deadline_set(struct client *client, int64_t deadline_us);
/* on_progress comes once more, from the loop: for an owner that has left bytes unread. */
void client_again(struct client *client);

/* What has arrived, as far as it lies in one piece; empty = nothing. Valid until the next call. */
struct str client_read(const struct client *client);
void client_read_ack(struct client *client, uint32_t bytes);
/* Takes what fits, says how much; it is sent from the loop. */
uint32_t client_write(struct client *client, struct str bytes);
/* Everything written was given to the kernel. */
bool client_is_flushed(const struct client *client);

/* Where it is connected to, and from. */
struct net_endpoint client_peer(const struct client *client);
struct net_address client_own_address(const struct client *client);

#endif
