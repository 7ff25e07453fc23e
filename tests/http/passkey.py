"""An authenticator in software (Web Authentication Level 2, 6), for what no browser would do: it
signs whatever it is told to. Keys and signatures by the openssl program."""

import base64
import hashlib
import json
import os
import re
import shutil
import struct
import subprocess
import tempfile

from harness import check_status

WEBAUTHN = '/api/v1/auth/webauthn'
ES256, RS256 = -7, -257
UP, UV, BE, BS, AT, ED = 1, 4, 8, 16, 64, 128
AAGUID = bytes(range(16))
STAMP_OFFSET = re.compile(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?\+00:00')


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b'=').decode()


def from_base64url(text):
    return base64.urlsafe_b64decode(text + '=' * (-len(text) % 4))


# ---- CBOR ----

def cbor_head(major, value):
    for info, form in ((24, '>B'), (25, '>H'), (26, '>I'), (27, '>Q')):
        if value < 24:
            return bytes([major << 5 | value])
        if value < 1 << 8 * struct.calcsize(form):
            return bytes([major << 5 | info]) + struct.pack(form, value)
    raise ValueError(value)


def cbor(value):
    """In the form of CTAP 2, with the members of a map in the order they have here."""
    if isinstance(value, bool) or value is None:
        return {False: b'\xf4', True: b'\xf5', None: b'\xf6'}[value]
    if isinstance(value, int):
        return cbor_head(0, value) if value >= 0 else cbor_head(1, -1 - value)
    if isinstance(value, bytes):
        return cbor_head(2, len(value)) + value
    if isinstance(value, str):
        return cbor_head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return cbor_head(4, len(value)) + b''.join(map(cbor, value))
    return cbor_head(5, len(value)) + b''.join(cbor(k) + cbor(v) for k, v in value.items())


# ---- keys ----

def openssl(*arguments, data=b''):
    return subprocess.run(['openssl', *arguments], input=data, capture_output=True, check=True,
                          timeout=60).stdout


class Key:
    def __init__(self, algorithm, bits=2048):
        self.algorithm = algorithm
        self.folder = tempfile.mkdtemp(prefix='coffer-passkey-')
        self.path = os.path.join(self.folder, 'key.pem')
        kind = ('EC', '-pkeyopt', 'ec_paramgen_curve:P-256') if algorithm == ES256 else \
            ('RSA', '-pkeyopt', f'rsa_keygen_bits:{bits}')
        openssl('genpkey', '-algorithm', *kind, '-out', self.path)
        self.cose = self._cose()

    def __del__(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def _cose(self):
        """The members of its COSE_Key."""
        if self.algorithm == ES256:
            point = openssl('pkey', '-in', self.path, '-pubout', '-outform', 'DER')[-64:]
            return {1: 2, 3: ES256, -1: 1, -2: point[:32], -3: point[32:]}
        modulus = openssl('rsa', '-in', self.path, '-noout', '-modulus').decode().split('=')[1]
        return {1: 3, 3: RS256, -1: bytes.fromhex(modulus.strip()), -2: b'\x01\x00\x01'}

    def sign(self, data):
        return openssl('dgst', '-sha256', '-sign', self.path, data=data)


class Authenticator:
    """One credential. What it says can be bent: flags, count, rp_id, origin, type, challenge..."""

    def __init__(self, origin, algorithm=ES256, credential_id=None):
        self.origin = origin
        self.key = Key(algorithm)
        self.id = credential_id or os.urandom(32)
        self.count = 0
        self.flags = UP | UV
        self.user_handle = None

    def client_data(self, kind, options, **bent):
        data = {'type': f'webauthn.{kind}', 'challenge': options['challenge'],
                'origin': self.origin,
                'crossOrigin': False, 'whatever_browsers_add': [1]}
        data.update(bent)
        return json.dumps({name: value for name, value in data.items() if value is not None},
                          separators=(',', ':')).encode()

    def data(self, rp_id, flags, count, behind=b''):
        return hashlib.sha256(rp_id.encode()).digest() + struct.pack('>BI', flags, count) + behind

    def attested(self, cose=None, credential_id=None):
        credential_id = self.id if credential_id is None else credential_id
        return AAGUID + struct.pack('>H', len(credential_id)) + credential_id + \
            (cbor(cose or self.key.cose) if not isinstance(cose, bytes) else cose)

    def create(self, options, rp_id=None, flags=None, count=0, cose=None, fmt='none',
               statement=None, behind=b'', credential_id=None, data=None, object_bytes=None,
               transports=('usb', 'nfc'), name=None, **bent):
        """The body of register/complete."""
        self.user_handle = from_base64url(options['user']['id'])
        flags = (self.flags if flags is None else flags) | AT
        if data is None:
            data = self.data(rp_id or options['rp']['id'], flags, count,
                             self.attested(cose, credential_id) + behind)
        attestation = {'fmt': fmt, 'attStmt': statement or {}, 'authData': data}
        client = self.client_data('create', options, **bent)
        body = {'id': base64url(self.id), 'rawId': base64url(self.id), 'type': 'public-key',
                'response': {'clientDataJSON': base64url(client),
                             'attestationObject': base64url(object_bytes or cbor(attestation))},
                'transports': list(transports)}
        if name is not None:
            body['name'] = name
        return body

    def get(self, options, rp_id=None, flags=None, count=None, user_handle=True, behind=b'',
            signature=None, key=None, **bent):
        """The body of login/complete."""
        if count is None:
            self.count += 1
            count = self.count
        data = self.data(rp_id or options['rpId'], self.flags if flags is None else flags, count,
                         behind)
        client = self.client_data('get', options, **bent)
        if signature is None:
            signature = (key or self.key).sign(data + hashlib.sha256(client).digest())
        response = {'clientDataJSON': base64url(client), 'authenticatorData': base64url(data),
                    'signature': base64url(signature)}
        if user_handle is True:
            user_handle = self.user_handle
        if user_handle:
            response['userHandle'] = base64url(user_handle)
        return {'id': base64url(self.id), 'rawId': base64url(self.id), 'type': 'public-key',
                'response': response}


# ---- with a server ----

def origin_of(server):
    return f'https://localhost:{server.https_port}'


def begin_registration(user, **body):
    reply = user.post(f'{WEBAUTHN}/register/begin', body or None)
    check_status(reply, 200)
    return reply.json


def register(server, user, authenticator=None, **fields):
    """Registers a passkey for a client with a token; returns the authenticator."""
    authenticator = authenticator or Authenticator(origin_of(server))
    body = authenticator.create(begin_registration(user), **fields)
    reply = user.post(f'{WEBAUTHN}/register/complete', body)
    check_status(reply, 201)
    authenticator.reply = reply
    return authenticator


def begin_login(server, cookie=None, **body):
    reply = server.client().post(f'{WEBAUTHN}/login/begin', body or None,
                                 headers={'Cookie': cookie})
    check_status(reply, 200)
    return reply.json


def complete_login(server, body):
    return server.client().post(f'{WEBAUTHN}/login/complete', body)


def login(server, authenticator, **bent):
    """Without a name."""
    return complete_login(server, authenticator.get(begin_login(server), **bent))


def owner(server, **fields):
    """A new user with a passkey: .key."""
    user = server.user()
    user.key = register(server, user, **fields)
    return user


def events(server, user, action):
    """The user's audit events of that action, newest first."""
    reply = server.admin().get(f'/api/v1/audit/events?action={action}&actor_id={user.user["id"]}')
    check_status(reply, 200)
    return reply.data['events']
