"""Starts the brokers that are compared: each on a free loopback port, in a fresh directory, with its defaults."""

import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")
START_TIMEOUT = 180  # seconds; RabbitMQ needs more than a minute with a large backlog


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(what, condition, timeout=START_TIMEOUT, process=None):
    deadline = time.monotonic() + timeout
    while not condition():
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"{what}: the process ended with status {process.returncode}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what}: not within {timeout} s")
        time.sleep(0.0005)


def amqp_answers(port):
    """Whether the broker behind the port answers an AMQP greeting with its first method."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(b"AMQP\0\0\x09\x01")
            return connection.recv(1) == b"\x01"
    except OSError:
        return False


def cpu_seconds(stat, children=False):
    """User and system time in a stat file of /proc, a process's or a thread's; a name in it may have spaces. With that of
    the children that were waited for, if wanted."""
    fields = pathlib.Path(stat).read_text().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11 : 15 if children else 13]) / TICKS


class Broker:
    """A process of ours with a directory of its own. stop() ends it and, unless told otherwise, removes the directory."""

    name = ""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True)
        self.port = free_port()
        self.process = None
        self.pid = None

    def start(self):
        """Starts and returns the seconds until it answered an AMQP client."""
        before = time.monotonic()
        self._launch()
        wait_until(self.name, lambda: amqp_answers(self.port), process=self.process)
        seconds = time.monotonic() - before
        self.pid = self._find_pid()
        return seconds

    def cpu(self):
        """Seconds of processor time since it started."""
        return cpu_seconds(f"/proc/{self.pid}/stat")

    def kill(self):
        """As a power cut would, for the process: SIGKILL."""
        if self.process is None:
            return
        if self.pid and self.pid != self.process.pid:
            try:
                os.kill(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.kill()
        self.process.wait()
        self.process = self.pid = None

    def stop(self):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _find_pid(self):
        return self.process.pid

    def _log(self):
        return open(self.folder / "output.log", "ab")


class Millrace(Broker):
    """Without its HTTP server, unless the options say where that listens."""

    name = "Millrace"

    def __init__(self, folder, program, options=()):
        super().__init__(folder)
        self.program = str(program)
        self.options = [str(option) for option in options]
        if "--http" not in self.options:
            self.options += ["--http", "off"]
        self.ready = ""

    def port_of(self, listener):
        """Of the listener with that name in the ready line."""
        return int(re.search(rf" {listener}=127\.0\.0\.1:(\d+)", self.ready)[1])

    def _launch(self):
        command = [self.program, "serve", "--amqp", f"127.0.0.1:{self.port}", "--data-dir", str(self.folder / "data")]
        with self._log() as log:
            self.process = subprocess.Popen(command + self.options, stdout=subprocess.PIPE, stderr=log, text=True)

    def start(self):
        """Seconds until the ready line; the port answers then."""
        before = time.monotonic()
        self._launch()
        self.ready = self.process.stdout.readline()
        seconds = time.monotonic() - before
        if not self.ready.startswith("ready "):
            self.process.wait()
            log = (self.folder / "output.log").read_text()[-2000:]
            raise RuntimeError(f"Millrace printed {self.ready!r} instead of its ready line:\n{log}")
        self.port = self.port_of("amqp")
        self.pid = self.process.pid
        if not amqp_answers(self.port):
            raise RuntimeError("Millrace is ready but does not answer an AMQP client")
        return seconds


class RabbitMQ(Broker):
    """Debian's rabbitmq-server. Its own epmd runs beside it, so nothing of it outlives stop()."""

    name = "RabbitMQ"
    SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server"

    def __init__(self, folder):
        super().__init__(folder)
        self.epmd_port = free_port()
        self.dist_port = free_port()
        self.epmd = None
        # Empty files: whatever this machine sets for its own RabbitMQ does not apply.
        for empty in ("rabbitmq.conf", "env.conf"):
            (self.folder / empty).write_text("")
        (self.folder / "enabled_plugins").write_text("[].\n")

    def _environment(self):
        foreign = ("RABBITMQ_", "ERL_", "MNESIA_")
        environment = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
        folder = self.folder
        environment |= {
            "HOME": str(folder),
            "ERL_EPMD_PORT": str(self.epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"bench{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self.dist_port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "env.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        }
        return environment

    def _launch(self):
        environment = self._environment()
        with self._log() as log:
            if self.epmd is None:
                epmd = shutil.which("epmd") or "/usr/bin/epmd"
                command = [epmd, "-port", str(self.epmd_port), "-address", "127.0.0.1"]
                self.epmd = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
            self.process = subprocess.Popen(
                [self.SERVER], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
            )

    def _find_pid(self):
        pid = int((self.folder / "pid").read_text())
        if "beam" not in pathlib.Path(f"/proc/{pid}/comm").read_text():
            raise RuntimeError(f"process {pid} is not RabbitMQ's")
        return pid

    def check_defaults(self):
        """That it runs with no setting but where it listens and where it keeps its files."""
        arguments = pathlib.Path(f"/proc/{self.pid}/cmdline").read_bytes().decode().split("\0")
        for flag in ("-config", "-args_file"):
            if flag in arguments:
                raise RuntimeError(f"RabbitMQ was started with {flag}")
        for name in ("rabbitmq.conf", "env.conf"):
            if (self.folder / name).read_text().strip():
                raise RuntimeError(f"RabbitMQ's {name} is not empty")
        # It listens a moment before it says so.
        wait_until("RabbitMQ's report of its plug-ins", lambda: self._plugins() is not None, 30, self.process)
        if self._plugins() != 0:
            raise RuntimeError(f"RabbitMQ started {self._plugins()} plug-ins")

    def _plugins(self):
        log = "".join(path.read_text(errors="replace") for path in (self.folder / "log").glob("*.log"))
        said = re.search(r"Server startup complete; (\d+) plugins started", log)
        return int(said[1]) if said else None

    def stop(self):
        self.kill()
        if self.epmd is not None:
            self.epmd.kill()
            self.epmd.wait()
            self.epmd = None
        shutil.rmtree(self.folder, ignore_errors=True)

    @classmethod
    def version(cls):
        answer = subprocess.run(
            ["dpkg-query", "-W", "-f=${Version}", "rabbitmq-server"], capture_output=True, text=True, check=False
        )
        return answer.stdout.strip()


class Mosquitto(Broker):
    """Debian's mosquitto with its defaults but one: it leaves Nagle's delay on, and is then a hundred times slower than
    it can be, so that beating it would mean nothing."""

    name = "mosquitto"

    def start(self):
        before = time.monotonic()
        program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        configuration = self.folder / "mosquitto.conf"
        configuration.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n")
        with self._log() as log:
            self.process = subprocess.Popen([program, "-c", str(configuration)], stdout=log, stderr=log, cwd=self.folder)
        wait_until(self.name, self._accepts, process=self.process)
        self.pid = self.process.pid
        return time.monotonic() - before

    def _accepts(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            return True
        except OSError:
            return False
