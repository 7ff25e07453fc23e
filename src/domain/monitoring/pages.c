/* What is ready as text: the documentation, its style, the OpenAPI document, the metrics. */
#include "domain/monitoring/internal.h"

#include "engine/metrics.h"
#include "engine/outbox.h"
#include "engine/page.h"

PAGE_ASSET(docs_css)

enum err pages_docs_read(struct request *request, const struct store_view *view) {
    (void)view;
    return page_reply(request, PAGE_HTML, engine_docs(request->engine));
}

enum err pages_style_read(struct request *request, const struct store_view *view) {
    static struct page style;
    (void)view;
    style.text = PAGE_TEXT(docs_css);
    return page_reply(request, PAGE_STYLE, &style);
}

enum err pages_openapi_read(struct request *request, const struct store_view *view) {
    (void)view;
    return page_reply(request, STR("application/json"), engine_openapi(request->engine));
}

/* ---- metrics ---- */

static void store_observe(struct engine *engine) {
    struct store_stats stats;
    store_stats_read(engine_store(engine), &stats);
    metrics_set(METRIC_QUEUE_LENGTH, engine_queue_length(engine));
    metrics_set(METRIC_STORE_SEQUENCE, stats.sequence);
    metrics_set(METRIC_STORE_COMMITS, stats.commits);
    metrics_set(METRIC_STORE_COMMANDS, stats.commands);
    metrics_set(METRIC_STORE_USED, stats.used_bytes);
    metrics_set(METRIC_STORE_MAP, stats.map_bytes);
    metrics_set(METRIC_STORE_COMMIT_TIME, (uint64_t)stats.last_commit_us);
    metrics_set(METRIC_STORE_SYNC_TIME, (uint64_t)stats.last_sync_us);
}

static void outbox_observe(const struct store_view *view) {
    metrics_set(METRIC_OUTBOX_QUEUED, store_count(view, &outbox_table));
    metrics_set(METRIC_OUTBOX_DEAD, store_count(view, &outbox_dead_table));
}

static void server_observe(struct engine *engine) {
    struct server_stats stats;
    server_stats_read(engine_server(engine), &stats);
    metrics_set(METRIC_CONNECTIONS, stats.connections);
    metrics_set(METRIC_CONNECTIONS_MAX, stats.connections_max);
    metrics_set(METRIC_ACCEPTED, stats.accepted);
    metrics_set(METRIC_REFUSED, stats.refused);
    metrics_set(METRIC_EVICTED, stats.evicted);
    metrics_set(METRIC_TIMED_OUT, stats.timed_out);
    metrics_set(METRIC_MALFORMED, stats.malformed);
    metrics_set(METRIC_HANDSHAKES_FULL, stats.handshakes_full);
    metrics_set(METRIC_HANDSHAKES_RESUMED, stats.handshakes_resumed);
    metrics_set(METRIC_HANDSHAKES_FAILED, stats.handshakes_failed);
    metrics_set(METRIC_BYTES_IN, stats.bytes_in);
    metrics_set(METRIC_BYTES_OUT, stats.bytes_out);
    metrics_set(METRIC_REQUEST_BLOCKS, stats.arena_blocks_used);
    metrics_set(METRIC_REQUEST_BLOCKS_MAX, stats.arena_blocks_max);
}

static void observe_known(enum metric metric, int64_t value) {
    if (value == SYSINFO_UNKNOWN) {
        metrics_unknown(metric);
    } else {
        metrics_set(metric, (uint64_t)value);
    }
}

static void process_observe(const struct engine *engine) {
    struct sysinfo_values values;
    numbers_read(engine, &values);
    observe_known(METRIC_PROCESS_CPU, values.cpu_process_us);
    observe_known(METRIC_PROCESS_RSS, values.rss_bytes);
    observe_known(METRIC_PROCESS_FDS, values.open_descriptors);
    observe_known(METRIC_PROCESS_THREADS, values.threads);
    metrics_set(METRIC_PROCESS_START, (uint64_t)engine_started_us(engine));
}

enum err metrics_read(struct request *request, const struct store_view *view) {
    if (!settings_bool(request_settings(request), SETTING_METRICS_ID)) {
        return ERR_NOT_FOUND;
    }
    store_observe(request->engine);
    outbox_observe(view);
    server_observe(request->engine);
    process_observe(request->engine);
    uint32_t bytes_max = metrics_bytes_max();
    char *memory = arena_take(request->arena, bytes_max);
    if (memory == NULL) {
        return ERR_NO_MEMORY;
    }
    struct buf text = buf_over(memory, bytes_max);
    metrics_format(&text);
    CHECK(!text.is_full);
    request->raw_type = STR("text/plain; version=0.0.4; charset=utf-8");
    request->raw_body = buf_str(&text);
    return ERR_OK;
}
