/*
 * Commands: the only way to change the store. A command row is check + apply over a flat command
 * that holds everything non-deterministic: time, entropy, caller, input, what prepare found out.
 *
 *   prepare  outside the batch, may park the request (password hash) and read a snapshot
 *   check    in the batch, reads only; refuses or not
 *   apply    in the batch, writes, cannot fail; fills the outcome
 *
 * No clock, randomness, network or globals in check and apply.
 */
#ifndef ENGINE_COMMAND_H
#define ENGINE_COMMAND_H

#include "engine/caller.h"
#include "engine/settings.h"
#include "json/json.h"
#include "net/server.h"

struct audit_chain;
struct request;
struct command_row;

struct command {
    const struct command_row *row;
    const struct settings *settings;
    const struct audit_chain *audit_chain; /* keyed, at its beginning */
    int64_t now_us;                        /* wall clock */
    uint8_t entropy[32];
    struct caller caller;
    struct net_address peer;
    struct str user_agent; /* cut to USER_AGENT_LEN_MAX */
    struct str request_id;
    struct str if_match; /* header, or STR_NONE */
    bool wants_cookie;   /* a session that is opened goes out as a cookie (cookie.h) */
    const void *params;  /* decoded, by the endpoint's schemas */
    const void *body;
    void *prepared; /* made by prepare; its type belongs to the row */
    struct arena *arena;
};

/* What becomes of it. check may fill details; apply fills the rest. */
struct outcome {
    enum err err; /* ERR_OK, or what the reply says; apply may set one (a recorded failed login) */
    uint16_t status;              /* 0 = 200, or the error's */
    const char *message;          /* NULL = a standard one */
    yyjson_mut_doc *doc;          /* by command_doc */
    yyjson_mut_val *data;         /* NULL = no data member */
    yyjson_mut_val *details;      /* error.details */
    struct schema_faults *faults; /* instead of details for ERR_VALIDATION */
    uint32_t retry_after_s;       /* 0 = no Retry-After header */
    struct str etag;              /* quoted, or STR_NONE */
    /* Value of a Set-Cookie header, or STR_NONE; a constant or in command->arena. Goes out with
     * refusals, too; the kept answer to an Idempotency-Key is without it. */
    struct str set_cookie;
    struct str session_cookie; /* a second one, likewise */
    /* audit */
    const char *action; /* instead of the row's */
    struct id actor;    /* when the caller is nobody but the command found out (login) */
    struct id resource;
    struct id organization; /* concerned; zero = none */
};

struct command_row {
    const char *name;     /* unique: "auth.login" */
    const char *action;   /* audit action: "session.create"; NULL = leaves no audit record */
    const char *resource; /* audit resource type: "session" */
    bool frees_room;      /* ends or removes something: still done when the store is nearly full */
    /* ERR_OK: queue it. ERR_AGAIN: parked, called again (request_park says by whom). Else: refuse.
     */
    enum err (*prepare)(struct request *request);
    enum err (*check)(const struct store_view *view, const struct command *command,
                      struct outcome *outcome);
    void (*apply)(struct store_tx *tx, const struct command *command, struct outcome *outcome);
    /* What a refusal leaves behind beside its audit record (a wrong password counts); instead of
     * apply, and mostly NULL. */
    void (*refused)(struct store_tx *tx, const struct command *command, enum err why);
};

/* The outcome's document and its data object, made on first use. NULL when memory is out: adding to
 * NULL does nothing and the reply becomes ERR_NO_MEMORY. */
yyjson_mut_val *outcome_data(struct outcome *outcome, const struct command *command);
yyjson_mut_val *outcome_details(struct outcome *outcome, const struct command *command);

/* Independent random bytes for one use inside a command: HMAC(entropy, label). `label` is unique
 * within the command. */
void command_entropy(const struct command *command, const char *label, uint8_t out[32]);
struct id command_id(const struct command *command, const char *label);

#endif
