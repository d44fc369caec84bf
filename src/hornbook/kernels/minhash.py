# ruff: noqa: ANN001, ANN202 (kernels are typed by what they are given)
"""MinHash: shingles of words, signatures, and a bounded index of what came before.

Two texts' signatures agree at a share of places that estimates the Jaccard similarity of their sets of
shingles (Broder 1997), with standard error sqrt(J (1 - J) / places).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hornbook.kernels.jit import kernel
from hornbook.kernels.words import Words

SHINGLE = 5
BANDS, ROWS = 14, 8
"""Shingle size, buckets and hashes a bucket of datatrove's MinHash, as Cosmopedia's deduplication uses it
(huggingface/cosmopedia, deduplicate_dataset.py): pairs of similarity 0.72 meet with probability 1/2."""

EMPTY = 0xFFFFFFFF
_BASE = np.uint64(0xD1342543DE82EF95)
_ODD = np.uint64(0x9E3779B97F4A7C15)
_MIX1, _MIX2 = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)
_ZERO, _HALF, _SHIFT = np.uint64(0), np.uint64(32), np.uint64(33)


def shingles(words: Words, n: int = SHINGLE, *, short: bool = True) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Hashes of the runs of n words of each text, in order, with repeats.

    Args:
        words: the texts' words.
        n: words in a run.
        short: whether a text of fewer than n words, but one at least, counts as one run; else it has none.

    Returns:
        hashes: uint64; offsets: int64 (texts + 1,) into it.
    """
    return runs(words.hashes, words.offsets, n, short=short)


def runs(
    units: NDArray[np.uint64], starts: NDArray[np.int64], n: int = SHINGLE, *, short: bool = True
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """`shingles` of whatever units have hashes: words, characters, tokens.

    Args:
        units: uint64, the units' hashes.
        starts: int64 (texts + 1,), text d has the units starts[d] to starts[d + 1].
    """
    sizes = np.diff(starts)
    many = np.maximum(sizes - n + 1, (sizes > 0).astype(np.int64) if short else 0)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(many)])
    out = np.empty(int(offsets[-1]), np.uint64)
    _shingles(units, starts, _every(units, n), n, offsets, out)
    return out, offsets


def _every(units: NDArray[np.uint64], n: int) -> NDArray[np.uint64]:
    """The polynomial in `_BASE` of each n units in a row, the first one of the highest power: from those of n / 2."""
    keys, length = units, 1
    for bit in f"{n:b}"[1:]:
        keys, length = _joined(keys, keys, length), 2 * length
        if bit == "1":
            keys, length = _joined(keys, units, length, 1), length + 1
    return keys


def _joined(left: NDArray[np.uint64], right: NDArray[np.uint64], length: int, more: int = 0) -> NDArray[np.uint64]:
    """Runs of so many units, each with the run of `more` (or as many) units after it."""
    power = np.uint64(pow(int(_BASE), more or length, 2**64))
    after = right[length:]
    out = np.empty(min(left.size, after.size), np.uint64)
    _join(left, after, power, out)
    return out


def signatures(
    hashes: NDArray[np.uint64], offsets: NDArray[np.int64], places: int = BANDS * ROWS
) -> NDArray[np.uint32]:
    """The signature of each text: uint32 (texts, places); all `EMPTY` where a text has no shingle.

    Each place has a permutation x → a x + b modulo 2^32 (a odd, both drawn once for all) of the upper halves of the
    hashes, and holds the least value. Halves of two shingles of one text meet by chance once in 2^32 pairs.

    Args:
        hashes, offsets: from `shingles`.
        places: hash functions; the first ones are the same for any number of them.
    """
    out = np.full((offsets.size - 1, places), EMPTY, np.uint32)
    times, plus = _permutations(places)
    _signatures(hashes, offsets, times, plus, out)
    return out


def jaccard(one: NDArray[np.uint64], two: NDArray[np.uint64]) -> float:
    """Exact similarity of two sets given as hashes, repeats allowed; 0 where both are empty."""
    first, second = np.unique(one), np.unique(two)
    shared = np.intersect1d(first, second, assume_unique=True).size
    return shared / max(1, first.size + second.size - shared)


class Earlier:
    """Finds for each text of a stream an earlier one that is like it. Bounded: the last `capacity` texts.

    Each band of a signature names one place of a table, where the newest text with that band stands; what
    is found there is compared by whole signatures, so a crowded table can hide a pair, never invent one.

    Args:
        bands, rows: a pair meets where all `rows` places of one of the `bands` agree.
        capacity: texts remembered; memory is capacity × bands × (4 rows + 16) bytes: 11 MB at 16,384.
    """

    def __init__(self, bands: int = BANDS, rows: int = ROWS, capacity: int = 16_384) -> None:
        slots = 16
        while slots < 2 * capacity:
            slots *= 2
        self.bands, self.rows, self.capacity = bands, rows, capacity
        self.seen = 0
        self._ring = np.zeros((capacity, bands * rows), np.uint32)
        self._table = np.zeros((bands, slots), np.int64)

    def see(self, signs: NDArray[np.uint32]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Compare texts with all before them, those of the same call too, and remember them.

        Args:
            signs: uint32 (texts, bands × rows), from `signatures`.

        Returns:
            alike: float32, estimated similarity to the most similar earlier text found, 0 where none was;
            which: int64, the number of that text in the stream, from 0; -1 where none was found.
        """
        alike, which = np.zeros(signs.shape[0], np.float32), np.full(signs.shape[0], -1, np.int64)
        _see(signs, self.bands, self.rows, self.seen, self._ring, self._table, alike, which)
        self.seen += signs.shape[0]
        return alike, which

    def kept(self) -> NDArray[np.uint32]:
        """The signatures that are remembered, oldest first."""
        first = max(0, self.seen - self.capacity)
        return self._ring[np.arange(first, self.seen) % self.capacity]

    def merge(self, other: Earlier) -> NDArray[np.float32]:
        """Remember what another remembers, after all that this one has seen.

        Returns:
            for each text that the other remembers, the similarity to what came before it in both.
        """
        alike, _ = self.see(other.kept())
        return alike


def similarity(one: Any, two: Any) -> float:
    """Estimated similarity of two signatures; 0 where either is of a text without shingles."""
    if one[0] == EMPTY or two[0] == EMPTY:
        return 0.0
    return float(np.mean(np.asarray(one) == np.asarray(two)))


@kernel
def _join(left, right, power, out):
    for i in range(out.size):
        out[i] = left[i] * power + right[i]


@kernel
def _shingles(words, word_offsets, keys, n, offsets, out):
    for d in range(offsets.size - 1):
        first, last, k, end = word_offsets[d], word_offsets[d + 1], offsets[d], offsets[d + 1]
        if k < end and last - first < n:
            key = _ZERO
            for j in range(first, last):
                key = key * _BASE + words[j]
            out[k] = key
        else:
            for i in range(end - k):
                out[k + i] = keys[first + i]
    for i in range(out.size):
        key = (out[i] ^ out[i] >> _SHIFT) * _MIX1
        out[i] = key ^ key >> _SHIFT


@lru_cache(maxsize=8)
def _permutations(places: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """The factors (odd) and summands of the permutations: splitmix64 from a fixed start (Steele et al. 2014)."""
    drawn = np.empty(2 * places, np.uint64)
    state = int(_ODD)
    for k in range(2 * places):
        state = (state + int(_ODD)) % 2**64
        x = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        x = (x ^ x >> 27) * 0x94D049BB133111EB % 2**64
        drawn[k] = x ^ x >> 31
    upper = (drawn >> _HALF).astype(np.uint32)
    return upper[0::2] | np.uint32(1), upper[1::2].copy()


@kernel
def _signatures(hashes, offsets, times, plus, out):
    """Four shingles at a time, so that the row of least values is read and written a fourth as often. Every step is
    cast to 32 bits: numba makes 64 of them where it is not, and then half as many fit into a register."""
    places = out.shape[1]
    for d in range(offsets.size - 1):
        least = out[d]
        i, end = offsets[d], offsets[d + 1]
        while i + 4 <= end:
            one, two = np.uint32(hashes[i] >> _HALF), np.uint32(hashes[i + 1] >> _HALF)
            three, four = np.uint32(hashes[i + 2] >> _HALF), np.uint32(hashes[i + 3] >> _HALF)
            for k in range(places):
                a, b = times[k], plus[k]
                low = min(np.uint32(np.uint32(one * a) + b), np.uint32(np.uint32(two * a) + b))
                high = min(np.uint32(np.uint32(three * a) + b), np.uint32(np.uint32(four * a) + b))
                low = min(low, high)
                least[k] = min(least[k], low)
            i += 4
        while i < end:
            one = np.uint32(hashes[i] >> _HALF)
            for k in range(places):
                least[k] = min(least[k], np.uint32(np.uint32(one * times[k]) + plus[k]))
            i += 1


@kernel
def _see(signs, bands, rows, seen, ring, table, alike, which):
    capacity, places, mask = ring.shape[0], signs.shape[1], np.uint64(table.shape[1] - 1)
    for d in range(signs.shape[0]):
        number = seen + d
        empty = True
        for k in range(places):
            empty = empty and signs[d, k] == np.uint32(0xFFFFFFFF)
        for band in range(bands):
            key = np.uint64(band)
            for k in range(band * rows, band * rows + rows):
                key = key * _BASE + np.uint64(signs[d, k])
            key = (key ^ key >> _SHIFT) * _MIX1
            at = np.int64((key ^ key >> _SHIFT) & mask)
            other = table[band, at] - 1
            if empty:
                continue
            if other >= 0 and other > number - capacity - 1 and other != which[d]:
                same = 0
                for k in range(places):
                    same += signs[d, k] == ring[other % capacity, k]
                if same > alike[d] * places:
                    alike[d], which[d] = np.float32(same) / np.float32(places), other
            table[band, at] = number + 1
        for k in range(places):
            ring[number % capacity, k] = signs[d, k]
