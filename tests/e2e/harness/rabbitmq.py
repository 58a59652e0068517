"""Starts Debian's RabbitMQ as a peer, in a directory and on ports of its own, for the differential mode."""

import contextlib
import os
import random
import socket
import subprocess
import time
from pathlib import Path

from .cli import Ended
from .process import BrokerProcess

SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
CTL = SERVER.with_name("rabbitmqctl")
PLUGINS = [
    "rabbitmq_consistent_hash_exchange",
    "rabbitmq_random_exchange",
    "rabbitmq_recent_history_exchange",
    "rabbitmq_sharding",
]
READY_SECONDS = 60


def free_port():
    """None of those that the system gives to clients: one that reconnects while the broker is away would sit on it."""
    first_of_clients = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(first_of_clients // 2, first_of_clients)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class RabbitMq(BrokerProcess):
    kind = "rabbitmq"

    def __init__(self, directory, options=(), definitions=None):
        super().__init__(directory, options, definitions)
        self.port = free_port()
        self.epmd_port = free_port()
        self.epmd = None

    def start(self):
        self._write_configuration()
        environment = self._environment()
        self.epmd = subprocess.Popen(
            ["epmd", "-address", "127.0.0.1", "-port", str(self.epmd_port)], env=environment, stderr=subprocess.DEVNULL
        )
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [str(SERVER)], stdin=subprocess.PIPE, stdout=log, stderr=log, env=environment, cwd=self.directory
            )
        self._wait_until_ready()
        return self

    def _write_configuration(self):
        lines = [
            f"listeners.tcp.default = 127.0.0.1:{self.port}",
            "max_message_size = 16777216",
            "disk_free_limit.absolute = 50MB",
        ]
        if self.definitions:
            lines.append(f"load_definitions = {self.definitions}")
        (self.directory / "rabbitmq.conf").write_text("\n".join(lines) + "\n")
        (self.directory / "enabled_plugins").write_text(f"[{','.join(PLUGINS)}].\n")

    def _environment(self):
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.directory),
            "LANG": "C.UTF-8",
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self.epmd_port),
            "RABBITMQ_ALLOW_INPUT": "true",  # keeps the shell script out: the child is the broker itself
            "RABBITMQ_NODENAME": f"peer{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_CONFIG_FILE": str(self.directory / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.directory / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.directory / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.directory / "log"),
            "RABBITMQ_PID_FILE": str(self.directory / "pid"),
        }

    def _wait_until_ready(self):
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline and self.is_running():
            try:
                with socket.create_connection((self.host, self.port), 1) as probe:
                    probe.settimeout(5)
                    probe.sendall(b"AMQP\x00\x00\x09\x01")
                    if probe.recv(1) == b"\x01":
                        return
            except OSError:
                pass
            time.sleep(0.2)
        self.discard()
        raise AssertionError(f"the peer did not start\n{self.log_tail()}")

    def ctl(self, *words):
        """Its own rabbitmqctl."""
        command, environment = [str(CTL), *words], self._environment()
        return Ended(subprocess.run(command, capture_output=True, timeout=120, check=False, env=environment))

    def stop(self, seconds=60):
        super().stop(seconds)
        self._end_epmd()

    def kill(self):
        super().kill()
        self._end_epmd()

    def _end_epmd(self):
        if self.epmd:
            self.epmd.kill()
            self.epmd.wait(10)
            self.epmd = None

    def discard(self):
        super().discard()
        self._end_epmd()
