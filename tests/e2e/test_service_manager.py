"""What systemd is told, and how the log is written when the journal reads it."""

import json
import os
import socket
import subprocess

import pytest

from harness.millrace import binary_path

pytestmark = pytest.mark.millrace_only("about our own program rather than about AMQP")


class Manager:
    """Listens as systemd does, and runs the broker with what it finds in its environment then."""

    def __init__(self, directory):
        self.directory = directory
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(20)
        self.socket.bind(str(directory / "notify"))
        self.broker = None

    def start(self, *options, **variables):
        read, write = os.pipe()
        pipe = os.fstat(write)
        variables = {"NOTIFY_SOCKET": str(self.directory / "notify"), **variables}
        if variables.pop("journal", None):
            variables["JOURNAL_STREAM"] = f"{pipe.st_dev}:{pipe.st_ino}"
        self.broker = subprocess.Popen(
            [binary_path(), "serve", "--data-dir", self.directory / "data", "--amqp", "127.0.0.1:0", *options],
            stdout=subprocess.PIPE,
            stderr=write,
            env=os.environ | variables,
        )
        os.close(write)
        self.log = os.fdopen(read, "rb")

    def told(self):
        return self.socket.recv(4096).decode()

    def stop(self):
        self.broker.terminate()
        assert self.broker.wait(30) == 0
        return self.log.read().decode().splitlines()

    def close(self):
        if self.broker:
            self.broker.kill()
            self.broker.wait(10)
            self.broker.stdout.close()
            self.log.close()
        self.socket.close()


@pytest.fixture
def manager(tmp_path):
    made = Manager(tmp_path)
    yield made
    made.close()


def test_the_manager_is_told_when_clients_are_answered_and_when_it_ends(manager):
    manager.start()
    told = manager.told().split("\n")
    assert told[0] == "READY=1"
    assert told[1] == "STATUS=" + manager.broker.stdout.readline().decode().strip()
    port = int(told[1].split("amqp=127.0.0.1:")[1].split()[0])
    socket.create_connection(("127.0.0.1", port), timeout=10).close()
    manager.stop()
    assert manager.told().startswith("STOPPING=1\n")


def test_a_watchdog_hears_that_it_is_alive_until_it_ends(manager):
    manager.start(WATCHDOG_USEC="200000")
    assert manager.told().startswith("READY=1")
    for _ in range(5):
        assert manager.told() == "WATCHDOG=1"
    manager.stop()
    while (last := manager.told()) == "WATCHDOG=1":
        pass
    assert last.startswith("STOPPING=1")


def test_a_start_that_fails_is_not_called_ready(manager):
    (manager.directory / "data").write_text("no folder")
    manager.start()
    assert manager.broker.wait(20) == 1
    manager.socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        manager.told()


def test_lines_for_the_journal_have_their_priority_and_no_time(manager):
    manager.start("--sync", "os", journal=True)
    manager.told()
    log = manager.stop()
    assert "<6>stopped" in log
    assert all(line.startswith("<6>") for line in log), log


def test_json_for_the_journal_has_its_priority_too(manager):
    manager.start("--log-format", "json", journal=True)
    manager.told()
    for line in manager.stop():
        assert line.startswith("<6>{"), line
        assert json.loads(line[3:])["level"] == "info"


def test_lines_for_others_than_the_journal_have_no_priority(manager):
    manager.start(JOURNAL_STREAM="1:1")
    manager.told()
    assert all(line[:4].isdigit() for line in manager.stop())
