"""The Debian packages: what is in them, what they need, and that it works where it was unpacked."""

import gzip
import os
import re
import subprocess
import sys

import pytest
import system_calls
from broker import serving
from conftest import ROOT, need, package, run


def files_of(name):
    """{path: (mode, owner)}"""
    listed = {}
    for line in run("dpkg-deb", "-c", package(name)).splitlines():
        mode, owner, _, _, _, path = line.split(None, 5)
        listed[path.split(" -> ")[0].removeprefix(".")] = (mode, owner)
    return listed


def field(name, which):
    return run("dpkg-deb", "-f", package(name), which).strip()


def default_of(program, option):
    found = re.search(rf"^  --{option} .*\[(.*)\]$", run(program, "serve", "--help"), re.MULTILINE)
    return found[1]


def test_the_server_has_program_service_and_configuration():
    files = files_of("millrace")
    for path in (
        "/usr/bin/millrace",
        "/usr/lib/millrace/rabbitmqctl",
        "/lib/systemd/system/millrace.service",
        "/etc/millrace/millrace.toml",
        "/usr/share/man/man1/millrace.1.gz",
        "/usr/share/bash-completion/completions/millrace",
        "/usr/share/zsh/vendor-completions/_millrace",
        "/usr/share/fish/vendor_completions.d/millrace.fish",
        "/usr/share/doc/millrace/copyright",
        "/usr/share/doc/millrace/changelog.Debian.gz",
    ):
        assert path in files
    assert files["/usr/bin/millrace"][0] == "-rwxr-xr-x"
    assert files["/etc/millrace/millrace.toml"][0] == "-rw-r--r--"
    assert {owner for _, owner in files.values()} == {"root/root"}
    assert not [path for path in files if path.startswith(("/var", "/usr/include")) or path.endswith((".a", ".hpp"))]
    assert "/usr/bin/rabbitmqctl" not in files, "RabbitMQ's own package has it"


def test_the_library_is_a_package_of_its_own():
    files = files_of("millrace-dev")
    names = {path.rsplit("/", 1)[1] for path in files}
    assert names >= {"libmillrace.a", "libmillrace_embedded.a", "millrace.hpp", "embedded.hpp", "millrace.pc"}
    assert not set(files) & {path for path, (mode, _) in files_of("millrace").items() if not mode.startswith("d")}


def test_the_server_needs_no_package_for_developers():
    depends = field("millrace", "Depends")
    assert "adduser" in depends and "libc6" in depends and "libssl3" in depends
    assert "-dev" not in depends
    assert field("millrace", "Version") == f"{version()}-1"


def version():
    return re.search(r'kVersion = "(.*)"', (ROOT / "src/server/version.hpp").read_text())[1]


def test_the_versions_agree(program, root):
    assert run(program, "--version").strip() == f"millrace {version()}"
    assert f"project(millrace VERSION {version()} " in (ROOT / "CMakeLists.txt").read_text()
    changes = gzip.decompress((root / "usr/share/doc/millrace/changelog.Debian.gz").read_bytes()).decode()
    assert changes.startswith(f"millrace ({version()}-1) ")


@pytest.mark.timeout(400)
def test_lintian_has_nothing_to_say():
    lintian = need("lintian")
    # Nobody at Debian has asked for the package; its archives are for the machine that they were built on.
    suppressed = "initial-upload-closes-no-bugs,pkg-config-unavailable-for-cross-compilation"
    options = ["--fail-on", "error,warning", "--suppress-tags", suppressed]
    if os.geteuid() == 0:
        options.append("--allow-root")
    run(lintian, *options, package("millrace"), package("millrace-dev"), timeout=360)


# -- Configuration -----------------------------------------------------------------------------------------------------


def configuration(root):
    return (root / "etc/millrace/millrace.toml").read_text()


def commented(text):
    return dict(re.findall(r'^#([a-z-]+) = "?(.*?)"?$', text, re.MULTILINE))


def test_the_configuration_is_the_administrators(tmp_path):
    run("dpkg-deb", "-e", package("millrace"), tmp_path)
    assert (tmp_path / "conffiles").read_text().split() == ["/etc/millrace/millrace.toml"]


def test_what_the_configuration_has_in_comments_is_the_default(root, program):
    shown = commented(configuration(root))
    assert len(shown) > 6
    for option, value in shown.items():
        if option in ("prometheus", "definitions"):  # examples: there is none by default
            continue
        assert value == default_of(program, option), option


def test_the_configuration_is_valid_with_its_comments_in_effect(root, program, tmp_path):
    text = re.sub(r"^#(?=[a-z-]+ = )", "", configuration(root), flags=re.MULTILINE)
    text = text.replace("/etc/millrace/definitions.json", str(tmp_path / "definitions.json"))
    (tmp_path / "definitions.json").write_text('{"vhosts": [{"name": "from-the-file"}]}')
    (tmp_path / "millrace.toml").write_text(text)
    options = ["--config", tmp_path / "millrace.toml", "--prometheus", "127.0.0.1:0"]
    with serving(program, tmp_path / "data", *options) as broker:
        api = f"127.0.0.1:{broker.port('http')}"
        assert "from-the-file" in run(program, "vhosts", "--http", api, env={})


# -- The service -------------------------------------------------------------------------------------------------------


def unit_text(root):
    return (root / "lib/systemd/system/millrace.service").read_text()


@pytest.fixture
def unit(root, tmp_path):
    """The unit with the program where it was unpacked."""
    path = tmp_path / "millrace.service"
    path.write_text(unit_text(root).replace("/usr/bin/", f"{root}/usr/bin/"))
    return path


def test_systemd_understands_the_unit(unit):
    ended = subprocess.run(
        [need("systemd-analyze"), "verify", "--man=no", str(unit)], capture_output=True, text=True, timeout=60, check=False
    )
    complaints = [line for line in ended.stderr.splitlines() if "millrace" in line]
    assert not complaints
    assert "status=" not in ended.stderr


def test_the_service_is_shut_in(unit):
    analyze = need("systemd-analyze")
    if "--offline" not in run(analyze, "--help"):
        pytest.skip("this systemd-analyze judges running units alone")
    run(analyze, "security", "--offline=true", "--threshold=15", unit)


@pytest.fixture
def filtered(root, program, tmp_path):
    """The program, left with the system calls that the unit allows."""
    names = tmp_path / "allowed"
    names.write_text("\n".join(system_calls.allowed_by(unit_text(root))))
    script = tmp_path / "filtered"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} {system_calls.__file__} {names} {program} "$@"\n')
    script.chmod(0o755)
    return script


def test_the_services_filter_of_system_calls_is_in_effect_and_leaves_all_that_is_needed(filtered, program, tmp_path):
    need("cc")
    with serving(filtered, tmp_path / "data") as broker:
        assert "Seccomp:\t2" in (broker.proc / "status").read_text()
        api = ["--http", f"127.0.0.1:{broker.port('http')}"]
        run(program, "queues", "add", "jobs", *api, env={})
        run(program, "publish", "jobs", "kept", *api, env={})
        assert "kept" in run(program, "consume", "jobs", *api, env={})
        # Threads say among themselves which go first.
        niceness = {(task / "comm").read_text().strip(): nice(task) for task in (broker.proc / "task").iterdir()}
        assert niceness["http"] >= min(niceness["shard-0"] + 10, 19)


def nice(task):
    return int((task / "stat").read_text().rpartition(")")[2].split()[16])


def test_the_units_command_line_runs(root, program, tmp_path):
    command = re.search(r"^ExecStart=(.*)$", unit_text(root), re.MULTILINE)[1].split()
    assert command[:2] == ["/usr/bin/millrace", "serve"]
    assert command[2:] == ["--config", "/etc/millrace/millrace.toml"]
    options = [word.replace("/etc/", f"{root}/etc/") for word in command[2:]]
    with serving(program, tmp_path / "data", *options) as broker:
        assert f"data={tmp_path / 'data'}" in broker.ready


def test_the_service_writes_where_its_configuration_says(root):
    assert re.search(r'^data-dir = "/var/lib/millrace"$', configuration(root), re.MULTILINE)
    assert "\nStateDirectory=millrace\n" in unit_text(root)


@pytest.mark.parametrize("script", ["postinst", "prerm", "postrm"])
def test_maintainer_scripts_are_of_the_plain_shell(tmp_path, script):
    run("dpkg-deb", "-e", package("millrace"), tmp_path)
    text = (tmp_path / script).read_text()
    assert text.startswith("#!/bin/sh\nset -e\n")
    run("sh", "-n", tmp_path / script)


# -- The command line --------------------------------------------------------------------------------------------------


def test_rabbitmqctl_is_the_program(root):
    link = root / "usr/lib/millrace/rabbitmqctl"
    assert link.resolve() == (root / "usr/bin/millrace").resolve()
    assert "list_queues" in run(link, "help")


def test_the_man_page_is_well_formed_and_has_every_command_and_option(root, program):
    page = root / "usr/share/man/man1/millrace.1.gz"
    text = gzip.decompress(page.read_bytes()).decode()
    plain = text.replace("\\-", "-").replace("\\&", "")
    overview = run(program, "--help")
    verbs = re.findall(r"^  ([a-z]+(?: [a-z-]+)?)\s{1,}\S", overview.split("Commands:")[1], re.MULTILINE)
    assert len(verbs) > 30
    for verb in verbs:
        assert f"millrace {verb}" in plain, verb
    for option in re.findall(r"^  (--[a-z-]+)", run(program, "serve", "--help"), re.MULTILINE):
        assert f"\n.B {option}" in plain, option
    groff = need("groff")
    ended = subprocess.run([groff, "-man", "-ww", "-z", "-Tutf8"], input=text.encode(), capture_output=True, check=True)
    assert ended.stderr == b""
