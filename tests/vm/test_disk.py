"""A data disk in trouble: none, damaged, full, one that fails; and clocks that jump. The console
says what it is, nothing is formatted that was not blank, and what was acknowledged is there
afterwards."""

import hashlib
import os
import subprocess

from machine import Machine
import harness
from harness import check, check_equal, check_in

harness.TEST_SECONDS_MAX = 600

DATA_MIB = 512
SUPERBLOCK_AT = 1024
APPEND = 'coffer.password.cost=4 coffer.rate.enabled=false'


def machine_new(**options):
    return Machine('microvm', data_mib=DATA_MIB, append=APPEND, **options)


def digest(path):
    with open(path, 'rb') as handle:
        return hashlib.file_digest(handle, 'sha256').hexdigest()


def overwrite(path, at, data):
    with open(path, 'r+b') as handle:
        handle.seek(at)
        handle.write(data)


def debugfs(machine, *requests):
    """Changes a file system that nobody has mounted, the journal replayed first."""
    subprocess.run(['e2fsck', '-y', '-E', 'journal_only', machine.data], check=False,
                   capture_output=True)
    for request in requests:
        done = subprocess.run(['debugfs', '-w', '-R', request, machine.data], check=True,
                              capture_output=True, text=True)
        check('debugfs:' not in done.stdout, done.stdout)


def refuses(machine, pattern):
    """The console says it, nobody serves, and the disk stays as it is, to the byte."""
    before = digest(machine.data) if machine.data else None
    machine.spawn()
    machine.wait_console(pattern)
    check(not machine.serves(), 'it serves')
    machine.pull_plug()
    check('formatting' not in machine.console(), 'it formats')
    if machine.data:
        check_equal(digest(machine.data), before, 'the disk')


def test_no_disk():
    machine = Machine('microvm', data_mib=0)
    refuses(machine, 'NO DATA DISK: there is no disk labelled coffer-data')


def test_damaged_superblock():
    with machine_new() as machine:
        machine.register('ada')
        machine.pull_plug()
        overwrite(machine.data, SUPERBLOCK_AT + 0x20, bytes(4))
        refuses(machine, 'NO DATA DISK: the superblock of the data disk vda is damaged')


def test_beginning_lost():
    """Not even the label is left; but it is not blank."""
    with machine_new() as machine:
        machine.register('ada')
        machine.pull_plug()
        overwrite(machine.data, 0, bytes(4 << 20))
        refuses(machine, 'NO DATA DISK: there is no disk labelled coffer-data, and none that is '
                         'blank')


def test_damaged_store():
    """The server says so and goes on trying; PID 1 stays."""
    with machine_new() as machine:
        machine.register('ada')
        machine.pull_plug()
        folder = machine.path('damaged')
        with open(folder, 'wb') as out:
            out.write(os.urandom(256 * 1024))
        debugfs(machine, 'rm /store/data.mdb', f'write {folder} /store/data.mdb')
        machine.spawn()
        machine.wait_console('the server starts again in')
        check(not machine.serves(), 'it serves')
        machine.pull_plug()
        kept = machine.path('kept')
        debugfs(machine, f'dump /store/data.mdb {kept}')
        check_equal(digest(kept), digest(folder), 'the damaged store')


def test_full_disk():
    """Writes are refused as such, reads go on; with room again everything does."""
    with machine_new() as machine:
        email = machine.register('ada')
        machine.pull_plug()
        filler = machine.path('filler')
        with open(filler, 'wb') as out:
            out.write(b'x' * ((DATA_MIB - 40) << 20))
        debugfs(machine, f'write {filler} /filler')
        os.remove(filler)
        machine.start()
        refused = None
        for number in range(200):
            reply = machine.client().post('/api/v1/auth/register', {
                'email': f'user{number}@example.com', 'password': 'Correct-Horse-42-Battery',
                'full_name': 'User'})
            if reply.status != 201:
                refused = reply
                break
        check(refused is not None, 'every write was taken')
        check_equal((refused.status, refused.error_type), (507, 'INSUFFICIENT_STORAGE'))
        check(machine.client().get('/health').status in (200, 503), 'it answers')
        check_equal(machine.client().get('/openapi.json').status, 200)
        machine.pull_plug()
        debugfs(machine, 'rm /filler')
        machine.start()
        machine.login(email)
        machine.register('later')


def failing_disk(machine, event, flushes):
    """A disk whose flushes or writes fail after that many flushes (QEMU's blkdebug)."""
    rules = ','.join(f'set-state.{index}.event=flush_to_disk,set-state.{index}.state={index + 1},'
                     f'set-state.{index}.new_state={index + 2}' for index in range(flushes))
    machine.extra = [
        '-blockdev', f'driver=blkdebug,node-name=failing,image.driver=file,'
                     f'image.filename={machine.data},{rules},inject-error.0.event=flush_to_disk,'
                     f'inject-error.0.iotype={event},inject-error.0.state={flushes + 1},'
                     f'inject-error.0.errno=5',
        '-blockdev', 'driver=raw,node-name=disk,file=failing',
        '-device', 'virtio-blk-device,drive=disk']
    machine.data = None


def check_failing(event):
    with machine_new() as machine:
        data = machine.data
        email = machine.register('ada')
        machine.pull_plug()
        failing_disk(machine, event, 60)
        machine.start()
        client = machine.login(email)
        told = 0
        for number in range(1, 1000):
            try:
                reply = client.patch('/api/v1/users/me', {'full_name': f'n{number}'})
            except OSError:
                break
            if reply.status != 200:
                break
            told = number
        check(0 < told < 999, f'{told} writes were acknowledged')
        machine.wait_console('[Ee]rror|read-only|ended')
        machine.pull_plug()
        machine.extra = []
        machine.data = data
        machine.start()
        name = machine.login(email).get('/api/v1/auth/me').data['user']['full_name']
        check(int(name[1:]) >= told, f'{name}, but {told} was acknowledged')


def test_writes_fail():
    check_failing('write')


def test_flushes_fail():
    check_failing('flush')


def test_clock_before_this_program_was_made():
    machine = machine_new(extra=['-rtc', 'base=2010-01-01T00:00:00'])
    with machine:
        check_in('THE CLOCK IS WRONG: it says 2010', machine.console())


def test_clock_jumps_back_and_far_ahead():
    """Between two boots. Whoever has an account logs in whatever the clock says."""
    with machine_new(extra=['-rtc', 'base=2027-06-01T00:00:00']) as machine:
        email = machine.register('ada')
        check('CLOCK' not in machine.console(), 'the clock is fine')
        machine.pull_plug()
        machine.extra = ['-rtc', 'base=2027-05-01T00:00:00']
        machine.start()
        check_in('but this disk was used later than that already', machine.console())
        machine.login(email)
        machine.pull_plug()
        machine.extra = ['-rtc', 'base=2060-01-01T00:00:00']
        machine.start()
        check_in('which is far in the future', machine.console())
        machine.login(email)


harness.main(globals())
