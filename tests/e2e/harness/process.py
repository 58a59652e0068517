"""A broker as a child process: what the one under test and its peer have in common."""

import os
import shutil
import signal
import subprocess
from urllib.parse import quote


class BrokerProcess:
    """Runs one broker on one data directory. `start` may be called again after `stop` or `kill`: that is a restart."""

    host = "127.0.0.1"

    def __init__(self, directory, options=(), definitions=None):
        self.directory = directory
        self.options = list(options)
        self.definitions = definitions
        self.port = 0
        self.process = None
        self.log_path = directory / "stderr.log"

    @property
    def pid(self):
        return self.process.pid

    def url(self, user="guest", password="guest", vhost="/"):
        return f"amqp://{quote(user)}:{quote(password)}@{self.host}:{self.port}/{quote(vhost, safe='')}"

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """Ends the broker as a crash would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self, seconds=30):
        """Asks the broker to drain and end, and expects that it does so cleanly."""
        if not self.is_running():
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the broker was still there {seconds} s after SIGTERM\n{self.log_tail()}") from None
        self.check_stopped(status)

    def check_stopped(self, status):
        assert status == 0, f"exit status {status} after SIGTERM\n{self.log_tail()}"

    def discard(self):
        """Frees everything whatever state the test left it in."""
        if self.is_running():
            self.kill()

    def end(self):
        """Frees everything and, as it takes some 300 MB, the data directory: with MILLRACE_KEEP_DATA=1 that stays."""
        self.discard()
        if not os.environ.get("MILLRACE_KEEP_DATA"):
            shutil.rmtree(self.directory / "data", ignore_errors=True)

    def log_tail(self, size=6000):
        try:
            with open(self.log_path, "rb") as log:
                log.seek(max(0, os.path.getsize(self.log_path) - size))
                return log.read().decode(errors="replace")
        except FileNotFoundError:
            return "(no log)"

    def resident_bytes(self):
        with open(f"/proc/{self.pid}/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class ExternalBroker:
    """A broker that somebody else runs; tests can connect to it and nothing more."""

    def __init__(self, parameters):
        self.host = parameters.host
        self.port = parameters.port

    url = BrokerProcess.url

    def log_tail(self):
        return "(the log of an external broker is not ours)"
