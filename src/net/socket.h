/* Socket addresses: between our form and the kernel's, and sockets that call out. */
#ifndef NET_SOCKET_H
#define NET_SOCKET_H

#include <netinet/in.h>

#include "net/address.h"

union socket_address {
    struct sockaddr any;
    struct sockaddr_in ipv4;
    struct sockaddr_in6 ipv6;
};

/* Returns the bytes of *to that count. */
socklen_t socket_address_format(struct net_endpoint from, union socket_address *to);
struct net_endpoint socket_address_parse(const union socket_address *from);

enum socket_kind { SOCKET_STREAM = 1, SOCKET_DATAGRAM };

/* A non-blocking socket on its way to `to`: a stream is connected when it becomes writable and
 * socket_error says 0. A datagram socket gets a random port from the kernel and hears `to` only.
 * -1 with *error when the kernel refuses at once (no route, no descriptors). */
int socket_connect(struct net_endpoint to, enum socket_kind kind, int *error);
/* The pending error, 0 for none. */
int socket_error(int fd);
/* Our own address on a connected socket. */
struct net_endpoint socket_own(int fd);

#endif
