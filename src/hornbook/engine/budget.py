"""The budget: money, tokens and hours, reserved before a request is sent and settled when it is back."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from hornbook.core.asking import Reply
from hornbook.core.errors import BudgetStop
from hornbook.engine.ledger import NAME, Ledger, Spent
from hornbook.engine.recipe import Budget, Step
from hornbook.engine.workspace import Workspace
from hornbook.teachers.prices import Tariff, must_be_known

Reservation = tuple[float, int]
"""The worst case of one request: US dollars and tokens."""

BYTES_WRITTEN = 4.0
"""Of a token, in a reply whose server did not count it (help.openai.com: 4 characters of English)."""

ROUNDING = 1e-9
"""Share of a cap that sums of floating-point prices may be off."""


class Governor:
    """Keeps a run under its budget.

    A request reserves its worst case; it is sent only if what is spent and reserved together stays
    under every cap, so the cap is never passed by more than an estimate was too low. What does not fit
    beside the requests in flight waits for them (`admit`): only what does not fit alone ends the run.

    The machine's time (`asking`) is money too, counted while it passes. Time cannot be reserved: where
    money or hours run out, nothing more is sent, and what is in flight is waited for.

    Args:
        usd, tokens, hours: the caps; None for none.
        spent: what the run has spent so far.
        keep: called with the sums after every change.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        usd: float | None = None,
        tokens: int | None = None,
        hours: float | None = None,
        *,
        spent: Spent | None = None,
        keep: Callable[[Spent], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.cap_usd, self.cap_tokens, self.cap_hours = usd, tokens, hours
        start = spent or Spent()
        self._usd, self.tokens, self._hours, self.unsure_usd = start.usd, start.tokens, start.hours, start.unsure_usd
        self.reserved_usd, self.reserved_tokens, self.in_flight = 0.0, 0, 0
        self._kept_usd, self._kept_tokens = 0.0, 0
        self._keep, self._clock = keep, clock
        self._asking, self._rate, self._since = 0, 0.0, 0.0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def usd(self) -> float:
        """Money spent, US dollars, the machine's time so far among it."""
        self._pass()
        return self._usd

    @property
    def hours(self) -> float:
        """Wall time of asking, over all executions of the run."""
        self._pass()
        return self._hours

    @contextmanager
    def asking(self, hour: float = 0.0) -> Iterator[None]:
        """While a teacher is open: its time counts, at `hour` US dollars each hour."""
        self._pass()
        self._asking, self._rate = self._asking + 1, self._rate + hour
        try:
            yield
        finally:
            self._pass()
            self._asking, self._rate = self._asking - 1, (self._rate - hour if self._asking > 1 else 0.0)
            self._note()

    @contextmanager
    def together(self) -> Iterator[None]:
        """What changes inside is kept once, at the end: nothing reserved here may be sent before that."""
        keep, self._keep = self._keep, None
        try:
            yield
        finally:
            self._keep = keep
            self._note()

    def reserve(self, usd: float, tokens: int, *, kept: bool = False) -> None:
        """Set aside the worst case of one request, or of one batch.

        Args:
            kept: it is remembered elsewhere and will be reserved again where this process dies, as batches
                at a provider are; what is not counts as spent then.

        Raises:
            BudgetStop: it does not fit beside what is in flight; says which cap and the numbers.
        """
        if (name := self._full(usd, tokens)) is not None:
            raise self._stop(name, usd, tokens)
        self._set_aside(usd, tokens, kept)

    def fits(self, usd: float, tokens: int) -> bool:
        """Set aside the worst case of one request where that can be done at once, behind nobody that waits."""
        if self._waiting or self._full(usd, tokens) is not None:
            return False
        self._set_aside(usd, tokens)
        return True

    async def admit(self, usd: float, tokens: int) -> None:
        """Set aside the worst case of one request, if need be after others have settled.

        Raises:
            BudgetStop: it does not fit, and nothing is in flight that could make room.
        """
        waited = False
        while (name := self._full(usd, tokens)) is not None and name != "hours" and self.in_flight:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            (self._waiting.appendleft if waited else self._waiting.append)(turn)
            waited = True
            try:
                await turn
            except asyncio.CancelledError:
                if not turn.cancelled():
                    self._wake()
                raise
        try:
            self.reserve(usd, tokens)
        finally:
            self._wake()

    def settle(self, reserved: Reservation, usd: float, tokens: int, *, kept: bool = False) -> None:
        """Replace a reservation by what was really spent; `kept` as when it was made."""
        self.in_flight -= 1
        self.reserved_usd = self.reserved_usd - reserved[0] if self.in_flight else 0.0
        self.reserved_tokens -= reserved[1]
        if kept:
            self._kept_usd -= reserved[0]
            self._kept_tokens -= reserved[1]
        self._usd += usd
        self.tokens += tokens
        self._note()
        self._wake()

    def pay(self, part: Reservation, usd: float, tokens: int, *, kept: bool = False) -> None:
        """Replace a part of a reservation by what was spent of it; the rest is still in flight."""
        self.in_flight += 1
        self.settle(part, usd, tokens, kept=kept)

    def lose(self, reserved: Reservation) -> None:
        """A request was left while in flight: it may have been paid for, so it counts as the worst case."""
        self.unsure_usd += reserved[0]
        self.settle(reserved, *reserved)

    def spent(self) -> Spent:
        """All sums as they are now."""
        self._pass()
        lost_usd, lost_tokens = max(0.0, self.reserved_usd - self._kept_usd), self.reserved_tokens - self._kept_tokens
        return Spent(self._usd, self.tokens, self._hours, lost_usd, lost_tokens, self.unsure_usd)

    def _set_aside(self, usd: float, tokens: int, kept: bool = False) -> None:
        self.reserved_usd += usd
        self.reserved_tokens += tokens
        self.in_flight += 1
        if kept:
            self._kept_usd += usd
            self._kept_tokens += tokens
        self._note()

    def _wake(self) -> None:
        """Let the first that waits look again; it wakes the next where it fits, or where nothing can."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    def _note(self) -> None:
        if self._keep is not None:
            self._keep(self.spent())

    def _pass(self) -> None:
        """Count the time since the last look, while a teacher is open."""
        now = self._clock()
        if self._asking:
            hours = (now - self._since) / 3600
            self._hours += hours
            self._usd += hours * self._rate
        self._since = now

    def _full(self, usd: float, tokens: int) -> str | None:
        """The cap that a request would pass, None where it fits."""
        self._pass()
        if self.cap_usd is not None and self._usd + self.reserved_usd + usd > self.cap_usd * (1 + ROUNDING):
            return "usd"
        if self.cap_tokens is not None and self.tokens + self.reserved_tokens + tokens > self.cap_tokens:
            return "tokens"
        if self.cap_hours is not None and self._hours >= self.cap_hours:
            return "hours"
        return None

    def _stop(self, name: str, usd: float, tokens: int) -> BudgetStop:
        caps = {"usd": self.cap_usd, "tokens": self.cap_tokens, "hours": self.cap_hours}
        spent = {"usd": self._usd, "tokens": self.tokens, "hours": self._hours}[name]
        needs = {"usd": self.reserved_usd + usd, "tokens": self.reserved_tokens + tokens, "hours": 0.0}[name]
        cap = caps[name] or 0
        more = "" if name == "hours" else f", the next request could need up to {needs:.6g} with those in flight"
        if name == "usd" and self.unsure_usd:
            more += f"; {self.unsure_usd:.6g} of it are requests that were in flight when a run was killed"
        return BudgetStop(
            f"the budget of {cap:g} {name} is spent: {spent:.6g} used{more}",
            where=f"budget.{name}",
            fix=f"--set budget.{name}={_higher(max(cap * 2, spent + needs), name)} and run again: "
            "nothing is asked twice",
        )


def _higher(cap: float, name: str) -> str:
    return str(round(cap) + 1) if name == "tokens" else f"{cap * 1.001:.4g}" if cap else "1"


@contextmanager
def governed(workspace: Workspace, name: str, budget: Budget, steps: Sequence[Step]) -> Iterator[Governor]:
    """The governor of a run, with what all its executions and pilots have spent, kept in the run's folder.

    Args:
        workspace: where the run lies.
        name: the run's.
        budget: its caps.
        steps: all of its steps; the teachers among them must have known prices where money is capped.

    Raises:
        UserError: `budget.usd` is set and the price of a teacher is unknown.
    """
    if budget.usd is not None:
        for step in steps:
            if step.teacher is not None:
                must_be_known(step.teacher, f"step {step.name}, teacher.price")
    folder = workspace.run(name)
    with Ledger(folder / NAME) as ledger:
        governor = Governor(budget.usd, budget.tokens, budget.hours, spent=ledger.spent, keep=ledger.write)
        try:
            yield governor
        finally:
            ledger.write(governor.spent())


def owed(reply: Reply, reserved: Reservation, tariff: Tariff) -> Reservation:
    """What a reply cost: as its server counted, or the worst case where it did not count all of it.

    A server that says no usage (or half of one, or something that is no reply at all) may have written to the last
    token; where the text is longer than that, its length counts.
    """
    if reply.prompt_tokens and (reply.completion_tokens or not reply.text):
        return tariff.of_reply(reply), reply.prompt_tokens + reply.completion_tokens
    written = max(reply.completion_tokens, int(len(reply.text.encode("utf-8", "replace")) / BYTES_WRITTEN))
    usd = tariff.of(reply.prompt_tokens, written, reply.cached_tokens)
    return max(reserved[0], usd), max(reserved[1], reply.prompt_tokens + written)
