/*
 * The log: one line per event on standard error, "TIME LEVEL area: text". Lines are cut at 1 KiB,
 * control characters escaped, never a secret. At most LOG_LINES_PER_SECOND of one area; what is
 * held back is counted and said.
 */
#ifndef OS_LOG_H
#define OS_LOG_H

#include "base/str.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

void log_level_set(enum log_level level);
void log_line(enum log_level level, const char *area, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define log_info(area, ...) log_line(LOG_INFO, area, __VA_ARGS__)
#define log_warn(area, ...) log_line(LOG_WARN, area, __VA_ARGS__)
#define log_error(area, ...) log_line(LOG_ERROR, area, __VA_ARGS__)

#endif
