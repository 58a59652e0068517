#!/usr/bin/env python3
"""Counts what the clients' suites reported: count.py KNOWN.md SUITE=RESULTS...

RESULTS is a report as JUnit writes it, a folder of such, or (.jsonl) what `go test -json` prints. Failures that KNOWN.md lists (rows of "| suite | test | reason |", where the test is a shell pattern) count as skipped.
Prints every other failure, and "N passed, N failed, N skipped"; the exit status says whether all is well.
"""

import fnmatch
import json
import pathlib
import re
import sys
import xml.etree.ElementTree as xml


def known_failures(path):
    rows = re.findall(r"^\| *([\w-]+) *\| *`([^`]+)` *\|", path.read_text(encoding="utf-8"), re.MULTILINE)
    return [(suite, pattern) for suite, pattern in rows]


def outcome(case):
    tags = {child.tag for child in case}
    if tags & {"failure", "error"}:
        return "failed"
    return "skipped" if "skipped" in tags else "passed"


def cases(path):
    """The name of each test, and how it ended."""
    if path.suffix == ".jsonl":
        ends = {"pass": "passed", "fail": "failed", "skip": "skipped"}
        for event in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
            if "Test" in event and event["Action"] in ends:
                yield f"{pathlib.PurePath(event['Package']).name}.{event['Test']}", ends[event["Action"]]
        return
    for report in sorted(path.glob("TEST-*.xml")) if path.is_dir() else [path]:
        for case in xml.parse(report).iter("testcase"):
            yield f"{case.get('classname')}.{case.get('name')}", outcome(case)


def main(known_path, *results):
    known = known_failures(pathlib.Path(known_path))
    totals = {"passed": 0, "failed": 0, "skipped": 0}
    for suite, path in (result.split("=", 1) for result in results):
        ended_cases = list(cases(pathlib.Path(path))) if pathlib.Path(path).exists() else []
        if not ended_cases:
            print(f"FAILED {suite}: it left no results")
            totals["failed"] += 1
        for name, ended in ended_cases:
            listed = any(suite == row and fnmatch.fnmatchcase(name, pattern) for row, pattern in known)
            if ended == "failed" and listed:
                ended = "skipped"
            elif ended == "failed":
                print(f"FAILED {suite}: {name}")
            totals[ended] += 1
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**totals))
    return totals["failed"] > 0 or totals["passed"] == 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
