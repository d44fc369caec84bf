"""The servers of one teacher: which is asked next, and when. Pure logic: every method is told the time.

Each server has a limit of requests in flight (AIMD: × 0.75 when it refuses or is overloaded, once a round trip;
+ 1 for every 25 replies; start and ceiling are the teacher's concurrency), a pace (`teachers.pace`), a ramp (so
that a server which will refuse has said so before everything is sent) and a circuit breaker. Source of limit and
numbers: NVIDIA DataDesigner's async scheduler.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from hornbook.teachers.habit import Habit
from hornbook.teachers.pace import Bucket, Pace

CUT = 0.75
RAISE_AFTER = 25
FIRST, DOUBLE_EVERY = 8, 0.2
"""Requests in flight at the start, and seconds after which it may be twice as many. A refusal takes a round trip and
no more, so a second of patience at the start saves hundreds of wasted requests."""
WELL_PER_STEP = 4
"""Replies after which one more may be in flight, where that is sooner: a fast server need not wait for the clock."""
OPEN_AFTER = 8
"""Failures in a row after which a server is taken for broken …"""
OPEN_SECONDS = 1.0
"""… where it has also replied to nothing for so long: one bad moment of a good server is not enough."""
SOUR = 5.0
"""Seconds that a server which broke off is asked only when no other is left."""
FIRST_REST, LONGEST_REST = 5.0, 60.0
"""Seconds until a broken server is looked at again; doubled each time."""


@dataclass(slots=True, eq=False)
class End:
    """One server.

    Args:
        url: its address.
        ceiling: the most requests in flight.
    """

    url: str
    ceiling: int
    limit: float = 0.0
    outstanding: int = 0
    state: str = "closed"
    """closed: in use; open: broken, not asked; half: one request is let through to see."""
    leaving: bool = False
    looked: bool = False
    pace: Pace = field(default_factory=Pace)
    replies: int = 0
    failures: int = 0
    good_at: float = -math.inf
    cut_at: float = -math.inf
    sour_until: float = -math.inf
    open_until: float = -math.inf
    opened: int = 0
    ramp_at: float | None = None
    _ramp_from: int = 0
    _ramping: bool = True
    _raises: int = 0
    _habit: Habit = field(default_factory=Habit)

    def __post_init__(self) -> None:
        self.limit = float(self.ceiling)

    def room(self, now: float) -> bool:
        """Whether it takes one more request in flight."""
        if self.leaving or self.state == "open":
            return False
        if self.state == "half":
            return self.outstanding == 0
        return self.outstanding < min(self.limit, self._ramped(now))

    def wait(self, now: float) -> float:
        """Seconds until it may be asked, as far as time alone decides; infinite where only a reply can help."""
        if self.leaving or self.state == "open" or (self.state == "half" and self.outstanding):
            return math.inf
        if self.outstanding >= self.limit:
            return math.inf
        pause = self.pace.wait(now)
        if self.ramp_at is not None and self.outstanding >= self._ramped(now):
            due = self.ramp_at + DOUBLE_EVERY * math.log2((self.outstanding + 0.01) / FIRST)
            pause = max(pause, due - now, 0.001)
        return pause

    def _ramped(self, now: float) -> float:
        """The ramp's height now: it grows with time, and with replies where these come faster."""
        if self.ramp_at is None:
            return FIRST
        if not self._ramping:
            return self.ceiling
        by_time = FIRST * 2 ** min(40.0, (now - self.ramp_at) / DOUBLE_EVERY)
        height = max(by_time, FIRST + (self.replies - self._ramp_from) / WELL_PER_STEP)
        self._ramping = height < self.ceiling
        return min(self.ceiling, height)

    def _ramp(self, now: float) -> None:
        self.ramp_at, self._ramp_from, self._ramping = now, self.replies, True

    def sent(self, now: float) -> None:
        """A request goes out."""
        self.outstanding += 1
        self.pace.sent(now)
        self._habit.sent()
        if self.ramp_at is None:
            self._ramp(now)

    def back(self) -> None:
        """It is out no longer, whatever came of it."""
        self.outstanding -= 1

    def replied(self, now: float) -> None:
        """A reply, or a refusal that is the request's own fault: the server is well."""
        self.failures, self.good_at, self.sour_until = 0, now, -math.inf
        if self.state != "closed":
            self.state, self.opened = "closed", 0
            self._ramp(now)
        self.replies += 1
        self._raises += 1
        if self._raises >= RAISE_AFTER:
            self._raises = 0
            self.limit = min(float(self.ceiling), self.limit + 1)

    def refused(self, now: float, sent: float, after: float | None, hint: float | None) -> None:
        """It says that it is asked too much (429): from then on the pace is steered, which serves both limits of
        rate and of requests in flight; the first time, not knowing which it is, the limit is cut as well."""
        first = self.pace.rate == math.inf
        if self.pace.refused(now, sent, after, hint) and first:
            self._cut(now, sent)
        self.failures = 0

    def overloaded(self, now: float, sent: float, after: float | None) -> None:
        """It says that it has no room (503); one that says for how long is paced as well, or all would come at once
        when the time is over."""
        lately = self.pace.let_in(now)
        if not self._habit.tells_nothing(lately or math.inf, lately):
            self._cut(now, sent)
        if after is not None:
            self.pace.refused(now, sent, after)
            self.failures = 0
        else:
            self.pace.turned_away(sent)
            self.broke(now)

    def broke(self, now: float) -> None:
        """It did not reply, or with a fault of its own."""
        self.failures += 1
        self.sour_until = now + SOUR
        began = now if self.ramp_at is None else self.ramp_at
        since = max(self.good_at, began)
        if self.state == "half" or (self.failures >= OPEN_AFTER and now - since >= OPEN_SECONDS):
            self.open(now)

    def open(self, now: float) -> None:
        """Ask it nothing until it has been looked at."""
        if self.state == "open":
            return
        self.state, self.looked = "open", False
        self.open_until = now + min(LONGEST_REST, FIRST_REST * 2**self.opened)
        self.opened += 1

    def seen(self, now: float, well: bool) -> None:
        """Somebody has looked at it."""
        if self.state == "open":
            self.state = "half" if well else "closed"
            if not well:
                self.open(now)

    def _cut(self, now: float, sent: float) -> None:
        """Once a round trip: what was sent before the last cut tells nothing new."""
        if sent >= self.cut_at:
            self.cut_at = now
            self.limit = max(1.0, CUT * self.limit)
            self._raises = 0


class Ends:
    """All servers of a teacher.

    Args:
        urls: their addresses.
        ceiling: requests in flight at each, at most.
        rpm, tpm: requests and tokens a minute, all servers together; None for no limit.
    """

    def __init__(
        self, urls: Iterable[str], ceiling: int, *, rpm: float | None = None, tpm: float | None = None
    ) -> None:
        self.ceiling = ceiling
        self.all = [End(url, ceiling) for url in urls]
        self._requests = Bucket(rpm) if rpm else None
        self._tokens = Bucket(tpm) if tpm else None

    def update(self, urls: Iterable[str]) -> tuple[list[str], list[str]]:
        """Take servers in and let others go; one that goes keeps the requests it has.

        Returns:
            the addresses that are new, and those that are gone.
        """
        wanted = list(dict.fromkeys(urls))
        known = {end.url: end for end in self.all}
        new = [url for url in wanted if url not in known or known[url].leaving]
        gone = [end.url for end in self.all if end.url not in wanted and not end.leaving]
        for end in self.all:
            end.leaving = end.url not in wanted
        self.all = [end for end in self.all if end.outstanding or not end.leaving]
        self.all += [End(url, self.ceiling) for url in wanted if url not in known]
        return new, gone

    def choose(self, now: float, tokens: float = 0.0) -> End | None:
        """The server that takes the next request, the one with the fewest in flight; None where none does now."""
        if self._shared(now, tokens) > 0:
            return None
        best: End | None = None
        for end in self.all:
            if end.room(now) and end.pace.wait(now) <= 0 and (best is None or _rank(end, now) < _rank(best, now)):
                best = end
        return best

    def send(self, end: End, now: float, tokens: float = 0.0) -> None:
        """A request goes to a server that was chosen."""
        end.sent(now)
        if self._requests is not None:
            self._requests.take(now)
        if self._tokens is not None:
            self._tokens.take(now, tokens)

    def wait(self, now: float, tokens: float = 0.0) -> float:
        """Seconds until `choose` may find a server, as far as time alone decides."""
        first = min((end.wait(now) for end in self.all), default=math.inf)
        return max(first, self._shared(now, tokens))

    def broken(self, now: float) -> list[End]:
        """Broken servers that it is time to look at; each is named once."""
        found = [e for e in self.all if e.state == "open" and not e.looked and not e.leaving and e.open_until <= now]
        for end in found:
            end.looked = True
        return found

    def look(self, now: float) -> float:
        """Seconds until a broken server is to be looked at; infinite where none is broken."""
        waits = [end.open_until - now for end in self.all if end.state == "open" and not end.looked]
        return max(0.0, min(waits, default=math.inf))

    def _shared(self, now: float, tokens: float) -> float:
        requests = self._requests.wait(now) if self._requests is not None else 0.0
        return max(requests, self._tokens.wait(now, tokens) if self._tokens is not None else 0.0)


def _rank(end: End, now: float) -> tuple[bool, int]:
    return end.sour_until > now, end.outstanding
