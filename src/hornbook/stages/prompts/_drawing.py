"""Draws for prompts: numbers that depend on the seed, what is drawn, and which prompt it is, and on nothing else."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hornbook.core.keys import canonical, digest

_ODD, _ROW, _TRY = (np.uint64(odd) for odd in (0x9E3779B97F4A7C15, 0xD1342543DE82EF95, 0xAEF17502108EF2D9))
_MIX1, _MIX2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_A, _B, _C = np.uint64(30), np.uint64(27), np.uint64(31)
_HALF = np.uint64(32)
DRAWS = 48
"""Numbers drawn for a prompt; a template with more places to pick at takes them from the beginning again."""


def key_for(seed: int, *labels: str | int) -> int:
    """64 bits for one purpose."""
    return int(digest(canonical([seed, *labels])), 16) % 2**64


def draws(key: int, rows: NDArray[np.int64], which: NDArray[np.int64], many: int) -> NDArray[np.uint32]:
    """Evenly spread 32-bit numbers: uint32 (rows, many), splitmix64 (Steele et al. 2014) of key, row and which.

    Args:
        key: from `key_for`.
        rows: int64 (n,), the numbers of the seeds.
        which: int64 (n,), the prompt of the seed, or whatever else tells one draw from another.
        many: numbers a row; the first ones are the same for any number of them.
    """
    state = _mixed(_mixed(rows.astype(np.uint64) * _ROW + np.uint64(key)) + which.astype(np.uint64) * _TRY)
    steps = np.arange(1, many + 1, dtype=np.uint64) * _ODD
    return (_mixed(state[:, None] + steps[None, :]) >> _HALF).astype(np.uint32)


def orders(key: int, rows: NDArray[np.int64], which: NDArray[np.int64], many: int) -> NDArray[np.int64]:
    """A shuffled 0 … many-1 for each row: int64 (rows, many)."""
    return np.argsort(draws(key, rows, which, many), axis=1, kind="stable")


def _mixed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    x = (x ^ x >> _A) * _MIX1
    x = (x ^ x >> _B) * _MIX2
    return x ^ x >> _C
