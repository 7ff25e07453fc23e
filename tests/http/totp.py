"""One-time codes from the outside: RFC 6238 in Python, and a user who has set an app up."""

import base64
import hashlib
import hmac
import struct
import time

from harness import check, check_status
from server import PASSWORD

STEP_SECONDS = 30
TOTP = '/api/v1/auth/totp'
LOGIN_KEYS = {'user', 'user_id', 'token', 'expires_at', 'access_token', 'refresh_token',
              'token_type', 'expires_in', 'tokens', 'mfa_compliance', 'session_id'}


def totp_code(secret, step):
    """RFC 6238 with SHA-1 and six digits; `secret` in base32."""
    digest = hmac.new(base64.b32decode(secret), struct.pack('>Q', step), hashlib.sha1).digest()
    offset = digest[-1] & 15
    number = struct.unpack('>I', digest[offset:offset + 4])[0] & 0x7fffffff
    return f'{number % 10 ** 6:06}'


def step_now():
    return int(time.time()) // STEP_SECONDS


class App:
    """The app on somebody's telephone. Each code comes from a later step than the one before; the
    server takes the steps next to now, too, so that three come without waiting."""

    def __init__(self, secret):
        self.secret = secret
        self.last_step = 0

    def code(self):
        while True:
            into = time.time() % STEP_SECONDS
            # A step that ends soon could be out of the window before the server sees the code.
            first = step_now() - 1 if into < STEP_SECONDS - 8 else step_now()
            step = max(self.last_step + 1, first)
            if step <= step_now() + 1:
                break
            time.sleep(0.2)
        self.last_step = step
        return totp_code(self.secret, step)

    def used_code(self):
        return totp_code(self.secret, self.last_step)

    def wrong_code(self):
        good = {totp_code(self.secret, step_now() + delta) for delta in range(-2, 4)}
        return next(code for code in ('000000', '111111', '222222', '333333', '444444', '555555',
                                      '666666', '777777') if code not in good)


def enrolled(server, **fields):
    """A new user with an app: .app, .backup_codes, .email as of server.user()."""
    user = server.user(**fields)
    reply = user.post(f'{TOTP}/enroll')
    check_status(reply, 201)
    user.app = App(reply.data['secret'])
    user.backup_codes = reply.data['backup_codes']
    user.enrolment = reply
    check_status(user.post(f'{TOTP}/verify-enrollment', {'code': user.app.code()}), 200)
    return user


def pending(server, user, **fields):
    """Logs in with the password alone; the reply carries temp_token and cookie."""
    reply = server.login(user.email, fields.pop('password', PASSWORD), **fields)
    check_status(reply, 200)
    if 'temp_token' not in reply.data:
        raise AssertionError(f'the login asks for no code: {reply.text[:300]}')
    return reply


def cookie_of(reply):
    """`session=...` out of a Set-Cookie header."""
    return reply.headers['set-cookie'].split(';')[0]


def verify(server, code, token=None, cookie=None, path=f'{TOTP}/verify', **fields):
    """The second step of a login."""
    body = {'code': code, **fields}
    if token is not None:
        body['temp_token'] = token
    return server.client().post(path, body, headers={'Cookie': cookie})


def check_session(server, reply):
    check_status(reply, 200)
    check(LOGIN_KEYS <= set(reply.data), f'missing {LOGIN_KEYS - set(reply.data)}')
    for name in ('token', 'access_token'):
        check_status(server.client(token=reply.data[name]).get('/api/v1/auth/me'), 200)
