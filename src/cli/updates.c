/* Watches for an update that an administrator wants installed: then the server has to end, with a
 * code that tells PID 1 why. Looks once a second; what it sees is committed. */
#include "cli/machine.h"

#include "base/time.h"
#include "domain/appliance/appliance.h"
#include "os/loop.h"

enum { UPDATES_ARENA_BYTES = 64 * 1024 };

struct updates {
    struct loop_timer timer; /* first: the callback gets its address */
    struct loop *loop;
    struct engine *engine;
    cli_updates_wanted on_wanted;
    void *ctx;
    struct arena_pool pool;
    struct arena arena;
};

static struct updates the_updates;

static void on_due(struct loop_timer *timer) {
    struct updates *updates = (struct updates *)(void *)timer;
    arena_reset(&updates->arena);
    if (update_is_requested(store_snapshot(engine_store(updates->engine)), &updates->arena)) {
        updates->on_wanted(updates->ctx);
        return;
    }
    loop_timer_set(updates->loop, timer, loop_now_us(updates->loop) + TIME_US_PER_S);
}

void cli_updates_open(struct loop *loop, struct engine *engine, cli_updates_wanted on_wanted,
                      void *ctx) {
    static char memory[UPDATES_ARENA_BYTES] __attribute__((aligned(64)));
    struct updates *updates = &the_updates;
    arena_pool_init(&updates->pool, memory, sizeof(memory) / ARENA_BLOCK_BYTES);
    arena_init(&updates->arena, &updates->pool, sizeof(memory));
    updates->timer = (struct loop_timer){.on_due = on_due};
    updates->loop = loop;
    updates->engine = engine;
    updates->on_wanted = on_wanted;
    updates->ctx = ctx;
    loop_timer_set(loop, &updates->timer, loop_now_us(loop) + TIME_US_PER_S);
}
