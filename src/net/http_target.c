/*
 * Request targets: origin form everywhere, absolute form as RFC 9112, 3.2.2 demands of a server,
 * asterisk form for OPTIONS only, authority form (CONNECT) never: we are no proxy.
 *
 * The path stays percent-encoded, but its escapes are checked here, so that whoever decodes it
 * later cannot meet a half one, nor a NUL that would end a name early in somebody's C string.
 */
#include "net/http_target.h"

#include "net/http_bytes.h"

static bool path_is_valid(struct str path) {
    for (uint32_t index = 0; index < path.len; index++) {
        if (path.data[index] != '%') {
            continue;
        }
        if (path.len - index < 3 || !http_byte_is(path.data[index + 1], HTTP_BYTE_HEX) ||
            !http_byte_is(path.data[index + 2], HTTP_BYTE_HEX)) {
            return false;
        }
        if (path.data[index + 1] == '0' && path.data[index + 2] == '0') {
            return false;
        }
    }
    return true;
}

static bool port_is_valid(struct str port) {
    uint64_t number = 0;
    return port.len <= 5 && str_parse_u64(port, &number) && number <= UINT16_MAX;
}

/* Between the brackets: only what an IPv6 address is made of; net_address_parse is the judge of
 * addresses, here the point is that nothing else can hide in it. */
static bool ip_literal_is_valid(struct str text) {
    for (uint32_t index = 0; index < text.len; index++) {
        char byte = text.data[index];
        if (!http_byte_is(byte, HTTP_BYTE_HEX) && byte != ':' && byte != '.') {
            return false;
        }
    }
    return text.len >= 2;
}

bool http_authority_is_valid(struct str authority) {
    uint32_t host_end = 0;
    if (authority.len > 0 && authority.data[0] == '[') {
        uint32_t bracket = str_find_byte(authority, ']');
        if (bracket == authority.len || !ip_literal_is_valid(str_slice(authority, 1, bracket))) {
            return false;
        }
        host_end = bracket + 1;
    } else {
        host_end = str_find_byte(authority, ':');
        if (!http_bytes_are(str_slice(authority, 0, host_end), HTTP_BYTE_HOST)) {
            return false;
        }
    }
    if (host_end == authority.len) {
        return true;
    }
    return authority.data[host_end] == ':' &&
           port_is_valid(str_slice(authority, host_end + 1, authority.len));
}

/* Path and query; `text` begins with "/". */
static enum err origin_form_parse(struct str text, struct http_head *head) {
    uint32_t mark = str_find_byte(text, '?');
    head->path = str_slice(text, 0, mark);
    head->query = mark == text.len ? STR_NONE : str_slice(text, mark + 1, text.len);
    return path_is_valid(head->path) ? ERR_OK : ERR_HTTP_MALFORMED;
}

/* What follows "http://" or "https://". */
static enum err absolute_form_parse(struct str text, struct http_head *head) {
    uint32_t end = 0;
    while (end < text.len && text.data[end] != '/' && text.data[end] != '?') {
        end += 1;
    }
    head->host = str_slice(text, 0, end);
    if (!http_authority_is_valid(head->host)) {
        return ERR_HTTP_MALFORMED;
    }
    if (end < text.len && text.data[end] == '/') {
        return origin_form_parse(str_slice(text, end, text.len), head);
    }
    /* RFC 9112, 3.2.1 and 3.2.4: no path means "/", and the whole server for OPTIONS. */
    bool has_query = end < text.len;
    bool is_for_server = head->method == HTTP_OPTIONS && !has_query;
    head->path = is_for_server ? STR("*") : STR("/");
    head->query = has_query ? str_slice(text, end + 1, text.len) : STR_NONE;
    return ERR_OK;
}

/* Schemes are case-insensitive: RFC 3986, 3.1. */
static bool scheme_skip(struct str target, struct str scheme, struct str *rest) {
    if (!str_equal_nocase(str_slice(target, 0, scheme.len), scheme)) {
        return false;
    }
    *rest = str_slice(target, scheme.len, target.len);
    return true;
}

enum err http_target_parse(struct str target, struct http_head *head) {
    CHECK(head->method != 0);
    if (str_equal(head->method_text, STR("CONNECT"))) {
        return ERR_NOT_IMPLEMENTED;
    }
    if (target.len > 0 && target.data[0] == '/') {
        return origin_form_parse(target, head);
    }
    if (str_equal(target, STR("*"))) {
        head->path = target;
        return head->method == HTTP_OPTIONS ? ERR_OK : ERR_HTTP_MALFORMED;
    }
    struct str rest = STR_NONE;
    if (scheme_skip(target, STR("http://"), &rest) || scheme_skip(target, STR("https://"), &rest)) {
        return absolute_form_parse(rest, head);
    }
    return ERR_HTTP_MALFORMED;
}
