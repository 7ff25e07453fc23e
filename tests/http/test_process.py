"""The product as it ships (no sanitizer, caged): flags and settings, users, signals, restarts. The
other files test the sanitized build without its cage."""

import glob
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading

import harness
from harness import Skipped, check, check_equal, check_in, check_not_in, check_status, wait_until
from raw import reply_read
from server import PASSWORD, Server, release_path, run_program
from test_tls import HEALTH, make_pair, name_served

CAGED = {'sandbox': 'true', 'rate.enabled': 'false'}


def product(settings=None):
    if not os.path.exists(release_path()):
        raise Skipped('no build/coffer')
    return Server({**CAGED, **(settings or {})}, program=release_path())


def status_of(server):
    with open(f'/proc/{server.process.pid}/status', encoding='ascii') as file:
        return dict(line.rstrip('\n').split(':\t', 1) for line in file if ':\t' in line)


def test_the_cage_is_shut():
    with product() as server:
        status = status_of(server)
        check_equal(status['Seccomp'], '2', 'seccomp filter')
        check_equal(status['NoNewPrivs'], '1')
        check_equal(os.stat(server.data).st_mode & 0o777, 0o700)


def test_everything_works_in_the_cage():
    server = product()
    try:
        server.start()
        user = server.user()
        check_status(user.patch('/api/v1/users/me', {'full_name': 'Caged'}), 200)
        check_status(server.login(user.email), 200)
        check_status(server.admin().get('/api/v1/audit/events'), 200)
        for path in ('/health', '/health/detailed', '/metrics', '/openapi.json', '/docs'):
            check_status(server.client().get(path), 200)
        server.restart()
        reply = server.client(token=user.token).get('/api/v1/users/me')
        check_equal(reply.data['user']['full_name'], 'Caged')
    finally:
        complaints = server.stop()
    check(not complaints, '; '.join(complaints))


def test_an_unlucky_guess_logs_in_only_with_its_own_password():
    with product({'password.cost': '12'}) as server:
        user = server.user()
        check_status(server.login(user.email), 200)
        check_status(server.login(user.email, PASSWORD[:-1]), 401)


def test_thousands_of_sessions_of_one_user_end_together():
    """As many as anybody may open in the life of a session: no memory of one request may end."""
    count, at_once = 6400, 8
    with product() as server:
        user = server.user()
        tokens, wrong = [], []

        def log_in():
            client = server.client(is_plain=True)
            for _ in range(count // at_once):
                reply = server.login(user.email, client=client)
                (tokens if reply.status == 200 else wrong).append((reply.data or {}).get('token'))

        threads = [threading.Thread(target=log_in) for _ in range(at_once)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        check_equal((len(tokens), len(wrong)), (count, 0))
        client = server.client()
        newest = server.login(user.email).data['token']  # the oldest ended to make room
        check_status(client.get('/api/v1/auth/sessions', token=newest), 200)
        reply = client.post('/api/v1/auth/logout', {'all_sessions': True}, token=newest)
        check_status(reply, 200)
        alive = [token for token in [*tokens[::37], *tokens[-100:], newest]
                 if client.get('/api/v1/auth/me', token=token).status != 401]
        check_equal(alive, [])


def test_certificates_are_reloaded_in_the_cage():
    folder = tempfile.mkdtemp()
    pairs = [make_pair(folder, kind) for kind in ('ec-pkcs8', 'ec-sec1', 'rsa-pkcs8')]
    certificate, key = os.path.join(folder, 'live.pem'), os.path.join(folder, 'live.key')

    def install(pair):
        for source, target in zip(pair, (certificate, key)):
            shutil.copy(source, f'{target}.new')
            os.replace(f'{target}.new', target)

    install(pairs[0])
    with product({'tls.certificate': certificate, 'tls.key': key}) as server:
        kept = server.connect(is_plain=False)
        kept.sendall(HEALTH)
        reply_read(kept)
        for number, name in ((1, 'ec-sec1'), (2, 'rsa-pkcs8')):
            install(pairs[number])
            server.signal(signal.SIGHUP)
            wait_until(lambda: name_served(server) == name, f'{name} is served', 10)
            kept.sendall(HEALTH)
            check_equal(reply_read(kept)[0].status, 200)
    shutil.rmtree(folder)


def test_a_named_user_drops_root():
    if os.getuid() != 0:
        raise Skipped('not root')
    nobody = pwd.getpwnam('nobody')
    server = product({'user': 'nobody'})
    os.chmod(server.folder, 0o755)  # nobody must be able to walk to the data
    with server:
        status = status_of(server)
        check_equal(set(status['Uid'].split()), {str(nobody.pw_uid)})
        check_equal(set(status['Gid'].split()), {str(nobody.pw_gid)})
        check_equal(status['CapEff'].strip('0'), '')
        user = server.user()
        check_status(user.patch('/api/v1/users/me', {'full_name': 'Nobody'}), 200)


def test_unknown_names_stop_the_start():
    folder = tempfile.mkdtemp()
    program = release_path()
    table = [(['--set', 'no.such=1'], 'no.such'), (['--set', 'rate.login=0'], 'rate.login'),
             (['--set', 'rate.login=x'], 'rate.login'), (['--set', 'password.cost=99'],
                                                         'password.cost'),
             (['--no-such-flag', '1'], 'no-such-flag'),
             (['--listen', 'ftp://localhost:1'], 'listen'),
             (['--listen', 'https://localhost:99999'], 'listen')]
    for arguments, word in table:
        run = run_program(program, 'serve', '--data', f'{folder}/data', *arguments)
        check(run.returncode not in (0, None) and run.returncode > 0, f'{arguments}: {run}')
        check_in(word, run.stderr, str(arguments))
    run = subprocess.run([program, 'settings'], capture_output=True, text=True, timeout=20,
                         env={'COFFER_NO_SUCH': '1'}, cwd=folder)
    check(run.returncode != 0 and 'NO_SUCH' in run.stderr.upper(), str(run))
    shutil.rmtree(folder)


def test_later_sources_win():
    folder = tempfile.mkdtemp()
    os.makedirs(f'{folder}/data', mode=0o700)
    with open(f'{folder}/data/coffer.conf', 'w', encoding='ascii') as file:
        file.write('# comment\nrate.login = 11\nrate.read = 12\nrate.write = 13\n')
    run = subprocess.run([release_path(), 'settings', '--data', f'{folder}/data', '--set',
                          'rate.write=33'], capture_output=True, text=True, timeout=20,
                         env={'COFFER_RATE_READ': '22', 'COFFER_RATE_WRITE': '23'})
    check_equal(run.returncode, 0, run.stderr)
    lines = {line.split()[0]: line for line in run.stdout.splitlines() if line.strip()}
    for name, value in (('rate.login', '11'), ('rate.read', '22'), ('rate.write', '33')):
        check_in(value, lines[name].split(), lines[name])
    shutil.rmtree(folder)


def test_usage_errors():
    program = release_path()
    check_equal(run_program(program, 'no-such').returncode, 64)
    check_equal(run_program(program, 'backup').returncode, 64)
    check_equal(run_program(program, '--help').returncode, 0)
    check_in('coffer', run_program(program, 'version').stdout)


def test_a_second_start_on_the_same_port_says_so():
    with product() as server:
        other = product()
        other.https_port, other.http_port = server.https_port, server.http_port
        other.spawn()
        check(other.process.wait(20) > 0, 'it runs')
        check_in('another program has that port', other.log())
        check_status(server.client().get('/health'), 200)


def test_a_store_of_another_key_does_not_open():
    server = product().start()
    server.user()
    check_equal(server.finish(), [])
    with open(f'{server.data}.key', 'w', encoding='ascii') as file:
        file.write('11' * 32 + '\n')
    server.spawn()
    code = server.process.wait(30)
    check(code > 0, f'it started under a foreign key, or died by signal: {code}')
    check_in('key', server.log()[server.log_start:].lower())
    shutil.rmtree(server.folder)


def test_a_damaged_store_is_refused_in_a_sentence():
    server = product().start()
    server.user()
    check_equal(server.finish(), [])
    store = glob.glob(f'{server.data}/data.mdb')[0]
    whole = open(store, 'rb').read()
    wrong = []
    for damaged in (b'', whole[:100], b'\0' * len(whole), b'garbage!' * 1024, whole[:8192],
                    whole[:len(whole) // 2]):
        open(store, 'wb').write(damaged)
        run = server.run('fsck', server.data)
        if run.returncode <= 0 or not run.stderr:
            wrong.append(f'fsck of {damaged[:8]}, {len(damaged)} bytes: exit code {run.returncode}')
        server.spawn()
        try:
            code = server.process.wait(5)
        except subprocess.TimeoutExpired:
            server.kill()
            code = 'it runs'
        if code == 'it runs' or code <= 0:
            wrong.append(f'serve on {damaged[:8]}, {len(damaged)} bytes: exit code {code}')
    check(not wrong, '\n'.join(wrong))
    open(store, 'wb').write(whole)
    server.start()
    complaints = server.stop()
    check(not complaints, '; '.join(complaints))


harness.main(globals())
