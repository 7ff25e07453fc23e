/*
 * Rows of the original's table as customers. Hashes stay valid; what a person could register with
 * is not asked again (an age, a date), only what the record must be able to hold. Failed logins
 * are not taken over: their locks lasted a minute.
 */
#include <string.h>

#include "base/time.h"
#include "domain/gatekeeper/customers.h"
#include "domain/gatekeeper/rules.h"

static const struct field customer_row_fields[] = {
    FIELD(struct customer_row, account_number, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .min = ACCOUNT_DIGITS, .max = ACCOUNT_DIGITS, .format = FORMAT_DIGITS,
          .label = "Must be 12 digits.", .doc = "Account number."),
    FIELD(struct customer_row, first_name, FIELD_TEXT, .max = 50, .doc = "Given name."),
    FIELD(struct customer_row, last_name, FIELD_TEXT, .max = 50, .doc = "Family name."),
    FIELD(struct customer_row, age, FIELD_INT, .flags = FIELD_REQUIRED, .min = 0, .max = 150,
          .doc = "Age."),
    FIELD(struct customer_row, gender, FIELD_TEXT, .max = 10, .doc = "Gender."),
    FIELD(struct customer_row, phone_number, FIELD_TEXT, .flags = FIELD_REQUIRED, .max = 15,
          .doc = "Telephone number."),
    FIELD(struct customer_row, address, FIELD_TEXT, .max = 200, .doc = "Postal address."),
    FIELD(struct customer_row, bank_account_type, FIELD_TEXT, .max = 50, .doc = "Kind of account."),
    FIELD(struct customer_row, date_of_account_opening, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .max = 10, .format = FORMAT_DATE, .label = "Must be YYYY-MM-DD.", .doc = "Opening."),
    FIELD(struct customer_row, branch_code, FIELD_TEXT, .max = 10, .doc = "Branch."),
    FIELD(struct customer_row, password_hash, FIELD_TEXT, .flags = FIELD_REQUIRED, .max = 255,
          .doc = "bcrypt."),
    FIELD(struct customer_row, created_at, FIELD_TEXT, .max = 40, .doc = "Registration, UTC."),
    FIELD(struct customer_row, last_login, FIELD_TEXT, .max = 40, .doc = "Last login, UTC."),
    FIELD(struct customer_row, login_attempts, FIELD_TEXT, .max = 40, .doc = "Not taken over."),
    FIELD(struct customer_row, last_failed_attempt, FIELD_TEXT, .max = 40,
          .doc = "Not taken over."),
};

const struct schema customer_row_schema =
    SCHEMA("CustomerRow", struct customer_row, customer_row_fields);

static struct str or_empty(struct str text) {
    return str_is_none(text) ? STR("") : text;
}

/* "2025-03-31 22:05:19.915695", NULL or nothing. False: neither. */
static bool time_take(struct str text, bool *has_time, int64_t *time_us) {
    *has_time = !str_is_none(text) && text.len > 0 && !str_equal(text, STR("NULL"));
    return !*has_time || time_parse(text, time_us);
}

static void row_times(const struct customer_row *row, struct customer *customer,
                      struct schema_faults *faults) {
    int64_t time_us;
    bool has_time;
    if (!time_take(row->created_at, &has_time, &time_us)) {
        schema_fault_add(faults, STR("created_at"), STR("Not a valid datetime."));
    } else if (has_time) {
        CUSTOMER_SET(customer, created_at, time_us);
    }
    if (!time_take(row->last_login, &has_time, &time_us)) {
        schema_fault_add(faults, STR("last_login"), STR("Not a valid datetime."));
    } else if (has_time) {
        CUSTOMER_SET(customer, last_login_at, time_us);
    }
}

bool customer_from_row(const struct customer_row *row, struct customer *customer,
                       struct schema_faults *faults) {
    memset(customer, 0, sizeof(*customer));
    CUSTOMER_SET(customer, account_number, row->account_number);
    CUSTOMER_SET(customer, first_name, or_empty(row->first_name));
    CUSTOMER_SET(customer, last_name, or_empty(row->last_name));
    CUSTOMER_SET(customer, age, row->age);
    CUSTOMER_SET(customer, gender, or_empty(row->gender));
    CUSTOMER_SET(customer, phone_number, row->phone_number);
    CUSTOMER_SET(customer, address, or_empty(row->address));
    CUSTOMER_SET(customer, bank_account_type, or_empty(row->bank_account_type));
    CUSTOMER_SET(customer, date_of_account_opening, row->date_of_account_opening);
    CUSTOMER_SET(customer, branch_code, or_empty(row->branch_code));
    CUSTOMER_SET(customer, password_hash, row->password_hash);
    row_times(row, customer, faults);
    if (!customer_phone_is_sound(row->phone_number)) {
        schema_fault_add(faults, STR("phone_number"), STR("Must be (XXX) XXX-XXXX."));
    }
    if (password_hash_check(row->password_hash) != ERR_OK) {
        schema_fault_add(faults, STR("password_hash"), STR("Not a hash of a known form."));
    }
    return faults->count == 0;
}
