/* Mails: the writer (RFC 5322, 2045, 2047), and the language of templates. */
#include "test.h"

#include "base/decode.h"
#include "base/time.h"
#include "domain/mail/mail.h"
#include "domain/mail/message.h"
#include "domain/mail/template_text.h"

#include <string.h>

static char memory[256 * 1024];

static struct buf room(void) {
    return buf_over(memory, sizeof(memory));
}

static void expect_words(struct str text, uint32_t used, struct str expected) {
    struct buf out = room();
    message_put_words(text, used, &out);
    EXPECT(str_equal(buf_str(&out), expected));
}

TEST(header_words)
{
    expect_words(STR("Hello there"), 9, STR("Hello there"));
    expect_words(STR(""), 9, STR(""));
    expect_words(STR("Grüße"), 9, STR("=?UTF-8?B?R3LDvMOfZQ==?="));
    /* What looks like an encoded word is encoded, what could end the line too. */
    expect_words(STR("=?x"), 9, STR("=?UTF-8?B?PT94?="));
    expect_words(STR("a\r\nBcc: b"), 9, STR("=?UTF-8?B?YQ0KQmNjOiBi?="));
}

/* Decodes what message_put_words wrote: words of whole characters in lines of at most 76. */
static void expect_round_trip(struct str text, uint32_t used) {
    static char encoded[64 * 1024];
    static char decoded[64 * 1024];
    struct buf out = buf_over(encoded, sizeof(encoded));
    struct buf back = buf_over(decoded, sizeof(decoded));
    message_put_words(text, used, &out);
    struct str rest = buf_str(&out);
    uint32_t column = used;
    while (!str_is_none(rest)) {
        struct str line = str_split(&rest, '\n');
        bool has_more = !str_is_none(rest);
        if (has_more) {
            EXPECT(str_ends(line, STR("\r")));
            line = str_slice(line, 0, line.len - 1);
        }
        EXPECT(column + line.len <= 76);
        line = str_trim(line);
        EXPECT(str_starts(line, STR("=?UTF-8?B?")) && str_ends(line, STR("?=")));
        uint32_t before = back.len;
        EXPECT(decode_base64(str_slice(line, 10, line.len - 2), &back));
        EXPECT(utf8_is_valid(str_from(decoded + before, back.len - before)));
        column = 0;
    }
    EXPECT(str_equal(buf_str(&back), text));
}

TEST(long_words_are_folded_between_characters)
{
    static char text[2000];
    static const char *const letters[] = {"a", "\xc3\xbc", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    for (uint32_t seed = 1; seed < 400; seed++) {
        struct buf out = buf_over(text, sizeof(text));
        uint32_t state = seed * 2654435761u;
        buf_put_c(&out, "\xc3\xbc");
        for (uint32_t i = 0; i < seed; i++) {
            state = state * 1664525u + 1013904223u;
            buf_put_c(&out, letters[state >> 30]);
        }
        expect_round_trip(buf_str(&out), seed % 20);
    }
}

static void expect_quoted(struct str text, struct str expected) {
    struct buf out = room();
    message_put_quoted(text, &out);
    EXPECT(str_equal(buf_str(&out), expected));
}

TEST(quoted_printable)
{
    expect_quoted(STR(""), STR(""));
    expect_quoted(STR("a\nb"), STR("a\r\nb\r\n"));
    expect_quoted(STR("a\r\n\r\nb\n"), STR("a\r\n\r\nb\r\n"));
    expect_quoted(STR("1=2 \n"), STR("1=3D2=20\r\n"));
    expect_quoted(STR("\tx\x01"), STR("=09x=01\r\n"));
    expect_quoted(STR("\xe2\x82\xac"), STR("=E2=82=AC\r\n"));
    expect_quoted(STR(".\n"), STR(".\r\n")); /* dots are SMTP's */
}

TEST(quoted_lines_are_short)
{
    static char text[1000];
    for (uint32_t len = 1; len < sizeof(text); len += 7) {
        memset(text, len % 3 == 0 ? '=' : 'x', len);
        struct buf out = room();
        message_put_quoted(str_from(text, len), &out);
        struct str rest = buf_str(&out);
        while (rest.len > 0) {
            EXPECT(str_split(&rest, '\n').len <= 77); /* 76 and the CR */
        }
    }
}

TEST(dates)
{
    struct time_fields fields = {2026, 11, 1, 7, 5, 2, 0, 0};
    struct buf out = room();
    message_put_date(time_join(&fields), &out);
    EXPECT(str_equal(buf_str(&out), STR("Sun, 01 Nov 2026 07:05:02 +0000")));
}

/* Headers up to the blank line; folded lines belong to the one before. */
static uint32_t header_count(struct str message) {
    uint32_t count = 0;
    while (!str_starts(message, STR("\r\n"))) {
        CHECK(message.len > 0);
        count += !str_starts(str_split(&message, '\n'), STR(" "));
    }
    return count;
}

TEST(no_value_makes_a_header)
{
    struct message message = {
        .id = {{1}},
        .time_us = 0,
        .from = STR("post@example.com"),
        .from_name = STR("Name"),
        .to = STR("to@example.com"),
        .subject = STR("Subject"),
        .text = STR("text\n"),
        .html = STR("<p>html</p>\n"),
    };
    struct buf out = room();
    message_write(&message, &out);
    EXPECT_EQ_UINT(header_count(buf_str(&out)), 8);
    struct str bad = STR("x>\r\nBcc: all@example.com\r\n\r\nbody\"\\");
    message.to = bad;
    message.subject = bad;
    message.from_name = bad;
    message.from = bad;
    out = room();
    message_write(&message, &out);
    struct str rest = buf_str(&out);
    EXPECT_EQ_UINT(header_count(rest), 8);
    while (rest.len > 0) {
        EXPECT(!str_starts(str_split(&rest, '\n'), STR("Bcc")));
    }
}

/* ---- templates ---- */

static enum err check_text(struct str text) {
    struct str where;
    return template_text_check(text, STR("service name link"), &where);
}

TEST(template_checks)
{
    EXPECT_EQ_INT(check_text(STR("")), ERR_OK);
    EXPECT_EQ_INT(check_text(STR("a {b} }} {{name}} {{link}}{{link}} {")), ERR_OK);
    EXPECT_EQ_INT(check_text(STR("{{nam}}")), ERR_NOT_FOUND);
    EXPECT_EQ_INT(check_text(STR("{{names}}")), ERR_NOT_FOUND);
    EXPECT_EQ_INT(check_text(STR("{{ name }}")), ERR_FORMAT);
    EXPECT_EQ_INT(check_text(STR("{{name}")), ERR_FORMAT);
    EXPECT_EQ_INT(check_text(STR("{{}}")), ERR_FORMAT);
    EXPECT_EQ_INT(check_text(STR("{{{name}}}")), ERR_FORMAT);
    EXPECT_EQ_INT(check_text(STR("text {{")), ERR_FORMAT);
    EXPECT_EQ_INT(check_text(STR("{{NAME}}")), ERR_FORMAT);
    struct buf out = room();
    for (uint32_t i = 0; i <= TEMPLATE_PLACEHOLDERS_MAX; i++) {
        EXPECT_EQ_INT(check_text(buf_str(&out)), ERR_OK);
        buf_put_c(&out, "{{name}}");
    }
    EXPECT_EQ_INT(check_text(buf_str(&out)), ERR_FULL);
}

static void expect_fill(struct str text, enum template_form form, struct str expected) {
    const struct template_value values[] = {
        {STR("name"), STR("<a href=\"x\">&\r\n{{link}}")},
        {STR("link"), STR("L")},
        {STR("empty"), STR_NONE},
    };
    struct buf out = room();
    template_text_fill(text, values, COUNT_OF(values), form, &out);
    EXPECT(str_equal(buf_str(&out), expected));
}

TEST(template_fills)
{
    expect_fill(STR("a {{link}}b{{link}}"), TEMPLATE_PLAIN, STR("a LbL"));
    expect_fill(STR("[{{empty}}{{other}}]"), TEMPLATE_PLAIN, STR("[]"));
    expect_fill(STR("x\ny {{name}}"), TEMPLATE_LINE, STR("x y <a href=\"x\">&  {{link}}"));
    /* What a value brings is text, not template. */
    expect_fill(STR("<p>{{name}}</p>"), TEMPLATE_HTML,
                STR("<p>&#60;a href=&#34;x&#34;&#62;&#38;\r\n{{link}}</p>"));
}

TEST(built_in_templates_are_sound)
{
    for (uint32_t i = 0; i < MAIL_TEMPLATE_COUNT; i++) {
        enum mail_template template = (enum mail_template)i;
        struct mail_template_text text = mail_template_default(template);
        struct str names = mail_template_placeholders(template);
        const struct str parts[] = {text.subject, text.text, text.html};
        for (uint32_t p = 0; p < COUNT_OF(parts); p++) {
            struct str where;
            EXPECT_EQ_INT(template_text_check(parts[p], names, &where), ERR_OK);
        }
        EXPECT(text.subject.len <= TEMPLATE_SUBJECT_MAX && text.text.len <= TEMPLATE_TEXT_MAX &&
               text.html.len <= TEMPLATE_HTML_MAX);
        while (!str_is_none(names)) {
            struct str name = str_split(&names, ' ');
            bool is_service = str_equal(name, STR("service"));
            EXPECT(is_service || schema_field(&mail_schema, name) != NULL);
        }
    }
}
