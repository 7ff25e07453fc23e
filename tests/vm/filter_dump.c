/*
 * filter_dump - prints the program of the sandbox's system-call filter, an instruction a line:
 * code, jumps if true and if false, operand. It is not entered: `syscall` below takes the place of
 * the C library's. test_arm64.py judges it by the kernel's own numbers.
 */
#include <linux/filter.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/sandbox.h"

long syscall(long number, ...) {
    if (number != SYS_seccomp) {
        return -1;
    }
    va_list rest;
    va_start(rest, number);
    (void)va_arg(rest, int);
    (void)va_arg(rest, unsigned);
    const struct sock_fprog *filter = va_arg(rest, const struct sock_fprog *);
    va_end(rest);
    for (unsigned at = 0; at < filter->len; at += 1) {
        const struct sock_filter *step = &filter->filter[at];
        printf("%u %u %u %u\n", step->code, step->jt, step->jf, step->k);
    }
    return 0;
}

int main(void) {
    return sandbox_calls_close() == ERR_OK ? 0 : 1;
}
