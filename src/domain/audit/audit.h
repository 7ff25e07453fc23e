/* Reading the audit trail. */
#ifndef DOMAIN_AUDIT_AUDIT_H
#define DOMAIN_AUDIT_AUDIT_H

#include "engine/audit.h"
#include "engine/engine.h"

extern const struct module audit_module;

#endif
