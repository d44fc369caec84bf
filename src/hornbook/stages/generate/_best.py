"""The best of several replies to one prompt: what is asked for it, and which it is."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, Literal

from hornbook.core.asking import Reply
from hornbook.teachers.json_text import json_in

Judge = Literal["score", "pairwise", "longest"]
Kind = Literal["sample", "score", "pair", "critique", "rewrite"]
LOWEST, HIGHEST = 1, 10
"""The scale of MT-Bench's single-answer grading (Zheng et al. 2023, arXiv:2306.05685)."""
SCORE = {
    "type": "object",
    "properties": {"score": {"type": "integer", "enum": list(range(LOWEST, HIGHEST + 1))}},
    "required": ["score"],
    "additionalProperties": False,
}
PAIR = {
    "type": "object",
    "properties": {"better": {"type": "string", "enum": ["A", "B"]}},
    "required": ["better"],
    "additionalProperties": False,
}
_HOPELESS = ("rejected", "length")
"""Errors of the prompt itself, which every other sample would meet too."""


@dataclass(frozen=True, slots=True)
class Want:
    """A request to be made.

    Args:
        kind: what for.
        number: of a sample.
        texts: what is judged, criticised or rewritten; for a pair the first and the second.
        faults: for a rewrite.
    """

    kind: Kind
    number: int = 0
    texts: tuple[str, ...] = ()
    faults: str = ""


Course = Generator[Want, Reply, None]
"""Yields what is to be asked, is sent what came back."""


@dataclass(slots=True)
class Found:
    """What a row's replies have come to so far.

    Args:
        clean: a reply → its text as it would be kept.
        samples: all replies to the prompt, of use or not.
        points: of each sample, what the judge gave it; None where it was not judged.
        best: the sample that is kept, None where none is of use.
        text: the text that is kept: that sample's, or its revision.
        kept: the reply that `text` is of.
        revisions: how often it was rewritten.
    """

    clean: Callable[[Reply], str]
    samples: list[Reply] = field(default_factory=list)
    points: list[float | None] = field(default_factory=list)
    best: int | None = None
    text: str = ""
    kept: Reply | None = None
    revisions: int = 0

    def good(self) -> list[int]:
        """Samples of use."""
        return [at for at, reply in enumerate(self.samples) if reply.error is None and self.clean(reply)]

    def keep(self, at: int | None) -> None:
        """Keep a sample."""
        self.best = at
        if at is not None:
            self.kept, self.text = self.samples[at], self.clean(self.samples[at])


def choosing(found: Found, many: int, judge: Judge) -> Course:
    """Ask for samples, have them judged; `found` holds the best so far at every moment.

    Equal texts are judged once. Where the judge says nothing of use the first sample of use is kept.
    """
    for number in range(many):
        reply = yield Want("sample", number)
        found.samples.append(reply)
        found.points.append(None)
        if found.best is None:
            found.keep(next(iter(found.good()), None))
        if number == 0 and reply.error in _HOPELESS:
            return
    firsts: dict[str, int] = {}
    for at in found.good():
        firsts.setdefault(found.clean(found.samples[at]), at)
    if judge == "longest":
        _longest(found)
    elif len(firsts) > 1:
        yield from (_scoring if judge == "score" else _matching)(found, firsts)
    for at in found.good():
        found.points[at] = found.points[firsts[found.clean(found.samples[at])]]


def _longest(found: Found) -> None:
    """Whole replies go before those that were cut off; the first of equal length."""
    for at in found.good():
        found.points[at] = float(len(found.clean(found.samples[at])))
    order = sorted(found.good(), key=lambda at: (found.samples[at].finish == "length", -(found.points[at] or 0), at))
    found.keep(next(iter(order), None))


def _scoring(found: Found, firsts: dict[str, int]) -> Course:
    best: float | None = None
    for text, at in firsts.items():
        found.points[at] = points = score_of((yield Want("score", texts=(text,))))
        if points is not None and (best is None or points > best):
            best = points
            found.keep(at)


def _matching(found: Found, firsts: dict[str, int]) -> Course:
    """Each against the best before it, in both orders: it must win both (position bias: arXiv:2306.05685).

    Points are games won.
    """
    (champion, best), *others = firsts.items()
    found.points[best] = 0.0
    for text, at in others:
        one = better_of((yield Want("pair", texts=(champion, text))))
        two = better_of((yield Want("pair", texts=(text, champion))))
        won = (one == "B") + (two == "A")
        lost = (one == "A") + (two == "B")
        found.points[at] = float(won)
        found.points[best] = (found.points[best] or 0.0) + lost
        if won == 2:
            champion, best = text, at
            found.keep(at)


def score_of(reply: Reply) -> float | None:
    """The score in a judge's reply, None where it gives none."""
    value = _field(reply, "score")
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if number and LOWEST <= value <= HIGHEST else None


def better_of(reply: Reply) -> str | None:
    """A or B, None where the reply names neither."""
    value = _field(reply, "better")
    said = value.strip().upper() if isinstance(value, str) else ""
    return said if said in ("A", "B") else None


def _field(reply: Reply, name: str) -> Any:
    if reply.error is not None:
        return None
    value, _ = json_in(reply.text, lambda found: isinstance(found, dict) and name in found)
    return value.get(name) if isinstance(value, dict) else None
