/*
 * Metrics, see metrics.h. Memory: one slot per endpoint and one for requests that met none, from
 * the kernel at start. A slot remembers up to STATUSES_MAX different statuses; a further one is
 * counted as status "other", so that a slot never grows.
 */
#include "engine/metrics.h"

#include "base/time.h"
#include "base/version.h"
#include "engine/endpoint.h"
#include "os/mem.h"

#include <string.h>

enum {
    /* An endpoint has one success and a dozen errors at most. */
    STATUSES_MAX = 16,
    PATH_LEN_MAX = 128,
    /* A sample: the family's name, its labels, a value; the longest is about 150. */
    LINE_BYTES_MAX = 128 + PATH_LEN_MAX,
    /* HELP and TYPE of one family. */
    FAMILY_BYTES_MAX = 512,
    FAMILIES_MAX = METRICS_COUNT + 3,
};

/* Upper bounds. From the sharp end of what a read takes (tens of microseconds) to where a deadline
 * strikes. Whatever is above falls into +Inf. */
static const int64_t bucket_bounds_us[] = {100,     250,     500,     1000,    2500,   5000,
                                           10000,   25000,   50000,   100000,  250000, 500000,
                                           1000000, 2500000, 5000000, 10000000};
enum { BUCKETS = COUNT_OF(bucket_bounds_us) + 1 };

struct status_count {
    uint64_t count;
    uint16_t status;
};

struct metrics_slot {
    struct status_count statuses[STATUSES_MAX];
    uint32_t status_count;
    uint64_t other;
    uint64_t buckets[BUCKETS]; /* not cumulative */
    uint64_t requests;
    int64_t duration_us;
};

enum metric_type { COUNTER, GAUGE };
enum metric_unit { PLAIN, MICROSECONDS };

struct metric_row {
    const char *name;
    enum metric_type type;
    enum metric_unit unit;
    const char *help;
};

static const struct metric_row metric_rows[] = {
#define METRIC_ROW(id_, name_, type_, unit_, help_)                                                \
    {.name = name_, .type = type_, .unit = unit_, .help = help_},
    METRICS_TABLE(METRIC_ROW)
#undef METRIC_ROW
};
_Static_assert(COUNT_OF(metric_rows) == METRICS_COUNT, "one row per metric");

static const char *const type_names[] = {[COUNTER] = "counter", [GAUGE] = "gauge"};

static struct {
    const struct router *router;
    struct metrics_slot *slots; /* endpoint_count + 1; the last for METRICS_NO_ENDPOINT */
    size_t slots_bytes;
    uint32_t endpoint_count;
    struct metrics_totals totals;
    uint64_t values[METRICS_COUNT];
    bool is_unknown[METRICS_COUNT];
} metrics;

enum err metrics_open(const struct router *router) {
    CHECK(router != NULL);
    mem_release(metrics.slots, metrics.slots_bytes);
    memset(&metrics, 0, sizeof metrics);
    metrics.endpoint_count = router_endpoint_count(router);
    metrics.slots_bytes = (metrics.endpoint_count + (size_t)1) * sizeof *metrics.slots;
    metrics.slots = mem_reserve(metrics.slots_bytes);
    if (metrics.slots == NULL) {
        return ERR_NO_MEMORY;
    }
    for (uint32_t index = 0; index < metrics.endpoint_count; index += 1) {
        CHECK(strlen(router_endpoint(router, index)->path) <= PATH_LEN_MAX);
    }
    metrics.router = router;
    return ERR_OK;
}

/* ---- counting ---- */

static void status_count(struct metrics_slot *slot, uint16_t status) {
    uint32_t index = 0;
    while (index < slot->status_count && slot->statuses[index].status != status) {
        index += 1;
    }
    if (index == STATUSES_MAX) {
        slot->other += 1;
        return;
    }
    if (index == slot->status_count) {
        slot->statuses[index].status = status;
        slot->status_count += 1;
    }
    slot->statuses[index].count += 1;
}

static uint32_t bucket_of(int64_t duration_us) {
    uint32_t index = 0;
    while (index < COUNT_OF(bucket_bounds_us) && duration_us > bucket_bounds_us[index]) {
        index += 1;
    }
    return index;
}

void metrics_request(uint32_t endpoint_index, uint16_t status, int64_t duration_us) {
    CHECK(metrics.slots != NULL);
    CHECK(endpoint_index < metrics.endpoint_count || endpoint_index == METRICS_NO_ENDPOINT);
    bool has_endpoint = endpoint_index != METRICS_NO_ENDPOINT;
    struct metrics_slot *slot =
        &metrics.slots[has_endpoint ? endpoint_index : metrics.endpoint_count];
    int64_t duration = duration_us < 0 ? 0 : duration_us;
    status_count(slot, status);
    slot->buckets[bucket_of(duration)] += 1;
    slot->requests += 1;
    slot->duration_us += duration;
    metrics.totals.requests += 1;
    metrics.totals.client_errors += status >= 400 && status < 500;
    metrics.totals.server_errors += status >= 500;
    metrics.totals.duration_us += duration;
    if (status == 429) {
        metrics_count(METRIC_RATE_LIMITED, 1);
    }
}

void metrics_count(enum metric metric, uint64_t n) {
    CHECK(metric < METRICS_COUNT);
    CHECK(metric_rows[metric].type == COUNTER);
    metrics.values[metric] += n;
}

void metrics_set(enum metric metric, uint64_t value) {
    CHECK(metric < METRICS_COUNT);
    metrics.values[metric] = value;
    metrics.is_unknown[metric] = false;
}

void metrics_unknown(enum metric metric) {
    CHECK(metric < METRICS_COUNT);
    metrics.is_unknown[metric] = true;
}

void metrics_totals_read(struct metrics_totals *totals) {
    *totals = metrics.totals;
}

/* ---- writing ---- */

static void family_put(struct buf *out, const char *name, const char *type, const char *help) {
    uint32_t before = out->len;
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
    CHECK(out->is_full || out->len - before <= FAMILY_BYTES_MAX);
}

static void seconds_put(struct buf *out, uint64_t time_us) {
    buf_put_u64(out, time_us / TIME_US_PER_S);
    buf_put_byte(out, '.');
    buf_put_u64_padded(out, time_us % TIME_US_PER_S, 6);
}

static void table_put(struct buf *out) {
    for (uint32_t index = 0; index < METRICS_COUNT; index += 1) {
        const struct metric_row *row = &metric_rows[index];
        if (metrics.is_unknown[index]) {
            continue;
        }
        family_put(out, row->name, type_names[row->type], row->help);
        buf_put_c(out, row->name);
        buf_put_byte(out, ' ');
        if (row->unit == MICROSECONDS) {
            seconds_put(out, metrics.values[index]);
        } else {
            buf_put_u64(out, metrics.values[index]);
        }
        buf_put_byte(out, '\n');
    }
}

/* {method="GET",endpoint="/api/v1/users/{id}" without the closing brace. Paths are the rows', never
 * those of requests: nothing in them needs escaping, and no client makes new ones. */
static void labels_put(struct buf *out, uint32_t slot_index) {
    const char *method = "none";
    const char *path = "none";
    if (slot_index < metrics.endpoint_count) {
        const struct endpoint *endpoint = router_endpoint(metrics.router, slot_index);
        method = http_method_name(endpoint->method);
        path = endpoint->path;
    }
    buf_printf(out, "{method=\"%s\",endpoint=\"%s\"", method, path);
}

static void requests_put(struct buf *out, uint32_t slot_index) {
    const struct metrics_slot *slot = &metrics.slots[slot_index];
    for (uint32_t index = 0; index < slot->status_count; index += 1) {
        buf_put_c(out, "http_requests_total");
        labels_put(out, slot_index);
        buf_printf(out, ",status=\"%u\"} %llu\n", slot->statuses[index].status,
                   (unsigned long long)slot->statuses[index].count);
    }
    if (slot->other > 0) {
        buf_put_c(out, "http_requests_total");
        labels_put(out, slot_index);
        buf_printf(out, ",status=\"other\"} %llu\n", (unsigned long long)slot->other);
    }
}

static void bucket_put(struct buf *out, uint32_t slot_index, uint32_t bucket, uint64_t count) {
    buf_put_c(out, "http_request_duration_seconds_bucket");
    labels_put(out, slot_index);
    buf_put_c(out, ",le=\"");
    if (bucket < COUNT_OF(bucket_bounds_us)) {
        seconds_put(out, (uint64_t)bucket_bounds_us[bucket]);
    } else {
        buf_put_c(out, "+Inf");
    }
    buf_put_c(out, "\"} ");
    buf_put_u64(out, count);
    buf_put_byte(out, '\n');
}

static void histogram_put(struct buf *out, uint32_t slot_index) {
    const struct metrics_slot *slot = &metrics.slots[slot_index];
    uint64_t cumulated = 0;
    for (uint32_t bucket = 0; bucket < BUCKETS; bucket += 1) {
        cumulated += slot->buckets[bucket];
        bucket_put(out, slot_index, bucket, cumulated);
    }
    CHECK(cumulated == slot->requests);
    buf_put_c(out, "http_request_duration_seconds_sum");
    labels_put(out, slot_index);
    buf_put_c(out, "} ");
    seconds_put(out, (uint64_t)slot->duration_us);
    buf_put_c(out, "\nhttp_request_duration_seconds_count");
    labels_put(out, slot_index);
    buf_printf(out, "} %llu\n", (unsigned long long)slot->requests);
}

uint32_t metrics_bytes_max(void) {
    uint32_t lines = METRICS_COUNT + 1;
    for (uint32_t index = 0; index <= metrics.endpoint_count; index += 1) {
        const struct metrics_slot *slot = &metrics.slots[index];
        lines += slot->requests > 0 ? slot->status_count + 1 + BUCKETS + 2 : 0;
    }
    return FAMILIES_MAX * FAMILY_BYTES_MAX + lines * LINE_BYTES_MAX;
}

void metrics_format(struct buf *out) {
    CHECK(metrics.slots != NULL);
    family_put(out, "coffer_build_info", "gauge", "Which program this is; always 1.");
    buf_put_c(out, "coffer_build_info{version=\"" COFFER_VERSION "\"} 1\n");
    table_put(out);
    family_put(out, "http_requests_total", "counter", "Requests answered, by endpoint and status.");
    for (uint32_t index = 0; index <= metrics.endpoint_count; index += 1) {
        requests_put(out, index);
    }
    family_put(out, "http_request_duration_seconds", "histogram",
               "Time from a complete request head to the end of the reply.");
    for (uint32_t index = 0; index <= metrics.endpoint_count; index += 1) {
        if (metrics.slots[index].requests > 0) {
            histogram_put(out, index);
        }
    }
}
