"""Fixtures of the tests of what is shipped: packages, configuration, completions, container and chart, documents.

pytest tests/packaging        of the packages in $MILLRACE_PACKAGES (default build/packages, where scripts/package puts them)

Nothing here needs root. What needs a program that is not there is skipped, and says which.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = Path(os.environ.get("MILLRACE_PACKAGES", ROOT / "build/packages"))


def run(*command, status=0, **more):
    """What a command printed; its standard error is told when it does not end as it should."""
    more = {"capture_output": True, "text": True, "timeout": 60, "check": False} | more
    ended = subprocess.run([str(word) for word in command], **more)
    assert ended.returncode == status, f"{command}: status {ended.returncode}\n{ended.stdout}\n{ended.stderr}"
    return ended.stdout


def need(program):
    """The path of a program, or the test is skipped."""
    folders = os.environ["PATH"] + ":/usr/sbin:/sbin"
    found = shutil.which(program, path=folders)
    if not found:
        pytest.skip(f"there is no {program} here")
    return found


def package(name):
    found = sorted(PACKAGES.glob(f"{name}_*.deb"))
    if not found:
        raise pytest.UsageError(f"there is no package {name} in {PACKAGES}; scripts/package makes it")
    return found[-1]


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    """The folder that the package millrace was unpacked into."""
    folder = tmp_path_factory.mktemp("unpacked")
    run("dpkg-deb", "-x", package("millrace"), folder)
    return folder


@pytest.fixture(scope="session")
def program(root):
    return root / "usr/bin/millrace"
