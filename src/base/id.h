/* Ids: UUID version 4 (RFC 9562, 5.4), made from entropy that the caller brings. */
#ifndef BASE_ID_H
#define BASE_ID_H

#include "base/buf.h"

enum { ID_BYTES = 16, ID_TEXT_LEN = 36 };

struct id {
    uint8_t bytes[ID_BYTES];
};

/* Sets the version and variant bits; the other 122 bits come from `entropy`. */
struct id id_from_entropy(const uint8_t entropy[ID_BYTES]);
bool id_is_zero(struct id id);
bool id_equal(struct id a, struct id b);
/* The 36-character form, either case; any version. False on anything else. */
bool id_parse(struct str text, struct id *id);
void id_format(struct id id, struct buf *out); /* lower case */
struct str id_bytes(const struct id *id);      /* the 16 bytes, borrowed from *id */

#endif
