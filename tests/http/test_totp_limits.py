"""The second factor under attack: codes used twice or fifty times at once, guessed, late, and one
test per defect of the identity contract's section 9 that touches it."""

import base64
import re
import threading
import time

import harness
from harness import check, check_equal, check_in, check_not_in, check_status, wait_until
from server import PASSWORD, Server
from totp import (TOTP, App, check_session, cookie_of, enrolled, pending, step_now, totp_code,
                  verify)

# Locks have tests of their own; elsewhere they would hide what else is wrong.
SETTINGS = {'rate.enabled': 'false', 'lockout.failures': '1000',
            'lockout.account-failures': '1000', 'http.trusted-proxies': '127.0.0.1'}

AUTH = '/api/v1/auth'
ME = '/api/v1/users/me'
WHOAMI = f'{AUTH}/me'
EVENTS = '/api/v1/audit/events'
STAMP_Z = re.compile(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z')


# ---- time: begins here, ends further down ----

SHORT = Server({'rate.enabled': 'false', 'factor.login-time': '10', 'factor.setup-time': '10',
                'session.fresh-time': '1', 'token.access-time': '10'})
waiting = {}


def test_short_lives_begin():
    SHORT.start()
    user = enrolled(SHORT)
    waiting['user'] = user
    waiting['replies'] = [pending(SHORT, user) for _ in range(3)]
    waiting['unproven'] = SHORT.user()
    waiting['app'] = App(waiting['unproven'].post(f'{TOTP}/enroll').data['secret'])
    waiting['since'] = time.monotonic()
    waiting['other'] = SHORT.user()


# ---- once and only once ----

def at_once(calls):
    """Runs all calls at the same moment; returns their results."""
    barrier = threading.Barrier(len(calls))
    results = [None] * len(calls)

    def run(index, call):
        barrier.wait()
        try:
            results[index] = call()
        except BaseException as error:  # shown by the caller
            results[index] = error

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        check(not isinstance(result, BaseException), repr(result))
    return results


def check_one_wins(server, user, code, count=50):
    client = server.client()
    tokens = [server.login(user.email, client=client).data['temp_token'] for _ in range(count)]
    clients = [server.client(is_plain=True) for _ in range(count)]
    path = f'{AUTH}/mfa/verify'
    for one in clients:
        one.connection.connect()
    replies = at_once([lambda one=one, token=token:
                       one.post(path, {'code': code, 'temp_token': token})
                       for one, token in zip(clients, tokens)])
    won = [reply for reply in replies if reply.status == 200]
    check_equal(len(won), 1, 'winners')
    for reply in replies:
        if reply.status != 200:
            check_status(reply, 401, 'INVALID_CODE')
    check_session(server, won[0])


def test_50_at_once_with_one_backup_code(server):
    user = enrolled(server)
    check_one_wins(server, user, user.backup_codes[7])
    check_equal(user.get(f'{TOTP}/status').data['backup_codes_remaining'], 9)
    sessions = user.get(f'{AUTH}/sessions').data['sessions']
    check_equal(len(sessions), 2, 'the one of the registration and the new one')


def test_50_at_once_with_one_app_code(server):
    user = enrolled(server)
    check_one_wins(server, user, user.app.code())


def test_50_at_once_with_one_pending_login(server):
    user = enrolled(server)
    token = pending(server, user).data['temp_token']
    codes = user.backup_codes * 5
    clients = [server.client(is_plain=True) for _ in codes]
    for one in clients:
        one.connection.connect()
    replies = at_once([lambda one=one, code=code: one.post(f'{AUTH}/2fa/verify', {
        'code': code, 'temp_token': token}) for one, code in zip(clients, codes)])
    check_equal(sum(reply.status == 200 for reply in replies), 1, 'winners')
    check_equal(user.get(f'{TOTP}/status').data['backup_codes_remaining'], 9)


def test_enabling_twice_at_once(server):
    user = server.user()
    app = App(user.post(f'{TOTP}/enroll').data['secret'])
    code = app.code()
    clients = [server.client(token=user.token, is_plain=True) for _ in range(10)]
    replies = at_once([lambda one=one: one.post(f'{TOTP}/verify-enrollment', {'code': code})
                       for one in clients])
    check_equal(sum(reply.status == 200 for reply in replies), 1, 'winners')


def test_what_was_used_stays_used_after_a_crash():
    with Server(SETTINGS) as server:
        user = enrolled(server)
        code, backup = user.app.code(), user.backup_codes[0]
        check_session(server, server.login(user.email, totp_code=code))
        check_session(server, server.login(user.email, totp_code=backup))
        token = pending(server, user).data['temp_token']
        server.kill()
        server.start()
        for used in (code, backup):
            check_status(server.login(user.email, totp_code=used), 401, 'INVALID_TWO_FACTOR')
        check_session(server, verify(server, user.app.code(), token))
        check_equal(server.finish(), [])
        for arguments in (('fsck', server.data), ('audit', 'verify', server.data)):
            run = server.run(*arguments)
            check_equal(run.returncode, 0, run.stdout + run.stderr)
        server.start()


# ---- limits ----

def test_five_tries_for_a_pending_login(server):
    user = enrolled(server)
    for path, wrong, dead in ((f'{TOTP}/verify', 'AUTHENTICATION_ERROR', 'AUTHENTICATION_ERROR'),
                              (f'{AUTH}/mfa/verify', 'INVALID_CODE', 'TOKEN_INVALID'),
                              (f'{AUTH}/2fa/verify', 'INVALID_2FA_CODE', 'TOKEN_INVALID')):
        token = pending(server, user).data['temp_token']
        for number in range(5):
            reply = verify(server, user.app.wrong_code(), token, path=path)
            check_status(reply, 401, wrong)
            check_equal('set-cookie' in reply.headers, number == 4, 'the cookie goes with it')
        reply = verify(server, user.app.wrong_code(), token, path=path)
        check_status(reply, 401, dead, 'TOKEN_INVALID')
    check_session(server, verify(server, user.app.code(), pending(server, user).data['temp_token']))


def test_wrong_codes_lock_the_factor_and_nothing_else():
    with Server({'rate.enabled': 'false', 'factor.attempts': '3', 'http.trusted-proxies':
                 '127.0.0.1', 'lockout.account-failures': '8'}) as server:
        user = enrolled(server)
        held = pending(server, user).data['temp_token']
        for _ in range(5):
            check_status(server.login(user.email, totp_code=user.app.wrong_code()), 401,
                         'INVALID_TWO_FACTOR')
        good = user.app.code()
        for path in (f'{TOTP}/verify', f'{AUTH}/mfa/verify', f'{AUTH}/2fa/verify'):
            reply = verify(server, good, held, path=path)
            check_status(reply, 423, 'ACCOUNT_LOCKED')
            check(STAMP_Z.fullmatch(reply.details['locked_until']), str(reply.details))
            check(1700 < int(reply.headers['retry-after']) <= 1801, reply.headers['retry-after'])
        check_status(server.login(user.email), 423, 'ACCOUNT_LOCKED')
        check_status(server.login(user.email, totp_code=good), 423, 'ACCOUNT_LOCKED')
        check_status(user.post(f'{AUTH}/disable-2fa', {'password': PASSWORD, 'code': good}), 423)
        check_status(user.post(f'{AUTH}/2fa/disable', {'code': good}), 423, 'ACCOUNT_LOCKED')
        # Whoever does not know the password learns nothing of it.
        reply = server.login(user.email, 'Wrong-Password-1')
        check_status(reply, 401, 'AUTHENTICATION_ERROR', 'INVALID_CREDENTIALS')
        # From another address it goes on, until the whole account is locked.
        far = server.client(address='203.0.113.7')
        begun = server.login(user.email, client=far)
        check_status(begun, 200)
        for number in range(3):
            reply = far.post(f'{TOTP}/verify', {'code': user.app.wrong_code(),
                                                'temp_token': begun.data['temp_token']})
            check_status(reply, 401, 'AUTHENTICATION_ERROR', 'INVALID_CODE')
        check_status(server.login(user.email, client=server.client(address='203.0.113.8')), 423)
        # The session that is there goes on.
        check_status(user.get(WHOAMI), 200)


def test_a_good_code_forgets_the_failures():
    with Server({'rate.enabled': 'false', 'lockout.failures': '3'}) as server:
        user = enrolled(server)
        for code in user.backup_codes[:3]:
            for _ in range(2):
                check_status(server.login(user.email, totp_code=user.app.wrong_code()), 401)
            check_session(server, server.login(user.email, totp_code=code))


def test_wrong_codes_of_a_session_count_too(server):
    with Server({'rate.enabled': 'false'}) as strict:
        user = enrolled(strict)
        for _ in range(5):
            reply = user.post(f'{AUTH}/2fa/disable', {'code': user.app.wrong_code()})
            check_status(reply, 401, 'INVALID_2FA_CODE')
        check_status(user.post(f'{AUTH}/2fa/disable', {'code': user.app.code()}), 423)


# ---- audit ----

def test_every_step_leaves_its_action(server):
    user = enrolled(server)
    verify(server, user.app.wrong_code(), pending(server, user).data['temp_token'])
    verify(server, user.app.code(), pending(server, user).data['temp_token'])
    server.login(user.email, totp_code=user.backup_codes[0])
    user.post(f'{TOTP}/regenerate-backup-codes', {'password': PASSWORD})
    user.delete(f'{TOTP}/disable', {'password': PASSWORD})
    events = user.get(f'{EVENTS}?limit=100').data['events']
    events.sort(key=lambda event: event['sequence'])
    check_equal([(event['action'], event['outcome']) for event in events], [
        ('user.register', 'success'), ('totp.enroll.initiated', 'success'),
        ('totp.enroll.completed', 'success'), ('user.login.pending', 'success'),
        ('totp.verify.failed', 'failed'), ('user.login.pending', 'success'),
        ('totp.verify.success', 'success'), ('session.create', 'success'),
        ('totp.backup_code.used', 'success'), ('session.create', 'success'),
        ('totp.backup_codes.regenerated', 'success'), ('totp.disabled', 'success')])
    for event in events:
        check_equal(event['actor_id'], user.user['id'])


# ---- one test per defect of section 9 ----

def test_defect_2_no_session_without_the_password(server):
    user = enrolled(server)
    code = user.app.code()
    # No pending login, or one that something else began.
    check_status(verify(server, code), 401, 'AUTHENTICATION_ERROR')
    begun = server.client().post(f'{AUTH}/webauthn/login/begin', {'email': user.email})
    if 'set-cookie' in begun.headers:
        check_status(verify(server, code, cookie=cookie_of(begun)), 401, 'AUTHENTICATION_ERROR')
    for token in (user.token, user.reply.data['refresh_token'], user.reply.data['access_token']):
        check_status(verify(server, code, token), 401, 'AUTHENTICATION_ERROR')
        check_status(verify(server, code, cookie=f'session={token}'), 401, 'AUTHENTICATION_ERROR')


def test_defect_3_the_callers_clock_does_not_count(server):
    user = enrolled(server)
    month_ago = step_now() - 30 * 2880
    token = pending(server, user).data['temp_token']
    for step in (month_ago, step_now() - 3, step_now() + 3):
        reply = verify(server, totp_code(user.app.secret, step), token, client_timestamp=step * 30)
        check_status(reply, 401, 'AUTHENTICATION_ERROR', 'INVALID_CODE')
    other = server.user()
    secret = other.post(f'{TOTP}/enroll').data['secret']
    reply = other.post(f'{TOTP}/verify-enrollment', {
        'code': totp_code(secret, month_ago), 'client_timestamp': month_ago * 30})
    check_status(reply, 401, 'AUTHENTICATION_ERROR')
    code = user.app.code()
    check_session(server, verify(server, code, token, client_timestamp=0))
    # And a step works once, from the enrolment on; older ones are over, too.
    for used in (code, totp_code(user.app.secret, user.app.last_step - 1)):
        reply = verify(server, used, pending(server, user).data['temp_token'])
        check_status(reply, 401, 'AUTHENTICATION_ERROR', 'INVALID_CODE')


def test_defect_21_only_the_right_password_shows_that_there_is_a_factor(server):
    user = enrolled(server)
    replies = [server.login(email, 'Wrong-Password-1')
               for email in (user.email, 'nobody@example.com')]
    for reply in replies:
        check_status(reply, 401, 'AUTHENTICATION_ERROR', 'INVALID_CREDENTIALS')
        check_not_in('set-cookie', reply.headers)
    check_equal(replies[0].details, replies[1].details)
    check_equal(replies[0].json['message'], replies[1].json['message'])


def test_defect_22_too_many_codes_are_429():
    with Server({'rate.factor': '3', 'rate.login': '1000', 'rate.register': '1000'}) as server:
        user = server.user()
        for number in range(5):
            reply = verify(server, '123456', 'A' * 43)
            check_equal(reply.status, 401 if number < 3 else 429)
        check_equal(reply.error_type, 'RATE_LIMIT_EXCEEDED')
        check(int(reply.headers['retry-after']) >= 1)
        # Who is logged in counts alone; and logins are counted apart.
        check_status(user.post(f'{TOTP}/enroll'), 201)
        check_status(server.login(user.email), 200)


def test_defects_23_and_24_no_secret_in_log_or_store():
    with Server({**SETTINGS, 'log.level': 'debug'}) as server:
        user = enrolled(server)
        code = user.app.code()
        begun = pending(server, user)
        reply = verify(server, code, begun.data['temp_token'])
        check_session(server, reply)
        check_session(server, server.login(user.email, totp_code=user.backup_codes[0]))
        check_equal(server.finish(), [])
        log = server.log()
        secrets = [user.app.secret, code, begun.data['temp_token'], reply.data['token'],
                   reply.data['refresh_token'], *user.backup_codes]
        for secret in secrets:
            check_not_in(secret, log)
        with open(f'{server.data}/data.mdb', 'rb') as store:
            content = store.read()
        check(user.email.encode() in content, 'the store does not hold what it should')
        secrets.remove(code)  # six digits may stand anywhere
        for secret in secrets:
            check(secret.encode() not in content, f'{secret} is in the store')
        check(base64.b32decode(user.app.secret) not in content, 'the secret is in the store')
        server.start()


def test_defect_25_no_password_is_cut(server):
    base = 'Aa1-' * 18
    user = enrolled(server, password=base)
    reply = user.delete(f'{TOTP}/disable', {'password': base + 'x'})
    check_status(reply, 401, 'AUTHENTICATION_ERROR')
    check_status(user.delete(f'{TOTP}/disable', {'password': base}), 200)


def test_defect_26_pending_logins_are_short_and_the_cookie_is_tight(server):
    user = enrolled(server)
    first, second = pending(server, user), pending(server, user)
    check(cookie_of(first) != cookie_of(second), 'each login has its own')
    check_equal(first.headers['set-cookie'],
                f'session={first.data["temp_token"]}; Max-Age=300; Path=/; HttpOnly; Secure; '
                'SameSite=Strict')
    for reply in (server.client().get('/health'), server.client().get('/nothing'),
                  server.login(server.user().email), user.get(WHOAMI), user.enrolment):
        check_not_in('set-cookie', reply.headers)


def test_defect_27_every_server_has_keys_of_its_own(server):
    with Server(SETTINGS) as other:
        keys = [open(f'{one.data}.key', encoding='ascii').read() for one in (server, other)]
        check(keys[0] != keys[1])
        user = enrolled(server)
        token = pending(server, user).data['temp_token']
        check_status(verify(other, user.app.code(), token), 401, 'AUTHENTICATION_ERROR')


def test_defect_28_request_ids_are_bounded(server):
    user = enrolled(server)
    token = pending(server, user).data['temp_token']
    reply = server.client().post(f'{TOTP}/verify', {'code': user.app.code(), 'temp_token': token},
                                 headers={'X-Request-ID': 'x' * 4000})
    check_session(server, reply)
    check(len(reply.headers['x-request-id']) == 36)


def test_defect_29_a_stale_session_cannot_set_up_a_factor():
    user = waiting['other']
    wait_until(lambda: time.monotonic() > waiting['since'] + 1.5, 'stale')
    for path in (f'{TOTP}/enroll', f'{AUTH}/mfa/setup', f'{AUTH}/setup-2fa', f'{AUTH}/2fa/setup'):
        check_status(user.post(path), 401, 'AUTHENTICATION_ERROR', 'PASSWORD_REQUIRED')
        reply = user.post(path, {'password': 'Wrong-Password-1'})
        check_status(reply, 401, 'AUTHENTICATION_ERROR', 'INVALID_CURRENT_PASSWORD')
        check(user.post(path, {'password': PASSWORD}).status in (200, 201), path)
    # A new login is as good as the password.
    token = SHORT.login(user.email).data['token']
    check_status(user.post(f'{TOTP}/enroll', token=token), 201)


def test_defect_29_no_backup_codes_for_an_unproven_factor(server):
    user = server.user()
    check_status(user.post(f'{TOTP}/enroll'), 201)
    for method, path in (('POST', f'{TOTP}/regenerate-backup-codes'),
                         ('DELETE', f'{TOTP}/disable')):
        reply = user.request(method, path, {'password': PASSWORD})
        check_status(reply, 401, 'AUTHENTICATION_ERROR', 'TWO_FACTOR_NOT_ENABLED')


def test_defect_30_the_address_comes_from_the_socket():
    with Server({'rate.enabled': 'false'}) as server:  # trusts no proxy
        user = enrolled(server)
        for number in range(5):
            client = server.client(address=f'203.0.113.{number}')
            reply = server.login(user.email, client=client, totp_code=user.app.wrong_code())
            check_status(reply, 401, 'INVALID_TWO_FACTOR')
        client = server.client(address='203.0.113.99')
        check_status(server.login(user.email, client=client), 423, 'ACCOUNT_LOCKED')


def test_defect_31_a_wrong_backup_code_is_401(server):
    user = enrolled(server)
    token = pending(server, user).data['temp_token']
    for code in ('0' * 16, 'x', 'G' * 16, '\u00e4' * 16):
        reply = verify(server, code, token, is_backup_code=True)
        check_status(reply, 401, 'AUTHENTICATION_ERROR', 'INVALID_CODE')


# ---- time: what began at the top ----

def test_pending_logins_end():
    user = waiting['user']
    wait_until(lambda: time.monotonic() > waiting['since'] + 11, 'ten seconds')
    tokens = [reply.data['temp_token'] for reply in waiting['replies']]
    code = user.backup_codes[0]
    reply = verify(SHORT, code, tokens[0], is_backup_code=True)
    check_status(reply, 401, 'AUTHENTICATION_ERROR', 'TOKEN_INVALID')
    check_status(verify(SHORT, code, tokens[1], path=f'{AUTH}/mfa/verify'), 401, 'TOKEN_EXPIRED')
    check_status(verify(SHORT, code, tokens[2], path=f'{AUTH}/2fa/verify'), 401, 'TOKEN_EXPIRED')
    check_session(SHORT, verify(SHORT, code, pending(SHORT, user).data['temp_token'],
                                is_backup_code=True))
    # Bearers that have expired, on the path that takes both.
    path = f'{AUTH}/mfa/verify'
    reply = user.post(path, {'code': '1'}, token=user.reply.data['access_token'])
    check_status(reply, 401, 'INVALID_TOKEN', 'TOKEN_EXPIRED')


def test_unproven_setups_end():
    user, code = waiting['unproven'], waiting['app'].code()
    check_status(user.post(f'{TOTP}/verify-enrollment', {'code': code}), 401,
                 'AUTHENTICATION_ERROR', 'TWO_FACTOR_NOT_ENABLED')
    check_status(user.post(f'{AUTH}/verify-2fa', {'code': code}), 400, 'TWO_FACTOR_NOT_SETUP')
    check_equal(user.get(ME).data['user']['mfa_enabled'], False)


def test_short_lives_end():
    check_equal(SHORT.stop(), [])


harness.main(globals())
