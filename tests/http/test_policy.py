"""Policies on second factors: rows 27 and 36-39 of the identity contract, its section 6.6, and one
test for each of its defects that concerns them."""

import datetime
import time
import uuid

import harness
from harness import check, check_equal, check_in, check_status, wait_until
from totp import App, enrolled, pending, verify

SETTINGS = {'rate.enabled': 'false'}

ORGS = '/api/v1/organizations'
ME = '/api/v1/users/me'
MINE = ME + '/mfa-compliance'
WHO = '/api/v1/auth/me'
TOTP = '/api/v1/auth/totp'
EVENTS = '/api/v1/audit/events'
JOB_SECONDS_MAX = 90  # jobs run once a minute

MODES = ('disabled', 'optional', 'require_totp', 'require_webauthn', 'require_totp_or_webauthn')
REQUIRED = ('require_totp', 'require_webauthn', 'require_totp_or_webauthn')
ROW_KEYS = {'user_id', 'email', 'full_name', 'status', 'deadline_at', 'applied_at', 'compliant_at',
            'suspended_at', 'notification_count'}


def org_new(owner, *members, role='member'):
    reply = owner.post(ORGS, {'name': 'Acme', 'slug': uuid.uuid4().hex})
    check_status(reply, 201)
    org = reply.data['organization']
    for member in members:
        check_status(owner.post(f'{ORGS}/{org["id"]}/members',
                                {'email': member.email, 'role': role}), 201)
    return org


def policy_path(org, user=None):
    middle = f'/users/{user.user["id"]}' if user else ''
    return f'{ORGS}/{org["id"]}{middle}/security-policy'


def put(owner, org, mode=None, grace=None, notify=None):
    body = {'mfa_policy_mode': mode, 'mfa_grace_period_days': grace, 'notify_days_before': notify}
    return owner.request('PUT', policy_path(org),
                         {name: value for name, value in body.items() if value is not None})


def policy_set(owner, org, mode, grace=14):
    reply = put(owner, org, mode, grace)
    check_status(reply, 200)
    return reply.data['security_policy']


def override(owner, org, user, mode, **forces):
    reply = owner.patch(policy_path(org, user), {'mfa_override_mode': mode, **forces})
    check_status(reply, 200)
    return reply.data['user_security_policy']


def log_in(server, user):
    """A login with whatever it asks for; the client goes on with the new session."""
    reply = server.login(user.email)
    check_status(reply, 200)
    if reply.data.get('requires_totp'):
        reply = verify(server, user.app.code(), reply.data['temp_token'])
        check_status(reply, 200)
    user.token = reply.data['token']
    return reply.data


def compliance(server, user):
    return log_in(server, user)['mfa_compliance']


def enrol(user):
    reply = user.post(f'{TOTP}/enroll')
    check_status(reply, 201)
    user.app = App(reply.data['secret'])
    check_status(user.post(f'{TOTP}/verify-enrollment', {'code': user.app.code()}), 200)


def rows(owner, org, query=''):
    reply = owner.get(f'{ORGS}/{org["id"]}/mfa-compliance{query}')
    check_status(reply, 200)
    return {row['email']: row for row in reply.data['compliance']}


def is_limited(user):
    """Only what a limited session may, is done."""
    check_status(user.get(WHO), 200)
    reply = user.get(f'{ME}/organizations')
    if reply.status == 403:
        check_status(reply, 403, 'MFA_COMPLIANCE_REQUIRED')
        check_equal(reply.details.get('overall_status'), 'suspended')
    return reply.status == 403


def days_from_now(text):
    moment = datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.timezone.utc)
    return (moment - datetime.datetime.now(datetime.timezone.utc)).total_seconds() / 86400


# ---- for the last tests: the job needs up to a minute ----

LATE = {}


def test_somebody_is_late(server):
    owner, late, quick, spared = server.user(), server.user(), server.user(), server.user()
    org = org_new(owner, late, quick, spared)
    LATE.update(owner=owner, late=late, quick=quick, spared=spared, org=org,
                full_token=late.token)
    policy_set(owner, org, 'require_totp', 0)
    check_equal(compliance(server, late)['overall_status'], 'past_due')
    compliance(server, quick)
    enrol(quick)  # without another login: the job has to see it
    compliance(server, spared)
    LATE['began'] = time.monotonic()


# ---- the rows ----

def test_row_36_show(server):
    owner, guest, stranger = server.user(), server.user(), server.user()
    org = org_new(owner, guest, role='guest')
    for client in (owner, guest):
        reply = client.get(policy_path(org))
        check_status(reply, 200)
        check_equal(reply.data['security_policy'], {
            'organization_id': org['id'], 'mfa_policy_mode': 'optional',
            'mfa_grace_period_days': 14, 'notify_days_before': 7, 'policy_version': 0})
    check_status(stranger.get(policy_path(org)), 403, 'AUTHORIZATION_ERROR')
    check_status(owner.get(f'{ORGS}/{uuid.uuid4()}/security-policy'), 404, 'NOT_FOUND')


def test_row_37_set(server):
    owner, admin, member, stranger = (server.user() for _ in range(4))
    org = org_new(owner, admin, role='admin')
    check_status(owner.post(f'{ORGS}/{org["id"]}/members',
                            {'email': member.email, 'role': 'member'}), 201)
    for client in (member, stranger):
        check_status(put(client, org, 'disabled'), 403, 'AUTHORIZATION_ERROR')
    for version, mode in enumerate(MODES, 1):
        reply = put(admin if version % 2 else owner, org, mode, 365, 30)
        check_status(reply, 200)
        check_equal(reply.data['security_policy'], {
            'organization_id': org['id'], 'mfa_policy_mode': mode, 'mfa_grace_period_days': 365,
            'notify_days_before': 30, 'policy_version': version})
        check_equal(owner.get(policy_path(org)).data, reply.data)
    reply = put(owner, org)  # what is left out reverts to its default
    check_equal(reply.data['security_policy'], {
        'organization_id': org['id'], 'mfa_policy_mode': 'optional', 'mfa_grace_period_days': 14,
        'notify_days_before': 7, 'policy_version': 6})
    for mode, grace, notify in (('strict', 1, 1), ('optional', -1, 1), ('optional', 366, 1),
                                ('optional', 1, -1), ('optional', 1, 31)):
        check_status(put(owner, org, mode, grace, notify), 400, 'VALIDATION_ERROR')
    check_equal(owner.get(policy_path(org)).data['security_policy']['policy_version'], 6)


def test_row_38_list(server):
    owner, admin = server.user(), server.user()
    members = [server.user() for _ in range(3)]
    org = org_new(owner, *members)
    check_status(owner.post(f'{ORGS}/{org["id"]}/members',
                            {'email': admin.email, 'role': 'admin'}), 201)
    path = f'{ORGS}/{org["id"]}/mfa-compliance'
    check_equal(owner.get(path).data, {'compliance': [], 'count': 0, 'limit': 100, 'offset': 0})
    policy_set(owner, org, 'require_totp')
    check_equal(rows(owner, org), {})  # who never logged in since has no row
    for member in members:
        compliance(server, member)
    reply = admin.get(path)
    check_status(reply, 200)
    check_equal([row['email'] for row in reply.data['compliance']],
                [member.email for member in reversed(members)])
    for row in reply.data['compliance']:
        check_equal(set(row), ROW_KEYS)
        check_equal((row['status'], row['notification_count'], row['suspended_at'],
                     row['compliant_at']), ('in_grace', 0, None, None))
    page = admin.get(f'{path}?limit=1&offset=1').data
    check_equal((page['compliance'][0]['email'], page['count'], page['limit'], page['offset']),
                (members[1].email, 1, 1, 1))
    check_equal(admin.get(f'{path}?status=suspended').data['count'], 0)
    check_equal(admin.get(f'{path}?status=in_grace').data['count'], 3)
    check_equal(admin.get(f'{path}?offset=3').data['count'], 0)
    for client in (members[0], server.user()):
        check_status(client.get(path), 403, 'AUTHORIZATION_ERROR')


def test_fix_31_bad_numbers_of_a_query(server):
    owner = server.user()
    path = f'{ORGS}/{org_new(owner)["id"]}/mfa-compliance'
    for query in ('limit=x', 'offset=x', 'limit=-1', 'offset=-1', 'limit=0', 'limit=101',
                  'limit=1.5', 'offset=', 'status=late'):
        reply = owner.get(f'{path}?{query}')
        check_status(reply, 400, 'VALIDATION_ERROR')
        check_in(query.split('=')[0], reply.details)


def test_row_39_exceptions(server):
    owner, admin, member, stranger = (server.user() for _ in range(4))
    org = org_new(owner, admin, role='admin')
    check_status(owner.post(f'{ORGS}/{org["id"]}/members',
                            {'email': member.email, 'role': 'member'}), 201)
    for mode in ('required', 'exempt', 'inherit'):
        check_equal(override(admin, org, member, mode, force_totp=mode == 'inherit'), {
            'user_id': member.user['id'], 'organization_id': org['id'], 'mfa_override_mode': mode,
            'force_totp': mode == 'inherit', 'force_webauthn': False})
    check_equal(override(admin, org, member, 'inherit')['force_totp'], False)
    check_status(admin.patch(policy_path(org, member), {'mfa_override_mode': 'never'}), 400,
                 'VALIDATION_ERROR')
    check_status(admin.patch(policy_path(org, stranger), {'mfa_override_mode': 'exempt'}), 404,
                 'NOT_FOUND')
    for client in (member, stranger):
        check_status(client.patch(policy_path(org, member), {'mfa_override_mode': 'exempt'}), 403,
                     'AUTHORIZATION_ERROR')
    # only owners touch owners
    check_status(admin.patch(policy_path(org, owner), {'mfa_override_mode': 'required'}), 403,
                 'AUTHORIZATION_ERROR')
    override(owner, org, owner, 'exempt')


def test_row_27_my_compliance(server):
    owner, member = server.user(), server.user()
    check_equal(member.get(MINE).data['mfa_compliance'], {
        'overall_status': 'compliant', 'missing_methods': [], 'deadline_at': None, 'orgs': []})
    org = org_new(owner, member)
    policy_set(owner, org, 'require_totp', 3)
    found = member.get(MINE).data['mfa_compliance']  # starts no clock, but tells what would come
    check_equal((found['overall_status'], found['missing_methods']), ('in_grace', ['totp']))
    check_equal(rows(owner, org), {})
    entry = found['orgs'][0]
    check_equal(set(entry), {'organization_id', 'organization_name', 'status', 'deadline_at',
                             'effective_mode', 'applied_at'})
    check_equal((entry['organization_id'], entry['organization_name'], entry['status'],
                 entry['effective_mode']), (org['id'], 'Acme', 'in_grace', 'require_totp'))
    noted = compliance(server, member)
    check_equal(member.get(MINE).data['mfa_compliance']['deadline_at'], noted['deadline_at'])
    check_equal(set(noted['orgs'][0]),
                {'organization_id', 'organization_name', 'status', 'deadline_at'})
    check(2.9 < days_from_now(noted['deadline_at']) < 3.1, noted['deadline_at'])
    for mode, shown in (('exempt', 'disabled'), ('required', 'require_totp')):
        override(owner, org, member, mode)
        check_equal(member.get(MINE).data['mfa_compliance']['orgs'][0]['effective_mode'], shown)


# ---- the rules of 6.6 ----

def test_a_login_without_organizations(server):
    check_equal(compliance(server, server.user()), {
        'overall_status': 'compliant', 'missing_methods': [], 'deadline_at': None, 'orgs': []})


def test_what_asks_nothing(server):
    owner, member = server.user(), server.user()
    org = org_new(owner, member)
    for mode in (None, 'disabled', 'optional'):
        if mode is not None:
            policy_set(owner, org, mode, 0)
        data = log_in(server, member)
        found = data['mfa_compliance']
        check_equal((found['overall_status'], found['missing_methods'], found['deadline_at']),
                    ('compliant', [], None), str(mode))
        # defect 34: optional is not_applicable, not compliant
        check_equal(found['orgs'][0]['status'], 'not_applicable', str(mode))
        check('requires_mfa_enrollment' not in data and not is_limited(member))


def test_grace(server):
    owner, member = server.user(), server.user()
    org = org_new(owner, member)
    for mode, missing in zip(REQUIRED, (['totp'], ['webauthn'], ['totp', 'webauthn'])):
        policy_set(owner, org, mode, 1)
        data = log_in(server, member)
        found = data['mfa_compliance']
        check_equal((found['overall_status'], sorted(found['missing_methods'])),
                    ('in_grace', missing))
        check('requires_mfa_enrollment' not in data and not is_limited(member))


def test_fix_32_either_is_enough(server):
    owner, member = server.user(), enrolled(server)
    org = org_new(owner, member)
    policy_set(owner, org, 'require_totp_or_webauthn', 0)
    found = compliance(server, member)
    check_equal((found['overall_status'], found['missing_methods'], found['orgs'][0]['status']),
                ('compliant', [], 'compliant'))
    check(not is_limited(member))
    policy_set(owner, org, 'require_webauthn', 0)
    found = compliance(server, member)
    check_equal((found['overall_status'], found['missing_methods']), ('past_due', ['webauthn']))
    nobody = server.user()
    check_status(owner.post(f'{ORGS}/{org["id"]}/members',
                            {'email': nobody.email, 'role': 'guest'}), 201)
    policy_set(owner, org, 'require_totp_or_webauthn', 14)
    check_equal(sorted(compliance(server, nobody)['missing_methods']), ['totp', 'webauthn'])


def test_fix_33_no_grace_is_past_due_at_once(server):
    owner, member = server.user(), server.user()
    org = org_new(owner, member)
    for mode in REQUIRED[::2]:
        policy_set(owner, org, mode, 0)
        data = log_in(server, member)
        check_in(data['mfa_compliance']['overall_status'], ('past_due', 'suspended'))
        check_equal(data['requires_mfa_enrollment'], True)
        check(is_limited(member))
        sessions = member.get('/api/v1/auth/sessions').data['sessions']
        check([one for one in sessions if one['current']][0]['is_compliance_only'])
    for method, path in (('GET', f'{ORGS}/{org["id"]}'), ('POST', ORGS), ('DELETE', ME),
                         ('PATCH', ME), ('GET', f'{ORGS}/{org["id"]}/members')):
        body = {} if method in ('POST', 'PATCH') else None
        check_status(member.request(method, path, body), 403, 'MFA_COMPLIANCE_REQUIRED')
    check_status(member.get(policy_path(org)), 200)  # B: limited sessions may
    check_status(member.get(MINE), 200)
    enrol(member)
    check(is_limited(member))  # it never upgrades
    data = log_in(server, member)
    check_equal(data['mfa_compliance']['overall_status'], 'compliant')
    check(not is_limited(member))
    row = rows(owner, org)[member.email]
    check(row['status'] == 'compliant' and row['compliant_at'] is not None, str(row))
    check_equal((row['deadline_at'], row['applied_at'], row['suspended_at']), (None, None, None))


def test_the_worst_organization_counts(server):
    owner, member = server.user(), server.user()
    calm, strict, stricter = (org_new(owner, member) for _ in range(3))
    policy_set(owner, calm, 'optional')
    policy_set(owner, strict, 'require_totp', 9)
    policy_set(owner, stricter, 'require_webauthn', 4)
    found = compliance(server, member)
    check_equal((found['overall_status'], sorted(found['missing_methods'])),
                ('in_grace', ['totp', 'webauthn']))
    check(3.9 < days_from_now(found['deadline_at']) < 4.1, found['deadline_at'])
    check_equal([entry['status'] for entry in found['orgs']],
                ['not_applicable', 'in_grace', 'in_grace'])
    policy_set(owner, calm, 'require_totp', 0)
    found = compliance(server, member)
    check_equal(found['overall_status'], 'past_due')
    check(is_limited(member))


def test_exceptions_hold(server):
    owner, member = server.user(), server.user()
    org = org_new(owner, member)
    policy_set(owner, org, 'require_totp', 0)
    override(owner, org, member, 'exempt')
    found = compliance(server, member)
    check_equal((found['overall_status'], found['orgs'][0]['status']),
                ('compliant', 'not_applicable'))
    policy_set(owner, org, 'optional', 0)
    override(owner, org, member, 'required')
    found = compliance(server, member)
    check_equal((found['overall_status'], sorted(found['missing_methods'])),
                ('past_due', ['totp', 'webauthn']))
    policy_set(owner, org, 'disabled', 0)
    check_equal(compliance(server, member)['overall_status'], 'compliant')


def test_fix_34_forces_are_used(server):
    owner, member = server.user(), enrolled(server)
    org = org_new(owner, member)
    policy_set(owner, org, 'optional', 5)
    override(owner, org, member, 'inherit', force_webauthn=True)
    found = compliance(server, member)
    check_equal((found['overall_status'], found['missing_methods']), ('in_grace', ['webauthn']))
    override(owner, org, member, 'inherit', force_totp=True)
    check_equal(rows(owner, org)[member.email]['status'], 'compliant')
    override(owner, org, member, 'exempt', force_totp=True, force_webauthn=True)
    check_equal(rows(owner, org)[member.email]['status'], 'not_applicable')


def test_fix_34_deadlines_move_with_the_policy(server):
    owner, member = server.user(), server.user()
    org = org_new(owner, member)
    policy_set(owner, org, 'require_totp', 10)
    first = compliance(server, member)['orgs'][0]['deadline_at']
    applied = rows(owner, org)[member.email]['applied_at']
    for grace in (3, 200):
        policy_set(owner, org, 'require_totp_or_webauthn', grace)
        row = rows(owner, org)[member.email]  # at once, without a login
        check(grace - 0.1 < days_from_now(row['deadline_at']) < grace + 0.1, str(row))
        check_equal((row['applied_at'], row['status']), (applied, 'in_grace'))
        check(row['deadline_at'] != first)
    policy_set(owner, org, 'optional')
    row = rows(owner, org)[member.email]
    check_equal((row['status'], row['deadline_at'], row['applied_at']),
                ('not_applicable', None, None))
    policy_set(owner, org, 'require_totp', 0)
    check_equal(rows(owner, org)[member.email]['status'], 'past_due')


def test_a_session_that_is_refreshed_does_not_escape(server):
    owner, member = server.user(), server.user()
    org = org_new(owner, member)
    refresh = member.reply.data['refresh_token']
    policy_set(owner, org, 'require_totp', 0)
    check(not is_limited(member))
    reply = server.client().post('/api/v1/auth/refresh', {'refresh_token': refresh})
    check_status(reply, 200)
    check_equal(reply.data['mfa_compliance']['overall_status'], 'past_due')
    check(is_limited(member))
    member.token = reply.data['access_token']
    check(is_limited(member))


def test_who_leaves_leaves_no_notes(server):
    owner, member = server.user(), server.user()
    org = org_new(owner, member)
    policy_set(owner, org, 'require_totp', 0)
    override(owner, org, member, 'required')
    compliance(server, member)
    check_status(owner.delete(f'{ORGS}/{org["id"]}/members/{member.user["id"]}'), 200)
    check_equal(rows(owner, org), {})
    check_equal(compliance(server, member)['orgs'], [])
    check(not is_limited(member))
    check_status(owner.post(f'{ORGS}/{org["id"]}/members',
                            {'email': member.email, 'role': 'guest'}), 201)
    policy_set(owner, org, 'optional')
    check_equal(compliance(server, member)['orgs'][0]['status'], 'not_applicable')


def test_a_deleted_organization_asks_nothing(server):
    owner, member = server.user(), server.user()
    org = org_new(owner, member)
    policy_set(owner, org, 'require_totp', 0)
    check_equal(compliance(server, member)['overall_status'], 'past_due')
    check_status(owner.delete(f'{ORGS}/{org["id"]}'), 200)
    check_equal(compliance(server, member)['orgs'], [])
    check(not is_limited(member))
    for reply in (owner.get(policy_path(org)), put(owner, org, 'disabled'),
                  owner.get(f'{ORGS}/{org["id"]}/mfa-compliance'),
                  owner.patch(policy_path(org, member), {'mfa_override_mode': 'exempt'})):
        check_status(reply, 404, 'NOT_FOUND')


def test_writes_leave_one_record_each(server):
    owner, member, admin = server.user(), server.user(), server.admin()
    org = org_new(owner, member)
    for step, action, resource in (
            (lambda: put(owner, org, 'optional'), 'org.security_policy.update', org['id']),
            (lambda: owner.patch(policy_path(org, member), {'mfa_override_mode': 'exempt'}),
             'user.security_policy.override_update', member.user['id'])):
        request_id = step().headers['x-request-id']
        found = [event for event in admin.get(f'{EVENTS}?limit=100').data['events']
                 if event['request_id'] == request_id]
        check_equal([(event['action'], event['resource_id'], event['organization_id'])
                     for event in found], [(action, resource, org['id'])])


# ---- suspension, a minute later ----

def test_the_job_suspends_who_is_late(server):
    owner, late, quick, org = (LATE[name] for name in ('owner', 'late', 'quick', 'org'))

    def suspended():
        row = rows(owner, org)[late.email]
        return row if row['status'] == 'suspended' else None

    row = wait_until(suspended, 'the job suspends', JOB_SECONDS_MAX)
    check(row['suspended_at'] is not None and row['deadline_at'] is not None, str(row))
    found = rows(owner, org)
    check_equal(found[quick.email]['status'], 'compliant')  # had set it up meanwhile
    for client in (late, server.client(token=LATE['full_token'])):  # all sessions, old ones too
        check(is_limited(client))
    check_equal(late.get(WHO).data['user']['status'], 'compliance_suspended')
    check_equal(quick.get(WHO).data['user']['status'], 'active')
    events = server.admin().get(f'{EVENTS}?limit=100&action=mfa.policy.user_suspended')
    about = [event for event in events.data['events']
             if event['resource_id'] == late.user['id']]
    check_equal([(event['organization_id'], event['actor_id'], event['outcome'])
                 for event in about], [(org['id'], None, 'success')])


def test_fix_34_suspended_stays_suspended(server):
    owner, late, org = (LATE[name] for name in ('owner', 'late', 'org'))
    suspended_at = rows(owner, org)[late.email]['suspended_at']
    for _ in range(2):
        data = log_in(server, late)
        check_equal((data['mfa_compliance']['overall_status'], data['requires_mfa_enrollment']),
                    ('suspended', True))
        check(is_limited(late))
    policy_set(owner, org, 'require_totp_or_webauthn', 0)
    row = rows(owner, org)[late.email]
    check_equal((row['status'], row['suspended_at']), ('suspended', suspended_at))


def test_more_time_lifts_a_suspension(server):
    owner, spared, org = (LATE[name] for name in ('owner', 'spared', 'org'))
    check_equal(rows(owner, org)[spared.email]['status'], 'suspended')
    policy_set(owner, org, 'require_totp', 30)
    check_equal(rows(owner, org)[spared.email]['status'], 'in_grace')
    check_equal(spared.get(WHO).data['user']['status'], 'active')
    check_equal(compliance(server, spared)['overall_status'], 'in_grace')
    check(not is_limited(spared))


def test_setting_it_up_lifts_a_suspension(server):
    owner, late, org = (LATE[name] for name in ('owner', 'late', 'org'))
    check_equal(compliance(server, late)['overall_status'], 'in_grace')
    enrol(late)
    data = log_in(server, late)
    check_equal(data['mfa_compliance']['overall_status'], 'compliant')
    check_equal(late.get(WHO).data['user']['status'], 'active')
    check(not is_limited(late))
    check_equal(pending(server, late).data['requires_totp'], True)


harness.main(globals())
