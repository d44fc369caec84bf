# ruff: noqa: ANN001, ANN202, C901, PLR0912, PLR0915 (kernels are typed by what they are given)
"""Repetition and sentences exactly as datatrove 0.10.1 counts them, over the tokens of `hornbook.kernels.english`.

`GopherRepetitionFilter` (paragraphs, lines, n-grams) and the sentences of spaCy's `sentencizer`, which
`C4QualityFilter` counts. For `compat: datatrove` alone; hornbook's own measures are in `repetition` and `filters`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hornbook.kernels.english import BASE, BEHIND_SPACE, PUNCTUATION, STOPS
from hornbook.kernels.filters import SPACE, classes
from hornbook.kernels.jit import kernel
from hornbook.kernels.words import Words

_BASE, _JOIN = np.uint64(BASE), np.uint64(0xC4CEB9FE1A85EC53)
_ODD = np.uint64(0x9E3779B97F4A7C15)
_ZERO, _ONE, _HALF = np.uint64(0), np.uint64(1), np.uint64(32)


def lines(data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Paragraphs and lines: int64 (6, documents): paragraphs, those that stood before, their characters, lines, ….

    Paragraphs are what stands between two or more line feeds of the text without white space at its ends, lines what
    stands between line feeds; the empty string before a first and behind a last line feed counts as a line.
    """
    out = np.zeros((6, offsets.size - 1), np.int64)
    _lines(data, offsets, classes(), out)
    return out


def ngrams(tokens: Words) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Characters in the top and in repeated n-grams.

    Returns:
        top: int64 (documents, 3), n = 2, 3, 4: occurrences × characters, a space between two tokens, of the n-gram
            that occurs most often (of several the first); 0 where there are fewer tokens than n.
        again: int64 (documents, 6), n = 5 … 10, n-grams run together without spaces.
    """
    rows = tokens.offsets.size - 1
    top, again = np.zeros((rows, 3), np.int64), np.zeros((rows, 6), np.int64)
    _ngrams(tokens.hashes, tokens.chars, tokens.offsets, top, again)
    return top, again


def sentences(tokens: Words) -> NDArray[np.int64]:
    """How many sentences the sentencizer cuts each document into: int64 (documents,)."""
    out = np.zeros(tokens.offsets.size - 1, np.int64)
    _sentences(tokens.flags, tokens.offsets, out)
    return out


@kernel
def _seen(keys, key):
    key = key if key != _ZERO else _ONE
    mask = keys.size - 1
    at = np.int64((key * _ODD) >> _HALF) & mask
    while keys[at] != _ZERO:
        if keys[at] == key:
            return True
        at = (at + 1) & mask
    keys[at] = key
    return False


@kernel
def _hash(data, start, end):
    state = _ONE
    for i in range(start, end):
        state = (state ^ np.uint64(data[i])) * _ODD
        state ^= state >> _HALF
    return state


@kernel
def _characters(data, start, end):
    n = 0
    for i in range(start, end):
        n += (data[i] & 0xC0) != 0x80
    return n


@kernel
def _blank(data, i, end, classes):
    """Length in bytes of the white space character at i, 0 where there is another."""
    lead = np.int64(data[i])
    size = 1 if lead < 0x80 else 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
    code = lead
    if i + size > end:
        return 0
    if size > 1:
        code = lead & (0xFF >> (size + 1))
        for k in range(1, size):
            code = code << 6 | (np.int64(data[i + k]) & 0x3F)
    return size if classes[code] & SPACE else 0


@kernel
def _lines(data, offsets, classes, out):
    for d in range(offsets.size - 1):
        start, end = offsets[d], offsets[d + 1]
        rows = 2
        for k in range(start, end):
            rows += data[k] == 10
        room = 16
        while room < 2 * rows:
            room *= 2
        a, b = start, end
        while a < b:
            size = _blank(data, a, b, classes)
            if size == 0:
                break
            a += size
        while b > a:
            k = b - 1
            while k > a and data[k] & 0xC0 == 0x80:
                k -= 1
            if _blank(data, k, b, classes) == 0:
                break
            b = k
        for kind in range(2):
            keys = np.zeros(room, np.uint64)
            least = 2 if kind == 0 else 1
            i, stop = (a, b) if kind == 0 else (start, end)
            begin = i
            while True:
                feeds = 0
                while i + feeds < stop and data[i + feeds] == 10:
                    feeds += 1
                if i >= stop or feeds >= least:
                    out[3 * kind, d] += 1
                    if _seen(keys, _hash(data, begin, i)):
                        out[3 * kind + 1, d] += 1
                        out[3 * kind + 2, d] += _characters(data, begin, i)
                    if i >= stop:
                        break
                    i += feeds
                    begin = i
                else:
                    i += max(1, feeds)


@kernel
def _ngrams(hashes, chars, offsets, top, again):
    powers = np.empty(4096, np.uint64)
    powers[0] = _ONE
    for i in range(1, 4096):
        powers[i] = powers[i - 1] * _BASE
    for d in range(offsets.size - 1):
        base, size = offsets[d], offsets[d + 1] - offsets[d]
        if size < 2:
            continue
        room = 16
        while room < 2 * size:
            room *= 2
        keys, counts = np.empty(room, np.uint64), np.empty(room, np.int32)
        joined, run, length = np.zeros(size + 1, np.uint64), np.zeros(size + 1, np.uint64), np.zeros(size + 1, np.int64)
        for i in range(size):
            h = hashes[base + i]
            mixed = (h ^ h >> _HALF) * _ODD
            joined[i + 1] = joined[i] * _JOIN + (mixed ^ mixed >> _HALF)
            n = chars[base + i]
            power = powers[n] if n < 4096 else _power(n)
            run[i + 1] = run[i] * power + h
            length[i + 1] = length[i] + n
        mask = room - 1
        power = _JOIN
        for n in range(2, 5):
            power *= _JOIN
            if size < n:
                break
            keys[:] = 0
            best = 0
            for i in range(size - n + 1):
                key = joined[i + n] - joined[i] * power
                key = key if key != _ZERO else _ONE
                at = np.int64((key * _ODD) >> _HALF) & mask
                while keys[at] != key:
                    if keys[at] == _ZERO:
                        keys[at], counts[at] = key, 0
                        break
                    at = (at + 1) & mask
                counts[at] += 1
                best = max(best, counts[at])
            for i in range(size - n + 1):
                key = joined[i + n] - joined[i] * power
                key = key if key != _ZERO else _ONE
                at = np.int64((key * _ODD) >> _HALF) & mask
                while keys[at] != key:
                    at = (at + 1) & mask
                if counts[at] == best:
                    top[d, n - 2] = best * (length[i + n] - length[i] + n - 1)
                    break
        for n in range(5, 11):
            if size < n:
                break
            keys[:] = 0
            i = 0
            while i < size - n + 1:
                reach = length[i + n] - length[i]
                power = powers[reach] if reach < 4096 else _power(reach)
                if _seen(keys, run[i + n] - run[i] * power):
                    again[d, n - 5] += reach
                    i += n
                else:
                    i += 1


@kernel
def _power(n):
    value, factor = _ONE, _BASE
    while n > 0:
        if n & 1:
            value *= factor
        factor *= factor
        n >>= 1
    return value


@kernel
def _sentences(flags, offsets, out):
    for d in range(offsets.size - 1):
        period = False
        some = offsets[d + 1] > offsets[d]
        for i in range(offsets[d], offsets[d + 1]):
            flag = flags[i]
            if flag & BEHIND_SPACE and period:
                out[d] += 1
                period = False
            stops = flag & STOPS != 0
            if period and not stops and not flag & PUNCTUATION:
                out[d] += 1
                period = False
            elif stops:
                period = True
        out[d] += some
