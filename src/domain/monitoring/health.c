/*
 * /health and its relatives. Words: a service is "healthy", "unhealthy", "disabled" (by a setting)
 * or "not_configured" (this server has none). A compliance flag says whether the technical control
 * behind it works, not that anybody certified anything; "not_applicable" while nothing here falls
 * under it.
 */
#include "domain/monitoring/internal.h"

#include "base/time.h"
#include "base/version.h"
#include "domain/mail/mail.h"

#include <string.h>

static const char healthy[] = "healthy";
static const char unhealthy[] = "unhealthy";
static const char not_configured[] = "not_configured";

struct str health_word(bool is_ok) {
    return str_from_c(is_ok ? healthy : unhealthy);
}

void health_mark_all(struct schema_set *set, const struct schema *schema) {
    CHECK(schema->field_count < SCHEMA_FIELDS_MAX);
    set->present = (UINT64_C(1) << schema->field_count) - 1;
    set->null = 0;
}

/* ---- GET /health ---- */

struct health_services {
    struct schema_set set;
    struct str database, redis, encryption, audit_logging, rate_limiting, security_monitoring,
        authentication, api, mail;
};

static const struct field health_services_fields[] = {
    FIELD(struct health_services, database, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "The store answers a read."),
    FIELD(struct health_services, redis, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "Always not_configured: no cache server is used."),
    FIELD(struct health_services, encryption, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "What is sealed with the key opens again."),
    FIELD(struct health_services, audit_logging, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "The newest audit record follows from the one before."),
    FIELD(struct health_services, rate_limiting, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "Whether the setting rate.enabled is on."),
    FIELD(struct health_services, security_monitoring, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "Refused logins and permissions are recorded: as audit_logging."),
    FIELD(struct health_services, authentication, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "The key that signs access tokens is there and opens."),
    FIELD(struct health_services, api, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "There is room for further connections."),
    FIELD(struct health_services, mail, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "Whether mails can be sent; unhealthy while there are some that could not."),
};
static const struct schema health_services_schema =
    SCHEMA("HealthServices", struct health_services, health_services_fields);

struct health_compliance {
    struct schema_set set;
    struct str pci_dss, sox, gdpr, aml;
};

static const struct field health_compliance_fields[] = {
    FIELD(struct health_compliance, pci_dss, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "not_applicable: no card data is taken or kept."),
    FIELD(struct health_compliance, sox, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "The tamper-evident audit trail works."),
    FIELD(struct health_compliance, gdpr, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "Users can read and erase their account, and secrets are sealed at rest."),
    FIELD(struct health_compliance, aml, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "not_applicable: no money is moved."),
};
static const struct schema health_compliance_schema =
    SCHEMA("HealthCompliance", struct health_compliance, health_compliance_fields);

struct health {
    struct schema_set set;
    struct str status;
    int64_t timestamp;
    struct str version, environment, database;
    struct health_services services;
    struct health_compliance compliance;
    int64_t uptime;
};

static const struct field health_fields[] = {
    FIELD(struct health, status, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "healthy or unhealthy; unhealthy comes with status 503."),
    FIELD(struct health, timestamp, FIELD_TIME, .flags = FIELD_REQUIRED,
          .time_form = TIME_FORM_RFC3339, .doc = "When this was found out."),
    FIELD(struct health, version, FIELD_TEXT, .flags = FIELD_REQUIRED, .doc = "Of this program."),
    FIELD(struct health, environment, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "The setting environment."),
    FIELD(struct health, database, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "connected, or error when the store does not answer a read."),
    FIELD(struct health, services, FIELD_OBJECT, .flags = FIELD_REQUIRED,
          .of = &health_services_schema, .doc = "The parts, one by one."),
    FIELD(struct health, compliance, FIELD_OBJECT, .flags = FIELD_REQUIRED,
          .of = &health_compliance_schema, .doc = "Technical controls; no certificate."),
    FIELD(struct health, uptime, FIELD_INT, .flags = FIELD_REQUIRED, .doc = "Seconds."),
};
const struct schema health_schema = SCHEMA("Health", struct health, health_fields);

static void services_fill(struct health_services *services, const struct settings *settings,
                          const struct store_view *view, const struct checks *checks) {
    health_mark_all(&services->set, &health_services_schema);
    services->database = health_word(checks->is_database_ok);
    services->redis = str_from_c(not_configured);
    services->encryption = health_word(checks->is_encryption_ok);
    services->audit_logging = health_word(checks->is_audit_ok);
    services->rate_limiting =
        str_from_c(settings_bool(settings, SETTING_RATE_ENABLED_ID) ? healthy : "disabled");
    services->security_monitoring = health_word(checks->is_audit_ok);
    services->authentication = health_word(checks->is_authentication_ok);
    services->api = health_word(checks->is_api_ok);
    services->mail = str_from_c(mail_health(view, settings));
}

static bool has_endpoint(const struct request *request, enum http_method method, struct str path) {
    struct route_match match;
    router_match(engine_router(request->engine), method, path, &match);
    return match.endpoint != NULL;
}

static void compliance_fill(struct health_compliance *compliance, const struct request *request,
                            const struct checks *checks) {
    struct str account = STR("/api/v1/users/me");
    bool can_erase =
        has_endpoint(request, HTTP_GET, account) && has_endpoint(request, HTTP_DELETE, account);
    health_mark_all(&compliance->set, &health_compliance_schema);
    compliance->pci_dss = STR("not_applicable");
    compliance->sox = health_word(checks->is_audit_ok);
    compliance->gdpr = health_word(can_erase && checks->is_encryption_ok);
    compliance->aml = STR("not_applicable");
}

int64_t health_uptime_s(const struct request *request) {
    int64_t up_us = request->command.now_us - engine_started_us(request->engine);
    return up_us < 0 ? 0 : up_us / TIME_US_PER_S; /* the wall clock may have been set back */
}

enum err health_reply(struct request *request, const struct schema *schema, const void *record,
                      bool is_ok) {
    yyjson_mut_val *data = outcome_data(&request->outcome, &request->command);
    json_add_members(request->outcome.doc, data, schema, record);
    request->outcome.status = is_ok ? 200 : 503;
    return ERR_OK;
}

enum err health_read(struct request *request, const struct store_view *view) {
    struct health *health = ARENA_NEW(request->arena, struct health);
    struct checks checks;
    if (health == NULL) {
        return ERR_NO_MEMORY;
    }
    checks_run(request, view, &checks);
    health_mark_all(&health->set, &health_schema);
    health->status = health_word(checks_are_ok(&checks));
    health->timestamp = request->command.now_us;
    health->version = STR(COFFER_VERSION);
    health->environment = settings_text(request_settings(request), SETTING_ENVIRONMENT_ID);
    health->database = checks.is_database_ok ? STR("connected") : STR("error");
    services_fill(&health->services, request_settings(request), view, &checks);
    compliance_fill(&health->compliance, request, &checks);
    health->uptime = health_uptime_s(request);
    return health_reply(request, &health_schema, health, checks_are_ok(&checks));
}

/* ---- GET /api/v1/health, GET /api/health ---- */

struct health_api {
    struct schema_set set;
    int64_t timestamp;
};

static const struct field health_api_fields[] = {
    FIELD(struct health_api, timestamp, FIELD_TIME, .flags = FIELD_REQUIRED,
          .time_form = TIME_FORM_RFC3339, .doc = "When this was found out."),
};
const struct schema health_api_schema = SCHEMA("HealthApi", struct health_api, health_api_fields);

/* Of these two a refusal is a refusal: the envelope has success false. */
enum err health_api_read(struct request *request, const struct store_view *view) {
    struct health_api health = {.timestamp = request->command.now_us};
    struct checks checks;
    checks_run(request, view, &checks);
    if (!checks_are_ok(&checks)) {
        return ERR_UNAVAILABLE;
    }
    health_mark_all(&health.set, &health_api_schema);
    request->outcome.message = "The API is healthy.";
    return health_reply(request, &health_api_schema, &health, true);
}

struct health_service {
    struct schema_set set;
    struct str status, service;
};

static const struct field health_service_fields[] = {
    FIELD(struct health_service, status, FIELD_TEXT, .flags = FIELD_REQUIRED, .doc = "healthy."),
    FIELD(struct health_service, service, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "The setting name."),
};
const struct schema health_service_schema =
    SCHEMA("HealthService", struct health_service, health_service_fields);

enum err health_service_read(struct request *request, const struct store_view *view) {
    struct health_service *health = ARENA_NEW(request->arena, struct health_service);
    struct checks checks;
    if (health == NULL) {
        return ERR_NO_MEMORY;
    }
    checks_run(request, view, &checks);
    if (!checks_are_ok(&checks)) {
        return ERR_UNAVAILABLE;
    }
    health_mark_all(&health->set, &health_service_schema);
    health->status = str_from_c(healthy);
    health->service = settings_text(request_settings(request), SETTING_NAME_ID);
    return health_reply(request, &health_service_schema, health, true);
}
