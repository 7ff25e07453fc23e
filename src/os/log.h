/*
 * The log: one line per event on standard error, "TIME LEVEL area: text". Lines are cut at 1 KiB,
 * bytes that are not printable ASCII are escaped (\xNN, and \ itself as \\), so that one event is
 * one line whatever a client sent; never a secret. At most LOG_LINES_PER_SECOND of one area; what
 * is held back is counted and said. A reader that does not read stalls nobody: a line that does not
 * fit into the pipe at once is held back too.
 */
#ifndef OS_LOG_H
#define OS_LOG_H

#include "base/str.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

enum {
    LOG_LINE_BYTES_MAX = 1024, /* below PIPE_BUF: the kernel writes a line whole or not at all */
    LOG_LINES_PER_SECOND = 20, /* a page of text per second is what a person can still read */
    LOG_AREAS_MAX = 32,        /* areas above that share the last one's allowance */
};

/* Lines below `level` are dropped; LOG_INFO at start. */
void log_level_set(enum log_level level);
/* `area` is a constant: its address is kept. */
void log_line(enum log_level level, const char *area, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define log_info(area, ...) log_line(LOG_INFO, area, __VA_ARGS__)
#define log_warn(area, ...) log_line(LOG_WARN, area, __VA_ARGS__)
#define log_error(area, ...) log_line(LOG_ERROR, area, __VA_ARGS__)

/* Says how many lines are still held back, per area. Every line does this in passing; call it on a
 * slow timer and at the end, so that the count is said even if nothing else happens. */
void log_flush(void);

/* For panic.c: past level and allowance, waiting a moment for a slow reader. */
void log_last_words(const char *area, const char *text);

#endif
