"""The OpenAPI document as test material: operations, who may call them, bodies that fit."""

import re
import secrets
import uuid

from server import PASSWORD

CUSTOMER = '999999999999'  # of the Gatekeeper paths, where one has to be there
METHODS = ('get', 'post', 'put', 'patch', 'delete')
ROLES = ('customer', 'admin', 'support', 'compliance', 'auditor')


class Operation:
    def __init__(self, document, path, method, item):
        self.document = document
        self.path = path
        self.method = method.upper()
        self.item = item
        self.id = item['operationId']
        self.is_gatekeeper = 'Gatekeeper' in item['tags']  # another form of refusals
        self.needs_session = any('bearer' in entry for entry in item.get('security', []))
        roles = re.search(r'Access: [^.]*; roles: ([a-z, ]+)\.', item['description'])
        self.roles = set(roles.group(1).split(', ')) if roles else set(ROLES)
        if self.is_gatekeeper and self.needs_session:
            self.roles = {'admin'}  # of this server; the customers' own roles: test_gatekeeper.py
        self.role = next(role for role in ROLES if role in self.roles)  # somebody who may
        limit = re.search(r'Body: at most (\d+) bytes', item['description'])
        self.body_bytes_max = int(limit.group(1)) if limit else None
        self.pattern = re.compile(re.sub(r'\{[^}]+\}', '[^/]+', path) + '$')
        self.is_write = method != 'get'

    def __str__(self):
        return f'{self.method} {self.path}'

    def concrete_path(self):
        """Ids of nothing; of a choice, its first word."""
        if self.is_gatekeeper and self.method == 'PUT':
            return f'/{CUSTOMER}'
        if self.is_gatekeeper:
            return re.sub(r'\{[^}]+\}', account_number(), self.path)
        words = {entry['name']: resolve(self.document, entry['schema']).get('enum')
                 for entry in self.parameters('path')}

        def value_of(found):
            choices = words.get(found.group(1))
            return choices[0] if choices else str(uuid.uuid4())

        return re.sub(r'\{([^}]+)\}', value_of, self.path)

    def matches(self, path):
        """Is this the path's operation? A literal one wins over a {parameter}."""
        return self.pattern.match(path) and (path == self.path or
                                             path not in self.document['paths'])

    def body_schema(self):
        body = self.item.get('requestBody')
        if body is None:
            return None
        return resolve(self.document, body['content']['application/json']['schema'])

    def is_body_required(self):
        return self.item.get('requestBody', {}).get('required', False)

    def parameters(self, place):
        found = [resolve(self.document, entry) for entry in self.item.get('parameters', [])]
        return [entry for entry in found if entry['in'] == place]

    def success_statuses(self):
        return {int(status) for status in self.item['responses'] if status.startswith('2')}

    def declared_errors(self):
        """{(status, type, reason)} as the response texts list them."""
        errors = set()
        for status, response in self.item['responses'].items():
            if status[0] in '45':
                text = resolve(self.document, response)['description']
                if self.is_gatekeeper:
                    errors |= {(int(status), message, '')
                               for message in re.findall(r'\n- `([^`]+)`', text)}
                for kind, reason in re.findall(r'- `([A-Z0-9_]+)` \(`([A-Z0-9_]+)`\)', text):
                    errors.add((int(status), kind, reason))
        return errors


def resolve(document, entry):
    while '$ref' in entry:
        target = document
        for part in entry['$ref'].lstrip('#/').split('/'):
            target = target[part]
        entry = target
    return entry


def operations(document):
    return [Operation(document, path, method, item[method])
            for path, item in document['paths'].items() for method in METHODS if method in item]


# ---- values ----

def account_number():
    return str(secrets.randbelow(10 ** 12)).zfill(12)


def types_of(schema):
    kind = schema.get('type', [])
    return kind if isinstance(kind, list) else [kind]


def text_of_length(schema, name, length):
    """A text of exactly that many characters that has the wanted form, or None."""
    form = schema.get('format')
    if 'enum' in schema:
        return None
    if form == 'email':
        return address_of_length(length)
    if form == 'uri':
        head = 'https://example.com/'
        return head + 'a' * (length - len(head)) if length >= len(head) else None
    if form in ('date', 'date-time', 'uuid') or 'phone' in name or 'contentEncoding' in schema:
        return None
    if 'password' in name:
        return ('Aa1-' * (length // 4 + 1))[:length]
    if schema.get('pattern') == '^[0-9]+$':
        return '1' * length
    return 'a' * length


def address_of_length(length):
    """At most 64 characters left of the @, labels of at most 63 right of it; None beyond 254."""
    if length < 7 or length > 254:
        return None
    local = min(64, length - 6)
    domain = 'com'
    left = length - local - 1 - len(domain)
    while left > 0:
        label = min(63, left - 1)
        if left - 1 - label == 1:  # a dot alone must not remain
            label -= 1
        domain = 'b' * label + '.' + domain
        left -= label + 1
    return 'a' * local + '@' + domain


def value_for(document, schema, name):
    schema = resolve(document, schema)
    if 'enum' in schema:
        return schema['enum'][0]
    if name == 'account_number':
        return account_number()
    if name == 'age':
        return 30
    kinds = types_of(schema)
    if 'boolean' in kinds:
        return True
    if 'integer' in kinds:
        return schema.get('minimum', 1)
    if 'array' in kinds:
        return []
    if 'object' in kinds:
        return sample(document, schema)
    form = schema.get('format')
    if form == 'email':
        return f'sample-{uuid.uuid4().hex[:12]}@example.com'
    if schema.get('contentEncoding') == 'base64url':
        return 'AAAA'
    if form == 'uri':
        return 'https://example.com/a'
    if form == 'date':
        return '1999-12-31'
    if form == 'date-time':
        return '2026-01-02T03:04:05Z'
    if form == 'uuid':
        return str(uuid.uuid4())
    if schema.get('description') == '(XXX) XXX-XXXX':
        return '(619) 555-5678'
    if 'phone' in name:
        return '+49 170 1234567'
    if 'password' in name:
        return PASSWORD
    if schema.get('pattern') == '^[0-9]+$':
        return '1' * schema.get('minLength', 1)
    return 'a' * max(1, schema.get('minLength', 3))


def sample(document, schema, only_required=True):
    """A body that fits."""
    schema = resolve(document, schema)
    wanted = schema.get('required', []) if only_required else schema['properties']
    return {name: value_for(document, schema['properties'][name], name) for name in wanted}


def wrong_types(schema):
    """Values that no reading of the schema accepts."""
    kinds = types_of(schema)
    if 'string' in kinds:
        return [5, True, [], {}, 1.5]
    if 'boolean' in kinds:
        return ['maybe', 7, [], {}]
    if 'integer' in kinds:
        return ['x', 1.5, True, [], {}]
    if 'array' in kinds:
        return ['x', 5, {}]
    if 'object' in kinds:
        return ['x', 5, []]
    return []
