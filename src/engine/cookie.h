/*
 * Cookies, and the session in one.
 *
 * A browser may have its session as a cookie that its scripts cannot read: it asks for that at a
 * login with the header `X-Session-Transport: cookie`. The gate takes the cookie where there is
 * neither Authorization nor an API key. Because browsers send cookies by themselves, a request that
 * changes something must then also show that our own page made it:
 *
 *   X-CSRF-Token  a MAC under the session's token: only who was told it (the login's reply, or
 *                 GET /auth/me) has it, no other session's fits, and nothing has to be stored;
 *   Origin        when sent: this server's, or one that cors.origins names. Without it
 *                 Sec-Fetch-Site, when sent, must not be another site. Programs send neither.
 */
#ifndef ENGINE_COOKIE_H
#define ENGINE_COOKIE_H

#include "engine/request.h"

/* __Host-: browsers take it only over TLS, for this host alone and all of its paths. */
#define COOKIE_SESSION STR("__Host-session")

enum cookie_site { COOKIE_STRICT, COOKIE_LAX };
enum { COOKIE_UNTIL_CLOSED = -1 };
/* The value of a Set-Cookie header, in the arena; STR_NONE: no memory. `age_s` 0 removes it. */
struct str cookie_make(struct arena *arena, struct str name, struct str value, int64_t age_s,
                       enum cookie_site site);

/* The session's token that a request brings as a cookie, or STR_NONE. */
struct str cookie_session(const struct http_head *head);
bool cookie_is_wanted(const struct http_head *head);

/* The text that X-CSRF-Token must have, in the arena; STR_NONE: no memory. */
struct str csrf_token(struct arena *arena, struct str session_token);
/* Does a request that came with this cookie show that it is meant? Reads always do. */
bool csrf_passes(const struct request *request, struct str session_token);

#endif
