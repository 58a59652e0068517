"""What the broker logs: levels that change while it runs, and nothing of a client's that a terminal would obey."""

import json
import subprocess

import pika
import pytest

from harness.cli import command
from harness.http import Api
from harness.pika_tools import parameters, wait_until

pytestmark = pytest.mark.millrace_only("logs are Millrace's")

HOSTILE = "evil\r\n2026-01-01T00:00:00.000Z info all is well\x1b[2J\u202e"


def refuse_login(broker):
    credentials = pika.PlainCredentials(HOSTILE, "wrong")
    with pytest.raises(pika.exceptions.AMQPConnectionError):
        pika.BlockingConnection(parameters(broker, credentials=credentials))


def lines_with(broker, what):
    return [line for line in broker.log_tail(1_000_000).splitlines() if what in line]


def test_a_clients_text_stays_on_its_line_and_moves_no_cursor(own_broker):
    broker = own_broker()
    refuse_login(broker)
    wait_until(lambda: lines_with(broker, "login refused"))
    (line,) = lines_with(broker, "login refused")
    assert "evil\\x0d\\x0a2026-01-01T00:00:00.000Z info all is well\\x1b[2J\\u202e" in line
    assert " warning login refused: " in line and "127.0.0.1:" in line
    assert "\x1b" not in broker.log_tail(1_000_000) and "\u202e" not in broker.log_tail(1_000_000)


def test_json_is_an_object_a_line(own_broker):
    broker = own_broker(options=["--log-format", "json"])
    refuse_login(broker)
    wait_until(lambda: lines_with(broker, "login refused"))
    entries = [json.loads(line) for line in broker.log_tail(1_000_000).splitlines()]
    (entry,) = [entry for entry in entries if "login refused" in entry["message"]]
    assert HOSTILE in entry["message"] and entry["level"] == "warning"
    assert all(set(entry) == {"time", "level", "message"} for entry in entries)


def test_the_level_changes_while_the_broker_runs(own_broker):
    broker = own_broker(options=["--http", "127.0.0.1:0"])
    api = Api(broker)
    assert api.get("/millrace/log-level") == {"level": "info"}

    def opened():
        pika.BlockingConnection(parameters(broker)).close()
        return len(lines_with(broker, "connection opened: user 'guest', vhost '/'"))

    assert opened() == 0
    api.put("/millrace/log-level", {"level": "debug"})
    wait_until(lambda: opened() > 0)
    wait_until(lambda: lines_with(broker, "connection closed: user 'guest'"))
    ended = subprocess.run(command(broker, "log-level", "error"), capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 0 and "error" in ended.stdout
    assert lines_with(broker, "log level set to error")
    before = opened()
    refuse_login(broker)
    assert opened() == before and not lines_with(broker, "login refused")
    assert api("PUT", "/millrace/log-level", {"level": "loud"}).status == 400
    api.put("/users/watcher", {"password": "watcher", "tags": "monitoring"})
    assert Api(broker, "watcher")("PUT", "/millrace/log-level", {"level": "debug"}).status == 401
    assert Api(broker, "watcher").get("/millrace/log-level") == {"level": "error"}
