"""Diversity while it runs: what the replies are like, overall and by group, and what follows from it.

Replies are looked at some at a time, in the order in which they come, so the cost of a reply is small and
the state depends on that order alone. Memory is bounded whatever the number of replies. Where nothing depends
on it (no number of replies is wanted, nothing can pause the run) a long run's later replies are sampled. All
of it is numpy: the process that asks loads no compiler.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from hornbook.core.asking import Reply, Request
from hornbook.core.diversity import GROUPS, Collapse, Pause
from hornbook.core.errors import HornbookError
from hornbook.core.stage import Stage
from hornbook.kernels.glance import Recent, glance
from hornbook.kernels.sketches import Distinct, Lengths, SpaceSaving, entropy, ranked

AT_A_TIME, AT_FIRST, SOON = 32, 8, 1_024
"""Replies looked at together; where what is asked next depends on it so few, until so many were heard: of a few hundred
replies, 32 that nobody has looked at yet are many."""
OPENING_WORDS = 3
"""As `quality.openings` counts them."""
LONGEST_OPENING = 256
ALL_FIRST, THEN_EVERY = 640, 8
"""Replies that are all looked at, and of how many later ones one is: 640 and more tell a share within 4 points
(two standard errors of a share of 1/2), so the later ones serve to see a change."""
GROUP_BITS = 10
LONGEST_VALUE = 100
ALIKE = 0.7
"""Estimated Jaccard similarity of word 5-grams from which a reply repeats an earlier one (datatrove: 0.72)."""
RECENT, FEW = 64, 4
"""Replies by which a group is judged, and how many there must be."""
SURE = 1.645
"""Of few replies the lower end of their share's 90 % interval (Wilson 1927) is judged, so that chance alone weighs
little: 3 of 4 alike, 5 of 8 or 8 of 16 are surely over 0.3; chance does that to 8, 6, 7 of 100 groups just at 0.3."""
MOST_GROUPS = 256
MOST_VALUES = 16_384
MOST_OPEN = 16_384
"""Requests under way whose group is remembered."""
FLOOR = 0.1
"""Least weight, so that nothing starves and a group that has recovered is noticed. Our choice."""
STEEP = 2.0
"""A group whose share is so many times its limit weighs as much less, to this power: at the default limit of 0.3 one
that always begins alike comes to the floor. Our choice; docs/diversity.md has what it is worth."""
SHOWN_GROUPS = 50

Groups = tuple[str, ...]
"""The groups that a prompt is in: `COLUMN=value` for each watched column."""


@dataclass(frozen=True, slots=True)
class Watching:
    """What a step's knobs say about diversity.

    Args:
        columns: patterns of columns whose values are groups.
        want: how many replies are wanted, None for one to each prompt.
        collapse: when a group is too much alike.
        pause: when the run stops, None for never.
        on: whether anything is watched at all.
    """

    columns: tuple[str, ...] = GROUPS
    want: int | None = None
    collapse: Collapse = field(default_factory=Collapse)
    pause: Pause | None = None
    on: bool = True

    @classmethod
    def of(cls, stage: Stage) -> Watching:
        """From a stage that has the knobs `watch`, `want`, `collapse`, `pause_when`, or some of them."""
        columns = getattr(stage, "watch", None)
        return cls(
            GROUPS if columns is None else tuple(columns),
            getattr(stage, "want", None),
            getattr(stage, "collapse", None) or Collapse(),
            getattr(stage, "pause_when", None),
            getattr(stage, "varied", True),
        )

    def among(self, names: Iterable[str]) -> tuple[str, ...]:
        """The columns watched, of those that there are."""
        return tuple(name for name in names if any(fnmatchcase(name, pattern) for pattern in self.columns))


def groups_of(columns: Mapping[str, Sequence[Any]], rows: int) -> list[Groups]:
    """The groups of each row; a missing value is no group, each item of a list is one."""
    named = [[_named(name, value) for value in values] for name, values in columns.items()]
    if not named:
        return [()] * rows
    return [tuple(group for groups in row for group in groups) for row in zip(*named, strict=True)]


def _named(column: str, value: Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, str) and column.endswith(".features"):
        value = value.split(",")
    values = dict.fromkeys(str(one)[:LONGEST_VALUE] for one in (value if isinstance(value, list) else [value]))
    return [f"{column}={one}" for one in values]


class _Group:
    """One group: sketches of all its replies, and the last ones exactly."""

    def __init__(self) -> None:
        self.looked = self.repeats = self.pairs = 0
        self.openings = SpaceSaving(32)
        self.distinct = Distinct(GROUP_BITS)
        self.recent: deque[tuple[str, bool]] = deque(maxlen=RECENT)
        self.weight = 1.0

    def judge(self, limits: Collapse) -> None:
        """Set the weight by what the last replies are like."""
        if len(self.recent) < FEW:
            return
        many = len(self.recent)
        top = max(Counter(opening for opening, _ in self.recent).values())
        repeats = sum(repeat for _, repeat in self.recent)
        over = max(_at_least(top, many) / limits.top_opening, _at_least(repeats, many) / limits.repeats)
        self.weight = 1.0 if over <= 1 else max(FLOOR, over**-STEEP)

    def facts(self, replies: int) -> dict[str, Any]:
        """For the manifest; `replies` are all of the group."""
        top = self.openings.top(1)
        return {
            "replies": replies,
            "top_opening": top[0].item if top else "",
            "top_share": round((top[0].count - top[0].error) / self.openings.total, 4) if top else 0.0,
            "repeats": round(self.repeats / max(1, self.looked), 4),
            "distinct_2": _share(self.distinct.estimate(), self.pairs),
            "weight": round(self.weight, 4),
        }


class Diversity:
    """Hears every reply of use, and knows what they are like.

    Args:
        watching: the step's knobs.
    """

    def __init__(self, watching: Watching) -> None:
        self.watching = watching
        self.stop: HornbookError | None = None
        """Set when the run is to pause: nothing more should be asked."""
        self.replies = self.heard = self.repeats = 0
        """Replies of use; of them looked at; of those like an earlier one."""
        self.steers = watching.want is not None or watching.pause is not None
        """Whether what is asked next depends on what was heard: then every reply is looked at."""
        self.openings = SpaceSaving(512)
        self.distinct = {n: Distinct(14) for n in (1, 2, 3)}
        self.runs = dict.fromkeys((1, 2, 3), 0)
        self.words = Lengths()
        self.groups: dict[str, _Group] = {}
        self._met: dict[str, int] = {}
        self._values: dict[str, int] = {}
        self._recent = Recent()
        self._noted = 0, ""
        self._waiting: list[tuple[Groups, str]] = []
        self._open: OrderedDict[int, tuple[Request, Groups]] = OrderedDict()

    @staticmethod
    def prepare() -> None:
        """Have the tables made now: at the first reply, all others would wait for them."""
        glance([""])

    def asked(self, request: Request, groups: Groups) -> None:
        """Remember a request's groups until its reply is there."""
        if not groups:
            return
        self._open[id(request)] = request, groups
        if len(self._open) > MOST_OPEN:
            self._open.popitem(last=False)

    def seen(self, request: Request, reply: Reply) -> None:
        """Hear a reply of use to a request that was asked; never raises (`stop` is set instead)."""
        _, groups = self._open.pop(id(request), (None, ()))
        self.look(groups, reply.text)

    def look(self, groups: Groups, text: str) -> None:
        """Hear a reply of use."""
        if not self.watching.on:
            return
        self.replies += 1
        for group in groups:
            self._cover(group)
        if self.replies > ALL_FIRST and self.replies % THEN_EVERY and not self.steers:
            return
        self._waiting.append((groups, text))
        if len(self._waiting) >= (AT_FIRST if self.steers and self.heard < SOON else AT_A_TIME):
            self.settle()

    def settle(self) -> None:
        """Look at the replies that wait to be looked at."""
        if not self._waiting:
            return
        some, self._waiting = self._waiting, []
        self._measure([groups for groups, _ in some], [text for _, text in some])
        if self.stop is None and self.watching.pause is not None:
            self.stop = self._too_much(self.watching.pause)

    def weight(self, groups: Groups) -> float:
        """The share of a prompt among others: the product of its groups' weights, FLOOR to 1."""
        product = 1.0
        for group in groups:
            known = self.groups.get(group)
            product *= known.weight if known is not None else 1.0
        return max(FLOOR, product)

    def _measure(self, groups: list[Groups], texts: list[str]) -> None:
        read = glance(texts, OPENING_WORDS, LONGEST_OPENING)
        openings = read.openings
        repeats = [alike >= ALIKE for alike in self._recent.see(read)]
        self.heard += len(texts)
        self.repeats += sum(repeats)
        self.openings.add(openings)
        self.words.add(np.diff(read.offsets).tolist())
        pairs, edges = read.runs(2)
        for n, sketch in self.distinct.items():
            found = pairs if n == 2 else read.words if n == 1 else read.runs(n)[0]
            sketch.add(found)
            self.runs[n] += found.size
        if not any(groups):
            return
        where, ranks = ranked(pairs, GROUP_BITS)
        touched: dict[str, _Group] = {}
        for at, names in enumerate(groups):
            own = slice(int(edges[at]), int(edges[at + 1]))
            for name in names:
                group = self._group(name)
                if group is None:
                    continue
                group.looked += 1
                group.repeats += repeats[at]
                group.pairs += own.stop - own.start
                group.openings.add([openings[at]])
                group.distinct.put(where[own], ranks[own])
                group.recent.append((openings[at], repeats[at]))
                touched[name] = group
        for group in touched.values():
            group.judge(self.watching.collapse)

    def _group(self, name: str) -> _Group | None:
        known = self.groups.get(name)
        if known is None and len(self.groups) < MOST_GROUPS:
            known = self.groups[name] = _Group()
        return known

    def _cover(self, name: str) -> None:
        """Count a group's reply; of each column the first `MOST_VALUES` values."""
        if name in self._met:
            self._met[name] += 1
            return
        column = name.partition("=")[0]
        many = self._values.get(column, 0)
        if many < MOST_VALUES:
            self._values[column] = many + 1
            self._met[name] = 1

    def measures(self) -> dict[str, float]:
        """The four measures that a pause looks at, over all replies that were looked at so far."""
        top = self.openings.top(1)
        return {
            "top_opening": (top[0].count - top[0].error) / self.openings.total if top else 0.0,
            "repeats": self.repeats / max(1, self.heard),
            "distinct_2": _share(self.distinct[2].estimate(), self.runs[2]) if self.runs[2] else 1.0,
            "drift": self.words.drift()[0],
        }

    def _too_much(self, pause: Pause) -> HornbookError | None:
        """Why the run has to pause, or None."""
        if self.heard < pause.after:
            return None
        for name, value in self.measures().items():
            limit = getattr(pause, name)
            if limit is None or (value >= limit if name == "distinct_2" else value <= limit):
                continue
            named = f" (“{self.openings.top(1)[0].item}”)" if name == "top_opening" else ""
            sign = "<" if name == "distinct_2" else ">"
            return HornbookError(
                f"paused: {name} = {value:.3g}{named} {sign} {limit:g} after {self.heard:,} replies",
                where=f"pause_when.{name}",
                fix="make the prompts differ more (or the sampling: temperature, top_p), or set another limit and "
                "run again; all replies are kept",
            )
        return None

    def note(self) -> str:
        """A few words for the progress view."""
        if not self.heard or self._noted[0] == self.heard:
            return self._noted[1]
        top, found = self.openings.top(1)[0], self.measures()
        said = (
            f"novel {1 - found['repeats']:.0%}, {found['top_opening']:.0%} begin “{top.item[:40]}”, "
            f"distinct-2 {found['distinct_2']:.2f}"
        )
        self._noted = self.heard, said
        return said

    def facts(self) -> dict[str, Any]:
        """For the manifest."""
        self.settle()
        names = sorted(self.groups, key=lambda name: (-self._met.get(name, 0), name))[:SHOWN_GROUPS]
        distance, chance = self.words.drift()
        return {
            "replies": self.replies,
            "looked_at": self.heard,
            "novelty": round(1 - self.repeats / max(1, self.heard), 4),
            "openings": [
                {"opening": one.item, "count": one.count, "error": one.error, "share": _share(one.count, self.heard)}
                for one in self.openings.top(5)
            ],
            "distinct": {str(n): _share(sketch.estimate(), self.runs[n]) for n, sketch in self.distinct.items()},
            "words": {f"p{round(100 * q)}": round(self.words.quantile(q), 1) for q in (0.1, 0.5, 0.9)},
            "drift": {"distance": round(distance, 4), "chance": round(chance, 4)},
            "coverage": {name: _covered(values) for name, values in sorted(self._columns().items())},
            "groups": {name: self.groups[name].facts(self._met.get(name, 0)) for name in names},
        }

    def _columns(self) -> dict[str, list[int]]:
        """How often each value of each column was met."""
        found: dict[str, list[int]] = {}
        for name, many in self._met.items():
            found.setdefault(name.partition("=")[0], []).append(many)
        return found


def _at_least(hits: int, many: int) -> float:
    """What a share is at least, surely enough: the lower end of its interval."""
    share, square = hits / many, SURE**2
    middle = share + square / (2 * many)
    half = SURE * math.sqrt(share * (1 - share) / many + square / (4 * many**2))
    return max(0.0, (middle - half) / (1 + square / many))


def _covered(values: Sequence[int]) -> dict[str, Any]:
    """How many values of a column were met, and how evenly: entropy over the most it could be."""
    bits = entropy(values)
    even = bits / float(np.log2(len(values))) if len(values) > 1 else 1.0
    return {"values": len(values), "entropy": round(bits, 4), "evenness": round(even, 4)}


def _share(part: float, whole: float) -> float:
    return round(min(1.0, part / whole), 4) if whole else 0.0
