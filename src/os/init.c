/*
 * PID 1, see init.h.
 *
 *   PREPARING --disk found--> RUNNING --server ends by itself--> PAUSING --time--> RUNNING
 *            ^ updates: HELPING  |  \                               |
 *                                |   +--server ends with 0--+       |
 *          SIGTERM, power button |                          v       | SIGTERM, power button
 *                                +------> STOPPING ----> machine <--+
 *                                                       off or anew
 *
 * Parent and child rather than a server that is PID 1: a PID 1 that exits is a kernel panic, so
 * every crash would cost a boot and lose its reason. What remains is small (it shares the binary's
 * pages; own memory: see the note of the appliance) and is never the one that runs out of memory.
 */
#include "os/init.h"

#include "base/buf.h"
#include "base/num.h"
#include "base/time.h"
#include "os/clock.h"
#include "os/init_parts.h"
#include "os/log.h"
#include "os/panic.h"
#include "os/slots.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define AREA "init"

enum {
    PAUSE_FIRST_S = 1,
    PAUSE_MAX_S = 60,
    /* A server that ran for this long did not fail at its start. */
    RUN_GOOD_S = 600,
    /* http.stop-timeout is at most 300 s; a server that takes longer is stuck. */
    STOP_MAX_S = 310,
    /* Writing 14 MiB and a copy of the store; one that takes longer is stuck. */
    HELPER_MAX_S = 1800,
    DISK_RETRY_S = 5,
    DISK_REMIND_TRIES = 12,
    BROKEN_RETRY_S = 60,
    /* What nobody needs for serving waits until the server, as a rule, does. */
    LATER_S = 2,
    /* A clock may be a little off; the note was written by the same one. */
    CLOCK_BACK_MAX_S = 300,
    CLOCK_YEARS_MAX = 20,
};

/* HELPING: the server is not there because a helper has the store. */
enum init_state { INIT_PREPARING, INIT_RUNNING, INIT_PAUSING, INIT_HELPING, INIT_STOPPING };

struct init {
    enum init_state state;
    struct init_config config;
    struct disks disks;
    const struct disk *data; /* of these, or NULL: in memory */
    struct init_net net;
    struct init_buttons buttons;
    int signal_fd;
    int64_t released_us;
    int64_t later_us; /* INT64_MAX: done */

    pid_t server;
    int64_t started_us; /* the server, last time */
    int64_t due_us;     /* PAUSING: start; STOPPING: kill */
    uint32_t starts;
    uint32_t failures_in_row;
    uint64_t memory_kills;

    const char *version;
    bool has_slots;
    struct init_trial trial;
    enum init_helper helper; /* what the child below does */
    pid_t helper_pid;

    bool is_restart_wanted; /* of the machine, instead of switching it off */
    char reason[INIT_NOTE_BYTES_MAX / 2];
};

static struct init the_init;

bool init_is_called(const char *argv0) {
    static const char *const names[] = {"/init", "/sbin/init", "init"};
    for (uint32_t index = 0; index < COUNT_OF(names); index++) {
        if (argv0 != NULL && strcmp(argv0, names[index]) == 0) {
            return getpid() == 1;
        }
    }
    return false;
}

static void later_do(struct init *init) {
    if (init->later_us != INT64_MAX) {
        init->later_us = INT64_MAX;
        init_panic_tell();
    }
}

/* ---- the end ---- */

static _Noreturn void machine_end(struct init *init) {
    later_do(init);
    init_panic_keep();
    init_note_write(init->reason);
    init_unmount_data();
    log_flush();
    init_power_end(init->is_restart_wanted);
}

static void stop(struct init *init, const char *reason, bool is_restart_wanted) {
    if (init->state == INIT_STOPPING) {
        return;
    }
    log_info(AREA, "%s: stopping", reason);
    (void)snprintf(init->reason, sizeof init->reason, "stopped: %s", reason);
    init->is_restart_wanted = is_restart_wanted;
    if (init->state != INIT_RUNNING) {
        machine_end(init);
    }
    init->state = INIT_STOPPING;
    init->due_us = clock_monotonic_us() + STOP_MAX_S * TIME_US_PER_S;
    (void)kill(init->server, SIGTERM);
}

/* ---- the server ---- */

/* What the server and its helpers learn from PID 1. */
struct surroundings {
    char address[96];
    char *list[3];
};

static void surroundings_fill(const struct init *init, struct surroundings *surroundings) {
    static char slots[] = INIT_SLOTS_VARIABLE "=1";
    struct buf out = buf_over(surroundings->address, sizeof surroundings->address - 1);
    buf_put_c(&out, INIT_VARIABLE "=");
    if (init->net.address.bytes != 0) {
        netlink_address_format(&init->net.address, &out);
    }
    surroundings->address[out.len] = '\0';
    surroundings->list[0] = surroundings->address;
    surroundings->list[1] = init->has_slots ? slots : NULL;
    surroundings->list[2] = NULL;
}

/* A child of PID 1 is an ordinary process. */
static void child_prepare(void) {
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)setsid();
    init_score_set("0"); /* what the kernel may end, not its parent */
}

static _Noreturn void server_be(struct init *init) {
    static const char *const arguments[] = {"coffer", "serve", "--data", INIT_STORE_FOLDER, NULL};
    struct surroundings surroundings;
    surroundings_fill(init, &surroundings);
    child_prepare();
    /* exec and not only fork: each start gets addresses of its own. */
    (void)execve("/proc/self/exe", (char *const *)(uintptr_t)arguments, surroundings.list);
    log_error(AREA, "the server cannot be started: %s", strerror(errno));
    _exit(PANIC_EXIT_CODE);
}

static void pause_start(struct init *init) {
    uint32_t doublings = init->failures_in_row < 6 ? init->failures_in_row : 6;
    int64_t pause_s = (int64_t)PAUSE_FIRST_S << doublings;
    pause_s = pause_s < PAUSE_MAX_S ? pause_s : PAUSE_MAX_S;
    init->failures_in_row += 1;
    init->state = INIT_PAUSING;
    init->due_us = clock_monotonic_us() + pause_s * TIME_US_PER_S;
    log_warn(AREA, "the server starts again in %lld s", (long long)pause_s);
}

static void server_start(struct init *init) {
    CHECK(init->state == INIT_PREPARING || init->state == INIT_PAUSING ||
          init->state == INIT_HELPING);
    init->memory_kills = init_memory_kills();
    init->started_us = clock_monotonic_us();
    init->starts += 1;
    log_flush();
    init->server = fork();
    if (init->server == 0) {
        server_be(init);
    }
    if (init->server < 0) {
        log_error(AREA, "no process for the server: %s", strerror(errno));
        pause_start(init);
        return;
    }
    init->state = INIT_RUNNING;
}

static void reason_find(struct init *init, int status) {
    bool was_memory = init_memory_kills() > init->memory_kills;
    if (WIFEXITED(status)) {
        (void)snprintf(init->reason, sizeof init->reason,
                       "the server ended with code %d%s (start %u)", WEXITSTATUS(status),
                       WEXITSTATUS(status) == PANIC_EXIT_CODE ? ", see its last words" : "",
                       init->starts);
    } else {
        (void)snprintf(init->reason, sizeof init->reason,
                       "the server was ended by signal %d%s (start %u)", WTERMSIG(status),
                       was_memory ? ": out of memory" : "", init->starts);
    }
}

/* ---- updates ---- */

/* Not while another one is at work. */
static bool helper_start(struct init *init, enum init_helper helper) {
    struct surroundings surroundings;
    CHECK(init->helper == HELPER_NONE);
    surroundings_fill(init, &surroundings);
    log_flush();
    pid_t pid = fork();
    if (pid == 0) {
        child_prepare();
        init_helper_be(helper, &init->config, surroundings.list);
    }
    if (pid < 0) {
        log_error(AREA, "no process for a helper: %s", strerror(errno));
        return false;
    }
    init->helper = helper;
    init->helper_pid = pid;
    return true;
}

/* The store is the helper's until it ends; without one the server goes on. */
static void helper_wait(struct init *init, enum init_helper helper) {
    init->state = INIT_HELPING;
    init->due_us = clock_monotonic_us() + HELPER_MAX_S * TIME_US_PER_S;
    if (init->helper != HELPER_NONE || !helper_start(init, helper)) {
        server_start(init);
    }
}

/* Restarting is going back: the firmware starts a version on trial only once. */
static void trial_fail(struct init *init, const char *reason) {
    log_error(AREA, "version %s did not prove itself: %s", init->version, reason);
    init->trial.is_on = false;
    stop(init, "the update failed", true);
}

static void helper_ended(struct init *init, int status) {
    enum init_helper helper = init->helper;
    bool is_good = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    init->helper = HELPER_NONE;
    if (init->state == INIT_STOPPING) {
        return;
    }
    if (helper == HELPER_INSTALL && is_good) {
        stop(init, "an update is to be tried", true);
    } else if (helper == HELPER_INSTALL || helper == HELPER_BACK) {
        server_start(init);
    } else if (helper == HELPER_CHECK) {
        init_trial_note(&init->trial, is_good, clock_monotonic_us());
    } else if (helper == HELPER_CONFIRM && is_good) {
        init->trial.is_on = false;
        slots_trial_over();
        log_info(AREA, "version %s has proved itself and stays", init->version);
    }
}

static void trial_go_on(struct init *init) {
    if (init->state != INIT_RUNNING || init->helper != HELPER_NONE) {
        return;
    }
    switch (init_trial_step(&init->trial, clock_monotonic_us())) {
    case TRIAL_WAIT:
        break;
    case TRIAL_CHECK:
        /* A version that does not know this machine's network card could never be replaced. */
        if (init_net_is_reachable(&init->net, &init->config)) {
            (void)helper_start(init, HELPER_CHECK);
        } else {
            init_trial_note(&init->trial, false, clock_monotonic_us());
        }
        break;
    case TRIAL_CONFIRM:
        (void)helper_start(init, HELPER_CONFIRM);
        break;
    case TRIAL_GIVE_UP:
        trial_fail(init, "it is not healthy");
        break;
    }
}

/* ---- the end of the server ---- */

static void server_ended(struct init *init, int status) {
    if (init->state == INIT_STOPPING) {
        machine_end(init);
    }
    CHECK(init->state == INIT_RUNNING);
    if (WIFEXITED(status) && WEXITSTATUS(status) == INIT_EXIT_UPDATE) {
        helper_wait(init, HELPER_INSTALL);
        return;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        (void)snprintf(init->reason, sizeof init->reason, "stopped: the server ended in order");
        machine_end(init);
    }
    reason_find(init, status);
    log_error(AREA, "%s", init->reason);
    if (init->trial.is_on) {
        init->state = INIT_PAUSING;
        trial_fail(init, "it ended by itself");
    }
    if (init_data_is_read_only()) {
        log_error(AREA, "the data disk has errors and is read-only now: check it with e2fsck, or "
                        "restore a backup; a restart of the machine tries it once more");
    } else {
        init_note_write(init->reason);
    }
    if (clock_monotonic_us() - init->started_us > RUN_GOOD_S * TIME_US_PER_S) {
        init->failures_in_row = 0;
    }
    pause_start(init);
}

/* Orphans come to PID 1, too. */
static void children_reap(struct init *init) {
    int status = 0;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == init->server) {
            init->server = -1;
            server_ended(init, status);
        } else if (init->helper != HELPER_NONE && pid == init->helper_pid) {
            helper_ended(init, status);
        }
    }
}

/* ---- waiting ---- */

static void signals_open(struct init *init) {
    sigset_t wanted;
    (void)sigemptyset(&wanted);
    (void)sigaddset(&wanted, SIGCHLD);
    (void)sigaddset(&wanted, SIGTERM);
    (void)sigaddset(&wanted, SIGPWR);
    (void)sigaddset(&wanted, SIGINT);
    (void)sigprocmask(SIG_BLOCK, &wanted, NULL);
    /* Ctrl-Alt-Del becomes a SIGINT for us instead of a reset. */
    (void)reboot(RB_DISABLE_CAD);
    init->signal_fd = signalfd(-1, &wanted, SFD_NONBLOCK | SFD_CLOEXEC);
    if (init->signal_fd < 0) {
        log_error(AREA, "no descriptor for signals: %s", strerror(errno));
    }
}

static void signals_take(struct init *init) {
    struct signalfd_siginfo info;
    while (read(init->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGPWR) {
            stop(init, "told to end", false);
        } else if (info.ssi_signo == SIGINT) {
            stop(init, "told to restart", true);
        }
    }
    children_reap(init);
}

static int64_t due_us(const struct init *init) {
    int64_t net_us = num_min_i64(init_net_due_us(&init->net), init->later_us);
    int64_t own_us =
        init->state == INIT_RUNNING || init->state == INIT_PREPARING ? INT64_MAX : init->due_us;
    bool is_trial = init->trial.is_on && init->helper == HELPER_NONE;
    int64_t trial_us = is_trial ? init->trial.check_us : INT64_MAX;
    return num_min_i64(num_min_i64(own_us, trial_us), net_us);
}

/* Until something happens, `until_us` at the latest. */
static void wait_once(struct init *init, int64_t until_us) {
    struct pollfd ready[2 + INIT_BUTTONS_MAX];
    uint32_t count = 0;
    int64_t now_us = clock_monotonic_us();
    int64_t wait_ms = until_us <= now_us ? 0 : (until_us - now_us) / TIME_US_PER_MS + 1;
    ready[count++] = (struct pollfd){.fd = init->signal_fd, .events = POLLIN};
    ready[count++] = (struct pollfd){.fd = init->net.fd, .events = POLLIN};
    for (uint32_t index = 0; index < init->buttons.count; index++) {
        ready[count++] = (struct pollfd){.fd = init->buttons.fds[index], .events = POLLIN};
    }
    int got = poll(ready, count, wait_ms > INT32_MAX ? INT32_MAX : (int)wait_ms);
    if (got > 0) {
        for (uint32_t index = 2; index < count; index++) {
            if (ready[index].revents != 0 && init_button_read(ready[index].fd)) {
                stop(init, "power button", false);
            }
        }
        signals_take(init);
    }
    init_net_step(&init->net);
    if (clock_monotonic_us() >= init->later_us) {
        later_do(init);
    }
}

static void wait_for(struct init *init, int64_t seconds) {
    int64_t until_us = clock_monotonic_us() + seconds * TIME_US_PER_S;
    while (clock_monotonic_us() < until_us) {
        int64_t first_us = due_us(init);
        wait_once(init, first_us < until_us ? first_us : until_us);
    }
}

/* ---- preparing ---- */

static void randomness_wait(void) {
    uint8_t byte;
    if (getrandom(&byte, 1, GRND_NONBLOCK) < 0 && errno == EAGAIN) {
        log_warn(AREA, "waiting for randomness: attach a virtio-rng device");
        random_bytes(&byte, 1);
    }
}

/* A name as in RFC 1123, or the one the kernel was built with. */
static void hostname_set(const struct init_config *config) {
    struct str name = init_config_get(config, "hostname");
    if (!str_is_none(name) && (name.len == 0 || name.len > DHCP_HOSTNAME_BYTES_MAX ||
                               sethostname(name.data, name.len) != 0)) {
        log_error(AREA, "the host name is refused");
    }
}

/* Never goes on without settings that are there: with another sealing key, say, the server would
 * write what it cannot read later. */
static void config_load(struct init *init) {
    disks_scan("/dev", &init->disks);
    while (!init_mount_settings(&init->disks)) {
        wait_for(init, BROKEN_RETRY_S);
        disks_scan("/dev", &init->disks);
    }
    if (init_config_read(&init->config) != ERR_OK) {
        log_error(AREA, "settings: %s; the server will not start with them", init->config.problem);
    }
}

static void disks_say(const struct disks *disks) {
    for (uint32_t index = 0; index < disks->count; index++) {
        char text[128];
        struct buf out = buf_over(text, sizeof text - 1);
        disk_describe(&disks->rows[index], &out);
        text[out.len] = '\0';
        log_info(AREA, "  %s", text);
    }
}

/* True when /data is there. Otherwise *again_s is when to look again. */
static bool data_try(struct init *init, bool is_said, int64_t *again_s) {
    struct disk_choice choice;
    bool may_format = !str_equal(init_config_get(&init->config, "format"), STR("never"));
    disks_scan("/dev", &init->disks);
    disks_choose(&init->disks, init_config_get(&init->config, "disk"), may_format, &choice);
    *again_s = DISK_RETRY_S;
    if (choice.disk == NULL) {
        if (is_said) {
            log_error(AREA, "NO DATA DISK: %s", choice.problem);
            disks_say(&init->disks);
        }
        return false;
    }
    *again_s = BROKEN_RETRY_S;
    init->data = choice.disk;
    return init_mount_data(&choice);
}

/* Devices may appear a moment after the kernel has started us; and somebody may attach the disk
 * when the console says that it is missing. Never goes on without one. */
static void data_find(struct init *init) {
    int64_t again_s = 0;
    if (str_equal(init_config_get(&init->config, "disk"), STR("memory"))) {
        (void)init_mount_memory();
        return;
    }
    for (uint32_t tries = 0; !data_try(init, tries % DISK_REMIND_TRIES == 1, &again_s); tries++) {
        wait_for(init, tries == 0 ? 1 : again_s);
    }
}

/* Tokens, certificates and the audit trail depend on the time. */
static void clock_judge(const struct init *init, int64_t noted_us) {
    char text[64];
    struct buf out = buf_over(text, sizeof text - 1);
    int64_t now_us = clock_wall_us();
    int64_t years_us = CLOCK_YEARS_MAX * 365 * TIME_US_PER_DAY;
    time_format_rfc3339(now_us, &out);
    text[out.len] = '\0';
    if (now_us < init->released_us || now_us - init->released_us > years_us) {
        log_error(AREA,
                  "THE CLOCK IS WRONG: it says %s, which is %s. Tokens and certificates will fail: "
                  "give the machine a right clock",
                  text,
                  now_us < init->released_us ? "before this program was made"
                                             : "far in the future");
    } else if (now_us < noted_us - CLOCK_BACK_MAX_S * TIME_US_PER_S) {
        log_error(AREA,
                  "THE CLOCK IS WRONG: it says %s, but this disk was used later than that already",
                  text);
    }
}

static void prepare(struct init *init) {
    init_mount_system();
    signals_open(init);
    init_buttons_open(&init->buttons);
    randomness_wait();
    config_load(init);
    hostname_set(&init->config);
    init_net_start(&init->net, &init->config);
    data_find(init);
    clock_judge(init, init_note_tell(init->data));
}

static void first_start(struct init *init) {
    struct slots slots;
    init->has_slots = slots_find(&slots) == ERR_OK;
    switch (init_update_read(init->version)) {
    case UPDATE_NONE:
        server_start(init);
        break;
    case UPDATE_TRIAL:
        init_trial_start(&init->trial, clock_monotonic_us());
        server_start(init);
        break;
    case UPDATE_WENT_BACK:
        helper_wait(init, HELPER_BACK);
        break;
    }
}

/* What is due by the clock. */
static void time_pass(struct init *init) {
    int64_t now_us = clock_monotonic_us();
    bool is_due = now_us >= init->due_us;
    if (init->state == INIT_PAUSING && is_due) {
        server_start(init);
    } else if (init->state == INIT_HELPING && is_due) {
        log_error(AREA, "the helper does not end: killing it");
        (void)kill(init->helper_pid, SIGKILL);
        init->due_us = now_us + HELPER_MAX_S * TIME_US_PER_S;
    } else if (init->state == INIT_STOPPING && is_due) {
        log_error(AREA, "the server does not end: killing it");
        (void)kill(init->server, SIGKILL);
        init->due_us = now_us + STOP_MAX_S * TIME_US_PER_S;
    }
    trial_go_on(init);
}

_Noreturn void init_run(const char *version, int64_t released_us) {
    struct init *init = &the_init;
    init->signal_fd = -1;
    init->net.fd = -1;
    init->version = version;
    init->released_us = released_us;
    init->state = INIT_PREPARING;
    init->later_us = clock_monotonic_us() + LATER_S * TIME_US_PER_S;
    prepare(init);
    log_info(AREA, "coffer %s: the machine is ready after %lld ms", version,
             (long long)(clock_monotonic_us() / TIME_US_PER_MS));
    first_start(init);
    for (;;) {
        wait_once(init, due_us(init));
        time_pass(init);
        init_panic_keep();
    }
}
