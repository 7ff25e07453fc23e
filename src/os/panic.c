/*
 * Last words. Both ways out may be reached from inside the log itself (a CHECK in a formatter,
 * say), so a second entry says nothing more and ends the process: dying twice must not hang.
 */
#include "os/panic.h"

#include "os/log.h"

#include <signal.h>
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

static const char *bad_map_area;
static const char *bad_map_text;

static void on_bad_map(int signal_number) {
    (void)signal_number;
    panic_exit(bad_map_area, bad_map_text);
}

void panic_on_bad_map(const char *area, const char *text) {
    bad_map_area = area;
    bad_map_text = text;
    struct sigaction action = {.sa_handler = on_bad_map};
    (void)sigaction(SIGBUS, &action, NULL);
}
