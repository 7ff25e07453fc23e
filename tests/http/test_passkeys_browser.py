"""Passkeys with a real browser and its virtual authenticators: what Chromium makes of our options,
and what we make of its answers."""

import json

import harness
from browser import Browser, browser_path
from harness import Skipped, check, check_equal, check_status
from passkey import (RS256, WEBAUTHN, base64url, begin_login, begin_registration, complete_login,
                     from_base64url, origin_of)
from server import PASSWORD, Server
from totp import check_session

SETTINGS = {'rate.enabled': 'false'}

# In the page: one request to the server, and the two ceremonies. What browsers offer for JSON is
# used where it is there.
SCRIPT = '''
window.ask = async (path, body, token) => {
  const headers = {'Content-Type': 'application/json'};
  if (token) headers.Authorization = 'Bearer ' + token;
  const reply = await fetch('/api/v1/auth/' + path, {method: 'POST', headers,
                                                    body: JSON.stringify(body || {})});
  return {status: reply.status, json: await reply.json()};
};
window.create = async (options) => (await navigator.credentials.create(
  {publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options)})).toJSON();
window.get = async (options) => (await navigator.credentials.get(
  {publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options)})).toJSON();
window.register = async (token) => {
  const options = (await ask('webauthn/register/begin', {}, token)).json;
  return ask('webauthn/register/complete', await create(options), token);
};
window.login = async (begin) => {
  const options = (await ask('webauthn/login/begin', begin)).json;
  return ask('webauthn/login/complete', await get(options));
};
true'''


class Page(Browser):
    """A page of the server with virtual authenticators."""

    def __init__(self):
        if browser_path() is None:
            raise Skipped('no chromium')
        super().__init__()
        self.call('WebAuthn.enable')
        self.authenticators = []

    def visit(self, origin):
        self.open(origin + '/')
        check_equal(self.run(SCRIPT), True)

    def do(self, script, *arguments):
        """The value of a function of SCRIPT."""
        return self.run(f'{script}({", ".join(map(json.dumps, arguments))})')

    def add(self, **options):
        """A new authenticator, the only one that reacts."""
        for other in self.authenticators:
            self.react(other, False)
        options = {'protocol': 'ctap2', 'transport': 'usb', 'hasResidentKey': True,
                   'hasUserVerification': True, 'isUserVerified': True,
                   'automaticPresenceSimulation': True, **options}
        found = self.call('WebAuthn.addVirtualAuthenticator', options=options)['authenticatorId']
        self.authenticators.append(found)
        return found

    def react(self, authenticator, is_enabled):
        self.call('WebAuthn.setAutomaticPresenceSimulation', authenticatorId=authenticator,
                  enabled=is_enabled)

    def only(self, wanted):
        for authenticator in self.authenticators:
            self.react(authenticator, authenticator == wanted)

    def credential(self, authenticator):
        return self.call('WebAuthn.getCredentials', authenticatorId=authenticator)['credentials'][0]

    def replace(self, authenticator, credential):
        """Instead of what the authenticator has."""
        self.call('WebAuthn.clearCredentials', authenticatorId=authenticator)
        self.call('WebAuthn.addCredential', authenticatorId=authenticator, credential=credential)


def check_login(server, reply, user):
    check_equal(reply['status'], 200, str(reply))
    check_equal(reply['json']['data']['user']['id'], user.user['id'])
    check_status(server.client(token=reply['json']['data']['token']).get('/api/v1/auth/me'), 200)


def check_refused(reply, reason):
    check_equal((reply['status'], reply['json']['error']['type'],
                 reply['json']['error']['details']['code']), (401, 'AUTHENTICATION_ERROR', reason))


def test_two_passkeys_log_in_without_a_name_until_they_are_removed(server):
    user = server.user()
    with Page() as page:
        page.visit(origin_of(server))
        keys = []
        for transport in ('internal', 'usb'):
            authenticator = page.add(transport=transport)
            reply = page.do('register', user.token)
            check_equal(reply['status'], 201, str(reply))
            shown = reply['json']['data']['credential']
            check_equal(shown['transports'], [transport])
            keys.append((authenticator, shown['id']))
        # Each alone, without a name, by its address, and behind the password.
        for authenticator, _ in keys:
            page.only(authenticator)
            check_login(server, page.do('login', {}), user)
            check_login(server, page.do('login', {'email': user.email}), user)
        waits = page.do('ask', 'login', {'email': user.email, 'password': PASSWORD})
        check_equal(waits['json']['data']['requires_webauthn'], True)
        begin = {'temp_token': waits['json']['data']['temp_token']}
        check_login(server, page.do('login', begin), user)
        # The cookie of a password login does the same in a browser.
        page.do('ask', 'login', {'email': user.email, 'password': PASSWORD})
        asked = page.do('ask', 'webauthn/login/begin')['json']['allowCredentials']
        check_equal({entry['id'] for entry in asked}, {name for _, name in keys})
        check_login(server, page.do('login', {}), user)
        # The browser knows both and refuses to make them again.
        refused = page.run(f'register({json.dumps(user.token)}).catch((error) => error.name)')
        check_equal(refused, 'InvalidStateError')
        # Removed: the browser still has it, the server does not.
        authenticator, name = keys[1]
        check_status(user.delete(f'{WEBAUTHN}/credentials/{name}'), 200)
        check_refused(page.do('login', {}), 'PASSKEY_INVALID')
        page.only(keys[0][0])
        check_login(server, page.do('login', {}), user)
        check_equal([entry for entry in page.complaints if '401' not in entry], [])


def test_the_browser_offers_passkeys_in_an_input(server):
    """Conditional mediation: the page asks while its user looks at the form."""
    user = server.user()
    with Page() as page:
        page.visit(origin_of(server))
        page.add(transport='internal')
        check_equal(page.do('register', user.token)['status'], 201)
        check_equal(page.run('PublicKeyCredential.isConditionalMediationAvailable()'), True)
        page.run("document.body.innerHTML = '<input autocomplete=\"username webauthn\">'")
        options = begin_login(server)
        check_equal(options['allowCredentials'], [])
        body = page.run(f"""navigator.credentials.get({{mediation: 'conditional', publicKey:
            PublicKeyCredential.parseRequestOptionsFromJSON({json.dumps(options)})}})
            .then((credential) => credential.toJSON())""")
        check_session(server, complete_login(server, body))


def test_an_rsa_key_of_the_browser(server):
    user = server.user()
    with Page() as page:
        page.visit(origin_of(server))
        page.add()
        options = begin_registration(user)
        options['pubKeyCredParams'] = [{'type': 'public-key', 'alg': RS256}]
        made = page.do('create', options)
        check_equal(made['response']['publicKeyAlgorithm'], RS256)
        check_status(user.post(f'{WEBAUTHN}/register/complete', made), 201)
        check_login(server, page.do('login', {}), user)


def test_who_is_not_verified_needs_the_password(server):
    user = server.user()
    with Page() as page:
        page.visit(origin_of(server))
        # A security key of the old kind: no PIN, no names of its own.
        authenticator = page.add(protocol='u2f', hasResidentKey=False, hasUserVerification=False,
                                 isUserVerified=False)
        check_equal(page.do('register', user.token)['status'], 201)
        check_refused(page.do('login', {'email': user.email}), 'USER_VERIFICATION_REQUIRED')
        waits = page.do('ask', 'login', {'email': user.email, 'password': PASSWORD})
        begin = {'temp_token': waits['json']['data']['temp_token']}
        check_login(server, page.do('login', begin), user)
        check(page.credential(authenticator)['signCount'] > 0)


def test_attestation_of_the_browser_is_recorded(server):
    user = server.user()
    with Page() as page:
        page.visit(origin_of(server))
        page.add(transport='internal')
        options = begin_registration(user)
        options['attestation'] = 'direct'
        reply = user.post(f'{WEBAUTHN}/register/complete', page.do('create', options))
        check_status(reply, 201)
        check_equal(reply.data['credential']['attestation'], 'packed')


def strict_server():
    """One that knows its own port only, and a second name whose pages may use passkeys."""
    server = Server(SETTINGS)
    port = server.https_port
    server.settings['public-url'] = f'https://localhost:{port}'
    server.settings['webauthn.origins'] = f'https://localhost:{port},https://app.localhost:{port}'
    return server


def test_what_a_browser_signed_for_something_else_is_refused(server):
    """Another origin, another relying party, an old challenge, an old counter: all of it with good
    signatures of a real browser."""
    with strict_server() as strict, Page() as page:
        user = strict.user()
        page.visit(origin_of(strict))
        authenticator = page.add(transport='internal')
        check_equal(page.do('register', user.token)['status'], 201)
        check_login(strict, page.do('login', {}), user)

        # A page of another origin with the same relying party id: another port.
        page.visit(origin_of(server))
        body = page.do('get', begin_login(strict))
        check_equal(json.loads(from_base64url(body['response']['clientDataJSON']))['origin'],
                    origin_of(server))
        check_status(complete_login(strict, body), 401, 'AUTHENTICATION_ERROR', 'ORIGIN_MISMATCH')

        # The same key under another relying party id, on a page that is allowed.
        credential = page.credential(authenticator)
        page.visit(f'https://app.localhost:{strict.https_port}')
        later = {**credential, 'signCount': credential['signCount'] + 100}
        page.replace(authenticator, {**later, 'rpId': 'app.localhost'})
        options = {**begin_login(strict), 'rpId': 'app.localhost'}
        body = page.do('get', options)
        check_equal(body['id'], base64url(from_standard(credential['credentialId'])))
        check_status(complete_login(strict, body), 401, 'AUTHENTICATION_ERROR', 'ORIGIN_MISMATCH')

        # The same answer twice.
        page.visit(origin_of(strict))
        page.replace(authenticator, later)
        body = page.do('get', begin_login(strict))
        check_session(strict, complete_login(strict, body))
        check_status(complete_login(strict, body), 401, 'AUTHENTICATION_ERROR',
                     'CHALLENGE_INVALID')

        # A copy of the authenticator that was left behind.
        page.replace(authenticator, credential)
        check_refused(page.do('login', {}), 'PASSKEY_COUNTER')


def from_standard(text):
    """CDP writes base64 with + and /."""
    return from_base64url(text.replace('+', '-').replace('/', '_').rstrip('='))


harness.main(globals())
