/* The endpoint rows of the Gatekeeper paths, and the replies to those that read. */
#include "base/time.h"
#include "domain/gatekeeper/customers.h"
#include "domain/gatekeeper/dialect.h"
#include "domain/gatekeeper/login.h"
#include "domain/gatekeeper/rules.h"
#include "domain/gatekeeper/tokens.h"

/* ---- how a customer looks ---- */

enum {
    LIST_MAX = 1000,
    OFFSET_MAX = 10000, /* each is read; `after` is not */
    /* Left for the reply's text when the customers of a list have long names. */
    LIST_ROOM_BYTES = REQUEST_ARENA_BYTES_MAX / 4 * 3,
    STAMP_BYTES = 19,
};

/* Members in alphabetical order, as on the wire. */
struct customer_view {
    struct schema_set set;
    struct str account_number;
    struct str address;
    int64_t age;
    struct str bank_account_type;
    struct str branch_code;
    struct str date_of_account_opening;
    struct str first_name;
    struct str gender;
    struct str last_login;
    struct str last_name;
    struct str phone_number;
};

static const struct field customer_view_fields[] = {
    FIELD(struct customer_view, account_number, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "Account number."),
    FIELD(struct customer_view, address, FIELD_TEXT, .flags = FIELD_REQUIRED, .doc = "Address."),
    FIELD(struct customer_view, age, FIELD_INT, .flags = FIELD_REQUIRED, .doc = "Age."),
    FIELD(struct customer_view, bank_account_type, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "Kind of bank account."),
    FIELD(struct customer_view, branch_code, FIELD_TEXT, .flags = FIELD_REQUIRED, .doc = "Branch."),
    FIELD(struct customer_view, date_of_account_opening, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "YYYY-MM-DD"),
    FIELD(struct customer_view, first_name, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "Given name."),
    FIELD(struct customer_view, gender, FIELD_TEXT, .flags = FIELD_REQUIRED, .doc = "Gender."),
    FIELD(struct customer_view, last_login, FIELD_TEXT, .flags = FIELD_NULLABLE | FIELD_REQUIRED,
          .doc = "YYYY-MM-DD HH:MM:SS in UTC."),
    FIELD(struct customer_view, last_name, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "Family name."),
    FIELD(struct customer_view, phone_number, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "Telephone number."),
};

static const struct schema customer_view_schema =
    SCHEMA("Customer", struct customer_view, customer_view_fields);

/* "2026-11-21 07:35:32": the naive form cut to seconds, with a blank. STR_NONE: never, or no
 * memory. */
static struct str stamp_format(const struct customer *customer, struct arena *arena) {
    char naive[40];
    struct buf out = buf_over(naive, sizeof(naive));
    if (!SCHEMA_HAS(&customer_schema, customer, last_login_at)) {
        return STR_NONE;
    }
    time_format_naive(customer->last_login_at, &out);
    CHECK(out.len >= STAMP_BYTES);
    naive[10] = ' ';
    return arena_copy(arena, str_from(naive, STAMP_BYTES));
}

static void customer_add_view(yyjson_mut_doc *doc, yyjson_mut_val *object,
                              const struct customer *customer, struct arena *arena) {
    struct customer_view view = {
        .set.present = UINT64_MAX >> (64 - customer_view_schema.field_count),
        .account_number = customer->account_number,
        .address = customer->address,
        .age = customer->age,
        .bank_account_type = customer->bank_account_type,
        .branch_code = customer->branch_code,
        .date_of_account_opening = customer->date_of_account_opening,
        .first_name = customer->first_name,
        .gender = customer->gender,
        .last_login = stamp_format(customer, arena),
        .last_name = customer->last_name,
        .phone_number = customer->phone_number,
    };
    if (str_is_none(view.last_login)) {
        SCHEMA_CLEAR(&customer_view_schema, &view, last_login);
    }
    json_add_members(doc, object, &customer_view_schema, &view);
}

/* ---- GET /profile ---- */

struct profile_reply {
    struct schema_set set;
    struct customer_view profile;
    bool success;
};

static const struct field profile_reply_fields[] = {
    FIELD(struct profile_reply, profile, FIELD_OBJECT, .flags = FIELD_REQUIRED,
          .of = &customer_view_schema, .doc = "The caller."),
    FIELD(struct profile_reply, success, FIELD_BOOL, .flags = FIELD_REQUIRED, .doc = "true"),
};

static const struct schema profile_reply_schema =
    SCHEMA("ProfileReply", struct profile_reply, profile_reply_fields);

/* An administrator of this server is no customer: there is no such user. */
static enum err profile_read(struct request *request, const struct store_view *view) {
    const struct caller *caller = &request->command.caller;
    struct customer customer;
    enum err err = store_get(view, caller_scope(caller), &customer_table,
                             id_bytes(&caller->user_id), request->arena, &customer);
    if (err != ERR_OK) {
        return err == ERR_NOT_FOUND ? ERR_CUSTOMER_GONE : err;
    }
    yyjson_mut_val *data = outcome_data(&request->outcome, &request->command);
    customer_add_view(request->outcome.doc, json_add_object(request->outcome.doc, data, "profile"),
                      &customer, request->arena);
    return ERR_OK;
}

/* ---- GET / ---- */

struct list_params {
    struct schema_set set;
    int64_t limit;
    int64_t offset;
    struct str after;
};

static const struct field list_params_fields[] = {
    FIELD(struct list_params, limit, FIELD_INT, .min = 1, .max = LIST_MAX,
          .doc = "How many; without it all, if there are no more than that."),
    FIELD(struct list_params, offset, FIELD_INT, .min = 0, .max = OFFSET_MAX,
          .doc = "How many to leave out at the beginning."),
    FIELD(struct list_params, after, FIELD_TEXT, .min = ACCOUNT_DIGITS, .max = ACCOUNT_DIGITS,
          .format = FORMAT_DIGITS, .doc = "Begin behind this account number."),
};

static const struct schema list_params_schema =
    SCHEMA("CustomerListParams", struct list_params, list_params_fields);

struct list_reply {
    struct schema_set set;
    bool success;
    struct schema_list users;
};

static const struct field list_reply_fields[] = {
    FIELD(struct list_reply, success, FIELD_BOOL, .flags = FIELD_REQUIRED, .doc = "true"),
    FIELD(struct list_reply, users, FIELD_LIST, .flags = FIELD_REQUIRED, .max = LIST_MAX,
          .of = &customer_view_schema, .doc = "By account number."),
};

static const struct schema list_reply_schema =
    SCHEMA("CustomerListReply", struct list_reply, list_reply_fields);

/* Rows that are left out take no memory that lasts. */
static enum err list_skip(struct request *request, struct store_scan *scan) {
    const struct list_params *params = request->command.params;
    struct arena row;
    enum err err = ERR_OK;
    arena_init(&row, request->arena->pool, ARENA_BLOCK_BYTES);
    for (int64_t i = 0; i < params->offset && err == ERR_OK; i++) {
        struct customer customer;
        err = store_scan_next(scan, &row, &customer);
        arena_reset(&row);
    }
    return err;
}

/* All that there are, or `limit`. Never fewer than that without a word. */
static enum err list_fill(struct request *request, struct store_scan *scan, uint32_t limit,
                          bool is_limited, yyjson_mut_val *users) {
    yyjson_mut_doc *doc = request->outcome.doc;
    struct customer customer;
    uint32_t count = 0;
    enum err err = list_skip(request, scan);
    while (err == ERR_OK && request->arena->bytes_left > LIST_ROOM_BYTES) {
        if (count == limit && is_limited) {
            return ERR_OK;
        }
        err = store_scan_next(scan, request->arena, &customer);
        if (err != ERR_OK || count == limit) {
            break;
        }
        yyjson_mut_val *user = yyjson_mut_obj(doc);
        customer_add_view(doc, user, &customer, request->arena);
        json_append_val(doc, users, user);
        count++;
    }
    if (err == ERR_OK) {
        return gatekeeper_refuse(
            request, STR("There are more customers than one reply holds: use limit and after."));
    }
    return err == ERR_END ? ERR_OK : err;
}

static enum err list_read(struct request *request, const struct store_view *view) {
    const struct list_params *params = request->command.params;
    struct store_scope system = {.kind = STORE_SCOPE_SYSTEM}; /* administrators only: the row */
    bool is_limited = SCHEMA_HAS(&list_params_schema, params, limit);
    uint32_t limit = is_limited ? (uint32_t)params->limit : LIST_MAX;
    struct store_scan scan;
    char memory[2 * ACCOUNT_DIGITS];
    struct buf after = buf_over(memory, sizeof(memory));
    bool has_after = SCHEMA_HAS(&list_params_schema, params, after);
    if (has_after) {
        store_key_put_text(&after, params->after, true);
    }
    yyjson_mut_val *data = outcome_data(&request->outcome, &request->command);
    yyjson_mut_val *users = json_add_array(request->outcome.doc, data, "users");
    enum err err = store_scan_open(&scan, view, system, &customer_table, CUSTOMER_INDEX_ACCOUNT,
                                   STR_NONE, has_after ? buf_str(&after) : STR_NONE, false);
    if (err == ERR_OK) {
        err = list_fill(request, &scan, limit, is_limited, users);
        store_scan_close(&scan);
    }
    return err;
}

/* ---- GET /test, GET /db_check ---- */

struct test_reply {
    struct schema_set set;
    struct str status;
};

static const struct field test_reply_fields[] = {
    FIELD(struct test_reply, status, FIELD_TEXT, .flags = FIELD_REQUIRED, .doc = "A sentence."),
};

static const struct schema test_reply_schema =
    SCHEMA("BackendTestReply", struct test_reply, test_reply_fields);

static enum err test_read(struct request *request, const struct store_view *view) {
    (void)view;
    yyjson_mut_val *data = outcome_data(&request->outcome, &request->command);
    json_add_str(request->outcome.doc, data, "status", STR("Backend is running!"));
    return ERR_OK;
}

struct db_reply {
    struct schema_set set;
    struct str database;
};

static const struct field db_reply_fields[] = {
    FIELD(struct db_reply, database, FIELD_TEXT, .flags = FIELD_REQUIRED, .doc = "connected"),
};

static const struct schema db_reply_schema =
    SCHEMA("DatabaseCheckReply", struct db_reply, db_reply_fields);

/* Reads a record. What is wrong with one that cannot be read is for the log (defect 8). */
static enum err db_check_read(struct request *request, const struct store_view *view) {
    struct store_scope system = {.kind = STORE_SCOPE_SYSTEM};
    struct store_scan scan;
    struct customer customer;
    enum err err = store_scan_open(&scan, view, system, &customer_table, STORE_PRIMARY, STR_NONE,
                                   STR_NONE, false);
    if (err == ERR_OK) {
        err = store_scan_next(&scan, request->arena, &customer);
        store_scan_close(&scan);
    }
    if (err != ERR_OK && err != ERR_END) {
        return ERR_INTERNAL;
    }
    yyjson_mut_val *data = outcome_data(&request->outcome, &request->command);
    json_add_str(request->outcome.doc, data, "database", STR("connected"));
    return ERR_OK;
}

/* ---- the other replies, for the documentation ---- */

struct added_reply {
    struct schema_set set;
    struct str account_number;
    struct str message;
    bool success;
};

static const struct field added_reply_fields[] = {
    FIELD(struct added_reply, account_number, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "Its account number."),
    FIELD(struct added_reply, message, FIELD_TEXT, .flags = FIELD_REQUIRED, .doc = "For people."),
    FIELD(struct added_reply, success, FIELD_BOOL, .flags = FIELD_REQUIRED, .doc = "true"),
};

static const struct schema added_reply_schema =
    SCHEMA("CustomerAddedReply", struct added_reply, added_reply_fields);

static const struct field done_reply_fields[] = {
    FIELD(struct added_reply, message, FIELD_TEXT, .flags = FIELD_REQUIRED, .doc = "For people."),
    FIELD(struct added_reply, success, FIELD_BOOL, .flags = FIELD_REQUIRED, .doc = "true"),
};

static const struct schema done_reply_schema =
    SCHEMA("CustomerDoneReply", struct added_reply, done_reply_fields);

struct login_user {
    struct schema_set set;
    struct str account_number;
    struct str account_type;
    struct str name;
};

static const struct field login_user_fields[] = {
    FIELD(struct login_user, account_number, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "Account number."),
    FIELD(struct login_user, account_type, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "Kind of bank account."),
    FIELD(struct login_user, name, FIELD_TEXT, .flags = FIELD_REQUIRED, .doc = "Full name."),
};

static const struct schema login_user_schema =
    SCHEMA("CustomerLoginUser", struct login_user, login_user_fields);

struct login_reply {
    struct schema_set set;
    bool success;
    struct str token;
    struct login_user user;
};

static const struct field login_reply_fields[] = {
    FIELD(struct login_reply, success, FIELD_BOOL, .flags = FIELD_REQUIRED, .doc = "true"),
    FIELD(struct login_reply, token, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "JWT (HS256) for these paths."),
    FIELD(struct login_reply, user, FIELD_OBJECT, .flags = FIELD_REQUIRED, .of = &login_user_schema,
          .doc = "Who it is."),
};

static const struct schema login_reply_schema =
    SCHEMA("CustomerLoginReply", struct login_reply, login_reply_fields);

/* ---- rows ---- */

#define GATEKEEPER .tag = "Gatekeeper", .dialect = &gatekeeper_dialect

static const struct endpoint gatekeeper_endpoints[] = {
    {
        .id = "gatekeeper_register",
        .method = HTTP_POST,
        .path = "/register",
        .doc = "Register a customer.",
        GATEKEEPER,
        .auth = AUTH_NONE,
        .rate = RATE_CUSTOMER_REGISTER,
        .form = FORM_ENVELOPE,
        .body = &customer_body_schema,
        .output = &added_reply_schema,
        .status = 201,
        .errors = {ERR_CUSTOMER_EXISTS, ERR_REGISTRATION_CLOSED},
        .command = &customer_register_command,
    },
    {
        .id = "gatekeeper_login",
        .method = HTTP_POST,
        .path = "/login",
        .doc = "Log in as a customer, with account number and password.",
        GATEKEEPER,
        .auth = AUTH_NONE,
        .rate = RATE_CUSTOMER_LOGIN,
        .form = FORM_ENVELOPE,
        .body = &customer_login_schema,
        .output = &login_reply_schema,
        .errors = {ERR_CUSTOMER_CREDENTIALS, ERR_CUSTOMER_LOCKED},
        .command = &customer_login_command,
    },
    {
        .id = "gatekeeper_profile",
        .method = HTTP_GET,
        .path = "/profile",
        .doc = "The customer that the token belongs to.",
        GATEKEEPER,
        .auth = AUTH_DIALECT,
        .rate = RATE_READ,
        .form = FORM_ENVELOPE,
        .output = &profile_reply_schema,
        .read = profile_read,
    },
    {
        .id = "gatekeeper_list",
        .method = HTTP_GET,
        .path = "/",
        .doc = "All customers; browsers get a page with links to what there is.",
        GATEKEEPER,
        .auth = AUTH_DIALECT,
        .roles = ROLE_ADMIN,
        .rate = RATE_READ,
        .form = FORM_ENVELOPE,
        .params = &list_params_schema,
        .output = &list_reply_schema,
        .read = list_read,
        .page = root_page_read,
    },
    {
        .id = "gatekeeper_add",
        .method = HTTP_POST,
        .path = "/",
        .doc = "Add a customer; of any age.",
        GATEKEEPER,
        .auth = AUTH_DIALECT,
        .roles = ROLE_ADMIN,
        .rate = RATE_WRITE,
        .form = FORM_ENVELOPE,
        .body = &customer_body_schema,
        .output = &added_reply_schema,
        .status = 201,
        .errors = {ERR_CUSTOMER_EXISTS},
        .command = &customer_add_command,
    },
    {
        .id = "gatekeeper_update",
        .method = HTTP_PUT,
        .path = "/{account}",
        .doc = "Change some fields of a customer: oneself, or as an administrator anybody. A new "
               "password ends all tokens.",
        GATEKEEPER,
        .auth = AUTH_DIALECT,
        .rate = RATE_WRITE,
        .form = FORM_ENVELOPE,
        .params = &customer_params_schema,
        .body = &customer_patch_schema,
        .output = &done_reply_schema,
        .errors = {ERR_CUSTOMER_NONE},
        .command = &customer_update_command,
    },
    {
        .id = "gatekeeper_delete",
        .method = HTTP_DELETE,
        .path = "/{account}",
        .doc = "Remove a customer: oneself, or as an administrator anybody.",
        GATEKEEPER,
        .auth = AUTH_DIALECT,
        .rate = RATE_WRITE,
        .form = FORM_ENVELOPE,
        .params = &customer_params_schema,
        .output = &done_reply_schema,
        .errors = {ERR_CUSTOMER_NONE},
        .command = &customer_delete_command,
    },
    {
        .id = "gatekeeper_test",
        .method = HTTP_GET,
        .path = "/test",
        .doc = "Says that the server is running.",
        GATEKEEPER,
        .auth = AUTH_NONE,
        .rate = RATE_READ,
        .form = FORM_BARE,
        .output = &test_reply_schema,
        .read = test_read,
    },
    {
        .id = "gatekeeper_db_check",
        .method = HTTP_GET,
        .path = "/db_check",
        .doc = "Says whether the store answers a read.",
        GATEKEEPER,
        .auth = AUTH_NONE,
        .rate = RATE_READ,
        .form = FORM_BARE,
        .output = &db_reply_schema,
        .read = db_check_read,
    },
};

static enum err gatekeeper_start(struct engine *engine, const char **problem) {
    (void)problem;
    customer_tokens_start(engine_seal_key(engine));
    return ERR_OK;
}

static const struct table *const gatekeeper_tables[] = {&customer_table};

const struct module gatekeeper_module = {
    .name = "gatekeeper",
    .start = gatekeeper_start,
    .tables = gatekeeper_tables,
    .table_count = COUNT_OF(gatekeeper_tables),
    .endpoints = gatekeeper_endpoints,
    .endpoint_count = COUNT_OF(gatekeeper_endpoints),
};
