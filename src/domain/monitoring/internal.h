/* What the files of this domain share with each other and nobody else. */
#ifndef DOMAIN_MONITORING_INTERNAL_H
#define DOMAIN_MONITORING_INTERNAL_H

#include "domain/monitoring/monitoring.h"
#include "engine/engine.h"
#include "os/sysinfo.h"

/* ---- checks.c ---- */

enum { CHECKS_KEY_ID_LEN = 8 };

struct checks {
    bool is_database_ok;       /* the snapshot can be read */
    bool is_audit_ok;          /* the newest audit record follows from the one before */
    bool is_encryption_ok;     /* what is sealed with the key opens again */
    bool is_authentication_ok; /* the key that signs access tokens is there and opens */
    bool is_api_ok;            /* there is room for another connection */
    int64_t database_us;       /* what reading took */
    int64_t audit_events;      /* sequence number of the newest; 0 = none yet */
    char key_id[CHECKS_KEY_ID_LEN];
};

/* All but is_api_ok. What could not be found out, for want of memory too, is not ok. */
void checks_store(const struct store_view *view, const struct store_seal_key *key,
                  struct arena *arena, struct checks *checks);
/* Microseconds of work: two audit records, one key, one seal. */
void checks_run(struct request *request, const struct store_view *view, struct checks *checks);
bool checks_are_ok(const struct checks *checks);

/* ---- numbers.c ---- */

/* Machine and process; all unknown when the engine was given no source. */
void numbers_read(const struct engine *engine, struct sysinfo_values *values);
/* value / 10^digits as a JSON number in the arena: (1234, 3) is 1.234. Not negative. */
struct str number_scaled(struct arena *arena, int64_t value, uint32_t digits);
/* 1000 * part / whole, 0 when the whole is 0. */
int64_t number_permille(int64_t part, int64_t whole);

/* ---- health.c ---- */

struct str health_word(bool is_ok); /* "healthy" or "unhealthy" */
int64_t health_uptime_s(const struct request *request);
/* All members have a value. */
void health_mark_all(struct schema_set *set, const struct schema *schema);
/* The record as the data of the reply; status 503 when something is broken. */
enum err health_reply(struct request *request, const struct schema *schema, const void *record,
                      bool is_ok);

/* ---- endpoints ---- */

enum err health_read(struct request *request, const struct store_view *view);
enum err health_detailed_read(struct request *request, const struct store_view *view);
enum err health_api_read(struct request *request, const struct store_view *view);
enum err health_service_read(struct request *request, const struct store_view *view);
extern const struct schema health_schema;
extern const struct schema health_detailed_schema;
extern const struct schema health_api_schema;
extern const struct schema health_service_schema;

enum err info_read(struct request *request, const struct store_view *view);
enum err info_docs_read(struct request *request, const struct store_view *view);
extern const struct schema info_schema;
extern const struct schema info_docs_schema;

enum err pages_docs_read(struct request *request, const struct store_view *view);
enum err pages_style_read(struct request *request, const struct store_view *view);
enum err pages_openapi_read(struct request *request, const struct store_view *view);
enum err metrics_read(struct request *request, const struct store_view *view);

#endif
