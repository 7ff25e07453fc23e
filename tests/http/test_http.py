"""HTTP/1.1 from the wire: what is malformed is refused as documented and the server lives on; what
is well-formed but unusual works."""

import gzip
import json
import re
import socket
import subprocess
import time

import harness
from harness import check, check_equal, check_in, check_not_in, check_status, wait_until
from raw import (NotClosed, exchange, is_closed, receive_all, replies_parse, reply_read, send_all)
from server import PASSWORD, Server

SETTINGS = {'rate.enabled': 'false', 'http.connections': '200'}

HOST = b'Host: localhost\r\n'
LOGIN = b'POST /api/v1/auth/login HTTP/1.1\r\n' + HOST + b'Content-Type: application/json\r\n'
CHUNKED = LOGIN + b'Transfer-Encoding: chunked\r\n\r\n'
HEALTH = b'GET /health HTTP/1.1\r\n' + HOST


def headers_many(count):
    return b''.join(b'X-%d: 1\r\n' % number for number in range(count))


# name, bytes, status (or several), error.type or None for any. The connection must close behind it.
MALFORMED = [
    ('no host', b'GET /health HTTP/1.1\r\n\r\n', 400, 'BAD_REQUEST'),
    ('two hosts', HEALTH + HOST + b'\r\n', 400, 'BAD_REQUEST'),
    ('two different hosts', HEALTH + b'Host: other\r\n\r\n', 400, 'BAD_REQUEST'),
    ('host with a blank', b'GET /health HTTP/1.1\r\nHost: a b\r\n\r\n', 400, 'BAD_REQUEST'),
    ('host with userinfo', b'GET /health HTTP/1.1\r\nHost: a@b\r\n\r\n', 400, 'BAD_REQUEST'),
    ('host with a path', b'GET /health HTTP/1.1\r\nHost: a/b\r\n\r\n', 400, 'BAD_REQUEST'),
    ('absolute target of another host', b'GET http://other/health HTTP/1.1\r\n' + HOST + b'\r\n',
     400, 'BAD_REQUEST'),
    ('absolute target with userinfo', b'GET http://a@localhost/health HTTP/1.1\r\n' + HOST +
     b'\r\n', 400, 'BAD_REQUEST'),
    ('absolute target of another scheme', b'GET ftp://localhost/health HTTP/1.1\r\n' + HOST +
     b'\r\n', 400, 'BAD_REQUEST'),
    ('length and chunked', LOGIN + b'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n'
     b'0\r\n\r\n', 400, 'BAD_REQUEST'),
    ('chunked and length', LOGIN + b'Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n'
     b'0\r\n\r\n', 400, 'BAD_REQUEST'),
    ('two equal lengths', LOGIN + b'Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}', 400,
     'BAD_REQUEST'),
    ('two lengths', LOGIN + b'Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}', 400,
     'BAD_REQUEST'),
    ('list of lengths', LOGIN + b'Content-Length: 2, 2\r\n\r\n{}', 400, 'BAD_REQUEST'),
    ('positive length', LOGIN + b'Content-Length: +2\r\n\r\n{}', 400, 'BAD_REQUEST'),
    ('negative length', LOGIN + b'Content-Length: -2\r\n\r\n{}', 400, 'BAD_REQUEST'),
    ('hexadecimal length', LOGIN + b'Content-Length: 0x2\r\n\r\n{}', 400, 'BAD_REQUEST'),
    ('length with a blank inside', LOGIN + b'Content-Length: 1 2\r\n\r\n{}', 400, 'BAD_REQUEST'),
    ('empty length', LOGIN + b'Content-Length:\r\n\r\n', 400, 'BAD_REQUEST'),
    ('length beyond 64 bits', LOGIN + b'Content-Length: 18446744073709551618\r\n\r\n{}', (400, 413),
     None),
    ('unknown coding', LOGIN + b'Transfer-Encoding: gzip\r\n\r\n', (400, 501), None),
    ('gzip, chunked', LOGIN + b'Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
     (400, 501), None),
    ('chunked not last', LOGIN + b'Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n', (400, 501),
     None),
    ('chunked twice', LOGIN + b'Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n', (400, 501),
     None),
    ('two codings', LOGIN + b'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n'
     b'0\r\n\r\n', (400, 501), None),
    ('disguised chunked', LOGIN + b'Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n',
     (400, 501), None),
    ('chunked in HTTP/1.0', LOGIN.replace(b'1.1', b'1.0') +
     b'Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 400, 'BAD_REQUEST'),
    ('bare LF lines', b'GET /health HTTP/1.1\nHost: localhost\n\n', 400, 'BAD_REQUEST'),
    ('bare LF in the middle', b'GET /health HTTP/1.1\r\nHost: localhost\nX: 1\r\n\r\n', 400,
     'BAD_REQUEST'),
    ('bare CR in a value', HEALTH + b'X: a\rb\r\n\r\n', 400, 'BAD_REQUEST'),
    ('NUL in a value', HEALTH + b'X: a\0b\r\n\r\n', 400, 'BAD_REQUEST'),
    ('control character in a value', HEALTH + b'X: a\x01b\r\n\r\n', 400, 'BAD_REQUEST'),
    ('blank before the colon', HEALTH + b'X : 1\r\n\r\n', 400, 'BAD_REQUEST'),
    ('tab before the colon', HEALTH + b'Content-Length\t: 5\r\n\r\n', 400, 'BAD_REQUEST'),
    ('folded line', HEALTH + b'X: 1\r\n 2\r\n\r\n', 400, 'BAD_REQUEST'),
    ('folded line with a tab', HEALTH + b'X: 1\r\n\t2\r\n\r\n', 400, 'BAD_REQUEST'),
    ('blank before the first header', b'GET /health HTTP/1.1\r\n Host: localhost\r\n\r\n', 400,
     'BAD_REQUEST'),
    ('empty header name', HEALTH + b': 1\r\n\r\n', 400, 'BAD_REQUEST'),
    ('header without a colon', HEALTH + b'Xyz\r\n\r\n', 400, 'BAD_REQUEST'),
    ('header name with a bracket', HEALTH + b'X(): 1\r\n\r\n', 400, 'BAD_REQUEST'),
    ('header name not ASCII', HEALTH + b'X\xc3\xa9: 1\r\n\r\n', 400, 'BAD_REQUEST'),
    ('HTTP/2.0', b'GET /health HTTP/2.0\r\n' + HOST + b'\r\n', 505, 'HTTP_VERSION_NOT_SUPPORTED'),
    ('HTTP/2 preface', b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', (400, 505), None),
    ('HTTP/0.9', b'GET /health\r\n\r\n', 400, 'BAD_REQUEST'),
    ('version in lower case', b'GET /health http/1.1\r\n' + HOST + b'\r\n', 400, 'BAD_REQUEST'),
    ('version too short', b'GET /health HTTP/1\r\n' + HOST + b'\r\n', 400, 'BAD_REQUEST'),
    ('version with more digits', b'GET /health HTTP/1.10\r\n' + HOST + b'\r\n', (400, 505), None),
    ('two blanks', b'GET  /health HTTP/1.1\r\n' + HOST + b'\r\n', 400, 'BAD_REQUEST'),
    ('blank before the version', b'GET /health  HTTP/1.1\r\n' + HOST + b'\r\n', 400, 'BAD_REQUEST'),
    ('tab in the request line', b'GET\t/health HTTP/1.1\r\n' + HOST + b'\r\n', 400, 'BAD_REQUEST'),
    ('blank at the end of the line', b'GET /health HTTP/1.1 \r\n' + HOST + b'\r\n', 400,
     'BAD_REQUEST'),
    ('bracket in the method', b'GE(T /health HTTP/1.1\r\n' + HOST + b'\r\n', 400, 'BAD_REQUEST'),
    ('empty method', b' /health HTTP/1.1\r\n' + HOST + b'\r\n', 400, 'BAD_REQUEST'),
    ('relative target', b'GET health HTTP/1.1\r\n' + HOST + b'\r\n', 400, 'BAD_REQUEST'),
    ('asterisk for GET', b'GET * HTTP/1.1\r\n' + HOST + b'\r\n', 400, 'BAD_REQUEST'),
    ('fragment', b'GET /health#a HTTP/1.1\r\n' + HOST + b'\r\n', 400, 'BAD_REQUEST'),
    ('target not ASCII', b'GET /h\xc3\xa9alth HTTP/1.1\r\n' + HOST + b'\r\n', 400, 'BAD_REQUEST'),
    ('control character in the target', b'GET /he\x01alth HTTP/1.1\r\n' + HOST + b'\r\n', 400,
     'BAD_REQUEST'),
    ('CONNECT', b'CONNECT localhost:443 HTTP/1.1\r\n' + HOST + b'\r\n', (400, 405, 501), None),
    ('long target', b'GET /' + b'a' * 4096 + b' HTTP/1.1\r\n' + HOST + b'\r\n', 414,
     'URI_TOO_LONG'),
    ('endless target', b'GET /' + b'a' * 100000, 414, 'URI_TOO_LONG'),
    ('endless method', b'A' * 100000, (400, 414, 431), None),
    ('long head', HEALTH + b'X: ' + b'a' * 8192 + b'\r\n\r\n', 431, 'HEADERS_TOO_LARGE'),
    ('endless head', HEALTH + b'X: ' + b'a' * 100000, 431, 'HEADERS_TOO_LARGE'),
    ('many headers', HEALTH + headers_many(64) + b'\r\n', 431, 'HEADERS_TOO_LARGE'),
    ('unknown expectation', LOGIN + b'Expect: tea\r\nContent-Length: 2\r\n\r\n{}', 417,
     'EXPECTATION_FAILED'),
    ('chunk size of letters', CHUNKED + b'zz\r\n', 400, 'BAD_REQUEST'),
    ('empty chunk size', CHUNKED + b'\r\n', 400, 'BAD_REQUEST'),
    ('negative chunk size', CHUNKED + b'-2\r\n{}\r\n0\r\n\r\n', 400, 'BAD_REQUEST'),
    ('chunk size with 0x', CHUNKED + b'0x2\r\n{}\r\n0\r\n\r\n', 400, 'BAD_REQUEST'),
    ('blank before the chunk size', CHUNKED + b' 2\r\n{}\r\n0\r\n\r\n', 400, 'BAD_REQUEST'),
    ('chunk size beyond 64 bits', CHUNKED + b'10000000000000002\r\n{}\r\n0\r\n\r\n', (400, 413),
     None),
    ('chunk without its end', CHUNKED + b'2\r\n{}0\r\n\r\n', 400, 'BAD_REQUEST'),
    ('chunk longer than said', CHUNKED + b'2\r\n{}x\r\n0\r\n\r\n', 400, 'BAD_REQUEST'),
    ('bare LF behind a chunk size', CHUNKED + b'2\n{}\r\n0\r\n\r\n', 400, 'BAD_REQUEST'),
    ('bare LF behind a chunk', CHUNKED + b'2\r\n{}\n0\r\n\r\n', 400, 'BAD_REQUEST'),
    ('endless chunk extension', CHUNKED + b'2;' + b'a' * 20000, (400, 413), None),
    ('endless trailers', CHUNKED + b'2\r\n{}\r\n0\r\n' + b'X: ' + b'a' * 20000,
     (400, 413, 431), None),
    ('control character in an extension', CHUNKED + b'2;a\x01\r\n{}\r\n0\r\n\r\n', 400,
     'BAD_REQUEST'),
    ('body larger than any', LOGIN + b'Content-Length: 99999999\r\n\r\n', 413, 'PAYLOAD_TOO_LARGE'),
    ('body larger than the row', LOGIN + b'Content-Length: 65537\r\n\r\n', 413,
     'PAYLOAD_TOO_LARGE'),
    ('chunks larger than the row', CHUNKED + b'10001\r\n' + b'a' * 65537 + b'\r\n0\r\n\r\n', 413,
     'PAYLOAD_TOO_LARGE'),
    ('TLS on the plain port', bytes.fromhex('16030100050100000100'), 400, 'BAD_REQUEST'),
    ('zeros', b'\0' * 64, 400, 'BAD_REQUEST'),
]


def test_malformed_requests_get_their_error_and_the_connection_closes(server):
    wrong = []
    for name, data, statuses, error_type in MALFORMED:
        statuses = statuses if isinstance(statuses, tuple) else (statuses,)
        try:
            replies = replies_parse(exchange(server, data, seconds=5))
        except (AssertionError, ValueError, KeyError) as error:
            wrong.append(f'{name}: {error}')
            continue
        if len(replies) != 1:
            wrong.append(f'{name}: {len(replies)} replies')
        elif replies[0].status not in statuses:
            wrong.append(f'{name}: {replies[0].status}, not {statuses}')
        elif error_type is not None and replies[0].error_type != error_type:
            wrong.append(f'{name}: {replies[0].error_type}, not {error_type}')
        elif replies[0].headers.get('connection', '').lower() != 'close':
            wrong.append(f'{name}: no Connection: close')
    check(not wrong, '\n'.join(wrong))
    check_equal(server.client().get('/health').status, 200)


def test_malformed_requests_through_tls_too(server):
    for name, data, statuses, _type in MALFORMED[::7]:
        statuses = statuses if isinstance(statuses, tuple) else (statuses,)
        replies = replies_parse(exchange(server, data, is_plain=False, seconds=5))
        check_equal(len(replies), 1, name)
        check_in(replies[0].status, statuses, name)


def test_refusals_carry_the_whole_envelope(server):
    reply = replies_parse(exchange(server, b'GET /health HTTP/1.1\r\n\r\n'))[0]
    check_equal(reply.json['success'], False)
    check_equal(reply.json['code'], 400)
    check_equal(reply.json['request_id'], reply.headers['x-request-id'])
    check_equal(reply.headers['x-content-type-options'], 'nosniff')


def test_unusual_but_valid_requests(server):
    table = [
        ('empty line first', b'\r\n' + HEALTH + b'\r\n', 200),
        ('absolute target', b'GET http://localhost/health HTTP/1.1\r\n' + HOST + b'\r\n', 200),
        ('header without a blank', HEALTH + b'X:1\r\n\r\n', 200),
        ('blanks around a value', HEALTH + b'X: \t 1 \t \r\n\r\n', 200),
        ('empty value', HEALTH + b'X:\r\n\r\n', 200),
        ('bytes above 127 in a value', HEALTH + b'X: \xc3\xa9\r\n\r\n', 200),
        ('HTTP/1.0', b'GET /health HTTP/1.0\r\n\r\n', 200),
        ('upgrade that we do not know', HEALTH + b'Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n',
         200),
        ('host with a port', b'GET /health HTTP/1.1\r\nHost: localhost:8443\r\n\r\n', 200),
        ('host of brackets', b'GET /health HTTP/1.1\r\nHost: [::1]:8443\r\n\r\n', 200),
        ('GET with a length of zero', HEALTH + b'Content-Length: 0\r\n\r\n', 200),
        ('query', b'GET /health?a=b&c HTTP/1.1\r\n' + HOST + b'\r\n', (200, 400)),
        ('bad percent in a path', b'GET /api/%zz HTTP/1.1\r\n' + HOST + b'\r\n', (400, 404)),
        ('NUL in a path', b'GET /api/%00 HTTP/1.1\r\n' + HOST + b'\r\n', (400, 404)),
        ('dots in a path', b'GET /api/../health HTTP/1.1\r\n' + HOST + b'\r\n', (400, 404)),
        ('two slashes', b'GET //health HTTP/1.1\r\n' + HOST + b'\r\n', (400, 404)),
        ('unknown method, known path', b'BREW /health HTTP/1.1\r\n' + HOST + b'\r\n', 405),
        ('unknown method, unknown path', b'BREW /tea HTTP/1.1\r\n' + HOST + b'\r\n', 404),
        ('TRACE', b'TRACE /health HTTP/1.1\r\n' + HOST + b'\r\n', 405),
        ('OPTIONS *', b'OPTIONS * HTTP/1.1\r\n' + HOST + b'\r\n', (200, 204)),
        ('chunked', CHUNKED + b'2\r\n{}\r\n0\r\n\r\n', 400),
        ('chunk extensions', CHUNKED + b'2;a=b;c="d e"\r\n{}\r\n0;x\r\n\r\n', 400),
        ('trailers', CHUNKED + b'2\r\n{}\r\n0\r\nX: 1\r\nY: 2\r\n\r\n', 400),
        ('chunk size with zeros', CHUNKED + b'0002\r\n{}\r\n000\r\n\r\n', 400),
        ('capital coding', LOGIN + b'Transfer-Encoding: Chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n', 400),
    ]
    wrong = []
    for name, data, statuses in table:
        statuses = statuses if isinstance(statuses, tuple) else (statuses,)
        connection = server.connect()
        try:
            send_all(connection, data)
            reply, _rest = reply_read(connection)
            if reply.status not in statuses:
                wrong.append(f'{name}: {reply.status}, not {statuses}: {reply.text[:200]}')
            if 'chunk' in name or name == 'trailers' or name == 'capital coding':
                if reply.error_type != 'VALIDATION_ERROR':
                    wrong.append(f'{name}: body not understood: {reply.text[:200]}')
        except AssertionError as error:
            wrong.append(f'{name}: {error}')
        finally:
            connection.close()
    check(not wrong, '\n'.join(wrong))


def test_requests_in_any_pieces(server):
    body = b'{"email":"nobody@example.com","password":"x"}'
    data = (b'POST /api/v1/auth/login HTTP/1.1\r\n' + HOST +
            b'Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n' +
            b'%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n' % (10, body[:10], len(body) - 10, body[10:]))
    for is_plain in (True, False):
        connection = server.connect(is_plain)
        raw_socket = connection
        raw_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for position in range(len(data)):
            connection.sendall(data[position:position + 1])
        reply, rest = reply_read(connection)
        check_status(reply, 401, 'AUTHENTICATION_ERROR', 'INVALID_CREDENTIALS')
        check_equal(rest, b'')
        connection.close()


def test_pipelined_requests_are_answered_in_order(server):
    count = 40
    data = b''.join(b'GET /health HTTP/1.1\r\n' + HOST + b'X-Request-ID: number-%d\r\n\r\n' % number
                    for number in range(count))
    connection = server.connect()
    connection.sendall(data + HEALTH + b'Connection: close\r\n\r\n')
    replies = replies_parse(receive_all(connection))
    check_equal(len(replies), count + 1)
    for number in range(count):
        check_equal(replies[number].headers['x-request-id'], f'number-{number}')


def test_pipelined_read_sees_the_write_before_it(server):
    user = server.user()
    bearer = b'Authorization: Bearer ' + user.token.encode() + b'\r\n'
    connection = server.connect()
    for number in range(5):
        body = b'{"full_name":"Name %d"}' % number
        connection.sendall(
            b'PATCH /api/v1/users/me HTTP/1.1\r\n' + HOST + bearer +
            b'Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' % (len(body), body) +
            b'GET /api/v1/users/me HTTP/1.1\r\n' + HOST + bearer + b'\r\n')
        first, rest = reply_read(connection)
        second, rest = reply_read(connection, received=rest)
        check_status(first, 200)
        check_equal(second.data['user']['full_name'], f'Name {number}')
    connection.close()


def test_smuggled_second_request_is_not_seen(server):
    inner = b'GET /health HTTP/1.1\r\nX-Request-ID: smuggled\r\n' + HOST + b'\r\n'
    for data in (
            LOGIN + b'Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n' %
            (len(inner) + 5) + inner,
            LOGIN + b'Transfer-Encoding: \x0bchunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n' + inner,
            LOGIN + b'Content-Length: 0\r\nContent-Length: %d\r\n\r\n' % len(inner) + inner,
            LOGIN + b'Transfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n' + inner):
        received = exchange(server, data)
        check_equal(len(replies_parse(received)), 1)
        check_not_in(b'smuggled', received)


def test_keep_alive_and_close(server):
    connection = server.connect()
    for _ in range(3):
        connection.sendall(HEALTH + b'\r\n')
        check_equal(reply_read(connection)[0].status, 200)
    connection.sendall(HEALTH + b'Connection: close\r\n\r\n')
    reply, rest = reply_read(connection)
    check_equal(reply.headers['connection'].lower(), 'close')
    check_equal(rest, b'')
    check(is_closed(connection))
    connection = server.connect()
    connection.sendall(b'GET /health HTTP/1.0\r\n\r\n')
    reply_read(connection)
    check(is_closed(connection), 'HTTP/1.0 without keep-alive must close')
    connection = server.connect()
    connection.sendall(b'GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n')
    check_equal(reply_read(connection)[0].headers['connection'].lower(), 'keep-alive')
    connection.sendall(b'GET /health HTTP/1.0\r\n\r\n')
    reply_read(connection)


def test_head_is_get_without_a_body(server):
    for path in ('/health', '/openapi.json', '/metrics', '/api/v1/auth/me', '/nothing/here'):
        client = server.client()
        get = client.get(path)
        connection = server.connect(is_plain=False)
        connection.sendall(f'HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\n'.encode() +
                           HEALTH + b'Connection: close\r\n\r\n')
        replies = replies_parse(receive_all(connection), ['HEAD', 'GET'])
        check_equal(replies[0].status, get.status, path)
        if path in ('/openapi.json', '/nothing/here') and 'content-length' in get.headers:
            length = int(replies[0].headers['content-length'])
            check(abs(length - len(get.body)) < 64, f'{path}: {length}, not {len(get.body)}')
        check_equal(replies[1].status, 200)


def test_unknown_paths_and_methods(server):
    client = server.client()
    check_status(client.get('/api/health/'), 404, 'NOT_FOUND')
    check_status(client.get('/api/v1/nothing'), 404, 'NOT_FOUND')
    check_status(client.get('/api/v1/auth/login'), 405, 'METHOD_NOT_ALLOWED')
    reply = client.request('DELETE', '/api/v1/auth/login', {})
    check_status(reply, 405, 'METHOD_NOT_ALLOWED')
    allowed = set(re.split(r',\s*', reply.headers['allow']))
    check_equal(allowed, {'POST', 'OPTIONS'})
    reply = client.request('PUT', '/api/v1/users/me', {})
    check_equal(set(re.split(r',\s*', reply.headers['allow'])),
                {'GET', 'HEAD', 'PATCH', 'DELETE', 'OPTIONS'})


def test_options_and_cors(server):
    client = server.client()
    origin = {'Origin': 'http://localhost:3000'}
    preflight = dict(origin, **{'Access-Control-Request-Method': 'PATCH',
                                'Access-Control-Request-Headers': 'authorization,content-type'})
    for path in ('/api/v1/users/me', '/api/v1/unknown'):
        reply = client.request('OPTIONS', path, headers=preflight)
        check_in(reply.status, (200, 204), path)
        check_equal(reply.body, b'')
        check_equal(reply.headers['access-control-allow-origin'], 'http://localhost:3000')
        check_equal(reply.headers['access-control-allow-credentials'], 'true')
        check_in('PATCH', reply.headers['access-control-allow-methods'])
        names = reply.headers['access-control-allow-headers'].lower()
        for name in ('content-type', 'authorization', 'x-request-id', 'idempotency-key'):
            check_in(name, names)
        check(int(reply.headers['access-control-max-age']) >= 600)
        check_in('Origin', reply.headers['vary'])
    reply = client.get('/health', headers=origin)
    check_equal(reply.headers['access-control-allow-origin'], 'http://localhost:3000')
    check_in('Origin', reply.headers['vary'])
    for name in ('x-request-id', 'ratelimit-remaining', 'retry-after'):
        check_in(name, reply.headers['access-control-expose-headers'].lower())
    reply = client.get('/api/v1/auth/me', headers=origin)
    check_status(reply, 401)
    check_equal(reply.headers['access-control-allow-origin'], 'http://localhost:3000')
    for evil in ('http://evil.example', 'http://localhost:3000.evil.example', 'null',
                 'http://localhost:30001'):
        reply = client.get('/health', headers={'Origin': evil})
        check_not_in('access-control-allow-origin', reply.headers, evil)
        check_not_in('access-control-allow-credentials', reply.headers, evil)
    reply = client.request('OPTIONS', '/api/v1/users/me')
    check_in(reply.status, (200, 204))
    check_in('PATCH', reply.headers['allow'])
    check_equal(client.request('OPTIONS', '/api/v1/unknown').status, 404)


def test_cors_for_any_origin_has_no_credentials():
    with Server({'cors.origins': '*'}) as server:
        reply = server.client().get('/health', headers={'Origin': 'https://anywhere.example'})
        check_equal(reply.headers['access-control-allow-origin'], '*')
        check_not_in('access-control-allow-credentials', reply.headers)


def test_gzip_when_accepted(server):
    client = server.client()
    plain = client.get('/openapi.json')
    check_not_in('content-encoding', plain.headers)
    check_in('accept-encoding', plain.headers.get('vary', '').lower())
    packed = client.get('/openapi.json', headers={'Accept-Encoding': 'br;q=1, gzip;q=0.5'})
    check_equal(packed.headers['content-encoding'], 'gzip')
    check(len(packed.body) < len(plain.body) / 2, 'gzip saves less than half')
    check_equal(gzip.decompress(packed.body), plain.body)
    # Packed when first asked for, kept from then on.
    for path in ('/docs', '/docs/docs.css', '/setup', '/setup/setup.js', '/link.js'):
        bodies = [gzip.decompress(client.get(path, headers={'Accept-Encoding': 'gzip'}).body)
                  for _ in range(2)]
        check_equal(bodies, 2 * [client.get(path).body], path)
    for refusal in ('gzip;q=0', 'identity', '*;q=0, identity', 'gzip;q=0.000, *', 'xgzip'):
        reply = client.get('/openapi.json', headers={'Accept-Encoding': refusal})
        check_not_in('content-encoding', reply.headers, refusal)
    small = client.get('/api/v1/health', headers={'Accept-Encoding': 'gzip'})
    check_not_in('content-encoding', small.headers, 'a small reply grows by gzip')
    metrics = client.get('/metrics', headers={'Accept-Encoding': 'gzip'})
    check_in(b'http_requests_total', gzip.decompress(metrics.body))


def test_curl_as_a_client(server):
    base = f'https://127.0.0.1:{server.https_port}'
    run = subprocess.run(
        ['curl', '-sk', '--compressed', '-w', '%{http_code} %{http_version} %{ssl_verify_result}',
         '-o', '/dev/null', f'{base}/openapi.json'], capture_output=True, text=True, timeout=60)
    check(run.stdout.startswith('200 1.1'), run.stdout)
    body = json.dumps({'email': 'curl@example.com', 'password': PASSWORD, 'full_name': 'A Curl'})
    run = subprocess.run(
        ['curl', '-skv', '-H', 'Expect: 100-continue', '-H', 'Content-Type: application/json',
         '--expect100-timeout', '20', '-d', body, f'{base}/api/v1/auth/register'],
        capture_output=True, text=True, timeout=60)
    check_in('HTTP/1.1 100', run.stderr)
    check_in('HTTP/1.1 201', run.stderr)
    check_equal(json.loads(run.stdout)['data']['email'], 'curl@example.com')
    run = subprocess.run(
        ['curl', '-sk', '-H', 'Transfer-Encoding: chunked', '-H', 'Content-Type: application/json',
         '-d', body, f'{base}/api/v1/auth/register'], capture_output=True, text=True, timeout=60)
    check_equal(json.loads(run.stdout)['error']['details']['code'], 'EMAIL_EXISTS')


def test_expect_continue_only_for_requests_that_will_be_read(server):
    user = server.user()
    body = b'{"full_name":"Patience"}'
    head = (b'PATCH /api/v1/users/me HTTP/1.1\r\n' + HOST + b'Content-Type: application/json\r\n'
            b'Expect: 100-continue\r\nContent-Length: %d\r\n' % len(body))
    connection = server.connect()
    connection.sendall(head + b'Authorization: Bearer ' + user.token.encode() + b'\r\n\r\n')
    reply, rest = reply_read(connection)
    check_equal(reply.status, 100)
    check_equal(rest, b'')
    connection.sendall(body)
    check_equal(reply_read(connection)[0].data['user']['full_name'], 'Patience')
    connection.close()
    connection = server.connect()
    connection.sendall(head + b'\r\n')
    check_equal(reply_read(connection)[0].status, 401, 'refused at the head')
    connection.close()
    connection = server.connect()
    connection.sendall(LOGIN + b'Expect: 100-continue\r\nContent-Length: 70000\r\n\r\n')
    check_equal(reply_read(connection)[0].status, 413)
    connection.close()


def test_body_forms(server):
    client = server.client()
    path = '/api/v1/auth/login'
    table = [
        (b'{', 'INVALID_JSON'), (b'', 'INVALID_JSON'), (b'{"email":1,}', 'INVALID_JSON'),
        (b"{'email':1}", 'INVALID_JSON'), (b'{"a":1}{"a":1}', 'INVALID_JSON'),
        (b'{"email":"a@b.cd","email":"a@b.cd","password":"x"}', 'INVALID_JSON'),
        (b'{"email":"\xff@b.cd","password":"x"}', 'INVALID_JSON'),
        (b'{"email":"a\\u0000@b.cd","password":"x"}', 'INVALID_JSON'),
        (b'{"email":"\\ud800@b.cd","password":"x"}', 'INVALID_JSON'),
        (b'[' * 101 + b']' * 101, 'INVALID_JSON'), (b'{"a":' * 12000, 'INVALID_JSON'),
        (b'\xef\xbb\xbf{}', 'INVALID_JSON'), (b'{"email":NaN}', 'INVALID_JSON'),
    ]
    for body, reason in table:
        reply = client.post(path, body, headers={'Content-Type': 'application/json'})
        check_status(reply, 400, 'BAD_REQUEST', reason)
    for body in (b'null', b'[]', b'"text"', b'5', b'true'):
        reply = client.post(path, body, headers={'Content-Type': 'application/json'})
        check_status(reply, 400, 'VALIDATION_ERROR')
        check_equal(reply.details, {'_schema': ['Invalid input type.']}, repr(body))
    for media in ('text/plain', 'application/x-www-form-urlencoded', 'application/jsonx', ''):
        reply = client.post(path, b'{}', headers={'Content-Type': media})
        check_status(reply, 400, 'BAD_REQUEST', 'INVALID_CONTENT_TYPE')
    for media in ('application/json', 'application/json; charset=utf-8', 'Application/JSON'):
        reply = client.post(path, b'{}', headers={'Content-Type': media})
        check_status(reply, 400, 'VALIDATION_ERROR')


def test_deadlines_cut_slow_clients():
    settings = {'http.head-timeout': '1', 'http.body-timeout': '1', 'http.idle-timeout': '2'}
    with Server(settings) as server:
        began = time.monotonic()
        slow = {
            'silent': (server.connect(), b''),
            'silent through TLS': (server.connect(is_plain=False), b''),
            'half a head': (server.connect(), b'GET /hea'),
            'half a head through TLS': (server.connect(is_plain=False), b'GET /hea'),
            'half a body': (server.connect(), LOGIN + b'Content-Length: 50\r\n\r\n{"em'),
            'half a chunk': (server.connect(), CHUNKED + b'20\r\n{"em'),
            'idle': (server.connect(), HEALTH + b'\r\n'),
            'half a handshake': (socket.create_connection(('127.0.0.1', server.https_port)),
                                 bytes.fromhex('1603010200010001fc0303')),
        }
        for connection, data in slow.values():
            connection.sendall(data)
        status = {}
        for name, (connection, _data) in slow.items():
            received = receive_all(connection, 10)
            status[name] = [reply.status for reply in replies_parse(received)] \
                if received.startswith(b'HTTP') else []
            connection.close()
        check(server.is_running(), 'the server is gone:\n' + server.log()[-1500:])
        check(time.monotonic() - began < 8, 'the deadlines were 1 and 2 s')
        for name in ('half a head', 'half a head through TLS', 'half a body', 'half a chunk'):
            check_equal(status[name], [408], name)
        check_equal(status['idle'], [200])
        check_equal(status['half a handshake'], [])
        check(status['silent'] in ([], [408]), f'silent: {status["silent"]}')
        check_equal(server.client().get('/health').status, 200)


def test_slowloris_does_not_extend_its_deadline():
    with Server({'http.head-timeout': '1', 'http.body-timeout': '1'}) as server:
        for start in (b'GET /health HTTP/1.1\r\nX: ',
                      LOGIN + b'Content-Length: 5000\r\n\r\n{"a":"'):
            connections = [server.connect() for _ in range(20)]
            for connection in connections:
                connection.sendall(start)
            began = time.monotonic()
            alive = set(range(20))
            while alive and time.monotonic() - began < 8:
                for index in list(alive):
                    try:
                        connections[index].sendall(b'a')
                        connections[index].settimeout(0.001)
                        if connections[index].recv(4096):
                            alive.discard(index)
                    except (TimeoutError, socket.timeout):
                        pass
                    except OSError:
                        alive.discard(index)
                check_equal(server.client().get('/health').status, 200)
                server.close_clients()
                time.sleep(0.1)
            check(not alive, f'{len(alive)} dribbling clients still hold their connection')
            for connection in connections:
                connection.close()


def test_a_client_that_does_not_read_is_cut():
    with Server({'http.write-timeout': '1', 'rate.enabled': 'false'}) as server:
        connection = reader_of_little(server)
        wait_until(lambda: not takes(connection), 'the connection is cut', 10)
        check_equal(server.client().get('/health').status, 200)
        connection.close()


def test_a_client_that_reads_a_little_and_asks_again_is_cut():
    """Its request makes the server try before the loop says that there is room; the try finds some,
    less than the loop would speak of. The server must not wait for the loop then."""
    with Server({'http.write-timeout': '1', 'rate.enabled': 'false'}) as server:
        connections = [reader_of_little(server) for _ in range(6)]
        for connection in connections:
            for _ in range(60):
                takes(connection)
        # The pages of metrics themselves are sent in between.
        wait_until(lambda: -sent_bytes(server) + sent_bytes(server) < 100_000, 'it is stuck', 10)
        for number, connection in enumerate(connections):
            left = 150_000 + number * 50_000
            while left > 0:
                left -= len(connection.recv(left))
            takes(connection)
        for connection in connections:
            wait_until(lambda: not takes(connection), 'the connection is cut', 10)
            connection.close()


def reader_of_little(server):
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(('127.0.0.1', server.http_port))
    connection.settimeout(0.05)
    return connection


def sent_bytes(server):
    text = server.client().get('/metrics').text
    return int(re.search(r'^coffer_sent_bytes_total (\d+)', text, re.MULTILINE).group(1))


def takes(connection):
    """Asks for a large answer; False when the connection was cut."""
    try:
        connection.sendall(b'GET /openapi.json HTTP/1.1\r\n' + HOST + b'\r\n')
    except (TimeoutError, socket.timeout):
        return True
    except OSError:
        return False
    return True


def test_connections_are_capped_and_come_back():
    with Server({'http.connections': '16'}) as server:
        held = []
        for _ in range(16):
            connection = server.connect()
            connection.sendall(HEALTH + b'\r\n')
            held.append(connection)
        answered = 0
        for connection in held:
            try:
                answered += reply_read(connection)[0].status == 200
            except (AssertionError, OSError):
                pass
        check(answered >= 15, f'{answered} of 16 were served')
        refused = 0
        for _ in range(8):
            try:
                replies = replies_parse(exchange(server, HEALTH + b'\r\n', seconds=2))
                refused += all(reply.status == 503 for reply in replies)
            except OSError:
                refused += 1
            except NotClosed:  # it waits in the backlog: neither served nor harmed
                refused += 1
        check(refused >= 7, f'only {refused} of 8 beyond the cap were refused')
        for connection in held:
            connection.close()
        wait_until(lambda: is_served(server), 'served again')


def is_served(server):
    try:
        return server.client(is_plain=True).get('/health').status == 200
    except (OSError, AssertionError, Exception):  # http.client has its own family
        return False


def test_forwarded_addresses_only_from_trusted_proxies(server):
    user = server.user()
    token = server.login(user.email, client=server.client(address='203.0.113.9')).data['token']
    sessions = server.client(token=token).get('/api/v1/auth/sessions').data['sessions']
    check('203.0.113.9' not in json.dumps(sessions), 'believed a stranger')
    check_equal({session['ip_address'] for session in sessions}, {'127.0.0.1'})
    settings = {'http.trusted-proxies': '127.0.0.1,10.0.0.0/8', 'rate.enabled': 'false'}
    with Server(settings) as proxied:
        user = proxied.user()
        table = [
            ('203.0.113.9', '203.0.113.9'),
            ('2001:db8::7', '2001:db8::7'),
            ('198.51.100.1, 203.0.113.9', '203.0.113.9'),
            ('198.51.100.1, 203.0.113.9, 10.1.2.3', '203.0.113.9'),
            ('garbage', '127.0.0.1'),
            ('203.0.113.9, garbage', '127.0.0.1'),
        ]
        for header, expected in table:
            client = proxied.client(is_plain=True, address=header)
            reply = proxied.login(user.email, client=client)
            check_status(reply, 200)
            session = session_of(proxied, reply.data['token'])
            check_equal(session['ip_address'], expected, header)


def session_of(server, token):
    sessions = server.client(token=token).get('/api/v1/auth/sessions').data['sessions']
    return next(session for session in sessions if session['current'])


def test_sigterm_finishes_running_requests():
    server = Server({'password.cost': '10', 'rate.enabled': 'false'}).start()
    user = server.user()
    idle = server.connect()
    idle.sendall(HEALTH + b'\r\n')
    reply_read(idle)
    body = json.dumps({'email': user.email, 'password': PASSWORD}).encode()
    running = [server.connect() for _ in range(4)]
    for connection in running:  # the 100 says that the server has begun this request
        connection.sendall(LOGIN + b'Expect: 100-continue\r\n'
                           b'Content-Length: %d\r\n\r\n' % len(body))
        check_equal(reply_read(connection)[0].status, 100)
        connection.sendall(body)
    server.signal(15)
    for connection in running:
        check_equal(reply_read(connection)[0].status, 200)
    check(is_closed(idle))
    complaints = server.stop()
    check(not complaints, '; '.join(complaints))


harness.main(globals())
