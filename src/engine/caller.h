/* Who calls, as the gate found out, and what each role may. */
#ifndef ENGINE_CALLER_H
#define ENGINE_CALLER_H

#include "base/id.h"
#include "store/store.h"

/* Bits, so that an endpoint row can name several. */
enum role {
    ROLE_CUSTOMER = 1 << 0,
    ROLE_ADMIN = 1 << 1, /* passes every role check */
    ROLE_SUPPORT = 1 << 2,
    ROLE_COMPLIANCE = 1 << 3,
    ROLE_AUDITOR = 1 << 4,
    ROLE_ANY = 31,
};
enum { ROLE_COUNT = 5 };
extern const char *const role_names[]; /* by bit number, NULL-terminated: enum values of schemas */

enum caller_kind { CALLER_NOBODY, CALLER_USER, CALLER_SYSTEM };

struct caller {
    enum caller_kind kind;
    struct id user_id;
    struct id session_id;
    enum role role;
    bool is_limited; /* may only enrol a second factor */
    bool is_stale;   /* last_activity_at is worth a write */
};

/* Records of the caller itself; a nobody owns nothing. */
struct store_scope caller_scope(const struct caller *caller);
bool caller_has_role(const struct caller *caller, uint32_t roles);

#endif
