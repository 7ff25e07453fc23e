/*
 * Group commit: commands that arrived while the last commit ran go into one batch.
 *
 *   queue (QUEUED) --command_queue_step--> batch (COMMITTING) --durable--> answered
 *
 * One command in the batch: caller still valid? -> kept answer? -> check -> apply -> audit -> reply
 * rendered -> kept. The replies leave only after the commit is on disk.
 */
#include <string.h>

#include "engine/audit.h"
#include "engine/engine.h"
#include "engine/idempotency.h"
#include "os/clock.h"
#include "os/log.h"
#include "os/mem.h"

enum {
    SCRATCH_BYTES = 8 * 1024 * 1024,
    /* Gathering, see batch_gathers: below this many the gain is not worth any wait. */
    GATHER_COMMANDS_MIN = 8,
    GATHER_US_MAX = 5000,
    GATHER_SILENCE_US = 100,
};

struct command_queue {
    struct engine *engine;
    struct request *first;
    struct request *last;
    uint32_t count;
    struct request *batch[BATCH_COMMANDS_MAX];
    uint32_t batch_count;
    bool has_room; /* for the running batch */
    /* Gathering: what the last batch was and when it ended. */
    uint32_t answered_count;
    uint32_t expected_count;
    uint32_t seen_count;
    int64_t started_us;
    int64_t seen_us;
    int64_t gather_until_us;
    /* What one command may need inside the batch: its own memory, so that apply, which cannot fail,
     * does not depend on what all other requests leave. Emptied after each command. */
    struct arena_pool scratch_pool;
    struct arena scratch;
};

static struct command_queue the_queue;

enum err command_queue_open(struct engine *engine, struct command_queue **queue) {
    memset(&the_queue, 0, sizeof(the_queue));
    the_queue.engine = engine;
    void *memory = mem_reserve(SCRATCH_BYTES);
    if (memory == NULL) {
        return ERR_NO_MEMORY;
    }
    arena_pool_init(&the_queue.scratch_pool, memory, SCRATCH_BYTES / ARENA_BLOCK_BYTES);
    arena_init(&the_queue.scratch, &the_queue.scratch_pool, SCRATCH_BYTES);
    *queue = &the_queue;
    return ERR_OK;
}

enum err command_queue_put(struct command_queue *queue, struct request *request) {
    CHECK(request->state != REQUEST_QUEUED);
    CHECK(request->command.row != NULL);
    if (queue->count >= BATCH_QUEUE_MAX) {
        return ERR_UNAVAILABLE;
    }
    request->state = REQUEST_QUEUED;
    request->next = NULL;
    if (queue->last == NULL) {
        queue->first = request;
    } else {
        queue->last->next = request;
    }
    queue->last = request;
    queue->count++;
    return ERR_OK;
}

bool command_queue_is_idle(const struct command_queue *queue) {
    return queue->count == 0 && queue->batch_count == 0;
}

uint32_t command_queue_length(const struct command_queue *queue) {
    return queue->count;
}

/* ---- one command ---- */

static bool is_denial(enum err err) {
    uint16_t status = err_row(err)->status;
    return status == 401 || status == 403 || status == 423;
}

static bool leaves_audit(const struct request *request, const struct store_tx *tx, enum err err) {
    const struct command *command = &request->command;
    if (err != ERR_OK) {
        return is_denial(err);
    }
    if (command->row->action == NULL) {
        return request->outcome.action != NULL;
    }
    return store_tx_write_count(tx) > 0 || request->outcome.err != ERR_OK;
}

/* ERR_OK, or why the command is refused. ERR_EXISTS: a kept answer was found and is the reply. */
static enum err command_admit(struct request *request, const struct store_view *view) {
    if (request->refusal != ERR_OK) {
        return request->refusal;
    }
    if (!the_queue.has_room && !request->command.row->frees_room) {
        return ERR_STORE_FULL;
    }
    enum err err = engine_recheck(request, view);
    if (err != ERR_OK) {
        return err;
    }
    if (!str_is_none(request->idempotency_key)) {
        err = idempotency_find(view, request);
        if (err != ERR_NOT_FOUND) {
            return err == ERR_OK ? ERR_EXISTS : err;
        }
    }
    return request->command.row->check(view, &request->command, &request->outcome);
}

static void command_finish(struct request *request, struct store_tx *tx, enum err refused) {
    if (leaves_audit(request, tx, refused)) {
        audit_append(tx, &request->command, &request->outcome, refused);
    }
    if (refused != ERR_OK) {
        request->outcome.err = refused;
    }
    if (request->exchange == NULL) {
        return;
    }
    reply_render(request);
    if (refused == ERR_OK && !str_is_none(request->idempotency_key)) {
        idempotency_keep(tx, request);
    }
}

static void command_run(struct request *request, struct store_tx *tx) {
    memset(&request->outcome, 0, sizeof(request->outcome));
    memset(&request->reply, 0, sizeof(request->reply));
    store_tx_command(tx, request->command.entropy);
    enum err err = command_admit(request, store_tx_view(tx));
    if (err == ERR_EXISTS) {
        reply_render_kept(request);
        return;
    }
    if (err == ERR_OK) {
        request->command.row->apply(tx, &request->command, &request->outcome);
    } else {
        CHECK(store_tx_write_count(tx) == 0); /* check only reads */
        if (request->command.row->refused != NULL) {
            request->command.row->refused(tx, &request->command, err);
        }
    }
    command_finish(request, tx, err);
}

static void command_execute(struct command_queue *queue, struct request *request,
                            struct store_tx *tx) {
    struct arena *own = request->command.arena;
    request->command.arena = &queue->scratch;
    command_run(request, tx);
    request->command.arena = own;
    request->outcome.doc = NULL; /* it was in the scratch memory; the reply is text by now */
    request->outcome.data = NULL;
    request->outcome.details = NULL;
    arena_reset(&queue->scratch);
}

/* ---- batches ---- */

static uint32_t batch_run(struct store_tx *tx, void *ctx) {
    struct command_queue *queue = ctx;
    for (uint32_t i = 0; i < queue->batch_count; i++) {
        command_execute(queue, queue->batch[i], tx);
        store_tx_breathe(tx);
    }
    return queue->batch_count;
}

static void batch_done(void *ctx) {
    struct command_queue *queue = ctx;
    uint32_t count = queue->batch_count;
    int64_t now_us = clock_monotonic_us();
    int64_t patience_us = (now_us - queue->started_us) / 2;
    queue->batch_count = 0;
    queue->answered_count = count;
    queue->expected_count = count + queue->count;
    queue->gather_until_us = now_us + (patience_us < GATHER_US_MAX ? patience_us : GATHER_US_MAX);
    queue->seen_us = now_us;
    for (uint32_t i = 0; i < count; i++) {
        engine_answer(queue->batch[i]);
    }
}

/*
 * Clients that wait for their answer before they write again fall into two groups that take turns:
 * one in the batch, one in the queue, and each batch pays the disk's full wait for half of the
 * writers. So after a batch of some size the next one waits for those just answered to come back:
 * not longer than half of what the last batch took, and not through silence. A lone writer never
 * waits. (PostgreSQL's commit_delay and commit_siblings, by measurement instead of by setting.)
 */
static bool batch_gathers(struct command_queue *queue) {
    int64_t now_us = clock_monotonic_us();
    if (queue->answered_count < GATHER_COMMANDS_MIN || queue->count >= queue->expected_count ||
        queue->count >= BATCH_COMMANDS_MAX || now_us >= queue->gather_until_us) {
        return false;
    }
    if (queue->count != queue->seen_count) {
        queue->seen_count = queue->count;
        queue->seen_us = now_us;
    }
    return now_us - queue->seen_us < GATHER_SILENCE_US;
}

static void batch_gather(struct command_queue *queue) {
    CHECK(queue->batch_count == 0);
    while (queue->first != NULL && queue->batch_count < BATCH_COMMANDS_MAX) {
        struct request *request = queue->first;
        queue->first = request->next;
        request->next = NULL;
        request->state = REQUEST_COMMITTING;
        queue->batch[queue->batch_count++] = request;
        queue->count--;
    }
    if (queue->first == NULL) {
        queue->last = NULL;
    }
}

/* The store has no room: every command of the batch is answered so, nothing was done. */
static void batch_refuse(struct command_queue *queue, enum err err) {
    uint32_t count = queue->batch_count;
    queue->batch_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        queue->batch[i]->outcome.err = err;
        if (queue->batch[i]->exchange != NULL) {
            reply_render_error(queue->batch[i], err);
        }
        engine_answer(queue->batch[i]);
    }
}

bool command_queue_step(struct command_queue *queue) {
    struct store *store = engine_store(queue->engine);
    if (store_batch_is_busy(store)) {
        if (store_batch_wants_cpu(store)) {
            store_batch_step(store);
        }
    } else if (queue->count > 0) {
        if (batch_gathers(queue)) {
            return true;
        }
        batch_gather(queue);
        queue->started_us = clock_monotonic_us();
        queue->has_room = store_has_room(store);
        enum err err = store_batch_start(store, batch_run, batch_done, queue);
        if (err != ERR_OK) {
            log_error("store", "a batch was refused: %s", err_row(err)->sentence);
            batch_refuse(queue, err);
        }
    }
    if (store_batch_is_busy(store)) {
        return store_batch_wants_cpu(store);
    }
    return queue->count > 0;
}
