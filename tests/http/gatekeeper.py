"""The Gatekeeper paths as test material: a body that fits, and the game client's reading of
replies."""

import json
import secrets

PASSWORD = 'Password1'
LOCKED = 'Account is locked due to too many failed attempts. Please contact support.'
ACCOUNT_FORM = 'Invalid account number format. Must be 12 digits.'
FORBIDDEN = 'Your role does not allow this.'
FIELDS = ('account_number', 'first_name', 'last_name', 'age', 'gender', 'phone_number', 'address',
          'bank_account_type', 'date_of_account_opening', 'branch_code', 'password')


def new_account():
    return str(secrets.randbelow(9 * 10 ** 11) + 10 ** 11)


def body(**fields):
    made = dict(zip(FIELDS, (new_account(), 'Emily', 'Johnson', 28, 'Female', '(213) 555-2345',
                             '456 Oak St', 'Savings', '2020-03-10', 'SF234', PASSWORD)))
    made.update(fields)
    return {name: value for name, value in made.items() if value is not ...}


class Customer:
    """Somebody registered and logged in."""

    def __init__(self, server, **fields):
        self.client = server.client()
        self.body = body(**fields)
        self.account = self.body['account_number']
        reply = self.client.post('/register', self.body)
        if reply.status != 201:
            raise AssertionError(f'register: {reply.status} {reply.text}')
        self.token = self.login().json['token']
        self.client.token = self.token

    def login(self, password=None, client=None):
        return login(client or self.client, self.account, password or self.body['password'])


def login(client, account, password):
    return client.post('/login', {'account_number': account, 'password': password}, token='')


class LoginResponse:
    """JsonUtility.FromJson<LoginResponse>: members by name, missing ones at their default, further
    ones ignored, a value of another type an error; an empty text and one that is no JSON object,
    too."""

    MEMBERS = {'success': (bool, False), 'message': (str, ''), 'token': (str, '')}

    def __init__(self, text):
        if not text:
            raise ValueError('JSON text is empty')
        value = json.loads(text)
        if not isinstance(value, dict):
            raise ValueError('JSON must represent an object type')
        for name, (kind, default) in self.MEMBERS.items():
            member = value.get(name, default)
            if not isinstance(member, kind):
                raise ValueError(f'{name} is {member!r}')
            setattr(self, name, member)

    @property
    def is_logged_in(self):
        return self.success and bool(self.token)
