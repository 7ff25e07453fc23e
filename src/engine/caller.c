/* Roles and scopes: their names, and the one comparison that everybody uses. */
#include "engine/caller.h"

const char *const role_names[] = {"customer", "admin", "support", "compliance", "auditor", NULL};

const char *const scope_names[] = {"read", "write", "admin",  "wallet", "payment",
                                   "card", "kyc",   "ledger", NULL};

bool caller_is_person(const struct caller *caller) {
    return caller->kind == CALLER_USER || caller->kind == CALLER_CUSTOMER;
}

struct store_scope caller_scope(const struct caller *caller) {
    if (caller->kind == CALLER_SYSTEM) {
        return (struct store_scope){.kind = STORE_SCOPE_SYSTEM};
    }
    struct id owner = caller->kind == CALLER_KEY ? caller->organization_id : caller->user_id;
    return (struct store_scope){.kind = STORE_SCOPE_OWNER, .owner = owner};
}

bool caller_has_role(const struct caller *caller, uint32_t roles) {
    if (!caller_is_person(caller)) {
        return caller->kind == CALLER_SYSTEM;
    }
    return roles == 0 || caller->role == ROLE_ADMIN || ((uint32_t)caller->role & roles) != 0;
}
