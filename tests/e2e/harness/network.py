"""A network of its own for a test: a namespace of the kernel's in which only the test and its broker are."""

import ctypes
import fcntl
import os
import socket
import struct
import threading

CLONE_NEWNET = 0x40000000
SIOCSIFFLAGS, SIOCSIFADDR, IFF_UP = 0x8914, 0x8916, 1


def in_own_network(address, work):
    """Runs work() where the loopback interface has `address` besides 127.0.0.1, and returns what it returns.

    Nothing outside can be reached from there, nor reaches it. Needs root: PermissionError otherwise. Processes that
    work() starts live there too.
    """
    outcome = []

    def run():
        try:
            leave_network()
            bring_up_loopback(address)
            outcome.append((work(), None))
        except BaseException as error:  # pylint: disable=broad-except
            outcome.append((None, error))

    # The namespace is a thread's own, so the rest of the tests keep theirs.
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    value, error = outcome[0]
    if error is not None:
        raise error
    return value


def leave_network():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        code = ctypes.get_errno()
        raise PermissionError(code, f"cannot make a network namespace: {os.strerror(code)}")


def bring_up_loopback(address):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        flags = struct.pack("16sH14x", b"lo", IFF_UP)
        fcntl.ioctl(control, SIOCSIFFLAGS, flags)
        name = struct.pack("16sHH4s8x", b"lo:1", socket.AF_INET, 0, socket.inet_aton(address))
        fcntl.ioctl(control, SIOCSIFADDR, name)
