"""The system calls that a unit of systemd leaves to its service, and a program that is held to them without systemd.

  python3 system_calls.py NAMES PROGRAM [ARGUMENT...]     NAMES is a file with the allowed calls, a line each

A call that is not among them fails with EPERM, as SystemCallErrorNumber=EPERM says.
"""

import ctypes
import errno
import os
import re
import struct
import sys

from conftest import need, run

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
LOAD_NUMBER, RETURN, JUMP_IF_EQUAL = 0x20, 0x06, 0x15
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM


def allowed_by(unit):
    """Names, as SystemCallFilter= gives and takes them in its order (systemd.exec(5))."""
    allowed = set()
    for line in re.findall(r"^SystemCallFilter=(.*)$", unit, re.MULTILINE):
        named = expanded(line.lstrip("~").split())
        allowed = allowed - named if line.startswith("~") else allowed | named
    return allowed


def expanded(words):
    return set().union(*(calls_in(word) if word.startswith("@") else {word} for word in words))


def calls_in(group):
    lines = [line.strip() for line in run(need("systemd-analyze"), "syscall-filter", group).splitlines()]
    return expanded([line for line in lines if line and not line.startswith("#") and line != group])


def numbers():
    """{name: number} on this machine, by the headers of its compiler."""
    text = run("cc", "-E", "-dM", "-include", "asm/unistd.h", "-x", "c", os.devnull)
    return {name: int(number) for name, number in re.findall(r"#define __NR_(\w+) (\d+)$", text, re.MULTILINE)}


def hold_to(names):
    """This process, what it executes, and all that comes of them."""
    known = numbers()
    program = [struct.pack("HBBI", LOAD_NUMBER, 0, 0, 0)]
    for number in sorted(known[name] for name in names if name in known):
        program.append(struct.pack("HBBI", JUMP_IF_EQUAL, 0, 1, number))
        program.append(struct.pack("HBBI", RETURN, 0, 0, ALLOW))
    program.append(struct.pack("HBBI", RETURN, 0, 0, REFUSE))
    instructions = ctypes.create_string_buffer(b"".join(program))
    described = ctypes.create_string_buffer(struct.pack("HP", len(program), ctypes.addressof(instructions)))
    library = ctypes.CDLL(None, use_errno=True)
    for option, value, more in ((PR_SET_NO_NEW_PRIVS, 1, None), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, described)):
        if library.prctl(option, value, more, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    with open(sys.argv[1]) as listed:
        hold_to(listed.read().split())
    os.execv(sys.argv[2], sys.argv[2:])
