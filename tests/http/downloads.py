"""A web server for tests that gives out files, by HTTP or HTTPS, well or badly.

    with Downloads(identity=pki.identity('localhost')) as site:
        site.pages['/good'] = data              # whole
        site.pages['/moved'] = redirect(302, site.url('/good'))
        site.pages['/cut'] = cut(data, 1000)    # or any function that gets the handler
"""

import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def do_GET(self):
        self.server.site.requests.append((self.path, dict(self.headers)))
        page = self.server.site.pages.get(self.path)
        if callable(page):
            page(self)
        else:
            self.send(404 if page is None else 200, page or b'not here')

    def send(self, status, data, length=None, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header('Content-Length', str(len(data) if length is None else length))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


def redirect(status, place):
    return lambda handler: handler.send(status, b'', Location=place)


def cut(data, count):
    """The connection ends before what was announced has come."""
    def page(handler):
        handler.send(200, data[:count], length=len(data))
        handler.close_connection = True
    return page


def chunked(data, step=50_000):
    def page(handler):
        handler.send_response(200)
        handler.send_header('Transfer-Encoding', 'chunked')
        handler.end_headers()
        for at in range(0, len(data), step):
            part = data[at:at + step]
            handler.wfile.write(b'%x\r\n%s\r\n' % (len(part), part))
        handler.wfile.write(b'0\r\n\r\n')
    return page


def until_close(data):
    def page(handler):
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(data)
        handler.close_connection = True
    return page


def held(data, count, event):
    """Stops behind so many bytes until the event is set."""
    def page(handler):
        handler.send(200, data[:count], length=len(data))
        handler.wfile.flush()
        event.wait(60)
        try:
            handler.wfile.write(data[count:])
        except OSError:
            pass  # given up meanwhile
    return page


class Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # clients that turn away are what is tested


class Downloads:
    def __init__(self, identity=None, name='localhost'):
        self.server = Quiet(('127.0.0.1', 0), Handler)
        self.server.site = self
        self.pages, self.requests = {}, []
        self.port = self.server.server_address[1]
        self.name = name
        self.scheme = 'https' if identity else 'http'
        if identity:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*identity)
            # The handshake is done by the connection's own thread.
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                     do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def url(self, path):
        return f'{self.scheme}://{self.name}:{self.port}{path}'

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.server.shutdown()
        self.server.server_close()
