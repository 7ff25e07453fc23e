/*
 * The list of system calls, as a seccomp filter (seccomp(2)). One row per call; the program that
 * the kernel runs is made from the rows at start. What is not in the list fails with EPERM: a C
 * library that tries a newer call first then falls back, and a forgotten call is an error in the
 * log rather than a dead server.
 */
#include "os/sandbox.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#error "the sandbox knows x86_64 and aarch64"
#endif

/* Behind the distribution's headers; the same numbers on both architectures. */
#ifndef SECCOMP_RET_KILL_PROCESS
#define SECCOMP_RET_KILL_PROCESS 0x80000000U
#endif
enum {
    CALL_CLONE3 = 435,
    CALL_FACCESSAT2 = 439,
    CALL_EPOLL_PWAIT2 = 441,
};

enum rule {
    ALLOW,
    KILL,           /* nothing of ours ever does this */
    NOT_THERE,      /* ENOSYS: the C library uses the older call, whose arguments can be judged */
    THREADS_ONLY,   /* clone for threads, not for processes */
    NOT_EXECUTABLE, /* no memory that can be run */
    INTERNET_ONLY,  /* sockets to and from the network */
};

struct call_row {
    uint16_t call;
    uint8_t rule;
};

#define ROW(name, rule)                                                                            \
    { SYS_##name, rule }

/* Grouped by purpose. */
static const struct call_row calls[] = {
    /* the loop */
    ROW(epoll_pwait, ALLOW),
    ROW(epoll_ctl, ALLOW),
    ROW(epoll_create1, ALLOW),
    {CALL_EPOLL_PWAIT2, ALLOW},
    ROW(ppoll, ALLOW),
    ROW(signalfd4, ALLOW),
    ROW(eventfd2, ALLOW),
    ROW(timerfd_create, ALLOW),
    ROW(timerfd_settime, ALLOW),
    /* reading and writing */
    ROW(read, ALLOW),
    ROW(write, ALLOW),
    ROW(readv, ALLOW),
    ROW(writev, ALLOW),
    ROW(pread64, ALLOW),
    ROW(pwrite64, ALLOW),
    ROW(preadv, ALLOW),
    ROW(pwritev, ALLOW),
    ROW(lseek, ALLOW),
    ROW(close, ALLOW),
    ROW(fcntl, ALLOW),
    ROW(dup, ALLOW),
    ROW(dup3, ALLOW),
    ROW(pipe2, ALLOW),
    /* the network; and a log that is a socket */
    ROW(recvfrom, ALLOW),
    ROW(sendto, ALLOW),
    ROW(recvmsg, ALLOW),
    ROW(sendmsg, ALLOW),
    ROW(accept4, ALLOW),
    ROW(accept, ALLOW),
    ROW(socket, INTERNET_ONLY),
    ROW(bind, ALLOW),
    ROW(listen, ALLOW),
    ROW(connect, ALLOW),
    ROW(shutdown, ALLOW),
    ROW(getsockname, ALLOW),
    ROW(getpeername, ALLOW),
    ROW(getsockopt, ALLOW),
    ROW(setsockopt, ALLOW),
    /* the store and small files */
    ROW(fdatasync, ALLOW),
    ROW(fsync, ALLOW),
    ROW(sync_file_range, ALLOW),
    ROW(openat, ALLOW),
    ROW(fstat, ALLOW),
    ROW(newfstatat, ALLOW),
    ROW(statx, ALLOW),
    ROW(statfs, ALLOW),
    ROW(fstatfs, ALLOW),
    ROW(ftruncate, ALLOW),
    ROW(fallocate, ALLOW),
    ROW(fadvise64, ALLOW),
    ROW(flock, ALLOW),
    ROW(fchmod, ALLOW),
    ROW(renameat, ALLOW),
    ROW(renameat2, ALLOW),
    ROW(unlinkat, ALLOW),
    ROW(linkat, ALLOW),
    ROW(mkdirat, ALLOW),
    ROW(getdents64, ALLOW),
    ROW(faccessat, ALLOW),
    {CALL_FACCESSAT2, ALLOW},
    ROW(readlinkat, ALLOW),
    ROW(getcwd, ALLOW),
    ROW(umask, ALLOW),
    /* memory */
    ROW(mmap, NOT_EXECUTABLE),
    ROW(mprotect, NOT_EXECUTABLE),
    ROW(munmap, ALLOW),
    ROW(mremap, ALLOW),
    ROW(madvise, ALLOW),
    ROW(msync, ALLOW),
    ROW(mincore, ALLOW),
    ROW(brk, ALLOW),
    /* threads, signals, the end */
    ROW(futex, ALLOW),
    ROW(clone, THREADS_ONLY),
    {CALL_CLONE3, NOT_THERE},
    ROW(set_robust_list, ALLOW),
    ROW(get_robust_list, ALLOW),
    ROW(set_tid_address, ALLOW),
#ifdef SYS_rseq
    ROW(rseq, ALLOW),
#endif
    ROW(sched_yield, ALLOW),
    ROW(sched_getaffinity, ALLOW),
    ROW(gettid, ALLOW),
    ROW(tkill, ALLOW),
    ROW(tgkill, ALLOW),
    ROW(rt_sigaction, ALLOW),
    ROW(rt_sigprocmask, ALLOW),
    ROW(rt_sigreturn, ALLOW),
    ROW(rt_sigtimedwait, ALLOW),
    ROW(sigaltstack, ALLOW),
    ROW(restart_syscall, ALLOW),
    ROW(wait4, ALLOW),
    ROW(exit, ALLOW),
    ROW(exit_group, ALLOW),
    /* time, randomness, who am I */
    ROW(clock_gettime, ALLOW),
    ROW(clock_getres, ALLOW),
    ROW(gettimeofday, ALLOW),
    ROW(clock_nanosleep, ALLOW),
    ROW(nanosleep, ALLOW),
    ROW(getrandom, ALLOW),
    ROW(getpid, ALLOW),
    ROW(getppid, ALLOW),
    ROW(getuid, ALLOW),
    ROW(geteuid, ALLOW),
    ROW(getgid, ALLOW),
    ROW(getegid, ALLOW),
    ROW(getresuid, ALLOW),
    ROW(getresgid, ALLOW),
    ROW(getrusage, ALLOW),
    ROW(times, ALLOW),
    ROW(sysinfo, ALLOW),
    ROW(uname, ALLOW),
    ROW(prlimit64, ALLOW),
    ROW(getrlimit, ALLOW),
#if defined(__x86_64__)
    /* what musl still calls by the old names */
    ROW(epoll_wait, ALLOW),
    ROW(poll, ALLOW),
    ROW(open, ALLOW),
    ROW(stat, ALLOW),
    ROW(lstat, ALLOW),
    ROW(access, ALLOW),
    ROW(rename, ALLOW),
    ROW(unlink, ALLOW),
    ROW(link, ALLOW),
    ROW(mkdir, ALLOW),
    ROW(rmdir, ALLOW),
    ROW(readlink, ALLOW),
    ROW(dup2, ALLOW),
    ROW(pipe, ALLOW),
    ROW(eventfd, ALLOW),
    ROW(epoll_create, ALLOW),
    ROW(time, ALLOW),
    ROW(arch_prctl, ALLOW),
    ROW(fork, KILL),
    ROW(vfork, KILL),
    ROW(iopl, KILL),
    ROW(ioperm, KILL),
#endif
    /* an intruder's tools */
    ROW(execve, KILL),
    ROW(execveat, KILL),
    ROW(ptrace, KILL),
    ROW(process_vm_readv, KILL),
    ROW(process_vm_writev, KILL),
    ROW(mount, KILL),
    ROW(umount2, KILL),
    ROW(pivot_root, KILL),
    ROW(chroot, KILL),
    ROW(setns, KILL),
    ROW(unshare, KILL),
    ROW(init_module, KILL),
    ROW(finit_module, KILL),
    ROW(delete_module, KILL),
    ROW(kexec_load, KILL),
    ROW(bpf, KILL),
    ROW(perf_event_open, KILL),
    ROW(userfaultfd, KILL),
    ROW(open_by_handle_at, KILL),
    ROW(add_key, KILL),
    ROW(request_key, KILL),
    ROW(keyctl, KILL),
    ROW(setuid, KILL),
    ROW(setgid, KILL),
    ROW(setresuid, KILL),
    ROW(setresgid, KILL),
    ROW(setreuid, KILL),
    ROW(setregid, KILL),
    ROW(capset, KILL),
    ROW(personality, KILL),
    ROW(swapon, KILL),
    ROW(swapoff, KILL),
    ROW(acct, KILL),
    ROW(reboot, KILL),
    ROW(io_uring_setup, KILL),
};

enum {
    CALLS = COUNT_OF(calls),
    GROUP_ROWS = 12,   /* about the root; and a jump reaches 255 steps */
    ROW_STEPS_MAX = 8, /* the longest rule, and more than a row's share of its group */
    PROGRAM_STEPS_MAX = CALLS * ROW_STEPS_MAX + 8,
};
_Static_assert(GROUP_ROWS *ROW_STEPS_MAX < UINT8_MAX, "a jump passes a group");

static struct sock_filter program[PROGRAM_STEPS_MAX];
static uint16_t program_count;

static void step_put(uint16_t code, uint32_t operand, uint8_t if_true, uint8_t if_false) {
    CHECK(program_count < PROGRAM_STEPS_MAX);
    program[program_count] = (struct sock_filter){code, if_true, if_false, operand};
    program_count += 1;
}

static void load_put(size_t offset) {
    step_put(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void result_put(uint32_t result) {
    step_put(BPF_RET | BPF_K, result, 0, 0);
}

static uint32_t refusal(uint32_t error) {
    return SECCOMP_RET_ERRNO | error;
}

/* The low half of an argument: both architectures are little-endian. */
static void argument_put(uint32_t index) {
    load_put(offsetof(struct seccomp_data, args) + (size_t)index * 8);
}

/* What follows when the number is this row's: always ends in a result. */
static void rule_put(enum rule rule) {
    switch (rule) {
    case ALLOW:
        result_put(SECCOMP_RET_ALLOW);
        return;
    case KILL:
        result_put(SECCOMP_RET_KILL_PROCESS);
        return;
    case NOT_THERE:
        result_put(refusal(ENOSYS));
        return;
    case THREADS_ONLY:
        argument_put(0);
        step_put(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 0, 1);
        result_put(SECCOMP_RET_ALLOW);
        result_put(SECCOMP_RET_KILL_PROCESS);
        return;
    case NOT_EXECUTABLE:
        argument_put(2);
        step_put(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1);
        result_put(refusal(EPERM));
        result_put(SECCOMP_RET_ALLOW);
        return;
    case INTERNET_ONLY:
        argument_put(0);
        step_put(BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 1, 0);
        step_put(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 0, 1);
        result_put(SECCOMP_RET_ALLOW);
        result_put(refusal(EPERM));
        return;
    }
}

/* Ends in a result for every number. */
static void group_put(const struct call_row *rows, uint32_t count) {
    for (uint32_t index = 0; index < count; index++) {
        uint16_t at = program_count;
        step_put(BPF_JMP | BPF_JEQ | BPF_K, rows[index].call, 0, 0);
        rule_put((enum rule)rows[index].rule);
        program[at].jf = (uint8_t)(program_count - at - 1);
    }
    /* Also the numbers of the x32 interface, which are in no row. */
    result_put(refusal(EPERM));
}

static int row_compare(const void *a, const void *b) {
    return (int)((const struct call_row *)a)->call - (int)((const struct call_row *)b)->call;
}

/* In groups by number, because a kernel tries the program with every number there is when it is
 * loaded, and older ones run it on each call: a number passes other groups in one step. */
static void program_make(void) {
    static struct call_row rows[CALLS];
    memcpy(rows, calls, sizeof rows);
    qsort(rows, CALLS, sizeof rows[0], row_compare);
    program_count = 0;
    load_put(offsetof(struct seccomp_data, arch));
    step_put(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0);
    result_put(SECCOMP_RET_KILL_PROCESS);
    load_put(offsetof(struct seccomp_data, nr));
    for (uint32_t first = 0; first < CALLS; first += GROUP_ROWS) {
        uint32_t next = first + GROUP_ROWS;
        uint16_t at = program_count;
        uint32_t next_call = next < CALLS ? rows[next].call : UINT32_MAX;
        step_put(BPF_JMP | BPF_JGE | BPF_K, next_call, 0, 0);
        group_put(rows + first, next < CALLS ? GROUP_ROWS : CALLS - first);
        program[at].jt = (uint8_t)(program_count - at - 1);
    }
    result_put(refusal(EPERM));
}

enum err sandbox_calls_close(void) {
    program_make();
    struct sock_fprog filter = {.len = program_count, .filter = program};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return ERR_IO;
    }
    long status = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter);
    if (status == 0) {
        return ERR_OK;
    }
    return status < 0 && (errno == ENOSYS || errno == EINVAL) ? ERR_NOT_FOUND : ERR_IO;
}
