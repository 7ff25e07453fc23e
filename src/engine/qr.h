/*
 * QR codes (ISO/IEC 18004) as PNG pictures, for one-time-code apps. Error level L, 10 pixels a
 * module and 4 modules of margin: what the identity contract shows (6.4).
 */
#ifndef ENGINE_QR_H
#define ENGINE_QR_H

#include "base/arena.h"
#include "base/err.h"

/* The longest byte text that the largest code holds at level L. */
enum { QR_TEXT_BYTES_MAX = 2953 };

/* The picture lives in the arena, and so does the working memory (about 60 KB). Deterministic.
 * ERR_FULL: empty or longer than QR_TEXT_BYTES_MAX. ERR_NO_MEMORY. */
enum err qr_png(struct str text, struct arena *arena, struct str *png);

#endif
