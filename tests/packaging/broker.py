"""Runs the packaged program for a test: on the loopback, on free ports, in a folder of its own."""

import contextlib
import os
import pathlib
import re
import subprocess


class Broker:
    def __init__(self, process, ready):
        self.process = process
        self.ready = ready
        self.proc = pathlib.Path(f"/proc/{process.pid}")

    def port(self, option):
        return int(re.search(rf"\b{option}=127\.0\.0\.1:(\d+)", self.ready)[1])


@contextlib.contextmanager
def serving(program, data, *options, **variables):
    clean = {key: value for key, value in os.environ.items() if not key.startswith("MILLRACE_")}
    command = [str(program), "serve", "--data-dir", str(data), "--amqp", "127.0.0.1:0", "--http", "127.0.0.1:0"]
    process = subprocess.Popen(
        [*command, *map(str, options)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean | variables,
    )
    try:
        ready = process.stdout.readline()
        assert ready.startswith("ready "), ready + process.stderr.read()
        yield Broker(process, ready)
        process.terminate()
        assert process.wait(30) == 0, process.stderr.read()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(10)
        process.stdout.close()
        process.stderr.close()
