"""This library on Millrace: bench_tasks measures itself and the broker, and this reads what it prints."""

import re
import subprocess

LIMIT = 300  # seconds for one program


def figures(broker, program, count):
    url = f"amqp://guest:guest@127.0.0.1:{broker.port}"
    command = [str(program), url, f"count={count}", f"broker_pid={broker.pid}"]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=True)
    print(answer.stdout, flush=True)
    return figures_in(answer.stdout)


def figures_in(text):
    found = {}
    for line in text.splitlines():
        load = re.match(r"(.+?) +(\d+) tasks/s +([\d.]+) us .* a task +([\d.]+) us", line)
        if load:
            found[load[1]] = float(load[2])
            found[load[1] + ", program us"] = float(load[3])
            found[load[1] + ", broker us"] = float(load[4])
        start = re.match(r"from due to begun +p50 (\d+) us +p99 (\d+) us", line)
        if start:
            found["p50 us"], found["p99 us"] = float(start[1]), float(start[2])
    return found
