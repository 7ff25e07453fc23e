/*
 * The server as a whole: its memory, the end of each tick, draining. See server.h and conn.h.
 */
#include "net/conn.h"

#include "os/clock.h"
#include "os/mem.h"

#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* --- memory ------------------------------------------------------------------------------------
 */

static size_t slab_bytes(const struct server *server) {
    return (size_t)server->options.connections_max * CONN_SLOT_BYTES;
}

static size_t cold_bytes(const struct server *server) {
    return (size_t)server->options.connections_max * sizeof(uint32_t);
}

static size_t rows_bytes(const struct server *server) {
    return (size_t)server->addresses.row_count * sizeof(struct address_row);
}

static uint32_t power_of_two_above(uint32_t value) {
    uint32_t power = 1;
    while (power <= value) {
        power *= 2;
    }
    return power;
}

static enum err memory_open(struct server *server) {
    struct address_table *addresses = &server->addresses;
    addresses->row_count = power_of_two_above(2 * server->options.connections_max);
    random_bytes(addresses->key, sizeof addresses->key);
    uint64_t blocks = server->options.arena_pool_bytes / ARENA_BLOCK_BYTES;
    blocks = blocks > ARENA_POOL_BLOCKS_MAX ? ARENA_POOL_BLOCKS_MAX : blocks;
    server->arena_bytes = blocks * ARENA_BLOCK_BYTES;
    server->slab = mem_reserve(slab_bytes(server));
    server->cold = mem_reserve(cold_bytes(server));
    addresses->rows = mem_reserve(rows_bytes(server));
    server->arena_memory = mem_reserve(server->arena_bytes);
    if (server->slab == NULL || server->cold == NULL || addresses->rows == NULL ||
        server->arena_memory == NULL) {
        return ERR_IO;
    }
    arena_pool_init(&server->arenas, server->arena_memory, (uint32_t)blocks);
    return gzip_open(&server->gzip);
}

static void memory_close(struct server *server) {
    mem_release(server->slab, slab_bytes(server));
    mem_release(server->cold, cold_bytes(server));
    mem_release(server->addresses.rows, rows_bytes(server));
    mem_release(server->arena_memory, server->arena_bytes);
    if (server->gzip.memory != NULL) {
        gzip_close(&server->gzip);
    }
    mem_release(server, sizeof *server);
}

/* --- the end of a tick -------------------------------------------------------------------------
 */

static struct conn *conn_of_queue(struct conn_link *link) {
    return (struct conn *)(void *)((char *)link - offsetof(struct conn, queue));
}

static void ring_init(struct conn_link *ring) {
    ring->next = ring;
    ring->previous = ring;
}

static bool ring_is_empty(const struct conn_link *ring) {
    return ring->next == ring;
}

/* Connections with more to do: in turns, as long as the tick's share lasts. */
static void ready_run(struct server *server) {
    if (ring_is_empty(&server->ready)) {
        return;
    }
    int64_t end_us = clock_monotonic_us() + SERVER_READY_US_PER_TICK;
    do {
        struct conn *conn = conn_of_queue(server->ready.next);
        conn_dequeue(conn);
        conn_advance(conn);
    } while (!ring_is_empty(&server->ready) && clock_monotonic_us() < end_us);
}

/* Handshakes cost most and come last: at least one per tick, more while the time for them lasts. */
static void handshakes_run(struct server *server) {
    if (ring_is_empty(&server->handshakes)) {
        return;
    }
    int64_t end_us = clock_monotonic_us() + SERVER_HANDSHAKE_US_PER_TICK;
    do {
        struct conn *conn = conn_of_queue(server->handshakes.next);
        conn_dequeue(conn);
        conn_advance(conn);
    } while (!ring_is_empty(&server->handshakes) && clock_monotonic_us() < end_us);
}

static bool before_sleep(void *ctx) {
    struct server *server = ctx;
    if (!server->is_open) {
        return false;
    }
    ready_run(server);
    handshakes_run(server);
    return !ring_is_empty(&server->ready) || !ring_is_empty(&server->handshakes);
}

/* --- opening and closing -----------------------------------------------------------------------
 */

static bool wants_tls(const struct server_options *options) {
    for (uint32_t index = 0; index < options->listen_count; index++) {
        if (str_starts(options->listen[index], STR("https:"))) {
            return true;
        }
    }
    return false;
}

static enum err parts_open(struct server *server, const char **problem) {
    const struct server_options *options = &server->options;
    if (!net_list_parse(options->trusted_proxies, &server->trusted)) {
        *problem = "trusted proxies: write a comma list of ADDRESS or ADDRESS/BITS, at most 32";
        return ERR_FORMAT;
    }
    if (memory_open(server) != ERR_OK) {
        *problem = "the system has no address space for that many connections";
        return ERR_IO;
    }
    server->spare_fd = eventfd(0, EFD_CLOEXEC);
    if (wants_tls(options)) {
        enum err err =
            tls_config_open(&server->tls, &options->tls, options->tls_sessions_max, problem);
        if (err != ERR_OK) {
            return err;
        }
    }
    return listeners_open(server, problem);
}

enum err server_open(struct server **out, struct loop *loop, const struct server_options *options,
                     struct server_handler handler, const char **problem) {
    CHECK(options->connections_max > 0);
    CHECK(options->connections_max <= UINT32_MAX / 8);
    CHECK(options->arena_pool_bytes >= ARENA_BLOCK_BYTES);
    CHECK(options->head_timeout_us > 0);
    CHECK(options->body_timeout_us > 0);
    CHECK(options->idle_timeout_us > 0);
    CHECK(options->write_timeout_us > 0);
    struct server *server = mem_reserve(sizeof *server);
    if (server == NULL) {
        *problem = "no memory for the server";
        return ERR_IO;
    }
    server->loop = loop;
    server->options = *options;
    server->handler = handler;
    server->spare_fd = -1;
    ring_init(&server->ready);
    ring_init(&server->handshakes);
    enum err err = parts_open(server, problem);
    if (err != ERR_OK) {
        server_close(server);
        return err;
    }
    /* Nobody owns these any more when server_open returns. */
    memset(server->options.listen, 0, sizeof server->options.listen);
    server->options.trusted_proxies = STR_NONE;
    server->options.tls = (struct server_tls_files){STR_NONE, STR_NONE};
    loop_hook_add(loop, (struct loop_hook){before_sleep, server});
    server->is_open = true;
    *out = server;
    return ERR_OK;
}

enum err server_tls_reload(struct server *server, const struct server_tls_files *files,
                           const char **problem) {
    if (server->tls == NULL) {
        *problem = "there is no https:// listener";
        return ERR_NOT_FOUND;
    }
    return tls_config_reload(server->tls, files, problem);
}

static void connections_close(struct server *server) {
    for (uint32_t slot = 0; slot < server->fresh_count; slot++) {
        struct conn *conn = conn_at(server, slot);
        if (conn->state != CONN_FREE && conn->state != CONN_ZOMBIE) {
            conn_close(conn);
        }
    }
}

void server_close(struct server *server) {
    listeners_close(server);
    server->on_drained = NULL;
    if (server->slab != NULL) {
        connections_close(server);
    }
    loop_timer_clear(server->loop, &server->drain_timer);
    if (server->tls != NULL) {
        tls_config_close(server->tls);
    }
    if (server->spare_fd >= 0) {
        close(server->spare_fd);
    }
    memory_close(server);
}

uint16_t server_port(const struct server *server, uint32_t index) {
    CHECK(index < SERVER_LISTEN_MAX);
    return server->ports[index];
}

/* --- draining ----------------------------------------------------------------------------------
 */

static void sweep(struct server *server) {
    listeners_close(server);
    for (uint32_t slot = 0; slot < server->fresh_count; slot++) {
        struct conn *conn = conn_at(server, slot);
        if (conn_is_used(conn)) {
            conn_drain(conn);
        }
    }
    server->has_swept = true;
}

/* First at once, then at the deadline or when the last connection is gone. */
static void on_drain_due(struct loop_timer *timer) {
    struct server *server =
        (struct server *)(void *)((char *)timer - offsetof(struct server, drain_timer));
    if (!server->has_swept) {
        sweep(server);
        loop_timer_set(server->loop, timer, server->drain_deadline_us);
        server_check_drained(server);
        return;
    }
    void (*on_drained)(void *ctx) = server->on_drained;
    server->on_drained = NULL;
    connections_close(server);
    /* Closing the last one sets the timer again. */
    loop_timer_clear(server->loop, timer);
    if (on_drained != NULL) {
        on_drained(server->drained_ctx);
    }
}

void server_check_drained(struct server *server) {
    if (server->has_swept && server->stats.connections == 0 && server->on_drained != NULL) {
        loop_timer_set(server->loop, &server->drain_timer, loop_now_us(server->loop));
    }
}

void server_drain(struct server *server, int64_t deadline_us, void (*on_drained)(void *ctx),
                  void *ctx) {
    CHECK(!server->is_draining);
    CHECK(on_drained != NULL);
    server->is_draining = true;
    server->on_drained = on_drained;
    server->drained_ctx = ctx;
    server->drain_deadline_us = deadline_us;
    server->drain_timer.on_due = on_drain_due;
    /* From the timer, because the caller may sit inside a handler of ours. */
    loop_timer_set(server->loop, &server->drain_timer, loop_now_us(server->loop));
}

void server_stats_read(const struct server *server, struct server_stats *stats) {
    *stats = server->stats;
    stats->connections_max = server->options.connections_max;
    stats->arena_blocks_used = server->arenas.used_count;
    stats->arena_blocks_max = server->arenas.block_count;
}
