"""Logging in with passkeys: rows 16 and 17 of the identity contract, alone and behind a password,
with an authenticator in software."""

import concurrent.futures
import os
import time

import harness
from harness import check, check_equal, check_in, check_not_in, check_status
from passkey import (AT, BE, BS, ES256, RS256, STAMP_OFFSET, UP, UV, WEBAUTHN, Authenticator, Key,
                     base64url, begin_login, complete_login, events, from_base64url, login,
                     origin_of, owner, register)
from server import PASSWORD, Server
from totp import TOTP, App, check_session, cookie_of, pending, verify

SETTINGS = {'rate.enabled': 'false', 'lockout.failures': '1000',
            'lockout.account-failures': '1000', 'session.fresh-time': '600'}

ME = '/api/v1/users/me'


# ---- logging in ----

def test_row_16_login_begin(server):
    user = owner(server)
    second = register(server, user, transports=['internal', 'hybrid'])
    options = begin_login(server, email=user.email.upper())
    check_equal(set(options), {'challenge', 'timeout', 'rpId', 'allowCredentials',
                               'userVerification'})
    check_equal((options['timeout'], options['rpId'], options['userVerification']),
                (60000, 'localhost', 'preferred'))
    check_equal(options['allowCredentials'], [
        {'id': base64url(second.id), 'type': 'public-key', 'transports': ['hybrid', 'internal']},
        {'id': base64url(user.key.id), 'type': 'public-key', 'transports': ['usb', 'nfc']}])
    check_equal(begin_login(server)['allowCredentials'], [])
    path = f'{WEBAUTHN}/login/begin'
    for body in ({'email': 'x'}, {'email': 5}, {'mail': user.email}):
        check_status(server.client().post(path, body), 400, 'VALIDATION_ERROR')


def test_defect_21_begin_does_not_tell_who_is_there(server):
    """Unknown addresses and those without passkeys are answered as if they had some; each time the
    same, also after a restart."""
    without = server.user()
    seen = {}
    for email in ('nobody@example.com', 'nobody2@example.com', without.email):
        options = begin_login(server, email=email)
        check_equal(set(options), {'challenge', 'timeout', 'rpId', 'allowCredentials',
                                   'userVerification'})
        check_equal(len(options['allowCredentials']), 1)
        entry = options['allowCredentials'][0]
        check_equal((set(entry), entry['type']), ({'id', 'type', 'transports'}, 'public-key'))
        check(16 <= len(from_base64url(entry['id'])) <= 32)
        seen[email] = entry
    check_equal(len({entry['id'] for entry in seen.values()}), 3)
    for email, entry in seen.items():
        check_equal(begin_login(server, email=email)['allowCredentials'], [entry])
    # A challenge for nobody is not one for anybody.
    key = owner(server).key
    for email in ('nobody@example.com', without.email):
        reply = complete_login(server, key.get(begin_login(server, email=email)))
        check_status(reply, 401, 'AUTHENTICATION_ERROR', 'PASSKEY_INVALID')
    server.restart()
    check_equal(begin_login(server, email='nobody@example.com')['allowCredentials'],
                [seen['nobody@example.com']])


def test_row_17_with_an_address_and_without(server):
    for algorithm in (ES256, RS256):
        user = server.user()
        key = register(server, user, Authenticator(origin_of(server), algorithm))
        for options in (begin_login(server, email=user.email), begin_login(server)):
            reply = complete_login(server, key.get(options))
            check_session(server, reply)
            check_equal(reply.data['user']['id'], user.user['id'])
            check_in('mfa_compliance', reply.data)
        shown = user.get(f'{WEBAUTHN}/credentials').data['credentials'][0]
        check(STAMP_OFFSET.fullmatch(shown['last_used_at']))
        check_equal(shown['sign_count'], key.count)


def test_row_17_validation(server):
    user = owner(server)
    good = user.key.get(begin_login(server))
    for name in ('id', 'rawId', 'type', 'response'):
        body = {key: value for key, value in good.items() if key != name}
        reply = complete_login(server, body)
        check_status(reply, 400, 'VALIDATION_ERROR')
        check_in(name, reply.details)
    for name in ('clientDataJSON', 'authenticatorData', 'signature'):
        for value in (None, 5, '', 'A', '*'):
            body = {**good, 'response': {**good['response'], name: value}}
            reply = complete_login(server, body)
            check_status(reply, 400, 'VALIDATION_ERROR')
            check_in(name, reply.details['response'])
    body = {**good, 'response': {**good['response'], 'clientDataJSON': base64url(b'{}')}}
    check_status(complete_login(server, body), 400, 'VALIDATION_ERROR')
    # None of this used the challenge up.
    check_session(server, complete_login(server, good))


def test_row_17_refuses(server):
    """Defect 1 of the contract: signature, origin, type, relying party, presence, counter; and the
    challenge is gone each time."""
    user = owner(server)
    key, other = user.key, Authenticator(origin_of(server))
    wrong, elsewhere = 'PASSKEY_INVALID', 'ORIGIN_MISMATCH'
    table = [
        ({'type': 'webauthn.create'}, wrong),
        ({'origin': 'https://evil.example.com'}, elsewhere),
        ({'origin': 'https://sub.localhost'}, elsewhere),
        ({'origin': ''}, elsewhere),
        ({'crossOrigin': True}, elsewhere),
        ({'rp_id': 'evil.example.com'}, elsewhere),
        ({'flags': UV}, wrong),
        ({'flags': UP | UV | BS}, wrong),
        ({'flags': UP | UV | BE}, wrong),
        ({'flags': UP | UV | AT}, wrong),
        ({'behind': b'x'}, wrong),
        ({'user_handle': b'somebody else'}, wrong),
        ({'user_handle': None}, wrong),
        ({'key': other.key}, wrong),
        ({'signature': b''.ljust(71, b'\x30')}, wrong),
        ({'signature': bytes.fromhex('3006020100020100')}, wrong),
        ({'signature': bytes.fromhex('3006020101020101')}, wrong),
        ({'signature': bytes(256)}, wrong),
        ({'flags': UP}, 'USER_VERIFICATION_REQUIRED'),
    ]
    for bent, reason in table:
        options = begin_login(server)
        reply = complete_login(server, key.get(options, **bent))
        check_status(reply, 401, 'AUTHENTICATION_ERROR', reason)
        check_not_in('set-cookie', reply.headers)
        reply = complete_login(server, key.get(options))
        check_status(reply, 401, 'AUTHENTICATION_ERROR', 'CHALLENGE_INVALID')
    body = key.get(begin_login(server))
    for change in ({'id': base64url(other.id), 'rawId': base64url(other.id)},
                   {'rawId': base64url(other.id)}):
        reply = complete_login(server, {**body, **change})
        check_status(reply, 401, 'AUTHENTICATION_ERROR')
        body = key.get(begin_login(server))
    # A byte that was changed after signing.
    for name in ('authenticatorData', 'signature', 'clientDataJSON'):
        body = key.get(begin_login(server))
        data = from_base64url(body['response'][name])
        at = -1 if name != 'clientDataJSON' else data.index(b'[1]') + 1
        changed = bytearray(data)
        changed[at] ^= 1
        body['response'][name] = base64url(bytes(changed))
        check_status(complete_login(server, body), 401, 'AUTHENTICATION_ERROR', wrong)
    check_session(server, login(server, key))


def test_an_rsa_signature_is_looked_at(server):
    user = server.user()
    key = register(server, user, Authenticator(origin_of(server), RS256))
    for signature in (bytes(256), b'\xff' * 256, b'\x01' * 255, os.urandom(256), b'\x01'):
        reply = login(server, key, signature=signature)
        check_status(reply, 401, 'AUTHENTICATION_ERROR', 'PASSKEY_INVALID')
    reply = login(server, key, key=Key(RS256))
    check_status(reply, 401, 'AUTHENTICATION_ERROR', 'PASSKEY_INVALID')
    check_session(server, login(server, key))


def test_an_answer_works_once(server):
    user = owner(server)
    body = user.key.get(begin_login(server))
    check_session(server, complete_login(server, body))
    check_status(complete_login(server, body), 401, 'AUTHENTICATION_ERROR', 'CHALLENGE_INVALID')


def test_one_answer_sent_fifty_times_at_once_makes_one_session(server):
    user = owner(server)
    body = user.key.get(begin_login(server))
    clients = [server.client() for _ in range(50)]
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        replies = list(pool.map(lambda client: client.post(f'{WEBAUTHN}/login/complete', body),
                                clients))
    check_equal(sorted(reply.status for reply in replies), [200] + [401] * 49)
    check_equal({reply.reason for reply in replies if reply.status == 401}, {'CHALLENGE_INVALID'})
    check_equal(user.get('/api/v1/auth/sessions').data['count'], 2)


def test_a_challenge_that_was_used_stays_so_when_the_plug_is_pulled():
    with Server(SETTINGS) as server:
        user = owner(server)
        used, waiting = (user.key.get(begin_login(server)) for _ in range(2))
        check_session(server, complete_login(server, used))
        refused = complete_login(server, user.key.get(begin_login(server), flags=0))
        check_status(refused, 401)
        server.kill()
        server.start()
        check_status(complete_login(server, used), 401, 'AUTHENTICATION_ERROR',
                     'CHALLENGE_INVALID')
        check_session(server, complete_login(server, waiting))
        check_equal(server.finish(), [])
        run = server.run('fsck', server.data)
        check_equal((run.returncode, run.stderr), (0, ''), run.stdout)
        server.start()


def test_too_many_are_429():
    with Server({'rate.passkey': '3', 'rate.register': '1000'}) as server:
        server.user()
        replies = [server.client().post(f'{WEBAUTHN}/login/begin') for _ in range(5)]
        check_equal([reply.status for reply in replies], [200, 200, 200, 429, 429])
        check(int(replies[-1].headers['retry-after']) >= 1)
        # Passwords are counted apart.
        check_status(server.login('nobody@example.com'), 401)


def test_a_copied_counter_is_refused_and_recorded(server):
    user = owner(server)
    key = user.key
    check_session(server, login(server, key, count=10))
    for count in (10, 9, 1, 0):
        reply = login(server, key, count=count)
        check_status(reply, 401, 'AUTHENTICATION_ERROR', 'PASSKEY_COUNTER')
    check_equal(len(events(server, user, 'webauthn.credential.cloned')), 4)
    check_equal(len(events(server, user, 'webauthn.login.failed')), 4)
    check_session(server, login(server, key, count=4294967295))
    check_status(login(server, key, count=4294967295), 401, 'AUTHENTICATION_ERROR')
    # One that never counts may go on so.
    never = owner(server).key
    for _ in range(3):
        check_session(server, login(server, never, count=0))


def test_passkeys_of_accounts_that_are_closed_or_suspended(server):
    user = owner(server)
    options, nameless = begin_login(server, email=user.email), begin_login(server)
    check_status(user.delete(ME), 200)
    for begun in (options, nameless):
        check_status(complete_login(server, user.key.get(begun)), 401, 'AUTHENTICATION_ERROR',
                     'PASSKEY_INVALID')
    again = server.user(email=user.email)
    check_equal(again.get(f'{WEBAUTHN}/status').data['credential_count'], 0)
    check_equal(again.user['mfa_enabled'], False)
    # Another may register the same authenticator now.
    register(server, again, user.key)


def test_passkeys_of_the_suspended(server):
    user, admin = owner(server), server.admin()
    path = f'/api/v1/users/{user.user["id"]}'
    check_status(admin.post(f'{path}/suspend', {'reason': 'too loud'}), 200)
    check_status(login(server, user.key), 403, 'AUTHORIZATION_ERROR', 'ACCOUNT_INACTIVE')
    # Only who has the passkey is told so.
    check_status(login(server, user.key, key=Key(ES256)), 401, 'AUTHENTICATION_ERROR')
    check_status(admin.post(f'{path}/reactivate'), 200)
    check_session(server, login(server, user.key))
    check_status(admin.post(f'{path}/reset-factors'), 200)
    check_status(login(server, user.key), 401, 'AUTHENTICATION_ERROR', 'PASSKEY_INVALID')
    check_session(server, server.login(user.email))


def test_passkeys_wait_for_a_confirmed_address():
    with Server(SETTINGS) as server:
        user = owner(server)
        server.settings['auth.require-verified-email'] = 'true'
        server.restart()
        check_status(login(server, user.key), 403, 'AUTHORIZATION_ERROR', 'EMAIL_NOT_VERIFIED')


# ---- behind a password ----

def test_a_password_login_asks_for_the_passkey(server):
    user = owner(server)
    reply = server.login(user.email)
    check_status(reply, 200)
    check_equal(set(reply.data), {'requires_webauthn', 'mfa_required', 'temp_token', 'expires_in',
                                  'code', 'methods'})
    check_equal((reply.data['requires_webauthn'], reply.data['methods']), (True, ['webauthn']))
    # A code that nobody asked for opens nothing.
    reply = server.login(user.email, totp_code='123456')
    check_equal(reply.data['requires_webauthn'], True)
    check_not_in('token', reply.data)
    # Being there is enough behind a password.
    for shown in (lambda begun: {'temp_token': begun.data['temp_token']},
                  lambda begun: {'cookie': cookie_of(begun)},
                  lambda begun: {'cookie': cookie_of(begun), 'email': user.email}):
        options = begin_login(server, **shown(pending(server, user)))
        check_equal([entry['id'] for entry in options['allowCredentials']],
                    [base64url(user.key.id)])
        reply = complete_login(server, user.key.get(options, flags=UP, user_handle=None))
        check_session(server, reply)
        check(reply.headers['set-cookie'].startswith('session=; Max-Age=0;'))


def test_a_password_login_is_used_up_by_its_passkey(server):
    user = owner(server)
    token = pending(server, user).data['temp_token']
    first, second = (begin_login(server, temp_token=token) for _ in range(2))
    check_session(server, complete_login(server, user.key.get(first, flags=UP)))
    reply = complete_login(server, user.key.get(second, flags=UP))
    check_status(reply, 401, 'AUTHENTICATION_ERROR', 'TOKEN_INVALID')
    reply = server.client().post(f'{WEBAUTHN}/login/begin', {'temp_token': token})
    check_status(reply, 401, 'AUTHENTICATION_ERROR', 'TOKEN_INVALID')
    # A cookie that is no longer good is as if there was none.
    check_equal(begin_login(server, cookie=f'session={token}')['allowCredentials'], [])


def test_a_password_login_wants_its_own_passkey(server):
    user, other = owner(server), owner(server)
    token = pending(server, user).data['temp_token']
    for number in range(5):  # factor.attempts
        options = begin_login(server, temp_token=token)
        reply = complete_login(server, other.key.get(options))
        check_status(reply, 401, 'AUTHENTICATION_ERROR', 'PASSKEY_INVALID')
    reply = server.client().post(f'{WEBAUTHN}/login/begin', {'temp_token': token})
    check_status(reply, 401, 'AUTHENTICATION_ERROR', 'TOKEN_INVALID')
    # The address of somebody else does not go with it.
    token = pending(server, user).data['temp_token']
    reply = server.client().post(f'{WEBAUTHN}/login/begin',
                                 {'temp_token': token, 'email': other.email})
    check_status(reply, 401, 'AUTHENTICATION_ERROR', 'TOKEN_INVALID')
    options = begin_login(server, cookie=f'session={token}', email=other.email)
    check_equal([entry['id'] for entry in options['allowCredentials']], [base64url(other.key.id)])
    check_status(complete_login(server, other.key.get(options, flags=UP)), 401,
                 'AUTHENTICATION_ERROR', 'USER_VERIFICATION_REQUIRED')


def test_a_changed_password_ends_the_login_that_waits(server):
    user = owner(server)
    token = pending(server, user).data['temp_token']
    options = begin_login(server, temp_token=token)
    check_status(user.post(f'{ME}/password', {
        'current_password': PASSWORD, 'new_password': PASSWORD + '2',
        'new_password_confirm': PASSWORD + '2'}), 200)
    check_status(complete_login(server, user.key.get(options)), 401, 'AUTHENTICATION_ERROR',
                 'TOKEN_INVALID')


def test_remember_me_is_kept(server):
    user = owner(server)

    def days(reply):
        stamp = time.strptime(reply.data['expires_at'].split('.')[0], '%Y-%m-%dT%H:%M:%S')
        return round((time.mktime(stamp) - time.mktime(time.gmtime())) / 86400)

    for remember, expected in ((True, 30), (False, 1)):
        begun = pending(server, user, remember_me=remember)
        options = begin_login(server, temp_token=begun.data['temp_token'])
        check_equal(days(complete_login(server, user.key.get(options))), expected)


def test_either_factor_will_do(server):
    user = owner(server)
    secret = user.post(f'{TOTP}/enroll')
    app = App(secret.data['secret'])
    check_status(user.post(f'{TOTP}/verify-enrollment', {'code': app.code()}), 200)
    begun = pending(server, user)
    check_equal((begun.data['requires_webauthn'], begun.data['methods']),
                (True, ['webauthn', 'totp']))
    check_not_in('requires_totp', begun.data)
    check_session(server, verify(server, app.code(), begun.data['temp_token']))
    options = begin_login(server, temp_token=pending(server, user).data['temp_token'])
    check_session(server, complete_login(server, user.key.get(options)))
    check_session(server, server.login(user.email, totp_code=secret.data['backup_codes'][0]))


def test_defect_2_a_begun_passkey_login_is_nothing_to_the_codes(server):
    user = owner(server)
    secret = user.post(f'{TOTP}/enroll')
    app = App(secret.data['secret'])
    check_status(user.post(f'{TOTP}/verify-enrollment', {'code': app.code()}), 200)
    reply = server.client().post(f'{WEBAUTHN}/login/begin', {'email': user.email})
    check_not_in('set-cookie', reply.headers)
    code = app.code()
    for cookie in (None, f'session={reply.json["challenge"]}'):
        check_status(verify(server, code, cookie=cookie), 401, 'AUTHENTICATION_ERROR')
    check_status(verify(server, code, reply.json['challenge']), 401, 'AUTHENTICATION_ERROR')


harness.main(globals())
