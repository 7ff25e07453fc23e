"""The container image: read by other people's tools, and run by a real runtime where the machine
permits (crun; needs root and a mount namespace of its own)."""

import filecmp
import json
import os
import shutil
import subprocess
import tempfile
import time

from machine import IMAGE, ROOT, image
import harness
from harness import Skipped, check, check_equal, check_in, wait_until
from server import free_port

VERSION_LABEL = 'org.opencontainers.image.version'
USER = 65532
PROGRAMS = {'amd64': os.path.join(ROOT, 'build/coffer'),
            'arm64': os.path.join(ROOT, 'build/arm64/coffer')}
CONTAINER_SECONDS_MAX = 60


def tool(*command, **options):
    return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout


def layout():
    """Of all architectures; `-amd64` behind it is that one alone."""
    with open(os.path.join(IMAGE, 'coffer-oci', 'index.json'), encoding='utf-8') as handle:
        version = json.load(handle)['manifests'][0]['annotations'][
            'org.opencontainers.image.ref.name']
    return os.path.join(IMAGE, 'coffer-oci') + ':' + version


def test_skopeo_reads_layout_and_archive():
    for architecture in ('amd64', 'arm64'):
        for name in ('oci:' + layout(), f'oci:{layout()}-{architecture}',
                     'docker-archive:' + image(f'coffer-oci-{architecture}.tar')):
            found = json.loads(tool('skopeo', '--override-arch', architecture, 'inspect', name))
            check_equal((found['Architecture'], found['Os'], len(found['Layers'])),
                        (architecture, 'linux', 1), name)
            check(found['Labels'][VERSION_LABEL], 'no version')
    config = json.loads(tool('skopeo', 'inspect', '--config', 'oci:' + layout()))['config']
    check_equal(config['User'], f'{USER}:{USER}', 'user')
    check_equal(config['Entrypoint'], ['/coffer'], 'entry point')


def test_skopeo_copies():
    """Copying checks every digest."""
    with tempfile.TemporaryDirectory() as folder:
        tool('skopeo', 'copy', '--all', '--insecure-policy', 'oci:' + layout(), 'dir:' + folder)
        check_in('manifest.json', os.listdir(folder))


def unpacked(folder, architecture='amd64'):
    """An OCI bundle of the image."""
    bundle = os.path.join(folder, 'bundle-' + architecture)
    tool('umoci', 'unpack', '--image', f'{layout()}-{architecture}', bundle)
    return bundle


def test_umoci_unpacks_one_file():
    with tempfile.TemporaryDirectory() as folder:
        for architecture, program in PROGRAMS.items():
            root = os.path.join(unpacked(folder, architecture), 'rootfs')
            files = sorted(os.path.relpath(os.path.join(where, name), root)
                           for where, _, names in os.walk(root) for name in names)
            check_equal(files, ['coffer', 'etc/ssl/certs/ca-certificates.crt'])
            check(filecmp.cmp(os.path.join(root, 'coffer'), program, shallow=False), program)
            check_equal(os.stat(os.path.join(root, 'data')).st_uid, USER, 'owner of /data')


def bundle_tighten(bundle, port, data):
    """Read-only root, no capability, the host's network, a folder of the host as volume."""
    path = os.path.join(bundle, 'config.json')
    with open(path, encoding='utf-8') as handle:
        config = json.load(handle)
    process = config['process']
    process['terminal'] = False
    process['args'] = [word.replace(':8443', f':{port}') for word in process['args']]
    process['capabilities'] = {kind: [] for kind in process['capabilities']}
    process['rlimits'] = [{'type': 'RLIMIT_NOFILE', 'hard': 20000, 'soft': 20000}]
    config['root']['readonly'] = True
    spaces = config['linux']['namespaces']
    config['linux']['namespaces'] = [space for space in spaces if space['type'] != 'network']
    config['linux'].pop('resources', None)
    unwanted = ('/data', '/sys', '/sys/fs/cgroup')
    config['mounts'] = [mount for mount in config['mounts'] if mount['destination'] not in unwanted]
    config['mounts'].append({'destination': '/data', 'type': 'bind', 'source': data,
                             'options': ['rbind', 'rw']})
    with open(path, 'w', encoding='utf-8') as handle:
        json.dump(config, handle)


def crun(bundle, folder, *arguments):
    """crun wants one clean cgroup hierarchy; a mount namespace gives it one."""
    script = ('mount --make-rprivate / && umount -R /sys/fs/cgroup; '
              'mount -t cgroup2 none /sys/fs/cgroup && exec crun --cgroup-manager=disabled '
              '--root "$0" "$@"')
    return ['unshare', '-m', 'sh', '-c', script, os.path.join(folder, 'state'), *arguments]


def test_crun_runs_it():
    """Serves, says it is healthy, stops at SIGTERM."""
    if os.geteuid() != 0:
        raise Skipped('crun needs root here')
    folder = tempfile.mkdtemp(prefix='coffer-oci-')
    bundle = unpacked(folder)
    data = os.path.join(folder, 'data')
    os.mkdir(data, 0o700)
    os.chown(data, USER, USER)
    port = free_port()
    bundle_tighten(bundle, port, data)
    log_path = os.path.join(folder, 'log')
    with open(log_path, 'wb') as log:
        runtime = subprocess.Popen(crun(bundle, folder, 'run', '--bundle', bundle, 'coffer-test'),
                                   stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        program = os.path.join(bundle, 'rootfs', 'coffer')
        url = f'https://127.0.0.1:{port}/health'
        started = time.monotonic()

        def is_healthy():
            if runtime.poll() is not None:
                with open(log_path, encoding='utf-8', errors='replace') as log:
                    text = log.read()
                if 'rootfs' in text or 'mount' in text or 'cgroup' in text:
                    raise Skipped('crun cannot run a container here: ' + text[-300:].strip())
                raise AssertionError('the container ended:\n' + text[-2000:])
            return subprocess.run([program, 'health', url], capture_output=True).returncode == 0

        wait_until(is_healthy, 'healthy', CONTAINER_SECONDS_MAX)
        print(f'  crun: healthy after {time.monotonic() - started:.2f} s')
        check_equal(os.stat(os.path.join(data, 'store')).st_uid, USER, 'owner of the store')
        tool(*crun(bundle, folder, 'kill', 'coffer-test', 'TERM'))
        check_equal(runtime.wait(CONTAINER_SECONDS_MAX), 0, 'exit code')
    finally:
        if runtime.poll() is None:
            runtime.kill()
            runtime.wait()
        shutil.rmtree(folder, ignore_errors=True)


def test_unhealthy_is_told():
    """The subcommand of the health check does not call a closed port healthy."""
    with tempfile.TemporaryDirectory() as folder:
        program = os.path.join(unpacked(folder), 'rootfs', 'coffer')
        url = f'https://127.0.0.1:{free_port()}/health'
        code = subprocess.run([program, 'health', url], capture_output=True).returncode
        check(code != 0, 'a closed port is healthy')


harness.main(globals())
