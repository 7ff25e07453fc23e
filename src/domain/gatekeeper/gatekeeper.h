/*
 * The ten Gatekeeper paths: customers of a bank's game client, known by a 12-digit account number.
 *
 * A customer is a record of its own and no user of auth. A user is found by an e-mail address, has
 * sessions that can be listed and ended, and may belong to organizations; a customer has no address
 * and its tokens are stateless JWTs of a foreign form. To make the one out of the other, users
 * would need invented addresses, and every list of users would have to tell them apart. What both
 * have in common is shared as code, not as records: password hashing and checking, the counting of
 * failed logins, roles, audit. Where one person is both, they are still two accounts.
 *
 * Tokens of customers open these paths only. The administrators of this server may list, add, edit
 * and delete customers with their own tokens; so may a customer who was made an administrator
 * (`coffer admin promote`, or `role` in a PUT by an administrator of this server). Every other
 * customer sees, edits and deletes itself.
 */
#ifndef DOMAIN_GATEKEEPER_GATEKEEPER_H
#define DOMAIN_GATEKEEPER_GATEKEEPER_H

#include "domain/auth/auth.h"

enum { ACCOUNT_DIGITS = 12 };

struct customer {
    struct schema_set set;
    struct id id;
    struct str account_number;
    struct str first_name;
    struct str last_name;
    int64_t age;
    struct str gender;
    struct str phone_number;
    struct str address;
    struct str bank_account_type;
    struct str date_of_account_opening; /* YYYY-MM-DD */
    struct str branch_code;
    struct str password_hash;
    int64_t password_changed_at; /* tokens name it: a new password ends them all */
    bool is_admin;
    int64_t created_at;
    int64_t last_login_at;
};

extern const struct schema customer_schema;
extern const struct table customer_table;
enum { CUSTOMER_INDEX_ACCOUNT };

extern const struct module gatekeeper_module;

/* By account number: ERR_NOT_FOUND. For logins and registrations, where nobody is anybody yet. */
enum err customer_find(const struct store_view *view, struct str account_number,
                       struct arena *arena, struct customer *customer);
/* The same for somebody: administrators find all, everybody else only itself. */
enum err customer_find_for(const struct store_view *view, const struct caller *caller,
                           struct str account_number, struct arena *arena,
                           struct customer *customer);

/* ---- for the program's own subcommands ---- */

/* A row of the original's table, as its CSV export has it; all columns as text. */
struct customer_row {
    struct schema_set set;
    struct str account_number;
    struct str first_name;
    struct str last_name;
    int64_t age;
    struct str gender;
    struct str phone_number;
    struct str address;
    struct str bank_account_type;
    struct str date_of_account_opening;
    struct str branch_code;
    struct str password_hash;
    struct str created_at;
    struct str last_login;
    struct str login_attempts;
    struct str last_failed_attempt;
};
extern const struct schema customer_row_schema;

/* From a decoded row, texts borrowed; adds a fault for each column that is not acceptable. */
bool customer_from_row(const struct customer_row *row, struct customer *customer,
                       struct schema_faults *faults);
/* command->prepared is such a struct customer. ERR_CUSTOMER_EXISTS. */
extern const struct command_row customer_import_command;
/* command->prepared is a struct str, the account number. ERR_CUSTOMER_NONE. */
extern const struct command_row customer_promote_command;

#endif
