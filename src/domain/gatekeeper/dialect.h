/* How the Gatekeeper paths talk. */
#ifndef DOMAIN_GATEKEEPER_DIALECT_H
#define DOMAIN_GATEKEEPER_DIALECT_H

#include "domain/gatekeeper/gatekeeper.h"

extern const struct dialect gatekeeper_dialect;

/* A refusal with this sentence as its message: fills outcome.faults. ERR_VALIDATION, or
 * ERR_NO_MEMORY. */
enum err gatekeeper_refuse(struct request *request, struct str message);

#endif
