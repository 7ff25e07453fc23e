"""Invitations to organizations by mail."""

import tempfile
import threading
import time
import uuid

import harness
from harness import check, check_equal, check_in, check_not_in, check_status, wait_until
from mails import mail_wait, mails, outbox_empty
from server import PASSWORD

FOLDER = tempfile.mkdtemp(prefix='coffer-mails-')
SETTINGS = {'rate.enabled': 'false', 'mail.folder': FOLDER}

ORGS = '/api/v1/organizations'
SHOW = '/api/v1/invitations/show'
ACCEPT = '/api/v1/invitations/accept'
NOBODY_KNOWS = 'A' * 43
KEYS = {'id', 'organization_id', 'email', 'role', 'invited_by_id', 'expires_at', 'created_at'}


def org_new(owner, name='Acme & Söhne'):
    reply = owner.post(ORGS, {'name': name, 'slug': 'slug-' + uuid.uuid4().hex[:12]})
    check_status(reply, 201)
    return reply.data['organization']['id']


def path_of(org):
    return f'{ORGS}/{org}/invitations'


def invite(client, org, email, role='member', **more):
    return client.post(path_of(org), {'email': email, 'role': role, **more})


def address_new():
    return f'{uuid.uuid4().hex[:12]}@example.com'


def token_wait(server, email, count=1):
    return mail_wait(server, email, 'invites you', count).token


def accept(client, token):
    return client.post(ACCEPT, {'token': token})


def roles(client, org):
    reply = client.get(f'{ORGS}/{org}/members')
    check_status(reply, 200)
    return {member['user']['email']: member['role'] for member in reply.data['members']}


def test_an_account_accepts(server):
    owner = server.user(full_name='Olga <Owner>')
    org = org_new(owner)
    guest = server.user()
    reply = invite(owner, org, guest.email.upper(), 'guest')
    check_status(reply, 201)
    invitation = reply.data['invitation']
    check_equal(set(invitation), KEYS)
    check_equal((invitation['email'], invitation['role'], invitation['invited_by_id']),
                (guest.email, 'guest', owner.user['id']))
    mail = mail_wait(server, guest.email, 'invites you')
    check_equal(mail.subject, 'Olga <Owner> invites you to Acme & Söhne')
    check_in('Acme &#38; Söhne', mail.html)
    check_in('as guest', mail.text)
    check_in('7 days', mail.text)
    shown = server.client().post(SHOW, {'token': mail.token})
    check_status(shown, 200)
    check_equal({**shown.data, 'expires_at': ''}, {
        'organization_name': 'Acme & Söhne', 'inviter_name': 'Olga <Owner>', 'role': 'guest',
        'email': guest.email, 'has_account': True, 'expires_at': ''})
    check_equal(roles(owner, org), {owner.email: 'owner'})  # nothing before it is accepted
    reply = accept(guest, mail.token)
    check_status(reply, 200)
    check_equal(reply.data['member']['role'], 'guest')
    check_equal(reply.data['member']['invited_by_id'], owner.user['id'])
    check_equal(roles(owner, org), {owner.email: 'owner', guest.email: 'guest'})
    check_equal(guest.get('/api/v1/auth/me').data['user']['email_verified'], True)
    check_status(accept(guest, mail.token), 404, 'NOT_FOUND', 'INVITATION_INVALID')
    check_equal(owner.get(path_of(org)).data, {'invitations': [], 'count': 0})


def test_registering_first(server):
    owner = server.user()
    org = org_new(owner)
    email = address_new()
    check_status(invite(owner, org, email, 'admin'), 201)
    token = token_wait(server, email)
    check_equal(server.client().post(SHOW, {'token': token}).data['has_account'], False)
    check_status(accept(server.client(), token), 401)
    user = server.user(email=email)
    check_status(accept(user, token), 200)
    check_equal(roles(user, org)[email], 'admin')


def test_only_the_account_of_the_address_accepts(server):
    owner, thief = server.user(), server.user()
    org = org_new(owner)
    email = address_new()
    check_status(invite(owner, org, email), 201)
    token = token_wait(server, email)
    check_status(accept(thief, token), 403, 'AUTHORIZATION_ERROR', 'INVITATION_FOR_ANOTHER')
    check_status(accept(server.user(email=email), token), 200)


def test_who_may_invite(server):
    people = {role: server.user() for role in ('owner', 'admin', 'member', 'guest')}
    stranger = server.user()
    org = org_new(people['owner'])
    for role in ('admin', 'member', 'guest'):
        check_status(people['owner'].post(f'{ORGS}/{org}/members', {
            'email': people[role].email, 'role': role}), 201)
    for who in (people['member'], people['guest'], stranger):
        check_status(invite(who, org, address_new()), 403, 'AUTHORIZATION_ERROR')
        check_status(who.get(path_of(org)), 403, 'AUTHORIZATION_ERROR')
    check_status(invite(people['admin'], org, address_new(), 'admin'), 201)
    check_status(invite(people['admin'], org, address_new(), 'owner'), 403, 'AUTHORIZATION_ERROR')
    reply = invite(people['owner'], org, address_new(), 'owner')
    check_status(reply, 201)
    owners = f'{path_of(org)}/{reply.data["invitation"]["id"]}'
    check_status(people['admin'].delete(owners), 403, 'AUTHORIZATION_ERROR')
    check_status(stranger.delete(owners), 403, 'AUTHORIZATION_ERROR')
    check_status(people['owner'].delete(owners), 200)
    check_status(people['owner'].delete(owners), 404, 'NOT_FOUND')
    check_status(invite(people['owner'], str(uuid.uuid4()), address_new()), 404, 'NOT_FOUND')


def test_another_organizations_invitation_is_not_found(server):
    owners = [server.user(), server.user()]
    orgs = [org_new(owner) for owner in owners]
    reply = invite(owners[0], orgs[0], address_new())
    invitation = reply.data['invitation']['id']
    check_status(owners[1].delete(f'{path_of(orgs[1])}/{invitation}'), 404, 'NOT_FOUND')
    check_equal(owners[0].get(path_of(orgs[0])).data['count'], 1)


def test_members_and_repetitions(server):
    owner, member = server.user(), server.user()
    org = org_new(owner)
    check_status(invite(owner, org, owner.email), 409, 'CONFLICT', 'ALREADY_MEMBER')
    check_status(invite(owner, org, member.email), 201)
    reply = invite(owner, org, member.email)  # within a minute
    check_status(reply, 429, 'RATE_LIMIT_EXCEEDED')
    check(0 < int(reply.headers['retry-after']) <= 60, reply.headers['retry-after'])
    token = token_wait(server, member.email)
    check_status(owner.post(f'{ORGS}/{org}/members', {
        'email': member.email, 'role': 'member'}), 201)
    check_status(accept(member, token), 409, 'CONFLICT', 'ALREADY_MEMBER')


def test_revoked_and_unknown(server):
    owner, user = server.user(), server.user()
    org = org_new(owner)
    reply = invite(owner, org, user.email)
    token = token_wait(server, user.email)
    check_equal(owner.get(path_of(org)).data['count'], 1)
    check_status(owner.delete(f'{path_of(org)}/{reply.data["invitation"]["id"]}'), 200)
    for bad in (token, NOBODY_KNOWS, 'x', '§'):
        check_status(accept(user, bad), 404, 'NOT_FOUND', 'INVITATION_INVALID')
        check_status(user.post(SHOW, {'token': bad}), 404, 'NOT_FOUND', 'INVITATION_INVALID')


def test_expired(server):
    owner, user = server.user(), server.user()
    org = org_new(owner)
    check_status(invite(owner, org, user.email, expires_in=1), 201)
    sent = time.time()
    token = token_wait(server, user.email)
    wait_until(lambda: time.time() > sent + 1, 'a second has passed')
    check_status(accept(user, token), 404, 'NOT_FOUND', 'INVITATION_EXPIRED')
    check_status(user.post(SHOW, {'token': token}), 404, 'NOT_FOUND', 'INVITATION_EXPIRED')
    check_equal(owner.get(path_of(org)).data['count'], 1)
    for days in (0, -1, 31 * 86400):
        check_status(invite(owner, org, address_new(), expires_in=days), 400, 'VALIDATION_ERROR')


def test_a_deleted_organization_invites_nobody(server):
    owner, user = server.user(), server.user()
    org = org_new(owner)
    check_status(invite(owner, org, user.email), 201)
    token = token_wait(server, user.email)
    check_status(owner.delete(f'{ORGS}/{org}'), 200)
    check_status(accept(user, token), 404, 'NOT_FOUND', 'INVITATION_INVALID')


def test_a_key_invites(server):
    owner = server.user()
    org = org_new(owner)
    reply = owner.post(f'{ORGS}/{org}/api-keys', {'name': 'inviter', 'scopes': ['admin']})
    check_status(reply, 201)
    key = {'X-API-Key': reply.data['key']}
    email = address_new()
    reply = server.client().post(path_of(org), {'email': email, 'role': 'member'}, headers=key)
    check_status(reply, 201)
    check_equal(reply.data['invitation']['invited_by_id'], None)
    check_equal(mail_wait(server, email, 'invites you').subject,
                'Acme & Söhne invites you to Acme & Söhne')
    reply = server.client().post(path_of(org), {'email': address_new(), 'role': 'owner'},
                                 headers=key)
    check_status(reply, 403)


def test_fifty_clients_with_one_invitation(server):
    owner, user = server.user(), server.user()
    org = org_new(owner)
    check_status(invite(owner, org, user.email), 201)
    token = token_wait(server, user.email)
    results, barrier = [None] * 50, threading.Barrier(50)

    def run(number):
        client = server.client(user.token)
        barrier.wait()
        results[number] = accept(client, token).status

    threads = [threading.Thread(target=run, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check_equal(sorted(results), [200] + [404] * 49)
    check_equal(roles(owner, org), {owner.email: 'owner', user.email: 'member'})


def test_there_is_a_limit(server):
    owner = server.user()
    org = org_new(owner)
    for number in range(500):
        check_status(invite(owner, org, f'crowd{number}-{org}@example.com'), 201)
    check_status(invite(owner, org, address_new()), 409, 'CONFLICT', 'LIMIT_REACHED')
    reply = owner.get(path_of(org))
    check_status(reply, 200)
    check_equal(reply.data['count'], 500)
    outbox_empty(server)
    check_equal(len(mails(server, f'crowd499-{org}@example.com')), 1)


def test_a_user_has_a_limit_of_organizations(server):
    user = server.user()
    for _ in range(100):
        org_new(user)
    owner = server.user()
    org = org_new(owner)
    check_status(invite(owner, org, user.email), 201)
    check_status(accept(user, token_wait(server, user.email)), 409, 'CONFLICT', 'LIMIT_REACHED')


def test_the_page(server):
    reply = server.client().get('/accept-invitation')
    check_status(reply, 200)
    check_in('/invitation.js', reply.text)
    check_not_in('<script>', reply.text)
    check_status(server.client().get('/invitation.js'), 200)
    check_equal(PASSWORD in reply.text, False)


harness.main(globals())
