"""A name server for tests."""

import socket
import struct
import threading

DNS_HEAD_BYTES = 12


class NameServer:
    """Answers UDP, and TCP on the same port, with what `answer(query, is_tcp)` gives: a list of
    datagrams. Counts queries."""

    def __init__(self, answer):
        self.answer = answer
        self.queries = []
        for _ in range(50):
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.udp.bind(('127.0.0.1', 0))
            self.port = self.udp.getsockname()[1]
            try:
                self.tcp = socket.create_server(('127.0.0.1', self.port))
                break
            except OSError:
                self.udp.close()
        for loop in (self.serve_udp, self.serve_tcp):
            threading.Thread(target=loop, daemon=True).start()

    def serve_udp(self):
        while True:
            try:
                query, peer = self.udp.recvfrom(4096)
            except OSError:
                return
            self.queries.append((query, peer[1], False))
            for reply in self.answer(query, False):
                self.udp.sendto(reply, peer)

    def serve_tcp(self):
        while True:
            try:
                connection, peer = self.tcp.accept()
            except OSError:
                return
            with connection:
                size = struct.unpack('>H', connection.recv(2, socket.MSG_WAITALL))[0]
                query = connection.recv(size, socket.MSG_WAITALL)
                self.queries.append((query, peer[1], True))
                for reply in self.answer(query, True):
                    for byte in struct.pack('>H', len(reply)) + reply:
                        connection.sendall(bytes([byte]))

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.udp.close()
        self.tcp.close()


def dns_reply(query, addresses=(), flags=0x8180):
    """With A records when A was asked for."""
    is_a = query[-4:-2] == b'\0\1'
    records = [b'\xc0\x0c\0\1\0\1\0\0\1\0\0\4' + socket.inet_aton(address)
               for address in addresses] if is_a else []
    return query[:2] + struct.pack('>HHHHH', flags, 1, len(records), 0, 0) + \
        query[DNS_HEAD_BYTES:] + b''.join(records)
