/* Clocks and randomness: the only non-deterministic inputs; everything else takes them as values.
 */
#ifndef OS_CLOCK_H
#define OS_CLOCK_H

#include "base/check.h"

int64_t clock_wall_us(void);      /* CLOCK_REALTIME, microseconds since the epoch */
int64_t clock_monotonic_us(void); /* CLOCK_MONOTONIC */

/* getrandom(2); blocks only before the kernel's first seeding; a failure ends the process. */
void random_bytes(void *out, size_t bytes);

#endif
