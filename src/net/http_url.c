/* URLs that we call, see http_url.h. */
#include "net/http_url.h"

#include "net/dns_message.h"
#include "net/http_bytes.h"

enum { PORT_HTTP = 80, PORT_HTTPS = 443 };

static bool starts_nocase(struct str text, struct str prefix) {
    return str_equal_nocase(str_slice(text, 0, prefix.len), prefix);
}

/* Length of "https://" or "http://" at the start, or 0. */
static uint32_t scheme_len(struct str text, bool *is_tls) {
    *is_tls = starts_nocase(text, STR("https://"));
    if (*is_tls) {
        return 8;
    }
    return starts_nocase(text, STR("http://")) ? 7 : 0;
}

/* Where the first of the three delimiters is, or the end. */
static uint32_t find_end(struct str text, uint32_t from, char a, char b, char c) {
    while (from < text.len && text.data[from] != a && text.data[from] != b &&
           text.data[from] != c) {
        from += 1;
    }
    return from;
}

static bool port_parse(struct str text, uint16_t *port) {
    uint64_t value = 0;
    if (text.len > 5 || !str_parse_u64(text, &value) || value < 1 || value > 65535) {
        return false;
    }
    *port = (uint16_t)value;
    return true;
}

/* NAME, IPV4 or [IPV6], then perhaps :PORT. */
static bool authority_parse(struct str text, struct http_url *url) {
    struct net_address address;
    struct str port = text;
    if (str_starts(text, STR("["))) {
        uint32_t close = str_find_byte(text, ']');
        url->host = str_slice(text, 1, close);
        port = str_slice(text, close + 1, text.len);
        if (close == text.len || (port.len > 0 && port.data[0] != ':') ||
            !str_has_byte(url->host, ':') || !net_address_parse(url->host, &address)) {
            return false;
        }
        port = port.len > 0 ? str_slice(port, 1, port.len) : STR_NONE;
    } else {
        url->host = str_split(&port, ':');
        bool is_ipv4 = net_address_parse(url->host, &address);
        if (!is_ipv4 && !dns_name_is_good(url->host)) {
            return false;
        }
    }
    url->port = url->is_tls ? PORT_HTTPS : PORT_HTTP;
    return str_is_none(port) || port_parse(port, &url->port);
}

bool http_url_parse(struct str text, struct http_url *url) {
    *url = (struct http_url){.is_tls = false};
    uint32_t host_at = scheme_len(text, &url->is_tls);
    if (host_at == 0 || text.len > HTTP_URL_BYTES_MAX) {
        return false;
    }
    uint32_t path_at = find_end(text, host_at, '/', '?', '#');
    uint32_t query_at = find_end(text, path_at, '?', '#', '#');
    uint32_t end = find_end(text, query_at, '#', '#', '#');
    url->origin = str_slice(text, 0, path_at);
    url->path = str_slice(text, path_at, query_at);
    url->query = str_slice(text, query_at, end);
    struct str rest = str_slice(text, path_at, end);
    return authority_parse(str_slice(text, host_at, path_at), url) &&
           (rest.len == 0 || http_bytes_are(rest, HTTP_BYTE_TARGET));
}

bool http_url_is_same_origin(const struct http_url *a, const struct http_url *b) {
    return a->is_tls == b->is_tls && a->port == b->port && str_equal_nocase(a->host, b->host);
}

void http_url_put_target(const struct http_url *url, struct buf *out) {
    buf_put_str(out, url->path.len > 0 ? url->path : STR("/"));
    buf_put_str(out, url->query);
}

void http_url_put_host(const struct http_url *url, struct buf *out) {
    bool is_ipv6 = str_has_byte(url->host, ':');
    buf_put_c(out, is_ipv6 ? "[" : "");
    buf_put_str(out, url->host);
    buf_put_c(out, is_ipv6 ? "]" : "");
    if (url->port != (url->is_tls ? PORT_HTTPS : PORT_HTTP)) {
        buf_put_byte(out, ':');
        buf_put_u64(out, url->port);
    }
}

/* "mailto:x", "javascript:x", but not "a/b:c" (RFC 3986, 4.2). */
static bool has_scheme(struct str reference) {
    uint32_t colon = str_find_byte(reference, ':');
    return colon < find_end(reference, 0, '/', '?', '#');
}

/* What stays of the base's path in front of a relative one: up to its last "/". */
static struct str folder_of(struct str path) {
    while (path.len > 0 && path.data[path.len - 1] != '/') {
        path.len -= 1;
    }
    return path.len > 0 ? path : STR("/");
}

bool http_url_resolve(const struct http_url *base, struct str reference, struct buf *out) {
    bool is_tls = false;
    bool is_whole = scheme_len(reference, &is_tls) > 0;
    if (!is_whole && has_scheme(reference)) {
        return false;
    }
    if (!is_whole && str_starts(reference, STR("//"))) {
        buf_put_c(out, base->is_tls ? "https:" : "http:");
    } else if (!is_whole) {
        bool is_query = reference.len == 0 || str_starts(reference, STR("?")) ||
                        str_starts(reference, STR("#"));
        buf_put_str(out, base->origin);
        if (is_query) {
            buf_put_str(out, base->path);
        } else if (!str_starts(reference, STR("/"))) {
            buf_put_str(out, folder_of(base->path));
        }
    }
    buf_put_str(out, reference);
    return !out->is_full;
}
