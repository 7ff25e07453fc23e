/*
 * A dialect: how a family of paths talks, where it does not talk like /api/v1. Applications that
 * were written for another server keep their paths, and with them its bodies, its words, its
 * statuses and its tokens. One constant struct per dialect, in the domain that brings the paths;
 * an endpoint row names it, and everything that speaks for a row asks it: replies, the gate, the
 * documentation. A row without one speaks the unified dialect (reply.c).
 *
 * What a path that no row takes is answered in is decided in one place: route_settle in engine.c.
 */
#ifndef ENGINE_DIALECT_H
#define ENGINE_DIALECT_H

#include "engine/settings.h"
#include "json/json.h"
#include "store/store.h"

struct request;
struct caller;

/* What a dialect calls an error that other endpoints have, too. */
struct dialect_word {
    enum err err;
    uint16_t status;
    const char *message;
    const char *detail; /* a second text that some dialects send along, or NULL */
};

enum { DIALECT_AUTH_ERRORS_MAX = 12 };

struct dialect {
    const char *name;
    enum setting enabled_by; /* a BOOL; off: its paths are not there */
    /* Errors that are not in the list have the status and the sentence of err.h. */
    const struct dialect_word *words;
    uint32_t word_count;
    /* A path parameter of the wrong form is a bad value here (400), not an unknown path (404). */
    bool has_path_faults;

    /* The root of a reply's body. `data` may be NULL. */
    yyjson_mut_val *(*success)(struct request *request, yyjson_mut_doc *doc, yyjson_mut_val *data,
                               struct str message);
    yyjson_mut_val *(*refusal)(struct request *request, yyjson_mut_doc *doc, enum err err,
                               struct str message);
    /* Of a refusal, for the documentation. NULL: the unified ones. */
    const struct schema *refusal_schema;

    /* Reads a body into `value`; NULL: schema_decode. */
    enum err (*read_body)(struct request *request, const struct schema *schema, struct str body,
                          void *value, struct schema_faults *faults);

    /* AUTH_DIALECT: who calls? At the gate, into request->command.caller. */
    enum err (*resolve)(struct request *request, const struct store_view *view);
    /* In the batch, of callers of the kind CALLER_CUSTOMER: are they still who they were? */
    enum err (*recheck)(const struct store_view *view, int64_t now_us, struct arena *arena,
                        struct caller *caller);
    enum err auth_errors[DIALECT_AUTH_ERRORS_MAX]; /* of resolve; ERR_OK ends */
};

/* `dialect` may be NULL: the unified one. */
const struct dialect_word *dialect_word(const struct dialect *dialect, enum err err); /* or NULL */
uint16_t dialect_status(const struct dialect *dialect, enum err err);
const char *dialect_message(const struct dialect *dialect, enum err err);

#endif
