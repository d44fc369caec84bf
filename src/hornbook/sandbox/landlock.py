"""Landlock: which files a process may open, which ports it may use, whom it may signal (Linux 5.13 and later).

Source: Documentation/userspace-api/landlock.rst and include/uapi/linux/landlock.h of the Linux kernel.
Standard library alone: this runs in the walls.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable

from hornbook.sandbox import libc

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_DIR, REMOVE_FILE = (1 << n for n in range(6))
MAKE_DIR, MAKE_REG, MAKE_SYM = 1 << 7, 1 << 8, 1 << 12
REFER, TRUNCATE = 1 << 13, 1 << 14
_BITS_OF_ABI = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""Rights to files that each version of the interface knows: 16 since version 5."""

_OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE
READING = READ_FILE | READ_DIR
WRITING = READING | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | MAKE_SYM | REFER | TRUNCATE
"""What a program may do in its own folder: no sockets, pipes or devices."""

_TCP = 3
_SCOPES = 3
"""Bind and connect; abstract sockets and signals."""


def version() -> int:
    """The version of the interface; 0 where there is no Landlock."""
    try:
        return libc.syscall("landlock_create_ruleset", 0, 0, 1)
    except OSError:
        return 0


def ruleset(reading: Iterable[str], writing: Iterable[str]) -> int:
    """A ruleset that lets these files and folders be read, and those be written too.

    Returns:
        Its file descriptor, for `restrict`.

    Raises:
        OSError: the kernel has no Landlock, or refuses it.
    """
    abi = version()
    handled = (1 << _BITS_OF_ABI.get(abi, 16)) - 1
    size = 8 if abi < 4 else 16 if abi < 6 else 24
    attributes = struct.pack("<QQQ", handled, _TCP, _SCOPES)[:size]
    rules = libc.syscall("landlock_create_ruleset", ctypes.create_string_buffer(attributes, size), size, 0)
    for rights, paths in ((READING, reading), (WRITING, writing)):
        for path in paths:
            _allow(rules, path, rights & handled)
    return rules


def _allow(rules: int, path: str, rights: int) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not os.path.isdir(path):  # noqa: PTH112
            rights &= _OF_FILES
        rule = ctypes.create_string_buffer(struct.pack("<Qi", rights, fd), 12)
        libc.syscall("landlock_add_rule", rules, 1, rule, 0)
    finally:
        os.close(fd)


def restrict(rules: int) -> None:
    """From now on this process and its children are held by the rules; no new privileges must have been said before.

    Raises:
        OSError: the kernel refuses.
    """
    libc.syscall("landlock_restrict_self", rules, 0)
