/* The calendar against libc's, and the texts both ways. */
#include "test.h"

#include "base/time.h"

static const char *text_of(int64_t time_us, void (*format)(int64_t, struct buf *)) {
    static char text[64];
    struct buf buf = buf_over(text, sizeof text - 1);
    format(time_us, &buf);
    text[buf.len] = '\0';
    return text;
}

/* A time whose second is anywhere in the years 1 to 9999, or anywhere at all. */
static int64_t random_time(bool is_any) {
    if (is_any) {
        return (int64_t)test_random();
    }
    int64_t seconds = (int64_t)test_random_below(UINT64_C(315537897600)) - INT64_C(62135596800);
    return seconds * TIME_US_PER_S + (int64_t)test_random_below(1000000);
}

TEST(time_split_and_join_agree_with_libc)
{
    for (uint32_t round = 0; round < 200000; round++) {
        int64_t time_us = random_time(round % 4 == 0);
        struct time_fields fields;
        time_split(time_us, &fields);
        int64_t seconds = time_us / TIME_US_PER_S - (time_us % TIME_US_PER_S < 0 ? 1 : 0);
        time_t libc_seconds = (time_t)seconds;
        struct tm tm;
        REQUIRE(gmtime_r(&libc_seconds, &tm) != NULL);
        bool is_equal = fields.year == tm.tm_year + 1900 && fields.month == tm.tm_mon + 1 &&
                        fields.day == tm.tm_mday && fields.hour == tm.tm_hour &&
                        fields.minute == tm.tm_min && fields.second == tm.tm_sec &&
                        fields.weekday == tm.tm_wday &&
                        fields.microsecond == time_us - seconds * TIME_US_PER_S;
        if (!is_equal) {
            test_fail(__FILE__, __LINE__, "time %" PRId64 " differs from gmtime", time_us);
        }
        if (fields.year > -290000 && fields.year < 290000) {
            EXPECT_EQ_INT(time_join(&fields), time_us);
            EXPECT_EQ_INT(time_join(&fields) - fields.microsecond,
                          (int64_t)timegm(&tm) * TIME_US_PER_S);
        }
    }
}

TEST(time_join_agrees_with_timegm_on_every_day_of_ten_eras)
{
    struct time_fields fields = {.year = 1, .month = 1, .day = 1, .hour = 12};
    struct tm tm = {.tm_year = 1 - 1900, .tm_mday = 1, .tm_hour = 12};
    int64_t time_us = time_join(&fields);
    EXPECT_EQ_INT(time_us, (int64_t)timegm(&tm) * TIME_US_PER_S);
    for (uint32_t day = 0; day < 4000u * 366; day++) {
        time_split(time_us, &fields);
        REQUIRE(time_join(&fields) == time_us);
        time_us += TIME_US_PER_DAY;
    }
    EXPECT(fields.year >= 4000);
}

TEST(time_texts)
{
    int64_t time_us;
    REQUIRE(time_parse(STR("2026-11-21T07:35:32.123456Z"), &time_us));
    EXPECT_EQ_STR(text_of(time_us, time_format_rfc3339), "2026-11-21T07:35:32.123456Z");
    EXPECT_EQ_STR(text_of(time_us, time_format_naive), "2026-11-21T07:35:32.123456");
    EXPECT_EQ_STR(text_of(time_us, time_format_http), "Sat, 21 Nov 2026 07:35:32 GMT");
    time_us -= 123456;
    EXPECT_EQ_STR(text_of(time_us, time_format_rfc3339), "2026-11-21T07:35:32.000000Z");
    EXPECT_EQ_STR(text_of(time_us, time_format_naive), "2026-11-21T07:35:32");
    EXPECT_EQ_STR(text_of(784111777 * TIME_US_PER_S, time_format_http),
                  "Sun, 06 Nov 1994 08:49:37 GMT"); /* the RFC's example */
    EXPECT_EQ_STR(text_of(-1, time_format_rfc3339), "1969-12-31T23:59:59.999999Z");
}

TEST(time_outside_of_the_texts_is_written_as_the_nearest)
{
    EXPECT_EQ_STR(text_of(INT64_MAX, time_format_rfc3339), "9999-12-31T23:59:59.999999Z");
    EXPECT_EQ_STR(text_of(INT64_MIN, time_format_naive), "0001-01-01T00:00:00");
}

TEST(time_format_then_parse_is_the_identity)
{
    for (uint32_t round = 0; round < 20000; round++) {
        int64_t time_us = random_time(false);
        int64_t back = 0;
        EXPECT(time_parse(str_from_c(text_of(time_us, time_format_rfc3339)), &back));
        EXPECT_EQ_INT(back, time_us);
        EXPECT(time_parse(str_from_c(text_of(time_us, time_format_naive)), &back));
        EXPECT_EQ_INT(back, time_us);
    }
}

TEST(time_parse_takes_offsets_fractions_and_dates)
{
    static const struct {
        const char *text;
        int64_t time_us;
    } rows[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01t00:00:00z", 0},
        {"1970-01-01 00:00:00", 0},
        {"1970-01-01", 0},
        {"1970-01-01T01:00:00+01:00", 0},
        {"1969-12-31T18:30:00-05:30", 0},
        {"1970-01-01T00:00:00-00:00", 0},
        {"1970-01-01T00:00:00.1Z", 100000},
        {"1970-01-01T00:00:00.000001Z", 1},
        {"1970-01-01T00:00:00.999999999Z", 999999},
        {"2000-02-29", INT64_C(951782400) * 1000000},
        {"1970-01-01T23:59:59+23:59", INT64_C(59) * 1000000},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int64_t time_us = -7;
        if (!time_parse(str_from_c(rows[i].text), &time_us) || time_us != rows[i].time_us) {
            test_fail(__FILE__, __LINE__, "%s gives %" PRId64, rows[i].text, time_us);
        }
    }
}

TEST(time_parse_refuses_the_rest)
{
    static const char *const bad[] = {
        "",
        "1970",
        "1970-01",
        "1970-1-1",
        "70-01-01",
        "0000-01-01",
        "1970-00-01",
        "1970-13-01",
        "1970-01-00",
        "1970-01-32",
        "1970-04-31",
        "1900-02-29",
        "2023-02-29",
        "1970-01-01T",
        "1970-01-01T00",
        "1970-01-01T00:00",
        "1970-01-01T24:00:00",
        "1970-01-01T00:60:00",
        "1970-01-01T00:00:60",
        "1970-01-01T00:00:00.",
        "1970-01-01T00:00:00.1234567890",
        "1970-01-01T00:00:00+01",
        "1970-01-01T00:00:00+0100",
        "1970-01-01T00:00:00+24:00",
        "1970-01-01T00:00:00+01:60",
        "1970-01-01T00:00:00ZZ",
        "1970-01-01T00:00:00Z ",
        " 1970-01-01",
        "1970-01-01Z",
        "1970-01-01  00:00:00",
        "+970-01-01",
        "1970-01-01T-1:00:00",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "1970-01-01T00:00:00,5Z",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        int64_t time_us = 0;
        if (time_parse(str_from_c(bad[i]), &time_us)) {
            test_fail(__FILE__, __LINE__, "\"%s\" was accepted", bad[i]);
        }
    }
}
