"""Update bundles: made by image/bundle, taken apart, and sent to the administrators' endpoint."""

import base64
import os
import struct
import subprocess

from server import ROOT

UPDATE = '/api/v1/admin/appliance/update'
KEY = os.path.join(ROOT, 'tests', 'keys', 'update.pem')
PART_BYTES = 128 * 1024
HEADER_BYTES_AT = 10


def url64(data):
    return base64.urlsafe_b64encode(data).rstrip(b'=').decode()


def make(folder, version='9.0.0', least='0.0.0', key=KEY, bytes_count=300_000):
    """A bundle over an image of random bytes."""
    path = os.path.join(folder, f'{version}-{os.urandom(4).hex()}.bundle')
    image = path + '.image'
    with open(image, 'wb') as out:
        out.write(os.urandom(bytes_count))
    subprocess.run([os.path.join(ROOT, 'image/bundle'), '--key', key, '--version', version,
                    '--min', least, image, path], check=True)
    return Bundle(path)


class Bundle:
    def __init__(self, path):
        self.path = path
        with open(path, 'rb') as handle:
            data = handle.read()
        length = struct.unpack_from('>H', data, HEADER_BYTES_AT)[0]
        self.header, body = data[:length], data[length:]
        self.parts = [body[at:at + PART_BYTES] for at in range(0, len(body), PART_BYTES)]

    def begin(self, client, header=None):
        return client.post(UPDATE, {'header': url64(header or self.header)})

    def put(self, client, number, data=None):
        return client.request('PUT', UPDATE + '/parts', {
            'number': number, 'data': url64(data or self.parts[number])})

    def send(self, client):
        """All of it; the reply to the last part."""
        reply = self.begin(client)
        for number in range(len(self.parts)):
            if reply.status not in (200, 201):
                raise AssertionError(f'{reply.status} {reply.text[:300]}')
            reply = self.put(client, number)
        return reply
