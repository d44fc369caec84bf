# ruff: noqa: ANN001, ANN202 (kernels are typed by what they are given)
"""Which of a few words stand in each text, as they are, found in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hornbook.kernels.jit import kernel
from hornbook.kernels.words import texts


def holding(column: Any, words: Sequence[str]) -> NDArray[np.bool_]:
    """Whether each text holds each word: bool (texts, words).

    Args:
        column: pa.Array or pa.ChunkedArray of strings; a missing text holds nothing.
        words: not empty; compared byte by byte.
    """
    data, offsets = texts(column)
    letters = [word.encode() for word in words]
    ends = np.cumsum([0, *map(len, letters)])
    out = np.zeros((offsets.size - 1, len(words)), np.bool_)
    _holding(data, offsets, np.frombuffer(b"".join(letters), np.uint8), ends, out)
    return out


@kernel
def _holding(data, offsets, letters, ends, out):
    begins = np.zeros(256, np.bool_)
    for w in range(ends.size - 1):
        begins[letters[ends[w]]] = True
    for d in range(offsets.size - 1):
        last = offsets[d + 1]
        for i in range(offsets[d], last):
            if not begins[data[i]]:
                continue
            for w in range(ends.size - 1):
                first, size = ends[w], ends[w + 1] - ends[w]
                if out[d, w] or i + size > last or data[i] != letters[first]:
                    continue
                k = 1
                while k < size and data[i + k] == letters[first + k]:
                    k += 1
                if k == size:
                    out[d, w] = True
