/* The ends of the process that are not a return from main. The log's last line says which. */
#ifndef OS_PANIC_H
#define OS_PANIC_H

#include "base/check.h"

enum {
    /* EX_SOFTWARE of sysexits.h: the supervisor restarts, nothing unacknowledged was promised. */
    PANIC_EXIT_CODE = 70,
};

/* The world is so wrong that going on could lie (a failed commit, no randomness): logs the sentence
 * and exits at once with PANIC_EXIT_CODE, running no handlers. For our own bugs see CHECK. */
_Noreturn void panic_exit(const char *area, const char *text);

/* A mapped file that is shorter than its own pages say answers with SIGBUS: from now on that is
 * `text` (constant) and the end of the process, with PANIC_EXIT_CODE, instead of a bare signal. */
void panic_on_bad_map(const char *area, const char *text);

#endif
