"""What the tests take from npm runs on the Node.js that Debian 12 has."""

import json
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DEBIANS_NODE = 18


def test_packages_of_node_run_on_debians():
    lock = json.loads((ROOT / "tests/e2e/node/package-lock.json").read_text())
    wanted = {name: package["engines"]["node"] for name, package in lock["packages"].items() if "node" in package.get("engines", {})}
    assert "node_modules/playwright-core" in wanted
    for name, engines in wanted.items():
        assert int(re.match(r">= *(\d+)", engines)[1]) <= DEBIANS_NODE, name
