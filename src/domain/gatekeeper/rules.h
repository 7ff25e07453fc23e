/* What a customer's fields must be, in the order in which the contract refuses them (2.1). */
#ifndef DOMAIN_GATEKEEPER_RULES_H
#define DOMAIN_GATEKEEPER_RULES_H

#include "domain/gatekeeper/gatekeeper.h"

enum { CUSTOMER_PASSWORD_LENGTH_MIN = 8 };

/* Of POST /register, POST / (all but role) and PUT /{account} (all but account_number). */
struct customer_body {
    struct schema_set set;
    struct str account_number;
    struct str first_name;
    struct str last_name;
    struct str age; /* JSON text: a number, or digits in quotes */
    struct str gender;
    struct str phone_number;
    struct str address;
    struct str bank_account_type;
    struct str date_of_account_opening;
    struct str branch_code;
    struct str password;
    int32_t role;
    int64_t age_years; /* filled in by customer_form_problem */
};

extern const struct schema customer_body_schema;
extern const struct schema customer_patch_schema;
extern const char *const customer_role_names[]; /* customer, admin */

/* Each is a sentence for the client, or STR_NONE. `faults`: those of the decoder. */

/* "Missing required fields: a, b", in the schema's order; in the arena. */
struct str customer_missing_problem(const struct schema *schema, const struct schema_faults *faults,
                                    struct arena *arena);
/* Account number, telephone number, date, age. Only administrators add people of any age. */
struct str customer_form_problem(const struct schema *schema, const struct schema_faults *faults,
                                 bool is_any_age, struct customer_body *body);
/* The password, then everything else. */
struct str customer_value_problem(const struct schema *schema, const struct schema_faults *faults,
                                  const struct customer_body *body);
/* (ddd) ddd-dddd, ASCII digits */
bool customer_phone_is_sound(struct str text);

#endif
