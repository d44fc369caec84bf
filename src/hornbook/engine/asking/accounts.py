"""What a reply cost and was worth, counted once it is on disk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hornbook.core.asking import Raw, Reply, Request
from hornbook.core.errors import HornbookError
from hornbook.engine.asking.tally import Breaker, Tally
from hornbook.engine.asking.window import Job
from hornbook.engine.budget import Governor, Reservation, owed
from hornbook.engine.worst import Worst
from hornbook.teachers.prices import Tariff
from hornbook.teachers.reading import read_reply


class Accounts:
    """Counts.

    Args:
        tally: what was done.
        governor: the budget.
        price: of the teacher.
        breaker: says when too much fails.
        seen: called with every request and its reply, where the reply is of use.
    """

    def __init__(
        self,
        tally: Tally,
        governor: Governor,
        price: Tariff,
        breaker: Breaker,
        seen: Callable[[Request, Reply], None] | None,
    ) -> None:
        self._tally, self._governor, self._price = tally, governor, price
        self._breaker, self._seen = breaker, seen
        self._worst = Worst()
        self.stop: HornbookError | None = None
        """Set when too much has failed."""

    def worst(self, request: Request) -> Reservation:
        """The most one request may cost: US dollars and tokens."""
        prompt, tokens = self._worst.of(request)
        return self._price.of(prompt, tokens), prompt + tokens

    def answered(self, job: Job, raw: Raw) -> Reply:
        """Read a reply that is on disk, and count it."""
        reply = read_reply(job.key, raw)
        spent, tokens = owed(reply, job.reserved, self._price)
        self._governor.settle(job.reserved, spent, tokens)
        if tokens > job.reserved[1] or spent > job.reserved[0]:
            self._worst.learn(job.request, reply)
        tally = self._tally
        tally.answered += 1
        tally.prompt_tokens += reply.prompt_tokens
        tally.tokens += reply.completion_tokens
        tally.usd += spent
        if reply.error is not None:
            self._bad(reply.error, reply.detail or reply.error)
        else:
            self._breaker.heard(None)
            if self._seen is not None:
                self._seen(job.request, reply)
        return reply

    def failed(self, key: str, kind: Any, detail: str) -> Reply:
        """Count a tombstone that is on disk; gives it as a reply."""
        self._tally.failed += 1
        self._bad(kind, detail)
        return Reply(key, error=kind, detail=detail)

    def _bad(self, kind: str, detail: str) -> None:
        self._tally.errors[kind] = self._tally.errors.get(kind, 0) + 1
        self.stop = self.stop or self._breaker.heard(kind, detail)
