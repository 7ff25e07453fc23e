"""The Gatekeeper contract: every row with its literals, the order of checks, tokens, locks, limits.
The defects of the original have tests of their own in test_gatekeeper_defects.py."""

import base64
import http.client
import json
import re
import socket
import time

import harness
from gatekeeper import (ACCOUNT_FORM, FIELDS, FORBIDDEN, LOCKED, PASSWORD, Customer,
                        LoginResponse, body, login, new_account)
from harness import check, check_equal, check_in, check_not_in, wait_until
from server import Server

SETTINGS = {'rate.enabled': 'false'}


def check_message(reply, status, message):
    check_equal((reply.status, reply.json.get('message')), (status, message), reply.about)
    check_equal(reply.json['success'], status < 400, reply.about)


def claims_of(token):
    def part(text):
        return json.loads(base64.urlsafe_b64decode(text + '=' * (-len(text) % 4)))

    header, claims, _signature = token.split('.')
    return part(header), part(claims)


# ---- row 1: POST /register ----

def test_register(server):
    wanted = body()
    reply = server.client().post('/register', wanted)
    check_equal(reply.status, 201)
    check_equal(reply.text, '{"account_number":"%s","message":"User registered successfully",'
                '"success":true}' % wanted['account_number'])
    check_message(server.client().post('/register', wanted), 409,
                  'User with this account number already exists')


def test_register_checks_in_their_order(server):
    """Each body has the fault in question and all that are looked at later (2.1)."""
    client = server.client()
    taken = Customer(server).account
    bad = {'account_number': '12345', 'phone_number': '213-555-2345',
           'date_of_account_opening': '2023-02-30', 'age': 17, 'password': 'short',
           'first_name': 'x' * 51}
    expected = [
        ({'branch_code': ..., 'gender': ...}, 'Missing required fields: gender, branch_code'),
        ({}, ACCOUNT_FORM),
        ({'account_number': taken}, 'Invalid phone number format. Use (XXX) XXX-XXXX.'),
        ({'phone_number': '(213) 555-2345'}, 'Invalid date format. Use YYYY-MM-DD.'),
        ({'date_of_account_opening': '2023-02-28'}, 'Age must be between 18 and 120.'),
        ({'age': 'old'}, 'Age must be a valid number.'),
        ({'age': 18}, 'User with this account number already exists'),
        ({'account_number': new_account()}, 'Password must be at least 8 characters long'),
        ({'password': PASSWORD}, 'first_name must be text of at most 50 characters.'),
    ]
    for change, message in expected:
        if ... not in change.values():
            bad.update(change)
        reply = client.post('/register', body(**{**bad, **change}))
        check_message(reply, 409 if 'already' in message else 400, message)


def test_register_missing_fields(server):
    client = server.client()
    for name in FIELDS:
        check_message(client.post('/register', body(**{name: ...})), 400,
                      f'Missing required fields: {name}')
    check_message(client.post('/register', {'unknown': 1}), 400,
                  'Missing required fields: ' + ', '.join(FIELDS))
    check_message(client.post('/register', [1]), 400,
                  'Missing required fields: ' + ', '.join(FIELDS))


def test_register_ages(server):
    client = server.client()
    for age in (18, 120, '42', ' 42 ', 42.9):
        check_equal(client.post('/register', body(age=age)).status, 201, repr(age))
    for age in (17, 121, -1, '17', 17.9, True, False):
        check_message(client.post('/register', body(age=age)), 400,
                      'Age must be between 18 and 120.')
    for age in ('old', '', '42.5', None, [], {}):
        check_message(client.post('/register', body(age=age)), 400, 'Age must be a valid number.')


def test_register_forms(server):
    client = server.client()
    for account in ('1' * 11, '1' * 13, '12345678901x', '', 123456789012, None, ['1' * 12]):
        check_message(client.post('/register', body(account_number=account)), 400, ACCOUNT_FORM)
    for phone in ('(213)555-2345', '(213) 555-234', '(213) 555-23456', '213 555 2345', '', 5, None):
        check_message(client.post('/register', body(phone_number=phone)), 400,
                      'Invalid phone number format. Use (XXX) XXX-XXXX.')
    for date in ('2023-02-30', '2023-13-01', '10.03.2020', '', 20200310, None):
        check_message(client.post('/register', body(date_of_account_opening=date)), 400,
                      'Invalid date format. Use YYYY-MM-DD.')
    empty = body(first_name='', last_name='', gender='', address='', branch_code='',
                 bank_account_type='')
    check_equal(client.post('/register', empty).status, 201)


def test_falsy_bodies(server):
    admin = server.admin().token
    account = Customer(server).account
    for method, path in (('POST', '/register'), ('POST', '/login'), ('POST', '/'),
                         ('PUT', f'/{account}')):
        for text in (b'{}', b'[]', b'null', b'0', b'0.0', b'""', b'false'):
            reply = server.client().request(method, path, text, token=admin,
                                            headers={'Content-Type': 'application/json'})
            check_message(reply, 400, 'Request must contain JSON data')


def test_malformed_bodies(server):
    admin = server.admin().token
    account = Customer(server).account
    for method, path in (('POST', '/register'), ('POST', '/login'), ('POST', '/'),
                         ('PUT', f'/{account}')):
        def send(text, kind):
            return server.client().request(method, path, text, token=admin,
                                           headers={'Content-Type': kind})
        for text in (b'{', b'{"a":1', b'x', b'', b'{"a":1,"a":2}'):
            reply = send(text, 'application/json')
            check_message(reply, 400, 'Bad request')
            check(reply.json['error'], path)
        reply = send(b'a=1', 'application/x-www-form-urlencoded')
        check_message(reply, 415, 'Send the body as Content-Type: application/json.')
        check_message(send(b'{"a":1}', None), 415,
                      'Send the body as Content-Type: application/json.')


# ---- row 2: POST /login ----

def test_login(server):
    customer = Customer(server)
    reply = customer.login()
    check_equal(reply.status, 200)
    check_equal(list(reply.json), ['success', 'token', 'user'])
    check_equal(reply.json['user'], {'account_number': customer.account, 'account_type': 'Savings',
                                     'name': 'Emily Johnson'})


def test_login_refusals(server):
    client = server.client()
    account = Customer(server).account
    for sent, message in (
            ({'x': 1}, 'Account number is required'),
            ({'account_number': '', 'password': 'x'}, 'Account number is required'),
            ({'password': 'x'}, 'Account number is required'),
            ([1], 'Account number is required'),
            ({'account_number': account}, 'Password is required'),
            ({'account_number': account, 'password': ''}, 'Password is required'),
            ({'account_number': account, 'password': 5}, 'Password is required'),
            ({'account_number': '123', 'password': 'x'}, 'Invalid account number format'),
            ({'account_number': account + '\n', 'password': 'x'}, 'Invalid account number format'),
            ({'account_number': int(account), 'password': 'x'}, 'Invalid account number format')):
        check_message(client.post('/login', sent), 400, message)
    check_message(login(client, account, 'wrong'), 401, 'Invalid credentials')
    check_message(login(client, new_account(), PASSWORD), 401, 'Invalid credentials')
    check_message(login(client, account, 'x' * 200), 401, 'Invalid credentials')


# ---- row 3: GET /profile ----

def test_profile(server):
    customer = Customer(server)
    reply = customer.client.get('/profile')
    check_equal(reply.status, 200)
    profile = reply.json['profile']
    check(re.fullmatch(r'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d', profile.pop('last_login')), reply.text)
    expected = dict(customer.body)
    del expected['password']
    check_equal(profile, expected)
    check_equal(list(profile), sorted(profile))
    # An administrator of the server has no profile here.
    check_message(server.admin().get('/profile'), 404, 'User not found')


# ---- rows 4 and 5: GET /, POST / ----

def test_list():
    with Server(SETTINGS) as server:
        admin = server.admin()
        check_equal(admin.get('/').text, '{"success":true,"users":[]}')
        customers = sorted((Customer(server) for _ in range(3)), key=lambda one: one.account)
        check_equal(server.client().post('/register', body(account_number='0' * 12)).status, 201)
        users = admin.get('/').json['users']
        check_equal([user['account_number'] for user in users],
                    ['0' * 12] + [customer.account for customer in customers])
        check_equal(users[0]['last_login'], None)
        check_not_in('password', json.dumps(users))
        part = admin.get('/?limit=1&offset=1').json['users']
        check_equal([user['account_number'] for user in part], [customers[0].account])
        rest = admin.get(f'/?after={customers[0].account}').json['users']
        check_equal([user['account_number'] for user in rest],
                    [customer.account for customer in customers[1:]])


def test_browsers_get_a_page_where_programs_get_the_list(server):
    page = server.client().get('/', headers={'Accept': 'text/html,*/*;q=0.8'})
    check_equal((page.status, page.headers['content-type']), (200, 'text/html; charset=utf-8'))
    for accept in (None, '*/*', 'application/json'):
        reply = server.client().get('/', headers={'Accept': accept})
        check_equal(reply.status, 401, repr(accept))
        check_in('Accept', reply.headers['vary'])
    head = server.client().request('HEAD', '/', headers={'Accept': 'text/html'})
    check_equal((head.status, head.body), (200, b''))


def test_add(server):
    admin = server.admin()
    wanted = body(age=5)  # row 5 takes any age
    reply = admin.post('/', wanted)
    check_equal(reply.text, '{"account_number":"%s","message":"User registered successfully",'
                '"success":true}' % wanted['account_number'])
    check_equal(reply.status, 201)
    check_message(admin.post('/', wanted), 409, 'User with this account number already exists')
    check_message(admin.post('/', body(age='old')), 400, 'Age must be a valid number.')
    check_message(admin.post('/', body(age=1000)), 400, 'Age must be a valid number.')
    check_message(admin.post('/', body(account_number='1')), 400, ACCOUNT_FORM)
    check_message(admin.post('/', body(password='short')), 400,
                  'Password must be at least 8 characters long')


# ---- rows 6 and 7: PUT, DELETE /{account} ----

def test_update(server):
    customer = Customer(server)
    for change in ({'first_name': ''}, {'age': '33'}, {'address': 'New St 1'}, {'gender': 'x'},
                   {'phone_number': '(000) 000-0000'}, {'bank_account_type': 'Business'},
                   {'date_of_account_opening': '2000-02-29'}, {'branch_code': 'B'},
                   {'last_name': 'Lee', 'account_number': '0' * 12, 'unknown': [1]}):
        reply = customer.client.request('PUT', f'/{customer.account}', change)
        check_equal((reply.status, reply.text),
                    (200, '{"message":"Details updated successfully","success":true}'))
    profile = customer.client.get('/profile').json['profile']
    check_equal((profile['first_name'], profile['last_name'], profile['age'], profile['address']),
                ('', 'Lee', 33, 'New St 1'))
    check_equal(profile['account_number'], customer.account)


def test_update_refusals(server):
    customer = Customer(server)
    admin = server.admin()

    def put(path, change, client=admin):
        return client.request('PUT', path, change)

    check_message(put('/123', {'age': 20}), 400, ACCOUNT_FORM)
    check_equal(admin.request('PUT', '/123', b'{', headers={'Content-Type': 'application/json'})
                .json['message'], ACCOUNT_FORM)  # before the body
    missing = new_account()
    check_message(put(f'/{missing}', {'phone_number': 'x'}), 404,
                  f'Customer with account number {missing} not found')
    own = f'/{customer.account}'
    for change, message in (
            ({'phone_number': 'x', 'age': 1}, 'Invalid phone number format. Use (XXX) XXX-XXXX.'),
            ({'date_of_account_opening': 'x', 'age': 1}, 'Invalid date format. Use YYYY-MM-DD.'),
            ({'age': 17, 'password': 'x'}, 'Age must be between 18 and 120.'),
            ({'age': 'x'}, 'Age must be a valid number.'),
            ({'password': 'short'}, 'Password must be at least 8 characters long'),
            ({'branch_code': 'x' * 11}, 'branch_code must be text of at most 10 characters.'),
            ({'role': 'king'}, 'role must be customer or admin.')):
        check_message(put(own, change), 400, message)
    check_equal(customer.client.get('/profile').status, 200)


def test_delete(server):
    customer = Customer(server)
    reply = customer.client.delete(f'/{customer.account}')
    check_equal((reply.status, reply.text),
                (200, '{"message":"Details removed successfully","success":true}'))
    check_message(customer.login(), 401, 'Invalid credentials')
    admin = server.admin()
    check_message(admin.delete(f'/{customer.account}'), 404,
                  f'Customer with account number {customer.account} not found')
    check_message(admin.delete('/x'), 400, ACCOUNT_FORM)
    # The number is free again, and starts anew.
    check_equal(server.client().post('/register', customer.body).status, 201)


# ---- rows 8 to 10 ----

def test_status_paths(server):
    client = server.client()
    check_equal(client.get('/test').text, '{"status":"Backend is running!"}')
    check_equal(client.get('/db_check').text, '{"database":"connected"}')
    health = client.get('/health').json
    check_equal((health['status'], health['database']), ('healthy', 'connected'))
    check_in('timestamp', health)
    check_in('version', health)


def test_other_methods_and_unknown_paths(server):
    client = server.client()
    for method, path in (('GET', '/123456789012'), ('POST', '/123456789012'), ('GET', '/login'),
                         ('PUT', '/'), ('POST', '/test')):
        reply = client.request(method, path)
        check_message(reply, 405, 'Method not allowed')
        check(reply.headers['allow'], path)
    # No account: nobody's path, so in the server's own words, which that client reads as well.
    for path in ('/nothing', '/1234567890123', '/robots.txt'):
        reply = client.get(path)
        check_equal((path, reply.status, reply.json['success']), (path, 404, False))
        check_equal(reply.error_type, 'NOT_FOUND', path)
        check_equal(client.request('OPTIONS', path).status, 404, path)


# ---- tokens ----

def test_token_claims(server):
    customer = Customer(server)
    before = time.time()
    header, claims = claims_of(customer.login().json['token'])
    check_equal(header, {'alg': 'HS256', 'typ': 'JWT'})
    check(abs(claims['iat'] - before) < 30, str(claims))
    expected = {'sub': customer.account, 'type': 'access', 'fresh': False, 'nbf': claims['iat'],
                'exp': claims['iat'] + 3600, 'account_type': 'Savings', 'name': 'Emily Johnson',
                'account_number': customer.account}
    check_equal({name: claims.get(name) for name in expected}, expected)
    uuid = r'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}'
    check(re.fullmatch(uuid, claims['jti']) and re.fullmatch(uuid, claims['csrf']), str(claims))
    _header, other = claims_of(customer.login().json['token'])
    check(other['jti'] != claims['jti'] and other['csrf'] != claims['csrf'], 'ids come twice')


def test_token_errors(server):
    customer = Customer(server)
    header, claims, signature = customer.token.split('.')
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip('=')
    other = base64.urlsafe_b64encode(b'{"typ":"JWT","alg":"HS256"}').decode().rstrip('=')
    bearer = "Missing 'Bearer' type in 'Authorization' header. " \
        "Expected 'Authorization: Bearer <JWT>'"
    form = "Bad Authorization header. Expected 'Authorization: Bearer <JWT>'"
    wrong = 'Signature verification failed'
    cases = [
        (None, 401, 'Missing Authorization Header'),
        ('', 401, 'Missing Authorization Header'),
        (f'bearer {customer.token}', 401, bearer),
        (f'Basic {customer.token}', 401, bearer),
        (customer.token, 401, bearer),
        ('Bearer', 422, form),
        (f'Bearer {customer.token} more', 422, form),
        ('Bearer x', 422, 'Not enough segments'),
        (f'Bearer {header}.{claims}', 422, 'Not enough segments'),
        (f'Bearer {header}', 422, 'Not enough segments'),
        (f'Bearer {header}.{claims}.', 422, wrong),
        (f'Bearer {header}.{claims}.{signature[:-2]}AA', 422, wrong),
        (f'Bearer {header}.{claims[:-2]}AA.{signature}', 422, wrong),
        (f'Bearer {header}.{claims}.{signature}.x', 422, wrong),
        (f'Bearer {none}.{claims}.', 422, wrong),
        (f'Bearer {other}.{claims}.{signature}', 422, wrong),
        (f'Bearer {"x" * 6200}.x.x', 422, wrong),
    ]
    for method, path in (('GET', '/profile'), ('GET', '/'), ('POST', '/'),
                         ('PUT', f'/{customer.account}'), ('DELETE', f'/{customer.account}')):
        for value, status, message in cases:
            reply = server.client().request(method, path, headers={'Authorization': value})
            check_equal((path, value, reply.status), (path, value, status))
            check_equal(reply.json, {'message': message, 'msg': message, 'success': False})
    check_equal(customer.client.get('/profile').status, 200)


def test_an_expired_token():
    with Server({**SETTINGS, 'gatekeeper.token-time': '1'}) as server:
        customer = Customer(server)
        reply = wait_until(lambda: next((reply for reply in [customer.client.get('/profile')]
                                         if reply.status != 200), None), 'the token has expired')
        check_equal((reply.status, reply.json['msg']), (401, 'Token has expired'))
        for method, path in (('GET', '/'), ('PUT', f'/{customer.account}')):
            check_equal(customer.client.request(method, path).json['msg'], 'Token has expired')


def test_tokens_are_good_for_their_own_paths_only(server):
    customer = Customer(server)
    customer.promoted = server.admin().request('PUT', f'/{customer.account}', {'role': 'admin'})
    check_equal(customer.promoted.status, 200)
    document = server.client().get('/openapi.json').json
    count = 0
    for path, item in document['paths'].items():
        for method, row in item.items():
            if 'Gatekeeper' in row['tags'] or not row['security']:
                continue
            reply = customer.client.request(method.upper(), re.sub(r'\{\w+\}', 'x', path))
            check_in(reply.status, (401, 404), f'{method} {path}')
            count += 1
    check(count > 20, str(count))
    # And of the server's own users only administrators come in.
    user = server.user()
    for method, path in (('GET', '/profile'), ('GET', '/'), ('POST', '/'),
                         ('PUT', f'/{customer.account}'), ('DELETE', f'/{customer.account}')):
        check_message(user.request(method, path, {'age': 20} if method in ('POST', 'PUT')
                                   else None), 403, FORBIDDEN)


def test_an_administrator_who_has_to_change_the_password(server):
    root, user = server.admin(), server.user()
    customer = Customer(server)
    path = f'/api/v1/users/{user.user["id"]}'
    check_equal(root.patch(f'{path}/role', {'role': 'admin'}).status, 200)
    check_equal(user.get('/?limit=1').status, 200)
    check_equal(root.post(f'{path}/require-password-change').status, 200)
    user.token = server.login(user.email).data['token']
    for method, where in (('GET', '/profile'), ('GET', '/'), ('POST', '/'),
                          ('PUT', f'/{customer.account}'), ('DELETE', f'/{customer.account}')):
        check_message(user.request(method, where, {'age': 20} if method in ('POST', 'PUT')
                                   else None), 403,
                      'Change the password first, at /api/v1/users/me/password.')


def test_tokens_outlive_a_restart():
    server = Server(SETTINGS).start()
    customer = Customer(server)
    server.restart()
    check_equal(server.client(token=customer.token).get('/profile').status, 200)
    check_equal(server.stop(), [])


# ---- locks (5.2) ----

def test_five_failures_lock_for_a_minute(server):
    customer = Customer(server)
    for _ in range(5):
        check_message(customer.login('wrong'), 401, 'Invalid credentials')
    check_message(customer.login('wrong'), 403, LOCKED)
    check_message(customer.login(), 403, LOCKED)
    # A token that was given out before stays good.
    check_equal(customer.client.get('/profile').status, 200)


def test_a_success_forgets_the_failures(server):
    customer = Customer(server)
    for _ in range(2):
        for _ in range(4):
            check_message(customer.login('wrong'), 401, 'Invalid credentials')
        check_equal(customer.login().status, 200)


def test_a_customer_keeps_a_session_of_logins_apart(server):
    """Locks are of one account: another one at the same address logs in."""
    locked, free = Customer(server), Customer(server)
    for _ in range(6):
        last = locked.login('wrong')
    check_message(last, 403, LOCKED)
    check_equal(free.login().status, 200)


# ---- limits (5.3) ----

def test_ten_per_minute_each():
    with Server() as server:
        client = server.client()
        account = new_account()
        for path, sent in (('/register', {'x': 1}), ('/login', {'x': 1})):
            for number in range(10):
                check_equal((path, number, client.post(path, sent).status), (path, number, 400))
            reply = client.post(path, sent)
            check_equal(reply.json, {'error': 'Rate limit exceeded. Please try again later.',
                                     'message': 'Too many requests', 'success': False})
            check_equal(reply.status, 429)
            check(int(reply.headers['retry-after']) <= 60, reply.headers['retry-after'])
        # The login of the rest of the server counts for itself.
        check_equal(server.login('nobody@example.com').status, 401)
        check_equal(server.client().get(f'/profile?{account}').status, 401)


# ---- switches ----

def test_switched_off():
    with Server({**SETTINGS, 'gatekeeper.enabled': 'false'}) as server:
        client = server.client()
        for method, path in (('POST', '/register'), ('POST', '/login'), ('GET', '/profile'),
                             ('POST', '/'), ('PUT', '/123456789012'), ('DELETE', '/123456789012'),
                             ('GET', '/123456789012'), ('GET', '/test'), ('GET', '/db_check')):
            reply = client.request(method, path)
            check_equal((method, path, reply.status, reply.error_type),
                        (method, path, 404, 'NOT_FOUND'))
        for accept in ('text/html', '*/*'):
            page = client.get('/', headers={'Accept': accept})
            check_equal((page.status, page.headers['content-type'].split(';')[0]),
                        (200, 'text/html'))


def test_promotion(server):
    customer, other = Customer(server), Customer(server)
    account = customer.account
    admin = server.admin()
    check_message(customer.client.get('/'), 403, FORBIDDEN)
    # Nobody promotes herself.
    check_equal(customer.client.request('PUT', f'/{account}', {'role': 'admin'}).status, 200)
    check_message(customer.client.get('/'), 403, FORBIDDEN)
    check_equal(admin.request('PUT', f'/{account}', {'role': 'admin'}).status, 200)
    check_equal(customer.client.get('/?limit=1').status, 200)
    check_equal(customer.client.post('/', body()).status, 201)
    check_equal(customer.client.request('PUT', f'/{other.account}', {'age': 50}).status, 200)
    # Nor does a customer promote others, being an administrator among them.
    check_equal(customer.client.request('PUT', f'/{other.account}', {'role': 'admin'}).status, 200)
    check_message(other.client.get('/'), 403, FORBIDDEN)
    check_equal(customer.client.delete(f'/{other.account}').status, 200)
    check_equal(admin.request('PUT', f'/{account}', {'role': 'customer'}).status, 200)
    check_message(customer.client.get('/'), 403, FORBIDDEN)


def test_a_retried_registration_is_carried_out_once(server):
    wanted = body()
    headers = {'Idempotency-Key': 'one-' + wanted['account_number']}
    first = server.client().post('/register', wanted, headers=headers)
    again = server.client().post('/register', wanted, headers=headers)
    check_equal((again.status, again.text), (first.status, first.text))
    reply = server.client().post('/register', body(), headers=headers)
    check_message(reply, 422, 'This Idempotency-Key belongs to another request; use a new one.')


def test_what_happened_is_in_the_audit_trail(server):
    customer = Customer(server)
    customer.login('wrong')
    customer.client.request('PUT', f'/{customer.account}', {'age': 44})
    customer.client.get('/')
    customer.client.delete(f'/{customer.account}')
    events = server.admin().get('/api/v1/audit/events?limit=20').data['events']
    seen = [(event['action'], event['outcome']) for event in events]
    for wanted in (('customer.register', 'success'), ('customer.login', 'success'),
                   ('customer.login', 'failed'), ('customer.update', 'success'),
                   ('access.refused', 'refused'), ('customer.delete', 'success')):
        check_in(wanted, seen)
    check_not_in(customer.account, json.dumps(events))


# ---- the game client (8) ----

class Unity:
    """UnityWebRequest as RequestHelper uses it: the text of the reply whatever the status, its
    headers, no redirects on POST."""

    def __init__(self, server):
        self.port = server.http_port
        self.token = ''

    def send(self, method, path, text=None, token=None):
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=30)
        headers = {'Accept': '*/*', 'Accept-Encoding': 'deflate, gzip',
                   'User-Agent': 'UnityPlayer/2022.3.10f1 (UnityWebRequest/1.0, libcurl/8.1.1-DEV)',
                   'X-Unity-Version': '2022.3.10f1'}
        if text is not None:
            headers['Content-Type'] = 'application/json'
        if token:
            headers['Authorization'] = f'Bearer {token}'
        connection.request(method, path, text, headers)
        reply = connection.getresponse()
        content = reply.read()
        connection.close()
        check_in(reply.status // 100, (2, 4), f'{method} {path}')
        check_equal(len(content), int(reply.headers['Content-Length']), 'Content-Length')
        check(reply.headers['Content-Type'].startswith('application/json'), f'{method} {path}')
        if reply.headers['Content-Encoding'] == 'gzip':
            import gzip
            content = gzip.decompress(content)
        return content.decode('utf-8')

    def login(self, account, password):
        text = self.send('POST', '/login', '{"account_number":"%s","password":"%s"}' %
                         (account, password))
        reply = LoginResponse(text)
        if reply.is_logged_in:
            self.token = reply.token
        return reply


def test_the_game_client(server):
    unity = Unity(server)
    account = new_account()
    check_equal(unity.login(account, 'Password1').message, 'Invalid credentials')
    # Register: the members in the order of its class, age last and a number.
    text = ('{"account_number":"%s","first_name":"Ann","last_name":"Lee","gender":"Female",'
            '"phone_number":"(626) 555-0123","address":"753 Fir St","bank_account_type":"Checking",'
            '"date_of_account_opening":"2021-08-23","branch_code":"PAS012","password":"Password9",'
            '"age":31}' % account)
    check_equal(json.loads(unity.send('POST', '/register', text))['message'],
                'User registered successfully')
    wrong = unity.login(account, 'nonsense')
    check_equal((wrong.is_logged_in, wrong.message, wrong.token),
                (False, 'Invalid credentials', ''))
    right = unity.login(account, 'Password9')
    check_equal((right.is_logged_in, right.message), (True, ''))
    check_equal(json.loads(unity.send('GET', '/profile', token=unity.token))['profile']['age'], 31)
    # UpdateUser always sends these five.
    text = ('{"first_name":"","last_name":"Lee","phone_number":"(626) 555-0123","address":"",'
            '"age":32}')
    check_equal(json.loads(unity.send('PUT', f'/{account}', text, unity.token)),
                {'message': 'Details updated successfully', 'success': True})
    check_equal(json.loads(unity.send('GET', '/', token=unity.token))['success'], False)
    check_equal(json.loads(unity.send('DELETE', f'/{account}', token=unity.token))['success'], True)
    again = json.loads(unity.send('DELETE', f'/{account}', token=unity.token))
    check_equal(again, {'message': 'User not found', 'success': False})


def test_every_login_failure_can_be_shown(server):
    """JSON with a message, whatever the status: 400, 401, 403, 404, 405, 413, 415, 429 (8.2)."""
    def shown(method, path, content, kind='application/json', port=server.http_port):
        connection = http.client.HTTPConnection('127.0.0.1', port, timeout=30)
        connection.request(method, path, content, {'Content-Type': kind})
        reply = connection.getresponse()
        parsed = LoginResponse(reply.read().decode())
        connection.close()
        check(not parsed.success and parsed.message, f'{reply.status}')
        return reply.status

    check_equal(shown('POST', '/login', b'{'), 400)
    check_equal(shown('POST', '/login', b'x', 'text/plain'), 415)
    check_equal(shown('POST', '/login', b' ' * 70000), 413)
    check_equal(shown('PUT', '/login', b'{}'), 405)
    check_equal(shown('POST', '/login/', b'{}'), 404)
    with socket.create_connection(('127.0.0.1', server.http_port), timeout=30) as connection:
        connection.sendall(b'POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n')
        text = connection.recv(65536).decode().partition('\r\n\r\n')[2]
        check(not text or LoginResponse(text).message, text)
    with Server({'gatekeeper.rate': '1'}) as slow:
        shown('POST', '/login', b'{}', port=slow.http_port)
        check_equal(shown('POST', '/login', b'{}', port=slow.http_port), 429)


harness.main(globals())
