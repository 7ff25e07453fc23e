/*
 * Tokens of customers: JWTs signed with HS256 under a key of their own, derived from the sealing
 * key, so that they end with the store that they are for and no setting can be weak.
 *
 * They are stateless, but not beyond recall: a token names the moment at which the customer's
 * password was set. It dies with the customer, and with the password.
 */
#ifndef DOMAIN_GATEKEEPER_TOKENS_H
#define DOMAIN_GATEKEEPER_TOKENS_H

#include "domain/gatekeeper/gatekeeper.h"

/* Derives the key; once at start. */
void customer_tokens_start(const struct store_seal_key *seal_key);

/* In prepare. The token is in the request's arena. ERR_NO_MEMORY. */
enum err customer_token_make(struct request *request, const struct customer *customer,
                             struct str *token);

/* The gate's: a customer by such a token, or an administrator of this server by one of hers. */
enum err customer_resolve(struct request *request, const struct store_view *view);
enum err customer_recheck(const struct store_view *view, int64_t now_us, struct arena *arena,
                          struct caller *caller);

/* "First Last", in the arena; STR_NONE: no memory. */
struct str customer_full_name(const struct customer *customer, struct arena *arena);

#endif
