"""coffer backup of a live server, coffer restore into a new folder, coffer fsck."""

import os
import shutil
import threading

import harness
from harness import check, check_equal, check_not_in, check_status
from server import PASSWORD, Server

SETTINGS = {'rate.enabled': 'false'}
ME = '/api/v1/users/me'


def key_arguments(server):
    return ['--set', f'key-file={server.data}.key']


def backup(server, file):
    return server.run('backup', file, '--data', server.data)


def restore(server, file, folder):
    return server.run('restore', file, '--data', folder, *key_arguments(server))


def test_backup_under_load_restores_to_a_working_server():
    server = Server(SETTINGS).start()
    users = [server.user() for _ in range(5)]
    stop = threading.Event()
    acknowledged = []

    def write():
        client = server.client(token=users[0].token)
        number = 0
        while not stop.is_set():
            number += 1
            if client.patch(ME, {'full_name': f'Load {number}'}).status == 200:
                acknowledged.append(number)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        harness.wait_until(lambda: len(acknowledged) > 20, 'the load runs')
        before = acknowledged[-1]
        file = os.path.join(server.folder, 'backup.coffer')
        run = backup(server, file)
        after = acknowledged[-1]
    finally:
        stop.set()
        writer.join()
    check_equal(run.returncode, 0, run.stdout + run.stderr)
    check(os.path.getsize(file) > 1000)
    check(os.stat(file).st_mode & 0o077 == 0, 'others may read the backup')
    run = backup(server, file)
    check(run.returncode != 0, 'a backup must not be overwritten')
    folder = os.path.join(server.folder, 'restored')
    run = restore(server, file, folder)
    check_equal(run.returncode, 0, run.stdout + run.stderr)
    run = restore(server, file, folder)
    check(run.returncode != 0, 'a store must not be overwritten')
    run = server.run('fsck', folder, *key_arguments(server))
    check_equal(run.returncode, 0, run.stdout + run.stderr)
    restored = Server({**SETTINGS, 'key-file': f'{server.data}.key'}, data=folder).start()
    for user in users:
        check_status(restored.login(user.email), 200)
        check_status(restored.client(token=user.token).get(ME), 200)
    name = restored.client(token=users[0].token).get(ME).data['user']['full_name']
    check(before <= int(name.split()[1]) <= after + 1, f'{before}..{after}, but {name}')
    check_status(restored.client(token=users[1].token).patch(ME, {'full_name': 'New life'}), 200)
    for each in (restored, server):
        complaints = each.stop()
        check(not complaints, '; '.join(complaints))


def test_a_damaged_backup_is_not_restored():
    server = Server(SETTINGS).start()
    user = server.user(full_name='Damaged Marker')
    file = os.path.join(server.folder, 'backup.coffer')
    check_equal(backup(server, file).returncode, 0)
    whole = open(file, 'rb').read()
    at = whole.find(b'Damaged Marker')
    check(at > 0, 'the name is not found in the backup')
    damages = [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1:], whole[:len(whole) // 2],
               whole[:100], b'', b'garbage' * 1000]
    for number, damaged in enumerate(damages):
        bad = os.path.join(server.folder, f'bad-{number}')
        open(bad, 'wb').write(damaged)
        folder = os.path.join(server.folder, f'from-bad-{number}')
        run = restore(server, bad, folder)
        check(run.returncode != 0, f'damage {number} was restored: {run.stdout}')
        check_not_in('Sanitizer', run.stderr)
        check(not os.path.exists(os.path.join(folder, 'data.mdb')), f'damage {number} left a store')
    check_status(user.get(ME), 200)
    complaints = server.stop()
    check(not complaints, '; '.join(complaints))


def test_restore_needs_the_right_key():
    server = Server(SETTINGS).start()
    server.user()
    file = os.path.join(server.folder, 'backup.coffer')
    check_equal(backup(server, file).returncode, 0)
    other = os.path.join(server.folder, 'other.key')
    open(other, 'w', encoding='ascii').write('00' * 32)
    os.chmod(other, 0o600)
    run = server.run('restore', file, '--data', os.path.join(server.folder, 'new'),
                     '--set', f'key-file={other}')
    check(run.returncode != 0, 'restored under a foreign key')
    complaints = server.stop()
    check(not complaints, '; '.join(complaints))


def test_fsck_of_a_live_and_of_a_stopped_server():
    server = Server(SETTINGS).start()
    for _ in range(3):
        server.user()
    for _ in range(2):
        run = server.run('fsck', server.data)
        check_equal(run.returncode, 0, run.stdout + run.stderr)
        check_equal(server.finish(), [])
    run = server.run('fsck', os.path.join(server.folder, 'nothing'))
    check(run.returncode != 0, 'fsck of nothing')
    shutil.rmtree(server.folder)


def test_two_servers_do_not_share_a_store():
    with Server(SETTINGS) as first:
        second = Server(SETTINGS, data=first.data).spawn()
        check(second.process.wait(30) != 0, 'a second server runs on the same store')
        check_status(first.client().get('/health'), 200)
        shutil.rmtree(second.folder)


harness.main(globals())
