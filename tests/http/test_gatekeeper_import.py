"""coffer import users with the CSV export of a Gatekeeper table: fifteen columns, hashes that stay
valid, every faulty column named with its line; and coffer admin promote."""

import os
import shutil
import warnings

import harness
from gatekeeper import login
from harness import check, check_equal, check_in, check_not_in
from server import Server
from test_import import bcrypt, import_users, write

SETTINGS = {'rate.enabled': 'false', 'password.cost': '5'}
COLUMNS = ('account_number', 'first_name', 'last_name', 'age', 'gender', 'phone_number', 'address',
           'bank_account_type', 'date_of_account_opening', 'branch_code', 'password_hash',
           'created_at', 'last_login', 'login_attempts', 'last_failed_attempt')


def sample(number, **changes):
    """A row as pgAdmin exports it: texts in quotes, numbers and NULL bare."""
    made = dict(zip(COLUMNS, (
        f'{100000000000 + number}', f'"First{number}"', f'"Last ""{number}"""', str(20 + number),
        '"Female"', f'"(213) 555-{number:04}"', '"456 Oak St, San Francisco, CA 94102"',
        '"Savings"', '"2020-03-10"', '"SF234"', f'"{bcrypt(f"Password{number}", "2b", 4)}"',
        '"2025-03-31 22:05:19.915695"', '"2025-03-31 18:52:47.149914"' if number % 2 else 'NULL',
        str(number % 3), 'NULL')))
    made.update(changes)
    return ','.join(made.values()) + '\n'


def table(*rows):
    return ','.join(f'"{name}"' for name in COLUMNS) + '\n' + ''.join(rows)


def test_ten_rows():
    warnings.simplefilter('ignore')
    server = Server(SETTINGS)
    path = write(server.folder, 'customers.csv', table(*(sample(number) for number in range(10))))
    run = import_users(server, path)
    check_equal((run.returncode, run.stdout.splitlines()[-1]),
                (0, '10 imported, 0 there already, 0 faulty'), run.stderr)
    again = import_users(server, path)
    check_equal(again.stdout.splitlines()[-1], '0 imported, 10 there already, 0 faulty')
    check_in('line 2: 100000000000 is there already, left as it is', again.stderr)
    with server:
        users = server.admin().get('/').json['users']
        check_equal([user['last_login'] for user in users[:2]], [None, '2025-03-31 18:52:47'])
        check_equal((users[3]['last_name'], users[3]['address'], users[3]['age']),
                    ('Last "3"', '456 Oak St, San Francisco, CA 94102', 23))
        for number in range(10):
            account = f'{100000000000 + number}'
            client = server.client()
            check_equal(login(client, account, 'Password').status, 401)
            for _ in range(2):  # by the imported hash, then by the one made anew
                reply = login(client, account, f'Password{number}')
                check_equal(reply.status, 200, reply.text)


def test_faulty_columns_are_named_with_their_line():
    warnings.simplefilter('ignore')
    bad = [
        ('account_number', '12345', 'account_number Must be 12 digits.'),
        ('account_number', '', 'account_number Missing data for required field.'),
        ('first_name', '"' + 'x' * 51 + '"', 'first_name '),
        ('age', 'old', 'age Not a valid integer.'),
        ('phone_number', '"213-555-2345"', 'phone_number Must be ('),
        ('date_of_account_opening', '2020-02-30', 'date_of_account_opening Must be YYYY-MM-DD.'),
        ('branch_code', 'x' * 11, 'branch_code '),
        ('password_hash', 'Password1', 'password_hash Not a hash of a known form.'),
        ('created_at', 'yesterday', 'created_at Not a valid datetime.'),
        ('last_login', 'never', 'last_login Not a valid datetime.'),
    ]
    server = Server(SETTINGS)
    rows = [sample(number, **{column: value}) for number, (column, value, _) in enumerate(bad)]
    run = import_users(server, write(server.folder, 'bad.csv', table(*rows, sample(50), 'a,b\n')))
    check(run.returncode != 0, 'accepted')
    check_in('1 imported, 0 there already, 11 faulty', run.stdout)
    lines = run.stderr.splitlines()
    for number, (_column, _value, text) in enumerate(bad):
        check(any(line.startswith(f'line {number + 2}: {text}') for line in lines),
              f'{text}: {run.stderr}')
    check_in('line 13: ', run.stderr)
    check_not_in('Sanitizer', run.stderr)
    shutil.rmtree(server.folder)


def test_an_unknown_column_is_named():
    server = Server(SETTINGS)
    text = 'account_number,shoe\n123456789012,44\n'
    run = import_users(server, write(server.folder, 'odd.csv', text))
    check(run.returncode != 0, 'accepted')
    check_in('line 2: shoe Unknown field.', run.stderr)
    shutil.rmtree(server.folder)


def test_a_list_of_the_longest_customers():
    """What does not fit into a reply is refused with a way out, never cut without a word."""
    warnings.simplefilter('ignore')
    wide = '\U0001F600'
    made = bcrypt('Password', '2b', 4)
    changes = {'first_name': wide * 50, 'last_name': wide * 50, 'gender': wide * 10,
               'address': wide * 200, 'bank_account_type': wide * 50, 'branch_code': wide * 10,
               'password_hash': made}
    server = Server(SETTINGS)
    rows = [sample(number, age='44', **changes) for number in range(700)]
    run = import_users(server, write(server.folder, 'long.csv', table(*rows)))
    check_equal(run.returncode, 0, run.stderr[-500:])
    with server:
        admin = server.admin()
        for query in ('', '?limit=700'):
            reply = admin.get(f'/{query}')
            check_equal(reply.status, 400)
            check_in('use limit and after', reply.json['message'])
        seen, after = [], ''
        while len(seen) < 700:
            page = admin.get(f'/?limit=200{after}').json['users']
            seen += [user['account_number'] for user in page]
            after = f'&after={seen[-1]}'
        check_equal(seen, [f'{100000000000 + number}' for number in range(700)])
        check_equal(len(admin.get('/?offset=690').json['users']), 10)


def test_promote():
    warnings.simplefilter('ignore')
    server = Server(SETTINGS)
    path = write(server.folder, 'customers.csv', table(sample(1), sample(2)))
    check_equal(import_users(server, path).returncode, 0)
    run = server.run('admin', 'promote', '100000000001', '--data', server.data)
    check_equal((run.returncode, run.stdout.strip().splitlines()[-1]),
                (0, '100000000001 is an administrator of the customers.'), run.stderr)
    for arguments in (('promote', '999999999999'), ('promote', 'x')):
        run = server.run('admin', *arguments, '--data', server.data)
        check_equal(run.returncode, 1)
        check_in('There is no customer with this account number.', run.stderr)
    check_equal(server.run('admin', 'promote').returncode, 64)
    with server:
        for number, status in ((1, 200), (2, 403)):
            token = login(server.client(), f'{100000000000 + number}',
                          f'Password{number}').json['token']
            check_equal(server.client(token=token).get('/').status, status)
        run = server.run('audit', 'verify', server.data)
        check_equal(run.returncode, 0, run.stdout + run.stderr)
    check(not os.path.exists(server.folder), 'it stopped badly')


if __name__ == '__main__':
    harness.main(globals())
