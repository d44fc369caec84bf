"""What asking did, and when it has gone so wrong that it must stop."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from hornbook.core.errors import HornbookError

LOOKED_AT = 10
"""Failures before anything is concluded from them."""
SHARE = 0.5
"""Share of failures that stops the run; as NVIDIA DataDesigner's early shutdown."""
WINDOW = 200
"""Requests that are looked at, the last ones."""


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
    followed: int = 0
    waiting: int = 0
    most: int = 0
    errors: dict[str, int] = field(default_factory=dict)

    def plus(self, other: Tally) -> Tally:
        """This one and what was done after it, as one."""
        sums = {name: getattr(self, name) + getattr(other, name) for name in vars(self) if name != "errors"}
        errors = {name: self.errors.get(name, 0) + other.errors.get(name, 0) for name in self.errors | other.errors}
        return Tally(**sums | {"waiting": other.waiting, "most": max(self.most, other.most)}, errors=errors)

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


class Breaker:
    """Says when most of what came back lately is of no use: the fault is then not in single requests.

    Args:
        name: the teacher's, for the message.
        window: requests looked at, the last ones.
    """

    def __init__(self, name: str, window: int = WINDOW) -> None:
        self._name = name
        self._last: deque[str | None] = deque()
        self._window = max(WINDOW, window)
        self._bad: Counter[str] = Counter()

    def heard(self, error: str | None, detail: str = "") -> HornbookError | None:
        """Count the end of a request: its class of error, or None; gives the reason to stop."""
        self._last.append(error)
        if error is not None:
            self._bad[error] += 1
        if len(self._last) > self._window and (gone := self._last.popleft()) is not None:
            self._bad[gone] -= 1
        bad = self._bad.total() if error is not None else 0
        if bad < LOOKED_AT or bad <= SHARE * len(self._last):
            return None
        classes = ", ".join(f"{many} {name}" for name, many in sorted(self._bad.items()) if many)
        return HornbookError(
            f"{bad} of {len(self._last)} requests failed ({classes}); the last: {detail[:300]}",
            where=f"teacher {self._name}",
            fix="see that the teacher answers (`hornbook doctor`); run again to go on: what was paid for is kept",
        )
