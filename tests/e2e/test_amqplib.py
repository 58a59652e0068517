"""amqplib, the Node client: each program under node/ against the broker."""

import json
import subprocess
from pathlib import Path

import pytest

from harness.pika_tools import get

NODE = Path(__file__).parent / "node"


@pytest.fixture
def run(broker):
    if not (NODE / "node_modules").exists():
        pytest.fail(f"run `npm ci` in {NODE} first (scripts/setup test does)")

    def run_program(program, *arguments):
        command = ["node", str(NODE / program), broker.url(), *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    return run_program


def test_the_first_program_sends_hello(run, channel, name):
    queue = name()
    assert run("hello.js", queue) == "sent\n"
    assert get(channel, queue)[2] == b"Hello, World!"
    channel.queue_delete(queue)


def test_confirmed_messages_are_consumed_in_order(run, name):
    assert json.loads(run("confirms.js", name())) == {"count": 200, "inOrder": True}


def test_refusals_returns_and_cancellations_arrive(run):
    told = json.loads(run("errors.js"))
    assert told["returned"] == "NO_ROUTE"
    assert told["cancelled"] is True
    assert told["closed"]["code"] == 404
    assert "NOT_FOUND - no queue 'missing' in vhost '/'" in told["closed"]["text"]
