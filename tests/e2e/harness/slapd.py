"""OpenLDAP's slapd on the loopback, with a few entries, for as long as a test."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

from harness.rabbitmq import free_port

SUFFIX = "dc=example,dc=org"


def find_slapd():
    """Debian keeps it where no PATH of a user's goes."""
    return shutil.which("slapd", path=os.environ.get("PATH", "") + ":/usr/sbin")


class Slapd:
    def __init__(self, directory, people, groups, certificate=None, authority=None):
        """`people`: password by name. `groups`: names of people by the group's name."""
        program = Path(find_slapd())
        root = program.parents[2]
        self.environment = dict(os.environ)
        if str(root) != "/":
            self.environment["LD_LIBRARY_PATH"] = str(root / "usr/lib/x86_64-linux-gnu")
        data = directory / "data"
        data.mkdir()
        config = directory / "slapd.conf"
        lines = [
            f"include {root}/etc/ldap/schema/core.schema",
            f"modulepath {root}/usr/lib/ldap",
            "moduleload back_mdb",
            f"pidfile {directory}/slapd.pid",
        ]
        if certificate:
            lines += [f"TLSCertificateFile {certificate.chain}", f"TLSCertificateKeyFile {certificate.key}"]
            lines += [f"TLSCACertificateFile {authority.file}"]
        lines += ["database mdb", f"suffix {SUFFIX}", f"directory {data}", "access to attrs=userPassword by * auth"]
        lines += ["access to * by users read by * none"]
        config.write_text("\n".join(lines) + "\n")
        self._run(program, "-Ta", "-f", config, "-l", self._write(directory, people, groups))
        self.port, self.secure_port = free_port(), free_port()
        urls = f"ldap://127.0.0.1:{self.port}" + (f" ldaps://127.0.0.1:{self.secure_port}" if certificate else "")
        self.process = subprocess.Popen(
            [str(program), "-f", str(config), "-h", urls, "-d", "0"],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert time.monotonic() < deadline and self.process.poll() is None, "slapd does not start"
                time.sleep(0.05)

    def _run(self, program, *words):
        words = [str(program), *map(str, words)]
        done = subprocess.run(words, env=self.environment, capture_output=True, timeout=30, check=False)
        assert done.returncode == 0, done.stderr.decode()

    @staticmethod
    def _write(directory, people, groups):
        entries = [f"dn: {SUFFIX}\nobjectClass: dcObject\nobjectClass: organization\no: Example\ndc: example"]
        for unit in ("people", "groups"):
            entries.append(f"dn: ou={unit},{SUFFIX}\nobjectClass: organizationalUnit\nou: {unit}")
        for name, password in people.items():
            in_dn = name.replace(",", "\\,")
            entries.append(
                f"dn: cn={in_dn},ou=people,{SUFFIX}\nobjectClass: person\ncn: {name}\nsn: {name}\nuserPassword: {password}"
            )
        for name, members in groups.items():
            who = "".join(f"\nmember: cn={member},ou=people,{SUFFIX}" for member in members)
            entries.append(f"dn: cn={name},ou=groups,{SUFFIX}\nobjectClass: groupOfNames\ncn: {name}{who}")
        path = directory / "entries.ldif"
        path.write_text("\n\n".join(entries) + "\n")
        return path

    def close(self):
        self.process.kill()
        self.process.wait(10)
