"""Completion as it is typed, in each shell, from the files of the package."""

import os
import pty
import select
import subprocess
import time

import pytest
from conftest import need, run

# What is typed behind "millrace ", what must be offered, and what must not.
CASES = [
    ("que", {"queues"}, {"publish"}),
    ("queues ", {"add", "delete", "show"}, {"queues", "publish"}),
    ("queues add --tr", {"--transient"}, {"--type"}),
    ("queues add --", {"--argument", "--http", "--type"}, {"--columns", "--sync"}),
    ("serve --s", {"--shards", "--sync"}, {"--user", "--sort"}),
    ("serve --", {"--config", "--data-dir", "--log-level"}, {"--password-file"}),
    ("publish --prop", {"--property"}, {"--http"}),
    ("completion ", {"bash", "zsh", "fish"}, {"queues"}),
]


def in_bash(root, typed):
    script = root / "usr/share/bash-completion/completions/millrace"
    words = " ".join(f"'{word}'" for word in ["millrace", *typed.split(" ")])
    code = (
        f"source {script}; COMP_WORDS=({words}); COMP_CWORD=$(({len(typed.split(' '))}));"
        " _millrace; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    return set(run("bash", "--norc", "-c", code).split())


def in_fish(root, typed):
    fish = need("fish")
    script = root / "usr/share/fish/vendor_completions.d/millrace.fish"
    code = f"source {script}; complete -C 'millrace {typed}'"
    lines = run(fish, "--no-config", "-c", code, env={"PATH": os.environ["PATH"], "HOME": str(root)}).splitlines()
    return {line.split("\t")[0] for line in lines}


class Zsh:
    """A zsh at a terminal, whose screen is read."""

    def __init__(self, zsh, folder):
        self.leader, follower = pty.openpty()
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "TERM": "dumb", "LC_ALL": "C.UTF-8"}
        self.process = subprocess.Popen(
            [zsh, "-f", "-i"], stdin=follower, stdout=follower, stderr=follower, env=environment, start_new_session=True
        )
        os.close(follower)
        for line in (
            "unsetopt prompt_cr prompt_sp auto_menu always_last_prompt; setopt auto_list; unset zle_bracketed_paste",
            f"PS1='> '; LISTMAX=1000; fpath=({folder} $fpath); autoload -Uz compinit && compinit -u -D",
            "stty columns 200; print set''up",
        ):
            os.write(self.leader, line.encode() + b"\n")
        self.read_until(lambda words: "setup" in words)

    def read_until(self, is_enough, seconds=20):
        """The words on the screen once there are enough of them, and nothing has come for a moment."""
        screen, words = b"", []
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if select.select([self.leader], [], [], 0.3)[0]:
                screen += os.read(self.leader, 65536)
                words = screen.decode(errors="replace").replace("\a", " ").split()
            elif is_enough(words):
                break
        return set(words)

    def complete(self, typed, offered):
        os.write(self.leader, f"millrace {typed}\t".encode())
        words = self.read_until(lambda words: offered <= set(words))
        os.write(self.leader, b"\x15print nex''t\n")
        self.read_until(lambda words: "next" in words)
        return words

    def close(self):
        self.process.kill()
        self.process.wait(10)
        os.close(self.leader)


@pytest.fixture(scope="module")
def zsh(root):
    shell = Zsh(need("zsh"), root / "usr/share/zsh/vendor-completions")
    yield shell
    shell.close()


@pytest.mark.parametrize("typed, offered, not_offered", CASES)
@pytest.mark.parametrize("shell", [in_bash, in_fish])
def test_completion(root, shell, typed, offered, not_offered):
    found = shell(root, typed)
    assert found >= offered
    assert not found & not_offered


@pytest.mark.parametrize("typed, offered, not_offered", CASES)
def test_completion_in_zsh(zsh, typed, offered, not_offered):
    shown = zsh.complete(typed, offered)
    assert shown >= offered
    assert not shown & (not_offered - set(typed.split()))


def test_fish_offers_files_where_a_file_is_wanted(root):
    (root / "some-file.json").write_text("{}")
    for typed in ("definitions import ", "serve --config ", "publish --file "):
        assert f"{root}/some-file.json" in in_fish(root, f"{typed}{root}/some-"), typed
    assert not in_fish(root, f"queues show {root}/some-")
