/* The records of the outbox, and what commands do with them. See outbox.h. */
#include "engine/outbox.h"

#include "base/time.h"
#include "engine/job.h"

const char *const outbox_kind_names[] = {"mail", NULL};
_Static_assert(COUNT_OF(outbox_kind_names) == OUTBOX_KIND_COUNT + 1, "one name per kind");

static const struct field outbox_row_fields[] = {
    FIELD(struct outbox_row, id, FIELD_ID, .tag = 1, .flags = FIELD_REQUIRED,
          .doc = "Its name outside, too."),
    FIELD(struct outbox_row, kind, FIELD_ENUM, .tag = 2, .flags = FIELD_REQUIRED,
          .values = outbox_kind_names, .doc = "Who sends it."),
    FIELD(struct outbox_row, about, FIELD_TEXT, .tag = 3, .flags = FIELD_REQUIRED,
          .max = OUTBOX_ABOUT_BYTES_MAX, .doc = "What it is."),
    FIELD(struct outbox_row, recipient, FIELD_TEXT, .tag = 4,
          .flags = FIELD_REQUIRED | FIELD_PERSONAL, .max = OUTBOX_RECIPIENT_BYTES_MAX,
          .doc = "To whom."),
    /* Not exported with the row: links in it are as good as a password. */
    FIELD(struct outbox_row, payload, FIELD_TEXT, .tag = 5, .flags = FIELD_SECRET,
          .max = OUTBOX_PAYLOAD_BYTES_MAX, .doc = "What its sender needs."),
    FIELD(struct outbox_row, attempts, FIELD_INT, .tag = 6, .flags = FIELD_REQUIRED, .max = 1000000,
          .doc = "How often it was tried."),
    FIELD(struct outbox_row, due_at, FIELD_TIME, .tag = 7, .flags = FIELD_REQUIRED,
          .time_form = TIME_FORM_RFC3339, .doc = "When it is tried next."),
    FIELD(struct outbox_row, expires_at, FIELD_TIME, .tag = 8, .flags = FIELD_REQUIRED,
          .time_form = TIME_FORM_RFC3339, .doc = "When it is of no use any more."),
    FIELD(struct outbox_row, created_at, FIELD_TIME, .tag = 9, .flags = FIELD_REQUIRED,
          .time_form = TIME_FORM_RFC3339, .doc = "When it was put there."),
    FIELD(struct outbox_row, problem, FIELD_TEXT, .tag = 10, .flags = FIELD_NULLABLE,
          .max = OUTBOX_PROBLEM_BYTES_MAX, .doc = "Why the last try failed."),
    FIELD(struct outbox_row, failed_at, FIELD_TIME, .tag = 11, .flags = FIELD_NULLABLE,
          .time_form = TIME_FORM_RFC3339, .doc = "When it was given up."),
};

const struct schema outbox_row_schema = SCHEMA("OutboxRow", struct outbox_row, outbox_row_fields);

static const struct table_index outbox_indexes[] = {
    [OUTBOX_INDEX_DUE] = {.name = "due",
                          .offsets = {offsetof(struct outbox_row, kind),
                                      offsetof(struct outbox_row, due_at)},
                          .offset_count = 2},
    [OUTBOX_INDEX_RECIPIENT] = {.name = "recipient",
                                .offsets = {offsetof(struct outbox_row, recipient)},
                                .offset_count = 1},
    [OUTBOX_INDEX_EXPIRES] = {.name = "expires",
                              .offsets = {offsetof(struct outbox_row, expires_at)},
                              .offset_count = 1},
};

const struct table outbox_table = {
    .name = "outbox",
    .id = 40,
    .version = 1,
    .schema = &outbox_row_schema,
    .key_offset = offsetof(struct outbox_row, id),
    .indexes = outbox_indexes,
    .index_count = COUNT_OF(outbox_indexes),
    .person = {.kind = PERSON_DATA,
               .of = "users",
               .index = OUTBOX_INDEX_RECIPIENT,
               .by = {"email"}},
    .doc = "What is to be sent.",
};

static const struct table_index outbox_dead_indexes[] = {
    [OUTBOX_DEAD_INDEX_FAILED] = {.name = "failed",
                                  .offsets = {offsetof(struct outbox_row, failed_at)},
                                  .offset_count = 1},
    [OUTBOX_DEAD_INDEX_RECIPIENT] = {.name = "recipient",
                                     .offsets = {offsetof(struct outbox_row, recipient)},
                                     .offset_count = 1},
};

const struct table outbox_dead_table = {
    .name = "outbox_dead",
    .id = 41,
    .version = 1,
    .schema = &outbox_row_schema,
    .key_offset = offsetof(struct outbox_row, id),
    .indexes = outbox_dead_indexes,
    .index_count = COUNT_OF(outbox_dead_indexes),
    .person = {.kind = PERSON_DATA,
               .of = "users",
               .index = OUTBOX_DEAD_INDEX_RECIPIENT,
               .by = {"email"}},
    .doc = "What could not be sent.",
};

void outbox_put(struct store_tx *tx, const struct command *command,
                const struct outbox_letter *letter) {
    CHECK(letter->payload.len <= OUTBOX_PAYLOAD_BYTES_MAX);
    CHECK(letter->recipient.len <= OUTBOX_RECIPIENT_BYTES_MAX);
    CHECK(letter->about.len <= OUTBOX_ABOUT_BYTES_MAX);
    CHECK(letter->life_us > 0);
    struct outbox_row row = {
        .id = command_id(command, letter->label),
        .kind = (int32_t)letter->kind,
        .about = letter->about,
        .recipient = letter->recipient,
        .payload = letter->payload,
        .due_at = command->now_us,
        .expires_at = command->now_us + letter->life_us,
        .created_at = command->now_us,
    };
    row.set.present = UINT64_MAX >> (64 - COUNT_OF(outbox_row_fields));
    SCHEMA_CLEAR(&outbox_row_schema, &row, problem);
    SCHEMA_CLEAR(&outbox_row_schema, &row, failed_at);
    store_put(tx, &outbox_table, &row);
}

void outbox_revive(struct store_tx *tx, const struct command *command, struct outbox_row *dead,
                   int64_t life_us) {
    CHECK(SCHEMA_HAS(&outbox_row_schema, dead, failed_at));
    store_del(tx, &outbox_dead_table, id_bytes(&dead->id));
    dead->attempts = 0;
    dead->due_at = command->now_us;
    dead->expires_at = command->now_us + life_us;
    SCHEMA_CLEAR(&outbox_row_schema, dead, failed_at);
    store_put(tx, &outbox_table, dead);
}

int64_t outbox_pause_us(int64_t first_us, int64_t attempts, uint64_t random) {
    CHECK(first_us > 0);
    CHECK(attempts > 0);
    int64_t most_us = OUTBOX_PAUSE_HOURS_MAX * TIME_US_PER_HOUR;
    int64_t pause_us = first_us < most_us ? first_us : most_us;
    for (int64_t i = 1; i < attempts && pause_us < most_us; i++) {
        pause_us *= 2;
    }
    pause_us = pause_us < most_us ? pause_us : most_us;
    /* Three quarters to five quarters: what failed together is not tried together. */
    return pause_us - pause_us / 4 + (int64_t)(random % (uint64_t)(pause_us / 2 + 1));
}

/* ---- what nobody wants any more ---- */

/* A row that is tried again is given up by its flight, which may be so much later. */
enum { WAITED_HOURS_MAX = OUTBOX_PAUSE_HOURS_MAX + 1 };

static void prune_apply(struct store_tx *tx, const struct command *command,
                        struct outcome *outcome) {
    (void)outcome;
    int64_t before_us = command->now_us - OUTBOX_DEAD_DAYS * TIME_US_PER_DAY;
    if (store_count(store_tx_view(tx), &outbox_dead_table) > OUTBOX_DEAD_MAX) {
        before_us = command->now_us; /* too many: the oldest go, as many as one job removes */
    }
    job_prune(tx, command, &outbox_dead_table, OUTBOX_DEAD_INDEX_FAILED, before_us);
    job_prune(tx, command, &outbox_table, OUTBOX_INDEX_EXPIRES,
              command->now_us - WAITED_HOURS_MAX * TIME_US_PER_HOUR);
}

const struct command_row outbox_prune_command = {
    .name = "outbox.prune",
    .frees_room = true,
    .check = job_check,
    .apply = prune_apply,
};
