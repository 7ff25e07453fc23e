"""The audit trail: one record per change and per refusal, own events for everybody, all for
administrators, and a chain that shows tampering."""

import glob
import os
import shutil

import harness
from harness import check, check_equal, check_in, check_not_in, check_status
from server import PASSWORD, Server

SETTINGS = {'rate.enabled': 'false', 'http.trusted-proxies': '127.0.0.1'}

EVENTS = '/api/v1/audit/events'
ME = '/api/v1/users/me'


def events(client, query=''):
    reply = client.get(f'{EVENTS}?limit=100{query}')
    check_status(reply, 200)
    return reply.data['events']


def newest(client):
    return max(events(client), key=lambda event: event['sequence'])


def test_each_write_leaves_exactly_one_record(server):
    user = server.user()
    check_equal([event['action'] for event in events(user)], ['user.register'])
    steps = [
        (lambda: user.patch(ME, {'full_name': 'A'}), 'user.update'),
        (lambda: server.login(user.email), 'session.create'),
        (lambda: user.get(ME), None),
        (lambda: user.patch(ME, {'full_name': 'x' * 300}), None),
        (lambda: user.post('/api/v1/auth/refresh', {
            'refresh_token': user.reply.data['refresh_token']}, token=''), 'session.refresh'),
        (lambda: user.post(f'{ME}/password', {
            'current_password': PASSWORD, 'new_password': PASSWORD + '2',
            'new_password_confirm': PASSWORD + '2'}), 'user.password_change'),
    ]
    for step, action in steps:
        before = len(events(user))
        request_id = step().headers['x-request-id']
        if action == 'user.password_change':  # the session has ended with it
            user.token = server.login(user.email, PASSWORD + '2').data['token']
            before += 1
            check_equal(newest(user)['action'], 'session.create')
        after = events(user)
        check_equal(len(after), before + (action is not None), str(action))
        if action is not None:
            event = next(event for event in after if event['request_id'] == request_id)
            check_equal(event['action'], action)
            check_equal(event['outcome'], 'success')
            check_equal(event['actor_id'], user.user['id'])


def test_a_record_says_who_what_where(server):
    user = server.user()
    agent = server.client(token=user.token, address='203.0.113.60', is_plain=True,
                          headers={'User-Agent': 'Audit Agent'})
    reply = agent.patch(ME, {'full_name': 'Seen'}, headers={'X-Request-ID': 'audit-42'})
    check_status(reply, 200)
    event = newest(user)
    check_equal(event['action'], 'user.update')
    check_equal(event['resource_type'], 'user')
    check_equal(event['resource_id'], user.user['id'])
    check_equal(event['address'], '203.0.113.60')
    check_equal(event['user_agent'], 'Audit Agent')
    check_equal(event['request_id'], 'audit-42')
    check_in('full_name', event['changed'])
    check_not_in('Seen', str(event))
    check(event['time'].endswith('Z'))


def test_a_refused_login_leaves_one_record(server):
    admin = server.admin()
    user = server.user()
    table = [
        (lambda: server.login(user.email, 'Wrong-Password-1'), 401, 'AUTHENTICATION_ERROR'),
        (lambda: server.login('stranger@example.com', 'Wrong-Password-1'), 401,
         'AUTHENTICATION_ERROR'),
    ]
    for step, status, error_type in table:
        top = newest(admin)['sequence']
        reply = step()
        check_status(reply, status)
        fresh = [event for event in events(admin) if event['sequence'] > top]
        check_equal(len(fresh), 1)
        check_in(fresh[0]['outcome'], ('failed', 'refused'))
        check_equal(fresh[0]['error_type'], error_type)
        check_equal(fresh[0]['request_id'], reply.headers['x-request-id'])


def test_a_locked_login_leaves_a_record(server):
    admin = server.admin()
    user = server.user()
    client = server.client(address='203.0.113.61', is_plain=True)
    for number in range(6):
        server.login(user.email, f'Wrong-Password-{number}', client=client)
    top = newest(admin)['sequence']
    check_status(server.login(user.email, client=client), 423)
    fresh = [event for event in events(admin) if event['sequence'] > top]
    check_equal([event['error_type'] for event in fresh], ['ACCOUNT_LOCKED'])


def test_everybody_sees_only_the_own_events(server):
    admin = server.admin()
    one, other = server.user(), server.user()
    one.patch(ME, {'full_name': 'One'})
    other.patch(ME, {'full_name': 'Other'})
    for user in (one, other):
        check_equal({event['actor_id'] for event in events(user)}, {user.user['id']})
        query = f'&actor_id={one.user["id"]}'
        seen = user.get(f'{EVENTS}?limit=100{query}')
        if seen.status == 200:
            for event in seen.data['events']:
                check_equal(event['actor_id'], user.user['id'])
        else:
            check_in(seen.status, (400, 403))
    actors = {event['actor_id'] for event in events(admin)}
    check(one.user['id'] in actors and other.user['id'] in actors, str(actors))


def test_filters(server):
    admin = server.admin()
    user = server.user()
    user.patch(ME, {'full_name': 'Filter'})
    for event in events(admin, '&action=user.update'):
        check_equal(event['action'], 'user.update')
    found = events(admin, f'&actor_id={user.user["id"]}')
    check_equal({event['action'] for event in found}, {'user.register', 'user.update'})
    check_equal(events(admin, '&action=no.such.action'), [])
    check_status(admin.get(f'{EVENTS}?limit=x'), 400, 'VALIDATION_ERROR')
    check_status(admin.get(f'{EVENTS}?limit=-1'), 400, 'VALIDATION_ERROR')
    check_status(admin.get(f'{EVENTS}?limit=100000'), 400, 'VALIDATION_ERROR')
    check_status(admin.get(f'{EVENTS}?cursor=garbage!'), 400)


def test_the_cursor_walks_all_pages_once(server):
    user = server.user()
    for number in range(23):
        check_status(user.patch(ME, {'full_name': f'Page {number}'}), 200)
    whole = [event['sequence'] for event in events(user)]
    check_equal(len(whole), 24)
    walked, cursor = [], ''
    for _ in range(20):
        reply = user.get(f'{EVENTS}?limit=5{cursor}')
        check_status(reply, 200)
        walked += [event['sequence'] for event in reply.data['events']]
        if not reply.data.get('next_cursor'):
            break
        cursor = f'&cursor={reply.data["next_cursor"]}'
    check_equal(walked, whole)
    check_equal(whole, sorted(whole, reverse=True), 'newest first')
    stranger = server.user()
    reply = stranger.get(f'{EVENTS}?limit=5{cursor}')
    if reply.status == 200:  # a foreign cursor may be a place, never a key
        for event in reply.data['events']:
            check_equal(event['actor_id'], stranger.user['id'])


def audited_server():
    server = Server({'rate.enabled': 'false'}).start()
    user = server.user()
    for number in range(50):
        check_status(user.patch(ME, {'full_name': f'Marker {number}'},
                                headers={'X-Request-ID': f'tamper-{number:04}'}), 200)
    return server


def test_verify_accepts_what_is_whole_and_refuses_what_was_changed():
    server = audited_server()
    check_equal(server.finish(), [])
    run = server.run('audit', 'verify', server.data)
    check_equal(run.returncode, 0, run.stdout + run.stderr)
    store = data_file(server)
    whole = open(store, 'rb').read()
    changed = 0
    for marker in (b'tamper-0000', b'tamper-0025', b'tamper-0049', b'user.update'):
        at = whole.find(marker)
        check(at >= 0, f'{marker} is not in the store file')
        tampered = bytearray(whole)
        while at >= 0:  # old pages hold older copies
            tampered[at + 1] ^= 1
            at = whole.find(marker, at + 1)
        open(store, 'wb').write(tampered)
        run = server.run('audit', 'verify', server.data)
        check(run.returncode != 0, f'{marker} changed, and verify says: {run.stdout}')
        check_not_in('Sanitizer', run.stderr)
        run = server.run('fsck', server.data)
        check(run.returncode != 0, f'{marker} changed, and fsck says: {run.stdout}')
        check_not_in('Sanitizer', run.stderr)
        changed += 1
    check_equal(changed, 4)
    open(store, 'wb').write(whole)
    check_equal(server.run('audit', 'verify', server.data).returncode, 0)
    shutil.rmtree(server.folder)


def data_file(server):
    found = [path for path in glob.glob(f'{server.data}/**/*', recursive=True)
             if os.path.basename(path) == 'data.mdb']
    check_equal(len(found), 1, f'store files in {os.listdir(server.data)}')
    return found[0]


def test_verify_of_a_live_server():
    server = audited_server()
    run = server.run('audit', 'verify', server.data)
    check_equal(run.returncode, 0, run.stdout + run.stderr)
    complaints = server.stop()
    check(not complaints, '; '.join(complaints))


harness.main(globals())
