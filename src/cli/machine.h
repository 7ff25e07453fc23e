/* serve inside our own virtual machine: settings from its sources, and the line on the console. */
#ifndef CLI_MACHINE_H
#define CLI_MACHINE_H

#include "cli/cli.h"

/* Between environment and flags. Does nothing unless PID 1 is ours (os/init.h). */
bool cli_machine_apply(struct cli_options *options);

/* status.c: a line on the console whenever something changed, every ten seconds at most. */
void cli_status_open(struct loop *loop, struct engine *engine, struct server *server);

/* updates.c: calls back once when an update waits for its installation. */
typedef void (*cli_updates_wanted)(void *ctx);
void cli_updates_open(struct loop *loop, struct engine *engine, cli_updates_wanted on_wanted,
                      void *ctx);

#endif
