# ruff: noqa: ANN001, ANN202 (kernels are typed by what they are given)
"""Spans that stand in several places: which windows of n units to compare, and comparing them byte for byte.

A text is cut into units (words, characters, tokens) with what stands between them. A window is n units in a row with
what stands between them. Only windows that share an *anchor* need to be compared: the run of n // 2 units in it whose
hash is the least (winnowing: Schleimer, Wilkerson & Aiken 2003, SIGMOD), so equal windows have equal anchors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hornbook.kernels.jit import kernel

_ODD, _MIX, _SHIFT = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xFF51AFD7ED558CCD), np.uint64(33)


@dataclass(frozen=True, slots=True)
class Windows:
    """The windows of n units of some documents, in order.

    Args:
        document: int64 (windows,), which document.
        hashes: uint64 (windows,), equal for equal windows, others by chance.
        starts, ends: int64 (windows,), byte range in the data.
        anchors: int64 (windows,), the unit where the window's anchor begins, counted in its document.
        keys: uint64 (windows,), the anchor's hash.
        fresh: bool (windows,), whether the window before has another anchor.
        tied: bool (windows,), whether the anchor stands twice in a window that has it: equal windows that overlap
            may then have one and the same.
    """

    document: NDArray[np.int64]
    hashes: NDArray[np.uint64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    anchors: NDArray[np.int64]
    keys: NDArray[np.uint64]
    fresh: NDArray[np.bool_]
    tied: NDArray[np.bool_]


def windows(
    data: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64], offsets: NDArray[np.int64], n: int
) -> Windows:
    """All windows of `n` units and their anchors; a document of fewer units has none.

    Args:
        data: uint8, UTF-8. starts, ends: int64 (units,), byte ranges, in order.
        offsets: int64 (documents + 1,), document d has the units offsets[d] to offsets[d + 1].
    """
    own, joined = np.empty(starts.size, np.uint64), np.empty(starts.size, np.uint64)
    _units(data, starts, ends, offsets, own, joined)
    short = max(1, n // 2)
    whole, part = np.zeros(starts.size, np.uint64), np.zeros(starts.size, np.uint64)
    _roll(own, joined, offsets, n, whole)
    _roll(own, joined, offsets, short, part)
    anchors, tied = np.full(starts.size, -1, np.int64), np.zeros(starts.size, np.bool_)
    _anchor(part, offsets, n, short, anchors, tied)
    at = np.flatnonzero(anchors >= 0)
    document = np.searchsorted(offsets, at, side="right") - 1
    anchor = anchors[at]
    fresh = np.ones(at.size, np.bool_)
    fresh[1:] = anchor[1:] != anchor[:-1]
    return Windows(
        document,
        whole[at],
        starts[at],
        ends[at + n - 1],
        anchor - offsets[document],
        part[anchor],
        fresh,
        tied[anchor],
    )


def slices(data: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]) -> pa.LargeBinaryArray:
    """Byte ranges of the data, which may overlap, one value each."""
    offsets = np.concatenate([[0], np.cumsum(ends - starts)])
    out = np.empty(int(offsets[-1]), np.uint8)
    _copy(data, starts, offsets, out)
    return pa.LargeBinaryArray.from_buffers(pa.large_binary(), starts.size, [None, *map(pa.py_buffer, (offsets, out))])


def equal(
    data: NDArray[np.uint8],
    first: tuple[NDArray[np.int64], NDArray[np.int64]],
    second: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> NDArray[np.bool_]:
    """Which byte ranges (starts, ends) hold the same bytes as their partners."""
    out = np.zeros(first[0].size, np.bool_)
    _equal(data, *first, *second, out)
    return out


def without(
    data: NDArray[np.uint8], offsets: NDArray[np.int64], starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> tuple[pa.LargeStringArray, NDArray[np.int64]]:
    """(the texts without some byte ranges, how many bytes each lost).

    Args:
        data: uint8, UTF-8. offsets: int64 (documents + 1,).
        starts, ends: int64 (ranges,), by start; they may overlap, but none reaches from one document into another.
    """
    out, text_ends = np.empty(int(offsets[-1] - offsets[0]), np.uint8), np.zeros(offsets.size, np.int64)
    _without(data, offsets, starts, ends, out, text_ends)
    buffers = map(pa.py_buffer, (text_ends, out[: text_ends[-1]].copy()))
    return pa.LargeStringArray.from_buffers(offsets.size - 1, *buffers), np.diff(offsets) - np.diff(text_ends)


@kernel
def _units(data, starts, ends, offsets, own, joined):
    """Hashes of each unit, and of each unit with what follows it up to the next of its document."""
    for d in range(offsets.size - 1):
        for u in range(offsets[d], offsets[d + 1]):
            key = np.uint64(ends[u] - starts[u])
            for i in range(starts[u], ends[u]):
                key = (key ^ np.uint64(data[i])) * _ODD
                key ^= key >> _SHIFT
            own[u] = (key ^ key >> _SHIFT) * _MIX
            following = starts[u + 1] if u + 1 < offsets[d + 1] else ends[u]
            for i in range(ends[u], following):
                key = (key ^ np.uint64(data[i])) * _ODD
                key ^= key >> _SHIFT
            joined[u] = (key ^ np.uint64(following - ends[u])) * _MIX


@kernel
def _roll(own, joined, offsets, n, out):
    """Hash of the n units from each on: polynomial of the joined ones, and the last without what follows it."""
    top = np.uint64(1)
    for _ in range(n - 2):
        top *= _MIX
    for d in range(offsets.size - 1):
        first, last = offsets[d], offsets[d + 1]
        if last - first < n:
            continue
        key = np.uint64(0)
        for u in range(first, first + n - 1):
            key = key * _MIX + joined[u]
        for u in range(first, last - n + 1):
            mixed = (key ^ own[u + n - 1]) * _ODD
            out[u] = (mixed ^ mixed >> _SHIFT) * _MIX
            if n > 1:
                key = (key - joined[u] * top) * _MIX + joined[u + n - 1]


@kernel
def _anchor(part, offsets, n, short, anchors, tied):
    """The least part of each window. Of equals the one taken before, else the last: so few are taken of a
    text that repeats itself. `tied`: the parts with an equal after them in a window that has them."""
    for d in range(offsets.size - 1):
        best = np.int64(-1)
        for u in range(offsets[d], offsets[d + 1] - n + 1):
            end = u + n - short
            if best < u:
                best = u
                for v in range(u + 1, end + 1):
                    if part[v] <= part[best]:
                        best = v
            elif part[end] < part[best]:
                best = end
            elif part[end] == part[best] and end > best:
                tied[best] = True
            anchors[u] = best


@kernel
def _copy(data, starts, offsets, out):
    for k in range(starts.size):
        for j in range(offsets[k + 1] - offsets[k]):
            out[offsets[k] + j] = data[starts[k] + j]


@kernel
def _equal(data, starts, ends, other_starts, other_ends, out):
    for k in range(starts.size):
        size = ends[k] - starts[k]
        same, j = size == other_ends[k] - other_starts[k], 0
        while same and j < size:
            same = data[starts[k] + j] == data[other_starts[k] + j]
            j += 1
        out[k] = same


@kernel
def _without(data, offsets, starts, ends, out, text_ends):
    at, k = 0, 0
    for d in range(offsets.size - 1):
        i = offsets[d]
        while k < starts.size and starts[k] < offsets[d + 1]:
            for j in range(i, starts[k]):
                out[at] = data[j]
                at += 1
            i = max(i, ends[k])
            k += 1
        for j in range(i, offsets[d + 1]):
            out[at] = data[j]
            at += 1
        text_ends[d + 1] = at
