"""Which prompts are asked, and in what order, where fewer replies are wanted than there are prompts.

Prompts are looked at a window at a time, in the order of the rows; each window gives its part of what is
still wanted, drawn by the weights of its prompts' groups as they are when a slot is free. No list of all
prompts is ever held: one bit a row says which were taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hornbook.core.asking import Reply, Request
from hornbook.core.keys import random_for
from hornbook.engine.diversity import Diversity, Groups
from hornbook.store.files import whole

WINDOW = 1024
"""Prompts looked at together."""
ALOUD = 50_000
"""Earlier replies that are read again when a run goes on; of more, every second (third …) window is read."""
_CHUNK = 512

Rows = Iterator[tuple[Mapping[str, Any], Request]]
Look = Callable[[Iterable[str]], Mapping[str, Reply]]
"""Keys → replies and tombstones of the journal; keys with neither, or that never reached the teacher, left out."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row that can be asked: its number in the step, its groups, its request, and what `Ask.again` sees of it."""

    number: int
    groups: Groups
    request: Request
    seen: Mapping[str, Any]

    def pair(self) -> tuple[Mapping[str, Any], Request]:
        """As the engine asks it."""
        return self.seen, self.request


class Taken:
    """Which rows were taken: one bit a row.

    Args:
        rows: how many there are.
    """

    def __init__(self, rows: int) -> None:
        self._bits = np.zeros((rows + 7) // 8, np.uint8)

    def add(self, row: int) -> None:
        """Take a row."""
        self._bits[row >> 3] |= np.uint8(1 << (row & 7))

    def __contains__(self, row: int) -> bool:
        return bool(self._bits[row >> 3] >> (row & 7) & 1)

    def mask(self, first: int, many: int) -> NDArray[np.bool_]:
        """bool (many,): which of the rows from `first` on were taken."""
        start = first >> 3
        bits = np.unpackbits(self._bits[start : (first + many + 7) >> 3], bitorder="little")
        return bits[first - 8 * start :][:many].astype(bool)

    def save(self, path: Path) -> None:
        """Keep it, whole or not at all."""
        with whole(path) as draft, draft.open("wb") as file:
            np.save(file, self._bits)

    @classmethod
    def load(cls, path: Path) -> Taken | None:
        """What was kept, None where nothing was: then every row is taken."""
        if not path.exists():
            return None
        found = cls(0)
        found._bits = np.load(path)
        return found


def spread(replies: Sequence[Reply], asked: Sequence[bool]) -> list[Reply]:
    """The replies to the rows that were asked, in the order of all rows; the others were not wanted."""
    found = iter(replies)
    unasked = Reply("", error="not_wanted", detail="enough replies were there before its turn")
    return [next(found) if here else unasked for here in asked]


class Wanted:
    """The requests of a step in the order in which they are to be asked.

    Where nothing says how many replies are wanted it is the order of the rows. What the journal answers is
    heard by `diversity` on the way, so that a run that goes on knows what it was told before. Where several
    requests of a row follow from each other, what is heard and counted is what they come to.

    Args:
        rows: gives the rows that can be asked, in order: all for 1, those of every n-th piece for n.
        total: how many rows there are, those that cannot be asked among them.
        diversity: hears replies, gives weights, says when to stop.
        look: asks the journal.
        known: whether the journal may know anything at the beginning.
        seed: of the draws.
        whole: for a stage that asks in rounds: what the replies to each of some rows come to, None for a row
            that the journal does not answer whole.
    """

    def __init__(
        self,
        rows: Callable[[int], Iterator[Row]],
        total: int,
        diversity: Diversity,
        look: Look,
        *,
        known: bool = True,
        seed: int = 0,
        whole: Callable[[Sequence[Row]], Sequence[Reply | None]] | None = None,
    ) -> None:
        self._rows, self._look, self._known, self._seed = rows, look, known, seed
        self._every = max(1, -(-total // ALOUD))
        self.diversity = diversity
        self.want = diversity.watching.want
        self._whole = whole
        self.taken = Taken(total if self.want is not None else 0)
        self._begun = Taken(total if self.want is not None and whole is not None else 0)
        self._paid = 0
        self.good = self.cached = 0
        self._flying: set[int] = set()

    def seen(self, request: Request, reply: Reply) -> None:
        """Hear a reply of use to a request of `passes`."""
        if id(request) in self._flying:
            self._flying.discard(id(request))
            self.good += 1
        self.diversity.seen(request, reply)

    def passes(self) -> Iterator[Rows]:
        """Requests to ask, a pass at a time: each pass must have its replies before the next is begun.

        There is one pass; where replies are wanted and some requests failed, there are others for what is
        still wanted, until there is enough or every prompt was asked. Rows that were begun go first: something
        is paid for them.
        """
        if self.want is None:
            yield self._in_order()
            return
        open_ = self._recall()
        if self._paid and self.good < self.want:
            taken = [0]
            yield self._going_on(taken)
            open_ -= taken[0]
        number = 0
        while open_ and self.good < self.want and self.diversity.stop is None:
            self._flying.clear()
            taken = [0]
            yield self._drawn(number, open_, taken)
            open_ -= taken[0]
            number += 1
            if not taken[0]:
                return

    def recall(self) -> None:
        """Hear what the journal has, where nothing is left to ask and no number of replies is wanted."""
        rows = self._rows(self._every)
        while some := list(islice(rows, _CHUNK)):
            self._hear(some)

    def facts(self) -> dict[str, Any]:
        """For the manifest."""
        wanted = {} if self.want is None else {"wanted": self.want, "good": self.good}
        return wanted | self.diversity.facts()

    def _hear(self, some: list[Row]) -> None:
        """Hear the journal's replies to some rows."""
        for row, reply in zip(some, self._found(some), strict=True):
            if reply is not None and reply.error is None:
                self.diversity.look(row.groups, reply.text)

    def _found(self, some: Sequence[Row]) -> Sequence[Reply | None]:
        """What the journal's replies to some rows come to."""
        if self._whole is not None:
            return self._whole(some)
        found = self._look(row.request.key() for row in some)
        return [found.get(row.request.key()) for row in some] if found else [None] * len(some)

    def _in_order(self) -> Rows:
        """All rows; those that the journal answers are heard as they come by."""
        rows, number = self._rows(1), 0
        while self.diversity.stop is None and (some := list(islice(rows, _CHUNK))):
            if self._known and self._whole is None and number % self._every == 0:
                self._hear(some)  # of a row in rounds its end is heard, from the journal too
            number += 1
            for row in some:
                if self.diversity.stop is not None:
                    return
                self.diversity.asked(row.request, row.groups)
                yield row.pair()

    def _recall(self) -> int:
        """Take the rows that the journal answers, in order, up to what is wanted; how many are left to ask."""
        left, rows, number = 0, self._rows(1), 0
        assert self.want is not None
        while some := list(islice(rows, _CHUNK)):
            found = self._found(some) if self._known else [None] * len(some)
            begun = self._look(row.request.key() for row in some) if self._known and self._whole else {}
            for row, reply in zip(some, found, strict=True):
                if reply is None:
                    left += 1
                    if row.request.key() in begun:
                        self._begun.add(row.number)
                        self._paid += 1
                elif reply.error is not None:
                    self.taken.add(row.number)
                elif self.good < self.want:
                    self.taken.add(row.number)
                    self.good += 1
                    self.cached += 1
                    if number % self._every == 0:
                        self.diversity.look(row.groups, reply.text)
            number += 1
        return left

    def _going_on(self, taken: list[int]) -> Rows:
        """The rows that were begun, in order, up to what is wanted."""
        assert self.want is not None
        for row in self._left():
            if self.diversity.stop is not None or self.good + len(self._flying) >= self.want:
                return
            if row.number in self._begun:
                yield self._take(row, taken)

    def _take(self, row: Row, taken: list[int]) -> tuple[Mapping[str, Any], Request]:
        self.taken.add(row.number)
        taken[0] += 1
        self._flying.add(id(row.request))
        self.diversity.asked(row.request, row.groups)
        return row.pair()

    def _drawn(self, number: int, open_: int, taken: list[int]) -> Rows:
        """One pass over the rows that are not taken: windows, each with its part of what is wanted."""
        assert self.want is not None
        rows = self._left()
        draw = random_for(self._seed, "wanted", number)
        ahead = open_
        while self.diversity.stop is None and (window := list(islice(rows, WINDOW))):
            need = self.want - self.good - len(self._flying)
            part = min(need, int(need * len(window) / max(ahead, len(window)) + draw.random()))
            if ahead <= len(window):
                part = need
            ahead -= len(window)
            for row in self._window(window, part, number):
                yield self._take(row, taken)

    def _left(self) -> Iterator[Row]:
        """Rows that are neither taken nor, for a reply that is not wanted, answered by the journal."""
        rows = self._rows(1)
        while some := list(islice(rows, _CHUNK)):
            fresh = {row.request.key(): row for row in reversed(some) if row.number not in self.taken}
            ordered = list(reversed(fresh.values()))
            yield from (row for row, reply in zip(ordered, self._found(ordered), strict=True) if reply is None)

    def _window(self, window: list[Row], part: int, number: int) -> Iterator[Row]:
        """Draw rows without putting them back, each as likely as its weight is now (Efraimidis, Spirakis 2006)."""
        luck = np.log([random_for(self._seed, "row", number, row.number).random() or 1e-300 for row in window])
        weights, heard = np.ones(len(window)), 0
        for _ in range(min(part, len(window))):
            if self.diversity.stop is not None:
                return
            if self.diversity.heard != heard:
                heard = self.diversity.heard
                weights = np.array([self.diversity.weight(row.groups) for row in window])
            at = int(np.argmax(luck / weights))
            luck[at] = -np.inf
            yield window[at]
