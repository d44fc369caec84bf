# ruff: noqa: ANN001, ANN202 (kernels are typed by what they are given)
"""Scoring language models of the kind of langid.py (Lui and Baldwin 2012), many texts at once.

py3langid's model is an automaton over bytes whose states say which features were seen, and a naive Bayes table. The
model and the rule are the library's. Walking and adding up are compiled here: they are nine tenths of its time.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hornbook.kernels.jit import kernel


def scores(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    moves: NDArray[np.int64],
    rows: NDArray[np.int64],
    features: NDArray[np.int64],
    table: NDArray[np.float32],
    prior: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Log posteriors of every class.

    Args:
        data: uint8, UTF-8. offsets: int64 (texts + 1,).
        moves: next state at `rows[state] * 256 + byte`. features: (states,), a state's feature, or less than 0.
        table: float32 (features, classes), log probabilities. prior: float32 (classes,).

    Returns:
        float32 (texts, classes), 0 where no feature was seen; int64 (texts,), different features seen.
    """
    out = np.zeros((offsets.size - 1, prior.size), np.float32)
    seen = np.zeros(offsets.size - 1, np.int64)
    _scores(data, offsets, moves, rows, features, table, prior, out, seen)
    return out, seen


@kernel
def _scores(data, offsets, moves, rows, features, table, prior, out, seen):
    counts = np.zeros(table.shape[0], np.int64)
    order = np.zeros(table.shape[0], np.int64)
    for d in range(offsets.size - 1):
        state, n = 0, 0
        for i in range(offsets[d], offsets[d + 1]):
            state = moves[rows[state] * 256 + data[i]]
            f = features[state]
            if f >= 0:
                if counts[f] == 0:
                    order[n] = f
                    n += 1
                counts[f] += 1
        seen[d] = n
        if n == 0:
            continue
        for k in range(n):
            f = order[k]
            weight = np.float32(np.log1p(np.float32(counts[f])))
            counts[f] = 0
            for c in range(prior.size):
                out[d, c] += weight * table[f, c]
        for c in range(prior.size):
            out[d, c] += prior[c]
