"""A headless Chromium, spoken to over its debugging pipe: the DevTools protocol, JSON objects that
end with a zero byte. Nothing but the standard library."""

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

PROGRAMS = ('chromium', 'chromium-browser', 'google-chrome')
FLAGS = (
    '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync',
    '--disable-extensions', '--disable-default-apps', '--ignore-certificate-errors',
    '--hide-scrollbars', '--remote-debugging-pipe',
)
SECONDS_MAX = 60

DESKTOP = (1280, 800)
PHONE = (390, 844)


def browser_path():
    """None when there is no Chromium on this machine."""
    return next((path for path in map(shutil.which, PROGRAMS) if path), None)


class Browser:
    """One page in one browser with a folder of its own. `complaints` are the errors and warnings of
    its console, violations of the content security policy and requests that failed."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix='coffer-browser-')
        self.complaints = []
        self.last_id = 0
        self.left = b''
        self.answers = {}
        self.events = []
        command_read, self.command_write = os.pipe()
        self.answer_read, answer_write = os.pipe()

        def descriptors_place():
            """The browser reads from 3 and writes to 4, wherever the pipes are here."""
            high_read = fcntl.fcntl(command_read, fcntl.F_DUPFD_CLOEXEC, 100)
            high_write = fcntl.fcntl(answer_write, fcntl.F_DUPFD_CLOEXEC, 100)
            os.dup2(high_read, 3)
            os.dup2(high_write, 4)

        self.process = subprocess.Popen(
            [browser_path(), *FLAGS, f'--user-data-dir={self.folder}', 'about:blank'],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, 'HOME': self.folder}, close_fds=False,
            preexec_fn=descriptors_place)
        os.close(command_read)
        os.close(answer_write)
        self.session = None
        target = self.call('Target.createTarget', url='about:blank')['targetId']
        self.session = self.call('Target.attachToTarget', targetId=target,
                                 flatten=True)['sessionId']
        for domain in ('Page', 'Runtime', 'Log', 'Network'):
            self.call(f'{domain}.enable')

    # ---- the pipe ----

    def call(self, method, **params):
        self.last_id += 1
        message = {'id': self.last_id, 'method': method, 'params': params}
        if self.session:
            message['sessionId'] = self.session
        os.write(self.command_write, json.dumps(message).encode() + b'\0')
        deadline = time.monotonic() + SECONDS_MAX
        while self.last_id not in self.answers:
            self._read(deadline)
        answer = self.answers.pop(self.last_id)
        if 'error' in answer:
            raise AssertionError(f'{method}: {answer["error"]}')
        return answer['result']

    def _read(self, deadline):
        ready, _, _ = select.select([self.answer_read], [], [], deadline - time.monotonic())
        if not ready:
            raise AssertionError('the browser does not answer')
        piece = os.read(self.answer_read, 1 << 20)
        if not piece:
            raise AssertionError('the browser is gone')
        *messages, self.left = (self.left + piece).split(b'\0')
        for message in map(json.loads, messages):
            if 'id' in message:
                self.answers[message['id']] = message
            else:
                self._event(message['method'], message.get('params', {}))

    def _event(self, method, params):
        self.events.append(method)
        if method == 'Log.entryAdded' and params['entry']['level'] in ('error', 'warning'):
            entry = params['entry']
            self.complaints.append(f'{entry["level"]}: {entry["text"]} {entry.get("url", "")}')
        elif method == 'Runtime.exceptionThrown':
            details = params['exceptionDetails']
            self.complaints.append('exception: ' + details.get('exception', {})
                                   .get('description', details['text']))
        elif method == 'Runtime.consoleAPICalled' and params['type'] in ('error', 'warning'):
            self.complaints.append(f'console: {params["args"]}')

    # ---- what a person does ----

    def size(self, width, height):
        self.call('Emulation.setDeviceMetricsOverride', width=width, height=height,
                  deviceScaleFactor=1, mobile=width < 600)

    def dark(self, is_dark):
        self.call('Emulation.setEmulatedMedia', features=[
            {'name': 'prefers-color-scheme', 'value': 'dark' if is_dark else 'light'}])

    def open(self, url):
        self.call('Page.navigate', url='about:blank')
        self.events.clear()
        found = self.call('Page.navigate', url=url)
        if found.get('errorText'):
            raise AssertionError(f'{url}: {found["errorText"]}')
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    def run(self, script):
        """The value of an expression in the page."""
        found = self.call('Runtime.evaluate', expression=script, returnByValue=True,
                          awaitPromise=True)
        if 'exceptionDetails' in found:
            raise AssertionError(f'{script}: {found["exceptionDetails"]}')
        return found['result'].get('value')

    def wait(self, script, seconds=30):
        deadline = time.monotonic() + seconds
        while not self.run(script):
            if time.monotonic() > deadline:
                raise AssertionError(f'after {seconds} s still not: {script}')
            time.sleep(0.02)

    def type(self, text):
        """Into whatever has the focus."""
        self.call('Input.insertText', text=text)

    def key(self, name, code):
        for kind in ('keyDown', 'keyUp'):
            text = {'text': '\r'} if name == 'Enter' and kind == 'keyDown' else {}
            self.call('Input.dispatchKeyEvent', type=kind, key=name, windowsVirtualKeyCode=code,
                      **text)

    def tab(self):
        self.key('Tab', 9)

    def enter(self):
        self.key('Enter', 13)

    def focused(self):
        return self.run('document.activeElement.id')

    def overflows(self):
        """How many pixels the page is wider than the window."""
        return self.run('document.documentElement.scrollWidth - innerWidth')

    def screenshot(self, path, is_whole=False):
        shot = self.call('Page.captureScreenshot', captureBeyondViewport=is_whole)
        with open(path, 'wb') as file:
            file.write(base64.b64decode(shot['data']))

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.command_write)
        os.close(self.answer_read)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
