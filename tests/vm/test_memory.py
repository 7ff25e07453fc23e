"""Does a small machine serve many? All connections are open at the same time and ask at once."""

import http.client
import resource

from machine import Machine, own_network, trusting
import harness
from harness import Skipped, check_equal, check_not_in

# The last -icount counts. `is_counting` alone lets the clock jump while the guest waits for us.
COUNTING_AWAKE = ['-icount', 'shift=0,sleep=on']


def many(count):
    """Settings for `count` connections from one address, and some to spare. None is closed for
    being idle before the last one has asked."""
    return (f'coffer.http.connections={count + 40} coffer.rate.read=1000000 '
            f'coffer.http.connections-per-address={count + 40} coffer.http.idle-timeout=600')


def clients_served(machine, count, is_resuming=False):
    """How many of `count` connections that stay open get two answers each; all of them have asked
    before the first answer is read. With `is_resuming` all but the first go on with the first one's
    TLS session, as returning clients do."""
    open_ones = []
    served = 0
    try:
        for _ in range(count):
            connection = http.client.HTTPSConnection(machine.host, machine.port, timeout=60,
                                                     context=trusting)
            connection.auto_open = 0  # a lost one is not replaced in silence
            http.client.HTTPConnection.connect(connection)
            session = open_ones[0].sock.session if open_ones and is_resuming else None
            connection.sock = trusting.wrap_socket(connection.sock, session=session)
            open_ones.append(connection)
        for _ in range(2):
            for connection in open_ones:
                connection.request('GET', '/health')
            for connection in open_ones:
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


def test_1000_clients_with_64_mib():
    with Machine('microvm', memory=64, append=many(1000)) as machine:
        check_equal(clients_served(machine, 1000, is_resuming=True), 1000, 'served')
        machine.login(machine.register('ada'))


def test_ten_thousand_clients_with_288_mib():
    """By the clock of a machine that needs 1 ns for an instruction: the server gives an idle
    connection's buffers back after five seconds, so a machine as slow as the emulated one would do
    with less memory."""
    count = 10000
    descriptors = count + 1000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < descriptors:
        raise Skipped(f'only {hard} open files are allowed (ulimit -Hn)')
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, descriptors), hard))
    with own_network(), Machine('microvm', memory=288, append=many(count), is_tapped=True,
                                is_counting=True, extra=COUNTING_AWAKE) as machine:
        check_equal(clients_served(machine, count, is_resuming=True), count, 'served')
        machine.login(machine.register('ada'))
        check_not_in('Out of memory', machine.console())


harness.main(globals())
