/* Compressed forms of texts that are made once at start. */
#ifndef ENGINE_COMPRESS_H
#define ENGINE_COMPRESS_H

#include "base/str.h"

/* The gzip form (RFC 1952) of `text`; lives as long as the process. Deterministic (no time stamp).
 * STR_NONE when there is no memory or nothing is gained. */
struct str compress_gzip(struct str text);

#endif
