"""Mail out: coffer mail test against servers that behave, and against those that do not."""

import email.utils
import os
import re
import select
import shutil
import signal
import socket
import ssl
import struct
import tempfile
import time

import harness
from harness import check, check_equal, check_in, check_not_in
from names import NameServer, dns_reply
from pki import Pki
from server import Server, free_port, program_path, release_path, run_program, setting_arguments
from smtp_server import DROP, HANG, Dropped, SmtpServer

FOLDER = tempfile.TemporaryDirectory(prefix='coffer-smtp-')
PKI = Pki(FOLDER.name)
GOOD = PKI.identity('localhost')
LOGIN = {'mail.smtp-user': 'ada', 'mail.smtp-password': 'open sesame'}
USERS = {'ada': 'open sesame'}
LATER, REFUSED = 'not sent', 'refused'


def mail_test(server, settings=None, to=('ada@example.com',)):
    """Runs coffer mail test; `server` may be a port."""
    wanted = {'mail.smtp-host': 'localhost', 'mail.smtp-timeout': 3,
              'mail.smtp-port': getattr(server, 'port', server), 'mail.from': 'coffer@example.org',
              'net.trust-store': PKI.authority, 'public-url': 'https://app.example.org:8443',
              **(settings or {})}
    words = [word for name, value in wanted.items() for word in ('--set', f'{name}={value}')]
    run = run_program(program_path(), 'mail', 'test', *to, '--data', FOLDER.name, *words)
    check_not_in('Sanitizer', run.stderr)
    check_not_in('open sesame', run.stdout + run.stderr, 'the password')
    return run


def check_sent(run):
    check_equal((run.returncode, run.stderr), (0, ''), run.stdout)


def check_failed(run, how, *words):
    check_equal(run.returncode, 1, run.stdout + run.stderr)
    check_in(f': {how}: ', run.stderr)
    for word in words:
        check_in(word, run.stderr)


OPEN = {'mail.smtp-security': 'none'}
TLS = {'mail.smtp-security': 'tls'}


# ---- servers that behave ----

def test_a_mail_by_starttls_and_login():
    with SmtpServer(identity=GOOD, users=USERS) as server:
        check_sent(mail_test(server, LOGIN))
        (mail,) = server.mails
        check_equal((mail.user, mail.is_tls), ('ada', True))
        check_equal(mail.sender.split()[0], 'FROM:<coffer@example.org>')
        check_equal(mail.recipients, ['TO:<ada@example.com>'])
        check_in(f'SIZE={len(mail.data)}', mail.sender)
        check_equal(server.lines[:3], ['EHLO app.example.org', 'STARTTLS', 'EHLO app.example.org'])
        check_equal(server.errors, [])


def test_the_mail_is_one_that_others_can_read():
    with SmtpServer() as server:
        check_sent(mail_test(server, OPEN))
        message = email.message_from_bytes(server.mails[0].data)
        check_equal(message['From'], '<coffer@example.org>')
        check_equal(message['To'], '<ada@example.com>')
        date = email.utils.parsedate_to_datetime(message['Date'])
        check(abs(date.timestamp() - time.time()) < 60)
        check(re.fullmatch(r'<[0-9a-f]{32}@example\.org>', message['Message-ID']))


def test_tls_from_the_first_byte():
    for mechanisms in ('PLAIN', 'LOGIN', 'CRAM-MD5 LOGIN'):
        with SmtpServer(identity=GOOD, is_implicit=True, users=USERS,
                        mechanisms=mechanisms) as server:
            check_sent(mail_test(server, {**TLS, **LOGIN}))
            check_equal((server.mails[0].user, server.mails[0].is_tls), ('ada', True))


def test_keys_and_hashes_of_certificates():
    for key, digest in ((('rsa:2048',), 'sha256'), (('rsa:4096',), 'sha512'),
                        (('ec', '-pkeyopt', 'ec_paramgen_curve:P-384'), 'sha384')):
        identity = PKI.identity('mail.example', '*.localhost', 'localhost', key=key, digest=digest)
        with SmtpServer(identity=identity, is_implicit=True) as server:
            check_sent(mail_test(server, TLS))


def test_a_name_by_wildcard():
    identity = PKI.identity('*.localhost')
    with SmtpServer(identity=identity, is_implicit=True) as server:
        check_sent(mail_test(server, {**TLS, 'mail.smtp-host': 'mail.localhost'}))


def test_one_connection_for_several_mails():
    with SmtpServer(identity=GOOD, users=USERS) as server:
        check_sent(mail_test(server, LOGIN, ('a@example.com', 'b@example.com', 'c@example.com')))
        check_equal([mail.recipients[0] for mail in server.mails],
                    [f'TO:<{name}@example.com>' for name in 'abc'])
        check_equal(server.connections, 1)


def test_a_refusal_does_not_end_the_connection():
    with SmtpServer(replies={'RCPT': ['550 5.1.1 no such user', None]}) as server:
        run = mail_test(server, OPEN, ('nobody@example.com', 'b@example.com'))
        check_failed(run, REFUSED, 'nobody@example.com', '550 5.1.1 no such user')
        check_in('The server has taken the mail for b@example.com', run.stdout)
        check_equal((server.connections, len(server.mails)), (1, 1))
        check_in('RSET', server.lines)


def test_a_connection_that_the_server_has_left():
    """Between two mails: the second goes over a new connection, however the first one ended."""
    for entry in (DROP, '421 4.4.2 idle for too long', b'\xff\xfe\r\n'):
        with SmtpServer(replies={'MAIL': [None, entry, None]}) as server:
            check_sent(mail_test(server, OPEN, ('a@example.com', 'b@example.com')))
            check_equal((server.connections, len(server.mails)), (2, 2))


def test_an_old_server_without_ehlo():
    with SmtpServer(replies={'EHLO': ['502 5.5.2 what?']}) as server:
        check_sent(mail_test(server, OPEN))
        check_equal(server.lines[:2], ['EHLO app.example.org', 'HELO app.example.org'])
        check_not_in('SIZE', server.mails[0].sender)


def test_no_domain_of_our_own():
    with SmtpServer() as server:
        check_sent(mail_test(server, {**OPEN, 'public-url': 'https://localhost:8443'}))
        check_equal(server.lines[0], 'EHLO [127.0.0.1]')


def test_addresses_outside_ascii():
    with SmtpServer() as server:
        check_sent(mail_test(server, OPEN, ('åsa@bücher.example',)))
        check_in('SMTPUTF8', server.mails[0].sender)
    with SmtpServer(replies={'EHLO': ['250 mail.test']}) as server:
        check_failed(mail_test(server, OPEN, ('åsa@bücher.example',)), REFUSED, 'outside ASCII')


def test_chatty_replies():
    with SmtpServer(replies={'GREETING': ['220-mail.test\n220-no spam\n220 please'],
                             'MAIL': [b'250-2.1.0\n250 ok\n'], 'RCPT': [b'251\r\n'],
                             'END': ['250-' + 'x' * 900 + '\n250 done']}) as server:
        check_sent(mail_test(server, OPEN))


def test_ipv6():
    with SmtpServer(address='::1') as server:
        check_sent(mail_test(server, {**OPEN, 'mail.smtp-host': '::1'}))
        check_sent(mail_test(server, OPEN))  # localhost: 127.0.0.1 refuses, ::1 answers
        check_in('connected to [::1]:', mail_test(server, OPEN).stdout)


# ---- TLS that is not good ----

def test_certificates_that_are_not_good():
    stranger = Pki(FOLDER.name, 'stranger')
    rows = [
        (stranger.identity('localhost'), 'signed by nobody in the trust store'),
        (PKI.identity('mail.example'), 'for another name'),
        (PKI.identity('localhost', end='20240101000000Z'), 'expired'),
        (PKI.identity('localhost', start='20390101000000Z'), 'not valid yet'),
        (PKI.identity('localhost', digest='sha1'), 'not supported'),
        (PKI.identity('localhost', key=('rsa:1024',)), 'weak key'),
    ]
    for identity, words in rows:
        for implicit in (False, True):
            try:
                server = SmtpServer(identity=identity, is_implicit=implicit, users=USERS)
            except ssl.SSLError:  # OpenSSL here does not even serve such a weak certificate
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.set_ciphers('DEFAULT:@SECLEVEL=0')
                context.load_cert_chain(*identity)
                server = SmtpServer(is_implicit=implicit, users=USERS)
                server.context = context
            with server:
                run = mail_test(server, {**LOGIN, **(TLS if implicit else {})})
                check_failed(run, LATER, words)
                check_equal(server.mails, [])
                check_equal([line for line in server.lines if 'AUTH' in line], [])


def test_a_self_signed_certificate_in_the_trust_store():
    path = PKI.path('self.pem')
    Pki.openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', PKI.path('self.key'),
                '-out', path, '-days', '30', '-subj', '/CN=localhost', '-addext',
                'subjectAltName=DNS:localhost', '-addext', 'basicConstraints=critical,CA:FALSE')
    with SmtpServer(identity=(path, PKI.path('self.key'))) as server:
        check_failed(mail_test(server), LATER, 'trust store')
        check_sent(mail_test(server, {'net.trust-store': path}))


def test_old_tls():
    with SmtpServer(identity=GOOD) as server:
        server.context.minimum_version = ssl.TLSVersion.TLSv1_3
        check_failed(mail_test(server), LATER, 'TLS 1.2')


def test_trust_stores_that_are_none():
    def written(name, text):
        with open(PKI.path(name), 'w', encoding='ascii') as file:
            file.write(text)
        return PKI.path(name)
    rows = [(PKI.path('nowhere.pem'), 'cannot be read'), (PKI.folder, 'cannot be read'),
            (written('empty.pem', ''), 'holds no certificate'),
            (written('noise.pem', '-----BEGIN CERTIFICATE-----\n!!\n'), 'not valid PEM'),
            (written('key.pem', open(GOOD[1], encoding='ascii').read()), 'holds no certificate')]
    for path, words in rows:
        run = mail_test(1, {'net.trust-store': path})
        check_equal(run.returncode, 1)
        check_in(path, run.stderr)
        check_in(words, run.stderr)


def test_the_bundle_of_the_distribution():
    """That is 140 certificates; a server signed by none of them is refused, and not by a fault."""
    bundle = '/etc/ssl/certs/ca-certificates.crt'
    if not os.path.exists(bundle):
        raise harness.Skipped('no ca-certificates here')
    both = PKI.path('both.pem')
    with open(both, 'w', encoding='ascii') as out:
        for path in (bundle, PKI.authority):
            with open(path, encoding='ascii') as file:
                out.write(file.read())
    with SmtpServer(identity=GOOD) as server:
        check_failed(mail_test(server, {'net.trust-store': bundle}), LATER, 'trust store')
        check_sent(mail_test(server, {'net.trust-store': both}))


def wait_for_log(server, text):
    deadline = time.monotonic() + 20
    while text not in server.log():
        check(time.monotonic() < deadline, f'{text!r} is not in the log: {server.log()[-2000:]}')
        time.sleep(0.02)


def test_the_server_reads_the_trust_store_at_its_start_and_again():
    """The second time from within the cage."""
    store = os.path.join(FOLDER.name, 'store', 'authorities.pem')
    os.mkdir(os.path.dirname(store))
    shutil.copy(PKI.authority, store)
    settings = {'mail.smtp-host': 'mail.example.com', 'net.trust-store': store}
    with Server(settings) as server:
        server.signal(signal.SIGHUP)
        wait_for_log(server, 'the trust store is loaded anew')
        with open(store + '.new', 'w', encoding='ascii') as file:
            file.write('nothing')
        os.rename(store + '.new', store)
        server.signal(signal.SIGHUP)
        wait_for_log(server, 'the trust store stays as it was: ')
        check_equal(server.client().get('/health').status, 200)
    words = setting_arguments(settings)
    run = run_program(program_path(), 'serve', '--data', os.path.join(FOLDER.name, 'data'),
                      '--listen', 'http://127.0.0.1:0', *words)
    check_equal(run.returncode, 1)
    check_in(f'{store}: the trust store holds no certificate', run.stderr)


def test_starttls_that_is_not_offered_or_fails():
    with SmtpServer() as server:
        check_failed(mail_test(server), LATER, 'does not offer STARTTLS')
        check_equal(server.mails, [])
    with SmtpServer(identity=GOOD, replies={'STARTTLS': ['454 4.7.0 not now']}) as server:
        check_failed(mail_test(server), LATER, 'cannot begin TLS: 454 4.7.0 not now')
    with SmtpServer(identity=GOOD, replies={'STARTTLS': [DROP]}) as server:
        check_failed(mail_test(server), LATER, 'closed the connection')


def test_something_behind_starttls():
    """Whoever sits in between could put words into the server's mouth that count inside of TLS."""
    def inject(conversation):
        conversation.send('220 go ahead\n250-mail.test\n250 AUTH PLAIN')
        conversation.secure()
    with SmtpServer(identity=GOOD, users=USERS, replies={'STARTTLS': [inject]}) as server:
        check_failed(mail_test(server, LOGIN), LATER, 'between STARTTLS and TLS')
        check_equal(server.mails, [])
        check_equal([line for line in server.lines if 'AUTH' in line], [])


def test_starttls_if_offered():
    optional = {'mail.smtp-security': 'optional'}
    with SmtpServer(identity=GOOD) as server:
        check_sent(mail_test(server, optional))
        check(server.mails[0].is_tls)
    with SmtpServer() as server:
        check_sent(mail_test(server, optional))
        check(not server.mails[0].is_tls)


def test_what_is_no_tls_server():
    with SmtpServer() as server:
        check_failed(mail_test(server, TLS), LATER, 'not TLS 1.2')


# ---- logins ----

def test_a_wrong_password():
    with SmtpServer(identity=GOOD, users={'ada': 'another'}) as server:
        check_failed(mail_test(server, LOGIN), LATER, 'refuses mail.smtp-user', '535 5.7.8')


def test_the_password_stays_here_without_tls():
    offers = {'EHLO': ['250-mail.test\n250 AUTH PLAIN LOGIN']}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(('192.0.2.1', 9))  # sends nothing; chooses our address
        except OSError as error:
            raise harness.Skipped('this machine has no address but loopback') from error
        own = probe.getsockname()[0]
    with SmtpServer(users=USERS, replies=offers, address='0.0.0.0') as server:
        run = mail_test(server, {**OPEN, **LOGIN, 'mail.smtp-host': own})
        check_failed(run, LATER, 'password is not sent')
        check_equal([line for line in server.lines if 'AUTH' in line], [])


def test_a_login_on_this_machine_needs_no_tls():
    with SmtpServer(users=USERS) as server:
        check_sent(mail_test(server, {**OPEN, **LOGIN}))
        check_equal(server.mails[0].user, 'ada')


def test_a_login_that_is_missing_or_not_offered():
    with SmtpServer(users=USERS) as server:
        check_failed(mail_test(server, OPEN), LATER, '530 5.7.0')
    with SmtpServer() as server:
        check_failed(mail_test(server, {**OPEN, **LOGIN}), LATER, 'offers no login')


# ---- refusing, greylisting, slow, broken ----

def test_what_each_reply_means():
    rows = [({'GREETING': ['554 5.3.2 no service']}, LATER, '554 5.3.2 no service'),
            ({'GREETING': ['421 4.3.2 busy']}, LATER, '421 4.3.2 busy'),
            ({'EHLO': ['550 5.7.1 go away'], 'HELO': ['550 5.7.1 go away']}, LATER, 'go away'),
            ({'MAIL': ['451 4.3.0 later']}, LATER, 'sender'),
            ({'MAIL': ['553 5.1.8 bad sender']}, REFUSED, '553 5.1.8 bad sender'),
            ({'RCPT': ['450 4.2.0 greylisted']}, LATER, '450 4.2.0 greylisted'),
            ({'RCPT': ['550-5.7.1 blocked\n550 5.7.1 see example.com']}, REFUSED,
             '550 5.7.1 blocked 5.7.1 see example.com'),
            ({'DATA': ['554 5.5.1 no']}, REFUSED, 'before it is sent'),
            ({'END': ['452 4.3.1 disk full']}, LATER, '452 4.3.1 disk full'),
            ({'END': ['554 5.7.1 spam']}, REFUSED, '554 5.7.1 spam'),
            ({'EHLO': ['250-mail.test\n250 SIZE 100']}, REFUSED, 'larger than the server takes')]
    for replies, how, words in rows:
        with SmtpServer(replies=replies) as server:
            check_failed(mail_test(server, OPEN), how, words)
            check_equal(server.mails, [])


def test_greylisting():
    with SmtpServer(replies={'RCPT': ['451 4.7.1 greylisted, try again', None]}) as server:
        check_failed(mail_test(server, OPEN), LATER, 'greylisted')
        check_sent(mail_test(server, OPEN))


def test_servers_that_leave_or_fall_silent():
    for verb in ('GREETING', 'EHLO', 'MAIL', 'RCPT', 'DATA', 'END'):
        with SmtpServer(replies={verb: [DROP]}) as server:
            check_failed(mail_test(server, OPEN), LATER, 'closed the connection')
            check_equal(server.mails, [])
    for verb in ('GREETING', 'RCPT', 'END'):
        with SmtpServer(replies={verb: [HANG]}) as server:
            began = time.monotonic()
            check_failed(mail_test(server, {**OPEN, 'mail.smtp-timeout': 1}), LATER,
                         'does not answer')
            # Waiting for the verdict about a whole mail takes five times that.
            least = 5 if verb == 'END' else 1
            check(time.monotonic() - began >= least, 'too early')


def test_silence_in_tls():
    with socket.create_server(('127.0.0.1', 0)) as listener:
        run = mail_test(listener.getsockname()[1], {**TLS, 'mail.smtp-timeout': 1})
        check_failed(run, LATER, 'does not answer to the beginning of TLS')


def test_a_slow_server():
    def slowly(text):
        def send(conversation):
            for byte in text.encode():
                conversation.connection.sendall(bytes([byte]))
                time.sleep(0.01)
        return send
    with SmtpServer(replies={'GREETING': [slowly('220-mail.test\r\n220 slow\r\n')],
                             'RCPT': [slowly('250 all right then\r\n')]}) as server:
        check_sent(mail_test(server, OPEN))


def test_drops_of_reply_do_not_prolong_the_deadline():
    def drip(conversation):
        while not conversation.server.stopping.is_set():
            conversation.connection.sendall(b'2')
            time.sleep(0.2)
    with SmtpServer(replies={'GREETING': [drip]}) as server:
        check_failed(mail_test(server, {**OPEN, 'mail.smtp-timeout': 2}), LATER, 'does not answer')


def test_replies_that_are_none():
    rows = [(b'HTTP/1.1 400 Bad Request\r\n\r\n', 'not SMTP'),
            (b'\x00\xff\x1b[31m\r\n', 'not SMTP'), (b'2200 a\r\n', 'not SMTP'),
            (b'220-a\r\n250 b\r\n', 'not SMTP'), (b'220-more\r\n' * 1000, 'not SMTP'),
            (b'x' * 100000, 'lines that never end'), (b'\r\n', 'not SMTP'),
            (b'220 a\r\n250 b\r\n250 c\r\n250 d\r\n221 e\r\n', '')]
    for reply, words in rows:
        with SmtpServer(replies={'GREETING': [reply]}) as server:
            run = mail_test(server, OPEN)
            check_failed(run, LATER, words)
            check(run.stderr.isprintable() or run.stderr.rstrip('\n').isprintable())
            check_equal(server.mails, [])


def test_a_refusal_before_the_message_is_whole():
    """The server has heard enough at DATA, says so and leaves. Its words count, although the rest
    of our message, which it does not read, makes the system break the connection."""
    def enough(conversation):
        conversation.send('354 go ahead')
        select.select([conversation.connection], [], [], 10)  # it lies unread: closing is a reset
        conversation.send('552 5.3.4 too much')
        conversation.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                           struct.pack('ii', 1, 0))
        raise Dropped
    with SmtpServer(replies={'DATA': [enough]}) as server:
        check_failed(mail_test(server, OPEN), REFUSED, '552 5.3.4 too much')
        check_equal(server.mails, [])


def test_nobody_there():
    check_failed(mail_test(free_port(), OPEN), LATER, 'nobody listens there')
    check_failed(mail_test(25, {**OPEN, 'mail.smtp-host': '192.0.2.1', 'mail.smtp-timeout': 1}),
                 LATER, '192.0.2.1 port 25: ')


# ---- what is asked of it ----

def test_words_that_are_wrong():
    def words(*arguments, settings=()):
        return run_program(program_path(), 'mail', *arguments, '--data', FOLDER.name, *settings)
    host = ('--mail.smtp-host', 'localhost')
    for arguments in ((), ('test',), ('send', 'a@b.c')):
        run = words(*arguments)
        check_equal(run.returncode, 64)
        check_in('usage: coffer mail test ADDRESS', run.stderr)
    run = words('test', 'a@b.c')
    check_equal(run.returncode, 1)
    check_in('mail.smtp-host', run.stderr)
    for address in ('ada', 'a@b c', 'a@b>c', 'a@b\r\nRCPT TO:<c@d>', 'x' * 400 + '@b.c'):
        run = words('test', address, settings=(*host, '--mail.smtp-security', 'none'))
        check_equal(run.returncode, 1)
        check_in('not a mail address', run.stderr)
    for settings, told in ((('--mail.smtp-host', 'mail.example:25'), 'without a port'),
                           (('--mail.smtp-host', '192.0.2.1'), 'must be a name for TLS'),
                           ((*host, '--net.resolvers', 'dns.example'), 'net.resolvers must be'),
                           ((*host, '--mail.smtp-security', 'ssl'), 'must be starttls, tls')):
        run = words('test', 'a@b.c', settings=settings)
        check(run.returncode in (1, 64))
        check_in(told, run.stderr)


def test_the_password_is_not_listed():
    run = run_program(program_path(), 'settings', '--data', FOLDER.name,
                      '--mail.smtp-password', 'open sesame')
    check_equal(run.returncode, 0)
    check_not_in('sesame', run.stdout + run.stderr)
    check_in('(secret)', run.stdout)


# ---- names ----


def by_name(answer, settings=None, resolvers='127.0.0.1:{}'):
    with NameServer(answer) as names, SmtpServer() as server:
        run = mail_test(server, {**OPEN, 'mail.smtp-host': 'mail.coffer.example',
                                 'net.resolvers': resolvers.format(names.port),
                                 **(settings or {})})
        return run, names.queries


def test_a_name_server_is_asked():
    run, queries = by_name(lambda query, is_tcp: [dns_reply(query, ['127.0.0.1'])])
    check_sent(run)
    check_equal(sorted(query[-4:-2] for query, _, _ in queries), [b'\0\1', b'\0\x1c'])
    check_in(b'\4mail\6coffer\7example\0', queries[0][0])
    check(queries[0][1] != queries[1][1], 'each query has a port of its own')
    check(queries[0][0][:2] != queries[1][0][:2] or len(queries) == 2)


def test_a_reply_that_does_not_fit_comes_by_tcp():
    def answer(query, is_tcp):
        return [dns_reply(query, ['127.0.0.1'] * 100 if is_tcp else [],
                          0x8180 if is_tcp else 0x8380)]
    run, queries = by_name(answer)
    check_sent(run)
    check_equal([is_tcp for _, _, is_tcp in queries].count(True), 2)


def test_forged_replies_are_not_believed():
    def answer(query, is_tcp):
        wrong_id = bytes([query[0] ^ 1]) + query[1:]
        other = query.replace(b'coffer', b'beaver')
        return [dns_reply(wrong_id, ['192.0.2.66']), dns_reply(other, ['192.0.2.66']), b'', b'\0',
                dns_reply(query, ['192.0.2.66'], flags=0x0180),
                dns_reply(query, ['127.0.0.1'])]
    run, _ = by_name(answer)
    check_sent(run)
    check_not_in('192.0.2.66', run.stdout)


def test_name_servers_that_fail():
    """The first says that it cannot, nothing listens at the second, the third knows."""
    with NameServer(lambda query, is_tcp: [dns_reply(query, flags=0x8182)]) as failing:
        run, _ = by_name(lambda query, is_tcp: [dns_reply(query, ['127.0.0.1'])],
                         resolvers=f'127.0.0.1:{failing.port},127.0.0.1:1,127.0.0.1:{{}}')
        check_sent(run)
        check_equal(len(failing.queries), 2)


def test_a_name_server_that_says_nothing_about_ipv6():
    began = time.monotonic()
    run, _ = by_name(lambda query, is_tcp:
                     [dns_reply(query, ['127.0.0.1'])] if query[-4:-2] == b'\0\1' else [])
    check_sent(run)
    check(time.monotonic() - began < 4, 'it was waited for')


def test_a_silent_name_server_is_left_for_the_next():
    with NameServer(lambda query, is_tcp: []) as silent:
        run, _ = by_name(lambda query, is_tcp: [dns_reply(query, ['127.0.0.1'])],
                         settings={'mail.smtp-timeout': 20},
                         resolvers=f'127.0.0.1:{silent.port},127.0.0.1:{{}}')
        check_sent(run)


def test_names_that_are_not_there():
    run, _ = by_name(lambda query, is_tcp: [dns_reply(query, flags=0x8183)])
    check_failed(run, LATER, 'no host of that name')
    run, _ = by_name(lambda query, is_tcp: [dns_reply(query)])
    check_failed(run, LATER, 'no address')
    run, _ = by_name(lambda query, is_tcp: [dns_reply(query, flags=0x8182)])
    check_failed(run, LATER, 'no name server answers')
    run, _ = by_name(lambda query, is_tcp: [], settings={'mail.smtp-timeout': 1})
    check_failed(run, LATER, 'no name server answers')


def test_the_next_address_when_one_does_not_answer():
    run, _ = by_name(lambda query, is_tcp: [dns_reply(query, ['127.0.0.9', '127.0.0.1'])])
    check_sent(run)
    check_in('connected to 127.0.0.1:', run.stdout)


# ---- the whole way ----

def test_a_server_in_its_cage_sends_by_tls_and_login():
    """Names, trust store, TLS and login from behind seccomp and Landlock, with the shipped program
    too; greylisted at first, so that the outbox tries again."""
    identity = PKI.identity('mail.coffer.example')
    for program in (program_path(), release_path()):
        with SmtpServer(identity=identity, users=USERS,
                        replies={'RCPT': ['451 4.7.1 greylisted']}) as mail_server, \
             NameServer(lambda query, is_tcp: [dns_reply(query, ['127.0.0.1'])]) as names:
            settings = {**LOGIN, 'mail.smtp-host': 'mail.coffer.example',
                        'mail.smtp-port': mail_server.port, 'mail.from': 'coffer@example.org',
                        'net.trust-store': PKI.authority, 'outbox.retry-time': 1,
                        'net.resolvers': f'127.0.0.1:{names.port}'}
            with Server(settings, program=program) as server:
                user = server.user()
                deadline = time.monotonic() + 30
                while not mail_server.mails:
                    check(time.monotonic() < deadline, server.log()[-2000:])
                    time.sleep(0.02)
                mail = mail_server.mails[0]
                check_equal((mail.user, mail.is_tls), ('ada', True))
                check_equal(mail.recipients, [f'TO:<{user.email}>'])
                check_equal([line.split()[0] for line in mail_server.lines].count('RCPT'), 2)
                check_not_in('open sesame', server.log())


if __name__ == '__main__':
    harness.main(globals())
