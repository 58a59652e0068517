"""Runs `millrace VERB ...` and `rabbitmqctl ...` against a broker under test."""

import json
import os
import subprocess
import threading

from .millrace import binary_path


class Ended:
    def __init__(self, completed):
        self.status = completed.returncode
        self.out = completed.stdout.decode()
        self.err = completed.stderr.decode()

    @property
    def json(self):
        return json.loads(self.out)

    def __repr__(self):
        return f"status {self.status}\n{self.out}\n{self.err}"


def environment(**more):
    """Without what the tests' own environment says of a broker."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("MILLRACE_")}
    return kept | more


def command(broker, *words):
    return [str(binary_path()), *words, "--http", f"127.0.0.1:{broker.http_port}"]


class Cli:
    def __init__(self, broker):
        self.broker = broker

    def __call__(self, *words, stdin=b"", status=0, seconds=60, **variables):
        ended = Ended(
            subprocess.run(
                command(self.broker, *words),
                input=stdin,
                capture_output=True,
                timeout=seconds,
                check=False,
                env=environment(**variables),
            )
        )
        assert ended.status == status, f"{words}: {ended}"
        return ended

    def start(self, *words, **more):
        return subprocess.Popen(command(self.broker, *words), env=environment(), **more)


class CommandWorker:
    """`millrace worker`, from when it takes tasks to the end of the block."""

    def __init__(self, broker, queue, *words, **runs):
        named = [word for task, line in runs.items() for word in ("--run", f"{task}={line}")]
        self.process = subprocess.Popen(
            command(broker, "worker", "--queue", queue, *named, *words),
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        watchdog = threading.Timer(30, self.process.kill)
        watchdog.start()
        line = self.process.stdout.readline().decode()
        watchdog.cancel()
        assert line.endswith(" takes tasks\n"), line + self.process.stderr.read().decode()
        self.name = line.split()[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        """The status, and what it said."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            _, err = self.process.communicate(timeout=30)
        finally:
            self.process.kill()
        return self.process.returncode, err.decode()


class Rabbitmqctl:
    """The same program by another name."""

    def __init__(self, broker, directory):
        self.broker = broker
        self.path = directory / "rabbitmqctl"
        if not self.path.exists():
            self.path.symlink_to(binary_path().resolve())

    def __call__(self, *words, stdin=b"", **variables):
        variables.setdefault("MILLRACE_HTTP", f"127.0.0.1:{self.broker.http_port}")
        return Ended(
            subprocess.run(
                [str(self.path), *words],
                input=stdin,
                capture_output=True,
                timeout=60,
                check=False,
                env=environment(**variables),
            )
        )
