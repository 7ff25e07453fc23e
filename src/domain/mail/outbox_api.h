/* What administrators see of the outbox, and the test mail. */
#ifndef DOMAIN_MAIL_OUTBOX_API_H
#define DOMAIN_MAIL_OUTBOX_API_H

#include "domain/mail/mail.h"

enum { OUTBOX_ENDPOINTS = 4 };
extern const struct endpoint outbox_endpoints[OUTBOX_ENDPOINTS];

#endif
