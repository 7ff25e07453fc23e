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

/* What an API key may, as bits: an endpoint row names those of which one is enough. The words are
 * the financial contract's. */
enum scope {
    SCOPE_READ = 1 << 0,
    SCOPE_WRITE = 1 << 1,
    SCOPE_ADMIN = 1 << 2,
    SCOPE_WALLET = 1 << 3,
    SCOPE_PAYMENT = 1 << 4,
    SCOPE_CARD = 1 << 5,
    SCOPE_KYC = 1 << 6,
    SCOPE_LEDGER = 1 << 7,
    SCOPE_ANY = 255,
};
enum { SCOPE_COUNT = 8 };
extern const char *const scope_names[]; /* by bit number, NULL-terminated */

/* A customer is known to one dialect only: see dialect.h. */
enum caller_kind { CALLER_NOBODY, CALLER_USER, CALLER_SYSTEM, CALLER_KEY, CALLER_CUSTOMER };

struct caller {
    enum caller_kind kind;
    struct id user_id; /* or the customer's */
    struct id session_id;
    enum role role;
    bool is_limited;           /* may only enrol a second factor */
    bool must_change_password; /* may only do that */
    bool has_cookie;           /* shown as a cookie, with its CSRF token (cookie.h) */
    bool is_stale;             /* the last use is worth a write */
    /* of an API key: a key has no user, no session and no role */
    struct id key_id;
    struct id organization_id; /* whose key it is; zero: the platform's */
    uint32_t scopes;
    uint32_t rate_per_hour;
    /* of a customer: when the password was set that the token was made for */
    int64_t password_at;
};

/* A user or a customer: somebody with an id of her own. */
bool caller_is_person(const struct caller *caller);

/* Records of the caller itself; of a key: of its organization. A nobody owns nothing. */
struct store_scope caller_scope(const struct caller *caller);
bool caller_has_role(const struct caller *caller, uint32_t roles);

#endif
