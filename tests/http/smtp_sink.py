"""A mail server for tests: takes mails, refuses them, asks to come again, breaks off. No TLS."""

import email
import email.policy
import socketserver
import threading


class Sink:
    """`decide(recipient, count)` says what the end of DATA is answered with: a reply line, None to
    break the connection; count = how often this recipient was tried before."""

    def __init__(self, decide=lambda recipient, count: '250 taken'):
        self.decide = decide
        self.taken = []      # (recipient, message)
        self.tries = {}      # recipient -> count
        self.lock = threading.Lock()
        sink = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                sink.dialogue(self.rfile, self.wfile)

        class Listener(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        self.listener = Listener(('127.0.0.1', 0), Handler)
        self.port = self.listener.server_address[1]
        threading.Thread(target=self.listener.serve_forever, daemon=True).start()

    def settings(self):
        return {'mail.smtp-host': '127.0.0.1', 'mail.smtp-port': str(self.port),
                'mail.smtp-security': 'none', 'mail.from': 'post@example.com'}

    def close(self):
        self.listener.shutdown()
        self.listener.server_close()

    def dialogue(self, lines, out):
        def say(line):
            out.write(line.encode() + b'\r\n')

        recipient = None
        say('220 sink')
        for line in lines:
            word = line[:4].upper().strip()
            if word == b'RCPT':
                recipient = line.decode().split('<')[1].split('>')[0]
            if word == b'DATA':
                say('354 go on')
                answer = self.receive(recipient, lines)
                if answer is None:
                    return
                say(answer)
            elif word == b'QUIT':
                say('221 bye')
                return
            else:
                say('250 ok')

    def receive(self, recipient, lines):
        raw = b''
        for line in lines:
            if line == b'.\r\n':
                break
            raw += line[1:] if line.startswith(b'.') else line
        with self.lock:
            count = self.tries.get(recipient, 0)
            self.tries[recipient] = count + 1
            answer = self.decide(recipient, count)
            if answer is not None and answer.startswith('2'):
                message = email.message_from_bytes(raw, policy=email.policy.default)
                self.taken.append((recipient, message))
        return answer

    def mails(self, recipient):
        with self.lock:
            return [message for to, message in self.taken if to == recipient]
