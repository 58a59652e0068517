"""Starts the broker under test: `$MILLRACE_BINARY serve`."""

import os
import re
import select
import subprocess
import time
from pathlib import Path

from .process import BrokerProcess

READY_SECONDS = 10
READY_LINE = re.compile(
    rb"ready amqp=127\.0\.0\.1:(\d+)(?:,\S+)? http=(?:127\.0\.0\.1:(\d+)|off)( [\w-]+=\S+)*\n"
)


def binary_path():
    given = os.environ.get("MILLRACE_BINARY")
    return Path(given) if given else Path(__file__).parents[3] / "build/release/millrace"


class Millrace(BrokerProcess):
    kind = "millrace"
    http_port = 0  # with the option --http

    def command(self):
        command = [str(binary_path()), "serve", "--data-dir", str(self.directory / "data")]
        command += ["--amqp", f"127.0.0.1:{self.port}", "--shards", "2"]  # a restart keeps the port
        if self.definitions:
            command += ["--definitions", str(self.definitions)]
        return command + self.options

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log
            )
        line = self._read_line(time.monotonic() + READY_SECONDS)
        ready = READY_LINE.fullmatch(line)
        if not ready:
            self.discard()
            raise AssertionError(f"not a ready line: {line!r}\n{self.log_tail()}")
        self.port = int(ready[1])
        self.http_port = int(ready[2] or 0)
        self.ready_line = line.decode()
        return self

    def ready_port(self, option):
        """Where it listens for what has an option of its own."""
        return int(re.search(rf" {option}=127\.0\.0\.1:(\d+)", self.ready_line)[1])

    def _read_line(self, deadline):
        line = b""
        while not line.endswith(b"\n"):
            remaining = deadline - time.monotonic()
            if remaining <= 0 or not select.select([self.process.stdout], [], [], remaining)[0]:
                break
            octets = os.read(self.process.stdout.fileno(), 4096)
            if not octets:
                break
            line += octets
        return line

    def check_stopped(self, status):
        super().check_stopped(status)
        rest = self.process.stdout.read()
        assert rest == b"", f"more than the ready line on standard output: {rest!r}"
