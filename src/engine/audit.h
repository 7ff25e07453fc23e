/*
 * The audit trail: append-only, one record per command that changed something and per refused login
 * or permission, written in the same commit. Records are chained: each carries
 * HMAC-SHA256(audit key, hash of the previous record || its own canonical bytes), so that nobody
 * without the sealing key can change, remove or insert one unseen.
 *
 * From where somebody acted (address, program) is personal, and a record can never be changed. So
 * it is sealed under a key of that person (person.h), the chain covers the sealed bytes, and
 * erasing the person destroys the key: the chain stays whole, who acted stays an id that leads to
 * nobody, the rest cannot be read any more, in no copy of the store that is made from then on. Of
 * callers without an account it stays readable: it leads to nobody whom we know.
 */
#ifndef ENGINE_AUDIT_H
#define ENGINE_AUDIT_H

#include "crypto/mac.h"
#include "engine/command.h"

enum audit_outcome { AUDIT_SUCCESS, AUDIT_FAILED, AUDIT_REFUSED };

struct audit_event {
    struct schema_set set;
    int64_t sequence; /* from 1, no gaps */
    int64_t time;
    struct id actor_id; /* absent: nobody or the system */
    struct id session_id;
    struct id organization_id;
    struct str action;
    struct str resource_type;
    struct id resource_id;
    int32_t outcome;
    struct str error_type;
    struct str address;
    struct str user_agent;
    struct str request_id;
    struct str changed; /* "users.full_name,users.updated_at" */
    struct str hash;    /* 32 bytes */
    struct id api_key_id;
    struct str origin; /* address and user_agent, sealed under the actor's key */
};

extern const struct schema audit_event_schema;
extern const struct table audit_table;

enum { AUDIT_INDEX_ACTOR, AUDIT_INDEX_ACTION, AUDIT_INDEX_ORGANIZATION };

/* Reads address and user_agent of a record from the store into its members; they stay absent when
 * the person was erased. The chain is over what is stored: check it before. */
enum err audit_origin_open(const struct store_view *view, struct arena *arena,
                           struct audit_event *event);

/* Appends the record of one executed command. `denied` is ERR_OK, or why it was refused. */
void audit_append(struct store_tx *tx, const struct command *command, const struct outcome *outcome,
                  enum err denied);

/* The chain, checked record by record. ERR_OK; ERR_END at the end; ERR_CORRUPT when this record
 * does not follow from the previous one. */
struct audit_chain {
    struct mac_stream mac; /* keyed, before any data; copied for each record */
    uint8_t hash[32];      /* of the last good record */
    int64_t sequence;
};
void audit_chain_init(struct audit_chain *chain, const struct store_seal_key *seal_key);
enum err audit_chain_step(struct audit_chain *chain, const struct audit_event *event,
                          struct arena *arena);

#endif
