"""Does a small machine serve many? Every connection is open at the same time and answered."""

import http.client
import ssl

from machine import Machine
import harness
from harness import check_equal


def clients_served(machine, count):
    """How many of `count` connections that stay open get two answers each."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    open_ones = []
    served = 0
    try:
        for _ in range(count):
            connection = http.client.HTTPSConnection('127.0.0.1', machine.port, timeout=60,
                                                     context=context)
            connection.connect()
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


harness.main(globals())
