"""The black-box tests' runner: functions named test_* of a file, in their order.

    import harness
    from harness import check, check_equal

    SETTINGS = {'rate.enabled': 'false'}    # of the file's server; leave out for a file without one

    def test_something(server):             # `server` only if the test wants the file's server
        check_equal(server.client().get('/health').status, 200)

    harness.main(globals())

A failed check ends its test. The file's server must stop with exit code 0 and without a word from a
sanitizer: that counts as one more test. The last line is `N passed, N failed`.

    python3 tests/http/test_X.py [TEXT]     only the tests whose name contains TEXT
"""

import inspect
import os
import signal
import sys
import time
import traceback

from server import Server

TEST_SECONDS_MAX = 240


class Skipped(Exception):
    """A tool that the test needs is not on this machine."""


def check(condition, text='does not hold'):
    if not condition:
        raise AssertionError(text)


def check_equal(actual, expected, what=''):
    if actual != expected:
        raise AssertionError(f'{what + ": " if what else ""}is {actual!r}, not {expected!r}')


def check_in(item, container, what=''):
    if item not in container:
        raise AssertionError(f'{what + ": " if what else ""}{item!r} is not in {container!r}')


def check_not_in(item, container, what=''):
    if item in container:
        raise AssertionError(f'{what + ": " if what else ""}{item!r} is in {container!r}')


def check_status(reply, status, error_type=None, reason=None):
    """A reply's status, and of a refusal its error.type and error.details.code."""
    if reply.status != status:
        raise AssertionError(f'{reply.about}: status {reply.status}, not {status}: '
                             f'{reply.text[:600]}')
    if error_type is not None:
        check_equal(reply.error_type, error_type, f'{reply.about} error.type')
    if reason is not None:
        check_equal(reply.reason, reason, f'{reply.about} error.details.code')


def wait_until(condition, text, seconds=15.0):
    """Polls until the condition returns something true, and returns that."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f'after {seconds} s still not: {text}')
        time.sleep(0.02)


def _run_one(name, function, server_of_file):
    """None when it passed, else what to print."""
    def on_alarm(_signal, _frame):
        raise AssertionError(f'takes longer than {TEST_SECONDS_MAX} s')

    signal.signal(signal.SIGALRM, on_alarm)
    signal.alarm(TEST_SECONDS_MAX)
    try:
        if 'server' in inspect.signature(function).parameters:
            function(server=server_of_file())
        else:
            function()
    except Skipped as skipped:
        print(f'  skipped {name}: {skipped}')
    except BaseException:  # also an assertion of a helper, a socket error, a timeout
        if isinstance(sys.exc_info()[1], KeyboardInterrupt):
            raise
        return traceback.format_exc(limit=-4)
    finally:
        signal.alarm(0)
    return None


def main(names):
    """Runs the tests of a file; exits."""
    file = os.path.basename(names.get('__file__', '?'))
    wanted = sys.argv[1] if len(sys.argv) > 1 else ''
    settings = names.get('SETTINGS')
    started = []

    def server_of_file():
        if not started:
            started.append(Server(settings or {}).start())
        elif not started[0].is_running():
            raise AssertionError('the server of this file is gone: ' + started[0].log()[-2000:])
        return started[0]

    passed = failed = 0
    for name, function in list(names.items()):
        if not name.startswith('test_') or not callable(function) or wanted not in name:
            continue
        began = time.monotonic()
        complaint = _run_one(name, function, server_of_file)
        seconds = time.monotonic() - began
        if complaint is None:
            passed += 1
            if os.environ.get('VERBOSE'):
                print(f'  ok {name} {seconds:.1f} s')
        else:
            failed += 1
            print(f'  FAILED {file} {name} ({seconds:.1f} s)\n{complaint}'
                  f'    again: python3 tests/http/{file} {name}')
        sys.stdout.flush()
    for server in started:
        complaints = server.finish() if failed else server.stop()  # failed: the log is kept
        if complaints:
            failed += 1
            print(f'  FAILED {file} stop: ' + '\n    '.join(complaints))
        else:
            passed += 1
    print(f'{passed} passed, {failed} failed')
    sys.exit(0 if failed == 0 and passed > 0 else 1)
