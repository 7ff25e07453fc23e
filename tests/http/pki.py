"""Certificates for tests: an authority of our own, and what it signs."""

import os
import subprocess

CONFIG = '''
[ca]
default_ca = own
[own]
new_certs_dir = {folder}
database = {folder}/index
serial = {folder}/serial
default_md = {digest}
policy = any
unique_subject = no
copy_extensions = copy
[any]
commonName = supplied
'''


class Pki:
    """An authority, and what it signs. Names of files, as load_cert_chain wants them."""

    def __init__(self, folder, name='authority'):
        self.folder = os.path.join(folder, name)
        os.makedirs(self.folder)
        self.count = 0
        self.authority = self.path('authority.pem')
        self.openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256',
                     '-nodes', '-keyout', self.path('authority.key'), '-out', self.authority,
                     '-days', '30', '-subj', f'/CN={name}', '-addext',
                     'basicConstraints=critical,CA:TRUE')
        for file, text in (('index', ''), ('serial', '1000\n')):
            with open(self.path(file), 'w', encoding='ascii') as handle:
                handle.write(text)

    def path(self, name):
        return os.path.join(self.folder, name)

    @staticmethod
    def openssl(*words):
        subprocess.run(['openssl', *words], check=True, capture_output=True)

    def identity(self, *names, start='20200101000000Z', end='20400101000000Z', digest='sha256',
                 key=('ec', '-pkeyopt', 'ec_paramgen_curve:P-256')):
        self.count += 1
        certificate, private, request, config = (
            self.path(f'{self.count}.{ending}') for ending in ('pem', 'key', 'csr', 'conf'))
        with open(config, 'w', encoding='ascii') as handle:
            handle.write(CONFIG.format(folder=self.folder, digest=digest))
        self.openssl('req', '-new', '-newkey', *key, '-nodes', '-keyout', private, '-out', request,
                     '-subj', f'/CN={names[0]}', '-addext',
                     'subjectAltName=' + ','.join(f'DNS:{name}' for name in names))
        self.openssl('ca', '-batch', '-config', config, '-notext', '-cert', self.authority,
                     '-keyfile', self.path('authority.key'), '-in', request, '-out', certificate,
                     '-startdate', start, '-enddate', end)
        return certificate, private
