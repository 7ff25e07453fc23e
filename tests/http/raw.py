"""Requests as bytes, for what an HTTP library would never send."""

import socket
import ssl

from client import Reply, headers_fold, seen_add

SILENCE_SECONDS_MAX = 15.0


class NotClosed(AssertionError):
    """The server left the connection open."""


def receive_all(connection, seconds=SILENCE_SECONDS_MAX):
    """Everything until the server closes."""
    connection.settimeout(seconds)
    received = b''
    while True:
        try:
            piece = connection.recv(65536)
        except (TimeoutError, socket.timeout):
            raise NotClosed(f'still open after {seconds} s of silence; got {received[:400]!r}')
        except (ConnectionResetError, BrokenPipeError, ssl.SSLError):
            return received
        if not piece:
            return received
        received += piece


def send_all(connection, data):
    """The server may refuse, and close, before it has read everything."""
    try:
        connection.sendall(data)
    except (ConnectionResetError, BrokenPipeError, ssl.SSLError):
        pass


def reply_take(received, method='GET', path=''):
    """(reply, rest) of the first complete reply, or (None, received)."""
    head, separator, rest = received.partition(b'\r\n\r\n')
    if not separator:
        return None, received
    lines = head.decode('latin-1').split('\r\n')
    version, status, _reason = lines[0].split(' ', 2)
    if version != 'HTTP/1.1':
        raise AssertionError(f'reply begins with {lines[0]!r}')
    headers = headers_fold(tuple(line.split(': ', 1)) for line in lines[1:])
    status = int(status)
    if status < 200 or status in (204, 304) or method == 'HEAD':
        return Reply(status, {**headers, 'content-type': ''}, b'', method, path), rest
    if headers.get('transfer-encoding') == 'chunked':
        body, rest = chunks_take(rest)
    else:
        length = int(headers['content-length'])
        body, rest = (rest[:length], rest[length:]) if len(rest) >= length else (None, rest)
    if body is None:
        return None, received
    return Reply(status, headers, body, method, path), rest


def chunks_take(data):
    body = b''
    while True:
        line, separator, data = data.partition(b'\r\n')
        if not separator:
            return None, data
        size = int(line.split(b';')[0], 16)
        if len(data) < size + 2:
            return None, data
        if size == 0:
            return body, data[2:]
        body += data[:size]
        data = data[size + 2:]


def replies_parse(received, methods=()):
    """All replies in what a connection delivered."""
    replies = []
    while received:
        method = methods[len(replies)] if len(replies) < len(methods) else 'GET'
        reply, rest = reply_take(received, method)
        if reply is None:
            raise AssertionError(f'half a reply: {received[:400]!r}')
        replies.append(reply)
        received = rest
    return replies


def reply_read(connection, method='GET', path='', seconds=SILENCE_SECONDS_MAX, received=b''):
    """Reads one reply from an open connection; returns (reply, what came behind it)."""
    connection.settimeout(seconds)
    while True:
        reply, rest = reply_take(received, method, path)
        if reply is not None:
            seen_add(method, path, reply.status, reply.error_type, reply.reason)
            return reply, rest
        piece = connection.recv(65536)
        if not piece:
            raise AssertionError(f'closed in the middle of a reply: {received[:400]!r}')
        received += piece


def exchange(server, data, is_plain=True, seconds=SILENCE_SECONDS_MAX):
    """Sends bytes, and reads until the server closes."""
    connection = server.connect(is_plain)
    try:
        send_all(connection, data)
        received = receive_all(connection, seconds)
    finally:
        connection.close()
    note_first(data, received)
    return received


def note_first(data, received):
    """Keeps the books (client.py) for a request whose first line can be read."""
    words = data.split(b'\r\n')[0].decode('latin-1').split(' ')
    if len(words) == 3 and words[1].startswith('/') and received.startswith(b'HTTP/1.1 '):
        reply, _rest = reply_take(received, words[0], words[1])
        if reply is not None:
            seen_add(words[0], words[1], reply.status, reply.error_type, reply.reason)


def is_closed(connection, seconds=SILENCE_SECONDS_MAX):
    """Does the server close, and say nothing more?"""
    try:
        return receive_all(connection, seconds) == b''
    except NotClosed:
        return False
