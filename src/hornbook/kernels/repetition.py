# ruff: noqa: ANN001, ANN202, C901, PLR0912 (kernels are typed by what they are given)
"""Repetition inside a document: duplicate lines and paragraphs, n-grams that come again.

The measures are those of Gopher (arXiv:2112.11446, section A.1.1 and table A1), read as
datatrove's `GopherRepetitionFilter` (huggingface/datatrove a649de7) reads them; the differences are
named in `docs/stages/quality.repetition.md`. All are counts of lines or characters; shares are the caller's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hornbook.kernels.jit import kernel
from hornbook.kernels.words import Words

TOP = (2, 3, 4)
DUPLICATE = (5, 6, 7, 8, 9, 10)

_FIRST_DUPLICATE = DUPLICATE[0]
_LONGEST = DUPLICATE[-1]
_BASE = np.uint64(0x9FB21C651E98DF25)
_ODD = np.uint64(0x9E3779B97F4A7C15)
_ZERO, _ONE, _HALF = np.uint64(0), np.uint64(1), np.uint64(32)


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines and paragraphs of documents, each int64 (documents,).

    A line ends at a line feed, loses the ASCII white space at its end, and counts where anything is
    left. A paragraph is a run of such lines. `same_…` counts those that stood before in the document,
    byte for byte, and `…_chars` their characters.
    """

    chars: NDArray[np.int64]
    lines: NDArray[np.int64]
    same_lines: NDArray[np.int64]
    same_line_chars: NDArray[np.int64]
    paragraphs: NDArray[np.int64]
    same_paragraphs: NDArray[np.int64]
    same_paragraph_chars: NDArray[np.int64]


def lines(data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> Lines:
    """Count lines and paragraphs, and those that come again.

    Args:
        data: uint8, UTF-8. offsets: int64 (documents + 1,).
    """
    out = np.zeros((7, offsets.size - 1), np.int64)
    _lines(data, offsets, out)
    return Lines(*out)


def ngrams(words: Words) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Characters in repeated n-grams of words.

    Returns:
        top: int64 (documents, 3), n = 2, 3, 4: occurrences of the n-gram that occurs most often (of
            several the first) times its characters, one between words that do not touch; 0 where none
            occurs twice. Occurrences may overlap, so this can pass the length of the text.
        again: int64 (documents, 6), n = 5 … 10: characters of the words of n-grams that stood before,
            read from the left, going on behind each one found.
    """
    rows = words.offsets.size - 1
    top, again = np.zeros((rows, len(TOP)), np.int64), np.zeros((rows, len(DUPLICATE)), np.int64)
    _ngrams(words.hashes, words.starts, words.ends, words.chars, words.offsets, top, again)
    return top, again


@kernel
def _characters(data, start, end):
    n = 0
    for i in range(start, end):
        n += (data[i] & 0xC0) != 0x80
    return n


@kernel
def _hash(data, start, end):
    state, i = np.uint64(end - start) * _ODD + _ONE, start
    while i < end:
        held = _ZERO
        if i + 8 <= end:
            for k in range(8):
                held |= np.uint64(data[i + k]) << np.uint64(8 * k)
        else:
            for k in range(end - i):
                held |= np.uint64(data[i + k]) << np.uint64(8 * k)
        state = (state ^ held) * _ODD
        state ^= state >> _HALF
        i += 8
    return state


@kernel
def _seen(keys, key):
    """Whether a key is in the open table; it is put in where it is not. Zero marks a free place."""
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
def _room(entries):
    size = 16
    while size < 2 * entries:
        size *= 2
    return size


@kernel
def _lines(data, offsets, out):
    for d in range(offsets.size - 1):
        i, end = offsets[d], offsets[d + 1]
        most = 2
        for k in range(i, end):
            most += data[k] == 10
        known, blocks = np.zeros(_room(most), np.uint64), np.zeros(_room(most), np.uint64)
        out[0, d] = _characters(data, i, end)
        first, last, block = -1, -1, _ZERO
        while i <= end:
            stop = i
            while stop < end and data[stop] != 10:
                stop += 1
            tail = stop
            while tail > i and (data[tail - 1] == 32 or 9 <= data[tail - 1] <= 13):
                tail -= 1
            if tail > i:
                key = _hash(data, i, tail)
                out[1, d] += 1
                if _seen(known, key):
                    out[2, d] += 1
                    out[3, d] += _characters(data, i, tail)
                first, last = (i if first < 0 else first), tail
                block = (block ^ key) * _ODD
                block ^= block >> _HALF
            if first >= 0 and (tail == i or stop >= end):
                out[4, d] += 1
                if _seen(blocks, block):
                    out[5, d] += 1
                    out[6, d] += _characters(data, first, last)
                first, last, block = -1, -1, _ZERO
            i = stop + 1


@kernel
def _place(keys, counts, marks, mask, key):
    """The place of a key in the open table, its count raised by one."""
    key = key if key != _ZERO else _ONE
    at = np.int64((key * _ODD) >> _HALF) & mask
    while keys[at] != key:
        if keys[at] == _ZERO:
            keys[at], counts[at], marks[at] = key, 0, 0
            break
        at = (at + 1) & mask
    counts[at] += 1
    return at


@kernel
def _ngrams(hashes, starts, ends, chars, offsets, top, again):
    """An n-gram can come twice only where its two (n - 1)-grams do, so each n looks at what the one
    before left over: pass 2 sees every word, pass 5 a few in a hundred."""
    for d in range(offsets.size - 1):
        base, size = offsets[d], offsets[d + 1] - offsets[d]
        if size < 3:
            continue
        prefix = np.empty(size + 1, np.uint64)
        prefix[0] = _ZERO
        for i in range(size):
            prefix[i + 1] = prefix[i] * _BASE + hashes[base + i]
        room = _room(size)
        keys, counts, marks = np.empty(room, np.uint64), np.empty(room, np.int32), np.empty(room, np.uint8)
        twice = np.ones(size, np.uint8)
        found, places = np.empty(size, np.int64), np.empty(size, np.int64)
        power = _BASE
        for n in range(2, _LONGEST + 1):
            power *= _BASE
            m = 0
            for i in range(size - n + 1):
                if twice[i] and twice[i + 1]:
                    found[m] = i
                    m += 1
            if m < 2:
                break
            mask = _room(m) - 1
            keys[: mask + 1] = _ZERO
            for c in range(m):
                i = found[c]
                places[c] = _place(keys, counts, marks, mask, prefix[i + n] - prefix[i] * power)
            twice[:] = 0
            best, at, free = 1, -1, 0
            for c in range(m):
                i, place = found[c], places[c]
                if counts[place] < 2:
                    continue
                twice[i] = 1
                if counts[place] > best:
                    best, at = counts[place], i
                if n >= _FIRST_DUPLICATE and i >= free:
                    if marks[place]:
                        for k in range(base + i, base + i + n):
                            again[d, n - _FIRST_DUPLICATE] += chars[k]
                        free = i + n
                    marks[place] = 1
            if at < 0:
                break
            if n < _FIRST_DUPLICATE:
                length = chars[base + at]
                for k in range(base + at + 1, base + at + n):
                    length += chars[k] + (starts[k] > ends[k - 1])
                top[d, n - 2] = best * length
