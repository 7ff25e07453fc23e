/*
 * Time on the wire and in the store: int64_t microseconds since 1970-01-01T00:00:00Z (no leap
 * seconds). Pure: the clock is os/clock.h.
 */
#ifndef BASE_TIME_H
#define BASE_TIME_H

#include "base/buf.h"

#define TIME_US_PER_MS INT64_C(1000)
#define TIME_US_PER_S INT64_C(1000000)
#define TIME_US_PER_MIN (60 * TIME_US_PER_S)
#define TIME_US_PER_HOUR (60 * TIME_US_PER_MIN)
#define TIME_US_PER_DAY (24 * TIME_US_PER_HOUR)

struct time_fields {
    int32_t year; /* 1..9999 */
    int32_t month, day, hour, minute, second, microsecond;
    int32_t weekday; /* 0 = Sunday */
};

void time_split(int64_t time_us, struct time_fields *fields);
int64_t time_join(const struct time_fields *fields); /* weekday ignored */

/* 2026-11-21T07:35:32.123456Z (RFC 3339); the fraction always has six digits. */
void time_format_rfc3339(int64_t time_us, struct buf *out);
/* The same without zone, fraction left out when zero: the form of dumped objects in the identity
 * contract. */
void time_format_naive(int64_t time_us, struct buf *out);
/* The same with "+00:00" behind it: the form of passkeys there. */
void time_format_offset(int64_t time_us, struct buf *out);
/* Sat, 21 Nov 2026 07:35:32 GMT (RFC 9110, 5.6.7) */
void time_format_http(int64_t time_us, struct buf *out);
/* RFC 3339 date-time with any offset or none (= UTC), 0 to 9 fraction digits; or a bare date. */
bool time_parse(struct str text, int64_t *time_us);

#endif
