"""Idempotency-Key: a repeated write happens once and is answered the same."""

import threading

import harness
from harness import check, check_equal, check_status
from server import PASSWORD, Server

SETTINGS = {'rate.enabled': 'false'}

ME = '/api/v1/users/me'
REGISTER = '/api/v1/auth/register'


def keyed(key):
    return {'Idempotency-Key': key}


def events_of(client):
    return client.get('/api/v1/audit/events?limit=100').data['events']


def test_a_repeated_write_happens_once(server):
    user = server.user()
    before = len(events_of(user))
    first = user.patch(ME, {'full_name': 'Once'}, headers=keyed('k1'))
    check_status(first, 200)
    check_status(user.patch(ME, {'full_name': 'Between'}), 200)
    second = user.patch(ME, {'full_name': 'Once'}, headers=keyed('k1'), is_replay=True)
    check_status(second, 200)
    check_equal(second.data, first.data)
    check_equal(user.get(ME).data['user']['full_name'], 'Between')
    check_equal(len(events_of(user)), before + 2)


def test_register_repeated_gives_the_same_account(server):
    body = {'email': 'again@example.com', 'password': PASSWORD, 'full_name': 'Again'}
    client = server.client()
    first = client.post(REGISTER, body, headers=keyed('register-1'))
    check_status(first, 201)
    second = client.post(REGISTER, body, headers=keyed('register-1'), is_replay=True)
    check_status(second, 201)
    check_equal(second.data, first.data)
    check_status(client.post(REGISTER, body, headers=keyed('register-2')), 409, 'CONFLICT')
    check_status(client.post(REGISTER, body), 409, 'CONFLICT')


def test_the_key_belongs_to_its_request(server):
    user = server.user()
    check_status(user.patch(ME, {'full_name': 'One'}, headers=keyed('k2')), 200)
    reply = user.patch(ME, {'full_name': 'Two'}, headers=keyed('k2'))
    check_status(reply, 422, 'IDEMPOTENCY_KEY_REUSED')
    reply = user.delete(ME, headers=keyed('k2'))
    check_status(reply, 422, 'IDEMPOTENCY_KEY_REUSED')
    check_equal(user.get(ME).data['user']['full_name'], 'One')


def test_the_key_belongs_to_its_caller(server):
    one, other = server.user(), server.user()
    check_status(one.patch(ME, {'full_name': 'Mine'}, headers=keyed('shared')), 200)
    reply = other.patch(ME, {'full_name': 'Mine'}, headers=keyed('shared'))
    check_status(reply, 200)
    check_equal(reply.data['user']['id'], other.user['id'])


def test_the_key_belongs_to_the_refresh_token(server):
    """Two people behind one address, both with key `shared-2` and an empty body."""
    one, other = server.user(), server.user()
    replies = [server.client(token=user.reply.data['refresh_token']).post(
        '/api/v1/auth/refresh', headers=keyed('shared-2')) for user in (one, other)]
    for user, reply in zip((one, other), replies):
        check_status(reply, 200)
        check_equal(reply.data['user']['id'], user.user['id'])


def test_a_refused_write_may_be_tried_again(server):
    user = server.user()
    reply = user.patch(ME, {'full_name': 'x' * 300}, headers=keyed('k3'))
    check_status(reply, 400, 'VALIDATION_ERROR')
    check_status(user.patch(ME, {'full_name': 'Short'}, headers=keyed('k3')), 200)


def test_a_revoked_caller_gets_no_kept_answer(server):
    user = server.user()
    check_status(user.patch(ME, {'full_name': 'Kept'}, headers=keyed('k4')), 200)
    check_status(user.post('/api/v1/auth/logout'), 200)
    check_status(user.patch(ME, {'full_name': 'Kept'}, headers=keyed('k4')), 401)


def test_reads_ignore_the_key(server):
    user = server.user()
    check_status(user.get(ME, headers=keyed('k5')), 200)
    check_status(user.patch(ME, {'full_name': 'After'}), 200)
    check_equal(user.get(ME, headers=keyed('k5')).data['user']['full_name'], 'After')


def test_keys_have_limits(server):
    user = server.user()
    check_status(user.patch(ME, {}, headers=keyed('k' * 255)), 200)
    for bad in ('k' * 256, '', 'a b', 'a\tb', '\u00e4'):
        reply = user.patch(ME, {}, headers={'Idempotency-Key': bad.encode('utf-8')})
        check_status(reply, 400, 'VALIDATION_ERROR')
        check_equal(list(reply.details), ['Idempotency-Key'], repr(bad))


def test_a_key_sent_by_many_at_once_happens_once(server):
    body = {'email': 'race@example.com', 'password': PASSWORD, 'full_name': 'Race'}
    replies = []

    def send():
        client = server.client()
        replies.append(client.post(REGISTER, body, headers=keyed('race'), is_replay=True))

    threads = [threading.Thread(target=send) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check_equal([reply.status for reply in replies], [201] * 12)
    check_equal(len({reply.data['user']['id'] for reply in replies}), 1)
    check_equal(len({reply.data['token'] for reply in replies}), 1)


def test_kept_answers_survive_a_restart_and_a_crash():
    server = Server({'rate.enabled': 'false'}).start()
    try:
        user = server.user()
        first = user.patch(ME, {'full_name': 'Kept'}, headers=keyed('k6'))
        check_status(user.patch(ME, {'full_name': 'Later'}), 200)
        token = user.token
        for end in (server.restart, lambda: (server.kill(), server.start())):
            end()
            client = server.client(token=token)
            again = client.patch(ME, {'full_name': 'Kept'}, headers=keyed('k6'), is_replay=True)
            check_status(again, 200)
            check_equal(again.data, first.data)
            check_equal(client.get(ME).data['user']['full_name'], 'Later')
    finally:
        complaints = server.stop()
        check(not complaints, '; '.join(complaints))


harness.main(globals())
