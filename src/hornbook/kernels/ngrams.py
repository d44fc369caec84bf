# ruff: noqa: ANN001, ANN202, C901 (kernels are typed by what they are given)
"""N-grams of words: an index of those of some texts, and where other texts hold them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hornbook.kernels.jit import kernel
from hornbook.kernels.words import LETTER, Words

_BASE = np.uint64(0xD1342543DE82EF95)
_ODD = np.uint64(0x9E3779B97F4A7C15)
_ZERO, _ONE, _HALF = np.uint64(0), np.uint64(1), np.uint64(32)
_SIX, _SIXTY_THREE = np.uint64(6), np.uint64(63)


@dataclass(frozen=True, slots=True)
class Index:
    """The n-grams of some texts, with every place where each stands.

    Args:
        n: words in an n-gram.
        bits: uint64, a bitmap that says no to most n-grams that are not here; a power of two of bits.
        keys: uint64, open table of n-gram hashes, 0 where free; a power of two of places.
        numbers: int32, beside `keys`: which n-gram stands there.
        owners: int64 (n-grams + 1,): n-gram k stands at places owners[k] to owners[k + 1].
        texts, positions: int32 (places,): in which text, at which word.
    """

    n: int
    bits: NDArray[np.uint64]
    keys: NDArray[np.uint64]
    numbers: NDArray[np.int32]
    owners: NDArray[np.int64]
    texts: NDArray[np.int32]
    positions: NDArray[np.int32]


def telling(words: Words, n: int) -> NDArray[np.bool_]:
    """Which n-grams say enough to be looked for: bool (words,), by the word they begin at.

    At least half of the n words must be different words that hold a letter, so runs of digits, of one
    word and of blanks between digits are not looked for. False where the document ends before n words.
    """
    out = np.zeros(words.hashes.size, np.bool_)
    _telling(words.hashes, words.flags, words.offsets, n, out)
    return out


def build(words: Words, n: int, wanted: NDArray[np.bool_]) -> Index:
    """Index the n-grams that begin at the wanted words.

    Args:
        words: the texts' words.
        n: words in an n-gram.
        wanted: bool (words,); a wanted n-gram must end within its text.
    """
    at = np.flatnonzero(wanted)
    hashes = np.empty(at.size, np.uint64)
    _hashes(words.hashes, at, n, hashes)
    order = np.argsort(hashes, kind="stable")
    distinct, first = np.unique(hashes[order], return_index=True)
    size = 16
    while size < 2 * distinct.size:
        size *= 2
    bits = np.zeros(max(8192, size // 8), np.uint64)
    keys, numbers = np.zeros(size, np.uint64), np.zeros(size, np.int32)
    _fill(distinct, bits, keys, numbers)
    text = np.searchsorted(words.offsets, at, side="right") - 1
    return Index(
        n,
        bits,
        keys,
        numbers,
        np.append(first, at.size).astype(np.int64),
        text[order].astype(np.int32),
        (at - words.offsets[text])[order].astype(np.int32),
    )


def find(words: Words, index: Index) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
    """Where documents hold an n-gram of the index.

    Returns:
        document, position (word within the document), n-gram number: one entry a hit, in order.
    """
    room = 1024
    while True:
        document, position = np.empty(room, np.int64), np.empty(room, np.int64)
        number = np.empty(room, np.int32)
        found = _find(
            words.hashes, words.offsets, index.n, index.bits, index.keys, index.numbers, document, position, number
        )
        if found <= room:
            return document[:found], position[:found], number[:found]
        room = found


@kernel
def _telling(hashes, flags, offsets, n, out):
    for d in range(offsets.size - 1):
        for i in range(offsets[d], offsets[d + 1] - n + 1):
            different = 0
            for j in range(i, i + n):
                fresh = flags[j] & LETTER != 0
                for k in range(i, j):
                    fresh = fresh and hashes[k] != hashes[j]
                different += fresh
            out[i] = 2 * different >= n


@kernel
def _hashes(hashes, at, n, out):
    for a in range(at.size):
        key = _ZERO
        for j in range(at[a], at[a] + n):
            key = key * _BASE + hashes[j]
        out[a] = key if key != _ZERO else _ONE


@kernel
def _fill(distinct, bits, keys, numbers):
    many, mask = np.uint64(bits.size * 64 - 1), keys.size - 1
    for number in range(distinct.size):
        key = distinct[number]
        spread = key * _ODD >> _HALF
        bit = spread & many
        bits[np.int64(bit >> _SIX)] |= _ONE << (bit & _SIXTY_THREE)
        at = np.int64(spread) & mask
        while keys[at] != _ZERO:
            at = (at + 1) & mask
        keys[at], numbers[at] = key, number


@kernel
def _find(hashes, offsets, n, bits, keys, numbers, document, position, number):
    many, mask, found = np.uint64(bits.size * 64 - 1), keys.size - 1, 0
    power = _ONE
    for _ in range(n):
        power *= _BASE
    for d in range(offsets.size - 1):
        first, last = offsets[d], offsets[d + 1]
        if last - first < n:
            continue
        rolling = _ZERO
        for i in range(first, last):
            rolling = rolling * _BASE + hashes[i]
            if i - first >= n:
                rolling -= hashes[i - n] * power
            if i - first < n - 1:
                continue
            key = rolling if rolling != _ZERO else _ONE
            spread = key * _ODD >> _HALF
            bit = spread & many
            if bits[np.int64(bit >> _SIX)] >> (bit & _SIXTY_THREE) & _ONE == _ZERO:
                continue
            at = np.int64(spread) & mask
            while keys[at] != _ZERO and keys[at] != key:
                at = (at + 1) & mask
            if keys[at] == key:
                if found < document.size:
                    document[found], position[found], number[found] = d, i - n + 1 - first, numbers[at]
                found += 1
    return found
