"""A Celery worker and producers, with Celery's default settings."""

import os
import subprocess
import sys
import time
from pathlib import Path

import celery
import pytest

APP = Path(__file__).parent / "celery_app"


@pytest.fixture(scope="module")
def worker(request, shared_broker, tmp_path_factory):
    directory = tmp_path_factory.mktemp("celery")
    log_path = directory / "worker.log"
    command = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "tasks",
        "worker",
        "--concurrency",
        "2",
        "-n",
        f"w{os.getpid()}@%h",
    ]
    environment = os.environ | {
        "BROKER_URL": shared_broker.url(),
        "PYTHONPATH": str(APP),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    with open(log_path, "w", encoding="utf-8") as log:
        process = subprocess.Popen(
            command + ["--loglevel", "INFO"], env=environment, cwd=directory, stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + 40
        while "ready." not in log_path.read_text():
            assert process.poll() is None and time.monotonic() < deadline, log_path.read_text()
            time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture
def app(worker, broker):
    with celery.Celery("tasks", broker=broker.url(), backend="rpc://") as application:
        yield application


def result(app, task, *arguments, **options):
    return app.send_task(f"tasks.{task}", arguments, **options).get(timeout=20)


def test_a_task_answers(app):
    assert result(app, "add", 2, 3) == 5


def test_many_tasks_answer_each_its_own(app):
    results = [app.send_task("tasks.add", (number, number)) for number in range(100)]
    assert [one.get(timeout=30) for one in results] == [2 * number for number in range(100)]


def test_a_task_is_retried(app):
    assert result(app, "succeed_at_last") == 2


def test_a_task_waits_for_its_countdown(app):
    began = time.monotonic()
    assert result(app, "add", 1, 1, countdown=1) == 2
    assert time.monotonic() - began > 0.9


def test_a_task_that_acknowledges_late_answers(app):
    assert result(app, "echo", {"deep": ["value"]}) == {"deep": ["value"]}


def test_the_worker_answers_remote_control(app):
    [answer] = app.control.ping(timeout=2)
    assert list(answer.values()) == [{"ok": "pong"}]


def test_the_worker_stops_when_asked(worker, app):
    assert result(app, "add", 1, 2) == 3
    worker.terminate()
    assert worker.wait(30) == 0
