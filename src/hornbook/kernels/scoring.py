# ruff: noqa: ANN001, ANN202 (kernels are typed by what they are given)
"""What small models say of many documents: weights of hashed word n-grams, and forests of trees, over arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hornbook.kernels.jit import kernel
from hornbook.kernels.words import Words

_ODD, _MIX = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xFF51AFD7ED558CCD)
_SHIFT, _EMPTY = np.uint64(33), np.uint64(0)


@dataclass(frozen=True, slots=True)
class Trees:
    """A forest: the nodes of all trees, one after another.

    Args:
        features: int32 (nodes,), the feature a node looks at; −1 at a leaf.
        limits: float32 (nodes,), a document goes left where its feature is at most that.
        left, right: int32 (nodes,), the next node.
        values: float32 (nodes,), what a leaf says.
        roots: int32 (trees,).
    """

    features: NDArray[np.int32]
    limits: NDArray[np.float32]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    values: NDArray[np.float32]
    roots: NDArray[np.int32]


def says(trees: Trees, rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """The mean of what the trees say of each row, float64 (rows,).

    Args:
        rows: float32 (rows, features).
    """
    out = np.zeros(rows.shape[0], np.float64)
    _walk(
        np.ascontiguousarray(rows),
        trees.features,
        trees.limits,
        trees.left,
        trees.right,
        trees.values,
        trees.roots,
        out,
    )
    return out


def grams(words: Words, n: int, buckets: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """The buckets of each document's word 1- to n-grams, repeats included.

    Returns:
        int32 (grams,), and int64 (documents + 1,), where those of each document begin.
    """
    sizes = np.diff(words.offsets)
    many = sum(np.maximum(0, sizes - k) for k in range(n))
    ends = np.zeros(sizes.size + 1, np.int64)
    np.cumsum(many, out=ends[1:])
    out = np.empty(int(ends[-1]), np.int32)
    _grams(words.hashes, words.offsets, n, np.uint64(buckets), out)
    return out, ends


def weigh(words: Words, n: int, weights: NDArray[np.float32]) -> NDArray[np.float64]:
    """Sum of the weights of each document's 1- to n-grams, over the root of their number; float64 (documents,)."""
    out = np.zeros(words.offsets.size - 1, np.float64)
    _weigh(words.hashes, words.offsets, n, weights, out)
    return out


@kernel
def _walk(rows, features, limits, left, right, values, roots, out):
    for i in range(rows.shape[0]):
        row, total = rows[i], 0.0
        for root in roots:
            node = root
            while features[node] >= 0:
                node = left[node] if row[features[node]] <= limits[node] else right[node]
            total += values[node]
        out[i] = total / roots.size


@kernel
def _grams(hashes, offsets, n, buckets, out):
    many = 0
    for d in range(offsets.size - 1):
        for i in range(offsets[d], offsets[d + 1]):
            held = _EMPTY
            for k in range(min(n, offsets[d + 1] - i)):
                held = (held ^ hashes[i + k]) * _ODD
                held ^= held >> _SHIFT
                out[many] = np.int32(((held * _MIX) >> _SHIFT) % buckets)
                many += 1


@kernel
def _weigh(hashes, offsets, n, weights, out):
    buckets = np.uint64(weights.size)
    for d in range(offsets.size - 1):
        many, total = 0, 0.0
        for i in range(offsets[d], offsets[d + 1]):
            held = _EMPTY
            for k in range(min(n, offsets[d + 1] - i)):
                held = (held ^ hashes[i + k]) * _ODD
                held ^= held >> _SHIFT
                total += weights[((held * _MIX) >> _SHIFT) % buckets]
                many += 1
        if many:
            out[d] = total / np.sqrt(many)
