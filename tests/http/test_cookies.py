"""Sessions of browsers as cookies and what guards them; names, idle time and ends of sessions."""

import base64
import http.client
import json
import threading
import time

import harness
from harness import check, check_equal, check_in, check_not_in, check_status
from server import PASSWORD, Server
from totp import cookie_of, enrolled, pending

SETTINGS = {'rate.enabled': 'false', 'lockout.failures': '1000',
            'lockout.account-failures': '1000', 'cors.origins': 'https://app.example',
            'http.trusted-proxies': '127.0.0.1'}

ME = '/api/v1/auth/me'
LOGIN = '/api/v1/auth/login'
SESSIONS = '/api/v1/auth/sessions'
PROFILE = '/api/v1/users/me'
ASK = {'X-Session-Transport': 'cookie'}
NAME = '__Host-session'
TOKENS = {'token', 'access_token', 'refresh_token', 'tokens', 'token_type', 'expires_in'}


def cookies_of(reply):
    """{name: (value, [attributes])} of all Set-Cookie headers (none of ours has a comma)."""
    found = {}
    for cookie in reply.headers.get('set-cookie', '').split(', '):
        if cookie:
            parts = cookie.split('; ')
            name, value = parts[0].split('=', 1)
            found[name] = (value, parts[1:])
    return found


def browser(server, user=None, **fields):
    """A client that is logged in by cookie alone; .csrf is the token for X-CSRF-Token."""
    user = user or server.user()
    client = server.client()
    reply = client.post(LOGIN, dict({'email': user.email, 'password': PASSWORD}, **fields),
                        headers=ASK)
    check_status(reply, 200)
    client.reply, client.user, client.email = reply, user.user, user.email
    client.csrf = reply.data['csrf_token']
    client.headers = {'Cookie': f'{NAME}={cookies_of(reply)[NAME][0]}'}
    return client


def meant(client, **more):
    return dict({'X-CSRF-Token': client.csrf}, **more)


# ---- the cookie ----

def test_nothing_that_scripts_can_read_opens_the_session(server):
    client = browser(server)
    value, attributes = cookies_of(client.reply)[NAME]
    check_equal(set(attributes), {'Path=/', 'HttpOnly', 'Secure', 'SameSite=Lax'})
    check(not TOKENS & set(client.reply.data), str(set(client.reply.data)))
    check_not_in(value, client.reply.text)
    check_status(client.get(ME, headers={'Cookie': None}), 401, 'AUTH_REQUIRED')
    check_status(client.get(ME, token=client.csrf, headers={'Cookie': None}), 401)
    check_equal(client.get(ME).data['user']['email'], client.email)


def test_remembered_ones_outlive_the_browser(server):
    attributes = cookies_of(browser(server, remember_me=True).reply)[NAME][1]
    check_in('Max-Age=2592000', attributes)


def test_without_the_header_there_is_none(server):
    user = server.user()
    for headers in ({}, {'X-Session-Transport': 'bearer'}):
        reply = server.client().post(LOGIN, {'email': user.email, 'password': PASSWORD},
                                     headers=headers)
        check_not_in('set-cookie', reply.headers)
        check(TOKENS <= set(reply.data), str(set(reply.data)))
        check_not_in('csrf_token', reply.data)


def test_everything_that_opens_a_session_can(server):
    body = {'email': 'cookie-register@example.com', 'password': PASSWORD}
    reply = server.client().post('/api/v1/auth/register', body, headers=ASK)
    check_status(reply, 201)
    check_in(NAME, cookies_of(reply))
    check_not_in('token', reply.data)
    user = enrolled(server)
    waiting = pending(server, user)
    shown = dict(ASK, Cookie=cookie_of(waiting))
    reply = server.client().post('/api/v1/auth/totp/verify', {'code': user.app.code()},
                                 headers=shown)
    check_status(reply, 200)
    cookies = cookies_of(reply)
    check_equal(set(cookies), {NAME, 'session'}, 'one comes, the pending one goes')
    check_in('Max-Age=0', cookies['session'][1])
    check_status(server.client().get(ME, headers={'Cookie': f'{NAME}={cookies[NAME][0]}'}), 200)


def test_bearer_and_keys_go_before_it(server):
    client, other = browser(server), server.user()
    reply = client.get(ME, token=other.token)
    check_equal(reply.data['user']['email'], other.email)
    check_not_in('csrf_token', reply.data)
    check_status(client.patch(PROFILE, {'full_name': 'B'}, token=other.token), 200)
    check_status(client.get(ME, token='x' * 43), 401, 'INVALID_TOKEN')


def test_others_cookies_are_no_sessions(server):
    client = browser(server)
    value = cookies_of(client.reply)[NAME][0]
    for cookie in (f'session={value}', f'__host-session={value}', f'x{NAME}={value}',
                   f'{NAME}=', f'{NAME}={value[:-1]}', f'{NAME}="{value}x"'):
        check_status(client.get(ME, headers={'Cookie': cookie}), 401)
    check_status(client.get(ME, headers={'Cookie': f'a=b; {NAME}={value}; c=d'}), 200)


# ---- is it meant? ----

def test_a_write_needs_the_csrf_token(server):
    client, other = browser(server), browser(server)
    check_status(client.patch(PROFILE, {'full_name': 'A'}, headers=meant(client)), 200)
    for token in (None, '', 'x', other.csrf, client.csrf[:-1], client.csrf + 'A',
                  client.csrf.swapcase()):
        for method, path, body in (('PATCH', PROFILE, {'full_name': 'Forged'}),
                                   ('DELETE', PROFILE, None),
                                   ('POST', '/api/v1/auth/logout', {}),
                                   ('DELETE', SESSIONS, None)):
            reply = client.request(method, path, body, headers={'X-CSRF-Token': token})
            check_status(reply, 403, 'AUTHORIZATION_ERROR', 'CSRF_TOKEN_INVALID')
    check_equal(client.get(ME).data['user']['full_name'], 'A')
    found = server.admin().get('/api/v1/audit/events?outcome=refused&limit=100').data['events']
    check(any(event['actor_id'] == client.user['id'] for event in found), 'it leaves a record')


def test_a_page_that_was_loaded_anew_gets_it_again(server):
    client = browser(server)
    check_equal(client.get(ME).data['csrf_token'], client.csrf)


def test_only_pages_of_ours(server):
    client = browser(server)
    own = f'https://127.0.0.1:{server.https_port}'
    good = ({'Origin': own}, {'Origin': 'https://app.example'}, {'Sec-Fetch-Site': 'same-origin'},
            {'Sec-Fetch-Site': 'none'}, {'Origin': own, 'Sec-Fetch-Site': 'same-origin'}, {})
    bad = ({'Origin': 'https://evil.example'}, {'Origin': 'null'}, {'Origin': ''},
           {'Origin': own + '.evil.example'}, {'Origin': own.replace('https', 'http')},
           {'Origin': f'https://127.0.0.1:{server.https_port + 1}'},
           {'Origin': 'https://app.example.evil'}, {'Origin': 'https://app.exampl'},
           {'Sec-Fetch-Site': 'cross-site'}, {'Sec-Fetch-Site': 'same-site'},
           {'Origin': 'https://evil.example', 'Sec-Fetch-Site': 'same-origin'})
    for headers in good:
        reply = client.patch(PROFILE, {'full_name': 'A'}, headers=meant(client, **headers))
        check_equal((headers, reply.status), (headers, 200))
    for headers in bad:
        reply = client.patch(PROFILE, {'full_name': 'A'}, headers=meant(client, **headers))
        check_equal((headers, reply.status, reply.reason), (headers, 403, 'CSRF_TOKEN_INVALID'))


def test_any_origin_is_nobodys(server):
    with Server(dict(SETTINGS, **{'cors.origins': '*'})) as other:
        client = browser(other)
        reply = client.patch(PROFILE, {'full_name': 'A'},
                             headers=meant(client, Origin='https://anywhere.example'))
        check_status(reply, 403, 'AUTHORIZATION_ERROR', 'CSRF_TOKEN_INVALID')


def test_behind_a_proxy_that_speaks_tls(server):
    """The browser sees https, we see http: X-Forwarded-Proto of a trusted proxy says so."""
    client = browser(server)

    def send(origin, proto):
        connection = http.client.HTTPConnection('127.0.0.1', server.http_port, timeout=30)
        headers = dict(meant(client), Cookie=client.headers['Cookie'], Host='shop.example',
                       Origin=origin)
        headers['Content-Type'] = 'application/json'
        headers['X-Forwarded-For'] = '203.0.113.9'
        if proto is not None:
            headers['X-Forwarded-Proto'] = proto
        connection.request('PATCH', PROFILE, json.dumps({'full_name': 'P'}), headers)
        reply = connection.getresponse()
        reply.read()
        connection.close()
        return reply.status, reply.getheader('Strict-Transport-Security') is not None

    check_equal(send('https://shop.example', 'https'), (200, True))
    check_equal(send('https://shop.example', 'http, https'), (200, True))
    check_equal(send('https://shop.example', 'https, http'), (403, False))
    check_equal(send('https://shop.example', None), (403, False))
    check_equal(send('http://shop.example', None), (200, False))


def test_logout_clears_it(server):
    client = browser(server)
    reply = client.post('/api/v1/auth/logout', headers=meant(client))
    check_status(reply, 200)
    value, attributes = cookies_of(reply)[NAME]
    check_equal((value, 'Max-Age=0' in attributes, 'Path=/' in attributes, 'Secure' in attributes),
                ('', True, True, True))
    check_status(client.get(ME), 401)
    other = server.user()
    check_not_in('set-cookie', other.post('/api/v1/auth/logout').headers)


# ---- names and ends ----

def test_names_of_devices(server):
    agents = {
        'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:132.0) Gecko/20100101 Firefox/132.0':
            'Firefox on Windows',
        'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like '
        'Gecko) Version/17.5 Mobile/15E148 Safari/604.1': 'Safari on iPhone',
        'curl/8.5.0': 'curl',
    }
    for agent, name in agents.items():
        user = server.user()
        client = server.client(headers={'User-Agent': agent})
        token = server.login(user.email, client=client).data['token']
        found = client.get(SESSIONS, token=token).data['sessions']
        check_equal([one['device_name'] for one in found if one['current']], [name])


def test_a_name_of_ones_own(server):
    user, stranger = server.user(), server.user()
    session, = user.get(SESSIONS).data['sessions']
    path = f'{SESSIONS}/{session["id"]}'
    reply = user.patch(path, {'device_name': 'Küchentablet'})
    check_status(reply, 200)
    check_equal(reply.data['session']['device_name'], 'Küchentablet')
    check_equal(user.get(SESSIONS).data['sessions'][0]['device_name'], 'Küchentablet')
    check_status(user.patch(path, {}), 200)
    check_equal(user.get(SESSIONS).data['sessions'][0]['device_name'], 'Küchentablet')
    check_status(user.patch(path, {'device_name': None}), 200)
    check(user.get(SESSIONS).data['sessions'][0]['device_name'] != 'Küchentablet')
    check_status(user.patch(path, {'device_name': ''}), 400, 'VALIDATION_ERROR')
    check_status(stranger.patch(path, {'device_name': 'mine'}), 404, 'NOT_FOUND')


def test_all_others_end(server):
    user = server.user()
    others = [server.login(user.email).data['token'] for _ in range(5)]
    reply = user.delete(SESSIONS)
    check_status(reply, 200)
    check_equal(reply.data['revoked'], 5)
    check_status(user.get(ME), 200)
    for token in others:
        check_status(user.get(ME, token=token), 401)
    check_equal(user.delete(SESSIONS).data['revoked'], 0)


def test_fifty_end_all_others_at_once(server):
    """Each wants to be the one that stays: exactly one is."""
    user = server.user()
    tokens = [server.login(user.email).data['token'] for _ in range(50)]
    barrier = threading.Barrier(50)
    statuses = {}

    def end_others(token):
        client = server.client(token=token)
        client.get('/health')
        barrier.wait()
        statuses[token] = client.delete(SESSIONS).status

    threads = [threading.Thread(target=end_others, args=(token,)) for token in tokens]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check_equal(sorted(statuses.values()), [200] + [401] * 49)
    winner, = [token for token in tokens if statuses[token] == 200]
    check_equal([token for token in tokens if user.get(ME, token=token).status == 200], [winner])


def test_fifty_use_it_while_it_is_revoked(server):
    """Whoever was answered before the revocation was let in, nobody after it."""
    user = server.user()
    session, = user.get(SESSIONS).data['sessions']
    ender = server.client(token=server.login(user.email).data['token'])
    barrier = threading.Barrier(51)
    done = threading.Event()
    late = []

    def use():
        client = server.client(token=user.token)
        client.get('/health')
        barrier.wait()
        for _ in range(20):
            is_late = done.is_set()
            status = client.patch(PROFILE, {'full_name': 'x'}).status
            if is_late:
                late.append(status)

    threads = [threading.Thread(target=use) for _ in range(50)]
    for thread in threads:
        thread.start()
    barrier.wait()
    check_status(ender.delete(f'{SESSIONS}/{session["id"]}'), 200)
    done.set()
    for thread in threads:
        thread.join()
    check_equal(set(late) <= {401}, True, str(set(late)))
    check_status(user.get(ME), 401)


def test_unused_sessions_end():
    with Server(dict(SETTINGS, **{'session.idle-time': '2'})) as server:
        busy, idle = server.user(), server.user()
        by_cookie = browser(server)
        refresh = idle.reply.data['refresh_token']
        until = time.monotonic() + 4
        used = 0
        while time.monotonic() < until:  # longer than the idle time, and never unused
            check_status(busy.get(ME), 200)
            used += 1
        check(used > 5, f'{used} uses')
        check_status(idle.get(ME), 401, 'SESSION_INACTIVE')
        check_status(by_cookie.get(ME), 401, 'SESSION_INACTIVE')
        check_status(idle.post('/api/v1/auth/refresh', {'refresh_token': refresh}, token=''), 401,
                     'TOKEN_EXPIRED')


def test_refreshing_has_an_end():
    settings = {'session.time': '60', 'session.longest-time': '60'}
    with Server(dict(SETTINGS, **settings)) as server:
        user = server.user()
        reply = user.post('/api/v1/auth/refresh', {
            'refresh_token': user.reply.data['refresh_token']}, token='')
        check_status(reply, 200)
        check(reply.data['expires_at'] <= user.reply.data['expires_at'], 'not beyond the longest')


# ---- roles in tokens ----

def claims_of(token):
    part = token.split('.')[1]
    return json.loads(base64.urlsafe_b64decode(part + '=' * (-len(part) % 4)))


def refreshed(server, client):
    reply = server.client().post('/api/v1/auth/refresh', {'refresh_token': client.refresh})
    check_status(reply, 200)
    client.refresh = reply.data['refresh_token']
    return claims_of(reply.data['access_token']), reply.data['access_token']


def test_access_tokens_name_the_roles(server):
    owner, member = server.user(), server.user()
    for user in (owner, member):
        user.refresh = user.reply.data['refresh_token']
    check_equal(claims_of(owner.reply.data['access_token'])['roles'], [])
    made = owner.post('/api/v1/organizations', {'name': 'T', 'slug': 'token-roles'})
    org = made.data['organization']['id']
    check_status(owner.post(f'/api/v1/organizations/{org}/members',
                            {'email': member.email, 'role': 'guest'}), 201)
    claims, _token = refreshed(server, owner)
    check_equal((claims['roles'], claims['roles_complete']),
                ([{'organization_id': org, 'role': 'owner'}], True))
    claims, token = refreshed(server, member)
    check_equal(claims['roles'], [{'organization_id': org, 'role': 'guest'}])
    check_status(member.get(f'/api/v1/organizations/{org}', token=token), 200)
    # A removed membership is in no new token, and the old one opens nothing.
    check_status(owner.delete(f'/api/v1/organizations/{org}/members/{member.user["id"]}'), 200)
    check_status(member.get(f'/api/v1/organizations/{org}', token=token), 403)
    check_equal(refreshed(server, member)[0]['roles'], [])
    check_status(owner.delete(f'/api/v1/organizations/{org}'), 200)
    check_equal(refreshed(server, owner)[0]['roles'], [])


def test_tokens_stay_short(server):
    owner = server.user()
    owner.refresh = owner.reply.data['refresh_token']
    orgs = []
    for number in range(22):
        made = owner.post('/api/v1/organizations', {'name': 'M', 'slug': f'many-{number}'})
        orgs.append(made.data['organization']['id'])
    claims, token = refreshed(server, owner)
    check_equal([role['organization_id'] for role in claims['roles']], orgs[:20])
    check_equal(claims['roles_complete'], False)
    check(len(token) < 3500, f'{len(token)} bytes')
    check_status(owner.get(f'/api/v1/organizations/{orgs[21]}', token=token), 200)


harness.main(globals())
