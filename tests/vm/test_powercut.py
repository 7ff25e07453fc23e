"""Fifty power cuts under write load: one boot is recorded write by write, the disk is rebuilt as it
was at fifty moments, and each time the file system and the store must be sound and hold every write
that a client had been told of."""

import os
import random
import shutil
import subprocess
import threading
import time

from machine import PASSWORD, Machine
from replay import Log
import harness
from harness import check, check_equal
from server import Server, release_path

harness.TEST_SECONDS_MAX = 1200

CUTS = int(os.environ.get('CUTS') or 50)
WRITERS = 4
LOAD_SECONDS = 15
DATA_MIB = 512
APPEND = 'coffer.password.cost=4 coffer.rate.enabled=false'


class Writer(threading.Thread):
    """An account whose name is a number that grows; notes how long the log was when it was told."""

    def __init__(self, machine, number, log):
        super().__init__(daemon=True)
        self.email = machine.register(f'writer{number}')
        self.client = machine.login(self.email)
        self.log = log
        self.told = []  # (bytes of the log, value)
        self.asked = 0
        self.is_over = False

    def run(self):
        while not self.is_over:
            self.asked += 1
            try:
                reply = self.client.patch('/api/v1/users/me', {'full_name': f'n{self.asked}'})
            except OSError:
                return
            if reply.status == 200:
                self.told.append((os.path.getsize(self.log), self.asked))

    def least(self, log_bytes):
        """The newest value that was told when the log was that long."""
        return max((value for size, value in self.told if size <= log_bytes), default=0)


def record(folder):
    """One boot under load. Returns the disk before it, the log and the writers."""
    machine = Machine('microvm', data_mib=DATA_MIB, append=APPEND)
    base = os.path.join(folder, 'base.raw')
    log = os.path.join(folder, 'log')
    disk = machine.data
    with machine:
        machine.pull_plug()
        shutil.copy(disk, base)
        open(log, 'wb').close()
        machine.data = None
        machine.extra = [
            '-blockdev', f'driver=blklogwrites,node-name=logged,log-sector-size=512,'
                         f'file.driver=file,file.filename={disk},'
                         f'log.driver=file,log.filename={log}',
            '-device', 'virtio-blk-device,drive=logged']
        machine.start()
        writers = [Writer(machine, number, log) for number in range(WRITERS)]
        begun = os.path.getsize(log)
        for writer in writers:
            writer.start()
        time.sleep(LOAD_SECONDS)
        for writer in writers:
            writer.is_over = True
        for writer in writers:
            writer.join(30)
        machine.pull_plug()
    return base, log, begun, writers


def tool(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def extract(disk, folder):
    """Store and key out of the file system, whose journal is replayed as a mount would do it."""
    code, text = tool('e2fsck', '-y', '-E', 'journal_only', disk)
    check(code in (0, 1), text)
    code, text = tool('e2fsck', '-fn', disk)
    check_equal(code, 0, text)
    os.makedirs(folder)
    tool('debugfs', '-R', f'rdump /store {folder}', disk)
    tool('debugfs', '-R', f'dump /store.key {folder}/store.key', disk)
    os.chmod(f'{folder}/store.key', 0o600)
    return os.path.join(folder, 'store')


def check_cut(disk, folder, log_bytes, writers):
    store = extract(disk, folder)
    code, text = tool(release_path(), 'fsck', store)
    check_equal(code, 0, text)
    server = Server({'rate.enabled': 'false'}, data=store, program=release_path()).start()
    for writer in writers:
        reply = server.login(writer.email, PASSWORD)
        check_equal(reply.status, 200, writer.email)
        name = server.client(reply.data['token']).get('/api/v1/auth/me').data['user']['full_name']
        value = int(name[1:]) if name[1:].isdigit() else 0
        check(writer.least(log_bytes) <= value <= writer.asked,
              f'{writer.email}: {value}, told {writer.least(log_bytes)}, asked {writer.asked}')
    check_equal(server.stop(), [])


def test_fifty_cuts():
    seed = int(os.environ.get('TEST_SEED') or time.time())
    print(f'  TEST_SEED={seed}')
    choice = random.Random(seed)
    folder = subprocess.run(['mktemp', '-d'], check=True, capture_output=True,
                            text=True).stdout.strip()
    base, path, begun, writers = record(folder)
    log = Log(path)
    told = sum(len(writer.told) for writer in writers)
    first = next(index for index, entry in enumerate(log.entries) if entry.start >= begun)
    print(f'  {len(log.entries)} writes and flushes, {told} acknowledged')
    check(told >= 50, f'only {told} writes were acknowledged')
    disk = os.path.join(folder, 'cut.raw')
    for number in range(CUTS):
        count = choice.randint(first, len(log.entries))
        shutil.copy(base, disk)
        with open(disk, 'r+b') as handle:
            log.cut(handle, count, choice)
        log_bytes = log.entries[count - 1].end
        check_cut(disk, os.path.join(folder, f'cut{number}'), log_bytes, writers)
        shutil.rmtree(os.path.join(folder, f'cut{number}'))
    shutil.rmtree(folder)


def test_a_lost_flush_is_noticed():
    """The canary: a disk that forgets what it had flushed must not pass."""
    folder = subprocess.run(['mktemp', '-d'], check=True, capture_output=True,
                            text=True).stdout.strip()
    base, path, _, writers = record(folder)
    log = Log(path)
    log_bytes = log.entries[-1].end
    check(min(writer.least(log_bytes) for writer in writers) > 0, 'nothing was acknowledged')
    complaint = None
    try:
        check_cut(base, os.path.join(folder, 'store'), log_bytes, writers)
    except AssertionError as error:
        complaint = error
    check(complaint is not None, 'the disk before the load passes for the one behind it')
    shutil.rmtree(folder)


harness.main(globals())
