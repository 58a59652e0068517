"""The programs in examples/, built and run as they are."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from harness.millrace import binary_path

EXAMPLES = Path(os.environ.get("MILLRACE_EXAMPLES", binary_path().parent / "examples"))
SOURCES = Path(__file__).parents[2] / "examples"

pytestmark = pytest.mark.skipif(not EXAMPLES.exists(), reason=f"there is no {EXAMPLES}; build the targets example_...")

PRINTED = {
    "hello": "hello, world\n",
    "waiting": "blocking: confirmed\ncallback: confirmed\nfuture: confirmed\ncoroutine: confirmed after 1 attempt\n",
    "request_reply": "7 * 7 = 49\n-1: ",
    "tasks": "2 + 3 = 5\n",
    "saga": "payment 17 is refunded\norder 17 is released\nstep 'ship' failed: Reject: no ship sails; undone: reserve, pay\n",
}
WITHOUT_BROKER = {"embedded", "inprocess_queue"}
WITH_CELERY = {"from_celery"}


def test_every_example_is_run():
    assert {source.stem for source in SOURCES.glob("*.cpp")} == PRINTED.keys() | WITHOUT_BROKER | WITH_CELERY


@pytest.mark.parametrize("example", PRINTED)
@pytest.mark.millrace_only("delays and unique calls are held by the broker")
def test_an_example_does_what_it_says(broker, example):
    program = EXAMPLES / f"example_{example}"
    if not program.exists():
        pytest.skip(f"there is no {program}")
    url = f"amqp://guest:guest@127.0.0.1:{broker.port}"
    ended = subprocess.run([program, url], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith(PRINTED[example]), ended.stdout


@pytest.mark.millrace_only("retries are held by the broker")
def test_a_worker_takes_tasks_over_from_celery(broker):
    url = f"amqp://guest:guest@127.0.0.1:{broker.port}"
    with subprocess.Popen([EXAMPLES / "example_from_celery", url], stdout=subprocess.PIPE, text=True) as worker:
        watchdog = threading.Timer(60, worker.kill)
        watchdog.start()
        try:
            assert worker.stdout.readline() == "ready\n"
            caller = [sys.executable, SOURCES / "from_celery.py", f"{url}//"]
            told = subprocess.run(caller, capture_output=True, text=True, timeout=60, check=True).stdout
        finally:
            worker.terminate()
        assert worker.wait(30) == 0
        watchdog.cancel()
    assert told == "total: 19\nchain: invoice over 19\nfailure: TypeError\n"
