/* The signing keys of access tokens. */
#ifndef DOMAIN_AUTH_KEYS_H
#define DOMAIN_AUTH_KEYS_H

#include "crypto/jose.h"
#include "domain/auth/auth.h"

/* Loads them; makes the first one on an empty store. */
enum err keys_start(struct engine *engine, const char **problem);
const struct jose_key *keys_current(void);
const struct jose_public_key *keys_public(uint32_t *count);

#endif
