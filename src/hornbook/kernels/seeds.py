# ruff: noqa: ANN001, ANN202, C901 (kernels are typed by what they are given)
"""Seeds: pieces of 24 (or 12) bytes of some skeletons, and where other skeletons hold them.

Of a document every eighth window of 24 bytes and every fourth of 12 is looked up. Of an indexed text chosen positions
are: where a text has a seed at each position, any run of 24 + 7 bytes that a document shares with it is found; where at
every third (3 and 8 have no common divisor), any run of 24 + 23.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hornbook.kernels.jit import kernel
from hornbook.kernels.skeleton import Skeletons

LONG, SHORT = 24, 12
LONG_STEP, SHORT_STEP = 8, 4
_K0, _K1, _K2 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD1342543DE82EF95), np.uint64(0xA0761D6478BD642F)
_ZERO, _ONE, _SIXTY_THREE = np.uint64(0), np.uint64(1), np.uint64(63)
_A, _B, _C, _PLACE, _TOP = np.uint64(0), np.uint64(6), np.uint64(12), np.uint64(18), np.uint64(56)
_HALF = np.uint64(32)
_ALIKE = 96
"""Bytes in a row that two texts share where they share a passage, not a turn of phrase."""


@dataclass(frozen=True, slots=True)
class Index:
    """Seeds of one length, with every place where each stands.

    Args:
        size: bytes in a seed, `LONG` or `SHORT`.
        shift: 64 less the bits that address the filter.
        bits: uint64, a filter (Bloom's, three bits in one word) that says no to most windows that are no seed.
        keys: uint64, open table of hashes, 0 where free; a power of two of places.
        numbers: int32, beside `keys`: which seed stands there.
        owners: int64 (seeds + 1,): seed k stands at places owners[k] to owners[k + 1].
        texts, positions: int32 (places,): in which text, at which byte of it.
    """

    size: int
    shift: np.uint64
    bits: NDArray[np.uint64]
    keys: NDArray[np.uint64]
    numbers: NDArray[np.int32]
    owners: NDArray[np.int64]
    texts: NDArray[np.int32]
    positions: NDArray[np.int32]


def telling(data: NDArray[np.uint8], at: NDArray[np.int64], size: int) -> NDArray[np.bool_]:
    """Which windows say enough to be seeds: bool (windows,).

    At least half of the bytes are of letters, and there are at least a third as many different ones as bytes: no runs
    of numbers, of one short word, of a ruler.
    """
    out = np.zeros(at.size, np.bool_)
    _telling(data, at, size, out)
    return out


def build(texts: Skeletons, at: NDArray[np.int64], size: int, most: int = 0) -> Index:
    """Index the windows that begin at the bytes `at` of some skeletons.

    Args:
        texts: the skeletons.
        at: int64, places in their data, ascending; each window ends within its text.
        size: `LONG` or `SHORT`.
        most: windows that more texts than this have in common are left out, where what these texts share there is
            shorter than a passage (96 bytes); 0 leaves none out.
    """
    hashes, grouped, order = np.empty(at.size, np.uint64), np.empty(at.size, np.uint64), np.empty(at.size, np.int32)
    _hashes(texts.data, at, size, hashes)
    ends = np.zeros(257, np.int64)
    _by_top(hashes, grouped, order, ends)
    which, distinct = np.empty(at.size, np.int32), hashes
    distinct = distinct[: _number(grouped, ends, *_room(int(np.diff(ends).max())), which, distinct)]
    owners, gathered = np.zeros(distinct.size + 1, np.int64), np.empty(at.size, np.int32)
    _gather(which, order, owners, gathered)
    many = np.diff(np.searchsorted(at, texts.starts), append=at.size)
    text = np.repeat(np.arange(many.size, dtype=np.int32), many)[gathered]
    place = at[gathered]
    if most:
        stock = np.zeros(distinct.size, np.bool_)
        _stock(texts.data, texts.starts, texts.ends, owners, text, place, most, stock)
        many = np.diff(owners)
        keep = np.repeat(~stock, many)
        distinct, text, place = distinct[~stock], text[keep], place[keep]
        owners = np.append(0, np.cumsum(many[~stock])).astype(np.int64)
    log = max(10, int(distinct.size).bit_length() - 3)
    bits, (keys, numbers) = np.zeros(1 << log, np.uint64), _room(distinct.size)
    _fill(distinct, np.uint64(64 - log), bits, keys, numbers)
    return Index(
        size,
        np.uint64(64 - log),
        bits,
        keys,
        numbers,
        owners,
        text,
        (place - texts.starts[text]).astype(np.int32),
    )


def _room(many: int) -> tuple[NDArray[np.uint64], NDArray[np.int32]]:
    """An empty open table for so many keys, a third to two thirds full, and the numbers beside them."""
    places = max(16, 1 << (3 * many // 2).bit_length())
    return np.zeros(places, np.uint64), np.zeros(places, np.int32)


def find(
    documents: Skeletons, long: Index, short: Index
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
    """Where skeletons hold a seed of one of the two indexes.

    Returns:
        document, position (byte within the document's skeleton), number: one entry a hit. A long seed has its number,
        a short one -1 - its number.
    """
    words, room = documents.data.view(np.uint32), 1024
    while True:
        document, position = np.empty(room, np.int64), np.empty(room, np.int64)
        number = np.empty(room, np.int32)
        found = _find(
            words,
            documents.starts,
            documents.ends,
            (long.shift, long.bits, long.keys, long.numbers),
            (short.shift, short.bits, short.keys, short.numbers),
            document,
            position,
            number,
        )
        if found <= room:
            return document[:found], position[:found], number[:found]
        room = found


@kernel
def _telling(data, at, size, out):
    for a in range(at.size):
        start, letters, seen = at[a], 0, _ZERO
        for i in range(start, start + size):
            letters += data[i] > 57
            seen |= _ONE << np.uint64(data[i] & 63)
        different = 0
        while seen:
            seen &= seen - _ONE
            different += 1
        out[a] = 2 * letters >= size and 3 * different >= size


@kernel
def _word(data, at, size):
    word = _ZERO
    for k in range(size):
        word |= np.uint64(data[at + k]) << np.uint64(8 * k)
    return word


@kernel
def _pair(words, at):
    return np.uint64(words[at]) | np.uint64(words[at + 1]) << _HALF


@kernel
def _three(key):
    """Three of 64 bits, chosen by bits of a hash that say neither the word of the filter nor the place in a table."""
    return _ONE << (key >> _A & _SIXTY_THREE) | _ONE << (key >> _B & _SIXTY_THREE) | _ONE << (key >> _C & _SIXTY_THREE)


@kernel
def _hashes(data, at, size, out):
    for a in range(at.size):
        if size == 24:
            key = _word(data, at[a], 8) * _K2 + _word(data, at[a] + 8, 8) * _K1 + _word(data, at[a] + 16, 8) * _K0
        else:
            key = _word(data, at[a], 8) * _K0 + _word(data, at[a] + 8, 4) * _K1
        key ^= key >> _HALF
        out[a] = key if key != _ZERO else _ONE


@kernel
def _by_top(hashes, out, order, ends):
    """Hashes in the order of their first eight bits, and where each was; group k lies from ends[k] to ends[k + 1]."""
    for i in range(hashes.size):
        ends[np.int64(hashes[i] >> _TOP) + 1] += 1
    for k in range(1, 257):
        ends[k] += ends[k - 1]
    at = ends[:-1].copy()
    for i in range(hashes.size):
        k = np.int64(hashes[i] >> _TOP)
        out[at[k]], order[at[k]] = hashes[i], i
        at[k] += 1


@kernel
def _shift(places):
    """What a hash is shifted by to be a place of a table of so many, a power of two."""
    shift = 64
    while places > 1:
        places >>= 1
        shift -= 1
    return np.uint64(shift)


@kernel
def _number(hashes, ends, keys, numbers, which, distinct):
    """Number hashes in the order in which they first come; returns how many there are. Each group by itself, in a table
    that the processor's cache holds."""
    mask, many = np.int64(keys.size - 1), 0
    for group in range(ends.size - 1):
        keys[:] = _ZERO
        for i in range(ends[group], ends[group + 1]):
            key = hashes[i]
            at = np.int64(key >> _PLACE) & mask
            while keys[at] != _ZERO and keys[at] != key:
                at = (at + 1) & mask
            if keys[at] == _ZERO:
                keys[at], numbers[at], distinct[many] = key, many, key
                many += 1
            which[i] = numbers[at]
    return many


@kernel
def _gather(which, order, owners, out):
    """The places of each number, in order, one number after the other; number k has owners[k] to owners[k + 1]."""
    for i in range(which.size):
        owners[which[i] + 1] += 1
    for k in range(1, owners.size):
        owners[k] += owners[k - 1]
    at = owners[:-1].copy()
    for i in range(which.size):
        out[at[which[i]]] = order[i]
        at[which[i]] += 1


@kernel
def _stock(data, starts, ends, owners, texts, places, most, stock):
    for seed in range(owners.size - 1):
        first, last = owners[seed], owners[seed + 1]
        if last - first <= most:
            continue
        for home in range(first, min(first + 3, last)):
            many = 0
            for other in range(first, last):
                if texts[other] == texts[home]:
                    continue
                a, b, run = places[home], places[other], 0
                low = min(a - starts[texts[home]], b - starts[texts[other]])
                high = min(ends[texts[home]] - a, ends[texts[other]] - b)
                back = 1
                while back <= low and data[a - back] == data[b - back] and run < _ALIKE:
                    back += 1
                    run += 1
                on = 0
                while on < high and data[a + on] == data[b + on] and run < _ALIKE:
                    on += 1
                    run += 1
                many += run < _ALIKE
            if many > most:
                stock[seed] = True


@kernel
def _fill(distinct, shift, bits, keys, numbers):
    place, mask = _shift(keys.size), np.int64(keys.size - 1)
    for number in range(distinct.size):
        key = distinct[number]
        bits[np.int64(key >> shift)] |= _three(key)
        at = np.int64(key >> place)
        while keys[at] != _ZERO:
            at = (at + 1) & mask
        keys[at], numbers[at] = key, number


@kernel
def _find(words, starts, ends, long, short, document, position, number):
    shift, bits, keys, numbers = long
    shift_s, bits_s, keys_s, numbers_s = short
    mask, mask_s, found = np.int64(keys.size - 1), np.int64(keys_s.size - 1), 0
    home, home_s = _shift(keys.size), _shift(keys_s.size)
    for d in range(starts.size):
        size = ends[d] - starts[d]
        if size < 12:
            continue
        first = starts[d] >> 2
        for at in range(first, first + ((size - 12) >> 2) + 1):
            key = _pair(words, at) * _K0 + np.uint64(words[at + 2]) * _K1
            key ^= key >> _HALF
            three = _three(key)
            if bits_s[np.int64(key >> shift_s)] & three == three:
                place = np.int64(key >> home_s)
                while keys_s[place] != _ZERO and keys_s[place] != key:
                    place = (place + 1) & mask_s
                if keys_s[place] == key:
                    if found < document.size:
                        document[found], position[found] = d, (at - first) << 2
                        number[found] = -1 - numbers_s[place]
                    found += 1
        for at in range(first, first + ((size - 24) >> 2) + 1, 2):
            key = _pair(words, at) * _K2 + _pair(words, at + 2) * _K1 + _pair(words, at + 4) * _K0
            key ^= key >> _HALF
            three = _three(key)
            if bits[np.int64(key >> shift)] & three == three:
                place = np.int64(key >> home)
                while keys[place] != _ZERO and keys[place] != key:
                    place = (place + 1) & mask
                if keys[place] == key:
                    if found < document.size:
                        document[found], position[found], number[found] = d, (at - first) << 2, numbers[place]
                    found += 1
    return found
