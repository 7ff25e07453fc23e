"""The second factor: rows 8 to 13 of the identity contract, F1 to F9 of the financial one, and the
login that waits for a code."""

import base64
import re
import shutil
import struct
import subprocess
import time
import urllib.parse
import zlib

import harness
from harness import Skipped, check, check_equal, check_in, check_not_in, check_status
from server import PASSWORD
from totp import TOTP, App, check_session, cookie_of, enrolled, pending, verify

# Locks have tests of their own; elsewhere they would hide what else is wrong.
SETTINGS = {'rate.enabled': 'false', 'lockout.failures': '1000',
            'lockout.account-failures': '1000', 'http.trusted-proxies': '127.0.0.1'}

AUTH = '/api/v1/auth'
ME = '/api/v1/users/me'
WHOAMI = f'{AUTH}/me'
STAMP_Z = re.compile(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z')
SETUP_KEYS = {'secret', 'provisioning_uri', 'uri', 'qr_code', 'qr_code_base64', 'backup_codes',
              'instructions'}


# ---- setting up ----

def test_row_8_enroll(server):
    user = server.user()
    reply = user.post(f'{TOTP}/enroll')
    check_status(reply, 201)
    check_equal(set(reply.data), SETUP_KEYS)
    check(re.fullmatch(r'[A-Z2-7]{32}', reply.data['secret']), reply.data['secret'])
    address = urllib.parse.quote(user.email, safe='')
    check_equal(reply.data['provisioning_uri'],
                f'otpauth://totp/Coffer:{address}?secret={reply.data["secret"]}&issuer=Coffer')
    check_equal(len(set(reply.data['backup_codes'])), 10)
    for code in reply.data['backup_codes']:
        check(re.fullmatch(r'[0-9A-F]{16}', code), code)
    check_equal(len(reply.data['instructions']), 3)
    # Not asked for before a code was shown.
    check_equal(user.get(f'{TOTP}/status').data,
                {'totp_enabled': False, 'verified_at': None, 'backup_codes_remaining': 0})
    check_not_in('temp_token', server.login(user.email).data)


def test_row_8_a_new_enrolment_replaces_an_unproven_one(server):
    user = server.user()
    first = App(user.post(f'{TOTP}/enroll').data['secret'])
    second = App(user.post(f'{TOTP}/enroll', {}).data['secret'])
    check(first.secret != second.secret)
    reply = user.post(f'{TOTP}/verify-enrollment', {'code': first.code()})
    check_status(reply, 401, 'AUTHENTICATION_ERROR', 'INVALID_CODE')
    check_status(user.post(f'{TOTP}/verify-enrollment', {'code': second.code()}), 200)
    for path, status, kind in ((f'{TOTP}/enroll', 409, 'CONFLICT'),
                               (f'{AUTH}/mfa/setup', 400, 'TWO_FACTOR_ALREADY_ENABLED'),
                               (f'{AUTH}/setup-2fa', 400, 'TWO_FACTOR_ALREADY_ENABLED'),
                               (f'{AUTH}/2fa/setup', 400, '2FA_ALREADY_ENABLED')):
        check_status(user.post(path), status, kind)


def test_row_9_verify_enrollment(server):
    user = server.user()
    path = f'{TOTP}/verify-enrollment'
    check_status(user.post(path, {'code': '123456'}), 401, 'AUTHENTICATION_ERROR')
    app = App(user.post(f'{TOTP}/enroll').data['secret'])
    for bad in ('12345', '1234567', 'abcdef', '12345\u0663', ''):
        reply = user.post(path, {'code': bad})
        check_status(reply, 400, 'VALIDATION_ERROR')
        check_equal(reply.details['code'], ['Code must be a 6-digit number'], bad)
    check_status(user.post(path, {'code': app.wrong_code()}), 401, 'AUTHENTICATION_ERROR')
    reply = user.post(path, {'code': app.code(), 'client_timestamp': None})
    check_status(reply, 200)
    check_equal(reply.data, None)
    check_status(user.post(path, {'code': app.code()}), 401, 'AUTHENTICATION_ERROR')
    for name in ('mfa_enabled', 'two_factor_enabled'):
        check_equal(user.get(ME).data['user'][name], True, name)


# ---- the picture ----

def png_modules(png):
    """The modules of a QR code's picture, margin included, True = dark. Checks the picture."""
    check_equal(png[:8], b'\x89PNG\r\n\x1a\n')
    chunks, at = {}, 8
    while at < len(png):
        length = struct.unpack('>I', png[at:at + 4])[0]
        kind, data = png[at + 4:at + 8], png[at + 8:at + 8 + length]
        check_equal(struct.unpack('>I', png[at + 8 + length:at + 12 + length])[0],
                    zlib.crc32(kind + data), str(kind))
        chunks[kind] = data
        at += 12 + length
    check_equal(list(chunks), [b'IHDR', b'IDAT', b'IEND'])
    width, height, depth, colour = struct.unpack('>IIBB', chunks[b'IHDR'][:10])
    check_equal((width, depth, colour, width % 10), (height, 1, 0, 0))
    rows = zlib.decompress(chunks[b'IDAT'])
    row_bytes = 1 + (width + 7) // 8
    check_equal(len(rows), row_bytes * height)
    pixels = []
    for y in range(height):
        row = rows[y * row_bytes:(y + 1) * row_bytes]
        check_equal(row[0], 0)
        pixels.append([row[1 + x // 8] >> (7 - x % 8) & 1 == 0 for x in range(width)])
    for y in range(height):
        for x in range(width):
            check_equal(pixels[y][x], pixels[y // 10 * 10][x // 10 * 10], f'pixel {x},{y}')
    return [[pixels[y][x] for x in range(0, width, 10)] for y in range(0, height, 10)]


def test_row_8_the_picture_says_the_address(server):
    for email in ('a@example.com', 'x' * 64 + '@' + 'y' * 60 + '.' + 'z' * 60 + '.example.com'):
        reply = server.user(email=email).post(f'{TOTP}/enroll')
        check_equal(reply.data['qr_code'], 'data:image/png;base64,' + reply.data['qr_code_base64'])
        png = base64.b64decode(reply.data['qr_code_base64'], validate=True)
        modules = png_modules(png)
        size = len(modules)
        for y in range(size):
            for x in range(size):
                if min(x, y, size - 1 - x, size - 1 - y) < 4:
                    check(not modules[y][x], f'the margin is dark at {x},{y}')
        # ISO/IEC 18004, 7.9: the first format bits, 01 for level L under the mask 10.
        check_equal((modules[12][4], modules[12][5]), (True, True), 'error level')
        if shutil.which('zbarimg') is None:
            raise Skipped('no zbarimg')
        run = subprocess.run(['zbarimg', '--quiet', '--raw', '-'], input=png, timeout=60,
                             capture_output=True)
        check_equal(run.stdout.decode().strip(), reply.data['uri'], run.stderr.decode())


# ---- the login ----

def test_a_login_waits_for_its_code(server):
    user = enrolled(server)
    reply = pending(server, user)
    check_equal(set(reply.data), {'requires_totp', 'mfa_required', 'temp_token', 'expires_in',
                                  'code', 'methods'})
    check_equal(reply.data['methods'], ['totp'])
    check_equal((reply.data['requires_totp'], reply.data['mfa_required'], reply.data['code'],
                 reply.data['expires_in']), (True, True, '2FA_REQUIRED', 300))
    check(re.fullmatch(r'[A-Za-z0-9_-]{43}', reply.data['temp_token']))
    # It is no session.
    for token in (reply.data['temp_token'], cookie_of(reply).split('=')[1]):
        check_status(server.client(token=token).get(WHOAMI), 401, 'INVALID_TOKEN')
    check_status(server.client().get(WHOAMI, headers={'Cookie': cookie_of(reply)}), 401)
    check_equal(user.get(ME).data['user']['last_login_at'], None)


def test_row_10_by_cookie_and_by_token(server):
    user = enrolled(server)
    reply = verify(server, user.app.code(), cookie=cookie_of(pending(server, user)))
    check_session(server, reply)
    check(STAMP_Z.fullmatch(reply.data['expires_at']))
    check_equal(reply.data['user']['mfa_enabled'], True)
    check(reply.data['user']['last_login_at'] is not None)
    check(reply.headers['set-cookie'].startswith('session=; Max-Age=0;'))
    begun = pending(server, user)
    reply = verify(server, user.backup_codes[0], begun.data['temp_token'], is_backup_code=True)
    check_session(server, reply)
    # A pending login makes one session.
    reply = verify(server, user.backup_codes[1], begun.data['temp_token'], is_backup_code='yes')
    check_status(reply, 401, 'AUTHENTICATION_ERROR')


def test_row_10_refuses(server):
    user = enrolled(server)
    table = [({}, 'code'), ({'code': 5}, 'code'), ({'code': '1', 'is_backup_code': 'x'},
             'is_backup_code'), ({'code': '1', 'client_timestamp': 'x'}, 'client_timestamp')]
    for body, field in table:
        reply = server.client().post(f'{TOTP}/verify', body)
        check_status(reply, 400, 'VALIDATION_ERROR')
        check_in(field, reply.details)
    check_status(verify(server, '123456'), 401, 'AUTHENTICATION_ERROR')
    check_status(verify(server, '123456', 'A' * 43), 401, 'AUTHENTICATION_ERROR')
    check_status(verify(server, '123456', cookie='session=x'), 401, 'AUTHENTICATION_ERROR')
    token = pending(server, user).data['temp_token']
    # The flag says which kind of code it is.
    for code, is_backup in ((user.app.code(), True), (user.backup_codes[0], False),
                            (user.backup_codes[0].lower(), True), ('', False)):
        reply = verify(server, code, token, is_backup_code=is_backup)
        check_status(reply, 401, 'AUTHENTICATION_ERROR', 'INVALID_CODE')
    check_session(server, verify(server, user.backup_codes[0], token, is_backup_code=True))


def test_a_code_in_the_login_works_at_once(server):
    user = enrolled(server)
    names = ('two_factor_code', 'mfa_code', 'totp_code')
    for name in names:
        reply = server.login(user.email, **{name: user.app.wrong_code()})
        check_status(reply, 401, 'INVALID_TWO_FACTOR', 'INVALID_TWO_FACTOR')
        check_not_in('set-cookie', reply.headers)
    for name, code in zip(names, [user.app.code()] + user.backup_codes):
        check_session(server, server.login(user.email, **{name: code}))
        check_status(server.login(user.email, **{name: code}), 401, 'INVALID_TWO_FACTOR')
    # The password comes first.
    reply = server.login(user.email, 'Wrong-Password-1', totp_code=user.app.code())
    check_status(reply, 401, 'AUTHENTICATION_ERROR', 'INVALID_CREDENTIALS')
    # And who has no app needs no code.
    check_session(server, server.login(server.user().email, totp_code='123456'))


def test_remember_me_is_kept_through_both_steps(server):
    user = enrolled(server)

    def days(reply):
        stamp = time.strptime(reply.data['expires_at'].split('.')[0], '%Y-%m-%dT%H:%M:%S')
        return round((time.mktime(stamp) - time.mktime(time.gmtime())) / 86400)

    for remember, expected in ((True, 30), (False, 1)):
        begun = pending(server, user, remember_me=remember)
        reply = verify(server, user.app.code(), begun.data['temp_token'])
        check_status(reply, 200)
        check_equal(days(reply), expected)


def test_a_pending_login_is_as_long_as_its_password(server):
    user = enrolled(server)
    begun = pending(server, user)
    changed = user.post(f'{ME}/password', {
        'current_password': PASSWORD, 'new_password': PASSWORD + '2',
        'new_password_confirm': PASSWORD + '2'})
    check_status(changed, 200)
    reply = verify(server, user.backup_codes[0], begun.data['temp_token'], is_backup_code=True)
    check_status(reply, 401, 'AUTHENTICATION_ERROR', 'TOKEN_INVALID')
    begun = pending(server, user, password=PASSWORD + '2')
    reply = verify(server, user.backup_codes[0], begun.data['temp_token'], is_backup_code=True)
    check_session(server, reply)


def test_a_closed_account_takes_its_factor_along(server):
    user = enrolled(server)
    begun = pending(server, user)
    check_status(user.delete(ME), 200)
    check_status(verify(server, user.app.code(), begun.data['temp_token']), 401)
    again = server.user(email=user.email)
    check_equal(again.get(f'{TOTP}/status').data['totp_enabled'], False)
    check_equal(again.user['mfa_enabled'], False)
    check_session(server, server.login(user.email))


def test_cookie_and_token_of_neighbours_stay_apart(server):
    first, second = enrolled(server), enrolled(server)
    begun = pending(server, first)
    # Somebody else's good code does not finish my login.
    reply = verify(server, second.app.code(), begun.data['temp_token'])
    check_status(reply, 401, 'AUTHENTICATION_ERROR', 'INVALID_CODE')
    # The token in the body says more than the cookie.
    reply = verify(server, second.app.code(), pending(server, second).data['temp_token'],
                   cookie=cookie_of(begun))
    check_session(server, reply)
    check_equal(reply.data['user']['id'], second.user['id'])
    # A repetition with the same Idempotency-Key and body but another cookie is another request.
    code, headers = first.app.code(), {'Idempotency-Key': 'same'}
    mine = server.client().post(f'{TOTP}/verify', {'code': code},
                                headers={**headers, 'Cookie': cookie_of(begun)})
    check_session(server, mine)
    theirs = server.client().post(f'{TOTP}/verify', {'code': code},
                                  headers={**headers, 'Cookie': cookie_of(pending(server, second))})
    check_status(theirs, 401, 'AUTHENTICATION_ERROR')


# ---- taking down, status, backup codes ----

def test_row_11_disable(server):
    user = server.user()
    path = f'{TOTP}/disable'
    check_status(user.delete(path), 400, 'BAD_REQUEST')
    check_status(user.delete(path, {}), 400, 'VALIDATION_ERROR')
    reply = user.delete(path, {'password': PASSWORD})
    check_status(reply, 401, 'AUTHENTICATION_ERROR', 'TWO_FACTOR_NOT_ENABLED')
    user = enrolled(server)
    for password in ('Wrong-Password-1', PASSWORD + 'x' * 72):
        reply = user.delete(path, {'password': password})
        check_status(reply, 401, 'AUTHENTICATION_ERROR', 'INVALID_CURRENT_PASSWORD')
    reply = user.delete(path, {'password': PASSWORD})
    check_status(reply, 200)
    check_equal(reply.data, None)
    check_equal(user.get(ME).data['user']['two_factor_enabled'], False)
    check_session(server, server.login(user.email))
    check_status(user.delete(path, {'password': PASSWORD}), 401, 'AUTHENTICATION_ERROR')


def test_row_12_status(server):
    user = enrolled(server)
    data = user.get(f'{TOTP}/status').data
    check_equal((data['totp_enabled'], data['backup_codes_remaining']), (True, 10))
    check(STAMP_Z.fullmatch(data['verified_at']), data['verified_at'])
    check_session(server, server.login(user.email, totp_code=user.backup_codes[3]))
    check_equal(user.get(f'{TOTP}/status').data['backup_codes_remaining'], 9)


def test_row_13_new_backup_codes(server):
    user = enrolled(server)
    path = f'{TOTP}/regenerate-backup-codes'
    check_status(user.post(path, {}), 400, 'VALIDATION_ERROR')
    check_status(user.post(path, {'password': 'Wrong-Password-1'}), 401, 'AUTHENTICATION_ERROR')
    check_session(server, server.login(user.email, totp_code=user.backup_codes[0]))
    reply = user.post(path, {'password': PASSWORD})
    check_status(reply, 200)
    check_equal(set(reply.data), {'backup_codes'})
    check_equal(len(set(reply.data['backup_codes']) - set(user.backup_codes)), 10)
    check_equal(user.get(f'{TOTP}/status').data['backup_codes_remaining'], 10)
    check_status(server.login(user.email, totp_code=user.backup_codes[1]), 401)
    check_session(server, server.login(user.email, totp_code=reply.data['backup_codes'][9]))


# ---- the financial paths ----

def test_f1_f2_setup_and_verify(server):
    user = server.user()
    path = f'{AUTH}/mfa/verify'
    check_status(user.post(path, {'code': '123456'}), 400, 'TWO_FACTOR_NOT_SETUP')
    reply = user.post(f'{AUTH}/mfa/setup', {})
    check_status(reply, 200)
    check_equal(set(reply.data), SETUP_KEYS)
    app = App(reply.data['secret'])
    check_status(user.post(path), 400, 'CODE_MISSING')
    check_status(user.post(path, {'code': app.wrong_code()}), 401, 'INVALID_CODE')
    reply = user.post(path, {'code': app.code()})
    check_status(reply, 200)
    check_equal(reply.data, {'two_factor_enabled': True, 'mfa_enabled': True})
    check_status(user.post(path, {'code': app.code()}), 400, 'TWO_FACTOR_NOT_SETUP')
    # The login step, with the same path.
    client = server.client()
    check_status(client.post(path, {'code': '123456'}), 400, 'MISSING_DATA')
    check_status(client.post(path, {'temp_token': 'A' * 43}), 400, 'MISSING_DATA')
    for token in ('A' * 43, 'x'):
        reply = client.post(path, {'code': '123456', 'temp_token': token})
        check_status(reply, 401, 'TOKEN_INVALID')
    begun = pending(server, user)
    reply = client.post(path, {'code': app.wrong_code(), 'temp_token': begun.data['temp_token']})
    check_status(reply, 401, 'INVALID_CODE')
    app.last_step -= 1  # the refused one was not used up
    reply = client.post(path, {'code': app.code()}, headers={'Cookie': cookie_of(begun)})
    check_session(server, reply)
    # temp_token says that it is a login, also when a session is there.
    begun = pending(server, user)
    reply = user.post(path, {'code': app.code(), 'temp_token': begun.data['temp_token']})
    check_session(server, reply)


def test_f2_refuses_bearers(server):
    user = server.user()
    client, path = server.client(), f'{AUTH}/mfa/verify'
    reply = client.post(path, {'code': '1'}, headers={'Authorization': 'Basic x'})
    check_status(reply, 401, 'INVALID_AUTH_FORMAT')
    check_status(client.post(path, {'code': '1'}, token='A' * 43), 401, 'INVALID_TOKEN')
    check_status(user.post(f'{AUTH}/logout'), 200)
    check_status(user.post(path, {'code': '1'}), 401, 'INVALID_TOKEN')


def test_f3_f4_setup_2fa_and_verify_2fa(server):
    user = server.user()
    path = f'{AUTH}/verify-2fa'
    check_status(user.post(path, {'code': '123456'}), 400, 'TWO_FACTOR_NOT_SETUP')
    check_status(user.post(path), 400, 'CODE_MISSING')
    reply = user.post(f'{AUTH}/setup-2fa')
    check_status(reply, 200)
    check_equal(set(reply.data), SETUP_KEYS)
    app = App(reply.data['secret'])
    check_status(user.post(path, {'code': app.wrong_code()}), 401, 'INVALID_CODE')
    reply = user.post(path, {'code': app.code()})
    check_status(reply, 200)
    check_equal(reply.data['two_factor_enabled'], True)


def test_f5_disable_2fa_wants_password_and_code(server):
    path = f'{AUTH}/disable-2fa'
    other = server.user()
    check_status(other.post(path, {'password': PASSWORD}), 400, 'TWO_FACTOR_NOT_ENABLED')
    user = enrolled(server)
    check_status(user.post(path), 401, 'PASSWORD_REQUIRED')
    check_status(user.post(path, {'code': user.app.code()}), 401, 'PASSWORD_REQUIRED')
    reply = user.post(path, {'password': 'Wrong-Password-1', 'code': '123456'})
    check_status(reply, 401, 'AUTHENTICATION_ERROR', 'INVALID_CURRENT_PASSWORD')
    check_status(user.post(path, {'password': PASSWORD}), 401, 'TWO_FACTOR_CODE_REQUIRED')
    reply = user.post(path, {'password': PASSWORD, 'code': user.app.wrong_code()})
    check_status(reply, 401, 'INVALID_CODE')
    check_equal(user.get(ME).data['user']['mfa_enabled'], True)
    reply = user.post(path, {'password': PASSWORD, 'code': user.app.code()})
    check_status(reply, 200)
    check_equal(reply.data['two_factor_enabled'], False)
    check_session(server, server.login(user.email))


def test_f6_f7_2fa_setup_and_enable(server):
    user = server.user()
    path = f'{AUTH}/2fa/enable'
    check_status(user.post(path), 400, 'MISSING_DATA')
    reply = user.post(path, {'secret': 'A' * 32, 'code': '123456'})
    check_status(reply, 401, 'INVALID_2FA_CODE')
    reply = user.post(f'{AUTH}/2fa/setup')
    check_status(reply, 200)
    check(SETUP_KEYS <= set(reply.data))
    app = App(reply.data['secret'])
    check_status(user.post(path, {'secret': app.secret}), 400, 'MISSING_DATA')
    check_status(user.post(path, {'code': app.code()}), 400, 'MISSING_DATA')
    app.last_step = 0
    reply = user.post(path, {'secret': 'A' * 32, 'code': app.code()})
    check_status(reply, 401, 'INVALID_2FA_CODE')
    app.last_step = 0
    reply = user.post(path, {'secret': app.secret, 'code': app.wrong_code()})
    check_status(reply, 401, 'INVALID_2FA_CODE')
    check_status(user.post(path, {'secret': app.secret, 'code': app.code()}), 200)
    reply = user.post(path, {'secret': app.secret, 'code': app.code()})
    check_status(reply, 400, '2FA_ALREADY_ENABLED')


def test_f8_2fa_verify(server):
    path = f'{AUTH}/2fa/verify'
    client = server.client()
    user = enrolled(server)
    check_status(client.post(path), 400, 'MISSING_DATA')
    check_status(client.post(path, {'code': '123456'}), 400, 'MISSING_DATA')
    reply = client.post(path, {'code': '123456', 'temp_token': 'A' * 43})
    check_status(reply, 401, 'TOKEN_INVALID')
    begun = pending(server, user)
    token = begun.data['temp_token']
    check_status(client.post(path, {'temp_token': token}), 400, 'MISSING_DATA')
    reply = client.post(path, {'code': user.app.wrong_code(), 'temp_token': token})
    check_status(reply, 401, 'INVALID_2FA_CODE')
    check_session(server, client.post(path, {'code': user.backup_codes[5], 'temp_token': token}))
    reply = client.post(path, {'code': user.app.code()},
                        headers={'Cookie': 'a=b; ' + cookie_of(pending(server, user))})
    check_session(server, reply)


def test_f9_2fa_disable_wants_a_code(server):
    path = f'{AUTH}/2fa/disable'
    check_status(server.user().post(path, {'code': '123456'}), 400, '2FA_NOT_ENABLED')
    user = enrolled(server)
    check_status(user.post(path), 400, 'MISSING_DATA')
    reply = user.post(path, {'code': user.app.used_code()})
    check_status(reply, 401, 'INVALID_2FA_CODE')
    check_status(user.post(path, {'code': user.app.code()}), 200)
    check_equal(user.get(f'{TOTP}/status').data['totp_enabled'], False)


def test_a_factor_that_went_away_while_a_login_waited(server):
    user = enrolled(server)
    tokens = [pending(server, user).data['temp_token'] for _ in range(3)]
    check_status(user.delete(f'{TOTP}/disable', {'password': PASSWORD}), 200)
    code = user.app.code()
    check_status(verify(server, code, tokens[0]), 401, 'AUTHENTICATION_ERROR',
                 'TWO_FACTOR_NOT_ENABLED')
    reply = verify(server, code, tokens[1], path=f'{AUTH}/2fa/verify')
    check_status(reply, 400, '2FA_NOT_ENABLED')
    reply = verify(server, code, tokens[2], path=f'{AUTH}/mfa/verify')
    check_status(reply, 400, 'TWO_FACTOR_NOT_SETUP')


harness.main(globals())
