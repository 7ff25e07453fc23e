/*
 * Any bytes as the head of a request or of a reply, for the fuzzers of both. What must hold:
 *   - cutting never changes the verdict: a prefix is incomplete or wrong in the same way;
 *   - slices lie inside the head;
 *   - an accepted head says the same to a naive reader that splits lines at CRLF: every line is one
 *     header, and there is one way to find the body's end.
 */
#ifndef HTTP_HEAD_SUPPORT_H
#define HTTP_HEAD_SUPPORT_H

#include "net/http.h"

/* The accepted head, valid until the next call; NULL when it was not accepted. */
const struct http_head *http_head_look(bool is_reply, const uint8_t *data, size_t bytes);

#endif
