"""The scheduler: what is sent, when, and what becomes of it. No work is done for those that wait.

A request's way: looked up, intent committed, ready, sent, reply committed, read, counted. It holds one of
the teacher's slots from being sent until its reply is on disk, so what a crash can cost is at most one reply
a slot. As many again are ready before them, their intents on disk, so that no slot waits for the disk.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from hornbook.core.asking import Raw, Reply, Request, Teacher, TeacherError
from hornbook.core.errors import HornbookError
from hornbook.engine.asking.accounts import Accounts
from hornbook.engine.asking.recorder import Recorder
from hornbook.engine.asking.tally import Breaker, Tally
from hornbook.engine.asking.window import Job, Unanswered, Waiting
from hornbook.engine.budget import Governor
from hornbook.engine.chains import Chains
from hornbook.store.journal import Batch, Journal, JournalProcess, JournalWriter
from hornbook.teachers.prices import Tariff

TRIES = 6
"""How often a request is sent before it is left as a tombstone; with the waits between, half a minute."""
TELL_SECONDS = 0.05
"""How often those who listen are told, at most."""


class Asker:
    """Asks a stream of requests. Use once, in one event loop.

    Args:
        teacher: open already.
        reader, writer: the journal.
        governor: the budget.
        price: of the teacher.
        heard: called with the tally, at most every 50 ms and at the end.
        chains: the rows whose next request follows from a reply, for a stage that asks in rounds.
        seen: called with every request and its reply, where the reply is of use.
    """

    def __init__(
        self,
        teacher: Teacher,
        reader: Journal,
        writer: JournalWriter | JournalProcess,
        governor: Governor,
        price: Tariff,
        heard: Callable[[Tally], None],
        chains: Chains | None = None,
        seen: Callable[[Request, Reply], None] | None = None,
    ) -> None:
        self.teacher = teacher
        self.reader = reader
        self.writer = writer
        self.governor = governor
        self.price = price
        self.heard = heard
        self.chains = chains
        self.tally = Tally()
        self._accounts = Accounts(self.tally, governor, price, Breaker(teacher.name, 2 * teacher.concurrency), seen)
        self._open: dict[str, Job] = {}
        self._intending = self._slots = 0
        self._waiting = Waiting(time.monotonic)
        self._tasks: set[asyncio.Task[None]] = set()
        self._stop: BaseException | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._told = 0.0
        self._awake = self._closed = False

    async def ask_all(self, requests: Iterator[Request]) -> Tally:
        """Ask all that the journal does not hold; return when each has a reply or a tombstone.

        However it ends, every reply that had arrived is on disk when this returns.

        Raises:
            BudgetStop: the budget is spent; what was in flight is waited for and kept.
            HornbookError: most requests fail: the teacher is not there, or refuses them.
        """
        self._began = time.monotonic()
        self._loop = asyncio.get_running_loop()
        self._ended = self._loop.create_future()
        self._record = Recorder(self.writer, self._landed, self._broken)
        self._source = Unanswered(requests, self.reader, self._cached, replies=self.chains is not None)
        self._wake()
        try:
            await self._ended
        finally:
            await self._close()
        if self._stop is not None:
            raise self._stop
        return self.tally

    async def _close(self) -> None:
        """Let nothing go on, and keep what there is."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._waiting.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._record.batch.intents.clear()
        try:
            await asyncio.wrap_future(self._record.rest())
        except sqlite3.Error as error:
            self._stop = self._stop or _explained(error, self.writer)
        self.tally.seconds = time.monotonic() - self._began
        self.tally.usd += self.tally.seconds / 3600 * self.price.hour
        self._tell()

    # -- what goes on

    def _wake(self) -> None:
        """Look what can be done, once this turn of the loop is over."""
        if not self._awake:
            self._awake = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._awake = False
        if self._closed:
            return
        try:
            self._look_ahead()
        except BaseException as error:
            self._halt(error)
        self._dispatch()
        self._set_timer()
        now = time.monotonic()
        if now - self._told >= TELL_SECONDS:
            self._told = now
            self._tell()
        if self._over() and not self._ended.done():
            self._ended.set_result(None)

    def _look_ahead(self) -> None:
        """Keep as many requests ready as there are slots, their intents on disk."""
        if self._stop is not None or not self._source.more:
            return
        ahead = self.teacher.concurrency - len(self._waiting.ready) - self._intending
        if ahead <= self.teacher.concurrency // 2:
            return
        self._intend(self._source.take(ahead, self._open))
        if self._source.more:
            self._wake()

    def _intend(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            self._record.batch.intents.append((job.key, job.body))
            job.body = b""
            self._intending += 1
        self._record.touch()

    def _dispatch(self) -> None:
        """Fill the free slots. What is sent together is reserved together."""
        with self.governor.together():
            while self._stop is None and self._slots < self.teacher.concurrency:
                job = self._waiting.next()
                if job is None:
                    return
                self._slots += 1
                self.tally.most = max(self.tally.most, self._slots)
                job.reserved = self._accounts.worst(job.request)
                fits = self.governor.fits(*job.reserved)
                task = self._loop.create_task(self._send(job) if fits else self._send_later(job))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    def _set_timer(self) -> None:
        """Look again when the earliest retry is due."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self._waiting.due()
        if due is not None and self._stop is None and self._slots < self.teacher.concurrency:
            self._timer = self._loop.call_later(max(0.0, due - time.monotonic()), self._wake)

    def _over(self) -> bool:
        if self._slots or not self._record.idle:
            return False
        return self._stop is not None or not (self._source.more or self._intending or len(self._waiting))

    def _halt(self, error: BaseException) -> None:
        """Send nothing more; the first reason counts."""
        self._stop = self._stop or error
        self._waiting.clear()
        self._wake()

    def _tell(self) -> None:
        self.tally.waiting = len(self._tasks)
        self.tally.seconds = time.monotonic() - self._began
        self.heard(self.tally)

    # -- one request

    async def _send_later(self, job: Job) -> None:
        """Wait for room in the budget, then send."""
        try:
            await self.governor.admit(*job.reserved)
        except BaseException as error:
            self._slots -= 1
            self._halt(error)
            return
        await self._send(job)

    async def _send(self, job: Job) -> None:
        """Send what is reserved for, and hand the reply to the journal; the slot is free when that is synced."""
        try:
            if self._stop is not None:  # it waited for room in the budget meanwhile
                raise self._stop
            self.tally.asked += 1
            raw = await self.teacher.ask(job.request)
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) or getattr(error, "paid", False):
                self.governor.lose(job.reserved)
            else:
                self.governor.settle(job.reserved, 0.0, 0)
            self._slots -= 1
            if isinstance(error, TeacherError):
                self._failed(job, error)
            else:
                self._halt(error)
            self._wake()
            return
        self._record.batch.answers.append((job.key, raw))
        self._record.touch()

    def _failed(self, job: Job, error: TeacherError) -> None:
        """Try again at once (the teacher only is busy) or later, or leave a tombstone."""
        if self._stop is not None:
            return
        if error.retry and (error.busy or job.attempt < TRIES):
            self.tally.retries += 1
            if error.busy:
                self._waiting.ready.appendleft(job)
            else:
                self._waiting.later(job, error.retry_after or 0.0)
            return
        self._record.batch.failures.append((job.key, error.kind, error.detail))
        self._record.touch()

    # -- what the journal holds now

    def _landed(self, batch: Batch, numbers: tuple[int, int]) -> None:
        """A batch is on disk: intents may be sent, replies may be read, slots are free."""
        for key, _ in batch.intents:
            self._intending -= 1
            if self._stop is None:
                self._waiting.ready.append(self._open[key])
        self._slots -= len(batch.answers)
        try:
            with self.governor.together():
                for key, raw in batch.answers:
                    self._answered(self._open.pop(key), raw)
            for key, kind, detail in batch.failures:
                del self._open[key]
                self._follow(self._accounts.failed(key, kind, detail))
            if self._accounts.stop is not None:
                self._halt(self._accounts.stop)
        except Exception as error:
            self._halt(error)
        if batch.answers:
            self._record.batch.read = numbers
        self._wake()

    def _broken(self, batch: Batch, error: BaseException) -> None:
        """A batch could not be written: nothing more can be promised."""
        self._slots -= len(batch.answers)
        self._intending -= len(batch.intents)
        self._halt(_explained(error, self.writer))

    def _answered(self, job: Job, raw: Raw) -> None:
        reply = self._accounts.answered(job, raw)
        if reply.error is not None:
            self._record.batch.verdicts.append((job.key, reply.error, reply.detail))
        self._follow(reply)

    # -- what follows

    def _cached(self, reply: Reply | None) -> None:
        self.tally.cached += 1
        if reply is not None:
            self._follow(reply)

    def _follow(self, reply: Reply) -> None:
        """Ask what follows from a reply or a tombstone."""
        if self.chains is None or self._stop is not None:
            return
        jobs = []
        for key, request in self.chains.after(reply):
            if key not in self._open:
                job = self._open[key] = Job(key, request, request.canonical())
                self.tally.followed += 1
                jobs.append(job)
        self._intend(jobs)


def _explained(error: BaseException, writer: Any) -> HornbookError:
    return HornbookError(
        f"the journal cannot be written: {error}",
        where=str(writer.path),
        fix="make room on the disk or mend its permissions, and run again: what was written before is kept",
    )
