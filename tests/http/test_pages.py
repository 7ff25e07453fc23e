"""The pages for browsers: the root, /setup behind the one-time link, their scripts and styles. What
a browser does with them is looked at when there is a Chromium on this machine."""

import re

import harness
from browser import DESKTOP, PHONE, Browser, browser_path
from harness import Skipped, check, check_equal, check_in, check_not_in, check_status
from server import ADMIN_EMAIL, PASSWORD, Server

SETTINGS = {'rate.enabled': 'false'}

# What a browser says when it goes somewhere; without it `/` is the customers' list.
BROWSER = {'Accept': 'text/html,application/xhtml+xml,*/*;q=0.8'}

TYPES = {
    '/': 'text/html; charset=utf-8',
    '/setup': 'text/html; charset=utf-8',
    '/setup/setup.js': 'text/javascript; charset=utf-8',
    '/setup/setup.css': 'text/css; charset=utf-8',
    '/favicon.ico': 'image/svg+xml',
}


def use_token(server):
    return server.client().post('/api/v1/setup/admin', {
        'token': server.setup_token(), 'email': 'late@example.com', 'password': PASSWORD})


def test_types_and_encodings(server):
    for path, kind in TYPES.items():
        reply = server.client().get(path, headers=BROWSER)
        check_status(reply, 200)
        check_equal((path, reply.headers['content-type']), (path, kind))
        check_equal(reply.headers['cache-control'], 'no-cache', path)
        packed = server.client().get(path, headers={**BROWSER, 'Accept-Encoding': 'gzip'})
        if path != '/favicon.ico':
            check_equal((path, packed.headers.get('content-encoding')), (path, 'gzip'))
            check(len(packed.body) < len(reply.body), path)
        if path != '/':  # there a customer is added
            check_status(server.client().post(path), 405, 'METHOD_NOT_ALLOWED')


def test_pages_hold_nothing_that_the_policy_forbids(server):
    client = server.client()
    for path in ('/', '/setup'):
        text = client.get(path, headers=BROWSER).text
        check_not_in('@', text.replace('@example.com', ''), path)  # a setting not filled in
        check(not re.search(r'<script(?![^>]*\bsrc=)', text), f'{path}: an inline script')
        check(not re.search(r'<style|\sstyle=|\son\w+=', text), f'{path}: inline style or handler')
        for target in re.findall(r'(?:src|href|action)="([^"]+)"', text):
            check(target.startswith('/') and not target.startswith('//'), f'{path}: {target}')
            method = 'POST' if target.startswith('/api/') else 'GET'
            reply = client.request(method, target, headers=BROWSER)
            check(reply.status in (200, 400), f'{path}: {target}')


def test_the_script_names_parts_that_are_there(server):
    page = server.client().get('/setup').text
    script = server.client().get('/setup/setup.js').text
    ids = set(re.findall(r'\sid="([^"]+)"', page))
    fields = re.search(r'FIELDS = \[([^\]]+)\]', script).group(1)
    names = set(re.findall(r"'(\w+)'", fields))
    used = set(re.findall(r"part\('([\w-]+)'\)", script))
    used |= names | {f'{name}-error' for name in names}
    check_equal(used - ids, set())
    check_equal(names, set(re.findall(r'<input id="\w+" name="(\w+)"', page)))
    for label in re.findall(r'<label for="([^"]+)"', page):
        check_in(label, ids)
    for described in re.findall(r'aria-(?:describedby|labelledby)="([^"]+)"', page):
        for name in described.split():
            check_in(name, ids)


def test_settings_are_filled_in_and_escaped():
    with Server({'name': '<b>"Safe" & Söhne</b>', 'password.length-min': '19',
                 'password.classes-min': '3'}) as server:
        text = server.client().get('/setup').text
        check_in('Set up &#60;b&#62;&#34;Safe&#34; &#38; Söhne&#60;/b&#62;', text)
        check_in('At least 19 characters', text)
        check_in('at least\n3 of', text)
        check_not_in('<b>', text)
        check_not_in('<b>', server.client().get('/', headers=BROWSER).text)


def test_the_page_says_so_when_there_is_an_administrator():
    with Server(SETTINGS) as server:
        check_in('<form', server.client().get('/setup').text)
        server.admin()
        page = server.client().get('/setup')
        check_status(page, 200)
        check_in('has an administrator already', page.text)
        check_not_in('<form', page.text)
        check_status(use_token(server), 401, 'AUTHENTICATION_ERROR', 'SETUP_TOKEN_INVALID')
        server.restart()
        check_not_in('<form', server.client().get('/setup').text)
        check_not_in('/setup#', server.log()[server.log_start:])


# ---- in a browser ----

def browser():
    if browser_path() is None:
        raise Skipped('no chromium')
    return Browser()


def url(server, path):
    return f'https://localhost:{server.https_port}{path}'


def fill(page, **fields):
    for name, value in fields.items():
        page.run(f"document.getElementById('{name}').focus(); document.activeElement.select()")
        page.type(value)


def error_of(page, name):
    return page.run(f"document.getElementById('{name}-error').textContent")


def send(page):
    page.run("document.getElementById('send').click()")
    page.wait("!document.getElementById('send') || !document.getElementById('send').disabled")


def test_the_browser_sees_what_it_should():
    """The canary of the browser tests: a page with faults is complained about."""
    with Server(SETTINGS) as server, browser() as page:
        page.open(url(server, '/'))
        check_equal(page.complaints, [])
        page.run("document.body.appendChild(document.createElement('script')).text = 'var bad = 1'")
        check_equal(page.run('typeof bad'), 'undefined')
        page.run("fetch('/no/such/thing').then((reply) => reply.text())")
        page.run("document.body.setAttribute('style', 'color: red')")
        check(len(page.complaints) >= 3, str(page.complaints))


def test_pages_fit_every_screen_without_complaints(server):
    with browser() as page:
        for size in (DESKTOP, PHONE, (320, 568)):
            page.size(*size)
            for is_dark in (False, True):
                page.dark(is_dark)
                for path in ('/', '/setup', '/docs'):
                    page.open(url(server, path))
                    check(page.overflows() <= 0, f'{path} at {size} is too wide')
        check_equal(page.complaints, [])


def test_the_first_administrator_by_keyboard():
    with Server(SETTINGS) as server, browser() as page:
        page.open(url(server, f'/setup#{server.setup_token()}'))
        page.wait("!document.getElementById('form').hidden")
        check_equal(page.run("document.getElementById('token-field').hidden"), True)
        seen = []
        for text in (ADMIN_EMAIL, 'Ada Root', PASSWORD, PASSWORD):
            page.tab()
            seen.append(page.focused())
            page.type(text)
        check_equal(seen, ['email', 'full_name', 'password', 'password_again'])
        page.enter()
        page.wait("!document.getElementById('done').hidden")
        check_equal(page.focused(), 'done')
        check_in(ADMIN_EMAIL, page.run("document.getElementById('done').textContent"))
        check_equal(page.run('location.hash'), '')
        check_not_in(PASSWORD, page.run('document.documentElement.outerHTML'))
        check_equal(page.complaints, [])
        user = server.client()
        user.token = server.login(ADMIN_EMAIL).data['token']
        me = user.get('/api/v1/users/me').data['user']
        check_equal((me['role'], me['full_name']), ('admin', 'Ada Root'))
        harness.wait_until(lambda: len(user.get('/api/v1/auth/sessions').data['sessions']) == 1,
                           "the page's own session to end")
        page.open(url(server, '/setup'))
        check_in('has an administrator already', page.run('document.body.textContent'))


def test_faults_are_shown_at_their_fields():
    with Server(SETTINGS) as server, browser() as page:
        page.open(url(server, f'/setup#{server.setup_token()}'))
        send(page)
        check_equal([error_of(page, name) for name in ('email', 'password', 'password_again')],
                    ['Required.'] * 3)
        check_equal((error_of(page, 'full_name'), page.focused()), ('', 'email'))
        fill(page, email=ADMIN_EMAIL, password=PASSWORD, password_again='else')
        send(page)
        check_equal((error_of(page, 'email'), page.focused()), ('', 'password_again'))
        check_in('not the same', error_of(page, 'password_again'))
        check_equal(page.complaints, [])  # so far nothing was sent
        fill(page, email='nobody', password='short-A1', password_again='short-A1')
        send(page)
        check(error_of(page, 'email') != '', 'the server names the address')
        check_equal(page.focused(), 'email')
        fill(page, email=ADMIN_EMAIL)
        send(page)
        check_in('shorter', error_of(page, 'password'))
        check_equal(page.run("document.getElementById('password').getAttribute('aria-invalid')"),
                    'true')
        # Two refusals are two failed loads to the browser, and nothing else went wrong.
        check(all('status of 400' in text for text in page.complaints), str(page.complaints))


def test_a_wrong_token_and_an_address_in_use():
    with Server(SETTINGS) as server, browser() as page:
        taken = server.user()
        page.open(url(server, '/setup'))
        check_equal(page.run("document.getElementById('token-field').hidden"), False)
        fill(page, token='A' * 43, email=taken.email, password=PASSWORD, password_again=PASSWORD)
        send(page)
        check_in('does not take this token', error_of(page, 'token'))
        check_equal(page.focused(), 'token')
        page.run(f"location.hash = '#{server.setup_token()}'")
        page.wait("document.getElementById('token-field').hidden")
        send(page)
        check_in('in use', error_of(page, 'email'))
        fill(page, email=ADMIN_EMAIL)
        send(page)
        page.wait("!document.getElementById('done').hidden")


def test_a_lost_answer_may_be_asked_for_again():
    with Server(SETTINGS) as server, browser() as page:
        page.open(url(server, f'/setup#{server.setup_token()}'))
        fill(page, email=ADMIN_EMAIL, password=PASSWORD, password_again=PASSWORD)
        # The request arrives, its answer does not.
        page.run('window.realFetch = fetch; window.fetch = (...all) => realFetch(...all)'
                 '.then(() => { window.fetch = realFetch; throw new TypeError("lost"); })')
        send(page)
        check_in('cannot be reached', page.run("document.getElementById('notice').textContent"))
        check_equal(page.focused(), 'notice')
        send(page)
        page.wait("!document.getElementById('done').hidden")


harness.main(globals())
