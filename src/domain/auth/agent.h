/* What a program looks like, for lists of sessions: "Firefox on Windows". */
#ifndef DOMAIN_AUTH_AGENT_H
#define DOMAIN_AUTH_AGENT_H

#include "base/buf.h"

enum { AGENT_NAME_BYTES_MAX = 64 };

/* From a User-Agent header, whatever it holds. Browser and system where they are known by name; of
 * other programs what they call themselves; false when there is nothing to say. A guess for people:
 * headers say what their sender likes. Pure. */
bool agent_name(struct str user_agent, struct buf *out);

#endif
