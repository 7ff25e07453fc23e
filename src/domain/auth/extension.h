/* What organizations add to accounts, for the commands of this domain. */
#ifndef DOMAIN_AUTH_EXTENSION_H
#define DOMAIN_AUTH_EXTENSION_H

#include "domain/auth/auth.h"

/* Never NULL: without organizations one that adds nothing. */
const struct auth_extension *auth_extension(void);

#endif
