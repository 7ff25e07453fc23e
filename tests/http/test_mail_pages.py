"""The pages behind the links in mails, used in a browser as people use them."""

import tempfile
import uuid

import harness
from browser import Browser, browser_path
from harness import Skipped, check, check_equal, check_in, check_status
from mails import mail_wait
from server import PASSWORD
from totp import enrolled

FOLDER = tempfile.mkdtemp(prefix='coffer-mails-')
SETTINGS = {'rate.enabled': 'false', 'mail.folder': FOLDER}

NEW_PASSWORD = 'Another-Horse-43-Battery'
ORGS = '/api/v1/organizations'


def browser():
    if browser_path() is None:
        raise Skipped('no chromium')
    return Browser()


def open_page(page, server, path, token=None):
    page.open(f'https://localhost:{server.https_port}{path}' + (f'#{token}' if token else ''))


def fill(page, **fields):
    for name, value in fields.items():
        page.run(f"document.getElementById('{name}').focus(); document.activeElement.select()")
        page.type(value)


def send(page):
    page.run("document.getElementById('send').click()")
    page.wait("!document.getElementById('send') || !document.getElementById('send').disabled")


def text_of(page, name):
    return page.run(f"document.getElementById('{name}').textContent")


def is_shown(page, name):
    return page.run(f"document.getElementById('{name}').offsetParent !== null")


def check_done(page):
    page.wait("!document.getElementById('done').hidden")
    check_equal((text_of(page, 'title'), page.run('location.hash')), ('Done', ''))


def reset_token(server, user):
    check_status(server.client().post('/api/v1/auth/password/reset/request',
                                      {'email': user.email}), 200)
    return mail_wait(server, user.email, 'Set a new password').token


def invited(server, email):
    owner = server.user(full_name='Olga')
    reply = owner.post(ORGS, {'name': 'Acme <b>', 'slug': uuid.uuid4().hex})
    check_status(reply, 201)
    org = reply.data['organization']['id']
    check_status(owner.post(f'{ORGS}/{org}/invitations', {'email': email, 'role': 'admin'}), 201)
    return owner, org, mail_wait(server, email, 'Olga invites you').token


def members(owner, org):
    reply = owner.get(f'{ORGS}/{org}/members')
    return {member['user']['email']: member['role'] for member in reply.data['members']}


def test_confirming_an_address(server):
    user = server.user()
    token = mail_wait(server, user.email, 'Confirm').token
    with browser() as page:
        open_page(page, server, '/verify-email', token)
        check_equal(user.get('/api/v1/auth/me').data['user']['email_verified'], False)
        send(page)
        check_done(page)
        check_equal(page.complaints, [])
    check_equal(user.get('/api/v1/auth/me').data['user']['email_verified'], True)


def test_links_that_are_no_good(server):
    with browser() as page:
        open_page(page, server, '/verify-email')
        send(page)
        check_in('not complete', text_of(page, 'notice'))
        open_page(page, server, '/verify-email', 'A' * 43)
        send(page)
        check_in('ask for another', text_of(page, 'notice'))
        check(is_shown(page, 'send'), 'the button is gone')
        open_page(page, server, '/accept-invitation', 'A' * 43)
        page.wait("!document.getElementById('notice').hidden")
        check_in('ask for another', text_of(page, 'notice'))
        check(not is_shown(page, 'form'), 'the form is shown')


def test_setting_a_new_password(server):
    user = server.user()
    token = reset_token(server, user)
    with browser() as page:
        open_page(page, server, '/reset-password', token)
        send(page)
        check_equal(text_of(page, 'new_password-error'), 'Required.')
        fill(page, new_password=NEW_PASSWORD, again='something else')
        send(page)
        check_in('not the same', text_of(page, 'again-error'))
        check_equal(page.complaints, [])
        fill(page, new_password='Password12345', again='Password12345')
        send(page)
        check_in('Password must', text_of(page, 'new_password-error'))  # the server's own words
        fill(page, new_password=NEW_PASSWORD, again=NEW_PASSWORD)
        send(page)
        check_done(page)
    check_status(server.login(user.email, NEW_PASSWORD), 200)


def test_accepting_with_a_new_account(server):
    email = f'{uuid.uuid4().hex}@example.com'
    owner, org, token = invited(server, email)
    with browser() as page:
        open_page(page, server, '/accept-invitation', token)
        page.wait("!document.getElementById('form').hidden")
        check_equal([text_of(page, name) for name in ('inviter', 'email', 'organization', 'role')],
                    ['Olga', email, 'Acme <b>', 'admin'])
        check(is_shown(page, 'full_name') and not is_shown(page, 'login-hint'), 'what to do')
        fill(page, full_name='Neu', password='short')
        send(page)
        check(text_of(page, 'password-error') != '', 'a weak password is not refused')
        fill(page, password=PASSWORD)
        send(page)
        check_done(page)
    check_equal(members(owner, org)[email], 'admin')
    check_equal(server.login(email).data['user']['full_name'], 'Neu')


def test_accepting_with_an_account_and_a_second_factor(server):
    user = enrolled(server)
    owner, org, token = invited(server, user.email)
    with browser() as page:
        open_page(page, server, '/accept-invitation', token)
        page.wait("!document.getElementById('form').hidden")
        check(is_shown(page, 'login-hint') and not is_shown(page, 'full_name'), 'what to do')
        fill(page, password='Wrong-Horse-42-Battery')
        send(page)
        check_in('wrong', text_of(page, 'notice'))
        fill(page, password=PASSWORD)
        send(page)
        check_in('one-time code', text_of(page, 'notice'))
        fill(page, code=user.app.code())
        send(page)
        check_done(page)
    check_equal(members(owner, org)[user.email], 'admin')


harness.main(globals())
