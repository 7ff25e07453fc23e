/*
 * The outbox for administrators: what waits, what could not be sent, trying that again or dropping
 * it, and a mail that shows whether mail works. Who gets what is shown, what is in it never.
 */
#include "domain/mail/outbox_api.h"

#include "base/time.h"
#include "engine/cursor.h"

enum {
    OUTBOX_PAGE_DEFAULT = 50,
    OUTBOX_PAGE_MAX = 200,
    REVIVED_LIFE_HOURS = 24,
    TEST_LIFE_HOURS = 1,
};

static const struct store_scope system_scope = {.kind = STORE_SCOPE_SYSTEM};

/* ---- the list ---- */

enum outbox_list { LIST_QUEUED, LIST_DEAD };
static const char *const outbox_list_names[] = {"queued", "dead", NULL};

struct outbox_params {
    struct schema_set set;
    int32_t status;
    int64_t limit;
    struct str cursor;
};

static const struct field outbox_params_fields[] = {
    FIELD(struct outbox_params, status, FIELD_ENUM, .values = outbox_list_names,
          .doc = "queued (when not given) or dead: what could not be sent."),
    FIELD(struct outbox_params, limit, FIELD_INT, .min = 1, .max = OUTBOX_PAGE_MAX,
          .doc = "Rows per page; 50 when not given."),
    FIELD(struct outbox_params, cursor, FIELD_TEXT, .min = 1, .max = 700,
          .doc = "next_cursor of the page before."),
};

static const struct schema outbox_params_schema =
    SCHEMA("OutboxParams", struct outbox_params, outbox_params_fields);

struct outbox_data {
    struct schema_set set;
    struct schema_list rows;
    int64_t count;
    int64_t total;
    struct str next_cursor;
};

static const struct field outbox_data_fields[] = {
    FIELD(struct outbox_data, rows, FIELD_LIST, .flags = FIELD_REQUIRED, .of = &outbox_row_schema,
          .doc = "What waits, the next one first; what could not be sent, the oldest first."),
    FIELD(struct outbox_data, count, FIELD_INT, .flags = FIELD_REQUIRED, .doc = "On this page."),
    FIELD(struct outbox_data, total, FIELD_INT, .flags = FIELD_REQUIRED, .doc = "In all."),
    FIELD(struct outbox_data, next_cursor, FIELD_TEXT, .flags = FIELD_NULLABLE,
          .doc = "For the next page; null on the last."),
};

static const struct schema outbox_data_schema =
    SCHEMA("OutboxData", struct outbox_data, outbox_data_fields);

static enum err outbox_page(struct request *request, struct store_scan *scan,
                            yyjson_mut_val *data) {
    const struct outbox_params *params = request->command.params;
    yyjson_mut_doc *doc = request->outcome.doc;
    yyjson_mut_val *list = json_add_array(doc, data, "rows");
    bool has_limit = SCHEMA_HAS(&outbox_params_schema, params, limit);
    int64_t limit = has_limit ? params->limit : OUTBOX_PAGE_DEFAULT;
    int64_t count = 0;
    enum err err = ERR_OK;
    while (err == ERR_OK && count < limit) {
        struct outbox_row row;
        err = store_scan_next(scan, request->arena, &row);
        if (err == ERR_OK) {
            yyjson_mut_val *value = json_object(doc);
            json_add_members(doc, value, &outbox_row_schema, &row);
            json_append_val(doc, list, value);
            count++;
        }
    }
    json_add_int(doc, data, "count", count);
    if (err == ERR_OK || err == ERR_END) {
        cursor_add(request, data, err == ERR_END ? STR_NONE : scan->row_key);
    }
    return err == ERR_END ? ERR_OK : err;
}

static enum err outbox_read(struct request *request, const struct store_view *view) {
    const struct outbox_params *params = request->command.params;
    bool is_dead = params->status == LIST_DEAD;
    const struct table *table = is_dead ? &outbox_dead_table : &outbox_table;
    uint32_t index = is_dead ? (uint32_t)OUTBOX_DEAD_INDEX_FAILED : (uint32_t)OUTBOX_INDEX_DUE;
    char after_bytes[STORE_KEY_BYTES_MAX];
    struct buf after = buf_over(after_bytes, sizeof(after_bytes));
    struct store_scan scan;
    enum err err = cursor_parse(params->cursor, STR(""), &after);
    if (err == ERR_OK) {
        err = store_scan_open(&scan, view, system_scope, table, index, STR_NONE,
                              after.len > 0 ? buf_str(&after) : STR_NONE, false);
    }
    if (err != ERR_OK) {
        return err;
    }
    yyjson_mut_val *data = outcome_data(&request->outcome, &request->command);
    json_add_int(request->outcome.doc, data, "total", (int64_t)store_count(view, table));
    err = outbox_page(request, &scan, data);
    store_scan_close(&scan);
    return err;
}

/* ---- one row ---- */

struct outbox_row_params {
    struct schema_set set;
    struct id id;
};

static const struct field outbox_row_params_fields[] = {
    FIELD(struct outbox_row_params, id, FIELD_ID, .flags = FIELD_REQUIRED, .doc = "Row id."),
};

static const struct schema outbox_row_params_schema =
    SCHEMA("OutboxRowParams", struct outbox_row_params, outbox_row_params_fields);

static enum err row_get(const struct store_view *view, const struct command *command,
                        const struct table *table, struct outbox_row *row) {
    const struct outbox_row_params *params = command->params;
    return store_get(view, system_scope, table, id_bytes(&params->id), command->arena, row);
}

static enum err retry_check(const struct store_view *view, const struct command *command,
                            struct outcome *outcome) {
    (void)outcome;
    struct outbox_row row;
    return row_get(view, command, &outbox_dead_table, &row);
}

static void retry_apply(struct store_tx *tx, const struct command *command,
                        struct outcome *outcome) {
    struct outbox_row row;
    enum err err = row_get(store_tx_view(tx), command, &outbox_dead_table, &row);
    CHECK(err == ERR_OK);
    outbox_revive(tx, command, &row, REVIVED_LIFE_HOURS * TIME_US_PER_HOUR);
    outcome->resource = row.id;
    outcome->message = "It is queued again";
}

static const struct command_row outbox_retry_command = {
    .name = "outbox.retry",
    .action = "outbox.retry",
    .resource = "outbox",
    .check = retry_check,
    .apply = retry_apply,
};

static enum err delete_check(const struct store_view *view, const struct command *command,
                             struct outcome *outcome) {
    (void)outcome;
    struct outbox_row row;
    enum err err = row_get(view, command, &outbox_table, &row);
    return err == ERR_NOT_FOUND ? row_get(view, command, &outbox_dead_table, &row) : err;
}

static void delete_apply(struct store_tx *tx, const struct command *command,
                         struct outcome *outcome) {
    const struct outbox_row_params *params = command->params;
    store_del(tx, &outbox_table, id_bytes(&params->id));
    store_del(tx, &outbox_dead_table, id_bytes(&params->id));
    outcome->resource = params->id;
    outcome->message = "It is dropped; what is being sent this moment may still arrive";
}

static const struct command_row outbox_delete_command = {
    .name = "outbox.delete",
    .action = "outbox.delete",
    .resource = "outbox",
    .frees_room = true,
    .check = delete_check,
    .apply = delete_apply,
};

/* ---- the test mail ---- */

struct mail_test {
    struct schema_set set;
    struct str to;
};

static const struct field mail_test_fields[] = {
    FIELD(struct mail_test, to, FIELD_TEXT, .flags = FIELD_REQUIRED, .min = 1, .max = 254,
          .format = FORMAT_EMAIL, .doc = "E-mail address."),
};

static const struct schema mail_test_schema =
    SCHEMA("MailTest", struct mail_test, mail_test_fields);

struct mail_test_data {
    struct schema_set set;
    struct id id;
};

static const struct field mail_test_data_fields[] = {
    FIELD(struct mail_test_data, id, FIELD_ID, .flags = FIELD_REQUIRED,
          .doc = "Its row in the outbox, and its Message-ID."),
};

static const struct schema mail_test_data_schema =
    SCHEMA("MailTestData", struct mail_test_data, mail_test_data_fields);

static enum err test_check(const struct store_view *view, const struct command *command,
                           struct outcome *outcome) {
    (void)view;
    (void)outcome;
    CHECK(command->body != NULL);
    return ERR_OK;
}

static void test_apply(struct store_tx *tx, const struct command *command,
                       struct outcome *outcome) {
    const struct mail_test *body = command->body;
    struct mail mail = {.template = MAIL_TEST, .to = body->to};
    MAIL_SET(&mail, time, mail_time_text(command->arena, command->now_us));
    mail_put(tx, command, "mail test", &mail, TEST_LIFE_HOURS * TIME_US_PER_HOUR);
    outcome->resource = command_id(command, "mail test");
    outcome->message = "The mail is in the outbox";
    json_add_id(outcome->doc, outcome_data(outcome, command), "id", outcome->resource);
}

static const struct command_row mail_test_command = {
    .name = "mail.test",
    .action = "mail.test",
    .resource = "outbox",
    .check = test_check,
    .apply = test_apply,
};

/* ---- rows ---- */

const struct endpoint outbox_endpoints[OUTBOX_ENDPOINTS] = {
    {
        .id = "outbox_list",
        .method = HTTP_GET,
        .path = "/api/v1/admin/outbox",
        .doc = "What waits to be sent, or could not be sent.",
        .tag = "Outbox",
        .auth = AUTH_FULL,
        .roles = ROLE_ADMIN,
        .rate = RATE_READ,
        .form = FORM_ENVELOPE,
        .params = &outbox_params_schema,
        .output = &outbox_data_schema,
        .errors = {ERR_CURSOR_INVALID},
        .read = outbox_read,
    },
    {
        .id = "outbox_retry",
        .method = HTTP_POST,
        .path = "/api/v1/admin/outbox/{id}/retry",
        .doc = "Queue again what could not be sent, for a day.",
        .tag = "Outbox",
        .auth = AUTH_FULL,
        .roles = ROLE_ADMIN,
        .rate = RATE_WRITE,
        .form = FORM_ENVELOPE,
        .params = &outbox_row_params_schema,
        .command = &outbox_retry_command,
    },
    {
        .id = "outbox_delete",
        .method = HTTP_DELETE,
        .path = "/api/v1/admin/outbox/{id}",
        .doc = "Drop what waits, or what could not be sent.",
        .tag = "Outbox",
        .auth = AUTH_FULL,
        .roles = ROLE_ADMIN,
        .rate = RATE_WRITE,
        .form = FORM_ENVELOPE,
        .params = &outbox_row_params_schema,
        .command = &outbox_delete_command,
    },
    {
        .id = "mail_test",
        .method = HTTP_POST,
        .path = "/api/v1/admin/mail/test",
        .doc = "Send a test mail.",
        .tag = "Outbox",
        .auth = AUTH_FULL,
        .roles = ROLE_ADMIN,
        .rate = RATE_LOGIN,
        .form = FORM_ENVELOPE,
        .body = &mail_test_schema,
        .output = &mail_test_data_schema,
        .status = 202,
        .command = &mail_test_command,
    },
};
