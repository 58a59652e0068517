"""Celery on a broker of AMQP 0-9-1: its own producer and its own worker."""

import os
import pathlib
import subprocess
import sys
import time

import amqp  # py-amqp, which Celery brings

LIMIT = 300  # seconds for one program
FOLDER = pathlib.Path(__file__).resolve().parent


def environment(port):
    return os.environ | {
        "BROKER_URL": f"amqp://guest:guest@127.0.0.1:{port}//",
        "PYTHONPATH": str(FOLDER),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def waiting_in(port, queue):
    with amqp.Connection(f"127.0.0.1:{port}", "guest", "guest") as connection:
        return connection.channel().queue_declare(queue, passive=True).message_count


def submits(port, count):
    command = [sys.executable, str(FOLDER / "celery_side.py"), "submit", str(count)]
    answer = subprocess.run(
        command, env=environment(port), capture_output=True, text=True, timeout=LIMIT, check=True
    )
    return float(answer.stdout.split()[-1])


def carries_out(port, count, log):
    """Tasks a second from the first that leaves the queue to the last: what is prefetched at the end is not waited for,
    which flatters it by that much."""
    command = [sys.executable, "-m", "celery", "-A", "celery_side", "worker", "--loglevel", "error", "--without-gossip"]
    worker = subprocess.Popen(
        command + ["--without-mingle"], env=environment(port), stdout=log, stderr=log, start_new_session=True
    )
    try:
        began, deadline = None, time.monotonic() + LIMIT
        while time.monotonic() < deadline:
            left = waiting_in(port, "bench.celery")
            if began is None and left < count:
                began, count = time.monotonic(), left
            if left == 0:
                return count / (time.monotonic() - began)
            time.sleep(0.02)
        raise RuntimeError("Celery's worker did not come to an end")
    finally:
        worker.terminate()
        try:
            worker.wait(30)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()


def figures(broker, count, log):
    before = broker.cpu()
    submitted = submits(broker.port, count)
    done = carries_out(broker.port, count, log)
    return {"submit": submitted, "carry out": done, "broker us": (broker.cpu() - before) / count * 1e6}
