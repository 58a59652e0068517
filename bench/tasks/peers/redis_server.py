"""Debian's redis-server, which keeps the queues of Sidekiq, BullMQ and asynq."""

import pathlib
import shutil
import socket
import subprocess
import time

from comparison import brokers


class Redis(brokers.Broker):
    """With its default persistence, a snapshot now and then, or durable: a write is answered when it is on the disk,
    which is what a confirm of Millrace says."""

    name = "Redis"
    PROGRAM = shutil.which("redis-server") or "/usr/bin/redis-server"

    def __init__(self, folder, durable):
        super().__init__(folder)
        self.options = ["--appendonly", "yes", "--appendfsync", "always"] if durable else []

    @property
    def environment(self):
        """By which its clients find it."""
        return {"REDIS_URL": f"redis://127.0.0.1:{self.port}/0"}

    def start(self):
        before = time.monotonic()
        command = [self.PROGRAM, "--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder)]
        with self._log() as log:
            self.process = subprocess.Popen(command + self.options, stdout=log, stderr=log)
        brokers.wait_until(self.name, self._answers, process=self.process)
        self.pid = self._find_pid()
        return time.monotonic() - before

    def cpu(self):
        """Its snapshots are made by children."""
        return brokers.cpu_seconds(f"/proc/{self.pid}/stat", children=True)

    def number(self, command):
        """For a command that is answered by a number."""
        return int(self._ask(command).removeprefix(":"))

    def _answers(self):
        try:
            return self._ask("PING") == "+PONG"
        except OSError:
            return False

    def _connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=5)

    def _ask(self, command):
        """For a command whose answer is one line."""
        with self._connect() as connection:
            connection.sendall(f"{command}\r\n".encode())
            return connection.makefile().readline().rstrip()

    @classmethod
    def version(cls):
        said = subprocess.run([cls.PROGRAM, "--version"], capture_output=True, text=True, check=True).stdout
        return "Redis " + said.split("v=")[1].split()[0]

    @classmethod
    def is_here(cls):
        return pathlib.Path(cls.PROGRAM).exists()
