/*
 * CHECK: a property that must hold, in release too. A failed CHECK is our own bug: it logs the
 * place and stops the process; init restarts us. Never CHECK input, disk, peers or time: those
 * are errors (err.h). A CHECK that input can reach is a denial of service.
 */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Logs and aborts. Defined in os/panic.c, the one place that may write to a descriptor. */
_Noreturn void check_failed(const char *file, int line, const char *text);

#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (__builtin_expect(!(cond), 0)) {                                                        \
            check_failed(__FILE__, __LINE__, #cond);                                               \
        }                                                                                          \
    } while (0)

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#endif
