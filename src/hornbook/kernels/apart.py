# ruff: noqa: ANN001, ANN202 (kernels are typed by what they are given)
"""Unit vectors: which centroid is nearest, and which of a block are too near to one that is kept.

Sums run in one order whatever the machine's number of cores, so the same vectors give the same bytes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hornbook.kernels.jit import kernel

_SLACK = np.float32(1e-4)
"""More than a float32 sum of a few thousand terms can be off."""


def nearest(
    vectors: NDArray[np.float32], centroids: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """(each vector's nearest centroid by cosine, that cosine).

    Args:
        vectors: (rows, dimensions). centroids: (many, dimensions); of equally near ones the first is taken.
    """
    which, near = np.empty(len(vectors), np.int64), np.empty(len(vectors), np.float64)
    _nearest(np.ascontiguousarray(vectors), np.ascontiguousarray(centroids.T), which, near)
    return which, near


def apart(vectors: NDArray[np.float32], limit: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Go through vectors in order and keep each that is less than `limit` like all that are kept.

    Args:
        vectors: unit vectors (rows, dimensions), best first.
        limit: cosine, exact to 10^-6.

    Returns:
        (for each the most similar one kept, -1 where it is kept itself; the cosine of the two).
    """
    of, near = np.full(len(vectors), -1, np.int64), np.zeros(len(vectors), np.float64)
    _apart(np.ascontiguousarray(vectors), limit, of, near)
    return of, near


@kernel
def _nearest(vectors, centroids, which, near):
    rows, size = vectors.shape
    sums = np.empty(centroids.shape[1], np.float32)
    for i in range(rows):
        sums[:] = 0
        for d in range(size):
            x = vectors[i, d]
            for j in range(sums.size):
                sums[j] += x * centroids[d, j]
        best = 0
        for j in range(1, sums.size):
            if sums[j] > sums[best]:
                best = j
        which[i], near[i] = best, sums[best]


@kernel
def _apart(vectors, limit, of, near):
    rows, size = vectors.shape
    kept, homes, many = np.empty((size, rows), np.float32), np.empty(rows, np.int64), 0
    sums = np.empty(rows, np.float32)
    for i in range(rows):
        sums[:many] = 0
        for d in range(size):
            x = vectors[i, d]
            for j in range(many):
                sums[j] += x * kept[d, j]
        for j in range(many):
            if sums[j] >= limit - _SLACK:
                exact = 0.0
                for d in range(size):
                    exact += np.float64(vectors[i, d]) * np.float64(vectors[homes[j], d])
                exact = np.round(exact, 6)
                if exact >= limit and exact > near[i]:
                    of[i], near[i] = homes[j], exact
        if of[i] < 0:
            kept[:, many] = vectors[i]
            homes[many] = i
            many += 1
