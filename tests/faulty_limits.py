"""What a server lets in: limits of rate and of requests in flight, for `tests.faulty_server` and in virtual time."""

from __future__ import annotations

import random
from collections import deque
from typing import Any, Protocol


class Limit(Protocol):
    """Says yes or no to a request, and to the one after a no, when."""

    def admit(self, now: float) -> bool:
        """Whether a request is let in."""
        ...

    def after(self, now: float) -> float:
        """Seconds until the next one may be."""
        ...

    def leave(self) -> None:
        """One that was let in has gone."""


class Free:
    """Lets in all."""

    def admit(self, now: float) -> bool:
        return True

    def after(self, now: float) -> float:
        return 0.0

    def leave(self) -> None:
        pass


class Tokens(Free):
    """A token bucket: `rate` requests a second, `burst` at once."""

    def __init__(self, rate: float, burst: float | None = None) -> None:
        self.rate, self.burst = rate, max(1.0, rate) if burst is None else burst
        self.there, self.at = self.burst, 0.0

    def admit(self, now: float) -> bool:
        self.there = min(self.burst, self.there + (now - self.at) * self.rate)
        self.at = now
        if self.there < 1:
            return False
        self.there -= 1
        return True

    def after(self, now: float) -> float:
        return (1 - self.there) / self.rate


class Window(Free):
    """So many requests in each window of seconds; what is refused counts too."""

    def __init__(self, many: int, seconds: float) -> None:
        self.many, self.seconds, self.number, self.used = many, seconds, -1, 0

    def admit(self, now: float) -> bool:
        if int(now / self.seconds) != self.number:
            self.number, self.used = int(now / self.seconds), 0
        self.used += 1
        return self.used <= self.many

    def after(self, now: float) -> float:
        return (self.number + 1) * self.seconds - now


class Sliding(Free):
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


class Room(Free):
    """So many requests in flight."""

    def __init__(self, many: int) -> None:
        self.many, self.inside = many, 0

    def admit(self, now: float) -> bool:
        if self.inside >= self.many:
            return False
        self.inside += 1
        return True

    def after(self, now: float) -> float:
        return 1.0

    def leave(self) -> None:
        self.inside -= 1


class Moody(Free):
    """Refuses a share of requests, whatever their rate is."""

    def __init__(self, share: float, seed: int = 0) -> None:
        self.share, self.draw = share, random.Random(seed)

    def admit(self, now: float) -> bool:
        return self.draw.random() >= self.share

    def after(self, now: float) -> float:
        return 1.0


KINDS = {"tokens": Tokens, "window": Window, "sliding": Sliding, "room": Room, "moody": Moody}


def limit_of(said: dict[str, Any]) -> Limit:
    """The limit that options speak of: {"kind": "sliding", "many": 20, "seconds": 1}; {} for none."""
    rest = dict(said)
    kind = rest.pop("kind", None)
    return KINDS[kind](**rest) if kind else Free()
