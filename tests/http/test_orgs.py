"""Organizations and members: rows 26 and 28-35 of the identity contract, and one test for each of
its defects that concerns them."""

import threading
import uuid

import harness
from harness import check, check_equal, check_in, check_not_in, check_status

SETTINGS = {'rate.enabled': 'false'}

ORGS = '/api/v1/organizations'
MINE = '/api/v1/users/me/organizations'
WHO = '/api/v1/auth/me'
EVENTS = '/api/v1/audit/events'

ORG_KEYS = {'id', 'name', 'slug', 'description', 'logo_url', 'is_active', 'settings', 'created_at',
            'updated_at', 'deleted_at'}
MEMBER_KEYS = {'id', 'user_id', 'organization_id', 'role', 'invited_by_id', 'invited_at',
               'joined_at', 'created_at', 'updated_at', 'deleted_at', 'user'}
ROLES = ('owner', 'admin', 'member', 'guest')


def slug_new():
    return 'slug-' + uuid.uuid4().hex[:12]


def org_new(client, **fields):
    reply = client.post(ORGS, {'name': 'Acme', 'slug': slug_new(), **fields})
    check_status(reply, 201)
    return reply.data['organization']


def add(client, org, user, role='member'):
    return client.post(f'{ORGS}/{org["id"]}/members', {'email': user.email, 'role': role})


def member_path(org, user):
    return f'{ORGS}/{org["id"]}/members/{user.user["id"]}'


def set_role(client, org, user, role):
    return client.patch(member_path(org, user) + '/role', {'role': role})


def roles(client, org):
    reply = client.get(f'{ORGS}/{org["id"]}/members')
    check_status(reply, 200)
    return {member['user']['email']: member['role'] for member in reply.data['members']}


def cast(server):
    """An organization with one user per role, and a stranger."""
    users = {role: server.user() for role in ROLES}
    org = org_new(users['owner'])
    for role in ROLES[1:]:
        check_status(add(users['owner'], org, users[role], role), 201)
    return org, users, server.user()


# ---- the rows ----

def test_row_28_create(server):
    owner = server.user()
    slug = slug_new()
    reply = owner.post(ORGS, {'name': 'Acme', 'slug': slug, 'description': None,
                              'logo_url': 'https://example.com/logo.png'})
    check_status(reply, 201)
    org = reply.data['organization']
    check_equal(set(org), ORG_KEYS)
    check_equal((org['name'], org['slug'], org['description'], org['logo_url']),
                ('Acme', slug, None, 'https://example.com/logo.png'))
    check_equal((org['is_active'], org['settings'], org['deleted_at']), (True, {}, None))
    check_not_in('Z', org['created_at'])  # times without a zone, as dumped objects have them
    check_equal(roles(owner, org), {owner.email: 'owner'})
    check_status(owner.post(ORGS, {'name': 'Other', 'slug': slug}), 409, 'CONFLICT', 'SLUG_EXISTS')
    for bad in ({'name': '', 'slug': 'x'}, {'name': 'x', 'slug': ''}, {'slug': 'x'},
                {'name': 'x' * 256, 'slug': 'x'}, {'name': 'x', 'slug': 'x', 'logo_url': 'ftp'}):
        check_status(owner.post(ORGS, bad), 400, 'VALIDATION_ERROR')


def test_slugs_are_free_text(server):
    owner = server.user()
    for start in ('Ünï cödé ', '\x01\x01', '\U0001f600' * 230):
        slug = start + slug_new()
        check_equal(org_new(owner, slug=slug)['slug'], slug)
        check_status(owner.post(ORGS, {'name': 'x', 'slug': slug}), 409, 'CONFLICT', 'SLUG_EXISTS')


def test_row_29_show(server):
    org, users, stranger = cast(server)
    for role in ROLES:
        reply = users[role].get(f'{ORGS}/{org["id"]}')
        check_status(reply, 200)
        check_equal((set(reply.data['organization']), reply.data['member_count']), (ORG_KEYS, 4))
    check_status(stranger.get(f'{ORGS}/{org["id"]}'), 403, 'AUTHORIZATION_ERROR')
    check_status(stranger.get(f'{ORGS}/{uuid.uuid4()}'), 404, 'NOT_FOUND')


def test_row_30_update(server):
    org, users, stranger = cast(server)
    path = f'{ORGS}/{org["id"]}'
    for client in (users['member'], users['guest'], stranger):
        check_status(client.patch(path, {'name': 'Taken'}), 403, 'AUTHORIZATION_ERROR')
    reply = users['admin'].patch(path, {'name': 'New', 'description': 'What it is'})
    check_status(reply, 200)
    check_equal(reply.data['organization']['name'], 'New')
    reply = users['owner'].patch(path, {'description': None, 'logo_url': 'https://example.com/x'})
    found = reply.data['organization']
    check_equal((found['name'], found['description'], found['logo_url'], found['slug']),
                ('New', None, 'https://example.com/x', org['slug']))
    check_status(users['owner'].patch(path, {'slug': 'other'}), 400, 'VALIDATION_ERROR')
    check_status(users['owner'].patch(path, {'name': None}), 400, 'VALIDATION_ERROR')


def test_row_31_delete(server):
    org, users, stranger = cast(server)
    path = f'{ORGS}/{org["id"]}'
    for client in (users['admin'], users['member'], users['guest'], stranger):
        check_status(client.delete(path), 403, 'AUTHORIZATION_ERROR')
    reply = users['owner'].delete(path)
    check_status(reply, 200)
    check(reply.data is None, reply.text)
    check_status(users['owner'].delete(path), 404, 'NOT_FOUND')


def test_row_32_members(server):
    org, users, stranger = cast(server)
    for role in ROLES:
        reply = users[role].get(f'{ORGS}/{org["id"]}/members')
        check_status(reply, 200)
        check_equal([member['role'] for member in reply.data['members']], list(ROLES))
        check_equal((reply.data['count'], reply.data['total'], reply.data['next_cursor']),
                    (4, 4, None))
        for member in reply.data['members']:
            check_equal(set(member), MEMBER_KEYS)
            check_equal(member['organization_id'], org['id'])
    founder, admin = reply.data['members'][:2]
    check_equal((founder['invited_by_id'], founder['invited_at']), (None, None))
    check_equal(admin['invited_by_id'], founder['user_id'])
    check_status(stranger.get(f'{ORGS}/{org["id"]}/members'), 403, 'AUTHORIZATION_ERROR')


def test_the_list_has_pages(server):
    org, users, _stranger = cast(server)
    other = org_new(users['owner'])
    path = f'{ORGS}/{org["id"]}/members'
    seen, cursor = [], ''
    while cursor is not None:
        reply = users['guest'].get(f'{path}?limit=1{cursor}')
        check_status(reply, 200)
        seen += [member['role'] for member in reply.data['members']]
        cursor = reply.data['next_cursor'] and '&cursor=' + reply.data['next_cursor']
        foreign = cursor or foreign
    check_equal(seen, list(ROLES))
    check_status(users['owner'].get(f'{ORGS}/{other["id"]}/members?{foreign[1:]}'), 400,
                 'BAD_REQUEST', 'INVALID_CURSOR')
    check_status(users['owner'].get(path + '?cursor=!'), 400, 'BAD_REQUEST', 'INVALID_CURSOR')


def test_row_33_add(server):
    org, users, stranger = cast(server)
    for client in (users['member'], users['guest'], stranger):
        check_status(add(client, org, stranger), 403, 'AUTHORIZATION_ERROR')
    reply = add(users['admin'], org, stranger, 'guest')
    check_status(reply, 201)
    member = reply.data['member']
    check_equal(set(member), MEMBER_KEYS)
    check_equal((member['role'], member['user']['email']), ('guest', stranger.email))
    check_status(add(users['admin'], org, stranger), 409, 'CONFLICT', 'ALREADY_MEMBER')
    path = f'{ORGS}/{org["id"]}/members'
    check_status(users['owner'].post(path, {'email': 'nobody@example.com', 'role': 'member'}), 404,
                 'NOT_FOUND')
    check_status(users['owner'].post(path, {'email': stranger.email, 'role': 'king'}), 400,
                 'VALIDATION_ERROR')


def test_row_34_remove(server):
    org, users, stranger = cast(server)
    for client in (users['guest'], stranger):
        check_status(client.delete(member_path(org, users['member'])), 403, 'AUTHORIZATION_ERROR')
    check_status(users['admin'].delete(member_path(org, users['member'])), 200)
    check_status(users['admin'].delete(member_path(org, users['member'])), 404, 'NOT_FOUND')
    check_status(users['guest'].delete(member_path(org, users['guest'])), 200)  # leaving
    check_equal(set(roles(users['owner'], org).values()), {'owner', 'admin'})
    check_equal(users['owner'].get(f'{ORGS}/{org["id"]}').data['member_count'], 2)


def test_row_35_role(server):
    org, users, stranger = cast(server)
    for client in (users['member'], users['guest'], stranger):
        check_status(set_role(client, org, users['guest'], 'admin'), 403, 'AUTHORIZATION_ERROR')
    reply = set_role(users['admin'], org, users['guest'], 'member')
    check_status(reply, 200)
    check_equal((set(reply.data['member']), reply.data['member']['role']), (MEMBER_KEYS, 'member'))
    check_status(set_role(users['admin'], org, users['guest'], 'king'), 400, 'VALIDATION_ERROR')


def test_row_26_my_organizations(server):
    user = server.user()
    check_equal(user.get(MINE).data, {'organizations': [], 'count': 0})
    first, second = org_new(user, name='First'), org_new(user, name='Second')
    reply = user.get(MINE)
    check_equal(reply.data, {'organizations': [first, second], 'count': 2})
    listed = user.get(WHO).data['organizations']
    check_equal([(one['id'], one['name'], one['slug']) for one in listed],
                [(one['id'], one['name'], one['slug']) for one in (first, second)])


# ---- the defects ----

def test_fix_13_removed_members_are_nobody(server):
    org, users, _stranger = cast(server)
    admin = users['admin']
    check_status(users['owner'].delete(member_path(org, admin)), 200)
    path = f'{ORGS}/{org["id"]}'
    for reply in (admin.get(path), admin.patch(path, {'name': 'Mine'}),
                  admin.get(path + '/members'), add(admin, org, users['guest']), admin.delete(path),
                  set_role(admin, org, users['guest'], 'owner'),
                  admin.delete(member_path(org, users['guest']))):
        check_status(reply, 403, 'AUTHORIZATION_ERROR')
    check_equal(admin.get(MINE).data['count'], 0)
    check_equal(admin.get(WHO).data['organizations'], [])
    check_not_in(admin.email, roles(users['owner'], org))


def test_fix_13_deleted_organizations_are_gone(server):
    org, users, _stranger = cast(server)
    path = f'{ORGS}/{org["id"]}'
    check_status(users['owner'].delete(path), 200)
    for role in ROLES:
        client = users[role]
        for reply in (client.get(path), client.patch(path, {'name': 'x'}), client.delete(path),
                      client.get(path + '/members'), add(client, org, users['guest']),
                      set_role(client, org, users['guest'], 'member'),
                      client.delete(member_path(org, users['guest']))):
            check_status(reply, 404, 'NOT_FOUND')
        check_equal(client.get(MINE).data['count'], 0)
        check_equal(client.get(WHO).data['organizations'], [])


def test_fix_14_only_owners_touch_owners(server):
    org, users, stranger = cast(server)
    admin, owner = users['admin'], users['owner']
    check_status(set_role(admin, org, admin, 'owner'), 403, 'AUTHORIZATION_ERROR')
    check_status(set_role(admin, org, users['guest'], 'owner'), 403, 'AUTHORIZATION_ERROR')
    check_status(set_role(admin, org, owner, 'member'), 403, 'AUTHORIZATION_ERROR')
    check_status(admin.delete(member_path(org, owner)), 403, 'AUTHORIZATION_ERROR')
    check_status(add(admin, org, stranger, 'owner'), 403, 'AUTHORIZATION_ERROR')
    check_equal(roles(owner, org)[owner.email], 'owner')
    check_status(set_role(owner, org, admin, 'owner'), 200)
    check_status(set_role(admin, org, owner, 'member'), 200)


def test_fix_14_the_last_owner_stays(server):
    org, users, _stranger = cast(server)
    owner, admin = users['owner'], users['admin']
    for role in ROLES[1:]:
        check_status(set_role(owner, org, owner, role), 409, 'CONFLICT', 'LAST_OWNER')
    check_status(set_role(owner, org, owner, 'owner'), 200)
    check_status(owner.delete(member_path(org, owner)), 409, 'CONFLICT', 'LAST_OWNER')
    check_status(owner.delete('/api/v1/users/me'), 409, 'CONFLICT', 'LAST_OWNER')
    check_status(owner.get(WHO), 200)
    check_status(set_role(owner, org, admin, 'owner'), 200)
    check_status(owner.delete(member_path(org, owner)), 200)
    check_status(admin.delete(member_path(org, admin)), 409, 'CONFLICT', 'LAST_OWNER')


def test_fix_14_two_owners_at_once(server):
    """Each removes the other, in the same batch if it can be: one stays."""
    for _round in range(10):
        one, other = server.user(), server.user()
        org = org_new(one)
        check_status(add(one, org, other, 'owner'), 201)
        barrier, statuses = threading.Barrier(2), []

        def leave(client):
            barrier.wait()
            statuses.append(client.delete(member_path(org, client)).status)

        threads = [threading.Thread(target=leave, args=(client,)) for client in (one, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        check_equal(sorted(statuses), [200, 409])


def test_fix_31_a_slug_of_a_deleted_organization_is_free(server):
    owner = server.user()
    org = org_new(owner)
    check_status(owner.delete(f'{ORGS}/{org["id"]}'), 200)
    again = org_new(server.user(), slug=org['slug'])
    check(again['id'] != org['id'])


def test_fix_31_adding_again_works(server):
    org, users, _stranger = cast(server)
    for role in ('member', 'admin'):
        check_status(users['owner'].delete(member_path(org, users['guest'])), 200)
        check_status(add(users['owner'], org, users['guest'], role), 201)
        check_equal(roles(users['owner'], org)[users['guest'].email], role)


def test_fix_31_nobody_is_404(server):
    org, users, stranger = cast(server)
    for client in (users['owner'], users['admin']):
        check_status(set_role(client, org, stranger, 'member'), 404, 'NOT_FOUND')
        check_status(client.delete(member_path(org, stranger)), 404, 'NOT_FOUND')
        check_status(client.patch(f'{ORGS}/{org["id"]}/members/{uuid.uuid4()}/role',
                                  {'role': 'member'}), 404, 'NOT_FOUND')


def test_fix_31_a_closed_account_may_come_back(server):
    org, users, _stranger = cast(server)
    guest = users['guest']
    check_status(guest.delete('/api/v1/users/me'), 200)
    check_not_in(guest.email, roles(users['owner'], org))
    check_equal(users['owner'].get(f'{ORGS}/{org["id"]}').data['member_count'], 3)
    check_status(add(users['owner'], org, guest), 404, 'NOT_FOUND')
    again = server.user(email=guest.email)
    check_equal(again.get(MINE).data['count'], 0)
    check_status(add(users['owner'], org, again), 201)


# ---- tenants, limits, audit ----

def test_a_platform_administrator_is_nobody_here(server):
    org, _users, _stranger = cast(server)
    admin = server.admin()
    for reply in (admin.get(f'{ORGS}/{org["id"]}'), admin.delete(f'{ORGS}/{org["id"]}'),
                  admin.patch(f'{ORGS}/{org["id"]}', {'name': 'x'})):
        check_status(reply, 403, 'AUTHORIZATION_ERROR')


def test_owners_are_nobody_elsewhere(server):
    org, users, _stranger = cast(server)
    other, others, _stranger = cast(server)
    owner = users['owner']
    for victim in others.values():
        check_status(owner.delete(member_path(other, victim)), 403, 'AUTHORIZATION_ERROR')
        check_status(set_role(owner, other, victim, 'guest'), 403, 'AUTHORIZATION_ERROR')
        # their ids under our organization are nobody
        check_status(owner.delete(member_path(org, victim)), 404, 'NOT_FOUND')
    check_equal(sorted(roles(others['owner'], other).values()), sorted(ROLES))


def test_a_user_belongs_to_a_hundred_at_most(server):
    many, owner = server.user(), server.user()
    made = [org_new(many) for _ in range(100)]
    check_status(many.post(ORGS, {'name': 'x', 'slug': slug_new()}), 409, 'CONFLICT',
                 'LIMIT_REACHED')
    org = org_new(owner)
    check_status(add(owner, org, many), 409, 'CONFLICT', 'LIMIT_REACHED')
    check_status(many.delete(f'{ORGS}/{made[0]["id"]}'), 200)
    check_status(add(owner, org, many), 201)
    check_equal(many.get(MINE).data['count'], 100)


def test_writes_leave_records_with_the_organization(server):
    org, users, stranger = cast(server)
    owner, admin = users['owner'], server.admin()
    steps = [
        (lambda: owner.patch(f'{ORGS}/{org["id"]}', {'name': 'x'}), 'org.update', org['id']),
        (lambda: add(owner, org, stranger), 'org.member.add', stranger.user['id']),
        (lambda: set_role(owner, org, stranger, 'guest'), 'org.member.role_change',
         stranger.user['id']),
        (lambda: owner.delete(member_path(org, stranger)), 'org.member.remove',
         stranger.user['id']),
        (lambda: stranger.patch(f'{ORGS}/{org["id"]}', {'name': 'y'}), 'org.update', None),
        (lambda: owner.delete(f'{ORGS}/{org["id"]}'), 'org.delete', org['id']),
    ]
    for step, action, resource in steps:
        request_id = step().headers['x-request-id']
        found = [event for event in admin.get(f'{EVENTS}?limit=100').data['events']
                 if event['request_id'] == request_id]
        check_equal(len(found), 1, action)
        check_equal((found[0]['action'], found[0]['organization_id'], found[0]['resource_id']),
                    (action, org['id'], resource))
        check_in(found[0]['outcome'], ('success', 'refused'))


harness.main(globals())
