"""What the tests of the task system share: workers, calls of the driver and of the command line, Celery."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import celery
import pika
import pytest

from harness.millrace import Millrace, binary_path
from harness.pika_tools import depth, get, parameters

DRIVER = Path(os.environ.get("MILLRACE_TASKS_DRIVER", binary_path().parent / "client/tasks_driver"))
APP = Path(__file__).parent.parent / "celery_app"

needs_driver = pytest.mark.skipif(not DRIVER.exists(), reason=f"there is no {DRIVER}; build the target tasks_driver")


class Worker:
    """A process of the driver that carries out tasks."""

    def __init__(self, url, queue, **options):
        words = [f"{name}={value}" for name, value in options.items()]
        self.process = subprocess.Popen([str(DRIVER), "worker", url, queue, *words], stdout=subprocess.PIPE)
        watchdog = threading.Timer(20, self.process.kill)
        watchdog.start()
        words = self.process.stdout.readline().decode().split()
        watchdog.cancel()
        assert words[:1] == ["ready"]
        self.name = words[1]

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            finally:
                self.process.kill()
        self.process.stdout.close()
        return self.process.wait(5)


@pytest.fixture(scope="module")
def process(tmp_path_factory):
    started = Millrace(tmp_path_factory.mktemp("millrace")).start()
    yield started
    started.end()


@pytest.fixture
def queue(request):
    return "q." + request.node.name


@pytest.fixture
def worker(process, queue):
    started = []

    def start(**options):
        started.append(Worker(url(process), queue, **options))
        return started[-1]

    yield start
    for one in started:
        one.end()


@pytest.fixture
def channel(process):
    connection = pika.BlockingConnection(parameters(process))
    yield connection.channel()
    connection.close()


@pytest.fixture
def app(process, queue):
    with celery.Celery("tasks", broker=f"{url(process)}//", backend="rpc://") as application:
        application.conf.task_default_queue = queue
        yield application


def url(process):
    return f"amqp://guest:guest@127.0.0.1:{process.port}"


def drive(process, verb, queue, seconds=60, **options):
    words = [f"{name}={value}" for name, value in options.items()]
    ended = subprocess.run(
        [str(DRIVER), verb, url(process), queue, *words], capture_output=True, timeout=seconds, check=False
    )
    assert ended.returncode == 0, ended.stderr.decode()
    return ended.stdout.decode()


def wait_until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it does not become true"
        time.sleep(0.05)


def dead_letters(channel, queue, count=1):
    """Those in the dead letter queue, as (headers, body)."""
    wait_until(lambda: depth(channel, queue + ".dead") >= count)
    found = []
    while depth(channel, queue + ".dead") > 0:
        _, properties, body = get(channel, queue + ".dead")
        found.append((properties.headers, body))
    return found


def millrace(process, *words):
    ended = subprocess.run(
        [str(binary_path()), *words, "--amqp", f"127.0.0.1:{process.port}", "--http", f"127.0.0.1:{process.port}"],
        capture_output=True,
        timeout=30,
        check=False,
        env={name: value for name, value in os.environ.items() if not name.startswith("MILLRACE_")},
    )
    return ended.returncode, ended.stdout.decode().strip(), ended.stderr.decode().strip()


@pytest.fixture
def celerys_worker(process, tmp_path):
    """Starts a worker of Celery for a queue, and waits until it is ready."""
    started = []

    def start(queue):
        log_path = tmp_path / "celery.log"
        environment = os.environ | {
            "BROKER_URL": f"{url(process)}//",
            "PYTHONPATH": str(APP),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        command = [sys.executable, "-m", "celery", "-A", "tasks", "worker", "-c", "2", "-Q", queue, "-n", "py@%h"]
        with open(log_path, "w", encoding="utf-8") as log:
            started.append(
                subprocess.Popen(command + ["-l", "INFO"], env=environment, cwd=tmp_path, stdout=log, stderr=log)
            )
        wait_until(lambda: "ready." in log_path.read_text(), 40)

    yield start
    for one in started:
        one.send_signal(signal.SIGTERM)
        one.wait(20)
