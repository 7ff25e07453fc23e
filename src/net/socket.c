/* Sockets that call out, see socket.h. */
#include "net/socket.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

socklen_t socket_address_format(struct net_endpoint from, union socket_address *to) {
    memset(to, 0, sizeof *to);
    if (net_address_is_ipv4(from.address)) {
        to->ipv4.sin_family = AF_INET;
        to->ipv4.sin_port = htons(from.port);
        memcpy(&to->ipv4.sin_addr, from.address.bytes + 12, 4);
        return sizeof to->ipv4;
    }
    to->ipv6.sin6_family = AF_INET6;
    to->ipv6.sin6_port = htons(from.port);
    memcpy(&to->ipv6.sin6_addr, from.address.bytes, 16);
    return sizeof to->ipv6;
}

struct net_endpoint socket_address_parse(const union socket_address *from) {
    struct net_endpoint to = {.port = 0};
    if (from->any.sa_family == AF_INET) {
        uint8_t bytes[4];
        memcpy(bytes, &from->ipv4.sin_addr, 4);
        to.address = net_address_from_ipv4(bytes);
        to.port = ntohs(from->ipv4.sin_port);
    } else {
        memcpy(to.address.bytes, &from->ipv6.sin6_addr, 16);
        to.port = ntohs(from->ipv6.sin6_port);
    }
    return to;
}

static int connect_begin(int fd, struct net_endpoint to) {
    union socket_address name;
    socklen_t bytes = socket_address_format(to, &name);
    int one = 1;
    /* Small lines that wait for answers; what is large comes in large pieces anyway. Where there is
     * no such option, nothing is lost. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return connect(fd, &name.any, bytes) == 0 || errno == EINPROGRESS ? 0 : errno;
}

int socket_connect(struct net_endpoint to, enum socket_kind kind, int *error) {
    int family = net_address_is_ipv4(to.address) ? AF_INET : AF_INET6;
    int type = kind == SOCKET_STREAM ? SOCK_STREAM : SOCK_DGRAM;
    int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        *error = errno;
        return -1;
    }
    *error = connect_begin(fd, to);
    if (*error != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

int socket_error(int fd) {
    int error = 0;
    socklen_t bytes = sizeof error;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes) == 0 ? error : errno;
}

struct net_endpoint socket_own(int fd) {
    union socket_address name = {.any = {.sa_family = AF_INET}};
    socklen_t bytes = sizeof name;
    if (getsockname(fd, &name.any, &bytes) != 0) {
        memset(&name, 0, sizeof name);
    }
    return socket_address_parse(&name);
}
