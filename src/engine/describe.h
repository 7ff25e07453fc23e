/*
 * What a row means beyond what it says: the errors that its kind implies, which params are in the
 * path, which schemas it reaches. For the documents made from the rows (openapi.c, docs.c) and for
 * the tests generated from them.
 */
#ifndef ENGINE_DESCRIBE_H
#define ENGINE_DESCRIBE_H

#include "engine/endpoint.h"

enum { DESCRIBE_ERRORS_MAX = 48, DESCRIBE_SCHEMAS_MAX = 512, DESCRIBE_TAGS_MAX = 64 };

/* All errors of an endpoint: the row's own first, then the implied ones; each once. */
struct describe_errors {
    enum err errors[DESCRIBE_ERRORS_MAX];
    uint32_t count;
    uint32_t own_count;
};
void describe_errors(const struct endpoint *endpoint, struct describe_errors *out);

uint16_t describe_status(const struct endpoint *endpoint); /* of success */
/* Requests per minute that the settings allow; 0 = no limit. */
int64_t describe_rate(const struct endpoint *endpoint, const struct settings *settings);
uint32_t describe_body_bytes_max(const struct endpoint *endpoint);
/* Does the path have {name}? */
bool describe_is_path_param(const struct endpoint *endpoint, const char *name);
bool describe_has_path_params(const struct endpoint *endpoint);
/* "public", "session", "full session"; and the roles: "admin, auditor" or nothing for all. */
const char *describe_auth(const struct endpoint *endpoint);
void describe_roles(const struct endpoint *endpoint, struct buf *out);
/* "read, write": the scopes of which an API key needs one; nothing when keys are not admitted. */
void describe_scopes(const struct endpoint *endpoint, struct buf *out);

/* Distinct tags in the order of the rows. */
struct describe_tags {
    const char *tags[DESCRIBE_TAGS_MAX];
    uint32_t count;
};
void describe_tags(const struct router *router, struct describe_tags *out);

/* Every schema that a body or an output refers to, with those inside it; each once. Two schemas of
 * one name are our bug (CHECK). Params are not in: they are described where they are used. */
struct describe_schemas {
    const struct schema *schemas[DESCRIBE_SCHEMAS_MAX];
    bool is_input[DESCRIBE_SCHEMAS_MAX]; /* used in a body at least once */
    uint32_t count;
};
void describe_schemas(const struct router *router, struct describe_schemas *out);

#endif
