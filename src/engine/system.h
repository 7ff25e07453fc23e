/*
 * System commands: those that no request brings (pruning, first-boot keys, noting that sessions are
 * in use). A fixed number of slots, each with its own arena.
 */
#ifndef ENGINE_SYSTEM_H
#define ENGINE_SYSTEM_H

#include "engine/engine.h"

enum err system_open(struct engine *engine, struct loop *loop);
/* Whose jobs run every minute. */
void system_modules(const struct module *const *modules, uint32_t count);
/* Gives the slot of a finished system command back. */
void system_finish(struct request *request);

/* Notes that the caller's session or key was used; written with the next tick. */
void system_touch(const struct caller *caller, struct net_address peer);
/* At the end of a tick: queues what was noted. */
void system_flush(struct engine *engine, const struct command_row *touch_sessions,
                  const struct command_row *touch_keys);

#endif
