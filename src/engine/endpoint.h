/*
 * An endpoint is one constant row. From it come the router (404 against 405 + Allow), the gate,
 * decoding and validation, OpenAPI, /docs, metrics, and the generated authorization and boundary
 * tests. endpoints_check refuses unsound rows before the server listens.
 */
#ifndef ENGINE_ENDPOINT_H
#define ENGINE_ENDPOINT_H

#include "engine/command.h"
#include "engine/dialect.h"

enum endpoint_auth {
    AUTH_NONE = 1, /* anyone; a token is not looked at */
    AUTH_SESSION,  /* a session, limited ones too */
    AUTH_FULL,     /* a session that is not limited */
    AUTH_PASSWORD, /* the same, or one that may only change its password */
    AUTH_DIALECT,  /* whom the row's dialect knows */
};

/* Rate classes: how much per minute is a setting; see limiter.c. */
enum rate_class {
    RATE_NONE,
    RATE_REGISTER,
    RATE_LOGIN,
    RATE_FACTOR, /* whatever takes a one-time code */
    RATE_PASSKEY,
    RATE_TOKEN,
    RATE_READ,
    RATE_WRITE,
    RATE_CUSTOMER_REGISTER, /* the Gatekeeper paths count theirs apart */
    RATE_CUSTOMER_LOGIN,
};

/* How the reply is dressed. */
enum endpoint_form {
    FORM_ENVELOPE, /* as the dialect dresses successes: the unified envelope */
    FORM_BARE,     /* data is the whole JSON body; errors are dressed */
    FORM_RAW,      /* read fills request->raw itself (text, HTML) */
};

enum { ENDPOINT_ERRORS_MAX = 12 };

struct endpoint {
    const char *id; /* unique, stable: operationId, metric slot: "auth_login" */
    enum http_method method;
    const char *path; /* "/api/v1/auth/sessions/{id}" */
    const char *doc;
    const char *tag; /* group in the documentation */
    enum endpoint_auth auth;
    uint32_t roles;  /* who may, of those logged in; 0 = ROLE_ANY */
    uint32_t scopes; /* an API key with one of these may, too; 0 = keys are not looked at */
    enum rate_class rate;
    enum endpoint_form form;
    const struct dialect *dialect; /* NULL = the unified one */
    uint32_t body_bytes_max;       /* 0 = HTTP_BODY_BYTES_DEFAULT when there is a body schema */
    const struct schema *params;   /* path and query parameters */
    const struct schema *body;     /* NULL = a body is ignored */
    bool is_body_optional;
    const struct schema *output;          /* of data; documentation and reply test */
    uint16_t status;                      /* of success; 0 = 200 */
    enum err errors[ENDPOINT_ERRORS_MAX]; /* besides those that its kind implies; ERR_OK ends */
    /* exactly one of */
    const struct command_row *command;
    enum err (*read)(struct request *request, const struct store_view *view);
    /* With a raw read: a command that leaves its audit record. The answer goes out when that is on
     * disk. */
    const struct command_row *note;
    /* Beside read: a page (raw) that browsers, `Accept: text/html`, get there instead; open to all.
     * May be NULL. */
    enum err (*page)(struct request *request, const struct store_view *view);
};

struct engine;

/* A domain: what it brings. */
struct module {
    const char *name;
    /* Once, when store and loop are there: load what is kept in memory. May be NULL. */
    enum err (*start)(struct engine *engine, const char **problem);
    /* System commands run every minute; each does a bounded piece. */
    const struct command_row *const *jobs;
    uint32_t job_count;
    const struct table *const *tables;
    uint32_t table_count;
    const struct endpoint *endpoints;
    uint32_t endpoint_count;
};

/* ---- routing ---- */

struct router;

enum { ROUTE_PARAMS_MAX = 6 };
struct route_match {
    const struct endpoint *endpoint;     /* NULL: see allow */
    uint32_t index;                      /* dense number of the endpoint */
    const struct endpoint *neighbour;    /* a row of the same path, of whatever method */
    struct str values[ROUTE_PARAMS_MAX]; /* still percent-encoded, in pattern order */
    struct str names[ROUTE_PARAMS_MAX];
    uint32_t value_count;
    uint32_t allow; /* bits 1 << enum http_method of the path; 0 = unknown path */
};

/* Checks all rows and builds the router. On failure *problem names the row. */
enum err router_open(const struct router **router, const struct module *const *modules,
                     uint32_t module_count, const char **problem);
void router_match(const struct router *router, enum http_method method, struct str path,
                  struct route_match *match);
uint32_t router_endpoint_count(const struct router *router);
const struct endpoint *router_endpoint(const struct router *router, uint32_t index);
/* "GET, HEAD, POST, OPTIONS" */
void router_allow_format(uint32_t allow, struct buf *out);

#endif
