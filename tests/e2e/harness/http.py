"""Talks to the management HTTP API with the standard library alone."""

import base64
import http.client
import json
from urllib.parse import quote

from harness.pika_tools import wait_until


def segment(name):
    """A name as a part of a path."""
    return quote(name, safe="")


class Answer:
    def __init__(self, response, octets):
        self.status = response.status
        self.headers = response.headers
        self.octets = octets

    @property
    def json(self):
        return json.loads(self.octets)

    def __repr__(self):
        return f"{self.status} {self.octets[:300]!r}"


class Api:
    """`Api(broker)("GET", "/queues/%2F")`: one connection for each request, as one user."""

    def __init__(self, broker, user="guest", password=None):
        self.broker = broker
        self.user = user
        self.password = user if password is None else password

    def __call__(self, method, path, body=None, headers=(), expect=None):
        return self.ask(method, "/api" + path, body, headers, expect)

    def ask(self, method, path, body=None, headers=(), expect=None):
        connection = http.client.HTTPConnection(self.broker.host, self.broker.http_port, timeout=20)
        try:
            octets = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            credentials = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
            all_headers = {"Authorization": f"Basic {credentials}", "Content-Type": "application/json"}
            connection.request(method, path, octets, all_headers | dict(headers))
            response = connection.getresponse()
            answer = Answer(response, response.read())
        finally:
            connection.close()
        if expect is not None:
            assert answer.status == expect, f"{method} {path}: {answer}"
        return answer

    def get(self, path, expect=200):
        return self("GET", path, expect=expect).json

    def put(self, path, body=None, expect=(201, 204)):
        answer = self("PUT", path, {} if body is None else body)
        assert answer.status in (expect if isinstance(expect, tuple) else (expect,)), f"PUT {path}: {answer}"
        return answer

    def post(self, path, body=None, expect=200):
        return self("POST", path, {} if body is None else body, expect=expect)

    def delete(self, path, expect=204):
        return self("DELETE", path, expect=expect)


def eventually(read, expected, seconds=5):
    """Figures are up to a second old."""
    last = []

    def there():
        last[:] = [read()]
        return last[0] == expected

    wait_until(there, seconds, lambda: f"{last[0]!r} instead of {expected!r}")
