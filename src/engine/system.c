/*
 * System commands in fixed slots, the minute's jobs, and the notes of used sessions and keys. A
 * slot is taken when its command is queued and given back when the command is durable.
 */
#include "engine/system.h"

#include <string.h>

#include "base/time.h"
#include "os/clock.h"
#include "os/log.h"
#include "os/mem.h"

enum {
    SYSTEM_ARENA_BYTES = 4 * 1024 * 1024, /* a prune reads some hundred records */
    SYSTEM_POOL_BLOCKS = 2048,
    SYSTEM_PERIOD_US = 60 * 1000 * 1000,
};

struct system_slot {
    struct request request;
    struct arena arena;
    bool is_used;
};

static struct system_slot slots[SYSTEM_COMMANDS_MAX];
static struct arena_pool pool;
enum { TOUCH_SESSIONS, TOUCH_KEYS, TOUCH_KINDS };
static struct touches {
    struct touch_list touched;  /* this tick's, growing */
    struct touch_list touching; /* being written */
    bool is_touching;
    enum err result;
} touches[TOUCH_KINDS];
static struct engine *the_engine;
static struct loop *the_loop;
static struct loop_timer minute;
static const struct module *const *modules;
static uint32_t module_count;

static void minute_due(struct loop_timer *timer) {
    for (uint32_t m = 0; m < module_count; m++) {
        for (uint32_t i = 0; i < modules[m]->job_count; i++) {
            if (engine_run_system(the_engine, modules[m]->jobs[i], NULL, NULL) != ERR_OK) {
                log_warn("engine", "job %s was put off", modules[m]->jobs[i]->name);
            }
        }
    }
    loop_timer_set(the_loop, timer, loop_now_us(the_loop) + SYSTEM_PERIOD_US);
}

enum err system_open(struct engine *engine, struct loop *loop) {
    void *memory = mem_reserve((size_t)SYSTEM_POOL_BLOCKS * ARENA_BLOCK_BYTES);
    if (memory == NULL) {
        return ERR_NO_MEMORY;
    }
    arena_pool_init(&pool, memory, SYSTEM_POOL_BLOCKS);
    memset(slots, 0, sizeof(slots));
    the_engine = engine;
    the_loop = loop;
    memset(touches, 0, sizeof(touches));
    minute = (struct loop_timer){.on_due = minute_due};
    loop_timer_set(loop, &minute, loop_now_us(loop) + SYSTEM_PERIOD_US);
    return ERR_OK;
}

void system_modules(const struct module *const *list, uint32_t count) {
    modules = list;
    module_count = count;
}

static struct system_slot *slot_take(void) {
    for (uint32_t i = 0; i < SYSTEM_COMMANDS_MAX; i++) {
        if (!slots[i].is_used) {
            return &slots[i];
        }
    }
    return NULL;
}

enum err engine_run_system(struct engine *engine, const struct command_row *row, void *prepared,
                           enum err *result) {
    struct system_slot *slot = slot_take();
    if (slot == NULL) {
        return ERR_UNAVAILABLE;
    }
    memset(&slot->request, 0, sizeof(slot->request));
    arena_init(&slot->arena, &pool, SYSTEM_ARENA_BYTES);
    slot->is_used = true;
    struct request *request = &slot->request;
    request->engine = engine;
    request->arena = &slot->arena;
    request->result = result;
    request->state = REQUEST_PREPARING;
    struct command *command = &request->command;
    command->row = row;
    command->settings = engine_settings(engine);
    command->audit_chain = engine_audit_chain(engine);
    command->now_us = clock_wall_us();
    command->caller.kind = CALLER_SYSTEM;
    command->prepared = prepared;
    command->arena = &slot->arena;
    random_bytes(command->entropy, sizeof(command->entropy));
    enum err err = engine_queue(request);
    if (err != ERR_OK) {
        slot->is_used = false;
        arena_reset(&slot->arena);
    }
    return err;
}

void system_finish(struct request *request) {
    struct system_slot *slot = (struct system_slot *)(void *)request;
    CHECK(slot->is_used);
    if (request->result != NULL) {
        *request->result = request->outcome.err;
    }
    if (request->outcome.err != ERR_OK) {
        log_warn("engine", "%s: %s", request->command.row->name,
                 err_row(request->outcome.err)->sentence);
    }
    arena_reset(&slot->arena);
    slot->is_used = false;
}

static bool is_listed(const struct touch_list *list, struct id id) {
    for (uint32_t i = 0; i < list->count; i++) {
        if (id_equal(list->touches[i].id, id)) {
            return true;
        }
    }
    return false;
}

void system_touch(const struct caller *caller, struct net_address peer) {
    bool is_key = caller->kind == CALLER_KEY;
    struct touches *kind = &touches[is_key ? TOUCH_KEYS : TOUCH_SESSIONS];
    struct touch touch = {.id = is_key ? caller->key_id : caller->session_id, .peer = peer};
    if (is_listed(&kind->touched, touch.id) ||
        (kind->is_touching && is_listed(&kind->touching, touch.id))) {
        return;
    }
    if (kind->touched.count < TOUCH_LIST_MAX) {
        kind->touched.touches[kind->touched.count++] = touch;
    }
}

static void touches_flush(struct engine *engine, struct touches *kind,
                          const struct command_row *row) {
    if (kind->is_touching && kind->result != ERR_AGAIN) {
        kind->is_touching = false;
    }
    if (kind->touched.count == 0 || kind->is_touching) {
        return;
    }
    kind->touching = kind->touched;
    kind->result = ERR_AGAIN;
    if (engine_run_system(engine, row, &kind->touching, &kind->result) == ERR_OK) {
        kind->is_touching = true;
        kind->touched.count = 0;
    }
}

void system_flush(struct engine *engine, const struct command_row *touch_sessions,
                  const struct command_row *touch_keys) {
    touches_flush(engine, &touches[TOUCH_SESSIONS], touch_sessions);
    touches_flush(engine, &touches[TOUCH_KEYS], touch_keys);
}
