/*
 * The durable outbox: what is to happen outside (a mail, later a call) is first a row, put by the
 * command that wants it, in the same commit. A worker on the loop hands due rows to the sender of
 * their kind; what becomes of them is again a command. So nothing is sent that was not committed,
 * and nothing that was committed is forgotten.
 *
 *   QUEUED --(due, sender ready)--> in flight --> delivered: the row goes
 *                                             --> later: QUEUED again, after a growing pause
 *                                             --> refused, or tried too often: a dead letter
 *   QUEUED --(expires_at passed)--> a dead letter
 *   dead letter --(an administrator)--> QUEUED, or gone; by itself gone after OUTBOX_DEAD_DAYS
 *
 * At least once: "in flight" is known in memory only, so after a crash a row is sent again. The
 * row's id is the same each time: senders hand it on as the name of the thing (Message-ID,
 * Idempotency-Key), so that the other side can drop the second one.
 *
 * Rows of a kind whose sender is not ready (no mail server is set) wait, and go some hours after
 * they have expired: nobody could have had them.
 */
#ifndef ENGINE_OUTBOX_H
#define ENGINE_OUTBOX_H

#include "engine/engine.h"

enum outbox_kind { OUTBOX_MAIL };
enum {
    OUTBOX_KIND_COUNT = 1,
    /* At once, of all kinds together: each holds memory and perhaps a connection. */
    OUTBOX_FLIGHTS_MAX = 8,
    OUTBOX_FLIGHT_BYTES_MAX = 2 * 1024 * 1024,
    OUTBOX_PAYLOAD_BYTES_MAX = 48 * 1024,
    OUTBOX_ABOUT_BYTES_MAX = 64,
    OUTBOX_RECIPIENT_BYTES_MAX = 512, /* an address, or a URL */
    OUTBOX_PROBLEM_BYTES_MAX = 512,
    /* The longest pause between two tries. */
    OUTBOX_PAUSE_HOURS_MAX = 6,
    /* Dead letters are for people to look at; more than that nobody looks at. */
    OUTBOX_DEAD_MAX = 10000,
    OUTBOX_DEAD_DAYS = 30,
};

struct outbox_row {
    struct schema_set set;
    struct id id;
    int32_t kind;
    struct str about;     /* what it is, for people: "password_reset" */
    struct str recipient; /* likewise */
    struct str payload;   /* the sender's own; sealed at rest, for there are tokens in it */
    int64_t attempts;
    int64_t due_at;
    int64_t expires_at;
    int64_t created_at;
    struct str problem; /* of the last attempt */
    int64_t failed_at;  /* of dead letters */
};

extern const char *const outbox_kind_names[];
extern const struct schema outbox_row_schema;
extern const struct table outbox_table;
extern const struct table outbox_dead_table;
enum { OUTBOX_INDEX_DUE, OUTBOX_INDEX_RECIPIENT, OUTBOX_INDEX_EXPIRES };
enum { OUTBOX_DEAD_INDEX_FAILED, OUTBOX_DEAD_INDEX_RECIPIENT };

/* ---- for commands ---- */

struct outbox_letter {
    enum outbox_kind kind;
    const char *label; /* unique within the command */
    struct str about;
    struct str recipient;
    struct str payload;
    int64_t life_us; /* of no use afterwards */
};
/* In apply. The texts are within their limits (CHECK). */
void outbox_put(struct store_tx *tx, const struct command *command,
                const struct outbox_letter *letter);
/* In apply: a dead letter is queued again as if it were new, with that much time. */
void outbox_revive(struct store_tx *tx, const struct command *command, struct outbox_row *dead,
                   int64_t life_us);

/* Minute job: dead letters that are old, rows that waited in vain. */
extern const struct command_row outbox_prune_command;

/* ---- for senders ---- */

enum outbox_result { OUTBOX_DELIVERED, OUTBOX_RETRY, OUTBOX_REFUSED };

struct outbox_delivery {
    struct engine *engine;
    struct outbox_row row; /* its texts are in the arena */
    struct arena *arena;   /* until outbox_finish */
    void *state;           /* the sender's own */
};

struct outbox_sender {
    /* Is it set up at all? Without that its rows wait. */
    bool (*is_ready)(const struct settings *settings);
    /* How many more it takes now; a full one is asked again when it has finished one. */
    uint32_t (*room)(void);
    /* Starts; must call outbox_finish once, now or later. Must not block. */
    void (*send)(struct outbox_delivery *delivery);
};
void outbox_sender_set(enum outbox_kind kind, const struct outbox_sender *sender);
/* `problem`: why not, for people; at most OUTBOX_PROBLEM_BYTES_MAX bytes are kept. */
void outbox_finish(struct outbox_delivery *delivery, enum outbox_result result, struct str problem);

bool outbox_is_ready(enum outbox_kind kind, const struct settings *settings);

/* ---- for the engine ---- */

enum err outbox_open(struct engine *engine, struct loop *loop);
/* At the end of a tick; true when it has queued commands. Without `may_start` nothing new is sent,
 * what was sent is still recorded: for the end. */
bool outbox_step(bool may_start);

/* The pause before try number `attempts` + 1, without chance: `random` is any number. Pure. */
int64_t outbox_pause_us(int64_t first_us, int64_t attempts, uint64_t random);

#endif
