"""Generated from /openapi.json: every endpoint against every kind of caller, and every field at and
beyond its limits. Nothing here knows an endpoint by name but those that end a session."""

import json
import os

import harness
import spec
from harness import check, check_equal, check_in
from server import PASSWORD, Server
from spec import (ROLES, operations, resolve, sample, text_of_length, types_of, value_for,
                  wrong_types)
from test_import import bcrypt

SETTINGS = {'rate.enabled': 'false', 'lockout.failures': '1000',
            'lockout.account-failures': '100000'}

FORBIDDEN = ('AUTHORIZATION_ERROR', 'Your role does not allow this.')

# After these the caller's token is dead by right: each call gets a caller of its own.
ENDS_SESSION = {'auth_logout', 'users_me_delete', 'users_me_erase', 'users_me_password'}


class Callers:
    """A server whose store was imported with one user per role, and their tokens."""

    def __init__(self):
        self.server = Server(SETTINGS)
        made = bcrypt(PASSWORD, '2b', 4)
        rows = ''.join(json.dumps({'email': f'{role}{number}@example.com', 'password_hash': made,
                                   'role': role}) + '\n'
                       for role in ROLES for number in range(80))
        path = os.path.join(self.server.folder, 'users.jsonl')
        open(path, 'w', encoding='utf-8').write(rows)
        run = self.server.run('import', 'users', path, '--data', self.server.data)
        check_equal(run.returncode, 0, run.stdout + run.stderr)
        self.server.start()
        self.tokens = {role: self.login(f'{role}0@example.com') for role in ROLES}
        self.spent = {role: 0 for role in ROLES}
        self.client = self.server.client()
        self.document = self.client.get('/openapi.json').json
        self.operations = operations(self.document)
        self.customer_make()

    def customer_make(self):
        """The one whom PUT /{account} is tried on."""
        row = next(row for row in self.operations if row.id == 'gatekeeper_add')
        body = dict(sample(self.document, row.body_schema()), account_number=spec.CUSTOMER)
        check_equal(self.client.post('/', body, token=self.tokens['admin']).status, 201)

    def login(self, email):
        reply = self.server.login(email)
        check_equal(reply.status, 200, email)
        return reply.data['token']

    def token(self, role, operation):
        if operation.id not in ENDS_SESSION:
            return self.tokens[role]
        self.spent[role] += 1
        return self.login(f'{role}{self.spent[role]}@example.com')


_callers = []


def callers():
    if not _callers:
        _callers.append(Callers())
    return _callers[0]


def call(all_callers, operation, token='', body=None, path=None):
    if body is None and operation.body_schema() is not None:
        body = sample(all_callers.document, operation.body_schema())
    return all_callers.client.request(operation.method, path or operation.concrete_path(), body,
                                      token=token)


def test_the_document_has_operations():
    check(len(callers().operations) >= 18, f'{len(callers().operations)} operations')


def test_nobody():
    everyone = callers()
    for operation in everyone.operations:
        reply = call(everyone, operation)
        if operation.needs_session:
            missing = 'Missing Authorization Header' if operation.is_gatekeeper else 'AUTH_REQUIRED'
            check_equal((str(operation), reply.status, reply.error_type),
                        (str(operation), 401, missing))
        else:
            check(reply.error_type != 'AUTH_REQUIRED', f'{operation}: {reply.text[:200]}')


def test_unknown_tokens():
    everyone = callers()
    for operation in everyone.operations:
        for token in ('A' * 43, 'x', 'a.b.c'):
            reply = call(everyone, operation, token)
            if operation.needs_session:
                refused = (401, 'INVALID_TOKEN')
                if operation.is_gatekeeper:
                    has_form = token.count('.') == 2
                    refused = (422, 'Signature verification failed' if has_form
                               else 'Not enough segments')
                check_equal((str(operation), reply.status, reply.error_type),
                            (str(operation), *refused))


def test_revoked_tokens_and_deleted_users():
    everyone = callers()
    revoked = everyone.login('customer79@example.com')
    check_equal(everyone.client.post('/api/v1/auth/logout', token=revoked).status, 200)
    deleted = everyone.login('customer78@example.com')
    check_equal(everyone.client.delete('/api/v1/users/me', token=deleted).status, 200)
    for operation in everyone.operations:
        if operation.needs_session:
            for token in (revoked, deleted):
                reply = call(everyone, operation, token)
                status = 422 if operation.is_gatekeeper else 401
                check_equal((str(operation), reply.status), (str(operation), status))


def test_roles():
    everyone = callers()
    for operation in everyone.operations:
        if not operation.needs_session:
            continue
        for role in ROLES:
            reply = call(everyone, operation, everyone.token(role, operation))
            about = f'{operation} as {role}: {reply.status} {reply.text[:200]}'
            is_refused = reply.status == 403 and reply.error_type in FORBIDDEN
            check_equal(is_refused, role not in operation.roles and role != 'admin', about)
            check(reply.error_type not in ('AUTH_REQUIRED', 'INVALID_TOKEN'), about)
            check(reply.status < 500, about)


def test_good_bodies_succeed_or_are_refused_as_declared():
    everyone = callers()
    for operation in everyone.operations:
        token = everyone.token(operation.role, operation) if operation.needs_session else ''
        reply = call(everyone, operation, token)
        declared = operation.declared_errors()
        check(reply.status in operation.success_statuses() or
              (reply.status, reply.error_type) in {(error[0], error[1]) for error in declared} or
              (operation.is_gatekeeper and reply.status == 400),  # PUT with nothing in it
              f'{operation}: {reply.status} {reply.error_type} is not declared')


def test_replies_have_the_declared_members():
    everyone = callers()
    for operation in everyone.operations:
        if operation.method != 'GET':
            continue
        reply = call(everyone, operation, everyone.tokens['admin'])
        if reply.status != 200 or reply.json is None:
            continue
        content = operation.item['responses']['200'].get('content', {}).get('application/json')
        if content is None:
            continue
        schema = resolve(everyone.document, content['schema'])
        value = reply.json
        if 'allOf' in schema:
            schema = resolve(everyone.document, schema['allOf'][1]['properties']['data'])
            value = reply.data
        complaints = []
        compare(everyone.document, schema, value, str(operation), complaints)
        check(not complaints, '\n'.join(complaints))


def compare(document, schema, value, path, complaints):
    """The few words of JSON Schema that our documents use."""
    schema = resolve(document, schema)
    if 'anyOf' in schema:
        if value is not None:
            compare(document, schema['anyOf'][0], value, path, complaints)
        return
    kinds = {'object': dict, 'array': list, 'string': str, 'boolean': bool, 'integer': int,
             'number': (int, float), 'null': type(None)}
    wanted = [kind for kind in types_of(schema) if kind]
    if wanted and not any(isinstance(value, kinds[kind]) for kind in wanted):
        complaints.append(f'{path} is {value!r}, not {wanted}')
        return
    if 'enum' in schema and value not in schema['enum']:
        complaints.append(f'{path} is {value!r}, not of {schema["enum"]}')
    if isinstance(value, dict) and 'properties' in schema:
        for name in schema.get('required', []):
            if name not in value:
                complaints.append(f'{path}.{name} is missing')
        for name, member in value.items():
            if name in schema['properties']:
                compare(document, schema['properties'][name], member, f'{path}.{name}', complaints)
            elif schema.get('additionalProperties') is False:
                complaints.append(f'{path}.{name} is not described')
    if isinstance(value, list) and 'items' in schema:
        for index, item in enumerate(value[:20]):
            compare(document, schema['items'], item, f'{path}[{index}]', complaints)


def test_other_methods_are_405():
    everyone = callers()
    known = {}
    for operation in everyone.operations:
        known.setdefault(operation.path, set()).add(operation.method)
    for operation in everyone.operations:
        for method in ('GET', 'POST', 'PUT', 'PATCH', 'DELETE'):
            if method in known[operation.path]:
                continue
            reply = everyone.client.request(method, operation.concrete_path(), token='')
            check_equal((str(operation), method, reply.status), (str(operation), method, 405))
            allowed = set(reply.headers['allow'].split(', '))
            expected = known[operation.path] | {'OPTIONS'}
            expected |= {'HEAD'} if 'GET' in expected else set()
            check_equal(allowed, expected, operation.path)


def test_path_ids_that_are_none():
    everyone = callers()
    for operation in everyone.operations:
        for parameter in operation.parameters('path'):
            for bad in ('x', '0', 'a' * 36, '%20', '%41'):
                path = operation.path.replace('{' + parameter['name'] + '}', bad)
                reply = call(everyone, operation, everyone.tokens[operation.role], path=path)
                refused = (400, 'Invalid account number format. Must be 12 digits.') \
                    if operation.is_gatekeeper else (404, 'NOT_FOUND')
                check_equal((path, reply.status, reply.error_type), (path, *refused))


def test_bad_idempotency_keys_are_refused_as_declared():
    everyone = callers()
    for operation in everyone.operations:
        if not operation.is_write:
            continue
        schema = operation.body_schema()
        reply = everyone.client.request(
            operation.method, operation.concrete_path(),
            None if schema is None else sample(everyone.document, schema),
            token=everyone.tokens[operation.role], headers={'Idempotency-Key': 'k' * 256})
        if operation.is_gatekeeper:
            check_equal((str(operation), reply.status), (str(operation), 400), reply.text)
            continue
        check_equal((str(operation), reply.status, reply.error_type),
                    (str(operation), 400, 'VALIDATION_ERROR'))
        check_in((400, 'VALIDATION_ERROR', 'VALIDATION_ERROR'), operation.declared_errors(),
                 f'{operation}, declared')


# ---- bodies ----

def body_operations():
    return [operation for operation in callers().operations
            if operation.body_schema() is not None]


def check_names_field(everyone, operation, body, field):
    """400 VALIDATION_ERROR whose details name the field."""
    token = everyone.tokens[operation.role] if operation.needs_session else ''
    reply = call(everyone, operation, token, body)
    about = f'{operation} with {json.dumps(body)[:200]}: {reply.status} {reply.text[:300]}'
    if operation.is_gatekeeper:
        check_equal(reply.status, 400, about)
        words = {field, *field.split('_')} - {'name', 'number', 'of'}
        check(any(word in reply.error_type.lower() for word in words), about)
        return
    check_equal((reply.status, reply.error_type), (400, 'VALIDATION_ERROR'), about)
    check(any(key == field or key.startswith(field + '.') for key in reply.details),
          f'{about}: {field} is not named')
    texts = reply.details.get(field, ['nested'])
    check(all(isinstance(text, str) and text for text in texts), about)


def check_accepts_field(everyone, operation, body, field):
    """Whatever becomes of the request, this field is not the reason."""
    token = everyone.token(operation.role, operation) if operation.needs_session else ''
    reply = call(everyone, operation, token, body)
    about = f'{operation} with {json.dumps(body)[:200]}: {reply.status} {reply.text[:300]}'
    check(not (reply.error_type == 'VALIDATION_ERROR' and field in reply.details), about)
    check(reply.status < 500, about)


def test_unknown_fields_are_named():
    everyone = callers()
    for operation in body_operations():
        for name in ('unknown', 'is_admin', '__proto__', 'Email', ' email', 'set'):
            body = dict(sample(everyone.document, operation.body_schema()), **{name: 1})
            if operation.is_gatekeeper:  # they are ignored there
                check_accepts_field(everyone, operation, body, name)
                continue
            check_names_field(everyone, operation, body, name)


def test_missing_fields_are_named():
    everyone = callers()
    for operation in body_operations():
        schema = operation.body_schema()
        for name in schema.get('required', []):
            body = sample(everyone.document, schema)
            del body[name]
            check_names_field(everyone, operation, body, name)


def test_wrong_types_are_named():
    everyone = callers()
    for operation in body_operations():
        schema = operation.body_schema()
        for name, member in schema['properties'].items():
            member = resolve(everyone.document, member)
            for value in wrong_types(member):
                body = dict(sample(everyone.document, schema), **{name: value})
                check_names_field(everyone, operation, body, name)


def test_null_only_where_the_document_says_so():
    everyone = callers()
    for operation in body_operations():
        schema = operation.body_schema()
        for name, member in schema['properties'].items():
            body = dict(sample(everyone.document, schema), **{name: None})
            if 'null' in types_of(resolve(everyone.document, member)):
                check_accepts_field(everyone, operation, body, name)
            else:
                check_names_field(everyone, operation, body, name)


def test_lengths_at_their_limits():
    everyone = callers()
    for operation in body_operations():
        schema = operation.body_schema()
        for name, member in schema['properties'].items():
            member = resolve(everyone.document, member)
            if 'string' not in types_of(member):
                continue
            low, high = member.get('minLength', 0), member.get('maxLength')
            if high is not None and high > operation.body_bytes_max - 1024:
                high = None  # the body's own limit is met first
            for length in {low, high} - {None}:
                value = text_of_length(member, name, length)
                # A password has further rules than its length.
                if value is not None and 'password' not in name:
                    body = dict(sample(everyone.document, schema), **{name: value})
                    check_accepts_field(everyone, operation, body, name)
            beyond = [] if high is None else [high + 1]
            beyond += [low - 1] if low > 0 else []
            for length in beyond:
                value = text_of_length(member, name, length) or 'a' * length
                check_names_field(everyone, operation,
                                  dict(sample(everyone.document, schema), **{name: value}), name)


def test_choices_and_forms():
    everyone = callers()
    for operation in body_operations():
        schema = operation.body_schema()
        for name, member in schema['properties'].items():
            member = resolve(everyone.document, member)
            bad = []
            if 'enum' in member:
                bad = ['no-such-choice', '', member['enum'][0].upper() + 'x']
            bad += {'email': ['x', 'x@', '@x', 'a@b.c'], 'uri': ['x', 'javascript:x'],
                    'date': ['2026-02-30', '2026-1-1', 'x'], 'date-time': ['x', '2026-01-01'],
                    'uuid': ['x', '0' * 36]}.get(member.get('format'), [])
            for value in bad:
                check_names_field(everyone, operation,
                                  dict(sample(everyone.document, schema), **{name: value}), name)


def test_body_sizes():
    everyone = callers()
    for operation in body_operations():
        limit = operation.body_bytes_max
        if limit is None or limit > 1 << 20:
            continue
        token = everyone.tokens[operation.role] if operation.needs_session else ''
        whole = json.dumps(dict(sample(everyone.document, operation.body_schema()), unknown=1))
        for size, statuses in ((limit, (400,)), (limit + 1, (413,))):
            body = whole.encode() + b' ' * (size - len(whole))
            reply = everyone.client.request(operation.method, operation.concrete_path(), body,
                                            token=token,
                                            headers={'Content-Type': 'application/json'})
            is_ignored = operation.is_gatekeeper and size == limit  # the unknown member
            check(reply.status in statuses or (is_ignored and reply.status != 413),
                  f'{operation} with {size} bytes: {reply.status}')
            if reply.headers.get('connection') == 'close':
                everyone.client.close()


# ---- queries ----

def test_query_parameters_at_their_limits():
    everyone = callers()
    for operation in everyone.operations:
        for parameter in operation.parameters('query'):
            schema = resolve(everyone.document, parameter['schema'])
            name = parameter['name']
            kinds = types_of(schema)
            good, bad = [], []
            if 'integer' in kinds:
                low, high = schema.get('minimum'), schema.get('maximum')
                good += [value for value in (low, high) if value is not None]
                bad += ['x', '1.5', '', '99999999999999999999', '1x', ' 1']
                bad += [low - 1] if low is not None else []
                bad += [high + 1] if high is not None else []
            elif 'enum' in schema:
                good, bad = schema['enum'], ['nothing', schema['enum'][0].upper() + 'x']
            elif schema.get('format') == 'uuid':
                bad = ['x', '0' * 36]
            elif schema.get('format') == 'date-time':
                good, bad = ['2026-01-02T03:04:05Z'], ['x', '2026-13-01T00:00:00Z']
            elif schema.get('maxLength'):
                bad = ['a' * (schema['maxLength'] + 1)]
            for value in good:
                reply = call(everyone, operation, everyone.tokens['admin'],
                             path=f'{operation.concrete_path()}?{name}={value}')
                # The ids in the path are nobody's: whatever is then said, it is not the value.
                expected = 404 if operation.parameters('path') else 200
                check_equal((str(operation), name, value, reply.status),
                            (str(operation), name, value, expected), reply.text[:300])
            for value in bad:
                path = f'{operation.concrete_path()}?{name}={value}'.replace(' ', '%20')
                reply = call(everyone, operation, everyone.tokens['admin'], path=path)
                if operation.is_gatekeeper:
                    check_equal((path, reply.status), (path, 400))
                    check_in(name + ': ', reply.error_type)
                    continue
                check_equal((path, reply.status, reply.error_type), (path, 400, 'VALIDATION_ERROR'))
                check_in(name, reply.details, path)
        if operation.parameters('query'):
            reply = call(everyone, operation, everyone.tokens['admin'],
                         path=f'{operation.concrete_path()}?no_such_parameter=1')
            check_equal((str(operation), reply.status), (str(operation), 400))


def test_the_server_lives_on_and_stops():
    check_equal(callers().client.get('/health').status, 200)
    complaints = callers().server.stop()
    check(not complaints, '; '.join(complaints))


def test_samples_fit():
    """The generator itself: a sample has the required members and nothing else."""
    document = {'components': {}}
    schema = {'type': 'object', 'required': ['email'], 'properties': {
        'email': {'type': 'string', 'format': 'email'}, 'age': {'type': 'integer'}}}
    check_equal(list(sample(document, schema)), ['email'])
    check_equal(len(text_of_length({'format': 'uri'}, 'u', 30)), 30)
    for length in range(7, 255):
        check_equal(len(text_of_length({'format': 'email'}, 'e', length)), length)
    check(isinstance(value_for(document, {'type': 'boolean'}, 'b'), bool))


harness.main(globals())
