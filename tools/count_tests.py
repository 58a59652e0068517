#!/usr/bin/env python3
"""Counts test cases from what test runners wrote: prints "PASSED FAILED SKIPPED", and the failed ones on stderr.

  tools/count_tests.py ctest RESULTS LISTING FOLDER   of ctest --output-junit, ctest --show-only=json-v1, and the
                                                      folder in which GoogleTest programs left their JSON
  tools/count_tests.py junit RESULTS                  of pytest --junitxml
  tools/count_tests.py --self-test

A GoogleTest program counts as its cases, any other ctest test as one. A program that died before it could report, or
that failed although its cases passed (a leak, a sanitizer's finding), counts as one failed test.
"""

import collections
import json
import pathlib
import re
import sys
import tempfile
import xml.etree.ElementTree as xml


class Count:
    def __init__(self):
        self.passed, self.failed, self.skipped = 0, 0, 0
        self.names = []  # of those that failed

    def __str__(self):
        return f"{self.passed} {self.failed} {self.skipped}"

    def fail(self, name):
        self.failed += 1
        self.names.append(name)


def count_junit(path):
    count = Count()
    for case in xml.parse(path).iter("testcase"):
        tags = {child.tag for child in case}
        if tags & {"failure", "error"} or case.get("status") == "fail":
            count.fail(f"{case.get('classname') or ''} {case.get('name')}".strip())
        elif "skipped" in tags or case.get("status") in ("notrun", "disabled"):
            count.skipped += 1
        else:
            count.passed += 1
    return count


def add_gtest(count, path):
    """Adds one program's report; returns whether a case of it failed."""
    before = count.failed
    for suite in json.loads(path.read_text())["testsuites"]:
        for case in suite["testsuite"]:
            if case.get("failures"):
                count.fail(f"{path.stem}: {suite['name']}.{case['name']}")
            elif case["status"] == "NOTRUN" or case["result"] == "SKIPPED":
                count.skipped += 1
            else:
                count.passed += 1
    return count.failed > before


def count_ctest(results, listing, folder):
    programs = {}
    for test in json.loads(pathlib.Path(listing).read_text())["tests"]:
        command = test.get("command")
        programs[test["name"]] = pathlib.Path(command[0]).name if command else test["name"]

    statuses = collections.defaultdict(list)  # by program, which several tests may run with different arguments
    for case in xml.parse(results).iter("testcase"):
        name, status, skipped = case.get("name"), case.get("status"), case.find("skipped")
        if skipped is not None and not skipped.get("message", "").startswith("SKIP_"):
            status = "fail"  # its program was not built
        statuses[programs.get(name, name)].append((name, status))

    count = Count()
    reports = sorted(pathlib.Path(folder).glob("*.json"))
    for program, tests in sorted(statuses.items()):
        own = [path for path in reports if re.fullmatch(re.escape(program) + r"(_\d+)?", path.stem)]
        explained = [add_gtest(count, path) for path in own]  # a list: every report is to be added
        unexplained = [name for name, status in tests if status == "fail"][sum(explained) :]
        for name in unexplained:
            count.fail(f"{name}: ended with an error outside its test cases")
        if own:
            continue
        for _, status in tests:
            if status == "run":
                count.passed += 1
            elif status != "fail":
                count.skipped += 1
    return count


def gtest_report(*cases):
    return json.dumps(
        {
            "testsuites": [
                {
                    "name": "Suite",
                    "testsuite": [
                        {"name": name, "status": status, "result": result} | ({"failures": [{}]} if failed else {})
                        for name, status, result, failed in cases
                    ],
                }
            ]
        }
    )


def self_test():
    good, bad = ("good", "RUN", "COMPLETED", False), ("bad", "RUN", "COMPLETED", True)
    disabled, skipped = ("off", "NOTRUN", "SUPPRESSED", False), ("skipped", "RUN", "SKIPPED", False)
    # name: (status in the results, report of the program or None), expected count
    cases = {
        "all good": ({"a": ("run", gtest_report(good, good))}, "2 0 0"),
        "one bad": ({"a": ("fail", gtest_report(good, bad))}, "1 1 0"),
        "not run": ({"a": ("run", gtest_report(good, disabled, skipped))}, "1 0 2"),
        "crashed": ({"a": ("fail", None), "b": ("run", gtest_report(good))}, "1 1 0"),
        "leaked": ({"a": ("fail", gtest_report(good, good))}, "2 1 0"),
        "a script": ({"a": ("run", None), "b": ("fail", None)}, "1 1 0"),
        "disabled": ({"a": ("disabled", None)}, "0 0 1"),
        "not built": ({"a": ("notrun", None), "b": ("run", None)}, "1 1 0"),
    }
    failures = 0
    for what, (tests, expected) in cases.items():
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            lines = [
                f'<testcase name="{test}" status="{status}">'
                + ('<skipped message="Unable to find executable"/>' if status == "notrun" else "")
                + "</testcase>"
                for test, (status, _) in tests.items()
            ]
            (folder / "results.xml").write_text(f"<testsuite>{''.join(lines)}</testsuite>")
            listing = {"tests": [{"name": test, "command": [f"/build/{test}_program"]} for test in tests]}
            (folder / "listing").write_text(json.dumps(listing))
            for test, (_, report) in tests.items():
                if report:
                    (folder / f"{test}_program.json").write_text(report)
            found = str(count_ctest(folder / "results.xml", folder / "listing", folder))
        if found != expected:
            failures += 1
            print(f"self-test '{what}': expected {expected}, got {found}")
    with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
        file.write('<testsuites><testsuite><testcase name="a"/><testcase name="b"><failure/></testcase>')
        file.write('<testcase name="c"><skipped/></testcase></testsuite></testsuites>')
        file.flush()
        if str(count_junit(file.name)) != "1 1 1":
            failures += 1
            print(f"self-test 'junit': expected 1 1 1, got {count_junit(file.name)}")
    print(f"{len(cases) + 1 - failures} of {len(cases) + 1} self-tests passed")
    return failures == 0


def main(arguments):
    match arguments:
        case ["--self-test"]:
            return 0 if self_test() else 1
        case ["ctest", results, listing, folder]:
            count = count_ctest(results, listing, folder)
        case ["junit", results]:
            count = count_junit(results)
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    print(count)
    for name in count.names:
        print(f"FAILED {name}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
