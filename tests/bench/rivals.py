"""The other servers of the benchmark, and the tools that drive all of them."""

import os
import pwd
import re
import shutil
import socket
import subprocess
import time

SERVER_CORE = '0'
CLIENT_CORE = '1'
POSTGRES_BIN = '/usr/lib/postgresql/15/bin'
TICKS_PER_SECOND = os.sysconf('SC_CLK_TCK')


def pinned(core, *command):
    return ['taskset', '-c', core, *command]


def wait_for_port(port, process, seconds=20):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f'ended with {process.returncode}: {process.args}')
        try:
            socket.create_connection(('127.0.0.1', port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.01)
    raise RuntimeError(f'nobody listens on port {port}')


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def cpu_seconds(pids):
    """Processor time of processes so far (schedstat: nanoseconds on a processor)."""
    total = 0
    for pid in pids:
        with open(f'/proc/{pid}/schedstat', encoding='ascii') as stat:
            total += int(stat.read().split()[0])
    return total / 1e9


def children_of(pid):
    with open(f'/proc/{pid}/task/{pid}/children', encoding='ascii') as children:
        return [int(child) for child in children.read().split()]


def rss_bytes(pid):
    with open(f'/proc/{pid}/status', encoding='ascii') as status:
        for line in status:
            if line.startswith('VmRSS:'):
                return int(line.split()[1]) * 1024
    return 0


# ---- nginx ----

NGINX_CONFIG = """
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
user root;
events {{ worker_connections 20000; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    {cache}
    keepalive_requests 100000000;
    keepalive_timeout 3600;
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
    uwsgi_temp_path {folder}; scgi_temp_path {folder};
    server {{
        listen 127.0.0.1:{port} ssl backlog=4096;
        ssl_certificate {folder}/cert.pem;
        ssl_certificate_key {folder}/key.pem;
        ssl_protocols TLSv1.2;
        ssl_ciphers {cipher};
        ssl_ecdh_curve {curve};
        ssl_session_cache shared:bench:10m;
        ssl_session_tickets off;
        root {folder}/www;
        default_type application/json;
    }}
}}
"""


class Nginx:
    """One worker, a P-256 certificate, a 200-byte static file."""

    def __init__(self, folder, cipher, curve, has_file_cache=False):
        self.port = free_port()
        self.folder = os.path.join(folder, f'nginx-{self.port}')
        os.makedirs(os.path.join(self.folder, 'www'))
        with open(os.path.join(self.folder, 'www/me'), 'wb') as file:
            file.write(b'{"' + b'x' * 196 + b'"}')
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
                        'ec_paramgen_curve:P-256', '-nodes', '-keyout', f'{self.folder}/key.pem',
                        '-out', f'{self.folder}/cert.pem', '-days', '30', '-subj', '/CN=localhost'],
                       check=True, capture_output=True)
        cache = 'open_file_cache max=100;' if has_file_cache else ''
        config = NGINX_CONFIG.format(folder=self.folder, port=self.port, cipher=cipher, curve=curve,
                                     cache=cache)
        with open(os.path.join(self.folder, 'nginx.conf'), 'w', encoding='ascii') as file:
            file.write(config)
        self.process = subprocess.Popen(
            pinned(SERVER_CORE, 'nginx', '-c', f'{self.folder}/nginx.conf', '-p', self.folder),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for_port(self.port, self.process)

    def pids(self):
        return children_of(self.process.pid)

    def stop(self):
        self.process.terminate()
        self.process.wait()


# ---- PostgreSQL ----

INSERT = """\\set user random(1, 100000)
INSERT INTO changes (user_id, full_name, updated_at) VALUES (:user, 'Somebody Else', now());
"""


def unprivileged_user():
    """PostgreSQL refuses root."""
    for name in ('postgres', 'nobody'):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            pass
    raise RuntimeError('neither user postgres nor nobody')


class Postgres:
    """PostgreSQL 15 as initdb sets it up (fsync and synchronous_commit on), Unix socket only."""

    def __init__(self, folder):
        self.folder = os.path.join(folder, 'postgres')
        self.user = unprivileged_user()
        os.makedirs(self.folder)
        os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)
        data = os.path.join(self.folder, 'data')
        self.run(f'{POSTGRES_BIN}/initdb', '-D', data, '-A', 'trust', '-U', 'bench',
                 '--no-sync', '-E', 'UTF8', '--locale', 'C')
        self.log = open(os.path.join(self.folder, 'log'), 'wb')
        self.process = subprocess.Popen(
            pinned(SERVER_CORE, *self.as_user(
                f'{POSTGRES_BIN}/postgres', '-D', data, '-k', self.folder, '-c',
                'listen_addresses=', '-c', 'max_connections=300')),
            stdout=self.log, stderr=self.log)
        self.wait_ready()
        self.sql('CREATE TABLE changes (id bigserial PRIMARY KEY, user_id bigint, full_name text, '
                 'updated_at timestamptz)')
        for name in ('fsync', 'synchronous_commit'):
            if self.sql(f'SHOW {name}').strip() != 'on':
                raise RuntimeError(f'{name} is off')
        self.script = os.path.join(self.folder, 'insert.sql')
        with open(self.script, 'w', encoding='ascii') as file:
            file.write(INSERT)
        os.chmod(self.script, 0o644)

    def as_user(self, *command):
        if os.getuid() != 0:
            return list(command)
        return ['setpriv', f'--reuid={self.user.pw_uid}', f'--regid={self.user.pw_gid}',
                '--clear-groups', *command]

    def run(self, *command):
        done = subprocess.run(self.as_user(*command), capture_output=True, text=True,
                              cwd=self.folder, timeout=120)
        if done.returncode != 0:
            raise RuntimeError(f'{command}: {done.stdout}{done.stderr}')
        return done.stdout

    def sql(self, text):
        return self.run(f'{POSTGRES_BIN}/psql', '-h', self.folder, '-U', 'bench', '-d', 'postgres',
                        '-Atqc', text)

    def wait_ready(self, seconds=30):
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.sql('SELECT 1')
                return
            except RuntimeError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise
                time.sleep(0.05)

    def inserts_per_second(self, clients, seconds):
        """pgbench, prepared statements, one thread for all clients, from the other core."""
        for _attempt in range(3):  # a busy disk may not let one transaction through in time
            output = subprocess.run(
                pinned(CLIENT_CORE, *self.as_user(
                    f'{POSTGRES_BIN}/pgbench', '-h', self.folder, '-U', 'bench', '-n', '-M',
                    'prepared', '-c', str(clients), '-j', '1', '-T', str(seconds), '-f',
                    self.script, 'postgres')),
                capture_output=True, text=True, cwd=self.folder, timeout=seconds + 60)
            found = re.search(r'tps = ([0-9.]+)', output.stdout)
            if found is not None:
                return float(found.group(1))
        raise RuntimeError(f'pgbench: {output.stdout}{output.stderr}')

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


# ---- tools ----

def milliseconds(text):
    number, unit = re.fullmatch(r'([0-9.]+)(us|ms|s|m)', text).groups()
    return float(number) * {'us': 0.001, 'ms': 1, 's': 1000, 'm': 60000}[unit]


def wrk_start(url, connections, seconds, token=None, script=None, environment=None):
    command = ['wrk', '-t1', f'-c{connections}', f'-d{seconds}s', '--latency', '--timeout', '20s']
    if token:
        command += ['-H', f'Authorization: Bearer {token}']
    if script:
        command += ['-s', script]
    return subprocess.Popen(pinned(CLIENT_CORE, *command, url), stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True,
                            env={**os.environ, **(environment or {})})


def wrk_finish(process):
    """{rate, p50, p99 (ms)}; any reply but 2xx is an error."""
    output = process.communicate(timeout=120)[0]
    if process.returncode != 0 or 'Non-2xx' in output or 'Requests/sec' not in output:
        raise RuntimeError(f'wrk: {output}')
    errors = re.search(r'Socket errors: .*', output)
    if errors and not re.search(r'connect 0, read 0, write 0', errors.group(0)):
        raise RuntimeError(errors.group(0))
    return {
        'rate': float(re.search(r'Requests/sec:\s+([0-9.]+)', output).group(1)),
        'count': int(re.search(r'(\d+) requests in', output).group(1)),
        'p50': milliseconds(re.search(r'^\s+50%\s+(\S+)$', output, re.MULTILINE).group(1)),
        'p99': milliseconds(re.search(r'^\s+99%\s+(\S+)$', output, re.MULTILINE).group(1)),
    }


def wrk(*arguments, **options):
    return wrk_finish(wrk_start(*arguments, **options))


def handshakes(port, is_resumed, seconds, cipher):
    """openssl s_time; handshakes in all and per wall-clock second."""
    output = subprocess.run(
        pinned(CLIENT_CORE, 'openssl', 's_time', '-connect', f'127.0.0.1:{port}', '-tls1_2',
               '-cipher', cipher, '-reuse' if is_resumed else '-new', '-time', str(seconds)),
        capture_output=True, text=True, timeout=seconds + 60).stdout
    found = re.findall(r'(\d+) connections in (\d+) real seconds', output)
    if not found:
        raise RuntimeError(f's_time: {output}')
    count, real = found[-1]
    return int(count), int(count) / max(1, int(real))


def flushes_per_second(folder, seconds=1.0):
    """The disk's own rate of small overwrites made durable, one after the other."""
    path = os.path.join(folder, 'flush')
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    os.write(descriptor, b'\0' * (1 << 20))
    os.fsync(descriptor)
    count, began = 0, time.monotonic()
    while time.monotonic() - began < seconds:
        os.pwrite(descriptor, b'%4096d' % count, (count % 256) * 4096)
        os.fdatasync(descriptor)
        count += 1
    took = time.monotonic() - began
    os.close(descriptor)
    os.remove(path)
    return count / took
