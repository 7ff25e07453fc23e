"""Passkeys: rows 14, 15 and 18 to 21 of the identity contract, with an authenticator in software.
Logging in is in test_passkeys_login.py, a real browser in test_passkeys_browser.py."""

import hashlib
import os
import time

import harness
from harness import check, check_equal, check_in, check_status, wait_until
from passkey import (AAGUID, BE, BS, ED, ES256, RS256, STAMP_OFFSET, UP, UV, WEBAUTHN,
                     Authenticator, Key, base64url, begin_login, begin_registration, cbor,
                     complete_login, events, from_base64url, login, origin_of, owner, register)
from server import PASSWORD, Server
from totp import TOTP, App, check_session, pending

SETTINGS = {'rate.enabled': 'false', 'lockout.failures': '1000',
            'lockout.account-failures': '1000', 'session.fresh-time': '600'}

ME = '/api/v1/users/me'
PASSKEY_KEYS = {'id', 'name', 'transports', 'created_at', 'last_used_at', 'sign_count', 'aaguid',
                'attestation', 'backed_up'}


# ---- registering ----

def test_row_14_register_begin(server):
    user = server.user()
    options = begin_registration(user)
    check_equal(set(options), {'rp', 'user', 'challenge', 'pubKeyCredParams', 'timeout',
                               'excludeCredentials', 'authenticatorSelection', 'attestation'})
    check_equal(options['rp'], {'name': 'Coffer', 'id': 'localhost'})
    check_equal(options['user'], {'id': base64url(user.user['id'].encode()), 'name': user.email,
                                  'displayName': user.user['full_name']})
    check_equal(len(from_base64url(options['challenge'])), 32)
    check_equal([entry['alg'] for entry in options['pubKeyCredParams']], [ES256, RS256])
    check_equal({entry['type'] for entry in options['pubKeyCredParams']}, {'public-key'})
    check_equal((options['timeout'], options['excludeCredentials'], options['attestation']),
                (60000, [], 'none'))
    check_equal(options['authenticatorSelection'],
                {'residentKey': 'preferred', 'userVerification': 'preferred'})
    check(options['challenge'] != begin_registration(user)['challenge'])
    nameless = server.user()
    check_status(nameless.patch(ME, {'full_name': None}), 200)
    check_equal(begin_registration(nameless)['user']['displayName'], nameless.email)


def test_row_15_register_complete(server):
    user = server.user()
    key = Authenticator(origin_of(server))
    body = key.create(begin_registration(user), count=7)
    reply = user.post(f'{WEBAUTHN}/register/complete', body)
    check_status(reply, 201)
    check_equal(set(reply.data), {'credential'})
    shown = reply.data['credential']
    check_equal(set(shown), PASSKEY_KEYS)
    check_equal((shown['id'], shown['transports'], shown['last_used_at'], shown['sign_count']),
                (base64url(key.id), ['usb', 'nfc'], None, 7))
    check_equal(shown['name'], time.strftime('Passkey %Y-%m-%d', time.gmtime()))
    check(STAMP_OFFSET.fullmatch(shown['created_at']), shown['created_at'])
    check_equal((shown['attestation'], shown['aaguid'], shown['backed_up']),
                ('none', '00010203-0405-0607-0809-0a0b0c0d0e0f', False))
    for name in ('mfa_enabled', 'two_factor_enabled'):
        check_equal(user.get(ME).data['user'][name], True, name)
    # The next registration leaves it out.
    exclude = begin_registration(user)['excludeCredentials']
    check_equal(exclude, [{'id': base64url(key.id), 'type': 'public-key',
                           'transports': ['usb', 'nfc']}])


def test_what_browsers_make_of_a_credential_is_taken_as_it_is(server):
    """PublicKeyCredential.toJSON() has more than the contract's clients send."""
    user = server.user()
    key = Authenticator(origin_of(server))
    body = key.create(begin_registration(user), transports=[])
    body.update(clientExtensionResults={'credProps': {'rk': True}},
                authenticatorAttachment='platform')
    body['response'].update(transports=['internal', 'from-the-future'], authenticatorData='AAAA',
                            publicKey='AAAA', publicKeyAlgorithm=ES256)
    reply = user.post(f'{WEBAUTHN}/register/complete', body)
    check_status(reply, 201)
    check_equal(reply.data['credential']['transports'], ['internal'])
    body = key.get(begin_login(server))
    body.update(clientExtensionResults={}, authenticatorAttachment=None)
    body['response']['attestationObject'] = None
    body['authenticatorAttachment'] = 'platform'
    check_session(server, complete_login(server, body))


def test_names_of_passkeys(server):
    user = server.user()
    for name, shown in (('Key ring', 'Key ring'), (None, None), ('', None), ('x' * 100, 'x' * 100)):
        key = Authenticator(origin_of(server))
        body = key.create(begin_registration(user))
        body['name'] = name
        reply = user.post(f'{WEBAUTHN}/register/complete', body)
        check_status(reply, 201)
        check_equal(reply.data['credential']['name'],
                    shown or time.strftime('Passkey %Y-%m-%d', time.gmtime()))
    body['name'] = 'x' * 101
    check_status(user.post(f'{WEBAUTHN}/register/complete', body), 400, 'VALIDATION_ERROR')


def test_row_15_validation(server):
    user = server.user()
    key = Authenticator(origin_of(server))

    def refused(path, **changes):
        body = key.create(begin_registration(user))
        for name, value in changes.items():
            place = body['response'] if name in body['response'] else body
            if value is None:
                del place[name]
            else:
                place[name] = value
        reply = user.post(f'{WEBAUTHN}/register/complete', body)
        check_status(reply, 400, 'VALIDATION_ERROR')
        found = reply.details
        for part in path.split('.'):
            check_in(part, found)
            found = found[part]

    refused('response.attestationObject', attestationObject=None)
    refused('response.clientDataJSON', clientDataJSON=None)
    refused('response', response='x')
    refused('id', id=None)
    refused('rawId', rawId=5)
    refused('type', type='password')
    refused('transports', transports=['telegraph'])
    refused('unheard', unheard=1)
    for client in (b'', b'{', b'[]', b'"x"', b'{"type":"webauthn.create","origin":"x"}',
                   b'{"type":5,"origin":"x","challenge":"AAAA"}',
                   b'{"type":"x","origin":"x","challenge":"A A"}',
                   b'{"type":"x","origin":"x","challenge":"AA==","challenge":"AAAA"}', b'\xff\xfe'):
        refused('response.clientDataJSON', clientDataJSON=base64url(client))
    refused('response.clientDataJSON', clientDataJSON='=')


def test_row_15_refuses(server):
    """Everything that an attested credential must not be; the challenge is gone each time."""
    user = server.user()
    origin = origin_of(server)
    key = Authenticator(origin)
    rsa = Authenticator(origin, RS256).key.cose
    cose = key.key.cose
    small = Key(RS256, 1024).cose
    wrong, elsewhere = 'PASSKEY_INVALID', 'ORIGIN_MISMATCH'
    flipped = cose[-2][:-1] + bytes([cose[-2][-1] ^ 1])
    good = begin_registration(user)
    table = [
        ({'type': 'webauthn.get'}, wrong),
        ({'origin': 'https://evil.example.com'}, elsewhere),
        ({'origin': origin + '/'}, elsewhere),
        ({'origin': 'https://localhost.example.com'}, elsewhere),
        ({'origin': 'https://localhost:@example.com'}, elsewhere),
        ({'origin': 'ftp://localhost'}, elsewhere),
        ({'crossOrigin': True}, elsewhere),
        ({'rp_id': 'example.com'}, elsewhere),
        ({'flags': UV}, wrong),
        ({'flags': UP | BS}, wrong),
        ({'behind': b'\0'}, wrong),
        ({'flags': UP | ED}, wrong),
        ({'flags': UP | ED, 'behind': cbor([1])}, wrong),
        ({'credential_id': b''}, wrong),
        ({'credential_id': b'another'}, wrong),
        ({'credential_id': bytes(1024)}, wrong),
        ({'data': b'\0' * 36}, wrong),
        ({'data': hashlib.sha256(b'localhost').digest() + b'\x01\0\0\0\0'}, wrong),
        ({'data': hashlib.sha256(b'localhost').digest() + b'\x41\0\0\0\0' + AAGUID}, wrong),
        ({'object_bytes': b'\xa0'}, wrong),
        ({'object_bytes': b'garbage'}, wrong),
        ({'object_bytes': cbor({'fmt': 'none', 'attStmt': {}, 'authData': b'', 'x': 1})}, wrong),
        ({'statement': {'sig': b'1'}}, wrong),
        ({'fmt': ''}, wrong),
        ({'fmt': 'x' * 33}, wrong),
        # Keys: a point off the curve, other algorithms, curves, members, sizes.
        ({'cose': {**cose, -2: flipped}}, wrong),
        ({'cose': {**cose, -2: bytes(32), -3: bytes(32)}}, wrong),
        ({'cose': {**cose, -2: cose[-2][1:]}}, wrong),
        ({'cose': {**cose, 3: -8}}, wrong),
        ({'cose': {**cose, 3: RS256}}, wrong),
        ({'cose': {**cose, -1: 2}}, wrong),
        ({'cose': {**cose, 2: b'kid'}}, wrong),
        ({'cose': {1: 2, 3: ES256, -1: 1, -2: cose[-2]}}, wrong),
        ({'cose': b'\xa0'}, wrong),
        ({'cose': {**rsa, 3: ES256}}, wrong),
        ({'cose': {**rsa, -1: b'\0' + rsa[-1]}}, wrong),
        ({'cose': {**rsa, -1: rsa[-1][:-1] + b'\x02'}}, wrong),
        ({'cose': {**rsa, -2: b'\x03'}}, wrong),
        ({'cose': {**rsa, -2: b'\x01\0\0'}}, wrong),
        ({'cose': {**rsa, -3: b'x'}}, wrong),
        ({'cose': small}, wrong),
    ]
    for bent, reason in table:
        options = begin_registration(user)
        reply = user.post(f'{WEBAUTHN}/register/complete', key.create(options, **bent))
        check_status(reply, 401, 'AUTHENTICATION_ERROR', reason)
        reply = user.post(f'{WEBAUTHN}/register/complete', key.create(options))
        check_status(reply, 401, 'AUTHENTICATION_ERROR', 'CHALLENGE_INVALID')
    body = key.create(good)
    body['id'] = base64url(b'another')
    check_status(user.post(f'{WEBAUTHN}/register/complete', body), 401, 'AUTHENTICATION_ERROR',
                 wrong)
    check_equal(user.get(f'{WEBAUTHN}/status').data,
                {'webauthn_enabled': False, 'credential_count': 0})
    check_equal(events(server, user, 'webauthn.register.failed')[0]['outcome'], 'failed')


def test_a_challenge_is_good_once_for_one_user_and_purpose(server):
    user, other = server.user(), server.user()
    key = Authenticator(origin_of(server))
    path = f'{WEBAUTHN}/register/complete'
    options = begin_registration(user)
    gone = (401, 'AUTHENTICATION_ERROR', 'CHALLENGE_INVALID')
    check_status(other.post(path, key.create(options)), *gone)
    check_status(user.post(path, key.create(options)), *gone)  # somebody tried it: it is gone
    options = begin_registration(user)
    check_status(user.post(path, key.create(options)), 201)
    check_status(user.post(path, key.create(options)), *gone)
    # Not made up, not of another length, not that of a login.
    for challenge in (base64url(os.urandom(32)), base64url(b'x'), '',
                      begin_login(server)['challenge']):
        bent = {'challenge': challenge}
        check_status(user.post(path, key.create(options, **bent)), *gone)
    options = {**begin_login(server), 'challenge': begin_registration(user)['challenge']}
    check_status(complete_login(server, key.get(options)), *gone)


def test_a_challenge_ends():
    with Server({**SETTINGS, 'webauthn.time': '1'}) as server:
        user = owner(server)
        options = begin_login(server)
        begun = begin_registration(user)
        ended = time.monotonic() + 1
        wait_until(lambda: time.monotonic() > ended, 'a second')
        check_status(complete_login(server, user.key.get(options)), 401, 'AUTHENTICATION_ERROR',
                     'CHALLENGE_INVALID')
        check_status(user.post(f'{WEBAUTHN}/register/complete',
                               Authenticator(origin_of(server)).create(begun)), 401,
                     'AUTHENTICATION_ERROR', 'CHALLENGE_INVALID')


def test_a_passkey_belongs_to_one_account(server):
    first, second = server.user(), server.user()
    key = register(server, first)
    for user in (first, second):
        options = begin_registration(user)
        reply = user.post(f'{WEBAUTHN}/register/complete', key.create(options))
        check_status(reply, 401, 'AUTHENTICATION_ERROR', 'PASSKEY_EXISTS')
    check_equal(second.get(f'{WEBAUTHN}/status').data['webauthn_enabled'], False)


def test_registering_wants_a_fresh_login_or_the_password():
    """Defect 29 of the contract."""
    with Server({**SETTINGS, 'session.fresh-time': '0'}) as server:
        user = server.user()
        path = f'{WEBAUTHN}/register/begin'
        check_status(user.post(path), 401, 'AUTHENTICATION_ERROR', 'PASSWORD_REQUIRED')
        check_status(user.post(path, {'password': 'Wrong-Password-1'}), 401,
                     'AUTHENTICATION_ERROR', 'INVALID_CURRENT_PASSWORD')
        check_status(user.post(path, {'password': ''}), 400, 'VALIDATION_ERROR')
        options = begin_registration(user, password=PASSWORD)
        body = Authenticator(origin_of(server)).create(options)
        check_status(user.post(f'{WEBAUTHN}/register/complete', body), 201)


def test_twenty_passkeys_are_enough(server):
    user = server.user()
    key = Authenticator(origin_of(server))
    for number in range(20):
        key.id = os.urandom(16 + number)
        if number == 19:
            ahead = begin_registration(user)
        check_status(user.post(f'{WEBAUTHN}/register/complete',
                               key.create(begin_registration(user))), 201)
    check_status(user.post(f'{WEBAUTHN}/register/begin'), 409, 'CONFLICT', 'LIMIT_REACHED')
    key.id = os.urandom(16)
    check_status(user.post(f'{WEBAUTHN}/register/complete', key.create(ahead)), 409, 'CONFLICT',
                 'LIMIT_REACHED')
    shown = user.get(f'{WEBAUTHN}/credentials').data
    check_equal((shown['count'], len(shown['credentials'])), (20, 20))
    stamps = [entry['created_at'] for entry in shown['credentials']]
    check_equal(stamps, sorted(stamps, reverse=True), 'newest first')


def test_other_attestations_are_recorded(server):
    user = server.user()
    key = Authenticator(origin_of(server))
    statement = {'alg': ES256, 'sig': os.urandom(70), 'x5c': [os.urandom(600), os.urandom(500)]}
    register(server, user, key, fmt='packed', statement=statement, flags=UP | UV | BE | BS | ED,
             behind=cbor({'credProtect': 2, 'hmac-secret': True}))
    shown = user.get(f'{WEBAUTHN}/credentials').data['credentials'][0]
    check_equal((shown['attestation'], shown['backed_up']), ('packed', True))
    # Whether it can be backed up never changes; whether it is does.
    for flags, reason in ((UP | UV, 'PASSKEY_INVALID'), (UP | UV | BE, None)):
        reply = login(server, key, flags=flags)
        check_status(reply, 401 if reason else 200, reason and 'AUTHENTICATION_ERROR', reason)
    check_equal(user.get(f'{WEBAUTHN}/credentials').data['credentials'][0]['backed_up'], False)


# ---- what their owner does ----

def test_rows_18_to_21_several_passkeys(server):
    """Defect 35 of the contract: a second passkey replaced the first, and none could be removed."""
    user = owner(server)
    second = register(server, user, name='Second')
    check_equal(user.get(f'{WEBAUTHN}/status').data,
                {'webauthn_enabled': True, 'credential_count': 2})
    shown = user.get(f'{WEBAUTHN}/credentials').data
    check_equal([entry['id'] for entry in shown['credentials']],
                [base64url(second.id), base64url(user.key.id)])
    check_equal(set(shown['credentials'][0]), PASSKEY_KEYS)
    path = f'{WEBAUTHN}/credentials/{base64url(second.id)}'
    reply = user.patch(path, {'name': 'Kitchen'})
    check_status(reply, 200)
    check_equal(reply.data['credential']['name'], 'Kitchen')
    for body in ({}, {'name': ''}, {'name': 'x' * 101}, {'name': None}):
        check_status(user.patch(path, body), 400, 'VALIDATION_ERROR')
    for key in (user.key, second):
        check_session(server, login(server, key))
    reply = user.delete(path)
    check_status(reply, 200)
    check_equal(reply.data, None)
    check_status(user.delete(path), 404, 'NOT_FOUND')
    check_status(user.patch(path, {'name': 'x'}), 404, 'NOT_FOUND')
    check_status(login(server, second), 401, 'AUTHENTICATION_ERROR', 'PASSKEY_INVALID')
    check_equal(user.get(ME).data['user']['mfa_enabled'], True)
    # The last one may go as well; then a password is enough again.
    check_status(user.delete(f'{WEBAUTHN}/credentials/{base64url(user.key.id)}'), 200)
    check_equal(user.get(ME).data['user']['mfa_enabled'], False)
    check_equal(user.get(f'{WEBAUTHN}/status').data['webauthn_enabled'], False)
    check_session(server, server.login(user.email))


def test_passkeys_of_others_are_not_there(server):
    user, other = owner(server), server.user()
    for name in (base64url(user.key.id), 'AAAA', 'A', '%2A', '-'):
        path = f'{WEBAUTHN}/credentials/{name}'
        check_status(other.patch(path, {'name': 'mine'}), 404, 'NOT_FOUND')
        check_status(other.delete(path), 404, 'NOT_FOUND')
    check_equal(other.get(f'{WEBAUTHN}/credentials').data, {'credentials': [], 'count': 0})


def test_the_audit_trail_names_it_all(server):
    user = owner(server)
    check_session(server, login(server, user.key))
    complete_login(server, user.key.get(begin_login(server, email=user.email), flags=0))
    path = f'{WEBAUTHN}/credentials/{base64url(user.key.id)}'
    check_status(user.patch(path, {'name': 'x'}), 200)
    check_status(user.delete(path), 200)
    for action, count in (('webauthn.register.initiated', 1), ('webauthn.register.completed', 1),
                          ('webauthn.login.initiated', 1), ('webauthn.login.success', 1),
                          ('webauthn.credential.renamed', 1), ('webauthn.credential.deleted', 1)):
        check_equal(len(events(server, user, action)), count, action)


# ---- policies ----

def test_policies_count_passkeys(server):
    user = server.user()
    reply = user.post('/api/v1/organizations', {'name': 'House', 'slug': f'house-{user.email}'})
    check_status(reply, 201)
    organization = f'/api/v1/organizations/{reply.data["organization"]["id"]}'

    def policy(mode):
        body = {'mfa_policy_mode': mode, 'mfa_grace_period_days': 5}
        check_status(user.request('PUT', f'{organization}/security-policy', body), 200)

    def compliance():
        return user.get(f'{ME}/mfa-compliance').data['mfa_compliance']

    policy('require_webauthn')
    check_equal((compliance()['overall_status'], compliance()['missing_methods']),
                ('in_grace', ['webauthn']))
    key = register(server, user)
    check_equal((compliance()['overall_status'], compliance()['missing_methods']),
                ('compliant', []))
    path = f'{WEBAUTHN}/credentials/{base64url(key.id)}'
    for mode in ('require_webauthn', 'require_totp_or_webauthn'):
        policy(mode)
        check_status(user.delete(path), 400, 'BAD_REQUEST', 'FACTOR_REQUIRED')
    # One of two may go; and the last one where nothing is lost by it.
    second = register(server, user)
    check_status(user.delete(f'{WEBAUTHN}/credentials/{base64url(second.id)}'), 200)
    app = App(user.post(f'{TOTP}/enroll').data['secret'])
    check_status(user.post(f'{TOTP}/verify-enrollment', {'code': app.code()}), 200)
    check_status(user.delete(path), 200)
    check_equal(compliance()['overall_status'], 'compliant')


def test_a_limited_session_registers_the_passkey_that_it_lacks(server):
    user = server.user()
    reply = user.post('/api/v1/organizations', {'name': 'Yard', 'slug': f'yard-{user.email}'})
    policy = f'/api/v1/organizations/{reply.data["organization"]["id"]}/security-policy'
    body = {'mfa_policy_mode': 'require_webauthn', 'mfa_grace_period_days': 0}
    check_status(user.request('PUT', policy, body), 200)
    reply = server.login(user.email)
    check_equal(reply.data['requires_mfa_enrollment'], True)
    limited = server.client(token=reply.data['token'])
    check_status(limited.patch(ME, {}), 403, 'MFA_COMPLIANCE_REQUIRED')
    key = register(server, limited)
    reply = login(server, key)
    check_session(server, reply)
    check_equal((reply.data.get('requires_mfa_enrollment'),
                 reply.data['mfa_compliance']['overall_status']), (None, 'compliant'))
    check_status(server.client(token=reply.data['token']).patch(ME, {}), 200)


# ---- settings ----

def test_user_verification_required():
    with Server({**SETTINGS, 'webauthn.user-verification': 'required'}) as server:
        user = server.user()
        options = begin_registration(user)
        check_equal(options['authenticatorSelection']['userVerification'], 'required')
        key = Authenticator(origin_of(server))
        reply = user.post(f'{WEBAUTHN}/register/complete', key.create(options, flags=UP))
        check_status(reply, 401, 'AUTHENTICATION_ERROR', 'USER_VERIFICATION_REQUIRED')
        register(server, user, key)
        token = pending(server, user).data['temp_token']
        options = begin_login(server, temp_token=token)
        check_equal(options['userVerification'], 'required')
        reply = complete_login(server, key.get(options, flags=UP))
        check_status(reply, 401, 'AUTHENTICATION_ERROR', 'USER_VERIFICATION_REQUIRED')
        check_session(server, login(server, key))


def test_relying_party_of_the_settings():
    settings = {**SETTINGS, 'public-url': 'https://login.example.com:443',
                'webauthn.rp-id': 'example.com', 'webauthn.rp-name': 'Example',
                'webauthn.origins': 'https://login.example.com, https://example.com:8443,'
                                    'android:apk-key-hash:abc'}
    with Server(settings) as server:
        user = server.user()
        check_equal(begin_registration(user)['rp'], {'name': 'Example', 'id': 'example.com'})
        key = Authenticator('https://login.example.com')
        register(server, user, key)
        for origin in ('https://example.com:8443', 'android:apk-key-hash:abc'):
            check_session(server, login(server, key, origin=origin))
        for origin in ('https://example.com', 'https://login.example.com:443', origin_of(server),
                       'https://login.example.com,', 'https://localhost'):
            reply = login(server, key, origin=origin)
            check_status(reply, 401, 'AUTHENTICATION_ERROR', 'ORIGIN_MISMATCH')


def test_the_host_of_a_request_has_no_say():
    with Server({**SETTINGS, 'public-url': 'https://login.example.com'}) as server:
        user = server.user()
        host = {'Host': 'evil.example.org'}
        options = user.post(f'{WEBAUTHN}/register/begin', headers=host).json
        check_equal(options['rp']['id'], 'login.example.com')
        key = Authenticator('https://evil.example.org')
        reply = user.post(f'{WEBAUTHN}/register/complete', key.create(options), headers=host)
        check_status(reply, 401, 'AUTHENTICATION_ERROR', 'ORIGIN_MISMATCH')
        register(server, user, Authenticator('https://login.example.com'))


def test_bad_settings_stop_the_start(server):
    table = [('webauthn.user-verification=perhaps', 'webauthn.user-verification'),
             ('webauthn.rp-id=https://example.com', 'webauthn.rp-id'),
             ('webauthn.rp-id=Example.com', 'webauthn.rp-id'),
             ('webauthn.origins=https://elsewhere.example', 'webauthn.origins'),
             ('webauthn.origins=https://notlocalhost', 'webauthn.origins'),
             ('webauthn.origins=https://localhost/path', 'webauthn.origins'),
             ('webauthn.origins=localhost', 'webauthn.origins')]
    for number, (setting, name) in enumerate(table):
        run = server.run('serve', '--data', f'{server.folder}/refused-{number}', '--listen',
                         'http://127.0.0.1:0', '--set', 'sandbox=false', '--set', setting)
        check(run.returncode != 0, setting)
        check_in(name, run.stderr + run.stdout, setting)


harness.main(globals())
