"""The first users: register, log in, refresh, sessions, profile, passwords, lockout, roles. Facts:
the identity contract's sections 1 to 6 and the financial contract's A1 to A5 and A17."""

import calendar
import re
import time

import harness
from harness import check, check_equal, check_in, check_not_in, check_status, wait_until
from server import PASSWORD, Server

SETTINGS = {'rate.enabled': 'false', 'http.trusted-proxies': '127.0.0.1'}

UUID = re.compile(r'[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}')
STAMP_Z = re.compile(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z')
STAMP_NAIVE = re.compile(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?')

USER_KEYS = {
    'id', 'email', 'email_verified', 'full_name', 'avatar_url', 'status', 'last_login_at',
    'last_login_ip', 'created_at', 'updated_at', 'deleted_at',
    'first_name', 'last_name', 'phone', 'role', 'is_active', 'mfa_enabled', 'two_factor_enabled',
    'is_email_verified'}
SESSION_KEYS = {
    'id', 'user_id', 'status', 'ip_address', 'user_agent', 'device_info', 'expires_at',
    'last_activity_at', 'revoked_at', 'revoked_reason', 'is_compliance_only', 'created_at',
    'updated_at', 'deleted_at', 'last_activity', 'current'}
TOKEN_KEYS = {'token', 'access_token', 'refresh_token', 'token_type', 'expires_in', 'tokens',
              'expires_at'}

ME = '/api/v1/users/me'
WHOAMI = '/api/v1/auth/me'
LOGIN = '/api/v1/auth/login'
REGISTER = '/api/v1/auth/register'
REFRESH = '/api/v1/auth/refresh'
SESSIONS = '/api/v1/auth/sessions'
CHANGE = '/api/v1/users/me/password'


def check_tokens(data):
    check(TOKEN_KEYS <= set(data), f'missing {TOKEN_KEYS - set(data)}')
    check_equal(data['token_type'], 'Bearer')
    check_equal(data['tokens']['access_token'], data['access_token'])
    check_equal(data['tokens']['refresh_token'], data['refresh_token'])
    check_equal(data['access_token'].count('.'), 2)
    check(re.fullmatch(r'[A-Za-z0-9_-]{43}', data['token']), 'token is not 32 bytes of base64url')
    check(STAMP_Z.fullmatch(data['expires_at']), data['expires_at'])


# ---- time ----

SHORT = Server({'token.access-time': '10', 'session.time': '60', 'rate.enabled': 'false'})
FORGETFUL = Server({'token.refresh-time': '60', 'rate.enabled': 'false'})
short_lived = []


def test_short_lives_begin():
    """The first test, so that the last ones need not wait for a whole minute."""
    SHORT.start()
    short_lived.append(SHORT.user())
    user = short_lived[0]
    check_equal(user.reply.data['expires_in'], 10)
    FORGETFUL.start()
    short_lived.append(FORGETFUL.user())
    short_lived.append(time.monotonic())
    for token in (user.token, user.reply.data['access_token']):
        check_status(user.get(WHOAMI, token=token), 200)


# ---- register ----

def test_register_gives_user_and_tokens(server):
    user = server.user(email='Ada.Lovelace@Example.COM', full_name='Ada Lovelace')
    data = user.reply.data
    check(USER_KEYS <= set(data['user']), f'missing {USER_KEYS - set(data["user"])}')
    check_equal(data['user']['email'], 'ada.lovelace@example.com')
    check_equal(data['email'], 'ada.lovelace@example.com')
    check_equal(data['user_id'], data['user']['id'])
    check(UUID.fullmatch(data['user']['id']), data['user']['id'])
    check(STAMP_NAIVE.fullmatch(data['user']['created_at']), data['user']['created_at'])
    check_equal(data['user']['status'], 'active')
    check_equal(data['user']['role'], 'customer')
    check_equal(data['user']['deleted_at'], None)
    check_tokens(data)
    for token in (data['token'], data['access_token']):
        check_status(user.get(WHOAMI, token=token), 200)
    check_not_in('password', user.reply.text.lower().replace('password_', ''))


def test_register_takes_the_union_of_names(server):
    first = server.user(full_name=None)
    check_equal(first.user['full_name'], None)
    email = 'grace@example.com'
    reply = server.client().post(REGISTER, {
        'email': email, 'password': PASSWORD, 'password_confirm': PASSWORD, 'first_name': 'Grace',
        'last_name': 'Hopper', 'terms_accepted': True, 'privacy_accepted': True})
    check_status(reply, 201)
    check_equal(reply.data['user']['first_name'], 'Grace')
    check_equal(reply.data['user']['last_name'], 'Hopper')
    check_equal(reply.data['user']['full_name'], 'Grace Hopper')
    check(STAMP_NAIVE.fullmatch(reply.data['user']['updated_at']))


def test_register_takes_all_fields_of_the_financial_contract(server):
    body = {
        'email': 'all-fields@example.com', 'password': PASSWORD, 'first_name': 'Jane',
        'last_name': 'Roe', 'phone': '+1 555 010-0199', 'date_of_birth': '1990-04-05',
        'username': 'jane', 'terms_accepted': True, 'privacy_accepted': True,
        'marketing_consent': False,
        'address': {'street': '1 Main St', 'city': 'Springfield', 'state': 'IL',
                    'postal_code': '62701', 'country': 'US'}}
    reply = server.client().post(REGISTER, body)
    check_status(reply, 201)
    check_equal(reply.data['user']['phone'], '+1 555 010-0199')
    body.update(email='all-fields-2@example.com', username='jane_2', address='1 Main St',
                phone_number='5550100199')
    check_status(server.client().post(REGISTER, body), 201)
    for field, value in (('phone', '12'), ('date_of_birth', '05.04.1990')):
        reply = server.client().post(REGISTER, dict(body, email='x@example.com', username='jane_3',
                                                           **{field: value}))
        check_status(reply, 400, 'VALIDATION_ERROR')
        check_in(field, reply.details)


def test_register_refuses(server):
    client = server.client()
    good = {'email': 'fresh@example.com', 'password': PASSWORD, 'full_name': 'Fresh'}
    table = [
        ({'email': None}, 'email', 'Field may not be null.'),
        ({'email': 5}, 'email', 'Not a valid string.'),
        ({'email': 'a@b.c'}, 'email', 'Not a valid email address.'),
        ({'email': 'a b@example.com'}, 'email', 'Not a valid email address.'),
        ({'email': '@example.com'}, 'email', 'Not a valid email address.'),
        ({'email': 'a@exam_ple.com\n'}, 'email', 'Not a valid email address.'),
        ({'email': 'a' * 250 + '@example.com'}, 'email', None),
        ({'password_confirm': PASSWORD + 'x'}, 'password_confirm', None),
        ({'full_name': 'x' * 256}, 'full_name', 'Longer than maximum length 255.'),
        ({'terms_accepted': False}, 'terms_accepted', None),
        ({'admin': True}, 'admin', 'Unknown field.'),
        ({'role': 'admin'}, 'role', 'Unknown field.'),
    ]
    for change, field, text in table:
        reply = client.post(REGISTER, {**good, **change})
        check_status(reply, 400, 'VALIDATION_ERROR')
        check_in(field, reply.details, str(change))
        if text is not None:
            check_equal(reply.details[field], [text], str(change))
    reply = client.post(REGISTER, {})
    check_equal(reply.details.get('email'), ['Missing data for required field.'])
    check_equal(reply.details.get('password'), ['Missing data for required field.'])
    check_status(client.post(REGISTER, good), 201)
    reply = client.post(REGISTER, dict(good, email='FRESH@example.com'))
    check_status(reply, 409, 'CONFLICT', 'EMAIL_EXISTS')


def test_password_rules(server):
    client = server.client()
    table = ['Sh0rt-pass!', 'alllowercase-1', 'ALLUPPERCASE-1', 'NoDigitsHere-', 'NoSpecials12345',
             '', 'Aa1-' * 33]
    for number, password in enumerate(table):
        reply = client.post(REGISTER, {'email': f'weak{number}@example.com', 'password': password,
                                       'full_name': 'Weak'})
        check_status(reply, 400, 'VALIDATION_ERROR')
        check_in('password', reply.details, password)
    with Server({'password.length-min': '8', 'password.classes-min': '1'}) as lenient:
        reply = lenient.client().post(REGISTER, {'email': 'a@example.com', 'password': 'abababab'})
        check_status(reply, 201)
        reply = lenient.client().post(REGISTER, {'email': 'b@example.com', 'password': 'abababa'})
        check_status(reply, 400, 'VALIDATION_ERROR')


def test_defect_25_no_password_is_cut_at_72_bytes(server):
    base = 'Aa1-' * 18  # exactly 72 bytes
    check_equal(len(base), 72)
    user = server.user(password=base)
    check_status(server.login(user.email, base), 200)
    reply = server.login(user.email, base + 'x')
    check(reply.status in (400, 401), f'a cut password logs in: {reply.status}')
    check_status(server.login(user.email, base[:71]), 401)
    reply = server.client().post(REGISTER, {'email': 'long@example.com', 'password': base + 'x',
                                            'full_name': 'Long'})
    check_status(reply, 400, 'VALIDATION_ERROR')
    check_in('password', reply.details)
    umlauts = 'Aa1-' + '\u00e4' * 35  # 39 characters but 74 bytes
    reply = server.client().post(REGISTER, {'email': 'umlaut@example.com', 'password': umlauts,
                                            'full_name': 'Umlaut'})
    check_status(reply, 400, 'VALIDATION_ERROR')
    reply = user.post(CHANGE, {'current_password': base, 'new_password': base + 'x',
                               'new_password_confirm': base + 'x'})
    check_status(reply, 400, 'VALIDATION_ERROR')


def test_real_cost_hashes_log_in():
    with Server({'password.cost': '12'}) as server:
        user = server.user()
        check_status(server.login(user.email), 200)
        check_status(server.login(user.email, PASSWORD + '!'), 401)


def test_user_names_are_unique_and_words(server):
    first = {'email': 'name1@example.com', 'password': PASSWORD, 'username': 'ada_lovelace'}
    check_status(server.client().post('/api/v1/auth/register', first), 201)
    again = {**first, 'email': 'name2@example.com'}
    reply = server.client().post('/api/v1/auth/register', again)
    check_status(reply, 409, 'CONFLICT', 'USERNAME_EXISTS')
    for name in ('ab', 'a' * 31, 'a b c', 'a-b-c', 'äöü'):
        reply = server.client().post('/api/v1/auth/register', {**again, 'username': name})
        check_status(reply, 400, 'VALIDATION_ERROR')
        check_in('username', reply.json['error']['details'])
    reply = server.client().post('/api/v1/auth/register', {**again, 'username': None, 'address': 5})
    check_status(reply, 400, 'VALIDATION_ERROR')


# ---- login, tokens, logout ----

def test_login_gives_user_and_tokens(server):
    user = server.user()
    reply = server.login(user.email.upper())
    check_status(reply, 200)
    check_tokens(reply.data)
    check(USER_KEYS <= set(reply.data['user']))
    check_equal(reply.data['mfa_compliance']['overall_status'], 'compliant')
    check_equal(reply.data['mfa_compliance']['orgs'], [])
    check_not_in('requires_mfa_enrollment', reply.data)
    check(reply.data['user']['last_login_at'] is not None)
    check_equal(reply.data['expires_in'], 900)
    for key in ('token', 'access_token'):
        check_status(user.get(WHOAMI, token=reply.data[key]), 200)
    check_not_in('set-cookie', reply.headers)


def seconds_left(stamp):
    moment = time.strptime(stamp.split('.')[0].rstrip('Z'), '%Y-%m-%dT%H:%M:%S')
    return calendar.timegm(moment) - time.time()


def test_sessions_last_a_day_or_remembered_a_month(server):
    user = server.user()
    day = server.login(user.email).data['expires_at']
    check(abs(seconds_left(day) - 86400) < 120, day)
    month = server.login(user.email, remember_me=True).data['expires_at']
    check(abs(seconds_left(month) - 30 * 86400) < 120, month)
    month = server.login(user.email, remember_me='Yes').data['expires_at']
    check(abs(seconds_left(month) - 30 * 86400) < 120, month)


def test_login_refuses_strangers_and_wrong_passwords_alike(server):
    user = server.user()
    wrong = server.login(user.email, 'Wrong-Password-1')
    unknown = server.login('nobody@example.com', 'Wrong-Password-1')
    for reply in (wrong, unknown):
        check_status(reply, 401, 'AUTHENTICATION_ERROR', 'INVALID_CREDENTIALS')
    check_equal(wrong.json['message'], unknown.json['message'])
    check_equal(wrong.details, unknown.details)
    check_status(server.client().post(LOGIN, {'email': user.email}), 400, 'VALIDATION_ERROR')
    check_status(server.login(user.email, ''), 400, 'VALIDATION_ERROR')


def test_defect_21_unknown_accounts_take_as_long(server):
    with Server({'password.cost': '10', 'rate.enabled': 'false',
                 'lockout.failures': '1000', 'lockout.account-failures': '1000'}) as slow:
        user = slow.user()
        client = slow.client()
        client.get('/health')

        def seconds(email):
            began = time.monotonic()
            check_status(slow.login(email, 'Wrong-Password-1', client=client), 401)
            return time.monotonic() - began

        pairs = [(seconds(user.email), seconds(f'nobody{n}@example.com')) for n in range(7)]
        known = sorted(pair[0] for pair in pairs)[3]
        unknown = sorted(pair[1] for pair in pairs)[3]
        check(0.6 < unknown / known < 1.67, f'{unknown:.3f} s unknown, {known:.3f} s known')


def test_bearer_forms(server):
    user = server.user()
    client = server.client()
    check_status(client.get(WHOAMI), 401, 'AUTH_REQUIRED', 'TOKEN_MISSING')
    table = [('Basic ' + user.token, 'INVALID_AUTH_FORMAT'), ('Bearer', 'INVALID_AUTH_FORMAT'),
             (f'Bearer {user.token} x', 'INVALID_AUTH_FORMAT'), (user.token, 'INVALID_AUTH_FORMAT'),
             ('', 'INVALID_AUTH_FORMAT'), ('Bearer x', 'INVALID_TOKEN'),
             ('Bearer ' + 'A' * 43, 'INVALID_TOKEN'), (f'Bearer {user.token}A', 'INVALID_TOKEN'),
             (f'Bearer {user.token[:-1]}', 'INVALID_TOKEN')]
    for value, error_type in table:
        reply = client.get(WHOAMI, headers={'Authorization': value})
        check_status(reply, 401, error_type)
    for scheme in ('bearer', 'BEARER', 'Bearer'):
        reply = client.get(WHOAMI, headers={'Authorization': f'{scheme} {user.token}'})
        check_status(reply, 200)


def test_me(server):
    user = server.user()
    reply = user.get(WHOAMI)
    check_status(reply, 200)
    check_equal(reply.data['user']['id'], user.user['id'])
    check_equal(reply.data['organizations'], [])
    check_equal(user.get(ME).data['user'], reply.data['user'])


def test_refresh_rotates_and_reuse_revokes_everything(server):
    user = server.user()
    first = user.reply.data
    second = user.post(REFRESH, {'refresh_token': first['refresh_token']}, token='')
    check_status(second, 200)
    check(second.data['refresh_token'] != first['refresh_token'])
    check(second.data['access_token'] != first['access_token'])
    check_equal(second.data['tokens']['access_token'], second.data['access_token'])
    third = user.post(REFRESH, token=second.data['refresh_token'])  # as Bearer, without a body
    check_status(third, 200)
    check_status(user.get(WHOAMI, token=third.data['access_token']), 200)
    reused = user.post(REFRESH, {'refresh_token': first['refresh_token']}, token='')
    check_status(reused, 401, 'TOKEN_INVALID', 'TOKEN_INVALID')
    for token in (third.data['access_token'], second.data['access_token'], first['token']):
        check_status(user.get(WHOAMI, token=token), 401)
    reply = user.post(REFRESH, {'refresh_token': third.data['refresh_token']}, token='')
    check_status(reply, 401, 'TOKEN_INVALID')


def test_refresh_refuses_what_is_no_refresh_token(server):
    user = server.user()
    check_status(user.post(REFRESH, token=''), 400, 'MISSING_TOKEN', 'MISSING_TOKEN')
    for token in (user.reply.data['access_token'], user.token, 'A' * 43, 'x'):
        reply = user.post(REFRESH, {'refresh_token': token}, token='')
        check_status(reply, 401, 'TOKEN_INVALID', 'TOKEN_INVALID')
    check_status(user.get(WHOAMI), 200)  # and a mistaken token revokes nothing
    refresh = user.reply.data['refresh_token']
    check_status(user.get(WHOAMI, token=refresh), 401, 'INVALID_TOKEN')


def test_logout_kills_all_tokens_of_the_session(server):
    user = server.user()
    other = server.login(user.email).data
    data = user.reply.data
    check_status(user.post('/api/v1/auth/logout', token=data['access_token']), 200)
    for token in (data['token'], data['access_token']):
        check_status(user.get(WHOAMI, token=token), 401, 'INVALID_TOKEN')
    reply = user.post(REFRESH, {'refresh_token': data['refresh_token']}, token='')
    check_status(reply, 401, 'TOKEN_INVALID')
    check_status(user.get(WHOAMI, token=other['token']), 200)
    check_status(user.post('/api/v1/auth/logout', token=data['token']), 401)


def test_logout_of_all_sessions(server):
    user = server.user()
    other = server.login(user.email).data
    check_status(user.post('/api/v1/auth/logout', {'all_sessions': True}), 200)
    check_status(user.get(WHOAMI, token=other['token']), 401)


# ---- sessions ----

def test_sessions_list_and_revoke(server):
    user = server.user()
    agent = server.client(headers={'User-Agent': 'Test Browser/1.0 ' + 'x' * 600},
                          address='203.0.113.50', is_plain=True)
    other = server.login(user.email, client=agent).data
    reply = user.get(SESSIONS)
    check_status(reply, 200)
    check_equal(reply.data['count'], 2)
    sessions = reply.data['sessions']
    check_equal([session['current'] for session in sessions].count(True), 1)
    for session in sessions:
        check(SESSION_KEYS <= set(session), f'missing {SESSION_KEYS - set(session)}')
        check_not_in('token', ' '.join(session))
    foreign = next(session for session in sessions if not session['current'])
    check_equal(foreign['ip_address'], '203.0.113.50')
    check(foreign['user_agent'].startswith('Test Browser/1.0'))
    check(len(foreign['user_agent']) <= 512)
    check_status(user.delete(f'{SESSIONS}/{foreign["id"]}'), 200)
    check_status(user.get(WHOAMI, token=other['token']), 401)
    check_status(user.get(WHOAMI, token=other['access_token']), 401)
    check_status(user.delete(f'{SESSIONS}/{foreign["id"]}'), 200)  # idempotent
    check_equal(user.get(SESSIONS).data['count'], 1)
    own = user.get(SESSIONS).data['sessions'][0]['id']
    check_status(user.delete(f'{SESSIONS}/{own}'), 200)
    check_status(user.get(WHOAMI), 401)


def test_user_agents_are_cut_between_characters(server):
    user = server.user()
    for agent in ('x' * 511 + '\u00e9', 'x' * 510 + '\u2603', '\U0001f600' * 200, '\u00e9' * 300):
        client = server.client(headers={'User-Agent': agent.encode('utf-8')})
        check_status(server.login(user.email, client=client), 200)
    reply = user.get(SESSIONS)
    check_status(reply, 200)
    check_equal(reply.data['count'], 5)
    check_status(user.get('/api/v1/audit/events'), 200)
    for agent in (b'\xff\xfe', b'a\xc3', b'\xed\xa0\x80'):
        client = server.client(headers={'User-Agent': agent})
        check_status(server.login(user.email, client=client), 200)
    check_status(user.get(SESSIONS), 200)
    check_status(user.get('/api/v1/audit/events'), 200)


def test_sessions_of_others_do_not_exist(server):
    owner, stranger = server.user(), server.user()
    session = owner.get(SESSIONS).data['sessions'][0]['id']
    check_status(stranger.delete(f'{SESSIONS}/{session}'), 404, 'NOT_FOUND')
    check_status(owner.get(WHOAMI), 200)
    unknown = '00000000-0000-4000-8000-000000000000'
    check_status(owner.delete(f'{SESSIONS}/{unknown}'), 404, 'NOT_FOUND')
    for bad in ('x', '0', session[:-1], session + '0', '%20', session.replace('-', '')):
        check_status(owner.delete(f'{SESSIONS}/{bad}'), 404, 'NOT_FOUND')
    check_status(server.client().delete(f'{SESSIONS}/bad'), 404)
    check_status(server.client().delete(f'{SESSIONS}/{session}'), 401)


# ---- users/me ----

def test_profile_changes(server):
    user = server.user()
    reply = user.patch(ME, {'full_name': 'New Name', 'avatar_url': 'https://example.com/a.png'})
    check_status(reply, 200)
    check_equal(reply.data['user']['full_name'], 'New Name')
    check_equal(user.get(ME).data['user']['avatar_url'], 'https://example.com/a.png')
    check(reply.data['user']['updated_at'] >= reply.data['user']['created_at'])
    check_status(user.patch(ME, {}), 200)
    check_equal(user.get(ME).data['user']['full_name'], 'New Name')
    reply = user.patch(ME, {'avatar_url': None, 'full_name': None})
    check_equal((reply.data['user']['avatar_url'], reply.data['user']['full_name']), (None, None))
    for value in ('javascript:alert(1)', 'http://host', 'https://exa mple.com/', 'ftp//x'):
        reply = user.patch(ME, {'avatar_url': value})
        check_status(reply, 400, 'VALIDATION_ERROR')
        check_equal(reply.details['avatar_url'], ['Not a valid URL.'])
    text = '\u00c5\u2603\U0001f600 "quoted" \\ </script>'
    reply = user.patch(ME, {'full_name': text})
    check_equal(reply.data['user']['full_name'], text)
    check_equal(user.get(ME).data['user']['full_name'], text)
    for fixed in ('email', 'role', 'status', 'id', 'email_verified'):
        reply = user.patch(ME, {fixed: 'x'})
        check_status(reply, 400, 'VALIDATION_ERROR')
        check_equal(reply.details, {fixed: ['Unknown field.']})


def test_profile_etag(server):
    user = server.user()
    reply = user.get(ME)
    etag = reply.headers.get('etag')
    if etag is None:
        check(False, 'GET users/me has no ETag')
    check_status(user.patch(ME, {'full_name': 'One'}, headers={'If-Match': etag}), 200)
    reply = user.patch(ME, {'full_name': 'Two'}, headers={'If-Match': etag})
    check_status(reply, 412, 'PRECONDITION_FAILED')
    check_equal(user.get(ME).data['user']['full_name'], 'One')
    check_status(user.patch(ME, {'full_name': 'Three'}, headers={'If-Match': '*'}), 200)


def test_profile_conditional_get(server):
    user = server.user()
    etag = user.get(ME).headers['etag']
    reply = user.get(ME, headers={'If-None-Match': f'"other", {etag}'})
    check_equal((reply.status, reply.body), (304, b''))
    check_status(user.get(ME, headers={'If-None-Match': '"other"'}), 200)
    check_status(user.patch(ME, {'full_name': 'Changed'}), 200)
    check_status(user.get(ME, headers={'If-None-Match': etag}), 200)


def test_defect_15_deletion_ends_everything(server):
    user = server.user()
    data = user.reply.data
    second = server.login(user.email).data
    check_status(user.delete(ME), 200)
    for token in (data['token'], data['access_token'], second['token'], second['access_token']):
        check_status(user.get(WHOAMI, token=token), 401)
    reply = user.post(REFRESH, {'refresh_token': second['refresh_token']}, token='')
    check_status(reply, 401)
    check_status(server.login(user.email), 401, 'AUTHENTICATION_ERROR', 'INVALID_CREDENTIALS')


def test_defect_31_a_deleted_address_may_come_back(server):
    user = server.user()
    check_status(user.delete(ME), 200)
    reply = server.client().post(REGISTER, {'email': user.email, 'password': PASSWORD,
                                            'full_name': 'Again'})
    check_status(reply, 201)
    check(reply.data['user']['id'] != user.user['id'], 'another person')
    check_status(server.login(user.email), 200)


def test_password_change(server):
    user = server.user()
    new = 'Another-Horse-77'
    other = server.login(user.email).data
    body = {'current_password': PASSWORD, 'new_password': new, 'new_password_confirm': new}
    reply = user.post(CHANGE, dict(body, current_password='Wrong-Password-1'))
    check_status(reply, 401, 'AUTHENTICATION_ERROR')
    reply = user.post(CHANGE, dict(body, new_password_confirm=new + 'x'))
    check_status(reply, 400, 'VALIDATION_ERROR')
    check_in('new_password_confirm', reply.details)
    reply = user.post(CHANGE, dict(body, new_password='weak', new_password_confirm='weak'))
    check_status(reply, 400, 'VALIDATION_ERROR')
    check_in('new_password', reply.details)
    reply = user.post(CHANGE, {'current_password': PASSWORD, 'new_password': PASSWORD,
                               'new_password_confirm': PASSWORD})
    check_equal(reply.status, 400, 'the same password')
    check_status(user.post(CHANGE, body), 200)
    check_status(server.login(user.email, PASSWORD), 401)
    check_status(server.login(user.email, new), 200)
    check_status(user.get(WHOAMI, token=other['token']), 401)  # defect 15: other sessions end
    reply = user.post(REFRESH, {'refresh_token': other['refresh_token']}, token='')
    check_status(reply, 401)


# ---- lockout ----

def fail_login(server, email, times, address):
    client = server.client(address=address, is_plain=True)
    return [server.login(email, f'Wrong-Password-{n}', client=client) for n in range(times)]


def test_defect_22_five_failures_lock_account_and_address(server):
    user = server.user()
    replies = fail_login(server, user.email, 7, '198.51.100.1')
    for reply in replies:
        check_status(reply, 401, 'AUTHENTICATION_ERROR', 'INVALID_CREDENTIALS')
    locked = server.client(address='198.51.100.1', is_plain=True)
    reply = server.login(user.email, client=locked)
    check_status(reply, 423, 'ACCOUNT_LOCKED', 'ACCOUNT_LOCKED')
    left = seconds_left(reply.details['locked_until'])
    check(1500 < left <= 1801, reply.details['locked_until'])
    elsewhere = server.client(address='198.51.100.2', is_plain=True)
    check_status(server.login(user.email, client=elsewhere), 200)
    check_status(user.get(WHOAMI), 200)  # a lock is about logging in


def test_lockout_does_not_tell_which_accounts_exist(server):
    user = server.user()
    known = fail_login(server, user.email, 8, '198.51.100.3')
    unknown = fail_login(server, 'no-such-person@example.com', 8, '198.51.100.4')
    for one, other in zip(known, unknown):
        check_equal((one.status, one.error, one.json['message']),
                    (other.status, other.error, other.json['message']))
        same = {name for name in one.headers} ^ {name for name in other.headers}
        check_equal(same, set(), 'headers')


def test_success_resets_the_count(server):
    user = server.user()
    address = '198.51.100.5'
    client = server.client(address=address, is_plain=True)
    for _ in range(3):
        fail_login(server, user.email, 4, address)
        check_status(server.login(user.email, client=client), 200)


def test_many_addresses_lock_the_account(server):
    user = server.user()
    for number in range(20):
        fail_login(server, user.email, 1, f'198.51.101.{number + 1}')
    reply = server.login(user.email, client=server.client(address='198.51.102.1', is_plain=True))
    check_status(reply, 423, 'ACCOUNT_LOCKED')


def test_locks_survive_a_restart_and_end():
    settings = {'lockout.time': '3', 'http.trusted-proxies': '127.0.0.1', 'rate.enabled': 'false'}
    server = Server(settings).start()
    try:
        user = server.user()
        fail_login(server, user.email, 5, '198.51.100.9')
        server.restart()
        locked = server.client(address='198.51.100.9', is_plain=True)
        reply = server.login(user.email, client=locked)
        check_status(reply, 423, 'ACCOUNT_LOCKED')
        wait_until(lambda: retry_login(server, user.email, locked), 'the lock ends', 10)
    finally:
        complaints = server.stop()
        check(not complaints, '; '.join(complaints))


def retry_login(server, email, client):
    reply = server.login(email, client=client)
    check_in(reply.status, (200, 423))
    time.sleep(0.1)
    return reply.status == 200


# ---- administrators ----

def test_setup_token_makes_exactly_one_administrator():
    with Server({'rate.enabled': 'false'}) as server:
        client = server.client()
        body = {'token': 'A' * 43, 'email': 'root@example.com', 'password': PASSWORD}
        reply = client.post('/api/v1/setup/admin', body)
        check_status(reply, 401, 'AUTHENTICATION_ERROR', 'SETUP_TOKEN_INVALID')
        body['token'] = server.setup_token()
        reply = client.post('/api/v1/setup/admin', dict(body, password='weak'))
        check_status(reply, 400, 'VALIDATION_ERROR')
        taken = server.user().email
        reply = client.post('/api/v1/setup/admin', dict(body, email=taken))
        check_status(reply, 409, 'CONFLICT', 'EMAIL_EXISTS')
        reply = client.post('/api/v1/setup/admin', dict(body, full_name='The Root'))
        check_in(reply.status, (200, 201))
        check_equal(reply.data['user']['role'], 'admin')
        reply = client.post('/api/v1/setup/admin', dict(body, email='second@example.com'))
        check_status(reply, 401, 'AUTHENTICATION_ERROR', 'SETUP_TOKEN_INVALID')
        login = server.login('root@example.com')
        check_equal(login.data['user']['role'], 'admin')
        server.restart()
        reply = server.client().post('/api/v1/setup/admin', dict(body, email='third@example.com'))
        check_status(reply, 401, 'AUTHENTICATION_ERROR', 'SETUP_TOKEN_INVALID')


def test_each_start_without_an_administrator_makes_a_new_setup_token():
    with Server({'rate.enabled': 'false'}) as server:
        body = {'token': server.setup_token(), 'email': 'root@example.com', 'password': PASSWORD}
        server.restart()
        check(server.setup_token() != body['token'])
        reply = server.client().post('/api/v1/setup/admin', body)
        check_status(reply, 401, 'AUTHENTICATION_ERROR', 'SETUP_TOKEN_INVALID')
        reply = server.client().post('/api/v1/setup/admin', dict(body, token=server.setup_token()))
        check_in(reply.status, (200, 201))


def test_the_last_administrator_stays():
    with Server({'rate.enabled': 'false'}) as server:
        admin = server.admin()
        reply = admin.delete(ME)
        check_status(reply, 409, 'CONFLICT')
        check_status(admin.get(ME), 200)


def test_admin_create_from_the_command_line():
    server = Server({'rate.enabled': 'false'})
    run = server.run('admin', 'create', 'boss@example.com', '--data', server.data)
    check_equal(run.returncode, 0, run.stdout + run.stderr)
    words = re.findall(r'\S{12,}', run.stdout)
    server.start()
    logins = [server.login('boss@example.com', word) for word in words]
    good = [reply for reply in logins if reply.status == 200]
    check_equal(len(good), 1, f'one password that works in: {run.stdout}')
    check_equal(good[0].data['user']['role'], 'admin')
    complaints = server.stop()
    check(not complaints, '; '.join(complaints))


# ---- other listed defects ----

def test_defect_26_no_cookies(server):
    client = server.client()
    for reply in (client.get('/health'), client.get('/nothing'), server.login('a@b.cd', 'x')):
        check_not_in('set-cookie', reply.headers)


def test_defect_28_request_ids_are_bounded(server):
    client = server.client()
    for good in ('abc', 'A-Z_0.9', 'x' * 64, '6f1c9c4e-6a0e-4b8e-9f57-2f5f6a6d3c11'):
        reply = client.get('/api/v1/auth/me', headers={'X-Request-ID': good})
        check_equal(reply.headers['x-request-id'], good)
    for bad in ('x' * 65, 'a b', '<script>', 'a"b', "a'b", '', '\u00e9', 'a/b;c'):
        reply = client.get('/api/v1/auth/me', headers={'X-Request-ID': bad.encode('utf-8')})
        check(UUID.fullmatch(reply.headers['x-request-id']), f'{bad!r} is echoed')
    user = server.user()
    reply = user.patch(ME, {'full_name': 'Whole'}, headers={'X-Request-ID': 'y' * 2000})
    check_status(reply, 200)
    check_equal(user.get(ME).data['user']['full_name'], 'Whole')


# ---- time, again ----

def refusal_of(client, token):
    reply = client.get(WHOAMI, token=token)
    time.sleep(0.2)
    return reply if reply.status != 200 else None


def test_access_tokens_expire():
    user = short_lived[0]
    user.close()  # idle for too long: the next request connects anew
    access = user.reply.data['access_token']
    reply = wait_until(lambda: refusal_of(user, access), 'the access token expires', 20)
    check_status(reply, 401, 'INVALID_TOKEN', 'TOKEN_EXPIRED')


def test_sessions_end_and_refreshing_goes_on():
    user = short_lived[0]
    reply = wait_until(lambda: refusal_of(user, user.token), 'the session ends', 75)
    check_status(reply, 401, 'SESSION_INACTIVE', 'TOKEN_EXPIRED')
    reply = user.post(REFRESH, {'refresh_token': user.reply.data['refresh_token']}, token='')
    check_status(reply, 200)
    check_status(user.get(WHOAMI, token=reply.data['access_token']), 200)
    complaints = SHORT.stop()
    check(not complaints, '; '.join(complaints))


def test_refresh_tokens_expire():
    user, began = short_lived[1:]
    wait_until(lambda: time.monotonic() > began + 60, 'a minute has passed', 75)
    user.close()
    reply = user.post(REFRESH, {'refresh_token': user.reply.data['refresh_token']}, token='')
    check_status(reply, 401, 'TOKEN_EXPIRED', 'TOKEN_EXPIRED')
    check_status(user.get(WHOAMI), 200)  # the session itself goes on
    complaints = FORGETFUL.stop()
    check(not complaints, '; '.join(complaints))


harness.main(globals())
