"""README.md is true: its blocks of commands are run as they stand, and what it names is there.

A block under `<!-- run: NAME -->` is run as one shell script, in a folder that has ./data and
build/coffer. Its parts are separated by blank lines; a line `#> TEXT` says that TEXT is in what its
part prints.
"""

import html
import os
import re
import subprocess

import harness
from harness import check, check_equal, check_in
from pki import Pki
from server import ROOT, Server, clean_environment, program_path
from smtp_server import SmtpServer

SETTINGS = {}
URL = 'https://localhost:8443'
SECONDS_MAX = 120


def text_of(path):
    with open(os.path.join(ROOT, path), encoding='utf-8') as file:
        return file.read()


README = text_of('README.md')


def blocks():
    """{name: script}"""
    return dict(re.findall(r'^<!-- run: (\w+) -->\n```sh\n(.*?)^```$', README, re.MULTILINE | re.S))


def parts_of(script):
    """[(commands, [promised text])]"""
    parts = []
    for part in re.split(r'\n\n+', script.strip()):
        promised = re.findall(r'^#> (.*)$', part, re.MULTILINE)
        parts.append((re.sub(r'^#> .*\n?', '', part, flags=re.MULTILINE), promised))
    return parts


def run_parts(parts, folder, variables=()):
    """The output of each part, both streams as a person sees them."""
    mark = '@@ the next part @@'
    script = f"\necho '{mark}'\n".join(commands for commands, _promised in parts)
    done = subprocess.run(['sh', '-eu', '-c', script], cwd=folder, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=SECONDS_MAX, env={**clean_environment(), **dict(variables)})
    outputs = done.stdout.split(f'{mark}\n')
    about = f'the script ends with {done.returncode} in part {len(outputs)}:\n{outputs[-1]}'
    check_equal(done.returncode, 0, about)
    check_equal(len(outputs), len(parts))
    return outputs


def run_block(name, server, replacements=()):
    """Runs a block of the README and checks what it promises."""
    build = os.path.join(server.folder, 'build')
    if not os.path.exists(build):
        os.mkdir(build)
        os.symlink(server.program, os.path.join(build, 'coffer'))
    script = blocks()[name].replace(URL, f'https://localhost:{server.https_port}')
    for old, new in replacements:
        check_in(old, script)
        script = script.replace(old, new)
    parts = parts_of(script)
    check(sum(len(promised) for _commands, promised in parts) > 0, f'{name} promises nothing')
    for (commands, promised), output in zip(parts, run_parts(parts, server.folder)):
        for text in promised:
            check_in(text, output, commands)


def test_the_walk(server):
    run_block('walk', server)


def test_settings(server):
    run_block('settings', server)


def test_backup_and_checks_beside_the_server(server):
    run_block('live', server)
    run = server.run('backup', 'monday.backup')
    check(run.returncode == 1 and 'monday.backup' in run.stderr, 'a backup overwrites no file')
    check_equal(server.client().get('/health').status, 200)


def test_what_needs_the_server_stopped():
    with Server() as server:
        check_equal(server.finish(), [])
        run_block('stopped', server)
        server.start()
        check_equal(server.login('bob@example.com', 'Correct-Horse-42').status, 200)
        check('/setup#' not in server.log()[server.log_start:], 'there is an administrator')


def test_moving_from_gatekeeper():
    with Server() as server:
        check_equal(server.finish(), [])
        run_block('gatekeeper', server)
        server.start()
        run_block('gatekeeper_live', server)


def test_moving_from_authy2():
    with Server() as server:
        check_equal(server.finish(), [])
        run_block('authy2', server)
        server.start()
        run_block('authy2_live', server)


def test_moving_is_told_in_the_documentation_too(server):
    """The same commands as on this page, whose program lies in build/."""
    page = html.unescape(re.sub(r'<[^>]*>', '', server.client().get('/docs').text))
    count = 0
    for name in ('gatekeeper', 'gatekeeper_live', 'authy2'):
        for line in blocks()[name].splitlines():
            if line.startswith(('build/coffer import', 'build/coffer admin', 'api ', 'REPLY=')):
                line = line.removeprefix('REPLY=$(').removeprefix('build/')
                check_in(line.rstrip(' \\'), page)
                count += 1
    check_equal(count, 7)


def test_mail():
    with Server() as server:
        pki = Pki(server.folder)
        users = {'coffer@example.com': 'correct horse battery staple'}
        with SmtpServer(identity=pki.identity('localhost'), users=users) as mail_server:
            there = f'localhost\nmail.smtp-port = {mail_server.port}\n' \
                    f'net.trust-store = {pki.authority}\n'
            run_block('mail', server, [('mail.example.com\n', there)])
            check_equal(mail_server.mails[0].recipients, ['TO:<you@example.com>'])


def test_all_blocks_are_run():
    used = set(re.findall(r"run_block\('(\w+)'", text_of('tests/http/test_readme.py')))
    check_equal(used, set(blocks()))
    unmarked = re.sub(r'^<!-- run: \w+ -->\n```sh\n.*?^```$', '', README, flags=re.MULTILINE | re.S)
    check(not re.search(r'build/coffer \w', unmarked), 'a command of Coffer in a block not run')


def test_settings_named_are_settings(server):
    run = server.run('settings')
    names = {line.split()[0] for line in run.stdout.splitlines() if line}
    for name in re.findall(r'--set ([\w.-]+)=|`([a-z]+\.[a-z-]+)`', README):
        name = name[0] or name[1]
        if not name.endswith(('.conf', '.key', '.mdb', '.py')):
            check_in(name, names)
    for flag in re.findall(r'--([a-z][a-z.-]+)', re.sub(r'--cacert|--seed|--data|--listen|--set',
                                                       '', README)):
        check_in(flag, names)


def test_paths_named_are_there():
    found = set(re.findall(r'(?<![\w/])((?:src|tests|vendor)/[\w/.*-]*\w)', README))
    check(len(found) > 20, str(found))
    for path in found:
        path = path.replace('*', 'auth')
        there = os.path.exists(os.path.join(ROOT, path))
        check(there or path.endswith('/NAME'), f'{path} is not there')


def test_targets_named_are_targets():
    makefile = text_of('Makefile') + text_of('image/image.mk')
    for target in re.findall(r'\bmake ([a-z-]+)\b', ''.join(re.findall(r'```sh.*?```|`[^`\n]+`',
                                                                      README, re.S))):
        check(re.search(rf'^{target}:', makefile, re.MULTILINE), f'make {target}')


def test_third_party_table_is_the_manifest():
    rows = [line.split() for line in text_of('vendor/manifest').splitlines()
            if line and not line.startswith('#')]
    table = re.findall(r'^\| (\w+) \| ([\d.-]+) \| ([\w.-]+) \|', README, re.MULTILINE)
    check_equal(sorted((name.lower(), version, licence) for name, version, licence in table),
                sorted((row[0], row[1], row[6]) for row in rows))


def test_a_broken_promise_is_seen():
    """The canary: a part whose output lacks what it promises, and one that fails."""
    parts = parts_of("echo one\n#> one\n\necho two\n#> three\n")
    check_equal([promised for _commands, promised in parts], [['one'], ['three']])
    check_equal(run_parts(parts, '/'), ['one\n', 'two\n'])
    try:
        run_parts(parts_of('false'), '/')
    except AssertionError:
        return
    raise AssertionError('a failed command is not seen')


check(os.path.exists(program_path()), 'build the server first')
harness.main(globals())
