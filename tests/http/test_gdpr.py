"""Export and erasure: everything that is held comes out, nothing personal stays, and the audit
chain is whole afterwards."""

import json
import os
import threading

import harness
from harness import check, check_equal, check_in, check_not_in, check_status
from server import PASSWORD, Server
from totp import enrolled, pending, verify

SETTINGS = {'rate.enabled': 'false', 'lockout.failures': '1000',
            'lockout.account-failures': '1000', 'http.trusted-proxies': '127.0.0.1'}

EXPORT = '/api/v1/users/me/export'
ERASE = '/api/v1/users/me/erase'
USERS = '/api/v1/users'
ME = '/api/v1/auth/me'
EVENTS = '/api/v1/audit/events'
ADDRESS = '203.0.113.77'  # through the proxy that the settings trust
AGENT = 'Unmistakable-Agent/7.7'
PERSON = {'full_name': 'Wilhelmina Unmistakable', 'first_name': 'Wilhelmina',
          'last_name': 'Unmistakable', 'phone': '+491701234567', 'date_of_birth': '1971-03-04',
          'username': 'wilhelmina_u', 'address': {'street': 'Unmistakable Road 5'}}


def person(server):
    """A user who leaves traces in every table: sessions, a second factor, a kept answer, an
    organization of her own with another owner, a login that waits for its code."""
    server.user_count += 1
    email = f'wilhelmina{server.user_count}@unmistakable.example'
    client = server.client(address=ADDRESS, headers={'User-Agent': AGENT})
    body = dict(PERSON, email=email, password=PASSWORD,
                username=f'wilhelmina_{server.user_count}')
    reply = client.post('/api/v1/auth/register', body)
    check_status(reply, 201)
    client.user, client.email, client.token = reply.data['user'], email, reply.data['token']
    client.backup_codes = None
    check_status(client.patch('/api/v1/users/me', {'avatar_url': 'https://example.com/w.png'},
                              headers={'Idempotency-Key': 'once'}), 200)
    made = client.post('/api/v1/organizations', {'name': 'W', 'slug': f'w-{server.user_count}'})
    check_status(made, 201)
    client.organization = made.data['organization']['id']
    return client


def parts(client, path=EXPORT):
    """All parts of an export, put together."""
    whole, cursor = {}, None
    for _ in range(100):
        reply = client.get(path + (f'?cursor={cursor}' if cursor else ''))
        check_status(reply, 200)
        check_equal(reply.headers['content-disposition'],
                    f'attachment; filename="coffer-{reply.json["id"]}.json"')
        check_equal(reply.headers['cache-control'], 'no-store')
        check_equal(reply.json['complete'], reply.json['next_cursor'] is None)
        for name, rows in reply.json['data'].items():
            whole.setdefault(name, []).extend(rows)
        cursor = reply.json['next_cursor']
        if cursor is None:
            return whole
    raise AssertionError('the export has no end')


def events(server, action, resource):
    found = server.admin().get(f'{EVENTS}?action={action}&limit=100').data['events']
    return [event for event in found if event['resource_id'] == resource]


def strings(path):
    """What somebody sees who looks through the whole file."""
    return open(path, 'rb').read()


# ---- export ----

def test_everything_comes_out(server):
    client = person(server)
    whole = parts(client)
    user, = whole['users']
    for name, value in PERSON.items():
        if name not in ('address', 'username'):
            check_equal(user[name], value, name)
    check_equal(user['address'], json.dumps(PERSON['address'], separators=(',', ':')))
    check_equal(user['email'], client.email)
    check_not_in('password_hash', user)
    session, = whole['sessions']
    check_equal((session['ip_address'], session['user_agent']), (ADDRESS, AGENT))
    check_not_in('token_hash', session)
    member, = whole['members']
    check_equal(member['organization_id'], client.organization)
    check_equal({'user_security_policies', 'compliance_notes'} <= set(member), True)
    actions = {event['action'] for event in whole['audit_events']}
    check_equal({'user.update', 'org.create'} <= actions, True, str(actions))
    check_equal({(event['address'], event['user_agent']) for event in whole['audit_events']},
                {(ADDRESS, AGENT)})
    check_not_in('kept_replies', whole)
    event, = events(server, 'user.export', client.user['id'])
    check_equal(event['actor_id'], client.user['id'])


def test_nothing_of_others_and_no_secrets(server):
    client, other = person(server), person(server)
    text = json.dumps(parts(client))
    check_not_in(other.email, text)
    check_not_in(other.user['id'], text)
    factor = enrolled(server)
    text = json.dumps(parts(factor))
    check_in('totp_factors', text)
    check_not_in(factor.app.secret, text)
    for code in factor.backup_codes:
        check_not_in(code, text)


def test_much_comes_in_parts(server):
    client = person(server)
    for number in range(1300):
        check_status(client.patch('/api/v1/users/me', {'full_name': f'W {number}'}), 200)
    reply = client.get(EXPORT)
    check_equal(reply.json['complete'], False)
    whole = parts(client)
    check_equal(len(whole['users']), 1)
    numbers = [event['sequence'] for event in whole['audit_events']]
    check_equal(len(numbers), len(set(numbers)))
    check(len(numbers) > 1300, str(len(numbers)))
    for cursor in ('AA', '_w', 'Zm9v', '%21', reply.json['next_cursor'][:-2]):
        check_in(client.get(f'{EXPORT}?cursor={cursor}').status, (200, 400), cursor)
    check_status(client.get(f'{EXPORT}?cursor=AA'), 400, 'BAD_REQUEST', 'INVALID_CURSOR')
    # Somebody else's cursor leads nowhere.
    stranger = server.user()
    check_status(stranger.get(f'{EXPORT}?cursor={reply.json["next_cursor"]}'), 400)


def test_administrators_export_for_others(server):
    admin, client = server.admin(), person(server)
    path = f'{USERS}/{client.user["id"]}/export'
    whole = parts(admin, path)
    check_equal(whole['users'][0]['email'], client.email)
    event, = events(server, 'user.export', client.user['id'])
    check_equal(event['actor_id'], admin.get(ME).data['user']['id'])
    check_status(client.get(path), 403, 'AUTHORIZATION_ERROR')
    check_status(admin.get(f'{path}?cursor=AA'), 400, 'BAD_REQUEST', 'INVALID_CURSOR')
    unknown = f'{USERS}/00000000-0000-4000-8000-000000000000/export'
    check_status(admin.get(unknown), 404, 'NOT_FOUND')


# ---- erasure ----

def test_the_last_owner_hands_over_first(server):
    client = person(server)
    check_status(client.post(ERASE), 409, 'CONFLICT', 'LAST_OWNER')
    check_status(server.admin().delete(f'{USERS}/{client.user["id"]}'), 409, 'CONFLICT',
                 'LAST_OWNER')
    check_status(client.delete(f'/api/v1/organizations/{client.organization}'), 200)
    check_status(client.post(ERASE), 200)


def gone(server, client):
    """What holds for everybody who was erased."""
    admin = server.admin()
    check_status(client.get(ME), 401, 'INVALID_TOKEN')
    check_status(server.login(client.email), 401, 'AUTHENTICATION_ERROR')
    check_status(admin.get(f'{USERS}/{client.user["id"]}'), 404, 'NOT_FOUND')
    check_status(admin.delete(f'{USERS}/{client.user["id"]}'), 404, 'NOT_FOUND')
    whole = parts(admin, f'{USERS}/{client.user["id"]}/export')
    text = json.dumps(whole)
    for trace in (client.email, 'nmistakable', '1971-03-04', '+4917', ADDRESS, 'wilhelmina',
                  'example.com/w.png'):
        check_not_in(trace, text)
    check_equal(set(name for name, rows in whole.items() if rows), {'users', 'audit_events'})
    check_equal({(event['address'], event['user_agent']) for event in whole['audit_events']},
                {(None, None)})
    found = admin.get(f'{EVENTS}?actor_id={client.user["id"]}&limit=100').data['events']
    check(found and all(event['address'] is None for event in found), 'origins are readable')


def test_erased_by_oneself(server):
    client = person(server)
    check_status(client.delete(f'/api/v1/organizations/{client.organization}'), 200)
    host = person(server)
    check_status(host.post(f'/api/v1/organizations/{host.organization}/invitations',
                           {'email': client.email, 'role': 'member'}), 201)
    whole = parts(client)  # what is found by the address: the invitation, and its mail
    check_equal([row['email'] for row in whole['invitations']], [client.email])
    check_in(client.email, [row['recipient'] for row in whole['outbox']])
    check(all('payload' not in row for row in whole['outbox']), 'links are as good as passwords')
    before = server.admin().get(f'{EVENTS}?actor_id={client.user["id"]}').data['events']
    check_equal(before[0]['address'], ADDRESS)
    check_status(client.post(ERASE), 200)
    gone(server, client)
    event, = events(server, 'user.erase', client.user['id'])
    check_in('users.email', event['changed'])
    # The address is free again, and a new account under it has nothing to do with the old one.
    again = server.user(email=client.email)
    check(again.user['id'] != client.user['id'], 'the same account')
    check_equal(len(parts(again)['audit_events']) < 3, True)


def test_erased_by_an_administrator(server):
    admin, client = server.admin(), person(server)
    check_status(client.delete(f'/api/v1/organizations/{client.organization}'), 200)
    path = f'{USERS}/{client.user["id"]}'
    check_status(client.delete(path), 403, 'AUTHORIZATION_ERROR')
    reply = admin.delete(path)
    check_status(reply, 200)
    check_equal(reply.data['user_id'], client.user['id'])
    gone(server, client)
    event, = events(server, 'user.erase', client.user['id'])
    check_equal(event['actor_id'], admin.get(ME).data['user']['id'])
    check(event['address'] is not None, 'of the administrator, who is still there')
    own = f'{USERS}/{admin.get(ME).data["user"]["id"]}'
    check_status(admin.delete(own), 403, 'AUTHORIZATION_ERROR', 'SELF_DELETE_FORBIDDEN')
    check_status(admin.post(ERASE), 409, 'CONFLICT', 'LAST_ADMIN')


def test_closed_accounts_keep_until_erased(server):
    admin, client = server.admin(), person(server)
    check_status(client.delete(f'/api/v1/organizations/{client.organization}'), 200)
    check_status(client.delete('/api/v1/users/me'), 200)
    text = json.dumps(parts(admin, f'{USERS}/{client.user["id"]}/export'))
    check_in('Unmistakable Road', text)
    check_status(admin.delete(f'{USERS}/{client.user["id"]}'), 200)
    gone(server, client)


def test_erasing_wants_it_to_be_really_them():
    with Server(dict(SETTINGS, **{'session.fresh-time': '0'})) as server:
        client = person(server)
        check_status(client.delete(f'/api/v1/organizations/{client.organization}'), 200)
        check_status(client.post(ERASE), 401, 'AUTHENTICATION_ERROR', 'PASSWORD_REQUIRED')
        check_status(client.post(ERASE, {'password': PASSWORD + 'x'}), 401,
                     'AUTHENTICATION_ERROR', 'INVALID_CURRENT_PASSWORD')
        check_status(client.get(ME), 200)
        check_status(client.post(ERASE, {'password': PASSWORD}), 200)
        check_status(client.get(ME), 401)


def test_a_waiting_login_and_its_factor_go_too(server):
    user = enrolled(server)
    waiting = pending(server, user)
    check_status(user.post(ERASE), 200)
    token = waiting.data['temp_token']
    check_status(verify(server, user.app.code(), token=token), 401)


def test_erased_while_fifty_requests_run(server):
    """Whatever is in flight: no row comes back."""
    user = server.user()
    barrier = threading.Barrier(50)
    statuses = []

    def use(number):
        client = server.client(token=user.token, address=ADDRESS)
        barrier.wait()
        if number == 25:
            statuses.append(('erase', client.post(ERASE).status))
        else:
            statuses.append(('patch', client.patch(
                '/api/v1/users/me', {'full_name': f'Unmistakable {number}'},
                headers={'Idempotency-Key': f'k{number}'}).status))

    threads = [threading.Thread(target=use, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check_in(('erase', 200), statuses)
    check(all(status in (200, 401) for _what, status in statuses), str(statuses))
    user.headers = {}
    gone(server, user)


def test_the_store_is_sound_and_empty_of_them():
    """Through the tools, and with the eyes of somebody who has the file."""
    server = Server(SETTINGS).start()
    client = person(server)
    check_status(client.delete(f'/api/v1/organizations/{client.organization}'), 200)
    check_status(client.post(ERASE), 200)
    complaints = server.finish()
    check(not complaints, '; '.join(complaints))
    run = server.run('audit', 'verify', server.data)
    check_equal(run.returncode, 0, run.stdout + run.stderr)
    run = server.run('fsck', server.data)
    check_equal(run.returncode, 0, run.stdout + run.stderr)
    copy = os.path.join(server.folder, 'copy')  # compact: without pages that are free again
    run = server.run('backup', copy, '--data', server.data)
    check_equal(run.returncode, 0, run.stdout + run.stderr)
    content = strings(copy)
    for trace in (b'nmistakable', b'wilhelmina', ADDRESS.encode(), b'1971-03-04'):
        check_not_in(trace, content)
    check(not server.stop())


harness.main(globals())
