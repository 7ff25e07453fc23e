/*
 * struct buf: a bounded writer over memory that someone else owns. Writing past the end writes
 * nothing and sets is_full, which stays set: write everything, test once.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/str.h"

struct buf {
    char *data;
    uint32_t len; /* bytes written */
    uint32_t cap;
    bool is_full; /* sticky: something did not fit */
};

struct buf buf_over(void *data, size_t cap);
void buf_reset(struct buf *buf); /* len 0, not full */
struct str buf_str(const struct buf *buf);
uint32_t buf_room(const struct buf *buf);

/* Each puts all of it or nothing. */
void buf_put(struct buf *buf, const void *data, size_t len);
void buf_put_str(struct buf *buf, struct str s);
void buf_put_c(struct buf *buf, const char *text);
void buf_put_byte(struct buf *buf, uint8_t byte);
void buf_put_u64(struct buf *buf, uint64_t value); /* decimal */
void buf_put_i64(struct buf *buf, int64_t value);  /* decimal */
void buf_put_u64_padded(struct buf *buf, uint64_t value, uint32_t digits);
void buf_put_hex(struct buf *buf, const void *data, size_t len);    /* lower case */
void buf_put_base64(struct buf *buf, const void *data, size_t len); /* RFC 4648 section 4, padded */
void buf_put_base64url(struct buf *buf, const void *data, size_t len); /* section 5, not padded */
void buf_put_percent(struct buf *buf, struct str s); /* RFC 3986 unreserved kept, rest %XX */
/* printf-style; the format must be a literal; no floats. */
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Big-endian integers, for keys and wire formats. */
void buf_put_be16(struct buf *buf, uint16_t value);
void buf_put_be32(struct buf *buf, uint32_t value);
void buf_put_be64(struct buf *buf, uint64_t value);

#endif
