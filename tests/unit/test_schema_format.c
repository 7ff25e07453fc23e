/* The forms of texts: what the identity contract (1.3) accepts and refuses. */
#include "test.h"

#include "json/schema.h"

static void expect_format(enum field_format format, const char *text, bool want) {
    if (schema_format_check(format, str_from_c(text)) != want) {
        test_fail(__FILE__, __LINE__, "format %d %s \"%s\"", (int)format,
                  want ? "refuses" : "accepts", text);
    }
}

static const char *const good_emails[] = {
    "a@b.cd",
    "a@localhost",
    "a@LOCALHOST",
    "a.b+c@x-y.example.org",
    "!#$%&'*+/=?^_`{|}~-@a.bc",
    "\xc3\xa4\xe6\x97\xa5@b.cd",
    "a@[192.168.0.255]",
    "\"a@b\"@c.de",
    "a@b.c-d",
    "1@2.33",
    "a@m\xc3\xbcnchen.de",
    "\"\"@b.cd",
    "\"\\\"\"@b.cd",
};

static const char *const bad_emails[] = {
    "",
    "a",
    "@",
    "a@",
    "@b.cd",
    "a@b",
    "a@b.c",
    "a@b..cd",
    "a@.b.cd",
    "a@b.cd.",
    "a@-b.cd",
    "a@b-.cd",
    ".a@b.cd",
    "a.@b.cd",
    "a..b@c.de",
    "a b@c.de",
    "a@b c.de",
    "a@b_c.de",
    "a\n@b.cd",
    "a@b.cd\n",
    "a@[192.168.0.256]",
    "a@[1.2.3]",
    "a@[::1]",
    "a@[]",
    "\"a@b.cd",
    "a\"b@c.de",
    "\"a\"b\"@c.de",
    "\"\\\"@b.cd",
    "a,b@c.de",
    "a<b>@c.de",
    "a@b@c.de",
    "a\xc2\xa0@b.cd",
    "a\xe2\x80\xae@b.cd",
    "a\xe2\x80\x8b@b.cd",
    "a\xf0\x9f\x98\x80@b.cd",
    "a\xef\xbb\xbf@b.cd",
    "a\x7f@b.cd",
    "a@b.\xe2\x80\xa8"
    "cd",
    "\"a\rb\"@c.de",
};

TEST(schema_email_rule)
{
    for (size_t i = 0; i < COUNT_OF(good_emails); i++) {
        expect_format(FORMAT_EMAIL, good_emails[i], true);
    }
    /* As in the contract's library: a blank only behind a backslash. */
    expect_format(FORMAT_EMAIL, "\"a b\"@c.de", false);
    expect_format(FORMAT_EMAIL, "\"a\\ b\"@c.de", true);
    for (size_t i = 0; i < COUNT_OF(bad_emails); i++) {
        expect_format(FORMAT_EMAIL, bad_emails[i], false);
    }
    char label[300] = "a@";
    memset(label + 2, 'x', 63);
    memcpy(label + 65, ".de", 4);
    expect_format(FORMAT_EMAIL, label, true);
    memset(label + 2, 'x', 64);
    memcpy(label + 66, ".de", 4);
    expect_format(FORMAT_EMAIL, label, false);
}

static const char *const good_urls[] = {
    "http://a.bc",          "HTTPS://A.BC/",
    "ftp://a.bc/x",         "ftps://a.bc",
    "http://localhost",     "http://localhost:3000/x?y=z",
    "http://127.0.0.1",     "http://[::1]:8080/",
    "http://[fe80::1]",     "http://u@a.bc",
    "http://u:p@a.bc/",     "http://u:@a.bc",
    "http://a.bc.",         "http://a.bc:65535",
    "http://a.bc/\xc3\xa4", "http://a.bc?x",
    "http://a.bc/?",        "http://a.bc//",
    "http://1.2.3.44",      "http://a-b.example.museum/@x:y",
    "http://a.bc/#f",
};

static const char *const bad_urls[] = {
    "",
    "http://",
    "http:///x",
    "a.bc",
    "//a.bc",
    "javascript:alert(1)",
    "javascript://a.bc",
    "http:a.bc",
    "gopher://a.bc",
    "http://a",
    "http://a.b",
    "http://-a.bc",
    "http://a_b.cd",
    "http://a.bc:",
    "http://a.bc:x",
    "http://a.bc:65536",
    "http://a.bc:123456",
    "http://a.bc#x",
    "http://a.bc?",
    "http://a.bc /",
    "http://a.bc/ ",
    " http://a.bc",
    "http://a.bc/\n",
    "http://a.bc/\xc2\xa0",
    "http://a.bc/\xe3\x80\x80",
    "http://@a.bc",
    "http://:p@a.bc",
    "http://u:p:q@a.bc",
    "http://a@b@c.de",
    "http://good.com\\@evil.com",
    "http://a.bc\\x",
    "http://[::1",
    "http://::1]",
    "http://[]",
    "http://[g::1]",
    "http://[1]",
    "http://a..bc",
    "http://.a.bc",
    "http://a.bc..",
    "http://256.1",
    "http://\xc3\xa4.de",
    "http://a.bc\x01",
    "http://u<@a.bc",
};

TEST(schema_url_rule)
{
    for (size_t i = 0; i < COUNT_OF(good_urls); i++) {
        expect_format(FORMAT_URL, good_urls[i], true);
    }
    for (size_t i = 0; i < COUNT_OF(bad_urls); i++) {
        expect_format(FORMAT_URL, bad_urls[i], false);
    }
}

TEST(schema_small_formats)
{
    static const struct {
        enum field_format format;
        const char *text;
        bool want;
    } rows[] = {
        {FORMAT_PHONE, "12345678", true},
        {FORMAT_PHONE, "+123456789012345", true},
        {FORMAT_PHONE, "(030) 12.34-56 78", true},
        {FORMAT_PHONE, "1234567", false},
        {FORMAT_PHONE, "1234567890123456", false},
        {FORMAT_PHONE, "1234+5678", false},
        {FORMAT_PHONE, "12345678x", false},
        {FORMAT_PHONE, "", false},
        {FORMAT_DATE, "1900-01-01", true},
        {FORMAT_DATE, "2024-02-29", true},
        {FORMAT_DATE, "1899-12-31", false},
        {FORMAT_DATE, "2023-02-29", false},
        {FORMAT_DATE, "2024-2-29", false},
        {FORMAT_DATE, "2024-02-29T", false},
        {FORMAT_DATE, "", false},
        {FORMAT_SLUG, "a", true},
        {FORMAT_SLUG, "a-1-b", true},
        {FORMAT_SLUG, "", false},
        {FORMAT_SLUG, "-a", false},
        {FORMAT_SLUG, "a-", false},
        {FORMAT_SLUG, "a--b", false},
        {FORMAT_SLUG, "A", false},
        {FORMAT_SLUG, "a_b", false},
        {FORMAT_DIGITS, "0123456789", true},
        {FORMAT_DIGITS, "", false},
        {FORMAT_DIGITS, "1 2", false},
        {FORMAT_DIGITS, "\xd9\xa1", false}, /* an Arabic one */
        {FORMAT_NONE, "", true},
        {FORMAT_NONE, "\xff", false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        expect_format(rows[i].format, rows[i].text, rows[i].want);
    }
    EXPECT(!schema_format_check(FORMAT_NONE, STR_NONE));
}

TEST(schema_formats_stand_random_text)
{
    static const char alphabet[] = "a@.:/[]\"\\-1 +?#_%\xc3\xa4";
    for (uint32_t round = 0; round < 50000; round++) {
        char text[24];
        uint32_t len = (uint32_t)test_random_below(sizeof text);
        for (uint32_t i = 0; i < len; i++) {
            text[i] = alphabet[test_random_below(sizeof alphabet)];
        }
        char *exact = malloc(len + 1); /* so that the sanitizer sees the end */
        memcpy(exact, text, len);
        for (int format = FORMAT_NONE; format <= FORMAT_DIGITS; format++) {
            (void)schema_format_check((enum field_format)format, str_from(exact, len));
        }
        free(exact);
    }
}
