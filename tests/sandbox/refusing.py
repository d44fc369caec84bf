"""Runs a command where the kernel refuses some system calls with EPERM, as a container's runtime may.

`python -m tests.sandbox.refusing namespaces,landlock,seccomp COMMAND …`; `users` refuses user namespaces alone.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys

NUMBERS = {
    "x86_64": {"namespaces": (272, 308), "landlock": (444, 445, 446), "seccomp": (317,), "pidfd": (434,)},
    "aarch64": {"namespaces": (97, 268), "landlock": (444, 445, 446), "seccomp": (277,), "pidfd": (434,)},
}
CLONE = {"x86_64": 56, "aarch64": 220}
NEW_USER = 0x10000000


def refuse(what: list[str]) -> None:
    """From now on these calls fail for this process and its children."""
    machine = platform.machine()
    numbers = [number for name in what for number in NUMBERS[machine].get(name, ())]
    steps = [(0x20, 0, 0, 0)]
    for number in numbers:
        steps += [(0x15, 0, 1, number), (0x06, 0, 0, 0x00050001)]
    if "namespaces" in what:
        steps += [(0x15, 0, 3, CLONE[machine]), (0x20, 0, 0, 16), (0x45, 0, 1, NEW_USER), (0x06, 0, 0, 0x00050001)]
    if "users" in what:
        unshare = NUMBERS[machine]["namespaces"][0]
        steps += [(0x20, 0, 0, 0), (0x15, 0, 3, unshare), (0x20, 0, 0, 16), (0x45, 0, 1, NEW_USER)]
        steps.append((0x06, 0, 0, 0x00050001))
    steps.append((0x06, 0, 0, 0x7FFF0000))
    code = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(struct.pack("<HxxxxxxQ", len(steps), ctypes.addressof(code)), 16)
    libc = ctypes.CDLL(None, use_errno=True)
    zero = ctypes.c_ulong(0)
    assert libc.prctl(38, ctypes.c_ulong(1), zero, zero, zero) == 0
    assert libc.prctl(22, ctypes.c_ulong(2), program, zero, zero) == 0, os.strerror(ctypes.get_errno())


if __name__ == "__main__":
    refuse(sys.argv[1].split(","))
    os.execvp(sys.argv[2], sys.argv[2:])
