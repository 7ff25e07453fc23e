"""Rate limits: by class, per subject and per address; their headers; memory that a flood cannot
take."""

import time

import harness
from harness import check, check_equal, check_in, check_not_in, check_status, wait_until
from server import PASSWORD, Server

LOGIN = '/api/v1/auth/login'
SETTINGS = {'http.trusted-proxies': '127.0.0.1'}


def test_logins_are_limited_per_address(server):
    client = server.client(address='203.0.113.1', is_plain=True)
    statuses = []
    for number in range(12):
        reply = client.post(LOGIN, {'email': f'n{number}@example.com', 'password': 'x'})
        statuses.append(reply.status)
        if reply.status == 401:
            check_equal(int(reply.headers['ratelimit-limit']), 10)
            check_equal(int(reply.headers['ratelimit-remaining']), 9 - number)
            check(1 <= int(reply.headers['ratelimit-reset']) <= 60)
    check_equal(statuses, [401] * 10 + [429] * 2)
    check_status(reply, 429, 'RATE_LIMIT_EXCEEDED', 'RATE_LIMIT_EXCEEDED')
    wait = int(reply.headers['retry-after'])
    check(1 <= wait <= 60, str(wait))
    check_equal(reply.details['retry_after'], wait)
    check_equal(reply.headers['ratelimit-remaining'], '0')
    check_equal(reply.headers['x-ratelimit-limit'], '10')
    other = server.client(address='203.0.113.2', is_plain=True)
    check_status(other.post(LOGIN, {'email': 'n@example.com', 'password': 'x'}), 401)


def test_retry_after_tells_the_truth():
    with Server({'rate.login': '60'}) as server:
        client = server.client()
        for _ in range(200):
            reply = client.post(LOGIN, {'email': 'nobody', 'password': 'x'})
            if reply.status == 429:
                break
        check_status(reply, 429)
        began = time.monotonic()
        wait = int(reply.headers['retry-after'])
        check(wait <= 2, f'one per second, but Retry-After: {wait}')
        wait_until(lambda: time.monotonic() - began >= wait, 'time passes', 5)
        check_status(client.post(LOGIN, {'email': 'nobody', 'password': 'x'}), 400)


def test_registrations_are_limited(server):
    client = server.client(address='203.0.113.3', is_plain=True)
    statuses = []
    for number in range(6):
        statuses.append(client.post('/api/v1/auth/register', {
            'email': f'r{number}@example.com', 'password': PASSWORD, 'full_name': 'R'}).status)
    check_equal(statuses, [201] * 5 + [429])


def test_classes_and_subjects_are_separate():
    settings = {'rate.read': '5', 'rate.write': '3', 'http.trusted-proxies': '127.0.0.1'}
    with Server(settings) as server:
        one = server.user()
        other = server.user()
        check_equal([one.get('/api/v1/auth/me').status for _ in range(6)], [200] * 5 + [429])
        check_status(other.get('/api/v1/auth/me'), 200)
        statuses = [one.patch('/api/v1/users/me', {}).status for _ in range(4)]
        check_equal(statuses, [200] * 3 + [429])
        one.headers['X-Forwarded-For'] = '203.0.113.200'  # a new address is not a new person
        check_status(one.get('/api/v1/auth/me'), 429)
        check_status(server.client().get('/health'), 200)


def test_guessed_tokens_are_limited():
    with Server({'rate.read': '5'}) as server:
        client = server.client()
        statuses = [client.get('/api/v1/auth/me', token=f'guess{n}').status for n in range(7)]
        check_equal(statuses, [401] * 5 + [429] * 2)


def test_an_ipv6_network_is_one_subject(server):
    statuses = []
    for number in range(11):
        client = server.client(address=f'2001:db8:0:1::{number + 1:x}', is_plain=True)
        statuses.append(client.post(LOGIN, {'email': 'nobody', 'password': 'x'}).status)
    check_equal(statuses[-1], 429)
    client = server.client(address='2001:db8:0:2::1', is_plain=True)
    check_status(client.post(LOGIN, {'email': 'nobody', 'password': 'x'}), 400)


def test_limits_can_be_switched_off():
    with Server({'rate.enabled': 'false'}) as server:
        client = server.client()
        for _ in range(30):
            reply = client.post(LOGIN, {'email': 'nobody', 'password': 'x'})
            check_status(reply, 400)
        check_not_in('ratelimit-limit', reply.headers)


def rss_bytes(server):
    with open(f'/proc/{server.process.pid}/status', encoding='ascii') as status:
        for line in status:
            if line.startswith('VmRSS:'):
                return int(line.split()[1]) * 1024
    raise AssertionError('no VmRSS')


def flood(server, client, first, count):
    for number in range(first, first + count):
        address = f'10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}'
        client.headers['X-Forwarded-For'] = address
        check_in(client.post(LOGIN, {'email': 'nobody', 'password': 'x'}).status, (400, 429))


def test_a_flood_of_addresses_takes_no_memory(server):
    client = server.client(is_plain=True)
    flood(server, client, 0, 3000)  # all pools warm
    before = rss_bytes(server)
    flood(server, client, 3000, 12000)
    grown = rss_bytes(server) - before
    check(grown < 4 << 20, f'grew by {grown} bytes')
    limited = server.client(address='192.0.2.77', is_plain=True)
    statuses = [limited.post(LOGIN, {'email': 'nobody', 'password': 'x'}).status for _ in range(12)]
    check_equal(statuses[-1], 429, 'still limits')


harness.main(globals())
