"""A peer's own program. It says "ready" when it is connected, begins when a line comes, and says "done"; so the time of
starting an interpreter counts for nobody, and one clock and one meter serve every language."""

import subprocess
import threading

from comparison import brokers

LIMIT = 300  # seconds for one program


class SideProgram:
    def __init__(self, command, environment, log):
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        )
        self._end = threading.Timer(LIMIT, self._process.kill)
        self._end.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._end.cancel()
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()

    def wait_for(self, word):
        for line in self._process.stdout:
            if line.rstrip() == word:
                return
        raise RuntimeError(f"{self._process.args[0]} ended before it said {word!r}")

    def go(self):
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def cpu(self):
        """Seconds of processor time since it started; readable until it has been waited for."""
        return brokers.cpu_seconds(f"/proc/{self._process.pid}/stat")
