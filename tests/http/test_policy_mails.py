"""Reminders and suspensions by mail: what the minute's jobs do about policies on second factors."""

import tempfile
import uuid

import harness
from harness import check, check_equal, check_in, check_status, wait_until
from mails import mail_wait, mails, outbox_empty

FOLDER = tempfile.mkdtemp(prefix='coffer-mails-')
SETTINGS = {'rate.enabled': 'false', 'mail.folder': FOLDER}

ORGS = '/api/v1/organizations'
REMINDER = 'asks for a second factor by'
SUSPENSION = 'is suspended'
JOB_SECONDS = 90  # once a minute, on a busy machine


def org_with(server, grace, notify):
    """An organization with a policy, and a member whose clock runs."""
    owner, member = server.user(), server.user()
    reply = owner.post(ORGS, {'name': 'Strict & Co', 'slug': uuid.uuid4().hex})
    check_status(reply, 201)
    org = reply.data['organization']['id']
    check_status(owner.post(f'{ORGS}/{org}/members', {
        'email': member.email, 'role': 'member'}), 201)
    check_status(owner.request('PUT', f'{ORGS}/{org}/security-policy', {
        'mfa_policy_mode': 'require_totp_or_webauthn', 'mfa_grace_period_days': grace,
        'notify_days_before': notify}), 200)
    check_status(server.login(member.email), 200)
    return owner, member, org


def note_of(owner, org, member):
    rows = owner.get(f'{ORGS}/{org}/mfa-compliance').data['compliance']
    return next(row for row in rows if row['email'] == member.email)


def test_reminders_and_suspensions(server):
    near = org_with(server, grace=5, notify=7)
    far = org_with(server, grace=14, notify=7)
    never = org_with(server, grace=5, notify=0)
    late = org_with(server, grace=0, notify=7)
    for owner, member, org in (near, far, never):
        check_equal(note_of(owner, org, member)['status'], 'in_grace')
    wait_until(lambda: note_of(*near[:1], near[2], near[1])['notification_count'] == 1 and
               note_of(late[0], late[2], late[1])['status'] == 'suspended',
               'the jobs have run', JOB_SECONDS)
    reminder = mail_wait(server, near[1].email, REMINDER)
    check_in('Strict & Co asks', reminder.subject)
    check_in('a one-time code app or a passkey', reminder.text)
    check_in('Strict &#38; Co', reminder.html)
    suspension = mail_wait(server, late[1].email, SUSPENSION)
    check_in('Strict & Co', suspension.text)
    outbox_empty(server)
    for _owner, member, _org in (far, never, late):
        check_equal(mails(server, member.email, REMINDER), [])
    for _owner, member, _org in (near, far, never):
        check_equal(mails(server, member.email, SUSPENSION), [])
    # One a day: the next job sends nothing more.
    row = note_of(near[0], near[2], near[1])
    check_equal((row['status'], row['notification_count']), ('in_grace', 1))
    events = server.admin().get('/api/v1/audit/events?action=mfa.policy.user_suspended').data
    check_equal(len([event for event in events['events']
                     if event['resource_id'] == late[1].user['id']]), 1)
    check(server.run('fsck', server.data).returncode == 0, 'fsck')


harness.main(globals())
