"""Sketches: what a stream of texts is like, in bounded memory, deterministic, mergeable.

Every sketch has the law that merging two gives what one of them would hold had it seen both streams, one
after the other; exactly for `Distinct` and `Lengths`, within its error bound for `SpaceSaving`.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_MIX1, _MIX2 = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)
_SHIFT, _HALF = np.uint64(33), np.uint64(32)


@dataclass(frozen=True, slots=True)
class Frequent:
    """One frequent item: it came at least `count - error` and at most `count` times."""

    item: str
    count: int
    error: int


class SpaceSaving:
    """The most frequent items of a stream (Metwally, Agrawal, El Abbadi, ICDT 2005).

    Laws, with n items seen and k kept: count - error ≤ true ≤ count for each item kept; error ≤ n / k; an
    item that came more than n / k times is kept. Equal counts are told apart by the item itself, so the
    result depends on the stream alone.

    Args:
        capacity: k, how many items are kept.
    """

    def __init__(self, capacity: int = 256) -> None:
        self.capacity = capacity
        self.total = 0
        self._kept: dict[str, tuple[int, int]] = {}
        self._heap: list[tuple[int, str]] = []

    def add(self, items: Iterable[str]) -> None:
        """See items, in order."""
        kept = self._kept
        for item in items:
            self.total += 1
            if item in kept:
                count, error = kept[item]
                kept[item] = count + 1, error
            elif len(kept) < self.capacity:
                kept[item] = 1, 0
                heapq.heappush(self._heap, (1, item))
            else:
                least, gone = self._least()
                heapq.heapreplace(self._heap, (least + 1, item))
                del kept[gone]
                kept[item] = least + 1, least

    def top(self, many: int = 1) -> list[Frequent]:
        """The most frequent first; equal counts in the order of the items."""
        order = heapq.nsmallest(many, self._kept.items(), key=lambda pair: (-pair[1][0], pair[0]))
        return [Frequent(item, count, error) for item, (count, error) in order]

    def merge(self, other: SpaceSaving) -> None:
        """See what another has seen (Agarwal et al., "Mergeable summaries", PODS 2012)."""
        floors = [sketch._least()[0] if len(sketch._kept) == sketch.capacity else 0 for sketch in (self, other)]
        both: dict[str, tuple[int, int]] = {}
        for item in self._kept.keys() | other._kept.keys():
            one, two = self._kept.get(item, (floors[0],) * 2), other._kept.get(item, (floors[1],) * 2)
            both[item] = one[0] + two[0], one[1] + two[1]
        order = heapq.nsmallest(self.capacity, both.items(), key=lambda pair: (-pair[1][0], pair[0]))
        self._kept = dict(order)
        self._heap = [(count, item) for item, (count, _) in order]
        heapq.heapify(self._heap)
        self.total += other.total

    def _least(self) -> tuple[int, str]:
        """The smallest count, and the first item that has it; heap entries are brought up to date here."""
        heap = self._heap
        while (now := self._kept[heap[0][1]][0]) != heap[0][0]:
            heapq.heapreplace(heap, (now, heap[0][1]))
        return heap[0]


def ranked(hashes: NDArray[np.uint64], bits: int) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Things as `Distinct` of so many bits counts them: a register each, and the zeros before the first one, plus 1."""
    x = (hashes ^ hashes >> _SHIFT) * _MIX1
    x = (x ^ x >> _SHIFT) * _MIX2
    x ^= x >> _SHIFT
    rest = x << np.uint64(bits)
    high = rest >> _HALF
    ranks = 33 - np.frexp(high.astype(np.float64))[1]  # 32 bits are exact in a float
    if not high.all():
        none = high == 0
        ranks[none] = 65 - np.frexp((rest[none] & np.uint64(0xFFFFFFFF)).astype(np.float64))[1]
    return (x >> np.uint64(64 - bits)).astype(np.int64), np.minimum(ranks, 65 - bits).astype(np.uint8)


class Distinct:
    """How many different things a stream holds: HyperLogLog (Flajolet et al., AofA 2007).

    The estimate is Ertl's (arXiv:1702.01284, algorithm 6): no bias at either end. Standard error
    1.04 / sqrt(2^bits): 0.8 % at 14 bits (16 KB), 3.3 % at 10 bits (1 KB).

    Args:
        bits: log2 of the number of registers, one byte each.
    """

    def __init__(self, bits: int = 14) -> None:
        self.bits = bits
        self.registers = np.zeros(1 << bits, np.uint8)

    def add(self, hashes: NDArray[np.uint64]) -> None:
        """See things by their 64-bit hashes; they are mixed again here."""
        self.put(*ranked(hashes, self.bits))

    def put(self, where: NDArray[np.int64], ranks: NDArray[np.uint8]) -> None:
        """See things as `ranked` gives them for the same number of bits."""
        higher = ranks > self.registers[where]
        if higher.any():
            np.maximum.at(self.registers, where[higher], ranks[higher])

    def merge(self, other: Distinct) -> None:
        """See what another of the same size has seen."""
        np.maximum(self.registers, other.registers, out=self.registers)

    def estimate(self) -> float:
        """How many different things were seen."""
        size, most = self.registers.size, 64 - self.bits
        counts = np.bincount(self.registers, minlength=most + 2).tolist()
        if counts[0] == size:
            return 0.0
        z = size * _tau(1 - counts[most + 1] / size)
        for count in reversed(counts[1 : most + 1]):
            z = 0.5 * (z + count)
        return size * size / (2 * math.log(2)) / (z + size * _sigma(counts[0] / size))


class Lengths:
    """Lengths of a stream of texts: quantiles of all, and how far the last ones are from the first.

    Quantiles are DDSketch's (Masson, Rim, Lee, VLDB 2019): within 1 % of the true value.

    Args:
        window: how many first and how many last lengths are held.
    """

    def __init__(self, window: int = 512) -> None:
        self.window = window
        self.total = 0
        self.early: list[float] = []
        self.late: deque[float] = deque(maxlen=window)
        self._buckets: dict[int, int] = {}

    def add(self, lengths: Iterable[float]) -> None:
        """See lengths (≥ 0), in order."""
        for length in lengths:
            self.total += 1
            if len(self.early) < self.window:
                self.early.append(length)
            self.late.append(length)
            at = math.ceil(math.log(length) / _LOG) if length > 0 else _ZERO
            self._buckets[at] = self._buckets.get(at, 0) + 1

    def merge(self, other: Lengths) -> None:
        """See what another of the same window has seen, after all that this one has."""
        self.total += other.total
        self.early += other.early[: self.window - len(self.early)]
        self.late.extend(other.late)
        for at, count in other._buckets.items():
            self._buckets[at] = self._buckets.get(at, 0) + count

    def quantile(self, share: float) -> float:
        """The length that a share of all is at most, within 1 %; 0 where there is none."""
        left = math.ceil(share * self.total)
        for at in sorted(self._buckets):
            left -= self._buckets[at]
            if left <= 0:
                return 0.0 if at == _ZERO else 2 * _GAMMA**at / (_GAMMA + 1)
        return 0.0

    def drift(self) -> tuple[float, float]:
        """Kolmogorov-Smirnov distance of the first and the last lengths, 0 to 1, and what chance alone
        passes in 1 of 20 cases. The two never overlap: where fewer than two windows came, halves are compared.
        """
        size = min(self.window, self.total // 2)
        if size == 0:
            return 0.0, 1.0
        return ks_distance(self.early[:size], list(self.late)[-size:]), min(1.0, 1.358 * math.sqrt(2 / size))


_GAMMA = 1.01 / 0.99
_LOG = math.log(_GAMMA)
_ZERO = -1_000_000


def ks_distance(one: Iterable[float], two: Iterable[float]) -> float:
    """Largest difference of two empirical distribution functions; neither may be empty."""
    first, second = np.sort(np.fromiter(one, np.float64)), np.sort(np.fromiter(two, np.float64))
    every = np.concatenate([first, second])
    below = [np.searchsorted(some, every, side="right") / some.size for some in (first, second)]
    return float(np.abs(below[0] - below[1]).max())


def entropy(counts: Iterable[int]) -> float:
    """Bits of surprise a draw from these counts holds; 0 where all are of one kind."""
    found = np.fromiter((count for count in counts if count > 0), np.float64)
    shares = found / found.sum() if found.size else found
    return float(max(0.0, -(shares * np.log2(shares)).sum()))


def _sigma(x: float) -> float:
    y, z, before = 1.0, x, -1.0
    while z != before:
        x *= x
        before = z
        z += x * y
        y += y
    return z


def _tau(x: float) -> float:
    if x in (0.0, 1.0):
        return 0.0
    y, z, before = 1.0, 1 - x, -1.0
    while z != before:
        x = math.sqrt(x)
        before = z
        y *= 0.5
        z -= (1 - x) ** 2 * y
    return z / 3
