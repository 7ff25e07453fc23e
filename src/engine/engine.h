/*
 * The engine: takes requests from the server, sends them through gate, decoding and either a read
 * or a command batch, and renders the replies. One per process.
 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "engine/request.h"

/* Who turns a bearer token into a caller: the auth domain. */
struct authenticator {
    /* ERR_TOKEN_INVALID, ERR_TOKEN_EXPIRED, ERR_SESSION_INACTIVE, ERR_ACCOUNT_INACTIVE. */
    enum err (*resolve)(const struct store_view *view, const struct settings *settings,
                        int64_t now_us, struct str token, struct arena *arena,
                        struct caller *caller);
    /* In the batch: is the caller still who it was (session alive, user active, role)? */
    enum err (*recheck)(const struct store_view *view, const struct settings *settings,
                        int64_t now_us, struct arena *arena, struct caller *caller);
    /* System command: notes that the sessions of command->prepared (struct touch_list) were used.
     */
    const struct command_row *touch;
};

/* How an API key is shown. */
struct key_attempt {
    struct str key;
    struct str path; /* of the request */
    struct net_address peer;
    int64_t now_us;
};

/* Who turns an API key into a caller: the domain of organizations. */
struct key_authenticator {
    /* ERR_KEY_INVALID, ERR_KEY_EXPIRED; ERR_KEY_PLACE: not from this address or for this path. */
    enum err (*resolve)(const struct store_view *view, const struct key_attempt *attempt,
                        struct arena *arena, struct caller *caller);
    /* In the batch: is the key still good, and for what? */
    enum err (*recheck)(const struct store_view *view, int64_t now_us, struct arena *arena,
                        struct caller *caller);
    const struct command_row *touch; /* as that of sessions */
};

/* What was used, and from where: once per tick and thing. */
enum { TOUCH_LIST_MAX = 256 };
struct touch_list {
    struct touch {
        struct id id;
        struct net_address peer;
    } touches[TOUCH_LIST_MAX];
    uint32_t count;
};

struct engine_options {
    struct loop *loop;
    struct store *store;
    const struct settings *settings;
    struct store_seal_key seal_key;
    const struct router *router;
    const struct module *const *modules;
    uint32_t module_count;
    const struct authenticator *authenticator;
    const struct key_authenticator *keys;
    struct sysinfo_source *sysinfo; /* NULL for one-off commands */
};

/* The engine is static: one per process. On failure *problem is a sentence. */
enum err engine_open(struct engine **engine, const struct engine_options *options,
                     const char **problem);
/* Also before engine_open: sockets are bound first. Until the engine runs it answers 503. */
struct server_handler engine_handler(void);
void engine_set_server(struct engine *engine, struct server *server);
/* Runs the loop until every queued command is durable: for first-boot writes and subcommands. */
void engine_settle(struct engine *engine);
/* True when no command waits and no batch runs: the moment to close the store. */
bool engine_is_idle(const struct engine *engine);

struct loop *engine_loop(const struct engine *engine);
struct store *engine_store(struct engine *engine);
struct server *engine_server(struct engine *engine);
const struct router *engine_router(struct engine *engine);
const struct settings *engine_settings(const struct engine *engine);
const struct store_seal_key *engine_seal_key(const struct engine *engine);
const struct audit_chain *engine_audit_chain(const struct engine *engine);
int64_t engine_started_us(const struct engine *engine); /* wall clock */
struct sysinfo_source *engine_sysinfo(const struct engine *engine);
uint32_t engine_queue_length(const struct engine *engine);

/* Generated when first asked for; constant afterwards. */
struct page *engine_openapi(struct engine *engine);
struct page *engine_docs(struct engine *engine);

/* ---- for the parts of the engine ---- */

/* commands.c */
struct command_queue;
enum err command_queue_open(struct engine *engine, struct command_queue **queue);
/* Takes a QUEUED request; answers it through engine_answer after the commit. ERR_UNAVAILABLE when
 * the queue is full. */
enum err command_queue_put(struct command_queue *queue, struct request *request);
bool command_queue_is_idle(const struct command_queue *queue);
uint32_t command_queue_length(const struct command_queue *queue);
/* Starts or continues a batch; true when there is more to do at once. */
bool command_queue_step(struct command_queue *queue);

/* engine.c: into the command queue. ERR_UNAVAILABLE when it is full. */
enum err engine_queue(struct request *request);
/* engine.c: the reply is final (request->reply): hand it to the server. */
void engine_answer(struct request *request);
/* Is the caller of a queued command still valid inside the batch? */
enum err engine_recheck(struct request *request, const struct store_view *view);

/* A system command outside any request. `prepared` must live until it is done; *result (may be
 * NULL) then gets the outcome's error. ERR_UNAVAILABLE when SYSTEM_COMMANDS_MAX run already. */
enum { SYSTEM_COMMANDS_MAX = 32 };
enum err engine_run_system(struct engine *engine, const struct command_row *row, void *prepared,
                           enum err *result);

/* reply.c: takes the memory for the reply of a command before it is queued: once it is executed it
 * is too late to be out of memory. ERR_NO_MEMORY. */
enum err reply_reserve(struct request *request);
/* reply.c: fills request->reply from request->outcome. */
void reply_render(struct request *request);
/* An idempotent repetition: status and body are the kept ones. */
void reply_render_kept(struct request *request);
/* Refusals before there is a request. */
void reply_render_error(struct request *request, enum err err);
void reply_headers_open(const struct settings *settings);
/* Is it one of cors.origins, by name? `*` names none: with it browsers send no cookies. */
bool reply_origin_is_listed(struct str origin);
/* Where there is no request, nor memory for one: constant texts. */
void reply_render_alone(struct http_reply *reply, enum err err);
/* CORS preflight and OPTIONS. */
void reply_render_options(struct request *request);

#endif
