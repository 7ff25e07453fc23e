"""The OpenAPI document passes a linter, agrees with /docs and `coffer openapi`, and everything that
it declares was exercised by the other test files (run this file through tests/http/run)."""

import glob
import os
import re
import shutil
import subprocess

import harness
from harness import Skipped, check, check_equal, check_in, check_not_in, check_status
from node import run_script
from server import Server
from spec import operations

SETTINGS = {'rate.enabled': 'false'}

# Declared everywhere, provoked where it can be: (type, reason) and the test file that does it.
# Those without a file need a broken disk or a full machine: tests/fault and tests/unit.
COMMON = {
    ('SERVICE_UNAVAILABLE', 'SERVICE_UNAVAILABLE'): None,
    ('INSUFFICIENT_STORAGE', 'INSUFFICIENT_STORAGE'): None,
    ('BAD_REQUEST', 'BAD_REQUEST'): 'test_http.py',
    ('RATE_LIMIT_EXCEEDED', 'RATE_LIMIT_EXCEEDED'): 'test_limits.py',
    ('IDEMPOTENCY_KEY_REUSED', 'IDEMPOTENCY_KEY_REUSED'): 'test_idempotency.py',
    ('BAD_REQUEST', 'INVALID_JSON'): 'test_http.py',
    ('BAD_REQUEST', 'INVALID_CONTENT_TYPE'): 'test_http.py',
    ('PAYLOAD_TOO_LARGE', 'PAYLOAD_TOO_LARGE'): 'test_matrix.py',
    ('AUTH_REQUIRED', 'TOKEN_MISSING'): 'test_matrix.py',
    ('INVALID_AUTH_FORMAT', 'INVALID_AUTH_HEADER'): 'test_auth.py',
    ('INVALID_TOKEN', 'TOKEN_INVALID'): 'test_matrix.py',
    ('INVALID_TOKEN', 'TOKEN_EXPIRED'): 'test_auth.py',
    ('SESSION_INACTIVE', 'TOKEN_EXPIRED'): 'test_auth.py',
    ('INVALID_API_KEY', 'API_KEY_INVALID'): 'test_api_keys.py',
    ('INVALID_API_KEY', 'API_KEY_EXPIRED'): 'test_api_keys.py',
    ('AUTHORIZATION_ERROR', 'API_KEY_RESTRICTED'): 'test_api_keys.py',
    ('AUTHORIZATION_ERROR', 'INSUFFICIENT_PERMISSIONS'): 'test_api_keys.py',
    ('MFA_COMPLIANCE_REQUIRED', 'MFA_COMPLIANCE_REQUIRED'): 'test_policy.py',
    ('AUTHORIZATION_ERROR', 'CSRF_TOKEN_INVALID'): 'test_cookies.py',
    ('PASSWORD_CHANGE_REQUIRED', 'PASSWORD_CHANGE_REQUIRED'): 'test_admin.py',
    ('AUTHORIZATION_ERROR', 'ACCOUNT_INACTIVE'): 'test_admin.py',
    # The same of the Gatekeeper paths, where the message is all there is.
    ('The server cannot take this now; wait for Retry-After seconds.', ''): None,
    ('The store is full; delete something or give it more room.', ''): None,
    ('Set up the required second factor first.', ''): None,  # the check that test_policy.py shows
    ('Bad request', ''): 'test_gatekeeper.py',
    ('Send the body as Content-Type: application/json.', ''): 'test_gatekeeper.py',
    ('The body is too large.', ''): 'test_matrix.py',
    ('Too many requests', ''): 'test_gatekeeper.py',
    ('This Idempotency-Key belongs to another request; use a new one.', ''): 'test_gatekeeper.py',
    ('Token has expired', ''): 'test_gatekeeper.py',
    ('Token has been revoked', ''): 'test_gatekeeper.py',
    ('User not found', ''): 'test_gatekeeper.py',
    ("Missing 'Bearer' type in 'Authorization' header. Expected 'Authorization: Bearer <JWT>'", ''):
        'test_gatekeeper.py',
    ("Bad Authorization header. Expected 'Authorization: Bearer <JWT>'", ''): 'test_gatekeeper.py',
}
GATEKEEPER_VALIDATION = 'What is wrong with the body, the path or the query.'


def document(server):
    reply = server.client().get('/openapi.json')
    check_status(reply, 200)
    check_in('application/json', reply.headers['content-type'])
    return reply


def test_the_document_passes_the_linter(server):
    path = os.path.join(server.folder, 'openapi.json')
    open(path, 'wb').write(document(server).body)
    run = run_script('lint_openapi.mjs', path)
    check_equal(run.returncode, 0, run.stdout + run.stderr)
    problems = [line for line in run.stdout.splitlines() if not line.startswith('warn ')]
    check(not problems, '\n'.join(problems))


def test_the_document_says_3_1(server):
    reply = document(server)
    check(re.fullmatch(r'3\.1\.\d', reply.json['openapi']), reply.json['openapi'])
    ids = [operation.id for operation in operations(reply.json)]
    check_equal(len(ids), len(set(ids)))
    for operation in operations(reply.json):
        check(operation.item.get('summary') and operation.item.get('tags'), str(operation))


def test_the_alias_and_the_tool_say_the_same(server):
    reply = document(server)
    alias = server.client().get('/docs/openapi.json')
    check_equal(alias.body, reply.body)
    run = server.run('openapi')
    check_equal(run.returncode, 0, run.stderr)
    check_equal(set(re.findall(r'"operationId":\s*"(\w+)"', run.stdout)),
                {operation.id for operation in operations(reply.json)})


def test_the_documentation_page_is_self_contained(server):
    reply = server.client().get('/docs')
    check_status(reply, 200)
    check_in('text/html', reply.headers['content-type'])
    check_not_in('<script>', reply.text)
    check(not re.search(r'\son\w+\s*=', reply.text), 'inline handlers')
    check(not re.search(r'style\s*=\s*"', reply.text) or
          "'unsafe-inline'" in reply.headers['content-security-policy'], 'inline styles')
    for target in re.findall(r'(?:src|href)="([^"#]+)"', reply.text):
        check(not target.startswith(('http:', 'https:', '//')) or 'localhost' in target,
              f'{target} needs the network')
        if target.startswith('/'):
            check_in(server.client().get(target).status, (200, 401), target)
    for operation in operations(document(server).json):
        check_in(operation.path.replace('{', '').replace('}', ''),
                 re.sub(r'<[^>]*>', '', reply.text).replace('{', '').replace('}', ''))


def test_metrics_pass_promtool(server):
    client = server.client()
    for path in ('/health', '/nothing', '/api/v1/auth/me'):
        client.get(path)
    server.user()
    reply = client.get('/metrics')
    check_status(reply, 200)
    check(reply.headers['content-type'].startswith('text/plain; version=0.0.4'),
          reply.headers['content-type'])
    if shutil.which('promtool') is None:
        raise Skipped('no promtool')
    run = subprocess.run(['promtool', 'check', 'metrics'], input=reply.text, capture_output=True,
                         text=True, timeout=60)
    check_equal((run.returncode, run.stdout + run.stderr), (0, ''))


def test_metrics_count(server):
    client = server.client()

    def value(pattern):
        found = re.findall(rf'^{pattern} ([0-9.e+]+)$', client.get('/metrics').text, re.MULTILINE)
        return sum(float(number) for number in found)

    total = r'http_requests_total\{[^}]*endpoint="[^"]*auth/me"[^}]*status="401"[^}]*\}'
    before = value(total)
    failed = value('flowlet_failed_logins_total')
    for _ in range(3):
        client.get('/api/v1/auth/me')
    check_equal(value(total), before + 3)
    server.login('nobody@example.com')
    check_equal(value('flowlet_failed_logins_total'), failed + 1)
    for number in range(50):  # paths of clients must not become labels
        client.get(f'/made/up/{number}')
    check_not_in('/made/up', client.get('/metrics').text)


def test_switched_off_endpoints_are_gone():
    with Server({'metrics.enabled': 'false', 'health.details': 'false'}) as server:
        check_status(server.client().get('/metrics'), 404)
        check_status(server.client().get('/health/detailed'), 404)
        check_status(server.client().get('/health'), 200)


# ---- what was exercised ----

def seen_requests():
    folder = os.environ.get('COFFER_SEEN_FOLDER')
    if not folder or os.environ.get('COFFER_PARTIAL'):
        raise Skipped('only through tests/http/run with all files')
    seen = set()
    for name in glob.glob(os.path.join(folder, 'seen-*.tsv')):
        for line in open(name, encoding='utf-8'):
            method, path, status, error_type, reason = line.rstrip('\n').split('\t')
            seen.add((method, path, int(status), error_type, reason))
    return seen


def test_every_endpoint_succeeded_somewhere(server):
    seen = seen_requests()
    missing = []
    for operation in operations(document(server).json):
        good = {status for method, path, status, _type, _reason in seen
                if method == operation.method and operation.matches(path) and status < 400}
        if not good & operation.success_statuses():
            missing.append(str(operation))
    check(not missing, 'never succeeded: ' + ', '.join(missing))


def test_every_declared_error_was_provoked(server):
    seen = seen_requests()
    missing, common = [], {}
    for operation in operations(document(server).json):
        found = {(status, kind, reason) for method, path, status, kind, reason in seen
                 if method == operation.method and operation.matches(path)}
        for status, kind, reason in operation.declared_errors():
            is_found = (status, kind, reason) in found or \
                (kind == 'VALIDATION_ERROR' and any(entry[1] == kind for entry in found)) or \
                (kind == GATEKEEPER_VALIDATION and any(entry[0] == 400 for entry in found))
            if (kind, reason) in COMMON:
                common[kind, reason] = common.get((kind, reason), False) or is_found
            elif not is_found:
                missing.append(f'{operation}: {status} {kind} ({reason})')
    for (kind, reason), is_found in common.items():
        if COMMON[kind, reason] is not None and not is_found:
            missing.append(f'no endpoint: {kind} ({reason}), {COMMON[kind, reason]}')
    check(not missing, 'never provoked:\n' + '\n'.join(missing))


def test_no_undeclared_error_was_answered(server):
    seen = seen_requests()
    surprises = set()
    for operation in operations(document(server).json):
        declared = operation.declared_errors()
        for method, path, status, kind, reason in seen:
            if method != operation.method or not operation.matches(path) or status < 400:
                continue
            is_declared = any((status, kind) == error[:2] for error in declared)
            is_declared |= operation.is_gatekeeper and status == 400  # each field has its sentence
            is_declared |= operation.is_gatekeeper and kind == 'NOT_FOUND'  # switched off
            if not is_declared and kind not in ('HTTP_VERSION_NOT_SUPPORTED', 'REQUEST_TIMEOUT',
                                                'HEADERS_TOO_LARGE', 'URI_TOO_LONG',
                                                'EXPECTATION_FAILED', 'NOT_IMPLEMENTED'):
                surprises.add(f'{operation}: {status} {kind} ({reason})')
    check(not surprises, 'answered but not declared:\n' + '\n'.join(sorted(surprises)))


harness.main(globals())
