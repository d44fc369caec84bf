"""The last steps of a run's own process, before it runs what it was given: from here on it is held.

Standard library alone: this runs in the walls.
"""

from __future__ import annotations

import gc
import json
import math
import os
import random
import resource
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hornbook.sandbox import landlock, libc
from hornbook.sandbox.namespaces import NOBODY
from hornbook.sandbox.seccomp import Filter
from hornbook.sandbox.values import Limits

REPORT, CHANNEL, TEXT = 3, 4, 5
"""File descriptors of a run's process, beside standard input, output and error."""

OPEN_FILES = 128
"""At once. Ours."""

SHARED = 64 << 20
"""Bytes of address space beyond the limit, for libraries that are loaded: what is written there counts as memory."""

WALLS_FAILED = b"!"
PASSED, FAILED = b"P", b"F"
"""First byte of a report, so that the keeper need not read the rest."""


@dataclass(slots=True)
class Walls:
    """What holds a run's process.

    Args:
        limits: of a run.
        folder: its folder.
        switch: whether it becomes `NOBODY`.
        rules: Landlock's ruleset; -1 for none.
        filter: seccomp's; None for none.
        threads: processes and threads its user may have, 0 where they cannot be counted apart from others.
        space: bytes of address space that an idle process has.
        data: bytes of private memory that it has.
        shared: bytes of address space beyond the limit of memory.
    """

    limits: Limits
    folder: str
    switch: bool = False
    rules: int = -1
    filter: Filter | None = None
    threads: int = 0
    space: int = 0
    data: int = 0
    shared: int = SHARED

    def enter(self, fds: dict[int, int]) -> None:
        """Hold this process.

        Args:
            fds: descriptors to have, each with the one it is now; all others are closed.

        Raises:
            OSError: a wall could not be put up.
        """
        for target, source in fds.items():
            os.dup2(source, target)
        os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
        self._limit()
        os.chdir(self.folder)
        if self.rules >= 0:
            landlock.restrict(self.rules)
        for free in {REPORT, CHANNEL, TEXT} - fds.keys():
            os.close(free)
        os.closerange(TEXT + 1, 4 * OPEN_FILES)
        if self.switch:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
        libc.drop_capabilities()
        libc.prctl(libc.PR_SET_PDEATHSIG, libc.SIGKILL)
        libc.prctl(libc.PR_SET_DUMPABLE, 0)
        if self.filter is not None:
            self.filter.load(os.getpid())

    def _limit(self) -> None:
        more = self.limits.memory << 20
        seconds = math.ceil(self.limits.seconds) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        resource.setrlimit(resource.RLIMIT_DATA, (self.data + more, self.data + more))
        total = self.space + more + self.shared
        resource.setrlimit(resource.RLIMIT_AS, (total, total))
        if self.threads:
            resource.setrlimit(resource.RLIMIT_NPROC, (self.threads, self.threads))


def limit_keeper(limits: Limits) -> None:
    """Limits that a keeper itself can live with, and its runs inherit."""
    bytes_on_disk = limits.disk << 20
    for kind, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, bytes_on_disk),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
        (resource.RLIMIT_SIGPENDING, 64),
        (resource.RLIMIT_STACK, 8 << 20),
    ):
        _, hard = resource.getrlimit(kind)
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (bound, bound))


def whole(fd: int) -> str:
    """The text behind a descriptor, which is closed."""
    size = os.fstat(fd).st_size
    parts, have = [], 0
    while have < size and (part := os.pread(fd, min(size - have, 1 << 22), have)):
        parts.append(part)
        have += len(part)
    os.close(fd)
    return b"".join(parts).decode("utf-8", "surrogatepass")


def report(facts: dict[str, Any]) -> None:
    """Say how a phase ended; only the first report counts."""
    body = json.dumps(facts).encode() + b"\n"
    send((PASSED if facts["verdict"] == "pass" else FAILED) + body)


def send(data: bytes) -> None:
    """Write all of it to where reports go."""
    left = memoryview(data)
    try:
        while left:
            left = left[os.write(REPORT, left) :]
    except OSError:
        return


def held(walls: Walls, fds: dict[int, int], draw: int, do: Callable[[str], None]) -> None:
    """Hold this process, do one thing with its text, and end."""
    try:
        walls.enter(fds)
    except BaseException as error:
        os.write(fds[REPORT], WALLS_FAILED + f"{type(error).__name__}: {error}".encode()[:300])
        os._exit(97)
    try:
        gc.enable()
        random.seed(draw)
        do(whole(TEXT))
    except BaseException as error:
        last(error)
    os._exit(0)


def last(error: BaseException) -> None:
    """What nobody caught: memory that ran out, mostly."""
    verdict = "memory" if isinstance(error, MemoryError) else "error"
    report({"verdict": verdict, "error": type(error).__name__, "message": "", "line": 0})
