"""The event loop's end of the journal: what a turn brings is one batch, and a few are under way at a time.

While so many are, what comes gathers for the next one: the slower the disk, the larger the batches, and the
loop is woken once a batch, not once a record.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress

from hornbook.store.journal import Batch, JournalProcess, JournalWriter

Numbers = tuple[int, int]
UNDER_WAY = 4
"""Batches: one that is committed, others on their way there or back, so that the disk never waits for the loop."""


class Recorder:
    """Gathers records and has them written.

    Args:
        writer: the journal.
        landed: called in the loop with every batch that is on disk, and the numbers of its replies.
        broken: called in the loop with the error of a batch that could not be written.
    """

    def __init__(
        self,
        writer: JournalWriter | JournalProcess,
        landed: Callable[[Batch, Numbers], None],
        broken: Callable[[Batch, BaseException], None],
    ) -> None:
        self.batch = Batch()
        """What gathers; `touch` after adding what somebody waits for (verdicts go with the next batch)."""
        self._writer = writer
        self._landed, self._broken = landed, broken
        self._loop = asyncio.get_running_loop()
        self._flying: deque[Batch] = deque()
        self._due = False

    @property
    def idle(self) -> bool:
        """Whether nothing that anyone waits for gathers or is being written."""
        return not (self._flying or self._wanted())

    def touch(self) -> None:
        """Something was added: have it written as soon as this turn of the loop is over."""
        if len(self._flying) < UNDER_WAY and not self._due:
            self._due = True
            self._loop.call_soon(self._flush)

    def rest(self) -> Future[Numbers]:
        """Have the rest written, at the very end; the future is done when it is on disk."""
        batch, self.batch = self.batch, Batch()
        return self._writer.put(batch)

    def _wanted(self) -> bool:
        """Whether anyone waits for what gathers."""
        return bool(self.batch.intents or self.batch.answers or self.batch.failures)

    def _flush(self) -> None:
        self._due = False
        if len(self._flying) >= UNDER_WAY or not self._wanted():
            return
        self._flying.append(self.batch)
        self.batch = Batch()
        self._writer.put(self._flying[-1]).add_done_callback(self._written)

    def _written(self, done: Future[Numbers]) -> None:
        """In the journal's thread."""
        with suppress(RuntimeError):  # the loop has ended: what was to be kept is
            self._loop.call_soon_threadsafe(self._arrived, done)

    def _arrived(self, done: Future[Numbers]) -> None:
        batch = self._flying.popleft()
        error = done.exception()
        if error is not None:
            self._broken(batch, error)
        else:
            self._landed(batch, done.result())
        self._flush()
