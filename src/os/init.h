/*
 * PID 1 of a virtual machine: the same binary, called /init by the kernel.
 *
 * It prepares the machine (mounts, settings, network, data disk), starts the server as its child,
 * and stays: reaps, renews the DHCP lease, starts the server again when it ends, and switches the
 * machine off in order. It answers no requests and touches no store, so that whatever happens to
 * the server, somebody is left who knows and says why.
 */
#ifndef OS_INIT_H
#define OS_INIT_H

#include "base/check.h"

/* Is this process PID 1 and called init (not the entry point of a container)? */
bool init_is_called(const char *argv0);

/* `version` is for the first line, `released_us` the least that a right clock can show. The server
 * is this binary with the arguments `serve --data INIT_STORE_FOLDER` and INIT_VARIABLE in its
 * environment, whose value is the machine's address, or empty. */
_Noreturn void init_run(const char *version, int64_t released_us);

/* Not COFFER_...: those are settings. */
#define INIT_VARIABLE "INIT_ADDRESS_OF_COFFER"
/* There when this machine has two slots: then an update may be asked for. */
#define INIT_SLOTS_VARIABLE "INIT_SLOTS_OF_COFFER"
/* The server ends with it to have an update installed (`coffer image install`). */
enum { INIT_EXIT_UPDATE = 75 };
/* While an update is tried: its version; and the store before it. */
#define INIT_UPDATE_NOTE "/data/update"
#define INIT_UPDATE_COPY "/data/store/before-update.backup"
#define INIT_RUN_FOLDER "/run/coffer"
#define INIT_STORE_FOLDER "/data/store"

#endif
