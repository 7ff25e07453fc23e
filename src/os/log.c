/*
 * The log, see log.h. Each area has an allowance of lines per second of monotonic time; the counter
 * of held-back lines is said by the first line of any area after that second.
 */
#include "os/log.h"

#include "base/buf.h"
#include "base/time.h"
#include "os/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    LOG_TEXT_BYTES_MAX = 900,     /* unescaped text; with the head it still fits a line */
    LOG_LAST_WORDS_WAIT_MS = 100, /* for a reader, when the process is about to end */
};

struct log_area {
    const char *name;
    int64_t window; /* the second that `said` counts */
    uint32_t said;
    uint64_t held; /* lines held back and not yet reported */
};

static enum log_level level_min = LOG_INFO;
static struct log_area areas[LOG_AREAS_MAX];
static uint32_t area_count;

static const char *level_name(enum log_level level) {
    switch (level) {
    case LOG_DEBUG:
        return "DEBUG";
    case LOG_INFO:
        return "INFO";
    case LOG_WARN:
        return "WARN";
    case LOG_ERROR:
        return "ERROR";
    }
    return "?";
}

static struct log_area *area_find(const char *name) {
    for (uint32_t index = 0; index < area_count; index++) {
        if (strcmp(areas[index].name, name) == 0) {
            return &areas[index];
        }
    }
    if (area_count == LOG_AREAS_MAX) {
        return &areas[LOG_AREAS_MAX - 1];
    }
    areas[area_count].name = name;
    area_count += 1;
    return &areas[area_count - 1];
}

static void text_escape(struct buf *out, const char *text) {
    for (const char *at = text; *at != '\0'; at++) {
        unsigned char byte = (unsigned char)*at;
        if (byte == '\\') {
            buf_put_c(out, "\\\\");
        } else if (byte >= 0x20 && byte < 0x7f) {
            buf_put_byte(out, byte);
        } else {
            buf_put_c(out, "\\x");
            buf_put_hex(out, &byte, 1);
        }
        if (out->is_full) {
            return;
        }
    }
}

/* True when the whole line went out. Does not block for longer than wait_ms: a line is shorter than
 * PIPE_BUF, and a pipe that polls as writable has room for that much. */
static bool line_write(enum log_level level, const char *area, const char *text, int wait_ms) {
    char memory[LOG_LINE_BYTES_MAX];
    struct buf line = buf_over(memory, sizeof memory - 1);
    time_format_rfc3339(clock_wall_us(), &line);
    buf_put_byte(&line, ' ');
    buf_put_c(&line, level_name(level));
    buf_put_byte(&line, ' ');
    text_escape(&line, area);
    buf_put_c(&line, ": ");
    text_escape(&line, text);
    memory[line.len] = '\n';

    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&out, 1, wait_ms) != 1 || (out.revents & POLLOUT) == 0) {
        return false;
    }
    ssize_t written;
    do {
        written = write(STDERR_FILENO, memory, (size_t)line.len + 1);
    } while (written < 0 && errno == EINTR);
    return written == (ssize_t)line.len + 1;
}

/* Reports what earlier seconds held back. */
static void held_say(int64_t window) {
    for (uint32_t index = 0; index < area_count; index++) {
        struct log_area *area = &areas[index];
        if (area->held == 0 || area->window == window) {
            continue;
        }
        char text[64];
        (void)snprintf(text, sizeof text, "%llu lines were held back",
                       (unsigned long long)area->held);
        if (line_write(LOG_WARN, area->name, text, 0)) {
            area->held = 0;
        }
    }
}

static int64_t window_now(void) {
    return clock_monotonic_us() / TIME_US_PER_S;
}

void log_level_set(enum log_level level) {
    level_min = level;
}

void log_line(enum log_level level, const char *area, const char *format, ...) {
    CHECK(area != NULL);
    CHECK(format != NULL);
    if (level < level_min) {
        return;
    }
    int64_t window = window_now();
    held_say(window);
    struct log_area *allowance = area_find(area);
    if (allowance->window != window) {
        allowance->window = window;
        allowance->said = 0;
    }
    if (allowance->said == LOG_LINES_PER_SECOND) {
        allowance->held += 1;
        return;
    }
    allowance->said += 1;

    char text[LOG_TEXT_BYTES_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (!line_write(level, area, text, 0)) {
        allowance->held += 1;
    }
}

void log_flush(void) {
    held_say(window_now());
}

void log_last_words(const char *area, const char *text) {
    (void)line_write(LOG_ERROR, area, text, LOG_LAST_WORDS_WAIT_MS);
}
