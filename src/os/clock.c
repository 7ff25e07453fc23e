/* Clocks and randomness, straight from the kernel. */
#include "os/clock.h"

#include "os/panic.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>

static int64_t clock_read_us(clockid_t clock) {
    struct timespec now;
    int status = clock_gettime(clock, &now);
    CHECK(status == 0); /* both clocks exist on every Linux and the address is ours */
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_wall_us(void) {
    return clock_read_us(CLOCK_REALTIME);
}

int64_t clock_monotonic_us(void) {
    return clock_read_us(CLOCK_MONOTONIC);
}

void random_bytes(void *out, size_t bytes) {
    CHECK(out != NULL || bytes == 0);
    char *at = out;
    while (bytes > 0) {
        ssize_t got = getrandom(at, bytes, 0);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            panic_exit("clock", "the kernel gives no random bytes; keys would be guessable");
        }
        at += got;
        bytes -= (size_t)got;
    }
}
