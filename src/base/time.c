/*
 * Calendar time: the proleptic Gregorian calendar (today's rules applied to all years), UTC, days
 * of 86,400 seconds. time_split and time_join are exact inverses for every int64 that time_join can
 * reach; the texts know the years 1 to 9999, and a time outside is written as the nearest that has
 * a text.
 *
 * The day arithmetic counts years from 1 March, so that the leap day is the last of its year, in
 * eras of 400 years = 146,097 days.
 */
#include "base/time.h"

#include <string.h>

enum {
    DAYS_PER_ERA = 146097,
    DAYS_BEFORE_1970 = 719468, /* from 0000-03-01 */
    YEAR_MIN = 1,
    YEAR_MAX = 9999,
    YEAR_JOIN_MAX = 290000, /* what int64 microseconds can hold, rounded down */
    FRACTION_DIGITS_MAX = 9,
};

#define TIME_MIN_US (INT64_C(-62135596800) * TIME_US_PER_S)                     /* 0001-01-01 */
#define TIME_MAX_US (INT64_C(253402300799) * TIME_US_PER_S + TIME_US_PER_S - 1) /* end of 9999 */

static int64_t floor_div(int64_t value, int64_t by) {
    return value / by - (value % by < 0 ? 1 : 0);
}

static int64_t days_from_date(int32_t year, int32_t month, int32_t day) {
    int64_t march_year = year - (month <= 2 ? 1 : 0);
    int64_t era = floor_div(march_year, 400);
    int64_t year_of_era = march_year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * DAYS_PER_ERA + day_of_era - DAYS_BEFORE_1970;
}

static void date_from_days(int64_t days, struct time_fields *fields) {
    int64_t shifted = days + DAYS_BEFORE_1970;
    int64_t era = floor_div(shifted, DAYS_PER_ERA);
    int64_t day_of_era = shifted - era * DAYS_PER_ERA;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t march_month = (5 * day_of_year + 2) / 153;
    fields->day = (int32_t)(day_of_year - (153 * march_month + 2) / 5 + 1);
    fields->month = (int32_t)(march_month < 10 ? march_month + 3 : march_month - 9);
    fields->year = (int32_t)(year_of_era + era * 400 + (fields->month <= 2 ? 1 : 0));
    fields->weekday = (int32_t)(days + 4 - floor_div(days + 4, 7) * 7); /* 1970-01-01: Thursday */
}

void time_split(int64_t time_us, struct time_fields *fields) {
    CHECK(fields != NULL);
    int64_t days = floor_div(time_us, TIME_US_PER_DAY);
    int64_t rest_us = time_us % TIME_US_PER_DAY;
    if (rest_us < 0) {
        rest_us += TIME_US_PER_DAY;
    }
    date_from_days(days, fields);
    fields->hour = (int32_t)(rest_us / TIME_US_PER_HOUR);
    fields->minute = (int32_t)(rest_us / TIME_US_PER_MIN % 60);
    fields->second = (int32_t)(rest_us / TIME_US_PER_S % 60);
    fields->microsecond = (int32_t)(rest_us % TIME_US_PER_S);
}

int64_t time_join(const struct time_fields *fields) {
    CHECK(fields->year >= -YEAR_JOIN_MAX && fields->year <= YEAR_JOIN_MAX);
    CHECK(fields->month >= 1 && fields->month <= 12);
    CHECK(fields->day >= 1 && fields->day <= 31);
    CHECK(fields->hour >= 0 && fields->hour <= 23);
    CHECK(fields->minute >= 0 && fields->minute <= 59);
    CHECK(fields->second >= 0 && fields->second <= 59);
    CHECK(fields->microsecond >= 0 && fields->microsecond < TIME_US_PER_S);
    return days_from_date(fields->year, fields->month, fields->day) * TIME_US_PER_DAY +
           fields->hour * TIME_US_PER_HOUR + fields->minute * TIME_US_PER_MIN +
           fields->second * TIME_US_PER_S + fields->microsecond;
}

static struct time_fields split_for_text(int64_t time_us) {
    struct time_fields fields;
    if (time_us < TIME_MIN_US) {
        time_us = TIME_MIN_US;
    }
    if (time_us > TIME_MAX_US) {
        time_us = TIME_MAX_US;
    }
    time_split(time_us, &fields);
    CHECK(fields.year >= YEAR_MIN);
    CHECK(fields.year <= YEAR_MAX);
    return fields;
}

/* Replies are full of times: no printf here. */
enum { TIME_TEXT_MAX = 32 };

static char *digits_put(char *at, int32_t value, uint32_t digits) {
    for (uint32_t left = digits; left > 0; left -= 1) {
        at[left - 1] = (char)('0' + value % 10);
        value /= 10;
    }
    return at + digits;
}

static char *text_put(char *at, const char *text) {
    while (*text != '\0') {
        *at = *text;
        at += 1;
        text += 1;
    }
    return at;
}

/* hh:mm:ss */
static char *clock_put(char *at, const struct time_fields *fields) {
    at = digits_put(at, fields->hour, 2);
    at = digits_put(text_put(at, ":"), fields->minute, 2);
    return digits_put(text_put(at, ":"), fields->second, 2);
}

static char *date_and_time_put(char *at, const struct time_fields *fields) {
    at = digits_put(at, fields->year, 4);
    at = digits_put(text_put(at, "-"), fields->month, 2);
    at = digits_put(text_put(at, "-"), fields->day, 2);
    return clock_put(text_put(at, "T"), fields);
}

void time_format_rfc3339(int64_t time_us, struct buf *out) {
    char text[TIME_TEXT_MAX];
    struct time_fields fields = split_for_text(time_us);
    char *at = text_put(date_and_time_put(text, &fields), ".");
    at = text_put(digits_put(at, fields.microsecond, 6), "Z");
    buf_put(out, text, (size_t)(at - text));
}

void time_format_naive(int64_t time_us, struct buf *out) {
    char text[TIME_TEXT_MAX];
    struct time_fields fields = split_for_text(time_us);
    char *at = date_and_time_put(text, &fields);
    if (fields.microsecond != 0) {
        at = digits_put(text_put(at, "."), fields.microsecond, 6);
    }
    buf_put(out, text, (size_t)(at - text));
}

void time_format_offset(int64_t time_us, struct buf *out) {
    time_format_naive(time_us, out);
    buf_put_c(out, "+00:00");
}

void time_format_http(int64_t time_us, struct buf *out) {
    static const char weekdays[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    char text[TIME_TEXT_MAX];
    struct time_fields fields = split_for_text(time_us);
    char *at = text_put(text_put(text, weekdays[fields.weekday]), ", ");
    at = text_put(digits_put(at, fields.day, 2), " ");
    at = text_put(text_put(at, months[fields.month - 1]), " ");
    at = clock_put(text_put(digits_put(at, fields.year, 4), " "), &fields);
    at = text_put(at, " GMT");
    buf_put(out, text, (size_t)(at - text));
}

/* Takes exactly `digits` decimal digits off the front. */
static bool take_number(struct str *text, uint32_t digits, int32_t *value) {
    uint64_t number;
    if (text->len < digits || !str_parse_u64(str_slice(*text, 0, digits), &number)) {
        return false;
    }
    *text = str_slice(*text, digits, text->len);
    *value = (int32_t)number;
    return true;
}

static bool take_byte(struct str *text, const char *choices) {
    if (text->len == 0 || !str_has_byte(str_from_c(choices), text->data[0])) {
        return false;
    }
    *text = str_slice(*text, 1, text->len);
    return true;
}

static bool is_date(const struct time_fields *fields) {
    static const uint8_t month_days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (fields->year < YEAR_MIN || fields->month < 1 || fields->month > 12 || fields->day < 1) {
        return false;
    }
    int32_t year = fields->year;
    bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    int32_t days = month_days[fields->month - 1] + (fields->month == 2 && is_leap ? 1 : 0);
    return fields->day <= days;
}

static bool take_date(struct str *text, struct time_fields *fields) {
    return take_number(text, 4, &fields->year) && take_byte(text, "-") &&
           take_number(text, 2, &fields->month) && take_byte(text, "-") &&
           take_number(text, 2, &fields->day) && is_date(fields);
}

/* Digits after the sixth are cut: a time is never rounded into the future. */
static bool take_fraction(struct str *text, struct time_fields *fields) {
    if (!take_byte(text, ".")) {
        return true;
    }
    uint32_t digits = 0;
    int32_t scale = (int32_t)TIME_US_PER_S / 10;
    while (digits < text->len && text->data[digits] >= '0' && text->data[digits] <= '9') {
        fields->microsecond += (text->data[digits] - '0') * scale;
        scale /= 10;
        digits++;
    }
    *text = str_slice(*text, digits, text->len);
    return digits >= 1 && digits <= FRACTION_DIGITS_MAX;
}

static bool take_clock(struct str *text, struct time_fields *fields) {
    /* Second 60 exists in RFC 3339 but not on this time line. */
    return take_number(text, 2, &fields->hour) && take_byte(text, ":") &&
           take_number(text, 2, &fields->minute) && take_byte(text, ":") &&
           take_number(text, 2, &fields->second) && fields->hour <= 23 && fields->minute <= 59 &&
           fields->second <= 59 && take_fraction(text, fields);
}

static bool take_offset(struct str *text, int64_t *offset_us) {
    *offset_us = 0;
    if (text->len == 0 || take_byte(text, "Zz")) {
        return true;
    }
    bool is_west = text->data[0] == '-';
    int32_t hours;
    int32_t minutes;
    if (!take_byte(text, "+-") || !take_number(text, 2, &hours) || !take_byte(text, ":") ||
        !take_number(text, 2, &minutes) || hours > 23 || minutes > 59) {
        return false;
    }
    *offset_us = hours * TIME_US_PER_HOUR + minutes * TIME_US_PER_MIN;
    if (is_west) {
        *offset_us = -*offset_us;
    }
    return true;
}

bool time_parse(struct str text, int64_t *time_us) {
    CHECK(time_us != NULL);
    struct time_fields fields = {0};
    int64_t offset_us = 0;
    if (!take_date(&text, &fields)) {
        return false;
    }
    if (text.len > 0) {
        /* RFC 3339, 5.6: lower-case t and z, and a blank for the T, are allowed. */
        if (!take_byte(&text, "Tt ") || !take_clock(&text, &fields) ||
            !take_offset(&text, &offset_us) || text.len != 0) {
            return false;
        }
    }
    int64_t parsed_us = time_join(&fields) - offset_us;
    if (parsed_us < TIME_MIN_US || parsed_us > TIME_MAX_US) {
        return false;
    }
    *time_us = parsed_us;
    return true;
}
