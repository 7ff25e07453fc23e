/* The records of this domain: schema and table, nothing else. */
#include "domain/gatekeeper/gatekeeper.h"

static const struct field customer_fields[] = {
    FIELD(struct customer, id, FIELD_ID, .tag = 1, .flags = FIELD_REQUIRED, .doc = "Customer id."),
    FIELD(struct customer, account_number, FIELD_TEXT, .tag = 2,
          .flags = FIELD_REQUIRED | FIELD_PERSONAL, .max = ACCOUNT_DIGITS,
          .doc = "Account number; the login name."),
    FIELD(struct customer, first_name, FIELD_TEXT, .tag = 3,
          .flags = FIELD_REQUIRED | FIELD_PERSONAL, .max = 50, .doc = "Given name."),
    FIELD(struct customer, last_name, FIELD_TEXT, .tag = 4,
          .flags = FIELD_REQUIRED | FIELD_PERSONAL, .max = 50, .doc = "Family name."),
    FIELD(struct customer, age, FIELD_INT, .tag = 5, .flags = FIELD_REQUIRED | FIELD_PERSONAL,
          .min = 0, .max = 150, .doc = "Age."),
    FIELD(struct customer, gender, FIELD_TEXT, .tag = 6, .flags = FIELD_REQUIRED | FIELD_PERSONAL,
          .max = 10, .doc = "Gender, free text."),
    FIELD(struct customer, phone_number, FIELD_TEXT, .tag = 7,
          .flags = FIELD_REQUIRED | FIELD_PERSONAL, .max = 15, .doc = "Telephone number."),
    FIELD(struct customer, address, FIELD_TEXT, .tag = 8, .flags = FIELD_SECRET | FIELD_PERSONAL,
          .max = 200, .doc = "Postal address."),
    FIELD(struct customer, bank_account_type, FIELD_TEXT, .tag = 9, .flags = FIELD_REQUIRED,
          .max = 50, .doc = "Kind of bank account, free text."),
    FIELD(struct customer, date_of_account_opening, FIELD_TEXT, .tag = 10, .flags = FIELD_REQUIRED,
          .max = 10, .doc = "When the bank account was opened."),
    FIELD(struct customer, branch_code, FIELD_TEXT, .tag = 11, .flags = FIELD_REQUIRED, .max = 10,
          .doc = "Branch."),
    FIELD(struct customer, password_hash, FIELD_TEXT, .tag = 12,
          .flags = FIELD_REQUIRED | FIELD_HIDDEN, .max = 255, .doc = "Password hash."),
    FIELD(struct customer, password_changed_at, FIELD_TIME, .tag = 13,
          .flags = FIELD_REQUIRED | FIELD_HIDDEN, .doc = "Last change of the password."),
    FIELD(struct customer, is_admin, FIELD_BOOL, .tag = 14, .flags = FIELD_REQUIRED,
          .doc = "Whether this customer administers the others."),
    FIELD(struct customer, created_at, FIELD_TIME, .tag = 15, .flags = FIELD_REQUIRED,
          .doc = "Registration."),
    FIELD(struct customer, last_login_at, FIELD_TIME, .tag = 16, .flags = FIELD_NULLABLE,
          .doc = "Last login."),
};

const struct schema customer_schema = SCHEMA("CustomerRecord", struct customer, customer_fields);

static const struct table_index customer_indexes[] = {
    [CUSTOMER_INDEX_ACCOUNT] = {.name = "account",
                                .offsets = {offsetof(struct customer, account_number)},
                                .offset_count = 1,
                                .is_unique = true},
};

const struct table customer_table = {
    .name = "customers",
    .id = 45,
    .version = 1,
    .schema = &customer_schema,
    .key_offset = offsetof(struct customer, id),
    .scope_offset = offsetof(struct customer, id),
    .indexes = customer_indexes,
    .index_count = COUNT_OF(customer_indexes),
    .person = {.kind = PERSON_APART},
    .doc = "Customers of the Gatekeeper paths.",
};

static enum err find_in(const struct store_view *view, struct store_scope scope,
                        struct str account_number, struct arena *arena, struct customer *customer) {
    char memory[2 * ACCOUNT_DIGITS];
    struct buf key = buf_over(memory, sizeof(memory));
    if (account_number.len != ACCOUNT_DIGITS) {
        return ERR_NOT_FOUND;
    }
    store_key_put_text(&key, account_number, true);
    return store_find(view, scope, &customer_table, CUSTOMER_INDEX_ACCOUNT, buf_str(&key), arena,
                      customer);
}

enum err customer_find(const struct store_view *view, struct str account_number,
                       struct arena *arena, struct customer *customer) {
    struct store_scope system = {.kind = STORE_SCOPE_SYSTEM}; /* nobody is logged in yet */
    return find_in(view, system, account_number, arena, customer);
}

enum err customer_find_for(const struct store_view *view, const struct caller *caller,
                           struct str account_number, struct arena *arena,
                           struct customer *customer) {
    struct store_scope all = {.kind = STORE_SCOPE_SYSTEM};
    bool is_admin = caller->role == ROLE_ADMIN;
    return find_in(view, is_admin ? all : caller_scope(caller), account_number, arena, customer);
}
