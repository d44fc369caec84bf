"""Servers with limits, and a client of our own logic, in virtual time: minutes of a run in milliseconds."""

from __future__ import annotations

import heapq
import math
import random
from dataclasses import dataclass, field
from typing import Any

from hornbook.teachers.ends import Ends
from tests.faulty_limits import Limit


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
    refusal: int = 429,
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
        refusal: its status, 429 or 503.
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
        for broken in servers.broken(now):
            broken.seen(now, True)
        while (chosen := servers.choose(now, 1.0)) is not None:
            servers.send(chosen, now, 1.0)
            story.sent += 1
            story.most = max(story.most, end.outstanding)
            later(trip / 2 * draw.uniform(0.7, 1.3), "arrives", now)
        wait = min(servers.wait(now, 1.0), servers.look(now))
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
            limit.leave()
            story.good += 1
            end.replied(now)
        else:
            story.refused += 1
            if refusal == 429:
                end.refused(now, sent, after, None)
            else:
                end.overloaded(now, sent, after)
    return story
