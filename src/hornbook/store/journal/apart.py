"""A journal's writer in a process of its own, for a loop that has no time to wait for the disk.

Beside a busy loop a writing thread waits for the interpreter's lock longer than for the disk: every commit took
4 ms instead of 0.4, and the loop stood still for a third of its time (measured: LOG.md). Batches go over a pipe, and
what was committed comes back. Where the asking process dies, its writer commits what it was given and ends.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import struct
import subprocess
import sys
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from hornbook.core.asking import Raw
from hornbook.store.journal.writer import Batch, JournalWriter, Numbers

HEAD = struct.Struct("<Q")
PIPE_BYTES = 2**20
"""Wanted room of the pipe: a batch that fits is handed over without waiting for the reader."""
READ_BYTES = 2**16


class JournalProcess:
    """As `JournalWriter`, for one event loop; use as an asynchronous context manager.

    Args:
        folder: the journal's folder; made where absent.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder
        self._waiting: deque[Future[Any]] = deque()
        self._held = bytearray()
        self._ended: Exception | None = None

    async def __aenter__(self) -> Self:
        """Start it.

        Raises:
            sqlite3.Error, OSError: the journal cannot be written.
        """
        self._loop = asyncio.get_running_loop()
        self._child = subprocess.Popen(
            [sys.executable, "-c", f"from {__name__} import main; main({str(self.path)!r})"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            bufsize=0,
            start_new_session=True,
        )
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._out = self._child.stdin
        self._in = self._child.stdout
        _widen(self._out.fileno())
        os.set_blocking(self._in.fileno(), False)
        self._loop.add_reader(self._in.fileno(), self._hear)
        started: Future[Any] = self._awaited()
        try:
            self.path = Path(await asyncio.wrap_future(started))
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Have all written that was put, and wait for its end."""
        self._out.close()
        while self._ended is None:
            with suppress(Exception):
                await asyncio.wrap_future(self._awaited())
        self._child.wait()

    def put(self, batch: Batch) -> Future[Numbers]:
        """Write a batch, all of it or nothing; gives the numbers of the first and the last of its answers."""
        done: Future[Numbers] = self._awaited()
        if self._ended is None:
            try:
                _send(self._out, _flat(batch))
            except OSError as error:  # it is gone: what it still said is heard first
                self._loop.call_soon(self._end, error)
        return done

    def _awaited(self) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_running_or_notify_cancel()
        if self._ended is not None:
            done.set_exception(self._ended)
        else:
            self._waiting.append(done)
        return done

    def _hear(self) -> None:
        """Take what came back."""
        try:
            data = os.read(self._in.fileno(), READ_BYTES)
        except BlockingIOError:
            return
        if not data:
            self._end(OSError("the process that writes it has ended"))
            return
        self._held += data
        while len(self._held) >= HEAD.size:
            size = HEAD.size + HEAD.unpack_from(self._held)[0]
            if len(self._held) < size:
                break
            found = pickle.loads(self._held[HEAD.size : size])
            del self._held[:size]
            done = self._waiting.popleft()
            if isinstance(found, BaseException):
                done.set_exception(found)
            else:
                done.set_result(found)

    def _end(self, error: Exception) -> None:
        if self._ended is not None:
            return
        self._ended = error
        self._loop.remove_reader(self._in.fileno())
        self._in.close()
        while self._waiting:
            self._waiting.popleft().set_exception(error)


def main(folder: str) -> None:
    """Write what comes over standard input until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # its end is the asking process's to say
    out = os.fdopen(sys.stdout.fileno(), "wb", buffering=0, closefd=False)

    def tell(what: object) -> None:
        with suppress(OSError):  # nobody listens any more
            _send(out, what)

    try:
        writer = JournalWriter(Path(folder))
    except Exception as error:
        tell(error)
        return
    with writer:
        tell(str(writer.path))
        while (head := sys.stdin.buffer.read(HEAD.size)) and len(head) == HEAD.size:
            size = HEAD.unpack(head)[0]
            data = sys.stdin.buffer.read(size)
            if len(data) < size:
                break
            done = writer.put(_whole(pickle.loads(data)))
            done.add_done_callback(lambda done: tell(done.exception() or done.result()))


def _flat(batch: Batch) -> tuple[Any, ...]:
    """A batch as plain tuples, which go over the pipe in half the time."""
    answers = [(key, raw.body, raw.seconds) for key, raw in batch.answers]
    return batch.intents, answers, batch.failures, batch.verdicts, batch.read


def _whole(flat: tuple[Any, ...]) -> Batch:
    intents, answers, failures, verdicts, read = flat
    return Batch(intents, [(key, Raw(body, seconds)) for key, body, seconds in answers], failures, verdicts, read)


def _send(pipe: IO[bytes], value: object) -> None:
    data = pickle.dumps(value, 5)
    whole = memoryview(HEAD.pack(len(data)) + data)
    while whole:
        whole = whole[pipe.write(whole) :]


def _widen(pipe: int) -> None:
    """Ask for a larger pipe, where the system has a way to."""
    if sys.platform == "linux":
        import fcntl

        with suppress(OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
