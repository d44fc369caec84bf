"""Attempts to get out of the walls, as texts; `tests/sandbox/test_escapes.py` makes them.

None of them does harm where there are no walls: secrets are planted by the test, signals are 0 or go to what the test
started, and privileged calls get arguments with which they change nothing. So most are made without walls too, which
proves that they are real: such a program prints REACHED or leaves a trace on the test's own files. Bombs are made
behind walls alone.

An attempt in a file is `=== NAME`, lines of what is known of it, `---`, and the program.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
BOMBS = ("memory", "disk", "output", "time", "ends")


@dataclass(frozen=True)
class Attempt:
    """One attempt.

    Args:
        theme: the file's name.
        name: what is tried.
        text: the program. The names of `Host.names` are defined above it; it prints REACHED where it got what it must
            not have.
        held: verdicts that it may have behind walls.
        control: what it does without walls: `works`, `may` work (the system may lack what it needs), works in a
            `family` of its own (as the child of a stand-in), or `never`: it is not made.
        says: what its output has behind walls: that it came as far as trying.
        brief: it waits for the wall of time.
        checks: as in `Program`.
    """

    theme: str
    name: str
    text: str
    held: frozenset[str]
    control: str
    says: str
    brief: bool
    checks: str


def attempts() -> list[Attempt]:
    """All of them, by file and in the order of the file."""
    return [
        _read(path.stem, block)
        for path in sorted(HERE.glob("*.txt"))
        for block in path.read_text(encoding="utf-8").removeprefix("=== ").split("\n=== ")
    ]


def _read(theme: str, block: str) -> Attempt:
    head, text = block.split("\n---\n", 1)
    name, *lines = head.splitlines()
    known = dict(line.split(": ", 1) for line in lines)
    numbers = known.pop("system calls", "")
    if known.pop("made by", ""):
        text = eval(text)
    found = Attempt(
        theme,
        name,
        BY_NUMBER + text if numbers else text,
        frozenset(known.pop("verdict").split()),
        known.pop("without walls", "never" if theme in BOMBS else "works"),
        known.pop("says", "TRIED" if numbers else ""),
        known.pop("limits", "") == "brief",
        known.pop("checks", ""),
    )
    if known:
        raise ValueError(f"{theme}, {name}: what is {', '.join(known)}?")
    return found


BY_NUMBER = '''
import ctypes, errno, os, platform
libc = ctypes.CDLL(None, use_errno=True)
MACHINE = {"x86_64": 0, "aarch64": 1}[platform.machine()]

def call(numbers, *given):
    """A system call by its number on x86_64 and aarch64: its result, or OSError."""
    print("TRIED", flush=True)
    as_they_are = (ctypes.Array, ctypes.c_void_p, bytes)
    words = [word if isinstance(word, as_they_are) else ctypes.c_long(word) for word in given]
    ctypes.set_errno(0)
    found = libc.syscall(ctypes.c_long(numbers[MACHINE]), *words)
    if found == -1 and ctypes.get_errno():
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return found

def privileged(numbers, *given):
    """Whether a call with arguments that change nothing gets past the question whether one may."""
    try:
        call(numbers, *given)
    except OSError as error:
        if error.errno in (errno.EPERM, errno.EACCES, errno.ENOSYS):
            raise
    print("REACHED")

'''
"""What programs that make system calls by number begin with."""
