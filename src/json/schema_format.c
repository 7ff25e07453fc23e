/*
 * The forms of texts: e-mail address, URL, phone number, date, slug, digits. Rules and strictness
 * are the identity contract's (1.3); where it follows the "word characters" of Unicode, ranges
 * stand for the tables: letters and digits of all scripts pass, and blanks, controls, punctuation,
 * symbols, direction marks and unassigned planes do not.
 *
 * Input is valid UTF-8. No function here backtracks: each is one pass.
 */
#include <string.h>

#include "base/decode.h"
#include "base/time.h"
#include "json/internal.h"

enum {
    LABEL_BYTES_MAX = 63, /* RFC 1035, 2.3.4 */
    IPV6_TEXT_MAX = 45,
    PHONE_DIGITS_MIN = 8,
    PHONE_DIGITS_MAX = 15, /* E.164 */
    DATE_YEAR_MIN = 1900,
};

static bool is_digit(char byte) {
    return byte >= '0' && byte <= '9';
}

static bool is_alnum(char byte) {
    return is_digit(byte) || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

/* The code point at the start of valid UTF-8 text, and its bytes. */
static uint32_t code_point(struct str text, uint32_t *bytes) {
    uint8_t lead = (uint8_t)text.data[0];
    *bytes = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    CHECK(*bytes <= text.len);
    uint32_t point = *bytes == 1 ? lead : lead & (0x7fu >> *bytes);
    for (uint32_t i = 1; i < *bytes; i++) {
        point = point << 6 | ((uint8_t)text.data[i] & 0x3fu);
    }
    return point;
}

struct code_range {
    uint32_t first;
    uint32_t last;
};

static bool in_ranges(uint32_t point, const struct code_range *ranges, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (point >= ranges[i].first && point <= ranges[i].last) {
            return true;
        }
    }
    return false;
}

/* Non-ASCII code points that are certainly no letter or digit. */
static bool is_foreign_word(uint32_t point) {
    static const struct code_range others[] = {
        {0x0080, 0x00a9},   {0x00ab, 0x00b1},   {0x00b4, 0x00b4},    {0x00b6, 0x00b8},
        {0x00bb, 0x00bb},   {0x00bf, 0x00bf},   {0x00d7, 0x00d7},    {0x00f7, 0x00f7},
        {0x02c2, 0x02c5},   {0x02d2, 0x02df},   {0x0300, 0x036f},    {0x034f, 0x034f},
        {0x0600, 0x0605},   {0x061c, 0x061c},   {0x115f, 0x1160},    {0x1680, 0x1680},
        {0x17b4, 0x17b5},   {0x180b, 0x180f},   {0x1ab0, 0x1aff},    {0x2000, 0x206f},
        {0x20a0, 0x20ff},   {0x2190, 0x245f},   {0x249c, 0x24e9},    {0x2500, 0x2775},
        {0x2794, 0x2bff},   {0x2e00, 0x2e7f},   {0x2ff0, 0x3004},    {0x3008, 0x3020},
        {0x302a, 0x3030},   {0x3164, 0x3164},   {0xd800, 0xf8ff},    {0xfd3e, 0xfd3f},
        {0xfe00, 0xfe6f},   {0xfeff, 0xff0f},   {0xff1a, 0xff20},    {0xff3b, 0xff40},
        {0xff5b, 0xff65},   {0xffa0, 0xffa0},   {0xffe0, 0xffff},    {0x1d000, 0x1d3ff},
        {0x1f000, 0x1fbef}, {0x1fffe, 0x1ffff}, {0xe0000, 0x10ffff},
    };
    return point >= 0x80 && !in_ranges(point, others, COUNT_OF(others));
}

static bool is_blank(uint32_t point) {
    static const struct code_range blanks[] = {
        {0x00, 0x20},     {0x7f, 0xa0},     {0x1680, 0x1680}, {0x2000, 0x200f}, {0x2028, 0x202f},
        {0x205f, 0x2064}, {0x2066, 0x2069}, {0x3000, 0x3000}, {0xfeff, 0xfeff},
    };
    return in_ranges(point, blanks, COUNT_OF(blanks));
}

static bool has_blank(struct str text) {
    uint32_t bytes;
    for (; text.len > 0; text = str_slice(text, bytes, text.len)) {
        if (is_blank(code_point(text, &bytes))) {
            return true;
        }
    }
    return false;
}

/* Bytes of a word character at the start of `text`, 0 when there is none. */
static uint32_t word_bytes(struct str text) {
    uint32_t bytes;
    uint32_t point = code_point(text, &bytes);
    bool is_word = point < 0x80 ? is_alnum(text.data[0]) : is_foreign_word(point);
    return is_word ? bytes : 0;
}

/* --- hosts ----------------------------------------------------------------------------------- */

/* Letters, digits and inner dashes. */
static bool label_is_ok(struct str label, bool may_be_foreign) {
    if (label.len == 0 || label.len > LABEL_BYTES_MAX || label.data[0] == '-' ||
        label.data[label.len - 1] == '-') {
        return false;
    }
    while (label.len > 0) {
        uint32_t bytes = label.data[0] == '-' ? 1 : word_bytes(label);
        if (bytes == 0 || (bytes > 1 && !may_be_foreign)) {
            return false;
        }
        label = str_slice(label, bytes, label.len);
    }
    return true;
}

/* Two labels or more, the last of two characters or more. */
static bool domain_is_ok(struct str domain, bool may_be_foreign) {
    struct str rest = domain;
    uint32_t label_count = 0;
    struct str last = STR_NONE;
    while (!str_is_none(rest)) {
        last = str_split(&rest, '.');
        if (!label_is_ok(last, may_be_foreign)) {
            return false;
        }
        label_count++;
    }
    return label_count >= 2 && utf8_count(last) >= 2;
}

static bool ipv4_is_ok(struct str text) {
    uint32_t parts = 0;
    while (!str_is_none(text)) {
        struct str part = str_split(&text, '.');
        uint64_t value;
        if (part.len > 3 || !str_parse_u64(part, &value) || value > 255) {
            return false;
        }
        parts++;
    }
    return parts == 4;
}

static bool ipv6_is_plausible(struct str text) {
    if (text.len < 2 || text.len > IPV6_TEXT_MAX || !str_has_byte(text, ':')) {
        return false;
    }
    for (uint32_t i = 0; i < text.len; i++) {
        if (memchr("0123456789abcdefABCDEF:.", text.data[i], 24) == NULL) {
            return false;
        }
    }
    return true;
}

/* What is between brackets, or STR_NONE. */
static struct str bracketed(struct str host) {
    bool has_brackets = host.len >= 2 && str_starts(host, STR("[")) && str_ends(host, STR("]"));
    return has_brackets ? str_slice(host, 1, host.len - 1) : STR_NONE;
}

/* --- e-mail ---------------------------------------------------------------------------------- */

/* RFC 5322, 3.2.3, with word characters for the letters and digits. */
static bool dot_atom_is_ok(struct str text) {
    static const char marks[] = "-!#$%&'*+/=?^_`{}|~";
    bool is_after_dot = true; /* no dot at the start, at the end, or after another */
    while (text.len > 0) {
        uint32_t bytes = 1;
        if (text.data[0] == '.') {
            if (is_after_dot) {
                return false;
            }
            is_after_dot = true;
        } else {
            is_after_dot = false;
            if (text.data[0] == '\0' || strchr(marks, text.data[0]) == NULL) {
                bytes = word_bytes(text);
            }
        }
        if (bytes == 0) {
            return false;
        }
        text = str_slice(text, bytes, text.len);
    }
    return !is_after_dot;
}

/* As the contract's library has it: no blank, tab or line end unless quoted by a backslash. */
static bool quoted_is_ok(struct str text) {
    if (text.len < 2 || text.data[0] != '"' || text.data[text.len - 1] != '"') {
        return false;
    }
    struct str inner = str_slice(text, 1, text.len - 1);
    for (uint32_t i = 0; i < inner.len; i++) {
        uint8_t byte = (uint8_t)inner.data[i];
        bool is_quoted = byte == '\\';
        if (is_quoted) {
            i++;
            if (i == inner.len) {
                return false;
            }
            byte = (uint8_t)inner.data[i];
        }
        /* Control characters pass in the library. A mail address with them is an attack on logs
         * and headers, never a mailbox. */
        if (byte < (is_quoted ? 0x20 : 0x21) || byte >= 0x7f || (byte == '"' && !is_quoted)) {
            return false;
        }
    }
    return true;
}

static bool email_is_ok(struct str text) {
    uint32_t at = text.len;
    while (at > 0 && text.data[at - 1] != '@') {
        at--;
    }
    if (at == 0) {
        return false;
    }
    struct str local = str_slice(text, 0, at - 1);
    struct str domain = str_slice(text, at, text.len);
    if (!dot_atom_is_ok(local) && !quoted_is_ok(local)) {
        return false;
    }
    return str_equal_nocase(domain, STR("localhost")) || domain_is_ok(domain, true) ||
           ipv4_is_ok(bracketed(domain));
}

/* --- URL ------------------------------------------------------------------------------------- */

static bool port_is_ok(struct str text) {
    uint64_t port;
    return text.len <= 5 && str_parse_u64(text, &port) && port <= UINT16_MAX;
}

/* RFC 3986, 3.2.1, without a second colon. What browsers read as the end of the host is out. */
static bool userinfo_is_ok(struct str text) {
    uint32_t colons = 0;
    for (uint32_t i = 0; i < text.len; i++) {
        char byte = text.data[i];
        colons += byte == ':';
        if (!is_alnum(byte) && memchr("-._~%!$&'()*+,;=:", byte, 17) == NULL) {
            return false;
        }
    }
    return text.len > 0 && text.data[0] != ':' && colons <= 1;
}

static bool host_is_ok(struct str host) {
    if (str_starts(host, STR("["))) {
        return ipv6_is_plausible(bracketed(host));
    }
    if (str_ends(host, STR("."))) {
        host = str_slice(host, 0, host.len - 1); /* the root */
    }
    return str_equal_nocase(host, STR("localhost")) || domain_is_ok(host, false) ||
           ipv4_is_ok(host);
}

static bool authority_is_ok(struct str text) {
    uint32_t at = text.len;
    while (at > 0 && text.data[at - 1] != '@') {
        at--;
    }
    if (at > 0 && !userinfo_is_ok(str_slice(text, 0, at - 1))) {
        return false;
    }
    struct str host = str_slice(text, at, text.len);
    uint32_t colon = host.len;
    while (colon > 0 && is_digit(host.data[colon - 1])) {
        colon--;
    }
    if (colon > 0 && host.data[colon - 1] == ':' && !str_ends(host, STR(":"))) {
        if (!port_is_ok(str_slice(host, colon, host.len))) {
            return false;
        }
        host = str_slice(host, 0, colon - 1);
    }
    return host_is_ok(host);
}

static bool url_is_ok(struct str text) {
    static const char *const schemes[] = {"http://", "https://", "ftp://", "ftps://"};
    struct str rest = STR_NONE;
    for (size_t i = 0; i < COUNT_OF(schemes) && str_is_none(rest); i++) {
        struct str scheme = str_from_c(schemes[i]);
        if (str_equal_nocase(str_slice(text, 0, scheme.len), scheme)) {
            rest = str_slice(text, scheme.len, text.len);
        }
    }
    if (str_is_none(rest) || has_blank(rest)) {
        return false;
    }
    uint32_t end = 0;
    while (end < rest.len && rest.data[end] != '/' && rest.data[end] != '?') {
        end++;
    }
    bool has_empty_query = end + 1 == rest.len && rest.data[end] == '?';
    return !has_empty_query && authority_is_ok(str_slice(rest, 0, end));
}

/* --- the small ones -------------------------------------------------------------------------- */

static bool phone_is_ok(struct str text) {
    uint32_t digits = 0;
    for (uint32_t i = 0; i < text.len; i++) {
        char byte = text.data[i];
        bool is_plus = byte == '+' && i == 0;
        if (!is_digit(byte) && !is_plus && memchr(" .-()", byte, 5) == NULL) {
            return false;
        }
        digits += is_digit(byte);
    }
    return digits >= PHONE_DIGITS_MIN && digits <= PHONE_DIGITS_MAX;
}

static bool date_is_ok(struct str text) {
    int64_t time_us;
    struct time_fields fields;
    if (text.len != sizeof "YYYY-MM-DD" - 1 || !time_parse(text, &time_us)) {
        return false;
    }
    time_split(time_us, &fields);
    return fields.year >= DATE_YEAR_MIN;
}

static bool slug_is_ok(struct str text) {
    char before = '-';
    for (uint32_t i = 0; i < text.len; i++) {
        char byte = text.data[i];
        bool is_inner_dash = byte == '-' && before != '-';
        if (!is_digit(byte) && !(byte >= 'a' && byte <= 'z') && !is_inner_dash) {
            return false;
        }
        before = byte;
    }
    return before != '-';
}

static bool digits_are_ok(struct str text) {
    for (uint32_t i = 0; i < text.len; i++) {
        if (!is_digit(text.data[i])) {
            return false;
        }
    }
    return text.len > 0;
}

bool schema_format_check(enum field_format format, struct str text) {
    if (str_is_none(text) || !utf8_is_valid(text)) {
        return false;
    }
    switch (format) {
    case FORMAT_NONE:
        return true;
    case FORMAT_EMAIL:
        return email_is_ok(text);
    case FORMAT_URL:
        return url_is_ok(text);
    case FORMAT_PHONE:
        return phone_is_ok(text);
    case FORMAT_DATE:
        return date_is_ok(text);
    case FORMAT_SLUG:
        return slug_is_ok(text);
    case FORMAT_DIGITS:
        return digits_are_ok(text);
    }
    return false;
}
