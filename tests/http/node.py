"""The npm programs of this folder, run where their packages are installed."""

import os
import shutil
import subprocess

from server import ROOT

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.join(ROOT, 'build/http-node')
PACKAGES = ('package.json', 'package-lock.json')


def install():
    """npm ci into build/, once per change of the lock file."""
    stamp = os.path.join(FOLDER, 'installed')
    lock = os.path.join(HERE, 'package-lock.json')
    if os.path.exists(stamp) and os.path.getmtime(stamp) >= os.path.getmtime(lock):
        return
    os.makedirs(FOLDER, exist_ok=True)
    for name in PACKAGES:
        shutil.copy(os.path.join(HERE, name), FOLDER)
    run = subprocess.run(['npm', 'ci', '--silent', '--no-audit', '--no-fund', '--ignore-scripts'],
                         cwd=FOLDER, capture_output=True, text=True, timeout=280)
    if run.returncode != 0:
        raise AssertionError(f'npm ci: {run.stdout}{run.stderr}')
    open(stamp, 'w', encoding='ascii').close()


def run_script(name, *arguments, text=''):
    """Runs NAME.mjs; returns the finished process. Packages are found from the copy in build/."""
    install()
    copy = os.path.join(FOLDER, f'{os.getpid()}-{name}')
    shutil.copy(os.path.join(HERE, name), copy)
    try:
        return subprocess.run(['node', copy, *arguments], input=text, capture_output=True,
                              text=True, timeout=120, cwd=FOLDER)
    finally:
        os.remove(copy)
