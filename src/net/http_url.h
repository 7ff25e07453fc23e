/*
 * URLs that we call: http and https, and what a redirect's Location means. Pure. Strict: no user
 * names, a host that can be looked up, a port that exists, and only bytes that a request target may
 * hold, so that what is sent is what was read.
 */
#ifndef NET_HTTP_URL_H
#define NET_HTTP_URL_H

#include "base/buf.h"

/* What browsers and proxies handle; signed download links have some hundred bytes. */
enum { HTTP_URL_BYTES_MAX = 2048 };

/* Slices of the text that was parsed. */
struct http_url {
    bool is_tls;
    struct str host; /* a name, or an address without brackets */
    uint16_t port;
    struct str origin; /* all before the path */
    struct str path;   /* from "/"; empty = "/" */
    struct str query;  /* from "?"; may be empty */
};

/* A fragment is left out. False: not such a URL, or too long. */
bool http_url_parse(struct str text, struct http_url *url);
/* The same scheme, host and port? */
bool http_url_is_same_origin(const struct http_url *a, const struct http_url *b);

/* The request target, and the value of Host. */
void http_url_put_target(const struct http_url *url, struct buf *out);
void http_url_put_host(const struct http_url *url, struct buf *out);

/* The URL that a reference means, seen from `base` (RFC 3986, 5.2.2; segments of dots are left to
 * the server). `out` overlaps neither. False: another scheme, or no room; whether the result is a
 * good URL says http_url_parse. */
bool http_url_resolve(const struct http_url *base, struct str reference, struct buf *out);

#endif
