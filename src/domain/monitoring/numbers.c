/* Numbers about machine and process, and numbers with a point in them without floating point. */
#include "domain/monitoring/internal.h"

#include <string.h>

enum { NUMBER_BYTES_MAX = 32, DIGITS_MAX = 6 };

void numbers_read(const struct engine *engine, struct sysinfo_values *values) {
    struct sysinfo_source *source = engine_sysinfo(engine);
    if (source != NULL) {
        sysinfo_read(source, values);
        return;
    }
    /* All members are int64_t and SYSINFO_UNKNOWN is -1: all bits set. */
    memset(values, 0xff, sizeof *values);
    CHECK(values->pid == SYSINFO_UNKNOWN);
}

struct str number_scaled(struct arena *arena, int64_t value, uint32_t digits) {
    CHECK(value >= 0);
    CHECK(digits <= DIGITS_MAX);
    char *memory = arena_take(arena, NUMBER_BYTES_MAX);
    if (memory == NULL) {
        return STR_NONE;
    }
    uint64_t scale = 1;
    for (uint32_t index = 0; index < digits; index += 1) {
        scale *= 10;
    }
    struct buf out = buf_over(memory, NUMBER_BYTES_MAX);
    buf_put_u64(&out, (uint64_t)value / scale);
    if (digits > 0) {
        buf_put_byte(&out, '.');
        buf_put_u64_padded(&out, (uint64_t)value % scale, digits);
    }
    CHECK(!out.is_full);
    return buf_str(&out);
}

int64_t number_permille(int64_t part, int64_t whole) {
    CHECK(part >= 0);
    CHECK(whole >= 0);
    /* Bytes of a machine times 1000 stay far below 2^63; requests too. */
    return whole == 0 ? 0 : (int64_t)((unsigned __int128)part * 1000 / (uint64_t)whole);
}
