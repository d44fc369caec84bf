"""What a run says while it runs. The engine speaks; terminals, logs and viewers listen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class StepEvent:
    """A step began, was found done, or ended.

    Args:
        what: started, cached, done or failed.
        step, use, kind: which.
        number, of: its place in the recipe, from 1.
        manifest: what it did, for cached and done.
    """

    what: Literal["started", "cached", "done", "failed"]
    step: str
    use: str
    kind: str
    number: int
    of: int
    manifest: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a step is; any number may be unknown (0).

    Args:
        step: which.
        done, total: rows, or the share of a job times 1,000.
        kept, dropped: documents so far.
        tokens: written by the teacher in this execution.
        cached: requests answered by the journal.
        failed: requests that failed for good.
        usd: spent in this execution.
        waiting: requests in flight.
        note: a few words (a job's state).
    """

    step: str
    done: int = 0
    total: int = 0
    kept: int = 0
    dropped: int = 0
    tokens: int = 0
    cached: int = 0
    failed: int = 0
    usd: float = 0.0
    waiting: int = 0
    note: str = ""


Event = StepEvent | Progress
Listener = Callable[[Event], None]
