"""Administration of accounts: the list and its pages, suspending, what a reset means, roles, and
that somebody is always left who can let others in."""

import json
import os
import threading

import harness
from harness import check, check_equal, check_in, check_not_in, check_status
from server import ADMIN_EMAIL, PASSWORD, Server
from test_import import bcrypt
from totp import App, enrolled, pending, verify

SETTINGS = {'rate.enabled': 'false', 'lockout.failures': '1000',
            'lockout.account-failures': '1000'}

USERS = '/api/v1/users'
ME = '/api/v1/auth/me'
PASSWORD_PATH = '/api/v1/users/me/password'
NEW_PASSWORD = PASSWORD + '-new'


def id_of(client):
    return client.user['id']


def events(server, action, resource):
    found = server.admin().get(f'/api/v1/audit/events?action={action}&limit=100').data['events']
    return [event for event in found if event['resource_id'] == resource]


def emails(reply):
    check_status(reply, 200)
    return [user['email'] for user in reply.data['users']]


# ---- the list ----

BIG = Server(SETTINGS)
COUNT = 230


def big():
    """Imported: five roles, addresses user000@ on, names Anna/Bertha/..., all active."""
    if BIG.process is None:
        made = bcrypt(PASSWORD, '2b', 4)
        roles = ['customer'] * 46 + ['support', 'compliance', 'auditor', 'admin']
        names = ['Anna Aal', 'BERTHA Bär', 'carl Čapek', None]
        path = os.path.join(BIG.folder, 'users.jsonl')
        with open(path, 'w', encoding='utf-8') as out:
            for number in range(COUNT):
                row = {'email': f'user{number:03}@example.com', 'password_hash': made,
                       'role': roles[number % 50]}
                name = names[number % 4]
                out.write(json.dumps(dict(row, full_name=name) if name else row) + '\n')
        run = BIG.run('import', 'users', path, '--data', BIG.data)
        check_equal(run.returncode, 0, run.stdout + run.stderr)
        BIG.start()
        BIG.admin_token = BIG.login('user049@example.com').data['token']
    return BIG.admin()


def walk(admin, query, limit=17):
    """All pages by cursor."""
    found, cursor = [], None
    for _ in range(200):
        more = f'&cursor={cursor}' if cursor else ''
        reply = admin.get(f'{USERS}?limit={limit}&{query}{more}')
        page = emails(reply)
        check(len(page) <= limit, f'{len(page)} on a page of {limit}')
        check_equal(reply.data['count'], len(page))
        check_equal(reply.data['pagination']['has_next'], reply.data['next_cursor'] is not None)
        found += page
        cursor = reply.data['next_cursor']
        if cursor is None:
            return found
    raise AssertionError('the pages have no end')


def test_all_users_in_pages_by_cursor():
    admin = big()
    everybody = {f'user{number:03}@example.com' for number in range(COUNT)}
    for query in ('sort_order=desc', 'sort_order=asc'):
        found = walk(admin, query)
        check_equal(len(found), COUNT, 'nobody twice')
        check_equal(set(found), everybody)
    newest = admin.get(f'{USERS}?limit=100').data['users']
    times = [user['created_at'] for user in newest]
    check_equal(times, sorted(times, reverse=True))
    for key in ('id', 'full_name', 'is_active', 'two_factor_enabled', 'role', 'created_at'):
        check_in(key, newest[0])
    check_not_in('password_hash', json.dumps(newest))


def test_pages_by_number():
    admin = big()
    found = []
    for page in range(1, 6):
        reply = admin.get(f'{USERS}?page={page}&per_page=50')
        found += emails(reply)
        check_equal(reply.data['pagination'], {
            'page': page, 'per_page': 50, 'total': COUNT, 'pages': 5,
            'has_next': page < 5, 'has_prev': page > 1})
    check_equal((len(found), len(set(found))), (COUNT, COUNT))
    check_equal(emails(admin.get(f'{USERS}?page=6&per_page=50')), [])
    reply = admin.get(f'{USERS}?page=100&per_page=100')
    check_status(reply, 400, 'VALIDATION_ERROR')
    check_in('page', reply.details)
    cursor = admin.get(f'{USERS}?limit=1').data['next_cursor']
    check_status(admin.get(f'{USERS}?page=1&cursor={cursor}'), 400, 'VALIDATION_ERROR')


def test_filters():
    admin = big()
    check_equal(len(walk(admin, 'role=support')), 4)
    check_equal(len(walk(admin, 'role=support&status=active')), 4)
    check_equal(walk(admin, 'status=suspended'), [])
    check_equal(len(walk(admin, 'factor=none')), COUNT)
    check_equal(walk(admin, 'factor=any') + walk(admin, 'factor=totp'), [])
    check_equal(walk(admin, 'factor=passkey'), [])


def test_times():
    admin = big()
    everybody = []
    cursor = ''
    while cursor is not None:
        data = admin.get(f'{USERS}?sort_order=asc&limit=100' +
                         (f'&cursor={cursor}' if cursor else '')).data
        everybody += data['users']
        cursor = data['next_cursor']
    low, high = everybody[70]['created_at'], everybody[150]['created_at']
    expected = [user['email'] for user in everybody if low <= user['created_at'] < high]
    span = f'created_from={low}Z&created_to={high}Z'
    check_equal(walk(admin, f'sort_order=asc&{span}'), expected)
    check_equal(sorted(walk(admin, span)), sorted(expected))
    check_equal(sorted(walk(admin, f'{span}&search=user')), sorted(expected))
    check_equal(walk(admin, f'created_from={high}Z&created_to={low}Z'), [])


def test_search_by_beginning():
    admin = big()
    check_equal(walk(admin, 'search=USER00'), [f'user{number:03}@example.com'
                                               for number in range(10)])
    check_equal(len(walk(admin, 'search=bertha')), 58)
    check_equal(len(walk(admin, 'search=Carl%20%C4%8C')), 57)
    check_equal(walk(admin, 'search=ertha'), [])
    check_equal(walk(admin, 'search=%01%25'), [])
    check_equal(sorted(walk(admin, 'search=anna&role=support')),
                [f'user{number:03}@example.com' for number in range(0, COUNT, 4)
                 if number % 50 == 46])
    reply = admin.get(f'{USERS}?search=user000&page=1')
    check_equal((reply.data['pagination']['total'], reply.data['pagination']['has_next']),
                (1, False))


def test_who_fits_by_address_and_name_comes_once(server):
    server.user(email='zoe-one@example.com', full_name='Zoe-one')
    server.user(email='other@example.com', full_name='ZOE-two')
    found = walk(server.admin(), 'search=zoe-', limit=1)
    check_equal(found, ['zoe-one@example.com', 'other@example.com'])


def test_cursors_of_others_are_refused():
    admin = big()
    cursor = admin.get(f'{USERS}?search=user&limit=1').data['next_cursor']
    for query in (f'search=anna&cursor={cursor}', f'status=active&cursor={cursor}', 'cursor=AA',
                  'cursor=%21', f'cursor=CQ{cursor}'):
        reply = admin.get(f'{USERS}?{query}')
        check(reply.status == 400 or reply.data['users'] == [], f'{query}: {reply.status}')
    check_status(admin.get(f'{USERS}?cursor=%21'), 400, 'BAD_REQUEST', 'INVALID_CURSOR')


def test_the_big_one_stops():
    check_equal(BIG.stop(), [])


def test_pages_behind_the_bound():
    """More rows than a request looks at: an empty page leads on, and the total is not known."""
    server = Server(SETTINGS)
    path = os.path.join(server.folder, 'users.jsonl')
    made = bcrypt(PASSWORD, '2b', 4)
    with open(path, 'w', encoding='utf-8') as out:
        for number in range(4500):
            out.write(json.dumps({'email': f'u{number}@example.com', 'password_hash': made,
                                  'role': 'admin' if number == 0 else 'customer'}) + '\n')
        out.write(json.dumps({'email': 'newest@example.com', 'password_hash': made}) + '\n')
    run = server.run('import', 'users', path, '--data', server.data)
    check_equal(run.returncode, 0, run.stdout + run.stderr)
    with server:
        admin = server.client(token=server.login('u0@example.com').data['token'])
        span = f'created_to={admin.get("/api/v1/users/me").data["user"]["created_at"]}Z'
        reply = admin.get(f'{USERS}?page=1&per_page=5')
        check_equal((len(emails(reply)), reply.data['pagination']['total'],
                     reply.data['pagination']['has_next']), (5, None, True))
        reply = admin.get(f'{USERS}?factor=any')
        check_equal((emails(reply), reply.data['next_cursor'] is not None), ([], True))
        check_equal(walk(admin, 'factor=any'), [])
        check_equal(len(walk(admin, 'sort_order=desc', limit=100)), 4501)
        check_equal(walk(admin, span), [], 'the administrator was the first')


# ---- one account ----

def test_one_account(server):
    admin, user = server.admin(), server.user()
    reply = admin.get(f'{USERS}/{id_of(user)}')
    check_status(reply, 200)
    check_equal(reply.data['user']['email'], user.email)
    check_equal({name: reply.data[name] for name in ('has_password', 'must_change_password',
                                                     'has_totp', 'has_passkey', 'status_reason')},
                {'has_password': True, 'must_change_password': False, 'has_totp': False,
                 'has_passkey': False, 'status_reason': None})
    check_status(user.get(f'{USERS}/{id_of(user)}'), 403, 'AUTHORIZATION_ERROR')
    check_status(admin.delete(f'{USERS}/{id_of(user)}/sessions'), 200)
    check_status(user.get(ME), 401)
    check_equal(len(events(server, 'session.revoke_all', id_of(user))), 1)


def test_suspend_and_reactivate(server):
    admin, user = server.admin(), server.user()
    path = f'{USERS}/{id_of(user)}'
    refresh = user.reply.data['refresh_token']
    reply = admin.post(f'{path}/suspend', {'reason': 'too loud'})
    check_status(reply, 200)
    check_equal((reply.data['user']['status'], reply.data['status_reason']),
                ('suspended', 'too loud'))
    check_status(user.get(ME), 401)
    check_status(user.post('/api/v1/auth/refresh', {'refresh_token': refresh}, token=''), 401)
    check_status(server.login(user.email), 403, 'AUTHORIZATION_ERROR', 'ACCOUNT_INACTIVE')
    check_status(server.login(user.email, 'Wrong-Horse-42'), 401, 'AUTHENTICATION_ERROR')
    check_in(user.email, walk(admin, 'status=suspended'))
    check_status(admin.post(f'{path}/suspend'), 200)  # again: changes nothing
    event, = events(server, 'user.suspend', id_of(user))
    check_in('users.status', event['changed'])
    check_equal(event['actor_id'], admin.get(ME).data['user']['id'])
    reply = admin.post(f'{path}/reactivate')
    check_status(reply, 200)
    check_equal((reply.data['user']['status'], reply.data['status_reason']), ('active', None))
    check_status(admin.post(f'{path}/reactivate'), 200)
    check_equal(len(events(server, 'user.reactivate', id_of(user))), 1)
    check_status(server.login(user.email), 200)


def test_suspended_between_password_and_code(server):
    admin, user = server.admin(), enrolled(server)
    waiting = pending(server, user)
    check_status(admin.post(f'{USERS}/{id_of(user)}/suspend'), 200)
    reply = verify(server, user.app.code(), token=waiting.data['temp_token'])
    check_status(reply, 403, 'AUTHORIZATION_ERROR', 'ACCOUNT_INACTIVE')


def test_reset_of_second_factors(server):
    admin, user = server.admin(), enrolled(server)
    path = f'{USERS}/{id_of(user)}'
    check_equal(admin.get(path).data['has_totp'], True)
    check_in(user.email, walk(admin, 'factor=totp'))
    check_not_in(user.email, walk(admin, 'factor=none'))
    reply = admin.post(f'{path}/reset-factors')
    check_status(reply, 200)
    check_equal((reply.data['has_totp'], reply.data['user']['mfa_enabled']), (False, False))
    check_status(user.get(ME), 401)
    check_in('token', server.login(user.email).data)
    event, = events(server, 'user.factors_reset', id_of(user))
    check_in('totp_factors', event['changed'])
    check_status(admin.post(f'{path}/reset-factors'), 200)


def test_a_new_password_is_asked_for(server):
    admin, user = server.admin(), server.user()
    path = f'{USERS}/{id_of(user)}'
    reply = admin.post(f'{path}/require-password-change')
    check_status(reply, 200)
    check_equal(reply.data['must_change_password'], True)
    check_status(user.get(ME), 401)
    reply = server.login(user.email)
    check_status(reply, 200)
    check_equal(reply.data['requires_password_change'], True)
    client = server.client(token=reply.data['token'])
    check_status(client.get(ME), 200)
    check_status(client.get('/api/v1/users/me'), 200)
    for method, where in (('PATCH', '/api/v1/users/me'), ('DELETE', '/api/v1/users/me'),
                          ('GET', '/api/v1/audit/events'),
                          ('GET', '/api/v1/users/me/organizations')):
        refused = client.request(method, where, {} if method == 'PATCH' else None)
        check_status(refused, 403, 'PASSWORD_CHANGE_REQUIRED', 'PASSWORD_CHANGE_REQUIRED')
    # The access token of the same session is no way around.
    check_status(client.get('/api/v1/audit/events', token=reply.data['access_token']), 403,
                 'PASSWORD_CHANGE_REQUIRED')
    check_status(client.post(PASSWORD_PATH, {
        'current_password': PASSWORD, 'new_password': NEW_PASSWORD,
        'new_password_confirm': NEW_PASSWORD}), 200)
    reply = server.login(user.email, NEW_PASSWORD)
    check_not_in('requires_password_change', reply.data)
    check_status(client.get('/api/v1/audit/events', token=reply.data['token']), 200)
    check_equal(len(events(server, 'user.password_required', id_of(user))), 1)


def test_no_password_no_change_of_it(server):
    path = os.path.join(server.folder, 'more.jsonl')
    open(path, 'w', encoding='utf-8').write(json.dumps({'email': 'keyless@example.com'}) + '\n')
    complaints = server.finish()
    check(not complaints, '; '.join(complaints))
    run = server.run('import', 'users', path, '--data', server.data)
    check_equal(run.returncode, 0, run.stdout + run.stderr)
    server.start()
    admin = server.admin()
    user, = admin.get(f'{USERS}?search=keyless').data['users']
    check_status(admin.post(f'{USERS}/{user["id"]}/require-password-change'), 409, 'CONFLICT',
                 'NO_PASSWORD')


def test_unknown_users(server):
    admin, user = server.admin(), server.user()
    check_status(user.delete('/api/v1/users/me'), 200)
    for who in (id_of(user), '00000000-0000-4000-8000-000000000000', 'nobody'):
        path = f'{USERS}/{who}'
        check_status(admin.get(path), 404, 'NOT_FOUND')
        for method, tail, body in (('POST', 'suspend', {}), ('POST', 'reactivate', None),
                                   ('POST', 'reset-factors', None),
                                   ('POST', 'require-password-change', None),
                                   ('PATCH', 'role', {'role': 'admin'}),
                                   ('DELETE', 'sessions', None)):
            check_status(admin.request(method, f'{path}/{tail}', body), 404, 'NOT_FOUND')
    check_in(f'deleted_{id_of(user)}@deleted.com', walk(admin, 'status=deleted'))
    check_not_in(f'deleted_{id_of(user)}@deleted.com', walk(admin, 'sort_order=asc'))


# ---- roles, and the last administrator ----

def test_roles(server):
    admin, user = server.admin(), server.user()
    path = f'{USERS}/{id_of(user)}/role'
    check_status(user.get(USERS), 403, 'AUTHORIZATION_ERROR', 'INSUFFICIENT_PRIVILEGES')
    reply = admin.patch(path, {'role': 'admin'})
    check_status(reply, 200)
    check_equal(reply.data['user']['role'], 'admin')
    check_status(user.get(USERS), 200)  # at once, in the session that is open
    check_status(admin.patch(path, {'role': 'customer'}), 200)
    check_status(user.get(USERS), 403)
    check_equal(len(events(server, 'user.role_change', id_of(user))), 2)
    check_status(admin.patch(path, {'role': 'emperor'}), 400, 'VALIDATION_ERROR')


def test_the_last_administrator_stays(server):
    admin = server.admin()
    mine = admin.get(ME).data['user']
    check_equal(mine['email'], ADMIN_EMAIL)
    path = f'{USERS}/{mine["id"]}'
    check_status(admin.post(f'{path}/suspend'), 409, 'CONFLICT', 'LAST_ADMIN')
    check_status(admin.patch(f'{path}/role', {'role': 'customer'}), 409, 'CONFLICT', 'LAST_ADMIN')
    check_status(admin.delete('/api/v1/users/me'), 409, 'CONFLICT', 'LAST_ADMIN')
    check_status(admin.patch(f'{path}/role', {'role': 'admin'}), 200)
    # A suspended second one does not count.
    other = server.user()
    check_status(admin.patch(f'{USERS}/{id_of(other)}/role', {'role': 'admin'}), 200)
    check_status(admin.post(f'{USERS}/{id_of(other)}/suspend'), 200)
    check_status(admin.post(f'{path}/suspend'), 409, 'CONFLICT', 'LAST_ADMIN')
    check_status(admin.patch(f'{USERS}/{id_of(other)}/role', {'role': 'customer'}), 200)


def test_two_administrators_demote_each_other_at_once(server):
    admin = server.admin()
    for _ in range(10):
        one, two = server.user(), server.user()
        pair = {id_of(one): one, id_of(two): two}
        for user in pair:
            check_status(admin.patch(f'{USERS}/{user}/role', {'role': 'admin'}), 200)
        first = admin.get(ME).data['user']['id']
        check_status(admin.patch(f'{USERS}/{first}/role', {'role': 'support'}), 200)
        replies = {}
        barrier = threading.Barrier(2)

        def demote(actor, target):
            barrier.wait()
            replies[target] = pair[actor].patch(f'{USERS}/{target}/role', {'role': 'customer'})

        threads = [threading.Thread(target=demote, args=pair_of)
                   for pair_of in ((id_of(one), id_of(two)), (id_of(two), id_of(one)))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        statuses = sorted(reply.status for reply in replies.values())
        # The second one is refused: by then it is no administrator any more.
        check_equal((statuses[0], statuses[1] in (403, 409)), (200, True), str(statuses))
        left = next(target for target, reply in replies.items() if reply.status != 200)
        check_status(pair[left].patch(f'{USERS}/{first}/role', {'role': 'admin'}), 200)
        check_status(admin.patch(f'{USERS}/{left}/role', {'role': 'customer'}), 200)


# ---- passwords that are sent again ----

def test_wrong_passwords_lock_wherever_they_are_sent():
    """A stolen session must not be able to try them all, nor to go on trying elsewhere."""
    totp, ends = '/api/v1/auth/totp', '/api/v1/auth'
    with Server({'rate.enabled': 'false', 'session.fresh-time': '0'}) as server:
        user = server.user()
        change = {'current_password': 'Wrong-Horse-42-Battery', 'new_password': NEW_PASSWORD,
                  'new_password_confirm': NEW_PASSWORD}
        asked = [('POST', PASSWORD_PATH, dict(change, current_password=PASSWORD))]
        right = {'password': PASSWORD}
        asked += [(method, path, right) for method, path in (
            ('POST', f'{totp}/enroll'), ('DELETE', f'{totp}/disable'),
            ('POST', f'{totp}/regenerate-backup-codes'), ('POST', f'{ends}/mfa/setup'),
            ('POST', f'{ends}/setup-2fa'), ('POST', f'{ends}/2fa/setup'),
            ('POST', '/api/v1/auth/webauthn/register/begin'),
            ('POST', '/api/v1/users/me/erase'))]
        asked += [('POST', f'{ends}/disable-2fa', dict(right, code='123456'))]
        wrong = {'password': 'Wrong-Horse-42-Battery'}
        for method, path, body in (('POST', PASSWORD_PATH, change),
                                   ('POST', f'{totp}/enroll', wrong),
                                   ('DELETE', f'{totp}/disable', wrong),
                                   ('POST', '/api/v1/auth/webauthn/register/begin', wrong),
                                   ('POST', '/api/v1/users/me/erase', wrong)):
            check_status(user.request(method, path, body), 401, 'AUTHENTICATION_ERROR',
                         'INVALID_CURRENT_PASSWORD')
        for method, path, body in asked:
            reply = user.request(method, path, body)
            check_status(reply, 423, 'ACCOUNT_LOCKED', 'ACCOUNT_LOCKED')
            check_in('locked_until', reply.details)
            check(int(reply.headers['retry-after']) > 0)
        check_status(server.login(user.email), 423, 'ACCOUNT_LOCKED')
        check_status(user.get(ME), 200)


harness.main(globals())
