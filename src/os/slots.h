/*
 * The two slots of our disk (image/disk): system partitions of UEFI called coffer-a and coffer-b.
 * In each, under EFI/BOOT:
 *
 *   BOOTX64.EFI   what the firmware starts by itself: only the slot in use has it
 *   TRIAL.EFI     a newer system that has not proved itself: started once, by name (BootNext)
 *   SPARE.EFI     the system before
 *   VERSION       of the one that is there
 *
 * So what a machine starts is told by its disk alone, wherever that is attached, and at each moment
 * there is one that works: while a trial is written the slot in use stays as it is; when it has
 * proved itself its file gets the good name first, and only then the old one loses it.
 *
 *   SPARE, nothing --slot_write--> TRIAL --slots_confirm--> BOOTX64; the other one becomes SPARE
 *
 * All of it for root, in a process that may fail: PID 1 starts one (cli/image.c).
 */
#ifndef OS_SLOTS_H
#define OS_SLOTS_H

#include "base/buf.h"
#include "base/err.h"

enum { SLOTS_COUNT = 2, SLOT_NAME_BYTES = 32, SLOT_VERSION_BYTES = 32 };

struct slot {
    char name[SLOT_NAME_BYTES]; /* of the partition: vda1 */
    char disk[SLOT_NAME_BYTES]; /* that it lies on: vda */
    uint32_t number;            /* in the partition table, from 1 */
    uint64_t first;             /* in sectors of 512 bytes */
    uint64_t sectors;
    bool is_active; /* has BOOTX64.EFI */
    bool has_trial;
    char version[SLOT_VERSION_BYTES];
};

struct slots {
    struct slot rows[SLOTS_COUNT];
};

/* Finds both, by the names of the partitions. ERR_NOT_FOUND when this machine does not have
 * exactly one of each, or was not started by UEFI. Reads nothing of their contents. */
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
/* The firmware starts the slot's trial at the next restart, and only then (UEFI 2.10, 3.1). */
enum err slot_boot_next(const struct slot *slot);
/* The trial of that version is what is started from now on. Does again what was interrupted. */
enum err slots_confirm(struct slots *slots, const char *version);

#endif
