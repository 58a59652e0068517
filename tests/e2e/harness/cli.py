"""Runs `millrace VERB ...` and `rabbitmqctl ...` against a broker under test."""

import json
import os
import subprocess

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
