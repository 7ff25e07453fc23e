/*
 * Where connections come from and go to: the slab, the free lists, the queues, the table of
 * addresses. See conn.h for the layout of a slot.
 *
 * Guarantees: a slot is on exactly one of: in use, warm, cold, fresh. Warm slots are taken first
 * (their pages and cache lines are there), at most CONN_WARM_MAX keep their pages while free.
 */
#include "net/conn.h"

#include "os/mem.h"

#include <string.h>
#include <unistd.h>

enum {
    IN_OFFSET = CONN_FIXED_BYTES,
    OUT_OFFSET = IN_OFFSET + (TLS_IN_BYTES + 15) / 16 * 16,
    HEAD_OFFSET = OUT_OFFSET + CONN_OUT_BYTES,
    STASH_OFFSET = HEAD_OFFSET + HTTP_HEAD_BYTES_MAX,
    CONTEXT_OFFSET = (sizeof(struct conn) + 15) / 16 * 16,
};
_Static_assert(CONTEXT_OFFSET + TLS_CONTEXT_BYTES <= CONN_FIXED_BYTES, "two pages hold the rest");
_Static_assert(STASH_OFFSET + CONN_STASH_BYTES <= CONN_SLOT_BYTES, "the slot holds everything");
_Static_assert((int)CONN_OUT_BYTES >= (int)TLS_OUT_BYTES, "a record fits");
_Static_assert(sizeof(((struct server *)0)->scratch) <= CONN_STASH_BYTES, "a read can be kept");

struct conn *conn_at(struct server *server, uint32_t slot) {
    CHECK(slot < server->options.connections_max);
    return (struct conn *)(void *)(server->slab + (size_t)slot * CONN_SLOT_BYTES);
}

static uint32_t slot_of(const struct conn *conn) {
    size_t offset = (size_t)((const char *)conn - conn->server->slab);
    CHECK(offset % CONN_SLOT_BYTES == 0);
    return (uint32_t)(offset / CONN_SLOT_BYTES);
}

static uint8_t *at(struct conn *conn, uint32_t offset) {
    return (uint8_t *)conn + offset;
}

uint8_t *conn_tls_context(struct conn *conn) {
    return at(conn, CONTEXT_OFFSET);
}

uint8_t *conn_tls_in(struct conn *conn) {
    return at(conn, IN_OFFSET);
}

uint8_t *conn_out(struct conn *conn) {
    return at(conn, OUT_OFFSET);
}

uint8_t *conn_head(struct conn *conn) {
    return at(conn, HEAD_OFFSET);
}

uint8_t *conn_stash(struct conn *conn) {
    return at(conn, STASH_OFFSET);
}

bool conn_is_used(const struct conn *conn) {
    return conn->state != CONN_FREE;
}

struct conn *conn_take(struct server *server) {
    uint32_t slot;
    if (server->warm_count > 0) {
        slot = server->warm[--server->warm_count];
    } else if (server->cold_count > 0) {
        slot = server->cold[--server->cold_count];
    } else if (server->fresh_count < server->options.connections_max) {
        slot = server->fresh_count++;
    } else {
        return NULL;
    }
    struct conn *conn = conn_at(server, slot);
    CHECK(conn->state == CONN_FREE);
    /* The exchange is cleared when a head arrives. */
    memset(conn, 0, offsetof(struct conn, exchange));
    conn->server = server;
    conn->is_warm = true;
    conn->watch.fd = -1;
    server->stats.connections += 1;
    return conn;
}

void conn_free(struct conn *conn) {
    struct server *server = conn->server;
    CHECK(conn->watch.fd < 0);
    CHECK(conn->state != CONN_FREE);
    arena_reset(&conn->arena);
    conn->state = CONN_FREE;
    CHECK(server->stats.connections > 0);
    server->stats.connections -= 1;
    uint32_t slot = slot_of(conn);
    if (server->warm_count < CONN_WARM_MAX) {
        server->warm[server->warm_count++] = slot;
    } else {
        server->cold[server->cold_count++] = slot;
        mem_discard(conn, CONN_SLOT_BYTES);
    }
    server_check_drained(server);
}

void conn_close(struct conn *conn) {
    struct server *server = conn->server;
    CHECK(conn->state != CONN_FREE);
    CHECK(conn->state != CONN_ZOMBIE);
    if (conn->is_watched) {
        loop_watch_remove(server->loop, &conn->watch);
    }
    close(conn->watch.fd);
    conn->watch.fd = -1;
    loop_timer_clear(server->loop, &conn->timer);
    conn_dequeue(conn);
    if (conn->is_counted) {
        address_table_put(&server->addresses, net_address_subscriber(conn->address));
        conn->is_counted = false;
    }
    if (conn->tls != NULL) {
        tls_finish(conn->tls);
        conn->tls = NULL;
    }
    conn->raw_bytes = 0;
    conn->is_advancing = false;
    if (conn->state == CONN_HANDLER) {
        conn->state = CONN_ZOMBIE;
        return;
    }
    if (conn->state == CONN_BODY || conn->state == CONN_REPLY) {
        conn_exchange_end(conn, conn->state == CONN_REPLY ? conn->reply.status : 0);
    }
    conn_free(conn);
}

void conn_trim(struct conn *conn) {
    CHECK(conn->state == CONN_IDLE);
    bool is_empty = conn->raw_bytes == 0 && conn->out_start == conn->out_end &&
                    (conn->tls == NULL || tls_is_quiet(conn->tls));
    if (is_empty) {
        mem_discard(at(conn, CONN_FIXED_BYTES), CONN_SLOT_BYTES - CONN_FIXED_BYTES);
    }
    conn->is_trimmed = true;
}

/* --- queues ------------------------------------------------------------------------------------
 */

bool conn_is_queued(const struct conn *conn) {
    return conn->queue.next != NULL;
}

void conn_enqueue(struct conn_link *ring, struct conn *conn) {
    if (conn_is_queued(conn)) {
        return;
    }
    conn->queue.next = ring;
    conn->queue.previous = ring->previous;
    ring->previous->next = &conn->queue;
    ring->previous = &conn->queue;
}

void conn_dequeue(struct conn *conn) {
    if (!conn_is_queued(conn)) {
        return;
    }
    conn->queue.next->previous = conn->queue.previous;
    conn->queue.previous->next = conn->queue.next;
    conn->queue = (struct conn_link){NULL, NULL};
}

/* --- addresses ---------------------------------------------------------------------------------
 */

static uint64_t mix(uint64_t a, uint64_t b) {
    __extension__ unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint32_t home_of(const struct address_table *table, struct net_address address) {
    uint64_t high;
    uint64_t low;
    memcpy(&high, address.bytes, 8);
    memcpy(&low, address.bytes + 8, 8);
    uint64_t hash = mix(mix(high ^ table->key[0], low ^ table->key[1]) ^ table->key[0],
                        UINT64_C(0x9e3779b97f4a7c15) ^ table->key[1]);
    return (uint32_t)hash & (table->row_count - 1);
}

static uint32_t next_row(const struct address_table *table, uint32_t row) {
    return (row + 1) & (table->row_count - 1);
}

/* The row of the address, or the free one where it would go. */
static uint32_t find_row(const struct address_table *table, struct net_address address) {
    uint32_t row = home_of(table, address);
    while (table->rows[row].count > 0 && !net_address_equal(table->rows[row].address, address)) {
        row = next_row(table, row);
    }
    return row;
}

bool address_table_get(struct address_table *table, struct net_address address,
                       uint32_t count_max) {
    struct address_row *row = &table->rows[find_row(table, address)];
    if (row->count >= count_max) {
        return false;
    }
    row->address = address;
    row->count += 1;
    return true;
}

void address_table_put(struct address_table *table, struct net_address address) {
    uint32_t hole = find_row(table, address);
    CHECK(table->rows[hole].count > 0);
    table->rows[hole].count -= 1;
    if (table->rows[hole].count > 0) {
        return;
    }
    /* Rows behind the hole that would not be found any more move into it. */
    for (uint32_t row = next_row(table, hole); table->rows[row].count > 0;
         row = next_row(table, row)) {
        uint32_t home = home_of(table, table->rows[row].address);
        uint32_t from_home = (row - home) & (table->row_count - 1);
        uint32_t from_hole = (row - hole) & (table->row_count - 1);
        if (from_home >= from_hole) {
            table->rows[hole] = table->rows[row];
            table->rows[row].count = 0;
            hole = row;
        }
    }
}
