"""One run: its processes are started, watched, ended; what they said is passed on unread.

A keeper must not hold what one run's checks say when the next run's program is forked from it: texts are read by the
processes themselves, reports and output lie in buffers that are wiped. Standard library alone: this runs in the walls.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from hornbook.sandbox.clock import Clock
from hornbook.sandbox.entering import CHANNEL, PASSED, REPORT, TEXT, Walls, held, report
from hornbook.sandbox.folders import taken
from hornbook.sandbox.judging import judge
from hornbook.sandbox.serving import serve

KEPT = 1 << 14
"""Bytes of output that are kept of each process. Ours."""

LONGEST = 1 << 16
"""Bytes of a report. Ours."""

GOING = 0.5
"""Seconds that a process which has closed its files may take to end. Ours."""

WATCH = 0.02
"""Seconds between looks at what no wall of the kernel's counts. Ours."""


def hard(seconds: float) -> float:
    """Seconds after which a run ends however long it waited for a processor. Ours."""
    return 10 * seconds + 5


class Buffer:
    """Bytes from a pipe: the first are kept, all are counted; wiped after use."""

    def __init__(self, size: int) -> None:
        self.bytes = bytearray(size)
        self.view = memoryview(self.bytes)
        self.have = 0
        self.count = 0
        self.fd = -1
        self._rest = bytearray(1 << 16)

    def open(self) -> int:
        """A new pipe to fill it; its writing end."""
        self.fd, writing = os.pipe()
        os.set_blocking(self.fd, False)
        return writing

    def read(self) -> bool:
        """Take what there is; False where nothing more will come."""
        room = self.view[self.have :]
        try:
            got = os.readv(self.fd, [room, self._rest] if room else [self._rest])
        except BlockingIOError:
            return True
        self.have = min(len(self.bytes), self.have + got)
        self.count += got
        return got > 0

    def wipe(self) -> None:
        if self.have:
            self.view[: self.have] = bytes(self.have)
        if self.count > len(self.bytes):
            self._rest[:] = bytes(len(self._rest))
        self.have = self.count = 0
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


@dataclass(slots=True)
class Part:
    """One of the two processes."""

    said: Buffer = field(default_factory=lambda: Buffer(LONGEST))
    out: Buffer = field(default_factory=lambda: Buffer(KEPT))
    pid: int = 0
    fd: int = -1
    ended: bool = False
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        return self.said.have > 0 and self.said.bytes[:1] == PASSED

    @property
    def spoke(self) -> bool:
        return self.said.have > 0 and (self.said.bytes.find(b"\n", 0, self.said.have) >= 0 or self.said.have == LONGEST)


class Runner:
    """
    Args:
        walls: that hold each process.
        clock: of this keeper's children.
        host: descriptor whose end means that nobody waits for the run any more.
        watch: whether threads and files have to be counted from here.
    """

    def __init__(self, walls: Walls, clock: Clock, host: int, watch: frozenset[str]) -> None:
        self.walls = walls
        self.clock = clock
        self.watch = watch
        self._host = host
        self.program = Part()
        self.judge = Part()
        self._looks: list[tuple[bytes, bytes]] = []

    def run(self, draw: int, text: int, checks: int) -> dict[str, Any]:
        """Run a program, and checks of it; its texts lie behind these descriptors (-1 for no checks).

        Returns:
            Numbers about the run. Reports and output are in the parts' buffers until `wipe`.
        """
        begun = time.monotonic()
        ends = socket.socketpair() if checks >= 0 else None
        try:
            self._start(self.program, draw, text, ends[0].fileno() if ends else -1, serving=True)
            if ends:
                self._start(self.judge, draw, checks, ends[1].fileno(), serving=False)
        finally:
            for end in ends or ():
                end.close()
        parts = [self.program, self.judge] if ends else [self.program]
        stopped, seconds = self._watch(parts, begun)
        if ends and not stopped:
            self._await_program()
        for part in parts:
            self._end(part)
        if not stopped and sum(part.out.count for part in parts) > self.walls.limits.output:
            stopped = "output"
        return {
            "stopped": stopped,
            "seconds": seconds,
            "program": self.program.facts,
            "judge": self.judge.facts if ends else None,
        }

    def wipe(self) -> None:
        """Forget the run."""
        for part in (self.program, self.judge):
            part.said.wipe()
            part.out.wipe()
            part.facts = {}
            part.ended = False

    def _start(self, part: Part, draw: int, text: int, channel: int, *, serving: bool) -> None:
        said, out = part.said.open(), part.out.open()
        fds = {1: out, 2: out, REPORT: said, TEXT: text}
        if channel >= 0:
            fds[CHANNEL] = channel
        part.pid = os.fork()
        if part.pid == 0:
            held(self.walls, fds, draw, _serving(channel >= 0) if serving else _judging)
        os.close(said)
        os.close(out)
        with contextlib.suppress(OSError):
            part.fd = os.pidfd_open(part.pid)

    def _watch(self, parts: list[Part], begun: float) -> tuple[str, float]:
        """Wait for the end of a run, or bring it about: why it was ended, and seconds that count."""
        limits = self.walls.limits
        poll, readers = self._listen(parts)
        watched = bool(self.watch) or any(part.fd < 0 for part in parts)
        until = limits.seconds
        self._looks = []
        while True:
            passed = time.monotonic() - begun
            if passed >= until:
                counted = self._counted(parts, passed)
                if passed >= hard(limits.seconds) or (counted >= limits.seconds and self._ran(parts)):
                    return "timeout", counted
                until = passed + max(limits.seconds - counted, WATCH)
            rest = until - passed
            for fd, what in poll.poll(1000 * (min(rest, WATCH) if watched else rest) + 1):
                if fd == self._host and what & (select.POLLHUP | select.POLLRDHUP | select.POLLERR):
                    return "abandoned", passed
                if fd not in readers or not readers[fd].read():
                    poll.unregister(fd)
            if sum(part.out.count for part in parts) > limits.output:
                return "output", passed
            if self._over(parts):
                return "", self._counted(parts, time.monotonic() - begun)
            stopped = self._look(parts)
            if stopped:
                return stopped, passed

    def _listen(self, parts: list[Part]) -> tuple[select.poll, dict[int, Buffer]]:
        poll = select.poll()
        poll.register(self._host, select.POLLRDHUP)
        readers = {}
        for part in parts:
            for buffer in (part.said, part.out):
                poll.register(buffer.fd, select.POLLIN)
                readers[buffer.fd] = buffer
            if part.fd >= 0:
                poll.register(part.fd, select.POLLIN)
        return poll, readers

    def _counted(self, parts: list[Part], passed: float) -> float:
        return max(0.0, passed - sum(self.clock.waited(part.pid) for part in parts))

    def _ran(self, parts: list[Part]) -> bool:
        """Whether since the last look none of them stood waiting for a processor: that is only counted when it ends."""
        before, self._looks = self._looks, [self.clock.look(part.pid) for part in parts]
        return bool(before) and not any(
            now[0] == b"R" and now == then for now, then in zip(self._looks, before, strict=True)
        )

    def _over(self, parts: list[Part]) -> bool:
        """Whether it is known how it ends: the program failed, or all have ended."""
        for part in parts:
            if not part.ended and _dead(part.pid):
                part.ended = True
                part.said.read()
        program = self.program
        if len(parts) == 1:
            return program.ended
        if program.spoke or program.ended:
            return self.judge.ended if program.passed else True
        return False

    def _await_program(self) -> None:
        """Where the judge found the program gone, its end is about to be seen: it says how it ended."""
        said, until = self.judge.said, time.monotonic() + GOING
        if said.bytes.find(b'"exited"', 0, said.have) < 0:
            return
        while not self.program.ended and time.monotonic() < until:
            self.program.ended = _dead(self.program.pid)
            time.sleep(0.001)

    def _look(self, parts: list[Part]) -> str:
        limits = self.walls.limits
        if "threads" in self.watch and any(self.clock.threads(part.pid) > limits.threads for part in parts):
            return "threads"
        if "files" in self.watch:
            files, size = taken(self.walls.folder, limits.files)
            if files > limits.files or size > limits.disk << 20:
                return "disk"
        return ""

    def _end(self, part: Part) -> None:
        if not part.ended:
            with contextlib.suppress(OSError):
                os.kill(part.pid, signal.SIGKILL)
        _, status, used = os.wait4(part.pid, 0)
        for buffer in (part.said, part.out):
            while buffer.count <= self.walls.limits.output and (before := buffer.count, buffer.read())[1]:
                if buffer.count == before:
                    break
        part.facts["status"] = os.waitstatus_to_exitcode(status) if part.ended else None
        part.facts["cpu"] = used.ru_utime + used.ru_stime
        part.facts["memory"] = used.ru_maxrss / 1024
        if part.fd >= 0:
            os.close(part.fd)
            part.fd = -1


def _dead(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _serving(checked: bool) -> Any:
    def do(text: str) -> None:
        serve(text, CHANNEL if checked else None, report)
        _finish()

    return do


def _judging(text: str) -> None:
    judge(text, CHANNEL, report)
    _finish()


def _finish() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
