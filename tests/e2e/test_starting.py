"""Starting and stopping the program: one clear line where it cannot, and nothing touched."""

import socket
import subprocess
import time

import pika
import pytest

from harness.millrace import binary_path
from harness.pika_tools import PERSISTENT, get, parameters

pytestmark = pytest.mark.millrace_only("about our own program rather than about AMQP")


def refused(*options, status=(1, 2)):
    """Runs `millrace serve` with options with which it must not start, and returns its one line of complaint."""
    command = [str(binary_path()), "serve", *map(str, options)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode in status, f"exit status {ended.returncode}: {ended.stderr}"
    assert ended.stdout == ""
    lines = ended.stderr.splitlines()
    assert len(lines) == 1, ended.stderr
    return lines[0]


def test_an_unknown_option_is_named(tmp_path):
    assert "--no-such-option" in refused("--no-such-option", "--data-dir", tmp_path / "data", status=(2,))
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    "option, value",
    [("--amqp", "nonsense"), ("--amqp", "127.0.0.1:99999"), ("--shards", "-1"), ("--shards", "many")],
)
def test_a_bad_value_is_named_with_its_option(tmp_path, option, value):
    line = refused("--data-dir", tmp_path / "data", option, value)
    assert option.lstrip("-") in line or value in line
    assert not (tmp_path / "data").exists()


def test_a_port_in_use_is_named(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        line = refused("--data-dir", tmp_path / "data", "--amqp", f"127.0.0.1:{port}")
        assert str(port) in line


def test_a_data_directory_has_one_broker(own_broker):
    broker = own_broker()
    before = sorted(path.name for path in (broker.directory / "data").iterdir())
    line = refused("--data-dir", broker.directory / "data", "--amqp", "127.0.0.1:0")
    assert str(broker.directory / "data") in line
    assert sorted(path.name for path in (broker.directory / "data").iterdir()) == before
    pika.BlockingConnection(parameters(broker)).close()


def test_a_data_directory_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "data").write_text("mine")
    assert str(tmp_path / "data") in refused("--data-dir", tmp_path / "data", "--amqp", "127.0.0.1:0")
    assert (tmp_path / "data").read_text() == "mine"


def test_a_data_directory_that_cannot_be_made_is_refused():
    assert "/proc/nowhere" in refused("--data-dir", "/proc/nowhere", "--amqp", "127.0.0.1:0")


def test_a_directory_that_holds_something_else_is_left_alone(tmp_path):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "to-grandma.txt").write_text("dear")
    broker = subprocess.Popen(
        [str(binary_path()), "serve", "--data-dir", str(tmp_path / "letters"), "--amqp", "127.0.0.1:0"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(0.5)
    broker.terminate()
    broker.wait(20)
    assert (tmp_path / "letters" / "to-grandma.txt").read_text() == "dear"


def test_definitions_that_cannot_be_read_are_named_with_the_place(tmp_path):
    wrong = tmp_path / "definitions.json"
    wrong.write_text('{"queues": [{"name": 5}]}')
    options = ("--data-dir", tmp_path / "data", "--amqp", "127.0.0.1:0", "--definitions", wrong)
    assert str(wrong) in refused(*options)
    wrong.write_text("{")
    assert str(wrong) in refused(*options)


def test_sigterm_drains_and_exits_zero(own_broker):
    broker = own_broker()
    connection = pika.BlockingConnection(parameters(broker))
    channel = connection.channel()
    channel.confirm_delivery()
    channel.queue_declare("q", durable=True)
    channel.basic_publish("", "q", b"m", PERSISTENT)
    broker.stop(10)  # checks the status, and that standard output had the ready line only
    with pytest.raises(pika.exceptions.ConnectionClosedByBroker) as closed:
        connection.sleep(2)
    assert closed.value.reply_code == 320
    assert closed.value.reply_text.startswith("CONNECTION_FORCED - ")
    assert get(pika.BlockingConnection(parameters(broker.start())).channel(), "q")[2] == b"m"


def test_help_and_version_are_told():
    for option in ("--help", "--version"):
        told = subprocess.run([str(binary_path()), option], capture_output=True, text=True, timeout=10, check=False)
        assert told.returncode == 0
        assert "millrace" in told.stdout.lower()
