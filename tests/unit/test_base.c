/* Slices, writers, decoders, ids, errors: src/base without arena and time. */
#include "test.h"

#include "base/decode.h"
#include "base/err.h"
#include "base/id.h"
#include "base/num.h"

static bool str_is(struct str s, const char *text) {
    return s.data != NULL && str_equal(s, str_from_c(text));
}

/* --- str ------------------------------------------------------------------------------------- */

TEST(str_none_is_no_value_but_compares_as_empty)
{
    EXPECT(str_is_none(STR_NONE));
    EXPECT(str_is_none(str_from_c(NULL)));
    EXPECT(!str_is_none(STR("")));
    EXPECT(str_equal(STR_NONE, STR("")));
    EXPECT(str_is_none(str_slice(STR_NONE, 1, 2)));
    EXPECT(str_is_none(str_trim(STR_NONE)));
    EXPECT_EQ_UINT(str_find_byte(STR_NONE, 'a'), 0);
    EXPECT(!str_has_byte(STR_NONE, 0));
}

TEST(str_compare_orders_by_bytes_then_length)
{
    EXPECT_EQ_INT(str_compare(STR("a"), STR("b")), -1);
    EXPECT_EQ_INT(str_compare(STR("b"), STR("a")), 1);
    EXPECT_EQ_INT(str_compare(STR("a"), STR("aa")), -1);
    EXPECT_EQ_INT(str_compare(STR("aa"), STR("a")), 1);
    EXPECT_EQ_INT(str_compare(STR("\x80"), STR("\x7f")), 1);
    EXPECT_EQ_INT(str_compare(STR("a\0b"), STR("a\0c")), -1);
    EXPECT_EQ_INT(str_compare(STR_NONE, STR("")), 0);
}

TEST(str_equality)
{
    EXPECT(str_equal_nocase(STR("Content-TYPE"), STR("content-type")));
    EXPECT(!str_equal_nocase(STR("@"), STR("`"))); /* differ by the case bit, are no letters */
    EXPECT(!str_equal_nocase(STR("\xc4"), STR("\xe4")));
    EXPECT(str_equal_secret(STR("abc"), STR("abc")));
    EXPECT(!str_equal_secret(STR("abc"), STR("abd")));
    EXPECT(!str_equal_secret(STR("abc"), STR("ab")));
    EXPECT(str_equal_secret(STR(""), STR_NONE));
}

TEST(str_parts)
{
    EXPECT(str_starts(STR("abc"), STR("ab")));
    EXPECT(str_starts(STR("abc"), STR("")));
    EXPECT(!str_starts(STR("ab"), STR("abc")));
    EXPECT(str_ends(STR("abc"), STR("bc")));
    EXPECT(!str_ends(STR("bc"), STR("abc")));
    EXPECT(str_is(str_slice(STR("abcdef"), 2, 4), "cd"));
    EXPECT(str_is(str_slice(STR("abc"), 1, 99), "bc"));
    EXPECT(str_is(str_slice(STR("abc"), 99, 1), ""));
    EXPECT(str_is(str_trim(STR(" \t a b\t ")), "a b"));
    EXPECT(str_is(str_trim(STR(" \t ")), ""));
    EXPECT(str_is(str_trim(STR("\na\n")), "\na\n"));
}

TEST(str_split_walks_to_none)
{
    struct str rest = STR("a,,b,");
    EXPECT(str_is(str_split(&rest, ','), "a"));
    EXPECT(str_is(str_split(&rest, ','), ""));
    EXPECT(str_is(str_split(&rest, ','), "b"));
    EXPECT(!str_is_none(rest));
    EXPECT(str_is(str_split(&rest, ','), ""));
    EXPECT(str_is_none(rest));
    EXPECT(str_is_none(str_split(&rest, ',')));
}

TEST(str_parses_whole_numbers_only)
{
    uint64_t u = 7;
    int64_t i = 7;
    EXPECT(str_parse_u64(STR("18446744073709551615"), &u));
    EXPECT_EQ_UINT(u, UINT64_MAX);
    u = 7;
    static const char *const bad[] = {
        "", "18446744073709551616", "99999999999999999999", "-1", "+1", " 1", "1 ", "0x1", "1.0"};
    for (size_t at = 0; at < COUNT_OF(bad); at++) {
        EXPECT(!str_parse_u64(str_from_c(bad[at]), &u));
    }
    EXPECT_EQ_UINT(u, 7);
    EXPECT(str_parse_i64(STR("-9223372036854775808"), &i));
    EXPECT_EQ_INT(i, INT64_MIN);
    EXPECT(str_parse_i64(STR("9223372036854775807"), &i));
    EXPECT_EQ_INT(i, INT64_MAX);
    EXPECT(str_parse_i64(STR("-0"), &i));
    EXPECT_EQ_INT(i, 0);
    EXPECT(!str_parse_i64(STR("9223372036854775808"), &i));
    EXPECT(!str_parse_i64(STR("-9223372036854775809"), &i));
    EXPECT(!str_parse_i64(STR("--1"), &i));
    EXPECT(!str_parse_i64(STR("-"), &i));
    EXPECT(!str_parse_u64(STR("1\0"), &u));
}

/* --- num ------------------------------------------------------------------------------------- */

TEST(num_refuses_overflow_and_leaves_the_result)
{
    int64_t value = 5;
    EXPECT(!num_add_i64(INT64_MAX, 1, &value));
    EXPECT(!num_mul_i64(INT64_MIN, -1, &value));
    EXPECT_EQ_INT(value, 5);
    EXPECT(num_mul_i64(INT64_MIN, 1, &value));
    EXPECT_EQ_INT(value, INT64_MIN);
}

/* --- buf ------------------------------------------------------------------------------------- */

TEST(buf_puts_all_or_nothing_and_stays_full)
{
    char memory[5] = "....";
    struct buf buf = buf_over(memory, 4);
    buf_put_c(&buf, "abc");
    EXPECT(!buf.is_full);
    buf_put_c(&buf, "de");
    EXPECT(buf.is_full);
    EXPECT_EQ_UINT(buf_room(&buf), 0);
    buf_put_byte(&buf, 'x'); /* would fit, but the text would have a hole */
    EXPECT(str_is(buf_str(&buf), "abc"));
    EXPECT(memory[3] == '.');
    buf_reset(&buf);
    buf_put_c(&buf, "wxyz");
    EXPECT(!buf.is_full);
    EXPECT(str_is(buf_str(&buf), "wxyz"));
    EXPECT(memory[4] == 0);
}

TEST(buf_without_memory_takes_nothing)
{
    struct buf buf = buf_over(NULL, 0);
    buf_put(&buf, NULL, 0);
    buf_put_str(&buf, STR_NONE);
    EXPECT(!buf.is_full);
    EXPECT(str_is(buf_str(&buf), ""));
    buf_put_byte(&buf, 0);
    EXPECT(buf.is_full);
}

TEST(buf_numbers)
{
    char memory[256];
    struct buf buf = buf_over(memory, sizeof memory);
    buf_put_u64(&buf, 0);
    buf_put_byte(&buf, ' ');
    buf_put_u64(&buf, UINT64_MAX);
    buf_put_byte(&buf, ' ');
    buf_put_i64(&buf, INT64_MIN);
    buf_put_byte(&buf, ' ');
    buf_put_i64(&buf, INT64_MAX);
    buf_put_byte(&buf, ' ');
    buf_put_u64_padded(&buf, 42, 5);
    buf_put_byte(&buf, ' ');
    buf_put_u64_padded(&buf, 123456, 3);
    EXPECT(str_is(buf_str(&buf), "0 18446744073709551615 -9223372036854775808 "
                                 "9223372036854775807 00042 123456"));
    buf_reset(&buf);
    buf_put_be16(&buf, 0x0102);
    buf_put_be32(&buf, 0x03040506);
    buf_put_be64(&buf, UINT64_C(0x0708090a0b0c0d0e));
    EXPECT_EQ_MEM(buf.data, "\1\2\3\4\5\6\7\10\11\12\13\14\15\16", 14);
    EXPECT_EQ_UINT(buf.len, 14);
}

TEST(buf_printf_fills_to_the_last_byte)
{
    char memory[2100];
    struct buf buf = buf_over(memory, 6);
    buf_printf(&buf, "%s-%d", "abc", 42);
    EXPECT(!buf.is_full);
    EXPECT(str_is(buf_str(&buf), "abc-42"));
    buf = buf_over(memory, 5);
    buf_printf(&buf, "%s-%d", "abc", 42);
    EXPECT(buf.is_full);
    EXPECT_EQ_UINT(buf.len, 0);
    buf = buf_over(memory, 2001);
    buf_printf(&buf, "%2000d", 1); /* longer than what is made aside: one byte of room more */
    EXPECT_EQ_UINT(buf.len, 2000);
    EXPECT(memory[1999] == '1');
    buf = buf_over(memory, 2000);
    buf_printf(&buf, "%2000d", 1);
    EXPECT(buf.is_full);
}

/* --- encodings ------------------------------------------------------------------------------- */

TEST(base64_has_the_vectors_of_rfc_4648)
{
    static const char *const vectors[][2] = {{"", ""},
                                             {"f", "Zg=="},
                                             {"fo", "Zm8="},
                                             {"foo", "Zm9v"},
                                             {"foob", "Zm9vYg=="},
                                             {"fooba", "Zm9vYmE="},
                                             {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < COUNT_OF(vectors); i++) {
        char memory[16];
        struct buf buf = buf_over(memory, sizeof memory);
        buf_put_base64(&buf, vectors[i][0], strlen(vectors[i][0]));
        EXPECT(str_is(buf_str(&buf), vectors[i][1]));
        buf_reset(&buf);
        EXPECT(decode_base64(str_from_c(vectors[i][1]), &buf));
        EXPECT(str_is(buf_str(&buf), vectors[i][0]));
    }
}

TEST(base64_has_one_spelling)
{
    char memory[16];
    static const char *const bad[] = {"Z",    "Zg",   "Zg=",  "Zg==Zg==", "Zh==",  "Zm9=", "Z===",
                                      "====", "Zg=a", "Zm9-", "Zm9v\n",   " Zm9v", "Zm9v="};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct buf buf = buf_over(memory, sizeof memory);
        EXPECT(!decode_base64(str_from_c(bad[i]), &buf));
    }
    static const char *const bad_url[] = {"Z", "Zg==", "Zh", "Zm9", "Zm9+", "Zm9/"};
    for (size_t i = 0; i < COUNT_OF(bad_url); i++) {
        struct buf buf = buf_over(memory, sizeof memory);
        EXPECT(!decode_base64url(str_from_c(bad_url[i]), &buf));
    }
}

TEST(encodings_round_trip_on_random_bytes)
{
    for (uint32_t round = 0; round < 2000; round++) {
        uint8_t bytes[64];
        uint32_t len = (uint32_t)test_random_below(sizeof bytes + 1);
        test_random_fill(bytes, len);
        char text[256];
        uint8_t back[64];
        for (uint32_t kind = 0; kind < 4; kind++) {
            struct buf out = buf_over(text, sizeof text);
            struct buf in = buf_over(back, len);
            bool is_ok = false;
            if (kind == 0) {
                buf_put_hex(&out, bytes, len);
                is_ok = decode_hex(buf_str(&out), &in);
            } else if (kind == 1) {
                buf_put_base64(&out, bytes, len);
                is_ok = decode_base64(buf_str(&out), &in);
            } else if (kind == 2) {
                buf_put_base64url(&out, bytes, len);
                is_ok = decode_base64url(buf_str(&out), &in);
            } else {
                buf_put_percent(&out, str_from((const char *)bytes, len));
                is_ok = decode_percent(buf_str(&out), true, &in);
            }
            EXPECT(is_ok);
            EXPECT_EQ_UINT(in.len, len);
            EXPECT_EQ_MEM(back, bytes, len);
            EXPECT(utf8_is_valid(buf_str(&out)));
        }
    }
}

TEST(decoders_say_when_it_does_not_fit)
{
    char memory[2];
    struct buf buf = buf_over(memory, 2);
    EXPECT(!decode_hex(STR("010203"), &buf));
    buf_reset(&buf);
    EXPECT(!decode_base64(STR("Zm9v"), &buf));
    buf_reset(&buf);
    EXPECT(!decode_percent(STR("abc"), false, &buf));
    buf_reset(&buf);
    EXPECT(decode_hex(STR("aAfF"), &buf));
    EXPECT_EQ_MEM(memory, "\xaa\xff", 2);
}

TEST(percent_decoding)
{
    char memory[32];
    struct buf buf = buf_over(memory, sizeof memory);
    EXPECT(decode_percent(STR("a%2fb+c%00"), true, &buf));
    EXPECT_EQ_UINT(buf.len, 6);
    EXPECT_EQ_MEM(memory, "a/b c\0", 6);
    buf_reset(&buf);
    EXPECT(decode_percent(STR("a+b"), false, &buf));
    EXPECT(str_is(buf_str(&buf), "a+b"));
    static const char *const bad[] = {"%", "%2", "%2g", "a%", "%%41", "%-1", "%+1"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        buf_reset(&buf);
        EXPECT(!decode_percent(str_from_c(bad[i]), false, &buf));
    }
}

/* --- UTF-8 ----------------------------------------------------------------------------------- */

/* A second opinion: decode to a code point, then look at the value. */
static bool utf8_is_valid_slowly(const uint8_t *bytes, uint32_t len) {
    static const uint32_t smallest[5] = {0, 0, 0x80, 0x800, 0x10000};
    for (uint32_t i = 0; i < len;) {
        uint32_t count = 1;
        uint32_t point = bytes[i];
        if ((bytes[i] & 0xe0) == 0xc0) {
            count = 2;
            point = bytes[i] & 0x1f;
        } else if ((bytes[i] & 0xf0) == 0xe0) {
            count = 3;
            point = bytes[i] & 0x0f;
        } else if ((bytes[i] & 0xf8) == 0xf0) {
            count = 4;
            point = bytes[i] & 0x07;
        } else if (bytes[i] >= 0x80) {
            return false;
        }
        if (len - i < count) {
            return false;
        }
        for (uint32_t k = 1; k < count; k++) {
            if (bytes[i + k] >> 6 != 2) {
                return false;
            }
            point = point << 6 | (bytes[i + k] & 0x3f);
        }
        if (point < smallest[count] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) {
            return false;
        }
        i += count;
    }
    return true;
}

TEST(utf8_agrees_with_a_slow_decoder_on_all_short_texts)
{
    /* All of 1 to 3 bytes over the bytes at which anything changes. */
    static const uint8_t edges[] = {0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf,
                                    0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee,
                                    0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xf8, 0xff};
    uint32_t valid = 0;
    for (uint32_t n = 0; n < COUNT_OF(edges) * COUNT_OF(edges) * COUNT_OF(edges); n++) {
        uint8_t text[4] = {edges[n % COUNT_OF(edges)], edges[n / COUNT_OF(edges) % COUNT_OF(edges)],
                           edges[n / COUNT_OF(edges) / COUNT_OF(edges)], 0};
        for (uint32_t fourth = 0; fourth < 4; fourth++) {
            static const uint8_t fourths[] = {0x80, 0xbf, 0x7f, 0xc2};
            text[3] = fourths[fourth];
            bool is_valid = utf8_is_valid(str_from((const char *)text, 4));
            EXPECT(is_valid == utf8_is_valid_slowly(text, 4));
            valid += is_valid;
        }
    }
    EXPECT(valid > 0);
    EXPECT(utf8_is_valid(STR("")));
    EXPECT(!utf8_is_valid(STR("\xe2\x82")));
}

TEST(utf8_count_and_repair)
{
    EXPECT_EQ_UINT(utf8_count(STR("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80")), 4);
    char text[] = "a\xff\xc3\xa4\xe2\x82"
                  "b\xed\xa0\x80";
    utf8_repair(text, sizeof text - 1);
    EXPECT_EQ_STR(text, "a?\xc3\xa4??b???");
    for (uint32_t round = 0; round < 1000; round++) {
        char noise[40];
        test_random_fill(noise, sizeof noise);
        utf8_repair(noise, sizeof noise);
        EXPECT(utf8_is_valid(str_from(noise, sizeof noise)));
    }
}

/* --- id -------------------------------------------------------------------------------------- */

TEST(id_round_trips_and_has_version_4)
{
    for (uint32_t round = 0; round < 500; round++) {
        uint8_t entropy[ID_BYTES];
        test_random_fill(entropy, sizeof entropy);
        struct id id = id_from_entropy(entropy);
        char text[ID_TEXT_LEN];
        struct buf buf = buf_over(text, sizeof text);
        id_format(id, &buf);
        REQUIRE(!buf.is_full && buf.len == ID_TEXT_LEN);
        EXPECT(text[14] == '4');
        EXPECT(strchr("89ab", text[19]) != NULL);
        struct id back;
        EXPECT(id_parse(buf_str(&buf), &back));
        EXPECT(id_equal(id, back));
        EXPECT_EQ_UINT(id_bytes(&back).len, ID_BYTES);
        EXPECT_EQ_MEM(id_bytes(&back).data, id.bytes, ID_BYTES);
    }
    uint8_t zeros[ID_BYTES] = {0};
    uint8_t ones[ID_BYTES];
    memset(ones, 0xff, sizeof ones);
    EXPECT(!id_is_zero(id_from_entropy(zeros)));
    EXPECT_EQ_INT(id_from_entropy(ones).bytes[6], 0x4f);
    EXPECT_EQ_INT(id_from_entropy(ones).bytes[8], 0xbf);
}

TEST(id_parse_is_strict)
{
    struct id id;
    memset(&id, 7, sizeof id);
    EXPECT(id_parse(STR("01234567-89AB-cdef-0123-456789abcdef"), &id));
    EXPECT(id_parse(STR("00000000-0000-0000-0000-000000000000"), &id));
    EXPECT(id_is_zero(id));
    static const char *const bad[] = {
        "",
        "0123456789abcdef0123456789abcdef",
        "01234567-89ab-cdef-0123-456789abcde",
        "01234567-89ab-cdef-0123-456789abcdef0",
        "0123456-789ab-cdef-0123-456789abcdef",
        "01234567-89ab-cdef-0123_456789abcdef",
        "01234567-89ab-cdef-0123-456789abcdeg",
        "{1234567-89ab-cdef-0123-456789abcde}",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        EXPECT(!id_parse(str_from_c(bad[i]), &id));
    }
    EXPECT(id_is_zero(id)); /* untouched by failures */
}

/* --- err ------------------------------------------------------------------------------------- */

TEST(err_rows_are_whole)
{
    for (uint32_t i = 0; i < ERR_COUNT; i++) {
        const struct err_row *row = err_row((enum err)i);
        EXPECT(row->name[0] != '\0');
        EXPECT(row->sentence[0] != '\0');
        EXPECT(row->sentence[strlen(row->sentence) - 1] == '.' || i == ERR_OK);
        if (row->status >= 400) {
            EXPECT(row->type[0] != '\0');
            EXPECT(row->reason[0] != '\0');
        } else {
            EXPECT(row->status == 0 || i == ERR_OK);
            EXPECT_EQ_STR(row->type, "");
        }
    }
    EXPECT_EQ_STR(err_row(ERR_VALIDATION)->name, "VALIDATION");
    EXPECT_EQ_INT(err_row(ERR_NO_MEMORY)->status, 503);
    EXPECT_DIES(err_row(ERR_COUNT));
}
