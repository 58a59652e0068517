"""Runs the generator and the baselines, and reads their results."""

import json
import pathlib
import subprocess

LONGEST_RUN = 1800  # seconds


class LoadFailed(Exception):
    """The generator ended with an error: its words."""


def _run(command):
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_RUN, check=False)
    except subprocess.TimeoutExpired:
        raise LoadFailed(f"no end within {LONGEST_RUN} s") from None
    if ended.returncode != 0:
        raise LoadFailed(ended.stderr.strip() or f"exit status {ended.returncode}")
    return json.loads(ended.stdout)


class Programs:
    def __init__(self, build):
        build = pathlib.Path(build)
        self.millrace = build / "millrace"
        self._load = build / "bench" / "millrace_load"
        self.baseline_program = build / "bench" / "millrace_baseline"
        for program in (self._load, self.baseline_program):
            if not program.exists():
                raise SystemExit(f"{program} is missing: build the preset release, or give --build")

    def load(self, broker, *arguments):
        """The results of millrace_load against a running broker."""
        command = [self._load, "--port", broker.port, "--pid", broker.pid, "--json", "-", *arguments]
        return _run([str(part) for part in command])

    def baseline(self, *arguments):
        return _run([str(part) for part in (self.baseline_program, "--json", *arguments)])

    def null_broker(self, *arguments):
        """The results of millrace_load against a broker that does nothing."""
        broker = subprocess.Popen([self.baseline_program, "null-broker"], stdout=subprocess.PIPE, text=True)
        try:
            broker.port = int(broker.stdout.readline().rpartition(":")[2])
            return self.load(broker, *arguments)
        finally:
            broker.terminate()
            broker.wait()
