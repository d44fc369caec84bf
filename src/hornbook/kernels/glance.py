"""A glance at a few texts: words, openings, shingles and repeats in plain numpy, for the process that asks.

The word rule is that of `hornbook.kernels.words`, the hashes are others. What is compiled there costs 0.5 s and
90 MB to load, which the process that asks shall not pay; here a text of 180 words costs some 25 µs instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hornbook.kernels.letters import ALONE, KIND_AT, MARK, PASSED, RUN, table

LONGEST = 16_384
"""Characters of a text that are read, the first ones."""
ROOM = 65_536
"""Characters read together: the arrays stay in the processor's cache."""
SHINGLE = 5
"""Words; as datatrove's MinHash, which Cosmopedia used."""

_ODD, _STEP = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD1342543DE82EF95)
_MIX1, _MIX2 = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)
_SHIFT, _HALF, _FOLD = np.uint64(33), np.uint64(32), np.uint32(0x1FFFFF)


@dataclass(frozen=True, slots=True)
class Glance:
    """What some texts hold.

    Args:
        words: uint64, hashes of all words, in order.
        offsets: int64 (texts + 1,) into it.
        openings: the first words of each text, folded, one space between two unless both are characters of
            scripts written without spaces.
    """

    words: NDArray[np.uint64]
    offsets: NDArray[np.int64]
    openings: list[str]

    def runs(self, n: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """Hashes of the runs of n words of each text, in order, with repeats.

        Returns:
            hashes: uint64; offsets: int64 (texts + 1,) into it.
        """
        sizes = np.diff(self.offsets)
        found = self.words[: max(0, self.words.size - n + 1)]
        for k in range(1, n):
            found = found * _STEP + self.words[k : k + found.size]
        left = np.repeat(self.offsets[1:], sizes)[: found.size] - np.arange(found.size)
        offsets = np.zeros(self.offsets.size, np.int64)
        np.cumsum(np.maximum(sizes - n + 1, 0), out=offsets[1:])
        return mixed(found[left >= n]), offsets


def glance(texts: Sequence[str], opening: int = 3, most_bytes: int = 256) -> Glance:
    """Read texts; total over every Python string.

    Args:
        texts: read up to `LONGEST` characters each.
        opening: words of an opening.
        most_bytes: an opening is cut after the last whole character within so many bytes.
    """
    words, offsets, openings = [np.zeros(0, np.uint64)], [np.zeros(1, np.int64)], []
    total, first = 0, 0
    while first < len(texts):
        last, size = first, 0
        while last < len(texts) and size + min(len(texts[last]), LONGEST) + 1 <= ROOM:
            size += min(len(texts[last]), LONGEST) + 1
            last += 1
        hashes, edges, some = _read([text[:LONGEST] for text in texts[first:last]], opening, most_bytes)
        words.append(hashes)
        offsets.append(edges[1:] + total)
        openings += some
        total, first = total + hashes.size, last
    return Glance(np.concatenate(words), np.concatenate(offsets), openings)


def mixed(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread over all 64 bits."""
    hashes = (hashes ^ hashes >> _SHIFT) * _MIX1
    return hashes ^ hashes >> _SHIFT


def _read(texts: list[str], opening: int, most_bytes: int) -> tuple[NDArray[np.uint64], NDArray[np.int64], list[str]]:
    """(hashes of words, offsets, openings); the texts fit ROOM together."""
    codes = np.frombuffer("\n".join([*texts, ""]).encode("utf-32-le", "surrogatepass"), np.uint32)
    edges = np.zeros(len(texts) + 1, np.int64)
    np.cumsum([len(text) + 1 for text in texts], out=edges[1:])
    entries = table()[codes]
    kinds = (entries >> np.uint32(KIND_AT)).astype(np.uint8) & np.uint8(7)
    if (kinds == PASSED).any():
        keep = kinds != PASSED
        edges = np.concatenate([np.zeros(1, np.int64), np.cumsum(keep)])[edges]
        entries, kinds = entries[keep], kinds[keep]
    base = kinds
    if (kinds == MARK).any():  # a mark is what the letter before it is
        base = kinds[np.maximum.accumulate(np.where(kinds == MARK, 0, np.arange(kinds.size)))]
    runs = base == RUN
    begins = runs.copy()
    begins[1:] &= ~runs[:-1]
    begins |= kinds == ALONE
    starts = np.flatnonzero(begins)
    folded = entries & _FOLD
    offsets = np.searchsorted(starts, edges)
    if not starts.size:
        return np.zeros(0, np.uint64), offsets, [""] * len(texts)
    inside = runs | (base == ALONE)
    powers, inverse = _powers()
    hashes = np.add.reduceat(folded * inside * powers[: folded.size], starts) * inverse[starts]
    return mixed(hashes * _ODD), offsets, _openings(starts, offsets, inside, base, folded, (opening, most_bytes))


def _openings(
    starts: NDArray[np.int64],
    offsets: NDArray[np.int64],
    inside: NDArray[np.bool_],
    base: NDArray[np.uint8],
    folded: NDArray[np.uint32],
    limits: tuple[int, int],
) -> list[str]:
    """The first words of each text, as they are compared."""
    many, most_bytes = limits
    found = []
    for first, last in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        said, before = "", RUN
        places = starts[first : min(last, first + many + 1)].tolist()
        for at, start in enumerate(places[:many]):
            stop = places[at + 1] if at + 1 < len(places) else min(start + most_bytes + 1, folded.size)
            within = inside[start:stop]
            size = within.size if within.all() else int(within.argmin())
            kind = int(base[start])
            word = folded[start : start + size].tobytes().decode("utf-32-le", "replace")
            said += word if not said or (kind == before == ALONE) else " " + word
            before = kind
        if 4 * len(said) > most_bytes:
            said = said.encode()[:most_bytes].decode("utf-8", "ignore")
        found.append(said)
    return found


_POWERS: list[NDArray[np.uint64]] = []


def _powers() -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """The powers of an odd number modulo 2^64, and of its inverse: a word's hash wherever it stands. 1 MB, once."""
    if not _POWERS:
        for base in (int(_STEP), pow(int(_STEP), -1, 2**64)):
            powers = np.full(ROOM, base, np.uint64)
            powers[0] = 1
            _POWERS.append(np.multiply.accumulate(powers))
    return _POWERS[0], _POWERS[1]


class Recent:
    """Finds for each text of a stream an earlier one that is like it, among the last `capacity`. Bounded.

    A text is kept as its `places` smallest hashes of word 5-grams, a bottom-k sketch (Cohen, Kaplan, PODC 2007;
    k minimum values): the share of the smallest of both together that both have estimates their Jaccard similarity
    with standard error sqrt(J (1 - J) / places), and is it exactly where no text has more. The `keys` smallest name
    places of a table where the newest text with them stands; a text that stands at two of them (at one, where there
    is but one) is compared. A crowded table can hide a pair, never invent one.

    Args:
        places: hashes a text.
        keys: of them, those by which it is found: two texts of similarity 0.7 share 6 of 8 on average.
        capacity: texts remembered; memory is capacity × (4 places + 64) bytes: 9 MB at 16,384.
    """

    def __init__(self, places: int = 128, keys: int = 8, capacity: int = 16_384) -> None:
        self.places, self.keys, self.capacity = places, keys, capacity
        self.seen = 0
        self._ring = np.zeros((capacity, places), np.uint32)
        self._sizes = np.zeros(capacity, np.int64)
        slots = 16
        while slots < 2 * keys * capacity:
            slots *= 2
        self._table = np.zeros(slots, np.int64)

    def see(self, texts: Glance) -> list[float]:
        """Compare texts with all before them, those of the same call too, and remember them.

        Returns:
            the similarity to the most similar earlier text found; 0 where none was, or where a text has no words.
        """
        hashes, offsets = texts.runs(SHINGLE)
        short = (hashes >> _HALF).astype(np.uint32)
        alike = []
        for at, (first, last) in enumerate(zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)):
            some = short[first:last]
            if first == last:
                some = _few(texts.words[texts.offsets[at] : texts.offsets[at + 1]])
            alike.append(self._look(np.sort(some)))
        return alike

    def _look(self, some: NDArray[np.uint32]) -> float:
        """Compare and remember one text, given as its sorted hashes."""
        number = self.seen
        self.seen += 1
        if some.size > 1:
            fresh = np.ones(some.size, bool)
            np.not_equal(some[1:], some[:-1], out=fresh[1:])
            some = some[fresh]
        some = some[: self.places]
        at = (some[: self.keys].astype(np.uint64) * _ODD >> _HALF).astype(np.int64) & (self._table.size - 1)
        best = 0.0
        met = self._table[at].tolist()
        for other in set(met):
            if number - self.capacity < other and other and met.count(other) >= min(2, len(met)):
                best = max(best, self._similar(some, other - 1))
        self._table[at] = number + 1
        place = number % self.capacity
        self._ring[place, : some.size] = some
        self._sizes[place] = some.size
        return best

    def _similar(self, some: NDArray[np.uint32], number: int) -> float:
        place = number % self.capacity
        other = self._ring[place, : self._sizes[place]]
        both = np.sort(np.concatenate([some, other]))
        again = both[1:] == both[:-1]
        shared = int(np.count_nonzero(again))
        distinct = both.size - shared
        if distinct > self.places:  # the smallest alone are known of both
            order = np.cumsum(~again)  # order[i]: distinct values before both[i + 1], without itself
            last = int(np.searchsorted(order, self.places))
            shared, distinct = int(np.count_nonzero(again[:last])), self.places
        return shared / max(1, distinct)


def _few(words: NDArray[np.uint64]) -> NDArray[np.uint32]:
    """The one hash of a text that is shorter than a shingle; none of a text without words."""
    if not words.size:
        return np.zeros(0, np.uint32)
    found = np.full(1, words.size, np.uint64)
    for word in words:
        found = found * _STEP + word
    return (mixed(found) >> _HALF).astype(np.uint32)
