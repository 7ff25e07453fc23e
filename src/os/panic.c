/*
 * Last words. Both ways out may be reached from inside the log itself (a CHECK in a formatter,
 * say), so a second entry says nothing more and ends the process: dying twice must not hang.
 */
#include "os/panic.h"

#include "os/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static bool is_dying;

static void last_words_say(const char *area, const char *text) {
    if (!is_dying) {
        is_dying = true;
        log_last_words(area, text);
    }
}

_Noreturn void check_failed(const char *file, int line, const char *text) {
    char words[256];
    (void)snprintf(words, sizeof words, "CHECK failed at %s:%d: %s", file, line, text);
    last_words_say("bug", words);
    abort();
}

_Noreturn void panic_exit(const char *area, const char *text) {
    last_words_say(area, text);
    _exit(PANIC_EXIT_CODE);
}
