"""Asking a teacher: a bounded window over a stream of requests, no barrier, every reply journaled first.

Requests are built piece by piece from Parquet and never held in a list. A slow reply delays nothing
but itself; a retry that waits holds no slot. Replies come back in any order and go to the journal;
reading them in the order of the documents is a step of its own.
"""

from __future__ import annotations

import asyncio
import heapq
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from hornbook.core.asking import Raw, Reply, Request, Teacher, TeacherError
from hornbook.core.errors import HornbookError
from hornbook.core.stage import Ask
from hornbook.engine.budget import Governor
from hornbook.store.journal import Entry, Journal, JournalWriter
from hornbook.teachers.reading import read_reply

TRIES = 6
FIRST_WAIT = 0.5
LONGEST_WAIT = 60.0
FAILURES_LOOKED_AT = 10
FAILURE_SHARE = 0.5
CHARACTERS_PER_TOKEN = 3.0
"""A low estimate for English, so that reservations are not too small."""


@dataclass
class Tally:
    """What asking did in this execution."""

    asked: int = 0
    cached: int = 0
    answered: int = 0
    failed: int = 0
    retries: int = 0
    prompt_tokens: int = 0
    tokens: int = 0
    usd: float = 0.0
    seconds: float = 0.0
    waiting: int = 0
    most: int = 0
    errors: dict[str, int] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """For the manifest."""
        rate = self.tokens / self.seconds if self.seconds else 0.0
        return {
            "asked": self.asked,
            "cached": self.cached,
            "answered": self.answered,
            "failed": self.failed,
            "retries": self.retries,
            "errors": dict(sorted(self.errors.items())),
            "prompt_tokens": self.prompt_tokens,
            "tokens": self.tokens,
            "usd": round(self.usd, 6),
            "seconds": round(self.seconds, 3),
            "tokens_per_second": round(rate, 1),
        }


@dataclass(frozen=True, slots=True)
class Price:
    """What a teacher costs: US dollars per million tokens, or per hour of its own machine."""

    prompt: float = 0.0
    completion: float = 0.0
    hour: float = 0.0

    def of(self, prompt_tokens: int, tokens: int) -> float:
        """US dollars for one request, without the hours."""
        return (prompt_tokens * self.prompt + tokens * self.completion) / 1e6


class Asker:
    """Asks a stream of requests.

    Args:
        teacher: open already.
        reader, writer: the journal.
        governor: the budget.
        price: of the teacher.
        heard: called after every reply with the tally.
    """

    def __init__(
        self,
        teacher: Teacher,
        reader: Journal,
        writer: JournalWriter,
        governor: Governor,
        price: Price,
        heard: Callable[[Tally], None],
    ) -> None:
        self.teacher = teacher
        self.reader = reader
        self.writer = writer
        self.governor = governor
        self.price = price
        self.heard = heard
        self.tally = Tally()
        self._late: list[tuple[float, int, str, Request, int]] = []
        self._open: set[str] = set()
        self._number = 0
        self._stop: BaseException | None = None

    async def ask_all(self, requests: Iterator[Request]) -> Tally:
        """Ask all that the journal does not hold; return when each has a reply or a tombstone.

        Raises:
            BudgetStop: the budget is spent; what was in flight is waited for and kept.
            HornbookError: most requests fail: the teacher is not there, or refuses them.
        """
        began = time.monotonic()
        stream = self._unanswered(requests)
        running: set[asyncio.Task[None]] = set()
        more = True
        try:
            while more or running or self._late:
                while more and self._stop is None and len(running) < self.teacher.concurrency:
                    found = self._due() or next(stream, None)
                    if found is None:
                        more = bool(self._late)
                        break
                    running.add(asyncio.create_task(self._one(*found)))
                self.tally.most = max(self.tally.most, len(running))
                if self._stop is not None and not running:
                    raise self._stop
                if self._stop is not None:
                    self._late.clear()
                more = (more or bool(self._late)) and self._stop is None
                running = await self._wait(running)
                self.tally.waiting = len(running)
                self._pass_time(began)
                self.heard(self.tally)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            self._pass_time(began)
        if self._stop is not None:
            raise self._stop
        return self.tally

    def _pass_time(self, began: float) -> None:
        """Note how long it took so far, and what the teacher's machine cost in that time."""
        now = time.monotonic() - began
        usd = (now - self.tally.seconds) / 3600 * self.price.hour
        self.tally.seconds = now
        self.tally.usd += usd
        self.governor.pay(usd)

    async def _wait(self, running: set[asyncio.Task[None]]) -> set[asyncio.Task[None]]:
        """Until a request is back or a retry is due."""
        pause = max(0.0, self._late[0][0] - time.monotonic()) if self._late else None
        if not running:
            await asyncio.sleep(min(pause or 0.0, LONGEST_WAIT))
            return running
        done, pending = await asyncio.wait(running, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        return pending

    def _unanswered(self, requests: Iterator[Request]) -> Iterator[tuple[str, Request, int]]:
        """Requests that the journal does not answer, each once, looked up a few at a time.

        A request that never reached the teacher in an earlier execution cost nothing: it is asked again.
        """
        while True:
            some = []
            seen = set(self._open)
            for request in requests:
                some.append((request.key(), request))
                if len(some) == 64:
                    break
            if not some:
                return
            known = self.reader.find(key for key, _ in some)
            for key, request in some:
                if key in known and known[key].error != "transport":
                    self.tally.cached += 1
                elif key not in seen:
                    seen.add(key)
                    self._open.add(key)
                    yield key, request, 1

    def _due(self) -> tuple[str, Request, int] | None:
        """The retry whose time has come, if there is one."""
        if self._late and self._late[0][0] <= time.monotonic():
            _, _, key, request, attempt = heapq.heappop(self._late)
            return key, request, attempt
        return None

    async def _one(self, key: str, request: Request, attempt: int) -> None:
        """Ask once: reserve, record the intent, send, record the reply, then read it."""
        reserved = self._worst(request)
        try:
            self.governor.reserve(*reserved)
        except HornbookError as error:
            self._stop = error
            return
        reply: Reply | None = None
        try:
            if attempt == 1:
                await _durable(self.writer.intend(key, request))
            self.tally.asked += 1
            raw = await self.teacher.ask(request)
            await _durable(self.writer.answer(key, raw))
            reply = read_reply(key, raw)
        except TeacherError as error:
            await self._failed(key, request, attempt, error)
        finally:
            spent = self.price.of(reply.prompt_tokens, reply.completion_tokens) if reply else 0.0
            tokens = reply.prompt_tokens + reply.completion_tokens if reply else 0
            self.governor.settle(reserved, spent, tokens)
        if reply is not None:
            self._open.discard(key)
            self._count(reply, spent)

    def _count(self, reply: Reply, usd: float) -> None:
        tally = self.tally
        tally.answered += 1
        tally.prompt_tokens += reply.prompt_tokens
        tally.tokens += reply.completion_tokens
        tally.usd += usd
        if reply.error is not None:
            tally.errors[reply.error] = tally.errors.get(reply.error, 0) + 1
            self._mind_the_rate(reply.detail or reply.error)

    async def _failed(self, key: str, request: Request, attempt: int, error: TeacherError) -> None:
        """Try again later, or leave a tombstone."""
        if error.retry and attempt < TRIES:
            self.tally.retries += 1
            wait = FIRST_WAIT * 2 ** (attempt - 1) * random.uniform(0.8, 1.2)
            due = time.monotonic() + min(LONGEST_WAIT, max(wait, error.retry_after or 0.0))
            self._number += 1
            heapq.heappush(self._late, (due, self._number, key, request, attempt + 1))
            return
        self._open.discard(key)
        self.tally.failed += 1
        self.tally.errors[error.kind] = self.tally.errors.get(error.kind, 0) + 1
        self._mind_the_rate(error.detail)
        if self._stop is None:
            await _durable(self.writer.fail(key, error.kind, error.detail))

    def _mind_the_rate(self, detail: str) -> None:
        """Stop when most of what came back is of no use: the fault is not in single requests."""
        bad = sum(self.tally.errors.values())
        ended = self.tally.answered + self.tally.failed
        if self._stop is None and bad >= FAILURES_LOOKED_AT and bad > FAILURE_SHARE * ended:
            classes = ", ".join(f"{many} {name}" for name, many in sorted(self.tally.errors.items()))
            self._stop = HornbookError(
                f"{bad} of {ended} requests failed ({classes}); the last: {detail[:300]}",
                where=f"teacher {self.teacher.name}",
                fix="see that the teacher answers (`hornbook doctor`); run again to go on: what was paid for is kept",
            )

    def _worst(self, request: Request) -> tuple[float, int]:
        """The most one request may cost: US dollars and tokens."""
        letters = len(request.prompt) + sum(len(str(m.get("content", ""))) for m in request.messages)
        prompt = int(letters / CHARACTERS_PER_TOKEN) + 16
        tokens = int(request.params.get("max_tokens", 512))
        return self.price.of(prompt, tokens), prompt + tokens


async def _durable(written: Future[None]) -> None:
    """Wait for the journal's sync without holding up the loop."""
    await asyncio.wrap_future(written)


def with_params(request: Request, params: Mapping[str, Any]) -> Request:
    """The request with the teacher's sampling parameters where the stage sets none."""
    return replace(request, params={**params, **request.params})


def requests_of(stage: Ask, piece: pa.Table, model: str, params: Mapping[str, Any]) -> list[Request | None]:
    """One request a row.

    Raises:
        HornbookError: the stage gave another number of requests than rows.
    """
    found = [None if r is None else with_params(r, params) for r in stage.ask(piece, model)]
    if len(found) != piece.num_rows:
        raise HornbookError(f"{type(stage).__name__}.ask gave {len(found)} requests for {piece.num_rows} rows")
    return found


def replies_for(
    stage: Ask, piece: pa.Table, model: str, params: Mapping[str, Any], journal: Journal
) -> Sequence[Reply]:
    """The journaled reply to each row, in order.

    Raises:
        HornbookError: a request has neither reply nor tombstone.
    """
    requests = requests_of(stage, piece, model, params)
    keys = [None if request is None else request.key() for request in requests]
    entries = journal.find(key for key in keys if key is not None)
    return [reply_of(key, entries) for key in keys]


def reply_of(key: str | None, entries: dict[str, Entry]) -> Reply:
    """A journaled reply, read.

    Raises:
        HornbookError: the request has neither reply nor tombstone.
    """
    if key is None:
        return Reply("", error="rejected", detail="no request could be made from this row")
    entry = entries.get(key)
    if entry is None:
        raise HornbookError(f"no reply to request {key} in the journal", fix="run the recipe again: it will be asked")
    if isinstance(entry.raw, Raw):
        return read_reply(key, entry.raw)
    kind: Any = entry.error
    return Reply(key, error=kind, detail=entry.detail)
