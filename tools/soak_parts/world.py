"""What an activity works with: the broker, names, chance, clients."""

import base64
import contextlib
import http.client
import json
import random

import pika

from harness import certificates
from harness.certificates import Authority
from harness.http import Answer, Api, segment
from harness.millrace import Millrace
from harness.pika_tools import parameters

from .names import Names
from .wire import Pace, Wire


class Http(Api):
    """On one connection, as long as the broker keeps it."""

    def __init__(self, broker, user="guest", password=None):
        super().__init__(broker, user, password)
        self.kept = None

    def ask(self, method, path, body=None, headers=(), expect=None):
        octets = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        credentials = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        everything = {"Authorization": f"Basic {credentials}", "Content-Type": "application/json"} | dict(headers)
        for attempt in (1, 2):
            if self.kept is None:
                self.kept = http.client.HTTPConnection(self.broker.host, self.broker.http_port, timeout=60)
            try:
                self.kept.request(method, path, octets, everything)
                response = self.kept.getresponse()
                answer = Answer(response, response.read())
                break
            except (OSError, http.client.HTTPException):
                self.end()  # it was idle for too long, or the broker was restarted
                if attempt == 2:
                    raise
        if response.will_close:
            self.end()
        if expect is not None:
            assert answer.status == expect, f"{method} {path}: {answer}"
        return answer

    def end(self):
        if self.kept is not None:
            self.kept.close()
            self.kept = None


class World:
    def __init__(self, broker, seed, fresh, duty, number=0, scale=1.0):
        self.broker = broker
        self.luck = random.Random(f"{seed}.{number}")
        self.names = Names(fresh, f"{'abcdefgh'[number]}{seed}")
        self.pace = Pace(duty)
        self.api = Http(broker)
        self.scale = scale

    def times(self, count):
        """As often as the run is to be long."""
        return max(1, round(count * self.scale))

    @contextlib.contextmanager
    def client(self, **more):
        """pika's connection, and a channel on it."""
        connection = pika.BlockingConnection(parameters(self.broker, **more))
        try:
            yield connection.channel()
        finally:
            if connection.is_open:
                connection.close()
            self.pace()

    def wire(self, **more):
        return Wire(self.broker, self.pace, **more)

    def path(self, *parts):
        return "/" + "/".join(segment(part) for part in parts)

    @contextlib.contextmanager
    def vhost(self):
        name = self.names("vhost")
        self.api.put(self.path("vhosts", name))
        try:
            self.api.put(self.path("permissions", name, "guest"), {"configure": ".*", "write": ".*", "read": ".*"})
            yield name
        finally:
            self.api.delete(self.path("vhosts", name))

    @contextlib.contextmanager
    def user(self, tags="", configure=".*", write=".*", read=".*"):
        name = self.names("user")
        self.api.put(self.path("users", name), {"password": name, "tags": tags})
        try:
            rights = {"configure": configure, "write": write, "read": read}
            self.api.put(self.path("permissions", "/", name), rights)
            yield name
        finally:
            self.api.delete(self.path("users", name))


def forget_outcomes(api):
    """Of permissions, which are remembered by name up to a bound (docs/limits.md) and forgotten with every change.

    Else thousands of new names look like growth until 65 536 of them are known. What is remembered without end is found
    all the same by the feature outcomes_of_permissions, which goes beyond the bound and forgets nothing."""
    api.put("/permissions/%2F/guest", {"configure": ".*", "write": ".*", "read": ".*"})


class Broker(Millrace):
    """As people run it, but for what would take too long here."""

    def __init__(self, directory, binary, options=()):
        self.authority = Authority(directory)
        certificate = self.authority.vouch("localhost", alternative="DNS:localhost")
        standard = ["--max-message-bytes", "32MiB", "--log-level", "warning"]
        super().__init__(directory, certificates.options(certificate, *standard, *options))
        self.binary = binary

    def command(self):
        return [str(self.binary), *super().command()[1:]]
