/* Request targets and authorities (RFC 9112, 3.2). For net/http.c and its tests. */
#ifndef NET_HTTP_TARGET_H
#define NET_HTTP_TARGET_H

#include "net/http.h"

/* Fills path and query, and host when the target is absolute, from a target whose bytes are all
 * HTTP_BYTE_TARGET. The method must be set. ERR_HTTP_MALFORMED, ERR_NOT_IMPLEMENTED (CONNECT). */
enum err http_target_parse(struct str target, struct http_head *head);

/* NAME or IPv4 or [IPv6], then perhaps :PORT. */
bool http_authority_is_valid(struct str authority);

#endif
