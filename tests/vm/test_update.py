"""Updates of a whole machine: a disk with two slots, booted by UEFI or by BIOS. A good one stays,
one that panics, hangs, breaks or is cut off goes back by itself, and the data is there each time.

Minutes of trial pass in no time where nobody talks to the machine: see LEAPING.

The versions are built for this (image/image.mk): `old` and `new` take bundles of the tests' key.
"""

import os
import random
import re
import subprocess
import time

from machine import PASSWORD, ROOT, Machine
import harness
from bundle import UPDATE, Bundle
from downloads import Downloads, cut
from harness import check, check_equal, check_in, check_status
from names import NameServer, dns_reply
from pki import Pki

harness.TEST_SECONDS_MAX = 900  # several boots through the firmware and minutes of trial

FILES = os.path.join(ROOT, 'build', 'vm')
OLD, NEW, BAD, HANGING = '0.1.0', '9.0.0', '8.0.0', '8.5.0'
TRIAL_SECONDS_MAX = 200  # a minute of health, and a busy machine
STEP_SECONDS_MAX = 200
EMAIL = 'root@example.com'
# A login takes seconds of an emulated processor else.
QUICK = ['-fw_cfg', 'name=opt/coffer/password.cost,string=4',
         '-fw_cfg', 'name=opt/coffer/rate.enabled,string=false']
# A processor of 62 million instructions per second whose clock leaps over what it waits for. Faster
# ones would wait longer: the firmware does so by counting. For trials that fail: it leaps over the
# time that the host's disk takes, too, so one that writes much may find its watchdog's end.
LEAPING = ['-icount', 'shift=4,sleep=off']


class Updating(Machine):
    """Boots from the old version's disk and has an administrator."""

    def __init__(self, kind='uefi'):
        super().__init__(kind, boot='later', data_mib=0, memory=256, extra=QUICK)
        self.boot = self.path('boot.qcow2')
        subprocess.run(['qemu-img', 'create', '-q', '-f', 'qcow2', '-F', 'raw', '-b',
                        os.path.join(FILES, 'old.raw'), self.boot], check=True)

    def start(self):
        super().start()
        if os.path.exists(self.path('has-admin')):
            return self
        token = self.wait_console(r'/setup#([A-Za-z0-9_-]{43})\s').group(1)
        reply = self.client().post('/api/v1/setup/admin', {
            'token': token, 'email': EMAIL, 'password': PASSWORD})
        check(reply.status in (200, 201), reply.text[:300])
        with open(self.path('has-admin'), 'w', encoding='utf-8'):
            return self

    def spawn_leaping(self, *more):
        """Starts it for as long as nobody talks to it."""
        usual = self.extra
        self.extra = usual + LEAPING + list(more)
        self.spawn()
        self.extra = usual

    def state(self):
        return self.login(EMAIL).get(UPDATE).data

    def version(self):
        return self.state()['running_version']

    def send(self, name):
        """Uploads and requests; the machine then ends by itself, to be started anew."""
        client = self.login(EMAIL)
        reply = Bundle(os.path.join(FILES, name)).send(client)
        check_status(reply, 200)
        reply = client.post(UPDATE + '/install', {})
        check_status(reply, 202)
        self.close_clients()

    def await_end(self):
        """The machine restarts, which ends QEMU here."""
        self.close_clients()
        self.wait_end(STEP_SECONDS_MAX)

    def power_off(self):
        self.power_button()
        self.wait_end()

    def slots(self):
        """Names of the files in both slots, read from the disk of a machine that is off."""
        raw = self.path('look.raw')
        subprocess.run(['qemu-img', 'convert', '-O', 'raw', self.boot, raw], check=True)
        found = []
        for start in (1, 17):
            listing = subprocess.run(['mdir', '-b', '-i', f'{raw}@@{start}M', '::EFI/BOOT'],
                                     check=True, capture_output=True, text=True).stdout
            found.append({os.path.basename(line) for line in listing.split()})
        os.remove(raw)
        return found


def confirmed(machine):
    machine.wait_console(f'version {NEW} has proved itself', TRIAL_SECONDS_MAX)


def confirm(machine):
    """The trial of a machine that is off, up to its good end."""
    machine.start()
    confirmed(machine)
    machine.pull_plug()
    machine.start()
    check_equal(machine.version(), NEW)


def good_update_stays(kind):
    with Updating(kind) as machine:
        ada = machine.register('ada')
        check_equal(machine.version(), OLD)
        machine.send('new.bundle')
        machine.await_end()
        check_in('an update is to be tried', machine.console(), 'the console')
        machine.start()
        check_in('is on trial', machine.console())
        data = machine.state()
        check_equal((data['running_version'], data['update']['state']), (NEW, 'installed'))
        machine.login(ada)
        confirmed(machine)
        machine.power_off()
        spare, used = machine.slots()
        used -= {'NEXT'}  # what a BIOS' loader was told, and has taken back
        check_equal((spare, used), ({'SPARE.EFI', 'VERSION'}, {'BOOTX64.EFI', 'VERSION'}))
        machine.start()  # by itself now
        check_equal(machine.version(), NEW)
        check('is on trial' not in machine.console(), 'the trial is over')
        machine.login(ada)
        reply = Bundle(os.path.join(FILES, 'bad.bundle')).begin(machine.login(EMAIL))
        check_status(reply, 409, reason='UPDATE_NOT_NEWER')


def test_good_update_stays():
    good_update_stays('uefi')


def test_good_update_stays_with_a_bios():
    good_update_stays('bios')


def goes_back(kind, name, version):
    with Updating(kind) as machine:
        ada = machine.register('ada')
        machine.send(name)
        machine.await_end()
        machine.spawn_leaping()  # the trial, which ends by itself
        machine.await_end()
        machine.start()
        check_in(f'VERSION {version} DID NOT PROVE ITSELF', machine.console())
        check_equal(machine.version(), OLD)
        machine.login(ada)
        machine.power_off()
        machine.start()
        check('DID NOT PROVE' not in machine.console(), 'told once')
        check_equal(machine.version(), OLD)


def test_update_that_panics_goes_back():
    """Its kernel finds no /init."""
    goes_back('uefi', 'bad.bundle', BAD)


def test_update_that_panics_goes_back_with_a_bios():
    goes_back('bios', 'bad.bundle', BAD)


def test_update_that_hangs_goes_back():
    """Its /init waits for ever; the kernel's watchdog does not."""
    goes_back('uefi', 'hang.bundle', HANGING)


def test_update_that_hangs_goes_back_with_a_bios():
    goes_back('bios', 'hang.bundle', HANGING)


def test_update_without_an_address_goes_back():
    """It serves, but nobody could reach it to replace it again: the trial gets no address."""
    with Updating('bios') as machine:
        machine.send('new.bundle')
        machine.await_end()
        machine.spawn_leaping('-fw_cfg', 'name=opt/coffer/ip,string=nowhere')
        machine.await_end()
        check_in('it is not healthy', machine.console())
        machine.start()
        check_in(f'VERSION {NEW} DID NOT PROVE ITSELF', machine.console())


def test_update_whose_server_fails_goes_back():
    """The trial finds a setting that stops its start."""
    with Updating() as machine:
        machine.send('new.bundle')
        machine.await_end()
        machine.extra = QUICK + ['-fw_cfg', 'name=opt/coffer/no-such-thing,string=1']
        machine.spawn()
        machine.await_end()
        check_in('did not prove itself', machine.console())
        machine.extra = QUICK
        machine.start()
        check_in(f'VERSION {NEW} DID NOT PROVE ITSELF', machine.console())
        check_equal(machine.version(), OLD)
        # And a second time, for good.
        machine.send('new.bundle')
        machine.await_end()
        confirm(machine)


def test_plug_pulled_during_upload():
    with Updating() as machine:
        client = machine.login(EMAIL)
        new = Bundle(os.path.join(FILES, 'new.bundle'))
        check_status(new.begin(client), 201)
        check_status(new.put(client, 0), 200)
        machine.pull_plug()
        machine.start()
        data = machine.state()
        check_equal((data['running_version'], data['update']['state'],
                     data['update']['parts_received']), (OLD, 'uploading', 1))


def test_plug_pulled_during_installation():
    """At random moments from the request on: after each there is one system that starts, and what
    was asked for is tried in the end."""
    seed = int(os.environ.get('TEST_SEED') or time.time())
    print(f'  TEST_SEED={seed}')
    moments = random.Random(seed)
    with Updating() as machine:
        ada = machine.register('ada')
        machine.send('new.bundle')
        for _ in range(4):
            if not under_way(machine):
                machine.send('new.bundle')  # what was cut off too late is asked for again
            time.sleep(moments.uniform(0, 2))
            machine.pull_plug()
            active = [names for names in machine.slots() if 'BOOTX64.EFI' in names]
            check_equal(len(active), 1, 'slots that start')
            machine.spawn()
        while not started(machine):
            machine.spawn()
        machine.login(ada)
        check(machine.version() in (OLD, NEW), machine.version())
        machine.pull_plug()


def test_update_by_url():
    """The guest fetches from the host (10.0.2.2 to it), by a name that our name server knows and a
    certificate of our authority: both come as settings, by fw_cfg."""
    with Updating() as machine:
        machine.power_off()
        pki = Pki(machine.folder)
        with open(os.path.join(FILES, 'new.bundle'), 'rb') as handle:
            bundle = handle.read()
        with NameServer(lambda query, is_tcp: [dns_reply(query, ['10.0.2.2'])]) as names, \
                Downloads(pki.identity('updates.example'), 'updates.example') as site:
            machine.extra = QUICK + [
                '-fw_cfg', f'name=opt/coffer/net.trust-store,file={pki.authority}',
                '-fw_cfg', f'name=opt/coffer/net.resolvers,string=10.0.2.2:{names.port}']
            machine.start()
            site.pages.update({'/bundle': bundle, '/cut': cut(bundle, len(bundle) // 2)})
            client = machine.login(EMAIL)
            check_status(client.post(UPDATE + '/fetch', {'url': site.url('/cut')}), 202)
            fetch = harness.wait_until(lambda: fetch_ended(client), 'the fetch ends', 60)
            check_equal((fetch['state'], fetch['code']), ('refused', 'CONNECTION_CLOSED'))
            check_equal(machine.version(), OLD)
            check_status(client.post(UPDATE + '/fetch', {'url': site.url('/bundle')}), 202)
            machine.await_end()
        machine.start()
        data = machine.state()
        check_equal((data['running_version'], data['update']['state'], data['fetch']['state']),
                    (NEW, 'installed', 'fetched'))
        machine.power_off()


def fetch_ended(client):
    fetch = client.get(UPDATE).data['fetch']
    return fetch if fetch['state'] != 'fetching' else None


def under_way(machine):
    """True when it installs or tries, false when it serves and has nothing to do."""
    def decided():
        is_serving = machine.serves() and is_idle(machine)
        # Behind the question, which waits for a machine that is still starting.
        if re.search('waits for its installation|is on trial', machine.console()):
            return 'under way'
        return 'idle' if is_serving else None
    return harness.wait_until(decided, 'serves or installs', STEP_SECONDS_MAX) == 'under way'


def is_idle(machine):
    try:
        return machine.state()['update']['state'] != 'requested'
    except (AssertionError, OSError):
        return False  # it is about to end


def started(machine):
    """True when it serves for good, false when it has restarted for the update first."""
    def decided():
        if not machine.is_running():
            return 'ended'
        if not machine.serves():
            return None
        is_trial = 'is on trial' in machine.console()
        return 'serves' if is_trial or is_idle(machine) else None
    return harness.wait_until(decided, 'serves or ends', STEP_SECONDS_MAX) == 'serves'


def test_plug_pulled_in_the_trial_and_behind_it():
    with Updating() as machine:
        ada = machine.register('ada')
        machine.send('new.bundle')
        machine.await_end()
        machine.start()
        check_equal(machine.version(), NEW)
        machine.pull_plug()
        machine.start()
        check_in(f'VERSION {NEW} DID NOT PROVE ITSELF', machine.console())
        check_equal(machine.version(), OLD)
        machine.login(ada)
        machine.send('new.bundle')
        machine.await_end()
        confirm(machine)
        machine.login(ada)


harness.main(globals())
