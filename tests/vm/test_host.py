"""What the host does to a machine: a kernel panic leaves its reason for the next run, and copies of
one snapshot go different ways."""

import shutil
import subprocess

from machine import PASSWORD, Machine, image
import harness
from harness import check, check_equal, check_in, wait_until

harness.TEST_SECONDS_MAX = 600

APPEND = 'coffer.password.cost=4 coffer.rate.enabled=false'
SAVE_SECONDS_MAX = 120


def test_panic_is_told_by_the_next_run():
    """The host's interrupt (NMI) makes the kernel panic; it restarts by itself and says why."""
    machine = Machine('q35', append=APPEND + ' unknown_nmi_panic',
                      extra=['-action', 'reboot=reset'])
    with machine:
        email = machine.register('ada')
        machine.close_clients()
        machine.qmp('inject-nmi')
        machine.wait_console('THE KERNEL OF THE LAST RUN PANICKED')
        machine.wait_console('ended without a word')
        machine.wait('serves', machine.serves)
        machine.login(email)
        machine.power_button()
        machine.wait_end()
        kept = subprocess.run(['debugfs', '-R', 'cat /last-panic', machine.data], check=True,
                              capture_output=True, text=True).stdout
        check_in('Kernel panic', kept)
        machine.start()
        check('PANICKED' not in machine.console(), 'told twice')


def migrated(machine):
    return machine.qmp('query-migrate').get('status') == 'completed'


def test_copies_of_a_snapshot_draw_different_numbers():
    """Two machines from the same memory, with another generation each (VMGENID)."""
    # Not q35: the firmware there does not know the device.
    first = Machine('bios', kernel=image('bzImage'), append=APPEND)
    disk = first.data
    state = first.path('state')
    first.extra = ['-device', 'vmgenid,guid=auto']
    with first:
        email = first.register('ada')
        first.close_clients()
        first.qmp('stop')
        first.qmp('migrate', uri=f'exec:cat > {state}')
        wait_until(lambda: migrated(first), 'saved', SAVE_SECONDS_MAX)
        first.pull_plug()
        saved = first.path('saved.raw')
        shutil.copy(disk, saved)
        drawn = []
        for _ in range(2):
            shutil.copy(saved, disk)
            first.extra = ['-device', 'vmgenid,guid=auto', '-incoming', f'exec:cat {state}']
            first.spawn()
            wait_until(lambda: first.qmp('query-status')['status'] in ('paused', 'running'),
                       'restored', SAVE_SECONDS_MAX)
            first.qmp('cont')
            first.wait('serves', first.serves)
            client = first.client()
            reply = client.post('/api/v1/auth/login', {'email': email, 'password': PASSWORD})
            check_equal(reply.status, 200, reply.text[:300])
            drawn.append((reply.data['token'], reply.data['refresh_token']))
            first.pull_plug()
        check_equal(len({*drawn[0], *drawn[1]}), 4, 'different tokens')


harness.main(globals())
