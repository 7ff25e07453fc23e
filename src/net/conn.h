/*
 * Inside of the server: the connection, its memory and its states. For the files of the server only
 * (conn*.c, reply*.c, listen.c, server.c).
 *
 *               accept
 *                 |
 *        TLS      v      plain
 *     HANDSHAKE <---+---> IDLE <-----------------------------+
 *         |                |  first byte of a request        |
 *         +--------------> |                                 |
 *                          v                                 | reply written,
 *                         HEAD --- refused ---+              | connection kept
 *                          |                  |              |
 *                 on_head  v                  v              |
 *                         BODY ---refused--> REPLY ----------+
 *                          |                  ^   \
 *               on_request v   server_reply   |    \ reply written, connection not kept
 *                         HANDLER ------------+     v
 *                          |                      LINGER --> FREE
 *     client gone          v
 *     (any other -> FREE) ZOMBIE -- server_reply --> FREE
 *
 * Who moves: conn.c by what arrives and by deadlines; server_reply from HANDLER and ZOMBIE; reply.c
 * out of REPLY. FREE is entered by conn_free only.
 *
 * Deadlines: HANDSHAKE, HEAD head_timeout; BODY body_timeout and a pace; IDLE idle_timeout; REPLY
 * write_timeout since the last progress, while blocked; LINGER 2 s; HANDLER none (the handler's
 * own).
 *
 * Memory of a connection: one slot of a slab, whose pages cost nothing until touched.
 *
 *     0              CONN_FIXED_BYTES                                          CONN_SLOT_BYTES
 *     | struct conn, TLS context | TLS in | out | head | stash (and what rounding leaves) |
 *
 * Plain connections touch neither context nor TLS in. What lies behind CONN_FIXED_BYTES is given
 * back to the kernel when a connection stays idle for CONN_TRIM_US.
 */
#ifndef NET_CONN_H
#define NET_CONN_H

#include "net/address.h"
#include "net/gzip.h"
#include "net/server.h"
#include "net/tls.h"

enum {
    CONN_FIXED_BYTES = 8192, /* two pages: what an idle connection costs */
    CONN_STASH_BYTES = 16384,
    CONN_OUT_BYTES = 16384 + 128, /* a TLS record, or what a plain connection writes at once */
    CONN_SLOT_BYTES = 17 * 4096,
    CONN_WARM_MAX = 64, /* free slots that keep their pages */

    CONN_TRIM_US = 5 * 1000 * 1000,
    CONN_LINGER_US = 2 * 1000 * 1000,
    /* Read and thrown away so that a client that is still sending sees our answer (RFC 9112, 9.6).
     */
    CONN_LINGER_BYTES_MAX = 256 * 1024,
    /* A refused body up to here is skipped and the connection kept; a longer one closes it. */
    CONN_SKIP_BYTES_MAX = 64 * 1024,
    /* Slower bodies than that are cut, after body_timeout. */
    CONN_BODY_BYTES_PER_S_MIN = 16 * 1024,
    /* What a client gets memory for on its word; the rest once it has sent this much. */
    CONN_BODY_TRUST_BYTES = 64 * 1024,

    /* Fairness: per connection and tick. */
    CONN_READ_BYTES_PER_TICK = 64 * 1024,
    CONN_WRITE_BYTES_PER_TICK = 128 * 1024,
    CONN_REQUESTS_PER_TICK = 16,
    /* All connections with more to do at once, per tick: bulk does not delay what is small. */
    SERVER_READY_US_PER_TICK = 1000,
    /* Handshakes per tick, by time: about two full ones, or a dozen resumed. */
    SERVER_HANDSHAKE_US_PER_TICK = 600,
    SERVER_ACCEPTS_PER_TICK = 64,

    REPLY_HEAD_BYTES_MAX = REPLY_HEADERS_BYTES_MAX + 1024,
    REPLY_BUFFER_BYTES = 8192,
};

enum conn_state {
    CONN_FREE,
    CONN_HANDSHAKE,
    CONN_IDLE,
    CONN_HEAD,
    CONN_BODY,
    CONN_HANDLER,
    CONN_REPLY,
    CONN_LINGER,
    CONN_ZOMBIE,
};

/* A doubly linked ring; zero or self-linked = alone. */
struct conn_link {
    struct conn_link *next;
    struct conn_link *previous;
};

struct conn {
    struct loop_watch watch;
    struct loop_timer timer;
    struct server *server;
    enum conn_state state;
    bool is_warm; /* the slot has touched pages (also while FREE) */
    bool is_tls;
    bool is_counted;   /* in the table of addresses */
    bool is_watched;   /* by the loop */
    bool is_advancing; /* conn_advance is on the stack */
    bool may_read;     /* the socket has, or may have, something for us */
    bool has_ended;    /* end of input seen */
    bool is_blocked;   /* the socket takes no more for now */
    bool is_trimmed;
    struct conn_link queue; /* of connections with work left: server->ready or ->handshakes */
    int64_t deadline_us;    /* INT64_MAX = none */
    int64_t since_us;       /* when the state was entered that deadline and pace are counted from */
    struct net_address address;
    uint32_t request_count;
    struct tls *tls;

    /* Input. What was read and not used yet: in the stash, or during conn_advance in the server's
     * scratch. In HANDSHAKE of TLS the head buffer holds our records on their way out. */
    const uint8_t *raw;
    uint32_t raw_bytes;
    uint32_t head_bytes; /* in the head buffer */
    uint32_t held_start; /* HANDSHAKE: records to send: held_start .. head_bytes */
    uint64_t skip_bytes; /* of a refused body */
    uint64_t body_bytes_max;
    char *body;
    uint32_t body_bytes;
    uint32_t body_room;
    struct http_chunked chunked;
    uint32_t linger_bytes;

    /* Output. Plain connections: out_start .. out_end in the out buffer wait for the socket. */
    uint32_t out_start;
    uint32_t out_end;
    struct http_reply reply;
    struct str reply_front; /* goes out before reply_rest: in reply_buffer */
    struct str reply_rest;  /* of the body, not yet put out */
    char *reply_buffer;   /* in the arena: where the out buffer is too small for a head or chunk */
    uint64_t reply_bytes; /* handed to the socket or to TLS */
    bool is_reply_head_done;
    bool is_reply_chunked;
    bool is_stream_over;
    bool is_stream_asleep;
    bool is_gzip;
    bool will_close;

    struct arena arena;
    struct http_exchange exchange;
};

struct listener {
    struct loop_watch watch; /* fd -1 = not open */
    struct server *server;
    uint16_t port;
    bool is_tls;
};

/* Connections per subscriber (net_address_subscriber): open addressing, twice as many rows as
 * connections, so it cannot fill up; a keyed hash, so nobody can aim at one row. */
struct address_row {
    struct net_address address;
    uint32_t count; /* 0 = free */
};
struct address_table {
    struct address_row *rows;
    uint32_t row_count; /* a power of two */
    uint64_t key[2];
};

struct server {
    struct loop *loop;
    struct server_options options; /* the strings in it are not kept */
    struct server_handler handler;
    struct net_list trusted;
    struct tls_config *tls;
    struct listener listeners[2 * SERVER_LISTEN_MAX];
    uint32_t listener_count;
    uint16_t ports[SERVER_LISTEN_MAX];
    int spare_fd;

    char *slab; /* connections_max slots */
    uint32_t fresh_count;
    uint32_t warm_count;
    uint32_t cold_count;
    uint32_t *cold; /* free slots without pages */
    uint32_t warm[CONN_WARM_MAX];
    uint32_t evict_hand;
    struct address_table addresses;

    struct conn_link ready;      /* more to do at once */
    struct conn_link handshakes; /* TLS bytes have arrived */
    struct conn *scratch_owner;  /* whose conn_advance is on the stack */
    uint32_t read_left;          /* of that connection's share of the tick */

    struct arena_pool arenas;
    char *arena_memory;
    uint64_t arena_bytes;
    struct gzip gzip;

    char date[32]; /* of the second date_s */
    uint32_t date_len;
    int64_t date_s;

    bool is_draining;
    bool has_swept; /* idle connections were closed for draining */
    bool is_open;
    int64_t drain_deadline_us;
    struct loop_timer drain_timer;
    void (*on_drained)(void *ctx);
    void *drained_ctx;

    struct server_stats stats;
    uint8_t scratch[CONN_STASH_BYTES];
};

/* --- conn_slot.c: where connections come from and go to --- */

/* NULL when all are taken. The slot is zeroed but for its fixed fields. */
struct conn *conn_take(struct server *server);
struct conn *conn_at(struct server *server, uint32_t slot);
bool conn_is_used(const struct conn *conn);
/* Closes the socket now. When the handler has the exchange, the connection becomes a ZOMBIE, else
 * it is free. Nobody may touch it afterwards but through a pointer that knows it is FREE or ZOMBIE.
 */
void conn_close(struct conn *conn);
void conn_free(struct conn *conn);
uint8_t *conn_tls_context(struct conn *conn);
uint8_t *conn_tls_in(struct conn *conn);
uint8_t *conn_out(struct conn *conn);
uint8_t *conn_head(struct conn *conn);
uint8_t *conn_stash(struct conn *conn);
void conn_trim(struct conn *conn);

void conn_enqueue(struct conn_link *ring, struct conn *conn);
void conn_dequeue(struct conn *conn);
bool conn_is_queued(const struct conn *conn);

/* True when one more connection of that address is allowed; counts it. */
bool address_table_get(struct address_table *table, struct net_address address, uint32_t count_max);
void address_table_put(struct address_table *table, struct net_address address);

/* --- conn.c: the states --- */

void conn_start(struct conn *conn, int fd, struct net_address address, bool is_tls);
/* As far as it goes without waiting, within this tick's share. */
void conn_advance(struct conn *conn);
void conn_handshake_done(struct conn *conn);
/* The reply is out: next request or goodbye. */
void conn_reply_done(struct conn *conn);
/* After anything that may have moved the connection outside conn_advance: what to wait for next. */
void conn_settle(struct conn *conn);
void conn_deadline_set(struct conn *conn, int64_t deadline_us);
/* Sends close_notify and our end of stream; closes now or after lingering. */
void conn_say_goodbye(struct conn *conn);
/* The exchange is over, complete or not: status 0 = the request never was. */
void conn_exchange_end(struct conn *conn, uint16_t status);
/* Connections do only what they must; drained ones disappear. */
void conn_drain(struct conn *conn);

enum step {
    STEP_GO,   /* something was done: look again */
    STEP_WAIT, /* nothing more without an event */
    STEP_GONE, /* closed */
};

/* --- conn_io.c: bytes in and out --- */

/* The next plain bytes, or STEP_WAIT. *bytes stay until conn_plain_ack. */
enum step conn_plain_get(struct conn *conn, struct str *bytes);
void conn_plain_ack(struct conn *conn, uint32_t bytes);
bool conn_has_input(const struct conn *conn);
bool conn_has_output(const struct conn *conn);
/* Handshake records out; HANDSHAKE -> IDLE when done. */
enum step conn_handshake_step(struct conn *conn);
/* Everything that waits for the socket; STEP_GO when nothing is left. */
enum step conn_out_send(struct conn *conn, struct str direct, uint32_t *direct_sent);
/* Room for plain bytes to send; NULL when there is none before more was sent. */
uint8_t *conn_out_room(struct conn *conn, uint32_t *room);
void conn_out_ack(struct conn *conn, uint32_t bytes);
/* Read and thrown away: LINGER. */
enum step conn_linger_step(struct conn *conn);
/* Raw bytes that are left move from the scratch into the stash. */
void conn_raw_keep(struct conn *conn);

/* --- reply.c, reply_head.c: replies --- */

void reply_start(struct conn *conn, const struct http_reply *reply);
enum step reply_step(struct conn *conn, uint32_t *budget_bytes);
void reply_continue(struct conn *conn); /* 100 Continue */
/* Writes the head of conn->reply; `out` becomes full when it does not fit. */
void reply_head_write(struct conn *conn, struct buf *out);
/* Chooses gzip or identity and sets reply_rest. */
void reply_body_choose(struct conn *conn);
bool reply_has_body(const struct conn *conn);

/* --- listen.c --- */

enum err listeners_open(struct server *server, const char **problem);
void listeners_close(struct server *server);

/* --- server.c --- */

void server_check_drained(struct server *server);

#endif
