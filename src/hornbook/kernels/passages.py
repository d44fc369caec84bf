# ruff: noqa: ANN001, ANN202 (kernels are typed by what they are given)
"""What two texts share around a seed: whether passages are the same, and at most how much."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hornbook.kernels.jit import kernel

_MIX = np.uint64(0x9E3779B97F4A7C15)
_ZERO, _ONE, _SIXTY_THREE = np.uint64(0), np.uint64(1), np.uint64(63)
_SIX_BYTES = np.uint64(0xFFFFFFFFFFFF)


def same(
    data: NDArray[np.uint8],
    at: NDArray[np.int64],
    other: NDArray[np.uint8],
    other_at: NDArray[np.int64],
    sizes: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Whether `sizes` bytes from `at` in `data` are those from `other_at` in `other`: bool, one an entry."""
    out = np.zeros(at.size, np.bool_)
    _same(data, at, other, other_at, sizes, out)
    return out


@kernel
def _same(data, at, other, other_at, sizes, out):
    for k in range(at.size):
        i = 0
        while i < sizes[k] and data[at[k] + i] == other[other_at[k] + i]:
            i += 1
        out[k] = i == sizes[k]


def bound(window: NDArray[np.uint8], text: NDArray[np.uint8]) -> tuple[int, int]:
    """At most how many bytes of a text can lie in runs of six and more that a window shares with it, and at most how
    long the longest such run is. Quick; never less than what is true.
    """
    return _bound(window, text, np.zeros(1 << 11, np.uint64))  # type: ignore[no-any-return]


@kernel
def _bound(window, text, seen):
    key = _ZERO
    for i in range(window.size):
        key = (key << np.uint64(8) | np.uint64(window[i])) & _SIX_BYTES
        if i >= 5:
            bit = key * _MIX >> np.uint64(47)
            seen[np.int64(bit >> np.uint64(6))] |= _ONE << (bit & _SIXTY_THREE)
    covered, until, run, longest, key = 0, 0, 0, 0, _ZERO
    for i in range(text.size):
        key = (key << np.uint64(8) | np.uint64(text[i])) & _SIX_BYTES
        if i < 5:
            continue
        bit = key * _MIX >> np.uint64(47)
        if seen[np.int64(bit >> np.uint64(6))] >> (bit & _SIXTY_THREE) & _ONE:
            covered += i + 1 - max(until, i - 5)
            until = i + 1
            run = run + 1 if run else 6
            longest = max(longest, run)
        else:
            run = 0
    return covered, longest
