#!/usr/bin/env python3
"""Counts what the clients' suites reported: count.py KNOWN.md SUITE=RESULTS.xml...

Failures that KNOWN.md lists (rows of "| suite | test | reason |", where the test is a shell pattern) count as skipped.
Prints every other failure, and "N passed, N failed, N skipped"; the exit status says whether all is well.
"""

import fnmatch
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


def main(known_path, *results):
    known = known_failures(pathlib.Path(known_path))
    totals = {"passed": 0, "failed": 0, "skipped": 0}
    for suite, path in (result.split("=", 1) for result in results):
        if not pathlib.Path(path).exists():
            print(f"FAILED {suite}: it left no results")
            totals["failed"] += 1
            continue
        for case in xml.parse(path).iter("testcase"):
            name = f"{case.get('classname')}.{case.get('name')}"
            ended = outcome(case)
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
