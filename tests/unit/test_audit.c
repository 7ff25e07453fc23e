/*
 * The audit chain: what audit_append writes is a good chain with the right words; one that was
 * changed, cut, reordered or written without the key is not.
 */
#include "test.h"

#include "cli/cli.h"
#include "engine/audit.h"
#include "engine/person.h"
#include "support/store_support.h"

enum { EVENTS = 40 };

static struct store_bench bench;
static struct audit_event events[EVENTS];
static struct audit_event other_events[EVENTS];
static struct store_seal_key seal_key;
static struct audit_chain chain_start;

static const struct command_row login_row = {
    .name = "auth.login", .action = "session.create", .resource = "session"};
static const struct command_row bare_row = {.name = "bare"};

/* ---- writing ---- */

struct written {
    struct command command;
    struct outcome outcome;
    enum err denied;
};

static struct written written[EVENTS];

static struct id random_id(void) {
    struct id id;
    test_random_fill(id.bytes, sizeof id.bytes);
    return id;
}

static void command_make(uint32_t number) {
    static const struct str agents[] = {{"curl", 4}, {"", 0}, {NULL, 0}};
    struct written *one = &written[number];
    *one = (struct written){0};
    struct command *command = &one->command;
    command->row = test_random_below(3) == 0 ? &bare_row : &login_row;
    command->audit_chain = &chain_start;
    command->now_us = 1700000000000000 + number;
    command->user_agent = agents[test_random_below(COUNT_OF(agents))];
    command->request_id = STR("request");
    command->arena = &bench.arena;
    test_random_fill(command->peer.bytes, sizeof command->peer.bytes);
    switch (test_random_below(3)) {
    case 0:
        command->caller.kind = CALLER_USER;
        command->caller.user_id = random_id();
        command->caller.session_id = random_id();
        break;
    case 1:
        command->caller.kind = CALLER_SYSTEM;
        break;
    default:
        command->caller.kind = CALLER_NOBODY;
        one->outcome.actor = test_random_below(2) == 0 ? random_id() : (struct id){{0}};
        break;
    }
    one->outcome.resource = test_random_below(2) == 0 ? random_id() : (struct id){{0}};
    one->outcome.action = test_random_below(4) == 0 ? "session.revoke" : NULL;
    one->outcome.err = test_random_below(3) == 0 ? ERR_CREDENTIALS_WRONG : ERR_OK;
    one->denied = test_random_below(3) == 0 ? ERR_FORBIDDEN : ERR_OK;
}

/* Some commands write a record first: the event says which fields. */
static uint32_t append_run(struct store_tx *tx, void *ctx) {
    const uint32_t *range = ctx;
    for (uint32_t i = range[0]; i < range[1]; i++) {
        static const uint8_t entropy[32] = {7};
        store_tx_command(tx, entropy);
        if (i % 3 == 0) {
            struct word word = {.word = STR("w"), .count = i};
            word.set.present = 3;
            store_put(tx, &word_table, &word);
        }
        audit_append(tx, &written[i].command, &written[i].outcome, written[i].denied);
    }
    return range[1] - range[0];
}

static bool events_read(struct audit_event *list) {
    struct store_scan scan;
    uint32_t count = 0;
    enum err err = store_scan_open(&scan, store_snapshot(bench.store), scope_system, &audit_table,
                                   STORE_PRIMARY, STR_NONE, STR_NONE, false);
    while (err == ERR_OK && count < EVENTS) {
        err = store_scan_next(&scan, &bench.arena, &list[count]);
        count += err == ERR_OK;
    }
    store_scan_close(&scan);
    store_tick_end(bench.store);
    return count == EVENTS;
}

/* A store with EVENTS events, written in batches with a restart between two; read into `list`. */
static bool history_write(struct audit_event *list) {
    static const struct table *const tables[] = {&audit_table, &word_table, &person_key_table};
    const char *problem = NULL;
    struct store_options options = bench_options();
    options.tables = tables;
    options.table_count = COUNT_OF(tables);
    seal_key = options.seal_key;
    audit_chain_init(&chain_start, &seal_key);
    if (person_open(cli_modules, cli_module_count, &problem) != ERR_OK) {
        return false;
    }
    if (!bench_open_with(&bench, NULL, options)) {
        return false;
    }
    for (uint32_t i = 0; i < EVENTS; i++) {
        command_make(i);
    }
    for (uint32_t from = 0; from < EVENTS; from += 8) {
        uint32_t range[2] = {from, from + 8};
        bench_batch(&bench, append_run, range);
        if (from == EVENTS / 2) {
            bench_reopen(&bench);
        }
    }
    return events_read(list);
}

static bool chain_write(void) {
    return history_write(events);
}

/* How many events the chain takes from the start. */
static uint32_t chain_length(const struct audit_event *list, uint32_t count) {
    struct audit_chain chain;
    uint32_t taken = 0;
    audit_chain_init(&chain, &seal_key);
    while (taken < count && audit_chain_step(&chain, &list[taken], &bench.arena) == ERR_OK) {
        taken++;
        EXPECT_EQ_INT(chain.sequence, taken);
    }
    return taken;
}

/* ---- good ---- */

/* From where: sealed for those whom we know, readable for others, nothing for the system. */
static void origin_check(const struct audit_event *stored, const struct written *one) {
    struct audit_event event = *stored;
    char address[NET_ADDRESS_TEXT_MAX];
    struct buf expected = buf_over(address, sizeof(address));
    net_address_format(one->command.peer, &expected);
    if (one->command.caller.kind == CALLER_SYSTEM) {
        EXPECT(str_is_none(event.address) && str_is_none(event.origin));
        return;
    }
    bool is_known = !id_is_zero(event.actor_id);
    EXPECT_EQ_INT(!str_is_none(event.origin), is_known);
    EXPECT_EQ_INT(str_is_none(event.address), is_known);
    EXPECT(audit_origin_open(store_snapshot(bench.store), &bench.arena, &event) == ERR_OK);
    EXPECT(str_equal(event.address, buf_str(&expected)));
    if (one->command.user_agent.len > 0) {
        EXPECT(str_equal(event.user_agent, one->command.user_agent));
    }
    if (is_known) { /* it opens nowhere else */
        event = *stored;
        event.sequence++;
        EXPECT(audit_origin_open(store_snapshot(bench.store), &bench.arena, &event) == ERR_CORRUPT);
    }
    store_tick_end(bench.store);
}

static void event_check(const struct audit_event *event, const struct written *one) {
    const struct command *command = &one->command;
    bool has_user = command->caller.kind == CALLER_USER;
    enum err why = one->denied != ERR_OK ? one->denied : one->outcome.err;
    const char *action = one->outcome.action != NULL    ? one->outcome.action
                         : command->row->action != NULL ? command->row->action
                                                        : command->row->name;
    int32_t outcome = one->denied != ERR_OK        ? AUDIT_REFUSED
                      : one->outcome.err != ERR_OK ? AUDIT_FAILED
                                                   : AUDIT_SUCCESS;
    struct id actor = has_user ? command->caller.user_id : one->outcome.actor;
    EXPECT_EQ_INT(event->time, command->now_us);
    EXPECT_EQ_INT(event->outcome, outcome);
    EXPECT(str_equal(event->action, str_from_c(action)));
    EXPECT(str_equal(event->request_id, STR("request")));
    origin_check(event, one);
    EXPECT(id_equal(event->actor_id, actor));
    EXPECT_EQ_INT(SCHEMA_HAS(&audit_event_schema, event, actor_id), !id_is_zero(actor));
    EXPECT(id_equal(event->session_id, command->caller.session_id));
    EXPECT(id_equal(event->resource_id, one->outcome.resource));
    EXPECT_EQ_INT(SCHEMA_HAS(&audit_event_schema, event, resource_id),
                  !id_is_zero(one->outcome.resource));
    EXPECT_EQ_INT(SCHEMA_HAS(&audit_event_schema, event, error_type), why != ERR_OK);
    if (why != ERR_OK) {
        EXPECT(str_equal(event->error_type, str_from_c(err_row(why)->type)));
    }
    EXPECT_EQ_INT(SCHEMA_HAS(&audit_event_schema, event, resource_type),
                  command->row->resource != NULL);
}

TEST(audit_events_say_what_was_done)
{
    REQUIRE(chain_write());
    for (uint32_t i = 0; i < EVENTS; i++) {
        EXPECT_EQ_INT(events[i].sequence, i + 1);
        event_check(&events[i], &written[i]);
        bool is_change = i % 3 == 0;
        EXPECT_EQ_INT(SCHEMA_HAS(&audit_event_schema, &events[i], changed), is_change);
    }
    EXPECT(str_equal(events[0].changed, STR("words.word,words.count")));
    EXPECT(str_equal(events[3].changed, STR("words.count")));
    bench_close(&bench);
}

TEST(audit_chain_takes_what_was_written)
{
    REQUIRE(chain_write());
    EXPECT_EQ_UINT(chain_length(events, EVENTS), EVENTS);
    bench_close(&bench);
}

/* Erasing a person destroys the key: the origin is gone, the chain is whole, and what the person
 * does in the same command leaves no new one. */
static struct id erased;

static uint32_t erase_run(struct store_tx *tx, void *ctx) {
    struct written *one = ctx;
    static const uint8_t entropy[32] = {9};
    store_tx_command(tx, entropy);
    person_key_destroy(tx, &one->command, erased);
    one->command.caller.kind = CALLER_USER;
    one->command.caller.user_id = erased;
    audit_append(tx, &one->command, &one->outcome, ERR_OK);
    return 1;
}

TEST(audit_origins_end_with_the_person)
{
    REQUIRE(chain_write());
    uint32_t at = 0;
    while (at < EVENTS && str_is_none(events[at].origin)) {
        at++;
    }
    REQUIRE(at < EVENTS);
    erased = events[at].actor_id;
    bench_batch(&bench, erase_run, &written[at]);
    struct audit_event event = events[at];
    EXPECT(audit_origin_open(store_snapshot(bench.store), &bench.arena, &event) == ERR_OK);
    EXPECT(str_is_none(event.address) && str_is_none(event.user_agent));
    uint8_t key[8];
    struct audit_event last;
    REQUIRE(store_get(store_snapshot(bench.store), scope_system, &audit_table,
                      store_key_int(EVENTS + 1, key), &bench.arena, &last) == ERR_OK);
    EXPECT(id_equal(last.actor_id, erased));
    EXPECT(str_is_none(last.origin) && str_is_none(last.address));
    struct audit_chain chain;
    audit_chain_init(&chain, &seal_key);
    for (uint32_t i = 0; i < EVENTS; i++) {
        EXPECT(audit_chain_step(&chain, &events[i], &bench.arena) == ERR_OK);
    }
    EXPECT(audit_chain_step(&chain, &last, &bench.arena) == ERR_OK);
    store_tick_end(bench.store);
    bench_close(&bench);
}

/* ---- bad ---- */

TEST(audit_chain_needs_the_key)
{
    REQUIRE(chain_write());
    seal_key.bytes[31] ^= 1;
    EXPECT_EQ_UINT(chain_length(events, EVENTS), 0);
    bench_close(&bench);
}

/* Every member of one event in turn; and the events before it stay good. */
TEST(audit_chain_sees_every_change)
{
    static struct audit_event copy[EVENTS];
    static const struct str other = {"other", 5};
    REQUIRE(chain_write());
    for (uint32_t change = 0;; change++) {
        uint32_t at = (uint32_t)test_random_below(EVENTS);
        struct audit_event *event = &copy[at];
        memcpy(copy, events, sizeof copy);
        struct str *texts[] = {&event->action,  &event->resource_type, &event->error_type,
                               &event->address, &event->user_agent,    &event->request_id,
                               &event->changed, &event->origin};
        struct id *ids[] = {&event->actor_id, &event->session_id, &event->organization_id,
                            &event->resource_id};
        if (change < COUNT_OF(texts)) {
            *texts[change] = other;
        } else if (change < COUNT_OF(texts) + COUNT_OF(ids)) {
            ids[change - COUNT_OF(texts)]->bytes[test_random_below(ID_BYTES)] ^= 0x80;
        } else if (change == 12) {
            event->time++;
        } else if (change == 13) {
            event->outcome = (event->outcome + 1) % 3;
        } else if (change == 14) {
            event->sequence++;
        } else {
            break;
        }
        EXPECT_EQ_UINT(chain_length(copy, EVENTS), at);
    }
    bench_close(&bench);
}

/* Bytes that move from one text to the next are seen: each has its length. */
TEST(audit_chain_fields_have_edges)
{
    REQUIRE(chain_write());
    char text[128];
    struct audit_event event = events[0];
    struct buf out = buf_over(text, sizeof text);
    buf_put_byte(&out, (uint8_t)event.action.data[event.action.len - 1]);
    if (!str_is_none(event.resource_type)) {
        buf_put_str(&out, event.resource_type);
    }
    event.resource_type = buf_str(&out);
    event.action = str_slice(event.action, 0, event.action.len - 1);
    EXPECT_EQ_UINT(chain_length(&event, 1), 0);
    bench_close(&bench);
}

TEST(audit_chain_sees_missing_and_moved_events)
{
    static struct audit_event copy[EVENTS];
    REQUIRE(chain_write());
    /* One is missing, and the rest were renumbered. */
    memcpy(copy, events, sizeof copy);
    memmove(&copy[5], &copy[6], (EVENTS - 6) * sizeof copy[0]);
    EXPECT_EQ_UINT(chain_length(copy, EVENTS - 1), 5);
    copy[5].sequence = 6;
    EXPECT_EQ_UINT(chain_length(copy, EVENTS - 1), 5);
    /* Two have changed places, with their numbers and without. */
    memcpy(copy, events, sizeof copy);
    copy[9] = events[10];
    copy[10] = events[9];
    EXPECT_EQ_UINT(chain_length(copy, EVENTS), 9);
    copy[9].sequence = 10;
    copy[10].sequence = 11;
    EXPECT_EQ_UINT(chain_length(copy, EVENTS), 9);
    /* One comes twice. */
    memcpy(copy, events, sizeof copy);
    copy[3] = copy[2];
    EXPECT_EQ_UINT(chain_length(copy, EVENTS), 3);
    /* The beginning is cut off. */
    EXPECT_EQ_UINT(chain_length(&events[1], EVENTS - 1), 0);
    bench_close(&bench);
}

/* Another history under the same key, as an old backup is one: its events are good, but only behind
 * their own. */
TEST(audit_chain_does_not_take_another_history)
{
    static struct audit_event mixed[EVENTS];
    REQUIRE(chain_write());
    struct store_bench first = bench;
    first.arena.pool = &first.pool;
    REQUIRE(history_write(other_events));
    EXPECT_EQ_UINT(chain_length(other_events, EVENTS), EVENTS);
    memcpy(mixed, events, sizeof mixed);
    memcpy(&mixed[17], &other_events[17], (EVENTS - 17) * sizeof mixed[0]);
    EXPECT_EQ_UINT(chain_length(mixed, EVENTS), 17);
    memcpy(mixed, other_events, sizeof mixed);
    mixed[EVENTS - 1] = events[EVENTS - 1];
    EXPECT_EQ_UINT(chain_length(mixed, EVENTS), EVENTS - 1);
    bench_close(&bench);
    bench_close(&first);
}

TEST(audit_chain_hashes_have_their_length)
{
    REQUIRE(chain_write());
    struct audit_event event = events[0];
    event.hash = str_slice(event.hash, 0, 31);
    EXPECT_EQ_UINT(chain_length(&event, 1), 0);
    event.hash = STR_NONE;
    EXPECT_EQ_UINT(chain_length(&event, 1), 0);
    event.hash = events[1].hash;
    EXPECT_EQ_UINT(chain_length(&event, 1), 0);
    event = events[0];
    EXPECT_EQ_UINT(chain_length(&event, 1), 1);
    bench_close(&bench);
}
