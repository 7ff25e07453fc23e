"""What the server promises about users, sessions, tokens, locks, idempotency keys and the audit
trail, as plainly as it can be said: dictionaries and ifs, no store, no batches, no hashes.

`Model.handle(request, reply)` is told what was sent and what came back. It raises Mismatch when the
reply is not the one that the rules demand, takes over what only the server could know (ids and
tokens), and changes its own state. With reply None the answer was lost: the request counts as
executed, and what it made is bound when it is seen for the first time.

Not modelled, because it takes longer than a run: anything that expires.
"""

import datetime
import ipaddress
import json
import re

MAILS_PER_HOUR_MAX = 3  # for one purpose
PAIR_FAILURES_MAX = 5
ACCOUNT_FAILURES_MAX = 20
DAY_SECONDS = 86400
CLOCK_SECONDS_OFF_MAX = 180

ME = '/api/v1/users/me'
PASSWORD = '/api/v1/users/me/password'
WHO = '/api/v1/auth/me'
REGISTER = '/api/v1/auth/register'
LOGIN = '/api/v1/auth/login'
REFRESH = '/api/v1/auth/refresh'
LOGOUT = '/api/v1/auth/logout'
SESSIONS = '/api/v1/auth/sessions'
EVENTS = '/api/v1/audit/events'

COMMON_PASSWORDS = ('password', '123456', 'password123', 'admin', 'qwerty', 'letmein', 'welcome',
                    'monkey', '1234567890', 'password1', 'flowlet', 'flowlet123')

# Deliberately wrong rules. A test that does not notice them proves nothing.
CANARIES = ('lock-after-six', 'locks-forget-accounts', 'reuse-is-harmless', 'logout-ends-all',
            'password-keeps-sessions', 'keys-forget', 'keys-keep-refusals', 'failures-unaudited')


class Mismatch(Exception):
    """The server did not do what the rules say."""


def expect(condition, text):
    if not condition:
        raise Mismatch(text)


def expect_equal(actual, expected, what):
    if actual != expected:
        raise Mismatch(f'{what} is {actual!r}, not {expected!r}')


class Request:
    """One request as it is sent. `about` says what the generator meant by it."""

    def __init__(self, about, method, path, fields=None, bearer=None, address='', agent='',
                 key=None, if_match=None, if_none_match=None, query=''):
        self.about = about
        self.method = method
        self.path = path
        self.fields = fields  # the body as an object, or None
        self.body = None if fields is None else json.dumps(fields).encode()
        self.bearer = bearer  # the whole Authorization header
        self.address = address
        self.agent = agent
        self.key = key
        self.if_match = if_match
        self.if_none_match = if_none_match
        self.query = query
        self.id = ''

    def __str__(self):
        extras = {'authorization': self.bearer, 'key': self.key, 'if-match': self.if_match,
                  'if-none-match': self.if_none_match}
        extras = ' '.join(f'{name}={value}' for name, value in extras.items() if value is not None)
        path = self.path + (f'?{self.query}' if self.query else '')
        text = (f'{self.id} [{self.about}] {self.method} {path} {(self.body or b"").decode()} '
                f'from {self.address} {extras}')
        return re.sub(r'\S{60,}', lambda long: f'{long[0][:24]}..{long[0][-12:]}', text)


class User:
    def __init__(self, email, password, full_name, avatar_url=None):
        self.id = None
        self.email = email
        self.password = password
        self.full_name = full_name
        self.avatar_url = avatar_url
        self.last_login_ip = None
        self.version = 0  # of what the ETag stands for
        self.etags = {}
        self.sessions = []
        self.events = []
        self.devices = set()  # (agent, network) of logins


class Session:
    def __init__(self, user, address, agent, is_remembered):
        self.id = None
        self.user = user
        self.address = address
        self.agent = agent
        self.is_remembered = is_remembered
        self.is_active = True


class Refresh:
    def __init__(self, session):
        self.session = session
        self.is_used = False


class Event:
    def __init__(self, request, action, resource_type, resource, outcome, error, actor, session,
                 tables):
        self.request = request
        self.action = action
        self.resource_type = resource_type
        self.resource = resource  # User, Session or None
        self.outcome = outcome
        self.error = error
        self.actor = actor
        self.session = session
        self.tables = tables  # those that `changed` names

    def check(self, view):
        """Against the server's record of it."""
        where = f'audit event of {self.request.id}:'
        expect_equal(view['request_id'], self.request.id, where + ' request_id')
        for name in ('action', 'resource_type', 'outcome'):
            expect_equal(view[name], getattr(self, name), f'{where} {name}')
        expect_equal(view['error_type'], self.error, where + ' error_type')
        expect_equal(view['address'], address_text(self.request.address), where + ' address')
        expect_equal(view['user_agent'], self.request.agent, where + ' user_agent')
        expect_equal(view['organization_id'], None, where + ' organization_id')
        for name, thing in (('actor_id', self.actor), ('session_id', self.session),
                            ('resource_id', self.resource)):
            if thing is None:
                expect_equal(view[name], None, f'{where} {name}')
            else:
                bind(thing, 'id', view[name], f'{where} {name}')
        changed = view['changed'].split(',') if view['changed'] else []
        expect_equal({name.split('.')[0] for name in changed}, self.tables, where + ' tables')


class Answer:
    """What a reply has to be. `learn` names the method that looks at its data."""

    def __init__(self, status, error=None, reason=None, faults=None, learn=None):
        self.status = status
        self.error = error
        self.reason = reason
        self.faults = faults
        self.learn = learn
        self.is_executed = False  # then an idempotency key keeps it


class Kept:
    def __init__(self, fingerprint, answer, body):
        self.fingerprint = fingerprint
        self.answer = answer
        self.body = body  # None: lost


def bind(thing, name, value, what):
    known = getattr(thing, name)
    if known is None:
        expect(value is not None, f'{what} is missing')
        setattr(thing, name, value)
    else:
        expect_equal(value, known, what)


def address_text(text):
    address = ipaddress.ip_address(text.split(',')[-1].strip())
    mapped = getattr(address, 'ipv4_mapped', None)
    return str(mapped or address)


def network(text):
    """What a known device may move in: an IPv4 /24, an IPv6 /48."""
    address = ipaddress.ip_address(address_text(text))
    return ipaddress.ip_network((address, 24 if address.version == 4 else 48), strict=False)


def seconds_from_now(text):
    then = datetime.datetime.fromisoformat(text.replace('Z', '+00:00'))
    return (then - datetime.datetime.now(datetime.timezone.utc)).total_seconds()


def password_is_acceptable(password):
    kinds = {'upper' if 'A' <= c <= 'Z' else 'lower' if 'a' <= c <= 'z' else
             'digit' if '0' <= c <= '9' else 'other' for c in password}
    runs = any(a == b == c for a, b, c in zip(password, password[1:], password[2:]))
    return (len(password) >= 12 and len(password.encode()) <= 72 and len(kinds) == 4 and
            not runs and password.lower() not in COMMON_PASSWORDS)


INVALID_TOKEN = ('INVALID_TOKEN', 'TOKEN_INVALID')
REFRESH_INVALID = ('TOKEN_INVALID', 'TOKEN_INVALID')


class Model:
    def __init__(self, canary=None):
        self.canary = canary
        self.emails = {}
        self.bearers = {}   # opaque and access tokens
        self.refreshes = {}
        self.failures = {}  # (email, address) and (email, None)
        self.locked = set()
        self.confirmations = {}  # mails sent, by address
        self.kept = {}
        self.events = {}    # by request id
        self.session_ids = set()
        self.has_restarted = False

    # ---- one request ----

    def handle(self, request, reply):
        answer = self._answer(request)
        if isinstance(answer, Kept):
            self._check_replay(answer, request, reply)
            return
        if reply is not None:
            self._check_reply(answer, request, reply)
        keeps = answer.is_executed or (self.canary == 'keys-keep-refusals' and
                                       answer.status in (409, 412))
        if request.key is not None and keeps:
            body = None if reply is None else reply.body
            self.kept[self._owner(request)] = Kept(self._fingerprint(request), answer, body)

    def _check_reply(self, answer, request, reply):
        told = f'{reply.status} {reply.error_type} {reply.reason}'
        expect(reply.status == answer.status and reply.error_type == answer.error and
               (answer.error is None or reply.reason == answer.reason),
               f'answered {told}, not {answer.status} {answer.error} {answer.reason}: '
               f'{reply.text[:300]}')
        if answer.faults is not None:
            expect_equal(sorted(reply.details), sorted(answer.faults), 'error.details')
        expect_equal(reply.headers.get('x-request-id'), request.id, 'X-Request-ID')
        if answer.learn is not None:
            self._learn(answer, reply, is_late=False)

    def _check_replay(self, kept, _request, reply):
        if reply is None:
            return
        expect_equal(reply.status, kept.answer.status, 'status of the repetition')
        if kept.body is not None:
            expect_equal(reply.body, kept.body, 'body of the repetition')
            return
        kept.body = reply.body
        expect_equal(reply.error_type, kept.answer.error, 'error.type of the lost answer')
        if kept.answer.learn is not None:
            self._learn(kept.answer, reply, is_late=True)

    def _learn(self, answer, reply, is_late):
        name, *things = answer.learn
        getattr(self, '_learn_' + name)(reply, is_late, *things)

    def _answer(self, request):
        """Answer, or Kept when the request repeats one."""
        if request.path.startswith(SESSIONS + '/'):
            return self._revoke(request)
        handlers = {('POST', REGISTER): self._register, ('POST', LOGIN): self._login,
                    ('POST', REFRESH): self._refresh, ('POST', LOGOUT): self._logout,
                    ('GET', WHO): self._who, ('GET', SESSIONS): self._sessions,
                    ('GET', ME): self._me, ('PATCH', ME): self._patch,
                    ('DELETE', ME): self._delete, ('POST', PASSWORD): self._password,
                    ('GET', EVENTS): self._events}
        return handlers[(request.method, request.path)](request)

    # ---- idempotency keys ----

    def _owner(self, request):
        session = self.bearers.get(request.bearer)
        is_public = request.path in (REGISTER, LOGIN, REFRESH)
        if session is not None and not is_public:
            return ('user', session.user, request.key)
        return ('address', address_text(request.address), request.bearer, request.key)

    @staticmethod
    def _fingerprint(request):
        return (request.method, request.path, request.query, request.body)

    def _repeated(self, request):
        if request.key is None or (self.canary == 'keys-forget' and self.has_restarted):
            return None
        kept = self.kept.get(self._owner(request))
        if kept is None:
            return None
        if kept.fingerprint != self._fingerprint(request):
            return Answer(422, 'IDEMPOTENCY_KEY_REUSED', 'IDEMPOTENCY_KEY_REUSED')
        return kept

    # ---- the trail ----

    def _note(self, request, action, resource_type, resource, outcome, error=None, actor=None,
              session=None, tables=()):
        event = Event(request, action, resource_type, resource, outcome, error, actor, session,
                      set(tables))
        self.events[request.id] = event
        if actor is not None:
            actor.events.append(event)

    # ---- who asks ----

    def _caller(self, request):
        """(session, None) or (None, refusal)."""
        if request.bearer is None:
            return None, Answer(401, 'AUTH_REQUIRED', 'TOKEN_MISSING')
        parts = request.bearer.split(' ', 1)
        token = parts[1].strip() if len(parts) == 2 else ''
        if parts[0].lower() != 'bearer' or not token or ' ' in token:
            return None, Answer(401, 'INVALID_AUTH_FORMAT', 'INVALID_AUTH_HEADER')
        session = self.bearers.get(request.bearer)
        if session is None or not session.is_active:
            return None, Answer(401, *INVALID_TOKEN)
        return session, None

    # ---- register ----

    def _register(self, request):
        body = request.fields
        faults = set()
        if '@' not in body['email']:
            faults.add('email')
        if len(body['password']) < 8:
            faults.add('password')
        if faults:
            return Answer(400, 'VALIDATION_ERROR', faults=faults)
        if not password_is_acceptable(body['password']):
            faults.add('password')
        if body.get('password_confirm', body['password']) != body['password']:
            faults.add('password_confirm')
        if faults:
            return Answer(400, 'VALIDATION_ERROR', faults=faults)
        repeated = self._repeated(request)
        if repeated is not None:
            return repeated
        email = body['email'].lower()
        if email in self.emails:
            return Answer(409, 'CONFLICT', 'EMAIL_EXISTS')
        full_name = body.get('full_name')
        if full_name is None and 'first_name' in body and 'last_name' in body:
            full_name = f'{body["first_name"]} {body["last_name"]}'
        user = User(email, body['password'], full_name)
        self.emails[email] = user
        session = self._session_open(user, request, False)
        self._note(request, 'user.register', 'user', user, 'success', actor=user,
                   tables={'users', 'sessions', 'refresh_tokens'} |
                   self._confirmation(email) | self._device(user, request))
        return self._executed(201, learn=('tokens', user, session))

    @staticmethod
    def _executed(status, error=None, reason=None, learn=None):
        answer = Answer(status, error, reason, learn=learn)
        answer.is_executed = True
        return answer

    @staticmethod
    def _session_open(user, request, is_remembered):
        session = Session(user, address_text(request.address), request.agent, is_remembered)
        user.sessions.append(session)
        return session

    def _learn_tokens(self, reply, is_late, user, session):
        data = reply.data
        self._check_view(data['user'], user, is_late)
        bind(session, 'id', data['session_id'], 'session_id')
        life = 30 * DAY_SECONDS if session.is_remembered else DAY_SECONDS
        self._check_expiry(data['expires_at'], life)
        self._token_new(self.bearers, 'Bearer ' + data['token'], session)
        self._pair_take(data, session)
        if not is_late:
            expect(session.id not in self.session_ids, 'a session id came twice')
            self.session_ids.add(session.id)

    @staticmethod
    def _check_expiry(text, life):
        off = seconds_from_now(text) - life
        expect(abs(off) < CLOCK_SECONDS_OFF_MAX, f'expires_at is {off:.0f} s off')

    @staticmethod
    def _token_new(tokens, token, value):
        expect(token not in tokens, 'a token came twice')
        tokens[token] = value

    def _pair_take(self, data, session):
        expect_equal(data['token_type'], 'Bearer', 'token_type')
        expect_equal(data['expires_in'], 900, 'expires_in')
        self._token_new(self.bearers, 'Bearer ' + data['access_token'], session)
        self._token_new(self.refreshes, data['refresh_token'], Refresh(session))

    @staticmethod
    def _check_view(view, user, is_late=False):
        bind(user, 'id', view['id'], 'user.id')
        expect_equal(view['email'], user.email, 'user.email')
        expect_equal(view['status'], 'active', 'user.status')
        expect_equal(view['role'], 'customer', 'user.role')
        if not is_late:
            for name in ('full_name', 'avatar_url', 'last_login_ip'):
                expect_equal(view[name], getattr(user, name), f'user.{name}')

    # ---- login ----

    def _login(self, request):
        body = request.fields
        repeated = self._repeated(request)
        if repeated is not None:
            return repeated
        email = body['email'].lower()
        user = self.emails.get(email)
        pair = (email, address_text(request.address))
        whole = (email, None)
        is_locked = pair in self.locked or whole in self.locked
        if user is None or user.password != body['password']:
            if not is_locked:
                self._fail(pair, PAIR_FAILURES_MAX + (self.canary == 'lock-after-six'))
                self._fail(whole, ACCOUNT_FAILURES_MAX)
            if self.canary != 'failures-unaudited':
                self._note(request, 'session.create', 'session', None, 'failed',
                           'AUTHENTICATION_ERROR', actor=user,
                           tables=() if is_locked else ('login_failures',))
            return self._executed(401, 'AUTHENTICATION_ERROR', 'INVALID_CREDENTIALS')
        if is_locked:
            self._note(request, 'session.create', 'session', None, 'failed', 'ACCOUNT_LOCKED',
                       actor=user)
            return self._executed(423, 'ACCOUNT_LOCKED', 'ACCOUNT_LOCKED', learn=('lock',))
        tables = {'users', 'sessions', 'refresh_tokens'}
        for key in (pair, whole):
            if self.failures.pop(key, None) is not None:
                tables.add('login_failures')
        tables |= self._device(user, request)
        user.last_login_ip = pair[1]
        user.version += 1
        session = self._session_open(user, request, body.get('remember_me', False))
        self._note(request, 'session.create', 'session', session, 'success', actor=user,
                   tables=tables)
        return self._executed(200, learn=('tokens', user, session))

    @staticmethod
    def _device(user, request):
        """What a login writes of where it came from. (No mail says so: nobody has confirmed the
        address here.)"""
        device = (request.agent, network(request.address))
        if device in user.devices:
            return set()
        user.devices.add(device)
        return {'devices'}

    def _confirmation(self, email):
        """What a mail to confirm the address writes: so many an hour, whoever owns it."""
        self.confirmations[email] = self.confirmations.get(email, 0) + 1
        is_sent = self.confirmations[email] <= MAILS_PER_HOUR_MAX
        return {'link_tokens', 'outbox', 'login_failures'} if is_sent else set()

    def _fail(self, key, limit):
        self.failures[key] = self.failures.get(key, 0) + 1
        is_forgotten = self.canary == 'locks-forget-accounts' and key[1] is None
        if self.failures[key] >= limit and not is_forgotten:
            self.locked.add(key)

    @staticmethod
    def _learn_lock(reply, is_late):
        wait = seconds_from_now(reply.details['locked_until'])
        expect(0 < wait <= 1800, f'locked_until is {wait:.0f} s away')
        if not is_late:
            expect(abs(int(reply.headers['retry-after']) - wait) < CLOCK_SECONDS_OFF_MAX,
                   f'Retry-After is {reply.headers["retry-after"]}')

    # ---- refresh ----

    def _refresh(self, request):
        token = (request.fields or {}).get('refresh_token')
        if len(token or '') > 1024:
            return Answer(400, 'VALIDATION_ERROR', faults={'refresh_token'})
        if token is None:
            if request.bearer is None:
                return Answer(400, 'MISSING_TOKEN', 'MISSING_TOKEN')
            parts = request.bearer.split(' ', 1)
            if parts[0].lower() != 'bearer' or len(parts) == 1:
                return Answer(401, 'INVALID_AUTH_FORMAT', 'INVALID_AUTH_HEADER')
            token = parts[1].strip()
        refresh = self.refreshes.get(token)
        # The account of a closed one is not looked up; nothing was done, nothing is written down.
        if refresh is None or self.emails.get(refresh.session.user.email) is not \
                refresh.session.user:
            return Answer(401, *REFRESH_INVALID)
        repeated = self._repeated(request)
        if repeated is not None:
            return repeated
        session = refresh.session
        if not session.is_active:
            self._note(request, 'session.refresh', 'session', None, 'refused', 'TOKEN_INVALID')
            return Answer(401, *REFRESH_INVALID)
        if refresh.is_used:
            if self.canary != 'reuse-is-harmless':
                session.is_active = False
            self._note(request, 'session.revoke', 'session', session, 'failed', 'TOKEN_INVALID',
                       actor=session.user, tables=('sessions',))
            return self._executed(401, *REFRESH_INVALID)
        refresh.is_used = True
        self._note(request, 'session.refresh', 'session', session, 'success', actor=session.user,
                   tables=('sessions', 'refresh_tokens'))
        return self._executed(200, learn=('pair', session))

    def _learn_pair(self, reply, is_late, session):
        self._check_view(reply.data['user'], session.user, is_late)
        life = 30 * DAY_SECONDS if session.is_remembered else DAY_SECONDS
        self._check_expiry(reply.data['expires_at'], life)
        self._pair_take(reply.data, session)

    # ---- sessions ----

    def _logout(self, request):
        session, refusal = self._caller(request)
        if refusal is not None:
            return refusal
        repeated = self._repeated(request)
        if repeated is not None:
            return repeated
        user = session.user
        is_all = (request.fields or {}).get('all_sessions', False) or \
            self.canary == 'logout-ends-all'
        for one in user.sessions if is_all else [session]:
            one.is_active = False
        self._note(request, 'session.revoke', 'session', session, 'success', actor=user,
                   session=session, tables=('sessions',))
        return self._executed(200)

    def _sessions(self, request):
        session, refusal = self._caller(request)
        return refusal or Answer(200, learn=('sessions', session))

    @staticmethod
    def _learn_sessions(reply, _is_late, current):
        active = [one for one in reversed(current.user.sessions) if one.is_active]
        expect_equal(reply.data['count'], len(active), 'count of sessions')
        expect_equal(len(reply.data['sessions']), len(active), 'length of sessions')
        for view, session in zip(reply.data['sessions'], active):
            bind(session, 'id', view['id'], 'session.id')
            expect_equal(view['user_id'], session.user.id, 'session.user_id')
            expect_equal(view['status'], 'active', 'session.status')
            expect_equal(view['ip_address'], session.address, 'session.ip_address')
            expect_equal(view['user_agent'], session.agent, 'session.user_agent')
            expect_equal(view['current'], session is current, 'session.current')
            expect_equal(view['revoked_at'], None, 'session.revoked_at')

    def _revoke(self, request):
        wanted = request.path[len(SESSIONS) + 1:]
        if len(wanted) != 36:
            return Answer(404, 'NOT_FOUND', 'NOT_FOUND')
        session, refusal = self._caller(request)
        if refusal is not None:
            return refusal
        repeated = self._repeated(request)
        if repeated is not None:
            return repeated
        user = session.user
        found = [one for one in user.sessions if one.id == wanted]
        if not found:
            return Answer(404, 'NOT_FOUND', 'NOT_FOUND')
        if found[0].is_active:
            found[0].is_active = False
            self._note(request, 'session.revoke', 'session', found[0], 'success', actor=user,
                       session=session, tables=('sessions',))
        return self._executed(200)

    # ---- the user ----

    def _who(self, request):
        session, refusal = self._caller(request)
        return refusal or Answer(200, learn=('user', session.user))

    def _learn_user(self, reply, is_late, user):
        self._check_view(reply.data['user'], user, is_late)

    def _me(self, request):
        session, refusal = self._caller(request)
        if refusal is not None:
            return refusal
        user = session.user
        known = request.if_none_match
        if known is not None and known in ('*', user.etags.get(user.version)):
            return Answer(304)
        return Answer(200, learn=('me', user))

    def _learn_me(self, reply, is_late, user):
        self._check_view(reply.data['user'], user, is_late)
        etag = reply.headers.get('etag')
        known = user.etags.setdefault(user.version, etag)
        expect_equal(etag, known, 'ETag')
        expect_equal(list(user.etags.values()).count(etag), 1, 'versions with this ETag')

    def _patch(self, request):
        session, refusal = self._caller(request)
        if refusal is not None:
            return refusal
        body = request.fields
        faults = {name for name, limit in (('full_name', 255), ('avatar_url', 512))
                  if len(body.get(name) or '') > limit}
        if not (body.get('avatar_url') or 'http://').startswith('http'):
            faults.add('avatar_url')
        faults |= set(body) - {'full_name', 'avatar_url'}
        if faults:
            return Answer(400, 'VALIDATION_ERROR', faults=faults)
        repeated = self._repeated(request)
        if repeated is not None:
            return repeated
        user = session.user
        if request.if_match is not None and \
                request.if_match not in ('*', user.etags.get(user.version)):
            return Answer(412, 'PRECONDITION_FAILED', 'PRECONDITION_FAILED')
        for name in body:
            setattr(user, name, body[name])
        if body:
            user.version += 1
            self._note(request, 'user.update', 'user', user, 'success', actor=user,
                       session=session, tables=('users',))
        return self._executed(200, learn=('user', user))

    def _delete(self, request):
        session, refusal = self._caller(request)
        if refusal is not None:
            return refusal
        repeated = self._repeated(request)
        if repeated is not None:
            return repeated
        user = session.user
        del self.emails[user.email]
        for one in user.sessions:
            one.is_active = False
        self._note(request, 'user.delete', 'user', user, 'success', actor=user, session=session,
                   tables=('users', 'sessions'))
        return self._executed(200)

    def _password(self, request):
        session, refusal = self._caller(request)
        if refusal is not None:
            return refusal
        body = request.fields
        faults = set()
        if len(body['new_password']) < 8:
            return Answer(400, 'VALIDATION_ERROR', faults={'new_password'})
        if not password_is_acceptable(body['new_password']):
            faults.add('new_password')
        if body['new_password_confirm'] != body['new_password']:
            faults.add('new_password_confirm')
        if faults:
            return Answer(400, 'VALIDATION_ERROR', faults=faults)
        if body['new_password'] == body['current_password']:
            return Answer(400, 'BAD_REQUEST', 'SAME_PASSWORD')
        repeated = self._repeated(request)
        if repeated is not None:
            return repeated
        user = session.user
        pair, whole = (user.email, address_text(request.address)), (user.email, None)
        if pair in self.locked or whole in self.locked:
            self._note(request, 'user.password_change', 'user', None, 'refused', 'ACCOUNT_LOCKED',
                       actor=user, session=session)
            return Answer(423, 'ACCOUNT_LOCKED', 'ACCOUNT_LOCKED', learn=('lock',))
        if body['current_password'] != user.password:
            self._fail(pair, PAIR_FAILURES_MAX + (self.canary == 'lock-after-six'))
            self._fail(whole, ACCOUNT_FAILURES_MAX)
            self._note(request, 'user.password_change', 'user', None, 'refused',
                       'AUTHENTICATION_ERROR', actor=user, session=session,
                       tables=('login_failures',))
            return Answer(401, 'AUTHENTICATION_ERROR', 'INVALID_CURRENT_PASSWORD')
        user.password = body['new_password']
        user.version += 1
        if self.canary != 'password-keeps-sessions':
            for one in user.sessions:
                one.is_active = False
        self._note(request, 'user.password_change', 'user', user, 'success', actor=user,
                   session=session, tables=('users', 'sessions'))
        return self._executed(200)

    # ---- reading the trail ----

    def _events(self, request):
        session, refusal = self._caller(request)
        if refusal is not None:
            return refusal
        wanted = dict(pair.split('=') for pair in request.query.split('&'))
        user = session.user
        if wanted.get('actor_id', user.id) != user.id:
            self._note(request, 'access.refused', None, None, 'refused', 'AUTHORIZATION_ERROR',
                       actor=user, session=session)
            return Answer(403, 'AUTHORIZATION_ERROR', 'INSUFFICIENT_PRIVILEGES')
        events = [event for event in reversed(user.events)
                  if wanted.get('action', event.action) == event.action and
                  wanted.get('outcome', event.outcome) == event.outcome]
        return Answer(200, learn=('events', events, int(wanted['limit'])))

    @staticmethod
    def _learn_events(reply, _is_late, events, limit):
        """The reply holds the newest; `pages` of it, when the lane went on, the others."""
        views = [view for page in reply.pages for view in page['events']]
        expect_equal([view['request_id'] for view in views],
                     [event.request.id for event in events], 'the requests of the own events')
        for page in reply.pages[:-1]:
            expect_equal(len(page['events']), limit, 'length of a page')
        for view, event in zip(views, events):
            event.check(view)
