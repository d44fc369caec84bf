"""How far raters agree beyond chance: Cohen's, Fleiss' and Krippendorff's coefficients, from tables of counts.

All of them are made from counts that can be added up piece by piece, so no rating need be held. None stands for
"cannot be said": nobody rated, or all ratings are one and the same (chance alone would agree fully).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Weights = Literal["none", "linear", "quadratic"]
Counts = NDArray[np.float64]
Ratings = NDArray[np.int64]


def weights_of(size: int, weights: Weights) -> Counts:
    """How far two categories are apart: 0 or 1, or in steps of the scale, or in their squares."""
    steps = np.abs(np.subtract.outer(np.arange(size), np.arange(size))).astype(np.float64)
    if weights == "none":
        return (steps > 0).astype(np.float64)
    return steps if weights == "linear" else steps**2


def contingency(one: Ratings, two: Ratings, size: int) -> Counts:
    """float64 (size, size): how often the first rater said i and the second j; -1 is no rating.

    Args:
        one, two: int64 (rows,), categories from 0.
    """
    both = (one >= 0) & (two >= 0)
    flat = np.bincount(one[both] * size + two[both], minlength=size * size)
    return flat.reshape(size, size).astype(np.float64)


def cohen(table: Counts, weights: Weights = "none") -> float | None:
    """Cohen's κ of two raters (Educational and Psychological Measurement 1960; weighted: Psychological Bulletin 1968).

    Args:
        table: (size, size), what one rater said against what the other said.
        weights: what disagreement costs: the same whatever it is, by steps, or by their squares.
    """
    total = table.sum()
    if total <= 0:
        return None
    cost = weights_of(table.shape[0], weights)
    chance = float((cost * np.outer(table.sum(1), table.sum(0))).sum()) / total
    return 1.0 - float((cost * table).sum()) / chance if chance > 0 else None


def agreeing(counts: Counts) -> Counts:
    """For each row the share of pairs of raters that agree: what Fleiss' κ takes the mean of.

    Args:
        counts: (rows, categories), how many raters said what; at least two a row.
    """
    many = counts.sum(1)
    found: Counts = ((counts**2).sum(1) - many) / (many * (many - 1))
    return found


def fleiss(share: float, totals: Counts) -> float | None:
    """Fleiss' κ of any number of raters (Psychological Bulletin 1971).

    Args:
        share: the mean of `agreeing` over rows that all raters rated.
        totals: (categories,), how often each was said in these rows.
    """
    total = totals.sum()
    if total <= 0:
        return None
    chance = float(((totals / total) ** 2).sum())
    return (share - chance) / (1.0 - chance) if chance < 1.0 else None


def coincidences(ratings: Ratings, size: int) -> Counts:
    """(size, size): pairs of values within rows, each row counting as its number of ratings; -1 is no rating.

    Args:
        ratings: int64 (rows, raters), categories from 0; rows with fewer than two ratings count for nothing.
    """
    known = ratings >= 0
    rows = known.sum(1) >= 2
    ratings, known = ratings[rows], known[rows]
    counts = np.zeros((ratings.shape[0], size))
    row, _ = np.nonzero(known)
    np.add.at(counts, (row, ratings[known]), 1.0)
    each = 1.0 / (counts.sum(1) - 1.0)
    table: Counts = (counts * each[:, None]).T @ counts
    table -= np.diag((counts * each[:, None]).sum(0))
    return table


def alpha(table: Counts, weights: Weights = "none") -> float | None:
    """Krippendorff's α (Content Analysis, 3rd edition 2013, chapter 12): any number of raters, some of them missing.

    Args:
        table: from `coincidences`.
        weights: `none` for categories, `quadratic` for a scale (his interval metric).
    """
    totals = table.sum(1)
    total = totals.sum()
    if total <= 1:
        return None
    cost = weights_of(table.shape[0], weights)
    expected = float((cost * np.outer(totals, totals)).sum()) / (total - 1.0)
    return 1.0 - float((cost * table).sum()) / expected if expected > 0 else None
