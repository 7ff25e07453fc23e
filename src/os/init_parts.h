/* The parts of PID 1, for init.c only. What fails says why on the console by itself. */
#ifndef OS_INIT_PARTS_H
#define OS_INIT_PARTS_H

#include "os/dhcp.h"
#include "os/init_config.h"
#include "os/init_disk.h"
#include "os/netlink.h"

/* ---- init_mount.c ---- */

/* Console, kernel file systems, /run. The kernel's own switches are in its configuration. */
void init_mount_system(void);
/* How soon the kernel may end this process when memory runs out: "-1000" never, "0" as any. */
void init_score_set(const char *score);
/* Copies the settings of a NoCloud disk. False: there is one, but it cannot be read. */
bool init_mount_settings(const struct disks *disks);
/* Formats when the choice says so, mounts at /data, lets it grow, says what is wrong with it. */
bool init_mount_data(const struct disk_choice *choice);
/* Memory instead of a disk. */
bool init_mount_memory(void);
/* Away with it, at the end; what cannot be unmounted becomes read-only. */
void init_unmount_data(void);
/* Has the kernel given up writing to it? */
bool init_data_is_read_only(void);

/* ---- init_net.c ---- */

struct init_net {
    struct netlink_link link;
    struct netlink_address address; /* bytes 0 = none yet */
    struct dhcp dhcp;
    int fd; /* of DHCP; -1 = not used */
};
/* Brings the links up and sets what `ip` says; waits for DHCP, but not for ever. */
void init_net_start(struct init_net *net, const struct init_config *config);
/* When init_net_step wants to be called at the latest; INT64_MAX = never. */
int64_t init_net_due_us(const struct init_net *net);
/* Something may have come, or it is time. */
void init_net_step(struct init_net *net);
/* Has it an address that others can reach, or was it told to have none? */
bool init_net_is_reachable(const struct init_net *net, const struct init_config *config);

/* ---- init_power.c ---- */

enum { INIT_BUTTONS_MAX = 4 };
struct init_buttons {
    int fds[INIT_BUTTONS_MAX];
    uint32_t count;
};
/* Input devices with a power key. */
void init_buttons_open(struct init_buttons *buttons);
/* Was it pressed? */
bool init_button_read(int fd);
/* Off or anew, whichever the machine can do. In a container or a test it only exits. */
_Noreturn void init_power_end(bool is_restart);

/* ---- init_update.c: a new version on trial ---- */

enum init_helper { HELPER_NONE, HELPER_INSTALL, HELPER_BACK, HELPER_CHECK, HELPER_CONFIRM };

struct init_trial {
    bool is_on;
    int64_t good_since_us; /* 0 = the last check failed, or none was made */
    int64_t check_us;      /* when to look again */
    int64_t deadline_us;
};
/* What the note of an update says: nothing, that this version is on trial, or that it was another
 * one, which did not prove itself. */
enum init_update { UPDATE_NONE, UPDATE_TRIAL, UPDATE_WENT_BACK };
enum init_update init_update_read(const char *version);
void init_trial_start(struct init_trial *trial, int64_t now_us);
/* What is to be done now, with the result of the check before in the struct. */
enum trial_step { TRIAL_WAIT, TRIAL_CHECK, TRIAL_CONFIRM, TRIAL_GIVE_UP };
enum trial_step init_trial_step(struct init_trial *trial, int64_t now_us);
void init_trial_note(struct init_trial *trial, bool is_good, int64_t now_us);
/* In the child: becomes the helper. `environment` is the server's. */
_Noreturn void init_helper_be(enum init_helper helper, const struct init_config *config,
                              char *const *environment);

/* ---- init_note.c: how the last run ended ---- */

enum { INIT_NOTE_BYTES_MAX = 512 };
/* Says it on the console; returns the newest time at which the disk was used, or 0. `data` is the
 * disk at /data as it was before it was mounted, or NULL. */
int64_t init_note_tell(const struct disk *data);
/* The reason of an end, into /data/last-exit. */
void init_note_write(const char *text);
/* Out-of-memory kills so far. */
uint64_t init_memory_kills(void);

/* ---- init_panic.c: the kernel's last words ---- */

/* Says on the console what the kernel of the run before said when it panicked. */
void init_panic_tell(void);
/* The same to /data/last-panic, when there is something that was told and not kept. */
void init_panic_keep(void);

#endif
