"""API keys: of organizations, and of the platform at the financial contract's paths (S4-S8, S14):
form, scopes, addresses, paths, limits, rotation, revocation, and that the store knows no key."""

import base64
import binascii
import datetime
import hashlib
import os
import re
import uuid

import harness
from harness import check, check_equal, check_in, check_not_in, check_status, wait_until
from server import Server

SETTINGS = {'rate.enabled': 'false', 'http.trusted-proxies': '127.0.0.1'}

ORGS = '/api/v1/organizations'
PLATFORM = '/api/v1/security/api-keys'
TEST = '/api/v1/security/protected/test'
EVENTS = '/api/v1/audit/events'
ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
SCOPES = ['read', 'write', 'admin', 'wallet', 'payment', 'card', 'kyc', 'ledger']
KEY_KEYS = {'id', 'organization_id', 'name', 'hint', 'scopes', 'addresses', 'allowed_endpoints',
            'rate_limit', 'is_active', 'expires_at', 'previous_until', 'last_used_at',
            'last_used_ip', 'created_by_id', 'created_at', 'updated_at', 'revoked_at'}


def org_new(client):
    reply = client.post(ORGS, {'name': 'Acme', 'slug': uuid.uuid4().hex})
    check_status(reply, 201)
    return reply.data['organization']


def keys_path(org, key=None, tail=''):
    return f'{ORGS}/{org["id"]}/api-keys' + (f'/{key["id"]}{tail}' if key else '')


def key_new(client, org, scopes=('read',), **fields):
    reply = client.post(keys_path(org), {'name': 'Robot', 'scopes': list(scopes), **fields})
    check_status(reply, 201)
    return reply.data['key'], reply.data['api_key']


def by_key(server, text, **options):
    return server.client(headers={'X-API-Key': text}, **options)


def add(client, org, user, role):
    return client.post(f'{ORGS}/{org["id"]}/members', {'email': user.email, 'role': role})


def checksum(text):
    """The last six characters of a key, as a scanner computes them."""
    crc, out = binascii.crc32(text[:-6].encode()), ''
    for _ in range(6):
        crc, digit = divmod(crc, 62)
        out = ALPHABET[digit] + out
    return out


# ---- the key itself ----

def test_a_key_can_be_told_from_noise(server):
    owner = server.user()
    org = org_new(owner)
    texts = {key_new(owner, org)[0] for _ in range(20)}
    check_equal(len(texts), 20)
    for text in texts:
        check(re.fullmatch(r'cfk_[0-9A-Za-z]{32}', text), text)
        check_equal(text[-6:], checksum(text))


def test_what_is_shown_of_it(server):
    owner = server.user()
    org = org_new(owner)
    text, key = key_new(owner, org, ['read', 'ledger'], addresses=['10.0.0.0/8', '2001:db8::1'],
                        allowed_endpoints=['/api/v1/organizations'], rate_limit=7,
                        expires_in_days=3)
    check_equal(set(key), KEY_KEYS)
    check_equal((key['name'], key['scopes'], key['addresses'], key['allowed_endpoints']),
                ('Robot', ['read', 'ledger'], ['10.0.0.0/8', '2001:db8::1'],
                 ['/api/v1/organizations']))
    check_equal((key['rate_limit'], key['is_active'], key['last_used_at']), (7, True, None))
    check_equal((key['hint'], key['created_by_id']), (text[:10], owner.user['id']))
    listed = owner.get(keys_path(org))
    check_equal(listed.data, {'api_keys': [key], 'count': 1})
    check_not_in(text, listed.text)


def test_what_cannot_be_a_key(server):
    owner = server.user()
    path = keys_path(org_new(owner))
    for fields in ({'scopes': ['fly']}, {'scopes': 'read'}, {'name': ''}, {'name': 'x' * 101},
                   {'addresses': ['nowhere']}, {'addresses': ['10.0.0.0/33']},
                   {'addresses': ['10.0.0.1,10.0.0.2']}, {'addresses': ['']},
                   {'addresses': ['10.0.0.1'] * 33}, {'allowed_endpoints': ['api']},
                   {'allowed_endpoints': ['/a\n/b']}, {'allowed_endpoints': ['/' + 'a' * 3000]},
                   {'rate_limit': 0}, {'rate_limit': 1000001}, {'expires_in_days': 0},
                   {'expires_in_days': 3651}):
        reply = owner.post(path, {'name': 'Robot', 'scopes': ['read'], **fields})
        check_status(reply, 400, 'VALIDATION_ERROR')
        check_in(next(iter(fields)), {name.split('.')[0] for name in reply.details}, str(fields))


# ---- using it ----

def test_both_ways_to_show_it(server):
    owner = server.user()
    org = org_new(owner)
    text, _key = key_new(owner, org)
    for client in (by_key(server, text), server.client(token=text)):
        check_status(client.get(f'{ORGS}/{org["id"]}'), 200)
        reply = client.get(TEST)
        check_status(reply, 200)
        check_equal(reply.data['api_key_info'],
                    {'key_name': 'Robot', 'permissions': ['read'], 'rate_limit': 1000})


def test_what_is_no_key(server):
    owner = server.user()
    org = org_new(owner)
    text, _key = key_new(owner, org)
    path = f'{ORGS}/{org["id"]}'
    other = 'cfk_' + 'A' * 26
    for bad in ('x', '', text[:-1], text + 'x', text.swapcase(),
                other + checksum(other + '123456')):
        check_status(by_key(server, bad).get(path), 401, 'INVALID_API_KEY', 'API_KEY_INVALID')
        check_status(by_key(server, bad).get(TEST), 401, 'INVALID_API_KEY', 'API_KEY_INVALID')
    # who sends Authorization is who that says
    check_status(by_key(server, text, token='A' * 43).get(path), 401, 'INVALID_TOKEN')
    check_status(by_key(server, text, token=server.user().token).get(path), 403)
    check_status(server.client(token=owner.token).get(TEST), 401, 'INVALID_API_KEY')


def test_endpoints_that_name_no_scope_admit_no_key(server):
    owner = server.user()
    org = org_new(owner)
    text, key = key_new(owner, org, SCOPES)
    for method, path, body in (('GET', '/api/v1/auth/me', None), ('GET', '/api/v1/users/me', None),
                               ('DELETE', '/api/v1/users/me', None), ('GET', EVENTS, None),
                               ('GET', keys_path(org), None), ('POST', ORGS, {}),
                               ('DELETE', f'{ORGS}/{org["id"]}', None),
                               ('DELETE', keys_path(org, key), None),
                               ('POST', keys_path(org, key, '/rotate'), None),
                               ('POST', PLATFORM, {})):
        reply = by_key(server, text).request(method, path, body)
        check_status(reply, 401, 'AUTH_REQUIRED')
        check_status(server.client(token=text).request(method, path, body), 401, 'INVALID_TOKEN')


def test_scopes(server):
    owner, user = server.user(), server.user()
    org = org_new(owner)
    check_status(add(owner, org, user, 'guest'), 201)
    path = f'{ORGS}/{org["id"]}'
    member = f'{path}/members/{user.user["id"]}'
    calls = {
        'read': [('GET', path, None), ('GET', path + '/members', None)],
        'write': [('PATCH', path, {'name': 'By key'})],
        'admin': [('PATCH', member + '/role', {'role': 'member'}), ('DELETE', member, None),
                  ('POST', path + '/members', {'email': user.email, 'role': 'admin'})],
    }
    for held in SCOPES:
        client = by_key(server, key_new(owner, org, [held])[0])
        for needed, requests in calls.items():
            for method, target, body in requests:
                reply = client.request(method, target, body)
                if held == needed:
                    check_in(reply.status, (200, 201), f'{held}: {reply.about}: {reply.text}')
                else:
                    check_status(reply, 403, 'AUTHORIZATION_ERROR', 'INSUFFICIENT_PERMISSIONS')
    added = owner.get(path + '/members').data['members'][1]
    check_equal((added['invited_by_id'], added['invited_at'] is None), (None, False))


def test_a_key_is_no_owner(server):
    owner, user = server.user(), server.user()
    org = org_new(owner)
    client = by_key(server, key_new(owner, org, SCOPES)[0])
    path = f'{ORGS}/{org["id"]}/members'
    for reply in (client.post(path, {'email': user.email, 'role': 'owner'}),
                  client.delete(f'{path}/{owner.user["id"]}'),
                  client.patch(f'{path}/{owner.user["id"]}/role', {'role': 'guest'})):
        check_status(reply, 403, 'AUTHORIZATION_ERROR')


def test_a_key_of_one_organization_is_nobody_in_another(server):
    owner = server.user()
    org, other = org_new(owner), org_new(owner)
    client = by_key(server, key_new(owner, org, SCOPES)[0])
    path = f'{ORGS}/{other["id"]}'
    for reply in (client.get(path), client.patch(path, {'name': 'x'}),
                  client.get(path + '/members'),
                  client.post(path + '/members', {'email': owner.email, 'role': 'guest'}),
                  client.delete(f'{path}/members/{owner.user["id"]}'),
                  client.patch(f'{path}/members/{owner.user["id"]}/role', {'role': 'guest'})):
        check_status(reply, 403, 'AUTHORIZATION_ERROR')
    check_status(client.get(f'{ORGS}/{uuid.uuid4()}'), 404, 'NOT_FOUND')
    # nor can another organization's key be reached through ours
    _text, foreign = key_new(owner, other)
    for reply in (owner.delete(keys_path(org, foreign)), owner.patch(keys_path(org, foreign), {}),
                  owner.post(keys_path(org, foreign, '/rotate'))):
        check_status(reply, 404, 'NOT_FOUND')


def test_addresses(server):
    owner = server.user()
    org = org_new(owner)
    text, key = key_new(owner, org, addresses=['203.0.113.0/24', '2001:db8::/32'])
    path = f'{ORGS}/{org["id"]}'
    for address, status in (('203.0.113.9', 200), ('2001:db8::7', 200), ('203.0.114.9', 403),
                            ('2001:db9::7', 403), (None, 403)):
        reply = by_key(server, text, address=address, is_plain=True).get(path)
        check_status(reply, status, *(['AUTHORIZATION_ERROR', 'API_KEY_RESTRICTED']
                                      if status == 403 else []))
    check_status(owner.patch(keys_path(org, key), {'addresses': []}), 200)
    check_status(by_key(server, text).get(path), 200)


def test_paths(server):
    owner = server.user()
    org = org_new(owner)
    path = f'{ORGS}/{org["id"]}'
    for allowed, shows, lists in (([path], 200, 200), ([path + '/members'], 403, 200),
                                  ([path[:-1]], 403, 403), (['/'], 200, 200), ([], 200, 200),
                                  ([path + '/'], 403, 200), (['/api/v1/wallets', ORGS], 200, 200)):
        client = by_key(server, key_new(owner, org, allowed_endpoints=allowed)[0])
        check_equal((client.get(path).status, client.get(path + '/members').status),
                    (shows, lists), str(allowed))


def test_a_key_of_its_own_has_a_limit_of_its_own():
    with Server({'rate.read': '100000', 'rate.write': '100000'}) as server:
        owner = server.user()
        org = org_new(owner)
        text, key = key_new(owner, org, rate_limit=5)
        other, _other_key = key_new(owner, org, rate_limit=5)
        path = f'{ORGS}/{org["id"]}'
        client = by_key(server, text)
        statuses = [client.get(path).status for _ in range(5)]
        reply = client.get(path + '/members')
        check_equal(statuses, [200] * 5)
        check_status(reply, 429, 'RATE_LIMIT_EXCEEDED')
        check_equal(reply.headers['ratelimit-limit'], '5')
        check(600 < int(reply.headers['retry-after']) <= 720, reply.headers['retry-after'])
        check_status(by_key(server, other).get(path), 200)
        check_status(owner.get(path), 200)
        check_status(owner.patch(keys_path(org, key), {'rate_limit': 1000}), 200)
        raised = client.get(path)  # the hour's debt is now one of seconds
        check(raised.status == 200 or int(raised.headers['retry-after']) <= 4, raised.text)


def test_the_last_use_is_noted(server):
    owner = server.user()
    org = org_new(owner)
    text, _key = key_new(owner, org)
    by_key(server, text, address='203.0.113.77', is_plain=True).get(TEST)

    def used():
        key = owner.get(keys_path(org)).data['api_keys'][0]
        return key if key['last_used_at'] else None

    key = wait_until(used, 'the last use')
    check_equal(key['last_used_ip'], '203.0.113.77')
    for _ in range(20):  # within the minute nothing more is written
        by_key(server, text, address='203.0.113.78', is_plain=True).get(TEST)
    check_equal(used(), key)


# ---- life ----

def test_update(server):
    owner = server.user()
    org = org_new(owner)
    text, key = key_new(owner, org)
    reply = owner.patch(keys_path(org, key), {'name': 'New', 'scopes': ['write'],
                                              'allowed_endpoints': [ORGS], 'rate_limit': 9})
    check_status(reply, 200)
    found = reply.data['api_key']
    check_equal((found['name'], found['scopes'], found['allowed_endpoints'], found['rate_limit']),
                ('New', ['write'], [ORGS], 9))
    check_status(by_key(server, text).get(f'{ORGS}/{org["id"]}'), 403)
    check_status(owner.patch(keys_path(org, key), {'scopes': ['fly']}), 400, 'VALIDATION_ERROR')
    check_status(owner.patch(keys_path(org, key), {'addresses': ['x']}), 400, 'VALIDATION_ERROR')


def test_revoke(server):
    owner = server.user()
    org = org_new(owner)
    text, key = key_new(owner, org)
    for _ in range(2):
        check_status(owner.delete(keys_path(org, key)), 200)
    check_status(by_key(server, text).get(TEST), 401, 'INVALID_API_KEY', 'API_KEY_INVALID')
    listed = owner.get(keys_path(org)).data['api_keys'][0]
    check_equal((listed['is_active'], listed['revoked_at'] is None), (False, False))
    check_status(owner.patch(keys_path(org, key), {'name': 'x'}), 400, 'BAD_REQUEST',
                 'API_KEY_INACTIVE')
    check_status(owner.post(keys_path(org, key, '/rotate')), 400, 'BAD_REQUEST',
                 'API_KEY_INACTIVE')


def test_rotate_with_overlap(server):
    owner = server.user()
    org = org_new(owner)
    old, key = key_new(owner, org)
    reply = owner.post(keys_path(org, key, '/rotate'))
    check_status(reply, 200)
    new, rotated = reply.data['key'], reply.data['api_key']
    check(new != old and rotated['id'] == key['id'])
    check(rotated['previous_until'] is not None)
    for text in (old, new):
        check_status(by_key(server, text).get(TEST), 200)
    # a second rotation: the one before the previous one is gone
    newest = owner.post(keys_path(org, key, '/rotate')).data['key']
    check_equal([by_key(server, text).get(TEST).status for text in (old, new, newest)],
                [401, 200, 200])
    check_status(owner.delete(keys_path(org, key)), 200)
    check_equal([by_key(server, text).get(TEST).status for text in (old, new, newest)], [401] * 3)


def test_rotate_at_once(server):
    owner = server.user()
    org = org_new(owner)
    old, key = key_new(owner, org)
    reply = owner.post(keys_path(org, key, '/rotate'), {'overlap_seconds': 0,
                                                        'expires_in_days': 2})
    check_status(reply, 200)
    check(reply.data['api_key']['expires_at'] < key['expires_at'])
    check_equal(reply.data['api_key']['previous_until'], None)
    check_status(by_key(server, old).get(TEST), 401, 'INVALID_API_KEY')
    check_status(by_key(server, reply.data['key']).get(TEST), 200)
    brief = owner.post(keys_path(org, key, '/rotate'), {'overlap_seconds': 1})
    check_status(brief, 200)
    wait_until(lambda: by_key(server, reply.data['key']).get(TEST).status == 401,
               'the overlap ends', 5)
    check_status(by_key(server, brief.data['key']).get(TEST), 200)


def test_an_expired_key(server):
    owner = server.user()
    org = org_new(owner)
    path = f'{ORGS}/{org["id"]}'
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=1.5)
    text, key = key_new(owner, org, ['read', 'write', 'admin'], expires_at=end.isoformat())
    client = by_key(server, text)
    check_status(client.get(TEST), 200)
    wait_until(lambda: client.get(TEST).status == 401, 'the key expires', 5)
    for method, target, body in (('GET', TEST, None), ('GET', path, None),
                                 ('PATCH', path, {'name': 'x'})):
        check_status(client.request(method, target, body), 401, 'INVALID_API_KEY',
                     'API_KEY_EXPIRED')
    check_equal(owner.get(keys_path(org)).data['api_keys'][0]['is_active'], False)
    check_status(owner.post(keys_path(org, key, '/rotate')), 400, 'BAD_REQUEST',
                 'API_KEY_INACTIVE')
    for bad in ({'expires_at': '2020-01-01T00:00:00Z'}, {'expires_at': '2999-01-01T00:00:00Z'},
                {'expires_at': '2027-01-01T00:00:00Z', 'expires_in_days': 3}):
        check_status(owner.post(keys_path(org), {'name': 'x', 'scopes': ['read'], **bad}), 400,
                     'VALIDATION_ERROR')


def test_a_deleted_organization_has_no_keys(server):
    owner = server.user()
    org = org_new(owner)
    text, _key = key_new(owner, org)
    check_status(owner.delete(f'{ORGS}/{org["id"]}'), 200)
    check_status(by_key(server, text).get(TEST), 401, 'INVALID_API_KEY', 'API_KEY_INVALID')
    check_status(by_key(server, text).get(f'{ORGS}/{org["id"]}'), 401, 'INVALID_API_KEY')


def test_a_key_outlives_who_made_it(server):
    owner, admin = server.user(), server.user()
    org = org_new(owner)
    check_status(add(owner, org, admin, 'admin'), 201)
    text, _key = key_new(admin, org)
    check_status(owner.delete(f'{ORGS}/{org["id"]}/members/{admin.user["id"]}'), 200)
    check_status(by_key(server, text).get(TEST), 200)


def test_who_manages_keys(server):
    owner, admin, member, guest, stranger = (server.user() for _ in range(5))
    org = org_new(owner)
    for user, role in ((admin, 'admin'), (member, 'member'), (guest, 'guest')):
        check_status(add(owner, org, user, role), 201)
    _text, key = key_new(admin, org)
    for client in (member, guest, stranger):
        for reply in (client.get(keys_path(org)),
                      client.post(keys_path(org), {'name': 'x', 'scopes': ['read']}),
                      client.patch(keys_path(org, key), {'name': 'x'}),
                      client.delete(keys_path(org, key)),
                      client.post(keys_path(org, key, '/rotate'))):
            check_status(reply, 403, 'AUTHORIZATION_ERROR', 'INSUFFICIENT_PRIVILEGES')
    check_status(owner.delete(keys_path(org, key)), 200)


def test_there_is_room_for_two_hundred(server):
    owner = server.user()
    org = org_new(owner)
    made = [key_new(owner, org)[1] for _ in range(200)]
    body = {'name': 'x', 'scopes': ['read']}
    check_status(owner.post(keys_path(org), body), 409, 'CONFLICT', 'LIMIT_REACHED')
    check_status(owner.delete(keys_path(org, made[7])), 200)
    check_status(owner.post(keys_path(org), body), 201)  # takes the place of the revoked one
    listed = {key['id'] for key in owner.get(keys_path(org)).data['api_keys']}
    check_equal((len(listed), made[7]['id'] in listed), (200, False))
    check_status(owner.delete(keys_path(org, made[7])), 404, 'NOT_FOUND')
    admin = server.admin()
    for path in (PLATFORM, PLATFORM + '/create'):
        while True:
            reply = admin.post(path, {'key_name': 'x'})
            if reply.status != 201:
                break
        check_status(reply, 409, 'CONFLICT', 'LIMIT_REACHED')
    for key in admin.get(PLATFORM + '?per_page=100').data['api_keys']:
        check_status(admin.post(f'{PLATFORM}/{key["key_id"]}/revoke'), 200)


# ---- the platform's ----

def test_platform_keys(server):
    admin = server.admin()
    for path in (PLATFORM, PLATFORM + '/create'):
        reply = admin.post(path, {'key_name': 'Partner'})
        check_status(reply, 201)
        made = reply.data
        check_equal(set(made), {'key_id', 'api_key', 'key_name', 'permissions', 'rate_limit',
                                'expires_at', 'created_at', 'warning'})
        check(re.fullmatch(r'flw_[0-9A-Za-z]{32}', made['api_key']), made['api_key'])
        check_equal(made['api_key'][-6:], checksum(made['api_key']))
        check_equal((made['key_name'], made['permissions'], made['rate_limit']),
                    ('Partner', ['read', 'write'], 1000))
    reply = server.client(token=made['api_key']).get(TEST)
    check_equal(reply.data['api_key_info']['key_name'], 'Partner')
    reply = admin.request('PUT', f'{PLATFORM}/{made["key_id"]}/permissions',
                          {'permissions': ['kyc'], 'rate_limit': 3})
    check_status(reply, 200)
    check_equal((reply.data['permissions'], reply.data['rate_limit']), (['kyc'], 3))
    check_status(admin.post(f'{PLATFORM}/{made["key_id"]}/revoke'), 200)
    check_status(server.client(token=made['api_key']).get(TEST), 401, 'INVALID_API_KEY')
    check_status(admin.request('PUT', f'{PLATFORM}/{made["key_id"]}/permissions',
                               {'permissions': ['kyc']}), 400, 'BAD_REQUEST', 'API_KEY_INACTIVE')
    check_status(admin.post(f'{PLATFORM}/{uuid.uuid4()}/revoke'), 404, 'NOT_FOUND')
    check_status(admin.post(PLATFORM, {'key_name': 'x', 'permissions': ['fly']}), 400,
                 'VALIDATION_ERROR')
    check_status(admin.post(PLATFORM, {'key_name': 'x', 'ip_whitelist': ['x']}), 400,
                 'VALIDATION_ERROR')


def test_platform_keys_have_pages(server):
    admin = server.admin()
    for _ in range(3):
        check_status(admin.post(PLATFORM, {'key_name': 'Page'}), 201)
    whole = admin.get(PLATFORM + '?per_page=100').data
    total = whole['pagination']['total']
    seen, page = [], 1
    while True:
        data = admin.get(f'{PLATFORM}?per_page=2&page={page}').data
        seen += [key['key_id'] for key in data['api_keys']]
        check_equal(data['pagination'], {'page': page, 'per_page': 2, 'total': total,
                                         'pages': (total + 1) // 2, 'has_next': page * 2 < total,
                                         'has_prev': page > 1})
        if not data['pagination']['has_next']:
            break
        page += 1
    check_equal(len(set(seen)), total)
    check_equal(admin.get(f'{PLATFORM}?page=1000').data['api_keys'], [])


def test_platform_keys_open_no_organization(server):
    admin, owner = server.admin(), server.user()
    org = org_new(owner)
    text = admin.post(PLATFORM, {'key_name': 'x', 'permissions': SCOPES}).data['api_key']
    check_status(by_key(server, text).get(f'{ORGS}/{org["id"]}'), 403, 'AUTHORIZATION_ERROR')
    _text, key = key_new(owner, org)
    check_status(admin.post(f'{PLATFORM}/{key["id"]}/revoke'), 404, 'NOT_FOUND')
    check_not_in(key['id'], admin.get(PLATFORM + '?per_page=100').text)


# ---- traces ----

def test_the_audit_names_the_key(server):
    admin, owner = server.admin(), server.user()
    org = org_new(owner)
    text, key = key_new(owner, org, ['write'])
    client = by_key(server, text)
    done = client.patch(f'{ORGS}/{org["id"]}', {'name': 'By key'})
    refused = client.get(f'{ORGS}/{org["id"]}')
    check_equal((done.status, refused.status), (200, 403))
    events = {event['request_id']: event
              for event in admin.get(f'{EVENTS}?limit=100').data['events']}
    for reply, action, outcome in ((done, 'org.update', 'success'),
                                   (refused, 'access.refused', 'refused')):
        event = events[reply.headers['x-request-id']]
        check_equal((event['action'], event['outcome'], event['api_key_id'], event['actor_id'],
                     event['organization_id']), (action, outcome, key['id'], None, org['id']))


def test_idempotency_keys_belong_to_the_api_key(server):
    owner = server.user()
    org = org_new(owner)
    one, other = (by_key(server, key_new(owner, org, ['write'])[0]) for _ in range(2))
    path, headers = f'{ORGS}/{org["id"]}', {'Idempotency-Key': uuid.uuid4().hex}
    first = one.patch(path, {'name': 'One'}, headers=headers)
    again = one.patch(path, {'name': 'One'}, headers=headers, is_replay=True)
    check_equal(again.body, first.body)
    check_status(one.patch(path, {'name': 'Two'}, headers=headers), 422)
    check_status(other.patch(path, {'name': 'Two'}, headers=headers), 200)


def test_the_store_knows_no_key():
    server = Server(SETTINGS).start()
    owner = server.user()
    org = org_new(owner)
    text, key = key_new(owner, org)
    new = owner.post(keys_path(org, key, '/rotate')).data['key']
    check_equal(server.finish(), [])
    with open(os.path.join(server.data, 'data.mdb'), 'rb') as file:
        content = file.read()
    for secret in (text, new):
        check(secret.encode() not in content, 'a key lies in the store')
        check(secret[4:30].encode() not in content)
        check(base64.b64encode(secret.encode()) not in content)
        check(hashlib.sha256(secret.encode()).digest() in content, 'its hash does not')
    check_equal(server.stop(), [])


harness.main(globals())
