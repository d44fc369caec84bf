# ruff: noqa: ANN001, ANN202 (kernels are typed by what they are given)
"""Lines by their words: two lines are the same line where their words are, whatever stands between these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hornbook.kernels.jit import kernel
from hornbook.kernels.words import Words

_ODD, _MIX, _SHIFT = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xFF51AFD7ED558CCD), np.uint64(33)


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of some documents that have words enough, in order.

    Args:
        hashes: uint64 (lines,), of their words.
        starts, ends: int64 (lines,), byte range, the line break part of it.
        offsets: int64 (documents + 1,), document d has the lines offsets[d] to offsets[d + 1].
    """

    hashes: NDArray[np.uint64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    offsets: NDArray[np.int64]


def lines(data: NDArray[np.uint8], offsets: NDArray[np.int64], words: Words, fewest: int) -> Lines:
    """Lines of at least so many words.

    Args:
        data: uint8, UTF-8. offsets: int64 (documents + 1,). words: of these documents.
        fewest: words of a line, 1 or more.
    """
    room = words.hashes.size // fewest + 1
    hashes, starts, ends = np.empty(room, np.uint64), np.empty(room, np.int64), np.empty(room, np.int64)
    counts = np.zeros(offsets.size, np.int64)
    many = _lines(data, offsets, words.hashes, words.ends, words.offsets, fewest, hashes, starts, ends, counts)
    return Lines(hashes[:many], starts[:many], ends[:many], np.cumsum(counts))


def without(
    data: NDArray[np.uint8], offsets: NDArray[np.int64], found: Lines, cut: NDArray[np.bool_]
) -> tuple[pa.LargeStringArray, NDArray[np.int64]]:
    """(the texts without the lines that are to be cut, how many bytes each lost).

    Args:
        cut: bool (lines,).
    """
    out = np.empty(int(offsets[-1] - offsets[0]), np.uint8)
    ends = np.zeros(offsets.size, np.int64)
    _without(data, offsets, found.starts, found.ends, found.offsets, cut, out, ends)
    column: Any = pa.LargeStringArray.from_buffers(
        offsets.size - 1, pa.py_buffer(ends), pa.py_buffer(out[: ends[-1]].copy())
    )
    return column, np.diff(offsets) - np.diff(ends)


@kernel
def _lines(data, offsets, words, word_ends, word_offsets, fewest, hashes, starts, ends, counts):
    many = 0
    for d in range(offsets.size - 1):
        w, last = word_offsets[d], word_offsets[d + 1]
        i, end = offsets[d], offsets[d + 1]
        while w < last and i < end:
            start = i
            while i < end and data[i] != 10:
                i += 1
            i = min(i + 1, end)
            key, size = np.uint64(0), 0
            while w < last and word_ends[w] <= i:
                key = (key ^ words[w]) * _ODD
                key ^= key >> _SHIFT
                size += 1
                w += 1
            if size >= fewest:
                hashes[many], starts[many], ends[many] = key * _MIX, start, i
                many += 1
                counts[d + 1] += 1
    return many


@kernel
def _without(data, offsets, starts, ends, line_offsets, cut, out, text_ends):
    at = 0
    for d in range(offsets.size - 1):
        i = offsets[d]
        for k in range(line_offsets[d], line_offsets[d + 1]):
            if cut[k]:
                for j in range(i, starts[k]):
                    out[at] = data[j]
                    at += 1
                i = ends[k]
        for j in range(i, offsets[d + 1]):
            out[at] = data[j]
            at += 1
        text_ends[d + 1] = at
