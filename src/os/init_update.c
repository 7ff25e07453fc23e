/*
 * Updates, PID 1's side, see init_parts.h. The work is done by helpers, children with the
 * subcommands of cli/image.c; what is decided is here: a version on trial is asked for its health
 * every few seconds, stays when it was well for TRIAL_GOOD_S in a row, and goes when it ends by
 * itself or has not got there after TRIAL_MAX_S.
 */
#include "os/init_parts.h"

#include "base/time.h"
#include "os/files.h"
#include "os/init.h"
#include "os/log.h"
#include "os/panic.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define AREA "update"

enum { TRIAL_GOOD_S = 60, TRIAL_MAX_S = 300, TRIAL_CHECK_S = 5, NOTE_BYTES_MAX = 64 };

enum init_update init_update_read(const char *version) {
    char memory[NOTE_BYTES_MAX];
    struct str text;
    if (file_read(INIT_UPDATE_NOTE, memory, sizeof memory, &text) != ERR_OK) {
        return UPDATE_NONE;
    }
    struct str tried = str_trim(str_split(&text, '\n'));
    if (str_equal(tried, str_from_c(version))) {
        log_warn(AREA, "version %s is on trial: it stays when it is healthy for %d s", version,
                 TRIAL_GOOD_S);
        return UPDATE_TRIAL;
    }
    log_error(AREA, "VERSION %.*s DID NOT PROVE ITSELF: this is version %s again", STR_ARG(tried),
              version);
    return UPDATE_WENT_BACK;
}

void init_trial_start(struct init_trial *trial, int64_t now_us) {
    CHECK(!trial->is_on);
    *trial = (struct init_trial){
        .is_on = true,
        .check_us = now_us + TIME_US_PER_S,
        .deadline_us = now_us + TRIAL_MAX_S * TIME_US_PER_S,
    };
}

enum trial_step init_trial_step(struct init_trial *trial, int64_t now_us) {
    if (!trial->is_on || now_us < trial->check_us) {
        return TRIAL_WAIT;
    }
    trial->check_us = now_us + TRIAL_CHECK_S * TIME_US_PER_S;
    int64_t good_us = trial->good_since_us == 0 ? 0 : now_us - trial->good_since_us;
    if (good_us >= TRIAL_GOOD_S * TIME_US_PER_S) {
        return TRIAL_CONFIRM;
    }
    return now_us < trial->deadline_us ? TRIAL_CHECK : TRIAL_GIVE_UP;
}

void init_trial_note(struct init_trial *trial, bool is_good, int64_t now_us) {
    if (!is_good) {
        trial->good_since_us = 0;
    } else if (trial->good_since_us == 0) {
        trial->good_since_us = now_us;
    }
}

/* The first listener, by the loopback. */
static void health_url(const struct init_config *config, char *out, size_t bytes) {
    struct str rest = init_config_get(config, "listen");
    struct str first = str_is_none(rest) ? STR("https://0.0.0.0:443") : str_split(&rest, ',');
    struct str port = str_trim(first);
    bool is_tls = str_starts(port, STR("https:"));
    while (str_has_byte(port, ':')) {
        (void)str_split(&port, ':');
    }
    (void)snprintf(out, bytes, "http%s://localhost:%.*s", is_tls ? "s" : "", STR_ARG(port));
}

_Noreturn void init_helper_be(enum init_helper helper, const struct init_config *config,
                              char *const *environment) {
    static const char *const words[] = {
        [HELPER_INSTALL] = "install", [HELPER_BACK] = "back", [HELPER_CONFIRM] = "confirm"};
    char url[64];
    health_url(config, url, sizeof url);
    const char *const check[] = {"coffer", "health", url, NULL};
    const char *const image[] = {"coffer", "image",           words[helper % COUNT_OF(words)],
                                 "--data", INIT_STORE_FOLDER, NULL};
    static char *const nothing[] = {NULL};
    bool is_check = helper == HELPER_CHECK;
    if (is_check) {
        /* Its word every five seconds is nothing for the console; what is wrong is. */
        int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
        (void)dup2(nowhere, STDOUT_FILENO);
    }
    (void)execve("/proc/self/exe", (char *const *)(uintptr_t)(is_check ? check : image),
                 is_check ? nothing : environment);
    _exit(PANIC_EXIT_CODE);
}
