# ruff: noqa: ANN001, ANN202 (kernels are typed by what they are given)
"""Pieces of documents packed into rows of one length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hornbook.kernels.jit import kernel


@dataclass(frozen=True, slots=True)
class Packing:
    """Which row each piece is in.

    Args:
        order: int64 (pieces,): the pieces, longest first, equal ones in the order given.
        rows: int64 (pieces,): the row of each piece.
        count: rows.
    """

    order: NDArray[np.int64]
    rows: NDArray[np.int64]
    count: int


def best_fit(sizes: NDArray[np.int64], room: int) -> Packing:
    """Best-fit decreasing: the longest piece first, each into the row with the least room that still holds it.

    Ding et al. 2024, "Fewer Truncations Improve Language Modeling" (arXiv:2404.10830), section 3. The rooms that
    rows have left are kept as lists by size, with a bitmap of those that are not empty.

    Args:
        sizes: (pieces,) 1 to `room`.
        room: tokens a row holds.
    """
    order = np.argsort(-sizes, kind="stable")
    rows = np.empty(sizes.size, np.int64)
    return Packing(order, rows, int(_best_fit(sizes, order, room, rows)))


def filled(
    ids: NDArray[Any], starts: NDArray[np.int64], sizes: NDArray[np.int64], packing: Packing, room: int, end: int
) -> NDArray[Any]:
    """The rows, (rows, room) of the kind of `ids`: pieces in the order packed, then end tokens."""
    out = np.full((packing.count, room), end, ids.dtype)
    _filled(ids, starts, sizes, packing.order, packing.rows, np.zeros(packing.count, np.int64), out)
    return out


@kernel
def _best_fit(sizes, order, room, rows):
    first = np.full(room + 1, -1, np.int64)  # by room left: a row that has it
    later = np.empty(order.size, np.int64)  # by row: another one with as much
    have = np.zeros(room // 64 + 1, np.uint64)
    one = np.uint64(1)
    count = 0
    for piece in order:
        size = sizes[piece]
        word = size // 64
        bits = have[word] >> np.uint64(size % 64)
        left = -1
        if bits:
            left = size
        else:
            word += 1
            while word < have.size and not have[word]:
                word += 1
            if word < have.size:
                bits = have[word]
                left = word * 64
        if left < 0:
            row = count
            count += 1
            left = room
        else:
            while not bits & one:
                bits >>= one
                left += 1
            row = first[left]
            first[left] = later[row]
            if first[left] < 0:
                have[left // 64] &= ~(one << np.uint64(left % 64))
        rows[piece] = row
        rest = left - size
        if rest:
            later[row] = first[rest]
            first[rest] = row
            have[rest // 64] |= one << np.uint64(rest % 64)
    return count


@kernel
def _filled(ids, starts, sizes, order, rows, used, out):
    for piece in order:
        row = rows[piece]
        at = used[row]
        for place in range(starts[piece], starts[piece] + sizes[piece]):
            out[row, at] = ids[place]
            at += 1
        used[row] = at
