/* Text back to bytes: hex, base64, percent-encoding, UTF-8. All strict: one spelling per value. */
#ifndef BASE_DECODE_H
#define BASE_DECODE_H

#include "base/buf.h"

/* Each appends to `out`; false on bad input or when `out` is full (its contents are then void). */
bool decode_hex(struct str text, struct buf *out);
bool decode_base64(struct str text, struct buf *out);    /* RFC 4648 section 4; padding required */
bool decode_base64url(struct str text, struct buf *out); /* section 5; no padding; no stray bits */
bool decode_percent(struct str text, bool plus_is_blank, struct buf *out);

/* RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. */
bool utf8_is_valid(struct str text);
/* Overwrites every byte that belongs to no valid sequence by '?'. For logs and replies, where bytes
 * of strangers must be shown somehow. */
void utf8_repair(char *text, uint32_t len);
/* Code points of valid UTF-8. */
uint32_t utf8_count(struct str text);

#endif
