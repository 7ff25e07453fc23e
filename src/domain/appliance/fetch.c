/* Commands of a fetch by URL: its begin, its progress and its end. See appliance.h for the states;
 * what does the fetching is fetcher.c. */
#include "domain/appliance/internal.h"
#include "engine/engine.h"

bool update_is_fetching(const struct store_view *view, struct arena *arena) {
    struct update_fetch fetch;
    return update_fetch_get(view, arena, &fetch) == ERR_OK && fetch.state == UPDATE_FETCHING;
}

/* ---- begin ---- */

static const struct field fetch_begin_fields[] = {
    FIELD(struct update_fetch_begin, url, FIELD_TEXT, .flags = FIELD_REQUIRED, .format = FORMAT_URL,
          .max = HTTP_URL_BYTES_MAX,
          .doc = "Where the bundle is: https://, or http:// on the same machine."),
};

const struct schema update_fetch_begin_schema =
    SCHEMA("UpdateFetchBegin", struct update_fetch_begin, fetch_begin_fields);

static const struct update_fetch_begin *fetch_input(const struct command *command) {
    return command->body != NULL ? command->body : command->prepared;
}

/* What the process knows; the command line fetches for a machine that is off. */
static enum err fetch_prepare(struct request *request) {
    (void)request;
    enum err err = update_machine_check();
    return err == ERR_OK && bundle_key() == NULL ? ERR_UPDATE_KEY : err;
}

static enum err fetch_check(const struct store_view *view, const struct command *command,
                            struct outcome *outcome) {
    struct http_url url;
    if (!http_url_parse(fetch_input(command)->url, &url)) {
        outcome->faults = ARENA_NEW(command->arena, struct schema_faults);
        if (outcome->faults == NULL) {
            return ERR_NO_MEMORY;
        }
        schema_fault_add(outcome->faults, STR("url"),
                         STR("Send a URL of https:// or http://, without a user name."));
        return ERR_VALIDATION;
    }
    return update_is_fetching(view, command->arena) ? ERR_UPDATE_BUSY : ERR_OK;
}

static void fetch_apply(struct store_tx *tx, const struct command *command,
                        struct outcome *outcome) {
    const struct store_view *view = store_tx_view(tx);
    struct update update;
    struct update_fetch fetch = {
        .number = UPDATE_NUMBER,
        .state = UPDATE_FETCHING,
        .url = fetch_input(command)->url,
        .created_at = command->now_us,
    };
    fetch.set.present = UINT64_MAX >> (64 - update_fetch_schema.field_count);
    SCHEMA_CLEAR(&update_fetch_schema, &fetch, bytes_total);
    SCHEMA_CLEAR(&update_fetch_schema, &fetch, code);
    SCHEMA_CLEAR(&update_fetch_schema, &fetch, problem);
    SCHEMA_CLEAR(&update_fetch_schema, &fetch, ended_at);
    store_put(tx, &update_fetch_table, &fetch);
    bool has_update = update_get(view, command->arena, &update) == ERR_OK;
    update_reply(view, command, has_update ? &update : NULL, outcome);
    outcome->status = 202;
}

const struct command_row update_fetch_command = {
    .name = "appliance.update_fetch",
    .action = "appliance.update.fetch",
    .resource = "appliance",
    .prepare = fetch_prepare,
    .check = fetch_check,
    .apply = fetch_apply,
};

/* ---- progress ---- */

/* While a fetch runs nobody else can begin an update, so what comes in is the fetch's. */
void update_fetch_note(struct store_tx *tx, const struct command *command, int64_t bytes,
                       int64_t bytes_total) {
    struct update_fetch fetch;
    enum err err = update_fetch_get(store_tx_view(tx), command->arena, &fetch);
    if (err != ERR_OK || fetch.state != UPDATE_FETCHING) {
        return;
    }
    fetch.bytes_received += bytes;
    if (bytes_total > 0) {
        fetch.bytes_total = bytes_total;
        SCHEMA_SET(&update_fetch_schema, &fetch, bytes_total);
    }
    store_put(tx, &update_fetch_table, &fetch);
}

/* ---- the end ---- */

static enum err fetch_end_check(const struct store_view *view, const struct command *command,
                                struct outcome *outcome) {
    const struct update_fetch_end *end = command->prepared;
    (void)outcome;
    if (!update_is_fetching(view, command->arena)) {
        return ERR_NOT_FOUND;
    }
    return end->err == ERR_OK ? update_whole_check(view, command) : ERR_OK;
}

/* Its header was good, so there is an update of which not all has come. */
static void refused_drop(struct store_tx *tx, const struct command *command,
                         const struct update_fetch_end *end) {
    struct update update;
    enum err err = update_get(store_tx_view(tx), command->arena, &update);
    if (err == ERR_OK && update.state == UPDATE_UPLOADING) {
        update_finish(tx, command, end->problem);
    }
}

static void fetch_end_apply(struct store_tx *tx, const struct command *command,
                            struct outcome *outcome) {
    const struct update_fetch_end *end = command->prepared;
    struct update_fetch fetch;
    struct update update;
    enum err err = update_fetch_get(store_tx_view(tx), command->arena, &fetch);
    CHECK(err == ERR_OK);
    fetch.state = end->err == ERR_OK ? UPDATE_FETCHED : UPDATE_REFUSED;
    fetch.ended_at = command->now_us;
    SCHEMA_SET(&update_fetch_schema, &fetch, ended_at);
    if (end->err == ERR_OK) {
        update_request(tx, command, &update);
    } else {
        fetch.code = end->code;
        fetch.problem = str_slice(end->problem, 0, UPDATE_FETCH_PROBLEM_LEN_MAX);
        SCHEMA_SET(&update_fetch_schema, &fetch, code);
        SCHEMA_SET(&update_fetch_schema, &fetch, problem);
        if (SCHEMA_HAS(&update_fetch_schema, &fetch, bytes_total)) {
            refused_drop(tx, command, end);
        }
    }
    store_put(tx, &update_fetch_table, &fetch);
    outcome->err = end->err; /* for the audit record */
}

const struct command_row update_fetch_end_command = {
    .name = "appliance.update_fetch_end",
    .action = "appliance.update.fetch_end",
    .resource = "appliance",
    .frees_room = true,
    .check = fetch_end_check,
    .apply = fetch_end_apply,
};

/* ---- after a restart ---- */

enum err update_fetch_start(struct engine *engine, const char **problem) {
    static char memory[8 * ARENA_BLOCK_BYTES] __attribute__((aligned(64)));
    static struct update_fetch_end end = {
        .err = ERR_UPDATE_FETCH,
        .code = {"INTERRUPTED", 11},
        .problem = {"the server was restarted meanwhile", 34},
    };
    struct arena_pool pool;
    struct arena arena;
    enum err result = ERR_OK;
    arena_pool_init(&pool, memory, 8);
    arena_init(&arena, &pool, sizeof(memory));
    bool is_fetching = update_is_fetching(store_snapshot(engine_store(engine)), &arena);
    store_tick_end(engine_store(engine));
    arena_reset(&arena);
    if (is_fetching) {
        result = engine_run_system(engine, &update_fetch_end_command, &end, NULL);
        engine_settle(engine);
    }
    *problem = "a fetch of an update that was cut off cannot be ended";
    return result;
}
