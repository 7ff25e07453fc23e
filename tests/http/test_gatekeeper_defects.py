"""One test per defect of the original Gatekeeper (contract, 7) that shows it is not here."""

import base64
import hashlib
import hmac
import json
import re
import statistics
import threading
import time

import harness
from gatekeeper import (ACCOUNT_FORM, FORBIDDEN, LOCKED, PASSWORD, Customer, body, login,
                        new_account)
from harness import check, check_equal, check_in, check_not_in
from server import Server
from test_import import stored_bytes

SETTINGS = {'rate.enabled': 'false', 'http.trusted-proxies': '127.0.0.1'}


def at_address(server, address):
    return server.client(address=address, is_plain=True)


def test_defect_1_customers_are_their_own_business_only(server):
    mine, other = Customer(server), Customer(server)
    for method, path, sent in (('GET', '/', None), ('POST', '/', body()),
                               ('PUT', f'/{other.account}', {'password': 'Taken-over-1'}),
                               ('PUT', f'/{new_account()}', {'age': 20}),
                               ('DELETE', f'/{other.account}', None),
                               ('DELETE', f'/{new_account()}', None)):
        reply = mine.client.request(method, path, sent)
        check_equal((method, reply.status, reply.json),
                    (method, 403, {'message': FORBIDDEN, 'success': False}))
    check_equal(other.login().status, 200)
    check_equal(mine.client.request('PUT', f'/{mine.account}', {'age': 20}).status, 200)
    check_equal(mine.client.delete(f'/{mine.account}').status, 200)


def test_defect_2_registration_can_be_closed():
    with Server({**SETTINGS, 'gatekeeper.registration': 'false'}) as server:
        for sent in (body(), {'x': 1}):
            reply = server.client().post('/register', sent)
            check_equal((reply.status, reply.json['success']), (403, False))
            check_in('Registration is closed', reply.json['message'])
        wanted = body()
        check_equal(server.admin().post('/', wanted).status, 201)
        check_equal(login(server.client(), wanted['account_number'], PASSWORD).status, 200)


def test_defect_3_a_hash_sent_as_password_is_hashed(server):
    planted = '$2b$04$tqHcKmxkFXOmvCJAPdLGY.jb8AELPM.4BS4cBS22Crzyk4Csrua9S'
    customer = Customer(server, password=planted)
    check_equal(customer.login(planted).status, 200)
    check_not_in(planted.encode(), stored_bytes(server))
    other = '$2b$04$aaaaaaaaaaaaaaaaaaaaaO'
    change = customer.client.request('PUT', f'/{customer.account}', {'password': other})
    check_equal(change.status, 200)
    check_equal((customer.login(planted).status, customer.login(other).status), (401, 200))


def test_defect_4_no_password_is_cut_at_72_bytes(server):
    longest = 'Aa1' + 'x' * 69
    customer = Customer(server, password=longest)
    check_equal(customer.login(longest + 'y').status, 401)
    check_equal(customer.login(longest[:-1]).status, 401)
    for password in (longest + 'y', '\u00e4' * 37, 'password\0x'):
        for reply in (server.client().post('/register', body(password=password)),
                      customer.client.request('PUT', f'/{customer.account}',
                                              {'password': password})):
            check_equal(reply.status, 400, reply.text)
    check_equal(customer.login(longest).status, 200)


def test_defect_5_unknown_accounts_fail_and_lock_alike(server):
    known, unknown = Customer(server).account, new_account()
    seen = {}
    for account in (known, unknown):
        client = at_address(server, '203.0.113.7')
        seen[account] = [(reply.status, reply.text) for reply in
                         (login(client, account, 'wrong-password') for _ in range(8))]
    check_equal(seen[known], seen[unknown])
    check_equal([status for status, _text in seen[known]], [401] * 5 + [403] * 3)


def test_defect_5_nobody_locks_somebody_else_out(server):
    customer = Customer(server)
    stranger = at_address(server, '203.0.113.8')
    for _ in range(7):
        last = login(stranger, customer.account, 'wrong-password')
    check_equal((last.status, last.json['message']), (403, LOCKED))
    check_equal(customer.login(client=at_address(server, '203.0.113.9')).status, 200)


def test_defect_5_guessing_from_many_addresses_ends():
    with Server({**SETTINGS, 'lockout.account-failures': '8'}) as server:
        customer = Customer(server)
        statuses = [login(at_address(server, f'203.0.113.{number}'), customer.account,
                          'wrong-password').status for number in range(10, 20)]
        check_equal(statuses, [401] * 8 + [403] * 2)


def test_defect_5_unknown_accounts_take_as_long():
    with Server({**SETTINGS, 'password.cost': '9', 'lockout.account-failures': '1000'}) as server:
        known = Customer(server).account
        times = {known: [], None: []}
        for number in range(16):
            for account in times:
                client = at_address(server, f'203.0.113.{number + 30}')
                began = time.perf_counter()
                check_equal(login(client, account or new_account(), 'wrong-password').status, 401)
                times[account].append(time.perf_counter() - began)
        there, gone = statistics.median(times[known]), statistics.median(times[None])
        check(0.5 < gone / there < 2, f'known {there:.4f} s, unknown {gone:.4f} s')


def test_defect_6_tokens_die_with_the_password_and_the_customer(server):
    customer = Customer(server)
    old = customer.token
    check_equal(customer.client.request('PUT', f'/{customer.account}',
                                        {'password': 'Password-2'}).status, 200)
    for method, path in (('GET', '/profile'), ('GET', '/'), ('POST', '/'),
                         ('PUT', f'/{customer.account}'), ('DELETE', f'/{customer.account}')):
        reply = server.client(token=old).request(method, path)
        check_equal((reply.status, reply.json['msg']), (401, 'Token has been revoked'))
    customer.client.token = customer.login('Password-2').json['token']
    check_equal(customer.client.delete(f'/{customer.account}').status, 200)
    for method, path in (('GET', '/profile'), ('GET', '/'), ('POST', '/'),
                         ('PUT', f'/{customer.account}'), ('DELETE', f'/{customer.account}')):
        reply = customer.client.request(method, path)
        check_equal((reply.status, reply.json), (404, {'message': 'User not found',
                                                       'success': False}))
    # Nor does it belong to who registers that number next.
    check_equal(server.client().post('/register', customer.body).status, 201)
    check_equal(customer.client.get('/profile').status, 401)


def test_defect_7_bad_values_are_400(server):
    customer = Customer(server)
    own = f'/{customer.account}'
    for name in ('first_name', 'last_name', 'gender', 'phone_number', 'address',
                 'bank_account_type', 'date_of_account_opening', 'branch_code', 'password'):
        for value in (None, 5, True, [], {}, 'x' * 500 if name != 'password' else 'short'):
            for reply in (customer.client.request('PUT', own, {name: value}),
                          server.client().post('/register', body(**{name: value}))):
                check_equal((name, value, reply.status), (name, value, 400), reply.text)
                check(reply.json['message'], name)
    for account in (5, None, [], {}, True):
        check_equal(login(server.client(), account, PASSWORD).status, 400)
    check_equal(login(server.client(), customer.account, 5).status, 400)
    # A failed login of somebody who never failed: the null counter of the original.
    check_equal(customer.login('wrong-password').status, 401)


def test_defect_8_status_replies_tell_nothing_about_the_inside(server):
    check_equal(server.client().get('/db_check').json, {'database': 'connected'})
    check_equal(server.client().get('/test').json, {'status': 'Backend is running!'})
    health = server.client().get('/health').json
    check_equal(health['services']['database'], 'healthy')  # it was asked


def test_defect_9_the_list_has_pages():
    with Server(SETTINGS) as server:
        admin = server.admin()
        client = server.client()
        accounts = [f'{100000000000 + number}' for number in range(1001)]
        for account in accounts[:5]:
            check_equal(client.post('/register', body(account_number=account)).status, 201)
        seen, after = [], ''
        while True:
            page = admin.get(f'/?limit=2{after}').json['users']
            if not page:
                break
            seen += [user['account_number'] for user in page]
            after = f'&after={seen[-1]}'
        check_equal(seen, accounts[:5])
        check_equal(len(admin.get('/?offset=3').json['users']), 2)
        for account in accounts[5:]:
            check_equal(client.post('/register', body(account_number=account)).status, 201)
        reply = admin.get('/')
        check_equal(reply.status, 400)
        check_in('use limit and after', reply.json['message'])
        check_equal(len(admin.get('/?limit=1000').json['users']), 1000)
        check_equal(len(admin.get('/?offset=1').json['users']), 1000)


def test_defect_10_only_ascii_digits_and_only_twelve(server):
    for account in ('\u0661' * 12, '\uff11' * 12, '123456789012\n', ' 123456789012',
                    '\u00b2' * 12):
        reply = server.client().post('/register', body(account_number=account))
        check_equal((account, reply.status, reply.json['message']), (account, 400, ACCOUNT_FORM))
        reply = login(server.client(), account, PASSWORD)
        check_equal((reply.status, reply.json['message']), (400, 'Invalid account number format'))
    admin = server.admin()
    for path in ('/123456789012%0A', '/' + '%D9%A1' * 12, '/%201234567890'):
        reply = admin.delete(path)
        check_equal((path, reply.status, reply.json['message']), (path, 400, ACCOUNT_FORM))


def test_defect_10_a_token_does_not_choose_its_algorithm(server):
    customer = Customer(server)
    _header, claims, _signature = customer.token.split('.')
    keys = server.client().get('/.well-known/jwks.json').body

    def part(value):
        return base64.urlsafe_b64encode(value).decode().rstrip('=')

    for header in ({'alg': 'none', 'typ': 'JWT'}, {'alg': 'HS512', 'typ': 'JWT'},
                   {'alg': 'RS256', 'typ': 'JWT'}, {'alg': 'HS256', 'typ': 'JWT', 'kid': 'x'}):
        first = part(json.dumps(header, separators=(',', ':')).encode())
        for key in (b'', b'secret', b'your_jwt_secret_key', keys):
            for hashed in (hashlib.sha256, hashlib.sha512):
                made = part(hmac.new(key, f'{first}.{claims}'.encode(), hashed).digest())
                reply = server.client(token=f'{first}.{claims}.{made}').get('/profile')
                check_equal(reply.status, 422, str(header))
    first = part(b'{"alg":"HS256","typ":"JWT"}')
    for key in (b'', b'secret', b'your_jwt_secret_key', keys, b'\0' * 32):
        made = part(hmac.new(key, f'{first}.{claims}'.encode(), hashlib.sha256).digest())
        check_equal(server.client(token=f'{first}.{claims}.{made}').get('/profile').status, 422)


def test_defect_11_no_names_in_the_log_and_no_origin_by_default(server):
    customer = Customer(server, first_name='Rumpelstilz', password='Strohzugold-1')
    customer.login('wrong-password')
    customer.client.get('/')
    log = server.log()
    for secret in (customer.account, 'Rumpelstilz', 'Strohzugold-1', customer.token):
        check_not_in(secret, log)
    check_not_in(b'Strohzugold-1', stored_bytes(server))
    check_not_in(b'456 Oak St', stored_bytes(server), 'the address is sealed')
    origin = {'Origin': 'https://evil.example'}
    for method in ('GET', 'OPTIONS'):
        reply = server.client().request(method, '/login', headers=origin)
        check_not_in('access-control-allow-origin', reply.headers)
        check_in('Origin', reply.headers['vary'])
    listed = server.client().request('OPTIONS', '/login',
                                     headers={'Origin': 'http://localhost:3000'})
    check_equal((listed.status, listed.headers['access-control-allow-origin']),
                (204, 'http://localhost:3000'))
    check(re.search(r'\bPOST\b', listed.headers['access-control-allow-methods']), 'no POST')


def test_defect_12_failures_at_once_all_count(server):
    customer = Customer(server)
    statuses = []

    def fail():
        statuses.append(login(server.client(), customer.account, 'wrong-password').status)

    threads = [threading.Thread(target=fail) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check_equal(sorted(statuses), [401] * 5 + [403] * 15)
    check_equal(customer.login().status, 403)


if __name__ == '__main__':
    harness.main(globals())
