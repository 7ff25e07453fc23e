"""Our tokens in the eyes of another implementation (npm jose), and forged ones in ours."""

import base64
import json
import os
import time

import harness
from harness import check, check_equal, check_in, check_not_in, check_status, wait_until
from node import run_script
from server import Server

SETTINGS = {'rate.enabled': 'false', 'public-url': 'https://id.example.com'}
WHOAMI = '/api/v1/auth/me'
JWKS = '/.well-known/jwks.json'


def jwks_file(server):
    reply = server.client().get(JWKS)
    check_status(reply, 200)
    path = os.path.join(server.folder, 'jwks.json')
    open(path, 'wb').write(reply.body)
    return path


def verify(server, token, issuer='https://id.example.com'):
    run = run_script('verify_token.mjs', jwks_file(server), issuer, text=token)
    check_equal(run.returncode, 0, run.stderr)
    return json.loads(run.stdout)


def test_the_key_set_holds_only_public_keys(server):
    keys = server.client().get(JWKS).json['keys']
    check(len(keys) >= 1)
    for key in keys:
        check_equal(set(key), {'kty', 'crv', 'x', 'y', 'kid', 'use', 'alg'})
        check_equal((key['kty'], key['crv'], key['alg'], key['use']),
                    ('EC', 'P-256', 'ES256', 'sig'))


def test_access_tokens_verify(server):
    user = server.user()
    token = user.reply.data['access_token']
    seen = verify(server, token)
    check_not_in('error', seen)
    check_equal(seen['header']['alg'], 'ES256')
    check_equal(seen['header']['kid'], server.client().get(JWKS).json['keys'][0]['kid'])
    payload = seen['payload']
    check_equal(payload['sub'], user.user['id'])
    check_equal(payload['iss'], 'https://id.example.com')
    check_equal(payload['exp'] - payload['iat'], 900)
    check(abs(payload['iat'] - time.time()) < 60)
    check_in('jti', payload)
    check_equal(verify(server, token, 'https://other.example').get('error'),
                'ERR_JWT_CLAIM_VALIDATION_FAILED')
    changed = token[:-2] + ('AA' if token[-2:] != 'AA' else 'BA')
    check_in('error', verify(server, changed))


def test_forged_tokens_are_refused(server):
    user = server.user()
    token = user.reply.data['access_token']
    run = run_script('forge_tokens.mjs', jwks_file(server), text=token)
    check_equal(run.returncode, 0, run.stderr)
    forged = json.loads(run.stdout)
    check(len(forged) >= 20, 'too few forgeries')
    for name, fake in forged.items():
        check(fake != token, f'{name} is no forgery')
        reply = user.get(WHOAMI, token=fake)
        if len(fake) > 6144 or not fake:
            check_in(reply.status, (401, 431), name)
        else:
            check_equal((name, reply.status, reply.error_type), (name, 401, 'INVALID_TOKEN'))
    check_status(user.get(WHOAMI, token=token), 200)


def test_each_flipped_bit_is_noticed(server):
    user = server.user()
    token = user.reply.data['access_token']
    for position in range(0, len(token), 5):
        if token[position] == '.':
            continue
        other = 'A' if token[position] != 'A' else 'B'
        fake = token[:position] + other + token[position + 1:]
        check_equal((position, user.get(WHOAMI, token=fake).status), (position, 401))


def test_tokens_of_another_server_are_refused(server):
    with Server(SETTINGS) as other:
        foreign = other.user().reply.data
        client = server.client()
        for key in ('token', 'access_token', 'refresh_token'):
            check_status(client.get(WHOAMI, token=foreign[key]), 401, 'INVALID_TOKEN')


def test_keys_survive_a_restart():
    with Server(SETTINGS) as server:
        user = server.user()
        before = server.client().get(JWKS).json
        server.restart()
        check_equal(server.client().get(JWKS).json, before)
        check_status(server.client(token=user.reply.data['access_token']).get(WHOAMI), 200)


def test_the_private_key_is_sealed():
    server = Server(SETTINGS).start()
    user = server.user()
    data = user.reply.data
    check_equal(server.finish(), [])
    stored = b''
    for folder, _folders, files in os.walk(server.data):
        for name in files:
            stored += open(os.path.join(folder, name), 'rb').read()
    check_in(user.email.encode(), stored)
    for key in ('token', 'refresh_token', 'access_token'):
        check_not_in(data[key].encode(), stored, key)
        if key != 'access_token':  # that one is three texts
            raw = base64.urlsafe_b64decode(data[key] + '=')
            check(raw not in stored, f'{key} is stored as bytes')
    check(not server.finish())


def test_an_expired_token_is_called_expired():
    with Server({**SETTINGS, 'token.access-time': '10'}) as server:
        user = server.user()
        token = user.reply.data['access_token']
        payload = verify(server, token)['payload']
        wait_until(lambda: time.time() > payload['exp'], 'it expires', 15)
        reply = user.get(WHOAMI, token=token)
        check_status(reply, 401, 'INVALID_TOKEN', 'TOKEN_EXPIRED')


harness.main(globals())
