"""An HTTP client of the standard library that checks what every reply must have, and keeps a list
of what was asked for (test_openapi.py demands that nothing was forgotten)."""

import gzip
import http.client
import json
import os
import re
import ssl
import threading

SEEN_FOLDER = os.environ.get('COFFER_SEEN_FOLDER')
BARE_PATHS = ('/.well-known/', '/openapi.json', '/docs', '/metrics', '/health', '/test',
              '/db_check', '/api/v1/auth/webauthn/register/begin',
              '/api/v1/auth/webauthn/login/begin')
GATEKEEPER_PATH = re.compile(r'/[^/?]*(\?.*)?$')

_seen_lock = threading.Lock()


def seen_add(method, path, status, error_type='', reason=''):
    """One line per request: which endpoint, which answer."""
    if not SEEN_FOLDER:
        return
    with _seen_lock, open(os.path.join(SEEN_FOLDER, f'seen-{os.getpid()}.tsv'), 'a',
                          encoding='utf-8') as seen:
        path = path.split('?')[0]
        seen.write(f'{method}\t{path}\t{status}\t{error_type or ""}\t{reason or ""}\n')


class Reply:
    """Status, headers (names in lower case) and body; JSON taken apart when it is JSON."""

    def __init__(self, status, headers, body, method='', path=''):
        self.status = status
        self.headers = headers
        self.body = body
        self.method = method
        self.path = path
        self.about = f'{method} {path}'
        self.json = None
        if 'json' in self.headers.get('content-type', '') and body:
            is_packed = self.headers.get('content-encoding') == 'gzip'
            self.json = json.loads(gzip.decompress(body) if is_packed else body)

    @property
    def text(self):
        return self.body.decode('utf-8', 'replace')

    @property
    def data(self):
        return (self.json or {}).get('data')

    @property
    def error(self):
        error = (self.json or {}).get('error') or {}
        return error if isinstance(error, dict) else {}  # of the Gatekeeper paths a text

    @property
    def is_gatekeeper(self):
        """{"message":...,"success":...}: those paths have no envelope."""
        return (isinstance(self.json, dict) and isinstance(self.json.get('success'), bool) and
                'version' not in self.json)

    @property
    def error_type(self):
        if 'problem+json' in self.headers.get('content-type', ''):
            return (self.json or {}).get('code')
        if self.is_gatekeeper:
            # In one message stands the customer's number.
            return None if self.json['success'] else re.sub(r'\b\d{12}\b', 'N',
                                                            self.json['message'])
        return self.error.get('type')

    @property
    def details(self):
        return (self.error or self.json or {}).get('details') or {}

    @property
    def reason(self):
        return self.details.get('code') if isinstance(self.details, dict) else None


def headers_fold(pairs):
    headers = {}
    for name, value in pairs:
        name = name.lower()
        headers[name] = f'{headers[name]}, {value}' if name in headers else value
    return headers


def complaint_about(reply, is_tls, is_replay=False):
    """What a reply lacks that every reply has, or None."""
    headers = reply.headers
    expected = {
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
        'referrer-policy': 'strict-origin-when-cross-origin',
    }
    for name, value in expected.items():
        if headers.get(name) != value:
            return f'header {name} is {headers.get(name)!r}, not {value!r}'
    for name in ('x-request-id', 'content-security-policy', 'permissions-policy'):
        if not headers.get(name):
            return f'header {name} is missing'
    if 'server' in headers:
        return 'has a Server header'
    if is_tls != ('strict-transport-security' in headers):
        return 'Strict-Transport-Security belongs to TLS replies, and only to them'
    if reply.status == 401 and not re.match(r'Bearer\b', headers.get('www-authenticate', 'Bearer')):
        return 'WWW-Authenticate is not Bearer'
    is_envelope = headers.get('content-type', '').startswith('application/json') and \
        (reply.status >= 400 or not reply.path.startswith(BARE_PATHS)) and \
        'content-disposition' not in headers  # a file
    if is_envelope and reply.is_gatekeeper and GATEKEEPER_PATH.match(reply.path):
        return complaint_about_gatekeeper(reply)
    return complaint_about_envelope(reply, is_replay) if is_envelope and reply.body else None


def complaint_about_gatekeeper(reply):
    body = reply.json
    if body['success'] != (reply.status < 400):
        return f'success is {body["success"]}'
    if json.dumps(body, separators=(',', ':'), ensure_ascii=False) != reply.text and \
            'content-encoding' not in reply.headers:
        return 'the body is not compact'
    if list(body) != sorted(body):
        return f'the keys {list(body)} are not in order'
    if body['success']:
        return None
    if not isinstance(body.get('message'), str) or not body['message']:
        return 'message is missing'
    return None if set(body) <= {'error', 'message', 'msg', 'success'} else f'has {list(body)}'


def complaint_about_envelope(reply, is_replay):
    envelope = reply.json
    if not isinstance(envelope, dict):
        return 'the envelope is no object'
    is_success = reply.status < 400
    required = {'version': '1.0', 'success': is_success, 'code': reply.status,
                'request_id': reply.headers.get('x-request-id')}
    if is_replay:
        del required['request_id']
    for name, value in required.items():
        if envelope.get(name) != value or type(envelope.get(name)) is not type(value):
            return f'envelope.{name} is {envelope.get(name)!r}, not {value!r}'
    if not isinstance(envelope.get('message'), str) or not envelope['message']:
        return 'envelope.message is missing'
    allowed = {'version', 'success', 'code', 'message', 'request_id', 'meta'}
    allowed.add('data' if is_success else 'error')
    if set(envelope) - allowed:
        return f'the envelope has {sorted(set(envelope) - allowed)}'
    if is_success:
        return None if isinstance(envelope.get('data', {}), dict) else 'data is no object'
    error = envelope.get('error')
    if not isinstance(error, dict) or set(error) != {'type', 'details'}:
        return f'error is {error!r}'
    if not re.fullmatch(r'[A-Z0-9][A-Z0-9_]+', error['type']):
        return f'error.type is {error["type"]!r}'
    return None if isinstance(error['details'], dict) else 'error.details is no object'


class Client:
    """One kept-alive connection. A reply without the common parts is a failed test."""

    def __init__(self, host, port, is_tls=True, token=None, headers=None):
        self.token = token
        self.headers = dict(headers or {})
        self.is_tls = is_tls
        if is_tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            self.connection = http.client.HTTPSConnection(host, port, timeout=60, context=context)
        else:
            self.connection = http.client.HTTPConnection(host, port, timeout=60)

    def request(self, method, path, body=None, token=None, headers=None, is_replay=False):
        """`body`: bytes as they are, anything else as JSON. `token`: '' for none. `is_replay`: the
        answer may be a kept one, whose envelope names the request that it was made for."""
        sent = dict(self.headers)
        used = self.token if token is None else token
        if used:
            sent['Authorization'] = f'Bearer {used}'
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            sent['Content-Type'] = 'application/json'
        sent.update(headers or {})
        sent = {name: value for name, value in sent.items() if value is not None}
        try:
            self.connection.request(method, path, body=body, headers=sent)
            answer = self.connection.getresponse()
            content = answer.read()
        except BaseException:
            self.connection.close()
            raise
        reply = Reply(answer.status, headers_fold(answer.getheaders()), content, method, path)
        seen_add(method, path, reply.status, reply.error_type, reply.reason)
        complaint = complaint_about(reply, self.is_tls, is_replay)
        if complaint:
            raise AssertionError(f'{reply.about} ({reply.status}): {complaint}\n'
                                 f'{reply.headers}\n{reply.text[:600]}')
        return reply

    def get(self, path, **options):
        return self.request('GET', path, **options)

    def post(self, path, body=None, **options):
        return self.request('POST', path, body, **options)

    def patch(self, path, body=None, **options):
        return self.request('PATCH', path, body, **options)

    def delete(self, path, body=None, **options):
        return self.request('DELETE', path, body, **options)

    def close(self):
        self.connection.close()
