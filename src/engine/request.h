/*
 * A request on its way through the engine.
 *
 *   GATED -> (READ | PREPARING <-> PARKED -> QUEUED -> COMMITTING) -> ANSWERED
 *
 * engine.c makes it at on_head and moves it; commands.c moves it from QUEUED to ANSWERED.
 */
#ifndef ENGINE_REQUEST_H
#define ENGINE_REQUEST_H

#include "crypto/password.h"
#include "engine/endpoint.h"

struct engine;

enum request_state {
    REQUEST_GATED = 1,
    REQUEST_PREPARING,
    REQUEST_PARKED,
    REQUEST_QUEUED,
    REQUEST_COMMITTING,
    REQUEST_ANSWERED,
};

struct request {
    struct engine *engine;
    struct http_exchange *exchange;
    struct arena *arena;
    enum request_state state;
    struct route_match route;
    const struct endpoint *endpoint;
    struct command command; /* caller, time, input: also of reads */
    struct outcome outcome;
    char request_id[REQUEST_ID_LEN_MAX];
    struct str raw_type; /* FORM_RAW */
    struct str raw_body;
    struct str raw_gzip;
    struct str raw_name; /* to be saved under; STR_NONE: to be shown */
    uint32_t max_age_s;  /* caches may keep the reply that long; 0 = not */
    struct str idempotency_key;
    uint8_t fingerprint[32];
    uint32_t rate_limit, rate_remaining, rate_reset_s; /* 0 limit = no headers */
    enum err refusal; /* the gate's no that is worth an audit record; then nothing else is run */
    bool has_query_faults; /* outcome.faults came from the query: refused once the gate is passed */
    bool is_page;          /* endpoint->page answers */
    uint32_t step;         /* of prepare */
    struct password_job job;
    struct http_reply reply; /* rendered, waiting for the commit */
    char *reply_memory;      /* of commands: see reply_reserve */
    struct request *next;    /* in the queue */
    enum err *result;        /* of a system command */
};

/* From prepare: hashes or verifies outside the tick; prepare is called again when the result is in
 * request->job. Returns ERR_AGAIN, or ERR_UNAVAILABLE when the pool is full. */
enum err request_park_password(struct request *request);

const struct settings *request_settings(const struct request *request);
/* The snapshot of this tick. */
const struct store_view *request_view(const struct request *request);

#endif
