"""TLS as openssl, Python, sslscan and testssl.sh see it."""

import glob
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import xml.etree.ElementTree as ElementTree

import harness
from harness import Skipped, check, check_equal, check_in, check_not_in, check_status, wait_until
from raw import exchange, receive_all, reply_read
from server import Server, release_path, tls_context

SETTINGS = {'rate.enabled': 'false'}

HEALTH = b'GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n'
CLOSING = b'GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'


def s_client(server, *arguments, text=CLOSING):
    """openssl s_client; its whole output, and it may fail."""
    run = subprocess.run(
        ['openssl', 's_client', '-connect', f'127.0.0.1:{server.https_port}', *arguments],
        input=text, capture_output=True, timeout=60)
    return (run.stdout + run.stderr).decode('utf-8', 'replace')


def is_shaken(output):
    """Did the handshake come to an end?"""
    found = re.search(r'Cipher is (\S+)', output)
    return found is not None and found.group(1) != '(NONE)'


def check_lives(server):
    check_status(server.client().get('/health'), 200)


# ---- the hole in the engine's resumption ----

def test_resuming_with_only_unknown_alpn_names(server):
    folder = tempfile.mkdtemp()
    saved = os.path.join(folder, 's.pem')
    for unknown in ('h2', 'h2,spdy/3', 'x' * 255):
        output = s_client(server, '-tls1_2', '-no_ticket', '-alpn', 'http/1.1', '-sess_out', saved)
        check(is_shaken(output), output)
        check(os.path.exists(saved), 'no session to resume')
        output = s_client(server, '-tls1_2', '-no_ticket', '-alpn', unknown, '-sess_in', saved)
        check_not_in('ALPN protocol: h2', output)
        check(server.is_running(), 'the server is gone')
        check_lives(server)
    output = s_client(server, '-tls1_2', '-no_ticket', '-sess_in', saved)
    check(is_shaken(output), 'without ALPN the session goes on')
    output = s_client(server, '-tls1_2', '-no_ticket', '-alpn', 'h2,http/1.1', '-sess_in', saved)
    check_in('ALPN protocol: http/1.1', output)
    shutil.rmtree(folder)


def test_unknown_alpn_names_alone_do_no_harm(server):
    for _ in range(3):
        output = s_client(server, '-tls1_2', '-alpn', 'h2')
        check(not is_shaken(output) or 'No ALPN negotiated' in output, output)
    check_lives(server)


# ---- versions and ciphers ----

def test_only_tls_1_2(server):
    output = s_client(server)
    check_in('TLSv1.2', output)
    for old in ('-tls1', '-tls1_1'):
        output = s_client(server, old, '-cipher', 'ALL:@SECLEVEL=0')
        check(not is_shaken(output), f'{old} was accepted')
        check_in('alert', output, f'{old} must be refused by an alert')
    output = s_client(server, '-tls1_3')
    check(not is_shaken(output), 'there is no TLS 1.3 yet')
    check(re.search('alert (protocol version|handshake failure)', output), output)
    check_lives(server)


GOOD_CIPHERS = ['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-AES256-GCM-SHA384',
                'ECDHE-ECDSA-CHACHA20-POLY1305']
BAD_CIPHERS = ['AES128-GCM-SHA256', 'AES256-GCM-SHA384', 'AES128-SHA', 'AES128-SHA256',
               'ECDHE-ECDSA-AES128-SHA', 'ECDHE-ECDSA-AES128-SHA256', 'ECDHE-ECDSA-AES256-SHA384',
               'ECDHE-ECDSA-AES128-CCM', 'ECDHE-ECDSA-AES128-CCM8', 'DES-CBC3-SHA',
               'ECDHE-ECDSA-DES-CBC3-SHA', 'ECDH-ECDSA-AES128-GCM-SHA256', 'NULL-SHA256',
               'ECDHE-ECDSA-NULL-SHA', 'AECDH-AES128-SHA', 'PSK-AES128-GCM-SHA256']


def test_ciphers(server):
    for cipher in GOOD_CIPHERS:
        output = s_client(server, '-tls1_2', '-cipher', cipher)
        check_in(f'Cipher is {cipher}', output)
    for cipher in BAD_CIPHERS:
        output = s_client(server, '-tls1_2', '-cipher', f'{cipher}:@SECLEVEL=0')
        check(not is_shaken(output), f'{cipher} was accepted')
    # P-256 is always in the list: the certificate is on it (RFC 8422, 5.1.1).
    for curves, taken in (('X25519:P-256', 'X25519'), ('P-256', 'ECDH, prime256v1'),
                          ('P-384:P-256', 'ECDH')):
        output = s_client(server, '-tls1_2', '-curves', curves)
        check_in(f'Server Temp Key: {taken}', output)
    check_lives(server)


def test_renegotiation_is_refused(server):
    output = s_client(server, '-tls1_2', text=b'R\n')
    check_in('RENEGOTIATING', output)
    check_in('no renegotiation', output.split('RENEGOTIATING')[1])
    check_lives(server)


def test_resumption(server):
    context = tls_context()
    context.options |= ssl.OP_NO_TICKET
    with socket.create_connection(('127.0.0.1', server.https_port)) as plain:
        with context.wrap_socket(plain) as first:
            check_equal(first.selected_alpn_protocol(), 'http/1.1')
            first.sendall(HEALTH)
            reply_read(first)
            session = first.session
            check(not first.session_reused)
    for _ in range(3):
        with socket.create_connection(('127.0.0.1', server.https_port)) as plain:
            with context.wrap_socket(plain, session=session) as again:
                again.sendall(HEALTH)
                check_equal(reply_read(again)[0].status, 200)
                check(again.session_reused, 'the session was not resumed')
    output = s_client(server, '-tls1_2', '-no_ticket', '-reconnect', text=b'')
    check_equal(len(re.findall('Reused, TLSv1.2', output)), 5, output[-400:])


def test_sessions_can_be_switched_off():
    with Server({'tls.sessions': '0'}) as server:
        output = s_client(server, '-tls1_2', '-no_ticket', '-reconnect', text=b'')
        check_not_in('Reused', output)
        check_lives(server)


def test_close_notify_is_sent_and_answered(server):
    connection = server.connect(is_plain=False)
    connection.sendall(CLOSING)
    connection.settimeout(10)
    received = b''
    while True:
        piece = connection.recv(65536)  # ssl raises when the stream ends without close_notify
        if not piece:
            break
        received += piece
    check(received.startswith(b'HTTP/1.1 200'))
    connection = server.connect(is_plain=False)
    connection.sendall(HEALTH)
    reply_read(connection)
    connection.unwrap()
    check_lives(server)


def test_garbage_on_the_tls_port(server):
    for data in (HEALTH, b'\x16\x03\x01\x00\x05hello', b'\x15\x03\x03\x00\x02\x02\x28', b'\0' * 500,
                 b'\x16\x03\x03\xff\xff' + b'a' * 1000, b'\x17\x03\x03\x00\x05hello', b'\x80' * 50):
        connection = socket.create_connection(('127.0.0.1', server.https_port), timeout=15)
        connection.sendall(data)
        received = receive_all(connection)
        check(len(received) < 4096 and not received.startswith(b'HTTP'), repr(received[:40]))
        connection.close()
    check_lives(server)


def test_clients_that_leave_in_the_middle(server):
    hello = client_hello()
    for length in range(1, len(hello), max(1, len(hello) // 40)):
        connection = socket.create_connection(('127.0.0.1', server.https_port))
        connection.sendall(hello[:length])
        if length % 2:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0')
        connection.close()
    check_lives(server)


def client_hello():
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    engine = tls_context().wrap_bio(incoming, outgoing)
    try:
        engine.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def test_flipped_bytes_in_the_client_hello(server):
    hello = client_hello()
    for position in range(5, len(hello), 3):
        changed = bytearray(hello)
        changed[position] ^= 0xff
        connection = socket.create_connection(('127.0.0.1', server.https_port), timeout=15)
        connection.sendall(changed)
        connection.settimeout(0.02)
        try:
            connection.recv(4096)
        except OSError:
            pass
        connection.close()
    check_lives(server)


# ---- certificates ----

def test_the_self_signed_certificate_is_kept_and_sound():
    with Server() as server:
        pem = ssl.get_server_certificate(('127.0.0.1', server.https_port))
        run = subprocess.run(['openssl', 'x509', '-noout', '-text'], input=pem, text=True,
                             capture_output=True, timeout=20)
        for word in ('prime256v1', 'ecdsa-with-SHA256', 'DNS:localhost', 'IP Address:127.0.0.1',
                     'Version: 3'):
            check_in(word, run.stdout)
        file = os.path.join(server.folder, 'own.pem')
        open(file, 'w', encoding='ascii').write(pem)
        run = subprocess.run(['curl', '-s', '-o', '/dev/null', '-w', '%{http_code}', '--cacert',
                              file, f'https://127.0.0.1:{server.https_port}/health'],
                             capture_output=True, text=True, timeout=20)
        check_equal(run.stdout, '200', 'curl with the certificate as its authority')
        server.restart()
        check_equal(ssl.get_server_certificate(('127.0.0.1', server.https_port)), pem)
        private = [server.data, f'{server.data}.key'] + \
            glob.glob(f'{server.data}/*key*') + glob.glob(f'{server.data}/*.mdb')
        check(len(private) >= 4, str(private))
        for path in private:
            check(os.stat(path).st_mode & 0o077 == 0, f'others may read {path}')


KEYS = {
    'ec-pkcs8': ['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'],
    'ec-sec1': ['ecparam', '-name', 'prime256v1', '-genkey', '-noout'],
    'ec-sec1-parameters': ['ecparam', '-name', 'prime256v1', '-genkey'],
    'ec384-pkcs8': ['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384'],
    'rsa-pkcs8': ['genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'],
    'rsa-pkcs1': ['genrsa', '-traditional', '2048'],
}


def make_pair(folder, kind):
    """(certificate file, key file) of openssl's making."""
    key = os.path.join(folder, f'{kind}.key')
    certificate = os.path.join(folder, f'{kind}.pem')
    made = subprocess.run(['openssl', *KEYS[kind]], capture_output=True, timeout=60, check=True)
    open(key, 'wb').write(made.stdout)
    subprocess.run(['openssl', 'req', '-x509', '-new', '-key', key, '-out', certificate, '-days',
                    '30', '-subj', f'/CN={kind}', '-addext', 'subjectAltName=DNS:localhost,'
                    'IP:127.0.0.1'], capture_output=True, timeout=60, check=True)
    return certificate, key


def name_served(server):
    pem = ssl.get_server_certificate(('127.0.0.1', server.https_port))
    run = subprocess.run(['openssl', 'x509', '-noout', '-subject'], input=pem, text=True,
                         capture_output=True, timeout=20)
    return run.stdout.strip().split('=')[-1].strip()


def test_sighup_reloads_without_dropping_connections():
    folder = tempfile.mkdtemp()
    pairs = {kind: make_pair(folder, kind) for kind in KEYS}
    certificate, key = os.path.join(folder, 'live.pem'), os.path.join(folder, 'live.key')

    def install(kind, is_renamed=False):
        for source, target in zip(pairs[kind], (certificate, key)):
            if is_renamed:  # as a careful program replaces a file
                shutil.copy(source, f'{target}.new')
                os.replace(f'{target}.new', target)
            else:
                shutil.copy(source, target)

    install('ec-pkcs8')
    with Server({'tls.certificate': certificate, 'tls.key': key}) as server:
        check_equal(name_served(server), 'ec-pkcs8')
        kept = server.connect(is_plain=False)
        kept.sendall(HEALTH)
        check_equal(reply_read(kept)[0].status, 200)
        for number, kind in enumerate(list(KEYS)[1:] + ['ec-pkcs8']):
            install(kind, is_renamed=number % 2 == 0)
            server.signal(signal.SIGHUP)
            wait_until(lambda: name_served(server) == kind, f'{kind} is served', 20)
            kept.sendall(HEALTH)
            check_equal(reply_read(kept)[0].status, 200, f'old connection after {kind}')
            check_lives(server)
        for damage in ('', 'garbage', open(pairs['rsa-pkcs1'][1], encoding='ascii').read()):
            open(key, 'w', encoding='ascii').write(damage)  # the last one fits another certificate
            before = len(server.log())
            server.signal(signal.SIGHUP)
            wait_until(lambda: len(server.log()) > before, 'the log says so')
            check_equal(name_served(server), 'ec-pkcs8', 'the old certificate goes on')
        kept.sendall(HEALTH)
        check_equal(reply_read(kept)[0].status, 200)
    shutil.rmtree(folder)


def test_rsa_certificates_have_their_own_good_ciphers():
    folder = tempfile.mkdtemp()
    certificate, key = make_pair(folder, 'rsa-pkcs8')
    with Server({'tls.certificate': certificate, 'tls.key': key}) as server:
        for cipher in ('ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-RSA-CHACHA20-POLY1305'):
            check_in(f'Cipher is {cipher}', s_client(server, '-tls1_2', '-cipher', cipher))
        for cipher in ('AES128-GCM-SHA256', 'AES256-SHA', 'DHE-RSA-AES128-GCM-SHA256',
                       'ECDHE-RSA-AES128-SHA'):
            output = s_client(server, '-tls1_2', '-cipher', f'{cipher}:@SECLEVEL=0')
            check(not is_shaken(output), f'{cipher} was accepted')
        check_lives(server)
    shutil.rmtree(folder)


def test_a_start_with_a_bad_certificate_is_refused():
    folder = tempfile.mkdtemp()
    certificate, key = make_pair(folder, 'ec-pkcs8')
    other = make_pair(folder, 'ec-sec1')[1]
    for bad_certificate, bad_key in ((certificate, other), (key, key), (certificate, certificate),
                                     (f'{folder}/none', key), (certificate, f'{folder}/none')):
        server = Server({'tls.certificate': bad_certificate, 'tls.key': bad_key}).spawn()
        check(server.process.wait(30) != 0, 'it started')
        check_not_in('Sanitizer', server.log())
        check('certificate' in server.log() or 'key' in server.log(), server.log())
        shutil.rmtree(server.folder)
    shutil.rmtree(folder)


def test_plain_listeners_only_on_loopback_without_proxies():
    server = Server()
    original = server.command()
    command = [word.replace('http://127.0.0.1', 'http://0.0.0.0') for word in original]
    server.command = lambda: command
    server.spawn()
    check(server.process.wait(30) != 0, 'plain HTTP for everybody')
    check_not_in('Sanitizer', server.log())
    shutil.rmtree(server.folder)


# ---- what the scanners say ----

def release_server():
    """The product itself, for the scanners (and for their many handshakes)."""
    program = release_path() if os.path.exists(release_path()) else None
    return Server(SETTINGS, program=program)


def test_sslscan_finds_nothing():
    if shutil.which('sslscan') is None:
        raise Skipped('no sslscan')
    with release_server() as server:
        address = f'127.0.0.1:{server.https_port}'
        run = subprocess.run(['sslscan', '--xml=-', '--no-colour', address],
                             capture_output=True, text=True, timeout=200)
        test = ElementTree.fromstring(run.stdout).find('ssltest')
        enabled = {(item.get('type'), item.get('version')) for item in test.findall('protocol')
                   if item.get('enabled') == '1'}
        check_equal(enabled, {('tls', '1.2')})
        ciphers = {item.get('cipher') for item in test.findall('cipher')}
        check(ciphers, 'no ciphers found')
        for cipher in ciphers:
            check(re.fullmatch(r'(ECDHE-\w+-(AES(128|256)-GCM-SHA\d+|CHACHA20-POLY1305))', cipher),
                  cipher)
        for item in test.findall('cipher'):
            check_in(item.get('strength'), ('strong', 'acceptable'), item.get('cipher'))
        # What sslscan cannot try, it leaves out: compression that its own library lacks, a fallback
        # where there is only one version.
        compression = test.find('compression')
        check(compression is None or compression.get('supported') == '0', 'compression')
        renegotiation = test.find('renegotiation')
        check(renegotiation.get('supported') == '0' or renegotiation.get('secure') == '1')
        check_equal([item.get('vulnerable') for item in test.findall('heartbleed')
                     if item.get('vulnerable') != '0'], [])
        check_equal(test.find('certificates/certificate/pk').get('error'), 'false')


# testssl.sh's findings that are not about the server: it runs with a self-signed certificate whose
# authority nobody knows and on a name without DNS.
TESTSSL_EXPECTED = re.compile(
    r'TLS1_3|cert_chain_of_trust|cert_revocation|cert_certificatePolicy|cert_ocsp|cert_crl'
    r'|OCSP_stapling|DNS_CAArecord|cert_caIssuers|certificate_transparency|cert_trust|cert_validity'
    r'|cert_notAfter|cert_extlifeSpan|overall_grade|grade_cap_reason|final_score|security_headers'
    r'|BREACH|clientsimulation|id|host_certificate_Problem|engine_problem|scanProblem')


def test_testssl_finds_nothing():
    if shutil.which('testssl') is None:
        raise Skipped('no testssl.sh')
    with release_server() as server:
        report = os.path.join(server.folder, 'testssl.json')
        run = subprocess.run(
            ['testssl', '--quiet', '--color', '0', '--warnings', 'off', '--nodns', 'min',
             '--jsonfile', report, '-p', '-s', '-f', '-S', '-U',
             f'127.0.0.1:{server.https_port}'],
            capture_output=True, text=True, timeout=230, stdin=subprocess.DEVNULL)
        check(os.path.exists(report), run.stdout + run.stderr)
        findings = json.load(open(report, encoding='utf-8'))
        check(len(findings) > 40, f'only {len(findings)} findings')
        bad = [f'{item["id"]} {item["severity"]}: {item["finding"]}' for item in findings
               if item['severity'] in ('LOW', 'MEDIUM', 'HIGH', 'CRITICAL', 'WARN', 'FATAL')
               and not TESTSSL_EXPECTED.match(item['id'])]
        check(not bad, '\n'.join(bad))
        offered = {item['id']: item['finding'] for item in findings}
        check_in('offered', offered.get('TLS1_2', ''))
        check_in('not offered', offered.get('TLS1_1', ''))


if __name__ == '__main__':
    harness.main(globals())
