# ruff: noqa: ANN001, ANN202 (kernels are typed by what they are given)
"""The most similar of many vectors, exactly: products by BLAS in blocks, the best looked at again by a kernel.

What BLAS gives for two vectors differs in the last digits with where they stand in their blocks. So it only says which
come into question; these are multiplied anew in one order, and the same vectors have the same neighbours in pieces of
every size.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hornbook.core.errors import UserError
from hornbook.kernels.jit import kernel, part

BLOCK = 128
"""Queries at once: with 100,000 vectors to be compared with, 51 MB of similarities."""

_SLACK = np.float32(1e-4)
"""More than a float32 sum of a few thousand terms can be off."""

Matrix = NDArray[np.float32]


def neighbours(queries: Matrix, among: Matrix, count: int) -> tuple[NDArray[np.int32], Matrix]:
    """For each query the `count` most similar vectors, best first, and their inner products to 10^-6.

    Args:
        queries: (rows, dimensions). among: (many, dimensions). Of unit vectors the products are cosines.
        count: as many as there are, where these are fewer.

    Returns:
        (numbers of the vectors (rows, count); products (rows, count)); of equal ones the lower number first.
    """
    count = min(count, len(among))
    which, near = np.zeros((len(queries), count), np.int32), np.zeros((len(queries), count), np.float32)
    if not count or not len(queries):
        return which, near
    across = np.ascontiguousarray(among.T, np.float32)
    among = np.ascontiguousarray(among, np.float32)
    block, products = np.zeros((BLOCK, queries.shape[1]), np.float32), np.empty((BLOCK, len(among)), np.float32)
    with single():
        for at in range(0, len(queries), BLOCK):
            some = queries[at : at + BLOCK]
            block[: len(some)] = some
            np.matmul(block, across, out=products)
            _best(products, len(some), block, among, which[at : at + BLOCK], near[at : at + BLOCK])
    return which, near


def rotated(vectors: Matrix, mean: Matrix, basis: Matrix) -> Matrix:
    """(vectors - mean) · basis, each row the same whatever stands beside it."""
    out = np.zeros((len(vectors), basis.shape[1]), np.float32)
    _rotate(np.ascontiguousarray(vectors, np.float32), mean, np.ascontiguousarray(basis), out)
    return out


def single() -> AbstractContextManager[Any]:
    """A context in which BLAS and OpenMP have one thread.

    Raises:
        UserError: threadpoolctl is not there.
    """
    try:
        from threadpoolctl import threadpool_limits
    except ImportError as error:
        raise UserError(f"this needs threadpoolctl: {error}", fix="pip install 'hornbook[cluster]'") from error
    limits: AbstractContextManager[Any] = threadpool_limits(1)
    return limits


@kernel
def _rotate(vectors, mean, basis, out):
    for i in range(vectors.shape[0]):
        for d in range(mean.size):
            x = vectors[i, d] - mean[d]
            for j in range(out.shape[1]):
                out[i, j] += x * basis[d, j]


@part
def _least_of_best(products, i, count):
    """The smallest of the `count` largest of a row, as BLAS has it."""
    best, low = np.full(count, -np.inf, np.float32), 0
    for j in range(products.shape[1]):
        if products[i, j] > best[low]:
            best[low] = products[i, j]
            for t in range(count):
                if best[t] < best[low]:
                    low = t
    return best[low]


@part
def _product(one, other):
    exact = 0.0
    for d in range(one.size):
        exact += np.float64(one[d]) * np.float64(other[d])
    return np.round(exact, 6)


@kernel
def _best(products, rows, queries, among, which, near):
    """The largest of each row, in order; of equal ones those of lower numbers first."""
    count = which.shape[1]
    best = np.empty(count, np.float64)
    for i in range(rows):
        limit = _least_of_best(products, i, count) - _SLACK
        best[:] = -np.inf
        for j in range(products.shape[1]):
            if products[i, j] < limit:
                continue
            exact, t = _product(queries[i], among[j]), count - 1
            if exact <= best[t]:
                continue
            while t > 0 and best[t - 1] < exact:
                best[t], which[i, t] = best[t - 1], which[i, t - 1]
                t -= 1
            best[t], which[i, t] = exact, j
        near[i] = best
