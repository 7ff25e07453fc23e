/* The line on a machine's console that stays current: whoever looks sees the last ten seconds. */
#include "cli/machine.h"

#include <string.h>

#include "base/time.h"
#include "net/server.h"
#include "os/clock.h"
#include "os/loop.h"
#include "store/store.h"

enum { STATUS_EVERY_S = 10 };

struct status {
    struct loop_timer timer; /* first: the callback gets its address */
    struct loop *loop;
    struct engine *engine;
    struct server *server;
    int64_t started_us;
    int64_t said_us;
    uint64_t requests;
    uint64_t store_bytes;
    uint32_t connections;
    uint64_t rate_deci; /* requests per ten seconds, as last said */
};

static struct status the_status;

static void uptime_put(struct buf *out, int64_t seconds) {
    buf_printf(out, "%lldd %02lld:%02lld:%02lld", (long long)(seconds / 86400),
               (long long)(seconds / 3600 % 24), (long long)(seconds / 60 % 60),
               (long long)(seconds % 60));
}

static void status_say(struct status *status, int64_t now_us) {
    char text[160];
    struct buf out = buf_over(text, sizeof(text) - 1);
    uptime_put(&out, (now_us - status->started_us) / TIME_US_PER_S);
    buf_printf(&out, "  connections %u  requests/s %llu.%llu  store %llu KiB", status->connections,
               (unsigned long long)(status->rate_deci / 10),
               (unsigned long long)(status->rate_deci % 10),
               (unsigned long long)(status->store_bytes / 1024));
    text[out.len] = 0;
    cli_say("[coffer] up %s", text);
}

static void on_due(struct loop_timer *timer) {
    struct status *status = (struct status *)(void *)timer;
    struct server_stats server;
    struct store_stats store;
    int64_t now_us = loop_now_us(status->loop);
    server_stats_read(status->server, &server);
    store_stats_read(engine_store(status->engine), &store);
    uint64_t elapsed_ds = (uint64_t)(now_us - status->said_us) / (TIME_US_PER_S / 10) + 1;
    uint64_t rate_deci = (server.requests - status->requests) * 100 / elapsed_ds;
    bool is_changed = server.connections != status->connections || rate_deci != status->rate_deci ||
                      store.used_bytes != status->store_bytes;
    status->requests = server.requests;
    status->connections = server.connections;
    status->store_bytes = store.used_bytes;
    status->rate_deci = rate_deci;
    status->said_us = now_us;
    if (is_changed) {
        status_say(status, now_us);
    }
    loop_timer_set(status->loop, timer, now_us + STATUS_EVERY_S * TIME_US_PER_S);
}

void cli_status_open(struct loop *loop, struct engine *engine, struct server *server) {
    struct status *status = &the_status;
    memset(status, 0, sizeof(*status));
    status->timer.on_due = on_due;
    status->loop = loop;
    status->engine = engine;
    status->server = server;
    status->started_us = clock_monotonic_us();
    status->said_us = status->started_us;
    loop_timer_set(loop, &status->timer, status->started_us + STATUS_EVERY_S * TIME_US_PER_S);
}
