"""The broker inside a program: the client's driver does with it what it does with a server, without any socket, and
a program that is killed keeps what was confirmed to it."""

import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from harness.millrace import Millrace, binary_path
from test_cpp_client import bodies_in

DRIVER = Path(os.environ.get("MILLRACE_EMBEDDED_DRIVER", binary_path().parent / "embedded/embedded_driver"))

pytestmark = pytest.mark.skipif(not DRIVER.exists(), reason=f"there is no {DRIVER}; build the target embedded_driver")


@pytest.fixture(params=["memory", "disk"])
def store(request, tmp_path):
    return "memory" if request.param == "memory" else str(tmp_path / "data")


def drive(verb, store, queue, count=100, seconds=60):
    ended = subprocess.run(
        [str(DRIVER), verb, store, queue, str(count)], capture_output=True, timeout=seconds, check=False
    )
    assert ended.returncode == 0, ended.stderr.decode()
    return ended.stdout.decode()


def test_publishes_and_consumes_in_order_by_coroutines(store):
    assert drive("round_trip", store, "cpp-round-trip", 300) == "RabbitMQ millrace\n"


def test_errors_have_kinds_and_leave_the_client_usable(store):
    drive("errors", store, "cpp-errors")


def test_requests_get_their_replies_and_the_errors_of_the_service(store):
    drive("requests", store, "cpp-requests", 100)


def test_publishes_with_confirms(store):
    assert drive("publish", store, "cpp-publish", 5000) == "publishing\n5000 confirmed, 0 losses\n"


def test_events_come_in_order_to_every_bus(store):
    drive("events", store, "cpp-events", 200)


def test_listeners_of_one_name_and_pattern_share_the_events(store):
    drive("share", store, "cpp-share", 200)


def test_events_wait_in_the_directory_for_a_listener_with_a_name(tmp_path):
    store = str(tmp_path / "data")
    drive("remember", store, "cpp-kept", 0)
    drive("emit", store, "cpp-kept", 50)
    assert drive("remember", store, "cpp-kept", 50) == "listening\n" + "".join(f"{i}\n" for i in range(50))


def sockets_of(pid):
    links = [os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir()]
    return [link for link in links if link.startswith("socket:")]


def test_has_no_socket_at_all(store):
    driver = subprocess.Popen(
        [str(DRIVER), "idle", store, "cpp-idle"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    watchdog = threading.Timer(30, driver.kill)
    watchdog.start()
    try:
        assert driver.stdout.readline() == b"idle\n"
        assert sockets_of(driver.pid) == []
        driver.stdin.close()
        assert driver.wait(20) == 0
    finally:
        watchdog.cancel()
        driver.kill()
        driver.wait(10)


def confirmed_before_killing(data, queue, lines):
    """Kills the program, and with it its broker, while it publishes. What it had heard to be confirmed."""
    driver = subprocess.Popen([str(DRIVER), "confirm", data, queue, "1000000"], stdout=subprocess.PIPE)
    watchdog = threading.Timer(60, driver.kill)
    watchdog.start()
    try:
        heard = [driver.stdout.readline() for _ in range(lines)]
        driver.send_signal(signal.SIGKILL)
        heard += driver.stdout.read().splitlines(keepends=True)
        driver.wait(10)
    finally:
        watchdog.cancel()
        driver.kill()
        driver.wait(10)
    return {int(line) for line in heard if line.endswith(b"\n")}


def test_no_confirmed_message_is_lost_when_the_program_is_killed(tmp_path):
    data = str(tmp_path / "data")
    for life in range(3):
        queue = f"cpp-kill-{life}"
        confirmed = confirmed_before_killing(data, queue, 500)
        assert len(confirmed) >= 500
        left = [int(line) for line in drive("drain", data, queue).split()]
        assert len(left) == len(set(left)) and confirmed <= set(left)


def test_a_server_takes_the_directory_over(tmp_path):
    process = Millrace(tmp_path)
    data = str(tmp_path / "data")
    drive("publish", data, "cpp-moved", 300)
    try:
        process.start()
        assert set(bodies_in(process, "cpp-moved")) == set(range(300))
        refused = subprocess.run(
            [str(DRIVER), "drain", data, "cpp-moved"], capture_output=True, timeout=30, check=False
        )
        assert refused.returncode == 1
        assert b"is in use by another process (pid %d)" % process.pid in refused.stderr
    finally:
        process.end()
