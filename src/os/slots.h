/*
 * The two slots of our disk (image/disk): system partitions of UEFI called coffer-a and coffer-b.
 * In each, under EFI/BOOT:
 *
 *   BOOTX64.EFI   what the firmware starts by itself: only the slot in use has it
 *   TRIAL.EFI     a newer system that has not proved itself: started once, by name (BootNext)
 *   SPARE.EFI     the system before
 *   VERSION       of the one that is there
 *   NEXT          for BIOS machines, whose loader (image/loader.cfg) does the firmware's part:
 * start TRIAL.EFI once; the loader takes that back on the disk before it does
 *
 * So what a machine starts is told by its disk alone, wherever that is attached, and at each moment
 * there is one that works: while a trial is written the slot in use stays as it is; when it has
 * proved itself its file gets the good name first, and only then the old one loses it.
 *
 *   SPARE, nothing --slot_write--> TRIAL --slots_confirm--> BOOTX64; the other one becomes SPARE
 *
 * A trial that hangs is cut off by its own kernel: a watchdog runs from the kernel's start on, and
 * what stops it is slots_trial_over, after the trial has proved itself. Nothing in the new system
 * has to work for that but its kernel's timer.
 *
 * All of it for root, in a process that may fail: PID 1 starts one (cli/image.c).
 */
#ifndef OS_SLOTS_H
#define OS_SLOTS_H

#include "base/buf.h"
#include "base/err.h"
#include "os/partition.h"

enum { SLOTS_COUNT = 2, SLOT_VERSION_BYTES = 32 };

/* On the command line of a kernel on trial: its watchdog panics, which restarts the machine and
 * keeps the reason, after seven minutes: longer than PID 1 waits for health (init_update.c). */
#define SLOT_TRIAL_WORDS                                                                           \
    "softdog.soft_active_on_boot=1 softdog.soft_panic=1 softdog.soft_margin=420"

struct slot {
    struct partition part;
    bool is_active; /* has BOOTX64.EFI */
    bool has_trial;
    char version[SLOT_VERSION_BYTES];
};

struct slots {
    struct slot rows[SLOTS_COUNT];
};

/* Finds both, by the names of the partitions. ERR_NOT_FOUND when this machine does not have
 * exactly one of each, or was started neither by UEFI nor by our loader for BIOS: by a kernel from
 * elsewhere, say, which an update would not replace. Reads nothing of their contents. */
enum err slots_find(struct slots *slots);
/* Looks into both; ERR_IO says the console why. */
enum err slots_look(struct slots *slots);
/* The slot that is not in use, or NULL when that cannot be said. */
struct slot *slots_spare(struct slots *slots);

/* Gives the next piece of an image; none left: length 0. */
struct slot_source {
    enum err (*next)(void *ctx, struct str *piece);
    void *ctx;
};
/* Writes an image as the slot's trial, all of it on the disk when this returns. */
enum err slot_write(const struct slot *slot, const char *version, const struct slot_source *source);
/* The slot's trial is started at the next restart, and only then. */
enum err slot_boot_next(const struct slot *slot);
/* The trial of that version is what is started from now on. Does again what was interrupted. */
enum err slots_confirm(struct slots *slots, const char *version);
/* Stops the watchdog of a trial; without one it does nothing. For PID 1. */
void slots_trial_over(void);

/* efi.c, for slots.c: the firmware's way of slot_boot_next (UEFI 2.10, 3.1). */
enum err efi_boot_next(const struct slot *slot);

#endif
