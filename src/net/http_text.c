/* HTTP's vocabulary: method names, reason phrases, and the few header values that are lists. */
#include "net/http.h"

#include "net/http_bytes.h"

const char *http_method_name(enum http_method method) {
    switch (method) {
    case HTTP_GET:
        return "GET";
    case HTTP_HEAD:
        return "HEAD";
    case HTTP_POST:
        return "POST";
    case HTTP_PUT:
        return "PUT";
    case HTTP_PATCH:
        return "PATCH";
    case HTTP_DELETE:
        return "DELETE";
    case HTTP_OPTIONS:
        return "OPTIONS";
    case HTTP_OTHER:
        return "OTHER";
    }
    return "OTHER";
}

struct str http_header(const struct http_head *head, struct str name) {
    CHECK(head->header_count <= HTTP_HEADERS_MAX);
    for (uint32_t index = 0; index < head->header_count; index++) {
        const struct http_header *header = &head->headers[index];
        if (header->name.len == name.len && str_equal_nocase(header->name, name)) {
            return header->value;
        }
    }
    return STR_NONE;
}

/* --- reason phrases: RFC 9110, 15; RFC 6585 --- */

struct reason_row {
    uint16_t status;
    const char *reason;
};

static const struct reason_row reasons[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {423, "Locked"},
    {424, "Failed Dependency"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {451, "Unavailable For Legal Reasons"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
};

const char *http_reason(uint16_t status) {
    for (uint32_t index = 0; index < COUNT_OF(reasons); index++) {
        if (reasons[index].status == status) {
            return reasons[index].reason;
        }
    }
    return "";
}

/* --- Accept-Encoding --- */

enum weight { WEIGHT_BAD, WEIGHT_ZERO, WEIGHT_SOME };

/* qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] ): RFC 9110, 12.4.2 */
static enum weight weight_parse(struct str text) {
    bool has_whole = text.len >= 1 && (text.data[0] == '0' || text.data[0] == '1');
    if (!has_whole || text.len > 5 || (text.len > 1 && text.data[1] != '.')) {
        return WEIGHT_BAD;
    }
    bool is_one = text.data[0] == '1';
    bool is_zero = !is_one;
    for (uint32_t index = 2; index < text.len; index++) {
        char digit = text.data[index];
        if (digit < '0' || digit > (is_one ? '0' : '9')) {
            return WEIGHT_BAD;
        }
        is_zero = is_zero && digit == '0';
    }
    return is_zero ? WEIGHT_ZERO : WEIGHT_SOME;
}

/* What stands behind the coding's name: nothing, or one weight. */
static enum weight member_weight(struct str parameters) {
    if (str_is_none(parameters)) {
        return WEIGHT_SOME;
    }
    struct str text = str_trim(parameters);
    if (!str_equal_nocase(str_slice(text, 0, 2), STR("q="))) {
        return WEIGHT_BAD;
    }
    return weight_parse(str_slice(text, 2, text.len));
}

/* RFC 9110, 8.4.1.3: x-gzip is gzip. */
static bool coding_is(struct str name, struct str coding) {
    if (str_equal_nocase(name, coding)) {
        return true;
    }
    return str_equal(coding, STR("gzip")) && str_equal_nocase(name, STR("x-gzip"));
}

bool http_accepts(struct str accept_encoding, struct str coding) {
    enum weight any = WEIGHT_BAD; /* of "*", which speaks for codings that are not named */
    struct str rest = accept_encoding;
    while (!str_is_none(rest)) {
        struct str parameters = str_split(&rest, ',');
        struct str name = str_trim(str_split(&parameters, ';'));
        enum weight weight = member_weight(parameters);
        if (weight != WEIGHT_BAD && coding_is(name, coding)) {
            return weight == WEIGHT_SOME;
        }
        if (weight != WEIGHT_BAD && str_equal(name, STR("*"))) {
            any = weight;
        }
    }
    return any == WEIGHT_SOME;
}

/* --- cookies: RFC 6265, 5.4; the first of a name wins --- */

struct str http_cookie(struct str cookies, struct str name) {
    struct str rest = cookies;
    while (!str_is_none(rest)) {
        struct str pair = str_trim(str_split(&rest, ';'));
        uint32_t equals = str_find_byte(pair, '=');
        if (equals < pair.len && str_equal(str_slice(pair, 0, equals), name)) {
            return str_slice(pair, equals + 1, pair.len);
        }
    }
    return STR_NONE;
}
