"""README's walk through the appliance is true: its blocks are run as they stand, in a copy of this
folder, with what a person does in between: open a second terminal, read the link on the console,
change the version, press Ctrl-C.

A block under `<!-- vm: NAME -->` is a shell script. A line `#> TEXT` says that TEXT is in what it
prints, or will be, if it is one that goes on.
"""

import os
import re
import shutil
import signal
import subprocess
import tempfile

from machine import BOOT_SECONDS_MAX, ROOT, STOP_SECONDS_MAX
import harness
from client import Client
from harness import check, check_equal, check_in, wait_until
from server import free_port

harness.TEST_SECONDS_MAX = 1200

BUILD_SECONDS_MAX = 900
TRIAL_SECONDS_MAX = 200
NEWER = '0.9.0'
EMAIL, PASSWORD = 'root@example.com', 'Correct-Horse-42'

with open(os.path.join(ROOT, 'README.md'), encoding='utf-8') as file:
    BLOCKS = dict(re.findall(r'^<!-- vm: (\w+) -->\n```sh\n(.*?)^```$', file.read(),
                             re.MULTILINE | re.S))


class Walk:
    """A copy of the sources that uses the objects of this folder: what is the same is not compiled
    again."""

    def __init__(self):
        self.port = free_port()
        self.folder = tempfile.mkdtemp(prefix='coffer-walk-')
        self.environment = {**os.environ, 'PORT': str(self.port)}
        self.vm = None
        self.left = set(BLOCKS)
        files = subprocess.run(['git', 'ls-files', '-z'], cwd=ROOT, check=True,
                               capture_output=True, text=True).stdout.split('\0')
        for name in filter(None, files):
            os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
            shutil.copy2(os.path.join(ROOT, name), self.path(name))
        os.mkdir(self.path('build'))
        for name in ('kernel', 'vendor'):
            os.symlink(os.path.join(ROOT, 'build', name), self.path(f'build/{name}'))
        for name in ('release', 'arm64'):
            if os.path.exists(os.path.join(ROOT, 'build', name)):
                shutil.copytree(os.path.join(ROOT, 'build', name), self.path(f'build/{name}'))

    def path(self, name):
        return os.path.join(self.folder, name)

    def block(self, name):
        """(script, [promised text]); the port is this test's."""
        self.left.remove(name)
        script = BLOCKS[name].replace('localhost:8443', f'localhost:{self.port}')
        return script, re.findall(r'^#> (.*)$', script, re.MULTILINE)

    def run(self, name, **variables):
        script, promised = self.block(name)
        done = subprocess.run(['sh', '-eu', '-c', script], cwd=self.folder,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False,
                              timeout=BUILD_SECONDS_MAX, env={**self.environment, **variables})
        check_equal(done.returncode, 0, f'{name}: {done.stdout[-2000:]}')
        for text in promised:
            check_in(text, done.stdout, name)

    # ---- the other terminal ----

    def console(self):
        with open(self.path('console'), encoding='utf-8', errors='replace') as console:
            return console.read()

    def wait_console(self, pattern, seconds=BOOT_SECONDS_MAX):
        def said():
            check(self.vm.poll() is None, f'the machine has ended:\n{self.console()[-2000:]}')
            return re.search(pattern, self.console())
        return wait_until(said, f'the console says {pattern}', seconds)

    def boot(self, name):
        """The block goes on while others are run."""
        script, promised = self.block(name)
        with open(self.path('console'), 'wb') as console:
            self.vm = subprocess.Popen(['sh', '-eu', '-c', script], cwd=self.folder,
                                       stdin=subprocess.DEVNULL, stdout=console,
                                       stderr=subprocess.STDOUT, env=self.environment,
                                       start_new_session=True)
        for text in promised:
            self.wait_console(re.escape(text))
        self.wait_console('serves https')

    def press_ctrl_c(self):
        """A terminal tells all processes of its foreground."""
        os.killpg(self.vm.pid, signal.SIGINT)
        self.vm.wait(STOP_SECONDS_MAX)
        check_in('power button: stopping', self.console())
        check_in('switching off', self.console())

    def end(self):
        if self.vm and self.vm.poll() is None:
            os.killpg(self.vm.pid, signal.SIGTERM)  # the button
            os.killpg(self.vm.pid, signal.SIGTERM)  # the plug
        shutil.rmtree(self.folder, ignore_errors=True)


def version_raise(walk):
    with open(walk.path('src/base/version.h'), encoding='utf-8') as header:
        text = header.read()
    with open(walk.path('src/base/version.h'), 'w', encoding='utf-8') as header:
        header.write(re.sub(r'(COFFER_VERSION) "[^"]*"', rf'\1 "{NEWER}"', text))


def running_version(walk):
    client = Client('127.0.0.1', walk.port)
    reply = client.post('/api/v1/auth/login', {'email': EMAIL, 'password': PASSWORD})
    check_equal(reply.status, 200, reply.text[:300])
    reply = client.get('/api/v1/admin/appliance/update', token=reply.data['token'])
    return reply.data['running_version']


def test_the_walk():
    walk = Walk()
    try:
        walk.run('build')
        walk.boot('boot')
        walk.run('reach', SETUP=walk.wait_console(r'/setup#([A-Za-z0-9_-]{43})\s').group(1))
        version_raise(walk)
        walk.run('update')
        walk.wait_console(f'version {NEWER} has proved itself', TRIAL_SECONDS_MAX)
        walk.press_ctrl_c()
        walk.run('move')
        walk.boot('boot_elsewhere')
        check_equal(running_version(walk), NEWER)
        walk.press_ctrl_c()
        check_equal(walk.left, set(), 'blocks not run')
    finally:
        walk.end()


harness.main(globals())
