/*
 * One HTTP/1.1 exchange as the client: a request goes out, the reply's head and body come in, as
 * they arrive and no faster than their owner takes them. Redirects are followed as far as the call
 * allows. For whatever calls others by HTTP: updates, webhooks, payments.
 *
 *   IDLE -> CONNECTING -> SENDING -> WAITING -> BODY -> IDLE
 *               ^---- redirect ---------'
 *
 * A reply may begin while the request is still being sent (a refusal, mostly); then the rest is
 * not sent. One connection per exchange, closed behind it.
 *
 * Who listens in or answers instead: https is checked against the trust store and the name, and is
 * never left for http by a redirect. http goes to this machine only, unless the call says that it
 * may go elsewhere. `reach` limits where connections may lead at all, each hop of a redirect anew.
 */
#ifndef NET_HTTP_CLIENT_H
#define NET_HTTP_CLIENT_H

#include "net/client.h"
#include "net/http.h"
#include "net/http_url.h"

enum {
    HTTP_CALL_HEADERS_MAX = 16, /* besides ours */
    HTTP_CALL_INTERIM_MAX = 8,  /* 1xx in front of a reply; each is read and thrown away */
};

/* name, stable, for machines; sentence, for people, where the connection did not say a better one
 */
#define HTTP_FAULT_TABLE(ROW)                                                                      \
    ROW(NONE, "", "")                                                                              \
    ROW(URL, "URL_INVALID", "that is not an http or https URL")                                    \
    ROW(CALL, "REQUEST_INVALID", "the request has headers that HTTP does not allow, or too many")  \
    ROW(PLAIN, "URL_NOT_SECURE", "http:// is for this machine only; https:// is needed")           \
    ROW(NAME, "HOST_UNKNOWN", "the host is not known")                                             \
    ROW(REACH, "ADDRESS_REFUSED", "the address is not one that may be called")                     \
    ROW(CONNECT, "CONNECT_FAILED", "the server cannot be reached")                                 \
    ROW(TLS, "TLS_FAILED", "TLS failed")                                                           \
    ROW(CONNECT_TIME, "CONNECT_TIMEOUT", "the server does not answer to the connection")           \
    ROW(SEND_TIME, "SEND_TIMEOUT", "the server does not take the request")                         \
    ROW(HEAD_TIME, "REPLY_TIMEOUT", "the server has the request and does not reply")               \
    ROW(BODY_TIME, "BODY_TIMEOUT", "the server has stopped in the middle of its reply")            \
    ROW(WHOLE_TIME, "TOTAL_TIMEOUT", "it has taken too long in all")                               \
    ROW(CLOSED, "CONNECTION_CLOSED", "the connection ended before the reply did")                  \
    ROW(REPLY, "REPLY_MALFORMED", "what the server sends is not an HTTP/1.1 reply")                \
    ROW(HEAD_LARGE, "REPLY_HEAD_TOO_LARGE", "the head of the reply is too large")                  \
    ROW(BODY_LARGE, "REPLY_TOO_LARGE", "the reply is larger than what was expected at most")       \
    ROW(REDIRECTS, "TOO_MANY_REDIRECTS", "there are too many redirects")                           \
    ROW(REDIRECT, "REDIRECT_REFUSED",                                                              \
        "it is redirected to where we do not go: from https to http, or to no URL")

enum http_fault {
#define HTTP_FAULT_ENUM(id, name, sentence) HTTP_FAULT_##id,
    HTTP_FAULT_TABLE(HTTP_FAULT_ENUM)
#undef HTTP_FAULT_ENUM
};
const char *http_fault_name(enum http_fault fault);

/* What is asked. The texts stay in place until the end. */
struct http_call {
    enum http_method method;
    struct str url;
    struct http_header headers[HTTP_CALL_HEADERS_MAX];
    uint32_t header_count;
    struct str body; /* STR_NONE = none */
    uint64_t reply_bytes_max;
    /* A request with a body goes on by 307 and 308 only: the others would drop it. Other redirects
     * are replies like others, and so are all of them with 0. To another origin the headers
     * Authorization and Cookie do not go along. */
    uint32_t redirects_max;
    enum client_reach reach;
    bool may_be_plain; /* http:// to other machines, too */
    /* Each at most: to connect, TLS included; without progress while sending or reading the body;
     * from the last byte sent to the reply's head; all together, redirects included. */
    int64_t connect_us;
    int64_t idle_us;
    int64_t head_us;
    int64_t whole_us;
};

struct http_client;

/* Called from the loop only, never from inside a function of this header. Everything here may be
 * called from them. */
struct http_client_handler {
    /* The reply's head, whatever its status; valid during the call. */
    void (*on_head)(struct http_client *http, const struct http_head *head);
    /* The next bytes of its body, at least one. Says how many it takes; after fewer than all it is
     * called again only behind http_client_resume, with the rest. */
    uint32_t (*on_body)(struct http_client *http, struct str bytes);
    /* Once, unless it was cancelled. HTTP_FAULT_NONE: the reply was whole. `detail` is one line for
     * people, valid during the call. */
    void (*on_end)(struct http_client *http, enum http_fault fault, const char *detail);
};

enum http_client_state {
    HTTP_CLIENT_IDLE,
    HTTP_CLIENT_CONNECTING,
    HTTP_CLIENT_SENDING,
    HTTP_CLIENT_WAITING,
    HTTP_CLIENT_BODY,
};

/* How the end of a body is found (RFC 9112, 6.3). */
enum http_framing { HTTP_FRAMED_BY_LENGTH, HTTP_FRAMED_BY_CHUNKS, HTTP_FRAMED_BY_END };

/* Embedded in its owner, zeroed at first; does not move while it is not IDLE. */
struct http_client {
    struct client client; /* first: its handler gets a pointer to it */
    enum http_client_state state;
    const struct client_world *world;
    const struct http_client_handler *handler;
    struct http_call call;
    uint32_t number; /* of the call: tells whether a callback has begun anew */
    int64_t whole_deadline_us;
    uint32_t redirects;
    uint32_t interims;
    bool is_astray; /* a redirect has left the first origin */
    bool is_paused; /* the owner did not take all */
    enum http_framing framing;
    struct http_chunked chunked;
    uint64_t length_left;   /* HTTP_FRAMED_BY_LENGTH: of the body, what has not come */
    uint64_t body_bytes;    /* that have come */
    uint32_t payload_bytes; /* of the body, in front of what the connection holds */
    struct str pending;     /* of what is being sent, the rest */
    bool is_body_pending;   /* the call's body comes behind it */
    uint32_t url_len;
    uint32_t in_len;
    char url[HTTP_URL_BYTES_MAX]; /* of this hop */
    char out[HTTP_HEAD_BYTES_MAX];
    char in[HTTP_HEAD_BYTES_MAX];
};

/* `world` and `handler` outlive it. HTTP_FAULT_NONE: it runs, on_end follows. Else it is not begun:
 * HTTP_FAULT_URL, HTTP_FAULT_CALL. */
enum http_fault http_client_start(struct http_client *http, const struct client_world *world,
                                  const struct http_client_handler *handler,
                                  const struct http_call *call);
/* The owner takes more of the body. on_body follows, from the loop. */
void http_client_resume(struct http_client *http);
/* At once; on_end is not called any more. Fine when IDLE. */
void http_client_cancel(struct http_client *http);

#endif
