"""Faktory's server, which starts a Redis of its own and keeps its queues there."""

import os
import pathlib
import socket
import subprocess
import time

from comparison import brokers
from peers.redis_server import Redis


def greets(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            return connection.recv(3) == b"+HI"
    except OSError:
        return False


class Faktory(Redis):
    """With the snapshots that it asks of Redis, or durable. `process` is Faktory's and `pid` its Redis'."""

    name = "Faktory"
    SERVER = pathlib.Path(__file__).resolve().parents[3] / "build/peers/faktory_server"

    @property
    def environment(self):
        """FAKTORY_PROVIDER names the variable that counts: a person's own may lead to a server that is in use."""
        return {"FAKTORY_PROVIDER": "FAKTORY_URL", "FAKTORY_URL": f"tcp://127.0.0.1:{self.port}"}

    def start(self):
        self._put_redis_on_the_path()
        before = time.monotonic()
        command = [str(self.SERVER), "-e", "development", "-l", "warn"]
        command += ["-d", str(self.folder), "-c", str(self.folder)]
        command += ["-b", f"127.0.0.1:{self.port}", "-w", f"127.0.0.1:{brokers.free_port()}"]
        environment = os.environ | {"PATH": f"{self.folder}:{os.environ['PATH']}", "FAKTORY_PASSWORD": ""}
        with self._log() as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        brokers.wait_until(self.name, lambda: greets(self.port), process=self.process)
        self.pid = self._find_pid()
        return time.monotonic() - before

    def cpu(self):
        return super().cpu() + brokers.cpu_seconds(f"/proc/{self.process.pid}/stat")

    def _put_redis_on_the_path(self):
        """Faktory takes no options for it, and does not say which process it is."""
        script = self.folder / "redis-server"
        options = " ".join(self.options)
        script.write_text(f'#!/bin/sh\necho $$ > "{self.folder}/redis.pid"\nexec {self.PROGRAM} "$@" {options}\n')
        script.chmod(0o755)

    def _find_pid(self):
        return int((self.folder / "redis.pid").read_text())

    def _connect(self):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(5)
        connection.connect(str(self.folder / "redis.sock"))
        return connection

    @classmethod
    def is_here(cls):
        return super().is_here() and cls.SERVER.exists()
