"""One number a prompt, on disk: what is known of ten million prompts takes no more memory than of ten thousand."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

BLOCK = 2**20
"""Numbers read at a time."""


class Numbers:
    """Numbers of one type, added at the end and read in order, in a temporary file without a name.

    Args:
        kind: numpy's name of the type.
    """

    def __init__(self, kind: str) -> None:
        self.kind = np.dtype(kind)
        self.count = 0
        self.most = 0
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (it lives as long as this)

    def add(self, numbers: NDArray[np.uint64] | NDArray[np.uint32]) -> None:
        """More of them."""
        if numbers.size:
            self._file.seek(0, 2)
            self._file.write(np.ascontiguousarray(numbers, self.kind).tobytes())
            self.count += numbers.size
            self.most = max(self.most, int(numbers.max()))

    def blocks(self) -> Iterator[tuple[int, NDArray[np.uint64]]]:
        """(place of the first, some of them), in order."""
        for first in range(0, self.count, BLOCK):
            self._file.seek(first * self.kind.itemsize)
            read = self._file.read(BLOCK * self.kind.itemsize)
            yield first, np.frombuffer(read, self.kind)[: self.count - first]

    def at(self, places: list[int]) -> NDArray[np.uint64]:
        """Those at some places."""
        found = np.zeros(len(places), self.kind)
        for number, place in enumerate(places):
            self._file.seek(place * self.kind.itemsize)
            found[number] = np.frombuffer(self._file.read(self.kind.itemsize), self.kind)[0]
        return found

    def longest(self, many: int) -> list[int]:
        """The places of the greatest ones, in order of place; of equal ones the later."""
        places, values = np.zeros(0, np.int64), np.zeros(0, self.kind)
        for first, some in self.blocks():
            places = np.concatenate([places, np.arange(first, first + some.size)])
            values = np.concatenate([values, some])
            best = np.argsort(values, kind="stable")[-many:] if many else np.zeros(0, np.int64)
            places, values = places[best], values[best]
        return sorted(int(place) for place in places)

    def again(self, examples: int) -> tuple[int, list[int]]:
        """How many equal one before them, and the places of the first of these.

        Those that could be equal are brought together by value, about a block at a time.
        """
        count, first_ones = 0, np.zeros(0, np.int64)
        shares = max(1, -(-self.count // BLOCK))
        for share in range(shares):
            values, places = self._of(share, shares)
            order = np.argsort(values, kind="stable")
            repeats = order[1:][values[order][1:] == values[order][:-1]]
            count += int(repeats.size)
            first_ones = np.sort(np.concatenate([first_ones, places[repeats]]))[:examples]
        return count, [int(place) for place in first_ones]

    def _of(self, share: int, shares: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        values, places = [np.zeros(0, self.kind)], [np.zeros(0, np.int64)]
        for first, some in self.blocks():
            mine = np.flatnonzero(some % self.kind.type(shares) == share) if shares > 1 else np.arange(some.size)
            values.append(some[mine])
            places.append(mine + first)
        return np.concatenate(values), np.concatenate(places)
