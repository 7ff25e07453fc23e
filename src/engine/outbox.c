/*
 * The worker of the outbox: a fixed number of flights. See outbox.h.
 *
 *   FREE -> SENDING (the sender has it) -> JUDGED (what became of it waits for a command)
 *        -> RECORDING (the command is queued) -> FREE, or JUDGED again when the command failed
 *
 * A flight stays taken until its row says what became of it: what was delivered is not sent twice
 * because the store was busy.
 */
#include "engine/outbox.h"

#include <string.h>

#include "base/decode.h"
#include "base/time.h"
#include "engine/metrics.h"
#include "engine/system.h"
#include "os/clock.h"
#include "os/log.h"
#include "os/loop.h"
#include "os/mem.h"

enum {
    /* After a command that failed (no slot, no room in the store). */
    RECORD_AGAIN_US = 1000 * 1000,
    FLIGHT_BLOCKS = OUTBOX_FLIGHT_BYTES_MAX / ARENA_BLOCK_BYTES,
};

enum flight_state { FLIGHT_FREE, FLIGHT_SENDING, FLIGHT_JUDGED, FLIGHT_RECORDING };

struct flight {
    struct outbox_delivery delivery; /* first: outbox_finish gets its address */
    struct arena arena;
    enum flight_state state;
    enum outbox_result result;
    char problem[OUTBOX_PROBLEM_BYTES_MAX];
    uint32_t problem_len;
    int64_t record_at_us; /* monotonic */
    enum err recorded;    /* ERR_AGAIN while the command runs */
};

static struct {
    struct engine *engine;
    struct loop *loop;
    const struct outbox_sender *senders[OUTBOX_KIND_COUNT];
    struct arena_pool pool;
    struct flight flights[OUTBOX_FLIGHTS_MAX];
    struct loop_timer timer; /* the next due row, or the next try to record */
    uint64_t seen_sequence;  /* of the store, at the last look */
    bool wants_look;
} outbox;

/* ---- senders ---- */

void outbox_sender_set(enum outbox_kind kind, const struct outbox_sender *sender) {
    CHECK(sender->is_ready != NULL);
    CHECK(sender->room != NULL);
    CHECK(sender->send != NULL);
    outbox.senders[kind] = sender;
}

bool outbox_is_ready(enum outbox_kind kind, const struct settings *settings) {
    return outbox.senders[kind] != NULL && outbox.senders[kind]->is_ready(settings);
}

void outbox_finish(struct outbox_delivery *delivery, enum outbox_result result,
                   struct str problem) {
    struct flight *flight = (struct flight *)(void *)delivery;
    CHECK(flight->state == FLIGHT_SENDING);
    struct str cut = str_slice(problem, 0, sizeof(flight->problem));
    while (cut.len > 0 && !utf8_is_valid(cut)) {
        cut.len--;
    }
    flight->state = FLIGHT_JUDGED;
    flight->result = result;
    flight->problem_len = cut.len;
    if (cut.len > 0) {
        memcpy(flight->problem, cut.data, cut.len);
    }
    flight->record_at_us = 0;
    /* A sender may answer from any event: the tick that it runs in ends with outbox_step. */
}

/* ---- what became of it: the command ---- */

static enum err record_check(const struct store_view *view, const struct command *command,
                             struct outcome *outcome) {
    (void)view;
    (void)outcome;
    CHECK(command->prepared != NULL);
    return ERR_OK;
}

static void row_fail(struct store_tx *tx, const struct command *command, struct outbox_row *row) {
    store_del(tx, &outbox_table, id_bytes(&row->id));
    row->failed_at = command->now_us;
    SCHEMA_SET(&outbox_row_schema, row, failed_at);
    store_put(tx, &outbox_dead_table, row);
}

static void row_delay(struct store_tx *tx, const struct command *command, struct outbox_row *row) {
    uint64_t random;
    uint8_t entropy[32];
    command_entropy(command, "outbox pause", entropy);
    memcpy(&random, entropy, sizeof(random));
    row->due_at =
        command->now_us + outbox_pause_us(settings_us(command->settings, SETTING_OUTBOX_PAUSE_ID),
                                          row->attempts, random);
    store_put(tx, &outbox_table, row);
}

static bool is_last_attempt(const struct outbox_row *row, const struct settings *settings) {
    return row->attempts >= settings_int(settings, SETTING_OUTBOX_ATTEMPTS_ID);
}

static void record_apply(struct store_tx *tx, const struct command *command,
                         struct outcome *outcome) {
    (void)outcome;
    const struct flight *flight = command->prepared;
    struct store_scope system = {.kind = STORE_SCOPE_SYSTEM};
    struct str key = id_bytes(&flight->delivery.row.id);
    struct outbox_row row;
    if (store_get(store_tx_view(tx), system, &outbox_table, key, command->arena, &row) != ERR_OK) {
        return; /* an administrator has removed it meanwhile */
    }
    if (flight->result == OUTBOX_DELIVERED) {
        store_del(tx, &outbox_table, key);
        return;
    }
    row.attempts++;
    row.problem = str_from(flight->problem, flight->problem_len);
    SCHEMA_SET(&outbox_row_schema, &row, problem);
    if (flight->result == OUTBOX_REFUSED || is_last_attempt(&row, command->settings)) {
        row_fail(tx, command, &row);
    } else {
        row_delay(tx, command, &row);
    }
}

static const struct command_row record_command = {
    .name = "outbox.record",
    .frees_room = true,
    .check = record_check,
    .apply = record_apply,
};

/* ---- flights ---- */

static struct flight *flight_free(void) {
    for (uint32_t i = 0; i < OUTBOX_FLIGHTS_MAX; i++) {
        if (outbox.flights[i].state == FLIGHT_FREE) {
            return &outbox.flights[i];
        }
    }
    return NULL;
}

static bool is_in_flight(struct id id) {
    for (uint32_t i = 0; i < OUTBOX_FLIGHTS_MAX; i++) {
        const struct flight *flight = &outbox.flights[i];
        if (flight->state != FLIGHT_FREE && id_equal(flight->delivery.row.id, id)) {
            return true;
        }
    }
    return false;
}

static void flight_tell(const struct flight *flight) {
    const struct outbox_row *row = &flight->delivery.row;
    char id_text[ID_TEXT_LEN];
    struct buf id_out = buf_over(id_text, sizeof(id_text));
    id_format(row->id, &id_out);
    struct outbox_row next = *row;
    next.attempts++;
    if (flight->result == OUTBOX_DELIVERED) {
        metrics_count(METRIC_OUTBOX_DELIVERED, 1);
    } else if (flight->result == OUTBOX_REFUSED ||
               is_last_attempt(&next, engine_settings(outbox.engine))) {
        metrics_count(METRIC_OUTBOX_FAILED, 1);
        log_error("outbox", "given up: %.*s %.*s: %.*s", STR_ARG(row->about), ID_TEXT_LEN, id_text,
                  (int)flight->problem_len, flight->problem);
    } else {
        metrics_count(METRIC_OUTBOX_RETRIED, 1);
        log_warn("outbox", "to be tried again: %.*s %.*s: %.*s", STR_ARG(row->about), ID_TEXT_LEN,
                 id_text, (int)flight->problem_len, flight->problem);
    }
}

static void timer_soonest(int64_t due_us) {
    if (outbox.timer.heap_slot == 0 || due_us < outbox.timer.due_us) {
        loop_timer_set(outbox.loop, &outbox.timer, due_us);
    }
}

/* Once its command is durable the flight is over. True when a command was queued. */
static bool flight_step(struct flight *flight, int64_t now_us) {
    if (flight->state == FLIGHT_RECORDING && flight->recorded != ERR_AGAIN) {
        if (flight->recorded == ERR_OK) {
            flight_tell(flight);
            arena_reset(&flight->arena);
            flight->state = FLIGHT_FREE;
            outbox.wants_look = true;
            return false;
        }
        flight->state = FLIGHT_JUDGED;
        flight->record_at_us = now_us + RECORD_AGAIN_US;
        timer_soonest(flight->record_at_us);
    }
    if (flight->state != FLIGHT_JUDGED || now_us < flight->record_at_us) {
        return false;
    }
    flight->recorded = ERR_AGAIN;
    if (engine_run_system(outbox.engine, &record_command, flight, &flight->recorded) != ERR_OK) {
        flight->record_at_us = now_us + RECORD_AGAIN_US;
        timer_soonest(flight->record_at_us);
        return false;
    }
    flight->state = FLIGHT_RECORDING;
    return true;
}

static void flight_start(struct flight *flight, int64_t wall_us) {
    struct outbox_delivery *delivery = &flight->delivery;
    delivery->engine = outbox.engine;
    delivery->arena = &flight->arena;
    delivery->state = NULL;
    flight->state = FLIGHT_SENDING;
    if (delivery->row.expires_at <= wall_us) {
        outbox_finish(delivery, OUTBOX_REFUSED, STR("It could not be sent in time."));
    } else {
        outbox.senders[delivery->row.kind]->send(delivery);
    }
}

/* ---- looking for due rows ---- */

/* The next due row of the kind that is not in flight goes into the flight. ERR_END: none is due;
 * *due_at is then when the next one will be, or 0. */
static enum err due_next(struct store_scan *scan, struct flight *flight, int64_t wall_us,
                         int64_t *due_at) {
    struct outbox_row *row = &flight->delivery.row;
    *due_at = 0;
    for (uint32_t i = 0; i <= OUTBOX_FLIGHTS_MAX; i++) {
        enum err err = store_scan_next(scan, &flight->arena, row);
        if (err != ERR_OK) {
            return err;
        }
        if (row->due_at > wall_us) {
            *due_at = row->due_at;
            return ERR_END;
        }
        if (!is_in_flight(row->id)) {
            return ERR_OK;
        }
        arena_reset(&flight->arena);
    }
    return ERR_END;
}

/* The wall clock may be set meanwhile: it is looked at once a minute. */
static int64_t wait_us(int64_t us) {
    return us < TIME_US_PER_MIN ? us : TIME_US_PER_MIN;
}

static void look_kind(enum outbox_kind kind, int64_t wall_us, int64_t now_us) {
    struct store_scope system = {.kind = STORE_SCOPE_SYSTEM};
    const struct store_view *view = store_snapshot(engine_store(outbox.engine));
    char key_bytes[8];
    struct buf key = buf_over(key_bytes, sizeof(key_bytes));
    struct store_scan scan;
    store_key_put_int(&key, kind);
    enum err err = store_scan_open(&scan, view, system, &outbox_table, OUTBOX_INDEX_DUE,
                                   buf_str(&key), STR_NONE, false);
    struct flight *flight = flight_free();
    while (err == ERR_OK && flight != NULL && outbox.senders[kind]->room() > 0) {
        int64_t due_at;
        arena_init(&flight->arena, &outbox.pool, OUTBOX_FLIGHT_BYTES_MAX);
        err = due_next(&scan, flight, wall_us, &due_at);
        if (err == ERR_OK) {
            flight_start(flight, wall_us);
            flight = flight_free();
        } else {
            arena_reset(&flight->arena);
            if (due_at != 0) {
                timer_soonest(now_us + wait_us(due_at - wall_us));
            }
        }
    }
    store_scan_close(&scan);
}

static void look(int64_t now_us) {
    int64_t wall_us = clock_wall_us();
    outbox.wants_look = false;
    for (uint32_t kind = 0; kind < OUTBOX_KIND_COUNT; kind++) {
        if (outbox_is_ready((enum outbox_kind)kind, engine_settings(outbox.engine))) {
            look_kind((enum outbox_kind)kind, wall_us, now_us);
        }
    }
    store_tick_end(engine_store(outbox.engine));
}

bool outbox_step(bool may_start) {
    struct store_stats stats;
    bool has_queued = false;
    int64_t now_us = loop_now_us(outbox.loop);
    for (uint32_t i = 0; i < OUTBOX_FLIGHTS_MAX; i++) {
        has_queued |= flight_step(&outbox.flights[i], now_us);
    }
    store_stats_read(engine_store(outbox.engine), &stats);
    if (may_start && (stats.sequence != outbox.seen_sequence || outbox.wants_look)) {
        outbox.seen_sequence = stats.sequence;
        look(now_us);
        for (uint32_t i = 0; i < OUTBOX_FLIGHTS_MAX; i++) {
            has_queued |= flight_step(&outbox.flights[i], now_us);
        }
    }
    return has_queued;
}

static void on_timer(struct loop_timer *timer) {
    (void)timer;
    outbox.wants_look = true; /* the step at the end of this tick does it */
}

enum err outbox_open(struct engine *engine, struct loop *loop) {
    memset(&outbox, 0, sizeof(outbox));
    void *memory = mem_reserve((size_t)OUTBOX_FLIGHTS_MAX * OUTBOX_FLIGHT_BYTES_MAX);
    if (memory == NULL) {
        return ERR_NO_MEMORY;
    }
    arena_pool_init(&outbox.pool, memory, OUTBOX_FLIGHTS_MAX * FLIGHT_BLOCKS);
    outbox.engine = engine;
    outbox.loop = loop;
    outbox.wants_look = true;
    outbox.timer = (struct loop_timer){.on_due = on_timer};
    return ERR_OK;
}
