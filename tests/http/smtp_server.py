"""An SMTP server for tests, as well-behaved or as naughty as the test wants.

    with SmtpServer(identity=pki.identity('localhost'), users={'ada': 'secret'}) as server:
        ...                     # server.port, server.mails, server.lines, server.connections

`replies` says what is answered instead of the usual: by verb ('GREETING', 'EHLO', 'STARTTLS',
'AUTH', 'MAIL', 'RCPT', 'DATA', 'END', 'STORED' (the mail is there), 'RSET', 'QUIT') a list that is
used up one by one. An entry is a text (each line gets CRLF), bytes (sent as they are), None (the
usual), or a function that gets the conversation and sends what it likes; DROP closes the
connection, HANG answers never.
"""

import base64
import socket
import ssl
import threading

DROP = object()
HANG = object()


class Dropped(Exception):
    pass


class Mail:
    def __init__(self, sender, recipients, data, user, is_tls, connection):
        self.sender, self.recipients, self.data = sender, recipients, data
        self.user, self.is_tls, self.connection = user, is_tls, connection


class Conversation:
    def __init__(self, server, connection, number):
        self.server, self.connection, self.number = server, connection, number
        self.rest = b''
        self.user = None
        self.is_tls = False
        self.sender = None
        self.recipients = []
        self.verbs = {'EHLO': self.ehlo, 'HELO': self.helo, 'STARTTLS': self.starttls,
                      'AUTH': self.auth, 'MAIL': self.mail, 'RCPT': self.rcpt, 'DATA': self.data,
                      'RSET': self.rset, 'QUIT': self.quit, 'NOOP': self.noop}

    # ---- bytes ----

    def send(self, data):
        if isinstance(data, str):
            data = ''.join(f'{line}\r\n' for line in data.split('\n')).encode()
        self.connection.sendall(data)

    def line(self):
        while b'\r\n' not in self.rest:
            got = self.connection.recv(65536)
            if not got:
                raise Dropped
            self.rest += got
        line, self.rest = self.rest.split(b'\r\n', 1)
        return line

    def secure(self):
        # What is left over was sent before TLS: it must not be taken for something said inside.
        assert self.rest == b'', self.rest
        self.connection = self.server.context.wrap_socket(self.connection, server_side=True)
        self.is_tls = True

    # ---- the dialogue ----

    def special(self, verb):
        """What the test wants instead; None: nothing."""
        with self.server.lock:
            waiting = self.server.replies.get(verb)
            reply = waiting.pop(0) if waiting else None
        if reply is DROP:
            raise Dropped
        if reply is HANG:
            self.server.stopping.wait()
            raise Dropped
        if callable(reply):
            reply(self)
        elif reply is not None:
            self.send(reply)
        return reply

    def run(self):
        if self.server.is_implicit:
            self.secure()
        if self.special('GREETING') is None:
            self.send('220 mail.test ESMTP')
        while True:
            line = self.line()
            self.server.lines.append(line.decode(errors='replace'))
            verb, _, words = line.decode(errors='replace').partition(' ')
            verb = verb.upper()
            if self.special(verb) is not None:
                continue
            self.verbs.get(verb, self.unknown)(words)

    def abilities(self):
        found = ['SIZE 1000000', '8BITMIME', 'SMTPUTF8', 'PIPELINING']
        if self.server.context and not self.is_tls:
            found.append('STARTTLS')
        if self.server.users and (self.is_tls or not self.server.context):
            found.append('AUTH ' + self.server.mechanisms)
        return found

    def ehlo(self, words):
        found = ['mail.test'] + self.abilities()
        self.send('\n'.join(f'250{"-" if at < len(found) - 1 else " "}{word}'
                            for at, word in enumerate(found)))

    def helo(self, words):
        self.send('250 mail.test')

    def starttls(self, words):
        self.send('220 go ahead')
        self.secure()

    def auth(self, words):
        mechanism, _, first = words.partition(' ')
        if mechanism == 'PLAIN':
            _, user, password = base64.b64decode(first).decode().split('\0')
        else:
            self.send('334 ' + base64.b64encode(b'Username:').decode())
            user = base64.b64decode(self.line()).decode()
            self.send('334 ' + base64.b64encode(b'Password:').decode())
            password = base64.b64decode(self.line()).decode()
        if self.server.users.get(user) != password:
            self.send('535 5.7.8 Authentication credentials invalid')
            return
        self.user = user
        self.send('235 2.7.0 welcome')

    def mail(self, words):
        if self.server.users and self.user is None:
            self.send('530 5.7.0 Authentication required')
            return
        self.sender, self.recipients = words, []
        self.send('250 2.1.0 Ok')

    def rcpt(self, words):
        self.recipients.append(words)
        self.send('250 2.1.5 Ok')

    def data(self, words):
        self.send('354 go ahead')
        lines = []
        while True:
            line = self.line()
            if line == b'.':
                break
            lines.append(line[1:] if line.startswith(b'.') else line)
        if self.special('END') is not None:
            return
        mail = Mail(self.sender, self.recipients, b'\r\n'.join(lines) + b'\r\n', self.user,
                    self.is_tls, self.number)
        with self.server.lock:
            self.server.mails.append(mail)
        if self.special('STORED') is None:
            self.send('250 2.0.0 queued')

    def rset(self, words):
        self.send('250 2.0.0 Ok')

    def noop(self, words):
        self.send('250 2.0.0 Ok')

    def quit(self, words):
        self.send('221 2.0.0 bye')
        raise Dropped

    def unknown(self, words):
        self.send('502 5.5.2 what?')


class SmtpServer:
    def __init__(self, identity=None, is_implicit=False, users=None, mechanisms='PLAIN LOGIN',
                 replies=None, port=0, address='127.0.0.1', version=None):
        self.is_implicit, self.users, self.mechanisms = is_implicit, users or {}, mechanisms
        self.replies = {verb: list(entries) for verb, entries in (replies or {}).items()}
        self.context = None
        if identity:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*identity)
            if version:
                self.context.minimum_version = self.context.maximum_version = version
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.mails, self.lines, self.errors = [], [], []
        self.connections = 0
        self.open = []
        family = socket.AF_INET6 if ':' in address else socket.AF_INET
        self.listener = socket.create_server((address, port), family=family)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.settimeout(60)
            self.connections += 1
            self.open.append(connection)
            threading.Thread(target=self.serve, args=(connection, self.connections),
                             daemon=True).start()

    def serve(self, connection, number):
        conversation = Conversation(self, connection, number)
        try:
            conversation.run()
        except (Dropped, OSError) as error:
            if not isinstance(error, Dropped):
                self.errors.append(error)
        finally:
            conversation.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.stopping.set()
        self.listener.close()
        for connection in self.open:
            connection.close()
