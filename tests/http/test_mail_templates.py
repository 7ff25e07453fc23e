"""Templates of organizations' mails, and the outbox as administrators see it."""

import json
import os
import tempfile
import uuid

import harness
from harness import check, check_equal, check_in, check_not_in, check_status, wait_until
from mails import mail_wait, metric, outbox_empty
from server import Server

FOLDER = tempfile.mkdtemp(prefix='coffer-mails-')
SETTINGS = {'rate.enabled': 'false', 'mail.folder': FOLDER}

ORGS = '/api/v1/organizations'
OUTBOX = '/api/v1/admin/outbox'
TEST_MAIL = '/api/v1/admin/mail/test'
OWN = {'subject': 'Komm zu {{organization}}!',
       'text': 'Hallo,\n{{inviter}} lädt ein: {{link}}\n{nicht} }} {{role}}\n',
       'html': '<h1>{{organization}}</h1><p><a href="{{link}}">{{inviter}}</a></p>'}


def org_new(owner, name='Käse & <Wein>'):
    reply = owner.post(ORGS, {'name': name, 'slug': uuid.uuid4().hex})
    check_status(reply, 201)
    return reply.data['organization']['id']


def path_of(org, template=''):
    return f'{ORGS}/{org}/mail-templates' + (f'/{template}' if template else '')


def put(client, org, template='invitation', **changes):
    return client.request('PUT', path_of(org, template), {**OWN, **changes})


def invite(client, org):
    email = f'{uuid.uuid4().hex[:12]}@example.com'
    check_status(client.post(f'{ORGS}/{org}/invitations', {'email': email, 'role': 'guest'}), 201)
    return email


# ---- templates ----

def test_an_organization_has_its_own_words(server):
    owner = server.user(full_name='Anna <A>')
    org, other = org_new(owner), org_new(owner)
    shown = owner.get(path_of(org)).data['templates']
    check_equal([(entry['template'], entry['is_own']) for entry in shown],
                [('invitation', False), ('policy_reminder', False), ('policy_suspension', False)])
    check_in('link', shown[0]['placeholders'].split())
    reply = put(owner, org)
    check_status(reply, 200)
    check_equal({name: reply.data['template'][name] for name in OWN}, OWN)
    check_equal(owner.get(path_of(org, 'invitation')).data, reply.data)
    mail = mail_wait(server, invite(owner, org), 'Komm zu Käse & <Wein>!')
    check_in('Anna <A> lädt ein: https://', mail.text)
    check_in('{nicht} }} guest', mail.text)
    check_in('<h1>Käse &#38; &#60;Wein&#62;</h1>', mail.html)
    check_in('<title>Komm zu Käse &#38; &#60;Wein&#62;!</title>', mail.html)
    mail_wait(server, invite(owner, other), 'invites you')  # theirs only
    check_status(owner.delete(path_of(org, 'invitation')), 200)
    check_status(owner.delete(path_of(org, 'invitation')), 200)
    check_equal(owner.get(path_of(org, 'invitation')).data['template']['is_own'], False)
    mail_wait(server, invite(owner, org), 'invites you')


def test_faulty_templates_are_refused(server):
    owner = server.user()
    org = org_new(owner)
    for field in OWN:
        for bad in ('{{name}}', '{{ link }}', '{{link}', '{{', '{{}}', '{{{link}}}', '{{LINK}}',
                    '{{token}}', '{{link}}' * 51 if field != 'subject' else '{{x}}'):
            reply = put(owner, org, **{field: bad})
            check_status(reply, 400, 'VALIDATION_ERROR')
            check_equal(list(reply.details), [field], bad)
            check_in('laceholder', reply.details[field][0])
    check_status(put(owner, org, subject='x' * 201), 400, 'VALIDATION_ERROR')
    largest = {'subject': 'Komm zu', 'html': '€' * 10000, 'text': '€' * 4000}
    check_status(owner.request('PUT', path_of(org, 'invitation'),
                               json.dumps(largest, ensure_ascii=False).encode(),
                               headers={'Content-Type': 'application/json'}), 200)
    mail_wait(server, invite(owner, org), 'Komm zu')  # the largest there can be


def test_a_subject_stays_one_line(server):
    owner = server.user()
    org = org_new(owner, 'Evil\r\nBcc: all@example.com')
    check_status(put(owner, org, subject='A\r\nB: {{organization}}'), 200)
    mail = mail_wait(server, invite(owner, org), 'A  B: Evil  Bcc: all@example.com')
    check_equal(mail.message['Bcc'], None)


def test_who_may(server):
    owner, member, stranger = server.user(), server.user(), server.user()
    org = org_new(owner)
    check_status(owner.post(f'{ORGS}/{org}/members', {
        'email': member.email, 'role': 'member'}), 201)
    for who in (member, stranger):
        for reply in (who.get(path_of(org)), who.get(path_of(org, 'invitation')), put(who, org),
                      who.delete(path_of(org, 'invitation'))):
            check_status(reply, 403, 'AUTHORIZATION_ERROR')
    for template in ('verify_email', 'reset_password', 'test', 'nothing'):
        check_status(put(owner, org, template), 404 if template == 'nothing' else 400)
        check_status(owner.get(path_of(org, template)), 404, 'NOT_FOUND')
        check_status(owner.delete(path_of(org, template)), 404, 'NOT_FOUND')
    plain = {'subject': 'x', 'text': 'x', 'html': 'x'}
    check_status(owner.request('PUT', path_of(org, 'verify_email'), plain), 404, 'NOT_FOUND')
    check_status(owner.get(path_of(uuid.uuid4())), 404, 'NOT_FOUND')


# ---- the outbox ----

def test_the_test_mail(server):
    admin = server.admin()
    reply = admin.post(TEST_MAIL, {'to': 'ops@example.com'})
    check_status(reply, 202)
    mail = mail_wait(server, 'ops@example.com', 'Test mail')
    check_in(reply.data['id'], mail.message['Message-ID'])
    check_status(server.user().post(TEST_MAIL, {'to': 'ops@example.com'}), 403)


def test_dead_letters_are_seen_and_tried_again():
    parent = tempfile.mkdtemp(prefix='coffer-mails-')
    folder = os.path.join(parent, 'mails')
    with Server({'rate.enabled': 'false', 'mail.folder': folder, 'outbox.retry-time': '1',
                 'outbox.attempts': '1'}) as server:
        admin = server.admin()
        os.rmdir(folder)
        for number in range(3):
            check_status(admin.post(TEST_MAIL, {'to': f'ops{number}@example.com'}), 202)
        wait_until(lambda: metric(server, 'coffer_outbox_dead_letters') == 3, 'dead letters')
        first = admin.get(f'{OUTBOX}?status=dead&limit=2').data
        check_equal((first['total'], first['count']), (3, 2))
        second = admin.get(f'{OUTBOX}?status=dead&limit=2&cursor={first["next_cursor"]}').data
        check_equal((second['count'], second['next_cursor']), (1, None))
        rows = first['rows'] + second['rows']
        check_equal(sorted(row['recipient'] for row in rows),
                    [f'ops{number}@example.com' for number in range(3)])
        check_equal({(row['about'], row['attempts']) for row in rows}, {('test', 1)})
        check_in('mail.folder', rows[0]['problem'])
        check_not_in('payload', rows[0])
        os.mkdir(folder)
        check_status(admin.post(f'{OUTBOX}/{rows[0]["id"]}/retry'), 200)
        mail_wait(server, rows[0]['recipient'], 'Test mail')
        check_status(admin.post(f'{OUTBOX}/{rows[0]["id"]}/retry'), 404, 'NOT_FOUND')
        check_status(admin.delete(f'{OUTBOX}/{rows[1]["id"]}'), 200)
        check_status(admin.delete(f'{OUTBOX}/{rows[1]["id"]}'), 404, 'NOT_FOUND')
        check_equal(admin.get(f'{OUTBOX}?status=dead').data['total'], 1)
        outbox_empty(server)
        check_equal(admin.get(OUTBOX).data['rows'], [])
        check_status(admin.get(f'{OUTBOX}?cursor=x'), 400, 'BAD_REQUEST', 'INVALID_CURSOR')
        check_status(server.user().get(OUTBOX), 403)


def test_what_waits_can_be_dropped():
    with Server({'rate.enabled': 'false'}) as server:  # no mail is set up
        admin = server.admin()
        check_status(admin.post(TEST_MAIL, {'to': 'ops@example.com'}), 202)
        rows = admin.get(OUTBOX).data['rows']
        check_equal([row['recipient'] for row in rows], ['ops@example.com'])
        check_status(admin.delete(f'{OUTBOX}/{rows[0]["id"]}'), 200)
        check_equal(admin.get(OUTBOX).data['total'], 0)
        check(server.client().get('/health').json['services']['mail'] == 'not_configured')


harness.main(globals())
