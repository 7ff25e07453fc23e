/*
 * /data/last-exit: how the last run ended. "running" at the start, the reason at each end; so a
 * machine that finds "running" was cut off (power, kernel panic, reset of the host).
 */
#include "os/init_parts.h"

#include "base/time.h"
#include "os/clock.h"
#include "os/files.h"
#include "os/log.h"

#include <string.h>

#define NOTE_PATH "/data/last-exit"
#define RUNNING "running"

int64_t init_note_tell(void) {
    char memory[INIT_NOTE_BYTES_MAX];
    struct str what;
    int64_t time_us = 0;
    if (file_read(NOTE_PATH, memory, sizeof memory, &what) != ERR_OK) {
        return 0;
    }
    what = str_trim(str_split(&what, '\n'));
    struct str when = str_split(&what, ' ');
    if (str_is_none(what) || !time_parse(when, &time_us)) {
        log_warn("init", NOTE_PATH " is not readable");
        return 0;
    }
    if (str_equal(what, STR(RUNNING))) {
        log_warn("init",
                 "the last run, begun %.*s, ended without a word: power cut, kernel panic or reset",
                 STR_ARG(when));
    } else {
        log_info("init", "the last run ended %.*s: %.*s", STR_ARG(when), STR_ARG(what));
    }
    return time_us;
}

void init_note_write(const char *text) {
    char memory[INIT_NOTE_BYTES_MAX];
    struct buf out = buf_over(memory, sizeof memory);
    time_format_rfc3339(clock_wall_us(), &out);
    buf_put_byte(&out, ' ');
    buf_put_c(&out, text);
    buf_put_byte(&out, '\n');
    if (out.is_full || file_write(NOTE_PATH, buf_str(&out), 0600) != ERR_OK) {
        log_warn("init", NOTE_PATH " cannot be written");
    }
}

uint64_t init_memory_kills(void) {
    static char memory[16 * 1024]; /* /proc/vmstat has about 5 KiB */
    struct str rest;
    uint64_t count = 0;
    if (file_read("/proc/vmstat", memory, sizeof memory, &rest) != ERR_OK) {
        return 0;
    }
    while (!str_is_none(rest)) {
        struct str number = str_split(&rest, '\n');
        struct str name = str_split(&number, ' ');
        if (str_equal(name, STR("oom_kill")) && str_parse_u64(number, &count)) {
            return count;
        }
    }
    return 0;
}
