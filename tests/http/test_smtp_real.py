"""Mail out against programs that others wrote: Exim as the mail server, dnsmasq as the name server.

Exim is unpacked by tests/setup, not installed: as a package it would push out the machine's own
mail server. It insists on a user of its own, so it runs where it alone sees another /etc/passwd;
that takes root.
"""

import os
import re
import subprocess
import tempfile
import time

import harness
from harness import check, check_equal, check_in
from pki import Pki
from server import ROOT, free_port
from smtp_server import SmtpServer
from test_smtp import LATER, LOGIN, OPEN, REFUSED, TLS, check_failed, check_sent, mail_test

EXIM = os.path.join(ROOT, 'build/unpacked/usr/sbin/exim4')
EXIM_ID = 61001  # of nobody else
START_SECONDS_MAX = 20

CONFIGURATION = r'''
primary_hostname = mail.test
exim_path = {exim}
spool_directory = {folder}/own/spool
log_file_path = {folder}/own/log-%s
pid_file_path = {folder}/own/pid
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port} : {port_tls}
tls_on_connect_ports = {port_tls}
tls_advertise_hosts = *
tls_certificate = {certificate}
tls_privatekey = {key}
host_lookup =
rfc1413_hosts =
keep_environment =
message_size_limit = 100K
smtputf8_advertise_hosts = *
acl_smtp_rcpt = rcpt

begin acl
rcpt:
  deny   local_parts = nobody
         message = no such user here
  defer  local_parts = later
         message = greylisted, come again
  accept authenticated = *
  deny   message = relay not permitted

begin routers
all:
  driver = accept
  transport = file

begin transports
file:
  driver = appendfile
  file = {folder}/own/mails
  user = Debian-exim

begin authenticators
plain:
  driver = plaintext
  public_name = {mechanism}
  server_prompts = {prompts}
  server_condition = ${{if and {{{{eq{{{user}}}{{ada}}}}{{eq{{{password}}}{{open sesame}}}}}}}}
  server_set_id = {user}
  server_advertise_condition = ${{if def:tls_in_cipher}}
'''

# Exim alone sees its user.
START = '''
set -e
mount --bind "$1/passwd" /etc/passwd
mount --bind "$1/group" /etc/group
exec "$2" -C "$1/configuration" -bdf
'''

MECHANISMS = {'PLAIN': (':', '$auth2', '$auth3'),
              'LOGIN': ('Username:: : Password::', '$auth1', '$auth2')}


def write(path, text):
    with open(path, 'w', encoding='utf-8') as file:
        file.write(text)


def with_user(path, line):
    with open(path, encoding='utf-8') as file:
        return file.read() + line


def wait_for(condition, what, seconds=START_SECONDS_MAX):
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        check(time.monotonic() < deadline, what())
        time.sleep(0.02)


class Exim:
    def __init__(self, mechanism='PLAIN'):
        if not os.path.exists(EXIM):
            raise harness.Skipped('tests/setup unpacks Exim')
        may = subprocess.run(['unshare', '--mount', 'true'], capture_output=True, check=False)
        if os.geteuid() != 0 or may.returncode != 0:
            raise harness.Skipped('Exim needs root, and a namespace of its own')
        self.temporary = tempfile.TemporaryDirectory(prefix='coffer-exim-')
        self.folder = self.temporary.name
        os.chmod(self.folder, 0o755)
        self.pki = Pki(self.folder)
        self.certificate, self.key = self.pki.identity('localhost')
        self.port, self.port_tls = free_port(), free_port()
        prompts, user, password = MECHANISMS[mechanism]
        write(self.path('configuration'), CONFIGURATION.format(
            exim=EXIM, folder=self.folder, port=self.port, port_tls=self.port_tls,
            certificate=self.certificate, key=self.key, mechanism=mechanism, prompts=prompts,
            user=user, password=password))
        write(self.path('passwd'), with_user(
            '/etc/passwd', f'\nDebian-exim:x:{EXIM_ID}:{EXIM_ID}::/nonexistent:/bin/false\n'))
        write(self.path('group'), with_user('/etc/group', f'\nDebian-exim:x:{EXIM_ID}:\n'))
        os.makedirs(self.path('own/spool'))
        for path in (self.path('own'), self.path('own/spool'), self.key):
            os.chown(path, EXIM_ID, EXIM_ID)

    def path(self, name):
        return os.path.join(self.folder, name)

    def log(self, name='main'):
        path = self.path(f'own/log-{name}')
        return open(path, encoding='utf-8').read() if os.path.exists(path) else ''

    def mail_to(self, address):
        """The mail to ADDRESS, when it is delivered."""
        def mail():
            path = self.path('own/mails')
            text = open(path, encoding='utf-8').read() if os.path.exists(path) else ''
            found = [part for part in text.split('From coffer@') if f'To: <{address}>' in part]
            return found[0] if found else None
        return wait_for(mail, lambda: f'no mail for {address}: {self.log()}{self.log("panic")}')

    def __enter__(self):
        self.output = open(self.path('output'), 'w+', encoding='utf-8')
        self.process = subprocess.Popen(
            ['unshare', '--mount', 'sh', '-c', START, 'exim', self.folder, EXIM],
            stdin=subprocess.PIPE, stdout=self.output, stderr=subprocess.STDOUT)
        wait_for(lambda: self.process.poll() is not None or 'daemon started' in self.log(),
                 lambda: 'Exim does not start')
        check(self.process.poll() is None, open(self.path('output'), encoding='utf-8').read())
        return self

    def __exit__(self, kind, value, trace):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.output.close()
        self.temporary.cleanup()

    def settings(self, **more):
        return {'net.trust-store': self.pki.authority, **LOGIN, **more}


def test_exim_by_starttls():
    for mechanism in MECHANISMS:
        with Exim(mechanism) as exim:
            run = mail_test(exim.port, exim.settings(), ('ada@example.com', 'bob@example.com'))
            check_sent(run)
            for user in ('ada', 'bob'):
                check_in('If you can read this, Coffer can send mail.',
                         exim.mail_to(f'{user}@example.com'))
            arrived = re.findall(r'^.* <= coffer@example\.org .*$', exim.log(), re.MULTILINE)
            check_equal(len(arrived), 2)
            for line in arrived:
                check(re.search(r' P=esmtpsa X=TLS1\.2:ECDHE\S* .* A=plain:ada ', line), line)


def test_exim_by_tls():
    with Exim() as exim:
        check_sent(mail_test(exim.port_tls, exim.settings(**TLS)))
        exim.mail_to('ada@example.com')


def test_exim_refuses():
    with Exim() as exim:
        check_failed(mail_test(exim.port, exim.settings(), ('nobody@example.com',)), REFUSED,
                     '550 no such user here')
        check_failed(mail_test(exim.port, exim.settings(), ('later@example.com',)), LATER,
                     '451 greylisted, come again')
        check_failed(mail_test(exim.port, exim.settings(**{'mail.smtp-user': 'eve'})), LATER,
                     'refuses mail.smtp-user', '535')
        check_failed(mail_test(exim.port, exim.settings(**{'mail.smtp-user': ''})), REFUSED,
                     '550 relay not permitted')
        stranger = Pki(exim.folder, 'stranger')
        check_failed(mail_test(exim.port, exim.settings(**{'net.trust-store': stranger.authority})),
                     LATER, 'signed by nobody in the trust store')


class Dnsmasq:
    def __init__(self, *records):
        self.temporary = tempfile.TemporaryDirectory(prefix='coffer-dns-')
        self.port = free_port()
        write(os.path.join(self.temporary.name, 'empty'), '')
        self.process = subprocess.Popen(
            ['dnsmasq', '--keep-in-foreground', '--conf-file=' + self.temporary.name + '/empty',
             '--pid-file=', '--no-resolv', '--no-hosts', '--user=root', '--bind-interfaces',
             '--listen-address=127.0.0.1', f'--port={self.port}', '--local=/coffer.example/',
             '--log-queries', '--log-facility=' + self.temporary.name + '/log', *records],
            stdin=subprocess.PIPE)

    def log(self):
        path = os.path.join(self.temporary.name, 'log')
        return open(path, encoding='utf-8').read() if os.path.exists(path) else ''

    def __enter__(self):
        wait_for(lambda: 'started' in self.log(), lambda: 'dnsmasq does not start')
        return self

    def __exit__(self, kind, value, trace):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.temporary.cleanup()


def test_dnsmasq():
    """An alias, more addresses than a datagram holds, and a name that is not there."""
    many = [f'--host-record=many.coffer.example,127.0.0.{last}' for last in range(1, 60)]
    with Dnsmasq('--host-record=real.coffer.example,127.0.0.1',
                 '--cname=mail.coffer.example,real.coffer.example', *many) as names:
        with SmtpServer(address='0.0.0.0') as server:
            settings = {**OPEN, 'net.resolvers': f'127.0.0.1:{names.port}'}
            for host in ('mail', 'real', 'many'):
                check_sent(mail_test(server, {**settings,
                                              'mail.smtp-host': f'{host}.coffer.example'}))
            check_failed(mail_test(server, {**settings, 'mail.smtp-host': 'no.coffer.example'}),
                         LATER, 'no host of that name')
        check_in('query[AAAA] mail.coffer.example', names.log())
        check_in('query[A] mail.coffer.example', names.log())


harness.main(globals())
