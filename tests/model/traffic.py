"""Random requests of one client, weighted anew for every run (swarm testing: some kinds are left
out, some come often), over few accounts of which two are hot, so that rules get in each other's
way. What is asked next depends on the seed and on what the model knows; on nothing else."""

import random

import model
from model import Request

ACCOUNTS = 8
KEYS = 8
HISTORY_MAX = 24
AGENTS = ('model/1', 'curl/7.88.1', 'Mozilla/5.0 (X11; Linux x86_64) "quoted"')
PASSWORDS = ('Correct-Horse-42-Battery', 'p4sSw\u00f6rd of many words', 'Zz9!Zz9!Zz9!' * 6)
BAD_PASSWORDS = ('sH0rt!', 'Nearly-enough-but-no-digit', 'Aaaa-repeats-1111', 'nO-1-upper',
                 'Z9!' * 25)
NO_PASSWORDS = ('wrong', 'Correct-Horse-42-battery', 'Zz9!' * 19, 'x' * 1000)
NAMES = ('Ada', 'Grace \u2603', '', None, 'a' * 255)
URLS = ('http://example.com/a.png', 'https://example.com/?q=1', None)

# How often a kind comes when it is neither left out nor favoured.
WEIGHTS = {
    'register': 5, 'register_badly': 1, 'login': 8, 'login_wrongly': 8, 'who': 4, 'me': 4,
    'sessions': 4, 'events': 2, 'patch': 6, 'patch_badly': 1, 'logout': 2, 'revoke': 3,
    'revoke_foreign': 1, 'refresh': 8, 'refresh_badly': 1, 'password': 3, 'delete': 1,
    'repeat': 5, 'junk': 2, 'siege': 1,
}
ALWAYS = ('register', 'login', 'sessions', 'siege')


def address_list(lane):
    """Four clients, some under several names."""
    return ([f'10.{lane}.0.1', f'::ffff:10.{lane}.0.1', f'192.0.2.7, 10.{lane}.0.1'],
            [f'10.{lane}.0.2'],
            [f'2001:db8:{lane:x}::1', f'2001:DB8:{lane:x}:0:0:0:0:1'],
            [f'10.{lane}.0.4'], [f'10.{lane}.0.5'], [f'10.{lane}.0.6'])


class Traffic:
    def __init__(self, seed, lane, foreign_ids):
        self.random = random.Random(f'{seed} {lane}')
        self.lane = lane
        self.foreign_ids = foreign_ids  # called with ours: a session id of somebody else, or None
        self.addresses = address_list(lane)
        self.accounts = [f'User{number}.lane{lane}@example.com' for number in range(ACCOUNTS)]
        self.history = []
        self.pending = []  # requests of a siege that goes on
        factors = {kind: self.random.choice((0, 1, 1, 1, 4)) for kind in WEIGHTS}
        factors.update({kind: max(1, factors[kind]) for kind in ALWAYS})
        self.kinds = list(WEIGHTS)
        self.weights = [WEIGHTS[kind] * factors[kind] for kind in self.kinds]
        self.key_share = self.random.choice((0.0, 0.2, 0.6))
        self.wanders = self.random.choice((0.1, 0.5, 1.0))  # how often the address changes
        self.address = self.addresses[0]

    # ---- picking ----

    def chance(self, share):
        return self.random.random() < share

    def pick(self, things):
        return self.random.choice(things)

    def pick_account(self):
        hot = self.chance(0.7)
        name = self.pick(self.accounts[:2] if hot else self.accounts[2:])
        return name.lower() if self.chance(0.5) else name

    def pick_live_account(self, world):
        live = sorted(world.emails)
        return self.pick(live) if live and self.chance(0.9) else self.pick_account().lower()

    def pick_session(self, world):
        """A session, mostly a live one of a hot user; None when there is none at all."""
        users = sorted(world.emails.values(), key=lambda user: user.email)
        live = [one for user in users for one in user.sessions if one.is_active]
        every = list(dict.fromkeys(world.bearers.values()))
        if live and self.chance(0.9):
            return self.pick(live[-6:] if self.chance(0.7) else live)
        return self.pick(every) if every else None

    def pick_bearer(self, world):
        """An Authorization header that the model knows."""
        session = self.pick_session(world)
        bearers = [text for text, owner in world.bearers.items() if owner is session]
        return self.pick(bearers) if bearers else 'Bearer ' + 'A' * 43

    def request(self, about, method, path, fields=None, **options):
        if self.chance(self.wanders):
            self.address = self.pick(self.addresses)
        request = Request(about, method, path, fields, address=self.pick(self.address),
                          agent=self.pick(AGENTS), **options)
        if method != 'GET' and self.chance(self.key_share):
            request.key = f'key-{self.lane}-{self.random.randrange(KEYS)}'
            self.history = self.history[1 - HISTORY_MAX:] + [request]
        return request

    def next(self, world):
        request = self.pending.pop() if self.pending else None
        while request is None:
            kind = self.random.choices(self.kinds, self.weights)[0]
            request = getattr(self, 'make_' + kind)(world)
            request = self.pending.pop() if self.pending else request
        return request

    # ---- accounts ----

    def make_register(self, _world):
        fields = {'email': self.pick_account(), 'password': self.pick(PASSWORDS)}
        kind = self.random.randrange(4)
        if kind == 0:
            fields.update(first_name='Ada', last_name='Lovelace', terms_accepted=True)
        elif kind == 1:
            fields.update(full_name=self.pick(NAMES), password_confirm=fields['password'])
        elif kind == 2:
            fields.update(full_name='Grace', phone='+49 30 123456', date_of_birth='1990-02-28')
        return self.request('register', 'POST', model.REGISTER, fields)

    def make_register_badly(self, _world):
        fields = {'email': self.pick_account(), 'password': self.pick(PASSWORDS)}
        kind = self.random.randrange(3)
        if kind == 0:
            fields['email'] = 'nobody'
        elif kind == 1:
            fields['password'] = self.pick(BAD_PASSWORDS)
        else:
            fields['password_confirm'] = 'something else'
        return self.request('bad registration', 'POST', model.REGISTER, fields)

    def make_login(self, world):
        email = self.pick_live_account(world)
        user = world.emails.get(email)
        fields = {'email': email.upper() if self.chance(0.1) else email,
                  'password': user.password if user else self.pick(PASSWORDS)}
        if self.chance(0.2):
            fields['remember_me'] = self.chance(0.5)
        return self.request('login', 'POST', model.LOGIN, fields)

    def make_login_wrongly(self, world):
        email = self.pick_live_account(world) if self.chance(0.6) else self.pick_account()
        fields = {'email': email, 'password': self.pick(NO_PASSWORDS)}
        return self.request('wrong login', 'POST', model.LOGIN, fields)

    def make_siege(self, world):
        """Somebody tries an account from everywhere; then the owner comes."""
        email = self.pick_live_account(world)
        user = world.emails.get(email)
        owner = {'email': email, 'password': user.password if user else self.pick(PASSWORDS)}
        self.pending = [Request('owner', 'POST', model.LOGIN, address=self.pick(addresses),
                                agent='owner', fields=owner) for addresses in self.addresses[:2]]
        for number in range(self.random.randrange(17, 23)):
            addresses = self.addresses[number % len(self.addresses)]
            fields = {'email': email, 'password': self.pick(NO_PASSWORDS)}
            self.pending.append(Request('siege', 'POST', model.LOGIN, fields=fields,
                                        address=self.pick(addresses), agent='siege'))
        return None

    def make_password(self, world):
        session = self.pick_session(world)
        if session is None:
            return None
        current = session.user.password if self.chance(0.6) else self.pick(PASSWORDS)
        new = self.pick(PASSWORDS if self.chance(0.8) else BAD_PASSWORDS)
        fields = {'current_password': current, 'new_password': new,
                  'new_password_confirm': new if self.chance(0.9) else 'another one'}
        bearers = [text for text, owner in world.bearers.items() if owner is session]
        if not bearers:
            return None
        return self.request('password', 'POST', model.PASSWORD, fields, bearer=self.pick(bearers))

    def make_delete(self, world):
        return self.request('delete', 'DELETE', model.ME, bearer=self.pick_bearer(world))

    # ---- the user ----

    def make_who(self, world):
        return self.request('who', 'GET', model.WHO, bearer=self.pick_bearer(world))

    def pick_etag(self, world, bearer):
        session = world.bearers.get(bearer)
        etags = list(session.user.etags.values()) if session else []
        return self.pick(etags[-2:] + ['*', '"0123"'])

    def make_me(self, world):
        bearer = self.pick_bearer(world)
        known = self.pick_etag(world, bearer) if self.chance(0.4) else None
        return self.request('me', 'GET', model.ME, bearer=bearer, if_none_match=known)

    def make_patch(self, world):
        bearer = self.pick_bearer(world)
        fields = {}
        if self.chance(0.7):
            fields['full_name'] = self.pick(NAMES)
        if self.chance(0.3):
            fields['avatar_url'] = self.pick(URLS)
        known = self.pick_etag(world, bearer) if self.chance(0.4) else None
        return self.request('patch', 'PATCH', model.ME, fields, bearer=bearer, if_match=known)

    def make_patch_badly(self, world):
        fields = self.pick(({'full_name': 'x' * 256}, {'avatar_url': 'javascript:x'},
                            {'role': 'admin'}, {'full_name': 'x' * 300, 'status': 'active'}))
        return self.request('bad patch', 'PATCH', model.ME, dict(fields),
                            bearer=self.pick_bearer(world))

    # ---- sessions and tokens ----

    def make_sessions(self, world):
        return self.request('sessions', 'GET', model.SESSIONS, bearer=self.pick_bearer(world))

    def make_logout(self, world):
        fields = self.pick((None, {}, {'all_sessions': True}, {'all_sessions': False}))
        return self.request('logout', 'POST', model.LOGOUT, fields,
                            bearer=self.pick_bearer(world))

    def make_revoke(self, world):
        bearer = self.pick_bearer(world)
        session = world.bearers.get(bearer)
        known = [one.id for one in session.user.sessions if one.id] if session else []
        if not known:
            return None
        return self.request('revoke', 'DELETE', f'{model.SESSIONS}/{self.pick(known)}',
                            bearer=bearer)

    def make_revoke_foreign(self, world):
        wanted = self.pick((self.foreign_ids(self.random), 'not-an-id',
                            '00000000-0000-4000-8000-000000000000'))
        if wanted is None:
            return None
        return self.request('revoke of another', 'DELETE', f'{model.SESSIONS}/{wanted}',
                            bearer=self.pick_bearer(world))

    def make_refresh(self, world):
        """Mostly the newest token of a session; now and then one that was used before."""
        session = self.pick_session(world)
        tokens = [token for token, owner in world.refreshes.items() if owner.session is session]
        if not tokens:
            return None
        token = tokens[-1] if self.chance(0.8) else self.pick(tokens)
        return self.refresh_with(token)

    def refresh_with(self, token):
        if self.chance(0.3):
            fields = self.pick((None, {}))
            return self.request('refresh', 'POST', model.REFRESH, fields,
                                bearer='Bearer ' + token)
        return self.request('refresh', 'POST', model.REFRESH, {'refresh_token': token})

    def make_refresh_badly(self, world):
        kind = self.random.randrange(4)
        if kind == 0:
            return self.request('refresh without', 'POST', model.REFRESH, self.pick((None, {})))
        if kind == 1:
            return self.request('refresh oddly', 'POST', model.REFRESH, {}, bearer='Basic abc')
        if kind == 2:  # a token of the wrong kind
            return self.refresh_with(self.pick_bearer(world)[len('Bearer '):])
        return self.refresh_with(self.pick(('A' * 43, 'nonsense', '\u00e9', 'a.b.c')[:2]))

    def make_junk(self, world):
        """Callers that are none."""
        bearer = self.pick_bearer(world)
        forms = [None, 'Bearer', 'Bearer ', 'Basic ' + 'A' * 43, 'Bearer ' + 'A' * 43,
                 'Bearer ' + 'A' * 42, bearer + ' x', bearer[:-1],
                 bearer[:-10] + ('A' if bearer[-10] != 'A' else 'B') + bearer[-9:]]
        forms += ['Bearer ' + token for token in list(world.refreshes)[-1:]]
        method, path = self.pick((('GET', model.WHO), ('GET', model.SESSIONS), ('PATCH', model.ME),
                                  ('DELETE', model.ME)))
        return self.request('junk', method, path, {} if method == 'PATCH' else None,
                            bearer=self.pick(forms))

    # ---- idempotency and the trail ----

    def make_repeat(self, world):
        """A keyed request once more: as it was, by another session of the user, or changed."""
        if not self.history:
            return None
        old = self.pick(self.history)
        about = 'again: ' + old.about.replace('again: ', '')
        again = Request(about, old.method, old.path, old.fields, old.bearer,
                        old.address, old.agent, old.key, old.if_match)
        session = world.bearers.get(old.bearer)
        if session is not None and self.chance(0.5):
            others = [text for text, owner in world.bearers.items()
                      if owner.user is session.user and owner.is_active]
            again.bearer = self.pick(others) if others else old.bearer
        return again

    def make_events(self, world):
        bearer = self.pick_bearer(world)
        query = f'limit={self.pick((1, 7, 20, 100))}'
        if self.chance(0.3):
            query += '&action=' + self.pick(('session.create', 'user.update', 'none'))
        if self.chance(0.2):
            query += '&outcome=' + self.pick(('success', 'failed', 'refused'))
        session = world.bearers.get(bearer)
        if session is not None and session.user.id is not None and self.chance(0.3):
            strangers = [user.id for user in world.emails.values() if user.id is not None]
            query += '&actor_id=' + self.pick(sorted(strangers) + [session.user.id])
        return self.request('events', 'GET', model.EVENTS, bearer=bearer, query=query)

    # ---- after a restart ----

    def probes(self, world):
        """Reads that tell apart what may have happened to the request that got no answer."""
        for user in sorted(world.emails.values(), key=lambda user: user.email):
            bearers = [text for text, owner in world.bearers.items()
                       if owner.user is user and owner.is_active]
            if bearers:
                yield self.request('probe', 'GET', model.ME, bearer=bearers[-1])
                yield self.request('probe', 'GET', model.SESSIONS, bearer=bearers[-1])
                yield self.request('probe', 'GET', model.EVENTS, bearer=bearers[-1],
                                   query='limit=100')
