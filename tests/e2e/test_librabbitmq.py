"""librabbitmq, the C client, and the command-line tools that are made of it."""

import shutil
import subprocess
from pathlib import Path

import pytest

from harness.pika_tools import depth, get, wait_for_depth

SOURCE = Path(__file__).parent / "c_client/round_trip.c"


@pytest.fixture(scope="module")
def round_trip(tmp_path_factory):
    program = tmp_path_factory.mktemp("librabbitmq") / "round_trip"
    compiler = shutil.which("cc") or "gcc"
    subprocess.run([compiler, "-O1", "-Wall", "-Werror", "-o", program, SOURCE, "-lrabbitmq"], check=True, timeout=60)
    return program


def run(*command, stdin=b"", status=0):
    ended = subprocess.run(list(map(str, command)), input=stdin, capture_output=True, timeout=30, check=False)
    assert ended.returncode == status, ended.stderr.decode()
    return ended.stdout


def test_confirmed_messages_come_back_in_order(broker, channel, round_trip, name):
    queue = name()
    assert run(round_trip, broker.port, queue, 500) == b"500\n"
    channel.queue_delete(queue)


@pytest.fixture
def tool(broker):
    def run_tool(program, *arguments, **more):
        return run(program, f"--url={broker.url()}", *arguments, **more)

    return run_tool


def test_amqp_publish_and_amqp_get(tool, channel, name):
    queue = name()
    tool("amqp-declare-queue", "-q", queue)
    tool("amqp-publish", "-r", queue, "-b", "from the shell", "-p", "-C", "text/plain")
    wait_for_depth(channel, queue, 1)
    assert tool("amqp-get", "-q", queue) == b"from the shell"
    tool("amqp-get", "-q", queue, status=2)
    tool("amqp-delete-queue", "-q", queue)


def test_amqp_publish_by_lines(tool, channel, name):
    queue = name()
    channel.queue_declare(queue)
    tool("amqp-publish", "-r", queue, "-l", stdin=b"one\ntwo\n")
    assert [get(channel, queue)[2] for _ in range(2)] == [b"one\n", b"two\n"]
    channel.queue_delete(queue)


def test_amqp_consume_runs_a_command_for_each_message(tool, channel, name):
    queue = name()
    channel.queue_declare(queue)
    for body in ("a", "b"):
        channel.basic_publish("", queue, body)
    assert tool("amqp-consume", "-q", queue, "-c", 2, "cat") == b"ab"
    assert depth(channel, queue) == 0
    channel.queue_delete(queue)
