/* Classes of bytes in HTTP's grammar, one table look-up each. For net/http*.c only. */
#ifndef NET_HTTP_BYTES_H
#define NET_HTTP_BYTES_H

#include "base/str.h"

enum http_byte_class {
    /* RFC 9110, 5.6.2: method, field name, coding */
    HTTP_BYTE_TOKEN = 1,
    /* RFC 9110, 5.5: field value with blanks, tabs and obs-text; no other control character */
    HTTP_BYTE_VALUE = 2,
    /* Request target: RFC 3986 plus []{}|^` which browsers send bare in queries. No fragment (#),
     * no blank, no quote, angle bracket or backslash, nothing outside ASCII. */
    HTTP_BYTE_TARGET = 4,
    /* RFC 3986, 3.2.2 without its sub-delims and percent: what a DNS name or IPv4 address can hold.
     * A comma, say, would be two Host headers that someone merged. */
    HTTP_BYTE_HOST = 8,
    HTTP_BYTE_HEX = 16,
    /* Blank or tab: RFC 9110, 5.6.3 */
    HTTP_BYTE_BLANK = 32,
    /* RFC 9110, 5.6.4: qdtext; needs no backslash in a quoted string */
    HTTP_BYTE_QUOTED = 64,
};

extern const uint8_t http_byte_classes[256];

static inline bool http_byte_is(char byte, enum http_byte_class wanted) {
    return (http_byte_classes[(uint8_t)byte] & (uint8_t)wanted) != 0;
}

/* True when there is at least one byte and all are of the class. */
bool http_bytes_are(struct str bytes, enum http_byte_class wanted);

/* The value of a byte of HTTP_BYTE_HEX. */
static inline uint32_t http_hex_value(char byte) {
    return byte <= '9' ? (uint32_t)(byte - '0') : (uint32_t)((byte | 0x20) - 'a' + 10);
}

#endif
