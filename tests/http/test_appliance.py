"""Updates of the appliance, up to the moment when the machine takes over: the signed header, the
parts, and that everything which is not right is refused and changes nothing."""

import os
import subprocess

import harness
from bundle import UPDATE, make
from harness import check, check_equal, check_in, check_status
from server import ROOT, Server, release_path

SETTINGS = {'rate.enabled': 'false'}
MACHINE = {'INIT_SLOTS_OF_COFFER': '1'}  # what PID 1 says to its child
EXIT_UPDATE = 75


def refused(reply, status, reason):
    check_equal((reply.status, reply.json['error']['details'].get('code')), (status, reason),
                reply.text[:300])


def test_upload_and_install():
    server = Server(SETTINGS, environment=MACHINE).start()
    client = server.admin()
    data = client.get(UPDATE).data
    check_equal((data['is_possible'], data['update']), (True, None))
    bundle = make(server.folder)
    refused(client.post(UPDATE + '/install', {}), 404, 'NOT_FOUND')
    reply = bundle.begin(client)
    check_status(reply, 201)
    check_equal((reply.data['update']['version'], reply.data['update']['part_count']), ('9.0.0', 3))
    for number in (2, 0, 0):  # any order, and again
        check_status(bundle.put(client, number), 200)
    refused(client.post(UPDATE + '/install', {}), 409, 'UPDATE_INCOMPLETE')
    reply = bundle.put(client, 1)
    check_equal(reply.data['update']['parts_received'], 3)
    reply = client.post(UPDATE + '/install', {})
    check_status(reply, 202)
    check_equal(reply.data['update']['state'], 'requested')
    check_equal(server.process.wait(30), EXIT_UPDATE)


def test_sent_by_the_script():
    server = Server(SETTINGS, environment=MACHINE).start()
    client = server.admin()
    bundle = make(server.folder)
    command = [os.path.join(ROOT, 'image/send'), bundle.path,
               f'https://localhost:{server.https_port}']
    run = subprocess.run(command + ['no-token', '-k'], capture_output=True, text=True, timeout=60)
    check(run.returncode != 0 and 'INVALID_TOKEN' in run.stderr, run.stdout + run.stderr)
    check_equal(client.get(UPDATE).data['update'], None)
    run = subprocess.run(command + [client.token, '-k'], capture_output=True, text=True,
                         timeout=60)
    check_equal(run.returncode, 0, run.stderr)
    check_in('"state":"requested"', run.stdout)
    check_equal(server.process.wait(30), EXIT_UPDATE)


def test_refused_and_nothing_changes():
    server = Server(SETTINGS, environment=MACHINE).start()
    client = server.admin()
    good = make(server.folder)
    foreign = os.path.join(server.folder, 'foreign.pem')
    subprocess.run(['openssl', 'ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out',
                    foreign], check=True)
    check_status(good.begin(client), 201)
    check_status(good.put(client, 0), 200)
    before = client.get(UPDATE).data
    changed = bytearray(good.header)
    changed[40] ^= 1
    cases = [
        (good.header[:-1], 400, 'UPDATE_FORMAT'),
        (b'COFFERUP', 400, 'UPDATE_FORMAT'),
        (b'x' + good.header[1:], 400, 'UPDATE_FORMAT'),
        (bytes(changed), 400, 'UPDATE_SIGNATURE'),
        (good.header[:-64] + bytes(64), 400, 'UPDATE_SIGNATURE'),
        (make(server.folder, key=foreign).header, 400, 'UPDATE_SIGNATURE'),
        (make(server.folder, version='0.0.9').header, 409, 'UPDATE_NOT_NEWER'),
        (make(server.folder, version=running(client)).header, 409, 'UPDATE_NOT_NEWER'),
        (make(server.folder, least='8.0.0').header, 409, 'UPDATE_TOO_NEW'),
    ]
    for header, status, reason in cases:
        refused(good.begin(client, header), status, reason)
    for number, data in ((1, good.parts[0]), (1, good.parts[1][:-1]), (2, good.parts[1])):
        refused(good.put(client, number, data), 400, 'UPDATE_PART')
    refused(good.put(client, 3, b'x'), 404, 'NOT_FOUND')
    check_equal(client.get(UPDATE).data, before)
    server.stop()


def running(client):
    return client.get(UPDATE).data['running_version']


def test_a_server_that_is_no_machine_installs_nothing():
    server = Server(SETTINGS).start()
    client = server.admin()
    bundle = make(server.folder, bytes_count=1000)
    check_equal(client.get(UPDATE).data['is_possible'], False)
    check_status(bundle.begin(client), 201)
    check_status(bundle.put(client, 0), 200)
    refused(client.post(UPDATE + '/install', {}), 409, 'UPDATE_NO_SLOTS')
    refused(client.post(UPDATE + '/fetch', {'url': 'https://localhost/'}), 409, 'UPDATE_NO_SLOTS')
    server.stop()


def test_a_build_without_a_key_takes_no_update():
    server = Server(SETTINGS, program=release_path(), environment=MACHINE).start()
    client = server.admin()
    refused(make(server.folder).begin(client), 409, 'UPDATE_KEY_MISSING')
    refused(client.post(UPDATE + '/fetch', {'url': 'https://localhost/'}), 409,
            'UPDATE_KEY_MISSING')
    server.stop()


def test_only_for_administrators():
    server = Server(SETTINGS).start()
    client = server.user()
    check_equal(client.get(UPDATE).status, 403)
    check_equal(make(server.folder).begin(client).status, 403)
    server.stop()


def test_from_a_file():
    """The command line, for the disk of a machine that is off."""
    server = Server(SETTINGS, environment=MACHINE).start()
    client = server.admin()
    check_equal(client.get(UPDATE).data['update'], None)
    check_equal(server.finish(), [])
    good = make(server.folder)
    bad = good.path + '.bad'
    with open(good.path, 'rb') as handle:
        data = handle.read()
    for broken in (data[:-1], data[:-1] + b'?', data + b'?', data[:100], b''):
        with open(bad, 'wb') as out:
            out.write(broken)
        run = server.run('image', 'update', bad, '--data', server.data)
        check(run.returncode == 1 and 'nothing has changed' in run.stderr, run.stderr)
    run = server.run('image', 'update', good.path, '--data', server.data)
    check_equal(run.returncode, 0, run.stderr)
    run = server.run('image', 'update', '--data', server.data)
    check_equal(run.returncode, 64)
    run = server.run('fsck', server.data)
    check_equal(run.returncode, 0, run.stderr)


harness.main(globals())
