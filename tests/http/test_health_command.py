"""coffer health URL: what a container without any other program asks itself with."""

import socket
import tempfile
import threading

import harness
from harness import check_equal, check_in
from server import Server, free_port, program_path, run_program
from test_tls import make_pair


def health(*words):
    return run_program(program_path(), 'health', *words)


def check_run(run, code, words):
    check_equal(run.returncode, code, words)
    check_in(words, run.stdout + run.stderr)


def test_a_healthy_server():
    with Server() as server:
        for url in (f'https://localhost:{server.https_port}/health',
                    f'https://127.0.0.1:{server.https_port}',
                    f'http://localhost:{server.http_port}/health'):
            check_run(health(url), 0, 'healthy')


def test_every_kind_of_certificate():
    with tempfile.TemporaryDirectory() as folder:
        for kind in ('ec-pkcs8', 'ec384-pkcs8', 'rsa-pkcs8'):
            certificate, key = make_pair(folder, kind)
            with Server({'tls.certificate': certificate, 'tls.key': key}) as server:
                check_run(health(f'https://localhost:{server.https_port}'), 0, 'healthy')


def test_other_answers_are_no_health():
    with Server() as server:
        check_run(health(f'https://localhost:{server.https_port}/no-such-page'), 1,
                  'unhealthy: HTTP/1.1 404')
        check_run(health(f'http://localhost:{server.https_port}/health'), 1, 'coffer: ')
        check_run(health(f'https://localhost:{server.http_port}/health'), 1, 'no TLS session')


def test_nobody_there():
    check_run(health(f'https://localhost:{free_port()}/health'), 1, 'nobody answers')


def answering(answer):
    """A listener that gives each of two callers the same bytes; its port."""
    listener = socket.create_server(('127.0.0.1', 0))

    def serve():
        for _ in range(2):
            peer, _ = listener.accept()
            with peer:
                peer.recv(4096)
                peer.sendall(answer)
        listener.close()
    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1]


def test_strange_peers():
    port = answering(b'HTTP/1.1 503 Service Unavailable\r\n\r\n')
    check_run(health(f'http://127.0.0.1:{port}/health'), 1, 'unhealthy: HTTP/1.1 503')
    check_run(health(f'https://127.0.0.1:{port}/health'), 1, 'no TLS session')
    port = answering(b'SSH-2.0-strange\r\n')
    check_run(health(f'http://127.0.0.1:{port}/health'), 1, 'not HTTP')
    check_run(health(f'https://127.0.0.1:{port}/health'), 1, 'no TLS session')
    port = answering(b'')
    check_run(health(f'http://127.0.0.1:{port}/health'), 1, 'broke off')
    check_run(health(f'https://127.0.0.1:{port}/health'), 1, 'no TLS session')


def test_only_this_machine_and_only_urls():
    check_run(health('https://192.0.2.1:443/health'), 64, 'on this machine')
    for words in ((), ('ftp://localhost:1',), ('localhost',), ('https://localhost/a b',),
                  ('https://localhost:1', 'https://localhost:1')):
        check_run(health(*words), 64, 'usage: coffer health')


harness.main(globals())
