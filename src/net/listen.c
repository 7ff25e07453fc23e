/*
 * Listening sockets and admission.
 *
 * When all connections are taken, the longest idle one of a sample is closed for the new one: idle
 * clients cannot hold the server. When none is idle, the new one gets 503 at once on a plain
 * listener; on TLS it is closed, because saying 503 there costs a handshake, the dearest thing that
 * could be asked of a full server. Accepting is never paused: a queue in the kernel would only let
 * clients wait for their own timeout.
 *
 * When the process is out of descriptors, a spare one is given up to accept and close.
 */
#include "net/conn.h"
#include "net/socket.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BACKLOG = 4096, /* the kernel cuts it to net.core.somaxconn */
    EVICT_SAMPLE = 256,
    EVICT_IDLE_US_MIN = 1000 * 1000, /* a connection between two quick requests is not idle */
};

/* --- admission ---------------------------------------------------------------------------------
 */

static bool is_evictable(const struct conn *conn, int64_t now_us) {
    return (conn->state == CONN_IDLE && now_us - conn->since_us > EVICT_IDLE_US_MIN) ||
           conn->state == CONN_LINGER;
}

/* Makes room by closing the longest idle of the next EVICT_SAMPLE connections. */
static bool evict_one(struct server *server) {
    int64_t now_us = loop_now_us(server->loop);
    uint32_t count = server->fresh_count < EVICT_SAMPLE ? server->fresh_count : EVICT_SAMPLE;
    struct conn *longest = NULL;
    for (uint32_t index = 0; index < count; index++) {
        server->evict_hand = (server->evict_hand + 1) % server->fresh_count;
        struct conn *conn = conn_at(server, server->evict_hand);
        if (is_evictable(conn, now_us) && (longest == NULL || conn->since_us < longest->since_us)) {
            longest = conn;
        }
    }
    if (longest == NULL) {
        return false;
    }
    server->stats.evicted += 1;
    conn_close(longest);
    return true;
}

enum { TURN_AWAY_BYTES = 1024 };

/* The envelope that every refusal has (engine/reply.c), for a client whom nobody listens to yet. */
static void turn_away_write(struct buf *out) {
    struct str body = STR("{\"code\":503,\"error\":{\"details\":{\"code\":\"SERVICE_UNAVAILABLE\"},"
                          "\"type\":\"SERVICE_UNAVAILABLE\"},\"message\":\"Too many connections; "
                          "try again shortly.\",\"request_id\":\"unknown\",\"success\":false,"
                          "\"version\":\"1.0\"}");
    buf_put_c(out, "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
                   "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
                   "X-Request-ID: unknown\r\nRetry-After: 1\r\nConnection: close\r\n"
                   "Content-Length: ");
    buf_put_u64(out, body.len);
    buf_put_c(out, "\r\n\r\n");
    buf_put_str(out, body);
    CHECK(!out->is_full);
}

static void turn_away(struct server *server, int fd, bool is_tls) {
    server->stats.refused += 1;
    if (!is_tls) {
        char text[TURN_AWAY_BYTES];
        struct buf out = buf_over(text, sizeof text);
        turn_away_write(&out);
        /* What the client sent already is read away, else our close would take the answer with it.
         */
        (void)!recv(fd, server->scratch, sizeof server->scratch, MSG_DONTWAIT);
        (void)!send(fd, out.data, out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    close(fd);
}

static void admit(struct listener *listener, int fd, struct net_address address) {
    struct server *server = listener->server;
    uint32_t count_max = server->options.connections_per_address_max;
    bool is_capped = count_max > 0 && !net_address_is_loopback(address) &&
                     !net_list_has(&server->trusted, address);
    server->stats.accepted += 1;
    if (is_capped &&
        !address_table_get(&server->addresses, net_address_subscriber(address), count_max)) {
        turn_away(server, fd, listener->is_tls);
        return;
    }
    struct conn *conn = conn_take(server);
    if (conn == NULL && evict_one(server)) {
        conn = conn_take(server);
    }
    if (conn == NULL) {
        if (is_capped) {
            address_table_put(&server->addresses, net_address_subscriber(address));
        }
        turn_away(server, fd, listener->is_tls);
        return;
    }
    conn->is_counted = is_capped;
    conn_start(conn, fd, address, listener->is_tls);
    conn->is_watched = loop_watch_add(server->loop, &conn->watch, LOOP_READ) == ERR_OK;
    if (!conn->is_watched) {
        server->stats.refused += 1;
        conn_close(conn);
    }
}

/* Out of descriptors: the client at the head of the queue would wake us again and again. */
static void shed(struct server *server, int listen_fd) {
    if (server->spare_fd < 0) {
        return;
    }
    close(server->spare_fd);
    int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        close(fd);
        server->stats.refused += 1;
    }
    server->spare_fd = eventfd(0, EFD_CLOEXEC);
}

static void on_acceptable(struct loop_watch *watch, uint32_t events) {
    struct listener *listener = (struct listener *)(void *)watch;
    (void)events;
    for (uint32_t count = 0; count < SERVER_ACCEPTS_PER_TICK; count++) {
        union socket_address from;
        socklen_t bytes = sizeof from;
        int fd = accept4(watch->fd, &from.any, &bytes, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            admit(listener, fd, socket_address_parse(&from).address);
            continue;
        }
        switch (errno) {
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM:
            shed(listener->server, watch->fd);
            return;
        case EINTR:
        case ECONNABORTED:
        case EPROTO:
            continue;
        default:
            return;
        }
    }
}

/* --- opening -----------------------------------------------------------------------------------
 */

static const char *problem_of(int error) {
    switch (error) {
    case EADDRINUSE:
        return "cannot listen: another program has that port";
    case EACCES:
        return "cannot listen: ports below 1024 need a privilege";
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
        return "cannot listen: this machine does not have that address";
    default:
        return "cannot listen: the system refused the socket";
    }
}

/* The descriptor, or -1 with errno. */
static int socket_open(struct net_address address, uint16_t port) {
    union socket_address name;
    struct net_endpoint to = {address, port};
    socklen_t bytes = socket_address_format(to, &name);
    int on = 1;
    int fd = socket(name.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -1;
    }
    /* Accepted sockets inherit TCP_NODELAY. */
    bool is_set = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
                  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0;
    if (name.any.sa_family == AF_INET6) {
        is_set = is_set && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0;
    }
    if (!is_set || bind(fd, &name.any, bytes) != 0 || listen(fd, BACKLOG) != 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

static enum err listener_add(struct server *server, int fd, bool is_tls) {
    struct listener *listener = &server->listeners[server->listener_count];
    CHECK(server->listener_count < COUNT_OF(server->listeners));
    *listener = (struct listener){.server = server, .is_tls = is_tls, .port = socket_own(fd).port};
    listener->watch.fd = fd;
    listener->watch.on_ready = on_acceptable;
    enum err err = loop_watch_add(server->loop, &listener->watch, LOOP_READ);
    if (err == ERR_OK) {
        server->listener_count += 1;
    } else {
        close(fd);
    }
    return err;
}

static enum err url_open(struct server *server, const struct listen_url *url, uint16_t *port,
                         const char **problem) {
    bool may_lack = false; /* of "localhost" one address is enough */
    *port = url->port;
    for (uint32_t index = 0; index < url->address_count; index++) {
        int fd = socket_open(url->addresses[index], *port);
        if (fd < 0 && may_lack && (errno == EADDRNOTAVAIL || errno == EAFNOSUPPORT)) {
            continue;
        }
        if (fd < 0) {
            *problem = problem_of(errno);
            return ERR_IO;
        }
        *port = socket_own(fd).port;
        may_lack = true;
        enum err err = listener_add(server, fd, url->is_tls);
        if (err != ERR_OK) {
            *problem = "cannot listen: the event loop takes no more";
            return err;
        }
    }
    return ERR_OK;
}

/* Passwords over the open network: only when somebody else does the TLS, or says so. */
static bool may_be_plain(const struct server *server, const struct listen_url *url) {
    return url->is_tls || server->options.allows_plain_anywhere || server->trusted.count > 0 ||
           net_address_is_loopback(url->addresses[0]);
}

enum err listeners_open(struct server *server, const char **problem) {
    const struct server_options *options = &server->options;
    CHECK(options->listen_count <= SERVER_LISTEN_MAX);
    for (uint32_t index = 0; index < options->listen_count; index++) {
        struct listen_url url;
        if (!listen_url_parse(options->listen[index], &url)) {
            *problem = "listen: write https://HOST:PORT or http://HOST:PORT; HOST is localhost, an "
                       "IPv4 address or an IPv6 address in [ ]";
            return ERR_FORMAT;
        }
        if (!may_be_plain(server, &url)) {
            *problem = "listen: plain http:// is for loopback or behind trusted proxies only";
            return ERR_FORBIDDEN;
        }
        enum err err = url_open(server, &url, &server->ports[index], problem);
        if (err != ERR_OK) {
            return err;
        }
    }
    return ERR_OK;
}

void listeners_close(struct server *server) {
    for (uint32_t index = 0; index < server->listener_count; index++) {
        struct loop_watch *watch = &server->listeners[index].watch;
        loop_watch_remove(server->loop, watch);
        close(watch->fd);
        watch->fd = -1;
    }
    server->listener_count = 0;
}
