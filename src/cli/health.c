/*
 * coffer health URL: asks a server on this machine how it is; for the health check of a container,
 * which holds no other program. Exit code 0: it answers that it is healthy; 1: anything else.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "net/address.h"
#include "net/socket.h"
#include "net/tls_probe.h"
#include "os/clock.h"

enum {
    /* Container runtimes give a check 30 s and more; a server that needs that long is not well. */
    HEALTH_TIMEOUT_S = 5,
    HEALTH_REPLY_BYTES_MAX = 16 * 1024,
    HEALTH_PATH_BYTES_MAX = 256,
};

struct health_target {
    struct listen_url url; /* where */
    struct str origin;     /* scheme, host and port */
    struct str path;
};

/* Splits at the first slash behind "//": what is before has the form of a listen URL. */
static bool target_parse(struct str text, struct health_target *target) {
    uint32_t at = str_find_byte(text, '/') + 2;
    while (at < text.len && text.data[at] != '/') {
        at += 1;
    }
    target->origin = str_slice(text, 0, at);
    target->path = at < text.len ? str_slice(text, at, text.len) : STR("/health");
    return listen_url_parse(target->origin, &target->url) &&
           target->path.len <= HEALTH_PATH_BYTES_MAX && !str_has_byte(target->path, ' ');
}

static int connect_to(struct net_address address, uint16_t port) {
    struct timeval limit = {.tv_sec = HEALTH_TIMEOUT_S};
    union socket_address to;
    socklen_t bytes = socket_address_format((struct net_endpoint){address, port}, &to);
    int fd = socket(to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0 ||
        connect(fd, &to.any, bytes) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

/* ---- bytes, each call with a deadline ---- */

static int fd_read(void *ctx, unsigned char *data, size_t bytes) {
    ssize_t got;
    do {
        got = recv(*(const int *)ctx, data, bytes, 0);
    } while (got < 0 && errno == EINTR);
    return got > 0 ? (int)got : -1;
}

static int fd_write(void *ctx, const unsigned char *data, size_t bytes) {
    ssize_t put;
    do {
        put = send(*(const int *)ctx, data, bytes, MSG_NOSIGNAL);
    } while (put < 0 && errno == EINTR);
    return put > 0 ? (int)put : -1;
}

static enum err plain_ask(const struct tls_probe_io *io, struct str request, struct buf *reply) {
    uint32_t done = 0;
    while (done < request.len) {
        int put =
            io->write(io->ctx, (const unsigned char *)request.data + done, request.len - done);
        if (put < 0) {
            return ERR_IO;
        }
        done += (uint32_t)put;
    }
    while (buf_room(reply) > 0) {
        unsigned char part[1024];
        size_t wanted = buf_room(reply) < sizeof part ? buf_room(reply) : sizeof part;
        int got = io->read(io->ctx, part, wanted);
        if (got < 0) {
            break;
        }
        buf_put(reply, part, (size_t)got);
    }
    return reply->len > 0 ? ERR_OK : ERR_IO;
}

static enum err ask(int fd, const struct health_target *target, struct buf *reply) {
    char memory[1024];
    uint8_t entropy[TLS_PROBE_ENTROPY_BYTES];
    struct buf request = buf_over(memory, sizeof memory);
    struct tls_probe_io io = {fd_read, fd_write, &fd};
    struct str host = target->origin;
    (void)str_split(&host, '/');
    (void)str_split(&host, '/');
    buf_printf(&request,
               "GET %.*s HTTP/1.1\r\nHost: %.*s\r\nAccept: application/json\r\n"
               "User-Agent: coffer-health\r\nConnection: close\r\n\r\n",
               STR_ARG(target->path), STR_ARG(host));
    if (request.is_full) {
        return ERR_FULL;
    }
    if (!target->url.is_tls) {
        return plain_ask(&io, buf_str(&request), reply);
    }
    random_bytes(entropy, sizeof entropy);
    return tls_probe_ask(&io, entropy, buf_str(&request), reply);
}

/* Status 200 is only given together with "healthy"; the word is what people see. */
static int judge(struct str reply) {
    struct str line = str_slice(reply, 0, str_find_byte(reply, '\r'));
    if (str_starts(line, STR("HTTP/1.1 200 "))) {
        cli_say("healthy");
        return 0;
    }
    if (!str_starts(line, STR("HTTP/"))) {
        return cli_fail("unhealthy: the answer is not HTTP");
    }
    return cli_fail("unhealthy: %.*s", STR_ARG(str_slice(line, 0, 80)));
}

int cli_health(struct cli_options *options) {
    static char memory[HEALTH_REPLY_BYTES_MAX];
    struct buf reply = buf_over(memory, sizeof memory);
    struct health_target target;
    if (options->word_count != 1 || !target_parse(str_from_c(options->words[0]), &target)) {
        cli_fail("usage: coffer health http[s]://localhost:PORT[/health]");
        return CLI_EXIT_USAGE;
    }
    int fd = -1;
    for (uint32_t index = 0; index < target.url.address_count && fd < 0; index++) {
        if (!net_address_is_loopback(target.url.addresses[index])) {
            cli_fail(
                "coffer health asks the server on this machine: localhost, 127.0.0.1 or [::1]");
            return CLI_EXIT_USAGE;
        }
        fd = connect_to(target.url.addresses[index], target.url.port);
    }
    if (fd < 0) {
        return cli_fail("%s: nobody answers", options->words[0]);
    }
    enum err err = ask(fd, &target, &reply);
    (void)close(fd);
    if (err != ERR_OK) {
        return cli_fail("%s: %s", options->words[0],
                        err == ERR_CRYPTO ? "no TLS session" : "the connection broke off");
    }
    return judge(buf_str(&reply));
}
