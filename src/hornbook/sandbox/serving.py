"""The program's side: runs its text, then does for the judge what the checks ask of what it defined."""

from __future__ import annotations

import builtins
import io
import os
import random
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from hornbook.sandbox.endings import compiled, ending, passed
from hornbook.sandbox.peer import Peer

NAME = "<program>"
ALOUD = 1 << 18
"""Bytes printed between two messages that the judge is told of; what is beyond goes out directly. Ours."""


class Spout(io.RawIOBase):
    """Standard output or error: out directly, or, while a check's call runs, kept for the judge."""

    def __init__(self, fd: int, kept: list[list[Any]]) -> None:
        self.fd = fd
        self.keeping = False
        self._kept = kept

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self.fd

    def isatty(self) -> bool:
        return False

    def write(self, data: Any) -> int:
        if self.keeping and sum(len(text) for _, text in self._kept) < ALOUD:
            self._kept.append([self.fd, bytes(data).decode("utf-8", "replace")])
            return len(data)
        return os.write(self.fd, data)


class Outputs:
    """The program's standard output and error."""

    def __init__(self) -> None:
        self._kept: list[list[Any]] = []
        self._spouts = [Spout(fd, self._kept) for fd in (1, 2)]
        self.streams = [
            io.TextIOWrapper(io.BufferedWriter(spout), encoding="utf-8", errors="backslashreplace", line_buffering=True)
            for spout in self._spouts
        ]
        sys.stdout, sys.stderr = self.streams

    def flush(self) -> None:
        for stream in self.streams:
            try:
                stream.flush()
            except (OSError, ValueError):
                continue

    def keep(self) -> None:
        """From now on what is printed is for the judge."""
        self.flush()
        for spout in self._spouts:
            spout.keeping = True

    def spoken(self) -> list[list[Any]]:
        """What was printed since the last time, in order."""
        self.flush()
        if not self._kept:
            return []
        said = self._kept[:]
        self._kept.clear()
        return said

    def close(self) -> None:
        for spout in self._spouts:
            spout.keeping = False
        for fd, text in self._kept:
            os.write(fd, text.encode("utf-8", "replace"))
        self.flush()


def serve(program: str, channel_fd: int | None, report: Callable[[dict[str, Any]], None]) -> None:
    """Run a program, report how its definition phase ended, then serve the channel until it is closed.

    Args:
        program: Python; run as `__main__`.
        channel_fd: this side's end of a stream socket to `judging.judge`; None where there are no checks.
        report: told verdict, error, message and line once: `pass` where the text ran to its end.
    """
    outputs = Outputs()
    space, failed = run(program)
    outputs.flush()
    if failed is not None:
        report(failed)
        return
    report(passed())
    if channel_fd is None:
        return
    outputs.keep()
    peer = Peer(channel_fd, doubts=False, spoken=outputs.spoken)
    peer.more = {"name": _names(space), "finish": Finishing().finish, "seed": random.seed}
    try:
        peer.answer_all()
    finally:
        outputs.close()


def run(program: str) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The globals that a text leaves, and how it ended where it did not come to its end."""
    code = compiled(program, NAME)
    if isinstance(code, dict):
        return {}, code
    module = ModuleType("__main__")
    module.__dict__["__builtins__"] = builtins
    sys.modules["__main__"] = module
    sys.argv = [NAME]
    try:
        exec(code, module.__dict__)
    except BaseException as error:
        return module.__dict__, ending(error, NAME)
    return module.__dict__, None


def _names(space: dict[str, Any]) -> Callable[[str], Any]:
    def find(name: str) -> Any:
        if name in space and name != "__builtins__":
            return space[name]
        raise NameError(f"name {name!r} is not defined")

    return find


class Finishing:
    """Runs what the checks await: in one loop, to its end."""

    def __init__(self) -> None:
        self._loop: Any = None

    def finish(self, awaitable: Any) -> Any:
        import asyncio

        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self._loop)

        async def whole() -> Any:
            return await awaitable

        return self._loop.run_until_complete(whole())
