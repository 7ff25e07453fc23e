/* The power button and the end of the machine, see init_parts.h. */
#include "os/init_parts.h"

#include "os/files.h"
#include "os/log.h"

#include <fcntl.h>
#include <linux/input.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <unistd.h>

enum { EVENT_DEVICES_MAX = 16, EVENTS_PER_READ = 16 };

static bool has_power_key(int fd) {
    uint8_t keys[KEY_MAX / 8 + 1] = {0};
    int bytes = ioctl(fd, EVIOCGBIT(EV_KEY, sizeof keys), keys);
    return bytes > KEY_POWER / 8 && (keys[KEY_POWER / 8] & 1u << KEY_POWER % 8) != 0;
}

void init_buttons_open(struct init_buttons *buttons) {
    buttons->count = 0;
    for (uint32_t index = 0; index < EVENT_DEVICES_MAX; index++) {
        char path[32];
        (void)snprintf(path, sizeof path, "/dev/input/event%u", index);
        int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0) {
            continue;
        }
        if (has_power_key(fd) && buttons->count < INIT_BUTTONS_MAX) {
            buttons->fds[buttons->count] = fd;
            buttons->count += 1;
        } else {
            (void)close(fd);
        }
    }
}

bool init_button_read(int fd) {
    struct input_event events[EVENTS_PER_READ];
    bool is_pressed = false;
    ssize_t got = read(fd, events, sizeof events);
    for (ssize_t index = 0; index < got / (ssize_t)sizeof events[0]; index++) {
        const struct input_event *event = &events[index];
        is_pressed |= event->type == EV_KEY && event->code == KEY_POWER && event->value == 1;
    }
    return is_pressed;
}

/* Without ACPI a machine cannot switch itself off: RB_POWER_OFF would halt and wait for ever. A
 * restart at least ends an emulator that was told not to restart (QEMU -no-reboot, Firecracker). */
_Noreturn void init_power_end(bool is_restart) {
    bool can_switch_off = file_exists("/sys/firmware/acpi");
    log_info("init", "%s", is_restart || !can_switch_off ? "restarting" : "switching off");
    sync();
    (void)reboot(is_restart || !can_switch_off ? RB_AUTOBOOT : RB_POWER_OFF);
    _exit(0);
}
