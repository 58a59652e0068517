"""Flower, Celery's monitor, with the broker and a worker of ours."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from harness.cli import CommandWorker
from harness.rabbitmq import free_port

# A `celery` that has Flower: this environment's, or another one's.
CELERY = os.environ.get("MILLRACE_FLOWER_CELERY", str(Path(sys.executable).parent / "celery"))


def has_flower():
    if shutil.which(CELERY) is None:
        return False
    asked = subprocess.run([CELERY, "flower", "--help"], capture_output=True, timeout=60, check=False)
    return asked.returncode == 0


pytestmark = [
    pytest.mark.millrace_only("`millrace worker` is Millrace's"),
    pytest.mark.timeout(120),
    pytest.mark.skipif(not has_flower(), reason=f"{CELERY} has no Flower (pip install flower)"),
]
OPTIONS = ["--http", "127.0.0.1:0"]


class Flower:
    def __init__(self, broker, directory):
        self.port = free_port()
        with open(directory / "flower.log", "wb") as log:
            self.process = subprocess.Popen(
                [CELERY, "--broker", f"amqp://guest:guest@127.0.0.1:{broker.port}//", "flower"]
                + ["--address=127.0.0.1", f"--port={self.port}", "--inspect_timeout=3000", "--xheaders=false"],
                env=os.environ | {"FLOWER_UNAUTHENTICATED_API": "true"},
                stdout=log,
                stderr=log,
                cwd=directory,
            )

    def get(self, path, **query):
        url = f"http://127.0.0.1:{self.port}/api/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=20) as answer:
            return json.load(answer)

    def post(self, path, body):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/api/{path}", json.dumps(body).encode(), method="POST")
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    def wait_for(self, look, seconds=40):
        deadline = time.monotonic() + seconds
        while True:
            try:
                found = look()
                if found:
                    return found
            except (urllib.error.URLError, OSError):
                pass
            assert self.process.poll() is None, "Flower has ended"
            assert time.monotonic() < deadline, "it does not become true"
            time.sleep(0.3)

    def end(self):
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(30)
        finally:
            self.process.kill()


def test_flower_sees_the_worker_and_its_tasks_and_stops_one(broker, cli, tmp_path):
    runs = {"flower.sum": "expr {0} + {1}", "flower.fail": "false", "flower.rest": "sleep 60"}
    flower = Flower(broker, tmp_path)
    try:
        with CommandWorker(broker, "flower", "--name", "seen", "--jobs", "2", **runs) as worker:
            known = flower.wait_for(lambda: flower.get("workers", refresh="true").get(worker.name))
            assert {"flower.sum", "flower.fail", "flower.rest"} <= set(known["registered"])
            assert [queue["name"] for queue in known["active_queues"]] == ["flower"]

            def submitted(task, *arguments):
                return cli("task", "submit", task, *arguments, "--queue", "flower", "--json").json["id"]

            def state(task):
                return flower.get("tasks").get(task, {})

            def is_seen_at_all():
                task = submitted("flower.sum", "1", "1")
                time.sleep(1)
                return state(task)

            flower.wait_for(is_seen_at_all)  # it turns the events of tasks on every few seconds
            done, failed, rests = submitted("flower.sum", "2", "3"), submitted("flower.fail"), submitted("flower.rest")
            seen = flower.wait_for(lambda: state(done).get("state") == "SUCCESS" and state(done))
            assert (seen["name"], seen["args"], seen["result"], seen["worker"]) == ("flower.sum", "(2, 3)", "5", worker.name)
            flower.wait_for(lambda: state(failed).get("state") == "FAILURE")
            flower.wait_for(lambda: state(rests).get("state") == "STARTED")
            flower.post(f"task/revoke/{rests}?terminate=true", {})
            flower.wait_for(lambda: state(rests).get("state") == "REVOKED")
    finally:
        flower.end()
