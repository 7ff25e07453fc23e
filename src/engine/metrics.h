/*
 * Metrics: one table of counters and gauges, and per endpoint the requests by status and a
 * histogram of durations. Written as Prometheus text 0.0.4. Fixed memory, one per process.
 *
 * Counters that happen in the engine are counted with metrics_count; facts that other parts keep
 * (store, server, process) are set with metrics_set just before they are written.
 */
#ifndef ENGINE_METRICS_H
#define ENGINE_METRICS_H

#include "base/buf.h"
#include "base/err.h"

struct router;

/* id, name, COUNTER or GAUGE, PLAIN or MICROSECONDS (written as seconds), help */
#define METRICS_TABLE(ROW)                                                                         \
    ROW(FAILED_LOGINS, "flowlet_failed_logins_total", COUNTER, PLAIN,                              \
        "Logins refused: wrong credentials or a locked account.")                                  \
    ROW(RATE_LIMITED, "flowlet_rate_limited_total", COUNTER, PLAIN,                                \
        "Requests refused with status 429.")                                                       \
    ROW(QUEUE_LENGTH, "coffer_queue_length", GAUGE, PLAIN, "Commands waiting for a batch.")        \
    ROW(OUTBOX_QUEUED, "coffer_outbox_queued", GAUGE, PLAIN, "What waits to be sent.")             \
    ROW(OUTBOX_DEAD, "coffer_outbox_dead_letters", GAUGE, PLAIN,                                   \
        "What could not be sent and waits for a person.")                                          \
    ROW(OUTBOX_DELIVERED, "coffer_outbox_delivered_total", COUNTER, PLAIN,                         \
        "What was sent and accepted.")                                                             \
    ROW(OUTBOX_RETRIED, "coffer_outbox_retried_total", COUNTER, PLAIN,                             \
        "Tries that failed for now.")                                                              \
    ROW(OUTBOX_FAILED, "coffer_outbox_failed_total", COUNTER, PLAIN, "What was given up.")         \
    ROW(STORE_SEQUENCE, "coffer_store_sequence", GAUGE, PLAIN,                                     \
        "Sequence number of the last committed batch.")                                            \
    ROW(STORE_COMMITS, "coffer_store_commits_total", COUNTER, PLAIN, "Batches made durable.")      \
    ROW(STORE_COMMANDS, "coffer_store_commands_total", COUNTER, PLAIN,                             \
        "Commands applied in durable batches.")                                                    \
    ROW(STORE_USED, "coffer_store_used_bytes", GAUGE, PLAIN, "Bytes of the store in use.")         \
    ROW(STORE_MAP, "coffer_store_map_bytes", GAUGE, PLAIN, "Bytes of the store's memory map.")     \
    ROW(STORE_COMMIT_TIME, "coffer_store_last_commit_seconds", GAUGE, MICROSECONDS,                \
        "Duration of the last batch from its begin to durable.")                                   \
    ROW(STORE_SYNC_TIME, "coffer_store_last_sync_seconds", GAUGE, MICROSECONDS,                    \
        "Part of the last batch spent waiting for the disk.")                                      \
    ROW(CONNECTIONS, "coffer_connections", GAUGE, PLAIN, "Client connections open.")               \
    ROW(CONNECTIONS_MAX, "coffer_connections_max", GAUGE, PLAIN, "Client connections allowed.")    \
    ROW(ACCEPTED, "coffer_connections_accepted_total", COUNTER, PLAIN,                             \
        "Client connections accepted.")                                                            \
    ROW(REFUSED, "coffer_connections_refused_total", COUNTER, PLAIN,                               \
        "Client connections refused because of a limit.")                                          \
    ROW(EVICTED, "coffer_connections_evicted_total", COUNTER, PLAIN,                               \
        "Idle client connections closed to make room for new ones.")                               \
    ROW(TIMED_OUT, "coffer_connections_timed_out_total", COUNTER, PLAIN,                           \
        "Client connections closed because a deadline passed.")                                    \
    ROW(MALFORMED, "coffer_requests_malformed_total", COUNTER, PLAIN,                              \
        "Requests that were not valid HTTP.")                                                      \
    ROW(HANDSHAKES_FULL, "coffer_tls_handshakes_full_total", COUNTER, PLAIN,                       \
        "Full TLS handshakes.")                                                                    \
    ROW(HANDSHAKES_RESUMED, "coffer_tls_handshakes_resumed_total", COUNTER, PLAIN,                 \
        "Resumed TLS handshakes.")                                                                 \
    ROW(HANDSHAKES_FAILED, "coffer_tls_handshakes_failed_total", COUNTER, PLAIN,                   \
        "TLS handshakes that failed.")                                                             \
    ROW(BYTES_IN, "coffer_received_bytes_total", COUNTER, PLAIN, "Bytes received from clients.")   \
    ROW(BYTES_OUT, "coffer_sent_bytes_total", COUNTER, PLAIN, "Bytes sent to clients.")            \
    ROW(REQUEST_BLOCKS, "coffer_request_memory_blocks", GAUGE, PLAIN,                              \
        "Memory blocks held by running requests.")                                                 \
    ROW(REQUEST_BLOCKS_MAX, "coffer_request_memory_blocks_max", GAUGE, PLAIN,                      \
        "Memory blocks that running requests together may hold.")                                  \
    ROW(PROCESS_CPU, "process_cpu_seconds_total", COUNTER, MICROSECONDS,                           \
        "User and system processor time.")                                                         \
    ROW(PROCESS_START, "process_start_time_seconds", GAUGE, MICROSECONDS,                          \
        "Start of the process since the Unix epoch.")                                              \
    ROW(PROCESS_RSS, "process_resident_memory_bytes", GAUGE, PLAIN, "Resident memory.")            \
    ROW(PROCESS_FDS, "process_open_fds", GAUGE, PLAIN, "Open file descriptors.")                   \
    ROW(PROCESS_THREADS, "process_threads", GAUGE, PLAIN, "Threads of the process.")

enum metric {
#define METRIC_ENUM(id, name, type, unit, help) METRIC_##id,
    METRICS_TABLE(METRIC_ENUM)
#undef METRIC_ENUM
        METRICS_COUNT
};

/* For requests that met no endpoint (unknown path, malformed, refused before routing). */
enum { METRICS_NO_ENDPOINT = 0xffffffffu };

/* Memory for all endpoints of the router, which must stay. ERR_NO_MEMORY. Opening again starts at
 * zero. */
enum err metrics_open(const struct router *router);

/* A finished request. A status of 429 also counts as METRIC_RATE_LIMITED. */
void metrics_request(uint32_t endpoint_index, uint16_t status, int64_t duration_us);
/* Counters of the table. */
void metrics_count(enum metric metric, uint64_t n);
/* A fact that somebody else keeps; or that nobody can tell, which is then left out. */
void metrics_set(enum metric metric, uint64_t value);
void metrics_unknown(enum metric metric);

/* All endpoints together. */
struct metrics_totals {
    uint64_t requests;
    uint64_t client_errors; /* 4xx */
    uint64_t server_errors; /* 5xx */
    int64_t duration_us;
};
void metrics_totals_read(struct metrics_totals *totals);

/* Room that metrics_format needs now. */
uint32_t metrics_bytes_max(void);
/* Everything, as Prometheus text 0.0.4. */
void metrics_format(struct buf *out);

#endif
