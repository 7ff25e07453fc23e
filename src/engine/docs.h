/*
 * The page at /docs: every endpoint with its inputs, outputs, limits and errors, built once at
 * start from the rows. Plain HTML without scripts; its style is the static file docs.css.
 */
#ifndef ENGINE_DOCS_H
#define ENGINE_DOCS_H

#include "engine/endpoint.h"

/* HTML text; lives as long as the process. STR_NONE when there is no memory. */
struct str docs_build(const struct router *router, const struct settings *settings);

#endif
