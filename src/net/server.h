/*
 * The HTTP server: listeners, TLS, connections, deadlines. It hands complete requests to one
 * handler and writes the replies. One exchange at a time per connection; pipelined requests wait in
 * the buffer. An exchange, its arena and everything in it live until its reply has been written,
 * also when the client has gone meanwhile: the handler never needs to know.
 *
 * Connection states: net/conn.h.
 */
#ifndef NET_SERVER_H
#define NET_SERVER_H

#include "base/arena.h"
#include "net/http.h"
#include "os/loop.h"

enum {
    NET_ADDRESS_TEXT_MAX = 46,
    SERVER_LISTEN_MAX = 8,
    HTTP_BODY_PADDING_BYTES = 8,
    /* What a handler's ready header lines may hold; more is our bug and answered with 500. */
    REPLY_HEADERS_BYTES_MAX = 6 * 1024,
};

struct net_address {
    uint8_t bytes[16]; /* IPv6, or IPv4 mapped (::ffff:a.b.c.d) */
};
void net_address_format(struct net_address address, struct buf *out); /* IPv4 in dotted form */
/* IPv4 in four decimal parts, or IPv6 by RFC 4291 (no zone, no brackets). */
bool net_address_parse(struct str text, struct net_address *address);
bool net_address_is_loopback(struct net_address address);

struct http_exchange {
    struct http_head head;
    /* Whole, decoded from chunks; in the arena, followed by HTTP_BODY_PADDING_BYTES zeros (for
     * parsers that work in place). STR_NONE when the request announced none. */
    struct str body;
    struct arena *arena;
    struct net_address peer; /* of the client, behind trusted proxies */
    bool is_tls;
    int64_t started_us;   /* monotonic, when the head was complete */
    uint64_t context[64]; /* for the handler; zero at on_head */
    void *connection;     /* of the server */
};

struct http_reply {
    uint16_t status;
    struct str content_type; /* STR_NONE = no body */
    struct str headers;      /* ready lines, each ending in CRLF; may be empty */
    struct str body;         /* in the exchange's arena or constant */
    struct str gzip_body;    /* precompressed form or STR_NONE; else compressed here when it pays */
    bool is_compressible;
    bool must_close;
    /* A streamed body (chunked; to HTTP/1.0 clients up to the close): called whenever there is
     * room, at least 4 KiB of it; appends to `out`; ERR_OK = more to come, ERR_END = done (with
     * this call's bytes), ERR_AGAIN = nothing now, call me after server_stream_wake; anything else
     * = cut the connection. NULL = none. on_done tells when the last call was, also if the client
     * left. */
    enum err (*stream)(void *ctx, struct buf *out);
    void *stream_ctx;
};

struct server_handler {
    /* The head is there, the body is not. Sets *body_bytes_max for this request, or returns an
     * error: the server then answers through on_refusal without reading the body. */
    enum err (*on_head)(void *ctx, struct http_exchange *exchange, uint64_t *body_bytes_max);
    /* The body is there too. The handler calls server_reply now or later. */
    void (*on_request)(void *ctx, struct http_exchange *exchange);
    /* The server itself refuses (malformed, too large, too slow, on_head's error): fill the reply.
     * exchange->head may be empty (then on_head was not called and context is zero). */
    void (*on_refusal)(void *ctx, struct http_exchange *exchange, enum err why,
                       struct http_reply *reply);
    /* Every finished exchange, for metrics and access log; the last use of it. Status 0: on_head
     * has seen it, but the client left before the request was complete. Called from inside
     * server_reply when the reply could be written at once. */
    void (*on_done)(void *ctx, const struct http_exchange *exchange, uint16_t status,
                    uint64_t bytes_out);
    void *ctx;
};

struct server_tls_files {
    struct str certificate_pem; /* chain, leaf first */
    struct str key_pem;         /* PKCS#8, SEC1 or PKCS#1; EC P-256/P-384 or RSA */
};

struct server_options {
    /* https://HOST:PORT or http://HOST:PORT; HOST may be the name "localhost" (both loopback
     * addresses, as far as the machine has them), an IPv4, or an [IPv6] (IPv6 only). Port 0 = any.
     */
    struct str listen[SERVER_LISTEN_MAX];
    uint32_t listen_count;
    uint32_t connections_max;
    uint32_t connections_per_address_max; /* 0 = no cap; loopback and trusted proxies have none */
    struct str trusted_proxies;           /* comma list of addresses or ADDRESS/BITS */
    bool allows_plain_anywhere; /* else http:// is refused off loopback without trusted proxies */
    int64_t head_timeout_us;    /* first byte of a request to the end of its head; TLS too */
    int64_t body_timeout_us;    /* for a body of up to 64 KiB; longer ones get time at 16 KiB/s */
    int64_t idle_timeout_us;    /* keep-alive */
    int64_t write_timeout_us;   /* no progress in sending */
    uint32_t tls_sessions_max;  /* resumption cache entries */
    uint64_t arena_pool_bytes;
    struct server_tls_files tls;
};

struct server;

/* Binds and listens. On failure *problem is a sentence (static memory). The loop must have room for
 * connections_max + 1 timers, and for connections_max + 2 * listen_count watches. */
enum err server_open(struct server **server, struct loop *loop,
                     const struct server_options *options, struct server_handler handler,
                     const char **problem);
/* New certificate for new connections; the old ones go on. */
enum err server_tls_reload(struct server *server, const struct server_tls_files *files,
                           const char **problem);

/* The reply may be given from on_request or any later tick, exactly once per exchange. The reply
 * struct is copied; what it points to must live as long as the exchange. The exchange must not be
 * touched afterwards: it may be gone when this returns. Never calls on_request or on_head of
 * another request: pipelined ones follow at the end of the tick. */
void server_reply(struct server *server, struct http_exchange *exchange,
                  const struct http_reply *reply);

/* After the stream of this exchange said ERR_AGAIN. */
void server_stream_wake(struct server *server, struct http_exchange *exchange);

/* The port that listen[index] got (for port 0). */
uint16_t server_port(const struct server *server, uint32_t index);

/* Stops accepting, closes idle connections, lets running exchanges finish until the deadline, then
 * cuts them. on_drained is called once, from a later tick: when none is left, or at the deadline
 * (a handler may then still owe replies that nobody waits for). */
void server_drain(struct server *server, int64_t deadline_us, void (*on_drained)(void *ctx),
                  void *ctx);
/* Everything at once; exchanges that the handler still has are gone. The loop must not run again
 * with this server's hook: close it right after. */
void server_close(struct server *server);

struct server_stats {
    uint32_t connections;
    uint32_t connections_max;
    uint64_t accepted; /* connections */
    uint64_t refused;  /* connections over a limit */
    uint64_t evicted;  /* idle connections closed to make room for new ones */
    uint64_t timed_out, malformed, requests;
    uint64_t handshakes_full, handshakes_resumed, handshakes_failed;
    uint64_t bytes_in, bytes_out;
    uint32_t arena_blocks_used, arena_blocks_max;
};
void server_stats_read(const struct server *server, struct server_stats *stats);

#endif
