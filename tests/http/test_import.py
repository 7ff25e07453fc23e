"""coffer import users: CSV and JSON lines with hashes of other systems; they log in, and are hashed
anew by that."""

import crypt
import hashlib
import json
import os
import re
import secrets
import shutil
import string
import threading
import warnings

import harness
from harness import check, check_equal, check_in, check_not_in, check_status
from server import Server

SETTINGS = {'rate.enabled': 'false', 'password.cost': '4'}

PASSWORD = 'Old-System-Pass-9'
UMLAUTS = 'P\u00e4ssw\u00f6rter-\u2603-9'


def salt_text(length=16):
    return ''.join(secrets.choice(string.ascii_letters + string.digits) for _ in range(length))


def bcrypt(password, prefix, cost=5):
    salt = ''.join(secrets.choice('./' + string.ascii_letters + string.digits) for _ in range(21))
    made = crypt.crypt(password, f'${prefix}${cost:02}${salt}u')
    check(made and made.startswith(f'${prefix}$'), f'this crypt has no ${prefix}$')
    return made


def pbkdf2(password, iterations=1000):
    salt = salt_text()
    digest = hashlib.pbkdf2_hmac('sha256', password.encode(), salt.encode(), iterations)
    return f'pbkdf2:sha256:{iterations}${salt}${digest.hex()}'


def scrypt(password, n=32768, r=8, p=1):
    salt = salt_text()
    digest = hashlib.scrypt(password.encode(), salt=salt.encode(), n=n, r=r, p=p,
                            maxmem=132 * n * r * p, dklen=64)
    return f'scrypt:{n}:{r}:{p}${salt}${digest.hex()}'


def hashes():
    made = {}
    for name, password in (('plain', PASSWORD), ('umlauts', UMLAUTS)):
        for prefix in ('2a', '2b', '2y'):
            made[f'{name}-{prefix}@example.com'] = (password, bcrypt(password, prefix))
        made[f'{name}-pbkdf2@example.com'] = (password, pbkdf2(password))
        made[f'{name}-scrypt@example.com'] = (password, scrypt(password))
    made['werkzeug@example.com'] = (PASSWORD, pbkdf2(PASSWORD, 260000))
    made['cheap-scrypt@example.com'] = (PASSWORD, scrypt(PASSWORD, 1024, 4, 2))
    return made


def write(folder, name, text):
    path = os.path.join(folder, name)
    open(path, 'w', encoding='utf-8').write(text)
    return path


def csv_of(users):
    lines = ['email,password_hash,full_name,role']
    for number, (email, (_password, made)) in enumerate(users.items()):
        name = f'"Person, ""{number}"""' if number % 2 else f'Person {number}'
        lines.append(f'{email},{made},{name},{"support" if number == 0 else ""}')
    return '\n'.join(lines) + '\n'


def lines_of(users):
    return ''.join(json.dumps({'email': email, 'password_hash': made, 'full_name': 'J\u00f6rg'})
                   + '\n' for email, (_password, made) in users.items())


def import_users(server, path):
    return server.run('import', 'users', path, '--data', server.data)


def imported_server(text, name):
    """A server over a store that was made by an import alone."""
    server = Server(SETTINGS)
    run = import_users(server, write(server.folder, name, text))
    check_equal(run.returncode, 0, run.stdout + run.stderr)
    return server.start()


def check_all_log_in(server, users):
    for email, (password, _made) in users.items():
        reply = server.login(email, password + 'x')
        check_status(reply, 401)
        for _ in range(2):  # by the old hash, then by the new one
            reply = server.login(email, password)
            check_status(reply, 200)


def stored_bytes(server):
    stored = b''
    for folder, _folders, files in os.walk(server.data):
        for name in files:
            stored += open(os.path.join(folder, name), 'rb').read()
    return stored


def check_imports(text, name, users):
    server = imported_server(text, name)
    try:
        check_all_log_in(server, users)
        first = next(iter(users))
        data = server.login(first, users[first][0]).data
        check_equal(data['user']['email'], first)
        return server, data
    except BaseException:
        server.finish()
        raise


def test_csv():
    warnings.simplefilter('ignore')
    users = hashes()
    server, data = check_imports(csv_of(users), 'users.csv', users)
    check_equal(data['user']['role'], 'support')
    check_equal(data['user']['full_name'], 'Person 0')
    second = list(users)[1]
    data = server.login(second, users[second][0]).data
    check_equal(data['user']['full_name'], 'Person, "1"')
    check_equal(data['user']['role'], 'customer')
    check_equal(server.finish(), [])
    stored = stored_bytes(server)
    check_in(b'$2b$04$', stored, 'rehashed at the set cost')
    run = server.run('fsck', server.data)
    check_equal(run.returncode, 0, run.stdout + run.stderr)
    run = server.run('audit', 'verify', server.data)
    check_equal(run.returncode, 0, run.stdout + run.stderr)
    shutil.rmtree(server.folder)


def test_json_lines():
    users = hashes()
    server, data = check_imports(lines_of(users), 'users.jsonl', users)
    check_equal(data['user']['full_name'], 'J\u00f6rg')
    complaints = server.stop()
    check(not complaints, '; '.join(complaints))


def test_first_logins_at_the_same_moment():
    users = {f'twin{number}@example.com': (PASSWORD, pbkdf2(PASSWORD)) for number in range(4)}
    server = imported_server(lines_of(users), 'users.jsonl')
    statuses = []
    for email in users:
        threads = [threading.Thread(
            target=lambda: statuses.append(server.login(email, PASSWORD).status)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    check_equal(statuses, [200] * 16, 'the new hash of one login must not refuse the others')
    complaints = server.stop()
    check(not complaints, '; '.join(complaints))


def test_an_import_beside_a_running_server_is_refused_or_works():
    with Server(SETTINGS) as server:
        text = json.dumps({'email': 'live@example.com', 'password_hash': bcrypt(PASSWORD, '2b')})
        run = import_users(server, write(server.folder, 'live.jsonl', text + '\n'))
        reply = server.login('live@example.com', PASSWORD)
        check_equal((run.returncode == 0), (reply.status == 200), run.stdout + run.stderr)
        if run.returncode != 0:
            check(run.stderr.strip(), 'refused without a word')


def test_bad_rows_are_named_by_their_line():
    good = f'good@example.com,{bcrypt(PASSWORD, "2b")},Good,\n'
    table = [
        'not-an-address,$2b$05$x,,\n',
        f'a@example.com,{"x" * 60},,\n',
        f'a@example.com,{bcrypt(PASSWORD, "2b")[:-1]},,\n',
        f'a@example.com,{bcrypt(PASSWORD, "2b")},Name,emperor\n',
        'a@example.com\n',
        'a@example.com,$1$abc$xxxxxxxxxxxxxxxxxxxxxx,,\n',
        'a@example.com,pbkdf2:sha256:99999999999$salt$' + '00' * 32 + ',,\n',
        'a@example.com,scrypt:1048576:64:64$salt$' + '00' * 64 + ',,\n',
        'a@example.com,"unfinished,,\n',
    ]
    for number, bad in enumerate(table):
        server = Server(SETTINGS)
        text = 'email,password_hash,full_name,role\n' + good + bad
        run = import_users(server, write(server.folder, 'bad.csv', text))
        check(run.returncode != 0, f'row {number} was accepted: {bad}')
        check(re.search(r'line [34]\b', run.stderr), f'row {number}: the line is not named')
        check_not_in('Sanitizer', run.stderr)
        shutil.rmtree(server.folder)


def test_an_address_twice_is_reported():
    server = Server(SETTINGS)
    made = bcrypt(PASSWORD, '2b')
    text = ''.join(json.dumps({'email': email, 'password_hash': made}) + '\n'
                   for email in ('a@example.com', 'A@Example.com'))
    run = import_users(server, write(server.folder, 'twice.jsonl', text))
    check_in('line 2: a@example.com is there already', run.stderr)
    check_in('1 imported, 1 there already, 0 faulty', run.stdout)
    shutil.rmtree(server.folder)


def test_rehash_is_at_the_default_cost_12():
    server = Server({'rate.enabled': 'false', 'password.cost': '12'})
    text = json.dumps({'email': 'twelve@example.com', 'password_hash': pbkdf2(PASSWORD)}) + '\n'
    run = import_users(server, write(server.folder, 'u.jsonl', text))
    check_equal(run.returncode, 0, run.stdout + run.stderr)
    server.start()
    for _ in range(2):
        check_status(server.login('twelve@example.com', PASSWORD), 200)
    check_equal(server.finish(), [])
    check_in(b'$2b$12$', stored_bytes(server))
    shutil.rmtree(server.folder)


if __name__ == '__main__':
    harness.main(globals())
