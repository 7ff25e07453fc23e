"""Many sessions of one user: there is a limit, and what ends them all ends them all."""

import harness
from harness import check_equal, check_status
from server import PASSWORD

SETTINGS = {'rate.enabled': 'false'}
SESSIONS_MAX = 200
ME = '/api/v1/auth/me'
SESSIONS = '/api/v1/auth/sessions'


def tokens_of(server, user, count):
    """Logs in so often; the tokens, oldest first."""
    client = server.client(is_plain=True)
    return [server.login(user.email, client=client).data['token'] for _ in range(count)]


def alive(server, tokens):
    client = server.client(is_plain=True)
    return [client.get(ME, token=token).status == 200 for token in tokens]


def test_the_oldest_session_makes_room(server):
    user = server.user()
    tokens = [user.token] + tokens_of(server, user, SESSIONS_MAX + 4)
    check_equal(alive(server, tokens), [False] * 5 + [True] * SESSIONS_MAX)
    listed = server.client(token=tokens[-1]).get(SESSIONS).data
    check_equal(listed['count'], SESSIONS_MAX)
    check_equal(len({view['id'] for view in listed['sessions']}), SESSIONS_MAX)
    check_equal(listed['sessions'][0]['current'], True, 'the newest first')


def test_revoked_sessions_take_no_room(server):
    user = server.user()
    client = server.client(is_plain=True)
    for token in tokens_of(server, user, SESSIONS_MAX):
        check_status(client.post('/api/v1/auth/logout', token=token), 200)
    new = tokens_of(server, user, 1)
    check_equal(alive(server, new + [user.token]), [True, False])


def test_a_new_password_ends_all_of_them(server):
    user = server.user()
    tokens = [user.token] + tokens_of(server, user, SESSIONS_MAX - 1)
    check_status(user.post('/api/v1/users/me/password', {
        'current_password': PASSWORD, 'new_password': PASSWORD + '!',
        'new_password_confirm': PASSWORD + '!'}), 200)
    check_equal(alive(server, tokens), [False] * SESSIONS_MAX)


harness.main(globals())
