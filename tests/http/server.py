"""Starts a Coffer server in a folder of its own, talks to it, stops it, and looks at its end."""

import atexit
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time

from client import Client

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
START_SECONDS_MAX = 30
STOP_SECONDS_MAX = 30
SANITIZER_WORDS = ('AddressSanitizer', 'LeakSanitizer', 'runtime error:', 'UndefinedBehavior',
                   'CHECK failed')

ADMIN_EMAIL = 'root@example.com'
PASSWORD = 'Correct-Horse-42-Battery'


def program_path():
    return os.path.abspath(os.environ.get('COFFER_ASAN') or os.path.join(ROOT, 'build/asan/coffer'))


def release_path():
    return os.path.abspath(os.environ.get('COFFER') or os.path.join(ROOT, 'build/coffer'))


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def setting_arguments(settings):
    arguments = []
    for name, value in settings.items():
        arguments += ['--set', f'{name}={value}']
    return arguments


_started = []


def kill_forgotten():
    """A failed test leaves its server behind."""
    for process in _started:
        if process.poll() is None:
            process.kill()
            process.wait()


atexit.register(kill_forgotten)


class Server:
    """One server process at a time over one data folder."""

    DEFAULTS = {
        'password.cost': '4',  # a test that wants the real cost says so
        'sandbox': 'false',    # the leak sanitizer does not work in a cage; see test_process.py
    }

    def __init__(self, settings=None, data=None, program=None, environment=None):
        self.settings = dict(self.DEFAULTS)
        self.settings.update(settings or {})
        self.program = program or program_path()
        self.folder = tempfile.mkdtemp(prefix='coffer-http-')
        self.data = data or os.path.join(self.folder, 'data')
        self.environment = environment or {}
        self.https_port = free_port()
        self.http_port = free_port()
        self.log_path = os.path.join(self.folder, 'log')
        self.log_start = 0  # of the running process
        self.process = None
        self.admin_token = None
        self.clients = []
        self.user_count = 0

    # ---- life ----

    def command(self):
        return [self.program, 'serve', '--data', self.data,
                '--listen', f'https://127.0.0.1:{self.https_port}',
                '--listen', f'http://127.0.0.1:{self.http_port}'] + setting_arguments(self.settings)

    def spawn(self):
        """Starts the process and does not wait until it listens."""
        environment = {**clean_environment(), **self.environment}
        with open(self.log_path, 'ab') as log:
            self.log_start = log.tell()
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, env=environment, cwd=self.folder)
        _started.append(self.process)
        return self

    def start(self):
        self.spawn()
        deadline = time.monotonic() + START_SECONDS_MAX
        while not self.listens():
            if self.process.poll() is not None:
                raise AssertionError(f'the server ended with {self.process.returncode} at its '
                                     f'start:\n{self.log()[-3000:]}')
            if time.monotonic() > deadline:
                self.process.kill()
                raise AssertionError(f'the server does not listen:\n{self.log()[-3000:]}')
            time.sleep(0.01)
        return self

    def listens(self):
        """Does it serve? (The sockets are open before the store is.)"""
        try:
            with socket.create_connection(('127.0.0.1', self.http_port), timeout=5) as connection:
                connection.sendall(b'GET /health HTTP/1.1\r\nHost: localhost\r\n'
                                   b'Connection: close\r\n\r\n')
                return connection.recv(4096).startswith(b'HTTP/1.1 200 ')
        except OSError:
            return False

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def log(self):
        try:
            with open(self.log_path, 'rb') as log:
                return log.read().decode('utf-8', 'replace')
        except FileNotFoundError:
            return ''

    def signal(self, number):
        self.process.send_signal(number)

    def finish(self):
        """SIGTERM; returns what was wrong with the end, in sentences."""
        self.close_clients()
        if self.process is None:
            return []
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        complaints = []
        try:
            self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            complaints.append(f'does not stop within {STOP_SECONDS_MAX} s of SIGTERM')
        if self.process.returncode != 0:
            complaints.append(f'exit code {self.process.returncode} after SIGTERM')
        log = self.log()
        if any(word in log for word in SANITIZER_WORDS) or complaints:
            complaints.append('log ends with:\n' + log[-4000:])
        self.process = None
        return complaints

    def stop(self):
        """finish(), and the folder goes when nothing was wrong."""
        complaints = self.finish()
        if not complaints:
            shutil.rmtree(self.folder, ignore_errors=True)
        return complaints

    def restart(self):
        complaints = self.finish()
        if complaints:
            raise AssertionError('; '.join(complaints))
        return self.start()

    def kill(self):
        """As the plug pulled, for the process."""
        self.close_clients()
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, value, trace):
        complaints = self.stop()
        if complaints and kind is None:
            raise AssertionError('; '.join(complaints))

    def run(self, *arguments, **options):
        """The same program as a command-line tool, on this server's data."""
        return run_program(self.program, *arguments, cwd=self.folder, **options)

    # ---- talking ----

    def client(self, token=None, is_plain=False, address=None, headers=None):
        """A client with one kept-alive connection. `address` pretends to be a proxy's customer."""
        client = Client('127.0.0.1', self.http_port if is_plain else self.https_port,
                        is_tls=not is_plain, token=token, headers=headers)
        if address is not None:
            client.headers['X-Forwarded-For'] = address
        self.clients.append(client)
        return client

    def close_clients(self):
        for client in self.clients:
            client.close()
        self.clients = []

    def connect(self, is_plain=True, timeout=15.0):
        """A bare socket, through TLS or not."""
        port = self.http_port if is_plain else self.https_port
        connection = socket.create_connection(('127.0.0.1', port), timeout=timeout)
        return connection if is_plain else tls_context().wrap_socket(connection)

    def user(self, **fields):
        """Registers somebody new and returns a client with her token; .user, .email, .reply."""
        self.user_count += 1
        body = {'email': f'user{self.user_count}-{self.https_port}@example.com',
                'password': PASSWORD, 'full_name': f'User {self.user_count}'}
        body.update(fields)
        client = self.client()
        client.reply = client.post('/api/v1/auth/register', body)
        if client.reply.status != 201:
            raise AssertionError(f'register: {client.reply.status} {client.reply.text[:600]}')
        client.token = client.reply.data['token']
        client.user = client.reply.data['user']
        client.email = body['email']
        client.password = body['password']
        return client

    def setup_token(self):
        """The one-time token that the last start printed."""
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:  # it listens before it says so
            found = re.findall(r'/setup#([A-Za-z0-9_-]{43})\s', self.log()[self.log_start:])
            if found:
                return found[-1]
            if time.monotonic() > deadline:
                raise AssertionError('no setup token in the log:\n' + self.log()[-2000:])
            time.sleep(0.01)

    def admin(self):
        """A client of the first administrator, made with the setup token when there is none."""
        client = self.client()
        if self.admin_token is None:
            reply = client.post('/api/v1/setup/admin', {
                'token': self.setup_token(), 'email': ADMIN_EMAIL, 'password': PASSWORD})
            if reply.status not in (200, 201):
                raise AssertionError(f'setup: {reply.status} {reply.text[:600]}')
            self.admin_token = self.login(ADMIN_EMAIL).data['token']
        client.token = self.admin_token
        return client

    def login(self, email, password=PASSWORD, client=None, **fields):
        body = {'email': email, 'password': password}
        body.update(fields)
        return (client or self.client()).post('/api/v1/auth/login', body, token='')


def clean_environment():
    """Ours less COFFER_*: those are settings of the server, and it refuses unknown ones."""
    return {name: value for name, value in os.environ.items()
            if name != 'COFFER' and not name.startswith('COFFER_')}


def run_program(program, *arguments, timeout=30, **options):
    return subprocess.run([program, *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=timeout, env=clean_environment(), **options)


def tls_context(alpn=('http/1.1',), ciphers=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if ciphers:
        context.set_ciphers(ciphers)
    return context
