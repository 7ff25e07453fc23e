/*
 * Adding, changing and removing customers.
 *
 * prepare refuses in the contract's order (2.1): what is missing, the forms, whether the account
 * is there, the password, everything else; then it hashes. The batch asks again whether the account
 * is there and whether the caller may.
 */
#include "domain/gatekeeper/customers.h"

#include <string.h>

#include "domain/gatekeeper/dialect.h"
#include "domain/gatekeeper/rules.h"
#include "engine/person.h"

struct customer_prepared {
    struct str password_hash; /* STR_NONE: the password stays */
    int64_t age;
};

/* ---- new ones ---- */

/* STR_NONE, or why this body is refused; ERR_EXISTS when the account is there. */
static enum err new_problem(struct request *request, bool is_any_age, struct str *problem) {
    const struct schema *schema = request->endpoint->body;
    const struct schema_faults *faults = request->outcome.faults;
    struct customer_body body = *(const struct customer_body *)request->command.body;
    struct customer_prepared *prepared = request->command.prepared;
    struct customer customer;
    *problem = customer_missing_problem(schema, faults, request->arena);
    if (str_is_none(*problem)) {
        *problem = customer_form_problem(schema, faults, is_any_age, &body);
    }
    if (!str_is_none(*problem)) {
        return ERR_OK;
    }
    prepared->age = body.age_years;
    enum err err =
        customer_find(request_view(request), body.account_number, request->arena, &customer);
    if (err != ERR_NOT_FOUND) {
        return err == ERR_OK ? ERR_EXISTS : err;
    }
    *problem = customer_value_problem(schema, faults, &body);
    return ERR_OK;
}

static enum err new_prepare(struct request *request, bool is_any_age) {
    const struct customer_body *body = request->command.body;
    struct customer_prepared *prepared = request->command.prepared;
    struct str problem;
    if (request->step == 1) {
        prepared->password_hash = password_hash_finish(request);
        return str_is_none(prepared->password_hash) ? ERR_NO_MEMORY : ERR_OK;
    }
    request->step = 1;
    prepared = ARENA_NEW(request->arena, struct customer_prepared);
    if (prepared == NULL) {
        return ERR_NO_MEMORY;
    }
    request->command.prepared = prepared;
    enum err err = new_problem(request, is_any_age, &problem);
    if (err == ERR_EXISTS) {
        return ERR_OK; /* the batch says no, unless this is a repetition that it has an answer to */
    }
    if (err != ERR_OK) {
        return err;
    }
    return str_is_none(problem) ? password_hash_start(request, body->password)
                                : gatekeeper_refuse(request, problem);
}

static enum err register_prepare(struct request *request) {
    if (!settings_bool(request_settings(request), SETTING_GATEKEEPER_REGISTRATION_ID)) {
        return ERR_REGISTRATION_CLOSED;
    }
    return new_prepare(request, false);
}

static enum err add_prepare(struct request *request) {
    return new_prepare(request, true);
}

static enum err account_is_free(const struct store_view *view, const struct command *command,
                                struct str account_number) {
    struct customer customer;
    enum err err = customer_find(view, account_number, command->arena, &customer);
    if (err == ERR_NOT_FOUND) {
        return ERR_OK;
    }
    return err == ERR_OK ? ERR_CUSTOMER_EXISTS : err;
}

static enum err new_check(const struct store_view *view, const struct command *command,
                          struct outcome *outcome) {
    (void)outcome;
    const struct customer_body *body = command->body;
    const struct customer_prepared *prepared = command->prepared;
    bool was_there = str_is_none(prepared->password_hash);
    return was_there ? ERR_CUSTOMER_EXISTS : account_is_free(view, command, body->account_number);
}

/* What a record has besides its fields. */
static void customer_stamp(const struct command *command, struct customer *customer) {
    CUSTOMER_SET(customer, id, command_id(command, "customer"));
    CUSTOMER_SET(customer, password_changed_at, command->now_us);
    CUSTOMER_SET(customer, is_admin, false);
}

static void new_apply(struct store_tx *tx, const struct command *command, struct outcome *outcome) {
    const struct customer_body *body = command->body;
    const struct customer_prepared *prepared = command->prepared;
    struct customer customer;
    memset(&customer, 0, sizeof(customer));
    CUSTOMER_SET(&customer, account_number, body->account_number);
    CUSTOMER_SET(&customer, first_name, body->first_name);
    CUSTOMER_SET(&customer, last_name, body->last_name);
    CUSTOMER_SET(&customer, age, prepared->age);
    CUSTOMER_SET(&customer, gender, body->gender);
    CUSTOMER_SET(&customer, phone_number, body->phone_number);
    CUSTOMER_SET(&customer, address, body->address);
    CUSTOMER_SET(&customer, bank_account_type, body->bank_account_type);
    CUSTOMER_SET(&customer, date_of_account_opening, body->date_of_account_opening);
    CUSTOMER_SET(&customer, branch_code, body->branch_code);
    CUSTOMER_SET(&customer, password_hash, prepared->password_hash);
    CUSTOMER_SET(&customer, created_at, command->now_us);
    customer_stamp(command, &customer);
    store_put(tx, &customer_table, &customer);
    outcome->resource = customer.id;
    yyjson_mut_val *data = outcome_data(outcome, command);
    json_add_str(outcome->doc, data, "account_number", body->account_number);
    outcome->message = "User registered successfully";
}

const struct command_row customer_register_command = {
    .name = "customer.register",
    .action = "customer.register",
    .resource = "customer",
    .prepare = register_prepare,
    .check = new_check,
    .apply = new_apply,
};

const struct command_row customer_add_command = {
    .name = "customer.add",
    .action = "customer.add",
    .resource = "customer",
    .prepare = add_prepare,
    .check = new_check,
    .apply = new_apply,
};

/* ---- one of them ---- */

struct customer_params {
    struct schema_set set;
    struct str account;
};

static const struct field customer_params_fields[] = {
    FIELD(struct customer_params, account, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .min = ACCOUNT_DIGITS, .max = ACCOUNT_DIGITS, .format = FORMAT_DIGITS,
          .label = "Invalid account number format. Must be 12 digits.", .doc = "12 digits."),
};

const struct schema customer_params_schema =
    SCHEMA("CustomerParams", struct customer_params, customer_params_fields);

/* Customers themselves, and administrators. Of somebody else's account they are not told whether
 * it is there. */
static enum err customer_enter(const struct store_view *view, const struct command *command,
                               struct outcome *outcome, struct customer *customer) {
    const struct customer_params *params = command->params;
    const struct caller *caller = &command->caller;
    enum err err = customer_find_for(view, caller, params->account, command->arena, customer);
    if (err == ERR_NOT_FOUND && caller->role != ROLE_ADMIN) {
        return ERR_FORBIDDEN;
    }
    if (err == ERR_NOT_FOUND) {
        char *text = arena_take(command->arena, 64);
        struct buf out = buf_over(text, text == NULL ? 0 : 63);
        buf_printf(&out, "Customer with account number %.*s not found", STR_ARG(params->account));
        if (!out.is_full) {
            text[out.len] = 0;
            outcome->message = text;
        }
        return ERR_CUSTOMER_NONE;
    }
    return err;
}

static enum err update_problem(struct request *request, struct customer_prepared *prepared,
                               struct str *problem) {
    const struct schema *schema = request->endpoint->body;
    const struct schema_faults *faults = request->outcome.faults;
    struct customer_body body = *(const struct customer_body *)request->command.body;
    struct customer customer;
    enum err err =
        customer_enter(request_view(request), &request->command, &request->outcome, &customer);
    if (err != ERR_OK) {
        return err;
    }
    *problem = customer_form_problem(schema, faults, false, &body);
    if (str_is_none(*problem)) {
        *problem = customer_value_problem(schema, faults, &body);
    }
    prepared->age = body.age_years;
    return ERR_OK;
}

static enum err update_prepare(struct request *request) {
    const struct customer_body *body = request->command.body;
    struct customer_prepared *prepared = request->command.prepared;
    struct str problem = STR_NONE;
    if (request->step == 1) {
        prepared->password_hash = password_hash_finish(request);
        return str_is_none(prepared->password_hash) ? ERR_NO_MEMORY : ERR_OK;
    }
    request->step = 1;
    prepared = ARENA_NEW(request->arena, struct customer_prepared);
    if (prepared == NULL) {
        return ERR_NO_MEMORY;
    }
    request->command.prepared = prepared;
    enum err err = update_problem(request, prepared, &problem);
    if (err == ERR_FORBIDDEN) {
        request->refusal = err; /* leaves its audit record */
        return ERR_OK;
    }
    if (err != ERR_OK) {
        return err;
    }
    if (!str_is_none(problem)) {
        return gatekeeper_refuse(request, problem);
    }
    return str_is_none(body->password) ? ERR_OK : password_hash_start(request, body->password);
}

static enum err enter_check(const struct store_view *view, const struct command *command,
                            struct outcome *outcome) {
    struct customer customer;
    return customer_enter(view, command, outcome, &customer);
}

#define UPDATE_TEXT(customer, body, member)                                                        \
    do {                                                                                           \
        if (SCHEMA_HAS(&customer_patch_schema, body, member)) {                                    \
            (customer)->member = (body)->member;                                                   \
        }                                                                                          \
    } while (0)

static void update_fill(const struct command *command, struct customer *customer) {
    const struct customer_body *body = command->body;
    const struct customer_prepared *prepared = command->prepared;
    UPDATE_TEXT(customer, body, first_name);
    UPDATE_TEXT(customer, body, last_name);
    UPDATE_TEXT(customer, body, gender);
    UPDATE_TEXT(customer, body, phone_number);
    UPDATE_TEXT(customer, body, bank_account_type);
    UPDATE_TEXT(customer, body, date_of_account_opening);
    UPDATE_TEXT(customer, body, branch_code);
    UPDATE_TEXT(customer, body, address);
    if (SCHEMA_HAS(&customer_patch_schema, body, age)) {
        customer->age = prepared->age;
    }
    if (!str_is_none(prepared->password_hash)) {
        customer->password_hash = prepared->password_hash;
        customer->password_changed_at = command->now_us;
    }
    /* An administrator of this server, not one among the customers. */
    if (SCHEMA_HAS(&customer_patch_schema, body, role) && command->caller.kind == CALLER_USER) {
        customer->is_admin = body->role == 1;
    }
}

static void update_apply(struct store_tx *tx, const struct command *command,
                         struct outcome *outcome) {
    struct customer customer;
    enum err err = customer_enter(store_tx_view(tx), command, outcome, &customer);
    CHECK(err == ERR_OK); /* check looked */
    update_fill(command, &customer);
    store_put(tx, &customer_table, &customer);
    outcome->resource = customer.id;
    outcome->message = "Details updated successfully";
}

const struct command_row customer_update_command = {
    .name = "customer.update",
    .action = "customer.update",
    .resource = "customer",
    .prepare = update_prepare,
    .check = enter_check,
    .apply = update_apply,
};

static void delete_apply(struct store_tx *tx, const struct command *command,
                         struct outcome *outcome) {
    struct customer customer;
    enum err err = customer_enter(store_tx_view(tx), command, outcome, &customer);
    CHECK(err == ERR_OK); /* check looked */
    store_del(tx, &customer_table, id_bytes(&customer.id));
    person_key_destroy(tx, command, customer.id); /* from where they came is in audit records */
    outcome->resource = customer.id;
    outcome->message = "Details removed successfully";
}

const struct command_row customer_delete_command = {
    .name = "customer.delete",
    .action = "customer.delete",
    .resource = "customer",
    .frees_room = true,
    .check = enter_check,
    .apply = delete_apply,
};

/* ---- the program's own subcommands ---- */

static enum err import_check(const struct store_view *view, const struct command *command,
                             struct outcome *outcome) {
    (void)outcome;
    const struct customer *draft = command->prepared;
    return account_is_free(view, command, draft->account_number);
}

static void import_apply(struct store_tx *tx, const struct command *command,
                         struct outcome *outcome) {
    struct customer customer = *(const struct customer *)command->prepared;
    customer_stamp(command, &customer);
    if (!SCHEMA_HAS(&customer_schema, &customer, created_at)) {
        CUSTOMER_SET(&customer, created_at, command->now_us);
    }
    store_put(tx, &customer_table, &customer);
    outcome->resource = customer.id;
}

const struct command_row customer_import_command = {
    .name = "customer.import",
    .action = "customer.import",
    .resource = "customer",
    .check = import_check,
    .apply = import_apply,
};

static enum err promote_check(const struct store_view *view, const struct command *command,
                              struct outcome *outcome) {
    (void)outcome;
    const struct str *account = command->prepared;
    struct customer customer;
    enum err err = customer_find(view, *account, command->arena, &customer);
    return err == ERR_NOT_FOUND ? ERR_CUSTOMER_NONE : err;
}

static void promote_apply(struct store_tx *tx, const struct command *command,
                          struct outcome *outcome) {
    const struct str *account = command->prepared;
    struct customer customer;
    enum err err = customer_find(store_tx_view(tx), *account, command->arena, &customer);
    CHECK(err == ERR_OK); /* check looked */
    customer.is_admin = true;
    store_put(tx, &customer_table, &customer);
    outcome->resource = customer.id;
}

const struct command_row customer_promote_command = {
    .name = "customer.promote",
    .action = "customer.promote",
    .resource = "customer",
    .check = promote_check,
    .apply = promote_apply,
};
