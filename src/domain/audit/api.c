/*
 * GET /api/v1/audit/events: everybody their own, administrators and auditors all. Newest first, in
 * cursor pages.
 */
#include "domain/audit/audit.h"
#include "engine/cursor.h"
#include "engine/idempotency.h"
#include "engine/person.h"

enum {
    EVENTS_PAGE_DEFAULT = 20,
    EVENTS_PAGE_MAX = 100,
    EVENTS_SCANNED_MAX = 2000, /* per request; the cursor then leads on */
};

static const char *const outcome_names[] = {"success", "failed", "refused", NULL};

struct events_params {
    struct schema_set set;
    struct str action;
    int32_t outcome;
    struct str resource_type;
    struct id actor_id;
    int64_t from;
    int64_t to;
    int64_t limit;
    struct str cursor;
};

static const struct field events_params_fields[] = {
    FIELD(struct events_params, action, FIELD_TEXT, .min = 1, .max = 64,
          .doc = "Only this action."),
    FIELD(struct events_params, outcome, FIELD_ENUM, .values = outcome_names,
          .doc = "Only this outcome."),
    FIELD(struct events_params, resource_type, FIELD_TEXT, .min = 1, .max = 64,
          .doc = "Only this kind of resource."),
    FIELD(struct events_params, actor_id, FIELD_ID,
          .doc = "Only this user's; others than one's own for administrators and auditors."),
    FIELD(struct events_params, from, FIELD_TIME, .doc = "Not before this time."),
    FIELD(struct events_params, to, FIELD_TIME, .doc = "Before this time."),
    FIELD(struct events_params, limit, FIELD_INT, .min = 1, .max = EVENTS_PAGE_MAX,
          .doc = "Events per page; 20 when not given."),
    FIELD(struct events_params, cursor, FIELD_TEXT, .min = 1, .max = 700,
          .doc = "next_cursor of the page before."),
};

static const struct schema events_params_schema =
    SCHEMA("AuditEventsParams", struct events_params, events_params_fields);

struct events_data {
    struct schema_set set;
    struct schema_list events;
    int64_t count;
    struct str next_cursor;
};

static const struct field events_data_fields[] = {
    FIELD(struct events_data, events, FIELD_LIST, .flags = FIELD_REQUIRED,
          .of = &audit_event_schema, .doc = "Newest first."),
    FIELD(struct events_data, count, FIELD_INT, .flags = FIELD_REQUIRED,
          .doc = "Events on this page."),
    FIELD(struct events_data, next_cursor, FIELD_TEXT, .flags = FIELD_NULLABLE,
          .doc = "For the next page; null on the last."),
};

static const struct schema events_data_schema =
    SCHEMA("AuditEventsData", struct events_data, events_data_fields);

#define HAS(params, member) SCHEMA_HAS(&events_params_schema, params, member)

/* Which index, under which prefix, seen by whom. */
struct events_plan {
    struct store_scope scope;
    uint32_t index;
    char prefix_bytes[STORE_KEY_BYTES_MAX];
    struct buf prefix;
};

static enum err plan_make(const struct request *request, struct events_plan *plan) {
    const struct events_params *params = request->command.params;
    const struct caller *caller = &request->command.caller;
    bool sees_all = caller_has_role(caller, ROLE_ADMIN | ROLE_AUDITOR);
    struct id actor = sees_all ? (struct id){{0}} : caller->user_id;
    if (HAS(params, actor_id)) {
        if (!sees_all && !id_equal(params->actor_id, caller->user_id)) {
            return ERR_FORBIDDEN;
        }
        actor = params->actor_id;
    }
    plan->scope =
        sees_all ? (struct store_scope){.kind = STORE_SCOPE_SYSTEM} : caller_scope(caller);
    plan->prefix = buf_over(plan->prefix_bytes, sizeof(plan->prefix_bytes));
    plan->index = STORE_PRIMARY;
    if (!id_is_zero(actor)) {
        plan->index = AUDIT_INDEX_ACTOR;
        store_key_put_id(&plan->prefix, actor);
    } else if (HAS(params, action)) {
        plan->index = AUDIT_INDEX_ACTION;
        store_key_put_text(&plan->prefix, params->action, false);
    }
    return ERR_OK;
}

static bool event_fits(const struct events_params *params, const struct audit_event *event) {
    return (!HAS(params, action) || str_equal(event->action, params->action)) &&
           (!HAS(params, outcome) || event->outcome == params->outcome) &&
           (!HAS(params, resource_type) ||
            str_equal(event->resource_type, params->resource_type)) &&
           (!HAS(params, from) || event->time >= params->from) &&
           (!HAS(params, to) || event->time < params->to);
}

static enum err events_page(struct request *request, struct store_scan *scan,
                            yyjson_mut_val *data) {
    const struct events_params *params = request->command.params;
    yyjson_mut_doc *doc = request->outcome.doc;
    yyjson_mut_val *events = json_add_array(doc, data, "events");
    uint32_t limit = HAS(params, limit) ? (uint32_t)params->limit : EVENTS_PAGE_DEFAULT;
    uint32_t count = 0;
    enum err err = ERR_OK;
    for (uint32_t i = 0; i < EVENTS_SCANNED_MAX && count < limit; i++) {
        struct audit_event *event = ARENA_NEW(request->arena, struct audit_event);
        if (event == NULL) {
            return ERR_NO_MEMORY;
        }
        err = store_scan_next(scan, request->arena, event);
        if (err != ERR_OK) {
            break;
        }
        if (event_fits(params, event)) {
            err = audit_origin_open(scan->view, request->arena, event);
            if (err != ERR_OK) {
                return err;
            }
            yyjson_mut_val *value = yyjson_mut_obj(doc);
            json_add_members(doc, value, &audit_event_schema, event);
            yyjson_mut_arr_append(events, value);
            count++;
        }
    }
    json_add_int(doc, data, "count", count);
    cursor_add(request, data, err == ERR_END ? STR_NONE : scan->row_key);
    return err == ERR_END ? ERR_OK : err;
}

static enum err events_read(struct request *request, const struct store_view *view) {
    struct events_plan plan;
    char after_bytes[STORE_KEY_BYTES_MAX];
    struct buf after = buf_over(after_bytes, sizeof(after_bytes));
    struct store_scan scan;
    enum err err = plan_make(request, &plan);
    if (err == ERR_OK) {
        const struct events_params *params = request->command.params;
        err = cursor_parse(params->cursor, buf_str(&plan.prefix), &after);
    }
    if (err != ERR_OK) {
        return err;
    }
    err = store_scan_open(&scan, view, plan.scope, &audit_table, plan.index, buf_str(&plan.prefix),
                          after.len > 0 ? buf_str(&after) : STR_NONE, true);
    if (err != ERR_OK) {
        return err;
    }
    err = events_page(request, &scan, outcome_data(&request->outcome, &request->command));
    store_scan_close(&scan);
    return err;
}

static const struct endpoint audit_endpoints[] = {
    {
        .id = "audit_events",
        .method = HTTP_GET,
        .path = "/api/v1/audit/events",
        .doc = "The audit trail: one's own events; administrators and auditors see all.",
        .tag = "Audit",
        .auth = AUTH_FULL,
        .rate = RATE_READ,
        .form = FORM_ENVELOPE,
        .params = &events_params_schema,
        .output = &events_data_schema,
        .errors = {ERR_CURSOR_INVALID, ERR_FORBIDDEN},
        .read = events_read,
    },
};

/* The engine's own tables have no other module to come in with. */
static const struct table *const audit_tables[] = {&audit_table, &idempotency_table,
                                                   &person_key_table};
static const struct command_row *const audit_jobs[] = {&idempotency_prune_command};

const struct module audit_module = {
    .name = "audit",
    .jobs = audit_jobs,
    .job_count = COUNT_OF(audit_jobs),
    .tables = audit_tables,
    .table_count = COUNT_OF(audit_tables),
    .endpoints = audit_endpoints,
    .endpoint_count = COUNT_OF(audit_endpoints),
};
