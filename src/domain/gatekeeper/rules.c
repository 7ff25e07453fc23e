/* Bodies with a customer in them: their schemas, and what is said about faulty ones. Pure. */
#include "domain/gatekeeper/rules.h"

#include "base/decode.h"

#define ACCOUNT_PROBLEM "Invalid account number format. Must be 12 digits."
#define PHONE_PROBLEM "Invalid phone number format. Use (XXX) XXX-XXXX."
#define DATE_PROBLEM "Invalid date format. Use YYYY-MM-DD."
#define AGE_PROBLEM "Age must be a valid number."
#define AGE_RANGE_PROBLEM "Age must be between 18 and 120."
#define PASSWORD_PROBLEM "Password must be at least 8 characters long"

enum { AGE_MIN = 18, AGE_MAX = 120, AGE_STORED_MAX = 150, AGE_TEXT_MAX = 24 };

const char *const customer_role_names[] = {"customer", "admin", NULL};

/* The fields that both bodies have, `flag` saying whether they must be there. */
#define CUSTOMER_FIELDS(flag)                                                                      \
    FIELD(struct customer_body, first_name, FIELD_TEXT, .flags = flag, .max = 50,                  \
          .label = "first_name must be text of at most 50 characters.", .doc = "Given name."),     \
        FIELD(struct customer_body, last_name, FIELD_TEXT, .flags = flag, .max = 50,               \
              .label = "last_name must be text of at most 50 characters.", .doc = "Family name."), \
        FIELD(struct customer_body, age, FIELD_JSON, .flags = flag, .max = AGE_TEXT_MAX,           \
              .label = AGE_PROBLEM, .doc = "A number from 18 to 120, or its digits as text."),     \
        FIELD(struct customer_body, gender, FIELD_TEXT, .flags = flag, .max = 10,                  \
              .label = "gender must be text of at most 10 characters.",                            \
              .doc = "Gender, free text."),                                                        \
        FIELD(struct customer_body, phone_number, FIELD_TEXT, .flags = flag, .max = 15,            \
              .label = PHONE_PROBLEM, .doc = "(XXX) XXX-XXXX"),                                    \
        FIELD(struct customer_body, address, FIELD_TEXT, .flags = flag, .max = 200,                \
              .label = "address must be text of at most 200 characters.",                          \
              .doc = "Postal address."),                                                           \
        FIELD(struct customer_body, bank_account_type, FIELD_TEXT, .flags = flag, .max = 50,       \
              .label = "bank_account_type must be text of at most 50 characters.",                 \
              .doc = "Such as Savings or Checking."),                                              \
        FIELD(struct customer_body, date_of_account_opening, FIELD_TEXT, .flags = flag, .max = 10, \
              .format = FORMAT_DATE, .label = DATE_PROBLEM, .doc = "YYYY-MM-DD"),                  \
        FIELD(struct customer_body, branch_code, FIELD_TEXT, .flags = flag, .max = 10,             \
              .label = "branch_code must be text of at most 10 characters.", .doc = "Branch."),    \
        FIELD(struct customer_body, password, FIELD_TEXT, .flags = (flag) | FIELD_SENSITIVE,       \
              .min = CUSTOMER_PASSWORD_LENGTH_MIN, .label = PASSWORD_PROBLEM,                      \
              .doc = "At least 8 characters, at most 72 bytes.")

static const struct field customer_body_fields[] = {
    FIELD(struct customer_body, account_number, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .min = ACCOUNT_DIGITS, .max = ACCOUNT_DIGITS, .format = FORMAT_DIGITS,
          .label = ACCOUNT_PROBLEM, .doc = "12 digits; the login name."),
    CUSTOMER_FIELDS(FIELD_REQUIRED),
};

static const struct field customer_patch_fields[] = {
    CUSTOMER_FIELDS(0),
    FIELD(struct customer_body, role, FIELD_ENUM, .values = customer_role_names,
          .label = "role must be customer or admin.",
          .doc = "Only administrators of this server may say; ignored from others."),
};

const struct schema customer_body_schema = {.name = "CustomerBody",
                                            .fields = customer_body_fields,
                                            .field_count = COUNT_OF(customer_body_fields),
                                            .struct_bytes = sizeof(struct customer_body),
                                            .ignores_unknown = true};

const struct schema customer_patch_schema = {.name = "CustomerPatch",
                                             .fields = customer_patch_fields,
                                             .field_count = COUNT_OF(customer_patch_fields),
                                             .struct_bytes = sizeof(struct customer_body),
                                             .ignores_unknown = true};

/* ---- what the decoder found ---- */

/* The sentence for a fault of this field; of any kind, a wrong type too. */
static struct str field_problem(const struct schema *schema, const struct schema_faults *faults,
                                const char *name) {
    struct str path = str_from_c(name);
    for (uint32_t i = 0; i < faults->count; i++) {
        if (str_equal(faults->faults[i].path, path)) {
            const struct field *field = schema_field(schema, path);
            CHECK(field != NULL);
            CHECK(field->label != NULL);
            return str_from_c(field->label);
        }
    }
    return STR_NONE;
}

struct str customer_missing_problem(const struct schema *schema, const struct schema_faults *faults,
                                    struct arena *arena) {
    enum { TEXT_BYTES_MAX = 256 };
    char *memory = arena_take(arena, TEXT_BYTES_MAX);
    struct buf out = buf_over(memory, memory == NULL ? 0 : TEXT_BYTES_MAX);
    for (uint32_t i = 0; i < schema->field_count; i++) {
        struct str name = str_from_c(schema->fields[i].name);
        for (uint32_t k = 0; k < faults->count; k++) {
            const struct schema_fault *fault = &faults->faults[k];
            if (schema_fault_is_missing(fault) && str_equal(fault->path, name)) {
                buf_put_c(&out, out.len == 0 ? "Missing required fields: " : ", ");
                buf_put_str(&out, name);
            }
        }
    }
    return out.len == 0 ? STR_NONE : buf_str(&out);
}

/* ---- age ---- */

/* As the original read it: a number, cut to its whole part, or digits in quotes. */
static bool age_parse(struct str json, int64_t *age) {
    CHECK(json.len > 0); /* the decoder took a JSON value */
    if (str_equal(json, STR("true")) || str_equal(json, STR("false"))) {
        *age = json.len == 4;
        return true;
    }
    if (json.data[0] == '"') {
        return str_parse_i64(str_trim(str_slice(json, 1, json.len - 1)), age);
    }
    if (json.data[0] != '-' && (json.data[0] < '0' || json.data[0] > '9')) {
        return false; /* an array or an object */
    }
    if (str_has_byte(json, '.') && !str_has_byte(json, 'e') && !str_has_byte(json, 'E')) {
        json = str_slice(json, 0, str_find_byte(json, '.'));
    }
    return json_number_to_i64(json, age);
}

static struct str age_problem(struct customer_body *body, bool is_any_age) {
    if (!age_parse(body->age, &body->age_years)) {
        return STR(AGE_PROBLEM);
    }
    if (is_any_age) {
        bool can_be = body->age_years >= 0 && body->age_years <= AGE_STORED_MAX;
        return can_be ? STR_NONE : STR(AGE_PROBLEM);
    }
    bool is_adult = body->age_years >= AGE_MIN && body->age_years <= AGE_MAX;
    return is_adult ? STR_NONE : STR(AGE_RANGE_PROBLEM);
}

/* ---- the order ---- */

bool customer_phone_is_sound(struct str text) {
    static const char form[] = "(ddd) ddd-dddd";
    if (text.len != sizeof(form) - 1) {
        return false;
    }
    for (uint32_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (form[i] == 'd' ? c < '0' || c > '9' : c != form[i]) {
            return false;
        }
    }
    return true;
}

struct str customer_form_problem(const struct schema *schema, const struct schema_faults *faults,
                                 bool is_any_age, struct customer_body *body) {
    struct str problem = field_problem(schema, faults, "account_number");
    if (str_is_none(problem)) {
        problem = field_problem(schema, faults, "phone_number");
    }
    if (str_is_none(problem) && !str_is_none(body->phone_number) &&
        !customer_phone_is_sound(body->phone_number)) {
        problem = STR(PHONE_PROBLEM);
    }
    if (str_is_none(problem)) {
        problem = field_problem(schema, faults, "date_of_account_opening");
    }
    if (str_is_none(problem)) {
        problem = field_problem(schema, faults, "age");
    }
    if (str_is_none(problem) && !str_is_none(body->age)) {
        problem = age_problem(body, is_any_age);
    }
    return problem;
}

struct str customer_value_problem(const struct schema *schema, const struct schema_faults *faults,
                                  const struct customer_body *body) {
    static const char *const names[] = {"password", "first_name",        "last_name",   "gender",
                                        "address",  "bank_account_type", "branch_code", "role"};
    for (uint32_t i = 0; i < COUNT_OF(names); i++) {
        struct str problem = field_problem(schema, faults, names[i]);
        if (!str_is_none(problem)) {
            return problem;
        }
    }
    /* A body without one has none to be judged. */
    if (!str_is_none(body->password) && !password_is_usable(body->password)) {
        return STR("Password must be at most 72 bytes long, without a zero byte.");
    }
    return STR_NONE;
}
