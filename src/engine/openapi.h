/*
 * The OpenAPI 3.1 document of all endpoints, built once at start from their rows. Deterministic:
 * the same rows and settings give the same bytes.
 */
#ifndef ENGINE_OPENAPI_H
#define ENGINE_OPENAPI_H

#include "engine/endpoint.h"

/* JSON text; lives as long as the process. STR_NONE when there is no memory. */
struct str openapi_build(const struct router *router, const struct settings *settings);

#endif
