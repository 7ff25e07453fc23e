/*
 * How the last run ended. /data/last-exit has the reason of each end that there was time to write
 * down. A machine that was cut off (power, kernel panic, reset of the host) had none: that shows in
 * the file system, which was never unmounted.
 */
#include "os/init_parts.h"

#include "base/num.h"
#include "base/time.h"
#include "os/clock.h"
#include "os/files.h"
#include "os/log.h"

#include <string.h>

#define AREA "init"
#define NOTE_PATH "/data/last-exit"

/* What the note says, from `since_us` on; returns its time. */
static int64_t note_tell(int64_t since_us) {
    char memory[INIT_NOTE_BYTES_MAX];
    struct str what;
    int64_t time_us = 0;
    if (file_read(NOTE_PATH, memory, sizeof memory, &what) != ERR_OK) {
        return 0;
    }
    what = str_trim(str_split(&what, '\n'));
    struct str when = str_split(&what, ' ');
    if (str_is_none(what) || !time_parse(when, &time_us)) {
        log_warn(AREA, NOTE_PATH " is not readable");
        return 0;
    }
    if (time_us >= since_us) {
        log_info(AREA, "the last run ended %.*s: %.*s", STR_ARG(when), STR_ARG(what));
    }
    return time_us;
}

static void cut_tell(int64_t begun_us) {
    char memory[64];
    struct buf out = buf_over(memory, sizeof memory);
    time_format_rfc3339(begun_us, &out);
    log_warn(AREA,
             "the last run, begun %.*s, ended without a word: power cut, kernel panic or reset",
             STR_ARG(buf_str(&out)));
}

int64_t init_note_tell(const struct disk *data) {
    bool was_cut = data != NULL && data->ext4.needs_recovery;
    if (!was_cut) {
        return note_tell(0);
    }
    cut_tell(data->ext4.mounted_us);
    /* The server may have ended in that run, too. */
    return num_max_i64(note_tell(data->ext4.mounted_us), data->ext4.written_us);
}

void init_note_write(const char *text) {
    char memory[INIT_NOTE_BYTES_MAX];
    struct buf out = buf_over(memory, sizeof memory);
    time_format_rfc3339(clock_wall_us(), &out);
    buf_put_byte(&out, ' ');
    buf_put_c(&out, text);
    buf_put_byte(&out, '\n');
    if (out.is_full || file_write(NOTE_PATH, buf_str(&out), 0600) != ERR_OK) {
        log_warn(AREA, NOTE_PATH " cannot be written");
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
