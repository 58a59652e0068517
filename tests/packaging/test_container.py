"""The Containerfile, as far as it can be judged without building it."""

import json
import re

from conftest import ROOT, run


def instructions():
    text = (ROOT / "packaging/container/Containerfile").read_text().replace("\\\n", " ")
    return [line.split(" ", 1) for line in text.splitlines() if line and not line.startswith("#")]


def only(name):
    found = [value for word, value in instructions() if word == name]
    assert len(found) == 1, name
    return found[0]


def test_it_is_built_from_what_the_tree_has():
    script = re.search(r"RUN /millrace/(\S+)", "\n".join(" ".join(each) for each in instructions()))[1]
    assert (ROOT / script).stat().st_mode & 0o111
    ignored = (ROOT / ".dockerignore").read_text().split("\n")
    assert {"build", ".git", ".venv"} <= set(ignored)


def test_nothing_runs_as_root():
    words = [word for word, _ in instructions()]
    assert only("USER") == "999:999"
    assert not {"RUN", "COPY", "ADD"} & set(words[words.index("USER") :])


def test_the_health_check_is_a_command_of_the_program(program):
    command = json.loads(re.search(r"CMD (\[.*\])", only("HEALTHCHECK"))[1])
    assert command == ["millrace", "health"]
    assert "Check the broker" in run(program, *command[1:], "--help")


def test_it_starts_as_the_service_does(root):
    unit = (root / "lib/systemd/system/millrace.service").read_text()
    started = [*json.loads(only("ENTRYPOINT")), *json.loads(only("CMD"))]
    assert f"ExecStart=/usr/bin/{' '.join(started)}\n" in unit
    assert only("VOLUME") == "/var/lib/millrace"
