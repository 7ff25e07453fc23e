"""What the appliance weighs, how many instructions the kernel needs to start it, and that building
it twice gives the same bytes."""

import hashlib
import json
import os
import subprocess
import tempfile

from machine import IMAGE, ROOT, Machine, image
import harness
from harness import check, check_equal

MEGABYTE = 1000 * 1000
DIRECT_BOOT_BYTES_MAX = 4 * MEGABYTE
CONTAINER_BYTES_MAX = 2 * MEGABYTE
# Reset to /init; idle time counts. See tests/vm/count_init.c.
INSTRUCTIONS_MAX = {'microvm': 30_000_000, 'q35': 45_000_000}


def test_kernel_with_server_is_small():
    size = os.path.getsize(image('coffer.efi'))
    print(f'  kernel with server: {size} bytes')
    check(size <= DIRECT_BOOT_BYTES_MAX, f'coffer.efi has {size} bytes')


def test_containers_are_small():
    for name in ('coffer-oci-amd64.tar', 'coffer-oci-arm64.tar'):
        size = os.path.getsize(image(name))
        print(f'  {name}: {size} bytes')
        check(size <= CONTAINER_BYTES_MAX, f'{name} has {size} bytes')


def test_boot_instructions():
    """The kernel's work before /init, with an initramfs as large as the real one. No data disk:
    waiting for the host's disk would count as time that passes."""
    with tempfile.TemporaryDirectory() as folder:
        program = os.path.join(folder, 'count')
        subprocess.run(['musl-gcc', '-O2', '-static', '-s', '-o', program,
                        os.path.join(ROOT, 'tests/vm/count_init.c')], check=True)
        initrd = os.path.join(folder, 'count.cpio')
        subprocess.run([os.path.join(ROOT, 'image/initramfs'), program, initrd,
                        'coffer=' + os.path.join(ROOT, 'build/coffer')], check=True)
        for kind, limit in INSTRUCTIONS_MAX.items():
            counts = []
            for kernel in ('vmlinux', 'vmlinux-mmio') if kind == 'microvm' else ('vmlinux',):
                machine = Machine(kind, kernel=image(kernel), initrd=initrd, data_mib=0,
                                  is_counting=True)
                machine.spawn()
                found = machine.wait_console(r'reached /init after (\d+)')
                machine.pull_plug()
                counts.append((int(found.group(1)), kernel))
                print(f'  {kind} {kernel}: {int(found.group(1)) / 1e6:.1f} M instructions')
            check(max(counts)[0] <= limit, f'{kind}: {counts}, at most {limit}')


def test_sums_and_bill_of_materials():
    subprocess.run(['sha256sum', '--check', '--quiet', 'SHA256SUMS'], cwd=IMAGE, check=True)
    with open(image('coffer.spdx.json'), encoding='utf-8') as handle:
        bill = json.load(handle)
    check_equal(bill['spdxVersion'], 'SPDX-2.3')
    names = {package['name'] for package in bill['packages']}
    for name in ('coffer', 'bearssl', 'lmdb', 'yyjson', 'zlib', 'musl', 'libgcc', 'musl-arm64',
                 'libgcc-arm64', 'linux', 'grub'):
        check(name in names, f'{name} is missing')
    for package in bill['packages']:
        check(package['versionInfo'] and package['licenseDeclared'], f'{package} lacks something')
    known = {entry['SPDXID'] for entry in bill['packages'] + bill['files']} | {'SPDXRef-DOCUMENT'}
    for relation in bill['relationships']:
        check(relation['spdxElementId'] in known and relation['relatedSpdxElement'] in known,
              f'{relation} names the unknown')
    for entry in bill['files']:
        with open(image(entry['fileName']), 'rb') as handle:
            found = hashlib.sha256(handle.read()).hexdigest()
        check_equal(entry['checksums'][1]['checksumValue'], found, entry['fileName'])


def test_same_bytes_again():
    """Everything that is made around the kernel, made once more elsewhere."""
    environment = {**os.environ, 'SOURCE_DATE_EPOCH': str(image_date())}
    with tempfile.TemporaryDirectory() as folder:
        steps = {
            'coffer.cpio': ['image/initramfs', 'build/coffer'],
            'loader-disk.bin': ['image/loader', 'disk'],
            'loader-medium.bin': ['image/loader', 'medium'],
            'coffer.raw': ['image/disk', image('coffer.efi'), version(), image('loader-disk.bin')],
            'coffer.iso': ['image/iso', image('coffer.efi'), image('loader-medium.bin')],
        }
        for name, command in steps.items():
            out = os.path.join(folder, name)
            subprocess.run(command + [out], cwd=ROOT, env=environment, check=True)
            check_equal(subprocess.run(['cmp', out, image(name)]).returncode, 0, name)


def version():
    done = subprocess.run([os.path.join(ROOT, 'build/coffer'), 'version'], check=True,
                          capture_output=True, text=True)
    return done.stdout.split()[1]


def image_date():
    """The date that the images carry: the Makefile's, told by the bill of materials."""
    with open(image('coffer.spdx.json'), encoding='utf-8') as handle:
        created = json.load(handle)['creationInfo']['created']
    return int(subprocess.run(['date', '-u', '-d', created, '+%s'], check=True,
                              capture_output=True, text=True).stdout)


harness.main(globals())
