#!/usr/bin/env python3
"""Shows that millrace_load passes a right broker and fails a wrong one, each for its reason.

  bench/load_test.py MILLRACE_LOAD MILLRACE_BASELINE
"""

import subprocess
import sys

# (what the null broker does, options of the load, what the load must say; None: it must pass)
CASES = [
    ("none", [], None),
    ("none", ["--ack", "manual", "--prefetch", "1000", "--ack-every", "100"], None),
    ("none", ["--confirm", "1000", "--size", "300000", "--messages", "200"], None),
    ("none", ["--queues", "3", "--producers", "3", "--consumers", "3", "--confirm", "10"], None),
    ("none", ["--rate", "20000", "--messages", "2000"], None),
    ("lose", [], "missing or late"),
    ("repeat", [], "came twice"),
    ("reorder", [], "missing or late"),
    ("change", ["--size", "100"], "has changed on the way"),
    ("confirm-twice", ["--confirm", "1000"], "twice"),
    ("lose", ["--messages", "10000", "--stall", "1"], "nothing moved"),  # the last message, so no gap shows it
]


def run(load, baseline, fault, options):
    broker = subprocess.Popen([baseline, "null-broker", "--fault", fault], stdout=subprocess.PIPE, text=True)
    try:
        port = broker.stdout.readline().strip().rpartition(":")[2]
        command = [load, "--port", port, "--json", "-"]
        if "--messages" not in options:
            command += ["--messages", "30000"]
        return subprocess.run(command + options, capture_output=True, text=True, timeout=60, check=False)
    finally:
        broker.terminate()
        broker.wait()


def main():
    failed = 0
    for fault, options, words in CASES:
        ended = run(sys.argv[1], sys.argv[2], fault, options)
        right = ended.returncode == 0 if words is None else ended.returncode == 1 and words in ended.stderr
        print("ok  " if right else "FAIL", fault, *options, "|", ended.stderr.strip())
        failed += not right
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
