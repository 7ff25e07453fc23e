/*
 * The machine and this process in numbers, for /health/detailed and /metrics. Descriptors are
 * opened once at start, before the sandbox closes /proc; a value that the system does not tell (no
 * /proc in a bare container, say) is SYSINFO_UNKNOWN and becomes null, never zero.
 */
#ifndef OS_SYSINFO_H
#define OS_SYSINFO_H

#include "base/check.h"

#define SYSINFO_UNKNOWN INT64_C(-1)
enum { SYSINFO_LOADS = 3 };

struct sysinfo_values {
    int64_t pid;
    int64_t rss_bytes;
    int64_t open_descriptors;
    int64_t threads;
    int64_t cpu_process_us; /* user and system time of this process since its start */

    int64_t cpu_count;
    int64_t cpu_busy_permille;         /* of all processors, since the read before this one */
    int64_t load_milli[SYSINFO_LOADS]; /* averages of 1, 5, 15 minutes, times 1000 */
    int64_t memory_total_bytes;
    int64_t memory_available_bytes;
    int64_t disk_total_bytes; /* of the data folder's file system */
    int64_t disk_free_bytes;  /* for us, not counting what is reserved for root */
};

struct sysinfo_source; /* one per process, static inside */

/* Missing things only make values unknown. */
struct sysinfo_source *sysinfo_open(const char *data_folder);
void sysinfo_close(struct sysinfo_source *source);
/* A dozen system calls, none of which waits for a disk: tens of microseconds. */
void sysinfo_read(struct sysinfo_source *source, struct sysinfo_values *values);

#endif
