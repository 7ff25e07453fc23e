"""The product for arm64, run by QEMU's user mode: what is written for each architecture by itself
(stack switching, copies, the table of system calls) and all the rest do there what they do here."""

import concurrent.futures
import glob
import os
import re
import subprocess
import sys
import tempfile

from machine import ROOT
import harness
from harness import Skipped, check, check_equal, check_in, check_status
from server import PASSWORD, Server, run_program

QEMU = 'qemu-aarch64-static'
BUILD = os.path.join(ROOT, 'build')
PRODUCT = os.path.join(BUILD, 'arm64/coffer')
# The same objects with tests/vm/qemu_user.c.
SERVER = os.path.join(BUILD, 'arm64/tests/coffer')
TESTS = os.path.join(BUILD, 'arm64-plain/tests')
BINARY_BYTES_MAX = 2 * 1000 * 1000

# Black-box files that the server of the other architecture must pass as well.
FILES = ('test_audit.py', 'test_idempotency.py', 'test_jose.py', 'test_orgs.py',
         'test_passkeys.py', 'test_totp.py')

# Tests that ask for what QEMU's user mode lacks: a kernel with filters and /proc of the guest; and
# for the other C library's crypt().
NOT_THERE = {'sandbox_is_entered_whole', 'sysinfo_tells_what_is',
             'same_as_libxcrypt_on_random_inputs', 'same_as_libxcrypt_on_mixed_lanes',
             'same_as_libxcrypt_where_the_old_bug_is_guarded'}
# QEMU's user mode keeps 6 MB for ever of each image.
CRASH_IMAGES = 200


def needs(*programs):
    if subprocess.run(['which', QEMU], capture_output=True).returncode != 0:
        raise Skipped(f'no {QEMU} on this machine (tests/setup vm)')
    for program in programs:
        if not os.path.exists(program):
            raise Skipped(f'no {os.path.relpath(program, ROOT)} (make arm64-files)')


def emulated(*command, timeout=300):
    return subprocess.run([QEMU, *command], capture_output=True, text=True, timeout=timeout,
                          cwd=ROOT, stdin=subprocess.DEVNULL)


def wrapper(folder, *options):
    """A program that starts the server in QEMU; its path."""
    path = os.path.join(folder, 'coffer')
    with open(path, 'w', encoding='utf-8') as script:
        script.write(f'#!/bin/sh\nexec {QEMU} {" ".join(options)} {SERVER} "$@"\n')
    os.chmod(path, 0o755)
    return path


def test_product_is_one_small_static_file():
    needs(PRODUCT)
    check(os.path.getsize(PRODUCT) <= BINARY_BYTES_MAX, f'{os.path.getsize(PRODUCT)} bytes')
    with open(PRODUCT, 'rb') as handle:
        head = handle.read(20)
    check_equal((head[:4], head[18]), (b'\x7fELF', 183), 'an ELF file for AArch64')
    helped = emulated(PRODUCT, '--help')
    check_equal(helped.returncode, 0, 'exit code of --help')
    check_in('coffer serve', helped.stdout)
    here = run_program(os.path.join(BUILD, 'coffer'), 'openapi')
    check_equal(emulated(PRODUCT, 'openapi').stdout, here.stdout, 'the API')
    check(here.stdout, 'no API')


def test_serves_and_keeps_what_it_answered():
    needs(SERVER, PRODUCT)
    with tempfile.TemporaryDirectory() as folder:
        server = Server(program=wrapper(folder)).start()
        user = server.user()
        check_status(user.patch('/api/v1/users/me', {'full_name': 'Ada Lovelace'}), 200)
        url = f'https://localhost:{server.https_port}/health'
        check_equal(emulated(PRODUCT, 'health', url).returncode, 0, 'health by the product')
        for end in (server.restart, server.kill):
            end()
            if not server.is_running():
                server.start()
            reply = server.login(user.email)
            check_status(reply, 200)
            me = server.client(token=reply.data['token']).get('/api/v1/users/me')
            check_equal(me.data['user']['full_name'], 'Ada Lovelace')
        check_status(server.login(user.email, PASSWORD + 'x'), 401)
        check_equal(server.finish(), [])
        # Each architecture reads what the other has written.
        for program in (server.program, os.path.join(BUILD, 'coffer')):
            found = run_program(program, 'fsck', server.data, cwd=server.folder)
            check_equal(found.returncode, 0, found.stdout + found.stderr)
        server.program = os.path.join(BUILD, 'coffer')
        server.start()
        check_status(server.login(user.email), 200)
        check_equal(server.stop(), [])


def test_black_box_files():
    needs(SERVER)
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, 'COFFER_ASAN': wrapper(folder), 'COFFER_PARTIAL': '1'}
        for file in FILES:
            done = subprocess.run([sys.executable, '-B', os.path.join(ROOT, 'tests/http', file)],
                                  capture_output=True, text=True, env=environment, timeout=200,
                                  stdin=subprocess.DEVNULL)
            check_equal(done.returncode, 0, f'{file}: {done.stdout[-2000:]}{done.stderr[-500:]}')


def test_unit_tests():
    """Copies, cryptography, stack switching and store, byte orders and signs of characters."""
    programs = [path for path in sorted(glob.glob(os.path.join(TESTS, 'unit/test_*')))
                if os.access(path, os.X_OK)]
    needs(os.path.join(TESTS, 'unit/test_copy'), *programs)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for path, done in zip(programs, pool.map(emulated, programs)):
            name = os.path.basename(path)
            found = re.search(r'^(\d+) passed, (\d+) failed$', done.stdout, re.MULTILINE)
            check(found, f'{name}: {done.stdout[-1000:]}{done.stderr[-1000:]}')
            failed = re.findall(r'^ *FAILED (\w+)', done.stdout, re.MULTILINE)
            check_equal(len(failed), int(found.group(2)), f'{name}: failures')
            check(set(failed) <= NOT_THERE, f'{name}: {done.stdout[-2000:]}')


def test_store_model_and_crash_images():
    model = os.path.join(TESTS, 'model/model_store')
    images = os.path.join(TESTS, 'crash/crash_images')
    needs(model, images)
    for command in ((model,), (images, '--images', str(CRASH_IMAGES), '--batches', '60')):
        done = emulated(*command)
        check_equal(done.returncode, 0, f'{command}: {done.stdout[-2000:]}{done.stderr[-500:]}')


# ---- the table of system calls ----

LOAD, IF_EQUAL, IF_FROM, IF_BITS, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOWED, REFUSED, NOT_KNOWN, KILLED = 0x7fff0000, 0x00050001, 0x00050026, 0x80000000
AARCH64, X86_64 = 0xc00000b7, 0xc000003e
CLONE_THREAD, PROT_EXEC, AF_UNIX, AF_INET, AF_INET6, AF_NETLINK = 0x10000, 4, 1, 2, 10, 16


class Filter:
    """The filter of one build, and the kernel's numbers for it."""

    def __init__(self, architecture, dump, compiler):
        self.architecture = architecture
        printed = subprocess.run(dump, check=True, capture_output=True, text=True).stdout
        self.steps = [tuple(map(int, line.split())) for line in printed.splitlines()]
        self.numbers = kernel_numbers(compiler)

    def judge(self, number, first=0, third=0, architecture=None):
        words = {0: number, 4: architecture or self.architecture, 16: first, 32: third}
        at, value = 0, 0
        while True:
            code, if_true, if_false, operand = self.steps[at]
            at += 1
            if code == LOAD:
                value = words[operand]
            elif code == IF_EQUAL:
                at += if_true if value == operand else if_false
            elif code == IF_FROM:
                at += if_true if value >= operand else if_false
            elif code == IF_BITS:
                at += if_true if value & operand else if_false
            else:
                check_equal(code, RETURN, 'code of an instruction')
                return operand

    def say(self, name):
        """What comes of a call with each of the arguments that matter to some rule."""
        return tuple(self.judge(self.numbers[name], first, third)
                     for first in (0, AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, CLONE_THREAD)
                     for third in (0, PROT_EXEC))


def kernel_numbers(compiler):
    """{name: number} by the kernel's header <asm/unistd.h>."""
    command = [compiler, '-E', '-dM', '-include', 'asm/unistd.h', '-x', 'c', '/dev/null']
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    defined = dict(re.findall(r'^#define (__NR\w+) (\w+)$', text, re.MULTILINE))
    numbers = {}
    for name, value in defined.items():
        value = defined.get(value, value)
        if name.startswith('__NR_') and value.isdigit():
            numbers[name[5:]] = int(value)
    return numbers


def filters():
    dump = os.path.join(TESTS, 'vm/filter_dump')
    here = os.path.join(BUILD, 'plain/tests/vm/filter_dump')
    needs(dump, here)
    return (Filter(AARCH64, [QEMU, dump], 'aarch64-linux-gnu-gcc'), Filter(X86_64, [here], 'gcc'))


def test_filter_is_that_of_the_other_architecture():
    arm64, amd64 = filters()
    both = sorted(set(arm64.numbers) & set(amd64.numbers))
    check(len(both) > 250, f'{len(both)} calls are on both')
    for name in both:
        check_equal(arm64.say(name), amd64.say(name), name)


def test_filter_says_what_it_should():
    arm64, _ = filters()
    number = arm64.numbers
    for name in ('read', 'pwrite64', 'fdatasync', 'epoll_pwait', 'accept4', 'openat', 'futex'):
        check_equal(set(arm64.say(name)), {ALLOWED}, name)
    for name in ('execve', 'ptrace', 'mount', 'bpf', 'setuid', 'io_uring_setup', 'reboot'):
        check_equal(set(arm64.say(name)), {KILLED}, name)
    for name in ('kill', 'mknodat', 'symlinkat', 'memfd_create', 'ioctl'):
        check_equal(set(arm64.say(name)), {REFUSED}, name)
    check_equal(set(arm64.say('clone3')), {NOT_KNOWN})
    check_equal(arm64.judge(number['clone'], CLONE_THREAD), ALLOWED, 'a thread')
    check_equal(arm64.judge(number['clone'], 17), KILLED, 'a process')
    check_equal(arm64.judge(number['mmap'], 0, PROT_EXEC | 1), REFUSED, 'code')
    check_equal(arm64.judge(number['socket'], AF_INET6), ALLOWED, 'the network')
    check_equal(arm64.judge(number['socket'], AF_UNIX), REFUSED, 'a local socket')
    check_equal(arm64.judge(number['read'], architecture=X86_64), KILLED, 'another architecture')
    check_equal(arm64.judge(number['read'], architecture=0x40000028), KILLED, 'a 32-bit program')


def test_filter_allows_what_the_server_calls():
    """QEMU does not enforce the filter, but it tells the calls."""
    arm64, _ = filters()
    with tempfile.TemporaryDirectory() as folder:
        trace = os.path.join(folder, 'trace')
        program = wrapper(folder, '-strace', '-D', trace)
        with Server({'sandbox': 'true'}, program=program) as server:
            user = server.user()
            check_status(user.patch('/api/v1/users/me', {'full_name': 'Ada'}), 200)
            check_status(server.login(user.email), 200)
            check_status(server.admin().get('/api/v1/users'), 200)
        with open(trace, encoding='utf-8', errors='replace') as handle:
            text = handle.read()
    calls = re.findall(r'^\d+ (?:(\w+)\(|Unknown syscall (\d+))', text, re.MULTILINE)
    names = [name or number for name, number in calls]
    check_in('seccomp', names)
    # Standard output asks whether it is a terminal; a refusal means no.
    names = set(names[names.index('seccomp') + 1:]) - {'ioctl'}
    check(len(names) > 15, f'only {names}')
    for name in sorted(names):
        number = int(name) if name.isdigit() else arm64.numbers[name]
        answers = {arm64.judge(number, first) for first in (0, AF_INET, CLONE_THREAD)}
        check(ALLOWED in answers, f'{name} ({number}) is not allowed')


harness.main(globals())
