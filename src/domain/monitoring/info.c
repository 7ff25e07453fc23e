/*
 * What this server says about itself: /api/v1/info and /api/v1/docs. Only what is there: parts are
 * listed when the router has endpoints of theirs, limits come from the settings. Two questions in a
 * row get the same answer.
 */
#include "domain/monitoring/internal.h"

#include "base/version.h"
#include "engine/describe.h"

#include <string.h>

/* The parts of the financial contract (H7), and what having one means. */
struct part {
    const char *key;
    const char *prefix;
    const char *feature;
};

static const struct part parts[] = {
    {"authentication", "/api/v1/auth", "Registration, login, sessions and token refresh"},
    {"user_management", "/api/v1/users", "Users manage and erase their account"},
    {"users", "/api/v1/users", NULL},
    {"organizations", "/api/v1/organizations", "Organizations with members and roles"},
    {"accounts", "/api/v1/accounts", "Accounts and balances"},
    {"transactions", "/api/v1/transactions", "Transactions"},
    {"payments", "/api/v1/payment", "Payments"},
    {"cards", "/api/v1/cards", "Cards"},
    {"enhanced_cards", "/api/v1/enhanced-cards", NULL},
    {"kyc_aml", "/api/v1/kyc", "Identity checks"},
    {"ledger", "/api/v1/ledger", "Double-entry ledger"},
    {"ai_services", "/api/v1/ai", "Fraud detection and support"},
    {"security", "/api/v1/security", "Security services"},
    {"analytics", "/api/v1/analytics", "Analytics"},
    {"api_gateway", "/api/v1/gateway", NULL},
    {"compliance", "/api/v1/compliance", "Compliance"},
    {"audit", "/api/v1/audit", "Audit trail that can be read and verified"},
    {"monitoring", "/health", "Health, metrics and documentation"},
    {"multicurrency", "/api/v1/multicurrency", "Several currencies"},
};

/* Facts about this program, whatever the settings are. */
static const char *const security_features[] = {
    "Passwords kept as bcrypt hashes",
    "Account lockout after failed logins",
    "Opaque sessions that can be listed and revoked",
    "Short access tokens (JWT) bound to a session",
    "Rotating refresh tokens; reuse ends the session",
    "Secrets sealed at rest with AES-256-GCM",
    "Hash-chained audit trail",
    "Role-based access control",
    "Idempotent writes",
};
static const char rate_feature[] = "Rate limits by user and address";

/* ---- lists ---- */

static bool part_is_there(const struct router *router, const struct part *part) {
    struct str prefix = str_from_c(part->prefix);
    for (uint32_t index = 0; index < router_endpoint_count(router); index += 1) {
        struct str path = str_from_c(router_endpoint(router, index)->path);
        struct str below = str_slice(path, prefix.len, path.len);
        if (str_starts(path, prefix) && (below.len == 0 || below.data[0] == '/')) {
            return true;
        }
    }
    return false;
}

static void parts_put(yyjson_mut_doc *doc, yyjson_mut_val *endpoints, const struct router *router) {
    for (uint32_t index = 0; index < COUNT_OF(parts); index += 1) {
        if (part_is_there(router, &parts[index])) {
            json_add_str(doc, endpoints, parts[index].key, str_from_c(parts[index].prefix));
        }
    }
}

static void features_put(yyjson_mut_doc *doc, yyjson_mut_val *features,
                         const struct router *router) {
    for (uint32_t index = 0; index < COUNT_OF(parts); index += 1) {
        if (parts[index].feature != NULL && part_is_there(router, &parts[index])) {
            json_append_str(doc, features, str_from_c(parts[index].feature));
        }
    }
}

static void security_put(yyjson_mut_doc *doc, yyjson_mut_val *list,
                         const struct settings *settings) {
    for (uint32_t index = 0; index < COUNT_OF(security_features); index += 1) {
        json_append_str(doc, list, str_from_c(security_features[index]));
    }
    if (settings_bool(settings, SETTING_RATE_ENABLED_ID)) {
        json_append_str(doc, list, str_from_c(rate_feature));
    }
}

/* {"Authentication": {"auth_login": "POST /api/v1/auth/login"}} */
static void endpoints_put(struct request *request, yyjson_mut_doc *doc, yyjson_mut_val *object) {
    enum { TEXT_BYTES_MAX = 512 };
    const struct router *router = engine_router(request->engine);
    struct describe_tags tags;
    describe_tags(router, &tags);
    for (uint32_t tag = 0; tag < tags.count; tag += 1) {
        yyjson_mut_val *group = json_add_object(doc, object, tags.tags[tag]);
        for (uint32_t index = 0; index < router_endpoint_count(router); index += 1) {
            const struct endpoint *endpoint = router_endpoint(router, index);
            char memory[TEXT_BYTES_MAX];
            struct buf text = buf_over(memory, sizeof memory);
            if (strcmp(endpoint->tag, tags.tags[tag]) != 0) {
                continue;
            }
            buf_printf(&text, "%s %s", http_method_name(endpoint->method), endpoint->path);
            CHECK(!text.is_full);
            json_add_val(doc, group, endpoint->id, yyjson_mut_strncpy(doc, text.data, text.len));
        }
    }
}

/* ---- GET /api/v1/info ---- */

struct info_limits {
    struct schema_set set;
    struct str rate_limit, burst_limit, max_transaction_amount;
};

static const struct field info_limits_fields[] = {
    FIELD(struct info_limits, rate_limit, FIELD_TEXT, .flags = FIELD_NULLABLE,
          .doc = "Reads by one user; null when limits are off."),
    FIELD(struct info_limits, burst_limit, FIELD_TEXT, .flags = FIELD_NULLABLE,
          .doc = "Reads at once; null when limits are off."),
    FIELD(struct info_limits, max_transaction_amount, FIELD_TEXT, .flags = FIELD_NULLABLE,
          .doc = "Null: this server moves no money."),
};
static const struct schema info_limits_schema =
    SCHEMA("InfoLimits", struct info_limits, info_limits_fields);

/* Of the lists only their place is in here: they are added to the reply by hand. */
struct info {
    struct schema_set set;
    struct str api_name, version, api_version, description, documentation_url, endpoints;
    struct schema_list features, security_features, compliance_standards, supported_features,
        supported_currencies;
    struct info_limits api_limits;
};

#define INFO_LIST(member, doc_)                                                                    \
    FIELD(struct info, member, FIELD_LIST, .flags = FIELD_REQUIRED, .element = FIELD_TEXT,         \
          .doc = doc_)

static const struct field info_fields[] = {
    FIELD(struct info, api_name, FIELD_TEXT, .flags = FIELD_REQUIRED, .doc = "The setting name."),
    FIELD(struct info, version, FIELD_TEXT, .flags = FIELD_REQUIRED, .doc = "Of this program."),
    FIELD(struct info, api_version, FIELD_TEXT, .flags = FIELD_REQUIRED, .doc = "v1."),
    FIELD(struct info, description, FIELD_TEXT, .flags = FIELD_REQUIRED, .doc = "One sentence."),
    FIELD(struct info, documentation_url, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "Where to read on."),
    FIELD(struct info, endpoints, FIELD_JSON, .flags = FIELD_REQUIRED,
          .doc = "Parts that are there, with their path."),
    INFO_LIST(features, "What is there."),
    INFO_LIST(security_features, "How it is protected."),
    INFO_LIST(compliance_standards, "Standards that it was certified for: none."),
    INFO_LIST(supported_features, "As features."),
    INFO_LIST(supported_currencies, "Currencies that it can keep: none."),
    FIELD(struct info, api_limits, FIELD_OBJECT, .flags = FIELD_REQUIRED, .of = &info_limits_schema,
          .doc = "Limits."),
};
const struct schema info_schema = SCHEMA("Info", struct info, info_fields);

static struct str per_minute(struct request *request, int64_t count) {
    enum { TEXT_BYTES_MAX = 64 };
    char memory[TEXT_BYTES_MAX];
    struct buf text = buf_over(memory, sizeof memory);
    buf_printf(&text, "%lld requests/minute", (long long)count);
    CHECK(!text.is_full);
    return arena_copy(request->arena, buf_str(&text));
}

static void limits_put(struct request *request, yyjson_mut_doc *doc, yyjson_mut_val *data) {
    const struct settings *settings = request_settings(request);
    yyjson_mut_val *limits = json_add_object(doc, data, "api_limits");
    struct str reads = STR_NONE;
    if (settings_bool(settings, SETTING_RATE_ENABLED_ID)) {
        reads = per_minute(request, settings_int(settings, SETTING_RATE_READ_ID));
    }
    json_add_str(doc, limits, "rate_limit", reads);
    json_add_str(doc, limits, "burst_limit", reads); /* a burst may use the minute's whole share */
    json_add_null(doc, limits, "max_transaction_amount");
}

enum err info_read(struct request *request, const struct store_view *view) {
    (void)view;
    const struct router *router = engine_router(request->engine);
    const struct settings *settings = request_settings(request);
    yyjson_mut_val *data = outcome_data(&request->outcome, &request->command);
    yyjson_mut_doc *doc = request->outcome.doc;
    json_add_str(doc, data, "api_name", settings_text(settings, SETTING_NAME_ID));
    json_add_str(doc, data, "version", STR(COFFER_VERSION));
    json_add_str(doc, data, "api_version", STR(COFFER_API_VERSION));
    json_add_str(doc, data, "description", STR("An application backend in one program."));
    json_add_str(doc, data, "documentation_url", STR("/api/v1/docs"));
    parts_put(doc, json_add_object(doc, data, "endpoints"), router);
    features_put(doc, json_add_array(doc, data, "features"), router);
    security_put(doc, json_add_array(doc, data, "security_features"), settings);
    (void)json_add_array(doc, data, "compliance_standards");
    features_put(doc, json_add_array(doc, data, "supported_features"), router);
    (void)json_add_array(doc, data, "supported_currencies");
    limits_put(request, doc, data);
    return ERR_OK;
}

/* ---- GET /api/v1/docs ---- */

struct info_docs {
    struct schema_set set;
    struct str api_version, api_name, documentation_url, endpoints;
    struct schema_list security_features, supported_currencies;
};

#define INFO_DOCS_LIST(member, doc_)                                                               \
    FIELD(struct info_docs, member, FIELD_LIST, .flags = FIELD_REQUIRED, .element = FIELD_TEXT,    \
          .doc = doc_)

static const struct field info_docs_fields[] = {
    FIELD(struct info_docs, api_version, FIELD_TEXT, .flags = FIELD_REQUIRED, .doc = "v1."),
    FIELD(struct info_docs, api_name, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "The setting name."),
    FIELD(struct info_docs, documentation_url, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "The page for people; /openapi.json is for programs."),
    FIELD(struct info_docs, endpoints, FIELD_JSON, .flags = FIELD_REQUIRED,
          .doc = "By group: operation and path."),
    INFO_DOCS_LIST(security_features, "How the server is protected."),
    INFO_DOCS_LIST(supported_currencies, "Currencies that it can keep: none."),
};
const struct schema info_docs_schema = SCHEMA("InfoDocs", struct info_docs, info_docs_fields);

enum err info_docs_read(struct request *request, const struct store_view *view) {
    (void)view;
    const struct settings *settings = request_settings(request);
    yyjson_mut_val *data = outcome_data(&request->outcome, &request->command);
    yyjson_mut_doc *doc = request->outcome.doc;
    json_add_str(doc, data, "api_version", STR(COFFER_API_VERSION));
    json_add_str(doc, data, "api_name", settings_text(settings, SETTING_NAME_ID));
    json_add_str(doc, data, "documentation_url", STR("/docs"));
    endpoints_put(request, doc, json_add_object(doc, data, "endpoints"));
    security_put(doc, json_add_array(doc, data, "security_features"), settings);
    (void)json_add_array(doc, data, "supported_currencies");
    return ERR_OK;
}
