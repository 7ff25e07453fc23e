"""Does a small machine serve many? Every connection is open at the same time and answered.

10,000 are not asked here: QEMU's own network in user space needs minutes for them. What they need
is told by `make bench` (resident memory of the server).
"""

import http.client
import ssl

from machine import Machine
import harness
from harness import check_equal

# QEMU forwards all connections from one address.
MANY = ('coffer.http.connections=1040 coffer.http.connections-per-address=1040 '
        'coffer.rate.read=1000000')


def clients_served(machine, count, is_resuming=False):
    """How many of `count` connections that stay open get two answers each. With `is_resuming` all
    but the first go on with the first one's TLS session, as returning clients do."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    open_ones = []
    served = 0
    try:
        for _ in range(count):
            connection = http.client.HTTPSConnection('127.0.0.1', machine.port, timeout=60,
                                                     context=context)
            http.client.HTTPConnection.connect(connection)
            session = open_ones[0].sock.session if open_ones and is_resuming else None
            connection.sock = context.wrap_socket(connection.sock, session=session)
            open_ones.append(connection)
        for _ in range(2):
            for connection in open_ones:
                connection.request('GET', '/health')
                reply = connection.getresponse()
                reply.read()
                served += reply.status == 200
    finally:
        for connection in open_ones:
            connection.close()
    return served // 2


def test_100_clients_with_64_mib():
    """Handshakes and registrations included."""
    with Machine('microvm', memory=64) as machine:
        machine.login(machine.register('ada'))
        check_equal(clients_served(machine, 100), 100, 'served')
        machine.login('ada@example.com')


def test_1000_clients_with_96_mib():
    with Machine('microvm', memory=96, append=MANY) as machine:
        check_equal(clients_served(machine, 1000, is_resuming=True), 1000, 'served')
        machine.login(machine.register('ada'))


harness.main(globals())
