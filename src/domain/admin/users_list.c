/*
 * GET /api/v1/users. Quick however many there are: rows come from the index that fits the question
 * best, and a request looks at USERS_SCANNED_MAX rows at most. A page that ends there says so with
 * next_cursor, even when it is empty.
 *
 *   search     e-mail addresses that begin so, then names that begin so, in alphabetical order
 *   otherwise  by time of registration: of one status, else of one role, else of all
 *
 * What the index does not answer is looked at row by row. Pages are asked for by cursor, or by
 * number (page) as long as they lie within the bound.
 */
#include "domain/admin/users_list.h"

#include "engine/cursor.h"

enum {
    USERS_PAGE_DEFAULT = 20,
    USERS_PAGE_MAX = 100,
    USERS_SCANNED_MAX = 2000, /* about 6 ms of the loop */
    USERS_PAGE_NUMBER_MAX = USERS_SCANNED_MAX / USERS_PAGE_DEFAULT,
};

static const char *const factor_names[] = {"none", "any", "totp", "passkey", NULL};
enum { FACTOR_NONE, FACTOR_ANY, FACTOR_TOTP, FACTOR_PASSKEY };

static const char *const order_names[] = {"asc", "desc", NULL};
enum { ORDER_ASC, ORDER_DESC };

struct users_params {
    struct schema_set set;
    struct str search;
    int32_t status;
    int32_t role;
    int32_t factor;
    int64_t created_from;
    int64_t created_to;
    int32_t sort_order;
    int64_t page;
    int64_t per_page;
    int64_t limit;
    struct str cursor;
};

static const struct field users_params_fields[] = {
    FIELD(struct users_params, search, FIELD_TEXT, .min = 1, .max = 100,
          .doc = "Beginning of the e-mail address or of the full name; case does not matter."),
    FIELD(struct users_params, status, FIELD_ENUM, .values = user_status_names,
          .doc = "Only this status; all but deleted when not given."),
    FIELD(struct users_params, role, FIELD_ENUM, .values = role_names, .doc = "Only this role."),
    FIELD(struct users_params, factor, FIELD_ENUM, .values = factor_names,
          .doc = "Only those with this second factor."),
    FIELD(struct users_params, created_from, FIELD_TIME, .doc = "Registered not before this."),
    FIELD(struct users_params, created_to, FIELD_TIME, .doc = "Registered before this."),
    FIELD(struct users_params, sort_order, FIELD_ENUM, .values = order_names,
          .doc = "By registration; newest first (desc) when not given. Not of a search."),
    FIELD(struct users_params, page, FIELD_INT, .min = 1, .max = USERS_PAGE_NUMBER_MAX,
          .doc = "Page, from 1; behind the first 2000 users only cursor leads on."),
    FIELD(struct users_params, per_page, FIELD_INT, .min = 1, .max = USERS_PAGE_MAX,
          .doc = "Users per page; 20 when not given."),
    FIELD(struct users_params, limit, FIELD_INT, .min = 1, .max = USERS_PAGE_MAX,
          .doc = "The same."),
    FIELD(struct users_params, cursor, FIELD_TEXT, .min = 1, .max = 700,
          .doc = "next_cursor of the page before."),
};

const struct schema users_params_schema =
    SCHEMA("UsersParams", struct users_params, users_params_fields);

#define HAS(params, member) SCHEMA_HAS(&users_params_schema, params, member)

struct users_pagination {
    struct schema_set set;
    int64_t page;
    int64_t per_page;
    int64_t total;
    int64_t pages;
    bool has_next;
    bool has_prev;
};

static const struct field users_pagination_fields[] = {
    FIELD(struct users_pagination, page, FIELD_INT, .flags = FIELD_NULLABLE,
          .doc = "This page; null behind a cursor."),
    FIELD(struct users_pagination, per_page, FIELD_INT, .flags = FIELD_REQUIRED,
          .doc = "Its size."),
    FIELD(struct users_pagination, total, FIELD_INT, .flags = FIELD_NULLABLE,
          .doc = "Users in all, when page was sent and not too many had to be looked at."),
    FIELD(struct users_pagination, pages, FIELD_INT, .flags = FIELD_NULLABLE,
          .doc = "Pages in all, likewise."),
    FIELD(struct users_pagination, has_next, FIELD_BOOL, .flags = FIELD_REQUIRED,
          .doc = "Whether there may be more."),
    FIELD(struct users_pagination, has_prev, FIELD_BOOL, .flags = FIELD_REQUIRED,
          .doc = "Whether this is not the first page."),
};

static const struct schema users_pagination_schema =
    SCHEMA("UsersPagination", struct users_pagination, users_pagination_fields);

struct users_data {
    struct schema_set set;
    struct schema_list users;
    int64_t count;
    struct str next_cursor;
    struct users_pagination pagination;
};

static const struct field users_data_fields[] = {
    FIELD(struct users_data, users, FIELD_LIST, .flags = FIELD_REQUIRED, .of = &user_view_schema,
          .doc = "Users."),
    FIELD(struct users_data, count, FIELD_INT, .flags = FIELD_REQUIRED, .doc = "On this page."),
    FIELD(struct users_data, next_cursor, FIELD_TEXT, .flags = FIELD_NULLABLE,
          .doc = "For the next page; null on the last."),
    FIELD(struct users_data, pagination, FIELD_OBJECT, .flags = FIELD_REQUIRED,
          .of = &users_pagination_schema, .doc = "Where in the list this is."),
};

const struct schema users_data_schema = SCHEMA("UsersData", struct users_data, users_data_fields);

/* ---- which rows ---- */

/* A search goes through two indexes, one behind the other; everything else through one. */
enum stage { STAGE_EMAIL, STAGE_NAME, STAGE_COUNT };

struct users_plan {
    uint32_t index;
    bool is_descending;
    char prefix_bytes[STORE_KEY_BYTES_MAX];
    struct buf prefix;
    char start_bytes[STORE_KEY_BYTES_MAX];
    struct buf start; /* the scan begins behind it, unless a cursor says where */
};

static bool starts_folded(struct str text, struct str beginning) {
    return text.len >= beginning.len &&
           str_equal_nocase(str_slice(text, 0, beginning.len), beginning);
}

static void plan_search(const struct users_params *params, enum stage stage,
                        struct users_plan *plan) {
    plan->index = stage == STAGE_EMAIL ? USER_INDEX_EMAIL : USER_INDEX_NAME;
    plan->is_descending = false;
    store_key_put_folded(&plan->prefix, params->search, true); /* addresses are in lower case */
}

/* The range of times becomes the beginning of the scan; its end is looked for row by row. */
static void plan_created(const struct users_params *params, struct users_plan *plan) {
    plan->is_descending = !HAS(params, sort_order) || params->sort_order == ORDER_DESC;
    if (HAS(params, status)) {
        plan->index = USER_INDEX_STATUS;
        store_key_put_int(&plan->prefix, params->status);
    } else if (HAS(params, role)) {
        plan->index = USER_INDEX_ROLE;
        store_key_put_int(&plan->prefix, params->role);
    } else {
        plan->index = USER_INDEX_CREATED;
    }
    bool has_bound = plan->is_descending ? HAS(params, created_to) : HAS(params, created_from);
    if (has_bound) {
        buf_put_str(&plan->start, buf_str(&plan->prefix));
        store_key_put_int(&plan->start,
                          plan->is_descending ? params->created_to : params->created_from);
    }
}

static void plan_make(const struct users_params *params, enum stage stage,
                      struct users_plan *plan) {
    plan->prefix = buf_over(plan->prefix_bytes, sizeof(plan->prefix_bytes));
    plan->start = buf_over(plan->start_bytes, sizeof(plan->start_bytes));
    if (HAS(params, search)) {
        plan_search(params, stage, plan);
    } else {
        plan_created(params, plan);
    }
    CHECK(!plan->prefix.is_full); /* 100 characters are 400 bytes; only 00 and 01 take two */
}

static bool factor_fits(int32_t wanted, int64_t factors) {
    switch (wanted) {
    case FACTOR_NONE:
        return factors == 0;
    case FACTOR_ANY:
        return factors != 0;
    case FACTOR_TOTP:
        return (factors & USER_FACTOR_TOTP) != 0;
    default:
        return (factors & USER_FACTOR_PASSKEY) != 0;
    }
}

static bool user_fits(const struct users_params *params, enum stage stage,
                      const struct user *user) {
    bool is_status =
        HAS(params, status) ? user->status == params->status : user->status != USER_DELETED;
    return is_status && (!HAS(params, role) || user->role == params->role) &&
           (!HAS(params, factor) || factor_fits(params->factor, user->factors)) &&
           (!HAS(params, created_from) || user->created_at >= params->created_from) &&
           (!HAS(params, created_to) || user->created_at < params->created_to) &&
           /* Already shown by its address? */
           (stage != STAGE_NAME || !starts_folded(user->email, params->search));
}

/* Behind the range of times: nothing that follows can fit. */
static bool is_behind(const struct users_params *params, const struct users_plan *plan,
                      const struct user *user) {
    if (HAS(params, search)) {
        return false;
    }
    return plan->is_descending
               ? HAS(params, created_from) && user->created_at < params->created_from
               : HAS(params, created_to) && user->created_at >= params->created_to;
}

/* ---- a page ---- */

struct users_page {
    struct request *request;
    const struct users_params *params;
    yyjson_mut_val *list;
    int64_t from, to; /* of the rows that fit: those of this page */
    int64_t fitting;
    uint32_t scanned;
    bool counts_on; /* behind the page, for the total */
    bool is_end;    /* everything was looked at */
    bool is_filled;
    char next_bytes[1 + STORE_KEY_BYTES_MAX]; /* stage, key of the page's last row */
    struct buf next;
};

static void page_mark(struct users_page *page, enum stage stage, struct str key) {
    page->next.len = 0;
    buf_put_byte(&page->next, (uint8_t)stage);
    buf_put_str(&page->next, key);
    CHECK(!page->next.is_full);
}

static void page_take(struct users_page *page, enum stage stage, const struct user *user,
                      struct str key) {
    struct request *request = page->request;
    if (page->fitting >= page->from && page->fitting < page->to) {
        yyjson_mut_arr_append(page->list,
                              user_view_make(request->outcome.doc, user, request->arena));
    }
    page->fitting++;
    if (page->fitting == page->to) {
        page_mark(page, stage, key);
        page->is_filled = true;
    }
}

static bool page_goes_on(const struct users_page *page) {
    return page->scanned < USERS_SCANNED_MAX && (!page->is_filled || page->counts_on);
}

/* ERR_END: this index has no more. */
static enum err page_scan(struct users_page *page, struct store_scan *scan, enum stage stage,
                          const struct users_plan *plan) {
    enum err err = ERR_OK;
    struct arena row;
    arena_init(&row, page->request->arena->pool, ARENA_BLOCK_BYTES);
    while (err == ERR_OK && page_goes_on(page)) {
        struct user user;
        err = store_scan_next(scan, &row, &user);
        if (err == ERR_OK && is_behind(page->params, plan, &user)) {
            err = ERR_END;
        }
        if (err == ERR_OK) {
            page->scanned++;
            if (!page->is_filled) {
                page_mark(page, stage, scan->row_key);
            }
            if (user_fits(page->params, stage, &user)) {
                page_take(page, stage, &user, scan->row_key);
            }
        }
        arena_reset(&row);
    }
    return err;
}

static enum err page_stage(struct users_page *page, const struct store_view *view, enum stage stage,
                           struct str after) {
    struct store_scope system = {.kind = STORE_SCOPE_SYSTEM};
    struct users_plan plan;
    struct store_scan scan;
    plan_make(page->params, stage, &plan);
    if (after.len > 0 && !str_starts(after, buf_str(&plan.prefix))) {
        return ERR_CURSOR_INVALID;
    }
    if (after.len == 0) {
        after = buf_str(&plan.start);
    }
    enum err err = store_scan_open(&scan, view, system, &user_table, plan.index,
                                   buf_str(&plan.prefix), after, plan.is_descending);
    if (err == ERR_OK) {
        err = page_scan(page, &scan, stage, &plan);
        store_scan_close(&scan);
    }
    return err;
}

static enum err page_collect(struct users_page *page, const struct store_view *view,
                             struct str cursor) {
    uint32_t stages = HAS(page->params, search) ? STAGE_COUNT : 1;
    uint32_t stage = cursor.len > 0 ? (uint8_t)cursor.data[0] : 0;
    struct str after = cursor.len > 0 ? str_slice(cursor, 1, cursor.len) : STR_NONE;
    enum err err = stage < stages && cursor.len != 1 ? ERR_END : ERR_CURSOR_INVALID;
    while (err == ERR_END && stage < stages) {
        err = page_stage(page, view, (enum stage)stage, after);
        after = STR_NONE;
        stage++;
    }
    page->is_end = err == ERR_END;
    return page->is_end ? ERR_OK : err;
}

static void page_reply(struct users_page *page, yyjson_mut_val *data, int64_t size) {
    struct request *request = page->request;
    const struct users_params *params = page->params;
    yyjson_mut_doc *doc = request->outcome.doc;
    bool has_next = page->is_end ? page->fitting > page->to : true;
    struct users_pagination pagination = {
        .page = HAS(params, page) ? params->page : 1,
        .per_page = size,
        .total = page->fitting,
        .pages = (page->fitting + size - 1) / size,
        .has_next = has_next,
        .has_prev = page->from > 0 || HAS(params, cursor),
    };
    pagination.set.present = UINT64_MAX >> (64 - COUNT_OF(users_pagination_fields));
    if (HAS(params, cursor)) {
        SCHEMA_CLEAR(&users_pagination_schema, &pagination, page);
    }
    if (!page->is_end || HAS(params, cursor)) {
        SCHEMA_CLEAR(&users_pagination_schema, &pagination, total);
        SCHEMA_CLEAR(&users_pagination_schema, &pagination, pages);
    }
    json_add_int(doc, data, "count", (int64_t)yyjson_mut_arr_size(page->list));
    cursor_add(request, data, has_next ? buf_str(&page->next) : STR_NONE);
    json_add_members(doc, json_add_object(doc, data, "pagination"), &users_pagination_schema,
                     &pagination);
}

/* A page by number needs all rows before it. */
static enum err page_rules(struct request *request, int64_t size) {
    const struct users_params *params = request->command.params;
    struct schema_faults *faults = ARENA_NEW(request->arena, struct schema_faults);
    if (faults == NULL) {
        return ERR_NO_MEMORY;
    }
    request->outcome.faults = faults;
    if (HAS(params, page) && HAS(params, cursor)) {
        schema_fault_add(faults, STR("page"), STR("Send page or cursor, not both."));
    } else if (HAS(params, page) && params->page * size > USERS_SCANNED_MAX) {
        schema_fault_add(faults, STR("page"), STR("Too far behind: go on with next_cursor."));
    }
    return faults->count > 0 ? ERR_VALIDATION : ERR_OK;
}

enum err users_read(struct request *request, const struct store_view *view) {
    const struct users_params *params = request->command.params;
    char cursor_bytes[1 + STORE_KEY_BYTES_MAX];
    struct buf cursor = buf_over(cursor_bytes, sizeof(cursor_bytes));
    int64_t size = HAS(params, limit)      ? params->limit
                   : HAS(params, per_page) ? params->per_page
                                           : USERS_PAGE_DEFAULT;
    struct users_page page = {.request = request, .params = params, .counts_on = HAS(params, page)};
    page.from = HAS(params, page) ? (params->page - 1) * size : 0;
    page.to = page.from + size;
    page.next = buf_over(page.next_bytes, sizeof(page.next_bytes));
    enum err err = page_rules(request, size);
    if (err == ERR_OK) {
        err = cursor_parse(params->cursor, STR(""), &cursor);
    }
    if (err != ERR_OK) {
        return err;
    }
    yyjson_mut_val *data = outcome_data(&request->outcome, &request->command);
    page.list = json_add_array(request->outcome.doc, data, "users");
    err = page_collect(&page, view, buf_str(&cursor));
    if (err == ERR_OK) {
        page_reply(&page, data, size);
    }
    return err;
}
