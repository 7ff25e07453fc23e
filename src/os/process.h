/* What the process is to the system: whose it is, what it may use, what it leaves behind. All of it
 * at start, before any thread is made; everything that can be refused says so. */
#ifndef OS_PROCESS_H
#define OS_PROCESS_H

#include "base/err.h"

struct process_user {
    uint32_t uid;
    uint32_t gid;
};

/* NAME or UID, then perhaps ":GID". Without GID the user's own group from the system's list, or for
 * a number that is not in it the group of the same number. ERR_NOT_FOUND (no such name),
 * ERR_FORMAT. */
enum err process_user_find(struct str text, struct process_user *user);

/* Becomes that user, without other groups and without a way back. Nothing to do when it is that
 * user already; ERR_IO when the system refuses or a way back is left: then the caller must end. */
enum err process_user_become(struct process_user user);

bool process_is_root(void);

/* Raises the limit of open descriptors to `wanted` as far as allowed; returns what it is then. */
uint32_t process_descriptors_allow(uint32_t wanted);

/* No core dumps, no debugger, new files for ourselves only: memory holds keys. After becoming
 * another user, which undoes it. */
void process_harden(void);

#endif
