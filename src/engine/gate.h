/*
 * The gate: what a request must pass before its body is read. Route, path parameters, token, role,
 * rate limit, media type.
 */
#ifndef ENGINE_GATE_H
#define ENGINE_GATE_H

#include "engine/engine.h"

/* Fills route, endpoint, params, caller and rate of the request and sets *body_bytes_max. An error
 * here is answered without reading the body. A refused permission is not an error here but
 * request->refusal: it goes through a batch, because it leaves an audit record. */
enum err gate_pass(struct request *request, const struct authenticator *authenticator,
                   const struct key_authenticator *keys, uint64_t *body_bytes_max);

/* The token of "Authorization: Bearer TOKEN", scheme in any case, exactly one blank-free token.
 * ERR_AUTH_REQUIRED when there is no such header, ERR_AUTH_FORMAT. */
enum err gate_bearer(const struct http_head *head, struct str *token);

/* May this caller use this endpoint? ERR_LIMITED_SESSION, ERR_PASSWORD_CHANGE, ERR_FORBIDDEN,
 * ERR_SCOPE_MISSING. Asked at the gate and again in the batch. */
enum err gate_permit(const struct endpoint *endpoint, const struct caller *caller);

/* Of a request that no row takes, to a path that has rows: can its {params} be what they must be?
 * If not, the path is not there, whatever the method. */
bool gate_path_is_possible(struct request *request);

/* Decodes the body into request->command.body by the endpoint's schema. */
enum err gate_body(struct request *request);

#endif
