/*
 * Administration of accounts: looking for users, suspending them, resetting what they log in with,
 * their role. For platform administrators only; nobody can act as somebody else.
 *
 * Every action is a command with an audit record that names the changed fields. None of them can
 * leave the platform without an active administrator: the last one can neither be suspended nor
 * given another role.
 */
#ifndef DOMAIN_ADMIN_ADMIN_H
#define DOMAIN_ADMIN_ADMIN_H

#include "engine/engine.h"

extern const struct module admin_module;

#endif
