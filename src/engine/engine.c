/*
 * The way of a request:
 *
 *   on_head     GATED: request made in the exchange's arena, routed, gated
 *   on_request  OPTIONS or a read: ANSWERED at once
 *               a command: PREPARING, perhaps PARKED while its password is hashed, QUEUED
 *   commands.c  COMMITTING, then engine_answer: ANSWERED
 *
 * The before_sleep hook does the work between requests: one step of the batch, one slice of
 * hashing, the notes of used sessions; and ends the tick's read snapshot.
 */
#include "engine/engine.h"

#include <string.h>

#include "base/decode.h"
#include "base/time.h"
#include "engine/audit.h"
#include "engine/cookie.h"
#include "engine/docs.h"
#include "engine/gate.h"
#include "engine/idempotency.h"
#include "engine/limiter.h"
#include "engine/metrics.h"
#include "engine/openapi.h"
#include "engine/page.h"
#include "engine/outbox.h"
#include "engine/person.h"
#include "engine/system.h"
#include "os/clock.h"
#include "os/log.h"
#include "os/mem.h"

struct engine {
    struct engine_options options;
    struct server *server;
    struct command_queue *queue;
    struct password_pool passwords;
    struct loop_watch store_watch;
    struct audit_chain audit_chain;
    int64_t started_us;
    uint64_t request_seed[2];
    uint64_t request_count;
    bool is_running; /* modules have started: requests may come */
    bool stops_when_idle;
    struct page openapi; /* without text until asked for */
    struct page docs;
};

static struct engine the_engine;

/* ---- facts ---- */

struct loop *engine_loop(const struct engine *engine) {
    return engine->options.loop;
}

struct store *engine_store(struct engine *engine) {
    return engine->options.store;
}

struct server *engine_server(struct engine *engine) {
    return engine->server;
}

const struct router *engine_router(struct engine *engine) {
    return engine->options.router;
}

const struct settings *engine_settings(const struct engine *engine) {
    return engine->options.settings;
}

const struct store_seal_key *engine_seal_key(const struct engine *engine) {
    return &engine->options.seal_key;
}

const struct audit_chain *engine_audit_chain(const struct engine *engine) {
    return &engine->audit_chain;
}

int64_t engine_started_us(const struct engine *engine) {
    return engine->started_us;
}

uint32_t engine_queue_length(const struct engine *engine) {
    return command_queue_length(engine->queue);
}

struct sysinfo_source *engine_sysinfo(const struct engine *engine) {
    return engine->options.sysinfo;
}

/* Both texts are two thirds of what a start would have to do, for readers who may never come. The
 * first reader waits for some milliseconds instead, and with her everybody else, once. */
struct page *engine_openapi(struct engine *engine) {
    if (str_is_none(engine->openapi.text)) {
        engine->openapi = page_of(openapi_build(engine->options.router, engine->options.settings));
    }
    return &engine->openapi;
}

struct page *engine_docs(struct engine *engine) {
    if (str_is_none(engine->docs.text)) {
        engine->docs = page_of(docs_build(engine->options.router, engine->options.settings));
    }
    return &engine->docs;
}

void engine_set_server(struct engine *engine, struct server *server) {
    engine->server = server;
}

bool engine_is_idle(const struct engine *engine) {
    return command_queue_is_idle(engine->queue) && !password_pool_has_work(&engine->passwords) &&
           !store_batch_is_busy(engine->options.store);
}

const struct settings *request_settings(const struct request *request) {
    return request->command.settings;
}

const struct store_view *request_view(const struct request *request) {
    return store_snapshot(request->engine->options.store);
}

/* ---- making a request ---- */

static bool is_sane_request_id(struct str text) {
    if (text.len == 0 || text.len > REQUEST_ID_LEN_MAX) {
        return false;
    }
    for (uint32_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        bool is_sane = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.';
        if (!is_sane) {
            return false;
        }
    }
    return true;
}

/* Names, not secrets: unique by a counter under a random start, without a system call each. The
 * mixing is SplitMix64's finalizer, a bijection: ids of one run never repeat. */
static uint64_t mix64(uint64_t value) {
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

static struct id request_id_next(struct engine *engine) {
    uint8_t bytes[ID_BYTES];
    engine->request_count++;
    uint64_t high = mix64(engine->request_seed[0] + engine->request_count);
    uint64_t low = mix64(engine->request_seed[1] ^ high);
    memcpy(bytes, &high, sizeof(high));
    memcpy(bytes + sizeof(high), &low, sizeof(low));
    return id_from_entropy(bytes);
}

/* The client's id when it is sane (contract defect 28), else a new one. */
static void request_name(struct request *request) {
    struct str given = http_header(&request->exchange->head, STR("X-Request-ID"));
    struct buf out = buf_over(request->request_id, sizeof(request->request_id));
    if (is_sane_request_id(given)) {
        buf_put_str(&out, given);
    } else {
        id_format(request_id_next(request->engine), &out);
    }
    request->command.request_id = buf_str(&out);
}

/* Cut between characters; nothing at all when it is not UTF-8. */
static struct str user_agent_cut(struct str agent) {
    uint32_t len = agent.len < USER_AGENT_LEN_MAX ? agent.len : USER_AGENT_LEN_MAX;
    for (uint32_t i = 0; i < 4 && i < len; i++) {
        struct str cut = str_slice(agent, 0, len - i);
        if (utf8_is_valid(cut)) {
            return cut;
        }
    }
    return STR_NONE;
}

static struct request *request_make(struct engine *engine, struct http_exchange *exchange) {
    struct request *request = ARENA_NEW(exchange->arena, struct request);
    if (request == NULL) {
        return NULL;
    }
    request->engine = engine;
    request->exchange = exchange;
    request->arena = exchange->arena;
    request->state = REQUEST_GATED;
    struct command *command = &request->command;
    command->settings = engine->options.settings;
    command->audit_chain = &engine->audit_chain;
    command->now_us = clock_wall_us();
    command->peer = exchange->peer;
    command->arena = exchange->arena;
    struct str agent = http_header(&exchange->head, STR("User-Agent"));
    command->user_agent = user_agent_cut(agent);
    command->if_match = http_header(&exchange->head, STR("If-Match"));
    command->wants_cookie = cookie_is_wanted(&exchange->head);
    request_name(request);
    exchange->context[0] = (uint64_t)(uintptr_t)request;
    return request;
}

static struct request *request_of(const struct http_exchange *exchange) {
    return (struct request *)(uintptr_t)exchange->context[0];
}

/* ---- where it leads ---- */

/* Browsers name text/html when they go to an address; programs do not. */
static bool wants_page(const struct http_head *head) {
    struct str accept = http_header(head, STR("Accept"));
    while (!str_is_none(accept)) {
        struct str range = str_split(&accept, ',');
        if (str_equal_nocase(str_trim(str_split(&range, ';')), STR("text/html"))) {
            return true;
        }
    }
    return false;
}

/* Sets route and endpoint, and decides about requests that no row takes: when the path has rows of
 * other methods it is 405 in the dialect of those rows; when it has none, when its {params} cannot
 * be what they must be, or when its dialect is switched off, it is 404 in the unified dialect. */
static void route_settle(struct request *request) {
    const struct http_head *head = &request->exchange->head;
    struct route_match *route = &request->route;
    router_match(request->engine->options.router, head->method, head->path, route);
    request->endpoint = route->endpoint;
    if (route->neighbour == NULL) {
        return;
    }
    const struct dialect *dialect = route->neighbour->dialect;
    bool is_off = dialect != NULL && !settings_bool(request_settings(request), dialect->enabled_by);
    request->is_page = request->endpoint != NULL && request->endpoint->page != NULL &&
                       (is_off || wants_page(head));
    bool is_there = request->endpoint != NULL ? !is_off || request->is_page
                                              : !is_off && gate_path_is_possible(request);
    if (!is_there) {
        memset(route, 0, sizeof(*route));
        request->endpoint = NULL;
    }
}

/* ---- the server's calls ---- */

static enum err on_head(void *ctx, struct http_exchange *exchange, uint64_t *body_bytes_max) {
    struct engine *engine = ctx;
    if (!engine->is_running) {
        return ERR_UNAVAILABLE;
    }
    struct request *request = request_make(engine, exchange);
    if (request == NULL) {
        return ERR_NO_MEMORY;
    }
    *body_bytes_max = HTTP_BODY_BYTES_DEFAULT;
    route_settle(request);
    if (exchange->head.method == HTTP_OPTIONS) {
        return ERR_OK;
    }
    if (request->endpoint == NULL) {
        return request->route.allow != 0 ? ERR_METHOD : ERR_NOT_FOUND;
    }
    enum err err =
        gate_pass(request, engine->options.authenticator, engine->options.keys, body_bytes_max);
    if (request->command.caller.is_stale) {
        system_touch(&request->command.caller, request->command.peer);
    }
    return err;
}

static void answer_count(const struct request *request) {
    uint16_t status = request->reply.status;
    if (request->endpoint != NULL &&
        (request->endpoint->rate == RATE_LOGIN || request->endpoint->rate == RATE_FACTOR ||
         request->endpoint->rate == RATE_PASSKEY ||
         request->endpoint->rate == RATE_CUSTOMER_LOGIN) &&
        (status == 401 || status == 423)) {
        metrics_count(METRIC_FAILED_LOGINS, 1);
    }
}

void engine_answer(struct request *request) {
    CHECK(request->state != REQUEST_ANSWERED);
    request->state = REQUEST_ANSWERED;
    answer_count(request);
    if (request->exchange == NULL) {
        system_finish(request);
        return;
    }
    server_reply(request->engine->server, request->exchange, &request->reply);
}

static void request_refuse(struct request *request, enum err err) {
    reply_render_error(request, err);
    engine_answer(request);
}

enum err engine_queue(struct request *request) {
    return command_queue_put(request->engine->queue, request);
}

/* Runs prepare, as often as it parks, and then queues. */
static void request_prepare(struct request *request) {
    const struct command_row *row = request->command.row;
    request->state = REQUEST_PREPARING;
    enum err err = ERR_OK;
    if (row->prepare != NULL && request->refusal == ERR_OK) {
        err = row->prepare(request);
    }
    if (err == ERR_AGAIN) {
        request->state = REQUEST_PARKED;
        return;
    }
    if (err == ERR_OK) {
        err = reply_reserve(request);
    }
    if (err == ERR_OK) {
        err = engine_queue(request);
    }
    if (err != ERR_OK) {
        request_refuse(request, err);
    }
}

static void request_command(struct request *request) {
    struct command *command = &request->command;
    command->row = request->endpoint->command;
    random_bytes(command->entropy, sizeof(command->entropy));
    enum err err = request->refusal == ERR_OK ? gate_body(request) : ERR_OK;
    if (err == ERR_OK) {
        err = idempotency_parse(request);
    }
    if (err != ERR_OK) {
        request_refuse(request, err);
        return;
    }
    request_prepare(request);
}

/* A refused permission of a read leaves its audit record through a command that does nothing. */
static enum err refused_check(const struct store_view *view, const struct command *command,
                              struct outcome *outcome) {
    (void)view;
    (void)command;
    (void)outcome;
    return ERR_FORBIDDEN;
}

static void refused_apply(struct store_tx *tx, const struct command *command,
                          struct outcome *outcome) {
    (void)tx;
    (void)command;
    (void)outcome;
    CHECK(false);
}

static const struct command_row refused_read = {
    .name = "access.refused",
    .action = "access.refused",
    .check = refused_check,
    .apply = refused_apply,
};

static void read_note(struct request *request, const struct command_row *row) {
    request->command.row = row;
    random_bytes(request->command.entropy, sizeof(request->command.entropy));
    request_prepare(request);
}

static void request_read(struct request *request) {
    if (request->refusal == ERR_OK) {
        const struct endpoint *row = request->endpoint;
        request->outcome.err =
            (request->is_page ? row->page : row->read)(request, request_view(request));
        if (request->outcome.err == ERR_FORBIDDEN) {
            request->refusal = ERR_FORBIDDEN; /* of somebody else's things: leaves a record, too */
        }
    }
    if (request->refusal != ERR_OK) {
        read_note(request, &refused_read);
        return;
    }
    if (request->endpoint->note != NULL && request->outcome.err == ERR_OK) {
        read_note(request, request->endpoint->note);
        return;
    }
    reply_render(request);
    engine_answer(request);
}

static void on_request(void *ctx, struct http_exchange *exchange) {
    (void)ctx;
    struct request *request = request_of(exchange);
    CHECK(request != NULL);
    if (exchange->head.method == HTTP_OPTIONS) {
        reply_render_options(request);
        engine_answer(request);
    } else if (request->endpoint->read != NULL) {
        request_read(request);
    } else {
        request_command(request);
    }
}

static void on_refusal(void *ctx, struct http_exchange *exchange, enum err why,
                       struct http_reply *reply) {
    const struct engine *engine = ctx;
    struct request *request = request_of(exchange);
    if (request == NULL && engine->is_running) {
        request = request_make(ctx, exchange);
    }
    if (request == NULL) {
        reply_render_alone(reply, why);
        return;
    }
    reply_render_error(request, why);
    *reply = request->reply;
}

static void on_done(void *ctx, const struct http_exchange *exchange, uint16_t status,
                    uint64_t bytes_out) {
    (void)ctx;
    (void)bytes_out;
    const struct request *request = request_of(exchange);
    uint32_t index =
        request != NULL && request->endpoint != NULL ? request->route.index : METRICS_NO_ENDPOINT;
    metrics_request(index, status, clock_monotonic_us() - exchange->started_us);
}

struct server_handler engine_handler(void) {
    return (struct server_handler){.on_head = on_head,
                                   .on_request = on_request,
                                   .on_refusal = on_refusal,
                                   .on_done = on_done,
                                   .ctx = &the_engine};
}

/* ---- passwords ---- */

enum err request_park_password(struct request *request) {
    request->job.owner = request;
    enum err err = password_pool_start(&request->engine->passwords, &request->job);
    return err == ERR_OK ? ERR_AGAIN : err;
}

static void passwords_step(struct engine *engine) {
    password_pool_step(&engine->passwords);
    struct password_job *job = password_pool_take_done(&engine->passwords);
    while (job != NULL) {
        request_prepare(job->owner);
        job = password_pool_take_done(&engine->passwords);
    }
}

/* ---- the tick ---- */

/* What the gate decided may have changed since: logout, suspension, another role. */
enum err engine_recheck(struct request *request, const struct store_view *view) {
    const struct engine_options *options = &the_engine.options;
    struct caller *caller = &request->command.caller;
    enum err err = ERR_OK;
    if (caller->kind == CALLER_USER) {
        err = options->authenticator->recheck(view, request->command.settings,
                                              request->command.now_us, request->command.arena,
                                              caller);
    } else if (caller->kind == CALLER_KEY) {
        err = options->keys->recheck(view, request->command.now_us, request->command.arena, caller);
    } else if (caller->kind == CALLER_CUSTOMER) {
        err = request->endpoint->dialect->recheck(view, request->command.now_us,
                                                  request->command.arena, caller);
    } else {
        return ERR_OK;
    }
    return err == ERR_OK ? gate_permit(request->endpoint, caller) : err;
}

static void on_store_ready(struct loop_watch *watch, uint32_t events) {
    (void)watch;
    (void)events;
    if (store_batch_is_busy(the_engine.options.store)) {
        store_batch_step(the_engine.options.store);
    }
}

static bool before_sleep(void *ctx) {
    struct engine *engine = ctx;
    passwords_step(engine);
    system_flush(engine, engine->options.authenticator->touch, engine->options.keys->touch);
    store_tick_end(engine->options.store);
    bool has_more = command_queue_step(engine->queue);
    if (engine->server != NULL) { /* the tools write, but they send nothing */
        has_more |= outbox_step(!engine->stops_when_idle);
    }
    if (engine->stops_when_idle && engine_is_idle(engine)) {
        loop_stop(engine->options.loop, 0);
    }
    return has_more || password_pool_has_work(&engine->passwords);
}

void engine_settle(struct engine *engine) {
    engine->stops_when_idle = true;
    loop_run(engine->options.loop);
    engine->stops_when_idle = false;
}

/* ---- start ---- */

static enum err passwords_open(struct engine *engine) {
    struct password_memory memory = {
        .bytes = SCRYPT_MEMORY_BYTES_MAX + SCRYPT_OVERHEAD_BYTES,
        .discard = mem_discard,
    };
    memory.memory = mem_reserve(memory.bytes);
    password_pool_init(&engine->passwords, memory);
    return memory.memory != NULL ? ERR_OK : ERR_NO_MEMORY;
}

static enum err modules_start(struct engine *engine, const char **problem) {
    for (uint32_t i = 0; i < engine->options.module_count; i++) {
        const struct module *module = engine->options.modules[i];
        if (module->start != NULL) {
            enum err err = module->start(engine, problem);
            if (err != ERR_OK) {
                return err;
            }
        }
    }
    return ERR_OK;
}

static enum err engine_parts_open(struct engine *engine, const char **problem) {
    const struct engine_options *options = &engine->options;
    uint8_t salt[16];
    random_bytes(salt, sizeof(salt));
    limiter_open(salt);
    random_bytes(engine->request_seed, sizeof(engine->request_seed));
    audit_chain_init(&engine->audit_chain, &options->seal_key);
    reply_headers_open(options->settings);
    *problem = "there is no memory for the engine";
    enum err err = metrics_open(options->router);
    if (err == ERR_OK) {
        err = passwords_open(engine);
    }
    if (err == ERR_OK) {
        err = command_queue_open(engine, &engine->queue);
    }
    if (err == ERR_OK) {
        err = system_open(engine, options->loop);
    }
    if (err == ERR_OK) {
        err = outbox_open(engine, options->loop);
    }
    if (err != ERR_OK) {
        return err;
    }
    system_modules(options->modules, options->module_count);
    engine->store_watch =
        (struct loop_watch){.fd = store_wait_fd(options->store), .on_ready = on_store_ready};
    *problem = "the store's descriptor cannot be watched";
    return loop_watch_add(options->loop, &engine->store_watch, LOOP_READ);
}

enum err engine_open(struct engine **engine, const struct engine_options *options,
                     const char **problem) {
    memset(&the_engine, 0, sizeof(the_engine));
    the_engine.options = *options;
    the_engine.started_us = clock_wall_us();
    enum err err = person_open(options->modules, options->module_count, problem);
    if (err == ERR_OK) {
        err = engine_parts_open(&the_engine, problem);
    }
    if (err != ERR_OK) {
        return err;
    }
    loop_hook_add(options->loop, (struct loop_hook){before_sleep, &the_engine});
    *engine = &the_engine;
    err = modules_start(&the_engine, problem);
    the_engine.is_running = err == ERR_OK;
    return err;
}
