"""Where requests wait for a server that takes them: first come, first served, woken when one has room."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path

from hornbook.core.errors import HornbookError
from hornbook.teachers.ends import End, Ends

LOOK_SECONDS = 1.0
"""How often the file of servers is looked at."""
DOWN_SECONDS = 120.0
"""Seconds without any working server after which the run stops; with a file of servers an hour, for a job may bring
new ones."""
REFUSED_SECONDS = 3600.0
"""Seconds in which servers only refuse (429) after which the run stops."""


class Gate:
    """Lets requests through to servers.

    Args:
        ends: the servers.
        probe: whether a broken server is well again; never raises.
        log: told a line at a time when servers come, go, break and mend.
        file: where the servers' addresses are read from, again whenever it changes; None for none.
        read: reads them.
    """

    def __init__(
        self,
        ends: Ends,
        probe: Callable[[End], Awaitable[bool]],
        log: Callable[[str], None],
        file: Path | None = None,
        read: Callable[[Path], tuple[str, ...]] = lambda path: (),
    ) -> None:
        self.ends = ends
        self._probe, self._log = probe, log
        self._file, self._read = file, read
        self._stamp: tuple[int, int] | None = None
        self._next_look = 0.0
        self._queue: deque[tuple[asyncio.Future[End], float]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._probes: set[asyncio.Task[None]] = set()
        self._good_at = time.monotonic()

    async def enter(self, tokens: float = 0.0) -> End:
        """Wait for a server that takes a request now, and count it as sent; `leave` must follow.

        Args:
            tokens: the most it may use, for a limit of tokens a minute.

        Raises:
            HornbookError: no server has worked for long.
        """
        now = time.monotonic()
        if self._file is not None and now >= self._next_look:
            self._look(now)
        if not self._queue:
            end = self.ends.choose(now, tokens)
            if end is not None:
                self.ends.send(end, now, tokens)
                return end
        turn: asyncio.Future[End] = asyncio.get_running_loop().create_future()
        self._queue.append((turn, tokens))
        self._set_timer(now)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.leave(turn.result())
            raise

    def leave(self, end: End) -> None:
        """The request is through, whatever came of it (which the server was told before)."""
        end.back()
        self._good_at = max(self._good_at, end.good_at)
        if self._queue or end.state == "open":
            self._turn()

    def close(self) -> None:
        """Let nothing go on."""
        if self._timer is not None:
            self._timer.cancel()
        for task in self._probes:
            task.cancel()

    def _turn(self) -> None:
        """Let through whom there is room for, look at what is due, and sleep until something may change."""
        now = time.monotonic()
        if self._file is not None and now >= self._next_look:
            self._look(now)
        for end in self.ends.broken(now):
            task = asyncio.get_running_loop().create_task(self._examine(end))
            self._probes.add(task)
            task.add_done_callback(self._probes.discard)
        while self._queue:
            turn, tokens = self._queue[0]
            if not turn.done():
                found = self.ends.choose(now, tokens)
                if found is None:
                    break
                self.ends.send(found, now, tokens)
                turn.set_result(found)
            self._queue.popleft()
        if self._queue and (error := self._hopeless(now)) is not None:
            for turn, _ in self._queue:
                if not turn.done():
                    turn.set_exception(error)
            self._queue.clear()
        self._set_timer(now)

    def _set_timer(self, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        wait = self.ends.look(now)
        if self._queue:
            wait = min(wait, self.ends.wait(now, self._queue[0][1]), LOOK_SECONDS)
        if wait < math.inf:
            self._timer = asyncio.get_running_loop().call_later(max(0.0005, wait), self._turn)

    async def _examine(self, end: End) -> None:
        well = await self._probe(end)
        end.seen(time.monotonic(), well)
        if well:
            self._log(f"teacher: {end.url} answers again")
        self._turn()

    def _look(self, now: float) -> None:
        """Read the file of servers where it has changed; one that cannot be read changes nothing."""
        self._next_look = now + LOOK_SECONDS
        assert self._file is not None
        try:
            found = self._file.stat()
            stamp = (found.st_mtime_ns, found.st_size)
            if stamp == self._stamp:
                return
            urls = self._read(self._file)
        except OSError:
            return
        self._stamp = stamp
        new, gone = self.ends.update(urls)
        for url in new:
            self._log(f"teacher: {url} has come")
        for url in gone:
            self._log(f"teacher: {url} has gone")

    def _hopeless(self, now: float) -> HornbookError | None:
        """Why waiting longer is of no use, or None."""
        working = [end for end in self.ends.all if end.state == "closed" and not end.leaving]
        if any(end.outstanding for end in self.ends.all):
            return None
        since = now - self._good_at
        patience = REFUSED_SECONDS if working or self._file is not None else DOWN_SECONDS
        if since < patience:
            return None
        names = ", ".join(end.url for end in self.ends.all) or f"none in {self._file}"
        what = "refused every request (too many)" if working else "answered nothing"
        return HornbookError(
            f"the servers have {what} for {since:.0f} s",
            where=f"teacher {names}",
            fix="see that they are up and what they allow, and run again: what was paid for is kept",
        )
