/*
 * A server on loopback inside the test, its loop, and clients, all in one thread: nothing depends
 * on who runs first. A client writes; wait_until() runs the loop until a condition holds; five
 * seconds without it fail. The handler answers by path: see reply_choose in server_support.c.
 */
#ifndef SERVER_SUPPORT_H
#define SERVER_SUPPORT_H

#include "net/conn.h"

enum {
    CLIENT_BYTES_MAX = 6 * 1024 * 1024,
    PARKED_MAX = 64,
    BIG_BYTES = 4 * 1024 * 1024,
    TEXT_BYTES = 20000,
};

extern struct loop *loop;
extern struct server *server;
extern char big[BIG_BYTES];   /* the body of /big */
extern char text[TEXT_BYTES]; /* of /text; compresses well */

/* --- the loop --- */

bool wait_until(bool (*condition)(void *ctx), void *ctx);
void run_ticks(uint32_t count);

/* --- the server --- */

/* What the handler has seen; start() clears it. */
struct seen {
    struct http_exchange *parked[PARKED_MAX];
    uint32_t parked_count;
    uint32_t depth; /* server_reply on the stack */
    uint32_t nested_requests;
    uint32_t requests;
    uint32_t heads;
    uint32_t done;
    uint16_t done_status;
    uint64_t done_bytes;
    enum err refused;
    uint32_t pieces;
    struct net_address peer;
    struct str long_headers;
    uint32_t faults; /* contracts that were broken */
};
extern struct seen seen;

struct server_options options_usual(void);
struct server_handler test_handler(void);
bool start(const struct server_options *options);
/* True when no contract was broken. */
bool finish(void);
struct server_stats stats(void);
void reply_to(struct http_exchange *exchange, const struct http_reply *reply);
/* The handler keeps requests for /park until this. */
void parked_reply(uint32_t index);
bool wait_parked(uint32_t count);
bool wait_done(uint32_t count);
/* A condition for wait_until. */
bool has_no_connection(void *ctx);

/* --- clients --- */

#define GET(path) "GET " path " HTTP/1.1\r\nHost: here\r\n\r\n"

struct client {
    int fd;
    bool has_ended;
    bool is_reset;
    size_t bytes;
    const char *wanted;
    size_t wanted_bytes;
    char *data;
};

struct client client_open(void);
void client_close(struct client *client);
void client_send(struct client *client, const char *request);
void client_read(struct client *client);
void client_clear(struct client *client);
/* Conditions for wait_until; ctx is a client. */
bool client_has_text(void *ctx);
bool client_has_bytes(void *ctx);
bool client_has_ended(void *ctx);
/* Waits for text, or for the end. */
bool client_wait(struct client *client, const char *wanted);
bool client_wait_end(struct client *client);
uint32_t client_count(struct client *client, const char *what);
bool client_lacks(struct client *client, const char *what);

#endif
