/*
 * Logins of customers (contract, 5.2): five failures lock, for a minute after the last of them, and
 * every attempt is then refused and not counted. The failures are not forgotten with the lock: one
 * more locks at once, until a good login. Unlike in the original
 *   - they are counted per account and client address, so that nobody can lock somebody else out;
 *     per account only when `lockout.account-failures` of them come within a minute of each other;
 *   - accounts that do not exist fail and lock alike, and take as long;
 *   - they are forgotten after a day without one.
 * Counting happens in the batch, so that no failure is lost to another one (defect 12).
 */
#include "domain/gatekeeper/login.h"

#include "base/time.h"
#include "domain/gatekeeper/customers.h"
#include "domain/gatekeeper/dialect.h"
#include "domain/gatekeeper/tokens.h"

enum { FAILURES_MAX = 5 };

struct customer_login {
    struct schema_set set;
    struct str account_number;
    struct str password;
};

static const struct field customer_login_fields[] = {
    FIELD(struct customer_login, account_number, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .max = ACCOUNT_DIGITS, .label = "Invalid account number format", .doc = "12 digits."),
    FIELD(struct customer_login, password, FIELD_TEXT, .flags = FIELD_REQUIRED | FIELD_SENSITIVE,
          .max = 1024, .label = "Password is required", .doc = "Password."),
};

const struct schema customer_login_schema = {.name = "CustomerLogin",
                                             .fields = customer_login_fields,
                                             .field_count = COUNT_OF(customer_login_fields),
                                             .struct_bytes = sizeof(struct customer_login),
                                             .ignores_unknown = true};

struct login_prepared {
    struct password_check check;
    int64_t password_at; /* of the customer whose hash was checked */
    struct str token;
};

/* ---- prepare ---- */

static bool has_fault(const struct request *request, struct str name, bool is_missing) {
    const struct schema_faults *faults = request->outcome.faults;
    for (uint32_t i = 0; i < faults->count; i++) {
        if (str_equal(faults->faults[i].path, name) &&
            (!is_missing || schema_fault_is_missing(&faults->faults[i]))) {
            return true;
        }
    }
    return false;
}

static bool is_account_number(struct str text) {
    return text.len == ACCOUNT_DIGITS && schema_format_check(FORMAT_DIGITS, text);
}

static struct str login_problem(const struct request *request) {
    const struct customer_login *body = request->command.body;
    struct str account = STR("account_number");
    bool is_there = !has_fault(request, account, true);
    bool is_text = !has_fault(request, account, false);
    if (!is_there || (is_text && body->account_number.len == 0)) {
        return STR("Account number is required");
    }
    if (has_fault(request, STR("password"), false) || body->password.len == 0) {
        return STR("Password is required");
    }
    if (!is_text || !is_account_number(body->account_number)) {
        return STR("Invalid account number format");
    }
    return STR_NONE;
}

static enum err login_start(struct request *request) {
    const struct customer_login *body = request->command.body;
    struct login_prepared *prepared = ARENA_NEW(request->arena, struct login_prepared);
    struct customer customer;
    struct str problem = login_problem(request);
    if (prepared == NULL) {
        return ERR_NO_MEMORY;
    }
    if (!str_is_none(problem)) {
        return gatekeeper_refuse(request, problem);
    }
    request->command.prepared = prepared;
    enum err err =
        customer_find(request_view(request), body->account_number, request->arena, &customer);
    if (err == ERR_OK) {
        prepared->check.hash = customer.password_hash;
        prepared->password_at = customer.password_changed_at;
    }
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

/* The password fitted: the token for as long as that password is the customer's. */
static enum err login_token(struct request *request) {
    const struct customer_login *body = request->command.body;
    struct login_prepared *prepared = request->command.prepared;
    struct customer customer;
    enum err err =
        customer_find(request_view(request), body->account_number, request->arena, &customer);
    if (err != ERR_OK) {
        prepared->check.is_match = false;
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    }
    return customer_token_make(request, &customer, &prepared->token);
}

static enum err login_prepare(struct request *request) {
    const struct customer_login *body = request->command.body;
    enum err err = request->step == 0 ? login_start(request) : ERR_OK;
    struct login_prepared *prepared = request->command.prepared;
    if (err == ERR_OK) {
        err = password_check_step(request, body->password, &prepared->check);
    }
    return err == ERR_OK && prepared->check.is_match ? login_token(request) : err;
}

/* ---- in the batch ---- */

static enum err login_check(const struct store_view *view, const struct command *command,
                            struct outcome *outcome) {
    (void)view;
    (void)outcome;
    CHECK(command->body != NULL);
    CHECK(command->prepared != NULL);
    return ERR_OK;
}

static void customer_lockout_load(const struct store_view *view, const struct command *command,
                                  struct lockout *lockout) {
    const struct customer_login *body = command->body;
    char memory[32];
    struct buf subject = buf_over(memory, sizeof(memory));
    buf_put_c(&subject, "customer ");
    buf_put_str(&subject, body->account_number);
    CHECK(!subject.is_full);
    lockout_load(view, command, buf_str(&subject), lockout);
}

static void customer_lockout_count(struct store_tx *tx, const struct command *command,
                                   struct lockout *lockout) {
    struct lockout_rules rules = {
        .by_address = {FAILURES_MAX, TIME_US_PER_MIN, TIME_US_PER_DAY},
        .by_account = {settings_int(command->settings, SETTING_LOCKOUT_ACCOUNT_ID), TIME_US_PER_MIN,
                       TIME_US_PER_MIN},
    };
    lockout_count_by(tx, command, &rules, lockout);
}

static void login_finish(struct store_tx *tx, const struct command *command,
                         struct customer *customer, struct outcome *outcome) {
    const struct login_prepared *prepared = command->prepared;
    if (!str_is_none(prepared->check.new_hash)) {
        customer->password_hash = prepared->check.new_hash;
    }
    CUSTOMER_SET(customer, last_login_at, command->now_us);
    store_put(tx, &customer_table, customer);
    yyjson_mut_val *data = outcome_data(outcome, command);
    json_add_str(outcome->doc, data, "token", prepared->token);
    yyjson_mut_val *user = json_add_object(outcome->doc, data, "user");
    json_add_str(outcome->doc, user, "account_number", customer->account_number);
    json_add_str(outcome->doc, user, "account_type", customer->bank_account_type);
    json_add_str(outcome->doc, user, "name", customer_full_name(customer, command->arena));
}

static void login_apply(struct store_tx *tx, const struct command *command,
                        struct outcome *outcome) {
    const struct customer_login *body = command->body;
    const struct login_prepared *prepared = command->prepared;
    struct lockout lockout;
    struct customer customer;
    enum err err =
        customer_find(store_tx_view(tx), body->account_number, command->arena, &customer);
    bool is_match = err == ERR_OK && prepared->check.is_match && !str_is_none(prepared->token) &&
                    customer.password_changed_at == prepared->password_at;
    customer_lockout_load(store_tx_view(tx), command, &lockout);
    if (err == ERR_OK) {
        outcome->actor = customer.id;
        outcome->resource = customer.id;
    }
    if (lockout.locked_until != 0) {
        outcome->err = ERR_CUSTOMER_LOCKED;
    } else if (!is_match) {
        outcome->err = ERR_CUSTOMER_CREDENTIALS;
        customer_lockout_count(tx, command, &lockout);
    } else {
        lockout_clear(tx, &lockout);
        login_finish(tx, command, &customer, outcome);
    }
}

const struct command_row customer_login_command = {
    .name = "customer.login",
    .action = "customer.login",
    .resource = "customer",
    .prepare = login_prepare,
    .check = login_check,
    .apply = login_apply,
};
