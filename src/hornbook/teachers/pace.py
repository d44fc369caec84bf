"""How fast a server may be asked: a token bucket for limits that are known, and a law that finds those that are not.

Pure logic: every method is told the time, so that a simulation drives the same code as a run.

A rate limit says no within milliseconds, long before any reply, so the number of requests in flight is the
wrong thing to steer: with a slow model hundreds must be in flight to use twenty requests a second. What is
steered is the rate itself. The law is TCP CUBIC's idea (Ha, Rhee, Xu 2008, RFC 9438) with a measured rate in
place of a guessed one: cut to what was accepted lately, go back to just under where it was refused, stay
there the longer the more often it was refused there, then try a little more, and ever more while nothing is
refused.
"""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Mapping

from hornbook.teachers.habit import Habit

REST = 1.0
"""Seconds that a server rests after the first refusal, so that its rate can be measured, and after one that names no
time; doubled while it goes on refusing. Our choice (NVIDIA DataDesigner rests 2 s)."""
LONGEST_REST = 60.0
WINDOW = 10.0
"""Seconds over which accepted requests are counted."""
BIN = 0.05
LATE = 0.25
"""Seconds by which a busy event loop may be late without losing what it could have sent."""
CUT, KEEP, NEAR = 0.75, 0.95, 0.96
"""A cut goes to KEEP of the accepted rate, not below CUT of the old one (DataDesigner's factor); then to NEAR of
the rate that was refused."""
EPOCH_SECONDS, EPOCH_REQUESTS = 2.0, 25
"""Without a refusal for so long and for so many requests, the rate may rise (DataDesigner: 25 successes)."""
FAST_SECONDS, FAST_REQUESTS, FAST = 0.5, 4, 1.25
"""The same where only a higher rate is known to be refused, and the step."""
START_SECONDS, START_REQUESTS, START = 0.5, 2, 1.25
"""The same where none is: after the first refusal, for the rate that was accepted until then may be far too low."""
USED = 0.8
"""Share of the rate that must have been used for its rise to mean anything."""
SPEND, LEAST_SAVED, LONGEST_SAVED = 3.0, 0.5, 1.0
"""What a rest (of LEAST_SAVED seconds or more, the first LONGEST_SAVED of it) has saved up in the server's bucket is
used at SPEND times the rate, until that was refused once."""
PROBE, MOST_PROBE = 0.01, 0.25
"""First step beyond the refused rate, doubled with each further one."""
FIRST_HOLD, LONGEST_HOLD = 4, 16
"""Epochs at the edge of what is refused before more is tried."""
SAME = 0.15
"""Two refused rates within this share of each other are one limit."""


class Bucket:
    """A limit per minute that was told: at most one second's worth at once, so that no minute holds more.

    Args:
        per_minute: how many.
    """

    def __init__(self, per_minute: float) -> None:
        self._rate = per_minute / 60
        self._most = max(1.0, self._rate)
        self._there = self._most
        self._at = -math.inf

    def wait(self, now: float, many: float = 1.0) -> float:
        """Seconds until so many fit. More than the bucket ever holds fit when it is full."""
        self._fill(now)
        return max(0.0, min(many, self._most) - self._there) / self._rate

    def take(self, now: float, many: float = 1.0) -> None:
        """Take so many; what is taken too much must be made good before the next."""
        self._fill(now)
        self._there -= many

    def _fill(self, now: float) -> None:
        if now > self._at:
            self._there = min(self._most, self._there + (now - self._at) * self._rate)
            self._at = now


class Pace:
    """The rate at which one server is asked; unlimited until it refuses."""

    def __init__(self) -> None:
        self.rate = math.inf
        """Requests per second."""
        self.resting_until = -math.inf
        self._ceiling = 0.0
        self._next = -math.inf
        self._bins: deque[list[float]] = deque()
        self._cut_at = -math.inf
        self._measure = False
        """Whether the rate is to be measured when the first rest is over."""
        self._hint = math.inf
        self._sent = 0
        """Requests since the last refusal that told something new."""
        self._saved, self._saves = 0.0, True
        """Requests that a rest has saved up, and whether this server lets such be made good."""
        self._spent = 0
        """Such refusals in a row of the first request after a rest: an allowance that is used up."""
        self._lag = 0.1
        self._epoch = (-math.inf, 0)
        self._probe, self._hold, self._held = PROBE, FIRST_HOLD, 0
        self._habit = Habit()

    def wait(self, now: float) -> float:
        """Seconds until a request may be sent."""
        return max(0.0, self.resting_until - now, self._next - now)

    def sent(self, now: float) -> None:
        """A request is sent now."""
        if self._measure:
            self._measure = False
            found = self._accepted(now, WINDOW + now - self._cut_at)
            self.rate = min(self._hint, max(found, 1 / LONGEST_REST))
        bin_ = math.floor(now / BIN) * BIN
        if not self._bins or self._bins[-1][0] < bin_:
            self._bins.append([bin_, 0.0])
            while self._bins[0][0] < now - WINDOW:
                self._bins.popleft()
        self._bins[-1][1] += 1
        self._sent += 1
        self._habit.sent()
        if self.rate == math.inf:
            return
        if self._sent == 1:  # one goes ahead to see whether it is let in
            self._epoch = (now, 0)
            self._next = now + max(2 * self._lag, 1 / self.rate)
            rest = now - self._cut_at
            self._saved = self.rate * min(rest, LONGEST_SAVED) if self._saves and rest >= LEAST_SAVED else 0.0
            return
        self._grow(now)
        step = 1 / self.rate
        if self._saved > 0:
            self._saved -= 1 - 1 / SPEND
            step /= SPEND
        self._next = max(self._next, now - LATE) + step

    def refused(self, now: float, sent: float, after: float | None = None, hint: float | None = None) -> bool:
        """A request that was sent at `sent` was refused now: rest and, once a round trip, cut.

        Args:
            now, sent: times.
            after: seconds that the server asked to wait.
            hint: requests per second that the server's headers speak of.

        Returns:
            whether this was the first word of a new limit, and not the echo of one that is known.
        """
        self.turned_away(sent)
        self._lag = 0.8 * self._lag + 0.2 * min(2.0, now - sent)
        if self.rate < math.inf and self._habitual(now):
            self.resting_until = max(self.resting_until, now + (after or 0.0))
            return False
        if sent < self._cut_at:
            if after is not None:
                self.resting_until = max(self.resting_until, min(now + after, self._cut_at + after))
            return False
        self._hint = hint if hint is not None and hint > 0 else math.inf
        first = self.rate == math.inf
        spent = self._sent <= 2 and not first
        self._spent = self._spent + 1 if spent else 0
        if first:
            self._measure = True
        elif after is not None or not spent:
            self._cut(now)
        if after is None:
            after = min(LONGEST_REST, REST * 2**self._spent) if first or spent else 0.0
        after = max(after, 2 * self._lag)
        self.resting_until = max(self.resting_until, now + (max(after, REST) if first else after))
        if self._saved > 1 and not first:
            self._saves = False
        self._cut_at, self._sent, self._saved = now, 0, 0.0
        return True

    def turned_away(self, sent: float) -> None:
        """A request that was sent at `sent` was not let in."""
        for bin_ in reversed(self._bins):
            if bin_[0] <= sent:
                bin_[1] = max(0.0, bin_[1] - 1)
                break

    def let_in(self, now: float) -> float:
        """Requests a second that were let in lately; 0 where that is not known yet."""
        return self._accepted(now) if self._bins and now - self._bins[0][0] >= WINDOW / 2 else 0.0

    def _habitual(self, now: float) -> bool:
        """Whether a refusal tells nothing of the rate."""
        known = self._habit.usual
        if self._habit.tells_nothing(self.rate, self.let_in(now)):
            if not known:
                self.rate, self._ceiling = max(self.rate, self._habit.best), 0.0
            return True
        if known:
            self._bins.clear()
        return False

    def _cut(self, now: float) -> None:
        same = abs(self.rate - self._ceiling) <= SAME * self.rate
        self._hold = min(LONGEST_HOLD, 2 * self._hold) if same else FIRST_HOLD
        self._ceiling = self.rate
        self.rate = min(NEAR * self.rate, max(CUT * self.rate, KEEP * self._accepted(now)), self._hint)
        self._probe, self._held = PROBE, 0
        self._epoch = (now, 0)

    def _accepted(self, now: float, window: float = WINDOW) -> float:
        """Requests per second that were not refused, over the window; rests are part of it."""
        if not self._bins:
            return 0.0
        start = max(self._bins[0][0], now - window)
        many = sum(bin_[1] for bin_ in self._bins if bin_[0] >= start)
        return many / max(BIN, now - start)

    def _grow(self, now: float) -> None:
        """Rise at the end of an epoch in which the rate was used and nothing was refused."""
        began, many = self._epoch[0], self._epoch[1] + 1
        self._epoch = (began, many)
        below = not self._ceiling or self.rate < NEAR * self._ceiling
        seconds, requests = (FAST_SECONDS, FAST_REQUESTS) if below else (EPOCH_SECONDS, EPOCH_REQUESTS)
        if not self._ceiling:
            seconds, requests = max(START_SECONDS, 2 * self._lag), START_REQUESTS
        if now - began < seconds or many < requests:
            return
        self._epoch = (now, 0)
        if many < USED * self.rate * (now - began):
            return
        if below:
            self.rate = min(NEAR * self._ceiling, FAST * self.rate) if self._ceiling else START * self.rate
        elif self._held < self._hold:
            self._held += 1
        else:
            self.rate *= 1 + self._probe
            self._probe = min(MOST_PROBE, 2 * self._probe)


_LIMIT = ("x-ratelimit-limit-requests", "x-ratelimit-limit", "ratelimit-limit")
_LEFT = ("x-ratelimit-remaining-requests", "x-ratelimit-remaining", "ratelimit-remaining")
_RESET = ("x-ratelimit-reset-requests", "x-ratelimit-reset", "ratelimit-reset")
_PART = re.compile(r"([\d.]+)(ms|s|m|h|d)?")
_UNIT = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "": 1.0}


def hint_of(headers: Mapping[str, str]) -> float | None:
    """Requests per second that rate-limit headers speak of, None where they do not.

    A bucket that is whole again in `reset` seconds fills at (limit - remaining) / reset: that holds for OpenAI's
    requests per minute and for Groq's per day alike (platform.openai.com/docs/guides/rate-limits,
    console.groq.com/docs/rate-limits). Of a fixed window it is an upper bound, and it is only used as one.
    """
    found = [next((headers[name] for name in names if name in headers), "") for names in (_LIMIT, _LEFT, _RESET)]
    try:
        limit, left = float(found[0]), float(found[1])
    except ValueError:
        return None
    seconds = seconds_of(found[2])
    if not seconds or seconds > 86400 or limit <= left or not math.isfinite(limit - left):
        return None
    return (limit - left) / seconds


def seconds_of(text: str) -> float:
    """Seconds from `1s`, `6m0s`, `120ms` or a plain number; 0 where it is none."""
    text = text.strip().lower()
    if not text or _PART.sub("", text):
        return 0.0
    try:
        return sum(float(number) * _UNIT[unit] for number, unit in _PART.findall(text))
    except ValueError:
        return 0.0
