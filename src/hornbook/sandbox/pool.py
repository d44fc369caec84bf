"""The sandbox as the rest of Hornbook sees it: programs go in, outcomes come out, in order, in bounded memory."""

from __future__ import annotations

import contextlib
import os
import select
import threading
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from types import TracebackType
from typing import Any

from hornbook.core.errors import UserError
from hornbook.sandbox.host import Keeper, Lost, Settings
from hornbook.sandbox.values import Limits, Outcome, Program, Wall
from hornbook.sandbox.walls import WALLS, Standing, demand, standing

KEPT = 4
"""Keepers a worker keeps warm, each for a draw of its own. Ours."""

AHEAD = 4
"""Runs a worker may be ahead of the one that is waited for. Ours."""


class Sandbox:
    """Runs untrusted Python by the thousand, behind walls.

    Args:
        limits: of each run.
        workers: runs at a time; 0: as many as there are processors to be had.
        require: walls without which nothing is run.
        packages: whether programs may import what is installed beside Hornbook.
        way: how walls are to be built: None tries namespaces of its own, then bubblewrap, then none; or one of
            `direct`, `bubblewrap`, `none` alone.

    Raises:
        UserError: at the first run, where a required wall cannot be had.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        workers: int = 1,
        require: Collection[Wall] = WALLS,
        packages: bool = False,
        way: str | None = None,
    ) -> None:
        unknown = sorted(set(require) - set(WALLS))
        if unknown:
            raise UserError(f"no such wall: {', '.join(unknown)}", fix=f"one of {', '.join(WALLS)}")
        if workers < 0:
            raise UserError(f"workers = {workers} is below 0", fix="workers: runs at a time; 0 for all processors")
        self.limits = limits or Limits()
        self._require = tuple(require)
        self._settings = Settings(self.limits, packages, way)
        self._workers = [_Worker(self._settings, self._require) for _ in range(workers or _processors())]
        self._free = deque(self._workers)
        self._change = threading.Condition()
        self._owner = os.getpid()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def run(self, program: Program) -> Outcome:
        """Run one program; waits for a worker that is free. May be called from several threads.

        Raises:
            UserError: a required wall cannot be had.
        """
        worker = self._take()
        try:
            worker.begin(program)
            return worker.finish()
        except BaseException:
            worker.stop()
            raise
        finally:
            self._give([worker])

    def run_all(self, programs: Iterable[Program]) -> Iterator[Outcome]:
        """Run programs with all workers that are free now; outcomes come in the order of the programs.

        Raises:
            UserError: a required wall cannot be had.
        """
        workers = [self._take(), *self._take_free()]
        try:
            yield from _in_order(workers, iter(programs))
        finally:
            for worker in workers:
                if worker.busy:
                    worker.stop()
            self._give(workers)

    def standing(self) -> list[Standing]:
        """Which walls stand, whether they are required or not."""
        worker = self._take()
        try:
            return standing(worker.facts())
        finally:
            self._give([worker])

    def close(self) -> None:
        """End all keepers; nothing of them is left."""
        for worker in self._workers:
            worker.stop()

    def _take(self) -> _Worker:
        if os.getpid() != self._owner:
            self._after_fork()
        with self._change:
            while not self._free:
                self._change.wait()
            return self._free.popleft()

    def _take_free(self) -> list[_Worker]:
        with self._change:
            free = list(self._free)
            self._free.clear()
            return free

    def _give(self, workers: list[_Worker]) -> None:
        with self._change:
            self._free.extend(workers)
            self._change.notify_all()

    def _after_fork(self) -> None:
        """In a process forked from the one that made it: its keepers are the other's."""
        for worker in self._workers:
            worker.forget()
        self._workers = [_Worker(self._settings, self._require) for _ in self._workers]
        self._free = deque(self._workers)
        self._change = threading.Condition()
        self._owner = os.getpid()


class _Worker:
    """One run at a time; a keeper for each of the latest draws."""

    def __init__(self, settings: Settings, require: tuple[Wall, ...]) -> None:
        self._settings = settings
        self._require = require
        self._keepers: dict[int, Keeper] = {}
        self._now: tuple[Keeper, Program] | None = None

    @property
    def busy(self) -> bool:
        return self._now is not None

    def fileno(self) -> int:
        assert self._now is not None
        return self._now[0].fileno()

    @property
    def patience(self) -> float:
        assert self._now is not None
        return self._now[0].patience

    def facts(self) -> dict[str, Any]:
        return self._keeper(0, demanding=False).facts

    def begin(self, program: Program) -> None:
        """Send a program off.

        Raises:
            UserError: a required wall cannot be had.
        """
        keeper = self._keeper(program.draw)
        try:
            keeper.send(program)
        except Lost:
            self._drop(keeper)
            keeper = self._keeper(program.draw)
            with contextlib.suppress(Lost):
                keeper.send(program)
        self._now = (keeper, program)

    def finish(self) -> Outcome:
        """What came of it; a run whose keeper was lost is tried once more, and is never a pass for that."""
        assert self._now is not None
        keeper, program = self._now
        try:
            found = keeper.receive(bool(program.checks))
        except Lost:
            self._drop(keeper)
            keeper = self._keeper(program.draw)
            try:
                keeper.send(program)
                found = keeper.receive(bool(program.checks))
            except Lost as lost:
                self._drop(keeper)
                found = Outcome("error", "keeper", str(lost))
        self._now = None
        return found

    def stop(self) -> None:
        for keeper in self._keepers.values():
            keeper.close()
        self._keepers.clear()
        self._now = None

    def forget(self) -> None:
        for keeper in self._keepers.values():
            keeper.forget()
        self._keepers.clear()

    def _keeper(self, draw: int, *, demanding: bool = True) -> Keeper:
        seed = draw % (1 << 32)
        keeper = self._keepers.pop(seed, None)
        if keeper is None:
            while len(self._keepers) >= KEPT:
                self._drop(next(iter(self._keepers.values())))
            keeper = Keeper(self._settings, seed)
        self._keepers[seed] = keeper
        if demanding:
            try:
                demand(self._require, keeper.facts)
            except UserError:
                self._drop(keeper)
                raise
        return keeper

    def _drop(self, keeper: Keeper) -> None:
        keeper.close()
        self._keepers = {seed: other for seed, other in self._keepers.items() if other is not keeper}


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _in_order(workers: list[_Worker], programs: Iterator[Program]) -> Iterator[Outcome]:
    """Outcomes in order; at most `AHEAD` runs a worker are begun or done beyond the one that is next."""
    done: dict[int, Outcome] = {}
    running: dict[_Worker, int] = {}
    begun = given = 0
    more = True
    while True:
        while (
            more and begun - given < AHEAD * len(workers) and (idle := next((w for w in workers if not w.busy), None))
        ):
            program = next(programs, None)
            if program is None:
                more = False
                break
            idle.begin(program)
            running[idle] = begun
            begun += 1
        if given in done:
            yield done.pop(given)
            given += 1
        elif running:
            ready = _ready(list(running))
            for worker in ready:
                done[running.pop(worker)] = worker.finish()
        else:
            return


def _ready(workers: list[_Worker]) -> list[_Worker]:
    """Those whose keeper has said something; the first where none did in time (its `finish` sees to it)."""
    poll = select.poll()
    for worker in workers:
        poll.register(worker.fileno(), select.POLLIN)
    spoke = {fd for fd, _ in poll.poll(1000 * max(worker.patience for worker in workers))}
    return [worker for worker in workers if worker.fileno() in spoke] or workers[:1]
