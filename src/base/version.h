/* What this program calls itself; shown by `coffer version`, /health, /metrics, /openapi.json. */
#ifndef BASE_VERSION_H
#define BASE_VERSION_H

#ifndef COFFER_VERSION /* tests of updates build a newer one */
#define COFFER_VERSION "0.1.0"
#endif
/* 2026-11-21: no right clock shows less. A constant, so that builds can be repeated. */
#define COFFER_RELEASED_US INT64_C(1795219200000000)
/* The version of the HTTP interface under /api/v1. */
#define COFFER_API_VERSION "v1"
/* Nobody has granted a licence so far; change this together with the file that does. */
#define COFFER_LICENCE "All rights reserved"

#endif
