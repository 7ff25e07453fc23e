/* Metrics: what is counted is what is written, within the promised room, and promtool likes it. */
#include "test.h"

#include "engine/endpoint.h"
#include "engine/metrics.h"

/* Two rows of our own; read is never called. */
static enum err read_nothing(struct request *request, const struct store_view *view) {
    (void)request;
    (void)view;
    return ERR_OK;
}

struct params {
    struct schema_set set;
    struct id id;
};
static const struct field params_fields[] = {FIELD(struct params, id, FIELD_ID, .doc = "Which.")};
static const struct schema params_schema = SCHEMA("params", struct params, params_fields);

static const struct endpoint rows[] = {
    {.id = "first",
     .method = HTTP_GET,
     .path = "/first",
     .doc = "First.",
     .tag = "test",
     .auth = AUTH_NONE,
     .read = read_nothing},
    {.id = "second",
     .method = HTTP_GET,
     .path = "/second/{id}",
     .doc = "Second.",
     .params = &params_schema,
     .tag = "test",
     .auth = AUTH_NONE,
     .read = read_nothing},
};
static const struct module module = {.name = "test", .endpoints = rows, .endpoint_count = 2};
static const struct module *const modules[] = {&module};

static char text[256 * 1024];

static bool open_metrics(void) {
    const struct router *router = NULL;
    const char *problem = NULL;
    return router_open(&router, modules, 1, &problem) == ERR_OK && metrics_open(router) == ERR_OK;
}

static bool format(void) {
    uint32_t promised = metrics_bytes_max();
    struct buf out = buf_over(text, promised < sizeof text ? promised : sizeof text - 1);
    metrics_format(&out);
    text[out.len] = '\0';
    return !out.is_full;
}

static bool has_line(const char *line) {
    const char *found = strstr(text, line);
    return found != NULL && (found == text || found[-1] == '\n') && found[strlen(line)] == '\n';
}

TEST(metrics_requests_by_endpoint_and_status) {
    REQUIRE(open_metrics());
    metrics_request(0, 200, 100);
    metrics_request(0, 200, 101);
    metrics_request(0, 404, 20000000);
    metrics_request(1, 503, 0);
    metrics_request(METRICS_NO_ENDPOINT, 404, -5);
    REQUIRE(format());
    EXPECT(has_line("http_requests_total{method=\"GET\",endpoint=\"/first\",status=\"200\"} 2"));
    EXPECT(has_line("http_requests_total{method=\"GET\",endpoint=\"/first\",status=\"404\"} 1"));
    EXPECT(
        has_line("http_requests_total{method=\"GET\",endpoint=\"/second/{id}\",status=\"503\"} 1"));
    EXPECT(has_line("http_requests_total{method=\"none\",endpoint=\"none\",status=\"404\"} 1"));
    EXPECT(strstr(text, "status=\"other\"") == NULL);
    /* Buckets are cumulative and include their bound. */
    EXPECT(has_line("http_request_duration_seconds_bucket{method=\"GET\",endpoint=\"/first\","
                    "le=\"0.000100\"} 1"));
    EXPECT(has_line("http_request_duration_seconds_bucket{method=\"GET\",endpoint=\"/first\","
                    "le=\"0.000250\"} 2"));
    EXPECT(has_line("http_request_duration_seconds_bucket{method=\"GET\",endpoint=\"/first\","
                    "le=\"10.000000\"} 2"));
    EXPECT(has_line("http_request_duration_seconds_bucket{method=\"GET\",endpoint=\"/first\","
                    "le=\"+Inf\"} 3"));
    EXPECT(has_line("http_request_duration_seconds_sum{method=\"GET\",endpoint=\"/first\"} "
                    "20.000201"));
    EXPECT(has_line("http_request_duration_seconds_count{method=\"GET\",endpoint=\"/first\"} 3"));
    struct metrics_totals totals;
    metrics_totals_read(&totals);
    EXPECT_EQ_UINT(totals.requests, 5);
    EXPECT_EQ_UINT(totals.client_errors, 2);
    EXPECT_EQ_UINT(totals.server_errors, 1);
    EXPECT_EQ_INT(totals.duration_us, 20000201);
}

TEST(metrics_table) {
    REQUIRE(open_metrics());
    metrics_count(METRIC_FAILED_LOGINS, 2);
    metrics_count(METRIC_FAILED_LOGINS, 1);
    metrics_request(0, 429, 10);
    metrics_set(METRIC_STORE_USED, 12345);
    metrics_set(METRIC_STORE_USED, 54321);
    metrics_set(METRIC_STORE_SYNC_TIME, 1000001);
    REQUIRE(format());
    EXPECT(has_line("flowlet_failed_logins_total 3"));
    EXPECT(has_line("flowlet_rate_limited_total 1"));
    EXPECT(has_line("coffer_store_used_bytes 54321"));
    EXPECT(has_line("coffer_store_last_sync_seconds 1.000001"));
    EXPECT(has_line("process_cpu_seconds_total 0.000000"));
    EXPECT(strstr(text, "coffer_build_info{version=\"") != NULL);
    metrics_unknown(METRIC_STORE_USED);
    REQUIRE(format());
    EXPECT(strstr(text, "coffer_store_used_bytes") == NULL);
    metrics_set(METRIC_STORE_USED, 7);
    REQUIRE(format());
    EXPECT(has_line("coffer_store_used_bytes 7"));
    EXPECT_DIES(metrics_count(METRIC_STORE_USED, 1));
}

TEST(metrics_reopen_starts_at_zero) {
    REQUIRE(open_metrics());
    metrics_request(0, 200, 100);
    metrics_count(METRIC_FAILED_LOGINS, 5);
    REQUIRE(open_metrics());
    REQUIRE(format());
    EXPECT(strstr(text, "endpoint=\"/first\"") == NULL);
    EXPECT(has_line("flowlet_failed_logins_total 0"));
}

/* More statuses than a slot has room for, values as long as they get: the room still suffices, and
 * nothing is lost from the sum. */
TEST(metrics_worst_case_fits) {
    REQUIRE(open_metrics());
    for (uint32_t index = 0; index < 3; index += 1) {
        uint32_t slot = index < 2 ? index : METRICS_NO_ENDPOINT;
        for (uint16_t status = 100; status < 600; status += 1) {
            metrics_request(slot, status, INT64_MAX / 10000);
        }
    }
    for (uint32_t metric = 0; metric < METRICS_COUNT; metric += 1) {
        metrics_set((enum metric)metric, UINT64_MAX);
    }
    REQUIRE(format());
    EXPECT(
        has_line("http_requests_total{method=\"GET\",endpoint=\"/first\",status=\"other\"} 484"));
    EXPECT(has_line(
        "http_request_duration_seconds_count{method=\"GET\",endpoint=\"/second/{id}\"} 500"));
    EXPECT_DIES(metrics_request(2, 200, 1));
}

/* The format's own linter, where it is installed. */
TEST(metrics_promtool_has_no_complaint) {
    if (system("command -v promtool >/dev/null 2>&1") != 0) {
        printf("    promtool is not installed: not asked\n");
        return;
    }
    REQUIRE(open_metrics());
    metrics_request(0, 200, 1234);
    metrics_request(1, 404, 1234);
    metrics_request(METRICS_NO_ENDPOINT, 404, 1234);
    REQUIRE(format());
    FILE *promtool = popen("promtool check metrics 2>&1", "w");
    REQUIRE(promtool != NULL);
    EXPECT_EQ_UINT(fwrite(text, 1, strlen(text), promtool), strlen(text));
    EXPECT_EQ_INT(pclose(promtool), 0);
    /* Broken text must not pass, or the check above says nothing. */
    promtool = popen("promtool check metrics >/dev/null 2>&1", "w");
    REQUIRE(promtool != NULL);
    fputs("# TYPE wrong counter\nwrong 1\n", promtool);
    EXPECT(pclose(promtool) != 0);
}
