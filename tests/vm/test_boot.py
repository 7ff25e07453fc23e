"""The appliance in each of its forms: it serves HTTPS, an account outlives a restart, the power
button ends it in order, a pulled plug loses nothing that was acknowledged.

All of it under emulation: no test here needs KVM.
"""

import os
import shutil
import subprocess

from machine import Machine, image
import harness
from harness import check, check_equal, check_in

BUTTON = ('q35', 'uefi', 'bios', 'microvm-acpi')  # machines with ACPI


def overlay(machine, name):
    """A disk of the machine's own whose unwritten parts are the image's."""
    disk = machine.path('boot.qcow2')
    form = 'qcow2' if name.endswith('.qcow2') else 'raw'
    subprocess.run(['qemu-img', 'create', '-q', '-f', 'qcow2', '-F', form, '-b', image(name), disk],
                   check=True)
    return disk


def stop(machine):
    """By the button if there is one."""
    if machine.kind in BUTTON:
        machine.power_button()
        machine.wait_end()
        check_in('switching off', machine.console(), 'the console')
    else:
        machine.pull_plug()


def walk_through(machine):
    """Register, stop, start, log in."""
    with machine:
        email = machine.register('ada')
        machine.login(email)
        stop(machine)
        machine.start()
        machine.login(email)
        check_equal(machine.login(email).get('/api/v1/auth/me').status, 200, 'me')


def test_microvm_small_kernel():
    walk_through(Machine('microvm', kernel=image('vmlinux-mmio')))


def test_microvm_universal_kernel():
    walk_through(Machine('microvm'))


def test_microvm_acpi():
    walk_through(Machine('microvm-acpi'))


def test_q35():
    walk_through(Machine('q35'))


def test_bios_compressed_kernel():
    walk_through(Machine('bios', kernel=image('bzImage')))


def test_one_file():
    """Kernel and server in one file, without an initrd."""
    machine = Machine('bios', kernel=image('coffer.efi'))
    machine.initrd = None
    walk_through(machine)


def test_uefi_disk():
    """One disk with everything on it, by UEFI."""
    machine = Machine('uefi', boot='later', data_mib=0, memory=256)
    machine.boot = overlay(machine, 'coffer.qcow2')
    walk_through(machine)


def test_uefi_raw_disk():
    machine = Machine('uefi', boot='later', data_mib=0, memory=256)
    machine.boot = overlay(machine, 'coffer.raw')
    with machine:
        check_equal(machine.client().get('/health').status, 200, 'health')


def test_bios_disk():
    """The same disk, by a BIOS and the loader on it."""
    machine = Machine('bios', boot='later', data_mib=0)
    machine.boot = overlay(machine, 'coffer.qcow2')
    walk_through(machine)


def test_iso():
    """The medium has no data disk: that is another one."""
    walk_through(Machine('uefi', boot=image('coffer.iso'), memory=256))


def test_bios_iso_as_a_stick():
    walk_through(Machine('bios', boot=image('coffer.iso')))


def test_bios_iso_in_a_drive():
    """Behind a disk that nothing starts from, which becomes the data disk."""
    medium = f'media=cdrom,readonly=on,format=raw,file={image("coffer.iso")}'
    machine = Machine('bios', boot='later', data_mib=0, extra=[
        '-device', 'ahci,id=ahci', '-device', 'ide-cd,bus=ahci.0,drive=medium,bootindex=1',
        '-drive', f'if=none,id=medium,{medium}'])
    machine.boot = machine.path('data.raw')
    with open(machine.boot, 'wb') as disk:
        disk.truncate(1 << 30)
    walk_through(machine)

def data_mib(machine):
    """What the console says that the data has."""
    return int(machine.wait_console(r'data on vda3, (\d+) MiB').group(1))


def disk_check(machine):
    """Table and file system of a machine that is off have no fault."""
    raw = machine.path('look.raw')
    subprocess.run(['qemu-img', 'convert', '-O', 'raw', machine.boot, raw], check=True)
    said = subprocess.run(['sfdisk', '--verify', raw], check=True, capture_output=True,
                          text=True).stdout
    check_in('No errors detected', said)
    subprocess.run(['e2fsck', '-fn', f'{raw}?offset={33 << 20}'], check=True, capture_output=True)
    os.remove(raw)


def test_disk_that_was_made_larger():
    """The data has all of it, at the next start, and nothing is lost; twice, because the table
    then is where it was at first. The plug is pulled in between."""
    machine = Machine('bios', boot='later', data_mib=0)
    machine.boot = overlay(machine, 'coffer.qcow2')
    with machine:
        email = machine.register('ada')
        check_equal(data_mib(machine), 1024)
        for size in (3, 5):
            stop(machine)
            subprocess.run(['qemu-img', 'resize', '-q', machine.boot, f'{size}G'], check=True)
            machine.spawn()
            machine.wait_console('vda has grown')
            machine.pull_plug()
            machine.start()
            check_equal(data_mib(machine), size * 1024 - 34)
            machine.login(email)
        stop(machine)
        check('has grown' not in machine.console(), 'it grows again')
        disk_check(machine)


def test_data_disk_moves_to_another_machine():
    with Machine('q35') as first:
        email = first.register('ada')
        stop(first)
        second = Machine('microvm', data_mib=0)
        second.data = second.path('data.raw')
        shutil.copy(first.data, second.data)
        with second:
            second.login(email)


def test_plug_pulled():
    """What was acknowledged is there after the next boot."""
    machine = Machine('microvm')
    with machine:
        emails = []
        for number in range(3):
            emails.append(machine.register(f'user{number}'))
            machine.pull_plug()
            machine.start()
            for email in emails:
                machine.login(email)
        check('formatting' not in machine.console(), 'the disk was formatted again')


def test_settings_from_kernel_command_line():
    machine = Machine('q35', append='coffer.password.cost=4 coffer.ip=10.0.2.15/24,10.0.2.2')
    with machine:
        check_in('10.0.2.15/24', machine.console(), 'the console')
        machine.login(machine.register('ada'))


def refuses(machine):
    """An unknown name stops the start and is told, whichever way it came."""
    try:
        machine.spawn()
        machine.wait_console('no-such-thing')
        check(not machine.serves(), 'it serves')
    finally:
        machine.pull_plug()
        shutil.rmtree(machine.folder, ignore_errors=True)


def test_unknown_setting_on_kernel_command_line():
    refuses(Machine('microvm', append='coffer.no-such-thing=1'))


def test_unknown_setting_in_fw_cfg():
    """Also where no ACPI tells of fw_cfg."""
    for kind in ('microvm', 'q35'):
        refuses(Machine(kind, extra=['-fw_cfg', 'name=opt/coffer/no-such-thing,string=1']))


harness.main(globals())
