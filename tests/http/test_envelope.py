"""What every reply carries: envelope or problem details, request id, security headers. The client
(client.py) checks the common parts of each reply of each test; here are the details."""

import re

import harness
from harness import check, check_equal, check_in, check_not_in, check_status

SETTINGS = {'rate.enabled': 'false'}

UUID = re.compile(r'[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}')

PATHS = ['/health', '/api/health', '/api/v1/health', '/api/v1/info', '/health/detailed', '/metrics',
         '/docs', '/openapi.json', '/.well-known/jwks.json', '/api/v1/auth/me', '/nothing',
         '/api/v1/auth/login']


def test_security_headers_on_every_kind_of_reply(server):
    client = server.client()
    for path in PATHS:
        headers = client.get(path).headers
        policy = headers['content-security-policy']
        check_in("default-src 'self'", policy, path)
        check_in("object-src 'none'", policy, path)
        check(not re.search(r"script-src[^;]*'unsafe-", policy), f'{path}: {policy}')
        check_equal(headers['x-xss-protection'], '1; mode=block', path)
        check_in('max-age=31536000; includeSubDomains', headers['strict-transport-security'])
        for feature in ('geolocation=()', 'microphone=()', 'camera=()', 'payment=()', 'usb=()'):
            check_in(feature, headers['permissions-policy'], path)
        check_not_in('x-powered-by', headers)
        check_in('date', headers, path)
    plain = server.client(is_plain=True)
    for path in PATHS:
        check_not_in('strict-transport-security', plain.get(path).headers, path)


def test_caching(server):
    user = server.user()
    for path in ('/api/v1/auth/me', '/api/v1/auth/sessions', '/api/v1/users/me'):
        check_in('no-store', user.get(path).headers['cache-control'], path)
    check_in('no-store', server.login(user.email).headers['cache-control'])
    check_in('max-age=3600', user.get('/.well-known/jwks.json').headers['cache-control'])


def test_request_ids_are_new_or_echoed(server):
    client = server.client()
    seen = {client.get('/api/v1/auth/me').headers['x-request-id'] for _ in range(20)}
    check_equal(len(seen), 20)
    check(all(UUID.fullmatch(value) for value in seen), str(seen))
    reply = client.get('/api/v1/auth/me', headers={'X-Request-ID': 'mine-1'})
    check_equal(reply.json['request_id'], 'mine-1')


def test_keys_are_sorted_and_ascii(server):
    user = server.user(full_name='J\u00f6rg \u2603')
    reply = user.get('/api/v1/users/me')
    check_equal(list(reply.json), sorted(reply.json))
    check_equal(reply.data['user']['full_name'], 'J\u00f6rg \u2603')
    check_in(reply.headers['content-type'].split(';')[0], ('application/json',))


def test_problem_details_for_those_who_ask(server):
    client = server.client(headers={'Accept': 'application/problem+json'})
    table = [('GET', '/api/v1/auth/me', None, 401, 'AUTH_REQUIRED'),
             ('GET', '/nothing', None, 404, 'NOT_FOUND'),
             ('PUT', '/api/v1/users/me', {}, 405, 'METHOD_NOT_ALLOWED'),
             ('POST', '/api/v1/auth/login', {}, 400, 'VALIDATION_ERROR')]
    for method, path, body, status, code in table:
        reply = client.request(method, path, body)
        check_equal(reply.headers['content-type'], 'application/problem+json')
        problem = reply.json
        check_equal(problem['status'], status)
        check_equal(problem['code'], code)
        check_equal(problem['request_id'], reply.headers['x-request-id'])
        check(problem['title'] and problem['detail'] and problem['type'], str(problem))
        check_not_in('success', problem)
    check_equal(client.get('/health').headers['content-type'], 'application/json')
    reply = server.client(headers={'Accept': '*/*'}).get('/api/v1/auth/me')
    check_equal(reply.headers['content-type'], 'application/json')


def test_validation_texts(server):
    user = server.user()
    table = [
        ('POST', '/api/v1/auth/login', {}, {'email': ['Missing data for required field.'],
                                            'password': ['Missing data for required field.']}),
        ('POST', '/api/v1/auth/login', {'email': 'x@example.com', 'password': 'x',
                                        'remember_me': 'maybe'},
         {'remember_me': ['Not a valid boolean.']}),
        ('POST', '/api/v1/auth/login', {'email': 'x@example.com', 'password': None},
         {'password': ['Field may not be null.']}),
        ('POST', '/api/v1/auth/login', {'email': [], 'password': {}},
         {'email': ['Not a valid string.'], 'password': ['Not a valid string.']}),
        ('POST', '/api/v1/auth/login', {'email': 'x@example.com', 'password': ''},
         {'password': ['Length must be between 1 and 1024.']}),
        ('PATCH', '/api/v1/users/me', {'full_name': '\u2603' * 256},
         {'full_name': ['Longer than maximum length 255.']}),
        ('PATCH', '/api/v1/users/me', {'x': 1, 'y': None},
         {'x': ['Unknown field.'], 'y': ['Unknown field.']}),
    ]
    for method, path, body, details in table:
        reply = user.request(method, path, body)
        check_status(reply, 400, 'VALIDATION_ERROR')
        check_equal(reply.details, details, str(body))
    check_status(user.patch('/api/v1/users/me', {'full_name': '\u2603' * 255}), 200)


def test_booleans_in_all_their_spellings(server):
    user = server.user()
    for word in (True, 1, 't', 'true', 'on', 'y', 'yes', '1', 'True', 'TRUE', 'Yes', 'ON',
                 False, 0, 'f', 'false', 'off', 'n', 'no', '0', 'False', 'FALSE', 'No', 'OFF'):
        check_status(server.login(user.email, remember_me=word), 200)
    for word in ('tRUE', 'maybe', 2, -1, 0.5, [], {}, ''):
        check_status(server.login(user.email, remember_me=word), 400, 'VALIDATION_ERROR')


def test_errors_never_quote_secrets(server):
    secret = 'Zx9-Secret-Value-77'
    client = server.client()
    for body in ({'email': 'nobody', 'password': secret}, {'password': secret, 'token': secret},
                 {'email': 'a@example.com', 'password': secret}):
        check_not_in(secret, client.post('/api/v1/auth/login', body).text)
        check_not_in(secret, client.post('/api/v1/auth/register', body).text)
    client.get('/api/v1/auth/me', token=secret)
    user = server.user(password=secret)
    check_not_in(secret, server.log())
    check_not_in(user.token, server.log())
    check_not_in(user.reply.data['access_token'], server.log())
    check_not_in(user.reply.data['refresh_token'], server.log())


def test_health_words(server):
    client = server.client()
    health = client.get('/health')
    check_status(health, 200)
    data = health.json.get('data', health.json)
    check_equal(data['status'], 'healthy')
    for key in ('timestamp', 'version', 'environment', 'services', 'uptime'):
        check_in(key, data)
    reply = client.get('/api/health')
    check_equal(reply.data['status'], 'healthy')
    detailed = client.get('/health/detailed').json
    detailed = detailed.get('data', detailed)
    for key in ('checks', 'process', 'requests'):
        check_in(key, detailed)
    check(detailed['process']['rss_bytes'] > 1000000)


def test_info_is_deterministic(server):
    client = server.client()
    first, second = client.get('/api/v1/info'), client.get('/api/v1/info')
    check_equal(first.data, second.data)
    check_in('api_name', first.data)
    docs = client.get('/api/v1/docs')
    for key in ('api_version', 'endpoints', 'security_features', 'supported_currencies'):
        check_in(key, docs.data)


harness.main(globals())
