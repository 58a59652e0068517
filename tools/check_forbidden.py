#!/usr/bin/env python3
"""Refuses what would make a run impossible to replay from its seed: clocks, chance and threads of one's own.

  tools/check_forbidden.py               check src/ and embedded/
  tools/check_forbidden.py --self-test   show that violations are caught

These belong behind runtime's seams, in src/runtime/os. The program's main, the command line (a client, of which nothing is
replayed), tests and benchmarks may use them.
"""

import argparse
import pathlib
import re
import sys

import cpp_text

FOLDERS = ["src", "embedded"]
EXEMPT = ("src/runtime/os/", "src/server/main.cpp", "src/cli/")  # what a path starts with

CLOCK = "read time from runtime::Clock"
CHANCE = "draw from base/prng.hpp, seeded by the caller"
THREAD = "post to runtime::Executor or runtime::DiskExecutor; shards share nothing that needs a lock"

RULES = [
    (r"\b(?:system|steady|high_resolution|utc)_clock\s*::\s*now\b", CLOCK),
    (r"\b(?:clock_gettime|gettimeofday|timespec_get)\s*\(", CLOCK),
    (r"(?<![\w.>])(?:std\s*::\s*|::\s*)?time\s*\(\s*(?:nullptr|NULL|0|&\s*\w+)\s*\)", CLOCK),
    (r"\bthis_thread\s*::\s*sleep_\w+", "wait with runtime::Timers"),
    (r"\b(?:usleep|nanosleep)\s*\(", "wait with runtime::Timers"),
    (r"\bstd\s*::\s*random_device\b", CHANCE),
    (r"\bstd\s*::\s*\w+_distribution\b", CHANCE + "; a distribution's results differ between standard libraries"),
    (r"(?<![\w.>])(?:std\s*::\s*)?s?rand\s*\(", CHANCE),
    (r"\bstd\s*::\s*j?thread\b", THREAD),
    (r"\bpthread_create\s*\(", THREAD),
    (r"\bstd\s*::\s*async\b", THREAD),
    (r"\bstd\s*::\s*(?:shared_|recursive_|timed_|recursive_timed_|shared_timed_)?mutex\b", THREAD),
    (r"\bstd\s*::\s*condition_variable(?:_any)?\b", THREAD),
]
_RULES = [(re.compile(pattern), advice) for pattern, advice in RULES]


def is_exempt(relative):
    return relative.startswith(EXEMPT) or relative.endswith(("_test.cpp", "_test.hpp"))


def violations(source):
    code = cpp_text.code_only(source)
    found = []
    for pattern, advice in _RULES:
        for match in pattern.finditer(code):
            found.append((cpp_text.line_of(code, match.start()), match.group(0).strip(), advice))
    return sorted(found)


CASES = [
    ("auto t = std::chrono::system_clock::now();", True),
    ("auto t = steady_clock::now();", True),
    ("std::chrono::steady_clock::time_point deadline;", False),
    ("clock_gettime(CLOCK_MONOTONIC, &t);", True),
    ("auto t = time(nullptr);", True),
    ("auto t = std::time(nullptr);", True),
    ("auto t = message.time(0);", False),
    ("auto t = expiry_time(0);", False),
    ("std::random_device device;", True),
    ("std::uniform_int_distribution<int> d(1, 6);", True),
    ("std::mt19937_64 generator(seed);", False),
    ("int brand(int); int x = brand(1);", False),
    ("std::thread worker(f);", True),
    ("std::jthread worker(f);", True),
    ("auto id = std::this_thread::get_id();", False),
    ("std::this_thread::sleep_for(1s);", True),
    ("std::mutex m;", True),
    ("std::shared_mutex m;", True),
    ("// std::mutex m;\n/* std::thread t; */ const char* s = \"std::random_device\";", False),
    ("#include <thread>", False),
]


def self_test():
    failures = 0
    for source, bad in CASES:
        if bool(violations(source)) != bad:
            failures += 1
            print(f"self-test: expected {'a violation' if bad else 'none'}: {source}")
    exempt = ["src/runtime/os/clock.cpp", "src/server/main.cpp", "src/broker/queue_test.cpp"]
    held = ["src/broker/queue.cpp", "src/server/listener.cpp", "src/runtime/clock.hpp"]
    for path in exempt + held:
        if is_exempt(path) != (path in exempt):
            failures += 1
            print(f"self-test: {path} should {'' if path in exempt else 'not '}be exempt")
    total = len(CASES) + len(exempt) + len(held)
    print(f"{total - failures} of {total} self-tests passed")
    return failures == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parent.parent)
    parser.add_argument("--self-test", action="store_true")
    options = parser.parse_args()
    if options.self_test:
        return 0 if self_test() else 1
    bad = False
    for path in cpp_text.sources(options.root, FOLDERS):
        relative = path.relative_to(options.root).as_posix()
        if is_exempt(relative):
            continue
        for line, what, advice in violations(path.read_text()):
            bad = True
            print(f"{relative}:{line}: {what} is for src/runtime/os only; {advice}")
    if not bad:
        print("no clock, chance or thread outside src/runtime/os")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
