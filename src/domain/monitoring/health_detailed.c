/*
 * GET /health/detailed: the checks one by one, and numbers about machine, process and requests.
 * Counts only: nothing in here names a user or tells anything about a key.
 */
#include "domain/monitoring/internal.h"

#include "base/version.h"
#include "engine/metrics.h"

struct health_check {
    struct schema_set set;
    struct str status, latency_ms, key_id;
    int64_t size_bytes, events;
};

static const struct field health_check_fields[] = {
    FIELD(struct health_check, status, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "healthy, unhealthy or not_configured."),
    FIELD(struct health_check, latency_ms, FIELD_JSON, .flags = FIELD_OMIT,
          .doc = "What the check took, in milliseconds."),
    FIELD(struct health_check, size_bytes, FIELD_INT, .flags = FIELD_OMIT,
          .doc = "Bytes of the store in use."),
    FIELD(struct health_check, events, FIELD_INT, .flags = FIELD_OMIT, .doc = "Audit records."),
    FIELD(struct health_check, key_id, FIELD_TEXT, .flags = FIELD_OMIT,
          .doc = "Names the sealing key."),
};
static const struct schema health_check_schema =
    SCHEMA("HealthCheck", struct health_check, health_check_fields);

struct health_checks {
    struct schema_set set;
    struct health_check database, storage, audit_chain, encryption, authentication, mail;
};

static const struct field health_checks_fields[] = {
    FIELD(struct health_checks, database, FIELD_OBJECT, .flags = FIELD_REQUIRED,
          .of = &health_check_schema, .doc = "The store answers a read."),
    FIELD(struct health_checks, storage, FIELD_OBJECT, .flags = FIELD_REQUIRED,
          .of = &health_check_schema, .doc = "There is room for writes."),
    FIELD(struct health_checks, audit_chain, FIELD_OBJECT, .flags = FIELD_REQUIRED,
          .of = &health_check_schema, .doc = "The newest record follows from the one before."),
    FIELD(struct health_checks, encryption, FIELD_OBJECT, .flags = FIELD_REQUIRED,
          .of = &health_check_schema, .doc = "What is sealed opens again."),
    FIELD(struct health_checks, authentication, FIELD_OBJECT, .flags = FIELD_REQUIRED,
          .of = &health_check_schema, .doc = "The signing key is there and opens."),
    FIELD(struct health_checks, mail, FIELD_OBJECT, .flags = FIELD_REQUIRED,
          .of = &health_check_schema, .doc = "Not configured: this server sends no mail."),
};
static const struct schema health_checks_schema =
    SCHEMA("HealthChecks", struct health_checks, health_checks_fields);

struct health_amount {
    struct schema_set set;
    int64_t total_bytes, used_bytes;
    struct str percent;
};

static const struct field health_amount_fields[] = {
    FIELD(struct health_amount, total_bytes, FIELD_INT, .doc = "All there is."),
    FIELD(struct health_amount, used_bytes, FIELD_INT, .doc = "In use or not for us."),
    FIELD(struct health_amount, percent, FIELD_JSON, .doc = "In use."),
};
static const struct schema health_amount_schema =
    SCHEMA("HealthAmount", struct health_amount, health_amount_fields);

struct health_network {
    struct schema_set set;
    int64_t bytes_received, bytes_sent, connections;
};

static const struct field health_network_fields[] = {
    FIELD(struct health_network, bytes_received, FIELD_INT, .flags = FIELD_REQUIRED,
          .doc = "From clients, since the start."),
    FIELD(struct health_network, bytes_sent, FIELD_INT, .flags = FIELD_REQUIRED,
          .doc = "To clients, since the start."),
    FIELD(struct health_network, connections, FIELD_INT, .flags = FIELD_REQUIRED,
          .doc = "Open now."),
};
static const struct schema health_network_schema =
    SCHEMA("HealthNetwork", struct health_network, health_network_fields);

struct health_system {
    struct schema_set set;
    struct str cpu_percent, load_average;
    int64_t cpu_count;
    struct health_amount memory, disk;
    struct health_network network;
};

static const struct field health_system_fields[] = {
    FIELD(struct health_system, cpu_percent, FIELD_JSON,
          .doc = "All processors, since the question before this one."),
    FIELD(struct health_system, cpu_count, FIELD_INT, .doc = "Processors."),
    FIELD(struct health_system, load_average, FIELD_JSON, .doc = "Over 1, 5 and 15 minutes."),
    FIELD(struct health_system, memory, FIELD_OBJECT, .flags = FIELD_REQUIRED,
          .of = &health_amount_schema, .doc = "Of the machine."),
    FIELD(struct health_system, disk, FIELD_OBJECT, .flags = FIELD_REQUIRED,
          .of = &health_amount_schema, .doc = "Of the file system with the data."),
    FIELD(struct health_system, network, FIELD_OBJECT, .flags = FIELD_REQUIRED,
          .of = &health_network_schema, .doc = "Of this server."),
};
static const struct schema health_system_schema =
    SCHEMA("HealthSystem", struct health_system, health_system_fields);

struct health_process {
    struct schema_set set;
    int64_t pid, rss_bytes, open_fds, threads;
};

static const struct field health_process_fields[] = {
    FIELD(struct health_process, pid, FIELD_INT, .doc = "Process id."),
    FIELD(struct health_process, rss_bytes, FIELD_INT, .doc = "Resident memory."),
    FIELD(struct health_process, open_fds, FIELD_INT, .doc = "Open descriptors."),
    FIELD(struct health_process, threads, FIELD_INT, .doc = "Threads."),
};
static const struct schema health_process_schema =
    SCHEMA("HealthProcess", struct health_process, health_process_fields);

struct health_requests {
    struct schema_set set;
    int64_t total, client_errors, server_errors;
    struct str error_rate, average_ms;
};

static const struct field health_requests_fields[] = {
    FIELD(struct health_requests, total, FIELD_INT, .flags = FIELD_REQUIRED,
          .doc = "Answered since the start."),
    FIELD(struct health_requests, client_errors, FIELD_INT, .flags = FIELD_REQUIRED,
          .doc = "Of these, with a status of 4xx."),
    FIELD(struct health_requests, server_errors, FIELD_INT, .flags = FIELD_REQUIRED,
          .doc = "Of these, with a status of 5xx."),
    FIELD(struct health_requests, error_rate, FIELD_JSON, .flags = FIELD_REQUIRED,
          .doc = "server_errors / total, 0 to 1."),
    FIELD(struct health_requests, average_ms, FIELD_JSON, .flags = FIELD_REQUIRED,
          .doc = "Average duration in milliseconds."),
};
static const struct schema health_requests_schema =
    SCHEMA("HealthRequests", struct health_requests, health_requests_fields);

struct health_detailed {
    struct schema_set set;
    struct str status;
    int64_t timestamp;
    struct str version, environment;
    int64_t uptime_seconds;
    struct health_checks checks;
    struct health_system system;
    struct health_process process;
    struct health_requests requests;
};

static const struct field health_detailed_fields[] = {
    FIELD(struct health_detailed, status, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "healthy or unhealthy; unhealthy comes with status 503."),
    FIELD(struct health_detailed, timestamp, FIELD_TIME, .flags = FIELD_REQUIRED,
          .time_form = TIME_FORM_RFC3339, .doc = "When this was found out."),
    FIELD(struct health_detailed, version, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "Of this program."),
    FIELD(struct health_detailed, environment, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "The setting environment."),
    FIELD(struct health_detailed, uptime_seconds, FIELD_INT, .flags = FIELD_REQUIRED,
          .doc = "Since the start."),
    FIELD(struct health_detailed, checks, FIELD_OBJECT, .flags = FIELD_REQUIRED,
          .of = &health_checks_schema, .doc = "The parts, one by one."),
    FIELD(struct health_detailed, system, FIELD_OBJECT, .flags = FIELD_REQUIRED,
          .of = &health_system_schema, .doc = "The machine; null for what it does not tell."),
    FIELD(struct health_detailed, process, FIELD_OBJECT, .flags = FIELD_REQUIRED,
          .of = &health_process_schema, .doc = "This process; null for what is not known."),
    FIELD(struct health_detailed, requests, FIELD_OBJECT, .flags = FIELD_REQUIRED,
          .of = &health_requests_schema, .doc = "Counts since the start."),
};
const struct schema health_detailed_schema =
    SCHEMA("HealthDetailed", struct health_detailed, health_detailed_fields);

static void check_fill(struct health_check *check, struct str status) {
    check->status = status;
    SCHEMA_SET(&health_check_schema, check, status);
}

static void checks_fill(struct health_checks *out, struct request *request,
                        const struct checks *checks, bool has_room) {
    struct store_stats stats;
    store_stats_read(engine_store(request->engine), &stats);
    health_mark_all(&out->set, &health_checks_schema);
    check_fill(&out->database, health_word(checks->is_database_ok));
    out->database.latency_ms = number_scaled(request->arena, checks->database_us, 3);
    SCHEMA_SET(&health_check_schema, &out->database, latency_ms);
    out->database.size_bytes = (int64_t)stats.used_bytes;
    SCHEMA_SET(&health_check_schema, &out->database, size_bytes);
    check_fill(&out->storage, health_word(has_room));
    check_fill(&out->audit_chain, health_word(checks->is_audit_ok));
    out->audit_chain.events = checks->audit_events;
    SCHEMA_SET(&health_check_schema, &out->audit_chain, events);
    check_fill(&out->encryption, health_word(checks->is_encryption_ok));
    /* The reply is written when *checks is gone. */
    out->encryption.key_id =
        arena_copy(request->arena, str_from(checks->key_id, sizeof checks->key_id));
    SCHEMA_SET(&health_check_schema, &out->encryption, key_id);
    check_fill(&out->authentication, health_word(checks->is_authentication_ok));
    check_fill(&out->mail, STR("not_configured"));
}

static void amount_fill(struct health_amount *amount, struct arena *arena, int64_t total,
                        int64_t available) {
    if (total == SYSINFO_UNKNOWN || available == SYSINFO_UNKNOWN || available > total) {
        return;
    }
    health_mark_all(&amount->set, &health_amount_schema);
    amount->total_bytes = total;
    amount->used_bytes = total - available;
    amount->percent = number_scaled(arena, number_permille(total - available, total), 1);
}

static void load_fill(struct health_system *system, struct arena *arena,
                      const struct sysinfo_values *values) {
    enum { LOAD_BYTES_MAX = 96 };
    char *memory = arena_take(arena, LOAD_BYTES_MAX);
    if (memory == NULL || values->load_milli[0] == SYSINFO_UNKNOWN) {
        return;
    }
    struct buf out = buf_over(memory, LOAD_BYTES_MAX);
    for (uint32_t index = 0; index < SYSINFO_LOADS; index += 1) {
        buf_put_byte(&out, index == 0 ? '[' : ',');
        buf_put_str(&out, number_scaled(arena, values->load_milli[index], 3));
    }
    buf_put_byte(&out, ']');
    CHECK(!out.is_full);
    system->load_average = buf_str(&out);
    SCHEMA_SET(&health_system_schema, system, load_average);
}

static void system_fill(struct health_system *system, struct request *request,
                        const struct sysinfo_values *values) {
    struct server_stats stats;
    struct arena *arena = request->arena;
    server_stats_read(engine_server(request->engine), &stats);
    if (values->cpu_busy_permille != SYSINFO_UNKNOWN) {
        system->cpu_percent = number_scaled(arena, values->cpu_busy_permille, 1);
        SCHEMA_SET(&health_system_schema, system, cpu_percent);
    }
    if (values->cpu_count != SYSINFO_UNKNOWN) {
        system->cpu_count = values->cpu_count;
        SCHEMA_SET(&health_system_schema, system, cpu_count);
    }
    load_fill(system, arena, values);
    amount_fill(&system->memory, arena, values->memory_total_bytes, values->memory_available_bytes);
    SCHEMA_SET(&health_system_schema, system, memory);
    amount_fill(&system->disk, arena, values->disk_total_bytes, values->disk_free_bytes);
    SCHEMA_SET(&health_system_schema, system, disk);
    health_mark_all(&system->network.set, &health_network_schema);
    system->network.bytes_received = (int64_t)stats.bytes_in;
    system->network.bytes_sent = (int64_t)stats.bytes_out;
    system->network.connections = stats.connections;
    SCHEMA_SET(&health_system_schema, system, network);
}

static void process_fill(struct health_process *process, const struct sysinfo_values *values) {
    health_mark_all(&process->set, &health_process_schema);
    process->pid = values->pid;
    process->rss_bytes = values->rss_bytes;
    process->open_fds = values->open_descriptors;
    process->threads = values->threads;
    if (values->pid == SYSINFO_UNKNOWN) {
        SCHEMA_CLEAR(&health_process_schema, process, pid);
    }
    if (values->rss_bytes == SYSINFO_UNKNOWN) {
        SCHEMA_CLEAR(&health_process_schema, process, rss_bytes);
    }
    if (values->open_descriptors == SYSINFO_UNKNOWN) {
        SCHEMA_CLEAR(&health_process_schema, process, open_fds);
    }
    if (values->threads == SYSINFO_UNKNOWN) {
        SCHEMA_CLEAR(&health_process_schema, process, threads);
    }
}

static void requests_fill(struct health_requests *requests, struct arena *arena) {
    struct metrics_totals totals;
    metrics_totals_read(&totals);
    health_mark_all(&requests->set, &health_requests_schema);
    requests->total = (int64_t)totals.requests;
    requests->client_errors = (int64_t)totals.client_errors;
    requests->server_errors = (int64_t)totals.server_errors;
    requests->error_rate =
        number_scaled(arena, number_permille(requests->server_errors, requests->total), 3);
    int64_t average_us = requests->total == 0 ? 0 : totals.duration_us / requests->total;
    requests->average_ms = number_scaled(arena, average_us, 3);
}

enum err health_detailed_read(struct request *request, const struct store_view *view) {
    if (!settings_bool(request_settings(request), SETTING_HEALTH_DETAILS_ID)) {
        return ERR_NOT_FOUND;
    }
    struct health_detailed *detailed = ARENA_NEW(request->arena, struct health_detailed);
    struct sysinfo_values values;
    struct checks checks;
    if (detailed == NULL) {
        return ERR_NO_MEMORY;
    }
    checks_run(request, view, &checks);
    numbers_read(request->engine, &values);
    bool has_room = store_has_room(engine_store(request->engine));
    bool is_ok = checks_are_ok(&checks) && has_room;
    health_mark_all(&detailed->set, &health_detailed_schema);
    detailed->status = health_word(is_ok);
    detailed->timestamp = request->command.now_us;
    detailed->version = STR(COFFER_VERSION);
    detailed->environment = settings_text(request_settings(request), SETTING_ENVIRONMENT_ID);
    detailed->uptime_seconds = health_uptime_s(request);
    checks_fill(&detailed->checks, request, &checks, has_room);
    system_fill(&detailed->system, request, &values);
    process_fill(&detailed->process, &values);
    requests_fill(&detailed->requests, request->arena);
    return health_reply(request, &health_detailed_schema, detailed, is_ok);
}
