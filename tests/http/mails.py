"""Mails of a server with mail.folder, read as a mail program reads them."""

import email
import email.policy
import glob
import os
import re

from harness import check, check_equal, wait_until


def folder_of(server):
    return server.settings['mail.folder']


class Mail:
    def __init__(self, path):
        self.path = path
        raw = open(path, 'rb').read()
        check(b'\r\n\r\n' in raw and b'\n' not in raw.replace(b'\r\n', b''), f'{path}: line ends')
        check(all(len(line) <= 998 for line in raw.split(b'\r\n')), f'{path}: long lines')
        self.message = email.message_from_bytes(raw, policy=email.policy.default)
        check_equal(self.message.defects, [], path)
        check_equal(self.message.get_content_type(), 'multipart/alternative')
        self.parts = list(self.message.iter_parts())
        check_equal([part.get_content_type() for part in self.parts], ['text/plain', 'text/html'])
        self.text, self.html = [part.get_content() for part in self.parts]
        self.to = self.message['To'].strip('<>')
        self.subject = self.message['Subject']

    @property
    def token(self):
        """What follows # in the link, which is in both parts."""
        found = re.findall(r'#([A-Za-z0-9_-]{43})\b', self.text)
        check(found, f'no link in {self.text}')
        check(found[0] in self.html, 'the link is not in the HTML')
        return found[0]


def mails(server, to=None, subject=None):
    """Oldest first."""
    paths = sorted(glob.glob(os.path.join(folder_of(server), '*.eml')), key=os.path.getmtime)
    found = [Mail(path) for path in paths]
    return [mail for mail in found if (to is None or mail.to == to) and
            (subject is None or subject in mail.subject)]


def mail_wait(server, to, subject, count=1):
    """The newest mail to somebody whose subject contains a text, once there are so many."""
    found = wait_until(lambda: (lambda all_: all_ if len(all_) >= count else None)(
        mails(server, to, subject)), f'{count} mails to {to}: {subject}')
    check_equal(len(found), count, f'mails to {to}: {subject}')
    return found[-1]


def metric(server, name):
    text = server.client().get('/metrics').text
    return float(re.search(rf'^{name} ([0-9.e+]+)$', text, re.MULTILINE).group(1))


def outbox_empty(server):
    """Waits until nothing is to be sent any more."""
    wait_until(lambda: metric(server, 'coffer_outbox_queued') == 0, 'the outbox is empty')
