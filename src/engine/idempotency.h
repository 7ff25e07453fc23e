/*
 * Idempotency-Key: the answer to a write is kept, in the same commit as the write, and given again
 * to a repetition of the same request by the same caller. Another request under the same key is
 * refused. Answers may hold tokens: they are sealed at rest.
 */
#ifndef ENGINE_IDEMPOTENCY_H
#define ENGINE_IDEMPOTENCY_H

#include "engine/request.h"

extern const struct table idempotency_table;
/* Removes expired answers, some at a time. */
extern const struct command_row idempotency_prune_command;

/* ERR_VALIDATION when the header is there but not 1..IDEMPOTENCY_KEY_LEN_MAX printable ASCII. Sets
 * request->idempotency_key and fingerprint. */
enum err idempotency_parse(struct request *request);

/* ERR_OK: request->reply is the kept one. ERR_NOT_FOUND: go on. ERR_IDEMPOTENCY_REUSED. */
enum err idempotency_find(const struct store_view *view, struct request *request);
/* Keeps request->reply. */
void idempotency_keep(struct store_tx *tx, const struct request *request);

#endif
