"""Updates of the appliance by URL: the server fetches the bundle itself. What is good waits for its
installation like one that was sent; whatever is wrong, with the bundle or on the way, is refused by
name, and nothing changes."""

import os
import socket
import subprocess
import tempfile
import threading

import harness
from bundle import UPDATE, make
from downloads import Downloads, chunked, cut, held, redirect, until_close
from harness import check, check_equal, check_in, check_not_in, check_status, wait_until
from names import NameServer, dns_reply
from pki import Pki
from server import Server

FOLDER = tempfile.TemporaryDirectory(prefix='coffer-update-url-')
PKI = Pki(FOLDER.name)
GOOD = PKI.identity('localhost')
SETTINGS = {'rate.enabled': 'false', 'net.trust-store': PKI.authority}
MACHINE = {'INIT_SLOTS_OF_COFFER': '1'}  # what PID 1 says to its child
EXIT_UPDATE = 75
FETCH = UPDATE + '/fetch'


def machine(**settings):
    return Server({**SETTINGS, **settings}, environment=MACHINE).start()


def ended(client):
    """What became of the fetch."""
    return wait_until(lambda: fetch_ended(client), 'the fetch ends')


def fetch_ended(client):
    data = client.get(UPDATE).data
    return data if data['fetch']['state'] != 'fetching' else None


def fetched(server, client, url):
    """Fetches what is good; the server ends for its installation."""
    check_status(client.post(FETCH, {'url': url}), 202)
    check_equal(server.process.wait(30), EXIT_UPDATE, server.log()[-2000:])


def refused(client, url):
    """Fetches what is not; returns why it was refused."""
    before = client.get(UPDATE).data['update']
    check_status(client.post(FETCH, {'url': url}), 202)
    data = ended(client)
    fetch = data['fetch']
    check_equal(fetch['state'], 'refused')
    check(fetch['problem'], 'a sentence')
    if fetch['bytes_total'] is None:
        check_equal(data['update'], before, 'the update')
    else:
        check_equal((data['update']['state'], data['update']['parts_received']), ('failed', 0))
    return fetch['code']


def read(bundle):
    with open(bundle.path, 'rb') as handle:
        return handle.read()


def test_fetched_and_installed():
    """Its states, one after the other, and what the audit trail says of them."""
    server = machine()
    client = server.admin()
    data = read(make(server.folder))
    go_on = threading.Event()
    with Downloads(GOOD) as site:
        site.pages['/file'] = held(data, 200_000, go_on)
        check_equal(client.get(UPDATE).data['fetch'], None)
        reply = client.post(FETCH, {'url': site.url('/file?token=hush-hush')})
        check_equal(reply.status, 202)
        check_equal(ended(client)['fetch']['code'], 'HTTP_STATUS')
        reply = client.post(FETCH, {'url': site.url('/file')})
        check_status(reply, 202)
        fetch = reply.data['fetch']
        check_equal((fetch['state'], fetch['bytes_received'], fetch['bytes_total']),
                    ('fetching', 0, None))
        check('url' not in fetch, 'there may be a token in it')

        def halfway():
            fetch = client.get(UPDATE).data['fetch']
            return fetch if fetch['bytes_received'] > 100_000 else None
        fetch = wait_until(halfway, 'a part is here')
        check_equal((fetch['state'], fetch['bytes_total']), ('fetching', len(data)))
        # One at a time, and nothing comes in between.
        check_status(client.post(FETCH, {'url': site.url('/file')}), 409, 'CONFLICT',
                     'UPDATE_FETCHING')
        check_status(make(server.folder).begin(client), 409, 'CONFLICT', 'UPDATE_FETCHING')
        go_on.set()
        check_equal(server.process.wait(30), EXIT_UPDATE, server.log()[-2000:])
        check_equal(site.requests[-1][1]['Host'], f'localhost:{site.port}')
    check_not_in('hush-hush', server.log())
    server.environment = {}
    server.start()
    client = server.client(client.token)
    state = client.get(UPDATE).data
    check_equal((state['update']['state'], state['update']['version']), ('requested', '9.0.0'))
    check_equal((state['fetch']['state'], state['fetch']['bytes_received']),
                ('fetched', len(data)))
    events = client.get('/api/v1/audit/events?limit=50').data['events']
    found = [(event['action'], event['outcome']) for event in reversed(events)
             if event['action'].startswith('appliance.')]
    check_equal(found, [('appliance.update.fetch', 'success'),
                        ('appliance.update.fetch_end', 'failed'),
                        ('appliance.update.fetch', 'success'),
                        ('appliance.update.begin', 'success'),
                        ('appliance.update.fetch_end', 'success')])
    server.stop()


def test_bundles_that_are_refused():
    server = machine()
    client = server.admin()
    foreign = os.path.join(server.folder, 'foreign.pem')
    subprocess.run(['openssl', 'ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out',
                    foreign], check=True)
    good = make(server.folder)
    data = read(good)
    # Something that was sent before stays as it is.
    check_status(good.begin(client), 201)
    check_status(good.put(client, 0), 200)
    header = bytearray(data)
    header[40] ^= 1
    part = bytearray(data)
    part[-1] ^= 1
    cases = [
        (bytes(header), 'UPDATE_SIGNATURE'),
        (read(make(server.folder, key=foreign)), 'UPDATE_SIGNATURE'),
        (read(make(server.folder, version='0.0.9')), 'UPDATE_NOT_NEWER'),
        (read(make(server.folder, least='8.0.0')), 'UPDATE_TOO_NEW'),
        (b'no bundle at all', 'UPDATE_FORMAT'),
        (b'short', 'UPDATE_FORMAT'),
        (b'', 'UPDATE_FORMAT'),
        (data[:100], 'UPDATE_FORMAT'),
        (bytes(part), 'UPDATE_PART'),
        (data[:-1], 'UPDATE_FORMAT'),
        (data + b'x', 'UPDATE_FORMAT'),
    ]
    with Downloads(GOOD) as site:
        for number, (body, code) in enumerate(cases):
            site.pages[f'/{number}'] = body
            check_equal(refused(client, site.url(f'/{number}')), code, f'case {number}')
        # And none of them is in the way of a good one.
        site.pages['/good'] = data
        fetched(server, client, site.url('/good'))


def test_servers_that_do_not_keep_their_word():
    server = machine(**{'update.timeout': 1})
    client = server.admin()
    data = read(make(server.folder))
    never = threading.Event()
    with Downloads(GOOD) as site:
        site.pages.update({
            '/cut': cut(data, 200_000),
            '/unsaid': until_close(data),  # the end of TLS is not announced: it may be an attack
            '/slow': held(data, 200_000, never),
            '/loop': redirect(302, '/loop'),
            '/down': redirect(302, 'http://localhost:1/'),
            '/elsewhere': redirect(302, 'ftp://localhost/'),
            '/large': lambda handler: handler.send(200, data, length=1 << 40),
        })
        check_equal(refused(client, site.url('/cut')), 'CONNECTION_CLOSED')
        check_equal(refused(client, site.url('/unsaid')), 'CONNECTION_CLOSED')
        check_equal(refused(client, site.url('/slow')), 'BODY_TIMEOUT')
        check_equal(refused(client, site.url('/loop')), 'TOO_MANY_REDIRECTS')
        check_equal(refused(client, site.url('/down')), 'REDIRECT_REFUSED')
        check_equal(refused(client, site.url('/elsewhere')), 'REDIRECT_REFUSED')
        check_equal(refused(client, site.url('/large')), 'REPLY_TOO_LARGE')
        check_equal(refused(client, site.url('/none')), 'HTTP_STATUS')
        never.set()
    check_equal(refused(client, site.url('/gone')), 'CONNECT_FAILED')
    with socket.create_server(('127.0.0.1', 0)) as silent:
        port = silent.getsockname()[1]
        check_equal(refused(client, f'https://localhost:{port}/'), 'CONNECT_TIMEOUT')
        check_equal(refused(client, f'http://localhost:{port}/'), 'REPLY_TIMEOUT')
    server.stop()


def test_certificates():
    server = machine()
    client = server.admin()
    stranger = Pki(FOLDER.name, 'stranger')
    cases = [
        PKI.identity('elsewhere.example'),
        stranger.identity('localhost'),
        PKI.identity('localhost', start='20200101000000Z', end='20210101000000Z'),
    ]
    for identity in cases:
        with Downloads(identity) as site:
            site.pages['/file'] = b'x'
            check_equal(refused(client, site.url('/file')), 'TLS_FAILED')
            check_equal(site.requests, [])
    with Downloads() as site:  # no TLS at all
        check_equal(refused(client, f'https://localhost:{site.port}/'), 'TLS_FAILED')
    check_equal(refused(client, f'https://127.0.0.1:{site.port}/'), 'CONNECT_FAILED')
    server.stop()


def test_plain_http_is_for_this_machine():
    """By the address that is connected to, whatever the name says; or by a setting."""
    with NameServer(lambda query, is_tcp: [dns_reply(query, ['192.0.2.1'])]) as names:
        server = machine(**{'net.resolvers': f'127.0.0.1:{names.port}', 'update.timeout': 1})
        client = server.admin()
        check_equal(refused(client, 'http://files.example/a'), 'URL_NOT_SECURE')
        server.settings['update.plain-http'] = 'true'
        server.restart()
        check_in(refused(client, 'http://files.example/a'), ('CONNECT_TIMEOUT', 'CONNECT_FAILED'))
        with Downloads() as site:
            site.pages['/file'] = until_close(read(make(server.folder)))
            site.pages['/latest'] = redirect(302, 'file')
            fetched(server, client, site.url('/latest'))


def test_a_restart_in_the_middle():
    server = machine()
    client = server.admin()
    data = read(make(server.folder))
    with Downloads(GOOD) as site:
        never = threading.Event()
        site.pages['/slow'] = held(data, 200_000, never)
        for end in (server.finish, server.kill):
            check_status(client.post(FETCH, {'url': site.url('/slow')}), 202)
            wait_until(lambda: client.get(UPDATE).data['fetch']['bytes_total'], 'it has begun')
            end()
            server.start()
            client = server.client(client.token)
            state = client.get(UPDATE).data
            check_equal((state['fetch']['state'], state['fetch']['code']),
                        ('refused', 'INTERRUPTED'))
            check_equal((state['update']['state'], state['update']['parts_received']),
                        ('failed', 0))
        never.set()
    check_equal(server.finish(), [])
    run = server.run('fsck', server.data)
    check_equal(run.returncode, 0, run.stderr)


def test_what_is_not_begun():
    server = machine()
    client = server.admin()
    for url in ('ftp://localhost/x', 'https://user@localhost/x', 'nothing', '', 'https://a b/'):
        check_status(client.post(FETCH, {'url': url}), 400, 'VALIDATION_ERROR')
    check_status(client.post(FETCH, {}), 400, 'VALIDATION_ERROR')
    check_equal(server.user().post(FETCH, {'url': 'https://localhost/'}).status, 403)
    check_equal(client.get(UPDATE).data['fetch'], None)
    server.stop()


def test_by_the_command_line():
    server = Server(SETTINGS).start()
    server.admin()
    check_equal(server.finish(), [])
    data = read(make(server.folder))

    def update(url):
        return server.run('image', 'update', url, '--data', server.data, '--set',
                          f'net.trust-store={PKI.authority}')
    with Downloads(GOOD) as site:
        site.pages.update({'/good': chunked(data), '/cut': data[:-1], '/bad': data[:-1] + b'?'})
        for path in ('/cut', '/bad', '/none'):
            run = update(site.url(path))
            check_equal(run.returncode, 1, run.stdout)
            check_in('nothing has changed', run.stderr)
        run = update(site.url('/good'))
        check_equal(run.returncode, 0, run.stderr)
        check_in(f'{len(data)} of {len(data)} bytes', run.stdout)
        check_in('will be installed when the machine starts', run.stdout)
    run = update('https://user@localhost/')
    check_equal(run.returncode, 1, run.stdout)
    run = server.run('fsck', server.data)
    check_equal(run.returncode, 0, run.stderr)


harness.main(globals())
