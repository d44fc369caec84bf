"""Servers with limits, and a client of our own logic, in virtual time: minutes of a run in milliseconds."""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Protocol

from hornbook.teachers.ends import Ends


class Limit(Protocol):
    """What a server lets in."""

    def admit(self, now: float) -> bool: ...

    def after(self, now: float) -> float: ...


class Tokens:
    """A token bucket: `rate` requests a second, `burst` at once."""

    def __init__(self, rate: float, burst: float) -> None:
        self.rate, self.burst, self.there, self.at = rate, burst, burst, 0.0

    def admit(self, now: float) -> bool:
        self.there = min(self.burst, self.there + (now - self.at) * self.rate)
        self.at = now
        if self.there < 1:
            return False
        self.there -= 1
        return True

    def after(self, now: float) -> float:
        return (1 - self.there) / self.rate


class Window:
    """So many requests in each window of seconds."""

    def __init__(self, many: int, seconds: float) -> None:
        self.many, self.seconds, self.number, self.used = many, seconds, -1, 0

    def admit(self, now: float) -> bool:
        if int(now / self.seconds) != self.number:
            self.number, self.used = int(now / self.seconds), 0
        self.used += 1
        return self.used <= self.many

    def after(self, now: float) -> float:
        return (self.number + 1) * self.seconds - now


class Sliding:
    """So many requests in any window of seconds."""

    def __init__(self, many: int, seconds: float) -> None:
        self.many, self.seconds, self.times = many, seconds, deque[float]()

    def admit(self, now: float) -> bool:
        while self.times and self.times[0] <= now - self.seconds:
            self.times.popleft()
        if len(self.times) >= self.many:
            return False
        self.times.append(now)
        return True

    def after(self, now: float) -> float:
        return self.times[0] + self.seconds - now


@dataclass
class Story:
    """What happened.

    Args:
        good, refused, sent: requests.
        most: in flight at once.
        seconds: simulated.
        arrivals: when requests were let in.
    """

    good: int = 0
    refused: int = 0
    sent: int = 0
    most: int = 0
    seconds: float = 0.0
    arrivals: list[float] = field(default_factory=list)

    @property
    def wasted(self) -> float:
        return self.refused / max(1, self.sent)


def simulate(
    limit: Limit,
    *,
    seconds: float,
    latency: float,
    trip: float = 0.02,
    tell: str = "none",
    concurrency: int = 500,
    seed: int = 0,
    **ends: Any,
) -> Story:
    """A client that always has more to ask, against one server.

    Args:
        limit: of the server.
        seconds: how long.
        latency: mean seconds of a reply, ± 50 %.
        trip: seconds there and back, ± 30 %.
        tell: what a refusal says: none, seconds (whole ones, as Retry-After), exact.
        concurrency: of the client.
        seed: of the draws.
        ends: further arguments of `Ends`.
    """
    draw, story = random.Random(seed), Story(seconds=seconds)
    servers = Ends(["http://x/v1"], concurrency, **ends)
    end = servers.all[0]
    queue: list[tuple[float, int, str, float, float | None]] = []
    now, number = 0.0, 0

    def later(wait: float, what: str, sent: float, after: float | None = None) -> None:
        nonlocal number
        number += 1
        heapq.heappush(queue, (now + wait, number, what, sent, after))

    while now < seconds:
        while (chosen := servers.choose(now, 1.0)) is not None:
            servers.send(chosen, now, 1.0)
            story.sent += 1
            story.most = max(story.most, end.outstanding)
            later(trip / 2 * draw.uniform(0.7, 1.3), "arrives", now)
        wait = servers.wait(now, 1.0)
        if not queue or now + wait < queue[0][0]:
            assert wait < math.inf, "nothing in flight and nothing to wait for"
            now += max(wait, 1e-6)
            continue
        now, _, what, sent, after = heapq.heappop(queue)
        if what == "arrives":
            if limit.admit(now):
                story.arrivals.append(now)
                later(latency * draw.uniform(0.5, 1.5) + trip / 2, "good", sent)
                continue
            said = {"none": None, "exact": limit.after(now), "seconds": math.ceil(limit.after(now))}[tell]
            later(trip / 2 * draw.uniform(0.7, 1.3), "refused", sent, said)
            continue
        end.back()
        if what == "good":
            story.good += 1
            end.replied(now)
        else:
            story.refused += 1
            end.refused(now, sent, after, None)
    return story
