"""One client: sends requests over its own connection and holds every answer against the model.

When the server dies under a request nobody knows whether it was executed. From then on there are
two worlds, one in which it was and one in which it was not; a world that an answer contradicts is
dropped, and when none is left the server has done what no rule allows."""

import copy
import http.client
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../http'))

from client import Client  # noqa: E402
from model import EVENTS, Mismatch, Model  # noqa: E402
from traffic import Traffic  # noqa: E402

GONE = (OSError, http.client.HTTPException)
RESTART_SECONDS_MAX = 60
TRACE_LINES = 14


class Stopped(Exception):
    """Another lane has found something."""


class Lane(threading.Thread):
    def __init__(self, run, number):
        super().__init__(daemon=True)
        self.run_of = run
        self.number = number
        self.worlds = [Model(run.canary)]
        self.traffic = Traffic(run.seed, number, run.foreign_id(number))
        self.client = None
        self.life = 0        # of the server that the connection belongs to
        self.sent = 0
        self.trace = []
        self.complaint = None

    def run(self):
        try:
            for _ in range(self.run_of.steps):
                self.take(self.traffic.next(self.worlds[0]))
                self.run_of.step_done(self)
        except Stopped:
            pass
        except Mismatch as mismatch:
            self.complain(str(mismatch))
        except AssertionError as error:  # a reply without what every reply has
            self.complain(str(error))
        finally:
            self.disconnect()

    def complain(self, text):
        self.complaint = (f'lane {self.number}, request {self.sent}: {text}\n    ' +
                          '\n    '.join(self.trace))
        self.run_of.stops = True

    # ---- talking ----

    def disconnect(self):
        if self.client is not None:
            self.client.close()
        self.client = None

    def connect(self):
        self.life, port = self.run_of.server_wait(self.life, RESTART_SECONDS_MAX)
        self.client = Client('127.0.0.1', port, is_tls=False)

    def send(self, request):
        headers = {'X-Forwarded-For': request.address, 'User-Agent': request.agent,
                   'X-Request-ID': request.id, 'Authorization': request.bearer,
                   'Idempotency-Key': request.key, 'If-Match': request.if_match,
                   'If-None-Match': request.if_none_match}
        if request.body is not None:
            headers['Content-Type'] = 'application/json'
        path = request.path + (f'?{request.query}' if request.query else '')
        reply = self.client.request(request.method, path, request.body, headers=headers,
                                    is_replay=request.key is not None)
        if request.path == EVENTS and reply.status == 200:
            reply.pages = [reply.data]
            while reply.pages[-1]['next_cursor'] is not None:
                cursor = reply.pages[-1]['next_cursor']
                page = self.client.request(request.method, f'{path}&cursor={cursor}',
                                           headers={**headers, 'X-Request-ID': request.id + '+'})
                if page.status != 200:
                    raise Mismatch(f'the next page: {page.status} {page.text[:300]}')
                reply.pages.append(page.data)
        return reply

    def take(self, request):
        """Sends, and lets the worlds judge."""
        if self.run_of.stops:
            raise Stopped
        self.sent += 1
        request.id = f'{self.run_of.name}-{self.number}-{self.sent}'
        self.trace = self.trace[1 - TRACE_LINES:] + [str(request)]
        try:
            if self.client is None:
                self.connect()
            reply = self.send(request)
        except GONE as error:
            self.trace[-1] += f' -> no answer ({type(error).__name__})'
            self.lost(request)
            return
        self.trace[-1] += f' -> {reply.status} {reply.error_type or ""}'
        if self.run_of.traces:
            print(self.trace[-1], flush=True)
        self.judge(request, reply)

    def judge(self, request, reply):
        left, complaints = [], []
        for world in self.worlds:
            try:
                world.handle(request, reply)
                left.append(world)
            except Mismatch as mismatch:
                complaints.append(str(mismatch))
        if not left:
            raise Mismatch('\n      or '.join(complaints))
        self.worlds = left

    def lost(self, request):
        """The server ended. Executed, or not?"""
        self.disconnect()
        if self.run_of.stops:
            raise Stopped
        if not self.run_of.may_end():
            raise Mismatch('the server ended by itself, or closed a connection without an answer')
        if request.method != 'GET':
            for world in list(self.worlds):
                happened = copy.deepcopy(world)
                happened.handle(request, None)
                self.worlds.append(happened)
        self.connect()
        for world in self.worlds:
            world.has_restarted = True
        for probe in self.traffic.probes(self.worlds[0]):
            self.take(probe)
