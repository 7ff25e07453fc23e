"""A virtual machine of the appliance: starts QEMU through qemu/machine, reads the console, talks to
the server inside through a forwarded port or a tap device, stops it in the ways a machine can stop.
"""

import atexit
import contextlib
import ctypes
import http.client
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, 'tests', 'http'))

from client import Client  # noqa: E402
from harness import Skipped  # noqa: E402
from server import free_port  # noqa: E402

IMAGE = os.environ.get('COFFER_IMAGE') or os.path.join(ROOT, 'build', 'image')
INITRD = os.path.abspath(os.environ.get('COFFER_INITRD') or os.path.join(IMAGE, 'coffer.cpio'))
BOOT_SECONDS_MAX = 120  # a hundred times the usual: the machine may be busy
STOP_SECONDS_MAX = 60
PASSWORD = 'Correct-Horse-42-Battery'
CLONE_NEWNET = 0x40000000  # as in <sched.h>; Python calls unshare(2) and setns(2) from 3.12 on
# The host's end of the cable to the guest is a tap device.
TAP, TAP_OURS, TAP_GUEST = 'tap0', '10.91.0.1/24', '10.91.0.2/24'

# The certificate is the machine's own. Made once: it takes as long as the answer does.
trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
trusting.check_hostname = False
trusting.verify_mode = ssl.CERT_NONE

_machines = []


def image(name):
    return os.path.join(IMAGE, name)


def kill_forgotten():
    """A failed test leaves its machine behind."""
    for machine in _machines:
        machine.pull_plug()
        shutil.rmtree(machine.folder, ignore_errors=True)


atexit.register(kill_forgotten)


def _permitted(*command):
    if not shutil.which(command[0]):
        raise Skipped(f'no {command[0]} on this machine')
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Skipped(f'{" ".join(command)}: {done.stderr.strip()}')


@contextlib.contextmanager
def own_network():
    """Inside, this process and what it starts are in a network namespace with a tap device; both
    are gone afterwards. For a machine with `is_tapped`: QEMU's own network takes minutes for
    thousands of connections."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open('/proc/self/ns/net', 'rb') as before:
        if libc.unshare(CLONE_NEWNET) != 0:
            raise Skipped(f'a network namespace: {os.strerror(ctypes.get_errno())}')
        try:
            _permitted('ip', 'tuntap', 'add', TAP, 'mode', 'tap')
            _permitted('ip', 'addr', 'add', TAP_OURS, 'dev', TAP)
            _permitted('ip', 'link', 'set', TAP, 'up')
            yield
        finally:
            if libc.setns(before.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), 'the way back from the network namespace')


class Machine:
    """One guest at a time over one data disk. `kind` is qemu/machine's --machine. With
    `is_tapped` it is at the other end of own_network()'s cable, and is started inside."""

    def __init__(self, kind='microvm', kernel=None, initrd=None, boot=None, memory=128, append='',
                 data_mib=1024, is_counting=False, is_tapped=False, extra=()):
        self.folder = tempfile.mkdtemp(prefix='coffer-vm-')
        self.host = TAP_GUEST.split('/')[0] if is_tapped else '127.0.0.1'
        self.port = 443 if is_tapped else free_port()
        self.kind = kind
        self.boot = boot
        self.kernel = kernel or (None if boot else image('vmlinux'))
        self.initrd = initrd or (None if boot else INITRD)
        self.memory = memory
        self.append = append + (f' coffer.ip={TAP_GUEST}' if is_tapped else '')
        self.is_counting = is_counting
        self.is_tapped = is_tapped
        self.extra = list(extra)
        self.data = None
        if data_mib:
            self.data = self.path('data.raw')
            with open(self.data, 'wb') as disk:
                disk.truncate(data_mib << 20)
        self.process = None
        self.clients = []
        self.console_start = 0  # of the running guest
        _machines.append(self)

    def path(self, name):
        return os.path.join(self.folder, name)

    def command(self):
        options = {
            '--machine': self.kind, '--kernel': self.kernel, '--initrd': self.initrd,
            '--boot': self.boot, '--data': self.data, '--memory': str(self.memory),
            '--forward': None if self.is_tapped else f'{self.port}:443',
            '--tap': TAP if self.is_tapped else None, '--qmp': self.path('qmp'),
            '--append': self.append and self.kernel and self.append,
            '--vars': self.path('vars.fd') if self.kind == 'uefi' else None,
        }
        words = [os.path.join(ROOT, 'qemu', 'machine')]
        for name, value in options.items():
            words += [name, value] if value else []
        words += ['--count'] if self.is_counting else []
        return words + ['--'] + self.extra

    # ---- life ----

    def spawn(self):
        """Starts it and does not wait."""
        if os.path.exists(self.path('qmp')):
            os.remove(self.path('qmp'))
        with open(self.path('console'), 'ab') as console:
            self.console_start = console.tell()
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL,
                                            stdout=console, stderr=subprocess.STDOUT)
        return self

    def start(self):
        """Starts it and waits until it serves."""
        self.spawn()
        self.wait('serves', self.serves)
        return self

    def console(self):
        """What the running guest has written."""
        with open(self.path('console'), 'rb') as console:
            console.seek(self.console_start)
            return console.read().decode('utf-8', 'replace').replace('\r', '')

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def wait(self, what, condition, seconds=BOOT_SECONDS_MAX):
        """Until the condition holds; a guest that ended before or takes too long is a failure."""
        deadline = time.monotonic() + seconds
        while True:
            result = condition()
            if result:
                return result
            if not self.is_running():
                raise AssertionError(f'the machine ended before it {what}:\n{self.tail()}')
            if time.monotonic() > deadline:
                raise AssertionError(f'after {seconds} s the machine still not {what}:\n'
                                     f'{self.tail()}')
            time.sleep(0.01)

    def wait_console(self, pattern, seconds=BOOT_SECONDS_MAX):
        """Until the console shows the pattern; returns the match."""
        return self.wait(f'says {pattern!r}', lambda: re.search(pattern, self.console()), seconds)

    def wait_end(self, seconds=STOP_SECONDS_MAX):
        """Until QEMU has ended by itself."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f'after {seconds} s the machine still runs:\n'
                                 f'{self.tail()}') from None

    def tail(self):
        return self.console()[-3000:]

    def power_button(self):
        self.close_clients()
        self.qmp('system_powerdown')

    def pull_plug(self):
        """The end of QEMU; what the guest had not flushed may or may not be on the disk."""
        self.close_clients()
        if self.is_running():
            self.process.kill()
            self.process.wait()

    def qmp(self, command, **arguments):
        words = [os.path.join(ROOT, 'qemu', 'qmp'), self.path('qmp'), command]
        words += [json.dumps(arguments)] if arguments else []
        done = subprocess.run(words, check=True, capture_output=True, text=True, timeout=30)
        return json.loads(done.stdout)

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, value, trace):
        self.pull_plug()
        if kind is None:
            shutil.rmtree(self.folder, ignore_errors=True)
            _machines.remove(self)

    # ---- talking ----

    def client(self, token=None):
        client = Client(self.host, self.port, token=token)
        self.clients.append(client)
        return client

    def close_clients(self):
        for client in self.clients:
            client.connection.close()
        self.clients = []

    def serves(self):
        """Is /health answered with 200? QEMU takes connections before the guest does."""
        connection = http.client.HTTPSConnection(self.host, self.port, timeout=10,
                                                 context=trusting)
        try:
            connection.request('GET', '/health')
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def register(self, name):
        """A new account; returns its address."""
        email = f'{name}@example.com'
        reply = self.client().post('/api/v1/auth/register', {
            'email': email, 'password': PASSWORD, 'full_name': name.title()})
        if reply.status != 201:
            raise AssertionError(f'register: {reply.status} {reply.text[:600]}')
        return email

    def login(self, email):
        """A client that is logged in."""
        client = self.client()
        reply = client.post('/api/v1/auth/login', {'email': email, 'password': PASSWORD})
        if reply.status != 200:
            raise AssertionError(f'login: {reply.status} {reply.text[:600]}')
        client.token = reply.data['token']
        return client
